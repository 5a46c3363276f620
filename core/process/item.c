/* SPDX-License-Identifier: MIT
 *
 * item.c: a job's record: submitted, and whatever its future asks until it is over.
 *
 * A cancel has to ask the worker: a job that it has not begun is taken back by one CAS (wire.h, A1), and
 * only then is its future cancelled. So two who cancel agree, and RUNNING means that a worker has begun. */
#include "process/pool.h"

#include "base/compiler.h"
#include "base/forked.h"
#include "queue/table.h"

#include <string.h>

/* ---- records */

static struct fl_item *item_create(struct fl_processes *p, const struct fl_job *job, uint32_t index,
                                   size_t behind, bool has_future)
{
    struct fl_item *item;

    item = fl_heap_alloc(&p->home.heap, sizeof *item + behind, FL_WIRE_ALIGN);
    if (item == NULL)
        return NULL;
    fl_add(&p->refs, 1, relaxed); /* count: the handle's is there */
    fl_future_init(&item->f, NULL, &p->home, FL_KIND_TASK, NULL, NULL, has_future ? 2 : 1);
    item->f.has_extra = FL_EXTRA;
    memset(&item->extra, 0, sizeof item->extra);
    item->extra.base = (struct fl_extra){p->known[index]->text, fl_buffer_drop, NULL};
    item->bytes = behind != 0 ? item + 1 : NULL;
    item->len = job->len;
    item->behind = behind;
    item->apart = 0;
    item->fd = -1;
    item->job = index;
    item->flags = job->is_chunk ? FL_WIRE_CHUNK : 0;
    item->crashes = 0;
    item->returns = 0;
    item->firsts = 0;
    item->place = FL_GONE;
    item->is_cancelled = false;
    item->withheld = NULL;
    item->status = 0;
    item->is_poison = false;
    item->lent = NULL;
    item->value = NULL;
    if (behind != 0 && job->len != 0)
        memcpy(item->bytes, job->bytes, job->len);
    return item;
}

static void free_item(struct fl_home *home, filch_future *f)
{
    struct fl_processes *p = fl_processes_of(home);
    struct fl_item *item = fl_item_of(f);

    if (!fl_forked(&home->forked)) {
        if (item->apart != 0)
            fl_heap_free(&home->heap, item->bytes, item->apart, FL_WIRE_ALIGN);
        fl_close(item->fd);
    }
    fl_heap_free(&home->heap, item, sizeof *item + item->behind, FL_WIRE_ALIGN);
    fl_processes_release(p);
}

/* ---- what its futures ask */

/* It has begun, and is not told so by anybody yet: now it is. */
static void note_begun(struct fl_item *item)
{
    if (!item->is_cancelled)
        fl_future_claim(&item->f);
}

static bool may_cancel(struct fl_home *home, filch_future *f)
{
    struct fl_processes *p = fl_processes_of(home);
    bool needs_call;
    bool may;

    if (fl_forked(&home->forked))
        return false;
    fl_lock_enter(&p->lock);
    while (fl_item_of(f)->place == FL_GIVING) { /* for as long as a copy takes */
        fl_lock_leave(&p->lock);
        fl_thread_yield();
        fl_lock_enter(&p->lock);
    }
    may = fl_flow_take_out(p, fl_item_of(f));
    if (!may)
        note_begun(fl_item_of(f));
    needs_call = fl_manager_needs_call(p);
    fl_lock_leave(&p->lock);
    if (needs_call)
        fl_manager_call(p);
    return may;
}

/* It was GONE, and is CANCELLED now, by the caller, who holds a reference: the queue's goes. */
static void let_go(struct fl_home *home, filch_future *f)
{
    filch_future_release(f);
    fl_flow_told(fl_processes_of(home), 1);
}

static void look(struct fl_home *home, filch_future *f)
{
    struct fl_processes *p = fl_processes_of(home);
    struct fl_item *item = fl_item_of(f);

    if (fl_forked(&home->forked))
        return;
    fl_lock_enter(&p->lock);
    if (item->place == FL_ENDED ||
        (item->place == FL_SENT && fl_link_has_begun(p->post[item->worker].link, item->n)))
        note_begun(item);
    fl_lock_leave(&p->lock);
}

static void unobserved(struct fl_home *home, const filch_unobserved *info)
{
    struct fl_processes *p = fl_processes_of(home);

    if (fl_forked(&home->forked))
        return;
    fl_lock_enter(&p->lock);
    p->unobserved++;
    fl_lock_leave(&p->lock);
    if (p->options.on_unobserved != NULL)
        p->options.on_unobserved(info, p->options.hook_arg);
}

static bool is_teller(const struct fl_home *home)
{
    return fl_manager_is_self(fl_processes_of(home));
}

const struct fl_home_ops fl_item_home_ops = {.free = free_item,
                                             .wait = fl_process_await,
                                             .wake = fl_process_wake,
                                             .is_teller = is_teller,
                                             .let_go = let_go,
                                             .may_cancel = may_cancel,
                                             .look = look,
                                             .unobserved = unobserved};

/* ---- submit */

static int index_of(struct fl_processes *p, const char *name, uint32_t *index)
{
    const struct fl_name *found = fl_table_get(p->names, name, strlen(name));

    if (found == NULL)
        return FILCH_ENOENT;
    *index = found->index;
    return 0;
}

/* Of a payload that is too long for a ring. */
static int write_file(const struct fl_job *job)
{
    void *map;
    int fd = fl_file_create("filch-payload", job->len, &map);
    int status;

    if (fd < 0)
        return fd;
    memcpy(map, job->bytes, job->len);
    fl_file_unmap(map, job->len);
    status = fl_file_seal(fd);
    if (status == 0)
        return fd;
    fl_close(fd);
    return status;
}

static int refusal(const struct fl_processes *p)
{
    if (p->broken != NULL)
        return FILCH_EBROKEN;
    return p->is_closing ? FILCH_ESHUTDOWN : 0;
}

/* The hash takes its time, and nobody is to wait for it. Whoever has been told that an input is poison finds it here. */
static bool is_poison(struct fl_processes *p, const struct fl_job *job, uint32_t index)
{
    uint64_t hash;
    bool is;

    if (fl_load(&p->has_poison, relaxed) == 0) /* settled by F2 (future.c): it was told after */
        return false;
    hash = fl_poison_hash(p, index, job->bytes, job->len);
    fl_lock_enter(&p->lock);
    is = refusal(p) == 0 && fl_poison_is_known(p, hash, job->len);
    fl_lock_leave(&p->lock);
    return is;
}

/* For when a worker has room. */
static int enqueue(struct fl_processes *p, struct fl_item *item, const void *bytes)
{
    if (item->bytes == NULL && item->fd < 0 && item->len != 0) {
        item->bytes = fl_heap_alloc(&p->home.heap, item->len, FL_WIRE_ALIGN);
        if (item->bytes == NULL)
            return FILCH_ENOMEM;
        item->apart = item->len;
        memcpy(item->bytes, bytes, item->len);
    }
    item->place = FL_QUEUED;
    fl_items_push(&p->queue, item);
    return 0;
}

/* With the lock. The item is GONE if it was not taken. */
static int admit(struct fl_processes *p, struct fl_item *item, const struct fl_job *job,
                 struct fl_link **to_ring)
{
    struct fl_post *to = NULL;
    int status = refusal(p);

    *to_ring = NULL;
    if (status != 0)
        return status;
    p->submitted++; /* from here on it is awaited */
    if (p->queue.first == NULL && fl_flow_give(p, item, job->bytes, &to)) {
        fl_add(&to->link->pins, 1, relaxed); /* settled by the lock */
        *to_ring = to->link;
    } else {
        item->place = FL_GONE;
        status = refusal(p); /* a long copy was made without the lock */
        if (status == 0)
            status = enqueue(p, item, job->bytes);
        p->submitted -= status != 0;
        p->has_duty = p->has_duty || to != NULL; /* it had room, and may have nothing to do */
    }
    return status;
}

/* For a job of the length of a memory page a file would be dear, for one that is long the copy. */
static bool goes_far(const struct fl_processes *p, size_t len)
{
    return len > p->options.ring_bytes / 4;
}

int fl_item_submit(filch_executor *ex, const struct fl_job *job, filch_future **future)
{
    struct fl_processes *p = fl_processes_behind(ex);
    bool is_far = goes_far(p, job->len);
    struct fl_link *to_ring;
    struct fl_item *item;
    bool needs_call;
    uint32_t index;
    size_t behind;
    int fd = -1;
    int status;

    if (fl_forked(&p->home.forked))
        return FILCH_EFORKED;
    status = index_of(p, job->name, &index);
    if (status != 0)
        return status;
    if (job->len > p->options.max_payload)
        return FILCH_EMSGSIZE;
    if (is_poison(p, job, index))
        return FILCH_EPOISON;
    if (is_far) {
        fd = write_file(job);
        if (fd < 0)
            return fd;
    }
    behind = !is_far && fl_load(&p->is_busy, relaxed) != 0 ? job->len : 0; /* hint */
    item = item_create(p, job, index, behind, future != NULL);
    if (item == NULL) {
        fl_close(fd);
        return FILCH_ENOMEM;
    }
    item->fd = fd;
    if (future != NULL)
        *future = &item->f; /* before a callback could look for it */
    fl_lock_enter(&p->lock);
    status = admit(p, item, job, &to_ring);
    fl_store(&p->is_busy, p->queue.first != NULL, relaxed); /* hint */
    needs_call = fl_manager_needs_call(p);
    fl_lock_leave(&p->lock);
    if (to_ring != NULL) {
        fl_link_ring(to_ring);
        fl_link_unpin(to_ring);
    }
    if (needs_call)
        fl_manager_call(p);
    if (status != 0) {
        if (future != NULL)
            *future = NULL;
        fl_flow_told(p, 0); /* it may have been awaited for a moment */
        free_item(&p->home, &item->f);
    }
    return status;
}
