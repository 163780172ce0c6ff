/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/merge.h>

#include <errno.h>

struct told {
    const struct cli *cli;
    struct cf_json *conflicts; /* with --json */
};

static void tell(const struct cf_merge_conflict *conflict, void *context)
{
    struct told *told = context;
    struct cf_json *one = told->conflicts ? cf_json_object() : NULL;
    const char kind[2] = {conflict->kind, '\0'};

    if (one) {
        (void)cf_json_set_string(one, "Kind", kind);
        (void)cf_json_set_string(one, "Path", conflict->path);
        (void)cf_json_set_string(one, "Image", conflict->image);
        (void)cf_json_append(told->conflicts, one);
        return;
    }
    cli_warn(told->cli, "%s: %s %s what the images before have", conflict->path, conflict->image,
             conflict->kind == 'D' ? "removes" : "replaces");
}

static int put(const struct cli *cli, const struct cf_image *image, const char *name,
               struct told *told, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];

    if (!cli->json)
        return cli_put_image(cli, image, name);
    json = cf_json_object();
    cf_digest_text(&image->config, text);
    (void)cf_json_set_string(json, "Id", text);
    cf_digest_text(&image->manifest, text);
    (void)cf_json_set_string(json, "Digest", text);
    (void)cf_json_set_string(json, "Name", name);
    (void)cf_json_set(json, "Conflicts", CF_TAKE(told->conflicts));
    return cli_put_json(json, err) < 0 ? cli_failed(err) : CLI_OK;
}

int cli_merge(struct cli *cli, int argc, char **argv)
{
    struct cli_image_options image_options = {0};
    struct told told = {.cli = cli};
    struct cf_merge_options merge = {.conflict = tell, .conflict_context = &told};
    const char *platform_text = NULL;
    struct cf_platform platform;
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &merge.name, "name of the new image (needed)"},
        {0, "target-image", "REF", CLI_STRING, &merge.name, "the same, as sealer spells it"},
        {0, "platform", "P", CLI_STRING, &platform_text, "os/arch[/variant] of the images"},
        CLI_IMAGE_OPTIONS(image_options),
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 2, -1);

    if (status < 0 && !merge.name)
        status = cli_usage_error(cli, "-t REF is needed: the name of the new image");
    if (status < 0)
        status = cli_image_options(cli, &image_options, &merge.image);
    if (status < 0 && platform_text) {
        merge.platform = &platform;
        if (cf_platform_parse(platform_text, &platform, &err) < 0)
            status = cli_usage_error(cli, "%s", err.text);
    }
    if (status < 0) {
        told.conflicts = cli->json ? cf_json_array() : NULL;
        status = cli_open_store(cli, 0, &store, &err) < 0 ||
                         cf_image_merge(store, (const char *const *)argv, (size_t)argc, &merge,
                                        &image, &err) < 0
                     ? cli_failed(&err)
                     : put(cli, image, merge.name, &told, &err);
    }
    cf_json_free(told.conflicts);
    cli_image_options_done(&image_options);
    return cli_finish(status);
}
