/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of fsck share. */
#ifndef CF_STORE_FSCK_H
#define CF_STORE_FSCK_H

#include "mark.h"

struct cf_check {
    struct cf_store *store;
    bool deep, repair;
    cf_fsck_fn *fn;
    void *context;
    struct cf_fsck_result result;
    struct cf_digest_set lost_layers;  /* those whose tree or directory is of no use */
    struct cf_digest_set used_objects; /* that a layer or an upper names */
    struct cf_digest_set lost_objects; /* missing, damaged or of the wrong size */
    struct cf_digest_set good_trees;   /* merged trees that an image needs, already checked */
};

enum cf_check_kind { CF_CHECK_DAMAGED, CF_CHECK_MISSING };

/* Tells of a problem. fixed: it was repaired. Each is counted once. */
void cf_check_tell(struct cf_check *check, enum cf_check_kind kind, bool fixed, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
/* Moves dirfd/name to tmp/damaged-<random>, if repairing: true when it is out of the way. */
bool cf_check_set_aside(struct cf_check *check, int dirfd, const char *name);

int cf_check_layers(struct cf_check *check, struct cf_error *err);
int cf_check_objects(struct cf_check *check, struct cf_error *err);

#endif
