/* SPDX-License-Identifier: MIT
 *
 * doors.c: what core/base/ finds in the system's place: futex, clock, threads and what each keeps for
 * filch, memory. clock.c, futex.c, alloc.c and forked.c of core/base/ are compiled as they are, with
 * the names of the system's functions that they call leading here; thread.c is replaced by what is
 * below, because its thread-local storage would be one for all fibers. */
#include "base/futex.h"
#include "base/thread.h"
#include "sim/inside.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "naive/ck.h"
#include "naive/global.h"
#include "naive/mutex.h"
#include "naive/spawn.h"

/* Called by core/ under the names of the system's functions. */
long sim_syscall(long number, ...);
int sim_clock_gettime(clockid_t id, struct timespec *ts);
void *sim_malloc(size_t size);
void sim_malloc_free(void *p);
int sim_posix_memalign(void **out, size_t align, size_t size);
void *sim_mmap(void *at, size_t bytes, int prot, int flags, int fd, long offset);
int sim_munmap(void *p, size_t bytes);
int sim_madvise(void *p, size_t bytes, int advice);
int sim_eventfd(unsigned count, int flags);
int sim_close(int fd);
ssize_t sim_write(int fd, const void *p, size_t n);
ssize_t sim_read(int fd, void *p, size_t n);
void *sim_memset(void *p, int c, size_t n);
void *sim_memcpy(void *to, const void *from, size_t n);
void *sim_memmove(void *to, const void *from, size_t n);

/* ---- futex ---- */

/* As in the kernel, comparing the newest value and going to sleep are one step. A wait returns early
 * for no reason where the scenario wants that, and times out at any moment where it wants that. */
static int futex_wait(const volatile uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct sim_thread *t = sim_cur;

    sim_point((const void *)word);
    sim_mem_alive(word, sizeof *word);
    if (*word != expected) {
        sim_trace("does not sleep on", word, *word, "");
        return EAGAIN;
    }
    if (deadline <= sim_run_.clock)
        return ETIMEDOUT;
    if (sim_surprise(&sim_run_.spurious)) {
        sim_trace("wakes for no reason on", word, *word, "");
        return EINTR;
    }
    t->futex = (const void *)word;
    t->deadline = deadline;
    t->queued = ++sim_run_.queue;
    t->wait_status = 0;
    t->may_time_out = deadline != INT64_MAX && sim_surprise(&sim_run_.timeouts);
    sim_trace("sleeps on", word, *word, t->may_time_out ? "may time out" : "");
    sim_block();
    sim_trace(t->wait_status != 0 ? "times out on" : "is awake, from", word, 0, "");
    return t->wait_status != 0 ? ETIMEDOUT : 0;
}

static struct sim_thread *first_sleeper(const void *word)
{
    struct sim_thread *first = NULL;

    for (int i = 0; i < sim_threads_n; i++) {
        struct sim_thread *t = &sim_thread_[i];

        if (t->state == SIM_BLOCKED && t->futex == word &&
            (first == NULL || t->queued < first->queued))
            first = t;
    }
    return first;
}

/* By the address alone: the word may be gone. */
static long futex_wake(const volatile uint32_t *word, int n)
{
    struct sim_thread *t;
    long woken = 0;

    sim_point((const void *)word);
    while (woken < n && (t = first_sleeper((const void *)word)) != NULL) {
        sim_wake_thread(t);
        woken++;
    }
    if (woken != 0)
        sim_run_.stores++;
    sim_trace("wakes on", word, (uint64_t)woken, "threads");
    return woken;
}

long sim_syscall(long number, ...)
{
    va_list args;
    int error = ENOSYS;

    va_start(args, number);
    if (number == SYS_futex) {
        const volatile uint32_t *word = va_arg(args, const volatile uint32_t *);
        int op = va_arg(args, int);

        if (op == (FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG)) {
            uint32_t expected = va_arg(args, uint32_t);
            const struct timespec *at = va_arg(args, const struct timespec *);

            error =
                futex_wait(word, expected,
                           at != NULL ? at->tv_sec * INT64_C(1000000000) + at->tv_nsec : INT64_MAX);
        } else if (op == (FUTEX_WAKE | FUTEX_PRIVATE_FLAG)) {
            futex_wake(word, va_arg(args, int));
            error = 0;
        }
    }
    va_end(args);
    errno = error;
    return error != 0 ? -1 : 0;
}

/* ---- clock ---- */

int sim_clock_gettime(clockid_t id, struct timespec *ts)
{
    (void)id;
    sim_run_.clock += 100;
    ts->tv_sec = sim_run_.clock / 1000000000;
    ts->tv_nsec = sim_run_.clock % 1000000000;
    return 0;
}

/* ---- threads ---- */

static struct fl_self selves[SIM_THREADS];
static struct filch_forks forks[SIM_THREADS];
static const uint32_t nobody_asks;
static uint32_t selves_of; /* the execution they belong to */

static void renew_selves(void)
{
    if (selves_of == sim_run_.generation)
        return;
    memset(selves, 0, sizeof selves);
    for (int i = 0; i < SIM_THREADS; i++)
        forks[i] = (struct filch_forks){NULL, &nobody_asks};
    selves_of = sim_run_.generation;
}

struct fl_self *fl_self(void)
{
    renew_selves();
    return &selves[sim_cur->id];
}

struct filch_forks *sim_forks(void)
{
    renew_selves();
    return &forks[sim_cur->id];
}

const uint32_t *fl_forks_unasked(void)
{
    return &nobody_asks;
}

static struct {
    void *(*main)(void *arg);
    void *arg;
} starts[SIM_THREADS];

static void core_thread(void *arg)
{
    int id = sim_self();

    (void)arg;
    starts[id].main(starts[id].arg);
}

int fl_thread_start(struct fl_thread *t, void *(*main)(void *), void *arg,
                    const struct fl_thread_options *options)
{
    int id;

    (void)options;
    sim_point(NULL);
    if (sim_surprise(&sim_run_.thread_faults)) {
        sim_trace("can't start a thread", NULL, 0, "");
        return FILCH_EAGAIN;
    }
    if (sim_threads_n == SIM_THREADS)
        return FILCH_EAGAIN;
    starts[sim_threads_n].main = main;
    starts[sim_threads_n].arg = arg;
    id = sim_start_thread(core_thread, NULL, true);
    t->handle = (pthread_t)id;
    sim_trace("starts", NULL, (uint64_t)id, "");
    return 0;
}

void fl_thread_join(struct fl_thread *t)
{
    sim_join_thread((int)t->handle);
}

void fl_thread_detach(struct fl_thread *t)
{
    sim_point(NULL);
    sim_thread_[(int)t->handle].is_detached = true;
}

void fl_thread_name(const char *name)
{
    (void)name;
}

void fl_stack_begin(void)
{
}

bool fl_stack_has_eighths(unsigned n)
{
    return sim_run_.stack_left > n;
}

void fl_thread_yield(void)
{
    sim_pause();
    sim_clock_advance(sim_run_.yield_ns);
}

/* ---- memory ---- */

static void *alloc_or_not(size_t size, size_t align)
{
    sim_point(NULL);
    if (sim_surprise(&sim_run_.alloc_faults)) {
        sim_trace("is out of memory for", NULL, size, "bytes");
        return NULL;
    }
    return sim_mem_alloc(size, align);
}

void *sim_alloc(size_t size, size_t align)
{
    return alloc_or_not(size, align);
}

void sim_free(void *p)
{
    sim_point(NULL);
    sim_mem_free(p);
}

static void *allocator_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return alloc_or_not(size, align);
}

static void allocator_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx, (void)size, (void)align;
    sim_free(p);
}

const filch_allocator sim_allocator = {.alloc = allocator_alloc, .free = allocator_free};

void *sim_malloc(size_t size)
{
    return alloc_or_not(size, 16);
}

void sim_malloc_free(void *p)
{
    sim_free(p);
}

int sim_posix_memalign(void **out, size_t align, size_t size)
{
    *out = alloc_or_not(size, align);
    return *out != NULL ? 0 : ENOMEM;
}

void *sim_mmap(void *at, size_t bytes, int prot, int flags, int fd, long offset)
{
    void *p = alloc_or_not(bytes, 4096);

    (void)at, (void)prot, (void)flags, (void)fd, (void)offset;
    return p != NULL ? memset(p, 0, bytes) : MAP_FAILED;
}

int sim_munmap(void *p, size_t bytes)
{
    (void)bytes;
    sim_free(p);
    return 0;
}

int sim_madvise(void *p, size_t bytes, int advice)
{
    (void)p, (void)bytes, (void)advice;
    return 0;
}

void *sim_memset(void *p, int c, size_t n)
{
    if (sim_cur != NULL)
        sim_mem_plain(p, n, true);
    return memset(p, c, n);
}

void *sim_memcpy(void *to, const void *from, size_t n)
{
    if (sim_cur != NULL) {
        sim_mem_plain(from, n, false);
        sim_mem_plain(to, n, true);
    }
    return memcpy(to, from, n);
}

void *sim_memmove(void *to, const void *from, size_t n)
{
    if (sim_cur != NULL) {
        sim_mem_plain(from, n, false);
        sim_mem_plain(to, n, true);
    }
    return memmove(to, from, n);
}

/* ---- descriptors: eventfds alone ---- */

enum {
    FDS = 8,
    FD_BASE = 1000
};

static struct {
    bool is_open;
    uint64_t count;
} fds[FDS];
static uint32_t fds_of; /* the execution they belong to */

static int fd_index(int fd)
{
    int i = fd - FD_BASE;

    if (fds_of != sim_run_.generation) {
        memset(fds, 0, sizeof fds);
        fds_of = sim_run_.generation;
    }
    if (i < 0 || i >= FDS || !fds[i].is_open)
        sim_fail_at("descriptor", "not open, or closed before", NULL, NULL);
    return i;
}

int sim_eventfd(unsigned count, int flags)
{
    (void)flags;
    sim_point(NULL);
    if (fds_of != sim_run_.generation) {
        memset(fds, 0, sizeof fds);
        fds_of = sim_run_.generation;
    }
    for (int i = 0; i < FDS; i++) {
        if (!fds[i].is_open) {
            fds[i].is_open = true;
            fds[i].count = count;
            return FD_BASE + i;
        }
    }
    errno = EMFILE;
    return -1;
}

int sim_close(int fd)
{
    sim_point(NULL);
    fds[fd_index(fd)].is_open = false;
    return 0;
}

ssize_t sim_write(int fd, const void *p, size_t n)
{
    int i;

    (void)p;
    sim_point(NULL);
    i = fd_index(fd);
    fds[i].count++;
    sim_run_.stores++;
    for (int k = 0; k < sim_threads_n; k++)
        sim_thread_[k].is_paused = false;
    sim_trace("rings", NULL, (uint64_t)fd, "");
    return (ssize_t)n;
}

ssize_t sim_read(int fd, void *p, size_t n)
{
    int i;

    sim_point(NULL);
    i = fd_index(fd);
    sim_trace("drains", NULL, fds[i].count, "");
    if (fds[i].count == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(p, &fds[i].count, sizeof fds[i].count);
    fds[i].count = 0;
    return (ssize_t)n;
}

bool sim_fd_is_readable(int fd)
{
    sim_point(NULL);
    return fds[fd_index(fd)].count != 0;
}

/* ---- what is not simulated ---- */

unsigned fl_cpus_budget(void);
unsigned fl_cpus_budget(void)
{
    return 2;
}

int fl_mutex_pool_create(filch_executor **out, const filch_options *options)
{
    (void)out, (void)options;
    return FILCH_ENOTSUP;
}

int fl_global_pool_create(filch_executor **out, const filch_options *options)
{
    (void)out, (void)options;
    return FILCH_ENOTSUP;
}

int fl_spawn_pool_create(filch_executor **out, const filch_options *options)
{
    (void)out, (void)options;
    return FILCH_ENOTSUP;
}

int fl_ck_pool_create(filch_executor **out, const filch_options *options)
{
    (void)out, (void)options;
    return FILCH_ENOTSUP;
}
