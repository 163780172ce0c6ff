/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/scope.h>

#define LINES_MAX (1u << 30)

void cf_lines_done(struct lines *lines)
{
    free(lines->list);
    free(lines->number);
    free(lines->changed);
    *lines = (struct lines){0};
}

static size_t count_lines(const char *text, size_t len)
{
    size_t count = 0;
    const char *end = text + len;

    for (const char *at = text; at < end; count++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return count;
}

static int split(const char *text, size_t len, struct lines *lines)
{
    const char *at = text, *end = text + len;

    lines->count = count_lines(text, len);
    if (lines->count > LINES_MAX)
        return -EFBIG;
    lines->list = calloc(lines->count + 1, sizeof(*lines->list));
    lines->number = calloc(lines->count + 1, sizeof(*lines->number));
    lines->changed = calloc(lines->count + 1, sizeof(*lines->changed));
    if (!lines->list || !lines->number || !lines->changed)
        return -ENOMEM;
    for (size_t i = 0; i < lines->count; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        lines->list[i] = (struct line){at, (size_t)(next - at)};
        at = next;
    }
    return 0;
}

struct table {
    const struct line **slots; /* a line of that number */
    uint32_t *numbers;
    size_t mask;
    uint32_t next;
};

static uint64_t hash(const struct line *line)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < line->len; i++)
        h = (h ^ (unsigned char)line->text[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static uint32_t number_of(struct table *table, const struct line *line)
{
    size_t at = (size_t)hash(line) & table->mask;

    while (table->slots[at]) {
        const struct line *other = table->slots[at];
        if (other->len == line->len && memcmp(other->text, line->text, line->len) == 0)
            return table->numbers[at];
        at = (at + 1) & table->mask;
    }
    table->slots[at] = line;
    table->numbers[at] = table->next;
    return table->next++;
}

int cf_lines_split(const char *a_text, size_t a_len, const char *b_text, size_t b_len,
                   struct lines *ret_a, struct lines *ret_b)
{
    struct lines a cf_cleanup(cf_lines_done) = {0}, b cf_cleanup(cf_lines_done) = {0};
    size_t room = 16;
    int r = split(a_text ? a_text : "", a_len, &a);

    if (r == 0)
        r = split(b_text ? b_text : "", b_len, &b);
    if (r < 0)
        return r;
    while (room < 2 * (a.count + b.count))
        room *= 2;
    const struct line **slots cf_autofree = calloc(room, sizeof(*slots));
    uint32_t *numbers cf_autofree = calloc(room, sizeof(*numbers));
    if (!slots || !numbers)
        return -ENOMEM;
    struct table table = {.slots = slots, .numbers = numbers, .mask = room - 1};
    for (size_t i = 0; i < a.count; i++)
        a.number[i] = number_of(&table, &a.list[i]);
    for (size_t i = 0; i < b.count; i++)
        b.number[i] = number_of(&table, &b.list[i]);
    *ret_a = a;
    *ret_b = b;
    a = b = (struct lines){0};
    return 0;
}
