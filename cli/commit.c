/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/check.h>

#include <errno.h>

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

static int commit(struct cli *cli, const char *where, bool strict,
                  struct cf_commit_options *options)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_commit_result result = {0};
    if (cli_mount_open(cli, where, &store, &mount, &err) < 0)
        return cli_failed(&err);
    struct looking looking = {cli, store, strict};
    options->look = look;
    options->look_context = &looking;
    cli_progress_start(cli);
    int r = cf_commit(store, mount, options, &result, &err);
    cli_progress_end();
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
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &commit_options.name, "name of the new image (needed)"},
        CLI_IMAGE_OPTIONS(image),
        {0, "squash", NULL, CLI_FLAG, &commit_options.squash, "one layer of everything"},
        {0, "dry-run", NULL, CLI_FLAG, &commit_options.dry_run,
         "only list what would be committed"},
        {0, "strict", NULL, CLI_FLAG, &strict, "make nothing where `check` would find something"},
        {0, "advance", NULL, CLI_FLAG, &commit_options.advance,
         "go on from the new image, with no changes left"},
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);
    if (status < 0 && !commit_options.name && !commit_options.dry_run)
        status = cli_usage_error(cli, "-t REF is needed: the name of the new image");
    if (status < 0)
        status = cli_image_options(cli, &image, &commit_options.image);
    if (status < 0)
        status = commit(cli, argc ? argv[0] : NULL, strict, &commit_options);
    cli_image_options_done(&image);
    return cli_finish(status);
}
