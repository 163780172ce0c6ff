/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with + and /, padded. Source: RFC 4648, section 4. */
#ifndef CLOUDFS_BASE64_H
#define CLOUDFS_BASE64_H

#include <stddef.h>

#include <cloudfs/buf.h>

/* Appends the text of len bytes; -ENOMEM. */
int cf_base64_encode(const void *data, size_t len, struct cf_buf *ret_text);
/* Appends the bytes; padding may lack. -EINVAL, -ENOMEM. */
int cf_base64_decode(const char *text, size_t len, struct cf_buf *ret_data);

#endif
