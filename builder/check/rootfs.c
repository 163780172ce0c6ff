/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a rootfs as a whole: names that nothing reads, images that are missing. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/cache.h>
#include <cloudfs/scan.h>

#include "internal.h"

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

static bool has(struct cf_rootfs *rootfs, const char *path)
{
    mode_t mode = 0;
    return rootfs && cf_rootfs_look(rootfs, path, &mode, NULL) == 0 && !S_ISCHR(mode);
}

void cf_check_names(struct checking *checking, struct cf_rootfs *rootfs, struct cf_rootfs *base)
{
    for (size_t i = 0; i < CF_COUNT(traps); i++) {
        struct cf_buf mend cf_autobuf = CF_BUF_INIT;
        if (!has(rootfs, traps[i].wrong) || has(base, traps[i].wrong))
            continue;
        checking->path = traps[i].wrong;
        if (cf_buf_printf(&mend, "copy it to %s", traps[i].right) == 0)
            cf_check_found(checking, CF_WARNING, CF_CHECK_NAME, 0, mend.data,
                           "nothing reads it, only %s is looked at", traps[i].right);
    }
}

/* ---- images ---- */

static bool is_told(const struct checking *checking, size_t before, const char *file)
{
    for (size_t i = 0; i < before; i++)
        if (checking->result->list[i].rule == CF_CHECK_YAML &&
            !strcmp(checking->result->list[i].file, file))
            return true;
    return false;
}

static void tell_image(struct checking *checking, const struct cf_scanned *image)
{
    if (image->state != CF_SCAN_MISSING)
        return;
    for (size_t i = 0; i < image->place_count; i++) {
        checking->path = image->places[i].file;
        cf_check_found(checking, CF_WARNING, CF_CHECK_IMAGE, image->places[i].line,
                       "cloudfs cache puts it there", "registry/ lacks %s", image->reference);
    }
}

void cf_check_images(struct checking *checking)
{
    const struct cf_scan_options options = {0};
    const bool *ignore = checking->options->ignore;
    struct cf_scan_result result = {0};
    size_t before = checking->result->count;

    if (checking->failed || (ignore[CF_CHECK_IMAGE] && ignore[CF_CHECK_SCAN]))
        return;
    int r = cf_scan(checking->store, checking->whole, &options, &result, checking->err);
    if (r < 0) {
        checking->failed = r;
        return;
    }
    for (size_t i = 0; i < result.count; i++)
        tell_image(checking, &result.images[i]);
    for (size_t i = 0; i < result.warning_count; i++) {
        checking->path = result.warnings[i].file;
        if (!is_told(checking, before, checking->path))
            cf_check_found(checking, CF_WARNING, CF_CHECK_SCAN, result.warnings[i].line, NULL, "%s",
                           result.warnings[i].text);
    }
    cf_scan_result_done(&result);
}

static int tell_damage(const char *path, const char *what, void *context)
{
    struct checking *checking = context;

    checking->path = path;
    cf_check_found(checking, CF_ERROR, CF_CHECK_CONTENTS, 0,
                   "cloudfs cache --prune drops it, and cloudfs cache fetches it again", "%s",
                   what);
    return checking->failed;
}

void cf_check_contents(struct checking *checking)
{
    if (checking->failed || checking->options->ignore[CF_CHECK_CONTENTS])
        return;
    int r = cf_registry_check(checking->whole, tell_damage, checking, checking->err);
    if (r < 0)
        checking->failed = r;
}
