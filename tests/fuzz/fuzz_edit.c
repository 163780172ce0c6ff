/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text is read or refused; each setting that is found can be looked up by its path, set, added
 * to and deleted, or is refused with the text as it was. What was changed once stays so.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/edit.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

struct taken {
    struct cf_buf path;
    bool is_scalar;
};

/* The n-th node below, counted down in *n. */
static const struct cf_edit_node *nth(const struct cf_edit_node *node, size_t *n)
{
    if ((*n)-- == 0)
        return node;
    for (const struct cf_edit_node *child = node->first; child; child = child->next) {
        const struct cf_edit_node *found = nth(child, n);
        if (found)
            return found;
    }
    return NULL;
}

static void check_spans(const struct cf_edit *edit, const struct cf_edit_node *node, size_t len)
{
    must(node->start <= node->content && node->content <= node->end && node->end <= len);
    for (const struct cf_edit_node *child = node->first; child; child = child->next) {
        must(child->parent == node && (!child->key || node->kind == CF_EDIT_MAP));
        check_spans(edit, child, len);
    }
}

/* One operation at the path; twice, and the second time nothing changes. */
static void change(const uint8_t *data, size_t len, const char *path, unsigned what)
{
    static const char *const values[] = {"7", "x y: z #", "true", "{a: [1, 'b'], c: {}}", "[]", ""};
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *value cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_error err = {0};
    size_t after;

    must(cf_edit_open("f", data, len, &edit, &err) == 0);
    must(cf_edit_open_argument(values[what / 3 % CF_COUNT(values)], what & 1, &value, &err) == 0);
    const struct cf_edit_node *root = cf_edit_document(value, 0);
    int r = what % 3 == 0   ? cf_edit_set(edit, path, root, &err)
            : what % 3 == 1 ? cf_edit_append(edit, path, root, &err)
                            : cf_edit_delete(edit, path, &err);
    must(r >= 0 || (err.text[0] && !strchr(err.text, '\n')));
    const char *text = cf_edit_text(edit, &after);
    if (r == 0)
        must(after == len && memcmp(text, data, len) == 0);
    if (r > 0 && what % 3 == 0)
        must(cf_edit_set(edit, path, root, &err) <= 0); /* it may have been the name of the path */
    struct cf_edit *again cf_cleanup(cf_edit_close_ptr) = NULL;
    if (r > 0)
        must(cf_edit_open("f", cf_edit_text(edit, NULL), after, &again, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_error err = {0};
    size_t seed = len;

    if (len > 4096 || cf_edit_open("f", data, len, &edit, &err) < 0) {
        must(len > 4096 || err.text[0]);
        return 0;
    }
    for (size_t i = 0; i < len; i++)
        seed = seed * 31 + data[i];
    for (size_t i = 0; i < cf_edit_count(edit); i++)
        check_spans(edit, cf_edit_document(edit, i), len);
    for (size_t i = 0; i < 4 && cf_edit_count(edit); i++) {
        struct cf_buf path cf_autobuf = CF_BUF_INIT;
        size_t n = seed >> (4 * i) & 15;
        const struct cf_edit_node *node =
            nth(cf_edit_document(edit, seed % cf_edit_count(edit)), &n);
        if (!node)
            continue;
        must(cf_edit_path(edit, node, &path) == 0);
        change(data, len, path.data, (unsigned)(seed >> 7) + (unsigned)i);
    }
    return 0;
}
