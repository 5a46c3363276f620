/* SPDX-License-Identifier: MIT
 *
 * promise.c: futures that are completed by hand. They belong to no executor: their memory is the
 * process's own. */
#include "base/alloc.h"
#include "base/atomic.h"
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

int filch_promise_start(filch_future *f)
{
    if (f == NULL)
        return FILCH_EINVAL;
    return f->kind == FL_KIND_PROMISE ? fl_promise_move(f, FL_RUNNING) : FILCH_ESTATE;
}

/* The setter may hold the only reference, and a callback may release it. */
static int settle(filch_future *f, int status, void *value)
{
    filch_future_retain(f);
    fl_future_finish(f, status, value);
    filch_future_release(f);
    return 0;
}

int filch_promise_set_result(filch_future *f, void *result)
{
    if (f == NULL)
        return FILCH_EINVAL;
    if (f->kind != FL_KIND_PROMISE || fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE;
    return settle(f, 0, result);
}

static char *copy_text(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = fl_malloc(n);

    if (copy != NULL)
        memcpy(copy, text, n);
    return copy;
}

int filch_promise_set_error(filch_future *f, int code, const char *message)
{
    if (f == NULL || code == 0)
        return FILCH_EINVAL;
    if (f->kind != FL_KIND_PROMISE || fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE;
    return settle(f, code, message != NULL ? copy_text(message) : NULL);
}

int fl_promise_fail_as(filch_future *f, filch_future *from)
{
    filch_error error;

    if (filch_future_error(from, FILCH_NOW, &error) != 0)
        return filch_promise_set_error(f, FILCH_ECANCELED, filch_strerror(FILCH_ECANCELED));
    if (fl_promise_move(f, FL_SETTLING) != 1)
        return FILCH_ESTATE;
    f->has_extra = from->kind != FL_KIND_PROMISE || from->has_extra;
    return settle(f, error.code, copy_text(error.message));
}
