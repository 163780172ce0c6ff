/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go templates as trees. Source of the grammar: Go's text/template documentation ("Actions",
 * "Arguments", "Pipelines", "Variables"). The text that was parsed is borrowed and must live as
 * long.
 */
#ifndef CF_PARSE_H
#define CF_PARSE_H

#include "value.h"

enum cf_node_type {
    CF_N_LIST,
    CF_N_TEXT,
    CF_N_ACTION,
    CF_N_IF,
    CF_N_WITH,
    CF_N_RANGE,
    CF_N_TEMPLATE,
    CF_N_BREAK,
    CF_N_CONTINUE,
    CF_N_PIPE,
    CF_N_COMMAND,
    CF_N_DOT,
    CF_N_NIL,
    CF_N_FIELD,
    CF_N_VARIABLE,
    CF_N_IDENTIFIER,
    CF_N_CHAIN,
    CF_N_BOOL,
    CF_N_NUMBER,
    CF_N_STRING,
};

struct cf_name {
    const char *str;
    uint32_t len;
};

struct cf_func;

struct cf_node {
    uint8_t type;
    bool assign;         /* PIPE: "=" rather than ":=" */
    uint32_t pos;        /* in the text */
    uint32_t arg_count;  /* LIST: nodes; PIPE: commands; COMMAND: operands */
    uint32_t name_count; /* FIELD, VARIABLE, CHAIN: parts, without "."; PIPE: declared variables */
    struct cf_node **args;
    struct cf_name *names;
    struct cf_node *pipe; /* ACTION, IF, WITH, RANGE, TEMPLATE; CHAIN: what the fields are of */
    struct cf_node *list, *else_list; /* IF, WITH, RANGE */
    const struct cf_func *func;       /* IDENTIFIER */
    struct cf_name source;            /* constants, TEXT, TEMPLATE and IDENTIFIER: as written */
    struct cf_val val;                /* BOOL, NUMBER, STRING */
};

struct cf_tree {
    const char *name;       /* of the template */
    const char *parse_name; /* of the file that it is in */
    const char *text;
    size_t text_len;
    struct cf_node *root; /* LIST */
};

/* Templates by name; in a later parse a name may come again, and then replaces the earlier one. */
struct cf_template_set {
    struct cf_dict *trees;               /* POINTER to struct cf_tree */
    const struct cf_template_set *outer; /* of a `tpl`: looked in next */
};
void cf_template_set_init(struct cf_template_set *set, struct cf_run *run);

/*
 * The template called name and those that it defines, by name (POINTER to struct cf_tree). Throws
 * on what is no template. The trees are never changed, and may be executed by any run while they
 * live.
 */
struct cf_dict *cf_template_parse_file(struct cf_run *run, const char *name, const char *text,
                                       size_t len);
/* Adds them to the set; an empty one never replaces another. */
void cf_template_publish(struct cf_run *run, struct cf_template_set *set,
                         const struct cf_dict *trees);
/* Both at once; the template called name. */
const struct cf_tree *cf_template_parse(struct cf_run *run, struct cf_template_set *set,
                                        const char *name, const char *text, size_t len);
const struct cf_tree *cf_template_find(const struct cf_template_set *set, const char *name,
                                       size_t len);
/* Line and column (both as Go counts: from 1, and bytes from 0) of a position. */
void cf_tree_place(const struct cf_tree *tree, uint32_t pos, unsigned *ret_line,
                   unsigned *ret_column);
/* A node as Go writes it in messages. */
void cf_node_string(struct cf_text *out, const struct cf_node *node);

/* ---- tokens ---- */

enum cf_token_type {
    CF_TOK_EOF,
    CF_TOK_ERROR, /* text tells what is wrong */
    CF_TOK_TEXT,
    CF_TOK_LEFT,
    CF_TOK_RIGHT,
    CF_TOK_SPACE,
    CF_TOK_BOOL,
    CF_TOK_CHAR, /* any other character, "," above all */
    CF_TOK_CHAR_CONSTANT,
    CF_TOK_ASSIGN,
    CF_TOK_DECLARE,
    CF_TOK_FIELD,
    CF_TOK_IDENTIFIER,
    CF_TOK_LEFT_PAREN,
    CF_TOK_RIGHT_PAREN,
    CF_TOK_NUMBER,
    CF_TOK_PIPE,
    CF_TOK_RAW_STRING,
    CF_TOK_STRING,
    CF_TOK_VARIABLE,
    CF_TOK_DOT,
    CF_TOK_NIL,
    CF_TOK_KEYWORD, /* those from here on are keywords */
    CF_TOK_BLOCK,
    CF_TOK_BREAK,
    CF_TOK_CONTINUE,
    CF_TOK_DEFINE,
    CF_TOK_ELSE,
    CF_TOK_END,
    CF_TOK_IF,
    CF_TOK_RANGE,
    CF_TOK_TEMPLATE,
    CF_TOK_WITH,
};
struct cf_token {
    enum cf_token_type type;
    uint32_t pos;
    const char *str;
    uint32_t len;
};
struct cf_tokens {
    struct cf_token *list; /* ends with EOF or ERROR */
    size_t count, room;
};
void cf_template_lex(struct cf_run *run, const char *text, size_t len,
                     struct cf_tokens *ret_tokens);
/* The value of a quoted Go string or character, quotes included; false when it is none. */
bool cf_go_unquote(struct cf_run *run, const char *str, size_t len, struct cf_val *ret_val);

#endif
