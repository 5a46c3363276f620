/* SPDX-License-Identifier: MIT
 *
 * message.c: the header and the bytes go by one call, and come by one, if the reader has room for them. */
#include "process/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIPE_BYTES = 1 << 20 /* what anybody may have */
};

struct head {
    uint32_t what;
    uint32_t n;
};

void bytes_reserve(struct bytes *b, size_t room)
{
    if (room <= b->room)
        return;
    b->data = realloc(b->data, room);
    if (b->data == NULL)
        bench_die("out of memory");
    b->room = room;
}

void message_pipe(int ends[static 2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_die("no pipe: %s", strerror(errno));
    /* Where all pipes together have their limit, it stays as it is. */
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
}

/* Goes n bytes further. */
static void advance(struct iovec part[static 2], size_t n)
{
    for (int i = 0; i < 2; i++) {
        size_t some = n < part[i].iov_len ? n : part[i].iov_len;

        part[i].iov_base = (unsigned char *)part[i].iov_base + some;
        part[i].iov_len -= some;
        n -= some;
    }
}

void message_write(int fd, enum process_job what, const void *bytes, size_t n)
{
    struct head head = {.what = what, .n = (uint32_t)n};
    struct iovec part[2] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes, n}};

    while (part[0].iov_len + part[1].iov_len > 0) {
        ssize_t some = writev(fd, part, 2);

        if (some < 0 && errno != EINTR)
            bench_die("a process of the pool is gone: %s", strerror(errno));
        if (some > 0)
            advance(part, (size_t)some);
    }
}

static ssize_t read_some(int fd, struct iovec part[static 2])
{
    ssize_t some;

    do {
        some = readv(fd, part, 2);
    } while (some < 0 && errno == EINTR);
    if (some < 0)
        bench_die("a process of the pool is gone: %s", strerror(errno));
    return some;
}

bool message_read(int fd, enum process_job *what, struct bytes *b)
{
    struct head head;
    struct iovec part[2] = {{&head, sizeof head}, {b->data, b->room}};
    size_t have = 0;

    while (have < sizeof head) {
        ssize_t some = read_some(fd, part);

        if (some == 0)
            return false;
        have += (size_t)some;
        advance(part, (size_t)some);
    }
    have -= sizeof head;
    bytes_reserve(b, head.n);
    while (have < head.n) {
        struct iovec rest[2] = {{b->data + have, head.n - have}, {NULL, 0}};
        ssize_t some = read_some(fd, rest);

        if (some == 0)
            return false;
        have += (size_t)some;
    }
    b->n = head.n;
    *what = head.what;
    return true;
}

void message_run(enum process_job what, struct bytes *b)
{
    uint64_t number;

    if (what == JOB_ECHO)
        return;
    memcpy(&number, b->data, sizeof number);
    number++;
    memcpy(b->data, &number, sizeof number);
}
