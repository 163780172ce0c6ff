/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes templates. Source of the rules: Go's text/template documentation, and Helm's for nil
 * ("missingkey=zero", and "<no value>" removed at the end).
 */
#ifndef CF_EXEC_H
#define CF_EXEC_H

#include "parse.h"

struct cf_engine;

struct cf_var {
    struct cf_name name;
    struct cf_val val;
};

/* Where the lines of what a file's template writes come from. */
struct cf_line_mark {
    uint32_t line; /* of the text so far, from 1 */
    uint32_t pos;  /* of the node that writes next, in the template */
    bool text;     /* it is text, line by line */
};
struct cf_line_map {
    struct cf_line_mark *marks;
    size_t count, room;
    uint32_t line;  /* of the end of the text that was counted */
    size_t counted; /* bytes */
    const struct cf_tree *tree;
};

/* One template being executed. */
struct cf_exec {
    struct cf_run *run;
    struct cf_engine *engine;
    const struct cf_tree *tree;
    const struct cf_node *node; /* where execution is */
    const struct cf_func *func; /* called at node, or NULL */
    bool message;               /* the failure is the chart author's own */
    struct cf_text *out;
    struct cf_var *vars;
    size_t var_count, var_room;
    struct cf_exec *outer;     /* the template that called this one */
    struct cf_line_map *lines; /* of the outermost; NULL elsewhere */
    bool by_template;          /* by {{template}}, else by a function (include, tpl) */
};

/* What all templates of a rendering share. */
struct cf_engine {
    struct cf_run *run;
    const struct cf_template_set *set;
    struct cf_line_map *lines; /* filled by the next outermost template; may be NULL */
    unsigned depth;            /* templates within templates */
    int64_t now;               /* seconds since the epoch */
    uint64_t random;           /* the state of what is made at random; 0: from the system */
};

/* Executes tree with dot as its data, appending to out. */
void cf_exec_template(struct cf_engine *engine, const struct cf_tree *tree, struct cf_val dot,
                      struct cf_text *out);
/* Text that is final: what Go prints for a missing value is dropped, as by Helm. */
struct cf_val cf_without_no_value(struct cf_run *run, struct cf_text *text);
/* Puts where the innermost template is in front of a failure's text, as Helm words it. */
void cf_exec_describe(struct cf_exec *x, char *text, size_t size);

#endif
