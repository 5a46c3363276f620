/* SPDX-License-Identifier: MIT
 *
 * async.cc: the standard library's std::async with std::launch::async: a thread for each task. */
#include <future>
#include <new>
#include <system_error>
#include <thread>

#include "pools/pool.h"

namespace
{

using future = std::future<void *>;

/* There is no pool: it is the process. */
void *create(unsigned)
{
    static int process;

    return &process;
}

void destroy(void *)
{
}

future *future_of(struct job *job)
{
    static_assert(sizeof(future) <= sizeof *job, "a future is two words");
    return reinterpret_cast<future *>(job);
}

void submit(void *, filch_task_fn *fn, void *arg, struct job *job)
{
    auto task = [fn, arg] {
        void *result = nullptr;

        fn(arg, &result);
        return result;
    };

    for (;;) {
        try {
            new (job) future(std::async(std::launch::async, task));
            return;
        } catch (const std::system_error &e) {
            /* As many threads as the system allows: one of them has to end first. */
            if (e.code() != std::errc::resource_unavailable_try_again)
                throw;
            std::this_thread::yield();
        }
    }
}

void *wait(struct job *job)
{
    return future_of(job)->get();
}

void release(struct job *job)
{
    future_of(job)->~future();
}

struct pool make()
{
    struct pool p = {};

    p.name = "async";
    p.about = "std::async of libstdc++, std::launch::async: a thread for each task";
    p.create = create;
    p.destroy = destroy;
    p.submit = submit;
    p.wait = wait;
    p.release = release;
    p.no_join = "each of 10^5 tasks would be a thread";
    p.no_life = "there is none to be created";
    p.no_pending = "each task has a thread at once, so that none is pending";
    p.most_tasks = 500;
    return p;
}

} // namespace

extern "C" __attribute__((visibility("default"))) const struct pool *bench_pool(const char *name);

const struct pool *bench_pool(const char *)
{
    static const struct pool only = make();

    return &only;
}
