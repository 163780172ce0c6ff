/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One change at a time. The new text is read again, and must be what the old nodes are with that
 * change made to them: whatever the text looks like, nothing else changes its meaning.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nodes.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* The text with the splice; its aliases must still lead somewhere. */
static int spliced(const struct cf_edit *edit, const struct splice *splice, struct cf_buf *ret_text,
                   struct nodes *ret_nodes)
{
    const struct cf_buf *text = &edit->text;
    struct nodes followed = {0};
    int r = cf_buf_reserve(ret_text, text->len + splice->text.len + 1);

    if (r == 0)
        r = cf_buf_add(ret_text, text->data, splice->from);
    if (r == 0)
        r = cf_buf_add(ret_text, splice->text.data, splice->text.len);
    if (r == 0)
        r = cf_buf_add(ret_text, text->data + splice->to, text->len - splice->to);
    if (r == 0 && ret_text->len > CF_EDIT_MAX)
        r = -EFBIG;
    if (r == 0)
        r = cf_nodes_parse(edit->name, ret_text, false, ret_nodes, NULL);
    if (r < 0 || !memchr(text->data ? text->data : "", '*', text->len))
        return r;
    r = cf_nodes_parse(edit->name, ret_text, true, &followed, NULL);
    cf_nodes_done(&followed);
    return r;
}

static bool all_same(const struct nodes *a, const struct nodes *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; i < a->count && same; i++)
        same = cf_nodes_same(a->documents[i], b->documents[i]);
    return same;
}

/* The splice becomes the text, where its nodes are those that the edit's have been made. */
static int try_splice(struct cf_edit *edit, const struct splice *splice)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct nodes nodes = {0};
    int r = spliced(edit, splice, &text, &nodes);

    if (r == 0 && !all_same(&edit->nodes, &nodes))
        r = -ENOTSUP;
    if (r < 0) {
        cf_nodes_done(&nodes);
        return r == -EINVAL ? -ENOTSUP : r;
    }
    cf_nodes_done(&edit->nodes);
    edit->nodes = nodes;
    cf_buf_done(&edit->text);
    edit->text = text;
    text = (struct cf_buf)CF_BUF_INIT;
    return 1;
}

/* One kind of change: how it is written, and what it does to the nodes. */
struct change {
    struct cf_edit_node *node; /* what is replaced or removed, or gets a child */
    const struct cf_edit_node *key, *value;
    size_t index; /* of a document */
    int (*write)(const struct cf_edit *edit, const struct change *change, bool careful,
                 struct splice *splice);
    int (*apply)(struct cf_edit *edit, const struct change *change);
};

/* Reads the old text again: after a failure, the nodes are as they were. */
static int restore(struct cf_edit *edit, struct cf_error *err)
{
    struct nodes nodes = {0};
    int r = cf_nodes_parse(edit->name, &edit->text, false, &nodes, err);

    if (r < 0)
        return r;
    cf_nodes_done(&edit->nodes);
    edit->nodes = nodes;
    return 0;
}

static int make_change(struct cf_edit *edit, const struct change *change, struct cf_error *err)
{
    struct splice splices[2] = {0};
    size_t line = change->node ? change->node->line : 1;
    int r[2] = {-ENOTSUP, -ENOTSUP}, result = -ENOTSUP;

    for (int i = 0; i < 2; i++)
        r[i] = change->write(edit, change, i == 1, &splices[i]);
    int applied = change->apply(edit, change);
    for (int i = 0; i < 2 && result == -ENOTSUP; i++)
        result = applied < 0 ? applied : r[i] < 0 ? r[i] : try_splice(edit, &splices[i]);
    cf_buf_done(&splices[0].text);
    cf_buf_done(&splices[1].text);
    if (result > 0)
        return result;
    int restored = restore(edit, err);
    if (restored < 0)
        return restored;
    if (result == -ENOMEM)
        return no_memory(err);
    if (result == -EINVAL)
        return cf_edit_fail(edit, line, err, result, "JSON cannot hold the value");
    if (result == -EFBIG)
        return cf_edit_fail(edit, line, err, result, "the file would be larger than %u bytes",
                            CF_EDIT_MAX);
    return cf_edit_fail(edit, line, err, result,
                        "this is written in a form that cannot be edited without changing more "
                        "(an anchor in use, an explicit key, text in brackets over lines): edit "
                        "the file, or replace it");
}

/* ---- replace ---- */

static int write_replace(const struct cf_edit *edit, const struct change *change, bool careful,
                         struct splice *splice)
{
    return cf_splice_replace(edit, change->node, change->value, careful, splice);
}

static int apply_replace(struct cf_edit *edit, const struct change *change)
{
    struct cf_edit_node *node = change->node;
    struct cf_edit_node *copy = cf_nodes_copy(&edit->nodes, change->value);

    if (!copy)
        return -ENOMEM;
    for (struct cf_edit_node *n = copy->first; n; n = n->next)
        n->parent = node;
    node->kind = copy->kind;
    node->style = copy->style;
    node->type = copy->type;
    node->value = copy->value;
    node->len = copy->len;
    node->tag = NULL;
    node->first = copy->first;
    node->last = copy->last;
    node->count = copy->count;
    return 0;
}

int cf_change_replace(struct cf_edit *edit, struct cf_edit_node *node,
                      const struct cf_edit_node *value, struct cf_error *err)
{
    const struct change change = {
        .node = node, .value = value, .write = write_replace, .apply = apply_replace};
    return make_change(edit, &change, err);
}

/* ---- insert ---- */

static int write_insert(const struct cf_edit *edit, const struct change *change, bool careful,
                        struct splice *splice)
{
    return cf_splice_insert(edit, change->node, change->key, change->value, careful, splice);
}

static int apply_insert(struct cf_edit *edit, const struct change *change)
{
    struct cf_edit_node *copy = cf_nodes_copy(&edit->nodes, change->value);

    if (!copy || (change->key && !(copy->key = cf_nodes_copy(&edit->nodes, change->key))))
        return -ENOMEM;
    cf_nodes_link(change->node, copy);
    return 0;
}

int cf_change_insert(struct cf_edit *edit, struct cf_edit_node *parent,
                     const struct cf_edit_node *key, const struct cf_edit_node *value,
                     struct cf_error *err)
{
    const struct change change = {
        .node = parent, .key = key, .value = value, .write = write_insert, .apply = apply_insert};
    return make_change(edit, &change, err);
}

/* ---- remove ---- */

static int write_remove(const struct cf_edit *edit, const struct change *change, bool careful,
                        struct splice *splice)
{
    return cf_splice_remove(edit, change->node, careful, splice);
}

static int apply_remove(struct cf_edit *edit, const struct change *change)
{
    struct cf_edit_node *parent = change->node->parent;

    (void)edit;
    cf_nodes_unlink(change->node);
    if (parent->count == 0 && parent->style == CF_YAML_BLOCK)
        parent->tag = NULL; /* {} is written without it */
    return 0;
}

int cf_change_remove(struct cf_edit *edit, struct cf_edit_node *node, struct cf_error *err)
{
    const struct change change = {.node = node, .write = write_remove, .apply = apply_remove};
    return make_change(edit, &change, err);
}

/* ---- documents ---- */

static int write_document(const struct cf_edit *edit, const struct change *change, bool careful,
                          struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    struct form form = cf_form_of(edit, careful);
    bool filled = (change->value->kind == CF_EDIT_MAP || change->value->kind == CF_EDIT_LIST) &&
                  change->value->count > 0;
    int r = 0;

    splice->from = splice->to = text->len;
    if (text->len > 0 && text->data[text->len - 1] != '\n' && cf_column(text, text->len) > 0)
        r = cf_buf_add_str(&splice->text, form.eol);
    if (r == 0 && edit->nodes.count > 0)
        r = cf_buf_printf(&splice->text, "---%s", form.eol);
    if (r == 0)
        r = form.json            ? cf_write_pretty(&splice->text, change->value, "", "  ", &form)
            : filled && !careful ? cf_write_block(&splice->text, change->value, &form)
                                 : cf_write_flow(&splice->text, change->value, &form);
    return r < 0 ? r : cf_buf_add_str(&splice->text, form.eol);
}

static int apply_document(struct cf_edit *edit, const struct change *change)
{
    struct nodes *nodes = &edit->nodes;
    struct cf_edit_node *copy = cf_nodes_copy(nodes, change->value);
    struct cf_edit_node **list = reallocarray(nodes->documents, nodes->count + 1, sizeof(*list));

    if (!list || !copy)
        return -ENOMEM;
    nodes->documents = list;
    list[nodes->count++] = copy;
    return 0;
}

int cf_change_add_document(struct cf_edit *edit, const struct cf_edit_node *value,
                           struct cf_error *err)
{
    const struct change change = {.value = value, .write = write_document, .apply = apply_document};
    return make_change(edit, &change, err);
}

/* From the "---" before it to the one behind it; the first one: its own "---" stays away. */
static int write_no_document(const struct cf_edit *edit, const struct change *change, bool careful,
                             struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    const struct cf_edit_node *next =
        change->index + 1 < edit->nodes.count ? edit->nodes.documents[change->index + 1] : NULL;
    size_t at = 0, from = 0, to = text->len;

    (void)careful;
    for (size_t i = 0; i < text->len; i = at) { /* the last and the next line of dashes */
        at = i;
        while (at < text->len && text->data[at] != '\n')
            at++;
        at += at < text->len;
        if (text->len - i < 3 || memcmp(text->data + i, "---", 3) != 0)
            continue;
        if (i <= change->node->content)
            from = i;
        else if (next && i < next->content && to == text->len)
            to = i;
    }
    splice->from = from;
    splice->to = to;
    return 0;
}

static int apply_no_document(struct cf_edit *edit, const struct change *change)
{
    struct nodes *nodes = &edit->nodes;

    nodes->count--;
    for (size_t i = change->index; i < nodes->count; i++)
        nodes->documents[i] = nodes->documents[i + 1];
    return 0;
}

int cf_change_remove_document(struct cf_edit *edit, size_t index, struct cf_error *err)
{
    const struct change change = {.node = edit->nodes.documents[index],
                                  .index = index,
                                  .write = write_no_document,
                                  .apply = apply_no_document};
    return make_change(edit, &change, err);
}
