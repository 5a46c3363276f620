/* SPDX-License-Identifier: MIT
 *
 * harness/watch.c: see watch.h.
 *
 * gdb shows the stacks if it is there. Otherwise each thread of the child is sent SIGTRAP, which
 * filch's workers leave unblocked, and prints its own; a thread that blocks it is shown with what
 * /proc knows: its name, its state and the kernel function it sleeps in. */
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_FRAMES = 64,
    STACK_LIMIT_S = 30,
    EXEC_FAILED = 127
};

/* Runs in the child, in the thread that was asked. */
static void print_own_stack(int signal)
{
    (void)signal;
    int saved_errno = errno;
    void *frames[STACK_FRAMES];
    int n = backtrace(frames, STACK_FRAMES);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    errno = saved_errno;
}

/* Waits for a child until the deadline, CLOCK_MONOTONIC seconds. SIGCHLD is blocked. */
static bool wait_for(pid_t pid, time_t deadline_s, int *status)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid)
            return true;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (ended < 0 || now.tv_sec >= deadline_s)
            return false;
        struct timespec left = {.tv_sec = deadline_s - now.tv_sec};
        sigtimedwait(&child, NULL, &left);
    }
}

static time_t seconds_from_now(unsigned s)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + (time_t)s;
}

static bool show_with_gdb(pid_t pid)
{
    char number[16];
    snprintf(number, sizeof number, "%d", (int)pid);
    pid_t gdb = fork();
    if (gdb < 0)
        return false;
    if (gdb == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        unsetenv("LD_PRELOAD");
        execlp("gdb", "gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-p", number,
               "-ex", "thread apply all bt", (char *)NULL);
        _exit(EXEC_FAILED);
    }
    int status;
    if (wait_for(gdb, seconds_from_now(STACK_LIMIT_S), &status))
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    kill(gdb, SIGKILL);
    waitpid(gdb, &status, 0);
    return false;
}

/* Prints the lines of a thread's status file that tell what it is and whether it can be asked. */
static bool show_thread_status(pid_t pid, pid_t tid)
{
    char path[64];
    char line[256];
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)tid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "Name:", 5) == 0 || strncmp(line, "State:", 6) == 0)
            fprintf(stderr, "  %s", line);
        if (strncmp(line, "SigBlk:", 7) == 0)
            blocked = strtoull(line + 7, NULL, 16);
    }
    fclose(f);

    snprintf(path, sizeof path, "/proc/%d/task/%d/wchan", (int)pid, (int)tid);
    f = fopen(path, "r");
    if (f != NULL) {
        if (fgets(line, sizeof line, f) != NULL)
            fprintf(stderr, "  in the kernel: %s\n", line);
        fclose(f);
    }
    return (blocked & 1ULL << (SIGTRAP - 1)) == 0;
}

static void show_by_signal(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(tasks)) != NULL) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid == 0)
            continue;
        fprintf(stderr, "thread %d\n", (int)tid);
        if (!show_thread_status(pid, tid)) {
            fprintf(stderr, "  blocks SIGTRAP: no stack\n");
            continue;
        }
        syscall(SYS_tgkill, pid, tid, SIGTRAP);
        struct timespec pause = {.tv_nsec = 200000000}; /* one stack after the other */
        nanosleep(&pause, NULL);
    }
    closedir(tasks);
}

__attribute__((noreturn)) static void watch(const char *program, pid_t pid, unsigned limit_s)
{
    int status;
    if (!wait_for(pid, seconds_from_now(limit_s), &status)) {
        fprintf(stderr, "%s: still running after %u s; its threads:\n", program, limit_s);
        if (!show_with_gdb(pid))
            show_by_signal(pid);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        fprintf(stderr, "%s: hung, killed after %u s\n", program, limit_s);
        _exit(EXIT_FAILURE);
    }
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "%s: ended by signal %d (%s)\n", program, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
        _exit(128 + WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

void watch_child(const char *program, unsigned limit_s)
{
    sigset_t child;
    sigset_t before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    fflush(NULL);

    pid_t watcher = getpid();
    pid_t pid = fork();
    if (pid > 0)
        watch(program, pid, limit_s);
    if (pid < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (getppid() != watcher)
        _exit(EXIT_FAILURE);
    void *frame;
    backtrace(&frame, 1); /* loads what it needs now, not in the handler */
    struct sigaction show = {.sa_handler = print_own_stack, .sa_flags = SA_RESTART};
    sigaction(SIGTRAP, &show, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
