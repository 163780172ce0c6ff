/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer into the store. Threads: one reads the source and hashes it, one decompresses, one
 * hashes the tar; the caller's parses, hashes the files, and writes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/layer.h>
#include <cloudfs/pipeline.h>

#include "content.h"
#include "intake.h"
#include "place.h"
#include "publish.h"
#include "recipe.h"
#include <cloudfs/tar.h>

enum { TAR_BACKLOG = 3 };

struct reading {
    struct cf_store *store;
    const struct cf_layer_read_options *options;
    const char *what;
    uint64_t max_size, max_entries;

    struct cf_intake *intake;
    struct cf_async_hasher *tar_hasher; /* NULL: nobody needs the tar's digest */
    struct cf_tar *tar;
    struct cf_builder *builder;
    struct cf_placer placer;
    struct cf_content_sink content;
    struct cf_layer_draft draft;
    struct cf_recipe_writer *recipe; /* NULL: the layer gets the canonical form */

    uint64_t tar_size, entries;
    uint64_t expanded;          /* bytes of all files, with their holes */
    bool wanted;                /* the entry's data is a file's content */
    struct cf_node *known_node; /* of a file whose object is there; NULL: of none */
    struct cf_digest known;
};

static void reading_done(struct reading *reading)
{
    cf_intake_free(reading->intake);
    cf_async_hasher_free(reading->tar_hasher);
    cf_tar_free(reading->tar);
    cf_content_sink_done(&reading->content);
    cf_placer_done(&reading->placer);
    cf_builder_free(reading->builder);
    cf_recipe_writer_free(reading->recipe);
    cf_layer_draft_drop(reading->store, &reading->draft);
}

static int start(struct reading *reading, struct cf_error *err)
{
    const struct cf_layer_read_options *options = reading->options;
    if (cf_tar_new(&reading->tar) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = cf_builder_new(cf_store_tmp_fd(reading->store), &reading->builder, err);
    if (r < 0)
        return r;
    cf_placer_init(&reading->placer, reading->builder, reading->what);
    reading->placer.has_clamp = options->canonical && options->has_clamp;
    reading->placer.clamp_sec = options->clamp_sec;
    cf_content_sink_init(&reading->content, reading->store, reading->builder);
    if (!options->canonical) {
        r = cf_layer_draft_new(reading->store, &reading->draft, err);
        if (r == 0)
            r = cf_recipe_writer_new(reading->draft.fd, &reading->recipe, err);
        if (r < 0)
            return r;
    }
    r = cf_intake_start(options, &reading->intake, err);
    if (r < 0 || (options->canonical && !options->expected_diff_id && !options->expected_blob))
        return r;
    r = cf_async_hasher_start(TAR_BACKLOG, &reading->tar_hasher);
    return r < 0 ? cf_fail_errno(err, -r, "cannot start a thread") : 0;
}

/* ---- the entries ---- */

static int too_large(const struct reading *reading, struct cf_error *err)
{
    return cf_fail(err, -EFBIG, "it is larger than %" PRIu64 " bytes, the limit",
                   reading->max_size);
}

static bool is_known(struct reading *reading, const struct cf_tar_entry *entry)
{
    const struct cf_layer_read_options *options = reading->options;
    return options->known && reading->recipe && options->expected_diff_id &&
           entry->size > CF_INLINE_MAX && !entry->sparse &&
           options->known(options->known_context, entry, &reading->known) &&
           cf_object_exists(reading->store, &reading->known);
}

static int end_known(struct reading *reading, struct cf_error *err)
{
    const uint64_t size = cf_tar_entry(reading->tar)->size;
    int r = cf_node_set_object(reading->builder, reading->known_node, &reading->known, size);
    reading->known_node = NULL;
    return r < 0 ? cf_fail_errno(err, -r, "its content in the tree")
                 : cf_recipe_object(reading->recipe, &reading->known, err);
}

static int begin_entry(struct reading *reading, struct cf_error *err)
{
    const struct cf_tar_entry *entry = cf_tar_entry(reading->tar);
    struct cf_node *node = NULL;
    if (++reading->entries > reading->max_entries)
        return cf_fail(err, -EFBIG, "it has more than %" PRIu64 " entries, the limit",
                       reading->max_entries);
    int r = cf_placer_add(&reading->placer, entry, &node, err);
    if (r == 0 && node) {
        if (entry->size > reading->max_size - reading->expanded)
            return too_large(reading, err);
        reading->expanded += entry->size;
        if (is_known(reading, entry))
            reading->known_node = node;
        else
            r = cf_content_begin(&reading->content, node, entry->size, err);
    }
    reading->wanted = node && !reading->known_node;
    return r;
}

static int end_entry(struct reading *reading, struct cf_error *err)
{
    struct cf_digest digest;
    if (reading->known_node)
        return end_known(reading, err);
    if (!reading->wanted)
        return 0;
    int r = cf_content_end(&reading->content, &digest, err);
    if (r == 0 && reading->recipe && cf_content_is_object(&reading->content))
        r = cf_recipe_object(reading->recipe, &digest, err);
    return r;
}

static int take_data(struct reading *reading, const struct cf_tar_span *span, struct cf_error *err)
{
    const bool object =
        reading->known_node || (reading->wanted && cf_content_is_object(&reading->content));
    int r = 0;
    if (reading->recipe)
        r = object ? cf_recipe_part(reading->recipe, span->offset, span->len, err)
                   : cf_recipe_raw(reading->recipe, span->data, span->len, err);
    if (r == 0 && reading->wanted)
        r = cf_content_put(&reading->content, span->offset, span->data, span->len, err);
    return r;
}

static int in_entry(const struct reading *reading, int r, struct cf_error *err)
{
    if (r >= 0)
        return r;
    return cf_fail_in(err, r, "entry '%.400s'", cf_tar_entry(reading->tar)->path.data);
}

static int take_event(struct reading *reading, int event, const struct cf_tar_span *span,
                      struct cf_error *err)
{
    switch (event) {
    case CF_TAR_META:
        return reading->recipe ? cf_recipe_raw(reading->recipe, span->data, span->len, err) : 0;
    case CF_TAR_ENTRY:
        return in_entry(reading, begin_entry(reading, err), err);
    case CF_TAR_DATA:
        return in_entry(reading, take_data(reading, span, err), err);
    default:
        return in_entry(reading, end_entry(reading, err), err);
    }
}

static int take_chunk(struct reading *reading, struct cf_chunk *chunk, struct cf_error *err)
{
    struct cf_tar_span span;
    if (chunk->len > reading->max_size - reading->tar_size)
        return too_large(reading, err);
    reading->tar_size += chunk->len;
    if (reading->tar_hasher)
        cf_async_hasher_add(reading->tar_hasher, chunk, 0, chunk->len);
    cf_tar_feed(reading->tar, chunk->data, chunk->len);
    for (;;) {
        const int event = cf_tar_next(reading->tar, &span, err);
        if (event < 0)
            return event;
        if (event == CF_TAR_MORE)
            return 0;
        int r = take_event(reading, event, &span, err);
        if (r < 0)
            return r;
    }
}

static int take_all(struct reading *reading, struct cf_error *err)
{
    const struct cf_layer_read_options *options = reading->options;
    for (;;) {
        struct cf_chunk *chunk cf_cleanup(cf_chunk_unref_ptr) = NULL;
        int r = cf_intake_next(reading->intake, &chunk, err);
        if (r == 0)
            return 0;
        if (r > 0)
            r = take_chunk(reading, chunk, err);
        if (r < 0)
            return r;
        if (options->progress)
            options->progress(options->progress_context, reading->what,
                              cf_intake_place(reading->intake), options->expected_blob_size);
    }
}

/* ---- the end ---- */

static int mismatch(const char *what, const struct cf_digest *found,
                    const struct cf_digest *expected, struct cf_error *err)
{
    char is[CF_DIGEST_TEXT_SIZE], should[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(found, is);
    cf_digest_text(expected, should);
    return cf_fail(err, -EBADMSG, "its %s is %s, but should be %s", what, is, should);
}

static int check(struct reading *reading, struct cf_layer_info *info,
                 struct cf_intake_info *ret_form, struct cf_error *err)
{
    const struct cf_layer_read_options *options = reading->options;
    cf_intake_info(reading->intake, ret_form);
    if (reading->tar_hasher)
        cf_async_hasher_final(reading->tar_hasher, &info->diff_id);
    if (cf_intake_is_plain(reading->intake))
        ret_form->blob = info->diff_id;
    info->blob = ret_form->blob;
    info->blob_size = ret_form->blob_size;
    info->tar_size = reading->tar_size;
    info->entries = reading->entries;
    info->newest_sec = reading->placer.newest_sec;
    info->newest_nsec = reading->placer.newest_nsec;
    if (options->expected_blob && info->blob_size != options->expected_blob_size)
        return cf_fail(err, -EBADMSG, "it has %" PRIu64 " bytes, but should have %" PRIu64,
                       info->blob_size, options->expected_blob_size);
    if (options->expected_blob && !cf_digest_equal(&info->blob, options->expected_blob))
        return mismatch("digest", &info->blob, options->expected_blob, err);
    if (options->expected_diff_id && !cf_digest_equal(&info->diff_id, options->expected_diff_id))
        return mismatch("diff ID", &info->diff_id, options->expected_diff_id, err);
    const bool verified = options->expected_blob || options->expected_diff_id;
    return cf_tar_end(reading->tar, verified, err);
}

static int finish(struct reading *reading, struct cf_layer_info *info, struct cf_error *err)
{
    const struct cf_layer_read_options *options = reading->options;
    struct cf_intake_info form;
    int r = check(reading, info, &form, err);
    if (r < 0)
        return r;
    struct cf_layer_form other = {.digest = form.blob, .size = form.blob_size};
    const char *type = options->media_type ? options->media_type : form.media_type;
    if (type)
        (void)snprintf(other.media_type, sizeof other.media_type, "%s", type);
    const bool has_other = !cf_intake_is_plain(reading->intake) && type;
    info->existed = cf_layer_exists(reading->store, &info->diff_id);
    if (info->existed)
        return has_other ? cf_layer_form_add(reading->store, &info->diff_id, &other, err) : 0;
    r = cf_recipe_finish(reading->recipe, err);
    if (r < 0)
        return r;
    return cf_layer_publish(reading->store, &reading->draft, reading->builder, info,
                            has_other ? &other : NULL, err);
}

/* The tar was only the way here: the layer is made anew of what it holds. */
static int finish_canonical(struct reading *reading, struct cf_layer_info *info,
                            struct cf_error *err)
{
    const struct cf_layer_build_options build = {
        .progress = reading->options->progress,
        .progress_context = reading->options->progress_context,
    };
    struct cf_layer_info read = {0};
    struct cf_intake_info form;
    int r = check(reading, &read, &form, err);
    if (r == 0)
        r = cf_layer_build(reading->store, reading->builder, &build, info, err);
    info->entries = read.entries;
    info->newest_sec = read.newest_sec;
    info->newest_nsec = read.newest_nsec;
    return r;
}

static int read_layer(struct cf_store *store, const struct cf_layer_read_options *options,
                      const char *what, struct cf_layer_info *info, struct cf_error *err)
{
    struct reading reading cf_cleanup(reading_done) = {
        .store = store,
        .options = options,
        .what = what,
        .max_size = options->max_size ? options->max_size : CF_LAYER_MAX_SIZE,
        .max_entries = options->max_entries ? options->max_entries : CF_LAYER_MAX_ENTRIES,
        .draft = {.fd = -1},
    };
    int r = start(&reading, err);
    if (r == 0)
        r = take_all(&reading, err);
    if (r == 0)
        r = options->canonical ? finish_canonical(&reading, info, err)
                               : finish(&reading, info, err);
    return r;
}

/* What the store has already is not read again. */
static int find(struct cf_store *store, const struct cf_layer_read_options *options,
                struct cf_layer_info *info, struct cf_error *err)
{
    struct cf_digest diff_id;
    if (options->canonical)
        return 0;
    if (options->expected_diff_id)
        return cf_layer_find(store, options->expected_diff_id, options->expected_blob, info, err);
    if (options->expected_blob && cf_layer_by_form(store, options->expected_blob, &diff_id) == 0)
        return cf_layer_find(store, &diff_id, options->expected_blob, info, err);
    return 0;
}

int cf_layer_read(struct cf_store *store, const struct cf_layer_read_options *options,
                  struct cf_layer_info *ret_info, struct cf_error *err)
{
    const char *what = options->what ? options->what : "of no name";
    struct cf_layer_info info = {0};
    int lock cf_autoclose = -1;
    int r = find(store, options, &info, err);
    if (r == 0 && options->expected_diff_id && !options->canonical) {
        lock = cf_layer_lock(store, options->expected_diff_id, err);
        r = lock < 0 ? lock : find(store, options, &info, err);
    }
    if (r == 0)
        r = read_layer(store, options, what, &info, err);
    if (r < 0)
        return cf_fail_in(err, r, "layer %s", what);
    *ret_info = info;
    return 0;
}
