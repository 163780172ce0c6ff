/* SPDX-License-Identifier: Apache-2.0 */
#include "archive_fixture.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cloudfs/mount.h>
#include <cloudfs/union.h>

#define ID "0123456789abcdef"

/* An idle mount of demo:v1 whose upper is made by hand, in overlayfs's format. */
struct hand {
    struct fixture *f;
    struct cf_store *store;
    struct cf_mount mount;
    char upper[160], work[160];
    const char *prefix; /* of overlayfs's xattrs */
};

static struct hand hand_new(struct fixture *f, struct cf_store *store, struct cf_image *image)
{
    struct hand hand = {.f = f, .store = store};
    const char *root = cf_store_root(store);

    hand.mount = (struct cf_mount){.id = ID,
                                   .state = CF_MOUNT_IDLE,
                                   .user_xattrs = geteuid() != 0,
                                   .manifest = image->manifest,
                                   .reference = (char *)"demo:v1",
                                   .mountpoint = (char *)"/nowhere",
                                   .engine = (char *)"fuse",
                                   .options = (char *)""};
    hand.prefix = hand.mount.user_xattrs ? "user" : "trusted";
    snprintf(hand.upper, sizeof(hand.upper), "%s/mounts/%s/upper", root, ID);
    snprintf(hand.work, sizeof(hand.work), "%s/mounts/%s/work", root, ID);
    must_run("rm -rf %s/mounts/%s && mkdir -p %s %s && chmod 755 %s", root, ID, hand.upper,
             hand.work, hand.upper);
    cf_image_free(image);
    return hand;
}

static void hand_ready(struct hand *hand)
{
    hand->mount.upper = hand->upper;
    hand->mount.work = hand->work;
}

static void mark(struct hand *hand, const char *path, const char *name, const char *value)
{
    char full[400], xattr[64];

    snprintf(full, sizeof(full), "%s/%s", hand->upper, path);
    snprintf(xattr, sizeof(xattr), "%s.overlay.%s", hand->prefix, name);
    if (lsetxattr(full, xattr, value, strlen(value), 0) < 0)
        fail_msg("%s of %s: %s", xattr, full, strerror(errno));
}

/* Runs a shell command in the upper. All that it makes gets the time of the demo's files. */
#define in_upper(hand, ...)                                                    \
    do {                                                                       \
        char in_upper_command[1500];                                           \
        snprintf(in_upper_command, sizeof(in_upper_command), __VA_ARGS__);     \
        must_run("cd %s && umask 022 && %s", (hand)->upper, in_upper_command); \
    } while (0)
static void age(struct hand *hand)
{
    in_upper(hand, "find . -depth -exec touch -h -d @1000000000 {} +");
}

static void commit(struct hand *hand, const struct cf_commit_options *options,
                   struct cf_commit_result *result)
{
    struct cf_error err = {0};
    hand_ready(hand);
    assert_ok(cf_commit(hand->store, &hand->mount, options, result, &err), err);
}

static void changes_text(const struct cf_changes *changes, struct cf_buf *text)
{
    for (size_t i = 0; i < changes->count; i++)
        cf_buf_printf(text, "%c %s%s%s\n", changes->list[i].kind, changes->list[i].path,
                      changes->list[i].is_dir ? "/" : "",
                      changes->list[i].meta_only ? " meta" : "");
    if (!text->data)
        cf_buf_add_str(text, "");
}

/* The names of a layer's tar, by tar(1). */
static void tar_names(struct cf_store *store, struct fixture *f, const struct cf_digest *diff_id,
                      struct cf_buf *names)
{
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    char path[160], command[256], line[512];

    assert_ok(cf_layer_write(store, diff_id, collect, &tar, &err), err);
    put_file(in_dir(f, "layer.tar", path), tar.data, tar.len);
    snprintf(command, sizeof(command), "tar tf %s", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof(line), pipe))
        cf_buf_add_str(names, line);
    assert_int_equal(pclose(pipe), 0);
}

struct row {
    const char *what;
    const char *make; /* in the upper */
    const char *mark_path, *mark_name, *mark_value;
    const char *changes; /* as changes_text tells; "": the commit makes no layer */
    const char *names;   /* of the layer's tar */
    const char *part;    /* of created_by */
};

/* touch: to the time of the demo's files. */
#define SAME_TIME(path) " && touch -h -d @1000000000 " path

static const struct row rows[] = {
    {"nothing", ":", NULL, NULL, NULL, "", "", NULL},
    {"a changed file", "mkdir etc && printf changed > etc/daemon.json", NULL, NULL, NULL,
     "C etc/daemon.json\n", "./\netc/\netc/daemon.json\n", "cloudfs commit: C etc/daemon.json"},
    {"a copied-up file that is as before",
     "mkdir etc && printf '{}\\n' > etc/daemon.json" SAME_TIME("etc/daemon.json"), NULL, NULL, NULL,
     "", "", NULL},
    {"a large copied-up file that is as before",
     "mkdir etc && head -c 5000 /dev/zero | tr '\\0' b > etc/big" SAME_TIME("etc/big"), NULL, NULL,
     NULL, "", "", NULL},
    {"a touched file", "mkdir etc && printf '{}\\n' > etc/daemon.json", NULL, NULL, NULL,
     "C etc/daemon.json meta\n", "./\netc/\netc/daemon.json\n", NULL},
    {"a touched large file", "mkdir etc && head -c 5000 /dev/zero | tr '\\0' b > etc/big", NULL,
     NULL, NULL, "C etc/big meta\n", "./\netc/\netc/big\n", NULL},
    {"one byte in a large file",
     "mkdir etc && (head -c 4999 /dev/zero | tr '\\0' b; printf c) > etc/big", NULL, NULL, NULL,
     "C etc/big\n", "./\netc/\netc/big\n", NULL},
    {"a mode",
     "mkdir etc && printf '{}\\n' > etc/daemon.json && chmod 600 etc/daemon.json" SAME_TIME(
         "etc/daemon.json"),
     NULL, NULL, NULL, "C etc/daemon.json meta\n", "./\netc/\netc/daemon.json\n", NULL},
    {"a metacopy", "mkdir etc && truncate -s 5000 etc/big && chmod 600 etc/big", "etc/big",
     "metacopy", "", "C etc/big meta\n", "./\netc/\netc/big\n", NULL},
    {"a directory's mode", "mkdir etc && chmod 700 etc", NULL, NULL, NULL, "C etc/ meta\n",
     "./\netc/\n", NULL},
    {"a directory that was looked at", "mkdir etc bin", NULL, NULL, NULL, "", "", NULL},
    {"a removed file", "mkdir etc && mknod etc/big c 0 0", NULL, NULL, NULL, "D etc/big\n",
     "./\netc/\netc/.wh.big\n", "cloudfs commit: D etc/big"},
    {"a removed directory", "mknod etc c 0 0", NULL, NULL, NULL, "D etc/\n", "./\n.wh.etc\n", NULL},
    {"a whiteout for what nobody has", "mkdir etc && mknod etc/none c 0 0", NULL, NULL, NULL, "",
     "", NULL},
    {"new things", "mkdir -p a/b && printf x > a/b/c && ln -s c a/b/d && mkfifo a/e", NULL, NULL,
     NULL, "A a/\nA a/b/\nA a/b/c\nA a/b/d\nA a/e\n", "./\na/\na/b/\na/b/c\na/b/d\na/e\n",
     "cloudfs commit: A a, A a/b, A a/b/c, A a/b/d and 1 more"},
    {"an opaque directory of new things", "mkdir bin && printf x > bin/new", "bin", "opaque", "y",
     "D bin/a\nD bin/b\nA bin/new\n", "./\nbin/\nbin/.wh.a\nbin/.wh.b\nbin/new\n", NULL},
    {"a directory removed and made again as it was",
     "mkdir etc && printf '{}\\n' > etc/daemon.json && head -c 5000 /dev/zero | tr '\\0' b > "
     "etc/big && "
     "touch -d @1000000000 etc/*",
     "etc", "opaque", "y", "", "", NULL},
    {"a new directory that is opaque", "mkdir new && printf x > new/x", "new", "opaque", "y",
     "A new/\nA new/x\n", "./\nnew/\nnew/x\n", NULL},
    {"a renamed directory", "mkdir conf && mknod etc c 0 0 && printf x > conf/more", "conf",
     "redirect", "/etc", "A conf/\nA conf/big\nA conf/daemon.json\nA conf/more\nD etc/\n",
     "./\n.wh.etc\nconf/\nconf/big\nconf/daemon.json\nconf/more\n", NULL},
    {"a directory renamed in its parent", "mkdir conf && mknod etc c 0 0", "conf", "redirect",
     "etc", "A conf/\nA conf/big\nA conf/daemon.json\nD etc/\n",
     "./\n.wh.etc\nconf/\nconf/big\nconf/daemon.json\n", NULL},
    {"a directory renamed to another's place",
     "mkdir bin && mknod etc c 0 0 && mknod bin/big c 0 0", "bin", "redirect", "etc",
     "D bin/a\nD bin/b\nA bin/daemon.json\nD etc/\n",
     "./\n.wh.etc\nbin/\nbin/.wh.a\nbin/.wh.b\nbin/daemon.json\n", NULL},
    {"a file that was a directory", "printf x > etc", NULL, NULL, NULL, "C etc\n", "./\netc\n",
     NULL},
    {"a directory that was a file", "mkdir -p etc/big && printf x > etc/big/x", NULL, NULL, NULL,
     "C etc/big/\nA etc/big/x\n", "./\netc/\netc/big/\netc/big/x\n", NULL},
    {"a changed symlink", "ln -s other link", NULL, NULL, NULL, "C link\n", "./\nlink\n", NULL},
    {"new hard links", "mkdir etc && printf x > etc/x && ln etc/x etc/y && ln etc/x z", NULL, NULL,
     NULL, "A etc/x\nA etc/y\nA z\n", "./\netc/\netc/x\netc/y\nz\n", NULL},
    {"a link to a file of the image",
     "mkdir etc && printf '{}\\n' > etc/daemon.json && ln etc/daemon.json etc/two" SAME_TIME(
         "etc/two"),
     NULL, NULL, NULL, "A etc/two\n", "./\netc/\netc/daemon.json\netc/two\n", NULL},
    {"a socket", "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"", NULL,
     NULL, NULL, "", "", NULL},
};

static void each_kind_of_edit_gives_its_layer(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        const struct cf_commit_options options = {.name = "demo:new"}, dry = {.dry_run = true};
        struct cf_commit_result result = {0}, seen = {0};
        struct cf_buf changes cf_autobuf = CF_BUF_INIT, names cf_autobuf = CF_BUF_INIT;
        struct cf_buf dry_changes cf_autobuf = CF_BUF_INIT;
        struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
        in_upper(&hand, "%s", row->make);
        if (row->mark_path)
            mark(&hand, row->mark_path, row->mark_name, row->mark_value);
        commit(&hand, &dry, &seen);
        assert_null(seen.image);
        changes_text(&seen.changes, &dry_changes);
        commit(&hand, &options, &result);
        changes_text(&result.changes, &changes);
        if (strcmp(changes.data, row->changes) != 0 || strcmp(dry_changes.data, row->changes) != 0)
            fail_msg("%s:\n%s\ndry run:\n%s\ninstead of\n%s", row->what, changes.data,
                     dry_changes.data, row->changes);
        assert_int_equal(result.unchanged, *row->changes == 0);
        assert_int_equal(result.image->layer_count, *row->changes ? 2 : 1);
        if (*row->changes) {
            tar_names(f->store, f, &result.layer.diff_id, &names);
            if (strcmp(names.data, row->names) != 0)
                fail_msg("%s: the layer has\n%s\ninstead of\n%s", row->what, names.data,
                         row->names);
        }
        if (row->part)
            assert_string_equal(
                cf_json_get_string(cf_json_at(cf_json_get(result.image->config_json, "history"), 1),
                                   "created_by"),
                row->part);
        cf_commit_result_done(&result);
        cf_commit_result_done(&seen);
    }
}

static void content_and_links_of_a_committed_image_are_those_of_the_upper(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result result = {0};
    struct cf_target target = {0};
    struct cf_error err = {0};
    char dest[160];

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(
        &hand,
        "mkdir etc d && printf changed > etc/daemon.json && head -c 300000 /dev/urandom > d/large "
        "&& "
        "head -c 3000 /dev/urandom > d/middle && ln d/middle d/link && printf small > d/small && "
        "cp d/large d/same && chmod 4755 d/small && cp -a . ../copy");
    commit(&hand, &options, &result);
    cf_commit_result_done(&result);
    assert_ok(cf_target_open(f->store, "demo:new", &target, &err), err);
    assert_ok(cf_extract(f->store, &target, in_dir(f, "out", dest), NULL, &err), err);
    cf_target_done(&target);
    must_run("cd %s/../copy && diff -r d %s/d && cmp etc/daemon.json %s/etc/daemon.json",
             hand.upper, dest, dest);
    must_run("test %s/d/middle -ef %s/d/link && (test -u %s/d/small || test $(id -u) != 0) && test "
             "-f %s/bin/a",
             dest, dest, dest, dest);
}

/* The large file became an object, and its place a stub of it; hard links stay files. */
static void large_files_move_and_leave_stubs(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result first = {0}, second = {0};
    struct cf_upper_entry entry;
    struct stat st;

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(
        &hand,
        "head -c 300000 /dev/urandom > large && head -c 300000 /dev/urandom > one && ln one two && "
        "touch -d 2020-01-01 large one");
    commit(&hand, &options, &first);
    int fd = open(hand.upper, O_RDONLY | O_DIRECTORY);
    assert_int_equal(cf_upper_read(fd, "large", hand.mount.user_xattrs, &entry), 0);
    assert_true(entry.stub);
    assert_int_equal(entry.attr.st_size, 300000);
    assert_int_equal(entry.attr.st_mtim.tv_sec, 1577836800);
    assert_true(cf_object_exists(f->store, &entry.object));
    char path[CF_OBJECT_PATH_SIZE];
    cf_object_path(&entry.object, path);
    assert_int_equal(fstatat(cf_store_objects_fd(f->store), path, &st, 0), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 07777, 0444);
    cf_upper_entry_done(&entry);
    assert_int_equal(cf_upper_read(fd, "one", hand.mount.user_xattrs, &entry), 0);
    assert_false(entry.metacopy);
    assert_int_equal(entry.attr.st_nlink, 2);
    close(fd);
    must_run("test -z \"$(ls -A %s)\"", hand.work);
    /* The next commit holds the same changes, and makes the same layer. */
    commit(&hand, &options, &second);
    assert_true(cf_digest_equal(&first.image->config, &second.image->config));
    cf_commit_result_done(&first);
    cf_commit_result_done(&second);
}

static void a_file_that_is_open_for_writing_is_copied(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result result = {0};
    struct cf_upper_entry entry;
    char path[400];

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(&hand, "head -c 300000 /dev/urandom > large");
    snprintf(path, sizeof(path), "%s/large", hand.upper);
    int writer = open(path, O_RDWR);
    assert_true(writer >= 0);
    commit(&hand, &options, &result);
    int fd = open(hand.upper, O_RDONLY | O_DIRECTORY);
    assert_int_equal(cf_upper_read(fd, "large", hand.mount.user_xattrs, &entry), 0);
    assert_false(entry.metacopy);
    close(fd);
    assert_int_equal(cf_pwrite_full(writer, "overwritten", 11, 0), 0);
    close(writer);
    struct cf_fsck_result fsck = {0};
    struct cf_error err = {0};
    assert_ok(cf_store_fsck(f->store, true, false, NULL, NULL, &fsck, &err), err);
    cf_commit_result_done(&result);
}

static void names_that_layers_reserve_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result result = {0};
    struct cf_error err = {0};
    struct cf_digest digest;

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(&hand, "mkdir etc && touch etc/.wh.x");
    hand_ready(&hand);
    assert_int_equal(cf_commit(f->store, &hand.mount, &options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "etc/.wh.x"));
    assert_int_equal(cf_name_get(f->store, "demo:new", &digest), -ENOENT);
    in_upper(&hand, "rm etc/.wh.x");
    static const char *const bad[] = {"UPPER", "a:b:c", ""};
    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        const struct cf_commit_options named = {.name = bad[i]};
        assert_int_equal(cf_commit(f->store, &hand.mount, &named, &result, &err), -EINVAL);
    }
}

/* ---- the same content gives the same image ---- */

static void commit_in(struct fixture *f, const char *name, const char *make, int64_t timestamp,
                      struct cf_digest *ret_config)
{
    struct cf_store *store = other_store(f, name);
    struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result result = {0};
    struct hand hand = hand_new(f, store, demo_image(f, store));

    options.image.has_timestamp = timestamp != 0;
    options.image.timestamp = timestamp;
    in_upper(&hand, "%s", make);
    if (!timestamp)
        age(&hand);
    commit(&hand, &options, &result);
    *ret_config = result.image->config;
    cf_commit_result_done(&result);
    cf_store_close(store);
}

static void the_order_and_the_date_of_edits_do_not_matter(void **state)
{
    static const char *const orders[] = {
        "mkdir etc new && printf x > new/x && printf y > new/y && printf z > etc/z && mknod "
        "etc/big c 0 0 && "
        "ln new/x new/l",
        "mkdir new && mkdir etc && printf z > etc/z && printf y > new/y && printf x > new/l && ln "
        "new/l new/x && "
        "touch etc/t && rm etc/t && mknod etc/big c 0 0",
    };
    struct fixture *f = *state;
    struct cf_digest first, other, third, fourth;

    commit_in(f, "one", orders[0], 0, &first);
    commit_in(f, "two", orders[1], 0, &other);
    assert_true(cf_digest_equal(&first, &other));
    commit_in(f, "three", orders[0], 1100000000, &third);
    commit_in(f, "four", orders[1], 1100000000, &fourth);
    assert_true(cf_digest_equal(&third, &fourth));
    assert_false(cf_digest_equal(&first, &third));
}

static void the_same_image_whatever_way_a_directory_took(void **state)
{
    struct fixture *f = *state;
    struct cf_digest digests[2];

    for (int way = 0; way < 2; way++) {
        char name[16];
        snprintf(name, sizeof(name), "way%d", way);
        struct cf_store *store = other_store(f, name);
        const struct cf_commit_options options = {.name = "demo:new"};
        struct cf_commit_result result = {0};
        struct hand hand = hand_new(f, store, demo_image(f, store));
        if (way == 0) { /* edited in place */
            in_upper(&hand, "mkdir etc && printf new > etc/daemon.json && mknod etc/big c 0 0");
        } else { /* removed and made anew */
            in_upper(&hand, "mkdir etc && printf new > etc/daemon.json");
            mark(&hand, "etc", "opaque", "y");
        }
        age(&hand);
        commit(&hand, &options, &result);
        digests[way] = result.layer.diff_id;
        cf_commit_result_done(&result);
        cf_store_close(store);
    }
    assert_true(cf_digest_equal(&digests[0], &digests[1]));
}

/* ---- lower hard links ---- */

static void a_copied_up_hard_link_changes_all_its_names(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result result = {0};
    struct cf_buf names cf_autobuf = CF_BUF_INIT, changes cf_autobuf = CF_BUF_INIT;
    struct cf_target target = {0};
    struct cf_error err = {0};
    uint64_t nid = 0;
    char dest[160];

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    assert_ok(cf_target_open(f->store, "demo:v1", &target, &err), err);
    assert_int_equal(cf_tree_walk(target.tree, "bin/a", &nid), 0);
    cf_target_done(&target);
    /* bin/a was written to; bin/b is still the image's, and means the same inode */
    in_upper(&hand,
             "mkdir bin && printf changed > bin/a && mkdir ../work/index && ln bin/a "
             "../work/index/%016llx",
             (unsigned long long)nid);
    commit(&hand, &options, &result);
    changes_text(&result.changes, &changes);
    assert_string_equal(changes.data, "C bin/a\nC bin/b\n");
    tar_names(f->store, f, &result.layer.diff_id, &names);
    assert_string_equal(names.data, "./\nbin/\nbin/a\nbin/b\n");
    cf_commit_result_done(&result);
    assert_ok(cf_target_open(f->store, "demo:new", &target, &err), err);
    assert_ok(cf_extract(f->store, &target, in_dir(f, "out", dest), NULL, &err), err);
    cf_target_done(&target);
    must_run("test \"$(cat %s/bin/b)\" = changed && test %s/bin/a -ef %s/bin/b", dest, dest, dest);
}

/* ---- options ---- */

static void labels_annotations_and_messages_reach_the_image(void **state)
{
    struct fixture *f = *state;
    const struct cf_key_value labels[] = {{"z", "1"}, {"a", "2"}, {"z", "3"}};
    const struct cf_key_value annotations[] = {{"org.example", "yes"}};
    const struct cf_commit_options options = {.name = "demo:new",
                                              .image = {.message = "why",
                                                        .author = "who",
                                                        .labels = labels,
                                                        .label_count = 3,
                                                        .annotations = annotations,
                                                        .annotation_count = 1,
                                                        .has_timestamp = true,
                                                        .timestamp = 1200000000}};
    struct cf_commit_result result = {0};

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(&hand, "printf x > new");
    commit(&hand, &options, &result);
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    assert_int_equal(
        cf_json_print(cf_json_get(cf_json_get(result.image->config_json, "config"), "Labels"),
                      false, &text),
        0);
    assert_string_equal(text.data, "{\"a\":\"2\",\"z\":\"3\"}");
    assert_string_equal(
        cf_json_get_string(cf_json_get(result.image->manifest_json, "annotations"), "org.example"),
        "yes");
    const struct cf_json *entry = cf_json_at(cf_json_get(result.image->config_json, "history"), 1);
    assert_string_equal(cf_json_get_string(entry, "comment"), "why");
    assert_string_equal(cf_json_get_string(entry, "author"), "who");
    assert_string_equal(cf_json_get_string(entry, "created"), "2008-01-10T21:20:00Z");
    assert_string_equal(cf_json_get_string(result.image->config_json, "created"),
                        "2008-01-10T21:20:00Z");
    cf_commit_result_done(&result);
}

static void nothing_changed_gives_the_name_to_the_image_itself(void **state)
{
    struct fixture *f = *state;
    struct cf_commit_options options = {.name = "demo:new"};
    struct cf_commit_result result = {0};
    struct cf_digest digest;

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    commit(&hand, &options, &result);
    assert_true(result.unchanged);
    assert_int_equal(cf_name_get(f->store, "demo:new", &digest), 0);
    assert_true(cf_digest_equal(&digest, &hand.mount.manifest));
    cf_commit_result_done(&result);
    /* but what is said of it makes another image, without a layer more */
    options.image.message = "a new message";
    commit(&hand, &options, &result);
    assert_true(result.unchanged);
    assert_int_equal(result.image->layer_count, 1);
    assert_false(cf_digest_equal(&result.image->manifest, &hand.mount.manifest));
    cf_commit_result_done(&result);
}

static void a_squashed_image_has_one_layer_and_the_same_files(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:flat", .squash = true};
    struct cf_commit_result result = {0};
    struct cf_buf names cf_autobuf = CF_BUF_INIT;

    cf_image_free(demo_image(f, f->store));
    struct hand hand = hand_new(f, f->store, demo_image_2(f, f->store));
    in_upper(&hand, "printf x > new && mkdir etc && mknod etc/daemon.json c 0 0");
    commit(&hand, &options, &result);
    assert_int_equal(result.image->layer_count, 1);
    tar_names(f->store, f, &result.layer.diff_id, &names);
    assert_string_equal(names.data, "./\nbin/\nbin/new\netc/\nlib\nlink\nnew\n");
    assert_int_equal(cf_json_count(cf_json_get(result.image->config_json, "history")), 1);
    cf_commit_result_done(&result);
}

static void an_idle_mount_advances_to_the_new_image(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:new", .advance = true};
    struct cf_commit_result result = {0};

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(&hand, "mkdir etc && printf new > etc/daemon.json && mkdir ../work/index");
    commit(&hand, &options, &result);
    must_run("test -z \"$(ls -A %s)\" && test ! -e %s.old && test ! -e %s/index", hand.upper,
             hand.upper, hand.work);
    must_run("grep -q demo:new %s/mounts/%s/mount.json && test ! -e %s/mounts/%s/advance.json",
             f->root, ID, f->root, ID);
    hand.mount.manifest = result.image->manifest;
    cf_commit_result_done(&result);
    const struct cf_commit_options again = {.name = "demo:newer"};
    commit(&hand, &again, &result);
    assert_true(result.unchanged);
    cf_commit_result_done(&result);
}

static void a_very_deep_upper_is_committed(void **state)
{
    struct fixture *f = *state;
    const struct cf_commit_options options = {.name = "demo:deep"};
    struct cf_commit_result result = {0};

    struct hand hand = hand_new(f, f->store, demo_image(f, f->store));
    in_upper(&hand, "python3 -c \"\n"
                    "import os\n"
                    "for i in range(2000):\n"
                    "    os.mkdir('directory'); os.chdir('directory')\n"
                    "open('file','w').write('x'*100000)\n\"");
    commit(&hand, &options, &result);
    assert_int_equal(result.changes.count, 2001);
    assert_int_equal(result.layer.entries, 2002);
    cf_commit_result_done(&result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_of_edit_gives_its_layer),
        TEST(content_and_links_of_a_committed_image_are_those_of_the_upper),
        TEST(large_files_move_and_leave_stubs),
        TEST(a_file_that_is_open_for_writing_is_copied),
        TEST(names_that_layers_reserve_are_refused),
        TEST(the_order_and_the_date_of_edits_do_not_matter),
        TEST(the_same_image_whatever_way_a_directory_took),
        TEST(a_copied_up_hard_link_changes_all_its_names),
        TEST(labels_annotations_and_messages_reach_the_image),
        TEST(nothing_changed_gives_the_name_to_the_image_itself),
        TEST(a_squashed_image_has_one_layer_and_the_same_files),
        TEST(an_idle_mount_advances_to_the_new_image),
        TEST(a_very_deep_upper_is_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
