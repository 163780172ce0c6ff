/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry/ of a rootfs: container images in the layout that distribution's registry 2.8
 * serves (paths.go), below registry/docker/registry/v2.
 */
#ifndef CLOUDFS_CACHE_H
#define CLOUDFS_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/rootfs.h>

#define CF_REGISTRY_V2 "registry/docker/registry/v2"
#define CF_REGISTRY_PATH_SIZE 160

/* "registry/docker/registry/v2/blobs/sha256/ab/abcd.../data" */
void cf_registry_blob_path(const struct cf_digest *digest, char ret_path[CF_REGISTRY_PATH_SIZE]);
/* The digest that a link file holds: -ENOENT, -EINVAL for one that registries refuse. */
int cf_registry_link(struct cf_rootfs *rootfs, const char *path, struct cf_digest *ret_digest);
/*
 * Whether registry/ has an image in docker's whole form with all of its blobs, under its path or
 * its domain and path. An index counts when at least one of its images is there. The contents of
 * manifests are verified, those of other blobs are not. ret_digest (may be NULL): of its manifest.
 */
bool cf_registry_has(struct cf_rootfs *rootfs, const char *whole, size_t domain_len,
                     struct cf_digest *ret_digest);

#endif
