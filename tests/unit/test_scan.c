/* SPDX-License-Identifier: Apache-2.0 */
/* What is an image, what is an embedded one, and what never is: snippets, and what they refer to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/buf.h>
#include <cloudfs/scan.h>

#define POD "apiVersion: v1\nkind: Pod\nspec:\n"
#define CUSTOM "apiVersion: example.com/v1\nkind: Thing\nspec:\n"
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* "line:i:reference" of each, ascending by reference, with i the kind's first letter; "!line" of
 * each warning. docker.io/library/ is written as "~". */
static void trace(const char *name, const char *text, struct cf_buf *out)
{
    static const char library[] = "docker.io/library/";
    struct cf_scan_result result;
    struct cf_error err = {0};

    if (cf_scan_manifest(name, text, strlen(text), &result, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    for (size_t i = 0; i < result.count; i++)
        for (size_t k = 0; k < result.images[i].place_count; k++) {
            const struct cf_scan_place *place = &result.images[i].places[k];
            const char *reference = result.images[i].reference;
            bool short_form = !strncmp(reference, library, strlen(library));
            assert_string_equal(place->file, name);
            assert_int_equal(cf_buf_printf(out, "%s%zu:%c:%s%s", out->len ? " " : "", place->line,
                                           *cf_scan_kind_name(place->kind), short_form ? "~" : "",
                                           reference + (short_form ? strlen(library) : 0)),
                             0);
        }
    for (size_t i = 0; i < result.warning_count; i++)
        assert_int_equal(cf_buf_printf(out, "%s!%zu", out->len ? " " : "", result.warnings[i].line),
                         0);
    cf_scan_result_done(&result);
}

struct snippet {
    const char *text, *found;
};

static void check_as(const char *name, const struct snippet *snippets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cf_buf out cf_autobuf = CF_BUF_INIT;
        trace(name, snippets[i].text, &out);
        if (strcmp(out.len ? out.data : "", snippets[i].found) != 0)
            fail_msg("of\n%s\nwas found: %s\nnot:       %s", snippets[i].text,
                     out.len ? out.data : "", snippets[i].found);
    }
}

static void containers_of_any_kind_have_images(void **state)
{
    static const struct snippet snippets[] = {
        {POD "  containers:\n  - name: a\n    image: nginx\n", "6:i:~nginx:latest"},
        {POD "  initContainers:\n  - image: a:1\n  ephemeralContainers: [{image: b:2}]\n",
         "5:i:~a:1 6:i:~b:2"},
        {"kind: CronJob\napiVersion: batch/v1\nspec:\n  jobTemplate:\n    spec:\n      template:\n"
         "        spec:\n          containers:\n            - image: \"quay.io/a/b:1\" # why\n",
         "9:i:quay.io/a/b:1"},
        {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  spec:\n"
         "    template:\n      spec:\n        containers:\n        - image: 'x/y'\n",
         "10:i:docker.io/x/y:latest"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[\n"
         "\t{\"name\":\"a\",\"image\":\"r.io:5000/a@sha256:" HEX "\"}]}}",
         "2:i:r.io:5000/a@sha256:" HEX},
        {POD "  x: &i a/b:1\n  containers:\n  - image: *i\n", "4:i:docker.io/a/b:1"},
        {POD "  containers:\n  - &c\n    image: a:1\n    name: x\n  - <<: *c\n    image: b:2\n"
             "  - <<: *c\n    name: z\n",
         "6:i:~a:1 9:i:~b:2"},
        {POD "  containers:\n  - image: >-\n      a/b:1\n", "5:i:docker.io/a/b:1"},
        {POD "  volumes:\n  - image:\n      reference: a/b:1\n      pullPolicy: Always\n",
         "6:i:docker.io/a/b:1"},
        {POD "  containers: [{image: index.docker.io/a}, {image: localhost/b}, {image: Reg/c}]\n",
         "4:i:Reg/c:latest 4:i:~a:latest 4:i:localhost/b:latest"},
        {POD "  containers:\n  - image: a\n---\n" POD "  containers:\n  - image: a\n",
         "5:i:~a:latest 11:i:~a:latest"},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void what_is_no_image_is_not_found(void **state)
{
    static const struct snippet snippets[] = {
        {"", ""},
        {"# image: a/b:1\n", ""},
        {"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec:\n"
         "  description: |\n    image: a/b:1\n  image: a/b:2\n  versions:\n  - schema:\n"
         "      openAPIV3Schema:\n        properties:\n          image: {type: string, "
         "default: a/b:3, enum: [a/b:4]}\n",
         ""},
        {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: apiextensions.k8s.io/v1beta1\n"
         "  kind: CustomResourceDefinition\n  spec: {image: a/b:1}\n",
         ""},
        {CUSTOM "  enum: [a/b:1]\n  labels: {image: a}\n  selector: {image: a/b:1}\n", ""},
        {CUSTOM "  image: true\n---\n" CUSTOM "  image: 1.5\n---\n" CUSTOM
                "  image: ~\n---\n" CUSTOM "  image: \"\"\n",
         ""},
        {"apiVersion: v1\nkind: PersistentVolume\nspec:\n  rbd: {image: foo, pool: kube}\n", ""},
        {"apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {image: a/b:1}}\ndata:\n"
         "  note: |\n    image: string\n    more: text\n  script: |\n    #!/bin/sh\n"
         "    image: parameter.image\n",
         ""},
        {POD "  image: a/b:1\n  containers:\n  - imagePullPolicy: Always\n    ports: [{name: a}]\n",
         ""},
        {CUSTOM "  imagePullSecrets: [{name: a}]\n  imageRegistry: quay.io/x\n  imageTag: \"1\"\n"
                "  logo: http://a/b.png\n  addr: a/b:1\n",
         ""},
        {CUSTOM "  git: {repository: a/b, tag: v1}\n", ""},
        {"a: |\n  image: a/b:1\n", ""},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void custom_resources_have_images(void **state)
{
    static const struct snippet snippets[] = {
        {CUSTOM "  image: nginx\n", "4:i:~nginx:latest"},
        {CUSTOM "  cephVersion:\n    image: quay.io/ceph/ceph:v16\n", "5:i:quay.io/ceph/ceph:v16"},
        {CUSTOM "  image:\n    repository: a/b\n    tag: 1.5\n", "5:i:docker.io/a/b:1.5"},
        {CUSTOM "  image: {registry: quay.io, repository: a/b, tag: \"1\", digest: \"\"}\n",
         "4:i:quay.io/a/b:1"},
        {CUSTOM "  image: {repository: a, digest: \"sha256:" HEX "\"}\n", "4:i:~a@sha256:" HEX},
        {CUSTOM "  image: {repository: quay.io/a/b:1}\n", "4:i:quay.io/a/b:1"},
        {CUSTOM "  image: {registry: r.io, image: a/b, tag: v1}\n", "4:i:r.io/a/b:v1"},
        {CUSTOM "  image:\n    engine:\n      repository: a/b\n      tag: v1\n",
         "6:i:docker.io/a/b:v1"},
        {CUSTOM "  proxyImage: {repository: a/b, tag: v1}\n  sidecarImage: c/d:2\n",
         "4:i:docker.io/a/b:v1 5:i:docker.io/c/d:2"},
        {CUSTOM "  base: &b {repository: a/b, tag: x}\n  image:\n    <<: *b\n    tag: v1\n",
         "4:i:docker.io/a/b:v1"},
        {CUSTOM "  image: &b {repository: a/b, tag: x}\n  other:\n    image:\n      tag: v1\n"
                "      <<: *b\n",
         "4:i:docker.io/a/b:v1 4:i:docker.io/a/b:x"},
        {CUSTOM "  baseImage: quay.io/p/a\n  version: v1\n", "4:i:quay.io/p/a:v1"},
        {CUSTOM "  imageRepository: a/b\n  imageTag: v1\n", "4:i:docker.io/a/b:v1"},
        {CUSTOM "  image: a/b\n  tag: v1\n", "4:i:docker.io/a/b:v1"},
        {CUSTOM "  relatedImages:\n  - name: x\n    image: q.io/a/b:1\n", "6:i:q.io/a/b:1"},
        {CUSTOM "  images: [\"a/b=c/d:1\", e/f:2, plain]\n",
         "4:i:docker.io/c/d:1 4:i:docker.io/e/f:2"},
        {CUSTOM "  imageName: ghcr.io/c/postgresql:15.1\n", "4:i:ghcr.io/c/postgresql:15.1"},
        {CUSTOM "  source: {registry: {url: \"docker://quay.io/a/disk:1\"}}\n",
         "4:e:quay.io/a/disk:1"},
        {"image: {repository: a/b, tag: v1}\n", "1:i:docker.io/a/b:v1"},
        {"services:\n  web:\n    image: redis\n", "3:i:~redis:latest"},
        {"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages:\n"
         "- name: a\n  newName: b/c\n  newTag: \"2\"\n- name: d\n  newTag: v3\n"
         "- name: e\n  digest: sha256:" HEX "\n",
         "5:i:docker.io/b/c:2 7:i:~d:v3 9:i:~e@sha256:" HEX},
        {"apiVersion: image.openshift.io/v1\nkind: ImageStream\nspec:\n  tags:\n  - name: v1\n"
         "    from: {kind: DockerImage, name: quay.io/a/b:1}\n",
         "6:i:quay.io/a/b:1"},
        {"apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  steps:\n  - image: a/b:1\n"
         "  - image: $(params.image)\n",
         "5:i:docker.io/a/b:1 !6"},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void arguments_have_embedded_images(void **state)
{
    static const struct snippet snippets[] = {
        {POD "  containers:\n  - args: [--x-image=a/b:1, --init-image, busybox, --image=cc]\n",
         "5:e:docker.io/a/b:1 5:e:~busybox:latest 5:e:~cc:latest"},
        {POD "  containers:\n  - command:\n    - m\n    - --engine-image\n    - l/e:v1\n",
         "8:e:docker.io/l/e:v1"},
        {POD "  containers:\n  - args: [--reloader=quay.io/a/b:v0.1, --plain=a/b, quay.io/c/d:1]\n",
         "5:e:quay.io/a/b:v0.1 5:e:quay.io/c/d:1"},
        {POD "  containers:\n  - args: [\"--addr=127.0.0.1:8080\", \"--l=:9\", --svc=ns/name:80,\n"
             "      --image-pull-policy=Always, --use-image=true, --etcd=http://e:2379,\n"
             "      --keep-image, \"true\", --image-gc-high-threshold=85, --x=y:z]\n",
         ""},
        {POD
         "  containers:\n  - command: [sh, -c, \"docker pull q.io/a/b:1 && run --image=c:2 x/y:1"
         "\"]\n",
         "5:e:~c:2 5:e:q.io/a/b:1"},
        {POD "  containers:\n  - command:\n    - |\n      set -e\n      IMG=q.io/a/b:1\n"
             "      kubectl run --image \"c:2\"\n",
         "9:e:~c:2 8:e:q.io/a/b:1"},
        {POD "  containers:\n  - args: [\"--images=a/b:1,c/d:2\"]\n",
         "5:e:docker.io/a/b:1 5:e:docker.io/c/d:2"},
        {POD "  containers:\n  - args: [--image=bitnami/pg:5432, --x=bitnami/pg:16]\n",
         "5:e:docker.io/bitnami/pg:16 5:e:docker.io/bitnami/pg:5432"},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void environments_have_embedded_images(void **state)
{
    static const struct snippet snippets[] = {
        {POD "  containers:\n  - env:\n    - name: CSI_IMAGE\n      value: a/b:v1\n    - name: X\n"
             "      value: q.io/c/d:2\n",
         "7:e:docker.io/a/b:v1 9:e:q.io/c/d:2"},
        {POD "  containers:\n  - env:\n    - {name: RELATED_IMAGE_A, value: \"q.io/a@sha256:" HEX
             "\"}\n    - {name: ADDR, value: \"db/x:5432\"}\n    - {name: IMAGE_PULL_POLICY, "
             "value: Always}\n    - {name: USE_IMAGE, value: \"true\"}\n"
             "    - {name: IMAGE_TAG, value: v1.2.3}\n",
         "6:e:q.io/a@sha256:" HEX},
        {CUSTOM "  env: {SIDE_IMAGE: a/b:1, OTHER: c, URL: \"http://x/y:1\"}\n",
         "4:e:docker.io/a/b:1"},
        {POD "  containers:\n  - env:\n    - name: KAFKA_IMAGES\n      value: |\n"
             "        3.4=q.io/s/kafka:3.4\n        3.5=q.io/s/kafka:3.5\n"
             "    - {name: SOME_IMAGE, value: \"use the image that fits\"}\n"
             "    - {name: OPTS, value: \"-x q.io/o/p:1 -y\"}\n",
         "11:e:q.io/o/p:1 7:e:q.io/s/kafka:3.4 7:e:q.io/s/kafka:3.5"},
        {"apiVersion: template.openshift.io/v1\nkind: Template\nparameters:\n- name: IMAGE\n"
         "  value: q.io/a/b:latest\n",
         "5:e:q.io/a/b:latest"},
        {"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  annotations:\n"
         "    containerImage: q.io/a/b:1\n    image.policy/x: \"[]\"\n    note: q.io/c/d:1\n",
         "5:e:q.io/a/b:1"},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void text_that_is_yaml_has_embedded_images(void **state)
{
    static const struct snippet snippets[] = {
        {"apiVersion: v1\nkind: ConfigMap\ndata:\n  pod.yaml: |-\n    apiVersion: v1\n"
         "    kind: Pod\n    spec:\n      containers:\n      - image: helper\n",
         "9:e:~helper:latest"},
        {"apiVersion: v1\ndata:\n  values.yaml: |\n    x: 1\n    image:\n      repository: a/b\n"
         "      tag: v1\n  CSI_IMAGE: q.io/c/d:1\n  plain: e/f:1\nkind: ConfigMap\n",
         "6:e:docker.io/a/b:v1 8:e:q.io/c/d:1"},
        {"apiVersion: v1\nkind: ConfigMap\ndata:\n  a.json: '{\"image\": \"a/b:1\"}'\n",
         "4:e:docker.io/a/b:1"},
        {"apiVersion: v1\nkind: Secret\nstringData:\n  a: |\n    image: a/b:1\n",
         "5:e:docker.io/a/b:1"},
        {"apiVersion: v1\nkind: ConfigMap\ndata:\n  t: |\n    image: \"{{ .Values.x }}\"\n"
         "    {{ if x }}\n    image: a/b:1\n    {{ end }}\n",
         "7:e:docker.io/a/b:1"},
        {"apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    helm:\n"
         "      values: |\n        image:\n          repository: a/b\n          tag: v1\n",
         "8:e:docker.io/a/b:v1"},
        {CUSTOM "  template: |\n    apiVersion: v1\n    kind: Pod\n    spec:\n      containers:\n"
                "      - image: a/b:1\n  cue: |\n    image: parameter.image\n",
         "9:e:docker.io/a/b:1"},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void what_cannot_be_read_is_a_warning(void **state)
{
    static const struct snippet snippets[] = {
        {POD "  containers:\n  - image: ${IMAGE}\n  - image: A B\n  - image: <image>\n",
         "!5 !6 !7"},
        {CUSTOM "  image: A/B:c d\n---\n" CUSTOM "  image: A/B:c\n", "!9"},
        {POD "  containers:\n  - image: a:1\n  bad: [\n---\n" POD "  containers:\n  - image: b:2\n",
         "5:i:~a:1 12:i:~b:2 !7"},
        {POD "  containers:\n  - image: a:1\n\tx: y\n", "5:i:~a:1 !6"},
        {"a: b\nimage: a:1\nbad: [\n- image: \"b/c\" # x\n  image: word\n",
         "4:i:docker.io/b/c:latest 2:i:~a:1 !4"},
        {"%YAML 1.1\n---\nimage: a:1\n...\n# x\n---\nimage: b:1\n", "3:i:~a:1 7:i:~b:1"},
        {"image: a:1\n---\n\x01\n---\nimage: b:1\n", "1:i:~a:1 5:i:~b:1 !3"},
        {"a: &a [*a]\n---\nimage: b:1\n", "3:i:~b:1 !1"},
        {POD "  containers:\n  - image: {{ .Values.x }}:{{ .y }}\n  - image: b:1\n",
         "6:i:~b:1 !5 !5"},
    };
    (void)state;
    check_as("a.yaml", snippets, CF_COUNT(snippets));
}

static void templates_are_read_as_far_as_they_go(void **state)
{
    static const struct snippet snippets[] = {
        {"{{- if .x }}\n" POD
         "  containers:\n  - image: {{ .r }}/a:1\n  - image: b:2\n{{- end }}\n",
         "7:i:~b:2 !6"},
        {"{{/* a\ncomment */}}\nimage: a:1\nx: {{ toYaml .y | nindent 2 }}\n", "3:i:~a:1"},
    };
    (void)state;
    check_as("a.tmpl", snippets, CF_COUNT(snippets));
}

static void deep_nesting_is_told_and_the_rest_scanned(void **state)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_buf out cf_autobuf = CF_BUF_INIT;

    (void)state;
    assert_int_equal(cf_buf_add_str(&text, "image: a:1\n---\n\n"), 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(cf_buf_add_str(&text, "{a: "), 0);
    assert_int_equal(cf_buf_add_str(&text, "\n---\nimage: b:2\n"), 0);
    trace("a.yaml", text.data, &out);
    assert_string_equal(out.data, "1:i:~a:1 6:i:~b:2 !4");
}

static void references_have_their_whole_form(void **state)
{
    static const struct {
        const char *in, *out;
        size_t domain;
    } cases[] = {
        {"busybox", "docker.io/library/busybox:latest", 9},
        {"a/b:1", "docker.io/a/b:1", 9},
        {"docker.io/a", "docker.io/library/a:latest", 9},
        {"index.docker.io/a/b", "docker.io/a/b:latest", 9},
        {"localhost/a", "localhost/a:latest", 9},
        {"a:5000/b/c:x", "a:5000/b/c:x", 6},
        {"q.io/a:1@sha256:" HEX, "q.io/a:1@sha256:" HEX, 4},
        {"a@sha256:" HEX, "docker.io/library/a@sha256:" HEX, 9},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_reference reference;
        char text[CF_REFERENCE_WHOLE_SIZE];
        assert_int_equal(cf_reference_parse(cases[i].in, &reference, NULL), 0);
        assert_int_equal(cf_reference_whole(&reference, text), cases[i].domain);
        assert_string_equal(text, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_of_any_kind_have_images),
        cmocka_unit_test(what_is_no_image_is_not_found),
        cmocka_unit_test(custom_resources_have_images),
        cmocka_unit_test(arguments_have_embedded_images),
        cmocka_unit_test(environments_have_embedded_images),
        cmocka_unit_test(text_that_is_yaml_has_embedded_images),
        cmocka_unit_test(what_cannot_be_read_is_a_warning),
        cmocka_unit_test(templates_are_read_as_far_as_they_go),
        cmocka_unit_test(deep_nesting_is_told_and_the_rest_scanned),
        cmocka_unit_test(references_have_their_whole_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
