/* SPDX-License-Identifier: MIT
 *
 * wait_many.c: one thread waits for many futures with one sleep.
 *
 * A wait that is not over at once registers a group with each future that is left (waiter.c), sleeps on the
 * group's word, and leaves those that have not been told. Beyond the caches each pass over the futures costs as
 * much as all the rest, so there are as few as can be: one to see whether that is needed at all, one to
 * register, one to say what came of it.
 *
 * Words   fired   of a group: the wait is over
 * Orders  J2  wake  fired  acquire <- waiter.c's V7 */
#include "base/alloc.h"
#include "base/futex.h"
#include "base/options.h"
#include "future/future.h"
#include "future/wait.h"
#include "future/waiter.h"
#include "sched/pool.h"

#include <string.h>

static bool is_over(const filch_future *f)
{
    return fl_future_phase(f) >= FL_OVER;
}

static bool has_fired(const void *group)
{
    const struct fl_group *g = group;

    return fl_load(&g->fired, acquire) != 0; /* J2 */
}

static int sleep_on_group(void *group, filch_deadline deadline)
{
    struct fl_group *g = group;

    while (!has_fired(g)) {
        if (fl_futex_wait(&g->fired, 0, deadline) != 0)
            return FILCH_ETIMEDOUT;
    }
    return 0;
}

/* Registers with all that are not over, and takes the registering one's turn away. */
static int join_all(filch_future **futures, size_t n, struct fl_group *g, struct fl_waiter **nodes)
{
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++) {
        fl_add(&g->left, 1, relaxed); /* count: the registering one's 1 is still there */
        status = fl_waiter_join(futures[i], &g->listener, &nodes[i]);
        if (nodes[i] == NULL)
            fl_group_tell(g, status == 0 ? futures[i] : NULL);
    }
    fl_group_tell(g, NULL);
    return status;
}

static void leave_all(struct fl_waiter **nodes, size_t n, struct fl_group *g)
{
    for (size_t i = 0; i < n; i++) {
        if (nodes[i] != NULL)
            fl_waiter_leave(nodes[i], &g->listener);
    }
}

/* What forbids a wait, and for which of them; or 0. */
struct objection {
    int status;
    const filch_future *to;
};

/* Before a wait by worker w, or NULL. Are enough of them over? If not, something may forbid it. */
static bool are_enough(struct fl_worker *w, filch_future *const *futures, size_t n,
                       const filch_wait_options *o, struct objection *objection)
{
    size_t over = 0;
    bool hit = false;

    *objection = (struct objection){0, NULL};
    for (size_t i = 0; i < n; i++) {
        uint32_t phase = fl_future_phase(futures[i]);

        if (phase < FL_OVER) {
            if (objection->status == 0)
                *objection = (struct objection){fl_await_objection(w, futures[i]), futures[i]};
            continue;
        }
        over++;
        hit = hit || o->when == FILCH_FIRST_COMPLETED ||
              (o->when == FILCH_FIRST_EXCEPTION && phase == FL_FAILED) ||
              (o->when == FILCH_FIRST_SUCCESS && phase == FL_FINISHED);
    }
    return hit || over == n || (o->when == FILCH_AT_LEAST && over >= o->at_least);
}

/* Those that are over first, both parts in their order; aside has room for n. */
static size_t partition(filch_future **futures, size_t n, filch_future **aside)
{
    size_t over = 0;
    size_t pending = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_over(futures[i]))
            futures[over++] = futures[i];
        else
            aside[pending++] = futures[i];
    }
    memcpy(futures + over, aside, pending * sizeof aside[0]);
    return over;
}

static size_t mark(filch_future *const *futures, size_t n, bool *done)
{
    size_t over = 0;

    for (size_t i = 0; i < n; i++) {
        done[i] = is_over(futures[i]);
        over += done[i];
    }
    return over;
}

/* A group that a thread waits for: left, whether the wait is over or the thread ends in what it runs
 * meanwhile. */
struct joined {
    struct fl_group *g;
    struct fl_waiter **nodes;
    size_t n;
};

static void leave_group(struct joined *j)
{
    leave_all(j->nodes, j->n, j->g);
    fl_group_release(j->g);
}

/* room is for n pointers: first the nodes, then the futures that are put aside. */
static ptrdiff_t wait_for(filch_future **futures, size_t n, const filch_wait_options *o,
                          void **room)
{
    struct fl_waiter **nodes = (struct fl_waiter **)room;
    struct fl_group *g;
    struct fl_worker *w = fl_worker_self();
    struct objection objection;
    int status;

    if (!are_enough(w, futures, n, o, &objection)) {
        if (objection.status != 0)
            return fl_await_refused(w, objection.to, objection.status);
        g = fl_group_create(o->when);
        if (g == NULL)
            return FILCH_ENOMEM;
        fl_init(&g->missing, o->at_least);
        memset(room, 0, n * sizeof room[0]);

        struct joined joined fl_cleanup(leave_group) = {g, nodes, n};
        status = join_all(futures, n, g, nodes);
        if (status == 0) {
            struct fl_awaited awaited = {
                .is_over = has_fired,
                .sleep = sleep_on_group,
                .what = g,
                .futures = futures,
                .n = n,
                .spin_ns = o->spin_ns,
                .only = n == 1 ? futures[0] : NULL,
            };

            status = fl_await(&awaited, o->deadline);
        }
        if (status != 0 && status != FILCH_ETIMEDOUT)
            return status;
    }
    if (o->done != NULL)
        return (ptrdiff_t)mark(futures, n, o->done);
    return (ptrdiff_t)partition(futures, n, (filch_future **)room);
}

static void free_room(void ***room)
{
    fl_free(*room);
}

/* Options are complete. */
static ptrdiff_t wait_with(filch_future **futures, size_t n, const filch_wait_options *o)
{
    enum {
        FEW = 32
    };
    void *few[FEW];
    void **room fl_cleanup(free_room) = NULL;

    if ((futures == NULL && n != 0) || n > PTRDIFF_MAX / sizeof(void *))
        return FILCH_EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (futures[i] == NULL)
            return FILCH_EINVAL;
    }
    if (n == 0)
        return 0;
    if (n > FEW) {
        room = fl_malloc(n * sizeof room[0]);
        if (room == NULL)
            return FILCH_ENOMEM;
    }
    return wait_for(futures, n, o, room != NULL ? room : few);
}

ptrdiff_t filch_wait(filch_future **futures, size_t n, enum filch_return_when when,
                     filch_deadline deadline)
{
    filch_wait_options o = {.size = sizeof o, .when = when, .deadline = deadline};

    if ((unsigned)when > FILCH_FIRST_SUCCESS)
        return FILCH_EINVAL;
    return wait_with(futures, n, &o);
}

ptrdiff_t filch_wait_with(filch_future **futures, size_t n, const filch_wait_options *options)
{
    filch_wait_options o = {.size = sizeof o};
    int status = 0;

    if (options != NULL)
        status = fl_options_complete(&o, sizeof o, options, options->size);
    if (status != 0)
        return status;
    if ((unsigned)o.when > FILCH_AT_LEAST || o.at_least > n ||
        (o.at_least != 0 && o.when != FILCH_AT_LEAST))
        return FILCH_EINVAL;
    if (o.deadline == 0)
        o.deadline = FILCH_FOREVER;
    return wait_with(futures, n, &o);
}
