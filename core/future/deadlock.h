/* SPDX-License-Identifier: MIT
 *
 * deadlock.h: workers that wait for each other in a circle. deadlock.c tells how it is found. */
#ifndef FL_FUTURE_DEADLOCK_H
#define FL_FUTURE_DEADLOCK_H

#include "future/future.h"

struct fl_worker;

/* The calling worker is about to sleep until f is over, whatever happens: from now on others may follow
 * to it, until it withdraws. The caller holds what keeps f until then. may_be_told: it can leave, and sleeps
 * on f's state, behind fl_deadlock_is_told. */
void fl_deadlock_announce(struct fl_worker *w, filch_future *f, bool may_be_told);
void fl_deadlock_withdraw(struct fl_worker *w);

/* The futures of a circle, as far as there is room. */
struct fl_circle {
    size_t n;
    filch_deadlock_task tasks[32];
};

/* After the announcement: whether that has closed a circle, and then which. */
bool fl_deadlock_is_closed(struct fl_worker *w, struct fl_circle *circle);

/* ... if it has closed one that the caller can not leave, tells another in it, who can. */
void fl_deadlock_tell_another(struct fl_worker *w);

/* Whether somebody has told the caller that his wait closes a circle: he looks again whether it does. */
bool fl_deadlock_is_told(const struct fl_worker *w);

/* Tells the hook of w's pool, if it has one; or of the circle of f alone. */
void fl_deadlock_report(struct fl_worker *w, const struct fl_circle *circle);
void fl_deadlock_report_one(struct fl_worker *w, const filch_future *f);

#endif /* FL_FUTURE_DEADLOCK_H */
