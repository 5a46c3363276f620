/* SPDX-License-Identifier: MIT
 *
 * stop.c: when nothing is left to do, and how a pool ends.
 *
 * Every task that is pushed is counted by the one who pushes (a worker's counter, a lane's bottom)
 * and counted as ended by the one who takes it out of the queue. If the sum of the ended, read first,
 * equals the sum of the pushed, read second, then nothing was queued or running at the time between.
 * Who could be the last to make it so looks: a worker that is about to sleep, a spare that goes
 * dormant, whoever cancels what is queued, and whoever waits. Workers alone end a pool, and closing
 * wakes them all: so the pool is there for whoever closes it, and for a holder of a lane until he
 * leaves it.
 *
 * Words   mode           FL_CLOSING and the others; bits are only ever set, but for FL_PAUSED
 *                        mode is a futex for those who hold a task in a pause
 *                        from FL_EPOCH on it counts how often everything was cancelled: a task that began
 *                        in an earlier epoch is asked to stop, and one that is held since then is cancelled
 *         quiet_asked    a ticket for each wait for quiet
 *         quiet_seen     up to which ticket a quiet moment has been seen; a futex
 *         threads        threads alive, the keeper among them, and whoever looks after the queue for so long
 *                        (spare.c); a futex for those who wait for 0
 *         ended_outside  tasks dropped by threads that are no workers
 * Always  Q1  whoever stops looking for work or has cancelled some, and whoever begins to wait, moves
 *             the word idle (idle.c, N6 N7) before it looks: so the last of them sees what all the
 *             others have ended
 *         Q2  once FL_CLOSING is set and a lane has been seen free, nothing comes by that lane any
 *             more; a worker that finds a lane held notes it and sleeps until its holder leaves
 *         Q3  FL_EXIT is set once, by whoever sees a closing pool quiet, or if there is a keeper, by
 *             the keeper, who ends what timers are left first; then every worker ends
 *         Q4  the last of the pool's threads to end, a worker or the keeper of its clock (timer.c), or
 *             whoever was counted as one while he looked, if he leaves last of all,
 *             touches nothing of the pool after its X4, unless the pool is an orphan, and then it
 *             alone frees it
 *         Q5  FL_PAUSED goes when a pool closes or breaks, in the same move, and does not come back: so a pool
 *             that is to end is never paused
 *         Q6  a closing pool that is quiet still waits for timers; it looks for them before it waits
 *             for the lanes by which they come (timer.c, K4)
 * Orders  X1  end       mode           CAS, or, and, add seq_cst -> X2 spare.c's E6 push.c's H3 idle.c's N10
 *                                      pool.c's M5 worker.c's W1 help.c's A1
 *         X2  look      mode           look <- X1
 *         X3  seen      quiet_seen     CAS release -> X5     the quiet before it is told
 *         X4  gone      threads        CAS acq_rel -> X6 X12 all a worker did before it is gone
 *         X12 hold      threads        CAS acquire <- X4     spare.c: counts as one, and leaves by X4
 *         X5  await     quiet_seen     acquire <- X3
 *         X6  await     threads        acquire <- X4
 *         X7  drop      ended_outside  add release -> X8     a dropped task before its count
 *         X8  sum       ended_outside  acquire <- X7
 *         X9  note      held           or acq_rel -> push.c's H1 <-> push.c's H2
 *         X10 ask       quiet_asked    add release -> X11    what the asker has pushed
 *         X11 look      quiet_asked    acquire <- X10        before the sums: whoever has a ticket by
 *                                                            then is answered by this look */
#include "base/clock.h"
#include "base/compiler.h"
#include "sched/pool.h"

#include <limits.h>

static uint64_t sum_ended(struct fl_pool *p)
{
    uint64_t sum = fl_load(&p->ended_outside, acquire); /* X8 */
    uint32_t n = fl_look(&p->top_slot);                 /* X2 */

    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            sum += fl_count_read(&w->count.ended);
    }
    return sum;
}

uint64_t fl_pool_submitted(struct fl_pool *p)
{
    uint32_t n = fl_look(&p->top_slot); /* X2 */
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL)
            sum += fl_count_read(&w->count.pushed);
    }
    for (uint32_t i = 0; i < FL_MAX_LANES; i++) {
        struct fl_lane *lane = fl_look(&p->lane[i]); /* X2 */

        if (lane == NULL)
            break;
        sum += fl_look(&lane->deque.bottom) - FL_DEQUE_START; /* X2 */
    }
    return sum;
}

bool fl_is_quiet(struct fl_pool *p)
{
    uint64_t ended = sum_ended(p);

    return ended == fl_pool_submitted(p);
}

/* Waits until nobody is left who came in before FL_CLOSING: a few instructions, unless he is stopped
 * in the middle of them. */
static void empty_lanes(struct fl_pool *p)
{
    for (uint32_t i = 0; i < FL_MAX_LANES; i++) {
        struct fl_lane *lane = fl_look(&p->lane[i]); /* X2 */

        if (lane == NULL)
            break;
        while ((fl_or(&lane->held, FL_LANE_NOTED, acq_rel) & FL_LANE_HELD) != 0) /* X9 */
            fl_futex_wait(&lane->held, FL_LANE_HELD | FL_LANE_NOTED, INT64_MAX);
    }
}

void fl_stop_workers(struct fl_pool *p)
{
    if ((fl_or(&p->mode, FL_EXIT, seq_cst) & FL_EXIT) != 0) /* X1 */
        return;
    fl_idle_wake_all(p);
    fl_spare_wake_all(p);
}

/* Tells those whose tickets are up to asked. */
static void tell_quiet(struct fl_pool *p, uint32_t asked)
{
    uint32_t seen = fl_load(&p->quiet_seen, relaxed); /* hint: the CAS decides */

    do {
        if ((int32_t)(asked - seen) <= 0)
            return;
    } while (
        !fl_cas_weak(&p->quiet_seen, &seen, asked, release, relaxed)); /* X3; hint: tried again */
    fl_futex_wake(&p->quiet_seen, INT_MAX);
}

static bool tell_if_quiet(struct fl_pool *p)
{
    uint32_t asked = fl_load(&p->quiet_asked, acquire); /* X11 */

    if (!fl_is_quiet(p))
        return false;
    tell_quiet(p, asked);
    return true;
}

void fl_stop_poll(struct fl_pool *p)
{
    bool closing = (fl_look(&p->mode) & FL_CLOSING) != 0; /* X2 */

    if (!closing && fl_load(&p->quiet_asked, acquire) ==  /* X11 */
                        fl_load(&p->quiet_seen, relaxed)) /* hint: a look too many does no harm */
        return;
    if (!tell_if_quiet(p) || !closing || fl_timers_are_awaited(p))
        return;
    empty_lanes(p);
    if (fl_is_quiet(p) && !fl_timers_stop(p))
        fl_stop_workers(p);
}

static void join_or_detach(struct fl_thread *t, const struct fl_thread *self)
{
    if (t == self)
        fl_thread_detach(t);
    else
        fl_thread_join(t);
}

/* Last of all in a thread of the pool's. */
void fl_thread_gone(struct fl_pool *p, struct fl_thread *self)
{
    uint32_t n = fl_load(&p->threads, acquire); /* X6 */
    bool orphan;

    /* Whoever finds itself the last has seen all that the others did, and one of them saw FL_EXIT. */
    do {
        orphan = (fl_load(&p->mode, relaxed) & FL_ORPHAN) != 0;       /* settled by X6, if n is 1 */
    } while (!fl_cas_weak(&p->threads, &n, n - 1, acq_rel, acquire)); /* X4, on failure X6 */
    if (n != 1)
        return;
    if (!orphan) {
        fl_futex_wake(&p->threads, INT_MAX);
        return;
    }
    for (uint32_t i = 0; i < p->n_slots; i++) {
        struct fl_worker *other = fl_worker_at(p, i);

        if (other != NULL && other->has_thread) /* settled by X4 */
            join_or_detach(&other->thread, self);
    }
    if (p->timers.is_kept)
        join_or_detach(&p->timers.keeper, self);
    fl_pool_release(p);
}

void fl_worker_gone(struct fl_worker *w)
{
    fl_thread_gone(w->pool, &w->thread);
}

/* The threads have ended, or are about to without touching the pool. */
static void join_all(struct fl_pool *p)
{
    fl_lock_enter(&p->join_lock);
    for (uint32_t i = 0; i < p->n_slots && !p->joined; i++) {
        struct fl_worker *w = fl_worker_at(p, i);

        if (w != NULL && w->has_thread) /* settled by X6 */
            fl_thread_join(&w->thread);
    }
    if (p->timers.is_kept && !p->joined)
        fl_thread_join(&p->timers.keeper);
    p->joined = true;
    fl_lock_leave(&p->join_lock);
}

static int await_threads(struct fl_pool *p, filch_deadline deadline)
{
    uint32_t n;

    while ((n = fl_load(&p->threads, acquire)) != 0) { /* X6 */
        if (fl_futex_wait(&p->threads, n, deadline) == FILCH_ETIMEDOUT)
            return fl_load(&p->threads, acquire) == 0 ? 0 : FILCH_ETIMEDOUT; /* X6 */
    }
    return 0;
}

static void count_ended(struct fl_pool **p)
{
    fl_add(&(*p)->ended_outside, 1, release); /* X7 */
}

/* A callback that this calls may end the thread. */
static bool cancel(struct fl_pool *p, struct fl_task *task)
{
    struct fl_pool *of fl_cleanup(count_ended) = p;

    return task->ops->drop(task, FILCH_ECANCELED);
}

static void cancel_queued(struct fl_pool *p)
{
    struct fl_task *task;

    while ((task = fl_take_any(p)) != NULL)
        cancel(p, task);
}

/* What was cancelled last may have been the last of all; also if a callback of it has ended the thread. */
static void end_cancelling(struct fl_pool **of)
{
    struct fl_pool *p = *of;

    fl_idle_meet(p); /* Q1 */
    tell_if_quiet(p);
    if ((fl_look(&p->mode) & FL_CLOSING) != 0) /* X2 */
        fl_idle_wake_all(p);                   /* they look whether anything is left, and end it */
}

static bool called_from_inside(struct fl_pool *p)
{
    struct fl_worker *w = fl_worker_self();

    return (w != NULL && w->pool == p) || fl_timers_keeper_is_here(p);
}

void fl_pool_set_mode(struct fl_pool *p, uint32_t bits)
{
    uint32_t mode = fl_load(&p->mode, relaxed); /* hint: the CAS decides */

    while (!fl_cas_weak(&p->mode, &mode, (mode | bits) & ~(uint32_t)FL_PAUSED, seq_cst,
                        relaxed)) /* X1; hint: tried again */
        continue;
    if ((mode & FL_PAUSED) != 0)
        fl_futex_wake(&p->mode, INT_MAX);
}

int fl_pool_pause(struct fl_pool *p)
{
    uint32_t mode = fl_load(&p->mode, relaxed); /* hint: the CAS decides */

    do {
        if ((mode & FL_BROKEN) != 0)
            return FILCH_EBROKEN;
        if ((mode & FL_CLOSING) != 0)
            return FILCH_ESHUTDOWN;
    } while (!fl_cas_weak(&p->mode, &mode, mode | FL_PAUSED, seq_cst,
                          relaxed)); /* X1; hint: tried again */
    return 0;
}

int fl_pool_resume(struct fl_pool *p)
{
    if ((fl_and(&p->mode, ~(uint32_t)FL_PAUSED, seq_cst) & FL_PAUSED) == 0) /* X1 */
        return 0;
    fl_futex_wake(&p->mode, INT_MAX);
    fl_idle_wake_all(p);
    fl_look_after_queue(p); /* all may be busy, and others lack a thread */
    return 0;
}

static void cancel_and_close(struct fl_pool *p)
{
    struct fl_pool *of fl_cleanup(end_cancelling) = p;

    cancel_queued(of);
}

static void close_pool(struct fl_pool *p, uint32_t bits, bool cancel)
{
    struct fl_wheel_node *timers = fl_timers_close(p, cancel); /* timer.c, K3: first */

    fl_pool_set_mode(p, FL_CLOSING | bits);
    fl_timers_end(timers, FILCH_ECANCELED);
    if (cancel) {
        cancel_and_close(p);
        return;
    }
    fl_idle_wake_all(p); /* they look whether anything is left */
    /* All may be busy, and what was queued in a pause, or silently, needs another. */
    fl_look_after_queue(p);
}

int fl_pool_shutdown(struct fl_pool *p, unsigned flags, filch_deadline deadline)
{
    if ((flags & ~(unsigned)(FILCH_CANCEL_PENDING | FILCH_NO_WAIT)) != 0)
        return FILCH_EINVAL;
    close_pool(p, 0, (flags & FILCH_CANCEL_PENDING) != 0);
    if ((flags & FILCH_NO_WAIT) != 0)
        return 0;
    if (called_from_inside(p))
        return FILCH_EDEADLK;
    if (await_threads(p, deadline) != 0)
        return FILCH_ETIMEDOUT;
    join_all(p);
    return 0;
}

void fl_pool_destroy(struct fl_pool *p)
{
    if (called_from_inside(p)) {
        close_pool(p, FL_ORPHAN, false);
        return;
    }
    close_pool(p, 0, false);
    await_threads(p, FILCH_FOREVER);
    join_all(p);
    fl_pool_release(p);
}

/* First what is queued, then what runs by now: what goes from the one to the other meanwhile is asked to
 * stop. Last what waits for its time, since that knows in which epoch it was submitted (timed.c). */
int64_t fl_pool_cancel_all(struct fl_pool *p)
{
    struct fl_pool *of fl_cleanup(end_cancelling) = p;
    uint64_t n = fl_take_all_now(of, cancel);

    if ((fl_add(&of->mode, FL_EPOCH, seq_cst) & FL_PAUSED) != 0) /* X1 */
        fl_futex_wake(&of->mode, INT_MAX);
    n += fl_timers_end(fl_timers_take_what_is_over(of), FILCH_ECANCELED);
    return (int64_t)n;
}

static bool is_answered(struct fl_pool *p, uint32_t ticket)
{
    return (int32_t)(fl_load(&p->quiet_seen, acquire) - ticket) >= 0 || fl_is_quiet(p); /* X5 */
}

int fl_pool_wait_idle(struct fl_pool *p, filch_deadline deadline)
{
    uint32_t ticket;

    if (called_from_inside(p))
        return FILCH_EDEADLK;
    ticket = fl_add(&p->quiet_asked, 1, release) + 1; /* X10 */
    fl_idle_meet(p);
    fl_look_after_queue(p); /* what was pushed without waking anybody */
    for (;;) {
        uint32_t seen = fl_load(&p->quiet_seen, acquire); /* X5 */

        if (is_answered(p, ticket))
            return 0;
        if (fl_futex_wait(&p->quiet_seen, seen, deadline) != 0)
            return is_answered(p, ticket) ? 0 : FILCH_ETIMEDOUT;
    }
}
