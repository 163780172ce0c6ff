/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/look.h>

int cli_extract(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_target target = {0};
    uint64_t skipped = 0;
    int status = cli_parse(cli, NULL, &argc, &argv, 2, 2);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    status = CLI_OK;
    if (cf_target_open(store, argv[0], &target, &err) < 0 ||
        cf_extract(store, &target, argv[1], &skipped, &err) < 0)
        status = cli_failed(&err);
    cf_target_done(&target);
    if (status == CLI_OK && skipped)
        cli_warn(cli, "%llu devices, owners or attributes were left out: only root can make them",
                 (unsigned long long)skipped);
    return cli_finish(status);
}
