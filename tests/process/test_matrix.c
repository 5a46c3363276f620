/* SPDX-License-Identifier: MIT
 *
 * test_matrix.c: {error, exit, crash} at each step of a job: argument in, argument out, run, result in, result
 * out. After the matrix of CPython's test_deadlock, each cell of which was a hang once (bpo-31699).
 *
 * Nothing is pickled here, so the steps are reached by sabotage: a job spoils what its worker needs for the next
 * step, or answers in the worker's place. Whatever it does, its future says what has come of it, the next jobs are
 * served, and the program has the descriptors that it had. */
/* seconds: 120 */
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/limit.h"

#include "base/compiler.h"
#include "process/file.h"
#include "process/wire.h"

enum {
    RING = 1 << 16,
    NEAR = 10000,  /* goes by the ring, and is longer than a page */
    FAR = 100000,  /* goes by a file */
    MOST = 1 << 20 /* max_payload */
};

/* ---- sabotage */

/* The worker's socket, among descriptors that are no others. */
static int socket_of_worker(void)
{
    for (int fd = 3; fd < 64; fd++) {
        int type = 0;
        socklen_t len = sizeof type;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
            return fd;
    }
    return -1;
}

static int job_close_socket(const void *in, size_t len, filch_buffer *out)
{
    if (len != 0 && job_gate(in, len, out) != 0)
        return 1;
    return close(socket_of_worker()) == 0 ? 0 : 2;
}

/* From now on a file can't be mapped: 1; or can be: 0. */
static int job_limit(const void *in, size_t len, filch_buffer *out)
{
    static struct rlimit before;
    struct rlimit limit;

    (void)len;
    (void)out;
    if (*(const char *)in == 0)
        return setrlimit(RLIMIT_AS, &before) == 0 ? 0 : 1;
    if (getrlimit(RLIMIT_AS, &before) != 0)
        return 2;
    limit = before;
    limit.rlim_cur = 1;
    return setrlimit(RLIMIT_AS, &limit) == 0 ? 0 : 3;
}

/* What it has been given can't be read any more, but for the words in front. */
static int job_hide_in(const void *in, size_t len, filch_buffer *out)
{
    size_t bytes = 0;
    unsigned char *shared = shared_with_program("memfd:filch-in", &bytes);
    size_t front = (offsetof(struct fl_wire_in, ring) + 4095) / 4096 * 4096;

    (void)in;
    (void)len;
    (void)out;
    return shared != NULL && mprotect(shared + front, bytes - front, PROT_NONE) == 0 ? 0 : 1;
}

static void exit_by(int signal)
{
    _exit(signal);
}

/* The answer can't be written; 1: and it exits for that. */
static int job_hide_out(const void *in, size_t len, filch_buffer *out)
{
    size_t bytes = 0;
    unsigned char *shared = shared_with_program("memfd:filch-out", &bytes);

    if (len != 0 && *(const char *)in == 1)
        signal(SIGSEGV, exit_by);
    if (filch_buffer_append(out, "an answer", 9) != 0)
        return 1;
    return shared != NULL && mprotect(shared, bytes, PROT_NONE) == 0 ? 0 : 2;
}

static int job_close_and_make(const void *in, size_t len, filch_buffer *out)
{
    return job_close_socket(NULL, 0, NULL) == 0 ? job_make(in, len, out) : 3;
}

/* Tampers with its buffer: 0: data points nowhere; 1: and len is beyond the ring. */
static int job_wild(const void *in, size_t len, filch_buffer *out)
{
    if (len != 1 || filch_buffer_append(out, "astray", 6) != 0)
        return 1;
    out->data = (void *)8;
    if (*(const char *)in == 1)
        out->len = RING + 1;
    return 0;
}

/* Does not care what it is given. */
static int job_nothing(const void *in, size_t len, filch_buffer *out)
{
    (void)in;
    (void)len;
    (void)out;
    return 0;
}

/* ---- answers in the worker's place */

enum forgery {
    HONEST_EXIT, /* a right answer, and then it is gone */
    HONEST_CRASH,
    LATE, /* a right answer, that has taken an hour */
    FIRST_FORGED,
    WORD_OF_NO_TURN = FIRST_FORGED,
    WORD_BACK,
    OFFSET_BEYOND,
    LEN_BEYOND,
    LEN_WRAPS,
    MESSAGE_TOO_LONG,
    FAR_WITHOUT_FILE,
    FAR_WITHOUT_DESCRIPTOR,
    FAR_TOO_LONG_FOR_MEMORY,
    FAR_NOT_SEALED,
    FAR_SHORTER,
    FAR_LONGER,
    FAR_OF_ANOTHER_JOB,
    FAR_NO_MEMORY_FILE,
    FAR_TWO_FILES,
    FAR_THEN_RIGHT, /* there is a second answer behind the forged one */
    FORGERIES
};

/* The job that runs. */
static struct fl_wire_answer *answer_of_this(struct fl_wire_out *o, uint64_t *n)
{
    for (size_t i = 0; i < FL_WIRE_SLOTS; i++) {
        uint32_t word = fl_load(&o->slot[i].word, relaxed); /* own word */

        if ((word & 3) == FL_WIRE_BEGUN) {
            *n = (uint64_t)(word >> 2) * FL_WIRE_SLOTS + i;
            return &o->slot[i];
        }
    }
    return NULL;
}

static int memory_file(size_t bytes, bool seals)
{
    int fd = (int)syscall(SYS_memfd_create, "filch-forged", 3U);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0 || (seals && fl_file_seal(fd) != 0))
        _exit(100);
    return fd;
}

static void send_file(enum forgery what, uint64_t n)
{
    struct fl_wire_far far = {what == FAR_OF_ANOTHER_JOB ? n + 1 : n, FAR};
    size_t files = what == FAR_TWO_FILES                                      ? 2
                   : what == FAR_WITHOUT_DESCRIPTOR || what == FAR_THEN_RIGHT ? 0
                                                                              : 1;
    int fd[2];

    fd[0] = what == FAR_NO_MEMORY_FILE ? open("/dev/null", O_RDONLY)
                                       : memory_file(what == FAR_SHORTER  ? FAR - 1
                                                     : what == FAR_LONGER ? FAR + 1
                                                                          : FAR,
                                                     what != FAR_NOT_SEALED);
    fd[1] = fd[0];
    if (fl_socket_send(socket_of_worker(), &far, sizeof far, fd, files, true) != 0 ||
        (what == FAR_THEN_RIGHT &&
         fl_socket_send(socket_of_worker(), &far, sizeof far, fd, 1, true) != 0))
        _exit(101);
}

/* Everybody who may wait is told. */
static void ring_all(struct fl_wire_out *o, uint64_t n)
{
    fl_store_look(&o->done, (uint32_t)(n + 1));
    fl_shared_wake(&o->done);
    for (int fd = 3; fd < 64; fd++) {
        char name[32];
        char target[64];
        uint64_t one = 1;
        ssize_t len;

        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        len = readlink(name, target, sizeof target - 1);
        if (len > 0 && memmem(target, (size_t)len, "[eventfd]", 9) != NULL &&
            write(fd, &one, sizeof one) != sizeof one)
            _exit(102);
    }
}

static int job_forge(const void *in, size_t len, filch_buffer *out)
{
    enum forgery what = *(const unsigned char *)in;
    size_t bytes = 0;
    struct fl_wire_out *o = (struct fl_wire_out *)shared_with_program("memfd:filch-out", &bytes);
    struct fl_wire_answer *a;
    bool is_far = what >= FAR_WITHOUT_FILE;
    uint32_t word;
    uint64_t n;

    (void)len;
    (void)out;
    a = o != NULL ? answer_of_this(o, &n) : NULL;
    if (a == NULL)
        return 1;
    memcpy(o->ring, "forged", 6);
    word = fl_wire_word(n, what == WORD_BACK ? FL_WIRE_BACK : FL_WIRE_DONE);
    if (what == WORD_OF_NO_TURN)
        word += 4;
    /* All of it is settled by ring_all. */
    fl_store(&a->status, what == MESSAGE_TOO_LONG ? 7 : 0, relaxed); /* settled by the word */
    fl_store(&a->offset, what == OFFSET_BEYOND ? RING + 64U : 0, relaxed);
    fl_store(&a->len,
             is_far                     ? FAR
             : what == LEN_BEYOND       ? RING + 1U
             : what == LEN_WRAPS        ? UINT64_MAX - 2
             : what == MESSAGE_TOO_LONG ? FL_WIRE_SAID + 1U
                                        : 6,
             relaxed); /* settled by the word */
    if (what == FAR_TOO_LONG_FOR_MEMORY)
        fl_store(&a->len, UINT64_MAX - 2, relaxed);         /* settled by the word */
    fl_store(&a->flags, is_far ? FL_WIRE_FAR : 0, relaxed); /* settled by the word */
    if (is_far && what != FAR_WITHOUT_FILE && what != FAR_TOO_LONG_FOR_MEMORY)
        send_file(what, n);
    fl_store(&a->run_us, what == LATE ? 3600000000U : 0, relaxed); /* settled by the word */
    fl_store_look(&a->word, word);
    ring_all(o, n);
    if (what == HONEST_EXIT || what == LATE)
        _exit(0);
    if (what == HONEST_CRASH)
        kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Counts its runs in a file, takes back that it has begun, and dies of it: 0; or never ends: 1. */
static int job_deny(const void *in, size_t len, filch_buffer *out)
{
    const char *how = in;
    size_t bytes = 0;
    struct fl_wire_out *o = (struct fl_wire_out *)shared_with_program("memfd:filch-out", &bytes);
    struct fl_wire_answer *a;
    uint64_t n;
    int fd = open(how + 1, O_CREAT | O_WRONLY | O_APPEND, 0600);

    (void)len;
    (void)out;
    a = o != NULL ? answer_of_this(o, &n) : NULL;
    if (a == NULL || fd < 0 || write(fd, "x", 1) != 1)
        return 1;
    fl_store_look(&a->word, fl_wire_word(n, FL_WIRE_GIVEN));
    while (*how == '1')
        pause();
    abort();
}

/* ---- a cell */

static unsigned count_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

struct cell {
    filch_executor *ex;
    unsigned descriptors;
    unsigned char far[FAR];
};

static void expect_serves(struct cell *c)
{
    expect_echo(c->ex, "near", 4);
    expect_echo(c->ex, c->far, NEAR);
    expect_echo(c->ex, c->far, FAR);
}

static struct cell *cell_with(filch_process_options options)
{
    struct cell *c = calloc(1, sizeof *c);

    assert_non_null(c);
    for (size_t i = 0; i < FAR; i++)
        c->far[i] = (unsigned char)(i * 7 + (i >> 8));
    options.workers = 1;
    options.ring_bytes = RING;
    options.max_payload = MOST;
    c->ex = processes_with(options);
    expect_serves(c);
    assert_int_equal(filch_executor_wait_idle(c->ex, FILCH_FOREVER), 0); /* payloads have let go */
    c->descriptors = count_descriptors();
    return c;
}

static struct cell *cell(void)
{
    return cell_with((filch_process_options){.workers = 1});
}

/* The executor serves, and what belonged to the dead is given back: when is its own affair. */
static void cell_end(struct cell *c)
{
    expect_serves(c);
    while (count_descriptors() != c->descriptors)
        usleep(1000);
    filch_executor_destroy(c->ex);
    free(c);
}

static void expect_death(filch_future *f, enum filch_death how, int code)
{
    filch_crash crash = crash_of(f, FILCH_ECRASHED);

    assert_int_equal(crash.how, how);
    if (how == FILCH_DEATH_EXIT)
        assert_int_equal(crash.exit_code, code);
    if (how == FILCH_DEATH_SIGNAL)
        assert_int_equal(crash.signal, code);
    filch_future_release(f);
}

/* ---- the argument, in the program */

TEST(argument_in_error_what_can_not_be_sent_is_refused_and_nothing_is_queued)
{
    struct cell *c = cell();
    unsigned char *bytes = calloc(1, MOST + 1);
    filch_future *f = NULL;

    assert_non_null(bytes);
    assert_int_equal(filch_submit_job(c->ex, "echo", bytes, MOST + 1, &f), FILCH_EMSGSIZE);
    assert_int_equal(filch_submit_job(c->ex, "nobody", bytes, 1, &f), FILCH_ENOENT);
    assert_int_equal(filch_submit_job(c->ex, "echo", NULL, 1, &f), FILCH_EINVAL);
    assert_null(f);
    expect_echo(c->ex, bytes, MOST);
    free(bytes);
    cell_end(c);
}

static void await_end_of(int pid)
{
    while (kill(pid, 0) == 0)
        usleep(100);
}

/* From now on a signal makes it exit. */
static int job_exit_by_signal(const void *in, size_t len, filch_buffer *out)
{
    (void)in;
    (void)len;
    (void)out;
    return signal(SIGALRM, exit_by) != SIG_ERR ? 0 : 1;
}

TEST(argument_in_exit_what_is_sent_to_a_worker_that_has_just_exited_is_run_by_the_next)
{
    struct cell *c = cell();

    for (int i = 0; i < 10; i++) {
        filch_future *f = submit(c->ex, "pid", NULL, 0);
        void *result;
        int pid;

        assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
        memcpy(&pid, ((const filch_buffer *)result)->data, sizeof pid);
        filch_future_release(f);
        assert_int_equal(status_of(submit(c->ex, "exit_by_signal", NULL, 0)), 0);
        assert_int_equal(kill(pid, SIGALRM), 0);
        await_end_of(pid);
        expect_echo(c->ex, c->far, i % 2 == 0 ? NEAR : FAR);
    }
    cell_end(c);
}

static void *kill_soon(void *arg)
{
    usleep(500);
    kill(*(const int *)arg, SIGKILL);
    return NULL;
}

TEST(argument_in_crash_what_is_on_its_way_to_a_worker_that_is_killed_is_run_by_the_next)
{
    enum {
        BYTES = 10 << 20
    };
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = RING});
    unsigned char *bytes = calloc(1, BYTES);

    assert_non_null(bytes);
    for (int i = 0; i < 5; i++) {
        pthread_t killer;
        int pid;

        expect_echo(ex, "up", 2);
        pid = stop_worker(ex); /* so it does not begin */
        assert_int_equal(pthread_create(&killer, NULL, kill_soon, &pid), 0);
        bytes[BYTES - 1] = (unsigned char)i;
        expect_echo(ex, bytes, BYTES);
        pthread_join(killer, NULL);
    }
    filch_executor_destroy(ex);
    free(bytes);
}

/* ---- the argument, in the worker */

TEST(argument_out_error_a_payload_that_can_not_be_mapped_fails_its_job)
{
    struct cell *c;

    if (FL_ASAN || FL_TSAN)
        test_skip("a sanitizer needs memory of its own");
    c = cell();
    assert_int_equal(status_of(submit(c->ex, "limit", "\1", 1)), 0);
    assert_int_equal(status_of(submit(c->ex, "echo", c->far, FAR)), FILCH_ENOMEM);
    expect_echo(c->ex, "near", 4);
    assert_int_equal(status_of(submit(c->ex, "limit", "", 1)), 0);
    assert_int_equal(stats_of(c->ex).crashed, 0);
    cell_end(c);
}

TEST(argument_out_exit_what_can_not_be_received_for_want_of_a_socket_is_run_by_the_next)
{
    struct cell *c = cell();
    struct gate g = gate_make();
    filch_future *first = submit(c->ex, "close_socket", g.names, g.len);
    filch_future *second;

    gate_await(&g);
    second = submit(c->ex, "echo", c->far, FAR); /* is in the socket, and lost with it */
    gate_open(&g);
    expect(first, g.names, g.len);
    expect(second, c->far, FAR);
    cell_end(c);
    gate_remove(&g);
}

TEST(argument_out_exit_what_can_not_be_sent_to_a_worker_without_a_socket_is_run_by_the_next)
{
    struct cell *c = cell();

    assert_int_equal(status_of(submit(c->ex, "close_socket", NULL, 0)), 0);
    expect_echo(c->ex, "near", 4);
    expect_echo(c->ex, c->far, FAR);
    cell_end(c);
}

TEST(argument_out_crash_a_payload_that_can_not_be_read_costs_its_job)
{
    struct cell *c = cell();
    filch_future *f;

    assert_int_equal(status_of(submit(c->ex, "hide_in", NULL, 0)), 0);
    f = submit(c->ex, "echo", c->far, NEAR);
    expect_death(f, FILCH_DEATH_SIGNAL, SIGSEGV);
    cell_end(c);
}

static bool next_part(void *source, const void **bytes, size_t *len)
{
    struct cell *c = source;

    *bytes = c->far;
    *len = NEAR / 2;
    return c->far[FAR - 1]++ < 2;
}

TEST(argument_out_crash_a_chunk_that_can_not_be_taken_apart_costs_its_jobs)
{
    struct cell *c = cell();
    filch_map_options options = {.size = sizeof options, .window = 2, .chunk = 2};
    filch_job_map *map;

    assert_int_equal(status_of(submit(c->ex, "hide_in", NULL, 0)), 0);
    c->far[FAR - 1] = 0;
    assert_int_equal(filch_map_jobs(c->ex, "nothing", next_part, c, &options, &map), 0);
    assert_int_equal(filch_job_map_next(map, NULL, NULL), FILCH_ECRASHED);
    assert_int_equal(filch_job_map_next(map, NULL, NULL), FILCH_ECRASHED);
    assert_int_equal(filch_job_map_next(map, NULL, NULL), FILCH_EEND);
    filch_job_map_close(map);
    cell_end(c);
}

/* ---- the job */

TEST(run_error_its_code_is_its_future_s)
{
    struct cell *c = cell();

    assert_int_equal(status_of(submit(c->ex, "error", NULL, 0)), 42);
    assert_int_equal(stats_of(c->ex).crashed, 0);
    cell_end(c);
}

TEST(run_exit_costs_its_job)
{
    struct cell *c = cell();

    expect_death(submit(c->ex, "exit", "\7", 1), FILCH_DEATH_EXIT, 7);
    cell_end(c);
}

TEST(run_crash_costs_its_job)
{
    struct cell *c = cell();

    expect_death(submit(c->ex, "segv", NULL, 0), FILCH_DEATH_SIGNAL, SIGSEGV);
    cell_end(c);
}

/* ---- the result, in the worker */

TEST(result_in_error_a_result_that_can_not_be_sent_fails_its_job)
{
    struct cell *c = cell();

    assert_int_equal(status_of(submit_ns(c->ex, "close_and_make", FAR)), FILCH_ENOMEM);
    assert_int_equal(stats_of(c->ex).crashed, 0);
    cell_end(c);
}

TEST(result_in_exit_a_worker_that_ends_as_it_answers_costs_the_job)
{
    struct cell *c = cell();

    expect_death(submit(c->ex, "hide_out", "\1", 1), FILCH_DEATH_EXIT, SIGSEGV);
    cell_end(c);
}

TEST(result_in_crash_a_worker_that_crashes_as_it_answers_costs_the_job)
{
    struct cell *c = cell();

    expect_death(submit(c->ex, "hide_out", NULL, 0), FILCH_DEATH_SIGNAL, SIGSEGV);
    cell_end(c);
}

TEST(result_in_error_a_job_that_tampers_with_its_buffer_spoils_its_own_answer_alone)
{
    struct cell *c = cell();

    expect(submit(c->ex, "wild", "", 1), "astray", 6); /* what counts is where the worker has it */
    assert_int_equal(stats_of(c->ex).crashed, 0);
    expect_death(submit(c->ex, "wild", "\1", 1), FILCH_DEATH_FORGED, 0);
    cell_end(c);
}

/* ---- the result, in the program */

TEST(result_out_error_a_result_that_is_too_long_fails_its_job)
{
    struct cell *c = cell();

    assert_int_equal(status_of(submit_ns(c->ex, "make", MOST + 1)), FILCH_EMSGSIZE);
    assert_int_equal(status_of(submit_ns(c->ex, "make", MOST)), 0);
    assert_int_equal(stats_of(c->ex).crashed, 0);
    cell_end(c);
}

static void expect_honest(enum forgery what)
{
    struct cell *c = cell();
    unsigned char how = (unsigned char)what;

    for (int i = 0; i < 5; i++)
        expect(submit(c->ex, "forge", &how, 1), "forged", 6);
    cell_end(c);
}

TEST(result_out_exit_an_answer_counts_though_its_worker_has_exited_behind_it)
{
    expect_honest(HONEST_EXIT);
}

TEST(result_out_crash_an_answer_counts_though_its_worker_has_crashed_behind_it)
{
    expect_honest(HONEST_CRASH);
}

/* What comes of a job that denies to have begun, and how often it has been run. */
static int deny(struct cell *c, char how, size_t *runs)
{
    char in[64];
    char bytes[1000];
    int status;
    int fd;

    snprintf(in, sizeof in, "%c/tmp/filch-deny-XXXXXX", how);
    fd = mkstemp(in + 1);
    assert_true(fd >= 0);
    status = status_of(submit(c->ex, "deny", in, strlen(in) + 1));
    *runs = (size_t)read(fd, bytes, sizeof bytes);
    close(fd);
    unlink(in + 1);
    return status;
}

TEST(run_crash_a_job_that_denies_to_have_begun_is_blamed_the_third_time)
{
    struct cell *c = cell();
    size_t runs;

    assert_int_equal(deny(c, '0', &runs), FILCH_ECRASHED);
    assert_int_equal(runs, 3);
    cell_end(c);
    c = cell_with((filch_process_options){.kill_after_ns = HOUR_NS});
    set_limit(c->ex, 1000000000);
    assert_int_equal(deny(c, '1', &runs), FILCH_EKILLED);
    assert_true(runs <= 3); /* it may be killed before it has begun */
    set_limit(c->ex, HOUR_NS);
    cell_end(c);
}

TEST(run_error_a_job_that_denies_to_have_begun_is_not_taken_from_old_workers_for_ever)
{
    struct cell *c =
        cell_with((filch_process_options){.max_age_ns = 50000000, .kill_after_ns = HOUR_NS});
    size_t runs;

    set_limit(c->ex, 1000000000);
    assert_int_equal(deny(c, '1', &runs), FILCH_EKILLED);
    assert_true(runs <= 3);
    filch_executor_destroy(c->ex);
    free(c);
}

TEST(result_out_error_a_time_that_is_forged_is_not_believed)
{
    struct cell *c = cell();
    struct fl_processes *p = fl_processes_behind(c->ex);
    unsigned char how = LATE;
    uint64_t mean;

    expect(submit(c->ex, "forge", &how, 1), "forged", 6);
    fl_lock_enter(&p->lock);
    mean = p->mean_ns;
    fl_lock_leave(&p->lock);
    assert_true(mean < UINT64_C(100000000000)); /* it would be seven minutes */
    cell_end(c);
}

TEST(result_out_crash_whoever_answers_what_no_worker_answers_is_killed_for_it)
{
    for (int what = FIRST_FORGED; what < FORGERIES; what++) {
        struct cell *c = cell();
        unsigned char how = (unsigned char)what;

        expect_death(submit(c->ex, "forge", &how, 1), FILCH_DEATH_FORGED, 0);
        cell_end(c);
    }
}

/* ---- the end of the executor, with any of that under way */

static const struct {
    const char *name;
    const char *in;
    size_t len;
    int status;
} ends_badly[] = {
    {"error", "", 0, 42},
    {"exit", "\3", 1, FILCH_ECRASHED},
    {"segv", "", 0, FILCH_ECRASHED},
    {"hide_out", "", 0, FILCH_ECRASHED},
    {"forge", (const char[]){OFFSET_BEYOND}, 1, FILCH_ECRASHED},
    {"forge", (const char[]){FAR_WITHOUT_FILE}, 1, FILCH_ECRASHED},
    {"close_and_make", "\0\0\2\0\0\0\0", 8, FILCH_ENOMEM},
};

enum {
    BAD = sizeof ends_badly / sizeof ends_badly[0],
    BEHIND = 4
};

static filch_future *submit_bad(struct cell *c, size_t i, filch_future *behind[BEHIND])
{
    filch_future *f = submit(c->ex, ends_badly[i].name, ends_badly[i].in, ends_badly[i].len);

    for (int k = 0; k < BEHIND; k++)
        behind[k] = submit(c->ex, "echo", c->far, k % 2 == 0 ? 5 : FAR);
    return f;
}

TEST(shutdown_that_drains_gives_a_crash_its_name_and_runs_what_is_behind_it)
{
    for (size_t i = 0; i < BAD; i++) {
        struct cell *c = cell();
        filch_future *behind[BEHIND];
        filch_future *f = submit_bad(c, i, behind);

        assert_int_equal(filch_executor_shutdown(c->ex, FILCH_DRAIN, FILCH_FOREVER), 0);
        assert_true(filch_future_done(f));
        assert_int_equal(status_of(f), ends_badly[i].status);
        for (int k = 0; k < BEHIND; k++)
            expect(behind[k], c->far, k % 2 == 0 ? 5 : FAR);
        filch_executor_destroy(c->ex);
        free(c);
    }
}

TEST(shutdown_that_cancels_and_does_not_wait_leaves_a_crash_its_name)
{
    for (size_t i = 0; i < BAD; i++) {
        struct cell *c = cell();
        filch_future *behind[BEHIND];
        filch_future *f = submit_bad(c, i, behind);
        int status;

        assert_int_equal(
            filch_executor_shutdown(c->ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW), 0);
        status = status_of(f);
        assert_true(status == ends_badly[i].status || status == FILCH_ECANCELED);
        for (int k = 0; k < BEHIND; k++) {
            status = status_of(behind[k]);
            assert_true(status == 0 || status == FILCH_ECANCELED);
        }
        filch_executor_destroy(c->ex);
        free(c);
    }
}

TEST(destroy_waits_for_a_crash_and_for_what_is_behind_it)
{
    for (size_t i = 0; i < BAD; i++) {
        struct cell *c = cell();
        filch_future *behind[BEHIND];
        filch_future *f = submit_bad(c, i, behind);

        filch_executor_destroy(c->ex);
        assert_int_equal(status_of(f), ends_badly[i].status);
        for (int k = 0; k < BEHIND; k++)
            expect(behind[k], c->far, k % 2 == 0 ? 5 : FAR);
        free(c);
    }
}

TEST(kill_ends_a_crash_and_what_is_behind_it)
{
    for (size_t i = 0; i < BAD; i++) {
        struct cell *c = cell();
        filch_future *behind[BEHIND];
        filch_future *f = submit_bad(c, i, behind);
        int status;

        assert_int_equal(filch_process_kill(c->ex), 0);
        status = status_of(f);
        assert_true(status == ends_badly[i].status || status == FILCH_EKILLED);
        for (int k = 0; k < BEHIND; k++) {
            status = status_of(behind[k]);
            assert_true(status == 0 || status == FILCH_EKILLED);
        }
        filch_executor_destroy(c->ex);
        free(c);
    }
}

TEST(destroy_ends_though_a_worker_is_stopped)
{
    struct cell *c = cell_with((filch_process_options){.kill_after_ns = HOUR_NS});
    filch_future *f = submit(c->ex, "raise", (const char[]){SIGSTOP}, 1);
    filch_future *behind = submit(c->ex, "echo", c->far, FAR);

    await_begun(f);
    leave_time(c->ex, f, 500000000); /* until it is being destroyed: if not, this shows nothing */
    filch_executor_destroy(c->ex);
    assert_int_equal(crash_of(f, FILCH_EKILLED).how, FILCH_DEATH_WALL);
    filch_future_release(f);
    expect(behind, c->far, FAR);
    free(c);
}

TEST(destroy_ends_though_a_worker_without_a_job_is_stopped)
{
    struct cell *c = cell();

    stop_worker(c->ex);
    filch_executor_destroy(c->ex);
    free(c);
}

/* ---- the end of the program */

enum {
    VICTIM_WORKERS = 4
};

/* This program once more, as one that has an executor, tells its workers' numbers, and waits to be killed. Its jobs
 * are registered by now: it comes after the constructor in jobs.h. */
__attribute__((constructor)) static void be_the_victim(void)
{
    filch_process_options options = {
        .size = sizeof options, .workers = VICTIM_WORKERS, .start_timeout_ns = START_TIMEOUT_NS};
    filch_executor *ex;
    int pids[VICTIM_WORKERS];

    if (getenv("FILCH_TEST_VICTIM") == NULL)
        return;
    unsetenv("FILCH_TEST_VICTIM");
    if (filch_process_executor_create(&ex, &options) != 0 ||
        filch_submit_job(ex, "burn", NULL, 0, NULL) != 0 ||
        filch_submit_job(ex, "deaf", NULL, 0, NULL) != 0 ||
        filch_submit_job(ex, "raise", (const char[]){SIGSTOP}, 1, NULL) != 0)
        _exit(1);
    for (unsigned i = 0; i < VICTIM_WORKERS; i++)
        pids[i] = filch_process_pid(ex, i);
    if (write(STDOUT_FILENO, pids, sizeof pids) != (ssize_t)sizeof pids)
        _exit(2);
    for (;;)
        pause();
}

/* No signal that can be ignored ends it. */
static int job_deaf(const void *in, size_t len, filch_buffer *out)
{
    (void)in;
    (void)len;
    (void)out;
    for (int i = 1; i < 32; i++)
        signal(i, SIG_IGN);
    while (pause() != 0)
        continue;
    return 1;
}

static pid_t start_victim(int *from)
{
    posix_spawn_file_actions_t files;
    char *arguments[] = {(char[]){"victim"}, NULL};
    pid_t pid;
    int fd[2];

    assert_int_equal(pipe(fd), 0);
    assert_int_equal(posix_spawn_file_actions_init(&files), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&files, fd[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&files, fd[0]), 0);
    setenv("FILCH_TEST_VICTIM", "1", 1);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &files, NULL, arguments, environ), 0);
    unsetenv("FILCH_TEST_VICTIM");
    posix_spawn_file_actions_destroy(&files);
    close(fd[1]);
    *from = fd[0];
    return pid;
}

TEST(a_program_that_is_killed_leaves_no_worker_behind)
{
    int pids[VICTIM_WORKERS + 1];
    struct pollfd gone[VICTIM_WORKERS + 1];
    int n = 0;
    int from;
    pid_t victim = start_victim(&from);

    assert_int_equal(read(from, pids, VICTIM_WORKERS * sizeof pids[0]),
                     VICTIM_WORKERS * sizeof pids[0]);
    close(from);
    pids[VICTIM_WORKERS] = parent_of(pids[0]);
    for (int i = 0; i <= VICTIM_WORKERS; i++) {
        assert_true(pids[i] > 1);
        gone[i].fd = (int)syscall(434, pids[i], 0); /* pidfd_open */
        gone[i].events = POLLIN;
        assert_true(gone[i].fd >= 0);
    }
    assert_int_equal(poll(gone, VICTIM_WORKERS + 1, 0), 0);
    assert_int_equal(kill(victim, SIGKILL), 0);
    assert_int_equal(waitpid(victim, NULL, 0), victim);
    for (int i = 0; i <= VICTIM_WORKERS; i++) {
        n += poll(&gone[i], 1, 20000) == 1; /* somebody else's zombie is as good as gone */
        if (gone[i].revents == 0)
            kill(pids[i], SIGKILL);
        close(gone[i].fd);
    }
    assert_int_equal(n, VICTIM_WORKERS + 1);
}

static void more_jobs(void)
{
    static const struct {
        const char *name;
        filch_job_fn *fn;
    } jobs[] = {{"close_socket", job_close_socket},
                {"close_and_make", job_close_and_make},
                {"limit", job_limit},
                {"hide_in", job_hide_in},
                {"hide_out", job_hide_out},
                {"wild", job_wild},
                {"nothing", job_nothing},
                {"exit_by_signal", job_exit_by_signal},
                {"deaf", job_deaf},
                {"forge", job_forge},
                {"deny", job_deny}};

    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        if (filch_job_register(jobs[i].name, jobs[i].fn) != 0)
            abort();
    }
}
