/* SPDX-License-Identifier: Apache-2.0 */
#include "quick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 1000 /* bytes of a key; libyaml's bound is a little higher */

/* The bytes of a character that libyaml reads as itself and not as a line break; 0: none. */
static size_t character(const uint8_t *at, size_t len)
{
    uint32_t first = at[0], value;
    size_t size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (size == 0 || size > len)
        return 0;
    value = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3f);
    }
    bool good = (size == 2 && value >= 0xa0) ||
                (size == 3 && value >= 0x800 && value != 0x2028 && value != 0x2029 &&
                 value != 0xfeff && value <= 0xfffd && (value < 0xd800 || value > 0xdfff)) ||
                (size == 4 && value >= 0x10000 && value <= 0x10ffff);
    return good ? size : 0;
}

/* Whether the text has nothing but lines of characters; tabs are judged where they stand. */
static bool is_text(const uint8_t *data, size_t len, bool *ret_ascii)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    size_t i = 0;

    *ret_ascii = true;
    while (i < len) {
        uint64_t word;
        if (i + sizeof(word) <= len) { /* eight of '\n' and ' ' to '~' at once */
            memcpy(&word, data + i, sizeof(word));
            uint64_t breaks = word ^ ones * '\n';
            breaks = ~(((breaks & ~high) + ~high) | breaks | ~high); /* 0x80 where it is one */
            word |= breaks >> 2;
            uint64_t below = word - ones * ' ', above = word + ones; /* '\177' + 1 is 0x80 */
            if (!((word | below | above) & high)) {
                i += sizeof(word);
                continue;
            }
        }
        uint8_t c = data[i];
        size_t size = c == '\n' || c == '\t' || (c >= ' ' && c <= '~') ? 1
                      : c < 0x80                                       ? 0
                                 : character(data + i, len - i);
        if (size == 0)
            return false;
        *ret_ascii = *ret_ascii && size == 1;
        i += size;
    }
    return true;
}

bool cf_quick_init(struct quick *quick, const char *data, size_t len, uint64_t offset, size_t line)
{
    *quick = (struct quick){.begin = data,
                            .end = data + len,
                            .at = data,
                            .line_begin = data,
                            .line = line,
                            .offset = offset,
                            .value = CF_BUF_INIT};
    return is_text((const uint8_t *)data, len, &quick->ascii);
}

void cf_quick_done(struct quick *quick)
{
    free(quick->levels);
    cf_buf_done(&quick->value);
    *quick = (struct quick){0};
}

/* To what comes next, over white space and comments: -ENOTSUP at a tab. */
static int skip(struct quick *quick)
{
    const char *at = quick->at;

    for (;;) {
        while (at < quick->end && *at == ' ')
            at++;
        if (at < quick->end && *at == '#') {
            if (at > quick->line_begin && at[-1] != ' ')
                return -ENOTSUP;
            const char *end = memchr(at, '\n', (size_t)(quick->end - at));
            at = end ? end : quick->end;
        }
        quick->at = at;
        if (at == quick->end || *at != '\n')
            return cf_quick_byte(quick, at) == '\t' ? -ENOTSUP : 0;
        quick->line_begin = ++at;
        quick->line++;
    }
}

static int skip_spaces(struct quick *quick)
{
    while (cf_quick_byte(quick, quick->at) == ' ')
        quick->at++;
    return cf_quick_byte(quick, quick->at) == '\t' ? -ENOTSUP : 0;
}

static bool is_line_over(const struct quick *quick)
{
    char c = cf_quick_byte(quick, quick->at);
    return c == '\n' || (c == '#' && quick->at > quick->begin && quick->at[-1] == ' ');
}

/* "---", "..." or the end. */
static bool is_document_over(const struct quick *quick)
{
    return quick->at == quick->end ||
           (quick->at == quick->line_begin && cf_quick_is_mark(quick, quick->at));
}

static bool is_dash(const struct quick *quick)
{
    char next = cf_quick_byte(quick, quick->at + 1);
    return cf_quick_byte(quick, quick->at) == '-' && (next == ' ' || next == '\n' || next == '\t');
}

static int column(const struct quick *quick)
{
    return (int)(quick->at - quick->line_begin);
}

/* Where what comes next begins: libyaml ends a last line that nothing ends. */
static struct cf_yaml_mark mark_next(const struct quick *quick)
{
    struct cf_yaml_mark mark = cf_quick_mark(quick, quick->at);

    if (quick->at == quick->end && mark.column > 1) {
        mark.line++;
        mark.column = 1;
    }
    return mark;
}

/* The end of a collection. White space at the very end of the text ends what lies deeper before
 * its line is ended. */
static struct cf_yaml_mark mark_end(const struct quick *quick, int indent)
{
    struct cf_yaml_mark mark = cf_quick_mark(quick, quick->at);
    return indent > (int)mark.column - 1 ? mark : mark_next(quick);
}

static int indent_of(const struct quick *quick)
{
    return quick->depth ? quick->levels[quick->depth - 1].indent : -1;
}

static enum quick_kind top(const struct quick *quick)
{
    return quick->levels[quick->depth - 1].kind;
}

static int push(struct quick *quick, int indent, enum quick_kind kind)
{
    if (quick->depth == quick->room) {
        size_t room = quick->room ? quick->room * 2 : 32;
        struct quick_level *grown = realloc(quick->levels, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        quick->levels = grown;
        quick->room = room;
    }
    quick->levels[quick->depth++] = (struct quick_level){indent, kind};
    return 0;
}

static int give(struct cf_yaml_event *ret_event, enum cf_yaml_kind kind, enum cf_yaml_style style,
                struct cf_yaml_mark start, struct cf_yaml_mark end)
{
    *ret_event = (struct cf_yaml_event){.kind = kind, .style = style, .start = start, .end = end};
    return 1;
}

static int give_empty(struct quick *quick, struct cf_yaml_mark mark,
                      struct cf_yaml_event *ret_event)
{
    quick->state = QUICK_CLOSE;
    *ret_event = (struct cf_yaml_event){
        .kind = CF_YAML_SCALAR, .style = CF_YAML_PLAIN, .start = mark, .end = mark, .value = ""};
    return 1;
}

/* The dash of an item goes by. */
static void pass_dash(struct quick *quick)
{
    quick->at++;
    quick->after = cf_quick_mark(quick, quick->at);
    quick->state = QUICK_ITEM;
}

/* The colon behind a key goes by: false if there is none. */
static bool pass_colon(struct quick *quick)
{
    const char *at = quick->at;

    while (cf_quick_byte(quick, at) == ' ')
        at++;
    char next = cf_quick_byte(quick, at + 1);
    if (cf_quick_byte(quick, at) != ':' || (next != ' ' && next != '\n'))
        return false;
    quick->at = at + 1;
    quick->after = cf_quick_mark(quick, quick->at);
    quick->state = QUICK_VALUE;
    return true;
}

static int begin_sequence(struct quick *quick, enum quick_kind kind,
                          struct cf_yaml_event *ret_event)
{
    struct cf_yaml_mark mark = cf_quick_mark(quick, quick->at);

    if (push(quick, column(quick), kind) < 0)
        return -ENOMEM;
    pass_dash(quick);
    return give(ret_event, CF_YAML_SEQUENCE, CF_YAML_BLOCK, mark,
                kind == QUICK_INDENTLESS ? quick->after : mark);
}

/* Whether a flow collection ends in this line, with nothing but a comment behind it: it is no key
 * then. */
static bool is_flow_alone(const struct quick *quick)
{
    const char *at = quick->at;
    size_t depth = 0;

    do {
        char c = cf_quick_byte(quick, at);
        if (c == '\n' || c == '#')
            return false;
        if ((c == '"' || c == '\'') && strchr("[{,: ", at[-1])) {
            for (at++; cf_quick_byte(quick, at) != c; at++) {
                if (cf_quick_byte(quick, at) == '\n')
                    return false;
                at += *at == '\\' && c == '"' && cf_quick_byte(quick, at + 1) != '\n';
            }
        }
        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        at++;
    } while (depth > 0);
    while (cf_quick_byte(quick, at) == ' ')
        at++;
    return cf_quick_byte(quick, at) == '\n' || (*at == '#' && at[-1] == ' ');
}

/* Whether the collection here is a key in a list: [{a: b}: c]. A key is at most 1024 long, and
 * all in one line. */
static bool is_flow_key(const struct quick *quick)
{
    const char *at = quick->at;
    char quote = 0;
    size_t depth = 0;

    do {
        char c = cf_quick_byte(quick, at);
        if (c == '\n' || at - quick->at > 2 * KEY_MAX)
            return false;
        if (quote == '"' && c == '\\')
            at++;
        else if (quote)
            quote = c == quote ? 0 : quote;
        else if ((c == '"' || c == '\'') && strchr("[{,: ", at[-1]))
            quote = c;
        depth += !quote && (c == '[' || c == '{');
        depth -= !quote && (c == ']' || c == '}');
        at++;
    } while (depth > 0);
    while (cf_quick_byte(quick, at) == ' ')
        at++;
    return cf_quick_byte(quick, at) == ':';
}

static int begin_flow(struct quick *quick, struct cf_yaml_event *ret_event)
{
    bool is_map = *quick->at == '{';

    if (quick->depth == 0)
        return -ENOTSUP; /* JSON has rules of its own */
    if (push(quick, indent_of(quick), is_map ? QUICK_FLOW_MAP : QUICK_FLOW_SEQUENCE) < 0)
        return -ENOMEM;
    quick->at++;
    quick->state = QUICK_FLOW_FIRST;
    return give(ret_event, is_map ? CF_YAML_MAP : CF_YAML_SEQUENCE, CF_YAML_FLOW,
                cf_quick_mark(quick, quick->at - 1), cf_quick_mark(quick, quick->at));
}

static int scan_scalar(struct quick *quick, struct cf_yaml_event *ret_event)
{
    char c = *quick->at;
    return c == '"' || c == '\'' ? cf_quick_quoted(quick, ret_event)
                                 : cf_quick_plain(quick, ret_event);
}

/* A scalar, or the map that a key begins. */
static int begin_scalar(struct quick *quick, bool may_be_key, struct cf_yaml_event *ret_event)
{
    const char *start = quick->at;
    int key_column = column(quick), r = scan_scalar(quick, ret_event);

    if (r < 0)
        return r;
    if (may_be_key && pass_colon(quick)) {
        if (quick->at - start > KEY_MAX)
            return -ENOTSUP;
        r = push(quick, key_column, QUICK_MAP);
        quick->held = *ret_event;
        quick->has_held = true;
        return r < 0 ? r
                     : give(ret_event, CF_YAML_MAP, CF_YAML_BLOCK, quick->held.start,
                            quick->held.start);
    }
    if (skip_spaces(quick) < 0 || !is_line_over(quick))
        return -ENOTSUP; /* a key after all? */
    if (ret_event->style == CF_YAML_PLAIN)
        r = cf_quick_plain_more(quick, indent_of(quick), ret_event);
    quick->state = QUICK_NEXT;
    return r < 0 ? r : 1;
}

/* A node in its first line. */
static int begin_node(struct quick *quick, bool may_be_block, struct cf_yaml_event *ret_event)
{
    int r;

    switch (*quick->at) {
    case '-':
        if (!is_dash(quick))
            break;
        return may_be_block ? begin_sequence(quick, QUICK_SEQUENCE, ret_event) : -ENOTSUP;
    case '[':
    case '{':
        return may_be_block && !is_flow_alone(quick) ? -ENOTSUP : begin_flow(quick, ret_event);
    case '|':
    case '>':
        r = quick->depth ? cf_quick_block(quick, indent_of(quick), ret_event) : -ENOTSUP;
        quick->state = QUICK_NEXT;
        return r < 0 ? r : 1;
    default:
        break;
    }
    return begin_scalar(quick, may_be_block, ret_event);
}

static int between(struct quick *quick, struct cf_yaml_event *ret_event)
{
    int r = skip(quick);

    if (r < 0 || quick->at == quick->end)
        return r;
    bool explicit = is_document_over(quick);
    const char *start = quick->at;
    if (*start == '.' ? explicit : *start == '%')
        return -ENOTSUP;
    quick->at += explicit ? 3 : 0;
    (void)give(ret_event, CF_YAML_DOCUMENT, CF_YAML_PLAIN, cf_quick_mark(quick, start),
               cf_quick_mark(quick, quick->at));
    ret_event->explicit = explicit;
    if (explicit) {
        r = skip_spaces(quick);
        if (r < 0 || !is_line_over(quick))
            return -ENOTSUP;
    }
    quick->state = QUICK_ROOT;
    return 1;
}

static int root(struct quick *quick, struct cf_yaml_event *ret_event)
{
    int r = skip(quick);

    if (r < 0)
        return r;
    if (is_document_over(quick))
        return give_empty(quick, mark_next(quick), ret_event);
    return begin_node(quick, true, ret_event);
}

static int value_or_item(struct quick *quick, struct cf_yaml_event *ret_event)
{
    bool is_item = quick->state == QUICK_ITEM;
    int indent = indent_of(quick), r = skip_spaces(quick);

    if (r == 0 && !is_line_over(quick))
        return begin_node(quick, is_item, ret_event);
    if (r == 0)
        r = skip(quick);
    if (r < 0)
        return r;
    if (is_document_over(quick) || column(quick) < indent)
        return give_empty(quick, quick->after, ret_event);
    if (column(quick) > indent)
        return begin_node(quick, true, ret_event);
    if (!is_item && is_dash(quick))
        return begin_sequence(quick, QUICK_INDENTLESS, ret_event);
    if (strchr("|>&*!", *quick->at)) /* libyaml does not mind where these stand */
        return -ENOTSUP;
    return give_empty(quick, quick->after, ret_event);
}

/* At what follows a node: the collections that it ends, or its place in the one that goes on. */
static int close_or_go_on(struct quick *quick, struct cf_yaml_event *ret_event)
{
    int at = is_document_over(quick) ? -1 : column(quick);

    if (quick->depth == 0) {
        quick->state = QUICK_BETWEEN;
        bool dots = quick->at < quick->end && *quick->at == '.';
        return at >= 0 || dots ? -ENOTSUP
                               : give(ret_event, CF_YAML_DOCUMENT_END, CF_YAML_PLAIN,
                                      mark_next(quick), mark_next(quick));
    }
    int indent = indent_of(quick);
    bool dash = is_dash(quick);
    enum quick_kind kind = top(quick);
    if (indent > at || (kind == QUICK_INDENTLESS && indent == at && !dash)) {
        quick->depth--;
        return give(ret_event, kind == QUICK_MAP ? CF_YAML_MAP_END : CF_YAML_SEQUENCE_END,
                    CF_YAML_PLAIN, mark_end(quick, indent), mark_end(quick, indent));
    }
    if (indent < at || dash != (kind != QUICK_MAP))
        return -ENOTSUP;
    if (dash) {
        pass_dash(quick);
        return value_or_item(quick, ret_event);
    }
    const char *start = quick->at;
    int r = scan_scalar(quick, ret_event);
    if (r < 0)
        return r;
    return pass_colon(quick) && quick->at - start <= KEY_MAX ? 1 : -ENOTSUP;
}

static int next(struct quick *quick, struct cf_yaml_event *ret_event)
{
    bool fresh = quick->at == quick->line_begin;
    size_t line = quick->line;
    int r = skip(quick);

    if (r == 0 && !fresh && line == quick->line && quick->at < quick->end)
        r = -ENOTSUP;
    quick->state = QUICK_CLOSE;
    return r < 0 ? r : close_or_go_on(quick, ret_event);
}

static int end_flow(struct quick *quick, struct cf_yaml_event *ret_event)
{
    bool is_map = top(quick) == QUICK_FLOW_MAP;

    if (*quick->at != (is_map ? '}' : ']'))
        return -ENOTSUP;
    quick->at++;
    quick->depth--;
    quick->state = top(quick) >= QUICK_FLOW_MAP ? QUICK_FLOW_AFTER : QUICK_NEXT;
    return give(ret_event, is_map ? CF_YAML_MAP_END : CF_YAML_SEQUENCE_END, CF_YAML_PLAIN,
                cf_quick_mark(quick, quick->at - 1), cf_quick_mark(quick, quick->at));
}

/* An item, key or value of a flow collection. */
static int flow_item(struct quick *quick, struct cf_yaml_event *ret_event)
{
    bool is_key = top(quick) == QUICK_FLOW_MAP && quick->state != QUICK_FLOW_VALUE;
    const char *start = quick->at;
    char c = *start;

    if ((c == '[' || c == '{') && !is_key)
        return top(quick) == QUICK_FLOW_SEQUENCE && is_flow_key(quick)
                   ? -ENOTSUP
                   : begin_flow(quick, ret_event);
    bool quoted = c == '"' || c == '\'';
    int r = quoted ? cf_quick_quoted(quick, ret_event) : cf_quick_flow_plain(quick, ret_event);
    quick->state = QUICK_FLOW_AFTER;
    if (r == 0)
        r = skip_spaces(quick);
    if (r < 0)
        return r;
    if (!is_key) /* or is it, of a map without braces? */
        return strchr(",]}", cf_quick_byte(quick, quick->at)) ? 1 : -ENOTSUP;
    char behind = cf_quick_byte(quick, quick->at + 1);
    if (cf_quick_byte(quick, quick->at) != ':' || quick->at - start > KEY_MAX ||
        (behind != ' ' && !(quoted && (behind == '"' || behind == '{' || behind == '['))))
        return -ENOTSUP;
    quick->at++;
    quick->state = QUICK_FLOW_VALUE;
    return 1;
}

static int flow(struct quick *quick, struct cf_yaml_event *ret_event)
{
    int r = skip_spaces(quick);

    if (r < 0 || is_line_over(quick))
        return -ENOTSUP;
    char c = *quick->at;
    bool closes = c == ']' || c == '}';
    if (quick->state == QUICK_FLOW_AFTER && c == ',') {
        quick->at++;
        quick->state = QUICK_FLOW_ITEM;
        return flow(quick, ret_event);
    }
    if (closes && (quick->state == QUICK_FLOW_AFTER || quick->state == QUICK_FLOW_FIRST))
        return end_flow(quick, ret_event);
    return quick->state == QUICK_FLOW_AFTER || closes ? -ENOTSUP : flow_item(quick, ret_event);
}

static int step(struct quick *quick, struct cf_yaml_event *ret_event)
{
    switch (quick->state) {
    case QUICK_BETWEEN:
        return between(quick, ret_event);
    case QUICK_ROOT:
        return root(quick, ret_event);
    case QUICK_VALUE:
    case QUICK_ITEM:
        return value_or_item(quick, ret_event);
    case QUICK_NEXT:
        return next(quick, ret_event);
    case QUICK_CLOSE:
        return close_or_go_on(quick, ret_event);
    default:
        return flow(quick, ret_event);
    }
}

int cf_quick_next(struct quick *quick, struct cf_yaml_event *ret_event)
{
    int r = 1;

    if (quick->has_held) {
        *ret_event = quick->held;
        quick->has_held = false;
    } else {
        r = step(quick, ret_event);
    }
    quick->count += r > 0;
    return r;
}
