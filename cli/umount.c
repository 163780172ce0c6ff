/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

static int stop(const struct cli *cli, const char *text, bool discard, bool lazy)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    if (cf_mount_is_plain_at(text))
        return cf_mount_plain_stop(text, lazy, &err) < 0 ? cli_failed(&err) : CLI_OK;
    if (cli_mount_open(cli, text, &store, &mount, &err) < 0 ||
        cf_mount_stop(store, mount, discard, lazy, &err) < 0)
        return cli_failed(&err);
    return CLI_OK;
}

static int stop_all(const struct cli *cli, bool discard, bool lazy)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_mount **mounts = NULL;
    size_t count = 0;
    if (cli_open_store(cli, 0, &store, &err) < 0 || cf_mount_list(store, &mounts, &count, &err) < 0)
        return cli_failed(&err);
    int status = CLI_OK;
    for (size_t i = 0; i < count; i++) {
        if (mounts[i]->state == CF_MOUNT_IDLE && !discard)
            continue;
        err = (struct cf_error){0};
        if (cf_mount_stop(store, mounts[i], discard, lazy, &err) < 0)
            status = cli_failed(&err);
    }
    cf_mount_list_free(mounts, count);
    return status;
}

int cli_umount(struct cli *cli, int argc, char **argv)
{
    bool all = false, discard = false, lazy = false, ignored = false;
    const char *ignored_text = NULL;
    const struct cli_option options[] = {
        {'a', "all", NULL, CLI_FLAG, &all, "every mount of the store"},
        {0, "discard", NULL, CLI_FLAG, &discard, "drop the changes; also of an unmounted ID"},
        {'l', "lazy", NULL, CLI_FLAG, &lazy, "detach now, end when nobody uses it any more"},
        {'f', "force", NULL, CLI_FLAG, &ignored, "accepted for umount(8)"},
        {'n', "no-mtab", NULL, CLI_FLAG, &ignored, "accepted for umount(8)"},
        {'r', "read-only", NULL, CLI_FLAG, &ignored, "accepted for umount(8)"},
        {'t', "types", "TYPE", CLI_STRING, &ignored_text, "accepted for umount(8)"},
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 0, -1);
    if (status >= 0)
        return status;
    if (all == (argc > 0))
        return cli_usage_error(cli,
                               all ? "--all takes no mounts" : "which mount? name it, or --all");
    if (all)
        return cli_finish(stop_all(cli, discard, lazy));
    status = CLI_OK;
    for (int i = 0; i < argc; i++)
        if (stop(cli, argv[i], discard, lazy) != CLI_OK)
            status = CLI_FAILED;
    return cli_finish(status);
}
