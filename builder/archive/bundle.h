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
#include <cloudfs/reference.h>

#include "source.h"

/* An image of the archive whose documents are checked. */
struct pending {
    struct cf_buf manifest, config; /* byte for byte; manifest empty: a local one is made */
    struct cf_image *image;         /* parsed of both; NULL without a manifest */
    char **names; /* full references with a tag; of an index: at its first image */
    size_t name_count;
    size_t index;                 /* 1 + the place of the index that lists it; 0: none */
    struct pending_layer *layers; /* bottom first, one for each diff ID */
    size_t layer_count;
};

struct pending_layer {
    struct cf_digest diff_id;
    bool has_blob;
    struct cf_digest blob;
    uint64_t blob_size;
    char *media_type;                 /* NULL: by its magic */
    char *member;                     /* of the source */
    const struct cf_json *descriptor; /* of the manifest, borrowed from it; NULL: none */
};

/* Several of the images under one name. */
struct pending_index {
    struct cf_buf text; /* the document */
    size_t first;       /* of the bundle's images */
};

/* Told of len more bytes of a layer's blob; fails when the work is to stop. */
typedef int cf_told_fn(void *context, uint64_t len, struct cf_error *err);

/* A source that is no archive: the same documents and layers from elsewhere. */
struct bundle_remote {
    void *context;
    /* A manifest, or else a config, verified. */
    int (*document)(void *context, bool is_manifest, const struct cf_digest *digest, uint64_t size,
                    struct cf_buf *ret_text, struct cf_error *err);
    /* A layer that the store lacks, into it. Called by several threads. */
    int (*layer)(void *context, const struct pending_layer *layer, cf_told_fn *told,
                 void *told_context, struct cf_error *err);
};

struct bundle {
    struct cf_store *store;
    const struct cf_load_options *options;
    struct source *source;              /* with a remote: only its name */
    const struct bundle_remote *remote; /* NULL: an archive */
    struct cf_platform *platforms;      /* asked for; of several an index is kept */
    size_t platform_count;              /* 0: none was, and this machine's is meant, or all */
    const char *blob_prefix;            /* "blobs/sha256/", or "" for skopeo's dir: */
    struct pending *images;
    size_t image_count;
    struct pending_index *indexes;
    size_t index_count;
};

/* A further image, its fields zero. NULL: -ENOMEM, said in err. */
struct pending *cf_bundle_add(struct bundle *bundle, struct cf_error *err);
int cf_pending_add_name(struct pending *pending, const char *name, struct cf_error *err);
void cf_bundle_done(struct bundle *bundle);
/* What the options say of platforms. */
int cf_bundle_platforms(struct bundle *bundle, struct cf_error *err);
/* Whether the image stands for itself, or is the first of an index. */
bool cf_bundle_is_top(const struct bundle *bundle, size_t image);

/* Reads the documents; what they say is checked against digests and each other. */
int cf_bundle_read_oci(struct bundle *bundle, struct cf_error *err);    /* index.json */
int cf_bundle_read_dir(struct bundle *bundle, struct cf_error *err);    /* skopeo's dir: */
int cf_bundle_read_docker(struct bundle *bundle, struct cf_error *err); /* docker save */
int cf_bundle_read_sealer(struct bundle *bundle, struct cf_error *err); /* and its layers at once */

/* A manifest at hand, or the one that fits of an index. media_type "": what the document says.
 * Takes text over. */
int cf_bundle_read_document(struct bundle *bundle, struct cf_buf *text, const char *media_type,
                            struct cf_error *err);
/* The name of an entry of index.json: containerd's full one, else the ref name, which tools use for
 * a full name, or like podman for a name without a tag. "" where there is none that is valid. */
void cf_oci_entry_name(const struct cf_json *item, char ret_name[CF_TAGGED_SIZE]);

/* A descriptor's document, checked. ret_index: parsed, where it is an index; else NULL. */
int cf_bundle_document(struct bundle *bundle, const struct cf_json *item, struct cf_buf *ret_text,
                       struct cf_json **ret_index, struct cf_error *err);
/* The image that a descriptor means, through indexes that lie in each other. */
#define CF_INDEX_NEST_MAX 4
int cf_bundle_add_described(struct bundle *bundle, const struct cf_json *item, const char *name,
                            int depth, struct cf_error *err);
/* Of an index the image for the one platform, or all that are wanted, as an index. text: its bytes;
 * NULL: it is the layout's own list, whose names do not belong to it. */
int cf_bundle_add_index(struct bundle *bundle, const struct cf_json *index,
                        const struct cf_buf *text, const char *name, int depth,
                        struct cf_error *err);

/* Reads every layer that the store lacks. */
int cf_bundle_read_layers(struct bundle *bundle, struct cf_error *err);
/* Gives the only image of the bundle that name, instead of those it carries. */
int cf_bundle_name(struct bundle *bundle, const char *name, struct cf_error *err);
/* The last step: merged trees, blobs, names. */
int cf_bundle_publish(struct bundle *bundle, struct cf_loaded **ret_loaded, size_t *ret_count,
                      struct cf_error *err);

#endif
