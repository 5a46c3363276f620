/* SPDX-License-Identifier: MIT
 *
 * iter.c: filch_map: results of one function over a source of arguments, one by one, with a window of
 * calls under way.
 *
 * Calls go in chunks: a chunk is a task and the memory for its arguments, statuses and results. The
 * iterator keeps those under way in the order of the arguments; one whose results have all come is
 * used again. An iterator that is closed leaves the chunks that are running to their tasks.
 *
 * Words   refs   of a chunk: the iterator's and the task's. The task gives its own back as its function
 *                ends, also if that ends the thread; a future that was cancelled or has failed has
 *                nobody left who would: then the iterator has the chunk to itself
 * Orders  M1  drop  refs  sub acq_rel <-> M1    what the task or the iterator did with it before it is
 *                                               freed */
#include <filch/map.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "base/options.h"
#include "base/thread.h"
#include "future/queue.h"
#include "future/wait.h"

#include <string.h>

struct chunk {
    struct chunk *next, *before; /* under way: the younger and the older; next: to be used again */
    filch_future *f;
    struct fl_waiter *node; /* unordered */
    filch_task_fn *fn;
    fl_atomic(uint32_t) refs;
    int failed;   /* why no call was made; 0: they were */
    size_t n;     /* calls */
    size_t begun; /* ... that were made */
    size_t told;  /* of them, given to the user */
    struct call {
        void *arg, *result;
        int status;
    } call[];
};

struct filch_map_iter {
    struct fl_queue queue; /* unordered: chunks that are over */
    filch_executor *ex;
    filch_task_fn *fn;
    filch_next_fn *next; /* NULL: there are no more */
    void *source;
    filch_map_options options; /* completed */
    struct chunk *oldest, *youngest;
    struct chunk *spare;   /* to be used again */
    struct chunk *odd;     /* unordered: over, without a way into the queue */
    struct chunk *current; /* over: the one whose results are given */
    size_t under_way;      /* calls */
    int stopped;           /* why there are no more; told once */
    bool is_over;
    int process; /* that has made it */
};

static void chunk_release(struct chunk *c)
{
    if (fl_sub(&c->refs, 1, acq_rel) == 1) /* M1 */
        fl_free(c);
}

static void release_chunk(struct chunk **c)
{
    chunk_release(*c);
}

static int run_chunk(void *chunk, void **result)
{
    struct chunk *c fl_cleanup(release_chunk) = chunk;

    *result = c;
    for (size_t i = 0; i < c->n; i++) {
        c->begun = i + 1; /* it may not return: then the rest is dropped */
        c->call[i].status = c->fn(c->call[i].arg, &c->call[i].result);
    }
    return 0;
}

static struct chunk *chunk_get(filch_map_iter *it)
{
    struct chunk *c = it->spare;

    if (c != NULL) {
        it->spare = c->next;
    } else {
        c = fl_malloc(sizeof *c + it->options.chunk * sizeof c->call[0]);
        if (c == NULL)
            return NULL;
    }
    c->next = NULL;
    c->f = NULL;
    c->node = NULL;
    c->fn = it->fn;
    c->failed = 0;
    c->n = 0;
    c->begun = 0;
    c->told = 0;
    fl_init(&c->refs, 2);
    return c;
}

/* Nobody else has it. */
static void chunk_put(filch_map_iter *it, struct chunk *c)
{
    c->next = it->spare;
    it->spare = c;
}

static void drop_args(filch_map_iter *it, const struct chunk *c)
{
    for (size_t i = c->begun; i < c->n && it->options.drop != NULL; i++)
        it->options.drop(it->source, c->call[i].arg);
}

static void fill(filch_map_iter *it, struct chunk *c)
{
    while (c->n < it->options.chunk && it->next != NULL) {
        struct call *call = &c->call[c->n];

        if (it->next(it->source, &call->arg)) {
            call->result = NULL;
            call->status = 0;
            c->n++;
        } else {
            it->next = NULL;
        }
    }
}

/* Has the chunk come into the queue when it is over. For want of memory that may fail: then it is
 * over here and now, and is kept aside. */
static bool watch(filch_map_iter *it, struct chunk *c)
{
    int status = fl_waiter_join(c->f, &it->queue.listener, &c->node);

    if (status == 0 && c->node == NULL)
        status = fl_queue_put_over(&it->queue, c->f);
    if (status == 0)
        return true;
    filch_future_cancel(c->f);
    (void)fl_future_await_end(c->f); /* its arguments are in use */
    c->failed = filch_future_result(c->f, FILCH_NOW, NULL);
    c->next = it->odd;
    it->odd = c;
    it->under_way += c->n;
    return false;
}

static void append(filch_map_iter *it, struct chunk *c)
{
    c->before = it->youngest;
    if (it->oldest == NULL)
        it->oldest = c;
    else
        it->youngest->next = c;
    it->youngest = c;
    it->under_way += c->n;
}

/* Takes arguments as long as the window has room. */
static void go_on(filch_map_iter *it)
{
    while (it->next != NULL && it->options.window - it->under_way >= it->options.chunk) {
        struct chunk *c = chunk_get(it);

        if (c == NULL) {
            it->stopped = FILCH_ENOMEM;
            it->next = NULL;
            return;
        }
        fill(it, c);
        it->stopped = c->n != 0 ? filch_submit(it->ex, run_chunk, c, &c->f) : 0;
        if (c->n == 0 || it->stopped != 0) {
            drop_args(it, c);
            chunk_put(it, c);
            it->next = NULL;
        } else if ((it->options.flags & FILCH_MAP_UNORDERED) == 0 || watch(it, c)) {
            append(it, c);
        }
    }
}

static void unlink_chunk(filch_map_iter *it, const struct chunk *c)
{
    if (c->before == NULL)
        it->oldest = c->next;
    else
        c->before->next = c->next;
    if (c->next == NULL)
        it->youngest = c->before;
    else
        c->next->before = c->before;
}

/* f is over. Its result tells, if the chunk has run. */
static struct chunk *chunk_of(filch_map_iter *it, filch_future *f)
{
    struct chunk *c = it->oldest;
    void *result;

    if (filch_future_result(f, FILCH_NOW, &result) == 0)
        return result;
    while (c->f != f)
        c = c->next;
    return c;
}

static bool help(struct fl_worker *w, void *queue)
{
    filch_map_iter *it = fl_container_of(queue, filch_map_iter, queue);

    for (struct chunk *c = it->oldest; c != NULL; c = c->next) {
        if (fl_help_with_future(w, c->f))
            return true;
    }
    return false;
}

/* Waits for the next to come into the queue. */
static int await_any(filch_map_iter *it)
{
    struct fl_awaited awaited = {
        .is_over = fl_queue_has_some, .sleep = fl_queue_sleep_on, .what = &it->queue, .help = help};
    struct fl_worker *w = fl_self()->worker;

    if (fl_queue_has(&it->queue))
        return 0;
    if (fl_process() != it->process)
        return FILCH_EFORKED;
    for (struct chunk *c = it->oldest; c != NULL && w != NULL; c = c->next) {
        int status = fl_await_objection(w, c->f);

        if (status != 0)
            return fl_await_refused(w, c->f, status);
    }
    return fl_await(&awaited, it->options.deadline);
}

/* Waits for a chunk that is over. 0 with it->current set, or what filch_map_next returns. */
static int await_chunk(filch_map_iter *it)
{
    filch_deadline deadline = it->options.deadline;
    struct chunk *c = it->odd;
    int status;

    if (c != NULL) {
        it->odd = c->next;
        it->current = c;
        return 0;
    }
    c = it->oldest;
    if ((it->options.flags & FILCH_MAP_UNORDERED) != 0) {
        status = await_any(it);
        if (status != 0)
            return status;
        c = chunk_of(it, fl_queue_take(&it->queue));
        filch_future_release(c->f); /* the queue's */
        deadline = FILCH_NOW;
    }
    status = filch_future_result(c->f, deadline, NULL);
    if (status != 0 && !filch_future_done(c->f))
        return status;
    unlink_chunk(it, c);
    c->failed = filch_future_result(c->f, FILCH_NOW, NULL); /* it may have come just too late */
    it->current = c;
    return 0;
}

/* All its results have been given. */
static void retire(filch_map_iter *it)
{
    struct chunk *c = it->current;

    if (c->failed != 0)
        drop_args(it, c);
    filch_future_release(c->f);
    chunk_put(it, c);
    it->current = NULL;
}

/* Whether its task runs no more, and has not made all of its calls. */
static bool never_runs(const struct chunk *c)
{
    return filch_future_cancel(c->f) ||
           (filch_future_done(c->f) && filch_future_result(c->f, FILCH_NOW, NULL) != 0);
}

static void let_go(filch_map_iter *it, struct chunk *c, bool waits)
{
    bool ran = !never_runs(c);

    if (c->node != NULL)
        fl_waiter_leave(c->node, &it->queue.listener);
    if (ran && waits) {
        (void)fl_future_await_end(c->f);
        ran = !never_runs(c); /* a call may have ended its thread: no others were made */
    }
    filch_future_release(c->f);
    if (ran) {
        chunk_release(c);
        return;
    }
    drop_args(it, c);
    fl_free(c);
}

static void let_all_go(filch_map_iter *it, bool waits)
{
    struct chunk *c = it->oldest;

    /* All are cancelled before any is waited for. */
    for (struct chunk *i = c; i != NULL; i = i->next)
        filch_future_cancel(i->f);
    while (c != NULL) {
        struct chunk *next = c->next;

        let_go(it, c, waits);
        c = next;
    }
    it->oldest = NULL;
    it->youngest = NULL;
    it->under_way = 0;
}

static int end(filch_map_iter *it)
{
    int status = it->stopped != 0 ? it->stopped : FILCH_EEND;

    it->stopped = 0;
    it->is_over = true;
    return status;
}

static int fall_short(filch_map_iter *it, int status)
{
    if (status == FILCH_ETIMEDOUT) {
        it->next = NULL;
        it->is_over = true;
        let_all_go(it, false);
    }
    return status;
}

int filch_map_next(filch_map_iter *it, void **result)
{
    const struct call *call;
    void *value;
    int status;

    if (it == NULL)
        return FILCH_EINVAL;
    if (it->is_over)
        return FILCH_EEND;
    if (it->under_way == 0)
        return end(it);
    if (it->current == NULL) {
        status = await_chunk(it);
        if (status != 0)
            return fall_short(it, status);
    }
    call = &it->current->call[it->current->told++];
    status = it->current->failed != 0 ? it->current->failed : call->status;
    value = status == 0 ? call->result : NULL;
    it->under_way--;
    if (it->current->told == it->current->n)
        retire(it);
    go_on(it);
    if (result != NULL)
        *result = value;
    return status;
}

static void free_iter(struct fl_listener *l)
{
    fl_free(fl_container_of(l, filch_map_iter, queue.listener));
}

static int complete(filch_map_options *o, const filch_map_options *given, unsigned workers)
{
    int status = 0;

    *o = (filch_map_options){.size = sizeof *o};
    if (given != NULL)
        status = fl_options_complete(o, sizeof *o, given, given->size);
    if (status != 0)
        return status;
    if ((o->flags & ~(unsigned)(FILCH_MAP_UNORDERED | FILCH_MAP_CLOSE_WAITS)) != 0 ||
        o->chunk > PTRDIFF_MAX / (2 * sizeof(struct call)))
        return FILCH_EINVAL;
    if (o->chunk == 0)
        o->chunk = 1;
    if (o->window == 0)
        o->window = 4 * (size_t)workers * o->chunk;
    if (o->window < o->chunk)
        o->window = o->chunk;
    if (o->deadline == 0)
        o->deadline = FILCH_FOREVER;
    return 0;
}

int filch_map(filch_executor *ex, filch_task_fn *fn, filch_next_fn *next, void *source,
              const filch_map_options *options, filch_map_iter **out)
{
    filch_map_options o;
    filch_map_iter *it;
    int status;

    if (ex == NULL || fn == NULL || next == NULL || out == NULL)
        return FILCH_EINVAL;
    status = complete(&o, options, filch_executor_workers(ex));
    if (status != 0)
        return status;
    it = fl_malloc(sizeof *it);
    if (it == NULL)
        return FILCH_ENOMEM;
    memset(it, 0, sizeof *it);
    fl_queue_open(&it->queue, free_iter);
    it->ex = ex;
    it->fn = fn;
    it->next = next;
    it->source = source;
    it->options = o;
    it->process = fl_process();
    go_on(it);
    *out = it;
    return 0;
}

void filch_map_close(filch_map_iter *it)
{
    struct chunk *c;

    if (it == NULL)
        return;
    while ((c = it->current) != NULL || (c = it->odd) != NULL) {
        if (it->current == NULL) {
            it->odd = c->next;
            it->current = c;
        }
        retire(it);
    }
    let_all_go(it, (it->options.flags & FILCH_MAP_CLOSE_WAITS) != 0);
    while ((c = it->spare) != NULL) {
        it->spare = c->next;
        fl_free(c);
    }
    fl_queue_close(&it->queue);
}
