/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SHA256_* functions rather than EVP: they hold their state in the caller's memory, so that
 * hashing a small file allocates nothing and cannot fail. They use the same assembly.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <cloudfs/digest.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

static const char PREFIX[] = "sha256:";

struct cf_hasher {
    SHA256_CTX state;
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

/* The SHA256_* functions have nothing that could fail; an answer of 0 is a libcrypto without it. */
static void must(int answer)
{
    if (answer != 1)
        abort();
}

int cf_hasher_new(struct cf_hasher **ret_hasher)
{
    struct cf_hasher *hasher = malloc(sizeof(*hasher));
    if (!hasher)
        return -ENOMEM;
    must(SHA256_Init(&hasher->state));
    *ret_hasher = hasher;
    return 0;
}

void cf_hasher_free(struct cf_hasher *hasher)
{
    free(hasher);
}

void cf_hasher_update(struct cf_hasher *hasher, const void *data, size_t len)
{
    must(SHA256_Update(&hasher->state, data, len));
}

void cf_hasher_final(struct cf_hasher *hasher, struct cf_digest *ret_digest)
{
    must(SHA256_Final(ret_digest->bytes, &hasher->state));
    must(SHA256_Init(&hasher->state));
}

void cf_digest_of(const void *data, size_t len, struct cf_digest *ret_digest)
{
    SHA256_CTX state;
    must(SHA256_Init(&state));
    must(SHA256_Update(&state, data, len));
    must(SHA256_Final(ret_digest->bytes, &state));
}
