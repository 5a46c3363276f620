/* SPDX-License-Identifier: MIT
 *
 * openmp.c: OpenMP's tasks, compiled by gcc for libgomp and by clang for libomp (OPENMP_NAME says which).
 *
 * A task is part of a parallel region: so whoever submits is a thread of the team itself, which makes tasks
 * inside `single` and helps at a taskwait. A team has as many threads as workers are asked for, or as many as
 * there are producers, if these are more. With a team of one every task runs at once. Waiting is a taskwait for
 * all that the thread has made. The waiting policy is the runtime's default: a thread spins before it
 * sleeps. Loops are `parallel for`: static for even elements, dynamic for uneven ones, and a reduction. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "pools/pool.h"
#include "work/loop.h"

struct team {
    unsigned workers;
};

struct record {
    filch_task_fn *fn;
    void *arg;
    void *result;
    int over;
};

static void *create(unsigned workers)
{
    struct team *t = malloc(sizeof *t);

    if (t == NULL)
        bench_die("out of memory");
    t->workers = workers;
    omp_set_dynamic(0);
    return t;
}

static void destroy(void *pool)
{
    free(pool);
}

static void submit(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    struct record *r = malloc(sizeof *r);

    (void)pool;
    if (r == NULL)
        bench_die("out of memory");
    r->fn = fn;
    r->arg = arg;
    r->over = 0;
    job->word[0] = r;
#pragma omp task firstprivate(r) default(none)
    {
        r->fn(r->arg, &r->result);
        __atomic_store_n(&r->over, 1, __ATOMIC_RELEASE);
    }
}

static void *wait(struct job *job)
{
    struct record *r = job->word[0];

    if (!__atomic_load_n(&r->over, __ATOMIC_ACQUIRE)) {
#pragma omp taskwait
    }
    return r->result;
}

static void release(struct job *job)
{
    free(job->word[0]);
}

/* Producers are the first of the team; the others run tasks at the barrier at its end. */
static int64_t producers(void *pool, unsigned n, void (*fn)(void *arg, unsigned i), void *arg)
{
    const struct team *t = pool;
    int threads = (int)(n > t->workers ? n : t->workers);
    unsigned ready = 0;
    int64_t began = 0;
    int64_t last = 0;

#pragma omp parallel num_threads(threads) default(none) shared(n, fn, arg, ready, began, last)
    {
        unsigned me = (unsigned)omp_get_thread_num();

        if (me < n) {
            __atomic_add_fetch(&ready, 1, __ATOMIC_ACQ_REL);
            while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != n)
                continue;
            if (me == 0)
                began = bench_now();
            fn(arg, me);
            int64_t ended = bench_now();
#pragma omp critical
            if (ended > last)
                last = ended;
        }
    }
    return last - began;
}

/* ---- fork and join */

#define JOIN_FN(name, type, body)                                                                  \
    static void name(void *arg)                                                                    \
    {                                                                                              \
        body((type *)arg);                                                                         \
    }

struct join_scope {
    char nothing;
};

struct join_task {
    char nothing;
};

static inline void join_fork(struct join_scope *scope, struct join_task *task, void (*fn)(void *),
                             void *arg)
{
    (void)scope;
    (void)task;
#pragma omp task firstprivate(fn, arg) default(none)
    fn(arg);
}

static inline void join_one(struct join_scope *scope, struct join_task *task)
{
    (void)scope;
    (void)task;
}

static inline void join_all(struct join_scope *scope)
{
    (void)scope;
#pragma omp taskwait
}

static void join_root(void *pool, void (*fn)(void *), void *arg)
{
    const struct team *t = pool;

#pragma omp parallel num_threads((int)t->workers) default(none) shared(fn, arg)
#pragma omp single
    fn(arg);
}

#include "work/join.h"

/* ---- loops */

static void cheap(void *pool, struct piece *piece)
{
    const struct team *t = pool;
    size_t n = piece->n;
    int *out = piece->data;

#pragma omp parallel for num_threads((int)t->workers) schedule(static)
    for (size_t i = 0; i < n; i++)
        out[i] = loop_cheap_element(i);
}

static void uneven(void *pool, struct piece *piece)
{
    const struct team *t = pool;
    size_t n = piece->n;
    int *out = piece->data;

#pragma omp parallel for num_threads((int)t->workers) schedule(dynamic)
    for (size_t i = 0; i < n; i++)
        out[i] = loop_uneven_element(i, n);
}

static void sum(void *pool, struct piece *piece)
{
    const struct team *t = pool;
    size_t n = piece->n;
    uint64_t s = 0;

#pragma omp parallel for num_threads((int)t->workers) schedule(static) reduction(+ : s)
    for (size_t i = 0; i < n; i++)
        s += loop_term(i);
    piece->result = s;
}

static const struct loop_kernels loops = {cheap, uneven, sum};

static const struct pool pool = {
    .name = OPENMP_NAME,
    .about = "OpenMP tasks, " OPENMP_NAME " (" __VERSION__ "); the caller is one of the workers",
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .wait = wait,
    .release = release,
    .producers = producers,
    .caller_runs = true,
    .join = &join_kernels,
    .loops = &loops,
    .no_life = "its threads belong to the process",
    .no_pending = "it runs tasks at once when a few hundred are pending",
};

__attribute__((visibility("default"))) bench_pool_fn bench_pool;

const struct pool *bench_pool(const char *name)
{
    (void)name;
    return &pool;
}
