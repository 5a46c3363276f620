/* SPDX-License-Identifier: MIT
 *
 * token.h: what says "stop" to a task, and which token the task that runs here has (running.h). */
#ifndef FL_FUTURE_TOKEN_H
#define FL_FUTURE_TOKEN_H

#include <filch/scope.h>

/* The calling task's, or NULL. */
filch_token *fl_token_current(void);

#endif /* FL_FUTURE_TOKEN_H */
