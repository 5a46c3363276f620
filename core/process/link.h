/* SPDX-License-Identifier: MIT
 *
 * link.h: the program's end of what it shares with one worker process (wire.h). Whoever calls has the
 * executor's lock, but for what says otherwise. */
#ifndef FL_PROCESS_LINK_H
#define FL_PROCESS_LINK_H

#include "process/wire.h"

#include <filch/job.h>

struct fl_order;

/* What goes by a link, as long as it does. */
struct fl_sent {
    void *job; /* NULL: it was taken back */
    uint64_t end;
};

struct fl_link {
    struct fl_wire_in *in;
    struct fl_wire_out *out;
    size_t ring_bytes;
    int socket, bell;          /* ours */
    int theirs[4];             /* in, out, the other end, the eventfd: until they are sent */
    uint64_t head, tail;       /* jobs that are over, and that were given */
    uint32_t back;             /* of those between: taken back */
    uint64_t sent_head, sent;  /* bytes of in's ring: free up to, used up to */
    uint64_t taken;            /* of out's */
    uint32_t rooms;            /* the count in room */
    bool has_lied;             /* what no worker writes: nothing more is believed */
    bool is_deaf;              /* the worker has closed its end of the socket, or is dead */
    bool is_stuffed;           /* there was no room in the socket, and no job has ended since */
    uint64_t watched;          /* n + 1 of the job that a thread looks for; 0: none */
    fl_atomic(uint32_t) pins;  /* threads that look at it without the lock: staff.c */
    bool is_giving;            /* somebody copies a payload in, without the lock */
    bool is_hearing;           /* ... an answer out */
    struct fl_link *next_dead; /* of one whose worker is: closed when nobody has a pin */
    struct fl_sent slot[FL_WIRE_SLOTS];
};

struct fl_link_options {
    size_t ring_bytes;
    int64_t spin_ns;
    int64_t cpu_limit_ns;
    bool keeps_rss;
};

int fl_link_open(struct fl_link *l,
                 const struct fl_link_options *options); /* 0, FILCH_EMFILE ... */
void fl_link_close(struct fl_link *l);

/* The descriptors that the worker has by now. */
void fl_link_forget_theirs(struct fl_link *l);

static inline uint32_t fl_link_count(const struct fl_link *l)
{
    return (uint32_t)(l->tail - l->head);
}

/* Of these, not taken back. */
static inline uint32_t fl_link_live(const struct fl_link *l)
{
    return fl_link_count(l) - l->back;
}

/* Whether one more, of len bytes (0 if they go by a file), can be given. */
bool fl_link_has_room(const struct fl_link *l, size_t len);

/* Gives it, and returns its number. fd >= 0: its bytes, which go by the socket; false: not now, or never if it is
 * deaf. The worker sees it, but is woken by fl_link_ring alone. */
bool fl_link_give(struct fl_link *l, void *job, const struct fl_wire_request *request,
                  const void *bytes, int fd, uint64_t *n);

/* The same of a payload that the caller copies without the lock, with a pin: where to. Nobody gives meanwhile. */
void *fl_link_begin(struct fl_link *l, size_t len, uint64_t *at);
void fl_link_end(struct fl_link *l, void *job, const struct fl_wire_request *request, uint64_t at,
                 uint64_t *n);

void fl_link_ring(struct fl_link *l);

/* Whether the worker sleeps, as far as one can see. */
bool fl_link_sleeps(const struct fl_link *l);

/* Takes job n back, unless it has begun. Its bytes stay readable until the oldest of the rest is over. */
bool fl_link_take_back(struct fl_link *l, uint64_t n);

/* Nobody waits for what it has: whatever the worker says of that is not heard. */
void fl_link_forget(struct fl_link *l);

/* Whether job n has begun, or is over, by what the worker says. Its bytes, if they went by the ring. */
bool fl_link_has_begun(const struct fl_link *l, uint64_t n);
const void *fl_link_bytes(const struct fl_link *l, uint64_t n);

/* What the worker says of the oldest. */
struct fl_answer {
    void *job;
    uint64_t n;
    int status;
    const char *
        bytes; /* the result, or the message; in the ring: copy it once, and only then look at it */
    size_t len;
    bool is_far;
    uint32_t run_us;
    uint64_t rss_bytes;
};

enum fl_said {
    FL_SAID_NOTHING,
    FL_SAID_DONE,  /* *answer is set; fl_link_next then */
    FL_SAID_FORGED /* no worker of ours writes that */
};
enum fl_said fl_link_hear(struct fl_link *l, struct fl_answer *answer);

/* The oldest is over. When its answer has been read, its room is free. */
void fl_link_next(struct fl_link *l);
void fl_link_free(struct fl_link *l);

/* A far result: mapped, or NULL: with *status FILCH_EINVAL if it is none, FILCH_EMFILE or FILCH_ENOMEM if this program
 * has no room for it. */
void *fl_link_receive(struct fl_link *l, uint64_t n, size_t len, int *status);

/* The oldest that was not taken back. False: there is none. */
bool fl_link_oldest(const struct fl_link *l, uint64_t *n);

/* The manager is about to sleep, or awake. After arming it has to listen once more. */
void fl_link_arm(struct fl_link *l, bool sleeps);

/* A thread looks for job n; or nobody does: n == UINT64_MAX. */
void fl_link_watch(struct fl_link *l, uint64_t n);

/* Without the lock, by who has a pin and watches: he is about to sleep; how many are over, read before he looks
 * at the job and sleeps on out's done. */
void fl_link_watch_asleep(struct fl_link *l, uint64_t n);
uint32_t fl_link_done_count(const struct fl_link *l);

/* Without the lock, by who has a pin: whether job n is over by what the worker says. */
bool fl_link_is_done(const struct fl_link *l, uint64_t n);

/* No more will come: the worker is to end. There is room. */
void fl_link_finish(struct fl_link *l);

/* Where a fault was; false: it is not known. */
bool fl_link_fault(const struct fl_link *l, uint64_t *address);

#endif /* FL_PROCESS_LINK_H */
