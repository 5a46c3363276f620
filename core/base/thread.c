/* SPDX-License-Identifier: MIT
 *
 * thread.c: the door to pthreads. The signal mask of a new thread is set through its attributes, so
 * that the caller's is never touched, not even for a moment. */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <filch/base.h>

static _Thread_local struct fl_self self;

struct fl_self *fl_self(void)
{
    return &self;
}

static void worker_signals(sigset_t *set)
{
    static const int kept[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP, SIGPROF};

    sigfillset(set);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        sigdelset(set, kept[i]);
}

static size_t whole_pages(size_t stack_size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);

    if (stack_size < least)
        stack_size = least;
    return stack_size > SIZE_MAX - page ? stack_size : (stack_size + page - 1) / page * page;
}

int fl_thread_start(struct fl_thread *t, void *(*main)(void *), void *arg,
                    const struct fl_thread_options *options)
{
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);

    if (error != 0)
        return FILCH_ENOMEM;
    if (options->stack_size != 0)
        error = pthread_attr_setstacksize(&attr, whole_pages(options->stack_size));
    if (error == 0 && !options->keep_signals) {
        sigset_t blocked;

        worker_signals(&blocked);
        error = pthread_attr_setsigmask_np(&attr, &blocked);
    }
    if (error == 0)
        error = pthread_create(&t->handle, &attr, main, arg);
    pthread_attr_destroy(&attr);
    if (error == 0)
        return 0;
    return error == ENOMEM ? FILCH_ENOMEM : FILCH_EAGAIN;
}

void fl_thread_join(struct fl_thread *t)
{
    pthread_join(t->handle, NULL);
}

void fl_thread_detach(struct fl_thread *t)
{
    pthread_detach(t->handle);
}

void fl_thread_name(const char *name)
{
    pthread_setname_np(pthread_self(), name); /* a debugging aid: failing is no harm */
}

/* Where it can't be found out, no address is above it: nothing is roomy. */
static uintptr_t find_stack_middle(void)
{
    pthread_attr_t attr;
    void *bottom = NULL;
    size_t size = 0;
    uintptr_t middle = UINTPTR_MAX;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return middle;
    if (pthread_attr_getstack(&attr, &bottom, &size) == 0)
        middle = (uintptr_t)bottom + size / 2;
    pthread_attr_destroy(&attr);
    return middle;
}

bool fl_stack_is_roomy(void)
{
    if (self.stack_middle == 0)
        self.stack_middle = find_stack_middle();
    return (uintptr_t)__builtin_frame_address(0) > self.stack_middle;
}

void fl_thread_yield(void)
{
    sched_yield();
}
