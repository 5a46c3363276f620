/* SPDX-License-Identifier: MIT
 *
 * wheel.h: points in time and who waits for them: in and out at once, the earliest first. One holder
 * at a time. wheel.c tells how. */
#ifndef FL_QUEUE_WHEEL_H
#define FL_QUEUE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FL_WHEEL_BITS = 6, /* of a digit */
    FL_WHEEL_SLOTS = 1 << FL_WHEEL_BITS,
    FL_WHEEL_LEVELS = (63 + FL_WHEEL_BITS - 1) / FL_WHEEL_BITS /* digits of a time */
};

/* In what the user of the wheel has; zero: in no wheel. */
struct fl_wheel_node {
    struct fl_wheel_node *next;
    struct fl_wheel_node **at; /* what points here; NULL: in no wheel */
    int64_t when;              /* its user's, while it is in none */
    uint32_t place;            /* of the slot: level and digit */
};

struct fl_wheel {
    int64_t now;                     /* what has been taken is not later, what is left is */
    struct fl_wheel_node *due;       /* but for these: not later either */
    uint64_t taken[FL_WHEEL_LEVELS]; /* a bit for each slot that is not empty */
    struct fl_wheel_node *slot[FL_WHEEL_LEVELS][FL_WHEEL_SLOTS];
};

void fl_wheel_open(struct fl_wheel *w, int64_t now);

/* node.when is set. */
void fl_wheel_add(struct fl_wheel *w, struct fl_wheel_node *node);

static inline bool fl_wheel_has(const struct fl_wheel_node *node)
{
    return node->at != NULL;
}

/* It is in this wheel. */
void fl_wheel_remove(struct fl_wheel *w, struct fl_wheel_node *node);

/* Takes up to max of those whose time has come, the earliest first; those of one instant come in any
 * order. */
size_t fl_wheel_expire(struct fl_wheel *w, int64_t now, struct fl_wheel_node *out[], size_t max);

/* When to look again: never later than the earliest that is left, and mostly just then; INT64_MAX:
 * nothing is left. */
int64_t fl_wheel_next(const struct fl_wheel *w);

/* Takes all that are wanted, linked by next. */
struct fl_wheel_node *fl_wheel_take(struct fl_wheel *w,
                                    bool (*is_wanted)(const struct fl_wheel_node *node));

#endif /* FL_QUEUE_WHEEL_H */
