/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image in the YAML that sealer v0.8 prints for its own: a list of one Image object. Strings are
 * written as YAML's double-quoted form, which is JSON's.
 */
#include <errno.h>
#include <string.h>

#include "find.h"

/* A scalar, quoted as JSON does. */
static int put_string(struct cf_buf *buf, const char *text)
{
    struct cf_json *value cf_cleanup(cf_json_free_ptr) = cf_json_new_string(text);
    return value ? cf_json_print(value, false, buf) : -ENOMEM;
}

static int put_field(struct cf_buf *buf, const char *lead, const char *text)
{
    int r = cf_buf_add_str(buf, lead);

    if (r == 0)
        r = put_string(buf, text);
    return r == 0 ? cf_buf_add_char(buf, '\n') : r;
}

/* The members of an object that are strings, each on a line of its own. */
static int put_map(struct cf_buf *buf, const char *indent, const struct cf_json *map)
{
    int r = 0;

    for (const struct cf_json *item = cf_json_first(map); item && r == 0;
         item = cf_json_next(item)) {
        if (!cf_json_string(item))
            continue;
        r = cf_buf_add_str(buf, indent);
        if (r == 0)
            r = put_string(buf, cf_json_key(item));
        if (r == 0)
            r = put_field(buf, ": ", cf_json_string(item));
    }
    return r;
}

static const struct {
    const char *word, *type;
} words[] = {
    {"BASE", "BASE"}, {"FROM", "BASE"}, {"COPY", "COPY"}, {"ADD", "COPY"},
    {"RUN", "RUN"},   {"CMD", "CMD"},   {"ARG", "ARG"},
};

/* Type and value of a layer in sealer's words, from what docker, buildah or sealer wrote. */
static void read_instruction(const char *created_by, size_t layer, const char **ret_type,
                             const char **ret_value)
{
    const char *text = created_by ? created_by : "";
    const char *shell = "/bin/sh -c ";
    bool ran = strncmp(text, shell, strlen(shell)) == 0;

    if (ran)
        text += strlen(shell);
    if (!strncmp(text, "#(nop)", 6)) {
        ran = false;
        text += 6;
    }
    text += strspn(text, " \t");
    for (size_t i = 0; i < CF_COUNT(words); i++) {
        size_t len = strlen(words[i].word);
        if (strncmp(text, words[i].word, len) != 0 || (text[len] && text[len] != ' '))
            continue;
        *ret_type = words[i].type;
        *ret_value = text + len + strspn(text + len, " ");
        return;
    }
    *ret_type = ran ? "RUN" : layer == 0 ? "BASE" : "COPY";
    *ret_value = text;
}

static int put_layers(struct cf_buf *buf, const struct cf_image *image)
{
    char text[CF_DIGEST_TEXT_SIZE];
    int r = cf_buf_add_str(buf, image->layer_count ? "    layers:\n" : "    layers: []\n");

    for (size_t i = 0; i < image->layer_count && r == 0; i++) {
        const char *type = NULL, *value = NULL;
        read_instruction(cf_json_get_string(cf_history_of_layer(image, i), "created_by"), i, &type,
                         &value);
        cf_digest_text(&image->diff_ids[i], text);
        r = cf_buf_printf(buf, "    - id: %s\n      type: %s\n", text, type);
        if (r == 0)
            r = put_field(buf, "      value: ", value);
    }
    return r;
}

/* The command line that Cmd means: without the shell in front of it. */
static int put_command(struct cf_buf *buf, const struct cf_json *cmd)
{
    struct cf_buf line cf_autobuf = CF_BUF_INIT;
    const struct cf_json *word = cf_json_first(cmd);
    const char *shell = cf_json_string(word), *flag = cf_json_string(cf_json_at(cmd, 1));
    int r = 0;

    if (shell && flag && !strcmp(shell, "/bin/sh") && !strcmp(flag, "-c"))
        word = cf_json_at(cmd, 2);
    for (; word && r == 0; word = cf_json_next(word))
        r = cf_buf_printf(&line, "%s%s", line.len ? " " : "",
                          cf_json_string(word) ? cf_json_string(word) : "");
    if (r == 0)
        r = cf_buf_add_str(buf, "      cmd:\n        current:\n");
    return r == 0 ? put_field(buf, "        - ", line.data ? line.data : "") : r;
}

static int put_config(struct cf_buf *buf, const struct cf_image *image)
{
    const struct cf_json *config = cf_json_get(image->config_json, "config");
    const struct cf_json *own =
        cf_json_get(cf_json_get(image->config_json, "spec"), "image_config");
    const struct cf_json *labels = own ? cf_json_get(own, "labels") : cf_json_get(config, "Labels");
    const struct cf_json *cmd =
        own ? cf_json_get(cf_json_get(own, "cmd"), "current") : cf_json_get(config, "Cmd");
    bool empty = cf_json_count(labels) == 0 && cf_json_count(cmd) == 0;
    int r = cf_buf_add_str(buf, empty ? "    image_config: {}\n" : "    image_config:\n");

    if (r == 0 && cf_json_count(cmd) > 0)
        r = put_command(buf, cmd);
    if (r == 0 && cf_json_count(labels) > 0)
        r = cf_buf_add_str(buf, "      labels:\n");
    return r == 0 ? put_map(buf, "        ", labels) : r;
}

static int put_platform(struct cf_buf *buf, const struct cf_image *image)
{
    static const char *const fields[][2] = {{"architecture", "architecture"},
                                            {"os", "os"},
                                            {"os_version", "os.version"},
                                            {"variant", "variant"}};
    int r = cf_buf_add_str(buf, "    platform:\n");

    for (size_t i = 0; i < CF_COUNT(fields) && r == 0; i++) {
        const char *value = cf_json_get_string(image->config_json, fields[i][1]);
        if (!value || !*value)
            continue;
        r = cf_buf_printf(buf, "      %s", fields[i][0]);
        if (r == 0)
            r = put_field(buf, ": ", value);
    }
    return r;
}

static int put_image(struct cf_buf *buf, const struct cf_image *image, const char *name,
                     const char *id)
{
    const struct cf_json *own = cf_json_get(image->config_json, "metadata");
    const struct cf_json *annotations =
        cf_json_get(own ? own : image->manifest_json, "annotations");
    int r = cf_buf_add_str(buf, "- kind: Image\n  metadata:\n");

    if (r == 0 && cf_json_count(annotations) > 0)
        r = cf_buf_add_str(buf, "    annotations:\n");
    if (r == 0)
        r = put_map(buf, "      ", annotations);
    if (r == 0)
        r = cf_buf_add_str(buf, "    creationTimestamp: null\n");
    if (r == 0)
        r = put_field(buf, "    name: ", name ? name : "");
    if (r == 0)
        r = put_field(buf, "  spec:\n    id: ", id);
    if (r == 0)
        r = put_config(buf, image);
    if (r == 0)
        r = put_layers(buf, image);
    if (r == 0)
        r = put_platform(buf, image);
    return r == 0 ? cf_buf_add_str(buf, "    sealer_version: latest\n  status: {}\n") : r;
}

int cf_inspect_sealer(struct cf_store *store, const struct cf_image *image, const char *name,
                      struct cf_buf *ret_buf, struct cf_error *err)
{
    struct cf_buf without_id cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    char hex[CF_DIGEST_HEX_SIZE];
    int r = put_image(&without_id, image, name, "");

    (void)store;
    if (r == 0) { /* sealer's own rule: the digest of the text whose id is empty */
        cf_digest_of(without_id.data, without_id.len, &digest);
        cf_digest_hex(&digest, hex);
        r = put_image(ret_buf, image, name, hex);
    }
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}
