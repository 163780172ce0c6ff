/* SPDX-License-Identifier: Apache-2.0 */
/* Images of the store: finding and loading them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/image.h>
#include <cloudfs/platform.h>
#include <cloudfs/reference.h>
#include <cloudfs/store.h>

#include "image_parse.h"
#include "private.h"

#define PREFIX_MIN 2

/* The manifest's own image. */
static int load_manifest(struct cf_store *store, const struct cf_buf *manifest,
                         struct cf_image **ret_image, struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_manifest_parse(manifest->data, manifest->len, &image, err);

    if (r == 0)
        r = cf_blob_get(store, &image->config, &text, err);
    if (r == 0)
        r = cf_config_parse(image, text.data, text.len, err);
    if (r == 0)
        *ret_image = CF_TAKE(image);
    return r;
}

/* platform NULL: any manifest will do, and of an index the one for this machine. */
static int load_platform(struct cf_store *store, const struct cf_digest *digest,
                         const struct cf_platform *platform, struct cf_image **ret_image,
                         struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_digest chosen;
    int r = cf_blob_get(store, digest, &text, err);

    if (r < 0 || !cf_index_parse(text.data, text.len, &index))
        return r < 0 ? r : load_manifest(store, &text, ret_image, err);
    r = cf_index_choose(index, platform, &chosen, err);
    cf_buf_clear(&text);
    if (r == 0)
        r = cf_blob_get(store, &chosen, &text, err);
    if (r == 0)
        r = load_manifest(store, &text, ret_image, err);
    if (r == 0) {
        (*ret_image)->has_index = true;
        (*ret_image)->index = *digest;
    }
    return r;
}

int cf_image_load(struct cf_store *store, const struct cf_digest *manifest,
                  struct cf_image **ret_image, struct cf_error *err)
{
    char name[CF_DIGEST_TEXT_SIZE];
    int r = load_platform(store, manifest, NULL, ret_image, err);

    cf_digest_text(manifest, name);
    return r < 0 ? cf_fail_in(err, r, "image %s", name) : 0;
}

int cf_image_load_any(struct cf_store *store, const struct cf_digest *document,
                      struct cf_image **ret_image, struct cf_error *err)
{
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;
    int r = cf_image_load(store, document, ret_image, err);

    if (r != -ENOENT || cf_index_list(store, document, &list, &count, NULL) < 0 || count == 0)
        return r;
    r = cf_image_load(store, &list[0], ret_image, err);
    if (r == 0) {
        (*ret_image)->has_index = true;
        (*ret_image)->index = *document;
    }
    return r;
}

int cf_image_tree(struct cf_store *store, const struct cf_image *image, struct cf_tree **ret_tree,
                  int *ret_fd, struct cf_error *err)
{
    return cf_store_merged_tree(store, image->diff_ids, image->layer_count, ret_tree, ret_fd, err);
}

/* ---- all manifests ---- */

struct manifest_scan {
    struct cf_store *store;
    cf_manifest_fn *fn;
    void *context;
};

static int scan_blob(int dirfd, const char *name, void *context)
{
    const struct manifest_scan *scan = context;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;

    (void)dirfd;
    if (cf_digest_parse_hex(name, &digest) < 0 ||
        cf_blob_get(scan->store, &digest, &text, NULL) < 0)
        return 0;
    /* Most blobs are configs: no need to parse them. */
    if (!memmem(text.data, text.len, "\"layers\"", 8))
        return 0;
    int r = cf_manifest_parse(text.data, text.len, &image, NULL);
    if (r == -ENOMEM)
        return r;
    return r < 0 ? 0 : scan->fn(image, scan->context);
}

int cf_manifest_each(struct cf_store *store, cf_manifest_fn *fn, void *context,
                     struct cf_error *err)
{
    struct manifest_scan scan = {store, fn, context};

    int r = cf_each_entry(store->root_fd, "blobs/sha256", scan_blob, &scan);
    if (r < 0)
        cf_fail_errno(err, -r, "cannot read the blobs of store %s", store->root);
    return r;
}

/* ---- what a text means ---- */

struct prefix_search {
    const char *hex;
    size_t len;
    bool found, found_config, ambiguous;
    struct cf_digest manifest, config;
};

static bool has_prefix(const struct cf_digest *digest, const struct prefix_search *search)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    return !strncmp(hex, search->hex, search->len);
}

/* Manifests that share a config are the same image in different wrappings: the smallest wins, so
 * that the answer does not depend on the order of a directory. */
static int match_manifest(const struct cf_image *image, void *context)
{
    struct prefix_search *search = context;

    if (!has_prefix(&image->config, search) && !has_prefix(&image->manifest, search))
        return 0;
    if (search->found && !cf_digest_equal(&search->config, &image->config))
        search->ambiguous = true;
    else if (!search->found || cf_digest_compare(&image->manifest, &search->manifest) < 0)
        search->manifest = image->manifest;
    search->config = image->config;
    search->found = true;
    return 0;
}

/* "abc", "sha256:abc": the hex digits, or NULL. */
static const char *id_digits(const char *text)
{
    if (!strncmp(text, "sha256:", 7))
        text += 7;
    size_t len = strlen(text);
    return len >= PREFIX_MIN && len <= 64 && cf_is_hex(text, len) ? text : NULL;
}

static bool is_index(struct cf_store *store, const struct cf_digest *digest)
{
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;
    return cf_index_list(store, digest, &list, &count, NULL) == 0 && list;
}

static int resolve_id(struct cf_store *store, const char *digits, struct cf_digest *ret_manifest,
                      struct cf_error *err)
{
    struct prefix_search search = {.hex = digits, .len = strlen(digits)};

    int r = cf_manifest_each(store, match_manifest, &search, err);
    if (r < 0)
        return r;
    if (search.ambiguous)
        return cf_fail(err, -ENOTUNIQ, "'%s' is the beginning of more than one image ID", digits);
    if (search.found)
        *ret_manifest = search.manifest;
    else if (cf_digest_parse_hex(digits, ret_manifest) < 0 || !is_index(store, ret_manifest))
        return -ENOENT;
    return 0;
}

static int not_found(struct cf_store *store, const char *text, struct cf_error *err)
{
    return cf_fail(err, -ENOENT,
                   "no such image '%s' in store %s (`cloudfs images` lists what is there)", text,
                   store->root);
}

/* name[:tag] by the names; name[:tag]@digest by the digest, which says all. */
static int resolve_name(struct cf_store *store, const struct cf_reference *reference,
                        const char *text, struct cf_digest *ret_manifest, struct cf_error *err)
{
    char name[CF_TAGGED_SIZE];

    if (reference->has_digest) {
        if (!cf_blob_exists(store, &reference->digest))
            return -ENOENT;
        *ret_manifest = reference->digest;
        return 0;
    }
    int r = cf_reference_tagged(text, name, err);
    if (r == 0)
        r = cf_name_get(store, name, ret_manifest);
    if (r == -EBADMSG)
        return cf_fail(err, r, "the name %s is damaged in store %s (see `cloudfs fsck`)", name,
                       store->root);
    return r < 0 && r != -ENOENT ? cf_fail_errno(err, -r, "cannot read the name %s", name) : r;
}

int cf_image_resolve(struct cf_store *store, const char *text, struct cf_digest *ret_manifest,
                     bool *ret_named, struct cf_error *err)
{
    struct cf_reference reference;
    const char *digits = id_digits(text);
    bool named = false;

    int r = cf_reference_parse(text, &reference, err);
    if (r == 0) {
        r = resolve_name(store, &reference, text, ret_manifest, err);
        named = r == 0 && !reference.has_digest;
    }
    if (r < 0 && r != -ENOENT && (r != -EINVAL || !digits))
        return r;
    if (r < 0 && digits)
        r = resolve_id(store, digits, ret_manifest, err);
    if (r == -ENOENT)
        return not_found(store, text, err);
    if (r == 0 && ret_named)
        *ret_named = named;
    return r;
}

int cf_image_digest(struct cf_store *store, const char *text, struct cf_digest *ret_manifest,
                    struct cf_error *err)
{
    int r = cf_image_resolve(store, text, ret_manifest, NULL, err);
    if (r != -ENOTUNIQ)
        return r;
    if (err)
        err->code = -EINVAL;
    return -EINVAL;
}

int cf_image_find(struct cf_store *store, const char *text, struct cf_image **ret_image,
                  struct cf_error *err)
{
    struct cf_digest manifest;
    int r = cf_image_digest(store, text, &manifest, err);
    return r < 0 ? r : cf_image_load(store, &manifest, ret_image, err);
}

int cf_image_find_platform(struct cf_store *store, const char *text,
                           const struct cf_platform *platform, struct cf_image **ret_image,
                           struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_digest manifest;
    char wanted[CF_PLATFORM_TEXT_SIZE];
    int r = cf_image_digest(store, text, &manifest, err);

    if (r == 0 && (r = load_platform(store, &manifest, platform, &image, err)) < 0)
        return cf_fail_in(err, r, "%s", text);
    if (r < 0)
        return r;
    const char *os = cf_json_get_string(image->config_json, "os");
    const char *architecture = cf_json_get_string(image->config_json, "architecture");
    if (platform && !image->has_index && !cf_platform_serves(platform, os, architecture)) {
        cf_platform_text(platform, wanted);
        return cf_fail(err, -ENOENT, "%s is for %s/%s, not for %s", text, os, architecture, wanted);
    }
    *ret_image = CF_TAKE(image);
    return 0;
}
