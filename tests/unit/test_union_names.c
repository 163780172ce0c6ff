/* SPDX-License-Identifier: Apache-2.0 */
/* The union: names. Rename, hard links, objects without a name, listing. */
#include "union_fixture.h"

#include <linux/fs.h>

static bool in_upper(struct ufix *f, const char *path, struct stat *st)
{
    return fstatat(f->upper, path, st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_whiteout(struct ufix *f, const char *path)
{
    struct stat st;
    return in_upper(f, path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static size_t disk_entries(struct ufix *f)
{
    char command[200];
    snprintf(command, sizeof(command), "find %s/upper | wc -l", f->dir);
    FILE *p = popen(command, "r");
    unsigned n = 0;
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%u", &n), 1);
    (void)pclose(p);
    return n;
}

/* ---- rename ---- */

static void a_file_can_be_renamed_wherever_it_is(void **state)
{
    struct ufix *f = *state;
    struct stat before, st;
    static const struct {
        const char *from, *to, *text;
    } rows[] = {
        {"etc/daemon.json", "etc/renamed", "{\"debug\": false}\n"},
        {"etc/renamed", "bin/moved", "{\"debug\": false}\n"},
        {"etc/conf.d/one", "etc/passwd", "one\n"}, /* over a lower file */
        {"etc/passwd", "top", "one\n"},
        {"etc/conf.d/two", "etc/conf.d/one", "two\n"}, /* over a whiteout */
        {"etc/conf.d/one", "etc/conf.d/two", "two\n"}, /* and back */
    };
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        must(u_stat(f, rows[i].from, &before));
        must(u_rename(f, rows[i].from, rows[i].to, 0));
        for (int again = 0; again < 2; again++) {
            assert_errno(u_stat(f, rows[i].from, &st), ENOENT, rows[i].from);
            must(u_stat(f, rows[i].to, &st));
            assert_int_equal(st.st_ino, before.st_ino);
            assert_int_equal(st.st_mtim.tv_sec, before.st_mtim.tv_sec);
            assert_content(f, rows[i].to, rows[i].text);
            union_reopen(f);
        }
    }
    assert_true(is_whiteout(f, "etc/daemon.json"));
    assert_false(in_upper(f, "etc/renamed", &st)); /* no lower name: no whiteout */
    must(u_write(f, "bin/moved", O_APPEND, "more", 0));
    assert_content(f, "bin/moved", "{\"debug\": false}\nmore");
}

static void a_lower_directory_is_renamed_without_a_copy(void **state)
{
    struct ufix *f = *state;
    struct stat before, st;
    must(u_stat(f, "etc/conf.d", &before));
    must(u_rename(f, "etc/conf.d", "bin/conf", 0));
    assert_true(disk_entries(f) <= 5); /* root, etc, whiteout, bin, conf */
    for (int again = 0; again < 2; again++) {
        must(u_stat(f, "bin/conf", &st));
        assert_int_equal(st.st_ino, before.st_ino);
        assert_int_equal(st.st_uid, 5);
        assert_content(f, "bin/conf/one", "one\n");
        assert_content(f, "bin/conf/deep/er/file", "deep\n");
        assert_errno(u_stat(f, "etc/conf.d", &st), ENOENT, "old name");
        union_reopen(f);
    }
    must(u_write(f, "bin/conf/deep/er/file", O_TRUNC, "new", 0));
    must(u_unlink(f, "bin/conf/one"));
    must(u_rename(f, "bin/conf/deep", "deep", 0));
    must(u_rename(f, "bin/conf", "empty", 0)); /* over an empty lower directory */
    union_reopen(f);
    assert_content(f, "deep/er/file", "new");
    assert_content(f, "empty/two", "two\n");
    assert_errno(u_stat(f, "empty/one", &st), ENOENT, "removed before the move");
    assert_errno(u_stat(f, "empty/deep", &st), ENOENT, "moved out before the move");
    must(u_mkdir(f, "etc/conf.d", 0755));
    assert_errno(u_stat(f, "etc/conf.d/two", &st), ENOENT, "a new directory is empty");
    must(u_rename(f, "empty", "etc/conf.d", 0)); /* over an empty upper one, home again */
    union_reopen(f);
    assert_content(f, "etc/conf.d/two", "two\n");
}

static void rename_replaces_a_directory_that_shows_nothing(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_unlink(f, "etc/conf.d/deep/er/file")); /* whiteouts only */
    must(u_mkdir(f, "fresh", 0700));
    must(u_put(f, "fresh/x", "x"));
    must(u_rename(f, "fresh", "etc/conf.d/deep/er", 0));
    union_reopen(f);
    assert_content(f, "etc/conf.d/deep/er/x", "x");
    assert_errno(u_stat(f, "etc/conf.d/deep/er/file", &st), ENOENT, "hidden for good");
    assert_errno(u_stat(f, "fresh", &st), ENOENT, "moved");
    assert_false(in_upper(f, "fresh", &st));
}

static void rename_fails_as_on_ext4(void **state)
{
    struct ufix *f = *state;
    static const struct {
        const char *from, *to;
        unsigned flags;
        int error;
    } rows[] = {
        {"etc/none", "etc/x", 0, ENOENT},
        {"etc/none", "etc/passwd", RENAME_EXCHANGE, ENOENT},
        {"etc/passwd", "etc/none", RENAME_EXCHANGE, ENOENT},
        {"etc/passwd", "etc/daemon.json", RENAME_NOREPLACE, EEXIST},
        {"etc/passwd", "etc/passwd", RENAME_NOREPLACE, EEXIST},
        {"etc", "etc/conf.d/x", 0, EINVAL},
        {"etc", "etc/conf.d/deep", 0, EINVAL},
        {"etc/conf.d", "etc", 0, ENOTEMPTY},
        {"etc/conf.d", "etc", RENAME_EXCHANGE, EINVAL},
        {"etc", "etc/conf.d", RENAME_EXCHANGE, EINVAL},
        {"etc/passwd", "bin", 0, EISDIR},
        {"bin", "etc/passwd", 0, ENOTDIR},
        {"empty", "etc", 0, ENOTEMPTY},
        {"etc/passwd", "no/where", 0, ENOENT},
        {"etc/passwd", "etc/daemon.json/x", 0, ENOTDIR},
        {"etc/passwd", "x", RENAME_NOREPLACE | RENAME_EXCHANGE, EINVAL},
        {"etc/passwd", "x", 1u << 20, EINVAL},
    };
    for (size_t i = 0; i < CF_COUNT(rows); i++)
        assert_errno(u_rename(f, rows[i].from, rows[i].to, rows[i].flags), rows[i].error,
                     rows[i].from);
    assert_int_equal(disk_entries(f), 1);
    must(u_rename(f, "etc/passwd", "etc/passwd", 0));
    must(u_rename(f, "bin/hard1", "lib/hard3", 0)); /* one inode: nothing happens */
    struct stat st;
    must(u_stat(f, "bin/hard1", &st));
}

static void two_things_change_places(void **state)
{
    struct ufix *f = *state;
    static const char *const pairs[][2] = {
        {"etc/passwd", "bin/big"}, {"etc/conf.d", "empty"}, {"etc/conf.d", "etc/daemon.json"}};
    for (size_t i = 0; i < CF_COUNT(pairs); i++) {
        struct stat a, b, st;
        must(u_stat(f, pairs[i][0], &a));
        must(u_stat(f, pairs[i][1], &b));
        must(u_rename(f, pairs[i][0], pairs[i][1], RENAME_EXCHANGE));
        union_reopen(f);
        must(u_stat(f, pairs[i][1], &st));
        assert_int_equal(st.st_ino, a.st_ino);
        must(u_stat(f, pairs[i][0], &st));
        assert_int_equal(st.st_ino, b.st_ino);
    }
    assert_content(f, "bin/big", "root\n");
    assert_content(f, "empty/deep/er/file", "deep\n");
}

/* ---- hard links ---- */

static void lower_hard_links_stay_one_file(void **state)
{
    struct ufix *f = *state;
    struct stat a, b;
    struct cf_file *file;
    char data[5] = "";
    must(u_open(f, "lib/hard3", O_RDONLY, &file)); /* known before the copy-up */
    must(u_stat(f, "bin/hard1", &a));
    assert_int_equal(a.st_nlink, 3);
    must(u_write(f, "bin/hard2", 0, "ONE!", 0));
    assert_int_equal(cf_file_read(file, data, 4, 0), 4);
    assert_string_equal(data, "ONE!");
    cf_file_close(file);
    for (int again = 0; again < 2; again++) {
        static const char *const names[] = {"bin/hard1", "bin/hard2", "lib/hard3"};
        for (size_t i = 0; i < 3; i++) {
            struct cf_buf buf cf_autobuf = CF_BUF_INIT;
            must(u_stat(f, names[i], &b));
            assert_int_equal(b.st_ino, a.st_ino);
            assert_int_equal(b.st_nlink, 3);
            must(u_read(f, names[i], &buf));
            assert_int_equal(buf.len, 9000);
            assert_memory_equal(buf.data, "ONE!hard", 8);
        }
        union_reopen(f);
    }
    must(u_chmod(f, "lib/hard3", 0600));
    must(u_stat(f, "bin/hard1", &b));
    assert_int_equal(b.st_mode, S_IFREG | 0600);
}

static void links_are_counted_through_every_change(void **state)
{
    struct ufix *f = *state;
    struct stat st, first;
    must(u_stat(f, "bin/hard1", &first));
    must(u_unlink(f, "bin/hard1"));
    must(u_stat(f, "bin/hard2", &st));
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(st.st_ino, first.st_ino);
    must(u_link(f, "lib/hard3", "lib/hard4"));
    must(u_stat(f, "bin/hard2", &st));
    assert_int_equal(st.st_nlink, 3);
    must(u_rename(f, "bin/hard2", "bin/hard5", 0));
    union_reopen(f);
    must(u_stat(f, "lib/hard4", &st));
    assert_int_equal(st.st_nlink, 3);
    assert_int_equal(st.st_ino, first.st_ino);
    must(u_put(f, "bin/other", "other"));
    must(u_rename(f, "bin/other", "lib/hard3", 0)); /* replaced */
    must(u_stat(f, "lib/hard4", &st));
    assert_int_equal(st.st_nlink, 2);
    must(u_unlink(f, "bin/hard5"));
    must(u_stat(f, "lib/hard4", &st));
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_size, 9000);
    must(u_unlink(f, "lib/hard4"));
    char index[64];
    snprintf(index, sizeof(index), "index/%016llx", (unsigned long long)first.st_ino);
    assert_int_equal(fstatat(f->work, index, &st, 0), -1); /* goes with the last name */
    union_reopen(f);
    assert_content(f, "lib/hard3", "other");
    assert_errno(u_stat(f, "bin/hard1", &st), ENOENT, "removed");
    assert_errno(u_stat(f, "bin/hard2", &st), ENOENT, "moved away");
}

static void new_links_share_content_and_survive_each_other(void **state)
{
    struct ufix *f = *state;
    struct stat a, b;
    static const char *const sources[] = {"etc/passwd", "fresh"};
    must(u_put(f, "fresh", "fresh\n"));
    for (size_t i = 0; i < CF_COUNT(sources); i++) {
        struct cf_entry held = {0};
        must(u_walk(f, sources[i], &held)); /* stays cached */
        must(u_link(f, sources[i], "lib/second"));
        must(u_link(f, "lib/second", "lib/third"));
        must(u_stat(f, sources[i], &a));
        must(u_stat(f, "lib/third", &b));
        assert_int_equal(a.st_ino, b.st_ino);
        assert_int_equal(b.st_nlink, 3);
        must(u_unlink(f, sources[i]));
        must(u_write(f, "lib/second", O_TRUNC, "via second", 0));
        assert_content(f, "lib/third", "via second");
        must(cf_union_getattr(f->u, held.ino, &a));
        assert_int_equal(a.st_nlink, 2);
        assert_int_equal(a.st_ino, b.st_ino);
        union_reopen(f);
        assert_content(f, "lib/third", "via second");
        must(u_unlink(f, "lib/second"));
        must(u_unlink(f, "lib/third"));
    }
}

/* ---- without a name ---- */

static void an_unlinked_file_lives_on_while_it_is_open(void **state)
{
    struct ufix *f = *state;
    static const char *const paths[] = {"etc/passwd", "bin/big", "fresh", "bin/hard1"};
    must(u_put(f, "fresh", "root\n"));
    must(u_unlink(f, "bin/hard2"));
    must(u_unlink(f, "lib/hard3"));
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        struct cf_entry e = {0};
        struct cf_file *file, *second;
        struct stat st;
        char data[4] = "";
        must(u_walk(f, paths[i], &e));
        must(cf_union_open_file(f->u, e.ino, O_RDONLY, &file));
        must(u_unlink(f, paths[i]));
        must(cf_union_getattr(f->u, e.ino, &st));
        assert_int_equal(st.st_nlink, 0);
        assert_int_equal(st.st_ino, e.ino);
        assert_int_equal(cf_file_read(file, data, 3, 0), 3);
        must(cf_union_open_file(f->u, e.ino, O_RDWR, &second)); /* /proc/self/fd/N */
        assert_int_equal(cf_file_write(second, "gone", 4, 1, false), 4);
        assert_int_equal(cf_file_read(file, data, 3, 2), 3);
        assert_memory_equal(data, "one", 3);
        struct stat mode = {.st_mode = 0611};
        must(cf_union_setattr(f->u, e.ino, file, &mode, CF_SET_MODE, &st));
        assert_int_equal(st.st_mode, S_IFREG | 0611);
        assert_int_equal(st.st_nlink, 0);
        cf_file_close(second);
        cf_file_close(file);
        cf_union_forget(f->u, e.ino, 1);
        assert_errno(cf_union_getattr(f->u, e.ino, &st), ESTALE, "forgotten");
    }
}

static void a_replaced_file_lives_on_while_it_is_open(void **state)
{
    struct ufix *f = *state;
    struct cf_file *file;
    char data[5] = "";
    must(u_open(f, "etc/daemon.json", O_RDWR, &file));
    must(u_put(f, "etc/new", "new"));
    must(u_rename(f, "etc/new", "etc/daemon.json", 0));
    assert_int_equal(cf_file_read(file, data, 4, 2), 4);
    assert_string_equal(data, "debu");
    assert_int_equal(cf_file_write(file, "x", 1, 0, false), 1);
    assert_content(f, "etc/daemon.json", "new");
    cf_file_close(file);
}

static void a_removed_directory_stays_valid_while_it_is_held(void **state)
{
    struct ufix *f = *state;
    static const char *const paths[] = {"empty", "made", "etc/conf.d/deep/er"};
    must(u_mkdir(f, "made", 0755));
    must(u_unlink(f, "etc/conf.d/deep/er/file"));
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        struct cf_entry e = {0}, made;
        struct stat st;
        must(u_walk(f, paths[i], &e));
        must(u_rmdir(f, paths[i]));
        must(cf_union_getattr(f->u, e.ino, &st));
        assert_int_equal(st.st_nlink, 0);
        assert_errno(cf_union_lookup(f->u, e.ino, "x", &made), ENOENT, "lookup");
        assert_errno(cf_union_mkdir(f->u, e.ino, "x", 0755, &f->caller, &made), ENOENT, "mkdir");
        must(u_mkdir(f, paths[i], 0700)); /* another directory */
        must(cf_union_getattr(f->u, e.ino, &st));
        assert_int_equal(st.st_nlink, 0);
        cf_union_forget(f->u, e.ino, 1);
    }
}

static void an_unnamed_file_can_get_a_name(void **state)
{
    struct ufix *f = *state;
    struct cf_entry e = {0}, linked;
    struct cf_file *file;
    struct cf_entry dir = {0};
    struct stat st;
    must(u_walk(f, "etc", &dir));
    must(cf_union_tmpfile(f->u, dir.ino, 0640, O_RDWR, &f->caller, &e, &file));
    assert_int_equal(e.attr.st_nlink, 0);
    assert_int_equal(cf_file_write(file, "tmp", 3, 0, false), 3);
    assert_errno(u_unlink(f, "etc/passwd"), 0, "unlink"); /* over a whiteout, then */
    must(cf_union_link(f->u, e.ino, dir.ino, "passwd", &linked));
    assert_int_equal(linked.ino, e.ino);
    assert_content(f, "etc/passwd", "tmp");
    must(u_stat(f, "etc/passwd", &st));
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode, S_IFREG | 0640);
    cf_file_close(file);
    cf_union_forget(f->u, e.ino, 2);
    union_reopen(f);
    assert_content(f, "etc/passwd", "tmp");
}

/* ---- listing ---- */

static void a_listing_is_the_same_in_any_portions(void **state)
{
    struct ufix *f = *state;
    char name[32];
    must(u_unlink(f, "etc/passwd"));
    must(u_chmod(f, "etc/empty", 0600));
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "etc/n%d", i);
        must(u_put(f, name, ""));
    }
    static const char *const dirs[] = {"etc", "", "etc/conf.d", "empty"};
    static const size_t counts[] = {64, 7, 3, 0};
    for (size_t d = 0; d < CF_COUNT(dirs); d++) {
        struct cf_buf all cf_autobuf = CF_BUF_INIT;
        must(u_list(f, dirs[d], false, 1000, &all));
        size_t lines = 0;
        for (size_t i = 0; i < all.len; i++)
            lines += all.data[i] == '\n';
        assert_int_equal(lines, counts[d]);
        for (size_t room = 1; room < 9; room += 3) {
            struct cf_buf some cf_autobuf = CF_BUF_INIT;
            must(u_list(f, dirs[d], room > 1, room, &some));
            assert_int_equal(some.len, all.len);
            if (all.len)
                assert_string_equal(some.data, all.data);
        }
    }
}

static void listed_inode_numbers_are_those_of_stat(void **state)
{
    struct ufix *f = *state;
    must(u_chmod(f, "etc/passwd", 0600));
    must(u_rename(f, "etc/conf.d", "etc/d", 0));
    must(u_put(f, "etc/new", ""));
    must(u_chmod(f, "bin/hard1", 0600));
    static const char *const dirs[] = {"etc", "bin", "lib", "dev", "etc/d"};
    for (size_t d = 0; d < CF_COUNT(dirs); d++) {
        struct cf_buf all cf_autobuf = CF_BUF_INIT;
        must(u_list(f, dirs[d], false, 1000, &all));
        char *save = NULL;
        for (char *line = strtok_r(all.data, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
            char name[256], path[512];
            unsigned long long ino;
            struct stat st;
            assert_int_equal(sscanf(line, "%255s %llu", name, &ino), 2);
            snprintf(path, sizeof(path), "%s/%s", dirs[d], name);
            must(u_stat(f, path, &st));
            assert_int_equal(st.st_ino, ino);
        }
    }
}

static void a_listing_goes_on_while_entries_go(void **state)
{
    struct ufix *f = *state;
    struct cf_entry e = {0};
    struct cf_dir *dir = NULL;
    struct listing l = {.f = f, .room = 3};
    must(u_walk(f, "etc", &e));
    must(cf_union_open_dir(f->u, e.ino, &dir)); /* purely lower still */
    must(cf_dir_read(dir, 0, false, list_one, &l));
    must(u_put(f, "etc/zz", ""));
    must(u_unlink(f, "etc/passwd"));
    l.room = 100;
    must(cf_dir_read(dir, l.last, false, list_one, &l));
    cf_dir_close(dir);
    u_forget(f, e.ino);
    assert_non_null(strstr(l.names.data, "zz "));
    assert_null(strstr(l.names.data, "passwd "));
    assert_non_null(strstr(l.names.data, "daemon.json "));
    cf_buf_done(&l.names);
}

static void paths_may_be_deeper_than_path_max(void **state)
{
    struct ufix *f = *state;
    char name[201];
    struct cf_entry e = {.ino = CF_ROOT_INO}, next;
    memset(name, 'd', 200);
    name[200] = 0;
    for (int i = 0; i < 400; i++) { /* more than there are cached descriptors */
        must(cf_union_mkdir(f->u, e.ino, name, 0755, &f->caller, &next));
        e = next;
    }
    struct cf_file *file;
    must(cf_union_create(f->u, e.ino, "file", 0644, O_RDWR, &f->caller, &next, &file));
    cf_file_close(file);
    union_reopen(f);
    e.ino = CF_ROOT_INO;
    for (int i = 0; i < 400; i++) {
        must(cf_union_lookup(f->u, e.ino, name, &next));
        u_forget(f, e.ino);
        e = next;
    }
    must(cf_union_lookup(f->u, e.ino, "file", &next));
    must(cf_union_unlink(f->u, e.ino, "file"));
}

static int run(const char *name)
{
#define T(test) cmocka_unit_test_setup_teardown(test, ufix_setup, ufix_teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_can_be_renamed_wherever_it_is),
        T(a_lower_directory_is_renamed_without_a_copy),
        T(rename_replaces_a_directory_that_shows_nothing),
        T(rename_fails_as_on_ext4),
        T(two_things_change_places),
        T(lower_hard_links_stay_one_file),
        T(links_are_counted_through_every_change),
        T(new_links_share_content_and_survive_each_other),
        T(an_unlinked_file_lives_on_while_it_is_open),
        T(a_replaced_file_lives_on_while_it_is_open),
        T(a_removed_directory_stays_valid_while_it_is_held),
        T(an_unnamed_file_can_get_a_name),
        T(a_listing_is_the_same_in_any_portions),
        T(listed_inode_numbers_are_those_of_stat),
        T(a_listing_goes_on_while_entries_go),
        T(paths_may_be_deeper_than_path_max),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return run_as_both(run);
}
