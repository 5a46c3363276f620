/* SPDX-License-Identifier: MIT
 *
 * hooks.c: what the compiler's instrumentation for ThreadSanitizer calls, here for the simulator: each
 * function entered, each plain access, each atomic access. */
#include "sim/inside.h"

#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* What the program's constructors and main do is not simulated. */
static bool is_on(void)
{
    return sim_cur != NULL;
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
    if (!is_on())
        return;
    struct sim_stack *s = &sim_cur->calls;
    if (s->depth < SIM_CALLS)
        s->pc[s->depth] = pc;
    s->depth++;
}

void __tsan_func_exit(void)
{
    if (is_on() && sim_cur->calls.depth > 0)
        sim_cur->calls.depth--;
}

/* The place of the access itself is the innermost of the stack while it lasts. */
static void enter(void *pc)
{
    __tsan_func_entry(pc);
}

#define HERE __builtin_return_address(0)

/* ---- mutants: some operations get a weaker order than the code asks for ---- */

enum {
    WEAKENED_MAX = 64
};
static uint32_t weakened_pc[WEAKENED_MAX];
static unsigned weakened_n;
static int weakened_order;
static bool weakened_is_failure;
uint64_t sim_weakened_met; /* how often one of them was executed */

void sim_weaken(const uint32_t *pc, unsigned n, int order, bool is_failure)
{
    weakened_n = n < WEAKENED_MAX ? n : WEAKENED_MAX;
    memcpy(weakened_pc, pc, weakened_n * sizeof pc[0]);
    weakened_order = order;
    weakened_is_failure = is_failure;
}

static bool is_weakened(const void *pc)
{
    for (unsigned i = 0; i < weakened_n; i++) {
        if (weakened_pc[i] == (uint32_t)(uintptr_t)pc) {
            sim_weakened_met++;
            return true;
        }
    }
    return false;
}

static int sim_weakened(const void *pc, int order)
{
    return weakened_n != 0 && !weakened_is_failure && is_weakened(pc) ? weakened_order : order;
}

static int sim_weakened_failure(const void *pc, int order)
{
    return weakened_n != 0 && weakened_is_failure && is_weakened(pc) ? weakened_order : order;
}

static void plain(void *p, size_t n, bool is_write, void *pc)
{
    if (!is_on())
        return;
    enter(pc);
    sim_mem_plain(p, n, is_write);
    __tsan_func_exit();
}

#define PLAIN(n)                                                                                   \
    void __tsan_read##n(void *p)                                                                   \
    {                                                                                              \
        plain(p, n, false, HERE);                                                                  \
    }                                                                                              \
    void __tsan_write##n(void *p)                                                                  \
    {                                                                                              \
        plain(p, n, true, HERE);                                                                   \
    }                                                                                              \
    void __tsan_unaligned_read##n(void *p)                                                         \
    {                                                                                              \
        plain(p, n, false, HERE);                                                                  \
    }                                                                                              \
    void __tsan_unaligned_write##n(void *p)                                                        \
    {                                                                                              \
        plain(p, n, true, HERE);                                                                   \
    }                                                                                              \
    void __tsan_read_write##n(void *p)                                                             \
    {                                                                                              \
        plain(p, n, true, HERE);                                                                   \
    }                                                                                              \
    void __tsan_unaligned_read_write##n(void *p)                                                   \
    {                                                                                              \
        plain(p, n, true, HERE);                                                                   \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *p, size_t n)
{
    plain(p, n, false, HERE);
}

void __tsan_write_range(void *p, size_t n)
{
    plain(p, n, true, HERE);
}

/* An atomic access of each size and kind. */
#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const volatile type *p, int order)                             \
    {                                                                                              \
        type v;                                                                                    \
        if (!is_on())                                                                              \
            return *p;                                                                             \
        enter(HERE);                                                                               \
        v = (type)sim_mem_load(p, bits / 8, sim_weakened(HERE, order));                            \
        __tsan_func_exit();                                                                        \
        return v;                                                                                  \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *p, type v, int order)                          \
    {                                                                                              \
        if (!is_on()) {                                                                            \
            *p = v;                                                                                \
            return;                                                                                \
        }                                                                                          \
        enter(HERE);                                                                               \
        sim_mem_store(p, bits / 8, (uint64_t)v, sim_weakened(HERE, order));                        \
        __tsan_func_exit();                                                                        \
    }                                                                                              \
    RMW(bits, type, exchange, SIM_SWAP)                                                            \
    RMW(bits, type, fetch_add, SIM_ADD)                                                            \
    RMW(bits, type, fetch_sub, SIM_SUB)                                                            \
    RMW(bits, type, fetch_and, SIM_AND)                                                            \
    RMW(bits, type, fetch_or, SIM_OR)                                                              \
    RMW(bits, type, fetch_xor, SIM_XOR)                                                            \
    CAS(bits, type, strong, false)                                                                 \
    CAS(bits, type, weak, true)                                                                    \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,       \
                                                    int success, int failure)                      \
    {                                                                                              \
        __tsan_atomic##bits##_compare_exchange_strong(p, &expected, v, success, failure);          \
        return expected;                                                                           \
    }

#define RMW(bits, type, name, op)                                                                  \
    type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)                         \
    {                                                                                              \
        type before;                                                                               \
        enter(HERE);                                                                               \
        before = (type)sim_mem_rmw(p, bits / 8, op, (uint64_t)v, sim_weakened(HERE, order));       \
        __tsan_func_exit();                                                                        \
        return before;                                                                             \
    }

#define CAS(bits, type, name, is_weak)                                                             \
    int __tsan_atomic##bits##_compare_exchange_##name(volatile type *p, type *expected, type v,    \
                                                      int success, int failure)                    \
    {                                                                                              \
        uint64_t old = *expected;                                                                  \
        bool won;                                                                                  \
        enter(HERE);                                                                               \
        won = sim_mem_cas(p, bits / 8, &old, (uint64_t)v, sim_weakened(HERE, success),             \
                          sim_weakened_failure(HERE, failure), is_weak);                           \
        *expected = (type)old;                                                                     \
        __tsan_func_exit();                                                                        \
        return won;                                                                                \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_atomic_thread_fence(int order)
{
    if (!is_on())
        return;
    enter(HERE);
    sim_mem_fence(sim_weakened(HERE, order));
    __tsan_func_exit();
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}
