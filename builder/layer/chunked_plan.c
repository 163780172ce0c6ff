/* SPDX-License-Identifier: Apache-2.0 */
#include "chunked_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/base64.h>

struct planning {
    struct cf_store *store;
    const struct cf_toc *toc;
    struct cf_plan *plan;
    struct cf_local_chunks *local;
    uint8_t *used; /* files of the TOC that the tar-split has named */
};

void cf_plan_done(struct cf_plan *plan)
{
    free(plan->pieces);
    cf_buf_done(&plan->raw);
    *plan = (struct cf_plan){0};
}

int cf_plan_add(struct cf_plan *plan, const struct cf_piece *piece, struct cf_error *err)
{
    if (plan->count == plan->room) {
        const size_t room = plan->room ? plan->room * 2 : 256;
        struct cf_piece *grown = realloc(plan->pieces, room * sizeof *grown);
        if (!grown)
            return cf_fail(err, -ENOMEM, "out of memory");
        plan->pieces = grown;
        plan->room = room;
    }
    plan->pieces[plan->count++] = *piece;
    return 0;
}

static bool is_here(struct cf_store *store, const struct cf_toc_file *file)
{
    return file->size > CF_INLINE_MAX && cf_object_exists(store, &file->digest);
}

/* ---- chunks of files that are not here whole ---- */

static int find_local(struct planning *planning, struct cf_error *err)
{
    const struct cf_toc *toc = planning->toc;
    bool open = false;
    int r = 0;
    for (size_t i = 0; i < toc->file_count && r == 0; i++) {
        const struct cf_toc_file *file = &toc->files[i];
        if (file->size < CF_LOCAL_MIN || file->count < 2 || is_here(planning->store, file))
            continue;
        if (!open)
            r = cf_local_chunks_open(planning->local, planning->store, err);
        open = true;
        if (r == 0)
            r = cf_local_chunks_add(planning->local, planning->store, file->name, toc->coarse, err);
    }
    cf_local_chunks_sort(planning->local);
    return r;
}

static int plan_chunk(struct planning *planning, const struct cf_toc_chunk *chunk,
                      struct cf_error *err)
{
    struct cf_piece piece = {.kind = CF_PIECE_FETCH, .size = chunk->size, .chunk = chunk};
    const struct cf_local_chunk *local = cf_local_chunks_find(planning->local, &chunk->digest);
    if (chunk->is_hole) {
        piece.kind = CF_PIECE_HOLE;
    } else if (local) {
        piece.kind = CF_PIECE_OBJECT;
        piece.object = local->object;
        piece.offset = local->offset;
    } else {
        piece.offset = planning->plan->fetch_plain;
        planning->plan->fetch_plain += chunk->size;
        planning->plan->fetch_packed += chunk->end - chunk->offset;
    }
    return cf_plan_add(planning->plan, &piece, err);
}

static int plan_file(struct planning *planning, const char *name, size_t len, uint64_t size,
                     struct cf_error *err)
{
    const struct cf_toc_file *file = cf_toc_find(planning->toc, name, len);
    if (size == 0)
        return 0;
    if (!file || file->size != size || planning->used[file - planning->toc->files])
        return cf_fail(err, -EINVAL, "tar-split and table of contents differ");
    planning->used[file - planning->toc->files] = 1;
    if (is_here(planning->store, file)) {
        const struct cf_piece piece = {
            .kind = CF_PIECE_OBJECT, .size = size, .object = file->digest};
        return cf_plan_add(planning->plan, &piece, err);
    }
    int r = 0;
    for (size_t i = 0; i < file->count && r == 0; i++)
        r = plan_chunk(planning, &planning->toc->chunks[file->first + i], err);
    return r;
}

/* ---- tar-split ---- */

static int plan_line(struct planning *planning, const struct cf_json *line, struct cf_error *err)
{
    struct cf_plan *plan = planning->plan;
    struct cf_buf raw_name cf_autobuf = CF_BUF_INIT;
    const char *payload = cf_json_get_string(line, "payload");
    const char *name = cf_json_get_string(line, "name");
    const char *raw = cf_json_get_string(line, "name_raw");
    int64_t type = 0, size = 0;
    (void)cf_json_int(cf_json_get(line, "type"), &type);
    (void)cf_json_int(cf_json_get(line, "size"), &size);
    if (type == 2 && payload) {
        struct cf_piece piece = {.kind = CF_PIECE_RAW, .offset = plan->raw.len};
        int r = cf_base64_decode(payload, strlen(payload), &plan->raw);
        if (r < 0)
            return cf_fail(err, r, "tar-split has a segment that is no base64");
        piece.size = plan->raw.len - piece.offset;
        return piece.size ? cf_plan_add(plan, &piece, err) : 0;
    }
    if (type == 1 && raw && cf_base64_decode(raw, strlen(raw), &raw_name) == 0 && raw_name.data)
        return plan_file(planning, raw_name.data, raw_name.len, (uint64_t)size, err);
    if (type == 1 && name && size >= 0)
        return plan_file(planning, name, strlen(name), (uint64_t)size, err);
    return cf_fail(err, -EINVAL, "tar-split has an entry of no known kind");
}

int cf_plan_make(struct cf_store *store, const struct cf_toc *toc, const char *split, size_t len,
                 struct cf_plan *ret_plan, struct cf_error *err)
{
    struct cf_local_chunks local cf_cleanup(cf_local_chunks_done) = {0};
    struct cf_plan plan = {0};
    uint8_t *used cf_autofree = calloc(toc->file_count + 1, 1);
    struct planning planning = {store, toc, &plan, &local, used};
    const char *at = split, *const end = split + len;
    int r = used ? find_local(&planning, err) : cf_fail(err, -ENOMEM, "out of memory");
    while (r == 0 && at < end) {
        struct cf_json *line cf_cleanup(cf_json_free_ptr) = NULL;
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if (stop > at)
            r = cf_json_parse(at, (size_t)(stop - at), &line, err);
        if (r == 0 && line)
            r = plan_line(&planning, line, err);
        at = stop + 1;
    }
    if (r < 0) {
        cf_plan_done(&plan);
        return r;
    }
    *ret_plan = plan;
    return 0;
}
