/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/buf.h>
#include <cloudfs/yaml.h>

#define autoyaml cf_cleanup(cf_yaml_close_ptr)

/* Events as one line: { } [ ] =value *alias, documents as --- and ; */
static int trace(const struct cf_yaml_options *options, struct cf_buf *out, struct cf_error *err)
{
    struct cf_yaml *yaml autoyaml = NULL;
    struct cf_yaml_event event;
    static const char *const marks[] = {
        [CF_YAML_DOCUMENT] = "<", [CF_YAML_DOCUMENT_END] = ">", [CF_YAML_MAP] = "{",
        [CF_YAML_MAP_END] = "}",  [CF_YAML_SEQUENCE] = "[",     [CF_YAML_SEQUENCE_END] = "]",
        [CF_YAML_SCALAR] = "=",   [CF_YAML_ALIAS] = "*",
    };
    int r = cf_yaml_open(options, &yaml, err);

    while (r >= 0 && (r = cf_yaml_next(yaml, &event, err)) > 0) {
        assert_int_equal(cf_buf_add_str(out, marks[event.kind]), 0);
        if (event.kind == CF_YAML_SCALAR)
            assert_int_equal(cf_buf_add(out, event.value, event.len), 0);
        if (event.kind == CF_YAML_ALIAS)
            assert_int_equal(cf_buf_add_str(out, event.anchor), 0);
    }
    if (r < 0) {
        assert_int_equal(err->code, r);
        assert_int_equal(cf_yaml_next(yaml, &event, err), r);
    }
    return r;
}

static void events_are_those_of_the_text(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"a: 1\nb:\n- x\n- {c: d}\n", "<{=a=1=b[=x{=c=d}]}>"},
        {"--- a\n--- b\n...\n", "<=a><=b>"},
        {"\xef\xbb\xbf"
         "a: b\n",
         "<{=a=b}>"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "<{=a=x\ny\n=b=x y}>"},
        {"a: &x 1\nb: *x\n", "<{=a=1=b=1}>"},
        {"a: &x {k: v}\nb: {<<: *x, l: *x}\n", "<{=a{=k=v}=b{=<<{=k=v}=l{=k=v}}}>"},
        {"- &a [1]\n- &b [*a, *a]\n- *b\n", "<[[=1][[=1][=1]][[=1][=1]]]>"},
        {"- &a 1\n- &a 2\n- *a\n", "<[=1=2=2]>"},
        {"--- &a x\n--- b\n", "<=x><=b>"},
        {"\t{\n\t\"a\"\t:\t[1,\n\t2\t],\r\n\t\"b\":\"\\/\"\n\t}\n\t", "<{=a[=1=2]=b=/}>"},
        {"{\"a\":\"\\ud83d\\ude00\\\\ud83d\\u0041\"}", "<{=a=\xf0\x9f\x98\x80\\ud83d"
                                                       "A}>"},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        struct cf_yaml_options options = {.data = cases[i].in, .len = strlen(cases[i].in)};
        if (trace(&options, &out, &err) < 0)
            fail_msg("%s: %s", cases[i].in, err.text);
        assert_string_equal(out.len ? out.data : "", cases[i].out);
    }
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    static const struct {
        const char *in;
        int code;
        const char *text;
    } cases[] = {
        {"a: 1\nb: [1\n", -EINVAL, "line 3, column 1: "},
        {"a: 1\n\tb: 2\n", -EINVAL, "line 2, column 1: "},
        {"a: b: c\n", -EINVAL, "line 1, column 5: mapping values are not allowed"},
        {"a: 1\nb: \x01\n", -EINVAL, "line 2, column 1: control characters are not allowed"},
        {"a: 1\n\nb: \xff\n", -EINVAL, "line 3, column 1: invalid leading UTF-8 octet"},
        {"a: *x\n", -EINVAL, "line 1, column 4: alias *x means no anchor before it"},
        {"&a [1,\n *a]\n", -EINVAL, "line 2, column 2: alias *a lies inside the node"},
        {"--- &a x\n---\n*a\n", -EINVAL, "line 3, column 1: alias *a means no anchor"},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        struct cf_yaml_options options = {.data = cases[i].in, .len = strlen(cases[i].in)};
        assert_int_equal(trace(&options, &out, &err), cases[i].code);
        if (strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: %s", cases[i].in, err.text);
    }
}

static void marks_are_bytes_lines_and_characters(void **state)
{
    static const char text[] = "\xc3\xa9: \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80\r\n"
                               "b: 'x'\n"
                               "\xc3\xa9\xc3\xa9: y\n";
    static const struct {
        const char *value;
        size_t start, end, line, column;
    } expected[] = {
        {"\xc3\xa9", 0, 2, 11, 1},
        {"\xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80", 4, 15, 11, 4},
        {"b", 17, 18, 12, 1},
        {"x", 20, 23, 12, 4},
        {"\xc3\xa9\xc3\xa9", 24, 28, 13, 1},
        {"y", 30, 31, 13, 5},
    };
    struct cf_yaml_options options = {
        .data = text, .len = strlen(text), .first_line = 11, .first_offset = 100};
    struct cf_yaml *yaml autoyaml = NULL;
    struct cf_yaml_event event;
    struct cf_error err = {0};
    size_t n = 0;

    (void)state;
    assert_int_equal(cf_yaml_open(&options, &yaml, &err), 0);
    while (cf_yaml_next(yaml, &event, &err) > 0) {
        if (event.kind != CF_YAML_SCALAR)
            continue;
        assert_string_equal(event.value, expected[n].value);
        assert_int_equal(event.start.offset, 100 + expected[n].start);
        assert_int_equal(event.end.offset, 100 + expected[n].end);
        assert_int_equal(event.start.line, expected[n].line);
        assert_int_equal(event.start.column, expected[n].column);
        assert_int_equal(cf_yaml_where(yaml).line, expected[n].line);
        n++;
    }
    assert_int_equal(n, CF_COUNT(expected));
}

/* Hands out the text in pieces of a few bytes, and fails at its end where it should. */
struct slow {
    const char *text;
    size_t len, step;
    int fail;
};

static ssize_t read_slowly(void *context, void *data, size_t len, struct cf_error *err)
{
    struct slow *slow = context;
    size_t n = slow->len < slow->step ? slow->len : slow->step;

    if (n == 0 && slow->fail)
        return cf_fail(err, slow->fail, "the disk is gone");
    n = n < len ? n : len;
    memcpy(data, slow->text, n);
    slow->text += n;
    slow->len -= n;
    return (ssize_t)n;
}

static void pieces_of_any_size_give_the_same_events(void **state)
{
    static const char text[] = "\n\t{\"a\": \"\\ud83d\\ude00 \\\\ \\n\\ud83d\\ude00\",\n"
                               "\t\"\xe4\xb8\xad\": [\"\\u00e9\"]}\n";
    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        struct slow slow = {text, strlen(text), step, 0};
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        struct cf_yaml_options options = {.source = read_slowly, .source_context = &slow};
        if (trace(&options, &out, &err) < 0)
            fail_msg("step %zu: %s", step, err.text);
        assert_string_equal(out.data, "<{=a=\xf0\x9f\x98\x80 \\ \n\xf0\x9f\x98\x80"
                                      "=\xe4\xb8\xad[=\xc3\xa9]}>");
    }
}

static void a_failing_source_is_told(void **state)
{
    struct slow slow = {"a: b\n", 5, 2, -EIO};
    struct cf_buf out cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_yaml_options options = {.source = read_slowly, .source_context = &slow};

    (void)state;
    assert_int_equal(trace(&options, &out, &err), -EIO);
    assert_string_equal(err.text, "the disk is gone");
}

static void nesting_is_bounded(void **state)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_buf out cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};

    (void)state;
    for (int i = 0; i < 100000; i++)
        assert_int_equal(cf_buf_add_char(&text, '['), 0);
    struct cf_yaml_options options = {.data = text.data, .len = text.len};
    assert_int_equal(trace(&options, &out, &err), -EFBIG);
    assert_string_equal(err.text, "line 1, column 1001: nested more than 1000 deep");
    options.max_depth = 2;
    options.len = 2;
    assert_int_equal(trace(&options, &out, &err), -EINVAL);
    options.data = "a: &x [1]\nb: [*x]\n";
    options.len = strlen(options.data);
    assert_int_equal(trace(&options, &out, &err), -EFBIG);
    assert_string_equal(err.text, "line 2, column 5: nested more than 2 deep");
}

static void a_bomb_of_aliases_ends_at_the_bound(void **state)
{
    static const char text[] = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                               "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                               "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                               "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                               "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                               "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
                               "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    struct cf_buf out cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_yaml_options options = {.data = text, .len = strlen(text)};

    (void)state;
    assert_int_equal(trace(&options, &out, &err), -EFBIG);
    assert_string_equal(err.text,
                        "line 6, column 26: the aliases of this document repeat too much");
    options.keep_aliases = true;
    assert_int_equal(trace(&options, &out, &err), 0);
}

static void what_is_too_large_is_not_repeated(void **state)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_buf out cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};

    (void)state;
    assert_int_equal(cf_buf_add_str(&text, "a: &small x\nb: &big\n"), 0);
    for (int i = 0; i < 300000; i++)
        assert_int_equal(cf_buf_add_str(&text, "- x\n"), 0);
    assert_int_equal(cf_buf_add_str(&text, "c: *small\n"), 0);
    struct cf_yaml_options options = {.data = text.data, .len = text.len};
    assert_int_equal(trace(&options, &out, &err), 0);
    assert_int_equal(cf_buf_add_str(&text, "d: *big\n"), 0);
    options = (struct cf_yaml_options){.data = text.data, .len = text.len};
    assert_int_equal(trace(&options, &out, &err), -EFBIG);
    assert_string_equal(err.text, "line 300004, column 4: alias *big means a node that is too "
                                  "large to be repeated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_those_of_the_text),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(marks_are_bytes_lines_and_characters),
        cmocka_unit_test(pieces_of_any_size_give_the_same_events),
        cmocka_unit_test(a_failing_source_is_told),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(a_bomb_of_aliases_ends_at_the_bound),
        cmocka_unit_test(what_is_too_large_is_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
