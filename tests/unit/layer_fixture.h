/* SPDX-License-Identifier: Apache-2.0 */
/* Tars made by hand, and layers read from and written to memory, for the tests of builder/layer. */
#ifndef LAYER_FIXTURE_H
#define LAYER_FIXTURE_H

#include "store_fixture.h"

#include <ctype.h>

#include <cloudfs/layer.h>

#include <cloudfs/tar.h>

/* ---- tars ---- */

static inline void tar_number(char *field, size_t width, uint64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%0*llo", (int)width - 1, (unsigned long long)number);
    memcpy(field, text, width);
}

static inline void tar_seal(struct cf_tar_block *block)
{
    unsigned sum = 0;
    memset(block->checksum, ' ', sizeof block->checksum);
    for (size_t i = 0; i < sizeof *block; i++)
        sum += ((unsigned char *)block)[i];
    (void)snprintf(block->checksum, sizeof block->checksum, "%06o", sum);
    block->checksum[7] = ' ';
}

static inline struct cf_tar_block tar_block(char type, const char *name, const char *link,
                                            uint64_t size)
{
    struct cf_tar_block block = {.type = type};
    memcpy(block.magic, "ustar\00000", 8);
    memcpy(block.name, name, strnlen(name, sizeof block.name));
    memcpy(block.link, link, strnlen(link, sizeof block.link));
    tar_number(block.mode, sizeof block.mode, type == '5' ? 0755 : 0644);
    tar_number(block.uid, sizeof block.uid, 0);
    tar_number(block.gid, sizeof block.gid, 0);
    tar_number(block.size, sizeof block.size, size);
    tar_number(block.mtime, sizeof block.mtime, 1000000000);
    tar_seal(&block);
    return block;
}

static inline void tar_bytes(struct cf_buf *tar, const void *data, size_t len)
{
    static const char zeros[CF_TAR_BLOCK];
    assert_int_equal(cf_buf_add(tar, data, len), 0);
    assert_int_equal(cf_buf_add(tar, zeros, cf_tar_padding(len)), 0);
}

static inline void tar_entry(struct cf_buf *tar, char type, const char *name, const char *link,
                             const void *data, size_t len)
{
    const struct cf_tar_block block = tar_block(type, name, link, len);
    tar_bytes(tar, &block, sizeof block);
    tar_bytes(tar, data, len);
}

static inline void tar_file(struct cf_buf *tar, const char *name, const char *text)
{
    tar_entry(tar, '0', name, "", text, strlen(text));
}

/* A PAX header of one record, whose length is worked out. */
static inline void tar_pax(struct cf_buf *tar, char type, const char *key, const void *value,
                           size_t len)
{
    struct cf_buf record cf_autobuf = CF_BUF_INIT;
    const size_t rest = strlen(key) + len + 3;
    size_t digits = 1;
    while (snprintf(NULL, 0, "%zu", rest + digits) != (int)digits)
        digits++;
    assert_int_equal(cf_buf_printf(&record, "%zu %s=", rest + digits, key), 0);
    assert_int_equal(cf_buf_add(&record, value, len), 0);
    assert_int_equal(cf_buf_add_char(&record, '\n'), 0);
    tar_entry(tar, type, "PaxHeaders/x", "", record.data, record.len);
}

static inline void tar_end(struct cf_buf *tar)
{
    static const char zeros[2 * CF_TAR_BLOCK];
    assert_int_equal(cf_buf_add(tar, zeros, sizeof zeros), 0);
}

/* ---- layers ---- */

/* Bytes as a source that gives at most step of them at a time. */
struct memory_source {
    const char *data;
    size_t len, at, step;
};

static inline ssize_t read_memory(void *context, void *data, size_t len, struct cf_error *err)
{
    struct memory_source *source = context;
    size_t n = source->len - source->at;
    (void)err;
    n = n < len ? n : len;
    n = source->step && source->step < n ? source->step : n;
    memcpy(data, source->data + source->at, n);
    source->at += n;
    return (ssize_t)n;
}

static inline int collect(void *context, const void *data, size_t len, struct cf_error *err)
{
    (void)err;
    assert_int_equal(cf_buf_add(context, data, len), 0);
    return 0;
}

/* options: NULL or what is wanted besides the source. */
static inline int read_layer(struct fixture *f, const struct cf_buf *bytes,
                             const struct cf_layer_read_options *options,
                             struct cf_layer_info *info, struct cf_error *err)
{
    struct memory_source source = {.data = bytes->data, .len = bytes->len};
    struct cf_layer_read_options all = options ? *options : (struct cf_layer_read_options){0};
    if (!all.source) {
        all.source = read_memory;
        all.source_context = &source;
    }
    all.what = all.what ? all.what : "test.tar";
    return cf_layer_read(f->store, &all, info, err);
}

/* Reads a tar that is right; expects its diff ID, and the very same bytes written back. */
static inline struct cf_layer_info must_round_trip(struct fixture *f, const struct cf_buf *tar,
                                                   const struct cf_buf *form)
{
    struct cf_buf back cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_layer_info info = {0};
    struct cf_digest digest;

    assert_ok(read_layer(f, form ? form : tar, NULL, &info, &err), err);
    cf_digest_of(tar->data, tar->len, &digest);
    assert_memory_equal(&info.diff_id, &digest, sizeof digest);
    assert_int_equal(info.tar_size, tar->len);
    assert_ok(cf_layer_write(f->store, &info.diff_id, collect, &back, &err), err);
    assert_int_equal(back.len, tar->len);
    assert_memory_equal(back.data, tar->data, tar->len);
    return info;
}

static inline struct cf_tree *tree_of(struct fixture *f, const struct cf_layer_info *info)
{
    struct cf_tree *tree = NULL;
    struct cf_error err = {0};
    assert_ok(cf_layer_tree(f->store, &info->diff_id, &tree, &err), err);
    assert_ok(cf_tree_verify(tree, &err), err);
    return tree;
}

/* Every path of a tree, depth first: "type path" and what there is to say of it, a line each. */
static inline void list_dir(const struct cf_tree *tree, uint64_t dir, const char *path,
                            struct cf_buf *ret_text)
{
    struct cf_dirent entry = {.next = 0};
    struct cf_xattr xattr;
    struct cf_content content;
    const char *target;
    size_t len;
    while (cf_tree_readdir(tree, dir, entry.next, &entry) == 1) {
        struct cf_inode inode;
        char *child = NULL;
        assert_int_equal(cf_tree_inode(tree, entry.nid, &inode), 0);
        assert_true(asprintf(&child, "%s%s%.*s", path, *path ? "/" : "", (int)entry.name_len,
                             entry.name) > 0);
        cf_buf_printf(ret_text, "%o %u:%u %lld.%09u %s", inode.mode, inode.uid, inode.gid,
                      (long long)inode.mtime_sec, inode.mtime_nsec, child);
        if (S_ISREG(inode.mode) && cf_tree_content(tree, entry.nid, &content) == 0)
            cf_buf_printf(ret_text, " n%u %llu", inode.nlink, (unsigned long long)content.size);
        if (S_ISREG(inode.mode) && content.kind == CF_CONTENT_INLINE && content.size < 100)
            cf_buf_printf(ret_text, " '%.*s'", (int)content.size, (const char *)content.data);
        if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode))
            cf_buf_printf(ret_text, " %u,%u", inode.rdev_major, inode.rdev_minor);
        if (S_ISLNK(inode.mode) && cf_tree_readlink(tree, entry.nid, &target, &len) == 0)
            cf_buf_printf(ret_text, " -> %.*s", (int)len, target);
        xattr.next = 0;
        while (cf_tree_xattr_list(tree, entry.nid, xattr.next, &xattr) == 1)
            if (!strstr(xattr.name, "metacopy") && !strstr(xattr.name, "redirect"))
                cf_buf_printf(ret_text, " %s=%.*s", xattr.name, (int)xattr.value_len,
                              (const char *)xattr.value);
        cf_buf_add_char(ret_text, '\n');
        if (S_ISDIR(inode.mode))
            list_dir(tree, entry.nid, child, ret_text);
        free(child);
    }
}

#endif
