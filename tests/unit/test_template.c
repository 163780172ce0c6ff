/* SPDX-License-Identifier: Apache-2.0 */
/* Templates that belong to no chart, and the variables that they are given. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/chart.h>
#include <cloudfs/override.h>

static const char *const one[] = {"1 < 2"};
static const char *const many[] = {"a", "b"};
static const struct cf_template_value values[] = {{"ONE", one, 1}, {"MANY", many, 2}};

static void templates_write_text(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"no action\n", "no action\n"},
        {"{{ .ONE }}", "1 < 2"},
        {"<a href='{{ .ONE }}'>", "<a href='1 < 2'>"},
        {"{{ range .MANY }}{{ . }};{{ end }}", "a;b;"},
        {"{{ .MANY | join \",\" }} {{ .ONE | quote }}", "a,b \"1 < 2\""},
        {"{{ .NONE | default \"x\" }}{{ if .NONE }}y{{ end }}", "x"},
        {"{{ define \"part\" }}[{{ . }}]{{ end }}{{ template \"part\" .ONE }}", "[1 < 2]"},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        if (cf_template_render("t", cases[i].text, strlen(cases[i].text), values, CF_COUNT(values),
                               &out, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(out.data ? out.data : "", cases[i].want);
    }
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"a\n{{ .ONE", "etc/x.tmpl:2"},
        {"a\n\n{{ nothing }}", "etc/x.tmpl:3"},
        {"a\n{{ range .MANY }}\n{{ .X }}\n{{ end }}", "etc/x.tmpl:3"},
        {"a\nb\n{{ .NONE }}\n", "etc/x.tmpl:3: a variable here is not set"},
        {"{{ range .MANY }}\n{{ $.NONE }}{{ end }}", "etc/x.tmpl:2: a variable here is not set"},
        {"\n{{ fail \"no\" }}", "etc/x.tmpl:2"},
        {"{{ define \"t\" }}{{ template \"t\" . }}{{ end }}{{ template \"t\" . }}", "etc/x.tmpl"},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        assert_true(cf_template_render("etc/x.tmpl", cases[i].text, strlen(cases[i].text), values,
                                       CF_COUNT(values), &out, &err) < 0);
        if (!strstr(err.text, cases[i].where))
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(out.len, 0);
    }
}

static void variables_are_read_as_a_clusterfile_has_them(void **state)
{
    struct cf_override_env env cf_cleanup(cf_override_env_done) = {0};
    struct cf_error err = {0};

    (void)state;
    assert_int_equal(cf_override_env_add(&env, CF_OVERRIDE_ENV_COMMAND, "A=1=2;b;", &err), 0);
    assert_int_equal(env.count, 3);
    assert_string_equal(env.list[0].key, "A");
    assert_string_equal(env.list[0].value, "1=2");
    assert_string_equal(env.list[1].value, "b");
    assert_string_equal(env.list[2].value, "");
    assert_int_equal(cf_override_env_add(&env, CF_OVERRIDE_ENV_COMMAND, "=x", &err), -EINVAL);
    assert_int_equal(cf_override_env_add(&env, CF_OVERRIDE_ENV_COMMAND, "x", &err), -EINVAL);
    assert_int_equal(cf_override_env_read(&env, "/does/not/exist", &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_write_text),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(variables_are_read_as_a_clusterfile_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
