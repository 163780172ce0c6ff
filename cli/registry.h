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
/* What the options mean, into their registry. Returns -1 to go on, else the exit status. */
int cli_registry_options(const struct cli *cli, struct cli_registry_options *options);
/* Opens the client, in the same way. */
int cli_registry_open(const struct cli *cli, struct cli_registry_options *options,
                      struct cf_registry **ret_registry);
/* The client and the store, and begins to show progress: for who carries images between them. */
int cli_transfer_open(const struct cli *cli, struct cli_registry_options *options,
                      struct cf_store **ret_store, struct cf_registry **ret_registry);

#endif
