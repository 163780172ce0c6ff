/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two texts, setting by setting. */
#include <errno.h>
#include <string.h>

#include "nodes.h"

struct comparing {
    const struct cf_edit *was, *now;
    cf_edit_change_fn *fn;
    void *context;
};

static bool same_text(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static const struct cf_edit_node *by_key(const struct cf_edit_node *map,
                                         const struct cf_edit_node *key)
{
    for (const struct cf_edit_node *n = map->first; n; n = n->next)
        if (n->key && cf_nodes_same(n->key, key))
            return n;
    return NULL;
}

static const struct cf_edit_node *by_name(const struct cf_edit_node *list, const char *name)
{
    for (const struct cf_edit_node *n = list->first; n; n = n->next)
        if (same_text(cf_edit_child_text(n, "name"), name))
            return n;
    return NULL;
}

/* A list whose items all have a name, each another. */
static bool is_named(const struct cf_edit_node *list)
{
    if (list->kind != CF_EDIT_LIST)
        return false;
    for (const struct cf_edit_node *n = list->first; n; n = n->next) {
        const char *name = cf_edit_child_text(n, "name");
        if (!name || by_name(list, name) != n)
            return false;
    }
    return true;
}

static const struct cf_edit_node *partner(const struct cf_edit_node *in,
                                          const struct cf_edit_node *child)
{
    return child->key ? by_key(in, child->key) : by_name(in, cf_edit_child_text(child, "name"));
}

static int tell(const struct comparing *comparing, const struct cf_edit_node *was,
                const struct cf_edit_node *now)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    int r =
        now ? cf_edit_path(comparing->now, now, &path) : cf_edit_path(comparing->was, was, &path);
    struct cf_edit_change change = {path.data, was, now};

    return r < 0 ? r : comparing->fn(&change, comparing->context);
}

static int compare(const struct comparing *comparing, const struct cf_edit_node *was,
                   const struct cf_edit_node *now)
{
    int r = 0;

    if (cf_edit_equal(was, now))
        return 0;
    if (!(was->kind == CF_EDIT_MAP && now->kind == CF_EDIT_MAP) &&
        !(is_named(was) && is_named(now)))
        return tell(comparing, was, now);
    for (const struct cf_edit_node *n = was->first; n && r == 0; n = n->next) {
        const struct cf_edit_node *other = partner(now, n);
        r = other ? compare(comparing, n, other) : tell(comparing, n, NULL);
    }
    for (const struct cf_edit_node *n = now->first; n && r == 0; n = n->next)
        if (!partner(was, n))
            r = tell(comparing, NULL, n);
    return r;
}

/* The document of the same kind and name; without a kind, the one at the same place. */
static const struct cf_edit_node *same_document(const struct cf_edit *in,
                                                const struct cf_edit_node *document, size_t index)
{
    const char *kind = cf_edit_child_text(document, "kind");
    const char *name = cf_edit_child_text(cf_edit_child(document, "metadata"), "name");

    for (size_t i = 0; i < in->nodes.count && kind; i++) {
        const struct cf_edit_node *other = in->nodes.documents[i];
        const char *its = cf_edit_child_text(cf_edit_child(other, "metadata"), "name");
        if (same_text(kind, cf_edit_child_text(other, "kind")) &&
            (same_text(name, its) || (!name && !its)))
            return other;
    }
    const struct cf_edit_node *other = kind ? NULL : cf_edit_document(in, index);
    return other && cf_edit_child_text(other, "kind") ? NULL : other;
}

int cf_edit_compare(const struct cf_edit *was, const struct cf_edit *now, cf_edit_change_fn *fn,
                    void *context)
{
    const struct comparing comparing = {was, now, fn, context};
    int r = 0;

    for (size_t i = 0; i < was->nodes.count && r == 0; i++) {
        const struct cf_edit_node *other = same_document(now, was->nodes.documents[i], i);
        r = other ? compare(&comparing, was->nodes.documents[i], other)
                  : tell(&comparing, was->nodes.documents[i], NULL);
    }
    for (size_t i = 0; i < now->nodes.count && r == 0; i++)
        if (!same_document(was, now->nodes.documents[i], i))
            r = tell(&comparing, NULL, now->nodes.documents[i]);
    return r;
}
