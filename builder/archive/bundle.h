/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, in three steps: the documents of an archive are read and checked (one file for each kind
 * of archive), then all layers are read in parallel, then blobs and names are published. Not
 * public.
 */
#ifndef CF_ARCHIVE_BUNDLE_H
#define CF_ARCHIVE_BUNDLE_H

#include <cloudfs/archive.h>
#include <cloudfs/platform.h>

#include "source.h"

/* An image of the archive whose documents are checked. */
struct pending {
    struct cf_buf manifest, config; /* byte for byte; manifest empty: a local one is made */
    struct cf_image *image;         /* parsed of both; NULL without a manifest */
    char **names;                   /* full references with a tag */
    size_t name_count;
    struct pending_layer *layers; /* bottom first, one for each diff ID */
    size_t layer_count;
};

struct pending_layer {
    struct cf_digest diff_id;
    bool has_blob;
    struct cf_digest blob;
    uint64_t blob_size;
    char *media_type; /* NULL: by its magic */
    char *member;     /* of the source */
};

struct bundle {
    struct cf_store *store;
    const struct cf_load_options *options;
    struct source *source;
    struct cf_platform platform;
    const char *blob_prefix; /* "blobs/sha256/", or "" for skopeo's dir: */
    struct pending *images;
    size_t image_count;
};

/* A further image, its fields zero. NULL: -ENOMEM, said in err. */
struct pending *cf_bundle_add(struct bundle *bundle, struct cf_error *err);
int cf_pending_add_name(struct pending *pending, const char *name, struct cf_error *err);
void cf_bundle_done(struct bundle *bundle);

/* Reads the documents; what they say is checked against digests and each other. */
int cf_bundle_read_oci(struct bundle *bundle, struct cf_error *err);    /* index.json */
int cf_bundle_read_dir(struct bundle *bundle, struct cf_error *err);    /* skopeo's dir: */
int cf_bundle_read_docker(struct bundle *bundle, struct cf_error *err); /* docker save */

/* Reads every layer that the store lacks. */
int cf_bundle_read_layers(struct bundle *bundle, struct cf_error *err);

#endif
