/* SPDX-License-Identifier: MIT
 *
 * wheel.c: a hierarchical timing wheel.
 *
 * After Varghese & Lauck (SOSP 1987, scheme 7). A time is a number of eleven digits to the base of 64,
 * in nanoseconds; a level has a slot for each value of one digit. Whoever waits is in the level of the
 * highest digit in which its time differs from the wheel's, in the slot of its own digit there: so
 * adding and removing are a few instructions, however many wait. When the wheel reaches a slot, those
 * in it move down, to where the next digit tells them apart, at most ten times in all.
 * Changed: a tick is one nanosecond, because nothing is done per tick: a word of bits for each level
 * says which slots are not empty, and the wheel goes from one of those to the next. So nobody is
 * early, and nobody is late for the sake of a tick.
 *
 * Always  Z1  of two levels the lower one's are earlier, and of two slots of one level the lower's:
 *             all in a level have the wheel's digits above it, and a greater one in it
 *         Z2  a level's first slot begins no later than any in it; on level 0 it is the time itself */
#include "queue/wheel.h"

#include "base/compiler.h"

#include <string.h>

enum {
    PLACE_DUE = FL_WHEEL_LEVELS << FL_WHEEL_BITS,
    LOOKED_AT = 256 /* how many of a slot are looked at for the earliest */
};

void fl_wheel_open(struct fl_wheel *w, int64_t now)
{
    memset(w, 0, sizeof *w);
    w->now = now;
}

static void push(struct fl_wheel_node **head, struct fl_wheel_node *node)
{
    node->next = *head;
    node->at = head;
    if (node->next != NULL)
        node->next->at = &node->next;
    *head = node;
}

void fl_wheel_add(struct fl_wheel *w, struct fl_wheel_node *node)
{
    unsigned level;
    unsigned digit;

    if (node->when <= w->now) {
        node->place = PLACE_DUE;
        push(&w->due, node);
        return;
    }
    level = (63U - (unsigned)__builtin_clzll((uint64_t)(node->when ^ w->now))) / FL_WHEEL_BITS;
    digit = (unsigned)(node->when >> level * FL_WHEEL_BITS) & (FL_WHEEL_SLOTS - 1);
    node->place = level << FL_WHEEL_BITS | digit;
    w->taken[level] |= UINT64_C(1) << digit;
    push(&w->slot[level][digit], node);
}

void fl_wheel_remove(struct fl_wheel *w, struct fl_wheel_node *node)
{
    unsigned level = node->place >> FL_WHEEL_BITS;
    unsigned digit = node->place & (FL_WHEEL_SLOTS - 1);

    *node->at = node->next;
    if (node->next != NULL)
        node->next->at = node->at;
    node->at = NULL;
    if (node->place != PLACE_DUE && w->slot[level][digit] == NULL)
        w->taken[level] &= ~(UINT64_C(1) << digit);
}

/* The first slot that is not empty. False: there is none. */
static bool first_slot(const struct fl_wheel *w, unsigned *level, unsigned *digit, int64_t *start)
{
    for (unsigned i = 0; i < FL_WHEEL_LEVELS; i++) {
        unsigned shift = i * FL_WHEEL_BITS;

        if (w->taken[i] == 0)
            continue;
        *level = i;
        *digit = (unsigned)__builtin_ctzll(w->taken[i]);
        *start = (int64_t)((uint64_t)w->now >> shift >> FL_WHEEL_BITS << FL_WHEEL_BITS | *digit)
                 << shift;
        return true;
    }
    return false;
}

size_t fl_wheel_expire(struct fl_wheel *w, int64_t now, struct fl_wheel_node *out[], size_t max)
{
    size_t n = 0;

    while (n < max) {
        struct fl_wheel_node *node = w->due;
        unsigned level;
        unsigned digit;
        int64_t start;

        if (node != NULL) {
            fl_wheel_remove(w, node);
            out[n++] = node;
            continue;
        }
        if (!first_slot(w, &level, &digit, &start) || start > now) {
            if (now > w->now)
                w->now = now;
            break;
        }
        node = w->slot[level][digit];
        w->slot[level][digit] = NULL;
        w->taken[level] &= ~(UINT64_C(1) << digit);
        w->now = start;
        while (node != NULL) {
            struct fl_wheel_node *next = node->next;

            fl_wheel_add(w, node);
            node = next;
        }
    }
    return n;
}

/* A slot that holds too many to look at is reached at its beginning, and they move down. */
int64_t fl_wheel_next(const struct fl_wheel *w)
{
    const struct fl_wheel_node *node;
    int64_t earliest = INT64_MAX;
    unsigned level;
    unsigned digit;
    unsigned seen = 0;
    int64_t start;

    if (w->due != NULL)
        return w->now;
    if (!first_slot(w, &level, &digit, &start))
        return INT64_MAX;
    if (level == 0)
        return start;
    for (node = w->slot[level][digit]; node != NULL; node = node->next) {
        if (++seen > LOOKED_AT)
            return start;
        if (node->when < earliest)
            earliest = node->when;
    }
    return earliest;
}

static void take_from(struct fl_wheel *w, struct fl_wheel_node *node,
                      bool (*is_wanted)(const struct fl_wheel_node *node),
                      struct fl_wheel_node **out)
{
    while (node != NULL) {
        struct fl_wheel_node *next = node->next;

        if (is_wanted(node)) {
            fl_wheel_remove(w, node);
            node->next = *out;
            *out = node;
        }
        node = next;
    }
}

struct fl_wheel_node *fl_wheel_take(struct fl_wheel *w,
                                    bool (*is_wanted)(const struct fl_wheel_node *node))
{
    struct fl_wheel_node *out = NULL;

    take_from(w, w->due, is_wanted, &out);
    for (unsigned level = 0; level < FL_WHEEL_LEVELS; level++) {
        uint64_t taken = w->taken[level];

        for (; taken != 0; taken &= taken - 1)
            take_from(w, w->slot[level][__builtin_ctzll(taken)], is_wanted, &out);
    }
    return out;
}
