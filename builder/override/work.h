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
/* Where files are. Neither follows a symlink: -ELOOP with a line. */
struct place {
    int (*look)(void *context, const char *path, struct found *ret_found, struct cf_error *err);
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
bool cf_file_changed(const struct file *file);

#endif
