/* SPDX-License-Identifier: MIT
 *
 * machine.c: the least that a job in another process takes: memory that two processes share, and nothing around it.
 *
 * The line: a word there and a word back. Hot: two processes spin on two CPUs. Parked: one sleeps on a futex, is
 * woken and answers, and the first spins meanwhile. The ring: a word for each job in flight, which the worker answers
 * in another one; as many workers as there are CPUs beside the first, but no more than the load has. The copies: of a
 * job's bytes into memory that is shared, and out of it, in one process. */
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/thread.h"
#include "driver/bench.h"

enum {
    PAUSE_NS = 1000000,
    TURNS = 4000, /* of the line, a slice */
    TURNS_AT_ONCE = 20,
    MAX_WINDOW = 1000,
    MAX_PROCESSES = 8
};

static void *shared_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bench_die("out of memory");
    return p;
}

/* A process that ends with this one. 0: this is it. */
static pid_t start_process(void)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_die("no process");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void end_process(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("a process of the machine's side has failed");
}

/* ---- the line */

/* Words   there   the number of the turn that was asked for
 *         back    the number of the turn that was answered */
struct line {
    _Alignas(FL_LINE_PAIR) fl_atomic(uint32_t) there;
    _Alignas(FL_LINE_PAIR) fl_atomic(uint32_t) back;
};

/* base/futex.h's are of one process alone. */
static void sleep_on(fl_atomic(uint32_t) * word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void wake(fl_atomic(uint32_t) * word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void answer(struct line *line, uint32_t turns, bool sleeps)
{
    for (uint32_t turn = 1; turn <= turns; turn++) {
        uint32_t seen;

        while ((seen = fl_load(&line->there, acquire)) != turn) {
            if (sleeps)
                sleep_on(&line->there, seen);
            else
                fl_relax();
        }
        fl_store(&line->back, turn, release);
    }
}

static void ask(struct line *line, uint32_t turn, bool wakes)
{
    fl_store(&line->there, turn, release);
    if (wakes)
        wake(&line->there);
    while (fl_load(&line->back, acquire) != turn)
        fl_relax();
}

/* A turn of the line is about as long as reading the clock, so a sample is the mean of a few. */
static void ask_hot(struct line *line, struct hist *hist)
{
    for (uint32_t turn = 0; turn < TURNS;) {
        int64_t began = bench_now();

        for (int i = 0; i < TURNS_AT_ONCE; i++)
            ask(line, ++turn, false);
        hist_add(hist, (bench_now() - began) / TURNS_AT_ONCE);
    }
}

static void ask_parked(struct line *line, struct hist *hist)
{
    for (uint32_t turn = 1; turn <= plan.parked; turn++) {
        bench_sleep(PAUSE_NS);
        int64_t began = bench_now();
        ask(line, turn, true);
        hist_add(hist, bench_now() - began);
    }
}

/* The hot line needs its two CPUs; where a process is woken, the system says, as it does for the pools. */
void process_machine_line(const struct load *load, struct slice *slice)
{
    struct line *line = shared_memory(sizeof *line);
    bool sleeps = load->kernel == PROCESS_PARKED;

    if (!sleeps && filch_cpu_budget() < 2)
        return;
    pid_t pid = start_process();
    if (!sleeps && !bench_pin(pid == 0))
        bench_die("the machine's side of process/hot needs two CPUs");
    if (pid == 0) {
        answer(line, sleeps ? plan.parked : TURNS, sleeps);
        _exit(0);
    }
    if (sleeps)
        ask_parked(line, slice->hist);
    else
        ask_hot(line, slice->hist);
    end_process(pid);
}

/* ---- the ring */

/* Words   there   of a job in flight: its number, which is never 0
 *         back    ... and the next one, as its answer */
struct ring {
    _Alignas(FL_LINE_PAIR) fl_atomic(uint64_t) there[MAX_WINDOW];
    _Alignas(FL_LINE_PAIR) fl_atomic(uint64_t) back[MAX_WINDOW];
};

static void expect(fl_atomic(uint64_t) * word, uint64_t number, bool spins)
{
    while (fl_load(word, acquire) != number) {
        if (spins)
            fl_relax();
        else
            fl_thread_yield();
    }
}

/* The jobs from first on, every step-th. */
static void answer_ring(struct ring *r, uint64_t first, uint64_t last, uint64_t step, size_t window,
                        bool spins)
{
    for (uint64_t i = first; i <= last; i += step) {
        expect(&r->there[i % window], i, spins);
        fl_store(&r->back[i % window], i + 1, release);
    }
}

void process_machine_ring(const struct load *load, struct slice *slice)
{
    struct ring *r = shared_memory(sizeof *r);
    unsigned cpus = filch_cpu_budget();
    unsigned workers = load->workers < cpus ? load->workers : cpus > 1 ? cpus - 1 : 1;
    uint64_t n = process_jobs_of(load, NULL);
    size_t window = load->window;
    bool spins = workers < cpus;
    pid_t pids[MAX_PROCESSES];

    for (unsigned k = 0; k < workers; k++) {
        pids[k] = start_process();
        if (pids[k] == 0) {
            if (spins)
                bench_pin(k + 1);
            answer_ring(r, k + 1, n, workers, window, spins);
            _exit(0);
        }
    }
    if (spins)
        bench_pin(0);
    int64_t began = bench_now();
    for (uint64_t i = 1; i <= n + window; i++) {
        if (i > window)
            expect(&r->back[i % window], i - window + 1, spins);
        if (i <= n)
            fl_store(&r->there[i % window], i, release);
    }
    slice->figure = (double)(bench_now() - began) / (double)n;
    for (unsigned k = 0; k < workers; k++)
        end_process(pids[k]);
    bench_unpin();
    munmap(r, sizeof *r);
}

/* ---- the copies */

void process_machine_copies(const struct load *load, struct slice *slice)
{
    size_t n = process_jobs_of(load, NULL);
    unsigned char *shared = shared_memory(load->window * load->bytes);
    uint64_t *payload =
        bench_alloc(load->window + 1, load->bytes); /* what goes, and what has come back */
    size_t n_words = load->bytes / sizeof *payload;

    memset(payload, 1, (load->window + 1) * load->bytes); /* touched: no page fault is measured */
    memset(shared, 1, load->window * load->bytes);
    int64_t began = bench_now();
    for (size_t i = 0; i < n; i++) {
        size_t k = i % load->window;
        uint64_t *back = payload + (k + 1) * n_words;

        payload[0] = i;
        memcpy(shared + k * load->bytes, payload, load->bytes);
        memcpy(back, shared + k * load->bytes, load->bytes);
        if (process_sum(back, n_words) != i + (n_words - 1) * UINT64_C(0x0101010101010101))
            bench_die("a copy differs");
    }
    slice->figure = (double)(bench_now() - began) / (double)n;
    free(payload);
    munmap(shared, load->window * load->bytes);
}
