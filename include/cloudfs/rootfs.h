/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a CloudRootfs, wherever it is: a directory (also a mount), or an image of the store,
 * which is read without a mount. Nothing outside of it is ever read, whatever its symlinks say.
 * Any number of threads may use one.
 */
#ifndef CLOUDFS_ROOTFS_H
#define CLOUDFS_ROOTFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/scope.h>
#include <cloudfs/store.h>

struct cf_rootfs;
int cf_rootfs_open_dir(const char *path, struct cf_rootfs **ret_rootfs, struct cf_error *err);
/* store is borrowed, image is needed no longer than this call. */
int cf_rootfs_open_image(struct cf_store *store, const struct cf_image *image,
                         struct cf_rootfs **ret_rootfs, struct cf_error *err);
/* Of layers, bottom first, one on top of the other; or one layer's own files alone (whiteouts are
 * character devices 0:0). */
int cf_rootfs_open_layers(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                          struct cf_rootfs **ret_rootfs, struct cf_error *err);
int cf_rootfs_open_layer(struct cf_store *store, const struct cf_digest *diff_id,
                         struct cf_rootfs **ret_rootfs, struct cf_error *err);
void cf_rootfs_close(struct cf_rootfs *rootfs);
CF_DEFINE_CLEANUP(struct cf_rootfs *, cf_rootfs_close)

/*
 * Calls fn for everything below dir (relative, no slash at the ends), parents first, names of a
 * directory in ascending byte order. Symlinks are told as what they are and not followed. A dir
 * that is absent has nothing in it. fn returns 0 to go on, CF_ROOTFS_SKIP to leave out what is in
 * the directory that it was told, or an error that ends the walk.
 */
#define CF_ROOTFS_SKIP 1
struct cf_rootfs_entry {
    const char *path; /* from the root on */
    const char *name; /* its last part */
    mode_t mode;
    uint64_t size;
};
typedef int cf_rootfs_fn(const struct cf_rootfs_entry *entry, void *context);
int cf_rootfs_walk(struct cf_rootfs *rootfs, const char *dir, cf_rootfs_fn *fn, void *context,
                   struct cf_error *err);

/* A regular file's content: a descriptor to read and close, or bytes that live as long as the
 * rootfs. */
struct cf_rootfs_file {
    int fd; /* -1: data */
    const void *data;
    uint64_t size;
    bool has_digest; /* of an image's file that is an object */
    struct cf_digest digest;
};
/* Symlinks are followed inside. -ENOENT (no line) where there is none, -EISDIR ... */
int cf_rootfs_open_file(struct cf_rootfs *rootfs, const char *path, struct cf_rootfs_file *ret_file,
                        struct cf_error *err);
/* The whole content appended: -ENOENT (no line), -EFBIG above max. */
int cf_rootfs_read(struct cf_rootfs *rootfs, const char *path, size_t max, struct cf_buf *ret_buf,
                   struct cf_error *err);
/* Whether there is a regular file of that path. */
bool cf_rootfs_has(struct cf_rootfs *rootfs, const char *path);
/* What is at a path, "" for the root; no symlink is followed: -ENOENT. ret_target (may be NULL)
 * gets a symlink's target appended. */
int cf_rootfs_look(struct cf_rootfs *rootfs, const char *path, mode_t *ret_mode,
                   struct cf_buf *ret_target);

#endif
