/* SPDX-License-Identifier: Apache-2.0 */
/* .helmignore, and the patterns of .Files.Glob. */
#include "model.h"

#include <errno.h>
#include <string.h>

struct rule {
    const char *pattern;
    bool negate, must_dir, rooted, whole;
};

struct cf_ignore {
    struct rule *rules;
    size_t count;
};

static const char *match_class(const char *p, char c, bool *ret_good)
{
    bool negate = *p == '^' || *p == '!', found = false;
    p += negate;
    do {
        char low = *p == '\\' && p[1] ? *++p : *p, high = low;
        if (!*p)
            return NULL;
        p++;
        if (*p == '-' && p[1] && p[1] != ']') {
            p++;
            high = *p == '\\' && p[1] ? *++p : *p;
            p++;
        }
        found = found || (c >= low && c <= high);
    } while (*p && *p != ']');
    if (!*p)
        return NULL;
    *ret_good = found != negate;
    return p + 1;
}

/* budget: tries that are left, against patterns of many stars. */
static bool match(const char *p, const char *s, bool deep, unsigned *budget)
{
    for (; *p;) {
        if (!*budget || !--*budget)
            return false;
        if (*p == '*') {
            bool over = deep && p[1] == '*'; /* "**" crosses "/" */
            while (*p == '*')
                p++;
            if (over && *p == '/' && match(p + 1, s, deep, budget))
                return true;
            for (;; s++) {
                if (match(p, s, deep, budget))
                    return true;
                if (!*s || (*s == '/' && !over))
                    return false;
            }
        }
        if (deep && *p == '{') {
            const char *end = strchr(p, '}');
            char one[1024];
            for (const char *part = p + 1; end && part <= end;) {
                size_t len = strcspn(part, ",}");
                if (len + strlen(end + 1) < sizeof one) {
                    memcpy(one, part, len);
                    strcpy(one + len, end + 1);
                    if (match(one, s, deep, budget))
                        return true;
                }
                part += len + 1;
            }
            return false;
        }
        if (*p == '[') {
            bool good = false;
            p = *s && *s != '/' ? match_class(p + 1, *s, &good) : NULL;
            if (!p || !good)
                return false;
            s++;
            continue;
        }
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '?' && *s && *s != '/') {
            p++;
            s++;
            continue;
        }
        if (*p != *s)
            return false;
        p++;
        s++;
    }
    return !*s;
}

bool cf_glob_match(const char *pattern, const char *path)
{
    unsigned budget = 100000;
    return match(pattern, path, true, &budget);
}

static void add_rule(struct cf_run *run, struct cf_ignore *ignore, const char *line, size_t len)
{
    struct rule rule = {0};
    while (len && strchr(" \t\r", line[len - 1]))
        len--;
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    if (!len || *line == '#')
        return;
    if (*line == '!') {
        rule.negate = true;
        line++;
        len--;
    }
    if (memmem(line, len, "**", 2))
        cf_run_throw(run, -EINVAL, "chart: .helmignore: double-star (**) syntax is not supported");
    if (len && line[len - 1] == '/') {
        rule.must_dir = true;
        len--;
    }
    if (len && *line == '/') {
        rule.rooted = true;
        line++;
        len--;
    } else if (memchr(line, '/', len)) {
        rule.whole = true;
    }
    rule.pattern = cf_run_copy(run, line, len);
    struct rule *rules = cf_run_alloc_array(run, ignore->count + 1, sizeof *rules);
    if (ignore->count)
        memcpy(rules, ignore->rules, ignore->count * sizeof *rules);
    rules[ignore->count++] = rule;
    ignore->rules = rules;
}

struct cf_ignore *cf_ignore_parse(struct cf_run *run, const char *data, size_t len)
{
    struct cf_ignore *ignore = cf_run_alloc(run, sizeof *ignore);
    for (size_t at = 0; at < len && ignore->count < 1000;) {
        const char *end = memchr(data + at, '\n', len - at);
        size_t stop = end ? (size_t)(end - data) : len;
        add_rule(run, ignore, data + at, stop - at);
        at = stop + 1;
    }
    add_rule(run, ignore, "templates/.?*", 13);
    return ignore;
}

bool cf_ignore_matches(const struct cf_ignore *ignore, const char *path, bool is_dir)
{
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; i < ignore->count; i++) {
        const struct rule *r = &ignore->rules[i];
        unsigned budget = 10000;
        bool hit = match(r->pattern,
                         r->rooted || r->whole ? path
                         : slash               ? slash + 1
                                               : path,
                         false, &budget);
        if (r->negate) {
            if (r->must_dir && !is_dir)
                return true;
            if (!hit)
                return true;
            continue;
        }
        if (r->must_dir && !is_dir)
            continue;
        if (hit)
            return true;
    }
    return false;
}
