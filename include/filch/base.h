/* SPDX-License-Identifier: MIT
 *
 * filch/base.h: what every other header uses: status codes, deadlines, the allocator.
 *
 * Said once, for every function of filch, and repeated nowhere; a function mentions what differs:
 *   - any thread may call it, a task and a done callback too; it does not block;
 *   - it keeps no pointer it was given; NULL is not accepted, and answered with FILCH_EINVAL where
 *     the function returns a status;
 *   - it is not async-signal-safe; in a forked child see FILCH_EFORKED;
 *   - it never aborts, exits or prints, and it leaves errno and the signal mask alone.
 *
 *     int status = filch_submit(ex, work, arg, &future);
 *     if (status != 0)
 *         fprintf(stderr, "submit: %s\n", filch_strerror(status)); */
#ifndef FILCH_BASE_H
#define FILCH_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILCH_VERSION_MAJOR 0
#define FILCH_VERSION_MINOR 1
#define FILCH_VERSION_PATCH 0

#define FILCH_API   __attribute__((visibility("default")))
#define FILCH_CHECK __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/* The one list of statuses: name, number, sentence. The numbers are Linux's negative errno where
 * one fits and stand below -4096 where none does. */
#define FILCH_STATUS_MAP(X)                                                                        \
    X(ENOENT, -2, "nothing of that name")                                                          \
    X(E2BIG, -7, "the options struct is newer than this library and uses what it does not know")   \
    X(EAGAIN, -11, "the system could not give a thread")                                           \
    X(ENOMEM, -12, "out of memory")                                                                \
    X(EINVAL, -22, "invalid argument")                                                             \
    X(EMFILE, -24, "no file descriptor is left")                                                   \
    X(EDEADLK, -35, "the caller would wait for itself")                                            \
    X(EMSGSIZE, -90, "more bytes than are allowed")                                                \
    X(ENOTSUP, -95, "not supported in this process")                                               \
    X(ETIMEDOUT, -110, "the deadline passed first")                                                \
    X(ECANCELED, -125, "the task was cancelled and never ran")                                     \
    X(EFULL, -4097, "the queue is full")                                                           \
    X(ESHUTDOWN, -4098, "the executor is shut down")                                               \
    X(ESTATE, -4099, "the future is not in a state that allows this")                              \
    X(EBROKEN, -4100, "the executor is broken: a worker's start hook failed")                      \
    X(EEND, -4101, "nothing is left")                                                              \
    X(EFORKED, -4102, "the executor belongs to the parent process")                                \
    X(EEXPIRED, -4105, "it was not started in time")                                               \
    X(EABANDONED, -4104, "nobody is left who could complete it")                                   \
    X(ECRASHED, -4106, "the process that ran it has died")                                         \
    X(EPOISON, -4107, "it has crashed too many processes")                                         \
    X(EKILLED, -4108, "the process that ran it was killed")                                        \
    X(EINTERNAL, -4103, "an invariant of filch is broken")

/* 0 is success; a negative FILCH_E... is filch's own; a positive value is the task's own error
 * code, as its function returned it. */
enum filch_status {
    FILCH_OK = 0,
#define FILCH_STATUS_ENUM(name, number, text) FILCH_##name = number,
    FILCH_STATUS_MAP(FILCH_STATUS_ENUM)
#undef FILCH_STATUS_ENUM
};

/* A sentence for a status, without a full stop: static text, never NULL. Async-signal-safe. */
FILCH_API const char *filch_strerror(int status);

/* The status's own name, "FILCH_EINVAL"; "FILCH_OK" for 0, NULL for a number that is not filch's.
 * Async-signal-safe. */
FILCH_API const char *filch_status_name(int status);

/* The version of the library that runs, "0.1.0": static text. */
FILCH_API const char *filch_version(void);

/* A point in time: absolute CLOCK_MONOTONIC nanoseconds. A deadline in the past polls. */
typedef int64_t filch_deadline;

#define FILCH_FOREVER INT64_MAX
#define FILCH_NOW     0 /* poll, never block */

/* The deadline that far from now. Saturating: too far is FILCH_FOREVER, negative is past. */
FILCH_API filch_deadline filch_in_ns(int64_t ns);
FILCH_API filch_deadline filch_in_us(int64_t us);
FILCH_API filch_deadline filch_in_ms(int64_t ms);
FILCH_API filch_deadline filch_in_s(int64_t s);

/* Where an executor's memory comes from. The functions are called from any thread, several at a
 * time. An executor copies the struct; ctx has to live until the executor is destroyed and the last
 * of its futures released, and then, if destroy is set, the executor calls it with ctx, once. */
typedef struct filch_allocator {
    void *(*alloc)(void *ctx, size_t size, size_t align); /* NULL: out of memory; align: 2^n */
    void (*free)(void *ctx, void *p, size_t size, size_t align); /* p is never NULL */
    void (*destroy)(void *ctx);                                  /* NULL: nothing to undo */
    void *ctx;
} filch_allocator;

/* What an allocator of filch_allocator_jemalloc holds, in bytes. */
typedef struct filch_allocator_stats {
    uint64_t allocated; /* handed out and not yet freed */
    uint64_t active;    /* in pages that hold at least one allocation */
    uint64_t mapped;    /* taken from the system */
    uint64_t allocs;    /* allocations since the arena was made */
    uint64_t frees;
} filch_allocator_stats;

/* Fills in the process's own malloc and free (the default). Returns 0. */
FILCH_API int filch_allocator_system(filch_allocator *out);

/* Makes a jemalloc arena and fills in an allocator over it. The executor that is created with it
 * owns it from then on and destroys the arena last of all; if none takes it, call out->destroy.
 * filch does not link jemalloc: it is found where the program has it.
 * Returns 0, or
 *     FILCH_ENOTSUP   the process has no jemalloc (5 or later)
 *     FILCH_ENOMEM    no arena to be had */
FILCH_API FILCH_CHECK int filch_allocator_jemalloc(filch_allocator *out);

/* Reads the figures of an allocator that filch_allocator_jemalloc made.
 * Returns 0, or FILCH_ENOTSUP for any other allocator or a jemalloc without statistics. */
FILCH_API FILCH_CHECK int filch_allocator_stats_read(const filch_allocator *allocator,
                                                     filch_allocator_stats *stats);

/* The number of CPUs that this process may keep busy: its affinity mask, the cgroup quota of every
 * level above it (rounded up) and the environment's FILCH_CPU_LIMIT, whichever is least; at least 1.
 * Reads files under /proc and /sys: not for a hot path. */
FILCH_API unsigned filch_cpu_budget(void);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_BASE_H */
