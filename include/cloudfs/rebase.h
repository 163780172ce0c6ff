/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image's own changes on top of another base: three-way, by setting in YAML and JSON, by line in
 * other texts, by content in all else. The image's own layers are kept as they are, and what has
 * to be otherwise on the new base is one more layer.
 */
#ifndef CLOUDFS_REBASE_H
#define CLOUDFS_REBASE_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/commit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/store.h>

/* Whose change counts where both have changed a thing. */
enum cf_rebase_side {
    CF_REBASE_NEITHER, /* such a thing ends the rebase */
    CF_REBASE_OURS,    /* the image's own */
    CF_REBASE_THEIRS,  /* the new base's */
};

/* What both have changed, each in its way. Texts are values, lines, or words in brackets for what
 * is neither: "(absent)", "(binary, 12 bytes)". */
struct cf_rebase_conflict {
    char *file;    /* path in the rootfs; "": the image's configuration */
    char *setting; /* of a file, as edit.h has it, or of the configuration; NULL: none */
    size_t line;   /* of ours; 0: no line */
    char *base, *ours, *theirs;
};

struct cf_rebase_options {
    struct cf_image_options image;
    const char *name; /* of the new image */
    const char *onto; /* reference of the new base */
    const char *base; /* of the old one; NULL: worked out, see cf_rebase */
    enum cf_rebase_side prefer;
};
struct cf_rebase_result {
    struct cf_image *image; /* NULL: there are conflicts, and nothing was made */
    char *base;             /* the old base, by name */
    struct cf_rebase_conflict
        *conflicts; /* ascending by file; also those that prefer has decided */
    size_t conflict_count;
    size_t kept;   /* layers of the image that are used as they are */
    size_t merged; /* files of both sides */
    bool adapted;  /* one more layer was needed */
};
void cf_rebase_result_done(struct cf_rebase_result *result);

/*
 * The old base, where it is not said: an image of the store whose layers are the lower ones of this
 * image: what org.opencontainers.image.base.name says, else one of the repository of the new base,
 * else one of another repository than the image's; of several the one with the most layers. -ENOENT
 * where none is. A base that is said may be any image: the image's changes are then one layer.
 */
int cf_rebase(struct cf_store *store, const char *reference,
              const struct cf_rebase_options *options, struct cf_rebase_result *ret_result,
              struct cf_error *err);

#endif
