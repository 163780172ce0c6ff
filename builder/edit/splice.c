/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes a change takes away, and which it puts there. */
#include <errno.h>
#include <string.h>

#include "nodes.h"

static bool is_collection(const struct cf_edit_node *value)
{
    return value->kind == CF_EDIT_MAP || value->kind == CF_EDIT_LIST;
}

/* A null that is written by writing nothing. */
static bool is_nothing(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->content == node->end && node->len == 0;
}

static bool ends_line(const struct cf_buf *text, size_t at)
{
    return at > 0 && text->data[at - 1] == '\n';
}

static size_t word_end(const struct cf_buf *text, size_t at)
{
    while (at < text->len && !memchr(" \t\r\n", text->data[at], 4))
        at++;
    return at;
}

static size_t spaces_of(const struct cf_buf *text, const struct cf_edit_node *old,
                        const struct form *form)
{
    size_t head = cf_line_end(text, old->content), at = head;

    if (old->style == CF_YAML_LITERAL || old->style == CF_YAML_FOLDED) { /* as it was */
        while (at < old->end && memchr("\r\n", text->data[at], 2))
            at++;
        size_t indent = cf_indentation(text, cf_line_start(text, at));
        if (at < old->end && indent > 0)
            return indent;
    }
    const struct cf_edit_node *parent = old->parent;
    return parent ? cf_column(text, parent->content) + form->step : form->step;
}

/* White space of the line in which a place is. */
static int add_prefix(const struct cf_buf *text, size_t at, struct cf_buf *out)
{
    size_t start = cf_line_start(text, at);
    return cf_buf_add(out, text->data + start, cf_indentation(text, start));
}

/* How much deeper the children of a JSON text's collections are: as around this one. */
static int add_step(const struct cf_edit *edit, const struct cf_edit_node *node, struct cf_buf *out)
{
    const struct cf_buf *text = &edit->text;

    for (; node; node = node->parent) {
        if (!node->first)
            continue;
        size_t child = node->first->key ? node->first->key->start : node->first->start;
        size_t inner = cf_line_start(text, child), outer = cf_line_start(text, node->content);
        size_t more = cf_indentation(text, inner), less = cf_indentation(text, outer);
        if (inner != outer && more > less)
            return cf_buf_add(out, text->data + inner + less, more - less);
    }
    return cf_buf_add_str(out, "  ");
}

/* A JSON text that is laid out over lines. */
static bool is_spread(const struct cf_edit *edit, const struct cf_edit_node *node)
{
    const struct cf_edit_node *root = node;

    while (root->parent)
        root = root->parent;
    return edit->json && (cf_has_break(&edit->text, root->content, root->end) ||
                          (is_collection(root) && root->count == 0));
}

static int write_flow_value(const struct cf_edit *edit, const struct cf_edit_node *around,
                            const struct cf_edit_node *value, const char *prefix,
                            const struct form *form, struct cf_buf *out)
{
    struct cf_buf step cf_autobuf = CF_BUF_INIT;

    if (!is_collection(value) || !is_spread(edit, around))
        return cf_write_flow(out, value, form);
    int r = add_step(edit, around, &step);
    return r < 0 ? r : cf_write_pretty(out, value, prefix, step.data, form);
}

/* ---- replacing ---- */

/* The value on the line, in the place of the old one. */
static int replace_inline(const struct cf_edit *edit, const struct cf_edit_node *node,
                          const struct cf_edit_node *value, struct form *form,
                          struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    struct cf_buf prefix cf_autobuf = CF_BUF_INIT;
    size_t place = 0;
    bool has_place = cf_value_place(text, node, &place);
    bool was_block = is_collection(node) && node->style == CF_YAML_BLOCK;
    int r = 0;

    splice->from = node->content;
    splice->to = node->end;
    if (node->tag) {
        splice->from = node->start;
        if (node->anchor)
            r = cf_buf_printf(&splice->text, "&%s ", node->anchor);
    } else if (was_block && has_place) {
        splice->from = node->anchor ? word_end(text, node->start) : place;
    }
    if (r == 0 && is_nothing(node) && node->key && !has_place) { /* {a} */
        splice->from = splice->to = node->key->end;
        r = cf_buf_add_char(&splice->text, ':');
        place = splice->from;
    }
    if (r == 0 && is_nothing(node) && !node->parent && splice->from > 0 &&
        !ends_line(text, splice->from))
        r = cf_buf_add_str(&splice->text, form->eol);
    else if (r == 0 && (is_nothing(node) || was_block) && splice->from > 0 && node->parent &&
             !strchr(" \t\r\n{[,", text->data[splice->from - 1]))
        r = cf_buf_add_char(&splice->text, ' ');
    if (r == 0 && form->flow)
        r = add_prefix(text, node->key ? node->key->start : node->start, &prefix);
    if (r == 0)
        r = write_flow_value(edit, node, value, prefix.data ? prefix.data : "", form,
                             &splice->text);
    bool broke =
        splice->to > splice->from ? ends_line(text, splice->to) : is_nothing(node) && !node->parent;
    if (r == 0 && broke)
        r = cf_buf_add_str(&splice->text, form->eol);
    return r;
}

/* A block on the lines behind "key:"; a comment there stays. */
static int replace_by_block(const struct cf_edit *edit, const struct cf_edit_node *node,
                            const struct cf_edit_node *value, struct form *form,
                            struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    size_t place = 0, tail_from, tail_to;

    if (!cf_value_place(text, node, &place) || !node->key)
        return -ENOTSUP;
    if (node->anchor && !node->tag) {
        place = word_end(text, node->start);
    } else if (node->anchor || node->tag) {
        return -ENOTSUP;
    }
    bool was_block = is_collection(node) && node->style == CF_YAML_BLOCK;
    bool ended = !is_nothing(node) && ends_line(text, node->end);
    splice->from = place;
    splice->to = ended ? node->end : cf_line_end(text, node->end);
    tail_from = was_block ? place : node->end;
    tail_to = cf_line_end(text, tail_from);
    if (ended || (was_block && !cf_has_break(text, place, node->content)))
        tail_to = tail_from;
    if (is_nothing(node) && node->end < place)
        tail_from = place;
    while (tail_to > tail_from && strchr(" \t", text->data[tail_to - 1]))
        tail_to--;
    if (was_block && !ended) /* what is behind its last line stays too */
        splice->to = node->end;
    form->indent = cf_column(text, node->key->content) +
                   (value->kind == CF_EDIT_LIST ? form->dash : form->step);
    int r = cf_buf_add(&splice->text, text->data + tail_from, tail_to - tail_from);
    if (r == 0)
        r = cf_buf_add_str(&splice->text, form->eol);
    for (size_t i = 0; i < form->indent && r == 0; i++)
        r = cf_buf_add_char(&splice->text, ' ');
    if (r == 0)
        r = cf_write_block(&splice->text, value, form);
    return r == 0 && ended ? cf_buf_add_str(&splice->text, form->eol) : r;
}

/* A document's root that was nothing, or a scalar. */
static int replace_root(const struct cf_edit *edit, const struct cf_edit_node *node,
                        const struct cf_edit_node *value, struct form *form, struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    bool nothing = is_nothing(node);
    int r = 0;

    if (node->anchor || node->tag || (!nothing && cf_column(text, node->content) > 0))
        return -ENOTSUP;
    splice->from = node->content;
    splice->to = node->end;
    if (nothing && splice->from > 0 && !ends_line(text, splice->from))
        r = cf_buf_add_str(&splice->text, form->eol);
    if (r == 0)
        r = cf_write_block(&splice->text, value, form);
    return r == 0 && (nothing || ends_line(text, splice->to))
               ? cf_buf_add_str(&splice->text, form->eol)
               : r;
}

int cf_splice_replace(const struct cf_edit *edit, const struct cf_edit_node *node,
                      const struct cf_edit_node *value, bool careful, struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    struct form form = cf_form_of(edit, careful);
    bool filled = is_collection(value) && value->count > 0;

    form.flow = form.json || cf_in_flow(node->parent);
    if (filled && !form.flow && !careful)
        return node->parent ? replace_by_block(edit, node, value, &form, splice)
                            : replace_root(edit, node, value, &form, splice);
    form.style = node->kind == CF_EDIT_SCALAR && !is_nothing(node) ? node->style : CF_YAML_PLAIN;
    if (node->kind != CF_EDIT_SCALAR && value->kind == CF_EDIT_SCALAR &&
        value->style != CF_YAML_FOLDED)
        form.style = value->style;
    form.indent = spaces_of(text, node, &form);
    bool more =
        !ends_line(text, node->end) && !cf_is_blank(text, node->end, cf_line_end(text, node->end));
    form.flow = form.flow || more || (!node->parent && node->len > 0);
    return replace_inline(edit, node, value, &form, splice);
}

/* ---- inserting ---- */

static int write_item(const struct cf_edit *edit, const struct cf_edit_node *parent,
                      const struct cf_edit_node *key, const char *colon,
                      const struct cf_edit_node *value, const char *prefix, const struct form *form,
                      struct cf_buf *out)
{
    int r = 0;

    if (key) {
        r = cf_write_key(out, key, form);
        if (r == 0)
            r = cf_buf_add_str(out, colon);
    }
    return r < 0 ? r : write_flow_value(edit, parent, value, prefix, form, out);
}

/* What stands between a key and its value in that map: ": ", ":", " : ". */
static int colon_of(const struct cf_edit *edit, const struct cf_edit_node *child,
                    struct cf_buf *out)
{
    const char *data = edit->text.data;
    size_t from = child && child->key ? child->key->end : 0, to = child ? child->start : 0;
    size_t spaces = 0, colons = 0;

    for (size_t i = from; child && child->key && i < to; i++) {
        spaces += data[i] == ' ';
        colons += data[i] == ':';
    }
    if (colons == 1 && spaces + colons == to - from && (spaces > 0 || edit->json))
        return cf_buf_add(out, data + from, to - from);
    return cf_buf_add_str(out, ": ");
}

static int insert_behind(const struct cf_edit *edit, const struct cf_edit_node *parent,
                         const struct cf_edit_node *key, const struct cf_edit_node *value,
                         struct form *form, struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    const struct cf_edit_node *last = parent->last;
    struct cf_buf prefix cf_autobuf = CF_BUF_INIT, colon cf_autobuf = CF_BUF_INIT;
    size_t begins = last->key ? last->key->start : last->start;
    size_t line = cf_line_start(text, begins);
    bool own_line = cf_is_blank(text, line, begins) && line > parent->content;
    int r = colon_of(edit, last, &colon);

    splice->from = splice->to =
        last->key && last->key->end > last->end ? last->key->end : last->end;
    if (last->key && last->key->style == CF_YAML_DOUBLE)
        form->style = CF_YAML_DOUBLE;
    if (r == 0)
        r = add_prefix(text, begins, &prefix);
    if (r == 0)
        r = cf_buf_add_char(&splice->text, ',');
    if (r == 0 && own_line)
        r = cf_buf_printf(&splice->text, "%s%s", form->eol, prefix.data ? prefix.data : "");
    else if (r == 0 && (colon.len != 1 || !edit->json))
        r = cf_buf_add_char(&splice->text, ' ');
    return r < 0 ? r
                 : write_item(edit, parent, key, colon.data, value, prefix.data ? prefix.data : "",
                              form, &splice->text);
}

/* Into {} or []. */
static int insert_first(const struct cf_edit *edit, const struct cf_edit_node *parent,
                        const struct cf_edit_node *key, const struct cf_edit_node *value,
                        struct form *form, struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    struct cf_buf outer cf_autobuf = CF_BUF_INIT, inner cf_autobuf = CF_BUF_INIT;
    int r = 0;

    splice->from = parent->content + 1;
    splice->to = parent->end - 1;
    if (!cf_is_blank(text, splice->from, splice->to))
        splice->to = splice->from; /* comments stay */
    if (!is_spread(edit, parent))
        return write_item(edit, parent, key, ": ", value, "", form, &splice->text);
    r = add_prefix(text, parent->content, &outer);
    if (r == 0)
        r = cf_buf_add(&inner, outer.data ? outer.data : "", outer.len);
    if (r == 0)
        r = add_step(edit, parent, &inner);
    if (r == 0)
        r = cf_buf_printf(&splice->text, "%s%s", form->eol, inner.data);
    if (r == 0)
        r = write_item(edit, parent, key, ": ", value, inner.data, form, &splice->text);
    if (r == 0)
        r = cf_buf_printf(&splice->text, "%s%s", form->eol, outer.data ? outer.data : "");
    return r;
}

/* Lines behind the last child's. */
static int insert_lines(const struct cf_edit *edit, const struct cf_edit_node *parent,
                        const struct cf_edit_node *key, const struct cf_edit_node *value,
                        struct form *form, struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    struct cf_edit_node holder = {.kind = key ? CF_EDIT_MAP : CF_EDIT_LIST, .count = 1};
    struct cf_edit_node item = *value, name = {0};
    bool begun = ends_line(text, parent->end);
    int r = 0;

    if (key) {
        name = *key;
        item.key = &name;
    }
    item.next = NULL;
    holder.first = holder.last = &item;
    form->indent = cf_column(text, parent->content);
    splice->from = splice->to = begun ? parent->end : cf_line_end(text, parent->end);
    if (!begun)
        r = cf_buf_add_str(&splice->text, form->eol);
    for (size_t i = 0; i < form->indent && r == 0; i++)
        r = cf_buf_add_char(&splice->text, ' ');
    if (r == 0)
        r = cf_write_block(&splice->text, &holder, form);
    return r == 0 && begun ? cf_buf_add_str(&splice->text, form->eol) : r;
}

int cf_splice_insert(const struct cf_edit *edit, const struct cf_edit_node *parent,
                     const struct cf_edit_node *key, const struct cf_edit_node *value, bool careful,
                     struct splice *splice)
{
    struct form form = cf_form_of(edit, careful);

    form.flow = form.json || cf_in_flow(parent);
    if (parent->style != CF_YAML_FOLDED && parent->style == CF_YAML_BLOCK)
        return insert_lines(edit, parent, key, value, &form, splice);
    return parent->count ? insert_behind(edit, parent, key, value, &form, splice)
                         : insert_first(edit, parent, key, value, &form, splice);
}

/* ---- removing ---- */

static size_t item_start(const struct cf_edit_node *node)
{
    return node->key ? node->key->start : node->start;
}

static size_t item_end(const struct cf_edit_node *node)
{
    return node->key && node->key->end > node->end ? node->key->end : node->end;
}

static int remove_in_brackets(const struct cf_buf *text, const struct cf_edit_node *node,
                              const struct cf_edit_node *before, struct splice *splice)
{
    const struct cf_edit_node *parent = node->parent;

    splice->from = before ? item_end(before) : item_start(node);
    splice->to = item_end(node);
    if (node->next) {
        splice->from = item_start(node);
        splice->to = item_start(node->next);
    } else if (!before) {
        size_t comma = cf_skip_gap(text, splice->to);
        if (text->data[comma] == ',')
            splice->to = comma + 1;
        if (cf_is_blank(text, parent->content + 1, splice->from) &&
            cf_is_blank(text, splice->to, parent->end - 1)) {
            splice->from = parent->content + 1;
            splice->to = parent->end - 1;
        }
    }
    return 0;
}

/* Where an item's own text begins in a block: its key, or its dash. */
static size_t block_start(const struct cf_buf *text, const struct cf_edit_node *node)
{
    size_t at = 0;

    if (node->key)
        return node->key->start;
    return cf_value_place(text, node, &at) ? at - 1 : node->start;
}

int cf_splice_remove(const struct cf_edit *edit, const struct cf_edit_node *node, bool careful,
                     struct splice *splice)
{
    const struct cf_buf *text = &edit->text;
    const struct cf_edit_node *parent = node->parent, *before = NULL;

    for (const struct cf_edit_node *n = parent->first; n != node; n = n->next)
        before = n;
    if (parent->style == CF_YAML_FLOW)
        return remove_in_brackets(text, node, before, splice);
    if (parent->count == 1) { /* what is left is {} or [] */
        struct cf_edit_node empty = {.kind = parent->kind, .style = CF_YAML_FLOW};
        return cf_splice_replace(edit, parent, &empty, false, splice);
    }
    size_t start = block_start(text, node), line = cf_line_start(text, start);
    size_t end = item_end(node);
    if (!cf_is_blank(text, line, start)) { /* behind a dash: the next one takes its place */
        if (!node->next)
            return -ENOTSUP;
        splice->from = start;
        splice->to = block_start(text, node->next);
        return 0;
    }
    if (!ends_line(text, end)) {
        end = cf_line_end(text, end);
        while (end < text->len && text->data[end] != '\n')
            end++;
        end += end < text->len;
    }
    splice->from = line;
    splice->to = end;
    if (end == text->len && !ends_line(text, end) && before && line > 0 &&
        !careful) { /* no final break */
        splice->from = line - 1;
        if (splice->from > 0 && text->data[splice->from - 1] == '\r')
            splice->from--;
    }
    return 0;
}
