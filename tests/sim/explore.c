/* SPDX-License-Identifier: MIT
 *
 * explore.c: which executions there are, and the program that runs them.
 *
 * An execution is a list of decisions: who makes the next step, which store a load returns, whether
 * something fails. Decision 0 is always what would happen anyway: the running thread goes on, a load
 * returns the newest, nothing fails. So a list is written down by its other decisions, "place:value",
 * and that is enough to run it again.
 *
 *   dfs P:S    every execution with at most P preemptions and at most S surprises (old values that
 *              are read, failures, wakes for no reason, picks other than the first): complete within
 *              these bounds. A switch where the running thread waits costs nothing. Places to switch
 *              are the accesses to words that more than one thread has touched in some execution;
 *              when new ones turn up, the search begins anew with all of them.
 *   random N   N executions by chance
 *   pct D:N    N executions by random priorities, changed at D - 1 random steps: each finds a bug
 *              that needs D events in order with a probability of at least 1 / (threads * steps to the
 *              power of D - 1) (Burckhardt, Kothari, Musuvathi & Nagarakatte, ASPLOS 2010)
 *   freeze     each thread stops for ever at each of its steps, in turn, under the plain schedule
 *              and some random ones
 *   replay     one execution, by its list
 *
 * A failure is shortened before it is printed: each decision that is not 0 is tried as 0. */
#include "sim/inside.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    DECISIONS = 1 << 16,
    SHARED_BITS = 15,
    SHRINK_RUNS = 4000,
    PCT_POINTS = 16
};

struct decision {
    uint16_t n; /* alternatives within the budget */
    uint16_t value;
};

static struct decision *taken; /* by this execution */
static unsigned taken_n;
static uint16_t *given; /* dfs and replay: what to decide, as far as it goes */
static unsigned given_n;
static enum sim_mode mode;

static struct {
    unsigned preemptions, surprises; /* dfs: what may be spent */
    unsigned preempted, surprised;   /* ... and was, in this execution */
    uint64_t random;
    unsigned switch_below, stale_below; /* random: of 256 */
    uint32_t priority[SIM_THREADS];     /* pct: the highest comes next */
    uint32_t lowest;
    uint64_t change_at[PCT_POINTS];
    unsigned depth;
    uint64_t length;           /* steps of an execution so far, at most */
    int threads;               /* likewise */
    bool all_points, is_point; /* dfs: switch everywhere; and whether this is a place to */
    bool is_frozen_mode;
} how;

static uint64_t next_random(void)
{
    uint64_t x = how.random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    how.random = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

static unsigned random_below(unsigned n)
{
    return (unsigned)(((next_random() >> 32) * n) >> 32);
}

static uint64_t seeded(uint64_t seed, uint64_t i)
{
    uint64_t x = (seed + i * UINT64_C(0x9E3779B97F4A7C15)) ^ UINT64_C(0xBF58476D1CE4E5B9);

    x = (x ^ x >> 30) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

/* ---- decisions ---- */

static unsigned record(unsigned n, unsigned value)
{
    if (taken_n == DECISIONS)
        sim_fail_at("scenario", "more decisions than any execution should need", NULL, NULL);
    taken[taken_n++] = (struct decision){(uint16_t)n, (uint16_t)value};
    return value;
}

/* dfs and replay. */
static unsigned decide_given(unsigned n)
{
    unsigned value = taken_n < given_n ? given[taken_n] : 0;

    return value < n ? value : 0;
}

unsigned sim_decide(enum sim_kind kind, unsigned n, bool is_free)
{
    unsigned value = 0;

    if (mode == SIM_DFS && !is_free && how.surprised >= how.surprises)
        n = 1;
    switch (mode) {
    case SIM_DFS:
    case SIM_REPLAY:
        value = decide_given(n);
        break;
    case SIM_RANDOM:
    case SIM_PCT:
        if (kind == SIM_PICK)
            value = random_below(n);
        else if (random_below(256) < (kind == SIM_READ ? how.stale_below : 24))
            value = random_below(n);
        break;
    }
    if (value != 0)
        how.surprised++;
    return record(n, value);
}

static unsigned by_priority(const int *threads, unsigned n)
{
    unsigned best = 0;

    for (unsigned i = 0; i < how.depth; i++) {
        if (how.change_at[i] == sim_run_.steps && sim_cur->state == SIM_READY)
            how.priority[sim_cur->id] = --how.lowest;
    }
    for (unsigned i = 1; i < n; i++) {
        if (how.priority[threads[i]] > how.priority[threads[best]])
            best = i;
    }
    return best;
}

unsigned sim_decide_thread(const int *threads, unsigned n, bool is_free)
{
    unsigned value = 0;

    if (mode == SIM_DFS && !is_free && (how.preempted >= how.preemptions || !how.is_point))
        n = 1;
    switch (mode) {
    case SIM_DFS:
    case SIM_REPLAY:
        value = decide_given(n);
        break;
    case SIM_RANDOM:
        if (is_free || random_below(256) < how.switch_below)
            value = random_below(n);
        break;
    case SIM_PCT:
        value = by_priority(threads, n);
        break;
    }
    if (value != 0 && !is_free)
        how.preempted++;
    return record(n, value);
}

void sim_thread_started(int thread)
{
    if (mode == SIM_PCT)
        how.priority[thread] = 1000000 + random_below(1000000);
}

/* ---- places to switch ---- */

static struct {
    uintptr_t address;
    uint8_t threads;
} shared[1 << SHARED_BITS];
static unsigned shared_n; /* words that more than one thread has touched */

static uint8_t *threads_of(uintptr_t a)
{
    unsigned i = (unsigned)((a * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SHARED_BITS));

    while (shared[i].address != a && shared[i].address != 0)
        i = (i + 1) % (1 << SHARED_BITS);
    if (shared[i].address == 0)
        shared[i].address = a;
    return &shared[i].threads;
}

void sim_at(const void *address, int thread)
{
    uint8_t *threads;
    uint8_t before;

    how.is_point = true;
    if (mode != SIM_DFS || how.all_points || address == NULL)
        return;
    threads = threads_of((uintptr_t)address);
    before = *threads;
    *threads |= (uint8_t)(1U << thread);
    if ((before & (before - 1)) == 0 && (*threads & (*threads - 1)) != 0)
        shared_n++;
    how.is_point = (*threads & (*threads - 1)) != 0;
}

/* ---- executions ---- */

static void execute(void)
{
    taken_n = 0;
    how.preempted = 0;
    how.surprised = 0;
    sim_execute();
    if (sim_run_.steps > how.length)
        how.length = sim_run_.steps;
    if (sim_threads_n > how.threads)
        how.threads = sim_threads_n;
}

static bool failed(void)
{
    return sim_run_.failure.is_set;
}

/* The next list of decisions in order; false: that was the last. */
static bool advance(void)
{
    unsigned n = taken_n;

    while (n > 0 && taken[n - 1].value + 1U >= taken[n - 1].n)
        n--;
    if (n == 0)
        return false;
    for (unsigned i = 0; i < n; i++)
        given[i] = taken[i].value;
    given[n - 1]++;
    given_n = n;
    return true;
}

/* What was decided, as a list to run again. */
static void give_taken(void)
{
    for (unsigned i = 0; i < taken_n; i++)
        given[i] = taken[i].value;
    given_n = taken_n;
    mode = SIM_REPLAY;
}

static void shorten(void)
{
    static uint16_t best[DECISIONS];
    char kind[32];
    unsigned runs = 0;
    unsigned best_n = given_n;
    bool again = true;

    snprintf(kind, sizeof kind, "%s", sim_run_.failure.kind);
    memcpy(best, given, given_n * sizeof given[0]);
    while (again && runs < SHRINK_RUNS) {
        again = false;
        for (unsigned i = 0; i < best_n && runs < SHRINK_RUNS; i++) {
            if (best[i] == 0)
                continue;
            memcpy(given, best, best_n * sizeof best[0]);
            given_n = best_n;
            given[i] = 0;
            execute();
            runs++;
            if (!failed() || strcmp(kind, sim_run_.failure.kind) != 0)
                continue;
            best[i] = 0;
            for (unsigned k = 0; k < taken_n; k++)
                best[k] = taken[k].value;
            best_n = taken_n;
            again = true;
        }
    }
    memcpy(given, best, best_n * sizeof best[0]);
    given_n = best_n;
}

static void print_replay(FILE *to)
{
    const char *comma = "";

    if (sim_run_.freeze_thread >= 0) {
        fprintf(to, "freeze=%d@%u", sim_run_.freeze_thread, sim_run_.freeze_at);
        comma = ",";
    }
    for (unsigned i = 0; i < given_n; i++) {
        if (given[i] != 0) {
            fprintf(to, "%s%u:%u", comma, i, given[i]);
            comma = ",";
        }
    }
    if (*comma == 0)
        fprintf(to, "-");
}

static bool parse_replay(const char *text)
{
    memset(given, 0, DECISIONS * sizeof given[0]);
    given_n = 0;
    sim_run_.freeze_thread = -1;
    while (*text != 0 && strcmp(text, "-") != 0) {
        unsigned place;
        unsigned value;
        int used = 0;

        if (sscanf(text, "freeze=%u@%u%n", &value, &place, &used) == 2) {
            sim_run_.freeze_thread = (int)value;
            sim_run_.freeze_at = place;
        } else if (sscanf(text, "%u:%u%n", &place, &value, &used) == 2 && place < DECISIONS) {
            given[place] = (uint16_t)value;
            if (given_n <= place)
                given_n = place + 1;
        } else {
            return false;
        }
        text += used;
        if (*text == ',')
            text++;
    }
    return true;
}

/* ---- the program ---- */

static struct sim_scenario *scenarios;
static const char *program;
static FILE *tsv;
static bool is_quiet;
static uint64_t seed = 1;

void sim_register(struct sim_scenario *scenario)
{
    struct sim_scenario **link = &scenarios;

    while (*link != NULL)
        link = &(*link)->next;
    *link = scenario;
}

struct outcome {
    const char *exploration;
    uint64_t executions;
    bool is_complete;
    bool is_failure;
    double seconds;
};

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void show_progress(const struct sim_scenario *s, const char *exploration, uint64_t n,
                          uint64_t of)
{
    static double shown;
    double at;

    if (!isatty(STDERR_FILENO) || n % 64 != 0)
        return;
    at = now();
    if (at - shown < 0.2)
        return;
    shown = at;
    if (of != 0)
        fprintf(stderr, "\r\033[K%s/%s: %s %llu of %llu", program, s->name, exploration,
                (unsigned long long)n, (unsigned long long)of);
    else
        fprintf(stderr, "\r\033[K%s/%s: %s %llu", program, s->name, exploration,
                (unsigned long long)n);
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

/* Whether the scenario is there to fail in this way. */
static bool is_wanted(const struct sim_scenario *s)
{
    return s->fails != NULL && failed() && strcmp(s->fails, sim_run_.failure.kind) == 0;
}

static void report(const struct sim_scenario *s, const struct outcome *o)
{
    end_progress();
    if (tsv != NULL) {
        fprintf(tsv, "%s\t%s\t%s\t%llu\t%s\t%s\t%.2f\t%d\t%llu\n", program, s->name, o->exploration,
                (unsigned long long)o->executions, o->is_complete ? "yes" : "no",
                o->is_failure ? sim_run_.failure.kind : "ok", o->seconds, how.threads,
                (unsigned long long)how.length);
        fflush(tsv);
    }
    if (!o->is_failure || is_wanted(s)) {
        if (!is_quiet)
            printf("ok      %-58s %-12s %9llu executions%s %6.2f s\n", s->name, o->exploration,
                   (unsigned long long)o->executions,
                   o->is_failure    ? ", found   "
                   : o->is_complete ? ", complete"
                                    : "          ",
                   o->seconds);
        return;
    }
    printf("FAILED  %s/%s: %s: %s\n", program, s->name, sim_run_.failure.kind,
           sim_run_.failure.what);
    printf("by: %s after %llu executions\n", o->exploration, (unsigned long long)o->executions);
    fflush(stdout);
    give_taken();
    shorten();
    printf("replay: %s --only =%s --replay ", program, s->name);
    print_replay(stdout);
    printf("\n");
    fflush(stdout);
    sim_run_.is_traced = true;
    execute();
    sim_run_.is_traced = false;
    sim_trace_print(stdout);
    fflush(stdout);
}

static void begin(struct sim_scenario *s)
{
    sim_run_.scenario = s;
    sim_run_.freeze_thread = -1;
    how.length = 0;
    how.threads = 0;
}

/* limit 0: none. */
static bool run_dfs(struct sim_scenario *s, unsigned preemptions, unsigned surprises,
                    uint64_t limit)
{
    char name[40];
    struct outcome o = {name, 0, false, false, 0};
    double started = now();
    unsigned known;

    begin(s);
    snprintf(name, sizeof name, "dfs %u:%u", preemptions, surprises);
    mode = SIM_DFS;
    how.preemptions = preemptions;
    how.surprises = surprises;
    memset(shared, 0, sizeof shared);
    shared_n = 0;
    do {
        known = shared_n;
        given_n = 0;
        do {
            execute();
            o.executions++;
            show_progress(s, name, o.executions, limit);
            if (failed()) {
                o.is_failure = true;
                break;
            }
            if (limit != 0 && o.executions >= limit)
                break;
        } while (advance());
        if (o.is_failure || (limit != 0 && o.executions >= limit))
            break;
        o.is_complete = known == shared_n;
    } while (!o.is_complete);
    o.seconds = now() - started;
    report(s, &o);
    return !o.is_failure;
}

static bool run_random(struct sim_scenario *s, unsigned depth, uint64_t n)
{
    static const unsigned rates[] = {128, 64, 24, 8};
    char name[40];
    struct outcome o = {name, 0, false, false, 0};
    double started = now();

    begin(s);
    if (depth != 0)
        snprintf(name, sizeof name, "pct %u:%llu", depth, (unsigned long long)n);
    else
        snprintf(name, sizeof name, "random %llu", (unsigned long long)n);
    while (o.executions < n && !o.is_failure) {
        mode = depth != 0 ? SIM_PCT : SIM_RANDOM;
        how.random = seeded(seed, o.executions);
        how.switch_below = rates[random_below(4)];
        how.stale_below = random_below(3) == 0 ? 0 : 96;
        how.depth = depth > 0 ? depth - 1 : 0;
        how.lowest = 1000000;
        for (unsigned i = 0; i < how.depth && i < PCT_POINTS; i++)
            how.change_at[i] = 1 + random_below((unsigned)(how.length != 0 ? how.length : 100));
        execute();
        o.executions++;
        show_progress(s, name, o.executions, n);
        o.is_failure = failed();
    }
    o.seconds = now() - started;
    report(s, &o);
    return !o.is_failure;
}

/* One thread stops at its k-th step, for each k until it has fewer. */
static bool run_freeze(struct sim_scenario *s, unsigned schedules)
{
    struct outcome o = {"freeze", 0, false, false, 0};
    double started = now();
    bool stopped = true;

    begin(s);
    for (int thread = 1; thread < SIM_THREADS && !o.is_failure; thread++) {
        stopped = true;
        for (uint32_t k = 0; stopped && !o.is_failure; k++) {
            stopped = false;
            for (unsigned i = 0; i <= schedules && !o.is_failure; i++) {
                mode = i == 0 ? SIM_REPLAY : SIM_RANDOM;
                given_n = 0;
                how.random = seeded(seed, (uint64_t)thread << 40 | (uint64_t)k << 8 | i);
                how.switch_below = 64;
                how.stale_below = 64;
                sim_run_.freeze_thread = thread;
                sim_run_.freeze_at = k;
                execute();
                o.executions++;
                show_progress(s, "freeze", o.executions, 0);
                o.is_failure = failed();
                stopped = stopped || sim_run_.frozen >= 0;
            }
        }
    }
    o.is_complete = !o.is_failure;
    o.seconds = now() - started;
    report(s, &o);
    return !o.is_failure;
}

static bool run_replay(struct sim_scenario *s, const char *text)
{
    begin(s);
    mode = SIM_REPLAY;
    if (!parse_replay(text)) {
        fprintf(stderr, "%s: not a list of decisions: %s\n", program, text);
        exit(2);
    }
    sim_run_.is_traced = true;
    execute();
    if (!failed())
        snprintf(sim_run_.failure.what, sizeof sim_run_.failure.what, "%s", "nothing fails");
    printf("%s/%s: %s\n", program, s->name, failed() ? "fails" : "holds");
    sim_trace_print(stdout);
    return !failed();
}

/* A program that runs into what is not memory: the last resort of the checks. */
static void on_crash(int signal)
{
    if (sim_cur == NULL)
        _exit(128 + signal);
    sim_fail_at("crash", signal == SIGTRAP || signal == SIGILL ? "trap" : "access to no memory",
                NULL, NULL);
}

static void catch_crashes(void)
{
    static char stack[64 * 1024];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};

    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

struct plan {
    unsigned preemptions, surprises;
    uint64_t dfs_limit;
    uint64_t random;
    unsigned depth;
    uint64_t pct;
    unsigned freeze_schedules;
    bool freeze, dfs;
};

/* A scenario that is there to fail has to be found to, by one exploration or another. */
static bool run_to_fail(struct sim_scenario *s, const struct plan *p)
{
    if (p->dfs && !run_dfs(s, p->preemptions, p->surprises, p->dfs_limit))
        return is_wanted(s);
    if (p->random != 0 && !run_random(s, 0, p->random))
        return is_wanted(s);
    if (p->pct != 0 && !run_random(s, p->depth, p->pct))
        return is_wanted(s);
    printf("FAILED  %s/%s: nothing: %s was not found\n", program, s->name, s->fails);
    return false;
}

static bool run_plan(struct sim_scenario *s, const struct plan *p)
{
    if (s->fails != NULL)
        return run_to_fail(s, p);
    if (p->dfs && !run_dfs(s, p->preemptions, p->surprises, p->dfs_limit))
        return false;
    if (p->random != 0 && !run_random(s, 0, p->random))
        return false;
    if (p->pct != 0 && !run_random(s, p->depth, p->pct))
        return false;
    return !p->freeze || !s->freezes || run_freeze(s, p->freeze_schedules);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: %s [--list] [--only PATTERN] [--quick | --deep | exploration...] [--seed X]\n"
            "          [--keep-going] [--quiet] [--all-points] [--tsv FILE]\n"
            "          [--weaken PC[,PC...]:ORDER | --weaken-failure PC[,PC...]:ORDER]\n"
            "  --dfs P:S[:LIMIT]   at most P preemptions and S surprises, complete within\n"
            "  --random N          by chance\n"
            "  --pct D:N           by random priorities with D - 1 changes\n"
            "  --freeze            one thread stops for ever, everywhere\n"
            "  --replay LIST       one execution, printed; with --only\n"
            "  --only PATTERN      scenarios whose name contains it (=NAME: this one)\n",
            program);
    return 2;
}

static void weaken(const char *text, bool is_failure)
{
    static const char *const names[] = {"relaxed", "consume", "acquire", "release", "acq_rel"};
    uint32_t pc[64];
    unsigned n = 0;
    char *end;

    do {
        pc[n++] = (uint32_t)strtoul(text, &end, 16);
        text = end + 1;
    } while (*end == ',' && n < 64);
    for (int i = 0; *end == ':' && i < 5; i++) {
        if (strcmp(end + 1, names[i]) == 0) {
            sim_weaken(pc, n, i, is_failure);
            return;
        }
    }
    exit(usage());
}

static bool is_chosen(const struct sim_scenario *s, const char *pattern)
{
    if (pattern == NULL)
        return true;
    return pattern[0] == '=' ? strcmp(s->name, pattern + 1) == 0 : strstr(s->name, pattern) != NULL;
}

int main(int argc, char **argv)
{
    static const struct plan quick = {2, 1, 10000, 1250, 3, 1250, 2, true, true};
    static const struct plan deep = {3, 2, 3000000, 100000, 3, 100000, 20, true, true};
    struct plan plan = {0};
    const char *slash = strrchr(argv[0], '/');
    const char *only = NULL;
    const char *replay = NULL;
    bool planned = false;
    bool keep_going = false;
    bool is_list = false;
    int status = 0;
    unsigned long long a, b, c;

    program = slash != NULL ? slash + 1 : argv[0];
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(arg, "--list") == 0) {
            is_list = true;
        } else if (strcmp(arg, "--quick") == 0) {
            plan = quick;
            planned = true;
        } else if (strcmp(arg, "--deep") == 0) {
            plan = deep;
            planned = true;
        } else if (strcmp(arg, "--freeze") == 0) {
            plan.freeze = true;
            plan.freeze_schedules = 20;
            planned = true;
        } else if (strcmp(arg, "--quiet") == 0) {
            is_quiet = true;
        } else if (strcmp(arg, "--keep-going") == 0) {
            keep_going = true;
        } else if (strcmp(arg, "--all-points") == 0) {
            how.all_points = true;
        } else if (*next == 0) {
            return usage();
        } else if (strcmp(arg, "--only") == 0) {
            only = next;
            i++;
        } else if (strcmp(arg, "--replay") == 0) {
            replay = next;
            i++;
        } else if (strcmp(arg, "--seed") == 0) {
            seed = strtoull(next, NULL, 0);
            i++;
        } else if (strcmp(arg, "--tsv") == 0) {
            tsv = fopen(next, "a");
            if (tsv == NULL) {
                perror(next);
                return 2;
            }
            i++;
        } else if (strcmp(arg, "--weaken") == 0 || strcmp(arg, "--weaken-failure") == 0) {
            weaken(next, arg[8] != 0);
            i++;
        } else if (strcmp(arg, "--random") == 0 && sscanf(next, "%llu", &a) == 1) {
            plan.random = a;
            planned = true;
            i++;
        } else if (strcmp(arg, "--pct") == 0 && sscanf(next, "%llu:%llu", &a, &b) == 2 && a > 0) {
            plan.depth = (unsigned)a;
            plan.pct = b;
            planned = true;
            i++;
        } else if (strcmp(arg, "--dfs") == 0 && sscanf(next, "%llu:%llu", &a, &b) == 2) {
            plan.dfs = true;
            plan.preemptions = (unsigned)a;
            plan.surprises = (unsigned)b;
            plan.dfs_limit = sscanf(next, "%*u:%*u:%llu", &c) == 1 ? c : 0;
            planned = true;
            i++;
        } else {
            return usage();
        }
    }
    if (!planned)
        plan = quick;

    taken = calloc(DECISIONS, sizeof *taken);
    given = calloc(DECISIONS, sizeof *given);
    if (taken == NULL || given == NULL)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    sim_engine_open();
    sim_memory_open();
    catch_crashes();
    for (struct sim_scenario *s = scenarios; s != NULL; s = s->next) {
        if (!is_chosen(s, only))
            continue;
        if (is_list) {
            printf("%s\n", s->name);
        } else if (replay != NULL) {
            return run_replay(s, replay) ? 0 : 1;
        } else if (!run_plan(s, &plan)) {
            status = 1;
            if (!keep_going)
                break;
        }
    }
    return status;
}
