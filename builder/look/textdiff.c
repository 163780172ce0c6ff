/* SPDX-License-Identifier: Apache-2.0 */
/* Unified diffs. Source of the format: GNU diffutils manual, "Detailed Unified". */
#include <cloudfs/look.h>

#include <stdbool.h>
#include <string.h>

#include "lines.h"

#define CONTEXT 3
#define BINARY_LOOK (8u << 10)

bool cf_text_is_binary(const char *text, size_t len)
{
    return len > 0 && memchr(text, '\0', len < BINARY_LOOK ? len : BINARY_LOOK) != NULL;
}

static int put_line(struct cf_buf *buf, char mark, const struct line *line)
{
    int r = cf_buf_add_char(buf, mark);

    if (r == 0)
        r = cf_buf_add(buf, line->text, line->len);
    if (r == 0 && (line->len == 0 || line->text[line->len - 1] != '\n'))
        r = cf_buf_add_str(buf, "\n\\ No newline at end of file\n");
    return r;
}

/* Part of a hunk's head: "12,3"; an empty side is told by the line before it. */
static int put_extent(struct cf_buf *buf, char mark, size_t from, size_t count)
{
    if (count == 1)
        return cf_buf_printf(buf, "%c%zu", mark, from + 1);
    return cf_buf_printf(buf, "%c%zu,%zu", mark, count ? from + 1 : from, count);
}

struct hunk {
    size_t a_from, a_to, b_from, b_to;
};

static int put_hunk(struct cf_buf *buf, const struct lines *a, const struct lines *b,
                    const struct hunk *hunk)
{
    size_t i = hunk->a_from, k = hunk->b_from;
    int r = cf_buf_add_str(buf, "@@ ");

    if (r == 0)
        r = put_extent(buf, '-', hunk->a_from, hunk->a_to - hunk->a_from);
    if (r == 0)
        r = cf_buf_add_char(buf, ' ');
    if (r == 0)
        r = put_extent(buf, '+', hunk->b_from, hunk->b_to - hunk->b_from);
    if (r == 0)
        r = cf_buf_add_str(buf, " @@\n");
    while (r == 0 && (i < hunk->a_to || k < hunk->b_to)) {
        if (i < hunk->a_to && a->changed[i]) {
            r = put_line(buf, '-', &a->list[i++]);
        } else if (k < hunk->b_to && b->changed[k]) {
            r = put_line(buf, '+', &b->list[k++]);
        } else {
            r = put_line(buf, ' ', &a->list[i++]);
            k++;
        }
    }
    return r;
}

/* Moves *i and *k over the lines that both have; returns how many. */
static size_t skip_same(const struct lines *a, const struct lines *b, size_t *i, size_t *k)
{
    size_t count = 0;

    while (*i < a->count && *k < b->count && !a->changed[*i] && !b->changed[*k]) {
        (*i)++;
        (*k)++;
        count++;
    }
    return count;
}

static void skip_changed(const struct lines *a, const struct lines *b, size_t *i, size_t *k)
{
    while (*i < a->count && a->changed[*i])
        (*i)++;
    while (*k < b->count && b->changed[*k])
        (*k)++;
}

/* The next hunk from *i, *k on, which move behind its changes; false: there is none. */
static bool next_hunk(const struct lines *a, const struct lines *b, size_t *i, size_t *k,
                      struct hunk *ret_hunk)
{
    size_t before = skip_same(a, b, i, k);
    if (*i == a->count && *k == b->count)
        return false;
    size_t context = before < CONTEXT ? before : CONTEXT;
    ret_hunk->a_from = *i - context;
    ret_hunk->b_from = *k - context;
    for (;;) {
        skip_changed(a, b, i, k);
        size_t a_end = *i, b_end = *k;
        size_t same = skip_same(a, b, i, k);
        bool over = *i == a->count && *k == b->count;
        if (over || same > 2 * CONTEXT) {
            size_t after = same < CONTEXT ? same : CONTEXT;
            ret_hunk->a_to = a_end + after;
            ret_hunk->b_to = b_end + after;
            *i = a_end;
            *k = b_end;
            if (over) { /* nothing follows */
                *i = a->count;
                *k = b->count;
            }
            return true;
        }
    }
}

static int put_head(const char *path, bool old_exists, bool new_exists, struct cf_buf *buf)
{
    int r = old_exists ? cf_buf_printf(buf, "--- a/%s\n", path)
                       : cf_buf_add_str(buf, "--- /dev/null\n");
    if (r == 0)
        r = new_exists ? cf_buf_printf(buf, "+++ b/%s\n", path)
                       : cf_buf_add_str(buf, "+++ /dev/null\n");
    return r;
}

int cf_text_diff(const char *path, const char *old_text, size_t old_len, const char *new_text,
                 size_t new_len, bool old_exists, bool new_exists, struct cf_buf *ret_buf)
{
    struct lines a cf_cleanup(cf_lines_done) = {0}, b cf_cleanup(cf_lines_done) = {0};
    struct hunk hunk;
    size_t i = 0, k = 0;

    if (old_len == new_len && (old_len == 0 || memcmp(old_text, new_text, old_len) == 0))
        return 0;
    if (cf_text_is_binary(old_text, old_len) || cf_text_is_binary(new_text, new_len))
        return cf_buf_printf(ret_buf, "Binary files %s%s and %s%s differ\n",
                             old_exists ? "a/" : "/dev/null", old_exists ? path : "",
                             new_exists ? "b/" : "/dev/null", new_exists ? path : "");
    int r = cf_lines_split(old_text, old_len, new_text, new_len, &a, &b);
    if (r == 0)
        r = cf_lines_diff(&a, &b);
    if (r == 0)
        r = put_head(path, old_exists, new_exists, ret_buf);
    while (r == 0 && next_hunk(&a, &b, &i, &k, &hunk))
        r = put_hunk(ret_buf, &a, &b, &hunk);
    return r;
}
