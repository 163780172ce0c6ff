/* SPDX-License-Identifier: Apache-2.0 */
#include "archive_fixture.h"

#include <sys/xattr.h>

static void open_target(struct fixture *f, const char *text, struct cf_target *target)
{
    struct cf_error err = {0};
    assert_ok(cf_target_open(f->store, text, target, &err), err);
}

static int list_line(const struct cf_listed *listed, void *context)
{
    return cf_buf_printf(context, "%s%s%s%s%s\n", listed->path,
                         S_ISDIR(listed->inode.mode) ? "/" : "", listed->target ? " -> " : "",
                         listed->target ? listed->target : "",
                         listed->whiteout ? " (whiteout)"
                         : listed->opaque ? " (opaque)"
                                          : "");
}

struct list_row {
    const char *what, *text;
    bool recursive, itself;
    const char *expected;
};

static void lists_tell_what_is_there(void **state)
{
    static const struct list_row rows[] = {
        {"the root", "demo:v1", false, false, "bin/\netc/\nlib -> bin\nlink -> etc/daemon.json\n"},
        {"all of it", "demo:v1", true, false,
         "bin/\nbin/a\nbin/b\netc/\netc/big\netc/daemon.json\nlib -> bin\nlink -> "
         "etc/daemon.json\n"},
        {"a directory", "demo:v1:/etc", false, false, "big\ndaemon.json\n"},
        {"a directory itself", "demo:v1:/etc", false, true, "etc/\n"},
        {"the root itself", "demo:v1:/", false, true, "./\n"},
        {"a file", "demo:v1:etc/big", false, false, "big\n"},
        {"a symlink", "demo:v1:lib", false, false, "lib -> bin\n"},
        {"what a symlink means", "demo:v1:lib/", false, false, "a\nb\n"},
        {"through a symlink", "demo:v1:lib/a", false, false, "a\n"},
        {"an opaque directory hides", "demo:v2:bin", false, false, "new\n"},
        {"a whiteout hides", "demo:v2:etc", false, false, "daemon.json\n"},
    };
    struct fixture *f = *state;

    cf_image_free(demo_image(f, f->store));
    cf_image_free(demo_image_2(f, f->store));
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_target target = {0};
        struct cf_buf lines cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        open_target(f, rows[i].text, &target);
        assert_ok(
            cf_list(f->store, &target, rows[i].recursive, rows[i].itself, list_line, &lines, &err),
            err);
        cf_target_done(&target);
        if (strcmp(lines.data ? lines.data : "", rows[i].expected) != 0)
            fail_msg("%s:\n%s\ninstead of\n%s", rows[i].what, lines.data, rows[i].expected);
    }
}

static void a_layer_shows_its_whiteouts(void **state)
{
    struct fixture *f = *state;
    struct cf_target target = {0};
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    char text[CF_DIGEST_TEXT_SIZE];

    cf_image_free(demo_image(f, f->store));
    struct cf_image *image = demo_image_2(f, f->store);
    cf_digest_text(&image->diff_ids[1], text);
    open_target(f, text, &target);
    assert_ok(cf_list(f->store, &target, true, false, list_line, &lines, &err), err);
    assert_string_equal(lines.data,
                        "bin/ (opaque)\nbin/new\netc/\netc/big (whiteout)\netc/daemon.json\n");
    cf_target_done(&target);
    cf_image_free(image);
}

struct cat_row {
    const char *text, *expected; /* NULL: a failure with number r, and a line with part */
    int r;
    const char *part;
};

static void cat_gives_content_or_one_clear_line(void **state)
{
    static const struct cat_row rows[] = {
        {"demo:v1:etc/daemon.json", "{}\n", 0, NULL},
        {"demo:v2:/etc/daemon.json", "{\"a\": 1}\n", 0, NULL},
        {"demo:v1:link", "{}\n", 0, NULL},
        {"demo:v1:lib/b", "#!/bin/sh\n", 0, NULL},
        {"demo:v1:etc", NULL, -EISDIR, "etc"},
        {"demo:v1:etc/none", NULL, -ENOENT, "etc/none"},
        {"demo:v1:etc/daemon.json/x", NULL, -ENOTDIR, "etc/daemon.json/x"},
    };
    struct fixture *f = *state;

    cf_image_free(demo_image(f, f->store));
    cf_image_free(demo_image_2(f, f->store));
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_target target = {0};
        struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        open_target(f, rows[i].text, &target);
        int r = cf_cat(f->store, &target, collect, &bytes, &err);
        cf_target_done(&target);
        assert_int_equal(r, rows[i].r);
        if (rows[i].expected)
            assert_string_equal(bytes.data, rows[i].expected);
        else
            assert_non_null(strstr(err.text, rows[i].part));
    }
}

static void cat_finds_a_damaged_object(void **state)
{
    struct fixture *f = *state;
    struct cf_target target = {0};
    struct cf_buf bytes cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};

    cf_image_free(demo_image(f, f->store));
    must_run("find %s/objects -type f -exec chmod u+w {} + -exec sed -i s/b/c/ {} +", f->root);
    open_target(f, "demo:v1:etc/big", &target);
    assert_int_equal(cf_cat(f->store, &target, collect, &bytes, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "damaged"));
    cf_target_done(&target);
}

static void extraction_gives_the_same_tree_that_was_imported(void **state)
{
    struct fixture *f = *state;
    struct cf_import_options options = {.name = "dir:1"};
    struct cf_image *image = NULL;
    struct cf_target target = {0};
    struct cf_error err = {0};
    uint64_t skipped = 99;
    char source[160], dest[160];

    in_dir(f, "source", source);
    in_dir(f, "dest", dest);
    must_run(
        "mkdir -p %s/a/b/c %s/deny && cd %s && printf x > a/one && printf '%%05000d' 7 > a/b/two "
        "&& "
        "ln a/b/two a/b/c/three && ln -s ../one a/b/link && mkfifo a/pipe && chmod 640 a/one && "
        "chmod 1777 a/b && touch -d 2020-02-02T02:02:02.5 a/one a/b/link -h && touch -d 2019-01-01 "
        "a",
        source, source, source);
    must_run("chmod 555 %s/deny", source);
    if (geteuid() == 0)
        must_run("cd %s && mknod dev c 1 3 && chown 1000:1001 a/one a/b && setcap cap_net_raw+ep "
                 "a/b/two 2>/dev/null || true",
                 source);
    assert_ok(cf_import(f->store, source, &options, &image, &err), err);
    cf_image_free(image);
    open_target(f, "dir:1", &target);
    assert_ok(cf_extract(f->store, &target, dest, &skipped, &err), err);
    cf_target_done(&target);
    assert_int_equal(skipped, 0);
    /* names, types, modes, owners, links, times and contents */
    must_run(
        "cd %s && find . -printf '%%p %%y %%m %%U:%%G %%n %%l %%T@\\n' | sort > ../source.list && "
        "cd %s && find . -printf '%%p %%y %%m %%U:%%G %%n %%l %%T@\\n' | sort > ../dest.list && "
        "diff ../source.list ../dest.list",
        source, dest);
    must_run("diff -r --exclude=pipe --exclude=dev %s %s", source, dest);
    must_run("test %s/a/b/two -ef %s/a/b/c/three", dest, dest);
}

static void extraction_never_leaves_its_directory(void **state)
{
    struct fixture *f = *state;
    struct cf_target target = {0};
    struct cf_error err = {0};
    char dest[160], outside[160];

    cf_image_free(demo_image(f, f->store));
    in_dir(f, "dest", dest);
    in_dir(f, "outside", outside);
    must_run(
        "mkdir %s %s && ln -s ../outside %s/etc && ln -s ../outside/x %s/link && mkdir %s/lib && "
        "printf old > %s/daemon.json",
        dest, outside, dest, dest, dest, outside);
    open_target(f, "demo:v1", &target);
    /* A directory that holds something is not replaced by a symlink. */
    must_run("touch %s/lib/kept", dest);
    assert_true(cf_extract(f->store, &target, dest, NULL, &err) < 0);
    assert_non_null(strstr(err.text, "lib"));
    must_run("rm -r %s/lib", dest);
    assert_ok(cf_extract(f->store, &target, dest, NULL, &err), err);
    cf_target_done(&target);
    must_run("test \"$(ls %s)\" = daemon.json && test \"$(cat %s/daemon.json)\" = old", outside,
             outside);
    must_run("test ! -L %s/etc && test -f %s/etc/big && test -L %s/link", dest, dest, dest);
    must_run("! ls -A %s | grep -q '^\\.cloudfs-'", dest);
}

static void changes_are_those_of_content_and_metadata(void **state)
{
    struct fixture *f = *state;
    struct cf_changes changes = {0};
    struct cf_tree *a = NULL, *b = NULL;
    struct cf_error err = {0};
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;

    struct cf_image *one = demo_image(f, f->store), *two = demo_image_2(f, f->store);
    assert_ok(cf_image_tree(f->store, one, &a, NULL, &err), err);
    assert_ok(cf_image_tree(f->store, two, &b, NULL, &err), err);
    assert_ok(cf_tree_changes(a, b, &changes, &err), err);
    for (size_t i = 0; i < changes.count; i++)
        cf_buf_printf(&lines, "%c %s\n", changes.list[i].kind, changes.list[i].path);
    assert_string_equal(lines.data, "D bin/a\nD bin/b\nA bin/new\nD etc/big\nC etc/daemon.json\n");
    cf_changes_done(&changes);
    assert_ok(cf_tree_changes(a, a, &changes, &err), err);
    assert_int_equal(changes.count, 0);
    cf_tree_close(a);
    cf_tree_close(b);
    cf_image_free(one);
    cf_image_free(two);
}

struct blame_row {
    const char *path, *kinds; /* top first */
    bool present;
};

static void blame_tells_each_layer_that_touched_a_path(void **state)
{
    static const struct blame_row rows[] = {
        {"etc/daemon.json", "CA", true},
        {"etc/big", "DA", false},
        {"bin/a", "OA", false},
        {"bin/new", "A", true},
        {"link", "A", true},
        {"etc", "A", true},
        {"bin", "CA", true},
        {"none", "", false},
        {"/etc//daemon.json", "CA", true},
    };
    struct fixture *f = *state;
    struct cf_error err = {0};

    cf_image_free(demo_image(f, f->store));
    struct cf_image *image = demo_image_2(f, f->store);
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_blame blame = {0};
        char kinds[8] = "";
        assert_ok(cf_blame(f->store, image, rows[i].path, &blame, &err), err);
        for (size_t k = 0; k < blame.count && k < 7; k++)
            kinds[k] = blame.steps[k].kind;
        if (strcmp(kinds, rows[i].kinds) != 0 || blame.present != rows[i].present)
            fail_msg("%s: %s, %s", rows[i].path, kinds, blame.present ? "there" : "gone");
        if (blame.count)
            assert_string_equal(blame.steps[0].created_by, "cloudfs import");
        cf_blame_done(&blame);
    }
    cf_image_free(image);
}

static void history_and_inspection_name_every_layer(void **state)
{
    struct fixture *f = *state;
    struct cf_history *entries = NULL;
    struct cf_json *json = NULL;
    struct cf_buf yaml cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    size_t count = 0;
    int64_t number = 0;

    cf_image_free(demo_image(f, f->store));
    struct cf_image *image = demo_image_2(f, f->store);
    assert_ok(cf_image_history(image, &entries, &count, &err), err);
    assert_int_equal(count, 2);
    assert_true(cf_digest_equal(entries[1].diff_id, &image->diff_ids[1]));
    assert_string_equal(entries[0].created, "2001-09-09T01:46:40Z");
    free(entries);
    assert_ok(cf_inspect(f->store, image, &json, &err), err);
    assert_int_equal(cf_json_count(cf_json_get(json, "Layers")), 2);
    assert_string_equal(cf_json_string(cf_json_at(cf_json_get(json, "Names"), 0)), "demo:v2");
    assert_true(cf_json_int(cf_json_get(json, "MergedEntries"), &number));
    assert_int_equal(number, 7); /* root, bin, bin/new, etc, etc/daemon.json, lib, link */
    assert_ok(cf_inspect_sealer(f->store, image, "demo:v2", &yaml, &err), err);
    assert_non_null(strstr(yaml.data, "- kind: Image\n  metadata:\n"));
    assert_non_null(strstr(yaml.data, "      type: BASE\n      value: \"cloudfs import\"\n"));
    cf_json_free(json);
    cf_image_free(image);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_tell_what_is_there),
        TEST(a_layer_shows_its_whiteouts),
        TEST(cat_gives_content_or_one_clear_line),
        TEST(cat_finds_a_damaged_object),
        TEST(extraction_gives_the_same_tree_that_was_imported),
        TEST(extraction_never_leaves_its_directory),
        TEST(changes_are_those_of_content_and_metadata),
        TEST(blame_tells_each_layer_that_touched_a_path),
        TEST(history_and_inspection_name_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
