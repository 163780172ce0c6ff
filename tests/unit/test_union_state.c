/* SPDX-License-Identifier: Apache-2.0 */
/* The union: xattrs, privileges and inheritance, stubs, freezing, and what a crash leaves. */
#include "union_fixture.h"

#include <pthread.h>

/* ---- xattrs ---- */

static void own_xattrs_are_hidden_and_users_are_kept(void **state)
{
    struct ufix *f = *state;
    char names[1024];
    struct cf_entry e = {0};
    const char *overlay = f->user ? "user.overlay.opaque" : "trusted.overlay.opaque";
    const char *override = "user.containers.override_stat";
    must(u_chmod(f, "bin/suid", 0755));
    must(u_setxattr(f, "bin/suid", overlay, "mine"));
    must(u_setxattr(f, "bin/suid", "user.new", "value"));
    for (int again = 0; again < 2; again++) {
        must(u_walk(f, "bin/suid", &e));
        ssize_t n = cf_union_listxattr(f->u, e.ino, names, sizeof(names));
        assert_int_equal(n, strlen(overlay) + strlen("user.new") + strlen("user.color") + 3);
        assert_int_equal(cf_union_listxattr(f->u, e.ino, NULL, 0), n);
        assert_errno((int)cf_union_listxattr(f->u, e.ino, names, 3), ERANGE, "short list");
        char value[10];
        assert_int_equal(u_getxattr(f, "bin/suid", overlay, value, 10), 4);
        assert_memory_equal(value, "mine", 4);
        assert_errno((int)u_getxattr(f, "bin/suid", overlay, value, 2), ERANGE, "short value");
        u_forget(f, e.ino);
        union_reopen(f);
    }
    if (f->user) {
        assert_errno((int)u_getxattr(f, "bin/suid", override, NULL, 0), ENODATA, "override");
        assert_errno(u_setxattr(f, "bin/suid", override, "0:0:0777:file"), EPERM, "override");
        must(u_setxattr(f, "bin/suid", "security.capability", "0123456789"));
        assert_int_equal(u_getxattr(f, "bin/suid", "security.capability", names, 100), 10);
    }
    must(u_walk(f, "bin/suid", &e));
    must(cf_union_removexattr(f->u, e.ino, "user.new"));
    assert_errno(cf_union_removexattr(f->u, e.ino, "user.new"), ENODATA, "removed");
    assert_errno(cf_union_setxattr(f->u, e.ino, "user.color", "x", 1, XATTR_CREATE), EEXIST, "set");
    assert_errno(cf_union_setxattr(f->u, e.ino, "user.no", "x", 1, XATTR_REPLACE), ENODATA, "set");
    u_forget(f, e.ino);
}

static void an_xattr_of_a_symlink_never_reaches_its_target(void **state)
{
    struct ufix *f = *state;
    if (f->user)
        skip();
    must(u_setxattr(f, "etc/link", "trusted.mark", "here"));
    must(u_put(f, "target", "t"));
    must(u_symlink(f, "target", "pointer"));
    must(u_setxattr(f, "pointer", "trusted.mark", "here"));
    assert_int_equal(u_getxattr(f, "pointer", "trusted.mark", NULL, 0), 4);
    assert_errno((int)u_getxattr(f, "target", "trusted.mark", NULL, 0), ENODATA, "target");
    assert_errno((int)u_getxattr(f, "etc/daemon.json", "trusted.mark", NULL, 0), ENODATA, "target");
}

/* ---- owners, modes, privileges ---- */

static void owners_and_modes_are_whatever_is_asked(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_put(f, "new", "x"));
    must(u_symlink(f, "new", "new-link"));
    static const char *const paths[] = {"etc/passwd", "new",      "etc/conf.d",
                                        "dev/null",   "new-link", "etc/link"};
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        must(u_stat(f, paths[i], &st));
        bool is_link = S_ISLNK(st.st_mode);
        mode_t type = st.st_mode & S_IFMT;
        uint64_t ino = st.st_ino;
        must(u_chown(f, paths[i], 1234, 70000));
        if (!is_link)
            must(u_chmod(f, paths[i], 07001));
        else
            assert_errno(u_chmod(f, paths[i], 07001), EOPNOTSUPP, "chmod of a symlink");
        union_reopen(f);
        must(u_stat(f, paths[i], &st));
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 70000);
        assert_int_equal(st.st_ino, ino);
        assert_int_equal(st.st_mode, type | (is_link ? 0777 : 07001));
    }
    assert_content(f, "new", "x"); /* mode 0001: the daemon still gets in */
    must(u_put(f, "etc/conf.d/x", "y"));
    char target[20];
    must(u_readlink(f, "new-link", target, 20));
    assert_string_equal(target, "new");
}

static void setuid_and_setgid_go_with_a_write_or_a_chown(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    struct cf_file *file;
    must(u_open(f, "bin/suid", O_WRONLY, &file));
    assert_int_equal(cf_file_write(file, "x", 1, 0, false), 1);
    must(u_stat(f, "bin/suid", &st));
    assert_int_equal(st.st_mode, S_IFREG | 06755); /* root writes: they stay */
    assert_int_equal(cf_file_write(file, "x", 1, 0, true), 1);
    must(u_stat(f, "bin/suid", &st));
    assert_int_equal(st.st_mode, S_IFREG | 0755);
    cf_file_close(file);
    must(u_chmod(f, "bin/suid", 06745)); /* setgid without group execute stays */
    must(u_chown(f, "bin/suid", 1, 1));
    must(u_stat(f, "bin/suid", &st));
    assert_int_equal(st.st_mode & 07777, 02745);
}

static void a_setgid_directory_hands_down_its_group(void **state)
{
    struct ufix *f = *state;
    struct stat st;
    must(u_put(f, "shared/file", ""));
    must(u_mkdir(f, "shared/dir", 0755));
    must(u_mkdir(f, "shared/dir/dir", 0755));
    must(u_symlink(f, "x", "shared/link"));
    static const char *const paths[] = {"shared/file", "shared/dir", "shared/dir/dir",
                                        "shared/link"};
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        must(u_stat(f, paths[i], &st));
        assert_int_equal(st.st_gid, 50);
        assert_int_equal(!!(st.st_mode & S_ISGID), S_ISDIR(st.st_mode));
    }
}

static void default_acls_are_inherited(void **state)
{
    struct ufix *f = *state;
    if (f->user)
        skip();
    /* linux/posix_acl_xattr.h: version 2; u::rwx u:7:rwx g::r-x m::rwx o::--- */
    static const uint16_t acl[] = {2,      0,      1,    7, 0xffff, 0xffff, 2,    7,
                                   7,      0,      4,    5, 0xffff, 0xffff, 0x10, 7,
                                   0xffff, 0xffff, 0x20, 0, 0xffff, 0xffff};
    char value[256];
    struct stat st;
    struct cf_entry etc = {0};
    must(u_walk(f, "etc", &etc));
    must(cf_union_setxattr(f->u, etc.ino, "system.posix_acl_default", acl, sizeof(acl), 0));
    u_forget(f, etc.ino);
    must(u_unlink(f, "etc/passwd"));
    static const char *const paths[] = {"etc/fresh", "etc/passwd"}; /* the second over a whiteout */
    for (size_t i = 0; i < CF_COUNT(paths); i++) {
        f->caller.umask = 077; /* an ACL takes the umask's place */
        must(u_create(f, paths[i], 0664, NULL));
        must(u_stat(f, paths[i], &st));
        assert_int_equal(st.st_mode & 0777, 0660);
        assert_true(u_getxattr(f, paths[i], "system.posix_acl_access", value, 256) > 0);
        must(u_unlink(f, paths[i]));
        must(u_mkdir(f, paths[i], 0775));
        assert_true(u_getxattr(f, paths[i], "system.posix_acl_default", value, 256) > 0);
    }
}

/* ---- stubs ---- */

/* What commit does with a file: content to objects/, a stub in its place. */
static void make_stub(struct ufix *f, const char *dir, const char *name, const char *content)
{
    struct cf_digest digest;
    struct cf_error err = {0};
    char hex[CF_DIGEST_HEX_SIZE];
    int dirfd = openat(f->upper, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dirfd >= 0);
    put_object(f, content, strlen(content), &digest);
    cf_digest_hex(&digest, hex);
    if (cf_upper_make_stub(dirfd, name, f->work, hex, &digest, f->user, &err))
        fail_msg("%s", err.text);
    must(unlinkat(f->work, hex, 0));
    (void)close(dirfd);
}

static void a_stub_made_while_frozen_goes_on_as_the_file(void **state)
{
    struct ufix *f = *state;
    struct cf_file *reader, *writer;
    struct stat before, st;
    char data[20] = "";
    must(u_put(f, "etc/new", "content"));
    must(u_chown(f, "etc/new", 3, 4));
    must(u_setxattr(f, "etc/new", "user.k", "v"));
    must(u_open(f, "etc/new", O_RDONLY, &reader));
    must(u_open(f, "etc/new", O_RDWR, &writer));
    must(u_stat(f, "etc/new", &before));
    must(cf_union_freeze(f->u));
    make_stub(f, "etc", "new", "content");
    cf_union_thaw(f->u);
    must(u_stat(f, "etc/new", &st));
    st.st_ctim = before.st_ctim;
    st.st_blocks = before.st_blocks;
    st.st_atim = before.st_atim;
    assert_memory_equal(&st, &before, sizeof(st));
    assert_content(f, "etc/new", "content");
    assert_int_equal(cf_file_read(reader, data, 19, 0), 7);
    assert_int_equal(cf_file_write(writer, "C", 1, 0, false), 1);
    assert_int_equal(cf_file_read(reader, data, 19, 0), 7);
    assert_string_equal(data, "Content");
    cf_file_close(reader);
    cf_file_close(writer);
    assert_int_equal(u_getxattr(f, "etc/new", "user.k", data, 10), 1);
    union_reopen(f);
    assert_content(f, "etc/new", "Content");
    must(u_stat(f, "etc/new", &st));
    assert_int_equal(st.st_ino, before.st_ino);
    assert_int_equal(st.st_uid, 3);
    make_stub(f, "etc", "new", "Content");
    must(u_rename(f, "etc/new", "bin/new", 0));
    must(u_link(f, "bin/new", "new2"));
    assert_content(f, "new2", "Content");
    must(u_truncate(f, "new2", 3));
    assert_content(f, "bin/new", "Con");
}

static void a_stub_is_refused_where_it_cannot_be(void **state)
{
    struct ufix *f = *state;
    struct cf_error err = {0};
    struct cf_digest d;
    cf_digest_of("x", 1, &d);
    must(u_put(f, "linked", "x"));
    must(u_link(f, "linked", "linked2"));
    must(u_chmod(f, "etc/passwd", 0600));
    must(u_mkdir(f, "dir", 0755));
    static const struct {
        const char *path;
        int error;
    } rows[] = {{"linked", EMLINK}, {"etc/passwd", EINVAL}, {"dir", EINVAL}, {"none", ENOENT}};
    for (size_t i = 0; i < CF_COUNT(rows); i++)
        assert_errno(cf_upper_make_stub(f->upper, rows[i].path, f->work, "temp", &d, f->user, &err),
                     rows[i].error, rows[i].path);
}

static void content_that_commit_left_in_work_is_rescued(void **state)
{
    struct ufix *f = *state;
    struct cf_digest digest;
    struct cf_error err = {0};
    char hex[CF_DIGEST_HEX_SIZE], litter[CF_DIGEST_HEX_SIZE];
    struct stat st;
    must(u_put(f, "file", "precious"));
    cf_digest_of("precious", 8, &digest);
    cf_digest_hex(&digest, hex);
    must(cf_upper_make_stub(f->upper, "file", f->work, hex, &digest, f->user, &err));
    memset(litter, 'a', 64);
    litter[64] = 0;
    must(mkdirat(f->work, "#1f", 0700));
    union_reopen(f); /* killed before the object was there */
    assert_content(f, "file", "precious");
    assert_int_equal(fstatat(f->work, hex, &st, 0), -1);
    assert_int_equal(fstatat(f->work, "#1f", &st, 0), -1);
}

/* ---- gates ---- */

struct writer {
    struct ufix *f;
    _Atomic bool done;
};

static void *write_late(void *context)
{
    struct writer *w = context;
    struct cf_entry e;
    int r = cf_union_mkdir(w->f->u, CF_ROOT_INO, "late", 0755, &w->f->caller, &e);
    w->done = true;
    return (void *)(intptr_t)r;
}

static void a_freeze_holds_changes_back_but_not_looking(void **state)
{
    struct ufix *f = *state;
    struct writer w = {.f = f};
    struct stat st;
    pthread_t thread;
    void *result;
    must(cf_union_freeze(f->u));
    assert_errno(cf_union_freeze(f->u), EBUSY, "twice");
    must(pthread_create(&thread, NULL, write_late, &w));
    assert_content(f, "etc/passwd", "root\n");
    usleep(20000);
    assert_false(w.done);
    assert_errno(u_stat(f, "late", &st), ENOENT, "not yet");
    cf_union_thaw(f->u);
    must(pthread_join(thread, &result));
    assert_null(result);
    must(u_stat(f, "late", &st));
}

static void a_second_union_on_the_same_upper_is_refused(void **state)
{
    struct ufix *f = *state;
    struct cf_union *second = NULL;
    struct cf_error err = {0};
    struct cf_union_options o = {f->tree, f->objects, f->upper, f->work, f->user, 0};
    assert_errno(cf_union_open(&o, &second, &err), EBUSY, "open");
    assert_non_null(strstr(err.text, "in use"));
}

static void without_an_upper_nothing_changes(void **state)
{
    struct ufix *f = *state;
    struct cf_file *file;
    cf_union_close(f->u);
    union_open(f, true);
    assert_content(f, "bin/suid", "suid\n");
    assert_true(u_lists(f, "etc", "passwd"));
    assert_errno(u_create(f, "x", 0644, NULL), EROFS, "create");
    assert_errno(u_open(f, "etc/passwd", O_RDWR, &file), EROFS, "open");
    assert_errno(u_chmod(f, "etc/passwd", 0), EROFS, "chmod");
    assert_errno(u_unlink(f, "etc/passwd"), EROFS, "unlink");
    assert_errno(u_rename(f, "etc", "x", 0), EROFS, "rename");
    assert_errno(u_setxattr(f, "etc", "user.x", "y"), EROFS, "setxattr");
}

static void two_files_that_claim_one_number_get_two(void **state)
{
    struct ufix *f = *state;
    struct cf_entry a = {0}, b = {0};
    struct stat st;
    uint8_t bytes[8];
    const char *name = f->user ? "user.overlay.cloudfs.ino" : "trusted.overlay.cloudfs.ino";
    must(u_put(f, "one", "1"));
    must(u_put(f, "two", "2"));
    must(u_stat(f, "one", &st));
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(st.st_ino >> (8 * i));
    char path[128];
    snprintf(path, sizeof(path), "%s/upper/two", f->dir);
    must(setxattr(path, name, bytes, 8, 0));
    union_reopen(f);
    must(u_walk(f, "one", &a));
    must(u_walk(f, "two", &b));
    assert_true(a.ino != b.ino);
    must(cf_union_getattr(f->u, b.ino, &st));
    assert_int_equal(st.st_ino, b.ino);
    assert_content(f, "one", "1");
    assert_content(f, "two", "2");
    union_reopen(f);
    must(u_stat(f, "two", &st));
    assert_int_equal(st.st_ino, b.ino); /* for good */
}

static void the_upper_is_what_its_reader_says(void **state)
{
    struct ufix *f = *state;
    struct cf_upper_entry e;
    must(u_chmod(f, "bin/big", 0700));
    must(u_unlink(f, "etc/passwd"));
    must(u_unlink(f, "etc/link"));
    must(u_mkdir(f, "etc/link", 0755));
    must(u_rename(f, "etc/conf.d", "conf", 0));
    must(cf_upper_read(f->upper, "bin/big", f->user, &e));
    assert_true(e.metacopy && e.has_origin && !e.stub && e.kind == CF_UPPER_OBJECT);
    assert_int_equal(e.attr.st_mode, S_IFREG | 0700);
    assert_int_equal(e.attr.st_uid, 0);
    cf_upper_entry_done(&e);
    must(cf_upper_read(f->upper, "etc/passwd", f->user, &e));
    assert_int_equal(e.kind, CF_UPPER_WHITEOUT);
    must(cf_upper_read(f->upper, "etc/link", f->user, &e));
    assert_true(e.opaque && !e.has_origin);
    must(cf_upper_read(f->upper, "conf", f->user, &e));
    assert_string_equal(e.redirect, "/etc/conf.d");
    assert_int_equal(e.attr.st_uid, 5);
    cf_upper_entry_done(&e);
}

static int run(const char *name)
{
#define T(test) cmocka_unit_test_setup_teardown(test, ufix_setup, ufix_teardown)
    const struct CMUnitTest tests[] = {
        T(own_xattrs_are_hidden_and_users_are_kept),
        T(an_xattr_of_a_symlink_never_reaches_its_target),
        T(owners_and_modes_are_whatever_is_asked),
        T(setuid_and_setgid_go_with_a_write_or_a_chown),
        T(a_setgid_directory_hands_down_its_group),
        T(default_acls_are_inherited),
        T(a_stub_made_while_frozen_goes_on_as_the_file),
        T(a_stub_is_refused_where_it_cannot_be),
        T(content_that_commit_left_in_work_is_rescued),
        T(a_freeze_holds_changes_back_but_not_looking),
        T(a_second_union_on_the_same_upper_is_refused),
        T(without_an_upper_nothing_changes),
        T(two_files_that_claim_one_number_get_two),
        T(the_upper_is_what_its_reader_says),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return run_as_both(run);
}
