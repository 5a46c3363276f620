/* SPDX-License-Identifier: MIT
 *
 * create.c: an executor of processes: its options, and its memory from the first byte to the last.
 *
 * Words   refs    see pool.h
 * Orders  R1  release  refs   sub acq_rel <-> R1   what each holder did before it is freed */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "base/notify.h"
#include "base/options.h"
#include "queue/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    RING_BYTES = 4 << 20,
    MOST_RING_BYTES = 1 << 30,
    LEAST_RING_BYTES = 4096,
    MAX_PAYLOAD = 1 << 30
};

static void free_options(struct fl_processes *p)
{
    free(p->program);
    free(p->setup_in);
    free(p->post);
}

static void free_pool(struct fl_processes *p)
{
    fl_forked_close(&p->home.forked);
    fl_table_destroy(p->names);
    for (size_t i = 0; i < p->n_known; i++)
        fl_free(p->known[i]);
    fl_free(p->known);
    fl_heap_close(&p->home.heap);
    if (p->call >= 0)
        fl_notify_close(p->call); /* whoever has a future may call a manager that is gone */
    free_options(p);
    free(p);
}

void fl_processes_release(struct fl_processes *p)
{
    if (fl_sub(&p->refs, 1, acq_rel) == 1) /* R1 */
        free_pool(p);
}

static int complete(filch_process_options *o, const filch_process_options *options)
{
    int status = 0;

    if (options != NULL)
        status = fl_options_complete(o, sizeof *o, options, options->size);
    if (status != 0)
        return status;
    if (o->workers > FILCH_MAX_WORKERS || (o->flags & ~(unsigned)FILCH_STRICT_BROKEN) != 0 ||
        o->ring_bytes > MOST_RING_BYTES || o->max_payload > PTRDIFF_MAX || o->max_age_ns < 0 ||
        o->kill_after_ns < 0 || o->cpu_limit_ns < 0 || o->start_timeout_ns < 0 ||
        (o->child_setup == NULL && o->child_setup_len != 0) ||
        (o->child_setup_in == NULL && o->child_setup_len != 0))
        return FILCH_EINVAL;
    if (o->allocator != NULL && (o->allocator->alloc == NULL || o->allocator->free == NULL))
        return FILCH_EINVAL;
    if (o->workers == 0)
        o->workers = filch_cpu_budget();
    if (o->ring_bytes == 0)
        o->ring_bytes = RING_BYTES;
    if (o->ring_bytes < LEAST_RING_BYTES)
        o->ring_bytes = LEAST_RING_BYTES;
    o->ring_bytes = (o->ring_bytes + LEAST_RING_BYTES - 1) / LEAST_RING_BYTES * LEAST_RING_BYTES;
    if (o->max_payload == 0)
        o->max_payload = MAX_PAYLOAD;
    if (o->spin_ns == 0)
        o->spin_ns = 50000;
    if (o->spin_ns < 0)
        o->spin_ns = 0;
    if (o->max_crashes == 0)
        o->max_crashes = 1;
    if (o->start_timeout_ns == 0)
        o->start_timeout_ns = INT64_C(10000000000);
    return 0;
}

/* Whatever options point to. */
static int keep(struct fl_processes *p)
{
    filch_process_options *o = &p->options;

    strncpy(p->name, o->name != NULL ? o->name : "filch", sizeof p->name - 1);
    o->name = p->name;
    if (o->program == NULL)
        fl_build_tell(p->build, sizeof p->build);
    p->program = strdup(o->program != NULL ? o->program : "/proc/self/exe");
    p->setup_in = malloc(o->child_setup_len + 1);
    p->post = calloc(o->workers, sizeof *p->post);
    if (p->program == NULL || p->setup_in == NULL || p->post == NULL)
        return FILCH_ENOMEM;
    if (o->child_setup_len != 0)
        memcpy(p->setup_in, o->child_setup_in, o->child_setup_len);
    o->child_setup_in = p->setup_in;
    o->program = p->program;
    for (unsigned i = 0; i < o->workers; i++)
        p->post[i].pidfd = -1;
    return 0;
}

static void random_key(uint64_t key[2])
{
    if (getrandom(key, 2 * sizeof key[0], GRND_NONBLOCK) != (ssize_t)(2 * sizeof key[0]))
        key[0] = (uint64_t)fl_now();
}

static int make(struct fl_processes **out, const filch_process_options *options)
{
    struct fl_processes *p = calloc(1, sizeof *p);
    int status;

    if (p == NULL)
        return FILCH_ENOMEM;
    p->ex.ops = &fl_processes_ops;
    p->home.ops = &fl_item_home_ops;
    p->options = *options;
    p->control = -1;
    p->zygote_pidfd = -1;
    p->epoll = -1;
    p->call = -1;
    fl_init(&p->refs, 1);
    p->start_status = 1;
    p->due = INT64_MAX;
    random_key(p->poison_key);
    fl_heap_open(&p->home.heap, options->allocator);
    p->options.allocator = NULL;
    status = keep(p);
    if (status == 0)
        status = fl_forked_open(&p->home.forked);
    if (status != 0) {
        p->home.heap.with.destroy = NULL; /* the allocator stays the caller's */
        free_options(p);
        free(p);
        return status;
    }
    *out = p;
    return 0;
}

int filch_process_executor_create(filch_executor **out, const filch_process_options *options)
{
    filch_process_options o = {.size = sizeof o};
    struct fl_processes *p;
    int status;

    if (out == NULL)
        return FILCH_EINVAL;
    status = complete(&o, options);
    if (status != 0)
        return status;
    if (o.program == NULL && !fl_process_main_was_called())
        return FILCH_ENOTSUP;
    status = make(&p, &o);
    if (status != 0)
        return status;
    status = fl_manager_start(p);
    if (status != 0) {
        p->home.heap.with.destroy = NULL;
        fl_processes_release(p);
        return status;
    }
    *out = &p->ex;
    return 0;
}
