/* SPDX-License-Identifier: Apache-2.0 */
#include "proxies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/yaml.h>

#define DEPTH 5 /* document, proxy, list, item; what lies deeper is nobody's */

struct level {
    bool is_map, at_value;
    char key[20]; /* whose value comes */
};
struct parsing {
    struct cf_auth_list *list;
    struct level levels[DEPTH];
    size_t depth;
};

/* Where the parser stands: 1 in the proxy itself, 2 in an item of its list, 0 elsewhere. */
static int place(const struct parsing *parsing)
{
    const struct level *levels = parsing->levels;

    if (parsing->depth < 2 || parsing->depth > 4 || strcmp(levels[0].key, "proxy") != 0)
        return 0;
    if (parsing->depth == 2)
        return levels[1].is_map ? 1 : 0;
    return parsing->depth == 4 && !strcmp(levels[1].key, "remoteregistries") && levels[3].is_map
               ? 2
               : 0;
}

static int take_value(struct parsing *parsing, const char *key, const struct cf_yaml_event *event)
{
    int where = place(parsing);

    if (where == 0 || parsing->list->count == 0)
        return 0;
    struct cf_auth_entry *entry = &parsing->list->entries[parsing->list->count - 1];
    char **to = !strcmp(key, where == 1 ? "remoteurl" : "url") ? &entry->registry
                : !strcmp(key, "username")                     ? &entry->username
                : !strcmp(key, "password")                     ? &entry->password
                                                               : NULL;
    if (!to || *to)
        return 0;
    *to = strndup(event->value, event->len);
    return *to ? 0 : -ENOMEM;
}

static int begin(struct parsing *parsing, bool is_map)
{
    if (parsing->depth < DEPTH)
        parsing->levels[parsing->depth] = (struct level){.is_map = is_map};
    parsing->depth++;
    return is_map && place(parsing) ? cf_auth_list_add(parsing->list) : 0;
}

static int take_event(void *context, const struct cf_yaml_event *event)
{
    struct parsing *parsing = context;
    struct level *level =
        parsing->depth > 0 && parsing->depth <= DEPTH ? &parsing->levels[parsing->depth - 1] : NULL;
    int r = 0;

    switch (event->kind) {
    case CF_YAML_MAP:
    case CF_YAML_SEQUENCE:
        return begin(parsing, event->kind == CF_YAML_MAP);
    case CF_YAML_MAP_END:
    case CF_YAML_SEQUENCE_END:
        parsing->depth--;
        if (parsing->depth > 0 && parsing->depth <= DEPTH)
            parsing->levels[parsing->depth - 1].at_value = false;
        return 0;
    case CF_YAML_SCALAR:
        if (!level || !level->is_map)
            return 0;
        if (level->at_value)
            r = take_value(parsing, level->key, event);
        else
            snprintf(level->key, sizeof(level->key), "%s", event->value);
        level->at_value = !level->at_value;
        return r;
    default:
        return 0;
    }
}

int cf_proxies_parse(const void *data, size_t len, struct cf_auth_list *ret_list,
                     struct cf_error *err)
{
    struct cf_yaml_options options = {.data = data, .len = len};
    struct cf_auth_list list = {0};
    struct parsing parsing = {.list = &list};
    int r = cf_yaml_each(&options, take_event, &parsing, err);

    if (r < 0) {
        cf_auth_list_done(&list);
        return r;
    }
    *ret_list = list;
    return 0;
}

bool cf_proxies_is_for(const struct cf_auth_entry *entry, const char *whole, bool *ret_http)
{
    const char *host = entry->registry;
    const char *scheme = host ? strstr(host, "://") : NULL;
    size_t domain = strcspn(whole, "/");

    if (!host)
        return false;
    *ret_http = !strncmp(host, "http://", 7);
    host = scheme ? scheme + 3 : host;
    size_t len = strcspn(host, "/");
    bool hub = len == strlen("registry-1.docker.io") && !strncmp(host, "registry-1.docker.io", len);
    return hub ? domain == 9 && !strncmp(whole, "docker.io", 9)
               : domain == len && !strncmp(whole, host, len);
}
