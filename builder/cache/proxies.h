/* SPDX-License-Identifier: Apache-2.0 */
/* The upstream registries that etc/registry_config.yml names, with their accounts. Not public. */
#ifndef CF_CACHE_PROXIES_H
#define CF_CACHE_PROXIES_H

#include <cloudfs/scan.h>

/*
 * The "proxy" of a registry's configuration, in all of its styles: sealer's remoteregistries (a
 * list of url, username, password), distribution's remoteurl (one of them), and "on: true" or
 * nothing at all, which name none. Entries have no images; their registry is the url as it is
 * written. -EINVAL "line L ...".
 */
int cf_proxies_parse(const void *data, size_t len, struct cf_auth_list *ret_list,
                     struct cf_error *err);
/* Whether the entry is for the registry of a reference in docker's whole form. ret_http: its url
 * says http. */
bool cf_proxies_is_for(const struct cf_auth_entry *entry, const char *whole, bool *ret_http);

#endif
