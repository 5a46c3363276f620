/* SPDX-License-Identifier: MIT
 *
 * spawn.h: a thread for each task (FILCH_BACKEND_SPAWN). */
#ifndef FL_NAIVE_SPAWN_H
#define FL_NAIVE_SPAWN_H

#include <filch/executor.h>

/* As filch_executor_create, with options checked and not NULL. */
int fl_spawn_pool_create(filch_executor **out, const filch_options *options);

#endif /* FL_NAIVE_SPAWN_H */
