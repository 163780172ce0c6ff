/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded chart, its subcharts, and how its files become one. */
#ifndef CF_MODEL_H
#define CF_MODEL_H

#include <cloudfs/chart.h>

#include "parse.h"
#include "value.h"

enum { CF_CHART_MAX_FILES = 20000, CF_CHART_MAX_FILE = 20 << 20, CF_CHART_MAX_DEPTH = 32 };

struct cf_files {
    struct cf_chart_file *list;
    size_t count, room;
};
void cf_files_add(struct cf_run *run, struct cf_files *files, const char *path, const char *data,
                  size_t len);

/* An entry of Chart.yaml's dependencies. */
struct cf_dependency {
    const char *name, *version, *condition, *alias;
    struct cf_val tags, import_values; /* lists */
    bool enabled;
};

struct cf_subchart {
    struct cf_subchart *parent;
    const char *name; /* the alias, where there is one */
    const char *version;
    const char *path; /* "chart/charts/sub" */
    bool library;
    struct cf_val metadata; /* .Chart: a struct */
    struct cf_val values;   /* of values.yaml: a map */
    struct cf_files templates, files;
    struct cf_val schema;     /* of values.schema.json; NIL: there is none */
    const char *schema_wrong; /* why it is no JSON, or NULL */
    struct cf_dependency *dependencies;
    size_t dependency_count;
    bool has_dependencies;
    struct cf_subchart **charts;
    size_t chart_count;
};

struct cf_chart {
    struct cf_run run;
    struct cf_subchart *root;
    struct cf_dict
        *parsed; /* templates by name, kept for the next rendering: POINTER to their trees */
};

/* A chart of its files. */
struct cf_subchart *cf_chart_assemble(struct cf_run *run, const struct cf_files *files,
                                      unsigned depth);
/* The files of an archive, without the first part of their paths. */
void cf_chart_read_archive(struct cf_run *run, const void *data, size_t len,
                           struct cf_files *ret_files);
void cf_chart_read_directory(struct cf_run *run, int dirfd, struct cf_files *ret_files);

/* .helmignore */
struct cf_ignore;
struct cf_ignore *cf_ignore_parse(struct cf_run *run, const char *data, size_t len);
bool cf_ignore_matches(const struct cf_ignore *ignore, const char *path, bool is_dir);

/* ---- values (coalesce.c) ---- */

/* The user's values over the chart's, all the way down. vals is changed, and is the result. */
struct cf_val cf_chart_coalesce(struct cf_run *run, const struct cf_subchart *chart,
                                struct cf_val vals);
void cf_tables_coalesce(struct cf_run *run, struct cf_dict *dst, const struct cf_dict *src);
/* The value at "a.b.c"; NULL: there is none. */
const struct cf_val *cf_value_at(const struct cf_dict *dict, const char *path);
/* Drops what conditions and tags disable, then takes in import-values. Gives a chart of the run. */
struct cf_subchart *cf_chart_prepare(struct cf_run *run, const struct cf_subchart *chart,
                                     struct cf_val vals);
/* Merges what the options say into a map. */
struct cf_val cf_values_read(struct cf_run *run, const struct cf_chart_values *values,
                             size_t count);
/* a.b=c,d[0]=e into the map. */
void cf_values_set(struct cf_run *run, struct cf_dict *dict, const struct cf_chart_values *set);
/* Throws when vals are not as the chart's, or a subchart's, values.schema.json wants. */
void cf_schema_check(struct cf_run *run, const struct cf_subchart *chart, struct cf_val vals);

/* filepath.Match with "**" and {a,b}, as .Files.Glob has them. */
bool cf_glob_match(const char *pattern, const char *path);

#endif
