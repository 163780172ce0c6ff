/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/look.h>

#include <stdlib.h>

static struct cf_json *entry_json(const struct cf_history *entry)
{
    char digest[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json = cf_json_object();
    const struct {
        const char *key, *value;
    } texts[] = {{"Created", entry->created},
                 {"CreatedBy", entry->created_by},
                 {"Author", entry->author},
                 {"Comment", entry->comment}};
    for (size_t i = 0; i < CF_COUNT(texts); i++)
        if (texts[i].value)
            (void)cf_json_set_string(json, texts[i].key, texts[i].value);
    (void)cf_json_set_bool(json, "EmptyLayer", entry->empty_layer);
    if (entry->diff_id) {
        cf_digest_text(entry->diff_id, digest);
        (void)cf_json_set_string(json, "DiffId", digest);
        (void)cf_json_set_int(json, "Size", (int64_t)entry->size);
    }
    return json;
}

static void add_row(struct cli_table *table, const struct cf_history *entry, bool whole)
{
    char layer[CF_DIGEST_HEX_SIZE] = "<empty>", age[40], size[16], by[512];
    if (entry->diff_id) {
        cf_digest_hex(entry->diff_id, layer);
        layer[12] = 0;
    }
    cli_human_age(entry->created, age);
    cli_human_size(entry->diff_id ? entry->size : 0, size);
    int most = whole ? (int)sizeof by - 1 : 60;
    int n = snprintf(by, sizeof by, "%.*s", most, entry->created_by ? entry->created_by : "");
    if (n >= most && n > 3 && !whole)
        snprintf(by + n - 3, 4, "...");
    (void)cli_table_add(table, layer, age, by, size, entry->comment ? entry->comment : "");
}

int cli_history(struct cli *cli, int argc, char **argv)
{
    static const char *const headers[] = {"LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT"};
    bool whole = false;
    const struct cli_option options[] = {
        {0, "no-trunc", NULL, CLI_FLAG, &whole, "do not shorten"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_history *entries cf_autofree = NULL;
    size_t count = 0;
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0 ||
        cf_image_find(store, argv[0], &image, &err) < 0 ||
        cf_image_history(image, &entries, &count, &err) < 0)
        return cli_failed(&err);
    struct cli_table *table = cli_table_new(headers, CF_COUNT(headers));
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    for (size_t i = count; i-- > 0;) {
        char id[CF_DIGEST_TEXT_SIZE];
        if (cli->json)
            (void)cf_json_append(list, entry_json(&entries[i]));
        else if (!cli->quiet)
            add_row(table, &entries[i], whole);
        else if (entries[i].diff_id) {
            cf_digest_text(entries[i].diff_id, id);
            puts(id);
        }
    }
    status = CLI_OK;
    if (cli->json && cli_put_json(list, &err) < 0)
        status = cli_failed(&err);
    cli_table_print(table, cli->json || cli->quiet ? NULL : stdout);
    return cli_finish(status);
}
