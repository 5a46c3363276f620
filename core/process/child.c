/* SPDX-License-Identifier: MIT
 *
 * child.c: a worker process: takes jobs as they are numbered, runs them, answers.
 *
 * It is the zygote's child and dies with it. It reads `in` and can't write it; it writes `out` as wire.h has
 * it, and if it does not, it harms its own jobs. A result begins in the ring, where the program will read it. One
 * that outgrows the room there moves to the heap, and to a memory file when it is too long for the ring at all. */
#include "process/zygote.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/notify.h"
#include "base/spin.h"
#include "base/thread.h"
#include "future/job.h"
#include "future/running.h"
#include "process/desk.h"
#include "process/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct child {
    struct fl_desk desk;
    int socket;
    bool has_timer;
    timer_t timer;
    int statm; /* -1: nobody wants to know */
};

/* For the handler of a fault, which has nothing else to go by. */
static struct fl_wire_out *dying;

/* ---- where a result grows */

enum place {
    IN_RING,
    IN_HEAP,
    IN_FILE
};

struct result {
    filch_buffer buffer;
    struct child *c;
    enum place place;
    int fd; /* IN_FILE */
};

static struct result *result_of(filch_buffer *b)
{
    return fl_container_of(b, struct result, buffer);
}

static size_t near_bytes(const struct child *c)
{
    return c->desk.ring_bytes / 4;
}

static bool move_to_heap(struct result *r, size_t room)
{
    void *data = malloc(room);

    if (data == NULL)
        return false;
    if (r->buffer.len != 0)
        memcpy(data, r->buffer.data, r->buffer.len);
    r->place = IN_HEAP;
    r->buffer.data = data;
    return true;
}

static bool move_to_file(struct result *r, size_t room)
{
    void *data;
    int fd = (int)syscall(SYS_memfd_create, "filch-result", 3U);

    if (fd < 0)
        return false;
    data = ftruncate(fd, (off_t)room) == 0 ? fl_file_map(fd, room, true) : NULL;
    if (data == NULL) {
        close(fd);
        return false;
    }
    if (r->buffer.len != 0)
        memcpy(data, r->buffer.data, r->buffer.len);
    if (r->place == IN_HEAP)
        free(r->buffer.data);
    r->place = IN_FILE;
    r->fd = fd;
    r->buffer.data = data;
    return true;
}

static bool grow_in_heap(struct result *r, size_t room)
{
    void *data = realloc(r->buffer.data, room);

    if (data != NULL)
        r->buffer.data = data;
    return data != NULL;
}

static bool grow_in_file(struct result *r, size_t room)
{
    void *data;

    if (ftruncate(r->fd, (off_t)room) != 0)
        return false;
    data = mremap(r->buffer.data, (size_t)r->buffer._[FL_BUFFER_ROOM], room, MREMAP_MAYMOVE);
    if (data == MAP_FAILED)
        return false;
    r->buffer.data = data;
    return true;
}

static bool grow(filch_buffer *b, size_t room)
{
    struct result *r = result_of(b);
    bool has_grown;

    if (room > (size_t)PTRDIFF_MAX)
        return false;
    if (r->place == IN_FILE)
        has_grown = grow_in_file(r, room);
    else if (room > near_bytes(r->c))
        has_grown = move_to_file(r, room);
    else if (r->place == IN_HEAP)
        has_grown = grow_in_heap(r, room);
    else
        has_grown = move_to_heap(r, room);
    if (has_grown)
        b->_[FL_BUFFER_ROOM] = room;
    return has_grown;
}

static void drop(filch_buffer *b)
{
    struct result *r = result_of(b);

    if (r->place == IN_HEAP)
        free(b->data);
    if (r->place == IN_FILE) {
        fl_file_unmap(b->data, (size_t)b->_[FL_BUFFER_ROOM]);
        close(r->fd);
    }
    r->place = IN_RING;
}

static const struct fl_buffer_ops result_ops = {grow, drop};

static void open_result(struct result *r, struct child *c)
{
    enum {
        WORTH_IT = 4096
    };
    size_t room = fl_desk_room(&c->desk, WORTH_IT);

    fl_buffer_open(&r->buffer, &result_ops);
    r->c = c;
    r->place = IN_RING;
    r->fd = -1;
    r->buffer.data = fl_desk_place(&c->desk);
    r->buffer._[FL_BUFFER_ROOM] = room < near_bytes(c) ? room : near_bytes(c);
}

/* ---- the answer */

static void put_in_ring(struct child *c, const void *bytes, size_t len, bool is_there)
{
    if (!is_there) {
        fl_desk_await_room(&c->desk, len);
        if (len != 0)
            memcpy(fl_desk_place(&c->desk), bytes, len);
    }
    fl_desk_put(&c->desk, len);
}

/* False: the file can't be had by the program. */
static bool send_file(struct child *c, struct fl_wire_answer *a, struct result *r)
{
    struct fl_wire_far far = {c->desk.n, r->buffer.len};
    bool is_sent;

    fl_file_unmap(r->buffer.data, (size_t)r->buffer._[FL_BUFFER_ROOM]);
    is_sent = ftruncate(r->fd, (off_t)r->buffer.len) == 0 && fl_file_seal(r->fd) == 0 &&
              fl_socket_send(c->socket, &far, sizeof far, &r->fd, 1, true) == 0;
    close(r->fd);
    r->place = IN_RING;
    fl_store(&a->len, far.len, relaxed); /* settled by desk.c's C4 */
    return is_sent;
}

static void put_message(struct child *c, const struct fl_failure *failure)
{
    size_t len = failure != NULL && failure->message != NULL ? strlen(failure->message) : 0;

    put_in_ring(c, failure != NULL ? failure->message : NULL,
                len < FL_WIRE_SAID ? len : FL_WIRE_SAID, false);
}

static uint64_t rss_of(const struct child *c)
{
    char text[64];
    unsigned long all, resident;
    ssize_t n = c->statm >= 0 ? pread(c->statm, text, sizeof text - 1, 0) : -1;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%lu %lu", &all, &resident) != 2)
        return 0;
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- a job */

static void limit_cpu(struct child *c, int64_t ns)
{
    struct itimerspec at = {.it_value = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)}};

    if (c->has_timer)
        timer_settime(c->timer, 0, &at, NULL);
}

/* The payload of a job that has begun. NULL with len != 0: it can't be had. If an earlier job has spoiled the socket, that
 * is not this one's fault. */
static const void *far_payload(struct child *c, const struct fl_wire_request *r, int *fd)
{
    struct fl_wire_far far;

    do {
        fl_close(*fd); /* of one that was taken back */
        *fd = -1;
        if (fl_socket_receive(c->socket, &far, sizeof far, fd, 1, true) != FL_GOT) {
            fl_desk_leave_it(&c->desk);
            _exit(1);
        }
    } while (far.n != c->desk.n);
    return fl_file_map_private(*fd, (size_t)r->len);
}

static int call(struct result *result, const struct fl_wire_request *r, const void *in,
                struct fl_failure **failure)
{
    struct fl_running running;
    filch_job_fn *fn = fl_job_fn_at(r->job);
    int status;

    if (fn == NULL)
        return FILCH_ENOENT;
    fl_running_begin(&running, NULL, NULL);
    status = fl_job_call(fn, (r->flags & FL_WIRE_CHUNK) != 0, in, (size_t)r->len, &result->buffer);
    *failure = fl_running_end(&running, status);
    return status;
}

static void run(struct child *c, const struct fl_wire_request *r, struct fl_wire_answer *a)
{
    bool is_far = (r->flags & FL_WIRE_FAR) != 0;
    int fd = -1;
    const void *in = is_far ? far_payload(c, r, &fd) : c->desk.in->ring + r->offset;
    struct fl_failure *failure = NULL;
    struct result result;
    uint32_t flags = 0;
    int64_t began = fl_now();
    int64_t took;
    int status = FILCH_ENOMEM;

    open_result(&result, c);
    limit_cpu(c, c->desk.in->cpu_limit_ns);
    if (in != NULL)
        status = call(&result, r, in, &failure);
    limit_cpu(c, 0);
    took = (fl_now() - began) / 1000;
    if (status == 0 && result.place == IN_FILE) {
        flags = FL_WIRE_FAR;
        if (!send_file(c, a, &result))
            status = FILCH_ENOMEM;
    } else if (status == 0) {
        put_in_ring(c, result.buffer.data, result.buffer.len, result.place == IN_RING);
    }
    if (status != 0)
        put_message(c, failure);
    drop(&result.buffer);
    fl_failure_free(failure);
    if (is_far) {
        fl_file_unmap((void *)(uintptr_t)in, (size_t)r->len);
        fl_close(fd);
    }
    fl_store(&a->status, status, relaxed); /* settled by desk.c's C4 */
    fl_store(&a->flags, flags, relaxed);   /* settled by desk.c's C4 */
    fl_store(&a->run_us, took < UINT32_MAX ? (uint32_t)took : UINT32_MAX,
             relaxed); /* settled by desk.c's C4 */
    if (c->desk.in->keeps_rss != 0)
        fl_store(&a->rss_bytes, rss_of(c), relaxed); /* settled by desk.c's C4 */
    fl_desk_tell(&c->desk);
}

_Noreturn static void serve(struct child *c)
{
    for (;; c->desk.n++) {
        const struct fl_wire_request *r = fl_desk_request(&c->desk);

        fl_desk_await(&c->desk);
        if (!fl_desk_begin(&c->desk))
            continue;
        if ((r->flags & FL_WIRE_END) != 0)
            _exit(0);
        run(c, r, fl_desk_answer(&c->desk));
    }
}

/* ---- the beginning */

/* Says where, and lets the fault kill the process. A signal that somebody has sent is no fault, and comes once more. */
static void note_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code > 0) {
        fl_store(&dying->address, (uint64_t)(uintptr_t)info->si_addr,
                 relaxed);                         /* hint: read when it is dead */
        fl_store(&dying->has_address, 1, relaxed); /* hint: read when it is dead */
    } else {
        raise(signal);
    }
}

/* On a stack of its own: the fault may be that there is no stack left. */
static void note_faults(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action = {.sa_sigaction = note_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
    stack_t stack = {.ss_size = 64 * 1024};

    stack.ss_sp =
        mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) != 0)
        return;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigaction(faults[i], &action, NULL);
}

static void die_with(int parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != (pid_t)parent)
        _exit(1);
}

static void name_process(const struct fl_order *order)
{
    char name[16];

    snprintf(name, sizeof name, "%.8s-p%u", order->name, order->worker % 100000);
    prctl(PR_SET_NAME, name);
}

static bool grow_nothing(filch_buffer *b, size_t room)
{
    void *data = realloc(b->data, room);

    if (data == NULL)
        return false;
    b->data = data;
    b->_[FL_BUFFER_ROOM] = room;
    return true;
}

static void drop_nothing(filch_buffer *b)
{
    free(b->data);
}

static int set_up(const struct fl_child_start *start)
{
    static const struct fl_buffer_ops ops = {grow_nothing, drop_nothing};
    filch_buffer out;
    int status;

    if (start->setup == NULL)
        return 0;
    fl_buffer_open(&out, &ops);
    status = fl_job_call(start->setup, false, start->setup_in, start->setup_len, &out);
    drop_nothing(&out);
    return status;
}

static void open_child(struct child *c, const struct fl_child_start *start)
{
    size_t ring = (size_t)start->order.ring_bytes;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGXCPU};

    c->desk.in = fl_file_map(start->in, fl_wire_in_bytes(ring), false);
    c->desk.out = fl_file_map(start->out, fl_wire_out_bytes(ring), true);
    if (c->desk.in == NULL || c->desk.out == NULL || c->desk.in->version != FL_WIRE_VERSION)
        _exit(1);
    close(start->in);
    close(start->out);
    c->desk.ring_bytes = ring;
    c->socket = start->socket;
    c->desk.bell = start->bell;
    c->has_timer = c->desk.in->cpu_limit_ns != 0 &&
                   timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &c->timer) == 0;
    c->statm = c->desk.in->keeps_rss != 0 ? open("/proc/self/statm", O_RDONLY | O_CLOEXEC) : -1;
}

void fl_child_main(const struct fl_child_start *start)
{
    struct child c = {.socket = -1};
    struct fl_up up = {.version = FL_WIRE_VERSION};

    die_with(start->zygote);
    name_process(&start->order);
    open_child(&c, start);
    dying = c.desk.out;
    note_faults();
    up.status = set_up(start);
    die_with(start->zygote); /* a change of the user takes that away */
    if (fl_socket_send(c.socket, &up, sizeof up, NULL, 0, true) != 0 || up.status != 0)
        _exit(1);
    serve(&c);
}
