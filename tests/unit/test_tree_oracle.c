/* SPDX-License-Identifier: Apache-2.0 */
/* Our trees in the eyes of others: fsck.erofs, and the kernel's EROFS compared with our reader. */
#include "tree_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>

static char mountpoint[] = SCRATCH "/cf-mount-XXXXXX";

/* Runs fsck.erofs; its exit status, with what it said. 127: not installed. */
static int run_fsck(int fd, struct cf_buf *ret_text)
{
    char path[64], text[4096];
    int out[2], status = 0;
    ssize_t n;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        /* It recurses into directories. */
        (void)setrlimit(RLIMIT_STACK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        (void)dup2(out[1], 1);
        (void)dup2(out[1], 2);
        (void)close(out[0]);
        (void)execlp("fsck.erofs", "fsck.erofs", path, (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    while ((n = read(out[0], text, sizeof(text))) > 0)
        must(cf_buf_add(ret_text, text, (size_t)n));
    (void)close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void fsck_erofs_finds_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(samples); i++) {
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        int fd = write_sample(&samples[i]), status = run_fsck(fd, &text);

        (void)close(fd);
        if (status == 127) {
            print_message("SKIP: fsck.erofs is not installed\n");
            skip();
        }
        /* A limit of newer erofs-utils, not of the format: the kernel judges this one. */
        if (text.data && strstr(text.data, "the path is too long")) {
            print_message("SKIP: %s: fsck.erofs walks no paths over PATH_MAX\n", samples[i].name);
            continue;
        }
        if (status != 0 || (text.data && strstr(text.data, "<E>")))
            fail_msg("%s: fsck.erofs says %d: %s", samples[i].name, status, text.data);
    }
}

static void fsck_erofs_finds_a_flipped_byte(void **state)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int fd = write_sample(&samples[1]), status;

    (void)state;
    must(cf_pwrite_full(fd, "\xff", 1, 1024 + 100));
    status = run_fsck(fd, &text);
    (void)close(fd);
    if (status == 127)
        skip();
    assert_true(status != 0 || strstr(text.data, "<E>"));
}

/* ---- the kernel ---- */

static int mount_tree(int fd)
{
    char source[64];

    (void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    return mount(source, mountpoint, "erofs", MS_RDONLY, NULL) < 0 ? -errno : 0;
}

/* Whether the kernel mounts trees here; says why not. */
static bool kernel_can(void)
{
    int fd, r;

    if (geteuid() != 0) {
        print_message("SKIP: mounting EROFS needs root\n");
        return false;
    }
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        print_message("SKIP: no mount namespace: %s\n", strerror(errno));
        return false;
    }
    fd = write_sample(&samples[0]);
    r = mount_tree(fd);
    (void)close(fd);
    if (r == 0) {
        must(umount(mountpoint));
        return true;
    }
    /* -EINVAL would be our mistake. */
    if (r != -ENODEV && r != -EPERM && r != -ENOTBLK && r != -EACCES)
        fail_msg("mounting an empty tree: %s", strerror(-r));
    print_message("SKIP: this kernel does not mount EROFS from a file: %s\n", strerror(-r));
    return false;
}

static void compare_inode(const char *path, const struct stat *st, const struct cf_inode *inode)
{
    if (st->st_ino != inode->nid || st->st_mode != inode->mode || st->st_nlink != inode->nlink ||
        st->st_uid != inode->uid || st->st_gid != inode->gid ||
        (uint64_t)st->st_size != inode->size || st->st_mtim.tv_sec != inode->mtime_sec ||
        (uint32_t)st->st_mtim.tv_nsec != inode->mtime_nsec)
        fail_msg("%s: the kernel shows another inode", path);
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
        assert_int_equal(major(st->st_rdev), inode->rdev_major);
        assert_int_equal(minor(st->st_rdev), inode->rdev_minor);
    }
}

/* Opened names, because paths become longer than PATH_MAX. */
static void compare_xattrs(const struct cf_tree *tree, uint64_t nid, const char *path)
{
    static char list[1 << 17], value[CF_XATTR_VALUE_MAX + 1];
    ssize_t len = llistxattr(path, list, sizeof(list)), n;
    struct cf_xattr x = {.next = 0};
    unsigned theirs = 0, ours = 0;

    assert_true(len >= 0);
    for (const char *p = list; p < list + len; p += strlen(p) + 1)
        theirs++;
    while (cf_tree_xattr_list(tree, nid, x.next, &x) == 1) {
        ours++;
        n = lgetxattr(path, x.name, value, sizeof(value));
        if (n != (ssize_t)x.value_len || memcmp(value, x.value, x.value_len) != 0)
            fail_msg("%s: xattr %s: the kernel shows %zd bytes", path, x.name, n);
    }
    assert_int_equal(ours, theirs);
}

static void compare_content(const struct cf_tree *tree, const struct cf_inode *inode,
                            const char *path)
{
    static char data[CF_SYMLINK_MAX + 1]; /* compare_all() recurses deeply */
    struct cf_content content;
    const char *target;
    size_t len;
    int fd;

    if (S_ISLNK(inode->mode)) {
        must(cf_tree_readlink(tree, inode->nid, &target, &len));
        assert_int_equal(readlink(path, data, sizeof(data)), len);
        assert_memory_equal(data, target, len);
        return;
    }
    must(cf_tree_content(tree, inode->nid, &content));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (content.kind == CF_CONTENT_INLINE) {
        assert_int_equal(cf_read_full(fd, data, sizeof(data)), content.size);
        assert_memory_equal(data, content.data, content.size);
    } else {
        assert_int_equal(cf_pread_full(fd, data, 1, (off_t)content.size - 1), 1);
        assert_int_equal(data[0], 0);
    }
    (void)close(fd);
}

/* The thing at path, and all below it. Works in directories, as paths may become too long. */
static unsigned compare_all(const struct cf_tree *tree, uint64_t nid)
{
    struct cf_dirent entry = {.next = 0};
    struct dirent *de;
    unsigned count = 0, names = 0;
    DIR *dir = opendir(".");
    int r;

    assert_non_null(dir);
    while ((de = readdir(dir)))
        names += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
    (void)closedir(dir);
    while ((r = cf_tree_readdir(tree, nid, entry.next, &entry)) == 1) {
        char name[CF_NAME_MAX + 1];
        struct cf_inode inode;
        struct stat st;

        count++;
        (void)snprintf(name, sizeof(name), "%.*s", (int)entry.name_len, entry.name);
        if (lstat(name, &st) < 0)
            fail_msg("%s: the kernel does not find it", name);
        must(cf_tree_inode(tree, entry.nid, &inode));
        compare_inode(name, &st, &inode);
        compare_xattrs(tree, entry.nid, name);
        if (S_ISREG(inode.mode) || S_ISLNK(inode.mode))
            compare_content(tree, &inode, name);
        if (S_ISDIR(inode.mode)) {
            must(chdir(name));
            (void)compare_all(tree, entry.nid);
            must(chdir(".."));
        }
    }
    assert_int_equal(r, 0);
    assert_int_equal(names, count);
    return count;
}

static void the_kernel_shows_what_the_reader_shows(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(mountpoint));
    if (!kernel_can()) {
        (void)rmdir(mountpoint);
        skip();
    }
    for (size_t i = 0; i < CF_COUNT(samples); i++) {
        int fd = write_sample(&samples[i]), r = mount_tree(fd);
        struct cf_tree *tree = read_tree(fd);
        struct cf_inode inode;
        struct stat st;

        if (r < 0)
            fail_msg("%s: mount: %s", samples[i].name, strerror(-r));
        must(chdir(mountpoint));
        must(cf_tree_inode(tree, cf_tree_root(tree), &inode));
        must(lstat(".", &st));
        compare_inode("/", &st, &inode);
        compare_xattrs(tree, cf_tree_root(tree), ".");
        (void)compare_all(tree, cf_tree_root(tree));
        must(chdir("/"));
        must(umount(mountpoint));
        cf_tree_close(tree);
        (void)close(fd);
    }
    (void)rmdir(mountpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fsck_erofs_finds_nothing),
        cmocka_unit_test(fsck_erofs_finds_a_flipped_byte),
        cmocka_unit_test(the_kernel_shows_what_the_reader_shows),
    };

    return cmocka_run_group_tests_name("tree_oracle", tests, NULL, NULL);
}
