/* SPDX-License-Identifier: MIT
 *
 * notify.c: the door to eventfd. Its calls are cancellation points, and a thread that is about to end
 * rings all the same: so it is not ended in here. */
#include "base/notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <filch/base.h>

int fl_notify_open(void)
{
    int saved = errno;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        fd = errno == ENOMEM ? FILCH_ENOMEM : FILCH_EMFILE;
    errno = saved;
    return fd;
}

void fl_notify_close(int fd)
{
    int saved = errno;
    int before;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    close(fd);
    pthread_setcancelstate(before, &before);
    errno = saved;
}

void fl_notify_ring(int fd)
{
    const uint64_t one = 1;
    int saved = errno;
    int before;
    ssize_t n;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    do {
        n = write(fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR); /* EAGAIN: rung often enough to be readable */
    pthread_setcancelstate(before, &before);
    errno = saved;
}

void fl_notify_drain(int fd)
{
    uint64_t rung;
    int saved = errno;
    int before;
    ssize_t n;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    do {
        n = read(fd, &rung, sizeof rung);
    } while (n < 0 && errno == EINTR);
    pthread_setcancelstate(before, &before);
    errno = saved;
}
