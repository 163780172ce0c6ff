/* SPDX-License-Identifier: Apache-2.0 */
/* The files that count: of a directory or mount, and of the layers of an image. */
#include "effective.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/layer.h>
#include <cloudfs/log.h>
#include <cloudfs/look.h>
#include <cloudfs/rootfs.h>

#define METADATA_MAX (1u << 20)

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

size_t cf_kubeadm_line(const struct cf_edit_node *node)
{
    return node->key ? node->key->line : node->line;
}

int cf_kubeadm_warn(struct cf_kubeadm *kubeadm, struct cf_error *err, const char *format, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, format);
    int r = vasprintf(&text, format, ap);
    va_end(ap);
    if (r < 0)
        return no_memory(err);
    char **list = reallocarray(kubeadm->warnings, kubeadm->warning_count + 1, sizeof(*list));
    if (!list) {
        free(text);
        return no_memory(err);
    }
    kubeadm->warnings = list;
    list[kubeadm->warning_count++] = text;
    return 0;
}

int cf_kubeadm_add_source(struct cf_kubeadm *kubeadm, const struct cf_kubeadm_source *source,
                          struct cf_error *err)
{
    struct cf_kubeadm_source *list =
        reallocarray(kubeadm->sources, kubeadm->count + 1, sizeof(*list));

    if (!list) {
        cf_edit_close(source->edit);
        free(source->created_by);
        return no_memory(err);
    }
    kubeadm->sources = list;
    list[kubeadm->count++] = *source;
    return 0;
}

/* A text as a source. Below another one, what cannot be read is no more than a warning. */
static int add_text(struct cf_kubeadm *kubeadm, const struct cf_kubeadm_source *source,
                    const struct cf_buf *text, struct cf_error *err)
{
    struct cf_kubeadm_source added = *source;
    struct cf_error why = {0};
    char name[64] = CF_KUBEADM_FILE;

    if (source->origin == CF_KUBEADM_FROM_LAYER && kubeadm->count)
        snprintf(name, sizeof(name), CF_KUBEADM_FILE " (layer %zu)", source->layer);
    added.created_by = source->created_by ? strdup(source->created_by) : NULL;
    if (source->created_by && !added.created_by)
        return no_memory(err);
    int r = cf_edit_open_value(name, text->data ? text->data : "", text->len, &added.edit, &why);
    if (r == 0)
        return cf_kubeadm_add_source(kubeadm, &added, err);
    free(added.created_by);
    if (!kubeadm->count || r == -ENOMEM)
        return cf_fail(err, r, "%s", why.text);
    return cf_kubeadm_warn(kubeadm, err, "%s: it is left out", why.text);
}

static int read_metadata(struct cf_kubeadm *kubeadm, struct cf_rootfs *rootfs, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_rootfs_read(rootfs, "Metadata", METADATA_MAX, &text, NULL);

    if (r < 0 || cf_json_parse(text.data ? text.data : "", text.len, &json, NULL) < 0)
        return 0;
    const char *version = cf_json_get_string(json, "version");
    if (!version || !cf_kubeadm_minor(version))
        return 0;
    kubeadm->metadata = strdup(version);
    return kubeadm->metadata ? 0 : no_memory(err);
}

/* The file as all of the rootfs has it, whatever symlinks lead to it. */
static int add_rootfs(struct cf_kubeadm *kubeadm, struct cf_rootfs *rootfs,
                      const struct cf_kubeadm_source *source, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_rootfs_read(rootfs, CF_KUBEADM_FILE, CF_EDIT_MAX, &text, err);

    return r == -ENOENT ? 0 : r < 0 ? r : add_text(kubeadm, source, &text, err);
}

/* 1: added; 0: the layer has no regular file there. */
static int add_layer(struct cf_kubeadm *kubeadm, struct cf_store *store,
                     const struct cf_blame_step *step, struct cf_error *err)
{
    const struct cf_kubeadm_source source = {CF_KUBEADM_FROM_LAYER, step->layer, step->diff_id,
                                             step->created_by, NULL};
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_content content;
    uint64_t nid = 0;
    int r = cf_layer_tree(store, &step->diff_id, &tree, err);

    if (r < 0)
        return r;
    if (cf_tree_walk(tree, CF_KUBEADM_FILE, &nid) < 0 || cf_tree_content(tree, nid, &content) < 0)
        return 0;
    r = cf_content_read(store, &content, CF_EDIT_MAX, &text, err);
    if (r == 0)
        r = add_text(kubeadm, &source, &text, err);
    return r < 0 ? r : 1;
}

static int add_layers(struct cf_kubeadm *kubeadm, const struct cf_kubeadm_from *from,
                      struct cf_rootfs *rootfs, struct cf_error *err)
{
    struct cf_blame blame = {0};
    size_t before = kubeadm->count;
    int r = cf_blame(from->store, from->image, CF_KUBEADM_FILE, &blame, err);

    for (size_t i = 0; i < blame.count && r >= 0; i++) {
        const struct cf_blame_step *step = &blame.steps[i];
        if (step->kind != 'A' && step->kind != 'C')
            break; /* removed: what lies below does not count */
        r = add_layer(kubeadm, from->store, step, err);
        if (r == 0 || step->kind == 'A')
            break;
    }
    if (r >= 0 && kubeadm->count == before && from->image->layer_count) {
        size_t top = from->image->layer_count - 1;
        const struct cf_kubeadm_source source = {CF_KUBEADM_FROM_LAYER, top,
                                                 from->image->diff_ids[top], NULL, NULL};
        r = add_rootfs(kubeadm, rootfs, &source, err);
    }
    cf_blame_done(&blame);
    return r < 0 ? r : 0;
}

static bool same_text(const struct cf_edit *a, const struct cf_edit *b)
{
    size_t a_len, b_len;
    const char *a_text = cf_edit_text(a, &a_len), *b_text = cf_edit_text(b, &b_len);

    return a_len == b_len && !memcmp(a_text, b_text, a_len);
}

/* A mount's file that is as the image has it is the image's. */
static void drop_unchanged(struct cf_kubeadm *kubeadm)
{
    if (kubeadm->count < 2 || kubeadm->sources[0].origin != CF_KUBEADM_FROM_DIR ||
        !same_text(kubeadm->sources[0].edit, kubeadm->sources[1].edit))
        return;
    cf_edit_close(kubeadm->sources[0].edit);
    kubeadm->count--;
    memmove(kubeadm->sources, kubeadm->sources + 1, kubeadm->count * sizeof(*kubeadm->sources));
}

int cf_kubeadm_read_sources(struct cf_kubeadm *kubeadm, const struct cf_kubeadm_from *from,
                            struct cf_error *err)
{
    static const struct cf_kubeadm_source in_dir = {.origin = CF_KUBEADM_FROM_DIR};
    struct cf_rootfs *dir cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_rootfs *image cf_cleanup(cf_rootfs_close_ptr) = NULL;
    int r = from->dir ? cf_rootfs_open_dir(from->dir, &dir, err) : 0;

    if (r == 0 && from->image)
        r = cf_rootfs_open_image(from->store, from->image, &image, err);
    if (r == 0)
        r = read_metadata(kubeadm, dir ? dir : image, err);
    if (r == 0 && dir)
        r = add_rootfs(kubeadm, dir, &in_dir, err);
    if (r == 0 && image)
        r = add_layers(kubeadm, from, image, err);
    if (r == 0)
        drop_unchanged(kubeadm);
    return r;
}
