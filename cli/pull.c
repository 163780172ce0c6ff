/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "registry.h"

#include <cloudfs/transfer.h>

static int put_json(const struct cf_pulled *pulled, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    cli_set_identity(json, pulled->image);
    if (pulled->name)
        (void)cf_json_set_string(json, "Name", pulled->name);
    (void)cf_json_set_int(json, "BytesFetched", (int64_t)pulled->fetched);
    (void)cf_json_set_int(json, "BytesReused", (int64_t)pulled->reused);
    (void)cf_json_set_int(json, "LayersFetched", (int64_t)pulled->layers_fetched);
    (void)cf_json_set_int(json, "LayersReused", (int64_t)pulled->layers_reused);
    (void)cf_json_set_int(json, "Requests", (int64_t)pulled->requests);
    return cli_put_json(json, err);
}

int cli_pull(struct cli *cli, int argc, char **argv)
{
    struct cli_registry_options own = {0};
    struct cf_pull_options pull = {.progress = cli_progress};
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &pull.name, "name in the store, instead of its own"},
        {0, "platform", "P,...", CLI_STRING, &pull.platform,
         "os/arch[/variant] to choose; of several an index is kept"},
        {0, "all-platforms", NULL, CLI_FLAG, &pull.all_platforms, "all images of an index"},
        CLI_REGISTRY_OPTIONS(own),
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_registry *registry cf_cleanup(cf_registry_close_ptr) = NULL;
    struct cf_pulled pulled cf_cleanup(cf_pulled_done) = {0};
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    if (status < 0)
        status = cli_check_platforms(cli, pull.platform, pull.all_platforms);
    if (status < 0)
        status = cli_transfer_open(cli, &own, &store, &registry);
    if (status >= 0)
        return status;
    if (cf_pull(store, registry, argv[0], &pull, &pulled, &err) < 0)
        return cli_failed(&err);
    cli_progress_end();
    if (!cli->json)
        return cli_finish(cli_put_image(cli, pulled.image, pulled.name));
    return put_json(&pulled, &err) < 0 ? cli_failed(&err) : cli_finish(CLI_OK);
}
