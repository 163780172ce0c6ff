/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/io.h>
#include <cloudfs/look.h>

#include <unistd.h>

static int to_stdout(void *context, const void *data, size_t len, struct cf_error *err)
{
    (void)context;
    int r = cf_write_full(STDOUT_FILENO, data, len);
    return r < 0 ? cf_fail_errno(err, -r, "standard output") : 0;
}

int cli_cat(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    int status = cli_parse(cli, NULL, &argc, &argv, 1, -1);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    status = CLI_OK;
    for (int i = 0; i < argc; i++) {
        struct cf_target target = {0};
        err = (struct cf_error){0};
        if (cf_target_open(store, argv[i], &target, &err) < 0 ||
            cf_cat(store, &target, to_stdout, NULL, &err) < 0)
            status = cli_failed(&err);
        cf_target_done(&target);
    }
    return cli_finish(status);
}
