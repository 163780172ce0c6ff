/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes as text, as Go shows them in messages. */
#include "parse.h"

static void put_pipe(struct cf_text *out, const struct cf_node *node)
{
    for (uint32_t i = 0; i < node->name_count; i++) {
        if (i)
            cf_text_str(out, ", ");
        cf_text_add(out, node->names[i].str, node->names[i].len);
    }
    if (node->name_count)
        cf_text_str(out, node->assign ? " = " : " := ");
    for (uint32_t i = 0; i < node->arg_count; i++) {
        if (i)
            cf_text_str(out, " | ");
        cf_node_string(out, node->args[i]);
    }
}

static void put_names(struct cf_text *out, const struct cf_node *node, bool first_dotted)
{
    for (uint32_t i = 0; i < node->name_count; i++) {
        if (i || first_dotted)
            cf_text_char(out, '.');
        cf_text_add(out, node->names[i].str, node->names[i].len);
    }
}

static void put_nested(struct cf_text *out, const struct cf_node *node)
{
    bool pipe = node->type == CF_N_PIPE;
    if (pipe)
        cf_text_char(out, '(');
    cf_node_string(out, node);
    if (pipe)
        cf_text_char(out, ')');
}

void cf_node_string(struct cf_text *out, const struct cf_node *node)
{
    switch (node->type) {
    case CF_N_PIPE:
        put_pipe(out, node);
        break;
    case CF_N_COMMAND:
        for (uint32_t i = 0; i < node->arg_count; i++) {
            if (i)
                cf_text_char(out, ' ');
            put_nested(out, node->args[i]);
        }
        break;
    case CF_N_DOT:
        cf_text_char(out, '.');
        break;
    case CF_N_NIL:
        cf_text_str(out, "nil");
        break;
    case CF_N_FIELD:
        put_names(out, node, true);
        break;
    case CF_N_VARIABLE:
        put_names(out, node, false);
        break;
    case CF_N_CHAIN:
        put_nested(out, node->pipe);
        put_names(out, node, true);
        break;
    case CF_N_BOOL:
        cf_text_str(out, node->val.b ? "true" : "false");
        break;
    case CF_N_IDENTIFIER:
    case CF_N_NUMBER:
    case CF_N_STRING:
        cf_text_add(out, node->source.str, node->source.len);
        break;
    case CF_N_TEMPLATE:
        cf_text_printf(out, "{{template \"%s\"", node->source.str);
        if (node->pipe) {
            cf_text_char(out, ' ');
            cf_node_string(out, node->pipe);
        }
        cf_text_str(out, "}}");
        break;
    case CF_N_ACTION:
        cf_text_str(out, "{{");
        cf_node_string(out, node->pipe);
        cf_text_str(out, "}}");
        break;
    default:
        cf_text_str(out, node->type == CF_N_RANGE  ? "range "
                         : node->type == CF_N_WITH ? "with "
                                                   : "if ");
        if (node->pipe)
            cf_node_string(out, node->pipe);
        break;
    }
}
