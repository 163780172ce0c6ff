/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of data compressed one by one (a zstd frame or a block of deflate each), by several
 * threads, and handed out in order: the same whatever the number of cores. Used by one thread.
 */
#ifndef CLOUDFS_LAYER_FRAMES_H
#define CLOUDFS_LAYER_FRAMES_H

#include <cloudfs/layer.h>

struct cf_frames;
struct cf_framer;
struct cf_frame {
    uint64_t tag;
    const void *data;
    size_t len;                     /* of the frame */
    size_t plain;                   /* of the piece */
    uint32_t sum;                   /* of the piece, as the framer makes it */
    const struct cf_digest *digest; /* of the piece; NULL: not asked for */
};
/* Told of each frame, in the order of the pieces. */
typedef int cf_frame_fn(void *context, const struct cf_frame *frame, struct cf_error *err);
/* -EINVAL: there is no such level. Threads are started when there is work for more than one. */
int cf_frames_new(const struct cf_framer *framer, int level, cf_frame_fn *fn, void *context,
                  struct cf_frames **ret_frames, struct cf_error *err);
void cf_frames_free(struct cf_frames *frames); /* forgets what was not handed out */
CF_DEFINE_CLEANUP(struct cf_frames *, cf_frames_free)
/* Bytes of the piece at hand; then its end. At most CF_FRAMES_MAX bytes a piece. */
#define CF_FRAMES_MAX (2u << 20)
int cf_frames_add(struct cf_frames *frames, const void *data, size_t len, struct cf_error *err);
/* The first len of the bytes that were added and belong to no piece yet are one. */
int cf_frames_cut(struct cf_frames *frames, size_t len, uint64_t tag, bool hash,
                  struct cf_error *err);
/* Hands out all frames. */
int cf_frames_flush(struct cf_frames *frames, struct cf_error *err);

#endif
