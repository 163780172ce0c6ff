/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 digests: their three spellings (32 bytes, 64 hex digits, "sha256:" + hex), and hashing.
 * The only door to the hash. Source of the spelling: OCI image-spec, descriptor.md "Digests".
 */
#ifndef CLOUDFS_DIGEST_H
#define CLOUDFS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/scope.h>

#define CF_DIGEST_HEX_SIZE 65  /* with the NUL */
#define CF_DIGEST_TEXT_SIZE 72 /* "sha256:", hex, NUL */

struct cf_digest {
    uint8_t bytes[32];
};

/* "sha256:<64 lower-case hex digits>", nothing else: -EINVAL. */
int cf_digest_parse(const char *text, struct cf_digest *ret);
/* 64 lower-case hex digits; reads exactly 64 characters and needs the 65th to be NUL: -EINVAL. */
int cf_digest_parse_hex(const char *hex, struct cf_digest *ret);
void cf_digest_hex(const struct cf_digest *digest, char ret_hex[CF_DIGEST_HEX_SIZE]);
void cf_digest_text(const struct cf_digest *digest, char ret_text[CF_DIGEST_TEXT_SIZE]);
bool cf_digest_equal(const struct cf_digest *a, const struct cf_digest *b);
int cf_digest_compare(const struct cf_digest *a, const struct cf_digest *b);

/* A running SHA-256. Use by one thread at a time. */
struct cf_hasher;
int cf_hasher_new(struct cf_hasher **ret_hasher); /* -ENOMEM */
void cf_hasher_free(struct cf_hasher *hasher);
CF_DEFINE_CLEANUP(struct cf_hasher *, cf_hasher_free)
void cf_hasher_update(struct cf_hasher *hasher, const void *data, size_t len);
/* The digest of what was added; the hasher starts anew. */
void cf_hasher_final(struct cf_hasher *hasher, struct cf_digest *ret_digest);

/* Digest of len bytes. Cannot fail. */
void cf_digest_of(const void *data, size_t len, struct cf_digest *ret_digest);

#endif
