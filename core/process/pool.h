/* SPDX-License-Identifier: MIT
 *
 * pool.h: the process executor: its jobs, its workers, its manager.
 *
 * One lock guards all of it: who submits, who waits and who manages holds it for some tenths of a microsecond, and
 * for the copy of a short payload; a long one is copied without it. No function of the user's is called with it held, and nobody sleeps.
 *
 * A job is QUEUED, or SENT to a worker, by whose ring its bytes go. It may come back: cancelled, to be given to
 * a worker that is idle, or because the worker has died. Whoever finds its answer (hears it) puts it among
 * those that have ENDED, and frees its place for another; the manager tells them, outside of the lock, so that
 * callbacks run in its thread alone; but for the one that a thread waits for, if nobody else does: that one tells it
 * itself, and is spared a wake.
 *
 * create.c   its options and its memory
 * pool.c     what the handle does: cancel, wait, end, tell of itself
 * item.c     a job's record: submit, and what its future asks
 * flow.c     from the queue to the workers, and back into it
 * hear.c     what came of them, and who is told
 * staff.c    the workers' lives: started, up, retired, dead, replaced
 * blame.c    what becomes of the jobs of the dead
 * poison.c   inputs that have crashed too many workers
 * manager.c  the thread that tells, starts and ends them, and keeps time
 * meet.c     the process that forks the workers is started, and says what it knows
 * await.c    a thread that waits for one job */
#ifndef FL_PROCESS_POOL_H
#define FL_PROCESS_POOL_H

#include <filch/process.h>

#include "base/alloc.h"
#include "base/futex.h"
#include "base/thread.h"
#include "future/future.h"
#include "future/job.h"
#include "future/run.h"
#include "process/link.h"
#include "process/zygote.h"
#include "sched/executor.h"

struct fl_table;

enum {
    FL_MOST_FIRSTS = 2,   /* blame.c: how often a job may have come first, and not have begun */
    FL_LONG_BYTES = 16384 /* what others would have to wait for, and is copied without the lock */
};

enum fl_place {
    FL_QUEUED,
    FL_GIVING, /* its bytes are being copied, without the lock */
    FL_SENT,
    FL_ENDED, /* its outcome is known, and will be told */
    FL_GONE   /* cancelled, or about to be */
};

struct fl_item {
    filch_future f;
    struct fl_task_extra extra;    /* has to stand there: run.h */
    struct fl_item *next, *before; /* in the queue, or among those that have ended */
    void *bytes;                   /* while QUEUED, if they are not in a file */
    size_t len;
    size_t behind;  /* bytes behind the record */
    size_t apart;   /* bytes of a copy of its own; 0: there is none */
    int fd;         /* of a file with the bytes; -1: none */
    uint32_t job;   /* as the workers count them */
    uint32_t flags; /* of a request */
    uint32_t worker;
    uint32_t crashes;
    uint32_t returns; /* by workers that have died before they began it */
    uint32_t firsts;  /* ... and had nothing to begin before it; or retired so */
    enum fl_place place;
    bool is_cancelled;          /* ENDED, and to be told as cancelled */
    struct fl_waiter *withheld; /* ... or over already: to be told these who came late */
    uint64_t n;                 /* SENT: its number there */
    int status;                 /* ENDED */
    bool is_poison; /* ... and its bytes are there still: in a file, or in this link, pinned */
    struct fl_link *lent;
    void *value;
};

struct fl_items {
    struct fl_item *first, *last;
};

enum fl_post_state {
    FL_POST_EMPTY,
    FL_POST_ASKED,  /* the zygote is to fork one */
    FL_POST_FORKED, /* it sets itself up */
    FL_POST_UP,
    FL_POST_LEAVING, /* it has been told that nothing more comes */
    FL_POST_DYING    /* it has been killed */
};

/* A worker's place, which one process after the other has. */
struct fl_post {
    enum fl_post_state state;
    struct fl_link *link; /* unless EMPTY */
    uint64_t life;        /* processes it has had */
    int pidfd, pid;
    enum filch_death asked; /* why it was killed; 0: it was not */
    bool retires;           /* gets no more */
    bool has_to_ring;
    unsigned given;         /* jobs, of this life */
    unsigned quick_deaths;  /* without a job done */
    unsigned failed_starts; /* in a row */
    int64_t since;          /* when its oldest job can have begun, at the earliest */
    int64_t born;           /* when it came up */
    int64_t act_at;         /* EMPTY: start again; ASKED, FORKED, LEAVING: patience ends */
    int64_t
        late_at; /* once killed, or dead: when its end should have been told; 0: it is neither */
};

/* A job that the workers know. */
struct fl_name {
    uint32_t index;
    char text[];
};

/* Words   is_busy   something is queued: a hint
 *         refs      the handle's with the manager's, and one for each future: the last one frees
 *         has_poison   1 once an input has crashed too many workers
 *         quiet     how often something was waited for that has come: a futex
 *         pins      of a link: threads that use it without the lock */
struct fl_processes {
    struct filch_executor ex; /* the handle */
    struct fl_home home;
    fl_atomic(uint64_t) refs;
    fl_atomic(uint32_t) quiet;
    fl_atomic(uint32_t) is_busy;
    fl_atomic(uint32_t) has_poison;
    struct fl_lock lock;

    /* Set by create. */
    filch_process_options options; /* completed; strings below */
    char name[9];
    char *program;
    void *setup_in;
    struct fl_table *names; /* to a struct fl_name */
    struct fl_name **known; /* as the workers count them */
    size_t n_known;
    char build[FILCH_JOB_NAME_MAX + 1]; /* of what the workers run: build.c; empty: not known yet */
    uint64_t poison_key[2];

    /* Under the lock. */
    struct fl_post *post;
    struct fl_items queue, ended;
    struct fl_link *dead;     /* closed when nobody looks at them any more */
    uint64_t submitted, over; /* over: told, or cancelled */
    uint64_t executed;
    uint64_t cancels; /* how often everything was */
    uint64_t mean_ns; /* of a job, of late */
    unsigned last;    /* given to last */
    bool is_closing, is_killed, is_orphan;
    bool is_leaving;  /* nothing is left, and the workers were told to end */
    bool is_armed;    /* the manager sleeps until it is called */
    bool has_duty;    /* there is something that the manager alone does */
    int64_t wakes_at; /* ... or until then */
    int64_t due;      /* when a job that was given since has taken too long; INT64_MAX: none */
    unsigned waiters; /* for quiet */
    bool has_told_start;
    int start_status;   /* create's: 1 while they come up */
    const char *broken; /* why; NULL: it is not */
    char reason[160];
    int64_t kill_at; /* after terminate; 0: never */
    struct {
        uint64_t hash;
        uint64_t len;
    } poison[256];
    size_t n_poison;
    filch_process_stats stats;
    uint64_t unobserved;

    /* The manager's. */
    struct fl_thread manager;
    int epoll, call; /* call: an eventfd */
    int control, zygote_pidfd, zygote_pid;
    bool is_another; /* the last zygote that was met is not of the build that the first one was */
};

static inline struct fl_processes *fl_processes_of(const struct fl_home *home)
{
    return fl_container_of(home, struct fl_processes, home);
}

static inline struct fl_processes *fl_processes_behind(const filch_executor *ex)
{
    return fl_container_of((filch_executor *)(uintptr_t)ex, struct fl_processes, ex);
}

static inline struct fl_item *fl_item_of(const filch_future *f)
{
    return (struct fl_item *)(uintptr_t)f;
}

/* ---- lists */

void fl_items_push(struct fl_items *list, struct fl_item *item);
void fl_items_push_first(struct fl_items *list, struct fl_item *item);
struct fl_item *fl_items_pop(struct fl_items *list);
void fl_items_remove(struct fl_items *list, struct fl_item *item);

/* ---- create.c */

void fl_processes_release(struct fl_processes *p);

/* ---- item.c */

extern const struct fl_home_ops fl_item_home_ops;

int fl_item_submit(filch_executor *ex, const struct fl_job *job, filch_future **future);

/* ---- pool.c */

extern const struct fl_executor_ops fl_processes_ops;

/* It can't go on: everything queued fails. */
void fl_processes_break(struct fl_processes *p, const char *why);

/* ---- flow.c, with the lock */

/* Gives as much as there is room for, and what the busy have to the idle. */
void fl_flow_pump(struct fl_processes *p);

/* Gives this one, with these bytes if they are not in a file. False: nobody has room, or not any more: a long copy
 * is made without the lock, and anything may have changed since. */
bool fl_flow_give(struct fl_processes *p, struct fl_item *item, const void *bytes,
                  struct fl_post **to);

/* Of a job that was SENT or QUEUED: it is ENDED, with what this takes over. */
void fl_flow_end(struct fl_processes *p, struct fl_item *item, int status, void *value);

/* Back into the queue, first of all; its bytes are at bytes, if not in a file. */
void fl_flow_return(struct fl_processes *p, struct fl_item *item, const void *bytes);

/* Takes it out of wherever it is, unless it has begun: then it is GONE, and it is the caller's. */
bool fl_flow_take_out(struct fl_processes *p, struct fl_item *item);

/* The oldest job that the worker has can begin now, and not before. */
void fl_flow_begin_time(const struct fl_processes *p, struct fl_post *post);

/* Whether an idle worker could take from a busy one before long. */
bool fl_flow_is_uneven(const struct fl_processes *p);

/* ---- hear.c, with the lock */

/* What the post's worker has answered, up to job n. False: it has forged something. */
bool fl_flow_hear(struct fl_processes *p, struct fl_post *post, uint64_t n);

/* ---- hear.c, without the lock */

/* Tells how it ended, and returns how many are to be counted as told: one, or none, for that has been done. The item
 * may be gone after that. */
uint64_t fl_flow_tell(struct fl_item *item);

/* Tells by a thread that waits for it, and counts that. Callbacks are left to the manager. */
void fl_flow_tell_here(struct fl_processes *p, struct fl_item *item);
void fl_flow_told(struct fl_processes *p, uint64_t n);

/* ---- staff.c, with the lock; the manager's but for kill */

void fl_staff_kill(struct fl_processes *p, struct fl_post *post, enum filch_death why);
void fl_staff_start(struct fl_processes *p, unsigned worker, int64_t now);

/* Whether workers are started any more. */
bool fl_staff_may_start(const struct fl_processes *p);
void fl_staff_news(struct fl_processes *p, const struct fl_news *news, int pidfd, int64_t now);
/* A process was forked whose descriptor has found no room in this one. False: it can't be told to end. */
bool fl_staff_unheld(struct fl_processes *p, const struct fl_news *news, int64_t now);
void fl_staff_up(struct fl_processes *p, unsigned worker, int64_t now);
void fl_staff_lost(struct fl_processes *p, int64_t now); /* the zygote is dead, and all are */
/* Its process is no more, unless that was an earlier one's end. The zygote is about to say so. */
void fl_staff_gone(struct fl_processes *p, unsigned worker, int64_t now);

/* What is due: limits, ages, starts, patience. Returns when to look again. */
int64_t fl_staff_watch(struct fl_processes *p, int64_t now);

/* Those that are not needed any more, as the pool ends. True: nobody is left. */
bool fl_staff_leave(struct fl_processes *p, int64_t now);

/* Closes what nobody looks at any more. True: that is all. */
bool fl_staff_sweep(struct fl_processes *p);

void fl_link_unpin(struct fl_link *l); /* without the lock, too */

/* ---- blame.c, with the lock */

/* How the post's worker has died, by the news of it. */
filch_crash fl_blame_crash(const struct fl_processes *p, const struct fl_post *post,
                           const struct fl_news *news);

/* It was not killed by us, for something that is no crash. */
bool fl_blame_is_own_fault(const filch_crash *crash);

/* What it has left: each job is ENDED, or back in the queue. */
void fl_blame_settle(struct fl_processes *p, struct fl_post *post, const filch_crash *crash);

/* The item is with no worker, and none will have it any more. */
void fl_blame_killed(struct fl_processes *p, struct fl_item *item);

/* ---- poison.c, with the lock: inputs that have crashed too many workers */

/* Without the lock, too. */
uint64_t fl_poison_hash(const struct fl_processes *p, uint32_t job, const void *bytes, size_t len);
bool fl_poison_is_known(const struct fl_processes *p, uint64_t hash, size_t len);

/* Without the lock, by the manager: before it is told that it has. */
void fl_poison_add(struct fl_processes *p, struct fl_item *item);

/* ---- manager.c */

int fl_manager_start(struct fl_processes *p);
void fl_manager_join(struct fl_processes *p);
bool fl_manager_is_self(const struct fl_processes *p);

/* The manager is to look. With the lock: whether it has to be called, by the other, without. */
bool fl_manager_needs_call(struct fl_processes *p);
void fl_manager_call(struct fl_processes *p);

/* What the zygote says is to be heard. 0 or FILCH_ENOMEM. */
int fl_manager_watch_zygote(struct fl_processes *p);

/* What a process that was forked may say, and its end, are to be watched; or not any more. */
void fl_manager_watch(struct fl_processes *p, unsigned worker);
void fl_manager_unwatch_socket(struct fl_processes *p, struct fl_link *l);
void fl_manager_unwatch(struct fl_processes *p, const struct fl_post *post);

/* ---- meet.c */

/* The zygote is started, and has said which jobs it knows. 0, or what create returns. */
int fl_meet_zygote(struct fl_processes *p);

/* ---- main.c */

bool fl_process_main_was_called(void);

/* ---- await.c */

int fl_process_await(struct fl_home *home, filch_future *f, filch_deadline deadline);
void fl_process_wake(struct fl_home *home, filch_future *f);

#endif /* FL_PROCESS_POOL_H */
