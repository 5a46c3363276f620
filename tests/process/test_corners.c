/* SPDX-License-Identifier: MIT
 *
 * test_corners.c: what comes together seldom: jobs that are cancelled on their way, workers that lie by their
 * socket, executors that are closed twice. */
/* seconds: 150 */
#include <dirent.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

#include "base/compiler.h"

#include "base/atomic.h"

/* ---- cancelled on its way */

TEST(what_is_queued_behind_cancelled_jobs_is_run)
{
    filch_executor *ex = processes(1);
    int pid = stop_worker(ex);
    filch_future *f[3];

    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, "echo", &i, sizeof i); /* two are given, and one is queued */
    assert_true(filch_future_cancel(f[0]));
    assert_true(filch_future_cancel(f[1]));
    kill(pid, SIGCONT);
    assert_int_equal(status_of(f[2]), 0);
    assert_int_equal(status_of(f[0]), FILCH_ECANCELED);
    assert_int_equal(status_of(f[1]), FILCH_ECANCELED);
    filch_executor_destroy(ex);
}

TEST(a_job_that_was_cancelled_is_none_of_those_after_which_a_worker_is_replaced)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_jobs = 1});
    int pid = stop_worker(ex);
    filch_future *f;

    f = submit(ex, "echo", "x", 1);
    assert_true(filch_future_cancel(f));
    kill(pid, SIGCONT);
    filch_future_release(f);
    assert_int_equal(status_of(submit(ex, "echo", "x", 1)), 0);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_retires_is_replaced_though_its_last_job_is_cancelled)
{
    filch_executor *ex = processes_with(
        (filch_process_options){.workers = 1, .max_jobs = 100, .max_age_ns = 300000000});
    int pid = stop_worker(ex);
    filch_future *f;

    f = submit(ex, "echo", "x", 1);
    usleep(600000); /* it is old by now, and has a job */
    filch_future_cancel(f);
    filch_future_release(f);
    kill(pid, SIGCONT);
    assert_int_equal(status_of(submit(ex, "echo", "x", 1)), 0);
    filch_executor_destroy(ex);
}

/* Does not end the first time: there is a file then. */
static int job_once(const void *in, size_t len, filch_buffer *out)
{
    const char *begun = in;

    if (access(begun, F_OK) != 0) {
        close(open(begun, O_CREAT | O_WRONLY, 0600));
        for (;;)
            pause();
    }
    return job_echo(in, len, out);
}

/* Sets up at once the first time, and later when the gate is open. */
static int job_setup_gate(const void *in, size_t len, filch_buffer *out)
{
    const char *first = in;

    (void)out;
    if (access(first, F_OK) != 0) {
        close(open(first, O_CREAT | O_WRONLY, 0600));
        return 0;
    }
    first += strlen(first) + 1;
    (void)len;
    while (access(first, F_OK) != 0)
        usleep(200);
    return 0;
}

static void a_job_that_runs_again(bool all)
{
    struct gate g = gate_make();
    filch_executor *ex = processes_with((filch_process_options){.workers = 1,
                                                                .max_crashes = 2,
                                                                .child_setup = "setup_gate",
                                                                .child_setup_in = g.names,
                                                                .child_setup_len = g.len});
    char name[128];
    filch_future *f;

    snprintf(name, sizeof name, "%s/once", g.directory);
    f = submit(ex, "once", name, strlen(name) + 1);
    while (access(name, F_OK) != 0)
        usleep(200);
    assert_true(filch_future_running(f));
    kill(filch_process_pid(ex, 0), SIGKILL);
    while (stats_of(ex).retried == 0)
        usleep(200);
    if (all)
        assert_int_equal(filch_executor_cancel_all(ex), 0);
    else
        assert_false(filch_future_cancel(f)); /* it has been seen to run */
    gate_open(&g);
    assert_int_equal(status_of(f), 0);
    filch_executor_destroy(ex);
    unlink(name);
    gate_remove(&g);
}

TEST(a_job_that_ran_and_is_to_run_again_is_not_lost_by_a_cancel)
{
    a_job_that_runs_again(false);
    a_job_that_runs_again(true);
}

/* It is given again by a long copy, and everything is cancelled meanwhile: but for that one, which was seen to run. */
TEST(a_job_that_ran_and_is_given_again_as_all_are_cancelled_is_run)
{
    enum {
        LONG = 16 << 20
    };
    struct gate g = gate_make();
    filch_executor *ex = processes_with((filch_process_options){.workers = 1,
                                                                .max_crashes = 2,
                                                                .ring_bytes = 4 * LONG,
                                                                .child_setup = "setup_gate",
                                                                .child_setup_in = g.names,
                                                                .child_setup_len = g.len});
    char *bytes = calloc(1, LONG);
    filch_future *f;

    assert_non_null(bytes);
    snprintf(bytes, LONG, "%s/once", g.directory);
    f = submit(ex, "once", bytes, LONG);
    while (access(bytes, F_OK) != 0)
        usleep(200);
    assert_true(filch_future_running(f));
    kill(filch_process_pid(ex, 0), SIGKILL);
    while (stats_of(ex).retried == 0)
        usleep(200);
    gate_open(&g);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(filch_executor_cancel_all(ex), 0);
        usleep(100);
    }
    assert_int_equal(status_of(f), 0);
    filch_executor_destroy(ex);
    unlink(bytes);
    free(bytes);
    gate_remove(&g);
}

struct cancels {
    filch_executor *ex;
    fl_atomic(uint32_t) round; /* 0: enough */
};

/* Once for each round, a moment after its begin: another each time. */
static void *cancel_once_a_round(void *arg)
{
    struct cancels *c = arg;
    uint32_t round;

    for (uint32_t last = 1; (round = fl_load(&c->round, acquire)) != 0; last = round) {
        filch_deadline at = filch_in_us(round * 7 % 400);

        if (round == last)
            continue;
        while (filch_in_ns(0) < at)
            continue;
        test_check(filch_executor_cancel_all(c->ex) >= 0);
    }
    return NULL;
}

TEST(a_long_payload_that_is_being_copied_is_cancelled_or_run)
{
    enum {
        LONG = 1000000
    };
    struct cancels cancels = {processes(1), 1};
    char *bytes = calloc(1, LONG);
    pthread_t thread;

    assert_non_null(bytes);
    assert_int_equal(pthread_create(&thread, NULL, cancel_once_a_round, &cancels), 0);
    for (uint32_t round = 2; round < 600; round++) {
        filch_future *f;
        int status;

        fl_store(&cancels.round, round, release);
        f = submit(cancels.ex, "echo", bytes, LONG);
        for (int i = 0; i < 300; i++)
            (void)filch_future_state(f);
        status = filch_future_result(f, FILCH_FOREVER, NULL);
        assert_true(status == 0 || status == FILCH_ECANCELED);
        filch_future_release(f);
    }
    fl_store(&cancels.round, 0, release);
    pthread_join(thread, NULL);
    filch_executor_destroy(cancels.ex);
    free(bytes);
}

TEST(far_payloads_that_are_cancelled_do_not_fill_the_socket_for_ever)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});
    static char bytes[5000];
    int pid = stop_worker(ex);

    for (int i = 0; i < 1000; i++) {
        filch_future *f = submit(ex, "echo", bytes, sizeof bytes);

        (void)filch_future_cancel(f); /* the stopped one may have been replaced */
        filch_future_release(f);
    }
    kill(pid, SIGCONT);
    assert_int_equal(status_of(submit(ex, "echo", bytes, sizeof bytes)), 0);
    filch_executor_destroy(ex);
}

/* A worker of which nobody is up sets itself up while that file is there. */
static int job_setup_shut(const void *in, size_t len, filch_buffer *out)
{
    (void)len;
    (void)out;
    while (access(in, F_OK) == 0)
        usleep(200);
    return 0;
}

static void fill_socket(filch_executor *ex, const void *bytes, size_t len)
{
    struct gate g = gate_make();
    filch_future *first;

    for (int i = 0; i < 100; i++)
        expect_echo(ex, "x", 1); /* so that many are given at once */
    first = submit(ex, "gate", g.names, g.len);
    gate_await(&g);
    for (int i = 0; i < 160; i++) {
        filch_future *f = submit(ex, "echo", bytes, len);

        assert_true(filch_future_cancel(f));
        filch_future_release(f);
    }
    gate_open(&g);
    expect(first, g.names, g.len);
    gate_remove(&g);
}

/* The one that was given to last is at work, and its socket is full of what was cancelled; the other one is idle. */
TEST(a_far_payload_for_which_a_socket_is_full_is_for_another_worker)
{
    struct gate g = gate_make();
    char shut[128];
    filch_executor *ex;
    static char bytes[5000];
    filch_future *f[3];

    snprintf(shut, sizeof shut, "%s/shut", g.directory);
    ex = processes_with((filch_process_options){.workers = 2,
                                                .ring_bytes = 4096,
                                                .child_setup = "setup_shut",
                                                .child_setup_in = shut,
                                                .child_setup_len = strlen(shut) + 1});
    close(open(shut, O_CREAT | O_WRONLY, 0600));
    kill(filch_process_pid(ex, 1), SIGKILL);
    while (filch_process_pid(ex, 1) != 0)
        usleep(200);
    fill_socket(ex, bytes, sizeof bytes);
    fill_socket(ex, bytes, sizeof bytes);
    for (int i = 0; i < 100; i++)
        expect_echo(ex, "x", 1);
    unlink(shut);
    while (filch_process_pid(ex, 1) == 0)
        usleep(200);
    f[0] = submit(ex, "gate", g.names, g.len);
    gate_await(&g);
    f[1] = submit(ex, "echo", bytes, sizeof bytes);
    f[2] = submit(ex, "echo", "x", 1);
    expect(f[1], bytes, sizeof bytes);
    expect(f[2], "x", 1);
    gate_open(&g);
    expect(f[0], g.names, g.len);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

/* ---- nothing to do */

static int64_t switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

TEST(the_manager_sleeps_while_a_job_is_long_though_others_were_taken_from_behind_it)
{
    filch_executor *ex = processes(2);
    struct gate g = gate_make();
    filch_future *f[8];
    filch_future *slow = submit(ex, "gate", g.names, g.len);
    int64_t before;

    gate_await(&g);
    for (int i = 0; i < 8; i++)
        f[i] = submit_ns(ex, "sleep", 1000000);
    for (int i = 0; i < 8; i++)
        assert_int_equal(status_of(f[i]), 0);
    usleep(100000);
    before = switches();
    usleep(500000);
    assert_true(switches() - before < 200);
    gate_open(&g);
    assert_int_equal(status_of(slow), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

static void *wait_for(void *f)
{
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    return NULL;
}

TEST(the_manager_sleeps_though_a_thread_waits_where_a_worker_was)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_crashes = 2});
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);
    pthread_t thread;
    int64_t before;

    gate_await(&g);
    assert_int_equal(pthread_create(&thread, NULL, wait_for, f), 0);
    usleep(200000); /* it waits: if not, this shows nothing */
    unlink(g.names);
    kill(filch_process_pid(ex, 0), SIGKILL);
    gate_await(&g);
    usleep(100000);
    before = switches();
    usleep(500000);
    assert_true(switches() - before < 200);
    gate_open(&g);
    pthread_join(thread, NULL);
    filch_future_release(f);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

/* ---- ended */

static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    int n = 0;

    while ((entry = readdir(tasks)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

TEST(an_executor_that_has_ended_writes_to_no_file_of_others)
{
    int before = threads();
    filch_executor *ex = processes(1);
    int fd[64];
    struct stat st;

    assert_int_equal(filch_executor_shutdown(ex, 0, FILCH_FOREVER), 0);
    while (threads() > before)
        usleep(1000);
    for (int i = 0; i < 64; i++) {
        fd[i] = (int)syscall(SYS_memfd_create, "others", 0U);
        assert_true(fd[i] >= 0);
    }
    assert_int_equal(filch_executor_shutdown(ex, 0, FILCH_FOREVER), 0);
    assert_int_equal(filch_process_kill(ex), 0);
    filch_executor_destroy(ex);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(fstat(fd[i], &st), 0);
        assert_int_equal(st.st_size, 0);
        close(fd[i]);
    }
}

TEST(whoever_is_killed_has_a_crash_to_tell_of)
{
    filch_executor *ex = processes(1);
    filch_future *f[20];

    for (int i = 0; i < 20; i++)
        f[i] = submit_ns(ex, "sleep", UINT64_C(3600000000000));
    assert_int_equal(filch_process_kill(ex), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(crash_of(f[i], FILCH_EKILLED).how, FILCH_DEATH_ASKED);
        filch_future_release(f[i]);
    }
    filch_executor_destroy(ex);
}

static int job_gate_then_much(const void *in, size_t len, filch_buffer *out)
{
    int status = job_gate(in, len, out);

    return status == 0 && filch_buffer_extend(out, 5000) != NULL ? 0 : 5;
}

static int job_stubborn(const void *in, size_t len, filch_buffer *out)
{
    signal(SIGTERM, SIG_IGN);
    return job_gate(in, len, out);
}

TEST(what_is_taken_back_from_a_worker_that_was_told_to_end_is_told_so)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .max_age_ns = 500000000});
    struct gate g = gate_make();
    filch_future *first = submit(ex, "stubborn", g.names, g.len);
    filch_future *second;

    gate_await(&g);
    second = submit(ex, "echo", "x", 1);
    assert_int_equal(filch_process_terminate(ex, INT64_C(3600000000000)), 0);
    while (!filch_future_done(second)) /* until it is old */
        usleep(1000);
    gate_open(&g);
    assert_int_equal(status_of(first), 0);
    assert_int_equal(status_of(second), FILCH_EKILLED);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(to_wait_for_workers_to_end_costs_no_time_of_a_processor)
{
    filch_executor *ex = processes(1);
    struct timespec before, after;

    expect_echo(ex, "x", 1);
    stop_worker(ex); /* for a second, until patience ends */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    filch_executor_destroy(ex);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec <
                200000000);
}

/* ---- workers that lie */

static int sockets(int *fd, int most)
{
    int n = 0;

    for (int i = 0; i < 256 && n < most; i++) {
        int type = 0;
        socklen_t len = sizeof type;

        if (getsockopt(i, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
            fd[n++] = i;
    }
    return n;
}

/* Sends a packet of so many bytes with a descriptor by its socket, before a long result. */
static int job_smuggle(const void *in, size_t len, filch_buffer *out)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    char bytes[64] = {0};
    struct iovec part = {bytes, *(const unsigned char *)in};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int fd;
    int what = 2;

    if (len != 1 || sockets(&fd, 1) != 1)
        return 3;
    memcpy(CMSG_DATA(&control.head), &what, sizeof what);
    if (sendmsg(fd, &message, 0) < 0)
        return 4;
    return filch_buffer_extend(out, 5000) != NULL ? 0 : 5;
}

static int descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    const struct dirent *entry;
    int n = 0;

    while ((entry = readdir(all)) != NULL)
        n++;
    closedir(all);
    return n;
}

TEST(descriptors_that_a_worker_smuggles_in_are_closed)
{
    int before = descriptors();
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});

    for (int i = 0; i < 10; i++) {
        unsigned char bytes = (unsigned char)(i % 3 * 8); /* none, too few, as many as it takes */

        (void)status_of(submit(ex, "smuggle", &bytes, 1)); /* as it comes */
    }
    filch_executor_destroy(ex);
    assert_int_equal(descriptors(), before);
}

/* ---- forked */

static fl_atomic(uint32_t) is_enough;

static void *ask(void *ex)
{
    filch_process_stats stats = {.size = sizeof stats};

    while (fl_load(&is_enough, relaxed) == 0)
        test_check(filch_process_stats_read(ex, &stats) == 0);
    return NULL;
}

TEST(a_forked_child_may_ask_whatever_others_were_about)
{
    filch_executor *ex = processes(1);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, ask, ex), 0);
    for (size_t i = test_scaled(300); i > 0; i--) {
        pid_t child = fork();
        int how;

        assert_true(child >= 0);
        if (child == 0) {
            filch_process_stats stats = {.size = sizeof stats};

            alarm(60);
            _exit(filch_process_stats_read(ex, &stats) != FILCH_EFORKED ||
                  filch_process_pid(ex, 0) != 0 || filch_executor_broken(ex) != NULL);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_int_equal(how, 0);
    }
    fl_store(&is_enough, 1, relaxed);
    pthread_join(thread, NULL);
    filch_executor_destroy(ex);
}

TEST(a_result_for_which_the_program_has_no_descriptor_is_not_its_workers_fault)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});
    struct gate g = gate_make();
    struct rlimit before, few;
    filch_future *f;
    int fd[4096];
    int n = 0;

    f = submit(ex, "gate_then_much", g.names, g.len);
    gate_await(&g);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 4096 && (fd[n] = dup(2)) >= 0)
        n++;
    assert_true(gate_open_without(&g));
    assert_int_equal(status_of(f), FILCH_EMFILE);
    while (n > 0)
        close(fd[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_echo(ex, "x", 1);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

/* ---- limits */

TEST(a_short_result_is_refused_too_if_it_is_longer_than_is_allowed)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_payload = 100});
    uint64_t n = 101;

    assert_int_equal(status_of(submit(ex, "make", &n, sizeof n)), FILCH_EMSGSIZE);
    n = 100;
    assert_int_equal(status_of(submit(ex, "make", &n, sizeof n)), 0);
    filch_executor_destroy(ex);
}

TEST(destroy_ends_though_the_process_that_forks_is_stopped)
{
    filch_executor *ex = processes(2);

    expect_echo(ex, "x", 1);
    assert_true(stop(parent_of(filch_process_pid(ex, 0))));
    filch_executor_destroy(ex);
}

/* A worker is killed for its time, and nobody says that it is dead. */
TEST(a_job_is_told_that_it_was_killed_though_the_process_that_forks_is_stopped)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .kill_after_ns = 300000000});
    int forks = parent_of(filch_process_pid(ex, 0));
    filch_future *f = submit(ex, "burn", NULL, 0);

    assert_true(stop(forks));
    assert_int_equal(status_of(f), FILCH_EKILLED);
    filch_executor_destroy(ex);
}

/* ---- a message that has room in the ring alone */

static int job_complain(const void *in, size_t len, filch_buffer *out)
{
    char text[4001];

    (void)in;
    (void)len;
    (void)out;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return filch_fail(42, text, NULL, NULL);
}

struct hold {
    fl_atomic(uint32_t) begun, over;
};

/* Not for ever: a thread that can't sleep on two words at once needs the manager. */
static void hold_manager(filch_future *f, void *user)
{
    struct hold *hold = user;

    (void)f;
    fl_store(&hold->begun, 1, release);
    for (int i = 0; i < 25000 && fl_load(&hold->over, acquire) == 0; i++)
        usleep(200);
}

/* The end of the ring was passed over for a result, and there is a message instead that needs nearly all of it. What is
 * heard is what is waited for: the manager is busy. */
TEST(a_long_message_has_room_in_the_smallest_ring)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});
    struct gate g = gate_make();
    struct hold hold = {0, 0};
    filch_future *first = submit(ex, "gate", g.names, g.len);
    filch_future *f[4];
    filch_error error;

    assert_int_equal(filch_future_add_done_callback(first, hold_manager, &hold), 0);
    gate_open(&g);
    while (fl_load(&hold.begun, acquire) == 0)
        usleep(200);
    f[0] = submit_ns(ex, "make", 1024);
    f[1] = submit_ns(ex, "make", 1024);
    usleep(100000); /* both have ended: if not, this shows nothing, and so each time */
    assert_int_equal(status_of(f[0]), 0);
    f[2] = submit_ns(ex, "make", 1024);
    usleep(100000);
    assert_int_equal(status_of(f[1]), 0);
    f[3] = submit(ex, "complain", NULL, 0);
    usleep(100000);
    fl_store(&hold.over, 1, release);
    assert_int_equal(status_of(f[2]), 0);
    assert_int_equal(filch_future_error(f[3], FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, 42);
    assert_int_equal(strlen(error.message), 4000);
    filch_future_release(f[3]);
    assert_int_equal(status_of(first), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_worker_that_does_not_leave_is_killed_and_has_not_crashed)
{
    filch_executor *ex = processes_with((filch_process_options){
        .workers = 1, .flags = FILCH_STRICT_BROKEN, .max_age_ns = 300000000});

    stop_worker(ex);
    while (stats_of(ex).recycled == 0 && filch_executor_broken(ex) == NULL)
        usleep(10000);
    assert_null(filch_executor_broken(ex));
    assert_int_equal(stats_of(ex).crashed, 0);
    expect_echo(ex, "x", 1);
    filch_executor_destroy(ex);
}

TEST(hundreds_of_workers_are_started)
{
    filch_executor *ex;

    if (FL_TSAN || FL_ASAN)
        test_skip("hundreds of processes with a sanitizer's memory each");
    ex = processes_with((filch_process_options){.workers = 320, .ring_bytes = 4096});
    expect_echo(ex, "x", 1);
    filch_executor_destroy(ex);
}

static void more_jobs(void)
{
    static const struct {
        const char *name;
        filch_job_fn *fn;
    } jobs[] = {{"once", job_once},
                {"setup_gate", job_setup_gate},
                {"setup_shut", job_setup_shut},
                {"complain", job_complain},
                {"smuggle", job_smuggle},
                {"stubborn", job_stubborn},
                {"gate_then_much", job_gate_then_much}};

    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        if (filch_job_register(jobs[i].name, jobs[i].fn) != 0)
            abort();
    }
}
