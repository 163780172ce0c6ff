/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip by zlib, whose output for a level has not changed in many years. The only door to it. Each
 * block ends at a whole byte and knows nothing of the others, so that they can be made by several
 * threads: the stream is the same whatever their number.
 */
#include "codec.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

enum { RAW_WINDOW = -15, MEMORY_LEVEL = 8, OS_UNKNOWN = 255, FLUSH_ROOM = 16 };

static void *block_open(int level)
{
    z_stream *z = calloc(1, sizeof *z);
    if (!z)
        return NULL;
    if (deflateInit2(z, level ? level : 6, Z_DEFLATED, RAW_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        return NULL;
    }
    return z;
}

static void block_close(void *state)
{
    (void)deflateEnd(state);
    free(state);
}

static size_t block_bound(size_t len)
{
    return compressBound(len) + FLUSH_ROOM;
}

static ssize_t block(void *state, const void *in, size_t len, void *out, size_t room)
{
    z_stream *z = state;
    if (len > UINT_MAX || deflateReset(z) != Z_OK)
        return -EIO;
    z->next_in = (Bytef *)(uintptr_t)in; /* only read */
    z->avail_in = (uInt)len;
    z->next_out = out;
    z->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
    const int r = deflate(z, Z_SYNC_FLUSH);
    /* No room at the end could mean that there is more. */
    return r == Z_OK && z->avail_in == 0 && z->avail_out > 0 ? (ssize_t)z->total_out : -EIO;
}

static uint32_t block_sum(const void *data, size_t len)
{
    return (uint32_t)crc32_z(0, data, len);
}

const struct cf_framer cf_gzip_framer = {block_open, block_close, block_bound, block, block_sum};

void cf_gzip_head(uint8_t ret_head[CF_GZIP_HEAD])
{
    static const uint8_t head[CF_GZIP_HEAD] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, OS_UNKNOWN};
    memcpy(ret_head, head, sizeof head); /* no name, no time */
}

void cf_gzip_tail(uint32_t crc, uint64_t size, uint8_t ret_tail[CF_GZIP_TAIL])
{
    const uint32_t sums[2] = {htole32(crc), htole32((uint32_t)size)};
    ret_tail[0] = 3; /* an empty block, the last */
    ret_tail[1] = 0;
    memcpy(ret_tail + 2, sums, sizeof sums);
}

uint32_t cf_gzip_sum(uint32_t first, uint32_t second, size_t len)
{
    return (uint32_t)crc32_combine(first, second, (z_off_t)len);
}
