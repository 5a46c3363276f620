/* SPDX-License-Identifier: MIT
 *
 * seam.h: what a file that holds a structure of Concurrency Kit's tells ThreadSanitizer.
 *
 * CK's accesses are assembly and volatile: ThreadSanitizer sees none of the former and takes the
 * latter for races. Such a file is not instrumented and names its edges by hand: what was before a
 * release on an address is visible behind an acquire on it. malloc, memcpy and their like are seen
 * even there, so what is copied through a structure is still checked; between quiet and loud
 * nothing of the calling thread is, for CK's own memory. Any other build has nothing of it. */
#ifndef FL_QUEUE_SEAM_H
#define FL_QUEUE_SEAM_H

#include "base/compiler.h"

#if FL_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
/* Weak: clang's runtime shows them to the program it is linked into, but not to its libraries. */
__attribute__((weak)) void __tsan_ignore_thread_begin(void);
__attribute__((weak)) void __tsan_ignore_thread_end(void);
#    define fl_seam_acquire(address) __tsan_acquire(address)
#    define fl_seam_release(address) __tsan_release(address)
#    define fl_seam_quiet()                                                                        \
        (__tsan_ignore_thread_begin != NULL ? __tsan_ignore_thread_begin() : (void)0)
#    define fl_seam_loud() (__tsan_ignore_thread_end != NULL ? __tsan_ignore_thread_end() : (void)0)
#else
#    define fl_seam_acquire(address) ((void)(address))
#    define fl_seam_release(address) ((void)(address))
#    define fl_seam_quiet()          ((void)0)
#    define fl_seam_loud()           ((void)0)
#endif

#endif /* FL_QUEUE_SEAM_H */
