/* SPDX-License-Identifier: MIT
 *
 * hist.h: a log-linear histogram of nanoseconds: 64 buckets for each power of two, so that a
 * percentile is off by at most 1.6 %, and every sample counts. */
#ifndef FL_BENCH_DRIVER_HIST_H
#define FL_BENCH_DRIVER_HIST_H

#include <stdint.h>
#include <stdio.h>

enum {
    HIST_PER_POWER = 64,
    HIST_BUCKETS = 36 * HIST_PER_POWER /* up to 2^41 ns, more than half an hour */
};

struct hist {
    uint64_t n;
    int64_t max;
    uint32_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, int64_t ns);
void hist_merge(struct hist *into, const struct hist *from);

/* The value that a share of all samples does not exceed: 0.5 is the median. 0 without samples. */
double hist_percentile(const struct hist *h, double share);

/* Lines "ns share": which share of the samples took no longer than that. */
void hist_print(const struct hist *h, FILE *out);

#endif /* FL_BENCH_DRIVER_HIST_H */
