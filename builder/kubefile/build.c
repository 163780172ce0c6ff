/* SPDX-License-Identifier: Apache-2.0 */
/* A build: FROM, then one instruction after the other, then the image. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* ---- FROM ---- */

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

static int find_base(struct cf_build *build, const char *name, struct cf_error *err)
{
    const struct cf_build_options *options = build->options;
    int r = cf_image_find(build->store, name, &build->base, err);

    if (r != -ENOENT || !options->pull)
        return r;
    r = options->pull(options->pull_context, build->store, name, err);
    return r < 0 ? r : cf_image_find(build->store, name, &build->base, err);
}

static int check_platform(struct cf_build *build, const struct cf_kubefile_instruction *from,
                          struct cf_error *err)
{
    const char *wanted = build->options->image.architecture;
    const char *has = cf_json_get_string(build->base->config_json, "architecture");
    if (!wanted || !has || !strcmp(wanted, has))
        return 0;
    return cf_kubefile_fail(build->kubefile, from, 0, err, -EINVAL,
                            "the base is for %s, not for %s as --platform asks", has, wanted);
}

static int take_from(struct cf_build *build, const struct cf_kubefile_instruction *from,
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
    if (r == 0)
        r = check_platform(build, from, err);
    return r == 0 ? adopt_base(build, err) : r;
}

/* ---- the image ---- */

static struct cf_json *env_json(const struct cf_build *build)
{
    struct cf_json *list = cf_json_array();
    for (size_t i = 0; list && i < build->env.count; i++) {
        char *text = NULL;
        if (asprintf(&text, "%s=%s", build->env.list[i].name, build->env.list[i].value) < 0)
            text = NULL;
        if (!text || cf_json_append(list, cf_json_new_string(text)) < 0) {
            cf_json_free(list);
            list = NULL;
        }
        free(text);
    }
    return list;
}

/* One shell line of all commands: what OCI runtimes understand. */
static struct cf_json *command_json(const struct cf_build *build)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *list = cf_json_array();
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; i < build->command_count && r == 0; i++)
        r = cf_buf_printf(&text, "%s%s", i ? " && " : "", build->commands[i]);
    if (r == 0)
        r = cf_json_append(list, cf_json_new_string("/bin/sh"));
    if (r == 0)
        r = cf_json_append(list, cf_json_new_string("-c"));
    if (r == 0)
        r = cf_json_append(list, cf_json_new_string(text.data ? text.data : ""));
    if (r < 0) {
        cf_json_free(list);
        return NULL;
    }
    return list;
}

/* What sealer 0.9 and later reads: the words of its own, and the commands. */
static int extension_text(const struct cf_build *build, struct cf_buf *ret_text)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *launch = cf_json_object(), *cmds = cf_json_array(), *words = cf_json_array();
    int r = json && launch && cmds && words ? 0 : -ENOMEM;

    for (size_t i = 0; i < build->command_count && r == 0; i++)
        r = cf_json_append(cmds, cf_json_new_string(build->commands[i]));
    for (size_t i = 0; i < build->extension.count && r == 0; i++) {
        struct cf_json *word = cf_json_object();
        r = word ? cf_json_set_string(word, "word", build->extension.list[i].name) : -ENOMEM;
        if (r == 0)
            r = cf_json_set_string(word, "value", build->extension.list[i].value);
        if (r < 0)
            cf_json_free(word);
        else
            r = cf_json_append(words, word);
    }
    if (r == 0)
        r = cf_json_set_string(json, "schemaVersion", "v1beta1");
    if (r == 0)
        r = cf_json_set_string(json, "type",
                               build->options->application ? "app-installer" : "kube-installer");
    if (r < 0) {
        cf_json_free(cmds);
        cf_json_free(words);
        cf_json_free(launch);
        return r;
    }
    r = cf_json_set(launch, "cmds", cmds);
    if (r == 0)
        r = cf_json_set(json, "launch", launch);
    else
        cf_json_free(launch);
    r = r == 0 ? cf_json_set(json, "words", words) : (cf_json_free(words), r);
    return r == 0 ? cf_json_print(json, false, ret_text) : r;
}

struct saying { /* what the new image says of itself */
    struct cf_image_options options;
    struct cf_json *run;
    struct cf_key_value *labels, *annotations;
    struct cf_buf extension, clusterfile;
};

static void saying_done(struct saying *say)
{
    cf_json_free(say->run);
    free(say->labels);
    free(say->annotations);
    cf_buf_done(&say->extension);
    cf_buf_done(&say->clusterfile);
}

/* etc/Clusterfile of the image, for sealer's annotation. */
static int read_clusterfile(struct cf_build *build, struct cf_buf *ret_text, struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_content content;
    struct cf_inode inode;
    uint64_t nid = 0;
    int r = cf_build_tree(build, &tree, err);

    if (r < 0 || !tree || cf_tree_resolve(tree, "etc/Clusterfile", true, &nid) < 0)
        return r;
    if (cf_tree_inode(tree, nid, &inode) < 0 || !S_ISREG(inode.mode) ||
        cf_tree_content(tree, nid, &content) < 0 || content.size > 65536)
        return 0;
    return cf_content_read(build->store, &content, 65536, ret_text, err);
}

static int fill_pairs(struct cf_build *build, struct saying *say)
{
    const struct cf_image_options *given = &build->options->image;
    size_t n = 0;

    say->labels = calloc(build->labels.count + given->label_count + 1, sizeof(*say->labels));
    say->annotations = calloc(given->annotation_count + 2, sizeof(*say->annotations));
    if (!say->labels || !say->annotations)
        return -ENOMEM;
    for (size_t i = 0; i < build->labels.count; i++)
        say->labels[n++] =
            (struct cf_key_value){build->labels.list[i].name, build->labels.list[i].value};
    for (size_t i = 0; i < given->label_count; i++) /* the command line wins */
        say->labels[n++] = given->labels[i];
    say->options.labels = say->labels;
    say->options.label_count = n;
    n = 0;
    if (say->extension.len)
        say->annotations[n++] =
            (struct cf_key_value){"sealer.image.extension", say->extension.data};
    if (say->clusterfile.len)
        say->annotations[n++] =
            (struct cf_key_value){"sea.aliyun.com/ClusterFile", say->clusterfile.data};
    for (size_t i = 0; i < given->annotation_count; i++)
        say->annotations[n++] = given->annotations[i];
    say->options.annotations = say->annotations;
    say->options.annotation_count = n;
    return 0;
}

static int fill_saying(struct cf_build *build, struct saying *say, struct cf_error *err)
{
    int r = read_clusterfile(build, &say->clusterfile, err);

    if (r < 0)
        return r;
    say->options = build->image;
    say->run = cf_json_object();
    r = say->run ? 0 : -ENOMEM;
    if (r == 0 && build->env.count)
        r = cf_json_set(say->run, "Env", env_json(build));
    if (r == 0 && build->command_count)
        r = cf_json_set(say->run, "Cmd", command_json(build));
    if (r == 0 && (build->extension.count || build->command_count || build->options->application))
        r = extension_text(build, &say->extension);
    if (r == 0)
        r = fill_pairs(build, say);
    say->options.run = say->run;
    return r < 0 ? no_memory(err) : 0;
}

static int publish(struct cf_build *build, struct cf_image **ret_image, struct cf_error *err)
{
    struct saying say cf_cleanup(saying_done) = {0};
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    char tagged[CF_TAGGED_SIZE];
    int r = fill_saying(build, &say, err);

    if (r == 0)
        r = cf_reference_tagged(build->options->name, tagged, err);
    if (r == 0)
        r = cf_image_create(build->store, build->options->application ? NULL : build->base,
                            build->layers, build->layer_count, &say.options, NULL, &image, err);
    /* The name comes last, when the first mount would find everything. */
    if (r == 0 && image->layer_count)
        r = cf_image_tree(build->store, image, &tree, NULL, err);
    if (r == 0)
        r = cf_name_set(build->store, tagged, &image->manifest, err);
    if (r == 0)
        *ret_image = CF_TAKE(image);
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
    r = take_from(build, &kubefile->list[i], err);
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
    return r == 0 ? publish(build, ret_image, err) : r;
}

static void build_done(struct cf_build *build)
{
    for (size_t i = 0; i < build->layer_count; i++)
        free(build->texts[i]);
    for (size_t i = 0; i < build->command_count; i++)
        free(build->commands[i]);
    free(build->texts);
    free(build->layers);
    free(build->diff_ids);
    free(build->commands);
    cf_variables_done(&build->args);
    cf_variables_done(&build->env);
    cf_variables_done(&build->global_args);
    cf_variables_done(&build->labels);
    cf_variables_done(&build->extension);
    cf_image_free(build->base);
    cf_context_done(&build->context);
}

int cf_build(struct cf_store *store, const struct cf_kubefile *kubefile, const char *context_dir,
             const struct cf_build_options *options, struct cf_image **ret_image,
             struct cf_error *err)
{
    struct cf_build build cf_cleanup(build_done) = {
        .store = store, .kubefile = kubefile, .options = options, .image = options->image};
    char tagged[CF_TAGGED_SIZE];

    build.context.fd = -1;
    build.image.label_count = build.image.annotation_count = 0;
    int r = options->name ? cf_reference_tagged(options->name, tagged, err)
                          : cf_fail(err, -EINVAL, "the new image needs a name");
    if (r == 0)
        r = cf_image_options_environment(&build.image, err);
    if (r == 0)
        r = cf_context_open(context_dir, &build.context, err);
    return r == 0 ? run_all(&build, ret_image, err) : r;
}
