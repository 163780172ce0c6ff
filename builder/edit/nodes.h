/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the editor share: a text, its nodes, and places in it. Not public. */
#ifndef CF_EDIT_NODES_H
#define CF_EDIT_NODES_H

#include <cloudfs/edit.h>

struct chunk;
/* The documents of a text; nodes and strings are in the chunks. */
struct nodes {
    struct chunk *chunks;
    struct cf_edit_node **documents;
    size_t count;
};

struct cf_edit {
    char *name;
    struct cf_buf text;
    struct nodes nodes;
    bool json;
};

/* ---- nodes.c ---- */

/* Zeroed memory that lives as long as the nodes; NULL: -ENOMEM. */
void *cf_nodes_alloc(struct nodes *nodes, size_t size);
void cf_nodes_done(struct nodes *nodes);
/* follow: aliases are followed. */
int cf_nodes_parse(const char *name, const struct cf_buf *text, bool follow,
                   struct nodes *ret_nodes, struct cf_error *err);
/* A node of its own, with a copy of the value. */
struct cf_edit_node *cf_nodes_scalar(struct nodes *nodes, const char *value, size_t len,
                                     enum cf_yaml_style style);
/* A copy of a value and all below it, at no place. */
struct cf_edit_node *cf_nodes_copy(struct nodes *nodes, const struct cf_edit_node *value);
void cf_nodes_link(struct cf_edit_node *parent, struct cf_edit_node *child); /* as the last */
void cf_nodes_unlink(struct cf_edit_node *child);
/* The same nodes in the same order, anchors and tags too. */
bool cf_nodes_same(const struct cf_edit_node *a, const struct cf_edit_node *b);
bool cf_scalar_equal(const struct cf_edit_node *a, const struct cf_edit_node *b);

/* ---- places.c ---- */

size_t cf_line_start(const struct cf_buf *text, size_t at);
size_t cf_line_end(const struct cf_buf *text, size_t at); /* of its line break, or of the text */
size_t cf_column(const struct cf_buf *text, size_t at);   /* bytes, from 0 */
/* Behind white space, line breaks and comments. */
size_t cf_skip_gap(const struct cf_buf *text, size_t at);
bool cf_is_blank(const struct cf_buf *text, size_t from, size_t to); /* white space alone */
bool cf_has_break(const struct cf_buf *text, size_t from, size_t to);
const char *cf_line_break(const struct cf_buf *text); /* the one that the text uses */
/* How many white bytes a line begins with. */
size_t cf_indentation(const struct cf_buf *text, size_t line_start);
/* Where a map's value may begin: behind its colon; an item: behind its dash. False where there is
 * neither (a root, an item in brackets). */
bool cf_value_place(const struct cf_buf *text, const struct cf_edit_node *node, size_t *ret_at);
bool cf_in_flow(const struct cf_edit_node *node); /* in brackets, or in them itself */

/* ---- write.c ---- */

/* How text is written. */
struct form {
    const char *eol;
    bool json;
    bool flow;                /* inside brackets, or JSON */
    bool careful;             /* only what is never in doubt: double quotes, one line */
    enum cf_yaml_style style; /* of scalars, where it can hold them */
    size_t indent;            /* of what is written, in spaces */
    size_t step, dash;        /* of maps in maps, of lists in maps */
};
struct form cf_form_of(const struct cf_edit *edit, bool careful);
/* -EINVAL (no line) for what the form cannot say: a JSON number that is none. */
int cf_write_scalar(struct cf_buf *out, const struct cf_edit_node *value, const struct form *form);
int cf_write_key(struct cf_buf *out, const struct cf_edit_node *key, const struct form *form);
/* On one line, whatever it is. */
int cf_write_flow(struct cf_buf *out, const struct cf_edit_node *value, const struct form *form);
/* JSON over several lines; prefix: of the line that it begins in. */
int cf_write_pretty(struct cf_buf *out, const struct cf_edit_node *value, const char *prefix,
                    const char *step, const struct form *form);
/* A map or list that is not empty, its first line without the indentation, no line break behind. */
int cf_write_block(struct cf_buf *out, const struct cf_edit_node *value, const struct form *form);

/* ---- change.c: one change of the text; 1, or an error that leaves all as it was ---- */

int cf_change_replace(struct cf_edit *edit, struct cf_edit_node *node,
                      const struct cf_edit_node *value, struct cf_error *err);
/* key NULL: an item of a list. */
int cf_change_insert(struct cf_edit *edit, struct cf_edit_node *parent,
                     const struct cf_edit_node *key, const struct cf_edit_node *value,
                     struct cf_error *err);
int cf_change_remove(struct cf_edit *edit, struct cf_edit_node *node, struct cf_error *err);
/* A document behind the last. */
int cf_change_add_document(struct cf_edit *edit, const struct cf_edit_node *value,
                           struct cf_error *err);
int cf_change_remove_document(struct cf_edit *edit, size_t index, struct cf_error *err);

/* What a change turns the bytes from..to into. */
struct splice {
    size_t from, to;
    struct cf_buf text;
};
int cf_splice_replace(const struct cf_edit *edit, const struct cf_edit_node *node,
                      const struct cf_edit_node *value, bool careful, struct splice *splice);
int cf_splice_insert(const struct cf_edit *edit, const struct cf_edit_node *parent,
                     const struct cf_edit_node *key, const struct cf_edit_node *value, bool careful,
                     struct splice *splice);
int cf_splice_remove(const struct cf_edit *edit, const struct cf_edit_node *node, bool careful,
                     struct splice *splice);

/* ---- assign.c ---- */

/* Where a node is, as numbers that last over changes elsewhere: the document, then children. */
struct address {
    size_t *list;
    size_t count;
};
int cf_address_of(const struct cf_edit *edit, const struct cf_edit_node *node,
                  struct address *ret_address);
void cf_address_done(struct address *address);
int cf_address_push(struct address *address, size_t index);
struct cf_edit_node *cf_address_node(const struct cf_edit *edit, const struct address *address);
/* Makes the value there another, by as few changes as it takes. 1, or 0. */
int cf_assign(struct cf_edit *edit, struct address *at, const struct cf_edit_node *value,
              struct cf_error *err);
/* The place of a child among its siblings: by key, or -1. */
ptrdiff_t cf_child_index(const struct cf_edit_node *map, const struct cf_edit_node *key);

/* ---- path.c ---- */

enum step_kind { STEP_KEY, STEP_INDEX, STEP_SELECT };
struct step {
    enum step_kind kind;
    char *key;   /* KEY, SELECT */
    char *value; /* SELECT */
    long index;
};
struct path {
    struct step *list;
    size_t count;
};
int cf_path_parse(const char *text, struct path *ret_path, struct cf_error *err);
void cf_path_done(struct path *path);
/*
 * Follows all steps but the last `rest`. The node, and from which step on the path is in the
 * document. Where the text has no document: 0 and NULL.
 */
int cf_path_walk(const struct cf_edit *edit, const struct path *path, size_t rest,
                 struct cf_edit_node **ret_node, size_t *ret_first, struct cf_error *err);
/* The child that a step means: 0 and the node, 0 and NULL where there is none, or an error. */
int cf_path_step(const struct cf_edit *edit, struct cf_edit_node *node, const struct step *step,
                 struct cf_edit_node **ret_child, struct cf_error *err);
int cf_path_no_key(const struct cf_edit *edit, const struct cf_edit_node *node,
                   const struct step *step, struct cf_error *err);

/* "NAME:LINE: ..." */
int cf_edit_fail(const struct cf_edit *edit, size_t line, struct cf_error *err, int code,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
