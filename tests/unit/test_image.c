/* SPDX-License-Identifier: Apache-2.0 */
#include "image_fixture.h"

#include <pthread.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID "sha256:" HEX
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"

/* ---- documents ---- */

/* The config's place in a manifest is filled in where %s stands, its size where %zu stands. */
#define CONFIG "\"config\":{\"mediaType\":\"" CF_MEDIA_CONFIG "\",\"digest\":\"%s\",\"size\":%zu}"
#define LAYERS "\"layers\":[{\"mediaType\":\"" LAYER_TYPE "\",\"digest\":\"" ID "\",\"size\":77}]"
#define ROOTFS "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" ID "\"]}}"

static const struct {
    const char *manifest, *config, *fault; /* fault NULL: good */
} documents[] = {
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}", ROOTFS, NULL},
    {"{\"schemaVersion\":2,\"mediaType\":\"" CF_MEDIA_MANIFEST "\"," CONFIG "," LAYERS "}", ROOTFS,
     NULL},
    {"{\"schemaVersion\":2,\"mediaType\":\"" CF_MEDIA_DOCKER_MANIFEST
     "\",\"config\":{\"mediaType\":\"" CF_MEDIA_DOCKER_CONFIG
     "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"" CF_MEDIA_DOCKER_LAYER_GZIP
     "\",\"digest\":\"" ID "\",\"size\":0}]}",
     ROOTFS, NULL},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", "{}", NULL},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", "{\"rootfs\":{\"diff_ids\":[]}}", NULL},
    {"", ROOTFS, "manifest"},
    {"[]", ROOTFS, "no JSON object"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS, ROOTFS, "manifest"},
    {"{" CONFIG "," LAYERS "}", ROOTFS, "schemaVersion"},
    {"{\"schemaVersion\":1," CONFIG "," LAYERS "}", ROOTFS, "schemaVersion"},
    {"{\"schemaVersion\":\"2\"," CONFIG "," LAYERS "}", ROOTFS, "schemaVersion"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS ",\"manifests\":[]}", ROOTFS, "at once"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS ",\"fsLayers\":[]}", ROOTFS, "at once"},
    {"{\"schemaVersion\":2,\"manifests\":[]}", ROOTFS, "index"},
    {"{\"schemaVersion\":2,\"mediaType\":\"" CF_MEDIA_INDEX "\"," CONFIG "," LAYERS "}", ROOTFS,
     "does not fit"},
    {"{\"schemaVersion\":2,\"mediaType\":\"" CF_MEDIA_MANIFEST "\",\"manifests\":[]}", ROOTFS,
     "does not fit"},
    {"{\"schemaVersion\":2,\"mediaType\":7," CONFIG "," LAYERS "}", ROOTFS, "no string"},
    {"{\"schemaVersion\":2," LAYERS "}", ROOTFS, "digest of the config"},
    {"{\"schemaVersion\":2," CONFIG "}", ROOTFS, "no list of layers"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":{}}", ROOTFS, "no list of layers"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[7]}", ROOTFS, "digest of a layer"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" LAYER_TYPE
     "\",\"digest\":\"sha256:../../etc\",\"size\":1}]}",
     ROOTFS, "digest of a layer"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" LAYER_TYPE
     "\",\"digest\":\"" ID "\",\"size\":-1}]}",
     ROOTFS, "size of a layer"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" LAYER_TYPE
     "\",\"digest\":\"" ID "\",\"size\":1.5}]}",
     ROOTFS, "size of a layer"},
    {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" ID "\",\"size\":1}]}", ROOTFS,
     "mediaType of a layer"},
    {"{\"schemaVersion\":2," CONFIG
     ",\"layers\":[{\"mediaType\":\"application/vnd.cncf.helm.chart.content.v1.tar+gzip\","
     "\"digest\":\"" ID "\",\"size\":1}]}",
     ROOTFS, "no container image"},
    {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\","
     "\"digest\":\"%s\",\"size\":%zu}," LAYERS "}",
     ROOTFS, "no container image"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}", "{}", "diff_ids"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}", "[]", "no JSON object"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}", "{\"rootfs\":{\"diff_ids\":[]}}",
     "0 diff_ids, the manifest 1"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}",
     "{\"rootfs\":{\"diff_ids\":[\"" ID "\",\"" ID "\"]}}", "2 diff_ids, the manifest 1"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}", "{\"rootfs\":{\"diff_ids\":[\"" HEX "\"]}}",
     "diff_id"},
    {"{\"schemaVersion\":2," CONFIG "," LAYERS "}", "{\"rootfs\":{\"diff_ids\":[5]}}", "diff_id"},
};

/* Not in the table: the compiler checks formats only where it sees them. */
static size_t fill(char *out, size_t size, const char *format, const char *digest, size_t len)
{
    const char *s = strstr(format, "%s"), *z = strstr(format, "%zu");

    if (!s || !z)
        return (size_t)snprintf(out, size, "%s", format);
    return (size_t)snprintf(out, size, "%.*s%s%.*s%zu%s", (int)(s - format), format, digest,
                            (int)(z - s - 2), s + 2, len, z + 3);
}

static void documents_are_checked_and_each_fault_has_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(documents); i++) {
        struct cf_image *image = NULL;
        struct cf_error err = {0};
        struct cf_digest digest;
        char text[CF_DIGEST_TEXT_SIZE], manifest[4096];
        size_t len = strlen(documents[i].config);

        cf_digest_of(documents[i].config, len, &digest);
        cf_digest_text(&digest, text);
        size_t manifest_len = fill(manifest, sizeof(manifest), documents[i].manifest, text, len);
        int r = cf_image_parse(manifest, manifest_len, documents[i].config, len, &image, &err);
        if (!documents[i].fault) {
            if (r < 0)
                fail_msg("document %zu: %s", i, err.text);
            assert_true(cf_digest_equal(&image->config, &digest));
            cf_image_free(image);
            continue;
        }
        if (r != -EINVAL || !strstr(err.text, documents[i].fault))
            fail_msg("document %zu: %d '%s' lacks '%s'", i, r, err.text, documents[i].fault);
    }
}

static void a_parsed_image_has_its_layers_and_sizes(void **state)
{
    struct cf_image *image = NULL;
    struct cf_error err = {0};
    struct cf_digest digest;
    char text[CF_DIGEST_TEXT_SIZE], manifest[4096];

    (void)state;
    cf_digest_of(ROOTFS, strlen(ROOTFS), &digest);
    cf_digest_text(&digest, text);
    size_t len = fill(manifest, sizeof(manifest), documents[0].manifest, text, strlen(ROOTFS));
    assert_ok(cf_image_parse(manifest, len, ROOTFS, strlen(ROOTFS), &image, &err), err);
    assert_int_equal(image->layer_count, 1);
    assert_int_equal(image->layer_sizes[0], 77);
    cf_digest_text(&image->diff_ids[0], text);
    assert_string_equal(text, ID);
    cf_digest_of(manifest, len, &digest);
    assert_true(cf_digest_equal(&image->manifest, &digest));
    cf_image_free(image);
}

static void a_config_that_is_not_the_one_named_is_refused(void **state)
{
    struct cf_image *image = NULL;
    struct cf_error err = {0};
    char manifest[4096];

    (void)state;
    size_t len = fill(manifest, sizeof(manifest), documents[0].manifest, ID, strlen(ROOTFS));
    assert_int_equal(cf_image_parse(manifest, len, ROOTFS, strlen(ROOTFS), &image, &err), -EINVAL);
    assert_non_null(strstr(err.text, "does not match"));
    char *large = calloc(1, CF_BLOB_MAX + 1);
    assert_int_equal(cf_image_parse(large, CF_BLOB_MAX + 1, "", 0, &image, &err), -EFBIG);
    assert_int_equal(cf_image_parse(manifest, len, large, CF_BLOB_MAX + 1, &image, &err), -EFBIG);
    free(large);
}

static void chain_ids_are_those_of_the_specification(void **state)
{
    struct cf_digest ids[3], chain, expected;
    char a[CF_DIGEST_TEXT_SIZE], b[CF_DIGEST_TEXT_SIZE], pair[200];

    (void)state;
    for (int i = 0; i < 3; i++)
        cf_digest_of(&i, sizeof(i), &ids[i]);
    cf_chain_id(ids, 1, &chain);
    assert_true(cf_digest_equal(&chain, &ids[0]));
    expected = ids[0];
    for (size_t n = 2; n <= 3; n++) {
        cf_digest_text(&expected, a);
        cf_digest_text(&ids[n - 1], b);
        snprintf(pair, sizeof(pair), "%s %s", a, b);
        cf_digest_of(pair, strlen(pair), &expected);
        cf_chain_id(ids, n, &chain);
        assert_true(cf_digest_equal(&chain, &expected));
    }
}

/* ---- finding ---- */

static struct cf_digest named(struct fixture *f, const char *name, const char *created)
{
    struct cf_error err = {0};
    struct cf_digest manifest = fixture_image(f, NULL, 0, created);

    if (name)
        assert_ok(cf_name_set(f->store, name, &manifest, &err), err);
    return manifest;
}

static void assert_finds(struct fixture *f, const char *text, const struct cf_digest *manifest)
{
    struct cf_image *image = NULL;
    struct cf_error err = {0};

    int r = cf_image_find(f->store, text, &image, &err);
    if (r < 0)
        fail_msg("%s: %s", text, err.text);
    if (!cf_digest_equal(&image->manifest, manifest))
        fail_msg("%s: found another image", text);
    cf_image_free(image);
}

static void assert_refuses(struct fixture *f, const char *text, int code, const char *line)
{
    struct cf_image *image = NULL;
    struct cf_error err = {0};

    int r = cf_image_find(f->store, text, &image, &err);
    if (r != code || err.code != code || !strstr(err.text, line))
        fail_msg("'%s': %d '%s'", text, r, err.text);
}

static void images_are_found_by_name_digest_id_and_prefix(void **state)
{
    struct fixture *f = *state;
    struct cf_digest one = named(f, "r.io/app:latest", "2024-01-01T00:00:00Z");
    struct cf_digest two = named(f, "r.io/app:v2", "2024-01-02T00:00:00Z");
    struct cf_digest three = named(f, NULL, "2024-01-03T00:00:00Z");
    char text[CF_DIGEST_TEXT_SIZE], at[200];
    struct cf_image *image = NULL;

    assert_finds(f, "r.io/app", &one);
    assert_finds(f, "r.io/app:latest", &one);
    assert_finds(f, "r.io/app:v2", &two);
    cf_digest_text(&three, text);
    assert_finds(f, text, &three);
    assert_finds(f, text + 7, &three);
    snprintf(at, sizeof(at), "r.io/app@%s", text);
    assert_finds(f, at, &three);
    text[7 + 20] = 0;
    assert_finds(f, text, &three);
    assert_finds(f, text + 7, &three);
    assert_int_equal(cf_image_load(f->store, &two, &image, NULL), 0);
    cf_digest_text(&image->config, text);
    cf_image_free(image);
    assert_finds(f, text, &two);
    text[7 + 12] = 0;
    assert_finds(f, text + 7, &two);
}

static void a_name_wins_over_an_id(void **state)
{
    struct fixture *f = *state;
    struct cf_digest one = named(f, NULL, "2024-01-01T00:00:00Z");
    struct cf_digest two = named(f, NULL, "2024-01-02T00:00:00Z");
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(&one, hex);
    hex[12] = 0;
    assert_finds(f, hex, &one);
    char name[128];
    snprintf(name, sizeof(name), "%s:latest", hex);
    assert_int_equal(cf_name_set(f->store, name, &two, NULL), 0);
    assert_finds(f, hex, &two);
}

static void what_means_no_image_or_several_is_told(void **state)
{
    struct fixture *f = *state;
    char prefix[3] = "";
    struct cf_digest seen[300];
    struct cf_error err = {0};

    assert_refuses(f, "app", -ENOENT, "no such image 'app'");
    assert_refuses(f, "app@" ID, -ENOENT, "no such image");
    assert_refuses(f, ID, -ENOENT, "no such image");
    assert_refuses(f, HEX, -ENOENT, "no such image");
    assert_refuses(f, "Not/Good:", -EINVAL, "no image reference");
    assert_refuses(f, "", -EINVAL, "no image reference");
    /* Among 300 images two share two digits. */
    for (int i = 0; i < 300 && !prefix[0]; i++) {
        char created[40];
        snprintf(created, sizeof(created), "2024-01-01T00:00:00.%03dZ", i);
        seen[i] = named(f, NULL, created);
        for (int k = 0; k < i; k++)
            if (seen[k].bytes[0] == seen[i].bytes[0])
                snprintf(prefix, sizeof(prefix), "%02x", seen[i].bytes[0]);
    }
    assert_true(prefix[0]);
    assert_refuses(f, prefix, -EINVAL, "more than one");
    assert_ok(cf_name_set(f->store, "some:name", &seen[0], &err), err);
}

static void a_damaged_name_is_told_and_not_taken_for_a_missing_one(void **state)
{
    struct fixture *f = *state;
    int names = openat(cf_store_root_fd(f->store), "names", O_PATH);

    named(f, "app:v1", "2024-01-01T00:00:00Z");
    assert_int_equal(cf_replace_file(names, "app/@v1", "sha256:", 7, 0444), 0);
    assert_refuses(f, "app:v1", -EBADMSG, "damaged");
    close(names);
}

/* ---- layers and trees ---- */

static void a_published_layer_is_there_with_its_tree_and_forms(void **state)
{
    struct fixture *f = *state;
    struct cf_layer_form *forms = NULL;
    struct cf_error err = {0};
    struct cf_tree *tree = NULL;
    struct cf_digest found;
    size_t count = 0;
    uint64_t nid;

    struct cf_digest id = fixture_layer(f, 1, 0, 0);
    assert_true(cf_layer_exists(f->store, &id));
    assert_ok(cf_layer_tree(f->store, &id, &tree, &err), err);
    assert_int_equal(cf_tree_walk(tree, "/bin/big-1", &nid), 0);
    cf_tree_close(tree);
    assert_ok(cf_layer_forms_read(f->store, &id, &forms, &count, &err), err);
    assert_int_equal(count, 1);
    assert_true(cf_digest_equal(&forms[0].digest, &id));
    assert_int_equal(forms[0].size, 10240);
    assert_string_equal(forms[0].media_type, CF_MEDIA_LAYER);
    free(forms);

    struct cf_layer_form more = {{{7}}, 55, CF_MEDIA_LAYER_ZSTD};
    for (int again = 0; again < 2; again++, more.size++)
        assert_ok(cf_layer_form_add(f->store, &id, &more, &err), err);
    assert_ok(cf_layer_forms_read(f->store, &id, &forms, &count, &err), err);
    assert_int_equal(count, 2);
    assert_int_equal(forms[1].size, 56);
    free(forms);
    assert_int_equal(cf_layer_by_form(f->store, &more.digest, &found), 0);
    assert_true(cf_digest_equal(&found, &id));
    more.digest.bytes[5] = 9;
    assert_int_equal(cf_layer_by_form(f->store, &more.digest, &found), -ENOENT);
    assert_false(cf_layer_exists(f->store, &more.digest));
    assert_int_equal(cf_layer_open(f->store, &more.digest, &err), -ENOENT);
}

static void a_layer_published_twice_stays_the_first_and_leaves_no_litter(void **state)
{
    struct fixture *f = *state;
    struct stat first, second;
    char path[200], hex[CF_DIGEST_HEX_SIZE];

    struct cf_digest id = fixture_layer(f, 1, 0, 0);
    cf_digest_hex(&id, hex);
    snprintf(path, sizeof(path), "%s/layers/%s/tree", f->root, hex);
    assert_int_equal(stat(path, &first), 0);
    fixture_layer(f, 1, 0, 0);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(fixture_files(f, "tmp"), 0);
}

static void a_dropped_draft_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct cf_layer_draft draft;
    struct cf_error err = {0};

    assert_ok(cf_layer_draft_new(f->store, &draft, &err), err);
    int fd = openat(draft.fd, "tree", O_CREAT | O_WRONLY, 0444);
    close(fd);
    cf_layer_draft_drop(f->store, &draft);
    cf_layer_draft_drop(f->store, &draft);
    assert_int_equal(fixture_files(f, "tmp"), 0);
    assert_int_equal(fixture_files(f, "layers"), 0);
}

static void the_merged_tree_is_that_of_all_layers_and_is_made_once(void **state)
{
    struct fixture *f = *state;
    struct cf_digest ids[] = {fixture_layer(f, 1, 0, 0), fixture_layer(f, 2, 1, 0)};
    struct cf_error err = {0};
    struct stat first, second;
    int fd = -1;
    uint64_t nid;

    struct cf_digest manifest = fixture_image(f, ids, 2, "2024-01-01T00:00:00Z");
    struct cf_image *image = NULL;
    assert_ok(cf_image_load(f->store, &manifest, &image, &err), err);
    for (int again = 0; again < 2; again++) {
        struct cf_tree *tree = NULL;
        assert_ok(cf_image_tree(f->store, image, &tree, &fd, &err), err);
        assert_int_equal(cf_tree_walk(tree, "/bin/big-1", &nid), -ENOENT);
        assert_int_equal(cf_tree_walk(tree, "/bin/big-2", &nid), 0);
        assert_int_equal(cf_tree_walk(tree, "/etc/small-1", &nid), 0);
        assert_int_equal(fstat(fd, again ? &second : &first), 0);
        close(fd);
        cf_tree_close(tree);
    }
    assert_int_equal(first.st_ino, second.st_ino);
    cf_image_free(image);
}

static void an_image_without_layers_has_an_empty_tree(void **state)
{
    struct fixture *f = *state;
    struct cf_error err = {0};
    struct cf_tree *tree = NULL;
    struct cf_dirent entry;

    assert_ok(cf_store_merged_tree(f->store, NULL, 0, &tree, NULL, &err), err);
    assert_int_equal(cf_tree_readdir(tree, cf_tree_root(tree), 0, &entry), 0);
    cf_tree_close(tree);
}

static void a_truncated_merged_tree_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct cf_digest id = fixture_layer(f, 1, 0, 0);
    struct cf_error err = {0};
    struct cf_tree *tree = NULL;
    char path[200], hex[CF_DIGEST_HEX_SIZE];
    uint64_t nid;

    assert_ok(cf_store_merged_tree(f->store, &id, 1, &tree, NULL, &err), err);
    cf_tree_close(tree);
    cf_digest_hex(&id, hex);
    snprintf(path, sizeof(path), "%s/trees/%s", f->root, hex);
    assert_int_equal(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY, 0444));
    assert_ok(cf_store_merged_tree(f->store, &id, 1, &tree, NULL, &err), err);
    assert_int_equal(cf_tree_walk(tree, "/bin/big-1", &nid), 0);
    cf_tree_close(tree);
}

static void *open_merged(void *context)
{
    struct fixture *f = context;
    struct cf_tree *tree = NULL;
    struct cf_digest ids[2];
    unsigned numbers[] = {1, 2};

    for (int i = 0; i < 2; i++)
        cf_digest_of(&numbers[i], sizeof(numbers[i]), &ids[i]);
    int r = cf_store_merged_tree(f->store, ids, 2, &tree, NULL, NULL);
    if (r == 0)
        cf_tree_close(tree);
    return (void *)(intptr_t)r;
}

static void threads_that_want_one_merged_tree_all_get_it(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    void *result;

    fixture_layer(f, 1, 0, 0);
    fixture_layer(f, 2, 1, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_merged, f), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        assert_int_equal((intptr_t)result, 0);
    }
    assert_int_equal(fixture_files(f, "trees"), 2);
}

static void targets_are_images_layers_and_paths_inside_them(void **state)
{
    struct fixture *f = *state;
    struct cf_digest id = fixture_layer(f, 1, 0, 0);
    struct cf_digest manifest = fixture_image(f, &id, 1, "2024-01-01T00:00:00Z");
    struct cf_error err = {0};
    char layer[CF_DIGEST_HEX_SIZE], layer_path[128];

    cf_digest_hex(&id, layer);
    layer[16] = 0;
    snprintf(layer_path, sizeof(layer_path), "sha256:%s:bin/big-1", layer);
    const struct {
        const char *text, *path;
        bool image;
    } cases[] = {
        {"app:v1", "", true},
        {"app:v1:", "", true},
        {"app:v1:etc", "etc", true},
        {"app:v1:/etc/a:b", "/etc/a:b", true},
        {"app:x/y", "x/y", true},
        {"app", "", true},
        {layer, "", false},
        {layer_path, "bin/big-1", false},
        {"h:5000/app:1:p", "p", true},
    };
    assert_ok(cf_name_set(f->store, "app:v1", &manifest, &err), err);
    assert_ok(cf_name_set(f->store, "app:latest", &manifest, &err), err);
    assert_ok(cf_name_set(f->store, "h:5000/app:1", &manifest, &err), err);
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_target target;
        int r = cf_target_open(f->store, cases[i].text, &target, &err);
        if (r < 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(target.path, cases[i].path);
        assert_int_equal(target.image != NULL, cases[i].image);
        assert_non_null(target.tree);
        cf_target_done(&target);
    }
    struct cf_target none;
    assert_int_equal(cf_target_open(f->store, "nope:etc", &none, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no such image or layer 'nope:etc'"));
}

static void a_damaged_image_is_not_taken_for_a_missing_one(void **state)
{
    struct fixture *f = *state;
    struct cf_digest id = fixture_layer(f, 1, 0, 0);
    struct cf_digest manifest = fixture_image(f, &id, 1, "2024-01-01T00:00:00Z");
    struct cf_error err = {0};
    struct cf_target target;
    char hex[CF_DIGEST_HEX_SIZE], path[200];

    assert_ok(cf_name_set(f->store, "app:v1", &manifest, &err), err);
    cf_digest_hex(&id, hex);
    snprintf(path, sizeof(path), "layers/%s", hex);
    assert_int_equal(cf_remove_tree(cf_store_root_fd(f->store), path), 0);
    assert_int_equal(cf_target_open(f->store, "app:v1:etc", &target, &err), -EBADMSG);
    assert_non_null(strstr(err.text, hex));
}

/* ---- list and remove ---- */

static void the_list_has_each_image_once_newest_first(void **state)
{
    struct fixture *f = *state;
    struct cf_digest id = {{5}};
    struct cf_error err = {0};
    struct cf_image_entry *entries = NULL;
    size_t count = 0;

    struct cf_digest old = fixture_image(f, &id, 1, "2024-01-01T10:00:00+02:00");
    struct cf_digest newer = fixture_image(f, NULL, 0, "2024-01-01T09:00:00.5Z");
    struct cf_digest newest = fixture_image(f, NULL, 0, "2024-01-01T09:00:00.6Z");
    assert_ok(cf_name_set(f->store, "b:1", &newer, &err), err);
    assert_ok(cf_name_set(f->store, "a:1", &newer, &err), err);
    assert_ok(cf_name_set(f->store, "c:1", &old, &err), err);
    assert_ok(cf_image_list(f->store, &entries, &count, &err), err);
    assert_int_equal(count, 3);
    assert_true(cf_digest_equal(&entries[0].manifest, &newest));
    assert_int_equal(entries[0].name_count, 0);
    assert_true(cf_digest_equal(&entries[1].manifest, &newer));
    assert_int_equal(entries[1].name_count, 2);
    assert_string_equal(entries[1].names[0], "a:1");
    assert_string_equal(entries[1].names[1], "b:1");
    assert_true(cf_digest_equal(&entries[2].manifest, &old));
    assert_int_equal(entries[2].size, 1000);
    assert_string_equal(entries[2].created, "2024-01-01T10:00:00+02:00");
    cf_image_list_free(entries, count);
}

static void removing_names_keeps_the_image_until_the_last(void **state)
{
    struct fixture *f = *state;
    struct cf_digest image = named(f, "a:1", "2024-01-01T00:00:00Z");
    struct cf_error err = {0};
    size_t untagged = 0;
    bool deleted = true;
    char text[CF_DIGEST_TEXT_SIZE];

    assert_ok(cf_name_set(f->store, "b:1", &image, &err), err);
    cf_digest_text(&image, text);
    assert_int_equal(cf_image_remove(f->store, text, false, &untagged, &deleted, &err), -EBUSY);
    assert_ok(cf_image_remove(f->store, "a:1", false, &untagged, &deleted, &err), err);
    assert_int_equal(untagged, 1);
    assert_false(deleted);
    assert_true(cf_blob_exists(f->store, &image));
    assert_int_equal(cf_image_remove(f->store, "a:1", false, &untagged, &deleted, &err), -ENOENT);
    assert_ok(cf_image_remove(f->store, text, false, &untagged, &deleted, &err), err);
    assert_int_equal(untagged, 1);
    assert_true(deleted);
    assert_int_equal(fixture_files(f, "blobs"), 0);
    assert_int_equal(fixture_files(f, "names"), 0);
}

static void force_removes_an_image_with_all_its_names(void **state)
{
    struct fixture *f = *state;
    struct cf_digest image = named(f, "a:1", "2024-01-01T00:00:00Z");
    struct cf_error err = {0};
    size_t untagged = 0;
    bool deleted = false;
    char text[CF_DIGEST_TEXT_SIZE];

    assert_ok(cf_name_set(f->store, "b:1", &image, &err), err);
    cf_digest_text(&image, text);
    assert_ok(cf_image_remove(f->store, text, true, &untagged, &deleted, &err), err);
    assert_int_equal(untagged, 2);
    assert_true(deleted);
    assert_int_equal(fixture_files(f, "names"), 0);
}

static void the_last_name_of_a_mounted_image_stays(void **state)
{
    struct fixture *f = *state;
    struct cf_digest image = named(f, "a:1", "2024-01-01T00:00:00Z");
    struct cf_error err = {0};
    size_t untagged = 0;
    bool deleted = false;

    assert_ok(cf_name_set(f->store, "b:1", &image, &err), err);
    fixture_mount(f, "0011223344556677", &image, NULL);
    assert_ok(cf_image_remove(f->store, "a:1", false, &untagged, &deleted, &err), err);
    assert_int_equal(cf_image_remove(f->store, "b:1", true, &untagged, &deleted, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by mount 0011223344556677"));
    assert_int_equal(fixture_files(f, "names"), 1);
    assert_int_equal(cf_remove_tree(cf_store_mounts_fd(f->store), "0011223344556677"), 0);
    assert_ok(cf_image_remove(f->store, "b:1", true, &untagged, &deleted, &err), err);
}

static void a_config_that_another_manifest_shares_stays(void **state)
{
    struct fixture *f = *state;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest image = named(f, "a:1", "2024-01-01T00:00:00Z"), twin;
    struct cf_error err = {0};
    struct cf_image *found = NULL;
    size_t untagged = 0;
    bool deleted = false;

    assert_ok(cf_blob_get(f->store, &image, &text, &err), err);
    cf_buf_add_char(&text, '\n');
    assert_ok(cf_blob_put(f->store, text.data, text.len, &twin, &err), err);
    assert_ok(cf_image_remove(f->store, "a:1", false, &untagged, &deleted, &err), err);
    assert_true(deleted);
    assert_ok(cf_image_load(f->store, &twin, &found, &err), err);
    cf_image_free(found);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_checked_and_each_fault_has_its_line),
        cmocka_unit_test(a_parsed_image_has_its_layers_and_sizes),
        cmocka_unit_test(a_config_that_is_not_the_one_named_is_refused),
        cmocka_unit_test(chain_ids_are_those_of_the_specification),
        T(images_are_found_by_name_digest_id_and_prefix),
        T(a_name_wins_over_an_id),
        T(what_means_no_image_or_several_is_told),
        T(a_damaged_name_is_told_and_not_taken_for_a_missing_one),
        T(a_published_layer_is_there_with_its_tree_and_forms),
        T(a_layer_published_twice_stays_the_first_and_leaves_no_litter),
        T(a_dropped_draft_leaves_nothing),
        T(the_merged_tree_is_that_of_all_layers_and_is_made_once),
        T(an_image_without_layers_has_an_empty_tree),
        T(a_truncated_merged_tree_is_made_again),
        T(threads_that_want_one_merged_tree_all_get_it),
        T(targets_are_images_layers_and_paths_inside_them),
        T(a_damaged_image_is_not_taken_for_a_missing_one),
        T(the_list_has_each_image_once_newest_first),
        T(removing_names_keeps_the_image_until_the_last),
        T(force_removes_an_image_with_all_its_names),
        T(the_last_name_of_a_mounted_image_stays),
        T(a_config_that_another_manifest_shares_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
