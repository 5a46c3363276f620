/* SPDX-License-Identifier: MIT
 *
 * filch.c: filch and the rivals behind its API (core/naive/). filch has an arena of jemalloc's of its own
 * here; f-malloc is filch as it is without being told anything. The rivals call malloc, which is jemalloc's
 * too in this program and faster for them than an arena, because it keeps a cache for each thread. */
#include "pools/filch.h"

#include <filch/filch.h>

#include <string.h>

#include "driver/bench.h"
#include "process/process.h"

static void *create(enum filch_backend backend, bool arena, unsigned workers)
{
    filch_options options = {
        .size = sizeof options, .workers = workers, .name = "bench", .backend = backend};
    filch_allocator allocator;
    filch_executor *ex;

    if (arena && filch_allocator_jemalloc(&allocator) == 0)
        options.allocator = &allocator;
    int status = filch_executor_create(&ex, &options);
    if (status == FILCH_ENOTSUP)
        return NULL;
    bench_must(status, "an executor");
    return ex;
}

static void *create_filch(unsigned workers)
{
    return create(FILCH_BACKEND_STEAL, true, workers);
}

static void *create_malloc(unsigned workers)
{
    return create(FILCH_BACKEND_STEAL, false, workers);
}

static void *create_naive(unsigned workers)
{
    return create(FILCH_BACKEND_MUTEX, false, workers);
}

static void *create_ck(unsigned workers)
{
    return create(FILCH_BACKEND_CK, false, workers);
}

static void *create_global(unsigned workers)
{
    return create(FILCH_BACKEND_GLOBAL, false, workers);
}

static void *create_spawn(unsigned workers)
{
    return create(FILCH_BACKEND_SPAWN, false, workers);
}

static void destroy(void *pool)
{
    filch_executor_destroy(pool);
}

/* A job's first word is its future. */
static void submit(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    filch_future *f;

    bench_must(filch_submit(pool, fn, arg, &f), "submit");
    job->word[0] = f;
}

enum {
    AT_ONCE = 1000
};

static void submit_n(void *pool, filch_task_fn *fn, void *const args[], size_t n, struct job jobs[])
{
    filch_future *futures[AT_ONCE];

    for (size_t from = 0; from < n; from += AT_ONCE) {
        size_t some = n - from < AT_ONCE ? n - from : AT_ONCE;

        bench_must(filch_submit_batch(pool, fn, &args[from], some, futures), "submit_batch");
        for (size_t i = 0; i < some; i++)
            jobs[from + i].word[0] = futures[i];
    }
}

static void *wait(struct job *job)
{
    void *result;

    bench_must(filch_future_result(job->word[0], FILCH_FOREVER, &result), "result");
    return result;
}

static void release(struct job *job)
{
    filch_future_release(job->word[0]);
}

static filch_executor *executor(void *pool)
{
    return pool;
}

static const char deadlock[] =
    "a task that waits for another one holds its worker there, so that nested waits never end";

#define CALLS                                                                                      \
    .destroy = destroy, .submit = submit, .submit_n = submit_n, .wait = wait, .release = release,  \
    .executor = executor

static const struct pool pools[] = {
    {.name = "filch",
     .about = "an arena of jemalloc's of its own",
     .create = create_filch,
     .processes = &process_filch,
     .join = &filch_join_kernels,
     .loops = &filch_loop_kernels,
     CALLS},
    {.name = "f-malloc",
     .about = "filch with the process's malloc",
     .create = create_malloc,
     .join = &filch_join_kernels,
     .loops = &filch_loop_kernels,
     CALLS},
    {.name = "naive",
     .about = "a list behind a mutex, a condition variable in each future",
     .create = create_naive,
     .no_join = deadlock,
     CALLS},
    {.name = "ck",
     .about = "Concurrency Kit's ring and event counts",
     .create = create_ck,
     .no_join = deadlock,
     .most_pending = (1 << 20) - 1000,
     CALLS},
    {.name = "global",
     .about = "a list behind a lock, by futexes alone",
     .create = create_global,
     .no_join = deadlock,
     CALLS},
    {.name = "spawn",
     .about = "a thread for each task",
     .create = create_spawn,
     .no_join = "each of 10^5 tasks would be a thread",
     .no_pending = "each task has a thread at once, so that none is pending",
     .most_tasks = 500,
     CALLS},
};

const struct pool *filch_pool(const char *name)
{
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        if (strcmp(pools[i].name, name) == 0)
            return &pools[i];
    }
    return NULL;
}
