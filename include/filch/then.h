/* SPDX-License-Identifier: MIT
 *
 * filch/then.h: what comes after a future: a continuation, or one future for many.
 *
 * All of these make a new future from others, and none of them blocks. A failure or a cancellation
 * goes on to the new one by itself. A chain of any length takes no stack. Cancelling the new future
 * leaves the old ones alone.
 *
 *     static int parse(filch_future *page, void *arg, void **result) { ... }
 *
 *     int status = filch_then(page, ex, 0, parse, NULL, &tree);
 *     int status = filch_race(mirrors, 3, &first); */
#ifndef FILCH_THEN_H
#define FILCH_THEN_H

#include <filch/executor.h>
#include <filch/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A continuation: before is over, and good while it runs. Returns as a task's function does. */
typedef int filch_then_fn(filch_future *before, void *arg, void **result);

enum filch_then_flags {
    FILCH_THEN_ALWAYS = 1, /* fn is called for a failed or cancelled future too */
    FILCH_THEN_FLATTEN = 2 /* what fn sets is a filch_future, whose reference it gives away: the new
                              future ends as that one does; NULL is a result like any other */
};

/* Makes *out: once f has finished, fn(f, arg) is run on ex, or where ex is NULL in the thread that
 * completes f, and *out is what it returns. Without FILCH_THEN_ALWAYS a failure or a cancellation of f
 * becomes *out's, and fn is not called. fn may be NULL: *out is what f is, or with FILCH_THEN_FLATTEN
 * what the future that f has for a result is; then f keeps that one's reference. Where *out is what
 * another future is, and that one owns its result (value_dtor, submit.h), *out keeps it, and a take from
 * either is a take from both.
 * If ex can't take it, *out fails with filch_submit's status; if f is released by everybody before it
 * is over, with FILCH_EABANDONED. If *out is cancelled, fn is not called; a record of some hundred bytes
 * stays with f until f is over. That fn ends its thread is FILCH_EABANDONED too.
 * Returns 0, FILCH_EINVAL, FILCH_ENOMEM, or FILCH_ENOTSUP for an executor that is a rival's.
 * Owns     *out, one reference, is the caller's; f's stays the caller's and may go at once. ex is not
 *          destroyed before *out is over, nor by another thread while somebody completes f. A future that
 *          f has for a result and that *out is to end as is not taken from f (filch_future_take). */
FILCH_API FILCH_CHECK int filch_then(filch_future *f, filch_executor *ex, unsigned flags,
                                     filch_then_fn *fn, void *arg, filch_future **out);

/* One future for n, which mix as they like. It keeps them until it is over, by itself or because it
 * was cancelled; then no trace of it is left in them.
 *   all          finishes with NULL when all have finished; fails as soon as one has failed, with its
 *                code, or was cancelled (FILCH_ECANCELED)
 *   any          finishes with the first that is over, however it ended, as its result
 *   any_success  finishes with the first that has finished well; fails like the last one if none has
 *   race         like any, and cancels all the others
 * Of none at all, all has finished, and the others fail with FILCH_EINVAL.
 * Returns 0, FILCH_EINVAL, FILCH_ENOMEM.
 * Owns     *out, one reference, is the caller's. A future that is its result is one of those given,
 *          by the caller's reference. */
FILCH_API FILCH_CHECK int filch_all(filch_future *const *futures, size_t n, filch_future **out);
FILCH_API FILCH_CHECK int filch_any(filch_future *const *futures, size_t n, filch_future **out);
FILCH_API FILCH_CHECK int filch_any_success(filch_future *const *futures, size_t n,
                                            filch_future **out);
FILCH_API FILCH_CHECK int filch_race(filch_future *const *futures, size_t n, filch_future **out);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_THEN_H */
