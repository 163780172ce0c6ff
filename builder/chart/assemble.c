/* SPDX-License-Identifier: Apache-2.0 */
/* Files -> a chart with its subcharts. Source of the rules: Helm's chart loader. */
#include "document.h"
#include "model.h"

#include <errno.h>
#include <string.h>

static bool has_prefix(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static const struct cf_chart_file *find(const struct cf_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (!strcmp(files->list[i].path, path))
            return &files->list[i];
    return NULL;
}

/* A byte order mark is dropped. */
static struct cf_val load_yaml(struct cf_run *run, const struct cf_chart_file *file,
                               const char *what)
{
    struct cf_val val = CF_NIL_VAL;
    const char *why;
    size_t skip = file->len >= 3 && !memcmp(file->data, "\xEF\xBB\xBF", 3) ? 3 : 0;
    if (cf_document_load(run, file->data + skip, file->len - skip, &val, &why) < 0)
        cf_run_throw(run, -EINVAL, "chart: cannot load %s: %s", what, why);
    if (val.kind != CF_MAP && val.kind != CF_NIL)
        cf_run_throw(run, -EINVAL, "chart: cannot load %s: it is no map", what);
    return val.kind == CF_MAP ? val : cf_val_map(run, 0);
}

static const char *text_of(const struct cf_dict *dict, const char *key)
{
    const struct cf_val *val = cf_dict_get_str(dict, key);
    return val && val->kind == CF_STRING ? val->str : "";
}

static struct cf_val list_of(struct cf_run *run, const struct cf_dict *dict, const char *key)
{
    const struct cf_val *val = cf_dict_get_str(dict, key);
    return val && val->kind == CF_LIST ? *val : cf_val_list(run, 0);
}

/* A map with JSON's names as the struct with Go's. */
static struct cf_val as_struct(struct cf_run *run, struct cf_val from, const char *type,
                               const char *const (*fields)[2])
{
    struct cf_val to = cf_val_map(run, 24);
    to.type = CF_T_STRUCT;
    to.dict->type_name = type;
    for (; (*fields)[0]; fields++) {
        const struct cf_val *val =
            from.kind == CF_MAP ? cf_dict_get_str(from.dict, (*fields)[0]) : NULL;
        struct cf_val use = val && val->kind != CF_NIL ? *val
                            : (*fields)[1][0] == '['   ? cf_val_list(run, 0)
                            : (*fields)[1][0] == '{'   ? cf_val_map(run, 0)
                            : (*fields)[1][0] == '?'   ? cf_val_bool(false)
                                                       : cf_val_str("", 0);
        if (use.kind == CF_LIST && !strcmp((*fields)[1] + 1, "s"))
            use.type = CF_T_STRINGS;
        char *name = cf_run_strdup(run, (*fields)[0]);
        if (!strcmp(name, "apiVersion"))
            name = (char *)"APIVersion";
        else if (!strcmp(name, "url"))
            name = (char *)"URL";
        else
            name[0] = (char)(name[0] & ~0x20);
        if (use.kind == CF_MAP && !strcmp(name, "Annotations"))
            use.type = CF_T_STRINGS;
        cf_dict_set_str(run, to.dict, name, use);
    }
    return to;
}

/* The struct chart.Metadata: the kind of what is absent stands behind each name. */
static struct cf_val metadata_of(struct cf_run *run, struct cf_val yaml)
{
    static const char *const fields[][2] = {
        {"name", ""},        {"home", ""},         {"sources", "[s"},    {"version", ""},
        {"description", ""}, {"keywords", "[s"},   {"maintainers", "["}, {"icon", ""},
        {"apiVersion", ""},  {"condition", ""},    {"tags", ""},         {"appVersion", ""},
        {"deprecated", "?"}, {"annotations", "{"}, {"kubeVersion", ""},  {"dependencies", "["},
        {"type", ""},        {NULL, NULL},
    };
    static const char *const maintainer[][2] = {
        {"name", ""}, {"email", ""}, {"url", ""}, {NULL, NULL}};
    struct cf_val metadata = as_struct(run, yaml, "chart.Metadata", fields);
    struct cf_val people = list_of(run, metadata.dict, "Maintainers"),
                  copies = cf_val_list(run, people.seq->count);
    for (size_t i = 0; i < people.seq->count; i++)
        cf_seq_add(run, copies.seq,
                   as_struct(run, people.seq->items[i], "chart.Maintainer", maintainer));
    cf_dict_set_str(run, metadata.dict, "Maintainers", copies);
    return metadata;
}

static void read_dependencies(struct cf_run *run, struct cf_subchart *chart, struct cf_val yaml)
{
    const struct cf_val *list = cf_dict_get_str(yaml.dict, "dependencies");
    if (!list || list->kind != CF_LIST)
        return;
    chart->has_dependencies = true;
    chart->dependencies =
        cf_run_alloc_array(run, list->seq->count + 1, sizeof *chart->dependencies);
    for (size_t i = 0; i < list->seq->count; i++) {
        const struct cf_val *item = &list->seq->items[i];
        if (item->kind != CF_MAP)
            continue;
        chart->dependencies[chart->dependency_count++] = (struct cf_dependency){
            .name = text_of(item->dict, "name"),
            .version = text_of(item->dict, "version"),
            .condition = text_of(item->dict, "condition"),
            .alias = text_of(item->dict, "alias"),
            .tags = list_of(run, item->dict, "tags"),
            .import_values = list_of(run, item->dict, "import-values"),
        };
    }
}

/* The files below charts/NAME/, without that; one archive gives its own. */
static struct cf_subchart *load_subchart(struct cf_run *run, const struct cf_files *files,
                                         const char *name, size_t len, unsigned depth)
{
    struct cf_files inner = {0};
    const char *dot = memrchr(name, '.', len);
    bool archive = dot && (size_t)(name + len - dot) == 4 && !memcmp(dot, ".tgz", 4);
    for (size_t i = 0; i < files->count; i++) {
        const struct cf_chart_file *f = &files->list[i];
        const char *rest = f->path + 7;
        if (!has_prefix(f->path, "charts/") || strncmp(rest, name, len))
            continue;
        if (archive && !rest[len]) {
            cf_chart_read_archive(run, f->data, f->len, &inner);
            break;
        }
        if (rest[len] == '/')
            cf_files_add(run, &inner, rest + len + 1, f->data, f->len);
    }
    return inner.count ? cf_chart_assemble(run, &inner, depth + 1) : NULL;
}

static void load_subcharts(struct cf_run *run, struct cf_subchart *chart,
                           const struct cf_files *files, unsigned depth)
{
    struct cf_val seen = cf_val_map(run, 4);
    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->list[i].path;
        if (!has_prefix(path, "charts/") || path[7] == '_' || path[7] == '.')
            continue;
        const char *name = path + 7, *slash = strchr(name, '/'), *dot = strrchr(name, '.');
        size_t len = slash ? (size_t)(slash - name) : strlen(name);
        if (!slash && (!dot || strcmp(dot, ".tgz"))) /* README.md and the like */
            continue;
        cf_dict_set(run, seen.dict, name, len, CF_NIL_VAL);
    }
    chart->charts = cf_run_alloc_array(run, seen.dict->count + 1, sizeof(struct cf_subchart *));
    for (size_t i = 0; i < seen.dict->count; i++) {
        const struct cf_entry *e = &seen.dict->entries[i];
        struct cf_subchart *sub = load_subchart(run, files, e->key, e->key_len, depth);
        if (sub)
            chart->charts[chart->chart_count++] = sub;
    }
}

static void sort_files(struct cf_run *run, struct cf_subchart *chart, const struct cf_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct cf_chart_file *f = &files->list[i];
        if (!strcmp(f->path, "values.schema.json")) {
            const char *why = NULL;
            if (cf_document_load_json(run, f->data, f->len, &chart->schema, &why) < 0)
                chart->schema_wrong = why;
        } else if (has_prefix(f->path, "templates/")) {
            cf_files_add(run, &chart->templates, f->path, f->data, f->len);
        } else if (!has_prefix(f->path, "charts/") && strcmp(f->path, "Chart.yaml") &&
                   strcmp(f->path, "Chart.lock") && strcmp(f->path, "values.yaml")) {
            cf_files_add(run, &chart->files, f->path, f->data, f->len);
        }
    }
}

struct cf_subchart *cf_chart_assemble(struct cf_run *run, const struct cf_files *files,
                                      unsigned depth)
{
    const struct cf_chart_file *about = find(files, "Chart.yaml"),
                               *values = find(files, "values.yaml"),
                               *requirements = find(files, "requirements.yaml");
    struct cf_subchart *chart = cf_run_alloc(run, sizeof *chart);
    if (depth > CF_CHART_MAX_DEPTH)
        cf_run_throw(run, -EFBIG, "chart: charts are nested too deeply");
    if (!about)
        cf_run_throw(run, -EINVAL, "chart: Chart.yaml file is missing");
    struct cf_val yaml = load_yaml(run, about, "Chart.yaml");
    chart->name = text_of(yaml.dict, "name");
    chart->version = text_of(yaml.dict, "version");
    if (!*chart->name || strchr(chart->name, '/') || !strcmp(chart->name, ".."))
        cf_run_throw(run, -EINVAL, "chart: Chart.yaml: chart.metadata.name is required");
    chart->library = !strcmp(text_of(yaml.dict, "type"), "library");
    if (!*text_of(yaml.dict, "apiVersion"))
        cf_dict_set_str(run, yaml.dict, "apiVersion", cf_val_cstr("v1"));
    read_dependencies(run, chart, yaml);
    if (requirements && !strcmp(text_of(yaml.dict, "apiVersion"), "v1"))
        read_dependencies(run, chart, load_yaml(run, requirements, "requirements.yaml"));
    chart->metadata = metadata_of(run, yaml);
    chart->values = values
                        ? load_yaml(run, values, cf_run_format(run, "%s: values.yaml", chart->name))
                        : cf_val_map(run, 0);
    sort_files(run, chart, files);
    load_subcharts(run, chart, files, depth);
    return chart;
}
