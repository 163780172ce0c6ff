/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the FUSE engine share. Callbacks decode, call the union, and reply. */
#ifndef CF_FUSE_ENGINE_H
#define CF_FUSE_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

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
    bool mappable;                 /* opened O_RDWR: may have dirty pages of a shared mapping */
    struct cf_handle *next, *prev; /* in engine->mappable, under engine->lock */
};

struct cf_parked { /* a request that waits for the thaw */
    struct fuse_buf buf;
    struct cf_parked *next;
};

struct cf_engine {
    struct cf_union *u;
    struct fuse_session *session;
    struct cf_ioctl_info info;
    const char *mountpoint;
    bool unchecked;   /* mounted without default_permissions */
    bool initialised; /* INIT was answered; main thread only */

    pthread_mutex_t lock; /* guards all below */
    uint64_t freezer;     /* fh of the descriptor that froze or is about to; 0: none */
    bool frozen;          /* requests that change something are parked */
    struct cf_parked *parked, **parked_end;
    struct cf_handle *mappable;
};

struct cf_engine *cf_engine_of(fuse_req_t req);
/* The kernel asks for an inode's attributes when it needs them next. engine: struct cf_engine. */
void cf_engine_drop_attributes(void *engine, uint64_t ino);
struct cf_union *cf_engine_union(fuse_req_t req);
struct cf_caller cf_engine_caller(fuse_req_t req);
struct cf_handle *cf_engine_handle(const struct fuse_file_info *fi);
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
void cf_engine_drop_parked(struct cf_engine *engine);
void cf_engine_track(struct cf_engine *engine, struct cf_handle *handle);
void cf_engine_untrack(struct cf_engine *engine, struct cf_handle *handle);

/*
 * Whether the kernel asks, with the WRITE or OPEN that this thread is working on, to clear setuid
 * and setgid (HANDLE_KILLPRIV_V2). libfuse does not hand the flag on, so the loop looks for it.
 */
bool cf_engine_kill_priv(void);
void cf_engine_note_request(const struct fuse_buf *buf);

void cf_ops_names(struct fuse_lowlevel_ops *ops); /* names.c: lookup, mkdir, rename ... */
void cf_ops_inode(struct fuse_lowlevel_ops *ops); /* inode.c: getattr, xattrs, statfs, ioctl ... */
void cf_ops_file(struct fuse_lowlevel_ops *ops);  /* file.c */
void cf_ops_dir(struct fuse_lowlevel_ops *ops);   /* dir.c */
/* Replies to the ioctls of mount.h, for files and directories. */
void cf_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
                 struct fuse_file_info *fi, unsigned int flags, const void *in_buf, size_t in_size,
                 size_t out_size);

#endif
