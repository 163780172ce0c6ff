/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of a rootfs, rendered into the files beside them. Which, and with what: as sealer does
 * before it distributes an image, but as text.
 */
#include "list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/chart.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>

#define TEMPLATE_MAX (20u << 20)

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* ---- the environment ---- */

void cf_override_env_done(struct cf_override_env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        free(env->list[i].key);
        free(env->list[i].value);
    }
    free(env->list);
    *env = (struct cf_override_env){0};
}

static int add_value(struct cf_override_env *env, enum cf_override_env_rank rank, const char *key,
                     size_t key_len, const char *value, size_t len)
{
    struct cf_override_variable *list = reallocarray(env->list, env->count + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    env->list = list;
    list[env->count] =
        (struct cf_override_variable){rank, strndup(key, key_len), strndup(value, len)};
    env->count++;
    return list[env->count - 1].key && list[env->count - 1].value ? 0 : -ENOMEM;
}

int cf_override_env_add(struct cf_override_env *env, enum cf_override_env_rank rank,
                        const char *text, struct cf_error *err)
{
    const char *equal = strchr(text, '=');
    int r = 0;

    if (!equal || equal == text)
        return cf_fail(err, -EINVAL, "%s is not NAME=VALUE", CF_QUOTE(text));
    for (const char *at = equal + 1; r == 0;) { /* a;b is a list */
        size_t len = strcspn(at, ";");
        r = add_value(env, rank, text, (size_t)(equal - text), at, len);
        if (!at[len])
            break;
        at += len + 1;
    }
    return r < 0 ? no_memory(err) : 0;
}

int cf_override_env_cluster(struct cf_override_env *env, enum cf_override_env_rank rank,
                            const char *name, const struct cf_edit_node *document,
                            struct cf_error *err)
{
    const struct cf_edit_node *list = cf_edit_child(cf_edit_child(document, "spec"), "env");
    int r = 0;

    if (!list || (list->kind == CF_EDIT_SCALAR && list->type == CF_YAML_NULL))
        return 0;
    if (list->kind != CF_EDIT_LIST)
        return cf_fail(err, -EINVAL, "%s:%zu: spec.env is a list of NAME=VALUE", name, list->line);
    for (const struct cf_edit_node *n = list->first; n && r == 0; n = n->next) {
        r = n->kind == CF_EDIT_SCALAR ? cf_override_env_add(env, rank, n->value, err) : -EINVAL;
        if (r == -EINVAL)
            return cf_fail(err, r, "%s:%zu: spec.env is a list of NAME=VALUE", name, n->line);
    }
    return r;
}

static int read_clusters(struct cf_override_env *env, enum cf_override_env_rank rank,
                         const char *name, const struct cf_buf *data, struct cf_error *err)
{
    struct cf_edit *text cf_cleanup(cf_edit_close_ptr) = NULL;
    int r = cf_edit_open_value(name, data->data ? data->data : "", data->len, &text, err);

    for (size_t i = 0; r == 0 && i < cf_edit_count(text); i++) {
        const struct cf_edit_node *document = cf_edit_document(text, i);
        const char *kind = cf_edit_child_text(document, "kind");
        if (kind && !strcmp(kind, "Cluster"))
            r = cf_override_env_cluster(env, rank, name, document, err);
    }
    return r;
}

int cf_override_env_read(struct cf_override_env *env, const char *path, struct cf_error *err)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    int r = cf_read_file(AT_FDCWD, path, CF_EDIT_MAX, &data);

    return r < 0 ? cf_fail_errno(err, -r, "%s", CF_QUOTE(path))
                 : read_clusters(env, CF_OVERRIDE_ENV_CLUSTERFILE, path, &data, err);
}

/* sealer renders a Clusterfile before it reads it; one that is no YAML until then says nothing. */
static int read_own(struct cf_override_env *env, struct cf_rootfs *rootfs, struct cf_error *err)
{
    static const char path[] = "etc/Clusterfile";
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct cf_error why = {0};
    int r = cf_rootfs_read(rootfs, path, CF_EDIT_MAX, &data, err);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = read_clusters(env, CF_OVERRIDE_ENV_ROOTFS, path, &data, &why);
    if (r < 0)
        cf_log(CF_LOG_WARN, "%s: its env is not used", why.text);
    return r == -ENOMEM ? no_memory(err) : 0;
}

/* ---- what templates are given ---- */

/* Of each name the values of the highest rank that has it. */
struct data {
    struct cf_template_value *list;
    const char **values;
    size_t count;
};

static void data_done(struct data *data)
{
    free(data->list);
    free(data->values);
}

static bool is_first(const struct cf_override_env *env, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!strcmp(env->list[i].key, env->list[index].key))
            return false;
    return true;
}

static int make_data(const struct cf_override_env *env, struct data *data)
{
    size_t used = 0;

    data->list = calloc(env->count + 1, sizeof(*data->list));
    data->values = calloc(env->count + 1, sizeof(*data->values));
    if (!data->list || !data->values)
        return -ENOMEM;
    for (size_t i = 0; i < env->count; i++) {
        const char *key = env->list[i].key;
        enum cf_override_env_rank rank = env->list[i].rank;
        struct cf_template_value *value = &data->list[data->count];
        if (!is_first(env, i))
            continue;
        for (size_t k = i; k < env->count; k++)
            if (!strcmp(env->list[k].key, key) && env->list[k].rank > rank)
                rank = env->list[k].rank;
        *value = (struct cf_template_value){key, data->values + used, 0};
        for (size_t k = i; k < env->count; k++)
            if (!strcmp(env->list[k].key, key) && env->list[k].rank == rank)
                data->values[used + value->count++] = env->list[k].value;
        used += value->count;
        data->count++;
    }
    return 0;
}

/* ---- rendering ---- */

struct rendering {
    struct cf_overrides *overrides;
    struct cf_rootfs *rootfs;
    struct data data;
    struct cf_error *err;
};

static int render_file(const struct cf_rootfs_entry *entry, void *context)
{
    struct rendering *rendering = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT, out cf_autobuf = CF_BUF_INIT;
    struct cf_override *override = NULL;
    size_t name = strlen(entry->name), len = strlen(entry->path) - 5;

    if (!S_ISREG(entry->mode) || name <= 5 || strcmp(entry->name + name - 5, ".tmpl") != 0)
        return 0;
    int r = cf_rootfs_read(rendering->rootfs, entry->path, TEMPLATE_MAX, &text, rendering->err);
    if (r == 0)
        r = cf_template_render(entry->path, text.data ? text.data : "", text.len,
                               rendering->data.list, rendering->data.count, &out, rendering->err);
    if (r == 0)
        r = cf_overrides_new(rendering->overrides, CF_OVERRIDE_COPY, entry->path, len, NULL,
                             &override, rendering->err);
    if (r < 0)
        return r;
    override->has_mode = true;
    override->mode = entry->mode & 07777;
    override->len = out.len;
    override->data = out.data ? CF_TAKE(out.data) : strdup("");
    return override->data ? 0 : no_memory(rendering->err);
}

/* What was added last goes to the front. */
static int move_to_front(struct cf_overrides *overrides, size_t before)
{
    size_t added = overrides->count - before;
    struct cf_override *copy = malloc((before ? before : 1) * sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    if (before && added) {
        memcpy(copy, overrides->list, before * sizeof(*copy));
        memmove(overrides->list, overrides->list + before, added * sizeof(*copy));
        memcpy(overrides->list + added, copy, before * sizeof(*copy));
    }
    free(copy);
    return 0;
}

int cf_overrides_render(struct cf_overrides *overrides, struct cf_rootfs *rootfs,
                        struct cf_error *err)
{
    static const char *const dirs[] = {"charts", "etc", "manifests", "statics"};
    struct rendering rendering = {overrides, rootfs, {0}, err};
    size_t before = overrides->count;
    int r = read_own(&overrides->env, rootfs, err);

    if (r == 0 && make_data(&overrides->env, &rendering.data) < 0)
        r = no_memory(err);
    for (size_t i = 0; i < CF_COUNT(dirs) && r == 0; i++)
        r = cf_rootfs_walk(rootfs, dirs[i], render_file, &rendering, err);
    data_done(&rendering.data);
    if (r == 0 && move_to_front(overrides, before) < 0)
        r = no_memory(err);
    return r;
}
