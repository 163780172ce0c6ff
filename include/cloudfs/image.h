/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of the store: what a reference means, and what its manifest and config say.
 * Sources: OCI image-spec manifest.md and config.md; Docker image manifest v2 schema 2.
 */
#ifndef CLOUDFS_IMAGE_H
#define CLOUDFS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/json.h>
#include <cloudfs/scope.h>
#include <cloudfs/store.h>

#define CF_MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define CF_MEDIA_INDEX "application/vnd.oci.image.index.v1+json"
#define CF_MEDIA_CONFIG "application/vnd.oci.image.config.v1+json"
#define CF_MEDIA_LAYER "application/vnd.oci.image.layer.v1.tar"
#define CF_MEDIA_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define CF_MEDIA_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define CF_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define CF_MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define CF_MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define CF_MEDIA_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define CF_MEDIA_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"

struct cf_image {
    struct cf_digest manifest; /* digest of the manifest blob */
    struct cf_digest config;   /* digest of the config blob: the image ID */
    size_t layer_count;
    struct cf_digest *diff_ids; /* bottom first */
    uint64_t *layer_sizes;      /* bytes, of the form the manifest names */
    struct cf_json *manifest_json;
    struct cf_json *config_json;
    bool has_index; /* what was looked for is an index, and this the image of it that was chosen */
    struct cf_digest index;
};

/*
 * The image that text means: a name (tag latest if none), name@digest, an image ID or manifest
 * digest, whole ("sha256:..." or hex) or a unique prefix of at least 2 hex digits; a name wins over
 * an ID. -ENOENT "no such image ..." (with what to do), -EINVAL for an ambiguous prefix.
 */
int cf_image_find(struct cf_store *store, const char *text, struct cf_image **ret_image,
                  struct cf_error *err);
/* The document that text means, which may be an index without an image for this machine. */
int cf_image_digest(struct cf_store *store, const char *text, struct cf_digest *ret_document,
                    struct cf_error *err);
/* Of an index: the image for this machine, or the only one. */
int cf_image_load(struct cf_store *store, const struct cf_digest *manifest,
                  struct cf_image **ret_image, struct cf_error *err);
/* The same, and where an index has none for this machine its first one: for showing. */
int cf_image_load_any(struct cf_store *store, const struct cf_digest *document,
                      struct cf_image **ret_image, struct cf_error *err);
/* As cf_image_find, for a platform (NULL: as above): -ENOENT with a line where there is none for
 * it. */
struct cf_platform;
int cf_image_find_platform(struct cf_store *store, const char *text,
                           const struct cf_platform *platform, struct cf_image **ret_image,
                           struct cf_error *err);
void cf_image_free(struct cf_image *image);
CF_DEFINE_CLEANUP(struct cf_image *, cf_image_free)

/* Parses documents that are not (yet) in the store; used by cf_image_load and by loaders. Checks
 * counts and digests against each other: -EINVAL. */
int cf_image_parse(const void *manifest, size_t manifest_len, const void *config, size_t config_len,
                   struct cf_image **ret_image, struct cf_error *err);

/* ---- indexes: one image a platform under one name ---- */

/* Puts an index of images into the store, for cf_name_set. Of two for one platform the first
 * counts.
 */
int cf_index_put(struct cf_store *store, const struct cf_image *const *images, size_t count,
                 struct cf_digest *ret_digest, struct cf_error *err);
/* The manifests that a document of the store lists (heap), in its order; a manifest lists nothing:
 * count 0. Those that the store does not have are left out. -ENOENT, -EBADMSG. */
int cf_index_list(struct cf_store *store, const struct cf_digest *digest,
                  struct cf_digest **ret_manifests, size_t *ret_count, struct cf_error *err);

/* The merged tree of the image, made on first use. */
int cf_image_tree(struct cf_store *store, const struct cf_image *image, struct cf_tree **ret_tree,
                  int *ret_fd, struct cf_error *err);

/*
 * What text means where a file or tree is wanted: an image (its merged tree), or a layer's diff
 * ID (unique prefix; the layer's own tree, whiteouts shown). "REF:PATH" is split where the longest
 * REF exists; path "" when there is none.
 */
struct cf_target {
    struct cf_image *image; /* NULL for a layer */
    struct cf_digest layer; /* for a layer */
    struct cf_tree *tree;
    char *path; /* heap */
};
int cf_target_open(struct cf_store *store, const char *text, struct cf_target *ret_target,
                   struct cf_error *err);
void cf_target_done(struct cf_target *target);

/*
 * Every image of the store, named or not, once each with its names; newest first. A name whose
 * manifest is lost is listed with a config of zeros.
 */
struct cf_image_entry {
    struct cf_digest manifest, config;
    char **names; /* may be empty */
    size_t name_count;
    char *created;     /* RFC 3339 text of the config, or NULL */
    char *platform;    /* "linux/arm64/v8" of the config; NULL where it does not say */
    uint64_t size;     /* bytes of content of its merged layers, as their manifests say */
    bool intermediate; /* without a name, and another image has more layers on top of all of its */
};
int cf_image_list(struct cf_store *store, struct cf_image_entry **ret_entries, size_t *ret_count,
                  struct cf_error *err);
void cf_image_list_free(struct cf_image_entry *entries, size_t count);

/*
 * Removes a name; the image's own manifest and config too when that was its last name. An ID
 * removes an image that has one name at most (-EBUSY otherwise, unless force). -EBUSY, also with
 * force, while a mount uses the image and this is its last name. ret_untagged gets the number of
 * names removed. Layers and objects stay until gc.
 */
int cf_image_remove(struct cf_store *store, const char *text, bool force, size_t *ret_untagged,
                    bool *ret_deleted, struct cf_error *err);

#endif
