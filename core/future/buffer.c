/* SPDX-License-Identifier: MIT
 *
 * buffer.c: bytes that grow: when, here; where, by whoever has made the buffer.
 *
 * A buffer of the process's malloc is one block as long as it is small: its bytes follow its words, and move
 * out when they grow beyond that. So a job's short result costs one request for memory. */
#include "future/job.h"

#include "base/alloc.h"

#include <stdalign.h>
#include <string.h>

enum {
    ALIGN = 16,
    ROOM_BESIDE = 80 /* bytes: with the words, two cache lines */
};
_Static_assert(sizeof(filch_buffer) % ALIGN == 0, "what follows a buffer's words is aligned");
_Static_assert(ALIGN <= alignof(max_align_t), "malloc aligns a block of 16 or more for every type");

/* ---- any ---- */

static const struct fl_buffer_ops *ops_of(const filch_buffer *b)
{
    return (const struct fl_buffer_ops *)(uintptr_t)b->_[FL_BUFFER_OPS];
}

void fl_buffer_open(filch_buffer *b, const struct fl_buffer_ops *ops)
{
    *b = (filch_buffer){._ = {[FL_BUFFER_OPS] = (uintptr_t)ops}};
}

/* Twice the room, so that a byte is moved twice at most; if that is not to be had, what is needed. */
static bool make_room(filch_buffer *b, size_t n)
{
    size_t room = (size_t)b->_[FL_BUFFER_ROOM];
    size_t need;

    if (__builtin_add_overflow(b->len, n, &need) || need > PTRDIFF_MAX)
        return false;
    if (b->data != NULL && need <= room)
        return true;
    if (need < ROOM_BESIDE)
        need = ROOM_BESIDE;
    return (need < 2 * room && ops_of(b)->grow(b, 2 * room)) || ops_of(b)->grow(b, need);
}

void *filch_buffer_extend(filch_buffer *b, size_t n)
{
    char *end;

    if (!make_room(b, n))
        return NULL;
    end = (char *)b->data + b->len;
    b->len += n;
    return end;
}

/* Bytes of its own move when it grows. */
static const void *own_bytes(const filch_buffer *b, uintptr_t offset)
{
    return (const char *)b->data + offset;
}

int filch_buffer_append(filch_buffer *b, const void *bytes, size_t n)
{
    uintptr_t offset = (uintptr_t)bytes - (uintptr_t)b->data;
    bool is_own = b->data != NULL && offset < b->len;
    void *end;

    if (n == 0)
        return 0;
    end = filch_buffer_extend(b, n);
    if (end == NULL)
        return FILCH_ENOMEM;
    memcpy(end, is_own ? own_bytes(b, offset) : bytes, n);
    return 0;
}

void filch_buffer_free(filch_buffer *b)
{
    if (b != NULL)
        ops_of(b)->free(b);
}

void fl_buffer_drop(void *buffer, void *nothing)
{
    (void)nothing;
    filch_buffer_free(buffer);
}

/* ---- of the process's malloc ---- */

static bool grow(filch_buffer *b, size_t room)
{
    void *data = fl_malloc(room);

    if (data == NULL)
        return false;
    memcpy(data, b->data, b->len);
    if (b->data != b + 1)
        fl_free(b->data);
    b->data = data;
    b->_[FL_BUFFER_ROOM] = room;
    return true;
}

static void free_all(filch_buffer *b)
{
    if (b->data != b + 1)
        fl_free(b->data);
    fl_free(b);
}

static const struct fl_buffer_ops malloc_ops = {.grow = grow, .free = free_all};

filch_buffer *fl_buffer_create(size_t len)
{
    size_t room = len > ROOM_BESIDE ? len : ROOM_BESIDE;
    filch_buffer *b;

    if (room > PTRDIFF_MAX - sizeof *b)
        return NULL;
    b = fl_malloc(sizeof *b + room);
    if (b == NULL)
        return NULL;
    fl_buffer_open(b, &malloc_ops);
    b->data = b + 1;
    b->len = len;
    b->_[FL_BUFFER_ROOM] = room;
    return b;
}
