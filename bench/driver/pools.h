/* SPDX-License-Identifier: MIT
 *
 * pools.h: which sides there are, by number and name. */
#ifndef FL_BENCH_DRIVER_POOLS_H
#define FL_BENCH_DRIVER_POOLS_H

#include "driver/bench.h"

/* "filch", "tbb", ..., "machine"; NULL: no side has that number. */
const char *pools_name(unsigned side);

/* Whether it is one of those that are always asked: filch, naive, ck, pipes, the machine. */
bool pools_is_own(unsigned side);

/* Chooses by names with commas between; "all" is all, and the
 * machine is there always. Ends the program at a name that there is not. */
void pools_choose(const char *names);
bool pools_is_chosen(unsigned side);

/* The adapter; the first call may load it. NULL: it is not there, and *why says why. */
const struct pool *pools_get(unsigned side, const char **why);

#endif /* FL_BENCH_DRIVER_POOLS_H */
