/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry/ has and nothing refers to: planned to go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"
#include "place.h"

struct pruning {
    struct cf_rootfs *rootfs;
    struct contents contents;
    bool *kept; /* for each file of the contents */
};

/* Keeps a file, if it is there. */
static bool keep(struct pruning *pruning, const char *path)
{
    const struct part_file *file = cf_contents_find(&pruning->contents, path);

    if (file)
        pruning->kept[file - pruning->contents.files] = true;
    return file != NULL;
}

static int keep_blob(struct pruning *pruning, const char *repository, const char *kind,
                     const struct cf_digest *digest, bool *ret_there)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    char blob[CF_REGISTRY_PATH_SIZE];

    cf_registry_blob_path(digest, blob);
    if (cf_contents_link(repository, kind, digest, &path) < 0)
        return -ENOMEM;
    *ret_there = keep(pruning, path.data);
    if (*ret_there)
        (void)keep(pruning, blob);
    return 0;
}

static int keep_described(struct pruning *pruning, const char *repository,
                          const struct cf_json *descriptor)
{
    const char *text = cf_json_get_string(descriptor, "digest");
    struct cf_digest digest;
    bool there;

    if (!text || cf_digest_parse(text, &digest) < 0)
        return 0;
    return keep_blob(pruning, repository, "_layers", &digest, &there);
}

/* A manifest with all that it needs, or an index with those of its images that are there. */
static int keep_manifest(struct pruning *pruning, const char *repository,
                         const struct cf_digest *digest, unsigned depth)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    bool there = false;
    int r = keep_blob(pruning, repository, "_manifests/revisions", digest, &there);

    if (r < 0 || !there || depth > 4)
        return r;
    r = cf_contents_document(pruning->rootfs, digest, &document);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (const struct cf_json *item = cf_json_first(cf_json_get(document, "manifests"));
         item && r == 0; item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        struct cf_digest child;
        if (text && cf_digest_parse(text, &child) == 0)
            r = keep_manifest(pruning, repository, &child, depth + 1);
    }
    if (r == 0)
        r = keep_described(pruning, repository, cf_json_get(document, "config"));
    for (const struct cf_json *layer = cf_json_first(cf_json_get(document, "layers"));
         layer && r == 0; layer = cf_json_next(layer))
        r = keep_described(pruning, repository, layer);
    return r;
}

/* What a reference has in the repository of that name. */
static int keep_reference(struct pruning *pruning, const char *repository,
                          const struct cf_reference *reference)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest = reference->digest;
    char hex[CF_DIGEST_HEX_SIZE];

    if (!reference->tag[0])
        return keep_manifest(pruning, repository, &digest, 0);
    if (cf_buf_printf(&path, CF_REGISTRY_V2 "/repositories/%s/_manifests/tags/%s/current/link",
                      repository, reference->tag) < 0)
        return -ENOMEM;
    if (!keep(pruning, path.data) || cf_registry_link(pruning->rootfs, path.data, &digest) < 0)
        return 0;
    cf_digest_hex(&digest, hex);
    cf_buf_clear(&path);
    if (cf_buf_printf(&path,
                      CF_REGISTRY_V2 "/repositories/%s/_manifests/tags/%s/index/sha256/%s/link",
                      repository, reference->tag, hex) < 0)
        return -ENOMEM;
    (void)keep(pruning, path.data);
    return keep_manifest(pruning, repository, &digest, 0);
}

static int keep_all(struct pruning *pruning, const struct cf_scan_result *scan)
{
    struct cf_reference reference;
    int r = 0;

    for (size_t i = 0; i < scan->count && r == 0; i++) {
        if (cf_reference_parse(scan->images[i].reference, &reference, NULL) < 0)
            continue;
        r = keep_reference(pruning, reference.name + scan->images[i].domain_len + 1, &reference);
        if (r == 0)
            r = keep_reference(pruning, reference.name, &reference);
    }
    return r;
}

/* Whether something below the directory, the first len bytes of a path, stays. */
static bool stays(const struct pruning *pruning, size_t number, size_t len)
{
    const struct part_file *files = pruning->contents.files;
    const char *path = files[number].path;

    for (size_t i = number + 1; i-- > 0 && !strncmp(files[i].path, path, len);)
        if (pruning->kept[i])
            return true;
    for (size_t i = number + 1; i < pruning->contents.count && !strncmp(files[i].path, path, len);
         i++)
        if (pruning->kept[i])
            return true;
    return false;
}

/* The length of the path that goes with a file: its own, or that of a directory that has nothing
 * that stays. */
static size_t going(const struct pruning *pruning, size_t number)
{
    const char *path = pruning->contents.files[number].path;
    const char *slash = path + strlen(CF_REGISTRY_V2 "/");

    slash = strchr(slash, '/'); /* blobs/ and repositories/ stay */
    for (slash = slash ? strchr(slash + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/'))
        if (!stays(pruning, number, (size_t)(slash - path) + 1))
            return (size_t)(slash - path);
    return strlen(path);
}

static int plan_going(struct pruning *pruning, struct plan *plan, struct cf_cache_pruned *pruned)
{
    const char *last = NULL;
    size_t last_len = 0;
    int r = 0;

    for (size_t i = 0; i < pruning->contents.count && r == 0; i++) {
        const struct part_file *file = &pruning->contents.files[i];
        bool upload = file->part == PART_OTHER && strstr(file->path, "/_uploads/");
        if (pruning->kept[i] || (file->part == PART_OTHER && !upload))
            continue;
        pruned->files++;
        pruned->images += file->part == PART_TAG;
        pruned->bytes += file->part == PART_BLOB ? file->size : 0;
        if (last && !strncmp(file->path, last, last_len) && file->path[last_len] == '/')
            continue; /* it goes with its directory */
        last = file->path;
        last_len = going(pruning, i);
        r = cf_cache_plan_gone(plan, last + strlen(CF_REGISTRY_V2 "/"),
                               last_len - strlen(CF_REGISTRY_V2 "/"));
    }
    return r;
}

static int plan_rootfs(struct cf_store *store, struct cf_rootfs *rootfs,
                       const struct cf_scan_options *options, struct plan *plan,
                       struct cf_cache_pruned *pruned, struct cf_error *err)
{
    struct pruning pruning = {.rootfs = rootfs};
    struct cf_scan_result scan = {0};
    int r = cf_scan(store, rootfs, options, &scan, err);

    if (r == 0)
        r = cf_contents_read(rootfs, &pruning.contents, err);
    if (r == 0) {
        pruning.kept = calloc(pruning.contents.count + 1, sizeof(*pruning.kept));
        r = pruning.kept ? keep_all(&pruning, &scan) : -ENOMEM;
        for (size_t i = 0; r == 0 && i < pruning.contents.count; i++) /* not ours to judge */
            if (pruning.contents.files[i].part == PART_OTHER &&
                !pruning.contents.files[i].repository)
                pruning.kept[i] = true;
        if (r == 0)
            r = plan_going(&pruning, plan, pruned);
        if (r < 0)
            (void)cf_fail(err, r, "out of memory");
    }
    free(pruning.kept);
    cf_contents_done(&pruning.contents);
    cf_scan_result_done(&scan);
    return r;
}

int cf_cache_prune_image(struct cf_store *store, const struct cf_image *image,
                         const struct cf_scan_options *options,
                         const struct cf_image_options *image_options, const char *name,
                         struct cf_cache_pruned *ret_pruned, struct cf_image **ret_image,
                         struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_cache_pruned pruned = {0};
    struct cf_layer_info info = {0};
    struct plan plan = {0};
    int r = cf_rootfs_open_image(store, image, &rootfs, err);

    if (r == 0)
        r = plan_rootfs(store, rootfs, options, &plan, &pruned, err);
    if (r == 0 && plan.count)
        r = cf_place_layer(store, image, &plan, image_options, &info, err);
    if (r == 0)
        r = cf_place_image(store, image, &info, image_options, name, ret_image, err);
    if (r == 0)
        *ret_pruned = pruned;
    cf_cache_plan_done(&plan);
    return r;
}

int cf_cache_prune_dir(struct cf_store *store, const char *path,
                       const struct cf_scan_options *options, struct cf_cache_pruned *ret_pruned,
                       struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_cache_pruned pruned = {0};
    struct plan plan = {0};
    int r = cf_rootfs_open_dir(path, &rootfs, err);

    if (r == 0)
        r = plan_rootfs(store, rootfs, options, &plan, &pruned, err);
    if (r == 0)
        r = cf_place_files(store, path, &plan, err);
    if (r == 0)
        *ret_pruned = pruned;
    cf_cache_plan_done(&plan);
    return r;
}
