/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/archive.h>

static int put_loaded_json(const struct cf_loaded *loaded, size_t count, struct cf_error *err)
{
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    for (size_t i = 0; i < count; i++) {
        struct cf_json *json = cf_json_object();
        cli_set_identity(json, loaded[i].image);
        if (loaded[i].name)
            (void)cf_json_set_string(json, "Name", loaded[i].name);
        (void)cf_json_append(list, json);
    }
    return cli_put_json(list, err);
}

static void put_loaded(const struct cli *cli, const struct cf_loaded *loaded, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char id[CF_DIGEST_TEXT_SIZE];
        const struct cf_image *image = loaded[i].image;
        cf_digest_text(image->has_index ? &image->index : &image->config, id);
        if (cli->quiet || !loaded[i].name)
            puts(id);
        else
            printf("Loaded image: %s\n", loaded[i].name);
    }
}

int cli_load(struct cli *cli, int argc, char **argv)
{
    const char *file = NULL;
    struct cf_load_options load = {.progress = cli_progress};
    const struct cli_option options[] = {
        {'i', "input", "FILE", CLI_STRING, &file, "what to read (needed)"},
        {'t', "tag", "REF", CLI_STRING, &load.name, "name for the only image of the archive"},
        {0, "platform", "P,...", CLI_STRING, &load.platform,
         "os/arch[/variant] to choose of an index; without: all that it has"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_loaded *loaded = NULL;
    size_t count = 0;
    int status = cli_parse(cli, options, &argc, &argv, 0, 0);
    if (status >= 0)
        return status;
    status = cli_check_platforms(cli, load.platform, false);
    if (status >= 0)
        return status;
    load.all_platforms = !load.platform;
    if (!file)
        return cli_usage_error(cli, "-i FILE is needed: what to read");
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    cli_progress_start(cli);
    if (cf_load(store, file, &load, &loaded, &count, &err) < 0)
        return cli_failed(&err);
    cli_progress_end();
    status = CLI_OK;
    if (!cli->json)
        put_loaded(cli, loaded, count);
    else if (put_loaded_json(loaded, count, &err) < 0)
        status = cli_failed(&err);
    cf_loaded_free(loaded, count);
    return cli_finish(status);
}
