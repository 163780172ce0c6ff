/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML document of bounded size as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/json.h>
#include <cloudfs/yaml.h>

enum { DEPTH_MAX = 100, REPLAYED_MAX = 10000 };

static struct cf_json *scalar(const struct cf_yaml_event *event)
{
    struct cf_yaml_plain plain = {.type = CF_YAML_STRING};
    if (event->style == CF_YAML_PLAIN && !event->tag)
        cf_yaml_resolve(event->value, event->len, &plain);
    if (plain.type == CF_YAML_NULL)
        return cf_json_null();
    if (plain.type == CF_YAML_BOOL)
        return cf_json_new_bool(plain.truth);
    if (plain.type == CF_YAML_INT && plain.has_whole)
        return cf_json_new_int(plain.whole);
    return cf_json_new_string(event->value);
}

static int value_of(struct cf_yaml *yaml, const struct cf_yaml_event *event,
                    struct cf_json **ret_json, struct cf_error *err);

static int fill(struct cf_yaml *yaml, struct cf_json *into, bool is_map, struct cf_error *err)
{
    for (;;) {
        struct cf_yaml_event event;
        struct cf_json *item = NULL;
        char *key cf_autofree = NULL;
        int r = cf_yaml_next(yaml, &event, err);
        if (r <= 0)
            return r < 0 ? r : cf_fail(err, -EINVAL, "the document ends too early");
        if (event.kind == CF_YAML_MAP_END || event.kind == CF_YAML_SEQUENCE_END)
            return 0;
        if (is_map) {
            if (event.kind != CF_YAML_SCALAR)
                return cf_fail(err, -EINVAL, "a key that is no scalar");
            key = strdup(event.value);
            if (!key)
                return cf_fail(err, -ENOMEM, "out of memory");
            r = cf_yaml_next(yaml, &event, err);
        }
        if (r > 0)
            r = value_of(yaml, &event, &item, err);
        if (r < 0)
            return r;
        if ((is_map ? cf_json_set(into, key, item) : cf_json_append(into, item)) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
    }
}

static int value_of(struct cf_yaml *yaml, const struct cf_yaml_event *event,
                    struct cf_json **ret_json, struct cf_error *err)
{
    const bool is_map = event->kind == CF_YAML_MAP;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    if (event->kind == CF_YAML_SCALAR)
        json = scalar(event);
    else
        json = is_map ? cf_json_object() : cf_json_array();
    if (!json)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = event->kind == CF_YAML_SCALAR ? 0 : fill(yaml, json, is_map, err);
    if (r == 0)
        *ret_json = CF_TAKE(json);
    return r;
}

int cf_yaml_json(const void *data, size_t len, struct cf_json **ret_json, struct cf_error *err)
{
    const struct cf_yaml_options options = {
        .data = data, .len = len, .max_depth = DEPTH_MAX, .max_replayed = REPLAYED_MAX};
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct cf_yaml_event event;
    int r = cf_yaml_open(&options, &yaml, err);
    if (r < 0)
        return r;
    r = cf_yaml_next(yaml, &event, err);
    if (r > 0 && event.kind == CF_YAML_DOCUMENT)
        r = cf_yaml_next(yaml, &event, err);
    if (r == 0)
        return cf_fail(err, -EINVAL, "there is no document in it");
    return r < 0 ? r : value_of(yaml, &event, ret_json, err);
}
