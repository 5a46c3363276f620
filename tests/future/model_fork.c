/* SPDX-License-Identifier: MIT
 *
 * model_fork.c: what GenMC checks of forks that nobody has asked for: every execution that RC11 and IMM
 * allow.
 *
 * The real forkjoin.c, steal.c, idle.c and deque.c are compiled here. The main thread is a worker that
 * forks, and what it shows lies on its deque. Checked: nobody sleeps unasked while it has a fork that nobody
 * has seen. In ANNOUNCE and TAKEN each side looks once, and one of them has seen the other: there the answer
 * is has_to_show alone, without the push or the notify that follow it and would find a sleeper, too. In SHOWN
 * the others are workers that find nothing, and whoever has got a fork is busy for good, so that each fork
 * needs a worker of its own; the main thread forks, and then waits until it is asked, as at its next fork or
 * join: were somebody asleep unasked, or missed by what is shown, no thread could go on, and -check-liveness
 * reports that. ASLEEP of the workers sleep before it forks, and ASKED is what it is asked by then. A scenario
 * is a macro MODEL_<NAME>; scripts/model runs each "run" line below. By hand, from the top of the tree:
 *
 *   genmc -rc11 -check-liveness -disable-ipr -disable-spin-assume -disable-estimation -- -O0 -Iinclude \
 *       -Icore -DMODEL_SHOWN -DOTHERS=1 -DASLEEP=0 -DASKED=0 tests/future/model_fork.c
 *   genmc -imm -disable-mm-detector -check-liveness -disable-ipr -disable-spin-assume ...
 *
 * Two may set asked at once, to the same: without -disable-ipr GenMC takes that for an error. No loop needs
 * a bound: each turn follows somebody else's move of idle, or of asked. */
/* run: ANNOUNCE */
/* run: TAKEN */
/* run: SHOWN -check-liveness -disable-ipr OTHERS=1 ASLEEP=0 ASKED=0 */
/* run: SHOWN -check-liveness -disable-ipr OTHERS=1 ASLEEP=0 ASKED=0 SEARCHERS=0 */
/* run: SHOWN -check-liveness -disable-ipr OTHERS=1 ASLEEP=0 ASKED=1 */
/* run: SHOWN -check-liveness -disable-ipr OTHERS=1 ASLEEP=0 ASKED=2 */
/* run: SHOWN -check-liveness -disable-ipr OTHERS=1 ASLEEP=1 ASKED=0 */
#ifndef OTHERS
#    define OTHERS 1
#endif
#ifndef SEARCHERS
#    define SEARCHERS 1
#endif
#define FL_DEQUE_SLOTS         2
#define MODEL_SLEEPERS         3         /* the main thread is 0, and never sleeps */
#define __builtin_ia32_pause() ((void)0) /* GenMC has none; without spin_ns nobody gets there */
#define MODEL_TRIED            "idle - SLEEPER + SEARCHER + TOKEN" /* a push's, as in model_idle.c */
#include "../base/model_futex.h"

struct filch_forks;
static struct filch_forks *forks_of_self(void); /* GenMC has no thread-local structs */
#define FILCH_FORKS forks_of_self()

#include "../../core/base/spin.c"
#include "../../core/future/forkjoin.c"
#include "../../core/queue/deque.c"
#include "../../core/sched/idle.c"
#include "../../core/sched/steal.c"

enum {
    WORKERS = 1 + OTHERS
};

static union {
    struct fl_pool pool;
    char room[sizeof(struct fl_pool) + WORKERS * sizeof(fl_atomic(struct fl_worker *))];
} memory;
static struct fl_pool *const p = &memory.pool;
static struct fl_worker workers[WORKERS];
static fl_atomic(uint32_t) alive = 1;
static struct fl_heap heap;

static struct filch_forks forks[WORKERS]; /* each thread's own, by model_self */
static struct fl_self selves[WORKERS];

static filch_task records[2];
static int values[2]; /* plain: RC11 reports a race if what shows a fork does not order it */

static struct filch_forks *forks_of_self(void)
{
    return &forks[model_self];
}

struct fl_self *fl_self(void)
{
    return &selves[model_self];
}

const uint32_t *fl_forks_unasked(void)
{
    return NULL;
}

int64_t fl_now(void)
{
    return 0;
}

int64_t fl_saturating_add(int64_t a, int64_t b)
{
    return a + b;
}

void fl_thread_yield(void)
{
}

void fl_worker_trace(struct fl_worker *w, uint32_t kind, filch_task_fn *fn)
{
    (void)w, (void)kind, (void)fn;
}

void fl_worker_stole(struct fl_worker *w, const struct fl_task *task)
{
    (void)w, (void)task;
}

/* Every slot has a thread, and none ends. */
void fl_slot_fill(struct fl_pool *pool)
{
    (void)pool;
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

void fl_stop_poll(struct fl_pool *pool)
{
    (void)pool;
}

const struct fl_task_ops fl_fork_ops;

void fl_future_init(filch_future *f, const struct fl_task_ops *ops, struct fl_home *home,
                    enum fl_future_kind kind, filch_task_fn *fn, void *arg, uint32_t refs)
{
    (void)kind, (void)refs;
    f->task.ops = ops;
    f->home = home;
    f->fn = fn;
    f->u.arg = arg;
}

/* Nobody joins here. */
uint32_t fl_future_phase(const filch_future *f)
{
    (void)f;
    return FL_PENDING;
}

int fl_future_outcome(const filch_future *f, void **result)
{
    (void)f, (void)result;
    return 0;
}

int fl_future_await_end(filch_future *f)
{
    (void)f;
    return 0;
}

bool fl_help_take_back(struct fl_worker *w, const struct fl_task *task)
{
    (void)w, (void)task;
    return false;
}

void fl_failure_free(struct fl_failure *failure)
{
    (void)failure;
}

static int work(void *arg, void **result)
{
    (void)result;
    assert(*(int *)arg == 1);
    *(int *)arg = 2;
    return 0;
}

static void run(const struct fl_task *task)
{
    const filch_future *f = fl_container_of(task, filch_future, task);

    assert(task->ops == &fl_fork_ops);
    f->fn(f->u.arg, NULL);
}

static void fork_one(int i)
{
    values[i] = 1;
    filch_fork(&records[i], work, &values[i]);
}

#if defined(MODEL_ANNOUNCE) || defined(MODEL_TAKEN)
static bool has_seen;

/* Somebody has seen work; or what is forked is shown; or the next fork is asked for. */
static void answer_beside(void *(*other)(void *))
{
    pthread_t thread;

    fl_store(&workers[0].asked, FL_ASKED_BY_IDLE, relaxed);
    pthread_create(&thread, NULL, other, NULL);
    bool shows = has_to_show(&workers[0]);
    pthread_join(thread, NULL);
    assert(has_seen || shows || fl_load(&workers[0].asked, relaxed) != FL_NOT_ASKED);
}
#endif

#if defined(                                                                                       \
    MODEL_ANNOUNCE) /* somebody goes to sleep while the answer is that nobody wants anything */
static void *sleeper(void *arg)
{
    (void)arg;
    model_self = 1;
    announce(p, false);
    has_seen = fl_work_is_visible(p);
    return NULL;
}

static void scenario(void)
{
    fork_one(0);
    answer_beside(sleeper);
}
#elif defined(                                                                                     \
    MODEL_TAKEN) /* one sleeps, and what lies in the deque is enough for him, until it is taken */
static void *taker(void *arg)
{
    struct fl_task *task;

    (void)arg;
    model_self = 1;
    task = fl_deque_steal(&workers[0].deque);
    has_seen = fl_work_is_visible(p);
    run(task);
    return NULL;
}

static void scenario(void)
{
    fork_one(0);
    fl_forks_show_all();
    fork_one(1);
    fl_store(&p->idle, SLEEPER, relaxed); /* he was asked for before that was shown */
    answer_beside(taker);
}
#elif defined(MODEL_SHOWN)
static void *other(void *arg)
{
    struct fl_worker *w = arg;
    struct fl_task *task;

    model_self = (int)w->index;
    fl_self()->worker = w;
    task = fl_idle(w);
    assert(task != NULL);
    run(task);
    return NULL;
}

static void scenario(void)
{
    pthread_t threads[OTHERS];

    fl_store(&workers[0].asked, ASKED, relaxed);
    for (int i = 0; i < OTHERS; i++) {
        pthread_create(&threads[i], NULL, other, &workers[1 + i]);
        if (i < ASLEEP)
            MODEL_UNTIL(fl_load(&model_asleep[1 + i], relaxed) != NULL);
    }
    for (int i = 0; i < OTHERS; i++)
        fork_one(i);
    while (FILCH_FORKS->newest != NULL) {
        MODEL_UNTIL(fl_load(&workers[0].asked, relaxed) != FL_NOT_ASKED);
        filch_fork_answer();
    }
    for (int i = 0; i < OTHERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < OTHERS; i++)
        assert(values[i] == 2);
}
#else
#    error "no such scenario"
#endif

int main(void)
{
    p->n_workers = WORKERS;
    p->n_slots = WORKERS;
    fl_init(&p->active, WORKERS);
    fl_init(&p->top_slot, WORKERS);
    p->max_searchers = SEARCHERS;
    p->home.forked.alive = &alive;
    for (int i = 0; i < WORKERS; i++) {
        workers[i].pool = p;
        workers[i].index = (uint32_t)i;
        workers[i].rank = (uint32_t)i;
        fl_init(&p->worker[i], &workers[i]);
        int status = fl_deque_open(&workers[i].deque, &heap);
        assert(status == 0);
    }
    fl_self()->worker = &workers[0];
    FILCH_FORKS->asked = (const void *)&workers[0].asked;
    scenario();
    return 0;
}
