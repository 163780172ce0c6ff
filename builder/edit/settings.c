/* SPDX-License-Identifier: Apache-2.0 */
/* Set, append, delete. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <cloudfs/log.h>

#include "nodes.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static const char *type_name(const struct cf_edit_node *node)
{
    static const char *const names[] = {[CF_YAML_STRING] = "a string",
                                        [CF_YAML_NULL] = "null",
                                        [CF_YAML_BOOL] = "true or false",
                                        [CF_YAML_INT] = "a number",
                                        [CF_YAML_FLOAT] = "a number"};

    return node->kind == CF_EDIT_MAP    ? "a map"
           : node->kind == CF_EDIT_LIST ? "a list"
                                        : names[node->type];
}

static bool is_null(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->type == CF_YAML_NULL;
}

static int fit_scalar(const struct cf_edit *edit, const struct cf_edit_node *old,
                      struct cf_edit_node *value, bool forced, struct cf_error *err)
{
    bool number = old->type == CF_YAML_INT || old->type == CF_YAML_FLOAT;

    if (forced || value->type == CF_YAML_NULL)
        return 0;
    if (old->type == CF_YAML_STRING) {
        value->type = CF_YAML_STRING;
        return 0;
    }
    if (old->type == value->type ||
        (number && (value->type == CF_YAML_INT || value->type == CF_YAML_FLOAT)))
        return 0;
    return cf_edit_fail(edit, old->line, err, -EINVAL,
                        "%s is %s; %s is %s (with --set-string it becomes a string)",
                        old->key && old->key->value ? old->key->value : "this", type_name(old),
                        CF_QUOTE(value->value), type_name(value));
}

/* Adapts a copy of the new value to the types of the old one. */
static int fit(const struct cf_edit *edit, const struct cf_edit_node *old,
               const struct cf_edit_node *given, struct cf_edit_node *value, struct cf_error *err)
{
    int r = 0;

    old = cf_edit_follow(edit, old);
    if (!old || is_null(old))
        return 0;
    if (old->kind == CF_EDIT_SCALAR && value->kind == CF_EDIT_SCALAR)
        return fit_scalar(edit, old, value, given->style != CF_YAML_PLAIN || given->tag, err);
    if (old->kind != value->kind)
        return cf_edit_fail(edit, old->line, err, -EINVAL,
                            "%s is %s, and the new value is %s: delete it first",
                            old->key && old->key->value ? old->key->value : "this", type_name(old),
                            type_name(value));
    if (old->kind != CF_EDIT_MAP)
        return 0;
    const struct cf_edit_node *from = given->first;
    for (struct cf_edit_node *n = value->first; n && r == 0; n = n->next, from = from->next) {
        ptrdiff_t index = cf_child_index(old, n->key);
        const struct cf_edit_node *child = old->first;
        for (; index > 0; index--)
            child = child->next;
        if (index == 0)
            r = fit(edit, child, from, n, err);
    }
    return r;
}

static int assign_to(struct cf_edit *edit, const struct cf_edit_node *node,
                     const struct cf_edit_node *value, struct cf_error *err)
{
    struct address at cf_cleanup(cf_address_done) = {0};

    if (cf_address_of(edit, node, &at) < 0)
        return no_memory(err);
    return cf_assign(edit, &at, value, err);
}

/* A map of one key around a copy of the value. */
static struct cf_edit_node *wrap(struct nodes *nodes, const char *key,
                                 const struct cf_edit_node *value)
{
    struct cf_edit_node *map = cf_nodes_alloc(nodes, sizeof(*map));
    struct cf_edit_node *child = map ? cf_nodes_copy(nodes, value) : NULL;

    if (!child || !(child->key = cf_nodes_scalar(nodes, key, strlen(key), CF_YAML_SINGLE)))
        return NULL;
    map->kind = CF_EDIT_MAP;
    map->style = CF_YAML_BLOCK;
    cf_nodes_link(map, child);
    return map;
}

/* The first document of a text that has none. */
static int set_first(struct cf_edit *edit, const struct path *path,
                     const struct cf_edit_node *value, struct cf_error *err)
{
    struct nodes scratch = {0};
    const struct cf_edit_node *whole = value;
    int r = 0;

    for (size_t i = path->count; i-- > 0 && r == 0;) {
        if (path->list[i].kind != STEP_KEY)
            r = cf_fail(err, -ENOENT, "%s is empty: it has no item", edit->name);
        else if (!(whole = wrap(&scratch, path->list[i].key, whole)))
            r = no_memory(err);
    }
    if (r == 0)
        r = cf_change_add_document(edit, whole, err);
    cf_nodes_done(&scratch);
    return r;
}

/* A new last part of a path. */
static int add_key(struct cf_edit *edit, struct cf_edit_node *parent, const struct step *step,
                   const struct cf_edit_node *value, struct cf_error *err)
{
    struct nodes scratch = {0};
    int r;

    if (parent->kind == CF_EDIT_LIST || step->kind != STEP_KEY)
        return cf_path_no_key(edit, parent, step, err);
    if (is_null(parent)) {
        const struct cf_edit_node *map = wrap(&scratch, step->key, value);
        r = map ? assign_to(edit, parent, map, err) : no_memory(err);
    } else {
        const struct cf_edit_node *key =
            cf_nodes_scalar(&scratch, step->key, strlen(step->key), CF_YAML_SINGLE);
        r = key ? cf_change_insert(edit, parent, key, value, err) : no_memory(err);
    }
    cf_nodes_done(&scratch);
    return r;
}

static int set_node(struct cf_edit *edit, const struct cf_edit_node *old,
                    const struct cf_edit_node *value, struct cf_error *err)
{
    struct nodes scratch = {0};
    struct cf_edit_node *fitting = cf_nodes_copy(&scratch, value);
    int r = fitting ? fit(edit, old, value, fitting, err) : no_memory(err);

    if (r == 0)
        r = assign_to(edit, old, fitting, err);
    cf_nodes_done(&scratch);
    return r;
}

/* Where a path leads: the node itself, or what would hold it and the step to it. */
struct aim {
    struct path path;
    struct cf_edit_node *holder, *node; /* both NULL: the text is empty */
    const struct step *step;            /* NULL: node is a document */
};

static int take_aim(const struct cf_edit *edit, const char *text, struct aim *aim,
                    struct cf_error *err)
{
    struct cf_edit_node *node = NULL;
    size_t first = 0;
    int r = cf_path_parse(text, &aim->path, err);

    if (r == 0)
        r = cf_path_walk(edit, &aim->path, 1, &node, &first, err);
    if (r < 0 || !node)
        return r;
    if (first >= aim->path.count) {
        aim->node = node;
        return 0;
    }
    aim->holder = node;
    aim->step = &aim->path.list[aim->path.count - 1];
    return cf_path_step(edit, node, aim->step, &aim->node, err);
}

static int set_at(struct cf_edit *edit, const struct aim *aim, const struct cf_edit_node *value,
                  struct cf_error *err)
{
    if (aim->node)
        return set_node(edit, aim->node, value, err);
    return aim->holder ? add_key(edit, aim->holder, aim->step, value, err)
                       : set_first(edit, &aim->path, value, err);
}

int cf_edit_set(struct cf_edit *edit, const char *path, const struct cf_edit_node *value,
                struct cf_error *err)
{
    struct aim aim = {0};
    int r = take_aim(edit, path, &aim, err);

    if (r == 0)
        r = set_at(edit, &aim, value, err);
    cf_path_done(&aim.path);
    return r;
}

static int append_at(struct cf_edit *edit, const struct aim *aim, const struct cf_edit_node *value,
                     struct cf_error *err)
{
    struct cf_edit_node *node = aim->node;
    struct cf_edit_node list = {.kind = CF_EDIT_LIST, .style = CF_YAML_BLOCK}, item = *value;

    if (node && node->kind == CF_EDIT_ALIAS)
        return cf_edit_fail(edit, node->line, err, -EINVAL,
                            "this is the alias *%s: change what it means", node->value);
    if (!node || is_null(node)) {
        item.key = NULL;
        cf_nodes_link(&list, &item);
        return set_at(edit, aim, &list, err);
    }
    if (node->kind != CF_EDIT_LIST)
        return cf_edit_fail(edit, node->line, err, -EINVAL, "%s is %s, not a list",
                            node->key && node->key->value ? node->key->value : "this",
                            type_name(node));
    for (const struct cf_edit_node *n = node->first; n; n = n->next) {
        const struct cf_edit_node *meant = cf_edit_follow(edit, n);
        if (meant && cf_edit_equal(meant, value))
            return 0;
    }
    return cf_change_insert(edit, node, NULL, value, err);
}

int cf_edit_append(struct cf_edit *edit, const char *path, const struct cf_edit_node *value,
                   struct cf_error *err)
{
    struct aim aim = {0};
    int r = take_aim(edit, path, &aim, err);

    if (r == 0)
        r = append_at(edit, &aim, value, err);
    cf_path_done(&aim.path);
    return r;
}

/* A kind alone, which no document has (any longer). */
static bool is_gone_kind(const struct cf_edit *edit, const struct path *path)
{
    if (path->count != 1 || path->list[0].kind != STEP_KEY ||
        !isupper((unsigned char)path->list[0].key[0]))
        return false;
    for (size_t i = 0; i < edit->nodes.count; i++) {
        const char *kind = cf_edit_child_text(edit->nodes.documents[i], "kind");
        if (kind && !strcmp(kind, path->list[0].key))
            return false;
    }
    return true;
}

static int delete_document(struct cf_edit *edit, const struct cf_edit_node *document,
                           struct cf_error *err)
{
    size_t index = 0;

    while (edit->nodes.documents[index] != document)
        index++;
    if (edit->json)
        return cf_edit_fail(edit, document->line, err, -EINVAL,
                            "a JSON file cannot be empty: remove the file");
    return cf_change_remove_document(edit, index, err);
}

int cf_edit_delete(struct cf_edit *edit, const char *path, struct cf_error *err)
{
    struct aim aim = {0};
    int r = cf_path_parse(path, &aim.path, err);
    bool gone = r == 0 && is_gone_kind(edit, &aim.path) && edit->nodes.count != 1;

    cf_path_done(&aim.path);
    if (r < 0 || gone)
        return r;
    aim = (struct aim){0};
    r = take_aim(edit, path, &aim, err);
    if (r == 0 && aim.node)
        r = aim.step ? cf_change_remove(edit, aim.node, err) : delete_document(edit, aim.node, err);
    cf_path_done(&aim.path);
    return r;
}
