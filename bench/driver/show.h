/* SPDX-License-Identifier: MIT
 *
 * show.h: figures as text, for a reader. */
#ifndef FL_BENCH_DRIVER_SHOW_H
#define FL_BENCH_DRIVER_SHOW_H

#include "driver/result.h"

enum {
    SHOWN = 24 /* bytes */
};

/* A figure in three digits or so, with its unit. */
const char *show(double value, const char *unit, char text[static SHOWN]);

/* "-": there is none. */
const char *show_summary(struct summary s, const char *unit, char text[static SHOWN]);
const char *show_ratio(double ratio, char text[static SHOWN]);

/* "ring/pair/ours" -> 9, the length of what CK's structure and ours have in common; 0: no such. */
size_t show_stem(const char *step);

/* CK's step beside ours; NULL: there is none. */
const struct micro *show_beside(const struct micro_list *list, const struct micro *ours);

/* Whether it stands for itself, and is no part of such a pair. */
bool show_is_single(const struct micro *m);

/* Whether it is answered by pools of processes: those stand in a table of their own. */
bool show_is_of_processes(const struct result *r);

/* The sides that were chosen and are there, whose workers are processes or are not; the machine is none of
 * them. Returns how many. */
unsigned show_sides(bool of_processes, unsigned sides[static SIDES]);

/* The best of the pools that are not filch's own, by a load's metric; but for divided work, of those that hand
 * a task to another thread. SIDES: none was asked. */
unsigned show_best_peer(const struct result *r, unsigned metric);

#endif /* FL_BENCH_DRIVER_SHOW_H */
