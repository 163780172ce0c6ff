/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry/ of a rootfs: container images in the layout that distribution's registry 2.8
 * serves (paths.go), below registry/docker/registry/v2.
 */
#ifndef CLOUDFS_CACHE_H
#define CLOUDFS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/commit.h>
#include <cloudfs/platform.h>
#include <cloudfs/registry.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/scan.h>

#define CF_REGISTRY_V2 "registry/docker/registry/v2"
#define CF_REGISTRY_PATH_SIZE 160

/* "registry/docker/registry/v2/blobs/sha256/ab/abcd.../data" */
void cf_registry_blob_path(const struct cf_digest *digest, char ret_path[CF_REGISTRY_PATH_SIZE]);
/* The digest that a link file holds: -ENOENT, -EINVAL for one that registries refuse. */
int cf_registry_link(struct cf_rootfs *rootfs, const char *path, struct cf_digest *ret_digest);
/* What an image in registry/ must have to count. */
struct cf_registry_wish {
    /* An index has an image for each of them; with none, one image of any platform will do. */
    const struct cf_platform *platforms;
    size_t platform_count;
    bool verify; /* the bytes of all blobs are read, where they are not objects of the store */
};
/*
 * Whether registry/ has an image in docker's whole form with all of its blobs, under its path or
 * its domain and path; where a digest is written, it decides. Sizes are compared, and the contents
 * of manifests and objects. wish may be NULL. ret_digest (may be NULL): of its manifest.
 */
bool cf_registry_has(struct cf_rootfs *rootfs, const char *whole, size_t domain_len,
                     const struct cf_registry_wish *wish, struct cf_digest *ret_digest);
#define CF_REGISTRY_ANY_SIZE UINT64_MAX
/* Whether registry/ has a blob of that size; verify: with the right bytes. */
bool cf_registry_blob_is_there(struct cf_rootfs *rootfs, const struct cf_digest *digest,
                               uint64_t size, bool verify);

/* ---- what is in it ---- */

struct cf_registry_image {
    char *name; /* "library/busybox:1" */
    struct cf_digest digest;
};
struct cf_registry_repository {
    char *name;
    size_t tags;
    uint64_t own;    /* bytes of blobs that no other repository has */
    uint64_t shared; /* bytes of blobs that others have too */
};
struct cf_registry_list {
    struct cf_registry_image *images; /* ascending by name */
    size_t image_count;
    struct cf_registry_repository *repositories; /* ascending by name */
    size_t repository_count;
    uint64_t bytes; /* of all blobs, each once */
};
/* An empty list where there is no registry/. */
int cf_registry_read(struct cf_rootfs *rootfs, struct cf_registry_list *ret_list,
                     struct cf_error *err);
void cf_registry_list_done(struct cf_registry_list *list);

/*
 * Tells everything that is wrong in registry/, with its path: links that are none, or that lead
 * nowhere, blobs whose bytes are not those of their names, images that lack a layer. All bytes are
 * read, but those of objects, whose digests are known. Returns 0, what fn returned, or a failure.
 * cf_cache_image and cf_cache_dir mend what an image that the rootfs refers to needs;
 * cf_cache_prune_* drop the rest.
 */
typedef int cf_registry_wrong_fn(const char *path, const char *what, void *context);
int cf_registry_check(struct cf_rootfs *rootfs, cf_registry_wrong_fn *fn, void *context,
                      struct cf_error *err);

/* ---- filling it ---- */

struct cf_cache_options {
    struct cf_scan_options scan; /* what is left out */
    /* os/arch[/variant], several with commas between; NULL: the image's, or this machine's */
    const char *platform;
    /* Of the client; for images of imageListWithAuth.yaml with its accounts. NULL: no registry is
     * asked, the archives of images/ and the store are all there is. */
    const struct cf_registry_options *registry;
    unsigned jobs;      /* blobs that are fetched at once; 0: 6 */
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

/* ---- emptying it ---- */

struct cf_cache_pruned {
    size_t images;  /* tags that are gone */
    size_t files;   /* files that are gone */
    uint64_t bytes; /* of blobs */
};
/*
 * Drops what no reference of the rootfs needs (those that scan options leave out count as absent),
 * and what is damaged beyond use. Nothing is fetched. Of an image: as cf_cache_image.
 */
int cf_cache_prune_image(struct cf_store *store, const struct cf_image *image,
                         const struct cf_scan_options *options,
                         const struct cf_image_options *image_options, const char *name,
                         struct cf_cache_pruned *ret_pruned, struct cf_image **ret_image,
                         struct cf_error *err);
int cf_cache_prune_dir(struct cf_store *store, const char *path,
                       const struct cf_scan_options *options, struct cf_cache_pruned *ret_pruned,
                       struct cf_error *err);

#endif
