/* SPDX-License-Identifier: MIT
 *
 * loop.h: what a loop does with its ranges, whichever kind it is. loop.c tells how. */
#ifndef FL_PARALLEL_LOOP_H
#define FL_PARALLEL_LOOP_H

#include <filch/loop.h>

struct fl_loop_body {
    /* A range that is this thread's alone: 0, or why the loop is to stop. */
    int (*range)(const struct fl_loop_body *body, size_t begin, size_t end, void *local);
    void *local; /* the caller's */
    /* A helper's local, before it takes anything; NULL: it takes nothing. No function: it needs none. */
    void *(*enter)(const struct fl_loop_body *body);
    /* By the caller, when all is over, once for each local of enter's: what has become of it; or if the
     * caller's thread ends, to give back its memory. */
    void (*leave)(const struct fl_loop_body *body, void *local, bool is_abandoned);
};

/* As filch_parallel_for, options completed. */
int fl_loop_run(filch_executor *ex, size_t begin, size_t end, size_t grain, filch_token *token,
                const struct fl_loop_body *body);

#endif /* FL_PARALLEL_LOOP_H */
