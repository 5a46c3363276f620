/* SPDX-License-Identifier: MIT
 *
 * asio.cc: Boost.Asio's thread_pool, twice.
 *
 * asio: post with a std::packaged_task, its own documentation's way to have a future. asio-post: post with a
 * record of one's own and an atomic flag of C++20 to wait on, which spares the shared state of a std::future.
 * The pool is made with as many threads as are asked for, which also chooses its scheduler's locking. */
#include <atomic>
#include <cstring>
#include <future>
#include <new>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

#include "pools/pool.h"

namespace
{

using pool_type = boost::asio::thread_pool;
using future = std::future<void *>;

pool_type *pool_of(void *pool)
{
    return static_cast<pool_type *>(pool);
}

void *create(unsigned workers)
{
    return new pool_type(workers);
}

void destroy(void *pool)
{
    pool_of(pool)->join();
    delete pool_of(pool);
}

/* ---- packaged_task: the future stands in the job itself */

future *future_of(struct job *job)
{
    static_assert(sizeof(future) <= sizeof *job, "a future is two words");
    return reinterpret_cast<future *>(job);
}

void submit(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    std::packaged_task<void *()> task([fn, arg] {
        void *result = nullptr;

        fn(arg, &result);
        return result;
    });

    new (job) future(task.get_future());
    boost::asio::post(*pool_of(pool), std::move(task));
}

void *wait(struct job *job)
{
    return future_of(job)->get();
}

void release(struct job *job)
{
    future_of(job)->~future();
}

/* ---- post */

struct record {
    std::atomic<int> over;
    filch_task_fn *fn;
    void *arg;
    void *result;
};

void post(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    record *r = new record;

    r->over.store(0, std::memory_order_relaxed);
    r->fn = fn;
    r->arg = arg;
    job->word[0] = r;
    boost::asio::post(*pool_of(pool), [r] {
        r->fn(r->arg, &r->result);
        r->over.store(1, std::memory_order_release);
        r->over.notify_one();
    });
}

void *wait_posted(struct job *job)
{
    record *r = static_cast<record *>(job->word[0]);

    r->over.wait(0, std::memory_order_acquire);
    return r->result;
}

void release_posted(struct job *job)
{
    delete static_cast<record *>(job->word[0]);
}

const char deadlock[] =
    "a task that waits for another one holds its thread, so that nested waits never end";

struct pool packaged()
{
    struct pool p = {};

    p.name = "asio";
    p.about = "Boost.Asio " BOOST_LIB_VERSION ", post with a std::packaged_task";
    p.create = create;
    p.destroy = destroy;
    p.submit = submit;
    p.wait = wait;
    p.release = release;
    p.no_join = deadlock;
    return p;
}

struct pool posted()
{
    struct pool p = packaged();

    p.name = "asio-post";
    p.about = "Boost.Asio " BOOST_LIB_VERSION ", post with a record and an atomic flag";
    p.submit = post;
    p.wait = wait_posted;
    p.release = release_posted;
    return p;
}

} // namespace

extern "C" __attribute__((visibility("default"))) const struct pool *bench_pool(const char *name);

const struct pool *bench_pool(const char *name)
{
    static const struct pool first = packaged();
    static const struct pool second = posted();

    return strcmp(name, first.name) == 0    ? &first
           : strcmp(name, second.name) == 0 ? &second
                                            : nullptr;
}
