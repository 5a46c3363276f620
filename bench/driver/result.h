/* SPDX-License-Identifier: MIT
 *
 * result.h: what the slices of all loads add up to, and who shows it. */
#ifndef FL_BENCH_DRIVER_RESULT_H
#define FL_BENCH_DRIVER_RESULT_H

#include <stdio.h>

#include "driver/bench.h"

enum {
    MAX_ROUNDS = 100,
    MAX_FAMILY = 8 /* loads */
};

struct result {
    const struct load *load;
    const char *missing[SIDES];  /* why there is nothing of that side; NULL: there is */
    struct hist *samples[SIDES]; /* NULL: it has none */
    unsigned rounds[SIDES];
    double round[SIDES][MAX_METRICS][MAX_ROUNDS];
    double took[SIDES]; /* seconds of the last slice; 0: there was none */
};

void result_open(struct result *r, const struct load *load);

/* Takes a slice in as the next round. */
void result_add(struct result *r, unsigned side, const struct slice *slice);

unsigned result_metrics(const struct result *r);
struct metric result_metric(const struct result *r, unsigned metric);

struct summary {
    bool there;
    double value; /* of all samples together; of figures the median of the rounds */
    double low;   /* of the rounds */
    double high;
};

struct summary result_summary(const struct result *r, unsigned side, unsigned metric);

/* The median of the rounds' ratios: how many times filch's figure side's is. 0: none. */
double result_ratio(const struct result *r, unsigned side, unsigned metric);

/* Of a family of loads, from few futures to many: how many times as much as among fewer one of them
 * costs among more, in the worst pair. 1 and less: it does not grow. value is that of the medians, low
 * and high are those of single rounds, where whatever else the machine does counts in full. */
struct summary result_growth(const struct result *family, size_t n, unsigned side);

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

/* How many results from the i-th on are of its family, "name/of:10" to "name/of:1000"; 0: it has none. */
struct report;
size_t result_family(const struct report *report, size_t i);

/* The length of "name" there. */
int result_family_length(const struct result *family);

/* All that was found, to be shown. */
struct report {
    const struct result *results;
    size_t n;
    struct micro_list micros;
    const char *commit; /* NULL: not known */
    double seconds;     /* that it took */
};

/* NULL: no load of that address was measured. */
const struct result *report_find(const struct report *report, const char *address);

void report_table(const struct report *report, FILE *out);    /* table.c */
void report_markdown(const struct report *report, FILE *out); /* markdown.c */
void report_json(const struct report *report, FILE *out);     /* json.c */

/* What the targets are, and what came of them: a line each, after before. targets.c */
void report_targets(const struct report *report, FILE *out, const char *before);

/* Plain tables for a plot, one file each, in a directory that is there. plotdata.c */
void report_plot_data(const struct report *report, const char *directory);

#endif /* FL_BENCH_DRIVER_RESULT_H */
