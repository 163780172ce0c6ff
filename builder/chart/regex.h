/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions: the only door to libpcre2. Go's are RE2's, whose syntax is a part of PCRE's
 * and means the same there ("$" is set to match only at the very end). PCRE backtracks, where RE2
 * takes linear time: matching is bounded (1,000,000 steps, 20 MiB of heap), and fails beyond. Back
 * references and look-around, which RE2 refuses, are refused here too.
 */
#ifndef CF_REGEX_H
#define CF_REGEX_H

#include "value.h"

struct cf_regex;
struct cf_regex_cache;
void cf_regex_cache_free(struct cf_regex_cache *cache);

/* Kept in the run for its whole life. NULL, with why, when the pattern is none. */
const struct cf_regex *cf_regex_compile(struct cf_run *run, const char *pattern, size_t len,
                                        const char **ret_why);

enum { CF_REGEX_GROUPS = 32 };
struct cf_match {
    size_t count;                                        /* groups, the whole match included */
    size_t start[CF_REGEX_GROUPS], end[CF_REGEX_GROUPS]; /* SIZE_MAX: took no part */
};
/* The first match at or behind from. 1, 0 for none, -EFBIG beyond the bounds. */
int cf_regex_match(const struct cf_regex *regex, const char *str, size_t len, size_t from,
                   struct cf_match *ret_match);
/* The number of the group of that name; -1: none. */
int cf_regex_group(const struct cf_regex *regex, const char *name);

#endif
