/* SPDX-License-Identifier: MIT
 *
 * search/scan.c: windows, binary files, lines and needles.
 *
 * Binary is, as for grep -I, a file with a NUL byte in the window just read, or with a hole, which
 * reads as NULs, behind the first. Then the search ends there: what earlier windows have shown
 * stays printed, but the file counts as one without a match. Windows are therefore as large as
 * grep's, which reads in units of a page, a 24th of its window; where exactly a window ends after a
 * line of several pages depends in grep on where malloc has put its buffer. */
#define _GNU_SOURCE /* memmem, memrchr, SEEK_HOLE */

#include "search/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum {
    UNITS = SCAN_WINDOW / 4096 /* in a window that has not grown */
};

/* How often bytes occur in text and source, most frequent first; what is not here is rarer still. */
static const char common_bytes[] = " etaoinsrlc_dupm\nfhg,/\t*-.0)(b;vyx1=k\"w2T>ESAR3#IC:ONLPqjDz";

static size_t rarity(char byte)
{
    const char *at = memchr(common_bytes, byte, sizeof common_bytes - 1);
    return at != NULL ? (size_t)(at - common_bytes) : sizeof common_bytes;
}

static struct needle needle_of(const char *text, size_t len)
{
    struct needle needle = {.text = text, .len = len};
    for (size_t i = 1; i < len; i++) {
        if (rarity(text[i]) > rarity(text[needle.rare]))
            needle.rare = i;
    }
    return needle;
}

int patterns_parse(struct patterns *out, const char *text)
{
    size_t n = 1;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    *out = (struct patterns){.needles = calloc(n, sizeof *out->needles), .n = n};
    if (out->needles == NULL)
        return ENOMEM;

    out->multibyte = MB_CUR_MAX > 1;
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(text, "\n");
        out->needles[i] = needle_of(text, len);
        if (len == 0)
            out->every_line = true;
        text += len + 1;
    }
    return 0;
}

void patterns_free(struct patterns *patterns)
{
    free(patterns->needles);
    patterns->needles = NULL;
}

/* Returns the first match between from and end, or end. memchr runs over a window several times
 * faster than memmem does, as long as the rare byte is rare in this text, too. */
static const char *needle_find(const struct needle *needle, const char *from, const char *end)
{
    if ((size_t)(end - from) < needle->len)
        return end;
    const char *p = from + needle->rare;
    const char *last = end - (needle->len - needle->rare); /* the last place of the rare byte */
    long patience = 16;
    while (p <= last) {
        const char *rare = memchr(p, needle->text[needle->rare], (size_t)(last - p) + 1);
        if (rare == NULL)
            return end;
        const char *start = rare - needle->rare;
        if (memcmp(start, needle->text, needle->len) == 0)
            return start;
        patience += (rare - p) / 32 - 1;
        if (patience < 0) {
            const char *found =
                memmem(start + 1, (size_t)(end - start) - 1, needle->text, needle->len);
            return found != NULL ? found : end;
        }
        p = rare + 1;
    }
    return end;
}

/* Returns a match in the first line, at or after sc->at, that has one; lim if none has. */
static const char *next_hit(struct scan *sc)
{
    const struct patterns *patterns = sc->options->patterns;
    if (patterns->every_line)
        return sc->at;
    const char *first = sc->lim;
    for (size_t i = 0; i < patterns->n; i++) {
        if (sc->hits[i] == NULL || sc->hits[i] < sc->at)
            sc->hits[i] = needle_find(&patterns->needles[i], sc->at, sc->lim);
        if (sc->hits[i] < first)
            first = sc->hits[i];
    }
    return first;
}

static uint64_t count_newlines(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t n = 0;
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        x ^= ones * '\n'; /* a newline is now a zero byte, and its high bit stays clear below */
        x = ((x & ones * 0x7f) + ones * 0x7f) | x;
        n += (((~x >> 7) & ones) * ones) >> 56;
    }
    for (; p < end; p++)
        n += *p == '\n';
    return n;
}

static void count_up_to(struct scan *sc, char *p)
{
    sc->lines += count_newlines(sc->counted, p);
    sc->counted = p;
}

static bool is_text(const char *p, const char *end)
{
    mbstate_t state = {0};
    while (p < end) {
        size_t n = (unsigned char)*p < 0x80 ? 1 : mbrlen(p, (size_t)(end - p), &state);
        if (n == (size_t)-1 || n == (size_t)-2)
            return false;
        p += n > 0 ? n : 1;
    }
    return true;
}

/* Writes number and a colon before end; returns where they start. */
static char *number_before(char *end, uint64_t number)
{
    *--end = ':';
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

/* Puts the line from begin to end, newline included. Returns false if out has no room for it. */
static bool put_line(struct scan *sc, const struct heading *heading, struct sink *out, char *begin,
                     char *end)
{
    char digits[24];
    char *number = digits + sizeof digits;
    if (sc->options->numbered) {
        count_up_to(sc, begin);
        number = number_before(number, sc->lines + 1);
    }
    size_t number_len = (size_t)(digits + sizeof digits - number);
    size_t len = (size_t)(end - begin);
    if (!sink_has_room(out, heading->len + number_len + len))
        return false;
    sink_put(out, heading->text, heading->len);
    sink_put(out, number, number_len);
    sink_put(out, begin, len);
    return true;
}

/* Puts the matching lines among the complete ones. Returns false if out is full. */
static bool put_matches(struct scan *sc, const struct heading *heading, struct sink *out)
{
    while (sc->at < sc->lim && out->error == 0) {
        const char *hit = next_hit(sc);
        if (hit == sc->lim)
            break;
        char *begin = memrchr(sc->at, '\n', (size_t)(hit - sc->at));
        begin = begin != NULL ? begin + 1 : sc->at;
        char *end = (char *)memchr(hit, '\n', (size_t)(sc->lim - hit)) + 1;
        if (!sc->options->patterns->multibyte || is_text(begin, end)) {
            if (!put_line(sc, heading, out, begin, end))
                return false;
        }
        sc->matched = true;
        sc->at = end;
    }
    return out->error == 0;
}

/* The bytes from one unit to the next, of which grep's is a page. */
static size_t unit_of(const struct scan *sc)
{
    return sc->options->window / UNITS;
}

/* Lets the window grow, if need be, for a line of which kept bytes are known, by half its size, but
 * not beyond what is left of the file. Returns what the next read is to ask for. */
static size_t grow_window(struct scan *sc, size_t kept)
{
    size_t unit = unit_of(sc);
    if (kept > sc->window - unit) {
        size_t window = sc->window + (sc->window + unit) / 2; /* grep's has a unit more to it */
        uint64_t left = sc->size > sc->bytes ? sc->size - sc->bytes : 0;
        if (sc->regular && left > 0 && window > left + kept)
            window = (size_t)left + kept;
        sc->window = window > kept + unit ? window : kept + unit;
    }
    size_t ask = sc->window - (kept + unit * 2 / 5) / unit * unit;
    ask -= ask % unit;
    return ask > unit ? ask : unit;
}

/* Moves the incomplete line, kept bytes at lim, to the front of a window with room for ask more and
 * for the newline that a last line may lack. Returns 0 or ENOMEM. */
static int move_window(struct scan *sc, size_t kept, size_t ask)
{
    size_t cap = kept + ask + 1;
    if (cap <= sc->cap) {
        if (kept > 0)
            memmove(sc->buf, sc->lim, kept);
        return 0;
    }
    if (cap < sc->options->window + unit_of(sc) + 1)
        cap = sc->options->window + unit_of(sc) + 1;
    char *buf = malloc(cap);
    if (buf == NULL)
        return ENOMEM;
    if (kept > 0)
        memcpy(buf, sc->lim, kept);
    free(sc->buf);
    sc->buf = buf;
    sc->cap = cap;
    return 0;
}

/* Whether a hole lies behind what has been read; the file offset is left where it was. */
static bool has_hole(const struct scan *sc)
{
    if (!sc->regular || sc->bytes >= sc->size)
        return false;
    off_t here = lseek(sc->fd, 0, SEEK_CUR);
    if (here < 0)
        return false;
    off_t hole = lseek(sc->fd, here, SEEK_HOLE);
    if (hole < 0)
        return false; /* a file system that does not know */
    return lseek(sc->fd, here, SEEK_SET) != here || (uint64_t)hole < sc->size;
}

/* Ends the file. The last line gets the newline that it may lack. */
static void end_file(struct scan *sc)
{
    sc->ended = true;
    if (sc->end > sc->at && sc->end[-1] != '\n')
        *sc->end++ = '\n';
    sc->lim = sc->end;
}

static ssize_t read_again(int fd, char *buf, size_t bytes)
{
    ssize_t n;
    do
        n = read(fd, buf, bytes);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Reads the next window. Returns false if the file is done with before its end: it is binary, or
 * sc->error says what went wrong. */
static bool next_window(struct scan *sc)
{
    if (sc->options->numbered)
        count_up_to(sc, sc->lim);
    size_t kept = (size_t)(sc->end - sc->lim);
    size_t ask = grow_window(sc, kept);
    sc->error = move_window(sc, kept, ask);
    if (sc->error != 0)
        return false;

    bool first = sc->bytes == 0;
    char *fresh = sc->buf + kept;
    ssize_t n = read_again(sc->fd, fresh, ask);
    if (n < 0) {
        sc->error = errno;
        return false;
    }
    sc->at = sc->buf;
    sc->counted = sc->buf;
    sc->end = fresh + n;
    sc->bytes += (uint64_t)n;
    atomic_fetch_add_explicit(sc->options->bytes, (uint64_t)n, memory_order_relaxed);
    memset(sc->hits, 0, sc->options->patterns->n * sizeof *sc->hits);
    if (memchr(fresh, '\0', (size_t)n) != NULL || (first && has_hole(sc))) {
        sc->matched = false;
        return false;
    }

    /* A short read that ends where the file should end spares the read that would say so. */
    if (n == 0 || (sc->regular && (size_t)n < ask && sc->bytes == sc->size)) {
        end_file(sc);
        return true;
    }
    char *newline = memrchr(fresh, '\n', (size_t)n);
    sc->lim = newline != NULL ? newline + 1 : sc->at;
    return true;
}

int scan_begin(struct scan *sc, const struct scan_options *options, int fd, const struct stat *st)
{
    struct scan fresh = {.options = options, .fd = fd, .hits = sc->hits};
    if (fresh.hits == NULL) {
        fresh.hits = calloc(options->patterns->n, sizeof *fresh.hits);
        if (fresh.hits == NULL)
            return ENOMEM;
    }
    fresh.regular = S_ISREG(st->st_mode);
    fresh.size = (uint64_t)st->st_size;
    fresh.window = options->window;

    /* A window that has grown a lot for one line would be held for nothing. */
    if (sc->cap > 4 * options->window) {
        free(sc->buf);
        sc->buf = NULL;
        sc->cap = 0;
    }
    fresh.buf = sc->buf;
    fresh.cap = sc->cap;
    fresh.at = fresh.lim = fresh.end = fresh.counted = fresh.buf;
    *sc = fresh;
    return 0;
}

bool scan_run(struct scan *sc, const struct heading *heading, struct sink *out)
{
    while (put_matches(sc, heading, out)) {
        if (sc->ended || atomic_load_explicit(sc->options->stop, memory_order_relaxed))
            return true;
        if (!sc->regular)
            sink_flush(out); /* the next read may wait for somebody who waits for this */
        if (out->tick != NULL)
            out->tick();
        if (!next_window(sc))
            return true;
    }
    return false;
}

void scan_free(struct scan *sc)
{
    free(sc->buf);
    free(sc->hits);
    *sc = (struct scan){0};
}
