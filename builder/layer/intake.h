/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer's bytes on their way in: read from the source and hashed on one thread, decompressed on
 * another, and handed out as chunks of the plain tar. Used by one thread.
 */
#ifndef CLOUDFS_LAYER_INTAKE_H
#define CLOUDFS_LAYER_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/layer.h>
#include <cloudfs/pipeline.h>

#define CF_INTAKE_CHUNK (384u << 10)

struct cf_intake;
/* Reads the first bytes, and starts the threads. options stay until free. */
int cf_intake_start(const struct cf_layer_read_options *options, struct cf_intake **ret_intake,
                    struct cf_error *err);
void cf_intake_free(struct cf_intake *intake); /* stops what runs */
CF_DEFINE_CLEANUP(struct cf_intake *, cf_intake_free)
/* 1 and a chunk of the tar, 0 at the end, -errno. */
int cf_intake_next(struct cf_intake *intake, struct cf_chunk **ret_chunk, struct cf_error *err);

struct cf_intake_info {
    struct cf_digest blob; /* of the form that was read, unless that is the tar itself */
    uint64_t blob_size;
    const char *media_type; /* by its first bytes; NULL: a form that images do not have */
};
/* After the end was reached. */
void cf_intake_info(struct cf_intake *intake, struct cf_intake_info *ret_info);
/* Whether the source is the tar itself. */
bool cf_intake_is_plain(const struct cf_intake *intake);
/* Bytes of the source used so far; at any time. */
uint64_t cf_intake_place(struct cf_intake *intake);

#endif
