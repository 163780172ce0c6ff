/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, certificates, ciphers and password hashes: what charts make with libcrypto and libcrypt,
 * which nobody else here needs (content is hashed by fs/base/digest.c). libcrypto is loaded when
 * it is first needed: where it is not installed, what needs it fails with -ENOTSUP. Results are in
 * malloc memory, so that nothing here can throw.
 */
#ifndef CF_CRYPTO_H
#define CF_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>

/* name: "sha1", "sha256", "sha512"; digest gets up to 64 bytes. Returns its length, 0 for no such.
 */
size_t cf_crypto_digest(const char *name, const void *data, size_t len, uint8_t digest[64]);
int cf_crypto_random(void *data, size_t len);
/* bcrypt, "$2a$10$...", a salt of chance. */
int cf_crypto_bcrypt(const char *password, char ret_hash[128]);
/* Algorithm "Master Password" of sprig's derivePassword: 64 bytes of scrypt, and HMAC-SHA256. */
int cf_crypto_scrypt(const char *password, const char *salt, size_t salt_len, uint8_t key[64]);
void cf_crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                           uint8_t mac[32]);
/* AES-256-CBC with PKCS#7 padding; the key is cut or filled with zeros to 32 bytes. */
int cf_crypto_encrypt(const void *key, size_t key_len, const void *data, size_t len,
                      struct cf_buf *ret_buf);
int cf_crypto_decrypt(const void *key, size_t key_len, const void *data, size_t len,
                      struct cf_buf *ret_buf);

/* kind: rsa, dsa, ecdsa, ed25519. PEM. -EINVAL for another kind. */
int cf_crypto_private_key(const char *kind, struct cf_buf *ret_pem);

struct cf_cert_options {
    const char *common_name;
    const char *const *ips, *const *names; /* ended by NULL; alternate names */
    int64_t days;
    bool is_ca;
    const char *ca_cert, *ca_key; /* PEM of the signer; NULL: signed by itself */
    const char *key;              /* PEM; NULL: a new RSA key of 2048 bits */
};
int cf_crypto_certificate(const struct cf_cert_options *options, struct cf_buf *ret_cert,
                          struct cf_buf *ret_key, struct cf_error *err);

#endif
