/* SPDX-License-Identifier: MIT
 *
 * process.h: what a load knows of a pool whose workers are processes. A job is one of two functions over bytes,
 * and gives bytes back.
 *
 * The bytes that are submitted may be changed as soon as the call is back: filch copies them, and so does everybody
 * else who does not write them to another process at once. */
#ifndef FL_BENCH_PROCESS_PROCESS_H
#define FL_BENCH_PROCESS_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "pools/pool.h"

struct load;
struct slice;

enum process_job {
    JOB_ADD_ONE, /* 8 bytes, a number of 64 bits: the next one */
    JOB_ECHO     /* any bytes: the same ones */
};

/* What a load asks for: its kernel. */
enum process_shape {
    PROCESS_HOT,    /* one job in flight, the next at once */
    PROCESS_PARKED, /* ... after a pause */
    PROCESS_STREAM  /* as many in flight as the load's window says */
};

struct process_ops {
    /* Called with the calling thread alone: it may fork. Ends the program if there are no workers to be had. */
    void *(*create)(unsigned workers);
    void (*destroy)(void *pool);

    void (*submit)(void *pool, enum process_job what, const void *bytes, size_t n, struct job *job);
    const void *(*wait)(struct job *job, size_t *n); /* good until it is released */
    void (*release)(struct job *job);

    size_t most_jobs; /* of a slice, because each takes so long; 0: as many as there are */

    /* Another program that does the whole load, and checks and measures it itself: then this is all
     * there is. */
    void (*answer)(const struct load *load, struct slice *slice);
};

/* First thing in main: a process that was started to be a worker is one from then on, and does not return. */
void process_main(int argc, char **argv);

/* filch.c; all zero: this library has no executor of processes. */
extern const struct process_ops process_filch;
/* What filch does first thing in main. */
void process_filch_main(void);

/* each.c: the process that is started for one job. Does not return. */
__attribute__((noreturn)) void process_each_main(void);

/* "pipes", "fork", "exec", "python"; NULL: none has that name, or why it is not there stands in why, of size
 * bytes. */
const struct pool *process_pool(const char *name, char *why, size_t size);
extern const struct pool process_pipes, process_fork, process_exec;
const struct pool *process_python(char *why, size_t size);

/* How many jobs of that load a slice has. ops may be NULL. */
size_t process_jobs_of(const struct load *load, const struct process_ops *ops);

/* What so many words add up to: what went and what came back is held against each other by it. */
uint64_t process_sum(const uint64_t *words, size_t n);

/* machine.c: what the machine allows for. */
void process_machine_line(const struct load *load, struct slice *slice);
void process_machine_ring(const struct load *load, struct slice *slice);
void process_machine_copies(const struct load *load, struct slice *slice);

#endif /* FL_BENCH_PROCESS_PROCESS_H */
