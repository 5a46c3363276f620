/* SPDX-License-Identifier: MIT
 *
 * test_alloc_preload.c: libfilch.so finds a jemalloc that nobody linked and the loader was told to
 * load first. The test starts this program again under LD_PRELOAD. */
/* shared */
#include "harness/test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filch/base.h>

#include "base/compiler.h"

static void use_jemalloc(void)
{
    filch_allocator a;
    filch_allocator_stats stats;

    assert_int_equal(filch_allocator_jemalloc(&a), 0);
    void *p = a.alloc(a.ctx, 4096, 64);
    assert_non_null(p);
    assert_int_equal(filch_allocator_stats_read(&a, &stats), 0);
    assert_int_equal(stats.allocated, 4096);
    a.free(a.ctx, p, 4096, 64);
    a.destroy(a.ctx);
}

TEST(a_preloaded_jemalloc_is_found)
{
    if (FL_ASAN || FL_TSAN)
        test_skip("a sanitizer has malloc to itself");
    if (getenv("LD_PRELOAD") != NULL) {
        use_jemalloc();
        return;
    }

    filch_allocator a;
    assert_int_equal(filch_allocator_jemalloc(&a), FILCH_ENOTSUP);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("LD_PRELOAD", "libjemalloc.so.2", 1);
        execl("/proc/self/exe", "test_alloc_preload", (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
