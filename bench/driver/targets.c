/* SPDX-License-Identifier: MIT
 *
 * targets.c: the figures to beat, and whether they are: each a ratio within this run, or a limit. What has
 * nothing to be held against in this run is not judged. */
#include <string.h>

#include "driver/pools.h"
#include "driver/show.h"

#define MAX_GROWTH         2.0
#define MAX_PENDING_GROWTH 1.5

enum against {
    OF_NAIVE,
    OF_MACHINE,
    OF_BEST,  /* of the other pools that hand a task to another thread */
    OF_UNITS, /* the factor itself */
    OF_TBB,
    OF_PIPES, /* the naive pool of processes */
    OF_PYTHON
};

struct target {
    const char *address;
    unsigned metric;
    enum against against;
    double factor; /* at most so many times the other's */
};

static const struct target targets[] = {
    {"submit/hot/workers:1", 0, OF_MACHINE, 3},
    {"submit/hot/workers:2", 0, OF_MACHINE, 3},
    {"submit/hot/workers:1", 0, OF_NAIVE, 1.0 / 20},
    {"submit/hot/workers:2", 0, OF_NAIVE, 1.0 / 20},
    {"submit/hot/workers:1", 1, OF_NAIVE, 1.0 / 20},
    {"submit/hot/workers:2", 1, OF_NAIVE, 1.0 / 20},
    {"submit/parked/workers:1", 0, OF_BEST, 1},
    {"submit/parked/workers:2", 0, OF_BEST, 1},
    {"open/10000", 1, OF_NAIVE, 1},
    {"open/10000", 3, OF_NAIVE, 1},
    {"throughput/producers:1/workers:1", 0, OF_NAIVE, 1.0 / 4},
    {"throughput/producers:1/workers:2", 0, OF_NAIVE, 1.0 / 4},
    {"throughput/producers:1/workers:1", 0, OF_BEST, 1},
    {"throughput/producers:1/workers:2", 0, OF_BEST, 1},
    {"batch/of:1000/workers:1", 0, OF_UNITS, 25},
    {"batch/of:1000/workers:2", 0, OF_UNITS, 25},
    {"join/fib/workers:1", 0, OF_UNITS, 6.5},
    {"join/fib/workers:1", 0, OF_TBB, 1.0 / 10},
    {"join/named/fib/workers:1", 0, OF_UNITS, 3.12}, /* 1.2 times Lace's 2.6 */
    {"pending/of:1000000", 1, OF_UNITS, 128},
    {"idle/workers:2", 0, OF_UNITS, 100}, /* 1 ms in 10 s */
    {"idle/workers:2", 1, OF_UNITS, 0},
    {"process/hot", 0, OF_PYTHON, 1.0 / 20},
    {"process/hot", 0, OF_PIPES, 1},
    {"process/hot", 1, OF_PIPES, 1},
    {"process/parked", 0, OF_PYTHON, 1.0 / 4},
    {"process/parked", 0, OF_PIPES, 1},
    {"process/parked", 1, OF_PIPES, 1},
    {"process/jobs/workers:1", 0, OF_PYTHON, 1.0 / 20}, /* 20 times its jobs per second */
    {"process/jobs/workers:2", 0, OF_PYTHON, 1.0 / 20},
    {"process/jobs/workers:1", 0, OF_PIPES, 1},
    {"process/jobs/workers:2", 0, OF_PIPES, 1},
    {"process/bytes/64/workers:1", 0, OF_PIPES, 1},
    {"process/bytes/64/workers:2", 0, OF_PIPES, 1},
    {"process/bytes/4096/workers:1", 0, OF_PIPES, 1},
    {"process/bytes/4096/workers:2", 0, OF_PIPES, 1},
    {"process/bytes/1048576/workers:1", 0, OF_PIPES, 1},
    {"process/bytes/1048576/workers:2", 0, OF_PIPES, 1},
};

/* How many times one load's figure of filch's may be of another's: a speed-up or the like. */
struct pair {
    const char *address;
    const char *other;
    double at_most;
    const char *text;
    bool on_machine; /* tells what the machine's own side gains, too */
};

static const struct pair pairs[] = {
    {"throughput/producers:2/workers:1", "throughput/producers:1/workers:1", 1,
     "2 producers at once, with 1 worker, as fast as 1", false},
    {"throughput/producers:2/workers:2", "throughput/producers:1/workers:2", 1,
     "2 producers at once, with 2 workers, as fast as 1", false},
    {"join/fib/workers:2", "join/fib/workers:1", 1 / 1.8,
     "fork-join by 2 workers 1.8 times as fast", true},
    {"join/named/fib/workers:2", "join/named/fib/workers:1", 1 / 1.8,
     "fork-join by name by 2 workers 1.8 times as fast", true},
};

/* ---- one target */

static unsigned best_other(const struct result *r, unsigned metric)
{
    unsigned best = SIDES;

    for (unsigned side = SIDE_MALLOC + 1; side < SIDE_MACHINE; side++) {
        const char *why;

        if (r->rounds[side] > 0 && !pools_get(side, &why)->caller_runs &&
            (best == SIDES ||
             result_summary(r, side, metric).value < result_summary(r, best, metric).value))
            best = side;
    }
    return best;
}

static unsigned side_called(const char *name)
{
    unsigned side = 0;

    while (side < SIDE_MACHINE && strcmp(pools_name(side), name) != 0)
        side++;
    return side;
}

static unsigned side_of(const struct target *t, const struct result *r)
{
    switch (t->against) {
    case OF_NAIVE:
        return SIDE_NAIVE;
    case OF_MACHINE:
        return SIDE_MACHINE;
    case OF_BEST:
        return best_other(r, t->metric);
    case OF_TBB:
        return side_called("tbb-group");
    case OF_PIPES:
        return SIDE_PIPES;
    case OF_PYTHON:
        return side_called("python");
    case OF_UNITS:
        break;
    }
    return SIDES;
}

static const char *verdict(bool met)
{
    return met ? "met" : "missed";
}

static void judge_units(const struct target *t, const struct result *r, FILE *out,
                        const char *before)
{
    struct metric metric = result_metric(r, t->metric);
    struct summary s = result_summary(r, SIDE_FILCH, t->metric);

    fprintf(out, "%s%s: %s%s%s at most %g %s; it is %.2f\n", before, verdict(s.value <= t->factor),
            t->address, *metric.name != '\0' ? " " : "", metric.name, t->factor, metric.unit,
            s.value);
}

static void judge_ratio(const struct target *t, const struct result *r, unsigned side, FILE *out,
                        const char *before)
{
    struct metric metric = result_metric(r, t->metric);
    double ratio = result_ratio(r, side, t->metric); /* the other's to filch's */

    if (ratio <= 0)
        return;
    fprintf(out, "%s%s: %s%s%s at most ", before, verdict(ratio * t->factor >= 1), t->address,
            *metric.name != '\0' ? " " : "", metric.name);
    if (t->factor < 1)
        fprintf(out, "1/%.0f of ", 1 / t->factor);
    else if (t->factor > 1)
        fprintf(out, "%.0f times ", t->factor);
    fprintf(out, "%s's; it is ", pools_name(side));
    if (ratio >= 1)
        fprintf(out, "1/%.1f\n", ratio);
    else
        fprintf(out, "%.2f times as much\n", 1 / ratio);
}

static void judge(const struct target *t, const struct report *report, FILE *out,
                  const char *before)
{
    const struct result *r = report_find(report, t->address);

    if (r == NULL || r->rounds[SIDE_FILCH] == 0)
        return;
    if (t->against == OF_UNITS) {
        judge_units(t, r, out, before);
        return;
    }
    unsigned side = side_of(t, r);
    if (side < SIDES && r->rounds[side] > 0)
        judge_ratio(t, r, side, out, before);
}

static double gain_of(const struct result *r, const struct result *other, unsigned side)
{
    return result_summary(other, side, 0).value / result_summary(r, side, 0).value;
}

static void judge_pair(const struct pair *p, const struct report *report, FILE *out,
                       const char *before)
{
    const struct result *r = report_find(report, p->address);
    const struct result *other = report_find(report, p->other);

    if (r == NULL || other == NULL || r->rounds[SIDE_FILCH] == 0 || other->rounds[SIDE_FILCH] == 0)
        return;
    double gain = gain_of(r, other, SIDE_FILCH);
    fprintf(out, "%s%s: %s; it is %.2f times", before, verdict(gain * p->at_most >= 1), p->text,
            gain);
    if (p->on_machine && r->rounds[SIDE_MACHINE] > 0 && other->rounds[SIDE_MACHINE] > 0)
        fprintf(out, ", and two threads that share nothing %.2f times as fast as one",
                gain_of(r, other, SIDE_MACHINE));
    fprintf(out, "\n");
}

/* ---- families: the same for ever more, which cost no more for each */

static void judge_growth(const struct result *family, size_t n, FILE *out, const char *before)
{
    struct summary growth = result_growth(family, n, SIDE_FILCH);
    struct summary machine = result_growth(family, n, SIDE_MACHINE);
    double most =
        strncmp(family->load->address, "pending/", 8) == 0 ? MAX_PENDING_GROWTH : MAX_GROWTH;

    if (!growth.there)
        return;
    fprintf(out, "%s%s: %.*s flat within %g from %zu to %zu; it grows %.2f times", before,
            verdict(growth.value <= most), result_family_length(family), family->load->address,
            most, family->load->many, family[n - 1].load->many, growth.value);
    if (machine.there)
        fprintf(out, ", the memory alone %.2f times", machine.value);
    fprintf(out, "\n");
}

void report_targets(const struct report *report, FILE *out, const char *before)
{
    size_t n;

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        judge(&targets[i], report, out, before);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        judge_pair(&pairs[i], report, out, before);
    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        n = result_family(report, i);
        if (n > 1)
            judge_growth(&report->results[i], n, out, before);
    }
}
