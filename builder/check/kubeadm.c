/* SPDX-License-Identifier: Apache-2.0 */
/* etc/kubeadm.yml: kinds, API versions and fields, as the table of kubeadm.h has them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/kubeadm.h>

#include "internal.h"

static const char *text_of(const struct cf_edit_node *document, const char *key, size_t *ret_line)
{
    const struct cf_edit_node *node = cf_edit_child(document, key);

    if (!node || node->kind != CF_EDIT_SCALAR || !node->len)
        return NULL;
    *ret_line = node->line;
    return node->value;
}

/* 1.MINOR that the file is for: its own word, else Metadata's where that is at hand. */
static unsigned minor_of(struct checking *checking, const struct cf_edit *edit)
{
    size_t line = 0;

    for (size_t i = 0; i < cf_edit_count(edit); i++) {
        const char *version = text_of(cf_edit_document(edit, i), "kubernetesVersion", &line);
        if (version)
            return cf_kubeadm_minor(version);
    }
    return checking->kubernetes_version ? cf_kubeadm_minor(checking->kubernetes_version) : 0;
}

static int tell(const struct cf_kubeadm_finding *finding, void *context)
{
    struct checking *checking = context;
    const struct cf_edit_node *node = finding->node;
    bool wrong = finding->what == CF_KUBEADM_UNKNOWN || finding->what == CF_KUBEADM_WRONG_TYPE;

    cf_check_found(checking, wrong ? CF_ERROR : CF_WARNING, CF_CHECK_KUBEADM,
                   node->key ? node->key->line : node->line, NULL, "%s", finding->text);
    return checking->failed;
}

static void check_version(struct checking *checking, const struct cf_edit_node *document,
                          const struct cf_kubeadm_kind *kind, unsigned minor)
{
    size_t line = document->line, len = strlen(kind->group);
    const char *version = text_of(document, "apiVersion", &line);
    unsigned number = version ? cf_kubeadm_api_number(version) : 0;

    if (!version)
        cf_check_found(checking, CF_WARNING, CF_CHECK_KUBEADM, document->line, NULL,
                       "the %s has no apiVersion", kind->kind);
    else if (strncmp(version, kind->group, len) != 0 || version[len] != '/')
        cf_check_found(checking, CF_ERROR, CF_CHECK_KUBEADM, line, NULL,
                       "apiVersion '%s': a %s is of %s", version, kind->kind, kind->group);
    else if (number && minor && !cf_kubeadm_api_reads(minor, number))
        cf_check_found(checking, CF_ERROR, CF_CHECK_KUBEADM, line, NULL,
                       "the kubeadm of Kubernetes 1.%u does not read %s", minor, version);
}

static void tell_kind(struct checking *checking, const char *kind, size_t line)
{
    static const char *const kinds[] = {"InitConfiguration",      "JoinConfiguration",
                                        "ClusterConfiguration",   "KubeletConfiguration",
                                        "KubeProxyConfiguration", "ResetConfiguration"};
    const char *near = cf_check_near(kind, kinds, CF_COUNT(kinds));
    char mend[80];

    if (near)
        snprintf(mend, sizeof(mend), "%s may be meant", near);
    cf_check_found(checking, near ? CF_ERROR : CF_WARNING, CF_CHECK_KUBEADM, line,
                   near ? mend : NULL, "kubeadm knows no kind '%s'", kind);
}

void cf_check_kubeadm_document(struct checking *checking, const struct cf_edit *edit,
                               const struct cf_edit_node *document)
{
    unsigned minor = minor_of(checking, edit);
    size_t line = document->line;
    const char *text = text_of(document, "kind", &line);
    const struct cf_kubeadm_kind *kind = text ? cf_kubeadm_kind_find(text) : NULL;

    if (!text) {
        cf_check_found(checking, CF_ERROR, CF_CHECK_KUBEADM, line, NULL,
                       "a document without a kind is read by nobody");
        return;
    }
    if (!kind) {
        tell_kind(checking, text, line);
        return;
    }
    check_version(checking, document, kind, minor);
    int r = cf_kubeadm_check(edit, document, minor, tell, checking);
    if (r == -ENOMEM && !checking->failed)
        checking->failed = cf_fail(checking->err, r, "out of memory");
}

/* Of two documents of a kind, one is lost. */
static void check_twice(struct checking *checking, const struct cf_edit *edit, size_t index)
{
    size_t line = 0, before = 0;
    const char *kind = text_of(cf_edit_document(edit, index), "kind", &line), *other = NULL;

    for (size_t i = 0; kind && i < index; i++) {
        other = text_of(cf_edit_document(edit, i), "kind", &before);
        if (!other || strcmp(other, kind) != 0)
            continue;
        cf_check_found(checking, CF_ERROR, CF_CHECK_KUBEADM, line, "make one of both",
                       "a second %s: the first is in line %zu", kind, before);
        return;
    }
}

void cf_check_kubeadm(struct checking *checking, const struct cf_buf *text)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = cf_check_open(checking, text, false);

    for (size_t i = 0; edit && i < cf_edit_count(edit); i++) {
        const struct cf_edit_node *document = cf_edit_document(edit, i);
        if (document->kind == CF_EDIT_SCALAR && document->type == CF_YAML_NULL)
            continue;
        cf_check_kubeadm_document(checking, edit, document);
        check_twice(checking, edit, i);
    }
}
