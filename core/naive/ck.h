/* SPDX-License-Identifier: MIT
 *
 * ck.h: the pool one would build from Concurrency Kit's parts (FILCH_BACKEND_CK). */
#ifndef FL_NAIVE_CK_H
#define FL_NAIVE_CK_H

#include <filch/executor.h>

/* As filch_executor_create, with options checked and not NULL; FILCH_ENOTSUP on a machine other than
 * x86. */
int fl_ck_pool_create(filch_executor **out, const filch_options *options);

#endif /* FL_NAIVE_CK_H */
