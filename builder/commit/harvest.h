/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of an upper on its way into the store. Files are read once, while the layer's tar is
 * hashed; then each becomes an object: small ones from memory, large ones by moving the file and
 * leaving a stub, or, where somebody may write to the file, by a copy. Not public.
 */
#ifndef CF_COMMIT_HARVEST_H
#define CF_COMMIT_HARVEST_H

#include "delta.h"

/* Smaller files are copied: that costs less than a stub, which takes a file and its xattrs. */
#define CF_HARVEST_MOVE_MIN (64u << 10)

struct harvest {
    struct delta *delta;
    bool may_move; /* no kernel overlay is on the upper, and the store's disk is the upper's */
    int fd;        /* of the file that is being read */
    struct cf_buf small;
    struct delta_file *file;
    /* When all files are in the store, while the layer is not published yet; may be NULL. */
    void (*taken)(void *context);
    void *taken_context;
};

void cf_harvest_init(struct harvest *harvest, struct delta *delta, bool may_move);
void cf_harvest_done(struct harvest *harvest);
/* For cf_layer_build_options. */
struct cf_content_source cf_harvest_source(struct harvest *harvest);
int cf_harvest_file_done(void *context, struct cf_node *node, const struct cf_digest *digest,
                         uint64_t size, struct cf_error *err);
int cf_harvest_finish(void *context, struct cf_error *err);
/*
 * Everything at once, before the layer is built: the objects of all files are in the store then,
 * and the builder knows their digests. Of files that were hashed before only moves are left to do.
 */
int cf_harvest_take_all(struct harvest *harvest, struct cf_error *err);

int cf_harvest_hash(int fd, struct cf_digest *ret_digest);
/*
 * Whether nobody has the file open for writing, nor will while fd is open: a read lease is had for
 * nothing less. Who wants to write meanwhile makes the kernel send a signal, which must not be
 * one that ends us.
 */
bool cf_harvest_lease(int fd);

/* What a commit that was killed has left in work/: contents that stubs promise. Frozen. */
int cf_harvest_rescue(struct cf_store *store, int work_fd, struct cf_error *err);

#endif
