/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <string.h>

static bool name_matches(const char *name, const char *wanted)
{
    if (!wanted)
        return true;
    size_t len = strlen(wanted);
    const char *colon = strrchr(name, ':');
    return !strcmp(name, wanted) ||
           (colon && (size_t)(colon - name) == len && !strncmp(name, wanted, len));
}

static bool entry_matches(const struct cf_image_entry *entry, const char *wanted)
{
    if (!wanted)
        return true;
    for (size_t i = 0; i < entry->name_count; i++)
        if (name_matches(entry->names[i], wanted))
            return true;
    return false;
}

static void add_rows(struct cli_table *table, const struct cf_image_entry *entry,
                     const char *wanted)
{
    char id[CF_DIGEST_HEX_SIZE], size[16], age[40];
    cf_digest_hex(&entry->config, id);
    id[12] = 0;
    cli_human_size(entry->size, size);
    cli_human_age(entry->created, age);
    const char *platform = entry->platform ? entry->platform : "";
    if (!entry->name_count)
        (void)cli_table_add(table, "<none>", "<none>", id, age, size, platform);
    for (size_t i = 0; i < entry->name_count; i++) {
        char name[512];
        if (!name_matches(entry->names[i], wanted))
            continue;
        snprintf(name, sizeof name, "%s", entry->names[i]);
        char *colon = strrchr(name, ':');
        if (colon)
            *colon = 0;
        (void)cli_table_add(table, name, colon ? colon + 1 : "", id, age, size, platform);
    }
}

static struct cf_json *entry_json(const struct cf_image_entry *entry)
{
    char id[CF_DIGEST_TEXT_SIZE], manifest[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json = cf_json_object();
    struct cf_json *names = cf_json_array();
    cf_digest_text(&entry->config, id);
    cf_digest_text(&entry->manifest, manifest);
    for (size_t i = 0; i < entry->name_count; i++)
        (void)cf_json_append(names, cf_json_new_string(entry->names[i]));
    (void)cf_json_set_string(json, "Id", id);
    (void)cf_json_set_string(json, "Digest", manifest);
    (void)cf_json_set(json, "Names", names);
    if (entry->created)
        (void)cf_json_set_string(json, "Created", entry->created);
    if (entry->platform)
        (void)cf_json_set_string(json, "Platform", entry->platform);
    (void)cf_json_set_int(json, "Size", (int64_t)entry->size);
    return json;
}

/* The name of an index is that of several images. */
static bool was_named(const struct cf_image_entry *entries, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < entries[i].name_count; k++)
            if (!strcmp(entries[i].names[k], name))
                return true;
    return false;
}

static void put_brief(const struct cf_image_entry *entries, size_t i, bool names)
{
    const struct cf_image_entry *entry = &entries[i];
    char id[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(&entry->config, id);
    if (!names)
        puts(id);
    for (size_t k = 0; names && k < entry->name_count; k++)
        if (!was_named(entries, i, entry->names[k]))
            puts(entry->names[k]);
}

/* Whether the images that are to be shown are for several platforms. */
static bool is_mixed(const struct cf_image_entry *entries, size_t count, const char *wanted)
{
    const char *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *platform = entries[i].platform ? entries[i].platform : "";
        if (!entry_matches(&entries[i], wanted))
            continue;
        if (first && strcmp(first, platform) != 0)
            return true;
        first = platform;
    }
    return false;
}

int cli_images(struct cli *cli, int argc, char **argv)
{
    static const char *const headers[] = {"NAME", "TAG", "IMAGE ID", "CREATED", "SIZE", "PLATFORM"};
    bool names = false, all = false;
    const struct cli_option options[] = {
        {'a', "all", NULL, CLI_FLAG, &all, "show intermediate images too"},
        {0, "names", NULL, CLI_FLAG, &names, "print only names"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image_entry *entries = NULL;
    size_t count = 0;
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);
    if (status >= 0)
        return status;
    const char *wanted = argc ? argv[0] : NULL;
    if (cli_open_store(cli, 0, &store, &err) < 0 ||
        cf_image_list(store, &entries, &count, &err) < 0)
        return cli_failed(&err);
    struct cli_table *table =
        cli_table_new(headers, CF_COUNT(headers) - !is_mixed(entries, count, wanted));
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    for (size_t i = 0; i < count; i++) {
        if (!entry_matches(&entries[i], wanted) || (entries[i].intermediate && !all))
            continue;
        if (cli->json)
            (void)cf_json_append(list, entry_json(&entries[i]));
        else if (cli->quiet || names)
            put_brief(entries, i, names);
        else
            add_rows(table, &entries[i], wanted);
    }
    status = CLI_OK;
    if (cli->json && cli_put_json(list, &err) < 0)
        status = cli_failed(&err);
    FILE *out = cli->json || cli->quiet || names ? NULL : stdout;
    cli_table_print(table, out);
    cf_image_list_free(entries, count);
    return cli_finish(status);
}
