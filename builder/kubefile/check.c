/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rootfs's directories mean to sealer: Plugin files are checked, names that it does not look
 * for are told, and Metadata gets the kubeVersion of the charts. Only what is not the base's own is
 * looked at. Sources: sealer v0.8.5, pkg/plugin and build/buildimage/differ.go.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/rootfs.h>
#include <cloudfs/yaml.h>

#include "internal.h"

enum { TEXT_MAX = 1 << 20 };

/* ---- names that mean nothing ---- */

static const struct {
    const char *wrong, *right;
} traps[] = {
    {"image", "images"},
    {"plugin", "plugins"},
    {"chart", "charts"},
    {"manifest", "manifests"},
    {"script", "scripts"},
    {"static", "statics"},
    {"etc/registry_config.yaml", "etc/registry_config.yml"},
    {"etc/registry.yaml", "etc/registry.yml"},
    {"etc/kubeadm.yaml", "etc/kubeadm.yml"},
    {"etc/Clusterfile.yaml", "etc/Clusterfile"},
    {"etc/Clusterfile.yml", "etc/Clusterfile"},
    {"etc/clusterfile", "etc/Clusterfile"},
    {"etc/daemon.yaml", "etc/daemon.json"},
    {"imageList", "manifests/imageList"},
    {"charts/imageList", "manifests/imageList"},
    {"images/imageList", "manifests/imageList"},
    {"manifests/imagelist", "manifests/imageList"},
    {"manifests/ImageList", "manifests/imageList"},
    {"manifests/imageList.txt", "manifests/imageList"},
    {"manifests/imageList.yaml", "manifests/imageList"},
    {"metadata", "Metadata"},
};

static bool has(const struct cf_tree *tree, const char *path)
{
    uint64_t nid = 0;
    return tree && cf_tree_resolve(tree, path, true, &nid) == 0;
}

static void warn_of_traps(struct cf_build *build, const struct cf_tree *tree,
                          const struct cf_tree *base)
{
    for (size_t i = 0; i < CF_COUNT(traps); i++)
        if (has(tree, traps[i].wrong) && !has(base, traps[i].wrong))
            cf_build_tell(build, CF_BUILD_WARNING,
                          "%s: nothing reads it, only %s is looked at: copy it to %s",
                          traps[i].wrong, traps[i].right, traps[i].right);
}

/* ---- YAML, two levels of it ---- */

struct found {
    size_t line; /* 0: it is not there */
    char value[256];
};
struct document {
    struct found kind, kube_version, type, action, on;
    size_t line;
};

static struct found *place_of(struct document *document, const char *outer, const char *key)
{
    if (!*outer)
        return !strcmp(key, "kind")          ? &document->kind
               : !strcmp(key, "kubeVersion") ? &document->kube_version
                                             : NULL;
    if (strcmp(outer, "spec") != 0)
        return NULL;
    return !strcmp(key, "type")     ? &document->type
           : !strcmp(key, "action") ? &document->action
           : !strcmp(key, "on")     ? &document->on
                                    : NULL;
}

/* Where the reading stands: the key of the first level, and that of the one at hand. */
struct reading {
    unsigned depth;
    bool is_value;
    char outer[64], key[64];
};

static void take_scalar(struct reading *reading, const struct cf_yaml_event *event,
                        struct document *document)
{
    if (reading->depth != 1 && !(reading->depth == 2 && *reading->outer))
        return;
    if (!reading->is_value) {
        (void)snprintf(reading->key, sizeof(reading->key), "%s", event->value);
        reading->is_value = true;
        return;
    }
    reading->is_value = false;
    struct found *found =
        place_of(document, reading->depth == 2 ? reading->outer : "", reading->key);
    if (found) {
        found->line = event->start.line;
        (void)snprintf(found->value, sizeof(found->value), "%s", event->value);
    }
}

static void take_event(struct reading *reading, const struct cf_yaml_event *event,
                       struct document *document)
{
    switch (event->kind) {
    case CF_YAML_MAP:
    case CF_YAML_SEQUENCE:
        if (reading->depth == 1)
            (void)snprintf(reading->outer, sizeof(reading->outer), "%s",
                           event->kind == CF_YAML_MAP ? reading->key : "");
        reading->depth++;
        reading->is_value = false;
        break;
    case CF_YAML_MAP_END:
    case CF_YAML_SEQUENCE_END:
        reading->depth--;
        reading->is_value = false;
        break;
    case CF_YAML_SCALAR:
        take_scalar(reading, event, document);
        break;
    default:
        break;
    }
}

typedef int document_fn(const struct document *document, void *context, struct cf_error *err);

/* Calls fn with each document that is a map. */
static int each_document(const struct cf_buf *text, document_fn *fn, void *context,
                         struct cf_error *err)
{
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    const struct cf_yaml_options options = {.data = text->data ? text->data : "", .len = text->len};
    struct cf_yaml_event event;
    struct document document = {0};
    struct reading reading = {0};
    int r = cf_yaml_open(&options, &yaml, err);

    while (r == 0 && (r = cf_yaml_next(yaml, &event, err)) == 1) {
        r = 0;
        if (event.kind == CF_YAML_DOCUMENT) {
            document = (struct document){.line = event.start.line};
            reading = (struct reading){0};
        } else if (event.kind == CF_YAML_DOCUMENT_END) {
            r = fn(&document, context, err);
        } else {
            if (reading.depth == 0)
                document.line = event.start.line;
            take_event(&reading, &event, &document);
        }
    }
    return r;
}

/* ---- plugins ---- */

static bool is_one_of(const char *text, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && !strncmp(*words, text, len))
            return true;
    return false;
}

static bool is_host(const char *text, size_t len)
{
    static const char *const words[] = {"master", "node", "master0", NULL};
    size_t digits = 0;

    if (is_one_of(text, len, words) || memchr(text, '=', len))
        return true;
    for (size_t i = 0; i < len; i++) {
        if (!isxdigit((unsigned char)text[i]) && !strchr(".:-/", text[i]))
            return false;
        digits += isdigit((unsigned char)text[i]) != 0;
    }
    return digits > 0;
}

/* Hosts separated by commas; nothing means all of them. */
static bool is_on(const char *text)
{
    while (*text) {
        size_t skip = strspn(text, ", ");
        size_t len = strcspn(text + skip, ", ");
        if (len && !is_host(text + skip, len))
            return false;
        text += skip + len;
    }
    return true;
}

struct checking {
    const char *path;
    bool has_programs; /* .so files in plugins/: types of their own */
};

static int check_action(const struct found *action, const char *path, struct cf_error *err)
{
    static const char *const phases[] = {"Originally", "PreInit",  "PreInstall",  "PreJoin",
                                         "PostJoin",   "PreGuest", "PostInstall", "PreClean",
                                         "PostClean",  NULL};
    for (const char *p = action->value; *p;) {
        size_t len = strcspn(p, "|");
        if (!is_one_of(p, len, phases))
            return cf_fail(err, -EINVAL,
                           "%s:%zu: action '%.*s' is none of Originally, PreInit, PreInstall, "
                           "PreJoin, PostJoin, PreGuest, PostInstall, PreClean, PostClean",
                           path, action->line, (int)len, p);
        p += len + (p[len] == '|');
    }
    return 0;
}

static int check_plugin(const struct document *document, void *context, struct cf_error *err)
{
    static const char *const types[] = {"SHELL", "LABEL",        "TAINT", "HOSTNAME",
                                        "ETCD",  "CLUSTERCHECK", NULL};
    const struct checking *checking = context;
    const char *path = checking->path;

    if (!document->kind.line)
        return cf_fail(err, -EINVAL, "%s:%zu: there is no kind: Plugin", path, document->line);
    if (strcmp(document->kind.value, "Plugin") != 0)
        return cf_fail(err, -EINVAL, "%s:%zu: kind '%s' is no Plugin", path, document->kind.line,
                       document->kind.value);
    if (!document->type.line || !*document->type.value)
        return cf_fail(err, -EINVAL, "%s:%zu: the Plugin has no spec.type", path, document->line);
    if (!is_one_of(document->type.value, strlen(document->type.value), types) &&
        !checking->has_programs)
        return cf_fail(err, -EINVAL,
                       "%s:%zu: type '%s' is none of SHELL, LABEL, TAINT, HOSTNAME, ETCD, "
                       "CLUSTERCHECK",
                       path, document->type.line, document->type.value);
    if (!document->action.line || !*document->action.value)
        return cf_fail(err, -EINVAL, "%s:%zu: the Plugin has no spec.action", path, document->line);
    int r = check_action(&document->action, path, err);
    if (r == 0 && !is_on(document->on.value))
        r = cf_fail(err, -EINVAL,
                    "%s:%zu: on '%s' is none of master, node, master0, addresses, a label "
                    "NAME=VALUE",
                    path, document->on.line, document->on.value);
    return r;
}

/* ---- all of it ---- */

struct rootfs {
    struct cf_build *build;
    struct cf_rootfs *now, *base; /* base NULL: there is none */
    bool has_programs;
    struct cf_buf kube_version;
    struct cf_error *err;
};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && !strcmp(text + len - n, end);
}

/* 1: the text; 0: it is the base's own. */
static int read_new(struct rootfs *rootfs, const char *path, struct cf_buf *ret_text)
{
    struct cf_buf old cf_autobuf = CF_BUF_INIT;
    int r = cf_rootfs_read(rootfs->now, path, TEXT_MAX, ret_text, rootfs->err);

    if (r < 0 || !rootfs->base)
        return r < 0 ? r : 1;
    return !(cf_rootfs_read(rootfs->base, path, TEXT_MAX, &old, NULL) == 0 &&
             old.len == ret_text->len && (!old.len || !memcmp(old.data, ret_text->data, old.len)));
}

static int find_programs(const struct cf_rootfs_entry *entry, void *context)
{
    ((struct rootfs *)context)->has_programs |= ends_with(entry->name, ".so");
    return 0;
}

static int visit_plugin(const struct cf_rootfs_entry *entry, void *context)
{
    struct rootfs *rootfs = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct checking checking = {entry->path, rootfs->has_programs};
    bool below = strchr(entry->path + strlen("plugins/"), '/') != NULL;

    if (!S_ISREG(entry->mode) ||
        !(ends_with(entry->name, ".yaml") || ends_with(entry->name, ".yml")))
        return 0;
    int r = read_new(rootfs, entry->path, &text);
    if (r <= 0)
        return r;
    if (below) {
        cf_build_tell(rootfs->build, CF_BUILD_WARNING,
                      "%s: only files in plugins/ itself are plugins: copy it there", entry->path);
        return 0;
    }
    r = each_document(&text, check_plugin, &checking, rootfs->err);
    if (r < 0 && rootfs->err && strncmp(rootfs->err->text, entry->path, strlen(entry->path)) != 0)
        return cf_fail_in(rootfs->err, r, "%s", entry->path);
    return r;
}

static int take_version(const struct document *document, void *context, struct cf_error *err)
{
    struct cf_buf *version = context;
    if (!document->kube_version.line || version->len)
        return 0;
    return cf_buf_add_str(version, document->kube_version.value) < 0
               ? cf_fail(err, -ENOMEM, "out of memory")
               : 0;
}

/* The first chart that says so counts. */
static int visit_chart(const struct cf_rootfs_entry *entry, void *context)
{
    struct rootfs *rootfs = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    if (rootfs->kube_version.len || !S_ISREG(entry->mode) || strcmp(entry->name, "Chart.yaml") != 0)
        return 0;
    if (cf_rootfs_read(rootfs->now, entry->path, TEXT_MAX, &text, NULL) < 0)
        return 0;
    /* A chart that cannot be read is told where its images are looked for. */
    return each_document(&text, take_version, &rootfs->kube_version, NULL) == -ENOMEM ? -ENOMEM : 0;
}

/* Metadata with another kubeVersion, as a layer. */
static int write_metadata(struct cf_build *build, const struct cf_buf *text,
                          struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    const struct cf_layer_build_options options = {0};
    struct cf_node *node = NULL;
    struct cf_inode inode = {.mode = S_IFREG | 0644, .mtime_sec = build->newest_sec};
    struct cf_digest digest;
    int r = cf_builder_new(cf_store_tmp_fd(build->store), &builder, err);

    if (r == 0)
        r = cf_node_add(builder, cf_builder_root(builder), "Metadata", 8, &inode, &node);
    if (r == 0 && text->len <= CF_INLINE_MAX)
        r = cf_node_set_inline(builder, node, text->data, text->len);
    else if (r == 0 && (r = cf_object_put(build->store, text->data, text->len, &digest, err)) == 0)
        r = cf_node_set_object(builder, node, &digest, text->len);
    return r < 0 ? cf_fail_errno(err, -r, "cannot write Metadata")
                 : cf_layer_build(build->store, builder, &options, ret_info, err);
}

static int set_version(struct rootfs *rootfs, struct cf_layer_info *ret_info)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT, changed cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_build *build = rootfs->build;

    if (!rootfs->kube_version.len ||
        cf_rootfs_read(rootfs->now, "Metadata", TEXT_MAX, &text, NULL) < 0)
        return 0;
    if (cf_json_parse(text.data ? text.data : "", text.len, &json, NULL) < 0 ||
        !cf_json_is_object(json)) {
        cf_build_tell(build, CF_BUILD_WARNING,
                      "Metadata: it is no JSON object: it does not get the kubeVersion '%s' of the "
                      "charts",
                      rootfs->kube_version.data);
        return 0;
    }
    const char *old = cf_json_get_string(json, "kubeVersion");
    if (old && !strcmp(old, rootfs->kube_version.data))
        return 0;
    if (cf_json_set_string(json, "kubeVersion", rootfs->kube_version.data) < 0 ||
        cf_json_print(json, false, &changed) < 0)
        return cf_fail(rootfs->err, -ENOMEM, "out of memory");
    return write_metadata(build, &changed, ret_info, rootfs->err);
}

static int look_at_files(struct cf_build *build, struct cf_layer_info *ret_info,
                         struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct rootfs rootfs = {.build = build, .err = err, .kube_version = CF_BUF_INIT};
    int r = cf_image_draft(build->store, build->base, build->layers, build->layer_count,
                           &build->image, &image, err);

    if (r == 0)
        r = cf_rootfs_open_image(build->store, image, &rootfs.now, err);
    if (r == 0 && build->base)
        r = cf_rootfs_open_image(build->store, build->base, &rootfs.base, err);
    if (r == 0)
        r = cf_rootfs_walk(rootfs.now, "plugins", find_programs, &rootfs, err);
    if (r == 0)
        r = cf_rootfs_walk(rootfs.now, "plugins", visit_plugin, &rootfs, err);
    if (r == 0)
        r = cf_rootfs_walk(rootfs.now, "charts", visit_chart, &rootfs, err);
    if (r == 0)
        r = set_version(&rootfs, ret_info);
    cf_buf_done(&rootfs.kube_version);
    cf_rootfs_close(rootfs.now);
    cf_rootfs_close(rootfs.base);
    return r;
}

static int open_trees(struct cf_build *build, struct cf_tree **ret_tree, struct cf_tree **ret_base,
                      struct cf_error *err)
{
    int r = cf_build_tree(build, ret_tree, err);
    if (r == 0 && build->base && build->base->layer_count)
        r = cf_image_tree(build->store, build->base, ret_base, NULL, err);
    return r;
}

int cf_build_check(struct cf_build *build, struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_tree *base cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_layer_info info = {0};
    struct cf_digest key;
    int r = build->diff_count ? open_trees(build, &tree, &base, err) : 0;

    if (r < 0 || !tree)
        return r;
    warn_of_traps(build, tree, base);
    if (!has(tree, "plugins") && !has(tree, "charts"))
        return 0;
    r = cf_build_key_new(build, "check", &hasher, err);
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &key);
    if (!cf_build_recall(build, &key, &info)) {
        r = look_at_files(build, &info, err);
        if (r == 0)
            r = cf_build_remember(build, &key, &info, err);
    }
    return r < 0 || !info.entries ? r : cf_build_add_layer(build, &info, "cloudfs metadata", err);
}
