/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.json: dockerd does not start with a key that it does not know, or a value of another type.
 * Sources: docs.docker.com, "dockerd", daemon configuration file; moby daemon/config, of 18.09 to
 * 29; mirror-registries is that of the dockerd that sealer ships.
 */
#include <string.h>

#include "internal.h"

static const struct field mirror[] = {
    {"domain", FIELD_STRING, NULL}, {"mirrors", FIELD_STRINGS, NULL}, {0}};
static const struct field pool[] = {{"base", FIELD_STRING, NULL}, {"size", FIELD_INT, NULL}, {0}};
static const struct field proxies[] = {{"http-proxy", FIELD_STRING, NULL},
                                       {"https-proxy", FIELD_STRING, NULL},
                                       {"no-proxy", FIELD_STRING, NULL},
                                       {0}};

static const struct field keys[] = {
    {"allow-direct-routing", FIELD_BOOL, NULL},
    {"allow-nondistributable-artifacts", FIELD_STRINGS, NULL},
    {"api-cors-header", FIELD_STRING, NULL},
    {"authorization-plugins", FIELD_STRINGS, NULL},
    {"bip", FIELD_STRING, NULL},
    {"bip6", FIELD_STRING, NULL},
    {"bridge", FIELD_STRING, NULL},
    {"bridge-accept-fwmark", FIELD_STRING, NULL},
    {"builder", FIELD_MAP, NULL},
    {"cdi-spec-dirs", FIELD_STRINGS, NULL},
    {"cgroup-parent", FIELD_STRING, NULL},
    {"cluster-advertise", FIELD_STRING, NULL},
    {"cluster-store", FIELD_STRING, NULL},
    {"cluster-store-opts", FIELD_STRING_MAP, NULL},
    {"containerd", FIELD_STRING, NULL},
    {"containerd-namespace", FIELD_STRING, NULL},
    {"containerd-plugin-namespace", FIELD_STRING, NULL},
    {"containerd-plugins-namespace", FIELD_STRING, NULL},
    {"cpu-rt-period", FIELD_INT, NULL},
    {"cpu-rt-runtime", FIELD_INT, NULL},
    {"cri-containerd", FIELD_BOOL, NULL},
    {"data-root", FIELD_STRING, NULL},
    {"debug", FIELD_BOOL, NULL},
    {"default-address-pools", FIELD_LIST, pool},
    {"default-cgroupns-mode", FIELD_STRING, NULL},
    {"default-gateway", FIELD_STRING, NULL},
    {"default-gateway-v6", FIELD_STRING, NULL},
    {"default-init", FIELD_STRING, NULL},
    {"default-ipc-mode", FIELD_STRING, NULL},
    {"default-network-opts", FIELD_MAP, NULL},
    {"default-runtime", FIELD_STRING, NULL},
    {"default-shm-size", FIELD_SIZE, NULL},
    {"default-ulimits", FIELD_MAP, NULL},
    {"deprecated-key-path", FIELD_STRING, NULL},
    {"disable-legacy-registry", FIELD_BOOL, NULL},
    {"dns", FIELD_STRINGS, NULL},
    {"dns-opts", FIELD_STRINGS, NULL},
    {"dns-search", FIELD_STRINGS, NULL},
    {"exec-opts", FIELD_STRINGS, NULL},
    {"exec-root", FIELD_STRING, NULL},
    {"experimental", FIELD_BOOL, NULL},
    {"features", FIELD_MAP, NULL},
    {"firewall-backend", FIELD_STRING, NULL},
    {"fixed-cidr", FIELD_STRING, NULL},
    {"fixed-cidr-v6", FIELD_STRING, NULL},
    {"graph", FIELD_STRING, NULL},
    {"group", FIELD_STRING, NULL},
    {"host-gateway-ip", FIELD_STRING, NULL},
    {"host-gateway-ips", FIELD_STRINGS, NULL},
    {"hosts", FIELD_STRINGS, NULL},
    {"http-proxy", FIELD_STRING, NULL},
    {"https-proxy", FIELD_STRING, NULL},
    {"icc", FIELD_BOOL, NULL},
    {"init", FIELD_BOOL, NULL},
    {"init-path", FIELD_STRING, NULL},
    {"insecure-registries", FIELD_STRINGS, NULL},
    {"ip", FIELD_STRING, NULL},
    {"ip-forward", FIELD_BOOL, NULL},
    {"ip-forward-no-drop", FIELD_BOOL, NULL},
    {"ip-masq", FIELD_BOOL, NULL},
    {"ip6tables", FIELD_BOOL, NULL},
    {"iptables", FIELD_BOOL, NULL},
    {"ipv6", FIELD_BOOL, NULL},
    {"labels", FIELD_STRINGS, NULL},
    {"live-restore", FIELD_BOOL, NULL},
    {"log-driver", FIELD_STRING, NULL},
    {"log-format", FIELD_STRING, NULL},
    {"log-level", FIELD_STRING, NULL},
    {"log-opts", FIELD_STRING_MAP, NULL},
    {"max-concurrent-downloads", FIELD_INT, NULL},
    {"max-concurrent-uploads", FIELD_INT, NULL},
    {"max-download-attempts", FIELD_INT, NULL},
    {"metrics-addr", FIELD_STRING, NULL},
    {"min-api-version", FIELD_STRING, NULL},
    {"mirror-registries", FIELD_LIST, mirror},
    {"mtu", FIELD_INT, NULL},
    {"network-control-plane-mtu", FIELD_INT, NULL},
    {"network-diagnostic-port", FIELD_INT, NULL},
    {"no-new-privileges", FIELD_BOOL, NULL},
    {"no-proxy", FIELD_STRING, NULL},
    {"node-generic-resources", FIELD_ANY, NULL},
    {"nri-opts", FIELD_MAP, NULL},
    {"oom-score-adjust", FIELD_INT, NULL},
    {"pidfile", FIELD_STRING, NULL},
    {"proxies", FIELD_MAP, proxies},
    {"raw-logs", FIELD_BOOL, NULL},
    {"registry-mirrors", FIELD_STRINGS, NULL},
    {"resolv-conf", FIELD_STRING, NULL},
    {"rootless", FIELD_BOOL, NULL},
    {"runtimes", FIELD_MAP, NULL},
    {"seccomp-profile", FIELD_STRING, NULL},
    {"selinux-enabled", FIELD_BOOL, NULL},
    {"shutdown-timeout", FIELD_INT, NULL},
    {"storage-driver", FIELD_STRING, NULL},
    {"storage-opts", FIELD_STRINGS, NULL},
    {"swarm-default-advertise-addr", FIELD_STRING, NULL},
    {"swarm-raft-election-tick", FIELD_INT, NULL},
    {"swarm-raft-heartbeat-tick", FIELD_INT, NULL},
    {"tls", FIELD_BOOL, NULL},
    {"tlscacert", FIELD_STRING, NULL},
    {"tlscert", FIELD_STRING, NULL},
    {"tlskey", FIELD_STRING, NULL},
    {"tlsverify", FIELD_BOOL, NULL},
    {"userland-proxy", FIELD_BOOL, NULL},
    {"userland-proxy-path", FIELD_STRING, NULL},
    {"userns-remap", FIELD_STRING, NULL},
    {0},
};

/* Known once: younger versions do not start with them. */
static const struct {
    const char *name, *mend;
} gone[] = {
    {"graph", "write data-root: dockerd 23 and later do not start with it"},
    {"cluster-store", "take it away: dockerd 23 and later do not start with it"},
    {"cluster-advertise", "take it away: dockerd 23 and later do not start with it"},
    {"cluster-store-opts", "take it away: dockerd 23 and later do not start with it"},
    {"disable-legacy-registry", "take it away: dockerd has always done so since 17.12"},
};

static const struct reader dockerd = {
    CF_CHECK_DAEMON, "dockerd", CF_ERROR,
    "it does not start with a key that it does not know, if no plugin or fork of it does"};

static void check_addresses(struct checking *checking, const struct cf_edit_node *list, bool urls)
{
    if (!list || list->kind != CF_EDIT_LIST)
        return;
    for (const struct cf_edit_node *n = list->first; n; n = n->next) {
        if (n->kind != CF_EDIT_SCALAR)
            continue;
        bool has_scheme = strstr(n->value, "://") != NULL;
        if (urls && !has_scheme)
            cf_check_found(checking, CF_ERROR, CF_CHECK_DAEMON, n->line,
                           "write https:// or http:// in front", "the mirror '%s' is no URL",
                           n->value);
        if (!urls && has_scheme)
            cf_check_found(checking, CF_ERROR, CF_CHECK_DAEMON, n->line,
                           "write host:port alone, or an address range",
                           "'%s' is a URL, where a registry's address is meant", n->value);
    }
}

static void check_words(struct checking *checking, const struct cf_edit_node *map)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", "fatal", "panic"};
    const struct cf_edit_node *level = cf_edit_child(map, "log-level");
    bool known = !level || level->kind != CF_EDIT_SCALAR || !*level->value;

    for (size_t i = 0; i < CF_COUNT(levels); i++)
        known = known || !strcmp(level->value, levels[i]);
    if (!known)
        cf_check_found(checking, CF_ERROR, CF_CHECK_DAEMON, level->line, NULL,
                       "log-level '%s' is none of debug, info, warn, error, fatal", level->value);
}

void cf_check_daemon(struct checking *checking, const struct cf_buf *text)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = cf_check_open(checking, text, true);
    const struct cf_edit_node *map = edit ? cf_edit_document(edit, 0) : NULL;

    if (!map)
        return;
    if (map->kind != CF_EDIT_MAP) {
        cf_check_found(checking, CF_ERROR, CF_CHECK_DAEMON, map->line, NULL,
                       "dockerd wants an object: { ... }");
        return;
    }
    cf_check_fields(checking, map, keys, &dockerd);
    for (size_t i = 0; i < CF_COUNT(gone); i++) {
        const struct cf_edit_node *node = cf_edit_child(map, gone[i].name);
        if (node)
            cf_check_found(checking, CF_WARNING, CF_CHECK_DAEMON, node->key->line, gone[i].mend,
                           "\"%s\" is of old versions of dockerd", gone[i].name);
    }
    check_addresses(checking, cf_edit_child(map, "insecure-registries"), false);
    check_addresses(checking, cf_edit_child(map, "registry-mirrors"), true);
    const struct cf_edit_node *mirrors = cf_edit_child(map, "mirror-registries");
    for (const struct cf_edit_node *n = mirrors ? mirrors->first : NULL; n; n = n->next)
        if (n->kind == CF_EDIT_MAP)
            check_addresses(checking, cf_edit_child(n, "mirrors"), true);
    check_words(checking, map);
}
