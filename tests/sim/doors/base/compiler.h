/* SPDX-License-Identifier: MIT
 *
 * compiler.h of the simulator: the real one, but for what the simulator has to see: a pause in a spin
 * loop, poisoned memory, a broken assertion. */
#ifndef FL_SIM_COMPILER_H
#define FL_SIM_COMPILER_H

#define fl_relax fl_relax_native
#include "../../../../core/base/compiler.h"
#undef fl_relax

void sim_pause(void);
void sim_poison(const void *p, size_t n);
void sim_unpoison(const void *p, size_t n);
__attribute__((noreturn)) void sim_fail(const char *kind, const char *what, const char *file,
                                        int line);

#define fl_relax() sim_pause()

#undef fl_poison
#undef fl_unpoison
#define fl_poison(p, n)   sim_poison((p), (n))
#define fl_unpoison(p, n) sim_unpoison((p), (n))

#undef FL_ASSERT
#define FL_ASSERT(x) ((x) ? (void)0 : sim_fail("assertion", #x, __FILE__, __LINE__))

/* The instrumentation is ThreadSanitizer's, the checker is not: it sees fences. */
#undef FL_TSAN
#define FL_TSAN 0

#endif /* FL_SIM_COMPILER_H */
