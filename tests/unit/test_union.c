/* SPDX-License-Identifier: Apache-2.0 */
/* The union: what each operation shows, and what it leaves in the upper. */
#include "union_fixture.h"

/* ---- looking ---- */

static void the_lower_shows_as_it_is(void **state)
{
    struct ufix *f = *state;
    for (size_t i = 0; i < CF_COUNT(LOWER); i++) {
        const struct lower_entry *e = &LOWER[i];
        struct stat st;
        must(u_stat(f, e->path, &st));
        if (e->link)
            continue;
        assert_int_equal(st.st_mode, e->mode);
        assert_int_equal(st.st_uid, e->uid);
        assert_int_equal(st.st_gid, e->gid);
        assert_int_equal(st.st_mtim.tv_sec, MTIME);
        assert_int_equal(st.st_mtim.tv_nsec, 123456789);
        if (!S_ISREG(e->mode))
            continue;
        size_t len;
        char *text cf_autofree = content_of(e, &len);
        assert_int_equal(st.st_size, len);
        assert_content(f, e->path, text);
    }
}

static void nothing_is_written_by_looking(void **state)
{
    struct ufix *f = *state;
    the_lower_shows_as_it_is(state);
    assert_true(u_lists(f, "etc", "passwd"));
    int fd = openat(f->upper, "etc", O_PATH | O_CLOEXEC);
    assert_int_equal(fd, -1);
}

static void absent_names_and_wrong_types_give_the_right_errors(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    struct cf_file *file;
    char target[10], name[CF_NAME_MAX + 2];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = 0;
    assert_errno(u_stat(f, "etc/nothing", &st), ENOENT, "absent");
    assert_errno(u_stat(f, "etc/passwd/x", &st), ENOTDIR, "below a file");
    assert_errno(u_stat(f, name, &st), ENAMETOOLONG, "256 bytes");
    assert_errno(u_open(f, "etc", O_RDONLY, &file), EISDIR, "open a directory");
    assert_errno(u_open(f, "etc/link", O_RDONLY, &file), ELOOP, "open a symlink");
    assert_errno(u_readlink(f, "etc/passwd", target, 10), EINVAL, "readlink of a file");
    assert_errno(u_create(f, "etc/passwd", 0644, NULL), EEXIST, "create over a file");
    assert_errno(u_create(f, "no/file", 0644, NULL), ENOENT, "create in nothing");
    assert_errno(u_create(f, "etc/passwd/file", 0644, NULL), ENOTDIR, "create below a file");
    assert_errno(u_create(f, name, 0644, NULL), ENAMETOOLONG, "create 256 bytes");
    assert_errno(u_mkdir(f, "etc", 0755), EEXIST, "mkdir over a directory");
    assert_errno(u_symlink(f, "x", "etc/link"), EEXIST, "symlink over a symlink");
    assert_errno(u_unlink(f, "etc/nothing"), ENOENT, "unlink nothing");
    assert_errno(u_unlink(f, "etc"), EISDIR, "unlink a directory");
    assert_errno(u_rmdir(f, "etc/passwd"), ENOTDIR, "rmdir of a file");
    assert_errno(u_rmdir(f, "etc"), ENOTEMPTY, "rmdir of a full directory");
    assert_errno(u_link(f, "etc", "bin/etc"), EPERM, "link of a directory");
    assert_errno(u_link(f, "etc/passwd", "bin/big"), EEXIST, "link over a file");
    assert_errno(u_mknod(f, "dev/wh", S_IFCHR, 0), EPERM, "mknod of a whiteout");
    int fd = openat(f->upper, "etc", O_PATH | O_CLOEXEC);
    assert_int_equal(fd, -1); /* none of that has copied anything up */
}

/* ---- changes ---- */

static void a_new_file_holds_what_is_written(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_put(f, "etc/new", "hello\n"));
    assert_content(f, "etc/new", "hello\n");
    must(u_stat(f, "etc/new", &st));
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_nlink, 1);
    uint64_t ino = st.st_ino;
    union_reopen(f);
    assert_content(f, "etc/new", "hello\n");
    must(u_stat(f, "etc/new", &st));
    assert_int_equal(st.st_ino, ino);
    assert_true(u_lists(f, "etc", "new"));
    assert_true(u_lists(f, "etc", "passwd"));
}

static void writing_copies_up_and_keeps_the_inode_number(void **state)
{
    struct ufix *f = *state;
    struct stat before, after;
    char value[10];
    must(u_stat(f, "etc/passwd", &before));
    must(u_write(f, "etc/passwd", 0, "R", 0));
    assert_content(f, "etc/passwd", "Root\n");
    for (int i = 0; i < 2; i++) {
        must(u_stat(f, "etc/passwd", &after));
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_mode, before.st_mode);
        assert_int_equal(after.st_uid, 7);
        assert_int_equal(after.st_gid, 8);
        assert_int_equal(u_getxattr(f, "etc/passwd", "user.color", value, 10), 4);
        assert_content(f, "etc/passwd", "Root\n");
        union_reopen(f);
    }
    must(u_stat(f, "etc", &after));
    assert_int_equal(after.st_mtim.tv_sec, MTIME); /* a copy-up is no change of the directory */
    must(u_unlink(f, "etc/empty"));
    must(u_stat(f, "etc", &after));
    assert_true(after.st_mtim.tv_sec > MTIME);
}

static void a_file_opened_before_a_copy_up_sees_later_writes(void **state)
{
    struct ufix *f = *state;
    static const char *const paths[] = {"bin/big", "etc/daemon.json", "bin/hard1"};
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        struct cf_file *file;
        char data[6] = "";
        must(u_open(f, paths[i], O_RDONLY, &file));
        assert_int_equal(cf_file_read(file, data, 5, 0), 5);
        must(u_write(f, paths[i], 0, "WRITE", 0));
        assert_int_equal(cf_file_read(file, data, 5, 0), 5);
        assert_string_equal(data, "WRITE");
        cf_file_close(file);
    }
}

static void metadata_changes_copy_no_data(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    char lower[8], upper[8];
    must(u_chmod(f, "bin/big", 0700));
    must(fstatat(f->upper, "bin/big", &st, AT_SYMLINK_NOFOLLOW));
    assert_true(st.st_blocks <= 8); /* a block of xattrs at most */
    assert_int_equal(st.st_size, 300000);
    must(u_stat(f, "bin/big", &st));
    assert_int_equal(st.st_mode, S_IFREG | 0700);
    assert_true(st.st_blocks > 0);
    struct cf_file *file;
    must(u_open(f, "bin/big", O_RDONLY, &file));
    assert_int_equal(cf_file_read(file, upper, 8, 160000), 8);
    cf_file_close(file);
    memcpy(lower, "01234567", 8);
    assert_memory_equal(lower, upper, 8);
    must(u_chown(f, "bin/big", 33, 44));
    must(u_utimens(f, "bin/big", 1, 2));
    must(u_setxattr(f, "bin/big", "user.color", "red"));
    union_reopen(f);
    must(u_stat(f, "bin/big", &st));
    assert_int_equal(st.st_uid, 33);
    assert_int_equal(st.st_gid, 44);
    assert_int_equal(st.st_mode, S_IFREG | 0700);
    assert_int_equal(st.st_mtim.tv_sec, 2);
    assert_int_equal(st.st_size, 300000);
    must(u_write(f, "bin/big", 0, "X", 299999));
    must(u_stat(f, "bin/big", &st));
    assert_int_equal(st.st_size, 300000);
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    must(u_read(f, "bin/big", &buf));
    assert_int_equal(buf.len, 300000);
    assert_memory_equal(buf.data + 299990, "6789abcdeX", 0);
    assert_int_equal(buf.data[299999], 'X');
    assert_int_equal(buf.data[0], '0');
}

static void truncation_to_nothing_copies_no_data(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_truncate(f, "bin/big", 0));
    must(u_stat(f, "bin/big", &st));
    assert_int_equal(st.st_size, 0);
    assert_content(f, "bin/big", "");
    must(u_write(f, "etc/daemon.json", O_TRUNC, "{}", 0));
    assert_content(f, "etc/daemon.json", "{}");
    must(u_truncate(f, "etc/conf.d/one", 2));
    assert_content(f, "etc/conf.d/one", "on");
    must(u_truncate(f, "etc/conf.d/two", 5));
    must(u_stat(f, "etc/conf.d/two", &st));
    assert_int_equal(st.st_size, 5);
}

static void a_removed_lower_name_stays_away(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_unlink(f, "etc/passwd"));
    for (int i = 0; i < 2; i++) {
        assert_errno(u_stat(f, "etc/passwd", &st), ENOENT, "removed");
        assert_false(u_lists(f, "etc", "passwd"));
        must(fstatat(f->upper, "etc/passwd", &st, AT_SYMLINK_NOFOLLOW));
        assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
        union_reopen(f);
    }
    must(u_put(f, "etc/passwd", "again"));
    assert_content(f, "etc/passwd", "again");
    must(u_unlink(f, "etc/passwd"));
    assert_errno(u_stat(f, "etc/passwd", &st), ENOENT, "removed again");
    must(u_unlink(f, "etc/link"));
    must(u_mkdir(f, "etc/link", 0700));
    assert_true(u_lists(f, "etc", "link"));
    must(u_put(f, "etc/link/x", "x"));
    assert_content(f, "etc/link/x", "x");
}

static void a_removed_directory_does_not_come_back_with_its_old_content(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_unlink(f, "etc/conf.d/deep/er/file"));
    must(u_rmdir(f, "etc/conf.d/deep/er"));
    must(u_rmdir(f, "etc/conf.d/deep"));
    must(u_unlink(f, "etc/conf.d/one"));
    assert_errno(u_rmdir(f, "etc/conf.d"), ENOTEMPTY, "one is left");
    must(u_unlink(f, "etc/conf.d/two"));
    must(u_rmdir(f, "etc/conf.d"));
    assert_errno(u_stat(f, "etc/conf.d", &st), ENOENT, "removed");
    must(u_mkdir(f, "etc/conf.d", 0755));
    for (int i = 0; i < 2; i++) {
        struct cf_buf names cf_autobuf = CF_BUF_INIT;
        assert_errno(u_stat(f, "etc/conf.d/two", &st), ENOENT, "old content");
        must(u_list(f, "etc/conf.d", true, 100, &names));
        assert_int_equal(names.len, 0);
        union_reopen(f);
    }
    must(u_rmdir(f, "empty"));
    assert_errno(u_stat(f, "empty", &st), ENOENT, "removed");
}

static void every_type_can_be_made_and_comes_back(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    char target[100];
    static const struct {
        const char *path;
        mode_t mode;
        unsigned major, minor;
    } rows[] = {
        {"dev/made-null", S_IFCHR | 0622, 1, 3}, {"dev/made-disk", S_IFBLK | 0600, 259, 70000},
        {"dev/made-fifo", S_IFIFO | 0640, 0, 0}, {"dev/made-sock", S_IFSOCK | 0700, 0, 0},
        {"dev/made-file", S_IFREG | 0604, 0, 0}, {"dev/made-zero", 0604, 0, 0},
    };
    for (size_t i = 0; i < CF_COUNT(rows); i++)
        must(u_mknod(f, rows[i].path, rows[i].mode, makedev(rows[i].major, rows[i].minor)));
    must(u_symlink(f, "over/there", "dev/made-link"));
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < CF_COUNT(rows); i++) {
            mode_t mode = rows[i].mode & S_IFMT ? rows[i].mode : rows[i].mode | S_IFREG;
            must(u_stat(f, rows[i].path, &st));
            assert_int_equal(st.st_mode, mode & ~(mode_t)022);
            assert_int_equal(st.st_rdev, makedev(rows[i].major, rows[i].minor));
        }
        must(u_stat(f, "dev/made-link", &st));
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(st.st_size, 10);
        must(u_readlink(f, "dev/made-link", target, sizeof(target)));
        assert_string_equal(target, "over/there");
        union_reopen(f);
    }
}

static void special_files_and_symlinks_are_copied_up_whole(void **state)
{
    struct ufix *f = *state;
    struct stat st, before;
    char target[100];
    static const char *const paths[] = {"dev/null", "dev/disk", "dev/fifo", "etc/link"};
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        must(u_stat(f, paths[i], &before));
        must(u_chown(f, paths[i], 12, 13));
        union_reopen(f);
        must(u_stat(f, paths[i], &st));
        assert_int_equal(st.st_ino, before.st_ino);
        assert_int_equal(st.st_mode, before.st_mode);
        assert_int_equal(st.st_rdev, before.st_rdev);
        assert_int_equal(st.st_uid, 12);
        assert_int_equal(st.st_gid, 13);
        assert_int_equal(st.st_mtim.tv_sec, MTIME);
    }
    must(u_readlink(f, "etc/link", target, sizeof(target)));
    assert_string_equal(target, "daemon.json");
}

static int run(const char *name)
{
#define T(test) cmocka_unit_test_setup_teardown(test, ufix_setup, ufix_teardown)
    const struct CMUnitTest tests[] = {
        T(the_lower_shows_as_it_is),
        T(nothing_is_written_by_looking),
        T(absent_names_and_wrong_types_give_the_right_errors),
        T(a_new_file_holds_what_is_written),
        T(writing_copies_up_and_keeps_the_inode_number),
        T(a_file_opened_before_a_copy_up_sees_later_writes),
        T(metadata_changes_copy_no_data),
        T(truncation_to_nothing_copies_no_data),
        T(a_removed_lower_name_stays_away),
        T(a_removed_directory_does_not_come_back_with_its_old_content),
        T(every_type_can_be_made_and_comes_back),
        T(special_files_and_symlinks_are_copied_up_whole),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return run_as_both(run);
}
