/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tar.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A value in place: not NUL-terminated. */
struct text {
    char *data;
    size_t len;
};

void cf_tar_pax_clear(struct cf_tar_pax *pax)
{
    const struct cf_tar_pax kept = {.xattrs = pax->xattrs,
                                    .xattr_room = pax->xattr_room,
                                    .pieces = pax->pieces,
                                    .piece_room = pax->piece_room};
    *pax = kept;
}

void cf_tar_pax_done(struct cf_tar_pax *pax)
{
    free(pax->xattrs);
    free(pax->pieces);
    *pax = (struct cf_tar_pax){0};
}

/* Doubles an array's room. */
static int grow(void **array, size_t *room, size_t item)
{
    const size_t more = *room ? *room * 2 : 16;
    void *bigger = realloc(*array, more * item);
    if (!bigger)
        return -ENOMEM;
    *array = bigger;
    *room = more;
    return 0;
}

int cf_tar_piece_add(struct cf_tar_pax *pax, uint64_t offset, uint64_t len)
{
    if (pax->piece_count == CF_TAR_PIECES_MAX)
        return -E2BIG;
    if (pax->piece_count == pax->piece_room) {
        int r = grow((void **)&pax->pieces, &pax->piece_room, sizeof *pax->pieces);
        if (r < 0)
            return r;
    }
    pax->pieces[pax->piece_count++] = (struct cf_tar_piece){offset, len};
    return 0;
}

int cf_tar_pieces_check(const struct cf_tar_pax *pax, uint64_t size, uint64_t stored,
                        struct cf_error *err)
{
    uint64_t at = 0, sum = 0;
    for (size_t i = 0; i < pax->piece_count; i++) {
        const struct cf_tar_piece *piece = &pax->pieces[i];
        if (piece->offset < at || piece->offset > size || piece->len > size - piece->offset)
            return cf_fail(err, -EINVAL, "its sparse map overlaps or leaves the file");
        at = piece->offset + piece->len;
        sum += piece->len;
    }
    if (sum != stored)
        return cf_fail(err, -EINVAL, "its sparse map does not match the data that is there");
    return 0;
}

/* ---- values ---- */

/* Decimal digits only, to 2^63 - 1. */
static int parse_uint(struct text t, uint64_t *ret_value)
{
    if (t.len == 0)
        return -EINVAL;
    uint64_t value = 0;
    for (size_t i = 0; i < t.len; i++) {
        if (!isdigit((unsigned char)t.data[i]))
            return -EINVAL;
        const unsigned digit = (unsigned)(t.data[i] - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return 0;
}

static int parse_id(struct text t, uint32_t *ret_value)
{
    uint64_t value;
    int r = parse_uint(t, &value);
    if (r < 0)
        return r;
    if (value > UINT32_MAX)
        return -ERANGE;
    *ret_value = (uint32_t)value;
    return 0;
}

/* [-]seconds[.fraction]; what is finer than a nanosecond is cut towards the past. */
static int parse_time(struct text t, int64_t *ret_sec, uint32_t *ret_nsec)
{
    const bool negative = t.len > 0 && t.data[0] == '-';
    if (negative)
        t = (struct text){t.data + 1, t.len - 1};
    const char *dot = memchr(t.data, '.', t.len);
    uint64_t sec;
    int r = parse_uint((struct text){t.data, dot ? (size_t)(dot - t.data) : t.len}, &sec);
    if (r < 0)
        return r;
    uint32_t nsec = 0, unit = 100000000;
    bool finer = false;
    for (size_t i = dot ? (size_t)(dot - t.data) + 1 : t.len; i < t.len; i++) {
        if (!isdigit((unsigned char)t.data[i]))
            return -EINVAL;
        nsec += (uint32_t)(t.data[i] - '0') * unit;
        finer |= unit == 0 && t.data[i] != '0';
        unit /= 10;
    }
    if (negative && finer && ++nsec == 1000000000) {
        nsec = 0;
        sec++;
    }
    *ret_sec = negative ? -(int64_t)sec - (nsec > 0) : (int64_t)sec;
    *ret_nsec = negative && nsec > 0 ? 1000000000 - nsec : nsec;
    return 0;
}

static int parse_name(struct text t, const char **ret_data, size_t *ret_len)
{
    if (memchr(t.data, '\0', t.len))
        return -EINVAL;
    if (t.len > CF_TAR_PATH_MAX)
        return -ENAMETOOLONG;
    *ret_data = t.data;
    *ret_len = t.len;
    return 0;
}

/* ---- extended attributes ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX to bytes, in place. GNU tar writes '=' and '%' of names so, libarchive whatever is not
 * printable. For GNU (all false) only those two are taken as escapes. */
static size_t percent_decode(char *data, size_t len, bool all)
{
    size_t out = 0;
    for (size_t i = 0; i < len; i++, out++) {
        const int high = data[i] == '%' && i + 2 < len ? hex_digit(data[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(data[i + 2]) : -1;
        const int byte = low >= 0 ? high << 4 | low : -1;
        data[out] = data[i];
        if (byte < 0 || (!all && byte != '=' && byte != '%'))
            continue;
        data[out] = (char)byte;
        i += 2;
    }
    return out;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place; '=' at the end may be there or not (libarchive leaves it out). */
static int base64_decode(struct text *t)
{
    while (t->len > 0 && t->data[t->len - 1] == '=')
        t->len--;
    size_t out = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < t->len; i++) {
        const int digit = base64_digit(t->data[i]);
        if (digit < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            t->data[out++] = (char)(bits >> have);
        }
    }
    t->len = out;
    return 0;
}

/* name is the key behind its prefix and ends where '=' was. */
static int add_xattr(struct cf_tar_pax *pax, struct text name, struct text value, bool libarchive)
{
    name.len = percent_decode(name.data, name.len, libarchive);
    if (name.len == 0 || memchr(name.data, '\0', name.len))
        return -EINVAL;
    name.data[name.len] = '\0';
    int r = libarchive ? base64_decode(&value) : 0;
    if (r < 0)
        return r;
    if (pax->xattr_count == CF_TAR_XATTRS_MAX)
        return -E2BIG;
    if (pax->xattr_count == pax->xattr_room) {
        r = grow((void **)&pax->xattrs, &pax->xattr_room, sizeof *pax->xattrs);
        if (r < 0)
            return r;
    }
    pax->xattrs[pax->xattr_count++] =
        (struct cf_tar_xattr){.name = name.data, .value = value.data, .len = value.len};
    return 0;
}

/* ---- GNU.sparse.* ---- */

/* Format 0.0: an offset record, then a numbytes record, for each piece. */
static int add_half_piece(struct cf_tar_pax *pax, bool is_offset, uint64_t value)
{
    if (is_offset == pax->half_piece)
        return -EINVAL;
    pax->has_sparse_map = true;
    pax->half_piece = is_offset;
    if (is_offset)
        return cf_tar_piece_add(pax, value, 0);
    pax->pieces[pax->piece_count - 1].len = value;
    return 0;
}

/* Format 0.1: "offset,length,offset,length..." */
static int parse_map(struct cf_tar_pax *pax, struct text t)
{
    pax->has_sparse_map = true;
    pax->piece_count = 0;
    uint64_t numbers[2];
    unsigned have = 0;
    while (t.len > 0) {
        const char *comma = memchr(t.data, ',', t.len);
        const size_t len = comma ? (size_t)(comma - t.data) : t.len;
        int r = parse_uint((struct text){t.data, len}, &numbers[have++]);
        if (r == 0 && have == 2) {
            r = cf_tar_piece_add(pax, numbers[0], numbers[1]);
            have = 0;
        }
        if (r < 0)
            return r;
        t.data += comma ? len + 1 : len;
        t.len -= comma ? len + 1 : len;
    }
    return have ? -EINVAL : 0;
}

static int parse_sparse(struct cf_tar_pax *pax, const char *key, struct text value)
{
    if (strcmp(key, "map") == 0)
        return parse_map(pax, value);
    if (strcmp(key, "name") == 0) {
        pax->has_sparse_name = true;
        return parse_name(value, &pax->sparse_name, &pax->sparse_name_len);
    }
    uint64_t number;
    int r = parse_uint(value, &number);
    if (r < 0)
        return r;
    if (strcmp(key, "major") == 0) {
        pax->has_sparse_major = true;
        pax->sparse_major = number;
    } else if (strcmp(key, "minor") == 0) {
        pax->has_sparse_minor = true;
        pax->sparse_minor = number;
    } else if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
        pax->has_sparse_size = true;
        pax->sparse_size = number;
    } else if (strcmp(key, "offset") == 0 || strcmp(key, "numbytes") == 0) {
        return add_half_piece(pax, key[0] == 'o', number);
    }
    return 0; /* numblocks says nothing that the map does not */
}

/* ---- records ---- */

#define SPARSE "GNU.sparse."
#define SCHILY "SCHILY.xattr."
#define LIBARCHIVE "LIBARCHIVE.xattr."

/* The keys of one value; an empty value takes back what a global header or the block said of
 * it, which for a header block means: the block's own field stands. */
static int apply_known(struct cf_tar_pax *pax, const char *key, struct text value)
{
    const bool given = value.len > 0;
    if (strcmp(key, "path") == 0) {
        pax->has_path = given;
        return parse_name(value, &pax->path, &pax->path_len);
    }
    if (strcmp(key, "linkpath") == 0) {
        pax->has_link = given;
        return parse_name(value, &pax->link, &pax->link_len);
    }
    if (strcmp(key, "size") == 0) {
        pax->has_size = given;
        return given ? parse_uint(value, &pax->size) : 0;
    }
    if (strcmp(key, "mtime") == 0) {
        pax->has_mtime = given;
        return given ? parse_time(value, &pax->mtime_sec, &pax->mtime_nsec) : 0;
    }
    const struct {
        const char *key;
        bool *has;
        uint32_t *number;
    } numbers[] = {
        {"uid", &pax->has_uid, &pax->uid},
        {"gid", &pax->has_gid, &pax->gid},
        {"SCHILY.devmajor", &pax->has_major, &pax->major},
        {"SCHILY.devminor", &pax->has_minor, &pax->minor},
    };
    for (size_t i = 0; i < CF_COUNT(numbers); i++) {
        if (strcmp(key, numbers[i].key) != 0)
            continue;
        *numbers[i].has = given;
        return given ? parse_id(value, numbers[i].number) : 0;
    }
    return 0; /* atime, ctime, names of owners, comments: not kept in trees */
}

static int apply(struct cf_tar_pax *pax, struct text key, struct text value)
{
    if (memchr(key.data, '\0', key.len))
        return -EINVAL;
    key.data[key.len] = '\0';
    const size_t schily = strlen(SCHILY), libarchive = strlen(LIBARCHIVE), sparse = strlen(SPARSE);
    if (strncmp(key.data, SCHILY, schily) == 0)
        return add_xattr(pax, (struct text){key.data + schily, key.len - schily}, value, false);
    if (strncmp(key.data, LIBARCHIVE, libarchive) == 0)
        return add_xattr(pax, (struct text){key.data + libarchive, key.len - libarchive}, value,
                         true);
    if (strncmp(key.data, SPARSE, sparse) == 0)
        return parse_sparse(pax, key.data + sparse, value);
    return apply_known(pax, key.data, value);
}

static const char *problem(int code)
{
    switch (code) {
    case -ERANGE:
        return "is out of range";
    case -E2BIG:
        return "is one too many";
    case -ENAMETOOLONG:
        return "is too long";
    default:
        return "makes no sense";
    }
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts all of it. Returns the record's length. */
static int split_record(char *data, size_t len, size_t *ret_len, struct text *ret_key,
                        struct text *ret_value)
{
    size_t digits = 0, stated = 0;
    while (digits < len && digits < 8 && isdigit((unsigned char)data[digits]))
        stated = stated * 10 + (size_t)(data[digits++] - '0');
    if (digits == 0 || digits == len || data[digits] != ' ')
        return -EINVAL;
    if (stated > len || stated < digits + 4 || data[stated - 1] != '\n')
        return -EINVAL;
    char *key = data + digits + 1;
    char *equals = memchr(key, '=', stated - digits - 2);
    if (!equals || equals == key)
        return -EINVAL;
    *ret_key = (struct text){key, (size_t)(equals - key)};
    *ret_value = (struct text){equals + 1, (size_t)(data + stated - 1 - (equals + 1))};
    *ret_len = stated;
    return 0;
}

int cf_tar_pax_parse(struct cf_tar_pax *pax, char *records, size_t len, struct cf_error *err)
{
    for (size_t at = 0, used = 0; at < len; at += used) {
        struct text key, value;
        int r = split_record(records + at, len - at, &used, &key, &value);
        if (r < 0)
            return cf_fail(err, r, "its extended header is malformed");
        r = apply(pax, key, value);
        if (r == -ENOMEM)
            return cf_fail(err, r, "out of memory");
        if (r < 0)
            return cf_fail(err, -EINVAL, "the value of '%.*s' in its extended header %s",
                           (int)(key.len < 100 ? key.len : 100), key.data, problem(r));
    }
    if (pax->half_piece)
        return cf_fail(err, -EINVAL, "its sparse map lacks a length");
    return 0;
}
