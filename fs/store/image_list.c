/* SPDX-License-Identifier: Apache-2.0 */
/* All images of a store, named or not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cloudfs/image.h>
#include <cloudfs/store.h>

#include "image_parse.h"
#include "mark.h"
#include "private.h"

struct listed {
    struct cf_image_entry entry;
    size_t name_room;
    int64_t created;        /* nanoseconds since the epoch */
    struct cf_digest chain; /* of all its layers; zeros where it has none */
};

struct list {
    struct cf_store *store;
    struct listed *images;
    size_t count, room;
    struct cf_digest_set below; /* chains of layers that an image has more on top of */
};

/* "2024-01-02T03:04:05.678Z" or with "+01:00" to nanoseconds; 0 for what is no RFC 3339. */
static int64_t created_ns(const char *text)
{
    struct tm tm = {0};
    int64_t fraction = 0, unit = 100000000;
    int hours = 0, minutes = 0;

    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return 0;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            fraction += (*rest - '0') * unit;
    int64_t seconds = timegm(&tm);
    if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2)
        seconds -= (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    if (seconds > INT64_MAX / 1000000001 || seconds < INT64_MIN / 1000000001)
        return 0;
    return seconds * 1000000000 + fraction;
}

static struct listed *add_image(struct list *list, const struct cf_digest *manifest)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 32;
        struct listed *images = reallocarray(list->images, room, sizeof(*images));
        if (!images)
            return NULL;
        list->images = images;
        list->room = room;
    }
    struct listed *image = &list->images[list->count++];
    memset(image, 0, sizeof(*image));
    image->entry.manifest = *manifest;
    return image;
}

/* As OCI image-spec, config.md "Layer ChainID", but for the spelling. */
static int note_chain(struct list *list, struct listed *listed, const struct cf_image *image)
{
    struct cf_digest both[2] = {0};

    for (size_t i = 0; i < image->layer_count; i++) {
        if (i > 0 && cf_digest_set_add(&list->below, &both[0]) < 0)
            return -ENOMEM;
        both[1] = image->diff_ids[i];
        cf_digest_of(both, sizeof(both), &both[0]);
    }
    listed->chain = both[0];
    return 0;
}

static int describe(struct list *list, struct listed *listed, const struct cf_image *image)
{
    struct cf_image *whole cf_cleanup(cf_image_free_ptr) = NULL;

    listed->entry.config = image->config;
    for (size_t i = 0; i < image->layer_count; i++)
        if (__builtin_add_overflow(listed->entry.size, image->layer_sizes[i], &listed->entry.size))
            listed->entry.size = UINT64_MAX;
    if (cf_image_load(list->store, &image->manifest, &whole, NULL) < 0)
        return 0; /* shown without what is lost; fsck tells */
    if (note_chain(list, listed, whole) < 0)
        return -ENOMEM;
    const char *created = cf_json_get_string(whole->config_json, "created");
    const char *os = cf_json_get_string(whole->config_json, "os");
    const char *architecture = cf_json_get_string(whole->config_json, "architecture");
    const char *variant = cf_json_get_string(whole->config_json, "variant");
    if (os && architecture &&
        asprintf(&listed->entry.platform, "%s/%s%s%s", os, architecture, variant ? "/" : "",
                 variant ? variant : "") < 0) {
        listed->entry.platform = NULL;
        return -ENOMEM;
    }
    if (!created)
        return 0;
    listed->created = created_ns(created);
    listed->entry.created = strdup(created);
    return listed->entry.created ? 0 : -ENOMEM;
}

static int list_manifest(const struct cf_image *image, void *context)
{
    struct list *list = context;
    struct listed *listed = add_image(list, &image->manifest);

    return listed ? describe(list, listed, image) : -ENOMEM;
}

static int by_manifest(const void *a, const void *b)
{
    return cf_digest_compare(&((const struct listed *)a)->entry.manifest,
                             &((const struct listed *)b)->entry.manifest);
}

static int newest_first(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;

    if (x->created != y->created)
        return x->created > y->created ? -1 : 1;
    return by_manifest(a, b);
}

static int add_name(struct listed *listed, const char *name)
{
    struct cf_image_entry *entry = &listed->entry;

    if (entry->name_count == listed->name_room) {
        size_t room = listed->name_room ? listed->name_room * 2 : 4;
        char **names = reallocarray(entry->names, room, sizeof(*names));
        if (!names)
            return -ENOMEM;
        entry->names = names;
        listed->name_room = room;
    }
    entry->names[entry->name_count] = strdup(name);
    if (!entry->names[entry->name_count])
        return -ENOMEM;
    entry->name_count++;
    return 0;
}

/* A name whose manifest is lost is listed too, with all else empty. */
static int list_one(struct list *list, const char *name, const struct cf_digest *manifest)
{
    struct listed key = {.entry = {.manifest = *manifest}};

    struct listed *listed =
        list->count ? bsearch(&key, list->images, list->count, sizeof(key), by_manifest) : NULL;
    if (!listed) {
        listed = add_image(list, manifest);
        if (!listed)
            return -ENOMEM;
        int r = add_name(listed, name);
        qsort(list->images, list->count, sizeof(*list->images), by_manifest);
        return r;
    }
    return add_name(listed, name);
}

/* The name of an index is that of each of its images. */
static int list_name(const char *name, const struct cf_digest *manifest, void *context)
{
    struct list *list = context;
    struct cf_digest *manifests cf_autofree = NULL;
    size_t count = 0;
    int r = cf_index_list(list->store, manifest, &manifests, &count, NULL);

    if (r == -ENOMEM || !manifests || count == 0)
        return r == -ENOMEM ? r : list_one(list, name, manifest);
    r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = list_one(list, name, &manifests[i]);
    return r;
}

static int collect(struct list *list, struct cf_error *err)
{
    int r = cf_manifest_each(list->store, list_manifest, list, err);
    if (r < 0)
        return r;
    if (list->count > 0)
        qsort(list->images, list->count, sizeof(*list->images), by_manifest);
    return cf_name_each(list->store, list_name, list, err);
}

static void free_entry(struct cf_image_entry *entry)
{
    for (size_t i = 0; i < entry->name_count; i++)
        free(entry->names[i]);
    free(entry->names);
    free(entry->created);
    free(entry->platform);
}

int cf_image_list(struct cf_store *store, struct cf_image_entry **ret_entries, size_t *ret_count,
                  struct cf_error *err)
{
    struct list list = {.store = store};

    int r = collect(&list, err);
    for (size_t i = 0; i < list.count; i++)
        list.images[i].entry.intermediate = list.images[i].entry.name_count == 0 &&
                                            cf_digest_set_has(&list.below, &list.images[i].chain);
    cf_digest_set_done(&list.below);
    struct cf_image_entry *entries = calloc(list.count + 1, sizeof(*entries));
    if (r == 0 && !entries)
        r = -ENOMEM;
    if (r < 0) {
        for (size_t i = 0; i < list.count; i++)
            free_entry(&list.images[i].entry);
        free(list.images);
        free(entries);
        return r == -ENOMEM ? cf_fail_errno(err, ENOMEM, "list the images") : r;
    }
    if (list.count > 0)
        qsort(list.images, list.count, sizeof(*list.images), newest_first);
    for (size_t i = 0; i < list.count; i++)
        entries[i] = list.images[i].entry;
    free(list.images);
    *ret_entries = entries;
    *ret_count = list.count;
    return 0;
}

void cf_image_list_free(struct cf_image_entry *entries, size_t count)
{
    for (size_t i = 0; entries && i < count; i++)
        free_entry(&entries[i]);
    free(entries);
}
