/* SPDX-License-Identifier: MIT
 *
 * error.c: failures with a message and a detail: made by the task that fails, kept by its future.
 *
 * While a function runs, what it has said last is its thread's (running.h); it becomes the future's if
 * the function returns that code. So a failure needs memory only where there is something to tell. */
#include "future/error.h"

#include <filch/submit.h>

#include "base/alloc.h"
#include "future/running.h"

#include <string.h>

static void free_detail(void *detail, void (*detail_dtor)(void *detail))
{
    if (detail != NULL && detail_dtor != NULL)
        detail_dtor(detail);
}

struct fl_failure *fl_failure_create(const char *message, void *detail,
                                     void (*detail_dtor)(void *detail))
{
    size_t n = message != NULL ? strlen(message) + 1 : 0;
    struct fl_failure *failure;

    if (message == NULL && detail == NULL)
        return NULL;
    failure = fl_malloc(sizeof *failure + n);
    if (failure == NULL) {
        free_detail(detail, detail_dtor);
        return NULL;
    }
    failure->message = message != NULL ? failure->text : NULL;
    failure->detail = detail;
    failure->detail_dtor = detail_dtor;
    if (n != 0)
        memcpy(failure->text, message, n);
    return failure;
}

void fl_failure_free(struct fl_failure *failure)
{
    if (failure == NULL)
        return;
    free_detail(failure->detail, failure->detail_dtor);
    fl_free(failure);
}

int filch_fail(int code, const char *message, void *detail, void (*detail_dtor)(void *detail))
{
    struct fl_running *r = fl_self()->running;
    struct fl_failure *before;

    if (r == NULL || code == 0) {
        free_detail(detail, detail_dtor);
        return code != 0 ? code : FILCH_EINVAL;
    }
    before = r->failure;
    r->code = code;
    r->failure = fl_failure_create(message, detail, detail_dtor);
    fl_failure_free(before);
    return code;
}
