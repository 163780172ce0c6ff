/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/reference.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEN "abcdefghij"
#define FIFTY TEN TEN TEN TEN TEN

static const struct {
    const char *text, *name, *tag;
    bool digest;
} good[] = {
    {"a", "a", "", false},
    {"kubernetes:v1.19.8", "kubernetes", "v1.19.8", false},
    {"library/alpine", "library/alpine", "", false},
    {"docker.io/library/alpine:3.18", "docker.io/library/alpine", "3.18", false},
    {"registry.cn-qingdao.aliyuncs.com/sealer-io/kubernetes:v1.19.8",
     "registry.cn-qingdao.aliyuncs.com/sealer-io/kubernetes", "v1.19.8", false},
    {"localhost:5000/x", "localhost:5000/x", "", false},
    {"localhost:5000/x:y", "localhost:5000/x", "y", false},
    {"[::1]:5000/x", "[::1]:5000/x", "", false},
    {"[2001:db8::1]/x:y", "[2001:db8::1]/x", "y", false},
    {"Host.Example/x", "Host.Example/x", "", false},
    {"a__b--c.d_e:T_.-9", "a__b--c.d_e", "T_.-9", false},
    {"a:5000", "a", "5000", false},
    {"a@sha256:" HEX, "a", "", true},
    {"r.io/a/b:t@sha256:" HEX, "r.io/a/b", "t", true},
    {"a:_", "a", "_", false},
    {FIFTY FIFTY FIFTY FIFTY FIFTY "abcde", FIFTY FIFTY FIFTY FIFTY FIFTY "abcde", "", false},
    {"a:" FIFTY FIFTY TEN TEN "abcdefgh", "a", FIFTY FIFTY TEN TEN "abcdefgh", false},
    {"sha256:" HEX, "sha256", HEX, false},
};

static void references_are_split_into_name_tag_and_digest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cf_reference reference;
        struct cf_error err = {0};
        if (cf_reference_parse(good[i].text, &reference, &err) < 0)
            fail_msg("%s: %s", good[i].text, err.text);
        assert_string_equal(reference.name, good[i].name);
        assert_string_equal(reference.tag, good[i].tag);
        assert_int_equal(reference.has_digest, good[i].digest);
        if (good[i].digest)
            assert_int_equal(reference.digest.bytes[1], 0x23);
    }
}

static const char *const bad[] = {
    "",
    ":",
    "@",
    "/",
    "a/",
    "/a",
    "a//b",
    ":tag",
    "a:",
    "a::b",
    "A",
    "Aa/B",
    "a b",
    "a\n",
    "a:b c",
    "-a",
    "a-",
    "a_",
    "_a",
    ".a",
    "a.",
    "a..b",
    "a._b",
    "a___b",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a:.b",
    "a:-b",
    "a:b/c:",
    "a@",
    "a@sha256:",
    "a@sha256:abc",
    "a@md5:" HEX,
    "a@sha256:" HEX "0",
    "a@sha256:" HEX "@sha256:" HEX,
    "@sha256:" HEX,
    "a:b:c",
    "localhost:/x",
    "localhost:x/y",
    "[::1/x",
    "[]/x",
    "[::1]",
    "[::g]/x",
    "h.-x/a",
    "h../a",
    HEX,
    "a:b\x80",
    "\xc3\xa4/b",
    "a:%2e",
    FIFTY FIFTY FIFTY FIFTY FIFTY "abcdef",
    "a:" FIFTY FIFTY TEN TEN "abcdefghi",
};

static void what_is_no_reference_is_refused_with_a_line_that_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cf_reference reference;
        struct cf_error err = {0};
        if (cf_reference_parse(bad[i], &reference, &err) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.code, -EINVAL);
        assert_non_null(strstr(err.text, "is no image reference: "));
    }
}

static void a_tag_is_added_where_none_was_written_and_a_digest_is_refused(void **state)
{
    char name[CF_TAGGED_SIZE];
    struct cf_error err = {0};

    (void)state;
    assert_int_equal(cf_reference_tagged("r.io:1/a", name, &err), 0);
    assert_string_equal(name, "r.io:1/a:latest");
    assert_int_equal(cf_reference_tagged("a:b", name, &err), 0);
    assert_string_equal(name, "a:b");
    assert_int_equal(cf_reference_tagged("a@sha256:" HEX, name, &err), -EINVAL);
    assert_int_equal(cf_reference_tagged("A", name, &err), -EINVAL);
}

static void the_longest_name_with_the_longest_tag_fits(void **state)
{
    char name[CF_TAGGED_SIZE];
    char text[512];

    (void)state;
    snprintf(text, sizeof(text), "%s:%s", good[15].text, good[16].tag);
    assert_int_equal(strlen(text), CF_TAGGED_SIZE - 2);
    assert_int_equal(cf_reference_tagged(text, name, NULL), 0);
    assert_string_equal(name, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_split_into_name_tag_and_digest),
        cmocka_unit_test(what_is_no_reference_is_refused_with_a_line_that_says_why),
        cmocka_unit_test(a_tag_is_added_where_none_was_written_and_a_digest_is_refused),
        cmocka_unit_test(the_longest_name_with_the_longest_tag_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
