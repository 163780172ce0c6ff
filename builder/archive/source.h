/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive of images as named members that can be read at any offset and by several threads at
 * once: a directory, or a tar whose members are indexed once. Not public.
 */
#ifndef CF_ARCHIVE_SOURCE_H
#define CF_ARCHIVE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/layer.h>
#include <cloudfs/scope.h>
#include <cloudfs/store.h>

struct source;

/* What a tar's index holds, ascending by name; the strings are the index's. */
struct tar_member {
    char *name; /* without "./" in front and "/" behind */
    char *link; /* hard links and symlinks: the name in the archive that is meant; else NULL */
    uint64_t offset, size; /* of the content in the file */
    bool is_file;
    uint64_t order; /* position in the archive: the last of one name counts */
};
struct tar_index {
    struct tar_member *members;
    size_t count;
};
/* Reads the headers of the tar behind fd, skipping content. */
int cf_tar_index_read(int fd, const char *what, struct tar_index *ret_index, struct cf_error *err);
void cf_tar_index_done(struct tar_index *index);
/* The regular file of that name, links followed; NULL. */
const struct tar_member *cf_tar_index_find(const struct tar_index *index, const char *name);

/*
 * path: a directory, a tar (plain, or compressed: then unpacked to the store's tmp/ first), or "-"
 * (standard input, kept in tmp/ while it is read).
 */
int cf_source_open(struct cf_store *store, const char *path, cf_progress_fn *progress,
                   void *progress_context, struct source **ret_source, struct cf_error *err);
/* A source of that name which holds nothing. */
int cf_source_named(const char *name, struct source **ret_source, struct cf_error *err);
/* A tar that is open already; fd is borrowed. */
int cf_source_open_fd(struct cf_store *store, int fd, const char *path, struct source **ret_source,
                      struct cf_error *err);
void cf_source_close(struct source *source);
CF_DEFINE_CLEANUP(struct source *, cf_source_close)

const char *cf_source_name(const struct source *source); /* for messages: quoted path */

/* The plain tar, borrowed; -1 for a directory. */
int cf_source_tar_fd(const struct source *source);

bool cf_source_has(struct source *source, const char *name);
/* A whole small member appended to buf: -ENOENT without a line, -EFBIG. */
int cf_source_read(struct source *source, const char *name, size_t max, struct cf_buf *ret_buf,
                   struct cf_error *err);

/* A member to be read by pread: fd is the caller's to close. -ENOENT without a line. */
struct source_member {
    int fd;
    uint64_t offset, size;
};
int cf_source_member(struct source *source, const char *name, struct source_member *ret_member,
                     struct cf_error *err);

/* A file in the store's tmp/ that has no name, open for reading and writing: a descriptor. */
int cf_spool_open(struct cf_store *store, struct cf_error *err);

#endif
