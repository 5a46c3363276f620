/* SPDX-License-Identifier: MIT
 *
 * filch/fork.h: fork and join on the caller's stack, for a few nanoseconds.
 *
 * filch_fork says that a function may run on another thread from now on; filch_join has its result. In
 * between the caller works at something else. Mostly nobody takes it, and then the join just calls it:
 * so one forks as finely as the problem divides, and leaves it to the executor how much of that becomes
 * parallel. Nothing is allocated, and nothing is counted.
 *
 *     FILCH_FORKABLE_1(uint64_t, fib, unsigned, n)
 *     {
 *         fib_task left;
 *         uint64_t right;
 *
 *         if (n < 2)
 *             return n;
 *         fib_fork(&left, n - 1);
 *         right = fib(n - 2);
 *         return right + fib_join(&left);
 *     }
 *
 * Every fork is joined once, by the thread that made it, before the function that made it is left by
 * any way (return, pthread_exit, longjmp, an exception): others may be using what is on its stack. Nor may a
 * task that a fork submits end its thread, which the join may run on top of that function. Forks are joined
 * youngest first; in another order it works, and takes longer.
 *
 * What is forked is part of the task that forks it: wherever it runs, filch_cancel_requested,
 * filch_context_current and filch_fail mean that task's token, context and message. It runs once, and is
 * neither cancelled nor refused, whatever becomes of its executor meanwhile: what is shut down, broken,
 * paused or told to cancel everything takes no forks, so the join runs them.
 *
 * Only a worker of an executor that filch_executor_create makes shows its forks to others; any other
 * thread, outside of all executors too, may fork as well, and runs all of it at the joins. A worker shows
 * them when another has asked for work, at its next fork or join, and before it waits for anything of
 * filch's: until then they are its own. So of a function that forks and then blocks elsewhere, or works
 * for long without a fork or a join, nobody may hear. */
#ifndef FILCH_FORK_H
#define FILCH_FORK_H

#include <filch/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What the inline functions share with the library. Its layout is part of the ABI of this version of
 * the symbols below: if it ever changes, they get other names. */

/* A thread's forks that nobody else has seen. */
struct filch_forks {
    filch_task *newest;    /* a stack: each has the one below it in its word FILCH_FORK_BELOW */
    const uint32_t *asked; /* an atomic word: somebody wants to see them */
};

/* The words of a filch_task that has been forked and not shown. */
enum {
    FILCH_FORK_BELOW = 2,
    FILCH_FORK_FN = 3,
    FILCH_FORK_ARG = 4
};

/* Code of a shared library calls a function of the system's for each look at it, which doubles the price of
 * a fork. One that is loaded with its program, or is sure of the few bytes that dlopen has for such code, may
 * define FILCH_FORK_INITIAL_EXEC before this header, and forks as fast as the program. */
#ifdef FILCH_FORK_INITIAL_EXEC
#    define FILCH_FORK_MODEL_ __attribute__((tls_model("initial-exec")))
#else
#    define FILCH_FORK_MODEL_
#endif

#ifndef FILCH_FORKS /* the library's own tests have another place */
__extension__ extern FILCH_API FILCH_FORK_MODEL_ __thread struct filch_forks filch_forks;
#    define FILCH_FORKS (&filch_forks)
#endif

/* Somebody has asked: shows some of the caller's forks, if he is still there. */
FILCH_API void filch_fork_answer(void);

/* filch_join, of what may have been shown. */
FILCH_API int filch_join_slow(filch_task *t, void **result);

/* Relaxed: nothing goes with it. (The library's own atomics are C11's, which C++ has not.) */
static inline bool filch_fork_is_asked(const struct filch_forks *forks)
{
    return __builtin_expect(__atomic_load_n(forks->asked, __ATOMIC_RELAXED) != 0, 0);
}

/* ---- By a pointer to a function. */

/* Says that fn(arg) may run from now on, on this thread or another, until it is joined. fn is not NULL.
 * Owns     *t is filch's until the join. */
static inline void filch_fork(filch_task *t, filch_task_fn *fn, void *arg)
{
    struct filch_forks *forks = FILCH_FORKS;

    t->_[FILCH_FORK_BELOW] = (uint64_t)(uintptr_t)forks->newest;
    t->_[FILCH_FORK_FN] = (uint64_t)(uintptr_t)fn;
    t->_[FILCH_FORK_ARG] = (uint64_t)(uintptr_t)arg;
    forks->newest = t;
    if (filch_fork_is_asked(forks))
        filch_fork_answer();
}

/* Takes t out of those that nobody has seen, if it is the youngest of them and nobody has asked. */
static inline bool filch_fork_take_back(filch_task *t)
{
    struct filch_forks *forks = FILCH_FORKS;

    if (__builtin_expect(forks->newest != t, 0) || filch_fork_is_asked(forks))
        return false;
    forks->newest = (filch_task *)(uintptr_t)t->_[FILCH_FORK_BELOW];
    return true;
}

/* Has the end of what was forked: calls it, or waits for the thread that runs it. result may be NULL.
 * Returns 0 with *result set, the status that its function returned, or
 *     FILCH_EABANDONED  its function ended the thread that ran it
 *     FILCH_EINVAL      t is NULL, or all of it is zero: it was never forked
 *     FILCH_EFORKED     this is a forked child, and a thread of the parent was running it. What had not
 *                       begun, the child runs
 * Blocks   while another thread runs it, and works for that one meanwhile.
 * Owns     *t is the caller's again. */
static inline int filch_join(filch_task *t, void **result)
{
    if (t != NULL && filch_fork_take_back(t)) {
        filch_task_fn *fn = (filch_task_fn *)(uintptr_t)t->_[FILCH_FORK_FN];
        void *value = NULL;
        int status = fn((void *)(uintptr_t)t->_[FILCH_FORK_ARG], &value);

        if (status == 0 && result != NULL)
            *result = value;
        return status;
    }
    return filch_join_slow(t, result);
}

/* ---- By name: what joins calls the function itself, which the compiler may make part of it.
 *
 * FILCH_FORKABLE_2(ret, name, type1, arg1, type2, arg2) stands in a file for the head of the function
 * `static ret name(type1 arg1, type2 arg2)`, whose body follows, and defines
 *     name_task                           what a fork needs; on the stack of whoever forks
 *     void name_fork(name_task *t, type1 arg1, type2 arg2)
 *     ret name_join(name_task *t)         as filch_join; what the function returns
 * There are FILCH_FORKABLE_1 to _4, and FILCH_FORKABLE_VOID_1 to _4 without ret. If the thread that ran it
 * has ended in the middle of it, or this is a forked child and that thread was the parent's, the join
 * calls the function again: there is no status to say so. A function that is called before its body
 * may be told to FILCH_FORKABLE_DECLARE_1, and so on, and defined as any other. */
#define FILCH_FORKABLE_1(ret, name, A, a)                                                          \
    FILCH_FORKABLE_DECLARE_1(ret, name, A, a)                                                      \
    static ret name(A a)
#define FILCH_FORKABLE_2(ret, name, A, a, B, b)                                                    \
    FILCH_FORKABLE_DECLARE_2(ret, name, A, a, B, b)                                                \
    static ret name(A a, B b)
#define FILCH_FORKABLE_3(ret, name, A, a, B, b, C, c)                                              \
    FILCH_FORKABLE_DECLARE_3(ret, name, A, a, B, b, C, c)                                          \
    static ret name(A a, B b, C c)
#define FILCH_FORKABLE_4(ret, name, A, a, B, b, C, c, D, d)                                        \
    FILCH_FORKABLE_DECLARE_4(ret, name, A, a, B, b, C, c, D, d)                                    \
    static ret name(A a, B b, C c, D d)

#define FILCH_FORKABLE_VOID_1(name, A, a)                                                          \
    FILCH_FORKABLE_VOID_DECLARE_1(name, A, a)                                                      \
    static void name(A a)
#define FILCH_FORKABLE_VOID_2(name, A, a, B, b)                                                    \
    FILCH_FORKABLE_VOID_DECLARE_2(name, A, a, B, b)                                                \
    static void name(A a, B b)
#define FILCH_FORKABLE_VOID_3(name, A, a, B, b, C, c)                                              \
    FILCH_FORKABLE_VOID_DECLARE_3(name, A, a, B, b, C, c)                                          \
    static void name(A a, B b, C c)
#define FILCH_FORKABLE_VOID_4(name, A, a, B, b, C, c, D, d)                                        \
    FILCH_FORKABLE_VOID_DECLARE_4(name, A, a, B, b, C, c, D, d)                                    \
    static void name(A a, B b, C c, D d)

#define FILCH_FORKABLE_DECLARE_1(ret, name, A, a)                                                  \
    FILCH_FORKABLE_VALUE_(ret, name, (A a), (name##_task * t, A a), A a_;, t->a_ = a;, (t->a_))
#define FILCH_FORKABLE_DECLARE_2(ret, name, A, a, B, b)                                            \
    FILCH_FORKABLE_VALUE_(ret, name, (A a, B b), (name##_task * t, A a, B b), A a_; B b_;          \
                          , t->a_ = a; t->b_ = b;, (t->a_, t->b_))
#define FILCH_FORKABLE_DECLARE_3(ret, name, A, a, B, b, C, c)                                      \
    FILCH_FORKABLE_VALUE_(ret, name, (A a, B b, C c), (name##_task * t, A a, B b, C c), A a_;      \
                          B b_; C c_;, t->a_ = a; t->b_ = b; t->c_ = c;, (t->a_, t->b_, t->c_))
#define FILCH_FORKABLE_DECLARE_4(ret, name, A, a, B, b, C, c, D, d)                                \
    FILCH_FORKABLE_VALUE_(                                                                         \
        ret, name, (A a, B b, C c, D d), (name##_task * t, A a, B b, C c, D d), A a_; B b_; C c_;  \
        D d_;, t->a_ = a; t->b_ = b; t->c_ = c; t->d_ = d;, (t->a_, t->b_, t->c_, t->d_))

#define FILCH_FORKABLE_VOID_DECLARE_1(name, A, a)                                                  \
    FILCH_FORKABLE_NONE_(name, (A a), (name##_task * t, A a), A a_;, t->a_ = a;, (t->a_))
#define FILCH_FORKABLE_VOID_DECLARE_2(name, A, a, B, b)                                            \
    FILCH_FORKABLE_NONE_(name, (A a, B b), (name##_task * t, A a, B b), A a_; B b_;, t->a_ = a;    \
                         t->b_ = b;, (t->a_, t->b_))
#define FILCH_FORKABLE_VOID_DECLARE_3(name, A, a, B, b, C, c)                                      \
    FILCH_FORKABLE_NONE_(name, (A a, B b, C c), (name##_task * t, A a, B b, C c), A a_; B b_;      \
                         C c_;, t->a_ = a; t->b_ = b; t->c_ = c;, (t->a_, t->b_, t->c_))
#define FILCH_FORKABLE_VOID_DECLARE_4(name, A, a, B, b, C, c, D, d)                                \
    FILCH_FORKABLE_NONE_(name, (A a, B b, C c, D d), (name##_task * t, A a, B b, C c, D d), A a_;  \
                         B b_; C c_; D d_;, t->a_ = a; t->b_ = b; t->c_ = c; t->d_ = d;            \
                         , (t->a_, t->b_, t->c_, t->d_))

/* The members end in an underscore, so that an argument may have any name but t. */
#define FILCH_FORKABLE_VALUE_(ret, name, params, fork_params, members, keep, args)                 \
    FILCH_FORKABLE_HEAD_(ret, name, params, fork_params, members ret value_;                       \
                         , keep, t->value_ =, args)                                                \
    __attribute__((unused)) static inline ret name##_join(name##_task *t)                          \
    {                                                                                              \
        if (filch_fork_take_back(&t->task_) || filch_join_slow(&t->task_, NULL) != 0)              \
            return name args;                                                                      \
        return t->value_;                                                                          \
    }
#define FILCH_FORKABLE_NONE_(name, params, fork_params, members, keep, args)                       \
    FILCH_FORKABLE_HEAD_(void, name, params, fork_params, members, keep, , args)                   \
    __attribute__((unused)) static inline void name##_join(name##_task *t)                         \
    {                                                                                              \
        if (filch_fork_take_back(&t->task_) || filch_join_slow(&t->task_, NULL) != 0)              \
            name args;                                                                             \
    }
#define FILCH_FORKABLE_HEAD_(ret, name, params, fork_params, members, keep, set, args)             \
    typedef struct name##_task {                                                                   \
        filch_task task_;                                                                          \
        members                                                                                    \
    } name##_task;                                                                                 \
    static ret name params;                                                                        \
    static inline int name##_run_(void *arg_, void **result_)                                      \
    {                                                                                              \
        name##_task *t = (name##_task *)arg_;                                                      \
                                                                                                   \
        (void)result_;                                                                             \
        set name args;                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    __attribute__((unused)) static inline void name##_fork fork_params                             \
    {                                                                                              \
        keep filch_fork(&t->task_, name##_run_, t);                                                \
    }

#ifdef __cplusplus
}
#endif

#endif /* FILCH_FORK_H */
