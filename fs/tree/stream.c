/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <string.h>

#include <cloudfs/io.h>

#include "erofs.h"

int stream_flush(struct stream *stream)
{
    if (stream->first && stream->offset == 0 && stream->len >= BLOCK_SIZE)
        memcpy(stream->first, stream->buffer, BLOCK_SIZE);
    if (stream->error == 0 && stream->len > 0)
        stream->error =
            cf_pwrite_full(stream->fd, stream->buffer, stream->len, (off_t)stream->offset);
    stream->offset += stream->len;
    stream->len = 0;
    return stream->error;
}

void stream_put(struct stream *stream, const void *data, size_t len)
{
    const uint8_t *p = data;

    while (len > 0) {
        size_t n = STREAM_ROOM - stream->len;

        n = n < len ? n : len;
        memcpy(stream->buffer + stream->len, p, n);
        stream->len += n;
        p += n;
        len -= n;
        if (stream->len == STREAM_ROOM)
            (void)stream_flush(stream);
    }
}

void stream_put_zeros(struct stream *stream, uint64_t len)
{
    static const uint8_t zeros[BLOCK_SIZE];

    for (; len > sizeof(zeros); len -= sizeof(zeros))
        stream_put(stream, zeros, sizeof(zeros));
    stream_put(stream, zeros, len);
}
