/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

int cli_version(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    int status = cli_parse(cli, NULL, &argc, &argv, 0, 0);
    if (status >= 0)
        return status;
    if (!cli->json) {
        puts("cloudfs " CF_VERSION);
        return cli_finish(CLI_OK);
    }
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    (void)cf_json_set_string(json, "Version", CF_VERSION);
    return cli_finish(cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK);
}
