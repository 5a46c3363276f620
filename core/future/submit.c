/* SPDX-License-Identifier: MIT
 *
 * submit.c: task and future in one block: filled in and pushed. run.c has what becomes of it.
 *
 * Memory   the block comes from the slab of the worker or lane that pushes, and goes back there with
 *          the last reference. A copied argument of up to 64 bytes follows the record in a block of
 *          128, and so does what few tasks have (struct fl_task_extra); a larger one, or one beside these,
 *          is in the heap. */
#include "future/submit.h"

#include "base/compiler.h"
#include "future/context.h"
#include "future/run.h"
#include "future/token.h"

#include <string.h>

static filch_future *fill(struct fl_pool *p, void *block, enum fl_future_kind kind,
                          filch_task_fn *fn, void *arg, bool wanted)
{
    filch_future *f = block;

    fl_future_init(f, wanted ? &fl_future_ops : &fl_plain_ops, &p->home, kind, fn, arg, 2);
    return f;
}

/* In a block of 128; a context that the caller has retained. */
static void fill_extra(filch_future *f, const filch_task_options *options, filch_context *context)
{
    f->has_extra = FL_EXTRA;
    *fl_task_extra_of(f) = (struct fl_task_extra){
        .base = {options->name, options->value_dtor, options->dtor_arg},
        .token = filch_token_retain(options->token),
        .start_by = options->start_by != 0 ? options->start_by : FILCH_FOREVER,
        .arg_dtor = options->arg_dtor,
        .context = context,
        .nowake = (options->flags & FILCH_NOWAKE) != 0,
    };
}

/* The options of a task that has none but its submitter's context. */
static const filch_task_options no_options = {.size = sizeof no_options};

/* A task with more than a function and an argument, in a block of 128. It takes over copy, or NULL. The
 * context is kept, by a function of the user's, before the push begins. */
static int submit_more(struct fl_pool *p, const filch_task_options *options, filch_task_fn *fn,
                       void *arg, struct fl_far_copy *copy, filch_future **future)
{
    filch_context *context = options->context != NULL ? options->context : fl_self()->context;
    struct fl_push at;
    struct fl_task *task;
    filch_future *f;
    int status;

    fl_context_retain(context);
    status = fl_push_begin(&at, p, 1);
    if (status != 0)
        goto release_context;
    f = fl_slab_alloc(at.slab, FL_BLOCK_128);
    if (f == NULL) {
        fl_push_abort(&at);
        status = FILCH_ENOMEM;
        goto release_context;
    }
    fill(p, f, copy != NULL ? FL_KIND_COPY_FAR : FL_KIND_TASK, fn,
         copy != NULL ? (void *)copy : arg, future != NULL);
    fill_extra(f, options, context);
    task = &f->task;
    if (future != NULL)
        *future = f;
    if ((options->flags & FILCH_NOWAKE) != 0)
        fl_push_end_nowake(&at, &task, 1);
    else
        fl_push_end(&at, &task, 1);
    return 0;

release_context:
    fl_context_release(context);
    if (copy != NULL)
        fl_heap_free(&p->home.heap, copy, copy->bytes, alignof(max_align_t));
    return status;
}

int fl_pool_submit(struct fl_pool *p, filch_task_fn *fn, void *arg, filch_future **future)
{
    struct fl_push at;
    struct fl_task *task;
    filch_future *f;
    int status = fl_push_begin(&at, p, 1);

    if (status != 0)
        return status;
    if (fl_unlikely(at.self->context != NULL)) {
        fl_push_abort(&at);
        return submit_more(p, &no_options, fn, arg, NULL, future);
    }
    f = fl_slab_alloc(at.slab, FL_BLOCK_64);
    if (f == NULL) {
        fl_push_abort(&at);
        return FILCH_ENOMEM;
    }
    task = &fill(p, f, FL_KIND_TASK, fn, arg, future != NULL)->task;
    if (future != NULL)
        *future = f;
    fl_push_end(&at, &task, 1);
    return 0;
}

int fl_pool_submit_own(struct fl_pool *p, filch_future *f, filch_task_fn *fn, void *arg)
{
    struct fl_push at;
    struct fl_task *task = &f->task;
    int status = fl_push_begin(&at, p, 1);

    if (status != 0)
        return status;
    fl_future_init(f, &fl_own_ops, &p->home, FL_KIND_OWN, fn, arg, 1);
    fl_push_end(&at, &task, 1);
    return 0;
}

static struct fl_far_copy *copy_far(struct fl_pool *p, const void *arg, size_t len)
{
    size_t bytes;
    struct fl_far_copy *copy;

    if (__builtin_add_overflow(len, sizeof *copy, &bytes))
        return NULL;
    copy = fl_heap_alloc(&p->home.heap, bytes, alignof(max_align_t));
    if (copy == NULL)
        return NULL;
    copy->bytes = bytes;
    if (len != 0) /* arg may be NULL then */
        memcpy(copy + 1, arg, len);
    return copy;
}

int fl_pool_submit_copy(struct fl_pool *p, filch_task_fn *fn, const void *arg, size_t len,
                        filch_future **future)
{
    bool near = len <= FL_COPY_ROOM;
    struct fl_far_copy *copy = NULL;
    struct fl_push at;
    struct fl_task *task;
    filch_future *f;
    int status;

    if (!near) {
        copy = copy_far(p, arg, len);
        if (copy == NULL)
            return FILCH_ENOMEM;
    }
    status = fl_push_begin(&at, p, 1);
    if (status != 0)
        goto free_copy;
    if (fl_unlikely(at.self->context != NULL)) {
        fl_push_abort(&at);
        if (near)
            copy = copy_far(p, arg, len);
        if (copy == NULL)
            return FILCH_ENOMEM;
        return submit_more(p, &no_options, fn, NULL, copy, future);
    }
    f = fl_slab_alloc(at.slab, near ? FL_BLOCK_128 : FL_BLOCK_64);
    if (f == NULL) {
        fl_push_abort(&at);
        status = FILCH_ENOMEM;
        goto free_copy;
    }
    task = &fill(p, f, near ? FL_KIND_COPY : FL_KIND_COPY_FAR, fn, copy, future != NULL)->task;
    if (near && len != 0)
        memcpy(f + 1, arg, len);
    if (future != NULL)
        *future = f;
    fl_push_end(&at, &task, 1);
    return 0;

free_copy:
    if (copy != NULL)
        fl_heap_free(&p->home.heap, copy, copy->bytes, alignof(max_align_t));
    return status;
}

int fl_pool_submit_with(struct fl_pool *p, const filch_task_options *options, filch_task_fn *fn,
                        void *arg, filch_future **future)
{
    struct fl_far_copy *copy = NULL;

    if (options->copy_bytes != 0) {
        copy = copy_far(p, arg, options->copy_bytes);
        if (copy == NULL)
            return FILCH_ENOMEM;
    }
    return submit_more(p, options, fn, arg, copy, future);
}

/* All blocks, or none. */
static int alloc_all(struct fl_push *at, struct fl_task *tasks[], size_t n, bool with_extra)
{
    for (size_t i = 0; i < n; i++) {
        tasks[i] = fl_slab_alloc(at->slab, with_extra ? FL_BLOCK_128 : FL_BLOCK_64);
        if (tasks[i] == NULL) {
            while (i-- > 0)
                fl_slab_free(at->slab, tasks[i]);
            return FILCH_ENOMEM;
        }
    }
    return 0;
}

int fl_pool_submit_batch(struct fl_pool *p, filch_task_fn *fn, void *const args[], size_t n,
                         filch_future *futures[])
{
    enum {
        FEW = 64
    };
    struct fl_task *few[FEW];
    struct fl_task **tasks = few;
    filch_context *context = fl_self()->context;
    struct fl_push at;
    int status;

    if (n == 0)
        return 0;
    if (n > PTRDIFF_MAX / sizeof tasks[0])
        return FILCH_ENOMEM;
    if (n > FEW) {
        tasks = fl_malloc(n * sizeof tasks[0]); /* the process's: it outlives the pool */
        if (tasks == NULL)
            return FILCH_ENOMEM;
    }
    for (size_t i = 0; i < n && context != NULL; i++)
        fl_context_retain(context);
    status = fl_push_begin(&at, p, n);
    if (status == 0) {
        status = alloc_all(&at, tasks, n, context != NULL);
        if (status != 0)
            fl_push_abort(&at);
    }
    if (status == 0) {
        for (size_t i = 0; i < n; i++) {
            filch_future *f =
                fill(p, tasks[i], FL_KIND_TASK, fn, args != NULL ? args[i] : NULL, futures != NULL);

            if (fl_unlikely(context != NULL))
                fill_extra(f, &no_options, context);
            tasks[i] = &f->task;
            if (futures != NULL)
                futures[i] = f;
        }
        fl_push_end(&at, tasks, n);
    }
    for (size_t i = 0; i < n && context != NULL && status != 0; i++)
        fl_context_release(context);
    if (tasks != few)
        fl_free(tasks);
    return status;
}
