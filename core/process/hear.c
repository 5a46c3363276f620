/* SPDX-License-Identifier: MIT
 *
 * hear.c: what came of the jobs, from the workers to whoever is told.
 *
 * A result is copied once, and only the copy is looked at: the worker may still write to the ring. Hearing has the
 * lock, but for the copy of what is long; telling has not. */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "future/error.h"
#include "future/waiter.h"

#include <filch/base.h>

#include <string.h>
#include <sys/mman.h>

enum {
    MOST_BELIEVED_NS = 5000000 /* an eighth of it is six times what makes jobs long (flow.c) */
};

/* ---- results */

/* A result that is a mapping of the worker's file. */
static bool grow_mapped(filch_buffer *b, size_t room)
{
    void *data = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED)
        return false;
    memcpy(data, b->data, b->len);
    fl_file_unmap(b->data, (size_t)b->_[FL_BUFFER_ROOM]);
    b->data = data;
    b->_[FL_BUFFER_ROOM] = room;
    return true;
}

static void free_mapped(filch_buffer *b)
{
    fl_file_unmap(b->data, (size_t)b->_[FL_BUFFER_ROOM]);
    fl_free(b);
}

static filch_buffer *mapped(void *map, size_t len)
{
    static const struct fl_buffer_ops ops = {grow_mapped, free_mapped};
    filch_buffer *b = fl_malloc(sizeof *b);

    if (b == NULL) {
        fl_file_unmap(map, len);
        return NULL;
    }
    fl_buffer_open(b, &ops);
    b->data = map;
    b->len = len;
    b->_[FL_BUFFER_ROOM] = len;
    return b;
}

static struct fl_failure *said(const struct fl_answer *a)
{
    char text[FL_WIRE_SAID + 1];

    if (a->len == 0)
        return NULL;
    memcpy(text, a->bytes, a->len);
    text[a->len] = '\0';
    return fl_failure_create(text, NULL, NULL);
}

static filch_buffer *copied(const struct fl_answer *a)
{
    filch_buffer *b = fl_buffer_create(a->len);

    if (b != NULL && a->len != 0)
        memcpy(b->data, a->bytes, a->len);
    return b;
}

/* False: there is no such result. */
static bool read_result(struct fl_processes *p, struct fl_post *post, const struct fl_answer *a,
                        int *status, void **value)
{
    *status = a->status;
    if (a->status != 0) {
        *value = said(a);
        return true;
    }
    *value = NULL;
    if (!a->is_far && a->len > p->options.max_payload) {
        *status = FILCH_EMSGSIZE;
        return true;
    }
    if (a->is_far) {
        void *map = fl_link_receive(post->link, a->n, a->len, status);

        if (map == NULL)
            return *status != FILCH_EINVAL;
        p->stats.far++;
        if (a->len > p->options.max_payload) {
            fl_file_unmap(map, a->len);
            *status = FILCH_EMSGSIZE;
            return true;
        }
        *value = mapped(map, a->len);
    } else {
        *value = copied(a);
    }
    if (*value == NULL)
        *status = FILCH_ENOMEM;
    return true;
}

/* ---- hearing */

/* How long a job took is the worker's word. More than this makes hardly any difference while it is true, and would for
 * hundreds of jobs if one that lies were believed. */
static uint64_t believed_ns(const struct fl_answer *a)
{
    uint64_t ns = (uint64_t)a->run_us * 1000;

    return ns < MOST_BELIEVED_NS ? ns : MOST_BELIEVED_NS;
}

static void note_time(struct fl_processes *p, struct fl_post *post, const struct fl_answer *a)
{
    uint64_t ns = believed_ns(a);

    p->mean_ns = p->mean_ns != 0 ? p->mean_ns - p->mean_ns / 8 + ns / 8 : ns + 1;
    fl_flow_begin_time(p, post);
    post->quick_deaths = 0;
    p->executed++;
    if (p->options.max_rss_bytes != 0 && a->rss_bytes > p->options.max_rss_bytes)
        post->retires = true;
    if (p->options.max_jobs != 0 && post->given >= p->options.max_jobs)
        post->retires = true;
    p->has_duty = p->has_duty || post->retires;
}

/* Copies without the lock. Nobody else hears of that link meanwhile, so the manager has to listen again. */
static void hear_long(struct fl_processes *p, struct fl_post *post, const struct fl_answer *a)
{
    struct fl_link *l = post->link;
    struct fl_item *item = a->job;
    filch_buffer *b;

    fl_link_next(l);
    item->place = FL_ENDED; /* as good as */
    l->is_hearing = true;
    fl_add(&l->pins, 1, relaxed); /* settled by the lock */
    fl_lock_leave(&p->lock);
    b = copied(a);
    fl_lock_enter(&p->lock);
    fl_link_unpin(l);
    l->is_hearing = false;
    p->has_duty = true;
    if (post->link == l) {
        fl_link_free(l);
        note_time(p, post, a);
    }
    fl_flow_end(p, item, b != NULL ? 0 : FILCH_ENOMEM, b);
}

static bool is_long(const struct fl_processes *p, const struct fl_answer *a)
{
    return a->status == 0 && a->len <= p->options.max_payload && !a->is_far &&
           a->len >= FL_LONG_BYTES;
}

bool fl_flow_hear(struct fl_processes *p, struct fl_post *post, uint64_t n)
{
    struct fl_link *l = post->link;
    enum fl_said what = FL_SAID_NOTHING;
    struct fl_answer a;

    while (post->link == l && !l->is_hearing && !l->has_lied &&
           (what = fl_link_hear(l, &a)) == FL_SAID_DONE) {
        int status;
        void *value;

        if (is_long(p, &a)) {
            hear_long(p, post, &a);
        } else {
            if (!read_result(p, post, &a, &status, &value)) {
                what = FL_SAID_FORGED;
                break;
            }
            fl_link_next(l);
            fl_link_free(l);
            note_time(p, post, &a);
            fl_flow_end(p, a.job, status, value);
        }
        if (a.n == n)
            return true;
    }
    l->has_lied = l->has_lied || what == FL_SAID_FORGED;
    return !l->has_lied;
}

/* ---- telling */

/* To the manager with it: somebody has added a callback to what was seen to have none. */
static void leave_telling(struct fl_processes *p, struct fl_item *item, struct fl_waiter *withheld)
{
    bool needs_call;

    fl_lock_enter(&p->lock);
    item->withheld = withheld;
    fl_items_push(&p->ended, item);
    needs_call = fl_manager_needs_call(p);
    fl_lock_leave(&p->lock);
    if (needs_call)
        fl_manager_call(p);
}

void fl_flow_tell_here(struct fl_processes *p, struct fl_item *item)
{
    struct fl_withheld before;
    struct fl_waiter *withheld;

    fl_future_claim(&item->f); /* unless somebody has seen it begin */
    fl_waiters_withhold(&before);
    fl_future_finish(&item->f, item->status, item->value);
    withheld = fl_waiters_withheld(&before);
    if (withheld != NULL) {
        leave_telling(p, item, withheld);
        return;
    }
    filch_future_release(&item->f);
    fl_flow_told(p, 1);
}

uint64_t fl_flow_tell(struct fl_item *item)
{
    filch_future *f = &item->f;

    if (item->withheld != NULL) {
        fl_waiters_tell_withheld(item->withheld);
        filch_future_release(f);
        return 1;
    }
    if (item->is_cancelled) {
        struct fl_processes *p = fl_processes_of(f->home);

        filch_future_retain(f);
        fl_lock_enter(&p->lock);
        item->place = FL_GONE;
        fl_lock_leave(&p->lock);
        fl_future_drop(f, FILCH_ECANCELED);
        filch_future_release(f);
        return 0;
    }
    if (fl_unlikely(item->is_poison))
        fl_poison_add(fl_processes_of(f->home), item);
    fl_future_claim(f); /* unless somebody has seen it begin */
    fl_future_finish(f, item->status, item->value);
    filch_future_release(f);
    return 1;
}

void fl_flow_told(struct fl_processes *p, uint64_t n)
{
    bool is_quiet;
    bool ends;

    fl_lock_enter(&p->lock);
    p->over += n;
    is_quiet = p->over == p->submitted && p->waiters != 0;
    ends = p->over == p->submitted && p->is_closing;
    if (is_quiet)
        fl_add(&p->quiet, 1, release); /* pool.c's Q1 */
    fl_lock_leave(&p->lock);
    if (ends)
        fl_manager_call(p);
    if (is_quiet)
        fl_futex_wake(&p->quiet, INT32_MAX);
}
