/* SPDX-License-Identifier: Apache-2.0 */
/* Buffered writing to one range of a file. A failure is kept, and told by stream_flush(). */
#ifndef CLOUDFS_TREE_STREAM_H
#define CLOUDFS_TREE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define STREAM_ROOM 65536u /* a whole number of blocks */

struct stream {
    int fd;
    int error;       /* 0 or -errno */
    uint64_t offset; /* in the file, of the buffer's first byte */
    size_t len;
    uint8_t *buffer; /* STREAM_ROOM bytes, the caller's */
    uint8_t *first;  /* NULL, or gets a copy of the file's first block */
};

void stream_put(struct stream *stream, const void *data, size_t len);
void stream_put_zeros(struct stream *stream, uint64_t len);
int stream_flush(struct stream *stream);

/* Where the next byte goes. */
static inline uint64_t stream_at(const struct stream *stream)
{
    return stream->offset + stream->len;
}

#endif
