/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of zstd:chunked: where they lie, and what is in them. */
#ifndef CLOUDFS_LAYER_CHUNKED_TABLES_H
#define CLOUDFS_LAYER_CHUNKED_TABLES_H

#include <cloudfs/chunked.h>
#include <cloudfs/store.h>

enum {
    CF_TABLE_MAX = 16 << 20, /* larger ones are not worth their memory */
    CF_TOC_PLAIN_MAX = 24 << 20,
};

struct cf_table_place {
    uint64_t offset, len, plain;
};
/* "offset:len:plain[:...]" of an annotation. -EINVAL, -EFBIG (more than max plain bytes). */
int cf_table_place(const struct cf_json *annotations, const char *key, uint64_t blob_size,
                   uint64_t max, struct cf_table_place *ret_place, struct cf_error *err);
int cf_check_digest(const void *data, size_t len, const struct cf_digest *wanted, const char *what,
                    struct cf_error *err);
/* All that comes out of members or frames: at most max bytes. */
int cf_frames_unpack(enum cf_compression kind, const void *data, size_t len, size_t max,
                     struct cf_buf *ret_plain, struct cf_error *err);
/* Frames that hold exactly plain bytes. */
int cf_frame_unpack(enum cf_compression kind, const void *data, size_t len, void *ret_plain,
                    size_t plain, struct cf_error *err);
/* A table's JSON, verified; ends with a NUL that does not count. */
int cf_table_unpack(const char *packed, const struct cf_table_place *place,
                    const struct cf_digest *digest, const char *what, struct cf_buf *ret_text,
                    struct cf_error *err);
/* The TOC, verified against its annotation. */
int cf_toc_unpack(const struct cf_json *annotations, const char *packed,
                  const struct cf_table_place *place, struct cf_toc *ret_toc, struct cf_error *err);
/* For readers of a TOC: -EINVAL, with a line about an entry; a number that may be absent. */
int cf_toc_wrong(const char *name, const char *what, struct cf_error *err);
int cf_toc_number(const struct cf_json *json, const char *key, uint64_t *ret);
/* Keeps the lists of chunks of the files that the store has, for later pulls. */
void cf_toc_keep(struct cf_store *store, const struct cf_toc *toc);

#endif
