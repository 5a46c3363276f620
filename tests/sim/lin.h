/* SPDX-License-Identifier: MIT
 *
 * lin.h: whether a short history is linearizable: whether a structure that is used by one thread at a
 * time could have told everybody what this one has told them.
 *
 * A scenario writes down each call and its return; lin_check looks for an order of all calls in which
 * each result is what a sequential structure would give, and in which nothing comes after what it is
 * known to precede. A call that has not returned, because its thread was stopped, may have had its
 * effect or not.
 *
 *     lin_begin(&h, LIN_TIME);
 *     unsigned call = lin_call(&h, sim_self(), LIN_POP, 0);
 *     lin_return(&h, call, item_of(fl_deque_pop(&d)));
 *     sim_check(lin_check(&h, &lin_sequence));
 *
 * None of this is instrumented: it is no step and no race. */
#ifndef FL_TESTS_SIM_LIN_H
#define FL_TESTS_SIM_LIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LIN_OPS = 16,  /* calls of a history, at most */
    LIN_ITEMS = 14 /* of a sequence, at once */
};

/* What precedes what. Linearizability asks for LIN_TIME. Of threads that learn nothing of each other,
 * memory that is weaker than sequentially consistent promises only LIN_THREADS: one may look later
 * and still see less. */
enum lin_order {
    LIN_TIME,   /* a call that has returned precedes each that begins later */
    LIN_THREADS /* the calls of one thread, and what lin_meet puts in order */
};

struct lin_op {
    int thread;
    int op;
    uint32_t arg;
    uint32_t result;
    bool is_pending;
    bool is_void;
    uint32_t after; /* a bit for each call that precedes this one */
};

struct lin_history {
    enum lin_order order;
    unsigned n;
    uint32_t met;
    struct lin_op op[LIN_OPS];
};

void lin_begin(struct lin_history *h, enum lin_order order);

/* Returns the number of the call. One too many, and no history of these is linearizable. */
unsigned lin_call(struct lin_history *h, int thread, int op, uint32_t arg);
void lin_return(struct lin_history *h, unsigned call, uint32_t result);

/* It has turned out to be no call of this structure. */
void lin_cancel(struct lin_history *h, unsigned call);

/* All that has returned precedes all that begins from now on: threads are started, or joined. */
void lin_meet(struct lin_history *h);

/* The sequential structure: its state, all zero at first, and what a call does to it. */
struct lin_state {
    uint8_t taken; /* from the front, ever */
    uint8_t n;
    uint8_t item[LIN_ITEMS]; /* the oldest first, zero behind the youngest */
};

struct lin_spec {
    /* False: this call can't have had this result in this state. Of a call that is pending, the
     * result is not known. */
    bool (*apply)(const struct lin_spec *spec, struct lin_state *s, const struct lin_op *op);
    unsigned capacity; /* 0: none */
};

bool lin_check(const struct lin_history *h, const struct lin_spec *spec);

/* A deque, and with fewer operations a stack, a queue or a bounded ring. Items are 1 to 255. */
enum lin_sequence_op {
    LIN_PUSH,      /* arg: the item. 1, or 0 if it is full */
    LIN_PUSH_MANY, /* arg: LIN_MANY(first item, how many), in a row, at once. 1 */
    LIN_POP,       /* the youngest, or 0 if it is empty */
    LIN_TAKE,      /* the oldest, or 0 if it is empty */
    LIN_TAKE_FROM  /* as LIN_TAKE, but 0 if fewer than arg were ever taken from the front */
};

#define LIN_MANY(first, n) ((uint32_t)(first) | (uint32_t)(n) << 8)

bool lin_apply_sequence(const struct lin_spec *spec, struct lin_state *s, const struct lin_op *op);
extern const struct lin_spec lin_sequence;

#endif /* FL_TESTS_SIM_LIN_H */
