/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/cache.h>

/* What a registry/ costs, repository by repository. */
static int df_registry(struct cli *cli, const char *text, struct cf_error *err)
{
    static const char *const headers[] = {"REPOSITORY", "TAGS", "OWN", "SHARED"};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *list_json = cf_json_array();
    struct cf_registry_list list = {0};
    char own[16], shared[16], tags[24];
    int r = cli_rootfs_open(cli, text, &store, &rootfs, NULL, err);

    if (r == 0)
        r = cf_registry_read(rootfs, &list, err);
    if (r < 0) {
        cf_json_free(list_json);
        return r;
    }
    struct cli_table *table = cli_table_new(headers, CF_COUNT(headers));
    for (size_t i = 0; i < list.repository_count; i++) {
        const struct cf_registry_repository *one = &list.repositories[i];
        struct cf_json *row = cf_json_object();
        (void)cf_json_set_string(row, "Repository", one->name);
        (void)cf_json_set_int(row, "Tags", (int64_t)one->tags);
        (void)cf_json_set_int(row, "Own", (int64_t)one->own);
        (void)cf_json_set_int(row, "Shared", (int64_t)one->shared);
        (void)cf_json_append(list_json, row);
        snprintf(tags, sizeof(tags), "%zu", one->tags);
        cli_human_size(one->own, own);
        cli_human_size(one->shared, shared);
        (void)cli_table_add(table, one->name, tags, own, shared);
    }
    cli_human_size(list.bytes, own);
    snprintf(tags, sizeof(tags), "%zu", list.image_count);
    (void)cli_table_add(table, "Total", tags, own, "");
    (void)cf_json_set(json, "Repositories", list_json);
    (void)cf_json_set_int(json, "Bytes", (int64_t)list.bytes);
    cli_table_print(table, cli->json ? NULL : stdout);
    cf_registry_list_done(&list);
    return cli->json ? cli_put_json(json, err) : 0;
}

int cli_df(struct cli *cli, int argc, char **argv)
{
    static const char *const headers[] = {"TYPE", "COUNT", "SIZE"};
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_df df = {0};
    int status = cli_parse(cli, NULL, &argc, &argv, 0, 1);
    if (status >= 0)
        return status;
    if (argc)
        return cli_finish(df_registry(cli, argv[0], &err) < 0 ? cli_failed(&err) : CLI_OK);
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
