/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

int cli_df(struct cli *cli, int argc, char **argv)
{
    static const char *const headers[] = {"TYPE", "COUNT", "SIZE"};
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_df df = {0};
    int status = cli_parse(cli, NULL, &argc, &argv, 0, 0);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0 || cf_store_df(store, &df, &err) < 0)
        return cli_failed(&err);
    const struct {
        const char *name;
        uint64_t count, bytes;
        bool counted;
    } rows[] = {
        {"Objects", df.objects, df.objects_bytes, true},
        {"Layers", df.layers, df.layers_bytes, true},
        {"Trees", df.trees, df.trees_bytes, true},
        {"Blobs", df.blobs, df.blobs_bytes, true},
        {"Mounts", df.mounts, df.mounts_bytes, true},
        {"Temporary", 0, df.tmp_bytes, false},
    };
    struct cli_table *table = cli_table_new(headers, CF_COUNT(headers));
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    uint64_t total = 0;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        char count[24] = "", size[16];
        struct cf_json *row = cf_json_object();
        if (rows[i].counted) {
            snprintf(count, sizeof count, "%llu", (unsigned long long)rows[i].count);
            (void)cf_json_set_int(row, "Count", (int64_t)rows[i].count);
        }
        (void)cf_json_set_int(row, "Bytes", (int64_t)rows[i].bytes);
        (void)cf_json_set(json, rows[i].name, row);
        cli_human_size(rows[i].bytes, size);
        (void)cli_table_add(table, rows[i].name, count, size);
        total += rows[i].bytes;
    }
    char size[16];
    cli_human_size(total, size);
    (void)cli_table_add(table, "Total", "", size);
    (void)cf_json_set_int(json, "Bytes", (int64_t)total);
    cli_table_print(table, cli->json ? NULL : stdout);
    status = cli->json && cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK;
    return cli_finish(status);
}
