/* SPDX-License-Identifier: Apache-2.0 */
/* Which images a rebase is about; the old base is found by its layers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/reference.h>

#include "internal.h"

#define BASE_NAME "org.opencontainers.image.base.name"

/* Whether all of its layers, and not all of the image's, are the image's lower ones. */
static bool is_below(const struct cf_image *base, const struct cf_image *image)
{
    if (!base->layer_count || base->layer_count >= image->layer_count)
        return false;
    for (size_t i = 0; i < base->layer_count; i++)
        if (!cf_digest_equal(&base->diff_ids[i], &image->diff_ids[i]))
            return false;
    return true;
}

/* "registry/path" of a name, in full; "" for what is none. */
static void repository_of(const char *name, char ret_text[CF_TAGGED_SIZE])
{
    if (cf_reference_tagged(name, ret_text, NULL) < 0)
        ret_text[0] = '\0';
    char *slash = strrchr(ret_text, '/'), *colon = strrchr(ret_text, ':');
    if (colon && (!slash || colon > slash))
        *colon = '\0';
}

struct search {
    struct rebasing *rebasing;
    char own[CF_TAGGED_SIZE], onto[CF_TAGGED_SIZE]; /* repositories */
    int best_rank;
    struct cf_image *best;
    char *best_name;
    bool doubtful; /* several of the image's own repository */
};

/* 2: of the new base's repository; 1: of another; 0: of the image's own, or without a name. */
static int rank_of(const struct search *search, const struct cf_image_entry *entry,
                   const char **ret_name)
{
    int rank = 0;

    *ret_name = NULL;
    for (size_t i = 0; i < entry->name_count; i++) {
        char repository[CF_TAGGED_SIZE];
        repository_of(entry->names[i], repository);
        int own = !strcmp(repository, search->onto) ? 2 : strcmp(repository, search->own) != 0;
        if (!*ret_name || own > rank) {
            rank = own;
            *ret_name = entry->names[i];
        }
    }
    return rank;
}

static int consider(struct search *search, const struct cf_image_entry *entry)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    const char *name = NULL;
    int rank = rank_of(search, entry, &name);

    if (!name || cf_image_load(search->rebasing->store, &entry->manifest, &image, NULL) < 0 ||
        !is_below(image, search->rebasing->image))
        return 0;
    if (rank == 0 && search->best && search->best_rank == 0)
        search->doubtful = true;
    if (search->best &&
        (rank < search->best_rank ||
         (rank == search->best_rank && image->layer_count <= search->best->layer_count)))
        return 0;
    char *copy = strdup(name);
    if (!copy)
        return cf_rebase_no_memory(search->rebasing);
    free(search->best_name);
    cf_image_free(search->best);
    search->best_name = copy;
    search->best = CF_TAKE(image);
    search->best_rank = rank;
    return 0;
}

static int search_store(struct rebasing *rebasing)
{
    struct search search = {.rebasing = rebasing};
    struct cf_image_entry *entries = NULL;
    size_t count = 0;
    int r = cf_image_list(rebasing->store, &entries, &count, rebasing->err);

    repository_of(rebasing->reference, search.own);
    repository_of(rebasing->options->onto, search.onto);
    for (size_t i = 0; i < count && r == 0; i++)
        r = consider(&search, &entries[i]);
    cf_image_list_free(entries, count);
    if (r == 0 && (!search.best || (search.best_rank == 0 && search.doubtful)))
        r = cf_fail(rebasing->err, -ENOENT,
                    "cannot tell what %s was made from: %s: say it with --base",
                    rebasing->reference,
                    search.best ? "several images have its lower layers"
                                : "no image of the store has its lower layers");
    if (r < 0) {
        cf_image_free(search.best);
        free(search.best_name);
        return r;
    }
    rebasing->base = search.best;
    rebasing->result.base = search.best_name;
    return 0;
}

/* What the image says itself, where that is true. */
static int read_annotation(struct rebasing *rebasing)
{
    const char *name =
        cf_json_get_string(cf_json_get(rebasing->image->manifest_json, "annotations"), BASE_NAME);
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;

    if (!name || cf_image_find(rebasing->store, name, &image, NULL) < 0 ||
        !is_below(image, rebasing->image))
        return 0;
    rebasing->result.base = strdup(name);
    if (!rebasing->result.base)
        return cf_rebase_no_memory(rebasing);
    rebasing->base = CF_TAKE(image);
    return 0;
}

static const char *word_of(const struct cf_image *image, const char *key)
{
    const char *text = cf_json_get_string(image->config_json, key);
    return text ? text : "";
}

static int check_platforms(struct rebasing *rebasing)
{
    static const char *const keys[] = {"os", "architecture"};

    for (size_t i = 0; i < CF_COUNT(keys); i++)
        if (strcmp(word_of(rebasing->image, keys[i]), word_of(rebasing->onto, keys[i])) != 0)
            return cf_fail(rebasing->err, -EINVAL, "%s is for %s/%s, and %s for %s/%s",
                           rebasing->reference, word_of(rebasing->image, "os"),
                           word_of(rebasing->image, "architecture"), rebasing->options->onto,
                           word_of(rebasing->onto, "os"), word_of(rebasing->onto, "architecture"));
    return 0;
}

int cf_rebase_images(struct rebasing *rebasing)
{
    const struct cf_rebase_options *options = rebasing->options;
    int r = cf_image_find(rebasing->store, rebasing->reference, &rebasing->image, rebasing->err);

    if (r == 0)
        r = cf_image_find(rebasing->store, options->onto, &rebasing->onto, rebasing->err);
    if (r == 0)
        r = check_platforms(rebasing);
    if (r == 0 && options->base) {
        r = cf_image_find(rebasing->store, options->base, &rebasing->base, rebasing->err);
        rebasing->result.base = r == 0 ? strdup(options->base) : NULL;
        if (r == 0 && !rebasing->result.base)
            r = cf_rebase_no_memory(rebasing);
    } else if (r == 0) {
        r = read_annotation(rebasing);
    }
    if (r == 0 && !rebasing->base)
        r = search_store(rebasing);
    if (r < 0)
        return r;
    rebasing->is_below = is_below(rebasing->base, rebasing->image);
    r = cf_image_tree(rebasing->store, rebasing->base, &rebasing->old, NULL, rebasing->err);
    if (r == 0)
        r = cf_image_tree(rebasing->store, rebasing->image, &rebasing->ours, NULL, rebasing->err);
    return r < 0 ? r
                 : cf_image_tree(rebasing->store, rebasing->onto, &rebasing->theirs, NULL,
                                 rebasing->err);
}
