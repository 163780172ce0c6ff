/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that talk to registries share. */
#ifndef CLI_REGISTRY_H
#define CLI_REGISTRY_H

#include "cli.h"

#include <cloudfs/registry.h>

struct cli_registry_options {
    const char *tls_verify; /* "true", "false"; NULL: not said */
    struct cf_registry_options registry;
};
#define CLI_REGISTRY_OPTIONS(o)                                                                   \
    {0, "tls-verify", "BOOL", CLI_STRING, &(o).tls_verify, "false: any certificate, or no TLS"},  \
        {0, "authfile", "FILE", CLI_STRING, &(o).registry.authfile, "where accounts are kept"},   \
    {                                                                                             \
        0, "cert-dir", "DIR", CLI_STRING, &(o).registry.cert_dir, "certificates for the registry" \
    }
/* Opens the client. Returns -1 to go on, else the exit status. */
int cli_registry_open(const struct cli *cli, struct cli_registry_options *options,
                      struct cf_registry **ret_registry);

#endif
