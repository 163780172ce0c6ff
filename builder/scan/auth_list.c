/* SPDX-License-Identifier: Apache-2.0 */
/* imageListWithAuth.yaml: [{registry, username, password, images: [...]}, ...] */
#include <cloudfs/scan.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/yaml.h>

void cf_auth_list_done(struct cf_auth_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct cf_auth_entry *entry = &list->entries[i];
        free(entry->registry);
        free(entry->username);
        if (entry->password)
            explicit_bzero(entry->password, strlen(entry->password));
        free(entry->password);
        for (size_t k = 0; k < entry->image_count; k++)
            free(entry->images[k].text);
        free(entry->images);
    }
    free(list->entries);
    *list = (struct cf_auth_list){0};
}

int cf_auth_list_add(struct cf_auth_list *list)
{
    void *grown = realloc(list->entries, (list->count + 1) * sizeof(*list->entries));

    if (!grown)
        return -ENOMEM;
    list->entries = grown;
    list->entries[list->count++] = (struct cf_auth_entry){0};
    return 0;
}

struct parsing {
    struct cf_auth_list *list;
    size_t depth;
    bool at_value, in_images;
    char key[16];
};

static int add_image(struct cf_auth_entry *entry, const struct cf_yaml_event *event)
{
    void *grown = realloc(entry->images, (entry->image_count + 1) * sizeof(*entry->images));

    if (!grown)
        return -ENOMEM;
    entry->images = grown;
    entry->images[entry->image_count].line = event->start.line;
    entry->images[entry->image_count].text = strndup(event->value, event->len);
    if (!entry->images[entry->image_count].text)
        return -ENOMEM;
    entry->image_count++;
    return 0;
}

static int take_value(struct parsing *parsing, const struct cf_yaml_event *event)
{
    struct cf_auth_entry *entry = &parsing->list->entries[parsing->list->count - 1];
    char **place = !strcmp(parsing->key, "registry")   ? &entry->registry
                   : !strcmp(parsing->key, "username") ? &entry->username
                   : !strcmp(parsing->key, "password") ? &entry->password
                                                       : NULL;

    if (!place || *place)
        return 0;
    *place = strndup(event->value, event->len);
    return *place ? 0 : -ENOMEM;
}

/* Depths: 1 inside the list, 2 inside an entry, 3 inside its images. */
static int take_event(void *context, const struct cf_yaml_event *event)
{
    struct parsing *parsing = context;
    struct cf_auth_list *list = parsing->list;
    int r = 0;

    switch (event->kind) {
    case CF_YAML_MAP:
    case CF_YAML_SEQUENCE:
        if (parsing->depth == 1 && event->kind == CF_YAML_MAP)
            r = cf_auth_list_add(list);
        parsing->in_images = parsing->depth == 2 && event->kind == CF_YAML_SEQUENCE &&
                             !strcmp(parsing->key, "images");
        parsing->depth++;
        parsing->at_value = false;
        return r;
    case CF_YAML_MAP_END:
    case CF_YAML_SEQUENCE_END:
        parsing->depth--;
        parsing->at_value = false;
        return 0;
    case CF_YAML_SCALAR:
        if (list->count == 0)
            return 0;
        if (parsing->depth == 3 && parsing->in_images)
            return add_image(&list->entries[list->count - 1], event);
        if (parsing->depth != 2)
            return 0;
        if (parsing->at_value)
            r = take_value(parsing, event);
        else
            snprintf(parsing->key, sizeof(parsing->key), "%s", event->value);
        parsing->at_value = !parsing->at_value;
        return r;
    default:
        return 0;
    }
}

int cf_auth_list_parse(const void *data, size_t len, struct cf_auth_list *ret_list,
                       struct cf_error *err)
{
    struct cf_yaml_options options = {.data = data, .len = len};
    struct cf_auth_list list = {0};
    struct parsing parsing = {.list = &list};
    int r = cf_yaml_each(&options, take_event, &parsing, err);

    if (r < 0) {
        cf_auth_list_done(&list);
        return r;
    }
    *ret_list = list;
    return 0;
}

int cf_auth_list_reference(const struct cf_auth_entry *entry, const char *image,
                           struct cf_reference *ret_reference, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    const char *slash = strchr(image, '/');
    size_t first = slash ? (size_t)(slash - image) : 0;
    bool has_domain = memchr(image, '.', first) || memchr(image, ':', first);
    int r = 0;

    if (!has_domain && entry->registry && *entry->registry)
        r = cf_buf_printf(&text, "%s/", entry->registry);
    if (r == 0)
        r = cf_buf_add_str(&text, image);
    return r < 0 ? cf_fail(err, r, "out of memory")
                 : cf_reference_parse(text.data, ret_reference, err);
}
