/* SPDX-License-Identifier: MIT
 *
 * forked.c: the page that a fork wipes.
 *
 * Words   alive   see forked.h */
#include "base/forked.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filch/base.h>

int fl_forked_open(struct fl_forked *g)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int saved = errno;
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        errno = saved;
        return FILCH_ENOMEM;
    }
    if (madvise(p, page, MADV_WIPEONFORK) != 0) {
        munmap(p, page);
        errno = saved;
        return FILCH_ENOTSUP;
    }
    g->alive = p;
    fl_init(g->alive, 1);
    return 0;
}

void fl_forked_close(struct fl_forked *g)
{
    int saved = errno;

    munmap((void *)g->alive, (size_t)sysconf(_SC_PAGESIZE));
    errno = saved;
}

int fl_process(void)
{
    return (int)getpid();
}
