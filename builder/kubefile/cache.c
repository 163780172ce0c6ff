/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build cache: a memo for each piece of work, under a digest of all that it depends on: the
 * layers below, the instruction, its arguments, the content of its sources (not their times).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

/* Changes when the meaning of a key does. */
#define KEY_FORMAT "cloudfs build 1"

void cf_build_key_add(struct cf_hasher *hasher, const char *text)
{
    cf_hasher_update(hasher, text, strlen(text) + 1);
}

int cf_build_key_new(struct cf_build *build, const char *what, struct cf_hasher **ret_hasher,
                     struct cf_error *err)
{
    struct cf_digest chain = {{0}};
    char text[64];

    if (cf_hasher_new(ret_hasher) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (build->diff_count)
        cf_chain_id(build->diff_ids, build->diff_count, &chain);
    cf_build_key_add(*ret_hasher, KEY_FORMAT);
    cf_build_key_add(*ret_hasher, what);
    cf_hasher_update(*ret_hasher, chain.bytes, sizeof(chain.bytes));
    (void)snprintf(text, sizeof(text), "%d %" PRId64, build->image.has_timestamp,
                   build->image.has_timestamp ? build->image.timestamp : 0);
    cf_build_key_add(*ret_hasher, text);
    return 0;
}

static void add_number(struct cf_hasher *hasher, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIx64, value);
    cf_build_key_add(hasher, text);
}

static int add_content(struct cf_hasher *hasher, const struct cf_node *node)
{
    struct cf_content content;
    int r = cf_node_content(node, &content);
    if (r < 0)
        return r;
    add_number(hasher, content.size);
    if (content.kind == CF_CONTENT_INLINE)
        cf_hasher_update(hasher, content.data, (size_t)content.size);
    else
        cf_hasher_update(hasher, content.digest.bytes, sizeof(content.digest.bytes));
    return 0;
}

static int add_node(const struct cf_walk *walk, void *context)
{
    struct cf_hasher *hasher = context;
    struct cf_inode inode;
    struct cf_xattr xattr = {0};
    size_t len = 0;
    int r = 0;

    cf_hasher_update(hasher, walk->path, walk->path_len + 1);
    if (!walk->first) {
        cf_build_key_add(hasher, walk->first_path);
        return 0;
    }
    cf_node_inode(walk->node, &inode);
    add_number(hasher, inode.mode);
    add_number(hasher, inode.uid);
    add_number(hasher, inode.gid);
    add_number(hasher, ((uint64_t)inode.rdev_major << 32) | inode.rdev_minor);
    if (S_ISREG(inode.mode))
        r = add_content(hasher, walk->node);
    else if (S_ISLNK(inode.mode))
        cf_build_key_add(hasher, cf_node_symlink(walk->node, &len));
    while (r == 0 && cf_node_xattr_list(walk->node, xattr.next, &xattr) == 1) {
        cf_build_key_add(hasher, xattr.name);
        add_number(hasher, xattr.value_len);
        cf_hasher_update(hasher, xattr.value, xattr.value_len);
    }
    return r;
}

int cf_build_key_tree(struct cf_hasher *hasher, struct cf_builder *builder, struct cf_error *err)
{
    int r = cf_builder_walk(builder, add_node, hasher);
    return r < 0 ? cf_fail_errno(err, -r, "the build cache's key") : 0;
}

int cf_build_recall(struct cf_build *build, const struct cf_digest *key,
                    struct cf_layer_info *ret_info)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_layer_info info = {.existed = true};

    if (build->options->no_cache || cf_memo_get(build->store, key, &info.diff_id, &text) < 0)
        return 0;
    if (sscanf(text.data, "%" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNu32, &info.tar_size,
               &info.entries, &info.newest_sec, &info.newest_nsec) != 4)
        return 0;
    info.blob = info.diff_id;
    info.blob_size = info.tar_size;
    *ret_info = info;
    return 1;
}

int cf_build_remember(struct cf_build *build, const struct cf_digest *key,
                      const struct cf_layer_info *info, struct cf_error *err)
{
    char text[96];
    /* Work that changed nothing has no layer: it is noted with the one below. */
    const struct cf_digest *layer =
        info->entries ? &info->diff_id
                      : (build->diff_count ? &build->diff_ids[build->diff_count - 1] : NULL);
    if (!layer)
        return 0;
    (void)snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIu32,
                   info->tar_size, info->entries, info->newest_sec, info->newest_nsec);
    return cf_memo_set(build->store, key, layer, text, err);
}

int cf_build_add_layer(struct cf_build *build, const struct cf_layer_info *info, const char *text,
                       struct cf_error *err)
{
    size_t n = build->layer_count;
    struct cf_new_layer *layers = reallocarray(build->layers, n + 1, sizeof(*layers));
    if (layers)
        build->layers = layers;
    char **texts = reallocarray(build->texts, n + 1, sizeof(*texts));
    if (texts)
        build->texts = texts;
    struct cf_digest *ids = reallocarray(build->diff_ids, build->diff_count + 1, sizeof(*ids));
    if (ids)
        build->diff_ids = ids;
    char *copy = strdup(text);
    if (!layers || !texts || !ids || !copy) {
        free(copy);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    texts[n] = copy;
    layers[n] = (struct cf_new_layer){.created_by = copy, .empty = !info};
    if (info) {
        layers[n].info = *info;
        ids[build->diff_count++] = info->diff_id;
        if (info->newest_sec > build->newest_sec)
            build->newest_sec = info->newest_sec;
    }
    build->layer_count++;
    return 0;
}
