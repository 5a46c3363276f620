/* SPDX-License-Identifier: MIT
 *
 * each.c: a process for each job: forked, or this program started anew by posix_spawn.
 *
 * As many run at once as there are workers; for one more, the oldest is waited for first. A forked one has the bytes
 * already, and writes what comes of them to a pipe; one that is started anew reads them from a pipe, too. Whoever
 * waits reads the result and the process's end. The program has no other threads meanwhile. */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/message.h"

struct started {
    struct each *pool;
    pid_t pid;
    int from;
    bool is_over;
    struct bytes result;
};

struct each {
    void (*start)(struct started *s, enum process_job what, const void *bytes, size_t n);
    unsigned workers;
    unsigned n; /* of running: oldest first */
    struct started *running[];
};

/* ---- a process */

static void start_fork(struct started *s, enum process_job what, const void *bytes, size_t n)
{
    int back[2];

    message_pipe(back);
    s->pid = fork();
    if (s->pid < 0)
        bench_die("no process: %s", strerror(errno));
    if (s->pid == 0) {
        struct bytes own = {.data = (unsigned char *)(uintptr_t)bytes,
                            .n = n}; /* this process's own copy */

        message_run(what, &own);
        message_write(back[1], what, own.data, own.n);
        _exit(0);
    }
    close(back[1]);
    s->from = back[0];
}

static void start_exec(struct started *s, enum process_job what, const void *bytes, size_t n)
{
    char *argv[] = {"filch-bench", "--job", NULL};
    posix_spawn_file_actions_t actions;
    int there[2];
    int back[2];

    message_pipe(there);
    message_pipe(back);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, there[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, back[1], STDOUT_FILENO);
    int error = posix_spawn(&s->pid, "/proc/self/exe", &actions, NULL, argv, environ);
    if (error != 0)
        bench_die("no process: %s", strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    close(there[0]);
    close(back[1]);
    message_write(there[1], what, bytes, n);
    close(there[1]);
    s->from = back[0];
}

void process_each_main(void)
{
    struct bytes bytes = {0};
    enum process_job what;

    if (!message_read(STDIN_FILENO, &what, &bytes))
        bench_die("a process was started for a job, and there is none");
    message_run(what, &bytes);
    message_write(STDOUT_FILENO, what, bytes.data, bytes.n);
    _exit(0);
}

static void collect(struct started *s)
{
    enum process_job what;
    int status;

    if (!message_read(s->from, &what, &s->result))
        bench_die("a job's process has said nothing");
    close(s->from);
    if (waitpid(s->pid, &status, 0) != s->pid || status != 0)
        bench_die("a job's process has failed");
    s->is_over = true;
}

static void collect_oldest(struct each *p)
{
    collect(p->running[0]);
    p->n--;
    memmove(&p->running[0], &p->running[1], p->n * sizeof p->running[0]);
}

/* ---- the pool */

static void *create(unsigned workers, void (*start)(struct started *s, enum process_job what,
                                                    const void *bytes, size_t n))
{
    struct each *p = calloc(1, sizeof *p + workers * sizeof p->running[0]);

    if (p == NULL)
        bench_die("out of memory");
    p->start = start;
    p->workers = workers;
    return p;
}

static void *create_fork(unsigned workers)
{
    return create(workers, start_fork);
}

static void *create_exec(unsigned workers)
{
    return create(workers, start_exec);
}

static void submit(void *pool, enum process_job what, const void *bytes, size_t n, struct job *job)
{
    struct each *p = pool;
    struct started *s = calloc(1, sizeof *s);

    if (s == NULL)
        bench_die("out of memory");
    if (p->n == p->workers)
        collect_oldest(p);
    s->pool = p;
    bytes_reserve(&s->result, n);
    p->start(s, what, bytes, n);
    p->running[p->n++] = s;
    job->word[0] = s;
}

static const void *wait_for(struct job *job, size_t *n)
{
    struct started *s = job->word[0];

    while (!s->is_over)
        collect_oldest(s->pool);
    *n = s->result.n;
    return s->result.data;
}

static void release(struct job *job)
{
    struct started *s = job->word[0];

    free(s->result.data);
    free(s);
}

static const struct process_ops fork_ops = {
    .create = create_fork,
    .destroy = free,
    .submit = submit,
    .wait = wait_for,
    .release = release,
    .most_jobs = 200,
};

static const struct process_ops exec_ops = {
    .create = create_exec,
    .destroy = free,
    .submit = submit,
    .wait = wait_for,
    .release = release,
    .most_jobs = 50,
};

const struct pool process_fork = {
    .name = "fork",
    .about = "a process forked for each job",
    .processes = &fork_ops,
};

const struct pool process_exec = {
    .name = "exec",
    .about = "this program started anew for each job, by posix_spawn",
    .processes = &exec_ops,
};
