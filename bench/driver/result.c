/* SPDX-License-Identifier: MIT
 *
 * result.c: medians, spreads and ratios. A ratio is taken within each round, where both sides met the
 * same machine, and then the median of those is the ratio. */
#include "driver/result.h"

#include <stdlib.h>
#include <string.h>

void result_open(struct result *r, const struct load *load)
{
    *r = (struct result){.load = load};
}

unsigned result_metrics(const struct result *r)
{
    return r->load->metrics != NULL ? r->load->n_metrics : 1;
}

struct metric result_metric(const struct result *r, unsigned metric)
{
    if (r->load->metrics != NULL)
        return r->load->metrics[metric];
    return (struct metric){.name = "", .unit = r->load->unit};
}

static double figure_of(const struct result *r, unsigned metric, const struct slice *slice)
{
    double share = result_metric(r, metric).share;

    if (share > 0)
        return hist_percentile(slice->hist, share);
    return metric == 0 ? slice->figure : slice->more[metric - 1];
}

void result_add(struct result *r, unsigned side, const struct slice *slice)
{
    unsigned i = r->rounds[side];
    bool sampled = result_metric(r, 0).share > 0;

    if (i == MAX_ROUNDS || (sampled && slice->hist->n == 0))
        return;
    for (unsigned metric = 0; metric < result_metrics(r); metric++)
        r->round[side][metric][i] = figure_of(r, metric, slice);
    if (sampled && r->samples[side] == NULL)
        r->samples[side] = bench_alloc(1, sizeof *r->samples[side]);
    if (sampled)
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

struct summary result_summary(const struct result *r, unsigned side, unsigned metric)
{
    unsigned n = r->rounds[side];

    if (n == 0)
        return (struct summary){0};
    struct summary s = summarize(r->round[side][metric], n);
    double share = result_metric(r, metric).share;
    if (share > 0)
        s.value = hist_percentile(r->samples[side], share);
    return s;
}

double result_ratio(const struct result *r, unsigned side, unsigned metric)
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

struct summary result_growth(const struct result *family, size_t n, unsigned side)
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
            figures[i] = family[i].round[side][0][round];
        growth[round] = worst_pair(figures, n);
    }
    struct summary s = summarize(growth, rounds);
    for (size_t i = 0; i < n; i++)
        figures[i] = result_summary(&family[i], side, 0).value;
    s.value = worst_pair(figures, n);
    return s;
}

struct summary micro_summary(const struct micro *m)
{
    return m->n > 0 ? summarize(m->ns, m->n) : (struct summary){0};
}

size_t result_family(const struct report *report, size_t i)
{
    const char *address = report->results[i].load->address;
    const char *of = strstr(address, "/of:");
    size_t n = 1;

    if (report->results[i].load->many == 0 || of == NULL)
        return 0;
    while (i + n < report->n &&
           strncmp(report->results[i + n].load->address, address, (size_t)(of - address) + 4) == 0)
        n++;
    return n;
}

int result_family_length(const struct result *family)
{
    return (int)(strstr(family->load->address, "/of:") - family->load->address);
}

const struct result *report_find(const struct report *report, const char *address)
{
    for (size_t i = 0; i < report->n; i++) {
        if (strcmp(report->results[i].load->address, address) == 0)
            return &report->results[i];
    }
    return NULL;
}
