/* SFTP packets: what one side writes the other reads, and nothing malformed
 * is taken for a packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "admin-proto/sftp_codec.h"
#include "admin-proto/sftp_listing.h"
#include "base/clock.h"

static void
decode(struct fxp_packet *p, const struct buf *b)
{
    struct err e = ERR_INIT;
    size_t size;

    assert_int_equal(fxp_packet_size(b->data, b->len, &size, &e), 0);
    assert_int_equal(size, b->len);
    assert_int_equal(fxp_packet_decode(p, b->data, b->len, &e), 0);
}

static void
requests_are_read_as_written(void **state)
{
    struct buf b = BUF_INIT;
    struct fxp_packet p;

    (void)state;
    fxp_put_open(&b, 7, "/control", SFTP_OPEN_READ | SFTP_OPEN_WRITE);
    decode(&p, &b);
    assert_int_equal(p.type, SFTP_OPEN);
    assert_int_equal(p.id, 7);
    assert_int_equal(p.path_len, 8);
    assert_memory_equal(p.path, "/control", 8);
    assert_int_equal(p.open_flags, 3);
    buf_clear(&b);
    fxp_put_write(&b, 8, "abcd", 4, 1ULL << 40, "data", 4);
    decode(&p, &b);
    assert_int_equal(p.type, SFTP_WRITE);
    assert_memory_equal(p.handle, "abcd", 4);
    assert_true(p.offset == 1ULL << 40);
    assert_int_equal(p.data_len, 4);
    assert_memory_equal(p.data, "data", 4);
    buf_clear(&b);
    fxp_put_read(&b, 9, "abcd", 4, 5, 6);
    decode(&p, &b);
    assert_int_equal(p.type, SFTP_READ);
    assert_int_equal(p.offset, 5);
    assert_int_equal(p.length, 6);
    buf_release(&b);
}

static void
responses_are_read_as_written(void **state)
{
    const struct fxp_attrs attrs = { 1ULL << 33, S_IFREG | 0640, 12345 };
    struct buf b = BUF_INIT;
    struct fxp_packet p;
    size_t begin;

    (void)state;
    fxp_put_attrs(&b, 3, &attrs);
    decode(&p, &b);
    assert_int_equal(p.type, SFTP_ATTRS);
    assert_true(p.attrs_has_size);
    assert_true(p.attrs.size == attrs.size);
    assert_int_equal(p.attrs.mode, attrs.mode);
    assert_int_equal(p.attrs.mtime_s, attrs.mtime_s);
    buf_clear(&b);
    fxp_put_status(&b, 4, SFTP_FAILURE, "HELD: no");
    decode(&p, &b);
    assert_int_equal(p.status, SFTP_FAILURE);
    assert_int_equal(p.text_len, 8);
    assert_memory_equal(p.text, "HELD: no", 8);
    buf_clear(&b);
    begin = fxp_begin_names(&b, 5);
    fxp_put_name(&b, "one", "long one", &attrs);
    fxp_put_name(&b, "two", "long two", NULL);
    fxp_end_names(&b, begin, 2);
    decode(&p, &b);
    assert_int_equal(p.name_count, 2);
    assert_int_equal(p.path_len, 3);
    assert_memory_equal(p.path, "one", 3);
    assert_true(p.attrs.size == attrs.size);
    buf_release(&b);
}

static void
every_truncation_is_refused(void **state)
{
    struct buf b = BUF_INIT;
    struct buf cut = BUF_INIT;
    struct fxp_packet p;
    struct err e = ERR_INIT;
    size_t len;

    (void)state;
    fxp_put_write(&b, 8, "abcd", 4, 77, "some data", 9);
    for (len = 4; len < b.len; len++) {
        buf_clear(&cut);
        buf_put(&cut, b.data, len);
        assert_int_equal(fxp_packet_decode(&p, cut.data, len, &e), -1);
        assert_int_equal(e.code, ERR_PROTOCOL);
        /* The same with a prefix that matches what is left. */
        buf_set_u32(&cut, 0, (uint32_t)(len - 4));
        assert_int_equal(fxp_packet_decode(&p, cut.data, len, &e), -1);
        if (len >= 9)
            assert_int_equal(p.id, 8);
    }
    buf_release(&b);
    buf_release(&cut);
}

static void
sizes_out_of_bounds_are_refused(void **state)
{
    static const uint8_t huge[] = { 0x10, 0, 0, 0, SFTP_INIT };
    static const uint8_t zero[] = { 0, 0, 0, 0, 0 };
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    size_t size = 1;

    (void)state;
    assert_int_equal(fxp_packet_size(huge, 3, &size, &e), 0);
    assert_int_equal(size, 0);
    assert_int_equal(fxp_packet_size(huge, sizeof(huge), &size, &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_int_equal(fxp_packet_size(zero, sizeof(zero), &size, &e), -1);
    buf_put_u32(&b, SFTP_PACKET_MAX);
    assert_int_equal(fxp_packet_size(b.data, b.len, &size, &e), 0);
    assert_int_equal(size, 0);
    buf_set_u32(&b, 0, SFTP_PACKET_MAX + 1);
    assert_int_equal(fxp_packet_size(b.data, b.len, &size, &e), -1);
    buf_release(&b);
}

static void
an_unknown_type_gives_type_and_id(void **state)
{
    struct buf b = BUF_INIT;
    struct fxp_packet p;

    (void)state;
    buf_put_u32(&b, 8);
    buf_put_u8(&b, 77);
    buf_put_u32(&b, 42);
    buf_put(&b, "xyz", 3);
    decode(&p, &b);
    assert_int_equal(p.type, 77);
    assert_int_equal(p.id, 42);
    buf_release(&b);
}

static void
paths_are_cleaned_by_their_letters(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        bool escapes;
    } cases[] = {
        { "", "/", false },
        { ".", "/", false },
        { "/", "/", false },
        { "//", "/", false },
        { "a", "/a", false },
        { "/a/b/", "/a/b", false },
        { "/a//b/./c", "/a/b/c", false },
        { "/a/../b", "/b", false },
        { "a/b/../../c/.", "/c", false },
        { "..", "/", true },
        { "/../../etc/passwd", "/etc/passwd", true },
        { "/a/../../b", "/b", true },
        { "/...", "/...", false },
        { "/a/..b", "/a/..b", false },
    };
    char out[SFTP_PATH_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *from = cases[i].from;

        assert_true(fxp_clean_path(from, strlen(from), out));
        assert_string_equal(out, cases[i].to);
        assert_int_equal(fxp_path_escapes(from, strlen(from)),
            cases[i].escapes);
    }
}

static void
paths_with_nul_or_too_long_are_refused(void **state)
{
    char from[SFTP_PATH_MAX + 8];
    char out[SFTP_PATH_MAX];

    (void)state;
    assert_false(fxp_clean_path("/a\0b", 4, out));
    memset(from, 'x', sizeof(from));
    from[0] = '/';
    assert_true(fxp_clean_path(from, SFTP_PATH_MAX - 1, out));
    assert_int_equal(strlen(out), SFTP_PATH_MAX - 1);
    assert_false(fxp_clean_path(from, SFTP_PATH_MAX, out));
    /* One without its slash is longer by one than it looks. */
    assert_false(fxp_clean_path(from + 1, SFTP_PATH_MAX - 1, out));
}

static void
long_names_look_like_ls(void **state)
{
    const struct fxp_attrs file = { 4096, S_IFREG | 0644, 1700000000 };
    const struct fxp_attrs folder = { 0, S_IFDIR | 0555, 1600000000 };
    char out[SFTP_LONG_NAME_SIZE];

    (void)state;
    clock_freeze(1700000000000 + 86400000);
    fxp_long_name("status.json", &file, out);
    assert_string_equal(out,
        "-rw-r--r--    1 lockstep lockstep       4096 Nov 14 22:13 "
        "status.json");
    fxp_long_name("datasets", &folder, out);
    assert_string_equal(out,
        "dr-xr-xr-x    1 lockstep lockstep          0 Sep 13  2020 "
        "datasets");
    clock_thaw();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_as_written),
        cmocka_unit_test(responses_are_read_as_written),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(sizes_out_of_bounds_are_refused),
        cmocka_unit_test(an_unknown_type_gives_type_and_id),
        cmocka_unit_test(paths_are_cleaned_by_their_letters),
        cmocka_unit_test(paths_with_nul_or_too_long_are_refused),
        cmocka_unit_test(long_names_look_like_ls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
