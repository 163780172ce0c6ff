/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a CloudRootfs: settings that their readers refuse, scripts and programs that
 * will not run, images that are missing. Each finding has its place, a severity, and what to do.
 * Only what is needed is read: small files, and the first bytes of programs. docs/check.md has the
 * table of all rules.
 */
#ifndef CLOUDFS_CHECK_H
#define CLOUDFS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/buf.h>
#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/store.h>

enum cf_severity {
    CF_WARNING, /* probably not what was meant */
    CF_ERROR,   /* who reads it will refuse it, or do something else */
};

enum cf_check_rule {
    CF_CHECK_JSON,
    CF_CHECK_YAML,
    CF_CHECK_DUPLICATE, /* a key twice */
    CF_CHECK_KUBEADM,
    CF_CHECK_DAEMON,
    CF_CHECK_REGISTRY_CONFIG,
    CF_CHECK_REGISTRY,
    CF_CHECK_PLUGIN,
    CF_CHECK_CLUSTERFILE,
    CF_CHECK_METADATA,
    CF_CHECK_SCRIPT,
    CF_CHECK_UNIT,
    CF_CHECK_PROGRAM,
    CF_CHECK_LINK,
    CF_CHECK_NAME,     /* names that nothing reads */
    CF_CHECK_IMAGE,    /* container images that registry/ lacks */
    CF_CHECK_SCAN,     /* what could not be read when these were looked for */
    CF_CHECK_CONTENTS, /* damage of registry/ */
    CF_CHECK_RULES,
};
const char *cf_check_rule_name(enum cf_check_rule rule); /* "json", "yaml", ... */
/* -1: no rule is called so. */
int cf_check_rule_find(const char *name);

struct cf_finding {
    enum cf_severity severity;
    enum cf_check_rule rule;
    char *file;  /* path in the rootfs */
    size_t line; /* 0: the file as a whole */
    char *text;  /* what is wrong */
    char *mend;  /* what to do about it */
};
struct cf_check_result {
    struct cf_finding *list; /* ascending by file and line */
    size_t count;
    size_t errors, warnings;
};
void cf_check_result_done(struct cf_check_result *result);
/* "etc/daemon.json:3: what is wrong: what to do", appended. */
int cf_finding_put(const struct cf_finding *finding, struct cf_buf *ret_buf);

struct cf_check_options {
    const char *architecture; /* Go's word; NULL: what the rootfs's Metadata says */
    bool ignore[CF_CHECK_RULES];
    bool deep; /* the bytes of registry/ are compared with their names, in a directory too */
};

/* All of a rootfs; also which images its registry/ lacks. store: for room in its tmp/. */
int cf_check(struct cf_store *store, struct cf_rootfs *rootfs,
             const struct cf_check_options *options, struct cf_check_result *ret_result,
             struct cf_error *err);
/*
 * Only what the layers from base_count on (bottom first) hold or change; the rest is looked at
 * where one of their files refers to it. A single such layer costs what its files cost.
 */
int cf_check_new(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                 size_t base_count, const struct cf_check_options *options,
                 struct cf_check_result *ret_result, struct cf_error *err);
/* The same of a layer that was made on top of an image, whose programs are for its machine. */
int cf_check_layer(struct cf_store *store, const struct cf_image *base,
                   const struct cf_digest *diff_id, const struct cf_check_options *options,
                   struct cf_check_result *ret_result, struct cf_error *err);

#endif
