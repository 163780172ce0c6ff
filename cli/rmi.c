/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>

/* Gives the space back, where nobody else is at work in the store: otherwise the next gc does. */
static int collect(const struct cli *cli, struct cf_error *err)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_gc_result result = {0};
    int r = cli_open_store(cli, CF_STORE_EXCLUSIVE | CF_STORE_NOWAIT, &store, err);
    if (r == -EBUSY) {
        cli_warn(cli, "another command uses the store: `cloudfs gc` gives the space back later");
        return 0;
    }
    return r < 0 ? r : cf_store_gc(store, false, &result, err);
}

static int remove_one(const struct cli *cli, struct cf_store *store, const char *text, bool force,
                      bool *deleted)
{
    struct cf_error err = {0};
    size_t untagged = 0;
    bool gone = false;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    char id[CF_DIGEST_TEXT_SIZE];
    struct cf_digest document;
    if (cf_image_digest(store, text, &document, &err) < 0 ||
        cf_image_load_any(store, &document, &image, &err) < 0 ||
        cf_image_remove(store, text, force, &untagged, &gone, &err) < 0)
        return cli_failed(&err);
    cf_digest_text(image->has_index ? &image->index : &image->config, id);
    if (!cli->quiet && untagged)
        printf("Untagged: %s\n", text);
    if (gone)
        printf("%s%s\n", cli->quiet ? "" : "Deleted: ", id);
    *deleted |= gone;
    return CLI_OK;
}

int cli_rmi(struct cli *cli, int argc, char **argv)
{
    bool force = false, no_gc = false, deleted = false;
    const struct cli_option options[] = {
        {'f', "force", NULL, CLI_FLAG, &force, "remove an image with all its names"},
        {0, "no-gc", NULL, CLI_FLAG, &no_gc, "leave the space for a later gc"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 1, -1);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    status = CLI_OK;
    for (int i = 0; i < argc; i++)
        if (remove_one(cli, store, argv[i], force, &deleted) != CLI_OK)
            status = CLI_FAILED;
    cf_store_close(CF_TAKE(store));
    if (deleted && !no_gc && collect(cli, &err) < 0)
        status = cli_failed(&err);
    return cli_finish(status);
}
