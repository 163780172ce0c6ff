/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "func.h"
#include "number.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct parser {
    struct cf_run *run;
    struct cf_dict *here; /* what this parse has defined */
    struct cf_tree *tree;
    struct cf_tokens tokens;
    size_t at;
    struct cf_name *vars;
    size_t var_count, var_room;
    unsigned loops;
};

void cf_template_set_init(struct cf_template_set *set, struct cf_run *run)
{
    set->trees = cf_val_map(run, 64).dict;
    set->outer = NULL;
}

const struct cf_tree *cf_template_find(const struct cf_template_set *set, const char *name,
                                       size_t len)
{
    for (; set; set = set->outer) {
        const struct cf_val *val = cf_dict_get(set->trees, name, len);
        if (val)
            return val->pointer;
    }
    return NULL;
}

void cf_tree_place(const struct cf_tree *tree, uint32_t pos, unsigned *ret_line,
                   unsigned *ret_column)
{
    *ret_line = 1;
    *ret_column = 0;
    for (uint32_t i = 0; i < pos && i < tree->text_len; i++) {
        ++*ret_column;
        if (tree->text[i] == '\n') {
            ++*ret_line;
            *ret_column = 0;
        }
    }
}

static _Noreturn void fail(struct parser *p, uint32_t pos, const char *what, struct cf_name name,
                           const char *rest)
{
    unsigned line, column;
    cf_tree_place(p->tree, pos, &line, &column);
    cf_run_throw(p->run, -EINVAL, "parse error at (%s:%u:%u): %s%.*s%s", p->tree->parse_name, line,
                 column, what, name.len > 60 ? 60 : (int)name.len, name.str ? name.str : "", rest);
}

static _Noreturn void fail_at(struct parser *p, const struct cf_token *token, const char *what)
{
    fail(p, token->pos, what, (struct cf_name){0}, "");
}

static _Noreturn void unexpected(struct parser *p, const struct cf_token *token,
                                 const char *context)
{
    char rest[96];
    if (token->type == CF_TOK_ERROR)
        fail(p, token->pos, "", (struct cf_name){token->str, token->len}, "");
    snprintf(rest, sizeof rest, "%s in %s", token->type == CF_TOK_EOF ? "" : ">", context);
    if (token->type == CF_TOK_EOF)
        fail(p, token->pos, "unexpected EOF", (struct cf_name){0}, "");
    fail(p, token->pos, "unexpected <", (struct cf_name){token->str, token->len}, rest);
}

static struct cf_token *peek(struct parser *p)
{
    return &p->tokens.list[p->at];
}

static struct cf_token *next(struct parser *p)
{
    struct cf_token *token = &p->tokens.list[p->at];
    if (token->type != CF_TOK_EOF && token->type != CF_TOK_ERROR)
        p->at++;
    return token;
}

static struct cf_token *peek_solid(struct parser *p)
{
    while (peek(p)->type == CF_TOK_SPACE)
        p->at++;
    return peek(p);
}

static struct cf_token *next_solid(struct parser *p)
{
    (void)peek_solid(p);
    return next(p);
}

static struct cf_node *new_node(struct parser *p, enum cf_node_type type, uint32_t pos)
{
    struct cf_node *node = cf_run_alloc(p->run, sizeof *node);
    node->type = (uint8_t)type;
    node->pos = pos;
    return node;
}

static void add_arg(struct parser *p, struct cf_node *node, struct cf_node *arg)
{
    uint32_t count = node->arg_count;
    if (!(count & (count - 1))) { /* at 0, 1, 2, 4 ...: full */
        struct cf_node **args =
            cf_run_alloc_array(p->run, count ? count * 2 : 1, sizeof(struct cf_node *));
        if (count)
            memcpy(args, node->args, count * sizeof(struct cf_node *));
        node->args = args;
    }
    node->args[node->arg_count++] = arg;
}

static void add_name(struct parser *p, struct cf_node *node, const char *str, uint32_t len)
{
    uint32_t count = node->name_count;
    if (!(count & (count - 1))) {
        struct cf_name *names = cf_run_alloc_array(p->run, count ? count * 2 : 1, sizeof *names);
        if (count)
            memcpy(names, node->names, count * sizeof *names);
        node->names = names;
    }
    node->names[node->name_count++] = (struct cf_name){str, len};
}

static void push_var(struct parser *p, struct cf_name name)
{
    if (p->var_count == p->var_room) {
        size_t room = p->var_room ? p->var_room * 2 : 16;
        struct cf_name *vars = cf_run_alloc_array(p->run, room, sizeof *vars);
        if (p->var_count)
            memcpy(vars, p->vars, p->var_count * sizeof *vars);
        p->vars = vars;
        p->var_room = room;
    }
    p->vars[p->var_count++] = name;
}

static void use_var(struct parser *p, const struct cf_token *token)
{
    for (size_t i = p->var_count; i-- > 0;)
        if (p->vars[i].len == token->len && !memcmp(p->vars[i].str, token->str, token->len))
            return;
    fail(p, token->pos, "undefined variable \"", (struct cf_name){token->str, token->len}, "\"");
}

static struct cf_node *parse_pipeline(struct parser *p, const char *context,
                                      enum cf_token_type end);

static struct cf_node *number_node(struct parser *p, const struct cf_token *token)
{
    struct cf_node *node = new_node(p, CF_N_NUMBER, token->pos);
    node->source = (struct cf_name){token->str, token->len};
    if (token->type == CF_TOK_CHAR_CONSTANT) {
        struct cf_val text;
        int width;
        if (!cf_go_unquote(p->run, token->str, token->len, &text) || !text.len)
            fail(p, token->pos, "malformed character constant: ", node->source, "");
        node->val = cf_val_int(cf_rune_at(text.str, text.len, &width));
        return node;
    }
    if (!cf_number_parse_go(token->str, token->len, &node->val))
        fail(p, token->pos, "bad number syntax: \"", node->source, "\"");
    return node;
}

static struct cf_node *identifier_node(struct parser *p, const struct cf_token *token)
{
    struct cf_node *node = new_node(p, CF_N_IDENTIFIER, token->pos);
    node->source = (struct cf_name){token->str, token->len};
    node->func = cf_func_find(token->str, token->len);
    if (!node->func)
        fail(p, token->pos, "function \"", node->source, "\" not defined");
    return node;
}

/* NULL: no operand starts here. */
static struct cf_node *parse_term(struct parser *p)
{
    struct cf_token *token = peek_solid(p);
    struct cf_node *node;
    switch (token->type) {
    case CF_TOK_IDENTIFIER:
        p->at++;
        return identifier_node(p, token);
    case CF_TOK_DOT:
    case CF_TOK_NIL:
        p->at++;
        return new_node(p, token->type == CF_TOK_DOT ? CF_N_DOT : CF_N_NIL, token->pos);
    case CF_TOK_VARIABLE:
        p->at++;
        use_var(p, token);
        node = new_node(p, CF_N_VARIABLE, token->pos);
        add_name(p, node, token->str, token->len);
        return node;
    case CF_TOK_FIELD:
        p->at++;
        node = new_node(p, CF_N_FIELD, token->pos);
        add_name(p, node, token->str + 1, token->len - 1);
        return node;
    case CF_TOK_BOOL:
        p->at++;
        node = new_node(p, CF_N_BOOL, token->pos);
        node->val = cf_val_bool(token->str[0] == 't');
        return node;
    case CF_TOK_CHAR_CONSTANT:
    case CF_TOK_NUMBER:
        p->at++;
        return number_node(p, token);
    case CF_TOK_LEFT_PAREN:
        p->at++;
        return parse_pipeline(p, "parenthesized pipeline", CF_TOK_RIGHT_PAREN);
    case CF_TOK_STRING:
    case CF_TOK_RAW_STRING:
        p->at++;
        node = new_node(p, CF_N_STRING, token->pos);
        node->source = (struct cf_name){token->str, token->len};
        if (!cf_go_unquote(p->run, token->str, token->len, &node->val))
            fail_at(p, token, "invalid syntax in a string");
        return node;
    default:
        return NULL;
    }
}

static struct cf_node *parse_operand(struct parser *p)
{
    struct cf_node *node = parse_term(p);
    if (!node || peek(p)->type != CF_TOK_FIELD)
        return node;
    if (node->type != CF_N_FIELD && node->type != CF_N_VARIABLE) {
        if (node->type != CF_N_PIPE && node->type != CF_N_IDENTIFIER)
            fail_at(p, peek(p), "unexpected . after term");
        struct cf_node *chain = new_node(p, CF_N_CHAIN, peek(p)->pos);
        chain->pipe = node;
        node = chain;
    }
    node->pos = peek(p)->pos; /* as Go has it: of the first field behind the term */
    while (peek(p)->type == CF_TOK_FIELD) {
        struct cf_token *token = next(p);
        add_name(p, node, token->str + 1, token->len - 1);
    }
    return node;
}

static struct cf_node *parse_command(struct parser *p)
{
    struct cf_node *command = new_node(p, CF_N_COMMAND, peek_solid(p)->pos);
    for (;;) {
        (void)peek_solid(p);
        struct cf_node *operand = parse_operand(p);
        if (operand)
            add_arg(p, command, operand);
        struct cf_token *token = next(p);
        if (token->type == CF_TOK_SPACE)
            continue;
        if (token->type == CF_TOK_RIGHT || token->type == CF_TOK_RIGHT_PAREN)
            p->at--;
        else if (token->type != CF_TOK_PIPE)
            unexpected(p, token, "operand");
        break;
    }
    if (!command->arg_count)
        fail(p, command->pos, "empty command", (struct cf_name){0}, "");
    return command;
}

/* "$x :=", "$x =", and for range "$i, $x :=". */
static void parse_declarations(struct parser *p, struct cf_node *pipe, const char *context)
{
    for (;;) {
        size_t start = (size_t)(peek_solid(p) - p->tokens.list);
        struct cf_token *variable = peek(p);
        if (variable->type != CF_TOK_VARIABLE)
            return;
        p->at++;
        struct cf_token *token = peek_solid(p);
        if (token->type == CF_TOK_ASSIGN || token->type == CF_TOK_DECLARE) {
            p->at++;
            pipe->assign = token->type == CF_TOK_ASSIGN;
            add_name(p, pipe, variable->str, variable->len);
            if (pipe->assign)
                use_var(p, variable);
            else
                push_var(p, (struct cf_name){variable->str, variable->len});
            return;
        }
        if (token->type != CF_TOK_CHAR || token->str[0] != ',') {
            p->at = start;
            return;
        }
        p->at++;
        add_name(p, pipe, variable->str, variable->len);
        push_var(p, (struct cf_name){variable->str, variable->len});
        if (strcmp(context, "range") || pipe->name_count > 1)
            fail_at(p, token, "too many declarations");
        if (peek_solid(p)->type != CF_TOK_VARIABLE)
            fail_at(p, token, "range can only initialize variables");
    }
}

static void check_pipeline(struct parser *p, struct cf_node *pipe, const char *context)
{
    if (!pipe->arg_count)
        fail(p, pipe->pos, "missing value for ",
             (struct cf_name){context, (uint32_t)strlen(context)}, "");
    for (uint32_t i = 1; i < pipe->arg_count; i++) {
        const struct cf_node *first = pipe->args[i]->args[0];
        if (first->type == CF_N_BOOL || first->type == CF_N_DOT || first->type == CF_N_NIL ||
            first->type == CF_N_NUMBER || first->type == CF_N_STRING)
            fail(p, first->pos, "non executable command in pipeline", (struct cf_name){0}, "");
    }
}

static struct cf_node *parse_pipeline(struct parser *p, const char *context, enum cf_token_type end)
{
    cf_run_check_stack(p->run);
    struct cf_node *pipe = new_node(p, CF_N_PIPE, peek_solid(p)->pos);
    parse_declarations(p, pipe, context);
    for (;;) {
        struct cf_token *token = peek_solid(p);
        switch (token->type) {
        case CF_TOK_BOOL:
        case CF_TOK_CHAR_CONSTANT:
        case CF_TOK_DOT:
        case CF_TOK_FIELD:
        case CF_TOK_IDENTIFIER:
        case CF_TOK_NUMBER:
        case CF_TOK_NIL:
        case CF_TOK_RAW_STRING:
        case CF_TOK_STRING:
        case CF_TOK_VARIABLE:
        case CF_TOK_LEFT_PAREN:
            add_arg(p, pipe, parse_command(p));
            break;
        default:
            if (token->type != end)
                unexpected(p, token, context);
            p->at++;
            check_pipeline(p, pipe, context);
            return pipe;
        }
    }
}

static struct cf_node *parse_list(struct parser *p, bool top, enum cf_token_type *ret_end);

/* if, with, range: up to their end. */
static struct cf_node *parse_control(struct parser *p, enum cf_node_type type, uint32_t pos,
                                     const char *context)
{
    enum cf_token_type end;
    size_t vars = p->var_count;
    struct cf_node *node = new_node(p, type, pos);
    cf_run_check_stack(p->run);
    node->pipe = parse_pipeline(p, context, CF_TOK_RIGHT);
    p->loops += type == CF_N_RANGE;
    node->list = parse_list(p, false, &end);
    p->loops -= type == CF_N_RANGE;
    if (end == CF_TOK_ELSE) {
        struct cf_token *token = peek_solid(p);
        if (type != CF_N_RANGE && (token->type == CF_TOK_IF || token->type == CF_TOK_WITH)) {
            bool is_if = token->type == CF_TOK_IF;
            p->at++;
            node->else_list = new_node(p, CF_N_LIST, token->pos);
            add_arg(
                p, node->else_list,
                parse_control(p, is_if ? CF_N_IF : CF_N_WITH, token->pos, is_if ? "if" : "with"));
        } else {
            token = next_solid(p);
            if (token->type != CF_TOK_RIGHT)
                unexpected(p, token, "else");
            node->else_list = parse_list(p, false, &end);
            if (end != CF_TOK_END)
                fail_at(p, peek(p), "expected end; found {{else}}");
        }
    }
    p->var_count = vars;
    return node;
}

static bool is_empty(const struct cf_node *list)
{
    for (uint32_t i = 0; i < list->arg_count; i++) {
        const struct cf_node *node = list->args[i];
        if (node->type != CF_N_TEXT)
            return false;
        for (uint32_t j = 0; j < node->source.len; j++)
            if (!strchr(" \t\r\n\v\f", node->source.str[j]))
                return false;
    }
    return true;
}

/* An empty template never replaces one that is not. */
static void add_tree(struct parser *p, struct cf_tree *tree, uint32_t pos)
{
    size_t len = strlen(tree->name);
    const struct cf_val *old = cf_dict_get(p->here, tree->name, len);
    struct cf_val val = {.kind = CF_POINTER, .pointer = tree};
    if (old && !is_empty(((struct cf_tree *)old->pointer)->root)) {
        if (!is_empty(tree->root))
            fail(p, pos, "template: multiple definition of template \"",
                 (struct cf_name){tree->name, (uint32_t)len}, "\"");
        return;
    }
    cf_dict_set(p->run, p->here, tree->name, len, val);
}

static const char *template_name(struct parser *p, struct cf_token *token, const char *context)
{
    struct cf_val name;
    if (token->type != CF_TOK_STRING && token->type != CF_TOK_RAW_STRING)
        unexpected(p, token, context);
    if (!cf_go_unquote(p->run, token->str, token->len, &name))
        fail_at(p, token, "invalid syntax in a string");
    return name.str;
}

/* The body of define or block, as a tree of its own. */
static void parse_body(struct parser *p, const char *name, uint32_t pos)
{
    struct cf_tree *outer = p->tree, *tree = cf_run_alloc(p->run, sizeof *tree);
    struct cf_name dollar = {"$", 1}, *vars = p->vars;
    size_t count = p->var_count, room = p->var_room;
    enum cf_token_type end;
    unsigned loops = p->loops;
    *tree = *outer;
    tree->name = name;
    p->tree = tree;
    p->vars = NULL;
    p->var_count = p->var_room = 0;
    p->loops = 0;
    push_var(p, dollar);
    tree->root = parse_list(p, false, &end);
    if (end != CF_TOK_END)
        fail_at(p, peek(p), "unexpected {{else}} in define clause");
    p->vars = vars;
    p->var_count = count;
    p->var_room = room;
    p->loops = loops;
    p->tree = outer;
    add_tree(p, tree, pos);
}

static void parse_define(struct parser *p, uint32_t pos)
{
    cf_run_check_stack(p->run);
    const char *name = template_name(p, next_solid(p), "define clause");
    struct cf_token *token = next_solid(p);
    if (token->type != CF_TOK_RIGHT)
        unexpected(p, token, "define clause");
    parse_body(p, name, pos);
}

static struct cf_node *parse_template(struct parser *p, uint32_t pos, bool block)
{
    const char *context = block ? "block clause" : "template clause";
    struct cf_token *token = next_solid(p);
    const char *name = template_name(p, token, context);
    struct cf_node *node = new_node(p, CF_N_TEMPLATE, pos);
    node->source = (struct cf_name){name, (uint32_t)strlen(name)};
    if (!block && peek_solid(p)->type == CF_TOK_RIGHT)
        p->at++;
    else
        node->pipe = parse_pipeline(p, context, CF_TOK_RIGHT);
    if (block)
        parse_body(p, name, pos);
    return node;
}

static struct cf_node *parse_jump(struct parser *p, const struct cf_token *keyword)
{
    bool is_break = keyword->type == CF_TOK_BREAK;
    struct cf_token *token = next_solid(p);
    if (token->type != CF_TOK_RIGHT)
        unexpected(p, token, is_break ? "{{break}}" : "{{continue}}");
    if (!p->loops)
        fail_at(p, keyword,
                is_break ? "{{break}} outside {{range}}" : "{{continue}} outside {{range}}");
    return new_node(p, is_break ? CF_N_BREAK : CF_N_CONTINUE, keyword->pos);
}

/* What is between {{ and }}; NULL: else or end (*ret_end), or a definition. */
static struct cf_node *parse_action(struct parser *p, bool top, enum cf_token_type *ret_end)
{
    struct cf_token *token = next_solid(p);
    struct cf_node *node;
    switch (token->type) {
    case CF_TOK_BLOCK:
        return parse_template(p, token->pos, true);
    case CF_TOK_TEMPLATE:
        return parse_template(p, token->pos, false);
    case CF_TOK_DEFINE:
        if (!top)
            unexpected(p, token, "command");
        parse_define(p, token->pos);
        return NULL;
    case CF_TOK_BREAK:
    case CF_TOK_CONTINUE:
        return parse_jump(p, token);
    case CF_TOK_IF:
        return parse_control(p, CF_N_IF, token->pos, "if");
    case CF_TOK_RANGE:
        return parse_control(p, CF_N_RANGE, token->pos, "range");
    case CF_TOK_WITH:
        return parse_control(p, CF_N_WITH, token->pos, "with");
    case CF_TOK_ELSE:
    case CF_TOK_END:
        if (top)
            fail_at(p, token,
                    token->type == CF_TOK_END ? "unexpected {{end}}" : "unexpected {{else}}");
        *ret_end = token->type;
        if (token->type == CF_TOK_END && (token = next_solid(p))->type != CF_TOK_RIGHT)
            unexpected(p, token, "end");
        return NULL;
    default:
        p->at = (size_t)(token - p->tokens.list);
        node = new_node(p, CF_N_ACTION, token->pos);
        node->pipe = parse_pipeline(p, "command", CF_TOK_RIGHT);
        return node;
    }
}

static struct cf_node *parse_list(struct parser *p, bool top, enum cf_token_type *ret_end)
{
    struct cf_node *list = new_node(p, CF_N_LIST, peek(p)->pos);
    size_t outer_vars = p->var_count;
    *ret_end = CF_TOK_EOF;
    for (;;) {
        struct cf_token *token = next(p);
        if (token->type == CF_TOK_EOF && top)
            return list;
        if (token->type == CF_TOK_TEXT) {
            struct cf_node *text = new_node(p, CF_N_TEXT, token->pos);
            text->source = (struct cf_name){token->str, token->len};
            add_arg(p, list, text);
            continue;
        }
        if (token->type != CF_TOK_LEFT)
            unexpected(p, token, "input");
        struct cf_node *node = parse_action(p, top, ret_end);
        if (node)
            add_arg(p, list, node);
        if (*ret_end != CF_TOK_EOF) {
            (void)outer_vars; /* a list's variables live until the end of its control structure */
            return list;
        }
    }
}

struct cf_dict *cf_template_parse_file(struct cf_run *run, const char *name, const char *text,
                                       size_t len)
{
    struct parser p = {.run = run};
    enum cf_token_type end;
    if (len > UINT32_MAX / 4)
        cf_run_throw(run, -EFBIG, "%s: a template is too large", name);
    p.here = cf_val_map(run, 8).dict;
    p.tree = cf_run_alloc(run, sizeof *p.tree);
    *p.tree = (struct cf_tree){name, name, text, len, NULL};
    cf_template_lex(run, text, len, &p.tokens);
    push_var(&p, (struct cf_name){"$", 1});
    p.tree->root = parse_list(&p, true, &end);
    add_tree(&p, p.tree, 0);
    return p.here;
}

void cf_template_publish(struct cf_run *run, struct cf_template_set *set,
                         const struct cf_dict *trees)
{
    for (size_t i = 0; i < trees->count; i++) {
        const struct cf_entry *e = &trees->entries[i];
        const struct cf_tree *tree = e->val.pointer;
        if (is_empty(tree->root) && cf_template_find(set, e->key, e->key_len))
            continue;
        cf_dict_set(run, set->trees, e->key, e->key_len, e->val);
    }
}

const struct cf_tree *cf_template_parse(struct cf_run *run, struct cf_template_set *set,
                                        const char *name, const char *text, size_t len)
{
    struct cf_dict *trees = cf_template_parse_file(run, name, text, len);
    cf_template_publish(run, set, trees);
    return cf_dict_get_str(trees, name)->pointer;
}
