/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "registry.h"

int cli_logout(struct cli *cli, int argc, char **argv)
{
    bool all = false;
    struct cli_registry_options own = {0};
    const struct cli_option options[] = {
        {'a', "all", NULL, CLI_FLAG, &all, "forget the accounts of all registries"},
        {0, "authfile", "FILE", CLI_STRING, &own.registry.authfile, "where accounts are kept"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_registry *registry cf_cleanup(cf_registry_close_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);
    if (status < 0 && all == (argc == 1))
        status = cli_usage_error(cli, "either a registry or --all is needed");
    if (status < 0)
        status = cli_registry_open(cli, &own, &registry);
    if (status >= 0)
        return status;
    if (cf_registry_logout(registry, all ? NULL : argv[0], &err) < 0)
        return cli_failed(&err);
    if (cli->json) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
        (void)cf_json_set_string(json, "Registry", all ? "" : argv[0]);
        if (cli_put_json(json, &err) < 0)
            return cli_failed(&err);
    } else if (!cli->quiet) {
        printf("Forgot the account%s%s\n", all ? "s of all registries" : " for ",
               all ? "" : argv[0]);
    }
    return cli_finish(CLI_OK);
}
