/* SPDX-License-Identifier: MIT
 *
 * harness/watch.h: a process that waits for its child and shows where the child hangs. */
#ifndef FL_TESTS_HARNESS_WATCH_H
#define FL_TESTS_HARNESS_WATCH_H

/* Forks. Returns in the child, alone; the parent exits as the child does, or with 1 after the limit
 * when it has printed the stack of every thread of the child and killed it. */
void watch_child(const char *program, unsigned limit_s);

#endif /* FL_TESTS_HARNESS_WATCH_H */
