/* SPDX-License-Identifier: Apache-2.0 */
/* Merge patches: RFC 7386, and lists by the names of their items, as Kubernetes merges most. */
#include <errno.h>
#include <string.h>

#include <cloudfs/log.h>

#include "nodes.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static bool is_null(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->type == CF_YAML_NULL;
}

static bool is_deletion(const struct cf_edit_node *value)
{
    const char *patch = cf_edit_child_text(value, "$patch");
    return is_null(value) || (patch && !strcmp(patch, "delete"));
}

static bool has_names(const struct cf_edit_node *list)
{
    if (list->kind != CF_EDIT_LIST || !list->count)
        return false;
    for (const struct cf_edit_node *n = list->first; n; n = n->next)
        if (!cf_edit_child_text(n, "name"))
            return false;
    return true;
}

/* A copy of a patch's value without the nulls of its maps and what is to be deleted: what it is
 * where nothing was before. */
static struct cf_edit_node *without_deletions(struct nodes *nodes, const struct cf_edit_node *value)
{
    struct cf_edit_node *copy = cf_nodes_copy(nodes, value);

    for (struct cf_edit_node *n = copy ? copy->first : NULL, *next; n; n = next) {
        next = n->next;
        if ((copy->kind == CF_EDIT_MAP && is_null(n)) ||
            (copy->kind == CF_EDIT_LIST && !is_null(n) && is_deletion(n)))
            cf_nodes_unlink(n);
    }
    if (!copy || copy->kind != CF_EDIT_MAP)
        return copy;
    for (struct cf_edit_node *n = copy->first; n; n = n->next) {
        struct cf_edit_node *inner = without_deletions(nodes, n);
        if (!inner)
            return NULL;
        n->first = inner->first;
        n->last = inner->last;
        n->count = inner->count;
        for (struct cf_edit_node *i = n->first; i; i = i->next)
            i->parent = n;
    }
    return copy;
}

static struct cf_edit_node *nth(const struct cf_edit_node *node, size_t index)
{
    struct cf_edit_node *child = node->first;

    while (index-- > 0)
        child = child->next;
    return child;
}

static int merge_at(struct cf_edit *edit, struct address *at, const struct cf_edit_node *patch,
                    struct cf_error *err);

/* One child of a map (key) or of a list by names: index is its place, or -1. */
static int merge_child(struct cf_edit *edit, struct address *at, ptrdiff_t index,
                       const struct cf_edit_node *patch, struct cf_error *err)
{
    struct cf_edit_node *parent = cf_address_node(edit, at);
    bool deletes = is_deletion(patch);
    int r;

    if (index < 0) {
        struct nodes scratch = {0};
        if (deletes)
            return 0;
        const struct cf_edit_node *value = without_deletions(&scratch, patch);
        r = value ? cf_change_insert(edit, parent, patch->key, value, err) : no_memory(err);
        cf_nodes_done(&scratch);
        return r;
    }
    if (deletes)
        return cf_change_remove(edit, nth(parent, (size_t)index), err);
    if (cf_address_push(at, (size_t)index) < 0)
        return no_memory(err);
    r = merge_at(edit, at, patch, err);
    at->count--;
    return r;
}

static ptrdiff_t index_by_name(const struct cf_edit_node *list, const char *name)
{
    ptrdiff_t index = 0;

    for (const struct cf_edit_node *n = list->first; n; n = n->next, index++)
        if (!strcmp(cf_edit_child_text(n, "name"), name))
            return index;
    return -1;
}

static int merge_children(struct cf_edit *edit, struct address *at,
                          const struct cf_edit_node *patch, struct cf_error *err)
{
    int changed = 0, r = 0;

    for (const struct cf_edit_node *n = patch->first; n && r >= 0; n = n->next) {
        const struct cf_edit_node *old = cf_address_node(edit, at);
        ptrdiff_t index = !n->key      ? index_by_name(old, cf_edit_child_text(n, "name"))
                          : old->count ? cf_child_index(old, n->key)
                                       : -1;
        r = merge_child(edit, at, index, n, err);
        changed |= r > 0;
    }
    return r < 0 ? r : changed;
}

static int merge_at(struct cf_edit *edit, struct address *at, const struct cf_edit_node *patch,
                    struct cf_error *err)
{
    const struct cf_edit_node *old = cf_address_node(edit, at);
    struct nodes scratch = {0};

    if (old->kind == CF_EDIT_ALIAS && patch->kind != CF_EDIT_SCALAR)
        return cf_edit_fail(edit, old->line, err, -EINVAL,
                            "this is the alias *%s: merge into what it means", old->value);
    if (old->kind == CF_EDIT_MAP && patch->kind == CF_EDIT_MAP)
        return merge_children(edit, at, patch, err);
    if (has_names(old) && has_names(patch))
        return merge_children(edit, at, patch, err);
    const struct cf_edit_node *value = without_deletions(&scratch, patch);
    int r = value ? cf_assign(edit, at, value, err) : no_memory(err);
    cf_nodes_done(&scratch);
    return r;
}

/* ---- documents ---- */

static int merge_into(struct cf_edit *edit, size_t document, const struct cf_edit_node *patch,
                      struct cf_error *err)
{
    struct address at cf_cleanup(cf_address_done) = {0};

    if (cf_address_push(&at, document) < 0)
        return no_memory(err);
    return merge_at(edit, &at, patch, err);
}

static bool same_text(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

/* The document of the patch's kind, and name where there are several: 0, or how many fit. */
static size_t find_of_kind(const struct cf_edit *edit, const struct cf_edit_node *patch,
                           size_t *ret_index)
{
    const char *kind = cf_edit_child_text(patch, "kind");
    const char *name = cf_edit_child_text(cf_edit_child(patch, "metadata"), "name");
    size_t of_kind = 0, of_name = 0, named = 0;

    for (size_t i = 0; i < edit->nodes.count; i++) {
        const struct cf_edit_node *document = edit->nodes.documents[i];
        if (!same_text(cf_edit_child_text(document, "kind"), kind))
            continue;
        if (of_kind++ == 0)
            *ret_index = i;
        if (same_text(cf_edit_child_text(cf_edit_child(document, "metadata"), "name"), name) &&
            of_name++ == 0)
            named = i;
    }
    if (name && of_kind > 0 && (of_name > 0 || of_kind > 1)) {
        *ret_index = named;
        return of_name;
    }
    return of_kind;
}

static int merge_kind(struct cf_edit *edit, const struct cf_edit_node *patch, struct cf_error *err)
{
    const char *kind = cf_edit_child_text(patch, "kind");
    struct nodes scratch = {0};
    size_t index = 0;
    size_t count = find_of_kind(edit, patch, &index);

    if (count > 1)
        return cf_edit_fail(edit, edit->nodes.documents[index]->line, err, -EINVAL,
                            "%zu documents are of kind %s: the patch must tell one by its "
                            "metadata.name",
                            count, kind);
    if (count == 1 && is_deletion(patch))
        return cf_change_remove_document(edit, index, err);
    if (count == 1)
        return merge_into(edit, index, patch, err);
    if (edit->json && edit->nodes.count > 0)
        return cf_fail(err, -EINVAL, "%s is JSON, and is of another kind than %s", edit->name,
                       kind);
    if (is_deletion(patch))
        return 0;
    const struct cf_edit_node *value = without_deletions(&scratch, patch);
    int r = value ? cf_change_add_document(edit, value, err) : no_memory(err);
    cf_nodes_done(&scratch);
    return r;
}

/* Each key into the documents that have it. */
static int merge_keys(struct cf_edit *edit, const struct cf_edit_node *patch, struct cf_error *err)
{
    int changed = 0, r = 0;

    for (const struct cf_edit_node *n = patch->first; n && r >= 0; n = n->next) {
        struct cf_edit_node one = {.kind = CF_EDIT_MAP, .style = CF_YAML_BLOCK}, child = *n;
        size_t found = 0;
        cf_nodes_link(&one, &child);
        for (size_t i = 0; i < edit->nodes.count && r >= 0; i++) {
            const struct cf_edit_node *document = edit->nodes.documents[i];
            if (document->kind != CF_EDIT_MAP || cf_child_index(document, n->key) < 0)
                continue;
            r = merge_into(edit, i, &one, err);
            changed |= r > 0;
            found++;
        }
        if (!found && r >= 0 && !is_null(n))
            r = cf_fail(err, -EINVAL,
                        "%s has %zu documents, and none has the key %s: the patch must say its "
                        "kind",
                        edit->name, edit->nodes.count,
                        CF_QUOTE(n->key->value ? n->key->value : "?"));
    }
    return r < 0 ? r : changed;
}

static int merge_document(struct cf_edit *edit, const struct cf_edit_node *patch,
                          struct cf_error *err)
{
    struct nodes scratch = {0};
    size_t filled = 0, only = 0;

    if (is_null(patch))
        return 0;
    for (size_t i = 0; i < edit->nodes.count; i++)
        if (!is_null(edit->nodes.documents[i])) {
            only = i;
            filled++;
        }
    if (cf_edit_child_text(patch, "kind") && filled > 0 &&
        (filled > 1 || cf_edit_child_text(edit->nodes.documents[only], "kind")))
        return merge_kind(edit, patch, err);
    if (filled > 1 && patch->kind == CF_EDIT_MAP)
        return merge_keys(edit, patch, err);
    if (filled > 1)
        return cf_fail(err, -EINVAL, "%s has %zu documents: the patch must be a map", edit->name,
                       filled);
    if (edit->nodes.count > 0)
        return merge_into(edit, only, patch, err);
    const struct cf_edit_node *value = without_deletions(&scratch, patch);
    int r = value ? cf_change_add_document(edit, value, err) : no_memory(err);
    cf_nodes_done(&scratch);
    return r;
}

int cf_edit_merge(struct cf_edit *edit, const struct cf_edit *patch, struct cf_error *err)
{
    int changed = 0;

    for (size_t i = 0; i < patch->nodes.count; i++) {
        int r = merge_document(edit, patch->nodes.documents[i], err);
        if (r < 0)
            return r;
        changed |= r;
    }
    return changed;
}
