/* SPDX-License-Identifier: MIT
 *
 * sim.h: a scenario: a few threads of the real code of core/, run under every schedule and every read
 * that the memory model allows, as far as the chosen exploration goes.
 *
 * core/ is compiled as it is, with the compiler's instrumentation for ThreadSanitizer, and linked
 * with a runtime of our own in that one's place (memory.c, hooks.c): so each atomic access is a step
 * at which another thread may come next and at which a load may return any value that C11 allows,
 * and each plain access is checked for races, for memory that is not allocated and for memory that
 * was freed. Threads, futexes, clocks, random numbers and allocation are the engine's (doors/).
 *
 *     SCENARIO(one_task_leaves_once, .stale = 2)
 *     {
 *         prepare();
 *         sim_spawn(thief, NULL);
 *         owner();
 *         sim_join_all();
 *         sim_check(taken == 1);
 *     }
 *
 * The body is thread 0. It runs from the start for each execution; all memory that the scenario and
 * core/ allocate has to be freed at its end. Scenario variables are ordinary statics, set by the
 * body: what several threads use plainly is checked for races like everything else. */
#ifndef FL_TESTS_SIM_H
#define FL_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <filch/base.h>

enum {
    SIM_THREADS = 8 /* at most, thread 0 included: those of core/ and those of the scenario */
};

/* What may go wrong in one execution, at most so many times, at any place where it can. */
struct sim_scenario {
    const char *name;
    const char *file;
    void (*run)(void);
    void (*ghost)(void);    /* checked after each step, by sim_check; SIM_GHOST */
    unsigned spurious;      /* futex waits that return for no reason */
    unsigned timeouts;      /* timed waits that time out although something could still happen */
    unsigned alloc_faults;  /* allocations that fail */
    unsigned thread_faults; /* threads that can't be started */
    unsigned weak_faults;   /* weak compare-and-swaps that fail though they need not */
    unsigned max_steps;     /* more is a livelock; 0: 20,000 */
    const char *fails;      /* a kind of failure that has to be found: for what shows a fault */
    bool freezes;           /* holds too if one spawned thread stops for ever: sim_frozen */
    struct sim_scenario *next;
};

void sim_register(struct sim_scenario *scenario);

/* SCENARIO(name) or SCENARIO(name, .field = value, ...), and a body. */
#define SCENARIO(...) SIM_SCENARIO_(__VA_ARGS__, .next = NULL)
#define SIM_SCENARIO_(scenario_name, ...)                                                          \
    static void scenario_name(void);                                                               \
    __attribute__((constructor)) static void sim_register_##scenario_name(void)                    \
    {                                                                                              \
        static struct sim_scenario scenario = {                                                    \
            .name = #scenario_name, .file = __FILE__, .run = scenario_name, __VA_ARGS__};          \
        sim_register(&scenario);                                                                   \
    }                                                                                              \
    static void scenario_name(void)

/* A function that looks at everything and is seen by nobody: its accesses are no steps and no races.
 * It reads the newest value of each atomic word. */
#define SIM_GHOST __attribute__((no_sanitize_thread, noinline))

/* Starts a thread of the scenario; returns its number. */
int sim_spawn(void (*fn)(void *arg), void *arg);
void sim_join(int thread);
void sim_join_all(void); /* all that this thread has spawned */

/* Fails the execution, with its place, if the condition does not hold. */
#define sim_check(condition)                                                                       \
    ((condition) ? (void)0 : sim_fail("check", #condition, __FILE__, __LINE__))
__attribute__((noreturn)) void sim_fail(const char *kind, const char *what, const char *file,
                                        int line);

/* Between them the calling thread runs without a step of any other: for what is not what the
 * scenario is about. It must not wait in there. */
void sim_solo_begin(void);
void sim_solo_end(void);

/* Waits until the condition holds, by letting others run: SIM_AWAIT(fl_load(&x, acquire) == 1). A
 * condition that nobody can make true any more is a deadlock. */
#define SIM_AWAIT(condition)                                                                       \
    do {                                                                                           \
        while (!(condition))                                                                       \
            sim_pause();                                                                           \
    } while (0)
void sim_pause(void);

/* A choice of the exploration: 0 to n - 1. */
unsigned sim_choose(unsigned n);

/* The number of steps so far: the order of calls and returns in a history. */
uint64_t sim_step(void);

/* Which thread calls: 0 to SIM_THREADS - 1. */
int sim_self(void);

/* The thread that was stopped for ever in this execution, or -1. A scenario with .freezes ends without
 * cleaning up if there is one: sim_join does not wait for it, and nothing is a leak then. */
int sim_frozen(void);

/* The virtual clock, in ns. It stands still but for a small step at each reading, and jumps to a
 * deadline when a wait times out. */
int64_t sim_clock(void);
void sim_clock_advance(int64_t ns);

/* How long each yield keeps the CPU from whoever has offered it; 0 at the start, and others run all the same. */
void sim_yield_takes(int64_t ns);

/* How often a thread has paused in a spin loop, or yielded. */
unsigned sim_pauses(int thread);

/* Memory of the simulated heap: for the scenario's own use, and for filch_options.allocator. What
 * allocates fails where the scenario has .alloc_faults. */
void *sim_alloc(size_t size, size_t align);
void sim_free(void *p);
extern const filch_allocator sim_allocator;

/* Whether an eventfd of the simulated system's would let a poll return: SIM_AWAIT it. */
bool sim_fd_is_readable(int fd);

/* How many eighths of a worker's stack are left, as core/ sees it; 8 at the start. */
void sim_stack_left(unsigned eighths);

#endif /* FL_TESTS_SIM_H */
