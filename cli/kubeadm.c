/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/kubeadm.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 48u /* bytes of a value in the table */

struct wanted {
    const char *tag;
    struct cf_image_options image;
    bool explain, apply;
};

/* What the argument means, and what is made of it. */
struct subject {
    struct cf_store *store;
    struct cf_image *image;
    char *dir;
    bool is_image; /* a new image is made, not a file */
};

static void subject_done(struct subject *subject)
{
    cf_image_free(subject->image);
    free(subject->dir);
    cf_store_close(subject->store);
}

/* A directory in a mount has the mount's image below it. */
static int open_mount(struct subject *subject, struct cf_error *err)
{
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    char *root cf_autofree = NULL, id[CF_MOUNT_ID_SIZE];

    if (cf_mount_store_of(subject->dir, &root, id, NULL) < 0 || !root[0])
        return 0;
    cf_store_close(CF_TAKE(subject->store));
    int r = cf_store_open(root, 0, &subject->store, err);
    if (r == 0)
        r = cf_mount_find(subject->store, id, &mount, err);
    if (r < 0 || !mount->mountpoint)
        return r;
    free(subject->dir);
    subject->dir = strdup(mount->mountpoint);
    if (!subject->dir)
        return cf_fail(err, -ENOMEM, "out of memory");
    return cf_image_load(subject->store, &mount->manifest, &subject->image, err);
}

static int open_subject(const struct cli *cli, const char *text, struct subject *subject,
                        struct cf_error *err)
{
    int r = cli_open_store(cli, 0, &subject->store, err);

    if (r == 0)
        r = cli_image_or_dir(subject->store, text, &subject->image, &subject->dir, err);
    subject->is_image = subject->image != NULL;
    return r == 0 && subject->dir ? open_mount(subject, err) : r;
}

/* ---- where each field comes from ---- */

static void source_text(const struct cf_kubeadm *kubeadm, const struct cf_kubeadm_value *value,
                        struct cf_buf *text)
{
    const struct cf_kubeadm_source *source = value->source;
    char digest[CF_DIGEST_HEX_SIZE];

    switch (source->origin) {
    case CF_KUBEADM_FROM_DIR:
        (void)cf_buf_printf(text, CF_KUBEADM_FILE ":%zu", value->line);
        break;
    case CF_KUBEADM_FROM_LAYER:
        cf_digest_hex(&source->diff_id, digest);
        (void)cf_buf_printf(text, "layer %zu %.12s, line %zu", source->layer, digest, value->line);
        if (source->created_by)
            (void)cf_buf_printf(text, "  %s", source->created_by);
        break;
    case CF_KUBEADM_FROM_METADATA:
        (void)cf_buf_add_str(text, "Metadata");
        break;
    case CF_KUBEADM_FROM_VERSION:
        (void)cf_buf_printf(text, "Kubernetes %s", kubeadm->version);
        break;
    case CF_KUBEADM_FROM_DEFAULT:
        (void)cf_buf_add_str(text, "built-in");
        break;
    }
}

struct explaining {
    const struct cf_kubeadm *kubeadm;
    struct cli_table *table;
    struct cf_json *list;
};

/* Long lists are cut: --json has them whole. */
static void cut(struct cf_buf *text)
{
    size_t len = VALUE_MAX;

    if (text->len <= VALUE_MAX)
        return;
    while (len > 0 && ((unsigned char)text->data[len] & 0xC0) == 0x80)
        len--;
    snprintf(text->data + len, text->len - len + 1, "...");
}

static int add_row(const struct cf_kubeadm_value *value, void *context)
{
    const struct explaining *explaining = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT, source cf_autobuf = CF_BUF_INIT;
    int r = cf_edit_put_value(value->node, false, &text);

    source_text(explaining->kubeadm, value, &source);
    if (r == 0)
        cut(&text);
    return r < 0 || !source.data
               ? -ENOMEM
               : cli_table_add(explaining->table, value->path, text.data, source.data);
}

static int add_json(const struct cf_kubeadm_value *value, void *context)
{
    static const char *const origins[] = {
        [CF_KUBEADM_FROM_DIR] = "file",          [CF_KUBEADM_FROM_LAYER] = "layer",
        [CF_KUBEADM_FROM_METADATA] = "metadata", [CF_KUBEADM_FROM_VERSION] = "version",
        [CF_KUBEADM_FROM_DEFAULT] = "built-in",
    };
    const struct explaining *explaining = context;
    const struct cf_kubeadm_source *source = value->source;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json = cf_json_object(), *parsed = NULL;
    char digest[CF_DIGEST_TEXT_SIZE];
    int r = cf_edit_put_value(value->node, true, &text);

    if (r == 0)
        r = cf_json_parse(text.data, text.len, &parsed, NULL);
    (void)cf_json_set_string(json, "Path", value->path);
    (void)cf_json_set(json, "Value", parsed);
    (void)cf_json_set_string(json, "Origin", origins[source->origin]);
    if (source->origin == CF_KUBEADM_FROM_LAYER) {
        cf_digest_text(&source->diff_id, digest);
        (void)cf_json_set_int(json, "Layer", (int64_t)source->layer);
        (void)cf_json_set_string(json, "DiffId", digest);
    }
    if (source->created_by)
        (void)cf_json_set_string(json, "CreatedBy", source->created_by);
    if (value->line)
        (void)cf_json_set_int(json, "Line", (int64_t)value->line);
    int added = cf_json_append(explaining->list, json);
    return r < 0 ? r : added;
}

static int put_table(const struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    static const char *const headers[] = {"FIELD", "VALUE", "FROM"};
    struct explaining explaining = {kubeadm, cli_table_new(headers, CF_COUNT(headers)), NULL};
    int r = explaining.table ? cf_kubeadm_each(kubeadm, add_row, &explaining) : -ENOMEM;

    cli_table_print(explaining.table, r == 0 ? stdout : NULL);
    return r < 0 ? cf_fail_errno(err, -r, CF_KUBEADM_FILE) : 0;
}

/* ---- all of it as JSON ---- */

static int add_documents(const struct cf_kubeadm *kubeadm, struct cf_json *json)
{
    struct cf_json *list = cf_json_array();
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; i < cf_edit_count(kubeadm->edit) && r == 0; i++) {
        struct cf_edit *values cf_cleanup(cf_edit_close_ptr) = NULL;
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        struct cf_json *document = NULL;
        size_t len;
        const char *all = cf_edit_text(kubeadm->edit, &len);
        r = cf_edit_open_value(CF_KUBEADM_FILE, all, len, &values, NULL);
        if (r == 0)
            r = cf_edit_put_value(cf_edit_document(values, i), true, &text);
        if (r == 0)
            r = cf_json_parse(text.data, text.len, &document, NULL);
        if (r == 0)
            r = cf_json_append(list, document);
    }
    int set = cf_json_set(json, "Documents", list);
    return r < 0 ? r : set;
}

static int put_json(const struct cf_kubeadm *kubeadm, const struct wanted *wanted,
                    const struct cf_override_result *result, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *warnings = cf_json_array();
    char text[CF_DIGEST_TEXT_SIZE];

    (void)cf_json_set_string(json, "KubernetesVersion", kubeadm->version);
    snprintf(text, sizeof(text), "kubeadm.k8s.io/v1beta%u", kubeadm->api);
    (void)cf_json_set_string(json, "ApiVersion", text);
    int r = add_documents(kubeadm, json);
    if (r == 0 && wanted->explain) {
        struct explaining explaining = {kubeadm, NULL, cf_json_array()};
        r = cf_kubeadm_each(kubeadm, add_json, &explaining);
        (void)cf_json_set(json, "Fields", explaining.list);
    }
    for (size_t i = 0; i < kubeadm->warning_count; i++)
        (void)cf_json_append(warnings, cf_json_new_string(kubeadm->warnings[i]));
    (void)cf_json_set(json, "Warnings", warnings);
    if (wanted->apply)
        cli_override_json(json, result);
    return r < 0 ? cf_fail_errno(err, -r, CF_KUBEADM_FILE) : cli_put_json(json, err);
}

/* ---- the command ---- */

static int apply(const struct subject *subject, const char *text, const struct cf_kubeadm *kubeadm,
                 const struct wanted *wanted, struct cf_override_result *result,
                 struct cf_error *err)
{
    struct cf_image_options options = wanted->image;
    struct cf_overrides overrides = {0};
    char name[CF_TAGGED_SIZE];
    int r = cf_kubeadm_override(kubeadm, &overrides, err);

    options.created_by = "cloudfs kubeadm --apply";
    if (r == 0 && subject->is_image)
        r = cli_new_name(subject->store, text, wanted->tag, name, err);
    if (r == 0)
        r = subject->is_image ? cf_override_image(subject->store, subject->image, &overrides,
                                                  &options, name, false, result, err)
                              : cf_override_dir(subject->dir, &overrides, false, result, err);
    cf_overrides_done(&overrides);
    return r;
}

static int put_result(const struct cli *cli, const struct cf_kubeadm *kubeadm,
                      const struct wanted *wanted, const struct cf_override_result *result,
                      struct cf_error *err)
{
    size_t len;

    if (cli->json)
        return put_json(kubeadm, wanted, result, err);
    for (size_t i = 0; i < kubeadm->warning_count; i++)
        cli_warn(cli, "%s", kubeadm->warnings[i]);
    if (wanted->explain)
        return put_table(kubeadm, err);
    if (!wanted->apply) {
        const char *text = cf_edit_text(kubeadm->edit, &len);
        fwrite(text, 1, len, stdout);
        return 0;
    }
    cli_put_override(cli, result);
    return 0;
}

static int run(struct cli *cli, const char *text, const struct wanted *wanted, struct cf_error *err)
{
    struct subject subject cf_cleanup(subject_done) = {0};
    struct cf_kubeadm kubeadm cf_cleanup(cf_kubeadm_done) = {0};
    struct cf_override_result result cf_cleanup(cf_override_result_done) = {0};
    int r = open_subject(cli, text, &subject, err);

    if (r == 0 && wanted->tag && !subject.is_image)
        r = cf_fail(err, -EINVAL, "%s is a directory: -t is the name of a new image", text);
    const struct cf_kubeadm_from from = {subject.store, subject.image, subject.dir};
    if (r == 0)
        r = cf_kubeadm_open(&from, &kubeadm, err);
    if (r == 0 && wanted->apply)
        r = apply(&subject, text, &kubeadm, wanted, &result, err);
    return r < 0 ? r : put_result(cli, &kubeadm, wanted, &result, err);
}

int cli_kubeadm(struct cli *cli, int argc, char **argv)
{
    struct cli_image_options image = {0};
    struct wanted wanted = {0};
    const struct cli_option options[] = {
        {0, "explain", NULL, CLI_FLAG, &wanted.explain, "say where each field comes from"},
        {0, "apply", NULL, CLI_FLAG, &wanted.apply, "write it: into a new image, or the directory"},
        {'t', "tag", "REF", CLI_STRING, &wanted.tag,
         "name of the new image (default: the same name)"},
        CLI_IMAGE_OPTIONS(image),
        {0},
    };
    struct cf_error err = {0};
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);

    if (status < 0)
        status = cli_image_options(cli, &image, &wanted.image);
    if (status < 0 && wanted.tag && !wanted.apply)
        status = cli_usage_error(cli, "-t names a new image: it needs --apply");
    if (status < 0 && wanted.explain && wanted.apply && !cli->json)
        status = cli_usage_error(cli, "--explain and --apply are two things (or --json)");
    if (status < 0)
        status = run(cli, argc ? argv[0] : ".", &wanted, &err) < 0 ? cli_failed(&err) : CLI_OK;
    cli_image_options_done(&image);
    return cli_finish(status);
}
