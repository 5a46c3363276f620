/* SPDX-License-Identifier: MIT
 *
 * bench.c: what every load needs: time, threads that begin together, a place on a CPU. */
#include "driver/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/thread.h"

enum {
    MAX_TOGETHER = 64,
    CALIBRATE_TURNS = 200000
};

struct plan plan;

const struct metric latency_metrics[3] = {
    {"p50", "ns", 0.5}, {"p99", "ns", 0.99}, {"p99.9", "ns", 0.999}};

void bench_die(const char *format, ...)
{
    va_list args;

    fputs("\nfilch-bench: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void bench_must(int status, const char *what)
{
    if (status != 0)
        bench_die("%s: %s", what, status < 0 ? filch_strerror(status) : "a task failed");
}

void *bench_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        bench_die("out of memory");
    return p;
}

int64_t bench_now(void)
{
    return fl_now();
}

void bench_sleep(int64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / 1000000000),
                            .tv_nsec = (long)(ns % 1000000000)};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static bool allowed_were_read;
static cpu_set_t allowed;

static bool read_allowed(void)
{
    if (!allowed_were_read)
        allowed_were_read = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    return allowed_were_read;
}

bool bench_pin(unsigned i)
{
    cpu_set_t one;

    if (!read_allowed())
        return false;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || i-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof one, &one) == 0;
    }
    return false;
}

void bench_unpin(void)
{
    if (allowed_were_read)
        sched_setaffinity(0, sizeof allowed, &allowed);
}

/* Words   ready   how many threads have come: a count; go is given when all have
 *         go      0, then 1: the start */
struct together {
    void (*fn)(void *arg, unsigned i);
    void *arg;
    fl_atomic(unsigned) ready;
    fl_atomic(unsigned) go;
};

struct member {
    struct together *all;
    unsigned i;
    struct fl_thread thread;
    int64_t ended;
};

static void *member_main(void *arg)
{
    struct member *m = arg;

    fl_add(&m->all->ready, 1, release);
    while (fl_load(&m->all->go, acquire) == 0)
        fl_thread_yield();
    m->all->fn(m->all->arg, m->i);
    m->ended = fl_now();
    return NULL;
}

int64_t bench_together(unsigned n, void (*fn)(void *arg, unsigned i), void *arg)
{
    struct member members[MAX_TOGETHER];
    struct fl_thread_options options = {.keep_signals = true};
    struct together all = {.fn = fn, .arg = arg};
    int64_t last = 0;

    if (n > MAX_TOGETHER)
        bench_die("%u threads are too many", n);
    read_allowed(); /* before a member narrows its own */
    for (unsigned i = 0; i < n; i++) {
        members[i] = (struct member){.all = &all, .i = i};
        bench_must(fl_thread_start(&members[i].thread, member_main, &members[i], &options),
                   "a thread of the benchmark");
    }
    while (fl_load(&all.ready, acquire) != n)
        fl_thread_yield();
    int64_t began = fl_now();
    fl_store(&all.go, 1, release);
    for (unsigned i = 0; i < n; i++) {
        fl_thread_join(&members[i].thread);
        if (members[i].ended > last)
            last = members[i].ended;
    }
    return last - began;
}

int64_t bench_producers(const struct bench_pool *p, unsigned n, void (*fn)(void *arg, unsigned i),
                        void *arg)
{
    if (p->ops->producers != NULL)
        return p->ops->producers(p->pool, n, fn, arg);
    return bench_together(n, fn, arg);
}

struct at_once {
    const struct load *load;
    void (*one)(const struct load *load, struct slice *slice);
    double figures[MAX_TOGETHER];
};

static void one_of_them(void *arg, unsigned i)
{
    struct at_once *all = arg;
    struct slice slice = {0};

    all->one(all->load, &slice);
    all->figures[i] = slice.figure;
}

void bench_at_once(const struct load *load, struct slice *slice,
                   void (*one)(const struct load *load, struct slice *slice))
{
    struct at_once all = {.load = load, .one = one};
    double rate = 0;

    bench_together(load->workers, one_of_them, &all);
    for (unsigned i = 0; i < load->workers; i++)
        rate += 1 / all.figures[i];
    slice->figure = 1 / rate;
}

void bench_submit_n(const struct bench_pool *p, filch_task_fn *fn, void *const args[], size_t n,
                    struct job jobs[])
{
    if (p->ops->submit_n != NULL) {
        p->ops->submit_n(p->pool, fn, args, n, jobs);
        return;
    }
    for (size_t i = 0; i < n; i++)
        p->ops->submit(p->pool, fn, args[i], &jobs[i]);
}

static double turns_per_ns;

static uintptr_t turn(uintptr_t x, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        __asm__ volatile("" : "+r"(x)); /* each turn is done */
    }
    return x;
}

void bench_calibrate(void)
{
    for (int i = 0; i < 3; i++) {
        int64_t began = bench_now();

        turn((uintptr_t)began, CALIBRATE_TURNS);
        double rate = CALIBRATE_TURNS / (double)(bench_now() - began);
        if (rate > turns_per_ns)
            turns_per_ns = rate;
    }
}

uintptr_t bench_work(uintptr_t x, unsigned ns)
{
    return turn(x, (unsigned)(turns_per_ns * ns));
}

static struct usage usage_of(int who)
{
    struct rusage r;

    if (getrusage(who, &r) != 0)
        bench_die("what was used up cannot be read");
    return (struct usage){
        .cpu_ns = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e9 +
                  (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e3,
        .switches = (double)r.ru_nvcsw + (double)r.ru_nivcsw,
    };
}

struct usage bench_usage(void)
{
    return usage_of(RUSAGE_SELF);
}

struct usage bench_own_usage(void)
{
    return usage_of(RUSAGE_THREAD);
}
