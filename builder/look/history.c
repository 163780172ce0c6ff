/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "find.h"

static bool is_empty(const struct cf_json *entry)
{
    bool empty = false;
    return cf_json_bool(cf_json_get(entry, "empty_layer"), &empty) && empty;
}

const struct cf_json *cf_history_of_layer(const struct cf_image *image, size_t layer)
{
    for (const struct cf_json *entry = cf_json_first(cf_json_get(image->config_json, "history"));
         entry; entry = cf_json_next(entry))
        if (!is_empty(entry) && layer-- == 0)
            return entry;
    return NULL;
}

int cf_image_history(const struct cf_image *image, struct cf_history **ret_entries,
                     size_t *ret_count, struct cf_error *err)
{
    const struct cf_json *list = cf_json_get(image->config_json, "history");
    size_t n = 0, layer = 0;
    struct cf_history *entries =
        calloc(cf_json_count(list) + image->layer_count + 1, sizeof(*entries));

    if (!entries)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (const struct cf_json *json = cf_json_first(list); json; json = cf_json_next(json)) {
        struct cf_history *entry = &entries[n++];
        entry->created = cf_json_get_string(json, "created");
        entry->created_by = cf_json_get_string(json, "created_by");
        entry->author = cf_json_get_string(json, "author");
        entry->comment = cf_json_get_string(json, "comment");
        entry->empty_layer = is_empty(json);
        if (entry->empty_layer || layer >= image->layer_count)
            continue;
        entry->size = image->layer_sizes[layer];
        entry->diff_id = &image->diff_ids[layer++];
    }
    for (; layer < image->layer_count; layer++) /* of which the history says nothing */
        entries[n++] = (struct cf_history){.diff_id = &image->diff_ids[layer],
                                           .size = image->layer_sizes[layer]};
    *ret_entries = entries;
    *ret_count = n;
    return 0;
}
