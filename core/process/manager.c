/* SPDX-License-Identifier: MIT
 *
 * manager.c: the thread of an executor that tells what has ended, starts and ends workers, and keeps time.
 *
 * It sleeps until a worker rings, the zygote has news, a thread calls, or something is due. Once it is awake it
 * asks nobody to ring: it hears what there is, and while that is much it just looks again after a moment, so that
 * many short jobs cost no wake each. Before it sleeps it arms every link, and listens once more. */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/notify.h"
#include "queue/table.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    MUCH = 4,          /* answers in one look */
    MOMENT_NS = 50000, /* until the next look, while there is much to do */
    MOST_EVENTS = 64
};

/* What a descriptor is. */
enum watched {
    CALL,
    CONTROL,
    BELL,
    SOCKET,
    DEATH
};

static uint64_t tag(enum watched what, unsigned worker)
{
    return (uint64_t)worker << 8 | (uint64_t)what;
}

static int watch(struct fl_processes *p, int fd, uint64_t what)
{
    /* A worker has the eventfd as well: it is not read, or that one could make the read block. */
    uint32_t how = (what & 0xff) == BELL || (what & 0xff) == DEATH ? EPOLLIN | EPOLLET : EPOLLIN;
    struct epoll_event event = {.events = how, .data = {.u64 = what}};

    return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : FILCH_ENOMEM;
}

static void unwatch(struct fl_processes *p, int fd)
{
    epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* Its socket until it is up: later there are files in it, for whoever hears of them. Its death once: the zygote says of
 * what it has died. */
void fl_manager_watch(struct fl_processes *p, unsigned worker)
{
    const struct fl_post *post = &p->post[worker];

    watch(p, post->link->bell, tag(BELL, worker));
    watch(p, post->link->socket, tag(SOCKET, worker));
    watch(p, post->pidfd, tag(DEATH, worker));
}

void fl_manager_unwatch_socket(struct fl_processes *p, struct fl_link *l)
{
    unwatch(p, l->socket);
}

int fl_manager_watch_zygote(struct fl_processes *p)
{
    return watch(p, p->control, tag(CONTROL, 0));
}

/* The worker may have left the eventfd to somebody, and the zygote has the pidfd, so that closing ours is not enough. */
void fl_manager_unwatch(struct fl_processes *p, const struct fl_post *post)
{
    unwatch(p, post->link->socket);
    unwatch(p, post->link->bell);
    unwatch(p, post->pidfd);
}

bool fl_manager_is_self(const struct fl_processes *p)
{
    return fl_self()->keeper == (const void *)p;
}

bool fl_manager_needs_call(struct fl_processes *p)
{
    bool needs = p->is_armed && (p->ended.first != NULL || p->has_duty || p->due < p->wakes_at ||
                                 fl_flow_is_uneven(p));

    if (needs)
        p->is_armed = false;
    return needs;
}

void fl_manager_call(struct fl_processes *p)
{
    fl_notify_ring(p->call);
}

/* ---- the zygote */

/* It is gone, and its children with it. */
static void replace_zygote(struct fl_processes *p)
{
    int64_t now = fl_now();
    bool is_needed;
    int status;

    fl_zygote_end(p->control, p->zygote_pidfd);
    p->control = -1;
    p->zygote_pidfd = -1;
    fl_lock_enter(&p->lock);
    fl_staff_lost(p, now);
    is_needed = fl_staff_may_start(p);
    fl_lock_leave(&p->lock);
    status = is_needed ? fl_meet_zygote(p) : 0;
    if (status == 0)
        return;
    fl_lock_enter(&p->lock);
    if (p->broken == NULL) {
        snprintf(p->reason, sizeof p->reason, "no worker process could be started: %s",
                 p->is_another ? "the program that they run is another one now"
                               : filch_strerror(status));
        fl_processes_break(p, p->reason);
    }
    fl_lock_leave(&p->lock);
}

static void hear_zygote(struct fl_processes *p)
{
    for (;;) {
        struct fl_news news = {.kind = FL_NEWS_READY};
        int pidfd = -1;
        enum fl_got got = fl_socket_receive_or(p->control, &news, sizeof news, &pidfd);
        bool is_heard = got == FL_GOT;

        if (got == FL_GOT_NOTHING)
            return;
        fl_lock_enter(&p->lock);
        if (got == FL_GOT)
            fl_staff_news(p, &news, pidfd, fl_now());
        else if (got == FL_GOT_NO_ROOM && news.kind == FL_NEWS_FORKED)
            is_heard = fl_staff_unheld(p, &news, fl_now());
        fl_lock_leave(&p->lock);
        if (!is_heard) {
            replace_zygote(p);
            return;
        }
    }
}

/* ---- the loop */

/* With the lock. */
static void hear_all(struct fl_processes *p)
{
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_post *post = &p->post[i];

        if ((post->state == FL_POST_UP || post->state == FL_POST_LEAVING) &&
            !fl_flow_hear(p, post, UINT64_MAX))
            fl_staff_kill(p, post, FILCH_DEATH_FORGED);
    }
}

static void arm(struct fl_processes *p, bool sleeps)
{
    for (unsigned i = 0; i < p->options.workers; i++) {
        if (p->post[i].state == FL_POST_UP || p->post[i].state == FL_POST_LEAVING)
            fl_link_arm(p->post[i].link, sleeps);
    }
}

static uint64_t tell_all(struct fl_items ended)
{
    uint64_t n = 0;

    while (ended.first != NULL)
        n += fl_flow_tell(fl_items_pop(&ended));
    return n;
}

struct pass {
    int64_t next; /* when something is due */
    uint64_t told;
    bool is_over;
    bool is_last; /* all have been told to end: next is when patience with them does */
};

static struct pass pass(struct fl_processes *p)
{
    struct fl_items ended;
    struct pass pass;
    int64_t now = fl_now();
    bool has_started;

    fl_lock_enter(&p->lock);
    p->is_armed = false;
    p->has_duty = false;
    hear_all(p);
    pass.is_last = p->is_leaving;
    pass.next = fl_staff_watch(p, now);
    fl_flow_pump(p);
    fl_staff_sweep(p);
    fl_store(&p->is_busy, p->queue.first != NULL, relaxed); /* hint */
    ended = p->ended;
    p->ended = (struct fl_items){NULL, NULL};
    if (p->start_status == 1 && p->stats.alive == p->options.workers)
        p->start_status = 0;
    has_started = p->start_status != 1 && !p->has_told_start;
    if (has_started) {
        p->has_told_start = true;
        fl_add(&p->quiet, 1, release); /* pool.c's Q1 */
    }
    p->is_leaving = p->is_closing && p->over == p->submitted;
    pass.is_over = p->is_leaving && fl_staff_leave(p, now);
    fl_lock_leave(&p->lock);
    if (has_started)
        fl_futex_wake(&p->quiet, INT32_MAX);
    pass.told = tell_all(ended);
    if (pass.told != 0)
        fl_flow_told(p, pass.told);
    return pass;
}

/* False: there is something to do. */
static bool may_sleep(struct fl_processes *p, struct pass *pass)
{
    bool may = true;

    fl_lock_enter(&p->lock);
    arm(p, true);
    hear_all(p);
    may = p->ended.first == NULL && !p->has_duty && !fl_flow_is_uneven(p);
    if (p->is_closing && p->over == p->submitted && !pass->is_last)
        pass->next = 0; /* to see to the end */
    if (p->due < pass->next)
        pass->next = p->due;
    p->due = INT64_MAX;
    p->wakes_at = pass->next;
    p->is_armed = may;
    if (!may)
        arm(p, false);
    fl_lock_leave(&p->lock);
    return may;
}

static void nap(void)
{
    struct timespec moment = {0, MOMENT_NS};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
}

static int timeout_of(int64_t next)
{
    int64_t left = next - fl_now();

    if (next == INT64_MAX)
        return -1;
    if (left <= 0)
        return 0;
    return left < INT64_C(1000000000000) ? (int)((left + 999999) / 1000000) : 1000000;
}

static void meet(struct fl_processes *p, const struct epoll_event *event)
{
    unsigned worker = (unsigned)(event->data.u64 >> 8);

    switch ((enum watched)(event->data.u64 & 0xff)) {
    case CALL:
        fl_notify_drain(p->call);
        break;
    case CONTROL:
        hear_zygote(p);
        break;
    case BELL: /* what it rang for, the next pass hears */
        break;
    case SOCKET:
        fl_lock_enter(&p->lock);
        if (p->post[worker].link != NULL)
            fl_staff_up(p, worker, fl_now());
        fl_lock_leave(&p->lock);
        break;
    case DEATH:
        fl_lock_enter(&p->lock);
        fl_staff_gone(p, worker, fl_now());
        fl_lock_leave(&p->lock);
        break;
    }
}

static void await_events(struct fl_processes *p, int timeout)
{
    struct epoll_event event[MOST_EVENTS];
    int n = epoll_wait(p->epoll, event, MOST_EVENTS, timeout);

    for (int i = 0; i < n; i++)
        meet(p, &event[i]);
}

/* With the lock it is asked whether there is work for a look soon: what is uneven may be evened out then. */
static bool is_restless(struct fl_processes *p)
{
    bool is;

    fl_lock_enter(&p->lock);
    is = fl_flow_is_uneven(p);
    fl_lock_leave(&p->lock);
    return is;
}

/* As the last. Whether the executor was destroyed by a callback, and nobody joins this thread. */
static bool clear_up(struct fl_processes *p)
{
    bool is_orphan;

    fl_lock_enter(&p->lock);
    while (!fl_staff_sweep(p)) {
        fl_lock_leave(&p->lock);
        nap();
        fl_lock_enter(&p->lock);
    }
    is_orphan = p->is_orphan;
    fl_lock_leave(&p->lock);
    return is_orphan;
}

static void *manager_main(void *arg)
{
    struct fl_processes *p = arg;
    bool is_orphan;
    char name[16];

    fl_self()->keeper = p;
    snprintf(name, sizeof name, "%.8s-procs", p->name);
    fl_thread_name(name);
    prctl(PR_SET_TIMERSLACK, 1UL);
    for (;;) {
        struct pass now = pass(p);

        if (now.is_over)
            break;
        if (now.told >= MUCH || is_restless(p)) {
            nap();
            await_events(p, 0);
        } else if (may_sleep(p, &now)) {
            await_events(p, timeout_of(now.next));
            fl_lock_enter(&p->lock);
            arm(p, false);
            p->is_armed = false;
            fl_lock_leave(&p->lock);
        }
    }
    fl_zygote_end(p->control, p->zygote_pidfd);
    is_orphan = clear_up(p);
    fl_close(p->epoll);
    fl_self()->keeper = NULL;
    if (is_orphan) {
        fl_thread_detach(&p->manager);
        fl_processes_release(p);
    }
    return NULL;
}

/* ---- the beginning and the end */

static int await_start(struct fl_processes *p)
{
    int status;

    fl_lock_enter(&p->lock);
    p->waiters++;
    while (p->start_status == 1) {
        uint32_t turn = fl_load(&p->quiet, acquire); /* pool.c's Q2 */

        fl_lock_leave(&p->lock);
        fl_futex_wait(&p->quiet, turn, INT64_MAX);
        fl_lock_enter(&p->lock);
    }
    p->waiters--;
    status = p->start_status;
    if (status != 0)
        p->is_closing = p->is_killed = true;
    for (unsigned i = 0; status != 0 && i < p->options.workers; i++)
        fl_staff_kill(p, &p->post[i], FILCH_DEATH_ASKED);
    fl_lock_leave(&p->lock);
    return status;
}

int fl_manager_start(struct fl_processes *p)
{
    struct fl_thread_options how = {.stack_size = 0};
    int status = fl_table_create(&p->names, &p->home.heap);

    if (status != 0)
        return status;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0)
        return FILCH_EMFILE;
    p->call = fl_notify_open();
    if (p->call < 0) {
        status = p->call;
        goto close_epoll;
    }
    status = watch(p, p->call, tag(CALL, 0));
    if (status == 0)
        status = fl_meet_zygote(p);
    if (status != 0)
        goto close_epoll;
    status = fl_thread_start(&p->manager, manager_main, p, &how);
    if (status != 0)
        goto end_zygote;
    status = await_start(p);
    if (status != 0) {
        fl_manager_call(p);
        fl_manager_join(p);
    }
    return status;

end_zygote:
    fl_zygote_end(p->control, p->zygote_pidfd);
close_epoll:
    fl_close(p->epoll);
    return status;
}

void fl_manager_join(struct fl_processes *p)
{
    fl_thread_join(&p->manager);
}
