/* SPDX-License-Identifier: MIT
 *
 * test_status.c: names, sentences and the version. */
#include "harness/test.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <filch/base.h>

struct row {
    int status;
    const char *name;
    const char *text;
};

static const struct row rows[] = {{0, "FILCH_OK", "success"},
#define ROW(name, number, text) {number, "FILCH_" #name, text},
                                  FILCH_STATUS_MAP(ROW)
#undef ROW
};

enum {
    ROWS = sizeof rows / sizeof rows[0]
};

TEST(each_status_has_its_name_and_its_sentence)
{
    for (size_t i = 0; i < ROWS; i++) {
        assert_string_equal(filch_status_name(rows[i].status), rows[i].name);
        assert_string_equal(filch_strerror(rows[i].status), rows[i].text);
    }
}

TEST(no_two_statuses_share_a_number_a_name_or_a_sentence)
{
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].status, rows[j].status);
            assert_string_not_equal(rows[i].name, rows[j].name);
            assert_string_not_equal(rows[i].text, rows[j].text);
        }
    }
}

TEST(a_sentence_is_there_and_has_no_full_stop)
{
    for (size_t i = 0; i < ROWS; i++) {
        size_t n = strlen(rows[i].text);
        assert_true(n > 0);
        assert_int_not_equal(rows[i].text[n - 1], '.');
    }
}

TEST(a_number_that_is_not_filchs_has_no_name_but_a_sentence)
{
    static const int others[] = {1, 42, INT_MAX, -1, -4096, -4095, -5000, INT_MIN};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_null(filch_status_name(others[i]));
        assert_non_null(filch_strerror(others[i]));
    }
}

TEST(a_positive_status_is_the_tasks_own_and_not_unknown)
{
    assert_string_equal(filch_strerror(1), filch_strerror(INT_MAX));
    assert_string_not_equal(filch_strerror(1), filch_strerror(-1));
    assert_string_equal(filch_strerror(-1), filch_strerror(INT_MIN));
}

TEST(the_version_that_runs_is_the_one_of_the_header)
{
    char expected[64];

    snprintf(expected, sizeof expected, "%d.%d.%d", FILCH_VERSION_MAJOR, FILCH_VERSION_MINOR,
             FILCH_VERSION_PATCH);
    assert_string_equal(filch_version(), expected);
}
