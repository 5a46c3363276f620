/* SPDX-License-Identifier: MIT
 *
 * options.h: option structs that grow: size first, every zero a default, fields only ever appended. */
#ifndef FL_BASE_OPTIONS_H
#define FL_BASE_OPTIONS_H

#include <stddef.h>

/* What an options struct of the given size says, in a struct of ours. A longer one is fine as long as
 * it asks for nothing that this version does not know: the rule of the kernel's extensible structs.
 * 0, FILCH_EINVAL, FILCH_E2BIG. */
int fl_options_complete(void *ours, size_t our_size, const void *theirs, size_t their_size);

#endif /* FL_BASE_OPTIONS_H */
