/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tar.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One PAX record to be: key and value, borrowed. */
struct record {
    const char *key;
    size_t key_len;
    const void *value;
    size_t value_len;
};

enum { OTHER_RECORDS = 8, NUMBER_SIZE = 48 };

struct records {
    struct record *list; /* heap */
    size_t count;
    char numbers[OTHER_RECORDS][NUMBER_SIZE]; /* texts of values */
    size_t number_count;
    struct cf_buf keys; /* "SCHILY.xattr.NAME", NUL-terminated each */
};

static void records_done(struct records *records)
{
    free(records->list);
    cf_buf_done(&records->keys);
}

static void add_record(struct records *records, const char *key, const void *value, size_t len)
{
    records->list[records->count++] =
        (struct record){.key = key, .key_len = strlen(key), .value = value, .value_len = len};
}

static void add_number(struct records *records, const char *key, uint64_t number)
{
    char *text = records->numbers[records->number_count++];
    const int len = snprintf(text, NUMBER_SIZE, "%" PRIu64, number);
    add_record(records, key, text, (size_t)len);
}

/* Seconds and the fraction without trailing zeros; before 1970 the sign counts for both. */
static void add_time(struct records *records, int64_t sec, uint32_t nsec)
{
    char *text = records->numbers[records->number_count++];
    const bool negative = sec < 0;
    uint64_t whole = negative ? 0 - (uint64_t)sec : (uint64_t)sec;
    if (negative && nsec > 0) {
        whole--;
        nsec = 1000000000 - nsec;
    }
    int len = snprintf(text, NUMBER_SIZE, "%s%" PRIu64, negative ? "-" : "", whole);
    if (nsec > 0) {
        len += snprintf(text + len, NUMBER_SIZE - (size_t)len, ".%09" PRIu32, nsec);
        while (text[len - 1] == '0')
            len--;
    }
    add_record(records, "mtime", text, (size_t)len);
}

/* '=' would end the key: written as GNU tar does, %3D, and so '%' as %25. */
static int add_xattrs(struct records *records, const struct cf_tar_entry *entry)
{
    int r = 0;
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++) {
        r = cf_buf_add_str(&records->keys, "SCHILY.xattr.");
        for (const char *c = entry->xattrs[i].name; *c && r == 0; c++)
            r = *c == '='   ? cf_buf_add_str(&records->keys, "%3D")
                : *c == '%' ? cf_buf_add_str(&records->keys, "%25")
                            : cf_buf_add_char(&records->keys, *c);
        if (r == 0)
            r = cf_buf_add_char(&records->keys, '\0');
    }
    const char *key = records->keys.data; /* does not move any more */
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++, key += strlen(key) + 1)
        add_record(records, key, entry->xattrs[i].value, entry->xattrs[i].len);
    return r;
}

static int compare_records(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* "LENGTH KEY=VALUE\n": LENGTH counts its own digits too. */
static int format_record(const struct record *record, struct cf_buf *buf)
{
    const size_t rest = record->key_len + record->value_len + 3;
    size_t len = rest + 1;
    for (size_t power = 10, digits = 1; len >= power; power *= 10)
        len = rest + ++digits;
    int r = cf_buf_printf(buf, "%zu %s=", len, record->key);
    if (r == 0)
        r = cf_buf_add(buf, record->value, record->value_len);
    return r < 0 ? r : cf_buf_add_char(buf, '\n');
}

/* ---- the header block ---- */

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Into name, or prefix and name split at the first slash that lets both fit. */
static bool put_path(struct cf_tar_block *block, const char *path, size_t len)
{
    if (len <= sizeof block->name) {
        memcpy(block->name, path, len);
        return is_ascii(path, len);
    }
    for (size_t i = 1; i <= sizeof block->prefix && i < len - 1; i++) {
        if (path[i] != '/' || len - i - 1 > sizeof block->name)
            continue;
        memcpy(block->prefix, path, i);
        memcpy(block->name, path + i + 1, len - i - 1);
        return is_ascii(path, len);
    }
    memcpy(block->name, path, sizeof block->name); /* for who does not read PAX */
    return false;
}

/* width - 1 octal digits and a NUL; false and all zeros if they do not suffice. */
static bool put_number(char *field, size_t width, uint64_t number)
{
    const bool fits = number >> (3 * (width - 1)) == 0;
    if (!fits)
        number = 0;
    field[width - 1] = '\0';
    for (size_t i = width - 1; i-- > 0; number >>= 3)
        field[i] = (char)('0' + (number & 7));
    return fits;
}

static void put_checksum(struct cf_tar_block *block)
{
    unsigned sum = 0;
    memset(block->checksum, ' ', sizeof block->checksum);
    for (size_t i = 0; i < sizeof *block; i++)
        sum += ((const unsigned char *)block)[i];
    (void)put_number(block->checksum, 7, sum); /* six digits, NUL, and the space stays */
}

static void start_block(struct cf_tar_block *block, char type)
{
    memset(block, 0, sizeof *block);
    memcpy(block->magic, "ustar\00000", sizeof block->magic);
    block->type = type;
    (void)put_number(block->mode, sizeof block->mode, 0644);
    (void)put_number(block->uid, sizeof block->uid, 0);
    (void)put_number(block->gid, sizeof block->gid, 0);
    (void)put_number(block->size, sizeof block->size, 0);
    (void)put_number(block->mtime, sizeof block->mtime, 0);
    (void)put_number(block->major, sizeof block->major, 0);
    (void)put_number(block->minor, sizeof block->minor, 0);
}

/* The header block and records of the extended header that stands before it. */
static int add_extended(struct cf_buf *buf, const struct cf_buf *text)
{
    struct cf_tar_block block;
    static const char zeros[CF_TAR_BLOCK];
    start_block(&block, 'x');
    memcpy(block.name, "././@PaxHeader", strlen("././@PaxHeader"));
    (void)put_number(block.size, sizeof block.size, text->len);
    put_checksum(&block);
    int r = cf_buf_add(buf, &block, sizeof block);
    if (r == 0)
        r = cf_buf_add(buf, text->data, text->len);
    return r < 0 ? r : cf_buf_add(buf, zeros, cf_tar_padding(text->len));
}

static int fill_block(struct cf_tar_block *block, const struct cf_tar_entry *entry,
                      const struct cf_buf *path, struct records *records, struct cf_error *err)
{
    const bool link = entry->type == '1' || entry->type == '2';
    const uint64_t mtime = entry->mtime_sec < 0 ? 0 : (uint64_t)entry->mtime_sec;
    start_block(block, entry->type);
    (void)put_number(block->mode, sizeof block->mode, entry->mode & 07777);
    if (!put_path(block, path->data, path->len))
        add_record(records, "path", path->data, path->len);
    if (!put_number(block->uid, sizeof block->uid, entry->uid))
        add_number(records, "uid", entry->uid);
    if (!put_number(block->gid, sizeof block->gid, entry->gid))
        add_number(records, "gid", entry->gid);
    if (entry->type == '0' && !put_number(block->size, sizeof block->size, entry->size))
        add_number(records, "size", entry->size);
    if (!put_number(block->mtime, sizeof block->mtime, mtime) || entry->mtime_sec < 0 ||
        entry->mtime_nsec > 0)
        add_time(records, entry->mtime_sec, entry->mtime_nsec);
    if ((entry->type == '3' || entry->type == '4') &&
        (!put_number(block->major, sizeof block->major, entry->major) ||
         !put_number(block->minor, sizeof block->minor, entry->minor)))
        return cf_fail(err, -EINVAL, "its device number is out of range");
    if (link) {
        memcpy(block->link, entry->link.data, smaller(entry->link.len, sizeof block->link));
        if (entry->link.len > sizeof block->link || !is_ascii(entry->link.data, entry->link.len))
            add_record(records, "linkpath", entry->link.data, entry->link.len);
    }
    put_checksum(block);
    return 0;
}

int cf_tar_header_format(const struct cf_tar_entry *entry, struct cf_buf *ret_buf,
                         struct cf_error *err)
{
    struct records records cf_cleanup(records_done) = {.keys = CF_BUF_INIT};
    struct cf_buf path cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    struct cf_tar_block block;
    records.list = calloc(entry->xattr_count + OTHER_RECORDS, sizeof *records.list);
    int r = records.list ? 0 : -ENOMEM;
    if (r == 0)
        r = cf_buf_add(&path, entry->path.data, entry->path.len);
    if (r == 0 && entry->type == '5')
        r = cf_buf_add_char(&path, '/');
    if (r == 0)
        r = add_xattrs(&records, entry);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    r = fill_block(&block, entry, &path, &records, err);
    if (r < 0)
        return r;
    qsort(records.list, records.count, sizeof *records.list, compare_records);
    for (size_t i = 0; i < records.count && r == 0; i++)
        r = format_record(&records.list[i], &text);
    if (r == 0 && text.len > CF_TAR_EXTENDED_MAX)
        return cf_fail(err, -EINVAL, "its extended header would be too long");
    if (r == 0 && text.len > 0)
        r = add_extended(ret_buf, &text);
    if (r == 0)
        r = cf_buf_add(ret_buf, &block, sizeof block);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}
