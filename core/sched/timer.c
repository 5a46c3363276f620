/* SPDX-License-Identifier: MIT
 *
 * timer.c: a pool's clock: a wheel of those who wait for a time, and a thread that watches it.
 *
 * The thread, the keeper, is started with the first timer and ends with the pool; a pool without
 * timers has neither wheel nor keeper. It sleeps until the earliest time, takes out what is due, and
 * with nothing locked queues it by a lane or ends it. Workers could watch the clock as they sleep, and
 * no thread would be needed; but a pool whose workers are all busy would be late by as long as its
 * tasks are. The keeper is not, whatever the load, at the price of one thread that mostly sleeps.
 * What leaves the wheel is decided under a lock that is held for a few instructions, for a look at 256
 * of a slot, for a thread's start, or for a walk over all: at the pool's end, and when all is cancelled.
 *
 * A callback of what the keeper ends may end its thread. Then the keeper goes on as the stack is unwound,
 * with what it has in hand, and the thread ends with the pool.
 *
 * Words   alarm     moves when the keeper is to look again; a futex. Only under the lock
 *         awaited   timers that the pool has to stay for: in the wheel, or in the keeper's hand and in
 *                   no queue yet
 *         keepers   1 while there is one: for statistics
 * Always  K1  a timer's hold is the wheel's while it is in there, and whoever takes it out owns it:
 *             the keeper, a canceller, whoever closes the pool; one of them, by the lock
 *         K2  the keeper has written down under the lock until when it sleeps, and read alarm there:
 *             whoever adds an earlier one moves both, and the keeper is awake or wakes
 *         K3  the pool is closed here before it is FL_CLOSING: whoever sees that sees all that are
 *             awaited, and they only get fewer
 *         K4  one that is awaited is not any more when it has been taken out to be ended, or when a
 *             lane is held by which it will be pushed (stop.c, Q2): so it is seen in one place
 *         K5  the keeper is one of the pool's threads (stop.c, Q4)
 * Orders  Y1  leave  awaited  sub release -> Y2     a lane that is held before it is not awaited
 *         Y2  look   awaited  acquire <- Y1 */
#include "sched/timer.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "sched/pool.h"

#include <stdio.h>

enum {
    BATCH = 64,            /* taken out at once */
    TRY_AGAIN_NS = 1000000 /* without memory for a queue */
};

static struct fl_timer *timer_of(struct fl_wheel_node *node)
{
    return fl_container_of(node, struct fl_timer, node);
}

/* ---- the keeper ---- */

/* A lane, and room on it for n, or for fewer: how many. */
static size_t begin_push(struct fl_pool *p, struct fl_push *at, size_t n)
{
    while (fl_push_begin_due(at, p, n) != 0) {
        uint32_t alarm = fl_load(&p->timers.alarm, relaxed); /* hint: it looks again anyway */

        if (n == 1)
            fl_futex_wait(&p->timers.alarm, alarm, fl_saturating_add(fl_now(), TRY_AGAIN_NS));
        n = 1;
    }
    return n;
}

/* They were awaited. */
static void push_tasks(struct fl_pool *p, struct fl_task *tasks[], size_t n)
{
    while (n != 0) {
        struct fl_push at;
        size_t some = begin_push(p, &at, n);

        fl_sub(&p->timers.awaited, some, release); /* Y1: the lane is held */
        fl_push_end(&at, tasks, some);
        tasks += some;
        n -= some;
    }
}

static void hand_over(struct fl_pool *p, struct fl_wheel_node *due[], size_t n)
{
    struct fl_task *tasks[BATCH];
    struct fl_wheel_node *others = NULL;
    struct fl_wheel_node **last = &others;
    size_t n_tasks = 0;

    for (size_t i = 0; i < n; i++) {
        struct fl_timer *t = timer_of(due[i]);

        if (t->ops->task != NULL) {
            tasks[n_tasks++] = t->ops->task(t);
        } else {
            *last = due[i];
            last = &due[i]->next;
        }
    }
    *last = NULL;
    push_tasks(p, tasks, n_tasks);
    fl_timers_end(others, FILCH_ETIMEDOUT); /* last: they may call back to who knows what */
}

/* Until the pool ends and nothing is due. */
static void watch(struct fl_pool *p)
{
    struct fl_timers *timers = &p->timers;
    struct fl_wheel_node *due[BATCH];

    for (;;) {
        int64_t until;
        uint32_t alarm;
        bool is_ending;
        size_t n;

        fl_lock_enter(&timers->lock);
        n = fl_wheel_expire(timers->wheel, fl_now(), due, BATCH);
        until = n != 0 ? INT64_MIN : fl_wheel_next(timers->wheel);
        timers->sleeps_until = until;
        alarm = fl_load(&timers->alarm, relaxed); /* settled by K2: under the lock */
        is_ending = timers->is_ending;
        fl_lock_leave(&timers->lock);
        if (n != 0)
            hand_over(p, due, n);
        else if (is_ending)
            return;
        else
            fl_futex_wait(&timers->alarm, alarm, until);
    }
}

static bool is_any(const struct fl_wheel_node *node)
{
    (void)node;
    return true;
}

static void end_what_is_left(struct fl_pool *p)
{
    struct fl_wheel_node *left;

    fl_lock_enter(&p->timers.lock);
    left = fl_wheel_take(p->timers.wheel, is_any);
    fl_lock_leave(&p->timers.lock);
    fl_timers_end(left, FILCH_ESHUTDOWN);
}

struct keeping {
    struct fl_pool *pool;
    bool is_done;
};

static void keep_on(struct keeping *k);

static void keep_on_if_it_ended(struct keeping **k)
{
    keep_on(*k);
}

/* What is left in the end is nothing that was awaited. Whoever is called back may destroy the pool: it
 * stays until the keeper has gone (stop.c, Q4). */
static void keep_on(struct keeping *k)
{
    if (k->is_done)
        return;

    struct keeping *mine fl_cleanup(keep_on_if_it_ended) = k;
    watch(mine->pool);
    end_what_is_left(mine->pool);
    mine->is_done = true;
}

static void leave(struct keeping *k)
{
    struct fl_pool *p = k->pool;

    keep_on(k);
    fl_self()->keeper = NULL;
    fl_store(&p->timers.keepers, 0, relaxed); /* count */
    fl_stop_workers(p);
    fl_thread_gone(p, &p->timers.keeper);
}

static void *keep(void *pool)
{
    struct keeping k fl_cleanup(leave) = {pool, false};
    char name[16];

    fl_self()->keeper = k.pool;
    snprintf(name, sizeof name, "%.8s-timer", k.pool->name);
    fl_thread_name(name);
    keep_on(&k);
    return NULL;
}

bool fl_timers_keeper_is_here(const struct fl_pool *p)
{
    return fl_self()->keeper == p;
}

/* ---- everybody ---- */

/* Its memory comes from the user's allocator, so nothing is locked. */
static int make_wheel(struct fl_pool *p)
{
    struct fl_timers *timers = &p->timers;
    struct fl_heap *heap = &p->home.heap;
    struct fl_wheel *wheel = fl_heap_alloc(heap, sizeof *wheel, alignof(struct fl_wheel));

    if (wheel == NULL)
        return FILCH_ENOMEM;
    fl_wheel_open(wheel, fl_now());
    fl_lock_enter(&timers->lock);
    if (timers->wheel == NULL) {
        timers->wheel = wheel;
        wheel = NULL;
    }
    fl_lock_leave(&timers->lock);
    fl_heap_free(heap, wheel, sizeof *wheel, alignof(struct fl_wheel)); /* another was faster */
    return 0;
}

/* Under the lock. */
static int start_keeper(struct fl_pool *p)
{
    struct fl_timers *timers = &p->timers;
    struct fl_thread_options options = {p->stack_size, (p->flags & FILCH_KEEP_SIGNALS) != 0};
    int status;

    timers->sleeps_until = INT64_MIN;
    fl_add(&p->threads, 1, relaxed);        /* count: a pool that is not closed has workers */
    fl_store(&timers->keepers, 1, relaxed); /* count */
    status = fl_thread_start(&timers->keeper, keep, p, &options);
    if (status == 0) {
        timers->is_kept = true;
        return 0;
    }
    fl_store(&timers->keepers, 0, relaxed); /* count */
    fl_sub(&p->threads, 1, relaxed);        /* count */
    return status;
}

/* Under the lock, with a wheel. */
static int add(struct fl_pool *p, struct fl_timer *t, bool *must_wake)
{
    struct fl_timers *timers = &p->timers;
    int status = timers->is_kept ? 0 : start_keeper(p);

    if (status != 0)
        return status;
    if (t->ops->is_over != NULL && t->ops->is_over(t))
        return FILCH_ECANCELED;
    fl_wheel_add(timers->wheel, &t->node);
    if (t->ops->is_awaited)
        fl_add(&timers->awaited, 1, relaxed); /* settled by K3: before it is closed */
    if (t->node.when >= timers->sleeps_until)
        return 0;
    timers->sleeps_until = t->node.when;
    fl_add(&timers->alarm, 1, relaxed); /* settled by K2: under the lock */
    *must_wake = true;
    return 0;
}

/* Once the lock is free, what was added may have run, and have destroyed the pool. */
int fl_timer_add(struct fl_pool *p, struct fl_timer *t)
{
    struct fl_timers *timers = &p->timers;
    bool must_wake = false;
    bool has_wheel;
    int status = 0;

    do {
        fl_lock_enter(&timers->lock);
        has_wheel = timers->wheel != NULL;
        if (timers->is_closed)
            status = fl_pool_is_broken(p) ? FILCH_EBROKEN : FILCH_ESHUTDOWN;
        else if (has_wheel)
            status = add(p, t, &must_wake);
        fl_lock_leave(&timers->lock);
        if (status == 0 && !has_wheel)
            status = make_wheel(p);
    } while (status == 0 && !has_wheel);
    if (must_wake)
        fl_futex_wake(&timers->alarm, 1);
    return status;
}

bool fl_timer_remove(struct fl_pool *p, struct fl_timer *t)
{
    struct fl_timers *timers = &p->timers;
    bool was_last = false;
    bool was_in;

    if (fl_forked(&p->home.forked))
        return false; /* whoever held the lock is not here to leave it */
    fl_lock_enter(&timers->lock);
    was_in = fl_wheel_has(&t->node);
    if (was_in) {
        fl_wheel_remove(timers->wheel, &t->node);
        if (t->ops->is_awaited && fl_sub(&timers->awaited, 1, release) == 1) /* Y1 */
            was_last = timers->is_closed;
    }
    fl_lock_leave(&timers->lock);
    if (was_last)
        fl_idle_wake_all(p); /* they look whether anything is left (stop.c, Q1) */
    return was_in;
}

/* ---- the end ---- */

static bool is_not_waited_for(const struct fl_wheel_node *node)
{
    const struct fl_timer *t = fl_container_of(node, const struct fl_timer, node);

    return t->ops->repeats || node->when == FILCH_FOREVER;
}

static bool is_over(const struct fl_wheel_node *node)
{
    const struct fl_timer *t = fl_container_of(node, const struct fl_timer, node);

    return t->ops->is_over != NULL && t->ops->is_over(t);
}

/* Under the lock. */
static struct fl_wheel_node *take_out(struct fl_timers *timers,
                                      bool (*is_wanted)(const struct fl_wheel_node *node))
{
    struct fl_wheel_node *list = NULL;
    uint64_t awaited = 0;

    if (timers->wheel != NULL)
        list = fl_wheel_take(timers->wheel, is_wanted);
    for (struct fl_wheel_node *node = list; node != NULL; node = node->next)
        awaited += timer_of(node)->ops->is_awaited;
    fl_sub(&timers->awaited, awaited, release); /* Y1 */
    return list;
}

struct fl_wheel_node *fl_timers_close(struct fl_pool *p, bool cancel)
{
    struct fl_timers *timers = &p->timers;
    struct fl_wheel_node *list;

    fl_lock_enter(&timers->lock);
    timers->is_closed = true;
    list = take_out(timers, cancel ? is_any : is_not_waited_for);
    fl_lock_leave(&timers->lock);
    return list;
}

struct fl_wheel_node *fl_timers_take_what_is_over(struct fl_pool *p)
{
    struct fl_wheel_node *list;

    fl_lock_enter(&p->timers.lock);
    list = take_out(&p->timers, is_over);
    fl_lock_leave(&p->timers.lock);
    return list;
}

struct ending {
    struct fl_wheel_node *list;
    int status;
    uint64_t n; /* that this has ended */
};

static void end_all(struct ending *e);

static void end_the_others(struct ending **e)
{
    end_all(*e);
}

/* Whoever is called back may end the thread; then this goes on as the stack is unwound. */
static void end_all(struct ending *e)
{
    if (e->list == NULL)
        return;

    struct ending *mine fl_cleanup(end_the_others) = e;
    while (mine->list != NULL) {
        struct fl_timer *t = timer_of(mine->list);

        mine->list = mine->list->next;
        mine->n += t->ops->end(t, mine->status);
    }
}

uint64_t fl_timers_end(struct fl_wheel_node *list, int status)
{
    struct ending ending = {list, status, 0};

    end_all(&ending);
    return ending.n;
}

bool fl_timers_are_awaited(struct fl_pool *p)
{
    return fl_load(&p->timers.awaited, acquire) != 0; /* Y2 */
}

bool fl_timers_stop(struct fl_pool *p)
{
    struct fl_timers *timers = &p->timers;
    bool is_kept;

    fl_lock_enter(&timers->lock);
    is_kept = timers->is_kept;
    timers->is_ending = true;
    fl_add(&timers->alarm, 1, relaxed); /* settled by K2: under the lock */
    fl_lock_leave(&timers->lock);
    if (is_kept)
        fl_futex_wake(&timers->alarm, 1);
    return is_kept;
}

void fl_timers_free(struct fl_pool *p)
{
    if (p->timers.wheel != NULL)
        fl_heap_free(&p->home.heap, p->timers.wheel, sizeof *p->timers.wheel,
                     alignof(struct fl_wheel));
}
