/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form: the same tree gives the same bytes, whatever way it came. */
#include "layer_fixture.h"

#include <sys/xattr.h>

static struct cf_builder *new_builder(struct fixture *f)
{
    struct cf_builder *builder = NULL;
    struct cf_error err = {0};
    assert_ok(cf_builder_new(cf_store_tmp_fd(f->store), &builder, &err), err);
    return builder;
}

static struct cf_node *add(struct cf_builder *builder, struct cf_node *dir, const char *name,
                           mode_t mode)
{
    const struct cf_inode inode = {.mode = mode, .mtime_sec = 1000000000};
    struct cf_node *node = NULL;
    assert_int_equal(cf_node_add(builder, dir, name, strlen(name), &inode, &node), 0);
    return node;
}

static void inline_text(struct cf_builder *builder, struct cf_node *node, const char *text)
{
    assert_int_equal(cf_node_set_inline(builder, node, text, strlen(text)), 0);
}

/* The same little layer, its names put in forwards or backwards. */
static void fill(struct fixture *f, struct cf_builder *builder, bool backwards)
{
    static const char *const names[] = {"a", "a-b", "b", "gone", "link", "z-first", "zz"};
    struct cf_node *root = cf_builder_root(builder), *dir, *shared = NULL;
    struct cf_error err = {0};
    char big[5000];
    struct cf_digest digest;

    memset(big, 'B', sizeof big);
    assert_ok(cf_object_put(f->store, big, sizeof big, &digest, &err), err);
    dir = add(builder, root, "dir", S_IFDIR | 0755);
    assert_int_equal(cf_node_set_xattr(builder, dir, CF_XATTR_OPAQUE, "y", 1), 0);
    for (size_t i = 0; i < CF_COUNT(names); i++) {
        const char *name = names[backwards ? CF_COUNT(names) - 1 - i : i];
        struct cf_node *node;
        if (strcmp(name, "link") == 0) {
            node = add(builder, dir, name, S_IFLNK | 0777);
            assert_int_equal(cf_node_set_symlink(builder, node, "../x", 4), 0);
        } else if (strcmp(name, "gone") == 0) {
            (void)add(builder, dir, name, S_IFCHR);
        } else if (name[0] == 'z' && shared) {
            assert_int_equal(cf_node_link(builder, dir, name, strlen(name), shared), 0);
        } else if (name[0] == 'z') {
            shared = add(builder, dir, name, S_IFREG | 0600);
            assert_int_equal(cf_node_set_object(builder, shared, &digest, sizeof big), 0);
        } else {
            node = add(builder, dir, name, S_IFREG | 0644);
            inline_text(builder, node, name);
            assert_int_equal(cf_node_set_xattr(builder, node, "user.b", "2", 1), 0);
            assert_int_equal(cf_node_set_xattr(builder, node, "user.a", "1", 1), 0);
        }
    }
}

static void the_order_of_edits_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct cf_builder *forwards = new_builder(f), *backwards = new_builder(f);
    struct cf_buf one cf_autobuf = CF_BUF_INIT, two cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};

    fill(f, forwards, false);
    fill(f, backwards, true);
    assert_ok(cf_layer_write_canonical(f->store, forwards, NULL, collect, &one, &err), err);
    assert_ok(cf_layer_write_canonical(f->store, backwards, NULL, collect, &two, &err), err);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    cf_builder_free(forwards);
    cf_builder_free(backwards);
}

static void a_built_layer_needs_no_recipe_and_reads_back_the_same(void **state)
{
    struct fixture *f = *state;
    struct cf_builder *builder = new_builder(f);
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, again cf_autobuf = CF_BUF_INIT;
    struct cf_buf before cf_autobuf = CF_BUF_INIT, after cf_autobuf = CF_BUF_INIT;
    struct cf_layer_info info, reread;
    const struct cf_layer_build_options options = {0};
    const struct cf_layer_read_options canonical = {.canonical = true};
    struct cf_error err = {0};
    struct cf_digest digest;
    struct stat st;

    fill(f, builder, false);
    assert_ok(cf_layer_build(f->store, builder, &options, &info, &err), err);
    cf_builder_free(builder);
    assert_false(info.existed);
    assert_int_equal(info.newest_sec, 1000000000);
    assert_ok(cf_layer_write(f->store, &info.diff_id, collect, &tar, &err), err);
    cf_digest_of(tar.data, tar.len, &digest);
    assert_memory_equal(&digest, &info.diff_id, sizeof digest);
    assert_int_equal(info.tar_size, tar.len);
    int dir = cf_layer_open(f->store, &info.diff_id, &err);
    assert_int_equal(fstatat(dir, "recipe", &st, 0), 0);
    (void)close(dir);
    assert_int_equal(st.st_size, 0);

    struct cf_tree *tree = tree_of(f, &info);
    list_dir(tree, cf_tree_root(tree), "", &before);
    cf_tree_close(tree);
    /* A store that never saw it: from the tar, as it is and as canonical import. */
    assert_int_equal(cf_remove_tree(cf_store_root_fd(f->store), "layers"), 0);
    assert_int_equal(mkdirat(cf_store_root_fd(f->store), "layers", 0700), 0);
    fixture_reopen(f, 0);
    assert_ok(read_layer(f, &tar, &canonical, &reread, &err), err);
    assert_memory_equal(&reread.diff_id, &info.diff_id, sizeof digest);
    assert_false(reread.existed);
    tree = tree_of(f, &reread);
    list_dir(tree, cf_tree_root(tree), "", &after);
    cf_tree_close(tree);
    assert_string_equal(before.data, after.data);
    assert_ok(cf_layer_write(f->store, &info.diff_id, collect, &again, &err), err);
    assert_int_equal(again.len, tar.len);
}

/* A further oracle: what GNU tar sees in it, and that it has nothing to complain of. */
static void tar_programs_read_it(void **state)
{
    struct fixture *f = *state;
    struct cf_builder *builder = new_builder(f);
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    char path[256], command[512], line[512] = "";
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    fill(f, builder, false);
    struct cf_node *dir = cf_node_child(builder, cf_builder_root(builder), "dir", 3);
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    struct cf_node *node = add(builder, dir, name, S_IFREG | 0644);
    struct cf_inode inode = {.mode = S_IFREG | 0644,
                             .uid = 3000000,
                             .gid = 4000000000u,
                             .mtime_sec = -86400,
                             .mtime_nsec = 250000000};
    cf_node_set_inode(node, &inode);
    assert_ok(cf_layer_write_canonical(f->store, builder, NULL, collect, &tar, &err), err);
    cf_builder_free(builder);
    (void)snprintf(path, sizeof path, "%s/c.tar", f->dir);
    assert_int_equal(cf_replace_file(AT_FDCWD, path, tar.data, tar.len, 0600), 0);
    (void)snprintf(command, sizeof command,
                   "TZ=UTC tar --full-time --numeric-owner -tvf %s 2>&1; echo status $?", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof line, pipe))
        cf_buf_add_str(&text, line);
    (void)pclose(pipe);
    assert_non_null(strstr(text.data, "status 0"));
    assert_non_null(strstr(text.data, "drwxr-xr-x 0/0               0 2001-09-09 01:46:40 dir/\n"));
    assert_non_null(strstr(text.data, " dir/.wh..wh..opq\n"));
    assert_true(strstr(text.data, "dir/.wh..wh..opq") < strstr(text.data, "dir/.wh.gone"));
    assert_true(strstr(text.data, "dir/.wh.gone") < strstr(text.data, "dir/a\n"));
    assert_non_null(strstr(text.data, "3000000/4000000000"));
    assert_non_null(strstr(text.data, "dir/zz link to dir/z-first\n"));
    assert_non_null(strstr(text.data, "dir/link -> ../x\n"));
    (void)snprintf(command, sizeof command, "tar --no-same-owner -C %s -xf %s 2>/dev/null", f->dir,
                   path);
    assert_int_equal(system(command), 0);
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/dir/n", f->dir);
    (void)snprintf(command, sizeof command, "%s%s", path, name + 1);
    assert_int_equal(stat(command, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, -86400);
    assert_int_equal(st.st_mtim.tv_nsec, 250000000);
}

static void an_empty_builder_makes_the_layer_of_no_entries(void **state)
{
    struct fixture *f = *state;
    struct cf_builder *builder = new_builder(f);
    const struct cf_layer_build_options options = {0};
    struct cf_layer_info info;
    struct cf_error err = {0};
    struct cf_digest digest;
    static const char zeros[1024];

    assert_ok(cf_layer_build(f->store, builder, &options, &info, &err), err);
    cf_builder_free(builder);
    cf_digest_of(zeros, sizeof zeros, &digest);
    assert_memory_equal(&info.diff_id, &digest, sizeof digest);
    assert_int_equal(info.entries, 0);
}

/* ---- content that a caller brings ---- */

struct brought {
    struct fixture *f;
    uint64_t size, at;
    unsigned opened, closed, done;
    bool shorter;
    struct cf_digest digest;
};

static void pattern(uint64_t at, unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (unsigned char)((at + i) * 2654435761u >> 13);
}

static int open_brought(void *context, struct cf_node *node, struct cf_error *err)
{
    struct brought *b = context;
    (void)node;
    (void)err;
    b->opened++;
    b->at = 0;
    return 0;
}

static ssize_t read_brought(void *context, struct cf_node *node, void *data, size_t len,
                            struct cf_error *err)
{
    struct brought *b = context;
    (void)node;
    (void)err;
    if (b->shorter && b->at > b->size / 2)
        return 0;
    len = len > 10007 ? 10007 : len;
    pattern(b->at, data, len);
    b->at += len;
    return (ssize_t)len;
}

static int close_brought(void *context, struct cf_node *node, struct cf_error *err)
{
    struct brought *b = context;
    (void)node;
    (void)err;
    b->closed++;
    return 0;
}

static int brought_is_done(void *context, struct cf_node *node, const struct cf_digest *digest,
                           uint64_t size, struct cf_error *err)
{
    struct brought *b = context;
    unsigned char *all = malloc(size);
    struct cf_content content;
    assert_int_equal(b->closed, b->done);
    assert_int_equal(size, b->size);
    assert_int_equal(cf_node_content(node, &content), 0);
    assert_memory_equal(&content.digest, digest, sizeof *digest);
    pattern(0, all, size);
    int r = cf_object_put(b->f->store, all, size, &b->digest, err);
    assert_memory_equal(&b->digest, digest, sizeof *digest);
    free(all);
    b->done++;
    return r;
}

static void content_is_hashed_as_it_is_brought(void **state)
{
    static const uint64_t sizes[] = {2049, 100000, 262144, 700000, 3000001};
    struct fixture *f = *state;

    for (size_t i = 0; i < CF_COUNT(sizes); i++) {
        struct cf_builder *builder = new_builder(f);
        static const struct cf_digest unknown;
        struct brought b = {.f = f, .size = sizes[i]};
        const struct cf_content_source content = {open_brought, read_brought, close_brought, &b};
        const struct cf_layer_build_options options = {
            .content = &content, .file_done = brought_is_done, .file_done_context = &b};
        struct cf_buf tar cf_autobuf = CF_BUF_INIT;
        struct cf_layer_info info;
        struct cf_error err = {0};
        struct cf_node *root = cf_builder_root(builder);
        inline_text(builder, add(builder, root, "a", S_IFREG | 0644), "small");
        for (const char *name = "b"; name; name = *name == 'b' ? "c" : NULL) {
            struct cf_node *node = add(builder, root, name, S_IFREG | 0644);
            assert_int_equal(cf_node_set_object(builder, node, &unknown, sizes[i]), 0);
        }
        assert_ok(cf_layer_build(f->store, builder, &options, &info, &err), err);
        cf_builder_free(builder);
        assert_int_equal(b.opened, 2);
        assert_int_equal(b.closed, 2);
        assert_int_equal(b.done, 2);
        assert_ok(cf_layer_write(f->store, &info.diff_id, collect, &tar, &err), err);
        assert_int_equal(tar.len, info.tar_size);
    }
}

static void content_that_ends_early_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct cf_builder *builder = new_builder(f);
    static const struct cf_digest unknown;
    struct brought b = {.f = f, .size = 1000000, .shorter = true};
    const struct cf_content_source content = {open_brought, read_brought, close_brought, &b};
    const struct cf_layer_build_options options = {.content = &content};
    struct cf_layer_info info;
    struct cf_error err = {0};

    struct cf_node *node = add(builder, cf_builder_root(builder), "short", S_IFREG | 0644);
    assert_int_equal(cf_node_set_object(builder, node, &unknown, b.size), 0);
    assert_int_equal(cf_layer_build(f->store, builder, &options, &info, &err), -EIO);
    cf_builder_free(builder);
    assert_int_equal(b.closed, 1);
    assert_string_equal(err.text, "entry 'short': the file became shorter while it was read");
    assert_int_equal(fixture_files(f, "tmp"), 0);
}

static void names_that_layers_cannot_hold_are_refused(void **state)
{
    struct fixture *f = *state;
    struct cf_builder *builder = new_builder(f);
    const struct cf_layer_build_options options = {0};
    struct cf_layer_info info;
    struct cf_error err = {0};

    (void)add(builder, cf_builder_root(builder), ".wh.x", S_IFREG | 0644);
    assert_int_equal(cf_layer_build(f->store, builder, &options, &info, &err), -EINVAL);
    assert_string_equal(err.text,
                        "entry '.wh.x': names that begin with '.wh.' mean deletions in layers");
    cf_builder_free(builder);
}

/* ---- directories ---- */

static void run(struct fixture *f, const char *command)
{
    char *all = NULL;
    assert_true(asprintf(&all, "cd %s && { %s; } >/dev/null 2>&1", f->dir, command) > 0);
    if (system(all) != 0)
        fail_msg("failed: %s", command);
    free(all);
}

static const char make_dir[] =
    "mkdir -p d/sub/deep d/empty && cd d && head -c 300000 /dev/urandom > random && "
    "ln random sub/again && printf small > sub/small && ln -s ../random sub/link && "
    "truncate -s 3M holes && printf x | dd of=holes bs=1 seek=2000000 conv=notrunc && "
    "mkfifo sub/fifo && : > sub/deep/nothing && chmod 2755 sub && chmod 4711 sub/small && "
    "setfattr -n user.n -v v random; "
    "find . -exec touch -h -d '2021-01-02 03:04:05.000000006 UTC' {} +";

static void a_directory_and_its_tar_are_the_same_layer(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    const struct cf_layer_read_options canonical = {.canonical = true};
    struct cf_layer_info from_dir, from_tar, again;
    struct cf_error err = {0};
    char path[256];

    run(f, make_dir);
    run(f, "tar --format=posix --xattrs --numeric-owner --owner=0 --group=0 --sort=name -C d "
           "-cf d.tar .");
    (void)snprintf(path, sizeof path, "%s/d.tar", f->dir);
    assert_int_equal(cf_read_file(AT_FDCWD, path, 1u << 30, &tar), 0);
    (void)snprintf(path, sizeof path, "%s/d", f->dir);
    assert_ok(cf_layer_import_dir(f->store, path, NULL, &from_dir, &err), err);
    assert_ok(read_layer(f, &tar, &canonical, &from_tar, &err), err);
    struct cf_tree *tree = tree_of(f, &from_dir);
    list_dir(tree, cf_tree_root(tree), "", &text);
    cf_tree_close(tree);
    assert_non_null(strstr(text.data, "random n2 300000"));
    assert_non_null(strstr(text.data, "104711 0:0 1609556645.000000006 sub/small"));
    assert_non_null(strstr(text.data, "42755 0:0 "));
    assert_memory_equal(&from_dir.diff_id, &from_tar.diff_id, sizeof(struct cf_digest));
    assert_true(from_tar.existed);
    assert_ok(cf_layer_import_dir(f->store, path, NULL, &again, &err), err);
    assert_true(again.existed);
    assert_int_equal(again.newest_sec, 1609556645);
    assert_int_equal(again.newest_nsec, 6);
}

static void newer_times_are_clamped(void **state)
{
    struct fixture *f = *state;
    const struct cf_import_dir_options options = {.has_clamp = true, .clamp_sec = 1500000000};
    struct cf_layer_info info;
    struct cf_error err = {0};
    char path[256];

    run(f, make_dir);
    (void)snprintf(path, sizeof path, "%s/d", f->dir);
    assert_ok(cf_layer_import_dir(f->store, path, &options, &info, &err), err);
    assert_int_equal(info.newest_sec, 1500000000);
    assert_int_equal(info.newest_nsec, 0);
}

static void a_directory_of_any_depth_is_imported(void **state)
{
    struct fixture *f = *state;
    struct cf_layer_info info;
    struct cf_error err = {0};
    char path[256];

    run(f, "mkdir deep && cd deep && i=0 && while [ $i -lt 300 ]; do "
           "mkdir -p a/b/c/d/e/f/g/h && cd -P a/b/c/d/e/f/g/h || exit 1; i=$((i+1)); done; "
           "printf x > bottom");
    (void)snprintf(path, sizeof path, "%s/deep", f->dir);
    assert_ok(cf_layer_import_dir(f->store, path, NULL, &info, &err), err);
    assert_int_equal(info.entries, 1 + 2400 + 1);
}

static void what_images_cannot_hold_is_told(void **state)
{
    struct fixture *f = *state;
    struct cf_layer_info info;
    struct cf_error err = {0};
    char path[256], expected[512];

    (void)snprintf(path, sizeof path, "%s/d", f->dir);
    assert_int_equal(cf_layer_import_dir(f->store, path, NULL, &info, &err), -ENOENT);
    run(f, "mkdir -p d/sub && : > d/sub/.wh.x");
    assert_int_equal(cf_layer_import_dir(f->store, path, NULL, &info, &err), -EINVAL);
    (void)snprintf(expected, sizeof expected,
                   "import %s: 'sub/.wh.x': names that begin with '.wh.' mean deletions in layers",
                   path);
    assert_string_equal(err.text, expected);
    if (geteuid() == 0) {
        run(f, "rm d/sub/.wh.x && mknod d/dev c 0 0");
        assert_int_equal(cf_layer_import_dir(f->store, path, NULL, &info, &err), -EINVAL);
        assert_non_null(strstr(err.text, "'dev': a character device 0:0"));
    }
    assert_int_equal(fixture_files(f, "tmp"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_order_of_edits_changes_nothing),
        TEST(a_built_layer_needs_no_recipe_and_reads_back_the_same),
        TEST(tar_programs_read_it),
        TEST(an_empty_builder_makes_the_layer_of_no_entries),
        TEST(content_is_hashed_as_it_is_brought),
        TEST(content_that_ends_early_is_an_error),
        TEST(names_that_layers_cannot_hold_are_refused),
        TEST(a_directory_and_its_tar_are_the_same_layer),
        TEST(newer_times_are_clamped),
        TEST(a_directory_of_any_depth_is_imported),
        TEST(what_images_cannot_hold_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
