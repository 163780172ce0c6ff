/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression as a stream that is read. One thread at a time. */
#ifndef CLOUDFS_DECODER_H
#define CLOUDFS_DECODER_H

#include <stddef.h>
#include <sys/types.h>

#include <cloudfs/error.h>
#include <cloudfs/layer.h>
#include <cloudfs/scope.h>

/* The next bytes of the compressed form, borrowed until the next call: 1, 0 at the end, -errno. */
typedef int cf_input_fn(void *context, const void **ret_data, size_t *ret_len,
                        struct cf_error *err);

struct cf_decoder;
/* kind is not CF_PLAIN. */
int cf_decoder_new(enum cf_compression kind, cf_input_fn *input, void *input_context,
                   struct cf_decoder **ret_decoder, struct cf_error *err);
/* By libarchive: bzip2, xz, lzma, lzip, lz4 or compress(1). */
int cf_decoder_new_filter(cf_input_fn *input, void *input_context, struct cf_decoder **ret_decoder,
                          struct cf_error *err);
void cf_decoder_free(struct cf_decoder *decoder);
CF_DEFINE_CLEANUP(struct cf_decoder *, cf_decoder_free)
/* Fills data; fewer bytes than len only at the end. -EINVAL: damaged or truncated. */
ssize_t cf_decoder_read(struct cf_decoder *decoder, void *data, size_t len, struct cf_error *err);

#endif
