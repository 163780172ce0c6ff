/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/override.h>

#include <errno.h>
#include <string.h>

struct wanted {
    struct cf_overrides overrides;
    struct cf_image_options image;
    const char *tag;
    struct cli_list env;
    bool dry_run, patch, render;
};

/* By the names of the options that make them. */
static int add_all(const struct cli_list *list, struct cf_overrides *overrides,
                   struct cf_error *err)
{
    static const struct {
        const char *name;
        enum cf_override_kind kind;
    } kinds[] = {
        {"set", CF_OVERRIDE_SET},       {"set-string", CF_OVERRIDE_SET_STRING},
        {"append", CF_OVERRIDE_APPEND}, {"delete", CF_OVERRIDE_DELETE},
        {"merge", CF_OVERRIDE_MERGE},   {"replace", CF_OVERRIDE_REPLACE},
        {"copy", CF_OVERRIDE_COPY},     {"rm", CF_OVERRIDE_REMOVE},
        {"chmod", CF_OVERRIDE_CHMOD},
    };
    int r = 0;

    for (size_t i = 0; i < list->count && r == 0; i++) {
        if (!strcmp(list->names[i], "file"))
            r = cf_overrides_read(overrides, list->items[i], err);
        for (size_t k = 0; k < CF_COUNT(kinds) && r == 0; k++)
            if (!strcmp(list->names[i], kinds[k].name)) {
                r = cf_overrides_add(overrides, kinds[k].kind, list->items[i], err);
                if (r < 0)
                    r = cf_fail_in(err, r, "--%s", kinds[k].name);
            }
    }
    return r;
}

void cli_override_json(struct cf_json *json, const struct cf_override_result *result)
{
    if (result->image)
        cli_set_identity(json, result->image);
    (void)cf_json_set(json, "Changes", cli_changes_json(&result->changes));
}

void cli_put_override(const struct cli *cli, const struct cf_override_result *result)
{
    char id[CF_DIGEST_TEXT_SIZE];

    if (!result->changes.count && !cli->quiet)
        fputs("cloudfs: nothing to change: all is as it should be\n", stderr);
    if (result->image) {
        cf_digest_text(&result->image->config, id);
        puts(id);
    }
}

static int put_json(const struct cf_override_result *result, const struct wanted *wanted,
                    struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();

    cli_override_json(json, result);
    if (wanted->patch || wanted->dry_run)
        (void)cf_json_set_string(json, "Patch", result->patch.data ? result->patch.data : "");
    return cli_put_json(json, err);
}

static int put_result(const struct cli *cli, const struct cf_override_result *result,
                      const struct wanted *wanted, struct cf_error *err)
{
    if (cli->json)
        return put_json(result, wanted, err);
    if ((wanted->patch || wanted->dry_run) && result->patch.len)
        fwrite(result->patch.data, 1, result->patch.len, stdout);
    cli_put_override(cli, result);
    return 0;
}

static int run(struct cli *cli, const char *text, struct wanted *wanted,
               struct cf_override_result *result, struct cf_error *err)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    char name[CF_TAGGED_SIZE], *dir cf_autofree = NULL;
    int r = cli_open_store(cli, 0, &store, err);

    if (r == 0)
        r = cli_image_or_dir(store, text, &image, &dir, err);
    if (r == 0 && dir && wanted->tag)
        r = cf_fail(err, -EINVAL, "%s is a directory: -t is the name of a new image", text);
    if (r == 0 && image && !wanted->dry_run)
        r = cli_new_name(store, text, wanted->tag, name, err);
    if (r == 0 && wanted->render)
        r = cli_render(store, image, dir, &wanted->env, &wanted->overrides, err);
    if (r < 0)
        return r;
    r = image ? cf_override_image(store, image, &wanted->overrides, &wanted->image, name,
                                  wanted->dry_run, result, err)
              : cf_override_dir(dir, &wanted->overrides, wanted->dry_run, result, err);
    return r < 0 ? r : put_result(cli, result, wanted, err);
}

int cli_override(struct cli *cli, int argc, char **argv)
{
    struct cli_list list = {0};
    struct cli_image_options image = {0};
    struct wanted wanted = {0};
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &wanted.tag,
         "name of the new image (default: the same name)"},
        {'f', "file", "FILE", CLI_LIST, &list, "overrides from a file, or a Clusterfile's Configs"},
        {0, "set", "FILE:PATH=VALUE", CLI_LIST, &list,
         "set a value; of another type only over null"},
        {0, "set-string", "FILE:PATH=VALUE", CLI_LIST, &list, "set a value that is a string"},
        {0, "append", "FILE:PATH=VALUE", CLI_LIST, &list, "add an item to a list that has it not"},
        {0, "delete", "FILE:PATH", CLI_LIST, &list, "remove a key, an item or a document"},
        {0, "merge", "FILE=PATCH", CLI_LIST, &list, "merge a file of YAML or JSON into one"},
        {0, "replace", "FILE=SRC", CLI_LIST, &list, "give a file another content"},
        {0, "copy", "FILE=SRC", CLI_LIST, &list, "the same; new files and directories too"},
        {0, "rm", "FILE", CLI_LIST, &list, "remove a file or directory"},
        {0, "chmod", "FILE=MODE", CLI_LIST, &list, "change a mode (octal)"},
        {0, "render", NULL, CLI_FLAG, &wanted.render, "first render the templates (*.tmpl)"},
        {0, "env", "NAME=VALUE", CLI_LIST, &wanted.env, "variable of templates (repeatable)"},
        {0, "dry-run", NULL, CLI_FLAG, &wanted.dry_run,
         "show the unified diff, and change nothing"},
        {'p', "patch", NULL, CLI_FLAG, &wanted.patch, "show the unified diff"},
        CLI_IMAGE_OPTIONS(image),
        {0},
    };
    struct cf_error err = {0};
    struct cf_override_result result = {0};
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);

    if (status < 0)
        status = cli_image_options(cli, &image, &wanted.image);
    if (status < 0 && wanted.env.count && !wanted.render)
        status = cli_usage_error(cli, "--env is for templates: it needs --render");
    if (status < 0 && !list.count && !wanted.render)
        status = cli_usage_error(cli, "what to change is missing: --set, --merge, -f ...");
    if (status < 0)
        status = add_all(&list, &wanted.overrides, &err) < 0 ||
                         run(cli, argc ? argv[0] : ".", &wanted, &result, &err) < 0
                     ? cli_failed(&err)
                     : CLI_OK;
    cf_override_result_done(&result);
    cf_overrides_done(&wanted.overrides);
    cli_image_options_done(&image);
    cli_list_done(&list);
    cli_list_done(&wanted.env);
    return cli_finish(status);
}
