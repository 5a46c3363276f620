/* SPDX-License-Identifier: MIT
 *
 * mutex.c: the naive pool: a linked list behind one mutex, condition variables to sleep on, and in
 * each future a mutex and a condition variable of its own.
 *
 * It is what one writes in an afternoon, written with care: list.h has the care, and this file the means.
 *
 * glibc before 2.41 can lose the signal of a condition variable on which several threads sleep (its
 * bug 25847). A worker looks again every second, so that a rival that meets the bug is slow, not
 * stuck. */
#include "naive/mutex.h"

#include <pthread.h>
#include <stdbool.h>

#include "naive/naive.h"

enum {
    LOOK_AGAIN_NS = 1000000000
};

struct list_lock {
    pthread_mutex_t mutex;
};

struct list_cond {
    pthread_cond_t cond;
};

struct list_over {
    struct list_lock lock;
    struct list_cond over;
};

static void lock_open(struct list_lock *l)
{
    pthread_mutex_init(&l->mutex, NULL);
}

static void lock_close(struct list_lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

static void lock_enter(struct list_lock *l)
{
    pthread_mutex_lock(&l->mutex);
}

static void lock_leave(struct list_lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}

static void cond_open(struct list_cond *c)
{
    fl_naive_cond_open(&c->cond);
}

static void cond_close(struct list_cond *c)
{
    pthread_cond_destroy(&c->cond);
}

static void cond_signal(struct list_cond *c)
{
    pthread_cond_signal(&c->cond);
}

static void cond_broadcast(struct list_cond *c)
{
    pthread_cond_broadcast(&c->cond);
}

static bool cond_wait(struct list_cond *c, struct list_lock *l, filch_deadline deadline)
{
    return fl_naive_cond_wait(&c->cond, &l->mutex, deadline);
}

static filch_deadline look_again(void)
{
    return filch_in_ns(LOOK_AGAIN_NS);
}

static void over_open(struct list_over *o)
{
    lock_open(&o->lock);
    cond_open(&o->over);
}

static void over_close(struct list_over *o)
{
    cond_close(&o->over);
    lock_close(&o->lock);
}

static int over_wait(struct list_over *o, filch_future *f, filch_deadline deadline)
{
    int status = 0;

    lock_enter(&o->lock);
    while (status == 0 && fl_future_expect(f)) {
        if (!cond_wait(&o->over, &o->lock, deadline))
            status = FILCH_ETIMEDOUT;
    }
    lock_leave(&o->lock);
    return status;
}

static void over_wake(struct list_over *o)
{
    lock_enter(&o->lock);
    cond_broadcast(&o->over);
    lock_leave(&o->lock);
}

#include "naive/list.h"

int fl_mutex_pool_create(filch_executor **out, const filch_options *options)
{
    return list_pool_create(out, options);
}
