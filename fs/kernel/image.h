/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as a mounted EROFS that has no place in the namespace. Not public. */
#ifndef CF_KERNEL_IMAGE_H
#define CF_KERNEL_IMAGE_H

#include <stdbool.h>

#include <cloudfs/error.h>

/* From the file itself (Linux 6.12), else through a loop device, which goes with the mount. loop:
 * for tests, the latter at once. */
int cf_erofs_mount(int tree_fd, bool loop, int *ret_mount_fd, struct cf_error *err);

#endif
