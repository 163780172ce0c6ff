/* SPDX-License-Identifier: Apache-2.0 */
/* The tar reader and writer, header by header. */
#include "layer_fixture.h"

static void numbers_are_octal_or_base_256(void **state)
{
    static const struct {
        const char *field;
        size_t width;
        int result;
        int64_t value;
    } rows[] = {
        {"0000644\0", 8, 0, 0644},
        {"000644 \0", 8, 0, 0644},
        {"  644 \0\0", 8, 0, 0644},
        {"77777777777\0", 12, 0, 077777777777},
        {"777777777777", 12, 0, 0777777777777},
        {"\0\0\0\0\0\0\0\0", 8, 0, 0},
        {"        ", 8, 0, 0},
        {"000064 4", 8, -EINVAL, 0},
        {"0000648\0", 8, -EINVAL, 0},
        {"-000644\0", 8, -EINVAL, 0},
        {"0x00644\0", 8, -EINVAL, 0},
        {"\x80\0\0\0\0\0\0\xff", 8, 0, 255},
        {"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, 0, INT64_MAX},
        {"\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, -ERANGE, 0},
        {"\x80\0\0\1\0\0\0\0\0\0\0\0", 12, -ERANGE, 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0, -1},
        {"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, 0, INT64_MIN},
        {"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12, -ERANGE, 0},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        int64_t value = 0;
        const int r = cf_tar_number(rows[i].field, rows[i].width, &value);
        if (r != rows[i].result || value != rows[i].value)
            fail_msg("row %zu: %d, %lld", i, r, (long long)value);
    }
}

static void both_ways_of_counting_checksums_are_right(void **state)
{
    struct cf_tar_block block = tar_block('0', "\xff\xfe\x80", "", 0);
    int64_t sum = 0;
    (void)state;
    assert_true(cf_tar_checksum_ok(&block));
    memset(block.checksum, ' ', sizeof block.checksum);
    for (size_t i = 0; i < sizeof block; i++)
        sum += ((signed char *)&block)[i];
    (void)snprintf(block.checksum, sizeof block.checksum, "%06o", (unsigned)sum);
    assert_true(cf_tar_checksum_ok(&block));
    block.name[0] ^= 1;
    assert_false(cf_tar_checksum_ok(&block));
    memset(&block, 0, sizeof block);
    assert_true(cf_tar_block_is_zero(&block));
    block.end[11] = 1;
    assert_false(cf_tar_block_is_zero(&block));
}

/* Reads up to the first entry. */
static struct cf_tar *first_entry(const struct cf_buf *bytes)
{
    struct cf_tar *tar = NULL;
    struct cf_tar_span span;
    struct cf_error err = {0};
    int event;
    assert_int_equal(cf_tar_new(&tar), 0);
    cf_tar_feed(tar, bytes->data, bytes->len);
    while ((event = cf_tar_next(tar, &span, &err)) == CF_TAR_META)
        continue;
    if (event != CF_TAR_ENTRY)
        fail_msg("event %d: %s", event, err.text);
    return tar;
}

static void names_come_from_where_each_format_keeps_them(void **state)
{
    struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
    struct cf_tar_block block = tar_block('0', "name", "", 0);
    char full[100];
    (void)state;

    memcpy(block.prefix, "some/prefix", 11);
    tar_seal(&block);
    tar_bytes(&bytes, &block, sizeof block);
    struct cf_tar *tar = first_entry(&bytes);
    assert_string_equal(cf_tar_entry(tar)->path.data, "some/prefix/name");
    cf_tar_free(tar);

    bytes.len = 0; /* GNU has other things there */
    memcpy(block.magic, "ustar  ", 8);
    tar_seal(&block);
    tar_bytes(&bytes, &block, sizeof block);
    tar = first_entry(&bytes);
    assert_string_equal(cf_tar_entry(tar)->path.data, "name");
    cf_tar_free(tar);

    bytes.len = 0; /* all 100 bytes of it, without a NUL; V7 */
    block = tar_block('0', "", "", 0);
    memset(full, 'f', sizeof full);
    memcpy(block.name, full, sizeof full);
    memset(block.magic, 0, sizeof block.magic);
    tar_seal(&block);
    tar_bytes(&bytes, &block, sizeof block);
    tar = first_entry(&bytes);
    assert_int_equal(cf_tar_entry(tar)->path.len, 100);
    cf_tar_free(tar);

    bytes.len = 0; /* star keeps times at the end of the prefix */
    block = tar_block('0', "name", "", 0);
    memset(block.prefix, 'p', 131);
    memcpy(block.prefix + 131, "00000000001", 12);
    memcpy(block.end + 8, "tar", 4);
    tar_seal(&block);
    tar_bytes(&bytes, &block, sizeof block);
    tar = first_entry(&bytes);
    assert_int_equal(cf_tar_entry(tar)->path.len, 131 + 5);
    cf_tar_free(tar);

    bytes.len = 0; /* GNU's long names, for both */
    tar_entry(&bytes, 'L', "././@LongLink", "", "long name", 10);
    tar_entry(&bytes, 'K', "././@LongLink", "", "long link", 9);
    tar_entry(&bytes, '2', "short", "also", "", 0);
    tar = first_entry(&bytes);
    assert_string_equal(cf_tar_entry(tar)->path.data, "long name");
    assert_string_equal(cf_tar_entry(tar)->link.data, "long link");
    cf_tar_free(tar);
}

static void types_are_what_old_and_new_writers_mean(void **state)
{
    static const struct {
        char type, read;
        const char *name;
    } rows[] = {
        {'0', '0', "f"},  {'\0', '0', "f"}, {'7', '0', "f"}, {'\0', '5', "old/"},
        {'0', '5', "d/"}, {'5', '5', "d"},  {'6', '6', "f"}, {'V', 'V', "label"},
        {'3', '3', "c"},  {'4', '4', "b"},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
        /* What is no file has no content, whatever its size says. */
        struct cf_tar_block block = tar_block(rows[i].type, rows[i].name, "", 77);
        tar_bytes(&bytes, &block, sizeof block);
        struct cf_tar *tar = first_entry(&bytes);
        assert_int_equal(cf_tar_entry(tar)->type, rows[i].read);
        assert_int_equal(cf_tar_entry(tar)->size, rows[i].read == '0' ? 77 : 0);
        cf_tar_free(tar);
    }
}

static void pax_records_say_what_the_header_cannot(void **state)
{
    static const struct {
        const char *value;
        int result;
        int64_t sec;
        uint32_t nsec;
    } times[] = {
        {"1", 0, 1, 0},
        {"1.5", 0, 1, 500000000},
        {"1.", 0, 1, 0},
        {"1.0000000019", 0, 1, 1},
        {"-1", 0, -1, 0},
        {"-1.25", 0, -2, 750000000},
        {"-0.5", 0, -1, 500000000},
        {"-0.0000000001", 0, -1, 999999999},
        {"9223372036854775807", 0, INT64_MAX, 0},
        {"9223372036854775808", -EINVAL, 0, 0},
        {"1e5", -EINVAL, 0, 0},
        {".5", -EINVAL, 0, 0},
        {"1.5x", -EINVAL, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(times); i++) {
        struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
        struct cf_tar_pax pax = {0};
        char record[64];
        const int len = snprintf(record, sizeof record, "%zu mtime=%s\n",
                                 strlen(times[i].value) + strlen("NN mtime=\n"), times[i].value);
        const int r = cf_tar_pax_parse(&pax, record, (size_t)len, NULL);
        if (r != times[i].result ||
            (r == 0 && (pax.mtime_sec != times[i].sec || pax.mtime_nsec != times[i].nsec)))
            fail_msg("%s: %d, %lld.%09u", times[i].value, r, (long long)pax.mtime_sec,
                     pax.mtime_nsec);
        cf_tar_pax_done(&pax);
    }
}

static void global_headers_hold_until_something_else_is_said(void **state)
{
    struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
    struct cf_tar_span span;
    struct cf_tar *tar = NULL;
    int64_t seen[4] = {0};
    size_t count = 0;
    int event;
    (void)state;

    tar_pax(&bytes, 'g', "comment", "of git", 6);
    tar_pax(&bytes, 'g', "mtime", "5", 1);
    tar_file(&bytes, "a", "");
    tar_pax(&bytes, 'x', "mtime", "6", 1);
    tar_file(&bytes, "b", "");
    tar_pax(&bytes, 'x', "mtime", "", 0); /* back to the header's own */
    tar_file(&bytes, "c", "");
    tar_file(&bytes, "d", "");
    tar_end(&bytes);
    assert_int_equal(cf_tar_new(&tar), 0);
    cf_tar_feed(tar, bytes.data, bytes.len);
    while ((event = cf_tar_next(tar, &span, NULL)) > CF_TAR_MORE)
        if (event == CF_TAR_ENTRY)
            seen[count++] = cf_tar_entry(tar)->mtime_sec;
    assert_int_equal(event, CF_TAR_MORE);
    assert_int_equal(cf_tar_end(tar, false, NULL), 0);
    assert_int_equal(count, 4);
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], 6);
    assert_int_equal(seen[2], 1000000000);
    assert_int_equal(seen[3], 5);
    cf_tar_free(tar);
}

static void xattrs_are_read_in_both_spellings(void **state)
{
    struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
    (void)state;

    tar_pax(&bytes, 'x', "SCHILY.xattr.user.raw", "a\0=\n", 4);
    tar_pax(&bytes, 'x', "SCHILY.xattr.user.%3Dodd%25", "", 0);
    tar_pax(&bytes, 'x', "LIBARCHIVE.xattr.user.b%20c", "AAEC/w", 6);
    tar_pax(&bytes, 'x', "LIBARCHIVE.xattr.user.padded", "AA==", 4);
    tar_file(&bytes, "f", "");
    struct cf_tar *tar = first_entry(&bytes);
    const struct cf_tar_entry *entry = cf_tar_entry(tar);
    assert_int_equal(entry->xattr_count, 4);
    assert_string_equal(entry->xattrs[0].name, "user.raw");
    assert_int_equal(entry->xattrs[0].len, 4);
    assert_memory_equal(entry->xattrs[0].value, "a\0=\n", 4);
    assert_string_equal(entry->xattrs[1].name, "user.=odd%");
    assert_int_equal(entry->xattrs[1].len, 0);
    assert_string_equal(entry->xattrs[2].name, "user.b c");
    assert_int_equal(entry->xattrs[2].len, 4);
    assert_memory_equal(entry->xattrs[2].value, "\0\1\2\xff", 4);
    assert_int_equal(entry->xattrs[3].len, 1);
    cf_tar_free(tar);
}

/* Every way to cut the input gives the same events and the same bytes. */
static void pieces_of_any_size_give_the_same_entries(void **state)
{
    static const size_t steps[] = {1, 7, 511, 512, 513, 5000, 1 << 20};
    struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
    char data[3000];
    (void)state;

    memset(data, 'd', sizeof data);
    tar_file(&bytes, "empty", "");
    tar_pax(&bytes, 'x', "path", "a longer name", 13);
    tar_entry(&bytes, '0', "x", "", data, sizeof data);
    tar_entry(&bytes, '5', "d", "", "", 0);
    tar_end(&bytes);
    for (size_t i = 0; i < CF_COUNT(steps); i++) {
        struct cf_buf back cf_autobuf = CF_BUF_INIT;
        struct cf_tar *tar = NULL;
        size_t entries = 0, done = 0, content = 0;
        assert_int_equal(cf_tar_new(&tar), 0);
        for (size_t at = 0; at < bytes.len; at += steps[i]) {
            struct cf_tar_span span;
            int event;
            const size_t left = bytes.len - at;
            cf_tar_feed(tar, bytes.data + at, left < steps[i] ? left : steps[i]);
            while ((event = cf_tar_next(tar, &span, NULL)) > CF_TAR_MORE) {
                entries += event == CF_TAR_ENTRY;
                done += event == CF_TAR_DONE;
                content += event == CF_TAR_DATA ? span.len : 0;
                if (event == CF_TAR_META || event == CF_TAR_DATA)
                    assert_int_equal(cf_buf_add(&back, span.data, span.len), 0);
            }
            assert_int_equal(event, CF_TAR_MORE);
        }
        assert_int_equal(cf_tar_end(tar, false, NULL), 0);
        assert_int_equal(entries, 3);
        assert_int_equal(done, 3);
        assert_int_equal(content, sizeof data);
        assert_int_equal(back.len, bytes.len);
        assert_memory_equal(back.data, bytes.data, bytes.len);
        cf_tar_free(tar);
    }
}

static void an_end_without_zero_blocks_passes_only_if_loose(void **state)
{
    struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
    struct cf_tar_span span;
    struct cf_error err = {0};
    struct cf_tar *tar = NULL;
    (void)state;

    tar_file(&bytes, "f", "content");
    assert_int_equal(cf_tar_new(&tar), 0);
    cf_tar_feed(tar, bytes.data, bytes.len);
    while (cf_tar_next(tar, &span, NULL) > CF_TAR_MORE)
        continue;
    assert_int_equal(cf_tar_end(tar, true, &err), 0);
    assert_int_equal(cf_tar_end(tar, false, &err), -EINVAL);
    assert_string_equal(err.text, "it is truncated at byte 1024");
    cf_tar_free(tar);

    assert_int_equal(cf_tar_new(&tar), 0);
    cf_tar_feed(tar, bytes.data, 600);
    while (cf_tar_next(tar, &span, NULL) > CF_TAR_MORE)
        continue;
    assert_int_equal(cf_tar_end(tar, true, &err), -EINVAL);
    assert_string_equal(err.text, "entry 'f': the archive is truncated here");
    cf_tar_free(tar);
}

/* ---- the writer ---- */

static void set(struct cf_buf *buf, const char *text)
{
    cf_buf_clear(buf);
    assert_int_equal(cf_buf_add_str(buf, text), 0);
}

static void the_writer_uses_pax_only_where_it_must(void **state)
{
    char long_name[256], deep[260], wide[400];
    (void)state;
    memset(long_name, 'n', 101);
    long_name[101] = '\0';
    (void)snprintf(deep, sizeof deep, "%.*s/%.*s", 60, long_name, 99, long_name);
    (void)snprintf(wide, sizeof wide, "%.*s/%s", 60, long_name, long_name);
    const struct {
        const char *path;
        uint32_t uid;
        uint64_t size;
        int64_t sec;
        uint32_t nsec;
        const char *records; /* NULL: none */
    } rows[] = {
        {"plain", 0, 5, 1000000000, 0, NULL},
        {"plain", 07777777, 077777777777, 077777777777, 0, NULL},
        {deep, 0, 0, 0, 0, NULL},
        {"plain", 010000000, 0, 0, 0, "15 uid=2097152\n"},
        {"plain", 0, UINT64_C(0100000000000), 0, 0, "19 size=8589934592\n"},
        {"plain", 0, 0, 1, 5000000, "15 mtime=1.005\n"},
        {"plain", 0, 0, -2, 750000000, "15 mtime=-1.25\n"},
        {"plain", 0, 0, -2, 0, "12 mtime=-2\n"},
        {"\xc3\xbc", 0, 0, 0, 0, "11 path=\xc3\xbc\n"},
        {"\xc3\xbc", 010000000, 0, 0, 1,
         "21 mtime=0.000000001\n11 path=\xc3\xbc\n15 uid=2097152\n"},
        {long_name, 0, 0, 0, 0, "111 path="},
        {wide, 0, 0, 0, 0, "172 path="},
    };
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_buf header cf_autobuf = CF_BUF_INIT;
        struct cf_tar_entry entry = {.type = '0',
                                     .mode = 0644,
                                     .uid = rows[i].uid,
                                     .size = rows[i].size,
                                     .mtime_sec = rows[i].sec,
                                     .mtime_nsec = rows[i].nsec};
        set(&entry.path, rows[i].path);
        assert_int_equal(cf_tar_header_format(&entry, &header, NULL), 0);
        if (!rows[i].records) {
            assert_int_equal(header.len, CF_TAR_BLOCK);
        } else {
            assert_int_equal(header.len, 3 * CF_TAR_BLOCK);
            const size_t len = strlen(rows[i].records);
            if (memcmp(header.data + CF_TAR_BLOCK, rows[i].records, len) != 0)
                fail_msg("row %zu: %.100s", i, header.data + CF_TAR_BLOCK);
        }
        struct cf_tar *tar = first_entry(&header);
        assert_string_equal(cf_tar_entry(tar)->path.data, rows[i].path);
        assert_int_equal(cf_tar_entry(tar)->uid, rows[i].uid);
        assert_int_equal(cf_tar_entry(tar)->size, rows[i].size);
        assert_int_equal(cf_tar_entry(tar)->mtime_sec, rows[i].sec);
        assert_int_equal(cf_tar_entry(tar)->mtime_nsec, rows[i].nsec);
        cf_tar_free(tar);
        cf_buf_done(&entry.path);
    }
}

static void the_canonical_header_has_these_bytes(void **state)
{
    struct cf_buf header cf_autobuf = CF_BUF_INIT;
    struct cf_tar_entry entry = {
        .type = '5', .mode = 0755, .uid = 1, .gid = 2, .mtime_sec = 1000000000};
    (void)state;

    set(&entry.path, "dir");
    assert_int_equal(cf_tar_header_format(&entry, &header, NULL), 0);
    assert_int_equal(header.len, CF_TAR_BLOCK);
    assert_memory_equal(header.data, "dir/", 5);
    assert_memory_equal(header.data + 100,
                        "0000755\0"
                        "0000001\0"
                        "0000002\0"
                        "00000000000\0"
                        "07346545000\0"
                        "010030\0 "
                        "5",
                        57);
    assert_memory_equal(header.data + 257, "ustar\000000", 8);
    assert_memory_equal(header.data + 329, "0000000\0000000000\0", 16);
    cf_buf_done(&entry.path);
}

/* ---- compression ---- */

static void compressed_bytes_do_not_depend_on_how_they_came(void **state)
{
    struct cf_buf plain cf_autobuf = CF_BUF_INIT, one cf_autobuf = CF_BUF_INIT;
    struct cf_buf two cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    (void)state;

    for (size_t i = 0; i < 100000; i++)
        cf_buf_printf(&plain, "cloudfs%zu", i * i);
    for (enum cf_compression kind = CF_PLAIN; kind <= CF_ZSTD; kind++) {
        for (size_t step = 0; step < 2; step++) {
            struct cf_buf *out = step ? &two : &one;
            struct cf_compressor *z = NULL;
            cf_buf_clear(out);
            assert_ok(cf_compressor_new(kind, 0, collect, out, &z, &err), err);
            for (size_t at = 0; at < plain.len; at += step ? 997 : plain.len) {
                const size_t left = plain.len - at, n = step && left > 997 ? 997 : left;
                assert_ok(cf_compressor_write(z, plain.data + at, n, &err), err);
            }
            assert_ok(cf_compressor_finish(z, &err), err);
            cf_compressor_free(z);
        }
        /* However the input was cut. */
        assert_int_equal(one.len, two.len);
        assert_memory_equal(one.data, two.data, one.len);
        assert_int_equal(cf_compression_detect(one.data, one.len), kind);
        if (kind == CF_GZIP) /* no name, no time, no system */
            assert_memory_equal(one.data, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    }
    struct cf_compressor *z = NULL;
    assert_int_equal(cf_compressor_new(CF_GZIP, 77, collect, &one, &z, &err), -EINVAL);
    assert_int_equal(cf_compressor_new(CF_ZSTD, 77, collect, &one, &z, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_octal_or_base_256),
        cmocka_unit_test(both_ways_of_counting_checksums_are_right),
        cmocka_unit_test(names_come_from_where_each_format_keeps_them),
        cmocka_unit_test(types_are_what_old_and_new_writers_mean),
        cmocka_unit_test(pax_records_say_what_the_header_cannot),
        cmocka_unit_test(global_headers_hold_until_something_else_is_said),
        cmocka_unit_test(xattrs_are_read_in_both_spellings),
        cmocka_unit_test(pieces_of_any_size_give_the_same_entries),
        cmocka_unit_test(an_end_without_zero_blocks_passes_only_if_loose),
        cmocka_unit_test(the_writer_uses_pax_only_where_it_must),
        cmocka_unit_test(the_canonical_header_has_these_bytes),
        cmocka_unit_test(compressed_bytes_do_not_depend_on_how_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
