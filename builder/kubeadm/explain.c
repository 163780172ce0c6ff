/* SPDX-License-Identifier: Apache-2.0 */
/* Where each field of the effective text comes from, and what is wrong with one. */
#include "effective.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static bool is_null(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->type == CF_YAML_NULL;
}

/* ---- where a field comes from ---- */

/* The same path in a source; an argument that was made an item may be a key there. */
static const struct cf_edit_node *look_up(const struct cf_edit *edit, const char *path)
{
    const struct cf_edit_node *node = NULL;
    const char *item = strstr(path, "[name="), *end = item ? strstr(item, "].value") : NULL;
    char *as_key cf_autofree = NULL;

    if (cf_edit_find(edit, path, &node, NULL) == 0)
        return is_null(node) ? NULL : node;
    if (!end || end[7] ||
        asprintf(&as_key, "%.*s.\"%.*s\"", (int)(item - path), path, (int)(end - item - 6),
                 item + 6) < 0)
        return NULL;
    return cf_edit_find(edit, as_key, &node, NULL) == 0 && !is_null(node) ? node : NULL;
}

static void find_source(const struct cf_kubeadm *kubeadm, struct cf_kubeadm_value *value)
{
    static const struct cf_kubeadm_source by_version = {.origin = CF_KUBEADM_FROM_VERSION};
    static const struct cf_kubeadm_source by_metadata = {.origin = CF_KUBEADM_FROM_METADATA};
    const struct cf_edit_node *node = cf_edit_follow(kubeadm->edit, value->node);

    value->source = &by_version;
    for (size_t i = 0; i < kubeadm->count && node; i++) {
        const struct cf_kubeadm_source *source = &kubeadm->sources[i];
        const struct cf_edit_node *its = look_up(source->edit, value->path);
        if (!its)
            continue;
        if (!cf_edit_equal(its, node) || (source->origin == CF_KUBEADM_FROM_DEFAULT && value->line))
            break;
        value->source = source;
        value->line = cf_kubeadm_line(its);
    }
    if (value->source->origin != CF_KUBEADM_FROM_DEFAULT)
        return;
    value->line = 0;
    if (kubeadm->metadata && !strcmp(value->path, "ClusterConfiguration.kubernetesVersion"))
        value->source = &by_metadata;
}

struct walk {
    const struct cf_kubeadm *kubeadm;
    cf_kubeadm_value_fn *fn;
    void *context;
};

static int walk_node(const struct walk *walk, const struct cf_edit_node *node)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    bool inner = (node->kind == CF_EDIT_MAP && node->count) || cf_edit_is_pairs(node);
    int r = 0;

    for (const struct cf_edit_node *n = inner ? node->first : NULL; n && r == 0; n = n->next)
        if (n->parent->parent || strcmp(n->key->value ? n->key->value : "", "kind") != 0)
            if (!n->key || node->key || !node->parent || strcmp(n->key->value, "name") != 0)
                r = walk_node(walk, n);
    if (inner || r)
        return r;
    r = cf_edit_path(walk->kubeadm->edit, node, &path);
    if (r < 0)
        return r;
    struct cf_kubeadm_value value = {path.data, node, NULL, 0};
    find_source(walk->kubeadm, &value);
    return walk->fn(&value, walk->context);
}

int cf_kubeadm_each(const struct cf_kubeadm *kubeadm, cf_kubeadm_value_fn *fn, void *context)
{
    const struct walk walk = {kubeadm, fn, context};
    int r = 0;

    for (size_t i = 0; i < cf_edit_count(kubeadm->edit) && r == 0; i++) {
        const char *kind = cf_edit_child_text(cf_edit_document(kubeadm->edit, i), "kind");
        if (kind && cf_kubeadm_kind_find(kind))
            r = walk_node(&walk, cf_edit_document(kubeadm->edit, i));
    }
    return r;
}

/* ---- warnings ---- */

struct warning {
    struct cf_kubeadm *kubeadm;
    struct cf_error *err;
};

static int add_finding(const struct cf_kubeadm_finding *finding, void *context)
{
    const struct warning *warning = context;
    const struct cf_kubeadm *kubeadm = warning->kubeadm;
    struct cf_buf path cf_autobuf = CF_BUF_INIT;

    if (cf_edit_path(kubeadm->edit, finding->node, &path) < 0)
        return no_memory(warning->err);
    for (size_t i = 0; i < kubeadm->count; i++) {
        const struct cf_edit_node *node = look_up(kubeadm->sources[i].edit, path.data);
        if (node)
            return cf_kubeadm_warn(warning->kubeadm, warning->err, "%s:%zu: %s",
                                   cf_edit_name(kubeadm->sources[i].edit), cf_kubeadm_line(node),
                                   finding->text);
    }
    return cf_kubeadm_warn(warning->kubeadm, warning->err, CF_KUBEADM_FILE ": %s", finding->text);
}

/* A kubelet's document that says it is kubeadm's is read by neither. */
static int judge_group(struct warning *warning, const struct cf_edit_node *document)
{
    const struct cf_edit_node *api = cf_edit_child(document, "apiVersion");
    const char *name = cf_edit_child_text(document, "kind");
    const struct cf_kubeadm_kind *kind = name ? cf_kubeadm_kind_find(name) : NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    size_t len = kind ? strlen(kind->group) : 0;

    if (!kind || !api || api->kind != CF_EDIT_SCALAR ||
        (!strncmp(api->value, kind->group, len) && api->value[len] == '/'))
        return 0;
    if (cf_buf_printf(&text, "a %s is of %s, not of %s", name, kind->group, CF_QUOTE(api->value)) <
        0)
        return no_memory(warning->err);
    const struct cf_kubeadm_finding finding = {CF_KUBEADM_UNKNOWN, api, NULL, text.data};
    return add_finding(&finding, warning);
}

int cf_kubeadm_judge(struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    struct warning warning = {kubeadm, err};
    int r = 0;

    for (size_t i = 0; i < cf_edit_count(kubeadm->edit) && r == 0; i++) {
        const struct cf_edit_node *document = cf_edit_document(kubeadm->edit, i);
        r = judge_group(&warning, document);
        if (r == 0)
            r = cf_kubeadm_check(kubeadm->edit, document, kubeadm->minor, add_finding, &warning);
    }
    return r;
}
