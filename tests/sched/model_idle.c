/* SPDX-License-Identifier: MIT
 *
 * model_idle.c: what GenMC checks of searching, sleeping and waking: every execution that RC11 and IMM
 * allow.
 *
 * The real idle.c is compiled here, over boxes that hold one task each: filled by a store that a look
 * follows, emptied by a CAS, as the deque's words are. The main thread pushes; ASLEEP of the workers
 * sleep by then. A worker that has got a task is busy for good, so that each task needs a worker of
 * its own: were a sleeper missed, its thread would never end, and -check-liveness reports that. In END
 * the tasks are short and the pool ends after them. A scenario is a macro MODEL_<NAME>; scripts/model
 * runs each "run" line below. By hand, from the top of the tree:
 *
 *   genmc -rc11 -check-liveness -disable-spin-assume -disable-estimation -- -O0 -Iinclude -Icore \
 *       -DMODEL_PUSH -DWORKERS=1 -DASLEEP=0 -DTASKS=1 tests/sched/model_idle.c
 *   genmc -imm -disable-mm-detector -check-liveness -disable-spin-assume -disable-estimation -- ...
 *
 * No loop needs a bound: each turn follows somebody else's move of idle. */
/* run: PUSH -check-liveness WORKERS=1 ASLEEP=0 TASKS=1 */
/* run: PUSH -check-liveness WORKERS=1 ASLEEP=1 TASKS=1 */
/* run: LEAVE -check-liveness WORKERS=2 ASLEEP=1 TASKS=2 */
/* run: CASCADE -check-liveness WORKERS=2 ASLEEP=2 TASKS=2 */
/* run: END -check-liveness WORKERS=1 ASLEEP=0 TASKS=0 */
/* run: END -check-liveness WORKERS=1 ASLEEP=0 TASKS=1 */
/* run: END -check-liveness WORKERS=2 ASLEEP=1 TASKS=0 SEARCHERS=0 */
#ifndef SEARCHERS
#    define SEARCHERS 1
#endif
#define __builtin_ia32_pause() ((void)0) /* GenMC has none; without spin_ns nobody gets there */
#define MODEL_TRIED                                                                                \
    "idle - SLEEPER + SEARCHER + TOKEN" /* a push's, which may find that one searches */
#include "../base/model_futex.h"

/* How long to watch is decided by a hint whose value nothing depends on here: nobody watches. Were it loaded,
 * each scenario would have two or three times as many executions. */
#define HINT(p) (strcmp(#p, "&p->idle") == 0 && strcmp(__func__, "idle_until_work") == 0)
#undef fl_load
#define fl_load(p, order)                                                                          \
    __extension__({                                                                                \
        __typeof__(atomic_load_explicit((p), memory_order_##order)) model_seen_ = 0;               \
        if (!HINT(p)) {                                                                            \
            __VERIFIER_loop_begin();                                                               \
            __VERIFIER_spin_start();                                                               \
            model_seen_ = atomic_load_explicit((p), memory_order_##order);                         \
        }                                                                                          \
        model_seen_;                                                                               \
    })

#include "../../core/base/spin.c"
#include "../../core/sched/idle.c"

static struct fl_pool pool;
static struct fl_worker workers[WORKERS];
static struct fl_task tasks[2];
static fl_atomic(uint32_t) alive = 1;
static fl_atomic(int) box[2]; /* 0, 1 while the task is in it, 2 */
#if defined(MODEL_LEAVE)      /* somebody is on the way to the first task while the second comes */
enum {
    FIRST = 1
};
#else
enum {
    FIRST = 0
};
#endif
static fl_atomic(int) taken;

int64_t fl_now(void)
{
    return 0;
}

void fl_thread_yield(void)
{
}

void fl_worker_trace(struct fl_worker *w, uint32_t kind, filch_task_fn *fn)
{
    (void)w, (void)kind, (void)fn;
}

int64_t fl_saturating_add(int64_t a, int64_t b)
{
    return a + b;
}

static struct fl_self self;

struct fl_self *fl_self(void)
{
    return &self;
}

struct fl_task *fl_deque_pop(struct fl_deque *d)
{
    (void)d;
    return NULL;
}

/* Every slot has a thread, and none ends before the pool does. */
void fl_slot_fill(struct fl_pool *p)
{
    (void)p;
}

bool fl_spare_retire(struct fl_worker *w)
{
    (void)w;
    return false;
}

bool fl_slot_may_end(struct fl_worker *w)
{
    (void)w;
    return false;
}

void fl_stop_poll(struct fl_pool *p)
{
    (void)p;
}

struct fl_task *fl_take_from_lanes(struct fl_worker *w)
{
    (void)w;
    for (int i = 0; i < TASKS; i++) {
        int full = 1;

        if (atomic_compare_exchange_strong_explicit(&box[i], &full, 2, memory_order_seq_cst,
                                                    memory_order_seq_cst))
            return &tasks[i];
    }
    return NULL;
}

struct fl_task *fl_take_from_workers(struct fl_worker *w)
{
    (void)w;
    return NULL;
}

bool fl_work_is_visible(struct fl_pool *p)
{
    (void)p;
    for (int i = 0; i < TASKS; i++) {
        if (fl_look(&box[i]) == 1)
            return true;
    }
    return false;
}

static void *worker(void *arg)
{
    struct fl_worker *w = arg;

    model_self = (int)w->index;
#if defined(MODEL_END) /* the pool ends once all has been taken */
    while (fl_idle(w) != NULL)
        fl_add(&taken, 1, relaxed);
#else
    struct fl_task *task = fl_idle(w);

    assert(task != NULL);
#endif
    return NULL;
}

static void push_all(void)
{
#if defined(MODEL_CASCADE)         /* several at once, and one decision whom to wake */
    fl_store(&box[0], 1, relaxed); /* shown by the other */
    fl_store_look(&box[1], 1);
    fl_idle_notify(&pool);
#else
    for (int i = FIRST; i < TASKS; i++) {
        fl_store_look(&box[i], 1);
        fl_idle_notify(&pool);
    }
#endif
}

int main(void)
{
    pthread_t threads[WORKERS];

    pool.n_workers = WORKERS;
    fl_init(&pool.active, WORKERS);
    pool.max_searchers = SEARCHERS;
    pool.home.forked.alive = &alive;
    for (int i = 0; i < WORKERS; i++) {
        if (i == ASLEEP && FIRST == 1)
            fl_store(&box[0], 1, relaxed); /* shown by the thread that is made now */
        workers[i].pool = &pool;
        workers[i].index = (uint32_t)i;
        pthread_create(&threads[i], NULL, worker, &workers[i]);
        if (i < ASLEEP)
            MODEL_UNTIL(fl_load(&model_asleep[i], relaxed) != NULL);
    }
    push_all();
#if defined(MODEL_END)
    MODEL_UNTIL(fl_load(&taken, relaxed) == TASKS);
    fl_or(&pool.mode, FL_EXIT, seq_cst);
    fl_idle_wake_all(&pool);
#endif
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
