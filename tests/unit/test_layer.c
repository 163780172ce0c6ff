/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that are right: every tar comes back bit for bit, and the tree says what it said. */
#include "layer_fixture.h"

#include <glob.h>
#include <sys/sysmacros.h>

#include <cloudfs/json.h>

/* Runs a shell command in the test's directory. */
static void run(struct fixture *f, const char *command)
{
    char *all = NULL;
    assert_true(asprintf(&all, "cd %s && { %s; } >/dev/null 2>&1", f->dir, command) > 0);
    if (system(all) != 0)
        fail_msg("failed: %s", command);
    free(all);
}

static bool can(const char *command)
{
    char all[1024];
    (void)snprintf(all, sizeof all, "{ %s; } >/dev/null 2>&1", command);
    return system(all) == 0;
}

static void slurp(struct fixture *f, const char *name, struct cf_buf *ret)
{
    char path[512];
    (void)snprintf(path, sizeof path, name[0] == '/' ? "%s%s" : "%s/%s",
                   name[0] == '/' ? "" : f->dir, name);
    assert_int_equal(cf_read_file(AT_FDCWD, path, 1u << 30, ret), 0);
}

static const char make_things[] =
    "rm -rf things && mkdir -p things/dir/sub && cd things && "
    "head -c 300000 /dev/urandom > random && ln random dir/hardlink && "
    "printf small > small && : > empty && head -c 2048 /dev/urandom > edge && "
    "head -c 2049 /dev/urandom > edge+1 && ln -s ../random dir/link && "
    "ln -s /etc/passwd dir/absolute && truncate -s 10M holes && "
    "printf middle | dd of=holes bs=1 seek=5000000 conv=notrunc && "
    "truncate -s 100k all-hole && seq 100000 > numbers && chmod 4755 small && "
    "touch -d '2020-02-03 04:05:06.123456789' numbers && touch -d '1960-01-01' empty && "
    "mkfifo dir/fifo";
static const char make_long_things[] =
    "cd things && d=$(printf 'a%.0s' $(seq 100)) && mkdir -p $d/$d/$d && "
    "printf long > $d/$d/$d/$(printf 'b%.0s' $(seq 200)) && "
    "ln -s $d/$d/$d/$(printf 'b%.0s' $(seq 200)) long-link && "
    "ln $d/$d/$d/$(printf 'b%.0s' $(seq 200)) long-hardlink && printf x > 'Ünïcödé'";

static void every_format_of_gnu_tar_comes_back_bit_for_bit(void **state)
{
    static const struct {
        const char *options;
        bool long_names, times;
    } formats[] = {
        {"--format=v7", false, false},
        {"--format=ustar", false, false},
        {"--format=oldgnu --sparse", true, false},
        {"--format=gnu --sparse", true, false},
        {"--format=pax --sparse --sparse-version=0.0", true, true},
        {"--format=pax --sparse --sparse-version=0.1", true, true},
        {"--format=posix --sparse", true, true},
        {"--format=posix --sparse --hole-detection=raw --xattrs", true, true},
        {"--format=gnu -b 1", true, false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < CF_COUNT(formats); i++) {
        struct cf_buf tar cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
        char command[512];
        run(f, make_things);
        if (formats[i].long_names)
            run(f, make_long_things);
        if (strstr(formats[i].options, "v7")) /* it has no fifos */
            run(f, "rm things/dir/fifo things/empty");
        if (!formats[i].times && !strstr(formats[i].options, "gnu"))
            run(f, "rm -f things/empty"); /* nor times before 1970 */
        (void)snprintf(command, sizeof command, "tar --sort=name %s -C things -cf things.tar .",
                       formats[i].options);
        run(f, command);
        slurp(f, "things.tar", &tar);
        struct cf_layer_info info = must_round_trip(f, &tar, NULL);
        struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
        list_dir(tree, cf_tree_root(tree), "", &text);
        assert_non_null(strstr(text.data, "holes n1 10485760\n"));
        assert_non_null(strstr(text.data, "all-hole n1 102400\n"));
        assert_non_null(strstr(text.data, "random n2 300000\n"));
        assert_non_null(strstr(text.data, "link -> ../random\n"));
        if (formats[i].long_names)
            assert_non_null(strstr(text.data, "n2 4 'long'"));
        if (formats[i].times)
            assert_non_null(strstr(text.data, ".123456789 numbers"));
    }
}

static void sparse_files_have_the_right_content(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, plain cf_autobuf = CF_BUF_INIT;
    struct cf_content content;
    struct cf_digest digest;
    uint64_t nid;

    run(f, make_things);
    run(f, "tar --format=posix --sparse -C things -cf things.tar .");
    slurp(f, "things.tar", &tar);
    slurp(f, "things/holes", &plain);
    struct cf_layer_info info = must_round_trip(f, &tar, NULL);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    assert_int_equal(cf_tree_walk(tree, "holes", &nid), 0);
    assert_int_equal(cf_tree_content(tree, nid, &content), 0);
    cf_digest_of(plain.data, plain.len, &digest);
    assert_memory_equal(&content.digest, &digest, sizeof digest);
    assert_true(cf_object_exists(f->store, &digest));
}

static void devices_and_xattrs_are_kept(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;

    if (geteuid() != 0) {
        print_message("[  SKIPPED ] devices and trusted xattrs need root\n");
        skip();
    }
    run(f, "mkdir d && cd d && mknod tty c 4 300 && mknod disk b 259 70000 && : > f && "
           "chown 1000:70000 f && "
           "setfattr -n user.note -v 'a=b' f && setfattr -n user.x=y -v z f && "
           "setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= f && "
           "setfattr -n trusted.overlay.opaque -v y . && "
           "tar --format=posix --xattrs --xattrs-include='*' -cf ../d.tar .");
    slurp(f, "d.tar", &tar);
    struct cf_layer_info info = must_round_trip(f, &tar, NULL);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    list_dir(tree, cf_tree_root(tree), "", &text);
    assert_non_null(strstr(text.data, "tty 4,300\n"));
    assert_non_null(strstr(text.data, "disk 259,70000\n"));
    assert_non_null(strstr(text.data, " user.note=a=b"));
    assert_non_null(strstr(text.data, " user.x=y=z"));
    assert_non_null(strstr(text.data, " security.capability="));
    assert_non_null(strstr(text.data, " 1000:70000 "));
    /* The content's own overlay xattrs mean nothing to ours. */
    assert_false(cf_tree_is_opaque(tree, cf_tree_root(tree)));
}

static void compressed_forms_are_read_and_recorded(void **state)
{
    static const struct {
        const char *command, *type;
    } forms[] = {
        {"cat", NULL},
        {"gzip -n", "application/vnd.oci.image.layer.v1.tar+gzip"},
        {"gzip -1", "application/vnd.oci.image.layer.v1.tar+gzip"},
        {"zstd -q", "application/vnd.oci.image.layer.v1.tar+zstd"},
        {"zstd -q -19 --long=27", "application/vnd.oci.image.layer.v1.tar+zstd"},
        /* many members, as in eStargz; zeros behind, as from a tape */
        {"split -b 4000 --filter='gzip -n'", "application/vnd.oci.image.layer.v1.tar+gzip"},
        {"{ gzip -n; head -c 1000 /dev/zero; }", "application/vnd.oci.image.layer.v1.tar+gzip"},
        {"split -b 100000 --filter='zstd -q'", "application/vnd.oci.image.layer.v1.tar+zstd"},
    };
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;

    run(f, make_things);
    run(f, "tar -C things -cf things.tar .");
    slurp(f, "things.tar", &tar);
    for (size_t i = 0; i < CF_COUNT(forms); i++) {
        struct cf_buf form cf_autobuf = CF_BUF_INIT;
        struct cf_layer_form *known cf_autofree = NULL;
        struct cf_error err = {0};
        size_t count = 0;
        char command[256];
        if (strncmp(forms[i].command, "zstd", 4) == 0 && !can("zstd --version"))
            continue;
        (void)snprintf(command, sizeof command, "%s < things.tar > form", forms[i].command);
        run(f, command);
        slurp(f, "form", &form);
        struct cf_layer_info info = must_round_trip(f, &tar, &form);
        assert_int_equal(info.blob_size, form.len);
        assert_int_equal(info.existed, i > 0);
        assert_ok(cf_layer_forms_read(f->store, &info.diff_id, &known, &count, &err), err);
        assert_memory_equal(&known[0].digest, &info.diff_id, sizeof(struct cf_digest));
        assert_string_equal(known[0].media_type, "application/vnd.oci.image.layer.v1.tar");
        if (!forms[i].type)
            continue;
        size_t found = 0;
        while (found < count && !cf_digest_equal(&known[found].digest, &info.blob))
            found++;
        assert_true(found < count);
        assert_string_equal(known[found].media_type, forms[i].type);
        assert_int_equal(known[found].size, form.len);
    }
}

static void other_compressions_are_for_imports_only(void **state)
{
    static const char *const commands[] = {"bzip2", "xz", "xz --format=lzma", "lz4", "lzip"};
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    const struct cf_layer_read_options any = {.any_compression = true};

    run(f, make_things);
    run(f, "tar -C things -cf things.tar .");
    slurp(f, "things.tar", &tar);
    for (size_t i = 0; i < CF_COUNT(commands); i++) {
        struct cf_buf form cf_autobuf = CF_BUF_INIT;
        struct cf_error err = {0};
        struct cf_layer_info info;
        struct cf_digest digest;
        char command[256];
        (void)snprintf(command, sizeof command, "%s --version || %s -h", commands[i], commands[i]);
        if (!can(command)) {
            print_message("no %s here\n", commands[i]);
            continue;
        }
        (void)snprintf(command, sizeof command, "%s < things.tar > form", commands[i]);
        run(f, command);
        slurp(f, "form", &form);
        assert_int_equal(read_layer(f, &form, NULL, &info, &err), -EINVAL);
        err.code = 0;
        assert_ok(read_layer(f, &form, &any, &info, &err), err);
        cf_digest_of(tar.data, tar.len, &digest);
        assert_memory_equal(&info.diff_id, &digest, sizeof digest);
        form.len -= 20;
        assert_int_equal(read_layer(f, &form, &any, &info, &err), -EINVAL);
    }
}

static void a_layer_that_is_there_is_not_read_again(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_layer_info info, again;

    tar_file(&tar, "a", "content");
    tar_end(&tar);
    info = must_round_trip(f, &tar, NULL);
    const struct cf_buf nothing = CF_BUF_INIT;
    const struct cf_layer_read_options options = {.expected_diff_id = &info.diff_id};
    assert_ok(read_layer(f, &nothing, &options, &again, &err), err);
    assert_true(again.existed);
    assert_memory_equal(&again.diff_id, &info.diff_id, sizeof(struct cf_digest));
    assert_int_equal(again.tar_size, tar.len);
}

/* ---- what layers say in their own way ---- */

static void whiteouts_and_opaque_marks_are_told_apart_from_files(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;

    tar_file(&tar, "a/.wh.gone", "");
    tar_entry(&tar, '5', "b/", "", "", 0);
    tar_file(&tar, "b/.wh..wh..opq", "");
    tar_file(&tar, "b/new", "n");
    tar_file(&tar, ".wh..wh.aufs", "its own");
    tar_entry(&tar, '5', ".wh..wh.plnk/", "", "", 0);
    tar_file(&tar, ".wh..wh.plnk/1.2", "linked");
    tar_file(&tar, "c", "real");
    tar_file(&tar, ".wh.c", "");
    tar_file(&tar, ".wh.d", "");
    tar_file(&tar, "d", "real too");
    tar_file(&tar, ".wh.e", "");
    tar_file(&tar, "e/f", "below");
    tar_file(&tar, "g/h", "below");
    tar_file(&tar, ".wh.g", "");
    tar_end(&tar);
    struct cf_layer_info info = must_round_trip(f, &tar, NULL);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    list_dir(tree, cf_tree_root(tree), "", &text);
    assert_string_equal(
        text.data,
        "40755 0:0 0.000000000 a trusted.overlay.cloudfs.implicit=y\n"
        "20000 0:0 0.000000000 a/gone 0,0\n"
        "40755 0:0 1000000000.000000000 b trusted.overlay.opaque=y\n"
        "100644 0:0 1000000000.000000000 b/new n1 1 'n'\n"
        "100644 0:0 1000000000.000000000 c n1 4 'real'\n"
        "100644 0:0 1000000000.000000000 d n1 8 'real too'\n"
        "40755 0:0 0.000000000 e trusted.overlay.cloudfs.implicit=y trusted.overlay.opaque=y\n"
        "100644 0:0 1000000000.000000000 e/f n1 5 'below'\n"
        "40755 0:0 0.000000000 g trusted.overlay.cloudfs.implicit=y trusted.overlay.opaque=y\n"
        "100644 0:0 1000000000.000000000 g/h n1 5 'below'\n");
}

static void the_last_entry_of_a_name_wins(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    char big[5000];

    memset(big, 'x', sizeof big);
    tar_entry(&tar, '0', "file", "", big, sizeof big);
    tar_file(&tar, "./file", "second");
    tar_entry(&tar, '5', "dir", "", "", 0);
    tar_file(&tar, "dir/kept", "k");
    tar_pax(&tar, 'x', "SCHILY.xattr.user.a", "b", 1);
    tar_entry(&tar, '5', "/dir//", "", "", 0);
    tar_file(&tar, "was-dir/child", "c");
    tar_entry(&tar, '2', "was-dir", "file", "", 0);
    tar_entry(&tar, '2', "was-link", "file", "", 0);
    tar_entry(&tar, '5', "was-link", "", "", 0);
    tar_file(&tar, "was-link/inside", "i");
    tar_entry(&tar, '1', "linked", "/file", "", 0);
    tar_entry(&tar, '1', "linked", "linked", "", 0);
    tar_file(&tar, "file", "third");
    tar_end(&tar);
    struct cf_layer_info info = must_round_trip(f, &tar, NULL);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    list_dir(tree, cf_tree_root(tree), "", &text);
    assert_string_equal(text.data, "40755 0:0 1000000000.000000000 dir user.a=b\n"
                                   "100644 0:0 1000000000.000000000 dir/kept n1 1 'k'\n"
                                   "100644 0:0 1000000000.000000000 file n1 5 'third'\n"
                                   "100644 0:0 1000000000.000000000 linked n1 6 'second'\n"
                                   "120644 0:0 1000000000.000000000 was-dir -> file\n"
                                   "40755 0:0 1000000000.000000000 was-link\n"
                                   "100644 0:0 1000000000.000000000 was-link/inside n1 1 'i'\n");
}

static void what_follows_the_end_comes_back_too(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    char noise[100001];

    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * i >> 3);
    tar_file(&tar, "a", "b");
    tar_end(&tar);
    assert_int_equal(cf_buf_add(&tar, noise, sizeof noise), 0);
    (void)must_round_trip(f, &tar, NULL);
}

static void names_that_lead_nowhere_are_content(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;

    tar_entry(&tar, '2', "out", "../../../etc/shadow", "", 0);
    tar_entry(&tar, '2', "self", "self", "", 0);
    tar_entry(&tar, '2', "absolute", "/", "", 0);
    tar_end(&tar);
    struct cf_layer_info info = must_round_trip(f, &tar, NULL);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    list_dir(tree, cf_tree_root(tree), "", &text);
    assert_non_null(strstr(text.data, "out -> ../../../etc/shadow\n"));
    assert_non_null(strstr(text.data, "self -> self\n"));
}

static void a_path_of_five_thousand_levels_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT, path cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;

    for (size_t i = 0; i < 5000; i++)
        cf_buf_add_str(&path, "dir/");
    cf_buf_add_str(&path, "file");
    tar_pax(&tar, 'x', "path", path.data, path.len);
    tar_file(&tar, "short", "deep");
    tar_end(&tar);
    struct cf_layer_info info = must_round_trip(f, &tar, NULL);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    uint64_t nid;
    assert_int_equal(cf_tree_walk(tree, path.data, &nid), 0);
    cf_digest_of("deep", 4, &digest);
}

static void the_same_content_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    char *big = calloc(1, 3 << 20);

    memset(big, 'q', 3 << 20);
    tar_entry(&tar, '0', "one", "", big, 3 << 20);
    tar_entry(&tar, '0', "two", "", big, 3 << 20);
    tar_entry(&tar, '0', "half", "", big, 5000);
    tar_entry(&tar, '0', "half again", "", big, 5000);
    tar_end(&tar);
    (void)must_round_trip(f, &tar, NULL);
    assert_int_equal(fixture_files(f, "objects"), 2);
    assert_int_equal(fixture_files(f, "tmp"), 0);
    free(big);
}

/* ---- the reference images ---- */

static const char *golden(void)
{
    const char *places[] = {getenv("CLOUDFS_GOLDEN"), "../shared/golden", "../../shared/golden"};
    for (size_t i = 0; i < CF_COUNT(places); i++)
        if (places[i] && access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

static void read_golden_form(struct fixture *f, const char *dir, struct cf_digest ret_ids[2])
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    char path[1024], digest[CF_DIGEST_TEXT_SIZE] = "";

    (void)snprintf(path, sizeof path, "%s/index.json", dir);
    assert_int_equal(cf_read_file(AT_FDCWD, path, 1 << 20, &text), 0);
    assert_ok(cf_json_parse(text.data, text.len, &json, &err), err);
    (void)snprintf(digest, sizeof digest, "%s",
                   cf_json_get_string(cf_json_at(cf_json_get(json, "manifests"), 0), "digest"));
    cf_json_free(CF_TAKE(json));
    cf_buf_clear(&text);
    (void)snprintf(path, sizeof path, "%s/blobs/sha256/%s", dir, digest + 7);
    assert_int_equal(cf_read_file(AT_FDCWD, path, 1 << 20, &text), 0);
    assert_ok(cf_json_parse(text.data, text.len, &json, &err), err);
    const struct cf_json *layers = cf_json_get(json, "layers");
    assert_int_equal(cf_json_count(layers), 2);
    for (size_t i = 0; i < 2; i++) {
        struct cf_buf blob cf_autobuf = CF_BUF_INIT, back cf_autobuf = CF_BUF_INIT;
        struct cf_digest expected;
        struct cf_layer_info info;
        int64_t size = 0;
        const struct cf_json *layer = cf_json_at(layers, i);
        const char *name = cf_json_get_string(layer, "digest");
        assert_int_equal(cf_digest_parse(name, &expected), 0);
        assert_true(cf_json_int(cf_json_get(layer, "size"), &size));
        (void)snprintf(path, sizeof path, "%s/blobs/sha256/%s", dir, name + 7);
        assert_int_equal(cf_read_file(AT_FDCWD, path, 1 << 30, &blob), 0);
        const struct cf_layer_read_options options = {
            .media_type = cf_json_get_string(layer, "mediaType"),
            .expected_blob = &expected,
            .expected_blob_size = (uint64_t)size,
        };
        assert_ok(read_layer(f, &blob, &options, &info, &err), err);
        assert_ok(cf_layer_write(f->store, &info.diff_id, collect, &back, &err), err);
        ret_ids[i] = info.diff_id;
    }
}

static void all_forms_of_the_reference_image_are_the_same_layers(void **state)
{
    static const char *const forms[] = {"oci-uncompressed", "oci-gzip", "oci-zstd",
                                        "oci-zstd-chunked"};
    struct fixture *f = *state;
    struct cf_digest ids[CF_COUNT(forms)][2];
    char path[512];

    if (!golden()) {
        print_message("[  SKIPPED ] the reference images are not here (CLOUDFS_GOLDEN)\n");
        skip();
    }
    for (size_t i = 0; i < CF_COUNT(forms); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", golden(), forms[i]);
        read_golden_form(f, path, ids[i]);
        assert_memory_equal(ids[i], ids[0], sizeof ids[0]);
    }
    struct cf_layer_info info = {.diff_id = ids[0][1]};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = tree_of(f, &info);
    list_dir(tree, cf_tree_root(tree), "", &text);
    assert_non_null(strstr(text.data, " etc/empty 0,0\n"));
    assert_non_null(strstr(text.data, " bin trusted.overlay.opaque=y"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_format_of_gnu_tar_comes_back_bit_for_bit),
        TEST(sparse_files_have_the_right_content),
        TEST(devices_and_xattrs_are_kept),
        TEST(compressed_forms_are_read_and_recorded),
        TEST(other_compressions_are_for_imports_only),
        TEST(a_layer_that_is_there_is_not_read_again),
        TEST(whiteouts_and_opaque_marks_are_told_apart_from_files),
        TEST(the_last_entry_of_a_name_wins),
        TEST(what_follows_the_end_comes_back_too),
        TEST(names_that_lead_nowhere_are_content),
        TEST(a_path_of_five_thousand_levels_is_no_error),
        TEST(the_same_content_is_stored_once),
        TEST(all_forms_of_the_reference_image_are_the_same_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
