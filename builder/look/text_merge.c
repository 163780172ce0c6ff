/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two changed texts as one, line by line: where both keep the base's lines they agree, and between
 * such places one of them has changed, or both have. Source of the method: S. Khanna, K. Kunal,
 * B. Pierce, "A Formal Investigation of Diff3" (2007).
 */
#include <cloudfs/look.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"

#define NOWHERE SIZE_MAX

/* One of the two, beside the base. */
struct side {
    struct lines base, lines;
    size_t *place; /* of each line of the base, NOWHERE */
    size_t at;     /* how far it is merged */
};

static void side_done(struct side *side)
{
    cf_lines_done(&side->base);
    cf_lines_done(&side->lines);
    free(side->place);
}

static int side_init(struct side *side, const struct cf_text *base, const struct cf_text *text)
{
    int r = cf_lines_split(base->text, base->len, text->text, text->len, &side->base, &side->lines);

    if (r == 0)
        r = cf_lines_diff(&side->base, &side->lines);
    if (r < 0)
        return r;
    side->place = calloc(side->base.count + 1, sizeof(*side->place));
    if (!side->place)
        return -ENOMEM;
    for (size_t i = 0, k = 0; i < side->base.count; i++) {
        side->place[i] = NOWHERE;
        if (side->base.changed[i])
            continue;
        while (side->lines.changed[k])
            k++;
        side->place[i] = k++;
    }
    return 0;
}

static struct cf_text span(const struct lines *lines, size_t from, size_t to)
{
    if (from >= to)
        return (struct cf_text){"", 0};
    const struct line *first = &lines->list[from], *last = &lines->list[to - 1];
    return (struct cf_text){first->text, (size_t)(last->text - first->text) + last->len};
}

static bool same(const struct cf_text *a, const struct cf_text *b)
{
    return a->len == b->len && (!a->len || !memcmp(a->text, b->text, a->len));
}

struct merging {
    struct side ours, theirs;
    bool take_theirs;
    cf_text_conflict_fn *fn;
    void *context;
    struct cf_buf *out;
    int conflicts;
};

/* The lines from i to end of the base, and what stands for them on both sides. */
static int put_part(struct merging *merging, size_t i, size_t end, size_t ours_end,
                    size_t theirs_end)
{
    struct side *ours = &merging->ours, *theirs = &merging->theirs;
    const struct cf_text_conflict part = {.line = ours->at + 1,
                                          .base = span(&ours->base, i, end),
                                          .ours = span(&ours->lines, ours->at, ours_end),
                                          .theirs = span(&theirs->lines, theirs->at, theirs_end)};
    const struct cf_text *chosen = &part.ours;
    int r = 0;

    if (same(&part.ours, &part.base)) {
        chosen = &part.theirs;
    } else if (!same(&part.theirs, &part.base) && !same(&part.ours, &part.theirs)) {
        merging->conflicts++;
        chosen = merging->take_theirs ? &part.theirs : &part.ours;
        r = merging->fn ? merging->fn(&part, merging->context) : 0;
    }
    ours->at = ours_end;
    theirs->at = theirs_end;
    return r < 0 ? r : cf_buf_add(merging->out, chosen->text, chosen->len);
}

static int merge(struct merging *merging)
{
    struct side *ours = &merging->ours, *theirs = &merging->theirs;
    size_t count = ours->base.count, i = 0;
    int r = 0;

    while (r == 0) {
        size_t end = i;
        while (end < count && (ours->place[end] == NOWHERE || theirs->place[end] == NOWHERE))
            end++;
        bool last = end == count;
        size_t ours_end = last ? ours->lines.count : ours->place[end];
        size_t theirs_end = last ? theirs->lines.count : theirs->place[end];
        r = put_part(merging, i, end, ours_end, theirs_end);
        if (last)
            break;
        if (r == 0) /* the line that all three have */
            r = cf_buf_add(merging->out, ours->base.list[end].text, ours->base.list[end].len);
        ours->at++;
        theirs->at++;
        i = end + 1;
    }
    return r;
}

int cf_text_merge(const struct cf_text *base, const struct cf_text *ours,
                  const struct cf_text *theirs, bool take_theirs, cf_text_conflict_fn *fn,
                  void *context, struct cf_buf *ret_text)
{
    struct merging merging = {
        .take_theirs = take_theirs, .fn = fn, .context = context, .out = ret_text};
    int r = side_init(&merging.ours, base, ours);

    if (r == 0)
        r = side_init(&merging.theirs, base, theirs);
    if (r == 0)
        r = merge(&merging);
    side_done(&merging.ours);
    side_done(&merging.theirs);
    return r < 0 ? r : merging.conflicts;
}
