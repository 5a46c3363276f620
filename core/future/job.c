/* SPDX-License-Identifier: MIT
 *
 * job.c: named functions over bytes: their names, and how one is run as a task of threads of this process.
 *
 * The names are the process's: a list in the order of registration that only grows. Whoever registers walks it to its
 * end and appends by CAS; so a name is there once, nobody waits, and a forked child has the names that the parent
 * had, whatever its other threads were in the middle of. A program has a handful of names: a walk over them finds one.
 *
 * As a task, a job is a block with a copy of its bytes, the task's argument, and a buffer, its result from the
 * start: run.c gives both back however the function ends, or if it never runs.
 *
 * Words   names, next   of the last name NULL; then, once, the name after it
 * Orders  N1  register  next  CAS release -> N2   a name before it is found
 *         N2  find      next  acquire <- N1 */
#include "future/job.h"

#include "base/alloc.h"
#include "base/atomic.h"
#include "future/pack.h"
#include "sched/executor.h"

#include <stdalign.h>
#include <string.h>

/* ---- names ---- */

struct name {
    fl_atomic(struct name *) next;
    filch_job_fn *fn;
    char text[];
};

static fl_atomic(struct name *) names;

/* The entry after *at of that name, or NULL with *at where the next is appended. */
static const struct name *walk(fl_atomic(struct name *) * *at, const char *text)
{
    struct name *n;

    while ((n = fl_load(*at, acquire)) != NULL) { /* N2 */
        if (strcmp(n->text, text) == 0)
            return n;
        *at = &n->next;
    }
    return NULL;
}

static const struct name *find(const char *text)
{
    fl_atomic(struct name *) *at = &names;

    return walk(&at, text);
}

static int append(const char *text, size_t len, filch_job_fn *fn, fl_atomic(struct name *) * at)
{
    struct name *fresh = fl_malloc(sizeof *fresh + len + 1);
    const struct name *other = NULL;

    if (fresh == NULL)
        return FILCH_ENOMEM;
    fl_init(&fresh->next, NULL);
    fresh->fn = fn;
    memcpy(fresh->text, text, len + 1);
    while (other == NULL) {
        struct name *last = NULL;

        if (fl_cas(at, &last, fresh, release, relaxed)) /* N1; hint: the walk looks again */
            return 0;
        other = walk(&at, text); /* somebody was faster, perhaps with this name */
    }
    fl_free(fresh);
    return other->fn == fn ? 0 : FILCH_EINVAL;
}

int filch_job_register(const char *name, filch_job_fn *fn)
{
    fl_atomic(struct name *) *at = &names;
    const struct name *before;
    size_t len;

    if (name == NULL || fn == NULL)
        return FILCH_EINVAL;
    len = strnlen(name, FILCH_JOB_NAME_MAX + 1);
    if (len == 0 || len > FILCH_JOB_NAME_MAX)
        return FILCH_EINVAL;
    before = walk(&at, name);
    if (before != NULL)
        return before->fn == fn ? 0 : FILCH_EINVAL;
    return append(name, len, fn, at);
}

filch_job_fn *fl_job_find(const char *name)
{
    const struct name *n = find(name);

    return n != NULL ? n->fn : NULL;
}

static const struct name *name_at(size_t i)
{
    const struct name *n = fl_load(&names, acquire); /* N2 */

    while (n != NULL && i-- > 0)
        n = fl_load(&n->next, acquire); /* N2 */
    return n;
}

const char *fl_job_name(size_t i)
{
    const struct name *n = name_at(i);

    return n != NULL ? n->text : NULL;
}

filch_job_fn *fl_job_fn_at(size_t i)
{
    const struct name *n = name_at(i);

    return n != NULL ? n->fn : NULL;
}

/* ---- a call ---- */

/* Each input of a chunk on its own; what a job of it has said with filch_fail does not count. */
static int call_chunk(filch_job_fn *fn, const void *in, size_t len, filch_buffer *out)
{
    struct fl_pack_item input;
    size_t at = FL_PACK_HEAD;

    if (!fl_pack_begin(out))
        return FILCH_ENOMEM;
    while (fl_pack_next(in, len, &at, &input)) {
        filch_buffer output;

        if (!fl_pack_item_begin(out, &output))
            return FILCH_ENOMEM;
        int status = fn(input.bytes, input.len, &output);
        fl_pack_item_end(out, &output, status);
    }
    return 0;
}

int fl_job_call(filch_job_fn *fn, bool is_chunk, const void *in, size_t len, filch_buffer *out)
{
    return is_chunk ? call_chunk(fn, in, len, out) : fn(in, len, out);
}

/* ---- as a task ---- */

struct posted {
    filch_job_fn *fn;
    size_t len;
    bool is_chunk;
    alignas(16) unsigned char bytes[];
};

static int run(void *arg, void **result)
{
    const struct posted *posted = arg;
    filch_buffer *out = fl_buffer_create(0);

    if (out == NULL)
        return FILCH_ENOMEM;
    *result = out;
    return fl_job_call(posted->fn, posted->is_chunk, posted->bytes, posted->len, out);
}

static void free_posted(void *posted, void *nothing)
{
    (void)nothing;
    fl_free(posted);
}

static int submit_task(filch_executor *ex, const struct fl_job *job, filch_future **future)
{
    filch_task_options o = {
        .size = sizeof o, .name = job->name, .value_dtor = fl_buffer_drop, .arg_dtor = free_posted};
    struct posted *posted;
    int status;

    if (ex->ops->submit_with == NULL)
        return FILCH_ENOTSUP;
    if (job->fn == NULL)
        return FILCH_ENOENT;
    if (job->len > PTRDIFF_MAX - sizeof *posted)
        return FILCH_ENOMEM;
    posted = fl_malloc(sizeof *posted + job->len);
    if (posted == NULL)
        return FILCH_ENOMEM;
    posted->fn = job->fn;
    posted->len = job->len;
    posted->is_chunk = job->is_chunk;
    if (job->len != 0) /* bytes may be NULL then */
        memcpy(posted->bytes, job->bytes, job->len);
    status = ex->ops->submit_with(ex, &o, run, posted, future);
    if (status != 0)
        fl_free(posted);
    return status;
}

/* What this process knows of the job goes with it: its function, and a name that stays, for the trace. */
int fl_job_submit(filch_executor *ex, const struct fl_job *job, filch_future **future)
{
    struct fl_job known = *job;
    const struct name *n;

    if (strnlen(job->name, FILCH_JOB_NAME_MAX + 1) > FILCH_JOB_NAME_MAX)
        return FILCH_ENOENT;
    n = find(job->name);
    if (n != NULL) {
        known.name = n->text;
        known.fn = n->fn;
    }
    return ex->ops->submit_job != NULL ? ex->ops->submit_job(ex, &known, future)
                                       : submit_task(ex, &known, future);
}

int filch_submit_job(filch_executor *ex, const char *name, const void *bytes, size_t len,
                     filch_future **future)
{
    struct fl_job job = {.name = name, .bytes = bytes, .len = len};

    if (ex == NULL || name == NULL || (bytes == NULL && len != 0))
        return FILCH_EINVAL;
    return fl_job_submit(ex, &job, future);
}
