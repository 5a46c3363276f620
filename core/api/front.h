/* SPDX-License-Identifier: MIT
 *
 * front.h: the handle of the work-stealing executor. */
#ifndef FL_API_FRONT_H
#define FL_API_FRONT_H

#include "sched/executor.h"

/* Options have been checked and are complete. */
int fl_front_create(filch_executor **out, const filch_options *options);

#endif /* FL_API_FRONT_H */
