/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "toml.h"

enum { FILE_MAX = 1 << 20 };

#define CLOUD_REGISTRY "registry.cn-qingdao.aliyuncs.com"
#define CLOUD_NAMESPACE "sealer-io"

void cf_registry_config_done(struct cf_registry_config *config)
{
    cf_json_free(config->registries);
    cf_json_free(config->search);
    free(config->cloud_registry);
    free(config->cloud_namespace);
    *config = (struct cf_registry_config){0};
}

int cf_registry_config_add(struct cf_registry_config *config, const char *text, size_t len,
                           const char *what, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_toml_parse(text, len, &json, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s", what);
    const struct cf_json *list = cf_json_get(json, "registry");
    if (list && !cf_json_is_array(list))
        return cf_fail(err, -EINVAL, "%s: registries are told by [[registry]]", what);
    if (!config->registries)
        config->registries = cf_json_array();
    r = config->registries ? 0 : -ENOMEM;
    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item))
        r = cf_json_append(config->registries, cf_json_copy(item));
    const struct cf_json *search = cf_json_get(json, "unqualified-search-registries");
    if (r == 0 && cf_json_is_array(search)) {
        cf_json_free(config->search);
        config->search = cf_json_copy(search);
        r = config->search ? 0 : -ENOMEM;
    }
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}

/* ---- the files ---- */

/* 1: read; 0: there is none. */
static int read_file(const char *path, struct cf_buf *ret_text, struct cf_error *err)
{
    int r = cf_read_file(AT_FDCWD, path, FILE_MAX, ret_text);
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    return r < 0 ? cf_fail_errno(err, -r, "cannot read %s", CF_QUOTE(path)) : 1;
}

static int add_file(struct cf_registry_config *config, const char *path, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = read_file(path, &text, err);
    if (r <= 0)
        return r;
    r = cf_registry_config_add(config, text.data ? text.data : "", text.len, CF_QUOTE(path), err);
    return r < 0 ? r : 1;
}

static int is_conf(const struct dirent *entry)
{
    const size_t len = strlen(entry->d_name);
    return len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

static int add_dir(struct cf_registry_config *config, const char *dir, struct cf_error *err)
{
    struct dirent **names = NULL;
    const int count = scandir(dir, &names, is_conf, alphasort);
    int r = 0;
    for (int i = 0; i < count; i++) {
        char path[4096 + 256];
        (void)snprintf(path, sizeof path, "%.4000s/%s", dir, names[i]->d_name);
        if (r >= 0)
            r = add_file(config, path, err);
        free(names[i]);
    }
    free(names);
    return r < 0 ? r : 0;
}

static void home_path(const char *rest, char ret_path[4096])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    ret_path[0] = '\0';
    if (config && *config)
        (void)snprintf(ret_path, 4096, "%s/%s", config, rest);
    else if (home && *home)
        (void)snprintf(ret_path, 4096, "%s/.config/%s", home, rest);
}

static int read_registries(struct cf_registry_config *config, struct cf_error *err)
{
    const char *given = getenv("CONTAINERS_REGISTRIES_CONF");
    char path[4096];
    if (given && *given) {
        int r = add_file(config, given, err);
        return r < 0 ? r : 0;
    }
    home_path("containers/registries.conf", path);
    int r = path[0] ? add_file(config, path, err) : 0;
    if (r == 0)
        r = add_file(config, "/etc/containers/registries.conf", err);
    if (r >= 0)
        r = add_dir(config, "/etc/containers/registries.conf.d", err);
    home_path("containers/registries.conf.d", path);
    if (r >= 0 && path[0])
        r = add_dir(config, path, err);
    return r;
}

static int read_own(struct cf_registry_config *config, struct cf_error *err)
{
    const char *given = getenv("CLOUDFS_CONFIG");
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[4096];
    home_path("cloudfs.conf", path);
    const char *where = given && *given ? given : path;
    int r = *where ? read_file(where, &text, err) : 0;
    if (r == 0 && where != given) {
        where = "/etc/cloudfs.conf";
        r = read_file(where, &text, err);
    }
    if (r > 0) {
        r = cf_toml_parse(text.data ? text.data : "", text.len, &json, err);
        if (r < 0)
            return cf_fail_in(err, r, "%s", CF_QUOTE(where));
    }
    const struct cf_json *names = cf_json_get(json, "names");
    const char *registry = cf_json_get_string(names, "registry");
    const char *space = cf_json_get_string(names, "namespace");
    if (r < 0)
        return r;
    config->cloud_registry = strdup(registry ? registry : CLOUD_REGISTRY);
    config->cloud_namespace = strdup(space ? space : registry ? "" : CLOUD_NAMESPACE);
    if (!config->cloud_registry || !config->cloud_namespace)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 0;
}

int cf_registry_config_read(struct cf_registry_config *ret_config, struct cf_error *err)
{
    struct cf_registry_config config = {0};
    int r = read_registries(&config, err);
    if (r >= 0)
        r = read_own(&config, err);
    if (r < 0) {
        cf_registry_config_done(&config);
        return r;
    }
    *ret_config = config;
    return 0;
}

/* ---- names ---- */

int cf_registry_full_name(const struct cf_registry_config *config, const char *name,
                          enum cf_names names, char ret_name[256], struct cf_error *err)
{
    const size_t first = strcspn(name, "/");
    const bool many = name[first] == '/';
    const bool has_registry = many && (memchr(name, '.', first) || memchr(name, ':', first) ||
                                       (first == 9 && !strncmp(name, "localhost", 9)));
    const char *registry = "", *space = "", *rest = name;
    if (!has_registry && names == CF_NAMES_CLOUD) {
        registry = config->cloud_registry;
        space = many ? "" : config->cloud_namespace;
    } else if (!has_registry) {
        registry = cf_json_string(cf_json_first(config->search));
        registry = registry ? registry : "docker.io";
    }
    if (has_registry && first == 15 && !strncmp(name, "index.docker.io", 15)) {
        registry = "docker.io";
        rest = name + first + 1;
    } else if (has_registry && first == 9 && !strncmp(name, "docker.io", 9)) {
        registry = "docker.io";
        rest = name + first + 1;
    }
    if (!strcmp(registry, "docker.io") && !strchr(rest, '/'))
        space = "library";
    const int n = snprintf(ret_name, 256, "%s%s%s%s%s", registry, *registry ? "/" : "", space,
                           *space ? "/" : "", rest);
    if (n >= 256)
        return cf_fail(err, -EINVAL, "the name of %s grows longer than 255 characters",
                       CF_QUOTE(name));
    return 0;
}

/* Whether prefix ("host", "host/path", "*.host") covers name; the length of what it covers. */
static size_t covers(const char *prefix, const char *name)
{
    size_t len = strlen(prefix);
    if (!strncmp(prefix, "*.", 2)) {
        const size_t host = strcspn(name, "/:");
        len -= 1;
        return host > len && !strncmp(name + host - len, prefix + 1, len) ? host : 0;
    }
    if (len == 0 || strncmp(prefix, name, len) != 0)
        return 0;
    return !name[len] || name[len] == '/' || name[len] == ':' || name[len] == '@' ? len : 0;
}

/* location stands for the first len bytes of name. */
static int make_endpoint(const char *location, const char *name, size_t len, bool insecure,
                         struct cf_endpoint *ret_endpoint, struct cf_error *err)
{
    char whole[512];
    const int n = snprintf(whole, sizeof whole, "%s%s", location, name + len);
    const size_t host = strcspn(whole, "/");
    if (n >= (int)sizeof whole || host >= sizeof ret_endpoint->host || !whole[host] ||
        strlen(whole + host + 1) >= sizeof ret_endpoint->repository)
        return cf_fail(err, -EINVAL, "registries.conf: %s cannot stand for a part of %s",
                       CF_QUOTE(location), CF_QUOTE(name));
    memset(ret_endpoint, 0, sizeof *ret_endpoint);
    memcpy(ret_endpoint->host, whole, host);
    memcpy(ret_endpoint->repository, whole + host + 1, strlen(whole + host + 1));
    ret_endpoint->insecure = insecure;
    return 0;
}

static bool flag(const struct cf_json *table, const char *key)
{
    bool value = false;
    return cf_json_bool(cf_json_get(table, key), &value) && value;
}

static bool mirror_serves(const struct cf_json *entry, const struct cf_json *mirror, bool by_digest)
{
    const char *which = cf_json_get_string(mirror, "pull-from-mirror");
    if (which && !strcmp(which, "digest-only"))
        return by_digest;
    if (which && !strcmp(which, "tag-only"))
        return !by_digest;
    return by_digest || !flag(entry, "mirror-by-digest-only");
}

int cf_registry_endpoints(const struct cf_registry_config *config, const char *name, bool for_push,
                          bool by_digest, struct cf_endpoint ret_endpoints[CF_ENDPOINTS_MAX],
                          size_t *ret_count, struct cf_error *err)
{
    const struct cf_json *best = NULL;
    size_t longest = 0, best_len = 0, count = 0;
    int r = 0;
    for (const struct cf_json *item = cf_json_first(config->registries); item;
         item = cf_json_next(item)) {
        const char *prefix = cf_json_get_string(item, "prefix");
        prefix = prefix ? prefix : cf_json_get_string(item, "location");
        const size_t len = prefix ? covers(prefix, name) : 0;
        if (len > 0 && strlen(prefix) >= longest) {
            best = item;
            best_len = len;
            longest = strlen(prefix);
        }
    }
    if (flag(best, "blocked"))
        return cf_fail(err, -EPERM, "%s: registries.conf blocks this registry", name);
    const struct cf_json *mirror = for_push ? NULL : cf_json_first(cf_json_get(best, "mirror"));
    for (; mirror && r == 0 && count + 1 < CF_ENDPOINTS_MAX; mirror = cf_json_next(mirror)) {
        const char *location = cf_json_get_string(mirror, "location");
        if (location && mirror_serves(best, mirror, by_digest))
            r = make_endpoint(location, name, best_len, flag(mirror, "insecure"),
                              &ret_endpoints[count++], err);
    }
    const char *location = cf_json_get_string(best, "location");
    if (r == 0)
        r = location
                ? make_endpoint(location, name, best_len, flag(best, "insecure"),
                                &ret_endpoints[count++], err)
                : make_endpoint("", name, 0, flag(best, "insecure"), &ret_endpoints[count++], err);
    *ret_count = count;
    return r;
}

/* ---- certificates ---- */

void cf_certs_done(struct cf_certs *certs)
{
    free(certs->ca_pem);
    free(certs->cert_file);
    free(certs->key_file);
    *certs = (struct cf_certs){0};
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t len = strlen(name), n = strlen(suffix);
    return len > n && !strcmp(name + len - n, suffix);
}

static int take_cert(const char *dir, const char *name, struct cf_buf *pem, struct cf_certs *certs,
                     struct cf_error *err)
{
    char path[4096 + 256];
    (void)snprintf(path, sizeof path, "%.4000s/%.250s", dir, name);
    char **target = has_suffix(name, ".cert")  ? &certs->cert_file
                    : has_suffix(name, ".key") ? &certs->key_file
                                               : NULL;
    if (has_suffix(name, ".crt")) {
        int r = cf_read_file(AT_FDCWD, path, FILE_MAX, pem);
        if (r == 0)
            r = cf_buf_add_char(pem, '\n');
        return r < 0 ? cf_fail_errno(err, -r, "cannot read %s", CF_QUOTE(path)) : 0;
    }
    if (!target || *target)
        return 0;
    *target = strdup(path);
    return *target ? 0 : cf_fail(err, -ENOMEM, "out of memory");
}

static int take_dir(const char *path, struct cf_certs *certs, struct cf_error *err)
{
    struct cf_buf pem cf_autobuf = CF_BUF_INIT;
    DIR *dir cf_autoclosedir = opendir(path);
    const struct dirent *entry;
    int r = 0;
    while (dir && r == 0 && (entry = readdir(dir)))
        r = take_cert(path, entry->d_name, &pem, certs, err);
    if (r == 0 && pem.len > 0)
        certs->ca_pem = cf_buf_take(&pem);
    return r < 0 ? r : dir != NULL;
}

int cf_certs_find(const char *dir, const char *host, struct cf_certs *ret_certs,
                  struct cf_error *err)
{
    struct cf_certs certs = {0};
    char own[4096], path[4096 + 300];
    int r = 0;
    home_path("containers/certs.d", own);
    const char *const dirs[] = {own, "/etc/containers/certs.d", "/etc/docker/certs.d"};
    if (dir)
        r = take_dir(dir, &certs, err);
    for (size_t i = 0; !dir && i < CF_COUNT(dirs) && r == 0; i++) {
        (void)snprintf(path, sizeof path, "%s/%.255s", dirs[i], host);
        r = dirs[i][0] ? take_dir(path, &certs, err) : 0;
    }
    if (r < 0) {
        cf_certs_done(&certs);
        return r;
    }
    *ret_certs = certs;
    return 0;
}
