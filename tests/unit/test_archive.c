/* SPDX-License-Identifier: Apache-2.0 */
#include "archive_fixture.h"

#include <cloudfs/platform.h>

/* The reference image's layers, whatever the form. */
static const char *const golden_ids[] = {
    "sha256:179cfb549430eb3136b26c935150c55726bae5ac92723a02ec94a02827a735c7",
    "sha256:9b06cfc2a8591588a513b19b1fcb4d2e7c5379b865e87b141e3830c5d2100619",
};
static const char *const golden_config =
    "sha256:900e2ca9d5fef8224ca99c72391b39eeada2ebe63bc8bf6b5904bcf1ad33f1cb";

struct golden {
    const char *path, *name;
    size_t forms; /* of layer 1: the plain tar and, if it came compressed, that */
};
static const struct golden goldens[] = {
    {"oci-uncompressed", "v1:latest", 1},
    {"oci-gzip", "v1:latest", 2},
    {"oci-zstd", "v1:latest", 2},
    {"oci-zstd-chunked", "v1:latest", 2},
    {"dir-schema2", NULL, 2},
    {"docker-archive.tar", "docker.io/example/rootfs:v1", 1},
};

static void check_golden(struct cf_store *store, const struct golden *golden,
                         const struct cf_loaded *loaded)
{
    struct cf_error err = {0};
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_layer_form *forms = NULL;
    size_t count = 0;
    struct cf_tree *tree = NULL;

    cf_digest_text(&loaded->image->config, text);
    assert_string_equal(text, golden_config);
    assert_int_equal(loaded->image->layer_count, 2);
    for (size_t i = 0; i < 2; i++) {
        struct cf_buf tar cf_autobuf = CF_BUF_INIT;
        cf_digest_text(&loaded->image->diff_ids[i], text);
        assert_string_equal(text, golden_ids[i]);
        /* verified against the diff ID while it is written */
        assert_ok(cf_layer_write(store, &loaded->image->diff_ids[i], collect, &tar, &err), err);
    }
    assert_ok(cf_layer_forms_read(store, &loaded->image->diff_ids[0], &forms, &count, &err), err);
    assert_int_equal(count, golden->forms);
    free(forms);
    assert_ok(cf_image_tree(store, loaded->image, &tree, NULL, &err), err);
    cf_tree_close(tree);
}

static void every_form_of_the_reference_image_loads(void **state)
{
    struct fixture *f = *state;
    const char *dir = golden_dir();

    if (!dir) {
        print_message("skipped: the reference images are not here (CLOUDFS_SHARED)\n");
        return;
    }
    for (size_t i = 0; i < CF_COUNT(goldens); i++) {
        struct cf_store *store = other_store(f, goldens[i].path);
        struct cf_load_options options = {0};
        struct cf_loaded *loaded = NULL;
        struct cf_error err = {0};
        size_t count = 0;
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", dir, goldens[i].path);
        assert_ok(cf_load(store, path, &options, &loaded, &count, &err), err);
        assert_int_equal(count, 1);
        if (goldens[i].name)
            assert_string_equal(loaded->name, goldens[i].name);
        else
            assert_null(loaded->name);
        check_golden(store, &goldens[i], loaded);
        cf_loaded_free(loaded, count);
        cf_store_close(store);
    }
}

struct save_row {
    const char *what;
    struct cf_save_options options;
    const char *path;
    const char *compress; /* command that packs the file, or NULL */
};

static void what_is_saved_loads_again_with_the_same_layers(void **state)
{
    static const struct save_row rows[] = {
        {"OCI tar", {.format = CF_ARCHIVE_OCI}, "a.tar", NULL},
        {"OCI directory", {.format = CF_ARCHIVE_OCI_DIR}, "a.dir", NULL},
        {"docker-archive", {.format = CF_ARCHIVE_DOCKER}, "a.docker", NULL},
        {"OCI tar of gzip layers",
         {.format = CF_ARCHIVE_OCI, .has_compression = true, .compression = CF_GZIP},
         "b.tar",
         NULL},
        {"OCI directory of zstd layers",
         {.format = CF_ARCHIVE_OCI_DIR, .has_compression = true, .compression = CF_ZSTD},
         "b.dir",
         NULL},
        {"a tar in gzip", {.format = CF_ARCHIVE_OCI}, "c.tar", "gzip -c"},
        {"a docker-archive in zstd", {.format = CF_ARCHIVE_DOCKER}, "d.tar", "zstd -q -c"},
    };
    struct fixture *f = *state;
    const char *names[] = {"demo:v1", "demo:v2"};
    struct cf_error err = {0};

    cf_image_free(demo_image(f, f->store));
    struct cf_image *image = demo_image_2(f, f->store);
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_store *store = other_store(f, rows[i].path + 1);
        struct cf_load_options options = {0};
        struct cf_loaded *loaded = NULL;
        size_t count = 0;
        char path[160];
        in_dir(f, rows[i].path, path);
        assert_ok(cf_save(f->store, path, names, 2, &rows[i].options, &err), err);
        if (rows[i].compress)
            must_run("%s %s > %s.packed && mv %s.packed %s", rows[i].compress, path, path, path,
                     path);
        assert_ok(cf_load(store, path, &options, &loaded, &count, &err), err);
        assert_int_equal(count, 2);
        assert_string_equal(loaded[1].name, "demo:v2");
        assert_true(cf_digest_equal(&loaded[1].image->config, &image->config));
        /* plain OCI layers are what our manifest describes: the very same manifest comes back */
        if (rows[i].options.format != CF_ARCHIVE_DOCKER && !rows[i].options.has_compression)
            assert_true(cf_digest_equal(&loaded[1].image->manifest, &image->manifest));
        for (size_t k = 0; k < 2; k++) {
            struct cf_buf tar cf_autobuf = CF_BUF_INIT;
            assert_true(cf_digest_equal(&loaded[1].image->diff_ids[k], &image->diff_ids[k]));
            assert_ok(cf_layer_write(store, &image->diff_ids[k], collect, &tar, &err), err);
        }
        cf_loaded_free(loaded, count);
        cf_store_close(store);
    }
    cf_image_free(image);
}

static void the_same_image_saves_to_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct cf_store *store = other_store(f, "second");
    struct cf_save_options options = {.format = CF_ARCHIVE_OCI};
    const char *names[] = {"demo:v1"};
    struct cf_error err = {0};
    char one[160], other[160];

    cf_image_free(demo_image(f, f->store));
    cf_image_free(demo_image(f, store));
    for (int i = 0; i < 2; i++) {
        options.format = i ? CF_ARCHIVE_DOCKER : CF_ARCHIVE_OCI;
        assert_ok(cf_save(f->store, in_dir(f, "one", one), names, 1, &options, &err), err);
        assert_ok(cf_save(store, in_dir(f, "other", other), names, 1, &options, &err), err);
        must_run("cmp %s %s", one, other);
    }
    /* and what is left beside it is nothing */
    must_run("test $(ls %s | grep -c one) = 1", f->dir);
    cf_store_close(store);
}

static void a_layout_is_added_to_and_its_tags_are_replaced(void **state)
{
    struct fixture *f = *state;
    struct cf_save_options options = {.format = CF_ARCHIVE_OCI_DIR};
    const char *one[] = {"demo:v1"}, *two[] = {"demo:v2"};
    struct cf_error err = {0};
    char path[160], other[160];

    cf_image_free(demo_image(f, f->store));
    cf_image_free(demo_image_2(f, f->store));
    in_dir(f, "layout", path);
    assert_ok(cf_save(f->store, path, one, 1, &options, &err), err);
    assert_ok(cf_save(f->store, path, two, 1, &options, &err), err);
    assert_ok(cf_save(f->store, path, two, 1, &options, &err), err);
    must_run("test $(grep -o ref.name %s/index.json | wc -l) = 2", path);
    must_run("test \"$(ls %s/blobs/sha256 | wc -l)\" = 6", path);
    /* not to a directory that holds something else */
    in_dir(f, "other", other);
    must_run("mkdir %s && touch %s/mine", other, other);
    assert_int_equal(cf_save(f->store, other, one, 1, &options, &err), -ENOTEMPTY);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    struct fixture *f = *state;
    struct cf_save_options options = {.format = CF_ARCHIVE_OCI};
    const char *names[] = {"demo:v1"};
    struct cf_error err = {0};

    cf_image_free(demo_image(f, f->store));
    assert_int_equal(cf_save(f->store, "/dev/full", names, 1, &options, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "/dev/full"));
    assert_int_equal(cf_save(f->store, "/dev/null/x", names, 1, &options, &err), -ENOTDIR);
}

/* ---- bad archives: a good layout, and a shell command that spoils it ---- */

struct bad_row {
    const char *what;
    enum cf_archive_format format;
    const char *spoil; /* run in the unpacked archive's directory; $L1 $C $M: its blobs */
    const char *platform;
    int r;
    const char *part;
};

static const struct bad_row bad_rows[] = {
    {"a layer is cut off", CF_ARCHIVE_OCI, "truncate -s 1000 blobs/sha256/$L1", NULL, -EBADMSG,
     "bytes"},
    {"a layer has other content", CF_ARCHIVE_OCI, "LC_ALL=C sed -i s/a.:.1/xxxxx/ blobs/sha256/$L1",
     NULL, -EBADMSG, "should be"},
    {"a layer is missing", CF_ARCHIVE_OCI, "rm blobs/sha256/$L1", NULL, -EINVAL,
     "not in the archive"},
    {"the config is missing", CF_ARCHIVE_OCI, "rm blobs/sha256/$C", NULL, -EINVAL,
     "not in the archive"},
    {"the config has other content", CF_ARCHIVE_OCI, "sed -i s/linux/Linux/ blobs/sha256/$C", NULL,
     -EBADMSG, "does not match its digest"},
    {"the manifest is missing", CF_ARCHIVE_OCI, "rm blobs/sha256/$M", NULL, -EINVAL,
     "not in the archive"},
    {"the manifest has other content", CF_ARCHIVE_OCI,
     "sed -i s/linux/Linux/ blobs/sha256/$C && "
     "sed -i s/schema/Schema/ blobs/sha256/$M",
     NULL, -EBADMSG, "does not match its digest"},
    {"index.json is no JSON", CF_ARCHIVE_OCI, "echo '{' > index.json", NULL, -EINVAL, "index.json"},
    {"index.json is empty", CF_ARCHIVE_OCI, "echo '{\"manifests\": []}' > index.json", NULL,
     -EINVAL, "lists no images"},
    {"a digest that climbs", CF_ARCHIVE_OCI,
     "sed -i 's/sha256:[0-9a-f]*/sha256:..\\/..\\/etc/' index.json", NULL, -EINVAL,
     "no sha256 digest"},
    {"a size that is none", CF_ARCHIVE_OCI, "sed -i 's/\"size\":[0-9]*/\"size\":-5/' index.json",
     NULL, -EINVAL, "size"},
    {"a size of another", CF_ARCHIVE_OCI, "sed -i 's/\"size\":[0-9]*/\"size\":7/' index.json", NULL,
     -EBADMSG, "does not match its digest"},
    {"only another platform", CF_ARCHIVE_OCI, ":", "linux/s390x", -ENOENT, "linux/s390x"},
    {"an index without the platform", CF_ARCHIVE_OCI,
     "sed -i "
     "'s/\"size\":\\([0-9]*\\)/"
     "\"size\":\\1,\"platform\":{\"os\":\"linux\",\"architecture\":\"s390x\"}/' "
     "index.json && cp index.json x && x=$(sha256sum x | cut -c1-64) && s=$(stat -c %s x) && mv x "
     "blobs/sha256/$x && echo "
     "'{\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
     "\"digest\":\"sha256:'$x'\",\"size\":'$s'}]}' > index.json",
     NULL, -ENOENT, "only for linux/s390x"},
    {"neither index.json nor manifest.json", CF_ARCHIVE_OCI, "rm index.json", NULL, -EINVAL,
     "no image archive"},
    {"a config of other layers", CF_ARCHIVE_DOCKER,
     "sed -i 's/sha256:[0-9a-f]*/sha256:'$M'/2' $C.json && n=$(sha256sum $C.json | cut -c1-64) && "
     "mv $C.json $n.json && sed -i s/$C/$n/ manifest.json",
     NULL, -EBADMSG, "diff ID"},
    {"a config with a layer more", CF_ARCHIVE_DOCKER,
     "sed -i 's/,\\(\"[0-9a-f]*.layer.tar\"\\)\\]/]/' manifest.json", NULL, -EINVAL, "layers"},
    {"a docker-archive without a layer", CF_ARCHIVE_DOCKER, "rm -r $L1", NULL, -EINVAL,
     "not in the archive"},
    {"a docker-archive without the config", CF_ARCHIVE_DOCKER, "rm $C.json", NULL, -EINVAL,
     "not in the archive"},
    {"a docker-archive with another config", CF_ARCHIVE_DOCKER, "sed -i s/linux/Linux/ $C.json",
     NULL, -EBADMSG, "does not match its digest"},
    {"a docker-archive that lists nothing", CF_ARCHIVE_DOCKER, "echo '[]' > manifest.json", NULL,
     -EINVAL, "lists no images"},
    {"a docker-archive with a bad tag", CF_ARCHIVE_DOCKER,
     "sed -i s/demo:v2/DEMO:v2/ manifest.json", NULL, -EINVAL, "manifest.json"},
};

static void spoil(struct fixture *f, const struct cf_image *image, const struct bad_row *row,
                  char ret_path[160])
{
    char layer[CF_DIGEST_HEX_SIZE], config[CF_DIGEST_HEX_SIZE], manifest[CF_DIGEST_HEX_SIZE];
    struct cf_save_options options = {.format = row->format};
    const char *names[] = {"demo:v2"};
    struct cf_error err = {0};
    char tar[160];

    cf_digest_hex(&image->diff_ids[1], layer);
    cf_digest_hex(&image->config, config);
    cf_digest_hex(&image->manifest, manifest);
    in_dir(f, "good.tar", tar);
    in_dir(f, "bad", ret_path);
    assert_ok(cf_save(f->store, tar, names, 1, &options, &err), err);
    must_run("rm -rf %s && mkdir %s && cd %s && tar xf %s && L1=%s C=%s M=%s && %s", ret_path,
             ret_path, ret_path, tar, layer, config, manifest, row->spoil);
}

static void bad_archives_get_one_clear_line_and_leave_nothing(void **state)
{
    struct fixture *f = *state;

    cf_image_free(demo_image(f, f->store));
    struct cf_image *image = demo_image_2(f, f->store);
    for (size_t i = 0; i < CF_COUNT(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];
        struct cf_load_options options = {.platform = row->platform};
        char path[160], name[32];
        spoil(f, image, row, path);
        for (int as_tar = 0; as_tar < 2; as_tar++) {
            struct cf_loaded *loaded = NULL;
            struct cf_error err = {0};
            size_t count = 0;
            snprintf(name, sizeof(name), "store-%zu-%d", i, as_tar);
            struct cf_store *store = other_store(f, name);
            if (as_tar)
                must_run("cd %s && tar cf ../bad.tar * && rm -r ../bad && mv ../bad.tar ../bad",
                         path);
            int r = cf_load(store, path, &options, &loaded, &count, &err);
            if (r != row->r || !strstr(err.text, row->part))
                fail_msg("%s: %d, %s", row->what, r, err.text);
            assert_null(strchr(err.text, '\n'));
            must_run("cd %s/%s && test -z \"$(find names blobs/sha256 -type f)\"", f->dir, name);
            must_run("cd %s/%s && test -z \"$(find tmp -type f ! -name 'lock-*')\"", f->dir, name);
            struct cf_fsck_result fsck = {0};
            assert_ok(cf_store_fsck(store, true, false, NULL, NULL, &fsck, &err), err);
            cf_store_close(store);
            must_run("rm -rf %s/%s", f->dir, name);
        }
    }
    cf_image_free(image);
}

struct bytes_row {
    const char *what;
    const void *data;
    size_t len;
    const char *part;
};

static void files_that_are_no_archives_are_refused(void **state)
{
    static const char text[700] = "this is some text";
    static const struct bytes_row rows[] = {
        {"an empty file", "", 0, "is empty"},
        {"a text", text, sizeof(text), "text.bad"},
        {"a few bytes", "abc", 3, "text.bad"},
        {"half a gzip header", "\x1f\x8b\x08\x00", 4, "text.bad"},
        {"gzip of nothing sound", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03rubbish!", 18,
         "text.bad"},
        {"half a zstd frame", "\x28\xb5\x2f\xfd\x04\x58", 6, "text.bad"},
    };
    struct fixture *f = *state;
    char path[160];

    in_dir(f, "text.bad", path);
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_load_options options = {0};
        struct cf_loaded *loaded = NULL;
        struct cf_error err = {0};
        size_t count = 0;
        put_file(path, rows[i].data, rows[i].len);
        int r = cf_load(f->store, path, &options, &loaded, &count, &err);
        if (r >= 0 || !strstr(err.text, rows[i].part))
            fail_msg("%s: %d, %s", rows[i].what, r, err.text);
    }
    struct cf_load_options options = {0};
    struct cf_loaded *loaded = NULL;
    struct cf_error err = {0};
    size_t count = 0;
    assert_int_equal(cf_load(f->store, "/nonexistent", &options, &loaded, &count, &err), -ENOENT);
}

static void every_truncation_of_an_archive_is_found(void **state)
{
    struct fixture *f = *state;
    struct cf_save_options save = {.format = CF_ARCHIVE_OCI};
    const char *names[] = {"demo:v1"};
    struct cf_error err = {0};
    struct stat st;
    char path[160], cut[160];

    cf_image_free(demo_image(f, f->store));
    in_dir(f, "whole.tar", path);
    in_dir(f, "cut.tar", cut);
    assert_ok(cf_save(f->store, path, names, 1, &save, &err), err);
    assert_int_equal(stat(path, &st), 0);
    /* The last members are index.json and oci-layout, so whatever is cut, one of them lacks. */
    for (off_t size = 1; size < st.st_size - 2048; size += 1511) {
        struct cf_store *store = other_store(f, "cut");
        struct cf_load_options options = {0};
        struct cf_loaded *loaded = NULL;
        size_t count = 0;
        must_run("head -c %lld %s > %s", (long long)size, path, cut);
        int r = cf_load(store, cut, &options, &loaded, &count, &err);
        if (r >= 0)
            fail_msg("%lld of %lld bytes load", (long long)size, (long long)st.st_size);
        cf_store_close(store);
        must_run("test -z \"$(find %s/cut/names -type f)\"; rm -r %s/cut", f->dir, f->dir);
    }
}

static void one_name_cannot_be_given_to_two_images(void **state)
{
    struct fixture *f = *state;
    struct cf_save_options save = {.format = CF_ARCHIVE_OCI};
    const char *names[] = {"demo:v1", "demo:v2"};
    struct cf_load_options options = {.name = "mine"};
    struct cf_loaded *loaded = NULL;
    struct cf_error err = {0};
    size_t count = 0;
    char path[160];

    cf_image_free(demo_image(f, f->store));
    cf_image_free(demo_image_2(f, f->store));
    in_dir(f, "two.tar", path);
    assert_ok(cf_save(f->store, path, names, 2, &save, &err), err);
    assert_int_equal(cf_load(f->store, path, &options, &loaded, &count, &err), -EINVAL);
    assert_non_null(strstr(err.text, "2 images"));
    assert_ok(cf_save(f->store, path, names, 1, &save, &err), err);
    assert_ok(cf_load(f->store, path, &options, &loaded, &count, &err), err);
    assert_string_equal(loaded[0].name, "mine:latest");
    cf_loaded_free(loaded, count);
}

struct platform_row {
    const char *wanted, *expected; /* digest of the entry, or NULL */
};

static void a_platform_is_chosen_by_its_variant(void **state)
{
    static const char index_text[] =
        "{\"manifests\":["
        "{\"digest\":\"attestation\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}"
        "},"
        "{\"digest\":\"amd64\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
        "{\"digest\":\"armv5\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":"
        "\"v5\"}},"
        "{\"digest\":\"armv7\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":"
        "\"v7\"}},"
        "{\"digest\":\"arm64\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\","
        "\"variant\":\"v8\"}},"
        "{\"digest\":\"windows\",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}}]}";
    static const struct platform_row rows[] = {
        {"linux/amd64", "amd64"},           {"windows/amd64", "windows"}, {"linux/arm/v7", "armv7"},
        {"linux/arm/v6", "armv5"},          {"linux/arm/v8", "armv7"},    {"linux/arm", "armv5"},
        {"linux/arm64", "arm64"},           {"linux/arm64/v8", "arm64"},  {"linux/s390x", NULL},
        {"unknown/unknown", "attestation"}, {"linux/arm/v4", NULL},
    };
    struct cf_json *index = NULL;
    struct cf_error err = {0};

    (void)state;
    assert_ok(cf_json_parse(index_text, sizeof(index_text) - 1, &index, &err), err);
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_platform platform;
        assert_ok(cf_platform_parse(rows[i].wanted, &platform, &err), err);
        const char *found = cf_json_get_string(cf_platform_choose(index, &platform), "digest");
        if ((found != NULL) != (rows[i].expected != NULL) ||
            (found && strcmp(found, rows[i].expected) != 0))
            fail_msg("%s gave %s", rows[i].wanted, found ? found : "nothing");
    }
    cf_json_free(index);
    static const char *const bad[] = {"linux",        "linux/",  "/amd64",
                                      "linux/amd64/", "a/b/c/d", "li nux/amd64"};
    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        struct cf_platform platform;
        assert_int_equal(cf_platform_parse(bad[i], &platform, &err), -EINVAL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_form_of_the_reference_image_loads),
        TEST(what_is_saved_loads_again_with_the_same_layers),
        TEST(the_same_image_saves_to_the_same_bytes),
        TEST(a_layout_is_added_to_and_its_tags_are_replaced),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(bad_archives_get_one_clear_line_and_leave_nothing),
        TEST(files_that_are_no_archives_are_refused),
        TEST(every_truncation_of_an_archive_is_found),
        TEST(one_name_cannot_be_given_to_two_images),
        cmocka_unit_test(a_platform_is_chosen_by_its_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
