/* SPDX-License-Identifier: MIT
 *
 * token.h: what says "stop" to a task, and which token the task that runs here has. */
#ifndef FL_FUTURE_TOKEN_H
#define FL_FUTURE_TOKEN_H

#include <filch/scope.h>

/* Around a task's function: t, or NULL, is its token. begin returns what end puts back. */
void *fl_token_begin(filch_token *t);
void fl_token_end(void *before);

/* The calling task's, or NULL. */
filch_token *fl_token_current(void);

#endif /* FL_FUTURE_TOKEN_H */
