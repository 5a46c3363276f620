/* SPDX-License-Identifier: MIT
 *
 * sim_future.c: one future, and what is done with it at the same time.
 *
 * First each pair of what may happen to a future, from two threads that hold a reference each and
 * give it back as soon as they are through: so the last one to go frees it, whoever that is. Then
 * futures whose tasks a real worker runs, and workers that help with what they wait for. After each
 * step a ghost looks at the future: its state moves as future.c says, WAITED stays until it is over,
 * and there are never fewer references than threads that hold one. */
#include <string.h>

#include <filch/filch.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "future/future.h"
#include "future/run.h"
#include "future/submit.h"
#include "sched/pool.h"
#include "sim/sim.h"

enum {
    VALUE = 7,
    ACTORS = 3,
    A_MOMENT = 1000000, /* ns: long enough for everything that does not wait */
    GONE = 0x5A5A5A5A   /* what a freed future holds */
};

/* What a thread has done and learned; read by the main thread at the end. */
struct actor {
    int value; /* what its outcome points to */
    bool has_completed;
    bool has_cancelled;
    bool may_time_out;
    bool has_asked;
    bool has_added;
    int called;
    int status;
    void *result;
};

static filch_future *f;
static struct actor actors[ACTORS];

/* ---- the ghost ---- */

static struct {
    bool is_on, is_gone;
    uint32_t state;
    unsigned holders;
} ghost;

SIM_GHOST static void ghost_begin(unsigned holders)
{
    ghost.is_on = holders != 0;
    ghost.is_gone = false;
    ghost.state = FL_PENDING;
    ghost.holders = holders;
}

SIM_GHOST static void ghost_lets_go(void)
{
    ghost.holders--;
}

/* A bit for each phase that may follow. */
static const uint8_t next_of_task[] = {
    [FL_PENDING] = 1 << FL_RUNNING | 1 << FL_CANCELLED,
    [FL_RUNNING] = 1 << FL_FINISHED | 1 << FL_FAILED,
    [FL_CANCELLED] = 0,
};
static const uint8_t next_of_promise[] = {
    [FL_PENDING] = 1 << FL_RUNNING | 1 << FL_SETTLING | 1 << FL_CANCELLED,
    [FL_RUNNING] = 1 << FL_SETTLING,
    [FL_SETTLING] = 1 << FL_FINISHED | 1 << FL_FAILED,
    [FL_CANCELLED] = 0,
};

SIM_GHOST static void watch(void)
{
    uint32_t state;
    uint32_t phase;

    if (!ghost.is_on)
        return;
    state = fl_load(&f->state, relaxed);
    if (state == GONE)
        ghost.is_gone = true;
    if (ghost.is_gone) {
        sim_check(ghost.holders == 0);
        return;
    }
    sim_check(fl_load(&f->refs, relaxed) >= ghost.holders);
    phase = state & FL_PHASE;
    if (phase != (ghost.state & FL_PHASE)) {
        const uint8_t *next = f->kind == FL_KIND_PROMISE ? next_of_promise : next_of_task;

        sim_check((next[ghost.state & FL_PHASE] >> phase & 1) != 0);
    }
    sim_check(phase >= FL_OVER || (ghost.state & ~state & FL_WAITED) == 0);
    ghost.state = state;
}

/* ---- what may happen to a future ---- */

static void begin(enum fl_future_kind kind, unsigned holders)
{
    memset(actors, 0, sizeof actors);
    ghost_begin(0);
    sim_solo_begin();
    f = fl_malloc(sizeof *f);
    fl_future_init(f, NULL, NULL, kind, NULL, NULL, holders);
    ghost_begin(holders);
    sim_solo_end();
}

static void let_go(void)
{
    ghost_lets_go();
    filch_future_release(f);
}

static void a_completion(void *actor)
{
    struct actor *me = actor;
    int status;

    me->value = VALUE;
    status = filch_promise_set_result(f, &me->value);
    sim_check(status == 0 || status == FILCH_ESTATE);
    me->has_completed = status == 0;
    let_go();
}

/* What a worker does with a task. */
static void a_run(void *actor)
{
    struct actor *me = actor;

    if (fl_future_claim(f)) {
        me->value = VALUE;
        fl_future_finish(f, 0, &me->value);
        me->has_completed = true;
    }
    let_go();
}

static void a_cancel(void *actor)
{
    struct actor *me = actor;

    me->has_cancelled = filch_future_cancel(f);
    let_go();
}

static void ask(struct actor *me, filch_deadline deadline)
{
    me->has_asked = true;
    me->may_time_out = deadline != FILCH_FOREVER;
    me->status = filch_future_result(f, deadline, &me->result);
    if (me->status == 0)
        sim_check(*(int *)me->result == VALUE);
    let_go();
}

static void a_wait(void *actor)
{
    ask(actor, FILCH_FOREVER);
}

static void a_timed_wait(void *actor)
{
    ask(actor, filch_in_ns(A_MOMENT));
}

static void called(filch_future *future, void *user)
{
    struct actor *me = user;

    sim_check(future == f);
    me->called++;
    me->has_asked = true;
    me->status = filch_future_result(f, FILCH_NOW, &me->result);
    sim_check(me->status != 0 || *(int *)me->result == VALUE);
}

static void a_callback(void *actor)
{
    struct actor *me = actor;
    int status = filch_future_add_done_callback(f, called, me);

    sim_check(status == 0);
    me->has_added = true;
    let_go();
}

static void a_release(void *actor)
{
    (void)actor;
    let_go();
}

/* One outcome stands, and everybody was told that one. */
static void check_agreement(void)
{
    const struct actor *winner = NULL;
    bool is_cancelled = false;

    for (int i = 0; i < ACTORS; i++) {
        if (actors[i].has_completed) {
            sim_check(winner == NULL);
            winner = &actors[i];
        }
        is_cancelled = is_cancelled || actors[i].has_cancelled;
    }
    sim_check((winner != NULL) != is_cancelled);
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &actors[i];

        sim_check(a->called == a->has_added);
        if (!a->has_asked || (a->status == FILCH_ETIMEDOUT && a->may_time_out))
            continue;
        if (is_cancelled)
            sim_check(a->status == FILCH_ECANCELED);
        else
            sim_check(a->status == 0 && a->result == &winner->value);
    }
}

/* One of the two decides. */
static void run_pair(enum fl_future_kind kind, void (*left)(void *), void (*right)(void *))
{
    begin(kind, 2);
    sim_spawn(left, &actors[0]);
    right(&actors[1]);
    sim_join_all();
    check_agreement();
}

/* Neither of the two decides: a third does. */
static void run_three(void (*left)(void *), void (*right)(void *))
{
    begin(FL_KIND_TASK, 3);
    sim_spawn(left, &actors[0]);
    sim_spawn(right, &actors[1]);
    a_run(&actors[2]);
    sim_join_all();
    check_agreement();
}

#define AT_ONCE(left, right, run)                                                                  \
    SCENARIO(left##_and_##right##_at_once_agree, .ghost = watch, .timeouts = 1, .spurious = 1,     \
             .weak_faults = 1)                                                                     \
    {                                                                                              \
        run;                                                                                       \
    }
#define PAIR(left, right)  AT_ONCE(left, right, run_pair(FL_KIND_PROMISE, left, right))
#define THREE(left, right) AT_ONCE(left, right, run_three(left, right))
#define RUN(left, right)   AT_ONCE(left, right, run_pair(FL_KIND_TASK, left, right))

PAIR(a_completion, a_completion)
PAIR(a_completion, a_cancel)
PAIR(a_completion, a_wait)
PAIR(a_completion, a_timed_wait)
PAIR(a_completion, a_callback)
PAIR(a_completion, a_release)
PAIR(a_cancel, a_cancel)
PAIR(a_cancel, a_wait)
PAIR(a_cancel, a_timed_wait)
PAIR(a_cancel, a_callback)
PAIR(a_cancel, a_release)
THREE(a_wait, a_wait)
THREE(a_wait, a_timed_wait)
THREE(a_wait, a_callback)
THREE(a_wait, a_release)
THREE(a_timed_wait, a_timed_wait)
THREE(a_timed_wait, a_callback)
THREE(a_timed_wait, a_release)
THREE(a_callback, a_callback)
THREE(a_callback, a_release)
THREE(a_release, a_release)

RUN(a_run, a_run)
RUN(a_run, a_cancel)
RUN(a_run, a_wait)
RUN(a_run, a_timed_wait)
RUN(a_run, a_callback)
RUN(a_run, a_release)

/* ---- who frees it ---- */

SCENARIO(two_waiters_that_free_at_once_leave_the_completer_alone, .ghost = watch)
{
    begin(FL_KIND_PROMISE, 3);
    sim_spawn(a_wait, &actors[0]);
    sim_spawn(a_wait, &actors[1]);
    sim_spawn(a_completion, &actors[2]);
    sim_join_all();
    check_agreement();
}

static void a_look(void *actor)
{
    struct actor *me = actor;

    me->has_asked = true;
    SIM_AWAIT(filch_future_done(f));
    me->status = filch_future_result(f, FILCH_NOW, &me->result);
    let_go();
}

SCENARIO(whoever_sees_it_over_may_free_it_that_instant, .ghost = watch)
{
    begin(FL_KIND_PROMISE, 3);
    sim_spawn(a_look, &actors[0]);
    sim_spawn(a_look, &actors[1]);
    a_completion(&actors[2]);
    sim_join_all();
    check_agreement();
}

SCENARIO(a_future_that_nobody_completes_goes_with_its_callbacks, .ghost = watch)
{
    begin(FL_KIND_PROMISE, 2);
    sim_spawn(a_callback, &actors[0]);
    a_callback(&actors[1]);
    sim_join_all();
    sim_check(actors[0].called == 0 && actors[1].called == 0);
}

/* The state as users see it, twice: it goes on, never back, and the outcome comes with it. */
static void a_look_at_the_state(void *actor)
{
    struct actor *me = actor;
    enum filch_state before = filch_future_state(f);
    enum filch_state after = filch_future_state(f);

    sim_check(after >= before && (before < FILCH_FINISHED || after == before));
    if (after == FILCH_FINISHED) {
        me->has_asked = true;
        me->status = filch_future_result(f, FILCH_NOW, &me->result);
        sim_check(*(int *)me->result == VALUE);
    }
    let_go();
}

SCENARIO(a_state_never_goes_back, .ghost = watch)
{
    begin(FL_KIND_TASK, 2);
    sim_spawn(a_look_at_the_state, &actors[0]);
    a_run(&actors[1]);
    sim_join_all();
    check_agreement();
}

static int handed_over; /* plain */

static void hands_over_and_cancels(void *arg)
{
    (void)arg;
    handed_over = VALUE;
    sim_check(filch_future_cancel(f));
    let_go();
}

SCENARIO(whoever_learns_of_a_cancel_sees_what_came_before_it, .ghost = watch)
{
    begin(FL_KIND_TASK, 2);
    handed_over = 0;
    sim_spawn(hands_over_and_cancels, NULL);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    sim_check(handed_over == VALUE);
    let_go();
    sim_join_all();
}

SCENARIO(whoever_sees_that_it_is_done_sees_what_came_before_it, .ghost = watch)
{
    begin(FL_KIND_TASK, 2);
    handed_over = 0;
    sim_spawn(hands_over_and_cancels, NULL);
    SIM_AWAIT(filch_future_done(f));
    sim_check(handed_over == VALUE);
    let_go();
    sim_join_all();
}

/* Of a periodic one whoever runs it makes the end, after the run. */
SCENARIO(whoever_learns_that_a_run_was_the_last_sees_what_came_before_the_cancel)
{
    begin(FL_KIND_PERIODIC, 2);
    handed_over = 0;
    sim_check(fl_future_claim(f));
    sim_spawn(hands_over_and_cancels, NULL);
    SIM_AWAIT((fl_load(&f->state, relaxed) & FL_STOP) != 0);
    sim_check(!fl_future_rest(f));
    fl_future_end_runs(f, 0, NULL);
    sim_check(filch_future_cancelled(f) && handed_over == VALUE);
    let_go();
    sim_join_all();
}

/* ---- threads that stop for ever ---- */

/* If whoever decides stops half-way, a wait ends by its deadline and nothing else is held up. */
static void check_frozen(int decider)
{
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &actors[i];

        sim_check(a->called <= 1);
        if (sim_frozen() < 0 || sim_frozen() != decider)
            sim_check(a->status != FILCH_ETIMEDOUT);
    }
    if (sim_frozen() < 0)
        check_agreement();
}

SCENARIO(a_completer_that_stops_for_ever_holds_up_nobody_with_a_deadline, .ghost = watch,
         .freezes = true)
{
    int decider;

    begin(FL_KIND_PROMISE, 3);
    decider = sim_spawn(a_completion, &actors[0]);
    sim_spawn(a_callback, &actors[1]);
    a_timed_wait(&actors[2]);
    sim_join_all();
    check_frozen(decider);
}

SCENARIO(a_canceller_that_stops_for_ever_holds_up_nobody_with_a_deadline, .ghost = watch,
         .freezes = true)
{
    int decider;

    begin(FL_KIND_PROMISE, 3);
    decider = sim_spawn(a_cancel, &actors[0]);
    sim_spawn(a_timed_wait, &actors[1]);
    a_timed_wait(&actors[2]);
    sim_join_all();
    check_frozen(decider);
}

SCENARIO(a_waiter_that_stops_for_ever_holds_up_nobody, .ghost = watch, .freezes = true)
{
    begin(FL_KIND_PROMISE, 4);
    sim_spawn(a_wait, &actors[0]);
    sim_spawn(a_callback, &actors[1]);
    a_completion(&actors[2]);
    sim_check(filch_future_done(f));
    let_go();
    sim_join_all();
    check_frozen(-1);
}

/* Once the state is over, whoever comes needs nobody who told it. */
static void comes_late(void *actor)
{
    struct actor *me = actor;

    SIM_AWAIT(filch_future_done(f) || sim_frozen() >= 0);
    if (filch_future_done(f)) {
        int status = filch_future_add_done_callback(f, called, me);

        sim_check(status == 0 && me->called == 1);
        sim_check(filch_future_result(f, FILCH_FOREVER, &me->result) == 0);
    }
    let_go();
}

SCENARIO(whoever_comes_when_it_is_over_waits_for_no_teller, .ghost = watch, .freezes = true)
{
    begin(FL_KIND_PROMISE, 2);
    sim_spawn(a_completion, &actors[0]);
    comes_late(&actors[1]);
    sim_join_all();
}

/* ---- run by a real worker ---- */

static filch_executor *ex;
static int runs;

static void start(unsigned workers, int64_t spin_ns)
{
    filch_options options = {.size = sizeof options,
                             .workers = workers,
                             .max_spares = 1,
                             .spin_ns = spin_ns,
                             .allocator = &sim_allocator};
    int status;

    ghost_begin(0);
    runs = 0;
    sim_solo_begin();
    status = filch_executor_create(&ex, &options);
    sim_solo_end();
    sim_check(status == 0);
}

static void submit(filch_task_fn *fn, void *arg, filch_future **future)
{
    int status = filch_submit(ex, fn, arg, future);

    sim_check(status == 0);
}

static int count_runs(void *arg, void **result)
{
    ++*(int *)arg;
    *result = arg;
    return 0;
}

SCENARIO(a_task_runs_or_is_cancelled_never_both)
{
    bool cancelled;
    void *result;
    int status;

    start(1, -1);
    submit(count_runs, &runs, &f);
    cancelled = filch_future_cancel(f);
    status = filch_future_result(f, FILCH_FOREVER, &result);
    sim_check(status == (cancelled ? FILCH_ECANCELED : 0));
    filch_future_release(f);
    filch_executor_destroy(ex);
    sim_check(runs == !cancelled);
}

SCENARIO(a_deadline_ends_a_wait_and_not_the_task, .timeouts = 1)
{
    void *result = NULL;
    int status;

    start(1, -1);
    submit(count_runs, &runs, &f);
    status = filch_future_result(f, filch_in_ns(A_MOMENT), &result);
    sim_check(status == 0 || (status == FILCH_ETIMEDOUT && result == NULL));
    status = filch_future_result(f, FILCH_FOREVER, &result);
    sim_check(status == 0 && result == &runs && runs == 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

SCENARIO(a_spinning_wait_ends_too)
{
    void *result;
    int status;

    start(1, 2000);
    submit(count_runs, &runs, &f);
    status = filch_future_result(f, FILCH_FOREVER, &result);
    sim_check(status == 0 && *(int *)result == 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static fl_atomic(filch_future *) handle;

static int release_handle(void *arg, void **result)
{
    (void)result;
    ++*(int *)arg;
    SIM_AWAIT(fl_load(&handle, acquire) != NULL);
    filch_future_release(fl_load(&handle, acquire));
    return 0;
}

SCENARIO(a_task_may_give_back_its_own_handle)
{
    filch_future *own;

    fl_init(&handle, NULL);
    start(1, -1);
    submit(release_handle, &runs, &own);
    fl_store(&handle, own, release);
    filch_executor_destroy(ex);
    sim_check(runs == 1);
}

SCENARIO(a_task_that_nobody_asks_for_leaves_nothing)
{
    start(1, -1);
    submit(count_runs, &runs, NULL);
    filch_executor_destroy(ex);
    sim_check(runs == 1);
}

SCENARIO(a_handle_given_back_at_once_takes_no_task_away)
{
    start(1, -1);
    submit(count_runs, &runs, &f);
    filch_future_release(f);
    filch_executor_destroy(ex);
    sim_check(runs == 1);
}

SCENARIO(a_future_outlives_its_executor)
{
    void *result;
    int status;

    start(1, -1);
    submit(count_runs, &runs, &f);
    filch_executor_destroy(ex);
    sim_check(filch_future_done(f));
    status = filch_future_result(f, FILCH_NOW, &result);
    sim_check(status == 0 && result == &runs && runs == 1);
    filch_future_release(f);
}

static int count_copy(void *arg, void **result)
{
    const char *text = arg;

    (void)result;
    sim_check(text[0] == 'a' && text[79] == 'z');
    runs++;
    return 0;
}

SCENARIO(a_copied_argument_goes_once_whether_it_runs_or_not)
{
    char text[80] = {[0] = 'a', [79] = 'z'};
    bool cancelled;
    int status;

    start(1, -1);
    status = filch_submit_copy(ex, count_copy, text, sizeof text, &f);
    sim_check(status == 0);
    cancelled = filch_future_cancel(f);
    filch_future_release(f);
    filch_executor_destroy(ex);
    sim_check(runs == !cancelled);
}

SCENARIO(a_shutdown_that_cancels_leaves_every_future_over)
{
    void *result;
    int status;

    start(1, -1);
    submit(count_runs, &runs, &f);
    status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);
    sim_check(status == 0 && filch_future_done(f));
    status = filch_future_result(f, FILCH_NOW, &result);
    sim_check(status == (runs == 1 ? 0 : FILCH_ECANCELED));
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int wait_for_child(void *arg, void **result)
{
    filch_future *child;
    int status;

    (void)result;
    submit(count_runs, arg, &child);
    status = filch_future_result(child, FILCH_FOREVER, NULL);
    sim_check(status == 0 && *(int *)arg == 1);
    filch_future_release(child);
    return 0;
}

SCENARIO(a_wait_on_the_only_worker_runs_what_it_waits_for)
{
    int status;

    start(1, -1);
    submit(wait_for_child, &runs, &f);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int wait_for_two(void *arg, void **result)
{
    static int each[2];
    void *args[2] = {&each[0], &each[1]};
    filch_future *two[2];
    int status;

    (void)arg, (void)result;
    each[0] = each[1] = 0;
    status = filch_submit_batch(ex, count_runs, args, 2, two);
    sim_check(status == 0);
    sim_check(filch_wait(two, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
    sim_check(each[0] == 1 && each[1] == 1);
    filch_future_release(two[0]);
    filch_future_release(two[1]);
    return 0;
}

SCENARIO(a_wait_for_many_on_the_only_worker_runs_them)
{
    int status;

    start(1, -1);
    submit(wait_for_two, NULL, &f);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(status == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static filch_future *promise;

static int wait_for_promise(void *arg, void **result)
{
    (void)arg;
    return filch_future_result(promise, FILCH_FOREVER, result);
}

static int keep_promise(void *arg, void **result)
{
    (void)result;
    return filch_promise_set_result(promise, arg);
}

/* The task that completes the promise lies behind the one that waits for it: a spare runs it, as soon
 * as the system gives a thread. */
SCENARIO(a_task_that_waits_for_a_promise_lets_the_next_one_in, .thread_faults = 1)
{
    filch_future *kept;
    void *result;
    int status;

    start(1, -1);
    sim_solo_begin();
    status = filch_promise_create(&promise);
    sim_solo_end();
    sim_check(status == 0);
    submit(wait_for_promise, NULL, &f);
    submit(keep_promise, &runs, &kept);
    status = filch_future_result(f, FILCH_FOREVER, &result);
    sim_check(status == 0 && result == &runs);
    status = filch_future_result(kept, FILCH_FOREVER, NULL);
    sim_check(status == 0);
    filch_future_release(f);
    filch_future_release(kept);
    filch_executor_destroy(ex);
    filch_future_release(promise);
}

static int wait_for_itself(void *arg, void **result)
{
    filch_future *own;

    (void)arg, (void)result;
    SIM_AWAIT(fl_load(&handle, acquire) != NULL);
    own = fl_load(&handle, acquire);
    sim_check(filch_future_result(own, FILCH_FOREVER, NULL) == FILCH_EDEADLK);
    return 0;
}

SCENARIO(a_task_that_waits_for_itself_is_told_so)
{
    fl_init(&handle, NULL);
    start(1, -1);
    submit(wait_for_itself, NULL, &f);
    fl_store(&handle, f, release);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- a worker that waits: what it may run ---- */

enum {
    RUNNER,
    WAITER,
    WORKERS
};

static struct fl_pool *p;
static int other_runs;

/* A pool whose workers are threads of the scenario's. */
static void open_pool(void)
{
    size_t bytes = sizeof *p + WORKERS * sizeof p->worker[0];

    ghost_begin(0);
    runs = other_runs = 0;
    p = sim_alloc(bytes, alignof(struct fl_pool));
    memset(p, 0, bytes);
    fl_heap_open(&p->home.heap, &sim_allocator);
    p->home.ops = &fl_pool_home_ops;
    p->n_workers = p->n_slots = WORKERS;
    sim_check(fl_forked_open(&p->home.forked) == 0);
    for (unsigned i = 0; i < WORKERS; i++)
        fl_init(&p->worker[i], fl_worker_create(p, i));
    fl_init(&p->top_slot, WORKERS);
    fl_init(&p->active, WORKERS);
}

static struct fl_worker *become(unsigned i)
{
    struct fl_worker *w = fl_worker_at(p, i);

    fl_self()->worker = w;
    return w;
}

static void close_pool(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        sim_check(fl_slab_retire(&fl_worker_at(p, i)->slab) == 0); /* every block is home */
        fl_worker_free(fl_worker_at(p, i));
    }
    fl_forked_close(&p->home.forked);
    sim_free(p);
}

static void push(filch_task_fn *fn, void *arg, filch_future **future)
{
    int status = fl_pool_submit(p, fn, arg, future);

    sim_check(status == 0);
}

/* Runs what is youngest on its deque; false: nothing is. */
static bool run_one(struct fl_worker *w)
{
    struct fl_task *task = fl_deque_pop(&w->deque);

    if (task != NULL)
        fl_worker_run(w, task);
    return task != NULL;
}

static void runner(void *arg)
{
    (void)arg;
    run_one(become(RUNNER));
    fl_self()->worker = NULL;
}

static void waiter(void *arg)
{
    (void)arg;
    become(WAITER);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    fl_self()->worker = NULL;
}

static int nothing(void *arg, void **result)
{
    (void)arg, (void)result;
    return 0;
}

/* Below the awaited task lies another, which may want a lock that the waiting one holds. */
static void other_below(filch_task_fn *fn)
{
    sim_solo_begin();
    open_pool();
    become(RUNNER);
    push(count_runs, &other_runs, NULL);
    push(fn, &runs, &f);
    fl_self()->worker = NULL;
    sim_solo_end();
    sim_spawn(runner, NULL);
    sim_spawn(waiter, NULL);
    sim_join_all();
    sim_check(other_runs == 0);
    sim_solo_begin();
    while (run_one(become(RUNNER)) || run_one(become(WAITER)))
        continue;
    sim_check(other_runs == 1);
    filch_future_release(f);
    fl_self()->worker = NULL;
    close_pool();
    sim_solo_end();
}

SCENARIO(a_waiting_worker_runs_nothing_but_what_it_waits_for)
{
    other_below(nothing);
}

static int leave_a_child(void *arg, void **result)
{
    (void)result;
    push(count_runs, arg, NULL);
    return 0;
}

SCENARIO(a_waiting_worker_may_run_what_the_awaited_task_has_pushed)
{
    other_below(leave_a_child);
    sim_check(runs == 1);
}

/* The awaited task lies on the waiter's own deque, and a thief is after it. */
static void thief(void *arg)
{
    struct fl_worker *w = become(RUNNER);
    struct fl_task *task = fl_deque_steal(&fl_worker_at(p, WAITER)->deque);

    (void)arg;
    if (task != NULL)
        fl_worker_run(w, task);
    fl_self()->worker = NULL;
}

SCENARIO(an_awaited_task_is_run_once_by_its_waiter_or_a_thief)
{
    sim_solo_begin();
    open_pool();
    become(WAITER);
    push(count_runs, &runs, &f);
    fl_self()->worker = NULL;
    sim_solo_end();
    sim_spawn(thief, NULL);
    waiter(NULL);
    sim_join_all();
    sim_check(runs == 1);
    sim_solo_begin();
    run_one(become(WAITER));
    fl_self()->worker = NULL;
    filch_future_release(f);
    close_pool();
    sim_solo_end();
    sim_check(runs == 1);
}

/* More tasks than a slab's first chunk holds: the memory for the rest may not be there. */
SCENARIO(a_batch_without_memory_for_all_takes_none, .alloc_faults = 1)
{
    enum {
        MANY = 16
    };
    filch_future *futures[MANY];
    struct fl_worker *w;
    int status;

    sim_solo_begin();
    open_pool();
    sim_solo_end();
    w = become(RUNNER);
    status = fl_pool_submit_batch(p, nothing, NULL, MANY, futures);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    while (run_one(w))
        runs++;
    sim_check(runs == (status == 0 ? MANY : 0));
    for (int i = 0; i < MANY && status == 0; i++)
        filch_future_release(futures[i]);
    fl_self()->worker = NULL;
    close_pool();
}
