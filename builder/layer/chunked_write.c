/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/chunked.h>

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cloudfs/base64.h>
#include <cloudfs/tar.h>

#include "codec.h"
#include "frames.h"

enum { META_MAX = 512 << 10, TABLE_LEVEL = 9, SPLIT_LEVEL = 3, FOOTER_SIZE = 64 };
#define NO_CHUNK UINT64_MAX /* the tag of a frame of headers */

struct chunk {
    uint64_t offset; /* of its frame in the blob */
    uint64_t file_offset;
    size_t entry; /* whose it is */
    uint32_t len;
    bool is_hole;
    struct cf_digest digest;
};

/* An entry of the TOC in the making. */
struct entry {
    size_t head, head_len; /* its JSON up to the content, in heads */
    struct cf_digest digest;
    uint64_t size, end;        /* of the file; of its last frame in the blob */
    size_t first, chunk_count; /* chunks */
};

struct cf_chunked_writer {
    cf_sink_fn *sink;
    void *sink_context;
    struct cf_frames *frames;
    struct cf_tar *tar;
    uint64_t blob_len; /* bytes handed to the sink */

    struct entry *entries;
    size_t entry_count, entry_room;
    struct chunk *chunks;
    size_t chunk_count, chunk_room;
    struct cf_buf heads; /* JSON */

    struct cf_buf meta;          /* bytes of the segment at hand, for tar-split */
    size_t meta_open;            /* bytes of headers that are in no frame yet */
    struct cf_compressor *split; /* into split_data */
    struct cf_buf split_data;
    uint64_t split_size, position;

    /* Of the file at hand. */
    struct cf_chunker chunker;
    struct cf_hasher *hasher;
    uint64_t crc, done;
    struct cf_buf name; /* as JSON */
};

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static int grow(void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return 0;
    const size_t more = *room ? *room * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = more;
    return 0;
}

/* ---- frames that come out ---- */

static int put(struct cf_chunked_writer *writer, const void *data, size_t len, struct cf_error *err)
{
    writer->blob_len += len;
    return writer->sink(writer->sink_context, data, len, err);
}

static int take_frame(void *context, const struct cf_frame *frame, struct cf_error *err)
{
    struct cf_chunked_writer *writer = context;
    struct chunk *chunk = frame->tag == NO_CHUNK ? NULL : &writer->chunks[frame->tag];
    if (chunk) {
        chunk->offset = writer->blob_len;
        chunk->digest = *frame->digest;
    }
    int r = put(writer, frame->data, frame->len, err);
    if (chunk)
        writer->entries[chunk->entry].end = writer->blob_len;
    return r;
}

/* ---- tar-split ---- */

static int keep_split(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct cf_chunked_writer *writer = context;
    return cf_buf_add(&writer->split_data, data, len) < 0 ? no_memory(err) : 0;
}

static int split_line(struct cf_chunked_writer *writer, struct cf_buf *line, struct cf_error *err)
{
    if (cf_buf_printf(line, ",\"position\":%" PRIu64 "}\n", writer->position++) < 0)
        return no_memory(err);
    writer->split_size += line->len;
    return cf_compressor_write(writer->split, line->data, line->len, err);
}

/* The bytes since the last entry. */
static int split_segment(struct cf_chunked_writer *writer, struct cf_error *err)
{
    struct cf_buf line cf_autobuf = CF_BUF_INIT;
    if (writer->meta.len == 0)
        return 0;
    if (cf_buf_add_str(&line, "{\"type\":2,\"payload\":\"") < 0 ||
        cf_base64_encode(writer->meta.data, writer->meta.len, &line) < 0 ||
        cf_buf_add_char(&line, '"') < 0)
        return no_memory(err);
    cf_buf_clear(&writer->meta);
    return split_line(writer, &line, err);
}

static int split_file(struct cf_chunked_writer *writer, uint64_t size, struct cf_error *err)
{
    struct cf_buf line cf_autobuf = CF_BUF_INIT;
    const uint64_t crc = htobe64(writer->crc);
    int r = cf_buf_printf(&line, "{\"type\":1,\"name\":\"%s\"", writer->name.data);
    if (r == 0 && size > 0) {
        r = cf_buf_printf(&line, ",\"size\":%" PRIu64 ",\"payload\":\"", size);
        if (r == 0)
            r = cf_base64_encode(&crc, sizeof crc, &line);
        if (r == 0)
            r = cf_buf_add_char(&line, '"');
    } else if (r == 0) {
        r = cf_buf_add_str(&line, ",\"payload\":null");
    }
    return r < 0 ? no_memory(err) : split_line(writer, &line, err);
}

/* ---- headers ---- */

static int flush_meta(struct cf_chunked_writer *writer, struct cf_error *err)
{
    const size_t len = writer->meta_open;
    writer->meta_open = 0;
    return len > 0 ? cf_frames_cut(writer->frames, len, NO_CHUNK, false, err) : 0;
}

static int take_meta(struct cf_chunked_writer *writer, const struct cf_tar_span *span,
                     struct cf_error *err)
{
    size_t at = 0;
    int r = cf_buf_add(&writer->meta, span->data, span->len) < 0 ? no_memory(err) : 0;
    while (at < span->len && r == 0) {
        const size_t room = META_MAX - writer->meta_open;
        const size_t n = span->len - at < room ? span->len - at : room;
        r = cf_frames_add(writer->frames, span->data + at, n, err);
        at += n;
        writer->meta_open += n;
        if (r == 0 && writer->meta_open == META_MAX)
            r = flush_meta(writer, err);
    }
    return r;
}

/* Length of the UTF-8 sequence at text, 0 for none. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    const size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > len || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static int add_json_text(struct cf_buf *buf, const char *text, size_t len, struct cf_error *err)
{
    const unsigned char *s = (const unsigned char *)text;
    int r = cf_buf_add(buf, "", 0);
    for (size_t i = 0, n; i < len && r == 0; i += n) {
        n = utf8_length(s + i, len - i);
        if (n == 0)
            return cf_fail(err, -ENOTSUP, "a name in the layer is no UTF-8");
        if (s[i] < 0x20 || s[i] == '"' || s[i] == '\\')
            r = cf_buf_printf(buf, "\\u%04x", s[i]);
        else
            r = cf_buf_add(buf, text + i, n);
    }
    return r < 0 ? no_memory(err) : 0;
}

static int add_time(struct cf_buf *buf, const struct cf_tar_entry *entry)
{
    const time_t seconds = (time_t)entry->mtime_sec;
    struct tm tm;
    char text[40], fraction[16];
    if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
        return -ENOTSUP;
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    int n = snprintf(fraction, sizeof fraction, ".%09u", entry->mtime_nsec);
    while (n > 0 && (fraction[n - 1] == '0' || fraction[n - 1] == '.'))
        fraction[--n] = '\0';
    return cf_buf_printf(buf, ",\"modtime\":\"%s%sZ\"", text, fraction);
}

static int add_xattrs(struct cf_buf *buf, const struct cf_tar_entry *entry, struct cf_error *err)
{
    int r = entry->xattr_count ? cf_buf_add_str(buf, ",\"xattrs\":{") : 0;
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++) {
        const struct cf_tar_xattr *xattr = &entry->xattrs[i];
        r = cf_buf_add_str(buf, i ? ",\"" : "\"");
        if (r == 0)
            r = add_json_text(buf, xattr->name, strlen(xattr->name), err);
        if (r == 0)
            r = cf_buf_add_str(buf, "\":\"");
        if (r == 0)
            r = cf_base64_encode(xattr->value, xattr->len, buf);
        if (r == 0)
            r = cf_buf_add_char(buf, '"');
    }
    return r == 0 && entry->xattr_count ? cf_buf_add_char(buf, '}') : r;
}

/* What the TOC says of an entry, but for its content. */
static int add_head(struct cf_chunked_writer *writer, const struct cf_tar_entry *entry,
                    struct cf_error *err)
{
    static const char *const types[] = {
        ['0'] = "reg",   ['1'] = "hardlink", ['2'] = "symlink", ['3'] = "char",
        ['4'] = "block", ['5'] = "dir",      ['6'] = "fifo"};
    struct cf_buf *heads = &writer->heads;
    if (entry->sparse || entry->type > '6')
        return cf_fail(err, -ENOTSUP, "the layer has entries that zstd:chunked cannot tell");
    cf_buf_clear(&writer->name);
    int r = add_json_text(&writer->name, entry->path.data, entry->path.len, err);
    if (r == 0)
        r = cf_buf_printf(heads, "{\"type\":\"%s\",\"name\":\"%s\"",
                          types[(unsigned char)entry->type], writer->name.data);
    if (r == 0 && entry->link.len > 0 && (entry->type == '1' || entry->type == '2')) {
        r = cf_buf_add_str(heads, ",\"linkName\":\"");
        if (r == 0)
            r = add_json_text(heads, entry->link.data, entry->link.len, err);
        if (r == 0)
            r = cf_buf_add_char(heads, '"');
    }
    if (r == 0 && entry->mode)
        r = cf_buf_printf(heads, ",\"mode\":%u", entry->mode);
    if (r == 0 && entry->size)
        r = cf_buf_printf(heads, ",\"size\":%" PRIu64, entry->size);
    if (r == 0 && entry->uid)
        r = cf_buf_printf(heads, ",\"uid\":%u", entry->uid);
    if (r == 0 && entry->gid)
        r = cf_buf_printf(heads, ",\"gid\":%u", entry->gid);
    if (r == 0)
        r = add_time(heads, entry);
    if (r == 0 && entry->major)
        r = cf_buf_printf(heads, ",\"devMajor\":%u", entry->major);
    if (r == 0 && entry->minor)
        r = cf_buf_printf(heads, ",\"devMinor\":%u", entry->minor);
    if (r == 0)
        r = add_xattrs(heads, entry, err);
    return r == -ENOMEM    ? no_memory(err)
           : r == -ENOTSUP ? cf_fail(err, r, "the layer has entries that zstd:chunked cannot tell")
                           : r;
}

/* ---- entries ---- */

static int begin_entry(struct cf_chunked_writer *writer, struct cf_error *err)
{
    const struct cf_tar_entry *entry = cf_tar_entry(writer->tar);
    if (grow((void **)&writer->entries, writer->entry_count, &writer->entry_room,
             sizeof *writer->entries) < 0)
        return no_memory(err);
    struct entry *fresh = &writer->entries[writer->entry_count++];
    *fresh = (struct entry){
        .head = writer->heads.len, .size = entry->size, .first = writer->chunk_count};
    int r = add_head(writer, entry, err);
    fresh->head_len = writer->heads.len - fresh->head;
    if (r == 0)
        r = split_segment(writer, err);
    if (r == 0 && entry->size > 0)
        r = flush_meta(writer, err);
    writer->crc = 0;
    writer->done = 0;
    cf_chunker_init(&writer->chunker, true, entry->size);
    return r;
}

static int take_piece(void *context, bool is_hole, uint64_t len, struct cf_error *err)
{
    struct cf_chunked_writer *writer = context;
    struct entry *entry = &writer->entries[writer->entry_count - 1];
    if (grow((void **)&writer->chunks, writer->chunk_count, &writer->chunk_room,
             sizeof *writer->chunks) < 0)
        return no_memory(err);
    const size_t index = writer->chunk_count++;
    writer->chunks[index] = (struct chunk){.file_offset = writer->done,
                                           .entry = writer->entry_count - 1,
                                           .len = (uint32_t)len,
                                           .is_hole = is_hole};
    writer->done += len;
    entry->chunk_count++;
    return cf_frames_cut(writer->frames, (size_t)len, index, true, err);
}

static int take_data(struct cf_chunked_writer *writer, const struct cf_tar_span *span,
                     struct cf_error *err)
{
    int r = cf_frames_add(writer->frames, span->data, span->len, err);
    writer->crc = cf_crc64_iso(writer->crc, span->data, span->len);
    cf_hasher_update(writer->hasher, span->data, span->len);
    return r < 0 ? r
                 : cf_chunker_add(&writer->chunker, span->data, span->len, take_piece, writer, err);
}

static int end_entry(struct cf_chunked_writer *writer, struct cf_error *err)
{
    struct entry *entry = &writer->entries[writer->entry_count - 1];
    int r = entry->size > 0 ? cf_chunker_end(&writer->chunker, take_piece, writer, err) : 0;
    entry = &writer->entries[writer->entry_count - 1];
    if (entry->size > 0)
        cf_hasher_final(writer->hasher, &entry->digest);
    return r == 0 ? split_file(writer, entry->size, err) : r;
}

int cf_chunked_write(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct cf_chunked_writer *writer = context;
    struct cf_tar_span span;
    cf_tar_feed(writer->tar, data, len);
    for (;;) {
        int r = cf_tar_next(writer->tar, &span, err);
        if (r == CF_TAR_MORE)
            return 0;
        if (r == CF_TAR_META)
            r = take_meta(writer, &span, err);
        else if (r == CF_TAR_ENTRY)
            r = begin_entry(writer, err);
        else if (r == CF_TAR_DATA)
            r = take_data(writer, &span, err);
        else if (r == CF_TAR_DONE)
            r = end_entry(writer, err);
        if (r < 0)
            return r;
    }
}

/* ---- the end ---- */

static int toc_chunk(const struct cf_chunked_writer *writer, const struct chunk *chunk,
                     struct cf_buf *toc)
{
    char digest[CF_DIGEST_TEXT_SIZE];
    (void)writer;
    cf_digest_text(&chunk->digest, digest);
    int r = cf_buf_printf(toc, ",\"chunkSize\":%u", chunk->len);
    if (r == 0 && chunk->file_offset)
        r = cf_buf_printf(toc, ",\"chunkOffset\":%" PRIu64, chunk->file_offset);
    if (r == 0)
        r = cf_buf_printf(toc, ",\"chunkDigest\":\"%s\"", digest);
    if (r == 0 && chunk->is_hole)
        r = cf_buf_add_str(toc, ",\"chunkType\":\"zeros\"");
    return r;
}

static int toc_entry(const struct cf_chunked_writer *writer, const struct entry *entry,
                     struct cf_buf *toc)
{
    const struct chunk *chunks = writer->chunks + entry->first;
    char digest[CF_DIGEST_TEXT_SIZE];
    int r = cf_buf_add(toc, writer->heads.data + entry->head, entry->head_len);
    cf_digest_text(&entry->digest, digest);
    if (r == 0 && entry->chunk_count)
        r = cf_buf_printf(toc, ",\"digest\":\"%s\",\"offset\":%" PRIu64 ",\"endOffset\":%" PRIu64,
                          digest, chunks[0].offset, entry->end);
    if (r == 0 && entry->chunk_count > 1)
        r = toc_chunk(writer, &chunks[0], toc);
    if (r == 0)
        r = cf_buf_add_char(toc, '}');
    const char *name = writer->heads.data + entry->head;
    const char *from = strstr(name, "\"name\":\""), *end = from + strlen("\"name\":\"");
    while (*end != '"') /* quotes inside are spelled \u0022 */
        end++;
    for (size_t i = 1; i < entry->chunk_count && r == 0; i++) {
        r = cf_buf_printf(toc, ",{\"type\":\"chunk\",%.*s\",\"offset\":%" PRIu64, (int)(end - from),
                          from, chunks[i].offset);
        if (r == 0)
            r = toc_chunk(writer, &chunks[i], toc);
        if (r == 0)
            r = cf_buf_add_char(toc, '}');
    }
    return r;
}

static int make_toc(const struct cf_chunked_writer *writer, struct cf_buf *toc)
{
    struct cf_digest split;
    char digest[CF_DIGEST_TEXT_SIZE];
    int r = cf_buf_add_str(toc, "{\"version\":1,\"entries\":[");
    for (size_t i = 0; i < writer->entry_count && r == 0; i++) {
        r = i ? cf_buf_add_char(toc, ',') : 0;
        if (r == 0)
            r = toc_entry(writer, &writer->entries[i], toc);
    }
    cf_digest_of(writer->split_data.data, writer->split_data.len, &split);
    cf_digest_text(&split, digest);
    return r < 0 ? r
                 : cf_buf_printf(toc, "],\"tarSplitDigest\":\"%s\",\"coarseChunks\":true}", digest);
}

static int put_skippable(struct cf_chunked_writer *writer, const void *data, size_t len,
                         struct cf_error *err)
{
    const uint32_t head[2] = {htole32(0x184D2A50), htole32((uint32_t)len)};
    int r = put(writer, head, sizeof head, err);
    return r < 0 ? r : put(writer, data, len, err);
}

static int add_sink(void *context, const void *data, size_t len, struct cf_error *err)
{
    return cf_buf_add(context, data, len) < 0 ? no_memory(err) : 0;
}

static int compress_table(const struct cf_buf *plain, struct cf_buf *ret, struct cf_error *err)
{
    struct cf_compressor *compressor cf_cleanup(cf_compressor_free_ptr) = NULL;
    int r = cf_compressor_new_frame(TABLE_LEVEL, add_sink, ret, &compressor, err);
    if (r == 0)
        r = cf_compressor_write(compressor, plain->data, plain->len, err);
    return r == 0 ? cf_compressor_finish(compressor, err) : r;
}

static int annotate(const struct cf_buf *table, const uint64_t footer[8],
                    struct cf_json **ret_annotations, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_digest digest;
    char checksum[CF_DIGEST_TEXT_SIZE], position[90], split[80];
    cf_digest_of(table->data, table->len, &digest);
    cf_digest_text(&digest, checksum);
    (void)snprintf(position, sizeof position, "%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":1", footer[0],
                   footer[1], footer[2]);
    (void)snprintf(split, sizeof split, "%" PRIu64 ":%" PRIu64 ":%" PRIu64, footer[4], footer[5],
                   footer[6]);
    if (!json || cf_json_set_string(json, CF_CHUNKED_CHECKSUM, checksum) < 0 ||
        cf_json_set_string(json, CF_CHUNKED_POSITION, position) < 0 ||
        cf_json_set_string(json, CF_CHUNKED_TARSPLIT, split) < 0)
        return no_memory(err);
    *ret_annotations = CF_TAKE(json);
    return 0;
}

int cf_chunked_finish(struct cf_chunked_writer *writer, struct cf_json **ret_annotations,
                      struct cf_error *err)
{
    struct cf_buf toc cf_autobuf = CF_BUF_INIT, table cf_autobuf = CF_BUF_INIT;
    uint64_t footer[8], wire[8];
    int r = cf_tar_end(writer->tar, true, err);
    if (r == 0)
        r = split_segment(writer, err);
    if (r == 0)
        r = flush_meta(writer, err);
    if (r == 0)
        r = cf_frames_flush(writer->frames, err);
    if (r == 0)
        r = cf_compressor_finish(writer->split, err);
    if (r == 0 && make_toc(writer, &toc) < 0)
        r = no_memory(err);
    if (r == 0)
        r = compress_table(&toc, &table, err);
    if (r < 0)
        return r;
    footer[0] = writer->blob_len + 8;
    footer[1] = table.len;
    footer[2] = toc.len;
    footer[3] = 1;
    r = put_skippable(writer, table.data, table.len, err);
    footer[4] = writer->blob_len + 8;
    footer[5] = writer->split_data.len;
    footer[6] = writer->split_size;
    if (r == 0)
        r = put_skippable(writer, writer->split_data.data, writer->split_data.len, err);
    for (size_t i = 0; i < 7; i++)
        wire[i] = htole64(footer[i]);
    memcpy(&wire[7], "GNUlInUx", 8);
    if (r == 0)
        r = put_skippable(writer, wire, FOOTER_SIZE, err);
    return r == 0 ? annotate(&table, footer, ret_annotations, err) : r;
}

int cf_chunked_writer_new(int level, cf_sink_fn *sink, void *sink_context,
                          struct cf_chunked_writer **ret_writer, struct cf_error *err)
{
    struct cf_chunked_writer *writer cf_cleanup(cf_chunked_writer_free_ptr) =
        calloc(1, sizeof *writer);
    if (!writer)
        return no_memory(err);
    writer->sink = sink;
    writer->sink_context = sink_context;
    if (cf_tar_new(&writer->tar) < 0 || cf_hasher_new(&writer->hasher) < 0)
        return no_memory(err);
    int r = cf_frames_new(&cf_zstd_framer, level, take_frame, writer, &writer->frames, err);
    if (r == 0)
        r = cf_compressor_new_frame(SPLIT_LEVEL, keep_split, writer, &writer->split, err);
    if (r < 0)
        return r;
    *ret_writer = CF_TAKE(writer);
    return 0;
}

void cf_chunked_writer_free(struct cf_chunked_writer *writer)
{
    if (!writer)
        return;
    cf_frames_free(writer->frames);
    cf_tar_free(writer->tar);
    cf_compressor_free(writer->split);
    cf_hasher_free(writer->hasher);
    cf_buf_done(&writer->heads);
    cf_buf_done(&writer->meta);
    cf_buf_done(&writer->split_data);
    cf_buf_done(&writer->name);
    free(writer->entries);
    free(writer->chunks);
    free(writer);
}
