/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of the archive that sealer v0.8 loads: see load_sealer.c. */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/log.h>
#include <cloudfs/look.h>
#include <cloudfs/yaml.h>

/* sealer prints a list of one Image for people, and keeps the object alone. */
static int take_object(const struct cf_buf *list, struct cf_buf *ret_buf)
{
    const char *at = list->data, *const end = at + list->len;
    int r = 0;
    while (at < end && r == 0) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop + 1 : end;
        r = cf_buf_add(ret_buf, at + 2, (size_t)(stop - at) - 2);
        at = stop;
    }
    return r;
}

static int find_id(const struct cf_buf *text, char ret_id[CF_DIGEST_HEX_SIZE], struct cf_error *err)
{
    struct cf_json *image cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_yaml_json(text->data, text->len, &image, err);
    const char *id = cf_json_get_string(cf_json_get(image, "spec"), "id");
    if (r == 0)
        (void)snprintf(ret_id, CF_DIGEST_HEX_SIZE, "%s", id ? id : "");
    return r;
}

int cf_saving_sealer_image(const struct saving *saving, const struct saved_image *saved,
                           char ret_file[CF_DIGEST_HEX_SIZE + 8], struct cf_buf *ret_buf,
                           struct cf_error *err)
{
    struct cf_buf list cf_autobuf = CF_BUF_INIT;
    char id[CF_DIGEST_HEX_SIZE];
    if (!saved->name[0])
        return cf_fail(err, -EINVAL, "a sealer archive needs an image's name, not its ID alone");
    int r = cf_inspect_sealer(saving->store, saved->image, saved->name, &list, err);
    if (r == 0 && take_object(&list, ret_buf) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = find_id(ret_buf, id, err);
    if (r == 0)
        (void)snprintf(ret_file, CF_DIGEST_HEX_SIZE + 8, "%s.yaml", id);
    return r;
}

static int add_entry(const struct saving *saving, const struct saved_image *saved,
                     struct cf_json *list, const char *id)
{
    static const char *const fields[] = {"architecture", "os", "variant"};
    const struct cf_json *config = saved->image->config_json;
    const char *created = cf_json_get_string(config, "created");
    struct cf_json *entry = cf_json_object(), *platform = cf_json_object();
    uint64_t size = 0;
    int r = cf_json_set_string(entry, "id", id);
    for (size_t i = 0; i < saved->image->layer_count; i++) {
        const struct saved_layer *layer = cf_saving_layer(saving, &saved->image->diff_ids[i]);
        size += layer ? layer->size : 0;
    }
    if (r == 0)
        r = cf_json_set_string(entry, "created", created ? created : "1970-01-01T00:00:00Z");
    if (r == 0)
        r = cf_json_set_int(entry, "size", (int64_t)size);
    for (size_t i = 0; i < CF_COUNT(fields) && r == 0; i++) {
        const char *value = cf_json_get_string(config, fields[i]);
        if (value && *value)
            r = cf_json_set_string(platform, fields[i], value);
    }
    if (r < 0) {
        cf_json_free(platform);
        cf_json_free(entry);
        return r;
    }
    r = cf_json_set(entry, "platform", platform);
    if (r < 0) {
        cf_json_free(entry);
        return r;
    }
    return cf_json_append(list, entry);
}

int cf_saving_sealer_index(const struct saving *saving, struct cf_buf *ret_buf,
                           struct cf_error *err)
{
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = cf_json_object();
    int r = index ? 0 : -ENOMEM;
    for (size_t i = 0; i < saving->image_count && r == 0; i++) {
        const struct saved_image *saved = &saving->images[i];
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        char file[CF_DIGEST_HEX_SIZE + 8];
        r = cf_saving_sealer_image(saving, saved, file, &text, err);
        if (r < 0)
            return r;
        file[strcspn(file, ".")] = '\0';
        if (!cf_json_get(index, saved->name)) {
            struct cf_json *item = cf_json_object();
            r = cf_json_set(item, "manifests", cf_json_array());
            r = cf_json_set(index, saved->name, item) < 0 ? -ENOMEM : r;
        }
        if (r == 0)
            r = add_entry(saving, saved,
                          cf_json_edit(cf_json_edit(index, saved->name), "manifests"), file);
    }
    if (r == 0)
        r = cf_json_print(index, false, ret_buf);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}
