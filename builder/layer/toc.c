/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/chunked.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chunked_tables.h"

void cf_toc_done(struct cf_toc *toc)
{
    for (size_t i = 0; i < toc->file_count; i++)
        free(toc->files[i].name);
    free(toc->files);
    free(toc->chunks);
    *toc = (struct cf_toc){0};
}

int cf_toc_wrong(const char *name, const char *what, struct cf_error *err)
{
    return cf_fail(err, -EINVAL, "the table of contents: '%.400s' %s", name ? name : "an entry",
                   what);
}

int cf_toc_number(const struct cf_json *json, const char *key, uint64_t *ret)
{
    const struct cf_json *value = cf_json_get(json, key);
    int64_t number = 0;
    if (value && (!cf_json_int(value, &number) || number < 0))
        return -EINVAL;
    *ret = (uint64_t)number;
    return 0;
}

static int get_digest(const struct cf_json *json, const char *key, struct cf_digest *ret)
{
    const char *text = cf_json_get_string(json, key);
    return text ? cf_digest_parse(text, ret) : -EINVAL;
}

static int add_chunk(struct cf_toc *toc, const struct cf_json *json, bool is_first,
                     const char *name, struct cf_error *err)
{
    struct cf_toc_file *file = &toc->files[toc->file_count - 1];
    struct cf_toc_chunk *chunk = &toc->chunks[toc->chunk_count];
    const char *type = cf_json_get_string(json, "chunkType");
    *chunk = (struct cf_toc_chunk){.is_hole = type && !strcmp(type, "zeros")};
    if (cf_toc_number(json, "offset", &chunk->offset) < 0 ||
        cf_toc_number(json, "chunkOffset", &chunk->file_offset) < 0 ||
        cf_toc_number(json, "chunkSize", &chunk->size) < 0)
        return cf_toc_wrong(name, "has a number that is none", err);
    if (is_first && !cf_json_get(json, "chunkDigest")) { /* the file is one chunk */
        chunk->size = chunk->size ? chunk->size : file->size;
        chunk->digest = file->digest;
    } else if (get_digest(json, "chunkDigest", &chunk->digest) < 0) {
        return cf_toc_wrong(name, "has a chunk without a digest", err);
    }
    if (chunk->size == 0 && file->size > chunk->file_offset) /* the rest of the file */
        chunk->size = file->size - chunk->file_offset;
    toc->chunk_count++;
    file->count++;
    return 0;
}

/* What the chunks of the last file say together, now that all are there. */
static int close_file(struct cf_toc *toc, uint64_t end, uint64_t limit, struct cf_error *err)
{
    struct cf_toc_file *file = &toc->files[toc->file_count - 1];
    uint64_t at = 0;
    for (size_t i = 0; i < file->count; i++) {
        struct cf_toc_chunk *chunk = &toc->chunks[file->first + i];
        chunk->end = i + 1 < file->count ? chunk[1].offset : end;
        if (chunk->file_offset != at || chunk->size == 0 || chunk->size > file->size - at)
            return cf_toc_wrong(file->name, "has chunks that are not the file", err);
        if (chunk->end <= chunk->offset || chunk->end > limit)
            return cf_toc_wrong(file->name, "lies at no place in the blob", err);
        at += chunk->size;
    }
    return at == file->size ? 0 : cf_toc_wrong(file->name, "has chunks that are not the file", err);
}

static int add_file(struct cf_toc *toc, const struct cf_json *json, const char *name, uint64_t size,
                    struct cf_error *err)
{
    struct cf_toc_file *file = &toc->files[toc->file_count];
    *file = (struct cf_toc_file){.size = size, .first = toc->chunk_count, .name = strdup(name)};
    if (!file->name)
        return cf_fail(err, -ENOMEM, "out of memory");
    toc->file_count++;
    if (get_digest(json, "digest", &file->digest) < 0)
        return cf_toc_wrong(name, "has no digest", err);
    return add_chunk(toc, json, true, name, err);
}

static int add_entries(struct cf_toc *toc, const struct cf_json *list, uint64_t limit,
                       struct cf_error *err)
{
    bool open = false;
    uint64_t end = 0;
    int r = 0;
    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item)) {
        const char *type = cf_json_get_string(item, "type");
        const char *name = cf_json_get_string(item, "name");
        uint64_t size = 0;
        if (!type || !name || cf_toc_number(item, "size", &size) < 0)
            return cf_toc_wrong(name, "is no entry", err);
        if (!strcmp(type, "chunk")) {
            if (!open || strcmp(toc->files[toc->file_count - 1].name, name) != 0)
                return cf_toc_wrong(name, "is a chunk of no file", err);
            r = add_chunk(toc, item, false, name, err);
            continue;
        }
        if (open)
            r = close_file(toc, end, limit, err);
        open = r == 0 && !strcmp(type, "reg") && size > 0;
        if (!open)
            continue;
        if (cf_toc_number(item, "endOffset", &end) < 0)
            return cf_toc_wrong(name, "has a number that is none", err);
        r = add_file(toc, item, name, size, err);
    }
    return r == 0 && open ? close_file(toc, end, limit, err) : r;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct cf_toc_file *)a)->name, ((const struct cf_toc_file *)b)->name);
}

static int fill(struct cf_toc *toc, const struct cf_json *json, uint64_t limit,
                struct cf_error *err)
{
    const struct cf_json *list = cf_json_get(json, "entries");
    const size_t count = cf_json_count(list);
    int64_t version = 0;
    if (!cf_json_is_array(list) || !cf_json_int(cf_json_get(json, "version"), &version) ||
        version != 1)
        return cf_fail(err, -EINVAL, "the table of contents is of no version that is known");
    if (get_digest(json, "tarSplitDigest", &toc->split) < 0)
        return cf_fail(err, -EINVAL, "the table of contents names no tar-split");
    (void)cf_json_bool(cf_json_get(json, "coarseChunks"), &toc->coarse); /* ours; others skip it */
    toc->files = calloc(count + 1, sizeof *toc->files);
    toc->chunks = calloc(count + 1, sizeof *toc->chunks);
    if (!toc->files || !toc->chunks)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = add_entries(toc, list, limit, err);
    if (r < 0)
        return r;
    if (toc->file_count > 1)
        qsort(toc->files, toc->file_count, sizeof *toc->files, compare_files);
    for (size_t i = 1; i < toc->file_count; i++)
        if (!strcmp(toc->files[i - 1].name, toc->files[i].name))
            return cf_toc_wrong(toc->files[i].name, "is there twice", err);
    return 0;
}

int cf_toc_parse(const void *text, size_t len, uint64_t limit, struct cf_toc *ret_toc,
                 struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_toc toc = {0};
    int r = cf_json_parse(text, len, &json, err);
    if (r < 0)
        return cf_fail_in(err, r, "the table of contents");
    r = fill(&toc, json, limit, err);
    if (r < 0) {
        cf_toc_done(&toc);
        return r;
    }
    *ret_toc = toc;
    return 0;
}

const struct cf_toc_file *cf_toc_find(const struct cf_toc *toc, const char *name, size_t len)
{
    size_t low = 0, high = toc->file_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const char *other = toc->files[middle].name;
        int r = strncmp(name, other, len);
        if (r == 0 && other[len])
            r = -1;
        if (r == 0)
            return &toc->files[middle];
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
