/* SPDX-License-Identifier: MIT
 *
 * process.c: who has workers that are processes, and what a process is that was started to be one. */
#include "process/process.h"

#include <string.h>

#include "driver/bench.h"

#ifdef BENCH_WITHOUT_PROCESSES
const struct process_ops process_filch = {0};

void process_filch_main(void)
{
}
#endif

void process_main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--job") == 0)
        process_each_main();
    process_filch_main();
}

const struct pool *process_pool(const char *name, char *why, size_t size)
{
    static const struct pool *const pools[] = {&process_pipes, &process_fork, &process_exec};

    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        if (strcmp(pools[i]->name, name) == 0)
            return pools[i];
    }
    return strcmp(name, "python") == 0 ? process_python(why, size) : NULL;
}

size_t process_jobs_of(const struct load *load, const struct process_ops *ops)
{
    size_t n = plan.jobs;

    if (n > plan.job_bytes / load->bytes)
        n = plan.job_bytes / load->bytes;
    return ops != NULL && ops->most_jobs != 0 && n > ops->most_jobs ? ops->most_jobs : n;
}

/* Four at a time: one chain of additions would be slower than the memory. */
uint64_t process_sum(const uint64_t *words, size_t n)
{
    uint64_t sum[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4) {
        for (size_t k = 0; k < 4; k++)
            sum[k] += words[i + k];
    }
    for (; i < n; i++)
        sum[0] += words[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}
