/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds and fields of etc/kubeadm.yml, and what is effective of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/io.h>
#include <cloudfs/kubeadm.h>

#define autoedit cf_cleanup(cf_edit_close_ptr)

#define V1BETA(n)                     \
    {                                 \
        "kubeadm.k8s.io/v1beta" #n, 0 \
    }

static void versions_of_kubernetes_choose_the_api(void **state)
{
    (void)state;
    assert_int_equal(cf_kubeadm_minor("v1.19.8"), 19);
    assert_int_equal(cf_kubeadm_minor("1.22"), 22);
    assert_int_equal(cf_kubeadm_minor("v1.31.0-rc.1"), 31);
    assert_int_equal(cf_kubeadm_minor("v1.31+build"), 31);
    assert_int_equal(cf_kubeadm_minor("v1.x"), 0);
    assert_int_equal(cf_kubeadm_minor("v2.1"), 0);
    assert_int_equal(cf_kubeadm_minor("stable-1"), 0);
    assert_int_equal(cf_kubeadm_minor(""), 0);
    assert_int_equal(cf_kubeadm_api_number("kubeadm.k8s.io/v1beta3"), 3);
    assert_int_equal(cf_kubeadm_api_number("kubeadm.k8s.io/v1beta31"), 0);
    assert_int_equal(cf_kubeadm_api_number("kubelet.config.k8s.io/v1beta1"), 0);
    assert_int_equal(cf_kubeadm_api_for(12), 0);
    assert_int_equal(cf_kubeadm_api_for(14), 1);
    assert_int_equal(cf_kubeadm_api_for(19), 2);
    assert_int_equal(cf_kubeadm_api_for(22), 2);
    assert_int_equal(cf_kubeadm_api_for(23), 3);
    assert_int_equal(cf_kubeadm_api_for(31), 4);
    assert_true(cf_kubeadm_api_reads(19, 1));
    assert_true(cf_kubeadm_api_reads(19, 2));
    assert_false(cf_kubeadm_api_reads(19, 3));
    assert_false(cf_kubeadm_api_reads(27, 2));
    assert_true(cf_kubeadm_api_reads(31, 3));
    assert_false(cf_kubeadm_api_reads(31, 0));
}

static void fields_are_found_by_path_and_version(void **state)
{
    static const struct {
        const char *kind, *path;
        struct cf_kubeadm_version version;
        enum cf_kubeadm_known known;
    } cases[] = {
        {"ClusterConfiguration", "networking.podSubnet", V1BETA(2), CF_KUBEADM_KNOWN},
        {"ClusterConfiguration", "networking.podsubnet", V1BETA(2), CF_KUBEADM_UNKNOWN},
        {"ClusterConfiguration", "networking.podSubnet.x", V1BETA(2), CF_KUBEADM_UNKNOWN},
        {"ClusterConfiguration", "apiVersion", V1BETA(2), CF_KUBEADM_KNOWN},
        {"ClusterConfiguration", "networking.kind", V1BETA(2), CF_KUBEADM_UNKNOWN},
        {"ClusterConfiguration", "apiServer.extraVolumes[name=audit].hostPath", V1BETA(2),
         CF_KUBEADM_KNOWN},
        {"ClusterConfiguration", "apiServer.extraVolumes[0].hostpath", V1BETA(2),
         CF_KUBEADM_UNKNOWN},
        {"ClusterConfiguration", "apiServer.extraArgs.\"feature.gates\"", V1BETA(3),
         CF_KUBEADM_KNOWN},
        {"ClusterConfiguration", "apiServer.extraArgs.feature-gates", V1BETA(4),
         CF_KUBEADM_UNKNOWN},
        {"ClusterConfiguration", "apiServer.extraArgs[0].value", V1BETA(4), CF_KUBEADM_KNOWN},
        {"ClusterConfiguration", "dns.type", V1BETA(2), CF_KUBEADM_KNOWN},
        {"ClusterConfiguration", "dns.type", V1BETA(3), CF_KUBEADM_REMOVED},
        {"ClusterConfiguration", "useHyperKubeImage", V1BETA(4), CF_KUBEADM_REMOVED},
        {"InitConfiguration", "certificateKey", V1BETA(1), CF_KUBEADM_LATER},
        {"InitConfiguration", "timeouts.discovery", V1BETA(3), CF_KUBEADM_LATER},
        {"InitConfiguration", "timeouts.discovery", {NULL, 0}, CF_KUBEADM_KNOWN},
        {"JoinConfiguration", "discovery.timeout", V1BETA(2), CF_KUBEADM_KNOWN},
        {"JoinConfiguration", "discovery.timeout", V1BETA(4), CF_KUBEADM_REMOVED},
        {"KubeProxyConfiguration", "udpIdleTimeout", {NULL, 25}, CF_KUBEADM_KNOWN},
        {"KubeProxyConfiguration", "udpIdleTimeout", {NULL, 26}, CF_KUBEADM_REMOVED},
        {"KubeletConfiguration", "evictionHard.imagefs", {NULL, 0}, CF_KUBEADM_KNOWN},
        {"KubeletConfiguration", "authentication.x509.clientCAFile", {NULL, 0}, CF_KUBEADM_KNOWN},
        {"Deployment", "spec", {NULL, 0}, CF_KUBEADM_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++)
        if (cf_kubeadm_field_find(cases[i].kind, &cases[i].version, cases[i].path, NULL) !=
            cases[i].known)
            fail_msg("case %zu: %s.%s", i, cases[i].kind, cases[i].path);
    const struct cf_kubeadm_version v3 = V1BETA(3);
    const struct cf_kubeadm_field *field = NULL;
    (void)cf_kubeadm_field_find("ClusterConfiguration", &v3, "dns.type", &field);
    assert_non_null(field);
    assert_int_equal(field->last, 2);
}

static int add_finding(const struct cf_kubeadm_finding *finding, void *context)
{
    return cf_buf_printf(context, "%zu: %s\n", finding->node->line, finding->text);
}

static void check_text(const char *text, unsigned minor, const char *findings)
{
    struct cf_edit *edit autoedit = NULL;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};

    assert_int_equal(cf_buf_add_str(&buf, ""), 0);
    if (cf_edit_open("kubeadm.yml", text, strlen(text), &edit, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < cf_edit_count(edit); i++)
        assert_int_equal(
            cf_kubeadm_check(edit, cf_edit_document(edit, i), minor, add_finding, &buf), 0);
    assert_string_equal(buf.data ? buf.data : "", findings);
}

static void documents_are_judged_by_their_version(void **state)
{
    (void)state;
    check_text("apiVersion: kubeadm.k8s.io/v1beta3\n"
               "kind: ClusterConfiguration\n"
               "kubernetesVersion: 1.19\n"
               "dns: {type: CoreDNS}\n"
               "networking:\n"
               "  podsubnet: 1.2.3.4/8\n"
               "  other: x\n"
               "apiServer:\n"
               "  extraArgs: {audit-log-maxage: 7, v: '1'}\n"
               "  certSANs: [a, 1]\n"
               "  extraVolumes: [{name: a, readOnly: 'yes'}]\n"
               "  extraEnvs: []\n"
               "scheduler: x\n"
               "controllerManager:\n",
               0,
               "3: kubernetesVersion: a string is needed (in quotes, where it looks like something "
               "else)\n"
               "4: dns.type: v1beta3 has this field no more (v1beta2 was the last)\n"
               "6: networking.podsubnet: ClusterConfiguration has no such field (it has "
               "podSubnet)\n"
               "7: networking.other: ClusterConfiguration has no such field\n"
               "9: apiServer.extraArgs.audit-log-maxage: a string is needed (in quotes, where it "
               "looks like something else)\n"
               "10: apiServer.certSANs[1]: a string is needed (in quotes, where it looks like "
               "something else)\n"
               "11: apiServer.extraVolumes[name=a].readOnly: true or false is needed, without "
               "quotes\n"
               "12: apiServer.extraEnvs: v1beta3 does not have this field yet (v1beta4 does)\n"
               "13: scheduler: a map is needed\n");
    check_text("apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
               "kind: KubeProxyConfiguration\n"
               "udpIdleTimeout: 1s\n"
               "featureGates: {A: true, B: 'true'}\n"
               "---\n"
               "kind: Deployment\n"
               "spec: 1\n"
               "---\n"
               "apiVersion: example.com/v1\n"
               "kind: ClusterConfiguration\n"
               "any: 1\n"
               "--- x\n",
               26,
               "3: KubeProxyConfiguration.udpIdleTimeout: Kubernetes 1.26 has this field no more "
               "(Kubernetes 1.25 was the last)\n"
               "4: KubeProxyConfiguration.featureGates.B: true or false is needed, without "
               "quotes\n");
}

/* ---- what is effective ---- */

/* above completed by below. */
static void check_complete(const char *above, const char *below, const char *want)
{
    struct cf_edit *edit autoedit = NULL, *lower autoedit = NULL;
    struct cf_error err = {0};
    size_t len;

    assert_int_equal(cf_edit_open("above", above, strlen(above), &edit, &err), 0);
    assert_int_equal(cf_edit_open_value("below", below, strlen(below), &lower, &err), 0);
    int r = cf_edit_complete(edit, lower, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    assert_string_equal(cf_edit_text(edit, &len), want);
    assert_int_equal(r, strcmp(above, want) != 0);
    assert_int_equal(cf_edit_complete(edit, lower, &err), 0);
}

static void what_is_there_stays_and_the_rest_comes_from_below(void **state)
{
    (void)state;
    check_complete("kind: A\na: false # mine\nb: 0\nc: []\nd: {}\ne: ''\n",
                   "kind: A\na: true\nb: 1\nc: [x]\nd: {x: 1}\ne: y\n",
                   "kind: A\na: false # mine\nb: 0\nc: []\nd: {}\ne: ''\n");
    check_complete("kind: A\na:\nm:\n    x: 1 # mine\n", "kind: A\na: 7\nm: {x: 2, y: {z: [3]}}\n",
                   "kind: A\na: 7\nm:\n    x: 1 # mine\n    y:\n        z:\n          - 3\n");
    check_complete("kind: A\nm: 1\n", "kind: A\nm: {x: 1}\nn:\n", "kind: A\nm: 1\n");
    check_complete("kind: A\nl: [{name: x, v: 1}]\n", "kind: A\nl: [{name: y, v: 1}]\n",
                   "kind: A\nl: [{name: x, v: 1}]\n");
    check_complete("kind: A\nl:\n- name: x\n  value: 1\n",
                   "kind: A\nl: [{name: x, value: 2}, {name: y, value: 3}]\n",
                   "kind: A\nl:\n- name: x\n  value: 1\n- name: y\n  value: 3\n");
    check_complete("kind: A\n", "kind: B\nb: 1\n---\nkind: A\n---\nkind: B\nb: 2\n---\nno: kind\n",
                   "kind: A\n---\nkind: B\nb: 1\n");
    check_complete("", "kind: B\nb: 1\n", "kind: B\nb: 1\n");
    check_complete("kind: A\na: *x\nb: &x {c: 1}\n", "kind: A\na: {d: 1}\n",
                   "kind: A\na: *x\nb: &x {c: 1}\n");
}

static void make_file(int dir, const char *name, const char *text)
{
    int fd cf_autoclose = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(cf_write_full(fd, text, strlen(text)), 0);
}

static void the_version_decides_the_built_in_documents(void **state)
{
    static const struct {
        const char *version, *has, *has_not;
    } cases[] = {
        {"v1.14.1", "kubeadm.k8s.io/v1beta1", "v1beta2"},
        {"v1.19.8", "experimental-cluster-signing-duration: 876000h", "v1beta3"},
        {"v1.20.0", "    cluster-signing-duration: 876000h", "experimental"},
        {"v1.23.9", "criSocket: /var/run/dockershim.sock", "v1beta2"},
        {"v1.24.0", "feature-gates: TTLAfterFinished=true,EphemeralContainers=true", "criSocket"},
        {"v1.25.0", "feature-gates: EphemeralContainers=true", "TTLAfterFinished"},
        {"v1.27.0", "timeout: 5m0s", "feature-gates"},
        {"v1.31.0", "- name: audit-log-maxage\n      value: '7'", "timeout: 5m0s"},
    };
    char dir[] = "/tmp/cloudfs-kubeadm.XXXXXX", text[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    int fd cf_autoclose = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_kubeadm kubeadm cf_cleanup(cf_kubeadm_done) = {0};
        const struct cf_kubeadm_from from = {.dir = dir};
        struct cf_error err = {0};
        snprintf(text, sizeof(text), "{\"version\":\"%s\"}", cases[i].version);
        make_file(fd, "Metadata", text);
        if (cf_kubeadm_open(&from, &kubeadm, &err) < 0)
            fail_msg("%s", err.text);
        const char *all = cf_edit_text(kubeadm.edit, NULL);
        assert_int_equal(kubeadm.warning_count, 0);
        if (!strstr(all, cases[i].has) || strstr(all, cases[i].has_not))
            fail_msg("%s:\n%s", cases[i].version, all);
    }
    assert_int_equal(cf_remove_tree(AT_FDCWD, dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_of_kubernetes_choose_the_api),
        cmocka_unit_test(fields_are_found_by_path_and_version),
        cmocka_unit_test(documents_are_judged_by_their_version),
        cmocka_unit_test(what_is_there_stays_and_the_rest_comes_from_below),
        cmocka_unit_test(the_version_decides_the_built_in_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
