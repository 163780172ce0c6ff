/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: whole reads and writes, atomic replacement, removal of trees of any depth, names that
 * may not leave a directory. All retry EINTR; all return 0 (or a count) or -errno.
 */
#ifndef CLOUDFS_IO_H
#define CLOUDFS_IO_H

#include <stddef.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>

/* Up to len bytes; fewer only at the end of the file. Returns the count. */
ssize_t cf_read_full(int fd, void *data, size_t len);
ssize_t cf_pread_full(int fd, void *data, size_t len, off_t offset);
int cf_write_full(int fd, const void *data, size_t len);
int cf_pwrite_full(int fd, const void *data, size_t len, off_t offset);

/* The whole file appended to ret_buf; -EFBIG when it is larger than max bytes. */
int cf_read_file(int dirfd, const char *path, size_t max, struct cf_buf *ret_buf);
int cf_read_fd(int fd, size_t max, struct cf_buf *ret_buf);

/*
 * Replaces dirfd/path by the given content, atomically and durably: a temporary file beside it,
 * fsync, rename, fsync of the directory. Old or new content is there at any time.
 */
int cf_replace_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode);

/* mkdir -p below dirfd; existing directories are fine. */
int cf_mkdir_path(int dirfd, const char *path, mode_t mode);
/* fsync of the directory dirfd/path ("." for dirfd itself). */
int cf_sync_dir(int dirfd, const char *path);
/* rm -rf of dirfd/name, of any depth, never following a symlink; absent is success. */
int cf_remove_tree(int dirfd, const char *name);

/*
 * openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, for names below a directory that a
 * stranger filled; add O_NOFOLLOW to refuse a final symlink. Returns the descriptor (O_CLOEXEC is
 * added). -EXDEV when the path leaves the directory.
 */
int cf_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/*
 * Copies len bytes at the offsets given, by FICLONERANGE where the disk can, else
 * copy_file_range, else read and write. Holes of the source stay holes in a fresh destination, and
 * read as zeros in any. -ENODATA when the source ends earlier. Moves in_fd's own offset.
 */
int cf_copy_data(int in_fd, off_t in_offset, int out_fd, off_t out_offset, size_t len);
/* FICLONE: 0, or -EOPNOTSUPP, -EXDEV, -EINVAL where the disk cannot. */
int cf_clone_file(int in_fd, int out_fd);

/* A name that nobody else uses: 16 lower-case hex digits from getrandom(2), and a NUL. */
void cf_random_name(char ret_name[17]);

#endif
