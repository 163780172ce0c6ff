/* SPDX-License-Identifier: Apache-2.0 */
#include "finder.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

void *cf_finder_grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    size_t more = *room ? *room * 2 : 64;
    void *grown = realloc(array, more * size);
    if (grown)
        *room = more;
    return grown;
}

int cf_finder_new(const struct finder_options *options, struct finder **ret_finder)
{
    struct finder *finder = calloc(1, sizeof(*finder));

    if (!finder)
        return -ENOMEM;
    finder->options = *options;
    *ret_finder = finder;
    return 0;
}

void cf_finder_free(struct finder *finder)
{
    if (!finder)
        return;
    free(finder->frames);
    free(finder->fields);
    free(finder->candidates);
    cf_buf_done(&finder->text);
    cf_buf_done(&finder->found);
    free(finder);
}

/* Keeps a text, with a NUL behind it: the offset. */
static int keep(struct cf_buf *buf, const char *text, size_t len, size_t *ret_place)
{
    *ret_place = buf->len;
    int r = cf_buf_add(buf, text, len);
    return r < 0 ? r : cf_buf_add_char(buf, '\0');
}

int cf_finder_add(struct finder *finder, enum class class, enum cf_scan_kind kind, const char *text,
                  size_t len, size_t line, bool warning)
{
    struct candidate candidate = {
        .class = class, .kind = kind, .len = len, .line = line, .warning = warning};

    void *grown = cf_finder_grow(finder->candidates, finder->candidate_count,
                                 &finder->candidate_room, sizeof(candidate));
    if (!grown)
        return -ENOMEM;
    finder->candidates = grown;
    int r = keep(&finder->found, text, len, &candidate.value);
    if (r < 0)
        return r;
    finder->candidates[finder->candidate_count++] = candidate;
    return 0;
}

static int add_field(struct finder *finder, enum key key, const struct cf_yaml_event *event)
{
    struct field field = {.key = key,
                          .len = event->len,
                          .line = event->start.line,
                          .plain = event->style == CF_YAML_PLAIN && !event->tag};

    if (event->len > FIELD_MAX || event->len == 0)
        return 0;
    void *grown =
        cf_finder_grow(finder->fields, finder->field_count, &finder->field_room, sizeof(field));
    if (!grown)
        return -ENOMEM;
    finder->fields = grown;
    int r = keep(&finder->text, event->value, event->len, &field.value);
    if (r < 0)
        return r;
    finder->fields[finder->field_count++] = field;
    return 0;
}

/* Whether text inside a manifest may refer to images. */
static bool is_worth(const struct cf_yaml_event *event)
{
    if (event->len < 8 || !(memchr(event->value, '\n', event->len) || event->value[0] == '{'))
        return false;
    return memmem(event->value, event->len, "mage", 4) != NULL;
}

static int add_text(struct finder *finder, enum class class, const struct cf_yaml_event *event)
{
    bool literal = event->style == CF_YAML_LITERAL;

    if (!is_worth(event))
        return 0;
    int r = cf_finder_add(finder, class, CF_SCAN_EMBEDDED, event->value, event->len,
                          event->start.line + literal, false);
    if (r == 0)
        finder->candidates[finder->candidate_count - 1].fixed_line = !literal;
    return r;
}

/* A reference that says enough by itself, at a key that may name an image. */
static int add_if_full(struct finder *finder, enum class class, enum cf_scan_kind kind,
                       const struct frame *frame, const struct cf_yaml_event *event)
{
    struct judged judged;

    if (event->len < 3 || !memchr(event->value, ':', event->len))
        return 0;
    cf_scan_judge(event->value, event->len, &judged);
    bool full = judged.parsed && !judged.port &&
                (judged.strong || (frame->suffix && (judged.tag || judged.digest)));
    if (!full)
        return 0;
    return cf_finder_add(finder, class, kind, event->value, event->len, event->start.line, false);
}

static int data_value(struct finder *finder, const struct frame *frame,
                      const struct cf_yaml_event *event)
{
    struct judged judged;

    if (is_worth(event))
        return add_text(finder, CLASS_DATA, event);
    if (event->len < 3 || event->len > FIELD_MAX || !memchr(event->value, ':', event->len))
        return 0;
    cf_scan_judge(event->value, event->len, &judged);
    bool full = frame->imageish ? judged.tag || judged.digest : judged.strong && judged.domain;
    if (!judged.parsed || judged.port || !full)
        return 0;
    return cf_finder_add(finder, CLASS_ANY, CF_SCAN_EMBEDDED, event->value, event->len,
                         event->start.line, false);
}

static int other_value(struct finder *finder, const struct frame *frame,
                       const struct cf_yaml_event *event)
{
    static const char scheme[] = "docker://";
    size_t skip = sizeof(scheme) - 1;
    struct judged judged;

    if (frame->imageish)
        return add_if_full(finder, CLASS_CUSTOM, CF_SCAN_IMAGE, frame, event);
    if (event->len > skip && !memcmp(event->value, scheme, skip)) {
        cf_scan_judge(event->value + skip, event->len - skip, &judged);
        return judged.parsed
                   ? cf_finder_add(finder, CLASS_CUSTOM, CF_SCAN_EMBEDDED, event->value + skip,
                                   event->len - skip, event->start.line, false)
                   : 0;
    }
    if (event->style == CF_YAML_LITERAL && memmem(event->value, event->len, "apiVersion", 10))
        return add_text(finder, CLASS_OBJECTS, event);
    return 0;
}

/* The variable or argument that the key and value of a map are. */
static int env_value(struct finder *finder, const struct frame *frame,
                     const struct cf_yaml_event *event)
{
    char name[FIELD_MAX + 1] = "";

    if (frame->imageish) /* cf_finder_setting needs only the name's end, and that it names images */
        snprintf(name, sizeof(name), "%s", finder->text.data + frame->key_text);
    return cf_finder_setting(finder, name, strlen(name), event->value, event->len,
                             event->start.line);
}

static int map_value(struct finder *finder, struct frame *frame, const struct cf_yaml_event *event)
{
    if (frame->role == ROLE_DATA)
        return data_value(finder, frame, event);
    if (frame->role == ROLE_ENV && frame->key != KEY_NAME && frame->key != KEY_VALUE)
        return env_value(finder, frame, event);
    if (frame->role == ROLE_ANNOTATIONS)
        return frame->imageish ? add_if_full(finder, CLASS_ANY, CF_SCAN_EMBEDDED, frame, event) : 0;
    switch (frame->key) {
    case KEY_OTHER:
    case KEY_IMAGES:
    case KEY_DATA:
        return other_value(finder, frame, event);
    case KEY_SKIP:
    case KEY_CONTAINERS:
    case KEY_METADATA:
    case KEY_ANNOTATIONS:
    case KEY_MERGE:
    case KEY_ENV:
        return 0;
    case KEY_ARGS:
        return cf_finder_argument(finder, frame, event);
    case KEY_TEXT:
        return add_text(finder, CLASS_TEXT, event);
    default:
        return add_field(finder, frame->key, event);
    }
}

static int list_value(struct finder *finder, struct frame *frame, const struct cf_yaml_event *event)
{
    struct judged judged;

    if (frame->role == ROLE_ARGS)
        return cf_finder_argument(finder, frame, event);
    if (frame->role != ROLE_IMAGES || event->len > FIELD_MAX)
        return 0;
    const char *equals = memrchr(event->value, '=', event->len); /* kustomize: "name=new" */
    size_t skip = equals ? (size_t)(equals - event->value) + 1 : 0;
    cf_scan_judge(event->value + skip, event->len - skip, &judged);
    if (!judged.parsed || judged.port || !(judged.tag || judged.digest))
        return 0;
    return cf_finder_add(finder, CLASS_CUSTOM, CF_SCAN_IMAGE, event->value + skip,
                         event->len - skip, event->start.line, false);
}

/* What a collection is that begins here. */
static enum role role_of(const struct frame *parent, bool is_map)
{
    if (!parent)
        return ROLE_PLAIN;
    if (parent->role == ROLE_SKIP)
        return ROLE_SKIP;
    if (parent->role == ROLE_MERGE) /* what lies deeper was seen where its anchor is */
        return parent->is_map ? ROLE_SKIP : ROLE_MERGE;
    if (!parent->is_map) {
        if (parent->role == ROLE_CONTAINERS)
            return is_map ? ROLE_CONTAINER : ROLE_PLAIN;
        return parent->role == ROLE_ARGS || parent->role == ROLE_IMAGE_MAP ||
                       parent->role == ROLE_IMAGES
                   ? parent->role
                   : ROLE_PLAIN;
    }
    switch (parent->key) {
    case KEY_SKIP:
        return ROLE_SKIP;
    case KEY_CONTAINERS:
        return is_map ? ROLE_PLAIN : ROLE_CONTAINERS;
    case KEY_ARGS:
        return ROLE_ARGS;
    case KEY_ENV:
        return is_map ? ROLE_ENV : ROLE_PLAIN;
    case KEY_METADATA:
        return ROLE_METADATA;
    case KEY_ANNOTATIONS:
        return parent->role == ROLE_METADATA ? ROLE_ANNOTATIONS : ROLE_PLAIN;
    case KEY_DATA:
        return is_map ? ROLE_DATA : ROLE_PLAIN;
    case KEY_MERGE:
        return ROLE_MERGE;
    default:
        if (parent->imageish)
            return is_map ? ROLE_IMAGE_MAP : ROLE_IMAGES;
        return parent->role == ROLE_IMAGE_MAP ? ROLE_IMAGE_MAP : ROLE_PLAIN;
    }
}

static int begin(struct finder *finder, bool is_map)
{
    struct frame *parent = finder->depth ? &finder->frames[finder->depth - 1] : NULL;
    enum role role = role_of(parent, is_map);

    void *grown =
        cf_finder_grow(finder->frames, finder->depth, &finder->room, sizeof(*finder->frames));
    if (!grown)
        return -ENOMEM;
    finder->frames = grown;
    finder->frames[finder->depth++] = (struct frame){.is_map = is_map,
                                                     .role = role,
                                                     .fields = finder->field_count,
                                                     .candidates = finder->candidate_count,
                                                     .text = finder->text.len};
    return 0;
}

/* The value of a key is over. */
static void next_key(struct finder *finder)
{
    if (finder->depth > 0)
        finder->frames[finder->depth - 1].at_value = false;
}

static const char *field_text(const struct finder *finder, const struct frame *frame, enum key key)
{
    for (size_t i = frame->fields; i < finder->field_count; i++)
        if (finder->fields[i].key == key)
            return finder->text.data + finder->fields[i].value;
    return NULL;
}

static int end(struct finder *finder)
{
    struct frame frame = finder->frames[finder->depth - 1];
    int r = 0;

    if (frame.role == ROLE_MERGE) { /* its fields are those of the map around it */
        for (size_t i = frame.fields; i < finder->field_count; i++)
            finder->fields[i].merged = true;
        finder->depth--;
        next_key(finder);
        return 0;
    }
    if (frame.is_map && frame.role != ROLE_SKIP) {
        r = cf_finder_fields(finder, &frame);
        const char *kind = field_text(finder, &frame, KEY_KIND);
        const char *version = kind ? field_text(finder, &frame, KEY_API_VERSION) : NULL;
        if (r == 0 && version && finder->candidate_count > frame.candidates) {
            r = cf_finder_decide(finder, frame.candidates, kind, version);
            finder->found.len = finder->candidates[frame.candidates].value; /* they are done with */
            finder->candidate_count = frame.candidates;
        }
    }
    finder->field_count = frame.fields;
    finder->text.len = frame.text;
    finder->depth--;
    next_key(finder);
    return r;
}

static int take_key(struct finder *finder, struct frame *frame, const struct cf_yaml_event *event)
{
    frame->at_value = true;
    frame->key = cf_scan_key(event->value, event->len, &frame->imageish, &frame->suffix);
    if (!frame->imageish || frame->role != ROLE_ENV)
        return 0;
    return keep(&finder->text, event->value, event->len, &frame->key_text);
}

static int take_scalar(struct finder *finder, const struct cf_yaml_event *event)
{
    struct frame *frame = finder->depth ? &finder->frames[finder->depth - 1] : NULL;

    if (!frame)
        return 0;
    if (frame->is_map && !frame->at_value)
        return frame->role == ROLE_SKIP ? (frame->at_value = true, 0)
                                        : take_key(finder, frame, event);
    int r = frame->role == ROLE_SKIP ? 0
            : frame->is_map          ? map_value(finder, frame, event)
                                     : list_value(finder, frame, event);
    frame->at_value = false;
    return r;
}

/* A collection as a key: nobody's image. */
static void take_odd_key(struct finder *finder)
{
    struct frame *frame = finder->depth ? &finder->frames[finder->depth - 1] : NULL;

    if (frame && frame->is_map && !frame->at_value) {
        frame->key = KEY_SKIP;
        frame->imageish = frame->suffix = false;
    }
}

int cf_finder_event(struct finder *finder, const struct cf_yaml_event *event)
{
    bool was_key = false;
    int r;

    switch (event->kind) {
    case CF_YAML_SCALAR:
        return take_scalar(finder, event);
    case CF_YAML_MAP:
    case CF_YAML_SEQUENCE:
        take_odd_key(finder);
        return begin(finder, event->kind == CF_YAML_MAP);
    case CF_YAML_MAP_END:
    case CF_YAML_SEQUENCE_END:
        was_key = finder->depth > 1 && finder->frames[finder->depth - 2].is_map &&
                  !finder->frames[finder->depth - 2].at_value;
        r = end(finder);
        if (was_key)
            finder->frames[finder->depth - 1].at_value = true;
        return r;
    default:
        return 0;
    }
}

int cf_finder_end(struct finder *finder)
{
    int r = 0;

    while (r == 0 && finder->depth > 0)
        r = end(finder);
    if (r == 0 && finder->candidate_count > 0)
        r = cf_finder_decide(finder, 0, NULL, NULL);
    finder->depth = finder->field_count = finder->candidate_count = 0;
    cf_buf_clear(&finder->text);
    cf_buf_clear(&finder->found);
    return r;
}
