/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking inside images without a mount: lists, contents, extraction, differences, blame.
 */
#ifndef CLOUDFS_LOOK_H
#define CLOUDFS_LOOK_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/commit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/layer.h>
#include <cloudfs/store.h>

/* One thing of a listing; pointers live until the callback returns. */
struct cf_listed {
    const char *path; /* relative to what was asked for; its name for a single file */
    struct cf_inode inode;
    const char *target;        /* symlinks: NUL-terminated, else NULL */
    bool whiteout, opaque;     /* layers only */
    struct cf_content content; /* regular files */
};
typedef int cf_listed_fn(const struct cf_listed *listed, void *context);
/* Lists target->path: a directory's entries in name order (recursive: depth first, all below), or
 * the thing itself if it is not a directory (or itself). -ENOENT with the path. Symlinks inside the
 * image are followed on the way, the last one only with a trailing slash. */
int cf_list(struct cf_store *store, const struct cf_target *target, bool recursive, bool itself,
            cf_listed_fn *fn, void *context, struct cf_error *err);

/* Content of the regular file at target->path (symlinks followed inside the image) to the sink.
 * -EISDIR ... */
int cf_cat(struct cf_store *store, const struct cf_target *target, cf_sink_fn *sink,
           void *sink_context, struct cf_error *err);

/*
 * Writes target->path (a directory: what is in it) into directory dest, made if absent: files,
 * links, modes, times, xattrs; owners and devices as root (else left out, counted in ret_skipped).
 * Never writes outside dest, whatever symlinks the image or dest have. Existing things are
 * replaced, but not a directory by a file.
 */
int cf_extract(struct cf_store *store, const struct cf_target *target, const char *dest,
               uint64_t *ret_skipped, struct cf_error *err);

/* What changed from a to b (trees of images), ascending. */
int cf_tree_changes(const struct cf_tree *a, const struct cf_tree *b,
                    struct cf_changes *ret_changes, struct cf_error *err);

/* The unified diff (3 lines of context) of one changed path between two contents, appended to buf,
 * with
 * "--- a/path" and "+++ b/path" (or /dev/null); "Binary files a/x and b/x differ" where a NUL is
 * among the first 8 KiB. */
int cf_text_diff(const char *path, const char *old_text, size_t old_len, const char *new_text,
                 size_t new_len, bool old_exists, bool new_exists, struct cf_buf *ret_buf);

/* Three texts as one, line by line; NUL-free or not. A conflict is where both have changed the same
 * lines, or lines side by side, in another way: fn (may be NULL) is told of each, and the lines of
 * one side are taken. Returns the number of conflicts, what fn returned below 0, or -ENOMEM. */
struct cf_text {
    const char *text;
    size_t len;
};
struct cf_text_conflict {
    size_t line;                       /* of ours, from 1 */
    struct cf_text base, ours, theirs; /* whole lines */
};
typedef int cf_text_conflict_fn(const struct cf_text_conflict *conflict, void *context);
int cf_text_merge(const struct cf_text *base, const struct cf_text *ours,
                  const struct cf_text *theirs, bool take_theirs, cf_text_conflict_fn *fn,
                  void *context, struct cf_buf *ret_text);
/* Whether a NUL is among the first 8 KiB. */
bool cf_text_is_binary(const char *text, size_t len);

/* Whether two inodes of trees have the same content (of directories: always), and the same extended
 * attributes, as users see them. */
bool cf_tree_same_content(const struct cf_tree *a, const struct cf_inode *x,
                          const struct cf_tree *b, const struct cf_inode *y);
bool cf_tree_same_xattrs(const struct cf_tree *a, uint64_t x, const struct cf_tree *b, uint64_t y);

/* Where a path of an image comes from: the topmost layer that has it, and what it does in each
 * layer, top first. */
struct cf_blame_step {
    size_t layer; /* index, bottom 0 */
    char kind; /* 'A' first seen, 'C' replaced, 'D' whiteout, 'O' hidden by an opaque directory or a
                  replaced parent */
    struct cf_digest diff_id;
    char *created_by; /* of the layer's history entry, heap, may be NULL */
    char *created;
    char *author;
    char *value; /* of a setting in that layer, on one line; NULL: of a path, or none there */
};
struct cf_blame {
    struct cf_blame_step *steps;
    size_t count; /* 0: the path is in no layer */
    bool present; /* in the merged image */
};
int cf_blame(struct cf_store *store, const struct cf_image *image, const char *path,
             struct cf_blame *ret_blame, struct cf_error *err);
/* The same of one setting of a YAML or JSON file (its path as edit.h has it): the layers in which
 * its value changed. */
int cf_blame_setting(struct cf_store *store, const struct cf_image *image, const char *file,
                     const char *path, struct cf_blame *ret_blame, struct cf_error *err);
void cf_blame_done(struct cf_blame *blame);

/* History, oldest first, with the layer that each entry made (empty ones have none). */
struct cf_history {
    const char *created, *created_by, *author, *comment; /* in image->config_json; may be NULL */
    bool empty_layer;
    const struct cf_digest *diff_id; /* NULL if empty */
    uint64_t size;
};
int cf_image_history(const struct cf_image *image, struct cf_history **ret_entries,
                     size_t *ret_count, struct cf_error *err);

/* Everything known of an image as one JSON document (fields in docs/man/cloudfs-inspect.1). */
int cf_inspect(struct cf_store *store, const struct cf_image *image, struct cf_json **ret_json,
               struct cf_error *err);
/* sealer v0.8's YAML of it (a list of one Image object), appended to buf. */
int cf_inspect_sealer(struct cf_store *store, const struct cf_image *image, const char *name,
                      struct cf_buf *ret_buf, struct cf_error *err);

#endif
