/* SPDX-License-Identifier: MIT
 *
 * model_futex.h: a futex for GenMC, for models that run with -check-liveness. A sleeper spins on a word
 * of its own, in a loop that is marked for GenMC, which then reports whoever can't be woken any more.
 *
 * The futex promises less than the kernel's: its accesses order nothing but the one store-then-look
 * that the kernel has under its lock; and a wake may be spent on a sleeper that has not compared the
 * word yet and goes on all the same.
 *
 * Beside it, shorter loops around fl_cas_weak. They load, and try, and a try that fails is the load of
 * the next turn; so every execution with a failed try has the same outcome as one in which the load
 * has read at once what the last try found. Therefore load and try are marked as one turn of a spin
 * loop, and GenMC drops the executions in which it fails. A load that stands between the two must not
 * begin a turn of its own: MODEL_BETWEEN is its text.
 *
 * Not so where whoever has failed may have nothing left to do: GenMC takes that loop for one that only
 * waits, and calls it endless when no other thread is left, although the next turn would leave it. There a
 * try is as written, and leaves a trace: MODEL_TRIED is the text of what it stores. */
#ifndef FL_TESTS_BASE_MODEL_FUTEX_H
#define FL_TESTS_BASE_MODEL_FUTEX_H

#include "model.h"

#include <genmc.h>
#include <string.h>

#include "base/futex.h"

#undef fl_load
#undef fl_look
#undef fl_cas_weak
#ifndef MODEL_BETWEEN
#    define MODEL_BETWEEN ""
#endif
#ifndef MODEL_TRIED
#    define MODEL_TRIED ""
#endif
static _Thread_local int model_tries;
#define fl_load(p, order)                                                                          \
    __extension__({                                                                                \
        if (strcmp(#p, MODEL_BETWEEN) != 0) {                                                      \
            __VERIFIER_loop_begin();                                                               \
            __VERIFIER_spin_start();                                                               \
        }                                                                                          \
        atomic_load_explicit((p), memory_order_##order);                                           \
    })
#define fl_look(p) fl_load(p, seq_cst)
#define fl_cas_weak(p, old, v, success, failure)                                                   \
    __extension__({                                                                                \
        bool model_won_ = atomic_compare_exchange_strong_explicit(                                 \
            (p), (old), (v), memory_order_##success, memory_order_##failure);                      \
        if (strcmp(#v, MODEL_TRIED) == 0) {                                                        \
            model_tries++; /* of its own */                                                        \
        } else {                                                                                   \
            __VERIFIER_spin_end(model_won_);                                                       \
            model_won_ = true;                                                                     \
        }                                                                                          \
        model_won_;                                                                                \
    })
#define MODEL_FAILED_seq_cst() ((void)0) /* GenMC has given the read this order already */

/* Waits; -check-liveness reports a wait that nothing can end. */
#define MODEL_UNTIL(x)                                                                             \
    do {                                                                                           \
        __VERIFIER_loop_begin();                                                                   \
        __VERIFIER_spin_start();                                                                   \
        __VERIFIER_spin_end(x);                                                                    \
    } while (0)

/* How many threads may sleep. */
#ifndef MODEL_SLEEPERS
#    define MODEL_SLEEPERS 2
#endif

/* For each thread that may sleep: the word it sleeps on, or NULL. */
static fl_atomic(fl_atomic(uint32_t) *) model_asleep[MODEL_SLEEPERS];
static _Thread_local int model_self;

int fl_futex_wait(fl_atomic(uint32_t) * word, uint32_t expected, int64_t deadline)
{
    fl_atomic(fl_atomic(uint32_t) *) *asleep = &model_asleep[model_self];

    (void)deadline;
    fl_swap(asleep, word, relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (fl_load(word, relaxed) != expected) {
        fl_swap(asleep, NULL, relaxed);
        return 0;
    }
    MODEL_UNTIL(fl_load(asleep, relaxed) == NULL);
    return 0;
}

void fl_futex_wake(fl_atomic(uint32_t) * word, int n)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (int i = 0; i < MODEL_SLEEPERS && n > 0; i++) {
        fl_atomic(uint32_t) *seen = word;

        if (atomic_compare_exchange_strong_explicit(&model_asleep[i], &seen, NULL,
                                                    memory_order_relaxed, memory_order_relaxed))
            n--;
    }
}

#endif /* FL_TESTS_BASE_MODEL_FUTEX_H */
