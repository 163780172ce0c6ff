/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine's files say of registries: registries.conf, cloudfs.conf, certs.d. */
#ifndef CF_REGISTRY_CONFIG_H
#define CF_REGISTRY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/error.h>
#include <cloudfs/json.h>
#include <cloudfs/reference.h>
#include <cloudfs/registry.h>

struct cf_registry_config {
    struct cf_json *registries; /* an array of [[registry]] tables, of all files */
    struct cf_json *search;     /* unqualified-search-registries, or NULL */
    char *cloud_registry, *cloud_namespace;
};
/* registries.conf: CONTAINERS_REGISTRIES_CONF, else that of the user, else /etc/containers; and
 * registries.conf.d. cloudfs.conf: CLOUDFS_CONFIG, else ~/.config/cloudfs.conf, else
 * /etc/cloudfs.conf. */
int cf_registry_config_read(struct cf_registry_config *ret_config, struct cf_error *err);
void cf_registry_config_done(struct cf_registry_config *config);
/* Adds the text of a registries.conf; what names it in messages. */
int cf_registry_config_add(struct cf_registry_config *config, const char *text, size_t len,
                           const char *what, struct cf_error *err);

/* "registry/repository" of a reference's name. -EINVAL when it grows too long. */
int cf_registry_full_name(const struct cf_registry_config *config, const char *name,
                          enum cf_names names, char ret_name[256], struct cf_error *err);

/* Where a repository can be had. */
struct cf_endpoint {
    char host[256];       /* with port */
    char repository[256]; /* without host */
    bool insecure;
};
#define CF_ENDPOINTS_MAX 8
/* name is full. Mirrors first unless for_push. by_digest: some mirrors serve only these. -EPERM. */
int cf_registry_endpoints(const struct cf_registry_config *config, const char *name, bool for_push,
                          bool by_digest, struct cf_endpoint ret_endpoints[CF_ENDPOINTS_MAX],
                          size_t *ret_count, struct cf_error *err);

struct cf_certs {
    char *ca_pem;               /* NULL: none */
    char *cert_file, *key_file; /* NULL: none */
};
/* dir NULL: certs.d/host in the directories of containers and docker. */
int cf_certs_find(const char *dir, const char *host, struct cf_certs *ret_certs,
                  struct cf_error *err);
void cf_certs_done(struct cf_certs *certs);

#endif
