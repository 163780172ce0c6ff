/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/look.h>

struct row {
    const char *what, *old_text, *new_text, *expected;
};

static const struct row rows[] = {
    {"equal texts give nothing", "a\nb\n", "a\nb\n", ""},
    {"two empty texts give nothing", "", "", ""},
    {"one changed line has its context", "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
     "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
     "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
    {"an added last line", "a\n", "a\nb\n", "--- a/f\n+++ b/f\n@@ -1 +1,2 @@\n a\n+b\n"},
    {"a removed first line", "a\nb\n", "b\n", "--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n b\n"},
    {"all is new", "", "a\nb\n", "--- a/f\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
    {"all is gone", "a\n", "", "--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-a\n"},
    {"a missing last newline is told", "a\nb", "a\nb\n",
     "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
    {"changes six lines apart share a hunk", "x\n1\n2\n3\n4\n5\n6\ny\n", "X\n1\n2\n3\n4\n5\n6\nY\n",
     "--- a/f\n+++ b/f\n@@ -1,8 +1,8 @@\n-x\n+X\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n+Y\n"},
    {"changes seven lines apart do not", "x\n1\n2\n3\n4\n5\n6\n7\ny\n",
     "X\n1\n2\n3\n4\n5\n6\n7\nY\n",
     "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n-x\n+X\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n "
     "7\n-y\n+Y\n"},
};

static void unified_diffs_have_the_form_that_patch_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_buf buf cf_autobuf = CF_BUF_INIT;
        assert_int_equal(cf_text_diff("f", rows[i].old_text, strlen(rows[i].old_text),
                                      rows[i].new_text, strlen(rows[i].new_text), true, true, &buf),
                         0);
        if (strcmp(buf.data ? buf.data : "", rows[i].expected) != 0)
            fail_msg("%s:\n%s\ninstead of\n%s", rows[i].what, buf.data ? buf.data : "",
                     rows[i].expected);
    }
}

static void a_file_that_is_new_or_gone_is_compared_with_dev_null(void **state)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;

    (void)state;
    assert_int_equal(cf_text_diff("etc/x", NULL, 0, "a\n", 2, false, true, &buf), 0);
    assert_int_equal(cf_text_diff("etc/x", "a\n", 2, NULL, 0, true, false, &buf), 0);
    assert_string_equal(buf.data, "--- /dev/null\n+++ b/etc/x\n@@ -0,0 +1 @@\n+a\n"
                                  "--- a/etc/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
}

static void a_nul_near_the_start_makes_a_binary_file(void **state)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;

    (void)state;
    assert_int_equal(cf_text_diff("k", "a\0b", 3, "a\0c", 3, true, true, &buf), 0);
    assert_string_equal(buf.data, "Binary files a/k and b/k differ\n");
}

/* ---- against a plain reading of the result ---- */

#define LINES_MAX 60

struct text {
    char bytes[LINES_MAX * 4 + 1];
    size_t len, lines;
    unsigned char kind[LINES_MAX];
};

static void make_text(struct text *text, unsigned *seed, unsigned kinds)
{
    text->len = 0;
    text->bytes[0] = '\0';
    text->lines = (size_t)rand_r(seed) % LINES_MAX;
    for (size_t i = 0; i < text->lines; i++) {
        text->kind[i] = (unsigned char)((unsigned)rand_r(seed) % kinds);
        text->len += (size_t)sprintf(text->bytes + text->len, "%u\n", text->kind[i]);
    }
}

/* Length of the longest common subsequence, by the textbook's table. */
static size_t common_length(const struct text *a, const struct text *b)
{
    static size_t table[LINES_MAX + 1][LINES_MAX + 1];

    memset(table, 0, sizeof(table));
    for (size_t i = 1; i <= a->lines; i++)
        for (size_t k = 1; k <= b->lines; k++) {
            size_t best = table[i - 1][k] > table[i][k - 1] ? table[i - 1][k] : table[i][k - 1];
            if (a->kind[i - 1] == b->kind[k - 1])
                best = table[i - 1][k - 1] + 1;
            table[i][k] = best;
        }
    return table[a->lines][b->lines];
}

/* Applies a diff to old; counts its deletions and insertions. */
static void apply(const struct text *old, const char *diff, struct cf_buf *ret_new,
                  size_t *ret_edits)
{
    const char *from = old->bytes;
    size_t line = 1;

    *ret_edits = 0;
    while (*diff) {
        const char *end = strchr(diff, '\n') + 1;
        if (!strncmp(diff, "@@ -", 4)) {
            char *rest = NULL;
            size_t start = strtoul(diff + 4, &rest, 10), count = 1;
            if (*rest == ',')
                count = strtoul(rest + 1, NULL, 10);
            if (count == 0)
                start++;
            for (; line < start; line++) {
                const char *next = strchr(from, '\n') + 1;
                cf_buf_add(ret_new, from, (size_t)(next - from));
                from = next;
            }
        } else if (strncmp(diff, "--- ", 4) != 0 && strncmp(diff, "+++ ", 4) != 0) {
            if (*diff != '+') {
                assert_int_equal(strncmp(from, diff + 1, (size_t)(end - diff - 1)), 0);
                from += end - diff - 1;
                line++;
            }
            if (*diff != '-')
                cf_buf_add(ret_new, diff + 1, (size_t)(end - diff - 1));
            *ret_edits += *diff != ' ';
        }
        diff = end;
    }
    cf_buf_add_str(ret_new, from);
}

static void every_diff_applies_and_is_the_shortest(void **state)
{
    static struct text a, b;
    unsigned seed = 1;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct cf_buf diff cf_autobuf = CF_BUF_INIT, result cf_autobuf = CF_BUF_INIT;
        size_t edits = 0;
        make_text(&a, &seed, 2 + i % 9);
        make_text(&b, &seed, 2 + i % 9);
        assert_int_equal(cf_text_diff("f", a.bytes, a.len, b.bytes, b.len, true, true, &diff), 0);
        apply(&a, diff.data ? diff.data : "", &result, &edits);
        assert_int_equal(result.len, b.len);
        assert_int_equal(result.len && memcmp(result.data, b.bytes, b.len), 0);
        assert_int_equal(edits, a.lines + b.lines - 2 * common_length(&a, &b));
    }
}

static void texts_that_share_nothing_do_not_take_for_ever(void **state)
{
    struct cf_buf a cf_autobuf = CF_BUF_INIT, b cf_autobuf = CF_BUF_INIT;
    struct cf_buf diff cf_autobuf = CF_BUF_INIT;
    size_t lines = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        cf_buf_printf(&a, "a%u\n%u\n", i, i * 7919 % 1000);
        cf_buf_printf(&b, "b%u\n%u\n", i, i * 104729 % 1000);
    }
    assert_int_equal(cf_text_diff("f", a.data, a.len, b.data, b.len, true, true, &diff), 0);
    for (const char *at = diff.data; (at = strchr(at, '\n')); at++)
        lines++;
    assert_true(lines > 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unified_diffs_have_the_form_that_patch_reads),
        cmocka_unit_test(a_file_that_is_new_or_gone_is_compared_with_dev_null),
        cmocka_unit_test(a_nul_near_the_start_makes_a_binary_file),
        cmocka_unit_test(every_diff_applies_and_is_the_shortest),
        cmocka_unit_test(texts_that_share_nothing_do_not_take_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
