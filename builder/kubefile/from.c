/* SPDX-License-Identifier: Apache-2.0 */
/* FROM: the base, of the store or of a registry. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/reference.h>

#include "internal.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static int adopt_base(struct cf_build *build, struct cf_error *err)
{
    const struct cf_image *base = build->base;
    const struct cf_json *env = cf_json_get(cf_json_get(base->config_json, "config"), "Env");

    build->diff_ids = calloc(base->layer_count + 1, sizeof(*build->diff_ids));
    if (!build->diff_ids)
        return no_memory(err);
    for (size_t i = 0; i < base->layer_count; i++)
        build->diff_ids[build->diff_count++] = base->diff_ids[i];
    for (const struct cf_json *item = cf_json_first(env); item; item = cf_json_next(item)) {
        const char *text = cf_json_string(item), *equals = text ? strchr(text, '=') : NULL;
        char *name cf_autofree = equals ? strndup(text, (size_t)(equals - text)) : NULL;
        if (equals && (!name || cf_variables_set(&build->env, name, equals + 1) < 0))
            return no_memory(err);
    }
    /* The platform is the base's, unless another was asked for. */
    if (!build->image.architecture)
        build->image.architecture = cf_json_get_string(base->config_json, "architecture");
    if (!build->image.os)
        build->image.os = cf_json_get_string(base->config_json, "os");
    return 0;
}

/* What a digest led to before: that of an index is in no store. */
static int base_key(struct cf_build *build, const char *name, struct cf_digest *ret_key,
                    struct cf_error *err)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    char platform[CF_PLATFORM_TEXT_SIZE] = "";

    if (cf_hasher_new(&hasher) < 0)
        return no_memory(err);
    if (build->platform)
        cf_platform_text(build->platform, platform);
    cf_build_key_add(hasher, "cloudfs base 1");
    cf_build_key_add(hasher, name);
    cf_build_key_add(hasher, platform);
    cf_hasher_final(hasher, ret_key);
    return 0;
}

static int recall_base(struct cf_build *build, const struct cf_digest *key)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest layer, manifest;

    if (cf_memo_get(build->store, key, &layer, &text) < 0 ||
        cf_digest_parse(text.data, &manifest) < 0)
        return -ENOENT;
    return cf_image_load(build->store, &manifest, &build->base, NULL);
}

static int remember_base(struct cf_build *build, const struct cf_digest *key, struct cf_error *err)
{
    const struct cf_image *base = build->base;
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(&base->manifest, text);
    return base->layer_count ? cf_memo_set(build->store, key, &base->diff_ids[0], text, err) : 0;
}

/* A name that was another platform's keeps that image too. */
static int keep_platforms(struct cf_build *build, const char *name, const struct cf_digest *before,
                          struct cf_error *err)
{
    struct cf_digest *list cf_autofree = NULL;
    struct cf_digest index;
    const struct cf_image **images cf_autofree = NULL;
    size_t count = 0, have = 0;
    int r = cf_index_list(build->store, before, &list, &count, err);

    if (r == 0 && !(images = calloc(count + 2, sizeof(*images))))
        r = no_memory(err);
    if (r < 0)
        return r;
    images[have++] = build->base;
    for (size_t i = 0; i < (list ? count : 1) && r == 0; i++) {
        struct cf_image *image = NULL;
        r = cf_image_load(build->store, list ? &list[i] : before, &image, err);
        if (r == 0)
            images[have++] = image;
    }
    if (r == 0)
        r = cf_index_put(build->store, images, have, &index, err);
    if (r == 0)
        r = cf_name_set(build->store, name, &index, err);
    for (size_t i = 1; i < have; i++)
        cf_image_free((struct cf_image *)(uintptr_t)images[i]);
    return r;
}

static int pull_base(struct cf_build *build, const char *name, struct cf_error *err)
{
    const struct cf_build_options *options = build->options;
    char tagged[CF_TAGGED_SIZE], platform[CF_PLATFORM_TEXT_SIZE];
    struct cf_digest key, before;
    struct cf_reference reference;
    int r = cf_reference_parse(name, &reference, err);

    if (r == 0 && reference.has_digest)
        r = base_key(build, name, &key, err);
    if (r < 0)
        return r;
    if (reference.has_digest && recall_base(build, &key) == 0)
        return 0;
    bool had = !reference.has_digest && cf_reference_tagged(name, tagged, NULL) == 0 &&
               cf_name_get(build->store, tagged, &before) == 0;
    if (build->platform)
        cf_platform_text(build->platform, platform);
    r = options->pull(options->pull_context, build->store, name, build->platform ? platform : NULL,
                      &build->base, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s",
                          options->pull_always ? "pull" : "the store does not have it");
    if (r == 0 && reference.has_digest)
        r = remember_base(build, &key, err);
    if (r == 0 && had && build->platform && !cf_digest_equal(&before, &build->base->manifest))
        r = keep_platforms(build, tagged, &before, err);
    return r;
}

static int find_base(struct cf_build *build, const char *name, struct cf_error *err)
{
    const struct cf_build_options *options = build->options;
    int r = -ENOENT;

    if (!options->pull_always || !options->pull)
        r = cf_image_find_platform(build->store, name, build->platform, &build->base, err);
    return r == -ENOENT && options->pull ? pull_base(build, name, err) : r;
}

int cf_build_from(struct cf_build *build, const struct cf_kubefile_instruction *from,
                  struct cf_error *err)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    char what[CF_ERROR_TEXT_SIZE];
    int r = cf_build_words(build, from, &words, err);

    if (r == 0 && words.count != 1)
        r = cf_kubefile_fail(build->kubefile, from, words.count > 1 ? words.list[1].offset : 0, err,
                             -EINVAL, "FROM takes one image (there are no build stages)");
    if (r < 0 || !strcmp(words.list[0].text, "scratch"))
        return r;
    r = find_base(build, words.list[0].text, err);
    if (r < 0 && err) {
        memcpy(what, err->text, sizeof(what));
        return cf_kubefile_fail(build->kubefile, from, 0, err, r, "%s", what);
    }
    return r == 0 ? adopt_base(build, err) : r;
}
