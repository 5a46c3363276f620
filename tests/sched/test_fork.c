/* SPDX-License-Identifier: MIT
 *
 * test_fork.c: a forked child finds its parent's executors dead and says so, or gets empty ones of its
 * own; the parent notices nothing.
 *
 * Each child is under an alarm, so that a hang is an exit status like any other. */
/* seconds: 120 */
#include "sched/work.h"

#include "base/compiler.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ThreadSanitizer knows the parent's threads by the numbers that a child of many threads uses again:
 * "dup thread with used id". */
#define SKIP_IF_THREADS_CANT_START_IN_A_CHILD()                                                    \
    do {                                                                                           \
        if (FL_TSAN)                                                                               \
            test_skip("ThreadSanitizer starts no thread in a child of many threads");              \
    } while (0)

enum {
    CHILD_SECONDS = 30,
    ALONE = 3 /* what threads_now says of one thread: itself, "." and ".." */
};

/* The exit code, or the signal that ended it, negative. */
static int ending_of(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0)
        test_check(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A worker's child has a worker's signal mask. */
static pid_t fork_guarded(void)
{
    pid_t child = fork();
    sigset_t alarms;

    test_check(child >= 0);
    if (child == 0) {
        sigemptyset(&alarms);
        sigaddset(&alarms, SIGALRM);
        test_check(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL) == 0);
        alarm(CHILD_SECONDS);
    }
    return child;
}

/* Runs body in a child, which then ends with 0 and without exit. */
static int in_child(void (*body)(void *arg), void *arg)
{
    fflush(NULL);
    pid_t child = fork_guarded();
    if (child == 0) {
        body(arg);
        _exit(0);
    }
    return ending_of(child);
}

/* ---- Executors whose threads have all started ---- */

static struct gate started;

static int note_start(void *gate)
{
    struct gate *g = gate;

    fl_add(&g->arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&g->arrived, INT_MAX);
    return 0;
}

/* A sanitizer allocates while it starts a thread, and a child that is forked in the middle of that
 * finds its allocator locked for ever: so all are past it before anybody forks. */
static filch_executor *settled_with(filch_options options)
{
    filch_executor *ex;

    fl_store(&started.arrived, 0, relaxed); /* the hooks of earlier executors are over */
    options.on_thread_start = note_start;
    options.hook_arg = &started;
    ex = pool_with(options);
    gate_await(&started, options.workers);
    return ex;
}

static filch_executor *settled_of(unsigned workers)
{
    return settled_with((filch_options){.workers = workers});
}

/* ---- What the parent leaves to its child ---- */

/* An executor of one worker, which holds still, and a future in each state. */
struct family {
    filch_executor *ex;
    struct hold hold; /* its future: running */
    filch_future *pending;
    filch_future *finished;
    filch_future *failed;
    filch_future *cancelled;
    filch_future *promise;
    counter ran;
};

static void found_family(struct family *x, unsigned flags)
{
    x->ex = settled_with((filch_options){.workers = 1, .flags = flags, .name = "family"});
    x->finished = submit(x->ex, task_echo, number(11));
    x->failed = submit(x->ex, task_fail, number(12));
    test_check(outcome(x->finished) == 0 && outcome(x->failed) == 12);
    hold_worker(&x->hold, x->ex);
    x->pending = submit(x->ex, task_count, &x->ran);
    x->cancelled = submit(x->ex, task_count, &x->ran);
    test_check(filch_future_cancel(x->cancelled));
    x->promise = promise();
}

/* Everything goes on in the parent, as if there had never been a child. */
static void dissolve_family(struct family *x)
{
    let_go(&x->hold);
    assert_int_equal(finish(x->pending), 0);
    assert_int_equal(count_of(&x->ran), 1);
    assert_int_equal(finish(x->finished), 0);
    assert_int_equal(finish(x->failed), 12);
    assert_int_equal(finish(x->cancelled), FILCH_ECANCELED);
    assert_int_equal(filch_promise_set_result(x->promise, NULL), 0);
    assert_int_equal(finish(x->promise), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(finish(submit(x->ex, task_count, &x->ran)), 0);
    assert_int_equal(count_of(&x->ran), 101);
    filch_executor_destroy(x->ex);
}

/* ---- The dead executor ---- */

static void check_calls(void *family)
{
    struct family *x = family;
    filch_executor_stats stats = {.size = sizeof stats};
    filch_task_options options = {.size = sizeof options};
    filch_trace_event event;
    filch_future *f[2] = {NULL, NULL};
    void *args[2] = {NULL, NULL};
    static const unsigned flags[] = {FILCH_DRAIN, FILCH_CANCEL_PENDING, FILCH_NO_WAIT,
                                     FILCH_CANCEL_PENDING | FILCH_NO_WAIT};

    test_check(filch_submit(x->ex, task_echo, NULL, &f[0]) == FILCH_EFORKED);
    test_check(filch_submit(x->ex, task_echo, NULL, NULL) == FILCH_EFORKED);
    test_check(filch_submit_copy(x->ex, task_echo, "copy", 5, &f[0]) == FILCH_EFORKED);
    test_check(filch_submit_batch(x->ex, task_echo, args, 2, f) == FILCH_EFORKED);
    test_check(filch_submit_with(x->ex, &options, task_echo, NULL, &f[0]) == FILCH_EFORKED);
    test_check(filch_map_array(x->ex, task_echo, args, NULL, 2) == FILCH_EFORKED);
    test_check(f[0] == NULL && f[1] == NULL);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        test_check(filch_executor_shutdown(x->ex, flags[i], FILCH_FOREVER) == FILCH_EFORKED);
        test_check(filch_executor_shutdown(x->ex, flags[i], FILCH_NOW) == FILCH_EFORKED);
    }
    test_check(filch_executor_wait_idle(x->ex, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(filch_executor_wait_idle(x->ex, FILCH_NOW) == FILCH_EFORKED);
    test_check(filch_executor_stats_read(x->ex, &stats) == FILCH_EFORKED);
    test_check(filch_executor_trace_next(x->ex, &event) == FILCH_EFORKED);
    test_check(filch_executor_name_function(x->ex, task_echo, "echo") == FILCH_EFORKED);
    test_check(filch_executor_workers(x->ex) == 1);
    test_check(filch_executor_broken(x->ex) == NULL);
    test_check(threads_now() == ALONE);
}

TEST(k1_in_a_child_every_call_on_the_parents_executor_says_so)
{
    struct family x = {0};

    found_family(&x, 0);
    assert_int_equal(in_child(check_calls, &x), 0);
    dissolve_family(&x);
}

static void called(filch_future *f, void *user)
{
    (void)f;
    count_one(user);
}

static void check_futures(void *family)
{
    struct family *x = family;
    filch_future *undecided[] = {x->pending, x->hold.f};
    static const filch_deadline deadlines[] = {FILCH_FOREVER, FILCH_NOW, -1, 1};
    counter calls = 0;
    filch_error error;
    void *result = NULL;

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sizeof deadlines / sizeof deadlines[0]; j++) {
            filch_future *f = undecided[i];

            test_check(filch_future_result(f, deadlines[j], &result) == FILCH_EFORKED);
            test_check(filch_future_error(f, deadlines[j], &error) == FILCH_EFORKED);
        }
        test_check(!filch_future_done(undecided[i]));
        test_check(filch_future_add_done_callback(undecided[i], called, &calls) == 0);
    }
    test_check(count_of(&calls) == 0);

    test_check(filch_future_result(x->finished, FILCH_FOREVER, &result) == 0);
    test_check(result == number(11));
    test_check(filch_future_state(x->finished) == FILCH_FINISHED);
    test_check(filch_future_add_done_callback(x->finished, called, &calls) == 0);
    test_check(count_of(&calls) == 1);
    test_check(filch_future_result(x->failed, FILCH_FOREVER, &result) == 12);
    test_check(filch_future_error(x->failed, FILCH_FOREVER, &error) == 0 && error.code == 12);
    test_check(filch_future_result(x->cancelled, FILCH_FOREVER, &result) == FILCH_ECANCELED);

    test_check(!filch_future_cancel(x->hold.f));
    test_check(filch_future_cancel(x->pending));
    test_check(outcome(x->pending) == FILCH_ECANCELED);
    test_check(count_of(&calls) == 2);
}

TEST(k1_in_a_child_an_undecided_future_says_so_and_a_decided_one_is_read)
{
    struct family x = {0};

    found_family(&x, 0);
    assert_int_equal(in_child(check_futures, &x), 0);
    assert_int_equal(filch_future_state(x.pending),
                     FILCH_PENDING); /* cancelled in the child only */
    dissolve_family(&x);
}

static void check_waits(void *family)
{
    struct family *x = family;
    filch_future *mixed[] = {x->pending, x->finished, x->promise};
    filch_future *over[] = {x->finished, x->failed, x->cancelled};

    for (int when = FILCH_ALL_COMPLETED; when <= FILCH_FIRST_SUCCESS; when++) {
        filch_future *undecided[] = {x->promise, x->pending, x->hold.f};
        enum filch_return_when w = (enum filch_return_when)when;

        test_check(filch_wait(undecided, 3, w, FILCH_FOREVER) == FILCH_EFORKED);
        test_check(filch_wait(undecided, 3, w, FILCH_NOW) == FILCH_EFORKED);
        test_check(undecided[0] == x->promise && undecided[1] == x->pending &&
                   undecided[2] == x->hold.f);
        test_check(filch_wait(over, 3, w, FILCH_FOREVER) == 3);
    }
    test_check(filch_wait(mixed, 3, FILCH_ALL_COMPLETED, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(filch_wait(mixed, 3, FILCH_FIRST_EXCEPTION, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(mixed[0] == x->pending && mixed[1] == x->finished && mixed[2] == x->promise);
    test_check(filch_wait(mixed, 3, FILCH_FIRST_COMPLETED, FILCH_FOREVER) == 1);
    test_check(mixed[0] == x->finished && mixed[1] == x->pending && mixed[2] == x->promise);
    test_check(filch_wait(&x->promise, 1, FILCH_ALL_COMPLETED, filch_in_ms(1)) == 0);
    test_check(filch_promise_set_result(x->promise, number(3)) ==
               0); /* a promise has no executor */
    test_check(filch_wait(&x->promise, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
}

TEST(k1_in_a_child_a_wait_says_so_if_one_that_it_needs_is_undecided)
{
    struct family x = {0};

    found_family(&x, 0);
    assert_int_equal(in_child(check_waits, &x), 0);
    dissolve_family(&x);
}

static void release_all(struct family *x)
{
    filch_future *all[] = {x->pending, x->finished, x->failed, x->cancelled, x->hold.f, x->promise};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        filch_future_release(filch_future_retain(all[i]));
        filch_future_release(all[i]);
    }
}

static void release_then_destroy(void *family)
{
    struct family *x = family;

    release_all(x);
    filch_executor_destroy(x->ex);
}

static void destroy_then_release(void *family)
{
    struct family *x = family;

    filch_executor_destroy(x->ex);
    test_check(filch_submit(x->ex, task_echo, NULL, NULL) == FILCH_EFORKED); /* nothing was freed */
    release_all(x);
}

TEST(k1_in_a_child_releases_and_destroy_return_and_do_no_harm)
{
    struct family x = {0};

    found_family(&x, 0);
    assert_int_equal(in_child(release_then_destroy, &x), 0);
    assert_int_equal(in_child(destroy_then_release, &x), 0);
    dissolve_family(&x);
}

/* The executor goes in the parent before the fork, and its memory with the last future, in the
 * child. */
static void release_last(void *future)
{
    void *result = NULL;

    test_check(filch_future_result(future, FILCH_FOREVER, &result) == 0 && result == number(5));
    filch_future_release(future);
}

TEST(k1_the_last_future_of_a_destroyed_executor_may_go_in_both_processes)
{
    filch_executor *ex = settled_of(2);
    filch_future *f = submit(ex, task_echo, number(5));

    assert_int_equal(outcome(f), 0);
    filch_executor_destroy(ex);
    assert_int_equal(in_child(release_last, f), 0);
    release_last(f);
}

static void leave_by_exit(void *family)
{
    (void)family;
    exit(0);
}

static void clean_up_and_leave_by_exit(void *family)
{
    release_then_destroy(family);
    exit(0);
}

TEST(k1_a_child_leaves_by_exit_whatever_it_has_cleaned_up)
{
    struct family x = {0};

    found_family(&x, 0);
    assert_int_equal(in_child(leave_by_exit, &x), 0);
    assert_int_equal(in_child(clean_up_and_leave_by_exit, &x), 0);
    dissolve_family(&x);
}

static void use_another(void *family)
{
    struct family *x = family;
    filch_executor *own = pool_of(2);
    filch_future *mixed[2] = {x->pending, submit(own, task_echo, number(4))};

    test_check(outcome(mixed[1]) == 0);
    test_check(filch_wait(mixed, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(filch_wait(mixed, 2, FILCH_FIRST_SUCCESS, FILCH_FOREVER) == 1);
    for (int i = 0; i < 100; i++)
        test_check(finish(submit(own, task_echo, NULL)) == 0);
    filch_future_release(mixed[0]);
    filch_executor_destroy(own);
    release_then_destroy(x);
}

TEST(k1_a_child_makes_executors_of_its_own)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    struct family x = {0};

    found_family(&x, 0);
    assert_int_equal(in_child(use_another, &x), 0);
    dissolve_family(&x);
}

/* ---- From inside a task ---- */

struct forker {
    filch_executor *ex;
    filch_future *self;
    struct gate known; /* self is set */
    counter *ran;
    int ending; /* of the child, as the parent sees it */
    pid_t parent;
    bool restarts;
};

static void check_from_inside(struct forker *t)
{
    filch_future *f = NULL;

    test_check(outcome(t->self) == FILCH_EFORKED);
    test_check(filch_submit(t->ex, task_echo, NULL, &f) == FILCH_EFORKED);
    test_check(filch_executor_wait_idle(t->ex, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(filch_executor_shutdown(t->ex, FILCH_DRAIN, FILCH_FOREVER) == FILCH_EFORKED);

    if (!FL_TSAN) {
        filch_executor *own = pool_of(1);

        test_check(finish(submit(own, task_echo, NULL)) == 0);
        filch_executor_destroy(own);
    }
    filch_executor_destroy(t->ex);
}

static void check_restarted_from_inside(struct forker *t)
{
    test_check(outcome(t->self) == FILCH_EFORKED);
    for (int i = 0; i < 50; i++)
        test_check(finish(submit(t->ex, task_echo, NULL)) == 0);
    test_check(filch_executor_wait_idle(t->ex, FILCH_FOREVER) == 0); /* no worker of its own */
    test_check(filch_executor_shutdown(t->ex, FILCH_DRAIN, FILCH_FOREVER) == 0);
    filch_executor_destroy(t->ex);
}

static int task_fork(void *forker, void **result)
{
    struct forker *t = forker;
    pid_t child;

    gate_pass(&t->known);
    child = fork_guarded();
    if (child == 0) {
        if (t->restarts)
            check_restarted_from_inside(t);
        else
            check_from_inside(t);
        _exit(7);
    }
    t->ending = ending_of(child);
    *result = t;
    return 0;
}

static void fork_in_a_task(filch_executor *ex, bool restarts)
{
    struct forker t = {.ex = ex, .restarts = restarts};

    t.self = submit(t.ex, task_fork, &t);
    gate_open(&t.known);
    assert_int_equal(finish(t.self), 0);
    assert_int_equal(t.ending, 7);
    assert_int_equal(finish(submit(t.ex, task_echo, NULL)), 0);
    filch_executor_destroy(t.ex);
}

TEST(k1_a_task_may_fork_and_its_child_finds_the_executor_dead)
{
    fork_in_a_task(settled_of(1), false);
    fork_in_a_task(settled_of(3), false);
}

/* The leak check looks for pointers on the stacks of living threads, and the one that knew the
 * parent's executor has no life in the child. */
static void leave_unchecked(void)
{
    _exit(0);
}

static int task_fork_and_return(void *forker, void **result)
{
    struct forker *t = forker;
    pid_t child;

    gate_pass(&t->known);
    child = fork_guarded();
    if (child != 0)
        t->ending = ending_of(child);
    else if (FL_ASAN)
        test_check(atexit(leave_unchecked) == 0);
    *result = NULL;
    return 0;
}

static int task_in_parent_only(void *forker, void **result)
{
    struct forker *t = forker;

    if (getpid() != t->parent)
        _exit(9); /* the parent's tasks are the parent's */
    count_one(t->ran);
    *result = NULL;
    return 0;
}

/* The child's only thread is a worker of an executor that is dead: it runs nothing and ends, and so
 * does the child. */
static void return_from_forking_task(unsigned flags)
{
    counter ran = 0;
    struct forker t = {.ex = settled_with((filch_options){.workers = 1, .flags = flags}),
                       .ran = &ran,
                       .parent = getpid()};

    t.self = submit(t.ex, task_fork_and_return, &t);
    gate_await(&t.known, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(filch_submit(t.ex, task_in_parent_only, &t, NULL), 0);
    gate_open(&t.known);
    assert_int_equal(finish(t.self), 0);
    assert_int_equal(filch_executor_wait_idle(t.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 10);
    assert_int_equal(t.ending, 0);
    filch_executor_destroy(t.ex);
}

TEST(k1_a_child_that_returns_from_its_task_runs_none_of_its_parents_and_ends)
{
    return_from_forking_task(0);
    return_from_forking_task(FILCH_FORK_RESTART);
}

/* Shared with the child. */
static counter *given_up;

static void give_up(void *what, void *arg)
{
    (void)what, (void)arg;
    count_one(given_up);
}

static void release_context(filch_context *context)
{
    give_up(context, NULL);
}

TEST(k1_a_child_that_returns_from_its_task_gives_up_nothing_of_its_parent_s)
{
    filch_context context = {NULL, release_context};
    filch_task_options o = {.size = sizeof o, .arg_dtor = give_up, .context = &context};
    struct forker t = {.ex = settled_of(1), .parent = getpid()};

    given_up =
        mmap(NULL, sizeof *given_up, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(given_up != MAP_FAILED);
    assert_int_equal(filch_submit_with(t.ex, &o, task_fork_and_return, &t, &t.self), 0);
    gate_await(&t.known, 1);
    gate_open(&t.known);
    assert_int_equal(finish(t.self), 0);
    assert_int_equal(t.ending, 0);
    filch_executor_destroy(t.ex);
    assert_int_equal(count_of(given_up), 2); /* argument and context, in the parent */
    assert_int_equal(munmap(given_up, sizeof *given_up), 0);
}

/* A task that waits, and by helping runs one that forks. */
struct brood {
    filch_executor *ex;
    filch_future *held; /* the other worker's, or NULL */
    struct gate *gate;  /* to be opened when the child has ended, or NULL */
    pid_t parent;
    counter ran;
    int ending;
};

static int task_fork_below(void *brood, void **result)
{
    struct brood *b = brood;
    pid_t child = fork_guarded();

    *result = NULL;
    if (child == 0)
        return 0; /* into the wait of the task below */
    b->ending = ending_of(child);
    if (b->gate != NULL)
        gate_open(b->gate);
    return 0;
}

static int task_count_in_brood(void *brood, void **result)
{
    struct brood *b = brood;

    if (getpid() != b->parent)
        _exit(9); /* the parent's tasks are the parent's */
    count_one(&b->ran);
    *result = NULL;
    return 0;
}

static int task_wait_for_both(void *brood, void **result)
{
    struct brood *b = brood;
    filch_future *f[2] = {submit(b->ex, task_fork_below, b), submit(b->ex, task_count_in_brood, b)};
    ptrdiff_t over = filch_wait(f, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER);

    if (getpid() != b->parent)
        _exit(over == FILCH_EFORKED ? 7 : 8);
    test_check(over == 2);
    test_check(finish(f[0]) == 0 && finish(f[1]) == 0);
    *result = NULL;
    return 0;
}

static int task_wait_for_held(void *brood, void **result)
{
    struct brood *b = brood;
    int status;

    test_check(filch_submit(b->ex, task_fork_below, b, NULL) == 0);
    status = outcome(b->held);
    if (getpid() != b->parent)
        _exit(status == FILCH_EFORKED ? 7 : 8);
    *result = NULL;
    return status;
}

TEST(k1_a_wait_that_a_fork_has_carried_into_a_child_ends_there)
{
    struct brood many = {.ex = settled_of(1), .parent = getpid()};

    assert_int_equal(finish(submit(many.ex, task_wait_for_both, &many)), 0);
    assert_int_equal(count_of(&many.ran), 1);
    assert_int_equal(many.ending, 7);
    filch_executor_destroy(many.ex);

    struct hold hold = {0};
    struct brood one = {.gate = &hold.gate, .parent = getpid()};
    one.ex = settled_with((filch_options){.workers = 2, .help = FILCH_HELP_ANY});
    hold_worker(&hold, one.ex);
    one.held = hold.f;
    assert_int_equal(finish(submit(one.ex, task_wait_for_held, &one)), 0);
    assert_int_equal(one.ending, 7);
    assert_int_equal(finish(hold.f), 0);
    filch_executor_destroy(one.ex);
}

/* ---- An executor that starts again in the child ---- */

static int task_parent(void *ex, void **result)
{
    filch_future *f = submit(ex, task_echo, number(8));

    test_check(outcome(f) == 0);
    filch_future_release(f);
    *result = number(9);
    return 0;
}

static void check_restarted(void *family)
{
    struct family *x = family;
    void *result = NULL;
    filch_future *two[2];
    filch_future *f;

    test_check(threads_now() == ALONE); /* nothing is started before it is asked for */
    f = submit(x->ex, task_echo, number(6));
    test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0 && result == number(6));
    filch_future_release(f);
    test_check(threads_now() == ALONE + 1);

    test_check(outcome(x->pending) == FILCH_EFORKED);
    test_check(outcome(x->hold.f) == FILCH_EFORKED);
    two[0] = x->pending;
    two[1] = submit(x->ex, task_echo, NULL);
    test_check(filch_wait(two, 2, FILCH_FIRST_EXCEPTION, FILCH_FOREVER) == FILCH_EFORKED);
    test_check(finish(two[1]) == 0);
    test_check(filch_future_result(x->finished, FILCH_FOREVER, &result) == 0);
    test_check(result == number(11));
    test_check(outcome(x->failed) == 12);

    f = submit(x->ex, task_parent, x->ex);
    test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0 && result == number(9));
    filch_future_release(f);
    test_check(filch_executor_wait_idle(x->ex, FILCH_FOREVER) == 0);
    test_check(stats_of(x->ex).submitted == 4); /* the parent's are not counted */
    test_check(count_of(&x->ran) == 0);         /* and not run */
    test_check(filch_executor_workers(x->ex) == 1);
}

static void use_restarted(void *family)
{
    struct family *x = family;

    check_restarted(x);
    release_then_destroy(x);
    await_threads_at_most(ALONE);
}

static void shut_down_restarted(void *family)
{
    struct family *x = family;

    check_restarted(x);
    test_check(filch_executor_shutdown(x->ex, FILCH_CANCEL_PENDING, FILCH_FOREVER) == 0);
    test_check(filch_submit(x->ex, task_echo, NULL, NULL) == FILCH_ESHUTDOWN);
    await_threads_at_most(ALONE);
    filch_executor_destroy(x->ex);
    test_check(outcome(x->pending) == FILCH_EFORKED);
    release_all(x);
}

static void destroy_unused(void *family)
{
    release_then_destroy(family);
    test_check(threads_now() == ALONE);
}

static void leave_restarted_by_exit(void *family)
{
    check_restarted(family);
    exit(0);
}

TEST(k1_restart_gives_the_child_an_empty_executor_that_works)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    struct family x = {0};

    found_family(&x, FILCH_FORK_RESTART);
    assert_int_equal(in_child(use_restarted, &x), 0);
    assert_int_equal(in_child(shut_down_restarted, &x), 0);
    assert_int_equal(in_child(destroy_unused, &x), 0);
    assert_int_equal(in_child(leave_restarted_by_exit, &x), 0);
    dissolve_family(&x);
}

TEST(k1_a_task_may_fork_and_its_child_starts_the_executor_again)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    fork_in_a_task(settled_with((filch_options){.workers = 1, .flags = FILCH_FORK_RESTART}), true);
    fork_in_a_task(settled_with((filch_options){.workers = 3, .flags = FILCH_FORK_RESTART}), true);
}

/* Whatever the first call is, it finds an executor that works. */
static void first_call(void *family)
{
    struct family *x = family;
    filch_executor_stats stats = {.size = sizeof stats};
    filch_future *f[2] = {NULL, NULL};

    switch (count_of(&x->ran)) {
    case 0:
        test_check(filch_executor_wait_idle(x->ex, FILCH_FOREVER) == 0);
        break;
    case 1:
        test_check(filch_executor_stats_read(x->ex, &stats) == 0);
        test_check(stats.submitted == 0 && stats.pending == 0 && stats.workers == 1);
        break;
    case 2:
        test_check(filch_submit_batch(x->ex, task_echo, NULL, 2, f) == 0);
        test_check(finish(f[0]) == 0 && finish(f[1]) == 0);
        break;
    case 3:
        test_check(filch_submit_copy(x->ex, task_echo, "copy", 5, f) == 0);
        test_check(finish(f[0]) == 0);
        break;
    default:
        test_check(filch_executor_shutdown(x->ex, FILCH_DRAIN, FILCH_FOREVER) == 0);
        filch_executor_destroy(x->ex);
        return;
    }
    test_check(finish(submit(x->ex, task_echo, NULL)) == 0);
    filch_executor_destroy(x->ex);
}

TEST(k1_restart_happens_at_whichever_call_comes_first)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    struct family x = {
        .ex = settled_with((filch_options){.workers = 1, .flags = FILCH_FORK_RESTART})};

    for (int i = 0; i < 5; i++) {
        assert_int_equal(in_child(first_call, &x), 0);
        count_one(&x.ran);
    }
    filch_executor_destroy(x.ex);
}

static void call_first(unsigned i, void *ex)
{
    (void)i;
    for (int n = 0; n < 20; n++)
        test_check(finish(submit(ex, task_echo, NULL)) == 0);
}

static void call_from_four_threads(void *family)
{
    struct family *x = family;

    test_threads(4, call_first, x->ex);
    await_threads_at_most(ALONE + 2);
    test_check(stats_of(x->ex).submitted == 80);
    filch_executor_destroy(x->ex);
    await_threads_at_most(ALONE);
}

TEST(k1_threads_of_the_child_that_call_at_once_share_one_executor)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    struct family x = {
        .ex = settled_with((filch_options){.workers = 2, .flags = FILCH_FORK_RESTART})};

    for (size_t i = test_scaled(20); i > 0; i--)
        assert_int_equal(in_child(call_from_four_threads, &x), 0);
    filch_executor_destroy(x.ex);
}

static void become_a_parent(void *family)
{
    struct family *x = family;
    filch_future *of_child = submit(x->ex, task_echo, number(2));

    test_check(outcome(of_child) == 0);
    test_check(in_child(first_call, x) == 0);
    test_check(finish(submit(x->ex, task_echo, NULL)) == 0);
    filch_future_release(of_child);
    filch_executor_destroy(x->ex);
}

TEST(k1_a_childs_child_starts_the_executor_again_too)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    struct family x = {
        .ex = settled_with((filch_options){.workers = 1, .flags = FILCH_FORK_RESTART})};

    assert_int_equal(in_child(become_a_parent, &x), 0);
    assert_int_equal(finish(submit(x.ex, task_echo, NULL)), 0);
    filch_executor_destroy(x.ex);
}

static int count_start(void *counts)
{
    count_one(&((counter *)counts)[0]);
    return 0;
}

static void count_stop(void *counts)
{
    count_one(&((counter *)counts)[1]);
}

struct hooked {
    filch_executor *ex;
    counter counts[2]; /* of starts, of stops */
};

static void check_hooks(void *hooked)
{
    struct hooked *x = hooked;

    test_check(finish(submit(x->ex, task_echo, NULL)) == 0);
    filch_executor_destroy(x->ex);
    test_check(count_of(&x->counts[0]) == 4);
    test_check(count_of(&x->counts[1]) == 2);
}

TEST(k1_an_executor_that_starts_again_calls_its_hooks_again)
{
    SKIP_IF_THREADS_CANT_START_IN_A_CHILD();
    struct hooked x = {0};

    x.ex = pool_with((filch_options){.workers = 2,
                                     .flags = FILCH_FORK_RESTART,
                                     .on_thread_start = count_start,
                                     .on_thread_stop = count_stop,
                                     .hook_arg = x.counts});
    while (count_of(&x.counts[0]) < 2)
        sched_yield();
    assert_int_equal(in_child(check_hooks, &x), 0);
    filch_executor_destroy(x.ex);
    assert_int_equal(count_of(&x.counts[0]), 2);
    assert_int_equal(count_of(&x.counts[1]), 2);
}

/* ---- Many forks ---- */

enum {
    FORKERS = 2,
    IN_FLIGHT = 8
};

struct crowd {
    filch_executor *ex;
    filch_future *held; /* running until the end */
    size_t forks;
    bool restarts; /* children use the executor */
    counter submitted;
    counter ran;
};

static int code_of(size_t i)
{
    return 1 + (int)(i % 100);
}

/* Allocates nothing, unless it restarts: under a sanitizer another thread of the parent may have
 * been inside malloc. */
static void live_as_a_child(struct crowd *c, filch_future *const in_flight[], size_t i)
{
    test_check(outcome(c->held) == FILCH_EFORKED);
    for (int j = 0; j < IN_FLIGHT; j++) {
        int status = outcome(in_flight[j]);

        test_check(status == 0 || status == FILCH_EFORKED);
        filch_future_release(in_flight[j]);
    }
    if (c->restarts)
        test_check(finish(submit(c->ex, task_echo, NULL)) == 0);
    else
        test_check(filch_submit(c->ex, task_echo, NULL, NULL) == FILCH_EFORKED);
    if (c->restarts || i % 2 == 0)
        filch_executor_destroy(c->ex);
    _exit(code_of(i));
}

static void fork_often(unsigned member, void *crowd)
{
    struct crowd *c = crowd;

    (void)member;
    for (size_t i = 0; i < c->forks; i++) {
        filch_future *in_flight[IN_FLIGHT];

        for (int j = 0; j < IN_FLIGHT; j++) {
            in_flight[j] = submit(c->ex, task_count, &c->ran);
            count_one(&c->submitted);
            test_check(filch_submit(c->ex, task_count, &c->ran, NULL) == 0);
            count_one(&c->submitted);
        }
        pid_t child = fork_guarded();
        if (child == 0)
            live_as_a_child(c, in_flight, i);
        test_check(ending_of(child) == code_of(i));
        for (int j = 0; j < IN_FLIGHT; j++)
            test_check(finish(in_flight[j]) == 0);
    }
}

static void fork_in_a_crowd(struct crowd *c)
{
    struct gate gate = {0};

    c->held = submit(c->ex, task_gate, &gate);
    gate_await(&gate, 1);
    fflush(NULL);
    test_threads(FORKERS, fork_often, c);
    gate_open(&gate);
    assert_int_equal(finish(c->held), 0);
    assert_int_equal(filch_executor_wait_idle(c->ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&c->ran), count_of(&c->submitted));
    assert_int_equal(count_of(&c->ran), c->forks * FORKERS * IN_FLIGHT * 2);
    filch_executor_destroy(c->ex);
}

TEST(k2_hundreds_of_forks_amid_submits_lose_nothing_and_every_child_ends)
{
    struct crowd c = {.ex = settled_of(3), .forks = test_scaled(200)};

    fork_in_a_crowd(&c);
}

TEST(k2_children_amid_submits_start_their_executors_again)
{
    if (FL_ASAN || FL_TSAN)
        test_skip("a sanitizer's malloc may be locked in a child of many threads");
    struct crowd c = {
        .ex = settled_with((filch_options){.workers = 3, .flags = FILCH_FORK_RESTART}),
        .forks = test_scaled(100),
        .restarts = true,
    };

    fork_in_a_crowd(&c);
}
