/* SPDX-License-Identifier: Apache-2.0 */
/* A build: FROM, then one instruction after the other, then the image. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/reference.h>

#include "internal.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

void cf_build_tell(const struct cf_build *build, enum cf_build_event event, const char *format, ...)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    va_list ap;

    if (!build->options->event)
        return;
    va_start(ap, format);
    int r = cf_buf_vprintf(&text, format, ap);
    va_end(ap);
    if (r == 0)
        build->options->event(build->options->event_context, event, text.data ? text.data : "",
                              text.len);
}

int cf_build_tree(struct cf_build *build, struct cf_tree **ret_tree, struct cf_error *err)
{
    *ret_tree = NULL;
    return build->diff_count ? cf_store_merged_tree(build->store, build->diff_ids,
                                                    build->diff_count, ret_tree, NULL, err)
                             : 0;
}

/* Variables that are there without ARG: what the image is for. */
static const char *platform_variable(const struct cf_build *build, const char *name, size_t len)
{
    static const char *const names[] = {"ARCH", "TARGETARCH", "TARGETOS", "TARGETVARIANT"};
    const char *const values[] = {build->image.architecture, build->image.architecture,
                                  build->image.os, build->image.variant};
    for (size_t i = 0; i < CF_COUNT(names); i++)
        if (strlen(names[i]) == len && !strncmp(names[i], name, len))
            return values[i];
    return NULL;
}

const char *cf_build_variable(void *context, const char *name, size_t len)
{
    const struct cf_build *build = context;
    const char *value = cf_variables_get(&build->env, name, len);
    if (!value)
        value = cf_variables_get(&build->args, name, len);
    return value ? value : platform_variable(build, name, len);
}

int cf_build_words(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                   struct cf_kubefile_words *ret_words, struct cf_error *err)
{
    size_t offset = 0;
    int r = cf_kubefile_array(instruction->text, ret_words);

    if (r != 0)
        return r < 0 ? no_memory(err) : 0;
    r = cf_kubefile_split(instruction->text, build->kubefile->escape, cf_build_variable, build,
                          ret_words, &offset, err);
    if (r == -EINVAL && err) {
        char what[CF_ERROR_TEXT_SIZE];
        memcpy(what, err->text, sizeof(what));
        return cf_kubefile_fail(build->kubefile, instruction, offset, err, r, "%s", what);
    }
    return r;
}

/* ---- one after the other ---- */

static int one_step(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                    struct cf_error *err)
{
    switch (instruction->word) {
    case CF_KUBEFILE_FROM:
        return cf_kubefile_fail(build->kubefile, instruction, 0, err, -EINVAL,
                                "a second FROM: there are no build stages");
    case CF_KUBEFILE_COPY:
    case CF_KUBEFILE_ADD:
        return cf_build_copy(build, instruction, err);
    case CF_KUBEFILE_RUN:
        return cf_build_run(build, instruction, err);
    default:
        return cf_build_note(build, instruction, err);
    }
}

/* ARGs may stand before FROM, for its name; everything else needs a base. */
static int take_head(struct cf_build *build, size_t *ret_next, struct cf_error *err)
{
    const struct cf_kubefile *kubefile = build->kubefile;
    size_t i = 0;
    int r = 0;

    for (; i < kubefile->count && kubefile->list[i].word == CF_KUBEFILE_ARG && r == 0; i++)
        r = cf_build_note(build, &kubefile->list[i], err);
    if (r < 0)
        return r;
    if (i == kubefile->count || kubefile->list[i].word != CF_KUBEFILE_FROM)
        return cf_kubefile_fail(kubefile, &kubefile->list[i < kubefile->count ? i : 0], 0, err,
                                -EINVAL, "the first instruction is FROM (FROM scratch for none)");
    cf_build_tell(build, CF_BUILD_STEP, "STEP %zu/%zu: FROM %s", i + 1, kubefile->count,
                  kubefile->list[i].text);
    r = cf_build_from(build, &kubefile->list[i], err);
    /* From here on an ARG has to be declared again, and then has its value from before. */
    build->global_args = build->args;
    build->args = (struct cf_variables){0};
    *ret_next = i + 1;
    return r;
}

static void check_args(const struct cf_build *build)
{
    for (size_t i = 0; i < build->options->arg_count; i++) {
        const char *name = build->options->args[i].key;
        bool known = false;
        for (size_t k = 0; k < build->args.count; k++)
            known |= !strcmp(build->args.list[k].name, name);
        for (size_t k = 0; k < build->global_args.count; k++)
            known |= !strcmp(build->global_args.list[k].name, name);
        if (!known)
            cf_build_tell(build, CF_BUILD_WARNING, "--build-arg %s: the Kubefile has no ARG %s",
                          name, name);
    }
}

static int run_all(struct cf_build *build, struct cf_image **ret_image, struct cf_error *err)
{
    const struct cf_kubefile *kubefile = build->kubefile;
    size_t next = 0;
    int r = take_head(build, &next, err);

    for (size_t i = next; i < kubefile->count && r == 0; i++) {
        cf_build_tell(build, CF_BUILD_STEP, "STEP %zu/%zu: %s %s", i + 1, kubefile->count,
                      cf_kubefile_word_name(kubefile->list[i].word), kubefile->list[i].text);
        r = one_step(build, &kubefile->list[i], err);
    }
    if (r == 0)
        check_args(build);
    if (r == 0 && build->diff_count == 0)
        r = cf_fail(err, -EINVAL, "%s: the image would be empty: nothing was copied",
                    kubefile->name);
    if (r == 0)
        r = cf_build_check(build, err);
    if (r == 0)
        r = cf_build_images(build, err);
    return r == 0 ? cf_build_image(build, ret_image, err) : r;
}

static void build_done(struct cf_build *build)
{
    for (size_t i = 0; i < build->layer_count; i++)
        free(build->texts[i]);
    for (size_t i = 0; i < build->command_count; i++)
        free(build->commands[i]);
    for (size_t i = 0; i < build->launch_count; i++)
        free(build->launch[i]);
    free(build->launch);
    free(build->texts);
    free(build->layers);
    free(build->diff_ids);
    free(build->commands);
    cf_variables_done(&build->args);
    cf_variables_done(&build->env);
    cf_variables_done(&build->global_args);
    cf_variables_done(&build->labels);
    cf_json_free(build->applications);
    cf_image_free(build->base);
    cf_context_done(&build->context);
}

/* platform NULL: the base's. */
static int build_one(struct cf_store *store, const struct cf_kubefile *kubefile,
                     const char *context_dir, const struct cf_build_options *options,
                     const struct cf_platform *platform, struct cf_image **ret_image,
                     struct cf_error *err)
{
    struct cf_build build cf_cleanup(build_done) = {.store = store,
                                                    .kubefile = kubefile,
                                                    .options = options,
                                                    .platform = platform,
                                                    .image = options->image};

    build.context.fd = -1;
    build.image.label_count = build.image.annotation_count = 0;
    if (platform) {
        build.image.os = platform->os;
        build.image.architecture = platform->architecture;
        build.image.variant = *platform->variant ? platform->variant : NULL;
    }
    int r = cf_image_options_environment(&build.image, err);
    if (r == 0)
        r = cf_context_open(context_dir, &build.context, err);
    return r == 0 ? run_all(&build, ret_image, err) : r;
}

/* The name comes last: of the image, or of an index of them all. */
static int publish(struct cf_store *store, const char *tagged, struct cf_image **images,
                   size_t count, struct cf_error *err)
{
    if (count == 1)
        return cf_name_set(store, tagged, &images[0]->manifest, err);
    int r =
        cf_index_put(store, (const struct cf_image *const *)images, count, &images[0]->index, err);
    images[0]->has_index = r == 0;
    return r < 0 ? r : cf_name_set(store, tagged, &images[0]->index, err);
}

int cf_build(struct cf_store *store, const struct cf_kubefile *kubefile, const char *context_dir,
             const struct cf_build_options *options, struct cf_image **ret_image,
             struct cf_error *err)
{
    size_t count = options->platform_count ? options->platform_count : 1;
    struct cf_image **images cf_autofree = calloc(count, sizeof(struct cf_image *));
    char tagged[CF_TAGGED_SIZE];
    int r = !images         ? no_memory(err)
            : options->name ? cf_reference_tagged(options->name, tagged, err)
                            : cf_fail(err, -EINVAL, "the new image needs a name");

    for (size_t i = 0; i < count && r == 0; i++)
        r = build_one(store, kubefile, context_dir, options,
                      options->platform_count ? &options->platforms[i] : NULL, &images[i], err);
    if (r == 0)
        r = publish(store, tagged, images, count, err);
    for (size_t i = 1; images && i < count; i++)
        cf_image_free(images[i]);
    if (r == 0)
        *ret_image = images[0];
    else if (images)
        cf_image_free(images[0]);
    return r;
}
