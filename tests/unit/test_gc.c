/* SPDX-License-Identifier: Apache-2.0 */
#include "image_fixture.h"

#include <sys/xattr.h>

static struct cf_gc_result collect(struct fixture *f, bool dry_run)
{
    struct cf_gc_result result = {0};
    struct cf_error err = {0};

    fixture_reopen(f, CF_STORE_EXCLUSIVE);
    assert_ok(cf_store_gc(f->store, dry_run, &result, &err), err);
    fixture_reopen(f, 0);
    return result;
}

static void assert_clean(struct fixture *f)
{
    struct cf_fsck_result result;
    struct cf_error err = {0};

    assert_ok(cf_store_fsck(f->store, true, false, NULL, NULL, &result, &err), err);
}

static bool has_object(struct fixture *f, unsigned number)
{
    struct cf_digest digest;
    char data[BIG_FILE];

    fixture_content(number, data);
    cf_digest_of(data, sizeof(data), &digest);
    return cf_object_exists(f->store, &digest);
}

static void make_merged(struct fixture *f, const struct cf_digest *ids, size_t count)
{
    struct cf_error err = {0};
    struct cf_tree *tree = NULL;

    assert_ok(cf_store_merged_tree(f->store, ids, count, &tree, NULL, &err), err);
    cf_tree_close(tree);
}

static void an_empty_store_has_nothing_to_collect(void **state)
{
    struct cf_gc_result result = collect(*state, false);

    assert_int_equal(result.objects + result.layers + result.trees + result.blobs, 0);
    assert_int_equal(result.temporaries + result.bytes, 0);
}

static void what_a_name_needs_stays_and_the_rest_goes(void **state)
{
    struct fixture *f = *state;
    struct cf_digest kept[] = {fixture_layer(f, 1, 0, 11), fixture_layer(f, 2, 1, 0)};
    struct cf_digest gone[] = {kept[0], fixture_layer(f, 3, 0, 13)};
    struct cf_error err = {0};

    struct cf_digest named = fixture_image(f, kept, 2, "2024-01-01T00:00:00Z");
    struct cf_digest loose = fixture_image(f, gone, 2, "2024-01-02T00:00:00Z");
    assert_ok(cf_name_set(f->store, "keep:1", &named, &err), err);
    make_merged(f, kept, 2);
    make_merged(f, gone, 2);
    fixture_object(f, 77);
    assert_int_equal(mkdirat(cf_store_tmp_fd(f->store), "layer-x", 0700), 0);
    assert_int_equal(cf_replace_file(cf_store_tmp_fd(f->store), "layer-x/f", "abc", 3, 0600), 0);

    struct cf_gc_result dry = collect(f, true);
    assert_true(cf_blob_exists(f->store, &loose));
    assert_true(has_object(f, 77));
    struct cf_gc_result result = collect(f, false);
    assert_int_equal(result.objects, 3); /* 3, 13 and 77; 999 is shared */
    assert_int_equal(result.layers, 1);
    assert_int_equal(result.trees, 1);
    assert_int_equal(result.blobs, 2);
    assert_int_equal(result.temporaries, 1);
    assert_true(result.bytes >= 3 * BIG_FILE);
    assert_memory_equal(&dry, &result, sizeof(dry));

    assert_true(has_object(f, 1) && has_object(f, 2) && has_object(f, 11) && has_object(f, 999));
    assert_false(has_object(f, 3) || has_object(f, 13) || has_object(f, 77));
    assert_true(cf_layer_exists(f->store, &kept[0]) && cf_layer_exists(f->store, &kept[1]));
    assert_false(cf_layer_exists(f->store, &gone[1]));
    assert_false(cf_blob_exists(f->store, &loose));
    assert_int_equal(fixture_files(f, "trees"), 2);
    assert_int_equal(fixture_files(f, "tmp"), 0);
    assert_clean(f);
    struct cf_gc_result again = collect(f, false);
    assert_int_equal(again.objects + again.layers + again.trees + again.blobs, 0);
}

static void a_list_of_chunks_goes_with_its_object(void **state)
{
    struct fixture *f = *state;
    const struct cf_object_chunk chunks[] = {{0, {{1}}}, {70000, {{2}}}};
    struct cf_digest layer = fixture_layer(f, 1, 0, 11), stays = fixture_object(f, 1);
    struct cf_digest goes = fixture_object(f, 77);
    struct cf_object_chunk *got = NULL;
    struct cf_error err = {0};
    size_t count = 0;

    struct cf_digest named = fixture_image(f, &layer, 1, "2024-01-01T00:00:00Z");
    assert_ok(cf_name_set(f->store, "keep:1", &named, &err), err);
    assert_int_equal(cf_object_chunks_get(f->store, &stays, true, &got, &count), -ENOENT);
    assert_int_equal(cf_object_chunks_set(f->store, &stays, true, chunks, 2), 0);
    assert_int_equal(cf_object_chunks_set(f->store, &goes, true, chunks, 1), 0);
    (void)collect(f, false);
    assert_int_equal(cf_object_chunks_get(f->store, &goes, true, &got, &count), -ENOENT);
    /* Other cuts are another list. */
    assert_int_equal(cf_object_chunks_get(f->store, &stays, false, &got, &count), -ENOENT);
    assert_int_equal(cf_object_chunks_get(f->store, &stays, true, &got, &count), 0);
    assert_int_equal(count, 2);
    assert_memory_equal(got, chunks, sizeof chunks);
    free(got);

    /* What is damaged is not there. */
    char path[CF_OBJECT_PATH_SIZE + 8] = "chunks/";
    cf_object_path(&stays, path + 7);
    int fd = openat(cf_store_root_fd(f->store), path, O_RDONLY | O_CLOEXEC);
    char byte;
    assert_true(fd >= 0 && pread(fd, &byte, 1, 20) == 1);
    close(fd);
    assert_int_equal(fchmodat(cf_store_root_fd(f->store), path, 0600, 0), 0);
    fd = openat(cf_store_root_fd(f->store), path, O_WRONLY | O_CLOEXEC);
    byte ^= 1;
    assert_true(fd >= 0 && pwrite(fd, &byte, 1, 20) == 1);
    close(fd);
    assert_int_equal(cf_object_chunks_get(f->store, &stays, true, &got, &count), -ENOENT);
    cf_object_chunks_drop(f->store, &stays);
}

static void a_mount_keeps_its_image_and_those_it_lists(void **state)
{
    struct fixture *f = *state;
    struct cf_digest ids[] = {fixture_layer(f, 1, 0, 0), fixture_layer(f, 2, 0, 0),
                              fixture_layer(f, 3, 0, 0)};
    char keeps[128], text[CF_DIGEST_TEXT_SIZE];

    struct cf_digest base = fixture_image(f, &ids[0], 1, "2024-01-01T00:00:00Z");
    struct cf_digest listed = fixture_image(f, &ids[1], 1, "2024-01-01T00:00:00Z");
    fixture_image(f, &ids[2], 1, "2024-01-01T00:00:00Z");
    cf_digest_text(&listed, text);
    snprintf(keeps, sizeof(keeps), ",\"keeps\":[\"%s\"]", text);
    fixture_mount(f, "00000000000000aa", &base, keeps);
    struct cf_gc_result result = collect(f, false);
    assert_int_equal(result.layers, 1);
    assert_int_equal(result.blobs, 2);
    assert_true(has_object(f, 1) && has_object(f, 2));
    assert_false(has_object(f, 3));
    assert_int_equal(cf_remove_tree(cf_store_mounts_fd(f->store), "00000000000000aa"), 0);
    result = collect(f, false);
    assert_int_equal(result.layers, 2);
    assert_int_equal(fixture_files(f, "objects"), 0);
}

/* A file with the xattr of a stub that names object n; false where the disk has no such xattrs. */
static bool make_stub(struct fixture *f, const char *path, unsigned n)
{
    char full[300], hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest digest = fixture_object(f, n);

    cf_digest_hex(&digest, hex);
    if (path[0] == '/')
        snprintf(full, sizeof(full), "%s", path);
    else
        snprintf(full, sizeof(full), "%s/mounts/%s", f->root, path);
    close(open(full, O_CREAT | O_WRONLY, 0644));
    const char *name =
        n % 2 && geteuid() == 0 ? "trusted.overlay.cloudfs.object" : "user.overlay.cloudfs.object";
    return setxattr(full, name, hex, 64, 0) == 0;
}

static void the_stubs_of_an_upper_keep_their_objects(void **state)
{
    struct fixture *f = *state;
    struct cf_digest base = fixture_image(f, NULL, 0, "2024-01-01T00:00:00Z");
    char outside[160], extra[256], path[200];

    snprintf(outside, sizeof(outside), "%s/elsewhere", f->dir);
    snprintf(extra, sizeof(extra), ",\"upper\":\"%s\"", outside);
    snprintf(path, sizeof(path), "%s/stub", outside);
    assert_int_equal(mkdir(outside, 0755), 0);
    fixture_mount(f, "00000000000000aa", &base, NULL);
    fixture_mount(f, "00000000000000bb", &base, extra);
    fixture_mount(f, "00000000000000cc", NULL, NULL); /* without a description yet */
    if (!make_stub(f, "00000000000000aa/upper/deep/er/stub", 1))
        skip();
    assert_true(make_stub(f, path, 2));
    assert_true(make_stub(f, "00000000000000cc/upper/stub", 3));
    fixture_object(f, 4);
    struct cf_gc_result result = collect(f, false);
    assert_int_equal(result.objects, 1);
    assert_true(has_object(f, 1) && has_object(f, 2) && has_object(f, 3));
}

static void gc_without_the_exclusive_lock_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cf_gc_result result;
    struct cf_error err = {0};

    assert_int_equal(cf_store_gc(f->store, false, &result, &err), -EINVAL);
}

static void put_text(struct fixture *f, const char *path, const char *text)
{
    assert_int_equal(cf_replace_file(cf_store_root_fd(f->store), path, text, strlen(text), 0600),
                     0);
}

/* Each makes something unreadable that could keep the objects of image "one:1" or of a mount. */
static void damage_name(struct fixture *f, const struct cf_digest *manifest, const char *hex)
{
    (void)manifest;
    (void)hex;
    put_text(f, "names/one/@1", "sha256:1234\n");
}

static void damage_manifest(struct fixture *f, const struct cf_digest *manifest, const char *hex)
{
    char path[160];

    (void)hex;
    memcpy(path, "blobs/sha256/", 13);
    cf_digest_hex(manifest, path + 13);
    put_text(f, path, "{}");
}

static void damage_tree(struct fixture *f, const struct cf_digest *manifest, const char *hex)
{
    char path[160];

    (void)manifest;
    snprintf(path, sizeof(path), "layers/%s/tree", hex);
    put_text(f, path, "no tree");
}

static void damage_recipe(struct fixture *f, const struct cf_digest *manifest, const char *hex)
{
    char path[160];

    (void)manifest;
    snprintf(path, sizeof(path), "layers/%s/recipe", hex);
    put_text(f, path, "CFRECIP1\1");
}

static void damage_mount(struct fixture *f, const struct cf_digest *manifest, const char *hex)
{
    (void)manifest;
    (void)hex;
    assert_int_equal(mkdirat(cf_store_mounts_fd(f->store), "aa", 0700), 0);
    put_text(f, "mounts/aa/mount.json", "{\"manifest\":\"sha256:12");
}

static void gc_removes_nothing_while_damage_hides_what_is_needed(void **state)
{
    static void (*const damages[])(struct fixture *, const struct cf_digest *, const char *) = {
        damage_name, damage_manifest, damage_tree, damage_recipe, damage_mount,
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(damages); i++) {
        void *fresh = NULL;
        struct cf_gc_result result;
        struct cf_error err = {0};
        char hex[CF_DIGEST_HEX_SIZE];
        fixture_setup(&fresh);
        struct fixture *f = fresh;
        struct cf_digest id = fixture_layer(f, 1, 0, 11);
        struct cf_digest manifest = fixture_image(f, &id, 1, "2024-01-01T00:00:00Z");
        assert_ok(cf_name_set(f->store, "one:1", &manifest, &err), err);
        cf_digest_hex(&id, hex);
        fixture_object(f, 77);
        damages[i](f, &manifest, hex);
        fixture_reopen(f, CF_STORE_EXCLUSIVE);
        if (cf_store_gc(f->store, false, &result, &err) != -EBADMSG)
            fail_msg("damage %zu was overlooked", i);
        assert_non_null(strstr(err.text, "gc removes nothing: "));
        assert_true(has_object(f, 77) && has_object(f, 1));
        fixture_teardown(&fresh);
    }
}

static void df_counts_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct cf_digest ids[] = {fixture_layer(f, 1, 0, 11), fixture_layer(f, 2, 0, 0)};
    struct cf_error err = {0};
    struct cf_df df;

    struct cf_digest manifest = fixture_image(f, ids, 2, "2024-01-01T00:00:00Z");
    make_merged(f, ids, 2);
    fixture_mount(f, "00000000000000aa", &manifest, NULL);
    assert_ok(cf_store_df(f->store, &df, &err), err);
    assert_int_equal(df.objects, 4);
    assert_int_equal(df.layers, 2);
    assert_int_equal(df.trees, 1);
    assert_int_equal(df.blobs, 2);
    assert_int_equal(df.mounts, 1);
    assert_true(df.objects_bytes >= 4 * BIG_FILE);
    assert_true(df.layers_bytes > 0 && df.trees_bytes > 0 && df.blobs_bytes > 0);
    assert_true(df.mounts_bytes > 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_store_has_nothing_to_collect),
        T(what_a_name_needs_stays_and_the_rest_goes),
        T(a_list_of_chunks_goes_with_its_object),
        T(a_mount_keeps_its_image_and_those_it_lists),
        T(the_stubs_of_an_upper_keep_their_objects),
        T(gc_without_the_exclusive_lock_is_refused),
        cmocka_unit_test(gc_removes_nothing_while_damage_hides_what_is_needed),
        T(df_counts_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
