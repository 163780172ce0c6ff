/* SPDX-License-Identifier: Apache-2.0 */
/* Every image that a rootfs refers to and has not: planned from the first origin that has it. */
#include <cloudfs/cache.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origins.h"
#include "place.h"

struct caching {
    struct cf_store *store;
    struct cf_rootfs *rootfs;
    const struct cf_cache_options *options;
    struct cf_cache_result *result;
    struct archives archives;
    struct others others;
    struct upstream *upstream; /* NULL: offline, or not needed yet */
    struct cf_platform platform;
    struct getting getting;
    struct tagged *tagged;
    size_t tagged_count;
};

/* Which reference a repository's tag was taken for. */
struct tagged {
    char *name; /* "a/b:1" */
    const char *reference;
    struct cf_digest digest;
};

void cf_cache_result_done(struct cf_cache_result *result)
{
    for (size_t i = 0; i < result->failed_count; i++) {
        free(result->failed[i].reference);
        free(result->failed[i].why);
        free(result->failed[i].places);
    }
    free(result->failed);
    cf_scan_result_done(&result->scan);
    *result = (struct cf_cache_result){0};
}

static int add_failed(struct caching *caching, const struct cf_scanned *image, const char *why,
                      struct cf_error *err)
{
    struct cf_cache_result *result = caching->result;
    struct cf_buf places cf_autobuf = CF_BUF_INIT;
    int r = 0;

    for (size_t i = 0; i < image->place_count && r == 0; i++) {
        r = cf_buf_printf(&places, "%s%s", i ? ", " : "", image->places[i].file);
        if (r == 0 && image->places[i].line)
            r = cf_buf_printf(&places, ":%zu", image->places[i].line);
    }
    void *grown = realloc(result->failed, (result->failed_count + 1) * sizeof(*result->failed));
    if (r < 0 || !grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    result->failed = grown;
    struct cf_cache_failed *failed = &result->failed[result->failed_count++];
    *failed = (struct cf_cache_failed){strdup(image->reference), strdup(why), cf_buf_take(&places)};
    return failed->reference && failed->why && failed->places
               ? 0
               : cf_fail(err, -ENOMEM, "out of memory");
}

static int get_remote(struct caching *caching, struct asked *asked, const char *repository,
                      const char *tag, struct cf_digest *ret_digest, struct cf_error *why)
{
    struct cf_remote *remote cf_cleanup(cf_remote_close_ptr) = NULL;
    int r = caching->upstream ? 0
                              : cf_upstream_open(caching->rootfs, caching->options->registry,
                                                 &caching->upstream, why);

    if (r == 0)
        r = cf_upstream_remote(caching->upstream, asked->whole, &remote, why);
    if (r < 0)
        return r;
    asked->remote = remote;
    struct origin origin = cf_origin_remote(asked);
    return cf_cache_get(&caching->getting, &origin, repository, tag, ret_digest, why);
}

/* From the first origin that has it. -ENOENT without a line where none has. */
static int get_image(struct caching *caching, const struct cf_scanned *image,
                     const char *repository, const char *tag, const struct cf_digest *wanted,
                     struct cf_digest *ret_digest, struct cf_error *why)
{
    struct asked asked = {
        .whole = image->reference, .domain_len = image->domain_len, .digest = wanted};
    int r = -ENOENT;

    for (size_t i = 0; i < caching->archives.count && r == -ENOENT; i++) {
        asked.archive = caching->archives.list[i];
        struct origin origin = cf_origin_archive(&asked);
        r = cf_cache_get(&caching->getting, &origin, repository, tag, ret_digest, why);
    }
    for (size_t i = 0; i < caching->others.count && r == -ENOENT; i++) {
        asked.other = caching->others.list[i];
        struct origin origin = cf_origin_other(&asked);
        r = cf_cache_get(&caching->getting, &origin, repository, tag, ret_digest, why);
    }
    if (r == -ENOENT && caching->options->registry)
        r = get_remote(caching, &asked, repository, tag, ret_digest, why);
    return r;
}

/* Two references of one name in registry/ are the same image, or one hides the other. */
static int check_conflict(struct caching *caching, const char *name, const char *reference,
                          const struct cf_digest *digest, struct cf_error *err)
{
    for (size_t i = 0; i < caching->tagged_count; i++) {
        const struct tagged *other = &caching->tagged[i];
        if (!strcmp(other->name, name) && !cf_digest_equal(&other->digest, digest))
            return cf_fail(err, -EEXIST,
                           "%s and %s are different images, and both are %s in registry/ (with "
                           "--domain-prefix each keeps its registry in its name)",
                           other->reference, reference, name);
    }
    void *grown = realloc(caching->tagged, (caching->tagged_count + 1) * sizeof(*caching->tagged));
    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    caching->tagged = grown;
    struct tagged *tagged = &caching->tagged[caching->tagged_count];
    *tagged = (struct tagged){strdup(name), reference, *digest};
    if (!tagged->name)
        return cf_fail(err, -ENOMEM, "out of memory");
    caching->tagged_count++;
    return 0;
}

static int cache_one(struct caching *caching, const struct cf_scanned *image, struct cf_error *err)
{
    struct cf_reference reference;
    struct cf_error why = {0};
    struct cf_digest digest;
    char name[CF_REFERENCE_WHOLE_SIZE];
    int r = cf_reference_parse(image->reference, &reference, err);

    if (r < 0)
        return r;
    const char *repository =
        reference.name + (caching->options->domain_prefix ? 0 : image->domain_len + 1);
    snprintf(name, sizeof(name), "%s:%s", repository, reference.tag);
    if (image->state == CF_SCAN_CACHED) {
        caching->result->present++;
        if (reference.tag[0] &&
            cf_registry_has(caching->rootfs, image->reference, image->domain_len, &digest))
            return check_conflict(caching, name, image->reference, &digest, err);
        return 0;
    }
    r = get_image(caching, image, repository, reference.tag,
                  reference.has_digest ? &reference.digest : NULL, &digest, &why);
    if (r == -ENOENT && why.code == 0)
        (void)cf_fail(&why, r, "neither images/ nor the store has it");
    if (r == -ENOMEM || r == -ENOSPC || r == -EDQUOT) {
        *err = why;
        return r;
    }
    if (r < 0)
        return add_failed(caching, image, why.text, err);
    caching->result->added++;
    return reference.tag[0] ? check_conflict(caching, name, image->reference, &digest, err) : 0;
}

static int plan_all(struct caching *caching, const struct cf_image *image, struct cf_error *err)
{
    int r = cf_scan(caching->store, caching->rootfs, &caching->options->scan,
                    &caching->result->scan, err);

    const struct cf_scan_result *scan = &caching->result->scan;
    bool missing = false;
    for (size_t i = 0; i < scan->count && !missing; i++)
        missing = scan->images[i].state != CF_SCAN_CACHED;
    if (r == 0 && missing)
        r = cf_archives_open(caching->store, caching->rootfs, &caching->archives, err);
    if (r == 0 && missing)
        r = cf_others_open(caching->store, image, &caching->others, err);
    for (size_t i = 0; i < scan->count && r == 0; i++) {
        if (caching->options->progress)
            caching->options->progress(caching->options->progress_context, "images", i,
                                       scan->count);
        r = cache_one(caching, &scan->images[i], err);
    }
    caching->result->fetched = caching->getting.fetched;
    return r;
}

static int plan_rootfs(struct cf_store *store, struct cf_rootfs *rootfs,
                       const struct cf_image *image, const struct cf_cache_options *options,
                       struct cf_cache_result *result, struct plan *plan, struct cf_error *err)
{
    struct cf_error own = {0};
    struct caching caching = {
        .store = store, .rootfs = rootfs, .options = options, .result = result};
    int r = cf_platform_parse(options->platform, &caching.platform, &own);

    caching.getting = (struct getting){
        .store = store, .rootfs = rootfs, .plan = plan, .platform = &caching.platform};
    if (r == 0)
        r = plan_all(&caching, image, &own);
    for (size_t i = 0; i < caching.tagged_count; i++)
        free(caching.tagged[i].name);
    free(caching.tagged);
    cf_archives_done(&caching.archives);
    cf_others_done(&caching.others);
    cf_upstream_close(caching.upstream);
    if (r < 0 && err)
        *err = own;
    return r;
}

static int judge(const struct cf_cache_options *options, const struct cf_cache_result *result,
                 struct cf_error *err)
{
    if (result->failed_count == 0 || options->allow_missing)
        return 0;
    return cf_fail(err, -ENOENT, "%zu of %zu images cannot be had", result->failed_count,
                   result->scan.count);
}

int cf_cache_layer(struct cf_store *store, const struct cf_image *image,
                   const struct cf_cache_options *options,
                   const struct cf_image_options *image_options, struct cf_cache_result *ret_result,
                   struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_cache_options with_platform = *options;
    struct plan plan = {0};
    char platform[CF_PLATFORM_TEXT_SIZE];
    const char *os = cf_json_get_string(image->config_json, "os");
    const char *architecture = cf_json_get_string(image->config_json, "architecture");

    if (!options->platform && os && architecture) {
        const char *variant = cf_json_get_string(image->config_json, "variant");
        snprintf(platform, sizeof(platform), "%s/%s%s%s", os, architecture, variant ? "/" : "",
                 variant ? variant : "");
        with_platform.platform = platform;
    }
    *ret_info = (struct cf_layer_info){0};
    int r = cf_rootfs_open_image(store, image, &rootfs, err);
    if (r == 0)
        r = plan_rootfs(store, rootfs, image, &with_platform, ret_result, &plan, err);
    if (r == 0)
        r = judge(options, ret_result, err);
    if (r == 0 && plan.count)
        r = cf_place_layer(store, image, &plan, image_options, ret_info, err);
    cf_cache_plan_done(&plan);
    return r;
}

int cf_cache_image(struct cf_store *store, const struct cf_image *image,
                   const struct cf_cache_options *options,
                   const struct cf_image_options *image_options, const char *name,
                   struct cf_cache_result *ret_result, struct cf_image **ret_image,
                   struct cf_error *err)
{
    struct cf_new_layer layer = {.created_by = image_options->created_by ? image_options->created_by
                                                                         : "cloudfs cache"};
    int r = cf_cache_layer(store, image, options, image_options, ret_result, &layer.info, err);

    if (r < 0)
        return r;
    if (layer.info.entries)
        return cf_image_create(store, image, &layer, 1, image_options, name, ret_image, err);
    /* nothing to add: the image itself */
    r = name ? cf_name_set(store, name, &image->manifest, err) : 0;
    return r < 0 ? r : cf_image_load(store, &image->manifest, ret_image, err);
}

int cf_cache_dir(struct cf_store *store, const char *path, const struct cf_cache_options *options,
                 struct cf_cache_result *ret_result, struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct plan plan = {0};
    int r = cf_rootfs_open_dir(path, &rootfs, err);

    if (r == 0)
        r = plan_rootfs(store, rootfs, NULL, options, ret_result, &plan, err);
    if (r == 0)
        r = cf_place_files(store, path, &plan, err);
    cf_cache_plan_done(&plan);
    return r < 0 ? r : judge(options, ret_result, err);
}
