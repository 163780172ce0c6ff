/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of builder/look/ share. Not public. */
#ifndef CF_LOOK_FIND_H
#define CF_LOOK_FIND_H

#include <cloudfs/look.h>

/* The inode at target->path; the last symlink is followed if follow_last or the path ends in '/'.
 */
int cf_target_find(const struct cf_target *target, bool follow_last, struct cf_inode *ret_inode,
                   struct cf_error *err);

/* The history entry (an object of the config) that made layer index; NULL. */
const struct cf_json *cf_history_of_layer(const struct cf_image *image, size_t layer);

#endif
