/* SPDX-License-Identifier: MIT
 *
 * context.h: which context the function that runs here has, and keeping one. */
#ifndef FL_FUTURE_CONTEXT_H
#define FL_FUTURE_CONTEXT_H

#include <filch/submit.h>

/* NULL is a no-op. retain returns c. */
filch_context *fl_context_retain(filch_context *c);
void fl_context_release(filch_context *c);

#endif /* FL_FUTURE_CONTEXT_H */
