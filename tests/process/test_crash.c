/* SPDX-License-Identifier: MIT
 *
 * test_crash.c: workers that die, and are killed: which job is told what, and who comes after. */
#include <stddef.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/limit.h"

#include "base/compiler.h"

enum {
    FL_BIG_RUNTIME = FL_ASAN || FL_TSAN
};

static void expect_alive(filch_executor *ex)
{
    expect_echo(ex, "alive", 5);
}

TEST(a_crash_costs_its_job_and_says_where)
{
    filch_executor *ex = processes(1);
    int pid = filch_process_pid(ex, 0);
    filch_future *f = submit(ex, "segv", NULL, 0);
    filch_crash crash = crash_of(f, FILCH_ECRASHED);

    assert_int_equal(crash.how, FILCH_DEATH_SIGNAL);
    assert_int_equal(crash.signal, SIGSEGV);
    assert_int_equal(crash.pid, pid);
    assert_true(crash.has_address);
    assert_int_equal(crash.address, 0x1230);
    assert_int_equal(crash.crashes, 1);
    assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), FILCH_ECRASHED);
    filch_future_release(f);
    expect_alive(ex);
    assert_int_not_equal(filch_process_pid(ex, 0), pid);
    assert_int_equal(stats_of(ex).crashed, 1);
    filch_executor_destroy(ex);
}

TEST(an_exit_costs_its_job_and_says_the_code)
{
    filch_executor *ex = processes(1);

    for (int code = 0; code <= 255; code += 51) {
        unsigned char byte = (unsigned char)code;
        filch_future *f = submit(ex, "exit", &byte, 1);
        filch_crash crash = crash_of(f, FILCH_ECRASHED);

        assert_int_equal(crash.how, FILCH_DEATH_EXIT);
        assert_int_equal(crash.exit_code, code);
        filch_future_release(f);
        expect_alive(ex);
    }
    filch_executor_destroy(ex);
}

TEST(each_signal_that_kills_is_named)
{
    static const unsigned char signals[] = {SIGKILL, SIGTERM, SIGABRT, SIGSEGV, SIGBUS,
                                            SIGFPE,  SIGILL,  SIGPIPE, SIGALRM, SIGUSR1,
                                            SIGSYS,  SIGTRAP, SIGHUP,  SIGINT,  SIGQUIT};
    filch_executor *ex = processes(1);

    for (size_t i = 0; i < sizeof signals; i++) {
        filch_future *f = submit(ex, "raise", &signals[i], 1);
        filch_crash crash = crash_of(f, FILCH_ECRASHED);

        assert_int_equal(crash.how, FILCH_DEATH_SIGNAL);
        assert_int_equal(crash.signal, signals[i]);
        assert_false(crash.has_address);
        filch_future_release(f);
        expect_alive(ex);
    }
    filch_executor_destroy(ex);
}

TEST(those_behind_the_one_that_crashes_are_run_by_the_next_worker)
{
    filch_executor *ex = processes(1);
    filch_future *quick[100];
    filch_future *bad;

    for (int i = 0; i < 500; i++)
        expect_echo(ex, "x", 1); /* so that many are given at once */
    for (int i = 0; i < 50; i++)
        quick[i] = submit(ex, "echo", &i, sizeof i);
    bad = submit(ex, "segv", NULL, 0);
    for (int i = 50; i < 100; i++)
        quick[i] = submit(ex, "echo", &i, sizeof i);
    for (int i = 0; i < 100; i++)
        expect(quick[i], &i, sizeof i);
    assert_int_equal(status_of(bad), FILCH_ECRASHED);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_dies_idle_harms_no_job)
{
    filch_executor *ex = processes(1);

    for (int i = 0; i < 5; i++) {
        expect_alive(ex);
        kill_worker(ex, 0);
        expect_alive(ex); /* given to the dead, or to the next */
    }
    filch_executor_destroy(ex);
}

TEST(a_crash_breaks_the_executor_if_it_was_asked_for)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 2, .flags = FILCH_STRICT_BROKEN});
    filch_future *running = submit_ns(ex, "sleep", UINT64_C(3600000000000));
    filch_future *bad = submit(ex, "segv", NULL, 0);
    filch_future *more[20];
    filch_future *f;

    for (int i = 0; i < 20; i++)
        more[i] = NULL;
    for (int i = 0; i < 20; i++) {
        if (filch_submit_job(ex, "sleep", NULL, 0, &more[i]) != 0)
            break; /* it may be broken by now */
    }
    assert_int_equal(status_of(bad), FILCH_ECRASHED);
    assert_int_equal(status_of(running), FILCH_EBROKEN);
    for (int i = 0; i < 20; i++) {
        int status = more[i] != NULL ? status_of(more[i]) : 0;

        assert_true(status == FILCH_EBROKEN || status == 0);
    }
    assert_int_equal(filch_submit_job(ex, "echo", NULL, 0, &f), FILCH_EBROKEN);
    assert_non_null(strstr(filch_executor_broken(ex), "signal 11"));
    filch_executor_destroy(ex);
}

TEST(a_job_that_keeps_crashing_is_quarantined)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_crashes = 3});
    filch_future *f = submit(ex, "raise", "\x06", 1);
    filch_crash crash = crash_of(f, FILCH_EPOISON);

    assert_int_equal(crash.crashes, 3);
    assert_int_equal(crash.signal, SIGABRT);
    filch_future_release(f);
    assert_int_equal(stats_of(ex).crashed, 3);
    assert_int_equal(stats_of(ex).retried, 2);
    assert_int_equal(filch_submit_job(ex, "raise", "\x06", 1, &f), FILCH_EPOISON);
    f = submit(ex, "raise", "\x0e", 1); /* other bytes */
    assert_int_equal(status_of(f), FILCH_EPOISON);
    expect_echo(ex, "\x06", 1); /* another name */
    filch_executor_destroy(ex);
}

/* Crashes the first time: there is a file then. */
static int job_once(const void *in, size_t len, filch_buffer *out)
{
    if (access(in, F_OK) != 0) {
        close(open(in, O_CREAT | O_WRONLY, 0600));
        abort();
    }
    unlink(in);
    return job_echo(in, len, out);
}

TEST(a_job_that_crashes_less_often_than_is_allowed_succeeds)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_crashes = 2});
    struct gate g = gate_make(); /* for the name */

    for (int i = 0; i < 3; i++)
        expect(submit(ex, "once", g.names, g.len), g.names, g.len);
    assert_int_equal(stats_of(ex).retried, 3);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_job_that_takes_too_long_is_killed_and_the_others_are_not)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = HOUR_NS});
    filch_future *slow = submit_ns(ex, "sleep", 2 * HOUR_NS);
    filch_future *quick = submit(ex, "echo", "x", 1);

    await_begun(slow);
    leave_time(ex, slow, 50000000);
    assert_int_equal(crash_of(slow, FILCH_EKILLED).how, FILCH_DEATH_WALL);
    filch_future_release(slow);
    expect(quick, "x", 1);
    assert_int_equal(stats_of(ex).killed, 1);
    filch_executor_destroy(ex);
}

TEST(a_stopped_worker_is_killed_by_the_limit)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = HOUR_NS});
    filch_future *f;

    expect_alive(ex);
    f = submit(ex, "raise", (char[]){SIGSTOP}, 1);
    await_begun(f);
    while (!is_stopped(filch_process_pid(ex, 0)))
        usleep(200);
    end_time(ex, f);
    assert_int_equal(crash_of(f, FILCH_EKILLED).how, FILCH_DEATH_WALL);
    filch_future_release(f);
    expect_alive(ex);
    stop_worker(ex);
    f = submit(ex, "echo", "x", 1); /* not begun: it is given to the next */
    end_time(ex, f);
    expect(f, "x", 1);
    filch_executor_destroy(ex);
}

TEST(a_stopped_worker_holds_up_its_own_job_alone)
{
    filch_executor *ex = processes(2);
    filch_future *stopped = submit(ex, "raise", (char[]){SIGSTOP}, 1);
    int pids[2] = {filch_process_pid(ex, 0), filch_process_pid(ex, 1)};

    while (!is_stopped(pids[0]) && !is_stopped(pids[1]))
        usleep(100);
    for (int i = 0; i < 200; i++)
        expect_echo(ex, &i, sizeof i);
    kill(pids[0], SIGKILL);
    kill(pids[1], SIGKILL);
    assert_int_equal(status_of(stopped), FILCH_ECRASHED);
    filch_executor_destroy(ex);
}

TEST(a_job_that_takes_too_much_cpu_time_is_killed)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .cpu_limit_ns = 50000000});
    filch_future *f = submit(ex, "burn", NULL, 0);
    filch_crash crash = crash_of(f, FILCH_EKILLED);

    assert_int_equal(crash.how, FILCH_DEATH_CPU);
    filch_future_release(f);
    assert_int_equal(status_of(submit_ns(ex, "sleep", 100000000)), 0); /* that takes none */
    for (int i = 0; i < 100; i++)
        expect_alive(ex); /* each has its own */
    filch_executor_destroy(ex);
}

static int pid_of_next(filch_executor *ex)
{
    return pid_in(submit(ex, "pid", NULL, 0));
}

TEST(a_worker_is_replaced_after_so_many_jobs)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_jobs = 3});
    int seen[12];
    int changes = 0;

    for (int i = 0; i < 12; i++)
        seen[i] = pid_of_next(ex);
    for (int i = 1; i < 12; i++)
        changes += seen[i] != seen[i - 1];
    assert_int_equal(changes, 3);
    for (int i = 0; i < 12; i++)
        assert_int_equal(seen[i], seen[i / 3 * 3]);
    assert_in_range(stats_of(ex).recycled, 3, 4);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_executor_destroy(ex);
}

TEST(many_jobs_at_once_are_shared_out_to_workers_that_come_and_go)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 2, .max_jobs = 1});
    filch_future *f[60];

    for (int i = 0; i < 60; i++)
        f[i] = submit(ex, "echo", &i, sizeof i);
    for (int i = 0; i < 60; i++)
        expect(f[i], &i, sizeof i);
    assert_true(stats_of(ex).started >= 60);
    filch_executor_destroy(ex);
}

static int job_leak(const void *in, size_t len, filch_buffer *out)
{
    enum {
        BYTES = 64 << 20
    };
    char *leak = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (leak == MAP_FAILED)
        return 5;
    for (size_t i = 0; i < BYTES; i += 4096)
        leak[i] = 1;
    return job_echo(in, len, out);
}

TEST(a_worker_that_has_grown_is_replaced)
{
    size_t most = (size_t)(FL_BIG_RUNTIME ? 4096 : 48) << 20;
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .max_rss_bytes = most});
    int before = pid_of_next(ex);

    if (FL_BIG_RUNTIME) {
        filch_executor_destroy(ex);
        test_skip("a sanitizer's own memory is in the way");
    }
    assert_int_equal(pid_of_next(ex), before);
    expect(submit(ex, "leak", "x", 1), "x", 1);
    assert_int_not_equal(pid_of_next(ex), before);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_is_old_is_replaced)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .max_age_ns = 50000000});
    int before = pid_of_next(ex);

    while (pid_of_next(ex) == before)
        usleep(10000);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_executor_destroy(ex);
}

/* ---- told to end */

static void end_by(int (*end)(filch_executor *ex))
{
    filch_executor *ex = processes(2);
    filch_future *f[20];
    filch_future *none;

    for (int i = 0; i < 20; i++)
        f[i] = submit_ns(ex, "sleep", UINT64_C(3600000000000));
    assert_int_equal(end(ex), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(status_of(f[i]), FILCH_EKILLED);
    assert_int_equal(filch_submit_job(ex, "echo", NULL, 0, &none), FILCH_ESHUTDOWN);
    assert_int_equal(end(ex), 0);
    filch_executor_destroy(ex);
}

static int terminate(filch_executor *ex)
{
    return filch_process_terminate(ex, INT64_C(60000000000));
}

TEST(terminate_ends_all)
{
    end_by(terminate);
}

TEST(kill_ends_all)
{
    end_by(filch_process_kill);
}

static int job_stubborn(const void *in, size_t len, filch_buffer *out)
{
    signal(SIGTERM, SIG_IGN);
    return job_gate(in, len, out);
}

TEST(who_does_not_end_is_killed_after_the_grace)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "stubborn", g.names, g.len);

    gate_await(&g);
    assert_int_equal(filch_process_terminate(ex, 50000000), 0);
    assert_int_equal(crash_of(f, FILCH_EKILLED).how, FILCH_DEATH_ASKED);
    filch_future_release(f);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(an_executor_of_threads_has_no_processes_to_end)
{
    filch_options options = {.size = sizeof options, .workers = 1};
    filch_process_stats stats = {.size = sizeof stats};
    filch_executor *ex;

    assert_int_equal(filch_executor_create(&ex, &options), 0);
    assert_int_equal(filch_process_kill(ex), FILCH_ENOTSUP);
    assert_int_equal(filch_process_terminate(ex, 0), FILCH_ENOTSUP);
    assert_int_equal(filch_process_stats_read(ex, &stats), FILCH_ENOTSUP);
    assert_int_equal(filch_process_pid(ex, 0), 0);
    assert_int_equal(filch_process_kill(NULL), FILCH_EINVAL);
    filch_executor_destroy(ex);
}

/* ---- starting */

static int job_setup(const void *in, size_t len, filch_buffer *out)
{
    (void)out;
    return setenv("FILCH_TEST_SETUP", len != 0 ? in : "", 1);
}

static int job_was_set_up(const void *in, size_t len, filch_buffer *out)
{
    const char *what = getenv("FILCH_TEST_SETUP");

    (void)in;
    (void)len;
    return what != NULL ? filch_buffer_append(out, what, strlen(what)) : 9;
}

TEST(child_setup_runs_in_each_worker_before_its_jobs)
{
    char in[] = "limits";
    filch_process_options options = {
        .workers = 2, .child_setup = "setup", .child_setup_in = in, .child_setup_len = sizeof in};
    filch_executor *ex = processes_with(options);

    memset(in, 'x', sizeof in); /* it was copied */
    for (int i = 0; i < 10; i++)
        expect(submit(ex, "was_set_up", NULL, 0), "limits", 6);
    assert_int_equal(status_of(submit(ex, "segv", NULL, 0)), FILCH_ECRASHED);
    for (int i = 0; i < 10; i++)
        expect(submit(ex, "was_set_up", NULL, 0), "limits", 6);
    filch_executor_destroy(ex);
}

TEST(child_setup_that_fails_or_is_unknown_is_reported)
{
    filch_process_options options = {.size = sizeof options,
                                     .workers = 2,
                                     .start_timeout_ns = START_TIMEOUT_NS,
                                     .child_setup = "error"};
    filch_executor *ex;

    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_EBROKEN);
    options.child_setup = "segv";
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_EBROKEN);
    options.child_setup = "nobody";
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ENOENT);
}

/* Fails from the second time on: a file says so. */
static int job_setup_once(const void *in, size_t len, filch_buffer *out)
{
    (void)len;
    (void)out;
    if (access(in, F_OK) == 0)
        return 1;
    close(open(in, O_CREAT | O_WRONLY, 0600));
    return 0;
}

TEST(an_executor_whose_workers_can_not_be_started_any_more_is_broken_and_says_why)
{
    char name[128];
    filch_process_options options = {
        .workers = 1, .child_setup = "setup_once", .child_setup_in = name};
    struct gate g = gate_make();
    filch_executor *ex;
    filch_future *first;
    filch_future *f[3];

    snprintf(name, sizeof name, "%s/setup", g.directory);
    options.child_setup_len = strlen(name) + 1;
    ex = processes_with(options);
    first = submit(ex, "gate", g.names, g.len);
    f[0] = submit(ex, "segv", NULL, 0);
    f[1] = submit(ex, "echo", "x", 1);
    gate_open(&g); /* now: when it has crashed no more may be taken */
    expect(first, g.names, g.len);
    assert_int_equal(status_of(f[0]), FILCH_ECRASHED);
    assert_int_equal(status_of(f[1]), FILCH_EBROKEN);
    assert_int_equal(filch_submit_job(ex, "echo", "x", 1, &f[2]), FILCH_EBROKEN);
    assert_non_null(strstr(filch_executor_broken(ex), "could be started"));
    filch_executor_destroy(ex);
    unlink(name);
    gate_remove(&g);
}

/* Fails as long as there is a token to be had: files of that name with a digit behind. */
static int job_setup_token(const void *in, size_t len, filch_buffer *out)
{
    char name[128];

    (void)len;
    (void)out;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "%s%d", (const char *)in, i);
        if (unlink(name) == 0)
            return 1;
    }
    return 0;
}

TEST(an_executor_is_not_given_up_because_each_of_its_workers_has_failed_to_start_once)
{
    struct gate g = gate_make(); /* for the names */
    char name[128];
    char token[144];
    filch_process_options options = {
        .workers = 8, .child_setup = "setup_token", .child_setup_in = name};
    filch_executor *ex;

    snprintf(name, sizeof name, "%s/token", g.directory);
    options.child_setup_len = strlen(name) + 1;
    ex = processes_with(options);
    expect_alive(ex);
    for (int i = 0; i < 8; i++) {
        snprintf(token, sizeof token, "%s%d", name, i);
        close(open(token, O_CREAT | O_WRONLY, 0600));
    }
    assert_int_equal(kill(parent_of(filch_process_pid(ex, 0)), SIGKILL), 0);
    while (stats_of(ex).started < 16 && filch_executor_broken(ex) == NULL)
        usleep(1000);
    expect_alive(ex);
    assert_null(filch_executor_broken(ex));
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(another_program_has_to_be_there_and_to_know_what_it_is_for)
{
    filch_process_options options = {
        .size = sizeof options, .workers = 1, .start_timeout_ns = START_TIMEOUT_NS};
    filch_executor *ex;

    options.program = "/nowhere/at/all";
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ENOENT);
    options.program = "/bin/true";
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ENOTSUP);
    options.program = "/bin/false";
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ENOTSUP);
    options.program = "/proc/self/exe";
    assert_int_equal(filch_process_executor_create(&ex, &options), 0);
    expect_alive(ex);
    filch_executor_destroy(ex);
}

TEST(the_process_that_forks_the_workers_is_replaced_too)
{
    filch_executor *ex = processes(2);
    filch_future *f[40];

    for (int round = 0; round < 3; round++) {
        int workers[2] = {filch_process_pid(ex, 0), filch_process_pid(ex, 1)};
        int zygote = parent_of(workers[0]);

        assert_true(workers[1] != 0);
        for (int i = 0; i < 40; i++)
            f[i] = submit_ns(ex, "sleep", 1000000);
        assert_int_equal(kill(zygote, SIGKILL), 0);
        for (int i = 0; i < 40; i++) {
            int status = status_of(f[i]);

            assert_true(status == 0 || status == FILCH_ECRASHED);
        }
        for (int i = 0; i < 2; i++) {
            await_death(workers[i]);
            while (filch_process_pid(ex, (unsigned)i) == 0 ||
                   filch_process_pid(ex, (unsigned)i) == workers[i])
                usleep(1000);
        }
        expect_alive(ex);
    }
    filch_executor_destroy(ex);
}

static void more_jobs(void)
{
    static const struct {
        const char *name;
        filch_job_fn *fn;
    } jobs[] = {{"once", job_once},
                {"leak", job_leak},
                {"stubborn", job_stubborn},
                {"setup", job_setup},
                {"was_set_up", job_was_set_up},
                {"setup_once", job_setup_once},
                {"setup_token", job_setup_token}};

    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        if (filch_job_register(jobs[i].name, jobs[i].fn) != 0)
            abort();
    }
}
