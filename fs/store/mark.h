/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What refers to what in a store: sets of digests, the objects that a layer or an upper names, and
 * all that is alive.
 */
#ifndef CF_STORE_MARK_H
#define CF_STORE_MARK_H

#include <cloudfs/image.h>

#include "private.h"

/* A hash set; 32 bytes a slot, at most three quarters full. The all-zero digest is never in it. */
struct cf_digest_set {
    struct cf_digest *slots;
    size_t count, room;
};
int cf_digest_set_add(struct cf_digest_set *set, const struct cf_digest *digest); /* 1: was new */
bool cf_digest_set_has(const struct cf_digest_set *set, const struct cf_digest *digest);
void cf_digest_set_done(struct cf_digest_set *set);

/* Told of each object; has_size where the place that names it knows its size. Anything but 0 ends
 * the walk and is returned. */
typedef int cf_object_fn(const struct cf_digest *digest, bool has_size, uint64_t size,
                         void *context);
int cf_tree_each_object(const struct cf_tree *tree, cf_object_fn *fn, void *context);

/*
 * The objects that a layer's recipe names. A recipe is empty (canonical layer), or "CFRECIP1", a
 * little-endian u64 count, that many 32-byte digests, and what the layer module keeps behind them.
 * -EBADMSG.
 */
int cf_recipe_each_object(int layer_fd, cf_object_fn *fn, void *context);
/* The objects of the stubs in a mount's upper and work directory; absent directories are empty. */
int cf_upper_each_object(struct cf_store *store, const struct cf_mount_note *note, cf_object_fn *fn,
                         void *context, struct cf_error *err);

/* Everything that a name or a mount keeps alive. */
struct cf_marks {
    struct cf_digest_set blobs, layers, trees, objects;
};
/* Fails rather than overlook anything: -EBADMSG where damage hides what is needed. */
int cf_store_mark(struct cf_store *store, struct cf_marks *ret_marks, struct cf_error *err);
void cf_marks_done(struct cf_marks *marks);

/* Bytes of disk of dirfd/name and all below it; nothing for what cannot be read. *count (NULL: not
 * wanted) is raised by the number of regular files. */
uint64_t cf_disk_usage(int dirfd, const char *name, uint64_t *count);

#endif
