/* SPDX-License-Identifier: MIT
 *
 * process/jobs.h: the jobs of these tests, and the executor that runs them. A test program is started
 * once more to have workers, by a constructor: its main is the harness's. */
#ifndef FL_TESTS_PROCESS_JOBS_H
#define FL_TESTS_PROCESS_JOBS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filch/filch.h>
#include <filch/process.h>

#include "harness/test.h"

/* ---- jobs */

static int job_echo(const void *in, size_t len, filch_buffer *out)
{
    return filch_buffer_append(out, in, len) == 0 ? 0 : 12;
}

/* As many bytes as the number that it is given, each of another value. */
static int job_make(const void *in, size_t len, filch_buffer *out)
{
    uint64_t n;
    unsigned char *bytes;

    if (len != sizeof n)
        return 1;
    memcpy(&n, in, sizeof n);
    bytes = filch_buffer_extend(out, (size_t)n);
    if (bytes == NULL)
        return 2;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 7 + n);
    return 0;
}

static int job_error(const void *in, size_t len, filch_buffer *out)
{
    (void)in;
    (void)len;
    if (filch_buffer_append(out, "lost", 4) != 0)
        return 2;
    return filch_fail(42, "there is no such colour", NULL, NULL);
}

static int job_segv(const void *in, size_t len, filch_buffer *out)
{
    volatile int *nowhere = (volatile int *)0x1230;

    (void)in;
    (void)len;
    (void)out;
    *nowhere = 1;
    return 0;
}

static int job_exit(const void *in, size_t len, filch_buffer *out)
{
    unsigned char code = 0;

    (void)out;
    if (len != 0)
        memcpy(&code, in, 1);
    _exit(code);
}

/* Sends itself the signal that it is given. */
static int job_raise(const void *in, size_t len, filch_buffer *out)
{
    unsigned char number = 0;

    (void)out;
    if (len != 0)
        memcpy(&number, in, 1);
    kill(getpid(), number);
    sleep(5);
    return 1;
}

static int job_sleep(const void *in, size_t len, filch_buffer *out)
{
    struct timespec at = {0, 0};
    uint64_t ns = 0;

    memcpy(&ns, in, len < sizeof ns ? len : sizeof ns);
    at.tv_sec = (time_t)(ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    while (nanosleep(&at, &at) != 0 && errno == EINTR)
        continue;
    return job_echo(in, len, out);
}

static int job_burn(const void *in, size_t len, filch_buffer *out)
{
    volatile uint64_t x = 0;

    (void)in;
    (void)len;
    (void)out;
    for (;;)
        x++;
    return 0;
}

static int job_pid(const void *in, size_t len, filch_buffer *out)
{
    int pid = (int)getpid();

    (void)in;
    (void)len;
    return filch_buffer_append(out, &pid, sizeof pid);
}

/* Where a worker has the memory file of that name: memfd:filch-in, memfd:filch-out; NULL: nowhere. */
__attribute__((unused)) static unsigned char *shared_with_program(const char *name, size_t *bytes)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned char *found = NULL;
    char line[512];

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long begin, end;

        if (strstr(line, name) != NULL && sscanf(line, "%lx-%lx", &begin, &end) == 2) {
            found = (unsigned char *)begin;
            *bytes = end - begin;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return found;
}

/* Says in a file that it has begun, and ends when there is another: the two names stand one after the other. */
static int job_gate(const void *in, size_t len, filch_buffer *out)
{
    const char *begun = in;
    const char *open_now = begun + strlen(begun) + 1;
    int fd = open(begun, O_CREAT | O_WRONLY, 0600);

    if (fd < 0)
        return 3;
    close(fd);
    while (access(open_now, F_OK) != 0)
        usleep(200);
    return job_echo(in, len, out);
}

__attribute__((constructor)) static void register_jobs(void)
{
    bool has_a_role = getenv("FILCH_ZYGOTE") != NULL;

    static const struct {
        const char *name;
        filch_job_fn *fn;
    } jobs[] = {{"echo", job_echo}, {"make", job_make},   {"error", job_error}, {"segv", job_segv},
                {"exit", job_exit}, {"raise", job_raise}, {"sleep", job_sleep}, {"burn", job_burn},
                {"pid", job_pid},   {"gate", job_gate}};

    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        if (filch_job_register(jobs[i].name, jobs[i].fn) != 0)
            abort();
    }
#ifdef MORE_JOBS
    MORE_JOBS();
#endif
    if (filch_process_main() != 0 || has_a_role)
        abort(); /* it would run the tests again, and again */
}

/* ---- what tests do with them */

#define START_TIMEOUT_NS INT64_C(60000000000)

__attribute__((unused)) static filch_executor *processes_with(filch_process_options options)
{
    filch_executor *ex;

    options.size = sizeof options;
    options.start_timeout_ns = START_TIMEOUT_NS;
    assert_int_equal(filch_process_executor_create(&ex, &options), 0);
    return ex;
}

__attribute__((unused)) static filch_executor *processes(unsigned workers)
{
    return processes_with((filch_process_options){.workers = workers});
}

static filch_future *submit(filch_executor *ex, const char *name, const void *bytes, size_t len)
{
    filch_future *f;

    assert_int_equal(filch_submit_job(ex, name, bytes, len, &f), 0);
    return f;
}

__attribute__((unused)) static filch_future *submit_ns(filch_executor *ex, const char *name,
                                                       uint64_t ns)
{
    return submit(ex, name, &ns, sizeof ns);
}

__attribute__((unused)) static int status_of(filch_future *f)
{
    int status = filch_future_result(f, FILCH_FOREVER, NULL);

    filch_future_release(f);
    return status;
}

/* That its result is these bytes. */
__attribute__((unused)) static void expect(filch_future *f, const void *bytes, size_t len)
{
    const filch_buffer *b;
    void *result;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    b = result;
    assert_int_equal(b->len, len);
    if (len != 0)
        assert_memory_equal(b->data, bytes, len);
    filch_future_release(f);
}

__attribute__((unused)) static void expect_echo(filch_executor *ex, const void *bytes, size_t len)
{
    expect(submit(ex, "echo", bytes, len), bytes, len);
}

__attribute__((unused)) static filch_process_stats stats_of(filch_executor *ex)
{
    filch_process_stats stats = {.size = sizeof stats};

    assert_int_equal(filch_process_stats_read(ex, &stats), 0);
    return stats;
}

/* The process that has run the job "pid". */
__attribute__((unused)) static int pid_in(filch_future *f)
{
    void *result;
    int pid;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    memcpy(&pid, ((const filch_buffer *)result)->data, sizeof pid);
    filch_future_release(f);
    return pid;
}

/* How it failed, and of what; f stays. */
__attribute__((unused)) static filch_crash crash_of(filch_future *f, int code)
{
    filch_error error;

    assert_int_equal(filch_future_error(f, FILCH_FOREVER, &error), 0);
    assert_int_equal(error.code, code);
    assert_string_equal(error.domain, "filch");
    assert_non_null(error.message);
    assert_non_null(error.detail);
    return *(const filch_crash *)error.detail;
}

/* What the kernel says of a process: how it is ('\0': it is not), and whose child. */
__attribute__((unused)) static char stat_of(int pid, int *parent)
{
    char name[64];
    char text[512] = "";
    FILE *file;
    const char *end;
    char state = '\0';

    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    file = fopen(name, "r");
    if (file == NULL)
        return '\0';
    end = fgets(text, sizeof text, file) != NULL ? strrchr(text, ')') : NULL;
    fclose(file);
    if (end == NULL) /* it ended as we looked */
        return '\0';
    assert_int_equal(sscanf(end + 1, " %c %d", &state, parent), 2);
    return state;
}

/* The process that a worker is a child of. */
__attribute__((unused)) static int parent_of(int worker)
{
    int parent = 0;

    assert_true(stat_of(worker, &parent) != '\0');
    return parent;
}

__attribute__((unused)) static bool is_stopped(int pid)
{
    int parent;

    return stat_of(pid, &parent) == 'T';
}

/* True: it has stopped. kill comes back before one that runs elsewhere has. */
__attribute__((unused)) static bool stop(int pid)
{
    char state = '\0';
    int parent;

    if (kill(pid, SIGSTOP) != 0)
        return false;
    while (state != 'T' && state != 'Z' && (state = stat_of(pid, &parent)) != '\0')
        usleep(100);
    return state == 'T';
}

/* Worker 0, or the one that has come after it by then. */
__attribute__((unused)) static int stop_worker(filch_executor *ex)
{
    int pid;

    do {
        pid = filch_process_pid(ex, 0);
    } while (pid == 0 || !stop(pid));
    return pid;
}

/* What a directory has in it, as those in /proc have descriptors and threads. */
__attribute__((unused)) static unsigned count_in(const char *directory)
{
    DIR *d = opendir(directory);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* Until no more are left. A thread that has been joined may be there still: also when n was counted. */
__attribute__((unused)) static void await_count(const char *directory, unsigned n)
{
    while (count_in(directory) > n)
        usleep(1000);
}

/* It runs no more, though perhaps nobody has been told yet: kill comes back before that. */
__attribute__((unused)) static void await_death(int pid)
{
    char state;
    int parent;

    while ((state = stat_of(pid, &parent)) != 'Z' && state != '\0')
        usleep(100);
}

/* Worker i, or the one that has come after it by then: there may be none for a moment. */
__attribute__((unused)) static int kill_worker(filch_executor *ex, unsigned i)
{
    int pid;

    do {
        pid = filch_process_pid(ex, i);
    } while (pid == 0 || kill(pid, SIGKILL) != 0);
    await_death(pid);
    return pid;
}

/* A directory of its own, for a gate. */
struct gate {
    char directory[64];
    char names[256]; /* begun, and open: one after the other */
    size_t len;
};

__attribute__((unused)) static struct gate gate_make(void)
{
    struct gate g;
    int n;

    strcpy(g.directory, "/tmp/filch-gate-XXXXXX");
    assert_non_null(mkdtemp(g.directory));
    n = snprintf(g.names, sizeof g.names, "%s/begun", g.directory);
    g.len = (size_t)n + 1;
    n = snprintf(g.names + g.len, sizeof g.names - g.len, "%s/open", g.directory);
    g.len += (size_t)n + 1;
    return g;
}

__attribute__((unused)) static void gate_await(const struct gate *g)
{
    while (access(g->names, F_OK) != 0)
        usleep(200);
}

__attribute__((unused)) static void gate_open(const struct gate *g)
{
    const char *name = g->names + strlen(g->names) + 1;

    close(open(name, O_CREAT | O_WRONLY, 0600));
}

/* True: it has been opened, though there is no descriptor to be had. Somebody is at it. */
__attribute__((unused)) static bool gate_open_without(const struct gate *g)
{
    return link(g->names, g->names + strlen(g->names) + 1) == 0;
}

__attribute__((unused)) static void gate_remove(const struct gate *g)
{
    unlink(g->names);
    unlink(g->names + strlen(g->names) + 1);
    rmdir(g->directory);
}

#endif /* FL_TESTS_PROCESS_JOBS_H */
