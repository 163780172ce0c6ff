/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's hashes, random text, keys and certificates. */
#include "base64.h"
#include "crypto.h"
#include "func.h"

#include <errno.h>
#include <string.h>

static struct cf_val hex_digest(struct cf_exec *x, const char *name, struct cf_val s)
{
    uint8_t digest[64];
    struct cf_text text;
    size_t len = cf_crypto_digest(name, s.str, s.len, digest);
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < len; i++)
        cf_text_printf(&text, "%02x", digest[i]);
    return cf_val_text(&text);
}

CF_FUNC(f_sha1)
{
    CF_UNUSED;
    return hex_digest(x, "sha1", a[0]);
}

CF_FUNC(f_sha256)
{
    CF_UNUSED;
    return hex_digest(x, "sha256", a[0]);
}

CF_FUNC(f_sha512)
{
    CF_UNUSED;
    return hex_digest(x, "sha512", a[0]);
}

CF_FUNC(f_adler32)
{
    CF_UNUSED;
    uint32_t low = 1, high = 0;
    for (size_t i = 0; i < a[0].len; i++) {
        low = (low + (uint8_t)a[0].str[i]) % 65521;
        high = (high + low) % 65521;
    }
    char *text = cf_run_format(x->run, "%u", high << 16 | low);
    return cf_val_cstr(text);
}

/* Of chance; of the engine's seed where there is one. */
static void random_bytes(struct cf_exec *x, uint8_t *data, size_t len)
{
    if (!x->engine->random) {
        if (cf_crypto_random(data, len) < 0)
            cf_func_fail(x, "no random numbers are to be had");
        return;
    }
    for (size_t i = 0; i < len; i++) { /* xorshift64* */
        uint64_t s = x->engine->random;
        s ^= s >> 12;
        s ^= s << 25;
        s ^= s >> 27;
        x->engine->random = s;
        data[i] = (uint8_t)(s * 2685821657736338717ull >> 56);
    }
}

static struct cf_val random_text(struct cf_exec *x, int64_t count, const char *letters)
{
    size_t choices = strlen(letters), room = 256 / choices * choices;
    struct cf_text text;
    uint8_t byte[64];
    if (count < 0 || count > 16 << 20)
        cf_func_fail(x, "%lld random characters are too many", (long long)count);
    cf_text_init(&text, x->run);
    while (text.len < (size_t)count) {
        random_bytes(x, byte, sizeof byte);
        for (size_t i = 0; i < sizeof byte && text.len < (size_t)count; i++)
            if (byte[i] < room)
                cf_text_char(&text, letters[byte[i] % choices]);
    }
    return cf_val_text(&text);
}

#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

CF_FUNC(f_rand_alpha_num)
{
    CF_UNUSED;
    return random_text(x, a[0].i, ALPHA DIGITS);
}

CF_FUNC(f_rand_alpha)
{
    CF_UNUSED;
    return random_text(x, a[0].i, ALPHA);
}

CF_FUNC(f_rand_numeric)
{
    CF_UNUSED;
    return random_text(x, a[0].i, DIGITS);
}

CF_FUNC(f_rand_ascii)
{
    CF_UNUSED;
    return random_text(x, a[0].i, ALPHA DIGITS " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
}

CF_FUNC(f_rand_bytes)
{
    CF_UNUSED;
    if (a[0].i < 0 || a[0].i > 1 << 20)
        cf_func_fail(x, "%lld random bytes are too many", (long long)a[0].i);
    uint8_t *data = cf_run_alloc(x->run, (size_t)a[0].i + 1);
    random_bytes(x, data, (size_t)a[0].i);
    return cf_val_base64_encode(x->run, data, (size_t)a[0].i);
}

CF_FUNC(f_rand_int)
{
    CF_UNUSED;
    uint64_t number;
    random_bytes(x, (uint8_t *)&number, sizeof number);
    if (a[1].i <= a[0].i)
        cf_func_fail(x, "invalid argument to Intn");
    return cf_val_int(a[0].i + (int64_t)(number % (uint64_t)(a[1].i - a[0].i)));
}

CF_FUNC(f_shuffle)
{
    CF_UNUSED;
    char *copy = cf_run_copy(x->run, a[0].str, a[0].len);
    for (size_t i = a[0].len; i > 1; i--) {
        uint32_t number;
        random_bytes(x, (uint8_t *)&number, sizeof number);
        char c = copy[i - 1];
        copy[i - 1] = copy[number % i];
        copy[number % i] = c;
    }
    return cf_val_str(copy, a[0].len);
}

CF_FUNC(f_uuidv4)
{
    CF_UNUSED;
    uint8_t u[16];
    struct cf_text text;
    random_bytes(x, u, sizeof u);
    u[6] = (u[6] & 0x0F) | 0x40;
    u[8] = (u[8] & 0x3F) | 0x80;
    cf_text_init(&text, x->run);
    for (int i = 0; i < 16; i++)
        cf_text_printf(&text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", u[i]);
    return cf_val_text(&text);
}

CF_FUNC(f_bcrypt)
{
    CF_UNUSED;
    char hash[128];
    cf_run_step(x->run, CF_RUN_LOOK); /* it takes long */
    if (cf_crypto_bcrypt(a[0].str, hash) < 0)
        cf_func_fail(x, "bcrypt is not to be had here");
    return cf_val_copy_str(x->run, hash, strlen(hash));
}

CF_FUNC(f_htpasswd)
{
    CF_UNUSED;
    if (memchr(a[0].str, ':', a[0].len))
        return cf_val_cstr("invalid username: (redacted)");
    return cf_val_cstr(cf_run_format(x->run, "%s:%s", a[0].str, f_bcrypt(x, a + 1, 1).str));
}

static const char *const password_templates[][2] = {
    {"maximum", "anoxxxxxxxxxxxxxxxxx axxxxxxxxxxxxxxxxxno"},
    {"long", "CvcvnoCvcvCvcv CvcvCvcvnoCvcv CvcvCvcvCvcvno CvccnoCvcvCvcv CvccCvcvnoCvcv "
             "CvccCvcvCvcvno CvcvnoCvccCvcv "
             "CvcvCvccnoCvcv CvcvCvccCvcvno CvcvnoCvcvCvcc CvcvCvcvnoCvcc CvcvCvcvCvccno "
             "CvccnoCvccCvcv CvccCvccnoCvcv "
             "CvccCvccCvcvno CvcvnoCvccCvcc CvcvCvccnoCvcc CvcvCvccCvccno CvccnoCvcvCvcc "
             "CvccCvcvnoCvcc CvccCvcvCvccno"},
    {"medium", "CvcnoCvc CvcCvcno"},
    {"short", "Cvcn"},
    {"basic", "aaanaaan aannaaan aaannaaa"},
    {"pin", "nnnn"},
};

static const char *letters_of(char class)
{
    switch (class) {
    case 'V':
        return "AEIOU";
    case 'C':
        return "BCDFGHJKLMNPQRSTVWXYZ";
    case 'v':
        return "aeiou";
    case 'c':
        return "bcdfghjklmnpqrstvwxyz";
    case 'A':
        return "AEIOUBCDFGHJKLMNPQRSTVWXYZ";
    case 'a':
        return "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
    case 'n':
        return DIGITS;
    case 'o':
        return "@&%?,=[]_:-+*$#!'^~;()/.";
    default:
        return "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()";
    }
}

static void put_big(struct cf_text *text, size_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        cf_text_char(text, (char)(number >> shift));
}

/* derivePassword COUNTER TYPE PASSWORD USER SITE: the Master Password algorithm. */
CF_FUNC(f_derive_password)
{
    CF_UNUSED;
    static const char scope[] = "com.lyndir.masterpassword";
    uint8_t key[64], seed[32];
    struct cf_text salt, text;
    const char *templates = NULL;
    for (size_t i = 0; i < sizeof password_templates / sizeof *password_templates; i++)
        if (cf_val_is_str(a[1], password_templates[i][0]))
            templates = password_templates[i][1];
    if (!templates)
        return cf_val_cstr(cf_run_format(x->run, "cannot find password template %s", a[1].str));
    cf_text_init(&salt, x->run);
    cf_text_str(&salt, scope);
    put_big(&salt, a[3].len);
    cf_text_add(&salt, a[3].str, a[3].len);
    cf_run_step(x->run, CF_RUN_LOOK); /* it takes long */
    if (cf_crypto_scrypt(a[2].str, salt.data, salt.len, key) < 0)
        cf_func_fail(x, "failed to derive password");
    cf_text_init(&salt, x->run);
    cf_text_str(&salt, scope);
    put_big(&salt, a[4].len);
    cf_text_add(&salt, a[4].str, a[4].len);
    put_big(&salt, (size_t)cf_val_to_int(a[0]));
    cf_crypto_hmac_sha256(key, sizeof key, salt.data, salt.len, seed);
    size_t count = 1;
    for (const char *c = templates; *c; c++)
        count += *c == ' ';
    for (size_t skip = seed[0] % count; skip; skip--)
        templates = strchr(templates, ' ') + 1;
    cf_text_init(&text, x->run);
    for (size_t i = 0; templates[i] && templates[i] != ' '; i++) {
        const char *letters = letters_of(templates[i]);
        cf_text_char(&text, letters[seed[i + 1] % strlen(letters)]);
    }
    return cf_val_text(&text);
}

/* What is in buf, in run memory; buf is emptied first, should that throw. */
static struct cf_val take(struct cf_exec *x, struct cf_buf *buf)
{
    size_t len = buf->len;
    char *data = NULL;
    jmp_buf outer;
    memcpy(&outer, &x->run->trap, sizeof outer);
    if (setjmp(x->run->trap)) {
        memcpy(&x->run->trap, &outer, sizeof outer);
        cf_buf_done(buf);
        longjmp(x->run->trap, 1);
    }
    data = cf_run_copy(x->run, buf->data ? buf->data : "", len);
    memcpy(&x->run->trap, &outer, sizeof outer);
    cf_buf_done(buf);
    return cf_val_str(data, len);
}

CF_FUNC(f_gen_private_key)
{
    CF_UNUSED;
    struct cf_buf pem = CF_BUF_INIT;
    cf_run_step(x->run, CF_RUN_LOOK); /* it takes long */
    int r = cf_crypto_private_key(a[0].len ? a[0].str : "none", &pem);
    if (r == -ENOTSUP)
        cf_func_fail(x, "keys need libcrypto (libcrypto.so.3), which is not installed");
    if (r < 0) {
        cf_buf_done(&pem);
        return cf_val_cstr(cf_run_format(x->run, "Unknown type %s", a[0].str));
    }
    return take(x, &pem);
}

static struct cf_val pair(struct cf_exec *x, struct cf_val cert, struct cf_val key)
{
    struct cf_val map = cf_val_map(x->run, 2);
    map.type = CF_T_STRUCT;
    map.dict->type_name = "sprig.certificate";
    cf_dict_set_str(x->run, map.dict, "Cert", cert);
    cf_dict_set_str(x->run, map.dict, "Key", key);
    return map;
}

static struct cf_val certificate(struct cf_exec *x, const struct cf_cert_options *options)
{
    struct cf_buf cert = CF_BUF_INIT, key = CF_BUF_INIT;
    struct cf_error err = {0};
    cf_run_step(x->run, CF_RUN_LOOK); /* it takes long */
    if (cf_crypto_certificate(options, &cert, &key, &err) < 0) {
        cf_buf_done(&cert);
        cf_buf_done(&key);
        cf_func_fail(x, "%s", err.text);
    }
    struct cf_val first = take(x, &cert);
    return pair(x, first, take(x, &key));
}

static const char *const *strings(struct cf_exec *x, struct cf_val list)
{
    if (list.kind != CF_LIST || !list.seq->count)
        return NULL;
    const char **all = cf_run_alloc_array(x->run, list.seq->count + 1, sizeof *all);
    for (size_t i = 0; i < list.seq->count; i++) {
        if (list.seq->items[i].kind != CF_STRING)
            cf_func_fail(x, "error parsing ip or name: %s is not a string",
                         cf_val_type_name(list.seq->items[i]));
        all[i] = list.seq->items[i].str;
    }
    return all;
}

static const char *ca_part(struct cf_exec *x, struct cf_val ca, const char *part)
{
    const struct cf_val *found = ca.kind == CF_MAP ? cf_dict_get_str(ca.dict, part) : NULL;
    if (!found || found->kind != CF_STRING)
        cf_func_fail(x, "a certificate authority (of genCA or buildCustomCert) is needed");
    return found->str;
}

CF_FUNC(f_gen_ca)
{
    struct cf_cert_options o = {
        .common_name = a[0].str, .days = a[1].i, .is_ca = true, .key = n > 2 ? a[2].str : NULL};
    return certificate(x, &o);
}

CF_FUNC(f_gen_self_signed)
{
    struct cf_cert_options o = {.common_name = a[0].str,
                                .ips = strings(x, a[1]),
                                .names = strings(x, a[2]),
                                .days = a[3].i,
                                .key = n > 4 ? a[4].str : NULL};
    return certificate(x, &o);
}

CF_FUNC(f_gen_signed)
{
    struct cf_cert_options o = {.common_name = a[0].str,
                                .ips = strings(x, a[1]),
                                .names = strings(x, a[2]),
                                .days = a[3].i,
                                .ca_cert = ca_part(x, a[4], "Cert"),
                                .ca_key = ca_part(x, a[4], "Key"),
                                .key = n > 5 ? a[5].str : NULL};
    return certificate(x, &o);
}

CF_FUNC(f_build_custom_cert)
{
    CF_UNUSED;
    struct cf_val cert, key;
    size_t at;
    if (!cf_val_base64_decode(x->run, a[0].str, a[0].len, &cert, &at) ||
        !cf_val_base64_decode(x->run, a[1].str, a[1].len, &key, &at))
        cf_func_fail(x, "unable to decode base64 certificate or key");
    return pair(x, cert, key);
}

CF_FUNC(f_encrypt)
{
    CF_UNUSED;
    struct cf_buf buf = CF_BUF_INIT;
    if (cf_crypto_encrypt(a[0].str, a[0].len, a[1].str, a[1].len, &buf) < 0) {
        cf_buf_done(&buf);
        cf_func_fail(x, "cannot encrypt");
    }
    struct cf_val raw = take(x, &buf);
    return cf_val_base64_encode(x->run, raw.str, raw.len);
}

CF_FUNC(f_decrypt)
{
    CF_UNUSED;
    struct cf_buf buf = CF_BUF_INIT;
    struct cf_val raw;
    size_t at;
    if (!cf_val_base64_decode(x->run, a[1].str, a[1].len, &raw, &at))
        cf_func_fail(x, "illegal base64 data at input byte %zu", at);
    if (cf_crypto_decrypt(a[0].str, a[0].len, raw.str, raw.len, &buf) < 0) {
        cf_buf_done(&buf);
        cf_func_fail(x, "cannot decrypt");
    }
    return take(x, &buf);
}

const struct cf_func cf_funcs_crypto[] = {
    {"sha1sum", "s", f_sha1},
    {"sha256sum", "s", f_sha256},
    {"sha512sum", "s", f_sha512},
    {"adler32sum", "s", f_adler32},
    {"randAlphaNum", "i", f_rand_alpha_num},
    {"randAlpha", "i", f_rand_alpha},
    {"randNumeric", "i", f_rand_numeric},
    {"randAscii", "i", f_rand_ascii},
    {"randBytes", "i", f_rand_bytes},
    {"randInt", "ii", f_rand_int},
    {"shuffle", "s", f_shuffle},
    {"uuidv4", "", f_uuidv4},
    {"bcrypt", "s", f_bcrypt},
    {"htpasswd", "ss", f_htpasswd},
    {"derivePassword", "assss", f_derive_password},
    {"genPrivateKey", "s", f_gen_private_key},
    {"genCA", "si", f_gen_ca},
    {"genCAWithKey", "sis", f_gen_ca},
    {"genSelfSignedCert", "saai", f_gen_self_signed},
    {"genSelfSignedCertWithKey", "saais", f_gen_self_signed},
    {"genSignedCert", "saaia", f_gen_signed},
    {"genSignedCertWithKey", "saaias", f_gen_signed},
    {"buildCustomCert", "ss", f_build_custom_cert},
    {"encryptAES", "ss", f_encrypt},
    {"decryptAES", "ss", f_decrypt},
    {NULL},
};
