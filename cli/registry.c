/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include <string.h>

int cli_registry_options(const struct cli *cli, struct cli_registry_options *options)
{
    const char *verify = options->tls_verify;
    if (verify && strcmp(verify, "true") != 0 && strcmp(verify, "false") != 0)
        return cli_usage_error(cli, "--tls-verify: '%s' is neither true nor false", verify);
    options->registry.no_tls_verify = verify && !strcmp(verify, "false");
    return -1;
}

int cli_registry_open(const struct cli *cli, struct cli_registry_options *options,
                      struct cf_registry **ret_registry)
{
    struct cf_error err = {0};
    int status = cli_registry_options(cli, options);
    if (status < 0 && cf_registry_open(&options->registry, ret_registry, &err) < 0)
        status = cli_failed(&err);
    return status;
}

int cli_transfer_open(const struct cli *cli, struct cli_registry_options *options,
                      struct cf_store **ret_store, struct cf_registry **ret_registry)
{
    struct cf_error err = {0};
    int status = cli_registry_open(cli, options, ret_registry);
    if (status < 0 && cli_open_store(cli, 0, ret_store, &err) < 0)
        status = cli_failed(&err);
    if (status < 0)
        cli_progress_start(cli);
    return status;
}
