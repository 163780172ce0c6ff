/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/io.h>

#include "codec.h"

enum { HEAD_SIZE = 16, IN_SIZE = 32 << 10, OUT_SIZE = 64 << 10 };

struct cf_recipe_reader {
    int fd;
    uint64_t count; /* of objects */
    off_t at;       /* in the file, of the next compressed bytes */
    struct cf_decoder *decoder;
    size_t used, len;  /* of out: bytes used, bytes there */
    uint64_t raw_left; /* of the bytes operation at hand */
    unsigned char in[IN_SIZE], out[OUT_SIZE];
};

static int damaged(struct cf_error *err)
{
    return cf_fail(err, -EBADMSG, "the layer's recipe is damaged");
}

static int input(void *context, const void **ret_data, size_t *ret_len, struct cf_error *err)
{
    struct cf_recipe_reader *reader = context;
    const ssize_t n = cf_pread_full(reader->fd, reader->in, IN_SIZE, reader->at);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read the layer's recipe");
    reader->at += n;
    *ret_data = reader->in;
    *ret_len = (size_t)n;
    return n > 0;
}

int cf_recipe_reader_new(int fd, struct cf_recipe_reader **ret_reader, struct cf_error *err)
{
    struct cf_recipe_reader *reader cf_cleanup(cf_recipe_reader_free_ptr) = malloc(sizeof *reader);
    unsigned char head[HEAD_SIZE];
    struct stat st;
    if (!reader)
        return cf_fail(err, -ENOMEM, "out of memory");
    memset(reader, 0, offsetof(struct cf_recipe_reader, in));
    reader->fd = fd;
    const ssize_t n = cf_pread_full(fd, head, sizeof head, 0);
    if (n < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, n < 0 ? (int)-n : errno, "cannot read the layer's recipe");
    if (n < HEAD_SIZE || memcmp(head, "CFRECIP1", 8) != 0)
        return damaged(err);
    memcpy(&reader->count, head + 8, 8);
    reader->count = le64toh(reader->count);
    if (reader->count > (uint64_t)(st.st_size - HEAD_SIZE) / sizeof(struct cf_digest))
        return damaged(err);
    reader->at = HEAD_SIZE + (off_t)(reader->count * sizeof(struct cf_digest));
    int r = cf_decoder_new(CF_ZSTD, input, reader, &reader->decoder, err);
    if (r < 0)
        return r;
    *ret_reader = CF_TAKE(reader);
    return 0;
}

void cf_recipe_reader_free(struct cf_recipe_reader *reader)
{
    if (!reader)
        return;
    cf_decoder_free(reader->decoder);
    free(reader);
}

/* 1: there are bytes; 0: the end. */
static int fill(struct cf_recipe_reader *reader, struct cf_error *err)
{
    if (reader->used < reader->len)
        return 1;
    const ssize_t n = cf_decoder_read(reader->decoder, reader->out, OUT_SIZE, err);
    if (n == -EINVAL)
        return damaged(err);
    if (n < 0)
        return (int)n;
    reader->used = 0;
    reader->len = (size_t)n;
    return n > 0;
}

static int get_number(struct cf_recipe_reader *reader, uint64_t *ret_number, struct cf_error *err)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        int r = fill(reader, err);
        if (r <= 0)
            return r < 0 ? r : damaged(err);
        const unsigned char byte = reader->out[reader->used++];
        if (shift == 63 && byte > 1)
            break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_number = number;
            return 0;
        }
    }
    return damaged(err);
}

static int get_part(struct cf_recipe_reader *reader, struct cf_recipe_step *ret_step,
                    struct cf_error *err)
{
    uint64_t index;
    int r = get_number(reader, &index, err);
    if (r == 0)
        r = get_number(reader, &ret_step->offset, err);
    if (r == 0)
        r = get_number(reader, &ret_step->len, err);
    if (r < 0)
        return r;
    if (index >= reader->count || ret_step->offset > INT64_MAX ||
        ret_step->len > INT64_MAX - ret_step->offset)
        return damaged(err);
    const off_t at = HEAD_SIZE + (off_t)(index * sizeof(struct cf_digest));
    const ssize_t n = cf_pread_full(reader->fd, &ret_step->object, sizeof(struct cf_digest), at);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read the layer's recipe");
    return n == sizeof(struct cf_digest) ? 1 : damaged(err);
}

int cf_recipe_next(struct cf_recipe_reader *reader, struct cf_recipe_step *ret_step,
                   struct cf_error *err)
{
    *ret_step = (struct cf_recipe_step){0};
    int r = fill(reader, err);
    if (r == 0 && reader->raw_left > 0)
        return damaged(err);
    if (r <= 0)
        return r;
    if (reader->raw_left == 0) {
        const unsigned char kind = reader->out[reader->used++];
        if (kind == 1)
            return get_part(reader, ret_step, err);
        r = kind == 0 ? get_number(reader, &reader->raw_left, err) : damaged(err);
        if (r < 0)
            return r;
        if (reader->raw_left == 0)
            return damaged(err);
        r = fill(reader, err);
        if (r <= 0)
            return r < 0 ? r : damaged(err);
    }
    const size_t there = reader->len - reader->used;
    const size_t n = reader->raw_left < there ? (size_t)reader->raw_left : there;
    ret_step->data = reader->out + reader->used;
    ret_step->len = n;
    reader->used += n;
    reader->raw_left -= n;
    return 1;
}
