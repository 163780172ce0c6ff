/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of two texts, numbered so that equal lines have equal numbers. Not public. */
#ifndef CF_LOOK_LINES_H
#define CF_LOOK_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line {
    const char *text; /* newline included, where there is one */
    size_t len;
};

struct lines {
    struct line *list;
    uint32_t *number; /* equal for equal lines, of both texts */
    bool *changed;    /* set by cf_lines_diff: not in the other text */
    size_t count;
};

/* -ENOMEM; -EFBIG beyond 2^30 lines. */
int cf_lines_split(const char *a_text, size_t a_len, const char *b_text, size_t b_len,
                   struct lines *ret_a, struct lines *ret_b);
void cf_lines_done(struct lines *lines);

/*
 * Marks the lines that a shortest edit script deletes from a and inserts into b. Source: E. Myers,
 * "An O(ND) Difference Algorithm and Its Variations" (1986), section 4b, the linear space
 * refinement. Texts that differ very much get a script that is not the shortest, in bounded time.
 */
int cf_lines_diff(struct lines *a, struct lines *b);

#endif
