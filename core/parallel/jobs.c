/* SPDX-License-Identifier: MIT
 *
 * jobs.c: filch_map_jobs: one job over a source of inputs, its outputs one by one, with a window of jobs under way.
 *
 * The window is that of every map (window.c). A chunk of one is a job like any other; a chunk of more is a pack of
 * inputs, whose output is a pack of as many (pack.h). That may come from a process that has gone mad: it is looked
 * through before anything of it is given, and one that is no pack counts as that process's crash.
 *
 * Memory   inputs are copied as they are submitted, so nothing of a chunk has to outlive it here. The future whose
 *          result the user looks at is kept until he asks for the next. */
#include <filch/job.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "future/job.h"
#include "future/pack.h"
#include "parallel/window.h"

#include <string.h>

struct chunk {
    struct fl_chunk base;
    size_t at; /* of the next output in the pack */
};

struct filch_job_map {
    struct fl_window window;
    filch_next_bytes_fn *next;
    void *source;
    filch_buffer *pack; /* of inputs, to be submitted; NULL: each goes by itself */
    filch_future *last; /* whose result the user looks at */
    char name[];
};

static filch_job_map *map_of(struct fl_window *w)
{
    return fl_container_of(w, filch_job_map, window);
}

/* ---- in ---- */

static int take(filch_job_map *it, struct fl_chunk *c, struct fl_job *job)
{
    job->bytes = NULL;
    job->len = 0;
    if (!it->next(it->source, &job->bytes, &job->len)) {
        it->window.is_dry = true;
        return 0;
    }
    c->n++;
    return job->bytes == NULL && job->len != 0 ? FILCH_EINVAL : 0;
}

static int take_all(filch_job_map *it, struct fl_chunk *c, struct fl_job *job)
{
    if (it->pack == NULL)
        return take(it, c, job);
    it->pack->len = 0;
    if (!fl_pack_begin(it->pack))
        return FILCH_ENOMEM;
    while (c->n < it->window.options.chunk) {
        int status = take(it, c, job);

        if (status != 0)
            return status;
        if (it->window.is_dry)
            break;
        if (!fl_pack_add(it->pack, job->bytes, job->len))
            return FILCH_ENOMEM;
    }
    job->bytes = it->pack->data;
    job->len = it->pack->len;
    return 0;
}

/* It is this input that is not wanted, and the next may be: the chunk is over with that. */
static int refuse(struct fl_chunk *c, int why)
{
    int status = filch_promise_create(&c->f);

    if (status == 0)
        filch_promise_set_error(c->f, why, NULL);
    return status;
}

static int begin(struct fl_window *w, struct fl_chunk *c)
{
    filch_job_map *it = map_of(w);
    struct fl_job job = {.name = it->name, .is_chunk = it->pack != NULL};
    int status = take_all(it, c, &job);

    if (status != 0 || c->n == 0)
        return status;
    status = fl_job_submit(w->ex, &job, &c->f);
    return status == FILCH_EMSGSIZE || status == FILCH_EPOISON ? refuse(c, status) : status;
}

/* ---- out ---- */

static void release_last(filch_job_map *it)
{
    filch_future_release(it->last);
    it->last = NULL;
}

static void retire(struct fl_window *w, struct fl_chunk *c)
{
    filch_job_map *it = map_of(w);

    release_last(it);
    it->last = c->f;
    fl_window_put(w, c);
}

static void let_go(struct fl_window *w, struct fl_chunk *c, bool task_has_it)
{
    (void)task_has_it; /* it has no more than a copy */
    fl_window_put(w, c);
}

static const struct fl_window_ops ops = {.begin = begin, .retire = retire, .let_go = let_go};

static const filch_buffer *output_of(const struct fl_chunk *c)
{
    void *result = NULL;

    return filch_future_result(c->f, FILCH_NOW, &result) == 0 ? result : NULL;
}

/* Of a chunk that has come, before its first output is given. */
static void look_through(const filch_job_map *it, struct fl_chunk *c)
{
    const filch_buffer *output = output_of(c);

    fl_container_of(c, struct chunk, base)->at = FL_PACK_HEAD;
    if (output == NULL || (it->pack != NULL && !fl_pack_is_whole(output->data, output->len, c->n)))
        c->failed = FILCH_ECRASHED;
}

static struct fl_pack_item next_item(const filch_job_map *it, struct fl_chunk *c)
{
    struct fl_pack_item item = {NULL, 0, c->failed};
    const filch_buffer *output;

    if (c->failed != 0)
        return item;
    output = output_of(c);
    if (it->pack == NULL)
        return (struct fl_pack_item){output->data, output->len, 0};
    if (!fl_pack_next(output->data, output->len, &fl_container_of(c, struct chunk, base)->at,
                      &item))
        item.status = c->failed = FILCH_ECRASHED;
    return item;
}

int filch_job_map_next(filch_job_map *it, const void **bytes, size_t *len)
{
    struct fl_pack_item item;
    struct fl_chunk *c;
    int status;

    if (it == NULL)
        return FILCH_EINVAL;
    status = fl_window_await(&it->window);
    release_last(it);
    if (status != 0)
        return status;
    c = it->window.current;
    if (c->told == 0 && c->failed == 0)
        look_through(it, c);
    item = next_item(it, c);
    fl_window_told(&it->window);
    if (bytes != NULL)
        *bytes = item.status == 0 ? item.bytes : NULL;
    if (len != NULL)
        *len = item.status == 0 ? item.len : 0;
    return item.status != FILCH_EEND ? item.status : FILCH_EINVAL;
}

/* ---- the map ---- */

static void free_map(struct fl_listener *l)
{
    fl_free(fl_container_of(l, filch_job_map, window.queue.listener));
}

static filch_job_map *create(const char *name, bool packs)
{
    size_t name_bytes = strlen(name) + 1;
    filch_job_map *it = fl_malloc(sizeof *it + name_bytes);

    if (it == NULL)
        return NULL;
    memset(it, 0, sizeof *it);
    memcpy(it->name, name, name_bytes);
    if (packs) {
        it->pack = fl_buffer_create(0);
        if (it->pack == NULL) {
            fl_free(it);
            return NULL;
        }
    }
    return it;
}

int filch_map_jobs(filch_executor *ex, const char *name, filch_next_bytes_fn *next, void *source,
                   const filch_map_options *options, filch_job_map **out)
{
    filch_map_options o;
    filch_job_map *it;
    int status;

    if (ex == NULL || name == NULL || next == NULL || out == NULL)
        return FILCH_EINVAL;
    status = fl_window_complete(&o, options, ex, FL_PACK_HEAD);
    if (status != 0)
        return status;
    if (o.drop != NULL)
        return FILCH_EINVAL;
    it = create(name, o.chunk != 1);
    if (it == NULL)
        return FILCH_ENOMEM;
    it->next = next;
    it->source = source;
    fl_window_open(&it->window, &ops, ex, &o, sizeof(struct chunk), free_map);
    *out = it;
    return 0;
}

void filch_job_map_close(filch_job_map *it)
{
    if (it == NULL)
        return;
    fl_window_empty(&it->window);
    release_last(it);
    filch_buffer_free(it->pack);
    fl_queue_close(&it->window.queue);
}
