/* SPDX-License-Identifier: MIT
 *
 * file.c: memory files, sockets, and words that processes share: the system calls of core/process.
 *
 * Words   word   of a wait: its owner's file says who writes it; the kernel compares it under a lock of its own */
#include "process/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <filch/base.h>

#ifndef F_SEAL_FUTURE_WRITE
#    define F_SEAL_FUTURE_WRITE 0x0010
#endif

void fl_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
}

/* Whoever has closed standard input, output or error may write there all the same. -1, with errno: none was had. */
static int above_standard(int fd)
{
    int higher;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    fl_close(fd);
    return higher;
}

static int status_of(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
        return FILCH_EMFILE;
    case ENOSYS:
    case EINVAL:
    case EPERM:
        return FILCH_ENOTSUP;
    default:
        return FILCH_ENOMEM;
    }
}

int fl_file_create(const char *name, size_t bytes, void **map)
{
    int saved = errno;
    int fd = above_standard(
        (int)syscall(SYS_memfd_create, name, 3U)); /* 3: closed on exec, may be sealed */
    int status;

    if (fd < 0) {
        status = status_of(errno);
        errno = saved;
        return status;
    }
    *map = NULL;
    if (bytes > (size_t)PTRDIFF_MAX || ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
        status = FILCH_ENOMEM;
        goto close_fd;
    }
    *map = fl_file_map(fd, bytes, true);
    if (*map == NULL) {
        status = FILCH_ENOMEM;
        goto close_fd;
    }
    errno = saved;
    return fd;

close_fd:
    fl_close(fd);
    errno = saved;
    return status;
}

int fl_file_seal_for_others(int fd)
{
    int saved = errno;
    int status = 0;

    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
        status = FILCH_ENOTSUP;
    errno = saved;
    return status;
}

static void *map_file(int fd, size_t bytes, int protection, int flags)
{
    int saved = errno;
    void *map = mmap(NULL, bytes != 0 ? bytes : 1, protection, flags, fd, 0);

    errno = saved;
    return map != MAP_FAILED ? map : NULL;
}

void *fl_file_map(int fd, size_t bytes, bool to_write)
{
    return map_file(fd, bytes, to_write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED);
}

/* Before Linux 6.7 what is sealed can not be mapped otherwise. */
void *fl_file_map_private(int fd, size_t bytes)
{
    return map_file(fd, bytes, PROT_READ, MAP_PRIVATE);
}

void fl_file_unmap(void *map, size_t bytes)
{
    int saved = errno;

    if (map != NULL)
        munmap(map, bytes != 0 ? bytes : 1);
    errno = saved;
}

void *fl_file_map_sealed(int fd, size_t bytes, int *status)
{
    const int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int saved = errno;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    void *map = NULL;

    *status = FILCH_EINVAL;
    if (seals >= 0 && (seals & needed) == needed && fstat(fd, &st) == 0 && st.st_size >= 0 &&
        (uint64_t)st.st_size == bytes) {
        map = fl_file_map_private(fd, bytes);
        *status = map != NULL ? 0 : FILCH_ENOMEM;
    }
    errno = saved;
    return map;
}

int fl_file_seal(int fd)
{
    int saved = errno;
    int status = 0;

    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        status = FILCH_ENOTSUP;
    errno = saved;
    return status;
}

int fl_socket_pair(int fd[2])
{
    int saved = errno;
    int status = 0;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
        status = FILCH_EMFILE;
    } else {
        fd[0] = above_standard(fd[0]);
        fd[1] = above_standard(fd[1]);
        if (fd[0] < 0 || fd[1] < 0) {
            fl_close(fd[0]);
            fl_close(fd[1]);
            status = FILCH_EMFILE;
        }
    }
    errno = saved;
    return status;
}

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(FL_MOST_FDS * sizeof(int))];
};

int fl_socket_send(int fd, const void *packet, size_t bytes, const int *fds, size_t n, bool waits)
{
    struct iovec part = {(void *)(uintptr_t)packet, bytes};
    union control control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int saved = errno;
    ssize_t sent;
    int status = 0;

    if (n > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
    }
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        status = errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS || errno == ENOMEM
                     ? FILCH_EAGAIN
                     : FILCH_EEND;
    errno = saved;
    return status;
}

/* Puts those that came with a packet of the right size at fds if they are at least and at most so many, and closes
 * them otherwise. */
static enum fl_got take_fds(struct msghdr *message, bool is_right, int *fds, size_t least,
                            size_t most)
{
    int got[FL_MOST_FDS];
    size_t count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        size_t here = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
                          ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
                          : 0;

        for (size_t i = 0; i < here; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (count < FL_MOST_FDS)
                got[count++] = fd;
            else
                fl_close(fd);
        }
    }
    is_right = is_right && (message->msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0 && count >= least &&
               count <= most;
    for (size_t i = 0; i < count; i++) {
        if (is_right)
            fds[i] = got[i];
        else
            fl_close(got[i]);
    }
    if (is_right)
        return FL_GOT;
    /* Of four and fewer none is cut off for want of room here. */
    return (message->msg_flags & MSG_CTRUNC) != 0 && count < FL_MOST_FDS ? FL_GOT_NO_ROOM
                                                                         : FL_GOT_OTHER;
}

static enum fl_got receive(int fd, void *packet, size_t bytes, int *fds, size_t least, size_t most,
                           bool waits)
{
    struct iovec part = {packet, bytes};
    union control control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int saved = errno;
    enum fl_got got = FL_GOT_END;
    ssize_t size;

    do {
        size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        got = FL_GOT_NOTHING;
    if (size >= 0) {
        enum fl_got with = take_fds(&message, (size_t)size == bytes, fds, least, most);

        got = size != 0 ? with : FL_GOT_END;
    }
    errno = saved;
    return got;
}

enum fl_got fl_socket_receive(int fd, void *packet, size_t bytes, int *fds, size_t n, bool waits)
{
    return receive(fd, packet, bytes, fds, n, n, waits);
}

enum fl_got fl_socket_receive_or(int fd, void *packet, size_t bytes, int *passed)
{
    return receive(fd, packet, bytes, passed, 0, 1, false);
}

static struct timespec timespec_of(int64_t deadline)
{
    if (deadline < 0)
        deadline = 0;
    return (struct timespec){(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
}

int fl_shared_wait(fl_atomic(uint32_t) * word, uint32_t expected, int64_t deadline)
{
    struct timespec at = timespec_of(deadline);
    int saved = errno;
    int status = 0;

    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, deadline != INT64_MAX ? &at : NULL,
                NULL, FUTEX_BITSET_MATCH_ANY) != 0 &&
        errno == ETIMEDOUT)
        status = FILCH_ETIMEDOUT;
    errno = saved;
    return status;
}

void fl_shared_wake(fl_atomic(uint32_t) * word)
{
    int saved = errno;

    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    errno = saved;
}

/* As the kernel has it: linux/futex.h of older systems has not. */
struct waiting {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

int fl_shared_wait_two(fl_atomic(uint32_t) * own, uint32_t own_expected, fl_atomic(uint32_t) * word,
                       uint32_t expected, int64_t deadline)
{
    enum {
        CALL = 449,
        WORD_OF_32 = 2
    };
    struct waiting both[2] = {
        {own_expected, (uint64_t)(uintptr_t)own, WORD_OF_32 | FUTEX_PRIVATE_FLAG, 0},
        {expected, (uint64_t)(uintptr_t)word, WORD_OF_32, 0}};
    struct timespec at = timespec_of(deadline);
    int saved = errno;
    int status = 0;

    if (syscall(CALL, both, 2U, 0U, deadline != INT64_MAX ? &at : NULL, CLOCK_MONOTONIC) < 0) {
        if (errno == ETIMEDOUT)
            status = FILCH_ETIMEDOUT;
        else if (errno == ENOSYS || errno == EPERM)
            status = FILCH_ENOTSUP;
    }
    errno = saved;
    return status;
}
