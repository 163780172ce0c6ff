/* SPDX-License-Identifier: Apache-2.0 */
/* Places in a text: lines, columns, gaps. */
#include <string.h>

#include "nodes.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

size_t cf_line_start(const struct cf_buf *text, size_t at)
{
    while (at > 0 && text->data[at - 1] != '\n')
        at--;
    return at == 0 && text->len >= 3 && !memcmp(text->data, byte_order_mark, 3) ? 3 : at;
}

size_t cf_line_end(const struct cf_buf *text, size_t at)
{
    while (at < text->len && text->data[at] != '\n')
        at++;
    return at > 0 && at < text->len && text->data[at - 1] == '\r' ? at - 1 : at;
}

size_t cf_column(const struct cf_buf *text, size_t at)
{
    size_t start = cf_line_start(text, at);
    return at > start ? at - start : 0;
}

size_t cf_skip_gap(const struct cf_buf *text, size_t at)
{
    while (at < text->len) {
        if (strchr(" \t\r\n", text->data[at]) && text->data[at])
            at++;
        else if (text->data[at] == '#')
            at = cf_line_end(text, at);
        else
            break;
    }
    return at;
}

bool cf_is_blank(const struct cf_buf *text, size_t from, size_t to)
{
    for (; from < to; from++)
        if (!memchr(" \t\r\n", text->data[from], 4))
            return false;
    return true;
}

bool cf_has_break(const struct cf_buf *text, size_t from, size_t to)
{
    return to > from && memchr(text->data + from, '\n', to - from) != NULL;
}

const char *cf_line_break(const struct cf_buf *text)
{
    const char *at = text->len ? memchr(text->data, '\n', text->len) : NULL;
    return at && at > text->data && at[-1] == '\r' ? "\r\n" : "\n";
}

size_t cf_indentation(const struct cf_buf *text, size_t line_start)
{
    size_t at = line_start;

    while (at < text->len && (text->data[at] == ' ' || text->data[at] == '\t'))
        at++;
    return at - line_start;
}

bool cf_in_flow(const struct cf_edit_node *node)
{
    for (; node; node = node->parent)
        if ((node->kind == CF_EDIT_MAP || node->kind == CF_EDIT_LIST) &&
            node->style == CF_YAML_FLOW)
            return true;
    return false;
}

bool cf_value_place(const struct cf_buf *text, const struct cf_edit_node *node, size_t *ret_at)
{
    const struct cf_edit_node *parent = node->parent, *before = NULL;
    size_t at;

    if (!parent)
        return false;
    if (node->key) {
        at = cf_skip_gap(text, node->key->end);
        if (at >= text->len || text->data[at] != ':')
            return false;
        *ret_at = at + 1;
        return true;
    }
    if (parent->style == CF_YAML_FLOW)
        return false;
    for (const struct cf_edit_node *n = parent->first; n != node; n = n->next)
        before = n;
    at = before ? cf_skip_gap(text, before->end) : parent->content;
    if (at >= text->len || text->data[at] != '-')
        return false;
    *ret_at = at + 1;
    return true;
}
