/* SPDX-License-Identifier: MIT
 *
 * libuv.c: uv_queue_work. Its threads belong to the process (UV_THREADPOOL_SIZE says how many, before the
 * first use), and a loop belongs to one thread: so each thread that submits has a loop of its own, and waits
 * by running it until the work's after-callback has been called. */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "pools/pool.h"

struct record {
    uv_work_t work;
    filch_task_fn *fn;
    void *arg;
    void *result;
    int over;
};

static _Thread_local uv_loop_t loop;
static _Thread_local int has_loop;

static uv_loop_t *own_loop(void)
{
    if (!has_loop && uv_loop_init(&loop) != 0)
        bench_die("libuv: no loop");
    has_loop = 1;
    return &loop;
}

static void run(uv_work_t *work)
{
    struct record *r = work->data;

    r->fn(r->arg, &r->result);
}

static void after(uv_work_t *work, int status)
{
    struct record *r = work->data;

    if (status != 0)
        bench_die("libuv: %s", uv_strerror(status));
    r->over = 1;
}

static void *create(unsigned workers)
{
    static int process;
    char text[16];

    snprintf(text, sizeof text, "%u", workers);
    setenv("UV_THREADPOOL_SIZE", text, 1);
    return &process;
}

static void destroy(void *pool)
{
    (void)pool;
}

static void submit(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    struct record *r = malloc(sizeof *r);

    (void)pool;
    if (r == NULL)
        bench_die("out of memory");
    r->work.data = r;
    r->fn = fn;
    r->arg = arg;
    r->over = 0;
    job->word[0] = r;
    if (uv_queue_work(own_loop(), &r->work, run, after) != 0)
        bench_die("libuv: no work is taken");
}

static void *wait(struct job *job)
{
    struct record *r = job->word[0];

    while (!r->over)
        uv_run(own_loop(), UV_RUN_ONCE);
    return r->result;
}

static void release(struct job *job)
{
    free(job->word[0]);
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

static const struct pool pool = {
    .name = "libuv",
    .about = "libuv " TEXT(UV_VERSION_MAJOR) "." TEXT(UV_VERSION_MINOR) "." TEXT(
        UV_VERSION_PATCH) ", uv_queue_work, a loop for each thread that submits",
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .wait = wait,
    .release = release,
    .no_join = "work is queued by a loop's thread, not by work",
    .no_life = "its threads belong to the process",
};

__attribute__((visibility("default"))) bench_pool_fn bench_pool;

const struct pool *bench_pool(const char *name)
{
    (void)name;
    return &pool;
}
