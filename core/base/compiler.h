/* SPDX-License-Identifier: MIT
 *
 * compiler.h: what the compiler and the CPU give: cache lines, pausing, poison, assertions. */
#ifndef FL_BASE_COMPILER_H
#define FL_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#    define FL_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define FL_TSAN 1
#    endif
#endif
#ifndef FL_TSAN
#    define FL_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#    define FL_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define FL_ASAN 1
#    endif
#endif
#ifndef FL_ASAN
#    define FL_ASAN 0
#endif

enum {
    FL_LINE = 64,      /* the unit that caches pass around */
    FL_LINE_PAIR = 128 /* what x86's adjacent-line prefetcher fetches: words of two writers apart */
};

#define fl_likely(x)                     __builtin_expect(!!(x), 1)
#define fl_unlikely(x)                   __builtin_expect(!!(x), 0)
#define fl_container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* Calls fn with the variable's address when its scope is left, also by a thread that ends in the middle
 * (pthread_exit, pthread_cancel): so it stands wherever a user's function is called. It costs nothing
 * where fn is inline and tells by a flag that there is nothing to do. */
#define fl_cleanup(fn) __attribute__((cleanup(fn), unused))

/* A function that is not made part of its callers: so these stay short. */
#define fl_apart __attribute__((noinline))

/* A moment's pause in a spin loop: leaves the core's other half and the bus to others. */
static inline void fl_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ __volatile__("yield");
#endif
}

/* Memory between two lives: AddressSanitizer reports whoever touches it. */
#if FL_ASAN
void __asan_poison_memory_region(void const volatile *p, size_t n);
void __asan_unpoison_memory_region(void const volatile *p, size_t n);
#    define fl_poison(p, n)   __asan_poison_memory_region((p), (n))
#    define fl_unpoison(p, n) __asan_unpoison_memory_region((p), (n))
#else
#    define fl_poison(p, n)   ((void)(p), (void)(n))
#    define fl_unpoison(p, n) ((void)(p), (void)(n))
#endif

/* An invariant, checked where FL_DEBUG is set: it traps there, in the tests; a release build has
 * nothing of it. */
#ifdef FL_DEBUG
#    define FL_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#else
#    define FL_ASSERT(x) ((void)sizeof(x))
#endif

/* Plain fields that threads hand to each other, ordered by an atomic beside them: named, so that a
 * checker of the tests can watch them. */
#ifndef FL_RD
#    define FL_RD(x)    (x)
#    define FL_WR(x, v) ((x) = (v))
#endif

#endif /* FL_BASE_COMPILER_H */
