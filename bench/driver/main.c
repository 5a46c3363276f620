/* SPDX-License-Identifier: MIT
 *
 * main.c: filch-bench: filch, its rivals and the machine side by side.
 *
 *     filch-bench [--quick] [--rounds N] [--only TEXT] [--no-steps] [--list]
 *                 [--json FILE] [--markdown FILE] [--data DIRECTORY] [--commit NAME]
 *
 * Round by round, every load is answered in short slices by filch, the naive pool, the pool made of
 * Concurrency Kit's parts, and the bare machine, beginning with another one each time. A slice has an
 * executor of its own. filch's has a jemalloc arena of its own; the rivals allocate with malloc, which
 * is jemalloc's too in this program, and faster for them than an arena, because it has thread caches.
 * At the end come the steps: small benchmarks of single structures, by Google Benchmark. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/progress.h"
#include "driver/result.h"
#include "micro/micro.h"
#include "shim/gbench.h"

enum {
    MAX_LOADS = 96,
    SIDE_TEXT = 32
};

static const struct load_list *const all_loads[] = {&submit_loads, &throughput_loads, &fork_loads,
                                                    &join_loads,   &many_loads,       &map_loads,
                                                    &loop_loads,   &memory_loads,     &idle_loads};

static const struct plan thorough = {
    .hot_ns = 120000000,
    .parked = 300,
    .tasks = 200000,
    .fib = 24,
    .depth = 16,
    .pending = 1000000,
    .many = 100000,
    .idle_ns = 200000000,
    .rounds = 9,
    .memory_rounds = 3,
    .micro_seconds = 0.02,
    .micro_repetitions = 9,
};

static const struct plan quick = {
    .hot_ns = 40000000,
    .parked = 100,
    .tasks = 200000,
    .fib = 22,
    .depth = 14,
    .pending = 1000000,
    .many = 100000,
    .idle_ns = 100000000,
    .rounds = 3,
    .memory_rounds = 1,
    .micro_seconds = 0.005,
    .micro_repetitions = 3,
};

static struct {
    const char *only; /* NULL: all */
    const char *json;
    const char *markdown;
    const char *data;
    const char *commit;
    bool is_quick;
    bool no_steps;
    unsigned rounds;
    struct result results[MAX_LOADS];
    size_t n;
    struct micro_list micros;
    double done; /* seconds of the expected ones */
} run;

static const char *side_name(enum side side)
{
    static const char *const names[SIDES] = {"filch", "naive", "ck", "machine"};

    return names[side];
}

/* ---- one slice */

static filch_executor *executor_of(const struct load *load, enum side side)
{
    static const enum filch_backend backends[] = {FILCH_BACKEND_STEAL, FILCH_BACKEND_MUTEX,
                                                  FILCH_BACKEND_CK};
    filch_options options = {
        .size = sizeof options,
        .workers = load->workers,
        .name = side_name(side),
        .backend = backends[side],
    };
    filch_allocator arena;
    filch_executor *ex;

    if (side == SIDE_FILCH && filch_allocator_jemalloc(&arena) == 0)
        options.allocator = &arena;
    int status = filch_executor_create(&ex, &options);
    if (status == FILCH_ENOTSUP)
        return NULL;
    bench_must(status, "an executor");
    return ex;
}

/* False: this build has no such executor. */
static bool run_slice(const struct load *load, enum side side, struct slice *slice)
{
    if (side == SIDE_MACHINE) {
        load->run_machine(load, slice);
        return true;
    }
    filch_executor *ex = executor_of(load, side);
    if (ex == NULL)
        return false;
    if (side != SIDE_FILCH && load->run_rival != NULL)
        load->run_rival(load, ex, slice);
    else
        load->run(load, ex, slice);
    filch_executor_destroy(ex);
    return true;
}

static void child_slice(const char *address, const char *side, int out)
{
    char *argv[] = {"filch-bench", run.is_quick ? "--quick" : "--no-steps",
                    "--one",       (char *)(uintptr_t)address,
                    "--side",      (char *)(uintptr_t)side,
                    NULL};

    dup2(out, STDOUT_FILENO);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* The same in a new process, which prints the figure. */
static bool run_slice_fresh(const struct load *load, enum side side, struct slice *slice)
{
    int ends[2];
    char line[64] = "";
    int status;

    if (pipe(ends) != 0)
        bench_die("no pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        bench_die("no process: %s", strerror(errno));
    if (child == 0)
        child_slice(load->address, side_name(side), ends[1]);
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    bool said = in != NULL && fgets(line, sizeof line, in) != NULL;
    if (in != NULL)
        fclose(in);
    if (waitpid(child, &status, 0) != child || status != 0 || !said)
        bench_die("%s by %s did not come to its end", load->address, side_name(side));
    if (strcmp(line, "none\n") == 0)
        return false;
    slice->figure = strtod(line, NULL);
    return true;
}

static const struct load *find_load(const char *address)
{
    for (size_t l = 0; l < sizeof all_loads / sizeof all_loads[0]; l++) {
        for (size_t i = 0; i < all_loads[l]->n; i++) {
            if (strcmp(all_loads[l]->load[i].address, address) == 0)
                return &all_loads[l]->load[i];
        }
    }
    bench_die("no load is called %s", address);
}

/* --one: the child's side of run_slice_fresh. */
static int run_one(const char *address, const char *side_text)
{
    const struct load *load = find_load(address);
    struct slice slice = {.hist = bench_alloc(1, sizeof *slice.hist)};

    for (int side = 0; side < SIDES; side++) {
        if (strcmp(side_name((enum side)side), side_text) != 0)
            continue;
        if (!run_slice(load, (enum side)side, &slice))
            puts("none");
        else if (load->is_latency)
            printf("%.3f\n", hist_percentile(slice.hist, 0.5));
        else
            printf("%.3f\n", slice.figure);
        free(slice.hist);
        return 0;
    }
    bench_die("no side is called %s", side_text);
}

/* ---- all rounds */

/* Why a side is not asked; NULL: it is. */
static const char *why_not(const struct load *load, enum side side)
{
    if (side == SIDE_MACHINE)
        return load->run_machine == NULL ? "" : NULL;
    if (side == SIDE_NAIVE || side == SIDE_CK)
        return load->not_by_rivals;
    return NULL;
}

static unsigned rounds_of(const struct load *load)
{
    if (!load->fresh_process || plan.memory_rounds > plan.rounds)
        return plan.rounds;
    return plan.memory_rounds;
}

static void one_slice(struct result *r, enum side side)
{
    static struct hist hist;
    struct slice slice = {.hist = &hist};
    char what[96];

    snprintf(what, sizeof what, "%s %s", r->load->address, side_name(side));
    progress_step(run.done, what);
    memset(&hist, 0, sizeof hist);
    bool there = r->load->fresh_process ? run_slice_fresh(r->load, side, &slice)
                                        : run_slice(r->load, side, &slice);
    if (there)
        result_add(r, side, &slice);
    else
        r->missing[side] = "this build has no such executor";
    run.done += r->load->seconds(r->load, side);
}

static void all_rounds(void)
{
    for (unsigned round = 0; round < plan.rounds; round++) {
        for (size_t i = 0; i < run.n; i++) {
            struct result *r = &run.results[i];

            for (unsigned k = 0; k < SIDES && round < rounds_of(r->load); k++) {
                enum side side = (enum side)((round + k) % SIDES);

                if (why_not(r->load, side) == NULL && r->missing[side] == NULL)
                    one_slice(r, side);
            }
        }
    }
}

static double expected_seconds(void)
{
    double sum = 0;

    for (size_t i = 0; i < run.n; i++) {
        const struct load *load = run.results[i].load;

        for (int side = 0; side < SIDES; side++) {
            if (why_not(load, (enum side)side) == NULL)
                sum += load->seconds(load, (enum side)side) * rounds_of(load);
        }
    }
    return sum;
}

static void choose_loads(void)
{
    for (size_t l = 0; l < sizeof all_loads / sizeof all_loads[0]; l++) {
        for (size_t i = 0; i < all_loads[l]->n; i++) {
            const struct load *load = &all_loads[l]->load[i];

            if (run.only != NULL && strstr(load->address, run.only) == NULL)
                continue;
            if (run.n == MAX_LOADS)
                bench_die("more than %d loads", MAX_LOADS);
            struct result *r = &run.results[run.n++];
            result_open(r, load);
            for (int side = 0; side < SIDE_MACHINE; side++)
                r->missing[side] = why_not(load, (enum side)side);
        }
    }
}

/* ---- steps */

static struct micro *micro_called(const char *name)
{
    for (size_t i = 0; i < run.micros.n; i++) {
        if (strcmp(run.micros.micro[i].name, name) == 0)
            return &run.micros.micro[i];
    }
    struct micro *more = realloc(run.micros.micro, (run.micros.n + 1) * sizeof *run.micros.micro);
    if (more == NULL)
        bench_die("out of memory");
    run.micros.micro = more;
    more[run.micros.n] = (struct micro){.name = strdup(name)};
    return &more[run.micros.n++];
}

static void note_step(void *arg, const struct gbench_result *result)
{
    struct micro *m = micro_called(result->name);

    (void)arg;
    if (result->error != NULL)
        bench_die("%s: %s", result->name, result->error);
    if (m->n < MAX_ROUNDS)
        m->ns[m->n++] = result->ns;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct micro *)a)->name, ((const struct micro *)b)->name);
}

static double step_seconds(void)
{
    /* Google Benchmark looks for the number of turns first, then repeats. */
    return run.no_steps ? 0 : 38 * plan.micro_seconds * (plan.micro_repetitions + 3) * 1.3;
}

static void all_steps(void)
{
    progress_step(run.done, "steps");
    micro_limits_register();
    micro_deque_register();
    micro_slab_register();
    micro_injector_register();
    micro_ring_register();
    micro_table_register();
    gbench_run(run.only != NULL ? run.only : ".", plan.micro_seconds, plan.micro_repetitions,
               note_step, NULL);
    qsort(run.micros.micro, run.micros.n, sizeof *run.micros.micro, by_name);
    run.done += step_seconds();
}

/* ---- the program */

static void write_file(const struct report *report, const char *path,
                       void (*write)(const struct report *report, FILE *out))
{
    if (path == NULL)
        return;
    FILE *file = fopen(path, "we");
    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    write(report, file);
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

static void measure_and_report(void)
{
    double seconds = expected_seconds() + step_seconds();
    int64_t began = bench_now();

    fprintf(stderr, "Measuring %zu loads in %u rounds: about %.0f s.\n", run.n, plan.rounds,
            seconds);
    progress_begin(seconds);
    all_rounds();
    if (!run.no_steps)
        all_steps();
    progress_end();

    struct report report = {
        .results = run.results,
        .n = run.n,
        .micros = run.micros,
        .commit = run.commit,
        .seconds = (double)(bench_now() - began) / 1e9,
    };
    report_table(&report, stdout);
    write_file(&report, run.json, report_json);
    write_file(&report, run.markdown, report_markdown);
    if (run.data != NULL)
        report_plot_data(&report, run.data);
}

static unsigned parse_rounds(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n < 1 || n > MAX_ROUNDS)
        bench_die("rounds are 1 to %d, not %s", MAX_ROUNDS, text);
    return (unsigned)n;
}

static void list_loads(void)
{
    for (size_t l = 0; l < sizeof all_loads / sizeof all_loads[0]; l++) {
        for (size_t i = 0; i < all_loads[l]->n; i++)
            puts(all_loads[l]->load[i].address);
    }
}

int main(int argc, char **argv)
{
    enum {
        QUICK = 256,
        ROUNDS,
        ONLY,
        NO_STEPS,
        LIST,
        JSON,
        MARKDOWN,
        DATA,
        COMMIT,
        ONE,
        SIDE
    };
    static const struct option options[] = {
        {"quick", no_argument, NULL, QUICK},
        {"rounds", required_argument, NULL, ROUNDS},
        {"only", required_argument, NULL, ONLY},
        {"no-steps", no_argument, NULL, NO_STEPS},
        {"list", no_argument, NULL, LIST},
        {"json", required_argument, NULL, JSON},
        {"markdown", required_argument, NULL, MARKDOWN},
        {"data", required_argument, NULL, DATA},
        {"commit", required_argument, NULL, COMMIT},
        {"one", required_argument, NULL, ONE},
        {"side", required_argument, NULL, SIDE},
        {NULL, 0, NULL, 0},
    };
    const char *one = NULL;
    const char *side = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case QUICK:
            run.is_quick = true;
            break;
        case ROUNDS:
            run.rounds = parse_rounds(optarg);
            break;
        case ONLY:
            run.only = optarg;
            break;
        case NO_STEPS:
            run.no_steps = true;
            break;
        case LIST:
            list_loads();
            return 0;
        case JSON:
            run.json = optarg;
            break;
        case MARKDOWN:
            run.markdown = optarg;
            break;
        case DATA:
            run.data = optarg;
            break;
        case COMMIT:
            run.commit = optarg;
            break;
        case ONE:
            one = optarg;
            break;
        case SIDE:
            side = optarg;
            break;
        default:
            fprintf(
                stderr,
                "usage: filch-bench [--quick] [--rounds N] [--only TEXT] [--no-steps] [--list]\n"
                "                   [--json FILE] [--markdown FILE] [--data DIRECTORY]\n"
                "                   [--commit NAME]\n");
            return 2;
        }
    }
    plan = run.is_quick ? quick : thorough;
    if (run.rounds != 0)
        plan.rounds = run.rounds;
    if (one != NULL && side != NULL)
        return run_one(one, side);
    choose_loads();
    if (run.only != NULL && run.n > 0)
        run.no_steps = true;
    measure_and_report();
    if (run.n == 0 && run.micros.n == 0)
        bench_die("no load and no step has %s in its name", run.only);
    return 0;
}
