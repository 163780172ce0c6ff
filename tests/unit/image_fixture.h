/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and whole images for tests of the store. */
#ifndef IMAGE_FIXTURE_H
#define IMAGE_FIXTURE_H

#include "store_fixture.h"

#define BIG_FILE 5000 /* bytes: more than a tree keeps inside */

static inline void fixture_content(unsigned number, char ret_data[BIG_FILE])
{
    for (size_t i = 0; i < BIG_FILE; i++)
        ret_data[i] = (char)(number * 31 + i * 7 + i / 100);
}

static inline struct cf_digest fixture_object(struct fixture *f, unsigned number)
{
    struct cf_error err = {0};
    struct cf_digest digest;
    char data[BIG_FILE];

    fixture_content(number, data);
    assert_ok(cf_object_put(f->store, data, sizeof(data), &digest, &err), err);
    return digest;
}

static inline struct cf_node *fixture_add(struct cf_builder *builder, struct cf_node *dir,
                                          const char *name, mode_t mode)
{
    struct cf_inode inode = {.mode = mode, .nlink = 1, .mtime_sec = 1700000000};
    struct cf_node *node = NULL;

    assert_int_equal(cf_node_add(builder, dir, name, strlen(name), &inode, &node), 0);
    return node;
}

/*
 * Publishes a layer with etc/small-<n> (inside the tree), bin/big-<n> and bin/both (objects n and
 * shared), and a whiteout of bin/big-<hides> if that is not 0. recipe_object: a further object
 * that only the recipe names; 0 for none.
 */
static inline struct cf_digest fixture_layer(struct fixture *f, unsigned n, unsigned hides,
                                             unsigned recipe_object)
{
    struct cf_builder *builder = NULL;
    struct cf_layer_draft draft;
    struct cf_error err = {0};
    struct cf_digest diff_id, digest;
    char name[32];

    assert_ok(cf_builder_new(cf_store_tmp_fd(f->store), &builder, &err), err);
    struct cf_node *root = cf_builder_root(builder);
    struct cf_node *etc = fixture_add(builder, root, "etc", S_IFDIR | 0755);
    struct cf_node *bin = fixture_add(builder, root, "bin", S_IFDIR | 0755);
    snprintf(name, sizeof(name), "small-%u", n);
    struct cf_node *node = fixture_add(builder, etc, name, S_IFREG | 0644);
    assert_int_equal(cf_node_set_inline(builder, node, name, strlen(name)), 0);
    snprintf(name, sizeof(name), "big-%u", n);
    node = fixture_add(builder, bin, name, S_IFREG | 0755);
    digest = fixture_object(f, n);
    assert_int_equal(cf_node_set_object(builder, node, &digest, BIG_FILE), 0);
    node = fixture_add(builder, bin, "both", S_IFREG | 0755);
    digest = fixture_object(f, 999);
    assert_int_equal(cf_node_set_object(builder, node, &digest, BIG_FILE), 0);
    if (hides) {
        snprintf(name, sizeof(name), "big-%u", hides);
        fixture_add(builder, bin, name, S_IFCHR);
    }
    assert_ok(cf_layer_draft_new(f->store, &draft, &err), err);
    cf_digest_of(&n, sizeof(n), &diff_id);
    int fd = openat(draft.fd, "tree", O_RDWR | O_CREAT | O_CLOEXEC, 0444);
    assert_true(fd >= 0);
    assert_ok(cf_builder_write(builder, &diff_id, fd, &err), err);
    close(fd);
    cf_builder_free(builder);
    fd = openat(draft.fd, "recipe", O_RDWR | O_CREAT | O_CLOEXEC, 0444);
    if (recipe_object) {
        digest = fixture_object(f, recipe_object);
        assert_int_equal(cf_write_full(fd, "CFRECIP1\1\0\0\0\0\0\0\0", 16), 0);
        assert_int_equal(cf_write_full(fd, &digest, sizeof(digest)), 0);
        assert_int_equal(cf_write_full(fd, "more", 4), 0);
    }
    close(fd);
    struct cf_layer_form form = {diff_id, 10240, CF_MEDIA_LAYER};
    assert_ok(cf_layer_forms_write(draft.fd, &form, 1, &err), err);
    assert_ok(cf_layer_draft_publish(f->store, &draft, &diff_id, &err), err);
    return diff_id;
}

/* mounts/<id> with an upper, and mount.json if manifest is given; extra: more JSON members. */
static inline void fixture_mount(struct fixture *f, const char *id,
                                 const struct cf_digest *manifest, const char *extra)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT, json cf_autobuf = CF_BUF_INIT;
    char text[CF_DIGEST_TEXT_SIZE];
    int mounts = cf_store_mounts_fd(f->store);

    cf_buf_printf(&path, "%s/upper/deep/er", id);
    assert_int_equal(cf_mkdir_path(mounts, path.data, 0700), 0);
    if (!manifest)
        return;
    cf_digest_text(manifest, text);
    cf_buf_printf(&json, "{\"manifest\":\"%s\"%s}", text, extra ? extra : "");
    cf_buf_clear(&path);
    cf_buf_printf(&path, "%s/mount.json", id);
    assert_int_equal(cf_replace_file(mounts, path.data, json.data, json.len, 0600), 0);
}

#endif
