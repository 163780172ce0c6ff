/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include <string.h>

int cli_registry_open(const struct cli *cli, struct cli_registry_options *options,
                      struct cf_registry **ret_registry)
{
    struct cf_error err = {0};
    const char *verify = options->tls_verify;
    if (verify && strcmp(verify, "true") != 0 && strcmp(verify, "false") != 0)
        return cli_usage_error(cli, "--tls-verify: '%s' is neither true nor false", verify);
    options->registry.no_tls_verify = verify && !strcmp(verify, "false");
    return cf_registry_open(&options->registry, ret_registry, &err) < 0 ? cli_failed(&err) : -1;
}
