/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with the files that a build adds, and Metadata, which gets the kubeVersion of the
 * charts. Source: sealer v0.8.5, build/buildimage/differ.go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/check.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/yaml.h>

#include "internal.h"

enum { TEXT_MAX = 1 << 20 };

/* ---- findings ---- */

/* What a build has always refused. */
static bool is_fatal(const struct cf_finding *finding)
{
    return finding->severity == CF_ERROR &&
           (finding->rule == CF_CHECK_PLUGIN || !strncmp(finding->file, "plugins/", 8));
}

static int tell_findings(struct cf_build *build, const struct cf_check_result *found,
                         struct cf_error *err)
{
    const struct cf_finding *fatal = NULL;

    for (size_t i = 0; i < found->count; i++) {
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        if (cf_finding_put(&found->list[i], &text) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        if (!is_fatal(&found->list[i]))
            cf_build_tell(build, CF_BUILD_WARNING, "%s", text.data);
        else if (!fatal)
            fatal = &found->list[i];
    }
    if (fatal)
        return cf_fail(err, -EINVAL, "%s:%zu: %s", fatal->file, fatal->line, fatal->text);
    return build->options->strict && found->count
               ? cf_fail(err, -EINVAL, "--strict: %zu findings, nothing is built", found->count)
               : 0;
}

static const char *architecture_of(const struct cf_build *build)
{
    const char *word = build->image.architecture;
    return word || !build->base ? word
                                : cf_json_get_string(build->base->config_json, "architecture");
}

/* Where nothing was found, the same files are not looked at again. */
static int check_files(struct cf_build *build, struct cf_error *err)
{
    const struct cf_check_options options = {.architecture = architecture_of(build)};
    size_t base_count = build->base ? build->base->layer_count : 0;
    struct cf_check_result found cf_cleanup(cf_check_result_done) = {0};
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_layer_info info = {0};
    struct cf_digest key;
    int r = cf_build_key_new(build, "check 1", &hasher, err);

    if (r < 0)
        return r;
    cf_build_key_add(hasher, options.architecture ? options.architecture : "");
    cf_hasher_update(hasher, &base_count, sizeof(base_count));
    cf_hasher_final(hasher, &key);
    if (cf_build_recall(build, &key, &info))
        return 0;
    r = cf_check_new(build->store, build->diff_ids, build->diff_count, base_count, &options, &found,
                     err);
    if (r < 0 || found.count)
        return r < 0 ? r : tell_findings(build, &found, err);
    return cf_build_remember(build, &key, &info, err);
}

/* ---- Metadata ---- */

struct rootfs {
    struct cf_build *build;
    struct cf_rootfs *now;
    struct cf_buf kube_version;
    struct cf_error *err;
};

/* The first chart that says so counts. */
static int visit_chart(const struct cf_rootfs_entry *entry, void *context)
{
    struct rootfs *rootfs = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;

    if (rootfs->kube_version.len || !S_ISREG(entry->mode) || strcmp(entry->name, "Chart.yaml") != 0)
        return 0;
    /* A chart that cannot be read is told where its images are looked for. */
    if (cf_rootfs_read(rootfs->now, entry->path, TEXT_MAX, &text, NULL) < 0 || !text.len ||
        cf_yaml_json(text.data, text.len, &json, NULL) < 0)
        return 0;
    const char *version = cf_json_get_string(json, "kubeVersion");
    return version && cf_buf_add_str(&rootfs->kube_version, version) < 0
               ? cf_fail(rootfs->err, -ENOMEM, "out of memory")
               : 0;
}

/* Metadata with another kubeVersion, as a layer. */
static int write_metadata(struct cf_build *build, const struct cf_buf *text,
                          struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    const struct cf_layer_build_options options = {0};
    struct cf_node *node = NULL;
    struct cf_inode inode = {.mode = S_IFREG | 0644, .mtime_sec = build->newest_sec};
    int r = cf_builder_new(cf_store_tmp_fd(build->store), &builder, err);

    if (r == 0)
        r = cf_node_add(builder, cf_builder_root(builder), "Metadata", 8, &inode, &node);
    if (r == 0)
        r = cf_object_put_node(build->store, builder, node, text, err);
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

static int look_at_charts(struct cf_build *build, struct cf_layer_info *ret_info,
                          struct cf_error *err)
{
    struct rootfs rootfs = {.build = build, .err = err, .kube_version = CF_BUF_INIT};
    int r =
        cf_rootfs_open_layers(build->store, build->diff_ids, build->diff_count, &rootfs.now, err);

    if (r == 0)
        r = cf_rootfs_walk(rootfs.now, "charts", visit_chart, &rootfs, err);
    if (r == 0)
        r = set_version(&rootfs, ret_info);
    cf_buf_done(&rootfs.kube_version);
    cf_rootfs_close(rootfs.now);
    return r;
}

static bool has_charts(const struct cf_tree *tree)
{
    uint64_t nid = 0;
    return cf_tree_resolve(tree, "charts", true, &nid) == 0;
}

static int set_metadata(struct cf_build *build, struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_layer_info info = {0};
    struct cf_digest key;
    int r = cf_build_tree(build, &tree, err);

    if (r < 0 || !has_charts(tree))
        return r;
    r = cf_build_key_new(build, "metadata", &hasher, err);
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &key);
    if (!cf_build_recall(build, &key, &info)) {
        r = look_at_charts(build, &info, err);
        if (r == 0)
            r = cf_build_remember(build, &key, &info, err);
    }
    return r < 0 || !info.entries ? r : cf_build_add_layer(build, &info, "cloudfs metadata", err);
}

int cf_build_check(struct cf_build *build, struct cf_error *err)
{
    int r = build->diff_count ? check_files(build, err) : 0;

    return r < 0 || !build->diff_count ? r : set_metadata(build, err);
}
