/* SPDX-License-Identifier: Apache-2.0 */
/* imageList (a reference a line), imageIgnore (a pattern a line), imageListWithAuth.yaml. */
#include "lists.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

int cf_scan_lines(const char *text, size_t len, cf_line_fn *fn, void *context)
{
    size_t number = 0;
    int r = 0;

    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        len -= 3;
    }
    for (size_t i = 0; i < len && r == 0;) {
        const char *line = text + i;
        const char *end = memchr(line, '\n', len - i);
        size_t n = end ? (size_t)(end - line) : len - i;
        i += n + 1;
        number++;
        const char *comment = memchr(line, '#', n);
        if (comment && (comment == line || comment[-1] == ' ' || comment[-1] == '\t'))
            n = (size_t)(comment - line);
        while (n > 0 && strchr(" \t\r", line[n - 1]))
            n--;
        for (; n > 0 && (*line == ' ' || *line == '\t'); n--)
            line++;
        if (n > 0)
            r = fn(line, n, number, context);
    }
    return r;
}

static int list_line(const char *line, size_t len, size_t number, void *context)
{
    struct judged judged;

    if (len > 1 && (*line == '"' || *line == '\'') && line[len - 1] == *line) {
        line++;
        len -= 2;
    }
    cf_scan_judge(line, len, &judged);
    if (judged.parsed)
        return cf_findings_add(context, &judged.reference, number, CF_SCAN_LIST);
    return cf_findings_warn(context, number, "'%.*s' is no valid reference",
                            (int)(len < 200 ? len : 200), line);
}

int cf_scan_list(struct findings *findings, const char *text, size_t len)
{
    return cf_scan_lines(text, len, list_line, findings);
}

static int ignore_line(const char *line, size_t len, size_t number, void *context)
{
    struct ignores *ignores = context;

    (void)number;
    void *grown = realloc(ignores->patterns, (ignores->count + 1) * sizeof(char *));
    if (!grown)
        return -ENOMEM;
    ignores->patterns = grown;
    ignores->patterns[ignores->count] = strndup(line, len);
    if (!ignores->patterns[ignores->count])
        return -ENOMEM;
    ignores->count++;
    return 0;
}

int cf_ignores_add(struct ignores *ignores, const char *text, size_t len)
{
    return cf_scan_lines(text, len, ignore_line, ignores);
}

void cf_ignores_done(struct ignores *ignores)
{
    for (size_t i = 0; i < ignores->count; i++)
        free(ignores->patterns[i]);
    free(ignores->patterns);
    *ignores = (struct ignores){0};
}

/* What people write instead of the whole form: no docker.io, no library/. */
static const char *short_form(const char *reference)
{
    static const char *const prefixes[] = {"docker.io/library/", "docker.io/"};

    for (size_t i = 0; i < CF_COUNT(prefixes); i++)
        if (!strncmp(reference, prefixes[i], strlen(prefixes[i])))
            return reference + strlen(prefixes[i]);
    return reference;
}

bool cf_ignores_match(const struct ignores *ignores, const char *reference)
{
    char name[CF_REFERENCE_WHOLE_SIZE];

    snprintf(name, sizeof(name), "%s", reference);
    char *slash = strrchr(name, '/');
    name[strcspn(name, "@")] = '\0';
    slash = strrchr(name, '/');
    char *colon = strchr(slash ? slash : name, ':');
    if (colon)
        *colon = '\0';
    const char *forms[] = {reference, short_form(reference), name, short_form(name)};
    for (size_t i = 0; i < ignores->count; i++)
        for (size_t k = 0; k < CF_COUNT(forms); k++)
            if (fnmatch(ignores->patterns[i], forms[k], 0) == 0)
                return true;
    return false;
}
