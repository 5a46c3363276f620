/* SPDX-License-Identifier: MIT
 *
 * zygote.c: both ends of the process that forks worker processes off.
 *
 * The program trusts it as it trusts itself: no job ever runs in it, and no worker has its socket. */
#include "process/zygote.h"

#include "base/compiler.h"
#include "future/job.h"
#include "process/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OPEN_CALL = 434, /* pidfd_open; the headers of older systems have no name for it */
    SIGNAL_CALL = 424,
    BY_PIDFD = 3
};

static int pidfd_open_of(pid_t pid)
{
    return (int)syscall(OPEN_CALL, pid, 0);
}

void fl_pidfd_kill(int pidfd, int signal)
{
    int saved = errno;

    if (pidfd >= 0)
        syscall(SIGNAL_CALL, pidfd, signal, NULL, 0);
    errno = saved;
}

bool fl_pidfd_is_over(int pidfd)
{
    struct pollfd one = {.fd = pidfd, .events = POLLIN};

    return pidfd >= 0 && poll(&one, 1, 0) == 1;
}

/* ---- the program's end */

static bool is_ours(const char *variable)
{
    static const char name[] = FL_ZYGOTE_VARIABLE "=";

    return strncmp(variable, name, sizeof name - 1) == 0;
}

/* The environment, and in it the variable. NULL: out of memory. */
static char **environment(void)
{
    static char told[] = FL_ZYGOTE_VARIABLE "=3";
    size_t n = 0;
    size_t kept = 0;
    char **copy;

    while (environ != NULL && environ[n] != NULL)
        n++;
    copy = malloc((n + 2) * sizeof *copy);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!is_ours(environ[i]))
            copy[kept++] = environ[i];
    }
    copy[kept++] = told;
    copy[kept] = NULL;
    return copy;
}

static int status_of(int error)
{
    switch (error) {
    case 0:
        return 0;
    case EAGAIN:
        return FILCH_EAGAIN;
    case ENOMEM:
        return FILCH_ENOMEM;
    case EMFILE:
    case ENFILE:
        return FILCH_EMFILE;
    default:
        return FILCH_ENOENT;
    }
}

/* A group of its own: a terminal's signals are for the program, and whoever it tells. */
static int spawn(const char *program, int fd, pid_t *pid)
{
    char *const arguments[] = {(char *)(uintptr_t)program, NULL};
    char **variables = environment();
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none;
    sigset_t all;
    int error;

    if (variables == NULL)
        return FILCH_ENOMEM;
    sigemptyset(&none);
    sigfillset(&all);
    error = posix_spawn_file_actions_init(&files);
    if (error != 0)
        goto free_variables;
    error = posix_spawnattr_init(&how);
    if (error != 0)
        goto destroy_files;
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                       POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setpgroup(&how, 0);
    error = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&files, fd, FL_ZYGOTE_FD);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&files, FL_ZYGOTE_FD + 1);
    if (error == 0)
        error = posix_spawn(pid, program, &files, &how, arguments, variables);
    posix_spawnattr_destroy(&how);
destroy_files:
    posix_spawn_file_actions_destroy(&files);
free_variables:
    free(variables);
    return status_of(error);
}

/* It must not stay a zombie; where the program does not want to know of its children, it is gone. */
static void take_away(int pidfd)
{
    siginfo_t info;
    int got;

    do {
        got = waitid((idtype_t)BY_PIDFD, (id_t)pidfd, &info, WEXITED);
    } while (got != 0 && errno == EINTR);
}

void fl_zygote_end(int control, int pidfd)
{
    int saved = errno;

    fl_close(control);
    if (pidfd >= 0) {
        fl_pidfd_kill(pidfd, SIGKILL);
        take_away(pidfd);
        fl_close(pidfd);
    }
    errno = saved;
}

/* No descriptor of it is to be had. One that has died, and that somebody else has taken away, the host or, where it
 * ignores SIGCHLD, the kernel, is told as one that dies a moment later: and its number may be another's by now. */
static int give_up(pid_t child, int error)
{
    if (error == ESRCH)
        return FILCH_ENOTSUP;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return error == ENOSYS || error == EPERM ? FILCH_ENOTSUP : FILCH_EMFILE;
}

int fl_zygote_start(const char *program, int *control, int *pidfd, int *pid)
{
    int saved = errno;
    int fd[2];
    pid_t child;
    int status = fl_socket_pair(fd);

    if (status != 0)
        return status;
    status = spawn(program, fd[1], &child);
    fl_close(fd[1]);
    if (status != 0)
        goto close_control;
    *pidfd = pidfd_open_of(child);
    if (*pidfd < 0) {
        status = give_up(child, errno);
        goto close_control;
    }
    *control = fd[0];
    *pid = (int)child;
    errno = saved;
    return 0;

close_control:
    fl_close(fd[0]);
    errno = saved;
    return status;
}

/* ---- the zygote itself */

struct offspring {
    uint32_t worker;
    uint64_t life;
    pid_t pid;
};

/* The first of the polled is the control socket; child i is at i + 1. */
struct zygote {
    int control;
    struct pollfd *polled;
    struct offspring *child;
    size_t n, room;
    struct fl_child_start start;
    struct sigaction before; /* for SIGCHLD, as the program has it */
};

static void tell(const struct zygote *z, const struct fl_news *news, const int *fd)
{
    if (fl_socket_send(z->control, news, sizeof *news, fd, fd != NULL ? 1 : 0, true) != 0)
        _exit(0);
}

static bool has_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    size_t n = 0;

    if (FL_TSAN || tasks == NULL) /* its runtime has one, and can fork all the same */
        return false;
    while ((entry = readdir(tasks)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n > 1;
}

static void introduce(const struct zygote *z)
{
    struct fl_news news = {.version = FL_WIRE_VERSION};
    uint32_t n = 0;

    news.kind = FL_NEWS_BUILD;
    fl_build_tell(news.name, sizeof news.name);
    tell(z, &news, NULL);
    for (const char *name; (name = fl_job_name(n)) != NULL; n++) {
        news.kind = FL_NEWS_NAME;
        news.worker = n;
        memset(news.name, 0, sizeof news.name);
        memcpy(news.name, name, strlen(name));
        tell(z, &news, NULL);
    }
    news.kind = has_threads() ? FL_NEWS_THREADS : FL_NEWS_READY;
    news.worker = n;
    tell(z, &news, NULL);
}

static void make_room(struct zygote *z)
{
    size_t room = z->room != 0 ? 2 * z->room : 16;
    struct pollfd *polled = realloc(z->polled, (room + 1) * sizeof *polled);
    struct offspring *child;

    if (polled == NULL)
        return;
    z->polled = polled;
    child = realloc(z->child, room * sizeof *child);
    if (child == NULL)
        return;
    z->child = child;
    z->room = room;
}

static void unborn(const struct zygote *z, const struct fl_order *order, int error)
{
    struct fl_news news = {.kind = FL_NEWS_UNBORN,
                           .version = FL_WIRE_VERSION,
                           .worker = order->worker,
                           .life = order->life,
                           .status = error};

    tell(z, &news, NULL);
}

_Noreturn static void become_a_child(struct zygote *z)
{
    sigaction(SIGCHLD, &z->before, NULL);
    fl_close(z->control);
    for (size_t i = 0; i < z->n; i++)
        fl_close(z->polled[i + 1].fd);
    fl_child_main(&z->start);
}

static void start(struct zygote *z, const struct fl_order *order, const int fds[4])
{
    struct fl_news news = {.kind = FL_NEWS_FORKED,
                           .version = FL_WIRE_VERSION,
                           .worker = order->worker,
                           .life = order->life};
    pid_t pid = -1;
    int pidfd;

    if (z->n == z->room)
        make_room(z);
    z->start.order = *order;
    z->start.in = fds[0];
    z->start.out = fds[1];
    z->start.socket = fds[2];
    z->start.bell = fds[3];
    errno = ENOMEM;
    if (z->n < z->room)
        pid = fork();
    if (pid == 0)
        become_a_child(z);
    if (pid < 0) {
        unborn(z, order, errno);
        return;
    }
    pidfd = pidfd_open_of(pid);
    if (pidfd < 0) {
        int error = errno;

        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        unborn(z, order, error);
        return;
    }
    z->child[z->n] = (struct offspring){order->worker, order->life, pid};
    z->polled[z->n + 1] = (struct pollfd){.fd = pidfd, .events = POLLIN};
    z->n++;
    news.pid = (int32_t)pid;
    tell(z, &news, &pidfd);
}

static void set_up(struct zygote *z, const struct fl_order *order, int fd)
{
    z->start.setup = fl_job_fn_at(order->job);
    z->start.setup_len = (size_t)order->bytes;
    z->start.setup_in = NULL;
    if (order->bytes != 0) {
        z->start.setup_in = fl_file_map_private(fd, (size_t)order->bytes);
        if (z->start.setup_in == NULL)
            _exit(1);
    }
}

static void kill_child(const struct zygote *z, const struct fl_order *order)
{
    for (size_t i = 0; i < z->n; i++) {
        if (z->child[i].worker == order->worker && z->child[i].life == order->life)
            fl_pidfd_kill(z->polled[i + 1].fd, SIGKILL);
    }
}

static void obey(struct zygote *z)
{
    struct fl_order order;
    int fds[4] = {-1, -1, -1, -1};
    enum fl_got got;

    got = fl_socket_receive(z->control, &order, sizeof order, fds, 4, false);
    if (got == FL_GOT_NOTHING)
        return;
    if (got != FL_GOT)
        _exit(0);
    switch ((enum fl_order_kind)order.kind) {
    case FL_ORDER_SETUP:
        set_up(z, &order, fds[0]);
        break;
    case FL_ORDER_START:
        start(z, &order, fds);
        break;
    case FL_ORDER_KILL:
        kill_child(z, &order);
        break;
    }
    for (int i = 0; i < 4; i++)
        fl_close(fds[i]);
}

/* True: child i is no more. */
static bool bury(struct zygote *z, size_t i)
{
    struct fl_news news = {.kind = FL_NEWS_DEAD,
                           .version = FL_WIRE_VERSION,
                           .worker = z->child[i].worker,
                           .life = z->child[i].life,
                           .pid = (int32_t)z->child[i].pid};
    siginfo_t info = {0};

    if (waitid((idtype_t)BY_PIDFD, (id_t)z->polled[i + 1].fd, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
        return false; /* readable for no reason */
    news.code = info.si_code;
    news.status = info.si_status;
    fl_close(z->polled[i + 1].fd);
    z->n--;
    z->child[i] = z->child[z->n];
    z->polled[i + 1] = z->polled[z->n + 1];
    tell(z, &news, NULL);
    return true;
}

/* A job that prints must not write into what its worker has opened. */
static void have_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
    }
}

void fl_zygote_main(int control)
{
    struct zygote z = {.control = control};
    struct sigaction to_wait = {.sa_handler = SIG_DFL};

    sigaction(SIGCHLD, &to_wait, &z.before); /* otherwise nobody would say how they died */
    fcntl(control, F_SETFD, FD_CLOEXEC);
    have_standard();
    make_room(&z);
    if (z.room == 0)
        _exit(1);
    z.polled[0] = (struct pollfd){.fd = control, .events = POLLIN};
    z.start.zygote = (int)getpid();
    introduce(&z);
    for (;;) {
        if (poll(z.polled, (nfds_t)(z.n + 1), -1) < 0)
            continue;
        for (size_t i = z.n; i-- > 0;) {
            if (z.polled[i + 1].revents != 0)
                bury(&z, i);
        }
        if (z.polled[0].revents != 0)
            obey(&z);
    }
}
