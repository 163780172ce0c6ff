/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/registry.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>

#include "session.h"

enum { STALL_SECONDS = 30 };

static int copy_text(const char **text)
{
    if (!*text)
        return 0;
    *text = strdup(*text);
    return *text ? 0 : -ENOMEM;
}

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text); /* a copy of our own */
}

static unsigned stall_seconds(void)
{
    const char *text = getenv("CLOUDFS_STALL_SECONDS");
    const int seconds = text ? atoi(text) : 0;
    return seconds > 0 && seconds < 3600 ? (unsigned)seconds : STALL_SECONDS;
}

int cf_registry_open(const struct cf_registry_options *options, struct cf_registry **ret_registry,
                     struct cf_error *err)
{
    struct cf_registry *registry cf_cleanup(cf_registry_close_ptr) = calloc(1, sizeof *registry);
    if (!registry)
        return cf_fail(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&registry->mutex, NULL);
    struct cf_registry_options *own = &registry->options;
    *own = *options;
    const char **texts[] = {&own->authfile, &own->cert_dir, &own->user, &own->password};
    int copied = 0;
    for (size_t i = 0; i < CF_COUNT(texts); i++) {
        if (copied == 0)
            copied = copy_text(texts[i]);
        else
            *texts[i] = NULL;
    }
    if (copied < 0)
        return cf_fail(err, copied, "out of memory");
    int r = cf_registry_config_read(&registry->config, err);
    if (r == 0)
        r = cf_http_new(stall_seconds(), &registry->http, err);
    if (r < 0)
        return r;
    *ret_registry = CF_TAKE(registry);
    return 0;
}

void cf_registry_close(struct cf_registry *registry)
{
    if (!registry)
        return;
    cf_http_delete(registry->http);
    for (struct cf_host *host = registry->hosts, *next; host; host = next) {
        next = host->next;
        cf_session_host_free(host);
    }
    cf_registry_config_done(&registry->config);
    free_text(registry->options.authfile);
    free_text(registry->options.cert_dir);
    free_text(registry->options.user);
    if (registry->options.password)
        explicit_bzero((char *)(uintptr_t)registry->options.password,
                       strlen(registry->options.password));
    free_text(registry->options.password);
    pthread_mutex_destroy(&registry->mutex);
    free(registry);
}

uint64_t cf_registry_fetched(const struct cf_registry *registry)
{
    return __atomic_load_n(&registry->fetched, __ATOMIC_RELAXED);
}

uint64_t cf_registry_requests(const struct cf_registry *registry)
{
    return __atomic_load_n(&registry->requests, __ATOMIC_RELAXED);
}

/* ---- accounts ---- */

/* "host[:port][/path]", as it becomes a key. */
static int check_key(const char *key, char ret_host[256], struct cf_error *err)
{
    const size_t len = strcspn(key, "/");
    struct cf_reference reference;
    char sample[600];
    if (len == 0 || len > 250 || strlen(key) > 500)
        return cf_fail(err, -EINVAL, "%s is no registry: host[:port] is meant", CF_QUOTE(key));
    const bool has_path = key[len] != '\0';
    (void)snprintf(sample, sizeof sample, "%s%s", key, has_path ? "" : "/name");
    if (cf_reference_parse(sample, &reference, NULL) < 0 || reference.has_digest ||
        reference.tag[0])
        return cf_fail(err, -EINVAL, "%s is no registry: host[:port] is meant", CF_QUOTE(key));
    memcpy(ret_host, key, len);
    ret_host[len] = '\0';
    return 0;
}

int cf_registry_login(struct cf_registry *registry, const char *key, const char *user,
                      const char *password, char **ret_path, struct cf_error *err)
{
    char host_name[256], name[512];
    struct cf_endpoint endpoints[CF_ENDPOINTS_MAX];
    struct cf_host *host = NULL;
    struct cf_error why = {0};
    size_t count = 0;
    int r = check_key(key, host_name, err);
    if (r < 0)
        return r;
    if (strchr(user, ':'))
        return cf_fail(err, -EINVAL, "a user's name cannot have a colon in it");
    (void)snprintf(name, sizeof name, "%s/x", host_name);
    r = cf_registry_endpoints(&registry->config, name, true, false, endpoints, &count, err);
    if (r == 0)
        r = cf_session_host(registry, host_name, endpoints[0].insecure, &host, err);
    if (r == 0)
        r = cf_session_greet(registry, host, err);
    if (r < 0)
        return r;
    /* Only looked at. */
    const struct cf_account account = {(char *)(uintptr_t)user, (char *)(uintptr_t)password, false};
    r = cf_session_try_account(registry, host, &account, &why);
    if (r < 0)
        return cf_fail(err, r, "registry %s: %s", host_name, why.text);
    return cf_account_store(registry->options.authfile, key, user, password, ret_path, err);
}

int cf_registry_logout(struct cf_registry *registry, const char *key, struct cf_error *err)
{
    char host[256];
    int r = key ? check_key(key, host, err) : 0;
    return r < 0 ? r : cf_account_remove(registry->options.authfile, key, err);
}
