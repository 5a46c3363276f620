/* SPDX-License-Identifier: MIT
 *
 * stress_mixed.c: everything at once, by chance: options, jobs that end and that don't, cancels, workers that are
 * killed or stopped and go on, the process that forks them killed, and all ends of an executor. Whatever happens
 * every future ends, each callback is called once, and nothing is left over. */
#include <pthread.h>

#include "process/jobs.h"

#include "base/atomic.h"
#include "base/random.h"

enum {
    USERS = 2,
    JOBS = 60, /* by each user in a round */
    WINDOW = 12,
    MOST_BYTES = 100000,
    MOST_RESULT = 120000
};

enum way { /* how a round ends */
    DESTROY,
    DRAIN,
    CANCEL,
    TERMINATE,
    KILL,
    WAYS
};

static unsigned char pattern[MOST_BYTES + 1000];

static bool one_in(uint64_t *x, uint32_t n)
{
    return fl_random_below(x, n) == 0;
}

struct mix {
    filch_executor *ex;
    bool harms; /* somebody kills and stops */
    unsigned cancels;
    fl_atomic(uint64_t) told;
    fl_atomic(uint32_t) is_over;
};

struct flight {
    filch_future *f; /* NULL: none */
    const char *name;
    const void *bytes;
    size_t at, len;
    uint64_t makes; /* as many bytes */
};

struct user {
    struct mix *mix;
    uint64_t seed;
    uint64_t listens; /* callbacks, on as many futures */
    pthread_t thread;
};

static void count_told(filch_future *f, void *told)
{
    (void)f;
    fl_add((fl_atomic(uint64_t) *)told, 1, relaxed); /* settled by the end of the executor */
}

/* In a thread of the executor's, or in one that waits or cancels. */
static void submit_another(filch_future *f, void *mix)
{
    struct mix *m = mix;
    int status = filch_submit_job(m->ex, "echo", pattern, 100, NULL);

    test_check(status == 0 || status == FILCH_ESHUTDOWN || status == FILCH_EBROKEN ||
               status == FILCH_EPOISON);
    count_told(f, &m->told);
}

static bool is_named(const struct flight *job, const char *name)
{
    return strcmp(job->name, name) == 0;
}

/* Whether that can have become of it. */
static bool fits(const struct flight *job, int status, const filch_buffer *result)
{
    switch (status) {
    case 0:
        if (is_named(job, "echo"))
            return result->len == job->len &&
                   (job->len == 0 || memcmp(result->data, pattern + job->at, job->len) == 0);
        return is_named(job, "sleep") || (is_named(job, "make") && result->len == job->makes);
    case 42:
        return is_named(job, "error");
    case FILCH_EMSGSIZE:
        return is_named(job, "make") && job->makes > MOST_RESULT;
    case FILCH_ECRASHED:
    case FILCH_EPOISON:
    case FILCH_EKILLED:
    case FILCH_ECANCELED:
    case FILCH_EBROKEN:
        return true;
    default:
        return false;
    }
}

static void settle(struct user *u, struct flight *job)
{
    void *result = NULL;
    int status;

    if (job->f == NULL)
        return;
    if (u->mix->cancels != 0 && one_in(&u->seed, u->mix->cancels))
        filch_future_cancel(job->f);
    status = FILCH_ETIMEDOUT;
    if (one_in(&u->seed, 4))
        status = filch_future_result(job->f, filch_in_us((int64_t)fl_random_below(&u->seed, 500)),
                                     &result);
    if (status == FILCH_ETIMEDOUT)
        status = filch_future_result(job->f, FILCH_FOREVER, &result);
    if (!fits(job, status, result)) {
        fprintf(stderr, "%s of %zu bytes: %s\n", job->name, job->len, filch_strerror(status));
        abort();
    }
    filch_future_release(job->f);
    job->f = NULL;
}

/* Of those that are there: all, or the first. */
static void await_some(struct user *u, const struct flight *window)
{
    filch_future *some[WINDOW];
    filch_future *all;
    size_t n = 0;
    int status;

    for (int i = 0; i < WINDOW; i++) {
        if (window[i].f != NULL && one_in(&u->seed, 2))
            some[n++] = window[i].f;
    }
    if (n == 0)
        return;
    if (one_in(&u->seed, 3)) {
        test_check(filch_wait(some, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER) >= 1);
        return;
    }
    status = one_in(&u->seed, 2) ? filch_all(some, n, &all) : filch_any(some, n, &all);
    test_check(status == 0);
    status = filch_future_result(all, one_in(&u->seed, 2) ? FILCH_FOREVER : filch_in_us(300), NULL);
    test_check(status != FILCH_EINVAL && status != FILCH_EDEADLK);
    filch_future_release(all);
}

static void any_job(uint64_t *x, struct flight *job)
{
    uint64_t what = fl_random_below(x, 100);

    *job = (struct flight){.name = "echo", .at = fl_random_below(x, 1000)};
    job->bytes = pattern + job->at;
    if (what < 55) {
        job->len = fl_random_below(x, 200);
    } else if (what < 70) {
        job->len = fl_random_below(x, MOST_BYTES);
    } else if (what < 80) {
        job->name = "sleep";
        job->len = 3; /* some milliseconds */
    } else if (what < 90) {
        job->name = "make";
        job->makes = fl_random_below(x, MOST_RESULT + MOST_RESULT / 4);
        job->bytes = &job->makes;
        job->len = sizeof job->makes;
    } else if (what < 94) {
        job->name = "error";
    } else if (what < 97) {
        job->name = "segv";
    } else {
        job->name = "exit";
    }
}

static void *use(void *arg)
{
    struct user *u = arg;
    struct flight window[WINDOW] = {{.f = NULL}};

    for (int i = 0; i < JOBS; i++) {
        struct flight *job = &window[fl_random_below(&u->seed, WINDOW)];

        settle(u, job);
        any_job(&u->seed, job);
        if (filch_submit_job(u->mix->ex, job->name, job->bytes, job->len, &job->f) != 0) {
            job->f = NULL; /* it is shut down or broken, or the input is poison */
            continue;
        }
        if (one_in(&u->seed, 2)) {
            test_check(filch_future_add_done_callback(job->f, count_told, &u->mix->told) == 0);
            u->listens++;
        }
        if (one_in(&u->seed, 8)) {
            test_check(filch_future_add_done_callback(job->f, submit_another, u->mix) == 0);
            u->listens++;
        }
        if (one_in(&u->seed, 8))
            await_some(u, window);
        if (one_in(&u->seed, 8)) {
            filch_future_release(job->f);
            job->f = NULL;
        }
    }
    for (int i = 0; i < WINDOW; i++)
        settle(u, &window[i]);
    return NULL;
}

/* Whoever forks the worker: a child of ours, unless it is dead, and somebody else has the worker now. 0: nobody. */
static int zygote_of(int worker)
{
    int parent = 0, ours = 0;

    if (stat_of(worker, &parent) == '\0' || stat_of(parent, &ours) == '\0')
        return 0;
    return ours == (int)getpid() ? parent : 0;
}

static void stop_for_a_while(struct user *d, int pid)
{
    if (pid == 0 || kill(pid, SIGSTOP) != 0)
        return;
    usleep(fl_random_below(&d->seed, 10000));
    kill(pid, SIGCONT);
}

static void harm(struct user *d, int pid)
{
    uint64_t what = fl_random_below(&d->seed, 100);

    if (what < 45) {
        kill(pid, SIGKILL);
    } else if (what < 85) {
        stop_for_a_while(d, pid);
    } else if (what < 97) {
        stop_for_a_while(d, zygote_of(pid));
    } else {
        pid = zygote_of(pid);
        if (pid != 0)
            kill(pid, SIGKILL);
    }
}

static void wait_idle(filch_executor *ex)
{
    int status = filch_executor_wait_idle(ex, filch_in_us(500));

    test_check(status == 0 || status == FILCH_ETIMEDOUT);
}

static void *disturb(void *arg)
{
    struct user *d = arg;
    struct mix *mix = d->mix;

    while (fl_load(&mix->is_over, acquire) == 0) {
        uint64_t what = fl_random_below(&d->seed, 10);
        unsigned workers = filch_executor_workers(mix->ex);
        int pid = filch_process_pid(mix->ex, fl_random_below(&d->seed, workers));

        usleep(fl_random_below(&d->seed, 3000));
        if (what == 0)
            filch_executor_cancel_all(mix->ex);
        else if (what == 1)
            wait_idle(mix->ex);
        else if (mix->harms && pid != 0)
            harm(d, pid);
    }
    return NULL;
}

static void end(filch_executor *ex, enum way way)
{
    switch (way) {
    case DRAIN:
        assert_int_equal(filch_executor_shutdown(ex, 0, FILCH_FOREVER), 0);
        break;
    case CANCEL:
        assert_int_equal(
            filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER), 0);
        break;
    case TERMINATE:
        assert_int_equal(filch_process_terminate(ex, 1000000), 0);
        break;
    case KILL:
        assert_int_equal(filch_process_kill(ex), 0);
        break;
    case DESTROY:
    case WAYS:
        break;
    }
}

static filch_executor *any_executor(uint64_t *x)
{
    static const unsigned most_jobs[] = {0, 0, 1, 3, 40};
    static const int64_t ages[] = {0, 0, 3000000, 20000000};
    static const int64_t limits[] = {0, 0, 2000000, 20000000};
    filch_process_options options = {.workers = 1 + fl_random_below(x, 3)};

    options.max_payload = MOST_RESULT;
    options.ring_bytes = one_in(x, 2) ? 4096 : 1 << 16;
    options.cpu_limit_ns = one_in(x, 4) ? 1000000000 : 0;
    options.max_crashes = fl_random_below(x, 4);
    options.flags = one_in(x, 10) ? FILCH_STRICT_BROKEN : 0;
    options.spin_ns = one_in(x, 2) ? -1 : 0;
    options.max_jobs = most_jobs[fl_random_below(x, 5)];
    options.max_age_ns = ages[fl_random_below(x, 4)];
    options.kill_after_ns = limits[fl_random_below(x, 4)];
    return processes_with(options);
}

static void a_round(uint64_t seed)
{
    uint64_t x = seed;
    struct mix mix = {.ex = any_executor(&x)};
    struct user users[USERS + 1]; /* the last one disturbs */
    enum way way = (enum way)fl_random_below(&x, WAYS);
    uint64_t listens = 0;

    mix.harms = one_in(&x, 2);
    mix.cancels = fl_random_below(&x, 6);
    for (int i = 0; i <= USERS; i++) {
        users[i] = (struct user){.mix = &mix, .seed = fl_random(&x) | 1};
        assert_int_equal(
            pthread_create(&users[i].thread, NULL, i < USERS ? use : disturb, &users[i]), 0);
    }
    usleep(fl_random_below(&x, 30000));
    end(mix.ex, way);
    for (int i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
        listens += users[i].listens;
    }
    fl_store(&mix.is_over, 1, release);
    pthread_join(users[USERS].thread, NULL);
    filch_executor_destroy(mix.ex);
    assert_int_equal(fl_load(&mix.told, acquire), listens);
}

TEST(whatever_happens_every_job_ends_and_nothing_is_left)
{
    uint64_t seed = test_seed() | 1;
    size_t rounds = test_scaled(60);
    unsigned fds, threads;

    filch_executor_destroy(processes(1)); /* a sanitizer has threads from the first one on */
    fds = count_in("/proc/self/fd");
    threads = count_in("/proc/self/task");
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 256 < 3 ? 0 : (unsigned char)(i * 31 + i / 256);
    for (size_t i = 0; i < rounds; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        a_round(seed | 1);
    }
    await_count("/proc/self/fd", fds);
    await_count("/proc/self/task", threads);
}
