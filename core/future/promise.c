/* SPDX-License-Identifier: MIT
 *
 * promise.c: futures that are completed by hand. They belong to no executor: their memory is the
 * process's own. */
#include "base/alloc.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/options.h"
#include "future/error.h"
#include "future/future.h"

#include <string.h>

int filch_promise_create(filch_future **out)
{
    filch_future *f;

    if (out == NULL)
        return FILCH_EINVAL;
    f = fl_malloc(sizeof *f);
    if (f == NULL)
        return FILCH_ENOMEM;
    fl_future_init(f, NULL, NULL, FL_KIND_PROMISE, NULL, NULL, 1);
    *out = f;
    return 0;
}

static struct fl_promise_extra *extra_of(const filch_future *f)
{
    return (struct fl_promise_extra *)fl_extra_of(f);
}

static int create_with(filch_future **out, const struct fl_promise_extra *extra)
{
    filch_future *f = fl_malloc(sizeof *f + sizeof *extra);

    if (f == NULL)
        return FILCH_ENOMEM;
    fl_future_init(f, NULL, NULL, FL_KIND_PROMISE, NULL, NULL, 1);
    f->has_extra = FL_EXTRA;
    *extra_of(f) = *extra;
    *out = f;
    return 0;
}

int fl_promise_create_follower(filch_future **out)
{
    struct fl_promise_extra nothing = {{NULL, NULL, NULL}, NULL, NULL, NULL};

    return create_with(out, &nothing);
}

int filch_promise_create_with(filch_future **out, const filch_promise_options *options)
{
    filch_promise_options o = {.size = sizeof o};
    struct fl_promise_extra extra;

    if (out == NULL)
        return FILCH_EINVAL;
    if (options != NULL) {
        int status = fl_options_complete(&o, sizeof o, options, options->size);

        if (status != 0)
            return status;
    }
    extra = (struct fl_promise_extra){
        {o.name, o.value_dtor, o.dtor_arg}, o.on_unobserved, o.unobserved_arg, NULL};
    return create_with(out, &extra);
}

int filch_promise_start(filch_future *f)
{
    if (f == NULL)
        return FILCH_EINVAL;
    return f->kind == FL_KIND_PROMISE ? fl_promise_move(f, FL_RUNNING) : FILCH_ESTATE;
}

static void release(filch_future **f)
{
    filch_future_release(*f);
}

/* The setter may hold the only reference, and a callback may release it. */
static int settle_with(filch_future *f, int status, void *value, uint32_t bit)
{
    filch_future *mine fl_cleanup(release) = filch_future_retain(f);

    fl_future_finish_with(mine, status, value, bit);
    return 0;
}

static int settle(filch_future *f, int status, void *value)
{
    return settle_with(f, status, value, 0);
}

int filch_promise_set_result(filch_future *f, void *result)
{
    if (f == NULL)
        return FILCH_EINVAL;
    if (f->kind != FL_KIND_PROMISE)
        return FILCH_ESTATE;
    if (fl_promise_move(f, FL_SETTLING) != 1) {
        const struct fl_extra *extra = fl_extra_of(f);

        if (extra != NULL && extra->value_dtor != NULL && result != NULL)
            extra->value_dtor(result, extra->dtor_arg);
        return FILCH_ESTATE;
    }
    return settle(f, 0, result);
}

static int set_error(filch_future *f, int code, const char *message, void *detail,
                     void (*detail_dtor)(void *detail))
{
    if (f == NULL || code == 0)
        return FILCH_EINVAL;
    if (f->kind != FL_KIND_PROMISE || fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE;
    return settle(f, code, fl_failure_create(message, detail, detail_dtor));
}

int filch_promise_set_error(filch_future *f, int code, const char *message)
{
    return set_error(f, code, message, NULL, NULL);
}

int filch_promise_set_error_with(filch_future *f, int code, const char *message, void *detail,
                                 void (*detail_dtor)(void *detail))
{
    int status = set_error(f, code, message, detail, detail_dtor);

    if (status != 0 && detail != NULL && detail_dtor != NULL)
        detail_dtor(detail);
    return status;
}

/* By whoever has moved f to SETTLING: f keeps what from keeps, or from itself. */
static void keep_source(filch_future *f, const filch_future *from)
{
    struct fl_promise_extra *extra = extra_of(f);

    if (extra != NULL)
        extra->source = filch_future_retain(fl_future_owner(from));
}

int fl_promise_fail(filch_future *f, filch_future *after, int code, struct fl_failure *failure)
{
    if (fl_promise_move(f, FL_SETTLING) != 1) {
        fl_failure_free(failure);
        return FILCH_ESTATE;
    }
    keep_source(f, after);
    return settle(f, code, failure);
}

int fl_promise_fail_by_filch(filch_future *f, int code)
{
    if (fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE;
    return settle_with(f, code, NULL, FL_ALIKE);
}

int fl_promise_fail_as(filch_future *f, filch_future *from)
{
    filch_error error;

    if (fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE; /* nor has it read why from has failed */
    if (filch_future_error(from, FILCH_NOW, &error) != 0)
        return settle(f, FILCH_ECANCELED,
                      fl_failure_create(filch_strerror(FILCH_ECANCELED), NULL, NULL));
    keep_source(f, from);
    return settle_with(f, error.code, fl_failure_create(error.message, NULL, NULL),
                       strcmp(error.domain, "promise") != 0 ? FL_ALIKE : 0);
}

int fl_promise_finish_as(filch_future *f, filch_future *from, void *result)
{
    const struct fl_extra *its = fl_extra_of(fl_future_owner(from));

    if (fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE;
    if (its != NULL && its->value_dtor != NULL)
        keep_source(f, from);
    return settle(f, 0, result);
}
