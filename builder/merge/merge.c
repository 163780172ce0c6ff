/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/merge.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cloudfs/look.h>

#include "say.h"

struct merging {
    struct cf_store *store;
    const struct cf_merge_options *options;
    const char *const *references;
    struct cf_image **images;
    size_t count;
    struct cf_digest *diff_ids; /* so far */
    size_t diff_count;
    struct cf_new_layer *layers; /* those that are not the first image's */
    size_t layer_count;
    char **texts; /* created_by of these, owned */
};

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static void merging_done(struct merging *merging)
{
    for (size_t i = 0; merging->images && i < merging->count; i++)
        cf_image_free(merging->images[i]);
    for (size_t i = 0; merging->texts && i < merging->layer_count; i++)
        free(merging->texts[i]);
    free(merging->images);
    free(merging->diff_ids);
    free(merging->layers);
    free(merging->texts);
}

static int64_t created(const struct cf_image *image)
{
    const char *text = cf_json_get_string(image->config_json, "created");
    struct tm tm = {0};
    return text && strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : 0;
}

static const char *word_of(const struct cf_image *image, const char *key)
{
    const char *text = cf_json_get_string(image->config_json, key);
    return text ? text : "";
}

static int load_images(struct merging *merging, struct cf_error *err)
{
    size_t layers = 0;
    int r = 0;

    merging->images = calloc(merging->count, sizeof(struct cf_image *));
    if (!merging->images)
        return no_memory(err);
    for (size_t i = 0; i < merging->count && r == 0; i++) {
        r = cf_image_find_platform(merging->store, merging->references[i],
                                   merging->options->platform, &merging->images[i], err);
        if (r < 0)
            return r;
        const struct cf_image *first = merging->images[0], *image = merging->images[i];
        layers += image->layer_count;
        if (strcmp(word_of(first, "os"), word_of(image, "os")) != 0 ||
            strcmp(word_of(first, "architecture"), word_of(image, "architecture")) != 0)
            return cf_fail(err, -EINVAL, "%s is for %s/%s, and %s for %s/%s",
                           merging->references[0], word_of(first, "os"),
                           word_of(first, "architecture"), merging->references[i],
                           word_of(image, "os"), word_of(image, "architecture"));
    }
    merging->diff_ids = calloc(layers + 1, sizeof(*merging->diff_ids));
    merging->layers = calloc(layers + 1, sizeof(*merging->layers));
    merging->texts = calloc(layers + 1, sizeof(*merging->texts));
    return merging->diff_ids && merging->layers && merging->texts ? 0 : no_memory(err);
}

/* ---- conflicts ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct cf_change *)a)->path, ((const struct cf_change *)b)->path);
}

static bool is_among(const struct cf_changes *changes, const struct cf_change *change)
{
    return changes->count &&
           bsearch(change, changes->list, changes->count, sizeof(*change), by_path);
}

/* Layers that an image and all before it have in common, from the bottom. */
static size_t common_layers(const struct merging *merging, const struct cf_image *image)
{
    size_t n = 0;
    while (n < image->layer_count && n < merging->diff_count &&
           cf_digest_equal(&image->diff_ids[n], &merging->diff_ids[n]))
        n++;
    return n;
}

/* before: layers so far; common: those of them that the image has too. */
static int tell_conflicts(struct merging *merging, size_t which, size_t before, size_t common,
                          struct cf_error *err)
{
    struct cf_tree *old cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_tree *new cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_tree *base cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_changes all cf_cleanup(cf_changes_done) = {0};
    struct cf_changes theirs cf_cleanup(cf_changes_done) = {0};
    const struct cf_merge_options *options = merging->options;
    int r = cf_store_merged_tree(merging->store, merging->diff_ids, before, &old, NULL, err);

    if (r == 0)
        r = cf_store_merged_tree(merging->store, merging->diff_ids, merging->diff_count, &new, NULL,
                                 err);
    if (r == 0)
        r = cf_tree_changes(old, new, &all, err);
    if (r == 0 && common)
        r = cf_store_merged_tree(merging->store, merging->diff_ids, common, &base, NULL, err);
    if (r == 0 && common)
        r = cf_tree_changes(base, old, &theirs, err);
    for (size_t i = 0; i < all.count && r == 0; i++) {
        const struct cf_change *change = &all.list[i];
        const struct cf_merge_conflict conflict = {change->kind, change->path,
                                                   merging->references[which]};
        bool hides =
            change->kind == 'D' || (change->kind == 'C' && !change->is_dir && !change->meta_only);
        if (hides && (!common || is_among(&theirs, change)))
            options->conflict(&conflict, options->conflict_context);
    }
    return r;
}

/* ---- layers ---- */

static bool has_layer(const struct merging *merging, const struct cf_digest *diff_id)
{
    for (size_t i = 0; i < merging->diff_count; i++)
        if (cf_digest_equal(&merging->diff_ids[i], diff_id))
            return true;
    return false;
}

static int add_layer(struct merging *merging, const struct cf_image *image,
                     const struct cf_history *entry, const struct cf_digest *diff_id,
                     struct cf_error *err)
{
    struct cf_new_layer *layer = &merging->layers[merging->layer_count];
    const char *said = entry && entry->created_by ? entry->created_by : "(no history)";
    char *text = strdup(said);
    int r = text ? cf_layer_tar_size(merging->store, diff_id, &layer->info.tar_size, err)
                 : no_memory(err);

    merging->texts[merging->layer_count++] = text;
    layer->created_by = text;
    layer->info.diff_id = *diff_id;
    layer->info.entries = 1;
    layer->info.newest_sec = created(image);
    merging->diff_ids[merging->diff_count++] = *diff_id;
    return r;
}

static int add_layers(struct merging *merging, size_t which, struct cf_error *err)
{
    const struct cf_image *image = merging->images[which];
    struct cf_history *entries cf_autofree = NULL;
    size_t count = 0, before = merging->diff_count, common = common_layers(merging, image);
    int r = cf_image_history(image, &entries, &count, err);

    for (size_t i = 0; i < image->layer_count && r == 0; i++) {
        const struct cf_history *entry = NULL;
        for (size_t k = 0; k < count && !entry; k++)
            if (entries[k].diff_id && cf_digest_equal(entries[k].diff_id, &image->diff_ids[i]))
                entry = &entries[k];
        if (!has_layer(merging, &image->diff_ids[i]))
            r = add_layer(merging, image, entry, &image->diff_ids[i], err);
    }
    if (r == 0 && merging->options->conflict && before && merging->diff_count > before)
        r = tell_conflicts(merging, which, before, common, err);
    return r;
}

int cf_image_merge(struct cf_store *store, const char *const *references, size_t count,
                   const struct cf_merge_options *options, struct cf_image **ret_image,
                   struct cf_error *err)
{
    struct merging merging cf_cleanup(merging_done) = {
        .store = store, .options = options, .references = references, .count = count};
    struct cf_said said cf_cleanup(cf_said_done) = {.options = options->image};
    int r = count < 2 ? cf_fail(err, -EINVAL, "two images at least are merged")
                      : load_images(&merging, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < merging.images[0]->layer_count; i++)
        merging.diff_ids[merging.diff_count++] = merging.images[0]->diff_ids[i];
    for (size_t i = 1; i < count && r == 0; i++)
        r = add_layers(&merging, i, err);
    if (r == 0 && !said.options.has_timestamp) { /* as old as the newest of them */
        said.options.has_timestamp = true;
        for (size_t i = 0; i < count; i++)
            if (created(merging.images[i]) > said.options.timestamp)
                said.options.timestamp = created(merging.images[i]);
    }
    if (r == 0)
        r = cf_said_merge((const struct cf_image *const *)merging.images, count, &said, err);
    if (r == 0)
        r = cf_image_create(store, merging.images[0], merging.layers, merging.layer_count,
                            &said.options, options->name, ret_image, err);
    return r;
}
