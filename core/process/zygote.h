/* SPDX-License-Identifier: MIT
 *
 * zygote.h: the process that worker processes are forked off, and what the program and it tell each other.
 *
 * It is the program once more, or another, started by posix_spawn, so that nothing of a process with threads
 * is ever forked. It has one thread and nothing to do but fork, and to wait for its children's ends. It ends when
 * the program's end of the socket is closed, however that comes about, and its children with it. */
#ifndef FL_PROCESS_ZYGOTE_H
#define FL_PROCESS_ZYGOTE_H

#include <stddef.h>
#include <stdint.h>

#include "process/file.h"
#include <filch/job.h>

/* All with four descriptors, whatever they are: one shape for all. */
enum fl_order_kind {
    FL_ORDER_SETUP, /* a memory file, if bytes is not 0: what each worker runs first */
    FL_ORDER_START, /* in, out, the socket, the eventfd */
    FL_ORDER_KILL   /* any: the program has no descriptor of that process */
};

/* From the program. */
struct fl_order {
    uint32_t kind;
    uint32_t worker;
    uint64_t life; /* which process of that worker: they are counted */
    uint64_t ring_bytes;
    uint64_t bytes;
    uint32_t job; /* of a setup */
    char name[9];
};

enum fl_news_kind {
    FL_NEWS_BUILD,   /* which program it is: in name */
    FL_NEWS_NAME,    /* of job number `worker` */
    FL_NEWS_READY,   /* all names are told */
    FL_NEWS_THREADS, /* it has threads, and can't fork */
    FL_NEWS_FORKED,  /* with a descriptor of the process */
    FL_NEWS_UNBORN,  /* it could not be forked */
    FL_NEWS_DEAD
};

/* From the zygote. */
struct fl_news {
    uint32_t kind;
    uint32_t version;
    uint32_t worker;
    uint64_t life;
    int32_t pid;
    int32_t code; /* waitid's si_code and si_status */
    int32_t status;
    char name[FILCH_JOB_NAME_MAX + 1];
};

/* The descriptor that it finds its socket at, and the variable that says so. */
enum {
    FL_ZYGOTE_FD = 3
};
#define FL_ZYGOTE_VARIABLE "FILCH_ZYGOTE"

/* Starts program. 0 with *control, the program's end, and *pidfd and *pid set; or FILCH_ENOENT, FILCH_EAGAIN,
 * FILCH_EMFILE, FILCH_ENOMEM, FILCH_ENOTSUP. */
int fl_zygote_start(const char *program, int *control, int *pidfd, int *pid);

/* Kills it if it is still there, and takes it away. */
void fl_zygote_end(int control, int pidfd);

/* The zygote's whole life. */
_Noreturn void fl_zygote_main(int control);

/* Says which program the caller is: the same of two processes means that they run the same code. */
void fl_build_tell(char *at, size_t room);

/* A signal for the process behind pidfd; it may be gone. */
void fl_pidfd_kill(int pidfd, int signal);
bool fl_pidfd_is_over(int pidfd);

/* A worker process's whole life: child.c. */
struct fl_child_start {
    struct fl_order order;
    int in, out, socket, bell; /* descriptors */
    int zygote;                /* the process that it is a child of */
    filch_job_fn *setup;       /* NULL: none */
    const void *setup_in;
    size_t setup_len;
};
_Noreturn void fl_child_main(const struct fl_child_start *start);

/* What a worker says when it is up, by its socket: 0, or what its setup returned. */
struct fl_up {
    uint32_t version;
    int32_t status;
};

#endif /* FL_PROCESS_ZYGOTE_H */
