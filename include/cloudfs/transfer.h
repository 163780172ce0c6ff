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
    const char *platform; /* os/arch[/variant] to choose from an index; NULL: this machine's */
    unsigned jobs;        /* layers at once; 0: by the number of cores */
    cf_progress_fn *progress;
    void *progress_context;
};
struct cf_pulled {
    struct cf_image *image;
    char *name;       /* NULL: by digest alone, and no name was given */
    uint64_t fetched; /* bytes that came */
    uint64_t reused;  /* bytes of the layers' blobs that did not have to */
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

#endif
