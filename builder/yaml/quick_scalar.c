/* SPDX-License-Identifier: Apache-2.0 */
#include "quick.h"

#include <errno.h>
#include <string.h>

static void next_line(struct quick *quick, const char *at)
{
    quick->line++;
    quick->line_begin = at;
}

static int set_value(struct quick *quick, const char *text, size_t len)
{
    cf_buf_clear(&quick->value);
    return cf_buf_add(&quick->value, text, len);
}

/* The event of the scalar that is quick->value. */
static void scalar(struct quick *quick, enum cf_yaml_style style, struct cf_yaml_mark start,
                   struct cf_yaml_mark end, struct cf_yaml_event *ret_event)
{
    *ret_event = (struct cf_yaml_event){
        .kind = CF_YAML_SCALAR,
        .style = style,
        .start = start,
        .end = end,
        .value = quick->value.data ? quick->value.data : "",
        .len = quick->value.len,
    };
}

static int add_single(struct quick *quick, const char *text, const char *end)
{
    int r = 0;

    cf_buf_clear(&quick->value);
    while (r == 0 && text < end) {
        const char *quote = memchr(text, '\'', (size_t)(end - text));
        const char *stop = quote ? quote + 1 : end; /* two quotes are one */
        r = cf_buf_add(&quick->value, text, (size_t)(stop - text));
        text = quote ? quote + 2 : end;
    }
    return r;
}

static int add_double(struct quick *quick, const char *text, const char *end)
{
    static const char names[] = "nrt\"\\/", values[] = "\n\r\t\"\\/";
    int r = 0;

    cf_buf_clear(&quick->value);
    while (r == 0 && text < end) {
        const char *slash = memchr(text, '\\', (size_t)(end - text));
        r = cf_buf_add(&quick->value, text, (size_t)((slash ? slash : end) - text));
        if (r < 0 || !slash)
            return r;
        const char *name = strchr(names, slash[1]);
        if (!name || !slash[1])
            return -ENOTSUP;
        r = cf_buf_add_char(&quick->value, values[name - names]);
        text = slash + 2;
    }
    return r;
}

int cf_quick_quoted(struct quick *quick, struct cf_yaml_event *ret_event)
{
    const char *start = quick->at, *at = start + 1;
    char quote = *start;
    bool simple = true; /* nothing in it stands for something else */
    int r;

    for (;; at++) {
        char c = cf_quick_byte(quick, at);
        if (c == '\n')
            return -ENOTSUP;
        if (c == '\\' && quote == '"') {
            simple = false;
            if (cf_quick_byte(quick, ++at) == '\n')
                return -ENOTSUP;
        } else if (c == quote) {
            if (quote == '"' || cf_quick_byte(quick, at + 1) != '\'')
                break;
            simple = false;
            at++;
        }
    }
    r = simple         ? set_value(quick, start + 1, (size_t)(at - start - 1))
        : quote == '"' ? add_double(quick, start + 1, at)
                       : add_single(quick, start + 1, at);
    if (r < 0)
        return r;
    scalar(quick, quote == '"' ? CF_YAML_DOUBLE : CF_YAML_SINGLE, cf_quick_mark(quick, start),
           cf_quick_mark(quick, at + 1), ret_event);
    quick->at = at + 1;
    return 0;
}

/* Whether a plain scalar may begin here; fewer than YAML allows. */
static bool begins_plain(const struct quick *quick, bool in_flow)
{
    static const bool indicators[256] = {
        ['?'] = true, [':'] = true, [','] = true,  ['['] = true, [']'] = true,
        ['{'] = true, ['}'] = true, ['#'] = true,  ['&'] = true, ['*'] = true,
        ['!'] = true, ['|'] = true, ['>'] = true,  ['"'] = true, ['%'] = true,
        ['@'] = true, ['`'] = true, ['\''] = true, ['\t'] = true};
    char c = *quick->at, next = cf_quick_byte(quick, quick->at + 1);

    if (c == '-')
        return in_flow ? next > ' ' && !strchr(",[]{}?:#", next) : next != ' ' && next != '\n';
    return !indicators[(unsigned char)c];
}

/* The end of what a line has of a plain scalar: NULL at something unknown. */
static const char *plain_end(const struct quick *quick, const char *at)
{
    static const bool stops[256] = {['\n'] = true, [':'] = true, ['#'] = true, ['\t'] = true};

    for (;; at++) {
        while (at < quick->end && !stops[(unsigned char)*at])
            at++;
        if (at == quick->end || *at == '\n')
            return at;
        if (*at == '\t')
            return NULL;
        char next = cf_quick_byte(quick, at + 1);
        if (*at == ':' && (next == ' ' || next == '\n' || next == '\t'))
            return next == '\t' ? NULL : at;
        if (*at == '#' && at[-1] == ' ')
            return at;
    }
}

static const char *without_spaces(const char *begin, const char *end)
{
    while (end > begin && end[-1] == ' ')
        end--;
    return end;
}

int cf_quick_plain(struct quick *quick, struct cf_yaml_event *ret_event)
{
    const char *start = quick->at;

    if (!begins_plain(quick, false))
        return -ENOTSUP;
    const char *stop = plain_end(quick, start + 1);
    const char *end = stop ? without_spaces(start, stop) : NULL;
    if (!stop)
        return -ENOTSUP;
    int r = set_value(quick, start, (size_t)(end - start));
    if (r < 0)
        return r;
    scalar(quick, CF_YAML_PLAIN, cf_quick_mark(quick, start), cf_quick_mark(quick, end), ret_event);
    quick->at = end;
    return 0;
}

/* Where the next line that is not empty begins to say something; NULL: a tab is in the way. */
static const char *next_text(const struct quick *quick, const char *at, size_t *ret_breaks,
                             const char **ret_line)
{
    *ret_breaks = 0;
    for (;;) {
        while (at < quick->end && *at == ' ')
            at++;
        if (at == quick->end)
            return at;
        if (*at != '\n')
            return *at == '\t' ? NULL : at;
        at++;
        ++*ret_breaks;
        *ret_line = at;
    }
}

int cf_quick_plain_more(struct quick *quick, int indent, struct cf_yaml_event *event)
{
    struct cf_yaml_mark end = event->end;
    size_t breaks = 0;
    int r = 0;

    while (r == 0) {
        const char *line = quick->line_begin;
        const char *at = next_text(quick, quick->at, &breaks, &line);
        if (!at)
            return -ENOTSUP;
        if (at == quick->end || breaks == 0 || at - line <= indent || *at == '#' ||
            (at == line && cf_quick_is_mark(quick, at)))
            break;
        const char *stop = plain_end(quick, at);
        if (!stop || *at == ':' || cf_quick_byte(quick, stop) == ':')
            return -ENOTSUP; /* of several lines, and a key? */
        const char *last = without_spaces(at, stop);
        if (breaks == 1)
            r = cf_buf_add_char(&quick->value, ' ');
        for (size_t i = 1; i < breaks && r == 0; i++)
            r = cf_buf_add_char(&quick->value, '\n');
        if (r == 0)
            r = cf_buf_add(&quick->value, at, (size_t)(last - at));
        quick->line += breaks;
        quick->line_begin = line;
        quick->at = last;
        end = cf_quick_mark(quick, last);
    }
    scalar(quick, CF_YAML_PLAIN, event->start, end, event);
    return r;
}

int cf_quick_flow_plain(struct quick *quick, struct cf_yaml_event *ret_event)
{
    const char *start = quick->at, *at = start;

    if (!begins_plain(quick, true))
        return -ENOTSUP;
    for (;; at++) {
        char c = cf_quick_byte(quick, at), next = cf_quick_byte(quick, at + 1);
        if (c == '\n' || c == '\t' || c == '?' || c == '[' || c == '{')
            return -ENOTSUP;
        if (c == ',' || c == ']' || c == '}' || (c == ':' && next == ' '))
            break;
        if ((c == ':' && strchr(",?[]{}\n\t", next)) || (c == '#' && at > start && at[-1] == ' '))
            return -ENOTSUP;
    }
    const char *end = without_spaces(start, at);
    int r = set_value(quick, start, (size_t)(end - start));
    if (r < 0)
        return r;
    scalar(quick, CF_YAML_PLAIN, cf_quick_mark(quick, start), cf_quick_mark(quick, end), ret_event);
    quick->at = end;
    return 0;
}

/* A block scalar in the making. */
struct block {
    bool folded, keep, strip;
    int indent;
    size_t breaks;      /* line breaks behind the last line, beyond its own */
    bool leading_blank; /* the last line begins with white space */
    bool has_break;     /* the last line ended with one */
};

/* The empty lines from the line at hand on; quick->at is then at a line's begin. Returns the
 * columns of white space that the line there has, of those that are the indentation; -ENOTSUP. */
static int block_breaks(struct quick *quick, struct block *block, int limit, int *max)
{
    block->breaks = 0;
    for (;;) {
        const char *at = quick->at;
        int column = 0;
        while (column < limit && at < quick->end && *at == ' ') {
            at++;
            column++;
        }
        if (column < limit && cf_quick_byte(quick, at) == '\t')
            return -ENOTSUP;
        if (at == quick->end || *at != '\n')
            return column;
        *max = column > *max ? column : *max;
        block->breaks++;
        quick->at = at + 1;
        next_line(quick, quick->at);
    }
}

static int block_header(struct quick *quick, struct block *block)
{
    const char *at = quick->at;

    block->folded = *at == '>';
    block->keep = cf_quick_byte(quick, ++at) == '+';
    block->strip = cf_quick_byte(quick, at) == '-';
    at += block->keep || block->strip;
    const char *word = at;
    while (cf_quick_byte(quick, at) == ' ')
        at++;
    if (cf_quick_byte(quick, at) == '#' && at > word) {
        at = memchr(at, '\n', (size_t)(quick->end - at));
        at = at ? at : quick->end;
    }
    if (at == quick->end || *at != '\n')
        return -ENOTSUP;
    quick->at = at + 1;
    next_line(quick, quick->at);
    return 0;
}

static int add_breaks(struct quick *quick, size_t count)
{
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        r = cf_buf_add_char(&quick->value, '\n');
    return r;
}

/* One line of it, at quick->at, with what lies between it and the one before. */
static int block_line(struct quick *quick, struct block *block)
{
    const char *text = quick->at + block->indent;
    const char *end = memchr(text, '\n', (size_t)(quick->end - text));
    bool blank = *text == ' ' || *text == '\t';
    int r = 0;

    if (block->folded && block->has_break && !block->leading_blank && !blank)
        r = block->breaks == 0 ? cf_buf_add_char(&quick->value, ' ') : 0;
    else if (block->has_break)
        r = cf_buf_add_char(&quick->value, '\n');
    if (r == 0)
        r = add_breaks(quick, block->breaks);
    if (r == 0)
        r = cf_buf_add(&quick->value, text, (size_t)((end ? end : quick->end) - text));
    block->leading_blank = blank;
    block->has_break = end != NULL;
    quick->at = end ? end + 1 : quick->end;
    if (end)
        next_line(quick, quick->at);
    return r;
}

int cf_quick_block(struct quick *quick, int indent, struct cf_yaml_event *ret_event)
{
    struct cf_yaml_mark start = cf_quick_mark(quick, quick->at);
    struct block block = {0};
    int max = 0, r = block_header(quick, &block);

    cf_buf_clear(&quick->value);
    int column = r < 0 ? r : block_breaks(quick, &block, 1000, &max);
    if (column < 0)
        return column;
    if (column >= 1000 || max > column || max > indent + 1)
        return -ENOTSUP; /* empty lines that say more than the first line does */
    block.indent = column > indent + 1 ? column : indent + 1;
    while (r == 0 && column == block.indent && quick->at + column < quick->end) {
        r = block_line(quick, &block);
        if (r < 0 || !block.has_break)
            block.breaks = 0;
        column = r < 0 || !block.has_break ? -1 : block_breaks(quick, &block, block.indent, &max);
        if (column == -ENOTSUP)
            return -ENOTSUP;
    }
    if (r == 0 && block.has_break && !block.strip)
        r = cf_buf_add_char(&quick->value, '\n');
    if (r == 0 && block.keep)
        r = add_breaks(quick, block.breaks);
    scalar(quick, block.folded ? CF_YAML_FOLDED : CF_YAML_LITERAL, start,
           cf_quick_mark(quick, quick->at), ret_event);
    return r;
}
