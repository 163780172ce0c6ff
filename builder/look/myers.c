/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>

#include <cloudfs/scope.h>

/* So many edits are searched for before a good split is taken in place of the best one. */
#define COST_MIN 1024

struct range {
    int64_t a_from, a_to, b_from, b_to;
};

struct search {
    const uint32_t *a, *b;
    bool *a_changed, *b_changed;
    int64_t *forward, *backward; /* furthest x on each diagonal, index by diagonal + offset */
    int64_t offset;
    int64_t cost_max;
    struct range *stack; /* ranges still to be worked on */
    size_t count, room;
};

struct split {
    int64_t x, y;
};

/* Of all diagonals, the point that the forward search got furthest to: where time ran out. */
static struct split furthest(const struct search *search, const struct range *range, int64_t d)
{
    struct split best = {range->a_from, range->b_from};

    for (int64_t k = -d; k <= d; k += 2) {
        int64_t diagonal = range->a_from - range->b_from + k;
        if (diagonal < range->a_from - range->b_to || diagonal > range->a_to - range->b_from)
            continue;
        int64_t x = search->forward[search->offset + diagonal];
        if (x > range->a_to)
            x = range->a_to;
        if (x - diagonal > range->b_to)
            x = range->b_to + diagonal;
        if (x + x - diagonal > best.x + best.y)
            best = (struct split){x, x - diagonal};
    }
    return best;
}

/* One more edit from the front. True, and the split, when it meets the backward search. */
static bool forward_step(const struct search *search, const struct range *range, int64_t d,
                         struct split *ret_split)
{
    int64_t *forward = search->forward + search->offset;
    const int64_t *backward = search->backward + search->offset;
    int64_t start = range->a_from - range->b_from, end = range->a_to - range->b_to;
    bool odd = ((end - start) & 1) != 0;

    for (int64_t k = -d; k <= d; k += 2) {
        int64_t diagonal = start + k;
        int64_t x;
        if (diagonal < range->a_from - range->b_to || diagonal > range->a_to - range->b_from)
            continue;
        if (d == 0)
            x = range->a_from;
        else if (k == -d || (k != d && forward[diagonal - 1] < forward[diagonal + 1]))
            x = forward[diagonal + 1];
        else
            x = forward[diagonal - 1] + 1;
        while (x < range->a_to && x - diagonal < range->b_to && x - diagonal >= range->b_from &&
               search->a[x] == search->b[x - diagonal])
            x++;
        forward[diagonal] = x;
        if (odd && diagonal >= end - (d - 1) && diagonal <= end + (d - 1) &&
            x >= backward[diagonal]) {
            *ret_split = (struct split){x, x - diagonal};
            return true;
        }
    }
    return false;
}

static bool backward_step(const struct search *search, const struct range *range, int64_t d,
                          struct split *ret_split)
{
    const int64_t *forward = search->forward + search->offset;
    int64_t *backward = search->backward + search->offset;
    int64_t start = range->a_from - range->b_from, end = range->a_to - range->b_to;
    bool odd = ((end - start) & 1) != 0;

    for (int64_t k = -d; k <= d; k += 2) {
        int64_t diagonal = end + k;
        int64_t x;
        if (diagonal < range->a_from - range->b_to || diagonal > range->a_to - range->b_from)
            continue;
        if (d == 0)
            x = range->a_to;
        else if (k == d || (k != -d && backward[diagonal - 1] < backward[diagonal + 1]))
            x = backward[diagonal - 1];
        else
            x = backward[diagonal + 1] - 1;
        while (x > range->a_from && x - diagonal > range->b_from && x - diagonal <= range->b_to &&
               search->a[x - 1] == search->b[x - diagonal - 1])
            x--;
        backward[diagonal] = x;
        if (!odd && diagonal >= start - d && diagonal <= start + d && x <= forward[diagonal]) {
            *ret_split = (struct split){x, x - diagonal};
            return true;
        }
    }
    return false;
}

/* Diagonals next to the range's own are read by the steps, and must not win. */
static void guard(const struct search *search, const struct range *range)
{
    int64_t low = range->a_from - range->b_to - 1, high = range->a_to - range->b_from + 1;

    for (int64_t diagonal = low; diagonal <= high; diagonal++) {
        search->forward[search->offset + diagonal] = INT64_MIN / 2;
        search->backward[search->offset + diagonal] = INT64_MAX / 2;
    }
}

static struct split middle(const struct search *search, const struct range *range)
{
    struct split split = {0};

    guard(search, range);
    for (int64_t d = 0;; d++) {
        if (forward_step(search, range, d, &split) || backward_step(search, range, d, &split))
            return split;
        if (d >= search->cost_max)
            return furthest(search, range, d);
    }
}

static int push(struct search *search, int64_t a_from, int64_t a_to, int64_t b_from, int64_t b_to)
{
    if (search->count == search->room) {
        size_t room = search->room ? search->room * 2 : 64;
        struct range *grown = realloc(search->stack, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        search->stack = grown;
        search->room = room;
    }
    search->stack[search->count++] = (struct range){a_from, a_to, b_from, b_to};
    return 0;
}

static int work(struct search *search, struct range range)
{
    while (range.a_from < range.a_to && range.b_from < range.b_to &&
           search->a[range.a_from] == search->b[range.b_from]) {
        range.a_from++;
        range.b_from++;
    }
    while (range.a_from < range.a_to && range.b_from < range.b_to &&
           search->a[range.a_to - 1] == search->b[range.b_to - 1]) {
        range.a_to--;
        range.b_to--;
    }
    if (range.a_from == range.a_to || range.b_from == range.b_to) {
        for (int64_t i = range.a_from; i < range.a_to; i++)
            search->a_changed[i] = true;
        for (int64_t i = range.b_from; i < range.b_to; i++)
            search->b_changed[i] = true;
        return 0;
    }
    struct split split = middle(search, &range);
    /* A split at a corner divides nothing; then the first lines differ, and one goes alone. */
    if (split.x < range.a_from || split.x > range.a_to || split.y < range.b_from ||
        split.y > range.b_to || (split.x == range.a_from && split.y == range.b_from) ||
        (split.x == range.a_to && split.y == range.b_to)) {
        search->a_changed[range.a_from] = true;
        return push(search, range.a_from + 1, range.a_to, range.b_from, range.b_to);
    }
    int r = push(search, split.x, range.a_to, split.y, range.b_to);
    return r == 0 ? push(search, range.a_from, split.x, range.b_from, split.y) : r;
}

int cf_lines_diff(struct lines *a, struct lines *b)
{
    size_t room = a->count + b->count + 4;
    int64_t *forward cf_autofree = calloc(room, sizeof(*forward));
    int64_t *backward cf_autofree = calloc(room, sizeof(*backward));
    int64_t cost = COST_MIN;
    int r = forward && backward ? 0 : -ENOMEM;

    while (cost * cost < (int64_t)room * 4)
        cost *= 2;
    struct search search = {.a = a->number,
                            .b = b->number,
                            .a_changed = a->changed,
                            .b_changed = b->changed,
                            .forward = forward,
                            .backward = backward,
                            .offset = (int64_t)b->count + 1,
                            .cost_max = cost};
    if (r == 0)
        r = push(&search, 0, (int64_t)a->count, 0, (int64_t)b->count);
    while (r == 0 && search.count > 0)
        r = work(&search, search.stack[--search.count]);
    free(search.stack);
    return r;
}
