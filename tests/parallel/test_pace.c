/* SPDX-License-Identifier: MIT
 *
 * test_pace.c: how much of a loop is done at once, and when others are called in, by times that are made up. */
#include "parallel/pace.h"

#include "harness/test.h"

static const uint32_t MANY = 1000000;

/* The step after so many units that have taken so long. */
static struct fl_step next_after(uint32_t units, int64_t ns, uint32_t left, uint32_t wanted)
{
    struct fl_pace pace = {.then = 5000, .units = units};

    return fl_pace_next(&pace, 5000 + ns, left, wanted);
}

TEST(the_first_chunk_is_one_unit_and_the_next_takes_eight_microseconds)
{
    struct fl_pace pace = fl_pace_begin(MANY, 2);
    struct fl_step step = fl_pace_next(&pace, 5000, MANY, 0);

    assert_int_equal(step.units, 1);
    step = fl_pace_next(&pace, 5200, MANY, 0);
    assert_int_equal(step.units, 40);
    step = fl_pace_next(&pace, 21200, MANY, 0); /* twice as long as it should have */
    assert_int_equal(step.units, 20);
    step = fl_pace_next(&pace, 21200 + 1000000, MANY, 0);
    assert_int_equal(step.units, 1);
}

TEST(a_chunk_grows_by_a_factor_that_is_less_if_somebody_is_hungry)
{
    assert_int_equal(next_after(10, 1, MANY, 0).units, 640);
    assert_int_equal(next_after(10, 1, MANY, 1).units, 80);
}

TEST(a_clock_that_stands_still_or_goes_back_is_taken_for_a_nanosecond)
{
    assert_int_equal(next_after(1, 0, MANY, 0).units, 64);
    assert_int_equal(next_after(1, -3000, MANY, 0).units, 64);
}

TEST(what_is_left_is_the_most_and_half_of_it_if_helpers_are_called_in)
{
    assert_int_equal(next_after(10, 1000, 50, 0).units, 50);
    assert_int_equal(next_after(10, 1000, 50, 1).units, 25);
    assert_int_equal(next_after(10, 1000, 50, 1).helpers, 1);
}

TEST(nobody_is_called_in_for_what_is_over_before_he_has_come)
{
    assert_int_equal(next_after(10, 1000, 50, 1).helpers, 1); /* 5 us are left */
    assert_int_equal(next_after(10, 999, 50, 1).helpers, 0);
    assert_int_equal(next_after(10, 999, 49, 1).helpers, 0);
    assert_int_equal(next_after(10, 999, 100, 1).helpers, 1);
}

TEST(two_are_called_in_at_once_at_most_and_each_finds_a_unit)
{
    assert_int_equal(next_after(1, 8000, MANY, 7).helpers, 2);
    assert_int_equal(next_after(1, 8000, 2, 7).helpers, 1);
    assert_int_equal(next_after(1, 8000, 1, 7).helpers, 0);
    assert_int_equal(fl_pace_even(MANY, 7).helpers, 2);
    assert_int_equal(fl_pace_even(MANY, 1).helpers, 1);
    assert_int_equal(fl_pace_even(2, 7).helpers, 1);
    assert_int_equal(fl_pace_even(1, 7).helpers, 0);
    assert_int_equal(fl_pace_even(MANY, 7).units, 1);
}

TEST(a_loop_of_few_units_calls_in_others_before_the_first)
{
    struct fl_pace pace = fl_pace_begin(32, 2);

    assert_int_equal(fl_pace_next(&pace, 5000, 32, 1).helpers, 1);
    pace = fl_pace_begin(33, 2);
    assert_int_equal(fl_pace_next(&pace, 5000, 33, 1).helpers, 0);
}
