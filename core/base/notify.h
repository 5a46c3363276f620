/* SPDX-License-Identifier: MIT
 *
 * notify.h: an eventfd: rung by whoever has something to tell, watched by an event loop. */
#ifndef FL_BASE_NOTIFY_H
#define FL_BASE_NOTIFY_H

/* A descriptor that is not readable yet, or FILCH_EMFILE. Keeps errno, as all of them do. */
int fl_notify_open(void);
void fl_notify_close(int fd);

/* Readable, until drained. Never blocks. */
void fl_notify_ring(int fd);
void fl_notify_drain(int fd);

#endif /* FL_BASE_NOTIFY_H */
