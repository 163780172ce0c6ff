/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/chart.h>
#include <cloudfs/io.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_VALUES = 64 << 20 };

struct template_options {
    struct cli_list files, sets, strings, jsons, api_versions;
    const char *name, *other_name, *name_space, *kube_version, *output, *seed, *bench;
    bool crds, no_hooks, skip_schema, is_upgrade, helm;
    struct cf_buf *texts; /* of the files */
    struct cf_chart_values *values;
};

static void options_done(struct template_options *o)
{
    for (size_t i = 0; o->texts && i < o->files.count; i++)
        cf_buf_done(&o->texts[i]);
    free(o->texts);
    free(o->values);
    cli_list_done(&o->files);
    cli_list_done(&o->sets);
    cli_list_done(&o->strings);
    cli_list_done(&o->jsons);
    cli_list_done(&o->api_versions);
}

static size_t add_sets(struct template_options *o, size_t count, const struct cli_list *list,
                       enum cf_value_kind kind)
{
    for (size_t i = 0; i < list->count; i++)
        o->values[count++] =
            (struct cf_chart_values){kind, NULL, list->items[i], strlen(list->items[i])};
    return count;
}

/* All of the user's values, in Helm's order: --values, --set-json, --set, --set-string. */
static int read_values(struct template_options *o, size_t *ret_count, struct cf_error *err)
{
    size_t count = 0;
    o->texts = calloc(o->files.count + 1, sizeof *o->texts);
    o->values = calloc(o->files.count + o->sets.count + o->strings.count + o->jsons.count + 1,
                       sizeof *o->values);
    if (!o->texts || !o->values)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < o->files.count; i++) {
        const char *path = o->files.items[i];
        int r = strcmp(path, "-") ? cf_read_file(AT_FDCWD, path, MAX_VALUES, &o->texts[i])
                                  : cf_read_fd(STDIN_FILENO, MAX_VALUES, &o->texts[i]);
        if (r < 0)
            return cf_fail_errno(err, -r, "%s", path);
        o->values[count++] = (struct cf_chart_values){
            CF_VALUES_FILE, path, o->texts[i].data ? o->texts[i].data : "", o->texts[i].len};
    }
    count = add_sets(o, count, &o->jsons, CF_VALUES_JSON);
    count = add_sets(o, count, &o->sets, CF_VALUES_SET);
    *ret_count = add_sets(o, count, &o->strings, CF_VALUES_STRING);
    return 0;
}

/* One file a template below dir. */
static int write_files(const char *dir, const struct cf_rendering *rendering, struct cf_error *err)
{
    const struct cf_rendered_file *f;
    int r = cf_mkdir_path(AT_FDCWD, dir, 0777);
    if (r < 0 && r != -EEXIST)
        return cf_fail_errno(err, -r, "%s", dir);
    int dirfd cf_autoclose = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return cf_fail_errno(err, errno, "%s", dir);
    for (size_t i = 0; (f = cf_rendering_file(rendering, i)); i++) {
        char *parent cf_autofree = strdup(f->name);
        if (!parent)
            return cf_fail(err, -ENOMEM, "out of memory");
        *strrchr(parent, '/') = 0;
        r = cf_mkdir_path(dirfd, parent, 0777);
        int fd cf_autoclose =
            r < 0 && r != -EEXIST
                ? r
                : cf_open_beneath(dirfd, f->name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (fd >= 0)
            r = cf_write_full(fd, f->text, f->len);
        if (fd < 0 || r < 0)
            return cf_fail_errno(err, fd < 0 ? -fd : -r, "%s/%s", dir, f->name);
    }
    return 0;
}

static int put_json(const struct cf_rendering *rendering, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_array();
    const struct cf_rendered_file *f;
    for (size_t i = 0; (f = cf_rendering_file(rendering, i)); i++) {
        struct cf_json *one = cf_json_object();
        (void)cf_json_set_string(one, "Name", f->name);
        (void)cf_json_set_string(one, "Chart", f->chart);
        (void)cf_json_set_string(one, "Text", f->text);
        if (cf_json_append(json, one) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
    }
    return cli_put_json(json, err);
}

static int put_manifests(const struct template_options *o, const struct cf_rendering *rendering,
                         struct cf_error *err)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    int r = cf_rendering_print(rendering, o->crds, !o->no_hooks, &buf, err);
    if (!r && buf.len)
        (void)fwrite(buf.data, 1, buf.len, stdout);
    return r;
}

static int put_helm(const struct template_options *o, const char *path,
                    const struct cf_render_options *options, struct cf_error *err)
{
    const struct cf_helm_options helm = {*options, o->crds, o->no_hooks};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_chart_helm(path, NULL, 0, &helm, &text, err);
    if (!r && text.len)
        (void)fwrite(text.data, 1, text.len, stdout);
    return r < 0 && r != -ENOENT ? cf_fail_in(err, r, "%s", path) : r;
}

/* --bench N: how many times a second the chart renders. */
static int measure(struct cf_chart *chart, const struct cf_render_options *options,
                   const char *text, struct cf_error *err)
{
    struct timespec start, end;
    long count = strtol(text, NULL, 10);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < count; i++) {
        struct cf_rendering *rendering cf_cleanup(cf_rendering_free_ptr) = NULL;
        int r = cf_chart_render(chart, options, &rendering, err);
        if (r < 0)
            return r;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%ld renderings, %.0f a second\n", count, seconds > 0 ? (double)count / seconds : 0);
    return 0;
}

static int run_template(struct cli *cli, const char *path, struct template_options *o,
                        struct cf_error *err)
{
    struct cf_chart *chart cf_cleanup(cf_chart_free_ptr) = NULL;
    struct cf_rendering *rendering cf_cleanup(cf_rendering_free_ptr) = NULL;
    size_t count = 0;
    int r = read_values(o, &count, err);
    if (!r && !o->helm)
        r = cf_chart_open(AT_FDCWD, path, &chart, err);
    if (r < 0)
        return r;
    struct cf_render_options options = {
        .release_name = o->name ? o->name : o->other_name,
        .name_space = o->name_space,
        .kube_version = o->kube_version,
        .values = o->values,
        .value_count = count,
        .api_versions = o->api_versions.items,
        .api_version_count = o->api_versions.count,
        .is_upgrade = o->is_upgrade,
        .skip_schema = o->skip_schema,
        .seed = o->seed ? strtoull(o->seed, NULL, 0) : 0,
    };
    if (o->helm)
        return put_helm(o, path, &options, err);
    if (o->bench)
        return measure(chart, &options, o->bench, err);
    r = cf_chart_render(chart, &options, &rendering, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s", path);
    return o->output   ? write_files(o->output, rendering, err)
           : cli->json ? put_json(rendering, err)
                       : put_manifests(o, rendering, err);
}

int cli_chart(struct cli *cli, int argc, char **argv)
{
    struct template_options o = {0};
    const struct cli_option options[] = {
        {'f', "values", "FILE", CLI_LIST, &o.files,
         "a YAML file of values (repeatable; later ones win)"},
        {0, "set", "K=V", CLI_LIST, &o.sets, "a value: a.b=c,d[0]=e (repeatable)"},
        {0, "set-string", "K=V", CLI_LIST, &o.strings, "the same, always a string"},
        {0, "set-json", "K=JSON", CLI_LIST, &o.jsons, "the same, of JSON"},
        {0, "name", "NAME", CLI_STRING, &o.name, "the release's name (release-name)"},
        {0, "release-name", "NAME", CLI_STRING, &o.other_name, "the same"},
        {'n', "namespace", "NAME", CLI_STRING, &o.name_space, "the release's namespace (default)"},
        {0, "kube-version", "VERSION", CLI_STRING, &o.kube_version, "of Kubernetes (v1.30.0)"},
        {'a', "api-versions", "VERSION", CLI_LIST, &o.api_versions,
         "a further API version (repeatable)"},
        {0, "include-crds", NULL, CLI_FLAG, &o.crds, "print what is in crds/ too"},
        {0, "no-hooks", NULL, CLI_FLAG, &o.no_hooks, "leave hooks out"},
        {0, "is-upgrade", NULL, CLI_FLAG, &o.is_upgrade, "set .Release.IsUpgrade"},
        {0, "skip-schema-validation", NULL, CLI_FLAG, &o.skip_schema,
         "do not look at values.schema.json"},
        {'o', "output-dir", "DIR", CLI_STRING, &o.output, "write one file a template, unsorted"},
        {0, "seed", "N", CLI_STRING, &o.seed, "make random text the same each time"},
        {0, "bench", "N", CLI_STRING, &o.bench, "render N times, tell how fast"},
        {0, "helm", NULL, CLI_FLAG, &o.helm, "let the helm on PATH do it"},
        {0},
    };
    struct cf_error err = {0};
    int status = cli_parse(cli, options, &argc, &argv, 2, 3);
    if (status < 0 && strcmp(argv[0], "template"))
        status = cli_usage_error(cli, "unknown action '%s'", argv[0]);
    if (status < 0 && o.helm && (o.output || o.seed || o.bench || cli->json))
        status = cli_usage_error(
            cli, "--helm prints what helm prints: it goes without --output-dir, --seed, --bench "
                 "and --json");
    if (status < 0) {
        const char *path = argv[argc - 1]; /* `chart template NAME DIR`, as helm has it, too */
        if (argc == 3)
            o.name = argv[1];
        status = run_template(cli, path, &o, &err) < 0 ? cli_failed(&err) : CLI_OK;
        status = cli_finish(status);
    }
    options_done(&o);
    return status;
}
