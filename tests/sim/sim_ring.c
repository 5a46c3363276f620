/* SPDX-License-Identifier: MIT
 *
 * sim_ring.c: the ring for one writer and one reader, over Concurrency Kit's: its loads and stores are
 * relaxed atomics here and its fences are C11's (doors/ck_pr.h), so that each fence of ring.c counts.
 *
 * The counters begin two below their wrap. What the two did is written down and is a bounded queue's
 * history, in which each keeps its own order, in two respects: without what the reader was told of
 * emptiness, and without what the writer was told of fullness. Not in both at once: neither side has
 * a fence between its own count and its look at the other's, so the one may find the ring full and the
 * other find it empty at the same time. A record says where its writer has left something for its
 * reader. */
#include "base/alloc.h"
#include "queue/ring.h"
#include "sim/lin.h"
#include "sim/sim.h"

enum {
    RECORDS = 6
};

struct record {
    int number;
    const int *where;
};

static int left[RECORDS]; /* plain: whoever pops the record reads it */
static struct fl_heap heap;
static struct fl_ring *r;
static struct lin_history history;
static struct lin_spec spec;

static bool push(int i)
{
    struct record record = {i, &left[i]};
    unsigned call = lin_call(&history, sim_self(), LIN_PUSH, (uint32_t)i + 1);
    bool is_in;

    left[i] = 100 + i;
    is_in = fl_ring_push(r, &record);
    lin_return(&history, call, is_in);
    return is_in;
}

static bool pop(void)
{
    struct record record = {-1, NULL};
    unsigned call = lin_call(&history, sim_self(), LIN_TAKE, 0);
    bool is_out = fl_ring_pop(r, &record);

    if (is_out)
        sim_check(record.where == &left[record.number] && *record.where == 100 + record.number);
    else
        sim_check(record.number == -1 && record.where == NULL);
    lin_return(&history, call, (uint32_t)(record.number + 1));
    return is_out;
}

static void begin(unsigned capacity)
{
    int status;

    lin_begin(&history, LIN_THREADS);
    spec = (struct lin_spec){lin_apply_sequence, capacity};
    sim_solo_begin();
    fl_heap_open(&heap, &sim_allocator);
    status = fl_ring_create(&r, &heap, capacity, sizeof(struct record));
    sim_solo_end();
    sim_check(status == 0);
}

static void begin_with(unsigned capacity, int n)
{
    begin(capacity);
    sim_solo_begin();
    for (int i = 0; i < n; i++)
        push(i);
    sim_solo_end();
    lin_meet(&history);
}

SIM_GHOST static bool is_queue_without(enum lin_sequence_op op)
{
    struct lin_history h = history;

    for (unsigned i = 0; i < h.n; i++) {
        if (h.op[i].op == (int)op && !h.op[i].is_pending && h.op[i].result == 0)
            h.op[i].is_void = true;
    }
    return lin_check(&h, &spec);
}

static void check_history(void)
{
    sim_check(is_queue_without(LIN_TAKE));
    sim_check(is_queue_without(LIN_PUSH));
}

static void end(void)
{
    sim_join_all();
    lin_meet(&history);
    sim_solo_begin();
    while (pop())
        ;
    fl_ring_destroy(r);
    sim_solo_end();
    check_history();
}

static void reader_of_two(void *arg)
{
    (void)arg;
    pop();
    pop();
}

static void reader_of_three(void *arg)
{
    (void)arg;
    pop();
    pop();
    pop();
}

static void writer_of_two(void *arg)
{
    (void)arg;
    push(1);
    push(2);
}

SCENARIO(a_record_comes_with_what_its_writer_did)
{
    begin(1);
    sim_spawn(reader_of_two, NULL);
    push(0);
    end();
}

SCENARIO(records_come_out_in_the_order_they_went_in)
{
    begin(3);
    sim_spawn(reader_of_three, NULL);
    push(0);
    push(1);
    push(2);
    end();
}

SCENARIO(a_ring_of_one_takes_and_gives_in_turn)
{
    begin(1);
    sim_spawn(reader_of_three, NULL);
    push(0);
    push(1);
    push(2);
    end();
}

SCENARIO(a_record_is_read_before_its_place_is_filled_again)
{
    begin_with(1, 1);
    sim_spawn(reader_of_two, NULL);
    sim_spawn(writer_of_two, NULL);
    end();
}

SCENARIO(a_full_ring_refuses_and_keeps_what_it_has)
{
    begin_with(3, 3);
    sim_spawn(reader_of_two, NULL);
    push(3);
    push(4);
    push(5);
    end();
}

/* What is refused is not written down: there is no end to it. */
static void reader_that_waits(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct record record = {-1, NULL};

        SIM_AWAIT(fl_ring_pop(r, &record));
        sim_check(record.number == i && *record.where == 100 + i);
    }
}

SCENARIO(whoever_waits_for_room_or_for_a_record_gets_it)
{
    begin(1);
    sim_spawn(reader_that_waits, NULL);
    for (int i = 0; i < 3; i++) {
        struct record record = {i, &left[i]};

        left[i] = 100 + i;
        SIM_AWAIT(fl_ring_push(r, &record));
    }
    end();
}

SCENARIO(a_ring_without_memory_is_not_there, .alloc_faults = 1)
{
    int status;

    fl_heap_open(&heap, &sim_allocator);
    status = fl_ring_create(&r, &heap, 3, sizeof(struct record));
    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0)
        fl_ring_destroy(r);
}

/* ---- stopped for ever ---- */

static void writer_of_three(void *arg)
{
    (void)arg;
    push(2);
    push(3);
    push(4);
}

static void end_frozen(void)
{
    if (sim_frozen() < 0)
        end();
    else
        check_history();
}

SCENARIO(a_writer_that_stops_for_ever_holds_up_no_reader, .freezes = true)
{
    begin_with(3, 2);
    sim_spawn(writer_of_three, NULL);
    for (int i = 0; i < 2; i++)
        sim_check(pop());
    pop();
    sim_join_all();
    end_frozen();
}

SCENARIO(a_reader_that_stops_for_ever_holds_up_no_writer, .freezes = true)
{
    begin_with(3, 2);
    sim_spawn(reader_of_three, NULL);
    sim_check(push(2));
    push(3);
    sim_join_all();
    end_frozen();
}
