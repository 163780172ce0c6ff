/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's mount API of descriptors (Linux 5.2), which C libraries do not all have. Not public.
 */
#ifndef CF_KERNEL_API_H
#define CF_KERNEL_API_H

#include <linux/mount.h>
#include <stddef.h>

#include <cloudfs/error.h>

/* A filesystem in the making. One clear line for a kernel that has no such type, and for who may
 * not mount. */
int cf_fs_open(const char *type, int *ret_fd, struct cf_error *err);
int cf_fs_string(int fd, const char *key, const char *value); /* -errno */
int cf_fs_flag(int fd, const char *key);
int cf_fs_fd(int fd, const char *key, int value);
int cf_fs_create(int fd);
/* What the kernel had to say, without line ends; "" for nothing. */
void cf_fs_message(int fd, char *ret_text, size_t size);
/* A mount of it that has no place yet: a descriptor, or -errno. */
int cf_fs_mount(int fd, unsigned int attr);
int cf_fs_move(int mount_fd, const char *to);

#endif
