/* SPDX-License-Identifier: Apache-2.0 */
/* Three texts as one: by lines, and by settings. (Whole images: tests/integration/rebase.sh.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static struct cf_text text_of(const char *text)
{
    return (struct cf_text){text, strlen(text)};
}

/* ---- lines ---- */

static const struct {
    const char *base, *ours, *theirs, *merged; /* merged with ours in conflicts */
    int conflicts;
} lines[] = {
    {"", "", "", "", 0},
    {"a\n", "a\n", "a\n", "a\n", 0},
    {"a\nb\nc\n", "a\nB\nc\n", "a\nb\nc\n", "a\nB\nc\n", 0},
    {"a\nb\nc\n", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n", 0},
    {"a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n", 0},
    {"a\nb\nc\n", "a\nx\nc\n", "a\nx\nc\n", "a\nx\nc\n", 0},
    {"a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n", "a\nx\nc\n", 1},
    {"a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n", 0},
    {"a\nb\n", "a\n", "a\nB\n", "a\n", 1},
    {"", "a\n", "b\n", "a\n", 1},
    {"a\nb", "a\nb\n", "x\na\nb", "x\na\nb\n", 0},
    {"a\nb\nc\nd\ne\n", "z\na\nb\nc\nd\nE\n", "a\nb\nX\nd\ne\n", "z\na\nb\nX\nd\nE\n", 0},
    {"a\nb\nc\nd\ne\n", "1\nb\nc\nd\n2\n", "3\nb\nc\nd\n4\n", "1\nb\nc\nd\n2\n", 2},
};

static void lines_of_both_sides_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(lines); i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT, mirrored cf_autobuf = CF_BUF_INIT;
        struct cf_text base = text_of(lines[i].base), ours = text_of(lines[i].ours);
        struct cf_text theirs = text_of(lines[i].theirs);
        int r = cf_text_merge(&base, &ours, &theirs, false, NULL, NULL, &out);
        if (r != lines[i].conflicts || strcmp(out.data ? out.data : "", lines[i].merged) != 0)
            fail_msg("row %zu: %d conflicts, \"%s\"", i, r, out.data);
        assert_int_equal(cf_text_merge(&base, &theirs, &ours, true, NULL, NULL, &mirrored), r);
        assert_string_equal(mirrored.data ? mirrored.data : "", lines[i].merged);
    }
}

static void random_text(struct cf_buf *out, const struct cf_buf *from, unsigned changes)
{
    const char *at = from->data ? from->data : "";

    cf_buf_clear(out);
    while (*at) {
        const char *end = strchr(at, '\n') + 1;
        unsigned dice = (unsigned)rand() % 20;
        if (dice < changes)
            assert_int_equal(cf_buf_printf(out, "%c\n", 'a' + rand() % 26), 0);
        if (dice != 0 || !changes)
            assert_int_equal(cf_buf_add(out, at, (size_t)(end - at)), 0);
        at = end;
    }
}

static void one_side_alone_is_always_taken_whole(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 500; round++) {
        struct cf_buf base cf_autobuf = CF_BUF_INIT, one cf_autobuf = CF_BUF_INIT;
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        for (int i = rand() % 30; i >= 0; i--)
            assert_int_equal(cf_buf_printf(&base, "%c\n", 'a' + rand() % 6), 0);
        random_text(&one, &base, 4);
        struct cf_text a = {base.data, base.len}, b = {one.data ? one.data : "", one.len};
        assert_int_equal(cf_text_merge(&a, &b, &a, false, NULL, NULL, &out), 0);
        assert_string_equal(out.data ? out.data : "", b.text);
        cf_buf_clear(&out);
        assert_int_equal(cf_text_merge(&a, &a, &b, false, NULL, NULL, &out), 0);
        assert_string_equal(out.data ? out.data : "", b.text);
        cf_buf_clear(&out);
        assert_int_equal(cf_text_merge(&a, &b, &b, false, NULL, NULL, &out), 0);
        assert_string_equal(out.data ? out.data : "", b.text);
    }
}

/* ---- settings ---- */

static const struct {
    const char *file, *base, *ours, *theirs;
    const char *merged;    /* NULL: it cannot be done by settings */
    const char *conflicts; /* their settings */
    enum cf_rebase_side prefer;
} settings[] = {
    {"a.yml", "a: 1\nb: 2\n", "a: 9\nb: 2\n", "a: 1\nb: 3\n", "a: 9\nb: 3\n", "", 0},
    /* comments of both, where the lines allow it */
    {"a.yml", "a: 1\nx: 0\nb: 2\n", "# ours\na: 9\nx: 0\nb: 2\n", "a: 1\nx: 0\nb: 3 # theirs\n",
     "# ours\na: 9\nx: 0\nb: 3 # theirs\n", "", 0},
    {"a.yml", "a: 1\nb: 2\n", "a: 9\nb: 2\n", "b: 3\na: 1\n", "b: 3\na: 9\n", "", 0},
    {"a.yml", "a: 1\n", "a: 2\n", "a: 2\n", "a: 2\n", "", 0},
    {"a.yml", "a: 1\nb: 2\n", "a: 2\nb: 2\n", "a: 3\nb: 5\n", "a: 3\nb: 5\n", "a", 0},
    {"a.yml", "a: 1\nb: 2\n", "a: 2\nb: 2\n", "a: 3\nb: 5\n", "a: 2\nb: 5\n", "a", CF_REBASE_OURS},
    {"a.yml", "a: 1\nb: 2\n", "b: 2\n", "a: 1\nb: 3\n", "b: 3\n", "", 0},
    {"a.yml", "a: 1\nb: 2\n", "b: 2\n", "a: 4\nb: 2\n", "a: 4\nb: 2\n", "a", 0},
    {"a.yml", "m: {a: 1}\n", "m: {a: 1, b: 2}\n", "m: {a: 1, c: 3}\n", "m: {a: 1, c: 3, b: 2}\n",
     "", 0},
    {"a.yml", "l:\n- name: a\n  v: 1\n- name: b\n  v: 1\n",
     "l:\n- name: a\n  v: 2\n- name: b\n  v: 1\n- name: c\n  v: 1\n",
     "l:\n- name: b\n  v: 3\n- name: a\n  v: 1\n",
     "l:\n- name: b\n  v: 3\n- name: a\n  v: 2\n- name: c\n  v: 1\n", "", 0},
    {"a.yml", "l: [1, 2]\nb: 1\n", "l: [1, 2, 3]\nb: 1\n", "l: [0, 1, 2]\nb: 1\n",
     "l: [0, 1, 2]\nb: 1\n", "l", 0},
    {"a.yml", "kind: A\nx: 1\n", "kind: A\nx: 2\n", "kind: A\nx: 1\n---\nkind: B\nx: 1\n",
     "kind: A\nx: 2\n---\nkind: B\nx: 1\n", "", 0},
    {"a.yml", "kind: A\nx: 1\n---\nkind: B\nx: 1\n", "kind: A\nx: 2\n",
     "kind: A\nx: 1\ny: 1\n---\nkind: B\nx: 1\n", "kind: A\nx: 2\ny: 1\n", "", 0},
    {"a.yml", "kind: A\nx: 1\n", "kind: A\nx: 1\n---\nkind: B\nx: 1\n", "kind: A\nx: 2\n",
     "kind: A\nx: 2\n---\nkind: B\nx: 1\n", "", 0},
    {"a.json", "{\"a\": 1, \"b\": {\"c\": true}}\n", "{\"a\": 2, \"b\": {\"c\": true}}\n",
     "{\n  \"b\": {\"c\": false},\n  \"a\": 1\n}\n", "{\n  \"b\": {\"c\": false},\n  \"a\": 2\n}\n",
     "", 0},
    {"a.yml", "a: 1\n", "a: {b: 1}\n", "a: 1\nc: 2\n", "c: 2\na:\n  b: 1\n", "", 0},
    {"a.yml", "a: [\n", "a: 1\n", "a: 2\n", NULL, "", 0},
    {"a.yml", "a: false\nb: 0\n", "a: false\nb: 1\n", "a: true\nb: 0\n", "a: true\nb: 1\n", "", 0},
};

static void settings_of_both_sides_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(settings); i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT, told cf_autobuf = CF_BUF_INIT;
        struct cf_text base = text_of(settings[i].base), ours = text_of(settings[i].ours);
        struct cf_text theirs = text_of(settings[i].theirs);
        const struct cf_rebase_options options = {.prefer = settings[i].prefer};
        struct cf_error err = {0};
        struct rebasing rebasing = {.options = &options, .err = &err};
        int r = cf_rebase_settings(&rebasing, settings[i].file, &base, &ours, &theirs, &out);
        for (size_t k = 0; k < rebasing.result.conflict_count; k++)
            assert_int_equal(cf_buf_add_str(&told, rebasing.result.conflicts[k].setting), 0);
        cf_rebase_result_done(&rebasing.result);
        if (r != (settings[i].merged != NULL) ||
            (r == 1 && strcmp(out.data ? out.data : "", settings[i].merged) != 0) ||
            strcmp(told.data ? told.data : "", settings[i].conflicts) != 0)
            fail_msg("row %zu: %d %s\n%s\nconflicts: %s", i, r, err.text, out.data, told.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_both_sides_are_taken),
        cmocka_unit_test(one_side_alone_is_always_taken_whole),
        cmocka_unit_test(settings_of_both_sides_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
