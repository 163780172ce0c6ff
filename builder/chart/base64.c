/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <string.h>

struct alphabet {
    const char *letters;
    unsigned bits, group; /* bits of a letter; letters of a group */
};
static const struct alphabet base64 = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4};
static const struct alphabet base32 = {"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8};

static struct cf_val encode(struct cf_run *run, const struct alphabet *a, const uint8_t *data,
                            size_t len)
{
    struct cf_text out;
    uint64_t bits = 0;
    unsigned have = 0;
    cf_text_init(&out, run);
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | data[i];
        for (have += 8; have >= a->bits; have -= a->bits)
            cf_text_char(&out, a->letters[bits >> (have - a->bits) & ((1u << a->bits) - 1)]);
        bits &= (1u << have) - 1;
    }
    if (have)
        cf_text_char(&out, a->letters[bits << (a->bits - have) & ((1u << a->bits) - 1)]);
    while (out.len % a->group)
        cf_text_char(&out, '=');
    return cf_val_text(&out);
}

static bool decode(struct cf_run *run, const struct alphabet *a, const char *str, size_t len,
                   struct cf_val *ret_val, size_t *ret_wrong)
{
    struct cf_text out;
    uint64_t bits = 0;
    unsigned have = 0;
    size_t letters = 0, padding = 0, group = 0, i;
    cf_text_init(&out, run);
    for (i = 0; i < len; i++) {
        if (str[i] == '\n' || str[i] == '\r')
            continue;
        const char *found = str[i] ? strchr(a->letters, str[i]) : NULL;
        *ret_wrong = i;
        if (letters % a->group == 0)
            group = i;
        if (str[i] == '=' && letters % a->group >= 2) {
            padding++;
            continue;
        }
        if (!found || padding)
            return false;
        letters++;
        bits = bits << a->bits | (uint64_t)(found - a->letters);
        have += a->bits;
        if (have >= 8) {
            have -= 8;
            cf_text_char(&out, (char)(bits >> have));
            bits &= (1u << have) - 1;
        }
    }
    *ret_wrong = group;
    if ((letters + padding) % a->group)
        return false;
    *ret_val = cf_val_text(&out);
    return true;
}

struct cf_val cf_val_base64_encode(struct cf_run *run, const void *data, size_t len)
{
    return encode(run, &base64, data, len);
}

struct cf_val cf_val_base32_encode(struct cf_run *run, const void *data, size_t len)
{
    return encode(run, &base32, data, len);
}

bool cf_val_base64_decode(struct cf_run *run, const char *str, size_t len, struct cf_val *ret_val,
                          size_t *ret_wrong)
{
    return decode(run, &base64, str, len, ret_val, ret_wrong);
}

bool cf_val_base32_decode(struct cf_run *run, const char *str, size_t len, struct cf_val *ret_val,
                          size_t *ret_wrong)
{
    return decode(run, &base32, str, len, ret_val, ret_wrong);
}
