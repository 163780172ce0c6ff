/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of data compressed into one zstd frame each, by several threads, and handed out in order.
 * Used by one thread.
 */
#ifndef CLOUDFS_LAYER_FRAMES_H
#define CLOUDFS_LAYER_FRAMES_H

#include <cloudfs/layer.h>

struct cf_frames;
/* Told of each frame, in the order of the pieces: its bytes, and the digest of the piece where it
 * was asked for. tag: the piece's. */
typedef int cf_frame_fn(void *context, uint64_t tag, const void *frame, size_t len,
                        const struct cf_digest *digest, struct cf_error *err);
int cf_frames_new(int level, cf_frame_fn *fn, void *context, struct cf_frames **ret_frames,
                  struct cf_error *err);
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
