/* SPDX-License-Identifier: MIT
 *
 * test_spin.c: what a thread learns from its waits, and what it does then. */
#include "base/spin.h"

#include "harness/test.h"

static const int64_t LONG_NS = INT64_C(3600) * 1000000000;

static bool watches(struct fl_spinner *spinner, int64_t most_ns)
{
    struct fl_spin s = fl_spin_begin(spinner, most_ns);

    return fl_spin_turn(&s);
}

TEST(without_a_memory_it_watches)
{
    struct fl_spinner spinner = {0};

    assert_true(watches(&spinner, LONG_NS));
}

TEST(no_time_means_no_look_and_nothing_is_learned)
{
    struct fl_spinner spinner = {0};
    struct fl_spin s = fl_spin_begin(&spinner, 0);

    assert_false(fl_spin_turn(&s));
    fl_spin_slept(&s);
    assert_int_equal(spinner.mean_ns, 0);
    s = fl_spin_begin(&spinner, INT64_MIN);
    assert_false(fl_spin_turn(&s));
    fl_spin_hit(&s);
    assert_int_equal(spinner.mean_ns, 0);
}

TEST(it_watches_if_waits_were_short_and_does_not_if_they_were_long)
{
    struct fl_spinner spinner = {.mean_ns = LONG_NS / 2};

    assert_true(watches(&spinner, LONG_NS));
    spinner.mean_ns++;
    assert_false(watches(&spinner, LONG_NS));
}

TEST(the_time_is_over_when_it_is_over)
{
    struct fl_spinner spinner = {0};
    struct fl_spin s = fl_spin_begin(&spinner, LONG_NS);

    assert_true(fl_spin_turn(&s));
    s.began -= LONG_NS;
    assert_false(fl_spin_turn(&s));
    assert_false(fl_spin_turn(&s));
}

TEST(who_has_asked_others_watches_for_a_moment_though_waits_were_long)
{
    struct fl_spinner spinner = {.mean_ns = LONG_NS};
    struct fl_spin s = fl_spin_begin(&spinner, LONG_NS);

    s.has_asked = true;
    assert_true(fl_spin_turn(&s));
    s.began += LONG_NS / 2; /* however long that took */
    assert_true(fl_spin_turn(&s));
    s.began -= LONG_NS / 2 + FL_EAGER_NS + 1;
    assert_false(fl_spin_turn(&s));
    assert_false(fl_spin_turn(&s));
    assert_false(s.has_yielded);
}

TEST(an_answer_within_the_moment_teaches_it_to_watch_again)
{
    struct fl_spinner spinner = {.mean_ns = LONG_NS};
    int n;

    for (n = 0; !watches(&spinner, LONG_NS) && n < 100; n++) {
        struct fl_spin s = fl_spin_begin(&spinner, LONG_NS);

        s.has_asked = true;
        fl_spin_turn(&s);
        fl_spin_hit(&s);
    }
    assert_in_range(n, 1, 10);
}

TEST(long_waits_teach_it_to_sleep_and_short_ones_to_watch_again)
{
    struct fl_spinner spinner = {0};
    int n;

    for (n = 0; watches(&spinner, 1000) && n < 100; n++) {
        struct fl_spin s = fl_spin_begin(&spinner, 1000);

        fl_spin_turn(&s);
        s.began -= 1000000000;
        fl_spin_slept(&s);
        assert_in_range(spinner.mean_ns, 1, 2000); /* however long it was */
    }
    assert_in_range(n, 2, 10);
    for (n = 0; !watches(&spinner, 1000) && n < 100; n++) {
        struct fl_spin s = fl_spin_begin(&spinner, 1000);

        fl_spin_turn(&s);
        fl_spin_hit(&s); /* at once */
    }
    assert_in_range(n, 1, 10);
}

TEST(what_a_wake_takes_is_not_counted_as_waiting)
{
    struct fl_spinner spinner = {0};
    struct fl_spin s = fl_spin_begin(&spinner, LONG_NS);

    fl_spin_turn(&s);
    fl_spin_slept(&s); /* slept for much less than a wake is taken to cost */
    assert_int_equal(spinner.mean_ns, 0);
}

TEST(who_yielded_to_a_stranger_does_not_watch_for_a_while_and_longer_each_time)
{
    struct fl_spinner spinner = {0};
    unsigned expected = 16;

    for (int i = 0; i < 12; i++) {
        struct fl_spin s = fl_spin_begin(&spinner, LONG_NS);
        unsigned n = 0;

        assert_true(fl_spin_turn(&s));
        assert_false(fl_spin_shy(&s));
        assert_false(fl_spin_turn(&s));
        while (!watches(&spinner, LONG_NS))
            n++;
        assert_int_equal(n, expected);
        if (expected < 4096)
            expected *= 2;
    }
}

TEST(yields_that_cost_nothing_make_it_bold_again)
{
    struct fl_spinner spinner = {.shyness = 4096};
    int n = 0;

    for (; spinner.shyness != 0 && n < 1000; n++) {
        struct fl_spin s = fl_spin_begin(&spinner, LONG_NS);

        fl_spin_turn(&s);
        s.has_yielded = true;
        fl_spin_hit(&s);
    }
    assert_in_range(n, 10, 100);
}
