/* SPDX-License-Identifier: MIT
 *
 * flow.c: jobs from the queue to the workers, and back into it.
 *
 * A worker has more than one job on its way, so that it need not wait between two of them: as many as are worth
 * some two hundred microseconds, at least two. If one takes long after all, those behind it are taken back as
 * soon as another worker is idle. Everything here has the lock, but for the copy of a long payload. */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <filch/base.h>

#include <string.h>

enum {
    WORTH_NS = 200000, /* of jobs that a worker has on its way */
    UNEVEN_NS = 20000, /* a job that runs for so long holds up those behind it */
    WAKE_NS = 100000,  /* what it may cost to wait, rather than to wake another: PERF.md */
    FIRST_MEAN_NS = 100000
};

/* ---- lists */

void fl_items_push(struct fl_items *list, struct fl_item *item)
{
    item->next = NULL;
    item->before = list->last;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

void fl_items_push_first(struct fl_items *list, struct fl_item *item)
{
    item->next = list->first;
    item->before = NULL;
    if (list->first != NULL)
        list->first->before = item;
    else
        list->last = item;
    list->first = item;
}

void fl_items_remove(struct fl_items *list, struct fl_item *item)
{
    if (item->before != NULL)
        item->before->next = item->next;
    else
        list->first = item->next;
    if (item->next != NULL)
        item->next->before = item->before;
    else
        list->last = item->before;
}

struct fl_item *fl_items_pop(struct fl_items *list)
{
    struct fl_item *item = list->first;

    if (item != NULL)
        fl_items_remove(list, item);
    return item;
}

/* ---- there */

static uint64_t mean_of(const struct fl_processes *p)
{
    return p->mean_ns != 0 ? p->mean_ns : FIRST_MEAN_NS;
}

static unsigned depth(const struct fl_processes *p)
{
    uint64_t mean = mean_of(p);
    uint64_t worth = WORTH_NS / (mean < 500 ? 500 : mean);

    if (worth < 2)
        return 2;
    return worth < FL_WIRE_SLOTS ? (unsigned)worth : FL_WIRE_SLOTS;
}

static bool takes(const struct fl_processes *p, const struct fl_post *post, size_t len)
{
    return post->state == FL_POST_UP && !post->retires &&
           (p->options.max_jobs == 0 || post->given < p->options.max_jobs) &&
           fl_link_count(post->link) < depth(p) && fl_link_has_room(post->link, len) &&
           !post->link->is_stuffed;
}

/* The one that was given to last, if it is at work and sooner done with that than another were awake; an idle one; or
 * whoever has least to do. */
static struct fl_post *choose(const struct fl_processes *p, size_t len)
{
    struct fl_post *last = &p->post[p->last];
    struct fl_post *best = NULL;

    if (takes(p, last, len) && fl_link_count(last->link) * mean_of(p) < WAKE_NS &&
        !fl_link_sleeps(last->link))
        return last;

    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_post *post = &p->post[(p->last + i) % p->options.workers];

        if (!takes(p, post, len))
            continue;
        if (fl_link_count(post->link) == 0)
            return post;
        if (best == NULL || fl_link_count(post->link) < fl_link_count(best->link))
            best = post;
    }
    return best;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool has_moved_on(const struct fl_processes *p, const struct fl_post *post,
                         const struct fl_link *l, uint64_t cancels)
{
    return post->link != l || post->state != FL_POST_UP || post->retires || p->cancels != cancels ||
           p->broken != NULL || p->is_killed;
}

void fl_flow_begin_time(const struct fl_processes *p, struct fl_post *post)
{
    if (p->options.kill_after_ns != 0 || p->options.workers > 1)
        post->since = fl_now();
}

/* Copies without the lock. */
static bool give_long(struct fl_processes *p, struct fl_post *post, struct fl_item *item,
                      const struct fl_wire_request *request, const void *bytes)
{
    struct fl_link *l = post->link;
    uint64_t cancels = p->cancels;
    uint64_t at;
    void *room = fl_link_begin(l, item->len, &at);

    fl_add(&l->pins, 1, relaxed); /* settled by the lock */
    item->place = FL_GIVING;
    fl_lock_leave(&p->lock);
    memcpy(room, bytes, item->len);
    fl_lock_enter(&p->lock);
    fl_link_unpin(l);
    if (has_moved_on(p, post, l, cancels)) {
        l->is_giving = false;
        return false;
    }
    fl_link_end(l, item, request, at, &item->n);
    return true;
}

static bool give_to(struct fl_processes *p, struct fl_post *post, struct fl_item *item,
                    const void *bytes, bool may_leave_lock)
{
    struct fl_wire_request request = {.len = item->len,
                                      .job = item->job,
                                      .flags = item->flags | (item->fd >= 0 ? FL_WIRE_FAR : 0)};
    uint64_t oldest;

    if (may_leave_lock && item->fd < 0 && item->len >= FL_LONG_BYTES) {
        if (!give_long(p, post, item, &request, bytes))
            return false;
    } else if (!fl_link_give(post->link, item, &request, bytes, item->fd, &item->n)) {
        /* Its socket is closed; or full of what was taken back, and it has no job for which it would look there. */
        if (post->link->is_deaf || !fl_link_oldest(post->link, &oldest)) {
            post->retires = true; /* it may finish what it has, and gets no more */
            p->has_duty = true;
        }
        return false;
    }
    if (fl_link_oldest(post->link, &oldest) && oldest == item->n)
        fl_flow_begin_time(p, post);
    if (p->options.kill_after_ns != 0)
        p->due = earlier(p->due, fl_saturating_add(post->since, p->options.kill_after_ns));
    item->place = FL_SENT;
    item->worker = (uint32_t)(post - p->post);
    post->given++;
    p->last = item->worker;
    return true;
}

static size_t near_len(const struct fl_item *item)
{
    return item->fd >= 0 ? 0 : item->len;
}

bool fl_flow_give(struct fl_processes *p, struct fl_item *item, const void *bytes,
                  struct fl_post **to)
{
    *to = choose(p, near_len(item));
    return *to != NULL && give_to(p, *to, item, bytes, true);
}

static void free_copy(struct fl_processes *p, struct fl_item *item)
{
    if (item->apart != 0)
        fl_heap_free(&p->home.heap, item->bytes, item->apart, FL_WIRE_ALIGN);
    item->apart = 0;
    item->bytes = NULL;
}

/* Whoever cancelled everything has not found it. */
static void cancel_later(struct fl_processes *p, struct fl_item *item)
{
    item->is_cancelled = true;
    fl_flow_end(p, item, FILCH_ECANCELED, NULL);
}

/* It was being given, and is in no list: it goes on waiting, unless that has no sense any more. cancels: of before. */
static void put_back(struct fl_processes *p, struct fl_item *item, uint64_t cancels)
{
    if (p->broken != NULL)
        fl_flow_end(p, item, FILCH_EBROKEN, NULL);
    else if (p->is_killed)
        fl_blame_killed(p, item);
    else if (p->cancels != cancels && fl_future_phase(&item->f) == FL_PENDING)
        cancel_later(p, item);
    else {
        item->place = FL_QUEUED;
        fl_items_push_first(&p->queue, item);
    }
}

static void give_queued(struct fl_processes *p)
{
    struct fl_item *item;

    while ((item = p->queue.first) != NULL && choose(p, near_len(item)) != NULL) {
        uint64_t cancels = p->cancels;
        struct fl_post *to;

        fl_items_remove(&p->queue, item);
        item->place = FL_GIVING;
        if (!fl_flow_give(p, item, item->bytes, &to)) {
            put_back(p, item, cancels);
            continue; /* another may take it, or others that have come meanwhile, and nobody else gives them */
        }
        free_copy(p, item);
        to->has_to_ring = true;
    }
}

/* What it has beside the one that runs. */
static struct fl_post *richest(const struct fl_processes *p)
{
    struct fl_post *best = NULL;

    for (unsigned i = 0; i < p->options.workers; i++) {
        struct fl_post *post = &p->post[i];

        if (post->state == FL_POST_UP && fl_link_live(post->link) >= 2 &&
            (best == NULL || fl_link_live(post->link) > fl_link_live(best->link)))
            best = post;
    }
    return best;
}

static struct fl_post *idle(const struct fl_processes *p)
{
    for (unsigned i = 0; i < p->options.workers; i++) {
        if (takes(p, &p->post[i], 0) && fl_link_count(p->post[i].link) == 0)
            return &p->post[i];
    }
    return NULL;
}

bool fl_flow_is_uneven(const struct fl_processes *p)
{
    return p->queue.first == NULL && idle(p) != NULL && richest(p) != NULL;
}

/* The younger half of what the victim has not begun. The oldest of it is given first. */
static bool share(struct fl_processes *p, struct fl_post *post, struct fl_post *victim)
{
    struct fl_link *from = victim->link;
    size_t wanted = fl_link_live(from) / 2;
    uint64_t n = from->tail;
    uint64_t first = from->tail;
    bool has_given = false;

    while (wanted > 0 && n-- > from->head) {
        if (from->slot[n % FL_WIRE_SLOTS].job == NULL)
            continue;
        if (fl_link_has_begun(from, n))
            break;
        first = n;
        wanted--;
    }
    for (n = first; n < from->tail; n++) {
        struct fl_item *item = from->slot[n % FL_WIRE_SLOTS].job;

        if (item == NULL || !takes(p, post, near_len(item)) || !fl_link_take_back(from, n))
            continue;
        victim->given--;
        p->stats.returned++;
        if (give_to(p, post, item, fl_link_bytes(from, n), false)) {
            has_given = true;
        } else {
            fl_flow_return(p, item, fl_link_bytes(from, n));
            p->has_duty = true; /* another may take it */
        }
    }
    return has_given;
}

static void even_out(struct fl_processes *p)
{
    struct fl_post *post = idle(p);
    struct fl_post *victim = post != NULL ? richest(p) : NULL;

    if (victim == NULL || fl_now() - victim->since < UNEVEN_NS)
        return;
    if (share(p, post, victim))
        post->has_to_ring = true;
}

void fl_flow_pump(struct fl_processes *p)
{
    give_queued(p);
    if (p->queue.first == NULL && p->options.workers > 1)
        even_out(p);
    for (unsigned i = 0; i < p->options.workers; i++) {
        if (p->post[i].has_to_ring && p->post[i].link != NULL)
            fl_link_ring(p->post[i].link);
        p->post[i].has_to_ring = false;
    }
}

/* ---- and out again */

void fl_flow_end(struct fl_processes *p, struct fl_item *item, int status, void *value)
{
    if (item->place == FL_QUEUED)
        fl_items_remove(&p->queue, item);
    free_copy(p, item);
    item->place = FL_ENDED;
    item->status = status;
    item->value = value;
    fl_items_push(&p->ended, item);
}

void fl_flow_return(struct fl_processes *p, struct fl_item *item, const void *bytes)
{
    item->place = FL_GONE; /* of no list */
    if (p->is_killed) {    /* nobody comes any more who would run it */
        fl_blame_killed(p, item);
        return;
    }
    if (item->fd < 0 && item->len != 0) {
        if (item->behind >= item->len) {
            item->bytes = item + 1;
        } else {
            item->bytes = fl_heap_alloc(&p->home.heap, item->len, FL_WIRE_ALIGN);
            if (item->bytes == NULL) {
                fl_flow_end(p, item, FILCH_ENOMEM, NULL);
                return;
            }
            item->apart = item->len;
        }
        memcpy(item->bytes, bytes, item->len);
    }
    item->place = FL_QUEUED;
    fl_items_push_first(&p->queue, item);
}

/* From a worker's: it is none of those after which that is replaced. Nobody else may hear that there is room now,
 * or that this was the last of one that retires. */
static bool take_from_worker(struct fl_processes *p, struct fl_item *item)
{
    struct fl_post *post = &p->post[item->worker];
    uint64_t oldest;

    fl_link_oldest(post->link, &oldest);
    if (!fl_link_take_back(post->link, item->n))
        return false;
    if (item->n == oldest)
        fl_flow_begin_time(p, post); /* of the one behind it */
    post->given--;
    p->has_duty = p->has_duty || post->retires || p->queue.first != NULL;
    return true;
}

bool fl_flow_take_out(struct fl_processes *p, struct fl_item *item)
{
    if (fl_future_phase(&item->f) != FL_PENDING)
        return false; /* it was seen to run, and is to run again */
    switch (item->place) {
    case FL_QUEUED:
        fl_items_remove(&p->queue, item);
        free_copy(p, item);
        break;
    case FL_SENT:
        if (!take_from_worker(p, item))
            return false;
        break;
    case FL_GIVING: /* of no list: who cancels one waits, and who cancels all says so */
    case FL_ENDED:
        return false;
    case FL_GONE:
        break;
    }
    item->place = FL_GONE;
    return true;
}
