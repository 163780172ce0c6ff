/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eStargz and stargz's zstd:chunked: a compressed member (gzip) or frame (zstd) begins with each
 * chunk of a file, and holds what follows that in the tar, up to the next chunk: after the last
 * chunk of a file these are padding and headers, which nothing else tells. So the last member of
 * each file is always fetched, and of large files the others only where they are not here.
 * Source: stargz-snapshotter, docs/estargz.md.
 */
#include "stargz_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chunked_tables.h"

/* A chunk as the table tells it. */
struct item {
    struct cf_toc_chunk chunk;
    size_t file;
    bool is_last, is_inner;
};

struct reading {
    struct cf_toc *toc;
    struct item *items;
    size_t count;
    uint64_t end; /* of the members */
};

/* ---- the table ---- */

static int add_file(struct reading *reading, const struct cf_json *json, const char *name,
                    struct cf_error *err)
{
    struct cf_toc *toc = reading->toc;
    struct cf_toc_file *file = &toc->files[toc->file_count];
    const char *digest = cf_json_get_string(json, "digest");
    *file = (struct cf_toc_file){.name = strdup(name)};
    if (!file->name)
        return cf_fail(err, -ENOMEM, "out of memory");
    toc->file_count++;
    if (cf_toc_number(json, "size", &file->size) < 0)
        return cf_toc_wrong(name, "has a number that is none", err);
    if (!digest || cf_digest_parse(digest, &file->digest) < 0)
        return cf_toc_wrong(name, "has no digest", err);
    return 0;
}

static int add_item(struct reading *reading, const struct cf_json *json, const char *name,
                    struct cf_error *err)
{
    const struct cf_toc_file *file = &reading->toc->files[reading->toc->file_count - 1];
    struct item *item = &reading->items[reading->count];
    const char *digest = cf_json_get_string(json, "chunkDigest");
    uint64_t inner = 0;
    *item = (struct item){.file = reading->toc->file_count - 1};
    if (cf_toc_number(json, "offset", &item->chunk.offset) < 0 ||
        cf_toc_number(json, "chunkOffset", &item->chunk.file_offset) < 0 ||
        cf_toc_number(json, "chunkSize", &item->chunk.size) < 0 ||
        cf_toc_number(json, "innerOffset", &inner) < 0)
        return cf_toc_wrong(name, "has a number that is none", err);
    if (item->chunk.file_offset >= file->size || item->chunk.offset >= reading->end)
        return cf_toc_wrong(name, "lies at no place in the blob", err);
    const uint64_t left = file->size - item->chunk.file_offset;
    if (item->chunk.size == 0) /* the rest of the file */
        item->chunk.size = left;
    if (item->chunk.size > left)
        return cf_toc_wrong(name, "has chunks that are not the file", err);
    item->is_last = item->chunk.size == left;
    item->is_inner = inner > 0;
    if (!digest && item->chunk.size == file->size)
        item->chunk.digest = file->digest;
    else if (!digest || cf_digest_parse(digest, &item->chunk.digest) < 0)
        return cf_toc_wrong(name, "has a chunk without a digest", err);
    reading->count++;
    return 0;
}

static int read_entries(struct reading *reading, const struct cf_json *list, struct cf_error *err)
{
    bool open = false;
    int r = 0;
    for (const struct cf_json *json = cf_json_first(list); json && r == 0;
         json = cf_json_next(json)) {
        const char *type = cf_json_get_string(json, "type");
        const char *name = cf_json_get_string(json, "name");
        uint64_t size = 0;
        if (!type || !name || cf_toc_number(json, "size", &size) < 0)
            return cf_toc_wrong(name, "is no entry", err);
        const bool is_chunk = !strcmp(type, "chunk");
        if (is_chunk &&
            (!open || strcmp(reading->toc->files[reading->toc->file_count - 1].name, name) != 0))
            return cf_toc_wrong(name, "is a chunk of no file", err);
        open = is_chunk || (!strcmp(type, "reg") && size > 0);
        if (!is_chunk && open)
            r = add_file(reading, json, name, err);
        if (r == 0 && open)
            r = add_item(reading, json, name, err);
    }
    return r;
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->chunk.offset < y->chunk.offset ? -1 : x->chunk.offset > y->chunk.offset;
}

/* ---- the plan ---- */

static int plan_member(struct cf_store *store, struct cf_local_chunks *local,
                       const struct reading *reading, const struct item *item, uint64_t begin,
                       uint64_t end, struct cf_plan *plan, struct cf_error *err)
{
    struct cf_toc *toc = reading->toc;
    struct cf_toc_chunk *chunk = &toc->chunks[toc->chunk_count++];
    struct cf_piece piece = {.kind = CF_PIECE_FETCH, .chunk = chunk};
    *chunk = item ? item->chunk : (struct cf_toc_chunk){.offset = begin};
    chunk->end = end;
    piece.size = chunk->size;
    piece.has_tail = !item || item->is_last;
    if (!piece.has_tail) {
        const struct cf_toc_file *file = &toc->files[item->file];
        piece.offset = chunk->file_offset;
        if (cf_object_exists(store, &file->digest)) {
            piece.kind = CF_PIECE_OBJECT;
            piece.object = file->digest;
        } else if (cf_local_chunks_at(local, store, file->name, chunk, &piece.object)) {
            piece.kind = CF_PIECE_OBJECT;
        }
    }
    if (piece.kind == CF_PIECE_FETCH) {
        piece.offset = plan->fetch_plain;
        plan->fetch_plain += piece.has_tail ? 0 : piece.size;
        plan->fetch_packed += end - begin;
    }
    return cf_plan_add(plan, &piece, err);
}

static int plan_all(struct cf_store *store, struct reading *reading, struct cf_plan *plan,
                    struct cf_error *err)
{
    struct cf_local_chunks local cf_cleanup(cf_local_chunks_done) = {0};
    const struct item *items = reading->items;
    int r = cf_local_chunks_open(&local, store, err);
    if (r == 0 && reading->count > 0 && items[0].chunk.offset > 0)
        r = plan_member(store, &local, reading, NULL, 0, items[0].chunk.offset, plan, err);
    for (size_t i = 0, next; i < reading->count && r == 0; i = next) {
        for (next = i + 1; next < reading->count; next++)
            if (items[next].chunk.offset != items[i].chunk.offset)
                break;
        const uint64_t end = next < reading->count ? items[next].chunk.offset : reading->end;
        /* Several small files in one member: it is taken as it is. */
        const bool is_shared = next > i + 1 || items[i].is_inner;
        r = plan_member(store, &local, reading, is_shared ? NULL : &items[i], items[i].chunk.offset,
                        end, plan, err);
    }
    if (r == 0 && reading->count == 0 && reading->end > 0)
        r = plan_member(store, &local, reading, NULL, 0, reading->end, plan, err);
    return r;
}

int cf_stargz_plan(struct cf_store *store, const char *text, size_t len, uint64_t end,
                   struct cf_toc *ret_toc, struct cf_plan *plan, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct item *items cf_autofree = NULL;
    struct cf_toc toc = {0};
    int64_t version = 0;
    int r = cf_json_parse(text, len, &json, err);
    if (r < 0)
        return cf_fail_in(err, r, "the table of contents");
    const struct cf_json *list = cf_json_get(json, "entries");
    const size_t count = cf_json_count(list);
    if (!cf_json_is_array(list) || !cf_json_int(cf_json_get(json, "version"), &version) ||
        version != 1)
        return cf_fail(err, -EINVAL, "the table of contents is of no version that is known");
    items = calloc(count + 1, sizeof *items);
    toc.files = calloc(count + 1, sizeof *toc.files);
    toc.chunks = calloc(count + 2, sizeof *toc.chunks);
    struct reading reading = {.toc = &toc, .items = items, .end = end};
    r = items && toc.files && toc.chunks ? read_entries(&reading, list, err)
                                         : cf_fail(err, -ENOMEM, "out of memory");
    if (r == 0 && reading.count > 1)
        qsort(items, reading.count, sizeof *items, compare_items);
    if (r == 0)
        r = plan_all(store, &reading, plan, err);
    if (r < 0) {
        cf_toc_done(&toc);
        return r;
    }
    *ret_toc = toc; /* the plan points into it */
    return 0;
}
