/* SPDX-License-Identifier: MIT
 *
 * filch/process.h: an executor whose jobs run in processes of their own: one that crashes, leaks, scribbles or
 * never returns costs one future, and not the program.
 *
 *     int main(void)
 *     {
 *         if (filch_job_register("parse", parse) != 0 || filch_process_main() != 0)
 *             return 1;                        // in a worker process filch_process_main never returns
 *         ...
 *         status = filch_process_executor_create(&ex, NULL);
 *         status = filch_submit_job(ex, "parse", bytes, len, &future);
 *         status = filch_future_result(future, FILCH_FOREVER, &result);
 *         if (status == FILCH_ECRASHED) ...    // the next job runs in a fresh worker
 *
 * The executor starts this very program once more (posix_spawn, never fork: there may be threads). That copy
 * does what comes before filch_process_main, stays there, and forks the workers off itself. So whatever a
 * job needs is set up before, and nothing that starts a thread or asks for input belongs there.
 *
 * The copy is a child of the program, which gets a SIGCHLD when it ends, at the end of the executor; that is ignored by
 * default. Its workers are the copy's children, and no signal comes of them. They end when the program does, by whatever.
 *
 * All that takes futures takes these: wait, as_completed, combinators, callbacks, cancel, the completion queue.
 * Callbacks run in a thread of the executor's, or in the one that cancels. There they may do anything but wait for what
 * that thread is to tell: a wait for jobs of this executor that are not over is FILCH_EDEADLK, but to look (FILCH_NOW) is
 * not; a wait for what comes of them, a combinator's promise or a completion queue, is not seen, and may never end.
 * Tasks (filch_submit and its like), timers, fork and loops are not for other processes: FILCH_ENOTSUP. Within a
 * job no executor of the program is there; a job may make one of its own.
 *
 * A worker is not trusted. Whatever it writes where, the program is not harmed: it can only give a wrong result of
 * its own jobs, or none. It has the program's rights, though: to keep hostile code from other processes and files
 * is for child_setup. */
#ifndef FILCH_PROCESS_H
#define FILCH_PROCESS_H

#include <filch/executor.h>
#include <filch/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/* First thing in main, after the jobs are registered. In a process that an executor has started to have workers,
 * it becomes that and never returns; in any other it returns at once.
 * Returns 0, or FILCH_ENOTSUP in such a process that has more rights than who has started it (setuid). */
FILCH_API FILCH_CHECK int filch_process_main(void);

enum filch_process_flags {
    FILCH_STRICT_BROKEN =
        1 /* the first crash breaks the executor, and all its jobs fail: as Python's */
};

/* Set size to sizeof and the rest to zero: every zero is a default. Fields are only ever appended. */
typedef struct filch_process_options {
    size_t size;
    unsigned workers;    /* processes; 0: filch_cpu_budget() */
    unsigned flags;      /* enum filch_process_flags */
    const char *name;    /* workers are called "name-p3"; 8 bytes count; NULL: "filch" */
    const char *program; /* to start instead of this one: its path. It registers the jobs and calls
                              filch_process_main; this program need not */
    size_t
        ring_bytes; /* shared with each worker, each way; 0: 4 MiB. Touched as it is used. A payload of
                              more than a quarter of it has a memory file of its own */
    size_t max_payload; /* of a job and of its result; 0: 1 GiB */
    int64_t spin_ns;    /* watch that long at most before sleeping; 0: 50 us; < 0: not at all */
    unsigned
        max_crashes; /* 0: 1. A job whose worker crashes is run again until so many have, and ends with
                              FILCH_ECRASHED if that is 1; otherwise with FILCH_EPOISON, and the same name with the
                              same bytes is not taken any more. What killed it from outside counts, too */
    unsigned max_jobs;    /* after so many a worker is replaced; 0: never */
    size_t max_rss_bytes; /* ... or when it has so much memory after a job; 0: never */
    int64_t max_age_ns;   /* ... or when it is so old; 0: never */
    int64_t
        kill_after_ns; /* a job that takes longer is killed, with its worker: FILCH_EKILLED; 0: never */
    int64_t cpu_limit_ns;     /* the same for CPU time */
    int64_t start_timeout_ns; /* for a worker to come up; 0: 10 s */
    const char *
        child_setup; /* the name of a job that each worker runs first: limits, seccomp, user. If it does
                                 not return 0, the worker has not started. NULL: none */
    const void *child_setup_in; /* ... over these bytes, which are copied */
    size_t child_setup_len;
    const filch_allocator *allocator; /* for records and what waits; NULL: the system's; copied */
    void (*on_unobserved)(const struct filch_unobserved *info,
                          void *hook_arg); /* as filch_options' */
    void *hook_arg;
} filch_process_options;

/* Makes an executor and starts its workers. options may be NULL: all defaults. A worker that dies is replaced, at
 * once the first time, and later the faster it dies again: up to a second. If none is left and none can be started any
 * more, each having been tried five times in a row, the executor is broken: filch_executor_broken says why. So it is if
 * the copy that forks them has died, and its program's file is another build by then, or registers other jobs.
 * Returns 0 with *out set, or
 *     FILCH_EINVAL      an option out of range, or size not set
 *     FILCH_E2BIG       options of a later version that ask for what this one does not know
 *     FILCH_ENOENT      child_setup is no job that the workers know, or program is not there
 *     FILCH_ENOTSUP     filch_process_main was not called; the other program did not call it, is of another
 *                       version, or has threads; or the system lacks pidfd or memory files (Linux 5.4)
 *     FILCH_EBROKEN     child_setup failed, or the workers died as they started
 *     FILCH_ETIMEDOUT   they did not come up in time
 *     FILCH_EAGAIN, FILCH_EMFILE, FILCH_ENOMEM   the system had no process, descriptor or memory left
 * Blocks   until the workers have started. */
FILCH_API FILCH_CHECK int filch_process_executor_create(filch_executor **out,
                                                        const filch_process_options *options);

/* Closes the executor, fails what is queued and what runs with FILCH_EKILLED, and ends all workers: terminate by
 * SIGTERM, and whoever is there still after grace_ns by SIGKILL; kill at once. Python's terminate_workers and
 * kill_workers. It may be closed, or dead, already.
 * Returns 0, FILCH_EINVAL, FILCH_ENOTSUP (no process executor), FILCH_EFORKED. */
FILCH_API int filch_process_terminate(filch_executor *ex, int64_t grace_ns);
FILCH_API int filch_process_kill(filch_executor *ex);

/* How a worker has died. */
enum filch_death {
    FILCH_DEATH_EXIT = 1, /* it called exit */
    FILCH_DEATH_SIGNAL,   /* a signal: its own, or another's */
    FILCH_DEATH_WALL,     /* kill_after_ns */
    FILCH_DEATH_CPU,      /* cpu_limit_ns */
    FILCH_DEATH_ASKED, /* filch_process_terminate, filch_process_kill, or the end of the executor */
    FILCH_DEATH_FORGED /* it wrote to the shared memory what no worker writes, and was killed for that */
};

/* What filch_error.detail points to (filch_crash *) if the code is FILCH_ECRASHED, FILCH_EPOISON or FILCH_EKILLED:
 * of the last worker that the job has crashed, or all zero but how if it was with none. NULL: out of memory. */
typedef struct filch_crash {
    enum filch_death how;
    int pid;
    int exit_code; /* FILCH_DEATH_EXIT */
    int signal;    /* otherwise: 0 if it is not known */
    bool dumped_core;
    bool
        has_address; /* SIGSEGV, SIGBUS, SIGILL, SIGFPE: where, if the job has no handler of its own */
    uint64_t address;
    unsigned crashes; /* of this job, so far */
} filch_crash;

typedef struct filch_process_stats {
    size_t size;
    uint64_t started;  /* worker processes, ever */
    uint64_t alive;    /* now */
    uint64_t crashed;  /* ... that died and were not told to */
    uint64_t killed;   /* by a limit */
    uint64_t recycled; /* by max_jobs, max_rss_bytes, max_age_ns */
    uint64_t retried;  /* jobs run once more after a crash */
    uint64_t returned; /* jobs taken back from a worker that was busy or had died, for another */
    uint64_t far;      /* payloads too large for the ring */
} filch_process_stats;

/* Fills in *stats; size has to be set. Returns 0, FILCH_EINVAL, FILCH_ENOTSUP (no process executor), FILCH_EFORKED. */
FILCH_API int filch_process_stats_read(filch_executor *ex, filch_process_stats *stats);

/* The process of worker i, below filch_executor_workers; 0: there is none now. It may have died meanwhile: for
 * logs and for tests. */
FILCH_API int filch_process_pid(filch_executor *ex, unsigned i);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_PROCESS_H */
