/* SPDX-License-Identifier: MIT
 *
 * harness/test.h: what a test program is made of: tests, their clock, their seed.
 *
 * A test is TEST(the_sentence_it_proves) and a body; there is no list of tests and no main to
 * write. cmocka carries the assertions and the report. Its assertions jump, so they belong to the
 * thread that runs the test; any other thread uses test_check. A program that does not end in time
 * is shown with the stack of each of its threads and killed.
 *
 *     #include "harness/test.h"
 *
 *     TEST(a_deque_gives_back_what_was_pushed_last)
 *     {
 *         assert_ptr_equal(fl_deque_pop(&d), &task);
 *     }
 *
 * Environment   FILCH_TEST_SECONDS   the time limit of the program; 0: none (for a debugger)
 *               FILCH_SEED           the seed that test_seed gives
 *               FILCH_SCALE          the factor that test_scale gives
 * The first argument, if any, names the tests to run: "*empty*". */
#ifndef FL_TESTS_HARNESS_TEST_H
#define FL_TESTS_HARNESS_TEST_H

/* cmocka.h needs the first four. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

struct test_case {
    const char *name;
    int line;
    void (*run)(void **state);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST(name)                                                                                 \
    static void name(void **state);                                                                \
    __attribute__((constructor)) static void test_register_##name(void)                            \
    {                                                                                              \
        static struct test_case test_case = {#name, __LINE__, name, NULL};                         \
        test_register(&test_case);                                                                 \
    }                                                                                              \
    static void name(__attribute__((unused)) void **state)

/* Ends the running test as skipped, with the reason in the report; a program all of whose tests are
 * skipped exits with 77, which CTest reports as "Skipped". For the test's own thread. */
#define test_skip(reason)                                                                          \
    do {                                                                                           \
        test_note_skip(reason);                                                                    \
        skip();                                                                                    \
    } while (0)

void test_note_skip(const char *reason);

/* An assertion for any thread: a failure prints its place and the stack and ends the program. */
#define test_check(condition)                                                                      \
    ((condition) ? (void)0 : test_fail_here(#condition, __FILE__, __LINE__))

__attribute__((noreturn)) void test_fail_here(const char *condition, const char *file, int line);

/* The seed of this run, the same for each call; the first call prints it. */
uint64_t test_seed(void);

/* How much of a stress test is worth running: 1, less in a debug build, under a sanitizer or valgrind. */
double test_scale(void);

/* n times test_scale, at least 1. */
size_t test_scaled(size_t n);

/* Runs fn(0, arg) to fn(n - 1, arg) on n threads that start together, and joins them. */
void test_threads(unsigned n, void (*fn)(unsigned i, void *arg), void *arg);

#endif /* FL_TESTS_HARNESS_TEST_H */
