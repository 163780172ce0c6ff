/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>

static int put_gc_json(const struct cf_gc_result *result, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    (void)cf_json_set_int(json, "Objects", (int64_t)result->objects);
    (void)cf_json_set_int(json, "Layers", (int64_t)result->layers);
    (void)cf_json_set_int(json, "Trees", (int64_t)result->trees);
    (void)cf_json_set_int(json, "Blobs", (int64_t)result->blobs);
    (void)cf_json_set_int(json, "Temporaries", (int64_t)result->temporaries);
    (void)cf_json_set_int(json, "Bytes", (int64_t)result->bytes);
    return cli_put_json(json, err);
}

int cli_gc(struct cli *cli, int argc, char **argv)
{
    bool dry_run = false;
    const struct cli_option options[] = {
        {'n', "dry-run", NULL, CLI_FLAG, &dry_run, "only say what would be removed"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_gc_result result = {0};
    char size[16];
    int status = cli_parse(cli, options, &argc, &argv, 0, 0);
    if (status >= 0)
        return status;
    int r = cli_open_store(cli, CF_STORE_EXCLUSIVE | CF_STORE_NOWAIT, &store, &err);
    if (r == -EBUSY) {
        cli_warn(cli, "another command uses the store: waiting for it to end");
        r = cli_open_store(cli, CF_STORE_EXCLUSIVE, &store, &err);
    }
    if (r < 0 || cf_store_gc(store, dry_run, &result, &err) < 0)
        return cli_failed(&err);
    if (cli->json && put_gc_json(&result, &err) < 0)
        return cli_failed(&err);
    cli_human_size(result.bytes, size);
    if (!cli->json && !cli->quiet)
        printf("%s %s: %llu objects, %llu layers, %llu trees, %llu blobs, %llu temporary files\n",
               dry_run ? "would remove" : "removed", size, (unsigned long long)result.objects,
               (unsigned long long)result.layers, (unsigned long long)result.trees,
               (unsigned long long)result.blobs, (unsigned long long)result.temporaries);
    return cli_finish(CLI_OK);
}
