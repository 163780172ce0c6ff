/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the registry client that need no network: challenges, TOML, names, endpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/base64.h>

#include "challenge.h"
#include "config.h"
#include "toml.h"

static void challenges_say_realm_service_and_scope(void **state)
{
    static const struct {
        const char *header;
        bool basic, bearer;
        const char *realm, *service, *scope;
    } cases[] = {
        {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"", false, true,
         "https://a/t", "s", "repository:x:pull,push"},
        {"bearer Realm=https://a/t , Service = s", false, true, "https://a/t", "s", ""},
        {"Basic realm=\"x\"", true, false, "", "", ""},
        {"Negotiate abc==, Basic realm=\"x\", Bearer realm=\"r\"", true, true, "r", "", ""},
        {"Bearer realm=\"a\\\"b\"", false, true, "a\"b", "", ""},
        {"Bearer realm=\"open", false, true, "open", "", ""},
        {"Digest realm=\"d\", nonce=\"n\"", false, false, "", "", ""},
        {"", false, false, "", "", ""},
        {",,, = ,;", false, false, "", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cf_challenge challenge = {0};
        cf_challenge_parse(cases[i].header, &challenge);
        assert_int_equal(challenge.basic, cases[i].basic);
        assert_int_equal(challenge.bearer, cases[i].bearer);
        assert_string_equal(challenge.realm, cases[i].realm);
        assert_string_equal(challenge.service, cases[i].service);
        assert_string_equal(challenge.scope, cases[i].scope);
    }
}

static void toml_becomes_json(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "{}"},
        {"# only this\n\na = 'b' # c\n", "{\"a\":\"b\"}"},
        {"a = \"x\\ty\"\nb = true\nc = -1_000\n", "{\"a\":\"x\\ty\",\"b\":true,\"c\":-1000}"},
        {"l = [ \"a\", # one\n \"b\",\n]\n", "{\"l\":[\"a\",\"b\"]}"},
        {"t = { x = 'y', \"z z\" = false }", "{\"t\":{\"x\":\"y\",\"z z\":false}}"},
        {"[[r]]\nl = 'a'\n[[r.m]]\nl = 'b'\n[[r]]\nl = 'c'\r\n",
         "{\"r\":[{\"l\":\"a\",\"m\":[{\"l\":\"b\"}]},{\"l\":\"c\"}]}"},
        {"[a.b]\nc = ''\n", "{\"a\":{\"b\":{\"c\":\"\"}}}"},
    };
    static const char *const wrong[] = {
        "a",
        "a =",
        "a = b",
        "a = 'x",
        "a = 1.5",
        "a = 'x' y",
        "[a",
        "[[a]",
        "a = [1",
        "a = {x = 1",
        "a = 1\na = 2",
        "a = 1\n[a]\n",
        "[a]\n[[a]]\n",
        "a.b = 1",
        "a = \"\\q\"",
        "a = '''x'''",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        if (cf_toml_parse(cases[i].text, strlen(cases[i].text), &json, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(cf_json_print(json, false, &text), 0);
        assert_string_equal(text.data, cases[i].json);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct cf_json *json = NULL;
        struct cf_error err = {0};
        if (cf_toml_parse(wrong[i], strlen(wrong[i]), &json, &err) != -EINVAL)
            fail_msg("'%s' is taken", wrong[i]);
        assert_non_null(strstr(err.text, "line "));
    }
}

static void names_become_whole(void **state)
{
    static const struct {
        const char *name;
        enum cf_names names;
        const char *full;
    } cases[] = {
        {"kubernetes", CF_NAMES_CLOUD, "registry.cn-qingdao.aliyuncs.com/sealer-io/kubernetes"},
        {"team/kubernetes", CF_NAMES_CLOUD, "registry.cn-qingdao.aliyuncs.com/team/kubernetes"},
        {"localhost/x", CF_NAMES_CLOUD, "localhost/x"},
        {"a.b/x", CF_NAMES_CLOUD, "a.b/x"},
        {"host:5000/x", CF_NAMES_CLOUD, "host:5000/x"},
        {"busybox", CF_NAMES_CONTAINER, "docker.io/library/busybox"},
        {"a/busybox", CF_NAMES_CONTAINER, "docker.io/a/busybox"},
        {"docker.io/busybox", CF_NAMES_CLOUD, "docker.io/library/busybox"},
        {"index.docker.io/busybox", CF_NAMES_CONTAINER, "docker.io/library/busybox"},
        {"quay.io/busybox", CF_NAMES_CONTAINER, "quay.io/busybox"},
    };
    struct cf_registry_config config = {
        .cloud_registry = (char[]){"registry.cn-qingdao.aliyuncs.com"},
        .cloud_namespace = (char[]){"sealer-io"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char full[256];
        struct cf_error err = {0};
        assert_int_equal(cf_registry_full_name(&config, cases[i].name, cases[i].names, full, &err),
                         0);
        assert_string_equal(full, cases[i].full);
    }
}

static void endpoints_are_mirrors_then_the_registry(void **state)
{
    static const char text[] = "[[registry]]\nlocation = 'r.io'\n"
                               "[[registry.mirror]]\nlocation = 'm1.io/cache'\ninsecure = true\n"
                               "[[registry.mirror]]\nlocation = 'm2.io'\n"
                               "pull-from-mirror = 'digest-only'\n"
                               "[[registry]]\nprefix = 'r.io/special'\nlocation = 's.io/y'\n"
                               "[[registry]]\nprefix = '*.bad.io'\nblocked = true\n";
    struct cf_registry_config config = {0};
    struct cf_endpoint endpoints[CF_ENDPOINTS_MAX];
    struct cf_error err = {0};
    size_t count = 0;
    (void)state;
    assert_int_equal(cf_registry_config_add(&config, text, strlen(text), "test", &err), 0);
    assert_int_equal(
        cf_registry_endpoints(&config, "r.io/a/b", false, true, endpoints, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_string_equal(endpoints[0].host, "m1.io");
    assert_string_equal(endpoints[0].repository, "cache/a/b");
    assert_true(endpoints[0].insecure);
    assert_string_equal(endpoints[1].host, "m2.io");
    assert_string_equal(endpoints[2].host, "r.io");
    assert_false(endpoints[2].insecure);
    assert_int_equal(
        cf_registry_endpoints(&config, "r.io/a/b", false, false, endpoints, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(
        cf_registry_endpoints(&config, "r.io/a/b", true, false, endpoints, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(
        cf_registry_endpoints(&config, "r.io/special/c", false, false, endpoints, &count, &err), 0);
    assert_string_equal(endpoints[0].host, "s.io");
    assert_string_equal(endpoints[0].repository, "y/c");
    assert_int_equal(
        cf_registry_endpoints(&config, "r.io/specially", true, false, endpoints, &count, &err), 0);
    assert_string_equal(endpoints[0].host, "r.io");
    assert_int_equal(
        cf_registry_endpoints(&config, "x.bad.io/c", false, false, endpoints, &count, &err),
        -EPERM);
    cf_registry_config_done(&config);
}

static void base64_goes_both_ways(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct cf_buf text cf_autobuf = CF_BUF_INIT, back cf_autobuf = CF_BUF_INIT;
        assert_int_equal(cf_base64_encode(pairs[i][0], strlen(pairs[i][0]), &text), 0);
        assert_string_equal(text.data ? text.data : "", pairs[i][1]);
        assert_int_equal(cf_base64_decode(pairs[i][1], strlen(pairs[i][1]), &back), 0);
        assert_string_equal(back.data ? back.data : "", pairs[i][0]);
    }
    struct cf_buf wrong cf_autobuf = CF_BUF_INIT;
    assert_int_equal(cf_base64_decode("a", 1, &wrong), -EINVAL);
    assert_int_equal(cf_base64_decode("a-b_", 4, &wrong), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenges_say_realm_service_and_scope),
        cmocka_unit_test(toml_becomes_json),
        cmocka_unit_test(names_become_whole),
        cmocka_unit_test(endpoints_are_mirrors_then_the_registry),
        cmocka_unit_test(base64_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
