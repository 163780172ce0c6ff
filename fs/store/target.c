/* SPDX-License-Identifier: Apache-2.0 */
/* "REF", "REF:PATH": an image or a layer, and a path inside it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/image.h>
#include <cloudfs/store.h>

#include "image_parse.h"
#include "private.h"

struct layer_search {
    const char *hex;
    size_t len;
    size_t matches;
    struct cf_digest found;
};

static int match_layer(int dirfd, const char *name, void *context)
{
    struct layer_search *search = context;
    struct cf_digest digest;

    (void)dirfd;
    if (cf_digest_parse_hex(name, &digest) < 0 || strncmp(name, search->hex, search->len) != 0)
        return 0;
    search->matches++;
    search->found = digest;
    return 0;
}

static int find_layer(struct cf_store *store, const char *text, struct cf_digest *ret_diff_id,
                      struct cf_error *err)
{
    struct layer_search search = {.hex = strncmp(text, "sha256:", 7) ? text : text + 7};

    search.len = strlen(search.hex);
    if (search.len < 2 || search.len > 64 || !cf_is_hex(search.hex, search.len))
        return -ENOENT;
    int r = cf_each_entry(store->root_fd, "layers", match_layer, &search);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the layers of store %s", store->root);
    if (search.matches > 1)
        return cf_fail(err, -ENOTUNIQ, "'%s' is the beginning of more than one layer's diff ID",
                       text);
    if (search.matches == 0)
        return -ENOENT;
    *ret_diff_id = search.found;
    return 0;
}

/* What was found but cannot be opened is damage, and no reason to look for a shorter name. */
static int damage(int code, struct cf_error *err)
{
    if (code != -ENOENT && code != -EINVAL)
        return code;
    if (err)
        err->code = -EBADMSG;
    return -EBADMSG;
}

static int open_image(struct cf_store *store, const struct cf_digest *manifest,
                      struct cf_target *target, struct cf_error *err)
{
    int r = cf_image_load(store, manifest, &target->image, err);
    if (r == 0)
        r = cf_image_tree(store, target->image, &target->tree, NULL, err);
    return damage(r, err);
}

/* Opens what ref means by itself: an image, else a layer. -ENOENT, -EINVAL: neither. */
static int open_ref(struct cf_store *store, const char *ref, struct cf_target *target,
                    struct cf_error *err)
{
    struct cf_digest manifest;

    int r = cf_image_resolve(store, ref, &manifest, NULL, err);
    if (r == 0)
        return open_image(store, &manifest, target, err);
    if (r != -ENOENT && r != -EINVAL)
        return r;
    r = find_layer(store, ref, &target->layer, err);
    if (r < 0)
        return r;
    return damage(cf_layer_tree(store, &target->layer, &target->tree, err), err);
}

/* The longest REF that exists: the whole text, then up to the last colon, and so on. */
static int open_longest(struct cf_store *store, const char *text, struct cf_target *target,
                        struct cf_error *err)
{
    char *ref cf_autofree = strdup(text);
    size_t len = strlen(text);

    if (!ref)
        return cf_fail_errno(err, ENOMEM, "open %s", text);
    for (;;) {
        int r = open_ref(store, ref, target, err);
        if (r == 0) {
            target->path = strdup(text[len] ? text + len + 1 : "");
            return target->path ? 0 : cf_fail_errno(err, ENOMEM, "open %s", text);
        }
        if (r != -ENOENT && r != -EINVAL)
            return r;
        char *colon = strrchr(ref, ':');
        if (!colon)
            break;
        *colon = 0;
        len = (size_t)(colon - ref);
    }
    return cf_fail(err, -ENOENT,
                   "no such image or layer '%s' in store %s (`cloudfs images` lists what is there)",
                   text, store->root);
}

int cf_target_open(struct cf_store *store, const char *text, struct cf_target *ret_target,
                   struct cf_error *err)
{
    struct cf_target target = {0};

    int r = open_longest(store, text, &target, err);
    if (r < 0) {
        cf_target_done(&target);
        if (r == -ENOTUNIQ && err)
            err->code = -EINVAL;
        return r == -ENOTUNIQ ? -EINVAL : r;
    }
    *ret_target = target;
    return 0;
}

void cf_target_done(struct cf_target *target)
{
    cf_image_free(target->image);
    cf_tree_close(target->tree);
    free(target->path);
    memset(target, 0, sizeof(*target));
}
