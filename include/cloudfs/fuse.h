/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE engine: serves a union through /dev/fuse. The mount itself (mount(2), or fusermount3 for
 * an ordinary user) is made first and gives a descriptor, which the engine then answers until
 * the kernel lets go of it. Knows nothing of stores and images.
 */
#ifndef CLOUDFS_FUSE_H
#define CLOUDFS_FUSE_H

#include <stdbool.h>

#include <cloudfs/error.h>
#include <cloudfs/union.h>

struct cf_fuse_mount {
    const char *mountpoint; /* absolute path of a directory */
    const char *source;     /* what mount(8) shows, such as cloudfs:NAME */
    unsigned long flags;    /* MS_RDONLY, MS_NOSUID ... of mount(2) */
    bool allow_other;
    bool default_permissions;
    const char *context; /* further options for the kernel ("context=..."), or NULL */
};

/*
 * Mounts; *ret_fd is an open /dev/fuse with the INIT request waiting. As root by mount(2), else by
 * fusermount3. One clear line for: /dev/fuse missing or not allowed, fusermount3 missing, and
 * whatever fusermount3 says.
 */
int cf_fuse_mount(const struct cf_fuse_mount *mount, int *ret_fd, struct cf_error *err);
/* -EBUSY: in use (not when lazy); -EINVAL: not mounted. */
int cf_fuse_unmount(const char *mountpoint, bool lazy, struct cf_error *err);

struct cf_fuse_session {
    int fd;                       /* from cf_fuse_mount; taken over */
    const char *mountpoint;       /* to unmount on SIGTERM */
    const char *id;               /* what CF_IOC_INFO tells: at most 23 bytes, */
    const char *root;             /* and 999 */
    unsigned int threads;         /* 0: a default */
    bool unchecked;               /* mounted without default_permissions */
    void (*ready)(void *context); /* called once, when the mount answers */
    void *context;
};
/*
 * Serves until unmounted. SIGTERM, SIGINT and SIGHUP unmount lazily (open files are served until
 * they are closed); a second one ends the process at once. Blocks these signals while it runs; call
 * it in a process that has no threads yet.
 */
int cf_fuse_run(struct cf_union *u, const struct cf_fuse_session *session, struct cf_error *err);

#endif
