/* SPDX-License-Identifier: MIT
 *
 * result.h: what the slices of all loads add up to, and how it is shown. */
#ifndef FL_BENCH_DRIVER_RESULT_H
#define FL_BENCH_DRIVER_RESULT_H

#include <stdio.h>

#include "driver/bench.h"

enum {
    MAX_ROUNDS = 100,
    MAX_FAMILY = 8 /* loads */
};

/* A latency load has three metrics, any other has one. */
enum metric {
    METRIC_P50,
    METRIC_FIGURE = METRIC_P50,
    METRIC_P99,
    METRIC_P999,
    METRICS
};

struct result {
    const struct load *load;
    const char *missing[SIDES]; /* why there is nothing of that side; NULL: there is */
    struct hist *samples[SIDES];
    unsigned rounds[SIDES];
    double round[SIDES][METRICS][MAX_ROUNDS];
};

void result_open(struct result *r, const struct load *load);

/* Takes a slice in as the next round. */
void result_add(struct result *r, enum side side, const struct slice *slice);

unsigned result_metrics(const struct result *r);

struct summary {
    bool there;
    double value; /* of all samples together; of figures the median of the rounds */
    double low;   /* of the rounds */
    double high;
};

struct summary result_summary(const struct result *r, enum side side, enum metric metric);

/* The median of the rounds' ratios: how many times filch's figure side's is. 0: none. */
double result_ratio(const struct result *r, enum side side, enum metric metric);

/* Of a family of loads, from few futures to many: how many times as much as among fewer one of them
 * costs among more, in the worst pair. 1 and less: it does not grow. value is that of the medians, low
 * and high are those of single rounds, where whatever else the machine does counts in full. */
struct summary result_growth(const struct result *family, size_t n, enum side side);

/* A small benchmark's repetitions. */
struct micro {
    char *name;
    unsigned n;
    double ns[MAX_ROUNDS];
};

struct micro_list {
    struct micro *micro;
    size_t n;
};

struct summary micro_summary(const struct micro *m);

/* All that was found, to be shown. */
struct report {
    const struct result *results;
    size_t n;
    struct micro_list micros;
    const char *commit; /* NULL: not known */
    double seconds;     /* that it took */
};

void report_table(const struct report *report, FILE *out);
void report_markdown(const struct report *report, FILE *out);
void report_json(const struct report *report, FILE *out);

/* Plain tables for a plot, one file each, in a directory that is there. */
void report_plot_data(const struct report *report, const char *directory);

#endif /* FL_BENCH_DRIVER_RESULT_H */
