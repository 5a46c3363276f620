/* SPDX-License-Identifier: MIT
 *
 * stats.c: counters added up, trace rings read in turn, functions named.
 *
 * Words   names    NULL, then the table of names for ever
 * Orders  O1  create  names  CAS release -> O2    the table before it is found
 *         O2  find    names  acquire <- O1 */
#include "observe/stats.h"

#include "queue/ring.h"
#include "queue/table.h"

#include <string.h>

static void add_worker(filch_executor_stats *sum, struct fl_worker *w)
{
    uint64_t ended = fl_count_read(&w->count.ended);
    uint64_t begun = fl_count_read(&w->count.begun);

    sum->ended += ended;
    sum->running += begun - ended;
    sum->executed += fl_count_read(&w->count.executed);
    sum->stolen += fl_count_read(&w->count.stolen);
    sum->parks += fl_count_read(&w->count.parks);
    sum->wakes += fl_count_read(&w->count.wakes);
    sum->helped += fl_count_read(&w->count.helped);
    sum->trace_dropped += fl_count_read(&w->count.trace_dropped);
}

/* The keeper of the clock is a thread, and no worker. */
static uint64_t workers_now(struct fl_pool *p)
{
    uint32_t threads = fl_load(&p->threads, relaxed);        /* count */
    uint32_t keepers = fl_load(&p->timers.keepers, relaxed); /* count */

    return threads > keepers ? threads - keepers : 0;
}

/* What ended is read before what was submitted, so that pending is never below 0. */
static void add_up(struct fl_pool *p, filch_executor_stats *sum)
{
    int64_t tombstones;

    sum->ended = fl_load(&p->ended_outside, relaxed); /* count */
    for (unsigned i = 0; i < p->n_slots; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            add_worker(sum, w);
    }
    sum->submitted = fl_pool_submitted(p);
    sum->pending = sum->submitted - sum->ended;
    sum->running = sum->running < sum->pending ? sum->running : sum->pending;
    sum->pending -= sum->running;
    sum->workers = workers_now(p);
    sum->spares = fl_load(&p->spares_started, relaxed); /* count */
    tombstones = fl_load(&p->tombstones, relaxed);      /* count */
    sum->tombstones =
        tombstones > 0 ? (uint64_t)tombstones : 0;      /* one may be taken out uncounted */
    sum->unobserved = fl_load(&p->unobserved, relaxed); /* count */
    sum->memory_bytes = (uint64_t)fl_load(&p->home.heap.bytes, relaxed); /* count */
}

int fl_pool_stats(struct fl_pool *p, filch_executor_stats *stats)
{
    filch_executor_stats sum = {.size = stats->size};
    size_t known = stats->size < sizeof sum ? stats->size : sizeof sum;

    if (stats->size < sizeof stats->size)
        return FILCH_EINVAL;
    add_up(p, &sum);
    if (stats->size > sizeof sum)
        memset((char *)stats + sizeof sum, 0, stats->size - sizeof sum);
    memcpy(stats, &sum, known);
    return 0;
}

static struct fl_table *names_of(struct fl_pool *p)
{
    return fl_load(&p->names, acquire); /* O2 */
}

/* The table is made when the first name is given. */
static int make_names(struct fl_pool *p)
{
    struct fl_table *names = NULL;
    struct fl_table *none = NULL;
    int status = fl_table_create(&names, &p->home.heap);

    if (status != 0)
        return status;
    if (!fl_cas(&p->names, &none, names, release, relaxed)) /* O1; hint: somebody else's will do */
        fl_table_destroy(names);
    return 0;
}

int fl_pool_name_function(struct fl_pool *p, filch_task_fn *fn, const char *name)
{
    int status = names_of(p) != NULL ? 0 : make_names(p);

    if (status != 0)
        return status;
    fl_lock_enter(&p->names_lock);
    status = fl_table_put(names_of(p), &fn, sizeof fn, (void *)(uintptr_t)name);
    fl_lock_leave(&p->names_lock);
    return status;
}

int fl_pool_trace_next(struct fl_pool *p, filch_trace_event *event)
{
    if (p->trace_events == 0)
        return FILCH_ENOTSUP;
    for (unsigned i = 0; i < p->n_slots; i++) {
        struct fl_worker *w = fl_worker_at(p, p->trace_turn++ % p->n_slots);
        struct fl_table *names = names_of(p);

        if (w == NULL || !fl_ring_pop(w->trace, event))
            continue;
        if (event->name == NULL && names != NULL && event->fn != NULL)
            event->name = fl_table_get(names, &event->fn, sizeof event->fn);
        return 0;
    }
    return FILCH_EEND;
}

const char *filch_trace_kind_name(uint32_t kind)
{
    switch (kind) {
    case FILCH_TRACE_START:
        return "start";
    case FILCH_TRACE_END:
        return "end";
    case FILCH_TRACE_STEAL:
        return "steal";
    case FILCH_TRACE_PARK:
        return "park";
    case FILCH_TRACE_UNPARK:
        return "unpark";
    default:
        return NULL;
    }
}
