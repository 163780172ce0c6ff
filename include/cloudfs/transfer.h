/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from and to registries. What the store has is not fetched, and what the registry has is
 * not sent. Nothing appears in the store, or under its tag in the registry, before it is whole.
 */
#ifndef CLOUDFS_TRANSFER_H
#define CLOUDFS_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/layer.h>
#include <cloudfs/registry.h>
#include <cloudfs/store.h>

struct cf_pull_options {
    const char *name;     /* of the image in the store; NULL: as the reference is written */
    const char *platform; /* os/arch[/variant] to choose from an index; of several, with commas,
                           * an index is kept; NULL: this machine's */
    bool all_platforms;   /* without that: an index is kept, with all its images */
    unsigned jobs;        /* layers at once; 0: by the number of cores */
    cf_progress_fn *progress;
    void *progress_context;
};
struct cf_pulled {
    struct cf_image *image; /* has_index: an index came, and this is one of its images */
    char *name;             /* NULL: by digest alone, and no name was given */
    uint64_t fetched;       /* bytes that came */
    uint64_t reused;        /* bytes of the layers' blobs that did not have to */
    uint64_t layers_fetched, layers_reused;
    uint64_t requests;
};
/*
 * A layer that breaks off goes on where it was, also in the next process: what came is kept in tmp/
 * until the layer is whole. Two pulls of one layer do the work once.
 */
int cf_pull(struct cf_store *store, struct cf_registry *registry, const char *reference,
            const struct cf_pull_options *options, struct cf_pulled *ret_pulled,
            struct cf_error *err);
void cf_pulled_done(struct cf_pulled *pulled);

enum cf_push_form { CF_PUSH_CHUNKED, CF_PUSH_ZSTD, CF_PUSH_GZIP };
struct cf_push_options {
    const char *platform; /* of an index only these images: os/arch,...; NULL: all */
    bool has_form;        /* else forms that the registry has, or that are known here, come first */
    enum cf_push_form form; /* of layers that must be compressed; the default is zstd:chunked */
    int level;              /* 0: the form's default */
    cf_progress_fn *progress;
    void *progress_context;
};
struct cf_pushed {
    struct cf_digest manifest; /* what the tag means: a manifest, or an index */
    uint64_t sent;             /* bytes of blobs and manifests */
    uint64_t blobs_sent, blobs_mounted, blobs_reused;
    uint64_t requests;
};
/*
 * Sends an image of the store, its manifest last; of an index all images, and the index last.
 * Layers are compressed while they are sent, and the digests of the compressed forms are
 * remembered, so that the next push of a layer needs neither. The manifest is the image's own where
 * all of its blobs are sent as it names them.
 */
int cf_push(struct cf_store *store, struct cf_registry *registry, const char *image,
            const char *destination, const struct cf_push_options *options,
            struct cf_pushed *ret_pushed, struct cf_error *err);

#endif
