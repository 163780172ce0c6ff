/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

/* Prints the ID of an image that was made, as JSON with its manifest and name where asked. */
void cli_set_identity(struct cf_json *json, const struct cf_image *image)
{
    char text[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(&image->config, text);
    (void)cf_json_set_string(json, "Id", text);
    cf_digest_text(&image->manifest, text);
    (void)cf_json_set_string(json, "Digest", text);
    cf_digest_text(&image->index, text);
    if (image->has_index)
        (void)cf_json_set_string(json, "Index", text);
}

int cli_put_image(const struct cli *cli, const struct cf_image *image, const char *name)
{
    char id[CF_DIGEST_TEXT_SIZE];
    struct cf_error err = {0};
    cf_digest_text(image->has_index ? &image->index : &image->config, id);
    if (!cli->json) {
        puts(id);
        return CLI_OK;
    }
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    cli_set_identity(json, image);
    if (name)
        (void)cf_json_set_string(json, "Name", name);
    return cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK;
}

static int import(struct cli *cli, const char *source, const struct cf_import_options *options)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    cli_progress_start(cli);
    if (cf_import(store, source, options, &image, &err) < 0)
        return cli_failed(&err);
    cli_progress_end();
    return cli_put_image(cli, image, options->name);
}

int cli_import(struct cli *cli, int argc, char **argv)
{
    struct cli_image_options image = {0};
    struct cf_import_options import_options = {.progress = cli_progress};
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &import_options.name, "name of the new image (needed)"},
        {0, "base", "REF", CLI_STRING, &import_options.base, "image to put the layer on top of"},
        {0, "platform", "P", CLI_STRING, &image.platform, "os/arch[/variant] of the image"},
        CLI_IMAGE_OPTIONS(image),
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    if (status < 0 && !import_options.name)
        status = cli_usage_error(cli, "-t REF is needed: the name of the new image");
    if (status < 0)
        status = cli_image_options(cli, &image, &import_options.image);
    if (status < 0)
        status = import(cli, argv[0], &import_options);
    cli_image_options_done(&image);
    return cli_finish(status);
}
