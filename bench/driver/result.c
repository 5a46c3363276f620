/* SPDX-License-Identifier: MIT
 *
 * result.c: medians, spreads and ratios. A ratio is taken within each round, where both sides met the
 * same machine, and then the median of those is the ratio. */
#include "driver/result.h"

#include <stdlib.h>
#include <string.h>

static const double shares[METRICS] = {0.5, 0.99, 0.999};

void result_open(struct result *r, const struct load *load)
{
    *r = (struct result){.load = load};
    for (int side = 0; side < SIDES; side++)
        r->samples[side] = bench_alloc(1, sizeof *r->samples[side]);
}

unsigned result_metrics(const struct result *r)
{
    return r->load->is_latency ? METRICS : 1;
}

void result_add(struct result *r, enum side side, const struct slice *slice)
{
    unsigned i = r->rounds[side];

    if (i == MAX_ROUNDS)
        return;
    if (!r->load->is_latency) {
        r->round[side][METRIC_FIGURE][i] = slice->figure;
        r->rounds[side]++;
        return;
    }
    if (slice->hist->n == 0)
        return;
    for (int metric = 0; metric < METRICS; metric++)
        r->round[side][metric][i] = hist_percentile(slice->hist, shares[metric]);
    hist_merge(r->samples[side], slice->hist);
    r->rounds[side]++;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* n > 0. Sorts a copy. */
static struct summary summarize(const double *values, unsigned n)
{
    double sorted[MAX_ROUNDS];

    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, compare);
    return (struct summary){
        .there = true,
        .value = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
        .low = sorted[0],
        .high = sorted[n - 1],
    };
}

struct summary result_summary(const struct result *r, enum side side, enum metric metric)
{
    unsigned n = r->rounds[side];

    if (n == 0)
        return (struct summary){0};
    struct summary s = summarize(r->round[side][metric], n);
    if (r->load->is_latency)
        s.value = hist_percentile(r->samples[side], shares[metric]);
    return s;
}

double result_ratio(const struct result *r, enum side side, enum metric metric)
{
    double ratios[MAX_ROUNDS];
    unsigned n = 0;

    for (unsigned i = 0; i < r->rounds[SIDE_FILCH] && i < r->rounds[side]; i++) {
        if (r->round[SIDE_FILCH][metric][i] > 0)
            ratios[n++] = r->round[side][metric][i] / r->round[SIDE_FILCH][metric][i];
    }
    return n > 0 ? summarize(ratios, n).value : 0;
}

/* The dearest against the cheapest of fewer. */
static double worst_pair(const double *figures, size_t n)
{
    double least = figures[0];
    double worst = 0;

    for (size_t i = 1; i < n; i++) {
        if (figures[i] / least > worst)
            worst = figures[i] / least;
        if (figures[i] < least)
            least = figures[i];
    }
    return worst;
}

struct summary result_growth(const struct result *family, size_t n, enum side side)
{
    double growth[MAX_ROUNDS];
    double figures[MAX_FAMILY];
    unsigned rounds = MAX_ROUNDS;

    for (size_t i = 0; i < n; i++) {
        if (family[i].rounds[side] < rounds)
            rounds = family[i].rounds[side];
    }
    if (n < 2 || n > MAX_FAMILY || rounds == 0)
        return (struct summary){0};
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++)
            figures[i] = family[i].round[side][METRIC_FIGURE][round];
        growth[round] = worst_pair(figures, n);
    }
    struct summary s = summarize(growth, rounds);
    for (size_t i = 0; i < n; i++)
        figures[i] = result_summary(&family[i], side, METRIC_FIGURE).value;
    s.value = worst_pair(figures, n);
    return s;
}

struct summary micro_summary(const struct micro *m)
{
    return m->n > 0 ? summarize(m->ns, m->n) : (struct summary){0};
}
