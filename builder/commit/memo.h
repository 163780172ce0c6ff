/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was found in an upper before it was frozen, so that a commit's pause depends on what changes
 * meanwhile, not on how much the upper holds. An inode whose ctime is still the same is what it
 * was. Not public.
 */
#ifndef CF_COMMIT_MEMO_H
#define CF_COMMIT_MEMO_H

#include "delta.h"

struct memo {
    struct delta_entry **slots; /* open addressing, by inode number; entries of no place: fd -1 */
    size_t count, room;
};

/*
 * Looks at all that lies below delta->upper_fd, while it may change: reads and hashes, puts the
 * content of small files into the store, and writes that of large ones to the disk. What cannot be
 * read, or may just be written by somebody, is left to the walk. Only of -ENOMEM it complains.
 */
int cf_memo_fill(struct memo *memo, struct delta *delta, struct cf_error *err);
void cf_memo_done(struct memo *memo);
/* What is at fd/name ("": fd itself), if it is known: 1, and *entry is filled but for its place and
 * nid; 0: it is not; -ENOMEM. */
int cf_memo_recall(const struct memo *memo, int fd, const char *name, struct delta_entry *entry);

#endif
