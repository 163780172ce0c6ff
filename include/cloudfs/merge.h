/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several images as one, as sealer merges them: the layers of all, one image's on top of the
 * other's and each layer once, and the commands of all one after the other.
 */
#ifndef CLOUDFS_MERGE_H
#define CLOUDFS_MERGE_H

#include <stddef.h>

#include <cloudfs/commit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/platform.h>
#include <cloudfs/store.h>

/* A path that an image hides from those before it: 'C' replaced by another content, 'D' removed.
 * What both have from a common base is no conflict where only one of them has changed it. */
struct cf_merge_conflict {
    char kind;
    const char *path;
    const char *image; /* the reference of the one that wins */
};
typedef void cf_merge_fn(const struct cf_merge_conflict *conflict, void *context);

struct cf_merge_options {
    struct cf_image_options image;
    const char *name;                   /* of the new image */
    const struct cf_platform *platform; /* of the images; NULL: this machine's, or their only one */
    cf_merge_fn *conflict;              /* told of each, in the order of images and paths */
    void *conflict_context;
};
/* Two references at least. -EINVAL: they are for different platforms. */
int cf_image_merge(struct cf_store *store, const char *const *references, size_t count,
                   const struct cf_merge_options *options, struct cf_image **ret_image,
                   struct cf_error *err);

#endif
