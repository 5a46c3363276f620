/* SPDX-License-Identifier: MIT
 *
 * forward.h: one future's outcome becomes another's. */
#ifndef FL_FUTURE_FORWARD_H
#define FL_FUTURE_FORWARD_H

#include "future/future.h"

/* from is over: out, a promise, ends as it did, unless it is over already. What may finish so is a
 * follower (fl_promise_create_follower), which keeps what owns its result. */
void fl_forward(filch_future *out, filch_future *from);

/* out fails with this status; for FILCH_ECANCELED it is cancelled, if it can be. */
void fl_forward_status(filch_future *out, int status);

/* out will end as from does. Takes over a reference to each. If that can not be, out fails as one that
 * comes after a third, which is over; or NULL. */
void fl_follow(filch_future *out, filch_future *from, filch_future *after);

#endif /* FL_FUTURE_FORWARD_H */
