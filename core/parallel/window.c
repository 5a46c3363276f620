/* SPDX-License-Identifier: MIT
 *
 * window.c: what maps over a source have in common: which chunks are under way, which one's turn it is.
 *
 * Chunks are taken from the source as long as the window has room, and kept in the order in which they began. In
 * order, whoever asks waits for the oldest; unordered, for a queue into which each comes when it is over. */
#include "parallel/window.h"

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "base/options.h"
#include "base/thread.h"
#include "future/wait.h"

static struct fl_chunk *get(struct fl_window *w)
{
    struct fl_chunk *c = w->spare;

    if (c != NULL)
        w->spare = c->next;
    else
        c = fl_malloc(w->chunk_bytes);
    if (c != NULL)
        *c = (struct fl_chunk){0};
    return c;
}

void fl_window_put(struct fl_window *w, struct fl_chunk *c)
{
    c->next = w->spare;
    w->spare = c;
}

/* Has the chunk come into the queue when it is over. For want of memory that may fail: then it is
 * over here and now, and is kept aside. */
static bool watch(struct fl_window *w, struct fl_chunk *c)
{
    int status = fl_waiter_join(c->f, &w->queue.listener, &c->node);

    if (status == 0 && c->node == NULL)
        status = fl_queue_put_over(&w->queue, c->f);
    if (status == 0)
        return true;
    filch_future_cancel(c->f);
    (void)fl_future_await_end(c->f); /* its arguments are in use */
    c->failed = filch_future_result(c->f, FILCH_NOW, NULL);
    c->next = w->odd;
    w->odd = c;
    w->under_way += c->n;
    return false;
}

static void append(struct fl_window *w, struct fl_chunk *c)
{
    c->before = w->youngest;
    if (w->oldest == NULL)
        w->oldest = c;
    else
        w->youngest->next = c;
    w->youngest = c;
    w->under_way += c->n;
}

/* Takes arguments as long as the window has room. */
static void go_on(struct fl_window *w)
{
    while (!w->is_dry && w->options.window - w->under_way >= w->options.chunk) {
        struct fl_chunk *c = get(w);

        if (c == NULL) {
            w->stopped = FILCH_ENOMEM;
            w->is_dry = true;
            return;
        }
        w->stopped = w->ops->begin(w, c);
        if (c->n == 0 || w->stopped != 0) {
            fl_window_put(w, c);
            w->is_dry = true;
        } else if ((w->options.flags & FILCH_MAP_UNORDERED) == 0 || watch(w, c)) {
            append(w, c);
        }
    }
}

static void unlink_chunk(struct fl_window *w, const struct fl_chunk *c)
{
    if (c->before == NULL)
        w->oldest = c->next;
    else
        c->before->next = c->next;
    if (c->next == NULL)
        w->youngest = c->before;
    else
        c->next->before = c->before;
}

/* f is over. */
static struct fl_chunk *chunk_of(struct fl_window *w, filch_future *f)
{
    struct fl_chunk *c = w->oldest;
    void *result;

    if (w->ops->chunk_of != NULL && filch_future_result(f, FILCH_NOW, &result) == 0)
        return w->ops->chunk_of(result);
    while (c->f != f)
        c = c->next;
    return c;
}

static bool help(struct fl_worker *w, void *queue)
{
    struct fl_window *window = fl_container_of(queue, struct fl_window, queue);

    for (struct fl_chunk *c = window->oldest; c != NULL; c = c->next) {
        if (fl_help_with_future(w, c->f))
            return true;
    }
    return false;
}

/* Waits for the next to come into the queue. */
static int await_any(struct fl_window *w)
{
    struct fl_awaited awaited = {
        .is_over = fl_queue_has_some, .sleep = fl_queue_sleep_on, .what = &w->queue, .help = help};
    struct fl_worker *self = fl_self()->worker;

    if (fl_queue_has(&w->queue))
        return 0;
    if (fl_process() != w->process)
        return FILCH_EFORKED;
    for (struct fl_chunk *c = w->oldest; c != NULL && self != NULL; c = c->next) {
        int status = fl_await_objection(self, c->f);

        if (status != 0)
            return fl_await_refused(self, c->f, status);
    }
    for (struct fl_chunk *c = w->oldest; c != NULL && fl_self()->keeper != NULL; c = c->next) {
        if (fl_await_is_for_itself(c->f, w->options.deadline))
            return FILCH_EDEADLK;
    }
    return fl_await(&awaited, w->options.deadline);
}

/* Waits for a chunk that is over. 0 with w->current set, or what filch_map_next returns. */
static int await_chunk(struct fl_window *w)
{
    filch_deadline deadline = w->options.deadline;
    struct fl_chunk *c = w->odd;
    int status;

    if (c != NULL) {
        w->odd = c->next;
        w->current = c;
        return 0;
    }
    c = w->oldest;
    if ((w->options.flags & FILCH_MAP_UNORDERED) != 0) {
        status = await_any(w);
        if (status != 0)
            return status;
        c = chunk_of(w, fl_queue_take(&w->queue));
        filch_future_release(c->f); /* the queue's */
        deadline = FILCH_NOW;
    }
    status = filch_future_result(c->f, deadline, NULL);
    if (status != 0 && !filch_future_done(c->f))
        return status;
    unlink_chunk(w, c);
    c->failed = filch_future_result(c->f, FILCH_NOW, NULL); /* it may have come just too late */
    w->current = c;
    return 0;
}

/* Whether its task runs no more, and has not made all of its calls. */
static bool never_runs(const struct fl_chunk *c)
{
    return filch_future_cancel(c->f) ||
           (filch_future_done(c->f) && filch_future_result(c->f, FILCH_NOW, NULL) != 0);
}

static void let_go(struct fl_window *w, struct fl_chunk *c, bool waits)
{
    bool ran = !never_runs(c);

    if (c->node != NULL)
        fl_waiter_leave(c->node, &w->queue.listener);
    if (ran && waits) {
        (void)fl_future_await_end(c->f);
        ran = !never_runs(c); /* a call may have ended its thread: no others were made */
    }
    filch_future_release(c->f);
    w->ops->let_go(w, c, ran);
}

static void let_all_go(struct fl_window *w, bool waits)
{
    struct fl_chunk *c = w->oldest;

    /* All are cancelled before any is waited for. */
    for (struct fl_chunk *i = c; i != NULL; i = i->next)
        filch_future_cancel(i->f);
    while (c != NULL) {
        struct fl_chunk *next = c->next;

        let_go(w, c, waits);
        c = next;
    }
    w->oldest = NULL;
    w->youngest = NULL;
    w->under_way = 0;
}

static int end(struct fl_window *w)
{
    int status = w->stopped != 0 ? w->stopped : FILCH_EEND;

    w->stopped = 0;
    w->is_over = true;
    return status;
}

static int fall_short(struct fl_window *w, int status)
{
    if (status == FILCH_ETIMEDOUT) {
        w->is_dry = true;
        w->is_over = true;
        let_all_go(w, false);
    }
    return status;
}

int fl_window_await(struct fl_window *w)
{
    int status = 0;

    if (w->is_over)
        return FILCH_EEND;
    if (w->under_way == 0)
        return end(w);
    if (w->current == NULL)
        status = await_chunk(w);
    return status != 0 ? fall_short(w, status) : 0;
}

static void retire(struct fl_window *w)
{
    struct fl_chunk *c = w->current;

    w->current = NULL;
    w->ops->retire(w, c);
}

void fl_window_told(struct fl_window *w)
{
    w->current->told++;
    w->under_way--;
    if (w->current->told == w->current->n)
        retire(w);
    go_on(w);
}

int fl_window_complete(filch_map_options *o, const filch_map_options *given, filch_executor *ex,
                       size_t call_bytes)
{
    int status = 0;

    *o = (filch_map_options){.size = sizeof *o};
    if (given != NULL)
        status = fl_options_complete(o, sizeof *o, given, given->size);
    if (status != 0)
        return status;
    if ((o->flags & ~(unsigned)(FILCH_MAP_UNORDERED | FILCH_MAP_CLOSE_WAITS)) != 0 ||
        o->chunk > PTRDIFF_MAX / (2 * call_bytes))
        return FILCH_EINVAL;
    if (o->chunk == 0)
        o->chunk = 1;
    if (o->window == 0)
        o->window = 4 * (size_t)filch_executor_workers(ex) * o->chunk;
    if (o->window < o->chunk)
        o->window = o->chunk;
    if (o->deadline == 0)
        o->deadline = FILCH_FOREVER;
    return 0;
}

void fl_window_open(struct fl_window *w, const struct fl_window_ops *ops, filch_executor *ex,
                    const filch_map_options *options, size_t chunk_bytes,
                    void (*free)(struct fl_listener *l))
{
    fl_queue_open(&w->queue, free);
    w->ops = ops;
    w->ex = ex;
    w->options = *options;
    w->chunk_bytes = chunk_bytes;
    w->process = fl_process();
    go_on(w);
}

void fl_window_empty(struct fl_window *w)
{
    struct fl_chunk *c;

    while ((c = w->current) != NULL || (c = w->odd) != NULL) {
        if (w->current == NULL) {
            w->odd = c->next;
            w->current = c;
        }
        retire(w);
    }
    let_all_go(w, (w->options.flags & FILCH_MAP_CLOSE_WAITS) != 0);
    while ((c = w->spare) != NULL) {
        w->spare = c->next;
        fl_free(c);
    }
}
