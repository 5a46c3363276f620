/* SPDX-License-Identifier: MIT
 *
 * filch/cq.h: a completion queue: futures that are over come out one by one, into an event loop or a
 * thread that waits.
 *
 * Any thread gives a queue futures, of any executor and promises; each comes out once it is over,
 * in the order of completion, with a reference that is the taker's. One thread at a time takes. The
 * descriptor is readable while there is something to take; it is written to only when the taker has
 * found the queue empty, so that a busy loop costs those who complete nothing.
 *
 *     filch_cq_add(cq, future);
 *     ... epoll says that filch_cq_fd(cq) is readable ...
 *     size_t n = filch_cq_take(cq, done, 64);
 *     for (size_t i = 0; i < n; i++) {
 *         use(done[i]);
 *         filch_future_release(done[i]);
 *     } */
#ifndef FILCH_CQ_H
#define FILCH_CQ_H

#include <filch/future.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct filch_cq filch_cq;

/* Makes an empty queue. Returns 0, FILCH_ENOMEM, or FILCH_ENOTSUP before Linux 4.14. */
FILCH_API FILCH_CHECK int filch_cq_create(filch_cq **out);

/* Frees it, lets go of the futures in it and closes its descriptor, the latter once nobody is in the
 * middle of completing a future that was given to it. Those still to come go nowhere. The taker's; NULL
 * is a no-op. */
FILCH_API void filch_cq_destroy(filch_cq *cq);

/* Has f come out of cq once it is over; at once, if it is. A future that is added twice comes twice.
 * Returns 0, FILCH_ENOMEM, or FILCH_EFORKED in a forked child of whoever made cq.
 * Owns     nothing: the caller's reference stays the caller's, and may go before f is over. */
FILCH_API FILCH_CHECK int filch_cq_add(filch_cq *cq, filch_future *f);

/* A descriptor that is readable while there is something to take, for epoll, poll, io_uring. It is the
 * queue's: never read, written or closed by others. Made by the first call; the taker's to call.
 * Returns the descriptor, or FILCH_EMFILE, FILCH_ENOMEM, FILCH_EFORKED. */
FILCH_API int filch_cq_fd(filch_cq *cq);

/* Takes up to max futures that are over. Returns how many; 0 from a queue that is empty, or that
 * belongs to the parent process.
 * Owns     one reference to each is the caller's to release. */
FILCH_API size_t filch_cq_take(filch_cq *cq, filch_future *done[], size_t max);

/* Takes one, and waits for it until the deadline. Returns 0 with *done set as by filch_cq_take,
 * FILCH_ETIMEDOUT or FILCH_EFORKED.
 * Blocks   up to the deadline; on a worker another thread takes its place meanwhile. */
FILCH_API FILCH_CHECK int filch_cq_next(filch_cq *cq, filch_deadline deadline, filch_future **done);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_CQ_H */
