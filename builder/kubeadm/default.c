/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in configuration: sealer's, in the form that each version of Kubernetes takes. */
#include "effective.h"

#include <string.h>

/* Gates that are on in sealer's; an API server does not start with one that it has no more. */
static const char *gates(unsigned minor)
{
    return minor <= 24   ? "TTLAfterFinished=true,EphemeralContainers=true"
           : minor <= 26 ? "EphemeralContainers=true"
                         : NULL;
}

/* One argument of a component: a key, or (v1beta4) an item. */
static int put_argument(struct cf_buf *out, unsigned api, int indent, const char *name,
                        const char *value)
{
    bool looks_typed = !strcmp(value, "true") || strspn(value, "0123456789") == strlen(value);
    const char *quote = looks_typed ? "'" : "";

    return api < 4 ? cf_buf_printf(out, "%*s%s: %s%s%s\n", indent, "", name, quote, value, quote)
                   : cf_buf_printf(out, "%*s- name: %s\n%*svalue: %s%s%s\n", indent, "", name,
                                   indent + 2, "", quote, value, quote);
}

static int put_volume(struct cf_buf *out, const char *name, const char *path, const char *type)
{
    return cf_buf_printf(out,
                         "    - name: %s\n      hostPath: %s\n      mountPath: %s\n%s"
                         "      pathType: %s\n",
                         name, path, path, type[0] == 'F' ? "      readOnly: true\n" : "", type);
}

static int put_localtime(struct cf_buf *out)
{
    int r = cf_buf_add_str(out, "  extraVolumes:\n");
    return r < 0 ? r : put_volume(out, "localtime", "/etc/localtime", "File");
}

static int put_api_server(struct cf_buf *out, unsigned minor, unsigned api)
{
    static const char *const arguments[][2] = {
        {"audit-policy-file", "/etc/kubernetes/audit-policy.yml"},
        {"audit-log-path", "/var/log/kubernetes/audit.log"},
        {"audit-log-format", "json"},
        {"audit-log-maxbackup", "10"},
        {"audit-log-maxsize", "100"},
        {"audit-log-maxage", "7"},
        {"enable-aggregator-routing", "true"},
    };
    int r = cf_buf_add_str(out, "apiServer:\n  extraArgs:\n");

    if (r == 0 && gates(minor))
        r = put_argument(out, api, 4, "feature-gates", gates(minor));
    for (size_t i = 0; i < sizeof(arguments) / sizeof(*arguments) && r == 0; i++)
        r = put_argument(out, api, 4, arguments[i][0], arguments[i][1]);
    if (r == 0)
        r = cf_buf_add_str(out, "  extraVolumes:\n");
    if (r == 0)
        r = put_volume(out, "audit", "/etc/kubernetes", "DirectoryOrCreate");
    if (r == 0)
        r = put_volume(out, "audit-log", "/var/log/kubernetes", "DirectoryOrCreate");
    return r < 0 ? r : put_volume(out, "localtime", "/etc/localtime", "File");
}

static int put_controllers(struct cf_buf *out, unsigned minor, unsigned api)
{
    int r = cf_buf_add_str(out, "controllerManager:\n  extraArgs:\n");

    if (r == 0 && gates(minor))
        r = put_argument(out, api, 4, "feature-gates", gates(minor));
    if (r == 0) /* 1.19 gave the flag its name */
        r = put_argument(out, api, 4,
                         minor < 20 ? "experimental-cluster-signing-duration"
                                    : "cluster-signing-duration",
                         "876000h");
    if (r == 0)
        r = put_localtime(out);
    if (r == 0)
        r = cf_buf_add_str(out, "scheduler:\n");
    if (r == 0 && gates(minor))
        r = cf_buf_add_str(out, "  extraArgs:\n");
    if (r == 0 && gates(minor))
        r = put_argument(out, api, 4, "feature-gates", gates(minor));
    return r < 0 ? r : put_localtime(out);
}

static int put_cluster(struct cf_buf *out, const char *version, unsigned minor, unsigned api)
{
    int r = cf_buf_printf(out,
                          "apiVersion: kubeadm.k8s.io/v1beta%u\n"
                          "kind: ClusterConfiguration\n"
                          "kubernetesVersion: %s\n"
                          "imageRepository: sea.hub:5000/library\n"
                          "networking:\n"
                          "  podSubnet: 100.64.0.0/10\n"
                          "  serviceSubnet: 10.96.0.0/22\n",
                          api, version);

    if (r == 0)
        r = put_api_server(out, minor, api);
    if (r == 0)
        r = put_controllers(out, minor, api);
    if (r == 0)
        r = cf_buf_add_str(out, "etcd:\n  local:\n    extraArgs:\n");
    return r < 0 ? r : put_argument(out, api, 6, "listen-metrics-urls", "http://0.0.0.0:2381");
}

/* Docker's socket is known to the kubelet up to 1.23; later, kubeadm finds the runtime itself. */
static int put_registration(struct cf_buf *out, unsigned minor)
{
    return minor > 23 ? 0
                      : cf_buf_add_str(out, "nodeRegistration:\n"
                                            "  criSocket: /var/run/dockershim.sock\n");
}

static int put_init(struct cf_buf *out, unsigned minor, unsigned api)
{
    int r = cf_buf_printf(out,
                          "apiVersion: kubeadm.k8s.io/v1beta%u\n"
                          "kind: InitConfiguration\n"
                          "localAPIEndpoint:\n"
                          "  bindPort: 6443\n",
                          api);
    return r < 0 ? r : put_registration(out, minor);
}

static int put_join(struct cf_buf *out, unsigned minor, unsigned api)
{
    int r =
        cf_buf_printf(out,
                      "apiVersion: kubeadm.k8s.io/v1beta%u\n"
                      "kind: JoinConfiguration\n"
                      "caCertPath: /etc/kubernetes/pki/ca.crt\n"
                      "%s:\n"
                      "  %s: 5m0s\n",
                      api, api < 4 ? "discovery" : "timeouts", api < 4 ? "timeout" : "discovery");
    if (r == 0)
        r = put_registration(out, minor);
    return r < 0 ? r
                 : cf_buf_add_str(out, "controlPlane:\n"
                                       "  localAPIEndpoint:\n"
                                       "    bindPort: 6443\n");
}

static const char kube_proxy[] = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
                                 "kind: KubeProxyConfiguration\n"
                                 "mode: ipvs\n"
                                 "ipvs:\n"
                                 "  excludeCIDRs:\n"
                                 "    - 10.103.97.2/32\n";

static const char kubelet[] = "apiVersion: kubelet.config.k8s.io/v1beta1\n"
                              "kind: KubeletConfiguration\n"
                              "authentication:\n"
                              "  anonymous:\n"
                              "    enabled: false\n"
                              "  webhook:\n"
                              "    cacheTTL: 2m0s\n"
                              "    enabled: true\n"
                              "  x509:\n"
                              "    clientCAFile: /etc/kubernetes/pki/ca.crt\n"
                              "authorization:\n"
                              "  mode: Webhook\n"
                              "  webhook:\n"
                              "    cacheAuthorizedTTL: 5m0s\n"
                              "    cacheUnauthorizedTTL: 30s\n"
                              "cgroupsPerQOS: true\n"
                              "clusterDomain: cluster.local\n"
                              "configMapAndSecretChangeDetectionStrategy: Watch\n"
                              "containerLogMaxFiles: 5\n"
                              "containerLogMaxSize: 10Mi\n"
                              "contentType: application/vnd.kubernetes.protobuf\n"
                              "cpuCFSQuota: true\n"
                              "cpuCFSQuotaPeriod: 100ms\n"
                              "cpuManagerPolicy: none\n"
                              "cpuManagerReconcilePeriod: 10s\n"
                              "enableControllerAttachDetach: true\n"
                              "enableDebuggingHandlers: true\n"
                              "enforceNodeAllocatable:\n"
                              "  - pods\n"
                              "eventBurst: 10\n"
                              "eventRecordQPS: 5\n"
                              "evictionHard:\n"
                              "  imagefs.available: 15%\n"
                              "  memory.available: 100Mi\n"
                              "  nodefs.available: 10%\n"
                              "  nodefs.inodesFree: 5%\n"
                              "evictionPressureTransitionPeriod: 5m0s\n"
                              "failSwapOn: true\n"
                              "fileCheckFrequency: 20s\n"
                              "hairpinMode: promiscuous-bridge\n"
                              "healthzBindAddress: 127.0.0.1\n"
                              "healthzPort: 10248\n"
                              "httpCheckFrequency: 20s\n"
                              "imageGCHighThresholdPercent: 85\n"
                              "imageGCLowThresholdPercent: 80\n"
                              "imageMinimumGCAge: 2m0s\n"
                              "iptablesDropBit: 15\n"
                              "iptablesMasqueradeBit: 14\n"
                              "kubeAPIBurst: 10\n"
                              "kubeAPIQPS: 5\n"
                              "makeIPTablesUtilChains: true\n"
                              "maxOpenFiles: 1000000\n"
                              "maxPods: 110\n"
                              "nodeLeaseDurationSeconds: 40\n"
                              "nodeStatusReportFrequency: 10s\n"
                              "nodeStatusUpdateFrequency: 10s\n"
                              "oomScoreAdj: -999\n"
                              "podPidsLimit: -1\n"
                              "port: 10250\n"
                              "registryBurst: 10\n"
                              "registryPullQPS: 5\n"
                              "rotateCertificates: true\n"
                              "runtimeRequestTimeout: 2m0s\n"
                              "serializeImagePulls: true\n"
                              "staticPodPath: /etc/kubernetes/manifests\n"
                              "streamingConnectionIdleTimeout: 4h0m0s\n"
                              "syncFrequency: 1m0s\n"
                              "volumeStatsAggPeriod: 1m0s\n";

int cf_kubeadm_default(const char *version, unsigned minor, unsigned api, struct cf_buf *ret_text)
{
    int r = put_init(ret_text, minor, api);

    if (r == 0)
        r = cf_buf_add_str(ret_text, "---\n");
    if (r == 0)
        r = put_cluster(ret_text, version, minor, api);
    if (r == 0)
        r = cf_buf_printf(ret_text, "---\n%s---\n%s---\n", kube_proxy, kubelet);
    return r < 0 ? r : put_join(ret_text, minor, api);
}
