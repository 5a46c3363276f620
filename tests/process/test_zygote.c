/* SPDX-License-Identifier: MIT
 *
 * test_zygote.c: the process that forks the workers: it dies, it is another one than before, and what it says is lost
 * for want of a descriptor. */
/* link: -Wl,--wrap=fl_socket_receive_or -Wl,--wrap=posix_spawn */
/* seconds: 120 */
#include <pthread.h>
#include <spawn.h>
#include <sys/stat.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

#include "base/atomic.h"
#include "process/pool.h"

/* One that goes by another name where this is set. */
static void more_jobs(void)
{
    if (filch_job_register(getenv("FILCH_TEST_RENAMED") != NULL ? "renamed" : "named", job_echo) !=
        0)
        abort();
}

static void kill_zygote(filch_executor *ex)
{
    int worker;

    while ((worker = filch_process_pid(ex, 0)) == 0)
        usleep(100);
    assert_int_equal(kill(parent_of(worker), SIGKILL), 0);
}

/* Until the executor is broken, or has so many workers, ever. */
static bool breaks_before(filch_executor *ex, uint64_t started)
{
    while (filch_executor_broken(ex) == NULL) {
        if (stats_of(ex).started >= started)
            return false;
        usleep(1000);
    }
    return true;
}

static void expect_refused(filch_executor *ex)
{
    filch_future *f;

    assert_true(breaks_before(ex, 2));
    assert_non_null(strstr(filch_executor_broken(ex), "another one now"));
    assert_int_equal(filch_submit_job(ex, "echo", "x", 1, &f), FILCH_EBROKEN);
}

/* ---- is another one */

TEST(one_that_knows_other_jobs_than_the_first_is_refused)
{
    filch_executor *ex = processes(1);

    expect(submit(ex, "named", "x", 1), "x", 1);
    setenv("FILCH_TEST_RENAMED", "1", 1);
    kill_zygote(ex);
    breaks_before(ex, 2);
    unsetenv("FILCH_TEST_RENAMED");
    expect_refused(ex);
    filch_executor_destroy(ex);
}

struct program {
    char path[600], aside[620];
    unsigned char *bytes;
    size_t len;
    size_t number; /* where its build's number is; 0: it has none */
};

static void find_number(struct program *p)
{
    static const unsigned char note[] = {3, 0, 0, 0, 'G', 'N', 'U', 0};

    for (size_t i = 8; i + sizeof note + 20 < p->len && p->number == 0; i += 4) {
        if (memcmp(p->bytes + i, note, sizeof note) == 0 && p->bytes[i - 8] == 4 &&
            p->bytes[i - 4] >= 8 && p->bytes[i - 4] <= 64)
            p->number = i + sizeof note;
    }
}

/* A copy of this one, in place of what was there. */
static void put(const struct program *p)
{
    int fd = open(p->aside, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700);
    size_t done = 0;

    assert_true(fd >= 0);
    while (done < p->len) {
        ssize_t n = write(fd, p->bytes + done, p->len - done);

        assert_true(n > 0);
        done += (size_t)n;
    }
    close(fd);
    assert_int_equal(rename(p->aside, p->path), 0);
}

static struct program program_make(void)
{
    struct program p = {.number = 0};
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    struct stat st;
    int fd;

    assert_true(n > 0);
    self[n] = '\0';
    snprintf(p.path, sizeof p.path, "%s.copy-%d", self, (int)getpid());
    snprintf(p.aside, sizeof p.aside, "%s.new", p.path);
    fd = open(self, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    p.len = (size_t)st.st_size;
    p.bytes = malloc(p.len);
    assert_non_null(p.bytes);
    for (size_t done = 0; done < p.len; done += (size_t)n) {
        n = read(fd, p.bytes + done, p.len - done);
        assert_true(n > 0);
    }
    close(fd);
    find_number(&p);
    put(&p);
    return p;
}

static void program_remove(struct program *p)
{
    unlink(p->path);
    free(p->bytes);
}

TEST(one_of_another_build_than_the_first_is_refused)
{
    struct program p = program_make();
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .program = p.path});

    expect(submit(ex, "named", "x", 1), "x", 1);
    if (p.number != 0)
        p.bytes[p.number] ^= 1;
    put(&p);
    kill_zygote(ex);
    expect_refused(ex);
    filch_executor_destroy(ex);
    program_remove(&p);
}

TEST(one_of_the_same_build_is_welcome_wherever_its_file_is)
{
    struct program p = program_make();
    filch_executor *ex;

    if (p.number == 0) {
        program_remove(&p);
        test_skip("the linker gives builds no number here");
    }
    ex = processes_with((filch_process_options){.workers = 1, .program = p.path});
    put(&p);
    kill_zygote(ex);
    assert_false(breaks_before(ex, 2));
    expect(submit(ex, "named", "x", 1), "x", 1);
    filch_executor_destroy(ex);
    program_remove(&p);
}

/* ---- what it says finds no descriptor free */

static fl_atomic(uint32_t)
    has_no_room; /* 1: the program has none left when it is told of a process */
static fl_atomic(uint32_t) unheld;

enum fl_got __real_fl_socket_receive_or(int fd, void *packet, size_t bytes, int *passed);
enum fl_got __wrap_fl_socket_receive_or(int fd, void *packet, size_t bytes, int *passed);

enum fl_got __wrap_fl_socket_receive_or(int fd, void *packet, size_t bytes, int *passed)
{
    static int taken[512];
    enum fl_got got;
    int n = 0;

    if (fl_load(&has_no_room, acquire) == 0)
        return __real_fl_socket_receive_or(fd, packet, bytes, passed);
    while (n < 512 && (taken[n] = dup(fd)) >= 0)
        n++;
    got = __real_fl_socket_receive_or(fd, packet, bytes, passed);
    while (n > 0)
        close(taken[--n]);
    if (got == FL_GOT_NO_ROOM) {
        fl_store(&has_no_room, 0, relaxed);
        fl_add(&unheld, 1, release);
    }
    return got;
}

TEST(a_worker_of_which_no_descriptor_was_to_be_had_costs_no_others)
{
    filch_executor *ex = processes(2);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);
    struct rlimit before, few;

    gate_await(&g);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    fl_store(&has_no_room, 1, release);
    assert_int_equal(status_of(submit(ex, "exit", NULL, 0)), FILCH_ECRASHED);
    while (fl_load(&unheld, acquire) == 0)
        usleep(100);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_echo(ex, "x", 1); /* by the next that is started */
    assert_int_equal(stats_of(ex).started, 4);
    gate_open(&g);
    expect(f, g.names, g.len);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

/* ---- it dies while the executor ends */

static fl_atomic(uint32_t) spawned;

int __real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *how, char *const arguments[],
                       char *const variables[]);
int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *how, char *const arguments[],
                       char *const variables[]);

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *how, char *const arguments[],
                       char *const variables[])
{
    fl_add(&spawned, 1, relaxed);
    return __real_posix_spawn(pid, path, files, how, arguments, variables);
}

static void *destroy(void *ex)
{
    filch_executor_destroy(ex);
    return NULL;
}

static bool is_leaving(struct fl_processes *p)
{
    bool is;

    fl_lock_enter(&p->lock);
    is = p->is_leaving;
    fl_lock_leave(&p->lock);
    return is;
}

/* Of what it has died nobody can say then, but where. */
TEST(a_crash_is_told_though_the_process_that_forks_is_stopped)
{
    filch_executor *ex = processes(1);
    int forks = parent_of(filch_process_pid(ex, 0));
    filch_future *f;
    filch_crash crash;
    filch_error error;

    assert_true(stop(forks));
    f = submit(ex, "segv", NULL, 0);
    crash = crash_of(f, FILCH_ECRASHED);
    assert_int_equal(crash.how, FILCH_DEATH_SIGNAL);
    assert_int_equal(crash.signal, 0);
    assert_true(crash.has_address);
    assert_int_equal(crash.address, 0x1230);
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_non_null(strstr(error.message, "nobody knows"));
    filch_future_release(f);
    expect_echo(ex, "x", 1);
    assert_int_equal(stats_of(ex).crashed, 1);
    filch_executor_destroy(ex);
}

TEST(why_an_executor_broke_names_no_signal_that_nobody_knows)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .flags = FILCH_STRICT_BROKEN});

    assert_true(stop(parent_of(filch_process_pid(ex, 0))));
    assert_int_equal(status_of(submit(ex, "segv", NULL, 0)), FILCH_ECRASHED);
    assert_non_null(strstr(filch_executor_broken(ex), "nobody knows of what"));
    filch_executor_destroy(ex);
}

TEST(one_that_dies_while_its_executor_ends_is_not_replaced)
{
    filch_executor *ex = processes(1);
    filch_future *f =
        submit(ex, "echo", "x", 1); /* as long as it is there the record of the executor is */
    uint32_t before = fl_load(&spawned, relaxed);
    pthread_t thread;
    int zygote;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
    zygote = parent_of(filch_process_pid(ex, 0));
    stop_worker(ex); /* it does not leave, for a second */
    assert_int_equal(pthread_create(&thread, NULL, destroy, ex), 0);
    while (!is_leaving(fl_processes_behind(ex)))
        usleep(100);
    kill(zygote, SIGKILL);
    pthread_join(thread, NULL);
    assert_int_equal(fl_load(&spawned, relaxed), before);
    filch_future_release(f);
}
