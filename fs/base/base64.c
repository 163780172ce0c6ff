/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/base64.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int cf_base64_encode(const void *data, size_t len, struct cf_buf *ret_text)
{
    const uint8_t *in = data;
    int r = 0;
    for (size_t i = 0; i < len && r == 0; i += 3) {
        const size_t n = len - i < 3 ? len - i : 3;
        const uint32_t bits = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                              (n > 2 ? in[i + 2] : 0);
        const char out[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                             n > 1 ? alphabet[bits >> 6 & 63] : '=',
                             n > 2 ? alphabet[bits & 63] : '='};
        r = cf_buf_add(ret_text, out, sizeof out);
    }
    return r;
}

int cf_base64_decode(const char *text, size_t len, struct cf_buf *ret_data)
{
    uint32_t bits = 0;
    unsigned have = 0;
    int r = 0;
    while (len > 0 && text[len - 1] == '=')
        len--;
    if (len % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < len && r == 0; i++) {
        const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!at)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            r = cf_buf_add_char(ret_data, (char)(bits >> have & 255));
        }
    }
    return r;
}
