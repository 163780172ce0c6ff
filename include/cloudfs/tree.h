/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees: the metadata of a layer or of a whole image as an EROFS image with composefs's
 * conventions (DESIGN: a regular file larger than CF_INLINE_MAX names its object in
 * trusted.overlay.redirect; smaller content lies inside the tree).
 *
 * Reading: struct cf_tree is a mapped file; every answer is computed from the mapping, with all
 * offsets checked, so that a damaged tree gives -EBADMSG and never a fault. Any number of threads
 * may read one tree. Pointers that are handed out point into the mapping and live as long as it.
 *
 * Writing: struct cf_builder holds a tree in memory (in a mapped temporary file whose resident
 * part is bounded), is changed freely, and is written once. One thread at a time.
 *
 * Sources: linux/fs/erofs/erofs_fs.h (format); Documentation/filesystems/overlayfs.rst (xattrs);
 * libcomposefs for the meaning of redirect and metacopy.
 */
#ifndef CLOUDFS_TREE_H
#define CLOUDFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

/* Content up to this many bytes is kept inside the tree (why this many: docs/design.md). */
#define CF_INLINE_MAX 2048
#define CF_NAME_MAX 255
#define CF_SYMLINK_MAX 4095
#define CF_XATTR_VALUE_MAX 65535
#define CF_OBJECT_SIZE_MAX (INT64_C(1) << 50) /* larger content is -EFBIG */

/* Spellings that only trees, the union and layers know. */
#define CF_XATTR_OVERLAY "trusted.overlay."
#define CF_XATTR_OPAQUE "trusted.overlay.opaque"             /* value "y" */
#define CF_XATTR_IMPLICIT "trusted.overlay.cloudfs.implicit" /* value "y": no entry of its own */

/* ---- reading ---- */

struct cf_tree;

struct cf_inode {
    uint64_t nid; /* number within the tree; what st_ino shows */
    mode_t mode;  /* type and permission bits */
    uint32_t nlink;
    uint32_t uid, gid;
    uint32_t rdev_major, rdev_minor; /* devices only */
    uint64_t size; /* bytes: regular files and symlinks; directories: of their EROFS data */
    int64_t mtime_sec;
    uint32_t mtime_nsec;
};

/* Maps the tree behind fd (borrowed; may be closed afterwards). -EBADMSG: not one of ours. */
int cf_tree_open(int fd, struct cf_tree **ret_tree, struct cf_error *err);
void cf_tree_close(struct cf_tree *tree);
/* Drops the tree's pages from this process's resident memory (they stay in the page cache, and
 * pointers stay right). For readers that walk large trees; any thread, any time. */
void cf_tree_trim(const struct cf_tree *tree);
CF_DEFINE_CLEANUP(struct cf_tree *, cf_tree_close)

/* 16 bytes, another for each content; in the mapping. */
const uint8_t *cf_tree_uuid(const struct cf_tree *tree);
uint64_t cf_tree_root(const struct cf_tree *tree);
uint64_t cf_tree_count(const struct cf_tree *tree); /* inodes */

/* -EBADMSG for a nid that is no sane inode. */
int cf_tree_inode(const struct cf_tree *tree, uint64_t nid, struct cf_inode *ret_inode);

/* One name of a directory, by binary search: -ENOENT, -ENOTDIR. ret_name (NULL: not wanted) gets
 * the name's place in the mapping, name_len bytes, not NUL-terminated. */
int cf_tree_lookup(const struct cf_tree *tree, uint64_t dir, const char *name, size_t name_len,
                   uint64_t *ret_nid, const char **ret_name);

/* The parent of a directory (its ".."; the root's is the root). */
int cf_tree_parent(const struct cf_tree *tree, uint64_t dir, uint64_t *ret_nid);

struct cf_dirent {
    const char *name; /* in the mapping, not NUL-terminated */
    size_t name_len;
    uint64_t nid;
    uint8_t type;  /* DT_REG ... as readdir(3) */
    uint64_t next; /* the cookie that continues behind this entry */
};

/*
 * The entry at cookie (0: the first), in ascending byte order, without "." and "..". Returns 1
 * and fills ret_entry, 0 at the end, or an error. O(1) per call; a cookie stays right for ever.
 */
int cf_tree_readdir(const struct cf_tree *tree, uint64_t dir, uint64_t cookie,
                    struct cf_dirent *ret_entry);

/* A symlink's target in the mapping, *ret_len bytes, not NUL-terminated. */
int cf_tree_readlink(const struct cf_tree *tree, uint64_t nid, const char **ret_target,
                     size_t *ret_len);

/*
 * Extended attributes as stored (trusted.overlay.* included, escapes as they are). get: -ENODATA.
 * list: the entry at cookie (0: the first); returns 1, 0 at the end, or an error.
 */
struct cf_xattr {
    char name[256];    /* full name with its prefix, NUL-terminated */
    const void *value; /* in the mapping */
    size_t value_len;
    uint64_t next;
};
int cf_tree_xattr_get(const struct cf_tree *tree, uint64_t nid, const char *name,
                      const void **ret_value, size_t *ret_len);
int cf_tree_xattr_list(const struct cf_tree *tree, uint64_t nid, uint64_t cookie,
                       struct cf_xattr *ret_xattr);

/* True for a char device 0:0, and for the directory marks that layer trees carry. */
bool cf_inode_is_whiteout(const struct cf_inode *inode);
bool cf_tree_is_opaque(const struct cf_tree *tree, uint64_t dir);
bool cf_tree_is_implicit(const struct cf_tree *tree, uint64_t dir);

/*
 * Whether an xattr name of a tree is shown to users, and as what: false for overlayfs's and our
 * own; trusted.overlay.overlay.X is shown as trusted.overlay.X (ret_shown points into name or to
 * buffer). The inverse, for storing: writes the stored spelling to buffer; -ERANGE if too long.
 */
bool cf_xattr_shown(const char *name, char buffer[256], const char **ret_shown);
int cf_xattr_stored(const char *name, char buffer[256]);

enum cf_content_kind {
    CF_CONTENT_INLINE, /* data, size bytes in the mapping (size may be 0) */
    CF_CONTENT_OBJECT, /* digest and size name an object */
};
struct cf_content {
    enum cf_content_kind kind;
    uint64_t size;
    const void *data;
    struct cf_digest digest;
};
/* Where a regular file's content is: -EINVAL for another type. */
int cf_tree_content(const struct cf_tree *tree, uint64_t nid, struct cf_content *ret_content);

/*
 * Walks a path from the root without following symlinks; "", "/", "." and doubled slashes are as
 * in POSIX, ".." is -EINVAL. -ENOENT, -ENOTDIR, -ELOOP for a symlink in the middle.
 * cf_tree_resolve follows symlinks as chroot(2) into the tree would (40 at most, -ELOOP), the last
 * one too if follow_last.
 */
int cf_tree_walk(const struct cf_tree *tree, const char *path, uint64_t *ret_nid);
int cf_tree_resolve(const struct cf_tree *tree, const char *path, bool follow_last,
                    uint64_t *ret_nid);

/* Checks everything reachable from the root (names, order, loops, bounds, link counts). */
int cf_tree_verify(const struct cf_tree *tree, struct cf_error *err);

/* ---- building ---- */

struct cf_builder;
struct cf_node; /* one inode of a builder; lives until the builder is freed */

/* scratch_fd: a directory for the temporary file, which large trees need (unlinked at once;
 * scratch_fd may be closed afterwards). The root is an implicit directory 0755 0:0: it carries
 * CF_XATTR_IMPLICIT until cf_node_set_inode(). */
int cf_builder_new(int scratch_fd, struct cf_builder **ret_builder, struct cf_error *err);
void cf_builder_free(struct cf_builder *builder);
CF_DEFINE_CLEANUP(struct cf_builder *, cf_builder_free)

struct cf_node *cf_builder_root(struct cf_builder *builder);

/* The entry of that name, or NULL. */
struct cf_node *cf_node_child(struct cf_builder *builder, struct cf_node *dir, const char *name,
                              size_t name_len);
/* Makes an entry, in the place of an existing one of that name (a replaced directory goes with
 * all below it). inode: mode, owner, times, rdev; nid, nlink, size are
 * ignored (content gives the size; a regular file is empty until it is set). -ENAMETOOLONG, -EINVAL
 * for an empty name, ".", "..", or one with '/' or NUL, for a type that is none of the
 * seven, a device beyond 12:20 bits; -ENOTDIR, -ENOMEM, -ENOSPC. */
int cf_node_add(struct cf_builder *builder, struct cf_node *dir, const char *name, size_t name_len,
                const struct cf_inode *inode, struct cf_node **ret_node);
/* A further name for a node that is no directory (-EPERM); the builder counts nlink. */
int cf_node_link(struct cf_builder *builder, struct cf_node *dir, const char *name, size_t name_len,
                 struct cf_node *target);
/* Removes a name and all below it; -ENOENT. */
int cf_node_remove(struct cf_builder *builder, struct cf_node *dir, const char *name,
                   size_t name_len);
/* Removes all entries of a directory. */
int cf_node_clear(struct cf_builder *builder, struct cf_node *dir);

/* nid: 0. nlink: as the last walk or write counted it (1 or 2 before). */
void cf_node_inode(const struct cf_node *node, struct cf_inode *ret_inode);
/* Mode bits below S_IFMT, owner, mtime are changed; the type is not. A directory is implicit no
 * longer (CF_XATTR_IMPLICIT goes). */
void cf_node_set_inode(struct cf_node *node, const struct cf_inode *inode);
/* Symlink target: 1 to CF_SYMLINK_MAX bytes, no NUL inside. */
int cf_node_set_symlink(struct cf_builder *builder, struct cf_node *node, const char *target,
                        size_t len);
/* Content of a regular file: up to CF_INLINE_MAX bytes here, or an object. Copied. */
int cf_node_set_inline(struct cf_builder *builder, struct cf_node *node, const void *data,
                       size_t len);
int cf_node_set_object(struct cf_builder *builder, struct cf_node *node,
                       const struct cf_digest *digest, uint64_t size);
int cf_node_content(const struct cf_node *node, struct cf_content *ret_content);
const char *cf_node_symlink(const struct cf_node *node, size_t *ret_len); /* NUL-terminated */
/* Stored spellings; setting replaces. -ENOTSUP for a namespace that EROFS has not, -ERANGE for
 * a name above 255 bytes, -E2BIG for a value above CF_XATTR_VALUE_MAX or more than 256 KiB for
 * one node, -EINVAL for the overlay's metacopy and redirect on a regular file (the writer's). */
int cf_node_set_xattr(struct cf_builder *builder, struct cf_node *node, const char *name,
                      const void *value, size_t len);
void cf_node_remove_xattr(struct cf_builder *builder, struct cf_node *node, const char *name);
void cf_node_clear_xattrs(struct cf_builder *builder, struct cf_node *node);
int cf_node_xattr_get(const struct cf_node *node, const char *name, const void **ret_value,
                      size_t *ret_len);
/* Iteration in ascending order of names; cookie as in cf_tree_xattr_list. */
int cf_node_xattr_list(const struct cf_node *node, uint64_t cookie, struct cf_xattr *ret_xattr);

/* The directory of the builder at the first len bytes of path, made where it is absent: 0755, of
 * that time; where the tree has it, implicit, so that it keeps its owner and mode. */
int cf_builder_dir(struct cf_builder *builder, const struct cf_tree *tree, const char *path,
                   size_t len, int64_t mtime, struct cf_node **ret_dir);

/*
 * Depth first, parents before children, each directory's entries in ascending byte order but
 * whiteouts first (the canonical order of layer tars). path is "" for the root, has no leading
 * slash, path_len bytes and a NUL, and may be longer than PATH_MAX; it is the walk's own. The
 * callback may change metadata, xattrs and content, but no directory's entries. first: this is the
 * node's first name in this order (else a further hard link, whose first name is first_path). The
 * callback returns 0 to go on; anything else ends the walk and is returned.
 */
struct cf_walk {
    struct cf_node *node;
    const char *path;
    size_t path_len;
    bool first;
    const char *first_path;
};
typedef int cf_walk_fn(const struct cf_walk *walk, void *context);
int cf_builder_walk(struct cf_builder *builder, cf_walk_fn *fn, void *context);
uint64_t cf_builder_count(const struct cf_builder *builder); /* inodes, once written or walked */

/*
 * Lays a layer's tree over what the builder holds: whiteouts remove, opaque directories hide,
 * implicit directories keep what is there, everything else replaces. keep_whiteouts: marks stay
 * in the result (to squash layers), otherwise the result is a whole image's tree. -EBADMSG for a
 * damaged layer, -ENOSPC, -ENOMEM; the builder is then of no more use.
 */
int cf_builder_apply(struct cf_builder *builder, const struct cf_tree *layer, bool keep_whiteouts,
                     struct cf_error *err);

/* Writes the EROFS image to fd (at offset 0, truncated first; no fsync). The uuid is derived from
 * id. The same tree and id give the same bytes on any machine. */
int cf_builder_write(struct cf_builder *builder, const struct cf_digest *id, int fd,
                     struct cf_error *err);

#endif
