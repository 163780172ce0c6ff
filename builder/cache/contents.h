/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a registry/, each as what it is there. Not public. */
#ifndef CF_CACHE_CONTENTS_H
#define CF_CACHE_CONTENTS_H

#include <cloudfs/cache.h>

enum part {
    PART_OTHER,
    PART_BLOB,      /* blobs/sha256/ab/ab.../data */
    PART_LAYER,     /* repositories/NAME/_layers/sha256/ab.../link */
    PART_REVISION,  /* repositories/NAME/_manifests/revisions/sha256/ab.../link */
    PART_TAG,       /* repositories/NAME/_manifests/tags/TAG/current/link */
    PART_TAG_INDEX, /* repositories/NAME/_manifests/tags/TAG/index/sha256/ab.../link */
};
struct part_file {
    char *path; /* from the root on */
    enum part part;
    char *repository, *tag; /* NULL where there is none */
    struct cf_digest digest;
    uint64_t size;
};
struct contents {
    struct part_file *files; /* ascending by path */
    size_t count, room;
};
int cf_contents_read(struct cf_rootfs *rootfs, struct contents *ret_contents, struct cf_error *err);
void cf_contents_done(struct contents *contents);
/* The file of that path, or NULL. */
const struct part_file *cf_contents_find(const struct contents *contents, const char *path);

/* A manifest or index of the registry, with its bytes verified: -ENOENT, -EBADMSG. */
int cf_contents_document(struct cf_rootfs *rootfs, const struct cf_digest *digest,
                         struct cf_json **ret_document);
/* "registry/.../repositories/NAME/KIND/sha256/HEX/link" */
int cf_contents_link(const char *repository, const char *kind, const struct cf_digest *digest,
                     struct cf_buf *ret_path);

#endif
