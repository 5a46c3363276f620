/* SPDX-License-Identifier: MIT
 *
 * completion.c: filch_as_completed: an iterator over futures in the order in which they are over: a
 * completion queue (queue.c) with a deadline, that gives back every claim it has when it is closed.
 *
 * It has a reference to each future that has not come out yet, so that it can leave it; the queue adds
 * one of its own while the future is in it. A table by address finds a future's place again, and
 * duplicates in the beginning. */
#include <filch/wait.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "future/queue.h"
#include "future/wait.h"
#include "sched/pool.h"

#include <string.h>

struct filch_completion {
    struct fl_queue queue;
    filch_deadline deadline;
    int process;  /* that has made it: its futures' settlers are there */
    size_t n;     /* different futures */
    size_t left;  /* of them, not come out yet */
    size_t early; /* those before have come out, or were not over in the beginning */
    size_t first; /* those before have come out */
    size_t mask;
    filch_future **futures;   /* NULL: has come out */
    struct fl_waiter **nodes; /* NULL: was over in the beginning */
    uint32_t *table;          /* 1 + a future's place; 0: free */
};

/* Where the table has f, or would have it. A future that has come out is asked for no more, so its
 * entry is passed by. */
static uint32_t *entry_of(filch_completion *it, const filch_future *f)
{
    size_t i = (size_t)(((uintptr_t)f * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

    for (;; i++) {
        uint32_t *entry = &it->table[i & it->mask];

        if (*entry == 0 || it->futures[*entry - 1] == f)
            return entry;
    }
}

static void free_completion(struct fl_listener *l)
{
    fl_free(fl_container_of(l, filch_completion, queue.listener));
}

/* One block: the iterator, futures, nodes, the table. */
static filch_completion *completion_alloc(size_t n)
{
    size_t slots = 4;
    filch_completion *it;

    while (slots < 2 * n)
        slots *= 2;
    it = fl_malloc(sizeof *it + n * (sizeof it->futures[0] + sizeof it->nodes[0]) +
                   slots * sizeof it->table[0]);
    if (it == NULL)
        return NULL;
    it->futures = (filch_future **)(it + 1);
    it->nodes = (struct fl_waiter **)(it->futures + n);
    it->table = (uint32_t *)(it->nodes + n);
    it->mask = slots - 1;
    memset(it->table, 0, slots * sizeof it->table[0]);
    it->n = 0;
    it->early = 0;
    it->first = 0;
    fl_queue_open(&it->queue, free_completion);
    return it;
}

static void keep_each_once(filch_completion *it, filch_future *const *futures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t *entry = entry_of(it, futures[i]);

        if (*entry != 0)
            continue;
        it->futures[it->n++] = filch_future_retain(futures[i]);
        *entry = (uint32_t)it->n;
    }
    it->left = it->n;
}

static int join_all(filch_completion *it)
{
    for (size_t i = 0; i < it->n; i++) {
        int status = fl_waiter_join(it->futures[i], &it->queue.listener, &it->nodes[i]);

        if (status != 0) {
            memset(it->nodes + i, 0, (it->n - i) * sizeof it->nodes[0]);
            return status;
        }
    }
    return 0;
}

int filch_as_completed(filch_completion **out, filch_future *const *futures, size_t n,
                       filch_deadline deadline)
{
    struct fl_worker *w = fl_worker_self();
    filch_completion *it;
    int status;

    if (out == NULL || (futures == NULL && n != 0))
        return FILCH_EINVAL;
    if (n > UINT32_MAX / 2)
        return FILCH_ENOMEM; /* before any is looked at: there may be no such array */
    for (size_t i = 0; i < n; i++) {
        if (futures[i] == NULL)
            return FILCH_EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        status = fl_await_objection(w, futures[i]);
        if (status != 0)
            return fl_await_refused(w, futures[i], status);
    }
    it = completion_alloc(n);
    if (it == NULL)
        return FILCH_ENOMEM;
    it->deadline = deadline;
    it->process = fl_process();
    keep_each_once(it, futures, n);
    status = join_all(it);
    if (status != 0) {
        filch_completion_close(it);
        return status;
    }
    *out = it;
    return 0;
}

/* The iterator's reference goes; the caller of filch_completion_next has one of its own. */
static filch_future *come_out(filch_completion *it, size_t i)
{
    filch_future *f = it->futures[i];

    it->futures[i] = NULL;
    it->left--;
    filch_future_release(f);
    return f;
}

/* Those that were over in the beginning, in the order given. */
static filch_future *next_early(filch_completion *it)
{
    while (it->early < it->n) {
        size_t i = it->early++;

        if (it->nodes[i] == NULL)
            return come_out(it, i);
    }
    return NULL;
}

static filch_future *next_queued(filch_completion *it)
{
    filch_future *f = fl_queue_take(&it->queue);

    if (f == NULL)
        return NULL;
    come_out(it, *entry_of(it, f) - 1U);
    filch_future_release(f); /* the queue's */
    return f;
}

int filch_completion_next(filch_completion *it, filch_future **out)
{
    struct fl_awaited awaited;
    int status;

    if (it == NULL || out == NULL)
        return FILCH_EINVAL;
    if (it->left == 0)
        return FILCH_EEND;
    *out = next_early(it);
    if (*out != NULL)
        return 0;
    if (!fl_queue_has(&it->queue) && fl_process() != it->process)
        return FILCH_EFORKED;
    while (it->futures[it->first] == NULL)
        it->first++;
    awaited = (struct fl_awaited){
        .is_over = fl_queue_has_some,
        .sleep = fl_queue_sleep_on,
        .what = &it->queue,
        .futures = it->futures + it->first,
        .n = it->n - it->first,
    };
    status = fl_await(&awaited, it->deadline);
    if (status == 0)
        *out = next_queued(it);
    return status;
}

void filch_completion_close(filch_completion *it)
{
    if (it == NULL)
        return;
    for (size_t i = 0; i < it->n; i++) {
        if (it->futures[i] == NULL)
            continue;
        if (it->nodes[i] != NULL)
            fl_waiter_leave(it->nodes[i], &it->queue.listener);
        filch_future_release(it->futures[i]);
    }
    fl_queue_close(&it->queue);
}
