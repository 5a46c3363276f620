/* SPDX-License-Identifier: MIT
 *
 * filch/scope.h: cancelling what runs, and groups of tasks that end together.
 *
 * A token says "stop" to whoever looks at it; cancelling one cancels those made under it. A task that
 * is submitted with a token does not start once it is cancelled, and while it runs it asks
 * filch_cancel_requested() now and then. A scope is a token and the tasks spawned under it: it is over
 * when all of them are, so nothing that a task borrows from its spawner outlives the scope.
 *
 *     filch_scope *scope;
 *     int status = filch_scope_open(&scope, ex, NULL);
 *     for (int i = 0; status == 0 && i < n; i++)
 *         status = filch_scope_spawn(scope, work, &part[i]);
 *     if (status != 0)
 *         filch_scope_cancel(scope);
 *     status = filch_scope_join(scope); */
#ifndef FILCH_SCOPE_H
#define FILCH_SCOPE_H

#include <filch/submit.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a token, cancelled as soon as parent is; parent may be NULL. deadline: from then on it counts
 * as cancelled too; FILCH_FOREVER: none. Returns 0 or FILCH_ENOMEM. */
FILCH_API FILCH_CHECK int filch_token_create(filch_token **out, filch_token *parent,
                                             filch_deadline deadline);
FILCH_API filch_token *filch_token_retain(filch_token *t);
FILCH_API void filch_token_release(filch_token *t);

/* Cancels it and all that were made under it, for ever. Nothing is interrupted: a task that has not
 * started is over, cancelled, when its turn comes. NULL is a no-op. Async-signal-safe. */
FILCH_API void filch_token_cancel(filch_token *t);
FILCH_API bool filch_token_is_cancelled(const filch_token *t);

/* Whether the calling task has been asked to stop: by its token or its scope. False outside of a task,
 * and in one that has neither. */
FILCH_API bool filch_cancel_requested(void);

typedef struct filch_scope filch_scope;

enum filch_scope_policy {
    FILCH_SCOPE_ALL = 0,      /* every task runs, whatever the others return */
    FILCH_SCOPE_FIRST_ERROR,  /* the first that fails cancels the others */
    FILCH_SCOPE_FIRST_SUCCESS /* the first that returns 0 cancels the others */
};

typedef struct filch_scope_options {
    size_t size;
    enum filch_scope_policy policy;
    filch_token *parent; /* cancels the scope too; NULL: the calling task's own, if it has one */
    filch_deadline deadline; /* cancels it as well; 0: FILCH_FOREVER */
} filch_scope_options;

/* Opens a scope whose tasks run on ex. options may be NULL. Returns 0, FILCH_EINVAL, FILCH_E2BIG,
 * FILCH_ENOMEM, or FILCH_ENOTSUP for an executor that is a rival's.
 * Owns     *out is ended by filch_scope_join, by the thread that has opened it. */
FILCH_API FILCH_CHECK int filch_scope_open(filch_scope **out, filch_executor *ex,
                                           const filch_scope_options *options);

/* Runs fn(arg) in the scope. Its result is not kept; its status counts for filch_scope_join. From the
 * thread that has opened it, or from a task of the scope.
 * Returns 0, FILCH_ECANCELED if the scope is cancelled, or as filch_submit. */
FILCH_API FILCH_CHECK int filch_scope_spawn(filch_scope *s, filch_task_fn *fn, void *arg);

/* Cancels it: what has not started does not start. */
FILCH_API void filch_scope_cancel(filch_scope *s);

/* Waits for every task of the scope and frees it.
 * Returns 0 if all have returned 0 (FIRST_SUCCESS: if one has), otherwise the first status that was not
 *     0; FILCH_ECANCELED if nothing failed but not everything ran; FILCH_EFORKED in a forked child,
 *     where the scope stays as it is.
 * Blocks   until all are over: a cancelled scope waits for those that are running. On a worker it runs
 *          the scope's tasks meanwhile, and nothing else. */
FILCH_API FILCH_CHECK int filch_scope_join(filch_scope *s);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_SCOPE_H */
