/* SPDX-License-Identifier: MIT
 *
 * pack.c: several payloads in one. pack.h has the format.
 *
 * An output is written where it belongs: the buffer that its job fills is the end of the pack, and when it grows, the
 * pack does. Its head is there before, for a job that failed, and is written when the job is over. */
#include "future/pack.h"

#include <limits.h>
#include <string.h>

enum {
    WORD = 8,
    ALIGN = 16
};
_Static_assert(FL_PACK_HEAD == 2 * WORD && FL_PACK_HEAD % ALIGN == 0,
               "what follows a head is aligned");

static void put_word(void *to, uint64_t word)
{
    unsigned char *byte = to;

    for (int i = 0; i < WORD; i++)
        byte[i] = (unsigned char)(word >> 8 * i);
}

static uint64_t get_word(const void *from)
{
    const unsigned char *byte = from;
    uint64_t word = 0;

    for (int i = 0; i < WORD; i++)
        word |= (uint64_t)byte[i] << 8 * i;
    return word;
}

static size_t padding_of(size_t len)
{
    return -len & (ALIGN - 1);
}

static void put_head(void *to, uint64_t first, uint64_t second)
{
    put_word(to, first);
    put_word((char *)to + WORD, second);
}

/* ---- writing ---- */

bool fl_pack_begin(filch_buffer *pack)
{
    void *head = filch_buffer_extend(pack, FL_PACK_HEAD);

    if (head == NULL)
        return false;
    put_head(head, 0, 0);
    return true;
}

static void count_item(const filch_buffer *pack)
{
    put_word(pack->data, get_word(pack->data) + 1);
}

bool fl_pack_add(filch_buffer *pack, const void *bytes, size_t len)
{
    size_t padding = padding_of(len);
    size_t with_all;
    char *head;

    if (__builtin_add_overflow(len, FL_PACK_HEAD + padding, &with_all))
        return false;
    head = filch_buffer_extend(pack, with_all);
    if (head == NULL)
        return false;
    put_head(head, 0, len);
    if (len != 0) /* bytes may be NULL then */
        memcpy(head + FL_PACK_HEAD, bytes, len);
    memset(head + FL_PACK_HEAD + len, 0, padding);
    count_item(pack);
    return true;
}

enum {
    PACK = FL_BUFFER_OWN, /* whose end the item is */
    OFFSET                /* and from where on */
};

static void show_room(filch_buffer *item, const filch_buffer *pack)
{
    item->data = (char *)pack->data + item->_[OFFSET];
    item->_[FL_BUFFER_ROOM] = pack->_[FL_BUFFER_ROOM] - item->_[OFFSET];
}

static bool grow_item(filch_buffer *item, size_t room)
{
    filch_buffer *pack = (filch_buffer *)(uintptr_t)item->_[PACK];
    size_t offset = (size_t)item->_[OFFSET];
    size_t before = pack->len;
    bool has_grown;

    pack->len = offset + item->len; /* as far as bytes are to be kept */
    has_grown = room <= SIZE_MAX - offset && filch_buffer_extend(pack, room - item->len) != NULL;
    pack->len = before;
    if (has_grown)
        show_room(item, pack);
    return has_grown;
}

static void free_item(filch_buffer *item)
{
    (void)item; /* its bytes are the pack's */
}

static const struct fl_buffer_ops item_ops = {.grow = grow_item, .free = free_item};

bool fl_pack_item_begin(filch_buffer *pack, filch_buffer *item)
{
    size_t at = pack->len;

    if (filch_buffer_extend(pack, FL_PACK_HEAD) == NULL)
        return false;
    pack->len = at; /* nothing is in the pack until it is ended */
    fl_buffer_open(item, &item_ops);
    item->_[PACK] = (uintptr_t)pack;
    item->_[OFFSET] = at + FL_PACK_HEAD;
    show_room(item, pack);
    return true;
}

void fl_pack_item_end(filch_buffer *pack, const filch_buffer *item, int status)
{
    size_t len = status == 0 ? item->len : 0;
    size_t padding = padding_of(len);
    size_t at = pack->len;

    pack->len = at + FL_PACK_HEAD + len;
    if (padding != 0) {
        void *end = filch_buffer_extend(pack, padding);

        if (end != NULL) {
            memset(end, 0, padding);
        } else {
            status = FILCH_ENOMEM;
            len = 0;
            pack->len = at + FL_PACK_HEAD;
        }
    }
    put_head((char *)pack->data + at, (uint64_t)(int64_t)status, len);
    count_item(pack);
}

/* ---- reading ---- */

bool fl_pack_next(const void *bytes, size_t len, size_t *at, struct fl_pack_item *item)
{
    const char *head = (const char *)bytes + *at;
    size_t left;
    int64_t status;
    uint64_t n;

    if (*at > len || len - *at < FL_PACK_HEAD)
        return false;
    left = len - *at - FL_PACK_HEAD;
    status = (int64_t)get_word(head);
    n = get_word(head + WORD);
    if (n > left || padding_of(n) > left - n || status < INT_MIN || status > INT_MAX ||
        (status != 0 && n != 0))
        return false;
    *item = (struct fl_pack_item){head + FL_PACK_HEAD, (size_t)n, (int)status};
    *at += FL_PACK_HEAD + n + padding_of(n);
    return true;
}

bool fl_pack_is_whole(const void *bytes, size_t len, size_t n)
{
    struct fl_pack_item item;
    size_t at = FL_PACK_HEAD;

    if (len < FL_PACK_HEAD || get_word(bytes) != n || get_word((const char *)bytes + WORD) != 0)
        return false;
    while (at < len && n != 0 && fl_pack_next(bytes, len, &at, &item))
        n--;
    return at == len && n == 0;
}
