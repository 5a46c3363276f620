/* SPDX-License-Identifier: MIT
 *
 * file.h: memory files, sockets, and words that processes share. Everything here keeps errno, and what it opens is
 * neither standard input nor output nor error, though these be closed. */
#ifndef FL_PROCESS_FILE_H
#define FL_PROCESS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

/* A memory file of that size, zeroed, mapped at *map for reading and writing: nobody can change its size any
 * more. Returns its descriptor, FILCH_EMFILE, FILCH_ENOMEM, or FILCH_ENOTSUP. */
int fl_file_create(const char *name, size_t bytes, void **map);

/* Nobody can write to it any more but through mappings that are there. 0 or FILCH_ENOTSUP. */
int fl_file_seal_for_others(int fd);

/* A file from whoever is not trusted: mapped for reading, if its size is that, and neither that nor what is
 * in it can change any more; otherwise NULL, with *status FILCH_EINVAL, or FILCH_ENOMEM if it is all that. */
void *fl_file_map_sealed(int fd, size_t bytes, int *status);

/* Nobody can write to it any more: there must be no mapping for writing. 0 or FILCH_ENOTSUP. */
int fl_file_seal(int fd);

/* Maps it whole; NULL if that can't be. Private: of what is sealed, or else will not change. */
void *fl_file_map(int fd, size_t bytes, bool to_write);
void *fl_file_map_private(int fd, size_t bytes);
void fl_file_unmap(void *map, size_t bytes);

/* Two ends of packets, closed on exec. 0 or FILCH_EMFILE. */
int fl_socket_pair(int fd[2]);

enum fl_got {
    FL_GOT = 0,
    FL_GOT_NOTHING, /* now */
    FL_GOT_END,     /* the other end is closed */
    FL_GOT_NO_ROOM, /* a packet whose descriptors are lost: this process may not have as many */
    FL_GOT_OTHER    /* something that is no packet of this size, with so many descriptors */
};

/* Sends a packet with n descriptors, n <= FL_MOST_FDS. 0, FILCH_EAGAIN if there is no room now (never, if it
 * may wait), FILCH_EEND if nobody will read it. */
enum {
    FL_MOST_FDS = 4
};
int fl_socket_send(int fd, const void *packet, size_t bytes, const int *fds, size_t n, bool waits);

/* Receives one of exactly that size and with exactly n descriptors; others that it came with are closed. */
enum fl_got fl_socket_receive(int fd, void *packet, size_t bytes, int *fds, size_t n, bool waits);

/* ... or without any: then *fd stays as it is. */
enum fl_got fl_socket_receive_or(int fd, void *packet, size_t bytes, int *passed);

void fl_close(int fd); /* < 0: no-op */

/* As fl_futex_wait and fl_futex_wake, for a word in memory that processes share; and for two words, of which the
 * first is the caller's process's own: FILCH_ENOTSUP before Linux 5.16. */
int fl_shared_wait(fl_atomic(uint32_t) * word, uint32_t expected, int64_t deadline);
void fl_shared_wake(fl_atomic(uint32_t) * word);
int fl_shared_wait_two(fl_atomic(uint32_t) * own, uint32_t own_expected, fl_atomic(uint32_t) * word,
                       uint32_t expected, int64_t deadline);

#endif /* FL_PROCESS_FILE_H */
