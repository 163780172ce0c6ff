/* SPDX-License-Identifier: Apache-2.0 */
/* What a new image says of itself: environment, commands, labels, annotations. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

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

/* Commands of CMD and CMDS, or the words of LAUNCH. */
static int append_texts(struct cf_json *list, char *const *texts, size_t count)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = cf_json_append(list, cf_json_new_string(texts[i]));
    return r;
}

static int set_launch(const struct cf_build *build, struct cf_json *json)
{
    int r = cf_json_set(json, "launch", cf_json_object());
    struct cf_json *launch = r == 0 ? cf_json_edit(json, "launch") : NULL;

    if (r == 0)
        r = cf_json_set(launch, "cmds", cf_json_array());
    if (r == 0)
        r = append_texts(cf_json_edit(launch, "cmds"), build->commands, build->command_count);
    if (r == 0 && build->launch_count)
        r = cf_json_set(launch, "app_names", cf_json_array());
    return r == 0 && build->launch_count
               ? append_texts(cf_json_edit(launch, "app_names"), build->launch, build->launch_count)
               : r;
}

/* What sealer 0.9 and later reads: applications, and what starts them. Source: its
 * docs/design and pkg/define/image/v1. */
static int extension_text(const struct cf_build *build, struct cf_buf *ret_text)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    int r = json ? cf_json_set_string(json, "schemaVersion", "v1alpha1") : -ENOMEM;

    if (r == 0)
        r = cf_json_set_string(json, "type",
                               build->options->application ? "app-installer" : "kube-installer");
    if (r == 0 && build->applications)
        r = cf_json_set(json, "applications", cf_json_copy(build->applications));
    if (r == 0)
        r = set_launch(build, json);
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
    say->options.unsynced = true; /* its name follows */
    say->run = cf_json_object();
    r = say->run ? 0 : -ENOMEM;
    if (r == 0 && build->env.count)
        r = cf_json_set(say->run, "Env", env_json(build));
    if (r == 0 && build->command_count)
        r = cf_json_set(say->run, "Cmd", command_json(build));
    if (r == 0 && (build->applications || build->launch_count || build->command_count ||
                   build->options->application))
        r = extension_text(build, &say->extension);
    if (r == 0)
        r = fill_pairs(build, say);
    say->options.run = say->run;
    return r < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

int cf_build_image(struct cf_build *build, struct cf_image **ret_image, struct cf_error *err)
{
    struct saying say cf_cleanup(saying_done) = {0};
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    int r = fill_saying(build, &say, err);

    if (r == 0)
        r = cf_image_create(build->store, build->options->application ? NULL : build->base,
                            build->layers, build->layer_count, &say.options, NULL, &image, err);
    /* The first mount finds everything. */
    if (r == 0 && image->layer_count)
        r = cf_image_tree(build->store, image, &tree, NULL, err);
    if (r == 0)
        *ret_image = CF_TAKE(image);
    return r;
}
