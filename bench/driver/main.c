/* SPDX-License-Identifier: MIT
 *
 * main.c: filch-bench: filch, its rivals, the pools that people use, and the machine, side by side.
 *
 *     filch-bench [--quick | --full] [--peers | --pools NAMES] [--rounds N] [--only TEXT] [--no-steps]
 *                 [--list] [--json FILE] [--markdown FILE] [--data DIRECTORY] [--commit NAME]
 *
 * Round by round, every load is answered in short slices by each of the sides, beginning with another
 * one each time. Without --peers these are filch, two rivals and the machine. At the end come the steps:
 * small benchmarks of single structures, by Google Benchmark. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/pools.h"
#include "driver/progress.h"
#include "driver/result.h"
#include "driver/slices.h"
#include "micro/micro.h"
#include "shim/gbench.h"

enum {
    MAX_LOADS = 160,
    QUICK_PENDING = 100000 /* more take the other pools too long for --quick */
};

static const struct load_list *const all_loads[] = {
    &submit_loads, &open_loads, &throughput_loads, &fork_loads,   &join_loads,
    &named_loads,  &loop_loads, &many_loads,       &map_loads,    &pending_loads,
    &over_loads,   &idle_loads, &life_loads,       &process_loads};

static const struct plan thorough = {
    .hot_ns = 120000000,
    .open_ns = 400000000,
    .parked = 200,
    .tasks = 200000,
    .fib = 24,
    .join = 30,
    .join_ns = 20000000,
    .queens = 10,
    .leaves = 1000000,
    .sorted = 10000000,
    .cheap = 10000000,
    .depth = 16,
    .pending = 1000000,
    .many = 100000,
    .jobs = 20000,
    .job_bytes = 256 << 20,
    .idle_ns = 1000000000,
    .lives = 100,
    .rounds = 9,
    .peer_rounds = 5,
    .memory_rounds = 3,
    .micro_seconds = 0.02,
    .micro_repetitions = 9,
};

static const struct plan quick = {
    .hot_ns = 40000000,
    .open_ns = 80000000,
    .parked = 60,
    .tasks = 50000,
    .fib = 22,
    .join = 25,
    .join_ns = 3000000,
    .queens = 8,
    .leaves = 100000,
    .sorted = 300000,
    .cheap = 1000000,
    .depth = 14,
    .pending = 1000000,
    .many = 100000,
    .jobs = 4000,
    .job_bytes = 64 << 20,
    .idle_ns = 100000000,
    .lives = 20,
    .rounds = 3,
    .peer_rounds = 1,
    .memory_rounds = 1,
    .micro_seconds = 0.005,
    .micro_repetitions = 3,
};

enum length {
    NORMAL,
    QUICK,
    FULL
};

static struct {
    const char *only; /* NULL: all */
    const char *json;
    const char *markdown;
    const char *data;
    const char *commit;
    enum length length;
    bool no_steps;
    bool with_peers;
    unsigned rounds;
    struct result results[MAX_LOADS];
    size_t n;
    struct micro_list micros;
    char *child_options[4]; /* those that a slice's process has to know */
} run;

static void choose_plan(void)
{
    plan = run.length == QUICK ? quick : thorough;
    if (run.length == FULL) {
        plan.rounds = plan.peer_rounds;
        plan.idle_ns = 10000000000;
        plan.memory_rounds = 1;
    }
    if (run.length == QUICK && run.with_peers)
        plan.rounds = 2;
    if (run.rounds != 0)
        plan.rounds = plan.peer_rounds = run.rounds;
    if (run.length != NORMAL)
        run.child_options[0] = run.length == QUICK ? "--quick" : "--full";
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

static int run_one(const char *address, const char *side_text)
{
    for (unsigned side = 0; side < SIDES; side++) {
        if (strcmp(pools_name(side), side_text) == 0)
            return slice_answer(find_load(address), side);
    }
    bench_die("no side is called %s", side_text);
}

/* ---- which loads, by which sides */

static const char *why_no_jobs(const struct pool *pool)
{
    if (pool->processes == NULL)
        return ""; /* its workers are threads */
    return pool->processes->create == NULL && pool->processes->answer == NULL
               ? "this build has no executor of processes"
               : NULL;
}

static const char *why_not(const struct load *load, unsigned side)
{
    const char *why;

    if (side == SIDE_MACHINE)
        return load->run_machine == NULL ? "" : NULL;
    const struct pool *pool = pools_get(side, &why);
    if (pool == NULL)
        return why;
    if (load->run_jobs != NULL)
        return why_no_jobs(pool);
    if (pool->create == NULL)
        return ""; /* its workers are processes */
    if (load->run == NULL && pool->executor == NULL)
        return ""; /* a question about filch's API */
    if (load->run == NULL && pool->most_tasks != 0)
        return "each of its tasks would be a thread";
    if (load->not_by_rivals != NULL && side != SIDE_FILCH)
        return side == SIDE_MALLOC ? "" : load->not_by_rivals;
    if (run.length == QUICK && load->many > QUICK_PENDING && !pools_is_own(side))
        return ""; /* it takes too long */
    if (pool->most_pending != 0 && load->many > pool->most_pending)
        return "it cannot have so many tasks pending";
    return load->why_not != NULL ? load->why_not(load, pool) : NULL;
}

static bool is_wanted(const struct load *load)
{
    if (run.only != NULL)
        return strstr(load->address, run.only) != NULL;
    return run.length == FULL || !load->at_length;
}

static void choose_loads(void)
{
    for (size_t l = 0; l < sizeof all_loads / sizeof all_loads[0]; l++) {
        for (size_t i = 0; i < all_loads[l]->n; i++) {
            const struct load *load = &all_loads[l]->load[i];

            if (!is_wanted(load))
                continue;
            if (run.n == MAX_LOADS)
                bench_die("more than %d loads", MAX_LOADS);
            struct result *r = &run.results[run.n++];
            result_open(r, load);
            for (unsigned side = 0; side < SIDES; side++)
                r->missing[side] = pools_is_chosen(side) ? why_not(load, side) : "";
        }
    }
}

static unsigned rounds_of(const struct load *load, unsigned side)
{
    unsigned rounds = pools_is_own(side) ? plan.rounds : plan.peer_rounds;

    if (run.length == QUICK && load->many > QUICK_PENDING)
        return 1;
    return load->few_rounds && plan.memory_rounds < rounds ? plan.memory_rounds : rounds;
}

/* ---- all rounds */

static double step_seconds(void)
{
    /* Google Benchmark looks for the number of turns first, then repeats. */
    return run.no_steps ? 0 : 38 * plan.micro_seconds * (plan.micro_repetitions + 3) * 1.3;
}

/* What a slice takes: as the last one of the kind took, or as its file expects. */
static double slice_seconds(const struct result *r, unsigned side)
{
    double expected = r->load->seconds * (run.length == QUICK ? 0.25 : 1);

    return r->took[side] > 0 ? r->took[side] : expected + 0.01;
}

static double seconds_left(void)
{
    double sum = step_seconds();

    for (size_t i = 0; i < run.n; i++) {
        const struct result *r = &run.results[i];

        for (unsigned side = 0; side < SIDES; side++) {
            unsigned rounds = rounds_of(r->load, side);

            if (r->missing[side] == NULL && rounds > r->rounds[side])
                sum += slice_seconds(r, side) * (rounds - r->rounds[side]);
        }
    }
    return sum;
}

static void one_slice(struct result *r, unsigned side)
{
    static struct hist hist;
    struct slice slice = {.hist = &hist};
    char what[96];

    snprintf(what, sizeof what, "%s %s", r->load->address, pools_name(side));
    progress_step(seconds_left(), what);
    int64_t began = bench_now();
    const char *why = slice_run(r->load, side, run.child_options, &slice);
    r->took[side] = (double)(bench_now() - began) / 1e9;
    if (why != NULL && side == SIDE_FILCH)
        bench_die("filch in %s: %s", r->load->address, why);
    if (why != NULL)
        r->missing[side] = why;
    else
        result_add(r, side, &slice);
}

static void all_rounds(void)
{
    for (unsigned round = 0; round < plan.rounds; round++) {
        for (size_t i = 0; i < run.n; i++) {
            struct result *r = &run.results[i];

            for (unsigned k = 0; k < SIDES; k++) {
                unsigned side = (round + k) % SIDES;

                if (r->missing[side] == NULL && round < rounds_of(r->load, side))
                    one_slice(r, side);
            }
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

static void all_steps(void)
{
    progress_step(step_seconds(), "steps");
    micro_limits_register();
    micro_deque_register();
    micro_slab_register();
    micro_injector_register();
    micro_ring_register();
    micro_table_register();
    gbench_run(run.only != NULL ? run.only : ".", plan.micro_seconds, plan.micro_repetitions,
               note_step, NULL);
    qsort(run.micros.micro, run.micros.n, sizeof *run.micros.micro, by_name);
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

static void say_who_is_missing(void)
{
    for (unsigned side = 0; side < SIDE_MACHINE; side++) {
        const char *why = NULL;

        if (pools_is_chosen(side) && pools_get(side, &why) == NULL)
            fprintf(stderr, "Without %s: %s.\n", pools_name(side), why);
    }
}

static void measure_and_report(void)
{
    int64_t began = bench_now();

    say_who_is_missing();
    fprintf(stderr, "Measuring %zu loads in %u rounds: about %.0f s.\n", run.n, plan.rounds,
            seconds_left());
    progress_begin();
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

static int list_all(void)
{
    for (size_t l = 0; l < sizeof all_loads / sizeof all_loads[0]; l++) {
        for (size_t i = 0; i < all_loads[l]->n; i++)
            puts(all_loads[l]->load[i].address);
    }
    for (unsigned side = 0; side < SIDE_MACHINE; side++) {
        const char *why = NULL;
        const struct pool *pool = pools_get(side, &why);

        printf("  %-10s %s\n", pools_name(side), pool != NULL ? pool->about : why);
    }
    return 0;
}

enum {
    OPT_QUICK = 256,
    OPT_FULL,
    OPT_PEERS,
    OPT_POOLS,
    OPT_ROUNDS,
    OPT_ONLY,
    OPT_NO_STEPS,
    OPT_LIST,
    OPT_JSON,
    OPT_MARKDOWN,
    OPT_DATA,
    OPT_COMMIT,
    OPT_ONE,
    OPT_SIDE
};

static const struct option options[] = {
    {"quick", no_argument, NULL, OPT_QUICK},
    {"full", no_argument, NULL, OPT_FULL},
    {"peers", no_argument, NULL, OPT_PEERS},
    {"pools", required_argument, NULL, OPT_POOLS},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"only", required_argument, NULL, OPT_ONLY},
    {"no-steps", no_argument, NULL, OPT_NO_STEPS},
    {"list", no_argument, NULL, OPT_LIST},
    {"json", required_argument, NULL, OPT_JSON},
    {"markdown", required_argument, NULL, OPT_MARKDOWN},
    {"data", required_argument, NULL, OPT_DATA},
    {"commit", required_argument, NULL, OPT_COMMIT},
    {"one", required_argument, NULL, OPT_ONE},
    {"side", required_argument, NULL, OPT_SIDE},
    {NULL, 0, NULL, 0},
};

static int usage(void)
{
    fprintf(stderr, "usage: filch-bench [--quick | --full] [--peers | --pools NAMES] [--rounds N]\n"
                    "                   [--only TEXT] [--no-steps] [--list] [--json FILE]\n"
                    "                   [--markdown FILE] [--data DIRECTORY] [--commit NAME]\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *one = NULL;
    const char *side = NULL;
    const char *pools = NULL;
    int option;

    process_main(argc, argv);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case OPT_QUICK:
            run.length = QUICK;
            break;
        case OPT_FULL:
            run.length = FULL;
            break;
        case OPT_PEERS:
            run.with_peers = true;
            break;
        case OPT_POOLS:
            pools = optarg;
            break;
        case OPT_ROUNDS:
            run.rounds = parse_rounds(optarg);
            break;
        case OPT_ONLY:
            run.only = optarg;
            break;
        case OPT_NO_STEPS:
            run.no_steps = true;
            break;
        case OPT_LIST:
            return list_all();
        case OPT_JSON:
            run.json = optarg;
            break;
        case OPT_MARKDOWN:
            run.markdown = optarg;
            break;
        case OPT_DATA:
            run.data = optarg;
            break;
        case OPT_COMMIT:
            run.commit = optarg;
            break;
        case OPT_ONE:
            one = optarg;
            break;
        case OPT_SIDE:
            side = optarg;
            break;
        default:
            return usage();
        }
    }
    if (pools == NULL && (run.length == FULL || run.with_peers))
        pools = "all";
    if (pools != NULL)
        pools_choose(pools);
    choose_plan();
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
