/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a failure is told: a number for the program, a line for the person.
 *
 * Every function that can fail returns 0 (or a documented positive value) for success and a
 * negative errno for failure. Where a person will read the failure, the last parameter is a
 * struct cf_error on the caller's stack (NULL: not wanted). No allocation, no global state.
 *
 * What the numbers mean in cloudfs:
 *   -EINVAL    input that is malformed, or a request that makes no sense
 *   -EBADMSG   content does not match its digest, or a file of the store is damaged
 *   -ENOENT    no such image, layer, object, path
 *   -EEXIST    it exists already
 *   -EBUSY     in use by a mount or another process
 *   -EFBIG     input is larger than the limit that guards against bombs
 *   -ENOTSUP   a form or feature that cloudfs, the kernel or the disk does not do
 *   -ENOSPC, -EDQUOT, -EIO, -EACCES, -EPERM, -EROFS, -ENOMEM ...  as the system says them
 */
#ifndef CLOUDFS_ERROR_H
#define CLOUDFS_ERROR_H

#define CF_ERROR_TEXT_SIZE 1024

struct cf_error {
    int code;                      /* negative errno; 0: no failure */
    char text[CF_ERROR_TEXT_SIZE]; /* one line, no newline, control characters escaped */
};

/* Sets err (NULL allowed) to code and the formatted line; returns code. code must be negative. */
int cf_fail(struct cf_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For a failed system call: the formatted line, ": " and strerror(errnum); returns -errnum. */
int cf_fail_errno(struct cf_error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Adds context in front: "<formatted line>: <text so far>"; returns code unchanged. Where no
 * text was set, strerror(-code) stands for it. Use as `return cf_fail_in(err, r, "load %s", f)`.
 */
int cf_fail_in(struct cf_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
