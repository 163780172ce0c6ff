/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of paths, component by component: *, ?, [a-z] and \ as fnmatch(3) has them, never
 * across a slash, and ** for any number of components. Source: the Dockerfile reference,
 * ".dockerignore file".
 */
#ifndef CF_KUBEFILE_PATTERN_H
#define CF_KUBEFILE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/error.h>

/* Whether pattern means path (neither has a slash in front or behind). */
bool cf_pattern_matches(const char *pattern, const char *path);
bool cf_pattern_is_glob(const char *text); /* has one of the characters that mean something */

/* .dockerignore or .kubeignore: the last pattern that means a path or a directory above it counts.
 */
struct cf_ignore_rule {
    char *pattern;
    bool exception; /* began with "!" */
};
struct cf_ignore {
    struct cf_ignore_rule *rules;
    size_t count;
    bool has_exceptions;
};
/* Adds the rules of a file's text. -ENOMEM. */
int cf_ignore_add(struct cf_ignore *ignore, const char *text, size_t len, struct cf_error *err);
void cf_ignore_done(struct cf_ignore *ignore);
bool cf_ignore_hides(const struct cf_ignore *ignore, const char *path);

#endif
