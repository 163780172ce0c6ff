/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rootfs has already: in registry/ (the layout of distribution 2.x, paths.go), whole, and in
 * the archives of images/.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK_SIZE 71 /* "sha256:" and 64 digits, no newline */

int cf_registry_link(struct cf_rootfs *rootfs, const char *path, struct cf_digest *ret_digest)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_rootfs_read(rootfs, path, LINK_SIZE, &text, NULL);

    if (r < 0)
        return r;
    return text.len == LINK_SIZE ? cf_digest_parse(text.data, ret_digest) : -EINVAL;
}

void cf_registry_blob_path(const struct cf_digest *digest, char ret_path[CF_REGISTRY_PATH_SIZE])
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    snprintf(ret_path, CF_REGISTRY_PATH_SIZE, CF_REGISTRY_V2 "/blobs/sha256/%.2s/%s/data", hex,
             hex);
}

static bool has_link(struct cf_rootfs *rootfs, const char *repository, const char *kind,
                     const struct cf_digest *digest)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest found;

    cf_digest_hex(digest, hex);
    return cf_buf_printf(&path, CF_REGISTRY_V2 "/repositories/%s/%s/sha256/%s/link", repository,
                         kind, hex) == 0 &&
           cf_registry_link(rootfs, path.data, &found) == 0 && cf_digest_equal(&found, digest);
}

static bool has_blob(struct cf_rootfs *rootfs, const char *repository, const struct cf_json *what)
{
    char path[CF_REGISTRY_PATH_SIZE];
    const char *text = cf_json_get_string(what, "digest");
    struct cf_digest digest;

    if (!text || cf_digest_parse(text, &digest) < 0)
        return false;
    cf_registry_blob_path(&digest, path);
    return has_link(rootfs, repository, "_layers", &digest) && cf_rootfs_has(rootfs, path);
}

static bool has_manifest(struct cf_rootfs *rootfs, const char *repository,
                         const struct cf_digest *digest, unsigned depth);

/* At least one image of an index, and those that are there are whole. */
static bool has_some(struct cf_rootfs *rootfs, const char *repository, const struct cf_json *list,
                     unsigned depth)
{
    bool some = false;

    for (const struct cf_json *item = cf_json_first(list); item; item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        struct cf_digest digest;
        if (!text || cf_digest_parse(text, &digest) < 0)
            return false;
        if (!has_link(rootfs, repository, "_manifests/revisions", &digest))
            continue;
        if (!has_manifest(rootfs, repository, &digest, depth + 1))
            return false;
        some = true;
    }
    return some;
}

static bool has_manifest(struct cf_rootfs *rootfs, const char *repository,
                         const struct cf_digest *digest, unsigned depth)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_digest found;

    cf_registry_blob_path(digest, path);
    if (depth > 4 || !has_link(rootfs, repository, "_manifests/revisions", digest) ||
        cf_rootfs_read(rootfs, path, CF_BLOB_MAX, &text, NULL) < 0 ||
        cf_json_parse(text.data, text.len, &document, NULL) < 0)
        return false;
    cf_digest_of(text.data, text.len, &found);
    if (!cf_digest_equal(&found, digest))
        return false;
    const struct cf_json *list = cf_json_get(document, "manifests");
    if (list)
        return has_some(rootfs, repository, list, depth);
    if (!has_blob(rootfs, repository, cf_json_get(document, "config")))
        return false;
    for (const struct cf_json *layer = cf_json_first(cf_json_get(document, "layers")); layer;
         layer = cf_json_next(layer))
        if (!has_blob(rootfs, repository, layer))
            return false;
    return true;
}

static bool has_in(struct cf_rootfs *rootfs, const char *repository,
                   const struct cf_reference *reference, struct cf_digest *ret_digest)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest = reference->digest;

    if (!reference->has_digest) {
        if (cf_buf_printf(&path, CF_REGISTRY_V2 "/repositories/%s/_manifests/tags/%s/current/link",
                          repository, *reference->tag ? reference->tag : "latest") < 0 ||
            cf_registry_link(rootfs, path.data, &digest) < 0)
            return false;
    }
    *ret_digest = digest;
    return has_manifest(rootfs, repository, &digest, 0);
}

bool cf_registry_has(struct cf_rootfs *rootfs, const char *whole, size_t domain_len,
                     struct cf_digest *ret_digest)
{
    struct cf_reference reference;
    struct cf_digest digest;

    if (cf_reference_parse(whole, &reference, NULL) < 0)
        return false;
    if (!ret_digest)
        ret_digest = &digest;
    return has_in(rootfs, reference.name + domain_len + 1, &reference, ret_digest) ||
           has_in(rootfs, reference.name, &reference, ret_digest);
}

bool cf_registry_blob_is_there(struct cf_rootfs *rootfs, const struct cf_digest *digest,
                               uint64_t size)
{
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_rootfs_file file;

    cf_registry_blob_path(digest, path);
    if (cf_rootfs_open_file(rootfs, path, &file, NULL) < 0)
        return false;
    if (file.fd >= 0)
        close(file.fd);
    return file.size == size;
}
