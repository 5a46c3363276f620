/* SPDX-License-Identifier: MIT
 *
 * filch.h: filch and the rivals behind its API, as pools. */
#ifndef FL_BENCH_POOLS_FILCH_H
#define FL_BENCH_POOLS_FILCH_H

#include "pools/pool.h"

/* NULL: none of them has that name. */
const struct pool *filch_pool(const char *name);

/* filch_join.c, filch_loop.c: by filch's own means. */
extern const struct join_kernels filch_join_kernels;
extern const struct loop_kernels filch_loop_kernels;

#endif /* FL_BENCH_POOLS_FILCH_H */
