/* SPDX-License-Identifier: MIT
 *
 * model_wire.c: what GenMC checks of what a program and a worker process share: every execution that RC11
 * and IMM allow.
 *
 * The real link.c and desk.c are compiled here: the main thread is the program, another the worker, and in
 * LEAVE with MANAGER a third is the program's manager. Memory files are memory; an eventfd is a count that
 * orders what the kernel's lock orders; who sleeps on a shared word sleeps on model_futex.h's. Whoever calls the
 * two ends is told again here, as shortly as can be: child.c in answer, await.c in await and watch_and_leave,
 * manager.c in ARM and manage. Checked in each execution: a job that was given is begun or taken back, one of
 * the two; whoever has begun it reads its request and payload, and whoever hears of it its answer, and RC11
 * reports a race if nothing orders them; what is in a ring is not overwritten before it was read; and nobody
 * sleeps for ever, be it the worker, who awaits an answer, or the manager: -check-liveness reports that. In
 * TELL, ARM, LEAVE and ROOM all jobs are there when the worker begins, for GIVE and BACK are about how they come. A
 * scenario is a macro MODEL_<NAME>; scripts/model runs each "run" line below. By hand, from the top of the tree:
 *
 *   genmc -rc11 -check-liveness -disable-spin-assume -disable-estimation -- -O0 -Iinclude -Icore \
 *       -DMODEL_GIVE tests/process/model_wire.c
 *   genmc -imm -disable-mm-detector -check-liveness -disable-spin-assume -disable-estimation -- ...
 *
 * No loop needs a bound: each turn follows somebody else's move. */
/* run: GIVE -check-liveness */
/* run: GIVE -check-liveness ASLEEP */
/* run: GIVE -check-liveness JOBS=2 */
/* run: GIVE -check-liveness JOBS=2 ONE_RING */
/* run: GIVE -check-liveness JOBS=2 START=UINT32_MAX */
/* run: BACK -check-liveness */
/* run: BACK -check-liveness JOBS=2 */
/* run: BACK -check-liveness JOBS=2 FL_WIRE_SLOTS=1 */
/* run: TELL -check-liveness */
/* run: TELL -check-liveness LOOKS=1 */
/* run: TELL -check-liveness JOBS=2 */
/* run: TELL -check-liveness JOBS=2 WATCHED=0 */
/* run: ARM -check-liveness */
/* run: ARM -check-liveness JOBS=2 */
/* run: ARM -check-liveness OTHER */
/* run: LEAVE -check-liveness */
/* run: LEAVE -check-liveness TIMED_OUT */
/* run: LEAVE -check-liveness MANAGER */
/* run: ROOM -check-liveness JOBS=2 RING=64 */
/* run: ROOM -check-liveness JOBS=3 RING=128 FL_WIRE_SLOTS=3 FULL */
#ifndef JOBS
#    define JOBS 1
#endif
#ifndef WATCHED
#    define WATCHED (JOBS - 1) /* the job that is awaited */
#endif
#ifndef LOOKS
#    define LOOKS 0 /* before he sleeps */
#endif
#ifndef RING
#    define RING 128 /* bytes: two payloads */
#endif
#ifndef START
#    define START 0 /* the first job's number */
#endif
#ifndef FL_WIRE_SLOTS
#    define FL_WIRE_SLOTS 2
#endif
#if defined(MODEL_ROOM)
#    define PAYLOAD 0 /* bytes */
#else
#    define PAYLOAD 1
#endif
#if defined(MODEL_GIVE) || defined(MODEL_BACK)
#    define HAS_ANSWERS 0
#else
#    define HAS_ANSWERS 1 /* to jobs that are there from the beginning: how they come is GIVE's */
#endif
#define __builtin_ia32_pause() ((void)0) /* GenMC has none; without spin_ns nobody gets there */
#define MODEL_SLEEPERS         2
#include "../base/model_futex.h"

/* Byte by byte, as everybody else looks at them. */
static void copy(unsigned char *to, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}
#undef memcpy
#undef memset
#define memcpy(to, from, n) copy((to), (from), (n))
#define memset(p, c, n)     ((void)0) /* fl_link_open's: the link is static */

#include "../../core/base/spin.c"
#include "../../core/process/desk.c"
#include "../../core/process/link.c"

static union {
    struct fl_wire_in in;
    unsigned char room[sizeof(struct fl_wire_in) + RING];
} in;
static union {
    struct fl_wire_out out;
    unsigned char room[sizeof(struct fl_wire_out) + RING];
} out;

static struct fl_link l;
static struct fl_desk d;
static int jobs[JOBS]; /* their addresses */
static bool is_begun[JOBS];
static bool is_back[JOBS];
static bool is_heard[JOBS];
static fl_atomic(uint32_t) rung;

/* ---- the kernel */

int fl_file_create(const char *name, size_t bytes, void **map)
{
    static int files;

    (void)name, (void)bytes;
    *map = files == 0 ? (void *)&in : (void *)&out;
    return files++;
}

int fl_file_seal_for_others(int fd)
{
    (void)fd;
    return 0;
}

void fl_file_unmap(void *map, size_t bytes)
{
    (void)map, (void)bytes;
}

void fl_close(int fd)
{
    (void)fd;
}

int fl_socket_pair(int fd[2])
{
    fd[0] = fd[1] = 2;
    return 0;
}

int fl_notify_open(void)
{
    return 3;
}

void fl_notify_close(int fd)
{
    (void)fd;
}

void fl_notify_ring(int fd)
{
    assert(fd == 3);
    fl_add(&rung, 1, acq_rel); /* under the kernel's lock */
}

static void await_ring(void)
{
    MODEL_UNTIL(fl_load(&rung, relaxed) != 0);
    fl_swap(&rung, 0, acq_rel); /* under the kernel's lock */
}

int fl_shared_wait(fl_atomic(uint32_t) * word, uint32_t expected, int64_t deadline)
{
    return fl_futex_wait(word, expected, deadline);
}

void fl_shared_wake(fl_atomic(uint32_t) * word)
{
    fl_futex_wake(word, MODEL_SLEEPERS);
}

int64_t fl_now(void)
{
    return 0;
}

void fl_thread_yield(void)
{
}

/* No payload goes by a file. */
int fl_socket_send(int fd, const void *packet, size_t bytes, const int *fds, size_t n, bool waits)
{
    (void)fd, (void)packet, (void)bytes, (void)fds, (void)n, (void)waits;
    assert(false);
    return 0;
}

enum fl_got fl_socket_receive(int fd, void *packet, size_t bytes, int *fds, size_t n, bool waits)
{
    (void)fd, (void)packet, (void)bytes, (void)fds, (void)n, (void)waits;
    assert(false);
    return FL_GOT_NOTHING;
}

void *fl_file_map_sealed(int fd, size_t bytes, int *status)
{
    (void)fd, (void)bytes, (void)status;
    assert(false);
    return NULL;
}

/* ---- the worker */

static unsigned char payload_of(int i)
{
    return (unsigned char)(10 + i);
}

static unsigned char result_of(int i)
{
    return (unsigned char)(20 + i);
}

/* As child.c's run. */
static void answer(int i)
{
#if defined(MODEL_ROOM) /* elsewhere there is more than enough */
    fl_desk_await_room(&d, 1);
#endif
    *(unsigned char *)fl_desk_place(&d) = result_of(i);
    fl_desk_put(&d, 1);
    fl_store(&fl_desk_answer(&d)->status, 0, relaxed); /* settled by C4 */
    fl_store(&fl_desk_answer(&d)->flags, 0, relaxed);  /* settled by C4 */
    fl_desk_tell(&d);
}

static void *work(void *arg)
{
    (void)arg;
    model_self = 1;
    for (int i = 0; i < JOBS; i++, d.n++) {
        const struct fl_wire_request *r = fl_desk_request(&d);

        fl_desk_await(&d);
        if (!fl_desk_begin(&d))
            continue;
        is_begun[i] = true;
        assert(r->job == (uint32_t)i && r->len == PAYLOAD && r->flags == 0);
        assert(PAYLOAD == 0 || d.in->ring[r->offset] == payload_of(i));
#if HAS_ANSWERS
        answer(i);
#elif defined(MODEL_BACK)
        if (FL_WIRE_SLOTS == 1)
            break; /* there is no room for another */
#endif
    }
    return NULL;
}

/* ---- the program */

static void give(int i)
{
    struct fl_wire_request request = {.len = PAYLOAD, .job = (uint32_t)i};
    unsigned char byte = payload_of(i);
    uint64_t n;

    assert(fl_link_has_room(&l, PAYLOAD));
    bool is_given = fl_link_give(&l, &jobs[i], &request, &byte, -1, &n);
    assert(is_given && n == (uint64_t)START + (uint64_t)i);
#if defined(ONE_RING)
    if (i < JOBS - 1)
        return;
#endif
    fl_link_ring(&l);
}

/* How many answers there are. */
static int hear(void)
{
    struct fl_answer a;
    enum fl_said said;
    int n = 0;

    while ((said = fl_link_hear(&l, &a)) == FL_SAID_DONE) {
        int i = (int)(a.n - START);

        assert(a.job == &jobs[i] && !is_heard[i] && a.status == 0 && !a.is_far && a.len == 1);
        assert((unsigned char)a.bytes[0] == result_of(i));
        is_heard[i] = true;
        fl_link_next(&l);
#if defined(MODEL_ROOM)
        fl_link_free(&l);
#endif
        n++;
    }
    assert(said == FL_SAID_NOTHING);
    return n;
}

#if defined(MODEL_GIVE)
static void scenario(void)
{
    for (int i = 0; i < JOBS; i++)
        give(i);
}

static void check(void)
{
    for (int i = 0; i < JOBS; i++)
        assert(is_begun[i]);
}
#elif defined(MODEL_BACK) /* the first is taken back, if it has not begun; then there is a second */
static void scenario(void)
{
    uint64_t oldest;

    give(0);
    is_back[0] = fl_link_take_back(&l, START);
    if (is_back[0]) {
        bool is_any = fl_link_oldest(&l, &oldest);

        assert(!is_any);
    }
    for (int i = 1; i < JOBS && fl_link_has_room(&l, PAYLOAD); i++)
        give(i);
}

static void check(void)
{
    assert(is_begun[0] != is_back[0]);
    assert(JOBS == 1 || is_begun[1] || (FL_WIRE_SLOTS == 1 && is_begun[0]));
}
#elif defined(MODEL_TELL)
/* As await.c does, without a future. */
static void await(uint64_t n)
{
    bool is_done;

    fl_link_watch(&l, n);
    is_done = fl_link_is_done(&l, n);
    for (int i = 0; i < LOOKS && !is_done; i++)
        is_done = fl_link_is_done(&l, n);
    if (!is_done) {
        uint32_t done = fl_link_done_count(&l);

        fl_link_watch_asleep(&l, n);
        while (!fl_link_is_done(&l, n)) {
            fl_shared_wait(&l.out->done, done, INT64_MAX);
            done = fl_link_done_count(&l);
        }
    }
    fl_link_watch(&l, UINT64_MAX);
}

static void scenario(void)
{
    await(START + WATCHED);
    hear();
    assert(is_heard[WATCHED]);
}

static void check(void)
{
    for (int i = 0; i <= WATCHED; i++)
        assert(is_begun[i] && is_heard[i]);
}
#elif defined(MODEL_ARM)
/* As manager.c does. */
static void scenario(void)
{
    int heard = 0;

#    if defined(OTHER) /* somebody watches, but not for these */
    fl_link_watch(&l, START + JOBS);
#    endif
    while ((heard += hear()) < JOBS) {
        int n;

        fl_link_arm(&l, true);
        n = hear();
        heard += n;
        if (n == 0)
            await_ring();
        fl_link_arm(&l, false);
    }
}

static void check(void)
{
    for (int i = 0; i < JOBS; i++)
        assert(is_begun[i] && is_heard[i]);
}
#elif defined(MODEL_LEAVE) /* who waits gives up, while the manager is armed or arms */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_armed;

/* As await.c's begin and end. True: he has heard it. */
static bool watch_and_leave(void)
{
    bool is_mine;

    pthread_mutex_lock(&lock);
    fl_link_watch(&l, START);
    pthread_mutex_unlock(&lock);
#    if defined(TIMED_OUT)
    fl_link_watch_asleep(&l, START);
#    endif
    pthread_mutex_lock(&lock);
    fl_link_watch(&l, UINT64_MAX);
    is_mine = hear() != 0;
    if (is_mine && is_armed)
        fl_add(&rung, 1, acq_rel);
    pthread_mutex_unlock(&lock);
    return is_mine;
}

#    if defined(MANAGER)
static void *manage(void *arg)
{
    bool may;

    (void)arg;
    pthread_mutex_lock(&lock);
    fl_link_arm(&l, true);
    hear();
    may = is_armed = !is_heard[0];
    pthread_mutex_unlock(&lock);
    if (may) {
        await_ring();
        pthread_mutex_lock(&lock);
        hear();
        assert(is_heard[0]);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void scenario(void)
{
    pthread_t manager;

    pthread_create(&manager, NULL, manage, NULL);
    watch_and_leave();
    pthread_join(manager, NULL);
}
#    else
static void scenario(void)
{
    fl_link_arm(&l, true);
    if (!watch_and_leave()) {
        await_ring();
        hear();
    }
}
#    endif

static void check(void)
{
    assert(is_begun[0] && is_heard[0]);
}
#elif defined(MODEL_ROOM) /* the answers do not have room all at once */
static void scenario(void)
{
    int heard = 0;

#    if defined(FULL) /* nothing is heard before there is no room at all */
    MODEL_UNTIL(fl_link_done_count(&l) == RING / FL_WIRE_ALIGN);
#    endif
    while (heard < JOBS) {
        MODEL_UNTIL(fl_link_done_count(&l) != (uint32_t)heard);
        heard += hear();
    }
}

static void check(void)
{
    for (int i = 0; i < JOBS; i++)
        assert(is_begun[i] && is_heard[i]);
}
#else
#    error "no such scenario"
#endif

int main(void)
{
    struct fl_link_options options = {.ring_bytes = RING};
    pthread_t worker;
    int status = fl_link_open(&l, &options);

    assert(status == 0);
    l.head = l.tail = START;
    d.in = l.in;
    d.out = l.out;
    d.ring_bytes = (size_t)d.in->ring_bytes;
    d.bell = l.bell;
    d.n = START;
    fl_store(&l.in->bell, (uint32_t)START, relaxed); /* before there is a worker */
#if HAS_ANSWERS
    for (int i = 0; i < JOBS; i++)
        give(i);
#endif
    pthread_create(&worker, NULL, work, NULL);
#if defined(ASLEEP)
    MODEL_UNTIL(fl_load(&model_asleep[1], relaxed) != NULL);
#endif
    scenario();
    pthread_join(worker, NULL);
    check();
    return 0;
}
