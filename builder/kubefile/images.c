/* SPDX-License-Identifier: Apache-2.0 */
/* The last layer: the container images that the new rootfs refers to, in its registry/. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

enum { MEMO_TEXT = 3800 }; /* bytes of warnings that are kept */

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

/* ---- warnings, which a build that uses the cache tells, too ---- */

static int add_warning(struct cf_json *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int add_warning(struct cf_json *list, const char *format, ...)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    va_list ap;

    va_start(ap, format);
    int r = cf_buf_vprintf(&text, format, ap);
    va_end(ap);
    return r < 0 ? r : cf_json_append(list, cf_json_new_string(text.data));
}

/* What the scan and the fetching have to say, as an array of texts. */
static int list_warnings(const struct cf_cache_result *result, struct cf_json *list)
{
    int r = 0;

    for (size_t i = 0; i < result->scan.warning_count && r == 0; i++) {
        const struct cf_scan_warning *warning = &result->scan.warnings[i];
        r = warning->line
                ? add_warning(list, "%s:%zu: %s", warning->file, warning->line, warning->text)
                : add_warning(list, "%s: %s", warning->file, warning->text);
    }
    for (size_t i = 0; i < result->failed_count && r == 0; i++)
        r = add_warning(list, "%s: %s: %s", result->failed[i].places, result->failed[i].reference,
                        result->failed[i].why);
    return r;
}

static void tell_all(struct cf_build *build, const struct cf_json *list)
{
    for (const struct cf_json *item = cf_json_first(list); item; item = cf_json_next(item))
        if (cf_json_string(item))
            cf_build_tell(build, CF_BUILD_WARNING, "%s", cf_json_string(item));
}

static int warnings_key(const struct cf_digest *key, struct cf_digest *ret_key,
                        struct cf_error *err)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;

    if (cf_hasher_new(&hasher) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_build_key_add(hasher, "warnings");
    cf_hasher_update(hasher, key->bytes, sizeof(key->bytes));
    cf_hasher_final(hasher, ret_key);
    return 0;
}

/* As many as a memo holds; the others are counted. */
static int remember_warnings(struct cf_build *build, const struct cf_digest *key,
                             const struct cf_json *list, struct cf_error *err)
{
    struct cf_json *kept cf_cleanup(cf_json_free_ptr) = cf_json_array();
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest own;
    size_t count = cf_json_count(list), room = MEMO_TEXT;
    int r = kept ? 0 : -ENOMEM;

    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item), count--) {
        cf_buf_clear(&text);
        r = cf_json_print(item, false, &text);
        if (r < 0 || text.len + 1 > room)
            break;
        room -= text.len + 1;
        r = cf_json_append(kept, cf_json_copy(item));
    }
    if (r == 0 && count)
        r = add_warning(kept, "and %zu more warnings (`cloudfs scan` tells all)", count);
    cf_buf_clear(&text);
    if (r == 0)
        r = cf_json_print(kept, false, &text);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    r = warnings_key(key, &own, err);
    return r < 0 ? r
                 : cf_memo_set(build->store, &own, &build->diff_ids[build->diff_count - 1],
                               text.data, err);
}

static int repeat_warnings(struct cf_build *build, const struct cf_digest *key,
                           struct cf_error *err)
{
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest own, layer;
    int r = warnings_key(key, &own, err);

    if (r == 0 && cf_memo_get(build->store, &own, &layer, &text) == 0 &&
        cf_json_parse(text.data, text.len, &list, NULL) == 0)
        tell_all(build, list);
    return r;
}

/* ---- the layer ---- */

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

static int fetch(struct cf_build *build, struct cf_cache_result *result, struct cf_json *warnings,
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
    if (list_warnings(result, warnings) < 0 && r == 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    tell_all(build, warnings);
    return r < 0 ? explain(result, r, err) : 0;
}

int cf_build_images(struct cf_build *build, struct cf_error *err)
{
    struct cf_cache_result result cf_cleanup(cf_cache_result_done) = {0};
    struct cf_json *warnings cf_cleanup(cf_json_free_ptr) = NULL;
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
        r = repeat_warnings(build, &key, err);
    } else {
        warnings = cf_json_array();
        r = warnings ? fetch(build, &result, warnings, &info, err)
                     : cf_fail(err, -ENOMEM, "out of memory");
        if (r == 0 && result.failed_count == 0 && cf_json_count(warnings))
            r = remember_warnings(build, &key, warnings, err);
        if (r == 0 && result.failed_count == 0)
            r = cf_build_remember(build, &key, &info, err);
    }
    return r < 0 || !info.entries ? r : cf_build_add_layer(build, &info, "cloudfs cache", err);
}
