/* SPDX-License-Identifier: Apache-2.0 */
#include "say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSION "sealer.image.extension"

void cf_said_done(struct cf_said *said)
{
    cf_json_free(said->run);
    free(said->labels);
    free(said->annotations);
    cf_buf_done(&said->extension);
}

static const struct cf_json *config_of(const struct cf_image *image, const char *key)
{
    return cf_json_get(cf_json_get(image->config_json, "config"), key);
}

/* Text values of an object to pairs. */
static size_t add_pairs(const struct cf_json *object, struct cf_key_value *pairs)
{
    size_t n = 0;
    for (const struct cf_json *item = cf_json_first(object); item; item = cf_json_next(item))
        if (cf_json_string(item))
            pairs[n++] = (struct cf_key_value){cf_json_key(item), cf_json_string(item)};
    return n;
}

/* The labels of one, but for those that are no news. */
static int add_labels(const struct cf_image *const *images, size_t which,
                      struct cf_key_value *pairs, size_t *n)
{
    const struct cf_json *labels = config_of(images[which], "Labels");
    for (const struct cf_json *item = cf_json_first(labels); item; item = cf_json_next(item)) {
        const char *key = cf_json_key(item), *value = cf_json_string(item);
        int r = value ? cf_said_inherits(images, which, "LABEL", key, value) : 1;
        if (r < 0)
            return r;
        if (r == 0)
            pairs[(*n)++] = (struct cf_key_value){key, value};
    }
    return 0;
}

/* ---- environment ---- */

static int add_env(struct cf_json *names, const struct cf_image *const *images, size_t which)
{
    int r = 0;
    for (const struct cf_json *item = cf_json_first(config_of(images[which], "Env"));
         item && r >= 0; item = cf_json_next(item)) {
        const char *text = cf_json_string(item), *equals = text ? strchr(text, '=') : NULL;
        char *name cf_autofree = equals ? strndup(text, (size_t)(equals - text)) : NULL;
        if (!equals)
            continue;
        r = name ? cf_said_inherits(images, which, "ENV", name, equals + 1) : -ENOMEM;
        if (r == 0)
            r = cf_json_set_string(names, name, text);
    }
    return r < 0 ? r : 0;
}

static int merge_env(const struct cf_image *const *images, size_t count, struct cf_json *run)
{
    struct cf_json *names cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *list = cf_json_array();
    int r = names && list ? 0 : -ENOMEM;

    for (size_t i = 0; i < count && r == 0; i++)
        r = add_env(names, images, i);
    for (const struct cf_json *item = cf_json_first(names); item && r == 0;
         item = cf_json_next(item))
        r = cf_json_append(list, cf_json_copy(item));
    if (r == 0 && cf_json_count(list))
        return cf_json_set(run, "Env", list);
    cf_json_free(list);
    return r;
}

/* ---- commands ---- */

/* The annotation of sealer 0.9, as far as it can be read; NULL: none. */
static struct cf_json *extension_of(const struct cf_image *image)
{
    const char *text =
        cf_json_get_string(cf_json_get(image->manifest_json, "annotations"), EXTENSION);
    struct cf_json *json = NULL;
    if (text)
        (void)cf_json_parse(text, strlen(text), &json, NULL);
    return json;
}

static int append_all(struct cf_json *list, const struct cf_json *from)
{
    int r = 0;
    for (const struct cf_json *item = cf_json_first(from); item && r == 0;
         item = cf_json_next(item))
        r = cf_json_append(list, cf_json_copy(item));
    return r;
}

/* The commands of one: its annotation's, else what the config runs. */
static int add_commands(struct cf_json *list, const struct cf_json *extension,
                        const struct cf_image *image)
{
    const struct cf_json *cmds = cf_json_get(cf_json_get(extension, "launch"), "cmds");
    const struct cf_json *cmd = config_of(image, "Cmd");
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = 0;

    if (cf_json_is_array(cmds))
        return append_all(list, cmds);
    if (cf_json_count(cmd) == 3 && cf_json_string(cf_json_at(cmd, 1)) &&
        !strcmp(cf_json_string(cf_json_at(cmd, 1)), "-c"))
        return cf_json_append(list, cf_json_copy(cf_json_at(cmd, 2)));
    for (const struct cf_json *item = cf_json_first(cmd); item && r == 0; item = cf_json_next(item))
        r = cf_buf_printf(&text, "%s%s", text.len ? " " : "",
                          cf_json_string(item) ? cf_json_string(item) : "");
    return r == 0 && text.len ? cf_json_append(list, cf_json_new_string(text.data)) : r;
}

/* ["/bin/sh", "-c", "a && b"] */
static int set_command(struct cf_json *run, const struct cf_json *commands)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *list = cf_json_array();
    int r = list ? cf_json_append(list, cf_json_new_string("/bin/sh")) : -ENOMEM;

    if (r == 0)
        r = cf_json_append(list, cf_json_new_string("-c"));
    for (const struct cf_json *item = cf_json_first(commands); item && r == 0;
         item = cf_json_next(item))
        r = cf_buf_printf(&text, "%s%s", text.len ? " && " : "", cf_json_string(item));
    if (r == 0)
        r = cf_json_append(list, cf_json_new_string(text.data ? text.data : ""));
    if (r == 0)
        return cf_json_set(run, "Cmd", list);
    cf_json_free(list);
    return r;
}

static int merge_commands(const struct cf_image *const *images, size_t count, struct cf_said *said)
{
    struct cf_json *whole cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_json *commands cf_cleanup(cf_json_free_ptr) = cf_json_array();
    struct cf_json *apps cf_cleanup(cf_json_free_ptr) = cf_json_array();
    int r = commands && apps ? 0 : -ENOMEM;

    for (size_t i = 0; i < count && r == 0; i++) {
        struct cf_json *extension = extension_of(images[i]);
        r = add_commands(commands, extension, images[i]);
        if (r == 0)
            r = append_all(apps, cf_json_get(extension, "applications"));
        if (whole)
            cf_json_free(extension);
        else
            whole = extension;
    }
    if (r == 0 && cf_json_count(commands))
        r = set_command(said->run, commands);
    if (r < 0 || !whole)
        return r;
    if (!cf_json_is_object(cf_json_get(whole, "launch")))
        r = cf_json_set(whole, "launch", cf_json_object());
    if (r == 0)
        r = cf_json_set(cf_json_edit(whole, "launch"), "cmds", cf_json_copy(commands));
    if (r == 0)
        r = cf_json_set(whole, "applications", cf_json_copy(apps));
    return r == 0 ? cf_json_print(whole, false, &said->extension) : r;
}

/* ---- all of it ---- */

static int merge_pairs(const struct cf_image *const *images, size_t count, struct cf_said *said)
{
    struct cf_image_options *options = &said->options;
    size_t labels = options->label_count, annotations = options->annotation_count + 1, n = 0;

    for (size_t i = 0; i < count; i++) {
        labels += cf_json_count(config_of(images[i], "Labels"));
        annotations += cf_json_count(cf_json_get(images[i]->manifest_json, "annotations"));
    }
    said->labels = calloc(labels + 1, sizeof(*said->labels));
    said->annotations = calloc(annotations + 1, sizeof(*said->annotations));
    if (!said->labels || !said->annotations)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (add_labels(images, i, said->labels, &n) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < options->label_count; i++)
        said->labels[n++] = options->labels[i];
    options->labels = said->labels;
    options->label_count = n;
    n = 0;
    for (size_t i = 0; i < count; i++)
        n += add_pairs(cf_json_get(images[i]->manifest_json, "annotations"), said->annotations + n);
    if (said->extension.len)
        said->annotations[n++] = (struct cf_key_value){EXTENSION, said->extension.data};
    for (size_t i = 0; i < options->annotation_count; i++)
        said->annotations[n++] = options->annotations[i];
    options->annotations = said->annotations;
    options->annotation_count = n;
    return 0;
}

int cf_said_merge(const struct cf_image *const *images, size_t count, struct cf_said *said,
                  struct cf_error *err)
{
    said->run = cf_json_object();
    int r = said->run ? merge_env(images, count, said->run) : -ENOMEM;

    if (r == 0)
        r = merge_commands(images, count, said);
    if (r == 0)
        r = merge_pairs(images, count, said);
    said->options.run = said->run;
    return r < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}
