/* SPDX-License-Identifier: Apache-2.0 */
/* The other way round than a merge: what is there stays, and what is not comes from below. */
#include <errno.h>
#include <string.h>

#include <cloudfs/log.h>

#include "nodes.h"

static bool is_null(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->type == CF_YAML_NULL;
}

bool cf_edit_is_pairs(const struct cf_edit_node *list)
{
    if (list->kind != CF_EDIT_LIST || !list->count)
        return false;
    for (const struct cf_edit_node *item = list->first; item; item = item->next) {
        if (item->kind != CF_EDIT_MAP || !cf_edit_child_text(item, "name"))
            return false;
        for (const struct cf_edit_node *n = item->first; n; n = n->next)
            if (n->key->kind != CF_EDIT_SCALAR ||
                (strcmp(n->key->value, "name") != 0 && strncmp(n->key->value, "value", 5) != 0))
                return false;
    }
    return true;
}

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static ptrdiff_t index_of(const struct cf_edit_node *parent, const struct cf_edit_node *child)
{
    const char *name = child->key ? NULL : cf_edit_child_text(child, "name");
    ptrdiff_t index = 0;

    if (child->key)
        return parent->count ? cf_child_index(parent, child->key) : -1;
    for (const struct cf_edit_node *n = parent->first; n; n = n->next, index++)
        if (!strcmp(cf_edit_child_text(n, "name"), name))
            return index;
    return -1;
}

static int complete_at(struct cf_edit *edit, struct address *at, const struct cf_edit_node *below,
                       struct cf_error *err)
{
    const struct cf_edit_node *old = cf_address_node(edit, at);
    int changed = 0, r = 0;

    if (is_null(old))
        return is_null(below) ? 0 : cf_assign(edit, at, below, err);
    if (!old->count || (!(old->kind == CF_EDIT_MAP && below->kind == CF_EDIT_MAP) &&
                        !(cf_edit_is_pairs(old) && cf_edit_is_pairs(below))))
        return 0;
    for (const struct cf_edit_node *n = below->first; n && r >= 0; n = n->next) {
        struct cf_edit_node *parent = cf_address_node(edit, at);
        ptrdiff_t index = index_of(parent, n);
        if (index < 0) {
            r = is_null(n) ? 0 : cf_change_insert(edit, parent, n->key, n, err);
        } else if (n->key) {
            if (cf_address_push(at, (size_t)index) < 0)
                return no_memory(err);
            r = complete_at(edit, at, n, err);
            at->count--;
        }
        changed |= r > 0;
    }
    return r < 0 ? r : changed;
}

static const struct cf_edit_node *of_kind(const struct cf_edit *edit, const char *kind,
                                          size_t *ret_index)
{
    for (size_t i = 0; i < edit->nodes.count; i++) {
        const char *its = cf_edit_child_text(edit->nodes.documents[i], "kind");
        if (its && !strcmp(its, kind)) {
            *ret_index = i;
            return edit->nodes.documents[i];
        }
    }
    return NULL;
}

int cf_edit_complete(struct cf_edit *edit, const struct cf_edit *below, struct cf_error *err)
{
    int changed = 0;

    for (size_t i = 0; i < below->nodes.count; i++) {
        const struct cf_edit_node *document = below->nodes.documents[i];
        const char *kind = cf_edit_child_text(document, "kind");
        struct address at cf_cleanup(cf_address_done) = {0};
        size_t index = 0;
        int r;
        if (!kind || of_kind(below, kind, &index) != document)
            continue;
        if (!of_kind(edit, kind, &index))
            r = cf_change_add_document(edit, document, err);
        else
            r = cf_address_push(&at, index) < 0 ? no_memory(err)
                                                : complete_at(edit, &at, document, err);
        if (r < 0)
            return r;
        changed |= r;
    }
    return changed;
}
