/* SPDX-License-Identifier: MIT
 *
 * search.c: filch-search, which prints what grep -rFI prints, on all processors.
 *
 *     filch-search [-w workers] [--processes] [-n] PATTERN PATH...
 *
 * A directory is a task, and so is a file. The task of a directory lists it and submits a task for
 * each entry, so that the tree is walked by whoever has nothing else to do (search/visit.c). A file
 * is searched as grep would (search/scan.c). Tasks wait for nothing; the main thread waits for their
 * futures in the order in which it prints what they found: by name within a directory. A worker
 * takes the youngest of its tasks first, so entries are submitted last name first, and what is to be
 * printed first tends to be searched first.
 *
 * With --processes a file is a job (search/jobs.c): the same visit, in a process that the file may crash.
 * The main thread lists directories itself, so many files ahead of what it prints. */
#define _GNU_SOURCE /* getopt_long, IFTODT */

#include "search/jobs.h"
#include "search/visit.h"

#include <filch/process.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    STATUS_MATCH = 0,
    STATUS_NO_MATCH = 1,
    STATUS_TROUBLE = 2
};

enum {
    OUT_BYTES = 64 * 1024,         /* stdout's buffer */
    HOLD_BYTES = 64 * 1024 * 1024, /* --hold, unless given */
    HOLD_BYTES_MAX = INT_MAX,
    RESUBMIT = 64,    /* nodes that get another chance at once */
    AHEAD = 16,       /* siblings that one wait waits for */
    AHEAD_MS = 10,    /* how long they may delay what is ready */
    JOBS = 8,         /* for each process, on their way or waiting to be printed */
    PATIENCE_MS = 100 /* a longer wait shows progress */
};

/* The main thread's own. */
static struct listing *operands;
static struct sink out = {.fd = STDOUT_FILENO};
static bool matched;
static bool trouble;

/* With --processes. */
static filch_executor *processes; /* NULL: without */
static struct listing *to_pass;   /* where the next to be passed is; NULL: there is none */
static size_t jobs;               /* that were submitted ahead and are not printed yet */
static size_t most_jobs;

static size_t held_nodes(void)
{
    return atomic_load_explicit(&search.held_nodes, memory_order_relaxed);
}

static uint64_t count_of(const atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void show_progress(void)
{
    progress_show(count_of(&search.files_done), count_of(&search.files_found),
                  count_of(&search.bytes));
}

/* Ends with status 2 because stdout takes no more. What is allocated dies with the process; the
 * tasks have to be over before the memory that they use. */
static void give_up(void)
{
    int error = out.error;
    atomic_store_explicit(&search.stop, true, memory_order_relaxed);
    if (search.ex != NULL) {
        filch_executor_shutdown(search.ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);
        filch_executor_destroy(search.ex);
    }
    if (processes != NULL)
        filch_process_kill(processes);
    filch_executor_destroy(processes);
    progress_hide();
    fprintf(stderr, "filch-search: write error: %s\n", strerror(error));
    exit(STATUS_TROUBLE);
}

/* Waits until node's task is over and takes the node back. The task's result is the node if it has
 * visited it, and nothing if it gave it back or never ran.
 *
 * A wait that wakes for every file would cost as much as the search of a small one, so the first wait
 * is for a sibling further on, but not long. */
static void await(struct node *node)
{
    struct listing *list = node->in;
    size_t ahead = list->n - list->at > AHEAD ? list->at + AHEAD : list->n - 1;
    filch_future *far = list->nodes[ahead].future;
    if (far != NULL && !filch_future_done(node->future))
        filch_future_result(far, filch_in_ms(AHEAD_MS), NULL);

    void *result = NULL;
    filch_deadline deadline = FILCH_NOW;
    while (filch_future_result(node->future, deadline, &result) == FILCH_ETIMEDOUT) {
        sink_flush(&out);
        show_progress();
        deadline = filch_in_ms(PATIENCE_MS);
    }
    if (processes == NULL)
        node->visited = result == node;
    else if (!job_take(node, &out))
        trouble = true;
    filch_future_release(node->future);
    node->future = NULL;
}

/* Submits once more the nodes of list, among the next few, that were given back: when the main
 * thread gets to one of them, output has been printed and there is room again. */
static void resubmit(struct listing *list)
{
    if (list->at <= list->resubmitted ||
        atomic_load_explicit(&search.held_bytes, memory_order_relaxed) > search.hold / 2)
        return;
    void *nodes[RESUBMIT];
    size_t n = 0;
    size_t end = list->n - list->at < RESUBMIT ? list->n : list->at + RESUBMIT;
    for (size_t i = list->at; i < end; i++) {
        struct node *node = &list->nodes[i];
        if (node->future == NULL || !filch_future_done(node->future))
            continue;
        await(node);
        if (!node->visited)
            nodes[n++] = node;
    }
    list->resubmitted = end;
    if (n > 0)
        submit_nodes(nodes, n);
}

/* ---- With --processes. */

/* What a listing that does not know it has left open. */
static void learn_type(struct node *node)
{
    struct stat st;
    if (node->type != DT_UNKNOWN || lstat(node_path(node), &st) != 0)
        return;
    if (S_ISREG(st.st_mode))
        node->type = DT_REG;
    if (S_ISDIR(st.st_mode)) {
        node->type = DT_DIR;
        atomic_fetch_sub_explicit(&search.files_found, 1, memory_order_relaxed);
    }
}

/* Lists a directory, submits the job of a file. What does neither is done when its turn comes. */
static void pass(struct node *node)
{
    if (node->in->in != NULL)
        learn_type(node);
    node->passed = true;
    if (node->type == DT_DIR)
        node->visited = visit(node, &out, false);
    else if (node->type == DT_REG && job_submit(processes, node, false) == 0)
        jobs++;
}

/* Passes node, at the least, and goes on as long as not too much is on its way: in the order in which all is
 * printed, and so never behind that. */
static void run_ahead(const struct node *node)
{
    while (to_pass != NULL &&
           (!node->passed || (jobs < most_jobs && held_nodes() < search.hold / HOLD_PARTS))) {
        struct node *next = &to_pass->nodes[to_pass->ahead++];
        pass(next);
        if (next->list != NULL)
            to_pass = next->list;
        while (to_pass != NULL && to_pass->ahead == to_pass->n)
            to_pass = to_pass->in;
    }
}

/* A file that has found too much to wait, or whose job was not submitted: its job prints. */
static void print_by_job(struct node *node)
{
    sink_flush(&out);
    if (out.error != 0)
        give_up();
    progress_hide();
    int status = job_submit(processes, node, true);
    if (status != 0) {
        complain(&out, node_path(node), filch_strerror(status));
        trouble = true;
        node->visited = true;
        return;
    }
    await(node);
    if (node->type != DT_DIR)
        node->visited = true; /* or its problem says why not */
}

/* ---- Printing. */

static void print_problem(const struct node *node)
{
    const char *what = node->problem == PROBLEM_LOOP     ? "warning: recursive directory loop"
                       : node->problem == PROBLEM_OUTPUT ? "input file is also the output"
                                                         : strerror(node->problem);
    if (node->problem != PROBLEM_LOOP)
        trouble = true;
    complain(&out, node_path(node), what);
}

/* Prints what a node has come to; visits it first if no task has. */
static void finish_node(struct node *node)
{
    if (processes != NULL)
        run_ahead(node);
    if (node->future != NULL) {
        await(node);
        jobs -= processes != NULL;
    }
    if (!node->visited && processes != NULL && (node->type == DT_REG || node->type == DT_UNKNOWN))
        print_by_job(node);
    if (!node->visited) {
        if (search.ex != NULL)
            resubmit(node->in);
        if (!visit(node, &out, false) && search.ex != NULL &&
            filch_executor_wait_idle(search.ex, FILCH_FOREVER) == 0)
            (void)visit(node, &out, false); /* the tasks have closed their files */
    }
    sink_put(&out, node->text, node->len);
    free(node->text);
    node->text = NULL;
    atomic_fetch_sub_explicit(&search.held_bytes, node->len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&search.held_nodes, 1, memory_order_relaxed);
    if (node->rest != NULL)
        visit_rest(node, &out);
    if (node->problem != 0)
        print_problem(node);
    if (node->matched)
        matched = true;
    if (out.error != 0)
        give_up();
    show_progress();
}

/* Walks the listings depth first, and frees each behind itself. */
static void walk(void)
{
    struct listing *list = operands;
    while (list != NULL) {
        if (list->at == list->n) {
            struct listing *in = list->in;
            free(list->nodes);
            free(list->names);
            free(list);
            list = in;
            continue;
        }
        struct node *node = &list->nodes[list->at++];
        finish_node(node);
        if (node->list != NULL)
            list = node->list;
    }
    operands = NULL;
    sink_flush(&out);
    if (out.error != 0)
        give_up();
}

/* ---- From the command line to the first tasks. */

static const char usage[] =
    "Usage: filch-search [-w WORKERS] [--processes] [-n] PATTERN [PATH]...\n"
    "Print the lines that contain PATTERN, a fixed string, in files and directory trees,\n"
    "as grep -rFI does, on all processors. Each line of PATTERN is a string of its own.\n"
    "Without PATH the current directory is searched; PATH - is the standard input.\n"
    "\n"
    "  -n, --line-number      print line numbers, as grep -rFnI does\n"
    "  -w, --workers=WORKERS  threads that search, 1 to %d (default: one a processor)\n"
    "  -1, --sequential       search in one thread, without an executor\n"
    "      --processes        search files in processes in place of threads: one that crashes its\n"
    "                         process is reported, and the search goes on\n"
    "      --stats            say on stderr how much was searched and how fast\n"
    "      --window=BYTES     read files in pieces of BYTES (default and grep's way: 98304)\n"
    "      --hold=BYTES       let that much output wait for its turn (default: 64 MiB)\n"
    "      --help             print this\n"
    "\n"
    "Exit status: 0 if a line was found, 1 if none was, 2 if there was any trouble.\n";

struct settings {
    unsigned workers;
    bool sequential;
    bool processes;
    bool stats;
};

static void usage_error(const char *what, const char *value)
{
    if (what != NULL)
        fprintf(stderr, "filch-search: %s: %s\n", what, value);
    fputs("Usage: filch-search [-w WORKERS] [--processes] [-n] PATTERN [PATH]...\n"
          "Try 'filch-search --help' for more information.\n",
          stderr);
    exit(STATUS_TROUBLE);
}

static unsigned long number_or_exit(const char *what, const char *text, unsigned long least,
                                    unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text < '0' || *text > '9' || value < least ||
        value > most)
        usage_error(what, text);
    return value;
}

static void help_and_exit(void)
{
    bool failed = printf(usage, FILCH_MAX_WORKERS) < 0;
    failed = fflush(stdout) != 0 || failed;
    exit(failed ? STATUS_TROUBLE : 0);
}

static void parse_options(int argc, char **argv, struct settings *settings)
{
    enum {
        OPTION_HELP = 256,
        OPTION_HOLD,
        OPTION_PROCESSES,
        OPTION_STATS,
        OPTION_WINDOW
    };
    static const struct option options[] = {
        {"help", no_argument, NULL, OPTION_HELP},
        {"hold", required_argument, NULL, OPTION_HOLD},
        {"line-number", no_argument, NULL, 'n'},
        {"processes", no_argument, NULL, OPTION_PROCESSES},
        {"sequential", no_argument, NULL, '1'},
        {"stats", no_argument, NULL, OPTION_STATS},
        {"window", required_argument, NULL, OPTION_WINDOW},
        {"workers", required_argument, NULL, 'w'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "1nw:", options, NULL)) != -1) {
        switch (option) {
        case '1':
            settings->sequential = true;
            settings->processes = false;
            break;
        case 'n':
            search.scan.numbered = true;
            break;
        case 'w':
            settings->workers =
                (unsigned)number_or_exit("invalid number of workers", optarg, 1, FILCH_MAX_WORKERS);
            break;
        case OPTION_HOLD:
            search.hold = number_or_exit("invalid size", optarg, 0, HOLD_BYTES_MAX);
            break;
        case OPTION_PROCESSES:
            settings->processes = true;
            settings->sequential = false;
            break;
        case OPTION_STATS:
            settings->stats = true;
            break;
        case OPTION_WINDOW:
            search.scan.window =
                number_or_exit("invalid size", optarg, SCAN_WINDOW_MIN, SCAN_WINDOW_MAX);
            break;
        case OPTION_HELP:
            help_and_exit();
            break;
        default:
            usage_error(NULL, NULL);
        }
    }
    if (optind == argc)
        usage_error(NULL, NULL);
}

/* Makes the outermost listing. Returns 0 or ENOMEM. */
static int list_operands(char **paths, size_t n)
{
    static char dot[] = ".";
    static char *only_dot[] = {dot};
    if (n == 0) {
        search.dot_omitted = true;
        paths = only_dot;
        n = 1;
    }
    operands = calloc(1, sizeof *operands);
    if (operands == NULL)
        return ENOMEM;
    operands->nodes = calloc(n, sizeof *operands->nodes);
    if (operands->nodes == NULL)
        return ENOMEM;

    operands->n = n;
    size_t files = 0;
    for (size_t i = 0; i < n; i++) {
        struct node *node = &operands->nodes[i];
        struct stat st;
        *node = (struct node){.in = operands, .name = paths[i]};
        if (strcmp(paths[i], "-") == 0) {
            node->name = "(standard input)";
            node->type = TYPE_STDIN;
        } else if (stat(paths[i], &st) == 0) {
            node->type = (unsigned char)IFTODT(st.st_mode);
        }
        files += node->type != DT_DIR;
    }
    atomic_fetch_add_explicit(&search.files_found, files, memory_order_relaxed);
    atomic_fetch_add_explicit(&search.held_nodes, n, memory_order_relaxed);
    return 0;
}

/* Submits the operands that are files and directories. A pipe or a terminal is left to the main
 * thread, which prints each line as it comes. */
static int submit_operands(void)
{
    struct listing *list = operands;
    void **nodes = calloc(list->n, sizeof *nodes);
    if (nodes == NULL)
        return ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->nodes[i].type == DT_DIR || list->nodes[i].type == DT_REG)
            nodes[n++] = &list->nodes[i];
    }
    if (n > 0)
        submit_nodes(nodes, n);
    free(nodes);
    return 0;
}

/* An arena of jemalloc's where the program has been linked to it, the system's memory elsewhere. */
static int create_executor(unsigned workers)
{
    filch_allocator jemalloc = {0};
    int status = filch_allocator_jemalloc(&jemalloc);
    bool has_jemalloc = status == 0;
    if (!has_jemalloc && status != FILCH_ENOTSUP)
        return status;

    filch_options options = {
        .size = sizeof options,
        .workers = workers,
        .name = "search",
        .flags = FILCH_BEST_EFFORT_THREADS,
        .on_thread_stop = free_thread_buffers,
        .allocator = has_jemalloc ? &jemalloc : NULL,
    };
    status = filch_executor_create(&search.ex, &options);
    if (status != 0 && has_jemalloc && jemalloc.destroy != NULL)
        jemalloc.destroy(jemalloc.ctx);
    return status;
}

/* The more processes, the more may be ahead, and the less of each may wait. */
static int create_processes(const struct settings *settings, const char *pattern)
{
    unsigned workers = settings->workers != 0 ? settings->workers : filch_cpu_budget();
    most_jobs = (size_t)workers * JOBS < HOLD_PARTS ? HOLD_PARTS : (size_t)workers * JOBS;
    to_pass = operands;
    return jobs_open(&processes, workers, pattern, search.hold / most_jobs);
}

static void print_stats(int64_t began_ns, unsigned workers)
{
    const char *one = processes != NULL ? "process" : "thread";
    const char *many = processes != NULL ? "processes" : "threads";
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    double megabytes = (double)count_of(&search.bytes) / 1e6;
    fprintf(stderr,
            "filch-search: %" PRIu64 " files, %" PRIu64 " bytes, %.3f s, %.0f MB/s, %u %s\n",
            (uint64_t)count_of(&search.files_done), (uint64_t)count_of(&search.bytes), seconds,
            megabytes / seconds, workers, workers == 1 ? one : many);
}

static void die(const char *what)
{
    fprintf(stderr, "filch-search: %s\n", what);
    exit(STATUS_TROUBLE);
}

/* A quarter of the files that may be open, but no more than can be of use. */
static size_t files_to_hold(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 > 2 * HOLD_PARTS)
        return 2 * HOLD_PARTS;
    return (size_t)(limit.rlim_cur / 4);
}

static void prepare(const char *pattern, char **paths, size_t n)
{
    search.scan.patterns = &search.patterns;
    search.scan.stop = &search.stop;
    search.scan.bytes = &search.bytes;
    search.hold_files = files_to_hold();
    out.tick = show_progress;
    out.cap = OUT_BYTES;
    out.buf = malloc(out.cap);
    if (out.buf == NULL || patterns_parse(&search.patterns, pattern) != 0 ||
        list_operands(paths, n) != 0)
        die(strerror(ENOMEM));
    search.output_is_file =
        fstat(STDOUT_FILENO, &search.output) == 0 && S_ISREG(search.output.st_mode);
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    setlocale(LC_CTYPE, "");
    setlocale(LC_MESSAGES, "");
    int status = jobs_begin();
    if (status != 0)
        die(filch_strerror(status));
    search.hold = HOLD_BYTES;
    search.scan.window = SCAN_WINDOW;
    parse_options(argc, argv, &settings);

    int64_t began_ns = now_ns();
    unsigned workers = 1;
    prepare(argv[optind], argv + optind + 1, (size_t)(argc - optind - 1));
    if (settings.processes) {
        status = create_processes(&settings, argv[optind]);
        if (status != 0)
            die(filch_strerror(status));
        workers = filch_executor_workers(processes);
    } else if (!settings.sequential) {
        status = create_executor(settings.workers);
        if (status != 0)
            die(filch_strerror(status));
        workers = filch_executor_workers(search.ex);
        if (submit_operands() != 0)
            die(strerror(ENOMEM));
    }
    progress_begin();
    walk();
    progress_hide();
    if (settings.stats)
        print_stats(began_ns, workers);

    filch_executor_destroy(search.ex);
    filch_executor_destroy(processes);
    free_thread_buffers(NULL);
    patterns_free(&search.patterns);
    free(out.buf);
    if (trouble)
        return STATUS_TROUBLE;
    return matched ? STATUS_MATCH : STATUS_NO_MATCH;
}
