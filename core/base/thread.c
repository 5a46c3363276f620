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

#include "base/compiler.h"

static const uint32_t nobody_asks;
static _Thread_local struct fl_self self;
__thread struct filch_forks filch_forks = {NULL, &nobody_asks};

const uint32_t *fl_forks_unasked(void)
{
    return &nobody_asks;
}

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
    int before;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before); /* whoever joins may hold a lock */
    pthread_join(t->handle, NULL);
    pthread_setcancelstate(before, &before);
}

void fl_thread_detach(struct fl_thread *t)
{
    pthread_detach(t->handle);
}

void fl_thread_name(const char *name)
{
    pthread_setname_np(pthread_self(), name); /* a debugging aid: failing is no harm */
}

void fl_stack_begin(void)
{
    self.stack_begin = (uintptr_t)__builtin_frame_address(0);
    self.stack_bottom = 0;
}

/* It allocates, and asks the kernel for more than that: a thread that never nests its waits is better off
 * without. What lies above where the stack has begun, thread-local storage among it, is not the stack's to
 * give. Where the bottom can't be found out, no address is above it: nothing is left. */
static void measure_stack(void)
{
    pthread_attr_t attr;
    void *bottom;
    size_t size;

    self.stack_bottom = UINTPTR_MAX;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &bottom, &size) == 0) {
        self.stack_bottom = (uintptr_t)bottom;
        self.stack_eighth = (self.stack_begin - self.stack_bottom) / 8;
    }
    pthread_attr_destroy(&attr);
}

bool fl_stack_has_eighths(unsigned n)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (fl_unlikely(self.stack_bottom == 0))
        measure_stack();
    return here > self.stack_bottom && here - self.stack_bottom > n * self.stack_eighth;
}

void fl_thread_yield(void)
{
    sched_yield();
}
