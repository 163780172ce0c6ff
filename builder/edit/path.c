/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: from text to steps, and from steps to nodes. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>

#include "nodes.h"

/* ---- reading a path ---- */

void cf_path_done(struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        free(path->list[i].key);
        free(path->list[i].value);
    }
    free(path->list);
    *path = (struct path){0};
}

static int add_step(struct path *path, struct step *step)
{
    struct step *list = reallocarray(path->list, path->count + 1, sizeof(*list));

    if (!list) {
        free(step->key);
        free(step->value);
        return -ENOMEM;
    }
    path->list = list;
    list[path->count++] = *step;
    return 0;
}

/* A part in quotes, or up to one of the bytes of stop; *text moves behind it. */
static int read_word(const char **text, const char *stop, char **ret_word)
{
    struct cf_buf word cf_autobuf = CF_BUF_INIT;
    const char *at = *text;
    char quote = *at == '"' || *at == '\'' ? *at++ : 0;
    int r = 0;

    while (*at && r == 0 && (quote ? *at != quote : !strchr(stop, *at))) {
        if (*at == '\\' && at[1] && quote != '\'')
            at++;
        r = cf_buf_add_char(&word, *at++);
    }
    if (r == 0 && quote && *at++ != quote)
        return -EINVAL;
    if (r == 0)
        r = cf_buf_reserve(&word, 1);
    if (r < 0)
        return r;
    word.data[word.len] = '\0';
    *ret_word = cf_buf_take(&word);
    *text = at;
    return *ret_word ? 0 : -ENOMEM;
}

static bool is_number(const char *text, long *ret_number)
{
    char *end;

    if (!isdigit((unsigned char)text[*text == '-']))
        return false;
    errno = 0;
    *ret_number = strtol(text, &end, 10);
    return !*end && !errno;
}

/* [2], [-1], [name=audit] */
static int read_bracket(struct path *path, const char **text)
{
    struct step step = {.kind = STEP_INDEX};
    char *word cf_autofree = NULL;
    int r;

    ++*text;
    r = read_word(text, "=]", &word);
    if (r < 0)
        return r;
    if (**text == '=') {
        step.kind = STEP_SELECT;
        ++*text;
        r = read_word(text, "]", &step.value);
        if (r == 0)
            step.key = CF_TAKE(word);
    } else if (!is_number(word, &step.index)) {
        r = -EINVAL;
    }
    if (r < 0 || **text != ']') {
        free(step.key);
        free(step.value);
        return r < 0 ? r : -EINVAL;
    }
    ++*text;
    return add_step(path, &step);
}

static int read_key(struct path *path, const char **text)
{
    struct step step = {.kind = STEP_KEY};
    bool quoted = **text == '"' || **text == '\'';
    int r = read_word(text, ".[", &step.key);

    if (r < 0)
        return r;
    if (!*step.key && !quoted) {
        free(step.key);
        return -EINVAL;
    }
    return add_step(path, &step);
}

int cf_path_parse(const char *text, struct path *ret_path, struct cf_error *err)
{
    struct path path = {0};
    const char *at = text;
    int r = *at ? 0 : -EINVAL;

    if (strcmp(text, ".") != 0) {
        while (*at && r == 0) {
            r = *at == '[' ? read_bracket(&path, &at) : read_key(&path, &at);
            if (r == 0 && *at == '.')
                r = at[1] ? (at++, 0) : -EINVAL;
            else if (r == 0 && *at && *at != '[')
                r = -EINVAL;
        }
    }
    if (r < 0) {
        cf_path_done(&path);
        return r == -ENOMEM ? cf_fail(err, r, "out of memory")
                            : cf_fail(err, r,
                                      "%s is no path: keys with dots between them, [0] or "
                                      "[name=x] for items, quotes around keys with dots",
                                      CF_QUOTE(text));
    }
    *ret_path = path;
    return 0;
}

const char *cf_edit_split(const char *assignment)
{
    int depth = 0;
    char quote = 0;

    for (const char *at = assignment; *at; at++) {
        if (*at == '\\' && at[1] && quote != '\'') {
            at++;
        } else if (quote) {
            if (*at == quote)
                quote = 0;
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (*at == '[' || *at == ']') {
            depth += *at == '[' ? 1 : -1;
        } else if (*at == '=' && depth <= 0) {
            return at;
        }
    }
    return NULL;
}

/* ---- following it ---- */

static void list_keys(const struct cf_edit_node *map, struct cf_buf *out)
{
    size_t shown = 0;

    for (const struct cf_edit_node *n = map->first; n && shown < 8; n = n->next)
        if (n->key && n->key->kind == CF_EDIT_SCALAR)
            (void)cf_buf_printf(out, "%s%s", shown++ ? ", " : "", n->key->value);
    if (map->count > shown)
        (void)cf_buf_add_str(out, " ...");
}

static const char *name_of(const struct cf_edit_node *node)
{
    return node->key && node->key->kind == CF_EDIT_SCALAR ? node->key->value
           : node->parent                                 ? "the item"
                                                          : "the document";
}

int cf_path_no_key(const struct cf_edit *edit, const struct cf_edit_node *node,
                   const struct step *step, struct cf_error *err)
{
    struct cf_buf keys cf_autobuf = CF_BUF_INIT;

    if (step->kind == STEP_INDEX)
        return cf_edit_fail(edit, node->line, err, -ENOENT, "%s has no item [%ld]: it has %zu",
                            name_of(node), step->index, node->count);
    if (step->kind == STEP_SELECT)
        return cf_edit_fail(edit, node->line, err, -ENOENT, "%s has no item whose %s is %s",
                            name_of(node), step->key, CF_QUOTE(step->value));
    for (const struct cf_edit_node *n = node->first; n; n = n->next)
        if (n->key && n->key->kind == CF_EDIT_SCALAR && strchr(n->key->value, '.') &&
            !strncmp(n->key->value, step->key, strlen(step->key)))
            return cf_edit_fail(edit, n->line, err, -ENOENT,
                                "%s has no key %s: a key with dots is quoted, \"%s\"",
                                name_of(node), CF_QUOTE(step->key), n->key->value);
    list_keys(node, &keys);
    return cf_edit_fail(edit, node->line, err, -ENOENT, "%s has no key %s%s%s%s", name_of(node),
                        CF_QUOTE(step->key), keys.len ? " (there are " : "",
                        keys.len ? keys.data : "", keys.len ? ")" : "");
}

static int find_key(const struct cf_edit *edit, struct cf_edit_node *node, const char *key,
                    struct cf_edit_node **ret_child, struct cf_error *err)
{
    struct cf_edit_node *found = NULL;

    for (struct cf_edit_node *n = node->first; n; n = n->next) {
        if (!n->key || n->key->kind != CF_EDIT_SCALAR || strcmp(n->key->value, key) != 0)
            continue;
        if (found)
            return cf_edit_fail(edit, n->key->line, err, -EINVAL,
                                "key %s is here a second time (first in line %zu)", CF_QUOTE(key),
                                found->key->line);
        found = n;
    }
    *ret_child = found;
    return 0;
}

static int find_item(const struct cf_edit *edit, struct cf_edit_node *node, const char *key,
                     const char *value, struct cf_edit_node **ret_child, struct cf_error *err)
{
    struct cf_edit_node *found = NULL;

    for (struct cf_edit_node *n = node->first; n; n = n->next) {
        const char *text = cf_edit_child_text(n, key);
        if (!text || strcmp(text, value) != 0)
            continue;
        if (found)
            return cf_edit_fail(edit, n->line, err, -EINVAL,
                                "a second item has %s %s (the first is in line %zu): say [0], [1] "
                                "...",
                                key, CF_QUOTE(value), found->line);
        found = n;
    }
    *ret_child = found;
    return 0;
}

static struct cf_edit_node *item_at(struct cf_edit_node *list, long index)
{
    struct cf_edit_node *n = list->first;

    if (index < 0)
        index += (long)list->count;
    if (index < 0 || (size_t)index >= list->count)
        return NULL;
    while (index-- > 0)
        n = n->next;
    return n;
}

static int step_into_list(const struct cf_edit *edit, struct cf_edit_node *node,
                          const struct step *step, struct cf_edit_node **ret_child,
                          struct cf_error *err)
{
    long index = step->index;

    if (step->kind == STEP_SELECT)
        return find_item(edit, node, step->key, step->value, ret_child, err);
    if (step->kind == STEP_KEY && !is_number(step->key, &index)) {
        const char *equal = strchr(step->key, '=');
        if (!equal)
            return cf_edit_fail(edit, node->line, err, -EINVAL,
                                "%s is a list, and has no key %s: say [0] or [name=...]",
                                name_of(node), CF_QUOTE(step->key));
        char *key cf_autofree = strndup(step->key, (size_t)(equal - step->key));
        return key ? find_item(edit, node, key, equal + 1, ret_child, err)
                   : cf_fail(err, -ENOMEM, "out of memory");
    }
    *ret_child = item_at(node, index);
    return 0;
}

int cf_path_step(const struct cf_edit *edit, struct cf_edit_node *node, const struct step *step,
                 struct cf_edit_node **ret_child, struct cf_error *err)
{
    *ret_child = NULL;
    if (node->kind == CF_EDIT_ALIAS) {
        const struct cf_edit_node *meant = cf_edit_follow(edit, node);
        return cf_edit_fail(edit, node->line, err, -EINVAL,
                            "%s is the alias *%s of what stands in line %zu: change it there",
                            name_of(node), node->value, meant ? meant->line : 0);
    }
    if (node->kind == CF_EDIT_LIST)
        return step_into_list(edit, node, step, ret_child, err);
    if (node->kind == CF_EDIT_SCALAR && node->type == CF_YAML_NULL && step->kind == STEP_KEY)
        return 0;
    if (node->kind == CF_EDIT_SCALAR)
        return cf_edit_fail(edit, node->line, err, -EINVAL, "%s is %s: it has nothing inside",
                            name_of(node), CF_QUOTE(node->value));
    if (step->kind != STEP_KEY)
        return cf_edit_fail(edit, node->line, err, -EINVAL, "%s is a map, not a list",
                            name_of(node));
    return find_key(edit, node, step->key, ret_child, err);
}

/* ---- documents ---- */

static bool is_of_kind(const struct cf_edit_node *document, const char *kind)
{
    const char *text = cf_edit_child_text(document, "kind");
    return text && !strcmp(text, kind);
}

static int fail_kinds(const struct cf_edit *edit, const char *kind, struct cf_error *err)
{
    const struct cf_edit_node *first = NULL, *second = NULL;

    for (size_t i = 0; i < edit->nodes.count && !second; i++)
        if (is_of_kind(edit->nodes.documents[i], kind)) {
            second = first ? edit->nodes.documents[i] : NULL;
            first = first ? first : edit->nodes.documents[i];
        }
    return cf_edit_fail(edit, second->line, err, -EINVAL,
                        "a second document is of kind %s (the first begins in line %zu): say "
                        "%s[0] or %s[name=...]",
                        kind, first->line, kind, kind);
}

static int fail_documents(const struct cf_edit *edit, const struct step *step, struct cf_error *err)
{
    struct cf_buf kinds cf_autobuf = CF_BUF_INIT;

    for (size_t i = 0; i < edit->nodes.count; i++) {
        const char *kind = cf_edit_child_text(edit->nodes.documents[i], "kind");
        if (kind && kinds.len < 300)
            (void)cf_buf_printf(&kinds, "%s%s", kinds.len ? ", " : "", kind);
    }
    return cf_fail(err, -ENOENT, "%s has %zu documents, and none is of kind %s%s%s%s", edit->name,
                   edit->nodes.count, step && step->key ? step->key : "that the path begins with",
                   kinds.len ? " (there are " : "", kinds.len ? kinds.data : "",
                   kinds.len ? ")" : "");
}

/* Among the documents of a kind: the one that the second step tells. *ret_first: the steps used. */
static int choose_document(const struct cf_edit *edit, const struct path *path,
                           struct cf_edit_node **ret_node, size_t *ret_first, struct cf_error *err)
{
    const struct step *second = path->count > 1 ? &path->list[1] : NULL;
    const char *kind = path->list[0].key;
    struct cf_edit_node *found = NULL;
    size_t count = 0;
    long wanted = second && second->kind == STEP_INDEX ? second->index : -1;

    if (second && second->kind == STEP_KEY)
        second = NULL;
    for (size_t i = 0; i < edit->nodes.count; i++) {
        struct cf_edit_node *document = edit->nodes.documents[i];
        if (!is_of_kind(document, kind))
            continue;
        const char *name = cf_edit_child_text(cf_edit_child(document, "metadata"), "name");
        bool named = second && second->kind == STEP_SELECT && name &&
                     !strcmp(second->key, "name") && !strcmp(second->value, name);
        if (!second ? count == 0 : named || (second->kind == STEP_INDEX && (long)count == wanted))
            found = document;
        count++;
    }
    if (!second && count > 1)
        return fail_kinds(edit, kind, err);
    if (!found)
        return cf_fail(err, -ENOENT, "%s has no such document of kind %s: it has %zu", edit->name,
                       kind, count);
    *ret_node = found;
    *ret_first = second ? 2 : 1;
    return 0;
}

static int find_document(const struct cf_edit *edit, const struct path *path,
                         struct cf_edit_node **ret_node, size_t *ret_first, struct cf_error *err)
{
    const struct step *step = path->count ? &path->list[0] : NULL;
    struct cf_edit_node *only = NULL;
    size_t filled = 0, of_kind = 0;

    for (size_t i = 0; i < edit->nodes.count; i++) {
        struct cf_edit_node *document = edit->nodes.documents[i];
        bool nothing = document->kind == CF_EDIT_SCALAR && document->type == CF_YAML_NULL;
        if (step && step->kind == STEP_KEY)
            of_kind += is_of_kind(document, step->key);
        only = nothing && only ? only : document;
        filled += !nothing;
    }
    *ret_first = 0;
    *ret_node = only;
    if (of_kind && !(filled == 1 && cf_edit_child(only, step->key)))
        return choose_document(edit, path, ret_node, ret_first, err);
    return filled > 1 ? fail_documents(edit, step, err) : 0;
}

int cf_path_walk(const struct cf_edit *edit, const struct path *path, size_t rest,
                 struct cf_edit_node **ret_node, size_t *ret_first, struct cf_error *err)
{
    struct cf_edit_node *node = NULL, *child = NULL;
    size_t first = 0;
    int r = find_document(edit, path, &node, &first, err);

    for (size_t i = first; r == 0 && node && i + rest < path->count; i++) {
        r = cf_path_step(edit, node, &path->list[i], &child, err);
        if (r == 0 && !child)
            r = cf_path_no_key(edit, node, &path->list[i], err);
        node = child;
    }
    if (r == 0) {
        *ret_node = node;
        *ret_first = first;
    }
    return r;
}
