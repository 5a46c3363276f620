/* SPDX-License-Identifier: MIT
 *
 * filch/stats.h: what an executor is doing: counters, names and the trace.
 *
 * Counters are kept by each worker for itself and added up when asked for. The trace is a ring for
 * each worker, on only when options.trace_events is set; when a ring is full, its events are dropped
 * and counted, so that tracing never waits. A name that is given to a function costs its tasks nothing;
 * one that is given to a task (filch_task_options) goes before it.
 *
 *     filch_trace_event e;
 *     int status = filch_executor_name_function(ex, parse, "parse");
 *     while (status == 0 && filch_executor_trace_next(ex, &e) == 0)
 *         printf("%lld %s %s\n", (long long)e.time_ns, filch_trace_kind_name(e.kind), e.name); */
#ifndef FILCH_STATS_H
#define FILCH_STATS_H

#include <filch/submit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set size to sizeof before the call. Sums over all workers since create; a snapshot, not an
 * instant: the counters are read one after the other. */
typedef struct filch_executor_stats {
    size_t size;
    uint64_t submitted;     /* tasks accepted */
    uint64_t ended;         /* tasks that left the queues: run, cancelled or dropped */
    uint64_t executed;      /* tasks whose function ran and returned */
    uint64_t stolen;        /* taken from another worker's deque */
    uint64_t parks;         /* times a worker went to sleep */
    uint64_t wakes;         /* times a worker was woken */
    uint64_t helped;        /* tasks run by a worker that waited for a future */
    uint64_t running;       /* tasks begun and not ended, now */
    uint64_t pending;       /* submitted - ended - running */
    uint64_t workers;       /* worker threads alive, spares included; for a moment one more for each
                               call that looks for somebody: resume, kick, wait_idle */
    uint64_t spares;        /* threads ever started to stand in for waiting workers */
    uint64_t trace_dropped; /* events that found their ring full */
    uint64_t memory_bytes;  /* taken from the allocator now */
    uint64_t tombstones;    /* cancelled, and not yet taken out of the queue, now */
    uint64_t unobserved;    /* failures that nobody has read: filch_unobserved (future.h) */
} filch_executor_stats;

/* Fills in *stats. Returns 0, FILCH_EINVAL if size is not set, FILCH_ENOTSUP for a rival. */
FILCH_API int filch_executor_stats_read(filch_executor *ex, filch_executor_stats *stats);

enum filch_trace_kind {
    FILCH_TRACE_START = 1, /* a task's function begins */
    FILCH_TRACE_END,       /* it has returned */
    FILCH_TRACE_STEAL,     /* a task was taken from another worker */
    FILCH_TRACE_PARK,      /* the worker goes to sleep */
    FILCH_TRACE_UNPARK     /* it is awake again */
};

typedef struct filch_trace_event {
    int64_t time_ns; /* CLOCK_MONOTONIC */
    uint32_t worker;
    uint32_t kind;     /* enum filch_trace_kind */
    filch_task_fn *fn; /* NULL for park and unpark */
    const char
        *name; /* start and end: the task's (filch_task_options), if it has one; otherwise fn's
                          (filch_executor_name_function), or NULL */
} filch_trace_event;

/* "start", "end", "steal", "park", "unpark"; NULL for anything else. */
FILCH_API const char *filch_trace_kind_name(uint32_t kind);

/* Takes the next event: in order for each worker, workers in turn. One thread at a time may read an
 * executor's trace.
 * Returns 0, FILCH_EEND if there is none now, FILCH_ENOTSUP if trace_events was 0. */
FILCH_API FILCH_CHECK int filch_executor_trace_next(filch_executor *ex, filch_trace_event *event);

/* Names a task function for the trace. The text is not copied: it has to live as long as the
 * executor. A later name for the same function replaces the earlier.
 * Returns 0, FILCH_ENOMEM, FILCH_ENOTSUP for a rival.
 * Blocks   while another thread names a function of the same executor. */
FILCH_API FILCH_CHECK int filch_executor_name_function(filch_executor *ex, filch_task_fn *fn,
                                                       const char *name);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_STATS_H */
