/* SPDX-License-Identifier: MIT
 *
 * test_start.c: workers that can not be forked, or do not come up. */
/* link: -Wl,--wrap=fork */
#include <pthread.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

#include "base/compiler.h"
#include "process/pool.h"

enum {
    OFTEN = 100 /* than which nobody tries more often */
};

/* ---- in the zygote, which is this program once more */

static bool is_zygote;

/* How often no process is to be had: as often as there is a token to take. */
static const char *tokens(void)
{
    return getenv("FILCH_TEST_NO_FORK");
}

static bool take_token(void)
{
    char name[300];

    for (int i = 0; i < OFTEN; i++) {
        snprintf(name, sizeof name, "%s/%d", tokens(), i);
        if (unlink(name) == 0)
            return true;
    }
    return false;
}

static void hang_if_told(void)
{
    char name[300];

    snprintf(name, sizeof name, "%s/hang", tokens());
    if (unlink(name) != 0)
        return;
    for (;;)
        pause();
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (is_zygote && tokens() != NULL) {
        hang_if_told();
        if (take_token()) {
            errno = EAGAIN;
            return -1;
        }
    }
    return __real_fork();
}

static void *nothing_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

/* Before the workers are forked. */
static void more_jobs(void)
{
    pthread_t thread;

    is_zygote = getenv("FILCH_ZYGOTE") != NULL;
    if (getenv("FILCH_TEST_THREAD") != NULL &&
        pthread_create(&thread, NULL, nothing_ever, NULL) != 0)
        abort();
}

/* ---- in the program */

static void make_tokens(const char *directory, int n)
{
    char name[300];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s/%d", directory, i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
}

static int tokens_left(const char *directory)
{
    char name[300];
    int n = 0;

    for (int i = 0; i < OFTEN; i++) {
        snprintf(name, sizeof name, "%s/%d", directory, i);
        n += unlink(name) == 0;
    }
    return n;
}

/* With an executor's options, and as many forks that fail. How many of these did not happen: *left. */
static int create(filch_executor **ex, int failures, int *left)
{
    filch_process_options options = {
        .size = sizeof options, .workers = 2, .start_timeout_ns = START_TIMEOUT_NS};
    char directory[] = "/tmp/filch-start-XXXXXX";
    int status;

    assert_non_null(mkdtemp(directory));
    make_tokens(directory, failures);
    setenv("FILCH_TEST_NO_FORK", directory, 1);
    status = filch_process_executor_create(ex, &options);
    unsetenv("FILCH_TEST_NO_FORK");
    *left = tokens_left(directory);
    rmdir(directory);
    return status;
}

TEST(an_executor_that_gets_no_process_at_all_is_not_made_and_says_so)
{
    unsigned fds = count_in("/proc/self/fd");
    filch_executor *ex;
    int left;

    assert_int_equal(create(&ex, OFTEN, &left), FILCH_EAGAIN);
    assert_in_range(left, 1, OFTEN - 1);
    assert_int_equal(count_in("/proc/self/fd"), fds);
}

/* The first failure is create's; a worker that dies later is tried again. */
TEST(a_worker_for_which_there_is_no_process_now_is_started_later)
{
    char directory[] = "/tmp/filch-start-XXXXXX";
    filch_executor *ex;

    assert_non_null(mkdtemp(directory));
    setenv("FILCH_TEST_NO_FORK", directory, 1);
    ex = processes(1);
    unsetenv("FILCH_TEST_NO_FORK");
    expect_echo(ex, "x", 1);
    make_tokens(directory, 3);
    kill_worker(ex, 0);
    expect_echo(ex, "x", 1);
    assert_int_equal(stats_of(ex).started, 2);
    assert_int_equal(tokens_left(directory), 0);
    filch_executor_destroy(ex);
    rmdir(directory);
}

TEST(a_program_that_has_threads_can_not_fork_workers)
{
    filch_process_options options = {
        .size = sizeof options, .workers = 1, .start_timeout_ns = START_TIMEOUT_NS};
    filch_executor *ex;

    if (FL_TSAN)
        test_skip("a sanitizer's thread is always there");
    setenv("FILCH_TEST_THREAD", "1", 1);
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ENOTSUP);
    unsetenv("FILCH_TEST_THREAD");
}

TEST(a_worker_that_does_not_come_up_in_time_is_told)
{
    struct gate g = gate_make();
    filch_process_options options = {.size = sizeof options,
                                     .workers = 1,
                                     .start_timeout_ns = 300000000,
                                     .child_setup = "gate",
                                     .child_setup_in = g.names,
                                     .child_setup_len = g.len};
    filch_executor *ex;

    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ETIMEDOUT);
    gate_remove(&g);
}

/* As if it had had all its time. */
static void end_patience(filch_executor *ex)
{
    struct fl_processes *p = fl_processes_behind(ex);
    bool is_asked = false;

    while (!is_asked) {
        fl_lock_enter(&p->lock);
        is_asked = p->post[0].state == FL_POST_ASKED;
        if (is_asked)
            p->post[0].act_at = 0;
        fl_lock_leave(&p->lock);
        usleep(100);
    }
    fl_manager_call(p);
}

TEST(a_process_that_forks_no_worker_in_time_is_replaced)
{
    char directory[] = "/tmp/filch-start-XXXXXX";
    char name[300];
    filch_executor *ex;
    filch_future *f;

    assert_non_null(mkdtemp(directory));
    snprintf(name, sizeof name, "%s/hang", directory);
    setenv("FILCH_TEST_NO_FORK", directory, 1);
    ex = processes(1);
    close(open(name, O_CREAT | O_WRONLY, 0600));
    kill_worker(ex, 0);
    f = submit(ex, "echo", "x", 1);
    while (access(name, F_OK) == 0)
        usleep(100);
    end_patience(ex);
    expect(f, "x", 1);
    unsetenv("FILCH_TEST_NO_FORK");
    filch_executor_destroy(ex);
    rmdir(directory);
}
