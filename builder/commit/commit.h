/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a commit share. Not public. */
#ifndef CF_COMMIT_COMMIT_H
#define CF_COMMIT_COMMIT_H

#include <cloudfs/mount.h>

#include "harvest.h"

struct commit {
    struct cf_store *store;
    const struct cf_mount *mount;
    const struct cf_commit_options *options;
    struct cf_image *base;
    struct cf_tree *tree;
    struct cf_freeze freeze;
    struct delta delta;
    uint64_t frozen_at, pause_us;
};
void cf_commit_done(struct commit *commit);

/* "cloudfs <what>: C etc/a, A etc/b and 3 more". */
int cf_commit_describe(const struct cf_changes *changes, const char *what, struct cf_buf *ret_buf);

#endif
