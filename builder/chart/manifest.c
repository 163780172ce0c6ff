/* SPDX-License-Identifier: Apache-2.0 */
/* The rendered objects in the order and form of `helm template`. Source: Helm's releaseutil and
 * hooks. */
#include "document.h"
#include "render.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct manifest {
    const char *name; /* of the template */
    const char *text;
    size_t len;
    const char *kind, *object;
    bool hook, test;
    long weight;
    size_t order;
};

struct manifests {
    struct manifest *list;
    size_t count, room;
};

/* Helm's InstallOrder. */
static const char *const kinds[] = {
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
};

static size_t rank_of(const char *kind)
{
    size_t i = 0;
    while (i < sizeof kinds / sizeof *kinds && strcmp(kinds[i], kind))
        i++;
    return i;
}

static int compare(const void *left, const void *right)
{
    const struct manifest *a = left, *b = right;
    size_t x = rank_of(a->kind), y = rank_of(b->kind);
    size_t unknown = sizeof kinds / sizeof *kinds;
    if (a->hook != b->hook)
        return a->hook ? 1 : -1;
    if (a->hook && a->weight != b->weight)
        return a->weight < b->weight ? -1 : 1;
    if (a->hook && strcmp(a->object, b->object) && x == y)
        return strcmp(a->object, b->object);
    if (x == unknown && y == unknown && strcmp(a->kind, b->kind))
        return strcmp(a->kind, b->kind);
    if (x != y)
        return x < y ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static const char *text_at(struct cf_val object, const char *path)
{
    const struct cf_val *val = object.kind == CF_MAP ? cf_value_at(object.dict, path) : NULL;
    return val && val->kind == CF_STRING ? val->str : "";
}

/* What the annotations say of a hook. */
static void look_for_hook(struct manifest *m, struct cf_val object)
{
    const struct cf_val *all =
        object.kind == CF_MAP ? cf_value_at(object.dict, "metadata.annotations") : NULL;
    const struct cf_val *hook =
        all && all->kind == CF_MAP ? cf_dict_get_str(all->dict, "helm.sh/hook") : NULL;
    if (!hook || hook->kind != CF_STRING)
        return;
    const struct cf_val *weight = cf_dict_get_str(all->dict, "helm.sh/hook-weight");
    m->hook = true;
    m->test = strstr(hook->str, "test") != NULL;
    if (weight && weight->kind == CF_STRING)
        m->weight = strtol(weight->str, NULL, 10);
}

static void add(struct cf_run *run, struct manifests *all, const char *name, const char *text,
                size_t len)
{
    struct cf_val object = CF_NIL_VAL;
    const char *why;
    while (len && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    size_t end = len;
    while (end && isspace((unsigned char)text[end - 1]))
        end--;
    if (!end)
        return;
    if (cf_document_load(run, text, end, &object, &why) < 0)
        cf_run_throw(run, -EINVAL, "YAML parse error on %s: %s", name, why);
    if (all->count == all->room) {
        size_t room = all->room ? all->room * 2 : 64;
        struct manifest *list = cf_run_alloc_array(run, room, sizeof *list);
        if (all->count)
            memcpy(list, all->list, all->count * sizeof *list);
        all->list = list;
        all->room = room;
    }
    if (object.kind == CF_NIL) /* comments only */
        return;
    struct manifest m = {.name = name,
                         .text = text,
                         .len = end,
                         .kind = text_at(object, "kind"),
                         .object = text_at(object, "metadata.name"),
                         .order = all->count};
    look_for_hook(&m, object);
    all->list[all->count++] = m;
}

/* Documents are parted by (?:^|\s*\n)---\s* */
static void split(struct cf_run *run, struct manifests *all, const struct cf_rendered_file *f)
{
    size_t start = 0;
    for (size_t at = 0; at + 3 <= f->len;) {
        if (memcmp(f->text + at, "---", 3) || (at && f->text[at - 1] != '\n')) {
            const char *next = memchr(f->text + at, '\n', f->len - at);
            if (!next)
                break;
            at = (size_t)(next - f->text) + 1;
            continue;
        }
        add(run, all, f->name, f->text + start, at - start);
        at += 3;
        start = at;
        while (at < f->len && f->text[at] != '\n' && isspace((unsigned char)f->text[at]))
            at++;
    }
    add(run, all, f->name, f->text + start, f->len - start);
}

static int put(struct cf_buf *out, const char *name, const char *text, size_t len)
{
    int r = cf_buf_printf(out, "---\n# Source: %s\n", name);
    if (!r)
        r = cf_buf_add(out, text, len);
    return r < 0 ? r : cf_buf_add_char(out, '\n');
}

static void gather(struct cf_run *run, const struct cf_rendering *rendering, struct manifests *all)
{
    for (size_t i = 0; i < rendering->count; i++)
        split(run, all, &rendering->files[i].file);
    if (all->count)
        qsort(all->list, all->count, sizeof *all->list, compare);
}

int cf_rendering_print(const struct cf_rendering *rendering, bool crds, bool hooks,
                       struct cf_buf *ret_buf, struct cf_error *err)
{
    struct cf_run run;
    struct manifests all = {0};
    int r = 0;
    cf_run_init(&run, rendering->run.limit, rendering->run.step_limit);
    if (cf_run_enter(&run)) {
        r = run.err.code;
        if (err)
            *err = run.err;
        cf_run_done(&run);
        return r;
    }
    gather(&run, rendering, &all);
    for (size_t i = 0; !r && crds && i < rendering->crd_count; i++)
        r = put(ret_buf, rendering->crds[i].name, rendering->crds[i].text, rendering->crds[i].len);
    for (size_t i = 0; !r && i < all.count; i++)
        if (!all.list[i].hook || hooks)
            r = put(ret_buf, all.list[i].name, all.list[i].text, all.list[i].len);
    cf_run_done(&run);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}
