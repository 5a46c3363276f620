/* SPDX-License-Identifier: MIT
 *
 * engine.c: one execution: threads as fibers on one thread of the system, one step at a time.
 *
 * A thread runs until its next step (an atomic access, a futex call, a start or a join), and there
 * it is decided who comes next. So nothing happens between two steps that others could see, and the
 * same decisions give the same execution. A thread that pauses in a spin loop is passed over until
 * something has changed; when all that could run pause, their loads return the newest value and the
 * clock goes on, and if that helps nobody it is a deadlock. */
#include "sim/inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if !defined(__x86_64__)
#    include <ucontext.h>
#endif

enum {
    MAX_STEPS = 20000,
    QUIET_ROUNDS = 200
};

struct sim_run sim_run_;
struct sim_thread sim_thread_[SIM_THREADS];
struct sim_thread *sim_cur;
int sim_threads_n;
char *sim_stacks;

/* ---- switching ---- */

#if defined(__x86_64__)
static void *engine_sp;

/* Saves what a call must preserve, and goes on where load was saved. */
__attribute__((naked, noinline)) static void switch_stack(void **save __attribute__((unused)),
                                                          void *load __attribute__((unused)))
{
    __asm__("pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
            "movq %rsp, (%rdi)\n\tmovq %rsi, %rsp\n\t"
            "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tret");
}

static void go_to_thread(struct sim_thread *t)
{
    void **save = sim_cur != NULL ? &sim_cur->sp : &engine_sp;

    sim_cur = t;
    switch_stack(save, t->sp);
}

static void go_to_engine(void)
{
    struct sim_thread *from = sim_cur;

    sim_cur = NULL;
    switch_stack(&from->sp, engine_sp);
}

static void fiber_main(void);

static void prepare_stack(struct sim_thread *t)
{
    void **top = (void **)(void *)(sim_stacks + (size_t)(t->id + 1) * SIM_STACK_BYTES);

    *--top = NULL;                           /* keeps the entry's frame aligned */
    *--top = NULL;                           /* nobody returns there */
    *--top = (void *)(uintptr_t)&fiber_main; /* what ret finds */
    for (int i = 0; i < 6; i++)
        *--top = NULL;
    t->sp = top;
}
#else
static ucontext_t engine_context;
static ucontext_t contexts[SIM_THREADS];

static void go_to_thread(struct sim_thread *t)
{
    ucontext_t *save = sim_cur != NULL ? &contexts[sim_cur->id] : &engine_context;

    sim_cur = t;
    swapcontext(save, &contexts[t->id]);
}

static void go_to_engine(void)
{
    ucontext_t *save = &contexts[sim_cur->id];

    sim_cur = NULL;
    swapcontext(save, &engine_context);
}

static void fiber_main(void);

static void prepare_stack(struct sim_thread *t)
{
    ucontext_t *c = &contexts[t->id];

    getcontext(c);
    c->uc_stack.ss_sp = sim_stacks + (size_t)t->id * SIM_STACK_BYTES;
    c->uc_stack.ss_size = SIM_STACK_BYTES;
    c->uc_link = NULL;
    makecontext(c, fiber_main, 0);
}
#endif

/* ---- failing ---- */

void sim_fail_at(const char *kind, const char *what, const struct sim_stack *other,
                 const char *other_what)
{
    struct sim_failure *f = &sim_run_.failure;

    if (sim_cur == NULL) {
        fprintf(stderr, "sim: %s outside of an execution: %s\n", kind, what);
        abort();
    }
    if (!f->is_set) {
        f->is_set = true;
        snprintf(f->kind, sizeof f->kind, "%s", kind);
        snprintf(f->what, sizeof f->what, "%s", what);
        f->thread = sim_cur->id;
        f->stack = sim_cur->calls;
        if (other != NULL) {
            f->other = *other;
            snprintf(f->other_what, sizeof f->other_what, "%s", other_what);
        }
    }
    go_to_engine();
    abort();
}

void sim_fail(const char *kind, const char *what, const char *file, int line)
{
    const char *short_name = strstr(file, "tests/sim/");

    if (short_name == NULL)
        short_name = strstr(file, "core/");
    snprintf(sim_run_.failure.where, sizeof sim_run_.failure.where, "%s:%d",
             short_name != NULL ? short_name : file, line);
    sim_fail_at(kind, what, NULL, NULL);
}

/* ---- who comes next ---- */

static bool is_ready(const struct sim_thread *t)
{
    return t->state == SIM_READY || (t->state == SIM_BLOCKED && t->may_time_out);
}

static unsigned list_ready(int *list, bool with_paused)
{
    unsigned n = 0;

    if (sim_cur->state == SIM_READY && (with_paused || !sim_cur->is_paused))
        list[n++] = sim_cur->id;
    for (int i = 0; i < sim_threads_n; i++) {
        struct sim_thread *t = &sim_thread_[i];

        if (t != sim_cur && is_ready(t) && (with_paused || !t->is_paused))
            list[n++] = i;
    }
    return n;
}

static void time_out(struct sim_thread *t)
{
    if (t->deadline > sim_run_.clock)
        sim_run_.clock = t->deadline;
    t->wait_status = FILCH_ETIMEDOUT;
    sim_wake_thread(t);
}

static struct sim_thread *earliest_timed(void)
{
    struct sim_thread *first = NULL;

    for (int i = 0; i < sim_threads_n; i++) {
        struct sim_thread *t = &sim_thread_[i];

        if (t->state == SIM_BLOCKED && t->futex != NULL && t->deadline != INT64_MAX &&
            (first == NULL || t->deadline < first->deadline))
            first = t;
    }
    return first;
}

/* Nobody can go on without waiting: time does. */
static unsigned list_waiting(int *list)
{
    unsigned n = list_ready(list, true);

    if (n == 0) {
        struct sim_thread *t = earliest_timed();

        if (t == NULL)
            sim_fail_at("deadlock", "every thread waits for another", NULL, NULL);
        time_out(t);
        list[0] = t->id;
        return 1;
    }
    if (sim_run_.quiet_stores != sim_run_.stores) {
        sim_run_.quiet_stores = sim_run_.stores;
        sim_run_.quiet_rounds = 0;
    }
    if (++sim_run_.quiet_rounds > QUIET_ROUNDS) {
        struct sim_thread *t = earliest_timed();

        if (t == NULL)
            sim_fail_at("deadlock", "all that can run wait for what nobody does", NULL, NULL);
        time_out(t);
        sim_run_.quiet_rounds = 0;
    }
    sim_run_.is_fresh = true;
    sim_run_.clock += 10000;
    for (int i = 0; i < sim_threads_n; i++)
        sim_thread_[i].is_paused = false;
    return n;
}

/* Gives the next step to whoever the exploration chooses. */
static void schedule(bool is_free)
{
    int list[SIM_THREADS];
    unsigned n = list_ready(list, false);
    struct sim_thread *next;

    if (n == 0)
        n = list_waiting(list);
    next = &sim_thread_[list[n > 1 ? sim_decide_thread(list, n, is_free || list[0] != sim_cur->id)
                                   : 0]];
    if (next->state == SIM_BLOCKED)
        time_out(next);
    if (next != sim_cur)
        go_to_thread(next);
}

static void freeze_self(void)
{
    struct sim_thread *t = sim_cur;

    t->state = SIM_STOPPED;
    sim_run_.frozen = t->id;
    for (int i = 0; i < sim_threads_n; i++) {
        if (sim_thread_[i].state == SIM_BLOCKED && sim_thread_[i].joining == t->id)
            sim_wake_thread(&sim_thread_[i]);
    }
    schedule(true);
    abort();
}

static void count_step(void)
{
    sim_cur->steps++;
    if (++sim_run_.steps > sim_run_.max_steps)
        sim_fail_at("livelock", "more steps than any execution should need", NULL, NULL);
}

void sim_point(const void *address)
{
    struct sim_thread *t = sim_cur;

    if (t->id == sim_run_.freeze_thread && t->steps >= sim_run_.freeze_at && t->solo == 0)
        freeze_self();
    count_step();
    if (t->solo == 0) {
        sim_at(address, t->id);
        schedule(false);
    }
}

void sim_pause(void)
{
    struct sim_thread *t = sim_cur;

    if (t == NULL)
        return;
    if (t->solo != 0)
        sim_fail_at("scenario", "a wait between sim_solo_begin and sim_solo_end", NULL, NULL);
    if (t->id == sim_run_.freeze_thread && t->steps >= sim_run_.freeze_at)
        freeze_self();
    count_step();
    t->pauses++;
    t->is_paused = true;
    schedule(true);
}

void sim_block(void)
{
    struct sim_thread *t = sim_cur;

    if (t->solo != 0)
        sim_fail_at("scenario", "a wait between sim_solo_begin and sim_solo_end", NULL, NULL);
    t->state = SIM_BLOCKED;
    schedule(true);
}

void sim_wake_thread(struct sim_thread *t)
{
    t->state = SIM_READY;
    t->futex = NULL;
    t->may_time_out = false;
    t->is_paused = false;
    t->joining = -1;
}

void sim_ghost_check(void)
{
    if (sim_run_.scenario->ghost != NULL)
        sim_run_.scenario->ghost();
}

bool sim_surprise(unsigned *left)
{
    if (*left == 0 || sim_cur->solo != 0 || sim_decide(SIM_SURPRISE, 2, false) == 0)
        return false;
    --*left;
    return true;
}

/* ---- threads ---- */

static void finish_self(void)
{
    struct sim_thread *t = sim_cur;
    bool is_last = true;

    t->state = SIM_DONE;
    sim_trace("ends", NULL, 0, "");
    for (int i = 0; i < sim_threads_n; i++) {
        struct sim_thread *other = &sim_thread_[i];

        if (other->state == SIM_BLOCKED && other->joining == t->id)
            sim_wake_thread(other);
        if (other->state != SIM_DONE && other->state != SIM_STOPPED)
            is_last = false;
    }
    if (is_last || (t->id == 0 && sim_run_.frozen >= 0))
        go_to_engine();
    else
        schedule(true);
    abort();
}

__attribute__((force_align_arg_pointer)) static void fiber_main(void)
{
    sim_cur->main(sim_cur->arg);
    finish_self();
}

int sim_start_thread(void (*main)(void *arg), void *arg, bool is_core)
{
    struct sim_thread *t;

    if (sim_threads_n == SIM_THREADS)
        return -1;
    t = &sim_thread_[sim_threads_n];
    memset(t, 0, offsetof(struct sim_thread, calls));
    t->calls.depth = 0;
    t->id = sim_threads_n++;
    t->state = SIM_READY;
    t->main = main;
    t->arg = arg;
    t->joining = -1;
    t->parent = -1;
    t->is_core = is_core;
    if (sim_cur != NULL) {
        t->parent = sim_cur->id;
        t->hb = sim_cur->hb;
        t->coh = sim_cur->coh;
        sim_clock_next(sim_cur);
    }
    sim_clock_next(t);
    prepare_stack(t);
    sim_thread_started(t->id);
    return t->id;
}

void sim_join_thread(int id)
{
    struct sim_thread *t = &sim_thread_[id];

    sim_point(NULL);
    if (t->is_joined || t->is_detached)
        sim_fail_at("thread", "joined twice, or joined and detached", NULL, NULL);
    while (t->state != SIM_DONE && t->state != SIM_STOPPED) {
        sim_cur->joining = id;
        sim_block();
    }
    t->is_joined = true;
    sim_clock_join(&sim_cur->hb, &t->hb);
    sim_clock_join(&sim_cur->coh, &t->coh);
    sim_trace("joined", NULL, (uint64_t)id, "");
}

int sim_spawn(void (*fn)(void *arg), void *arg)
{
    int id;

    sim_point(NULL);
    id = sim_start_thread(fn, arg, false);
    if (id < 0)
        sim_fail_at("scenario", "more than SIM_THREADS threads", NULL, NULL);
    sim_trace("spawns", NULL, (uint64_t)id, "");
    return id;
}

void sim_join(int thread)
{
    sim_join_thread(thread);
}

void sim_join_all(void)
{
    for (int i = 0; i < sim_threads_n; i++) {
        struct sim_thread *t = &sim_thread_[i];

        if (t->parent == sim_cur->id && !t->is_core && !t->is_joined)
            sim_join_thread(i);
    }
}

void sim_solo_begin(void)
{
    sim_cur->solo++;
}

void sim_solo_end(void)
{
    sim_cur->solo--;
}

unsigned sim_choose(unsigned n)
{
    return n > 1 && sim_cur != NULL && sim_cur->solo == 0 ? sim_decide(SIM_PICK, n, false) : 0;
}

uint64_t sim_step(void)
{
    return sim_run_.steps;
}

int sim_self(void)
{
    return sim_cur->id;
}

int sim_frozen(void)
{
    return sim_run_.frozen;
}

int64_t sim_clock(void)
{
    return sim_run_.clock;
}

void sim_clock_advance(int64_t ns)
{
    sim_run_.clock += ns;
}

void sim_yield_takes(int64_t ns)
{
    sim_run_.yield_ns = ns;
}

unsigned sim_pauses(int thread)
{
    return sim_thread_[thread].pauses;
}

void sim_stack_left(unsigned eighths)
{
    sim_run_.stack_left = eighths;
}

/* ---- one execution ---- */

static void thread_zero(void *arg)
{
    (void)arg;
    sim_run_.scenario->run();
}

void sim_engine_open(void)
{
    sim_stacks = mmap(NULL, (size_t)SIM_THREADS * SIM_STACK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sim_stacks == MAP_FAILED) {
        perror("sim: mmap");
        exit(2);
    }
}

static void check_threads(void)
{
    for (int i = 0; i < sim_threads_n; i++) {
        const struct sim_thread *t = &sim_thread_[i];

        if (t->is_core && !t->is_joined && !t->is_detached) {
            struct sim_failure *f = &sim_run_.failure;

            f->is_set = true;
            snprintf(f->kind, sizeof f->kind, "leak");
            snprintf(f->what, sizeof f->what, "thread %d was neither joined nor detached", i);
            f->thread = i;
            return;
        }
    }
}

void sim_execute(void)
{
    const struct sim_scenario *s = sim_run_.scenario;
    bool is_traced = sim_run_.is_traced;
    int freeze_thread = sim_run_.freeze_thread;
    uint32_t freeze_at = sim_run_.freeze_at;
    uint32_t generation = sim_run_.generation + 1;

    memset(&sim_run_, 0, offsetof(struct sim_run, failure));
    sim_run_.failure.is_set = false;
    sim_run_.failure.where[0] = 0;
    sim_run_.failure.stack.depth = 0;
    sim_run_.failure.other.depth = 0;
    sim_run_.scenario = s;
    sim_run_.generation = generation;
    sim_run_.is_traced = is_traced;
    sim_run_.freeze_thread = freeze_thread;
    sim_run_.freeze_at = freeze_at;
    sim_run_.frozen = -1;
    sim_run_.max_steps = s->max_steps != 0 ? s->max_steps : MAX_STEPS;
    sim_run_.clock = INT64_C(1000000000);
    sim_run_.spurious = s->spurious;
    sim_run_.timeouts = s->timeouts;
    sim_run_.alloc_faults = s->alloc_faults;
    sim_run_.thread_faults = s->thread_faults;
    sim_run_.weak_faults = s->weak_faults;
    sim_run_.stack_left = 8;
    sim_threads_n = 0;
    sim_cur = NULL;
    sim_memory_reset();
    sim_trace_reset();

    sim_start_thread(thread_zero, NULL, false);
    go_to_thread(&sim_thread_[0]);
    if (!sim_run_.failure.is_set && sim_run_.frozen < 0) {
        check_threads();
        if (!sim_run_.failure.is_set)
            sim_memory_leaks();
    }
}
