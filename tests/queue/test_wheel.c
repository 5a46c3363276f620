/* SPDX-License-Identifier: MIT
 *
 * test_wheel.c: the timing wheel against an array that is searched. */
#include "harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "queue/wheel.h"

enum {
    MANY = 400
};

static struct fl_wheel wheel;
static struct fl_wheel_node nodes[MANY];

static void open_at(int64_t now)
{
    fl_wheel_open(&wheel, now);
    memset(nodes, 0, sizeof nodes);
}

static void add(int i, int64_t when)
{
    nodes[i].when = when;
    fl_wheel_add(&wheel, &nodes[i]);
    assert_true(fl_wheel_has(&nodes[i]));
}

static size_t expire(int64_t now, struct fl_wheel_node *out[], size_t max)
{
    size_t n = fl_wheel_expire(&wheel, now, out, max);

    for (size_t i = 0; i < n; i++)
        assert_false(fl_wheel_has(out[i]));
    return n;
}

TEST(an_empty_wheel_has_nothing_to_give_at_any_time)
{
    struct fl_wheel_node *out[1];

    open_at(5);
    assert_true(fl_wheel_next(&wheel) == INT64_MAX);
    assert_int_equal(expire(INT64_MAX, out, 1), 0);
    assert_true(fl_wheel_next(&wheel) == INT64_MAX);
}

TEST(what_has_come_is_given_at_once)
{
    static const int64_t past[] = {INT64_MIN, -1, 0, 999, 1000};
    struct fl_wheel_node *out[8];

    open_at(1000);
    for (int i = 0; i < 5; i++)
        add(i, past[i]);
    assert_true(fl_wheel_next(&wheel) <= 1000);
    assert_int_equal(expire(1000, out, 8), 5);
    assert_true(fl_wheel_next(&wheel) == INT64_MAX);
}

/* At each digit's edges: not a nanosecond early, and at the very one. */
TEST(nothing_is_early_and_nothing_is_late)
{
    static const int64_t starts[] = {
        1, 63, 64, 4095, 123456789, INT64_C(1) << 40, (INT64_C(1) << 60) - 1};
    struct fl_wheel_node *out[1];

    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        for (unsigned bit = 0; bit < 62; bit++) {
            for (int64_t off = -1; off <= 1; off++) {
                int64_t when = starts[s] + (INT64_C(1) << bit) + off;

                if (when <= starts[s])
                    continue;
                open_at(starts[s]);
                add(0, when);
                assert_true(fl_wheel_next(&wheel) == when);
                assert_int_equal(expire(when - 1, out, 1), 0);
                assert_true(fl_wheel_next(&wheel) == when);
                assert_int_equal(expire(when, out, 1), 1);
                assert_ptr_equal(out[0], &nodes[0]);
            }
        }
    }
}

TEST(what_waits_for_ever_stays)
{
    struct fl_wheel_node *out[1];

    open_at(INT64_C(1) << 50);
    add(0, INT64_MAX);
    assert_true(fl_wheel_next(&wheel) == INT64_MAX);
    assert_int_equal(expire(INT64_MAX - 1, out, 1), 0);
    fl_wheel_remove(&wheel, &nodes[0]);
    assert_false(fl_wheel_has(&nodes[0]));
}

static uint64_t random_next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* The earliest of those in the wheel, or -1. */
static int earliest(void)
{
    int found = -1;

    for (int i = 0; i < MANY; i++) {
        if (fl_wheel_has(&nodes[i]) && (found < 0 || nodes[i].when < nodes[found].when))
            found = i;
    }
    return found;
}

static size_t count(void)
{
    size_t n = 0;

    for (int i = 0; i < MANY; i++)
        n += fl_wheel_has(&nodes[i]);
    return n;
}

/* Adds, removes and lets time pass at scales from nanoseconds to years. */
TEST(any_order_of_calls_gives_what_an_array_gives)
{
    uint64_t x = test_seed() | 1;
    int64_t now = 1000;

    open_at(now);
    for (size_t turn = 0; turn < test_scaled(200000); turn++) {
        uint64_t r = random_next(&x);
        int i = (int)(r % MANY);
        unsigned scale = (unsigned)(r >> 32) % 45;
        int64_t span = (int64_t)(random_next(&x) >> 1 >> (62 - scale));

        if ((r >> 16) % 4 != 0) {
            if (fl_wheel_has(&nodes[i]))
                fl_wheel_remove(&wheel, &nodes[i]);
            else
                add(i, now + span - 2);
        } else {
            struct fl_wheel_node *out[7];
            int64_t before = INT64_MIN;
            int64_t was = now;
            size_t n;

            now += span >> 6;
            do {
                size_t had = count();
                int first = earliest();

                n = expire(now, out, 7);
                assert_int_equal(had - count(), n);
                if (n != 0 && out[0]->when > was)
                    assert_true(first >= 0 && nodes[first].when <= out[0]->when);
                for (size_t k = 0; k < n; k++) {
                    assert_true(out[k]->when <= now);
                    if (out[k]->when > was) { /* those that were overdue before come in any order */
                        assert_true(out[k]->when >= before);
                        before = out[k]->when;
                    }
                }
            } while (n == 7);
            assert_true(earliest() < 0 || nodes[earliest()].when > now);
        }
        if (turn % 16 == 0) {
            int first = earliest();
            int64_t next = fl_wheel_next(&wheel);

            assert_true(first < 0 ? next == INT64_MAX : next <= nodes[first].when || next <= now);
        }
    }
}

/* More than are looked at for the earliest: the wheel says an earlier time, and gets there. */
TEST(a_slot_of_many_is_taken_apart_in_time)
{
    struct fl_wheel_node *out[MANY];
    int64_t base = INT64_C(1) << 30;
    int64_t now = 1;
    size_t n = 0;
    unsigned looks = 0;

    open_at(now);
    for (int i = 0; i < MANY; i++)
        add(i, base + (MANY - i) * 1000);
    while (n < MANY) {
        int64_t next = fl_wheel_next(&wheel);
        size_t some;

        assert_true(next >= now && next <= nodes[earliest()].when);
        now = next;
        some = expire(now, out, MANY);
        for (size_t i = 0; i < some; i++)
            assert_true(out[i]->when == now);
        n += some;
        looks++;
    }
    assert_true(looks <= MANY + 2 * FL_WHEEL_LEVELS);
}

static bool is_odd(const struct fl_wheel_node *node)
{
    return (node - nodes) % 2 != 0;
}

TEST(those_that_are_wanted_are_taken_and_the_others_stay)
{
    struct fl_wheel_node *list;
    size_t n = 0;

    open_at(100);
    for (int i = 0; i < MANY; i++)
        add(i, (int64_t)i * i * 1000);
    list = fl_wheel_take(&wheel, is_odd);
    for (; list != NULL; list = list->next) {
        assert_true(is_odd(list) && !fl_wheel_has(list));
        n++;
    }
    assert_int_equal(n, MANY / 2);
    assert_int_equal(count(), MANY / 2);
    assert_ptr_equal(&nodes[earliest()], &nodes[0]);
}
