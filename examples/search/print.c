/* SPDX-License-Identifier: MIT
 *
 * search/print.c: sinks, messages and the progress line. Only the main thread writes. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include "search/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_BYTES = 4096,
    PROGRESS_AFTER_NS = 1000 * 1000 * 1000,
    PROGRESS_EVERY_NS = 100 * 1000 * 1000
};

static struct {
    bool wanted;
    bool shown;
    int64_t begin_ns;
    int64_t next_ns;
} progress;

bool sink_has_room(struct sink *out, size_t bytes)
{
    if (out->fd >= 0)
        return true;
    if (bytes > out->limit - out->len)
        return false;
    if (bytes <= out->cap - out->len)
        return true;

    size_t cap = out->cap > 0 ? out->cap : FIRST_BYTES;
    while (cap - out->len < bytes)
        cap *= 2;
    if (cap > out->limit)
        cap = out->limit;
    char *buf = realloc(out->buf, cap);
    if (buf == NULL)
        return false; /* what does not fit is printed by the main thread, which needs no room */
    out->buf = buf;
    out->cap = cap;
    return true;
}

static void write_all(struct sink *out, const char *data, size_t bytes)
{
    if (bytes > 0)
        progress_hide();
    while (bytes > 0 && out->error == 0) {
        ssize_t n = write(out->fd, data, bytes);
        if (n < 0) {
            if (errno != EINTR)
                out->error = errno;
            continue;
        }
        data += n;
        bytes -= (size_t)n;
    }
}

void sink_put(struct sink *out, const char *data, size_t bytes)
{
    if (bytes > out->cap - out->len) {
        sink_flush(out);
        if (bytes > out->cap) {
            write_all(out, data, bytes);
            return;
        }
    }
    if (bytes > 0)
        memcpy(out->buf + out->len, data, bytes);
    out->len += bytes;
}

void sink_flush(struct sink *out)
{
    if (out->fd < 0)
        return;
    write_all(out, out->buf, out->len);
    out->len = 0;
}

void complain(struct sink *out, const char *name, const char *what)
{
    if (out != NULL)
        sink_flush(out);
    progress_hide();
    if (name != NULL)
        fprintf(stderr, "filch-search: %s: %s\n", name, what);
    else
        fprintf(stderr, "filch-search: %s\n", what);
}

int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* it cannot fail with a clock that exists */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void progress_begin(void)
{
    progress.wanted = isatty(STDERR_FILENO) == 1;
    progress.begin_ns = now_ns();
    progress.next_ns = progress.begin_ns + PROGRESS_AFTER_NS;
}

void progress_show(uint64_t done, uint64_t found, uint64_t bytes)
{
    if (!progress.wanted)
        return;
    int64_t now = now_ns();
    if (now < progress.next_ns)
        return;
    progress.next_ns = now + PROGRESS_EVERY_NS;
    progress.shown = true;
    fprintf(stderr, "\r\033[K%llu of %llu files, %llu MB, %lld s", (unsigned long long)done,
            (unsigned long long)found, (unsigned long long)(bytes / 1000000),
            (long long)((now - progress.begin_ns) / 1000000000));
}

void progress_hide(void)
{
    if (!progress.shown)
        return;
    progress.shown = false;
    fputs("\r\033[K", stderr);
}
