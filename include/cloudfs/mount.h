/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount's life: made, listed, found from a path inside it, frozen, resumed, ended. The files are
 * mounts/<id>/ of the store: upper/, work/, mount.json, lock (held by the daemon while it lives),
 * log. docs/format.md describes them.
 */
#ifndef CLOUDFS_MOUNT_H
#define CLOUDFS_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/ioctl.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>
#include <cloudfs/store.h>

#define CF_MOUNT_ID_SIZE 17 /* 16 hex digits and NUL */

/* ioctls that any descriptor below a cloudfs mount answers. */
struct cf_ioctl_info {
    char id[24];     /* the mount's id, "" for one made from plain directories */
    char root[1000]; /* the store, absolute; cut off (and not NUL-terminated) never: -ENAMETOOLONG
                        at mount */
    int32_t pid;     /* of the daemon, in its own PID namespace */
};
#define CF_IOC_INFO _IOR('c', 1, struct cf_ioctl_info)
/*
 * The root directory of a mount has a file that no listing shows and no other name can be taken
 * for, since it is longer than 255 bytes. Only the owner of the daemon may open it, to read. Its
 * descriptor takes the ioctls that freeze.
 */
#define CF_CONTROL_SEVEN_X "xxxxxxx"
#define CF_CONTROL_49_X                                                                            \
    CF_CONTROL_SEVEN_X CF_CONTROL_SEVEN_X CF_CONTROL_SEVEN_X CF_CONTROL_SEVEN_X CF_CONTROL_SEVEN_X \
        CF_CONTROL_SEVEN_X CF_CONTROL_SEVEN_X
#define CF_CONTROL_NAME                                                                 \
    ".cloudfs.control." CF_CONTROL_49_X CF_CONTROL_49_X CF_CONTROL_49_X CF_CONTROL_49_X \
        CF_CONTROL_49_X
#define CF_IOC_FREEZE _IO('c', 2) /* thawed by CF_IOC_THAW, or when the descriptor is closed */
#define CF_IOC_THAW _IO('c', 3)
/* How requests reach the daemon, and how many came so far. */
#define CF_OPCODES 64 /* of linux/fuse.h */
struct cf_ioctl_transport {
    char libfuse[16];
    char passthrough[80], io_uring[80]; /* "yes", or "no: " and why */
    uint32_t threads;                   /* at most */
    uint32_t max_write, max_readahead;  /* bytes */
    uint32_t features;                  /* bits of enum cf_transport_feature */
    uint64_t requests[CF_OPCODES];
};
enum cf_transport_feature {
    CF_TRANSPORT_READDIRPLUS = 1 << 0,
    CF_TRANSPORT_KILLPRIV = 1 << 1, /* the kernel tells when to clear setuid: no xattr requests */
    CF_TRANSPORT_PARALLEL_DIROPS = 1 << 2,
    CF_TRANSPORT_NO_OPENDIR = 1 << 3,
    CF_TRANSPORT_WRITEBACK = 1 << 4,
    CF_TRANSPORT_POSIX_ACL = 1 << 5,
    CF_TRANSPORT_IDMAP = 1 << 6,
};
#define CF_IOC_TRANSPORT _IOR('c', 5, struct cf_ioctl_transport)
/*
 * To be called, until it gives none, before CF_IOC_FREEZE of the same descriptor: opens for writing
 * wait from now on, and these inodes are written to past the daemon (FUSE passthrough). The freezer
 * opens each by handle (FUSE's: number, generation 0) with CF_HOLD_FLAGS and calls fsync(2) in a
 * thread of its own, which returns after the thaw: meanwhile the kernel keeps the lock of the
 * inode, that all writes need. What a shared mapping writes is not kept back.
 */
struct cf_ioctl_hold {
    uint32_t count, reserved;
    uint64_t inos[64];
};
#define CF_IOC_HOLD _IOR('c', 4, struct cf_ioctl_hold)
#define CF_HOLD_FLAGS (O_NONBLOCK | O_NOATIME | O_DSYNC)

enum cf_mount_state {
    CF_MOUNT_LIVE, /* a daemon answers, or the kernel does */
    CF_MOUNT_DEAD, /* the daemon is gone, the kernel still shows the mount point (ENOTCONN) */
    CF_MOUNT_IDLE, /* unmounted; the upper waits for resume, commit or discard */
};

struct cf_mount {
    char id[CF_MOUNT_ID_SIZE];
    enum cf_mount_state state;
    bool read_only;
    bool user_xattrs;          /* format of the upper */
    struct cf_digest manifest; /* of the image */
    char *reference;           /* as it was given */
    char *mountpoint;          /* absolute; of the last mount when idle */
    char *engine;              /* "fuse" or "kernel" */
    char *options;             /* -o as given, or "" */
    char *upper;               /* absolute path of the upper; NULL when read-only */
    char *work;
    int64_t created; /* seconds since the epoch */
    pid_t pid;       /* of the daemon while live; else, and with the kernel engine, 0 */
};
void cf_mount_free(struct cf_mount *mount);
CF_DEFINE_CLEANUP(struct cf_mount *, cf_mount_free)

struct cf_mount_options {
    const char *reference;  /* image to mount */
    const char *mountpoint; /* an existing, empty directory */
    const char *resume; /* id (unique prefix) to resume instead of a new mount; mountpoint may be
                           NULL: the last */
    const char
        *upper; /* an upper directory of the caller's choice (work beside it); NULL: in the store */
    const char *options; /* mount(8) style: ro,rw,allow_other,default_permissions,fsname=... ;
                            unknown ones that mount(8) hands on are tolerated */
    bool read_only;
    bool foreground;
    bool nonempty;
    const char *engine; /* "fuse" or "kernel"; NULL: fuse, or the resumed mount's last one */
};
/*
 * Mounts, and returns when the mount answers: the daemon runs on in the background (foreground:
 * returns when it is unmounted). ret_id gets the id. One clear line for: no such image, mount point
 * missing, not a directory, not empty, already mounted, /dev/fuse missing or not allowed, upper in
 * use.
 */
int cf_mount_start(struct cf_store *store, const struct cf_mount_options *options,
                   char ret_id[CF_MOUNT_ID_SIZE], struct cf_error *err);

/*
 * Mounts of plain directories in overlayfs's format: options hold lowerdir=A:B::DATA, and
 * upperdir= and workdir= (without them: read-only). reference (NULL: "cloudfs") is what mount(8)
 * shows as the source. They have no store and no id.
 */
bool cf_mount_is_plain(const char *options); /* whether they hold lowerdir= */
int cf_mount_plain(const struct cf_mount_options *options, struct cf_error *err);
/* Whether path is the mount point of such a mount, also of one whose daemon is gone. */
bool cf_mount_is_plain_at(const char *path);
/* Unmounts what is mounted at path, whatever kind of mount of ours it is, and returns when its
 * daemon has let go of everything. -EINVAL: no such mount point. */
int cf_mount_plain_stop(const char *path, bool lazy, struct cf_error *err);

/* The value of an option of mount(8)'s, without its escapes, "" for one that has no value; heap,
 * NULL: not there. The last one counts. */
char *cf_mount_option(const char *options, const char *name);
/* Those of a remount that the kernel knows, for mount(8); heap, NULL: out of memory. */
char *cf_mount_remount_options(const char *options);
/* The id of the mount whose upper that is. -ENOENT. */
int cf_mount_find_upper(struct cf_store *store, const char *upper, char ret_id[CF_MOUNT_ID_SIZE],
                        struct cf_error *err);

/* All mounts of the store, oldest first; the caller frees each and the array. */
int cf_mount_list(struct cf_store *store, struct cf_mount ***ret_mounts, size_t *ret_count,
                  struct cf_error *err);
void cf_mount_list_free(struct cf_mount **mounts, size_t count);

/* The mount that text means: an id (unique prefix), or a path in or at a mount (also a dead one's
 * mount point, or the last mount point of an idle one). root (NULL: not wanted) gets the store's
 * root when the path tells, as a heap string: open that store then. -ENOENT. */
int cf_mount_find(struct cf_store *store, const char *text, struct cf_mount **ret_mount,
                  struct cf_error *err);
int cf_mount_store_of(const char *path, char **ret_root, char ret_id[CF_MOUNT_ID_SIZE],
                      struct cf_error *err); /* -ENOENT: path is in no live cloudfs mount */

/*
 * Unmounts and returns when the daemon is gone and has let go of everything. discard: removes the
 * upper and the mount's description. -EBUSY with the line that says so. A dead mount is cleaned up.
 * A mount without changes, or read-only, leaves nothing behind.
 */
int cf_mount_stop(struct cf_store *store, const struct cf_mount *mount, bool discard, bool lazy,
                  struct cf_error *err);

/* Keeps changes out while open: flushes what the kernel still holds, and freezes (live mounts) or
 * takes the mount's lock (idle ones). -EBUSY: frozen by another. Ends with thaw, or with the
 * process. */
struct cf_hold; /* a thread that keeps writers of one file back */
struct cf_freeze {
    int fd;
    bool live;
    struct cf_hold *holds;
    bool moving; /* a live mount of the kernel engine: nothing holds changes back */
};
int cf_mount_freeze(struct cf_store *store, const struct cf_mount *mount,
                    struct cf_freeze *ret_freeze, struct cf_error *err);
void cf_mount_thaw(struct cf_freeze *freeze);

/* What a live mount says of itself. -ENOTCONN: it is not live; -ENOTTY: it is another engine's. */
int cf_mount_transport(const struct cf_mount *mount, struct cf_ioctl_transport *ret_transport,
                       struct cf_error *err);
/* FUSE's own name of a request, or NULL. */
const char *cf_transport_request_name(unsigned int opcode);

/* Records a new base image for a mount (commit --advance) - only while idle, with an empty upper.
 */
int cf_mount_set_image(struct cf_store *store, const struct cf_mount *mount, const char *reference,
                       const struct cf_digest *manifest, struct cf_error *err);

/* The same for an upper that is not empty, whose changes the new image holds: image and an empty
 * upper are taken on together, also if a crash comes between. The caller holds the idle mount's
 * lock (cf_mount_freeze). */
int cf_mount_advance(struct cf_store *store, const struct cf_mount *mount, const char *reference,
                     const struct cf_digest *manifest, struct cf_error *err);

#endif
