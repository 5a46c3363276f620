/* SPDX-License-Identifier: MIT
 *
 * tbb.cc: oneTBB, twice.
 *
 * tbb: task_arena::enqueue, its call for a task that the caller does not wait for inside the arena ("fire and
 * forget"), with no slot kept for a master thread; the future is an atomic flag of C++20 that is waited on.
 * tbb-group: task_group, run and wait, its recommended way to divide work; the caller is one of the
 * workers and helps while it waits. global_control allows as many threads as are asked for, and the caller:
 * by default there are no more than CPUs. Loops are parallel_for and parallel_reduce over blocked_range with
 * the partitioner that is the default, for both. */
#include <atomic>
#include <cstdlib>
#include <new>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/version.h>

#include "pools/pool.h"
#include "work/loop.h"

namespace
{

struct home {
    tbb::global_control threads;
    tbb::task_arena arena;
    tbb::task_group group;

    home(unsigned workers, unsigned masters)
        : threads(tbb::global_control::max_allowed_parallelism, workers + 1),
          arena(static_cast<int>(workers), masters)
    {
        arena.initialize();
    }
};

struct record {
    std::atomic<int> over;
    filch_task_fn *fn;
    void *arg;
    void *result;
    home *in;
};

home *home_of(void *pool)
{
    return static_cast<home *>(pool);
}

record *record_of(struct job *job)
{
    return static_cast<record *>(job->word[0]);
}

record *make(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    record *r = new record;

    r->over.store(0, std::memory_order_relaxed);
    r->fn = fn;
    r->arg = arg;
    r->in = home_of(pool);
    job->word[0] = r;
    return r;
}

void release(struct job *job)
{
    delete record_of(job);
}

void destroy(void *pool)
{
    delete home_of(pool);
}

/* ---- enqueue */

void *create(unsigned workers)
{
    return new home(workers, 0);
}

void submit(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    record *r = make(pool, fn, arg, job);

    r->in->arena.enqueue([r] {
        r->fn(r->arg, &r->result);
        r->over.store(1, std::memory_order_release);
        r->over.notify_one();
    });
}

void *wait(struct job *job)
{
    record *r = record_of(job);

    r->over.wait(0, std::memory_order_acquire);
    return r->result;
}

/* ---- task_group */

void *create_group(unsigned workers)
{
    return new home(workers, 1);
}

void submit_group(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    record *r = make(pool, fn, arg, job);

    r->in->arena.execute([r] {
        r->in->group.run([r] {
            r->fn(r->arg, &r->result);
            r->over.store(1, std::memory_order_release);
        });
    });
}

/* A group is waited for as a whole. */
void *wait_group(struct job *job)
{
    record *r = record_of(job);

    if (r->over.load(std::memory_order_acquire) == 0)
        r->in->arena.execute([r] { r->in->group.wait(); });
    return r->result;
}

/* ---- fork and join */

#define JOIN_FN(name, type, body)                                                                  \
    static void name(void *arg)                                                                    \
    {                                                                                              \
        body(static_cast<type *>(arg));                                                            \
    }

struct join_scope {
    tbb::task_group group;
};

struct join_task {
};

inline void join_fork(struct join_scope *scope, struct join_task *, void (*fn)(void *), void *arg)
{
    scope->group.run([fn, arg] { fn(arg); });
}

inline void join_one(struct join_scope *, struct join_task *)
{
}

inline void join_all(struct join_scope *scope)
{
    scope->group.wait();
}

void join_root(void *pool, void (*fn)(void *), void *arg)
{
    home_of(pool)->arena.execute([fn, arg] { fn(arg); });
}

#include "work/join.h"

/* ---- loops */

using range = tbb::blocked_range<size_t>;

void cheap(void *pool, struct piece *piece)
{
    home_of(pool)->arena.execute([piece] {
        tbb::parallel_for(range(0, piece->n), [piece](const range &r) {
            for (size_t i = r.begin(); i != r.end(); i++)
                piece->data[i] = loop_cheap_element(i);
        });
    });
}

void uneven(void *pool, struct piece *piece)
{
    home_of(pool)->arena.execute([piece] {
        tbb::parallel_for(range(0, piece->n), [piece](const range &r) {
            for (size_t i = r.begin(); i != r.end(); i++)
                piece->data[i] = loop_uneven_element(i, piece->n);
        });
    });
}

void sum(void *pool, struct piece *piece)
{
    home_of(pool)->arena.execute([piece] {
        piece->result = tbb::parallel_reduce(
            range(0, piece->n), uint64_t(0),
            [](const range &r, uint64_t s) {
                for (size_t i = r.begin(); i != r.end(); i++)
                    s += loop_term(i);
                return s;
            },
            [](uint64_t a, uint64_t b) { return a + b; });
    });
}

const struct loop_kernels loops = {cheap, uneven, sum};

const char of_the_process[] = "its threads belong to the process and outlive an arena";

struct pool enqueued()
{
    struct pool p = {};

    p.name = "tbb";
    p.about = "oneTBB " TBB_VERSION_STRING ", task_arena::enqueue and an atomic flag";
    p.create = create;
    p.destroy = destroy;
    p.submit = submit;
    p.wait = wait;
    p.release = release;
    p.no_join = "as tbb-group, which is its way to divide work";
    p.loops = &loops;
    p.no_life = of_the_process;
    return p;
}

struct pool grouped()
{
    struct pool p = {};

    p.name = "tbb-group";
    p.about = "oneTBB " TBB_VERSION_STRING ", task_group; the caller is one of the workers";
    p.create = create_group;
    p.destroy = destroy;
    p.caller_runs = true;
    p.submit = submit_group;
    p.wait = wait_group;
    p.release = release;
    p.join = &join_kernels;
    p.loops = &loops;
    p.no_life = of_the_process;
    p.no_pending = "the caller is one of the workers, and would be held itself";
    return p;
}

} // namespace

extern "C" __attribute__((visibility("default"))) const struct pool *bench_pool(const char *name);

const struct pool *bench_pool(const char *name)
{
    static const struct pool first = enqueued();
    static const struct pool second = grouped();

    return strcmp(name, first.name) == 0    ? &first
           : strcmp(name, second.name) == 0 ? &second
                                            : nullptr;
}
