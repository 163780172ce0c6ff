/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/check.h>

#include <errno.h>
#include <string.h>

struct cf_json *cli_changes_json(const struct cf_changes *changes)
{
    struct cf_json *list = cf_json_array();
    for (size_t i = 0; i < changes->count; i++) {
        const char kind[2] = {changes->list[i].kind, 0};
        struct cf_json *json = cf_json_object();
        (void)cf_json_set_string(json, "Kind", kind);
        (void)cf_json_set_string(json, "Path", changes->list[i].path);
        (void)cf_json_append(list, json);
    }
    return list;
}

static int put_json(const struct cf_commit_result *result, const char *name, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    if (result->image) {
        cf_digest_text(&result->image->config, text);
        (void)cf_json_set_string(json, "Id", text);
        cf_digest_text(&result->image->manifest, text);
        (void)cf_json_set_string(json, "Digest", text);
    }
    if (name)
        (void)cf_json_set_string(json, "Name", name);
    (void)cf_json_set_bool(json, "Unchanged", result->unchanged);
    if (result->image && !result->unchanged) {
        cf_digest_text(&result->layer.diff_id, text);
        (void)cf_json_set_string(json, "DiffId", text);
        (void)cf_json_set_int(json, "LayerSize", (int64_t)result->layer.tar_size);
    }
    (void)cf_json_set_int(json, "PauseMicroseconds", (int64_t)result->pause_us);
    (void)cf_json_set(json, "Changes", cli_changes_json(&result->changes));
    return cli_put_json(json, err);
}

static void put_changes(const struct cf_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        printf("%c %s\n", changes->list[i].kind, changes->list[i].path);
}

struct looking {
    const struct cli *cli;
    struct cf_store *store;
    bool strict;
};

/* What is wrong with the files of the new layer. */
static int look(void *context, const struct cf_image *base, const struct cf_layer_info *layer,
                struct cf_error *err)
{
    const struct looking *looking = context;
    const struct cf_check_options options = {0};
    struct cf_check_result found cf_cleanup(cf_check_result_done) = {0};
    int r = cf_check_layer(looking->store, base, &layer->diff_id, &options, &found, err);

    if (r < 0)
        return r;
    cli_warn_findings(looking->cli, &found);
    return looking->strict && found.count
               ? cf_fail(err, -EINVAL, "--strict: %zu findings, nothing is committed", found.count)
               : 0;
}

/* ---- templates ---- */

struct templates {
    bool render;
    const char *clusterfile;
    struct cli_list env;
};

/* Into the mount, as if by hand: so the commit has them. */
static int render(struct cf_store *store, const struct cf_mount *mount,
                  const struct templates *templates, bool dry_run,
                  struct cf_override_result *result, struct cf_error *err)
{
    struct cf_overrides overrides cf_cleanup(cf_overrides_done) = {0};
    int r = 0;

    if (mount->state != CF_MOUNT_LIVE)
        return cf_fail(err, -EINVAL,
                       "--render writes into the mount, and %s is not mounted: mount --resume it, "
                       "or use override --render on the new image",
                       mount->id);
    if (templates->clusterfile)
        r = cf_override_env_read(&overrides.env, templates->clusterfile, err);
    if (r == 0)
        r = cli_render(store, NULL, mount->mountpoint, &templates->env, &overrides, err);
    return r < 0 ? r : cf_override_dir(mount->mountpoint, &overrides, dry_run, result, err);
}

/* What a dry run would have rendered, beside what is changed already. */
static int add_rendered(struct cf_changes *changes, const struct cf_changes *rendered)
{
    size_t known = changes->count;
    int r = 0;

    for (size_t i = 0; i < rendered->count && r == 0; i++) {
        const struct cf_change *change = &rendered->list[i];
        bool is_known = false;
        for (size_t k = 0; k < known && !is_known; k++)
            is_known = !strcmp(changes->list[k].path, change->path);
        if (!is_known)
            r = cf_changes_add(changes, change, change->path, strlen(change->path));
    }
    cf_changes_sort(changes);
    return r;
}

static int commit(struct cli *cli, const char *where, const struct templates *templates,
                  bool strict, struct cf_commit_options *options)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_commit_result result = {0};
    struct cf_override_result rendered cf_cleanup(cf_override_result_done) = {0};
    if (cli_mount_open(cli, where, &store, &mount, &err) < 0)
        return cli_failed(&err);
    if (templates->render && render(store, mount, templates, options->dry_run, &rendered, &err) < 0)
        return cli_failed(&err);
    struct looking looking = {cli, store, strict};
    options->look = look;
    options->look_context = &looking;
    cli_progress_start(cli);
    int r = cf_commit(store, mount, options, &result, &err);
    cli_progress_end();
    if (r >= 0 && options->dry_run && add_rendered(&result.changes, &rendered.changes) < 0)
        r = cf_fail(&err, -ENOMEM, "out of memory");
    int status = r < 0 ? cli_failed(&err) : CLI_OK;
    if (r >= 0 && cli->json)
        status = put_json(&result, options->name, &err) < 0 ? cli_failed(&err) : CLI_OK;
    else if (r >= 0 && options->dry_run)
        put_changes(&result.changes);
    else if (result.image)
        status = cli_put_image(cli, result.image, options->name) == CLI_OK ? status : CLI_FAILED;
    if (r >= 0 && result.unchanged && !options->dry_run)
        cli_warn(cli, "nothing is changed: %s is the image as it was mounted", options->name);
    cf_commit_result_done(&result);
    return status;
}

int cli_commit(struct cli *cli, int argc, char **argv)
{
    struct cli_image_options image = {0};
    struct cf_commit_options commit_options = {.progress = cli_progress};
    bool strict = false;
    struct templates templates = {0};
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &commit_options.name, "name of the new image (needed)"},
        CLI_IMAGE_OPTIONS(image),
        {0, "squash", NULL, CLI_FLAG, &commit_options.squash, "one layer of everything"},
        {0, "dry-run", NULL, CLI_FLAG, &commit_options.dry_run,
         "only list what would be committed"},
        {0, "strict", NULL, CLI_FLAG, &strict, "make nothing where `check` would find something"},
        {0, "advance", NULL, CLI_FLAG, &commit_options.advance,
         "go on from the new image, with no changes left"},
        {0, "render", NULL, CLI_FLAG, &templates.render, "first render the templates (*.tmpl)"},
        {0, "env", "NAME=VALUE", CLI_LIST, &templates.env, "variable of templates (repeatable)"},
        {0, "clusterfile", "FILE", CLI_STRING, &templates.clusterfile,
         "Clusterfile with further variables, in its env"},
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);
    if (status < 0 && !commit_options.name && !commit_options.dry_run)
        status = cli_usage_error(cli, "-t REF is needed: the name of the new image");
    if (status < 0 && (templates.env.count || templates.clusterfile) && !templates.render)
        status = cli_usage_error(cli, "--env and --clusterfile are for templates: they need "
                                      "--render");
    if (status < 0)
        status = cli_image_options(cli, &image, &commit_options.image);
    if (status < 0)
        status = commit(cli, argc ? argv[0] : NULL, &templates, strict, &commit_options);
    cli_list_done(&templates.env);
    cli_image_options_done(&image);
    return cli_finish(status);
}
