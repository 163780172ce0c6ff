/* SPDX-License-Identifier: Apache-2.0 */
/* Files on which overrides work: looked at once, changed in memory, written at the end. Not public.
 */
#ifndef CF_OVERRIDE_WORK_H
#define CF_OVERRIDE_WORK_H

#include <cloudfs/override.h>

/* What a path was, or is to be. */
struct found {
    bool exists, is_dir;
    struct cf_inode inode;
    struct cf_buf text; /* of a regular file */
};
struct file {
    char *path;
    struct found was, now;
    struct cf_edit *edit; /* its settings, while only these are changed */
};
/* Where files are. path has no symlink on its way. */
struct place {
    int (*look)(void *context, const char *path, struct found *ret_found, struct cf_error *err);
    /* 1 and the target of a symlink, 0 for anything else, also nothing. */
    int (*read_link)(void *context, const char *path, struct cf_buf *ret_target,
                     struct cf_error *err);
    void *context;
};
struct work {
    const struct place *place;
    struct file **files;
    size_t count;
};
void cf_work_done(struct work *work);
void cf_override_found_done(struct found *found);
int cf_work_apply(struct work *work, const struct cf_overrides *overrides, struct cf_error *err);
/* What changes, and the diff of it; ascending paths afterwards. */
int cf_work_finish(struct work *work, struct cf_override_result *result, struct cf_error *err);
/*
 * The path without symlinks on its way, and (follow_last) at its end: relative targets are of the
 * link's directory, absolute ones and ".." never lead above the rootfs. What is not there is taken
 * as it is. -ELOOP.
 */
int cf_work_resolve(const struct work *work, const char *path, bool follow_last,
                    struct cf_buf *ret_path, struct cf_error *err);
bool cf_file_changed(const struct file *file);

#endif
