/* SPDX-License-Identifier: Apache-2.0 */
/* Charts: rendered, and what they render to is read like manifests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/chart.h>

#include "scan_private.h"

#define CHART_MAX (64u << 20) /* bytes of an archive, or of one file */
#define FILES_MAX 20000u

struct charting {
    struct cf_rootfs *rootfs;
    struct findings *findings;
    const char *path; /* of the chart, in the rootfs */
    const char *kube_version;
    bool helm;
    struct cf_chart *chart;      /* not with helm */
    struct cf_chart_file *files; /* of a directory; paths and data are ours */
    size_t file_count;
    struct cf_buf archive; /* with helm */
    struct cf_error *err;
};

static int no_memory(struct charting *c)
{
    return cf_fail(c->err, -ENOMEM, "out of memory");
}

static void charting_done(struct charting *c)
{
    for (size_t i = 0; i < c->file_count; i++) {
        free((void *)(uintptr_t)c->files[i].path);
        free((void *)(uintptr_t)c->files[i].data);
    }
    free(c->files);
    cf_buf_done(&c->archive);
    cf_chart_free(c->chart);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The chart's own message, and the way out. */
static int warn(struct charting *c, const struct cf_error *why)
{
    const char *name = base_name(c->path);
    if (cf_findings_file(c->findings, c->path) < 0 ||
        cf_findings_warn(
            c->findings, 0,
            "%s (values for it: charts/%s.values.yaml; --ignore-chart %s leaves it out)",
            why->text[0] ? why->text : "this chart cannot be read", name, name) < 0)
        return no_memory(c);
    return 0;
}

/* ---- reading ---- */

static int add_file(const struct cf_rootfs_entry *entry, void *context)
{
    struct charting *c = context;
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct cf_chart_file *list;

    if (!S_ISREG(entry->mode))
        return 0;
    if (c->file_count == FILES_MAX)
        return cf_fail(c->err, -EFBIG, "the chart has more than %u files", FILES_MAX);
    if ((c->file_count & (c->file_count - 1)) == 0) {
        size_t room = c->file_count ? 2 * c->file_count : 1;
        list = reallocarray(c->files, room, sizeof(*list));
        if (!list)
            return no_memory(c);
        c->files = list;
    }
    int r = cf_rootfs_read(c->rootfs, entry->path, CHART_MAX, &data, c->err);
    if (r < 0)
        return r;
    const size_t len = data.len;
    char *path = strdup(entry->path + strlen(c->path) + 1);
    char *bytes = len ? cf_buf_take(&data) : strdup("");
    if (!path || !bytes) {
        free(path);
        free(bytes);
        return no_memory(c);
    }
    c->files[c->file_count++] = (struct cf_chart_file){path, bytes, len};
    return 0;
}

static int open_chart(struct charting *c, bool is_dir)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    int r;

    if (is_dir) {
        r = cf_rootfs_walk(c->rootfs, c->path, add_file, c, c->err);
        return r < 0 || c->helm ? r
                                : cf_chart_open_files(c->files, c->file_count, &c->chart, c->err);
    }
    r = cf_rootfs_read(c->rootfs, c->path, CHART_MAX, c->helm ? &c->archive : &data, c->err);
    return r < 0 || c->helm ? r : cf_chart_open_archive(data.data, data.len, &c->chart, c->err);
}

/* ---- rendering ---- */

struct line_map {
    const struct cf_rendering *rendering;
    size_t index;
};

static size_t template_line(const void *context, size_t line)
{
    const struct line_map *map = context;
    return cf_rendering_line(map->rendering, map->index, line);
}

static int read_file(struct charting *c, const struct cf_rendering *rendering, size_t index,
                     const struct cf_rendered_file *file)
{
    const struct finder_options finder = {.findings = c->findings, .kind = CF_SCAN_CHART};
    const struct text_options text = {.data = file->text, .len = file->len};
    const struct line_map map = {rendering, index};
    const char *inside = strchr(file->name, '/'); /* its first part is the chart's own name */
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_error own = {0};

    if (cf_buf_printf(&path, "%s%s", c->path, inside ? inside : "") < 0 ||
        cf_findings_file(c->findings, path.data) < 0)
        return no_memory(c);
    cf_findings_map(c->findings, template_line, &map);
    int r = cf_scan_text(&finder, &text, &own);
    cf_findings_map(c->findings, NULL, NULL);
    if (r == -ENOMEM || (r < 0 && cf_findings_warn(c->findings, 0, "%s", own.text) < 0))
        return no_memory(c);
    return 0;
}

/* Lines of what helm prints lead nowhere: the template as a whole is the place. */
static size_t no_line(const void *context, size_t line)
{
    (void)context;
    (void)line;
    return 0;
}

/* One piece of what helm prints, from its "# Source: chart/templates/x.yaml" on. */
static int read_piece(struct charting *c, const char *text, size_t len)
{
    static const char source[] = "# Source: ";
    const struct finder_options finder = {.findings = c->findings, .kind = CF_SCAN_CHART};
    const struct text_options options = {.data = text, .len = len};
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_error own = {0};
    const char *name = memmem(text, len, source, sizeof source - 1);
    const char *slash = name ? memchr(name, '/', len - (size_t)(name - text)) : NULL;
    const char *end = slash ? memchr(slash, '\n', len - (size_t)(slash - text)) : NULL;

    if (cf_buf_printf(&path, "%s%.*s", c->path, end ? (int)(end - slash) : 0, end ? slash : "") <
            0 ||
        cf_findings_file(c->findings, path.data) < 0)
        return no_memory(c);
    cf_findings_map(c->findings, no_line, NULL);
    int r = cf_scan_text(&finder, &options, &own);
    cf_findings_map(c->findings, NULL, NULL);
    if (r == -ENOMEM || (r < 0 && cf_findings_warn(c->findings, 0, "%s", own.text) < 0))
        return no_memory(c);
    return 0;
}

static int render_by_helm(struct charting *c, const struct cf_render_options *render)
{
    static const char mark[] = "\n---\n";
    const struct cf_helm_options options = {.render = *render};
    struct cf_chart_file archive = {"chart.tgz", c->archive.data, c->archive.len};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_error own = {0};
    int r = c->archive.len ? cf_chart_helm(NULL, &archive, 1, &options, &text, &own)
                           : cf_chart_helm(NULL, c->files, c->file_count, &options, &text, &own);

    if (r == -ENOENT)
        return cf_fail(c->err, r, "%s", own.text);
    if (r < 0)
        return r == -ENOMEM ? no_memory(c) : warn(c, &own);
    for (size_t at = 0; r == 0 && at < text.len;) {
        const char *next = memmem(text.data + at, text.len - at, mark, sizeof mark - 1);
        size_t end = next ? (size_t)(next - text.data) + 1 : text.len;
        r = read_piece(c, text.data + at, end - at);
        at = end + (next ? sizeof mark - 2 : 0);
    }
    return r;
}

/* values NULL: the chart's own. */
static int render(struct charting *c, const struct cf_chart_values *values)
{
    struct cf_rendering *rendering cf_cleanup(cf_rendering_free_ptr) = NULL;
    const struct cf_rendered_file *file;
    const struct cf_render_options options = {.kube_version = c->kube_version,
                                              .values = values,
                                              .value_count = values != NULL,
                                              .now = 1,
                                              .seed = 1}; /* the same each time */
    struct cf_error own = {0};
    if (c->helm)
        return render_by_helm(c, &options);
    int r = cf_chart_render(c->chart, &options, &rendering, &own);

    if (r < 0)
        return r == -ENOMEM ? no_memory(c) : warn(c, &own);
    for (size_t i = 0; r == 0 && (file = cf_rendering_file(rendering, i)) != NULL; i++)
        r = read_file(c, rendering, i, file);
    return r;
}

struct values_search {
    struct charting *charting;
    char *prefix; /* "charts/web." */
    size_t found;
};

/* charts/NAME.values.yaml and charts/NAME.x.values.yaml: each is an installation of its own. */
static int try_values(const struct cf_rootfs_entry *entry, void *context)
{
    static const char suffix[] = "values.yaml";
    struct values_search *search = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    size_t len = strlen(entry->path), prefix = strlen(search->prefix);

    if (S_ISDIR(entry->mode))
        return CF_ROOTFS_SKIP;
    if (!S_ISREG(entry->mode) || strncmp(entry->path, search->prefix, prefix) != 0 ||
        len < prefix + sizeof(suffix) - 1 ||
        strcmp(entry->path + len - (sizeof(suffix) - 1), suffix) != 0)
        return 0;
    int r = cf_rootfs_read(search->charting->rootfs, entry->path, CHART_MAX, &text,
                           search->charting->err);
    if (r < 0)
        return r;
    const struct cf_chart_values values = {CF_VALUES_FILE, entry->path, text.data ? text.data : "",
                                           text.len};
    search->found++;
    return render(search->charting, &values);
}

static int render_all(struct charting *c)
{
    struct values_search search = {.charting = c};
    size_t above = (size_t)(base_name(c->path) - c->path);
    char *dir cf_autofree = strndup(c->path, above ? above - 1 : 0);

    if (!dir || asprintf(&search.prefix, "%s.", c->path) < 0)
        return no_memory(c);
    int r = cf_rootfs_walk(c->rootfs, dir, try_values, &search, c->err);
    free(search.prefix);
    return r == 0 && !search.found ? render(c, NULL) : r;
}

int cf_scan_chart(struct cf_rootfs *rootfs, struct findings *findings,
                  const struct chart_options *options, struct cf_error *err)
{
    struct cf_error own = {0};
    struct charting c cf_cleanup(charting_done) = {.rootfs = rootfs,
                                                   .findings = findings,
                                                   .path = options->path,
                                                   .kube_version = options->kube_version,
                                                   .helm = options->helm,
                                                   .err = &own};
    int r = open_chart(&c, options->is_dir);

    if (r < 0 && r != -ENOMEM)
        return warn(&c, &own) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
    c.err = err;
    return r < 0 ? cf_fail(err, r, "out of memory") : render_all(&c);
}
