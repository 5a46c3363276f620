/* SPDX-License-Identifier: MIT
 *
 * process/meanwhile.h: a step while a long payload, or a long result, is being copied without the lock. Whoever copies
 * is stopped there, and does himself whatever is to happen. A file that has this needs, for the linker,
 *     -Wl,--wrap=fl_link_begin -Wl,--wrap=fl_lock_leave -Wl,--wrap=fl_buffer_create */
#ifndef FL_TESTS_PROCESS_MEANWHILE_H
#define FL_TESTS_PROCESS_MEANWHILE_H

#include "process/jobs.h"

#include "base/atomic.h"
#include "process/pool.h"

enum {
    LONG = 100000
};

static unsigned char bytes[LONG];
static filch_executor *ex;

/* ---- the step */

typedef void step(void);

static fl_atomic(step *) on_give, on_hear; /* each once */
static fl_atomic(uint32_t) n_steps;
static _Thread_local bool gives;

void *__real_fl_link_begin(struct fl_link *l, size_t len, uint64_t *at);
void *__wrap_fl_link_begin(struct fl_link *l, size_t len, uint64_t *at);
void __real_fl_lock_leave(struct fl_lock *lock);
void __wrap_fl_lock_leave(struct fl_lock *lock);
filch_buffer *__real_fl_buffer_create(size_t len);
filch_buffer *__wrap_fl_buffer_create(size_t len);

static void take(fl_atomic(step *) * from)
{
    step *s = fl_swap(from, NULL, acq_rel);

    if (s == NULL)
        return;
    s();
    fl_add(&n_steps, 1, release);
}

void *__wrap_fl_link_begin(struct fl_link *l, size_t len, uint64_t *at)
{
    gives = true; /* as soon as it has left the lock */
    return __real_fl_link_begin(l, len, at);
}

void __wrap_fl_lock_leave(struct fl_lock *lock)
{
    __real_fl_lock_leave(lock);
    if (!gives)
        return;
    gives = false;
    take(&on_give);
}

filch_buffer *__wrap_fl_buffer_create(size_t len)
{
    if (len == LONG)
        take(&on_hear);
    return __real_fl_buffer_create(len);
}

__attribute__((unused)) static void begin(filch_process_options options, step *give, step *hear)
{
    ex = processes_with(options);
    fl_store(&n_steps, 0, relaxed);
    fl_store(&on_give, give, release);
    fl_store(&on_hear, hear, release);
}

static void end(void)
{
    assert_int_equal(fl_load(&n_steps, acquire), 1);
    filch_executor_destroy(ex);
}

__attribute__((unused)) static enum fl_place place_of(filch_future *f)
{
    struct fl_processes *p = fl_processes_behind(ex);
    enum fl_place place;

    fl_lock_enter(&p->lock);
    place = fl_item_of(f)->place;
    fl_lock_leave(&p->lock);
    return place;
}

#endif /* FL_TESTS_PROCESS_MEANWHILE_H */
