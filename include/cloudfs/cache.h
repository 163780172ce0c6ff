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
#include <cloudfs/commit.h>
#include <cloudfs/registry.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/scan.h>

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

/* Whether registry/ has a blob of that size. */
bool cf_registry_blob_is_there(struct cf_rootfs *rootfs, const struct cf_digest *digest,
                               uint64_t size);

/* ---- filling it ---- */

struct cf_cache_options {
    struct cf_scan_options scan; /* what is left out */
    const char *platform;        /* os/arch[/variant]; NULL: the image's, or this machine's */
    /* Of the client; for images of imageListWithAuth.yaml with its accounts. NULL: no registry is
     * asked, the archives of images/ and the store are all there is. */
    const struct cf_registry_options *registry;
    bool domain_prefix; /* repositories keep the registry's name: quay.io/a/b */
    bool allow_missing; /* what cannot be had is no failure */
    cf_progress_fn *progress;
    void *progress_context;
};
struct cf_cache_failed {
    char *reference;
    char *why;
    char *places; /* "manifests/a.yaml:3, manifests/imageList:1" */
};
struct cf_cache_result {
    size_t present, added; /* images */
    uint64_t fetched;      /* bytes that were neither in the rootfs nor in the store */
    struct cf_cache_failed *failed;
    size_t failed_count;
    struct cf_scan_result scan;
};
void cf_cache_result_done(struct cf_cache_result *result);

/*
 * Puts every image that the rootfs refers to into its registry/: from the archives of its images/,
 * from what the store has, from registries. All are tried; those that cannot be had are in the
 * result, and unless allow_missing the return is -ENOENT. What was fetched is kept in the store all
 * the same (until gc), or in the directory: the next try needs only the rest. -EEXIST: two
 * references differ in their registry alone, and mean different images.
 *
 * Of an image: a layer on top of it, named name; ret_image is the image itself where nothing was
 * to do. Everything in it is an object of the store from the start.
 */
int cf_cache_image(struct cf_store *store, const struct cf_image *image,
                   const struct cf_cache_options *options,
                   const struct cf_image_options *image_options, const char *name,
                   struct cf_cache_result *ret_result, struct cf_image **ret_image,
                   struct cf_error *err);
/* The layer alone, for who makes the image himself (image may be a draft); of no entries where
 * nothing was to do. */
int cf_cache_layer(struct cf_store *store, const struct cf_image *image,
                   const struct cf_cache_options *options,
                   const struct cf_image_options *image_options, struct cf_cache_result *ret_result,
                   struct cf_layer_info *ret_info, struct cf_error *err);
/* Of a directory or mount: files in it. */
int cf_cache_dir(struct cf_store *store, const char *path, const struct cf_cache_options *options,
                 struct cf_cache_result *ret_result, struct cf_error *err);

#endif
