/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the scanner share. Not public. */
#ifndef CF_SCAN_PRIVATE_H
#define CF_SCAN_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/buf.h>
#include <cloudfs/reference.h>
#include <cloudfs/scan.h>
#include <cloudfs/yaml.h>

struct findings; /* the result in the making */
int cf_findings_new(struct findings **ret_findings);
void cf_findings_free(struct findings *findings);
CF_DEFINE_CLEANUP(struct findings *, cf_findings_free)
/* The file that is looked at from now on. */
int cf_findings_file(struct findings *findings, const char *path);
/* From now on lines are told as map (NULL: nothing) makes them of what is found. */
typedef size_t cf_line_map_fn(const void *context, size_t line);
void cf_findings_map(struct findings *findings, cf_line_map_fn *map, const void *context);
/* A reference at a line of the file; text needs no NUL. -ENOMEM. */
int cf_findings_add(struct findings *findings, const struct cf_reference *reference, size_t line,
                    enum cf_scan_kind kind);
int cf_findings_warn(struct findings *findings, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sorts, and hands the result over; findings is empty then. */
int cf_findings_take(struct findings *findings, struct cf_scan_result *ret_result);

/* ---- what a text says ---- */

struct judged {
    bool parsed;
    bool placeholder; /* has ${X}, {{ }}, $(X), <x> or the like */
    bool slash, domain, tag, digest;
    bool port;   /* the tag is a number that could be a port, and no domain says otherwise */
    bool strong; /* is a reference and nothing else: with a slash, and a tag or digest */
    struct cf_reference reference; /* if parsed */
};
void cf_scan_judge(const char *text, size_t len, struct judged *ret_judged);
/* Whether a word without slash, tag and digest may be an image's name ("busybox", not "true"). */
bool cf_scan_is_name(const char *text, size_t len);

/* The marker that stands for an action of a template ({{ ... }}) when its text is read. */
#define CF_SCAN_ACTION "\xee\x80\x80" /* U+E000 */

/* ---- what keys mean ---- */

enum key {
    KEY_OTHER,
    KEY_IMAGE,
    KEY_CONTAINERS, /* containers, initContainers, ephemeralContainers */
    KEY_ARGS,       /* args, command */
    KEY_ENV,
    KEY_NAME,
    KEY_VALUE, /* value, default */
    KEY_KIND,
    KEY_API_VERSION,
    KEY_METADATA,
    KEY_ANNOTATIONS,
    KEY_SKIP, /* what lies below refers to nothing: labels, selectors, status, schemas */
    KEY_DATA, /* data, stringData */
    KEY_IMAGES,
    KEY_REPOSITORY,
    KEY_TAG,
    KEY_DIGEST,
    KEY_REGISTRY,
    KEY_NEW_NAME,
    KEY_NEW_TAG,
    KEY_REFERENCE,
    KEY_BASE_IMAGE,
    KEY_VERSION,
    KEY_SHA,
    KEY_IMAGE_REPOSITORY,
    KEY_IMAGE_TAG,
    KEY_TEXT, /* values, valuesContent, manifest ...: YAML as text, in custom resources */
    KEY_MERGE,
};
/* imageish: the key has "image" in it; suffix: it ends so. */
enum key cf_scan_key(const char *text, size_t len, bool *ret_imageish, bool *ret_suffix);

/* ---- documents ---- */

/* Where findings of a document go, and how it is read. */
struct finder_options {
    struct findings *findings;
    enum cf_scan_kind kind; /* CF_SCAN_IMAGE: images and embedded ones; CF_SCAN_CHART: all are so */
    bool embedded;          /* it is text inside a manifest */
    bool objects_only;      /* and only what has a kind and apiVersion counts */
    unsigned depth;         /* of text inside text */
};
struct finder;
int cf_finder_new(const struct finder_options *options, struct finder **ret_finder);
void cf_finder_free(struct finder *finder);
CF_DEFINE_CLEANUP(struct finder *, cf_finder_free)
/* Takes a document's events one by one, values by their length; -ENOMEM. The end of the document
 * (also one that came too early, by an error) decides what was found. */
int cf_finder_event(struct finder *finder, const struct cf_yaml_event *event);
int cf_finder_end(struct finder *finder);

/* Reads all documents of a text or source; what does not parse is a warning (quiet: nothing, and
 * nothing of that document counts). Returns 0, or what the source failed with. */
struct text_options {
    const void *data; /* NULL: source */
    size_t len;
    cf_source_fn *source;
    void *source_context;
    size_t first_line; /* of the file, for texts inside it; every line is this one if fixed_line */
    bool fixed_line;
    bool is_template; /* its {{ }} are read as what they may say */
    bool quiet;
};
int cf_scan_text(const struct finder_options *finder, const struct text_options *options,
                 struct cf_error *err);

/* ---- charts.c ---- */

/* The chart in a directory of the rootfs, or in an archive: rendered, with charts/NAME.values.yaml
 * and each charts/NAME.*.values.yaml beside it (one after the other), or as it is where there are
 * none. What goes wrong with the chart is a warning, but that there is no helm, where one is asked
 * for: that is -ENOENT. */
struct chart_options {
    const char *path; /* in the rootfs */
    bool is_dir;
    const char *kube_version; /* NULL where it is not known */
    bool helm;                /* by the helm on PATH */
};
int cf_scan_chart(struct cf_rootfs *rootfs, struct findings *findings,
                  const struct chart_options *options, struct cf_error *err);

/* Appends the text with its actions blanked: lines of nothing else become empty, the rest of them
 * CF_SCAN_ACTION. Line numbers stay. */
int cf_scan_blank_template(const char *text, size_t len, struct cf_buf *ret_buf);

#endif
