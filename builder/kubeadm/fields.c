/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of kinds and fields, a table a type. */
#include <cloudfs/kubeadm.h>

#include <string.h>

#include <cloudfs/log.h>

typedef struct cf_kubeadm_field field;

/* clang-format off */
#define ALWAYS 0, 0
#define STRING(name) {name, CF_KUBEADM_STRING, ALWAYS, NULL}
#define DURATION(name) {name, CF_KUBEADM_DURATION, ALWAYS, NULL}
#define BOOL(name) {name, CF_KUBEADM_BOOL, ALWAYS, NULL}
#define INT(name) {name, CF_KUBEADM_INT, ALWAYS, NULL}
#define STRINGS(name) {name, CF_KUBEADM_STRING_LIST, ALWAYS, NULL}
#define MAP(name) {name, CF_KUBEADM_STRING_MAP, ALWAYS, NULL}
#define GATES(name) {name, CF_KUBEADM_BOOL_MAP, ALWAYS, NULL}
#define ANY(name) {name, CF_KUBEADM_ANY, ALWAYS, NULL}
#define OBJECT(name, fields) {name, CF_KUBEADM_OBJECT, ALWAYS, fields}
#define OBJECTS(name, fields) {name, CF_KUBEADM_OBJECTS, ALWAYS, fields}
#define END {NULL, CF_KUBEADM_ANY, ALWAYS, NULL}
/* Of these versions only. */
#define SINCE(name, type, first) {name, CF_KUBEADM_##type, first, 0, NULL}
#define UNTIL(name, type, last) {name, CF_KUBEADM_##type, 0, last, NULL}
#define OBJECT_SINCE(name, first, fields) {name, CF_KUBEADM_OBJECT, first, 0, fields}
#define OBJECTS_SINCE(name, first, fields) {name, CF_KUBEADM_OBJECTS, first, 0, fields}
/* clang-format on */

/* ---- shared ---- */

static const field name_value[] = {STRING("name"), STRING("value"), END};
static const field env_var[] = {STRING("name"), STRING("value"), ANY("valueFrom"), END};
static const field taint[] = {STRING("key"), STRING("value"), STRING("effect"), STRING("timeAdded"),
                              END};

/* ---- kubeadm ---- */

static const field timeouts[] = {
    DURATION("controlPlaneComponentHealthCheck"),
    DURATION("kubeletHealthCheck"),
    DURATION("kubernetesAPICall"),
    DURATION("etcdAPICall"),
    DURATION("tlsBootstrap"),
    DURATION("discovery"),
    DURATION("upgradeManifests"),
    END,
};
static const field patches[] = {STRING("directory"), END};
static const field bootstrap_token[] = {
    STRING("token"),
    STRING("description"),
    DURATION("ttl"),
    STRING("expires"),
    STRINGS("usages"),
    STRINGS("groups"),
    END,
};
static const field endpoint[] = {STRING("advertiseAddress"), INT("bindPort"), END};
static const field node_registration[] = {
    STRING("name"),
    STRING("criSocket"),
    OBJECTS("taints", taint),
    UNTIL("kubeletExtraArgs", STRING_MAP, 3),
    OBJECTS_SINCE("kubeletExtraArgs", 4, name_value),
    SINCE("ignorePreflightErrors", STRING_LIST, 2),
    SINCE("imagePullPolicy", STRING, 3),
    SINCE("imagePullSerial", BOOL, 4),
    END,
};
static const field init[] = {
    OBJECTS("bootstrapTokens", bootstrap_token),
    SINCE("dryRun", BOOL, 4),
    OBJECT("nodeRegistration", node_registration),
    OBJECT("localAPIEndpoint", endpoint),
    SINCE("certificateKey", STRING, 2),
    SINCE("skipPhases", STRING_LIST, 3),
    OBJECT_SINCE("patches", 3, patches),
    OBJECT_SINCE("timeouts", 4, timeouts),
    END,
};

static const field host_path[] = {
    STRING("name"),   STRING("hostPath"), STRING("mountPath"),
    BOOL("readOnly"), STRING("pathType"), END,
};
#define COMPONENT                                                                 \
    UNTIL("extraArgs", STRING_MAP, 3), OBJECTS_SINCE("extraArgs", 4, name_value), \
        OBJECTS("extraVolumes", host_path), OBJECTS_SINCE("extraEnvs", 4, env_var)
static const field component[] = {COMPONENT, END};
static const field api_server[] = {
    COMPONENT,
    STRINGS("certSANs"),
    UNTIL("timeoutForControlPlane", DURATION, 3),
    END,
};
static const field etcd_local[] = {
    STRING("imageRepository"),
    STRING("imageTag"),
    STRING("dataDir"),
    UNTIL("extraArgs", STRING_MAP, 3),
    OBJECTS_SINCE("extraArgs", 4, name_value),
    OBJECTS_SINCE("extraEnvs", 4, env_var),
    STRINGS("serverCertSANs"),
    STRINGS("peerCertSANs"),
    END,
};
static const field etcd_external[] = {
    STRINGS("endpoints"), SINCE("httpEndpoints", STRING_LIST, 4),
    STRING("caFile"),     STRING("certFile"),
    STRING("keyFile"),    END,
};
static const field etcd[] = {OBJECT("local", etcd_local), OBJECT("external", etcd_external), END};
static const field networking[] = {STRING("serviceSubnet"), STRING("podSubnet"),
                                   STRING("dnsDomain"), END};
static const field dns[] = {
    UNTIL("type", STRING, 2),
    STRING("imageRepository"),
    STRING("imageTag"),
    SINCE("disabled", BOOL, 4),
    END,
};
static const field proxy_addon[] = {BOOL("disabled"), END};
static const field cluster[] = {
    OBJECT("etcd", etcd),
    OBJECT("networking", networking),
    STRING("kubernetesVersion"),
    STRING("controlPlaneEndpoint"),
    OBJECT("apiServer", api_server),
    OBJECT("controllerManager", component),
    OBJECT("scheduler", component),
    OBJECT("dns", dns),
    OBJECT_SINCE("proxy", 4, proxy_addon),
    STRING("certificatesDir"),
    STRING("imageRepository"),
    UNTIL("useHyperKubeImage", BOOL, 2),
    GATES("featureGates"),
    STRING("clusterName"),
    SINCE("encryptionAlgorithm", STRING, 4),
    SINCE("certificateValidityPeriod", DURATION, 4),
    SINCE("caCertificateValidityPeriod", DURATION, 4),
    END,
};

static const field bootstrap_discovery[] = {
    STRING("token"),
    STRING("apiServerEndpoint"),
    STRINGS("caCertHashes"),
    BOOL("unsafeSkipCAVerification"),
    END,
};
static const field file_discovery[] = {STRING("kubeConfigPath"), END};
static const field discovery[] = {
    OBJECT("bootstrapToken", bootstrap_discovery),
    OBJECT("file", file_discovery),
    STRING("tlsBootstrapToken"),
    UNTIL("timeout", DURATION, 3),
    END,
};
static const field join_control_plane[] = {OBJECT("localAPIEndpoint", endpoint),
                                           SINCE("certificateKey", STRING, 2), END};
static const field join[] = {
    SINCE("dryRun", BOOL, 4),
    OBJECT("nodeRegistration", node_registration),
    STRING("caCertPath"),
    OBJECT("discovery", discovery),
    OBJECT("controlPlane", join_control_plane),
    SINCE("skipPhases", STRING_LIST, 3),
    OBJECT_SINCE("patches", 3, patches),
    OBJECT_SINCE("timeouts", 4, timeouts),
    END,
};

static const field status[] = {ANY("apiEndpoints"), END};
static const field reset[] = {
    BOOL("cleanupTmpDir"),
    STRING("certificatesDir"),
    STRING("criSocket"),
    BOOL("dryRun"),
    BOOL("force"),
    STRINGS("ignorePreflightErrors"),
    STRINGS("skipPhases"),
    STRINGS("unmountFlags"),
    OBJECT("timeouts", timeouts),
    END,
};
static const field upgrade_apply[] = {
    STRING("kubernetesVersion"),
    BOOL("allowExperimentalUpgrades"),
    BOOL("allowRCUpgrades"),
    BOOL("certificateRenewal"),
    BOOL("dryRun"),
    BOOL("etcdUpgrade"),
    BOOL("forceUpgrade"),
    STRINGS("ignorePreflightErrors"),
    OBJECT("patches", patches),
    BOOL("printConfig"),
    STRINGS("skipPhases"),
    STRING("imagePullPolicy"),
    BOOL("imagePullSerial"),
    END,
};
static const field upgrade_diff[] = {STRING("kubernetesVersion"), INT("contextLines"), END};
static const field upgrade_node[] = {
    BOOL("certificateRenewal"),       BOOL("dryRun"),          BOOL("etcdUpgrade"),
    STRINGS("ignorePreflightErrors"), STRINGS("skipPhases"),   OBJECT("patches", patches),
    STRING("imagePullPolicy"),        BOOL("imagePullSerial"), END,
};
static const field upgrade_plan[] = {
    STRING("kubernetesVersion"), BOOL("allowExperimentalUpgrades"),
    BOOL("allowRCUpgrades"),     BOOL("dryRun"),
    BOOL("etcdUpgrade"),         STRINGS("ignorePreflightErrors"),
    BOOL("printConfig"),         END,
};
static const field upgrade[] = {
    OBJECT("apply", upgrade_apply), OBJECT("diff", upgrade_diff), OBJECT("node", upgrade_node),
    OBJECT("plan", upgrade_plan),   OBJECT("timeouts", timeouts), END,
};

/* ---- what the kubelet and kube-proxy share ---- */

static const field log_options[] = {BOOL("splitStream"), ANY("infoBufferSize"), END};
static const field log_formats[] = {OBJECT("text", log_options), OBJECT("json", log_options), END};
static const field log_module[] = {STRING("filePattern"), INT("verbosity"), END};
static const field logging[] = {
    STRING("format"),
    ANY("flushFrequency"), /* a number of nanoseconds, or a duration */
    INT("verbosity"),
    OBJECTS("vmodule", log_module),
    OBJECT("options", log_formats),
    UNTIL("sanitization", BOOL, 23),
    END,
};

/* ---- kube-proxy ---- */

static const field client_connection[] = {
    STRING("kubeconfig"),  STRING("acceptContentTypes"),
    STRING("contentType"), {"qps", CF_KUBEADM_FLOAT, ALWAYS, NULL},
    INT("burst"),          END,
};
static const field iptables[] = {
    INT("masqueradeBit"),
    BOOL("masqueradeAll"),
    BOOL("localhostNodePorts"),
    BOOL("snatNodeInternalIP"),
    DURATION("syncPeriod"),
    DURATION("minSyncPeriod"),
    END,
};
static const field ipvs[] = {
    DURATION("syncPeriod"),    DURATION("minSyncPeriod"), STRING("scheduler"),
    STRINGS("excludeCIDRs"),   BOOL("strictARP"),         DURATION("tcpTimeout"),
    DURATION("tcpFinTimeout"), DURATION("udpTimeout"),    END,
};
static const field nftables[] = {INT("masqueradeBit"), BOOL("masqueradeAll"),
                                 DURATION("syncPeriod"), DURATION("minSyncPeriod"), END};
static const field conntrack[] = {
    INT("maxPerCore"),
    INT("min"),
    DURATION("tcpEstablishedTimeout"),
    DURATION("tcpCloseWaitTimeout"),
    BOOL("tcpBeLiberal"),
    DURATION("udpTimeout"),
    DURATION("udpStreamTimeout"),
    END,
};
static const field winkernel[] = {
    STRING("networkName"),         STRING("sourceVip"),           BOOL("enableDSR"),
    STRING("rootHnsEndpointName"), BOOL("forwardHealthCheckVip"), END,
};
static const field detect_local[] = {STRING("bridgeInterface"), STRING("interfaceNamePrefix"), END};
static const field proxy[] = {
    GATES("featureGates"),
    OBJECT("clientConnection", client_connection),
    OBJECT("logging", logging),
    STRING("hostnameOverride"),
    STRING("bindAddress"),
    STRING("healthzBindAddress"),
    STRING("metricsBindAddress"),
    BOOL("bindAddressHardFail"),
    BOOL("enableProfiling"),
    STRING("showHiddenMetricsForVersion"),
    STRING("mode"),
    OBJECT("iptables", iptables),
    OBJECT("ipvs", ipvs),
    OBJECT("nftables", nftables),
    OBJECT("winkernel", winkernel),
    STRING("detectLocalMode"),
    OBJECT("detectLocal", detect_local),
    STRING("clusterCIDR"),
    STRINGS("nodePortAddresses"),
    INT("oomScoreAdj"),
    OBJECT("conntrack", conntrack),
    DURATION("configSyncPeriod"),
    STRING("portRange"),
    BOOL("windowsRunAsService"),
    UNTIL("udpIdleTimeout", DURATION, 25),
    UNTIL("resourceContainer", STRING, 15),
    END,
};

/* ---- the kubelet ---- */

static const field x509[] = {STRING("clientCAFile"), END};
static const field webhook_authentication[] = {BOOL("enabled"), DURATION("cacheTTL"), END};
static const field anonymous[] = {BOOL("enabled"), END};
static const field authentication[] = {
    OBJECT("x509", x509),
    OBJECT("webhook", webhook_authentication),
    OBJECT("anonymous", anonymous),
    END,
};
static const field webhook_authorization[] = {DURATION("cacheAuthorizedTTL"),
                                              DURATION("cacheUnauthorizedTTL"), END};
static const field authorization[] = {STRING("mode"), OBJECT("webhook", webhook_authorization),
                                      END};
static const field memory_swap[] = {STRING("swapBehavior"), END};
static const field shutdown_by_priority[] = {INT("priority"), INT("shutdownGracePeriodSeconds"),
                                             END};
static const field memory_reservation[] = {INT("numaNode"), ANY("limits"), END};
static const field crash_loop[] = {DURATION("maxContainerRestartPeriod"), END};
static const field tracing[] = {STRING("endpoint"), INT("samplingRatePerMillion"), END};
static const field user_namespaces[] = {INT("idsPerPod"), END};
static const field kubelet[] = {
    BOOL("enableServer"),
    STRING("staticPodPath"),
    STRING("podLogsDir"),
    DURATION("syncFrequency"),
    DURATION("fileCheckFrequency"),
    DURATION("httpCheckFrequency"),
    STRING("staticPodURL"),
    ANY("staticPodURLHeader"),
    STRING("address"),
    INT("port"),
    INT("readOnlyPort"),
    STRING("tlsCertFile"),
    STRING("tlsPrivateKeyFile"),
    STRINGS("tlsCipherSuites"),
    {"tlsCurvePreferences", CF_KUBEADM_INT_LIST, ALWAYS, NULL},
    STRING("tlsMinVersion"),
    BOOL("rotateCertificates"),
    BOOL("serverTLSBootstrap"),
    OBJECT("authentication", authentication),
    OBJECT("authorization", authorization),
    INT("registryPullQPS"),
    INT("registryBurst"),
    STRING("imagePullCredentialsVerificationPolicy"),
    STRINGS("preloadedImagesVerificationAllowlist"),
    INT("eventRecordQPS"),
    INT("eventBurst"),
    BOOL("enableDebuggingHandlers"),
    BOOL("enableContentionProfiling"),
    INT("healthzPort"),
    STRING("healthzBindAddress"),
    INT("oomScoreAdj"),
    STRING("clusterDomain"),
    STRINGS("clusterDNS"),
    DURATION("streamingConnectionIdleTimeout"),
    DURATION("nodeStatusUpdateFrequency"),
    DURATION("nodeStatusReportFrequency"),
    INT("nodeLeaseDurationSeconds"),
    DURATION("imageMinimumGCAge"),
    DURATION("imageMaximumGCAge"),
    INT("imageGCHighThresholdPercent"),
    INT("imageGCLowThresholdPercent"),
    DURATION("volumeStatsAggPeriod"),
    STRING("kubeletCgroups"),
    STRING("systemCgroups"),
    STRING("cgroupRoot"),
    BOOL("cgroupsPerQOS"),
    STRING("cgroupDriver"),
    STRING("cpuManagerPolicy"),
    BOOL("singleProcessOOMKill"),
    MAP("cpuManagerPolicyOptions"),
    DURATION("cpuManagerReconcilePeriod"),
    STRING("memoryManagerPolicy"),
    STRING("topologyManagerPolicy"),
    STRING("topologyManagerScope"),
    MAP("topologyManagerPolicyOptions"),
    MAP("qosReserved"),
    DURATION("runtimeRequestTimeout"),
    STRING("hairpinMode"),
    INT("maxPods"),
    STRING("podCIDR"),
    INT("podPidsLimit"),
    STRING("resolvConf"),
    BOOL("runOnce"),
    BOOL("cpuCFSQuota"),
    DURATION("cpuCFSQuotaPeriod"),
    INT("nodeStatusMaxImages"),
    INT("maxOpenFiles"),
    STRING("contentType"),
    INT("kubeAPIQPS"),
    INT("kubeAPIBurst"),
    BOOL("serializeImagePulls"),
    INT("maxParallelImagePulls"),
    MAP("evictionHard"),
    MAP("evictionSoft"),
    MAP("evictionSoftGracePeriod"),
    DURATION("evictionPressureTransitionPeriod"),
    INT("evictionMaxPodGracePeriod"),
    MAP("evictionMinimumReclaim"),
    BOOL("mergeDefaultEvictionSettings"),
    INT("podsPerCore"),
    BOOL("enableControllerAttachDetach"),
    BOOL("protectKernelDefaults"),
    BOOL("makeIPTablesUtilChains"),
    INT("iptablesMasqueradeBit"),
    INT("iptablesDropBit"),
    GATES("featureGates"),
    BOOL("failSwapOn"),
    OBJECT("memorySwap", memory_swap),
    STRING("containerLogMaxSize"),
    INT("containerLogMaxFiles"),
    INT("containerLogMaxWorkers"),
    DURATION("containerLogMonitorInterval"),
    STRING("configMapAndSecretChangeDetectionStrategy"),
    MAP("systemReserved"),
    MAP("kubeReserved"),
    STRING("reservedSystemCPUs"),
    STRING("showHiddenMetricsForVersion"),
    STRING("systemReservedCgroup"),
    STRING("kubeReservedCgroup"),
    STRINGS("enforceNodeAllocatable"),
    STRINGS("allowedUnsafeSysctls"),
    STRING("volumePluginDir"),
    STRING("providerID"),
    BOOL("kernelMemcgNotification"),
    OBJECT("logging", logging),
    BOOL("enableSystemLogHandler"),
    BOOL("enableSystemLogQuery"),
    DURATION("shutdownGracePeriod"),
    DURATION("shutdownGracePeriodCriticalPods"),
    OBJECTS("shutdownGracePeriodByPodPriority", shutdown_by_priority),
    OBJECT("crashLoopBackOff", crash_loop),
    OBJECTS("reservedMemory", memory_reservation),
    BOOL("enableProfilingHandler"),
    BOOL("enableDebugFlagsHandler"),
    BOOL("seccompDefault"),
    {"memoryThrottlingFactor", CF_KUBEADM_FLOAT, ALWAYS, NULL},
    STRING("memoryReservationPolicy"),
    OBJECTS("registerWithTaints", taint),
    BOOL("registerNode"),
    OBJECT("tracing", tracing),
    BOOL("localStorageCapacityIsolation"),
    STRING("containerRuntimeEndpoint"),
    STRING("imageServiceEndpoint"),
    BOOL("failCgroupV1"),
    OBJECT("userNamespaces", user_namespaces),
    END,
};

#define KUBEADM "kubeadm.k8s.io"
static const struct cf_kubeadm_kind kinds[] = {
    {"InitConfiguration", KUBEADM, ALWAYS, init},
    {"ClusterConfiguration", KUBEADM, ALWAYS, cluster},
    {"JoinConfiguration", KUBEADM, ALWAYS, join},
    {"ClusterStatus", KUBEADM, 0, 2, status},
    {"ResetConfiguration", KUBEADM, 4, 0, reset},
    {"UpgradeConfiguration", KUBEADM, 4, 0, upgrade},
    {"KubeProxyConfiguration", "kubeproxy.config.k8s.io", ALWAYS, proxy},
    {"KubeletConfiguration", "kubelet.config.k8s.io", ALWAYS, kubelet},
};

const struct cf_kubeadm_kind *cf_kubeadm_kind_find(const char *kind)
{
    for (size_t i = 0; i < CF_COUNT(kinds); i++)
        if (!strcmp(kinds[i].kind, kind))
            return &kinds[i];
    return NULL;
}
