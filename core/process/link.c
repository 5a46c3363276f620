/* SPDX-License-Identifier: MIT
 *
 * link.c: the program's end of what it shares with one worker process.
 *
 * Positions and numbers are kept here, in the program's own memory; what the worker has written is read once, as
 * single words, and checked before it is used. The words are those of wire.h.
 *
 * Orders  L1  give   bell     look -> desk.c's C1     request and payload before the number that shows them
 *         L2  ring   asleep   look <- desk.c's C2     after L1, or L5
 *         L3  read   answer   look <- desk.c's C4     after L6 or L7, or on one's way
 *         L8  count  done     acquire <- desk.c's C4  then the answer is looked at
 *         L4  free   taken    release -> desk.c's C5  what was there has been read
 *         L5  free   room     look -> desk.c's C6     after L4
 *         L6  arm    armed    look -> desk.c's C7     then the answers are looked at
 *         L7  watch  watched  look -> desk.c's C7     likewise */
#include "process/link.h"

#include "base/compiler.h"
#include "base/notify.h"
#include "process/file.h"

#include <filch/base.h>

#include <string.h>

int fl_link_open(struct fl_link *l, const struct fl_link_options *options)
{
    void *map;
    int pair[2];
    int status;

    memset(l, 0, sizeof *l);
    l->ring_bytes = options->ring_bytes;
    status = fl_file_create("filch-in", fl_wire_in_bytes(l->ring_bytes), &map);
    if (status < 0)
        return status;
    l->theirs[0] = status;
    l->in = map;
    status = fl_file_seal_for_others(l->theirs[0]);
    if (status != 0)
        goto close_in;
    status = fl_file_create("filch-out", fl_wire_out_bytes(l->ring_bytes), &map);
    if (status < 0)
        goto close_in;
    l->theirs[1] = status;
    l->out = map;
    status = fl_socket_pair(pair);
    if (status != 0)
        goto close_out;
    l->socket = pair[0];
    l->theirs[2] = pair[1];
    status = fl_notify_open();
    if (status < 0)
        goto close_sockets;
    l->bell = status;
    l->theirs[3] = status;
    l->in->version = FL_WIRE_VERSION;
    l->in->keeps_rss = options->keeps_rss;
    l->in->spin_ns = options->spin_ns;
    l->in->cpu_limit_ns = options->cpu_limit_ns;
    l->in->ring_bytes = l->ring_bytes;
    return 0;

close_sockets:
    fl_close(pair[0]);
    fl_close(pair[1]);
close_out:
    fl_file_unmap(l->out, fl_wire_out_bytes(l->ring_bytes));
    fl_close(l->theirs[1]);
close_in:
    fl_file_unmap(l->in, fl_wire_in_bytes(l->ring_bytes));
    fl_close(l->theirs[0]);
    return status;
}

void fl_link_forget_theirs(struct fl_link *l)
{
    for (int i = 0; i < 3; i++) {
        fl_close(l->theirs[i]);
        l->theirs[i] = -1;
    }
    l->theirs[3] = -1; /* it is ours as well */
}

void fl_link_close(struct fl_link *l)
{
    fl_link_forget_theirs(l);
    fl_file_unmap(l->in, fl_wire_in_bytes(l->ring_bytes));
    fl_file_unmap(l->out, fl_wire_out_bytes(l->ring_bytes));
    fl_close(l->socket);
    fl_notify_close(l->bell);
}

/* ---- giving */

static size_t rounded(size_t len)
{
    return (len + FL_WIRE_ALIGN - 1) / FL_WIRE_ALIGN * FL_WIRE_ALIGN;
}

/* Where in the ring, counted from the first byte ever, so many bytes have room in one piece; or UINT64_MAX. */
static uint64_t find_room(const struct fl_link *l, size_t len)
{
    uint64_t at = l->sent;
    uint64_t to_end = l->ring_bytes - at % l->ring_bytes;

    if (rounded(len) > to_end)
        at += to_end;
    return at + rounded(len) - l->sent_head <= l->ring_bytes ? at : UINT64_MAX;
}

bool fl_link_has_room(const struct fl_link *l, size_t len)
{
    return !l->is_giving && fl_link_count(l) < FL_WIRE_SLOTS && find_room(l, len) != UINT64_MAX;
}

/* The bytes are there. */
static void show(struct fl_link *l, void *job, const struct fl_wire_request *request, uint64_t at,
                 size_t len, uint64_t *n)
{
    size_t slot = l->tail % FL_WIRE_SLOTS;
    struct fl_wire_request *r = &l->in->slot[slot];

    r->offset = at % l->ring_bytes;
    r->len = request->len;
    r->job = request->job;
    r->flags = request->flags;
    l->sent = at + rounded(len);
    l->slot[slot] = (struct fl_sent){job, l->sent};
    fl_store(&l->out->slot[slot].word, fl_wire_word(l->tail, FL_WIRE_GIVEN),
             relaxed); /* settled by L1 */
    *n = l->tail++;
    fl_store_look(&l->in->bell, (uint32_t)l->tail); /* L1 */
}

bool fl_link_give(struct fl_link *l, void *job, const struct fl_wire_request *request,
                  const void *bytes, int fd, uint64_t *n)
{
    size_t len = fd >= 0 ? 0 : (size_t)request->len;
    uint64_t at = find_room(l, len);

    if (fd >= 0) {
        struct fl_wire_far far = {l->tail, request->len};
        int status = fl_socket_send(l->socket, &far, sizeof far, &fd, 1, false);

        if (status != 0) {
            l->is_deaf = status == FILCH_EEND;
            l->is_stuffed = true;
            return false;
        }
    }
    if (len != 0)
        memcpy(l->in->ring + at % l->ring_bytes, bytes, len);
    show(l, job, request, at, len, n);
    return true;
}

void *fl_link_begin(struct fl_link *l, size_t len, uint64_t *at)
{
    *at = find_room(l, len);
    l->is_giving = true;
    return l->in->ring + *at % l->ring_bytes;
}

void fl_link_end(struct fl_link *l, void *job, const struct fl_wire_request *request, uint64_t at,
                 uint64_t *n)
{
    l->is_giving = false;
    show(l, job, request, at, (size_t)request->len, n);
}

void fl_link_ring(struct fl_link *l)
{
    if (fl_look(&l->out->asleep) == 1) /* L2 */
        fl_shared_wake(&l->in->bell);
}

bool fl_link_sleeps(const struct fl_link *l)
{
    return fl_load(&l->out->asleep, relaxed) == 1; /* hint */
}

/* An empty ring begins anew, where it is in the caches. */
static void step(struct fl_link *l)
{
    struct fl_sent *sent = &l->slot[l->head % FL_WIRE_SLOTS];

    l->sent_head = sent->end;
    if (sent->job == NULL && l->back != 0)
        l->back--;
    sent->job = NULL;
    l->is_stuffed = false;
    l->head++;
    if (l->head == l->tail && !l->is_giving) {
        l->sent_head = 0;
        l->sent = 0;
    }
}

/* What was taken back is passed over by the worker, and nobody is told: so what stands first never is that. */
static void skip(struct fl_link *l)
{
    while (l->head != l->tail && l->slot[l->head % FL_WIRE_SLOTS].job == NULL)
        step(l);
}

void fl_link_forget(struct fl_link *l)
{
    while (l->head != l->tail)
        step(l);
}

bool fl_link_take_back(struct fl_link *l, uint64_t n)
{
    size_t slot = n % FL_WIRE_SLOTS;
    uint32_t given = fl_wire_word(n, FL_WIRE_GIVEN);

    if (!fl_cas(&l->out->slot[slot].word, &given, fl_wire_word(n, FL_WIRE_BACK), relaxed,
                relaxed)) /* settled by the lock: what it is we know ourselves */
        return false;
    l->slot[slot].job = NULL;
    l->back++;
    skip(l);
    return true;
}

bool fl_link_has_begun(const struct fl_link *l, uint64_t n)
{
    return fl_load(&l->out->slot[n % FL_WIRE_SLOTS].word, relaxed) !=
           fl_wire_word(n, FL_WIRE_GIVEN); /* hint: it may begin now */
}

const void *fl_link_bytes(const struct fl_link *l, uint64_t n)
{
    return l->in->ring + l->in->slot[n % FL_WIRE_SLOTS].offset;
}

/* ---- hearing */

bool fl_link_oldest(const struct fl_link *l, uint64_t *n)
{
    *n = l->head;
    return l->head != l->tail;
}

bool fl_link_is_done(const struct fl_link *l, uint64_t n)
{
    return fl_look(&l->out->slot[n % FL_WIRE_SLOTS].word) == fl_wire_word(n, FL_WIRE_DONE); /* L3 */
}

enum fl_said fl_link_hear(struct fl_link *l, struct fl_answer *answer)
{
    const struct fl_wire_answer *a;
    uint64_t offset;
    uint64_t len;
    uint32_t word;
    uint32_t flags;

    if (!fl_link_oldest(l, &answer->n))
        return FL_SAID_NOTHING;
    a = &l->out->slot[l->head % FL_WIRE_SLOTS];
    word = fl_look(&a->word); /* L3 */
    if (word == fl_wire_word(l->head, FL_WIRE_GIVEN) ||
        word == fl_wire_word(l->head, FL_WIRE_BEGUN))
        return FL_SAID_NOTHING;
    if (word != fl_wire_word(l->head, FL_WIRE_DONE))
        return FL_SAID_FORGED;
    answer->job = l->slot[l->head % FL_WIRE_SLOTS].job;
    answer->status = fl_load(&a->status, relaxed);       /* settled by L3 */
    answer->run_us = fl_load(&a->run_us, relaxed);       /* settled by L3 */
    answer->rss_bytes = fl_load(&a->rss_bytes, relaxed); /* settled by L3 */
    offset = fl_load(&a->offset, relaxed);               /* settled by L3 */
    len = fl_load(&a->len, relaxed);                     /* settled by L3 */
    flags = fl_load(&a->flags, relaxed);                 /* settled by L3 */
    l->taken = fl_load(&a->end, relaxed);                /* settled by L3; its own affair */
    answer->is_far = answer->status == 0 && (flags & FL_WIRE_FAR) != 0;
    answer->len = (size_t)len;
    answer->bytes = NULL;
    if (answer->is_far)
        return len <= (uint64_t)PTRDIFF_MAX ? FL_SAID_DONE : FL_SAID_FORGED;
    if (offset > l->ring_bytes || len > l->ring_bytes - offset ||
        (answer->status != 0 && len > FL_WIRE_SAID))
        return FL_SAID_FORGED;
    answer->bytes = (const char *)l->out->ring + offset;
    return FL_SAID_DONE;
}

void fl_link_next(struct fl_link *l)
{
    step(l);
    skip(l);
}

void fl_link_free(struct fl_link *l)
{
    fl_store(&l->in->taken, l->taken, release);     /* L4 */
    fl_store_look(&l->in->room, ++l->rooms);        /* L5 */
    if (fl_unlikely(fl_look(&l->out->asleep) == 2)) /* L2 */
        fl_shared_wake(&l->in->room);
}

void *fl_link_receive(struct fl_link *l, uint64_t n, size_t len, int *status)
{
    struct fl_wire_far far;
    void *map = NULL;
    int fd = -1;
    enum fl_got got = fl_socket_receive(l->socket, &far, sizeof far, &fd, 1, false);

    *status = got == FL_GOT_NO_ROOM ? FILCH_EMFILE : FILCH_EINVAL;
    if (got != FL_GOT)
        return NULL;
    if (far.n == n && far.len == len)
        map = fl_file_map_sealed(fd, len, status);
    fl_close(fd);
    return map;
}

bool fl_link_fault(const struct fl_link *l, uint64_t *address)
{
    *address = fl_load(&l->out->address, relaxed);      /* hint: it is dead */
    return fl_load(&l->out->has_address, relaxed) != 0; /* hint: it is dead */
}

/* ---- who is to be told */

void fl_link_arm(struct fl_link *l, bool sleeps)
{
    if (sleeps)
        fl_store_look(&l->in->armed, 1); /* L6 */
    else
        fl_store(&l->in->armed, 0, relaxed); /* hint: one ring too many does no harm */
}

void fl_link_watch(struct fl_link *l, uint64_t n)
{
    l->watched = n + 1;
    fl_store_look(&l->in->watched, 2 * (n + 1)); /* L7 */
}

void fl_link_watch_asleep(struct fl_link *l, uint64_t n)
{
    fl_store_look(&l->in->watched, 2 * (n + 1) + 1); /* L7 */
}

uint32_t fl_link_done_count(const struct fl_link *l)
{
    return fl_load(&l->out->done, acquire); /* L8 */
}

void fl_link_finish(struct fl_link *l)
{
    struct fl_wire_request end = {.flags = FL_WIRE_END};
    uint64_t n;

    fl_link_give(l, NULL, &end, NULL, -1, &n);
    skip(l);
    fl_link_ring(l);
}
