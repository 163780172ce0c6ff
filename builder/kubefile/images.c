/* SPDX-License-Identifier: Apache-2.0 */
/* The last layer: the container images that the new rootfs refers to, in its registry/. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static int make_key(struct cf_build *build, struct cf_digest *ret_key, struct cf_error *err)
{
    const struct cf_cache_options *options = build->options->images;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    char platform[CF_PLATFORM_TEXT_SIZE + 8];
    int r = cf_build_key_new(build, "images", &hasher, err);

    if (r < 0)
        return r;
    (void)snprintf(platform, sizeof(platform), "%s/%s/%s", build->image.os ? build->image.os : "",
                   build->image.architecture ? build->image.architecture : "",
                   build->image.variant ? build->image.variant : "");
    cf_build_key_add(hasher, platform);
    cf_build_key_add(hasher, options->domain_prefix ? "prefix" : "");
    cf_build_key_add(hasher, options->scan.only_list ? "list" : "");
    for (size_t i = 0; i < options->scan.ignore_count; i++)
        cf_build_key_add(hasher, options->scan.ignore[i]);
    cf_hasher_final(hasher, ret_key);
    return 0;
}

static void tell_all(struct cf_build *build, const struct cf_cache_result *result)
{
    for (size_t i = 0; i < result->scan.warning_count; i++) {
        const struct cf_scan_warning *warning = &result->scan.warnings[i];
        if (warning->line)
            cf_build_tell(build, CF_BUILD_WARNING, "%s:%zu: %s", warning->file, warning->line,
                          warning->text);
        else
            cf_build_tell(build, CF_BUILD_WARNING, "%s: %s", warning->file, warning->text);
    }
    for (size_t i = 0; i < result->failed_count; i++)
        cf_build_tell(build, CF_BUILD_WARNING, "%s: %s: %s", result->failed[i].places,
                      result->failed[i].reference, result->failed[i].why);
}

/* The first that cannot be had is in the line itself: with --quiet it is all that is seen. */
static int explain(const struct cf_cache_result *result, int r, struct cf_error *err)
{
    const struct cf_cache_failed *first = result->failed;
    char more[48] = "";

    if (r != -ENOENT || result->failed_count == 0)
        return r;
    if (result->failed_count > 1)
        (void)snprintf(more, sizeof(more), ", and %zu more images", result->failed_count - 1);
    return cf_fail(err, r, "%s: %s cannot be had%s: %s (--allow-missing builds without)",
                   first->places, first->reference, more, first->why);
}

static int fetch(struct cf_build *build, struct cf_cache_result *result,
                 struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_cache_options options = *build->options->images;
    int r = cf_image_draft(build->store, build->base, build->layers, build->layer_count,
                           &build->image, &image, err);

    options.progress = build->options->progress;
    options.progress_context = build->options->progress_context;
    if (r == 0)
        r = cf_cache_layer(build->store, image, &options, &build->image, result, ret_info, err);
    tell_all(build, result);
    return r < 0 ? explain(result, r, err) : 0;
}

int cf_build_images(struct cf_build *build, struct cf_error *err)
{
    struct cf_cache_result result cf_cleanup(cf_cache_result_done) = {0};
    struct cf_layer_info info = {0};
    struct cf_digest key;

    if (!build->options->images || !build->diff_count)
        return 0;
    int r = make_key(build, &key, err);
    if (r < 0)
        return r;
    cf_build_tell(build, CF_BUILD_STEP, "%s", "IMAGES: into registry/ what the rootfs refers to");
    if (cf_build_recall(build, &key, &info)) {
        cf_build_tell(build, CF_BUILD_CACHED, "%s", "");
    } else {
        r = fetch(build, &result, &info, err);
        if (r == 0 && result.failed_count == 0)
            r = cf_build_remember(build, &key, &info, err);
    }
    return r < 0 || !info.entries ? r : cf_build_add_layer(build, &info, "cloudfs cache", err);
}
