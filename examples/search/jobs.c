/* SPDX-License-Identifier: MIT
 *
 * search/jobs.c: both ends of a file's job. */
#define _GNU_SOURCE /* DT_DIR, strdup */

#include "search/jobs.h"

#include <filch/process.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PRINT_BYTES = 64 * 1024
};

/* What each process is told once; the pattern, closed by a NUL, follows. */
struct common {
    size_t window;
    size_t limit;
    bool numbered;
    bool output_is_file;
    struct stat output;
};

/* A job's input; the path, closed by a NUL, follows. */
struct question {
    unsigned char type;
    bool operand;
    bool only_operand;
    bool prints;
};

/* Its output; the lines follow. */
struct answer {
    uint64_t bytes;
    uint64_t files;
    int problem;
    int write_error;
    bool visited;
    bool matched;
    bool is_directory; /* by now */
};

/* ---- In the processes. */

static size_t limit;

static int set_up(const void *in, size_t len, filch_buffer *out)
{
    struct common common;
    (void)len;
    (void)out;
    memcpy(&common, in, sizeof common);
    char *pattern = strdup((const char *)in + sizeof common);
    if (pattern == NULL || patterns_parse(&search.patterns, pattern) != 0)
        return ENOMEM;
    search.scan = (struct scan_options){.patterns = &search.patterns,
                                        .window = common.window,
                                        .numbered = common.numbered,
                                        .stop = &search.stop,
                                        .bytes = &search.bytes};
    search.output_is_file = common.output_is_file;
    search.output = common.output;
    limit = common.limit;
    signal(SIGPIPE, SIG_IGN); /* the main process is to hear of it */
    return 0;
}

static void free_list(struct listing *list)
{
    free(list->nodes);
    free(list->names);
    free(list);
}

/* A node like that of the main process, but that its name is its path. */
static int visit_one(const void *in, size_t len, filch_buffer *out)
{
    struct question question;
    (void)len;
    memcpy(&question, in, sizeof question);
    struct listing operands = {.n = question.only_operand ? 1 : 2};
    struct listing within = {.in = &operands, .n = 2};
    struct node node = {.in = question.operand ? &operands : &within,
                        .name = (const char *)in + sizeof question,
                        .type = question.type};
    struct answer answer = {0};
    struct sink lines = {.fd = -1, .limit = limit};
    if (question.prints)
        lines = (struct sink){.fd = STDOUT_FILENO, .buf = malloc(PRINT_BYTES), .cap = PRINT_BYTES};
    if (lines.buf == NULL)
        lines.cap = 0;

    answer.visited = visit(&node, &lines, false);
    if (node.list != NULL) {
        answer.is_directory = true;
        free_list(node.list);
    }
    sink_flush(&lines);
    answer.problem = node.problem;
    answer.matched = node.matched;
    answer.write_error = lines.error;
    answer.bytes = atomic_exchange_explicit(&search.bytes, 0, memory_order_relaxed);
    answer.files = atomic_exchange_explicit(&search.files_done, 0, memory_order_relaxed);
    int status = filch_buffer_append(out, &answer, sizeof answer);
    if (status == 0 && lines.fd < 0 && answer.visited)
        status = filch_buffer_append(out, lines.buf, lines.len);
    free(lines.buf);
    return status != 0 ? ENOMEM : 0;
}

int jobs_begin(void)
{
    int status = filch_job_register("search file", visit_one);
    if (status == 0)
        status = filch_job_register("search for", set_up);
    return status != 0 ? status : filch_process_main();
}

/* ---- In the main process. */

int jobs_open(filch_executor **out, unsigned workers, const char *pattern, size_t most)
{
    size_t len = strlen(pattern) + 1;
    struct common common = {.window = search.scan.window,
                            .limit = most,
                            .numbered = search.scan.numbered,
                            .output_is_file = search.output_is_file,
                            .output = search.output};
    char *in = malloc(sizeof common + len);
    if (in == NULL)
        return FILCH_ENOMEM;
    memcpy(in, &common, sizeof common);
    memcpy(in + sizeof common, pattern, len);
    filch_process_options options = {
        .size = sizeof options,
        .workers = workers,
        .name = "search",
        .child_setup = "search for",
        .child_setup_in = in,
        .child_setup_len = sizeof common + len,
    };
    int status = filch_process_executor_create(out, &options);
    free(in);
    return status;
}

int job_submit(filch_executor *ex, struct node *node, bool prints)
{
    struct question question = {.type = node->type,
                                .operand = node->in->in == NULL,
                                .only_operand = node->in->in == NULL && node->in->n == 1,
                                .prints = prints};
    const char *path = node_path(node);
    size_t len = strlen(path) + 1;
    char *in = malloc(sizeof question + len);
    if (in == NULL)
        return FILCH_ENOMEM;
    memcpy(in, &question, sizeof question);
    memcpy(in + sizeof question, path, len);
    int status = filch_submit_job(ex, "search file", in, sizeof question + len, &node->future);
    free(in);
    return status;
}

/* The process may have gone mad before it answered: only what has an answer's length is one. */
static const char *answer_of(struct node *node, struct answer *answer, size_t *len)
{
    void *result;
    if (filch_future_result(node->future, FILCH_FOREVER, &result) != 0)
        return NULL;
    const filch_buffer *b = result;
    if (b->len < sizeof *answer)
        return NULL;
    memcpy(answer, b->data, sizeof *answer);
    *len = b->len - sizeof *answer;
    return (const char *)b->data + sizeof *answer;
}

bool job_take(struct node *node, struct sink *out)
{
    struct answer answer;
    size_t len;
    const char *lines = answer_of(node, &answer, &len);
    if (lines == NULL) {
        filch_error error = {0};
        int status = filch_future_error(node->future, FILCH_FOREVER, &error);
        complain(out, node_path(node),
                 status == 0 && error.message != NULL ? error.message
                                                      : "it has driven a process mad");
        node->visited = true;
        atomic_fetch_add_explicit(&search.files_done, 1, memory_order_relaxed);
        return false;
    }
    atomic_fetch_add_explicit(&search.bytes, answer.bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&search.files_done, answer.files, memory_order_relaxed);
    node->visited = answer.visited && !answer.is_directory;
    node->problem = answer.problem;
    node->matched = answer.matched;
    sink_put(out, lines, len);
    if (answer.is_directory) {
        node->type = DT_DIR;
        atomic_fetch_sub_explicit(&search.files_found, 1, memory_order_relaxed);
    }
    if (answer.write_error == EPIPE)
        raise(SIGPIPE);
    if (out->error == 0)
        out->error = answer.write_error;
    return true;
}
