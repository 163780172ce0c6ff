/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a text, looking into it, and single changes of settings. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/json.h>
#include <cloudfs/log.h>

#include "nodes.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

int cf_edit_fail(const struct cf_edit *edit, size_t line, struct cf_error *err, int code,
                 const char *format, ...)
{
    char text[CF_ERROR_TEXT_SIZE];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    return cf_fail(err, code, "%s:%zu: %s", edit->name, line, text);
}

/* ---- opening ---- */

bool cf_edit_is_name(const char *path)
{
    static const char *const ends[] = {".yml", ".yaml", ".json", "Clusterfile", "Metadata"};
    size_t len = strlen(path);

    for (size_t i = 0; i < CF_COUNT(ends); i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && !strcmp(path + len - end, ends[i]))
            return true;
    }
    return false;
}

static bool ends_in_json(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && !strcmp(name + len - 5, ".json");
}

/* JSON by its name, or by what it is. */
static int judge_form(struct cf_edit *edit, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_error why = {0};
    const struct cf_buf *text = &edit->text;
    bool named = ends_in_json(edit->name);
    size_t at = text->len >= 3 && !memcmp(text->data, "\xef\xbb\xbf", 3) ? 3 : 0;

    while (at < text->len && strchr(" \t\r\n", text->data[at]) && text->data[at])
        at++;
    if (at == text->len) { /* nothing yet */
        edit->json = named;
        return 0;
    }
    if (!named && text->data[at] != '{' && text->data[at] != '[')
        return 0;
    int r = cf_json_parse(text->data + at, text->len - at, &json, &why);
    edit->json = r == 0;
    if (!named || r == 0 || r == -ENOMEM)
        return r == -ENOMEM ? no_memory(err) : 0;
    return cf_fail(err, r, "%s: %s", edit->name, why.text);
}

static int open_edit(const char *name, const void *data, size_t len, bool follow,
                     struct cf_edit **ret_edit, struct cf_error *err)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = calloc(1, sizeof(*edit));

    if (len > CF_EDIT_MAX)
        return cf_fail(err, -EFBIG, "%s: larger than %u bytes", name, CF_EDIT_MAX);
    if (!edit || !(edit->name = strdup(name)) || cf_buf_reserve(&edit->text, len + 1) < 0 ||
        cf_buf_add(&edit->text, data, len) < 0)
        return no_memory(err);
    int r = cf_nodes_parse(name, &edit->text, follow, &edit->nodes, err);
    if (r == 0)
        r = judge_form(edit, err);
    if (r < 0)
        return r;
    *ret_edit = CF_TAKE(edit);
    return 0;
}

int cf_edit_open(const char *name, const void *data, size_t len, struct cf_edit **ret_edit,
                 struct cf_error *err)
{
    return open_edit(name, data, len, false, ret_edit, err);
}

int cf_edit_open_value(const char *name, const void *data, size_t len, struct cf_edit **ret_edit,
                       struct cf_error *err)
{
    return open_edit(name, data, len, true, ret_edit, err);
}

int cf_edit_open_argument(const char *text, bool string, struct cf_edit **ret_edit,
                          struct cf_error *err)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    bool quoted = string || !*text;

    if (!quoted && strchr("{[\"'!", *text)) {
        int r = open_edit("the value", text, strlen(text), true, ret_edit, err);
        if (r == 0 && (*ret_edit)->nodes.count != 1) {
            cf_edit_close(*ret_edit);
            r = cf_fail(err, -EINVAL, "the value %s is not one value", CF_QUOTE(text));
        }
        return r;
    }
    edit = calloc(1, sizeof(*edit));
    struct cf_edit_node **list = calloc(1, sizeof(struct cf_edit_node *));
    if (!edit || !list || !(edit->name = strdup("the value"))) {
        free(list);
        return no_memory(err);
    }
    edit->nodes.documents = list;
    edit->nodes.count = 1;
    list[0] =
        cf_nodes_scalar(&edit->nodes, text, strlen(text), quoted ? CF_YAML_SINGLE : CF_YAML_PLAIN);
    if (!list[0])
        return no_memory(err);
    if (list[0]->type == CF_YAML_BOOL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        list[0]->type = CF_YAML_STRING;
    *ret_edit = CF_TAKE(edit);
    return 0;
}

void cf_edit_close(struct cf_edit *edit)
{
    if (!edit)
        return;
    cf_nodes_done(&edit->nodes);
    cf_buf_done(&edit->text);
    free(edit->name);
    free(edit);
}

/* ---- looking ---- */

const char *cf_edit_name(const struct cf_edit *edit)
{
    return edit->name;
}

const char *cf_edit_text(const struct cf_edit *edit, size_t *ret_len)
{
    if (ret_len)
        *ret_len = edit->text.len;
    return edit->text.data ? edit->text.data : "";
}

bool cf_edit_is_json(const struct cf_edit *edit)
{
    return edit->json;
}

size_t cf_edit_count(const struct cf_edit *edit)
{
    return edit->nodes.count;
}

const struct cf_edit_node *cf_edit_document(const struct cf_edit *edit, size_t index)
{
    return index < edit->nodes.count ? edit->nodes.documents[index] : NULL;
}

const struct cf_edit_node *cf_edit_child(const struct cf_edit_node *map, const char *key)
{
    if (!map || map->kind != CF_EDIT_MAP)
        return NULL;
    for (const struct cf_edit_node *n = map->first; n; n = n->next)
        if (n->key && n->key->kind == CF_EDIT_SCALAR && !strcmp(n->key->value, key))
            return n;
    return NULL;
}

const char *cf_edit_child_text(const struct cf_edit_node *map, const char *key)
{
    const struct cf_edit_node *child = cf_edit_child(map, key);
    return child && child->kind == CF_EDIT_SCALAR ? child->value : NULL;
}

/* The last node before the offset that has the anchor. */
static const struct cf_edit_node *find_anchor(const struct cf_edit_node *node, const char *anchor,
                                              size_t before)
{
    const struct cf_edit_node *found =
        node->anchor && node->start < before && !strcmp(node->anchor, anchor) ? node : NULL;

    for (const struct cf_edit_node *n = node->first; n; n = n->next) {
        const struct cf_edit_node *in_key = n->key ? find_anchor(n->key, anchor, before) : NULL;
        const struct cf_edit_node *inside = find_anchor(n, anchor, before);
        found = inside ? inside : in_key ? in_key : found;
    }
    return found;
}

const struct cf_edit_node *cf_edit_follow(const struct cf_edit *edit,
                                          const struct cf_edit_node *node)
{
    const struct cf_edit_node *root = node;

    (void)edit;
    for (int i = 0; node && node->kind == CF_EDIT_ALIAS && i < 100; i++) {
        while (root->parent)
            root = root->parent;
        node = find_anchor(root, node->value, node->start);
    }
    return node;
}

bool cf_edit_equal(const struct cf_edit_node *a, const struct cf_edit_node *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    if (a->kind == CF_EDIT_SCALAR)
        return cf_scalar_equal(a, b);
    if (a->kind == CF_EDIT_ALIAS)
        return !strcmp(a->value, b->value);
    const struct cf_edit_node *y = b->first;
    for (const struct cf_edit_node *x = a->first; x; x = x->next, y = y->next) {
        const struct cf_edit_node *other = y;
        if (x->key && !cf_nodes_same(x->key, y->key)) {
            ptrdiff_t index = cf_child_index(b, x->key);
            for (other = b->first; index > 0; index--)
                other = other->next;
            if (index < 0)
                return false;
        }
        if (!cf_edit_equal(x, other))
            return false;
    }
    return true;
}

int cf_edit_find(const struct cf_edit *edit, const char *path, const struct cf_edit_node **ret_node,
                 struct cf_error *err)
{
    struct path parsed cf_cleanup(cf_path_done) = {0};
    struct cf_edit_node *node = NULL;
    size_t first = 0;
    int r = cf_path_parse(path, &parsed, err);

    if (r == 0)
        r = cf_path_walk(edit, &parsed, 0, &node, &first, err);
    if (r == 0 && !node)
        r = cf_fail(err, -ENOENT, "%s is empty", edit->name);
    if (r == 0)
        *ret_node = node;
    return r;
}

static int put_step(const struct cf_edit_node *node, struct cf_buf *out)
{
    const struct cf_edit_node *key = node->key;
    size_t index = 0;
    int r = 0;

    if (!key) {
        const char *name = cf_edit_child_text(node, "name");
        for (const struct cf_edit_node *n = node->parent->first; n != node; n = n->next)
            index++;
        for (const struct cf_edit_node *n = node->parent->first; n && name; n = n->next) {
            const char *other = cf_edit_child_text(n, "name");
            if (n != node && other && !strcmp(other, name))
                name = NULL; /* it does not tell them apart */
        }
        return name && !strpbrk(name, "]\"'\\") ? cf_buf_printf(out, "[name=%s]", name)
                                                : cf_buf_printf(out, "[%zu]", index);
    }
    if (out->len)
        r = cf_buf_add_char(out, '.');
    if (r < 0 || key->kind != CF_EDIT_SCALAR)
        return r < 0 ? r : cf_buf_add_char(out, '?');
    if (key->len && !strpbrk(key->value, ".[]\"'\\= "))
        return cf_buf_add(out, key->value, key->len);
    r = cf_buf_add_char(out, '"');
    for (const char *at = key->value; *at && r == 0; at++) {
        if (*at == '"' || *at == '\\')
            r = cf_buf_add_char(out, '\\');
        if (r == 0)
            r = cf_buf_add_char(out, *at);
    }
    return r < 0 ? r : cf_buf_add_char(out, '"');
}

/* The kind that tells a document among several, and the index of it where that is not enough. */
static int put_document(const struct cf_edit *edit, const struct cf_edit_node *document,
                        struct cf_buf *out)
{
    const char *kind = cf_edit_child_text(document, "kind");
    size_t before = 0, all = 0;

    if (!kind || edit->nodes.count < 2)
        return 0;
    for (size_t i = 0; i < edit->nodes.count; i++) {
        const char *other = cf_edit_child_text(edit->nodes.documents[i], "kind");
        if (edit->nodes.documents[i] == document)
            before = all;
        all += other && !strcmp(other, kind);
    }
    return all > 1 ? cf_buf_printf(out, "%s[%zu]", kind, before) : cf_buf_add_str(out, kind);
}

static int put_steps(const struct cf_edit *edit, const struct cf_edit_node *node,
                     struct cf_buf *out)
{
    if (!node->parent)
        return put_document(edit, node, out);
    int r = put_steps(edit, node->parent, out);
    return r < 0 ? r : put_step(node, out);
}

int cf_edit_path(const struct cf_edit *edit, const struct cf_edit_node *node,
                 struct cf_buf *ret_path)
{
    size_t before = ret_path->len;
    int r = put_steps(edit, node, ret_path);
    return r == 0 && ret_path->len == before ? cf_buf_add_char(ret_path, '.') : r;
}

int cf_edit_put_value(const struct cf_edit_node *node, bool json, struct cf_buf *ret_buf)
{
    struct form form = {.eol = "\n", .json = json, .flow = true, .style = CF_YAML_PLAIN};

    if (node->kind == CF_EDIT_ALIAS)
        return cf_buf_printf(ret_buf, "*%s", node->value);
    return cf_write_flow(ret_buf, node, &form);
}
