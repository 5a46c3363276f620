/* SPDX-License-Identifier: MIT
 *
 * context.c: what goes with a task to the tasks that it submits: a pointer of the user's.
 *
 * The current one is its thread's, for as long as a function runs (running.h). Whoever makes a task
 * reads it there, keeps it, and lets go of it when the task is over: so a thread without one pays for a
 * look at memory that it has just used. */
#include "future/context.h"

#include "base/thread.h"

filch_context *filch_context_current(void)
{
    return fl_self()->context;
}

filch_context *fl_context_retain(filch_context *c)
{
    if (c != NULL && c->retain != NULL)
        c->retain(c);
    return c;
}

void fl_context_release(filch_context *c)
{
    if (c != NULL && c->release != NULL)
        c->release(c);
}
