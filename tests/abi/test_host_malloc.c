/* SPDX-License-Identifier: MIT
 *
 * test_host_malloc.c: a program that links libfilch.so keeps its own malloc, and its signals.
 *
 * A shared library that links jemalloc replaces the host's malloc without being asked; filch finds
 * jemalloc only where the host has brought it. */
/* shared */
/* libs: dl */
#include "harness/test.h"

#include <dlfcn.h>
#include <filch/filch.h>
#include <signal.h>
#include <string.h>

/* The file that the dynamic linker took name from. */
static const char *home_of(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    assert_non_null(found);
    Dl_info info;
    assert_int_not_equal(dladdr(found, &info), 0);
    const char *slash = strrchr(info.dli_fname, '/');
    return slash == NULL ? info.dli_fname : slash + 1;
}

static int work(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static void use_filch(void)
{
    filch_executor *ex;
    filch_future *f;
    assert_int_equal(filch_executor_create(&ex, NULL), 0);
    assert_int_equal(filch_submit(ex, work, &ex, &f), 0);
    void *result = NULL;
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, &ex);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(in_a_program_linked_to_libfilch_malloc_is_still_libcs)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    test_skip("the sanitizer's malloc stands in for libc's");
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    test_skip("the sanitizer's malloc stands in for libc's");
#    endif
#endif
    assert_string_equal(home_of("filch_submit"), "libfilch.so.0");
    use_filch();
    static const char *const names[] = {
        "malloc", "free", "calloc", "realloc", "posix_memalign", "aligned_alloc", "pthread_create"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(home_of(names[i]), "libc.so.6");
}

TEST(the_hosts_signal_handlers_are_the_same_before_and_after)
{
    struct sigaction before[NSIG];
    memset(before, 0, sizeof before);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, NULL, &before[i]);
    use_filch();
    for (int i = 1; i < NSIG; i++) {
        struct sigaction after;
        memset(&after, 0, sizeof after);
        sigaction(i, NULL, &after);
        assert_ptr_equal(after.sa_handler, before[i].sa_handler);
        assert_int_equal(after.sa_flags, before[i].sa_flags);
    }
}
