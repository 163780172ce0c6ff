/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quick reader of what most manifests are made of: block mappings and sequences, plain and quoted
 * scalars, block scalars, flow collections on one line, comments, documents. It gives the events
 * that libyaml gives, mark by mark, and gives up at the first thing that it does not know: the
 * caller then reads the same text with libyaml, from the beginning, and leaves out the events that
 * came already. Tests and fuzz_yaml hold the two against each other. Not public.
 *
 * Source: libyaml 0.2.5's behaviour, which is YAML 1.1 with simple keys of at most 1024 characters.
 */
#ifndef CF_YAML_QUICK_H
#define CF_YAML_QUICK_H

#include <cloudfs/buf.h>
#include <cloudfs/yaml.h>

enum quick_kind {
    QUICK_MAP,
    QUICK_SEQUENCE,
    QUICK_INDENTLESS,
    QUICK_FLOW_MAP,
    QUICK_FLOW_SEQUENCE
};

/* An open collection. */
struct quick_level {
    int indent; /* column of its keys or dashes; of a flow collection: of the block around it */
    enum quick_kind kind;
};

/* What is read next. */
enum quick_state {
    QUICK_BETWEEN, /* a document, or the end */
    QUICK_ROOT,    /* a document's node */
    QUICK_VALUE,   /* behind "key:" */
    QUICK_ITEM,    /* behind "-" */
    QUICK_NEXT,    /* behind a node, perhaps in its line */
    QUICK_CLOSE,   /* the same, at what comes next: it ends collections, or goes on */
    QUICK_FLOW_FIRST,
    QUICK_FLOW_ITEM,
    QUICK_FLOW_VALUE,
    QUICK_FLOW_AFTER,
};

struct quick {
    const char *begin, *end, *at, *line_begin;
    size_t line;     /* of at, as marks tell it */
    uint64_t offset; /* of begin */
    bool ascii;      /* the text is: bytes are characters */
    enum quick_state state;
    struct quick_level *levels;
    size_t depth, room;
    struct cf_yaml_mark after; /* the end of the last ":" or "-" */
    struct cf_buf value;       /* of the last scalar */
    struct cf_yaml_event held; /* a key, behind the map that it begins */
    bool has_held;
    uint64_t count; /* events given */
};

/* data stays until done. False: the text is not for this reader. */
bool cf_quick_init(struct quick *quick, const char *data, size_t len, uint64_t offset, size_t line);
void cf_quick_done(struct quick *quick);
/* 1: an event. 0: the end. -ENOTSUP: something unknown. -ENOMEM. */
int cf_quick_next(struct quick *quick, struct cf_yaml_event *ret_event);

static inline struct cf_yaml_mark cf_quick_mark(const struct quick *quick, const char *at)
{
    size_t column = (size_t)(at - quick->line_begin);

    if (!quick->ascii)
        for (const char *p = quick->line_begin; p < at; p++)
            column -= ((unsigned char)*p & 0xc0) == 0x80;
    return (struct cf_yaml_mark){.offset = quick->offset + (uint64_t)(at - quick->begin),
                                 .line = quick->line,
                                 .column = column + 1};
}

/* The byte there; a line break at the end. */
static inline char cf_quick_byte(const struct quick *quick, const char *at)
{
    return at < quick->end ? *at : '\n';
}

/* Whether "---" or "..." stands at the beginning of a line. */
static inline bool cf_quick_is_mark(const struct quick *quick, const char *line)
{
    if (quick->end - line < 3 || (*line != '-' && *line != '.') || line[1] != *line ||
        line[2] != *line)
        return false;
    char next = cf_quick_byte(quick, line + 3);
    return next == ' ' || next == '\n' || next == '\t';
}

/* ---- quick_scalar.c: scalars at quick->at, which is then behind them ---- */

int cf_quick_quoted(struct quick *quick, struct cf_yaml_event *ret_event);
/* One that ends with its line, a comment or a colon. */
int cf_quick_plain(struct quick *quick, struct cf_yaml_event *ret_event);
/* More lines of a plain scalar that ended with its line; indent: of the block around it. */
int cf_quick_plain_more(struct quick *quick, int indent, struct cf_yaml_event *event);
int cf_quick_flow_plain(struct quick *quick, struct cf_yaml_event *ret_event);
/* "|" or ">" */
int cf_quick_block(struct quick *quick, int indent, struct cf_yaml_event *ret_event);

#endif
