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
    unsigned long flags; /* for mount(2) */
    char *fsname;        /* heap or NULL */
    char *upper, *work;  /* heap or NULL: upperdir=, workdir= */
    char *context;       /* heap or NULL: SELinux options for the kernel */
};
/* root: of the machine, who gets allow_other and default_permissions without asking. A backslash
 * takes the meaning from a comma. -ENOTSUP for lowerdir= and remount; what is not known is left
 * out, as mount(8) hands on its own words. */
int cf_settings_parse(const char *text, bool root, struct cf_settings *ret_settings,
                      struct cf_error *err);
void cf_settings_done(struct cf_settings *settings);

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
    bool ours;   /* of type fuse.cloudfs */
    char *point; /* heap, unescaped */
};
void cf_mountinfo_done(struct cf_mountinfo *info);
/* In text: the topmost mount at path (absolute, resolved), or (path NULL) the mount with that id.
 * 1 found, 0 not. */
int cf_mountinfo_search(const char *text, const char *path, int id, struct cf_mountinfo *ret_info);
int cf_mountinfo_at(const char *path, struct cf_mountinfo *ret_info);
/* Whether a mount of ours is the topmost there. */
bool cf_mount_is_shown(const char *mountpoint);
int cf_mountinfo_of_fd(int fd, struct cf_mountinfo *ret_info);

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

/* ---- start.c, daemon.c ---- */

struct cf_start {           /* what the daemon inherits */
    struct cf_store *store; /* not used by the daemon, which closes its descriptors */
    struct cf_mount *mount;
    struct cf_settings settings;
    struct cf_tree *tree;
    int objects_fd;
    int mounts_fd;
    int dir_fd;            /* mounts/<id> */
    int upper_fd, work_fd; /* -1: read-only */
    int lock_fd;           /* taken */
    bool own_upper;        /* it lies in the store */
    bool fresh;            /* made by this start; removed if it fails */
    bool foreground;
    struct cf_mount *before; /* of a resumed mount: put back if the start fails */
};
/*
 * The daemon's life: union, mount, serve, tidy up. *ready_fd (-1: nobody waits) gets a struct
 * cf_error with code 0 when the mount answers, and is closed then; a failure before that is
 * returned.
 */
int cf_daemon_run(struct cf_start *start, int *ready_fd, struct cf_error *err);
/* Turns the process into a daemon that has only what start names, and runs it; never returns. */
void cf_daemon_enter(struct cf_start *start, int ready_fd) __attribute__((noreturn));

#endif
