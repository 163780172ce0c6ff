/* SPDX-License-Identifier: Apache-2.0 */
/* The door: loading, rendering. Source of the rules: Helm's engine (engine.go). */
#include "render.h"
#include "semver.h"

#include <cloudfs/io.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY_LIMIT = 256 << 20, STEP_LIMIT = 50000000 };

/* One template file of a chart or subchart, with the data it is executed with. */
struct job {
    const char *name;
    const struct cf_subchart *chart;
    const struct cf_chart_file *file;
    struct cf_val data;
    const struct cf_tree *tree;
};

struct jobs {
    struct job *list;
    size_t count, room;
};

/* ---- loading ---- */

struct opening {
    int dirfd; /* -1: not a directory */
    const void *archive;
    size_t archive_len;
    const struct cf_chart_file *files;
    size_t file_count;
};

static void copy_files(struct cf_run *run, const struct opening *from, struct cf_files *files)
{
    for (size_t i = 0; i < from->file_count; i++)
        cf_files_add(run, files, cf_run_strdup(run, from->files[i].path),
                     cf_run_copy(run, from->files[i].data, from->files[i].len), from->files[i].len);
}

static int open_chart(const struct opening *from, struct cf_chart **ret_chart, struct cf_error *err)
{
    struct cf_chart *chart = calloc(1, sizeof *chart);
    if (!chart)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_run_init(&chart->run, MEMORY_LIMIT, STEP_LIMIT);
    if (cf_run_enter(&chart->run)) {
        int code = chart->run.err.code;
        if (err)
            *err = chart->run.err;
        cf_chart_free(chart);
        return code;
    }
    struct cf_files *files = cf_run_alloc(&chart->run, sizeof *files);
    if (from->dirfd >= 0)
        cf_chart_read_directory(&chart->run, from->dirfd, files);
    else if (from->archive)
        cf_chart_read_archive(&chart->run, from->archive, from->archive_len, files);
    else
        copy_files(&chart->run, from, files);
    chart->parsed = cf_val_map(&chart->run, 64).dict;
    chart->root = cf_chart_assemble(&chart->run, files, 0);
    *ret_chart = chart;
    return 0;
}

int cf_chart_open(int dirfd, const char *path, struct cf_chart **ret_chart, struct cf_error *err)
{
    struct cf_buf archive cf_autobuf = CF_BUF_INIT;
    struct stat st;
    int fd cf_autoclose = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st))
        return cf_fail_errno(err, errno, "%s", path);
    struct opening from = {.dirfd = S_ISDIR(st.st_mode) ? fd : -1};
    if (!S_ISDIR(st.st_mode)) {
        int r = S_ISREG(st.st_mode) ? cf_read_fd(fd, CF_CHART_MAX_FILE * 2, &archive) : -EINVAL;
        if (r < 0)
            return cf_fail(err, r, "%s: %s", path,
                           r == -EFBIG ? "too large for a chart" : strerror(-r));
        from.archive = archive.data ? archive.data : "";
        from.archive_len = archive.len;
    }
    int r = open_chart(&from, ret_chart, err);
    return r < 0 ? cf_fail_in(err, r, "%s", path) : r;
}

int cf_chart_open_archive(const void *data, size_t len, struct cf_chart **ret_chart,
                          struct cf_error *err)
{
    return open_chart(&(struct opening){.dirfd = -1, .archive = data, .archive_len = len},
                      ret_chart, err);
}

int cf_chart_open_files(const struct cf_chart_file *files, size_t count,
                        struct cf_chart **ret_chart, struct cf_error *err)
{
    return open_chart(&(struct opening){.dirfd = -1, .files = files, .file_count = count},
                      ret_chart, err);
}

void cf_chart_free(struct cf_chart *chart)
{
    if (!chart)
        return;
    cf_run_done(&chart->run);
    free(chart);
}

const char *cf_chart_name(const struct cf_chart *chart)
{
    return chart->root->name;
}

const char *cf_chart_version(const struct cf_chart *chart)
{
    return chart->root->version;
}

/* ---- rendering ---- */

static void add_job(struct cf_run *run, struct jobs *jobs, struct job job)
{
    if (jobs->count == jobs->room) {
        size_t room = jobs->room ? jobs->room * 2 : 64;
        struct job *list = cf_run_alloc_array(run, room, sizeof *list);
        if (jobs->count)
            memcpy(list, jobs->list, jobs->count * sizeof *list);
        jobs->list = list;
        jobs->room = room;
    }
    jobs->list[jobs->count++] = job;
}

/* What Chart.yaml says in kubeVersion. */
static void check_kube_version(struct cf_run *run, const struct cf_subchart *root,
                               struct cf_val capabilities)
{
    const struct cf_val *wanted = cf_dict_get_str(root->metadata.dict, "KubeVersion");
    const struct cf_val *kube = cf_dict_get_str(capabilities.dict, "KubeVersion");
    const char *have = cf_dict_get_str(kube->dict, "Version")->str;
    struct cf_version version;
    if (!wanted || wanted->kind != CF_STRING || !wanted->len)
        return;
    if (!cf_version_parse(run, have, strlen(have), &version) ||
        cf_version_matches(run, wanted->str, wanted->len, &version) <= 0)
        cf_run_throw(run, -EINVAL,
                     "chart requires kubeVersion: %s which is incompatible with Kubernetes %s",
                     wanted->str, have);
}

/* The data of a chart's templates; subcharts see theirs alone. */
static struct cf_val collect(struct cf_run *run, const struct cf_subchart *chart,
                             struct cf_val vals, struct cf_val release, struct cf_val capabilities,
                             struct jobs *jobs)
{
    struct cf_val data = cf_val_map(run, 8), subcharts = cf_val_map(run, 0);
    struct cf_val metadata = cf_val_deep_copy(run, chart->metadata);
    if (vals.kind != CF_MAP)
        vals = cf_val_map(run, 0);
    vals.type = CF_T_VALUES;
    cf_dict_set_str(run, metadata.dict, "IsRoot", cf_val_bool(!chart->parent));
    cf_dict_set_str(run, data.dict, "Chart", metadata);
    cf_dict_set_str(run, data.dict, "Files",
                    (struct cf_val){.kind = CF_FILES, .files = &chart->files});
    cf_dict_set_str(run, data.dict, "Release", release);
    cf_dict_set_str(run, data.dict, "Capabilities", capabilities);
    cf_dict_set_str(run, data.dict, "Values", vals);
    for (size_t i = 0; i < chart->chart_count; i++) {
        const struct cf_val *inner = cf_dict_get_str(vals.dict, chart->charts[i]->name);
        cf_dict_set_str(run, subcharts.dict, chart->charts[i]->name,
                        collect(run, chart->charts[i], inner ? *inner : CF_NIL_VAL, release,
                                capabilities, jobs));
    }
    cf_dict_set_str(run, data.dict, "Subcharts", subcharts);
    for (size_t i = 0; i < chart->templates.count; i++) {
        const struct cf_chart_file *f = &chart->templates.list[i];
        const char *slash = strrchr(f->path, '/');
        if (chart->library && slash[1] != '_')
            continue;
        add_job(
            run, jobs,
            (struct job){cf_run_format(run, "%s/%s", chart->path, f->path), chart, f, data, NULL});
    }
    return data;
}

static size_t depth_of(const char *name)
{
    size_t depth = 0;
    for (; *name; name++)
        depth += *name == '/';
    return depth;
}

/* Deeper ones first, so that a parent's definitions replace a subchart's; names backwards. */
static int compare_jobs(const void *left, const void *right)
{
    const struct job *a = left, *b = right;
    size_t x = depth_of(a->name), y = depth_of(b->name);
    return x != y ? (x > y ? -1 : 1) : strcmp(b->name, a->name);
}

static int compare_files(const void *left, const void *right)
{
    const struct cf_rendered *a = left, *b = right;
    return strcmp(a->file.name, b->file.name);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), size = strlen(end);
    return len >= size && !strcmp(text + len - size, end);
}

static void execute(struct cf_engine *engine, const struct job *job, struct cf_rendered *ret_file)
{
    struct cf_run *run = engine->run;
    struct cf_val template = cf_val_map(run, 2);
    struct cf_text out;
    cf_dict_set_str(run, template.dict, "Name", cf_val_cstr(job->name));
    cf_dict_set_str(run, template.dict, "BasePath",
                    cf_val_cstr(cf_run_format(run, "%s/templates", job->chart->path)));
    cf_dict_set_str(run, job->data.dict, "Template", template);
    cf_text_init(&out, run);
    ret_file->lines.tree = job->tree;
    engine->lines = &ret_file->lines;
    cf_exec_template(engine, job->tree, job->data, &out);
    struct cf_val text = cf_without_no_value(run, &out);
    ret_file->file = (struct cf_rendered_file){job->name, job->chart->name, text.str, text.len};
}

/* Parses a template once in the chart's life. What that throws is thrown on in the rendering. */
static const struct cf_dict *parsed(struct cf_run *run, struct cf_chart *chart,
                                    const struct job *job)
{
    const struct cf_val *known = cf_dict_get_str(chart->parsed, job->name);
    if (known)
        return known->pointer;
    struct cf_run *own = &chart->run;
    own->steps = own->next_look = 0;
    own->deadline = 0;
    if (cf_run_enter(own))
        cf_run_throw(run, own->err.code, "%s", own->err.text);
    const char *name = cf_run_strdup(own, job->name);
    struct cf_dict *trees = cf_template_parse_file(own, name, job->file->data, job->file->len);
    cf_dict_set_str(own, chart->parsed, name,
                    (struct cf_val){.kind = CF_POINTER, .pointer = trees});
    return trees;
}

static void run_jobs(struct cf_rendering *r, struct cf_chart *chart, struct cf_engine *engine,
                     struct jobs *jobs)
{
    struct cf_run *run = &r->run;
    struct cf_template_set *set = cf_run_alloc(run, sizeof *set);
    cf_template_set_init(set, run);
    qsort(jobs->list, jobs->count, sizeof *jobs->list, compare_jobs);
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = &jobs->list[i];
        const struct cf_dict *trees = parsed(run, chart, job);
        cf_template_publish(run, set, trees);
        job->tree = cf_dict_get_str(trees, job->name)->pointer;
    }
    engine->set = set;
    r->files = cf_run_alloc_array(run, jobs->count + 1, sizeof *r->files);
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->list[i];
        if (strrchr(job->name, '/')[1] == '_' || ends_with(job->name, "NOTES.txt"))
            continue;
        execute(engine, job, &r->files[r->count]);
        r->count++;
    }
    qsort(r->files, r->count, sizeof *r->files, compare_files);
}

static void collect_crds(struct cf_rendering *r, const struct cf_subchart *chart, size_t *count)
{
    for (size_t i = 0; i < chart->files.count; i++) {
        const struct cf_chart_file *f = &chart->files.list[i];
        if (strncmp(f->path, "crds/", 5) ||
            !(ends_with(f->path, ".yaml") || ends_with(f->path, ".yml") ||
              ends_with(f->path, ".json")))
            continue;
        if (r->crds)
            r->crds[*count] = (struct cf_rendered_file){
                cf_run_format(&r->run, "%s/%s", chart->path, f->path), chart->name,
                cf_run_copy(&r->run, f->data, f->len), f->len};
        ++*count;
    }
    for (size_t i = 0; i < chart->chart_count; i++)
        collect_crds(r, chart->charts[i], count);
}

static void render(struct cf_rendering *r, struct cf_chart *chart,
                   const struct cf_render_options *options)
{
    struct cf_run *run = &r->run;
    struct cf_engine *engine = cf_run_alloc(run, sizeof *engine);
    struct jobs jobs = {0};
    size_t count = 0;
    *engine = (struct cf_engine){.run = run,
                                 .now = options->now ? options->now : (int64_t)time(NULL),
                                 .random = options->seed};
    struct cf_val vals = cf_values_read(run, options->values, options->value_count);
    struct cf_subchart *root = cf_chart_prepare(run, chart->root, vals);
    vals = cf_chart_coalesce(run, root, vals);
    if (!options->skip_schema)
        cf_schema_check(run, root, vals);
    if (root->library)
        cf_run_throw(run, -EINVAL, "library charts are not installable");
    struct cf_val capabilities = cf_render_capabilities(run, options);
    check_kube_version(run, root, capabilities);
    (void)collect(run, root, vals, cf_render_release(run, options), capabilities, &jobs);
    run_jobs(r, chart, engine, &jobs);
    collect_crds(r, root, &count);
    r->crd_count = count;
    r->crds = cf_run_alloc_array(run, count + 1, sizeof *r->crds);
    count = 0;
    collect_crds(r, root, &count);
}

int cf_chart_render(struct cf_chart *chart, const struct cf_render_options *options,
                    struct cf_rendering **ret_rendering, struct cf_error *err)
{
    struct cf_rendering *r = calloc(1, sizeof *r);
    if (!r)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_run_init(&r->run, options->memory_limit ? options->memory_limit : MEMORY_LIMIT,
                options->step_limit ? options->step_limit : STEP_LIMIT);
    if (cf_run_enter(&r->run)) {
        int code = r->run.err.code;
        if (err)
            *err = r->run.err;
        cf_rendering_free(r);
        return code;
    }
    render(r, chart, options);
    *ret_rendering = r;
    return 0;
}

void cf_rendering_free(struct cf_rendering *rendering)
{
    if (!rendering)
        return;
    cf_run_done(&rendering->run);
    free(rendering);
}

const struct cf_rendered_file *cf_rendering_file(const struct cf_rendering *rendering, size_t index)
{
    return index < rendering->count ? &rendering->files[index].file : NULL;
}

const struct cf_rendered_file *cf_rendering_crd(const struct cf_rendering *rendering, size_t index)
{
    return index < rendering->crd_count ? &rendering->crds[index] : NULL;
}

size_t cf_rendering_line(const struct cf_rendering *rendering, size_t index, size_t line)
{
    return index < rendering->count ? cf_line_map_find(&rendering->files[index].lines, line) : 1;
}

/* The first text that covers the line, or whatever wrote there. */
size_t cf_line_map_find(const struct cf_line_map *map, size_t line)
{
    size_t before = 0, best;
    unsigned at, column;
    if (!map->count)
        return 1;
    while (before < map->count && map->marks[before].line < line)
        before++;
    best = before;
    if (before) { /* a text that goes on into the line begins it */
        const struct cf_line_mark *m = &map->marks[before - 1];
        bool goes_on = before == map->count || map->marks[before].line >= line;
        if (goes_on && (m->text || before == map->count || map->marks[before].line > line))
            best = before - 1;
    }
    if (best == map->count)
        best--;
    const struct cf_line_mark *m = &map->marks[best];
    cf_tree_place(map->tree, m->pos, &at, &column);
    return m->text && line > m->line ? at + (line - m->line) : at;
}
