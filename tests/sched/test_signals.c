/* SPDX-License-Identifier: MIT
 *
 * test_signals.c: workers leave signals to the program's own threads, signals cost a waiting thread
 * nothing but time, and a process ends by exit whatever its executors are doing. */
#include "sched/work.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Masks ---- */

/* Those that a program can block: neither SIGKILL and SIGSTOP nor what libc keeps for itself. */
static bool is_blockable(int signal)
{
    return signal != SIGKILL && signal != SIGSTOP && (signal < 32 || signal >= SIGRTMIN);
}

static bool is_left_open(int signal)
{
    return signal == SIGILL || signal == SIGFPE || signal == SIGSEGV || signal == SIGBUS ||
           signal == SIGTRAP || signal == SIGPROF;
}

static sigset_t mask_now(void)
{
    sigset_t mask;

    test_check(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    return mask;
}

static bool is_same_mask(const sigset_t *a, const sigset_t *b)
{
    for (int s = 1; s <= SIGRTMAX; s++) {
        if (is_blockable(s) && sigismember(a, s) != sigismember(b, s))
            return false;
    }
    return true;
}

static int task_mask(void *mask, void **result)
{
    *(sigset_t *)mask = mask_now();
    *result = mask;
    return 0;
}

/* In a pool whose workers run nothing while they wait, the task runs on a thread that stands in. */
struct child {
    filch_executor *ex;
    sigset_t of_waiter;
    sigset_t of_spare;
};

static int task_wait_for_mask(void *child, void **result)
{
    struct child *c = child;

    c->of_waiter = mask_now();
    *result = NULL;
    return finish(submit(c->ex, task_mask, &c->of_spare));
}

/* The masks of a worker and of a spare of an executor that is made with these flags now. */
static void read_masks(unsigned flags, sigset_t *of_worker, sigset_t *of_spare)
{
    struct child c = {0};

    c.ex = pool_with((filch_options){.workers = 1, .flags = flags, .help = FILCH_HELP_NONE});
    assert_int_equal(finish(submit(c.ex, task_wait_for_mask, &c)), 0);
    assert_int_equal(stats_of(c.ex).spares, 1);
    filch_executor_destroy(c.ex);
    *of_worker = c.of_waiter;
    *of_spare = c.of_spare;
}

TEST(k3_workers_block_every_signal_but_those_of_a_crash_a_trap_and_a_profiler)
{
    sigset_t mask[2];

    read_masks(0, &mask[0], &mask[1]);
    for (int i = 0; i < 2; i++) {
        for (int s = 1; s <= SIGRTMAX; s++) {
            if (is_blockable(s))
                assert_int_equal(sigismember(&mask[i], s), is_left_open(s) ? 0 : 1);
        }
    }
}

TEST(k3_workers_open_what_their_creator_blocks_of_crash_signals)
{
    sigset_t mask[2];
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    read_masks(0, &mask[0], &mask[1]);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    for (int s = 1; s <= SIGRTMAX; s++) {
        if (is_blockable(s) && is_left_open(s))
            assert_true(sigismember(&mask[0], s) == 0 && sigismember(&mask[1], s) == 0);
    }
}

TEST(k3_keep_signals_gives_workers_the_mask_of_their_creator)
{
    sigset_t mask[2];
    sigset_t some;
    sigset_t before;

    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGSEGV);
    sigaddset(&some, SIGRTMIN + 3);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &some, &before), 0);
    read_masks(FILCH_KEEP_SIGNALS, &mask[0], &mask[1]);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_true(is_same_mask(&mask[0], &some));
    assert_true(is_same_mask(&mask[1], &some));
}

static void touch_everything(unsigned flags)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .flags = flags});
    filch_future *f[4];

    assert_int_equal(filch_submit_batch(ex, task_echo, NULL, 4, f), 0);
    assert_int_equal(filch_wait(f, 4, FILCH_ALL_COMPLETED, FILCH_FOREVER), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(finish(f[i]), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
}

TEST(k3_the_callers_mask_is_never_touched)
{
    filch_options bad = {.size = sizeof bad, .workers = 2, .stack_size = (size_t)PTRDIFF_MAX / 2};
    filch_executor *ex = NULL;
    sigset_t some;
    sigset_t before;
    sigset_t after;

    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    sigaddset(&some, SIGBUS);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &some, &before), 0);
    touch_everything(0);
    touch_everything(FILCH_KEEP_SIGNALS);
    assert_true(filch_executor_create(&ex, &bad) < 0);
    after = mask_now();
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_true(is_same_mask(&after, &some));
}

/* ---- Who gets a signal ---- */

static counter ticks;
static fl_atomic(int) last_thread; /* that ran the handler */

static void on_tick(int signal)
{
    (void)signal;
    count_one(&ticks);
    fl_store(&last_thread, (int)gettid(), relaxed); /* settled by the signal: it is one's own */
}

static struct sigaction handle(int signal)
{
    struct sigaction tick = {.sa_handler = on_tick}; /* no SA_RESTART: every call is interrupted */
    struct sigaction before;

    sigemptyset(&tick.sa_mask);
    test_check(sigaction(signal, &tick, &before) == 0);
    return before;
}

TEST(k3_a_signal_to_the_process_never_lands_on_a_worker)
{
    struct sigaction before = handle(SIGUSR1);
    filch_executor *ex = pool_of(3);
    struct gate gate = {0};
    filch_future *f = submit(ex, task_gate, &gate);

    gate_await(&gate, 1);
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t seen = count_of(&ticks);

        assert_int_equal(kill(getpid(), SIGUSR1), 0); /* this thread takes it before kill returns */
        assert_int_equal(count_of(&ticks), seen + 1);
        assert_int_equal(fl_load(&last_thread, relaxed), (int)gettid()); /* one's own signal */
    }
    gate_open(&gate);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
    sigaction(SIGUSR1, &before, NULL);
}

/* ---- A storm ---- */

enum {
    EVERY_US = 100
};

static struct sigaction storm_begin(void)
{
    struct sigaction before = handle(SIGALRM);
    struct itimerval every = {{0, EVERY_US}, {0, EVERY_US}};

    test_check(setitimer(ITIMER_REAL, &every, NULL) == 0);
    return before;
}

static void storm_end(const struct sigaction *before)
{
    struct itimerval never = {{0, 0}, {0, 0}};

    test_check(setitimer(ITIMER_REAL, &never, NULL) == 0);
    test_check(sigaction(SIGALRM, before, NULL) == 0);
}

enum {
    ERRNO_BEFORE = 7777,
    PATIENCE_NS = 2000000
};

/* A wait that is cut short by its deadline has lasted until then. */
static int result_by(filch_future *f, int64_t ns)
{
    filch_deadline deadline = filch_in_ns(ns);
    int status;

    errno = ERRNO_BEFORE;
    status = filch_future_result(f, deadline, NULL);
    test_check(errno == ERRNO_BEFORE);
    test_check(status == 0 || (status == FILCH_ETIMEDOUT && fl_now() >= deadline));
    return status;
}

static ptrdiff_t wait_by(filch_future **f, size_t n, enum filch_return_when when, int64_t ns)
{
    filch_deadline deadline = filch_in_ns(ns);
    ptrdiff_t over;

    errno = ERRNO_BEFORE;
    over = filch_wait(f, n, when, deadline);
    test_check(errno == ERRNO_BEFORE);
    test_check(over == (ptrdiff_t)n || when != FILCH_ALL_COMPLETED || fl_now() >= deadline);
    test_check(over > 0 || fl_now() >= deadline);
    return over;
}

/* Takes longer than a tick. */
static int task_doze(void *arg, void **result)
{
    nanosleep(&(struct timespec){0, 300000}, NULL);
    *result = arg;
    return 0;
}

TEST(k3_a_storm_of_signals_ends_no_wait_before_its_deadline)
{
    filch_future *never[2] = {promise(), promise()};
    filch_executor *ex = pool_of(2);
    struct sigaction before = storm_begin();
    uint64_t seen = count_of(&ticks);

    for (size_t i = test_scaled(50); i > 0; i--) {
        assert_int_equal(result_by(never[0], PATIENCE_NS), FILCH_ETIMEDOUT);
        assert_int_equal(wait_by(never, 2, FILCH_ALL_COMPLETED, PATIENCE_NS), 0);
        assert_int_equal(wait_by(never, 2, FILCH_FIRST_COMPLETED, PATIENCE_NS), 0);
    }
    assert_true(count_of(&ticks) > seen);

    struct hold hold = {0};
    hold_worker(&hold, ex);
    for (size_t i = test_scaled(20); i > 0; i--) {
        filch_deadline deadline = filch_in_ns(PATIENCE_NS);
        assert_int_equal(filch_executor_wait_idle(ex, deadline), FILCH_ETIMEDOUT);
        assert_true(fl_now() >= deadline);
    }
    filch_deadline deadline = filch_in_ns(PATIENCE_NS);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, deadline), FILCH_ETIMEDOUT);
    assert_true(fl_now() >= deadline);
    let_go(&hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
    storm_end(&before);
    for (int i = 0; i < 2; i++) {
        assert_true(filch_future_cancel(never[i]));
        filch_future_release(never[i]);
    }
}

TEST(k3_a_storm_of_signals_loses_no_task_and_no_wakeup)
{
    enum {
        EACH = 8
    };
    filch_executor *ex = pool_of(2);
    counter ran = 0;
    struct sigaction before = storm_begin();
    uint64_t seen = count_of(&ticks);
    size_t rounds = test_scaled(300);

    for (size_t i = 0; i < rounds; i++) {
        filch_future *f[EACH];
        enum filch_return_when when = (enum filch_return_when)(i % (FILCH_FIRST_SUCCESS + 1));

        for (int j = 0; j < EACH; j++)
            f[j] = j % 2 == 0 ? submit(ex, task_doze, NULL) : submit(ex, task_count, &ran);
        while (result_by(f[0], EVERY_US * 500) != 0)
            continue;
        assert_true(wait_by(f, EACH, when, INT64_C(3600) * 1000000000) > 0);
        assert_int_equal(filch_wait(f, EACH, FILCH_ALL_COMPLETED, FILCH_FOREVER), EACH);
        for (int j = 0; j < EACH; j++)
            assert_int_equal(finish(f[j]), 0);
    }
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), rounds * EACH / 2);
    assert_int_equal(stats_of(ex).executed, rounds * EACH);
    assert_true(count_of(&ticks) > seen);
    filch_executor_destroy(ex);
    storm_end(&before);
}

/* ---- Handlers ---- */

TEST(k4_no_handler_of_a_signal_is_set_or_changed)
{
    struct sigaction before[NSIG];
    struct sigaction now;

    memset(before, 0, sizeof before);
    for (int s = 1; s <= SIGRTMAX; s++) {
        if (is_blockable(s))
            assert_int_equal(sigaction(s, NULL, &before[s]), 0);
    }
    filch_executor *ex = pool_of(2);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    for (int living = 1; living >= 0; living--) {
        for (int s = 1; s <= SIGRTMAX; s++) {
            if (!is_blockable(s))
                continue;
            assert_int_equal(sigaction(s, NULL, &now), 0);
            assert_true(now.sa_handler == before[s].sa_handler);
            assert_int_equal(now.sa_flags, before[s].sa_flags);
        }
        if (living)
            filch_executor_destroy(ex);
    }
    touch_everything(FILCH_KEEP_SIGNALS);
}

/* ---- Exit ---- */

enum {
    CHILD_SECONDS = 40
};

static struct {
    filch_executor *busy;
    filch_executor *idle;
    filch_executor *started; /* as late as could be */
    filch_future *pending;
    filch_future *finished;
    fl_atomic(bool) endless; /* never written: a loop that the compiler keeps */
} live;

static int task_endless(void *gate, void **result)
{
    struct gate *g = gate;

    fl_add(&g->arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&g->arrived, INT_MAX);
    while (!fl_load(&live.endless, relaxed)) /* hint: it never comes */
        sched_yield();
    *result = NULL;
    return 0;
}

static struct gate endless_gate;

/* Workers that run, workers that sleep, tasks that wait. */
static void be_busy(void)
{
    alarm(CHILD_SECONDS);
    live.busy = pool_of(2);
    live.idle = pool_of(3);
    live.finished = submit(live.idle, task_echo, NULL);
    test_check(outcome(live.finished) == 0);
    for (int i = 0; i < 2; i++)
        test_check(filch_submit(live.busy, task_endless, &endless_gate, NULL) == 0);
    gate_await(&endless_gate, 2);
    live.pending = submit(live.busy, task_echo, NULL);
    for (int i = 0; i < 100; i++)
        test_check(filch_submit(live.busy, task_echo, NULL, NULL) == 0);
}

/* The exit code of a child that runs body, or the signal that ended it, negative. */
static int ending(void (*body)(void))
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();
    test_check(child >= 0);
    if (child == 0) {
        body();
        _exit(99);
    }
    while (waitpid(child, &status, 0) < 0)
        test_check(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void exit_while_busy(void)
{
    be_busy();
    exit(0);
}

TEST(k4_exit_with_live_executors_and_running_tasks_ends_the_process)
{
    for (size_t i = test_scaled(20); i > 0; i--)
        assert_int_equal(ending(exit_while_busy), 0);
}

static void exit_just_started(void)
{
    alarm(CHILD_SECONDS);
    live.started = pool_of(4);
    exit(0);
}

TEST(k4_exit_while_workers_start_ends_the_process)
{
    for (size_t i = test_scaled(50); i > 0; i--)
        assert_int_equal(ending(exit_just_started), 0);
}

static int task_exit(void *code, void **result)
{
    *result = NULL;
    exit((int)(intptr_t)code);
}

static void exit_from_a_task(void)
{
    be_busy();
    finish(submit(live.idle, task_exit, number(5)));
}

TEST(k4_exit_from_a_task_ends_the_process)
{
    assert_int_equal(ending(exit_from_a_task), 5);
}

static void work_at_exit(void)
{
    test_check(finish(submit(live.idle, task_echo, NULL)) == 0);
    test_check(outcome(live.finished) == 0);
    filch_future_release(live.finished);
    filch_executor_destroy(live.idle);
}

static void exit_and_work_on(void)
{
    be_busy();
    test_check(atexit(work_at_exit) == 0);
    exit(0);
}

TEST(k4_executors_work_in_functions_that_run_at_exit)
{
    assert_int_equal(ending(exit_and_work_on), 0);
}
