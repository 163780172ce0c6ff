/* SPDX-License-Identifier: Apache-2.0 */
#include "exec.h"
#include "eval.h"
#include "format.h"
#include "func.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 1000 };

enum outcome { WENT_ON, BROKE, CONTINUED };

static void describe_frame(const struct cf_exec *x, struct cf_text *out)
{
    unsigned line, column;
    cf_tree_place(x->tree, x->node ? x->node->pos : 0, &line, &column);
    cf_text_printf(out, "template: %s:%u:%u: executing \"%s\" at <", x->tree->parse_name, line,
                   column, x->tree->name);
    if (x->node)
        cf_node_string(out, x->node);
    cf_text_str(out, ">: ");
    if (x->func)
        cf_text_printf(out, "error calling %s: ", x->func->name);
}

static const struct cf_exec *outermost(const struct cf_exec *x)
{
    while (x->outer)
        x = x->outer;
    return x;
}

/* The places from the outermost to the innermost, as many as fit; the first and the last always. */
static void compose(struct cf_run *run, struct cf_exec *const *frames, unsigned count,
                    char place[CF_ERROR_TEXT_SIZE])
{
    size_t len = 0;
    bool gap = false;
    for (unsigned i = count; i-- > 0;) {
        struct cf_text frame;
        cf_text_init(&frame, run);
        describe_frame(frames[i], &frame);
        if (i && (frame.len > 400 || len + frame.len + 400 > CF_ERROR_TEXT_SIZE)) {
            gap = true;
            continue;
        }
        len += (size_t)snprintf(place + len, CF_ERROR_TEXT_SIZE - len, "%s%.600s",
                                gap ? "... " : "", frame.data);
        if (len >= CF_ERROR_TEXT_SIZE)
            len = CF_ERROR_TEXT_SIZE - 1;
        gap = false;
    }
}

static void describe_message(const struct cf_exec *x, char *text, size_t size)
{
    char whole[CF_ERROR_TEXT_SIZE * 2];
    unsigned line, column;
    x = outermost(x);
    cf_tree_place(x->tree, x->node ? x->node->pos : 0, &line, &column);
    snprintf(whole, sizeof whole, "execution error at (%s:%u:%u): %s", x->tree->parse_name, line,
             column, text);
    snprintf(text, size, "%s", whole);
}

void cf_exec_describe(struct cf_exec *x, char *text, size_t size)
{
    char place[CF_ERROR_TEXT_SIZE] = "", whole[CF_ERROR_TEXT_SIZE * 2];
    struct cf_exec *frames[MAX_DEPTH + 8];
    unsigned count = 0;
    struct cf_run run;
    if (!x)
        return;
    if (x->message) {
        describe_message(x, text, size);
        return;
    }
    for (; x && count < MAX_DEPTH + 8; x = x->outer) {
        frames[count++] = x;
        while (x->by_template && x->outer)
            x = x->outer;
    }
    /* A small arena of its own: the run's may be what is full. */
    cf_run_init(&run, 4 << 20, 1 << 20);
    if (!cf_run_enter(&run))
        compose(&run, frames, count, place);
    cf_run_done(&run);
    snprintf(whole, sizeof whole, "%s%s", place, text);
    snprintf(text, size, "%s", whole);
}

static enum outcome walk(struct cf_exec *x, struct cf_val dot, const struct cf_node *node);

static enum outcome walk_list(struct cf_exec *x, struct cf_val dot, const struct cf_node *list)
{
    for (uint32_t i = 0; i < list->arg_count; i++) {
        enum outcome outcome = walk(x, dot, list->args[i]);
        if (outcome != WENT_ON)
            return outcome;
    }
    return WENT_ON;
}

static enum outcome walk_if(struct cf_exec *x, struct cf_val dot, const struct cf_node *node)
{
    size_t mark = x->var_count;
    enum outcome outcome = WENT_ON;
    struct cf_val val = cf_eval_pipeline(x, dot, node->pipe);
    if (cf_val_true(val))
        outcome = walk_list(x, node->type == CF_N_WITH ? val : dot, node->list);
    else if (node->else_list)
        outcome = walk_list(x, dot, node->else_list);
    x->var_count = mark;
    return outcome;
}

/* One round: true to go on. */
static bool walk_round(struct cf_exec *x, const struct cf_node *node, struct cf_val key,
                       struct cf_val val)
{
    size_t mark = x->var_count;
    const struct cf_node *pipe = node->pipe;
    if (val.kind == CF_NIL)
        val.type = CF_T_INTERFACE;
    cf_run_step(x->run, 1);
    for (uint32_t i = 0; i < pipe->name_count; i++) {
        bool is_key = pipe->name_count == 2 && !i;
        if (pipe->assign)
            cf_eval_assign(x, pipe->names[i], is_key ? key : val);
        else
            cf_eval_push(x, pipe->names[i], is_key ? key : val);
    }
    enum outcome outcome = walk_list(x, val, node->list);
    x->var_count = mark;
    return outcome != BROKE;
}

static bool range_over(struct cf_exec *x, const struct cf_node *node, struct cf_val val)
{
    switch (val.kind) {
    case CF_NIL:
        return false;
    case CF_INT:
        for (int64_t i = 0; i < val.i; i++)
            if (!walk_round(x, node, cf_val_int(i), cf_val_int(i)))
                break;
        return val.i > 0;
    case CF_LIST: {
        size_t count = val.seq->count;
        for (size_t i = 0; i < count && i < val.seq->count; i++)
            if (!walk_round(x, node, cf_val_int((int64_t)i), val.seq->items[i]))
                break;
        return count > 0;
    }
    case CF_FILES:
        val = cf_eval_files_map(x, val);
        break;
    case CF_MAP:
        if (val.type != CF_T_STRUCT)
            break;
        /* fall through */
    default: {
        struct cf_text text;
        cf_text_init(&text, x->run);
        cf_format_value(&text, val);
        cf_run_throw(x->run, -EINVAL, "range can't iterate over %s", text.data ? text.data : "");
    }
    }
    /* The body may change the map: its keys are those of the beginning. */
    size_t count = val.dict->count;
    struct cf_entry *entries = cf_run_alloc_array(x->run, count + 1, sizeof *entries);
    if (count)
        memcpy(entries, val.dict->entries, count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const struct cf_val *now = cf_dict_get(val.dict, entries[i].key, entries[i].key_len);
        if (now && !walk_round(x, node, cf_val_str(entries[i].key, entries[i].key_len), *now))
            break;
    }
    return count > 0;
}

static enum outcome walk_range(struct cf_exec *x, struct cf_val dot, const struct cf_node *node)
{
    size_t mark = x->var_count;
    enum outcome outcome = WENT_ON;
    struct cf_val val = cf_eval_commands(x, dot, node->pipe);
    x->node = node->pipe;
    if (!range_over(x, node, val) && node->else_list)
        outcome = walk_list(x, dot, node->else_list);
    x->var_count = mark;
    return outcome;
}

static void execute(struct cf_engine *engine, const struct cf_tree *tree, struct cf_val dot,
                    struct cf_text *out, bool by_template)
{
    struct cf_run *run = engine->run;
    struct cf_exec inner = {.run = run,
                            .engine = engine,
                            .tree = tree,
                            .out = out,
                            .lines = run->exec ? NULL : engine->lines,
                            .outer = run->exec,
                            .by_template = by_template};
    if (++engine->depth > MAX_DEPTH)
        cf_run_throw(run, -EFBIG,
                     "rendering template has a nested reference name: %s: templates call each "
                     "other more than %d times",
                     tree->name, MAX_DEPTH);
    cf_run_check_stack(run);
    cf_eval_push(&inner, (struct cf_name){"$", 1}, dot);
    run->exec = &inner;
    (void)walk_list(&inner, dot, tree->root);
    run->exec = inner.outer;
    engine->depth--;
}

void cf_exec_template(struct cf_engine *engine, const struct cf_tree *tree, struct cf_val dot,
                      struct cf_text *out)
{
    execute(engine, tree, dot, out, false);
}

static void walk_template(struct cf_exec *x, struct cf_val dot, const struct cf_node *node)
{
    const struct cf_tree *tree =
        cf_template_find(x->engine->set, node->source.str, node->source.len);
    if (!tree)
        cf_run_throw(x->run, -EINVAL, "template \"%s\" not defined", node->source.str);
    struct cf_val data = node->pipe ? cf_eval_pipeline(x, dot, node->pipe) : CF_NIL_VAL;
    x->node = node;
    execute(x->engine, tree, data, x->out, true);
}

static void print(struct cf_exec *x, struct cf_val val)
{
    if (val.kind == CF_NIL)
        cf_text_str(x->out, "<no value>");
    else
        cf_format_value(x->out, val);
}

static void mark_line(struct cf_exec *x, const struct cf_node *node)
{
    struct cf_line_map *map = x->lines;
    if (map->count == map->room) {
        size_t room = map->room ? map->room * 2 : 64;
        struct cf_line_mark *marks = cf_run_alloc_array(x->run, room, sizeof *marks);
        if (map->count)
            memcpy(marks, map->marks, map->count * sizeof *marks);
        map->marks = marks;
        map->room = room;
    }
    for (; map->counted < x->out->len; map->counted++)
        map->line += x->out->data[map->counted] == '\n';
    map->marks[map->count++] =
        (struct cf_line_mark){map->line + 1, node->pos, node->type == CF_N_TEXT};
}

static enum outcome walk(struct cf_exec *x, struct cf_val dot, const struct cf_node *node)
{
    x->node = node;
    cf_run_step(x->run, 1);
    if (x->lines && node->type != CF_N_LIST)
        mark_line(x, node);
    switch (node->type) {
    case CF_N_TEXT:
        cf_text_add(x->out, node->source.str, node->source.len);
        return WENT_ON;
    case CF_N_ACTION: {
        struct cf_val val = cf_eval_pipeline(x, dot, node->pipe);
        if (!node->pipe->name_count)
            print(x, val);
        return WENT_ON;
    }
    case CF_N_IF:
    case CF_N_WITH:
        cf_run_check_stack(x->run);
        return walk_if(x, dot, node);
    case CF_N_RANGE:
        cf_run_check_stack(x->run);
        return walk_range(x, dot, node);
    case CF_N_TEMPLATE:
        walk_template(x, dot, node);
        return WENT_ON;
    case CF_N_BREAK:
        return BROKE;
    case CF_N_CONTINUE:
        return CONTINUED;
    default:
        return walk_list(x, dot, node);
    }
}
