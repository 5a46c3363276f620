/* SPDX-License-Identifier: MIT
 *
 * options.c: option structs of another version's. */
#include "base/options.h"

#include <string.h>

#include <filch/base.h>

int fl_options_complete(void *ours, size_t our_size, const void *theirs, size_t their_size)
{
    const unsigned char *tail = (const unsigned char *)theirs + our_size;
    size_t shared = their_size < our_size ? their_size : our_size;

    if (their_size < sizeof(size_t))
        return FILCH_EINVAL;
    for (size_t i = our_size; i < their_size; i++) {
        if (*tail++ != 0)
            return FILCH_E2BIG;
    }
    memset(ours, 0, our_size);
    memcpy(ours, theirs, shared);
    return 0;
}
