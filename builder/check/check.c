/* SPDX-License-Identifier: Apache-2.0 */
/* A check: each file goes to those who know its kind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/json.h>
#include <cloudfs/look.h>

#include "internal.h"

struct cf_rootfs *cf_check_whole(struct checking *checking)
{
    if (!checking->whole && !checking->failed) {
        int r = cf_rootfs_open_layers(checking->store, checking->diff_ids, checking->count,
                                      &checking->whole, checking->err);
        if (r < 0)
            checking->failed = r;
    }
    return checking->whole;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && !strcmp(text + len - n, end);
}

static bool is_yaml(const char *name)
{
    return ends_with(name, ".yaml") || ends_with(name, ".yml");
}

/* ---- files by their place ---- */

typedef void check_fn(struct checking *checking, const struct cf_buf *text);
static const struct {
    const char *path;
    check_fn *fn;
} places[] = {
    {"Metadata", cf_check_metadata},
    {"daemon.json", cf_check_daemon},
    {"etc/daemon.json", cf_check_daemon},
    {"etc/docker/daemon.json", cf_check_daemon},
    {"etc/kubeadm.yml", cf_check_kubeadm},
    {"kubeadm.yml", cf_check_kubeadm},
    {"etc/registry_config.yml", cf_check_registry_config},
    {"registry_config.yml", cf_check_registry_config},
    {"etc/registry.yml", cf_check_registry},
    {"etc/Clusterfile", cf_check_clusterfile},
    {"Clusterfile", cf_check_clusterfile},
};

static bool is_unit(const char *path, const struct cf_buf *text)
{
    return ends_with(path, ".service") ||
           (ends_with(path, ".conf") && text->len && strstr(text->data, "[Service]"));
}

/* Who reads a file of that path; *ret_severity: of what does not parse. */
static check_fn *reader_of(const struct cf_rootfs_entry *entry)
{
    for (size_t i = 0; i < CF_COUNT(places); i++)
        if (!strcmp(entry->path, places[i].path))
            return places[i].fn;
    if (!strncmp(entry->path, "plugins/", 8) && is_yaml(entry->name))
        return cf_check_plugin;
    return NULL;
}

/* In these something reads the files; elsewhere they may be anything by that name. */
static enum cf_severity severity_of(const char *path)
{
    static const char *const dirs[] = {"etc/", "manifests/", "statics/", "charts/"};

    for (size_t i = 0; i < CF_COUNT(dirs); i++)
        if (!strncmp(path, dirs[i], strlen(dirs[i])))
            return CF_ERROR;
    return CF_WARNING;
}

/* Charts have templates, and files of all kinds; what else is wrong with them is told where their
 * images are looked for. */
static bool is_for_chart(const struct cf_rootfs_entry *entry)
{
    return !strncmp(entry->path, "charts/", 7) && strcmp(entry->name, "Chart.yaml") != 0 &&
           strcmp(entry->name, "values.yaml") != 0;
}

static void check_text(struct checking *checking, const struct cf_rootfs_entry *entry)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    check_fn *fn = reader_of(entry);
    bool unit = ends_with(entry->name, ".service") || ends_with(entry->name, ".conf");
    bool yaml = is_yaml(entry->name), json = ends_with(entry->name, ".json");

    if ((!fn && !unit && !yaml && !json) || is_for_chart(entry) ||
        entry->size > (fn || unit ? CHECK_TEXT_MAX : CF_EDIT_MAX))
        return;
    int r = cf_rootfs_read(checking->files, entry->path, CF_EDIT_MAX, &text, checking->err);
    if (r < 0) {
        checking->failed = r == -ENOENT ? 0 : r; /* gone meanwhile */
        return;
    }
    if (fn)
        fn(checking, &text);
    else if (unit && is_unit(entry->path, &text))
        cf_check_unit(checking, &text);
    else if (yaml)
        cf_check_yaml(checking, &text, severity_of(entry->path));
    else if (json)
        cf_check_json(checking, &text, severity_of(entry->path));
}

static int visit(const struct cf_rootfs_entry *entry, void *context)
{
    struct checking *checking = context;

    /* The registry has files of its own kind; see cf_check_contents. */
    if (S_ISDIR(entry->mode))
        return strcmp(entry->path, "registry") != 0 ? 0 : CF_ROOTFS_SKIP;
    checking->path = entry->path;
    if (S_ISLNK(entry->mode))
        cf_check_link(checking, entry->path);
    if (S_ISREG(entry->mode) && !ends_with(entry->name, ".tmpl")) {
        check_text(checking, entry);
        cf_check_script(checking, entry);
    }
    return checking->failed;
}

/* ---- results ---- */

static int by_place(const void *a, const void *b)
{
    const struct cf_finding *x = a, *y = b;
    int order = strcmp(x->file, y->file);

    if (order == 0 && x->line != y->line)
        order = x->line < y->line ? -1 : 1;
    return order ? order : strcmp(x->text, y->text);
}

static int finish(struct checking *checking, struct cf_check_result *ret_result)
{
    struct cf_check_result *result = checking->result;

    if (checking->failed) {
        cf_check_result_done(result);
        return checking->failed;
    }
    if (result->count)
        qsort(result->list, result->count, sizeof(*result->list), by_place);
    *ret_result = *result;
    return 0;
}

/* NULL: there is none that can be read. */
static struct cf_json *read_metadata(struct cf_rootfs *rootfs)
{
    struct cf_json *json = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    if (cf_rootfs_read(rootfs, "Metadata", CHECK_TEXT_MAX, &text, NULL) < 0 || !text.len ||
        cf_json_parse(text.data, text.len, &json, NULL) < 0)
        return NULL;
    return json;
}

static const char *word_of(const struct cf_json *metadata, const char *key)
{
    const char *word = cf_json_get_string(metadata, key);
    return word && *word ? word : NULL;
}

int cf_check(struct cf_store *store, struct cf_rootfs *rootfs,
             const struct cf_check_options *options, struct cf_check_result *ret_result,
             struct cf_error *err)
{
    struct cf_check_result result = {0};
    struct cf_json *metadata cf_cleanup(cf_json_free_ptr) = read_metadata(rootfs);
    struct checking checking = {.store = store,
                                .files = rootfs,
                                .whole = rootfs,
                                .options = options,
                                .result = &result,
                                .architecture = options->architecture ? options->architecture
                                                                      : word_of(metadata, "arch"),
                                .kubernetes_version = word_of(metadata, "version"),
                                .err = err};
    int r = cf_rootfs_walk(rootfs, "", visit, &checking, err);

    if (r < 0)
        checking.failed = r;
    cf_check_names(&checking, rootfs, NULL);
    cf_check_images(&checking);
    if (options->deep)
        cf_check_contents(&checking);
    return finish(&checking, ret_result);
}

/* ---- what is new ---- */

static int visit_changes(struct checking *checking, const struct cf_changes *changes)
{
    for (size_t i = 0; i < changes->count && !checking->failed; i++) {
        const struct cf_change *change = &changes->list[i];
        const char *slash = strrchr(change->path, '/');
        struct cf_rootfs_entry entry = {
            .path = change->path, .name = slash ? slash + 1 : change->path, .size = change->size};
        if (change->kind == 'D' || change->is_dir || change->meta_only ||
            !strncmp(change->path, "registry/", 9) ||
            cf_rootfs_look(checking->files, change->path, &entry.mode, NULL) < 0)
            continue;
        (void)visit(&entry, checking);
    }
    return checking->failed;
}

/* Several layers: what differs between the base and all of them. */
static int check_changes(struct checking *checking, size_t base_count)
{
    struct cf_tree *base cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_tree *all cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_changes changes cf_cleanup(cf_changes_done) = {0};
    int r = cf_store_merged_tree(checking->store, checking->diff_ids, base_count, &base, NULL,
                                 checking->err);

    if (r == 0)
        r = cf_store_merged_tree(checking->store, checking->diff_ids, checking->count, &all, NULL,
                                 checking->err);
    if (r == 0)
        r = cf_tree_changes(base, all, &changes, checking->err);
    checking->files = r == 0 ? cf_check_whole(checking) : NULL;
    if (r == 0 && checking->files)
        r = visit_changes(checking, &changes);
    return r;
}

int cf_check_new(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                 size_t base_count, const struct cf_check_options *options,
                 struct cf_check_result *ret_result, struct cf_error *err)
{
    struct cf_check_result result = {0};
    struct cf_rootfs *layer cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_rootfs *base cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct checking checking = {.store = store,
                                .diff_ids = diff_ids,
                                .count = count,
                                .options = options,
                                .result = &result,
                                .architecture = options->architecture,
                                .err = err};
    int r = 0;

    if (count <= base_count)
        return 0;
    if (base_count)
        r = cf_rootfs_open_layers(store, diff_ids, base_count, &base, err);
    if (r == 0 && count - base_count == 1) {
        r = cf_rootfs_open_layer(store, &diff_ids[count - 1], &layer, err);
        checking.files = layer;
        if (r == 0)
            r = cf_rootfs_walk(layer, "", visit, &checking, err);
    } else if (r == 0) {
        r = check_changes(&checking, base_count);
    }
    if (r < 0)
        checking.failed = r;
    else
        cf_check_names(&checking, checking.files, base);
    cf_rootfs_close(checking.whole);
    return finish(&checking, ret_result);
}

int cf_check_layer(struct cf_store *store, const struct cf_image *base,
                   const struct cf_digest *diff_id, const struct cf_check_options *options,
                   struct cf_check_result *ret_result, struct cf_error *err)
{
    struct cf_check_options own = *options;
    struct cf_digest *diff_ids cf_autofree = calloc(base->layer_count + 1, sizeof(*diff_ids));

    if (!diff_ids)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < base->layer_count; i++)
        diff_ids[i] = base->diff_ids[i];
    diff_ids[base->layer_count] = *diff_id;
    if (!own.architecture)
        own.architecture = cf_json_get_string(base->config_json, "architecture");
    return cf_check_new(store, diff_ids, base->layer_count + 1, base->layer_count, &own, ret_result,
                        err);
}
