/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events as ours: with byte offsets, bounded depth, and aliases followed. The only file
 * that includes <yaml.h>.
 */
#include <cloudfs/yaml.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "input.h"
#include "quick.h"
#include "tape.h"

/* A range of the tape that is being repeated. */
struct replay {
    size_t at, end;
};

struct cf_yaml {
    struct quick quick;
    bool is_quick;     /* quick reads */
    uint64_t left_out; /* events of libyaml that quick gave already */
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_parser, has_event;
    struct cf_yaml_options options; /* where the input is */
    struct input *input;            /* of the parser; NULL before that is needed */
    struct tape tape;
    struct replay *replays;
    size_t replay_count, replay_room;
    size_t replayed; /* in this document */
    size_t depth, max_depth, max_replayed;
    uint64_t first_offset;
    size_t first_line; /* from 0 */
    bool keep_aliases;
    struct cf_yaml_mark where;
    struct cf_error failed;
};

static int feed_parser(void *context, unsigned char *data, size_t size, size_t *ret_size)
{
    struct cf_yaml *yaml = context;
    ssize_t n = cf_yaml_input_read(yaml->input, data, size < PIECE_MAX ? size : PIECE_MAX);

    if (n < 0 && yaml->input->err.code == 0)
        (void)cf_fail_errno(&yaml->input->err, (int)-n, "cannot read");
    *ret_size = n < 0 ? 0 : (size_t)n;
    return n >= 0;
}

int cf_yaml_open(const struct cf_yaml_options *options, struct cf_yaml **ret_yaml,
                 struct cf_error *err)
{
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = calloc(1, sizeof(*yaml));

    if (!yaml)
        return cf_fail(err, -ENOMEM, "out of memory");
    yaml->options = *options;
    yaml->max_depth = options->max_depth ? options->max_depth : CF_YAML_MAX_DEPTH;
    yaml->max_replayed = options->max_replayed ? options->max_replayed : CF_YAML_MAX_REPLAYED;
    yaml->first_offset = options->first_offset;
    yaml->first_line = options->first_line ? options->first_line - 1 : 0;
    yaml->keep_aliases = options->keep_aliases;
    yaml->where = (struct cf_yaml_mark){yaml->first_offset, yaml->first_line + 1, 1};
    if (options->data)
        yaml->is_quick = cf_quick_init(&yaml->quick, options->data, options->len,
                                       yaml->first_offset, yaml->first_line + 1);
    *ret_yaml = CF_TAKE(yaml);
    return 0;
}

void cf_yaml_close(struct cf_yaml *yaml)
{
    if (!yaml)
        return;
    if (yaml->has_event)
        yaml_event_delete(&yaml->event);
    if (yaml->has_parser)
        yaml_parser_delete(&yaml->parser);
    cf_quick_done(&yaml->quick);
    if (yaml->input)
        cf_yaml_input_done(yaml->input);
    free(yaml->input);
    cf_yaml_tape_done(&yaml->tape);
    free(yaml->replays);
    free(yaml);
}

struct cf_yaml_mark cf_yaml_where(const struct cf_yaml *yaml)
{
    return yaml->where;
}

static struct cf_yaml_mark mark_of(struct cf_yaml *yaml, const yaml_mark_t *mark, bool forget)
{
    return (struct cf_yaml_mark){
        .offset = yaml->first_offset + cf_yaml_marks_byte(&yaml->input->marks, mark->index, forget),
        .line = yaml->first_line + mark->line + 1,
        .column = mark->column + 1,
    };
}

/* Fails at yaml->where, now and from now on. */
static int fail_here(struct cf_yaml *yaml, int code, const char *text, const char *more,
                     struct cf_error *err)
{
    (void)cf_fail(&yaml->failed, code, "line %zu, column %zu: %s%s", yaml->where.line,
                  yaml->where.column, text, more);
    if (err)
        *err = yaml->failed;
    return code;
}

/* What libyaml found wrong. */
static int fail_parser(struct cf_yaml *yaml, struct cf_error *err)
{
    const yaml_parser_t *parser = &yaml->parser;

    if (parser->error == YAML_MEMORY_ERROR)
        return fail_here(yaml, -ENOMEM, "out of memory", "", err);
    if (parser->error == YAML_READER_ERROR) {
        size_t line = cf_yaml_input_line(yaml->input, parser->problem_offset);
        yaml->where = (struct cf_yaml_mark){yaml->first_offset + parser->problem_offset,
                                            yaml->first_line + line + 1, 1};
        if (yaml->input->err.code == 0)
            return fail_here(yaml, -EINVAL, parser->problem, "", err);
        yaml->failed = yaml->input->err;
        if (err)
            *err = yaml->failed;
        return yaml->failed.code;
    }
    yaml->where = mark_of(yaml, &parser->problem_mark, true);
    if (!parser->context)
        return fail_here(yaml, -EINVAL, parser->problem, "", err);
    char more[128];
    snprintf(more, sizeof(more), " %s (from line %zu)", parser->context,
             yaml->first_line + parser->context_mark.line + 1);
    return fail_here(yaml, -EINVAL, parser->problem, more, err);
}

static enum cf_yaml_style scalar_style(yaml_scalar_style_t style)
{
    return style == YAML_SINGLE_QUOTED_SCALAR_STYLE   ? CF_YAML_SINGLE
           : style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ? CF_YAML_DOUBLE
           : style == YAML_LITERAL_SCALAR_STYLE       ? CF_YAML_LITERAL
           : style == YAML_FOLDED_SCALAR_STYLE        ? CF_YAML_FOLDED
                                                      : CF_YAML_PLAIN;
}

/* False for the events that are nobody's business. */
static bool translate(struct cf_yaml *yaml, struct cf_yaml_event *event)
{
    const yaml_event_t *in = &yaml->event;

    *event = (struct cf_yaml_event){0};
    event->start = yaml->where = mark_of(yaml, &in->start_mark, true);
    event->end = mark_of(yaml, &in->end_mark, false);
    switch (in->type) {
    case YAML_DOCUMENT_START_EVENT:
        event->kind = CF_YAML_DOCUMENT;
        event->explicit = !in->data.document_start.implicit;
        return true;
    case YAML_DOCUMENT_END_EVENT:
        event->kind = CF_YAML_DOCUMENT_END;
        event->explicit = !in->data.document_end.implicit;
        return true;
    case YAML_MAPPING_START_EVENT:
        event->kind = CF_YAML_MAP;
        event->style =
            in->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE ? CF_YAML_FLOW : CF_YAML_BLOCK;
        event->anchor = (const char *)in->data.mapping_start.anchor;
        event->tag = (const char *)in->data.mapping_start.tag;
        return true;
    case YAML_SEQUENCE_START_EVENT:
        event->kind = CF_YAML_SEQUENCE;
        event->style = in->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE ? CF_YAML_FLOW
                                                                                 : CF_YAML_BLOCK;
        event->anchor = (const char *)in->data.sequence_start.anchor;
        event->tag = (const char *)in->data.sequence_start.tag;
        return true;
    case YAML_SCALAR_EVENT:
        event->kind = CF_YAML_SCALAR;
        event->style = scalar_style(in->data.scalar.style);
        event->value = (const char *)in->data.scalar.value;
        event->len = in->data.scalar.length;
        event->anchor = (const char *)in->data.scalar.anchor;
        event->tag = (const char *)in->data.scalar.tag;
        return true;
    case YAML_ALIAS_EVENT:
        event->kind = CF_YAML_ALIAS;
        event->anchor = (const char *)in->data.alias.anchor;
        return true;
    default:
        event->kind = in->type == YAML_MAPPING_END_EVENT ? CF_YAML_MAP_END : CF_YAML_SEQUENCE_END;
        return in->type == YAML_MAPPING_END_EVENT || in->type == YAML_SEQUENCE_END_EVENT;
    }
}

/* Counts the event's depth, and gives its node's: -EFBIG beyond the bound. */
static int count_depth(struct cf_yaml *yaml, const struct cf_yaml_event *event, size_t *ret_depth,
                       struct cf_error *err)
{
    bool begins = event->kind == CF_YAML_MAP || event->kind == CF_YAML_SEQUENCE;
    bool ends = event->kind == CF_YAML_MAP_END || event->kind == CF_YAML_SEQUENCE_END;

    if (ends)
        yaml->depth--;
    *ret_depth = yaml->depth;
    if (begins && ++yaml->depth > yaml->max_depth) {
        char text[64];
        snprintf(text, sizeof(text), "nested more than %zu deep", yaml->max_depth);
        return fail_here(yaml, -EFBIG, text, "", err);
    }
    return 0;
}

/* Begins to repeat an anchored node. */
static int push_replay(struct cf_yaml *yaml, size_t anchor, struct cf_error *err)
{
    if (yaml->replay_count == yaml->replay_room) {
        size_t room = yaml->replay_room ? yaml->replay_room * 2 : 16;
        struct replay *grown = realloc(yaml->replays, room * sizeof(*grown));
        if (!grown)
            return fail_here(yaml, -ENOMEM, "out of memory", "", err);
        yaml->replays = grown;
        yaml->replay_room = room;
    }
    yaml->replays[yaml->replay_count++] =
        (struct replay){yaml->tape.anchors[anchor].first, yaml->tape.anchors[anchor].end};
    return 0;
}

/* The next event of what is repeated: 1, or 0 when that is over. */
static int next_replayed(struct cf_yaml *yaml, struct cf_yaml_event *ret_event,
                         struct cf_error *err)
{
    size_t depth;
    int r;

    while (yaml->replay_count > 0) {
        struct replay *replay = &yaml->replays[yaml->replay_count - 1];
        if (replay->at == replay->end) {
            yaml->replay_count--;
            continue;
        }
        size_t at = replay->at++;
        if (++yaml->replayed > yaml->max_replayed)
            return fail_here(yaml, -EFBIG, "the aliases of this document repeat too much", "", err);
        if (yaml->tape.events[at].event.kind == CF_YAML_ALIAS) {
            r = push_replay(yaml, yaml->tape.events[at].target, err);
            if (r < 0)
                return r;
            continue;
        }
        cf_yaml_tape_event(&yaml->tape, at, ret_event);
        r = count_depth(yaml, ret_event, &depth, err);
        return r < 0 ? r : 1;
    }
    return 0;
}

static int follow_alias(struct cf_yaml *yaml, const struct cf_yaml_event *event,
                        struct cf_error *err)
{
    size_t anchor = 0;
    char text[160];
    int r = cf_yaml_tape_find(&yaml->tape, event->anchor, &anchor);

    if (r == 0)
        return push_replay(yaml, anchor, err);
    snprintf(text, sizeof(text), "alias *%.100s %s", event->anchor,
             r == -ELOOP    ? "lies inside the node that it means"
             : r == -ENOENT ? "means no anchor before it"
                            : "means a node that is too large to be repeated");
    return fail_here(yaml, r == -EFBIG ? r : -EINVAL, text, "", err);
}

static void begin_document(struct cf_yaml *yaml)
{
    cf_yaml_tape_clear(&yaml->tape);
    yaml->replayed = 0;
    yaml->depth = 0;
}

/* An event that came from the input: 1 if it is for the caller, else 0. */
static int take(struct cf_yaml *yaml, const struct cf_yaml_event *event, struct cf_error *err)
{
    size_t depth;
    int r = count_depth(yaml, event, &depth, err);

    if (r < 0)
        return r;
    if (event->kind == CF_YAML_DOCUMENT)
        begin_document(yaml);
    if (yaml->keep_aliases)
        return 1;
    if (event->kind == CF_YAML_ALIAS) {
        r = follow_alias(yaml, event, err);
        if (r < 0)
            return r;
    }
    if (event->anchor || yaml->tape.open > 0) {
        r = cf_yaml_tape_record(&yaml->tape, event, depth);
        if (r < 0)
            return fail_here(yaml, r, "out of memory", "", err);
    }
    return event->kind != CF_YAML_ALIAS;
}

static int begin_parser(struct cf_yaml *yaml, struct cf_error *err)
{
    yaml->input = calloc(1, sizeof(*yaml->input));
    yaml->has_parser = yaml->input && yaml_parser_initialize(&yaml->parser);
    if (!yaml->has_parser)
        return fail_here(yaml, -ENOMEM, "out of memory", "", err);
    cf_yaml_input_init(yaml->input, &yaml->options);
    yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input(&yaml->parser, feed_parser, yaml);
    return 0;
}

/* The next event of libyaml: 1, 0 at the end. */
static int parse(struct cf_yaml *yaml, struct cf_yaml_event *ret_event, struct cf_error *err)
{
    int r = yaml->has_parser ? 0 : begin_parser(yaml, err);

    if (r < 0)
        return r;
    for (;;) {
        if (yaml->has_event) {
            if (yaml->event.type == YAML_STREAM_END_EVENT)
                return 0;
            yaml_event_delete(&yaml->event);
        }
        yaml->has_event = yaml_parser_parse(&yaml->parser, &yaml->event);
        if (!yaml->has_event)
            return fail_parser(yaml, err);
        if (!translate(yaml, ret_event))
            continue;
        if (yaml->left_out == 0)
            return 1;
        yaml->left_out--;
    }
}

/* The next event of the quick reader, which knows neither anchors nor aliases: as cf_yaml_next, or
 * -ENOTSUP where libyaml has to go on. */
static int next_quick(struct cf_yaml *yaml, struct cf_yaml_event *ret_event, struct cf_error *err)
{
    size_t depth;
    int r = cf_quick_next(&yaml->quick, ret_event);

    if (r == -ENOMEM)
        return fail_here(yaml, r, "out of memory", "", err);
    if (r == -ENOTSUP) {
        yaml->is_quick = false;
        yaml->left_out = yaml->quick.count;
    }
    if (r <= 0)
        return r;
    yaml->where = ret_event->start;
    if (ret_event->kind == CF_YAML_SCALAR)
        return 1;
    if (ret_event->kind == CF_YAML_DOCUMENT)
        begin_document(yaml);
    r = count_depth(yaml, ret_event, &depth, err);
    return r < 0 ? r : 1;
}

int cf_yaml_next(struct cf_yaml *yaml, struct cf_yaml_event *ret_event, struct cf_error *err)
{
    for (;;) {
        if (yaml->failed.code < 0) {
            if (err)
                *err = yaml->failed;
            return yaml->failed.code;
        }
        int r = yaml->is_quick ? next_quick(yaml, ret_event, err) : -ENOTSUP;
        if (r != -ENOTSUP)
            return r;
        r = next_replayed(yaml, ret_event, err);
        if (r != 0)
            return r;
        r = parse(yaml, ret_event, err);
        if (r <= 0)
            return r;
        r = take(yaml, ret_event, err);
        if (r != 0)
            return r;
    }
}

int cf_yaml_each(const struct cf_yaml_options *options, cf_yaml_event_fn *fn, void *context,
                 struct cf_error *err)
{
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct cf_yaml_event event;
    int r = cf_yaml_open(options, &yaml, err);

    while (r >= 0 && (r = cf_yaml_next(yaml, &event, err)) > 0) {
        r = fn(context, &event);
        if (r < 0)
            (void)cf_fail(err, r, "out of memory");
    }
    return r;
}
