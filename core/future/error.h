/* SPDX-License-Identifier: MIT
 *
 * error.h: what a failure has beside its number. */
#ifndef FL_FUTURE_ERROR_H
#define FL_FUTURE_ERROR_H

#include <filch/future.h>

/* From fl_malloc. A future that has FAILED owns one, or has none. */
struct fl_failure {
    const char *message; /* its text, or NULL */
    void *detail;
    void (*detail_dtor)(void *detail);
    char text[];
};

/* Takes detail over, and copies message, which may be NULL. NULL: there was nothing to keep, or no memory,
 * and detail is gone. */
struct fl_failure *fl_failure_create(const char *message, void *detail,
                                     void (*detail_dtor)(void *detail));

/* NULL is a no-op. */
void fl_failure_free(struct fl_failure *failure);

/* What users see of it; failure may be NULL. */
static inline filch_error fl_error_of(const char *domain, int code,
                                      const struct fl_failure *failure)
{
    filch_error error = {code, domain, NULL, NULL};

    if (failure != NULL) {
        error.message = failure->message;
        error.detail = failure->detail;
    }
    if (error.message == NULL)
        error.message = code < 0 ? filch_strerror(code) : "the task returned its own error";
    return error;
}

/* The domain of a task's failure. */
static inline const char *fl_domain_of(int code)
{
    return code < 0 ? "filch" : "task";
}

#endif /* FL_FUTURE_ERROR_H */
