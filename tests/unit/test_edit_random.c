/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random YAML and JSON, changed at random. A plain model of values (made beside the text, and read
 * back from it by the event reader alone) says what each change must give; all bytes outside of
 * what changed must be those of before. EDIT_SEED and EDIT_ROUNDS choose the run.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/edit.h>

#define autoedit cf_cleanup(cf_edit_close_ptr)

/* ---- the model ---- */

struct value {
    enum { TEXT, NUMBER, TRUTH, NOTHING, MAP, LIST } kind;
    char *text; /* of scalars */
    char **keys;
    struct value **items;
    size_t count;
};

static uint64_t state_now;
static unsigned chance(unsigned n)
{
    state_now = state_now * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state_now >> 33) % n;
}

static void *checked(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static struct value *new_value(int kind, const char *text)
{
    struct value *value = checked(calloc(1, sizeof(*value)));
    value->kind = kind;
    value->text = text ? checked(strdup(text)) : NULL;
    return value;
}

static void free_value(struct value *value)
{
    for (size_t i = 0; i < value->count; i++) {
        if (value->keys)
            free(value->keys[i]);
        free_value(value->items[i]);
    }
    free(value->keys);
    free(value->items);
    free(value->text);
    free(value);
}

static void add(struct value *to, const char *key, struct value *item)
{
    to->items = checked(reallocarray(to->items, to->count + 1, sizeof(*to->items)));
    if (to->kind == MAP) {
        to->keys = checked(reallocarray(to->keys, to->count + 1, sizeof(*to->keys)));
        to->keys[to->count] = checked(strdup(key));
    }
    to->items[to->count++] = item;
}

static void drop(struct value *from, size_t index)
{
    free_value(from->items[index]);
    if (from->keys)
        free(from->keys[index]);
    for (size_t i = index; i + 1 < from->count; i++) {
        from->items[i] = from->items[i + 1];
        if (from->keys)
            from->keys[i] = from->keys[i + 1];
    }
    from->count--;
}

/* As one text, for comparing. */
static void show(const struct value *value, struct cf_buf *out)
{
    static const char marks[] = "snt0";
    if (value->kind < MAP) {
        assert_int_equal(cf_buf_printf(out, "%c<%s>", marks[value->kind],
                                       value->kind == NOTHING ? "" : value->text),
                         0);
        return;
    }
    (void)cf_buf_add_char(out, value->kind == MAP ? '{' : '[');
    for (size_t i = 0; i < value->count; i++) {
        if (value->kind == MAP)
            (void)cf_buf_printf(out, "%s=", value->keys[i]);
        show(value->items[i], out);
    }
    (void)cf_buf_add_char(out, value->kind == MAP ? '}' : ']');
}

/* ---- a plain reading of the text, by events alone ---- */

static void read_value(struct cf_yaml *yaml, const struct cf_yaml_event *event, struct cf_buf *out)
{
    struct cf_yaml_event next;
    struct cf_yaml_plain plain = {0};
    bool map = event->kind == CF_YAML_MAP;
    if (event->kind == CF_YAML_SCALAR) {
        if (event->style == CF_YAML_PLAIN)
            cf_yaml_resolve(event->value, event->len, &plain);
        assert_int_equal(cf_buf_printf(out, "%c<%s>",
                                       plain.type == CF_YAML_STRING ? 's'
                                       : plain.type == CF_YAML_NULL ? '0'
                                       : plain.type == CF_YAML_BOOL ? 't'
                                                                    : 'n',
                                       plain.type == CF_YAML_NULL ? "" : event->value),
                         0);
        return;
    }
    (void)cf_buf_add_char(out, map ? '{' : '[');
    for (bool key = map;; key = map && !key) {
        assert_int_equal(cf_yaml_next(yaml, &next, NULL), 1);
        if (next.kind == CF_YAML_MAP_END || next.kind == CF_YAML_SEQUENCE_END)
            break;
        if (key)
            assert_int_equal(cf_buf_printf(out, "%s=", next.value), 0);
        else
            read_value(yaml, &next, out);
    }
    (void)cf_buf_add_char(out, map ? '}' : ']');
}

static void read_text(const char *text, size_t len, struct cf_buf *out)
{
    struct cf_yaml_options options = {.data = text, .len = len};
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct cf_yaml_event event;
    struct cf_error err = {0};
    assert_int_equal(cf_yaml_open(&options, &yaml, &err), 0);
    int r;
    while ((r = cf_yaml_next(yaml, &event, &err)) > 0)
        if (event.kind != CF_YAML_DOCUMENT && event.kind != CF_YAML_DOCUMENT_END)
            read_value(yaml, &event, out);
    if (r < 0)
        fail_msg("%s\n%s", err.text, text);
}

/* ---- random values, written at random ---- */

static const char *const texts[] = {"plain",
                                    "two words",
                                    "it's",
                                    "a: b",
                                    "x #y",
                                    "10",
                                    "true",
                                    "",
                                    "\xc3\xa4\xe2\x82\xac",
                                    "line one\nline two\n",
                                    "a\nb",
                                    "- x",
                                    "[z]",
                                    "\ttab",
                                    "end ",
                                    "null",
                                    "*no",
                                    "0x1f",
                                    "a,b",
                                    "{"};
static const char *const numbers[] = {"0", "1", "-5", "110", "2.5", "1e3"};

static struct value *random_value(unsigned depth)
{
    unsigned what = chance(depth ? 8 : 5);
    if (what < 3)
        return new_value(TEXT, texts[chance(CF_COUNT(texts))]);
    if (what == 3)
        return new_value(NUMBER, numbers[chance(CF_COUNT(numbers))]);
    if (what == 4)
        return chance(3) ? new_value(TRUTH, chance(2) ? "true" : "false") : new_value(NOTHING, "");
    struct value *value = new_value(what < 7 ? MAP : LIST, NULL);
    for (unsigned i = 0, n = chance(4) + (chance(5) != 0); i < n; i++) {
        char key[16];
        snprintf(key, sizeof(key), chance(6) ? "k%u" : "k.%u", i);
        add(value, key, random_value(depth - 1));
    }
    return value;
}

static void quote(struct cf_buf *out, const char *text)
{
    (void)cf_buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '\n' || *text == '\t')
            (void)cf_buf_printf(out, "\\%c", *text == '\n' ? 'n' : 't');
        else
            (void)cf_buf_printf(out, "%s%c", strchr("\"\\", *text) ? "\\" : "", *text);
    }
    (void)cf_buf_add_char(out, '"');
}

static void put_flow(struct cf_buf *out, const struct value *value, bool json)
{
    static const char *const gaps[] = {" ", "  ", " "};
    if (value->kind == TEXT)
        quote(out, value->text);
    else if (value->kind < MAP)
        (void)cf_buf_add_str(out, value->kind == NOTHING ? "null" : value->text);
    if (value->kind < MAP)
        return;
    (void)cf_buf_add_char(out, value->kind == MAP ? '{' : '[');
    for (size_t i = 0; i < value->count; i++) {
        if (chance(4) == 0)
            (void)cf_buf_add_str(out, json && chance(2) ? "\n\t" : " ");
        if (value->kind == MAP && (json || chance(2)))
            (void)cf_buf_printf(out, "\"%s\":%s", value->keys[i], gaps[chance(3)]);
        else if (value->kind == MAP)
            (void)cf_buf_printf(out, "%s: ", value->keys[i]);
        put_flow(out, value->items[i], json);
        if (i + 1 < value->count)
            (void)cf_buf_printf(out, ",%s", chance(2) ? " " : "");
    }
    (void)cf_buf_add_char(out, value->kind == MAP ? '}' : ']');
}

static const char *eol;
static unsigned step, dash;

static void pad(struct cf_buf *out, unsigned indent)
{
    (void)cf_buf_printf(out, "%*s", (int)indent, "");
}

static void put_lines(struct cf_buf *out, const char *text, unsigned indent)
{
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, "\n");
        (void)cf_buf_add_str(out, eol);
        pad(out, indent);
        (void)cf_buf_add(out, at, len);
        at += len + (at[len] == '\n');
    }
}

static bool is_plain(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz ") == strlen(text) &&
           strcmp(text, "true") != 0 && strcmp(text, "null") != 0 && text[strlen(text) - 1] != ' ';
}

static void put_comment(struct cf_buf *out)
{
    if (chance(6) == 0)
        (void)cf_buf_add_str(out, " # why: not");
}

static void put_block(struct cf_buf *out, const struct value *value, unsigned indent);

/* Behind "key:" or "-", to the end of the line. */
static void put_behind(struct cf_buf *out, const struct value *value, unsigned indent, bool item)
{
    if (value->kind >= MAP && value->count && chance(4)) {
        unsigned deeper = indent + (item ? 2 : value->kind == LIST ? dash : step);
        if (item) {
            (void)cf_buf_add_char(out, ' ');
        } else {
            put_comment(out);
            (void)cf_buf_add_str(out, eol);
            pad(out, deeper);
        }
        put_block(out, value, deeper);
        return;
    }
    if (value->kind == NOTHING && chance(2))
        return;
    (void)cf_buf_add_char(out, ' ');
    if (value->kind == TEXT && strchr(value->text, '\n') && chance(3)) {
        bool ends = value->text[strlen(value->text) - 1] == '\n';
        (void)cf_buf_add_str(out, ends ? "|" : "|-");
        put_lines(out, value->text, indent + 1 + chance(3));
        return;
    }
    if (value->kind == TEXT && is_plain(value->text) && chance(3))
        (void)cf_buf_add_str(out, value->text);
    else if (value->kind == TEXT && !strpbrk(value->text, "'\n\t") && chance(2))
        (void)cf_buf_printf(out, "'%s'", value->text);
    else
        put_flow(out, value, false);
    put_comment(out);
}

static void put_block(struct cf_buf *out, const struct value *value, unsigned indent)
{
    for (size_t i = 0; i < value->count; i++) {
        if (i) {
            (void)cf_buf_add_str(out, eol);
            if (chance(8) == 0)
                (void)cf_buf_printf(out, "%*s# a: comment%s", (int)chance(indent + 1), "", eol);
            if (chance(8) == 0)
                (void)cf_buf_add_str(out, eol);
            pad(out, indent);
        }
        if (value->kind == MAP)
            (void)cf_buf_printf(out, chance(5) ? "%s:" : "\"%s\":", value->keys[i]);
        else
            (void)cf_buf_add_char(out, '-');
        put_behind(out, value->items[i], indent, value->kind == LIST);
    }
}

/* ---- one round ---- */

/* A random place: its path, what holds it, and its index there. */
struct spot {
    struct cf_buf path;
    struct value *holder;
    size_t index;
};

static bool pick(struct value *root, struct spot *spot)
{
    struct value *at = root;
    for (;;) {
        if (!at->count)
            return false;
        size_t i = chance((unsigned)at->count);
        if (at->kind == MAP)
            (void)cf_buf_printf(&spot->path, "%s\"%s\"", spot->path.len ? "." : "", at->keys[i]);
        else
            (void)cf_buf_printf(&spot->path, "[%zu]", i);
        spot->holder = at;
        spot->index = i;
        if (at->items[i]->kind < MAP || !at->items[i]->count || chance(3) == 0)
            return true;
        at = at->items[i];
    }
}

/* The text before a change, and which bytes of it the change may touch. */
struct before {
    char *text;
    size_t len, from, to;
};

static size_t line_end(const char *text, size_t len, size_t at)
{
    const char *stop = memchr(text + at, '\n', len - at);
    return stop ? (size_t)(stop - text) + 1 : len;
}

/* The value and what lies between it and its key; of a collection, to the end of its last line. */
static void may_touch(struct before *before, const struct cf_edit_node *node)
{
    before->from = node->key ? node->key->end : node->start;
    before->to =
        node->kind == CF_EDIT_SCALAR ? node->end : line_end(before->text, before->len, node->end);
}

/* Its lines and the break before them, or its comma; the last child leaves {} in the parent's
 * place; the next child may take its place behind a dash. */
static void may_remove(struct before *before, const struct cf_edit_node *node)
{
    const struct cf_edit_node *parent = node->parent;
    size_t start = node->key ? node->key->start : node->start;

    before->from = start;
    while (before->from > 0 && before->text[before->from - 1] != '\n')
        before->from--;
    before->from -= before->from > 1 ? 2 : 0;
    before->to = line_end(before->text, before->len, node->end);
    size_t next = !node->next ? 0 : node->next->key ? node->next->key->start : node->next->start;
    before->to = next > before->to ? next : before->to;
    if (parent->style == CF_YAML_FLOW || parent->count == 1) {
        before->from = parent->key ? parent->key->end : parent->start;
        while (parent->count == 1 && !parent->key && before->from > 0 &&
               before->text[before->from - 1] != '-')
            before->from--;
        before->to = line_end(before->text, before->len, parent->end);
    }
}

static void check_outside(const struct cf_edit *edit, const struct before *before)
{
    size_t len, same = 0, behind = 0;
    const char *after = cf_edit_text(edit, &len);

    while (same < before->len && same < len && before->text[same] == after[same])
        same++;
    while (behind < before->len && behind < len &&
           before->text[before->len - 1 - behind] == after[len - 1 - behind])
        behind++;
    if (same < before->from || before->len - behind > before->to)
        fail_msg("bytes outside of %zu..%zu changed: %zu, %zu\n%s\n=>\n%s", before->from,
                 before->to, same, before->len - behind, before->text, after);
}

static void check_model(const struct cf_edit *edit, const struct value *root, const char *what,
                        const char *path, const char *before)
{
    struct cf_buf is cf_autobuf = CF_BUF_INIT, should cf_autobuf = CF_BUF_INIT;
    size_t len;
    const char *text = cf_edit_text(edit, &len);

    show(root, &should);
    read_text(text, len, &is);
    if (strcmp(is.data, should.data) != 0)
        fail_msg("%s %s of\n%s\ngave\n%s\nwhich is     %s\nand not      %s", what, path, before,
                 text, is.data, should.data);
}

static struct cf_edit *as_edit(const struct value *value)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_edit *edit = NULL;
    struct cf_error err = {0};

    put_flow(&text, value, true);
    if (cf_edit_open_value("value", text.data, text.len, &edit, &err) < 0)
        fail_msg("%s: %s", err.text, text.data);
    return edit;
}

/* A scalar over a scalar: values in quotes go over all, others over their own kind and strings. */
static bool set_scalar(struct cf_edit *edit, struct spot *spot, const char *before)
{
    struct value *old = spot->holder->items[spot->index], *fresh = random_value(0);
    struct cf_edit *value autoedit = as_edit(fresh);
    struct cf_error err = {0};
    bool fits = fresh->kind == TEXT || fresh->kind == NOTHING || fresh->kind == old->kind ||
                old->kind == NOTHING || old->kind == TEXT;
    int r = cf_edit_set(edit, spot->path.data, cf_edit_document(value, 0), &err);

    if ((r >= 0) != fits)
        fail_msg("set %s: %d %s\n%s", spot->path.data, r, err.text, before);
    if (r < 0) {
        free_value(fresh);
        return false;
    }
    if (old->kind == TEXT && fresh->kind < NOTHING)
        fresh->kind = TEXT; /* it stays a string */
    spot->holder->items[spot->index] = fresh;
    free_value(old);
    return true;
}

static void append_item(struct cf_edit *edit, struct spot *spot, const char *before)
{
    struct value *list = spot->holder->items[spot->index], *fresh = random_value(2);
    struct cf_edit *value autoedit = as_edit(fresh);
    struct cf_error err = {0};
    int r = cf_edit_append(edit, spot->path.data, cf_edit_document(value, 0), &err);

    if (r < 0)
        fail_msg("append %s: %s\n%s", spot->path.data, err.text, before);
    if (r == 1)
        add(list, NULL, fresh);
    else
        free_value(fresh);
}

static void add_key(struct cf_edit *edit, struct spot *spot, const char *before)
{
    struct value *map = spot->holder->items[spot->index], *fresh = random_value(2);
    struct cf_edit *value autoedit = as_edit(fresh);
    struct cf_error err = {0};
    char key[16];

    snprintf(key, sizeof(key), "n%zu", map->count + 100 * chance(100));
    for (size_t i = 0; i < map->count; i++)
        if (!strcmp(map->keys[i], key))
            key[0] = 'm';
    assert_int_equal(cf_buf_printf(&spot->path, ".%s", key), 0);
    if (cf_edit_set(edit, spot->path.data, cf_edit_document(value, 0), &err) != 1)
        fail_msg("new %s: %s\n%s", spot->path.data, err.text, before);
    add(map, key, fresh);
}

static void change_one(struct cf_edit *edit, struct value *root)
{
    struct spot spot = {0};
    struct cf_error err = {0};
    struct before before = {0};
    const struct cf_edit_node *node;
    const char *text = cf_edit_text(edit, &before.len);

    if (!pick(root, &spot)) {
        cf_buf_done(&spot.path);
        return;
    }
    struct value *old = spot.holder->items[spot.index];
    before.text = checked(strdup(text));
    if (cf_edit_find(edit, spot.path.data, &node, &err) < 0)
        fail_msg("%s\n%s", err.text, text);
    if (chance(4) == 0) {
        may_remove(&before, node);
        if (cf_edit_delete(edit, spot.path.data, &err) != 1)
            fail_msg("delete %s: %s\n%s", spot.path.data, err.text, before.text);
        drop(spot.holder, spot.index);
    } else {
        may_touch(&before, node);
        if (old->kind < MAP)
            (void)set_scalar(edit, &spot, before.text);
        else if (old->kind == LIST)
            append_item(edit, &spot, before.text);
        else
            add_key(edit, &spot, before.text);
    }
    check_model(edit, root, "a change", spot.path.data, before.text);
    check_outside(edit, &before);
    free(before.text);
    cf_buf_done(&spot.path);
}

static bool reads_as(const struct cf_buf *text, const struct value *root)
{
    struct cf_buf is cf_autobuf = CF_BUF_INIT, should cf_autobuf = CF_BUF_INIT;

    read_text(text->data, text->len, &is);
    show(root, &should);
    return !strcmp(is.data, should.data);
}

static void one_round(uint64_t seed, bool json)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_edit *edit autoedit = NULL;
    struct cf_error err = {0};

    state_now = seed * 2654435761u + 12345;
    (void)chance(2);
    eol = chance(5) ? "\n" : "\r\n";
    step = 2 + 2 * chance(2);
    dash = chance(2) ? 2 : 0;
    struct value *root = new_value(MAP, NULL);
    while (root->count < 3) {
        char key[16];
        snprintf(key, sizeof(key), "r%zu", root->count);
        add(root, key, random_value(4));
    }
    if (json)
        put_flow(&text, root, true);
    else
        put_block(&text, root, 0);
    if (chance(4) || !reads_as(&text, root)) /* a block scalar at the end needs it */
        (void)cf_buf_add_str(&text, eol);
    if (cf_edit_open(json ? "f.json" : "f.yaml", text.data, text.len, &edit, &err) < 0)
        fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, err.text, text.data);
    check_model(edit, root, "reading", "", text.data);
    for (int i = 0; i < 12; i++)
        change_one(edit, root);
    free_value(root);
}

static void many_rounds(bool json)
{
    const char *seed = getenv("EDIT_SEED"), *rounds = getenv("EDIT_ROUNDS");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;

    for (uint64_t i = 0; i < (rounds ? strtoull(rounds, NULL, 10) : 400); i++) {
        if (rounds)
            fprintf(stderr, "seed %llu\n", (unsigned long long)(first + i));
        one_round(first + i, json);
    }
}

static void random_yaml_keeps_what_does_not_change(void **state)
{
    (void)state;
    many_rounds(false);
}

static void random_json_keeps_what_does_not_change(void **state)
{
    (void)state;
    many_rounds(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_yaml_keeps_what_does_not_change),
        cmocka_unit_test(random_json_keeps_what_does_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
