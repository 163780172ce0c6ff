/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes, always followed by a NUL that is not counted, so that it serves as a
 * string too. Not thread safe. -ENOMEM is the only failure, and leaves the content as it was.
 */
#ifndef CLOUDFS_BUF_H
#define CLOUDFS_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include <cloudfs/scope.h>

struct cf_buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t room; /* allocated, at least len + 1 when data is set */
};

#define CF_BUF_INIT \
    {               \
        NULL, 0, 0  \
    }
#define cf_autobuf cf_cleanup(cf_buf_done) /* struct cf_buf b cf_autobuf = CF_BUF_INIT; */

void cf_buf_done(struct cf_buf *buf);
void cf_buf_clear(struct cf_buf *buf); /* empties, keeps the memory */
int cf_buf_reserve(struct cf_buf *buf, size_t more);
int cf_buf_add(struct cf_buf *buf, const void *data, size_t len);
int cf_buf_add_str(struct cf_buf *buf, const char *text);
int cf_buf_add_char(struct cf_buf *buf, char c);
int cf_buf_printf(struct cf_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int cf_buf_vprintf(struct cf_buf *buf, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* The bytes as a heap string that the caller frees; the buffer is left empty. NULL: -ENOMEM. */
char *cf_buf_take(struct cf_buf *buf);

#endif
