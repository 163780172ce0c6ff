/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which container images a CloudRootfs refers to, where, and whether its registry/ has them. The
 * documents are read, not their lines: see docs/man/cloudfs-scan.1 for what counts as an image.
 * Memory does not grow with the size of a manifest, only with the number of references.
 */
#ifndef CLOUDFS_SCAN_H
#define CLOUDFS_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/error.h>
#include <cloudfs/reference.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/scope.h>
#include <cloudfs/store.h>

/* What refers to an image; the first that applies is an image's own. */
enum cf_scan_kind {
    CF_SCAN_IMAGE,    /* the image of a container or custom resource */
    CF_SCAN_EMBEDDED, /* in arguments, environment, or text inside a manifest */
    CF_SCAN_LIST,     /* a line of an imageList, or of imageListWithAuth.yaml */
    CF_SCAN_CHART,    /* what a chart renders to */
    CF_SCAN_TAR,      /* it lies in an archive of images/ */
};
const char *cf_scan_kind_name(enum cf_scan_kind kind); /* "image", "embedded", ... */

enum cf_scan_state {
    CF_SCAN_MISSING,
    CF_SCAN_CACHED,    /* registry/ has it, with all of its blobs */
    CF_SCAN_IN_IMAGES, /* an archive of images/ has it */
};
const char *cf_scan_state_name(enum cf_scan_state state); /* "missing", "cached", "in images/" */

struct cf_scan_place {
    const char *file; /* path in the rootfs */
    size_t line;      /* 0: the file as a whole */
    enum cf_scan_kind kind;
};
struct cf_scanned {
    char *reference;   /* "docker.io/library/busybox:latest", docker's whole form */
    size_t domain_len; /* of "docker.io" */
    enum cf_scan_kind kind;
    enum cf_scan_state state;
    struct cf_scan_place *places; /* ascending by file and line */
    size_t place_count;
};
/* What could not be read, or looks like an image and is none that can be told. */
struct cf_scan_warning {
    const char *file;
    size_t line; /* 0: the file as a whole */
    char *text;
};
struct cf_scan_result {
    struct cf_scanned *images; /* ascending by reference */
    size_t count;
    struct cf_scan_warning *warnings; /* in the order of files and lines */
    size_t warning_count;
    char **files; /* whose names the above borrow */
    size_t file_count;
};
void cf_scan_result_done(struct cf_scan_result *result);

struct cf_scan_options {
    /* Shell patterns of references that are left out, beside those of manifests/imageIgnore: they
     * are matched against the whole form and the form that people write ("busybox:1"), with and
     * without the tag; "*" matches slashes too. */
    const char *const *ignore;
    size_t ignore_count;
    const char *const *ignore_charts; /* names of directories and archives in charts/ */
    size_t ignore_chart_count;
    bool only_list; /* trust the imageLists alone */
    bool helm;      /* charts are rendered by the helm on PATH, not by cf_chart_render */
};
/* store: for room in its tmp/, where an archive of images/ is compressed. */
int cf_scan(struct cf_store *store, struct cf_rootfs *rootfs, const struct cf_scan_options *options,
            struct cf_scan_result *ret_result, struct cf_error *err);

/* The images of one manifest at hand, without their states; what the command does for each file.
 * For tests, and to try a manifest before it is put into a rootfs. */
int cf_scan_manifest(const char *name, const void *data, size_t len,
                     struct cf_scan_result *ret_result, struct cf_error *err);

/* ---- imageListWithAuth.yaml: images with the accounts to fetch them ---- */

struct cf_auth_entry {
    char *registry; /* for names without one; NULL: docker.io */
    char *username, *password;
    struct {
        char *text;
        size_t line;
    } * images;
    size_t image_count;
};
struct cf_auth_list {
    struct cf_auth_entry *entries;
    size_t count;
};
/* -EINVAL "line L ..." */
int cf_auth_list_parse(const void *data, size_t len, struct cf_auth_list *ret_list,
                       struct cf_error *err);
void cf_auth_list_done(struct cf_auth_list *list);
/* One more entry, empty, at the end: -ENOMEM. */
int cf_auth_list_add(struct cf_auth_list *list);
/* The reference that an image of an entry is; -EINVAL. */
int cf_auth_list_reference(const struct cf_auth_entry *entry, const char *image,
                           struct cf_reference *ret_reference, struct cf_error *err);

#endif
