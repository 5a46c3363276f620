/* SPDX-License-Identifier: MIT
 *
 * model_future.c: what GenMC checks of futures and those who wait for them: every execution that RC11
 * and IMM allow.
 *
 * The real future.c and waiter.c are compiled here. One future without a home is made by the main
 * thread; everyone who gets it holds a reference and gives it back. Checked in each execution: one of
 * those who decide wins; a callback runs once and reads what was written before the outcome; whatever
 * was allocated is freed once, and GenMC reports whoever touches it after that; a group is told no
 * more often than it has joined; nobody sleeps for ever. A scenario is a macro MODEL_<NAME>;
 * scripts/model runs each "run" line below under both memory models. By hand, from the top of the
 * tree:
 *
 *   genmc -rc11 -disable-spin-assume -disable-estimation -- -O0 -Iinclude -Icore \
 *       -DMODEL_SETTLE_ADD tests/future/model_future.c
 *   genmc -imm -disable-mm-detector -disable-spin-assume -disable-estimation -- ...
 *
 * No loop needs a bound: each turn follows somebody else's move of state or of the stack. */
/* run: SETTLE_ADD -check-liveness ADDERS=1 */
/* run: SETTLE_ADD -check-liveness ADDERS=2 */
/* run: CANCEL_CLAIM -check-liveness */
/* run: JOIN_LEAVE -check-liveness JOINERS=1 */
/* run: JOIN_LEAVE -check-liveness JOINERS=1 LEFT_BEFORE */
/* run: JOIN_LEAVE -check-liveness JOINERS=2 KEPT */
/* run: JOIN_LEAVE -check-liveness JOINERS=2 KEPT LEFT_BEFORE */
/* run: MOVE_IN -check-liveness KEPT */
/* run: JOIN_WAIT -check-liveness JOINERS=1 */
/* run: JOIN_WAIT -check-liveness JOINERS=1 LEFT_BEFORE */
/* run: CANCEL_CLAIM -check-liveness ADDERS=1 KEPT */
/* run: TWO_RELEASE -check-liveness */
/* run: WAITED -check-liveness SLEEPERS=1 */
/* run: WAITED -check-liveness SLEEPERS=1 CANCELLED */
/* run: WAITED -check-liveness SLEEPERS=2 KEPT */
#define __builtin_ia32_pause() ((void)0) /* GenMC has none, and nobody here spins */
#define MODEL_SLEEPERS         3         /* one for each thread */
#define MODEL_BETWEEN          "&node->next_vacant"
#include "../base/model_futex.h"

#include "../../core/future/future.c"
#include "../../core/future/waiter.c"

#ifndef ADDERS
#    define ADDERS 0
#endif
#ifndef JOINERS
#    define JOINERS 0
#endif
#ifndef SLEEPERS
#    define SLEEPERS 0
#endif

enum {
    THREADS = 3,
    VALUE = 7
};

/* What a thread has done; the main thread adds it up when all have ended. */
struct ghost {
    int allocated;
    int freed;
    int called;
    int cancelled;
    int finished;
};

static struct ghost ghosts[THREADS]; /* each thread's own, by model_self */
static filch_future *f;
static struct fl_group *groups[THREADS];
static int result; /* plain: RC11 reports a race if the future does not order it */

static struct fl_self selves[THREADS]; /* each thread's own; GenMC has no thread-local structs */

struct fl_self *fl_self(void)
{
    return &selves[model_self];
}

void *fl_malloc(size_t size)
{
    ghosts[model_self].allocated++;
    return malloc(size);
}

void fl_free(void *p)
{
    ghosts[model_self].freed++;
    for (int i = 0; i < THREADS; i++) {
        if (groups[i] != NULL && groups[i] == p)
            assert(fl_load(&groups[i]->left, relaxed) <= 1); /* counts what never went below 0 */
    }
    free(p);
}

/* The model asks for outcomes that are there. */
int fl_future_await(filch_future *future, filch_deadline deadline)
{
    (void)deadline;
    assert(filch_future_done(future));
    return 0;
}

/* Nobody fails here with more than a number. */
void fl_failure_free(struct fl_failure *failure)
{
    assert(failure == NULL);
}

const char *filch_strerror(int status)
{
    (void)status;
    return "";
}

static void check_outcome(filch_future *future)
{
    void *seen = NULL;
    int status = filch_future_result(future, 0, &seen);

    if (status == FILCH_ECANCELED) {
        assert(filch_future_cancelled(future));
        return;
    }
    assert(status == 0 && seen == &result && result == VALUE);
}

static void called(filch_future *future, void *user)
{
    assert(future == f && user == &groups);
    ghosts[model_self].called++;
    check_outcome(future);
}

static void add_callback(void)
{
    int status = filch_future_add_done_callback(f, called, &groups);

    assert(status == 0);
}

/* What a worker does with a task that it has taken. */
static void run(void)
{
    if (fl_future_claim(f)) {
        result = VALUE;
        fl_future_finish(f, 0, &result);
        ghosts[model_self].finished++;
    }
    filch_future_release(f);
}

/* Everyone but the main thread; KEPT leaves out all orders in which several let go. */
static void let_go(void)
{
#ifndef KEPT
    filch_future_release(f);
#endif
}

#if defined(MODEL_JOIN_LEAVE) || defined(MODEL_MOVE_IN) || defined(MODEL_JOIN_WAIT)
static struct fl_waiter *join(struct fl_group *g)
{
    struct fl_waiter *node;

    fl_add(&g->left, 1, relaxed);
    int status = fl_waiter_join(f, &g->listener, &node);
    assert(status == 0);
    if (node == NULL)
        fl_group_tell(g, f);
    fl_group_tell(g, NULL);
    return node;
}

static void leave(struct fl_waiter *node, struct fl_group *g)
{
    if (node != NULL)
        fl_waiter_leave(node, &g->listener);
    fl_group_release(g);
}
#endif

#if defined(MODEL_SETTLE_ADD)
enum {
    OTHERS = ADDERS
};

/* A callback is added while the future settles, and its adder keeps nothing. */
static void other(void)
{
    add_callback();
    let_go();
}
#elif defined(MODEL_CANCEL_CLAIM)
enum {
    OTHERS = 1 + ADDERS
};

/* Somebody cancels what is just being run; there is a callback, and another one may come. */
static void other(void)
{
    if (model_self == 1) {
        if (filch_future_cancel(f))
            ghosts[model_self].cancelled++;
    } else {
        add_callback();
    }
    let_go();
}
#elif defined(MODEL_JOIN_LEAVE)
enum {
    OTHERS = JOINERS
};

/* Waits for many that give up at once; who comes later may find a vacant node. */
static void other(void)
{
    struct fl_group *g = groups[model_self];

    leave(join(g), g);
    let_go();
}
#elif defined(MODEL_MOVE_IN)
enum {
    JOINED = 1,
    OTHERS = 2
};

static struct fl_waiter *joined;

/* One leaves its node; another one comes, and may move in, while the future settles. */
static void other(void)
{
    struct fl_group *g = groups[model_self];

    leave(model_self == JOINED ? joined : join(g), g);
    let_go();
}
#elif defined(MODEL_JOIN_WAIT)
enum {
    OTHERS = JOINERS
};

/* The same, but they stay until they have been told. */
static void other(void)
{
    struct fl_group *g = groups[model_self];
    struct fl_waiter *node = join(g);

    while (fl_load(&g->fired, acquire) == 0)
        fl_futex_wait(&g->fired, 0, INT64_MAX);
    assert(filch_future_done(f));
    check_outcome(f);
    leave(node, g);
    let_go();
}
#elif defined(MODEL_TWO_RELEASE)
enum {
    OTHERS = 2
};

/* Whoever sees the outcome lets go at once, while the settler is still telling. */
static void other(void)
{
    if (filch_future_done(f))
        check_outcome(f);
    let_go();
}
#elif defined(MODEL_WAITED)
enum {
    OTHERS = SLEEPERS
};

/* Sleeps on the state itself, as wait.c does. */
static void other(void)
{
    while (fl_future_expect(f)) {
        uint32_t state = fl_load(&f->state, relaxed); /* hint: the futex compares it again */

        if ((state & FL_PHASE) < FL_OVER && (state & FL_WAITED) != 0)
            fl_futex_wait(&f->state, state, INT64_MAX);
    }
    check_outcome(f);
    let_go();
}
#else
#    error "no such scenario"
#endif

#ifdef KEPT
enum {
    HOLDERS = 1 /* the main thread, for all */
};
#else
enum {
    HOLDERS = OTHERS
};
#endif

static void *thread(void *arg)
{
    model_self = (int)((struct ghost *)arg - ghosts);
    other();
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    struct ghost all = {0};
    int callbacks = ADDERS;

    f = fl_malloc(sizeof *f);
    fl_future_init(f, NULL, NULL, FL_KIND_TASK, NULL, NULL, 1 + HOLDERS);
#if defined(MODEL_CANCEL_CLAIM)
    add_callback();
    callbacks++;
#endif
#if defined(MODEL_JOIN_LEAVE) || defined(MODEL_JOIN_WAIT)
    for (int i = 1; i <= JOINERS; i++)
        groups[i] = fl_group_create(FILCH_ALL_COMPLETED);
#    if defined(LEFT_BEFORE) /* a node is vacant from the start */
    groups[0] = fl_group_create(FILCH_ALL_COMPLETED);
    leave(join(groups[0]), groups[0]);
    groups[0] = NULL;
#    endif
#endif
#if defined(MODEL_MOVE_IN)
    for (int i = 1; i <= OTHERS; i++)
        groups[i] = fl_group_create(FILCH_ALL_COMPLETED);
    joined = join(groups[JOINED]);
#endif
    for (int i = 1; i <= OTHERS; i++)
        pthread_create(&threads[i], NULL, thread, &ghosts[i]);
#if defined(CANCELLED)
    filch_future_cancel(f);
    filch_future_release(f);
#else
    run();
#endif
    for (int i = 1; i <= OTHERS; i++)
        pthread_join(threads[i], NULL);
#ifdef KEPT
    filch_future_release(f);
#endif

    for (int i = 0; i < THREADS; i++) {
        all.allocated += ghosts[i].allocated;
        all.freed += ghosts[i].freed;
        all.called += ghosts[i].called;
        all.cancelled += ghosts[i].cancelled;
        all.finished += ghosts[i].finished;
    }
    assert(all.freed == all.allocated);
    assert(all.called == callbacks);
#if defined(MODEL_CANCEL_CLAIM)
    assert(all.finished + all.cancelled == 1);
#elif !defined(CANCELLED)
    assert(all.finished == 1);
#endif
    return 0;
}
