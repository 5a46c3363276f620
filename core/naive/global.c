/* SPDX-License-Identifier: MIT
 *
 * global.c: the naive pool once more, by futexes alone: one global queue behind one lock that is a word
 * (base/futex.h), words to sleep on, and in each future a word. What is left of the naive pool's price when
 * the C library's locks and condition variables are taken away is the one queue that all meet at.
 *
 * Words   turn   of a condition: counts the signals, so that whoever has read it under the lock and sleeps
 *                on it afterwards has not missed one
 * No order is told here: whatever a signal is about is read under the lock. */
#include "naive/global.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/futex.h"
#include "naive/naive.h"

struct list_lock {
    struct fl_lock word;
};

struct list_cond {
    fl_atomic(uint32_t) turn;
};

struct list_over {
    struct fl_naive_told told;
};

static void lock_open(struct list_lock *l)
{
    fl_init(&l->word.word, 0);
}

static void lock_close(struct list_lock *l)
{
    (void)l;
}

static void lock_enter(struct list_lock *l)
{
    fl_lock_enter(&l->word);
}

static void lock_leave(struct list_lock *l)
{
    fl_lock_leave(&l->word);
}

static void cond_open(struct list_cond *c)
{
    fl_init(&c->turn, 0);
}

static void cond_close(struct list_cond *c)
{
    (void)c;
}

static void cond_signal(struct list_cond *c)
{
    fl_add(&c->turn, 1, relaxed); /* count: what it is about is under the lock */
    fl_futex_wake(&c->turn, 1);
}

static void cond_broadcast(struct list_cond *c)
{
    fl_add(&c->turn, 1, relaxed); /* count: what it is about is under the lock */
    fl_futex_wake(&c->turn, INT32_MAX);
}

/* Returns for any reason, as a condition variable may: whoever calls looks again. */
static bool cond_wait(struct list_cond *c, struct list_lock *l, filch_deadline deadline)
{
    uint32_t seen = fl_load(&c->turn, relaxed); /* count: a signal that matters comes after it */

    if (deadline != FILCH_FOREVER && fl_now() >= deadline)
        return false;
    lock_leave(l);
    for (bool slept = false; !slept; slept = true)
        fl_futex_wait(&c->turn, seen, deadline);
    lock_enter(l);
    return true;
}

static filch_deadline look_again(void)
{
    return FILCH_FOREVER;
}

static void over_open(struct list_over *o)
{
    fl_naive_told_open(&o->told);
}

static void over_close(struct list_over *o)
{
    (void)o;
}

static int over_wait(struct list_over *o, filch_future *f, filch_deadline deadline)
{
    return fl_naive_told_wait(&o->told, f, deadline);
}

static void over_wake(struct list_over *o)
{
    fl_naive_told_wake(&o->told);
}

#include "naive/list.h"

int fl_global_pool_create(filch_executor **out, const filch_options *options)
{
    return list_pool_create(out, options);
}
