/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of the store: made, listed, chosen from, found, and gone with their names. */
#include "image_fixture.h"

#include <cloudfs/json.h>
#include <cloudfs/platform.h>

/* An image without layers for a platform, in the store. */
static struct cf_image *make_image(struct fixture *f, const char *os, const char *architecture,
                                   const char *variant)
{
    struct cf_buf config cf_autobuf = CF_BUF_INIT, manifest cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    struct cf_image *image = NULL;
    struct cf_error err = {0};
    char text[CF_DIGEST_TEXT_SIZE];

    cf_buf_printf(&config,
                  "{\"os\":\"%s\",\"architecture\":\"%s\",\"variant\":\"%s\",\"rootfs\":{\"type\":"
                  "\"layers\",\"diff_ids\":[]}}",
                  os, architecture, variant);
    assert_ok(cf_blob_put(f->store, config.data, config.len, &digest, &err), err);
    cf_digest_text(&digest, text);
    cf_buf_printf(&manifest,
                  "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"%s\","
                  "\"digest\":\"%s\",\"size\":%zu},\"layers\":[]}",
                  CF_MEDIA_MANIFEST, CF_MEDIA_CONFIG, text, config.len);
    assert_ok(cf_blob_put(f->store, manifest.data, manifest.len, &digest, &err), err);
    assert_ok(cf_image_load(f->store, &digest, &image, &err), err);
    return image;
}

static struct cf_digest put_index(struct fixture *f, struct cf_image *const *images, size_t count)
{
    struct cf_error err = {0};
    struct cf_digest digest;
    assert_ok(cf_index_put(f->store, (const struct cf_image *const *)images, count, &digest, &err),
              err);
    return digest;
}

static struct cf_json *read_index(struct fixture *f, const struct cf_digest *digest)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json = NULL;
    struct cf_error err = {0};
    assert_ok(cf_blob_get(f->store, digest, &text, &err), err);
    assert_ok(cf_json_parse(text.data, text.len, &json, &err), err);
    return json;
}

static void an_index_describes_each_platform_once(void **state)
{
    struct fixture *f = *state;
    struct cf_image *images[] = {make_image(f, "linux", "amd64", ""),
                                 make_image(f, "linux", "arm64", "v8"),
                                 make_image(f, "linux", "arm64", "v8")};
    struct cf_digest digest = put_index(f, images, 3);
    struct cf_json *json = read_index(f, &digest);
    const struct cf_json *list = cf_json_get(json, "manifests");
    char text[CF_DIGEST_TEXT_SIZE];
    int64_t size = 0;

    assert_string_equal(cf_json_get_string(json, "mediaType"), CF_MEDIA_INDEX);
    assert_int_equal(cf_json_count(list), 2);
    cf_digest_text(&images[1]->manifest, text);
    const struct cf_json *second = cf_json_at(list, 1);
    assert_string_equal(cf_json_get_string(second, "digest"), text);
    assert_string_equal(cf_json_get_string(second, "mediaType"), CF_MEDIA_MANIFEST);
    assert_true(cf_json_int(cf_json_get(second, "size"), &size) && size > 0);
    const struct cf_json *platform = cf_json_get(second, "platform");
    assert_string_equal(cf_json_get_string(platform, "os"), "linux");
    assert_string_equal(cf_json_get_string(platform, "architecture"), "arm64");
    assert_string_equal(cf_json_get_string(platform, "variant"), "v8");
    assert_null(cf_json_get(cf_json_get(cf_json_at(list, 0), "platform"), "variant"));
    struct cf_digest again = put_index(f, images, 3);
    assert_true(cf_digest_equal(&digest, &again));
    cf_json_free(json);
    for (size_t i = 0; i < CF_COUNT(images); i++)
        cf_image_free(images[i]);
}

static void what_is_no_index_is_not_taken_for_one(void **state)
{
    static const struct {
        const char *text;
        bool is_index;
    } rows[] = {
        {"{\"manifests\":[]}", true},
        {"{\"manifests\":[{}],\"mediaType\":\"x\"}", true},
        {"{\"manifests\":{}}", false},
        {"{\"manifests\":[],\"layers\":[]}", false},
        {"{\"manifests\":[],\"config\":{}}", false},
        {"{\"layers\":[]}", false},
        {"{\"manifests\":[", false},
        {"", false},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_digest digest, *list = NULL;
        struct cf_error err = {0};
        size_t count = 0;
        assert_ok(cf_blob_put(f->store, rows[i].text, strlen(rows[i].text), &digest, &err), err);
        assert_ok(cf_index_list(f->store, &digest, &list, &count, &err), err);
        if ((list != NULL) != rows[i].is_index)
            fail_msg("%s", rows[i].text);
        free(list);
    }
}

static void the_list_has_what_the_store_has(void **state)
{
    struct fixture *f = *state;
    struct cf_image *images[] = {make_image(f, "linux", "amd64", ""),
                                 make_image(f, "linux", "s390x", "")};
    struct cf_digest digest = put_index(f, images, 2), *list = NULL;
    struct cf_error err = {0};
    char hex[CF_DIGEST_HEX_SIZE], path[CF_DIGEST_HEX_SIZE + 16];
    size_t count = 0;

    assert_ok(cf_index_list(f->store, &digest, &list, &count, &err), err);
    assert_int_equal(count, 2);
    assert_true(cf_digest_equal(&list[1], &images[1]->manifest));
    free(list);
    cf_digest_hex(&images[0]->manifest, hex);
    snprintf(path, sizeof(path), "blobs/sha256/%s", hex);
    assert_int_equal(unlinkat(cf_store_root_fd(f->store), path, 0), 0);
    assert_ok(cf_index_list(f->store, &digest, &list, &count, &err), err);
    assert_int_equal(count, 1);
    assert_true(cf_digest_equal(&list[0], &images[1]->manifest));
    free(list);
    assert_ok(cf_index_list(f->store, &images[1]->manifest, &list, &count, &err), err);
    assert_null(list);
    cf_digest_of("nowhere", 7, &digest);
    assert_int_equal(cf_index_list(f->store, &digest, &list, &count, &err), -ENOENT);
    cf_image_free(images[0]);
    cf_image_free(images[1]);
}

static void an_image_of_it_is_found_by_platform(void **state)
{
    struct fixture *f = *state;
    struct cf_platform host, wanted;
    struct cf_error err = {0};
    struct cf_image *found = NULL;

    cf_platform_host(&host);
    struct cf_image *images[] = {make_image(f, "linux", "loong64", ""),
                                 make_image(f, host.os, host.architecture, host.variant)};
    struct cf_digest digest = put_index(f, images, 2);
    assert_ok(cf_name_set(f->store, "many:1", &digest, &err), err);
    assert_ok(cf_image_find(f->store, "many:1", &found, &err), err);
    assert_true(cf_digest_equal(&found->manifest, &images[1]->manifest));
    assert_true(found->has_index && cf_digest_equal(&found->index, &digest));
    cf_image_free(found);
    assert_ok(cf_platform_parse("linux/loong64", &wanted, &err), err);
    assert_ok(cf_image_find_platform(f->store, "many:1", &wanted, &found, &err), err);
    assert_true(cf_digest_equal(&found->manifest, &images[0]->manifest));
    cf_image_free(found);
    assert_ok(cf_platform_parse("linux/386/v1", &wanted, &err), err);
    assert_int_equal(cf_image_find_platform(f->store, "many:1", &wanted, &found, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no image for linux/386/v1 in it, only for linux/loong64"));
    cf_image_free(images[0]);
    cf_image_free(images[1]);
}

static void an_index_without_this_machines_can_still_be_named_and_shown(void **state)
{
    struct fixture *f = *state;
    struct cf_image *images[] = {make_image(f, "plan9", "loong64", ""),
                                 make_image(f, "plan9", "s390x", "")};
    struct cf_digest digest = put_index(f, images, 2), found;
    struct cf_error err = {0};
    struct cf_image *image = NULL;
    struct cf_image_entry *entries = NULL;
    char text[CF_DIGEST_TEXT_SIZE];
    size_t count = 0;

    assert_ok(cf_name_set(f->store, "far:1", &digest, &err), err);
    assert_int_equal(cf_image_find(f->store, "far:1", &image, &err), -ENOENT);
    assert_ok(cf_image_digest(f->store, "far:1", &found, &err), err);
    assert_true(cf_digest_equal(&found, &digest));
    cf_digest_text(&digest, text);
    assert_ok(cf_image_digest(f->store, text, &found, &err), err); /* also by its digest */
    assert_true(cf_digest_equal(&found, &digest));
    assert_ok(cf_image_load_any(f->store, &digest, &image, &err), err);
    assert_true(cf_digest_equal(&image->manifest, &images[0]->manifest) && image->has_index);
    cf_image_free(image);
    assert_ok(cf_image_list(f->store, &entries, &count, &err), err);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].name_count, 1);
        assert_string_equal(entries[i].names[0], "far:1");
        assert_int_equal(strncmp(entries[i].platform, "plan9/", 6), 0);
    }
    cf_image_list_free(entries, count);
    /* One image is the answer, whatever it is for. */
    digest = put_index(f, images, 1);
    assert_ok(cf_image_load(f->store, &digest, &image, &err), err);
    cf_image_free(image);
    cf_image_free(images[0]);
    cf_image_free(images[1]);
}

static void the_last_name_of_an_index_takes_its_images_along(void **state)
{
    struct fixture *f = *state;
    struct cf_image *images[] = {make_image(f, "linux", "amd64", ""),
                                 make_image(f, "linux", "s390x", "")};
    struct cf_digest digest = put_index(f, images, 2);
    struct cf_error err = {0};
    size_t untagged = 0;
    bool deleted = false;
    char id[CF_DIGEST_TEXT_SIZE];

    assert_ok(cf_name_set(f->store, "many:1", &digest, &err), err);
    assert_ok(cf_name_set(f->store, "many:2", &digest, &err), err);
    assert_ok(cf_name_set(f->store, "z:1", &images[1]->manifest, &err), err);
    cf_digest_text(&images[0]->config, id);
    assert_int_equal(cf_image_remove(f->store, id, true, &untagged, &deleted, &err), -EBUSY);
    assert_ok(cf_image_remove(f->store, "many:1", false, &untagged, &deleted, &err), err);
    assert_true(!deleted && cf_blob_exists(f->store, &digest));
    assert_ok(cf_image_remove(f->store, "many:2", false, &untagged, &deleted, &err), err);
    assert_true(deleted && !cf_blob_exists(f->store, &digest));
    assert_false(cf_blob_exists(f->store, &images[0]->manifest));
    assert_true(cf_blob_exists(f->store, &images[1]->manifest)); /* z:1 */
    cf_image_free(images[0]);
    cf_image_free(images[1]);
}

static void lists_of_platforms_are_read(void **state)
{
    static const char *const bad[] = {
        ",", "linux/amd64,", ",linux/amd64", "linux/amd64,,linux/386", "linux", "linux/amd64,arm"};
    struct cf_platform *list = NULL;
    struct cf_error err = {0};
    size_t count = 0;

    (void)state;
    assert_ok(cf_platforms_parse("linux/amd64,linux/arm/v7,linux/amd64", &list, &count, &err), err);
    assert_int_equal(count, 2);
    assert_string_equal(list[1].variant, "v7");
    free(list);
    assert_ok(cf_platforms_parse(NULL, &list, &count, &err), err);
    assert_int_equal(count, 0);
    free(list);
    list = NULL;
    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        if (cf_platforms_parse(bad[i], &list, &count, &err) != -EINVAL)
            fail_msg("%s", bad[i]);
        assert_null(list);
    }
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_index_describes_each_platform_once),
        T(what_is_no_index_is_not_taken_for_one),
        T(the_list_has_what_the_store_has),
        T(an_image_of_it_is_found_by_platform),
        T(an_index_without_this_machines_can_still_be_named_and_shown),
        T(the_last_name_of_an_index_takes_its_images_along),
        cmocka_unit_test(lists_of_platforms_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
