/* SPDX-License-Identifier: MIT
 *
 * search/visit.c: paths, listings and visits.
 *
 * How memory stays bounded: output that is not printed yet is counted, and so are nodes. Beyond a
 * limit a task gives its node back untouched, and the main thread does the work itself when it gets
 * there, straight to stdout. A file with much output is handed over half-way likewise. */
#define _GNU_SOURCE /* memrchr, O_PATH */

#include "search/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A buffer that grows. */
struct bytes {
    char *data;
    size_t len;
    size_t cap;
};

struct search search;

/* What a thread keeps from node to node. */
static _Thread_local struct scan thread_scan;
static _Thread_local struct bytes thread_path;

void free_thread_buffers(void *unused)
{
    (void)unused;
    scan_free(&thread_scan);
    free(thread_path.data);
    thread_path = (struct bytes){0};
}

/* Makes room for more bytes. Returns 0 or ENOMEM. */
static int bytes_reserve(struct bytes *b, size_t more)
{
    if (more <= b->cap - b->len)
        return 0;
    size_t cap = b->cap > 0 ? b->cap : 1024;
    while (cap - b->len < more)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (data == NULL)
        return ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

/* ---- Paths. A node knows its name and where it is listed; a path is built when it is needed, so
 * that a deep tree takes memory for its names and not for its paths. */

/* Sets the calling thread's path to node's, closed by a NUL and with room for one byte more. */
static int path_build(const struct node *node)
{
    size_t name_len = strlen(node->name);
    size_t len = node->in->path_len + name_len;
    thread_path.len = 0;
    if (bytes_reserve(&thread_path, len + 2) != 0)
        return ENOMEM;
    thread_path.len = len;

    char *p = thread_path.data + len;
    *p = '\0';
    p -= name_len;
    memcpy(p, node->name, name_len);
    for (const struct listing *l = node->in; l != NULL; l = l->in) {
        if (l->slash)
            *--p = '/';
        p -= l->name_len;
        if (l->name_len > 0)
            memcpy(p, l->name, l->name_len);
    }
    return 0;
}

/* Opens the calling thread's path. One that is longer than the system takes at once is opened in
 * pieces. Returns a descriptor, or -1 with errno set. */
static int path_open(int flags)
{
    char *path = thread_path.data;
    char *end = path + thread_path.len;
    int dir = AT_FDCWD;
    while (end - path >= PATH_MAX) {
        char *slash = memrchr(path, '/', PATH_MAX - 1);
        if (slash == NULL || slash == path) {
            errno = ENAMETOOLONG;
            break;
        }
        *slash = '\0';
        int next = openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int error = errno;
        *slash = '/';
        if (dir != AT_FDCWD)
            close(dir); /* nothing has been read or written through it */
        dir = next;
        errno = error;
        if (dir < 0)
            return -1;
        path = slash + 1;
    }
    int fd = end - path >= PATH_MAX ? -1 : openat(dir, path, flags | O_CLOEXEC);
    int error = errno;
    if (dir != AT_FDCWD)
        close(dir);
    errno = error;
    return fd;
}

/* ---- Tasks. */

static int visit_task(void *arg, void **result);

void submit_nodes(void *const nodes[], size_t n)
{
    filch_future **futures = calloc(n, sizeof *futures);
    if (futures != NULL && filch_submit_batch(search.ex, visit_task, nodes, n, futures) == 0) {
        for (size_t i = 0; i < n; i++) {
            struct node *node = nodes[i];
            node->future = futures[i];
        }
    }
    free(futures);
}

/* Submits all of a list. A worker takes the youngest of its own tasks first, from outside they are
 * run in the order of arrival: either way the first name is the first to run. */
static void submit_list(struct listing *list, bool on_worker)
{
    if (search.ex == NULL || list->n == 0)
        return;
    void **nodes = calloc(list->n, sizeof *nodes);
    if (nodes == NULL)
        return;
    for (size_t i = 0; i < list->n; i++)
        nodes[on_worker ? list->n - 1 - i : i] = &list->nodes[i];
    submit_nodes(nodes, list->n);
    free(nodes);
}

static bool skipped_type(unsigned char type)
{
    return type == DT_LNK || type == DT_FIFO || type == DT_SOCK || type == DT_CHR || type == DT_BLK;
}

/* Appends the type and the name of each entry that is to be visited; *n counts them. Returns 0 or
 * an errno; the entries read before it stay. */
static int read_entries(DIR *dir, struct bytes *names, size_t *n)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL)
            return errno;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || skipped_type(e->d_type))
            continue;
        size_t len = strlen(e->d_name) + 1;
        if (bytes_reserve(names, len + 1) != 0)
            return ENOMEM;
        names->data[names->len++] = (char)e->d_type;
        memcpy(names->data + names->len, e->d_name, len);
        names->len += len;
        *n += 1;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

/* Makes the nodes of list from names, in which each name follows the byte of its type. */
static int make_nodes(struct listing *list, struct bytes *names, size_t n)
{
    list->names = names->data;
    list->nodes = n > 0 ? calloc(n, sizeof *list->nodes) : NULL;
    if (n > 0 && list->nodes == NULL)
        return ENOMEM;
    list->n = n;

    char *p = names->data;
    size_t files = 0;
    for (size_t i = 0; i < n; i++) {
        list->nodes[i] = (struct node){.in = list, .name = p + 1, .type = (unsigned char)*p};
        files += list->nodes[i].type != DT_DIR;
        p += strlen(p + 1) + 2;
    }
    if (n > 1)
        qsort(list->nodes, n, sizeof *list->nodes, by_name);
    atomic_fetch_add_explicit(&search.files_found, files, memory_order_relaxed);
    atomic_fetch_add_explicit(&search.held_nodes, n, memory_order_relaxed);
    return 0;
}

/* Says how the paths in the directory begin. An operand loses all but one of the slashes at its
 * end, and "." vanishes where it was not given. */
static void name_listing(struct listing *list, const struct node *node)
{
    const char *name = node->name;
    size_t len = strlen(name);
    list->in = node->in;
    list->name = name;
    list->slash = true;
    if (node->in->in == NULL) {
        if (len > 2 && name[len - 1] == '/') {
            while (len > 1 && name[len - 2] == '/')
                len--;
        }
        list->slash = name[len - 1] != '/' && !search.dot_omitted;
        if (search.dot_omitted)
            len = 0;
    }
    list->name_len = len;
    list->path_len = node->in->path_len + len + list->slash;
}

static bool is_loop(const struct node *node, const struct stat *st)
{
    for (const struct listing *l = node->in; l->in != NULL; l = l->in) {
        if (l->ino == st->st_ino && l->dev == st->st_dev)
            return true;
    }
    return false;
}

/* Lists the directory at fd, which it closes, and submits what is in it. */
static void visit_directory(struct node *node, int fd, const struct stat *st, bool on_worker)
{
    if (is_loop(node, st)) {
        node->problem = PROBLEM_LOOP;
        close(fd);
        return;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        node->problem = errno;
        close(fd);
        return;
    }
    if (node->type != DT_DIR)
        atomic_fetch_sub_explicit(&search.files_found, 1, memory_order_relaxed);
    struct bytes names = {0};
    size_t n = 0;
    node->problem = read_entries(dir, &names, &n);
    if (closedir(dir) != 0 && node->problem == 0)
        node->problem = errno;

    struct listing *list = calloc(1, sizeof *list);
    if (list == NULL) {
        free(names.data);
        node->problem = ENOMEM;
        return;
    }
    name_listing(list, node);
    list->dev = st->st_dev;
    list->ino = st->st_ino;
    if (make_nodes(list, &names, n) != 0)
        node->problem = ENOMEM;
    node->list = list;
    submit_list(list, on_worker);
}

/* Notes what a scan has come to, and closes its file. */
static void end_scan(struct node *node, struct scan *sc)
{
    node->matched = sc->matched;
    node->problem = sc->error;
    if (node->type != TYPE_STDIN && close(sc->fd) != 0 && node->problem == 0)
        node->problem = errno;
    atomic_fetch_add_explicit(&search.files_done, 1, memory_order_relaxed);
}

/* What stands before the lines of the file that the calling thread's path leads to. One file that
 * is the only operand is not named. */
static struct heading heading_of(const struct node *node)
{
    if (node->in->in == NULL && node->in->n == 1)
        return (struct heading){0};
    thread_path.data[thread_path.len] = ':';
    return (struct heading){.text = thread_path.data, .len = thread_path.len + 1};
}

/* Leaves the rest of a file to the main thread. Returns false if too many are left to it already. */
static bool leave_rest(struct node *node, struct scan *sc)
{
    if (atomic_fetch_add_explicit(&search.held_files, 1, memory_order_relaxed) <
        search.hold_files) {
        node->rest = malloc(sizeof *node->rest);
        if (node->rest != NULL) {
            *node->rest = *sc;
            *sc = (struct scan){0};
            return true;
        }
    }
    atomic_fetch_sub_explicit(&search.held_files, 1, memory_order_relaxed);
    return false;
}

/* Searches the file at fd, which it closes unless the rest is left to the main thread. Returns what
 * visit does. */
static bool visit_file(struct node *node, int fd, const struct stat *st, struct sink *out)
{
    struct scan *sc = &thread_scan;
    int status = scan_begin(sc, &search.scan, fd, st);
    if (status != 0) {
        sc->fd = fd;
        sc->error = status;
        end_scan(node, sc);
        return true;
    }
    struct heading heading = heading_of(node);
    if (scan_run(sc, &heading, out) || out->fd >= 0) {
        end_scan(node, sc);
        return true;
    }
    if (leave_rest(node, sc))
        return true;
    close(fd); /* only read from, and to be read again */
    return false;
}

/* The calling thread's path is what its listing did not say: a link or device is left alone, and
 * not even opened, which may do something to a device. */
static bool is_to_be_skipped(void)
{
    int fd = path_open(O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return false; /* opening it in earnest says what is wrong */
    struct stat st;
    bool skipped = fstat(fd, &st) == 0 && skipped_type((unsigned char)IFTODT(st.st_mode));
    close(fd);
    return skipped;
}

static bool is_output(const struct stat *st)
{
    return search.output_is_file && S_ISREG(st->st_mode) && st->st_ino == search.output.st_ino &&
           st->st_dev == search.output.st_dev;
}

/* Visits what is open at fd and closes it. Returns what visit does. */
static bool visit_open(struct node *node, int fd, struct sink *out, bool on_worker)
{
    struct stat st;
    bool operand = node->in->in == NULL;
    if (fstat(fd, &st) != 0) {
        node->problem = errno;
    } else if (S_ISDIR(st.st_mode) && node->type != TYPE_STDIN) {
        visit_directory(node, fd, &st, on_worker);
        return true;
    } else if (is_output(&st)) {
        node->problem = PROBLEM_OUTPUT;
    } else if (operand || !skipped_type((unsigned char)IFTODT(st.st_mode))) {
        return visit_file(node, fd, &st, out);
    }
    if (node->type != TYPE_STDIN)
        close(fd);
    atomic_fetch_add_explicit(&search.files_done, 1, memory_order_relaxed);
    return true;
}

bool visit(struct node *node, struct sink *out, bool on_worker)
{
    bool operand = node->in->in == NULL;
    int fd = -1;
    node->problem = path_build(node);
    if (node->problem == 0 && node->type == TYPE_STDIN) {
        fd = STDIN_FILENO;
    } else if (node->problem == 0) {
        if (!operand && node->type == DT_UNKNOWN && is_to_be_skipped()) {
            atomic_fetch_add_explicit(&search.files_done, 1, memory_order_relaxed);
            return true;
        }
        fd = path_open(O_RDONLY | O_NOCTTY | (operand ? 0 : O_NOFOLLOW | O_NONBLOCK));
        if (fd < 0)
            node->problem = errno;
    }
    if (fd >= 0)
        return visit_open(node, fd, out, on_worker);
    if (node->problem == EMFILE || node->problem == ENFILE)
        return false;
    if (node->problem == ELOOP && !operand)
        node->problem = 0; /* it has become a symbolic link since it was listed */
    if (node->type != DT_DIR)
        atomic_fetch_add_explicit(&search.files_done, 1, memory_order_relaxed);
    return true;
}

/* Beyond the limit tasks do nothing more, and the main thread prints its way through what they leave
 * to it, until there is room again. */
static bool too_much_held(const struct node *node)
{
    if (atomic_load_explicit(&search.held_bytes, memory_order_relaxed) >= search.hold)
        return true;
    return node->type == DT_DIR && atomic_load_explicit(&search.held_nodes, memory_order_relaxed) >=
                                       search.hold / HOLD_PARTS;
}

/* The task of a node. Its result is the node, or nothing if the node is given back as it was. */
static int visit_task(void *arg, void **result)
{
    struct node *node = arg;
    if (too_much_held(node) || atomic_load_explicit(&search.stop, memory_order_relaxed))
        return 0;
    struct sink out = {.fd = -1, .limit = search.hold / HOLD_PARTS};
    if (!visit(node, &out, true)) {
        free(out.buf);
        return 0;
    }
    node->text = out.buf;
    node->len = out.len;
    atomic_fetch_add_explicit(&search.held_bytes, out.len, memory_order_relaxed);
    *result = node;
    return 0;
}

void visit_rest(struct node *node, struct sink *out)
{
    struct scan *sc = node->rest;
    int status = path_build(node);
    if (status == 0) {
        struct heading heading = heading_of(node);
        scan_run(sc, &heading, out); /* false only if out is broken, which is found out soon */
    } else {
        sc->error = status;
    }
    end_scan(node, sc);
    scan_free(sc);
    free(sc);
    node->rest = NULL;
    atomic_fetch_sub_explicit(&search.held_files, 1, memory_order_relaxed);
}

const char *node_path(const struct node *node)
{
    return path_build(node) == 0 ? thread_path.data : node->name;
}
