/* SPDX-License-Identifier: Apache-2.0 */
/* The places that images come from, each as an origin. Not public. */
#ifndef CF_CACHE_ORIGINS_H
#define CF_CACHE_ORIGINS_H

#include <cloudfs/archive.h>
#include <cloudfs/cache.h>
#include <cloudfs/registry.h>

#include "plan.h"

/* The archives of images/. */
struct archives {
    struct cf_archive **list;
    size_t count;
};
/* Those that cannot be read are left out: the scan warns of them. */
int cf_archives_open(struct cf_store *store, struct cf_rootfs *rootfs,
                     struct archives *ret_archives, struct cf_error *err);
void cf_archives_done(struct archives *archives);

/* The registries of the other images of the store. */
struct others {
    struct cf_rootfs **list;
    size_t count;
};
int cf_others_open(struct cf_store *store, const struct cf_image *but, struct others *ret_others,
                   struct cf_error *err);
void cf_others_done(struct others *others);

/* The registries that the references name, with the accounts that are kept and those of
 * imageListWithAuth.yaml. Nothing is asked before the first image is. */
struct upstream;
int cf_upstream_open(struct cf_rootfs *rootfs, const struct cf_registry_options *options,
                     struct upstream **ret_upstream, struct cf_error *err);
void cf_upstream_close(struct upstream *upstream);
/* The repository of a reference in docker's whole form. */
int cf_upstream_remote(struct upstream *upstream, const char *whole, struct cf_remote **ret_remote,
                       struct cf_error *err);

/* One reference asked of one of them. */
struct asked {
    struct cf_archive *archive;
    struct cf_rootfs *other;
    struct cf_remote *remote;
    const char *whole;
    size_t domain_len;
    const struct cf_digest *digest; /* that the reference has; NULL */
};
struct origin cf_origin_archive(struct asked *asked);
struct origin cf_origin_other(struct asked *asked);
struct origin cf_origin_remote(struct asked *asked);

#endif
