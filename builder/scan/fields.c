/* SPDX-License-Identifier: Apache-2.0 */
/* What the fields of one map say together: an image, a variable, an image in parts. */
#include "finder.h"

#include <stdlib.h>
#include <string.h>

/* The fields of a map, by key. */
struct parts {
    const struct field *image, *repository, *tag, *digest, *registry, *name, *value, *new_name,
        *new_tag, *reference, *base_image, *version, *sha, *kind, *image_repository, *image_tag;
    struct finder *finder;
};

static void collect(struct finder *finder, const struct frame *frame, struct parts *parts)
{
    const struct field **const places[] = {
        [KEY_IMAGE] = &parts->image,
        [KEY_REPOSITORY] = &parts->repository,
        [KEY_TAG] = &parts->tag,
        [KEY_DIGEST] = &parts->digest,
        [KEY_REGISTRY] = &parts->registry,
        [KEY_NAME] = &parts->name,
        [KEY_VALUE] = &parts->value,
        [KEY_NEW_NAME] = &parts->new_name,
        [KEY_NEW_TAG] = &parts->new_tag,
        [KEY_REFERENCE] = &parts->reference,
        [KEY_BASE_IMAGE] = &parts->base_image,
        [KEY_VERSION] = &parts->version,
        [KEY_SHA] = &parts->sha,
        [KEY_KIND] = &parts->kind,
        [KEY_IMAGE_REPOSITORY] = &parts->image_repository,
        [KEY_IMAGE_TAG] = &parts->image_tag,
    };

    *parts = (struct parts){.finder = finder};
    for (size_t i = frame->fields; i < finder->field_count; i++) {
        const struct field *field = &finder->fields[i];
        const struct field **place =
            (size_t)field->key < CF_COUNT(places) ? places[field->key] : NULL;
        if (place && (!*place || !field->merged))
            *place = field;
    }
}

static const char *text_of(const struct parts *parts, const struct field *field)
{
    return field ? parts->finder->text.data + field->value : "";
}

/* A plain scalar that means a number, a bool or nothing is no text. */
static bool is_text(const struct parts *parts, const struct field *field)
{
    static const char *const words[] = {"true", "false", "null", "~",   "yes", "no",
                                        "on",   "off",   "True", "Yes", "No",  "False"};
    const char *text = text_of(parts, field);
    char *rest = NULL;

    if (!field || !field->plain)
        return field != NULL;
    for (size_t i = 0; i < CF_COUNT(words); i++)
        if (!strcmp(text, words[i]))
            return false;
    (void)strtod(text, &rest);
    return *rest != '\0';
}

/* Adds what one scalar says, or warns that it cannot be read. */
static int add_image(struct finder *finder, enum class class, enum cf_scan_kind kind,
                     const char *text, size_t line)
{
    struct judged judged;
    size_t len = strlen(text);

    cf_scan_judge(text, len, &judged);
    if (judged.parsed)
        return cf_finder_add(finder, class, kind, text, len, line, false);
    bool looks = class == CLASS_CONTAINER || judged.placeholder ||
                 ((strchr(text, '/') || strchr(text, ':')) && !strpbrk(text, " \t\n"));
    return looks ? cf_finder_add(finder, class, kind, text, len, line, true) : 0;
}

/* "registry/repository:tag@digest" of what there is. */
static int join(const struct parts *parts, const struct field *repository, const struct field *tag,
                const char *digest, struct cf_buf *ret_text)
{
    const char *name = text_of(parts, repository);
    const char *registry = text_of(parts, parts->registry);
    const char *slash = strchr(name, '/');
    size_t first = slash ? (size_t)(slash - name) : 0;
    bool has_domain = memchr(name, '.', first) || memchr(name, ':', first);
    int r = 0;

    if (*registry && !has_domain)
        r = cf_buf_printf(ret_text, "%s%s", registry,
                          registry[strlen(registry) - 1] == '/' ? "" : "/");
    if (r == 0)
        r = cf_buf_add_str(ret_text, name);
    if (r == 0 && tag)
        r = cf_buf_printf(ret_text, "%s%s", *text_of(parts, tag) == '@' ? "" : ":",
                          text_of(parts, tag));
    if (r == 0 && *digest)
        r = cf_buf_printf(ret_text, "@%s%s", strchr(digest, ':') ? "" : "sha256:", digest);
    return r;
}

static int add_joined(struct finder *finder, const struct parts *parts,
                      const struct field *repository, const struct field *tag, const char *digest)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct judged judged;

    cf_scan_judge(text_of(parts, repository), repository->len, &judged);
    bool whole = judged.parsed && (judged.tag || judged.digest);
    int r =
        join(parts, repository, whole ? NULL : tag, whole && judged.digest ? "" : digest, &text);
    if (r < 0)
        return r;
    return add_image(finder, CLASS_CUSTOM, CF_SCAN_IMAGE, text.data, repository->line);
}

/* The image of a map that has it in parts; 0 if it has none. Returns 1 if it was one. */
static int in_parts(struct finder *finder, const struct frame *frame, const struct parts *parts)
{
    bool below_image = frame->role == ROLE_IMAGE_MAP;
    const struct field *repository = parts->repository;
    const char *digest = text_of(parts, parts->digest);
    int r = 0;

    if (parts->image_repository && parts->image_tag) {
        r = add_joined(finder, parts, parts->image_repository, parts->image_tag, "");
    } else if (parts->base_image) {
        const struct field *tag = parts->sha ? NULL : parts->tag ? parts->tag : parts->version;
        r = add_joined(finder, parts, parts->base_image, tag, text_of(parts, parts->sha));
    } else if (parts->new_name || parts->new_tag) {
        const struct field *name = parts->new_name ? parts->new_name : parts->name;
        if (!name)
            return 0;
        r = add_joined(finder, parts, name, parts->new_tag, digest);
    } else if (below_image && repository && is_text(parts, repository)) {
        r = add_joined(finder, parts, repository, parts->tag, digest);
    } else if (below_image && (parts->image || parts->name) && (parts->tag || *digest)) {
        r = add_joined(finder, parts, parts->image ? parts->image : parts->name, parts->tag,
                       digest);
    } else if (frame->role == ROLE_IMAGES && parts->name && *digest) {
        r = add_joined(finder, parts, parts->name, NULL, digest);
    } else {
        return 0;
    }
    return r < 0 ? r : 1;
}

static int whole_image(struct finder *finder, const struct frame *frame, const struct parts *parts)
{
    const char *text = text_of(parts, parts->image);
    struct judged judged;

    if (!parts->image || !is_text(parts, parts->image))
        return 0;
    if (frame->role == ROLE_CONTAINER)
        return add_image(finder, CLASS_CONTAINER, CF_SCAN_IMAGE, text, parts->image->line);
    cf_scan_judge(text, parts->image->len, &judged);
    bool bare = judged.parsed && !judged.tag && !judged.digest;
    if (bare && parts->tag)
        return add_joined(finder, parts, parts->image, parts->tag, text_of(parts, parts->digest));
    if (bare && !judged.domain && parts->registry)
        return add_joined(finder, parts, parts->image, NULL, text_of(parts, parts->digest));
    return add_image(finder, CLASS_CUSTOM, CF_SCAN_IMAGE, text, parts->image->line);
}

int cf_finder_fields(struct finder *finder, const struct frame *frame)
{
    struct parts parts;

    if (finder->field_count == frame->fields)
        return 0;
    collect(finder, frame, &parts);
    int r = in_parts(finder, frame, &parts);
    if (r == 0)
        r = whole_image(finder, frame, &parts);
    if (r < 0)
        return r;
    if (parts.reference && frame->role == ROLE_IMAGE_MAP)
        r = add_image(finder, CLASS_CONTAINER, CF_SCAN_IMAGE, text_of(&parts, parts.reference),
                      parts.reference->line);
    if (r >= 0 && parts.name && parts.kind && !strcmp(text_of(&parts, parts.kind), "DockerImage"))
        r = add_image(finder, CLASS_CONTAINER, CF_SCAN_IMAGE, text_of(&parts, parts.name),
                      parts.name->line);
    if (r >= 0 && parts.name && parts.value)
        r = cf_finder_setting(finder, text_of(&parts, parts.name), parts.name->len,
                              text_of(&parts, parts.value), parts.value->len, parts.value->line);
    return r < 0 ? r : 0;
}
