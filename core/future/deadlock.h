/* SPDX-License-Identifier: MIT
 *
 * deadlock.h: workers that wait for each other in a circle. deadlock.c tells how it is found. */
#ifndef FL_FUTURE_DEADLOCK_H
#define FL_FUTURE_DEADLOCK_H

#include "future/future.h"

struct fl_worker;

/* The calling worker is about to sleep until f is over, whatever happens: from now on others may follow
 * to it, until it withdraws. The caller holds what keeps f until then. */
void fl_deadlock_announce(struct fl_worker *w, filch_future *f);
void fl_deadlock_withdraw(struct fl_worker *w);

/* After the announcement: whether that has closed a circle. */
bool fl_deadlock_is_closed(struct fl_worker *w);

#endif /* FL_FUTURE_DEADLOCK_H */
