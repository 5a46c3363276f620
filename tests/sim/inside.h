/* SPDX-License-Identifier: MIT
 *
 * inside.h: what the parts of the simulator share: engine.c runs one execution, memory.c is what the
 * threads of it see, hooks.c and doors.c are how the code under test gets there, explore.c decides
 * which executions there are. None of it is instrumented. */
#ifndef FL_TESTS_SIM_INSIDE_H
#define FL_TESTS_SIM_INSIDE_H

#include "sim/sim.h"

#include <stdio.h>

/* ---- decisions: explore.c ---- */

enum sim_kind {
    SIM_SCHEDULE, /* which thread makes the next step */
    SIM_READ,     /* which store a load returns; 0: the newest */
    SIM_SURPRISE, /* whether something happens that need not; 0: no */
    SIM_PICK      /* the scenario's own choice, or a random number of core/ */
};

/* 0 <= result < n. An alternative to 0 costs one of the budget of its kind, unless it is free. */
unsigned sim_decide(enum sim_kind kind, unsigned n, bool is_free);

/* Which of the n threads listed comes next; is_free: the first of them can't go on anyway. */
unsigned sim_decide_thread(const int *threads, unsigned n, bool is_free);
void sim_thread_started(int thread);

/* A step of this thread at this address is next: whether that is a place to switch. */
void sim_at(const void *address, int thread);

/* ---- threads: engine.c ---- */

/* How much of each thread's past one knows: for each thread, up to which of its steps. Behind them,
 * up to which of all seq_cst stores. */
struct sim_clock {
    uint32_t at[SIM_THREADS + 1];
};

enum {
    SIM_SC = SIM_THREADS,
    SIM_CALLS = 64,
    SIM_STACK_BYTES = 256 * 1024
};

enum sim_state {
    SIM_NONE,
    SIM_READY,
    SIM_BLOCKED,
    SIM_DONE,
    SIM_STOPPED /* frozen for ever */
};

struct sim_stack {
    uint32_t depth;
    const void *pc[SIM_CALLS];
};

struct sim_thread {
    int id;
    enum sim_state state;
    void *sp;
    void (*main)(void *arg);
    void *arg;
    int parent;
    bool is_detached, is_joined;
    bool is_core; /* started by core/: has to be joined or detached */
    bool is_paused;
    unsigned solo;
    uint32_t steps;
    uint32_t pauses;

    /* What it waits for. */
    const void *futex;
    int64_t deadline;
    uint64_t queued; /* its turn among those who wait */
    bool may_time_out;
    int wait_status;
    int joining; /* a thread's number, or -1 */

    /* What it knows: hb for races, coh for what it may still read (hb and what fences have shown);
     * the same of what relaxed loads have seen and an acquire fence would show, and of what a
     * relaxed store shows since the last release fence. */
    struct sim_clock hb, coh, pending_hb, pending_coh, fence_hb, fence_coh;

    struct sim_stack calls;
};

struct sim_failure {
    bool is_set;
    char kind[32];
    char what[400];
    char where[200];
    int thread;
    struct sim_stack stack; /* where it happened */
    struct sim_stack other; /* the other access, the free, the allocation */
    char other_what[64];
};

enum sim_mode {
    SIM_DFS,
    SIM_RANDOM,
    SIM_PCT,
    SIM_REPLAY
};

struct sim_run {
    const struct sim_scenario *scenario;
    uint32_t generation; /* of this execution: what bears another is from an earlier one */
    uint64_t steps;
    uint64_t max_steps;
    uint64_t stores; /* changes of memory, to tell waiting from progress */
    uint64_t quiet_stores;
    unsigned quiet_rounds;
    bool is_fresh; /* all wait for something: loads return the newest */
    int64_t clock;
    uint64_t queue;
    int freeze_thread; /* -1: none */
    uint32_t freeze_at;
    int frozen;
    unsigned spurious, timeouts, alloc_faults, thread_faults, weak_faults; /* left */
    unsigned stack_left;
    int64_t yield_ns;
    struct sim_failure failure;
    bool is_traced;
};

extern struct sim_run sim_run_;
extern struct sim_thread sim_thread_[SIM_THREADS];
extern struct sim_thread *sim_cur; /* NULL: outside of an execution */
extern int sim_threads_n;
extern char *sim_stacks; /* SIM_THREADS of them */

void sim_engine_open(void);

/* Runs one execution of sim_run_.scenario; the decisions have been prepared. */
void sim_execute(void);

/* Before each step: others may come first. */
void sim_point(const void *address);
void sim_block(void); /* until somebody makes the caller ready */
void sim_wake_thread(struct sim_thread *t);
int sim_start_thread(void (*main)(void *arg), void *arg, bool is_core); /* -1: no more threads */
void sim_join_thread(int id);
void sim_ghost_check(void);        /* after each step */
bool sim_surprise(unsigned *left); /* decides whether one of what is left happens now */
__attribute__((noreturn)) void sim_fail_at(const char *kind, const char *what,
                                           const struct sim_stack *other, const char *other_what);

/* ---- memory: memory.c ---- */

enum sim_order {
    SIM_RELAXED = 0, /* the compiler's numbers */
    SIM_CONSUME = 1,
    SIM_ACQUIRE = 2,
    SIM_RELEASE = 3,
    SIM_ACQ_REL = 4,
    SIM_SEQ_CST = 5
};

enum sim_rmw {
    SIM_SWAP,
    SIM_ADD,
    SIM_SUB,
    SIM_AND,
    SIM_OR,
    SIM_XOR
};

void sim_memory_open(void);
void sim_memory_reset(void); /* for a new execution */
void sim_memory_leaks(void); /* fails if something is left */

uint64_t sim_mem_load(const volatile void *p, unsigned size, int order);
void sim_mem_store(volatile void *p, unsigned size, uint64_t v, int order);
uint64_t sim_mem_rmw(volatile void *p, unsigned size, enum sim_rmw op, uint64_t v, int order);
bool sim_mem_cas(volatile void *p, unsigned size, uint64_t *expected, uint64_t v, int success,
                 int failure, bool is_weak);
void sim_mem_fence(int order);
void sim_mem_plain(const volatile void *p, size_t size, bool is_write);
void sim_mem_alive(const volatile void *p, size_t size); /* fails if it was freed */

void *sim_mem_alloc(size_t size, size_t align);
void sim_mem_free(void *p);

void sim_clock_join(struct sim_clock *to, const struct sim_clock *from);
void sim_clock_next(struct sim_thread *t); /* what it does from now on is new */

/* ---- hooks.c ---- */

/* Operations whose calls return to these addresses get this order; is_failure: the order of a
 * comparison that fails. */
void sim_weaken(const uint32_t *pc, unsigned n, int order, bool is_failure);
extern uint64_t sim_weakened_met;

/* ---- the record of an execution: trace.c ---- */

void sim_trace_reset(void);
void sim_trace(const char *op, const volatile void *p, uint64_t v, const char *note);
void sim_trace_print(FILE *to);
void sim_print_stack(FILE *to, const struct sim_stack *stack);
const char *sim_order_name(int order);

#endif /* FL_TESTS_SIM_INSIDE_H */
