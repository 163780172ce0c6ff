/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 and Base32 (RFC 4648), standard alphabets, padded. */
#ifndef CF_BASE64_H
#define CF_BASE64_H

#include "value.h"

struct cf_val cf_val_base64_encode(struct cf_run *run, const void *data, size_t len);
struct cf_val cf_val_base32_encode(struct cf_run *run, const void *data, size_t len);
/* Newlines are skipped, as Go does. On failure the offset of what is wrong is set, and false given.
 */
bool cf_val_base64_decode(struct cf_run *run, const char *str, size_t len, struct cf_val *ret_val,
                          size_t *ret_wrong);
bool cf_val_base32_decode(struct cf_run *run, const char *str, size_t len, struct cf_val *ret_val,
                          size_t *ret_wrong);

#endif
