/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a commit share. Not public. */
#ifndef CF_COMMIT_COMMIT_H
#define CF_COMMIT_COMMIT_H

#include <cloudfs/mount.h>

#include "harvest.h"
#include "memo.h"

struct commit {
    struct cf_store *store;
    const struct cf_mount *mount;
    const struct cf_commit_options *options;
    struct cf_image *base;
    struct cf_tree *tree;
    struct cf_freeze freeze;
    struct memo memo;
    struct delta delta;
    uint64_t frozen_at, pause_us;
    struct cf_digest seen; /* of a moving upper; see cf_upper_trace */
};
void cf_commit_done(struct commit *commit);

/*
 * What every entry of an upper is (number, type, owner, times), in one digest: the same before and
 * after means that nothing was changed between. Waits until what was changed last is old enough for
 * a further change to have another ctime.
 */
int cf_upper_trace(int upper_fd, struct cf_digest *ret_trace, struct cf_error *err);

/* "cloudfs <what>: C etc/a, A etc/b and 3 more". */
int cf_commit_describe(const struct cf_changes *changes, const char *what, struct cf_buf *ret_buf);

#endif
