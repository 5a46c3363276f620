/* SPDX-License-Identifier: MIT
 *
 * running.h: what a thread keeps of the function that it runs for a task or a continuation. A function
 * that waits may have others run on top of it: each has its own, on the stack. */
#ifndef FL_FUTURE_RUNNING_H
#define FL_FUTURE_RUNNING_H

#include <filch/scope.h>

#include "base/compiler.h"
#include "base/thread.h"
#include "future/error.h"

struct fl_running {
    struct fl_self *self;
    struct fl_running *below;
    void *context_below;
    filch_context *context;
    filch_token *token;
    struct fl_failure *failure; /* what filch_fail was given last, for code */
    int code;
};

/* Around the function: t, or NULL, is its token, c, or NULL, its context. */
static inline void fl_running_begin(struct fl_running *r, filch_token *t, filch_context *c)
{
    struct fl_self *self = fl_self();

    r->self = self;
    r->below = self->running;
    r->context_below = self->context;
    r->context = c;
    r->token = t;
    r->failure = NULL;
    self->running = r;
    self->context = c;
}

/* It has returned status. Returns what goes with that, the caller's from now on; or NULL. */
static inline struct fl_failure *fl_running_end(const struct fl_running *r, int status)
{
    r->self->running = r->below;
    r->self->context = r->context_below;
    if (fl_likely(r->failure == NULL) || r->code == status)
        return r->failure;
    fl_failure_free(r->failure);
    return NULL;
}

/* It has ended its thread instead of returning: what it had forked is no more. */
static inline void fl_running_abandon(const struct fl_running *r)
{
    FILCH_FORKS->newest = NULL;
    fl_failure_free(fl_running_end(r, FILCH_EABANDONED));
}

#endif /* FL_FUTURE_RUNNING_H */
