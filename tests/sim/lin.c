/* SPDX-License-Identifier: MIT
 *
 * lin.c: looks for the order of calls that explains a history.
 *
 * After Wing & Gong (Testing and Verifying Concurrent Objects, JPDC 1993): one of the calls that
 * nothing left has to precede comes next, if its result fits, and so on; when none fits, back. What
 * can still come depends only on which calls are left and on the state, so a pair of them that has
 * led nowhere is not tried again (Lowe, Testing for Linearizability, CCPE 2017). When there is no
 * room to remember one, it is tried again: slower, not wrong. */
#include "sim/lin.h"

#include <string.h>

enum {
    SEEN_BITS = 12,
    PROBES = 8
};

/* What has led nowhere, in the check of this number. */
static struct seen {
    uint32_t check;
    uint32_t done;
    struct lin_state state;
} seen[1 << SEEN_BITS];
static uint32_t checks;

void lin_begin(struct lin_history *h, enum lin_order order)
{
    memset(h, 0, sizeof *h);
    h->order = order;
}

static uint32_t returned(const struct lin_history *h, bool by_all, int thread)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < h->n; i++) {
        if (!h->op[i].is_pending && (by_all || h->op[i].thread == thread))
            mask |= UINT32_C(1) << i;
    }
    return mask;
}

unsigned lin_call(struct lin_history *h, int thread, int op, uint32_t arg)
{
    uint32_t after;

    if (h->n >= LIN_OPS) {
        h->n = LIN_OPS + 1;
        return LIN_OPS;
    }
    after = h->met | returned(h, h->order == LIN_TIME, thread);
    h->op[h->n] = (struct lin_op){thread, op, arg, 0, true, false, after};
    return h->n++;
}

void lin_return(struct lin_history *h, unsigned call, uint32_t result)
{
    if (call >= LIN_OPS)
        return;
    h->op[call].result = result;
    h->op[call].is_pending = false;
}

void lin_cancel(struct lin_history *h, unsigned call)
{
    lin_return(h, call, 0);
    if (call < LIN_OPS)
        h->op[call].is_void = true;
}

void lin_meet(struct lin_history *h)
{
    if (h->n <= LIN_OPS)
        h->met = returned(h, true, 0);
}

/* Notes the pair; true: it was noted before. */
static bool was_seen(uint32_t done, const struct lin_state *s)
{
    uint64_t hash = done;
    uint64_t words[2] = {0, 0};

    _Static_assert(sizeof *s == sizeof words, "the hash takes in all of the state");
    memcpy(words, s, sizeof *s);
    hash = (hash ^ words[0]) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 29 ^ words[1]) * UINT64_C(0xBF58476D1CE4E5B9);
    for (unsigned i = 0; i < PROBES; i++) {
        struct seen *at = &seen[((hash >> (64 - SEEN_BITS)) + i) % (1 << SEEN_BITS)];

        if (at->check != checks) {
            *at = (struct seen){checks, done, *s};
            return false;
        }
        if (at->done == done && memcmp(&at->state, s, sizeof *s) == 0)
            return true;
    }
    return false;
}

static bool search(const struct lin_history *h, const struct lin_spec *spec, uint32_t done,
                   const struct lin_state *s)
{
    bool is_complete = true;

    if (was_seen(done, s))
        return false;
    for (unsigned i = 0; i < h->n; i++) {
        const struct lin_op *op = &h->op[i];
        struct lin_state next = *s;

        if ((done >> i & 1) != 0)
            continue;
        is_complete = is_complete && op->is_pending;
        if ((op->after & ~done) == 0 && (op->is_void || spec->apply(spec, &next, op)) &&
            search(h, spec, done | UINT32_C(1) << i, &next))
            return true;
    }
    return is_complete;
}

bool lin_check(const struct lin_history *h, const struct lin_spec *spec)
{
    struct lin_state s;

    if (h->n > LIN_OPS)
        return false;
    memset(&s, 0, sizeof s);
    if (++checks == 0) {
        memset(seen, 0, sizeof seen);
        checks = 1;
    }
    return search(h, spec, 0, &s);
}

/* ---- the sequence ---- */

static bool append(struct lin_state *s, uint32_t first, uint32_t n)
{
    if (n > LIN_ITEMS - (uint32_t)s->n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        s->item[s->n++] = (uint8_t)(first + i);
    return true;
}

static uint32_t take_oldest(struct lin_state *s)
{
    uint32_t item = s->item[0];

    memmove(s->item, s->item + 1, LIN_ITEMS - 1);
    s->item[LIN_ITEMS - 1] = 0;
    s->n--;
    s->taken++;
    return item;
}

static uint32_t take_youngest(struct lin_state *s)
{
    uint32_t item = s->item[s->n - 1];

    if (s->n == 1)
        return take_oldest(s); /* the last one leaves from the front, whoever takes it */
    s->item[--s->n] = 0;
    return item;
}

bool lin_apply_sequence(const struct lin_spec *spec, struct lin_state *s, const struct lin_op *op)
{
    uint32_t result = 0;

    switch (op->op) {
    case LIN_PUSH:
        if (spec->capacity == 0 || s->n < spec->capacity) {
            if (!append(s, op->arg, 1))
                return false;
            result = 1;
        }
        break;
    case LIN_PUSH_MANY:
        if (!append(s, op->arg & 0xFF, op->arg >> 8))
            return false;
        result = 1;
        break;
    case LIN_POP:
        if (s->n != 0)
            result = take_youngest(s);
        break;
    case LIN_TAKE:
        if (s->n != 0)
            result = take_oldest(s);
        break;
    case LIN_TAKE_FROM:
        if (s->n != 0 && s->taken >= op->arg)
            result = take_oldest(s);
        break;
    default:
        return false;
    }
    return op->is_pending || result == op->result;
}

const struct lin_spec lin_sequence = {lin_apply_sequence, 0};
