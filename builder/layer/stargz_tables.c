/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where stargz's forms keep their table of contents:
 *
 *   eStargz       a member of gzip with the tar entry stargz.index.json, the last of the tar; then
 *                 an empty member of 51 bytes whose extra field has the place of that:
 *                 "SG", its length, 16 hex digits, "STARGZ"
 *   zstd:chunked  a skippable frame, whose place the annotations tell
 *
 * Source: stargz-snapshotter, docs/estargz.md.
 */
#include "stargz_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/tar.h>

#include "chunked_tables.h"

enum { FOOTER = 51, FIELD = 16, DIGITS = 16, TAIL_PLAIN_MAX = 64 << 20 };

static int gather(void *context, const void *data, size_t len, struct cf_error *err)
{
    return cf_buf_add(context, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

static int read_footer(const struct cf_chunked_source *source, uint64_t *ret_offset,
                       struct cf_error *err)
{
    static const char head[] = {0x1f, (char)0x8b, 8, 4}, field[] = {'S', 'G', 22, 0};
    struct cf_buf footer cf_autobuf = CF_BUF_INIT;
    char digits[DIGITS + 1] = "", *end = NULL;
    if (source->blob_size < FOOTER)
        return cf_fail(err, -EINVAL, "it is too short for eStargz");
    int r =
        source->fetch(source->context, source->blob_size - FOOTER, FOOTER, gather, &footer, err);
    if (r < 0)
        return r;
    if (footer.len != FOOTER || memcmp(footer.data, head, sizeof head) != 0 ||
        memcmp(footer.data + 12, field, sizeof field) != 0 ||
        memcmp(footer.data + FIELD + DIGITS, "STARGZ", 6) != 0)
        return cf_fail(err, -EINVAL, "it does not end as eStargz does");
    memcpy(digits, footer.data + FIELD, DIGITS);
    *ret_offset = strtoull(digits, &end, 16);
    if (end != digits + DIGITS || *ret_offset >= source->blob_size - FOOTER ||
        source->blob_size - *ret_offset > CF_TABLE_MAX)
        return cf_fail(err, -EINVAL, "its footer leads nowhere");
    return 0;
}

/* The content of the entry stargz.index.json, which is the only one. */
static int find_index(const struct cf_buf *tail, struct cf_buf *ret_text, struct cf_error *err)
{
    struct cf_tar *tar cf_cleanup(cf_tar_free_ptr) = NULL;
    bool is_it = false;
    if (cf_tar_new(&tar) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_tar_feed(tar, tail->data, tail->len);
    for (;;) {
        struct cf_tar_span span;
        const int event = cf_tar_next(tar, &span, err);
        if (event < 0)
            return event;
        if (event == CF_TAR_MORE)
            return ret_text->len > 0 ? 0 : cf_fail(err, -EINVAL, "it has no table of contents");
        if (event == CF_TAR_ENTRY) {
            const struct cf_buf *path = &cf_tar_entry(tar)->path;
            is_it = path->len == 17 && !memcmp(path->data, "stargz.index.json", 17);
        }
        if (event == CF_TAR_DATA && is_it && cf_buf_add(ret_text, span.data, span.len) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
    }
}

static int check_annotation(const struct cf_chunked_source *source, const char *key,
                            const void *data, size_t len, struct cf_error *err)
{
    const char *text = cf_json_get_string(source->annotations, key);
    struct cf_digest digest;
    if (!text || cf_digest_parse(text, &digest) < 0)
        return cf_fail(err, -EINVAL, "the annotation of the table's digest is no digest");
    return cf_check_digest(data, len, &digest, "the table of contents", err);
}

static int read_estargz(const struct cf_chunked_source *source, struct cf_store *store,
                        struct cf_toc *ret_toc, struct cf_plan *plan, struct cf_error *err)
{
    struct cf_buf packed cf_autobuf = CF_BUF_INIT, tail cf_autobuf = CF_BUF_INIT,
                         text cf_autobuf = CF_BUF_INIT;
    uint64_t offset = 0;
    int r = read_footer(source, &offset, err);
    if (r == 0)
        r = source->fetch(source->context, offset, source->blob_size - offset, gather, &packed,
                          err);
    if (r == 0)
        r = cf_frames_unpack(CF_GZIP, packed.data, packed.len, TAIL_PLAIN_MAX, &tail, err);
    if (r == 0)
        r = find_index(&tail, &text, err);
    if (r == 0)
        r = check_annotation(source, CF_ESTARGZ_DIGEST, text.data, text.len, err);
    if (r == 0)
        r = cf_stargz_plan(store, text.data, text.len, offset, ret_toc, plan, err);
    if (r < 0)
        return r;
    /* The table is the end of the tar too. */
    const struct cf_piece piece = {.kind = CF_PIECE_RAW, .size = tail.len, .offset = plan->raw.len};
    if (cf_buf_add(&plan->raw, tail.data, tail.len) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return cf_plan_add(plan, &piece, err);
}

static int read_zstd(const struct cf_chunked_source *source, struct cf_store *store,
                     struct cf_toc *ret_toc, struct cf_plan *plan, struct cf_error *err)
{
    enum { SKIPPABLE_HEAD = 8 };
    struct cf_buf packed cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    struct cf_table_place place;
    int r = cf_table_place(source->annotations, CF_STARGZ_ZSTD_POSITION, source->blob_size,
                           CF_TOC_PLAIN_MAX, &place, err);
    if (r == 0 && place.offset < SKIPPABLE_HEAD)
        r = cf_fail(err, -EINVAL, "the table of contents lies at no place in the blob");
    if (r == 0)
        r = source->fetch(source->context, place.offset, place.len, gather, &packed, err);
    if (r == 0)
        r = check_annotation(source, CF_STARGZ_ZSTD_CHECKSUM, packed.data, packed.len, err);
    if (r == 0)
        r = cf_frames_unpack(CF_ZSTD, packed.data, packed.len, CF_TOC_PLAIN_MAX, &text, err);
    if (r == 0 && cf_json_get_string(source->annotations, CF_ESTARGZ_DIGEST))
        r = check_annotation(source, CF_ESTARGZ_DIGEST, text.data, text.len, err);
    return r == 0 ? cf_stargz_plan(store, text.data, text.len, place.offset - SKIPPABLE_HEAD,
                                   ret_toc, plan, err)
                  : r;
}

int cf_stargz_tables(const struct cf_chunked_source *source, struct cf_store *store,
                     enum cf_compression *ret_kind, struct cf_toc *ret_toc, struct cf_plan *plan,
                     struct cf_error *err)
{
    const bool is_zstd = cf_json_get_string(source->annotations, CF_STARGZ_ZSTD_CHECKSUM);
    *ret_kind = is_zstd ? CF_ZSTD : CF_GZIP;
    return is_zstd ? read_zstd(source, store, ret_toc, plan, err)
                   : read_estargz(source, store, ret_toc, plan, err);
}
