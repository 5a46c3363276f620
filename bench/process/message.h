/* SPDX-License-Identifier: MIT
 *
 * message.h: a length and bytes through a pipe, of the pools of processes that are not filch's: as few system calls
 * as it can be done with, one each way for what fits into the pipe. */
#ifndef FL_BENCH_PROCESS_MESSAGE_H
#define FL_BENCH_PROCESS_MESSAGE_H

#include <stdbool.h>

#include "process/process.h"

/* Bytes that grow; all zero is none. */
struct bytes {
    unsigned char *data;
    size_t n;
    size_t room;
};

/* Sees to it that there is room. Out of memory ends the program. */
void bytes_reserve(struct bytes *b, size_t room);

/* A pipe that programs started from here do not have, with as much room as the system gives. Ends the program without
 * one. */
void message_pipe(int ends[static 2]);

/* Ends the program if it cannot be written. */
void message_write(int fd, enum process_job what, const void *bytes, size_t n);

/* Nothing but one message is on the way. False: the other side has closed its end. */
bool message_read(int fd, enum process_job *what, struct bytes *b);

/* Runs the job, in place. */
void message_run(enum process_job what, struct bytes *b);

#endif /* FL_BENCH_PROCESS_MESSAGE_H */
