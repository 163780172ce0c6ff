/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The union: a merged tree below, an upper directory above, as one filesystem. No FUSE in it; the
 * FUSE engine and tests call it alike. All functions may be called by many threads at once.
 *
 * Objects are named by inode number (struct cf_entry.ino); the root is CF_ROOT_INO here. Every
 * entry handed out by lookup, mknod, mkdir, symlink, link and create counts one reference of its
 * inode, given back with cf_union_forget. Inode numbers are stable across copy-up and remount.
 *
 * The upper is overlayfs's own format (docs/format.md, "The upper"). The caller of the union is
 * the only writer of the upper while it is open (a lock in work/ sees to it).
 */
#ifndef CLOUDFS_UNION_H
#define CLOUDFS_UNION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cloudfs/error.h>
#include <cloudfs/scope.h>
#include <cloudfs/tree.h>

struct cf_union;
struct cf_file; /* an open regular file */
struct cf_dir;  /* an open directory */

#define CF_ROOT_INO 1
#define CF_INO_UPPER (1ull << 40) /* numbers born in the upper start here */

/*
 * Plain directories as the lower side, in overlayfs's format: the other implementation beside a
 * tree. They are never written to, and nothing of them is read before it is asked for.
 */
struct cf_stack;
struct cf_stack_options {
    const char *const *paths; /* topmost first; behind them those that hold data only */
    size_t lower_count, data_count;
    bool user_xattrs; /* marks are user.overlay. */
};
/* One clear line for a path that is no directory. Paths are resolved here, and held. */
int cf_stack_open(const struct cf_stack_options *options, struct cf_stack **ret_stack,
                  struct cf_error *err);
void cf_stack_close(struct cf_stack *stack);
CF_DEFINE_CLEANUP(struct cf_stack *, cf_stack_close)
/* The descriptors that it holds, for a daemon that closes all others. */
size_t cf_stack_layers(const struct cf_stack *stack);
void cf_stack_keep_fds(const struct cf_stack *stack, int *ret_fds);

struct cf_union_options {
    const struct cf_tree *lower; /* borrowed; outlives the union */
    int objects_fd;              /* objects/ of the store; borrowed; -1 with a stack */
    int upper_fd;                /* the upper directory; -1: read-only. Borrowed */
    int work_fd;                 /* the work directory, on the upper's disk; borrowed */
    bool user_xattrs;            /* user.overlay. and override_stat instead of trusted.overlay. */
    uint64_t copy_buffer;        /* 0: default */
    struct cf_stack *stack;      /* in the place of lower, which is NULL then; borrowed likewise */
    bool no_sync;                /* nothing waits for the disk */
    bool real_owners;  /* with user_xattrs: the disk has owners where it lets us set them */
    unsigned patience; /* milliseconds to wait for an upper that is just being closed */
};

/* -EBUSY: another union has this upper open. -ENOTSUP: the upper's disk has no xattrs. Cleans what
 * a crash left in work/. */
int cf_union_open(const struct cf_union_options *options, struct cf_union **ret_union,
                  struct cf_error *err);
void cf_union_close(struct cf_union *u);
CF_DEFINE_CLEANUP(struct cf_union *, cf_union_close)
bool cf_union_is_read_only(const struct cf_union *u);
/* Drops the lower tree's pages from the resident memory; see cf_tree_trim. To call now and then. */
void cf_union_trim(struct cf_union *u);

/*
 * From now on fn hears of each inode whose attributes change as a side effect of something else: it
 * is copied up, or a child of it. For whoever caches attributes. Called with locks held: fn must
 * not call the union. Set before other threads use the union.
 */
typedef void cf_union_changed_fn(void *context, uint64_t ino);
void cf_union_set_changed(struct cf_union *u, cf_union_changed_fn *fn, void *context);

/* Who asks: owner of what is created, and the umask where it still has to be applied. */
struct cf_caller {
    uid_t uid;
    gid_t gid;
    mode_t umask;
};

struct cf_entry {
    uint64_t ino;
    struct stat attr; /* st_ino as users see it; st_dev 0 */
};

/* Returns 0 or -errno, as the system call of the same name says for ext4. */
int cf_union_lookup(struct cf_union *u, uint64_t dir, const char *name, struct cf_entry *ret_entry);
void cf_union_forget(struct cf_union *u, uint64_t ino, uint64_t count);
int cf_union_getattr(struct cf_union *u, uint64_t ino, struct stat *ret_attr);
int cf_union_readlink(struct cf_union *u, uint64_t ino, char *ret_target, size_t size);

#define CF_SET_MODE (1 << 0)
#define CF_SET_UID (1 << 1)
#define CF_SET_GID (1 << 2)
#define CF_SET_SIZE (1 << 3)
#define CF_SET_ATIME (1 << 4) /* from attr->st_atim; tv_nsec may be UTIME_NOW */
#define CF_SET_MTIME (1 << 5)
#define CF_SET_CTIME (1 << 6)     /* accepted, happens by itself */
#define CF_SET_KILL_PRIV (1 << 7) /* clear setuid and setgid as ext4 does for this change */
/* file: an open file of that inode if the caller has one (ftruncate), else NULL. */
int cf_union_setattr(struct cf_union *u, uint64_t ino, struct cf_file *file,
                     const struct stat *attr, unsigned which, struct stat *ret_attr);

int cf_union_mknod(struct cf_union *u, uint64_t dir, const char *name, mode_t mode, dev_t rdev,
                   const struct cf_caller *caller, struct cf_entry *ret_entry);
int cf_union_mkdir(struct cf_union *u, uint64_t dir, const char *name, mode_t mode,
                   const struct cf_caller *caller, struct cf_entry *ret_entry);
int cf_union_symlink(struct cf_union *u, const char *target, uint64_t dir, const char *name,
                     const struct cf_caller *caller, struct cf_entry *ret_entry);
int cf_union_link(struct cf_union *u, uint64_t ino, uint64_t dir, const char *name,
                  struct cf_entry *ret_entry);
int cf_union_unlink(struct cf_union *u, uint64_t dir, const char *name);
int cf_union_rmdir(struct cf_union *u, uint64_t dir, const char *name);
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE as renameat2(2). RENAME_WHITEOUT is -EINVAL, as on
 * overlayfs: the upper has no way to write down a whiteout that users see. */
int cf_union_rename(struct cf_union *u, uint64_t old_dir, const char *old_name, uint64_t new_dir,
                    const char *new_name, unsigned flags);

/* flags as open(2). Opening for writing copies up (without data when O_TRUNC is set). */
int cf_union_open_file(struct cf_union *u, uint64_t ino, int flags, struct cf_file **ret_file);
int cf_union_create(struct cf_union *u, uint64_t dir, const char *name, mode_t mode, int flags,
                    const struct cf_caller *caller, struct cf_entry *ret_entry,
                    struct cf_file **ret_file);
int cf_union_tmpfile(struct cf_union *u, uint64_t dir, mode_t mode, int flags,
                     const struct cf_caller *caller, struct cf_entry *ret_entry,
                     struct cf_file **ret_file);
void cf_file_close(struct cf_file *file);

/*
 * Where reads go just now: *ret_fd >= 0: that descriptor at the same offset (borrowed until close,
 * may change after a copy-up, so ask before each read); else content that lies in memory. A
 * handle opened before a copy-up sees the later writes.
 */
int cf_file_data(struct cf_file *file, int *ret_fd, const void **ret_data, size_t *ret_len);
ssize_t cf_file_read(struct cf_file *file, void *data, size_t len, off_t offset);
/* At offset, O_APPEND or not: the caller knows the end. kill_priv: clear setuid and setgid. */
ssize_t cf_file_write(struct cf_file *file, const void *data, size_t len, off_t offset,
                      bool kill_priv);
/*
 * For a caller that lets others write past the union (FUSE passthrough): a descriptor of the upper
 * file itself, open for writing whatever the file was opened for, so that commit sees that it is in
 * use. The caller closes it when *ret_owned says so; else it is the file's. -ENOTSUP: the content
 * is not the upper's own, or might become another file's; -errno where the disk does not let us.
 */
int cf_file_backing(struct cf_file *file, bool *ret_owned);
/* A mark that the caller keeps on the inode as long as it is referenced, for its own use: what it
 * cached of the content is older than the content. take: gives and clears it. */
void cf_file_set_stale(struct cf_file *file);
bool cf_file_take_stale(struct cf_file *file);
/* Whether the file's content is the lower's, and nobody has opened the file before in this mount;
 * once true, never again: then prefetch it. */
bool cf_file_is_unread(struct cf_file *file);
/* Has the disk begin to read the content of the lower file of that number, its first 128 KiB. */
void cf_union_prefetch(struct cf_union *u, uint64_t ino);
int cf_file_sync(struct cf_file *file, bool data_only);
int cf_file_flush(struct cf_file *file); /* what close(2) has to report */
int cf_file_allocate(struct cf_file *file, int mode, off_t offset, off_t len);
off_t cf_file_seek(struct cf_file *file, off_t offset, int whence); /* SEEK_DATA, SEEK_HOLE */
ssize_t cf_file_copy_range(struct cf_file *in, off_t in_offset, struct cf_file *out,
                           off_t out_offset, size_t len);

int cf_union_open_dir(struct cf_union *u, uint64_t ino, struct cf_dir **ret_dir);
void cf_dir_close(struct cf_dir *dir);
/*
 * Entries from cookie (0: the start) on, "." and ".." included, until fn returns non-zero (its
 * buffer is full; the entry that it refused comes again). A cookie stays right while entries come
 * and go. lookup: each entry comes with attributes and a counted reference, but "." and "..".
 */
typedef int cf_dir_fn(void *context, const char *name, uint64_t cookie, unsigned type,
                      const struct cf_entry *entry);
int cf_dir_read(struct cf_dir *dir, uint64_t cookie, bool lookup, cf_dir_fn *fn, void *context);
int cf_dir_sync(struct cf_dir *dir);

/* As getxattr(2) and so on: size 0 asks for the size; -ENODATA, -ERANGE. Own and overlayfs's names
 * are hidden, trusted.overlay.* of users are escaped. */
ssize_t cf_union_getxattr(struct cf_union *u, uint64_t ino, const char *name, void *ret_value,
                          size_t size);
ssize_t cf_union_listxattr(struct cf_union *u, uint64_t ino, char *ret_names, size_t size);
int cf_union_setxattr(struct cf_union *u, uint64_t ino, const char *name, const void *value,
                      size_t size, int flags);
int cf_union_removexattr(struct cf_union *u, uint64_t ino, const char *name);

int cf_union_statfs(struct cf_union *u, struct statvfs *ret_statfs);

/* Waits for running changes, then holds back further ones until thaw. Nests not: -EBUSY. After a
 * thaw, upper files may have become stubs of objects (commit), which is noticed on their next use.
 */
int cf_union_freeze(struct cf_union *u);
void cf_union_thaw(struct cf_union *u);

/* ---- both engines on one upper ---- */

/*
 * Makes the upper fit for overlayfs in the kernel (trusted. uppers only): what the union keeps
 * beside overlayfs's format becomes part of it. Nothing that users see changes. Nobody else may use
 * the union. stub is called for each stub, maybe several times; its content is then looked for by
 * the kernel in the directory ret_stubs_dir of the root of a lower layer, under ab/cdef ("": there
 * are no stubs). Cost: a walk of the upper.
 */
#define CF_STUBS_DIR_SIZE 32
typedef int cf_stub_fn(void *context, const struct cf_digest *object, uint64_t size);
int cf_union_settle(struct cf_union *u, cf_stub_fn *stub, void *context,
                    char ret_stubs_dir[CF_STUBS_DIR_SIZE], struct cf_error *err);
/*
 * Whether an upper is settled (0; -ENODATA: not), and the note that it is, which the union takes
 * away when it opens the upper. Whoever makes stubs takes it away as well.
 */
int cf_upper_settled(int upper_fd, char ret_stubs_dir[CF_STUBS_DIR_SIZE]);
int cf_upper_set_settled(int upper_fd, const char *stubs_dir);
int cf_upper_unsettle(int upper_fd);

/* ---- the upper's format, shared with commit ---- */

#define CF_STUB_XATTR "overlay.cloudfs.object" /* behind trusted. or user.: 64 hex digits */
#define CF_INO_XATTR "overlay.cloudfs.ino"     /* 8 bytes, little endian */
#define CF_OVERRIDE_XATTR "user.containers.override_stat"

/* What an entry of an upper is, from its directory and name (never followed). */
enum cf_upper_kind { CF_UPPER_OBJECT, CF_UPPER_WHITEOUT };
struct cf_upper_entry {
    enum cf_upper_kind kind;
    struct stat
        attr; /* mode, owner, rdev after override_stat; st_ino, st_nlink, times of the disk */
    bool overridden; /* override_stat was there */
    bool opaque;     /* directories */
    bool metacopy;   /* regular files: content is the lower's, or the stub's object */
    bool stub;
    struct cf_digest object; /* of a stub */
    char *redirect;          /* heap or NULL */
    uint64_t ino;            /* persistent number: T.cloudfs.ino, or made of what the disk says */
    bool has_origin;         /* T.cloudfs.ino was there: a copy-up, or a stub */
    int64_t links; /* T.cloudfs.nlink: names of this inode that only the lower has; -1: not there */
};
int cf_upper_read(int dirfd, const char *name, bool user_xattrs, struct cf_upper_entry *ret_entry);
void cf_upper_entry_done(struct cf_upper_entry *entry);
/* The xattr names of the upper that commit ships, in their shown spelling; see cf_xattr_shown. */
bool cf_upper_xattr_shown(const char *name, bool user_xattrs, char buffer[256],
                          const char **ret_shown);

/*
 * A symlink of the upper: as an ordinary user one of another owner is a regular file that holds
 * its target. Returns the length (not NUL-terminated), or -errno.
 */
ssize_t cf_upper_link_target(int dirfd, const char *name, bool user_xattrs, char *ret_target,
                             size_t size);

/*
 * Turns the regular file dirfd/name, whose content was published as an object (or is about to be:
 * moved there by cf_object_take from `moved_name` in work), into a stub: metadata, xattrs and times
 * as before. Only while frozen or not mounted. The file is replaced atomically; the former inode is
 * left in work_fd/moved_name for the caller to take. moved_name is the 64 hex digits of digest:
 * what a crash leaves there is put into objects/ when the upper is next opened. -EMLINK: the file
 * has hard links; publish a copy of its content and leave it as it is.
 */
int cf_upper_make_stub(int dirfd, const char *name, int work_fd, const char *moved_name,
                       const struct cf_digest *digest, bool user_xattrs, struct cf_error *err);

#endif
