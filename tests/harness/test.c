/* SPDX-License-Identifier: MIT
 *
 * harness/test.c: the main of every test program: a child runs the tests, the parent watches it.
 *
 * The watching process has no part in the test: no thread and no timer that a test could trip over,
 * and a test that hangs with a lock of malloc held is still shown with its stacks. */
#include "test.h"

#include "watch.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_SKIPPED = 77,
    STACK_FRAMES = 64
};

#if defined(__has_feature)
#    define HAS_FEATURE(x) __has_feature(x)
#else
#    define HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#    define SCALE_BUILT 0.1
#elif defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#    define SCALE_BUILT 0.25
#elif defined(FL_DEBUG)
#    define SCALE_BUILT 0.25 /* what AddressSanitizer's build checks as well */
#else
#    define SCALE_BUILT 1.0
#endif

static struct test_case *tests; /* in the order of the file */
static size_t tests_n;
static size_t skipped_n;

void test_register(struct test_case *test)
{
    struct test_case **link = &tests;
    while (*link != NULL && (*link)->line < test->line)
        link = &(*link)->next;
    test->next = *link;
    *link = test;
    tests_n++;
}

void test_note_skip(const char *reason)
{
    print_message("skipped here: %s\n", reason);
    skipped_n++;
}

void test_fail_here(const char *condition, const char *file, int line)
{
    static pthread_mutex_t one_report = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_report); /* never unlocked: the first failure ends the program */

    void *frames[STACK_FRAMES];
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    fflush(NULL);
    backtrace_symbols_fd(frames, backtrace(frames, STACK_FRAMES), STDERR_FILENO);
    _exit(EXIT_FAILURE);
}

static uint64_t seed;

static void choose_seed(void)
{
    const char *given = getenv("FILCH_SEED");
    if (given != NULL) {
        seed = strtoull(given, NULL, 0);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = ((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec) ^
               ((uint64_t)getpid() << 40);
    }
    fprintf(stderr, "seed: FILCH_SEED=%llu\n", (unsigned long long)seed);
}

uint64_t test_seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_seed);
    return seed;
}

double test_scale(void)
{
    const char *given = getenv("FILCH_SCALE");
    if (given != NULL)
        return strtod(given, NULL);
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL)
        return 0.02;
    return SCALE_BUILT;
}

size_t test_scaled(size_t n)
{
    double scaled = (double)n * test_scale();
    return scaled < 1 ? 1 : (size_t)scaled;
}

struct crew {
    pthread_barrier_t start;
    void (*fn)(unsigned i, void *arg);
    void *arg;
};

struct member {
    struct crew *crew;
    unsigned i;
};

static void *member_main(void *arg)
{
    struct member *m = arg;
    pthread_barrier_wait(&m->crew->start);
    m->crew->fn(m->i, m->crew->arg);
    return NULL;
}

void test_threads(unsigned n, void (*fn)(unsigned i, void *arg), void *arg)
{
    struct crew crew = {.fn = fn, .arg = arg};
    pthread_t *threads = calloc(n, sizeof *threads);
    struct member *members = calloc(n, sizeof *members);
    test_check(n > 0 && threads != NULL && members != NULL);
    test_check(pthread_barrier_init(&crew.start, NULL, n) == 0);
    for (unsigned i = 0; i < n; i++) {
        members[i] = (struct member){&crew, i};
        test_check(pthread_create(&threads[i], NULL, member_main, &members[i]) == 0);
    }
    for (unsigned i = 0; i < n; i++)
        test_check(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&crew.start);
    free(members);
    free(threads);
}

static int run_all(const char *program)
{
    struct CMUnitTest *list = calloc(tests_n + 1, sizeof *list);
    test_check(list != NULL);
    size_t i = 0;
    for (struct test_case *t = tests; t != NULL; t = t->next)
        list[i++] = (struct CMUnitTest){.name = t->name, .test_func = t->run};

    int failed = _cmocka_run_group_tests(program, list, tests_n, NULL, NULL);
    free(list);
    if (failed != 0)
        return EXIT_FAILURE;
    return skipped_n > 0 && skipped_n == tests_n ? EXIT_SKIPPED : EXIT_SUCCESS;
}

static unsigned time_limit_s(const char *program)
{
    const char *given = getenv("FILCH_TEST_SECONDS");
    if (given != NULL)
        return (unsigned)strtoul(given, NULL, 10);
    return strncmp(program, "stress_", 7) == 0 ? 280 : 50;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash == NULL ? argv[0] : slash + 1;
    if (tests_n == 0) {
        fprintf(stderr, "%s: no TEST in this program\n", program);
        return EXIT_FAILURE;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);

    unsigned limit_s = time_limit_s(program);
    if (limit_s > 0)
        watch_child(program, limit_s);
    setvbuf(stdout, NULL, _IOLBF, 0);
    return run_all(program);
}
