/* SPDX-License-Identifier: Apache-2.0 */
/* What the checker finds in small rootfs, and what it leaves alone. */
#include "image_fixture.h"

#include <cloudfs/buf.h>
#include <cloudfs/check.h>
#include <cloudfs/io.h>

static void put(const char *dir, const char *path, const char *text, size_t len, mode_t mode)
{
    char parent[256];
    int fd cf_autoclose = open(dir, O_RDONLY | O_DIRECTORY);

    assert_true(fd >= 0);
    snprintf(parent, sizeof(parent), "%s", path);
    if (strrchr(parent, '/')) {
        *strrchr(parent, '/') = '\0';
        assert_int_equal(cf_mkdir_path(fd, parent, 0755), 0);
    }
    if (S_ISLNK(mode)) {
        assert_int_equal(symlinkat(text, fd, path), 0);
        return;
    }
    int file cf_autoclose = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(file >= 0);
    assert_int_equal(cf_write_full(file, text, len), 0);
}

/* One line a finding: "error 3 daemon". */
static void check_dir(struct fixture *f, const char *dir, const struct cf_check_options *options,
                      struct cf_buf *lines, struct cf_buf *texts)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_check_result result cf_cleanup(cf_check_result_done) = {0};
    struct cf_error err = {0};

    assert_ok(cf_rootfs_open_dir(dir, &rootfs, &err), err);
    assert_ok(cf_check(f->store, rootfs, options, &result, &err), err);
    for (size_t i = 0; i < result.count; i++) {
        const struct cf_finding *finding = &result.list[i];
        assert_int_equal(cf_buf_printf(lines, "%s%s %zu %s", i ? "; " : "",
                                       finding->severity == CF_ERROR ? "error" : "warning",
                                       finding->line, cf_check_rule_name(finding->rule)),
                         0);
        assert_int_equal(cf_finding_put(finding, texts), 0);
        assert_int_equal(cf_buf_add_char(texts, '\n'), 0);
    }
    assert_int_equal(result.count, result.errors + result.warnings);
}

struct row {
    const char *path, *text;
    const char *wanted; /* NULL: nothing */
    const char *said;   /* a part of the text, NULL: any */
    mode_t mode;        /* 0: 0644 */
};

#define V2 "apiVersion: sealer.cloud/v2\nkind: Cluster\nspec:\n"
#define KUBEADM "apiVersion: kubeadm.k8s.io/v1beta2\n"
#define PLUGIN "kind: Plugin\nspec:\n"

static const struct row rows[] = {
    {"etc/daemon.json", "{\"log-opts\": {\"max-size\": \"10m\"}}\n", NULL, NULL, 0},
    {"etc/daemon.json", "{\n \"log-opts\": {\n  \"max-file\": 3\n }\n}\n", "error 3 daemon",
     "all strings", 0},
    {"etc/daemon.json", "{\n \"log-level\": \"warn\",\n}\n", "error 2 json", "comma away", 0},
    {"etc/daemon.json", "{\n \"log-level\": \"warn\" // x\n}\n", "error 2 json", "comment away", 0},
    {"etc/daemon.json", "{\n \"log-level\": \"warn\"\n \"debug\": true\n}\n", "error 3 json",
     "comma may be missing", 0},
    {"etc/daemon.json", "", "error 0 json", "write {}", 0},
    {"etc/daemon.json", "[]", "error 1 daemon", "object", 0},
    {"etc/daemon.json", "{\n \"log-drivers\": \"x\"\n}", "error 2 daemon",
     "\"log-driver\" may be meant", 0},
    {"etc/daemon.json", "{\n \"logDriver\": \"x\"\n}", "error 2 daemon",
     "\"log-driver\" may be meant", 0},
    {"etc/daemon.json", "{\n \"quite-another-thing\": 1\n}", "warning 2 daemon", NULL, 0},
    {"etc/daemon.json", "{\"debug\": \"true\"}", "error 1 daemon", "true or false", 0},
    {"etc/daemon.json", "{\"registry-mirrors\": [\"a.b\"]}", "error 1 daemon", "https://", 0},
    {"etc/daemon.json", "{\"insecure-registries\": [\"http://a.b\"]}", "error 1 daemon",
     "host:port", 0},
    {"etc/daemon.json", "{\"log-level\": \"loud\"}", "error 1 daemon", NULL, 0},
    {"etc/daemon.json", "{\"graph\": \"/d\"}", "warning 1 daemon", "data-root", 0},
    {"etc/daemon.json", "{\"debug\": true,\n\"debug\": false}", "error 2 duplicate-key", NULL, 0},
    {"etc/daemon.json",
     "{\"mirror-registries\": [{\"domain\": \"*\", \"mirrors\": "
     "[\"https://sea.hub:5000\"]}]}",
     NULL, NULL, 0},
    {"etc/other.json", "{,}", "error 1 json", NULL, 0},
    {"opt/other.json", "{,}", "warning 1 json", NULL, 0},
    {"opt/lines.json", "{\"a\": 1}\n{\"a\": 2}\n", NULL, NULL, 0},
    {"etc/a.yml", "a: [1\nb: 2\n", "error 2 yaml", NULL, 0},
    {"etc/a.yml", "{{ if .x }}\na: [1\n{{ end }}\n", NULL, NULL, 0},
    {"etc/a.yml.tmpl", "a: [1\n", NULL, NULL, 0},
    {"charts/x/templates/a.yaml", "{{ x }}: [\n", NULL, NULL, 0},
    {"etc/registry_config.yml", "version: 0.1\nstorage: {filesystem: {rootdirectory: /v}}\n", NULL,
     NULL, 0},
    {"etc/registry_config.yml", "storage: {inmemory: }\n", "error 1 registry-config", "0.1", 0},
    {"etc/registry_config.yml", "version: 0.1\n", "warning 1 registry-config", "storage", 0},
    {"etc/registry_config.yml", "version: 0.1\nstorage: {inmemory: }\nproxy:\n  remoteurl: a.b\n",
     "error 4 registry-config", "https://", 0},
    {"etc/registry_config.yml",
     "version: 0.1\nstorage: {inmemory: }\nproxy:\n  remoteregistries:\n"
     "    - url: https://registry-1.docker.io\n      username: u\n      password: p\n",
     NULL, NULL, 0},
    {"etc/registry_config.yml",
     "version: 0.1\nstorage: {inmemory: }\nproxy:\n  remoteregistries:\n"
     "    - username: u\n      password: p\n",
     "error 5 registry-config", "without its url", 0},
    {"etc/registry_config.yml", "version: 0.1\nstorage: {inmemory: }\nproxy:\n  on: true\n", NULL,
     NULL, 0},
    {"etc/registry_config.yml",
     "version: 0.1\nstorage: {inmemory: }\nproxy:\n  on: true\n  remoteurl: https://a.b\n",
     "warning 4 registry-config", "more than one", 0},
    {"etc/registry_config.yml",
     "version: 0.1\nstorage: {inmemory: }\nproxy:\n  remoteregistries: "
     "[]\n",
     "error 4 registry-config", "empty", 0},
    {"etc/registry_config.yml", "version: 0.1\nstorge: {inmemory: }\nstorage: {inmemory: }\n",
     "warning 2 registry-config", "\"storage\" may be meant", 0},
    {"etc/kubeadm.yml", KUBEADM "kind: ClusterConfiguration\nkubernetesVersion: v1.19.8\n", NULL,
     NULL, 0},
    {"etc/kubeadm.yml", KUBEADM "kind: ClusterConfiguration\nnetworking:\n  podSubnets: a\n",
     "error 4 kubeadm", "podSubnets", 0},
    {"etc/kubeadm.yml", KUBEADM "kind: ClusterConfiguration\nnetworking: a\n", "error 3 kubeadm",
     NULL, 0},
    {"etc/kubeadm.yml", KUBEADM "kind: ClusterConfigurations\n", "error 2 kubeadm", "may be meant",
     0},
    {"etc/kubeadm.yml", KUBEADM "kind: ClusterConfiguration\nkubernetesVersion: v1.31.0\n",
     "error 1 kubeadm", "does not read", 0},
    {"etc/kubeadm.yml", "apiVersion: v1\nkind: InitConfiguration\n", "error 1 kubeadm",
     "kubeadm.k8s.io", 0},
    {"etc/kubeadm.yml", "kind: InitConfiguration\n", "warning 1 kubeadm", "no apiVersion", 0},
    {"etc/kubeadm.yml", "a: b\n", "error 1 kubeadm", "without a kind", 0},
    {"etc/kubeadm.yml",
     KUBEADM "kind: InitConfiguration\n---\n" KUBEADM "kind: InitConfiguration\n",
     "error 5 kubeadm", "line 2", 0},
    {"etc/Clusterfile", KUBEADM "kind: InitConfiguration\nxyz: 1\n", "error 3 kubeadm", "xyz", 0},
    {"etc/registry.yml", "domain: sea.hub\nport: \"5000\"\nusername: \"\"\npassword: \"\"\n", NULL,
     NULL, 0},
    {"etc/registry.yml", "domain: https://sea.hub\nport: 70000\n",
     "error 1 registry; error 2 registry", NULL, 0},
    {"etc/registry.yml", "username: u\n", "warning 1 registry", "password", 0},
    {"plugins/a.yaml", PLUGIN "  type: SHELL\n  action: PreInit|PostInstall\n  data: x\n", NULL,
     NULL, 0},
    {"plugins/a.yaml", PLUGIN "  type: SHEL\n  action: PreInit\n", "error 3 plugin", "SHEL", 0},
    {"plugins/a.yaml", PLUGIN "  type: TAINT\n  action: x\n  on: nobody\n",
     "error 4 plugin; error 5 plugin", NULL, 0},
    {"plugins/a.yaml", "kind: Config\n", "error 1 plugin", "no Plugin", 0},
    {"plugins/a.yaml", "- a\n", "error 1 plugin", "kind: Plugin", 0},
    {"plugins/sub/a.yaml", PLUGIN, "warning 0 plugin", "copy it there", 0},
    {"etc/Clusterfile", V2 "  image: a\n  hosts:\n    - ips: [1.2.3.4]\n      roles: [master]\n",
     NULL, NULL, 0},
    {"etc/Clusterfile", V2 "  image: a\n  hosts:\n    - ips: [1.2.3.4]\n      roles: [boss]\n",
     "warning 7 clusterfile", "boss", 0},
    {"etc/Clusterfile", V2 "  images: a\n", "warning 4 clusterfile; warning 4 clusterfile",
     "\"image\" may be meant", 0},
    {"etc/Clusterfile", V2 "  image: a\n---\nkind: Config\nspec: {path: x, data: y, strategy: z}\n",
     "error 7 clusterfile", "merge or overwrite", 0},
    {"etc/Clusterfile", V2 "  image: a\n---\nkind: Config\nspec: {data: y}\n",
     "error 6 clusterfile", "spec.path", 0},
    {"etc/Clusterfile", "kind: Cluter\n", "warning 1 clusterfile", NULL, 0},
    {"etc/Clusterfile", V2 "  image: {{ .image }}\n  x\n", NULL, NULL, 0},
    {"Metadata", "{\"version\":\"v1.19.8\",\"arch\":\"amd64\"}\n", NULL, NULL, 0},
    {"Metadata", "{\"version\": 1, \"arch\": \"x86_64\"}\n", "error 1 metadata; warning 1 metadata",
     NULL, 0},
    {"Metadata", "version: v1\n", "error 1 json", NULL, 0},
    {"scripts/a.sh", "#!/bin/bash\necho\n", NULL, NULL, 0},
    {"scripts/a.sh", "#!/bin/bash\r\necho\r\n", "error 1 script", "CR LF", 0},
    {"scripts/a.sh", "#!/bin/bash\necho\necho\necho\r\n", "warning 4 script", "CR LF", 0},
    {"scripts/a.sh", "echo\n", "warning 1 script", "#!", 0},
    {"scripts/a.sh", "\xef\xbb\xbf#!/bin/sh\n", "error 1 script", "byte order", 0},
    {"lib/a.sh", "echo\n", NULL, NULL, 0},
    {"lib/a.sh", "echo\n", "warning 1 script", NULL, 0755},
    {"bin/README", "not a script\n", NULL, NULL, 0755},
    {"etc/a.service", "[Service]\nExecStart=/usr/bin/kubelet\n", "warning 2 unit", "kubelet", 0},
    {"etc/a.service", "[Service]\nExecStartPre=-/bin/sh -c x\nExecStart=/sbin/modprobe x\n", NULL,
     NULL, 0},
    {"etc/a.service", "[Service]\nExecStart=\nExecStart=${KUBELET} x\n", NULL, NULL, 0},
    {"etc/10-a.conf", "[Service]\nExecStart=/usr/bin/kubelet\n", "warning 2 unit", NULL, 0},
    {"etc/other.conf", "ExecStart=/usr/bin/kubelet\n", NULL, NULL, 0},
    {"etc/link", "nowhere", "warning 0 link", "leads nowhere", S_IFLNK},
    {"etc/link", "link", "error 0 link", "circle", S_IFLNK},
    {"etc/link", "../../x", "warning 0 link", "out of the rootfs", S_IFLNK},
    {"etc/link", "/usr/share/zoneinfo/UTC", NULL, NULL, S_IFLNK},
    {"etc/link", "/etc/none", "warning 0 link", NULL, S_IFLNK},
    {"etc/link", ".", NULL, NULL, S_IFLNK},
    {"image/x", "", "warning 0 name", "copy it to images", 0},
    {"etc/registry_config.yaml", "version: 0.1\n", "warning 0 name", "registry_config.yml", 0},
    {"manifests/imageList", "busybox\n", "warning 1 image", "docker.io/library/busybox:latest", 0},
};

static void each_kind_of_mistake_is_found_at_its_line(void **state)
{
    struct fixture *f = *state;
    const struct cf_check_options options = {0};

    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct cf_buf lines cf_autobuf = CF_BUF_INIT, texts cf_autobuf = CF_BUF_INIT;
        char dir[] = "/tmp/cloudfs-check-XXXXXX";
        assert_non_null(mkdtemp(dir));
        put(dir, row->path, row->text, strlen(row->text), row->mode ? row->mode : 0644);
        check_dir(f, dir, &options, &lines, &texts);
        if (strcmp(lines.data ? lines.data : "", row->wanted ? row->wanted : "") != 0)
            fail_msg("%s: %s\ngives:\n%s(%s)\ninstead of: %s", row->path, row->text,
                     texts.data ? texts.data : "nothing\n", lines.data ? lines.data : "",
                     row->wanted ? row->wanted : "nothing");
        if (row->said && (!texts.data || !strstr(texts.data, row->said)))
            fail_msg("%s: \"%s\" is not in:\n%s", row->path, row->said, texts.data);
        assert_int_equal(cf_remove_tree(AT_FDCWD, dir), 0);
    }
}

/* The head of an ELF file. */
static void put_program(const char *dir, const char *path, unsigned char machine,
                        unsigned char type)
{
    char head[200] = "\177ELF\2\1\1";

    head[16] = (char)type;
    head[18] = (char)machine;
    put(dir, path, head, sizeof(head), 0755);
}

static void programs_are_for_the_platform(void **state)
{
    struct fixture *f = *state;
    struct cf_buf lines cf_autobuf = CF_BUF_INIT, texts cf_autobuf = CF_BUF_INIT;
    struct cf_check_options options = {.architecture = "amd64"};
    char dir[] = "/tmp/cloudfs-check-XXXXXX";

    assert_non_null(mkdtemp(dir));
    put_program(dir, "bin/right", 62, 2);
    put_program(dir, "bin/old", 3, 2);             /* i386 runs there too */
    put_program(dir, "bin/kubectl-arm64", 183, 2); /* its name says so */
    put_program(dir, "bin/data.o", 183, 1);        /* an object */
    put_program(dir, "bin/wrong", 183, 2);
    check_dir(f, dir, &options, &lines, &texts);
    assert_string_equal(lines.data, "error 0 program");
    assert_non_null(strstr(texts.data, "bin/wrong: a program for arm64, in a rootfs for amd64"));
    /* Metadata says it, where nobody else does; where nothing does, nothing is told. */
    options.architecture = NULL;
    cf_buf_clear(&lines);
    check_dir(f, dir, &options, &lines, &texts);
    assert_int_equal(lines.len, 0);
    put(dir, "Metadata", "{\"arch\": \"arm64\"}", 17, 0644);
    check_dir(f, dir, &options, &lines, &texts);
    assert_string_equal(lines.data, "error 0 program; error 0 program");
    cf_buf_clear(&lines);
    options.ignore[CF_CHECK_PROGRAM] = true;
    check_dir(f, dir, &options, &lines, &texts);
    assert_int_equal(lines.len, 0);
    assert_int_equal(cf_remove_tree(AT_FDCWD, dir), 0);
}

static void what_other_files_have_counts(void **state)
{
    struct fixture *f = *state;
    struct cf_buf lines cf_autobuf = CF_BUF_INIT, texts cf_autobuf = CF_BUF_INIT;
    const struct cf_check_options options = {0};
    char dir[] = "/tmp/cloudfs-check-XXXXXX";

    assert_non_null(mkdtemp(dir));
    put(dir, "scripts/init.sh", "#!/bin/bash\n. ./common.sh\n", 26, 0644);
    put(dir, "scripts/common.sh", "x() { :; }\n", 11, 0644);
    put(dir, "bin/kubelet", "", 0, 0755);
    put(dir, "scripts/pre.sh", "#!/bin/sh\n", 10, 0755);
    put(dir, "cri/docker.tar.gz", "x", 1, 0644);
    const char *unit = "[Service]\nExecStartPre=/usr/bin/pre.sh\nExecStart=/usr/bin/kubelet\n";
    put(dir, "etc/kubelet.service", unit, strlen(unit), 0644);
    put(dir, "etc/docker.service", "[Service]\nExecStart=/usr/bin/dockerd\n", 37, 0644);
    put(dir, "plugins/own.so", "", 0, 0644);
    const char *plugin = PLUGIN "  type: OWN\n  action: PreInit\n";
    put(dir, "plugins/a.yaml", plugin, strlen(plugin), 0644);
    check_dir(f, dir, &options, &lines, &texts);
    if (lines.len)
        fail_msg("%s", texts.data);
    assert_int_equal(cf_remove_tree(AT_FDCWD, dir), 0);
}

static void every_rule_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < CF_CHECK_RULES; i++)
        assert_int_equal(cf_check_rule_find(cf_check_rule_name((enum cf_check_rule)i)), i);
    assert_int_equal(cf_check_rule_find("none"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_kind_of_mistake_is_found_at_its_line, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(programs_are_for_the_platform, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_other_files_have_counts, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(every_rule_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
