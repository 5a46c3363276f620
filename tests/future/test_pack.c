/* SPDX-License-Identifier: MIT
 *
 * test_pack.c: several payloads in one: what was put in comes out; and of bytes that anybody may have written, no
 * more is read than there is. */
#include "sched/work.h"

#include "future/pack.h"

static filch_buffer *pack_of(size_t n, size_t len)
{
    filch_buffer *pack = fl_buffer_create(0);

    assert_non_null(pack);
    assert_true(fl_pack_begin(pack));
    for (size_t i = 0; i < n; i++) {
        unsigned char bytes[300];

        memset(bytes, (int)i + 1, sizeof bytes);
        assert_true(fl_pack_add(pack, bytes, (len + i) % 300));
    }
    return pack;
}

TEST(what_is_packed_comes_out_and_is_aligned)
{
    for (size_t n = 0; n < 20; n++) {
        for (size_t len = 0; len < 70; len++) {
            filch_buffer *pack = pack_of(n, len);
            struct fl_pack_item item;
            size_t at = FL_PACK_HEAD;

            test_check(fl_pack_is_whole(pack->data, pack->len, n));
            test_check(!fl_pack_is_whole(pack->data, pack->len, n + 1));
            test_check(n == 0 || !fl_pack_is_whole(pack->data, pack->len, n - 1));
            for (size_t i = 0; i < n; i++) {
                test_check(fl_pack_next(pack->data, pack->len, &at, &item));
                test_check(item.status == 0 && item.len == len + i);
                test_check((uintptr_t)item.bytes % 16 == 0);
                for (size_t k = 0; k < item.len; k++)
                    test_check(((const unsigned char *)item.bytes)[k] == i + 1);
            }
            test_check(!fl_pack_next(pack->data, pack->len, &at, &item));
            test_check(at == pack->len);
            filch_buffer_free(pack);
        }
    }
}

TEST(the_words_of_a_pack_are_little_endian)
{
    static const unsigned char expected[] = {
        2,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, /* two items */
        0,    0,    0,    0,    0,    0,    0,    0,    3, 0, 0, 0, 0, 0, 0, 0, /* 0, three bytes */
        1,    2,    3,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, /* and the rest */
        0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0  /* FILCH_ENOENT */
    };
    filch_buffer *pack = fl_buffer_create(0);
    filch_buffer item;

    assert_non_null(pack);
    assert_true(fl_pack_begin(pack));
    assert_true(fl_pack_add(pack, (const unsigned char[]){1, 2, 3}, 3));
    assert_true(fl_pack_item_begin(pack, &item));
    assert_int_equal(filch_buffer_append(&item, "dropped", 7), 0);
    fl_pack_item_end(pack, &item, FILCH_ENOENT);
    assert_int_equal(pack->len, sizeof expected);
    assert_memory_equal(pack->data, expected, sizeof expected);
    filch_buffer_free(pack);
}

TEST(an_item_is_written_where_it_belongs_however_it_grows)
{
    for (size_t step = 1; step < 4000; step = step * 2 + 1) {
        filch_buffer *pack = fl_buffer_create(0);
        struct fl_pack_item read;
        filch_buffer item;
        size_t at = FL_PACK_HEAD;

        assert_non_null(pack);
        assert_true(fl_pack_begin(pack));
        for (int i = 0; i < 5; i++) {
            assert_true(fl_pack_item_begin(pack, &item));
            assert_int_equal(item.len, 0);
            for (int k = 0; k < 50; k++) {
                unsigned char *to = filch_buffer_extend(&item, step);

                test_check(to != NULL && (uintptr_t)item.data % 16 == 0);
                memset(to, i * 50 + k, step);
            }
            fl_pack_item_end(pack, &item, i == 2 ? 77 : 0);
        }
        assert_true(fl_pack_is_whole(pack->data, pack->len, 5));
        for (int i = 0; i < 5; i++) {
            assert_true(fl_pack_next(pack->data, pack->len, &at, &read));
            assert_int_equal(read.status, i == 2 ? 77 : 0);
            assert_int_equal(read.len, i == 2 ? 0 : 50 * step);
            for (size_t k = 0; k < read.len; k++)
                test_check(((const unsigned char *)read.bytes)[k] ==
                           (unsigned char)((size_t)i * 50 + k / step));
        }
        filch_buffer_free(pack);
    }
}

TEST(an_item_that_is_never_ended_is_not_there)
{
    filch_buffer *pack = pack_of(2, 5);
    filch_buffer item;

    assert_true(fl_pack_item_begin(pack, &item));
    assert_non_null(filch_buffer_extend(&item, 10000));
    assert_true(fl_pack_is_whole(pack->data, pack->len, 2));
    filch_buffer_free(pack);
}

TEST(an_item_that_is_too_long_for_any_memory_is_not_added)
{
    static volatile size_t beyond = SIZE_MAX;
    filch_buffer *pack = pack_of(2, 5);
    filch_buffer item;

    for (size_t less = 0; less < 64; less++) {
        assert_false(fl_pack_add(pack, "", beyond - less));
        assert_false(fl_pack_add(pack, "", beyond / 2 - less % 8));
    }
    assert_true(fl_pack_item_begin(pack, &item));
    assert_null(filch_buffer_extend(&item, beyond));
    assert_null(filch_buffer_extend(&item, beyond / 2));
    fl_pack_item_end(pack, &item, 0);
    assert_true(fl_pack_is_whole(pack->data, pack->len, 3));
    filch_buffer_free(pack);
}

/* Memory with an end. */
static _Alignas(16) char lent[512];
static size_t lent_most;

static bool lend(filch_buffer *b, size_t room)
{
    if (room > lent_most)
        return false;
    b->data = lent;
    b->_[FL_BUFFER_ROOM] = room;
    return true;
}

TEST(an_item_that_there_is_no_room_for_up_to_its_last_byte_has_failed)
{
    static const struct fl_buffer_ops ops = {.grow = lend};
    unsigned outcomes = 0;

    for (lent_most = 80; lent_most < 200; lent_most++) {
        struct fl_pack_item read;
        size_t at = FL_PACK_HEAD;
        filch_buffer pack;
        filch_buffer item;

        fl_buffer_open(&pack, &ops);
        assert_true(fl_pack_begin(&pack));
        assert_true(fl_pack_item_begin(&pack, &item));
        bool has_room = filch_buffer_extend(&item, 101) != NULL;
        assert_int_equal(has_room, lent_most >= 32 + 101);
        fl_pack_item_end(&pack, &item, has_room ? 0 : 7);
        assert_true(fl_pack_is_whole(pack.data, pack.len, 1));
        assert_true(fl_pack_next(pack.data, pack.len, &at, &read));
        if (!has_room)
            assert_int_equal(read.status, 7);
        else
            assert_int_equal(read.status, lent_most >= 32 + 112 ? 0 : FILCH_ENOMEM);
        assert_int_equal(read.len, read.status == 0 ? 101 : 0);
        outcomes |= read.status == 7 ? 1U : read.status == 0 ? 2U : 4U;
    }
    assert_int_equal(outcomes, 7);
}

/* A block that ends where its bytes do, so that AddressSanitizer sees a byte too many. */
static unsigned char *block_of(const filch_buffer *pack, size_t len)
{
    unsigned char *block = malloc(len != 0 ? len : 1);

    test_check(block != NULL);
    memcpy(block, pack->data, len < pack->len ? len : pack->len);
    if (len > pack->len)
        memset(block + pack->len, 0, len - pack->len);
    return block;
}

static volatile unsigned sum_read; /* for the compiler to make the reads */

/* Reads every byte that it is given. Whether all of it is a pack of n. */
static bool read_all(const unsigned char *block, size_t len, size_t n)
{
    bool is_whole = fl_pack_is_whole(block, len, n);
    struct fl_pack_item item;
    size_t at = FL_PACK_HEAD;
    size_t before = at;
    size_t items = 0;
    unsigned sum = 0;

    while (fl_pack_next(block, len, &at, &item)) {
        test_check(at > before && at <= len);
        before = at;
        items++;
        for (size_t k = 0; k < item.len; k++)
            sum += ((const unsigned char *)item.bytes)[k];
    }
    sum_read = sum;
    test_check(!is_whole || items == n);
    return is_whole;
}

TEST(a_pack_that_is_cut_off_anywhere_or_goes_on_is_none)
{
    filch_buffer *pack = pack_of(7, 9);

    for (size_t len = 0; len < pack->len + 40; len++) {
        unsigned char *block = block_of(pack, len);

        assert_int_equal(read_all(block, len, 7), len == pack->len);
        free(block);
    }
    assert_false(fl_pack_is_whole(NULL, 0, 0));
    assert_false(fl_pack_is_whole(NULL, 0, 1));
    filch_buffer_free(pack);
}

TEST(a_length_or_a_number_that_is_not_so_is_seen)
{
    static const uint64_t words[] = {1,
                                     15,
                                     4096,
                                     INT64_MAX,
                                     (uint64_t)INT64_MAX + 1,
                                     UINT64_MAX,
                                     UINT64_MAX - 7,
                                     UINT64_MAX - 15,
                                     UINT64_MAX - 16,
                                     UINT64_MAX - 31,
                                     UINT64_MAX - 47,
                                     UINT64_C(1) << 32,
                                     (UINT64_C(1) << 32) + 16,
                                     (UINT64_C(1) << 31),
                                     ~(UINT64_C(1) << 31)};
    filch_buffer *pack = pack_of(3, 32); /* 16 + 3 * 16 + 32 + 48 + 48 */

    for (size_t at = 0; at < FL_PACK_HEAD * 2; at += 8) {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            unsigned char *block = block_of(pack, pack->len);

            for (int k = 0; k < 8; k++)
                block[at + (size_t)k] = (unsigned char)(words[i] >> 8 * k);
            assert_false(read_all(block, pack->len, 3));
            free(block);
        }
    }
    filch_buffer_free(pack);
}

TEST(a_status_that_is_no_int_is_seen)
{
    static const int64_t statuses[] = {(int64_t)INT_MAX + 1, (int64_t)INT_MIN - 1, INT64_MAX,
                                       INT64_MIN};
    filch_buffer *pack = fl_buffer_create(0);
    filch_buffer item;

    assert_non_null(pack);
    assert_true(fl_pack_begin(pack));
    for (int i = 0; i < 2; i++) {
        assert_true(fl_pack_item_begin(pack, &item));
        fl_pack_item_end(pack, &item, i == 0 ? INT_MAX : INT_MIN);
    }
    assert_true(fl_pack_is_whole(pack->data, pack->len, 2));
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        unsigned char *block = block_of(pack, pack->len);

        for (int k = 0; k < 8; k++)
            block[FL_PACK_HEAD + k] = (unsigned char)((uint64_t)statuses[i] >> 8 * k);
        assert_false(read_all(block, pack->len, 2));
        free(block);
    }
    filch_buffer_free(pack);
}

TEST(whatever_becomes_of_the_bytes_no_more_is_read_than_there_is)
{
    uint64_t x = random_from(test_seed(), 0);
    size_t rounds = test_scaled(200000);
    size_t whole = 0;

    for (size_t round = 0; round < rounds; round++) {
        size_t n = random_next(&x) % 6;
        filch_buffer *pack = pack_of(n, random_next(&x) % 40);
        size_t len = random_next(&x) % 4 != 0 ? pack->len : random_next(&x) % (pack->len + 20);
        unsigned char *block = block_of(pack, len);

        for (uint64_t k = random_next(&x) % 5; k > 0 && len != 0; k--) {
            size_t at = random_next(&x) % len;

            if (random_next(&x) % 2 != 0)
                at &= ~(size_t)7; /* the low byte of a word: a length that is nearly so */
            block[at] =
                (unsigned char)(random_next(&x) % 3 != 0 ? random_next(&x) : block[at] + 16U);
        }
        whole += read_all(block, len, n);
        free(block);
        filch_buffer_free(pack);
    }
    assert_in_range(whole, 1, rounds - 1);
}
