/* SPDX-License-Identifier: MIT
 *
 * global.h: one global queue behind one lock, by futexes alone (FILCH_BACKEND_GLOBAL). */
#ifndef FL_NAIVE_GLOBAL_H
#define FL_NAIVE_GLOBAL_H

#include <filch/executor.h>

/* As filch_executor_create, with options checked and not NULL. */
int fl_global_pool_create(filch_executor **out, const filch_options *options);

#endif /* FL_NAIVE_GLOBAL_H */
