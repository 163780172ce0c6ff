/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merged trees: trees/<chain-id>, and beside each trees/<chain-id>.sum, "sha256:<hex>\n" of the
 * tree. Both can be made again from the layers at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/store.h>

#include "private.h"

void cf_chain_id(const struct cf_digest *diff_ids, size_t count, struct cf_digest *ret_chain)
{
    char pair[2 * CF_DIGEST_TEXT_SIZE];
    struct cf_digest chain = diff_ids[0];

    for (size_t i = 1; i < count; i++) {
        cf_digest_text(&chain, pair);
        pair[CF_DIGEST_TEXT_SIZE - 1] = ' ';
        cf_digest_text(&diff_ids[i], pair + CF_DIGEST_TEXT_SIZE);
        cf_digest_of(pair, strlen(pair), &chain);
    }
    *ret_chain = chain;
}

/* An image without layers has no chain ID: the digest of nothing stands for it. */
void cf_merged_key(const struct cf_digest *diff_ids, size_t count, struct cf_digest *ret_key)
{
    if (count == 0)
        cf_digest_of("", 0, ret_key);
    else
        cf_chain_id(diff_ids, count, ret_key);
}

static int merge(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                 const struct cf_digest *key, int fd, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;

    int r = cf_builder_new(store->tmp_fd, &builder, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct cf_tree *layer cf_cleanup(cf_tree_close_ptr) = NULL;
        r = cf_layer_tree(store, &diff_ids[i], &layer, err);
        if (r == 0)
            r = cf_builder_apply(builder, layer, false, err);
    }
    return r < 0 ? r : cf_builder_write(builder, key, fd, err);
}

static int write_sum(struct cf_store *store, const char *path, int tree_fd)
{
    struct cf_temp temp = CF_TEMP_INIT;
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest digest;

    int r = cf_file_digest(tree_fd, &digest);
    if (r == 0)
        r = cf_temp_open(store, true, 0444, &temp);
    if (r < 0)
        return r;
    cf_digest_text(&digest, text);
    text[CF_DIGEST_TEXT_SIZE - 1] = '\n';
    r = cf_write_full(temp.fd, text, sizeof(text));
    if (r == 0 && fdatasync(temp.fd) < 0)
        r = -errno;
    if (r == 0)
        r = cf_temp_rename(store, &temp, store->trees_fd, path);
    cf_temp_drop(store, &temp);
    return r;
}

/* The checksum comes first: a tree without one could not be told from a damaged one. */
static int publish(struct cf_store *store, struct cf_temp *temp, const char *hex)
{
    char path[CF_DIGEST_HEX_SIZE + 8];

    if (fdatasync(temp->fd) < 0)
        return -errno;
    snprintf(path, sizeof(path), "%s.sum", hex);
    int r = write_sum(store, path, temp->fd);
    return r < 0 ? r : cf_temp_rename(store, temp, store->trees_fd, hex);
}

int cf_merged_build(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                    struct cf_error *err)
{
    struct cf_temp temp = CF_TEMP_INIT;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest key;

    cf_merged_key(diff_ids, count, &key);
    cf_digest_hex(&key, hex);
    int r = cf_temp_open(store, true, 0444, &temp);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write a merged tree to store %s", store->root);
    r = merge(store, diff_ids, count, &key, temp.fd, err);
    if (r == 0) {
        r = publish(store, &temp, hex);
        if (r < 0)
            r = cf_fail_errno(err, -r, "cannot write the merged tree %s to store %s", hex,
                              store->root);
    }
    cf_temp_drop(store, &temp);
    return r;
}

static int open_merged(struct cf_store *store, const char *hex, struct cf_tree **ret_tree,
                       int *ret_fd, struct cf_error *err)
{
    int fd cf_autoclose = openat(store->trees_fd, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot open the merged tree %s", hex);
    int r = cf_tree_open(fd, ret_tree, err);
    if (r < 0)
        return cf_fail_in(err, r, "merged tree %s", hex);
    if (ret_fd)
        *ret_fd = CF_TAKE_FD(fd);
    return 0;
}

int cf_store_merged_tree(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                         struct cf_tree **ret_tree, int *ret_fd, struct cf_error *err)
{
    char name[CF_DIGEST_HEX_SIZE + 8];
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest key;

    cf_merged_key(diff_ids, count, &key);
    cf_digest_hex(&key, hex);
    int r = open_merged(store, hex, ret_tree, ret_fd, NULL);
    if (r != -ENOENT && r != -EBADMSG)
        return r < 0 ? open_merged(store, hex, ret_tree, ret_fd, err) : 0;
    snprintf(name, sizeof(name), "tree-%s", hex);
    int lock cf_autoclose = cf_store_lock_name(store, name);
    if (lock < 0)
        return cf_fail_errno(err, -lock, "cannot lock the merged tree %s", hex);
    if (open_merged(store, hex, ret_tree, ret_fd, NULL) == 0)
        return 0;
    r = cf_merged_build(store, diff_ids, count, err);
    return r < 0 ? r : open_merged(store, hex, ret_tree, ret_fd, err);
}
