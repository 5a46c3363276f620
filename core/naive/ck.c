/* SPDX-License-Identifier: MIT
 *
 * ck.c: the pool one would build from Concurrency Kit's parts: its many-to-many ring for the queue,
 * its event counts to sleep on, one for the workers and one in each future.
 *
 * What comes with the parts: the ring is bounded, so a submit can find it full; a producer that is
 * stopped inside an enqueue makes the others spin; an event count wakes everybody who sleeps on it.
 * The fifo, which is unbounded, can say "empty" when it is not up to and including release 0.7.2,
 * and so can lose a task; the ring lacks fences there on weakly ordered machines, hence x86 alone.
 *
 * Words   word    STOPPING, BROKEN, and above them in units of ONE the tasks let in and not ended
 * Always  E1  a task is let in before it is queued and stays counted until it has ended, so the ring,
 *             with room for LIMIT, is never full for one that was let in
 *         E2  once STOPPING is set, a count of 0 is for ever: workers end, and not before
 * Orders  E1  enter   word  add acq_rel <- E2 E3
 *         E2  end     word  sub acq_rel -> E1 E4    the task is over before it is no longer counted
 *         E3  stop    word  or acq_rel -> E1 E4
 *         E4  look    word  acquire <- E2 E3
 * A change of word after which somebody might go is followed by a step of the event count that they
 * sleep on; they read that count before they look. Not instrumented (queue/seam.h): the edges are
 * told on the task, for the ring, and on word, for whoever waits until nothing is left. */
#include "naive/ck.h"

#include <filch/base.h>

#if defined(__x86_64__) || defined(__i386__)

#    include <stdalign.h>
#    include <stdbool.h>

#    include <ck_ec.h>
#    include <ck_ring.h>

#    include "base/clock.h"
#    include "base/futex.h"
#    include "naive/naive.h"
#    include "queue/seam.h"

enum {
    SLOTS = 1 << 20,
    LIMIT = SLOTS - 1, /* a ring keeps one slot empty */
};

enum {
    STOPPING = 1,
    BROKEN = 2,
    ONE = 4
};

struct task {
    filch_future future;
    struct ck_ec32 over;
};

struct ck_pool {
    filch_executor base;
    struct fl_naive_home *home;
    struct fl_naive_crew crew;
    ck_ring_buffer_t *slots;
    struct fl_lock life;
    unsigned alive; /* under life: workers, and one for the handle */
    alignas(FL_LINE_PAIR) ck_ring_t ring;
    alignas(FL_LINE_PAIR) fl_atomic(uint64_t) word;
    alignas(FL_LINE_PAIR) struct ck_ec32 work;
    struct ck_ec32 quiet;
};

/* ---- event counts on this library's clock and futex */

typedef fl_atomic(uint32_t) word32;

static int ec_now(const struct ck_ec_ops *ops, struct timespec *out)
{
    (void)ops;
    *out = fl_naive_timespec(fl_now());
    return 0;
}

static word32 *futex_of(const uint32_t *address)
{
    return (word32 *)(uintptr_t)address;
}

static void ec_wait(const struct ck_ec_wait_state *state, const uint32_t *address,
                    uint32_t expected, const struct timespec *deadline)
{
    int64_t at = FILCH_FOREVER;

    (void)state;
    if (deadline != NULL)
        at = (int64_t)deadline->tv_sec * 1000000000 + deadline->tv_nsec;
    fl_futex_wait(futex_of(address), expected, at);
}

static void ec_wake(const struct ck_ec_ops *ops, const uint32_t *address)
{
    (void)ops;
    fl_futex_wake(futex_of(address), INT32_MAX);
}

static const struct ck_ec_ops ec_ops = {.gettime = ec_now, .wait32 = ec_wait, .wake32 = ec_wake};
static const struct ck_ec_mode ec_mode = {.ops = &ec_ops};

/* False: the deadline has passed, and count is still what was seen. */
static bool ec_sleep(struct ck_ec32 *count, uint32_t seen, filch_deadline deadline)
{
    struct timespec at;

    if (deadline == FILCH_FOREVER)
        return ck_ec32_wait(count, &ec_mode, seen, NULL) == 0;
    at = fl_naive_timespec(deadline);
    return ck_ec32_wait(count, &ec_mode, seen, &at) == 0;
}

/* ---- futures */

static struct task *task_create(struct ck_pool *p, const struct fl_naive_call *call)
{
    struct task *t = fl_naive_task_create(p->home, sizeof *t, call);

    if (t != NULL)
        ck_ec32_init(&t->over, 0);
    return t;
}

static void future_free(struct fl_home *home, filch_future *f)
{
    fl_naive_task_free(fl_container_of(home, struct fl_naive_home, base), f, sizeof(struct task));
}

static int future_wait(struct fl_home *home, filch_future *f, filch_deadline deadline)
{
    struct task *t = fl_container_of(f, struct task, future);

    (void)home;
    if (fl_naive_runs_here(f))
        return FILCH_EDEADLK;
    for (;;) {
        uint32_t seen = ck_ec32_value(&t->over);

        if (!fl_future_expect(f))
            return 0;
        if (!ec_sleep(&t->over, seen, deadline))
            return FILCH_ETIMEDOUT;
    }
}

/* Whoever has settled f holds a reference, so that f is still there. */
static void future_wake(struct fl_home *home, filch_future *f)
{
    (void)home;
    ck_ec32_inc(&fl_container_of(f, struct task, future)->over, &ec_mode);
}

static const struct fl_home_ops home_ops = {
    .free = future_free,
    .wait = future_wait,
    .wake = future_wake,
};

/* ---- the queue */

static struct ck_pool *pool_of(filch_executor *ex)
{
    return fl_container_of(ex, struct ck_pool, base);
}

static uint64_t look(struct ck_pool *p)
{
    uint64_t word = fl_load(&p->word, acquire); /* E4 */

    fl_seam_acquire(&p->word);
    return word;
}

static void end_tasks(struct ck_pool *p, uint64_t n)
{
    fl_seam_release(&p->word);
    uint64_t before = fl_sub(&p->word, n * ONE, acq_rel); /* E2 */

    if (before / ONE != n)
        return;
    ck_ec32_inc(&p->quiet, &ec_mode);
    if ((before & STOPPING) != 0)
        ck_ec32_inc(&p->work, &ec_mode);
}

/* Lets n tasks in, or says why not. The submitter holds one of them until it has woken the workers:
 * the tasks may have ended, and one of them may have destroyed the pool, before. */
static int enter(struct ck_pool *p, uint64_t n)
{
    uint64_t before = fl_add(&p->word, n * ONE, acq_rel); /* E1 */
    int status = 0;

    if ((before & BROKEN) != 0)
        status = FILCH_EBROKEN;
    else if ((before & STOPPING) != 0)
        status = FILCH_ESHUTDOWN;
    else if (before / ONE + n > LIMIT)
        status = FILCH_EFULL;
    if (status != 0)
        end_tasks(p, n);
    return status;
}

static void enqueue(struct ck_pool *p, struct task *t)
{
    fl_seam_release(t);
    while (!ck_ring_enqueue_mpmc(&p->ring, p->slots, t))
        fl_relax(); /* E1: there is room; a consumer is about to show it */
}

static struct task *dequeue(struct ck_pool *p)
{
    void *t = NULL;

    if (!ck_ring_dequeue_mpmc(&p->ring, p->slots, &t))
        return NULL;
    fl_seam_acquire(t);
    return t;
}

static void drop_queued(struct ck_pool *p, int status)
{
    struct task *t;

    while ((t = dequeue(p)) != NULL) {
        fl_naive_drop(&t->future, status);
        end_tasks(p, 1);
    }
}

/* ---- workers */

/* With its home. */
static void pool_free(void *pool)
{
    struct ck_pool *p = pool;

    fl_naive_crew_free(&p->crew);
    fl_naive_free(p->home, p->slots, SLOTS * sizeof *p->slots, FL_LINE_PAIR);
    fl_naive_free(p->home, p, sizeof *p, alignof(struct ck_pool));
}

/* A worker, or the handle of a pool that is left to its workers, goes; the last one gives it up. */
static void leave(struct ck_pool *p)
{
    fl_lock_enter(&p->life);
    p->alive--;
    bool last = p->alive == 0;
    ck_ec32_inc(&p->quiet, &ec_mode);
    fl_lock_leave(&p->life);
    if (last)
        fl_naive_home_release(p->home);
}

static bool workers_are_gone(struct ck_pool *p)
{
    fl_lock_enter(&p->life);
    bool gone = p->alive == 1;
    fl_lock_leave(&p->life);
    return gone;
}

static void break_pool(struct ck_pool *p)
{
    fl_seam_release(&p->word);
    fl_or(&p->word, BROKEN, acq_rel); /* E3 */
    drop_queued(p, FILCH_EBROKEN);
}

/* NULL: the pool stops, and nothing is left. A broken pool has nobody else to drop what came in
 * just before it broke. */
static struct task *next_task(struct ck_pool *p)
{
    for (;;) {
        uint32_t seen = ck_ec32_value(&p->work);
        struct task *t = dequeue(p);

        if (t != NULL)
            return t;
        uint64_t word = look(p);
        if ((word & STOPPING) != 0 && word / ONE == 0)
            return NULL;
        ec_sleep(&p->work, seen, FILCH_FOREVER);
    }
}

static void work(struct ck_pool *p, bool hooked)
{
    struct task *t;

    while ((t = next_task(p)) != NULL) {
        if (hooked)
            fl_naive_run(&t->future);
        else
            fl_naive_drop(&t->future, FILCH_EBROKEN);
        end_tasks(p, 1);
    }
}

static void *worker_main(void *arg)
{
    struct ck_pool *p = arg;
    bool hooked = fl_naive_crew_enter(&p->crew);

    if (!hooked)
        break_pool(p);
    work(p, hooked);
    if (hooked)
        fl_naive_crew_leave(&p->crew);
    leave(p);
    return NULL;
}

/* ---- the handle */

static int submit_call(struct ck_pool *p, const struct fl_naive_call *call, filch_future **future)
{
    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    struct task *t = task_create(p, call);
    if (t == NULL)
        return FILCH_ENOMEM;
    int status = enter(p, 1);
    if (status != 0) {
        future_free(&p->home->base, &t->future);
        return status;
    }
    enqueue(p, t);
    ck_ec32_inc(&p->work, &ec_mode);
    fl_naive_hand_over(&t->future, future);
    return 0;
}

static int submit(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future)
{
    struct fl_naive_call call = fl_naive_call_with(fn, arg);

    return submit_call(pool_of(ex), &call, future);
}

static int submit_copy(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                       filch_future **future)
{
    struct fl_naive_call call = fl_naive_call_copy(fn, arg, len);

    return submit_call(pool_of(ex), &call, future);
}

/* Tasks that are not queued are linked by the word that their own user's argument leaves alone. */
static void chain(struct task *t, struct task *next)
{
    fl_store(&t->future.floor, (uint64_t)(uintptr_t)next, relaxed); /* own word: not queued yet */
}

static struct task *chained(struct task *t)
{
    return (struct task *)(uintptr_t)fl_load(&t->future.floor, relaxed); /* own word: as above */
}

static void free_unqueued(struct ck_pool *p, struct task *t)
{
    while (t != NULL) {
        struct task *next = chained(t);

        future_free(&p->home->base, &t->future);
        t = next;
    }
}

static int submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                        filch_future *futures[])
{
    struct ck_pool *p = pool_of(ex);
    struct task *made = NULL;
    struct task *last = NULL;

    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    if (n > LIMIT)
        return FILCH_EFULL;
    for (size_t i = n; i-- > 0;) { /* from the end, so that the chain begins with the first */
        struct fl_naive_call call = fl_naive_call_of(fn, args, i);
        struct task *t;

        call.for_queue_only = futures == NULL && i + 1 < n;
        t = task_create(p, &call);
        if (t == NULL) {
            free_unqueued(p, made);
            return FILCH_ENOMEM;
        }
        chain(t, made);
        made = t;
        last = i + 1 == n ? t : last;
        if (futures != NULL)
            futures[i] = &t->future;
    }
    if (n == 0)
        return 0;
    int status = enter(p, n);
    if (status != 0) {
        free_unqueued(p, made);
        return status;
    }
    while (made != NULL) {
        struct task *next = chained(made);

        enqueue(p, made);
        made = next;
    }
    ck_ec32_inc(&p->work, &ec_mode);
    if (futures == NULL)
        filch_future_release(&last->future);
    return 0;
}

static void stop(struct ck_pool *p)
{
    fl_seam_release(&p->word);
    fl_or(&p->word, STOPPING, acq_rel); /* E3 */
    ck_ec32_inc(&p->work, &ec_mode);
}

static int shut_down(filch_executor *ex, unsigned flags, filch_deadline deadline)
{
    struct ck_pool *p = pool_of(ex);
    int status = fl_naive_refuse_shutdown(p->home, flags);

    if (status != 0)
        return status;
    stop(p);
    if ((flags & FILCH_CANCEL_PENDING) != 0)
        drop_queued(p, FILCH_ECANCELED);
    if ((flags & FILCH_NO_WAIT) != 0)
        return 0;
    if (fl_naive_crew_has_self(&p->crew))
        return FILCH_EDEADLK;
    for (;;) {
        uint32_t seen = ck_ec32_value(&p->quiet);

        if (workers_are_gone(p) && look(p) / ONE == 0)
            return 0;
        if (!ec_sleep(&p->quiet, seen, deadline))
            return FILCH_ETIMEDOUT;
    }
}

static void destroy(filch_executor *ex)
{
    struct ck_pool *p = pool_of(ex);

    if (fl_forked(&p->home->base.forked))
        return; /* its threads stayed in the parent */
    if (fl_naive_crew_has_self(&p->crew)) {
        fl_naive_crew_detach(&p->crew);
        stop(p);
        leave(p);
        return;
    }
    shut_down(ex, FILCH_DRAIN, FILCH_FOREVER);
    fl_naive_crew_join(&p->crew);
    fl_naive_home_release(p->home);
}

static int wait_idle(filch_executor *ex, filch_deadline deadline)
{
    struct ck_pool *p = pool_of(ex);

    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    if (fl_naive_crew_has_self(&p->crew))
        return FILCH_EDEADLK;
    for (;;) {
        uint32_t seen = ck_ec32_value(&p->quiet);

        if (look(p) / ONE == 0)
            return 0;
        if (!ec_sleep(&p->quiet, seen, deadline))
            return FILCH_ETIMEDOUT;
    }
}

static unsigned workers(const filch_executor *ex)
{
    return fl_container_of(ex, struct ck_pool, base)->crew.count;
}

static const char *broken(const filch_executor *ex)
{
    struct ck_pool *p = fl_container_of(ex, struct ck_pool, base);

    return (look(p) & BROKEN) != 0 ? "a worker's start hook failed" : NULL;
}

static const struct fl_executor_ops ops = {
    .submit = submit,
    .submit_copy = submit_copy,
    .submit_batch = submit_batch,
    .shutdown = shut_down,
    .destroy = destroy,
    .wait_idle = wait_idle,
    .workers = workers,
    .broken = broken,
};

static int start(struct ck_pool *p, const filch_options *options)
{
    p->alive = fl_naive_crew_size(options) + 1;
    int status = fl_naive_crew_start(&p->crew, p->home, options, worker_main, p);

    fl_lock_enter(&p->life);
    p->alive -= p->crew.asked - p->crew.count;
    fl_lock_leave(&p->life);
    if (status != 0) {
        shut_down(&p->base, FILCH_DRAIN, FILCH_FOREVER);
        fl_naive_crew_join(&p->crew);
        fl_naive_home_abandon(p->home);
    }
    return status;
}

int fl_ck_pool_create(filch_executor **out, const filch_options *options)
{
    struct fl_naive_home *home;
    int status = fl_naive_home_open(&home, options->allocator, &home_ops);

    if (status != 0)
        return status;
    struct ck_pool *p = fl_naive_alloc(home, sizeof *p, alignof(struct ck_pool));
    if (p == NULL)
        goto abandon_home;
    *p = (struct ck_pool){.base.ops = &ops, .home = home};
    p->slots = fl_naive_alloc(home, SLOTS * sizeof *p->slots, FL_LINE_PAIR);
    if (p->slots == NULL)
        goto free_pool;
    ck_ring_init(&p->ring, SLOTS);
    home->free_pool = pool_free;
    home->pool = p;

    status = start(p, options);
    if (status == 0)
        *out = &p->base;
    return status;

free_pool:
    fl_naive_free(home, p, sizeof *p, alignof(struct ck_pool));
abandon_home:
    fl_naive_home_abandon(home);
    return FILCH_ENOMEM;
}

#else

int fl_ck_pool_create(filch_executor **out, const filch_options *options)
{
    (void)out;
    (void)options;
    return FILCH_ENOTSUP;
}

#endif
