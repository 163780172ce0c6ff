/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences as text: the unified diff of what changed between two images, or in a mount.
 */
#ifndef CLOUDFS_PATCH_H
#define CLOUDFS_PATCH_H

#include <cloudfs/commit.h>
#include <cloudfs/error.h>
#include <cloudfs/layer.h>
#include <cloudfs/store.h>
#include <cloudfs/tree.h>

/* Files larger than this are told as differing, without their text. */
#define CF_PATCH_MAX (16u << 20)

/* changes: from cf_tree_changes(older, newer), or cf_mount_changes. Regular files get a unified
 * diff, symlinks one of their targets, other things and mere metadata one line that says so. The
 * text goes to the sink. */
int cf_image_patch(struct cf_store *store, const struct cf_tree *older, const struct cf_tree *newer,
                   const struct cf_changes *changes, cf_sink_fn *sink, void *sink_context,
                   struct cf_error *err);
/* The newer side is a mount, live or idle. */
struct cf_mount;
int cf_mount_patch(struct cf_store *store, const struct cf_tree *older,
                   const struct cf_mount *mount, const struct cf_changes *changes, cf_sink_fn *sink,
                   void *sink_context, struct cf_error *err);

/* One difference in words: a setting of a YAML or JSON file, values on one line (NULL: not there);
 * path NULL: another file, which differs as change says. */
struct cf_setting {
    const char *file;
    const char *path;
    const char *was, *now;
    const struct cf_change *change;
};
/* Returns 0 to go on. */
typedef int cf_setting_fn(const struct cf_setting *setting, void *context);
/* As above, by settings. mount NULL: newer is an image's tree. */
int cf_patch_settings(struct cf_store *store, const struct cf_tree *older,
                      const struct cf_tree *newer, const struct cf_mount *mount,
                      const struct cf_changes *changes, cf_setting_fn *fn, void *context,
                      struct cf_error *err);

#endif
