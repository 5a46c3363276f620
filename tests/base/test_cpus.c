/* SPDX-License-Identifier: MIT
 *
 * test_cpus.c: the parsers on every odd file, the walk over made-up trees, and the budget. */
#include "harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filch/base.h>

#include "base/cpus.h"

enum {
    NONE = 0
}; /* in a row: not in that form */

/* ---- Numbers ---- */

struct number_row {
    const char *text;
    uint32_t millis;
};

static void check_numbers(const struct number_row *rows, size_t n,
                          bool (*parse)(const char *, uint32_t *))
{
    for (size_t i = 0; i < n; i++) {
        uint32_t millis = 4242;
        bool known = parse(rows[i].text, &millis);
        if (known != (rows[i].millis != NONE))
            fail_msg("\"%s\" is %staken", rows[i].text, known ? "" : "not ");
        if (known && millis != rows[i].millis)
            fail_msg("\"%s\" is %u", rows[i].text, millis);
        if (!known)
            assert_int_equal(millis, 4242);
    }
}

#define CHECK_NUMBERS(rows, parse) check_numbers(rows, sizeof(rows) / sizeof((rows)[0]), parse)

TEST(cpu_max_is_a_quota_and_a_period)
{
    static const struct number_row rows[] = {
        {"max 100000\n", FL_CPUS_UNLIMITED},
        {"max 100000", FL_CPUS_UNLIMITED},
        {"100000 100000\n", 1000},
        {"150000 100000\n", 1500},
        {"50000 100000\n", 500},
        {"1000 1000000\n", 1},
        {"1 1000000\n", 1}, /* rounded up: never nothing */
        {"100001 100000\n", 1001},
        {"1 3\n", 334},
        {"  200000\t100000 \n\n", 2000},
        {"000200000 0100000\n", 2000},
        {"4294967 1\n", FL_CPUS_UNLIMITED},
        {"4294966 1\n", 4294966000U},
        {"4294966999 1000\n", 4294966999U},
        {"18446744073709551615 1\n", FL_CPUS_UNLIMITED},
        {"99999999999999999999999 100000\n", FL_CPUS_UNLIMITED},
        {"100000 99999999999999999999999\n", 1},
        {"18446744073709551614 18446744073709551615\n", 1000},
    };
    CHECK_NUMBERS(rows, fl_cpus_parse_max);
}

TEST(what_is_not_cpu_max_is_no_quota)
{
    static const struct number_row rows[] = {
        {"", NONE},
        {"\n", NONE},
        {"   ", NONE},
        {"max", NONE},
        {"max\n", NONE},
        {"max max\n", NONE},
        {"maximum 100000\n", NONE},
        {"max100000\n", NONE},
        {"MAX 100000\n", NONE},
        {"ma", NONE},
        {"m", NONE},
        {"100000", NONE},
        {"100000\n", NONE},
        {"100000 ", NONE},
        {"100000 max\n", NONE},
        {"-1 100000\n", NONE},
        {"100000 -1\n", NONE},
        {"+100000 100000\n", NONE},
        {"0 100000\n", NONE},
        {"100000 0\n", NONE},
        {"max 100000 7\n", NONE},
        {"100000 100000 7\n", NONE},
        {"100000 100000x\n", NONE},
        {"100000x 100000\n", NONE},
        {"0x10 100000\n", NONE},
        {"1.5 1\n", NONE},
        {"1e5 100000\n", NONE},
        {"nonsense", NONE},
    };
    CHECK_NUMBERS(rows, fl_cpus_parse_max);
}

TEST(cfs_is_a_quota_file_and_a_period_file)
{
    static const struct {
        const char *quota;
        const char *period;
        uint32_t millis;
    } rows[] = {
        {"-1\n", "100000\n", FL_CPUS_UNLIMITED},
        {" -1 ", "", FL_CPUS_UNLIMITED},
        {"100000\n", "100000\n", 1000},
        {"150000\n", "100000\n", 1500},
        {"1", "3", 334},
        {"99999999999999999999999\n", "100000\n", FL_CPUS_UNLIMITED},
        {"", "100000\n", NONE},
        {"\n", "100000\n", NONE},
        {"100000\n", "", NONE},
        {"100000\n", "\n", NONE},
        {"0\n", "100000\n", NONE},
        {"100000\n", "0\n", NONE},
        {"-2\n", "100000\n", NONE},
        {"-10\n", "100000\n", NONE},
        {"-1 1\n", "100000\n", NONE},
        {"100000\n", "-1\n", NONE},
        {"max\n", "100000\n", NONE},
        {"100000 1\n", "100000\n", NONE},
        {"100000\n", "100000 1\n", NONE},
        {"1.5\n", "1\n", NONE},
        {"-", "100000\n", NONE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t millis = 4242;
        bool known = fl_cpus_parse_cfs(rows[i].quota, rows[i].period, &millis);
        if (known != (rows[i].millis != NONE) || (known && millis != rows[i].millis))
            fail_msg("\"%s\", \"%s\" is %u", rows[i].quota, rows[i].period, millis);
    }
}

TEST(the_limit_is_a_decimal_number_above_0)
{
    static const struct number_row rows[] = {
        {"1", 1000},
        {"2", 2000},
        {"16", 16000},
        {"1.5", 1500},
        {"0.25", 250},
        {"0.001", 1},
        {"0.0001", 1}, /* rounded up: never nothing */
        {"1.2340", 1234},
        {"1.23400", 1234},
        {"1.2341", 1235},
        {"2.9999", 3000},
        {"1.0", 1000},
        {"01.50", 1500},
        {" 2 \n", 2000},
        {"4294966.999", 4294966999U},
        {"4294967", FL_CPUS_UNLIMITED},
        {"99999999999999999999999", FL_CPUS_UNLIMITED},
    };
    CHECK_NUMBERS(rows, fl_cpus_parse_limit);
}

TEST(nonsense_is_no_limit)
{
    static const struct number_row rows[] = {
        {"", NONE},       {" ", NONE},
        {"0", NONE},      {"0.0", NONE},
        {"0.0000", NONE}, {"-1", NONE},
        {"+1", NONE},     {"two", NONE},
        {"2x", NONE},     {"x2", NONE},
        {"1.", NONE},     {".5", NONE},
        {".", NONE},      {"1.5.1", NONE},
        {"1,5", NONE},    {"1 2", NONE},
        {"1. 5", NONE},   {"1 .5", NONE},
        {"1e3", NONE},    {"0x2", NONE},
        {"1.-5", NONE},   {"max", NONE},
        {"inf", NONE},    {"nan", NONE},
        {"1.5%", NONE},   {"99999999999999999999999x", NONE},
    };
    CHECK_NUMBERS(rows, fl_cpus_parse_limit);
}

/* ---- /proc/self/cgroup ---- */

static const char hybrid[] = "12:cpuset:/sets\n"
                             "4:cpu,cpuacct:/docker/abc\n"
                             "2:cpuacct,cpuset:/not/this\n"
                             "1:name=systemd:/init.scope\n"
                             "0::/user.slice/a b:c\n";

static void check_group(const char *text, bool unified, const char *expected)
{
    char out[64];
    bool found = fl_cpus_parse_cgroup(text, unified, out, sizeof out);

    if (found != (expected != NULL))
        fail_msg("\"%s\" has %s", text, found ? out : "none");
    if (found)
        assert_string_equal(out, expected);
}

TEST(the_unified_group_is_line_0_and_may_hold_colons_and_blanks)
{
    check_group(hybrid, true, "/user.slice/a b:c");
    check_group("0::/\n", true, "/");
    check_group("0::/", true, "/");
    check_group("0::/a/b", true, "/a/b");
}

TEST(the_cpu_controllers_group_is_not_that_of_cpuset_or_cpuacct)
{
    check_group(hybrid, false, "/docker/abc");
    check_group("3:cpu:/a\n", false, "/a");
    check_group("3:cpuacct,cpu:/a\n", false, "/a");
    check_group("3:memory,cpu,pids:/a\n", false, "/a");
    check_group("3:cpuset:/a\n", false, NULL);
    check_group("3:cpuacct:/a\n", false, NULL);
    check_group("3:name=cpu:/a\n", false, NULL);
    check_group("3:xcpu,cpux:/a\n", false, NULL);
}

TEST(odd_lines_have_no_group)
{
    static const char *const texts[] = {"",    "\n",      "0",      "0:",    "0::",     "0::\n",
                                        ":::", "0:cpu\n", "::/a\n", "00::/", "1::/a\n", "0::a\n"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_group(texts[i], true, NULL);
    check_group("3:cpu", false, NULL);
    check_group("3:cpu:", false, NULL);
    check_group("3:cpu:relative\n", false, NULL);
    check_group("\n\n0::/late\n", true, "/late");
}

TEST(a_group_fits_with_its_end_or_not_at_all)
{
    char out[8];

    for (size_t size = 0; size <= sizeof out; size++) {
        memset(out, 'x', sizeof out);
        assert_int_equal(fl_cpus_parse_cgroup("0::/abc\n", true, out, size), size >= 5);
        for (size_t i = size; i < sizeof out; i++)
            assert_int_equal(out[i], 'x');
    }
}

/* ---- /proc/self/mountinfo ---- */

static const char mounts[] =
    "23 28 0:21 / /proc rw,nosuid - proc proc rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n"
    "33 31 0:30 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw shared:10 master:3 - cgroup cgroup "
    "rw,cpu,cpuacct\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
    "42 31 0:38 /later /mnt rw - cgroup2 cgroup2 rw\n";

static void check_mount(const char *text, bool unified, const char *mount, const char *root)
{
    char mount_out[64];
    char root_out[64];
    bool found =
        fl_cpus_parse_mount(text, unified, mount_out, sizeof mount_out, root_out, sizeof root_out);

    if (found != (mount != NULL))
        fail_msg("\"%s\" has %s", text, found ? mount_out : "none");
    if (found) {
        assert_string_equal(mount_out, mount);
        assert_string_equal(root_out, root);
    }
}

TEST(the_first_mount_of_the_hierarchy_counts)
{
    check_mount(mounts, true, "/sys/fs/cgroup/unified", "/");
    check_mount(mounts, false, "/sys/fs/cgroup/cpu,cpuacct", "/docker/abc");
}

TEST(optional_fields_may_be_none_or_many)
{
    check_mount("1 2 0:3 /r /m rw - cgroup2 none rw", true, "/m", "/r");
    check_mount("1 2 0:3 /r /m rw a:1 b:2 c:3 d:4 - cgroup2 none rw\n", true, "/m", "/r");
    check_mount("1 2 0:3 /r /m rw - cgroup  rw,cpu\n", false, "/m", "/r"); /* empty source */
}

TEST(escaped_blanks_in_a_mount_are_blanks_again)
{
    check_mount("1 2 0:3 /a\\040b /m\\011n\\134o\\012p rw - cgroup2 none rw\n", true, "/m\tn\\o\np",
                "/a b");
    check_mount("1 2 0:3 /a\\04 /m\\ rw - cgroup2 none rw\n", true, "/m\\", "/a\\04");
    check_mount("1 2 0:3 /a\\999 /m\\777 rw - cgroup2 none rw\n", true, "/m\\777", "/a\\999");
}

TEST(other_file_systems_and_broken_lines_are_no_mount)
{
    static const char *const texts[] = {
        "",
        "\n",
        " ",
        "1",
        "1 2 0:3 / /m rw",
        "1 2 0:3 / /m rw -",
        "1 2 0:3 / /m rw - ",
        "1 2 0:3 / /m rw cgroup2 none rw",
        "1 2 0:3 / /m rw - tmpfs cgroup2 rw",
        "1 2 0:3 / /m rw - cgroup2x none rw",
        "1 2 0:3 / /cgroup2 rw - ext4 cgroup2 rw,cpu",
        "1 2 0:3 / m rw - cgroup2 none rw",
        "- cgroup2 none rw",
        "1 2 0:3 - cgroup2 none rw",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_mount(texts[i], true, NULL, NULL);
    check_mount("1 2 0:3 / /m rw - cgroup none rw,cpuset,cpuacct\n", false, NULL, NULL);
    check_mount("1 2 0:3 / /m rw,cpu - cgroup none rw\n", false, NULL, NULL);
    check_mount("1 2 0:3 / /m rw - cgroup2 none rw,cpu\n", false, NULL, NULL);
}

TEST(a_mount_fits_with_its_end_or_not_at_all)
{
    static const char line[] = "1 2 0:3 /r\\040 /mnt rw - cgroup2 none rw\n"; /* 3 and 4 bytes */
    char mount[8];
    char root[8];

    for (size_t m = 0; m <= sizeof mount; m++) {
        for (size_t r = 0; r <= sizeof root; r++) {
            memset(mount, 'x', sizeof mount);
            memset(root, 'x', sizeof root);
            assert_int_equal(fl_cpus_parse_mount(line, true, mount, m, root, r), m >= 5 && r >= 4);
            for (size_t i = m; i < sizeof mount; i++)
                assert_int_equal(mount[i], 'x');
            for (size_t i = r; i < sizeof root; i++)
                assert_int_equal(root[i], 'x');
        }
    }
}

TEST(no_prefix_of_a_file_is_read_beyond_its_end)
{
    char out[2][64];
    uint32_t millis;

    /* in blocks of the exact size, so that AddressSanitizer sees a step too far */
    for (size_t n = 0; n < sizeof mounts; n++) {
        char *text = strndup(mounts, n);
        (void)fl_cpus_parse_mount(text, true, out[0], 64, out[1], 64);
        (void)fl_cpus_parse_mount(text, false, out[0], 64, out[1], 64);
        free(text);
    }
    for (size_t n = 0; n < sizeof hybrid; n++) {
        char *text = strndup(hybrid, n);
        bool found = fl_cpus_parse_cgroup(text, true, out[0], 64);
        assert_true(n < sizeof hybrid - 1 || found);
        (void)fl_cpus_parse_cgroup(text, false, out[0], 64);
        free(text);
    }
    static const char max[] = "max 100000\n";
    for (size_t n = 0; n < sizeof max; n++) {
        char *text = strndup(max, n);
        assert_int_equal(fl_cpus_parse_max(text, &millis), n >= 5);
        free(text);
    }
}

/* ---- Trees ---- */

static char tree[64];

static void make_tree(void)
{
    strcpy(tree, P_tmpdir "/filch_cpus_XXXXXX");
    assert_non_null(mkdtemp(tree));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(void)
{
    assert_int_equal(nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes tree/path, its directories first. */
static void put_file(const char *path, const char *text)
{
    char full[512];

    snprintf(full, sizeof full, "%s%s", tree, path);
    for (char *s = full + strlen(tree) + 1; (s = strchr(s, '/')) != NULL; s++) {
        *s = '\0';
        (void)mkdir(full, 0700);
        *s = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void put_v2(const char *group, const char *mount_root)
{
    char text[256];

    snprintf(text, sizeof text, "0::%s\n", group);
    put_file("/proc/self/cgroup", text);
    snprintf(text, sizeof text, "41 31 0:38 %s /cg rw - cgroup2 cgroup2 rw\n", mount_root);
    put_file("/proc/self/mountinfo", text);
}

TEST(each_level_of_version_2_can_be_the_tightest)
{
    static const char *const levels[] = {"/cg/cpu.max", "/cg/a/cpu.max", "/cg/a/b/cpu.max",
                                         "/cg/a/b/c/cpu.max"};

    for (size_t tightest = 0; tightest < 4; tightest++) {
        make_tree();
        put_v2("/a/b/c", "/");
        for (size_t i = 0; i < 4; i++)
            put_file(levels[i], i == tightest ? "150000 100000\n" : "300000 100000\n");
        assert_int_equal(fl_cpus_quota(tree), 1500);
        remove_tree();
    }
}

TEST(a_level_without_the_file_or_with_nonsense_in_it_is_stepped_over)
{
    make_tree();
    put_v2("/a/b/c", "/");
    put_file("/cg/a/cpu.max", "250000 100000\n");
    put_file("/cg/a/b/cpu.max", "garbage\n");
    put_file("/cg/a/b/c/other", "");
    assert_int_equal(fl_cpus_quota(tree), 2500);
    put_file("/cg/a/b/cpu.max", "");
    assert_int_equal(fl_cpus_quota(tree), 2500);
    put_file("/cg/a/cpu.max", "max 100000\n");
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    remove_tree();
}

TEST(a_neighbours_quota_does_not_count)
{
    make_tree();
    put_v2("/a", "/");
    put_file("/cg/b/cpu.max", "1000 100000\n");
    put_file("/cg/a/below/cpu.max", "1000 100000\n");
    put_file("/cg/ab/cpu.max", "1000 100000\n");
    put_file("/cpu.max", "1000 100000\n"); /* above the mount */
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    remove_tree();
}

TEST(in_the_root_group_the_mounts_top_is_the_only_level)
{
    make_tree();
    put_v2("/", "/");
    put_file("/cg/cpu.max", "50000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 500);
    remove_tree();
}

TEST(a_mount_of_a_part_of_the_tree_shows_the_group_below_its_root)
{
    make_tree();
    put_v2("/docker/x/y", "/docker/x");
    put_file("/cg/y/cpu.max", "120000 100000\n");
    put_file("/cg/cpu.max", "200000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 1200);
    put_v2("/docker/x", "/docker/x");
    assert_int_equal(fl_cpus_quota(tree), 2000);
    remove_tree();
}

TEST(a_group_outside_what_is_mounted_still_has_the_mounts_top)
{
    static const char *const groups[] = {"/elsewhere", "/docker/xy", "/../../moved", "/.."};

    make_tree();
    put_file("/cg/cpu.max", "200000 100000\n");
    put_file("/cg/y/cpu.max", "1000 100000\n");
    put_file("/moved/cpu.max", "1000 100000\n");
    put_file("/cpu.max", "1000 100000\n");
    for (size_t i = 0; i < 4; i++) {
        put_v2(groups[i], "/docker/x");
        assert_int_equal(fl_cpus_quota(tree), 2000);
    }
    put_v2("/../cg/y", "/"); /* leads out of the mount */
    assert_int_equal(fl_cpus_quota(tree), 2000);
    put_v2("/..y", "/"); /* a name, not a way up */
    put_file("/cg/..y/cpu.max", "70000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 700);
    remove_tree();
}

TEST(of_several_mounts_the_one_that_shows_the_group_is_walked)
{
    make_tree();
    put_file("/proc/self/cgroup", "0::/a/b\n");
    put_file("/proc/self/mountinfo", "40 31 0:38 /other /part rw - cgroup2 cgroup2 rw\n"
                                     "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n");
    put_file("/part/cpu.max", "1000 100000\n");
    put_file("/cg/a/cpu.max", "300000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 3000);
    remove_tree();
}

TEST(each_level_of_version_1_can_be_the_tightest)
{
    static const char *const quotas[] = {"/cpu/cpu.cfs_quota_us", "/cpu/a/cpu.cfs_quota_us",
                                         "/cpu/a/b/cpu.cfs_quota_us"};
    static const char *const periods[] = {"/cpu/cpu.cfs_period_us", "/cpu/a/cpu.cfs_period_us",
                                          "/cpu/a/b/cpu.cfs_period_us"};

    for (size_t tightest = 0; tightest < 3; tightest++) {
        make_tree();
        put_file("/proc/self/cgroup", "4:cpu,cpuacct:/a/b\n");
        put_file("/proc/self/mountinfo", "33 31 0:30 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
        for (size_t i = 0; i < 3; i++) {
            put_file(quotas[i], i == tightest ? "70000\n" : "-1\n");
            put_file(periods[i], "100000\n");
        }
        assert_int_equal(fl_cpus_quota(tree), 700);
        remove_tree();
    }
}

TEST(version_1_without_a_period_is_no_quota)
{
    make_tree();
    put_file("/proc/self/cgroup", "4:cpu:/\n");
    put_file("/proc/self/mountinfo", "33 31 0:30 / /cpu rw - cgroup cgroup rw,cpu\n");
    put_file("/cpu/cpu.cfs_quota_us", "70000\n");
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    put_file("/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(fl_cpus_quota(tree), 700);
    remove_tree();
}

TEST(on_a_hybrid_system_the_tree_with_the_cpu_controller_counts)
{
    for (int has_cpu = 0; has_cpu < 2; has_cpu++) {
        make_tree();
        put_file("/proc/self/cgroup",
                 has_cpu ? "4:cpu:/one\n0::/two\n" : "4:cpuset:/one\n0::/two\n");
        put_file("/proc/self/mountinfo", "33 31 0:30 / /cpu rw - cgroup cgroup rw,cpu\n"
                                         "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n");
        put_file("/cpu/one/cpu.cfs_quota_us", "110000\n");
        put_file("/cpu/one/cpu.cfs_period_us", "100000\n");
        put_file("/cg/two/cpu.max", "300000 100000\n");
        assert_int_equal(fl_cpus_quota(tree), has_cpu ? 1100 : 3000);
        remove_tree();
    }
}

TEST(a_version_1_tree_that_is_nowhere_mounted_leaves_it_to_version_2)
{
    make_tree();
    put_file("/proc/self/cgroup", "4:cpu:/one\n0::/two\n");
    put_file("/proc/self/mountinfo", "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n");
    put_file("/cg/two/cpu.max", "300000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 3000);
    remove_tree();
}

TEST(missing_files_limit_nothing)
{
    make_tree();
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    put_file("/proc/self/cgroup", "0::/a\n4:cpu:/a\n");
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    put_file("/proc/self/mountinfo", "");
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    put_file("/proc/self/mountinfo", "41 31 0:38 / /nowhere rw - cgroup2 cgroup2 rw\n");
    assert_int_equal(fl_cpus_quota(tree), FL_CPUS_UNLIMITED);
    remove_tree();
}

TEST(a_directory_in_a_files_place_limits_nothing)
{
    make_tree();
    put_v2("/a", "/");
    put_file("/cg/a/cpu.max/x", "");
    put_file("/cg/cpu.max", "90000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 900);
    put_file("/other/proc/self/cgroup/x", "");
    put_file("/other/proc/self/mountinfo/x", "");
    char other[80];
    snprintf(other, sizeof other, "%s/other", tree);
    assert_int_equal(fl_cpus_quota(other), FL_CPUS_UNLIMITED);
    remove_tree();
}

static char *repeated(char c, size_t n)
{
    char *text = malloc(n + 1);

    assert_non_null(text);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

TEST(lines_that_do_not_fit_are_left_out_and_the_next_is_found)
{
    make_tree();
    put_v2("/a", "/");
    put_file("/cg/a/cpu.max", "60000 100000\n");
    /* around the size of the buffer, so that a line's end falls on each side of its edge */
    for (size_t n = PATH_MAX - 60; n < PATH_MAX + 20; n++) {
        char *filler = repeated('x', n);
        size_t size = n + 200;
        char *text = malloc(size);

        snprintf(text, size, "%s\n41 31 0:38 / /cg rw - cgroup2 cgroup2 rw", filler);
        put_file("/proc/self/mountinfo", text);
        assert_int_equal(fl_cpus_quota(tree), 600);

        snprintf(text, size, "1 2 0:3 /z /%s rw - cgroup2 none rw\n1 2 0:3 / /cg rw - cgroup2 x y",
                 filler);
        put_file("/proc/self/mountinfo", text); /* too long a mount, or too long a line */
        assert_int_equal(fl_cpus_quota(tree), 600);
        free(text);
        free(filler);
    }
    remove_tree();
}

TEST(a_mount_deep_in_a_long_list_is_found)
{
    enum {
        OTHERS = 2000
    };
    char *text = malloc(OTHERS * 80 + 80);
    size_t n = 0;

    for (int i = 0; i < OTHERS; i++)
        n += (size_t)sprintf(text + n, "%d 31 0:%d / /mnt/%d rw - overlay overlay rw\n", i, i, i);
    strcpy(text + n, "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n");
    make_tree();
    put_v2("/a", "/");
    put_file("/proc/self/mountinfo", text);
    put_file("/cg/a/cpu.max", "60000 100000\n");
    assert_int_equal(fl_cpus_quota(tree), 600);
    remove_tree();
    free(text);
}

TEST(a_group_is_walked_as_long_as_it_fits_a_path_and_limits_nothing_beyond)
{
    unsigned walked = 0;
    bool beyond = false;

    make_tree();
    put_v2("/", "/");
    put_file("/cg/cpu.max", "60000 100000\n");
    for (size_t n = PATH_MAX - 120; n < PATH_MAX + 20; n++) {
        char *filler = repeated('x', n);
        char *text = malloc(n + 20);

        sprintf(text, "0::/%s\n", filler);
        put_file("/proc/self/cgroup", text);
        uint32_t quota = fl_cpus_quota(tree);
        walked += quota == 600;
        beyond |= quota == FL_CPUS_UNLIMITED;
        assert_int_equal(quota, beyond ? FL_CPUS_UNLIMITED : 600);
        free(text);
        free(filler);
    }
    remove_tree();
    assert_true(beyond);
    assert_true(walked > 0);
}

TEST(a_root_too_long_for_a_path_limits_nothing)
{
    char *root = repeated('/', 2 * PATH_MAX);

    assert_int_equal(fl_cpus_quota(root), FL_CPUS_UNLIMITED);
    root[PATH_MAX - 1] = '\0';
    assert_int_equal(fl_cpus_quota(root), FL_CPUS_UNLIMITED);
    free(root);
}

TEST(errno_and_descriptors_are_left_alone)
{
    make_tree();
    put_v2("/a", "/");
    put_file("/cg/cpu.max", "60000 100000\n");
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(before >= 0);
    close(before);
    errno = ERANGE;
    assert_int_equal(fl_cpus_quota(tree), 600);
    assert_int_equal(errno, ERANGE);
    (void)fl_cpus_budget();
    assert_int_equal(errno, ERANGE);
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(after, before);
    close(after);
    remove_tree();
}

/* ---- The process itself ---- */

TEST(affinity_is_what_the_mask_says)
{
    cpu_set_t all;
    cpu_set_t one;

    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(fl_cpus_affinity(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        assert_int_equal(fl_cpus_affinity(), 1);
        assert_int_equal(fl_cpus_budget(), 1);
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

TEST(the_budget_is_the_least_of_all_rounded_up_and_at_least_1)
{
    unsetenv("FILCH_CPU_LIMIT");
    unsigned free_budget = fl_cpus_budget();
    assert_true(free_budget >= 1);
    assert_true(free_budget <= fl_cpus_affinity());

    static const struct {
        const char *text;
        unsigned most;
    } rows[] = {
        {"1", 1},       {"0.5", 1},       {"0.0001", 1},        {"1.001", 2},
        {"2", 2},       {"2.5", 3},       {"100000", UINT_MAX}, {"0", UINT_MAX},
        {"", UINT_MAX}, {"-1", UINT_MAX}, {"lots", UINT_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned expected = rows[i].most < free_budget ? rows[i].most : free_budget;
        setenv("FILCH_CPU_LIMIT", rows[i].text, 1);
        assert_int_equal(fl_cpus_budget(), expected);
        assert_int_equal(filch_cpu_budget(), expected);
    }
    unsetenv("FILCH_CPU_LIMIT");
}
