/* SPDX-License-Identifier: Apache-2.0 */
/* Findings in the making, and the names of the rules. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const char *const names[CF_CHECK_RULES] = {
    [CF_CHECK_JSON] = "json",
    [CF_CHECK_YAML] = "yaml",
    [CF_CHECK_DUPLICATE] = "duplicate-key",
    [CF_CHECK_KUBEADM] = "kubeadm",
    [CF_CHECK_DAEMON] = "daemon",
    [CF_CHECK_REGISTRY_CONFIG] = "registry-config",
    [CF_CHECK_REGISTRY] = "registry",
    [CF_CHECK_PLUGIN] = "plugin",
    [CF_CHECK_CLUSTERFILE] = "clusterfile",
    [CF_CHECK_METADATA] = "metadata",
    [CF_CHECK_SCRIPT] = "script",
    [CF_CHECK_UNIT] = "unit",
    [CF_CHECK_PROGRAM] = "program",
    [CF_CHECK_LINK] = "link",
    [CF_CHECK_NAME] = "name",
    [CF_CHECK_IMAGE] = "image",
    [CF_CHECK_SCAN] = "scan",
    [CF_CHECK_CONTENTS] = "contents",
};

const char *cf_check_rule_name(enum cf_check_rule rule)
{
    return names[rule];
}

int cf_check_rule_find(const char *name)
{
    for (int i = 0; i < CF_CHECK_RULES; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

void cf_check_result_done(struct cf_check_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        free(result->list[i].file);
        free(result->list[i].text);
        free(result->list[i].mend);
    }
    free(result->list);
    *result = (struct cf_check_result){0};
}

int cf_finding_put(const struct cf_finding *finding, struct cf_buf *ret_buf)
{
    int r = cf_buf_add_str(ret_buf, finding->file);

    if (r == 0 && finding->line)
        r = cf_buf_printf(ret_buf, ":%zu", finding->line);
    if (r == 0)
        r = cf_buf_printf(ret_buf, ": %s", finding->text);
    if (r == 0 && finding->mend)
        r = cf_buf_printf(ret_buf, ": %s", finding->mend);
    return r;
}

static int add(struct cf_check_result *result, const struct cf_finding *finding)
{
    struct cf_finding *list = result->list;

    if ((result->count & (result->count + 1)) == 0) { /* 0, 1, 3, 7 ... are full */
        list = reallocarray(list, result->count * 2 + 1, sizeof(*list));
        if (!list)
            return -ENOMEM;
        result->list = list;
    }
    list[result->count++] = *finding;
    result->errors += finding->severity == CF_ERROR;
    result->warnings += finding->severity == CF_WARNING;
    return 0;
}

void cf_check_found(struct checking *checking, enum cf_severity severity, enum cf_check_rule rule,
                    size_t line, const char *mend, const char *format, ...)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    va_list ap;

    if (checking->options->ignore[rule] || checking->failed)
        return;
    va_start(ap, format);
    int r = cf_buf_vprintf(&text, format, ap);
    va_end(ap);
    struct cf_finding finding = {.severity = severity,
                                 .rule = rule,
                                 .line = line,
                                 .file = r == 0 ? strdup(checking->path) : NULL,
                                 .text = r == 0 ? cf_buf_take(&text) : NULL,
                                 .mend = mend ? strdup(mend) : NULL};
    if (!finding.file || !finding.text || (mend && !finding.mend) ||
        add(checking->result, &finding) < 0) {
        free(finding.file);
        free(finding.text);
        free(finding.mend);
        checking->failed = cf_fail(checking->err, -ENOMEM, "out of memory");
    }
}

/* ---- words that are nearly right ---- */

#define WORD_MAX 64

/* Changes of one letter (two neighbours exchanged count as one) that lead from a to b. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], n = strlen(a), m = strlen(b);

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

/* Without case and what people put between words. */
static bool same_letters(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "-_. ");
        b += strspn(b, "-_. ");
        if ((*a | 0x20) != (*b | 0x20))
            return false;
        if (!*a)
            return true;
        a++;
        b++;
    }
}

const char *cf_check_near(const char *word, const char *const *words, size_t count)
{
    const char *near = NULL;
    size_t least = strlen(word) < 5 ? 2 : 3;

    for (size_t i = 0; i < count; i++) {
        if (same_letters(word, words[i]))
            return words[i];
        size_t far = distance(word, words[i]);
        if (far < least) {
            least = far;
            near = words[i];
        }
    }
    return near;
}
