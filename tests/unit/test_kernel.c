/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel engine's parts: the tree of stubs, the upper's mark, mounts as on older kernels. What
 * takes a mount skips where there is none to be had. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <cloudfs/io.h>
#include <cloudfs/kernel.h>
#include <cloudfs/nid_set.h>
#include <cloudfs/tree.h>

static char dir[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/var/tmp/cloudfs-kernel.XXXXXX");
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return chdir("/") == 0 && cf_remove_tree(AT_FDCWD, dir) == 0 ? 0 : -1;
}

static int open_file(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    return fd;
}

static void write_stubs(const char *name, struct cf_kernel_stub *stubs, size_t count)
{
    struct cf_error err = {0};
    int fd cf_autoclose = open_file(name), here cf_autoclose = open(".", O_RDONLY | O_CLOEXEC);
    if (cf_kernel_write_stubs("hidden", stubs, count, here, fd, &err) < 0)
        fail_msg("%s", err.text);
}

static struct cf_tree *open_tree(const char *name)
{
    struct cf_tree *tree = NULL;
    int fd cf_autoclose = open(name, O_RDONLY | O_CLOEXEC);
    assert_int_equal(cf_tree_open(fd, &tree, NULL), 0);
    return tree;
}

static struct cf_kernel_stub stub_of(const char *text, uint64_t size)
{
    struct cf_kernel_stub stub = {.size = size};
    cf_digest_of(text, strlen(text), &stub.object);
    return stub;
}

static void each_object_is_one_inode_with_two_names(void **state)
{
    (void)state;
    struct cf_kernel_stub stubs[] = {stub_of("b", 7000), stub_of("a", 1 << 20), stub_of("b", 7000)};
    write_stubs("stubs", stubs, 3);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = open_tree("stubs");
    assert_int_equal(cf_tree_verify(tree, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        char hex[CF_DIGEST_HEX_SIZE], path[192];
        uint64_t nid = 0, second = 0;
        struct cf_inode inode;
        struct cf_content content;
        cf_digest_hex(&stubs[i].object, hex);
        (void)snprintf(path, sizeof(path), "/hidden/%.2s/%s", hex, hex + 2);
        assert_int_equal(cf_tree_walk(tree, path, &nid), 0);
        strcat(path, "+");
        assert_int_equal(cf_tree_walk(tree, path, &second), 0);
        assert_int_equal(nid, second);
        assert_int_equal(cf_tree_inode(tree, nid, &inode), 0);
        assert_int_equal(inode.nlink, 2);
        assert_int_equal(cf_tree_content(tree, nid, &content), 0);
        assert_int_equal(content.size, stubs[i].size);
        assert_true(cf_digest_equal(&content.digest, &stubs[i].object));
    }
}

static void other_stubs_have_another_uuid(void **state)
{
    (void)state;
    struct cf_kernel_stub ab[] = {stub_of("a", 9000), stub_of("b", 9000)};
    struct cf_kernel_stub ba[] = {stub_of("b", 9000), stub_of("a", 9000)};
    write_stubs("ab", ab, 2);
    write_stubs("ba", ba, 2);
    write_stubs("a", ab, 1);
    struct cf_tree *one cf_cleanup(cf_tree_close_ptr) = open_tree("ab");
    struct cf_tree *same cf_cleanup(cf_tree_close_ptr) = open_tree("ba");
    struct cf_tree *other cf_cleanup(cf_tree_close_ptr) = open_tree("a");
    assert_memory_equal(cf_tree_uuid(one), cf_tree_uuid(same), 16);
    assert_memory_not_equal(cf_tree_uuid(one), cf_tree_uuid(other), 16);
}

static void the_directories_above_names_are_found(void **state)
{
    (void)state;
    struct cf_kernel_stub stubs[] = {stub_of("a", 9000), stub_of("b", 9000)};
    write_stubs("stubs", stubs, 2);
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = open_tree("stubs");
    struct cf_nid_set nids = {0}, dirs = {0};
    char hex[2][CF_DIGEST_HEX_SIZE], path[192];
    uint64_t nid = 0;
    for (int i = 0; i < 2; i++)
        cf_digest_hex(&stubs[i].object, hex[i]);
    assert_int_equal(cf_tree_find_names(tree, &nids, &dirs), 0);
    assert_int_equal(dirs.count, 0);
    (void)snprintf(path, sizeof(path), "/hidden/%.2s/%s", hex[0], hex[0] + 2);
    assert_int_equal(cf_tree_walk(tree, path, &nid), 0);
    assert_int_equal(cf_nid_set_add(&nids, nid), 0);
    assert_int_equal(cf_tree_find_names(tree, &nids, &dirs), 0);
    assert_int_equal(dirs.count, 3); /* /, /hidden, /hidden/ab */
    assert_true(cf_nid_set_has(&dirs, cf_tree_root(tree)));
    (void)snprintf(path, sizeof(path), "/hidden/%.2s", hex[1]);
    assert_int_equal(cf_tree_walk(tree, path, &nid), 0);
    assert_false(cf_nid_set_has(&dirs, nid));
    cf_nid_set_done(&nids);
    cf_nid_set_done(&dirs);
}

/* A tree of one file /f, whose content is the object "a". */
static void make_parts(void)
{
    struct cf_kernel_stub stub = stub_of("content", 7);
    char hex[CF_DIGEST_HEX_SIZE], path[192];
    const char *const dirs[] = {"objects", "upper", "work", "mnt", "scratch"};
    for (size_t i = 0; i < CF_COUNT(dirs); i++)
        assert_int_equal(mkdir(dirs[i], 0755), 0);
    write_stubs("tree", &stub, 1);
    cf_digest_hex(&stub.object, hex);
    (void)snprintf(path, sizeof(path), "objects/%.2s", hex);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "objects/%.2s/%s", hex, hex + 2);
    int fd cf_autoclose = open_file(path);
    assert_int_equal(cf_write_full(fd, "content", 7), 0);
}

static int mount_parts(bool old_ways, bool read_only, struct cf_error *err)
{
    char at[5][192];
    const char *const names[] = {"mnt", "objects", "upper", "work", "scratch"};
    for (size_t i = 0; i < 5; i++)
        (void)snprintf(at[i], sizeof(at[i]), "%s/%s", dir, names[i]);
    int tree_fd cf_autoclose = open("tree", O_RDONLY | O_CLOEXEC);
    const struct cf_kernel_mount mount = {
        .mountpoint = at[0],
        .source = "test",
        .tree_fd = tree_fd,
        .stubs_fd = -1,
        .objects = at[1],
        .upper = read_only ? NULL : at[2],
        .work = at[3],
        .scratch = at[4],
        .old_ways = old_ways,
    };
    return cf_kernel_mount(&mount, err);
}

static void check_content(void)
{
    struct cf_kernel_stub stub = stub_of("content", 7);
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char hex[CF_DIGEST_HEX_SIZE], path[192];
    cf_digest_hex(&stub.object, hex);
    (void)snprintf(path, sizeof(path), "mnt/hidden/%.2s/%s", hex, hex + 2);
    assert_int_equal(cf_read_file(AT_FDCWD, path, 100, &text), 0);
    assert_string_equal(text.data, "content");
}

static void check_unmount(void)
{
    char at[192];
    (void)snprintf(at, sizeof(at), "%s/mnt", dir);
    assert_int_equal(cf_kernel_unmount(at, false, NULL), 0);
    assert_int_equal(cf_kernel_unmount(at, false, NULL), -EINVAL);
}

static void run_mount(bool old_ways)
{
    struct cf_error err = {0};
    make_parts();
    assert_false(cf_kernel_has_upper("upper"));
    int r = mount_parts(old_ways, false, &err);
    if (r < 0) {
        print_message("no kernel engine here: %s\n", err.text);
        skip();
    }
    check_content();
    assert_true(cf_kernel_has_upper("upper"));
    assert_int_equal(rmdir("scratch"), 0); /* nothing is left in it */
    assert_int_equal(mkdir("scratch", 0755), 0);
    assert_int_equal(mkdir("mnt/new", 0755), 0);
    check_unmount();
    assert_int_equal(access("upper/new", F_OK), 0);
    r = mount_parts(old_ways, true, &err);
    assert_int_equal(r, 0);
    check_content();
    assert_int_equal(mkdir("mnt/other", 0755), -1);
    assert_int_equal(errno, EROFS);
    check_unmount();
}

static void a_mount_marks_its_upper(void **state)
{
    (void)state;
    run_mount(false);
}

static void it_mounts_as_on_older_kernels(void **state)
{
    (void)state;
    run_mount(true);
}

#define IN_A_DIRECTORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(each_object_is_one_inode_with_two_names),
        IN_A_DIRECTORY(other_stubs_have_another_uuid),
        IN_A_DIRECTORY(the_directories_above_names_are_found),
        IN_A_DIRECTORY(a_mount_marks_its_upper),
        IN_A_DIRECTORY(it_mounts_as_on_older_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
