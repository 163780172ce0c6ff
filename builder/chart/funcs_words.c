/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sprig's functions on the letters and words of strings. Case is mapped for ASCII, Latin-1, Greek
 * and Cyrillic; other scripts are left alone.
 */
#include "format.h"
#include "func.h"

#include <ctype.h>
#include <string.h>

static uint32_t to_lower(uint32_t r)
{
    if (r < 0x80)
        return (uint32_t)tolower((int)r);
    if ((r >= 0xC0 && r <= 0xDE && r != 0xD7) || (r >= 0x391 && r <= 0x3A9) ||
        (r >= 0x410 && r <= 0x42F))
        return r + 32;
    return r >= 0x400 && r <= 0x40F ? r + 80 : r >= 0x100 && r < 0x130 && !(r & 1) ? r + 1 : r;
}

static uint32_t to_upper(uint32_t r)
{
    if (r < 0x80)
        return (uint32_t)toupper((int)r);
    if ((r >= 0xE0 && r <= 0xFE && r != 0xF7) || (r >= 0x3B1 && r <= 0x3C9 && r != 0x3C2) ||
        (r >= 0x430 && r <= 0x44F))
        return r - 32;
    return r >= 0x450 && r <= 0x45F ? r - 80 : r >= 0x101 && r < 0x130 && r & 1 ? r - 1 : r;
}

static bool is_upper(uint32_t r)
{
    return to_lower(r) != r;
}

static bool is_letter(uint32_t r)
{
    return r < 0x80 ? isalpha((int)r) : r >= 0xC0 && r != 0xD7 && r != 0xF7;
}

static bool is_digit(uint32_t r)
{
    return r < 0x80 && isdigit((int)r);
}

static bool is_word_space(uint32_t r)
{
    return r == ' ' || (r >= '\t' && r <= '\r') || r == 0x85 || r == 0xA0;
}

struct runes {
    uint32_t *list;
    size_t count;
};

static struct runes runes_of(struct cf_exec *x, struct cf_val s)
{
    struct runes runes = {cf_run_alloc_array(x->run, s.len + 1, sizeof(uint32_t)), 0};
    int width;
    for (size_t i = 0; i < s.len; i += (size_t)width)
        runes.list[runes.count++] = cf_rune_at(s.str + i, s.len - i, &width);
    return runes;
}

static struct cf_val mapped(struct cf_exec *x, struct cf_val s, uint32_t (*map)(uint32_t))
{
    struct runes runes = runes_of(x, s);
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < runes.count; i++)
        cf_text_rune(&text, map(runes.list[i]));
    return cf_val_text(&text);
}

CF_FUNC(f_upper)
{
    CF_UNUSED;
    return mapped(x, a[0], to_upper);
}

CF_FUNC(f_lower)
{
    CF_UNUSED;
    return mapped(x, a[0], to_lower);
}

/* strings.Title: what follows anything but letters, digits, "_" and "'". */
static struct cf_val title(struct cf_exec *x, struct cf_val s, uint32_t (*map)(uint32_t),
                           bool words_by_space)
{
    struct runes runes = runes_of(x, s);
    struct cf_text text;
    uint32_t before = ' ';
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < runes.count; before = runes.list[i++]) {
        bool start = words_by_space ? is_word_space(before)
                                    : !(is_letter(before) || is_digit(before) || before == '_' ||
                                        before == '\'');
        cf_text_rune(&text, start ? map(runes.list[i]) : runes.list[i]);
    }
    return cf_val_text(&text);
}

CF_FUNC(f_title)
{
    CF_UNUSED;
    return title(x, a[0], to_upper, false);
}

CF_FUNC(f_untitle)
{
    CF_UNUSED;
    return title(x, a[0], to_lower, true);
}

CF_FUNC(f_initials)
{
    CF_UNUSED;
    struct runes runes = runes_of(x, a[0]);
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < runes.count; i++)
        if (!is_word_space(runes.list[i]) && (!i || is_word_space(runes.list[i - 1])))
            cf_text_rune(&text, runes.list[i]);
    return cf_val_text(&text);
}

/* Upper becomes lower; lower becomes title at a word's start, else upper. */
CF_FUNC(f_swapcase)
{
    CF_UNUSED;
    struct runes runes = runes_of(x, a[0]);
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < runes.count; i++) {
        uint32_t r = runes.list[i];
        cf_text_rune(&text, is_upper(r) ? to_lower(r) : to_upper(r));
    }
    return cf_val_text(&text);
}

static bool is_connector(uint32_t r)
{
    return r == '-' || r == '_' || is_word_space(r);
}

/* "http_server" as "HttpServer". A leading connector stays, and so do all but one of a run. */
CF_FUNC(f_camelcase)
{
    CF_UNUSED;
    struct runes runes = runes_of(x, a[0]);
    const uint32_t *r = runes.list;
    struct cf_text text;
    size_t i = 0;
    cf_text_init(&text, x->run);
    for (; i < runes.count && is_connector(r[i]); i++)
        cf_text_rune(&text, r[i]);
    for (size_t first = i; i < runes.count; i++) {
        bool last = i + 1 == runes.count, start = i == first || is_connector(r[i - 1]);
        if (!is_connector(r[i]))
            cf_text_rune(&text, start ? to_upper(r[i]) : to_lower(r[i]));
        else if (last || is_connector(r[i + 1]))
            cf_text_rune(&text, r[i]);
    }
    return cf_val_text(&text);
}

enum word_kind { NO_WORD, NUMBER, CAPITALS, LOWER, CONNECTOR, PUNCTUATION, OTHER };

static enum word_kind kind_of(uint32_t r)
{
    return is_connector(r)                                           ? CONNECTOR
           : r < 0x80 && strchr("!\"#%&'()*,-./:;?@[\\]_{}", (int)r) ? PUNCTUATION
           : is_upper(r)                                             ? CAPITALS
           : is_letter(r)                                            ? LOWER
           : is_digit(r)                                             ? NUMBER
                                                                     : OTHER;
}

/* The end of the word that begins at i: a run of one kind; "Http" is one word, "HTTPServer" two. */
static size_t word_end(const struct runes *runes, size_t i)
{
    const enum word_kind kind = kind_of(runes->list[i]);
    size_t end = i + 1;
    while (end < runes->count && kind_of(runes->list[end]) == kind)
        end++;
    if (kind != CAPITALS || end == runes->count || kind_of(runes->list[end]) != LOWER)
        return end;
    if (end > i + 1)
        return end - 1;
    while (end < runes->count && kind_of(runes->list[end]) == LOWER)
        end++;
    return end;
}

struct words {
    const struct runes *runes;
    struct cf_text *out;
    char connector;
    size_t at;
};

static enum word_kind peek_word(const struct words *w)
{
    return w->at < w->runes->count ? kind_of(w->runes->list[w->at]) : NO_WORD;
}

static enum word_kind put_word(struct words *w)
{
    const enum word_kind kind = peek_word(w);
    for (size_t end = word_end(w->runes, w->at); w->at < end; w->at++) {
        if (kind == CONNECTOR)
            cf_text_char(w->out, w->connector);
        else
            cf_text_rune(w->out, to_lower(w->runes->list[w->at]));
    }
    return kind;
}

static void put_connector(const struct words *w)
{
    const enum word_kind next = peek_word(w);
    if (next != NO_WORD && next != CONNECTOR && next != PUNCTUATION)
        cf_text_char(w->out, w->connector);
}

/* Words in lower case, connected. A number belongs to the word before it ("bld4_floor"), but to the
 * one behind it where that begins with a small letter ("http_2xx"): by xstrings' rules. */
static struct cf_val cased(struct cf_exec *x, struct cf_val s, char connector)
{
    const struct runes runes = runes_of(x, s);
    struct cf_text text;
    struct words w = {&runes, &text, connector, 0};
    cf_text_init(&text, x->run);
    while (w.at < runes.count) {
        enum word_kind kind = put_word(&w);
        if (kind == CONNECTOR || kind == PUNCTUATION)
            continue;
        if (kind != NUMBER && peek_word(&w) == NUMBER) {
            const size_t behind = word_end(&runes, w.at);
            if (behind < runes.count && kind_of(runes.list[behind]) == LOWER)
                cf_text_char(&text, connector);
            else
                kind = OTHER; /* no small letters follow: the number alone is glued on */
            (void)put_word(&w);
            if (kind == OTHER) {
                put_connector(&w);
                continue;
            }
            kind = NUMBER;
        }
        while (kind == NUMBER && (peek_word(&w) == LOWER || peek_word(&w) == NUMBER))
            (void)put_word(&w);
        put_connector(&w);
    }
    return cf_val_text(&text);
}

CF_FUNC(f_snakecase)
{
    CF_UNUSED;
    return cased(x, a[0], '_');
}

CF_FUNC(f_kebabcase)
{
    CF_UNUSED;
    return cased(x, a[0], '-');
}

/* goutils.Abbreviate: at most width, with "..." */
static struct cf_val abbrev(struct cf_exec *x, struct cf_val s, int64_t offset, int64_t width)
{
    int64_t len = s.len;
    struct cf_text text;
    cf_text_init(&text, x->run);
    if (width < 4 || (offset > 0 && width < 7) || len <= width)
        return s;
    if (offset > len)
        offset = len;
    if (len - offset < width - 3)
        offset = len - (width - 3);
    if (offset <= 4) {
        cf_text_add(&text, s.str, (size_t)(width - 3));
        cf_text_str(&text, "...");
        return cf_val_text(&text);
    }
    cf_text_str(&text, "...");
    if (offset + width - 3 < len) {
        cf_text_add(&text, s.str + offset, (size_t)(width - 6));
        cf_text_str(&text, "...");
    } else {
        cf_text_add(&text, s.str + len - (width - 3), (size_t)(width - 3));
    }
    return cf_val_text(&text);
}

CF_FUNC(f_abbrev)
{
    CF_UNUSED;
    return abbrev(x, a[1], 0, a[0].i);
}

CF_FUNC(f_abbrevboth)
{
    CF_UNUSED;
    return abbrev(x, a[2], a[0].i, a[1].i);
}

/* goutils.WrapCustom. A word that is longer than a line is broken, or goes on beyond it. */
static struct cf_val wrap(struct cf_exec *x, struct cf_val s, int64_t width, const char *newline,
                          bool break_words)
{
    struct cf_text text;
    size_t at = 0, limit = width < 1 ? 1 : (size_t)width;
    cf_text_init(&text, x->run);
    while (s.len - at > limit) {
        if (s.str[at] == ' ') {
            at++;
            continue;
        }
        size_t end = at + limit;
        while (end > at && s.str[end] != ' ')
            end--;
        if (end == at && break_words) {
            cf_text_add(&text, s.str + at, limit);
            cf_text_str(&text, newline);
            at += limit;
            continue;
        }
        if (end == at) {
            const char *space = memchr(s.str + at + limit, ' ', s.len - at - limit);
            if (!space)
                break;
            end = (size_t)(space - s.str);
        }
        cf_text_add(&text, s.str + at, end - at);
        cf_text_str(&text, newline);
        at = end + 1;
    }
    cf_text_add(&text, s.str + at, s.len - at);
    return cf_val_text(&text);
}

CF_FUNC(f_wrap)
{
    CF_UNUSED;
    return wrap(x, a[1], a[0].i, "\n", false);
}

CF_FUNC(f_wrap_with)
{
    CF_UNUSED;
    return wrap(x, a[2], a[0].i, a[1].str, true);
}

const struct cf_func cf_funcs_words[] = {
    {"upper", "s", f_upper},
    {"lower", "s", f_lower},
    {"title", "s", f_title},
    {"untitle", "s", f_untitle},
    {"initials", "s", f_initials},
    {"swapcase", "s", f_swapcase},
    {"camelcase", "s", f_camelcase},
    {"snakecase", "s", f_snakecase},
    {"kebabcase", "s", f_kebabcase},
    {"abbrev", "is", f_abbrev},
    {"abbrevboth", "iis", f_abbrevboth},
    {"wrap", "is", f_wrap},
    {"wrapWith", "iss", f_wrap_with},
    {NULL},
};
