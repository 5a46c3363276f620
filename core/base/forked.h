/* SPDX-License-Identifier: MIT
 *
 * forked.h: am I in a forked child? A page that the kernel wipes in the child answers with one load,
 * for fork, _Fork and bare clone alike, and needs no handler that outlives a library. */
#ifndef FL_BASE_FORKED_H
#define FL_BASE_FORKED_H

#include <stdbool.h>

#include "base/atomic.h"

/* Words   alive   1 from open on; the kernel makes it 0 in a child (MADV_WIPEONFORK), before the
 *                 child runs: settled by fork itself, there is one thread then */
struct fl_forked {
    fl_atomic(uint32_t) * alive;
};

int fl_forked_open(struct fl_forked *g); /* 0, FILCH_ENOMEM, FILCH_ENOTSUP before Linux 4.14 */
void fl_forked_close(struct fl_forked *g);

static inline bool fl_forked(const struct fl_forked *g)
{
    return fl_unlikely(fl_load(g->alive, relaxed) == 0); /* settled by fork: one thread is left */
}

/* For what is too small for a page of its own: which process this is. A system call. */
int fl_process(void);

#endif /* FL_BASE_FORKED_H */
