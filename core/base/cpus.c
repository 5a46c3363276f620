/* SPDX-License-Identifier: MIT
 *
 * cpus.c: the CPU budget: first the parsers, then the files they are for, then the sum of it.
 *
 * A quota holds for a group and for all groups below it, so each level from the process's own group
 * up to the top of what is mounted is read, and the least one counts. Version 2 keeps it in
 * cpu.max, version 1 in cpu.cfs_quota_us and cpu.cfs_period_us; a hybrid system has both trees, and
 * both are walked. A container sees part of a tree: the mount's root is then a path of the
 * hierarchy, and the process's path is looked up below it. */
#include "base/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filch/base.h>

/* ---- Parsers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *s)
{
    while (is_blank(*s))
        s++;
    return s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits, of which there is at least one; more than fits is UINT64_MAX. */
static bool take_number(const char **s, uint64_t *n)
{
    if (!is_digit(**s))
        return false;
    for (*n = 0; is_digit(**s); ++*s) {
        if (__builtin_mul_overflow(*n, 10U, n) ||
            __builtin_add_overflow(*n, (uint64_t)(**s - '0'), n)) {
            while (is_digit(**s))
                ++*s;
            *n = UINT64_MAX;
            return true;
        }
    }
    return true;
}

/* Exactly one number and blanks. */
static bool whole_number(const char *s, uint64_t *n)
{
    s = skip_blanks(s);
    return take_number(&s, n) && *skip_blanks(s) == '\0';
}

/* quota/period in thousandths, rounded up. */
static bool share(uint64_t quota, uint64_t period, uint32_t *millis)
{
    if (quota == 0 || period == 0)
        return false; /* the kernel lets neither happen */

    uint64_t whole = quota / period;
    uint64_t rest = quota % period;
    if (whole >= FL_CPUS_UNLIMITED / 1000) {
        *millis = FL_CPUS_UNLIMITED;
        return true;
    }
    uint64_t part = 1000; /* a rest whose thousandths overflow is most of a very long period */
    if (rest <= UINT64_MAX / 1000)
        part = rest * 1000 / period + (rest * 1000 % period != 0);
    *millis = (uint32_t)(whole * 1000 + part);
    return true;
}

bool fl_cpus_parse_max(const char *text, uint32_t *millis)
{
    uint64_t quota = 0;
    uint64_t period;
    const char *s = skip_blanks(text);
    bool unlimited = strncmp(s, "max", 3) == 0;

    if (unlimited)
        s += 3;
    else if (!take_number(&s, &quota))
        return false;
    if (!is_blank(*s) || !whole_number(s, &period))
        return false;
    if (!unlimited)
        return share(quota, period, millis);
    *millis = FL_CPUS_UNLIMITED;
    return true;
}

bool fl_cpus_parse_cfs(const char *quota, const char *period, uint32_t *millis)
{
    uint64_t quota_us;
    uint64_t period_us;
    const char *s = skip_blanks(quota);

    if (strncmp(s, "-1", 2) == 0 && *skip_blanks(s + 2) == '\0') {
        *millis = FL_CPUS_UNLIMITED;
        return true;
    }
    return whole_number(quota, &quota_us) && whole_number(period, &period_us) &&
           share(quota_us, period_us, millis);
}

bool fl_cpus_parse_limit(const char *text, uint32_t *millis)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    const char *s = skip_blanks(text);

    if (!take_number(&s, &whole))
        return false;
    if (*s == '.') {
        bool more = false;
        const char *point = s++;
        for (; is_digit(*s); s++) {
            if (s - point <= 3)
                part = part * 10 + (uint64_t)(*s - '0');
            else
                more |= *s != '0';
        }
        if (s == point + 1)
            return false;
        for (long digits = s - point - 1; digits < 3; digits++)
            part *= 10;
        part += more;
    }
    if (*skip_blanks(s) != '\0' || (whole == 0 && part == 0))
        return false;
    *millis =
        whole >= FL_CPUS_UNLIMITED / 1000 ? FL_CPUS_UNLIMITED : (uint32_t)(whole * 1000 + part);
    return true;
}

/* A piece of text that somebody else owns. */
struct span {
    const char *at;
    size_t n;
};

/* Takes what stands before the next separator, or all that is left, off rest. */
static struct span take_until(struct span *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->n);
    struct span taken = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->n};
    size_t gone = taken.n + (end != NULL);

    rest->at += gone;
    rest->n -= gone;
    return taken;
}

static bool span_is(struct span s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.at, text, s.n) == 0;
}

/* "cpu" among "cpu,cpuacct", and not because of cpuacct or cpuset. */
static bool lists_cpu(struct span list)
{
    while (list.n > 0) {
        if (span_is(take_until(&list, ','), "cpu"))
            return true;
    }
    return false;
}

static bool copy_span(struct span s, char *out, size_t size)
{
    if (s.n >= size)
        return false;
    memcpy(out, s.at, s.n);
    out[s.n] = '\0';
    return true;
}

/* The three octal digits behind a backslash, as mountinfo writes blanks and backslashes; -1 if it
 * is none of these. */
static int octal_byte(struct span s)
{
    int byte = 0;

    if (s.n < 3)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        if (s.at[i] < '0' || s.at[i] > '7')
            return -1;
        byte = byte * 8 + (s.at[i] - '0');
    }
    return byte <= UCHAR_MAX ? byte : -1;
}

static bool copy_unescaped(struct span s, char *out, size_t size)
{
    size_t n = 0;

    while (s.n > 0) {
        if (n + 1 >= size)
            return false;
        int byte = s.at[0] == '\\' ? octal_byte((struct span){s.at + 1, s.n - 1}) : -1;
        size_t gone = byte >= 0 ? 4 : 1;
        char plain = s.at[0];
        if (byte >= 0)
            plain = (char)byte;
        out[n++] = plain;
        s.at += gone;
        s.n -= gone;
    }
    if (n >= size)
        return false;
    out[n] = '\0';
    return true;
}

bool fl_cpus_parse_cgroup(const char *text, bool unified, char *out, size_t size)
{
    struct span rest = {text, strlen(text)};

    while (rest.n > 0) {
        struct span line = take_until(&rest, '\n');
        struct span hierarchy = take_until(&line, ':');
        struct span controllers = take_until(&line, ':');
        bool found =
            unified ? span_is(hierarchy, "0") && controllers.n == 0 : lists_cpu(controllers);

        if (found && line.n > 0 && line.at[0] == '/') /* the path may hold colons */
            return copy_span(line, out, size);
    }
    return false;
}

bool fl_cpus_parse_mount(const char *text, bool unified, char *mount, size_t mount_size, char *root,
                         size_t root_size)
{
    struct span rest = {text, strlen(text)};

    /* id parent device ROOT MOUNT options [optional...] - type source super-options */
    while (rest.n > 0) {
        struct span line = take_until(&rest, '\n');
        for (int i = 0; i < 3; i++)
            take_until(&line, ' ');
        struct span root_field = take_until(&line, ' ');
        struct span mount_field = take_until(&line, ' ');
        while (line.n > 0 && !span_is(take_until(&line, ' '), "-"))
            continue;
        struct span type = take_until(&line, ' ');
        take_until(&line, ' ');
        struct span options = take_until(&line, ' ');

        bool found =
            unified ? span_is(type, "cgroup2") : span_is(type, "cgroup") && lists_cpu(options);
        found = found && root_field.n > 0 && mount_field.n > 0 && mount_field.at[0] == '/';
        if (found)
            return copy_unescaped(root_field, root, root_size) &&
                   copy_unescaped(mount_field, mount, mount_size);
    }
    return false;
}

/* ---- Files ---- */

static int open_file(const char *path)
{
    int fd;

    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t read_some(int fd, char *buffer, size_t size)
{
    ssize_t n;

    do {
        n = read(fd, buffer, size);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* The lines of a file, one after the other. One that does not fit is left out: no line about a
 * cgroup is that long, but one about an overlay may be. */
struct lines {
    int fd;
    size_t begin;
    size_t end;
    bool dropping; /* the rest of a line that does not fit */
    char buffer[PATH_MAX];
};

static bool lines_open(struct lines *l, const char *root, const char *file)
{
    if ((size_t)snprintf(l->buffer, sizeof l->buffer, "%s%s", root, file) >= sizeof l->buffer)
        return false;
    l->fd = open_file(l->buffer);
    l->begin = 0;
    l->end = 0;
    l->dropping = false;
    return l->fd >= 0;
}

/* NULL: that was the last one. The text lives until the next call. */
static char *lines_next(struct lines *l)
{
    for (;;) {
        char *line = l->buffer + l->begin;
        char *newline = memchr(line, '\n', l->end - l->begin);
        bool dropped = l->dropping;

        if (newline != NULL) {
            *newline = '\0';
            l->begin = (size_t)(newline + 1 - l->buffer);
            l->dropping = false;
            if (dropped)
                continue;
            return line;
        }

        l->end -= l->begin;
        memmove(l->buffer, line, l->end);
        l->begin = 0;
        if (l->end == sizeof l->buffer - 1) {
            l->dropping = true;
            l->end = 0;
        }
        ssize_t n = read_some(l->fd, l->buffer + l->end, sizeof l->buffer - 1 - l->end);
        if (n <= 0) {
            bool whole = n == 0 && l->end > 0 && !l->dropping;
            l->buffer[l->end] = '\0';
            l->end = 0;
            return whole ? l->buffer : NULL;
        }
        l->end += (size_t)n;
    }
}

static void lines_close(struct lines *l)
{
    close(l->fd);
}

/* A small file of one group. False: not there, or longer than such files are. */
static bool read_small(const char *path, char *text, size_t size)
{
    int fd = open_file(path);
    size_t n = 0;
    ssize_t got = -1;

    if (fd < 0)
        return false;
    while (n < size - 1 && (got = read_some(fd, text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    text[n] = '\0';
    return got == 0;
}

/* ---- The walk ---- */

enum {
    LEVEL_FILE_MAX = sizeof "/cpu.cfs_period_us", /* the longest name of a file of a level */
    LEVEL_TEXT_MAX = 64                           /* two numbers of 20 digits, and blanks */
};

/* Where the process stands in one hierarchy. */
struct place {
    char group[PATH_MAX]; /* its path in the hierarchy */
    char dir[PATH_MAX]; /* root of the files, mount, and the part of group below the mount's root */
    size_t top;         /* bytes of dir that are root and mount: the walk ends there */
};

static bool leaves_upwards(const char *path)
{
    for (const char *s = path; (s = strstr(s, "/..")) != NULL; s += 3) {
        if (s[3] == '/' || s[3] == '\0')
            return true;
    }
    return false;
}

/* The part of group below the mount's root; NULL where it is not below. A process that has been
 * moved out of its cgroup namespace has a path that leads upwards. */
static const char *below(const char *group, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(group, root, n) != 0 || (group[n] != '/' && group[n] != '\0'))
        return NULL;
    group += n;
    if (leaves_upwards(group))
        return NULL;
    return strcmp(group, "/") == 0 ? "" : group;
}

static bool find_group(struct lines *l, const char *root, bool unified, struct place *p)
{
    bool found = false;
    char *line;

    if (!lines_open(l, root, "/proc/self/cgroup"))
        return false;
    while (!found && (line = lines_next(l)) != NULL)
        found = fl_cpus_parse_cgroup(line, unified, p->group, sizeof p->group);
    lines_close(l);
    return found;
}

/* Fills in dir and top from the first mount that shows the group, or with any from the first of
 * all: its top may still carry a quota. */
static bool find_mount(struct lines *l, const char *root, bool unified, bool any, struct place *p)
{
    char mount_root[PATH_MAX];
    size_t prefix = strlen(root);
    const char *part = NULL;
    char *line;

    if (prefix >= sizeof p->dir || !lines_open(l, root, "/proc/self/mountinfo"))
        return false;
    memcpy(p->dir, root, prefix);
    while (part == NULL && (line = lines_next(l)) != NULL) {
        if (!fl_cpus_parse_mount(line, unified, p->dir + prefix, sizeof p->dir - prefix, mount_root,
                                 sizeof mount_root))
            continue;
        part = below(p->group, mount_root);
        if (part == NULL && any)
            part = "";
    }
    lines_close(l);
    if (part == NULL)
        return false;

    p->top = strlen(p->dir);
    size_t part_bytes = strlen(part) + 1;
    if (part_bytes + LEVEL_FILE_MAX > sizeof p->dir - p->top)
        return false;
    memcpy(p->dir + p->top, part, part_bytes);
    return true;
}

/* Reads dir/file, where dir is the first n bytes of p->dir. */
static bool read_level_file(struct place *p, size_t n, const char *file, char text[LEVEL_TEXT_MAX])
{
    memcpy(p->dir + n, file, strlen(file) + 1);
    return read_small(p->dir, text, LEVEL_TEXT_MAX);
}

static uint32_t level_quota(struct place *p, size_t n, bool unified)
{
    char text[LEVEL_TEXT_MAX];
    char period[LEVEL_TEXT_MAX];
    uint32_t millis;
    bool known = unified
                     ? read_level_file(p, n, "/cpu.max", text) && fl_cpus_parse_max(text, &millis)
                     : read_level_file(p, n, "/cpu.cfs_quota_us", text) &&
                           read_level_file(p, n, "/cpu.cfs_period_us", period) &&
                           fl_cpus_parse_cfs(text, period, &millis);

    return known ? millis : FL_CPUS_UNLIMITED;
}

static uint32_t least_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* False: the process is not in that hierarchy, or it is nowhere mounted. */
static bool hierarchy_quota(const char *root, bool unified, uint32_t *least)
{
    struct lines l;
    struct place p;

    *least = FL_CPUS_UNLIMITED;
    if (!find_group(&l, root, unified, &p) ||
        (!find_mount(&l, root, unified, false, &p) && !find_mount(&l, root, unified, true, &p)))
        return false;

    for (size_t n = strlen(p.dir);;) {
        *least = least_of(*least, level_quota(&p, n, unified));
        if (n == p.top)
            return true;
        do {
            n--;
        } while (n > p.top && p.dir[n] != '/');
    }
}

uint32_t fl_cpus_quota(const char *root)
{
    int saved = errno;
    uint32_t least;

    /* The kernel has the cpu controller in one hierarchy only: in version 1's, if one is there. */
    if (!hierarchy_quota(root, false, &least))
        hierarchy_quota(root, true, &least);
    errno = saved;
    return least;
}

/* ---- The sum ---- */

unsigned fl_cpus_affinity(void)
{
    /* Room for 65,536 CPUs; the kernel refuses a mask with room for fewer than it may ever have,
     * which is 8,192 at most. */
    cpu_set_t sets[64];
    int saved = errno;
    int n = 0;

    if (sched_getaffinity(0, sizeof sets, sets) == 0)
        n = CPU_COUNT_S(sizeof sets, sets);
    else
        n = (int)sysconf(_SC_NPROCESSORS_ONLN); /* a sandbox may forbid the call */
    errno = saved;
    return n > 0 ? (unsigned)n : 1;
}

unsigned fl_cpus_budget(void)
{
    uint32_t least = least_of(fl_cpus_affinity() * 1000, fl_cpus_quota(""));
    const char *text = secure_getenv("FILCH_CPU_LIMIT");
    uint32_t limit;

    if (text != NULL && fl_cpus_parse_limit(text, &limit))
        least = least_of(least, limit);
    return least / 1000 + (least % 1000 != 0);
}

unsigned filch_cpu_budget(void)
{
    return fl_cpus_budget();
}
