/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealer's own documents: Plugin files, and what an etc/Clusterfile holds. Sources: sealer v0.8.5,
 * pkg/plugin, pkg/config, types/api; v0.9 for the fields that it added.
 */
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/kubeadm.h>

#include "internal.h"

static bool is_one_of(const char *text, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && !strncmp(*words, text, len))
            return true;
    return false;
}

/* ---- Plugin ---- */

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

static void check_action(struct checking *checking, const struct cf_edit_node *action)
{
    static const char *const phases[] = {"Originally", "PreInit",  "PreInstall",  "PreJoin",
                                         "PostJoin",   "PreGuest", "PostInstall", "PreClean",
                                         "PostClean",  NULL};
    for (const char *p = action->value; *p;) {
        size_t len = strcspn(p, "|");
        if (!is_one_of(p, len, phases))
            cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, action->line, NULL,
                           "action '%.*s' is none of Originally, PreInit, PreInstall, PreJoin, "
                           "PostJoin, PreGuest, PostInstall, PreClean, PostClean",
                           (int)len, p);
        p += len + (p[len] == '|');
    }
}

/* Types of their own come with .so files in plugins/. */
static int find_program(const struct cf_rootfs_entry *entry, void *context)
{
    size_t len = strlen(entry->name);
    if (len > 3 && !strcmp(entry->name + len - 3, ".so"))
        *(bool *)context = true;
    return S_ISDIR(entry->mode) ? CF_ROOTFS_SKIP : 0;
}

static bool is_own_type(struct checking *checking)
{
    struct cf_rootfs *whole = cf_check_whole(checking);
    bool found = false;

    return whole && cf_rootfs_walk(whole, "plugins", find_program, &found, NULL) == 0 && found;
}

static const struct cf_edit_node *text_of(const struct cf_edit_node *map, const char *key)
{
    const struct cf_edit_node *node = cf_edit_child(map, key);
    return node && node->kind == CF_EDIT_SCALAR && node->len ? node : NULL;
}

void cf_check_plugin_document(struct checking *checking, const struct cf_edit_node *document)
{
    static const char *const types[] = {"SHELL", "LABEL",        "TAINT", "HOSTNAME",
                                        "ETCD",  "CLUSTERCHECK", NULL};
    const struct cf_edit_node *spec = cf_edit_child(document, "spec");
    const struct cf_edit_node *type = text_of(spec, "type"), *action = text_of(spec, "action");
    const struct cf_edit_node *on = text_of(spec, "on");

    if (!type)
        cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, document->line, NULL,
                       "the Plugin has no spec.type");
    else if (!is_one_of(type->value, type->len, types) && !is_own_type(checking))
        cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, type->line, NULL,
                       "type '%s' is none of SHELL, LABEL, TAINT, HOSTNAME, ETCD, CLUSTERCHECK",
                       type->value);
    if (!action)
        cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, document->line, NULL,
                       "the Plugin has no spec.action");
    else
        check_action(checking, action);
    if (on && !is_on(on->value))
        cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, on->line, NULL,
                       "on '%s' is none of master, node, master0, addresses, a label NAME=VALUE",
                       on->value);
    if (type && !strcmp(type->value, "SHELL") && !text_of(spec, "data"))
        cf_check_found(checking, CF_WARNING, CF_CHECK_PLUGIN, type->line,
                       "write the script under spec.data", "the SHELL Plugin has nothing to run");
}

void cf_check_plugin(struct checking *checking, const struct cf_buf *text)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;

    if (strchr(checking->path + strlen("plugins/"), '/')) {
        cf_check_found(checking, CF_WARNING, CF_CHECK_PLUGIN, 0, "copy it there",
                       "only files in plugins/ itself are plugins");
        return;
    }
    edit = cf_check_open(checking, text, false);
    for (size_t i = 0; edit && i < cf_edit_count(edit); i++) {
        const struct cf_edit_node *document = cf_edit_document(edit, i);
        const struct cf_edit_node *kind = cf_edit_child(document, "kind");
        if (document->kind == CF_EDIT_SCALAR && document->type == CF_YAML_NULL)
            continue;
        if (!kind || kind->kind != CF_EDIT_SCALAR)
            cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, document->line, NULL,
                           "there is no kind: Plugin");
        else if (strcmp(kind->value, "Plugin") != 0)
            cf_check_found(checking, CF_ERROR, CF_CHECK_PLUGIN, kind->line, NULL,
                           "kind '%s' is no Plugin", kind->value);
        else
            cf_check_plugin_document(checking, document);
    }
}

/* ---- Config ---- */

static void check_config(struct checking *checking, const struct cf_edit_node *document)
{
    static const char *const words[] = {"value", "toJson", "toBase64", "toSecret", NULL};
    const struct cf_edit_node *spec = cf_edit_child(document, "spec");
    const struct cf_edit_node *strategy = text_of(spec, "strategy"),
                              *process = text_of(spec, "process");

    if (!text_of(spec, "path"))
        cf_check_found(checking, CF_ERROR, CF_CHECK_CLUSTERFILE, document->line, NULL,
                       "the Config has no spec.path");
    if (!cf_edit_child(spec, "data"))
        cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE, document->line, NULL,
                       "the Config has no spec.data");
    if (strategy && strcmp(strategy->value, "merge") != 0 &&
        strcmp(strategy->value, "overwrite") != 0)
        cf_check_found(checking, CF_ERROR, CF_CHECK_CLUSTERFILE, strategy->line,
                       "write merge or overwrite", "nobody knows the strategy '%s'",
                       strategy->value);
    for (const char *p = process ? process->value : ""; *p;) {
        size_t len = strcspn(p, "|");
        if (!is_one_of(p, len, words))
            cf_check_found(checking, CF_ERROR, CF_CHECK_CLUSTERFILE, process->line, NULL,
                           "process '%.*s' is none of value, toJson, toBase64, toSecret", (int)len,
                           p);
        p += len + (p[len] == '|');
    }
}

/* ---- Cluster ---- */

static const struct field ssh[] = {{"user", FIELD_TEXT, NULL},      {"passwd", FIELD_TEXT, NULL},
                                   {"pk", FIELD_TEXT, NULL},        {"pkPasswd", FIELD_TEXT, NULL},
                                   {"pkName", FIELD_TEXT, NULL},    {"port", FIELD_TEXT, NULL},
                                   {"encrypted", FIELD_BOOL, NULL}, {0}};
static const struct field host[] = {{"ips", FIELD_TEXTS, NULL},
                                    {"roles", FIELD_TEXTS, NULL},
                                    {"env", FIELD_TEXTS, NULL},
                                    {"ssh", FIELD_MAP, ssh},
                                    {"labels", FIELD_ANY, NULL},
                                    {"taints", FIELD_ANY, NULL},
                                    {0}};
static const struct field spec_v2[] = {{"image", FIELD_TEXT, NULL},
                                       {"env", FIELD_TEXTS, NULL},
                                       {"cmd", FIELD_TEXTS, NULL},
                                       {"cmd_args", FIELD_TEXTS, NULL},
                                       {"hosts", FIELD_LIST, host},
                                       {"ssh", FIELD_MAP, ssh},
                                       {"APPNames", FIELD_TEXTS, NULL},
                                       {"appNames", FIELD_TEXTS, NULL},
                                       {"registry", FIELD_ANY, NULL},
                                       {"containerRuntime", FIELD_ANY, NULL},
                                       {"hostAliases", FIELD_ANY, NULL},
                                       {"dataRoot", FIELD_TEXT, NULL},
                                       {0}};
static const struct field node_v1[] = {{"cpu", FIELD_TEXT, NULL},
                                       {"memory", FIELD_TEXT, NULL},
                                       {"count", FIELD_TEXT, NULL},
                                       {"systemDisk", FIELD_TEXT, NULL},
                                       {"dataDisks", FIELD_TEXTS, NULL},
                                       {"ipList", FIELD_TEXTS, NULL},
                                       {0}};
static const struct field network_v1[] = {
    {"podCIDR", FIELD_TEXT, NULL},    {"svcCIDR", FIELD_TEXT, NULL},
    {"interface", FIELD_TEXT, NULL},  {"cniName", FIELD_TEXT, NULL},
    {"withoutCNI", FIELD_BOOL, NULL}, {0}};
static const struct field spec_v1[] = {{"image", FIELD_TEXT, NULL},
                                       {"provider", FIELD_TEXT, NULL},
                                       {"ssh", FIELD_MAP, ssh},
                                       {"network", FIELD_MAP, network_v1},
                                       {"certSANS", FIELD_TEXTS, NULL},
                                       {"masters", FIELD_MAP, node_v1},
                                       {"nodes", FIELD_MAP, node_v1},
                                       {"env", FIELD_TEXTS, NULL},
                                       {0}};
static const struct reader sealer = {CF_CHECK_CLUSTERFILE, "sealer", CF_WARNING,
                                     "it is passed over"};

static void check_roles(struct checking *checking, const struct cf_edit_node *list)
{
    for (const struct cf_edit_node *n = list && list->kind == CF_EDIT_LIST ? list->first : NULL; n;
         n = n->next)
        if (n->kind == CF_EDIT_SCALAR && strcmp(n->value, "master") != 0 &&
            strcmp(n->value, "node") != 0)
            cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE, n->line,
                           "write master or node", "sealer knows no role '%s'", n->value);
}

static void check_env(struct checking *checking, const struct cf_edit_node *list)
{
    for (const struct cf_edit_node *n = list && list->kind == CF_EDIT_LIST ? list->first : NULL; n;
         n = n->next)
        if (n->kind == CF_EDIT_SCALAR && (!strchr(n->value, '=') || *n->value == '='))
            cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE, n->line, "write NAME=VALUE",
                           "the variable '%s' has no value", n->value);
}

static void check_cluster(struct checking *checking, const struct cf_edit_node *document)
{
    const struct cf_edit_node *version = text_of(document, "apiVersion");
    const struct cf_edit_node *spec = cf_edit_child(document, "spec");
    const char *text = version ? version->value : "";
    bool v1 =
        !strcmp(text, "zlink.aliyun.com/v1alpha1") || !strcmp(text, "sealer.aliyun.com/v1alpha1");

    if (!v1 && strcmp(text, "sealer.cloud/v2") != 0) {
        cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE,
                       version ? version->line : document->line, "write sealer.cloud/v2",
                       "nobody knows the apiVersion '%s' of a Cluster", text);
        return;
    }
    if (!spec || spec->kind != CF_EDIT_MAP) {
        cf_check_found(checking, CF_ERROR, CF_CHECK_CLUSTERFILE, document->line, NULL,
                       "the Cluster has no spec");
        return;
    }
    cf_check_fields(checking, spec, v1 ? spec_v1 : spec_v2, &sealer);
    if (!text_of(spec, "image"))
        cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE, spec->line, NULL,
                       "the Cluster has no spec.image");
    check_env(checking, cf_edit_child(spec, "env"));
    const struct cf_edit_node *hosts = v1 ? NULL : cf_edit_child(spec, "hosts");
    for (const struct cf_edit_node *n = hosts && hosts->kind == CF_EDIT_LIST ? hosts->first : NULL;
         n; n = n->next) {
        check_roles(checking, cf_edit_child(n, "roles"));
        check_env(checking, cf_edit_child(n, "env"));
    }
}

/* ---- Clusterfile ---- */

void cf_check_clusterfile(struct checking *checking, const struct cf_buf *text)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = cf_check_open(checking, text, false);

    for (size_t i = 0; edit && i < cf_edit_count(edit); i++) {
        const struct cf_edit_node *document = cf_edit_document(edit, i);
        const struct cf_edit_node *kind = text_of(document, "kind");
        if (document->kind == CF_EDIT_SCALAR && document->type == CF_YAML_NULL)
            continue;
        if (!kind)
            cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE, document->line,
                           "write kind: Cluster", "a document without a kind is passed over");
        else if (!strcmp(kind->value, "Cluster"))
            check_cluster(checking, document);
        else if (!strcmp(kind->value, "Config"))
            check_config(checking, document);
        else if (!strcmp(kind->value, "Plugin"))
            cf_check_plugin_document(checking, document);
        else if (cf_kubeadm_kind_find(kind->value))
            cf_check_kubeadm_document(checking, edit, document);
        else if (strcmp(kind->value, "Application") != 0)
            cf_check_found(checking, CF_WARNING, CF_CHECK_CLUSTERFILE, kind->line,
                           "Cluster, Config, Plugin and kubeadm's kinds are read",
                           "nothing reads the kind '%s' of a Clusterfile", kind->value);
    }
}
