/* SPDX-License-Identifier: Apache-2.0 */
/* .Capabilities and .Release, as `helm template` has them. */
#include "render.h"
#include "semver.h"

#include <errno.h>
#include <string.h>

/* What client-go's scheme of Helm 3 knows: groups and versions, and kinds that charts ask for. */
static const char *const api_versions[] = {
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
    "apiextensions.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "autoscaling/v2beta1",
    "autoscaling/v2beta2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "coordination.k8s.io/v1beta1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1alpha1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1alpha1",
    "rbac.authorization.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "scheduling.k8s.io/v1alpha1",
    "scheduling.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storage.k8s.io/v1beta1",
};

static struct cf_val struct_val(struct cf_run *run, const char *type)
{
    struct cf_val val = cf_val_map(run, 6);
    val.type = CF_T_STRUCT;
    val.dict->type_name = type;
    return val;
}

static struct cf_val kube_version(struct cf_run *run, const char *text)
{
    struct cf_version v;
    struct cf_val val = struct_val(run, "*chartutil.KubeVersion");
    if (!cf_version_parse(run, text, strlen(text), &v))
        cf_run_throw(run, -EINVAL, "invalid kube version '%s': Invalid Semantic Version", text);
    struct cf_text out;
    cf_text_init(&out, run);
    cf_text_char(&out, 'v');
    cf_version_string(&out, &v);
    struct cf_val version = cf_val_text(&out);
    cf_dict_set_str(run, val.dict, "Version", version);
    cf_dict_set_str(run, val.dict, "GitVersion", version);
    cf_dict_set_str(run, val.dict, "String", version);
    cf_dict_set_str(run, val.dict, "Major",
                    cf_val_cstr(cf_run_format(run, "%llu", (unsigned long long)v.number[0])));
    cf_dict_set_str(run, val.dict, "Minor",
                    cf_val_cstr(cf_run_format(run, "%llu", (unsigned long long)v.number[1])));
    return val;
}

struct cf_val cf_render_capabilities(struct cf_run *run, const struct cf_render_options *options)
{
    struct cf_val val = struct_val(run, "*chartutil.Capabilities"), list = cf_val_list(run, 64),
                  helm = struct_val(run, "helmversion.BuildInfo");
    list.type = CF_T_APIVERSIONS;
    for (size_t i = 0; i < sizeof api_versions / sizeof *api_versions; i++)
        cf_seq_add(run, list.seq, cf_val_cstr(api_versions[i]));
    for (size_t i = 0; i < options->api_version_count; i++)
        cf_seq_add(run, list.seq, cf_val_cstr(cf_run_strdup(run, options->api_versions[i])));
    cf_dict_set_str(run, helm.dict, "Version", cf_val_cstr("v3.9.4"));
    cf_dict_set_str(run, helm.dict, "GitCommit", cf_val_cstr(""));
    cf_dict_set_str(run, helm.dict, "GitTreeState", cf_val_cstr("clean"));
    cf_dict_set_str(run, helm.dict, "GoVersion", cf_val_cstr("go1.17.13"));
    cf_dict_set_str(run, val.dict, "APIVersions", list);
    cf_dict_set_str(run, val.dict, "HelmVersion", helm);
    cf_dict_set_str(run, val.dict, "KubeVersion",
                    kube_version(run, options->kube_version && *options->kube_version
                                          ? options->kube_version
                                          : "v1.30.0"));
    return val;
}

static const char *or_default(struct cf_run *run, const char *text, const char *otherwise)
{
    return text && *text ? cf_run_strdup(run, text) : otherwise;
}

struct cf_val cf_render_release(struct cf_run *run, const struct cf_render_options *options)
{
    struct cf_val val = cf_val_map(run, 8);
    const char *name = or_default(run, options->release_name, "release-name");
    if (strlen(name) > 53)
        cf_run_throw(run, -EINVAL, "release name \"%s\" exceeds max length of 53", name);
    cf_dict_set_str(run, val.dict, "Name", cf_val_cstr(name));
    cf_dict_set_str(run, val.dict, "Namespace",
                    cf_val_cstr(or_default(run, options->name_space, "default")));
    cf_dict_set_str(run, val.dict, "IsUpgrade", cf_val_bool(options->is_upgrade));
    cf_dict_set_str(run, val.dict, "IsInstall", cf_val_bool(!options->is_upgrade));
    cf_dict_set_str(run, val.dict, "Revision", cf_val_int(1));
    cf_dict_set_str(run, val.dict, "Service", cf_val_cstr("Helm"));
    return val;
}
