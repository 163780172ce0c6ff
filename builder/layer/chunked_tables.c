/* SPDX-License-Identifier: Apache-2.0 */
#include "chunked_tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <cloudfs/decoder.h>
#include <cloudfs/log.h>

#include "local_chunks.h"

/* podman's own, and nothing else: of two, which is true? */
static bool is_podman(const struct cf_json *annotations)
{
    return cf_json_get_string(annotations, CF_CHUNKED_CHECKSUM) &&
           cf_json_get_string(annotations, CF_CHUNKED_POSITION) &&
           cf_json_get_string(annotations, CF_CHUNKED_TARSPLIT) &&
           !cf_json_get_string(annotations, CF_ESTARGZ_DIGEST);
}

bool cf_chunked_detect(const struct cf_json *annotations)
{
    const bool has_podman = cf_json_get_string(annotations, CF_CHUNKED_CHECKSUM);
    const bool has_zstd = cf_json_get_string(annotations, CF_STARGZ_ZSTD_CHECKSUM);
    if (has_podman)
        return !has_zstd && is_podman(annotations);
    return has_zstd ? cf_json_get_string(annotations, CF_STARGZ_ZSTD_POSITION) != NULL
                    : cf_json_get_string(annotations, CF_ESTARGZ_DIGEST) != NULL;
}

int cf_table_place(const struct cf_json *annotations, const char *key, uint64_t blob_size,
                   uint64_t max, struct cf_table_place *ret_place, struct cf_error *err)
{
    struct cf_table_place place;
    const char *text = cf_json_get_string(annotations, key);
    int used = 0;
    const int n = text ? sscanf(text, "%" SCNu64 ":%" SCNu64 ":%" SCNu64 "%n", &place.offset,
                                &place.len, &place.plain, &used)
                       : 0;
    if (n != 3 || (text[used] && text[used] != ':') || place.offset > blob_size ||
        place.len > blob_size - place.offset)
        return cf_fail(err, -EINVAL, "a table's place is wrong: %s", CF_QUOTE(text ? text : ""));
    if (place.len > CF_TABLE_MAX || place.plain > max)
        return cf_fail(err, -EFBIG, "a table is too large");
    *ret_place = place;
    return 0;
}

struct memory {
    const void *data;
    size_t len;
};

static int from_memory(void *context, const void **ret_data, size_t *ret_len, struct cf_error *err)
{
    struct memory *memory = context;
    (void)err;
    *ret_data = memory->data;
    *ret_len = memory->len;
    memory->len = 0;
    return *ret_len > 0;
}

int cf_frame_unpack(enum cf_compression kind, const void *data, size_t len, void *ret_plain,
                    size_t plain, struct cf_error *err)
{
    struct cf_decoder *decoder cf_cleanup(cf_decoder_free_ptr) = NULL;
    struct memory memory = {data, len};
    char more;
    int r = cf_decoder_new(kind, from_memory, &memory, &decoder, err);
    if (r < 0)
        return r;
    const ssize_t n = cf_decoder_read(decoder, ret_plain, plain, err);
    const ssize_t rest = n < 0 ? 0 : cf_decoder_read(decoder, &more, 1, err);
    if (n < 0 || rest < 0)
        return n < 0 ? (int)n : (int)rest;
    if ((size_t)n != plain || rest > 0)
        return cf_fail(err, -EINVAL, "it has another size than is said");
    return 0;
}

int cf_frames_unpack(enum cf_compression kind, const void *data, size_t len, size_t max,
                     struct cf_buf *ret_plain, struct cf_error *err)
{
    enum { STEP = 256 << 10 };
    struct cf_decoder *decoder cf_cleanup(cf_decoder_free_ptr) = NULL;
    struct memory memory = {data, len};
    int r = cf_decoder_new(kind, from_memory, &memory, &decoder, err);
    while (r == 0) {
        if (cf_buf_reserve(ret_plain, STEP) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        const ssize_t n = cf_decoder_read(decoder, ret_plain->data + ret_plain->len, STEP, err);
        if (n <= 0)
            return (int)n;
        ret_plain->len += (size_t)n;
        if (ret_plain->len > max)
            return cf_fail(err, -EFBIG, "more comes out of it than %zu bytes", max);
    }
    return r;
}

int cf_check_digest(const void *data, size_t len, const struct cf_digest *wanted, const char *what,
                    struct cf_error *err)
{
    struct cf_digest found;
    cf_digest_of(data, len, &found);
    return cf_digest_equal(&found, wanted)
               ? 0
               : cf_fail(err, -EBADMSG, "%s does not match its digest", what);
}

int cf_table_unpack(const char *packed, const struct cf_table_place *place,
                    const struct cf_digest *digest, const char *what, struct cf_buf *ret_text,
                    struct cf_error *err)
{
    int r = cf_check_digest(packed, (size_t)place->len, digest, what, err);
    if (r == 0 && cf_buf_reserve(ret_text, (size_t)place->plain + 1) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = cf_frame_unpack(CF_ZSTD, packed, (size_t)place->len, ret_text->data,
                            (size_t)place->plain, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s", what);
    ret_text->len = (size_t)place->plain;
    ret_text->data[ret_text->len] = '\0';
    return 0;
}

int cf_toc_unpack(const struct cf_json *annotations, const char *packed,
                  const struct cf_table_place *place, struct cf_toc *ret_toc, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    const char *checksum = cf_json_get_string(annotations, CF_CHUNKED_CHECKSUM);
    struct cf_digest digest;
    if (!checksum || cf_digest_parse(checksum, &digest) < 0)
        return cf_fail(err, -EINVAL, "the annotation of the table's digest is no digest");
    int r = cf_table_unpack(packed, place, &digest, "the table of contents", &text, err);
    return r == 0 ? cf_toc_parse(text.data, text.len, place->offset, ret_toc, err) : r;
}

static void keep_file(struct cf_store *store, const struct cf_toc *toc,
                      const struct cf_toc_file *file)
{
    struct cf_object_chunk *chunks cf_autofree = NULL;
    size_t count = 0;
    if (cf_object_chunks_get(store, &file->digest, toc->coarse, &chunks, &count) != -ENOENT)
        return;
    chunks = calloc(file->count + 1, sizeof *chunks);
    for (size_t i = 0; chunks && i < file->count; i++) {
        const struct cf_toc_chunk *chunk = &toc->chunks[file->first + i];
        if (!chunk->is_hole)
            chunks[count++] = (struct cf_object_chunk){chunk->file_offset, chunk->digest};
    }
    if (chunks) /* else it is worked out when it is needed */
        (void)cf_object_chunks_set(store, &file->digest, toc->coarse, chunks, count);
}

void cf_toc_keep(struct cf_store *store, const struct cf_toc *toc)
{
    for (size_t i = 0; i < toc->file_count; i++) {
        const struct cf_toc_file *file = &toc->files[i];
        if (file->size >= CF_LOCAL_MIN && file->count > 1 && cf_object_exists(store, &file->digest))
            keep_file(store, toc, file);
    }
}

int cf_chunked_keep(struct cf_store *store, const struct cf_json *annotations, const char *packed,
                    uint64_t blob_size)
{
    struct cf_table_place place;
    struct cf_toc toc = {0};
    int r =
        cf_table_place(annotations, CF_CHUNKED_POSITION, blob_size, CF_TOC_PLAIN_MAX, &place, NULL);
    if (r == 0)
        r = cf_toc_unpack(annotations, packed, &place, &toc, NULL);
    if (r == 0)
        cf_toc_keep(store, &toc);
    cf_toc_done(&toc);
    return r;
}

int cf_chunked_toc_place(const struct cf_json *annotations, uint64_t blob_size,
                         uint64_t *ret_offset, uint64_t *ret_len)
{
    struct cf_table_place place;
    if (!is_podman(annotations))
        return -ENOENT;
    int r =
        cf_table_place(annotations, CF_CHUNKED_POSITION, blob_size, CF_TOC_PLAIN_MAX, &place, NULL);
    if (r < 0)
        return r;
    *ret_offset = place.offset;
    *ret_len = place.len;
    return 0;
}
