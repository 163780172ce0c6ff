/* SPDX-License-Identifier: Apache-2.0 */
#include "semver.h"
#include "func.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool take_number(const char **at, uint64_t *ret)
{
    *ret = 0;
    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at); ++*at)
        if (__builtin_mul_overflow(*ret, 10u, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(**at - '0'), ret))
            return false;
    return true;
}

/* Dot-separated identifiers of letters, digits and "-". */
static const char *take_identifiers(struct cf_run *run, const char **at)
{
    const char *start = *at;
    while (isalnum((unsigned char)**at) || **at == '-' || **at == '.')
        ++*at;
    if (*at == start || start[0] == '.' || (*at)[-1] == '.')
        return NULL;
    return cf_run_copy(run, start, (size_t)(*at - start));
}

bool cf_version_parse(struct cf_run *run, const char *str, size_t len,
                      struct cf_version *ret_version)
{
    const char *at = cf_run_copy(run, str, len);
    struct cf_version v = {.pre = "", .meta = "", .original = at};
    if (strlen(at) != len || len > 256)
        return false;
    if (*at == 'v')
        at++;
    do {
        if (!take_number(&at, &v.number[v.parts++]))
            return false;
    } while (v.parts < 3 && *at == '.' && at++);
    if (*at == '-') {
        at++;
        v.pre = take_identifiers(run, &at);
    }
    if (v.pre && *at == '+') {
        at++;
        v.meta = take_identifiers(run, &at);
    }
    if (*at || !v.pre || !v.meta)
        return false;
    *ret_version = v;
    return true;
}

static int compare_identifier(const char *a, size_t a_len, const char *b, size_t b_len)
{
    bool a_number = strspn(a, "0123456789") >= a_len, b_number = strspn(b, "0123456789") >= b_len;
    if (a_number && b_number) {
        unsigned long long x = strtoull(a, NULL, 10), y = strtoull(b, NULL, 10);
        return x < y ? -1 : x > y;
    }
    if (a_number != b_number)
        return a_number ? -1 : 1;
    int order = strncmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int compare_pre(const char *a, const char *b)
{
    if (!*a || !*b)
        return !*a && !*b ? 0 : *a ? -1 : 1;
    for (;;) {
        size_t a_len = strcspn(a, "."), b_len = strcspn(b, ".");
        int order = compare_identifier(a, a_len, b, b_len);
        if (order)
            return order;
        a += a_len;
        b += b_len;
        if (!*a || !*b)
            return *a ? 1 : *b ? -1 : 0;
        a++;
        b++;
    }
}

int cf_version_compare(const struct cf_version *a, const struct cf_version *b)
{
    for (int i = 0; i < 3; i++)
        if (a->number[i] != b->number[i])
            return a->number[i] < b->number[i] ? -1 : 1;
    return compare_pre(a->pre, b->pre);
}

struct cf_version cf_version_next(struct cf_run *run, const struct cf_version *version, int part)
{
    struct cf_version next = *version;
    if (part < 2 || !*version->pre)
        next.number[part]++;
    for (int i = part + 1; i < 3; i++)
        next.number[i] = 0;
    next.pre = next.meta = "";
    next.original =
        cf_run_format(run, "%s%llu.%llu.%llu", version->original[0] == 'v' ? "v" : "",
                      (unsigned long long)next.number[0], (unsigned long long)next.number[1],
                      (unsigned long long)next.number[2]);
    return next;
}

void cf_version_string(struct cf_text *out, const struct cf_version *v)
{
    cf_text_printf(out, "%llu.%llu.%llu", (unsigned long long)v->number[0],
                   (unsigned long long)v->number[1], (unsigned long long)v->number[2]);
    if (*v->pre)
        cf_text_printf(out, "-%s", v->pre);
    if (*v->meta)
        cf_text_printf(out, "+%s", v->meta);
}

/* ---- constraints ---- */

struct constraint {
    enum { EQUAL, NOT, GREATER, LESS, GREATER_EQUAL, LESS_EQUAL, TILDE, CARET } op;
    struct cf_version v;
    unsigned given; /* numbers that are not wildcards */
};

static bool is_wild(char c)
{
    return c == 'x' || c == 'X' || c == '*';
}

static bool parse_operator(const char **at, struct constraint *c)
{
    static const struct {
        const char *text;
        int op;
    } operators[] = {
        {"!=", NOT},        {">=", GREATER_EQUAL}, {"=>", GREATER_EQUAL}, {"<=", LESS_EQUAL},
        {"=<", LESS_EQUAL}, {"~>", TILDE},         {"~", TILDE},          {"^", CARET},
        {">", GREATER},     {"<", LESS},           {"=", EQUAL},
    };
    c->op = EQUAL;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (!strncmp(*at, operators[i].text, strlen(operators[i].text))) {
            c->op = operators[i].op;
            *at += strlen(operators[i].text);
            return true;
        }
    return false;
}

/* [v]N[.N[.N]] with wildcards, -pre, +meta. */
static bool parse_partial(struct cf_run *run, const char **at, struct constraint *c)
{
    bool wild = false;
    c->v = (struct cf_version){.pre = "", .meta = "", .original = ""};
    c->given = 0;
    if (**at == 'v')
        ++*at;
    for (int i = 0; i < 3; i++) {
        if (is_wild(**at)) {
            wild = true;
            ++*at;
        } else if (!take_number(at, &c->v.number[i])) {
            return false;
        } else if (!wild) {
            c->given++;
        }
        if (i == 2 || **at != '.')
            break;
        ++*at;
    }
    if (wild)
        for (int i = (int)c->given; i < 3; i++)
            c->v.number[i] = 0;
    if (**at == '-') {
        ++*at;
        c->v.pre = take_identifiers(run, at);
    }
    if (c->v.pre && **at == '+') {
        ++*at;
        c->v.meta = take_identifiers(run, at);
    }
    return c->v.pre && c->v.meta;
}

/* The first version behind all that the given numbers cover. */
static struct cf_version above(const struct constraint *c, unsigned keep)
{
    struct cf_version v = {.pre = "", .meta = "", .original = ""};
    for (unsigned i = 0; i < keep; i++)
        v.number[i] = c->v.number[i];
    v.number[keep - 1]++;
    return v;
}

static bool check(const struct constraint *c, const struct cf_version *v)
{
    int order = cf_version_compare(v, &c->v);
    struct cf_version top;
    if (c->op != NOT && *v->pre && !*c->v.pre)
        return false;
    bool partial = c->given < 3;
    switch (c->op == EQUAL && partial ? TILDE : c->op) { /* "1.2" is "~1.2" */
    case EQUAL:
        return !order;
    case TILDE:
        if (!c->given)
            return true;
        top = above(c, c->given < 2 ? 1 : 2);
        return order >= 0 && cf_version_compare(v, &top) < 0;
    case NOT:
        if (!partial)
            return order != 0;
        if (*v->pre && !*c->v.pre)
            return false;
        for (unsigned i = 0; i < c->given; i++)
            if (v->number[i] != c->v.number[i])
                return true;
        return false;
    case GREATER:
        if (!partial)
            return order > 0;
        if (!c->given)
            return false;
        top = above(c, c->given);
        return cf_version_compare(v, &top) >= 0;
    case LESS:
        return order < 0;
    case GREATER_EQUAL:
        return order >= 0;
    case LESS_EQUAL:
        if (!partial)
            return order <= 0;
        if (!c->given)
            return true;
        top = above(c, c->given);
        return cf_version_compare(v, &top) < 0;
    default: /* ^ */
        if (!c->given)
            return true;
        unsigned keep = c->v.number[0] || c->given == 1   ? 1
                        : c->v.number[1] || c->given == 2 ? 2
                                                          : 3;
        top = above(c, keep);
        return order >= 0 && cf_version_compare(v, &top) < 0;
    }
}

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t' || **at == ',')
        ++*at;
}

/* All of one part between "||". */
static int matches_all(struct cf_run *run, const char *at, const struct cf_version *version)
{
    bool good = true, any = false;
    for (skip_blanks(&at); *at; skip_blanks(&at), any = true) {
        struct constraint c, high;
        bool has_operator = parse_operator(&at, &c);
        while (*at == ' ')
            at++;
        if (!parse_partial(run, &at, &c))
            return -1;
        const char *dash = at + strspn(at, " ");
        if (!has_operator && dash > at && dash[0] == '-' && dash[1] == ' ') { /* A - B */
            at = dash + 1 + strspn(dash + 1, " ");
            if (!parse_partial(run, &at, &high))
                return -1;
            c.op = GREATER_EQUAL;
            high.op = LESS_EQUAL;
            good = good && check(&high, version);
        }
        if (*at && *at != ' ' && *at != ',' && *at != '\t')
            return -1;
        good = good && check(&c, version);
    }
    return any ? good : -1;
}

int cf_version_matches(struct cf_run *run, const char *constraint, size_t len,
                       const struct cf_version *version)
{
    char *at = cf_run_copy(run, constraint, len);
    int result = 0;
    for (;;) {
        char *bars = strstr(at, "||");
        if (bars)
            *bars = 0;
        int r = matches_all(run, at, version);
        if (r < 0)
            return -1;
        result |= r;
        if (!bars)
            return result;
        at = bars + 2;
    }
}

/* ---- functions ---- */

CF_FUNC(f_semver)
{
    CF_UNUSED;
    struct cf_version *v = cf_run_alloc(x->run, sizeof *v);
    if (!cf_version_parse(x->run, a[0].str, a[0].len, v))
        cf_func_fail(x, "Invalid Semantic Version");
    return (struct cf_val){.kind = CF_SEMVER, .pointer = v};
}

CF_FUNC(f_semver_compare)
{
    CF_UNUSED;
    struct cf_version v;
    if (!cf_version_parse(x->run, a[1].str, a[1].len, &v)) {
        if (cf_version_matches(x->run, a[0].str, a[0].len,
                               &(struct cf_version){.pre = "", .meta = ""}) < 0)
            cf_func_fail(x, "improper constraint: %s", a[0].str);
        cf_func_fail(x, "Invalid Semantic Version");
    }
    int r = cf_version_matches(x->run, a[0].str, a[0].len, &v);
    if (r < 0)
        cf_func_fail(x, "improper constraint: %s", a[0].str);
    return cf_val_bool(r);
}

const struct cf_func cf_funcs_semver[] = {
    {"semver", "s", f_semver},
    {"semverCompare", "ss", f_semver_compare},
    {NULL},
};
