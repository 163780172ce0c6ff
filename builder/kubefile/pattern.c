/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static size_t component(const char *path)
{
    return strcspn(path, "/");
}

static const char *behind(const char *path, size_t len)
{
    return path[len] == '/' ? path + len + 1 : path + len;
}

static bool component_matches(const char *pattern, size_t pattern_len, const char *name,
                              size_t name_len)
{
    char p[NAME_MAX + 1], n[NAME_MAX + 1];
    if (pattern_len >= sizeof(p) || name_len >= sizeof(n))
        return false;
    memcpy(p, pattern, pattern_len);
    p[pattern_len] = '\0';
    memcpy(n, name, name_len);
    n[name_len] = '\0';
    return fnmatch(p, n, FNM_PATHNAME) == 0;
}

/*
 * As for any "*" of a pattern, only the last "**" seen needs to be tried again with one component
 * more, so that the time is at most the product of both lengths.
 */
bool cf_pattern_matches(const char *pattern, const char *path)
{
    const char *again_pattern = NULL, *again_path = NULL;

    while (*path) {
        size_t pattern_len = component(pattern), path_len = component(path);
        if (pattern_len == 2 && !strncmp(pattern, "**", 2)) {
            pattern = behind(pattern, pattern_len);
            if (!*pattern)
                return true;
            again_pattern = pattern;
            again_path = path;
            continue;
        }
        if (*pattern && component_matches(pattern, pattern_len, path, path_len)) {
            pattern = behind(pattern, pattern_len);
            path = behind(path, path_len);
            continue;
        }
        if (!again_pattern)
            return false;
        again_path = behind(again_path, component(again_path));
        pattern = again_pattern;
        path = again_path;
    }
    return !*pattern || !strcmp(pattern, "**");
}

bool cf_pattern_is_glob(const char *text)
{
    return text[strcspn(text, "*?[\\")] != '\0';
}

/* One line without comments, white space at its ends, and slashes at the ends of the path. */
static int add_rule(struct cf_ignore *ignore, const char *line, size_t len)
{
    bool exception;

    while (len && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    if (len == 0 || *line == '#')
        return 0;
    exception = *line == '!';
    line += exception;
    len -= exception;
    while (len && *line == '/') {
        line++;
        len--;
    }
    while (len > 1 && !strncmp(line, "./", 2)) {
        line += 2;
        len -= 2;
    }
    while (len && line[len - 1] == '/')
        len--;
    if (len == 0)
        return 0;
    struct cf_ignore_rule *rules =
        reallocarray(ignore->rules, ignore->count + 1, sizeof(*ignore->rules));
    char *pattern = strndup(line, len);
    if (rules)
        ignore->rules = rules;
    if (!rules || !pattern) {
        free(pattern);
        return -ENOMEM;
    }
    rules[ignore->count++] = (struct cf_ignore_rule){pattern, exception};
    ignore->has_exceptions |= exception;
    return 0;
}

int cf_ignore_add(struct cf_ignore *ignore, const char *text, size_t len, struct cf_error *err)
{
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t line_len = stop ? (size_t)(stop - text) : (size_t)(end - text);
        if (add_rule(ignore, text, line_len) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        text += line_len + 1;
    }
    return 0;
}

void cf_ignore_done(struct cf_ignore *ignore)
{
    for (size_t i = 0; i < ignore->count; i++)
        free(ignore->rules[i].pattern);
    free(ignore->rules);
    *ignore = (struct cf_ignore){0};
}

/* Whether the pattern means path or a directory above it. */
static bool rule_covers(const char *pattern, const char *path)
{
    char above[PATH_MAX];
    size_t len = strlen(path);

    if (cf_pattern_matches(pattern, path))
        return true;
    if (len >= sizeof(above))
        return false;
    memcpy(above, path, len + 1);
    for (char *slash = strrchr(above, '/'); slash; slash = strrchr(above, '/')) {
        *slash = '\0';
        if (cf_pattern_matches(pattern, above))
            return true;
    }
    return false;
}

bool cf_ignore_hides(const struct cf_ignore *ignore, const char *path)
{
    for (size_t i = ignore->count; i-- > 0;)
        if (rule_covers(ignore->rules[i].pattern, path))
            return !ignore->rules[i].exception;
    return false;
}
