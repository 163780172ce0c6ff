/* SPDX-License-Identifier: Apache-2.0 */
/* What an object's kind says of the candidates in it. */
#include "finder.h"

#include <string.h>

#include <cloudfs/log.h>

#define TEXT_DEPTH_MAX 3 /* of manifests inside manifests */

/* Whose documents describe documents. */
static bool is_definition(const char *kind)
{
    static const char *const kinds[] = {"CustomResourceDefinition", "CompositeResourceDefinition",
                                        "ConstraintTemplate", "ResourceGraphDefinition"};

    for (size_t i = 0; i < CF_COUNT(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

/* The groups of Kubernetes itself, whose objects have images in containers only. */
static bool is_built_in(const char *api_version)
{
    static const char *const groups[] = {"apps",
                                         "batch",
                                         "extensions",
                                         "autoscaling",
                                         "policy",
                                         "rbac.authorization.k8s.io",
                                         "networking.k8s.io",
                                         "storage.k8s.io",
                                         "admissionregistration.k8s.io",
                                         "apiregistration.k8s.io",
                                         "apiextensions.k8s.io",
                                         "certificates.k8s.io",
                                         "coordination.k8s.io",
                                         "discovery.k8s.io",
                                         "events.k8s.io",
                                         "flowcontrol.apiserver.k8s.io",
                                         "node.k8s.io",
                                         "scheduling.k8s.io",
                                         "authentication.k8s.io",
                                         "authorization.k8s.io",
                                         "resource.k8s.io",
                                         "settings.k8s.io"};
    const char *slash = strchr(api_version, '/');

    if (!slash)
        return api_version[0] == 'v' && api_version[1] >= '0' && api_version[1] <= '9';
    for (size_t i = 0; i < CF_COUNT(groups); i++)
        if (strlen(groups[i]) == (size_t)(slash - api_version) &&
            !memcmp(groups[i], api_version, strlen(groups[i])))
            return true;
    return false;
}

static int read_text(struct finder *finder, const struct candidate *candidate)
{
    struct finder_options inner = finder->options;
    struct text_options text = {
        .data = finder->found.data + candidate->value,
        .len = candidate->len,
        .first_line = candidate->line,
        .fixed_line = candidate->fixed_line,
        .quiet = true,
    };

    if (finder->options.depth >= TEXT_DEPTH_MAX)
        return 0;
    inner.depth++;
    inner.embedded = true;
    inner.objects_only = candidate->class == CLASS_OBJECTS;
    return cf_scan_text(&inner, &text, NULL);
}

/* Text inside a manifest may be of any kind: there a word alone is no image. */
static bool is_believed(const struct finder *finder, const struct candidate *candidate,
                        const struct judged *judged, bool in_object)
{
    if (!finder->options.embedded || in_object || candidate->class == CLASS_CONTAINER)
        return true;
    return judged->slash || judged->tag || judged->digest;
}

static int report(struct finder *finder, const struct candidate *candidate, bool in_object)
{
    const char *text = finder->found.data + candidate->value;
    enum cf_scan_kind kind = candidate->kind;
    struct judged judged;

    cf_scan_judge(text, candidate->len, &judged);
    if (!judged.parsed && finder->options.embedded)
        return 0;
    if (!judged.parsed)
        return cf_findings_warn(
            finder->options.findings, candidate->line,
            judged.placeholder ? "%s is a placeholder: which image it stands for cannot be told"
                               : "%s looks like an image, but is no valid reference",
            CF_QUOTE(text));
    if (!is_believed(finder, candidate, &judged, in_object))
        return 0;
    if (finder->options.kind == CF_SCAN_CHART)
        kind = CF_SCAN_CHART;
    else if (finder->options.embedded)
        kind = CF_SCAN_EMBEDDED;
    return cf_findings_add(finder->options.findings, &judged.reference, candidate->line, kind);
}

/* Whether an object of that kind has candidates of that class. */
static bool takes(enum class class, const char *kind, bool built_in)
{
    switch (class) {
    case CLASS_CONTAINER:
    case CLASS_ANY:
        return true;
    case CLASS_DATA:
        return !built_in || !strcmp(kind, "ConfigMap") || !strcmp(kind, "Secret");
    default:
        return !built_in;
    }
}

int cf_finder_decide(struct finder *finder, size_t first, const char *kind, const char *api_version)
{
    bool definition = kind && is_definition(kind);
    bool built_in = kind && is_built_in(api_version);
    int r = 0;

    for (size_t i = first; i < finder->candidate_count && r == 0; i++) {
        struct candidate *candidate = &finder->candidates[i];
        if (candidate->decided)
            continue;
        candidate->decided = true;
        if (definition || (!kind && finder->options.objects_only) ||
            !takes(candidate->class, kind ? kind : "", built_in))
            continue;
        if (candidate->class >= CLASS_DATA)
            r = read_text(finder, candidate);
        else
            r = report(finder, candidate, kind != NULL);
    }
    return r;
}
