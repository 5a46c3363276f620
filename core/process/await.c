/* SPDX-License-Identifier: MIT
 *
 * await.c: a thread that waits for one job.
 *
 * It looks for the answer itself, where the worker writes it, and so has it in a fraction of a microsecond; and then
 * sleeps on two words at once, the future's state and the count of what that worker has done: so the worker wakes
 * it without the manager in between. What was answered before goes to the manager, and so does a future with
 * callbacks: they are not run here, where their caller may hold whatever lock. One thread can look at a worker so;
 * a second one, and one whose job is queued, sleeps on the state alone, and the manager tells.
 *
 * The words are those of wire.h; state is future.c's. */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <limits.h>

struct look {
    struct fl_processes *p;
    struct fl_item *item;
    struct fl_link *link; /* pinned and watched; NULL: neither */
    struct fl_post *post;
    uint64_t n;
};

static bool is_over(const filch_future *f)
{
    return fl_future_phase(f) >= FL_OVER;
}

/* With the lock: what was answered up to job n is heard. True: item is among that, and the caller's to tell. */
static bool hear(struct fl_processes *p, struct fl_post *post, struct fl_item *item)
{
    if (!fl_flow_hear(p, post, item->n))
        fl_staff_kill(p, post, FILCH_DEATH_FORGED);
    if (item->place != FL_ENDED || p->ended.last != item ||
        fl_load(&item->f.waiters, relaxed) != NULL) /* hint: one that comes now is withheld */
        return false;
    fl_items_remove(&p->ended, item);
    return true;
}

static void leave(struct fl_processes *p, bool is_mine, struct fl_item *item)
{
    bool needs_call = fl_manager_needs_call(p);

    fl_lock_leave(&p->lock);
    if (needs_call)
        fl_manager_call(p);
    if (is_mine)
        fl_flow_tell_here(p, item); /* the caller has a reference of his own */
}

/* Pins and watches where the job is. False: it was over, and is told; or it can't be looked at. */
static bool begin(struct look *l)
{
    struct fl_processes *p = l->p;
    struct fl_item *item = l->item;
    struct fl_post *post;

    l->link = NULL;
    fl_lock_enter(&p->lock);
    if (item->place != FL_SENT) {
        fl_lock_leave(&p->lock);
        return false;
    }
    post = &p->post[item->worker];
    if (post->link->watched != 0) {
        fl_lock_leave(&p->lock);
        return false;
    }
    l->post = post;
    l->link = post->link;
    l->n = item->n;
    fl_add(&l->link->pins, 1, relaxed); /* settled by the lock */
    fl_link_watch(l->link, l->n);
    if (fl_link_is_done(l->link, l->n)) {
        bool is_mine;

        fl_link_watch(l->link, UINT64_MAX);
        is_mine = hear(p, post, item);
        fl_flow_pump(p);
        fl_link_unpin(l->link);
        leave(p, is_mine, item);
        l->link = NULL;
        return false;
    }
    fl_lock_leave(&p->lock);
    return true;
}

/* Whatever has been answered is heard, by somebody. */
static void end(struct look *l)
{
    struct fl_processes *p = l->p;
    bool is_mine = false;

    fl_lock_enter(&p->lock);
    fl_link_watch(l->link, UINT64_MAX);
    if (l->post->link == l->link) {
        is_mine = l->item->place == FL_SENT && l->item->n == l->n && hear(p, l->post, l->item);
        fl_flow_pump(p);
    }
    fl_link_unpin(l->link);
    p->has_duty = p->has_duty || p->dead != NULL; /* it may be closed now */
    leave(p, is_mine, l->item);
}

static bool is_done(const struct look *l)
{
    return is_over(&l->item->f) || fl_link_is_done(l->link, l->n);
}

static bool watch(const struct look *l, struct fl_spin *spin)
{
    while (fl_spin_turn(spin)) {
        if (fl_unlikely(spin->was_long))
            return fl_spin_shy(spin);
        for (int i = 0; i < 32; i++) {
            if (is_done(l)) {
                fl_spin_hit(spin);
                return true;
            }
            fl_relax();
        }
    }
    return false;
}

/* On both words. 0, FILCH_ETIMEDOUT, or FILCH_ENOTSUP. */
static int sleep_on_both(const struct look *l, filch_deadline deadline)
{
    filch_future *f = &l->item->f;
    uint32_t done = fl_link_done_count(l->link);
    int status = 0;

    fl_link_watch_asleep(l->link, l->n);
    while (status == 0 && !fl_link_is_done(l->link, l->n) && fl_future_expect(f)) {
        uint32_t state = fl_load(&f->state, relaxed); /* hint: the kernel compares */

        if ((state & FL_PHASE) < FL_OVER && (state & FL_WAITED) != 0)
            status = fl_shared_wait_two(&f->state, state, &l->link->out->done, done, deadline);
        done = fl_link_done_count(l->link);
    }
    return status;
}

static int sleep_on_state(filch_future *f, filch_deadline deadline)
{
    while (fl_future_expect(f)) {
        uint32_t state = fl_load(&f->state, relaxed); /* hint: the kernel compares */

        if ((state & FL_PHASE) < FL_OVER && (state & FL_WAITED) != 0 &&
            fl_futex_wait(&f->state, state, deadline) != 0)
            return is_over(f) ? 0 : FILCH_ETIMEDOUT;
    }
    return 0;
}

void fl_process_wake(struct fl_home *home, filch_future *f)
{
    (void)home;
    fl_futex_wake(&f->state, INT_MAX);
}

int fl_process_await(struct fl_home *home, filch_future *f, filch_deadline deadline)
{
    struct look l = {.p = fl_processes_of(home), .item = fl_item_of(f)};
    struct fl_spin spin = fl_spin_begin(&fl_self()->spinner, l.p->options.spin_ns);
    int status = 0;

    if (begin(&l)) {
        if (!watch(&l, &spin)) {
            status = sleep_on_both(&l, deadline);
            fl_spin_slept(&spin);
        }
        end(&l);
        if (is_over(f))
            return 0;
        if (status == FILCH_ETIMEDOUT)
            return status;
    }
    return sleep_on_state(f, deadline);
}
