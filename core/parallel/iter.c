/* SPDX-License-Identifier: MIT
 *
 * iter.c: filch_map: results of one function over a source of arguments, one by one, with a window of
 * calls under way.
 *
 * Calls go in chunks (window.c): a chunk is a task and the memory for its arguments, statuses and results. One whose
 * results have all come is used again. An iterator that is closed leaves the chunks that are running to their
 * tasks.
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
#include "parallel/window.h"

#include <string.h>

struct chunk {
    struct fl_chunk base;
    filch_task_fn *fn;
    fl_atomic(uint32_t) refs;
    size_t begun; /* calls that were made */
    struct call {
        void *arg, *result;
        int status;
    } call[];
};

struct filch_map_iter {
    struct fl_window window;
    filch_task_fn *fn;
    filch_next_fn *next;
    void *source;
};

static struct chunk *chunk_of(struct fl_chunk *c)
{
    return fl_container_of(c, struct chunk, base);
}

static filch_map_iter *iter_of(struct fl_window *w)
{
    return fl_container_of(w, filch_map_iter, window);
}

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
    for (size_t i = 0; i < c->base.n; i++) {
        c->begun = i + 1; /* it may not return: then the rest is dropped */
        c->call[i].status = c->fn(c->call[i].arg, &c->call[i].result);
    }
    return 0;
}

static struct fl_chunk *chunk_of_result(void *result)
{
    struct chunk *c = result;

    return &c->base;
}

static void drop_args(const filch_map_iter *it, const struct chunk *c)
{
    for (size_t i = c->begun; i < c->base.n && it->window.options.drop != NULL; i++)
        it->window.options.drop(it->source, c->call[i].arg);
}

static void fill(filch_map_iter *it, struct chunk *c)
{
    c->fn = it->fn;
    c->begun = 0;
    fl_init(&c->refs, 2);
    while (c->base.n < it->window.options.chunk && !it->window.is_dry) {
        struct call *call = &c->call[c->base.n];

        if (it->next(it->source, &call->arg)) {
            call->result = NULL;
            call->status = 0;
            c->base.n++;
        } else {
            it->window.is_dry = true;
        }
    }
}

static int begin(struct fl_window *w, struct fl_chunk *base)
{
    struct chunk *c = chunk_of(base);
    int status;

    fill(iter_of(w), c);
    status = base->n != 0 ? filch_submit(w->ex, run_chunk, c, &base->f) : 0;
    if (status != 0)
        drop_args(iter_of(w), c);
    return status;
}

static void retire(struct fl_window *w, struct fl_chunk *c)
{
    if (c->failed != 0)
        drop_args(iter_of(w), chunk_of(c));
    filch_future_release(c->f);
    fl_window_put(w, c);
}

static void let_go(struct fl_window *w, struct fl_chunk *base, bool task_has_it)
{
    struct chunk *c = chunk_of(base);

    if (task_has_it) {
        chunk_release(c);
        return;
    }
    drop_args(iter_of(w), c);
    fl_free(c);
}

static const struct fl_window_ops ops = {
    .begin = begin, .chunk_of = chunk_of_result, .retire = retire, .let_go = let_go};

int filch_map_next(filch_map_iter *it, void **result)
{
    const struct fl_chunk *c;
    const struct call *call;
    void *value;
    int status;

    if (it == NULL)
        return FILCH_EINVAL;
    status = fl_window_await(&it->window);
    if (status != 0)
        return status;
    c = it->window.current;
    call = &chunk_of(it->window.current)->call[c->told];
    status = c->failed != 0 ? c->failed : call->status;
    value = status == 0 ? call->result : NULL;
    fl_window_told(&it->window);
    if (result != NULL)
        *result = value;
    return status;
}

static void free_iter(struct fl_listener *l)
{
    fl_free(fl_container_of(l, filch_map_iter, window.queue.listener));
}

int filch_map(filch_executor *ex, filch_task_fn *fn, filch_next_fn *next, void *source,
              const filch_map_options *options, filch_map_iter **out)
{
    filch_map_options o;
    filch_map_iter *it;
    int status;

    if (ex == NULL || fn == NULL || next == NULL || out == NULL)
        return FILCH_EINVAL;
    status = fl_window_complete(&o, options, ex, sizeof(struct call));
    if (status != 0)
        return status;
    it = fl_malloc(sizeof *it);
    if (it == NULL)
        return FILCH_ENOMEM;
    memset(it, 0, sizeof *it);
    it->fn = fn;
    it->next = next;
    it->source = source;
    fl_window_open(&it->window, &ops, ex, &o, sizeof(struct chunk) + o.chunk * sizeof(struct call),
                   free_iter);
    *out = it;
    return 0;
}

void filch_map_close(filch_map_iter *it)
{
    if (it == NULL)
        return;
    fl_window_empty(&it->window);
    fl_queue_close(&it->window.queue);
}
