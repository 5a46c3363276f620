/* SPDX-License-Identifier: MIT
 *
 * staff.c: the workers' lives: started, up, retired, dead, replaced.
 *
 * A worker's place goes EMPTY > ASKED > FORKED > UP > LEAVING > EMPTY, and from anywhere to DYING, and to EMPTY
 * when the zygote says that the process is no more: by then everything that it has answered is there to be read.
 * What becomes of its jobs then is blame.c's. Its memory and descriptors are its own life's, and go with it, so
 * that whoever it has left behind with them reaches nobody.
 *
 * Words   pins   of a link: raised with the lock, given back without
 * Orders  P1  unpin  pins  sub release -> P2     what was done with the link
 *         P2  close  pins  acquire <- P1 */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum {
    FIRST_PAUSE_NS = 10000000, /* before a worker is started after it has died quickly twice */
    MOST_PAUSE_NS = 1000000000,
    MOST_FAILED_STARTS = 5, /* in a row, of each worker */
    MOST_ASKED = 32,        /* at once: so that all orders have room in the socket */
    LEAVE_NS = 1000000000   /* for a worker that was told to end */
};

static const int64_t LATE_NS = 5000000000; /* for the zygote, to say that somebody is dead */

void fl_link_unpin(struct fl_link *l)
{
    fl_sub(&l->pins, 1, release); /* P1 */
}

/* Whoever does, the manager is to look: that it is dead should be told in time. */
void fl_staff_kill(struct fl_processes *p, struct fl_post *post, enum filch_death why)
{
    if (post->state == FL_POST_EMPTY)
        return;
    if (post->asked == 0)
        post->asked = why;
    if (post->state != FL_POST_DYING) {
        post->late_at = fl_now() + LATE_NS;
        p->has_duty = true;
    }
    post->state = FL_POST_DYING;
    fl_pidfd_kill(post->pidfd, SIGKILL);
}

/* ---- starting */

/* No worker is up, and at each place one has been tried often enough since the last was. */
static bool has_no_hope(const struct fl_processes *p)
{
    for (unsigned i = 0; i < p->options.workers; i++) {
        if (p->post[i].state == FL_POST_UP || p->post[i].failed_starts < MOST_FAILED_STARTS)
            return false;
    }
    return true;
}

static int64_t pause_after(unsigned failures)
{
    int64_t pause = failures != 0 ? FIRST_PAUSE_NS : 0;

    for (unsigned i = 1; i < failures && pause < MOST_PAUSE_NS; i++)
        pause *= 2;
    return pause < MOST_PAUSE_NS ? pause : MOST_PAUSE_NS;
}

static void failed_to_start(struct fl_processes *p, struct fl_post *post, int status, int64_t now)
{
    post->act_at = now + pause_after(++post->failed_starts);
    if (p->start_status == 1)
        p->start_status = status;
    if (has_no_hope(p) && p->broken == NULL) {
        snprintf(p->reason, sizeof p->reason, "no worker process could be started: %s",
                 filch_strerror(status));
        fl_processes_break(p, p->reason);
    }
}

void fl_staff_start(struct fl_processes *p, unsigned worker, int64_t now)
{
    struct fl_link_options how = {.ring_bytes = p->options.ring_bytes,
                                  .spin_ns = p->options.spin_ns,
                                  .cpu_limit_ns = p->options.cpu_limit_ns,
                                  .keeps_rss = p->options.max_rss_bytes != 0};
    struct fl_order order = {
        .kind = FL_ORDER_START, .worker = worker, .ring_bytes = p->options.ring_bytes};
    struct fl_post *post = &p->post[worker];
    struct fl_link *l = fl_heap_alloc(&p->home.heap, sizeof *l, alignof(struct fl_link));
    int status = l != NULL ? fl_link_open(l, &how) : FILCH_ENOMEM;

    if (status != 0)
        goto free_link;
    order.life = ++post->life;
    memcpy(order.name, p->name, sizeof order.name);
    status = fl_socket_send(p->control, &order, sizeof order, l->theirs, 4, false);
    if (status != 0)
        goto close_link;
    fl_link_forget_theirs(l);
    post->link = l;
    post->state = FL_POST_ASKED;
    post->pidfd = -1;
    post->pid = 0;
    post->asked = 0;
    post->retires = false;
    post->late_at = 0;
    post->has_to_ring = false;
    post->given = 0;
    post->act_at = fl_saturating_add(now, p->options.start_timeout_ns);
    return;

close_link:
    fl_link_close(l);
free_link:
    if (l != NULL)
        fl_heap_free(&p->home.heap, l, sizeof *l, alignof(struct fl_link));
    failed_to_start(p, post, status == FILCH_EEND ? FILCH_EAGAIN : status, now);
}

void fl_staff_up(struct fl_processes *p, unsigned worker, int64_t now)
{
    struct fl_post *post = &p->post[worker];
    struct fl_up up;
    enum fl_got got = fl_socket_receive(post->link->socket, &up, sizeof up, NULL, 0, false);

    if (got == FL_GOT_NOTHING)
        return;
    fl_manager_unwatch_socket(p, post->link);
    if (post->state != FL_POST_FORKED && post->state != FL_POST_ASKED)
        return;
    if (got != FL_GOT || up.version != FL_WIRE_VERSION || up.status != 0) {
        fl_staff_kill(p, post, FILCH_DEATH_ASKED);
        failed_to_start(p, post, FILCH_EBROKEN, now);
        return;
    }
    post->state = FL_POST_UP;
    post->born = now;
    post->since = now;
    post->failed_starts = 0;
    p->stats.alive++;
    fl_staff_gone(p, worker, now); /* already */
}

/* ---- dying */

/* Whoever looks at it still goes on when he is told: so it is closed later. */
static void bury_link(struct fl_processes *p, struct fl_post *post)
{
    fl_manager_unwatch(p, post);
    post->link->next_dead = p->dead;
    p->dead = post->link;
    post->link = NULL;
}

bool fl_staff_sweep(struct fl_processes *p)
{
    struct fl_link **at = &p->dead;

    while (*at != NULL) {
        struct fl_link *l = *at;

        if (fl_load(&l->pins, acquire) != 0) { /* P2 */
            at = &l->next_dead;
            continue;
        }
        *at = l->next_dead;
        fl_link_close(l);
        fl_heap_free(&p->home.heap, l, sizeof *l, alignof(struct fl_link));
    }
    return p->dead == NULL;
}

/* Whoever copies an answer leaves the next ones to us. Only the manager is here, so the post stays what it is. */
static void await_hearing(struct fl_processes *p, const struct fl_link *l)
{
    while (l->is_hearing) {
        fl_lock_leave(&p->lock);
        fl_thread_yield();
        fl_lock_enter(&p->lock);
    }
}

/* It was told to end, and did, or was killed for not doing so. */
static bool has_left(const struct fl_post *post, const filch_crash *crash)
{
    return post->state == FL_POST_LEAVING &&
           ((crash->how == FILCH_DEATH_EXIT && crash->exit_code == 0) || post->late_at != 0);
}

static void die(struct fl_processes *p, struct fl_post *post, const struct fl_news *news,
                int64_t now)
{
    enum fl_post_state state = post->state;
    filch_crash crash = fl_blame_crash(p, post, news);
    bool was_up = post->born != 0;
    bool left = has_left(post, &crash);
    bool is_crash = was_up && !left && fl_blame_is_own_fault(&crash);

    await_hearing(p, post->link);
    fl_flow_hear(p, post, UINT64_MAX);
    fl_blame_settle(p, post, &crash);
    bury_link(p, post);
    fl_close(post->pidfd);
    post->pidfd = -1;
    post->pid = 0;
    post->state = FL_POST_EMPTY;
    post->born = 0;
    if (was_up)
        p->stats.alive--;
    else if (state != FL_POST_DYING) /* otherwise that has been noted */
        failed_to_start(p, post, FILCH_EBROKEN, now);
    if (!was_up)
        return;
    post->act_at = now;
    if (left)
        p->stats.recycled += post->retires;
    else if (is_crash)
        p->stats.crashed++;
    else if (crash.how == FILCH_DEATH_WALL || crash.how == FILCH_DEATH_CPU)
        p->stats.killed++;
    if (is_crash || crash.how == FILCH_DEATH_FORGED)
        post->act_at = now + pause_after(post->quick_deaths++);
    if (is_crash && (p->options.flags & FILCH_STRICT_BROKEN) != 0 && p->broken == NULL) {
        if (crash.how == FILCH_DEATH_SIGNAL && crash.signal == 0)
            snprintf(p->reason, sizeof p->reason,
                     "a worker process died: pid %d, nobody knows of what", crash.pid);
        else
            snprintf(p->reason, sizeof p->reason, "a worker process died: pid %d, %s %d", crash.pid,
                     crash.how == FILCH_DEATH_EXIT ? "exit code" : "signal",
                     crash.how == FILCH_DEATH_EXIT ? crash.exit_code : crash.signal);
        fl_processes_break(p, p->reason);
    }
}

void fl_staff_news(struct fl_processes *p, const struct fl_news *news, int pidfd, int64_t now)
{
    struct fl_post *post = news->worker < p->options.workers ? &p->post[news->worker] : NULL;

    if (post == NULL || post->life != news->life || post->state == FL_POST_EMPTY) {
        fl_close(pidfd);
        return;
    }
    switch ((enum fl_news_kind)news->kind) {
    case FL_NEWS_FORKED:
        post->pidfd = pidfd;
        post->pid = news->pid;
        p->stats.started++;
        if (post->state == FL_POST_ASKED)
            post->state = FL_POST_FORKED;
        else
            fl_pidfd_kill(pidfd, SIGKILL);
        fl_manager_watch(p, news->worker);
        break;
    case FL_NEWS_UNBORN:
        fl_close(pidfd);
        bury_link(p, post);
        post->state = FL_POST_EMPTY;
        failed_to_start(p, post, FILCH_EAGAIN, now);
        break;
    case FL_NEWS_DEAD:
        fl_close(pidfd);
        die(p, post, news, now);
        break;
    case FL_NEWS_BUILD:
    case FL_NEWS_NAME:
    case FL_NEWS_READY:
    case FL_NEWS_THREADS:
        fl_close(pidfd);
        break;
    }
}

/* What nobody could kill is not to live, and who forked it can still kill it. */
bool fl_staff_unheld(struct fl_processes *p, const struct fl_news *news, int64_t now)
{
    struct fl_order order = {.kind = FL_ORDER_KILL, .worker = news->worker, .life = news->life};
    const int any[4] = {p->call, p->call, p->call, p->call};
    struct fl_post *post = news->worker < p->options.workers ? &p->post[news->worker] : NULL;

    if (post == NULL || post->life != news->life || post->state == FL_POST_EMPTY)
        return false;
    if (fl_socket_send(p->control, &order, sizeof order, any, 4, false) != 0)
        return false;
    post->pid = news->pid;
    p->stats.started++;
    if (post->state != FL_POST_DYING)
        failed_to_start(p, post, FILCH_EMFILE, now);
    fl_staff_kill(p, post, FILCH_DEATH_ASKED);
    return true;
}

void fl_staff_gone(struct fl_processes *p, unsigned worker, int64_t now)
{
    struct fl_post *post = &p->post[worker];

    if (post->state == FL_POST_UP && post->late_at == 0 && fl_pidfd_is_over(post->pidfd))
        post->late_at = now + LATE_NS;
}

/* Nobody will say of what they have died. */
void fl_staff_lost(struct fl_processes *p, int64_t now)
{
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_post *post = &p->post[i];
        struct fl_news news = {.code = CLD_KILLED, .status = SIGKILL};

        if (post->state == FL_POST_EMPTY)
            continue;
        if (post->state == FL_POST_UP && post->late_at == INT64_MAX)
            news.status = 0; /* by itself, and long before */
        fl_pidfd_kill(post->pidfd, SIGKILL);
        die(p, post, &news, now);
    }
}

/* ---- what is due */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first in line may have begun, and denies it: not for ever (blame.c). */
static void retire(struct fl_processes *p, struct fl_post *post, int64_t now)
{
    struct fl_link *l = post->link;
    uint64_t oldest;

    post->retires = true;
    fl_link_oldest(l, &oldest);
    for (uint64_t n = l->tail; n-- > l->head;) {
        struct fl_item *item = l->slot[n % FL_WIRE_SLOTS].job;

        if (p->options.max_jobs != 0 && post->given <= p->options.max_jobs)
            break; /* these are still its own */
        if (item == NULL || (n == oldest && item->firsts >= FL_MOST_FIRSTS) ||
            !fl_link_take_back(l, n))
            continue;
        item->firsts += n == oldest;
        p->stats.returned++;
        fl_flow_return(p, item, fl_link_bytes(l, n));
    }
    if (fl_link_oldest(l, &oldest))
        return;
    fl_link_finish(l);
    post->state = FL_POST_LEAVING;
    post->act_at = now + LEAVE_NS;
}

/* Returns when there is something to be done again. */
static int64_t watch_up(struct fl_processes *p, struct fl_post *post, int64_t now)
{
    const filch_process_options *o = &p->options;
    int64_t next = INT64_MAX;

    if (o->max_age_ns != 0) {
        int64_t at = fl_saturating_add(post->born, o->max_age_ns);

        if (now >= at)
            post->retires = true;
        else
            next = at;
    }
    if (o->kill_after_ns != 0 && fl_link_count(post->link) != 0) {
        int64_t at = fl_saturating_add(post->since, o->kill_after_ns);

        if (now >= at) {
            fl_staff_kill(p, post, FILCH_DEATH_WALL);
            return INT64_MAX;
        }
        next = earlier(next, at);
    }
    if (post->retires)
        retire(p, post, now);
    return post->state == FL_POST_LEAVING ? post->act_at : next;
}

static bool may_ask(const struct fl_processes *p)
{
    unsigned asked = 0;

    for (unsigned i = 0; i < p->options.workers; i++)
        asked += p->post[i].state == FL_POST_ASKED;
    return asked < MOST_ASKED;
}

/* Of one that was killed or has died: who should say that it is dead does not. */
static int64_t watch_late(struct fl_processes *p, struct fl_post *post, int64_t now)
{
    if (now < post->late_at)
        return post->late_at;
    post->late_at = INT64_MAX;
    fl_pidfd_kill(p->zygote_pidfd, SIGKILL);
    return INT64_MAX;
}

bool fl_staff_may_start(const struct fl_processes *p)
{
    bool is_ending = p->is_closing && p->over == p->submitted;

    return !is_ending && !p->is_killed && p->broken == NULL;
}

static int64_t watch_one(struct fl_processes *p, unsigned i, int64_t now)
{
    struct fl_post *post = &p->post[i];

    switch (post->state) {
    case FL_POST_EMPTY:
        if (!fl_staff_may_start(p))
            return INT64_MAX;
        if (now >= post->act_at && !may_ask(p))
            return INT64_MAX; /* there will be news of those */
        if (now >= post->act_at)
            fl_staff_start(p, i, now);
        return post->act_at;
    case FL_POST_UP:
        return post->late_at != 0 ? watch_late(p, post, now) : watch_up(p, post, now);
    case FL_POST_ASKED:
    case FL_POST_FORKED:
        if (now < post->act_at)
            return post->act_at;
        if (p->start_status == 1)
            p->start_status = FILCH_ETIMEDOUT;
        if (post->pidfd < 0)
            fl_pidfd_kill(p->zygote_pidfd, SIGKILL); /* it does not answer */
        failed_to_start(p, post, FILCH_ETIMEDOUT, now);
        fl_staff_kill(p, post, FILCH_DEATH_ASKED);
        return INT64_MAX;
    case FL_POST_LEAVING:
        if (now < post->act_at)
            return post->act_at;
        if (post->late_at == 0) {
            post->late_at = now + LATE_NS;
            fl_pidfd_kill(post->pidfd, SIGKILL);
        }
        return watch_late(p, post, now);
    case FL_POST_DYING:
        return watch_late(p, post, now);
    }
    return INT64_MAX;
}

int64_t fl_staff_watch(struct fl_processes *p, int64_t now)
{
    int64_t next = INT64_MAX;

    if (p->kill_at != 0) {
        if (now >= p->kill_at) {
            p->kill_at = 0;
            for (unsigned i = 0; i < p->options.workers; i++)
                fl_staff_kill(p, &p->post[i], FILCH_DEATH_ASKED);
        } else {
            next = p->kill_at;
        }
    }
    for (unsigned i = 0; i < p->options.workers; i++)
        next = earlier(next, watch_one(p, i, now));
    return next;
}

bool fl_staff_leave(struct fl_processes *p, int64_t now)
{
    bool is_empty = true;

    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_post *post = &p->post[i];

        if (post->state == FL_POST_UP) {
            fl_link_finish(post->link);
            post->state = FL_POST_LEAVING;
            post->act_at = now + LEAVE_NS;
        } else if (post->state == FL_POST_ASKED || post->state == FL_POST_FORKED) {
            fl_staff_kill(p, post, FILCH_DEATH_ASKED);
        }
        is_empty = is_empty && post->state == FL_POST_EMPTY;
    }
    return is_empty;
}
