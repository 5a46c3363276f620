/* SPDX-License-Identifier: MIT
 *
 * gbench.h: Google Benchmark with a C face: the one place where this project meets C++.
 *
 *     static void add(struct gbench *g, void *arg)
 *     {
 *         while (gbench_batch(g, 64))
 *             for (int i = 0; i < 64; i++)
 *                 ...;
 *     }
 *     gbench_register("limits/add", add, NULL, 1);
 *     gbench_run(".", 0.05, 5, note, &notes); */
#ifndef FL_BENCH_SHIM_GBENCH_H
#define FL_BENCH_SHIM_GBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench; /* a running benchmark, one a thread */

typedef void gbench_fn(struct gbench *g, void *arg);

/* fn runs on that many threads at once. Names are addresses, "deque/push_pop". */
void gbench_register(const char *name, gbench_fn *fn, void *arg, int threads);

/* Its time is what fn says by gbench_time, not what passes in its loop. */
void gbench_register_timed(const char *name, gbench_fn *fn, void *arg, int threads);

/* Once more? Each call stands for one operation, or for n of them. The first call of each thread
 * waits for all threads of the benchmark, and so does the one that returns false. */
bool gbench_once(struct gbench *g);
bool gbench_batch(struct gbench *g, int64_t n);

int gbench_thread(const struct gbench *g);               /* 0 .. threads - 1 */
void gbench_time(struct gbench *g, double seconds);      /* of this iteration */
void gbench_fail(struct gbench *g, const char *message); /* its result is wrong: no time for it */

/* One repetition of one benchmark. Text lives as long as the call it is passed to. */
struct gbench_result {
    const char *name;
    const char *error; /* NULL: none */
    double ns;         /* of real time, for each operation of one thread */
    int64_t iterations;
};

/* Runs those that are registered with a name in which the regular expression only is found, their
 * repetitions in random order, and tells of each one. Returns how many results it told of. */
size_t gbench_run(const char *only, double min_seconds, int repetitions,
                  void (*note)(void *arg, const struct gbench_result *result), void *arg);

#ifdef __cplusplus
}
#endif

#endif /* FL_BENCH_SHIM_GBENCH_H */
