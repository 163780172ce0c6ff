/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's crash order: each piece of work is killed, and made to fail, at each of its system
 * calls that change something. Afterwards the store is whole, and shows the old state or the new.
 */
#include "image_fixture.h"

#include "fault.h"

struct world {
    struct fixture *f;
    struct cf_digest layer, old, next; /* next: zero until it was made */
};

/* The child's own store handle: locks and notes are not the parent's. */
static struct cf_store *child_open(struct world *w, unsigned flags)
{
    struct cf_store *store = NULL;

    return cf_store_open(w->f->root, flags, &store, NULL) < 0 ? NULL : store;
}

static int verdict(struct cf_store *store, int r, const struct cf_error *err)
{
    cf_store_close(store);
    if (r == 0)
        return 0;
    /* One clear line with the reason. */
    bool clear = err->code == r && strstr(err->text, strerror(-r)) && !strchr(err->text, '\n');
    return clear ? 1 : 2;
}

/* ---- the pieces of work ---- */

static int put_layer(struct cf_store *store, struct cf_digest *diff_id, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_object_writer *writer cf_cleanup(cf_object_writer_free_ptr) = NULL;
    struct cf_layer_draft draft = {.fd = -1};
    struct cf_inode inode = {.mode = S_IFREG | 0644, .nlink = 1};
    struct cf_digest small, big;
    struct cf_node *node;
    uint64_t size = 0;
    char *data cf_autofree = calloc(1, 3 << 20);

    memset(data, 'n', 3 << 20);
    int r = cf_object_put(store, data, 5001, &small, err);
    if (r == 0)
        r = cf_object_writer_new(store, 3 << 20, &writer, err);
    if (r == 0)
        r = cf_object_writer_add(writer, data, 3 << 20, err);
    if (r == 0)
        r = cf_object_writer_finish(writer, &big, &size, err);
    if (r == 0)
        r = cf_builder_new(cf_store_tmp_fd(store), &builder, err);
    if (r < 0)
        return r;
    if (cf_node_add(builder, cf_builder_root(builder), "small", 5, &inode, &node) < 0 ||
        cf_node_set_object(builder, node, &small, 5001) < 0 ||
        cf_node_add(builder, cf_builder_root(builder), "big", 3, &inode, &node) < 0 ||
        cf_node_set_object(builder, node, &big, size) < 0)
        return cf_fail_errno(err, ENOSPC, "build");
    r = cf_layer_draft_new(store, &draft, err);
    if (r < 0)
        return r;
    int tree cf_autoclose = openat(draft.fd, "tree", O_RDWR | O_CREAT | O_CLOEXEC, 0444);
    int recipe cf_autoclose = openat(draft.fd, "recipe", O_RDWR | O_CREAT | O_CLOEXEC, 0444);
    cf_digest_of("new layer", 9, diff_id);
    if (tree < 0 || recipe < 0)
        r = cf_fail_errno(err, errno, "make a layer's files");
    struct cf_layer_form form = {*diff_id, 10240, CF_MEDIA_LAYER};
    if (r == 0)
        r = cf_builder_write(builder, diff_id, tree, err);
    if (r == 0)
        r = cf_layer_forms_write(draft.fd, &form, 1, err);
    if (r == 0)
        r = cf_layer_draft_publish(store, &draft, diff_id, err);
    cf_layer_draft_drop(store, &draft);
    return r;
}

static int put_image(struct cf_store *store, const struct cf_digest *diff_ids,
                     struct cf_digest *ret_manifest, struct cf_error *err)
{
    struct cf_buf config cf_autobuf = CF_BUF_INIT, manifest cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    char one[CF_DIGEST_TEXT_SIZE], two[CF_DIGEST_TEXT_SIZE], text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(&diff_ids[0], one);
    cf_digest_text(&diff_ids[1], two);
    cf_buf_printf(&config, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\",\"%s\"]}}", one,
                  two);
    int r = cf_blob_put(store, config.data, config.len, &digest, err);
    if (r < 0)
        return r;
    cf_digest_text(&digest, text);
    cf_buf_printf(&manifest,
                  "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" CF_MEDIA_CONFIG
                  "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":["
                  "{\"mediaType\":\"" CF_MEDIA_LAYER "\",\"digest\":\"%s\",\"size\":1},"
                  "{\"mediaType\":\"" CF_MEDIA_LAYER "\",\"digest\":\"%s\",\"size\":2}]}",
                  text, config.len, one, two);
    return cf_blob_put(store, manifest.data, manifest.len, ret_manifest, err);
}

static int publish_image(void *context)
{
    struct world *w = context;
    struct cf_error err = {0};
    struct cf_digest ids[2] = {w->layer}, manifest;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_store *store = child_open(w, 0);

    if (!store)
        return 1;
    int r = put_layer(store, &ids[1], &err);
    if (r == 0)
        r = cf_store_merged_tree(store, ids, 2, &tree, NULL, &err);
    if (r == 0)
        r = put_image(store, ids, &manifest, &err);
    if (r == 0)
        r = cf_name_set(store, "deep/app:1", &manifest, &err);
    if (r == 0)
        r = cf_name_set(store, "a/new/name:1", &manifest, &err);
    return verdict(store, r, &err);
}

static int add_form(void *context)
{
    struct world *w = context;
    struct cf_error err = {0};
    struct cf_layer_form form = {{{9}}, 5, CF_MEDIA_LAYER_GZIP};
    struct cf_store *store = child_open(w, 0);

    return store ? verdict(store, cf_layer_form_add(store, &w->layer, &form, &err), &err) : 1;
}

static int collect(void *context)
{
    struct cf_error err = {0};
    struct cf_gc_result result;
    struct cf_store *store = child_open(context, CF_STORE_EXCLUSIVE);

    return store ? verdict(store, cf_store_gc(store, false, &result, &err), &err) : 1;
}

static int remove_image(void *context)
{
    struct cf_error err = {0};
    size_t untagged;
    bool deleted;
    struct cf_store *store = child_open(context, 0);

    if (!store)
        return 1;
    return verdict(store, cf_image_remove(store, "deep/app:1", false, &untagged, &deleted, &err),
                   &err);
}

/* ---- the state before and after ---- */

static void clean_up(struct world *w)
{
    struct cf_gc_result result;
    struct cf_error err = {0};

    fixture_reopen(w->f, CF_STORE_EXCLUSIVE);
    assert_ok(cf_store_gc(w->f->store, false, &result, &err), err);
    assert_int_equal(fixture_files(w->f, "tmp"), 0);
    fixture_reopen(w->f, 0);
}

/* deep/app:1 is the old image; nothing else is there. */
static void old_state(struct world *w)
{
    struct cf_error err = {0};

    (void)cf_name_remove(w->f->store, "a/new/name:1", NULL);
    w->layer = fixture_layer(w->f, 1, 0, 11);
    w->old = fixture_image(w->f, &w->layer, 1, "2024-01-01T00:00:00Z");
    assert_ok(cf_name_set(w->f->store, "deep/app:1", &w->old, &err), err);
    clean_up(w);
}

/* And what gc would remove: a named image that lost its name, with all that belongs to it. */
static void litter_state(struct world *w)
{
    old_state(w);
    assert_int_equal(publish_image(w), 0);
    struct cf_error err = {0};
    assert_ok(cf_name_set(w->f->store, "deep/app:1", &w->old, &err), err);
    assert_int_equal(cf_name_remove(w->f->store, "a/new/name:1", &err), 0);
}

static void problem(const char *text, void *context)
{
    cf_buf_printf(context, "%s\n", text);
}

static void assert_whole(struct world *w, unsigned n)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    struct cf_fsck_result result;
    struct cf_error err = {0};
    struct cf_image *image = NULL;

    int r = cf_store_fsck(w->f->store, true, false, problem, &lines, &result, &err);
    if (r < 0)
        fail_msg("call %u: %s\n%s", n, err.text, lines.data);
    r = cf_image_find(w->f->store, "deep/app:1", &image, &err);
    if (r < 0 && r != -ENOENT)
        fail_msg("call %u: %s", n, err.text);
    cf_image_free(image);
}

static bool app_is_old(struct world *w)
{
    struct cf_digest found;

    return cf_name_get(w->f->store, "deep/app:1", &found) == 0 && cf_digest_equal(&found, &w->old);
}

static bool app_is_there(struct world *w)
{
    struct cf_digest found;

    return cf_name_get(w->f->store, "deep/app:1", &found) == 0;
}

static bool form_is_old(struct world *w)
{
    struct cf_digest digest = {{9}}, found;

    return cf_layer_by_form(w->f->store, &digest, &found) == -ENOENT;
}

static const struct piece {
    const char *name;
    fault_work *work;
    void (*prepare)(struct world *w);
    bool (*is_old)(struct world *w); /* once it is false it stays false */
    unsigned least;                  /* calls that it makes, as a guard against a test of nothing */
} pieces[] = {
    {"publish an image", publish_image, old_state, app_is_old, 40},
    {"add a form", add_form, old_state, form_is_old, 4},
    {"collect garbage", collect, litter_state, app_is_old, 8},
    {"remove an image", remove_image, old_state, app_is_there, 4},
};

static void run_piece(const struct piece *piece, enum fault_kind kind, int code)
{
    struct world w = {0};
    void *fresh;

    fixture_setup(&fresh);
    w.f = fresh;
    bool finished = false;
    unsigned seen = 0;
    for (unsigned n = 1; !finished; n++) {
        piece->prepare(&w);
        cf_store_close(w.f->store);
        w.f->store = NULL;
        int r = fault_run(piece->work, &w, kind, code, n, &seen);
        fixture_reopen(w.f, 0);
        if (r == FAULT_BROKEN || r == 2)
            fail_msg("%s: call %u: verdict %d", piece->name, n, r);
        finished = seen < n;
        assert_whole(&w, n);
        if ((finished || (kind == FAULT_FAIL && r == 0)) && piece->is_old(&w) &&
            piece->work != collect)
            fail_msg("%s: call %u: finished, and still the old state", piece->name, n);
        if (n == 1 && kind == FAULT_KILL && !piece->is_old(&w))
            fail_msg("%s: the new state before anything was done", piece->name);
    }
    assert_true(seen >= piece->least);
    fixture_teardown(&fresh);
}

static void killed_at_any_call_the_store_is_whole_and_old_or_new(void **state)
{
    (void)state;
    if (!fault_possible())
        skip();
    for (size_t i = 0; i < CF_COUNT(pieces); i++)
        run_piece(&pieces[i], FAULT_KILL, 0);
}

static void with_a_full_disk_at_any_call_the_store_is_whole(void **state)
{
    (void)state;
    if (!fault_possible())
        skip();
    for (size_t i = 0; i < CF_COUNT(pieces); i++)
        run_piece(&pieces[i], FAULT_FAIL, -ENOSPC);
}

static void with_a_failing_disk_at_any_call_the_store_is_whole(void **state)
{
    (void)state;
    if (!fault_possible())
        skip();
    for (size_t i = 0; i < CF_COUNT(pieces); i++)
        run_piece(&pieces[i], FAULT_FAIL, -EIO);
}

int main(void)
{
    /* A kill does not lose what the kernel holds: memory serves as well as a disk, and is quick. */
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_call_the_store_is_whole_and_old_or_new),
        cmocka_unit_test(with_a_full_disk_at_any_call_the_store_is_whole),
        cmocka_unit_test(with_a_failing_disk_at_any_call_the_store_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
