/* SPDX-License-Identifier: MIT
 *
 * test_lin.c: the checker of histories: it accepts what one order of the calls explains, and nothing
 * else; and it agrees with one that tries every order. */
#include "harness/test.h"

#include <string.h>

#include "sim/lin.c"

static struct lin_history h;

static void call_and_return(int thread, int op, uint32_t arg, uint32_t result)
{
    lin_return(&h, lin_call(&h, thread, op, arg), result);
}

static bool holds(void)
{
    return lin_check(&h, &lin_sequence);
}

TEST(nothing_that_happened_is_explained)
{
    lin_begin(&h, LIN_TIME);
    assert_true(holds());
}

TEST(one_thread_gets_back_what_a_deque_gives)
{
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_POP, 0, 0);
    call_and_return(0, LIN_PUSH, 1, 1);
    call_and_return(0, LIN_PUSH_MANY, LIN_MANY(2, 3), 1);
    call_and_return(0, LIN_TAKE, 0, 1);
    call_and_return(0, LIN_POP, 0, 4);
    call_and_return(0, LIN_POP, 0, 3);
    call_and_return(0, LIN_TAKE, 0, 2);
    call_and_return(0, LIN_TAKE, 0, 0);
    assert_true(holds());
}

TEST(the_wrong_end_is_found)
{
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    call_and_return(0, LIN_PUSH, 2, 1);
    call_and_return(0, LIN_POP, 0, 1);
    assert_false(holds());

    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    call_and_return(0, LIN_PUSH, 2, 1);
    call_and_return(0, LIN_TAKE, 0, 2);
    assert_false(holds());
}

TEST(an_item_that_two_have_got_is_found)
{
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    unsigned pop = lin_call(&h, 0, LIN_POP, 0);
    unsigned take = lin_call(&h, 1, LIN_TAKE, 0);
    lin_return(&h, take, 1);
    lin_return(&h, pop, 1);
    assert_false(holds());
}

TEST(an_item_that_nobody_has_pushed_is_found)
{
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    call_and_return(1, LIN_TAKE, 0, 2);
    assert_false(holds());
}

TEST(calls_that_overlap_may_come_in_either_order)
{
    for (uint32_t got = 0; got <= 1; got++) {
        lin_begin(&h, LIN_TIME);
        unsigned push = lin_call(&h, 0, LIN_PUSH, 1);
        unsigned take = lin_call(&h, 1, LIN_TAKE, 0);
        lin_return(&h, push, 1);
        lin_return(&h, take, got);
        call_and_return(0, LIN_POP, 0, 1 - got);
        assert_true(holds());
    }
}

TEST(an_empty_queue_that_was_never_empty_is_found)
{
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    unsigned push = lin_call(&h, 0, LIN_PUSH, 2);
    call_and_return(1, LIN_TAKE, 0, 0);
    lin_return(&h, push, 1);
    assert_false(holds());
}

TEST(a_look_that_is_late_is_found_by_time_alone)
{
    for (int order = LIN_TIME; order <= LIN_THREADS; order++) {
        lin_begin(&h, (enum lin_order)order);
        call_and_return(0, LIN_PUSH, 1, 1);
        call_and_return(1, LIN_TAKE, 0, 0);
        call_and_return(1, LIN_TAKE, 0, 1);
        assert_int_equal(holds(), order == LIN_THREADS);
    }
}

TEST(threads_keep_their_own_order)
{
    lin_begin(&h, LIN_THREADS);
    call_and_return(0, LIN_PUSH, 1, 1);
    call_and_return(0, LIN_PUSH, 2, 1);
    call_and_return(1, LIN_TAKE, 0, 2);
    call_and_return(1, LIN_TAKE, 0, 1);
    assert_false(holds());
}

TEST(what_meets_is_in_order)
{
    for (int meets = 0; meets <= 1; meets++) {
        lin_begin(&h, LIN_THREADS);
        call_and_return(0, LIN_PUSH, 1, 1);
        if (meets)
            lin_meet(&h);
        call_and_return(1, LIN_TAKE, 0, 0);
        assert_int_equal(holds(), !meets);
    }
}

TEST(a_call_that_never_returned_happened_or_did_not)
{
    for (uint32_t got = 0; got <= 1; got++) {
        lin_begin(&h, LIN_TIME);
        lin_call(&h, 0, LIN_PUSH, 1);
        call_and_return(1, LIN_TAKE, 0, got);
        assert_true(holds());
    }
    lin_begin(&h, LIN_TIME);
    lin_call(&h, 0, LIN_PUSH, 1);
    call_and_return(1, LIN_TAKE, 0, 1);
    call_and_return(1, LIN_TAKE, 0, 1);
    assert_false(holds());
}

TEST(a_call_that_was_none_has_no_effect)
{
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    lin_cancel(&h, lin_call(&h, 1, LIN_TAKE, 0));
    call_and_return(1, LIN_TAKE, 0, 1);
    assert_true(holds());
    lin_cancel(&h, lin_call(&h, 1, LIN_TAKE, 0));
    call_and_return(1, LIN_TAKE, 0, 1);
    assert_false(holds());
}

TEST(a_ring_is_full_at_its_capacity_and_not_before)
{
    static const struct lin_spec ring = {lin_apply_sequence, 2};

    for (uint32_t n = 0; n <= 3; n++) {
        lin_begin(&h, LIN_TIME);
        for (uint32_t i = 1; i <= n; i++)
            call_and_return(0, LIN_PUSH, i, 1);
        call_and_return(0, LIN_PUSH, 9, 0);
        assert_int_equal(lin_check(&h, &ring), n == 2);
    }
}

TEST(a_floor_is_kept)
{
    for (uint32_t got = 0; got <= 1; got++) {
        lin_begin(&h, LIN_TIME);
        call_and_return(0, LIN_PUSH, 1, 1);
        call_and_return(1, LIN_TAKE_FROM, 1, got);
        assert_int_equal(holds(), got == 0);
    }
    lin_begin(&h, LIN_TIME);
    call_and_return(0, LIN_PUSH, 1, 1);
    call_and_return(0, LIN_PUSH, 2, 1);
    call_and_return(1, LIN_TAKE_FROM, 0, 1);
    call_and_return(1, LIN_TAKE_FROM, 1, 2);
    assert_true(holds());
}

TEST(one_call_too_many_is_never_explained)
{
    lin_begin(&h, LIN_TIME);
    for (int i = 0; i < LIN_OPS; i++)
        call_and_return(0, LIN_POP, 0, 0);
    assert_true(holds());
    call_and_return(0, LIN_POP, 0, 0);
    assert_false(holds());
    call_and_return(0, LIN_POP, 0, 0);
    assert_false(holds());
}

/* ---- against every order ---- */

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % n;
}

/* Whether the calls that are left fit in some order: no memory, no second thoughts. */
static bool fits(uint32_t done, const struct lin_state *s)
{
    bool is_complete = true;

    for (unsigned i = 0; i < h.n; i++) {
        struct lin_state next = *s;

        if ((done >> i & 1) != 0)
            continue;
        is_complete = is_complete && h.op[i].is_pending;
        if ((h.op[i].after & ~done) == 0 && lin_sequence.apply(&lin_sequence, &next, &h.op[i]) &&
            fits(done | UINT32_C(1) << i, &next))
            return true;
    }
    return is_complete;
}

/* What the call gives in this state, which it changes. */
static uint32_t effect(struct lin_state *s, struct lin_op op)
{
    struct lin_state before = *s;

    op.is_pending = false;
    for (op.result = 0; !lin_sequence.apply(&lin_sequence, s, &op); op.result++)
        *s = before;
    return op.result;
}

/* A random history of a deque whose calls take effect somewhere between call and return, and of which
 * one in eight tells something else. */
static void make_history(uint64_t *random)
{
    struct lin_state s;
    unsigned open[3] = {LIN_OPS, LIN_OPS, LIN_OPS};
    uint32_t result[3] = {0};
    bool is_done[3] = {false};
    uint32_t pushed = 0;

    memset(&s, 0, sizeof s);
    lin_begin(&h, (enum lin_order)below(random, 2));
    while (h.n < 9) {
        static const int ops[] = {LIN_PUSH, LIN_PUSH, LIN_POP, LIN_TAKE};
        uint32_t t = below(random, 3);

        if (open[t] == LIN_OPS) {
            int op = ops[t == 0 ? below(random, 3) : 3];

            open[t] = lin_call(&h, (int)t, op, op == LIN_PUSH ? ++pushed : 0);
            is_done[t] = false;
        } else if (!is_done[t]) {
            result[t] = effect(&s, h.op[open[t]]);
            is_done[t] = true;
        } else {
            lin_return(&h, open[t], below(random, 8) == 0 ? below(random, 4) : result[t]);
            open[t] = LIN_OPS;
        }
    }
}

TEST(it_agrees_with_one_that_tries_every_order)
{
    uint64_t random = test_seed() | 1;
    size_t legal = 0;
    size_t n = test_scaled(20000);

    for (size_t i = 0; i < n; i++) {
        struct lin_state s;

        make_history(&random);
        memset(&s, 0, sizeof s);
        bool fits_some_order = fits(0, &s);
        assert_int_equal(holds(), fits_some_order);
        legal += fits_some_order;
    }
    assert_true(legal > 0 && legal < n);
}
