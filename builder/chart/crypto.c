/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto.h"

#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include <nettle/hmac.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cloudfs/library.h>
#include <cloudfs/scope.h>

#define LIBCRYPTO_SYMBOLS(X)                \
    X(BIO_ctrl)                             \
    X(BIO_free)                             \
    X(BIO_new)                              \
    X(BIO_new_mem_buf)                      \
    X(BIO_s_mem)                            \
    X(BN_bin2bn)                            \
    X(BN_free)                              \
    X(BN_to_ASN1_INTEGER)                   \
    X(EVP_CIPHER_CTX_free)                  \
    X(EVP_CIPHER_CTX_new)                   \
    X(EVP_CipherFinal_ex)                   \
    X(EVP_CipherInit_ex)                    \
    X(EVP_CipherUpdate)                     \
    X(EVP_PBE_scrypt)                       \
    X(EVP_PKEY_CTX_free)                    \
    X(EVP_PKEY_CTX_new_from_name)           \
    X(EVP_PKEY_CTX_new_from_pkey)           \
    X(EVP_PKEY_Q_keygen)                    \
    X(EVP_PKEY_free)                        \
    X(EVP_PKEY_get_base_id)                 \
    X(EVP_PKEY_keygen)                      \
    X(EVP_PKEY_keygen_init)                 \
    X(EVP_PKEY_paramgen)                    \
    X(EVP_PKEY_paramgen_init)               \
    X(EVP_aes_256_cbc)                      \
    X(EVP_sha256)                           \
    X(PEM_read_bio_PrivateKey)              \
    X(PEM_read_bio_X509)                    \
    X(PEM_write_bio_PrivateKey)             \
    X(PEM_write_bio_PrivateKey_traditional) \
    X(PEM_write_bio_X509)                   \
    X(X509V3_EXT_conf_nid)                  \
    X(X509V3_set_ctx)                       \
    X(X509_EXTENSION_free)                  \
    X(X509_NAME_add_entry_by_txt)           \
    X(X509_add_ext)                         \
    X(X509_free)                            \
    X(X509_get_serialNumber)                \
    X(X509_get_subject_name)                \
    X(X509_getm_notAfter)                   \
    X(X509_getm_notBefore)                  \
    X(X509_gmtime_adj)                      \
    X(X509_new)                             \
    X(X509_set_issuer_name)                 \
    X(X509_set_pubkey)                      \
    X(X509_set_version)                     \
    X(X509_sign)                            \
    X(X509_time_adj_ex)

static struct {
    LIBCRYPTO_SYMBOLS(CF_LIBRARY_MEMBER)
} ssl; /* written once, by load() */

static bool loaded;

static void load(void)
{
    static const char *const names[] = {LIBCRYPTO_SYMBOLS(CF_LIBRARY_NAME)};
    loaded = cf_library_load("libcrypto.so.3", names, CF_COUNT(names), &ssl) == 0;
}

/* First thing of whatever uses ssl. */
static bool have_libcrypto(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load);
    return loaded;
}

size_t cf_crypto_digest(const char *name, const void *data, size_t len, uint8_t digest[64])
{
    const struct nettle_hash *hash = nettle_lookup_hash(name);
    union {
        struct sha1_ctx sha1;
        struct sha256_ctx sha256;
        struct sha512_ctx sha512;
    } state;
    if (!hash || hash->context_size > sizeof state || hash->digest_size > 64)
        return 0;
    hash->init(&state);
    hash->update(&state, len, data);
    hash->digest(&state, hash->digest_size, digest);
    return hash->digest_size;
}

int cf_crypto_random(void *data, size_t len)
{
    for (size_t done = 0; done < len;) { /* a signal cuts it short, and 32 MiB do */
        ssize_t n = getrandom((uint8_t *)data + done, len - done, 0);
        if (n < 0 && errno != EINTR)
            return -EIO;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int cf_crypto_bcrypt(const char *password, char ret_hash[128])
{
    struct crypt_data data;
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    uint8_t random[16];
    memset(&data, 0, sizeof data);
    if (cf_crypto_random(random, sizeof random) < 0 ||
        !crypt_gensalt_rn("$2a$", 10, (const char *)random, sizeof random, salt, sizeof salt))
        return -ENOTSUP;
    const char *hash = crypt_r(password, salt, &data);
    if (!hash || *hash == '*' || strlen(hash) >= 128)
        return -ENOTSUP;
    strcpy(ret_hash, hash);
    return 0;
}

int cf_crypto_scrypt(const char *password, const char *salt, size_t salt_len, uint8_t key[64])
{
    if (!have_libcrypto())
        return -ENOTSUP;
    return ssl.EVP_PBE_scrypt(password, strlen(password), (const uint8_t *)salt, salt_len, 32768, 8,
                              2, 128 << 20, key, 64) == 1
               ? 0
               : -EIO;
}

void cf_crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                           uint8_t mac[32])
{
    struct hmac_sha256_ctx state;
    hmac_sha256_set_key(&state, key_len, key);
    hmac_sha256_update(&state, len, data);
    hmac_sha256_digest(&state, 32, mac);
}

static int cipher(bool encrypt, const void *key, size_t key_len, const uint8_t *iv,
                  const void *data, size_t len, struct cf_buf *ret_buf)
{
    uint8_t padded[32] = {0};
    int n = 0, more = 0;
    memcpy(padded, key, key_len < 32 ? key_len : 32);
    if (!have_libcrypto())
        return -ENOTSUP;
    if (len > INT32_MAX / 2 || cf_buf_reserve(ret_buf, len + 32) < 0)
        return -ENOMEM;
    EVP_CIPHER_CTX *ctx = ssl.EVP_CIPHER_CTX_new();
    uint8_t *out = (uint8_t *)ret_buf->data + ret_buf->len;
    bool good = ctx &&
                ssl.EVP_CipherInit_ex(ctx, ssl.EVP_aes_256_cbc(), NULL, padded, iv, encrypt) == 1 &&
                ssl.EVP_CipherUpdate(ctx, out, &n, data, (int)len) == 1 &&
                ssl.EVP_CipherFinal_ex(ctx, out + n, &more) == 1;
    ssl.EVP_CIPHER_CTX_free(ctx);
    if (!good)
        return -EINVAL;
    ret_buf->len += (size_t)(n + more);
    ret_buf->data[ret_buf->len] = 0;
    return 0;
}

int cf_crypto_encrypt(const void *key, size_t key_len, const void *data, size_t len,
                      struct cf_buf *ret_buf)
{
    uint8_t iv[16];
    if (cf_crypto_random(iv, sizeof iv) < 0 || cf_buf_add(ret_buf, iv, sizeof iv) < 0)
        return -ENOMEM;
    return cipher(true, key, key_len, iv, data, len, ret_buf);
}

int cf_crypto_decrypt(const void *key, size_t key_len, const void *data, size_t len,
                      struct cf_buf *ret_buf)
{
    if (len < 16)
        return -EINVAL;
    return cipher(false, key, key_len, data, (const uint8_t *)data + 16, len - 16, ret_buf);
}

static int take_bio(BIO *bio, struct cf_buf *ret_buf)
{
    char *data;
    long len = ssl.BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data);
    return len < 0 ? -ENOMEM : cf_buf_add(ret_buf, data, (size_t)len);
}

static int put_key(EVP_PKEY *key, struct cf_buf *ret_pem)
{
    BIO *bio = ssl.BIO_new(ssl.BIO_s_mem());
    /* As Go writes them: ed25519 in PKCS#8, the others in their own forms. */
    bool traditional = ssl.EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519;
    int good =
        bio &&
        (traditional ? ssl.PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL)
                     : ssl.PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    int r = good ? take_bio(bio, ret_pem) : -ENOMEM;
    ssl.BIO_free(bio);
    return r;
}

static EVP_PKEY *new_rsa(int bits)
{
    return ssl.EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
}

static EVP_PKEY *new_dsa(void)
{
    EVP_PKEY *parameters = NULL, *key = NULL;
    EVP_PKEY_CTX *ctx = ssl.EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    if (ctx && ssl.EVP_PKEY_paramgen_init(ctx) == 1)
        (void)ssl.EVP_PKEY_paramgen(ctx, &parameters);
    ssl.EVP_PKEY_CTX_free(ctx);
    ctx = parameters ? ssl.EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL) : NULL;
    if (ctx && ssl.EVP_PKEY_keygen_init(ctx) == 1)
        (void)ssl.EVP_PKEY_keygen(ctx, &key);
    ssl.EVP_PKEY_CTX_free(ctx);
    ssl.EVP_PKEY_free(parameters);
    return key;
}

int cf_crypto_private_key(const char *kind, struct cf_buf *ret_pem)
{
    if (!have_libcrypto())
        return -ENOTSUP;
    EVP_PKEY *key = !strcmp(kind, "rsa") || !*kind ? new_rsa(*kind ? 4096 : 2048)
                    : !strcmp(kind, "ecdsa")   ? ssl.EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                    : !strcmp(kind, "ed25519") ? ssl.EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                    : !strcmp(kind, "dsa")     ? new_dsa()
                                               : NULL;
    int r = key ? put_key(key, ret_pem) : -EINVAL;
    ssl.EVP_PKEY_free(key);
    return r;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    memset(&ctx, 0, sizeof ctx); /* no configuration */
    ssl.X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = ssl.X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension && ssl.X509_add_ext(cert, extension, -1) == 1;
    ssl.X509_EXTENSION_free(extension);
    return good;
}

static bool add_alternate_names(X509 *cert, const struct cf_cert_options *o)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    for (int which = 0; which < 2; which++) {
        const char *const *list = which ? o->names : o->ips;
        for (; list && *list; list++)
            if (strpbrk(*list, ",\n") || cf_buf_printf(&text, "%s%s:%s", text.len ? "," : "",
                                                       which ? "DNS" : "IP", *list) < 0)
                return false;
    }
    return !text.len || add_extension(cert, NID_subject_alt_name, text.data);
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = ssl.BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? ssl.PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    ssl.BIO_free(bio);
    return key;
}

static X509 *read_cert(const char *pem)
{
    BIO *bio = ssl.BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? ssl.PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    ssl.BIO_free(bio);
    return cert;
}

static bool fill(X509 *cert, const struct cf_cert_options *o, EVP_PKEY *key, X509 *signer)
{
    uint8_t serial[16];
    if (cf_crypto_random(serial, sizeof serial) < 0)
        return false;
    serial[0] &= 0x7F;
    BIGNUM *number = ssl.BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *name = ssl.X509_get_subject_name(cert);
    bool good =
        number && ssl.BN_to_ASN1_INTEGER(number, ssl.X509_get_serialNumber(cert)) &&
        ssl.X509_set_version(cert, 2) == 1 &&
        ssl.X509_gmtime_adj(ssl.X509_getm_notBefore(cert), 0) &&
        ssl.X509_time_adj_ex(ssl.X509_getm_notAfter(cert), (int)o->days, 0, NULL) &&
        ssl.X509_set_pubkey(cert, key) == 1 &&
        ssl.X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)o->common_name,
                                       -1, -1, 0) == 1 &&
        ssl.X509_set_issuer_name(cert, signer ? ssl.X509_get_subject_name(signer) : name) == 1;
    ssl.BN_free(number);
    return good &&
           add_extension(cert, NID_key_usage,
                         o->is_ca ? "critical,digitalSignature,keyEncipherment,keyCertSign"
                                  : "critical,digitalSignature,keyEncipherment") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(cert, NID_basic_constraints,
                         o->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_alternate_names(cert, o);
}

int cf_crypto_certificate(const struct cf_cert_options *o, struct cf_buf *ret_cert,
                          struct cf_buf *ret_key, struct cf_error *err)
{
    if (!have_libcrypto())
        return cf_fail(err, -ENOTSUP,
                       "certificates need libcrypto (libcrypto.so.3), which is not installed");
    X509 *cert = ssl.X509_new(), *signer = o->ca_cert ? read_cert(o->ca_cert) : NULL;
    EVP_PKEY *key = o->key ? read_key(o->key) : new_rsa(2048);
    EVP_PKEY *signing = o->ca_key ? read_key(o->ca_key) : key;
    BIO *bio = ssl.BIO_new(ssl.BIO_s_mem());
    int r = -EINVAL;
    if ((o->ca_cert && !signer) || !signing || !key) {
        (void)cf_fail(err, r, "unable to parse a certificate or key");
    } else if (o->days < 0 || o->days > 1000000 || !cert || !bio || !fill(cert, o, key, signer) ||
               !ssl.X509_sign(cert, signing,
                              ssl.EVP_PKEY_get_base_id(signing) == EVP_PKEY_ED25519
                                  ? NULL
                                  : ssl.EVP_sha256()) ||
               !ssl.PEM_write_bio_X509(bio, cert)) {
        (void)cf_fail(err, r, "error creating certificate");
    } else {
        r = take_bio(bio, ret_cert);
        if (!r)
            r = put_key(key, ret_key);
    }
    if (o->ca_key)
        ssl.EVP_PKEY_free(signing);
    ssl.EVP_PKEY_free(key);
    ssl.X509_free(signer);
    ssl.X509_free(cert);
    ssl.BIO_free(bio);
    return r;
}
