/* SPDX-License-Identifier: Apache-2.0 */
#include "image_fixture.h"

/* The store of every test: app:1 of two layers with its merged tree, other:1 of one, a mount. */
struct world {
    struct fixture *f;
    struct cf_digest layers[3];
    struct cf_digest app, other;
};

static void merged(struct fixture *f, const struct cf_digest *ids, size_t count)
{
    struct cf_error err = {0};
    struct cf_tree *tree = NULL;

    assert_ok(cf_store_merged_tree(f->store, ids, count, &tree, NULL, &err), err);
    cf_tree_close(tree);
}

static void make_world(struct world *w, struct fixture *f)
{
    struct cf_error err = {0};

    w->f = f;
    w->layers[0] = fixture_layer(f, 1, 0, 11);
    w->layers[1] = fixture_layer(f, 2, 1, 0);
    w->layers[2] = fixture_layer(f, 3, 0, 0);
    w->app = fixture_image(f, w->layers, 2, "2024-01-01T00:00:00Z");
    w->other = fixture_image(f, &w->layers[2], 1, "2024-01-02T00:00:00Z");
    assert_ok(cf_name_set(f->store, "app:1", &w->app, &err), err);
    assert_ok(cf_name_set(f->store, "other:1", &w->other, &err), err);
    merged(f, w->layers, 2);
    merged(f, &w->layers[2], 1);
    fixture_mount(f, "00000000000000aa", &w->other, NULL);
}

static void collect_line(const char *problem, void *context)
{
    cf_buf_printf(context, "%s\n", problem);
}

static int check(struct fixture *f, bool deep, bool repair, struct cf_fsck_result *ret_result,
                 struct cf_buf *lines)
{
    struct cf_error err = {0};

    fixture_reopen(f, repair ? CF_STORE_EXCLUSIVE : 0);
    cf_buf_clear(lines);
    int r = cf_store_fsck(f->store, deep, repair, collect_line, lines, ret_result, &err);
    if (r != 0 && (r != -EBADMSG || !strstr(err.text, "problem")))
        fail_msg("fsck: %d %s", r, err.text);
    fixture_reopen(f, 0);
    return r;
}

/* ---- the damages ---- */

static void flip(struct fixture *f, const char *path, off_t offset)
{
    unsigned char byte;

    assert_int_equal(fchmodat(cf_store_root_fd(f->store), path, 0600, 0), 0);
    int fd = openat(cf_store_root_fd(f->store), path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void cut(struct fixture *f, const char *path)
{
    assert_int_equal(fchmodat(cf_store_root_fd(f->store), path, 0600, 0), 0);
    int fd = openat(cf_store_root_fd(f->store), path, O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
}

static void drop(struct fixture *f, const char *path)
{
    assert_int_equal(cf_remove_tree(cf_store_root_fd(f->store), path), 0);
}

static void write_to(struct fixture *f, const char *path, const char *text)
{
    assert_int_equal(cf_replace_file(cf_store_root_fd(f->store), path, text, strlen(text), 0600),
                     0);
}

static const char *path_of(const char *format, const struct cf_digest *digest)
{
    static char path[200];
    char hex[CF_DIGEST_HEX_SIZE];
    const char *at = strchr(format, '*');

    cf_digest_hex(digest, hex);
    snprintf(path, sizeof(path), "%.*s%s%s", (int)(at - format), format, hex, at + 1);
    return path;
}

static const char *object_of(struct world *w, unsigned n)
{
    static char path[100];
    struct cf_digest digest = fixture_object(w->f, n);

    memcpy(path, "objects/", 8);
    cf_object_path(&digest, path + 8);
    return path;
}

static struct cf_digest config_of(struct world *w)
{
    struct cf_image *image = NULL;

    assert_int_equal(cf_image_load(w->f->store, &w->app, &image, NULL), 0);
    struct cf_digest digest = image->config;
    cf_image_free(image);
    return digest;
}

static struct cf_digest chain_of(struct world *w)
{
    struct cf_digest chain;

    cf_chain_id(w->layers, 2, &chain);
    return chain;
}

static void object_flipped(struct world *w)
{
    flip(w->f, object_of(w, 2), 4321);
}

static void object_cut(struct world *w)
{
    cut(w->f, object_of(w, 2));
}

static void object_gone(struct world *w)
{
    drop(w->f, object_of(w, 2));
}

static void recipe_object_gone(struct world *w)
{
    drop(w->f, object_of(w, 11));
}

static void manifest_flipped(struct world *w)
{
    flip(w->f, path_of("blobs/sha256/*", &w->app), 30);
}

static void manifest_gone(struct world *w)
{
    drop(w->f, path_of("blobs/sha256/*", &w->app));
}

static void config_flipped(struct world *w)
{
    struct cf_digest config = config_of(w);

    flip(w->f, path_of("blobs/sha256/*", &config), 20);
}

static void config_gone(struct world *w)
{
    struct cf_digest config = config_of(w);

    drop(w->f, path_of("blobs/sha256/*", &config));
}

static void loose_blob_flipped(struct world *w)
{
    struct cf_digest loose = fixture_image(w->f, NULL, 0, "2024-05-05T00:00:00Z");

    flip(w->f, path_of("blobs/sha256/*", &loose), 30);
}

static void layer_tree_flipped(struct world *w)
{
    flip(w->f, path_of("layers/*/tree", &w->layers[0]), 1024 + 77);
}

static void layer_tree_gone(struct world *w)
{
    drop(w->f, path_of("layers/*/tree", &w->layers[0]));
}

static void layer_recipe_flipped(struct world *w)
{
    flip(w->f, path_of("layers/*/recipe", &w->layers[0]), 50);
}

static void layer_forms_cut(struct world *w)
{
    cut(w->f, path_of("layers/*/blobs.json", &w->layers[0]));
}

static void layer_gone(struct world *w)
{
    drop(w->f, path_of("layers/*", &w->layers[0]));
}

static void merged_flipped(struct world *w)
{
    struct cf_digest chain = chain_of(w);

    flip(w->f, path_of("trees/*", &chain), 1024 + 77);
}

static void merged_cut(struct world *w)
{
    struct cf_digest chain = chain_of(w);

    cut(w->f, path_of("trees/*", &chain));
}

static void merged_sum_gone(struct world *w)
{
    struct cf_digest chain = chain_of(w);

    drop(w->f, path_of("trees/*.sum", &chain));
}

static void loose_merged_flipped(struct world *w)
{
    merged(w->f, &w->layers[0], 1);
    flip(w->f, path_of("trees/*", &w->layers[0]), 1024 + 77);
}

static void name_rubbish(struct world *w)
{
    write_to(w->f, "names/app/@1", "rubbish");
}

static void name_stray(struct world *w)
{
    write_to(w->f, "names/stray", "");
}

static void name_dangling(struct world *w)
{
    char text[80];

    memset(text, 'a', sizeof(text));
    memcpy(text, "sha256:", 7);
    memcpy(text + 71, "\n", 2);
    write_to(w->f, "names/app/@1", text);
}

static void mount_json_cut(struct world *w)
{
    write_to(w->f, "mounts/00000000000000aa/mount.json", "{\"manifest\":\"sha256:ab");
}

static void mount_image_gone(struct world *w)
{
    assert_int_equal(cf_name_remove(w->f->store, "other:1", NULL), 0);
    drop(w->f, path_of("blobs/sha256/*", &w->other));
}

static const struct damage {
    const char *name;
    void (*make)(struct world *w);
    const char *line;
    bool deep_only;
    uint64_t damaged, missing;
    int after_repair; /* of a second fsck */
    bool app_stays;   /* the name app:1 is there after the repair */
} damages[] = {
    {"object flipped", object_flipped, "its content does not match its name; layer sha256:", true,
     1, 0, -EBADMSG, true},
    {"object cut", object_cut, "its content does not match its name; layer sha256:", false, 1, 0,
     -EBADMSG, true},
    {"object gone", object_gone, "is missing; layer sha256:", false, 0, 1, -EBADMSG, true},
    {"recipe's object gone", recipe_object_gone, "is missing; layer sha256:", false, 0, 1, -EBADMSG,
     true},
    {"manifest flipped", manifest_flipped, "blobs/sha256/", false, 2, 0, 0, false},
    {"manifest gone", manifest_gone, "name app:1 is lost: image sha256:", false, 0, 1, 0, false},
    {"config flipped", config_flipped, "blobs/sha256/", false, 2, 0, 0, false},
    {"config gone", config_gone, "name app:1 is lost: image sha256:", false, 0, 1, 0, false},
    {"loose blob flipped", loose_blob_flipped, "blobs/sha256/", false, 1, 0, 0, true},
    {"tree flipped", layer_tree_flipped, "/tree is damaged", false, 2, 0, 0, false},
    {"tree gone", layer_tree_gone, "/tree is damaged", false, 2, 0, 0, false},
    {"recipe flipped", layer_recipe_flipped, "/recipe is damaged", false, 2, 0, 0, false},
    {"forms cut", layer_forms_cut, "/blobs.json is damaged", false, 2, 0, 0, false},
    {"layer gone", layer_gone, "name app:1 is lost: layer sha256:", false, 0, 1, 0, false},
    {"merged tree flipped", merged_flipped, "trees/", false, 1, 0, 0, true},
    {"merged tree cut", merged_cut, "trees/", false, 1, 0, 0, true},
    {"merged tree's sum gone", merged_sum_gone, "trees/", false, 1, 0, 0, true},
    {"loose merged tree flipped", loose_merged_flipped, "trees/", false, 1, 0, 0, true},
    {"name of rubbish", name_rubbish, "names/app/@1 is damaged", false, 1, 0, 0, false},
    {"stray file in names", name_stray, "names/stray is damaged", false, 1, 0, 0, true},
    {"dangling name", name_dangling, "name app:1 is lost: image sha256:aaaa", false, 0, 1, 0,
     false},
    {"mount.json cut", mount_json_cut, "mount.json is damaged; its edits are in", false, 1, 0, 0,
     true},
    {"mount's image gone", mount_image_gone, "mount 00000000000000aa lacks its image", false, 0, 1,
     -EBADMSG, true},
};

static void with_world(struct world *w, void **fresh)
{
    fixture_setup(fresh);
    make_world(w, *fresh);
}

static void a_whole_store_is_clean_and_everything_is_counted(void **state)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    struct cf_fsck_result result;
    struct world w;
    void *fresh;

    (void)state;
    with_world(&w, &fresh);
    for (int deep = 0; deep < 2; deep++)
        for (int repair = 0; repair < 2; repair++) {
            assert_int_equal(check(w.f, deep, repair, &result, &lines), 0);
            assert_int_equal(lines.len, 0);
            assert_int_equal(result.damaged + result.missing + result.repaired, 0);
            assert_int_equal(result.objects, 5);
            assert_int_equal(result.layers, 3);
            assert_int_equal(result.trees, 2);
            assert_int_equal(result.blobs, 4);
            assert_int_equal(result.names, 2);
            assert_int_equal(result.mounts, 1);
        }
    fixture_teardown(&fresh);
}

static void every_damage_is_found_and_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(damages); i++) {
        const struct damage *d = &damages[i];
        struct cf_buf lines cf_autobuf = CF_BUF_INIT;
        struct cf_fsck_result result;
        struct world w;
        void *fresh;
        with_world(&w, &fresh);
        d->make(&w);
        int shallow = check(w.f, false, false, &result, &lines);
        if (shallow != (d->deep_only ? 0 : -EBADMSG))
            fail_msg("%s: a shallow fsck says %d", d->name, shallow);
        if (check(w.f, true, false, &result, &lines) != -EBADMSG)
            fail_msg("%s was not found", d->name);
        if (!strstr(lines.data, d->line))
            fail_msg("%s: '%s' lacks '%s'", d->name, lines.data, d->line);
        if (result.damaged != d->damaged || result.missing != d->missing || result.repaired)
            fail_msg("%s: %d damaged, %d missing:\n%s", d->name, (int)result.damaged,
                     (int)result.missing, lines.data);
        fixture_teardown(&fresh);
    }
}

static void a_repair_leaves_what_can_be_saved_and_the_rest_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(damages); i++) {
        const struct damage *d = &damages[i];
        struct cf_buf lines cf_autobuf = CF_BUF_INIT;
        struct cf_fsck_result result;
        struct cf_digest found;
        struct world w;
        void *fresh;
        with_world(&w, &fresh);
        d->make(&w);
        int repaired = check(w.f, true, true, &result, &lines);
        if (repaired != d->after_repair)
            fail_msg("%s: the repair says %d:\n%s", d->name, repaired, lines.data);
        int again = check(w.f, true, false, &result, &lines);
        if (again != d->after_repair)
            fail_msg("%s: after the repair %d:\n%s", d->name, again, lines.data);
        if ((cf_name_get(w.f->store, "app:1", &found) == 0) != d->app_stays)
            fail_msg("%s: app:1 is %s", d->name, d->app_stays ? "gone" : "still there");
        fixture_teardown(&fresh);
    }
}

static void loading_a_layer_again_heals_lost_objects(void **state)
{
    static void (*const losses[])(struct world *) = {object_flipped, object_cut, object_gone};

    (void)state;
    for (size_t i = 0; i < CF_COUNT(losses); i++) {
        struct cf_buf lines cf_autobuf = CF_BUF_INIT;
        struct cf_fsck_result result;
        struct world w;
        void *fresh;
        with_world(&w, &fresh);
        losses[i](&w);
        assert_int_equal(check(w.f, true, true, &result, &lines), -EBADMSG);
        assert_false(cf_layer_exists(w.f->store, &w.layers[1]));
        assert_true(cf_layer_exists(w.f->store, &w.layers[0]));
        fixture_layer(w.f, 2, 1, 0);
        assert_true(cf_layer_exists(w.f->store, &w.layers[1]));
        assert_int_equal(check(w.f, true, false, &result, &lines), 0);
        fixture_teardown(&fresh);
    }
}

static void an_object_put_back_by_hand_ends_the_mark_of_its_layer(void **state)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    struct cf_fsck_result result;
    struct world w;
    void *fresh;

    (void)state;
    with_world(&w, &fresh);
    object_gone(&w);
    assert_int_equal(check(w.f, true, true, &result, &lines), -EBADMSG);
    assert_false(cf_layer_exists(w.f->store, &w.layers[1]));
    fixture_object(w.f, 2);
    assert_int_equal(check(w.f, true, true, &result, &lines), 0);
    assert_true(cf_layer_exists(w.f->store, &w.layers[1]));
    fixture_teardown(&fresh);
}

static void the_edits_of_a_mount_survive_a_repair_and_a_collection(void **state)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    struct cf_fsck_result result;
    struct cf_gc_result collected;
    struct cf_error err = {0};
    struct world w;
    void *fresh;

    (void)state;
    with_world(&w, &fresh);
    write_to(w.f, "mounts/00000000000000aa/upper/edit", "mine");
    mount_json_cut(&w);
    assert_int_equal(check(w.f, false, true, &result, &lines), 0);
    fixture_reopen(w.f, CF_STORE_EXCLUSIVE);
    assert_ok(cf_store_gc(w.f->store, false, &collected, &err), err);
    assert_int_equal(
        faccessat(cf_store_mounts_fd(w.f->store), "00000000000000aa/upper/edit", F_OK, 0), 0);
    assert_int_equal(
        faccessat(cf_store_mounts_fd(w.f->store), "00000000000000aa/mount.json.damaged", F_OK, 0),
        0);
    fixture_teardown(&fresh);
}

static void a_half_written_object_that_nothing_needs_is_no_problem(void **state)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    struct cf_fsck_result result;
    struct world w;
    void *fresh;

    (void)state;
    with_world(&w, &fresh);
    cut(w.f, object_of(&w, 55));
    assert_int_equal(check(w.f, true, false, &result, &lines), 0);
    assert_int_equal(check(w.f, true, true, &result, &lines), 0);
    assert_int_equal(result.objects, 6);
    assert_int_equal(check(w.f, true, true, &result, &lines), 0);
    assert_int_equal(result.objects, 5);
    fixture_teardown(&fresh);
}

static void a_repair_without_the_exclusive_lock_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cf_fsck_result result;
    struct cf_error err = {0};

    assert_int_equal(cf_store_fsck(f->store, true, true, NULL, NULL, &result, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_store_is_clean_and_everything_is_counted),
        cmocka_unit_test(every_damage_is_found_and_told),
        cmocka_unit_test(a_repair_leaves_what_can_be_saved_and_the_rest_works),
        cmocka_unit_test(loading_a_layer_again_heals_lost_objects),
        cmocka_unit_test(an_object_put_back_by_hand_ends_the_mark_of_its_layer),
        cmocka_unit_test(the_edits_of_a_mount_survive_a_repair_and_a_collection),
        cmocka_unit_test(a_half_written_object_that_nothing_needs_is_no_problem),
        cmocka_unit_test_setup_teardown(a_repair_without_the_exclusive_lock_is_refused,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
