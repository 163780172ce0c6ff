/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helm charts: loads and renders them as `helm template` does. No store, no cluster and no network
 * is needed: `lookup` finds nothing, and .Capabilities are those that the options give.
 *
 * A chart is loaded once and can be rendered often, with other values each time. Memory and steps
 * of a loading or rendering are bounded, whatever the chart holds. Use a chart by one thread at a
 * time. What differs from Helm is listed in docs/charts.md.
 */
#ifndef CLOUDFS_CHART_H
#define CLOUDFS_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

struct cf_chart;

/* One file of a chart; path is relative to the chart's directory. */
struct cf_chart_file {
    const char *path;
    const char *data;
    size_t len;
};

/*
 * The chart in a directory, or in an archive (.tgz). -EINVAL when it is none; -EFBIG beyond the
 * bounds: 256 MiB of memory, 20 MiB a file, 20,000 files. Templates are parsed by the rendering.
 */
int cf_chart_open(int dirfd, const char *path, struct cf_chart **ret_chart, struct cf_error *err);
/* The same of an archive in memory, or of files; they are copied. */
int cf_chart_open_archive(const void *data, size_t len, struct cf_chart **ret_chart,
                          struct cf_error *err);
int cf_chart_open_files(const struct cf_chart_file *files, size_t count,
                        struct cf_chart **ret_chart, struct cf_error *err);
void cf_chart_free(struct cf_chart *chart);
CF_DEFINE_CLEANUP(struct cf_chart *, cf_chart_free)

const char *cf_chart_name(const struct cf_chart *chart);    /* as Chart.yaml says */
const char *cf_chart_version(const struct cf_chart *chart); /* "" where absent */

enum cf_value_kind {
    CF_VALUES_FILE,   /* text: a YAML document */
    CF_VALUES_SET,    /* text: a.b=c,d[0]=e: numbers, booleans and null are typed */
    CF_VALUES_STRING, /* the same, and everything is a string */
    CF_VALUES_JSON,   /* a.b=JSON */
};
struct cf_chart_values {
    enum cf_value_kind kind;
    const char *name; /* of a file, for messages; may be NULL */
    const char *text;
    size_t len;
};

struct cf_render_options {
    const char *release_name;             /* NULL: "release-name" */
    const char *name_space;               /* NULL: "default" */
    const char *kube_version;             /* "v1.30.0", "1.28"; NULL: v1.30.0 */
    const struct cf_chart_values *values; /* later ones win, but files come before what is set */
    size_t value_count;
    const char *const *api_versions; /* beside the built-in ones */
    size_t api_version_count;
    bool is_upgrade;
    bool skip_schema;    /* values.schema.json is not looked at */
    int64_t now;         /* seconds since 1970; 0: the clock */
    uint64_t seed;       /* of random text; 0: of chance */
    size_t memory_limit; /* 0: 256 MiB */
    uint64_t step_limit; /* 0: 50,000,000; beside it, 10 s of CPU time are the bound */
};

/* A rendered template. */
struct cf_rendered_file {
    const char *name;  /* "chart/charts/sub/templates/x.yaml" */
    const char *chart; /* the name of the chart that it belongs to: "sub" */
    const char *text;  /* NUL behind */
    size_t len;
};
struct cf_rendering;

/*
 * Renders all templates but partials and NOTES.txt. Errors are worded as by Helm:
 * "execution error at (chart/templates/x.yaml:3:4): message of the chart", "template: ... error
 * calling include: ...", "parse error at (chart/templates/x.yaml:LINE:COLUMN): ...". -EINVAL;
 * -EFBIG beyond the bounds.
 */
int cf_chart_render(struct cf_chart *chart, const struct cf_render_options *options,
                    struct cf_rendering **ret_rendering, struct cf_error *err);
void cf_rendering_free(struct cf_rendering *rendering);
CF_DEFINE_CLEANUP(struct cf_rendering *, cf_rendering_free)

/* Sorted by name. Borrowed; NULL behind the last. */
const struct cf_rendered_file *cf_rendering_file(const struct cf_rendering *rendering,
                                                 size_t index);
/* The files of crds/, which are not templates, in the same way. */
const struct cf_rendered_file *cf_rendering_crd(const struct cf_rendering *rendering, size_t index);
/* The line (from 1) of the template that a line of its rendered text comes from, as near as can be
 * told: of the action, where an action wrote it. */
size_t cf_rendering_line(const struct cf_rendering *rendering, size_t index, size_t line);

/*
 * All objects as `helm template` prints them: "---\n# Source: NAME\n" before each, sorted by kind
 * in Helm's order of installation, hooks last. crds: those first.
 */
int cf_rendering_print(const struct cf_rendering *rendering, bool crds, bool hooks,
                       struct cf_buf *ret_buf, struct cf_error *err);

/* ---- templates without a chart ---- */

struct cf_template_value {
    const char *key;
    const char *const *values; /* one: the key is a string; more: a list of strings */
    size_t count;
};
/*
 * One Go template with the values as its data: {{ .KEY }}; Sprig's functions are there. What it
 * writes is text: nothing is escaped. -EINVAL with "NAME:LINE", also for a variable that is written
 * and not set; bounded as charts are.
 */
int cf_template_render(const char *name, const char *text, size_t len,
                       const struct cf_template_value *values, size_t value_count,
                       struct cf_buf *ret_text, struct cf_error *err);

/* ---- with Helm's own program ---- */

struct cf_helm_options {
    struct cf_render_options render; /* now, seed and the limits do not count */
    bool crds, no_hooks;
};
/*
 * What `helm template` prints for the chart at path, or for files, which are laid into a temporary
 * directory first (path NULL; a single file NAME.tgz is an archive). -ENOENT when there is no helm
 * on PATH; -EINVAL with what helm says.
 */
int cf_chart_helm(const char *path, const struct cf_chart_file *files, size_t file_count,
                  const struct cf_helm_options *options, struct cf_buf *ret_text,
                  struct cf_error *err);

#endif
