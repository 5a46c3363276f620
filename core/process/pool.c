/* SPDX-License-Identifier: MIT
 *
 * pool.c: what the handle of a process executor does, but for making one (create.c) and giving it jobs (item.c).
 *
 * Words   quiet   raised with the lock: a look at what it is about, with the lock, then a sleep on it
 * Orders  Q1  tell     quiet  add release -> Q2
 *         Q2  wait     quiet  acquire <- Q1 */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "future/error.h"
#include "future/forkjoin.h"
#include "future/waiter.h"

#include <signal.h>
#include <string.h>

/* ---- tasks are not for other processes */

static int submit(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future)
{
    (void)ex;
    (void)fn;
    (void)arg;
    (void)future;
    return FILCH_ENOTSUP;
}

static int submit_copy(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                       filch_future **future)
{
    (void)ex;
    (void)fn;
    (void)arg;
    (void)len;
    (void)future;
    return FILCH_ENOTSUP;
}

static int submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                        filch_future *futures[])
{
    (void)ex;
    (void)fn;
    (void)args;
    (void)n;
    (void)futures;
    return FILCH_ENOTSUP;
}

/* ---- the end */

/* With the lock: everything that has not begun, GONE, each with a reference of the caller's, for cancel. */
static struct fl_item *take_out_all(struct fl_processes *p)
{
    struct fl_items taken = {NULL, NULL};
    struct fl_item *next;

    p->cancels++;
    for (struct fl_item *item = p->queue.first; item != NULL; item = next) {
        next = item->next;
        if (!fl_flow_take_out(p, item))
            continue;
        filch_future_retain(&item->f);
        fl_items_push(&taken, item);
    }
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_link *l = p->post[i].link;

        for (uint64_t n = l != NULL ? l->head : 0; l != NULL && n < l->tail; n++) {
            struct fl_item *item = l->slot[n % FL_WIRE_SLOTS].job;

            if (item == NULL || !fl_flow_take_out(p, item))
                continue;
            filch_future_retain(&item->f);
            fl_items_push(&taken, item);
        }
    }
    return taken.first;
}

static ptrdiff_t cancel_taken(struct fl_item *item)
{
    ptrdiff_t n = 0;

    while (item != NULL) {
        struct fl_item *next = item->next;

        n += fl_future_drop(&item->f, FILCH_ECANCELED);
        filch_future_release(&item->f);
        item = next;
    }
    return n;
}

static ptrdiff_t cancel_all(filch_executor *ex)
{
    struct fl_processes *p = fl_processes_behind(ex);
    struct fl_item *taken;
    bool needs_call;

    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    fl_lock_enter(&p->lock);
    taken = take_out_all(p);
    needs_call = fl_manager_needs_call(p);
    fl_lock_leave(&p->lock);
    if (needs_call)
        fl_manager_call(p);
    return cancel_taken(taken);
}

static int await_quiet(struct fl_processes *p, filch_deadline deadline)
{
    int status = 0;

    fl_lock_enter(&p->lock);
    p->waiters++;
    while (status == 0 && p->over != p->submitted) {
        uint32_t turn = fl_load(&p->quiet, acquire); /* Q2 */

        fl_lock_leave(&p->lock);
        if (deadline <= 0 || (deadline != FILCH_FOREVER && fl_now() >= deadline))
            status = FILCH_ETIMEDOUT;
        else
            fl_futex_wait(&p->quiet, turn, deadline);
        fl_lock_enter(&p->lock);
    }
    p->waiters--;
    fl_lock_leave(&p->lock);
    return status;
}

static void turn_to_others(void)
{
    fl_waiters_catch_up();
    fl_forks_show();
}

static int wait_idle(filch_executor *ex, filch_deadline deadline)
{
    struct fl_processes *p = fl_processes_behind(ex);

    turn_to_others();
    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    if (fl_manager_is_self(p))
        return FILCH_EDEADLK;
    return await_quiet(p, deadline);
}

static int shutdown(filch_executor *ex, unsigned flags, filch_deadline deadline)
{
    struct fl_processes *p = fl_processes_behind(ex);
    struct fl_item *taken = NULL;

    turn_to_others();
    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    fl_lock_enter(&p->lock);
    p->is_closing = true;
    if ((flags & FILCH_CANCEL_PENDING) != 0)
        taken = take_out_all(p);
    fl_lock_leave(&p->lock);
    cancel_taken(taken);
    fl_manager_call(p);
    if ((flags & FILCH_NO_WAIT) != 0)
        return 0;
    return fl_manager_is_self(p) ? FILCH_EDEADLK : await_quiet(p, deadline);
}

static void destroy(filch_executor *ex)
{
    struct fl_processes *p = fl_processes_behind(ex);
    bool is_manager;

    turn_to_others();
    if (fl_forked(&p->home.forked))
        return;
    is_manager = fl_manager_is_self(p);
    fl_lock_enter(&p->lock);
    p->is_closing = true;
    p->is_orphan = is_manager;
    fl_lock_leave(&p->lock);
    fl_manager_call(p);
    if (is_manager)
        return; /* it goes when its thread does */
    fl_manager_join(p);
    fl_processes_release(p);
}

void fl_processes_break(struct fl_processes *p, const char *why)
{
    p->broken = why;
    while (p->queue.first != NULL)
        fl_flow_end(p, p->queue.first, FILCH_EBROKEN, fl_failure_create(why, NULL, NULL));
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_link *l = p->post[i].link;

        for (uint64_t n = l != NULL ? l->head : 0; l != NULL && n < l->tail; n++) {
            struct fl_item *item = l->slot[n % FL_WIRE_SLOTS].job;

            if (item != NULL)
                fl_flow_end(p, item, FILCH_EBROKEN, fl_failure_create(why, NULL, NULL));
        }
        if (l != NULL)
            fl_link_forget(l);
        fl_staff_kill(p, &p->post[i], FILCH_DEATH_ASKED);
    }
}

/* ---- what it tells of itself */

static unsigned workers(const filch_executor *ex)
{
    return fl_processes_behind(ex)->options.workers;
}

static const char *broken(const filch_executor *ex)
{
    struct fl_processes *p = fl_processes_behind(ex);
    const char *why;

    if (fl_forked(&p->home.forked))
        return NULL;
    fl_lock_enter(&p->lock);
    why = p->broken;
    fl_lock_leave(&p->lock);
    return why;
}

static int stats(filch_executor *ex, filch_executor_stats *out)
{
    struct fl_processes *p = fl_processes_behind(ex);
    filch_executor_stats all = {.size = sizeof all};
    size_t size = out->size;

    if (size < sizeof out->size)
        return FILCH_EINVAL;
    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    fl_lock_enter(&p->lock);
    all.submitted = p->submitted;
    all.ended = p->over;
    all.executed = p->executed;
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_link *l = p->post[i].link;

        for (uint64_t n = l != NULL ? l->head : 0; l != NULL && n < l->tail; n++)
            all.running += l->slot[n % FL_WIRE_SLOTS].job != NULL && fl_link_has_begun(l, n);
    }
    all.pending = p->submitted - p->over - all.running;
    all.workers = p->stats.alive;
    all.memory_bytes = (uint64_t)fl_load(&p->home.heap.bytes, relaxed); /* count */
    all.unobserved = p->unobserved;
    fl_lock_leave(&p->lock);
    memcpy(out, &all, size < sizeof all ? size : sizeof all);
    out->size = size;
    return 0;
}

const struct fl_executor_ops fl_processes_ops = {
    .submit = submit,
    .submit_copy = submit_copy,
    .submit_batch = submit_batch,
    .submit_job = fl_item_submit,
    .shutdown = shutdown,
    .destroy = destroy,
    .wait_idle = wait_idle,
    .workers = workers,
    .broken = broken,
    .stats = stats,
    .cancel_all = cancel_all,
};

static struct fl_processes *checked(filch_executor *ex)
{
    return ex != NULL && ex->ops == &fl_processes_ops ? fl_processes_behind(ex) : NULL;
}

int filch_process_stats_read(filch_executor *ex, filch_process_stats *out)
{
    struct fl_processes *p = checked(ex);
    size_t size = out != NULL ? out->size : 0;

    if (ex == NULL || size < sizeof out->size)
        return FILCH_EINVAL;
    if (p == NULL)
        return FILCH_ENOTSUP;
    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    fl_lock_enter(&p->lock);
    memcpy(out, &p->stats, size < sizeof *out ? size : sizeof *out);
    fl_lock_leave(&p->lock);
    out->size = size;
    return 0;
}

int filch_process_pid(filch_executor *ex, unsigned i)
{
    struct fl_processes *p = checked(ex);
    int pid = 0;

    if (p == NULL || i >= p->options.workers || fl_forked(&p->home.forked))
        return 0;
    fl_lock_enter(&p->lock);
    if (p->post[i].state == FL_POST_UP)
        pid = p->post[i].pid;
    fl_lock_leave(&p->lock);
    return pid;
}

static int end_all(filch_executor *ex, int signal, int64_t grace_ns)
{
    struct fl_processes *p = checked(ex);

    if (ex == NULL)
        return FILCH_EINVAL;
    if (p == NULL)
        return FILCH_ENOTSUP;
    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    fl_lock_enter(&p->lock);
    p->is_closing = true;
    p->is_killed = true;
    while (p->queue.first != NULL)
        fl_blame_killed(p, p->queue.first);
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_post *post = &p->post[i];

        if (post->state == FL_POST_EMPTY)
            continue;
        post->asked = post->asked != 0 ? post->asked : FILCH_DEATH_ASKED;
        fl_pidfd_kill(post->pidfd, signal);
        if (signal == SIGKILL)
            fl_staff_kill(p, post, FILCH_DEATH_ASKED);
    }
    if (signal != SIGKILL)
        p->kill_at = fl_saturating_add(fl_now(), grace_ns > 0 ? grace_ns : 0);
    fl_lock_leave(&p->lock);
    fl_manager_call(p);
    return 0;
}

int filch_process_terminate(filch_executor *ex, int64_t grace_ns)
{
    return end_all(ex, SIGTERM, grace_ns);
}

int filch_process_kill(filch_executor *ex)
{
    return end_all(ex, SIGKILL, 0);
}
