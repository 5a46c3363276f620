/* SPDX-License-Identifier: MIT
 *
 * hist.c: buckets. Below 64 ns each has its own; above, the six bits behind the leading one choose
 * among the 64 of that power of two. */
#include "driver/hist.h"

enum {
    SHIFT = 6 /* of HIST_PER_POWER */
};

static unsigned bucket_of(int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    if (v < HIST_PER_POWER)
        return (unsigned)v;
    unsigned power = 63 - (unsigned)__builtin_clzll(v) - SHIFT;
    unsigned i = (power + 1) * HIST_PER_POWER + (unsigned)((v >> power) & (HIST_PER_POWER - 1));
    return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

/* The first value of the next bucket. */
static double end_of(unsigned i)
{
    if (i < HIST_PER_POWER)
        return i + 1;
    unsigned power = i / HIST_PER_POWER - 1;
    return (double)((uint64_t)(HIST_PER_POWER + i % HIST_PER_POWER + 1) << power);
}

static double middle_of(unsigned i)
{
    return i == 0 ? 0.5 : (end_of(i - 1) + end_of(i)) / 2;
}

void hist_add(struct hist *h, int64_t ns)
{
    h->n++;
    h->bucket[bucket_of(ns)]++;
    if (ns > h->max)
        h->max = ns;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    into->n += from->n;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

double hist_percentile(const struct hist *h, double share)
{
    double wanted = share * (double)h->n;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen != 0 && (double)seen >= wanted)
            return middle_of(i);
    }
    return 0;
}

void hist_print(const struct hist *h, FILE *out)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (h->bucket[i] == 0)
            continue;
        seen += h->bucket[i];
        fprintf(out, "%.0f %.6f\n", middle_of(i), (double)seen / (double)h->n);
    }
}
