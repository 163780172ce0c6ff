/* SPDX-License-Identifier: Apache-2.0 */
/* Words, quotes and variables of an instruction's text. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/json.h>
#include <cloudfs/kubefile.h>

enum { NESTING = 16 }; /* of ${X:-${Y:-...}} */

/* What is read, and into what. */
struct expansion {
    char escape;
    cf_variable_fn *lookup; /* NULL: nothing is replaced */
    void *context;
    const char *start; /* of the text, to tell places */
    size_t bad;        /* the place of what was wrong */
    struct cf_buf *out;
    struct cf_error *err;
};

static int no_memory(struct expansion *x)
{
    return cf_fail(x->err, -ENOMEM, "out of memory");
}

static int wrong(struct expansion *x, const char *at, const char *what)
{
    x->bad = (size_t)(at - x->start);
    return cf_fail(x->err, -EINVAL, "%s", what);
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *value_of(struct expansion *x, const char *name, size_t len)
{
    return x->lookup(x->context, name, len);
}

/* The matching brace of "${" whose inside begins at p, or NULL. */
static const char *find_brace(const struct expansion *x, const char *p, const char *end)
{
    unsigned depth = 1;
    for (; p < end; p++) {
        if (*p == x->escape && p + 1 < end)
            p++;
        else if (*p == '{' && p[-1] == '$')
            depth++;
        else if (*p == '}' && --depth == 0)
            return p;
    }
    return NULL;
}

static int add_variable(struct expansion *x, const char **p, const char *end, unsigned depth);

/* Adds text up to end, its variables replaced; quotes are ordinary here. */
static int add_text(struct expansion *x, const char *p, const char *end, unsigned depth)
{
    while (p < end) {
        int r = 0;
        if (*p == x->escape && p + 1 < end && (p[1] == '$' || p[1] == x->escape)) {
            r = cf_buf_add_char(x->out, p[1]);
            p += 2;
        } else if (*p == '$' && x->lookup) {
            r = add_variable(x, &p, end, depth);
            if (r < 0)
                return r;
        } else {
            r = cf_buf_add_char(x->out, *p++);
        }
        if (r < 0)
            return no_memory(x);
    }
    return 0;
}

/* ${NAME}, ${NAME:-word} ... from NAME to close. */
static int add_braced(struct expansion *x, const char *p, const char *close, unsigned depth)
{
    const char *name = p;
    while (p < close && is_name(*p))
        p++;
    size_t len = (size_t)(p - name);
    if (len == 0)
        return wrong(x, name, "there is no name of a variable in ${}");
    const char *value = value_of(x, name, len);
    if (p == close)
        return value && cf_buf_add_str(x->out, value) < 0 ? no_memory(x) : 0;
    bool colon = *p == ':';
    p += colon;
    char kind = p < close ? *p++ : '\0';
    bool set = value && (!colon || *value);
    if (kind != '-' && kind != '+' && kind != '?')
        return wrong(x, name, "only ${X:-word}, ${X:+word} and ${X:?word} are known");
    if (kind == '?' && !set)
        return cf_fail(x->err, -EINVAL, "variable %.*s is not set: %.*s", (int)len, name,
                       (int)(close - p), p);
    if (kind == '+')
        return set ? add_text(x, p, close, depth + 1) : 0;
    if (set)
        return cf_buf_add_str(x->out, value) < 0 ? no_memory(x) : 0;
    return add_text(x, p, close, depth + 1);
}

/* *p is at '$'; it is left behind the variable. */
static int add_variable(struct expansion *x, const char **p, const char *end, unsigned depth)
{
    const char *at = *p + 1;
    if (depth > NESTING)
        return wrong(x, *p, "variables are nested too deeply");
    if (at < end && *at == '{') {
        const char *close = find_brace(x, at + 1, end);
        if (!close)
            return wrong(x, *p, "the brace of ${ is not closed");
        *p = close + 1;
        return add_braced(x, at + 1, close, depth);
    }
    const char *name = at;
    while (at < end && is_name(*at))
        at++;
    *p = at;
    if (at == name)
        return cf_buf_add_char(x->out, '$') < 0 ? no_memory(x) : 0;
    const char *value = value_of(x, name, (size_t)(at - name));
    return value && cf_buf_add_str(x->out, value) < 0 ? no_memory(x) : 0;
}

static int add_single_quoted(struct expansion *x, const char **p, const char *end)
{
    const char *open = *p, *close = memchr(open + 1, '\'', (size_t)(end - open - 1));
    if (!close)
        return wrong(x, open, "the quote is not closed");
    *p = close + 1;
    return cf_buf_add(x->out, open + 1, (size_t)(close - open - 1)) < 0 ? no_memory(x) : 0;
}

static int add_double_quoted(struct expansion *x, const char **p, const char *end)
{
    const char *open = *p, *at = open + 1;
    while (at < end && *at != '"') {
        int r = 0;
        if (*at == x->escape && at + 1 < end &&
            (at[1] == '"' || at[1] == '$' || at[1] == x->escape)) {
            r = cf_buf_add_char(x->out, at[1]);
            at += 2;
        } else if (*at == '$' && x->lookup) {
            r = add_variable(x, &at, end, 0);
            if (r < 0)
                return r;
        } else {
            r = cf_buf_add_char(x->out, *at++);
        }
        if (r < 0)
            return no_memory(x);
    }
    if (at == end)
        return wrong(x, open, "the quote is not closed");
    *p = at + 1;
    return 0;
}

/* One word, up to white space outside quotes. */
static int add_word(struct expansion *x, const char **p, const char *end)
{
    int r = 0;
    while (r == 0 && *p < end && !isspace((unsigned char)**p)) {
        if (**p == '\'') {
            r = add_single_quoted(x, p, end);
        } else if (**p == '"') {
            r = add_double_quoted(x, p, end);
        } else if (**p == x->escape && *p + 1 < end) {
            r = cf_buf_add_char(x->out, (*p)[1]) < 0 ? no_memory(x) : 0;
            *p += 2;
        } else if (**p == '$' && x->lookup) {
            r = add_variable(x, p, end, 0);
        } else {
            r = cf_buf_add_char(x->out, *(*p)++) < 0 ? no_memory(x) : 0;
        }
    }
    return r;
}

static int push(struct cf_kubefile_words *words, char *text, size_t offset)
{
    struct cf_kubefile_word_at *list =
        text ? reallocarray(words->list, words->count + 1, sizeof(*list)) : NULL;
    if (!list) {
        free(text);
        return -ENOMEM;
    }
    words->list = list;
    list[words->count++] = (struct cf_kubefile_word_at){text, offset};
    return 0;
}

int cf_kubefile_split(const char *text, char escape, cf_variable_fn *lookup, void *context,
                      struct cf_kubefile_words *ret_words, size_t *ret_offset, struct cf_error *err)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    const char *p = text, *end = text + strlen(text);

    for (;;) {
        struct cf_buf word cf_autobuf = CF_BUF_INIT;
        while (p < end && isspace((unsigned char)*p))
            p++;
        if (p == end)
            break;
        size_t offset = (size_t)(p - text);
        struct expansion x = {escape, lookup, context, text, offset, &word, err};
        int r = add_word(&x, &p, end);
        if (r < 0) {
            *ret_offset = x.bad;
            return r;
        }
        if (push(&words, word.len ? cf_buf_take(&word) : strdup(""), offset) < 0)
            return no_memory(&x);
    }
    *ret_words = words;
    words = (struct cf_kubefile_words){0};
    return 0;
}

int cf_kubefile_expand(const char *text, size_t len, char escape, cf_variable_fn *lookup,
                       void *context, struct cf_buf *ret_buf, struct cf_error *err)
{
    struct expansion x = {escape, lookup, context, text, 0, ret_buf, err};
    return add_text(&x, text, text + len, 0);
}

int cf_kubefile_array(const char *text, struct cf_kubefile_words *ret_words)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;

    if (*text != '[' || cf_json_parse(text, strlen(text), &json, NULL) < 0 ||
        !cf_json_is_array(json))
        return 0;
    for (const struct cf_json *item = cf_json_first(json); item; item = cf_json_next(item)) {
        const char *word = cf_json_string(item);
        if (!word)
            return 0;
        if (push(&words, strdup(word), 0) < 0)
            return -ENOMEM;
    }
    *ret_words = words;
    words = (struct cf_kubefile_words){0};
    return 1;
}

void cf_kubefile_words_done(struct cf_kubefile_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i].text);
    free(words->list);
    *words = (struct cf_kubefile_words){0};
}
