/* SPDX-License-Identifier: Apache-2.0 */
/* Every image that a rootfs refers to and has not: planned from the first origin that has it. */
#include <cloudfs/cache.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origins.h"
#include "place.h"

/* One image on its way. */
struct item {
    const struct cf_scanned *scanned;
    struct cf_reference reference;
    const char *repository; /* in registry/; borrowed from reference */
    struct asked asked;
    struct origin origin; /* that has it */
    struct cf_remote *remote;
    struct plan plan;
    struct cf_digest digest;
    struct cf_error why; /* it cannot be had */
    bool present;        /* and nothing is to do */
};
struct caching {
    struct cf_store *store;
    struct cf_rootfs *rootfs;
    const struct cf_cache_options *options;
    struct cf_cache_result *result;
    struct archives archives;
    struct others others;
    struct upstream *upstream;     /* NULL: offline, or not needed yet */
    struct cf_platform *platforms; /* heap */
    struct cf_registry_wish wish;
    struct wants wants;
    struct item *items; /* as many as the scan has images */
    size_t item_count;
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

/* Plans an image from the origin at hand: -ENOENT without a line where that has it not. */
static int try_origin(struct caching *caching, struct item *item, const struct origin *origin)
{
    struct getting getting = {
        .store = caching->store,
        .rootfs = caching->rootfs,
        .plan = &item->plan,
        .wants = &caching->wants,
        .platforms = caching->wish.platforms,
        .platform_count = caching->wish.platform_count,
        .verify = caching->wish.verify,
    };
    const char *tag = item->reference.tag;

    /* A digest decides: its tag may mean another image to who asks for the tag alone. */
    for (size_t i = 0; item->reference.has_digest && *tag && i < caching->item_count; i++) {
        const struct item *other = &caching->items[i];
        if (other != item && !strcmp(other->repository, item->repository) &&
            !strcmp(other->reference.tag, tag))
            tag = "";
    }
    item->origin = *origin;
    cf_cache_plan_done(&item->plan);
    return cf_cache_get(&getting, &item->origin, item->repository, tag, &item->digest, &item->why);
}

static int try_remote(struct caching *caching, struct item *item)
{
    int r = caching->upstream ? 0
                              : cf_upstream_open(caching->rootfs, caching->options->registry,
                                                 &caching->upstream, &item->why);

    if (r == 0)
        r = cf_upstream_remote(caching->upstream, item->asked.whole, &item->remote, &item->why);
    if (r < 0)
        return r;
    item->asked.remote = item->remote;
    struct origin origin = cf_origin_remote(&item->asked);
    return try_origin(caching, item, &origin);
}

/* From the first origin that has it. */
static int plan_item(struct caching *caching, struct item *item)
{
    int r = -ENOENT;

    item->asked =
        (struct asked){.whole = item->scanned->reference,
                       .domain_len = item->scanned->domain_len,
                       .digest = item->reference.has_digest ? &item->reference.digest : NULL};
    for (size_t i = 0; i < caching->archives.count && r == -ENOENT; i++) {
        item->asked.archive = caching->archives.list[i];
        struct origin origin = cf_origin_archive(&item->asked);
        r = try_origin(caching, item, &origin);
    }
    for (size_t i = 0; i < caching->others.count && r == -ENOENT; i++) {
        item->asked.other = caching->others.list[i];
        struct origin origin = cf_origin_other(&item->asked);
        r = try_origin(caching, item, &origin);
    }
    if (r == -ENOENT && caching->options->registry) {
        item->why = (struct cf_error){0};
        r = try_remote(caching, item);
    }
    if (r == -ENOENT && item->why.code == 0)
        (void)cf_fail(&item->why, r,
                      caching->options->registry
                          ? "neither images/ nor the store nor its registry has it"
                          : "neither images/ nor the store has it, and --offline asks no registry");
    if (r == 0)
        item->why = (struct cf_error){0};
    return r == -ENOMEM || r == -ENOSPC || r == -EDQUOT ? r : 0;
}

static int plan_items(struct caching *caching, struct cf_error *err)
{
    const struct cf_cache_options *options = caching->options;
    int r = 0;

    for (size_t i = 0; i < caching->item_count && r == 0; i++) {
        struct item *item = &caching->items[i];
        if (options->progress)
            options->progress(options->progress_context, "images", i, caching->item_count);
        item->present = cf_registry_has(caching->rootfs, item->scanned->reference,
                                        item->scanned->domain_len, &caching->wish, &item->digest);
        if (!item->present)
            r = plan_item(caching, item);
        if (r < 0 && err)
            *err = item->why;
    }
    return r;
}

/* What an image's small blobs are, and whether all that it wanted came. */
static int take_wants(struct caching *caching, struct item *item, struct cf_error *err)
{
    for (size_t i = 0; i < item->plan.count; i++) {
        struct planned *file = &item->plan.files[i];
        const struct want *want = file->kind == PLANNED_BLOB && !file->data
                                      ? cf_wants_find(&caching->wants, &file->digest)
                                      : NULL;
        if (!want)
            continue;
        if (!want->done) {
            item->why = want->why;
            return 0;
        }
        if (want->size > CF_INLINE_MAX)
            continue;
        file->data = malloc(want->small.len + 1);
        if (!file->data)
            return cf_fail(err, -ENOMEM, "out of memory");
        if (want->small.len)
            memcpy(file->data, want->small.data, want->small.len);
    }
    return 0;
}

/* Two references of one name in registry/ are the same image, or one hides the other. */
static int check_conflict(const struct caching *caching, const struct item *item,
                          struct cf_error *err)
{
    if (!item->reference.tag[0] || item->reference.has_digest)
        return 0;
    for (const struct item *other = caching->items; other < item; other++)
        if (!strcmp(other->repository, item->repository) &&
            !strcmp(other->reference.tag, item->reference.tag) && !other->reference.has_digest &&
            other->why.code == 0 && !cf_digest_equal(&other->digest, &item->digest))
            return cf_fail(err, -EEXIST,
                           "%s and %s are different images, and both are %s:%s in registry/ (with "
                           "--domain-prefix each keeps its registry in its name)",
                           other->scanned->reference, item->scanned->reference, item->repository,
                           item->reference.tag);
    return 0;
}

/* The plans of all images into one; those that cannot be had into the result. */
static int join_plans(struct caching *caching, struct plan *plan, struct cf_error *err)
{
    int r = 0;

    for (size_t i = 0; i < caching->item_count && r == 0; i++) {
        struct item *item = &caching->items[i];
        if (item->why.code == 0 && !item->present)
            r = take_wants(caching, item, err);
        if (r == 0 && item->why.code < 0) {
            r = add_failed(caching, item->scanned, item->why.text, err);
            continue;
        }
        if (r == 0)
            r = check_conflict(caching, item, err);
        caching->result->present += item->present;
        caching->result->added += !item->present;
        if (r == 0 && cf_cache_plan_append(plan, &item->plan) < 0)
            r = cf_fail(err, -ENOMEM, "out of memory");
    }
    return r;
}

static int make_items(struct caching *caching, struct cf_error *err)
{
    const struct cf_scan_result *scan = &caching->result->scan;

    caching->items = calloc(scan->count + 1, sizeof(*caching->items));
    if (!caching->items)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < scan->count; i++) {
        struct item *item = &caching->items[i];
        int r = cf_reference_parse(scan->images[i].reference, &item->reference, err);
        if (r < 0)
            return r;
        item->scanned = &scan->images[i];
        item->repository = item->reference.name +
                           (caching->options->domain_prefix ? 0 : item->scanned->domain_len + 1);
    }
    caching->item_count = scan->count;
    return 0;
}

static int plan_all(struct caching *caching, const struct cf_image *image, struct plan *plan,
                    struct cf_error *err)
{
    const struct cf_cache_options *options = caching->options;
    struct fetching fetching = {.store = caching->store,
                                .jobs = options->jobs,
                                .progress = options->progress,
                                .progress_context = options->progress_context};
    int r = cf_scan(caching->store, caching->rootfs, &options->scan, &caching->result->scan, err);

    if (r == 0)
        r = make_items(caching, err);
    if (r == 0)
        r = cf_archives_open(caching->store, caching->rootfs, &caching->archives, err);
    if (r == 0)
        r = cf_others_open(caching->store, image, &caching->others, err);
    if (r == 0)
        r = plan_items(caching, err);
    if (r == 0)
        r = cf_wants_fetch(&caching->wants, &fetching, &caching->result->fetched, err);
    return r < 0 ? r : join_plans(caching, plan, err);
}

/* "os/arch,os/arch": several; this machine's where none is asked for. */
static int read_platforms(struct caching *caching, const char *text, struct cf_error *err)
{
    size_t count = 0;
    int r = cf_platforms_parse(text, &caching->platforms, &count, err);

    if (r == 0 && count == 0)
        cf_platform_host(&caching->platforms[count++]);
    caching->wish.platforms = caching->platforms;
    caching->wish.platform_count = count;
    return r;
}

static int plan_rootfs(struct cf_store *store, struct cf_rootfs *rootfs,
                       const struct cf_image *image, const struct cf_cache_options *options,
                       struct cf_cache_result *result, struct plan *plan, struct cf_error *err)
{
    struct cf_error own = {0};
    struct caching caching = {
        .store = store, .rootfs = rootfs, .options = options, .result = result};
    int r = read_platforms(&caching, options->platform, &own);

    caching.wish.verify = image == NULL; /* the contents of an image are known by their digests */
    if (r == 0)
        r = plan_all(&caching, image, plan, &own);
    if (r == 0 && result->failed_count > 0)
        r = cf_wants_keep(&caching.wants, store, &own);
    for (size_t i = 0; i < caching.item_count; i++) {
        cf_cache_plan_done(&caching.items[i].plan);
        cf_remote_close(caching.items[i].remote);
    }
    free(caching.items);
    free(caching.platforms);
    cf_wants_done(&caching.wants);
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
    struct cf_layer_info info = {0};
    int r = cf_cache_layer(store, image, options, image_options, ret_result, &info, err);

    return r < 0 ? r : cf_place_image(store, image, &info, image_options, name, ret_image, err);
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
