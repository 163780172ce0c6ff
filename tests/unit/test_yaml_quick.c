/* SPDX-License-Identifier: Apache-2.0 */
/* The quick reader beside libyaml, which reads alone what comes from a source: the same events. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>
#include <cloudfs/yaml.h>

#include "quick.h"

#define autoyaml cf_cleanup(cf_yaml_close_ptr)

struct bytes {
    const char *data;
    size_t len;
};

static ssize_t read_bytes(void *context, void *data, size_t len, struct cf_error *err)
{
    struct bytes *bytes = context;
    size_t n = bytes->len < len ? bytes->len : len;

    (void)err;
    memcpy(data, bytes->data, n);
    bytes->data += n;
    bytes->len -= n;
    return (ssize_t)n;
}

static bool same_mark(const struct cf_yaml_mark *a, const struct cf_yaml_mark *b)
{
    return a->offset == b->offset && a->line == b->line && a->column == b->column;
}

static bool same_event(const struct cf_yaml_event *a, const struct cf_yaml_event *b)
{
    bool styled =
        a->kind == CF_YAML_SCALAR || a->kind == CF_YAML_MAP || a->kind == CF_YAML_SEQUENCE;

    return a->kind == b->kind && a->explicit == b->explicit && (!styled || a->style == b->style) &&
           same_mark(&a->start, &b->start) && same_mark(&a->end, &b->end) && a->len == b->len &&
           (a->kind != CF_YAML_SCALAR || !memcmp(a->value, b->value, a->len));
}

/* Where both fail, the quick one may have told more before. */
static void compare(const char *name, const char *text, size_t len)
{
    struct cf_yaml *quick autoyaml = NULL, *slow autoyaml = NULL;
    struct bytes bytes = {text, len};
    struct cf_yaml_options at_hand = {.data = text, .len = len};
    struct cf_yaml_options source = {.source = read_bytes, .source_context = &bytes};
    struct cf_yaml_event a = {0}, b = {0};
    struct cf_error err_a = {0}, err_b = {0};
    int r = 1;

    assert_int_equal(cf_yaml_open(&at_hand, &quick, NULL), 0);
    assert_int_equal(cf_yaml_open(&source, &slow, NULL), 0);
    while (r > 0 && (r = cf_yaml_next(slow, &b, &err_b)) >= 0) {
        int again = cf_yaml_next(quick, &a, &err_a);
        if (again != r || (r > 0 && !same_event(&a, &b)))
            fail_msg("%s: %d, not %d; kind %d, line %zu, and not kind %d, line %zu of\n%.*s", name,
                     again, r, a.kind, a.start.line, b.kind, b.start.line, (int)len, text);
    }
    while (r < 0 && (r = cf_yaml_next(quick, &a, &err_a)) > 0)
        r = -1;
    if (r == 0 && err_b.code < 0)
        fail_msg("%s: read well, but %s in\n%.*s", name, err_b.text, (int)len, text);
    assert_string_equal(err_a.text, err_b.text);
}

static void odd_texts_are_the_same(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n  # only\n",
        "a",
        "a: b",
        "a: b\n  ",
        "a:\n  b: c\n     ",
        "a:\n- x\n-\n- - y\n  - z: 1\n    w:\n    - {}\n    - []\nb:\n",
        "a:\n  - x\n  -\n  -  \n  - # c\n   y\nb: # c\n  c\n",
        "a: b\n  c\n\n  d # x\n  # y\ne: |+\n   x\n\n     y\n\n\nf: >-\n  a\n  b\n\n   c\n  d\n",
        "a: >\n  x\n   y\n  z\n\n\n  w\nb: |-\n  x\n \nc: |\n\n\nd: |2\n   x\n",
        "a: |\n    \n  x\nb: c\n",
        "a: |\n x\n\ty\n",
        "a: |  # c\n  x\n   # no comment\n # comment\nb: >\n\n  y",
        "a:\n|\n x\nb: c\n",
        "- |\n x\n-\n  |\n  y\n- >-\n z\n",
        "a: 'it''s' # c\nb: \"a\\n\\\"b\\\\\\/\"\n\"c\" : d\n'e': f\ng : h\n",
        "a: \"x\n  y\"\nb: 'x\n\n  y'\n",
        "a: \"\\x41\\u00e9\"\n",
        "a: [a, \"b\", {c: d, \"e\":\"f\"}, [ ]] # x\nb: { }\nc: {a: [1]}\n",
        "a: [b: c]\nd: {e, f: g}\nh: [i,]\n",
        "a: [{b: c}: d]\n",
        "a: [[b]: c, d]\n",
        "a: [b, {c: d}:e, f]\n",
        "a: [{b: \"}\"} : c]\n",
        "a: {b: [c], d: {e: [f]}, g: [{h: [i]}, {}]}\n",
        "a: {b: [c]: d}\n",
        "a: [b,\n  c]\n",
        "{a: b}: c\n",
        "- {a: b} : c\n- [d]: e\n",
        "a: b: c\n",
        "a: -\n",
        "a: - b\n",
        "a: -b\nc: --x=y\nd: http://e:1/f#g\n",
        "a:\tb\n",
        "a: b\t# c\n\td: e\n",
        "\ta: b\n",
        "a: b\r\nc: d\r\n",
        "a: &x 1\nb: *x\nc: !!str d\n",
        "? a\n: b\n",
        "%YAML 1.1\n---\na: b\n",
        "--- # c\na: b\n---\n---\nx\n--- \n# only\n",
        "--- a\n--- |\n x\n",
        "a: b\n...\nc: d\n",
        "a\n...\n",
        "\xc3\xa4: \xc3\xbc\nb: \"\xc3\xb6\" # \xc3\xa9\nc: |\n  \xe6\x97\xa5\n  x\nd:\n - "
        "\xc3\xa9\n",
        "a: \xc2\x85 b\nc: \xe2\x80\xa8 d\n",
        "a: \xff\n",
        "a: b\x01\n",
        "a: b\nc\n",
        "a:\n  b: c\n d: e\n",
        " a: b\n  c: d\n",
        "a: b\n c: d\n",
        "- a\nb: c\n",
        "a: @b\n",
        "a: `b\n",
        "a: ,b\n",
        "a: b # c: d\n#e: f\ng#h: i#j\n",
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(texts); i++) {
        char name[32];
        snprintf(name, sizeof(name), "text %zu", i);
        compare(name, texts[i], strlen(texts[i]));
    }
}

static unsigned next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33);
}

/* Lines that are near to what manifests are, and now and then to nothing. */
static void generate(uint64_t seed, struct cf_buf *out)
{
    static const char *const pieces[] = {
        "- ",
        "a: ",
        "b:",
        "key: v",
        "image: a/b:1",
        "|",
        ">-",
        "|+",
        "text",
        "# c",
        " # c",
        "'q'",
        "\"d\\n\"",
        "\"k\": ",
        "[a]",
        "{a: b}",
        "[a, b]",
        "{}",
        "x y",
        "-",
        ": ",
        "---",
        "...",
        "&a ",
        "*a",
        "\"open",
        "k: [a, {b: c}]",
        "- - ",
        "- k: w",
        "\t",
        "'",
        "\xc3\xa4",
    };
    unsigned lines = 1 + next_random(&seed) % 10;

    cf_buf_clear(out);
    for (unsigned i = 0; i < lines; i++) {
        unsigned indent = next_random(&seed) % 8, count = 1 + next_random(&seed) % 2;
        for (unsigned k = 0; k < (indent > 5 ? 0 : indent); k++)
            assert_int_equal(cf_buf_add_char(out, ' '), 0);
        for (unsigned k = 0; k < count; k++) { /* the first ones are more likely */
            unsigned at = next_random(&seed) % CF_COUNT(pieces);
            at = next_random(&seed) % 4 ? at % 23 : at;
            assert_int_equal(cf_buf_add_str(out, pieces[at]), 0);
        }
        if (i + 1 < lines || next_random(&seed) % 4)
            assert_int_equal(cf_buf_add_char(out, '\n'), 0);
    }
}

static void generated_texts_are_the_same(void **state)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char name[32];

    (void)state;
    for (uint64_t seed = 0; seed < 60000; seed++) {
        generate(seed, &text);
        snprintf(name, sizeof(name), "seed %llu", (unsigned long long)seed);
        compare(name, text.data, text.len);
    }
}

static int compare_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    (void)st;
    (void)ftw;
    if (type != FTW_F || (!strstr(path, ".y") && !strstr(path, ".json")))
        return 0;
    int fd cf_autoclose = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && cf_read_fd(fd, 64u << 20, &text) >= 0);
    compare(path, text.data ? text.data : "", text.len);
    return 0;
}

static void real_manifests_are_the_same(void **state)
{
    const char *shared = getenv("CLOUDFS_SHARED");
    char path[4096];

    (void)state;
    snprintf(path, sizeof(path), "%s/corpus", shared ? shared : "../shared");
    if (nftw(path, compare_file, 16, FTW_PHYS) < 0) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
}

static void what_manifests_are_made_of_is_quick(void **state)
{
    static const char text[] =
        "# a\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {}}\nspec:\n"
        "  template:\n    spec:\n      containers:\n      - name: a\n        image: \"a/b:1\" # c\n"
        "        args: [\"--x\", '--y=z']\n        command:\n        - sh\n        - -c\n"
        "        - |\n          a: |\n          b\n\n        - >-\n          folded\n"
        "        env:\n        - {name: A, value: '1'}\n        - name: B\n          value:\n"
        "        - name: C\n          value: of\n            lines\n---\n- 1\n-\n  - 2\n- - 3\n";
    struct quick quick;
    struct cf_yaml_event event;
    int r;

    (void)state;
    assert_true(cf_quick_init(&quick, text, sizeof(text) - 1, 0, 1));
    while ((r = cf_quick_next(&quick, &event)) > 0)
        continue;
    assert_int_equal(r, 0);
    assert_int_equal(quick.line, 34);
    cf_quick_done(&quick);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_texts_are_the_same),
        cmocka_unit_test(generated_texts_are_the_same),
        cmocka_unit_test(real_manifests_are_the_same),
        cmocka_unit_test(what_manifests_are_made_of_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
