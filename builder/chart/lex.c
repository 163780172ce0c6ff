/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of a template, white space trimmed and comments dropped. */
#include "parse.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct lexer {
    struct cf_run *run;
    const char *text;
    size_t len, at;
    unsigned parens;
    struct cf_tokens *tokens;
};

static const char SPACES[] = " \t\r\n";

static bool is_space(char c)
{
    return c && strchr(SPACES, c);
}

static void emit(struct lexer *l, enum cf_token_type type, size_t from, size_t to)
{
    struct cf_tokens *t = l->tokens;
    if (t->count == t->room) {
        size_t room = t->room ? t->room * 2 : 64;
        struct cf_token *list = cf_run_alloc_array(l->run, room, sizeof *list);
        if (t->count)
            memcpy(list, t->list, t->count * sizeof *list);
        t->list = list;
        t->room = room;
    }
    t->list[t->count++] =
        (struct cf_token){type, (uint32_t)from, l->text + from, (uint32_t)(to - from)};
}

static bool fail(struct lexer *l, size_t pos, const char *why)
{
    emit(l, CF_TOK_ERROR, pos, pos);
    l->tokens->list[l->tokens->count - 1].str = why;
    l->tokens->list[l->tokens->count - 1].len = (uint32_t)strlen(why);
    return false;
}

static bool looking_at(const struct lexer *l, size_t at, const char *what)
{
    size_t len = strlen(what);
    return l->len - at >= len && !memcmp(l->text + at, what, len);
}

/* "- " behind the left delimiter. */
static bool has_left_trim(const struct lexer *l, size_t at)
{
    return at + 1 < l->len && l->text[at] == '-' && is_space(l->text[at + 1]);
}

/* At "}}" or " -}}": how long it is, 0 when at neither. */
static size_t right_delim(const struct lexer *l, size_t at, bool *ret_trim)
{
    *ret_trim = false;
    if (looking_at(l, at, "}}"))
        return 2;
    if (at < l->len && is_space(l->text[at]) && looking_at(l, at + 1, "-}}")) {
        *ret_trim = true;
        return 4;
    }
    return 0;
}

static void skip_spaces(struct lexer *l)
{
    while (l->at < l->len && is_space(l->text[l->at]))
        l->at++;
}

static bool lex_comment(struct lexer *l, size_t start)
{
    const char *end = memmem(l->text + l->at, l->len - l->at, "*/", 2);
    bool trim;
    if (!end)
        return fail(l, start, "unclosed comment");
    l->at = (size_t)(end - l->text) + 2;
    size_t width = right_delim(l, l->at, &trim);
    if (!width)
        return fail(l, start, "comment ends before closing delimiter");
    l->at += width;
    if (trim)
        skip_spaces(l);
    return true;
}

static bool is_alnum(char c)
{
    return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool at_terminator(const struct lexer *l)
{
    bool trim;
    if (l->at >= l->len)
        return true;
    char c = l->text[l->at];
    return is_space(c) || (c && strchr(".,|:)(=", c)) || right_delim(l, l->at, &trim);
}

static bool lex_field(struct lexer *l, enum cf_token_type type)
{
    size_t start = l->at++;
    if (at_terminator(l)) {
        emit(l, type == CF_TOK_VARIABLE ? CF_TOK_VARIABLE : CF_TOK_DOT, start, l->at);
        return true;
    }
    while (l->at < l->len && is_alnum(l->text[l->at]))
        l->at++;
    if (!at_terminator(l))
        return fail(l, l->at, "bad character");
    emit(l, type, start, l->at);
    return true;
}

static bool lex_word(struct lexer *l)
{
    static const struct {
        const char *word;
        enum cf_token_type type;
    } words[] = {
        {"block", CF_TOK_BLOCK},
        {"break", CF_TOK_BREAK},
        {"continue", CF_TOK_CONTINUE},
        {"define", CF_TOK_DEFINE},
        {"else", CF_TOK_ELSE},
        {"end", CF_TOK_END},
        {"if", CF_TOK_IF},
        {"range", CF_TOK_RANGE},
        {"nil", CF_TOK_NIL},
        {"template", CF_TOK_TEMPLATE},
        {"with", CF_TOK_WITH},
        {"true", CF_TOK_BOOL},
        {"false", CF_TOK_BOOL},
    };
    size_t start = l->at;
    while (l->at < l->len && is_alnum(l->text[l->at]))
        l->at++;
    if (!at_terminator(l))
        return fail(l, l->at, "bad character");
    enum cf_token_type type = CF_TOK_IDENTIFIER;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == l->at - start && looking_at(l, start, words[i].word))
            type = words[i].type;
    emit(l, type, start, l->at);
    return true;
}

static bool lex_quote(struct lexer *l, char quote, enum cf_token_type type, const char *why)
{
    size_t start = l->at++;
    while (l->at < l->len && l->text[l->at] != quote) {
        if (l->text[l->at] == '\n')
            return fail(l, start, why);
        l->at += l->text[l->at] == '\\' ? 2 : 1;
    }
    if (l->at >= l->len)
        return fail(l, start, why);
    l->at++;
    emit(l, type, start, l->at);
    return true;
}

static bool lex_raw(struct lexer *l)
{
    size_t start = l->at;
    const char *end = memchr(l->text + start + 1, '`', l->len - start - 1);
    if (!end)
        return fail(l, start, "unterminated raw quoted string");
    l->at = (size_t)(end - l->text) + 1;
    emit(l, CF_TOK_RAW_STRING, start, l->at);
    return true;
}

static bool lex_number(struct lexer *l)
{
    size_t start = l->at;
    const char *digits = "0123456789_";
    bool hex = false;
    if (l->text[l->at] == '+' || l->text[l->at] == '-')
        l->at++;
    if (l->at + 1 < l->len && l->text[l->at] == '0' && l->text[l->at + 1]) {
        char base = (char)(l->text[l->at + 1] | 0x20);
        hex = base == 'x';
        if (hex)
            digits = "0123456789abcdefABCDEF_";
        if (hex || base == 'o' || base == 'b')
            l->at += 2;
    }
    while (l->at < l->len && l->text[l->at] && strchr(digits, l->text[l->at]))
        l->at++;
    if (l->at < l->len && l->text[l->at] == '.')
        for (l->at++; l->at < l->len && l->text[l->at] && strchr(digits, l->text[l->at]);)
            l->at++;
    if (!hex && l->at < l->len && (l->text[l->at] | 0x20) == 'e') {
        l->at++;
        if (l->at < l->len && (l->text[l->at] == '+' || l->text[l->at] == '-'))
            l->at++;
        while (l->at < l->len && (isdigit((unsigned char)l->text[l->at]) || l->text[l->at] == '_'))
            l->at++;
    }
    if (l->at < l->len && is_alnum(l->text[l->at]))
        return fail(l, start, "bad number syntax");
    emit(l, CF_TOK_NUMBER, start, l->at);
    return true;
}

static bool lex_paren(struct lexer *l, char c)
{
    if (c == '(') {
        l->parens++;
    } else if (!l->parens--) {
        return fail(l, l->at, "unexpected right paren");
    }
    emit(l, c == '(' ? CF_TOK_LEFT_PAREN : CF_TOK_RIGHT_PAREN, l->at, l->at + 1);
    l->at++;
    return true;
}

/* One token within an action. */
static bool lex_one(struct lexer *l)
{
    char c = l->text[l->at];
    char next = l->at + 1 < l->len ? l->text[l->at + 1] : 0;
    size_t start = l->at;
    if (is_space(c)) {
        bool trim;
        while (l->at < l->len && is_space(l->text[l->at]) && !right_delim(l, l->at, &trim))
            l->at++;
        emit(l, CF_TOK_SPACE, start, l->at);
        return true;
    }
    if (c == ':' && next == '=') {
        l->at += 2;
        emit(l, CF_TOK_DECLARE, start, l->at);
        return true;
    }
    if (c == '=' || c == '|') {
        l->at++;
        emit(l, c == '=' ? CF_TOK_ASSIGN : CF_TOK_PIPE, start, l->at);
        return true;
    }
    if (c == '"')
        return lex_quote(l, '"', CF_TOK_STRING, "unterminated quoted string");
    if (c == '\'')
        return lex_quote(l, '\'', CF_TOK_CHAR_CONSTANT, "unterminated character constant");
    if (c == '`')
        return lex_raw(l);
    if (c == '$')
        return lex_field(l, CF_TOK_VARIABLE);
    if (c == '.' && !isdigit((unsigned char)next))
        return lex_field(l, CF_TOK_FIELD);
    if (isdigit((unsigned char)c) || c == '+' || c == '-' || c == '.')
        return lex_number(l);
    if (is_alnum(c))
        return lex_word(l);
    if (c == '(' || c == ')')
        return lex_paren(l, c);
    if (c > ' ' && c < 0x7f) {
        l->at++;
        emit(l, CF_TOK_CHAR, start, l->at);
        return true;
    }
    return fail(l, start, "unrecognized character in action");
}

static bool lex_action(struct lexer *l)
{
    l->parens = 0;
    for (;;) {
        bool trim;
        size_t width = right_delim(l, l->at, &trim);
        if (width) {
            if (l->parens)
                return fail(l, l->at, "unclosed left paren");
            emit(l, CF_TOK_RIGHT, l->at, l->at + width);
            l->at += width;
            if (trim)
                skip_spaces(l);
            return true;
        }
        if (l->at >= l->len)
            return fail(l, l->at, "unclosed action");
        if (!lex_one(l))
            return false;
    }
}

/* The text up to the next action. */
static bool lex_text(struct lexer *l)
{
    const char *left = memmem(l->text + l->at, l->len - l->at, "{{", 2);
    size_t end = left ? (size_t)(left - l->text) : l->len, stop = end;
    bool trim = left && has_left_trim(l, end + 2);
    while (trim && stop > l->at && is_space(l->text[stop - 1]))
        stop--;
    if (stop > l->at)
        emit(l, CF_TOK_TEXT, l->at, stop);
    l->at = end;
    if (!left)
        return true;
    size_t inside = end + 2 + (trim ? 2 : 0);
    if (looking_at(l, inside, "/*")) {
        l->at = inside + 2;
        return lex_comment(l, end);
    }
    emit(l, CF_TOK_LEFT, end, end + 2);
    l->at = end + 2 + (trim ? 1 : 0);
    return lex_action(l);
}

void cf_template_lex(struct cf_run *run, const char *text, size_t len, struct cf_tokens *ret_tokens)
{
    struct lexer l = {run, text, len, 0, 0, ret_tokens};
    *ret_tokens = (struct cf_tokens){0};
    while (l.at < l.len)
        if (!lex_text(&l))
            return;
    emit(&l, CF_TOK_EOF, len, len);
}

/* The escape behind a backslash at str[*at]; a byte (\x, octal) or a rune. */
static bool unescape(const char *str, size_t len, size_t *at, uint32_t *ret_rune, bool *ret_byte)
{
    static const char simple[] = "abfnrtv\\'\"", meaning[] = "\a\b\f\n\r\t\v\\'\"";
    char c = str[(*at)++];
    const char *found = c ? strchr(simple, c) : NULL;
    *ret_byte = false;
    if (found) {
        *ret_rune = (uint8_t)meaning[found - simple];
        return true;
    }
    unsigned digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c < '8' ? 3 : 0;
    if (!digits)
        return false;
    bool octal = digits == 3;
    *ret_byte = digits < 4;
    if (octal)
        (*at)--;
    *ret_rune = 0;
    for (; digits; digits--) {
        char d = *at < len ? str[(*at)++] : 'z';
        if (!isxdigit((unsigned char)d) || (octal && d > '7'))
            return false;
        *ret_rune =
            *ret_rune * (octal ? 8 : 16) + (uint32_t)(d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
    }
    return *ret_byte ? *ret_rune < 256 : *ret_rune <= 0x10FFFF;
}

bool cf_go_unquote(struct cf_run *run, const char *str, size_t len, struct cf_val *ret_val)
{
    struct cf_text out;
    if (len < 2 || str[len - 1] != str[0])
        return false;
    cf_text_init(&out, run);
    if (str[0] == '`') { /* carriage returns are dropped */
        for (size_t i = 1; i < len - 1; i++)
            if (str[i] != '\r')
                cf_text_char(&out, str[i]);
        *ret_val = cf_val_text(&out);
        return true;
    }
    for (size_t i = 1; i < len - 1;) {
        uint32_t rune;
        bool byte;
        if (str[i] != '\\') {
            cf_text_char(&out, str[i++]);
            continue;
        }
        i++;
        if (i >= len - 1 || !unescape(str, len - 1, &i, &rune, &byte))
            return false;
        if (byte)
            cf_text_char(&out, (char)rune);
        else
            cf_text_rune(&out, rune);
    }
    *ret_val = cf_val_text(&out);
    return true;
}
