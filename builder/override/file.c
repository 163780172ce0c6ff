/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of overrides from files: our own kind (docs/overrides.md), and Clusterfiles, whose Config
 * documents and kubeadm documents are overrides too.
 */
#include "list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "config.h"

/* One file that is read, and the step of it that is. */
struct reading {
    struct cf_overrides *overrides;
    const char *path; /* of the file */
    const char *file; /* that the step is about */
    char where[512];
};

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* "overrides.yaml:12" */
static const char *place_of(struct reading *reading, const struct cf_edit_node *node)
{
    snprintf(reading->where, sizeof(reading->where), "%s:%zu", reading->path,
             node->key ? node->key->line : node->line);
    return reading->where;
}

static int wrong(struct reading *reading, const struct cf_edit_node *node, const char *what,
                 struct cf_error *err)
{
    return cf_fail(err, -EINVAL, "%s: %s", place_of(reading, node), what);
}

static bool is_text(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->type != CF_YAML_NULL && node->len;
}

/* A source beside the file that names it. */
static int source_path(struct reading *reading, const struct cf_edit_node *node,
                       struct cf_buf *ret_path, struct cf_error *err)
{
    const char *slash = strrchr(reading->path, '/');
    int r = 0;

    if (!is_text(node))
        return wrong(reading, node, "the name of a source is needed", err);
    if (*node->value != '/' && slash)
        r = cf_buf_add(ret_path, reading->path, (size_t)(slash - reading->path) + 1);
    if (r == 0)
        r = cf_buf_add(ret_path, node->value, node->len);
    return r < 0 ? no_memory(err) : 0;
}

static int add_setting(struct reading *reading, enum cf_override_kind kind, const char *path,
                       const struct cf_edit_node *node, const struct cf_edit_node *value,
                       struct cf_error *err)
{
    struct cf_override *override = NULL;
    int r = cf_overrides_new(reading->overrides, kind, reading->file, strlen(reading->file),
                             place_of(reading, node), &override, err);

    if (r < 0)
        return r;
    override->value = value;
    override->path = strdup(path);
    return override->path ? 0 : no_memory(err);
}

static int add_string(struct reading *reading, const struct cf_edit_node *node,
                      struct cf_error *err)
{
    struct cf_edit *text = NULL;

    if (node->kind != CF_EDIT_SCALAR)
        return wrong(reading, node, "setString takes texts", err);
    int r = cf_edit_open_argument(node->value, true, &text, err);
    if (r == 0)
        r = cf_overrides_keep(reading->overrides, text, err);
    return r < 0 ? r
                 : add_setting(reading, CF_OVERRIDE_SET_STRING, node->key->value, node,
                               cf_edit_document(text, 0), err);
}

/* set, setString, append: a map of paths. */
static int add_settings(struct reading *reading, enum cf_override_kind kind,
                        const struct cf_edit_node *map, struct cf_error *err)
{
    int r = 0;

    if (map->kind != CF_EDIT_MAP)
        return wrong(reading, map, "a map is needed, of paths and values", err);
    for (const struct cf_edit_node *n = map->first; n && r == 0; n = n->next) {
        if (n->key->kind != CF_EDIT_SCALAR)
            return wrong(reading, n, "a path is a text", err);
        if (kind == CF_OVERRIDE_SET_STRING)
            r = add_string(reading, n, err);
        else if (kind == CF_OVERRIDE_APPEND && n->kind == CF_EDIT_LIST)
            for (const struct cf_edit_node *item = n->first; item && r == 0; item = item->next)
                r = add_setting(reading, kind, n->key->value, item, item, err);
        else
            r = add_setting(reading, kind, n->key->value, n, n, err);
    }
    return r;
}

static int add_deletions(struct reading *reading, const struct cf_edit_node *node,
                         struct cf_error *err)
{
    int r = 0;

    if (node->kind == CF_EDIT_LIST) {
        for (const struct cf_edit_node *n = node->first; n && r == 0; n = n->next)
            r = add_deletions(reading, n, err);
        return r;
    }
    if (!is_text(node))
        return wrong(reading, node, "delete takes a path, or a list of them", err);
    return add_setting(reading, CF_OVERRIDE_DELETE, node->value, node, NULL, err);
}

/* merge: a map, or a text that holds documents. */
static int add_merge(struct reading *reading, const struct cf_edit_node *node, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char where[sizeof(reading->where)];

    snprintf(where, sizeof(where), "%s", place_of(reading, node));
    if (node->kind == CF_EDIT_SCALAR && node->type != CF_YAML_NULL)
        return cf_overrides_patch(reading->overrides, reading->file, where, node->value, node->len,
                                  where, err);
    if (cf_edit_put_value(node, true, &text) < 0)
        return wrong(reading, node, "merge takes a map, or a text", err);
    return cf_overrides_patch(reading->overrides, reading->file, where, text.data, text.len, where,
                              err);
}

static int add_content(struct reading *reading, const struct cf_edit_node *node,
                       struct cf_error *err)
{
    struct cf_override *override = NULL;

    if (node->kind != CF_EDIT_SCALAR)
        return wrong(reading, node, "content is a text", err);
    int r = cf_overrides_new(reading->overrides, CF_OVERRIDE_COPY, reading->file,
                             strlen(reading->file), place_of(reading, node), &override, err);
    if (r < 0)
        return r;
    override->len = node->len;
    override->data = malloc(node->len + 1);
    if (!override->data)
        return no_memory(err);
    memcpy(override->data, node->value, node->len + 1);
    return 0;
}

static int add_source(struct reading *reading, const char *what, const struct cf_edit_node *node,
                      struct cf_error *err)
{
    struct cf_buf source cf_autobuf = CF_BUF_INIT;
    char where[sizeof(reading->where)];
    int r = source_path(reading, node, &source, err);

    snprintf(where, sizeof(where), "%s", place_of(reading, node));
    if (r == 0 && !strcmp(what, "mergeFile"))
        r = cf_overrides_patch_file(reading->overrides, reading->file, source.data, where, err);
    else if (r == 0)
        r = cf_overrides_copy(reading->overrides,
                              strcmp(what, "copy") ? CF_OVERRIDE_REPLACE : CF_OVERRIDE_COPY,
                              reading->file, source.data, where, 0, err);
    return r < 0 ? cf_fail_in(err, r, "%s", where) : 0;
}

static int add_removal(struct reading *reading, const struct cf_edit_node *node,
                       struct cf_error *err)
{
    struct cf_override *override = NULL;

    if (node->type != CF_YAML_BOOL || strcmp(node->value, "true") != 0)
        return wrong(reading, node, "remove takes true", err);
    return cf_overrides_new(reading->overrides, CF_OVERRIDE_REMOVE, reading->file,
                            strlen(reading->file), place_of(reading, node), &override, err);
}

/* One action of a step. */
static int add_action(struct reading *reading, const struct cf_edit_node *node,
                      struct cf_error *err)
{
    const char *what = node->key->kind == CF_EDIT_SCALAR ? node->key->value : "";

    if (!strcmp(what, "file"))
        return 0;
    if (!strcmp(what, "set"))
        return add_settings(reading, CF_OVERRIDE_SET, node, err);
    if (!strcmp(what, "setString"))
        return add_settings(reading, CF_OVERRIDE_SET_STRING, node, err);
    if (!strcmp(what, "append"))
        return add_settings(reading, CF_OVERRIDE_APPEND, node, err);
    if (!strcmp(what, "delete"))
        return add_deletions(reading, node, err);
    if (!strcmp(what, "merge"))
        return add_merge(reading, node, err);
    if (!strcmp(what, "content"))
        return add_content(reading, node, err);
    if (!strcmp(what, "mergeFile") || !strcmp(what, "copy") || !strcmp(what, "replace"))
        return add_source(reading, what, node, err);
    if (!strcmp(what, "remove"))
        return add_removal(reading, node, err);
    if (!strcmp(what, "mode")) {
        int r = is_text(node) ? cf_overrides_mode(reading->overrides, reading->file, node->value,
                                                  place_of(reading, node), err)
                              : -EINVAL;
        return r == -EINVAL ? wrong(reading, node, "mode takes octal digits: \"0644\"", err) : r;
    }
    return cf_fail(err, -EINVAL,
                   "%s: there is no action %s: set, setString, append, delete, merge, mergeFile, "
                   "replace, copy, content, remove, mode",
                   place_of(reading, node), CF_QUOTE(what));
}

static int read_steps(struct reading *reading, const struct cf_edit_node *list,
                      struct cf_error *err)
{
    int r = 0;

    if (list->kind != CF_EDIT_LIST)
        return wrong(reading, list, "overrides is a list of steps", err);
    for (const struct cf_edit_node *step = list->first; step && r == 0; step = step->next) {
        reading->file = cf_edit_child_text(step, "file");
        if (!reading->file || step->count < 2)
            return wrong(reading, step, "a step has a file, and what to do with it", err);
        for (const struct cf_edit_node *n = step->first; n && r == 0; n = n->next)
            r = add_action(reading, n, err);
    }
    return r;
}

/* ---- sealer's documents ---- */

/* kind: Config. strategy overwrite (the default) writes the file, merge merges. */
static int read_config(struct reading *reading, const struct cf_edit_node *document,
                       struct cf_error *err)
{
    const struct cf_edit_node *spec = cf_edit_child(document, "spec");
    const struct cf_edit_node *data = cf_edit_child(spec, "data");
    const char *strategy = cf_edit_child_text(spec, "strategy");
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    reading->file = cf_edit_child_text(spec, "path");
    if (!reading->file || !*reading->file || !data || data->kind != CF_EDIT_SCALAR)
        return wrong(reading, document, "a Config needs spec.path and spec.data, a text", err);
    bool merge = strategy && !strcmp(strategy, "merge");
    if (strategy && *strategy && !merge && strcmp(strategy, "overwrite") != 0)
        return wrong(reading, cf_edit_child(spec, "strategy"), "strategy is merge or overwrite",
                     err);
    int r = cf_config_process(cf_edit_child_text(spec, "process"), data, &text, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s", place_of(reading, data));
    struct cf_edit_node made = {.kind = CF_EDIT_SCALAR,
                                .value = text.data ? text.data : "",
                                .len = text.len,
                                .line = data->line};
    return merge ? add_merge(reading, &made, err) : add_content(reading, &made, err);
}

static bool is_kubeadm(const char *kind)
{
    static const char *const kinds[] = {"InitConfiguration", "ClusterConfiguration",
                                        "JoinConfiguration", "KubeletConfiguration",
                                        "KubeProxyConfiguration"};

    for (size_t i = 0; i < CF_COUNT(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

static int read_document(struct reading *reading, const struct cf_edit_node *document,
                         struct cf_error *err)
{
    const char *kind = cf_edit_child_text(document, "kind");
    const struct cf_edit_node *steps = cf_edit_child(document, "overrides");

    if (document->kind == CF_EDIT_SCALAR && document->type == CF_YAML_NULL)
        return 0;
    if (steps && (!kind || !strcmp(kind, "Overrides")))
        return read_steps(reading, steps, err);
    if (kind && !strcmp(kind, "Config"))
        return read_config(reading, document, err);
    if (kind && !strcmp(kind, "Plugin"))
        return 0; /* says nothing of files */
    if (kind && !strcmp(kind, "Cluster"))
        return cf_override_env_cluster(&reading->overrides->env, CF_OVERRIDE_ENV_CLUSTERFILE,
                                       reading->path, document, err);
    if (kind && is_kubeadm(kind)) {
        reading->file = "etc/kubeadm.yml";
        return add_merge(reading, document, err);
    }
    return wrong(reading, document,
                 "this is neither a list of overrides, nor a Clusterfile's Config", err);
}

int cf_overrides_read(struct cf_overrides *overrides, const char *path, struct cf_error *err)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct reading reading = {.overrides = overrides, .path = path};
    struct cf_edit *text = NULL;
    int r = cf_read_file(AT_FDCWD, path, CF_EDIT_MAX, &data);

    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(path));
    r = cf_edit_open_value(path, data.data ? data.data : "", data.len, &text, err);
    if (r == 0)
        r = cf_overrides_keep(overrides, text, err);
    for (size_t i = 0; r == 0 && i < cf_edit_count(text); i++)
        r = read_document(&reading, cf_edit_document(text, i), err);
    return r;
}
