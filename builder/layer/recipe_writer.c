/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/layer.h>

/* Level 1: headers shrink to some 20 bytes an entry at any level, other content does not. */
enum { RAW_SIZE = 64 << 10, DIGESTS_SIZE = 256, LEVEL = 1 };

struct cf_recipe_writer {
    int dirfd;
    int operations, digests;          /* temporary files */
    struct cf_compressor *compressor; /* into operations */
    uint64_t count;                   /* objects that are named; so the index of the one at hand */
    size_t digests_kept, raw_len;
    uint64_t part_offset, part_len;        /* not written yet; or raw is not */
    struct cf_digest digest[DIGESTS_SIZE]; /* not in their file yet */
    unsigned char raw[RAW_SIZE];
};

static int fail(int code, struct cf_error *err)
{
    return cf_fail_errno(err, -code, "cannot write the layer's recipe");
}

static int write_operations(void *context, const void *data, size_t len, struct cf_error *err)
{
    const struct cf_recipe_writer *writer = context;
    int r = cf_write_full(writer->operations, data, len);
    return r < 0 ? fail(r, err) : 0;
}

static int open_temporary(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    (void)unlinkat(dirfd, name, 0);
    return fd;
}

int cf_recipe_writer_new(int dirfd, struct cf_recipe_writer **ret_writer, struct cf_error *err)
{
    struct cf_recipe_writer *writer cf_cleanup(cf_recipe_writer_free_ptr) = malloc(sizeof *writer);
    if (!writer)
        return cf_fail(err, -ENOMEM, "out of memory");
    memset(writer, 0, offsetof(struct cf_recipe_writer, digest));
    writer->dirfd = dirfd;
    writer->digests = -1;
    writer->operations = open_temporary(dirfd, "operations");
    if (writer->operations < 0)
        return fail(writer->operations, err);
    writer->digests = open_temporary(dirfd, "digests");
    if (writer->digests < 0)
        return fail(writer->digests, err);
    int r = cf_compressor_new_frame(LEVEL, write_operations, writer, &writer->compressor, err);
    if (r < 0)
        return r;
    *ret_writer = CF_TAKE(writer);
    return 0;
}

void cf_recipe_writer_free(struct cf_recipe_writer *writer)
{
    if (!writer)
        return;
    cf_compressor_free(writer->compressor);
    cf_close_fd(&writer->operations);
    cf_close_fd(&writer->digests);
    free(writer);
}

static size_t put_number(unsigned char *at, uint64_t number)
{
    size_t n = 0;
    for (; number >= 0x80; number >>= 7)
        at[n++] = (unsigned char)(number | 0x80);
    at[n++] = (unsigned char)number;
    return n;
}

/* Writes what is pending: bytes or a part, never both. */
static int flush(struct cf_recipe_writer *writer, struct cf_error *err)
{
    unsigned char head[1 + 3 * 10];
    size_t n = 1;
    if (writer->raw_len > 0) {
        head[0] = 0;
        n += put_number(head + n, writer->raw_len);
    } else if (writer->part_len > 0) {
        head[0] = 1;
        n += put_number(head + n, writer->count);
        n += put_number(head + n, writer->part_offset);
        n += put_number(head + n, writer->part_len);
    } else {
        return 0;
    }
    int r = cf_compressor_write(writer->compressor, head, n, err);
    if (r == 0 && writer->raw_len > 0)
        r = cf_compressor_write(writer->compressor, writer->raw, writer->raw_len, err);
    writer->raw_len = 0;
    writer->part_len = 0;
    return r;
}

int cf_recipe_raw(struct cf_recipe_writer *writer, const void *data, size_t len,
                  struct cf_error *err)
{
    int r = writer->part_len > 0 ? flush(writer, err) : 0;
    const unsigned char *at = data;
    while (r == 0 && len > 0) {
        const size_t room = RAW_SIZE - writer->raw_len, n = len < room ? len : room;
        memcpy(writer->raw + writer->raw_len, at, n);
        writer->raw_len += n;
        at += n;
        len -= n;
        if (writer->raw_len == RAW_SIZE)
            r = flush(writer, err);
    }
    return r;
}

int cf_recipe_part(struct cf_recipe_writer *writer, uint64_t offset, uint64_t len,
                   struct cf_error *err)
{
    if (writer->part_len > 0 && writer->part_offset + writer->part_len == offset) {
        writer->part_len += len;
        return 0;
    }
    int r = flush(writer, err);
    writer->part_offset = offset;
    writer->part_len = len;
    return r;
}

static int flush_digests(struct cf_recipe_writer *writer)
{
    const size_t len = writer->digests_kept * sizeof writer->digest[0];
    writer->digests_kept = 0;
    return cf_write_full(writer->digests, writer->digest, len);
}

int cf_recipe_object(struct cf_recipe_writer *writer, const struct cf_digest *digest,
                     struct cf_error *err)
{
    int r = flush(writer, err);
    if (r < 0)
        return r;
    writer->digest[writer->digests_kept++] = *digest;
    writer->count++;
    r = writer->digests_kept == DIGESTS_SIZE ? flush_digests(writer) : 0;
    return r < 0 ? fail(r, err) : 0;
}

static int put_together(struct cf_recipe_writer *writer)
{
    const uint64_t count = htole64(writer->count);
    int fd cf_autoclose =
        openat(writer->dirfd, CF_RECIPE_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(writer->operations, &st) < 0)
        return -errno;
    const off_t head = 8 + sizeof count,
                digests = (off_t)(writer->count * sizeof(struct cf_digest));
    int r = cf_pwrite_full(fd, "CFRECIP1", 8, 0);
    if (r == 0)
        r = cf_pwrite_full(fd, &count, sizeof count, 8);
    if (r == 0 && digests > 0)
        r = cf_copy_data(writer->digests, 0, fd, head, (size_t)digests);
    if (r == 0)
        r = cf_copy_data(writer->operations, 0, fd, head + digests, (size_t)st.st_size);
    return r;
}

int cf_recipe_finish(struct cf_recipe_writer *writer, struct cf_error *err)
{
    int r = flush(writer, err);
    if (r == 0)
        r = cf_compressor_finish(writer->compressor, err);
    if (r < 0)
        return r;
    r = flush_digests(writer);
    if (r == 0)
        r = put_together(writer);
    return r < 0 ? fail(r, err) : 0;
}
