/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration: one text of all that count. */
#include "effective.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>

#define OLDEST_VERSION "v1.19.8" /* what sealer's built-in file is for */

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static bool is_null(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR && node->type == CF_YAML_NULL;
}

static bool is_kubeadms(const struct cf_edit_node *document)
{
    const char *name = cf_edit_child_text(document, "kind");
    const struct cf_kubeadm_kind *kind = name ? cf_kubeadm_kind_find(name) : NULL;

    return kind && !strcmp(kind->group, "kubeadm.k8s.io");
}

/* ---- versions ---- */

static int choose_version(struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    const struct cf_edit_node *node = NULL;
    const char *version = NULL;
    size_t i = 0;

    for (; i < kubeadm->count && !version; i++)
        if (cf_edit_find(kubeadm->sources[i].edit, "ClusterConfiguration.kubernetesVersion", &node,
                         NULL) == 0 &&
            node->kind == CF_EDIT_SCALAR && !is_null(node))
            version = node->value;
    if (version && kubeadm->metadata &&
        cf_kubeadm_minor(version) != cf_kubeadm_minor(kubeadm->metadata) &&
        cf_kubeadm_warn(
            kubeadm, err,
            "%s:%zu: kubernetesVersion is %s, but the rootfs is for %s, as Metadata says: set it "
            "to that",
            cf_edit_name(kubeadm->sources[i - 1].edit), cf_kubeadm_line(node), version,
            kubeadm->metadata) < 0)
        return -ENOMEM;
    if (!version)
        version = kubeadm->metadata;
    if (!version) {
        version = OLDEST_VERSION;
        if (cf_kubeadm_warn(kubeadm, err,
                            "neither " CF_KUBEADM_FILE
                            " nor Metadata tells the version of Kubernetes: it is "
                            "taken to be " OLDEST_VERSION) < 0)
            return -ENOMEM;
    }
    kubeadm->version = strdup(version);
    kubeadm->minor = cf_kubeadm_minor(version);
    return kubeadm->version ? 0 : no_memory(err);
}

/* The newest API version that a file states; ret_where is the first of it. */
static unsigned stated_api(const struct cf_kubeadm *kubeadm, const struct cf_edit **ret_edit,
                           const struct cf_edit_node **ret_where)
{
    unsigned newest = 0;

    for (size_t i = 0; i < kubeadm->count; i++)
        for (size_t k = 0; k < cf_edit_count(kubeadm->sources[i].edit); k++) {
            const struct cf_edit_node *document = cf_edit_document(kubeadm->sources[i].edit, k);
            const char *api = cf_edit_child_text(document, "apiVersion");
            unsigned number = api && is_kubeadms(document) ? cf_kubeadm_api_number(api) : 0;
            if (number <= newest)
                continue;
            newest = number;
            *ret_edit = kubeadm->sources[i].edit;
            *ret_where = cf_edit_child(document, "apiVersion");
        }
    return newest;
}

static int choose_api(struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    const struct cf_edit_node *where = NULL;
    const struct cf_edit *edit = NULL;
    unsigned stated = stated_api(kubeadm, &edit, &where);
    unsigned suited = cf_kubeadm_api_for(kubeadm->minor);

    kubeadm->api = stated;
    if (!stated)
        kubeadm->api = suited ? suited : 2;
    if (!stated || !suited || cf_kubeadm_api_reads(kubeadm->minor, stated))
        return 0;
    kubeadm->api = suited;
    return cf_kubeadm_warn(
        kubeadm, err, "%s:%zu: kubeadm of Kubernetes %s does not read v1beta%u: v1beta%u is taken",
        cf_edit_name(edit), cf_kubeadm_line(where), kubeadm->version, stated, suited);
}

static int add_default(struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    struct cf_kubeadm_source source = {.origin = CF_KUBEADM_FROM_DEFAULT};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    if (cf_kubeadm_default(kubeadm->version, kubeadm->minor, kubeadm->api, &text) < 0)
        return no_memory(err);
    int r = cf_edit_open_value("built-in", text.data, text.len, &source.edit, err);
    return r < 0 ? r : cf_kubeadm_add_source(kubeadm, &source, err);
}

/* ---- arguments: from v1beta4 on, lists of names and values ---- */

static int put_pairs(const struct cf_edit_node *map, struct cf_buf *text)
{
    int r = cf_buf_add_char(text, '[');

    for (const struct cf_edit_node *n = map->first; n && r == 0; n = n->next) {
        r = cf_buf_add_str(text, "{name: ");
        if (r == 0)
            r = cf_edit_put_value(n->key, false, text);
        if (r == 0)
            r = cf_buf_add_str(text, ", value: ");
        if (r == 0)
            r = is_null(n) ? cf_buf_add_str(text, "''") : cf_edit_put_value(n, false, text);
        if (r == 0)
            r = cf_buf_add_str(text, n->next ? "}, " : "}");
    }
    return r < 0 ? r : cf_buf_add_char(text, ']');
}

/* "Kind.a.b" as the patch {kind: Kind, a: {b: [...]}} */
static int put_patch(const char *path, const struct cf_edit_node *map, struct cf_buf *text)
{
    size_t len = strcspn(path, "."), depth = 1;
    int r = cf_buf_printf(text, "{kind: %.*s, ", (int)len, path);

    for (path += len + 1; r == 0; path += len + 1, depth++) {
        len = strcspn(path, ".");
        r = cf_buf_printf(text, "%.*s: %s", (int)len, path, path[len] ? "{" : "");
        if (!path[len])
            break;
    }
    if (r == 0)
        r = put_pairs(map, text);
    for (; depth > 0 && r == 0; depth--)
        r = cf_buf_add_char(text, '}');
    return r;
}

static int make_list(struct cf_edit *edit, const char *path, struct cf_error *err)
{
    struct cf_edit *patch cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    const struct cf_edit_node *node = NULL;

    if (cf_edit_find(edit, path, &node, NULL) < 0 || node->kind != CF_EDIT_MAP)
        return 0;
    if (put_patch(path, node, &text) < 0)
        return no_memory(err);
    int r = cf_edit_open_value(path, text.data, text.len, &patch, err);
    if (r == 0)
        r = cf_edit_merge(edit, patch, err);
    return r < 0 ? r : 0;
}

static int make_lists(struct cf_edit *edit, struct cf_error *err)
{
    static const char *const paths[] = {
        "ClusterConfiguration.apiServer.extraArgs",
        "ClusterConfiguration.controllerManager.extraArgs",
        "ClusterConfiguration.scheduler.extraArgs",
        "ClusterConfiguration.etcd.local.extraArgs",
        "InitConfiguration.nodeRegistration.kubeletExtraArgs",
        "JoinConfiguration.nodeRegistration.kubeletExtraArgs",
    };
    int r = 0;

    for (size_t i = 0; i < CF_COUNT(paths) && r == 0; i++)
        r = make_list(edit, paths[i], err);
    return r;
}

/* ---- the text ---- */

/* A copy that can be changed, in the form of the API version. */
static int open_copy(const struct cf_kubeadm *kubeadm, const struct cf_edit *edit,
                     struct cf_edit **ret_copy, struct cf_error *err)
{
    size_t len;
    const char *text = cf_edit_text(edit, &len);
    int r = cf_edit_open(cf_edit_name(edit), text, len, ret_copy, err);

    return r == 0 && kubeadm->api >= 4 ? make_lists(*ret_copy, err) : r;
}

static int complete_from(struct cf_kubeadm *kubeadm, const struct cf_edit *below,
                         struct cf_error *err)
{
    struct cf_edit *copy cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *value cf_cleanup(cf_edit_close_ptr) = NULL;
    size_t len;
    int r = open_copy(kubeadm, below, &copy, err);

    if (r < 0)
        return r;
    const char *text = cf_edit_text(copy, &len);
    r = cf_edit_open_value(cf_edit_name(below), text, len, &value, err);
    if (r == 0)
        r = cf_edit_complete(kubeadm->edit, value, err);
    return r < 0 ? r : 0;
}

static int set_api_versions(struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    struct cf_edit *value cf_cleanup(cf_edit_close_ptr) = NULL;
    char text[64];
    int r;

    snprintf(text, sizeof(text), "kubeadm.k8s.io/v1beta%u", kubeadm->api);
    r = cf_edit_open_argument(text, true, &value, err);
    for (size_t i = 0; i < cf_edit_count(kubeadm->edit) && r >= 0; i++) {
        const struct cf_edit_node *document = cf_edit_document(kubeadm->edit, i);
        struct cf_buf path cf_autobuf = CF_BUF_INIT;
        if (!is_kubeadms(document))
            continue;
        if (cf_edit_path(kubeadm->edit, document, &path) < 0 ||
            cf_buf_add_str(&path, ".apiVersion") < 0)
            return no_memory(err);
        r = cf_edit_set(kubeadm->edit, path.data[0] == '.' ? "apiVersion" : path.data,
                        cf_edit_document(value, 0), err);
    }
    return r < 0 ? r : 0;
}

static int make_text(struct cf_kubeadm *kubeadm, struct cf_error *err)
{
    const struct cf_edit *top = kubeadm->sources[0].edit;
    size_t first = cf_edit_is_json(top) ? 0 : 1; /* JSON has no room for documents */
    int r = first ? open_copy(kubeadm, top, &kubeadm->edit, err)
                  : cf_edit_open(CF_KUBEADM_FILE, "", 0, &kubeadm->edit, err);

    for (size_t i = first; i < kubeadm->count && r == 0; i++)
        r = complete_from(kubeadm, kubeadm->sources[i].edit, err);
    return r < 0 ? r : set_api_versions(kubeadm, err);
}

/* Which of two documents of a kind would count, nobody could tell. */
static int refuse_twins(const struct cf_edit *edit, struct cf_error *err)
{
    for (size_t i = 0; i < cf_edit_count(edit); i++) {
        const char *kind = cf_edit_child_text(cf_edit_document(edit, i), "kind");
        for (size_t k = 0; k < i && kind && cf_kubeadm_kind_find(kind); k++) {
            const char *other = cf_edit_child_text(cf_edit_document(edit, k), "kind");
            if (other && !strcmp(kind, other))
                return cf_fail(err, -EINVAL,
                               "%s:%zu: a second document of kind %s (the first is in line %zu): "
                               "make them one",
                               cf_edit_name(edit), cf_edit_document(edit, i)->line, kind,
                               cf_edit_document(edit, k)->line);
        }
    }
    return 0;
}

/* ---- all of it ---- */

void cf_kubeadm_done(struct cf_kubeadm *kubeadm)
{
    cf_edit_close(kubeadm->edit);
    for (size_t i = 0; i < kubeadm->count; i++) {
        cf_edit_close(kubeadm->sources[i].edit);
        free(kubeadm->sources[i].created_by);
    }
    for (size_t i = 0; i < kubeadm->warning_count; i++)
        free(kubeadm->warnings[i]);
    free(kubeadm->sources);
    free(kubeadm->warnings);
    free(kubeadm->metadata);
    free(kubeadm->version);
    *kubeadm = (struct cf_kubeadm){0};
}

int cf_kubeadm_open(const struct cf_kubeadm_from *from, struct cf_kubeadm *ret_kubeadm,
                    struct cf_error *err)
{
    struct cf_kubeadm kubeadm = {0};
    int r = cf_kubeadm_read_sources(&kubeadm, from, err);

    if (r == 0 && kubeadm.count)
        r = refuse_twins(kubeadm.sources[0].edit, err);
    if (r == 0)
        r = choose_version(&kubeadm, err);
    if (r == 0)
        r = choose_api(&kubeadm, err);
    if (r == 0)
        r = add_default(&kubeadm, err);
    if (r == 0)
        r = make_text(&kubeadm, err);
    if (r == 0)
        r = cf_kubeadm_judge(&kubeadm, err);
    if (r < 0) {
        cf_kubeadm_done(&kubeadm);
        return r;
    }
    *ret_kubeadm = kubeadm;
    return 0;
}

int cf_kubeadm_override(const struct cf_kubeadm *kubeadm, struct cf_overrides *ret_overrides,
                        struct cf_error *err)
{
    struct cf_overrides overrides = {.list = calloc(1, sizeof(*overrides.list)), .count = 1};
    size_t len;
    const char *text = cf_edit_text(kubeadm->edit, &len);

    if (!overrides.list)
        return no_memory(err);
    *overrides.list = (struct cf_override){.kind = CF_OVERRIDE_COPY,
                                           .file = strdup(CF_KUBEADM_FILE),
                                           .data = malloc(len + 1),
                                           .len = len};
    if (!overrides.list->file || !overrides.list->data) {
        cf_overrides_done(&overrides);
        return no_memory(err);
    }
    memcpy(overrides.list->data, text, len + 1);
    *ret_overrides = overrides;
    return 0;
}
