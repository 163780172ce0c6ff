/* SPDX-License-Identifier: Apache-2.0 */
/* Settings are changed, and every other byte stays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/edit.h>
#include <cloudfs/io.h>
#include <cloudfs/look.h>

#include <fcntl.h>

#define autoedit cf_cleanup(cf_edit_close_ptr)

/* One operation on a text: '=' sets, '$' sets a string, '+' appends, '-' deletes, '&' merges. */
static int run(struct cf_edit *edit, char what, const char *path, const char *text,
               struct cf_error *err)
{
    struct cf_edit *value autoedit = NULL;
    int r = 0;

    if (what == '&')
        r = cf_edit_open_value("patch", text, strlen(text), &value, err);
    else if (what != '-')
        r = cf_edit_open_argument(text, what == '$', &value, err);
    if (r < 0)
        return r;
    return what == '&'   ? cf_edit_merge(edit, value, err)
           : what == '-' ? cf_edit_delete(edit, path, err)
           : what == '+' ? cf_edit_append(edit, path, cf_edit_document(value, 0), err)
                         : cf_edit_set(edit, path, cf_edit_document(value, 0), err);
}

struct edit_case {
    const char *before;
    char what;
    const char *path, *value, *after;
};

static void check_cases(const char *name, const struct edit_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct edit_case *c = &cases[i];
        struct cf_edit *edit autoedit = NULL;
        struct cf_error err = {0};
        int r = cf_edit_open(name, c->before, strlen(c->before), &edit, &err);
        if (r == 0)
            r = run(edit, c->what, c->path, c->value, &err);
        if (r < 0)
            fail_msg("case %zu: %c%s: %s\n%s", i, c->what, c->path, err.text, c->before);
        const char *text = cf_edit_text(edit, NULL);
        if (strcmp(text, c->after) != 0)
            fail_msg("case %zu: %c%s\n--- is\n%s--- should be\n%s", i, c->what, c->path, text,
                     c->after);
        assert_int_equal(r, strcmp(c->before, c->after) != 0);
        if (c->what == '-' && strchr(c->path, '['))
            continue; /* by its number, the next one would go */
        r = run(edit, c->what, c->path, c->value, &err);
        if (r != 0)
            fail_msg("case %zu: a second time: %d %s\n%s", i, r, err.text,
                     cf_edit_text(edit, NULL));
    }
}

static const struct edit_case yaml_cases[] = {
    /* scalars keep their style where it can hold the new value */
    {"a: 1 # one\nb: 2\n", '=', "a", "17", "a: 17 # one\nb: 2\n"},
    {"a: 'x'\n", '=', "a", "it's", "a: 'it''s'\n"},
    {"a: \"x\"\n", '=', "a", "a\tb\"c", "a: \"a\\tb\\\"c\"\n"},
    {"a: x\n", '=', "a", "y: z", "a: 'y: z'\n"},
    {"a: x\n", '=', "a", "5", "a: '5'\n"},
    {"a: '10'\n", '=', "a", "20", "a: '20'\n"},
    {"a: \"10\"\n", '=', "a", "true", "a: \"true\"\n"},
    {"a: 10\n", '$', "a", "20", "a: '20'\n"},
    {"a: 10\n", '=', "a", "0.5", "a: 0.5\n"},
    {"a: yes\n", '=', "a", "false", "a: false\n"},
    {"a: x\n", '=', "a", "", "a: ''\n"},
    {"a: x\n", '=', "a", "null", "a: null\n"},
    {"a: x\n", '=', "a", "!!bool true", "a: true\n"},
    {"a:\nb: 1\n", '=', "a", "x", "a: x\nb: 1\n"},
    {"a: # c\nb: 1\n", '=', "a", "x", "a: x # c\nb: 1\n"},
    {"a:   \nb: 1\n", '=', "a", "0", "a: 0   \nb: 1\n"},
    {"a: two\n  lines\nb: 1\n", '=', "a", "one", "a: one\nb: 1\n"},
    {"a: |\n  x\n  y\n\nb: 1\n", '=', "a", "p\nq\n", "a: |\n  p\n  q\n\nb: 1\n"},
    {"a: |-\n      x\nb: 1\n", '=', "a", "p\nq", "a: |-\n      p\n      q\nb: 1\n"},
    {"a: >\n  x\n  y\nb: 1\n", '=', "a", "z\n", "a: >\n  z\nb: 1\n"},
    {"a: |\n  x\nb: 1\n", '=', "a", " \n", "a: \" \\n\"\nb: 1\n"},
    {"a: x", '=', "a", "z", "a: z"},
    {"a: x", '=', "b", "z", "a: x\nb: z"},
    {"a: x\r\nb: k\r\n", '=', "a", "z", "a: z\r\nb: k\r\n"},
    {"a: x\r\nb: k\r\n", '=', "c", "z", "a: x\r\nb: k\r\nc: z\r\n"},
    {"\xef\xbb\xbf"
     "a: x\n",
     '=', "a", "z",
     "\xef\xbb\xbf"
     "a: z\n"},
    {"\xef\xbb\xbf"
     "a: x\n",
     '=', "b", "z",
     "\xef\xbb\xbf"
     "a: x\nb: z\n"},
    {"a: \xc3\xa4\xf0\x9f\x98\x80 # \xc3\xb6\nb: x\n", '=', "b", "\xc3\xbc",
     "a: \xc3\xa4\xf0\x9f\x98\x80 # \xc3\xb6\nb: \xc3\xbc\n"},
    {"plain\n", '=', ".", "other", "other\n"},
    {"a.b: 1\n\"c d\": 2\n", '=', "\"a.b\"", "3", "a.b: 3\n\"c d\": 2\n"},
    {"a.b: 1\n", '=', "a\\.b", "3", "a.b: 3\n"},
    {"a: &x 1\nb: *x\n", '=', "a", "2", "a: &x 2\nb: *x\n"},
    {"a: &x 1\nb: *x\n", '=', "b", "2", "a: &x 1\nb: 2\n"},
    {"a: &x 1\nb: *x\n", '=', "b", "1", "a: &x 1\nb: *x\n"},
    {"a: !!str 1\nb: 2\n", '=', "a", "x", "a: x\nb: 2\n"},
    /* new keys stand behind their siblings */
    {"a:\n  b: 1\n  # more\nc: 2\n", '=', "a.d", "3", "a:\n  b: 1\n  d: 3\n  # more\nc: 2\n"},
    {"a:\n    b:\n        c: 1\nd: 2\n", '=', "a.b.e", "{f: {g: 1}}",
     "a:\n    b:\n        c: 1\n        e:\n            f:\n                g: 1\nd: 2\n"},
    {"a:\n- b: 1\n  c: 2\n", '=', "a[0].d", "[1, {x: y}]",
     "a:\n- b: 1\n  c: 2\n  d:\n  - 1\n  - x: y\n"},
    {"a:\n  # hint: x\nb: 1\n", '=', "a.c", "3", "a:\n  c: 3\n  # hint: x\nb: 1\n"},
    {"a: {b: 1}\n", '=', "a.c", "x,y", "a: {b: 1, c: 'x,y'}\n"},
    {"a: {}\n", '=', "a.c", "1", "a: {c: 1}\n"},
    {"a: |\n  t\nb: 1\n", '=', "c", "1", "a: |\n  t\nb: 1\nc: 1\n"},
    {"b: 1\na: |\n  t\n", '=', "c", "1", "b: 1\na: |\n  t\nc: 1\n"},
    {"b: 1\na: |+\n  t\n\n", '=', "c", "1", "b: 1\na: |+\n  t\n\nc: 1\n"},
    {"", '=', "a", "1", "a: 1\n"},
    {"", '=', "a.b", "1", "a:\n  b: 1\n"},
    {"# only\n", '=', "a", "1", "# only\na: 1\n"},
    {"---\n", '=', "a", "1", "---\na: 1\n"},
    {"a: 1\n", '=', "t", "x\ny\n", "a: 1\nt: |\n  x\n  y\n"},
    {"a: 1\nb:\n  c: 1\nd: 2\n", '=', "b", "{c: 2, e: 3}", "a: 1\nb:\n  c: 2\n  e: 3\nd: 2\n"},
    {"a: # keep\nb: 1\n", '=', "a", "{x: 1}", "a: # keep\n  x: 1\nb: 1\n"},
    /* lists */
    {"a:\n  - x\n  - y # c\nb: 1\n", '+', "a", "z", "a:\n  - x\n  - y # c\n  - z\nb: 1\n"},
    {"a:\n- x\nb: 1\n", '+', "a", "z", "a:\n- x\n- z\nb: 1\n"},
    {"a:\n- x\nb: 1\n", '+', "a", "x", "a:\n- x\nb: 1\n"},
    {"a: [x, y]\n", '+', "a", "z", "a: [x, y, z]\n"},
    {"a: []\n", '+', "a", "{k: v}", "a: [{k: v}]\n"},
    {"a:\nb: 1\n", '+', "a", "z", "a:\n  - z\nb: 1\n"},
    {"b:\n- 1\n", '+', "a", "z", "b:\n- 1\na:\n- z\n"},
    {"a:\n  - n: 1\n", '+', "a", "{n: 2, m: [1]}", "a:\n  - n: 1\n  - n: 2\n    m:\n      - 1\n"},
    {"- 1\n- 2\n", '=', "[-1]", "3", "- 1\n- 3\n"},
    {"- 1\n- 2\n", '+', ".", "3", "- 1\n- 2\n- 3\n"},
    {"l:\n- name: a\n  v: 1\n- name: b\n  v: 2\n", '=', "l[name=b].v", "3",
     "l:\n- name: a\n  v: 1\n- name: b\n  v: 3\n"},
    {"l:\n- name: a\n  v: 1\n- name: b\n  v: 2\n", '=', "l.name=b.v", "3",
     "l:\n- name: a\n  v: 1\n- name: b\n  v: 3\n"},
    /* deleting */
    {"a: 1\nb: 2 # c\nc: 3\n", '-', "b", NULL, "a: 1\nc: 3\n"},
    {"a: 1\nb: 2", '-', "b", NULL, "a: 1"},
    {"a: 1\r\nb: 2", '-', "b", NULL, "a: 1"},
    {"a: 1\n", '-', "b", NULL, "a: 1\n"},
    {"a:\n  b: 1\nc: 2\n", '-', "a.b", NULL, "a: {}\nc: 2\n"},
    {"a: # why\n  b: 1\nc: 2\n", '-', "a", NULL, "c: 2\n"},
    {"- a: 1\n  b: 2\n- 3\n", '-', "[0].a", NULL, "- b: 2\n- 3\n"},
    {"- a: 1\n  b: 2\n- 3\n", '-', "[0]", NULL, "- 3\n"},
    {"a:\n- 1\nb: 2\n", '-', "a[0]", NULL, "a: []\nb: 2\n"},
    {"a: {b: 1, c: 2, d: 3}\n", '-', "a.c", NULL, "a: {b: 1, d: 3}\n"},
    {"a: {b: 1, c: 2, d: 3}\n", '-', "a.d", NULL, "a: {b: 1, c: 2}\n"},
    {"a: { b: 1, }\n", '-', "a.b", NULL, "a: {}\n"},
    {"a: |\n  x\n\n\nb: 1\n", '-', "a", NULL, "\n\nb: 1\n"},
    {"a: &x\n  b: 1\nc: 2\n", '-', "a.b", NULL, "a: &x {}\nc: 2\n"},
    {"a: 1\n", '-', "a", NULL, "{}\n"},
    /* documents */
    {"kind: A\nx: 1\n---\nkind: B\nx: 1\n", '=', "B.x", "2", "kind: A\nx: 1\n---\nkind: B\nx: 2\n"},
    {"kind: A\nmetadata: {name: p}\nx: 1\n---\nkind: A\nmetadata: {name: q}\nx: 1\n", '=',
     "A[name=q].x", "2",
     "kind: A\nmetadata: {name: p}\nx: 1\n---\nkind: A\nmetadata: {name: q}\nx: 2\n"},
    {"kind: A\nx: 1\n---\nkind: A\nx: 1\n", '=', "A[1].x", "2",
     "kind: A\nx: 1\n---\nkind: A\nx: 2\n"},
    {"kind: A\n---\nkind: B\n---\nkind: C\n", '-', "B", NULL, "kind: A\n---\nkind: C\n"},
    {"kind: A\n---\nkind: B\n", '-', "B", NULL, "kind: A\n"},
    {"kind: A\n---\nkind: B\n", '-', "A", NULL, "---\nkind: B\n"},
};

static void yaml_keeps_its_text(void **state)
{
    (void)state;
    check_cases("f.yaml", yaml_cases, CF_COUNT(yaml_cases));
}

static void json_keeps_its_text(void **state)
{
    static const struct edit_case cases[] = {
        {"{\"a\":1,\"b\":2}", '=', "a", "17", "{\"a\":17,\"b\":2}"},
        {"{\"a\":1,\"b\":2}", '=', "c", "x", "{\"a\":1,\"b\":2,\"c\":\"x\"}"},
        {"{\"a\": 1}", '=', "c", "true", "{\"a\": 1, \"c\": true}"},
        {"{\n\t\"a\": 1\n}\n", '=', "c", "{d: [1, {e: null}]}",
         "{\n\t\"a\": 1,\n\t\"c\": {\n\t\t\"d\": [\n\t\t\t1,\n\t\t\t{\n\t\t\t\t\"e\": "
         "null\n\t\t\t}\n"
         "\t\t]\n\t}\n}\n"},
        {"{\n  \"a\": {},\n  \"b\": []\n}\n", '=', "a.x", "0x10",
         "{\n  \"a\": {\n    \"x\": 16\n  },\n  \"b\": []\n}\n"},
        {"{\n  \"l\": [\n    \"x\"\n  ]\n}\n", '+', "l", "y",
         "{\n  \"l\": [\n    \"x\",\n    \"y\"\n  ]\n}\n"},
        {"{\n  \"l\": [\"x\"]\n}\n", '+', "l", "y", "{\n  \"l\": [\"x\", \"y\"]\n}\n"},
        {"{\r\n  \"a\": 1\r\n}\r\n", '=', "b", "2", "{\r\n  \"a\": 1,\r\n  \"b\": 2\r\n}\r\n"},
        {"{\n  \"a\": 1,\n  \"b\": 2\n}\n", '-', "a", NULL, "{\n  \"b\": 2\n}\n"},
        {"{\n  \"a\": 1,\n  \"b\": 2\n}\n", '-', "b", NULL, "{\n  \"a\": 1\n}\n"},
        {"{\n  \"b\": 2\n}\n", '-', "b", NULL, "{}\n"},
        {"{\"a\": \"\\ud83d\\ude00\", \"b\": \"x\"}", '=', "b", "\xc3\xa4\n\"",
         "{\"a\": \"\\ud83d\\ude00\", \"b\": \"\xc3\xa4\\n\\\"\"}"},
        {"{}\n", '=', "a", "1", "{\n  \"a\": 1\n}\n"},
        {"", '=', "a", "1", "{\n  \"a\": 1\n}\n"},
        {"{\"a\": \"5\"}", '=', "a", "6", "{\"a\": \"6\"}"},
        {"{\"a\": {\"b\": 1}}", '&', "", "{\"a\": {\"b\": null, \"c\": [2]}}",
         "{\"a\": {\"c\": [2]}}"},
    };

    (void)state;
    check_cases("f.json", cases, CF_COUNT(cases));
}

static void patches_are_merged(void **state)
{
    static const struct edit_case cases[] = {
        {"a: 1 # c\nb: {x: 1}\n", '&', "", "a: 2\nb: {y: 2}\nc: [1]\n",
         "a: 2 # c\nb: {x: 1, y: 2}\nc:\n  - 1\n"},
        {"a: 1\nb: 2\n", '&', "", "b: null\n", "a: 1\n"},
        {"a: '7'\n", '&', "", "a: 8\n", "a: 8\n"},
        {"a: '7'\n", '&', "", "a: '8'\n", "a: '8'\n"},
        {"l: # c\n- name: a\n  v: 1 # one\n- name: b\n", '&', "",
         "l: [{name: a, v: 2}, {name: c}]\n",
         "l: # c\n- name: a\n  v: 2 # one\n- name: b\n- name: c\n"},
        {"l:\n- name: a\n- name: b\n", '&', "", "l: [{name: a, $patch: delete}]\n",
         "l:\n- name: b\n"},
        {"l: [1, 2, 3]\n", '&', "", "l: [1, 5]\n", "l: [1, 5]\n"},
        {"kind: A\nx: 1\n---\nkind: B\nx: 1\n", '&', "", "kind: B\nx: 2\n---\nkind: C\nx: 3\n",
         "kind: A\nx: 1\n---\nkind: B\nx: 2\n---\nkind: C\nx: 3\n"},
        {"kind: A\nx: 1\n---\nkind: B\ny: 1\n", '&', "", "y: 2\n",
         "kind: A\nx: 1\n---\nkind: B\ny: 2\n"},
        {"a: 0\nb: true\n", '&', "", "a: 0\nb: false\n", "a: 0\nb: false\n"},
        {"a: x\n", '&', "", "a: {b: null, c: 1}\n", "a:\n  c: 1\n"},
        {"", '&', "", "a: &x 1\nb: *x\nc: null\n", "a: 1\nb: 1\n"},
    };

    (void)state;
    check_cases("f.yaml", cases, CF_COUNT(cases));
}

static void what_cannot_be_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text;
        char what;
        const char *path, *value;
        int code;
        const char *why;
    } cases[] = {
        {"a: 1\nb:\n  c: 2\n", '=', "b.x.y", "1", -ENOENT, "f.yaml:3: b has no key \"x\""},
        {"a: 1\nb:\n  c: 2\n", '=', "b", "1", -EINVAL,
         "f.yaml:3: b is a map, and the new value is"},
        {"a: 1\n", '=', "a", "x", -EINVAL, "f.yaml:1: a is a number; \"x\" is a string"},
        {"a: true\n", '=', "a", "1", -EINVAL, "f.yaml:1: a is true or false; \"1\" is a number"},
        {"a: 1\n", '=', "a", "[1]", -EINVAL,
         "f.yaml:1: a is a number, and the new value is a list"},
        {"a: 1\n", '=', "a.b", "1", -EINVAL, "f.yaml:1: a is \"1\": it has nothing inside"},
        {"a: 1\na: 2\n", '=', "a", "3", -EINVAL, "f.yaml:2: key \"a\" is here a second time"},
        {"kind: A\n---\nkind: A\n", '=', "A.x", "1", -EINVAL,
         "f.yaml:3: a second document is of kind A"},
        {"kind: A\n---\nkind: B\n", '=', "x", "1", -ENOENT, "f.yaml has 2 documents"},
        {"e:\n  a.b: 1\n", '=', "e.a.b", "1", -ENOENT,
         "f.yaml:2: e has no key \"a\": a key with dots"},
        {"a: &x {b: 1}\nc: *x\n", '=', "c.b", "2", -EINVAL,
         "f.yaml:2: c is the alias *x of what stands in line 1"},
        {"a: &x 1\nc: *x\n", '-', "a", NULL, -ENOTSUP, "f.yaml:1: this is written in a form"},
        {"l: [1]\n", '=', "l[1]", "2", -ENOENT, "f.yaml:1: l has no item [1]: it has 1"},
        {"l: [1]\n", '=', "l.x", "2", -EINVAL, "f.yaml:1: l is a list, and has no key"},
        {"l: [{name: a}]\n", '=', "l[name=b].c", "2", -ENOENT,
         "f.yaml:1: l has no item whose name"},
        {"a: 1\n", '+', "a", "2", -EINVAL, "f.yaml:1: a is a number, not a list"},
        {"a: 1\n", '=', "a..b", "2", -EINVAL, "\"a..b\" is no path"},
        {"a: 1\n", '=', "a[x]", "2", -EINVAL, "\"a[x]\" is no path"},
        {"a: 1\n", '=', "", "2", -EINVAL, "\"\" is no path"},
        {"a: 1\n", '=', "a", "[1", -EINVAL, "the value:"},
        {"a: [1\n", '=', "a", "1", -EINVAL, "f.yaml:2:1: "},
        {"? a\n: 1\n", '=', "b", "1", 1, NULL},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_edit *edit autoedit = NULL;
        struct cf_error err = {0};
        int r = cf_edit_open("f.yaml", cases[i].text, strlen(cases[i].text), &edit, &err);
        if (r == 0)
            r = run(edit, cases[i].what, cases[i].path, cases[i].value, &err);
        if (r != cases[i].code ||
            (cases[i].why && strncmp(err.text, cases[i].why, strlen(cases[i].why)) != 0))
            fail_msg("case %zu: %d %s", i, r, err.text);
        if (edit && r < 0)
            assert_string_equal(cf_edit_text(edit, NULL), cases[i].text);
    }
}

static void paths_lead_back(void **state)
{
    static const char text[] = "kind: A\n\"x.y\": [1, {name: n, z: 2}]\n---\nkind: B\nq: 1\n";
    static const char *const paths[] = {"A.\"x.y\"[name=n].z", "A.\"x.y\"[0]", "B.q", "A"};
    struct cf_edit *edit autoedit = NULL;
    struct cf_error err = {0};

    (void)state;
    assert_int_equal(cf_edit_open("f", text, strlen(text), &edit, &err), 0);
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        const struct cf_edit_node *node = NULL;
        struct cf_buf path cf_autobuf = CF_BUF_INIT;
        if (cf_edit_find(edit, paths[i], &node, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(cf_edit_path(edit, node, &path), 0);
        assert_string_equal(path.data, paths[i]);
    }
    assert_string_equal(cf_edit_split("a[x=y].\"=\"=v=w"), "=v=w");
    assert_null(cf_edit_split("a[x=y]"));
}

/* ---- the kubeadm configuration of the sample rootfs: five kinds, with comments ---- */

static void count_lines(const char *patch, size_t *ret_less, size_t *ret_more)
{
    *ret_less = *ret_more = 0;
    for (const char *at = patch; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        *ret_less += *at == '-' && strncmp(at, "--- ", 4) != 0;
        *ret_more += *at == '+' && strncmp(at, "+++ ", 4) != 0;
    }
}

static const char *other_value(const struct cf_edit_node *node)
{
    switch (node->type) {
    case CF_YAML_BOOL:
        return strcmp(node->value, "true") != 0 ? "true" : "false";
    case CF_YAML_INT:
        return strcmp(node->value, "0") != 0 ? "0" : "1";
    case CF_YAML_NULL:
        return "systemd";
    default:
        return strcmp(node->value, "10.0.0.0/8") != 0 ? "10.0.0.0/8" : "x";
    }
}

static void set_one(const struct cf_buf *text, const char *path, const struct cf_edit_node *node)
{
    struct cf_edit *edit autoedit = NULL;
    struct cf_error err = {0};
    struct cf_buf patch cf_autobuf = CF_BUF_INIT;
    const struct cf_edit_node *now = NULL;
    size_t len, less, more;

    assert_int_equal(cf_edit_open("kubeadm.yml", text->data, text->len, &edit, &err), 0);
    if (run(edit, '=', path, other_value(node), &err) != 1)
        fail_msg("%s: %s", path, err.text);
    const char *after = cf_edit_text(edit, &len);
    assert_int_equal(
        cf_text_diff("kubeadm.yml", text->data, text->len, after, len, true, true, &patch), 0);
    count_lines(patch.data, &less, &more);
    if (less != 1 || more != 1)
        fail_msg("%s: not one line: %s", path, patch.data);
    if (!strcmp(node->key->value, "name")) /* its path is another now */
        return;
    assert_int_equal(cf_edit_find(edit, path, &now, &err), 0);
    assert_int_equal(now->line, node->line);
    assert_string_equal(now->value, other_value(node));
    if (node->len)
        assert_int_equal(now->style, node->style);
}

static size_t set_each(const struct cf_edit *edit, const struct cf_buf *text,
                       const struct cf_edit_node *node)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    size_t count = 0;

    for (const struct cf_edit_node *n = node->first; n; n = n->next)
        count += set_each(edit, text, n);
    if (node->kind != CF_EDIT_SCALAR || !node->key || !strcmp(node->key->value, "kind"))
        return count;
    assert_int_equal(cf_edit_path(edit, node, &path), 0);
    set_one(text, path.data, node);
    return count + 1;
}

static void each_scalar_of_kubeadm_yml_is_one_line(void **state)
{
    struct cf_edit *edit autoedit = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    size_t count = 0;

    (void)state;
    assert_int_equal(cf_read_file(AT_FDCWD, "tests/demo/rootfs/etc/kubeadm.yml", 1 << 20, &text),
                     0);
    assert_int_equal(cf_edit_open("kubeadm.yml", text.data, text.len, &edit, &err), 0);
    assert_int_equal(cf_edit_count(edit), 5);
    for (size_t i = 0; i < 5; i++)
        count += set_each(edit, &text, cf_edit_document(edit, i));
    assert_true(count > 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_keeps_its_text),
        cmocka_unit_test(json_keeps_its_text),
        cmocka_unit_test(patches_are_merged),
        cmocka_unit_test(what_cannot_be_is_told_with_its_line),
        cmocka_unit_test(paths_lead_back),
        cmocka_unit_test(each_scalar_of_kubeadm_yml_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
