/* SPDX-License-Identifier: Apache-2.0 */
/* A chart of one template, and what it renders to. */
#ifndef CHART_FIXTURE_H
#define CHART_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/chart.h>

static const char VALUES[] = "name: web\n"
                             "count: 3\n"
                             "big: 1000000\n"
                             "half: 0.5\n"
                             "good: true\n"
                             "bad: false\n"
                             "none: null\n"
                             "empty: \"\"\n"
                             "list: [a, b, c]\n"
                             "map: {x: 1, w: two, z: {deep: true}}\n"
                             "tpl: '{{ .Values.name }}-{{ .Release.Name }}'\n"
                             "text: \"one\\ntwo\\n\"\n";

static const char HELPERS[] =
    "{{- define \"full\" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}\n"
    "{{- define \"labels\" }}\na: b\nc: d\n{{- end }}\n"
    "{{- define \"dot\" }}[{{ . }}]{{ end }}\n";

/* Renders one template; the text, or the error, is in buf. */
static inline int render_with(const char *template, const char *values, const char *set, char *buf,
                              size_t size)
{
    static const char about[] = "apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: \"4.5\"\n";
    const struct cf_chart_file files[] = {
        {"Chart.yaml", about, strlen(about)},
        {"values.yaml", values, strlen(values)},
        {"templates/_helpers.tpl", HELPERS, sizeof HELPERS - 1},
        {"templates/t.yaml", template, strlen(template)},
        {"files/a.txt", "alpha\nbeta\n", 11},
        {"files/b.txt", "bravo", 5},
    };
    const struct cf_chart_values sets[] = {
        {CF_VALUES_SET, NULL, set ? set : "", set ? strlen(set) : 0}};
    struct cf_render_options options = {
        .values = sets, .value_count = set != NULL, .now = 1700000000, .seed = 7};
    struct cf_chart *chart cf_cleanup(cf_chart_free_ptr) = NULL;
    struct cf_rendering *rendering cf_cleanup(cf_rendering_free_ptr) = NULL;
    struct cf_error err = {0};
    int r = cf_chart_open_files(files, sizeof files / sizeof *files, &chart, &err);
    if (!r)
        r = cf_chart_render(chart, &options, &rendering, &err);
    if (r < 0) {
        assert_true(err.code == r && err.text[0]);
        snprintf(buf, size, "%s", err.text);
        return r;
    }
    const struct cf_rendered_file *file = cf_rendering_file(rendering, 0);
    assert_string_equal(file->name, "demo/templates/t.yaml");
    assert_int_equal(strlen(file->text), file->len);
    assert_null(cf_rendering_file(rendering, 1));
    snprintf(buf, size, "%s", file->text);
    return 0;
}

struct pair {
    const char *template, *want;
};

static inline void check(const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char buf[8192];
        int r = render_with(pairs[i].template, VALUES, NULL, buf, sizeof buf);
        if (r < 0 || strcmp(buf, pairs[i].want))
            fail_msg("%s\n gives: %s\n  want: %s", pairs[i].template, buf, pairs[i].want);
    }
}
#define CHECK(pairs) check(pairs, sizeof(pairs) / sizeof *(pairs))

#endif
