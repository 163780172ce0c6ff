/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong in a registry/. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"

struct checking {
    struct cf_rootfs *rootfs;
    struct contents contents;
    cf_registry_wrong_fn *fn;
    void *context;
    struct cf_buf path; /* at hand */
};

static int tell(struct checking *checking, const char *path, const char *what)
{
    return checking->fn(path, what, checking->context);
}

static bool has_blob(const struct checking *checking, const struct cf_digest *digest)
{
    char path[CF_REGISTRY_PATH_SIZE];

    cf_registry_blob_path(digest, path);
    return cf_contents_find(&checking->contents, path) != NULL;
}

/* Whether the repository has a link of that kind: 1, 0, or -ENOMEM. */
static int has_link(struct checking *checking, const char *repository, const char *kind,
                    const struct cf_digest *digest)
{
    if (cf_contents_link(repository, kind, digest, &checking->path) < 0)
        return -ENOMEM;
    return cf_contents_find(&checking->contents, checking->path.data) != NULL;
}

/* A descriptor in a manifest: its link and its blob. */
static int check_described(struct checking *checking, const struct part_file *file,
                           const struct cf_json *descriptor)
{
    const char *text = cf_json_get_string(descriptor, "digest");
    struct cf_buf what cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    int64_t size = -1;

    if (!text || cf_digest_parse(text, &digest) < 0 ||
        !cf_json_int(cf_json_get(descriptor, "size"), &size) || size < 0)
        return tell(checking, file->path, "its manifest has a descriptor without digest or size");
    int r = has_link(checking, file->repository, "_layers", &digest);
    if (r < 0)
        return r;
    if (r == 0 &&
        cf_buf_printf(&what, "its image's %s is not in the repository's _layers", text) < 0)
        return -ENOMEM;
    else if (r == 1 && has_blob(checking, &digest) &&
             !cf_registry_blob_is_there(checking->rootfs, &digest, (uint64_t)size, false) &&
             cf_buf_printf(&what, "its image's %s has not the size that the manifest says", text) <
                 0)
        return -ENOMEM;
    return what.len ? tell(checking, file->path, what.data) : 0;
}

static int check_index(struct checking *checking, const struct part_file *file,
                       const struct cf_json *list)
{
    struct cf_digest digest;
    int some = 0;

    for (const struct cf_json *item = cf_json_first(list); item && some == 0;
         item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        if (text && cf_digest_parse(text, &digest) == 0)
            some = has_link(checking, file->repository, "_manifests/revisions", &digest);
    }
    if (some != 0)
        return some < 0 ? some : 0;
    return tell(checking, file->path, "the repository has none of the images of this index");
}

static int check_document(struct checking *checking, const struct part_file *file)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_contents_document(checking->rootfs, &file->digest, &document);

    if (r == -ENOMEM)
        return r;
    if (r == -ENOENT || r == -EBADMSG)
        return 0; /* told already */
    if (r < 0)
        return tell(checking, file->path, "links to a blob that is no manifest");
    if (cf_json_is_array(cf_json_get(document, "manifests")))
        return check_index(checking, file, cf_json_get(document, "manifests"));
    if (!cf_json_is_array(cf_json_get(document, "layers")))
        return tell(checking, file->path, "links to a blob that is no manifest");
    r = check_described(checking, file, cf_json_get(document, "config"));
    for (const struct cf_json *layer = cf_json_first(cf_json_get(document, "layers"));
         layer && r == 0; layer = cf_json_next(layer))
        r = check_described(checking, file, layer);
    return r;
}

static int check_link(struct checking *checking, const struct part_file *file)
{
    struct cf_digest found;
    int r = cf_registry_link(checking->rootfs, file->path, &found);

    if (r < 0)
        return tell(checking, file->path, "is no link: 71 bytes, sha256: and 64 digits");
    if (file->part != PART_TAG && !cf_digest_equal(&found, &file->digest))
        return tell(checking, file->path, "links to another digest than its name says");
    if (file->part == PART_TAG) {
        r = has_link(checking, file->repository, "_manifests/revisions", &found);
        return r != 0 ? r < 0 ? r : 0
                      : tell(checking, file->path, "leads to an image that is not there");
    }
    if (!has_blob(checking, &file->digest))
        return tell(checking, file->path, "links to a blob that is missing");
    return file->part == PART_REVISION ? check_document(checking, file) : 0;
}

static int check_file(struct checking *checking, const struct part_file *file)
{
    if (file->part == PART_OTHER)
        return strstr(file->path, "/_uploads/")
                   ? 0
                   : tell(checking, file->path, "is no file of a registry");
    if (file->part != PART_BLOB)
        return check_link(checking, file);
    return cf_registry_blob_is_there(checking->rootfs, &file->digest, CF_REGISTRY_ANY_SIZE, true)
               ? 0
               : tell(checking, file->path, "its bytes are not those of its name");
}

int cf_registry_check(struct cf_rootfs *rootfs, cf_registry_wrong_fn *fn, void *context,
                      struct cf_error *err)
{
    struct checking checking = {
        .rootfs = rootfs, .fn = fn, .context = context, .path = CF_BUF_INIT};
    int r = cf_contents_read(rootfs, &checking.contents, err);

    for (size_t i = 0; i < checking.contents.count && r == 0; i++)
        r = check_file(&checking, &checking.contents.files[i]);
    cf_contents_done(&checking.contents);
    cf_buf_done(&checking.path);
    return r == -ENOMEM ? cf_fail(err, r, "out of memory") : r;
}
