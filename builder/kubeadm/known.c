/* SPDX-License-Identifier: Apache-2.0 */
/* Fields looked up by version, and documents judged by them. */
#include <cloudfs/kubeadm.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cloudfs/log.h>
#include <cloudfs/scope.h>

/* ---- versions ---- */

#define API_PREFIX "kubeadm.k8s.io/v1beta"
#define NEWEST_API 4

/* Which releases of kubeadm read v1betaN, and from which on it is taken: 1.MINOR; last 0: no end is
 * known. */
static const struct {
    unsigned first, last, taken;
} apis[] = {{13, 21, 13}, {15, 26, 15}, {22, 0, 23}, {31, 0, 31}};

unsigned cf_kubeadm_minor(const char *version)
{
    char *end;

    if (*version == 'v')
        version++;
    if (strncmp(version, "1.", 2) != 0 || version[2] < '0' || version[2] > '9')
        return 0;
    unsigned long minor = strtoul(version + 2, &end, 10);
    return (*end && !strchr(".-+", *end)) || minor > 999 ? 0 : (unsigned)minor;
}

unsigned cf_kubeadm_api_number(const char *api_version)
{
    size_t len = strlen(API_PREFIX);

    if (strncmp(api_version, API_PREFIX, len) != 0 || api_version[len] < '1' ||
        api_version[len] > '0' + NEWEST_API || api_version[len + 1])
        return 0;
    return (unsigned)(api_version[len] - '0');
}

unsigned cf_kubeadm_api_for(unsigned minor)
{
    unsigned best = 0;

    for (unsigned i = 0; i < CF_COUNT(apis); i++)
        if (minor >= apis[i].taken)
            best = i + 1;
    return best;
}

bool cf_kubeadm_api_reads(unsigned minor, unsigned number)
{
    return number >= 1 && number <= CF_COUNT(apis) && minor >= apis[number - 1].first &&
           (!apis[number - 1].last || minor <= apis[number - 1].last);
}

static bool is_kubeadm(const struct cf_kubeadm_kind *kind)
{
    return !strcmp(kind->group, "kubeadm.k8s.io");
}

/* What first and last of the kind's fields are compared with; 0: anything goes. */
static unsigned number_for(const struct cf_kubeadm_kind *kind, const char *api_version,
                           unsigned minor)
{
    if (!is_kubeadm(kind))
        return minor;
    return api_version ? cf_kubeadm_api_number(api_version) : NEWEST_API;
}

/* ---- fields ---- */

static enum cf_kubeadm_known find(const struct cf_kubeadm_field *fields, const char *name,
                                  size_t len, unsigned number,
                                  const struct cf_kubeadm_field **ret_field)
{
    enum cf_kubeadm_known known = CF_KUBEADM_UNKNOWN;

    *ret_field = NULL;
    for (const struct cf_kubeadm_field *field = fields; field && field->name; field++) {
        if (strlen(field->name) != len || memcmp(field->name, name, len) != 0)
            continue;
        *ret_field = field;
        if (number && field->last && number > field->last)
            known = CF_KUBEADM_REMOVED;
        else if (number && number < field->first)
            known = CF_KUBEADM_LATER;
        else
            return CF_KUBEADM_KNOWN;
    }
    return known;
}

static enum cf_kubeadm_known find_field(const struct cf_kubeadm_field *fields, const char *name,
                                        size_t len, unsigned number,
                                        const struct cf_kubeadm_field **ret_field)
{
    static const struct cf_kubeadm_field type_meta[] = {
        {"apiVersion", CF_KUBEADM_STRING, 0, 0, NULL},
        {"kind", CF_KUBEADM_STRING, 0, 0, NULL},
        {NULL, CF_KUBEADM_ANY, 0, 0, NULL},
    };
    enum cf_kubeadm_known known = find(fields, name, len, number, ret_field);

    return known == CF_KUBEADM_UNKNOWN ? find(type_meta, name, len, number, ret_field) : known;
}

enum cf_kubeadm_known cf_kubeadm_field_find(const char *kind_name,
                                            const struct cf_kubeadm_version *version,
                                            const char *path,
                                            const struct cf_kubeadm_field **ret_field)
{
    const struct cf_kubeadm_kind *kind = cf_kubeadm_kind_find(kind_name);
    const struct cf_kubeadm_field *field = NULL, *fields = kind ? kind->fields : NULL;
    enum cf_kubeadm_known known = kind ? CF_KUBEADM_KNOWN : CF_KUBEADM_UNKNOWN;

    for (bool top = true; kind && known == CF_KUBEADM_KNOWN && *path; top = false) {
        size_t len = strcspn(path, ".[");
        unsigned number = number_for(kind, version->api_version, version->minor);
        known = top ? find_field(fields, path, len, number, &field)
                    : find(fields, path, len, number, &field);
        if (known == CF_KUBEADM_UNKNOWN)
            field = NULL;
        path += len;
        while (*path == '[')
            path += strcspn(path, "]") + (strchr(path, ']') ? 1 : 0);
        path += *path == '.';
        if (known == CF_KUBEADM_KNOWN && *path &&
            (field->type == CF_KUBEADM_STRING_MAP || field->type == CF_KUBEADM_BOOL_MAP ||
             field->type == CF_KUBEADM_ANY)) {
            field = NULL;
            break;
        }
        fields = field ? field->fields : NULL;
    }
    if (ret_field)
        *ret_field = field;
    return known;
}

/* ---- documents ---- */

struct judging {
    const struct cf_edit *edit;
    const struct cf_kubeadm_kind *kind;
    unsigned number;
    cf_kubeadm_finding_fn *fn;
    void *context;
};

/* "v1beta3", "Kubernetes 1.26" */
static const char *version_text(const struct judging *judging, unsigned number, char text[32])
{
    snprintf(text, 32, is_kubeadm(judging->kind) ? "v1beta%u" : "Kubernetes 1.%u", number);
    return text;
}

static const char *const type_texts[] = {
    [CF_KUBEADM_STRING] = "a string is needed (in quotes, where it looks like something else)",
    [CF_KUBEADM_DURATION] = "a duration is needed, such as 5m0s",
    [CF_KUBEADM_BOOL] = "true or false is needed, without quotes",
    [CF_KUBEADM_INT] = "a whole number is needed, without quotes",
    [CF_KUBEADM_FLOAT] = "a number is needed, without quotes",
    [CF_KUBEADM_OBJECT] = "a map is needed",
    [CF_KUBEADM_OBJECTS] = "a list of maps is needed",
    [CF_KUBEADM_STRING_LIST] = "a list of strings is needed",
    [CF_KUBEADM_INT_LIST] = "a list of whole numbers is needed",
    [CF_KUBEADM_STRING_MAP] = "a map of strings is needed",
    [CF_KUBEADM_BOOL_MAP] = "a map of true and false is needed",
    [CF_KUBEADM_ANY] = "a value is needed",
};

static int put_text(const struct judging *judging, enum cf_kubeadm_known what,
                    const struct cf_kubeadm_field *field, const struct cf_kubeadm_field *like,
                    struct cf_buf *text)
{
    char now[32] = "its API version", other[32];

    if (judging->number)
        version_text(judging, judging->number, now);
    switch (what) {
    case CF_KUBEADM_REMOVED:
        return cf_buf_printf(text, "%s has this field no more (%s was the last)", now,
                             version_text(judging, field->last, other));
    case CF_KUBEADM_LATER:
        return cf_buf_printf(text, "%s does not have this field yet (%s does)", now,
                             version_text(judging, field->first, other));
    case CF_KUBEADM_WRONG_TYPE:
        return cf_buf_add_str(text, type_texts[field->type]);
    default:
        return like ? cf_buf_printf(text, "%s has no such field (it has %s)", judging->kind->kind,
                                    like->name)
                    : cf_buf_printf(text, "%s has no such field", judging->kind->kind);
    }
}

static int tell(const struct judging *judging, enum cf_kubeadm_known what,
                const struct cf_edit_node *node, const struct cf_kubeadm_field *field,
                const struct cf_kubeadm_field *like)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_edit_path(judging->edit, node, &text);

    if (r == 0)
        r = cf_buf_add_str(&text, ": ");
    if (r == 0)
        r = put_text(judging, what, field, like, &text);
    if (r < 0)
        return r;
    const struct cf_kubeadm_finding finding = {what, node, field, text.data};
    return judging->fn(&finding, judging->context);
}

static bool scalar_suits(const struct cf_edit_node *node, enum cf_kubeadm_type type)
{
    if (node->kind != CF_EDIT_SCALAR)
        return false;
    switch (type) {
    case CF_KUBEADM_STRING:
    case CF_KUBEADM_DURATION:
        return node->type == CF_YAML_STRING;
    case CF_KUBEADM_BOOL:
        return node->type == CF_YAML_BOOL;
    case CF_KUBEADM_INT:
        return node->type == CF_YAML_INT;
    default:
        return node->type == CF_YAML_INT || node->type == CF_YAML_FLOAT;
    }
}

static int judge_map(const struct judging *judging, const struct cf_edit_node *map,
                     const struct cf_kubeadm_field *fields, bool top);

/* Each child of a map or list that is not of the type. */
static int judge_items(const struct judging *judging, const struct cf_edit_node *node,
                       enum cf_kubeadm_type type)
{
    int r = 0;

    for (const struct cf_edit_node *n = node->first; n && r == 0; n = n->next) {
        const struct cf_edit_node *value = cf_edit_follow(judging->edit, n);
        const struct cf_kubeadm_field item = {"", type, 0, 0, NULL};
        if (value && !(value->kind == CF_EDIT_SCALAR && value->type == CF_YAML_NULL) &&
            !scalar_suits(value, type))
            r = tell(judging, CF_KUBEADM_WRONG_TYPE, n, &item, NULL);
    }
    return r;
}

static int judge_value(const struct judging *judging, const struct cf_edit_node *node,
                       const struct cf_kubeadm_field *field)
{
    const struct cf_edit_node *value = cf_edit_follow(judging->edit, node);
    enum cf_edit_kind kind = value ? value->kind : CF_EDIT_SCALAR;
    int r = 0;

    if (!value || (kind == CF_EDIT_SCALAR && value->type == CF_YAML_NULL))
        return 0;
    switch (field->type) {
    case CF_KUBEADM_ANY:
        return 0;
    case CF_KUBEADM_OBJECT:
        if (kind == CF_EDIT_MAP)
            return judge_map(judging, value, field->fields, false);
        break;
    case CF_KUBEADM_OBJECTS:
        if (kind != CF_EDIT_LIST)
            break;
        for (const struct cf_edit_node *n = value->first; n && r == 0; n = n->next) {
            const struct cf_edit_node *item = cf_edit_follow(judging->edit, n);
            if (item && item->kind == CF_EDIT_MAP)
                r = judge_map(judging, item, field->fields, false);
            else if (item)
                r = tell(judging, CF_KUBEADM_WRONG_TYPE, node, field, NULL);
        }
        return r;
    case CF_KUBEADM_STRING_LIST:
    case CF_KUBEADM_INT_LIST:
        if (kind == CF_EDIT_LIST)
            return judge_items(judging, value,
                               field->type == CF_KUBEADM_INT_LIST ? CF_KUBEADM_INT
                                                                  : CF_KUBEADM_STRING);
        break;
    case CF_KUBEADM_STRING_MAP:
    case CF_KUBEADM_BOOL_MAP:
        if (kind == CF_EDIT_MAP)
            return judge_items(judging, value,
                               field->type == CF_KUBEADM_BOOL_MAP ? CF_KUBEADM_BOOL
                                                                  : CF_KUBEADM_STRING);
        break;
    default:
        if (scalar_suits(value, field->type))
            return 0;
    }
    return tell(judging, CF_KUBEADM_WRONG_TYPE, node, field, NULL);
}

static int judge_map(const struct judging *judging, const struct cf_edit_node *map,
                     const struct cf_kubeadm_field *fields, bool top)
{
    int r = 0;

    for (const struct cf_edit_node *n = map->first; n && r == 0; n = n->next) {
        const struct cf_kubeadm_field *field = NULL, *like = NULL;
        const char *name = n->key->value;
        if (n->key->kind != CF_EDIT_SCALAR || !strcmp(name, "<<"))
            continue;
        enum cf_kubeadm_known known =
            top ? find_field(fields, name, n->key->len, judging->number, &field)
                : find(fields, name, n->key->len, judging->number, &field);
        for (const struct cf_kubeadm_field *f = fields; f && f->name && !field; f++)
            if (!strcasecmp(f->name, name))
                like = f;
        r = known == CF_KUBEADM_KNOWN ? judge_value(judging, n, field)
                                      : tell(judging, known, n, field, like);
    }
    return r;
}

int cf_kubeadm_check(const struct cf_edit *edit, const struct cf_edit_node *document,
                     unsigned minor, cf_kubeadm_finding_fn *fn, void *context)
{
    const char *name = cf_edit_child_text(document, "kind");
    const char *api = cf_edit_child_text(document, "apiVersion");
    const struct cf_kubeadm_kind *kind = name ? cf_kubeadm_kind_find(name) : NULL;
    size_t len = kind ? strlen(kind->group) : 0;

    if (!kind || document->kind != CF_EDIT_MAP ||
        (api && (strncmp(api, kind->group, len) != 0 || api[len] != '/')))
        return 0;
    const struct judging judging = {edit, kind, number_for(kind, api, minor), fn, context};
    return judge_map(&judging, document, kind->fields, true);
}
