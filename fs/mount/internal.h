/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of fs/mount share. */
#ifndef CF_MOUNT_INTERNAL_H
#define CF_MOUNT_INTERNAL_H

#include <cloudfs/buf.h>
#include <cloudfs/image.h>
#include <cloudfs/mount.h>
#include <cloudfs/union.h>

#define CF_MOUNT_FORMAT 1
#define CF_MOUNT_JSON_MAX (1u << 20)

/* ---- options.c: mount(8)'s comma-separated options ---- */

struct cf_settings {
    bool read_only;
    bool nonempty;
    bool allow_other, default_permissions;
    unsigned long flags;  /* for mount(2) */
    bool user_xattrs;     /* asked for: userxattr, or xattr_permissions= */
    bool no_sync;         /* volatile, fsync=0 */
    bool override_owners; /* xattr_permissions= */
    char *fsname;         /* heap or NULL */
    char *upper, *work;   /* heap or NULL: upperdir=, workdir= */
    char *lower;          /* heap or NULL: lowerdir=, with its escapes */
    char *context;        /* heap or NULL: SELinux options for the kernel */
};
/*
 * root: of the machine, who gets allow_other and default_permissions without asking. A backslash
 * takes the meaning from a comma, and quotation marks around it. -ENOTSUP for remount; what is not
 * known is left out, as mount(8) hands on its own words.
 */
int cf_settings_parse(const char *text, bool root, struct cf_settings *ret_settings,
                      struct cf_error *err);
void cf_settings_done(struct cf_settings *settings);
/*
 * The directories of lowerdir=A:B::D, split at the colons that no backslash precedes; those
 * behind a double colon hold data only. NULL-terminated; the array and its strings are one heap
 * block. -EINVAL for an empty one, -ENOMEM.
 */
int cf_lower_paths(const char *text, char ***ret_paths, size_t *ret_lowers, size_t *ret_data);

/* ---- describe.c: mount.json ---- */

/* Parses mount.json; upper and work are NULL where the document has none, state and pid are not
 * set. -EBADMSG for rubbish, -ENOTSUP for a newer format. */
int cf_mount_parse(const void *data, size_t len, struct cf_mount **ret_mount, struct cf_error *err);
/* Reads mounts/<id>/mount.json, completes upper and work, and looks up the state. -ENOENT. */
int cf_mount_load(struct cf_store *store, const char *id, struct cf_mount **ret_mount,
                  struct cf_error *err);
/*
 * Replaces mount.json atomically; members that it does not know stay. Not durable: for a new mount,
 * which has nothing to lose before it answers, and whose daemon syncs it then.
 */
int cf_mount_save(struct cf_store *store, const struct cf_mount *mount, bool durable,
                  struct cf_error *err);
/* Absolute path of a file of mounts/<id>; heap. */
char *cf_mount_path(struct cf_store *store, const char *id, const char *name);
/* Whether upper/ is in the store, to be removed with the description. */
bool cf_mount_owns_upper(struct cf_store *store, const struct cf_mount *mount);
/* Whether the kernel shows a mount of ours there, and nobody answers. */
bool cf_mount_is_dead_at(const char *mountpoint);
/* Whether the directory dirfd has no entries: 1, 0, or -errno. */
int cf_dir_is_empty(int dirfd);
/* Removes mounts/<id> with all that is in it. */
int cf_mount_forget(struct cf_store *store, const char *id, struct cf_error *err);

/* ---- advance.c ---- */

/* Goes on with an advance that a crash has cut off; mount is changed to what it is then. */
int cf_mount_advance_recover(struct cf_store *store, struct cf_mount *mount);

/* ---- lock.c: mounts/<id>/lock ---- */

/*
 * The lock is an open file description lock (fcntl(2)), so it goes from the starting process to its
 * daemon and ends with the last descriptor, and anyone can ask for it without taking it. The
 * daemon writes its process ID into the file; others who hold it empty the file.
 */
int cf_mount_lock_open(struct cf_store *store, const char *id); /* -errno */
int cf_mount_lock_take(int fd);                                 /* -EBUSY: somebody has it */
int cf_mount_lock_share(int fd);                                /* with others who share it */
/* Gives a daemon whose mount is gone a moment to end; then -EBUSY. */
#define CF_MOUNT_GRACE_MS 3000
int cf_mount_lock_take_soon(int fd);
/* Waits until nobody else holds the lock, its holder being pid (0: not known): false when the
 * patience (milliseconds) ends. */
bool cf_mount_lock_wait(int fd, pid_t pid, int patience);
bool cf_mount_lock_is_held(int fd);             /* by another descriptor */
int cf_mount_lock_write_pid(int fd, pid_t pid); /* 0 empties */
pid_t cf_mount_lock_read_pid(int fd);           /* 0: none */

/* ---- mountinfo.c: /proc/self/mountinfo ---- */

struct cf_mountinfo {
    int id;
    bool ours;                       /* of type fuse.cloudfs, or: */
    bool kernel;                     /* an overlay of the kernel engine */
    char mount_id[CF_MOUNT_ID_SIZE]; /* of that */
    char *root;                      /* of that: its store; heap */
    char *point;                     /* heap, unescaped */
};
void cf_mountinfo_done(struct cf_mountinfo *info);
/* In text: the topmost mount at path (absolute, resolved), or (path NULL) the mount with that id.
 * 1 found, 0 not. */
int cf_mountinfo_search(const char *text, const char *path, int id, struct cf_mountinfo *ret_info);
/* The kernel engine's mount of that mount ID: the last made of several. */
int cf_mountinfo_of_mount(const char *mount_id, struct cf_mountinfo *ret_info);
int cf_mountinfo_at(const char *path, struct cf_mountinfo *ret_info);
/* Whether a mount of ours is the topmost there. */
bool cf_mount_is_shown(const char *mountpoint);
int cf_mountinfo_of_fd(int fd, struct cf_mountinfo *ret_info);

/* ---- kernel.c: mounts of the kernel engine, which have no daemon ---- */

bool cf_mount_is_kernel(const struct cf_mount *mount); /* its engine is, or was the last time */
/*
 * Takes the lock of a mount that is not live for who works on it, patiently. -EBUSY, also where the
 * kernel still has the upper: mounted elsewhere, or unmounted lazily.
 */
int cf_mount_claim(const struct cf_mount *mount, int lock_fd, struct cf_error *err);
bool cf_mount_is_in_kernel(const struct cf_mount *mount); /* the kernel has the upper */
/* Whether the mount, which the kernel has no longer, is without changes. */
bool cf_kernel_left_nothing(struct cf_store *store, const struct cf_mount *mount);
/* What can be refused before anything is made. */
int cf_kernel_start_check(const struct cf_mount *mount, struct cf_error *err);

/* ---- find.c ---- */

/* path made absolute and free of links as far as its directories answer; a dead mount point does
 * not hinder. Heap, NULL: out of memory. */
char *cf_path_resolve(const char *path);
/* Which of the mounts text (as given) and path (text resolved) mean: an ID's prefix, then live,
 * dead and idle ones by their mount point. -ENOENT, -EINVAL for several. */
int cf_mount_pick(struct cf_mount *const *mounts, size_t count, const char *text, const char *path,
                  size_t *ret_index, struct cf_error *err);

/* ---- root.c ---- */

/* Whether the root's owner, mode and xattrs are those of the image's root. */
bool cf_root_is_same(struct cf_union *u, const struct cf_tree *tree);
/* Whether a mount is without changes, so that nothing is kept of it. upper_fd -1: read-only. */
bool cf_mount_is_unchanged(bool own_upper, int upper_fd, struct cf_union *u,
                           const struct cf_tree *tree);

/* ---- start.c, plain.c, daemon.c ---- */

struct cf_start {           /* what the daemon inherits */
    struct cf_store *store; /* not used by the daemon, which closes its descriptors */
    struct cf_mount *mount;
    struct cf_settings settings;
    struct cf_tree *tree;
    struct cf_stack *stack; /* plain directories: no store, tree, objects, dir_fd and lock then */
    int tree_fd;
    int objects_fd;
    int mounts_fd;
    int dir_fd;            /* mounts/<id> */
    int upper_fd, work_fd; /* -1: read-only */
    int lock_fd;           /* taken; -1 with a stack */
    bool own_upper;        /* it lies in the store */
    bool fresh;            /* made by this start; removed if it fails */
    bool foreground;
    struct cf_mount *before; /* of a resumed mount: put back if the start fails */
};
#define CF_START_INIT                                                                   \
    {                                                                                   \
        .tree_fd = -1, .objects_fd = -1, .mounts_fd = -1, .dir_fd = -1, .upper_fd = -1, \
        .work_fd = -1, .lock_fd = -1                                                    \
    }
void cf_start_done(struct cf_start *start);
/* The mount point: there, a directory, and free. */
int cf_start_place(struct cf_start *start, const char *path, bool nonempty, struct cf_error *err);
/* Opens upper and work, which are made where they are not there (make). -EXDEV: on two disks. */
int cf_start_open_upper(struct cf_start *start, bool make, struct cf_error *err);
/* Whether the daemon may use trusted.*: it takes CAP_SYS_ADMIN on the machine itself. */
bool cf_start_lacks_trusted(int dirfd);
/* Serves in the foreground until unmounted, or starts the daemon and returns when it answers. */
int cf_start_run(struct cf_start *start, bool foreground, struct cf_error *err);
/*
 * The daemon's life: union, mount, serve, tidy up. *ready_fd (-1: nobody waits) gets a struct
 * cf_error with code 0 when the mount answers, and is closed then; a failure before that is
 * returned.
 */
int cf_daemon_run(struct cf_start *start, int *ready_fd, struct cf_error *err);
/* Forks a process that is nobody's child. Returns 0 in it, 1 in the caller, or -errno. */
int cf_fork_orphan(void);
/* Turns the process into a daemon that has only what start names, and runs it; never returns. */
void cf_daemon_enter(struct cf_start *start, int ready_fd) __attribute__((noreturn));

/* Mounts with the kernel engine, and returns (foreground: when it is unmounted). */
int cf_kernel_start(struct cf_start *start, struct cf_error *err);
/* Makes the description durable; for a new mount after it answers, so that nobody waits. */
int cf_start_sync(const struct cf_start *start);

#endif
