/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <string.h>

#define PAIR 12 /* characters of \ud83d\ude00 */

void cf_yaml_input_init(struct input *input, const struct cf_yaml_options *options)
{
    input->data = options->data;
    input->len = options->len;
    input->source = options->data ? NULL : options->source;
    input->source_context = options->source_context;
}

void cf_yaml_input_done(struct input *input)
{
    cf_yaml_marks_done(&input->marks);
}

/* Fills held. */
static int fetch(struct input *input)
{
    size_t room = sizeof(input->held) - input->held_len;
    ssize_t n;

    if (input->source) {
        n = input->source(input->source_context, input->held + input->held_len, room, &input->err);
    } else {
        n = (ssize_t)(input->len < room ? input->len : room);
        if (n > 0)
            memcpy(input->held + input->held_len, input->data, (size_t)n);
        input->data = n > 0 ? input->data + n : input->data;
        input->len -= (size_t)n;
    }
    if (n < 0)
        return (int)n;
    input->ended = n == 0;
    input->held_len += (size_t)n;
    return 0;
}

static size_t count_white(const uint8_t *data, size_t len)
{
    size_t n = 0;

    while (n < len && (data[n] == ' ' || data[n] == '\t' || data[n] == '\r' || data[n] == '\n'))
        n++;
    return n;
}

static void see_form(struct input *input, size_t len)
{
    size_t white = count_white(input->held, len);

    if (white < len) /* tabs of a whole piece of white stay: libyaml says what it thinks of them */
        input->form = input->held[white] == '{' || input->held[white] == '[' ? JSON : YAML;
}

/* Makes spaces of the tabs that begin lines. */
static void drop_tabs(struct input *input, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (input->in_line) {
            const uint8_t *end = memchr(data + i, '\n', len - i);
            if (!end)
                return;
            i = (size_t)(end - data);
            input->in_line = false;
        } else if (data[i] == '\t') {
            data[i] = ' ';
        } else if (data[i] != ' ' && data[i] != '\n' && data[i] != '\r') {
            input->in_line = true;
        }
    }
}

/* The value of a \uXXXX escape, or -1. */
static long unit_of(const uint8_t *text)
{
    long value = 0;

    if (text[0] != '\\' || text[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int c = text[i] | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The character that a surrogate pair means; 0: it is none. */
static long pair_of(const uint8_t *text)
{
    long high = unit_of(text), low = high < 0 ? -1 : unit_of(text + 6);

    if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static void put_escape(uint8_t *data, long character)
{
    static const char digits[] = "0123456789abcdef";

    data[0] = '\\';
    data[1] = 'U';
    for (int i = 9; i > 1; i--, character >>= 4)
        data[i] = (uint8_t)digits[character & 15];
}

/* Copies len bytes of held, with its surrogate pairs changed; *ret_used may be less, where an
 * escape is not whole yet. Returns the count of bytes written, or -ENOMEM. */
static ssize_t copy_json(struct input *input, uint8_t *data, size_t len, size_t *ret_used)
{
    const uint8_t *from = input->held;
    size_t at = 0, out = 0;

    while (at < len) {
        const uint8_t *slash = memchr(from + at, '\\', len - at);
        size_t plain = slash ? (size_t)(slash - from) - at : len - at;
        if (cf_yaml_marks_pass(&input->marks, from + at, plain) < 0)
            return -ENOMEM;
        memcpy(data + out, from + at, plain);
        at += plain;
        out += plain;
        if (!slash)
            break;
        if (len - at < PAIR && !input->ended)
            break;
        long character = len - at >= PAIR ? pair_of(slash) : 0;
        if (character) {
            put_escape(data + out, character);
            if (cf_yaml_marks_pass_as(&input->marks, 10, PAIR - 10) < 0)
                return -ENOMEM;
            at += PAIR;
            out += 10;
            continue;
        }
        size_t two = len - at > 1 && slash[1] < 0x80 ? 2 : 1;
        if (cf_yaml_marks_pass(&input->marks, from + at, two) < 0)
            return -ENOMEM;
        memcpy(data + out, slash, two);
        at += two;
        out += two;
    }
    *ret_used = at;
    drop_tabs(input, data, out);
    return (ssize_t)out;
}

static void remember(struct input *input, const uint8_t *data, size_t len)
{
    const struct piece *last = &input->pieces[(input->piece_count + 1) % 2];
    struct piece *piece = &input->pieces[input->piece_count++ % 2];
    size_t breaks = last->line_breaks;

    for (size_t i = 0; i < last->len; i++)
        breaks += last->data[i] == '\n';
    piece->offset = last->offset + last->len;
    piece->line_breaks = breaks;
    piece->len = len;
    memcpy(piece->data, data, len);
}

ssize_t cf_yaml_input_read(struct input *input, uint8_t *data, size_t size)
{
    size_t used = 0;
    ssize_t n = 0;

    while (n == 0) {
        int r = input->ended || input->held_len >= PAIR ? 0 : fetch(input);
        if (r < 0)
            return r;
        if (input->held_len == 0)
            return 0;
        if (input->held_len < PAIR && !input->ended)
            continue;
        size_t len = input->held_len < size ? input->held_len : size;
        if (input->form == LEADING)
            see_form(input, len);
        if (input->form == JSON) {
            n = copy_json(input, data, len, &used);
        } else {
            memcpy(data, input->held, len);
            n = cf_yaml_marks_pass(&input->marks, data, len) < 0 ? -ENOMEM : (ssize_t)len;
            used = len;
        }
        if (n < 0)
            return n;
        if (used == 0) { /* an escape that the room cut off */
            memcpy(data, input->held, len);
            used = len;
            n = (ssize_t)len;
        }
        input->held_len -= used;
        memmove(input->held, input->held + used, input->held_len);
    }
    remember(input, data, (size_t)n);
    return n;
}

size_t cf_yaml_input_line(const struct input *input, uint64_t offset)
{
    const struct piece *piece = &input->pieces[(input->piece_count + 1) % 2];

    if (piece->offset > offset)
        piece = &input->pieces[input->piece_count % 2];
    size_t line = piece->line_breaks;
    for (size_t i = 0; i < piece->len && piece->offset + i < offset; i++)
        line += piece->data[i] == '\n';
    return line;
}
