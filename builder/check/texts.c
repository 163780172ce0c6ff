/* SPDX-License-Identifier: Apache-2.0 */
/* JSON and YAML: whether they parse, and where they do not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/json.h>
#include <cloudfs/yaml.h>

#include "internal.h"

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

static size_t skip_space(const char *text, size_t len, size_t at)
{
    while (at < len && text[at] && strchr(" \t\r\n", text[at]))
        at++;
    return at;
}

/* The comma before a closing bracket that the place lies at or behind; len: there is none. */
static size_t extra_comma(const char *text, size_t len, size_t at)
{
    size_t last = at < len ? at : len - 1;

    while (last > 0 && text[last] && strchr(" \t\r\n}]", text[last]))
        last--;
    size_t next = skip_space(text, len, last + 1);
    return text[last] == ',' && next < len && (text[next] == '}' || text[next] == ']') ? last : len;
}

/* What people write that JSON has not. *at moves to it. */
static const char *json_habit(const char *text, size_t len, size_t *at)
{
    size_t comma = extra_comma(text, len, *at), next = skip_space(text, len, *at);

    if (comma < len) {
        *at = comma;
        return "take the comma away: there is none behind the last item";
    }
    if (next >= len)
        return NULL;
    *at = next;
    if (text[next] == '#' || (text[next] == '/' && next + 1 < len && strchr("/*", text[next + 1])))
        return "take the comment away: JSON has none";
    if (text[next] == '\'')
        return "write strings in double quotes";
    return text[next] == '"' ? "a comma may be missing before it" : NULL;
}

/* Text that a template engine makes something else of. */
static bool is_template(const struct cf_buf *text)
{
    return text->len && memmem(text->data, text->len, "{{", 2) != NULL;
}

/* One document a line, as logs have them. */
static bool is_lines(const char *text, size_t len)
{
    const char *end = memchr(text, '\n', len);
    size_t at = 0;

    return end && (size_t)(end - text) + 1 < len &&
           cf_json_check(text, (size_t)(end - text), &at, NULL) == 0;
}

void cf_check_json(struct checking *checking, const struct cf_buf *text, enum cf_severity severity)
{
    size_t at = 0, skip = text->len >= 3 && !memcmp(text->data, "\xef\xbb\xbf", 3) ? 3 : 0;
    int r = text->len ? cf_json_check(text->data + skip, text->len - skip, &at, NULL) : -EINVAL;

    if (r == 0 || (r == -EINVAL && is_template(text)) ||
        (severity == CF_WARNING && text->len && is_lines(text->data, text->len)))
        return;
    if (r == -ENOMEM) {
        checking->failed = cf_fail(checking->err, r, "out of memory");
        return;
    }
    at += skip;
    const char *mend = text->len ? json_habit(text->data, text->len, &at) : "write {}";
    cf_check_found(checking, severity, CF_CHECK_JSON, text->len ? line_of(text->data, at) : 0, mend,
                   text->len ? "this is no JSON" : "it is empty, which is no JSON");
}

/* "line 3, column 4: what", without the place. */
static const char *without_place(const char *text)
{
    const char *colon = !strncmp(text, "line ", 5) ? strstr(text, ": ") : NULL;
    return colon ? colon + 2 : text;
}

void cf_check_yaml(struct checking *checking, const struct cf_buf *text, enum cf_severity severity)
{
    const struct cf_yaml_options options = {.data = text->data ? text->data : "", .len = text->len};
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct cf_yaml_event event;
    struct cf_error why = {0};
    int r = cf_yaml_open(&options, &yaml, &why);

    while (r == 0 && (r = cf_yaml_next(yaml, &event, &why)) == 1)
        r = 0;
    if (r == 0 || (r == -EINVAL && is_template(text)))
        return;
    if (r == -ENOMEM) {
        checking->failed = cf_fail(checking->err, r, "out of memory");
        return;
    }
    size_t line = cf_yaml_where(yaml).line;
    cf_check_found(checking, severity, CF_CHECK_YAML, line ? line : 1, NULL, "this is no YAML: %s",
                   without_place(why.text));
}

struct cf_edit *cf_check_open(struct checking *checking, const struct cf_buf *text, bool as_json)
{
    struct cf_edit *edit = NULL;
    size_t before = checking->result->count;

    if (is_template(text))
        return NULL;
    if (as_json)
        cf_check_json(checking, text, CF_ERROR);
    else
        cf_check_yaml(checking, text, CF_ERROR);
    if (checking->failed || checking->result->count > before)
        return NULL;
    int r =
        cf_edit_open_value(checking->path, text->data ? text->data : "", text->len, &edit, NULL);
    if (r == -ENOMEM)
        checking->failed = cf_fail(checking->err, r, "out of memory");
    for (size_t i = 0; r == 0 && i < cf_edit_count(edit); i++)
        cf_check_duplicates(checking, cf_edit_document(edit, i));
    return edit;
}

void cf_check_duplicates(struct checking *checking, const struct cf_edit_node *node)
{
    for (const struct cf_edit_node *n = node->first; n; n = n->next) {
        if (n->key && n->key->kind == CF_EDIT_SCALAR && cf_edit_child(node, n->key->value) != n)
            cf_check_found(checking, CF_ERROR, CF_CHECK_DUPLICATE, n->key->line,
                           "leave one of them", "the key \"%s\" is there twice", n->key->value);
        cf_check_duplicates(checking, n);
    }
}
