/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the FUSE engine share. Callbacks decode, call the union, and reply. */
#ifndef CF_FUSE_ENGINE_H
#define CF_FUSE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <fuse_lowlevel.h>

#include <cloudfs/fuse.h>
#include <cloudfs/mount.h>

/*
 * How long the kernel may keep names (also absent ones) and attributes: for ever, in seconds. This
 * daemon is the only writer, and each change goes through the kernel that caches.
 */
#define CF_FUSE_FOREVER 1e9

struct cf_handle { /* an open regular file; fi->fh */
    struct cf_file *file;
    uint64_t ino;
    int flags;                     /* of open(2) */
    bool mappable;                 /* opened O_RDWR: may have dirty pages of a shared mapping */
    bool counted;                  /* in engine->open_inodes */
    bool privileged;               /* born setuid or setgid */
    bool holder;                   /* opened by the freezer, for CF_IOC_HOLD */
    bool control;                  /* of CF_CONTROL_NAME: there is no file */
    struct cf_handle *next, *prev; /* in engine->mappable, under engine->lock */
};

struct cf_parked { /* a request that waits for the thaw */
    struct fuse_buf buf;
    bool holds; /* the freezer's own FSYNC, which only keeps a lock */
    struct cf_parked *next;
};

/* A listing that goes on with the next request. */
#define CF_PASSES 8
struct cf_pass {
    uint64_t ino, cookie;
    struct cf_dir *dir; /* NULL: none, nor behind it */
};

/* The inode of CF_CONTROL_NAME; the union knows none of that number. */
#define CF_CONTROL_INO (UINT64_MAX - 1)

struct cf_engine {
    struct cf_union *u;
    struct fuse_session *session;
    struct cf_ioctl_info info;
    const char *mountpoint;
    bool unchecked;                      /* mounted without default_permissions */
    bool initialised;                    /* INIT was answered; main thread only */
    struct cf_ioctl_transport transport; /* written before the workers start */
    atomic_uint max_readahead;
    _Atomic uint64_t requests[CF_OPCODES];

    pthread_mutex_t lock; /* guards all below */
    uint64_t freezer;     /* fh of the descriptor that froze or is about to; 0: none */
    atomic_bool holding;  /* opens for writing are parked: the freezer holds back who writes */
    atomic_bool frozen;   /* requests that change something are parked */
    struct cf_parked *parked, **parked_end;
    struct cf_handle *mappable;

    pthread_mutex_t passing; /* guards passes; taken last */
    struct cf_pass passes[CF_PASSES];

    pthread_rwlock_t opening; /* shared: an open for writing is on its way to be counted */
    pthread_mutex_t opens;    /* for holding_changed; taken before a bucket's */
    pthread_cond_t holding_changed;
    atomic_bool awaiting;               /* a freezer waits for it */
    struct cf_open_bucket *open_inodes; /* NULL: nothing is passed through */
};

struct cf_engine *cf_engine_of(fuse_req_t req);
/* The kernel asks for an inode's attributes when it needs them next. engine: struct cf_engine. */
void cf_engine_drop_attributes(void *engine, uint64_t ino);
struct cf_union *cf_engine_union(fuse_req_t req);
struct cf_caller cf_engine_caller(fuse_req_t req);
struct cf_handle *cf_engine_handle(const struct fuse_file_info *fi);
/* Room for a reply of size bytes, until this worker's next request; NULL: no memory. */
char *cf_engine_buffer(size_t size);
/* Replies with the error r (negative), or success (0). */
void cf_engine_reply(fuse_req_t req, int r);

/*
 * Freezing. A worker that waited inside the union for a thaw could be the last one, and then
 * nobody would read the THAW: so while frozen, requests that change something are set aside as
 * they arrive, and processed by whoever thaws.
 */
int cf_engine_freeze(struct cf_engine *engine, uint64_t fh);
/* Thaws if fh is the one that froze (-EPERM otherwise), and processes what was parked. */
int cf_engine_thaw(struct cf_engine *engine, uint64_t fh);
/* True: the request is dealt with, for it has to wait (buf->mem is taken over), or interrupted one
 * that waits. */
bool cf_engine_park(struct cf_engine *engine, struct fuse_buf *buf);
/* CF_IOC_HOLD, see mount.h. Returns how many numbers of inodes are in ret_inos. */
int cf_engine_hold(struct cf_engine *engine, uint64_t fh, uint64_t *ret_inos, size_t max);
void cf_engine_drop_parked(struct cf_engine *engine);
void cf_engine_track(struct cf_engine *engine, struct cf_handle *handle);
void cf_engine_untrack(struct cf_engine *engine, struct cf_handle *handle);

/* ---- passthrough.c ---- */

bool cf_passthrough_init(struct cf_engine *engine);
void cf_passthrough_done(struct cf_engine *engine);
/* Whether and how an open is passed through or cached goes to fi; -ENOMEM. Before the reply. */
int cf_passthrough_open(struct cf_engine *engine, struct cf_handle *handle,
                        struct fuse_file_info *fi);
void cf_passthrough_close(struct cf_engine *engine, struct cf_handle *handle);
/* Inodes that somebody writes to past us, and that no parked request holds. */
size_t cf_passthrough_writers(struct cf_engine *engine, uint64_t *ret_inos, size_t max);
/* A request on that inode is about to be parked, and holds its writers back; false: no need to. */
bool cf_passthrough_hold(struct cf_engine *engine, uint64_t ino);
/* Waits until all writers are held; -ETIMEDOUT. */
int cf_passthrough_wait_held(struct cf_engine *engine, int seconds);
void cf_passthrough_let_go(struct cf_engine *engine);

/*
 * Whether the kernel asks, with the WRITE or OPEN that this thread is working on, to clear setuid
 * and setgid (HANDLE_KILLPRIV_V2). libfuse does not hand the flag on, so the loop looks for it.
 */
bool cf_engine_kill_priv(void);
void cf_engine_note_request(struct cf_engine *engine, const struct fuse_buf *buf);
void cf_engine_drop_passes(struct cf_engine *engine);
/* What users see of CF_CONTROL_NAME. */
void cf_engine_control_attr(struct stat *ret_attr);
/* What INIT offers is taken, and written down in engine->transport; init.c. */
void cf_engine_init(struct cf_engine *engine, struct fuse_conn_info *conn);
/* What libfuse cannot ask for: idmapped mounts. Both messages as the kernel has them. */
void cf_engine_amend_init(struct cf_engine *engine, const void *request, void *reply, size_t size);
/* Whether the caller has the capability, outside of user namespaces. Where idmapped mounts are
 * allowed the kernel tells a caller's ids only with what makes an inode; then /proc is asked. */
bool cf_engine_is_capable(fuse_req_t req, unsigned int capability);
/* Once the mount answers; nothing is asked of it. */
void cf_engine_read_far_ahead(struct cf_engine *engine);

void cf_ops_names(struct fuse_lowlevel_ops *ops); /* names.c: lookup, mkdir, rename ... */
void cf_ops_inode(struct fuse_lowlevel_ops *ops); /* inode.c: getattr, xattrs, statfs, ioctl ... */
void cf_ops_file(struct fuse_lowlevel_ops *ops);  /* file.c */
void cf_ops_dir(struct fuse_lowlevel_ops *ops);   /* dir.c */
/* Replies to the ioctls of mount.h, for files and directories. */
void cf_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
                 struct fuse_file_info *fi, unsigned int flags, const void *in_buf, size_t in_size,
                 size_t out_size);

#endif
