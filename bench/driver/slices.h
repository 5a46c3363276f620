/* SPDX-License-Identifier: MIT
 *
 * slices.h: one slice of a load by one side, in a process of its own. */
#ifndef FL_BENCH_DRIVER_SLICES_H
#define FL_BENCH_DRIVER_SLICES_H

#include "driver/bench.h"

/* Starts this program anew for the slice, with the options of this run that change the plan (a list that
 * ends with NULL). NULL: slice is filled in; otherwise why it is not. */
const char *slice_run(const struct load *load, unsigned side, char *const options[],
                      struct slice *slice);

/* In that process: answers on stdout. */
int slice_answer(const struct load *load, unsigned side);

#endif /* FL_BENCH_DRIVER_SLICES_H */
