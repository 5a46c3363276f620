/* SPDX-License-Identifier: MIT
 *
 * slices.c: a process for each slice. It writes what it found to a pipe, and ends. One that crashes or does
 * not end is reported by name; the others go on. */
#include "driver/slices.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/pools.h"

enum {
    MAX_OPTIONS = 16,
    PATIENCE_S = 60 /* and twenty times what was expected */
};

struct answer {
    double figure;
    double more[MAX_METRICS - 1];
    struct hist hist;
};

/* ---- the child */

static void turn(const struct load *load, const struct bench_pool *p, struct slice *slice)
{
    if (p->ops == NULL)
        load->run_machine(load, slice);
    else if (load->run_jobs != NULL && p->ops->processes->answer != NULL)
        p->ops->processes->answer(load, slice);
    else if (load->run_jobs != NULL)
        load->run_jobs(load, p->ops->processes, p->pool, slice);
    else if (load->run != NULL)
        load->run(load, p, slice);
    else if (strcmp(p->ops->name, pools_name(SIDE_FILCH)) != 0 && load->run_api_rival != NULL)
        load->run_api_rival(load, p->ops->executor(p->pool), slice);
    else
        load->run_api(load, p->ops->executor(p->pool), slice);
}

/* Some programs answer themselves, and have their pools there. */
static void create_pool(const struct load *load, struct bench_pool *p)
{
    bool of_processes = load->run_jobs != NULL;

    if (p->ops == NULL || load->no_executor || (of_processes && p->ops->processes->answer != NULL))
        return;
    p->pool =
        of_processes ? p->ops->processes->create(load->workers) : p->ops->create(load->workers);
    if (p->pool == NULL)
        bench_die("this machine has no %s", p->ops->name);
}

static void destroy_pool(const struct load *load, struct bench_pool *p)
{
    if (p->pool == NULL)
        return;
    if (load->run_jobs != NULL)
        p->ops->processes->destroy(p->pool);
    else
        p->ops->destroy(p->pool);
}

static void all_turns(const struct load *load, unsigned side, struct slice *slice)
{
    struct bench_pool p = {0};
    const char *why;

    if (side != SIDE_MACHINE)
        p.ops = pools_get(side, &why);
    if (side != SIDE_MACHINE && p.ops == NULL)
        bench_die("%s: %s", pools_name(side), why);
    create_pool(load, &p);
    if (load->warms_up)
        turn(load, &p, slice);
    memset(slice->hist, 0, sizeof *slice->hist);
    turn(load, &p, slice);
    destroy_pool(load, &p);
}

int slice_answer(const struct load *load, unsigned side)
{
    static struct answer answer;
    struct slice slice = {.hist = &answer.hist};

    alarm(PATIENCE_S + (unsigned)(20 * load->seconds));
    all_turns(load, side, &slice);
    answer.figure = slice.figure;
    memcpy(answer.more, slice.more, sizeof answer.more);
    if (fwrite(&answer, sizeof answer, 1, stdout) != 1 || fflush(stdout) != 0)
        return 1;
    _Exit(0); /* a runtime's own end is not the question */
}

/* ---- the parent */

static void become(const struct load *load, unsigned side, char *const options[], int out)
{
    char *argv[MAX_OPTIONS + 6] = {"filch-bench"};
    size_t n = 1;

    for (size_t i = 0; options[i] != NULL && i < MAX_OPTIONS; i++)
        argv[n++] = options[i];
    argv[n++] = "--one";
    argv[n++] = (char *)(uintptr_t)load->address;
    argv[n++] = "--side";
    argv[n++] = (char *)(uintptr_t)pools_name(side);
    dup2(out, STDOUT_FILENO);
    execv("/proc/self/exe", argv);
    _exit(127);
}

static const char *ended(int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return "it does not come to its end";
    if (WIFSIGNALED(status))
        return strsignal(WTERMSIG(status));
    return "it failed: see above";
}

const char *slice_run(const struct load *load, unsigned side, char *const options[],
                      struct slice *slice)
{
    static struct answer answer;
    int ends[2];
    int status;

    if (pipe(ends) != 0)
        bench_die("no pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        bench_die("no process: %s", strerror(errno));
    if (child == 0)
        become(load, side, options, ends[1]);
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    bool said = in != NULL && fread(&answer, sizeof answer, 1, in) == 1;
    if (in != NULL)
        fclose(in);
    if (waitpid(child, &status, 0) != child)
        bench_die("a slice's process is lost");
    if (status != 0 || !said)
        return ended(status);
    *slice->hist = answer.hist;
    slice->figure = answer.figure;
    memcpy(slice->more, answer.more, sizeof answer.more);
    return NULL;
}
