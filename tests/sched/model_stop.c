/* SPDX-License-Identifier: MIT
 *
 * model_stop.c: what GenMC checks of quiet and of a pool's end: every execution that RC11 and IMM
 * allow.
 *
 * The real stop.c, push.c, steal.c and deque.c are compiled here. Workers do what worker.c has
 * them do, but run no user code: a task is a counter. Checked in each execution: every task that was
 * accepted has run when the pool has ended, or when a wait for quiet returns, and what it wrote can be
 * read then; the pool ends; nobody touches the pool after it was freed (RC11 reports the race, or the
 * freed lane); and -check-liveness reports whoever sleeps for ever. A scenario is a macro
 * MODEL_<NAME>; scripts/model runs each "run" line below. By hand, from the top of the tree:
 *
 *   genmc -rc11 -check-liveness -disable-spin-assume -disable-estimation -- -O0 -Iinclude -Icore \
 *       -DMODEL_CLOSE tests/sched/model_stop.c
 *   genmc -imm -disable-mm-detector -check-liveness -disable-spin-assume -disable-estimation -- ...
 *
 * No loop needs a bound: each turn follows somebody else's move. */
/* run: CLOSE -check-liveness */
/* run: CLOSE -check-liveness NEW_LANE */
/* run: GONE -check-liveness */
/* run: GONE -check-liveness NEW_LANE */
/* run: QUIET -check-liveness */
/* run: TICKET -check-liveness */
/* run: NESTED -check-liveness */
#define FL_DEQUE_SLOTS         2
#define MODEL_SLEEPERS         3
#define __builtin_ia32_pause() ((void)0) /* GenMC has none; without spin_ns nobody gets there */
#include "../base/model_futex.h"

#include "../../core/queue/deque.c"
#include "../../core/sched/push.c"
#include "../../core/sched/steal.c"
#include "../../core/sched/stop.c"

enum {
    WORKERS = 2,
    WAKE = 1 << 16
};

static union {
    struct fl_pool pool;
    char room[sizeof(struct fl_pool) + WORKERS * sizeof(fl_atomic(struct fl_worker *))];
} memory;
static struct fl_pool *const p = &memory.pool;
static struct fl_worker workers[WORKERS];
static fl_atomic(uint32_t) alive = 1;
static struct fl_lane *known; /* plain: set before the threads start */
static struct fl_task tasks[2];
static int ran[2]; /* plain: RC11 reports who reads it without knowing */

static struct fl_self selves[MODEL_SLEEPERS];

struct fl_self *fl_self(void)
{
    return &selves[model_self];
}

int64_t fl_now(void)
{
    return 0;
}

void fl_thread_yield(void)
{
}

void fl_thread_join(struct fl_thread *t)
{
    (void)t;
}

void fl_thread_detach(struct fl_thread *t)
{
    (void)t;
}

void fl_lock_enter(struct fl_lock *l)
{
    (void)l;
}

void fl_lock_leave(struct fl_lock *l)
{
    (void)l;
}

void fl_slab_open(struct fl_slab *s, struct fl_heap *heap)
{
    (void)s, (void)heap;
}

void fl_slab_close(struct fl_slab *s)
{
    (void)s;
}

void fl_spare_wake_all(struct fl_pool *pool)
{
    (void)pool;
}

struct fl_wheel_node *fl_timers_close(struct fl_pool *pool, bool cancel)
{
    (void)pool, (void)cancel;
    return NULL;
}

uint64_t fl_timers_end(struct fl_wheel_node *list, int status)
{
    (void)list, (void)status;
    return 0;
}

bool fl_timers_are_awaited(struct fl_pool *pool)
{
    (void)pool;
    return false;
}

bool fl_timers_stop(struct fl_pool *pool)
{
    (void)pool;
    return false;
}

bool fl_timers_keeper_is_here(const struct fl_pool *pool)
{
    (void)pool;
    return false;
}

void fl_worker_trace(struct fl_worker *w, uint32_t kind, filch_task_fn *fn)
{
    (void)w, (void)kind, (void)fn;
}

void fl_worker_stole(struct fl_worker *w, const struct fl_task *task)
{
    (void)w, (void)task;
}

/* The threads are gone: whoever comes now races with these. */
void fl_pool_release(struct fl_pool *pool)
{
    struct fl_lane *lane = fl_load(&pool->lane[0], relaxed);

    if (lane != NULL)
        fl_lane_free(pool, lane);
    *(uint32_t *)(void *)&pool->idle = 0;
    *(uint32_t *)(void *)&pool->mode = 0;
}

/* What idle.c promises, and no more: the word idle counts announcements and wakes, and a worker sleeps
 * until it moves. model_idle.c has the real one. */
static uint32_t announce(void)
{
    return fl_add(&p->idle, 1, seq_cst) + 1;
}

void fl_idle_notify(struct fl_pool *pool)
{
    if (fl_look(&pool->idle) != 0)
        fl_idle_wake_all(pool);
}

/* Nothing is queued here without a wake. */
void fl_look_after_queue(struct fl_pool *pool)
{
    (void)pool;
}

void fl_idle_wake_all(struct fl_pool *pool)
{
    fl_add(&pool->idle, WAKE, seq_cst);
}

void fl_idle_meet(struct fl_pool *pool)
{
    fl_add(&pool->idle, 0, acq_rel);
}

struct fl_task *fl_idle(struct fl_worker *w)
{
    for (;;) {
        uint32_t seen = announce();
        struct fl_task *task;

        fl_stop_poll(p);
        if ((fl_load(&p->mode, relaxed) & FL_EXIT) != 0)
            return NULL;
        if (!fl_work_is_visible(p))
            MODEL_UNTIL(fl_load(&p->idle, acquire) != seen);
        task = fl_take_from_lanes(w);
        if (task != NULL)
            return task;
    }
}

static int submit(int i)
{
    struct fl_push at;
    struct fl_task *task = &tasks[i];
    int status = fl_push_begin(&at, p, 1);

    if (status == 0)
        fl_push_end(&at, &task, 1);
    return status;
}

static void run(struct fl_worker *w, const struct fl_task *task)
{
    ran[task - tasks]++;
#if defined(MODEL_NESTED)
    if (task == &tasks[0]) {
        int status = submit(1);

        assert(status == 0);
    }
#endif
    fl_count_shown(&w->count.ended);
}

static void begin_worker(struct fl_worker *w)
{
    model_self = (int)w->index;
    fl_self()->worker = w;
}

#if defined(MODEL_CLOSE) || defined(MODEL_GONE)
static void *worker(void *arg)
{
    struct fl_worker *w = arg;
    struct fl_task *task;

    begin_worker(w);
    while ((task = fl_take_from_lanes(w)) != NULL || (task = fl_idle(w)) != NULL)
        run(w, task);
    fl_self()->worker = NULL;
    fl_worker_gone(w);
    return NULL;
}
#else
/* One that finds nothing more: it announces itself and looks whether all is quiet. */
static void *worker(void *arg)
{
    struct fl_worker *w = arg;
    struct fl_task *task;

    begin_worker(w);
#    if defined(MODEL_TICKET)
    announce();
    fl_stop_poll(p);
    MODEL_UNTIL(fl_load(&known->deque.bottom, relaxed) != FL_DEQUE_START);
    task = fl_take_from_lanes(w);
    run(w, task);
    announce();
#    else
    task = fl_take_from_lanes(w);
    if (task != NULL)
        run(w, task);
#        if defined(MODEL_NESTED)
    run(w, fl_deque_pop(&w->deque));
#        endif
    announce();
#    endif
    fl_stop_poll(p);
    return NULL;
}
#endif

static pthread_t threads[2];

static void start_workers(uint32_t n)
{
    p->top_slot = n;
    p->n_workers = n;
    p->n_slots = n;
    fl_init(&p->threads, n);
    for (uint32_t i = 0; i < n; i++) {
        workers[i].pool = p;
        workers[i].index = i;
        fl_init(&p->worker[i], &workers[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, worker, &workers[i]);
}

#if defined(MODEL_CLOSE) /* somebody submits while another one shuts down */
static int status_of_submit;

static void *submitter(void *arg)
{
    (void)arg;
    model_self = 1;
    status_of_submit = submit(0);
    return NULL;
}

static void scenario(void)
{
    start_workers(1);
    pthread_create(&threads[1], NULL, submitter, NULL);
    int status = fl_pool_shutdown(p, 0, INT64_MAX);
    assert(status == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert(ran[0] == (status_of_submit == 0));
}
#elif defined(                                                                                     \
    MODEL_GONE) /* the task that is submitted is the one whose end has the pool destroyed */
static fl_atomic(int) over;

static void *destroyer(void *arg)
{
    (void)arg;
    model_self = 1;
    MODEL_UNTIL(fl_count_read(&workers[0].count.ended) == 1);
    fl_pool_destroy(p);
    return NULL;
}

static void scenario(void)
{
    start_workers(1);
    pthread_create(&threads[1], NULL, destroyer, NULL);
    int status = submit(0);
    assert(status == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}
#elif defined(MODEL_QUIET)  /* two workers, and one who waits for both */
static void scenario(void)
{
    int status = submit(0);
    assert(status == 0);
    status = submit(1);
    assert(status == 0);
    start_workers(2);
    status = fl_pool_wait_idle(p, INT64_MAX);
    assert(status == 0);
    assert(ran[0] == 1 && ran[1] == 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}
#elif defined(MODEL_NESTED) /* a task submits another one */
static void scenario(void)
{
    int status = fl_deque_open(&workers[0].deque, NULL);
    assert(status == 0);
    status = submit(0);
    assert(status == 0);
    start_workers(1);
    status = fl_pool_wait_idle(p, INT64_MAX);
    assert(status == 0);
    assert(ran[0] == 1 && ran[1] == 1);
    pthread_join(threads[0], NULL);
}
#elif defined(MODEL_TICKET) /* a quiet moment does not answer for what is submitted after it */
static void scenario(void)
{
    start_workers(1);
    int status = fl_pool_wait_idle(p, INT64_MAX);
    assert(status == 0);
    status = submit(0);
    assert(status == 0);
    status = fl_pool_wait_idle(p, INT64_MAX);
    assert(status == 0);
    assert(ran[0] == 1);
    pthread_join(threads[0], NULL);
}
#else
#    error "no such scenario"
#endif

int main(void)
{
    p->home.forked.alive = &alive;
    model_self = 2;
#if !defined(NEW_LANE)
    known = lane_create(p);
    fl_store(&known->held, 0, relaxed); /* nobody knows it yet */
    fl_store(&p->lane[0], known, relaxed);
#endif
    scenario();
    return 0;
}
