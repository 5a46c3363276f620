/* SPDX-License-Identifier: MIT
 *
 * status.c: what the status numbers are called, and the library's version. All of it is read from
 * FILCH_STATUS_MAP, the one list, and is constant text, so that a signal handler may ask. */
#include <errno.h>

#include <filch/base.h>

/* Where Linux has a number for it, filch's is the same, negated: on x86-64 and on aarch64 alike,
 * since both take the generic list. All others stay clear of everything that a system call may
 * ever return. */
#define SAME_AS_ERRNO(name)                                                                        \
    _Static_assert(FILCH_##name == -name, "FILCH_" #name " is the negated errno")
SAME_AS_ERRNO(ENOENT);
SAME_AS_ERRNO(E2BIG);
SAME_AS_ERRNO(EAGAIN);
SAME_AS_ERRNO(ENOMEM);
SAME_AS_ERRNO(EINVAL);
SAME_AS_ERRNO(EMFILE);
SAME_AS_ERRNO(EDEADLK);
SAME_AS_ERRNO(EMSGSIZE);
SAME_AS_ERRNO(ENOTSUP);
SAME_AS_ERRNO(ETIMEDOUT);
SAME_AS_ERRNO(ECANCELED);

enum {
    NO_ERRNO = -4096,
    ERRNO_NUMBERS = 11
};
#define COUNT_ERRNO(name, number, text) +((number) > NO_ERRNO)
_Static_assert(0 FILCH_STATUS_MAP(COUNT_ERRNO) == ERRNO_NUMBERS, "each is checked above");

const char *filch_strerror(int status)
{
    if (status > 0)
        return "the task failed with an error code of its own";

    switch (status) {
    case FILCH_OK:
        return "success";
#define TEXT(name, number, text)                                                                   \
    case FILCH_##name:                                                                             \
        return text;
        FILCH_STATUS_MAP(TEXT)
#undef TEXT
    default:
        return "unknown status";
    }
}

const char *filch_status_name(int status)
{
    switch (status) {
    case FILCH_OK:
        return "FILCH_OK";
#define NAME(name, number, text)                                                                   \
    case FILCH_##name:                                                                             \
        return "FILCH_" #name;
        FILCH_STATUS_MAP(NAME)
#undef NAME
    default:
        return NULL;
    }
}

#define TEXT_OF_VALUE(x) #x
#define TEXT_OF(x)       TEXT_OF_VALUE(x)

const char *filch_version(void)
{
    return TEXT_OF(FILCH_VERSION_MAJOR) "." TEXT_OF(FILCH_VERSION_MINOR) "." TEXT_OF(
        FILCH_VERSION_PATCH);
}
