/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/digest.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

static const char PREFIX[] = "sha256:";

struct cf_hasher {
    struct sha256_ctx state;
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int cf_digest_parse_hex(const char *hex, struct cf_digest *ret)
{
    struct cf_digest digest;
    for (size_t i = 0; i < sizeof(digest.bytes); i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (low < 0)
            return -EINVAL;
        digest.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (hex[2 * sizeof(digest.bytes)])
        return -EINVAL;
    *ret = digest;
    return 0;
}

int cf_digest_parse(const char *text, struct cf_digest *ret)
{
    if (!text || strncmp(text, PREFIX, sizeof(PREFIX) - 1) != 0)
        return -EINVAL;
    return cf_digest_parse_hex(text + sizeof(PREFIX) - 1, ret);
}

void cf_digest_hex(const struct cf_digest *digest, char ret_hex[CF_DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        ret_hex[2 * i] = digits[digest->bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    ret_hex[CF_DIGEST_HEX_SIZE - 1] = '\0';
}

void cf_digest_text(const struct cf_digest *digest, char ret_text[CF_DIGEST_TEXT_SIZE])
{
    memcpy(ret_text, PREFIX, sizeof(PREFIX) - 1);
    cf_digest_hex(digest, ret_text + sizeof(PREFIX) - 1);
}

int cf_digest_compare(const struct cf_digest *a, const struct cf_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool cf_digest_equal(const struct cf_digest *a, const struct cf_digest *b)
{
    return cf_digest_compare(a, b) == 0;
}

int cf_hasher_new(struct cf_hasher **ret_hasher)
{
    struct cf_hasher *hasher = malloc(sizeof(*hasher));
    if (!hasher)
        return -ENOMEM;
    sha256_init(&hasher->state);
    *ret_hasher = hasher;
    return 0;
}

void cf_hasher_free(struct cf_hasher *hasher)
{
    free(hasher);
}

void cf_hasher_update(struct cf_hasher *hasher, const void *data, size_t len)
{
    sha256_update(&hasher->state, len, data);
}

void cf_hasher_final(struct cf_hasher *hasher, struct cf_digest *ret_digest)
{
    sha256_digest(&hasher->state, sizeof(ret_digest->bytes),
                  ret_digest->bytes); /* and begins anew */
}

void cf_digest_of(const void *data, size_t len, struct cf_digest *ret_digest)
{
    struct sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, len, data);
    sha256_digest(&state, sizeof(ret_digest->bytes), ret_digest->bytes);
}
