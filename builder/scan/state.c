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

#include <cloudfs/io.h>

#define COPY_SIZE (64u << 10)
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

/* Whether a file's bytes are those of the digest. */
static bool is_content(const struct cf_rootfs_file *file, const struct cf_digest *digest)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    char *buffer cf_autofree = file->fd >= 0 ? malloc(COPY_SIZE) : NULL;
    struct cf_digest found;
    ssize_t n;

    if (file->fd < 0) {
        cf_digest_of(file->data, (size_t)file->size, &found);
        return cf_digest_equal(&found, digest);
    }
    if (!buffer || cf_hasher_new(&hasher) < 0)
        return false;
    while ((n = cf_read_full(file->fd, buffer, COPY_SIZE)) > 0)
        cf_hasher_update(hasher, buffer, (size_t)n);
    cf_hasher_final(hasher, &found);
    return n == 0 && cf_digest_equal(&found, digest);
}

bool cf_registry_blob_is_there(struct cf_rootfs *rootfs, const struct cf_digest *digest,
                               uint64_t size, bool verify)
{
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_rootfs_file file;

    cf_registry_blob_path(digest, path);
    if (cf_rootfs_open_file(rootfs, path, &file, NULL) < 0)
        return false;
    int fd cf_autoclose = file.fd;
    (void)fd;
    if (size != CF_REGISTRY_ANY_SIZE && file.size != size)
        return false;
    if (file.has_digest) /* nobody needs to read an object to know what is in it */
        return cf_digest_equal(&file.digest, digest);
    return !verify || is_content(&file, digest);
}

/* What is asked for an image's documents. */
struct asking {
    struct cf_rootfs *rootfs;
    const char *repository;
    const struct cf_registry_wish *wish; /* NULL: one image of an index will do */
};

static bool has_blob(const struct asking *asking, const struct cf_json *what)
{
    const char *text = cf_json_get_string(what, "digest");
    struct cf_digest digest;
    int64_t size = -1;

    if (!text || cf_digest_parse(text, &digest) < 0 ||
        !cf_json_int(cf_json_get(what, "size"), &size) || size < 0)
        return false;
    return has_link(asking->rootfs, asking->repository, "_layers", &digest) &&
           cf_registry_blob_is_there(asking->rootfs, &digest, (uint64_t)size,
                                     asking->wish && asking->wish->verify);
}

static bool has_manifest(const struct asking *asking, const struct cf_digest *digest,
                         unsigned depth);

/* Whether an index has an image for each platform that is wished for. */
static bool has_platforms(const struct asking *asking, const struct cf_json *index)
{
    struct cf_digest digest;

    for (size_t i = 0; asking->wish && i < asking->wish->platform_count; i++) {
        const char *text =
            cf_json_get_string(cf_platform_choose(index, &asking->wish->platforms[i]), "digest");
        if (!text || cf_digest_parse(text, &digest) < 0 ||
            !has_link(asking->rootfs, asking->repository, "_manifests/revisions", &digest))
            return false;
    }
    return true;
}

/* At least one image of an index, and those that are there are whole. */
static bool has_some(const struct asking *asking, const struct cf_json *index, unsigned depth)
{
    bool some = false;

    if (!has_platforms(asking, index))
        return false;
    for (const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests")); item;
         item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        struct cf_digest digest;
        if (!text || cf_digest_parse(text, &digest) < 0)
            return false;
        if (!has_link(asking->rootfs, asking->repository, "_manifests/revisions", &digest))
            continue;
        if (!has_manifest(asking, &digest, depth + 1))
            return false;
        some = true;
    }
    return some;
}

static bool has_manifest(const struct asking *asking, const struct cf_digest *digest,
                         unsigned depth)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_digest found;

    cf_registry_blob_path(digest, path);
    if (depth > 4 ||
        !has_link(asking->rootfs, asking->repository, "_manifests/revisions", digest) ||
        cf_rootfs_read(asking->rootfs, path, CF_BLOB_MAX, &text, NULL) < 0 ||
        cf_json_parse(text.data, text.len, &document, NULL) < 0)
        return false;
    cf_digest_of(text.data, text.len, &found);
    if (!cf_digest_equal(&found, digest))
        return false;
    if (cf_json_get(document, "manifests"))
        return has_some(asking, document, depth);
    if (!has_blob(asking, cf_json_get(document, "config")))
        return false;
    for (const struct cf_json *layer = cf_json_first(cf_json_get(document, "layers")); layer;
         layer = cf_json_next(layer))
        if (!has_blob(asking, layer))
            return false;
    return true;
}

static bool has_in(const struct asking *asking, const struct cf_reference *reference,
                   struct cf_digest *ret_digest)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest = reference->digest;

    if (!reference->has_digest) {
        if (cf_buf_printf(&path, CF_REGISTRY_V2 "/repositories/%s/_manifests/tags/%s/current/link",
                          asking->repository, *reference->tag ? reference->tag : "latest") < 0 ||
            cf_registry_link(asking->rootfs, path.data, &digest) < 0)
            return false;
    }
    *ret_digest = digest;
    return has_manifest(asking, &digest, 0);
}

bool cf_registry_has(struct cf_rootfs *rootfs, const char *whole, size_t domain_len,
                     const struct cf_registry_wish *wish, struct cf_digest *ret_digest)
{
    struct asking asking = {.rootfs = rootfs, .wish = wish};
    struct cf_reference reference;
    struct cf_digest digest;

    if (cf_reference_parse(whole, &reference, NULL) < 0)
        return false;
    if (!ret_digest)
        ret_digest = &digest;
    asking.repository = reference.name + domain_len + 1;
    if (has_in(&asking, &reference, ret_digest))
        return true;
    asking.repository = reference.name;
    return has_in(&asking, &reference, ret_digest);
}
