/* SPDX-License-Identifier: MIT
 *
 * test_sigchld.c: a program that does not want to know of its children, from before filch_process_main on, or later. */
/* link: -Wl,--wrap=posix_spawn */
#include <spawn.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

/* What the worker has for SIGCHLD: 1 if it ignores it. */
static int job_ignores(const void *in, size_t len, filch_buffer *out)
{
    struct sigaction action;
    char ignores;

    (void)in;
    (void)len;
    sigaction(SIGCHLD, NULL, &action);
    ignores = action.sa_handler == SIG_IGN;
    return filch_buffer_append(out, &ignores, 1);
}

static void more_jobs(void)
{
    if (getenv("FILCH_ZYGOTE") != NULL) /* the harness has children that it waits for */
        signal(SIGCHLD, SIG_IGN);
    if (filch_job_register("ignores", job_ignores) != 0)
        abort();
}

TEST(a_crash_is_told_where_children_are_ignored)
{
    filch_executor *ex = processes(1);

    for (int i = 0; i < 3; i++) {
        filch_future *f = submit(ex, "segv", NULL, 0);

        assert_int_equal(crash_of(f, FILCH_ECRASHED).signal, SIGSEGV);
        filch_future_release(f);
    }
    filch_executor_destroy(ex);
}

TEST(jobs_find_the_signals_as_the_program_has_set_them)
{
    filch_executor *ex = processes(1);

    expect(submit(ex, "ignores", NULL, 0), "\1", 1);
    filch_executor_destroy(ex);
}

/* ---- in the program itself */

static bool waits_for_its_end; /* whoever is spawned is gone before that is told */

int __real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *how, char *const arguments[],
                       char *const variables[]);
int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *how, char *const arguments[],
                       char *const variables[]);

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *how, char *const arguments[],
                       char *const variables[])
{
    int error = __real_posix_spawn(pid, path, files, how, arguments, variables);

    while (waits_for_its_end && error == 0 && kill(*pid, 0) == 0)
        usleep(100);
    return error;
}

/* From here to the end of a test. */
static struct sigaction ignore_children(int flags)
{
    struct sigaction ignores = {.sa_flags = flags};
    struct sigaction before;

    ignores.sa_handler = flags == 0 ? SIG_IGN : SIG_DFL;
    assert_int_equal(sigaction(SIGCHLD, &ignores, &before), 0);
    return before;
}

static void expect_all_is_well(int flags)
{
    struct sigaction before = ignore_children(flags);
    filch_executor *ex = processes(1);

    for (int i = 0; i < 3; i++) {
        filch_future *f = submit(ex, "exit", "\7", 1);
        filch_crash crash = crash_of(f, FILCH_ECRASHED);

        assert_int_equal(crash.how, FILCH_DEATH_EXIT);
        assert_int_equal(crash.exit_code, 7);
        filch_future_release(f);
        f = submit(ex, "segv", NULL, 0);
        assert_int_equal(crash_of(f, FILCH_ECRASHED).signal, SIGSEGV);
        filch_future_release(f);
        expect_echo(ex, "x", 1);
        while (filch_process_pid(ex, 0) == 0)
            usleep(100);
        assert_int_equal(kill(parent_of(filch_process_pid(ex, 0)), SIGKILL), 0);
        while (stats_of(ex).started < (uint64_t)(i + 1) * 3 + 1)
            usleep(100);
        expect_echo(ex, "x", 1);
    }
    filch_executor_destroy(ex);
    sigaction(SIGCHLD, &before, NULL);
}

TEST(a_program_that_ignores_its_children_is_told_how_jobs_end_all_the_same)
{
    expect_all_is_well(0);
    expect_all_is_well(SA_NOCLDWAIT);
}

TEST(another_program_that_ends_at_once_is_none_of_ours_though_nobody_is_told_of_its_end)
{
    struct sigaction before = ignore_children(0);
    filch_process_options options = {.size = sizeof options, .workers = 1, .program = "/bin/true"};
    filch_executor *ex;

    waits_for_its_end = true;
    assert_int_equal(filch_process_executor_create(&ex, &options), FILCH_ENOTSUP);
    waits_for_its_end = false;
    sigaction(SIGCHLD, &before, NULL);
}
