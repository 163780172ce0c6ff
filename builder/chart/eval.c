/* SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"
#include "func.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { FEW_ARGS = 8 };

#define FAIL(x, ...) cf_run_throw((x)->run, -EINVAL, __VA_ARGS__)

void cf_eval_push(struct cf_exec *x, struct cf_name name, struct cf_val val)
{
    if (x->var_count == x->var_room) {
        size_t room = x->var_room ? x->var_room * 2 : 8;
        struct cf_var *vars = cf_run_alloc_array(x->run, room, sizeof *vars);
        if (x->var_count)
            memcpy(vars, x->vars, x->var_count * sizeof *vars);
        x->vars = vars;
        x->var_room = room;
    }
    x->vars[x->var_count++] = (struct cf_var){name, val};
}

static struct cf_var *find_var(struct cf_exec *x, struct cf_name name)
{
    for (size_t i = x->var_count; i-- > 0;)
        if (x->vars[i].name.len == name.len && !memcmp(x->vars[i].name.str, name.str, name.len))
            return &x->vars[i];
    FAIL(x, "undefined variable: %.*s", (int)name.len, name.str);
}

void cf_eval_assign(struct cf_exec *x, struct cf_name name, struct cf_val val)
{
    find_var(x, name)->val = val;
}

static struct cf_val eval_arg(struct cf_exec *x, struct cf_val dot, const struct cf_node *node);

static struct cf_val missing_field(struct cf_exec *x, struct cf_val receiver, struct cf_name name,
                                   bool chained)
{
    if (receiver.kind == CF_NIL && receiver.type == CF_T_INTERFACE)
        FAIL(x, "nil pointer evaluating interface {}.%.*s", (int)name.len, name.str);
    if (receiver.kind == CF_NIL)
        return CF_NIL_VAL;
    FAIL(x, "can't evaluate field %.*s in type %s", (int)name.len, name.str,
         chained ? "interface {}" : cf_val_type_name(receiver));
}

/* receiver.name; args are those of a method's call. */
static struct cf_val eval_field(struct cf_exec *x, struct cf_val receiver, struct cf_name name,
                                const struct cf_val *args, size_t count, bool chained)
{
    struct cf_val val;
    if (cf_eval_has_methods(receiver) && cf_eval_method(x, receiver, name, args, count, &val))
        return val;
    if (receiver.kind != CF_MAP)
        return missing_field(x, receiver, name, chained);
    const struct cf_val *found = cf_dict_get(receiver.dict, name.str, name.len);
    if (!found && receiver.type == CF_T_STRUCT)
        return missing_field(x, receiver, name, chained);
    if (count)
        FAIL(x, "%.*s is not a method but has arguments", (int)name.len, name.str);
    if (!found && receiver.type == CF_T_STRINGS)
        return cf_val_str("", 0);
    val = found ? *found : CF_NIL_VAL;
    if (val.kind == CF_NIL)
        val.type = CF_T_INTERFACE;
    return val;
}

/* Those of names from first on, of receiver; the last gets the arguments. */
static struct cf_val eval_fields(struct cf_exec *x, struct cf_val receiver,
                                 const struct cf_node *node, uint32_t first,
                                 const struct cf_val *args, size_t count)
{
    for (uint32_t i = first; i < node->name_count; i++) {
        bool last = i + 1 == node->name_count;
        x->node = node;
        receiver = eval_field(x, receiver, node->names[i], last ? args : NULL, last ? count : 0,
                              i > first);
    }
    return receiver;
}

/* The values of a command's operands from the second on, and the final one, if any. */
static struct cf_val *eval_args(struct cf_exec *x, struct cf_val dot, const struct cf_node *command,
                                const struct cf_val *final, struct cf_val few[FEW_ARGS],
                                size_t *ret_count)
{
    size_t count = command->arg_count - 1 + (final != NULL), n = 0;
    struct cf_val *args = count > FEW_ARGS ? cf_run_alloc_array(x->run, count, sizeof *args) : few;
    for (uint32_t i = 1; i < command->arg_count; i++)
        args[n++] = eval_arg(x, dot, command->args[i]);
    if (final)
        args[n++] = *final;
    *ret_count = n;
    return args;
}

static const char *letter_type(char letter)
{
    switch (letter) {
    case 's':
        return "string";
    case 'i':
        return "int";
    case 'l':
        return "int64";
    case 'f':
        return "float64";
    case 'b':
        return "bool";
    case 'm':
        return "map[string]interface {}";
    case 't':
        return "time.Time";
    case 'd':
        return "time.Duration";
    case 'r':
        return "int32";
    default:
        return "[]interface {}";
    }
}

static bool fits(char letter, struct cf_val val)
{
    switch (letter) {
    case 'a':
        return true;
    case 's':
        return val.kind == CF_STRING && val.type != CF_T_BYTES;
    case 'i':
        return val.kind == CF_INT && val.type == CF_T_PLAIN;
    case 'l':
        return val.kind == CF_INT && val.type == CF_T_INT64;
    case 'f':
        return val.kind == CF_FLOAT;
    case 'b':
        return val.kind == CF_BOOL;
    case 'm':
        return (val.kind == CF_MAP && (val.type == CF_T_PLAIN || val.type == CF_T_VALUES)) ||
               (val.kind == CF_NIL && val.type == CF_T_PLAIN);
    case 't':
        return val.kind == CF_TIME;
    case 'd':
        return val.kind == CF_INT && val.type == CF_T_DURATION;
    case 'r':
        return val.kind == CF_INT && val.type == CF_T_INT32;
    default:
        return (val.kind == CF_LIST && val.type == CF_T_PLAIN) ||
               (val.kind == CF_NIL && val.type == CF_T_PLAIN);
    }
}

/* A constant takes the type that is asked for. */
static bool fits_constant(char letter, const struct cf_node *node, struct cf_val *val)
{
    if (node->type != CF_N_NUMBER ||
        (letter != 'i' && letter != 'l' && letter != 'f' && letter != 'd' && letter != 'r'))
        return false;
    if (letter == 'f') {
        if (val->kind == CF_INT)
            *val = cf_val_float((double)val->i);
        return true;
    }
    if (val->kind == CF_FLOAT) {
        if (!(fabs(val->f) < 9223372036854775808.0) || val->f != (double)(int64_t)val->f)
            return false;
        *val = cf_val_int((int64_t)val->f);
    }
    val->type = letter == 'i'   ? CF_T_PLAIN
                : letter == 'd' ? CF_T_DURATION
                : letter == 'r' ? CF_T_INT32
                                : CF_T_INT64;
    return true;
}

static void check_arg(struct cf_exec *x, char letter, const struct cf_node *node,
                      struct cf_val *val)
{
    if (fits(letter, *val) || (node && fits_constant(letter, node, val)))
        return;
    const char *want = letter_type(letter);
    if (node)
        x->node = node;
    if (node && node->type == CF_N_NIL)
        FAIL(x, "cannot assign nil to %s", want);
    if (node &&
        (node->type == CF_N_STRING || node->type == CF_N_NUMBER || node->type == CF_N_BOOL)) {
        struct cf_text text;
        cf_text_init(&text, x->run);
        cf_node_string(&text, node);
        FAIL(x, "expected %s; found %s", letter == 'i' || letter == 'l' ? "integer" : want,
             text.data);
    }
    if (val->kind == CF_NIL && val->type == CF_T_PLAIN)
        FAIL(x, "invalid value; expected %s", want);
    FAIL(x, "wrong type for value; expected %s; got %s", want, cf_val_type_name(*val));
}

static void check_args(struct cf_exec *x, const struct cf_node *command, const struct cf_func *func,
                       struct cf_val *args, size_t count)
{
    const char *signature = func->signature, *star = strchr(signature, '*');
    size_t fixed = star ? (size_t)(star - signature) : strlen(signature);
    if (count < fixed || (count > fixed && !star)) {
        x->node = command->args[0];
        FAIL(x, "wrong number of args for %s: want %s%zu got %zu", func->name,
             star ? "at least " : "", fixed, count);
    }
    for (size_t i = 0; i < count; i++) {
        char letter = i < fixed ? signature[i] : star[1];
        const struct cf_node *node = i + 1 < command->arg_count ? command->args[i + 1] : NULL;
        check_arg(x, letter, node, &args[i]);
    }
}

/* `and` and `or` evaluate no more than they need. */
static struct cf_val eval_logic(struct cf_exec *x, struct cf_val dot, const struct cf_node *command,
                                bool is_or, const struct cf_val *final)
{
    struct cf_val val = CF_NIL_VAL;
    if (command->arg_count < 2 && !final)
        FAIL(x, "wrong number of args for %s: want at least 1 got 0", is_or ? "or" : "and");
    for (uint32_t i = 1; i < command->arg_count; i++) {
        val = eval_arg(x, dot, command->args[i]);
        if (cf_val_true(val) == is_or)
            return val;
    }
    return final ? *final : val;
}

static struct cf_val eval_function(struct cf_exec *x, struct cf_val dot,
                                   const struct cf_node *command, const struct cf_val *final)
{
    const struct cf_node *word = command->args[0];
    const struct cf_func *func = word->func;
    struct cf_val few[FEW_ARGS], *args;
    size_t count;
    x->node = word;
    if (func->signature[0] == '&') /* "&and", "&or" */
        return eval_logic(x, dot, command, func->signature[1] == 'o', final);
    args = eval_args(x, dot, command, final, few, &count);
    check_args(x, command, func, args, count);
    x->node = command;
    const struct cf_func *before = x->func;
    x->func = func;
    uint64_t work = 1;
    for (size_t i = 0; i < count; i++)
        if (args[i].kind == CF_STRING)
            work += args[i].len / 128;
    cf_run_step(x->run, work);
    struct cf_val val = func->call(x, args, count);
    x->func = before;
    return val;
}

static void not_a_function(struct cf_exec *x, const struct cf_node *command,
                           const struct cf_val *final)
{
    struct cf_text text;
    if (command->arg_count < 2 && !final)
        return;
    cf_text_init(&text, x->run);
    cf_node_string(&text, command->args[0]);
    FAIL(x, "can't give argument to non-function %s", text.data);
}

/* Fields, variables with fields, and chains: may be methods, with arguments. */
static struct cf_val eval_path(struct cf_exec *x, struct cf_val dot, const struct cf_node *command,
                               const struct cf_val *final)
{
    const struct cf_node *node = command->args[0];
    struct cf_val few[FEW_ARGS], *args = NULL, receiver = dot;
    size_t count = 0;
    uint32_t first = 0;
    if (node->type == CF_N_VARIABLE) {
        receiver = find_var(x, node->names[0])->val;
        first = 1;
        if (node->name_count == 1)
            not_a_function(x, command, final);
    } else if (node->type == CF_N_CHAIN) {
        if (node->pipe->type == CF_N_NIL)
            FAIL(x, "indirection through explicit nil");
        receiver = eval_arg(x, dot, node->pipe);
    }
    if (command->arg_count > 1 || final)
        args = eval_args(x, dot, command, final, few, &count);
    x->node = node;
    return eval_fields(x, receiver, node, first, args, count);
}

static struct cf_val eval_command(struct cf_exec *x, struct cf_val dot,
                                  const struct cf_node *command, const struct cf_val *final)
{
    const struct cf_node *word = command->args[0];
    x->node = word;
    switch (word->type) {
    case CF_N_FIELD:
    case CF_N_VARIABLE:
    case CF_N_CHAIN:
        return eval_path(x, dot, command, final);
    case CF_N_IDENTIFIER:
        return eval_function(x, dot, command, final);
    case CF_N_PIPE:
        not_a_function(x, command, final);
        return cf_eval_pipeline(x, dot, word);
    case CF_N_DOT:
        not_a_function(x, command, final);
        return dot;
    case CF_N_NIL:
        FAIL(x, "nil is not a command");
    default:
        not_a_function(x, command, final);
        return word->val;
    }
}

struct cf_val cf_eval_commands(struct cf_exec *x, struct cf_val dot, const struct cf_node *pipe)
{
    struct cf_val val = CF_NIL_VAL;
    cf_run_check_stack(x->run);
    for (uint32_t i = 0; i < pipe->arg_count; i++) {
        val = eval_command(x, dot, pipe->args[i], i ? &val : NULL);
        if (val.kind == CF_NIL)
            val.type = CF_T_PLAIN;
    }
    return val;
}

struct cf_val cf_eval_pipeline(struct cf_exec *x, struct cf_val dot, const struct cf_node *pipe)
{
    x->node = pipe;
    struct cf_val val = cf_eval_commands(x, dot, pipe);
    for (uint32_t i = 0; i < pipe->name_count; i++) {
        if (pipe->assign)
            cf_eval_assign(x, pipe->names[i], val);
        else
            cf_eval_push(x, pipe->names[i], val);
    }
    return val;
}

/* An operand in the place of an argument. */
static struct cf_val eval_arg(struct cf_exec *x, struct cf_val dot, const struct cf_node *node)
{
    struct cf_node *const args[] = {(struct cf_node *)node};
    const struct cf_node command = {
        .type = CF_N_COMMAND, .pos = node->pos, .arg_count = 1, .args = (struct cf_node **)args};
    x->node = node;
    switch (node->type) {
    case CF_N_DOT:
        return dot;
    case CF_N_NIL:
        return CF_NIL_VAL;
    case CF_N_PIPE:
        return cf_eval_pipeline(x, dot, node);
    case CF_N_FIELD:
    case CF_N_VARIABLE:
    case CF_N_CHAIN:
        return eval_path(x, dot, &command, NULL);
    case CF_N_IDENTIFIER: {
        struct cf_val val = eval_function(x, dot, &command, NULL);
        x->node = node; /* command is gone */
        return val;
    }
    default:
        return node->val;
    }
}
