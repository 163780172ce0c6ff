/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that are wrong: one clear line each, and a store that is as it was. */
#include "layer_fixture.h"

#include <sys/mount.h>

/* Each maker appends one bad tar. */
typedef void make_fn(struct cf_buf *tar);

static void add_block(struct cf_buf *tar, struct cf_tar_block *block)
{
    tar_seal(block);
    tar_bytes(tar, block, sizeof *block);
}

static void make_dot_dot(struct cf_buf *tar)
{
    tar_file(tar, "fine", "");
    tar_file(tar, "a/../../etc/passwd", "x");
}

static void make_absolute_dot_dot(struct cf_buf *tar)
{
    tar_file(tar, "/..", "x");
}

static void make_link_out(struct cf_buf *tar)
{
    tar_entry(tar, '1', "l", "../../etc/shadow", "", 0);
}

static void make_link_to_nothing(struct cf_buf *tar)
{
    tar_entry(tar, '1', "dir/l", "dir/absent", "", 0);
}

static void make_link_to_directory(struct cf_buf *tar)
{
    tar_entry(tar, '5', "d", "", "", 0);
    tar_entry(tar, '1', "l", "d", "", 0);
}

static void make_link_through_symlink(struct cf_buf *tar)
{
    tar_file(tar, "d/f", "x");
    tar_entry(tar, '2', "s", "d", "", 0);
    tar_entry(tar, '1', "l", "s/f", "", 0);
}

static void make_link_to_whiteout(struct cf_buf *tar)
{
    tar_file(tar, ".wh.f", "");
    tar_entry(tar, '1', "l", "f", "", 0);
}

static void make_below_symlink(struct cf_buf *tar)
{
    tar_entry(tar, '2', "out", "/etc", "", 0);
    tar_file(tar, "out/passwd", "x");
}

static void make_below_file(struct cf_buf *tar)
{
    tar_file(tar, "f", "x");
    tar_file(tar, "f/g", "x");
}

static void make_below_whiteout_name(struct cf_buf *tar)
{
    tar_file(tar, ".wh.d/f", "x");
}

static void make_nameless_whiteout(struct cf_buf *tar)
{
    tar_file(tar, "d/.wh.", "");
}

static void make_whiteout_of_parent(struct cf_buf *tar)
{
    tar_file(tar, "d/.wh...", "");
}

static void make_long_name(struct cf_buf *tar)
{
    char name[301];
    memset(name, 'n', 300);
    name[300] = '\0';
    tar_pax(tar, 'x', "path", name, 300);
    tar_file(tar, "n", "x");
}

static void make_root_file(struct cf_buf *tar)
{
    tar_entry(tar, '2', "./", "elsewhere", "", 0);
}

static void make_whiteout_device(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('3', "dev", "", 0);
    add_block(tar, &block);
}

static void make_huge_device(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('3', "dev", "", 0);
    memcpy(block.major, "7777777", 8);
    add_block(tar, &block);
}

static void make_huge_size(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('0', "huge", "", 0);
    memcpy(block.size, "\x80\0\0\0\x80\0\0\0\0\0\0\0", 12);
    add_block(tar, &block);
}

static void make_negative_size(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('0', "negative", "", 0);
    memset(block.size, 0xff, sizeof block.size);
    add_block(tar, &block);
}

static void make_bad_number(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('0', "odd", "", 0);
    memcpy(block.mode, "0x644\0\0", 8);
    add_block(tar, &block);
}

static void make_pax_size(struct cf_buf *tar)
{
    tar_pax(tar, 'x', "size", "9223372036854775808", 19);
    tar_file(tar, "huge", "");
}

static void make_pax_length(struct cf_buf *tar)
{
    static const char record[] = "99 path=a\n";
    tar_entry(tar, 'x', "PaxHeaders/x", "", record, sizeof record - 1);
    tar_file(tar, "a", "");
}

static void make_pax_no_newline(struct cf_buf *tar)
{
    static const char record[] = "10 path=abc";
    tar_entry(tar, 'x', "PaxHeaders/x", "", record, sizeof record - 1);
    tar_file(tar, "a", "");
}

static void make_pax_nul(struct cf_buf *tar)
{
    tar_pax(tar, 'x', "path", "a\0b", 3);
    tar_file(tar, "a", "");
}

static void make_pax_huge(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('x', "PaxHeaders/x", "", 8u << 20);
    add_block(tar, &block);
}

static void make_two_names(struct cf_buf *tar)
{
    tar_entry(tar, 'L', "././@LongLink", "", "one", 4);
    tar_pax(tar, 'x', "path", "two", 3);
    tar_file(tar, "three", "");
}

static void make_dangling_extended(struct cf_buf *tar)
{
    tar_file(tar, "a", "");
    tar_pax(tar, 'x', "path", "b", 1);
}

static void make_unknown_type(struct cf_buf *tar)
{
    tar_entry(tar, 'M', "rest", "", "", 0);
}

static void make_lone_zero_block(struct cf_buf *tar)
{
    static const char zeros[CF_TAR_BLOCK];
    tar_file(tar, "a", "");
    tar_bytes(tar, zeros, sizeof zeros);
    tar_file(tar, "b", "");
}

static void make_checksum(struct cf_buf *tar)
{
    tar_file(tar, "a", "");
    tar_file(tar, "b", "");
    tar->data[CF_TAR_BLOCK] = 'c';
}

static void make_no_tar(struct cf_buf *tar)
{
    char text[2000];
    memset(text, 'x', sizeof text);
    tar_bytes(tar, text, sizeof text);
}

static void make_empty_symlink(struct cf_buf *tar)
{
    tar_entry(tar, '2', "s", "", "", 0);
}

static void make_sparse(struct cf_buf *tar, const char *map, const char *size)
{
    tar_pax(tar, 'x', "GNU.sparse.map", map, strlen(map));
    tar->len = 0;
    struct cf_buf records cf_autobuf = CF_BUF_INIT;
    const size_t map_len = strlen("NN GNU.sparse.map=\n") + strlen(map);
    const size_t size_len = strlen("NN GNU.sparse.size=\n") + strlen(size);
    cf_buf_printf(&records, "%zu GNU.sparse.map=%s\n", map_len, map);
    cf_buf_printf(&records, "%zu GNU.sparse.size=%s\n", size_len, size);
    tar_entry(tar, 'x', "PaxHeaders/x", "", records.data, records.len);
    tar_entry(tar, '0', "holes", "", "0123456789", 10);
}

static void make_sparse_overlap(struct cf_buf *tar)
{
    make_sparse(tar, "0,6,4,4", "100");
}

static void make_sparse_beyond(struct cf_buf *tar)
{
    make_sparse(tar, "0,5,98,5", "100");
}

static void make_sparse_sum(struct cf_buf *tar)
{
    make_sparse(tar, "0,5,50,6", "100");
}

static void make_sparse_overflow(struct cf_buf *tar)
{
    make_sparse(tar, "0,5,9223372036854775807,5", "100");
}

static void make_sparse_odd(struct cf_buf *tar)
{
    make_sparse(tar, "0,5,50", "100");
}

static void make_old_sparse(struct cf_buf *tar)
{
    struct cf_tar_block block = tar_block('S', "old", "", 10);
    memcpy(block.magic, "ustar  ", 8);
    tar_number(block.prefix + 41, 12, 0);
    tar_number(block.prefix + 53, 12, 20);
    tar_number(block.prefix + 138, 12, 100);
    add_block(tar, &block);
    tar_bytes(tar, "0123456789", 10);
}

static void make_map_in_data(struct cf_buf *tar)
{
    struct cf_buf records cf_autobuf = CF_BUF_INIT;
    cf_buf_add_str(&records, "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
                             "27 GNU.sparse.realsize=100\n");
    tar_entry(tar, 'x', "PaxHeaders/x", "", records.data, records.len);
    tar_entry(tar, '0', "holes", "", "many\n0\n5\n", 9);
}

static const struct {
    make_fn *make;
    const char *message; /* behind "layer test.tar: " */
} bad[] = {
    {make_dot_dot, "entry 'a/../../etc/passwd': its path leads out by '..'"},
    {make_absolute_dot_dot, "entry '/..': its path leads out by '..'"},
    {make_link_out, "entry 'l': the target of the hard link leads out by '..'"},
    {make_link_to_nothing,
     "entry 'dir/l': it is a hard link to 'dir/absent', which the layer has not"},
    {make_link_to_directory, "entry 'l': it is a hard link to 'd', which is a directory"},
    {make_link_through_symlink, "entry 'l': it is a hard link to 's/f', which the layer has not"},
    {make_link_to_whiteout, "entry 'l': it is a hard link to 'f', which the layer has not"},
    {make_below_symlink, "entry 'out/passwd': it lies below 'out', which is a symlink"},
    {make_below_file, "entry 'f/g': it lies below 'f', which is no directory"},
    {make_below_whiteout_name, "entry '.wh.d/f': it lies below a whiteout"},
    {make_nameless_whiteout, "entry 'd/.wh.': it is a whiteout of no name"},
    {make_whiteout_of_parent, "entry 'd/.wh...': it is a whiteout of no name"},
    {make_long_name, "its path has a component of 300 bytes; 255 is the most"},
    {make_root_file, "entry './': the root can only be a directory"},
    {make_whiteout_device, "entry 'dev': a character device 0:0 cannot be told from a whiteout"},
    {make_huge_device, "entry 'dev': its name or device number cannot be stored"},
    {make_huge_size, "entry 'huge': its size is out of range"},
    {make_negative_size, "entry 'negative': its size is out of range"},
    {make_bad_number, "entry 'odd': its mode is no number"},
    {make_pax_size, "entry 'huge': the value of 'size' in its extended header is out of range"},
    {make_pax_length, "entry 'a': its extended header is malformed"},
    {make_pax_no_newline, "entry 'a': its extended header is malformed"},
    {make_pax_nul, "entry 'a': the value of 'path' in its extended header makes no sense"},
    {make_pax_huge, "header before byte 512: an extended header is too long"},
    {make_two_names, "entry 'two': it has two names, a GNU one and a PAX one"},
    {make_dangling_extended,
     "header before byte 2048: the archive ends between an extended header and its entry"},
    {make_unknown_type, "entry 'rest': entries of type 'M' are not supported"},
    {make_lone_zero_block, "header before byte 1536: a lone zero block lies between entries"},
    {make_checksum, "header before byte 1024: its checksum is wrong"},
    {make_no_tar, "header before byte 512: this is no tar archive"},
    {make_empty_symlink, "entry 's': it is a link to nothing"},
    {make_sparse_overlap, "entry 'holes': its sparse map overlaps or leaves the file"},
    {make_sparse_beyond, "entry 'holes': its sparse map overlaps or leaves the file"},
    {make_sparse_sum, "entry 'holes': its sparse map does not match the data that is there"},
    {make_sparse_overflow, "entry 'holes': its sparse map overlaps or leaves the file"},
    {make_sparse_odd,
     "entry 'holes': the value of 'GNU.sparse.map' in its extended header makes no sense"},
    {make_old_sparse, "entry 'old': its sparse map does not match the data that is there"},
    {make_map_in_data, "entry 'holes': its sparse map is larger than its data"},
};

static void nothing_is_left(struct fixture *f)
{
    char command[256];
    (void)snprintf(command, sizeof command,
                   "test -z \"$(find %s/tmp -mindepth 1 ! -name 'lock-*')\"", f->root);
    assert_int_equal(system(command), 0);
    assert_int_equal(fixture_files(f, "layers"), 0);
}

static void each_bad_tar_gets_its_line(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        struct cf_buf tar cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        struct cf_layer_info info;
        bad[i].make(&tar);
        tar_end(&tar);
        const int r = read_layer(f, &tar, NULL, &info, &err);
        const char *prefix = "layer test.tar: ";
        if (r != -EINVAL || strncmp(err.text, prefix, strlen(prefix)) != 0 ||
            !strstr(err.text, bad[i].message))
            fail_msg("bad tar %zu: %d '%s' instead of '%s'", i, r, err.text, bad[i].message);
        nothing_is_left(f);
    }
}

static void good_tar(struct cf_buf *tar)
{
    char data[6000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * i >> 5);
    tar_file(tar, "small", "text");
    tar_pax(tar, 'x', "path", "longer", 6);
    tar_entry(tar, '0', "l", "", data, sizeof data);
    tar_end(tar);
}

/* At every length: an error, whatever the form. */
static void a_truncated_layer_is_an_error(void **state)
{
    static const enum cf_compression kinds[] = {CF_PLAIN, CF_GZIP, CF_ZSTD};
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;

    good_tar(&tar);
    for (size_t kind = 0; kind < CF_COUNT(kinds); kind++) {
        struct cf_buf form cf_autobuf = CF_BUF_INIT;
        struct cf_compressor *z = NULL;
        struct cf_error err = {0};
        assert_ok(cf_compressor_new(kinds[kind], 0, collect, &form, &z, &err), err);
        assert_ok(cf_compressor_write(z, tar.data, tar.len, &err), err);
        assert_ok(cf_compressor_finish(z, &err), err);
        cf_compressor_free(z);
        const size_t whole = form.len, step = kinds[kind] == CF_PLAIN ? 127 : 41;
        /* A single zero block may end it. */
        const size_t enough = kinds[kind] == CF_PLAIN ? whole - CF_TAR_BLOCK : whole;
        for (form.len = 0; form.len < enough; form.len += step) {
            struct cf_layer_info info;
            const int r = read_layer(f, &form, NULL, &info, &err);
            if (r != -EINVAL)
                fail_msg("kind %zu, %zu of %zu bytes: %d", kind, form.len, whole, r);
        }
        nothing_is_left(f);
    }
}

/* A flipped bit is found by a checksum of the form, or by the expected digest at the latest. */
static void a_damaged_layer_is_an_error(void **state)
{
    static const enum cf_compression kinds[] = {CF_PLAIN, CF_GZIP, CF_ZSTD};
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    struct cf_digest diff_id;

    good_tar(&tar);
    cf_digest_of(tar.data, tar.len, &diff_id);
    for (size_t kind = 0; kind < CF_COUNT(kinds); kind++) {
        struct cf_buf form cf_autobuf = CF_BUF_INIT;
        struct cf_compressor *z = NULL;
        struct cf_error err = {0};
        struct cf_digest blob;
        assert_ok(cf_compressor_new(kinds[kind], 0, collect, &form, &z, &err), err);
        assert_ok(cf_compressor_write(z, tar.data, tar.len, &err), err);
        assert_ok(cf_compressor_finish(z, &err), err);
        cf_compressor_free(z);
        cf_digest_of(form.data, form.len, &blob);
        for (size_t at = 0; at < form.len; at += 97) {
            const struct cf_layer_read_options options = {.expected_diff_id = &diff_id,
                                                          .expected_blob = &blob,
                                                          .expected_blob_size = form.len};
            struct cf_layer_info info;
            form.data[at] ^= 4;
            const int r = read_layer(f, &form, &options, &info, &err);
            form.data[at] ^= 4;
            if (r != -EINVAL && r != -EBADMSG)
                fail_msg("kind %zu, byte %zu: %d", kind, at, r);
        }
        assert_int_equal(fixture_files(f, "layers"), 0);
    }
}

static void what_was_promised_is_checked(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    struct cf_layer_info info;
    struct cf_error err = {0};
    struct cf_digest wrong, right;

    good_tar(&tar);
    cf_digest_of("else", 4, &wrong);
    cf_digest_of(tar.data, tar.len, &right);
    struct cf_layer_read_options options = {.expected_diff_id = &wrong};
    assert_int_equal(read_layer(f, &tar, &options, &info, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "layer test.tar: its diff ID is sha256:"));
    options =
        (struct cf_layer_read_options){.expected_blob = &wrong, .expected_blob_size = tar.len};
    assert_int_equal(read_layer(f, &tar, &options, &info, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "layer test.tar: its digest is sha256:"));
    options =
        (struct cf_layer_read_options){.expected_blob = &right, .expected_blob_size = tar.len + 1};
    assert_int_equal(read_layer(f, &tar, &options, &info, &err), -EBADMSG);
    options.expected_blob_size = tar.len - 1;
    assert_int_equal(read_layer(f, &tar, &options, &info, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "larger than its descriptor says"));
    nothing_is_left(f);
}

static void bombs_are_stopped(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, form cf_autobuf = CF_BUF_INIT;
    struct cf_compressor *z = NULL;
    struct cf_layer_info info;
    struct cf_error err = {0};
    char *zeros = calloc(1, 4 << 20);

    struct cf_tar_block block = tar_block('0', "zeros", "", 64u << 20);
    tar_bytes(&tar, &block, sizeof block);
    assert_ok(cf_compressor_new(CF_ZSTD, 0, collect, &form, &z, &err), err);
    assert_ok(cf_compressor_write(z, tar.data, tar.len, &err), err);
    for (size_t i = 0; i < 16; i++)
        assert_ok(cf_compressor_write(z, zeros, 4 << 20, &err), err);
    assert_ok(cf_compressor_finish(z, &err), err);
    cf_compressor_free(z);
    struct cf_layer_read_options options = {.max_size = 1 << 20};
    assert_int_equal(read_layer(f, &form, &options, &info, &err), -EFBIG);
    assert_string_equal(err.text, "layer test.tar: entry 'zeros': it is larger than 1048576 "
                                  "bytes, the limit");
    nothing_is_left(f);

    /* A sparse file that claims more than the limit, in a small tar. */
    tar.len = 0;
    make_sparse(&tar, "0,5,1000000,5", "9000000000");
    tar_end(&tar);
    assert_int_equal(read_layer(f, &tar, &options, &info, &err), -EFBIG);

    tar.len = 0;
    for (size_t i = 0; i < 20; i++)
        tar_file(&tar, "again", "");
    tar_end(&tar);
    options = (struct cf_layer_read_options){.max_entries = 19};
    assert_int_equal(read_layer(f, &tar, &options, &info, &err), -EFBIG);
    assert_non_null(strstr(err.text, "more than 19 entries"));
    nothing_is_left(f);
    free(zeros);
}

/* A source's own failure comes through. */
static ssize_t fail_later(void *context, void *data, size_t len, struct cf_error *err)
{
    struct memory_source *source = context;
    if (source->at == source->len)
        return cf_fail(err, -ETIMEDOUT, "the registry does not answer");
    return read_memory(context, data, len, err);
}

static void a_failing_source_is_told(void **state)
{
    static const enum cf_compression kinds[] = {CF_PLAIN, CF_GZIP, CF_ZSTD};
    struct fixture *f = *state;

    for (size_t kind = 0; kind < CF_COUNT(kinds); kind++) {
        struct cf_buf tar cf_autobuf = CF_BUF_INIT, form cf_autobuf = CF_BUF_INIT;
        struct cf_compressor *z = NULL;
        struct cf_layer_info info;
        struct cf_error err = {0};
        char data[900000];
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (char)(i * 2654435761u >> 11);
        tar_entry(&tar, '0', "f", "", data, sizeof data);
        assert_ok(cf_compressor_new(kinds[kind], 0, collect, &form, &z, &err), err);
        assert_ok(cf_compressor_write(z, tar.data, tar.len, &err), err);
        assert_ok(cf_compressor_finish(z, &err), err);
        cf_compressor_free(z);
        struct memory_source source = {.data = form.data, .len = form.len / 2};
        const struct cf_layer_read_options options = {.source = fail_later,
                                                      .source_context = &source};
        assert_int_equal(read_layer(f, &form, &options, &info, &err), -ETIMEDOUT);
        assert_string_equal(err.text, "layer test.tar: the registry does not answer");
        nothing_is_left(f);
    }
}

static void a_damaged_store_is_told_when_a_layer_is_written(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, back cf_autobuf = CF_BUF_INIT;
    struct cf_layer_info info;
    struct cf_error err = {0};
    char command[256];

    good_tar(&tar);
    assert_ok(read_layer(f, &tar, NULL, &info, &err), err);
    (void)snprintf(command, sizeof command,
                   "f=$(find %s/objects -type f) && chmod 644 $f && "
                   "printf X | dd of=$f bs=1 seek=99 conv=notrunc 2>/dev/null",
                   f->root);
    assert_int_equal(system(command), 0);
    assert_int_equal(cf_layer_write(f->store, &info.diff_id, collect, &back, &err), -EBADMSG);
    (void)snprintf(command, sizeof command, "find %s/objects -type f -delete", f->root);
    assert_int_equal(system(command), 0);
    assert_int_equal(cf_layer_write(f->store, &info.diff_id, collect, &back, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "is missing from the store"));
}

/* On a small tmpfs, with every size of it: either the layer is there and whole, or nothing is. */
static void a_full_disk_leaves_the_store_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, form cf_autobuf = CF_BUF_INIT;
    struct cf_compressor *z = NULL;
    struct cf_error err = {0};
    char path[80], options[64], *data = malloc(3 << 20);
    unsigned full = 0, whole = 0;

    (void)snprintf(path, sizeof path, "%s/small", f->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    if (geteuid() != 0 || mount("none", path, "tmpfs", 0, "size=1m") < 0) {
        print_message("[  SKIPPED ] no tmpfs can be mounted here\n");
        free(data);
        skip();
    }
    assert_int_equal(umount(path), 0);
    for (size_t i = 0; i < 3 << 20; i++)
        data[i] = (char)(i * 2654435761u >> 15);
    tar_entry(&tar, '0', "large", "", data, 3 << 20);
    for (size_t i = 0; i < 60; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "file%zu", i);
        tar_entry(&tar, '0', name, "", data + i, 3000 + i);
    }
    tar_end(&tar);
    free(data);
    assert_ok(cf_compressor_new(CF_GZIP, 1, collect, &form, &z, &err), err);
    assert_ok(cf_compressor_write(z, tar.data, tar.len, &err), err);
    assert_ok(cf_compressor_finish(z, &err), err);
    cf_compressor_free(z);
    for (unsigned kib = 64; kib < 5000; kib += 256) {
        struct cf_layer_info info;
        struct fixture small = {.store = NULL};
        (void)snprintf(options, sizeof options, "size=%uk", kib);
        (void)snprintf(small.root, sizeof small.root, "%s", path);
        assert_int_equal(mount("none", path, "tmpfs", 0, options), 0);
        if (cf_store_open(path, 0, &small.store, &err) == 0) {
            const int r = read_layer(&small, &form, NULL, &info, &err);
            assert_true(r == 0 || r == -ENOSPC);
            assert_int_equal(fixture_files(&small, "tmp"), 0);
            assert_int_equal(fixture_files(&small, "layers"), r == 0 ? 3 : 0);
            full += r == -ENOSPC;
            whole += r == 0;
        }
        cf_store_close(small.store);
        assert_int_equal(umount(path), 0);
    }
    assert_true(full > 5 && whole > 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_bad_tar_gets_its_line),
        TEST(a_truncated_layer_is_an_error),
        TEST(a_damaged_layer_is_an_error),
        TEST(what_was_promised_is_checked),
        TEST(bombs_are_stopped),
        TEST(a_failing_source_is_told),
        TEST(a_damaged_store_is_told_when_a_layer_is_written),
        TEST(a_full_disk_leaves_the_store_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
