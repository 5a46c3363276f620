/* SPDX-License-Identifier: MIT
 *
 * mutex.h: the naive pool (FILCH_BACKEND_MUTEX): one queue, one lock. */
#ifndef FL_NAIVE_MUTEX_H
#define FL_NAIVE_MUTEX_H

#include <filch/executor.h>

/* As filch_executor_create, with options checked and not NULL. */
int fl_mutex_pool_create(filch_executor **out, const filch_options *options);

#endif /* FL_NAIVE_MUTEX_H */
