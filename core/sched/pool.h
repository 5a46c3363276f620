/* SPDX-License-Identifier: MIT
 *
 * pool.h: the work-stealing pool: its workers, the lanes by which tasks come in from outside, and the
 * words that threads meet in. Fields stand by who writes them.
 *
 * Words   mode      bits, only ever set but for FL_PAUSED, and a count: see enum fl_mode; stop.c
 *         idle      who searches, who sleeps: idle.c
 *         worker[]  a slot is filled once, by CAS, and stays; the first n_workers by create, the rest
 *                   by spare.c, where it is also said when a slot has a thread
 *         lane[]    filled once, by CAS, in order: push.c
 *         the others: the file that is named beside them */
#ifndef FL_SCHED_POOL_H
#define FL_SCHED_POOL_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/counters.h"
#include "base/futex.h"
#include "base/slab.h"
#include "base/spin.h"
#include "base/thread.h"
#include "queue/deque.h"
#include "sched/executor.h"
#include "sched/task.h"
#include "sched/timer.h"

struct fl_pool;
struct fl_ring;
struct fl_table;

enum {
    FL_MAX_LANES = 256,   /* threads that can be inside submit at the same instant */
    FL_MAX_NESTED = 2000, /* waits that help, on one stack, whatever its size */
    FL_LANES_EVERY = 61,  /* a busy worker looks at the lanes every so many tasks (SPEC row T3) */
    FL_SPIN_NS = 50000,   /* what a wake across cores costs here at most: PERF.md */
    FL_MAX_SPARES = 256   /* the default */
};

enum fl_mode {
    FL_CLOSING = 1, /* no submits any more */
    FL_BROKEN = 2,  /* a start hook failed: what is queued is dropped as broken */
    FL_EXIT = 4,    /* closing, and nothing is left: workers end */
    FL_ORPHAN = 8,  /* destroyed by a task: the last worker frees the pool */
    FL_PAUSED = 16, /* nothing is taken from a queue; never beside the first three */
    FL_EPOCH = 256  /* from here on, how often all was cancelled: stop.c */
};

enum fl_life {
    FL_EMPTY,   /* a slot without a thread */
    FL_ACTIVE,  /* a thread that works, searches, sleeps or waits for a future */
    FL_DORMANT, /* a thread that nobody needs now */
    FL_LENT     /* a surplus worker that stands in for one that waits */
};

enum fl_asked {
    FL_NOT_ASKED,
    FL_ASKED_BY_IDLE,  /* somebody was, and may be still, without work */
    FL_ASKED_BY_WAITER /* ... or waits for what this worker runs, and would help */
};

struct fl_worker {
    /* Set before it starts. */
    struct fl_pool *pool;
    uint32_t index;
    bool lazy;             /* the pool's, which is short of threads at times: busy is counted */
    struct fl_ring *trace; /* NULL: not traced */

    /* Of whoever has moved life from EMPTY, and then of the thread: spare.c. */
    struct fl_thread thread;
    struct fl_thread before; /* the slot's last thread: the next one joins it */
    bool has_thread;         /* running, or over and not joined */
    bool has_before;
    bool fresh; /* started for what is queued */

    /* The worker's own. */
    uint64_t random;
    uint32_t turn;
    uint32_t epoch; /* of the task that runs: stop.c */
    uint32_t lane_turn;
    struct fl_spinner spinner; /* what searching was like */
    uint32_t rank;   /* its index; above all, as long as it is lent: who is not below active may
                        be one too many */
    uint32_t nested; /* tasks on its stack that wait for the one above */
    bool unhooked;   /* its start hook failed */
    bool is_in_hook; /* which is no task, and nobody counts it: it submits as one from outside */
    bool retires;    /* it has slept for too long, and ends */
    fl_atomic(uint32_t) busy; /* of a lazy pool: functions under way, or a thread that starts */
    struct fl_slab slab;
    struct {
        fl_counter pushed;   /* tasks put on its own deque */
        fl_counter begun;    /* tasks taken from a queue */
        fl_counter ended;    /* ... and done with */
        fl_counter executed; /* functions that have returned */
        fl_counter stolen;
        fl_counter parks;
        fl_counter wakes;
        fl_counter helped;
        fl_counter trace_dropped;
    } count;

    /* Everybody's. */
    alignas(FL_LINE_PAIR) fl_atomic(uint32_t) life; /* enum fl_life: spare.c */
    fl_atomic(uint32_t) asked;                      /* enum fl_asked: future/forkjoin.c */
    struct fl_lock wait_lock;                       /* these five: future/deadlock.c */
    fl_atomic(uint64_t) waits;
    fl_atomic(uint64_t) told;
    filch_future *awaited;
    bool may_be_told;
    struct fl_deque deque;
};

enum {
    FL_LANE_HELD = 1,
    FL_LANE_NOTED = 2
};

struct fl_lane {
    alignas(FL_LINE_PAIR) fl_atomic(uint32_t) held; /* push.c */
    struct fl_deque deque;                          /* its holder pushes, nobody pops */
    struct fl_slab slab;                            /* its holder's */
};

struct fl_pool {
    struct fl_home home; /* first: futures point here */

    /* Set by create. */
    unsigned n_workers;
    unsigned n_slots;   /* workers and spares */
    unsigned n_started; /* n_workers, or fewer if that was asked for; create's, not the workers' */
    unsigned min_workers;    /* the slots below it have a thread from the start to the end */
    int64_t idle_timeout_ns; /* those above it that sleep so long end; 0: none does */
    unsigned max_searchers;
    enum filch_help help;
    int64_t spin_ns;
    unsigned cpus; /* that it may keep busy */
    unsigned flags;
    size_t trace_events;
    size_t stack_size;
    char name[9];
    int (*on_thread_start)(void *);
    void (*on_thread_stop)(void *);
    void (*on_unobserved)(const filch_unobserved *info, void *hook_arg);
    void (*on_deadlock)(const filch_deadlock *info, void *hook_arg);
    void *hook_arg;
    void (*drop_handle)(void *handle); /* what the pool frees with itself */
    void *handle;

    /* Seldom written. */
    alignas(FL_LINE_PAIR) fl_atomic(uint32_t) mode;
    fl_atomic(uint32_t) top_slot; /* 1 + the highest slot ever filled: spare.c */
    fl_atomic(int32_t) vacant;    /* workers' slots without a thread: spare.c */
    fl_atomic(uint32_t) active;   /* workers from here on are surplus: spare.c */
    fl_atomic(struct fl_lane *) lane[FL_MAX_LANES];
    fl_atomic(struct fl_table *) names;
    struct fl_lock names_lock;
    unsigned trace_turn; /* the trace's reader's */

    alignas(FL_LINE_PAIR) fl_atomic(uint32_t) idle;

    alignas(FL_LINE_PAIR) fl_atomic(int32_t) debt; /* spares too many: spare.c */
    fl_atomic(uint32_t) threads;                   /* alive: stop.c */
    fl_atomic(uint32_t) quiet_asked;               /* stop.c */
    fl_atomic(uint32_t) quiet_seen;
    fl_atomic(uint64_t) ended_outside; /* tasks dropped by a thread that is no worker */
    fl_atomic(uint64_t) spares_started;
    fl_atomic(int64_t) tombstones;  /* cancelled and still queued: run.c */
    fl_atomic(uint64_t) unobserved; /* likewise */
    fl_atomic(int64_t) blocks_out;  /* pool.c */
    struct fl_lock join_lock;
    bool joined;

    alignas(FL_LINE_PAIR) struct fl_timers timers; /* timer.c */

    alignas(FL_LINE_PAIR) fl_atomic(struct fl_worker *) worker[]; /* n_slots of them */
};

/* pool.c */
int fl_pool_create(struct fl_pool **out, const filch_options *options,
                   const struct fl_home_ops *home_ops);
void fl_pool_release(struct fl_pool *p); /* threads are gone, the handle is given up */
void fl_pool_free_block(struct fl_pool *p, void *block);
void fl_pool_pin(
    struct fl_pool *p); /* its memory stays until unpin; by who knows that it is there */
void fl_pool_unpin(struct fl_pool *p);
struct fl_worker *fl_worker_create(struct fl_pool *p, unsigned index);
void fl_worker_free(struct fl_worker *w);
int fl_worker_start(struct fl_worker *w);
void fl_pool_break(struct fl_pool *p); /* a start hook has failed */
bool fl_pool_is_broken(const struct fl_pool *p);

/* The thread's whose self it is; NULL if it is none. */
static inline struct fl_worker *fl_worker_of(const struct fl_self *self)
{
    struct fl_worker *w = self->worker;

    return w != NULL && !fl_forked(&w->pool->home.forked) ? w : NULL;
}

static inline struct fl_worker *fl_worker_self(void)
{
    return fl_worker_of(fl_self());
}

static inline struct fl_worker *fl_worker_at(struct fl_pool *p, unsigned i)
{
    return fl_load(&p->worker[i], acquire); /* P2 (spare.c) */
}

/* A function begins, or has returned: whoever looks for somebody idle may wait for the latter. */
static inline void fl_worker_is_busy(struct fl_worker *w, int change)
{
    if (fl_unlikely(w->lazy))
        fl_store(&w->busy, fl_load(&w->busy, relaxed) + (uint32_t)change, relaxed); /* own word */
}

/* A hint, but for whoever has announced that it will sleep. */
static inline bool fl_pool_is_paused(struct fl_pool *p)
{
    return fl_unlikely((fl_load(&p->mode, relaxed) & FL_PAUSED) != 0); /* hint */
}

/* Whether a worker may be one too many, whatever kind it is: fl_spare_retire decides. */
static inline bool fl_worker_may_be_surplus(const struct fl_worker *w)
{
    return fl_unlikely(w->rank >= fl_load(&w->pool->active, relaxed)); /* hint */
}

static inline uint32_t fl_epoch_of(uint32_t mode)
{
    return mode / FL_EPOCH;
}

/* Of what runs for somebody whom it does not concern that all of this pool's is cancelled. */
#define FL_NO_EPOCH UINT32_MAX

/* What began in that epoch is asked to stop. */
static inline bool fl_epoch_is_over(struct fl_pool *p, uint32_t epoch)
{
    return epoch != FL_NO_EPOCH &&
           epoch != fl_epoch_of(fl_load(&p->mode, relaxed)); /* hint: nothing goes with it */
}

/* A task begins: what is cancelled from now on is not meant for those that come later. Returns what end
 * puts back, for the task below. */
static inline uint32_t fl_epoch_begin(struct fl_worker *w)
{
    uint32_t before = w->epoch;

    w->epoch = fl_epoch_of(fl_load(&w->pool->mode, relaxed)); /* hint: nothing goes with it */
    return before;
}

static inline void fl_epoch_end(struct fl_worker *w, uint32_t before)
{
    w->epoch = before;
}

/* When a worker that goes to sleep now will have slept for so long that it may end. */
static inline filch_deadline fl_worker_bedtime(const struct fl_worker *w)
{
    const struct fl_pool *p = w->pool;

    if (fl_likely(p->idle_timeout_ns == 0) || w->index < p->min_workers)
        return INT64_MAX;
    return fl_saturating_add(fl_now(), p->idle_timeout_ns);
}

/* worker.c */
void *fl_worker_main(void *worker);
void fl_worker_run(struct fl_worker *w, struct fl_task *task); /* taken from a queue */
void fl_worker_trace(struct fl_worker *w, uint32_t kind, filch_task_fn *fn);
void fl_worker_trace_named(struct fl_worker *w, uint32_t kind, filch_task_fn *fn, const char *name);
void fl_worker_stole(struct fl_worker *w, const struct fl_task *task);

/* steal.c: the list of all sources, taken from, looked at, and asked for what they keep to themselves */
void fl_ask(struct fl_worker *w, enum fl_asked how);
struct fl_task *fl_take_from_lanes(struct fl_worker *w);
struct fl_task *fl_take_from_workers(struct fl_worker *w);
struct fl_task *fl_take_any(struct fl_pool *p); /* by a thread that is no worker */
uint64_t fl_take_all_now(struct fl_pool *p, bool (*take)(struct fl_pool *p, struct fl_task *task));
bool fl_work_is_visible(struct fl_pool *p);

/* idle.c */
struct fl_task *fl_idle(struct fl_worker *w);        /* NULL: the worker has to end */
struct fl_task *fl_idle_arrive(struct fl_worker *w); /* likewise; for a thread that is fresh */
void fl_idle_notify(
    struct fl_pool *p); /* after a push and a look, by who knows of them and has the pool held */
unsigned fl_idle_wants(struct fl_pool *p); /* so many workers have nothing to do: a hint */
void fl_idle_wake_all(struct fl_pool *p);
uint32_t
fl_idle_hungry(struct fl_pool *p);    /* who would take work, or could be started for it: a look */
void fl_idle_meet(struct fl_pool *p); /* orders the caller among those who announce */
/* As fl_spin_turn, for something of that pool's, or of none; watching ends, too, and is off for a while, if a
 * yield has given the CPU to a stranger. */
bool fl_pool_spin_turn(struct fl_pool *p, struct fl_spin *spin, bool from_outside);

/* push.c */
struct fl_push {
    struct fl_pool *pool;
    struct fl_self *self;     /* the caller's */
    struct fl_worker *worker; /* NULL: by a lane */
    struct fl_lane *lane;
    struct fl_deque *deque;
    struct fl_slab *slab;
};
int fl_push_begin(struct fl_push *at, struct fl_pool *p, size_t n);
void fl_push_end(struct fl_push *at, struct fl_task *const *tasks, size_t n);
void fl_push_end_nowake(struct fl_push *at, struct fl_task *const *tasks,
                        size_t n); /* see push.c */
void fl_push_abort(struct fl_push *at);
int fl_push_begin_due(struct fl_push *at, struct fl_pool *p,
                      size_t n); /* accepted before: timer.c */
void fl_lane_free(struct fl_pool *p, struct fl_lane *lane);

/* help.c */
bool fl_help_with(struct fl_worker *w, const struct fl_task *task);
bool fl_help_from(struct fl_worker *w, unsigned victim, uint64_t floor, bool (*only_if)(void *),
                  void *arg);
bool fl_help_any(struct fl_worker *w);
bool fl_help_take_back(struct fl_worker *w, const struct fl_task *task);
bool fl_help_own(struct fl_worker *w, uint64_t floor,
                 bool (*is_wanted)(const struct fl_task *task, const void *arg), const void *arg);

/* spare.c */
bool fl_block_begin(struct fl_pool *p); /* true: somebody stands in, and end is due */
void fl_block_end(struct fl_pool *p);
bool fl_spare_retire(struct fl_worker *w); /* one too many? true: it has slept, being that */
void fl_spare_wake(struct fl_worker *w);
void fl_spare_wake_all(struct fl_pool *p);
void fl_look_after_queue(struct fl_pool *p); /* what is queued gets a worker, if it may have one */
void fl_slot_fill(struct fl_pool *p);        /* a thread for a worker's slot that has none */
bool fl_slot_may_end(struct fl_worker *w); /* it has slept for too long: true if nobody needs it */
int fl_pool_set_active(struct fl_pool *p, unsigned n);
unsigned fl_pool_active(const struct fl_pool *p);
void fl_slot_replace(struct fl_worker *w); /* its thread ends in the middle, and another goes on */
void fl_slot_vacate(struct fl_worker *w);  /* its thread ends, and the pool goes on */

/* stop.c */
bool fl_is_quiet(struct fl_pool *p);
uint64_t fl_pool_submitted(struct fl_pool *p);
void fl_worker_gone(struct fl_worker *w); /* the last thing a worker's thread does */
void fl_thread_gone(struct fl_pool *p,
                    struct fl_thread *self); /* ... and any other's of the pool */
void fl_stop_poll(struct fl_pool *p);
void fl_stop_workers(struct fl_pool *p); /* nothing is left, and nothing comes: they end */
int fl_pool_shutdown(struct fl_pool *p, unsigned flags, filch_deadline deadline);
void fl_pool_destroy(struct fl_pool *p);
int fl_pool_wait_idle(struct fl_pool *p, filch_deadline deadline);
int64_t fl_pool_cancel_all(struct fl_pool *p); /* how many of the queued it has cancelled */
int fl_pool_pause(struct fl_pool *p);
int fl_pool_resume(struct fl_pool *p);
void fl_pool_set_mode(struct fl_pool *p, uint32_t bits); /* not to be paused any more */

#endif /* FL_SCHED_POOL_H */
