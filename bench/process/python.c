/* SPDX-License-Identifier: MIT
 *
 * python.c: the ProcessPoolExecutor of the python3 in the path. python.py, which stands beside the adapters of the
 * other pools, does the load, checks it and measures it by its own clock; here its figures are read. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/bench.h"
#include "process/message.h"

enum {
    MAX_ARGS = 8,
    NUMBER = 24 /* bytes of one as text */
};

struct child {
    pid_t pid;
    FILE *out;
};

static void script_path(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 32);

    if (n <= 0)
        bench_die("/proc/self/exe does not say where this program is");
    path[n] = '\0';
    snprintf(strrchr(path, '/'), 32, "/pools/python.py");
}

/* False: there is no python3. */
static bool start(struct child *c, const char *const args[])
{
    char path[4096];
    char *argv[MAX_ARGS + 3] = {"python3", path};
    posix_spawn_file_actions_t actions;
    int ends[2];

    script_path(path, sizeof path);
    for (int i = 0; i < MAX_ARGS && args[i] != NULL; i++)
        argv[i + 2] = (char *)(uintptr_t)args[i];
    message_pipe(ends);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int error = posix_spawnp(&c->pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    c->out = error == 0 ? fdopen(ends[0], "r") : NULL;
    if (error == 0 && c->out == NULL)
        bench_die("out of memory");
    if (error != 0)
        close(ends[0]);
    return error == 0;
}

/* Whether it ended well. */
static bool finish(struct child *c)
{
    int status;

    fclose(c->out);
    return waitpid(c->pid, &status, 0) == c->pid && status == 0;
}

/* ---- a load */

static long amount_of(const struct load *load)
{
    switch ((enum process_shape)load->kernel) {
    case PROCESS_HOT:
        return (long)plan.hot_ns;
    case PROCESS_PARKED:
        return (long)plan.parked;
    case PROCESS_STREAM:
        break;
    }
    return (long)process_jobs_of(load, NULL);
}

/* True at the last line. */
static bool note_line(const char *line, struct slice *slice)
{
    if (strncmp(line, "sample ", 7) == 0)
        hist_add(slice->hist, strtoll(line + 7, NULL, 10));
    else if (strncmp(line, "figure ", 7) == 0)
        slice->figure = strtod(line + 7, NULL);
    else if (strcmp(line, "over\n") != 0)
        bench_die("python.py says: %s", line);
    return line[0] == 'o';
}

static void answer(const struct load *load, struct slice *slice)
{
    char numbers[4][NUMBER];
    char line[128];
    struct child c;
    bool is_over = false;

    snprintf(numbers[0], NUMBER, "%ld", amount_of(load));
    snprintf(numbers[1], NUMBER, "%u", load->workers);
    snprintf(numbers[2], NUMBER, "%zu", load->window);
    snprintf(numbers[3], NUMBER, "%zu", load->bytes);
    const char *const args[] = {load->address, numbers[0], numbers[1],
                                numbers[2],    numbers[3], NULL};
    if (!start(&c, args))
        bench_die("there is no python3");
    while (fgets(line, sizeof line, c.out) != NULL)
        is_over = note_line(line, slice);
    if (!finish(&c) || !is_over)
        bench_die("python.py failed");
}

static const struct process_ops ops = {.answer = answer};

/* ---- who it is */

const struct pool *process_python(char *why, size_t size)
{
    static char about[128];
    static const struct pool pool = {.name = "python", .about = about, .processes = &ops};
    const char *const args[] = {"about", NULL};
    struct child c;

    if (!start(&c, args)) {
        snprintf(why, size, "there is no python3 (python3)");
        return NULL;
    }
    bool said = fgets(about, sizeof about, c.out) != NULL;
    about[strcspn(about, "\n")] = '\0';
    if (!finish(&c) || !said) {
        snprintf(why, size, "its python3 has no ProcessPoolExecutor (python3)");
        return NULL;
    }
    return &pool;
}
