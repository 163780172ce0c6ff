/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <cloudfs/kubefile.h>

#include "pattern.h"

static struct cf_kubefile *parse(const char *text)
{
    struct cf_error err = {0};
    struct cf_kubefile *kubefile = NULL;
    if (cf_kubefile_parse("Kubefile", text, strlen(text), &kubefile, &err) < 0)
        fail_msg("%s", err.text);
    return kubefile;
}

static void words_in_any_case_with_their_text(void **state)
{
    struct cf_kubefile *k =
        parse("\xef\xbb\xbf# comment\nfrom scratch\n\n  Copy  a b \ncmd x, y\n");
    (void)state;
    assert_int_equal(k->count, 3);
    assert_int_equal(k->list[0].word, CF_KUBEFILE_FROM);
    assert_string_equal(k->list[0].text, "scratch");
    assert_int_equal(k->list[1].word, CF_KUBEFILE_COPY);
    assert_string_equal(k->list[1].text, "a b");
    assert_int_equal(k->list[1].line, 4);
    assert_string_equal(k->list[2].text, "x, y");
    cf_kubefile_free(k);
}

static void lines_go_on_and_comments_between_are_left_out(void **state)
{
    struct cf_kubefile *k = parse("FROM scratch\nRUN a && \\\n# why\n\n  b \\ \n c\nCMD d\\");
    (void)state;
    assert_int_equal(k->count, 3);
    assert_string_equal(k->list[1].text, "a &&   b  c");
    assert_string_equal(k->list[2].text, "d");
    cf_kubefile_free(k);
}

static void another_escape_character(void **state)
{
    struct cf_kubefile *k = parse("# escape=`\nFROM scratch\nRUN a `\n b\\\nCMD c\n");
    (void)state;
    assert_int_equal(k->count, 3);
    assert_string_equal(k->list[1].text, "a  b\\");
    cf_kubefile_free(k);
}

static void flags_stand_before_the_text(void **state)
{
    struct cf_kubefile *k =
        parse("FROM scratch\nCOPY --chown=1:2 --chmod=755 -- --odd x\nCMD --x\n");
    (void)state;
    assert_int_equal(k->list[1].flag_count, 3);
    assert_string_equal(k->list[1].flags[0].name, "chown");
    assert_string_equal(k->list[1].flags[0].value, "1:2");
    assert_string_equal(k->list[2].text, "--x");
    cf_kubefile_free(k);
}

static void heredocs_keep_their_lines(void **state)
{
    struct cf_kubefile *k = parse("FROM scratch\nCOPY <<A <<-'B' etc/\n $x\nA\n\tin\n\tB\n"
                                  "RUN cat <<< x\nRUN echo '<<C'\nRUN <<E\na\n\nE\n");
    (void)state;
    assert_int_equal(k->count, 5);
    assert_int_equal(k->list[1].heredoc_count, 2);
    assert_string_equal(k->list[1].heredocs[0].text, " $x\n");
    assert_true(k->list[1].heredocs[0].expand);
    assert_string_equal(k->list[1].heredocs[1].text, "in\n");
    assert_false(k->list[1].heredocs[1].expand);
    assert_int_equal(k->list[2].heredoc_count, 0);
    assert_int_equal(k->list[3].heredoc_count, 0);
    assert_string_equal(k->list[4].heredocs[0].text, "a\n\n");
    cf_kubefile_free(k);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"FROM scratch\nCOPPY . .\n", "Kubefile:2:1: unknown instruction 'COPPY': | COPPY . ."},
        {"FROM scratch\n\n  RUN\n", "Kubefile:3:3: RUN needs an argument: |   RUN"},
        {"FROM scratch\nRUN <<EOF\na\n", "the file ends before the line 'EOF'"},
        {"# nothing\n", "Kubefile:1:1: there is no instruction in it"},
        {"# escape=x\nFROM a\n", "Kubefile:1:1: the escape character"},
        {"# cloudfs: copy=tar\nFROM a\n", "Kubefile:1:1: cloudfs knows copy=docker"},
        {"FROM scratch\nRUN a \\\n b \\\n", ""},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        struct cf_error err = {0};
        struct cf_kubefile *k = NULL;
        int r = cf_kubefile_parse("Kubefile", bad[i].text, strlen(bad[i].text), &k, &err);
        assert_int_equal(r, bad[i].message[0] ? -EINVAL : 0);
        if (!strstr(err.text, bad[i].message))
            fail_msg("%s: %s", bad[i].text, err.text);
        cf_kubefile_free(k);
    }
}

static void a_place_inside_a_continued_instruction(void **state)
{
    struct cf_kubefile *k = parse("FROM scratch\nCOPY a \\\n   b \\\n  c\n");
    struct cf_error err = {0};
    const char *text = k->list[1].text;
    (void)state;
    (void)cf_kubefile_fail(k, &k->list[1], (size_t)(strchr(text, 'c') - text), &err, -EINVAL, "no");
    assert_string_equal(err.text, "Kubefile:4:3: no: |   c");
    (void)cf_kubefile_fail(k, &k->list[1], 0, &err, -EINVAL, "no");
    assert_string_equal(err.text, "Kubefile:2:6: no: | COPY a \\");
    cf_kubefile_free(k);
}

static const char *look_up(void *context, const char *name, size_t len)
{
    (void)context;
    if (len == 1 && *name == 'x')
        return "one two";
    return len == 5 && !strncmp(name, "empty", 5) ? "" : NULL;
}

static void words_quotes_and_variables(void **state)
{
    static const struct {
        const char *text, *words; /* joined by '|' */
    } good[] = {
        {"a b", "a|b"},
        {"  'a b' \"c d\"e ", "a b|c de"},
        {"$x ${x}y '$x' \"$x\" \\$x", "one two|one twoy|$x|one two|$x"},
        {"${none:-d} ${none-d} ${empty:-d} ${empty-d}.", "d|d|d|."},
        {"${x:+d} ${none:+d}. ${empty:+d}. ${empty+d}", "d|.|.|d"},
        {"${none:-${x}}", "one two"},
        {"a\\ b \"\\\"\" $ $1", "a b|\"|$|"},
        {"${none:-a b}", "a b"},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(good); i++) {
        struct cf_kubefile_words words = {0};
        struct cf_buf joined cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        size_t offset = 0;
        if (cf_kubefile_split(good[i].text, '\\', look_up, NULL, &words, &offset, &err) < 0)
            fail_msg("%s: %s", good[i].text, err.text);
        for (size_t k = 0; k < words.count; k++)
            assert_int_equal(cf_buf_printf(&joined, "%s%s", k ? "|" : "", words.list[k].text), 0);
        assert_string_equal(joined.data, good[i].words);
        cf_kubefile_words_done(&words);
    }
}

static void open_quotes_and_braces_are_refused(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
    } bad[] = {{"a 'b", 2}, {"a \"b", 2}, {"ab ${x", 3}, {"${}", 2}, {"${x:=y}", 2}};
    (void)state;
    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        struct cf_kubefile_words words = {0};
        struct cf_error err = {0};
        size_t offset = 99;
        assert_int_equal(cf_kubefile_split(bad[i].text, '\\', look_up, NULL, &words, &offset, &err),
                         -EINVAL);
        assert_int_equal(offset, bad[i].offset);
    }
}

static void running_text_keeps_quotes_and_space(void **state)
{
    struct cf_buf out cf_autobuf = CF_BUF_INIT;
    const char *text = "a 'b'  $x\n\\$x \\n ${none}.";
    struct cf_error err = {0};
    (void)state;
    assert_int_equal(cf_kubefile_expand(text, strlen(text), '\\', look_up, NULL, &out, &err), 0);
    assert_string_equal(out.data, "a 'b'  one two\n$x \\n .");
}

static void patterns_mean_paths(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } table[] = {
        {"a", "a", true},
        {"a", "a/b", false},
        {"*", "a", true},
        {"*", "a/b", false},
        {"*.md", ".md", true},
        {"a/*", "a/b", true},
        {"**", "a/b/c", true},
        {"**/c", "c", true},
        {"**/c", "a/b/c", true},
        {"a/**", "a/b/c", true},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/b/d", false},
        {"**/b/**/d", "a/b/c/d", true},
        {"[a-c]x", "bx", true},
        {"?", "ab", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(table); i++)
        if (cf_pattern_matches(table[i].pattern, table[i].path) != table[i].match)
            fail_msg("%s and %s", table[i].pattern, table[i].path);
}

static void the_last_rule_that_means_a_path_counts(void **state)
{
    static const char text[] = "# c\n*.md\n!README.md\n/out/\n  tmp*  \n!tmp/keep\n";
    struct cf_ignore ignore = {0};
    (void)state;
    assert_int_equal(cf_ignore_add(&ignore, text, strlen(text), NULL), 0);
    assert_true(cf_ignore_hides(&ignore, "a.md"));
    assert_false(cf_ignore_hides(&ignore, "README.md"));
    assert_true(cf_ignore_hides(&ignore, "out/x/y"));
    assert_true(cf_ignore_hides(&ignore, "tmp/x"));
    assert_false(cf_ignore_hides(&ignore, "tmp/keep/x"));
    assert_false(cf_ignore_hides(&ignore, "a"));
    cf_ignore_done(&ignore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_in_any_case_with_their_text),
        cmocka_unit_test(lines_go_on_and_comments_between_are_left_out),
        cmocka_unit_test(another_escape_character),
        cmocka_unit_test(flags_stand_before_the_text),
        cmocka_unit_test(heredocs_keep_their_lines),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(a_place_inside_a_continued_instruction),
        cmocka_unit_test(words_quotes_and_variables),
        cmocka_unit_test(open_quotes_and_braces_are_refused),
        cmocka_unit_test(running_text_keeps_quotes_and_space),
        cmocka_unit_test(patterns_mean_paths),
        cmocka_unit_test(the_last_rule_that_means_a_path_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
