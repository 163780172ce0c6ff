/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel engine: an image's merged tree, mounted as EROFS, below overlayfs, with objects/ as a
 * data-only layer and an upper directory above. The kernel answers everything; nothing of ours runs
 * while it is mounted. Only the overlay has a place in the namespace: the EROFS mounts below it are
 * the kernel's own. Needs root (CAP_SYS_ADMIN of the machine), EROFS, and overlayfs with metacopy
 * and data-only layers (Linux 6.5). Knows nothing of stores and images.
 *
 * Source: the kernel's Documentation/filesystems/overlayfs.rst, erofs.rst; fsopen(2), fsconfig(2),
 * fsmount(2), move_mount(2).
 */
#ifndef CLOUDFS_KERNEL_H
#define CLOUDFS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>

struct cf_kernel_mount {
    const char *mountpoint;   /* absolute path of a directory */
    const char *source;       /* what mount(8) shows */
    int tree_fd;              /* the image's merged tree */
    int stubs_fd;             /* from cf_kernel_write_stubs; -1: no stubs */
    const char *objects;      /* absolute path of objects/ */
    const char *upper, *work; /* absolute paths; NULL: read-only */
    const char *scratch;      /* a directory where older kernels may mount for a moment */
    unsigned long flags;      /* MS_NOSUID, MS_NODEV ... of mount(2) */
    const char *context;      /* SELinux options ("context=..."), or NULL */
    bool old_ways;            /* for tests: do as on older kernels */
};
/* One clear line for what the kernel lacks; nothing is left behind. The upper is one that
 * cf_union_settle made fit. */
int cf_kernel_mount(const struct cf_kernel_mount *mount, struct cf_error *err);
/* -EBUSY: in use (not when lazy); -EINVAL: not mounted. */
int cf_kernel_unmount(const char *mountpoint, bool lazy, struct cf_error *err);

/*
 * Whether an overlay of the kernel has this upper directory. It is the kernel's own mark that
 * tells, so that mounts in other namespaces, and those that were unmounted lazily and are in use
 * still, count too, and nothing is left over after a crash. Changes nothing. Who may not mount
 * overlays hears false.
 */
bool cf_kernel_has_upper(const char *upper);

/*
 * Stubs of an upper have their content in objects/, where overlayfs follows from lower layers only.
 * This writes the EROFS tree between: /dir/ab/cdef of each object. Its inodes have two names, for
 * overlayfs takes several files on top of one inode with a single name for one file. fd: an empty
 * file. The list is put into order; one object may come more than once.
 */
struct cf_kernel_stub {
    struct cf_digest object;
    uint64_t size;
};
int cf_kernel_write_stubs(const char *dir, struct cf_kernel_stub *stubs, size_t count,
                          int scratch_fd, int fd, struct cf_error *err);

#endif
