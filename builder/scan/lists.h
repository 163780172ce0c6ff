/* SPDX-License-Identifier: Apache-2.0 */
/* The small files of a rootfs that name images or leave them out. Not public. */
#ifndef CF_SCAN_LISTS_H
#define CF_SCAN_LISTS_H

#include "scan_private.h"

/* Calls fn for each line that says something: without comment and white space around it. */
typedef int cf_line_fn(const char *line, size_t len, size_t number, void *context);
int cf_scan_lines(const char *text, size_t len, cf_line_fn *fn, void *context);

/* An imageList's references; lines that are none are warnings. */
int cf_scan_list(struct findings *findings, const char *text, size_t len);

struct ignores {
    char **patterns;
    size_t count;
};
int cf_ignores_add(struct ignores *ignores, const char *text, size_t len); /* one a line */
bool cf_ignores_match(const struct ignores *ignores, const char *reference);
void cf_ignores_done(struct ignores *ignores);

#endif
