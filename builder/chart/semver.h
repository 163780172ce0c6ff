/* SPDX-License-Identifier: Apache-2.0 */
/* Semantic versions and constraints, by the rules of Masterminds/semver v3. */
#ifndef CF_SEMVER_H
#define CF_SEMVER_H

#include "value.h"

struct cf_version {
    uint64_t number[3];
    unsigned parts;         /* how many numbers were written */
    const char *pre, *meta; /* "" where absent */
    const char *original;
};

/* strict: all three numbers and no "v"; else as people write them. */
bool cf_version_parse(struct cf_run *run, const char *str, size_t len,
                      struct cf_version *ret_version);
int cf_version_compare(const struct cf_version *a, const struct cf_version *b);
/* The version behind it in its part-th number (0: major); a patch only drops what is pre. */
struct cf_version cf_version_next(struct cf_run *run, const struct cf_version *version, int part);
void cf_version_string(struct cf_text *out, const struct cf_version *version);
/* 1, 0; -1: it is no constraint. */
int cf_version_matches(struct cf_run *run, const char *constraint, size_t len,
                       const struct cf_version *version);

#endif
