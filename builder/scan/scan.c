/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a rootfs that refer to images, one after the other. */
#include <cloudfs/scan.h>

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/json.h>

#include "lists.h"
#include "state.h"

#define AT_ONCE (4u << 20) /* larger files are read as a stream */
#define LIST_MAX (16u << 20)
#define TEMPLATE_MAX (64u << 20)

struct scan {
    struct cf_store *store;
    struct cf_rootfs *rootfs;
    const struct cf_scan_options *options;
    struct findings *findings;
    struct cf_buf text; /* of the file at hand */
    struct ignores ignores;
    char *kube_version; /* heap or NULL */
    struct cf_error *err;
};

const char *cf_scan_kind_name(enum cf_scan_kind kind)
{
    static const char *const names[] = {
        [CF_SCAN_IMAGE] = "image", [CF_SCAN_EMBEDDED] = "embedded", [CF_SCAN_LIST] = "list",
        [CF_SCAN_CHART] = "chart", [CF_SCAN_TAR] = "tar",
    };
    return names[kind];
}

const char *cf_scan_state_name(enum cf_scan_state state)
{
    return state == CF_SCAN_CACHED ? "cached" : state == CF_SCAN_MISSING ? "missing" : "in images/";
}

static int no_memory(struct scan *scan)
{
    return cf_fail(scan->err, -ENOMEM, "out of memory");
}

static ssize_t read_fd(void *context, void *data, size_t len, struct cf_error *err)
{
    ssize_t n = cf_read_full(*(int *)context, data, len);
    return n < 0 ? cf_fail_errno(err, (int)-n, "cannot read it") : n;
}

/* A file that cannot be read is a warning: the others are looked at all the same. */
static int warn_file(struct scan *scan, const char *path, const struct cf_error *why)
{
    (void)path;
    return cf_findings_warn(scan->findings, 0, "%s", why->text) < 0 ? no_memory(scan) : 0;
}

static int scan_text(struct scan *scan, const struct text_options *text, struct cf_error *own)
{
    struct finder_options finder = {.findings = scan->findings, .kind = CF_SCAN_IMAGE};
    return cf_scan_text(&finder, text, own);
}

static int scan_manifest(struct scan *scan, const char *path, bool is_template)
{
    struct cf_rootfs_file file;
    struct cf_error own = {0};
    struct text_options text = {.is_template = is_template};
    int r = cf_rootfs_open_file(scan->rootfs, path, &file, &own);

    if (cf_findings_file(scan->findings, path) < 0)
        return no_memory(scan);
    if (r == -ENOENT)
        (void)cf_fail(&own, r, "is a symlink to nothing in the rootfs");
    if (r < 0)
        return warn_file(scan, path, &own);
    int fd cf_autoclose = file.fd;
    text.data = file.data;
    text.len = (size_t)file.size;
    if (fd >= 0 && file.size <= (is_template ? TEMPLATE_MAX : AT_ONCE)) {
        cf_buf_clear(&scan->text);
        r = cf_read_fd(fd, TEMPLATE_MAX, &scan->text);
        if (r < 0)
            (void)cf_fail_errno(&own, -r, "cannot be read");
        text.data = scan->text.data ? scan->text.data : "";
        text.len = scan->text.len;
    } else if (fd >= 0) {
        text.source = read_fd;
        text.source_context = &fd;
    }
    if (r == 0)
        r = scan_text(scan, &text, &own);
    return r == -ENOMEM ? no_memory(scan) : r < 0 ? warn_file(scan, path, &own) : 0;
}

static int read_small(struct scan *scan, const char *path, bool *ret_read)
{
    struct cf_error own = {0};

    cf_buf_clear(&scan->text);
    int r = cf_rootfs_read(scan->rootfs, path, LIST_MAX, &scan->text, &own);
    *ret_read = r == 0;
    if (r == -ENOENT)
        return 0;
    if (cf_findings_file(scan->findings, path) < 0)
        return no_memory(scan);
    return r < 0 ? warn_file(scan, path, &own) : 0;
}

static int scan_list(struct scan *scan, const char *path)
{
    bool have = false;
    int r = read_small(scan, path, &have);

    if (r == 0 && have && cf_scan_list(scan->findings, scan->text.data, scan->text.len) < 0)
        return no_memory(scan);
    return r;
}

static int add_auth_image(struct scan *scan, const struct cf_auth_entry *entry, size_t i)
{
    struct cf_reference reference;
    struct cf_error own = {0};
    size_t line = entry->images[i].line;

    if (cf_auth_list_reference(entry, entry->images[i].text, &reference, &own) < 0)
        return cf_findings_warn(scan->findings, line, "%s", own.text);
    return cf_findings_add(scan->findings, &reference, line, CF_SCAN_LIST);
}

static int scan_auth_list(struct scan *scan, const char *path)
{
    struct cf_auth_list list = {0};
    struct cf_error own = {0};
    bool have = false;
    int r = read_small(scan, path, &have);

    if (r < 0 || !have)
        return r;
    r = cf_auth_list_parse(scan->text.data, scan->text.len, &list, &own);
    explicit_bzero(scan->text.data, scan->text.len);
    if (r < 0)
        return r == -ENOMEM ? no_memory(scan) : warn_file(scan, path, &own);
    for (size_t i = 0; i < list.count && r == 0; i++)
        for (size_t k = 0; k < list.entries[i].image_count && r == 0; k++)
            r = add_auth_image(scan, &list.entries[i], k);
    cf_auth_list_done(&list);
    return r < 0 ? no_memory(scan) : 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);

    return n > m && !strcasecmp(name + n - m, suffix);
}

static int visit_manifest(const struct cf_rootfs_entry *entry, void *context)
{
    struct scan *scan = context;
    bool is_template = has_suffix(entry->name, ".tmpl");

    if (!S_ISREG(entry->mode) && !S_ISLNK(entry->mode))
        return 0;
    if (!strcmp(entry->name, "imageList"))
        return scan_list(scan, entry->path);
    if (!strcmp(entry->name, "imageListWithAuth.yaml"))
        return scan_auth_list(scan, entry->path);
    if (scan->options->only_list)
        return 0;
    if (is_template || has_suffix(entry->name, ".yaml") || has_suffix(entry->name, ".yml") ||
        has_suffix(entry->name, ".json"))
        return scan_manifest(scan, entry->path, is_template);
    return 0;
}

static bool is_ignored_chart(const struct scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->options->ignore_chart_count; i++)
        if (!strcmp(scan->options->ignore_charts[i], name))
            return true;
    return false;
}

static int visit_chart(const struct cf_rootfs_entry *entry, void *context)
{
    struct scan *scan = context;
    char path[4096];
    bool chart = S_ISREG(entry->mode) &&
                 (has_suffix(entry->name, ".tgz") || has_suffix(entry->name, ".tar.gz"));

    if (S_ISDIR(entry->mode)) {
        snprintf(path, sizeof(path), "%s/Chart.yaml", entry->path);
        chart = cf_rootfs_has(scan->rootfs, path);
    }
    if (!chart)
        return 0;
    if (is_ignored_chart(scan, entry->name))
        return S_ISDIR(entry->mode) ? CF_ROOTFS_SKIP : 0;
    const struct chart_options options = {entry->path, S_ISDIR(entry->mode), scan->kube_version,
                                          scan->options->helm};
    int r = cf_scan_chart(scan->rootfs, scan->findings, &options, scan->err);
    if (r < 0)
        return r;
    return S_ISDIR(entry->mode) ? CF_ROOTFS_SKIP : 0;
}

/* The version of the cluster, as Metadata has it: what charts may ask for. */
static void read_kube_version(struct scan *scan)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;

    if (cf_rootfs_read(scan->rootfs, "Metadata", 65536, &text, NULL) < 0 || !text.data ||
        cf_json_parse(text.data, text.len, &json, NULL) < 0)
        return;
    const char *version = cf_json_get_string(json, "version");
    if (version && *version == 'v')
        scan->kube_version = strdup(version);
}

static int read_ignores(struct scan *scan)
{
    bool have = false;
    int r = read_small(scan, "manifests/imageIgnore", &have);

    if (r == 0 && have && cf_ignores_add(&scan->ignores, scan->text.data, scan->text.len) < 0)
        return no_memory(scan);
    for (size_t i = 0; i < scan->options->ignore_count && r == 0; i++)
        if (cf_ignores_add(&scan->ignores, scan->options->ignore[i],
                           strlen(scan->options->ignore[i])) < 0)
            return no_memory(scan);
    return r;
}

/* Leaves out what is ignored, and says what the rootfs has of the rest. */
static void finish(struct scan *scan, struct cf_scan_result *result)
{
    size_t n = 0;

    for (size_t i = 0; i < result->count; i++) {
        struct cf_scanned *image = &result->images[i];
        if (cf_ignores_match(&scan->ignores, image->reference)) {
            free(image->reference);
            free(image->places);
            continue;
        }
        if (cf_registry_has(scan->rootfs, image->reference, image->domain_len, NULL, NULL))
            image->state = CF_SCAN_CACHED;
        else
            for (size_t k = 0; k < image->place_count; k++)
                if (image->places[k].kind == CF_SCAN_TAR)
                    image->state = CF_SCAN_IN_IMAGES;
        result->images[n++] = *image;
    }
    result->count = n;
}

static int scan_all(struct scan *scan)
{
    int r = read_ignores(scan);

    if (r == 0)
        r = cf_rootfs_walk(scan->rootfs, "manifests", visit_manifest, scan, scan->err);
    if (r == 0)
        r = scan_auth_list(scan, "imageListWithAuth.yaml");
    if (r == 0 && !scan->options->only_list)
        read_kube_version(scan);
    if (r == 0 && !scan->options->only_list)
        r = cf_rootfs_walk(scan->rootfs, "charts", visit_chart, scan, scan->err);
    if (r == 0)
        r = cf_scan_archives(scan->store, scan->rootfs, scan->findings, scan->err);
    return r;
}

int cf_scan(struct cf_store *store, struct cf_rootfs *rootfs, const struct cf_scan_options *options,
            struct cf_scan_result *ret_result, struct cf_error *err)
{
    struct findings *findings cf_cleanup(cf_findings_free_ptr) = NULL;
    struct scan scan = {
        .store = store, .rootfs = rootfs, .options = options, .text = CF_BUF_INIT, .err = err};
    int r = cf_findings_new(&findings);

    if (r < 0)
        return no_memory(&scan);
    scan.findings = findings;
    r = scan_all(&scan);
    if (r == 0 && cf_findings_take(findings, ret_result) < 0)
        r = no_memory(&scan);
    if (r == 0)
        finish(&scan, ret_result);
    cf_buf_done(&scan.text);
    cf_ignores_done(&scan.ignores);
    free(scan.kube_version);
    return r;
}

int cf_scan_manifest(const char *name, const void *data, size_t len,
                     struct cf_scan_result *ret_result, struct cf_error *err)
{
    struct findings *findings cf_cleanup(cf_findings_free_ptr) = NULL;
    struct text_options text = {
        .data = data ? data : "", .len = len, .is_template = has_suffix(name, ".tmpl")};
    int r = cf_findings_new(&findings);

    if (r == 0)
        r = cf_findings_file(findings, name);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    struct finder_options finder = {.findings = findings, .kind = CF_SCAN_IMAGE};
    r = cf_scan_text(&finder, &text, err);
    if (r == 0 && cf_findings_take(findings, ret_result) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r;
}
