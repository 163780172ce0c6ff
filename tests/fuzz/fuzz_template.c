/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is a template or is refused with a line: its tokens lie in it, in order, and rendering
 * it stays within the bounds of memory and steps. */
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/chart.h>

#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_order(const struct cf_tokens *tokens, size_t len)
{
    uint32_t last = 0;
    must(tokens->count > 0);
    for (size_t i = 0; i < tokens->count; i++) {
        const struct cf_token *t = &tokens->list[i];
        bool end = t->type == CF_TOK_EOF || t->type == CF_TOK_ERROR;
        must(end == (i + 1 == tokens->count));
        must(t->pos >= last || t->type == CF_TOK_ERROR);
        must(t->pos <= len && (t->type == CF_TOK_ERROR || t->len <= len - t->pos));
        last = t->pos + (t->type == CF_TOK_ERROR ? 0 : t->len);
    }
}

static void check_tokens(const char *text, size_t len)
{
    struct cf_run run;
    struct cf_tokens tokens;
    cf_run_init(&run, 64 << 20, 1 << 20);
    if (!cf_run_enter(&run)) {
        cf_template_lex(&run, text, len, &tokens);
        check_order(&tokens, len);
    }
    cf_run_done(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char about[] = "apiVersion: v2\nname: demo\nversion: 1.2.3\n";
    static const char values[] = "name: web\ncount: 3\nhalf: 0.5\ngood: true\nnone: null\n"
                                 "list: [a, b, c]\nmap: {x: 1, z: {deep: true}}\n"
                                 "tpl: '{{ .Values.name }}'\ntext: \"one\\ntwo\\n\"\n";
    static const char helper[] = "{{ define \"h\" }}{{ .Chart.Name }}: {{ .Values.name }}{{ end }}";
    const struct cf_chart_file files[] = {{"Chart.yaml", about, sizeof about - 1},
                                          {"values.yaml", values, sizeof values - 1},
                                          {"templates/_h.tpl", helper, sizeof helper - 1},
                                          {"templates/t.yaml", (const char *)data, len}};
    const struct cf_render_options options = {
        .now = 1700000000, .seed = 7, .memory_limit = 16 << 20, .step_limit = 20000};
    struct cf_chart *chart cf_cleanup(cf_chart_free_ptr) = NULL;
    struct cf_rendering *rendering cf_cleanup(cf_rendering_free_ptr) = NULL;
    struct cf_error err = {0};

    check_tokens((const char *)data, len);
    must(cf_chart_open_files(files, sizeof files / sizeof *files, &chart, &err) == 0);
    if (cf_chart_render(chart, &options, &rendering, &err) < 0) {
        must(err.code < 0 && err.text[0]);
        return 0;
    }
    const struct cf_rendered_file *file = cf_rendering_file(rendering, 0);
    must(file && strlen(file->name) > 0 && file->text[file->len] == 0);
    must(cf_rendering_line(rendering, 0, 1) >= 1);
    return 0;
}
