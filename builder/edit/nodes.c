/* SPDX-License-Identifier: Apache-2.0 */
/* A text as nodes with their spans. */
#include "nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t data[];
};

void *cf_nodes_alloc(struct nodes *nodes, size_t size)
{
    struct chunk *chunk = nodes->chunks;

    size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > 16384 ? size : 16384;
        chunk = calloc(1, sizeof(*chunk) + room);
        if (!chunk)
            return NULL;
        chunk->size = room;
        chunk->next = nodes->chunks;
        nodes->chunks = chunk;
    }
    void *memory = (char *)chunk->data + chunk->used;
    chunk->used += size;
    return memory;
}

void cf_nodes_done(struct nodes *nodes)
{
    while (nodes->chunks) {
        struct chunk *next = nodes->chunks->next;
        free(nodes->chunks);
        nodes->chunks = next;
    }
    free(nodes->documents);
    *nodes = (struct nodes){0};
}

static const char *copy_text(struct nodes *nodes, const char *text, size_t len)
{
    char *copy = cf_nodes_alloc(nodes, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

/* The type of a scalar by its style and tag. */
static enum cf_yaml_type type_of(const char *value, size_t len, enum cf_yaml_style style,
                                 const char *tag)
{
    static const char core[] = "tag:yaml.org,2002:";
    struct cf_yaml_plain plain;

    if (tag) {
        const char *name = strncmp(tag, core, sizeof(core) - 1) ? "" : tag + sizeof(core) - 1;
        if (strcmp(name, "int") != 0 && strcmp(name, "float") != 0 && strcmp(name, "bool") != 0 &&
            strcmp(name, "null") != 0)
            return CF_YAML_STRING;
    } else if (style != CF_YAML_PLAIN) {
        return CF_YAML_STRING;
    }
    cf_yaml_resolve(value, len, &plain);
    return plain.type;
}

struct cf_edit_node *cf_nodes_scalar(struct nodes *nodes, const char *value, size_t len,
                                     enum cf_yaml_style style)
{
    struct cf_edit_node *node = cf_nodes_alloc(nodes, sizeof(*node));

    if (!node)
        return NULL;
    node->style = style;
    node->value = copy_text(nodes, value, len);
    node->len = len;
    node->type = type_of(value, len, style, NULL);
    return node->value ? node : NULL;
}

struct cf_edit_node *cf_nodes_copy(struct nodes *nodes, const struct cf_edit_node *value)
{
    struct cf_edit_node *node = cf_nodes_alloc(nodes, sizeof(*node));

    if (!node)
        return NULL;
    *node = (struct cf_edit_node){
        .kind = value->kind, .style = value->style, .type = value->type, .len = value->len};
    if (value->value && !(node->value = copy_text(nodes, value->value, value->len)))
        return NULL;
    for (const struct cf_edit_node *child = value->first; child; child = child->next) {
        struct cf_edit_node *copy = cf_nodes_copy(nodes, child);
        if (!copy || (child->key && !(copy->key = cf_nodes_copy(nodes, child->key))))
            return NULL;
        cf_nodes_link(node, copy);
    }
    return node;
}

void cf_nodes_link(struct cf_edit_node *parent, struct cf_edit_node *child)
{
    child->parent = parent;
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

void cf_nodes_unlink(struct cf_edit_node *child)
{
    struct cf_edit_node *parent = child->parent, *before = NULL;

    for (struct cf_edit_node *n = parent->first; n != child; n = n->next)
        before = n;
    if (before)
        before->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child)
        parent->last = before;
    parent->count--;
}

bool cf_scalar_equal(const struct cf_edit_node *a, const struct cf_edit_node *b)
{
    struct cf_yaml_plain x, y;

    if (a->type != b->type)
        return false;
    if (a->type == CF_YAML_NULL || (a->len == b->len && !memcmp(a->value, b->value, a->len)))
        return true;
    if (a->type == CF_YAML_STRING)
        return false;
    cf_yaml_resolve(a->value, a->len, &x);
    cf_yaml_resolve(b->value, b->len, &y);
    if (a->type == CF_YAML_BOOL)
        return x.truth == y.truth;
    if (x.has_whole && y.has_whole)
        return x.whole == y.whole;
    return x.number >= y.number && x.number <= y.number;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

bool cf_nodes_same(const struct cf_edit_node *a, const struct cf_edit_node *b)
{
    if (a->kind != b->kind || a->count != b->count || !same_text(a->anchor, b->anchor) ||
        !same_text(a->tag, b->tag))
        return false;
    if (a->kind == CF_EDIT_SCALAR && !cf_scalar_equal(a, b))
        return false;
    if (a->kind == CF_EDIT_ALIAS && !same_text(a->value, b->value))
        return false;
    const struct cf_edit_node *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next)
        if (!x->key != !y->key || (x->key && !cf_nodes_same(x->key, y->key)) ||
            !cf_nodes_same(x, y))
            return false;
    return true;
}

/* ---- reading ---- */

struct level {
    struct cf_edit_node *node, *key; /* key: read, its value still to come */
};
struct reader {
    const char *name;
    const struct cf_buf *text;
    struct nodes *nodes;
    struct cf_yaml_event event;
    struct level levels[CF_YAML_MAX_DEPTH + 1];
    size_t depth;
};

/* Where a block scalar ends: behind its last line that is not blank, unless it keeps them. */
static size_t block_end(const struct cf_buf *text, size_t content, size_t end)
{
    size_t head = cf_line_end(text, content);

    if (memchr(text->data + content, '+', head - content))
        return end;
    while (end > head + 1 && text->data[end - 1] == '\n') {
        size_t start = cf_line_start(text, end - 1);
        if (start <= head || !cf_is_blank(text, start, end))
            break;
        end = start;
    }
    return end;
}

/* Behind the anchor and the tag of a node. */
static size_t skip_properties(const struct reader *reader, const struct cf_edit_node *node,
                              size_t bound)
{
    const struct cf_buf *text = reader->text;
    size_t at = node->start;

    for (int i = (node->anchor != NULL) + (node->tag != NULL); i > 0 && at < bound; i--) {
        if (text->data[at] != '&' && text->data[at] != '!')
            break;
        while (at < bound && !strchr(" \t\r\n,[]{}", text->data[at]))
            at++;
        size_t next = cf_skip_gap(text, at);
        if (next < bound)
            at = next;
        else if (i == 1)
            return node->kind == CF_EDIT_SCALAR ? bound : at;
    }
    return at;
}

static int fill_node(struct reader *reader, struct cf_edit_node *node)
{
    const struct cf_yaml_event *event = &reader->event;
    struct nodes *nodes = reader->nodes;

    node->style = event->style;
    node->start = event->start.offset;
    node->end = event->end.offset;
    node->line = event->start.line;
    node->tag = event->tag ? copy_text(nodes, event->tag, strlen(event->tag)) : NULL;
    node->anchor = event->anchor ? copy_text(nodes, event->anchor, strlen(event->anchor)) : NULL;
    if ((event->tag && !node->tag) || (event->anchor && !node->anchor))
        return -ENOMEM;
    if (event->kind == CF_YAML_ALIAS) {
        node->kind = CF_EDIT_ALIAS;
        node->value = node->anchor;
        node->len = strlen(node->anchor);
        node->anchor = NULL;
    } else if (event->kind == CF_YAML_SCALAR) {
        node->value = copy_text(nodes, event->value, event->len);
        node->len = event->len;
        node->type = type_of(event->value, event->len, event->style, event->tag);
        if (!node->value)
            return -ENOMEM;
    } else {
        node->kind = event->kind == CF_YAML_MAP ? CF_EDIT_MAP : CF_EDIT_LIST;
    }
    bool scalar = node->kind == CF_EDIT_SCALAR || node->kind == CF_EDIT_ALIAS;
    node->content = skip_properties(reader, node, scalar ? node->end : reader->text->len);
    for (size_t i = node->start; i < node->content; i++)
        node->line += reader->text->data[i] == '\n';
    if (node->style == CF_YAML_LITERAL || node->style == CF_YAML_FOLDED)
        node->end = block_end(reader->text, node->content, node->end);
    return 0;
}

static int add_document(struct nodes *nodes, struct cf_edit_node *node)
{
    struct cf_edit_node **list = reallocarray(nodes->documents, nodes->count + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    nodes->documents = list;
    nodes->documents[nodes->count++] = node;
    return 0;
}

/* Puts a node where it belongs: a document, an item, a key, or a key's value. */
static int place_node(struct reader *reader, struct cf_edit_node *node)
{
    struct level *level = &reader->levels[reader->depth];

    if (reader->depth == 0)
        return add_document(reader->nodes, node);
    node->parent = level->node;
    if (level->node->kind == CF_EDIT_MAP && !level->key) {
        level->key = node;
        return 0;
    }
    node->key = level->key;
    level->key = NULL;
    cf_nodes_link(level->node, node);
    return 0;
}

static void end_collection(struct reader *reader)
{
    struct cf_edit_node *node = reader->levels[reader->depth--].node;

    if (node->style == CF_YAML_FLOW)
        node->end = reader->event.end.offset;
    else if (node->last)
        node->end = node->last->key && node->last->key->end > node->last->end ? node->last->key->end
                                                                              : node->last->end;
    else
        node->end = node->content;
}

static int take_event(struct reader *reader)
{
    enum cf_yaml_kind kind = reader->event.kind;

    if (kind == CF_YAML_DOCUMENT || kind == CF_YAML_DOCUMENT_END)
        return 0;
    if (kind == CF_YAML_MAP_END || kind == CF_YAML_SEQUENCE_END) {
        end_collection(reader);
        return 0;
    }
    struct cf_edit_node *node = cf_nodes_alloc(reader->nodes, sizeof(*node));
    int r = node ? fill_node(reader, node) : -ENOMEM;
    if (r == 0)
        r = place_node(reader, node);
    if (r == 0 && (kind == CF_YAML_MAP || kind == CF_YAML_SEQUENCE))
        reader->levels[++reader->depth] = (struct level){node, NULL};
    return r;
}

static int fail_yaml(const char *name, const struct cf_yaml *yaml, struct cf_error *own,
                     struct cf_error *err)
{
    struct cf_yaml_mark where = cf_yaml_where(yaml);
    const char *why = strncmp(own->text, "line ", 5) ? NULL : strstr(own->text, ": ");

    return cf_fail(err, own->code, "%s:%zu:%zu: %s", name, where.line, where.column,
                   why ? why + 2 : own->text);
}

int cf_nodes_parse(const char *name, const struct cf_buf *text, bool follow,
                   struct nodes *ret_nodes, struct cf_error *err)
{
    size_t mark = cf_line_start(text, 0); /* behind a byte order mark */
    struct cf_yaml_options options = {.data = text->data ? text->data + mark : "",
                                      .len = text->len - mark,
                                      .first_offset = mark,
                                      .keep_aliases = !follow};
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct reader *reader cf_autofree = calloc(1, sizeof(*reader));
    struct nodes nodes = {0};
    struct cf_error own = {0};
    int r = reader ? cf_yaml_open(&options, &yaml, err) : cf_fail(err, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    reader->name = name;
    reader->text = text;
    reader->nodes = &nodes;
    while ((r = cf_yaml_next(yaml, &reader->event, &own)) > 0) {
        r = take_event(reader);
        if (r < 0)
            break;
    }
    if (r < 0) {
        cf_nodes_done(&nodes);
        return own.code ? fail_yaml(name, yaml, &own, err) : cf_fail(err, r, "out of memory");
    }
    *ret_nodes = nodes;
    return 0;
}
