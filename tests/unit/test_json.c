/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <cloudfs/json.h>

#define autojson cf_cleanup(cf_json_free_ptr)

static struct cf_json *parse(const char *text)
{
    struct cf_json *json = NULL;
    struct cf_error err = {0};
    if (cf_json_parse(text, strlen(text), &json, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return json;
}

static void a_document_prints_as_it_was_meant(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {" {\"b\" : 1, \"a\":[ true,false , null,\"x\"]}\n",
         "{\"b\":1,\"a\":[true,false,null,\"x\"]}"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"9007199254740992", "9007199254740992"},
        {"-9007199254740991", "-9007199254740991"},
        {"1000000000000000", "1000000000000000"},
        {"1e3", "1000"},
        {"0.1", "0.1"},
        {"-0", "0"},
        {"1.5e300", "1.5e+300"},
        {"\"\\u00e9\\/\\\"\\\\\\b\\f\\n\\r\\t\\u001f\"",
         "\"\xc3\xa9/\\\"\\\\\\b\\f\\n\\r\\t\\u001f\""},
        {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_buf buf cf_autobuf = CF_BUF_INIT;
        struct cf_json *json autojson = parse(cases[i].in);
        assert_int_equal(cf_json_print(json, false, &buf), 0);
        assert_string_equal(buf.data, cases[i].out);
    }
}

static void pretty_text_is_indented_and_ends_with_a_newline(void **state)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct cf_json *json autojson = parse("{\"a\":[1,{\"b\":[]}],\"c\":{}}");
    (void)state;
    assert_int_equal(cf_json_print(json, true, &buf), 0);
    assert_string_equal(buf.data, "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n"
                                  "  \"c\": {}\n}\n");
}

static void what_is_not_one_document_is_refused(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        {"", 0},
        {" ", 1},
        {"{", 1},
        {"{} {}", 5},
        {"[1,]", 4},
        {"{\"a\":1,", 7},
        {"{\"1\":1,", 7},
        {"\"abc", 4},
        {"{}\0", 3},
        {"\"a\0b\"", 5},
        {"nul", 3},
        {"{a:1}", 5},
        {"\"\\u0000\"", 8},
        {"\"\\\\\\u0000\"", 10},
        {"[1", 2},
        {"\"\\", 2},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        struct cf_json *json = NULL;
        struct cf_error err = {0};
        assert_int_equal(cf_json_parse(bad[i].text, bad[i].len, &json, &err), -EINVAL);
        assert_null(json);
        assert_int_equal(strncmp(err.text, "not JSON", 8), 0);
    }
    struct cf_json *fine autojson = parse("\"\\\\u0000\"");
    assert_string_equal(cf_json_string(fine), "\\u0000");
}

static void nesting_without_end_is_refused(void **state)
{
    char deep[100000];
    struct cf_json *json = NULL;
    (void)state;
    memset(deep, '[', sizeof(deep));
    assert_int_equal(cf_json_parse(deep, sizeof(deep), &json, NULL), -EINVAL);
}

static void getters_answer_nothing_for_absent_or_other_types(void **state)
{
    struct cf_json *json autojson = parse("{\"s\":\"x\",\"n\":7,\"t\":true,\"f\":1.5,\"h\":1e16,"
                                          "\"a\":[10,20],\"S\":\"y\"}");
    int64_t n = -1;
    bool b = false;
    (void)state;
    assert_string_equal(cf_json_get_string(json, "s"), "x");
    assert_string_equal(cf_json_get_string(json, "S"), "y");
    assert_null(cf_json_get_string(json, "n"));
    assert_null(cf_json_get(json, "absent"));
    assert_null(cf_json_get(NULL, "s"));
    assert_null(cf_json_get(cf_json_get(json, "a"), "s"));
    assert_null(cf_json_string(NULL));
    assert_true(cf_json_int(cf_json_get(json, "n"), &n));
    assert_int_equal(n, 7);
    assert_false(cf_json_int(cf_json_get(json, "f"), &n));
    assert_false(cf_json_int(cf_json_get(json, "h"), &n));
    assert_false(cf_json_int(cf_json_get(json, "s"), &n));
    assert_int_equal(n, 7);
    assert_true(cf_json_bool(cf_json_get(json, "t"), &b) && b);
    assert_false(cf_json_bool(cf_json_get(json, "n"), &b));
    assert_int_equal(cf_json_count(json), 7);
    assert_int_equal(cf_json_count(NULL), 0);
    assert_null(cf_json_at(cf_json_get(json, "a"), 2));
    assert_null(cf_json_at(json, 0));
    assert_null(cf_json_first(cf_json_get(json, "s")));
    assert_true(cf_json_is_object(json) && !cf_json_is_array(json));
    assert_true(cf_json_int(cf_json_at(cf_json_get(json, "a"), 1), &n));
    assert_int_equal(n, 20);
}

static void children_are_walked_in_order(void **state)
{
    struct cf_json *json autojson = parse("{\"c\":1,\"a\":2,\"b\":3}");
    struct cf_buf keys cf_autobuf = CF_BUF_INIT;
    (void)state;
    for (const struct cf_json *c = cf_json_first(json); c; c = cf_json_next(c))
        assert_int_equal(cf_buf_add_str(&keys, cf_json_key(c)), 0);
    assert_string_equal(keys.data, "cab");
}

static void documents_are_built_and_edited_in_place(void **state)
{
    struct cf_json *json autojson = cf_json_object();
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    (void)state;
    assert_int_equal(cf_json_set_string(json, "first", "1"), 0);
    assert_int_equal(cf_json_set_int(json, "size", 9007199254740991), 0);
    assert_int_equal(cf_json_set_bool(json, "gone", true), 0);
    assert_int_equal(cf_json_set(json, "list", cf_json_array()), 0);
    struct cf_json *list = cf_json_edit(json, "list");
    assert_int_equal(cf_json_append(list, cf_json_new_string("a")), 0);
    assert_int_equal(cf_json_append(list, cf_json_copy(json)), 0);
    assert_int_equal(cf_json_append(list, NULL), -ENOMEM);
    assert_int_equal(cf_json_append(json, cf_json_new_int(1)), -ENOMEM);
    assert_int_equal(cf_json_set(list, "k", cf_json_new_int(1)), -ENOMEM);
    assert_int_equal(cf_json_set_bool(json, "first", false), 0);
    cf_json_remove(json, "gone");
    cf_json_remove(json, "never was");
    assert_null(cf_json_edit(json, "gone"));
    assert_int_equal(cf_json_print(json, false, &buf), 0);
    assert_string_equal(
        buf.data, "{\"first\":false,\"size\":9007199254740991,\"list\":[\"a\",{\"first\":\"1\","
                  "\"size\":9007199254740991,\"gone\":true,\"list\":[\"a\"]}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_prints_as_it_was_meant),
        cmocka_unit_test(pretty_text_is_indented_and_ends_with_a_newline),
        cmocka_unit_test(what_is_not_one_document_is_refused),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(getters_answer_nothing_for_absent_or_other_types),
        cmocka_unit_test(children_are_walked_in_order),
        cmocka_unit_test(documents_are_built_and_edited_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
