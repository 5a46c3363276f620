/* SPDX-License-Identifier: MIT
 *
 * pipes.c: the naive pool of processes: what one writes in an afternoon, with care.
 *
 * The workers are forked at the start, before there is a thread. Each has a thread here that takes a job from the one
 * queue, a list behind a mutex and a condition variable, writes its length and bytes to the worker's pipe, reads what
 * comes back, and completes the job: a mutex and a condition variable of its own. Nobody is signalled who does not
 * sleep. One allocation for the job and one for its bytes, into which the result is read. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/message.h"

struct piped {
    struct piped *next;
    enum process_job what;
    struct bytes bytes; /* there, and then back */
    pthread_mutex_t lock;
    pthread_cond_t over_cond;
    bool over;
    bool is_waited_for;
};

struct worker {
    struct pipes *pool;
    pid_t pid;
    int to;
    int from;
    pthread_t dispatcher;
};

struct pipes {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct piped *first;
    struct piped **last;
    unsigned idle; /* dispatchers that sleep */
    bool stopping;
    unsigned n;
    struct worker workers[];
};

/* ---- the worker's process */

__attribute__((noreturn)) static void work(int from, int to)
{
    struct bytes bytes = {0};
    enum process_job what;

    bytes_reserve(&bytes, 4096);
    while (message_read(from, &what, &bytes)) {
        message_run(what, &bytes);
        message_write(to, what, bytes.data, bytes.n);
    }
    _exit(0);
}

/* A worker that had the ends of those before it would keep them from seeing the end. */
static void start(struct pipes *p, unsigned i)
{
    struct worker *w = &p->workers[i];
    int there[2];
    int back[2];

    message_pipe(there);
    message_pipe(back);
    w->pool = p;
    w->pid = fork();
    if (w->pid < 0)
        bench_die("no process");
    if (w->pid == 0) {
        for (unsigned k = 0; k < i; k++) {
            close(p->workers[k].to);
            close(p->workers[k].from);
        }
        close(there[1]);
        close(back[0]);
        work(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    w->to = there[1];
    w->from = back[0];
}

/* ---- the dispatcher */

/* NULL: it is over. */
static struct piped *take(struct pipes *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->first == NULL && !p->stopping) {
        p->idle++;
        pthread_cond_wait(&p->more, &p->lock);
        p->idle--;
    }
    struct piped *j = p->first;
    if (j != NULL) {
        p->first = j->next;
        if (p->first == NULL)
            p->last = &p->first;
    }
    pthread_mutex_unlock(&p->lock);
    return j;
}

/* The one who waits may free it as soon as the lock is left, so the signal comes before. */
static void complete(struct piped *j)
{
    pthread_mutex_lock(&j->lock);
    j->over = true;
    if (j->is_waited_for)
        pthread_cond_signal(&j->over_cond);
    pthread_mutex_unlock(&j->lock);
}

static void *dispatch(void *arg)
{
    struct worker *w = arg;
    struct piped *j;

    while ((j = take(w->pool)) != NULL) {
        message_write(w->to, j->what, j->bytes.data, j->bytes.n);
        if (!message_read(w->from, &j->what, &j->bytes))
            bench_die("a worker's process is gone");
        complete(j);
    }
    return NULL;
}

/* ---- the pool */

static void *create(unsigned workers)
{
    struct pipes *p = calloc(1, sizeof *p + workers * sizeof *p->workers);

    if (p == NULL)
        bench_die("out of memory");
    p->n = workers;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    for (unsigned i = 0; i < workers; i++)
        start(p, i);
    for (unsigned i = 0; i < workers; i++) {
        struct worker *w = &p->workers[i];

        if (pthread_create(&w->dispatcher, NULL, dispatch, w) != 0)
            bench_die("no thread");
    }
    return p;
}

static void destroy(void *pool)
{
    struct pipes *p = pool;

    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->more);
    for (unsigned i = 0; i < p->n; i++) {
        struct worker *w = &p->workers[i];

        pthread_join(w->dispatcher, NULL);
        close(w->to);
        close(w->from);
        if (waitpid(w->pid, NULL, 0) != w->pid)
            bench_die("a worker's process is lost");
    }
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void submit(void *pool, enum process_job what, const void *bytes, size_t n, struct job *job)
{
    struct pipes *p = pool;
    struct piped *j = calloc(1, sizeof *j);

    if (j == NULL)
        bench_die("out of memory");
    j->what = what;
    bytes_reserve(&j->bytes, n);
    memcpy(j->bytes.data, bytes, n);
    j->bytes.n = n;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->over_cond, NULL);
    job->word[0] = j;

    pthread_mutex_lock(&p->lock);
    *p->last = j;
    p->last = &j->next;
    bool wakes = p->idle > 0;
    pthread_mutex_unlock(&p->lock);
    if (wakes)
        pthread_cond_signal(&p->more);
}

static const void *wait_for(struct job *job, size_t *n)
{
    struct piped *j = job->word[0];

    pthread_mutex_lock(&j->lock);
    j->is_waited_for = true;
    while (!j->over)
        pthread_cond_wait(&j->over_cond, &j->lock);
    pthread_mutex_unlock(&j->lock);
    *n = j->bytes.n;
    return j->bytes.data;
}

static void release(struct job *job)
{
    struct piped *j = job->word[0];

    pthread_cond_destroy(&j->over_cond);
    pthread_mutex_destroy(&j->lock);
    free(j->bytes.data);
    free(j);
}

static const struct process_ops ops = {
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .wait = wait_for,
    .release = release,
};

const struct pool process_pipes = {
    .name = "pipes",
    .about = "processes forked at the start, for each a thread and two pipes",
    .processes = &ops,
};
