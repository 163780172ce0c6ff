/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rootfs's own registry reads: etc/registry_config.yml, with the three styles of its proxy
 * section, and etc/registry.yml; and Metadata. Sources: distribution 2.8 docs/configuration.md;
 * sealer docs/design/docker-image-cache.md, pkg/runtime.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const struct field accesslog[] = {{"disabled", FIELD_BOOL, NULL}, {0}};
static const struct field log_keys[] = {
    {"accesslog", FIELD_MAP, accesslog}, {"level", FIELD_TEXT, NULL},
    {"formatter", FIELD_TEXT, NULL},     {"fields", FIELD_MAP, NULL},
    {"hooks", FIELD_LIST, NULL},         {0}};
static const struct field filesystem[] = {
    {"rootdirectory", FIELD_TEXT, NULL}, {"maxthreads", FIELD_INT, NULL}, {0}};
static const struct field delete_keys[] = {{"enabled", FIELD_BOOL, NULL}, {0}};
static const struct field cache[] = {{"blobdescriptor", FIELD_TEXT, NULL},
                                     {"blobdescriptorsize", FIELD_INT, NULL},
                                     {"layerinfo", FIELD_TEXT, NULL},
                                     {0}};
static const struct field storage[] = {{"filesystem", FIELD_MAP, filesystem},
                                       {"inmemory", FIELD_ANY, NULL},
                                       {"azure", FIELD_MAP, NULL},
                                       {"gcs", FIELD_MAP, NULL},
                                       {"s3", FIELD_MAP, NULL},
                                       {"swift", FIELD_MAP, NULL},
                                       {"oss", FIELD_MAP, NULL},
                                       {"rados", FIELD_MAP, NULL},
                                       {"s3aws", FIELD_MAP, NULL},
                                       {"delete", FIELD_MAP, delete_keys},
                                       {"cache", FIELD_MAP, cache},
                                       {"maintenance", FIELD_MAP, NULL},
                                       {"redirect", FIELD_MAP, NULL},
                                       {"tag", FIELD_MAP, NULL},
                                       {0}};
static const struct field http[] = {{"addr", FIELD_TEXT, NULL},
                                    {"net", FIELD_TEXT, NULL},
                                    {"prefix", FIELD_TEXT, NULL},
                                    {"host", FIELD_TEXT, NULL},
                                    {"secret", FIELD_TEXT, NULL},
                                    {"relativeurls", FIELD_BOOL, NULL},
                                    {"draintimeout", FIELD_TEXT, NULL},
                                    {"tls", FIELD_MAP, NULL},
                                    {"headers", FIELD_MAP, NULL},
                                    {"debug", FIELD_MAP, NULL},
                                    {"http2", FIELD_MAP, NULL},
                                    {"h2c", FIELD_MAP, NULL},
                                    {0}};
static const struct field remote[] = {
    {"url", FIELD_TEXT, NULL}, {"username", FIELD_TEXT, NULL}, {"password", FIELD_TEXT, NULL}, {0}};
static const struct field proxy[] = {{"remoteurl", FIELD_TEXT, NULL},
                                     {"username", FIELD_TEXT, NULL},
                                     {"password", FIELD_TEXT, NULL},
                                     {"ttl", FIELD_TEXT, NULL},
                                     {"exec", FIELD_MAP, NULL},
                                     {"on", FIELD_BOOL, NULL},
                                     {"remoteregistries", FIELD_LIST, remote},
                                     {0}};
static const struct field config[] = {{"version", FIELD_TEXT, NULL},
                                      {"log", FIELD_MAP, log_keys},
                                      {"loglevel", FIELD_TEXT, NULL},
                                      {"storage", FIELD_ANY, storage},
                                      {"auth", FIELD_MAP, NULL},
                                      {"middleware", FIELD_MAP, NULL},
                                      {"reporting", FIELD_MAP, NULL},
                                      {"http", FIELD_MAP, http},
                                      {"notifications", FIELD_MAP, NULL},
                                      {"redis", FIELD_MAP, NULL},
                                      {"health", FIELD_MAP, NULL},
                                      {"proxy", FIELD_MAP, proxy},
                                      {"compatibility", FIELD_MAP, NULL},
                                      {"validation", FIELD_MAP, NULL},
                                      {"policy", FIELD_MAP, NULL},
                                      {"catalog", FIELD_MAP, NULL},
                                      {0}};
static const struct reader registry = {CF_CHECK_REGISTRY_CONFIG, "the registry", CF_WARNING,
                                       "it is passed over"};

/* ---- the proxy section ---- */

static void check_url(struct checking *checking, const struct cf_edit_node *map, const char *key)
{
    const struct cf_edit_node *url = cf_edit_child(map, key);

    if (!url || url->kind != CF_EDIT_SCALAR || !*url->value) {
        cf_check_found(checking, CF_ERROR, CF_CHECK_REGISTRY_CONFIG, url ? url->line : map->line,
                       NULL, "a registry without its %s", key);
        return;
    }
    if (strncmp(url->value, "http://", 7) != 0 && strncmp(url->value, "https://", 8) != 0)
        cf_check_found(checking, CF_ERROR, CF_CHECK_REGISTRY_CONFIG, url->line,
                       "write https:// or http:// in front", "%s '%s' is no URL", key, url->value);
    const char *host = strstr(url->value, "://");
    if (host && (!strcmp(host, "://docker.io") || !strcmp(host, "://docker.io/")))
        cf_check_found(checking, CF_WARNING, CF_CHECK_REGISTRY_CONFIG, url->line,
                       "write https://registry-1.docker.io", "no registry answers at docker.io");
}

static void check_account(struct checking *checking, const struct cf_edit_node *map,
                          enum cf_check_rule rule)
{
    const char *user = cf_edit_child_text(map, "username");
    const char *password = cf_edit_child_text(map, "password");
    bool has_user = user && *user, has_password = password && *password;

    if (has_user != has_password)
        cf_check_found(checking, CF_WARNING, rule,
                       cf_edit_child(map, has_user ? "username" : "password")->line,
                       "give both, or none", "a %s without its %s",
                       has_user ? "username" : "password", has_user ? "password" : "username");
}

static void check_proxy(struct checking *checking, const struct cf_edit_node *map)
{
    const struct cf_edit_node *one = cf_edit_child(map, "remoteurl"),
                              *on = cf_edit_child(map, "on");
    const struct cf_edit_node *list = cf_edit_child(map, "remoteregistries");
    bool is_on = on && on->kind == CF_EDIT_SCALAR && !strcmp(on->value, "true");

    if (!one && !list && !is_on) {
        cf_check_found(checking, CF_WARNING, CF_CHECK_REGISTRY_CONFIG, map->line,
                       "give remoteurl, remoteregistries or on: true, or take the section away",
                       "the proxy section says nothing to fetch from");
        return;
    }
    if ((one && list) || (is_on && (one || list)))
        cf_check_found(checking, CF_WARNING, CF_CHECK_REGISTRY_CONFIG, map->line,
                       "leave one of remoteurl, remoteregistries and on",
                       "the proxy section has more than one style");
    if (one)
        check_url(checking, map, "remoteurl");
    check_account(checking, map, CF_CHECK_REGISTRY_CONFIG);
    if (list && list->kind == CF_EDIT_LIST && !list->count)
        cf_check_found(checking, CF_ERROR, CF_CHECK_REGISTRY_CONFIG, list->line,
                       "name a registry, or take the proxy section away",
                       "remoteregistries is empty: nothing is fetched");
    for (const struct cf_edit_node *n = list ? list->first : NULL; n; n = n->next)
        if (n->kind == CF_EDIT_MAP) {
            check_url(checking, n, "url");
            check_account(checking, n, CF_CHECK_REGISTRY_CONFIG);
        }
}

static const struct cf_edit_node *only_map(struct checking *checking, const struct cf_edit *edit,
                                           enum cf_check_rule rule)
{
    const struct cf_edit_node *map = edit ? cf_edit_document(edit, 0) : NULL;

    if (map && map->kind == CF_EDIT_MAP)
        return map;
    if (edit)
        cf_check_found(checking, CF_ERROR, rule, map ? map->line : 0, NULL,
                       "a map of keys and values is wanted");
    return NULL;
}

void cf_check_registry_config(struct checking *checking, const struct cf_buf *text)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = cf_check_open(checking, text, false);
    const struct cf_edit_node *map = only_map(checking, edit, CF_CHECK_REGISTRY_CONFIG);

    if (!map)
        return;
    cf_check_fields(checking, map, config, &registry);
    if (!cf_edit_child(map, "version"))
        cf_check_found(checking, CF_ERROR, CF_CHECK_REGISTRY_CONFIG, map->line,
                       "write version: 0.1", "the registry does not start without a version");
    if (!cf_edit_child(map, "storage"))
        cf_check_found(checking, CF_WARNING, CF_CHECK_REGISTRY_CONFIG, map->line,
                       "write storage: {filesystem: {rootdirectory: /var/lib/registry}}",
                       "there is no storage: the registry does not start, if its environment does "
                       "not name one");
    const struct cf_edit_node *section = cf_edit_child(map, "proxy");
    if (section && section->kind == CF_EDIT_MAP)
        check_proxy(checking, section);
}

/* ---- etc/registry.yml ---- */

void cf_check_registry(struct checking *checking, const struct cf_buf *text)
{
    static const struct field fields[] = {
        {"domain", FIELD_TEXT, NULL},   {"port", FIELD_TEXT, NULL}, {"username", FIELD_TEXT, NULL},
        {"password", FIELD_TEXT, NULL}, {"ip", FIELD_TEXT, NULL},   {0}};
    static const struct reader reader = {CF_CHECK_REGISTRY, "sealer", CF_WARNING,
                                         "it is passed over"};
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = cf_check_open(checking, text, false);
    const struct cf_edit_node *map =
        edit && cf_edit_count(edit) ? only_map(checking, edit, CF_CHECK_REGISTRY) : NULL;

    if (!map)
        return;
    cf_check_fields(checking, map, fields, &reader);
    check_account(checking, map, CF_CHECK_REGISTRY);
    const struct cf_edit_node *port = cf_edit_child(map, "port"),
                              *domain = cf_edit_child(map, "domain");
    if (port && port->kind == CF_EDIT_SCALAR && port->type != CF_YAML_NULL && *port->value) {
        char *end = NULL;
        long number = strtol(port->value, &end, 10);
        if (*end || number < 1 || number > 65535)
            cf_check_found(checking, CF_ERROR, CF_CHECK_REGISTRY, port->line, NULL,
                           "port '%s' is no number from 1 to 65535", port->value);
    }
    if (domain && domain->kind == CF_EDIT_SCALAR && strpbrk(domain->value, "/ "))
        cf_check_found(checking, CF_ERROR, CF_CHECK_REGISTRY, domain->line,
                       "write the name alone, as sea.hub", "domain '%s' is no host name",
                       domain->value);
}

/* ---- Metadata ---- */

void cf_check_metadata(struct checking *checking, const struct cf_buf *text)
{
    static const struct field fields[] = {
        {"version", FIELD_STRING, NULL},        {"arch", FIELD_STRING, NULL},
        {"variant", FIELD_STRING, NULL},        {"kubeVersion", FIELD_STRING, NULL},
        {"NydusFlag", FIELD_BOOL, NULL},        {"containerRuntime", FIELD_ANY, NULL},
        {"clusterRuntime", FIELD_STRING, NULL}, {0}};
    static const struct reader reader = {CF_CHECK_METADATA, "sealer", CF_WARNING,
                                         "it is passed over"};
    static const char *const machines[] = {"amd64", "arm64",   "arm",     "386",     "ppc64le",
                                           "s390x", "riscv64", "loong64", "mips64le"};
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = cf_check_open(checking, text, true);
    const struct cf_edit_node *map = only_map(checking, edit, CF_CHECK_METADATA);
    bool known = false;

    if (!map)
        return;
    cf_check_fields(checking, map, fields, &reader);
    const struct cf_edit_node *arch = cf_edit_child(map, "arch");
    if (!arch || arch->kind != CF_EDIT_SCALAR || !*arch->value)
        return;
    for (size_t i = 0; i < CF_COUNT(machines); i++)
        known |= !strcmp(machines[i], arch->value);
    if (!known)
        cf_check_found(checking, CF_WARNING, CF_CHECK_METADATA, arch->line,
                       "write amd64, arm64 ...", "nobody knows the architecture '%s'", arch->value);
    else if (checking->options->architecture &&
             strcmp(checking->options->architecture, arch->value) != 0)
        cf_check_found(checking, CF_WARNING, CF_CHECK_METADATA, arch->line, NULL,
                       "arch is %s, and the image is for %s", arch->value,
                       checking->options->architecture);
}
