/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/reference.h>

int cli_tag(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_digest document;
    char name[CF_TAGGED_SIZE];
    int status = cli_parse(cli, NULL, &argc, &argv, 2, -1);
    if (status >= 0)
        return status;
    for (int i = 1; i < argc; i++)
        if (cf_reference_tagged(argv[i], name, &err) < 0)
            return cli_failed(&err);
    if (cli_open_store(cli, 0, &store, &err) < 0 ||
        cf_image_digest(store, argv[0], &document, &err) < 0)
        return cli_failed(&err);
    for (int i = 1; i < argc; i++)
        if (cf_reference_tagged(argv[i], name, &err) < 0 ||
            cf_name_set(store, name, &document, &err) < 0)
            return cli_failed(&err);
    return cli_finish(CLI_OK);
}
