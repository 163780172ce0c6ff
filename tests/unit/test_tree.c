/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_fixture.h"

#include <dirent.h>
#include <errno.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>

static void read_back(int fd, struct cf_buf *ret_buf)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    must(cf_read_fd(fd, SIZE_MAX / 4, ret_buf));
}

static void assert_same_bytes(const char *what, int a, int b)
{
    struct cf_buf one cf_autobuf = CF_BUF_INIT, two cf_autobuf = CF_BUF_INIT;

    read_back(a, &one);
    read_back(b, &two);
    if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
        fail_msg("%s: the bytes differ", what);
}

/* ---- every sample ---- */

static void a_written_tree_verifies(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(samples); i++) {
        int fd = write_sample(&samples[i]);
        struct cf_tree *tree = read_tree(fd);
        struct cf_error err = {0};

        if (cf_tree_verify(tree, &err) != 0)
            fail_msg("%s: %s", samples[i].name, err.text);
        cf_tree_close(tree);
        (void)close(fd);
    }
}

static void the_same_tree_gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(samples); i++) {
        int a = write_sample(&samples[i]), b = write_sample(&samples[i]);

        assert_same_bytes(samples[i].name, a, b);
        (void)close(a);
        (void)close(b);
    }
}

static void applying_a_tree_to_nothing_gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(samples); i++) {
        int a = write_sample(&samples[i]), b;
        struct cf_tree *tree = read_tree(a);
        struct cf_builder *builder = new_builder();

        must(cf_builder_apply(builder, tree, true, NULL));
        b = write_builder(builder);
        assert_same_bytes(samples[i].name, a, b);
        cf_builder_free(builder);
        cf_tree_close(tree);
        (void)close(a);
        (void)close(b);
    }
}

static void the_id_gives_the_uuid(void **state)
{
    struct cf_builder *b = new_builder();
    struct cf_buf one cf_autobuf = CF_BUF_INIT, two cf_autobuf = CF_BUF_INIT;
    struct cf_digest id = {{1, 2, 3}};
    int fd = new_file();

    (void)state;
    must(cf_builder_write(b, &id, fd, NULL));
    read_back(fd, &one);
    id.bytes[0] = 9;
    must(cf_builder_write(b, &id, fd, NULL));
    read_back(fd, &two);
    assert_int_equal(one.len, two.len);
    assert_int_equal(one.data[1024 + 48], 1);
    assert_int_equal(two.data[1024 + 48], 9);
    (void)close(fd);
    cf_builder_free(b);
}

static void writing_again_after_a_change_shows_the_change(void **state)
{
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b);
    struct cf_tree *tree;
    uint64_t nid;
    int fd;

    (void)state;
    (void)add_inline(b, root, "b", 1);
    fd = write_builder(b);
    (void)close(fd);
    (void)add_inline(b, root, "a", 1);
    must(cf_node_remove(b, root, "b", 1));
    fd = write_builder(b);
    tree = read_tree(fd);
    must(cf_tree_walk(tree, "a", &nid));
    assert_int_equal(cf_tree_walk(tree, "b", &nid), -ENOENT);
    assert_int_equal(cf_tree_count(tree), 2);
    must(cf_tree_verify(tree, NULL));
    cf_tree_close(tree);
    (void)close(fd);
    cf_builder_free(b);
}

/* ---- reading ---- */

static void content_comes_back(void **state)
{
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b);
    struct cf_content content;
    struct cf_digest digest;
    struct cf_tree *tree;
    const char *target;
    uint64_t nid;
    size_t len;
    int fd;

    (void)state;
    (void)add_object(b, root, "object", 123456);
    (void)add_inline(b, root, "inline", 2048);
    (void)add_symlink(b, root, "link", "../to/there");
    fd = write_builder(b);
    tree = read_tree(fd);
    digest_of_number(123456, &digest);
    must(cf_tree_walk(tree, "/object", &nid));
    must(cf_tree_content(tree, nid, &content));
    assert_int_equal(content.kind, CF_CONTENT_OBJECT);
    assert_int_equal(content.size, 123456);
    assert_true(cf_digest_equal(&content.digest, &digest));
    must(cf_tree_walk(tree, "/inline", &nid));
    must(cf_tree_content(tree, nid, &content));
    assert_int_equal(content.kind, CF_CONTENT_INLINE);
    assert_int_equal(content.size, 2048);
    assert_int_equal(((const char *)content.data)[2047], 'a' + (2047 * 7 + 2048) % 26);
    must(cf_tree_walk(tree, "/link", &nid));
    must(cf_tree_readlink(tree, nid, &target, &len));
    assert_int_equal(len, 11);
    assert_memory_equal(target, "../to/there", 11);
    assert_int_equal(cf_tree_content(tree, nid, &content), -EINVAL);
    assert_int_equal(cf_tree_readlink(tree, cf_tree_root(tree), &target, &len), -EINVAL);
    cf_tree_close(tree);
    (void)close(fd);
    cf_builder_free(b);
}

static void lookup_finds_every_name_and_no_other(void **state)
{
    int fd = write_sample(&samples[3]);
    struct cf_tree *tree = read_tree(fd);
    struct cf_dirent entry = {.next = 0};
    uint64_t dir, nid;
    const char *name;
    unsigned count = 0;

    (void)state;
    must(cf_tree_walk(tree, "dir-5000", &dir));
    while (cf_tree_readdir(tree, dir, entry.next, &entry) == 1) {
        char changed[CF_NAME_MAX + 1];

        count++;
        must(cf_tree_lookup(tree, dir, entry.name, entry.name_len, &nid, &name));
        assert_int_equal(nid, entry.nid);
        assert_ptr_equal(name, entry.name);
        assert_int_equal(entry.type, DT_REG);
        memcpy(changed, entry.name, entry.name_len);
        changed[entry.name_len] = '\x01';
        assert_int_equal(cf_tree_lookup(tree, dir, changed, entry.name_len + 1, &nid, NULL),
                         -ENOENT);
    }
    assert_int_equal(count, 5000);
    assert_int_equal(cf_tree_lookup(tree, dir, "", 0, &nid, NULL), -ENOENT);
    assert_int_equal(cf_tree_lookup(tree, dir, "\xff", 1, &nid, NULL), -ENOENT);
    must(cf_tree_parent(tree, dir, &nid));
    assert_int_equal(nid, cf_tree_root(tree));
    assert_int_equal(cf_tree_lookup(tree, entry.nid, "x", 1, &nid, NULL), -ENOTDIR);
    cf_tree_close(tree);
    (void)close(fd);
}

static const char *const path_cases[][3] = {
    /* path, walk, resolve: the name of what is found, or of the error */
    {"", "root", "root"},
    {"/", "root", "root"},
    {"//./", "root", "root"},
    {"d", "d", "d"},
    {"/d/", "d", "d"},
    {"d//./f", "f", "f"},
    {"d/f/", "ENOTDIR", "ENOTDIR"},
    {"d/f/x", "ENOTDIR", "ENOTDIR"},
    {"d/none", "ENOENT", "ENOENT"},
    {"none/f", "ENOENT", "ENOENT"},
    {"d/..", "EINVAL", "root"},
    {"../../d/f", "EINVAL", "f"},
    {"abs", "abs", "f"},
    {"d/rel", "rel", "f"},
    {"todir/f", "ELOOP", "f"},
    {"todir/", "ELOOP", "d"},
    {"up/d/f", "ELOOP", "f"},
    {"loop", "loop", "ELOOP"},
    {"loop/x", "ELOOP", "ELOOP"},
    {"dangling", "dangling", "ENOENT"},
};

static const char *result_name(struct cf_tree *tree, int r, uint64_t nid)
{
    static const char *const names[] = {"d", "d/f", "abs", "d/rel", "loop", "dangling"};
    uint64_t found;

    switch (r) {
    case 0:
        break;
    case -ENOENT:
        return "ENOENT";
    case -ENOTDIR:
        return "ENOTDIR";
    case -EINVAL:
        return "EINVAL";
    case -ELOOP:
        return "ELOOP";
    default:
        return "another error";
    }
    for (size_t i = 0; i < CF_COUNT(names); i++)
        if (cf_tree_walk(tree, names[i], &found) == 0 && found == nid)
            return strncmp(names[i], "d/", 2) == 0 ? names[i] + 2 : names[i];
    return nid == cf_tree_root(tree) ? "root" : "another";
}

static void paths_lead_where_posix_says(void **state)
{
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b), *dir = add_mode(b, root, "d", S_IFDIR | 0755);
    struct cf_tree *tree;
    uint64_t nid;
    int fd, r;

    (void)state;
    (void)add_inline(b, dir, "f", 5);
    (void)add_symlink(b, dir, "rel", "./../d/f");
    (void)add_symlink(b, root, "abs", "/d/f");
    (void)add_symlink(b, root, "todir", "d");
    (void)add_symlink(b, root, "up", "../../..");
    (void)add_symlink(b, root, "loop", "/loop");
    (void)add_symlink(b, root, "dangling", "d/none");
    fd = write_builder(b);
    tree = read_tree(fd);
    for (size_t i = 0; i < CF_COUNT(path_cases); i++) {
        nid = 0;
        r = cf_tree_walk(tree, path_cases[i][0], &nid);
        assert_string_equal(result_name(tree, r, nid), path_cases[i][1]);
        r = cf_tree_resolve(tree, path_cases[i][0], true, &nid);
        assert_string_equal(result_name(tree, r, nid), path_cases[i][2]);
    }
    must(cf_tree_resolve(tree, "todir/../abs", false, &nid));
    assert_string_equal(result_name(tree, 0, nid), "abs");
    cf_tree_close(tree);
    (void)close(fd);
    cf_builder_free(b);
}

static void overlay_names_are_escaped_and_shown(void **state)
{
    static const struct {
        const char *stored, *shown; /* shown NULL: hidden */
    } rows[] = {
        {"user.x", "user.x"},
        {"trusted.overlayx", "trusted.overlayx"},
        {"trusted.overlay.opaque", NULL},
        {"trusted.overlay.cloudfs.implicit", NULL},
        {"trusted.overlay.overlay.opaque", "trusted.overlay.opaque"},
        {"trusted.overlay.overlay.overlay.x", "trusted.overlay.overlay.x"},
        {"system.posix_acl_access", "system.posix_acl_access"},
    };
    char buffer[256], long_name[300] = CF_XATTR_OVERLAY;
    const char *shown;

    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        assert_int_equal(cf_xattr_shown(rows[i].stored, buffer, &shown), rows[i].shown != NULL);
        if (!rows[i].shown)
            continue;
        assert_string_equal(shown, rows[i].shown);
        must(cf_xattr_stored(rows[i].shown, buffer));
        assert_string_equal(buffer, rows[i].stored);
    }
    memset(long_name + strlen(long_name), 'n', 255 - strlen(long_name));
    assert_int_equal(cf_xattr_stored(long_name, buffer), -ERANGE);
    long_name[247] = '\0';
    must(cf_xattr_stored(long_name, buffer));
}

/* ---- building ---- */

static void bad_names_and_inodes_are_refused(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        struct cf_inode inode;
        int error;
    } rows[] = {
        {"", 0, {.mode = S_IFREG}, -EINVAL},
        {".", 1, {.mode = S_IFREG}, -EINVAL},
        {"..", 2, {.mode = S_IFREG}, -EINVAL},
        {"a/b", 3, {.mode = S_IFREG}, -EINVAL},
        {"a\0b", 3, {.mode = S_IFREG}, -EINVAL},
        {"a", 1, {.mode = 0644}, -EINVAL},
        {"a", 1, {.mode = S_IFREG, .mtime_nsec = 1000000000}, -EINVAL},
        {"a", 1, {.mode = S_IFCHR, .rdev_major = 4096}, -EINVAL},
        {"a", 1, {.mode = S_IFBLK, .rdev_minor = 1048576}, -EINVAL},
        {"...", 3, {.mode = S_IFREG}, 0},
    };
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b), *file, *dir = add_mode(b, root, "dir", S_IFDIR);
    char name[257];

    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++)
        assert_int_equal(cf_node_add(b, root, rows[i].name, rows[i].len, &rows[i].inode, &file),
                         rows[i].error);
    memset(name, 'n', sizeof(name));
    assert_int_equal(cf_node_add(b, root, name, 256, &rows[9].inode, &file), -ENAMETOOLONG);
    must(cf_node_add(b, root, name, 255, &rows[9].inode, &file));
    assert_int_equal(cf_node_add(b, file, "x", 1, &rows[9].inode, &file), -ENOTDIR);
    assert_int_equal(cf_node_link(b, root, "x", 1, dir), -EPERM);
    assert_int_equal(cf_node_remove(b, root, "x", 1), -ENOENT);
    assert_int_equal(cf_node_remove(b, file, "x", 1), -ENOTDIR);
    assert_int_equal(cf_node_set_symlink(b, file, "x", 1), -EINVAL);
    assert_int_equal(cf_node_set_inline(b, dir, "x", 1), -EINVAL);
    assert_int_equal(cf_node_set_inline(b, file, name, CF_INLINE_MAX + 1), -EFBIG);
    cf_builder_free(b);
}

static void bad_xattrs_are_refused(void **state)
{
    static char value[CF_XATTR_VALUE_MAX + 1];
    static const struct {
        const char *name;
        size_t len;
        int error;
    } rows[] = {
        {"user.", 0, -ENOTSUP},
        {"user", 0, -ENOTSUP},
        {"system.nfs4_acl", 0, -ENOTSUP},
        {"system.posix_acl_access2", 0, -ENOTSUP},
        {"btrfs.compression", 0, -ENOTSUP},
        {"trusted.overlay.metacopy", 0, -EINVAL},
        {"trusted.overlay.redirect", 0, -EINVAL},
        {"user.big", CF_XATTR_VALUE_MAX + 1, -E2BIG},
        {"user.1", CF_XATTR_VALUE_MAX, 0},
        {"user.2", CF_XATTR_VALUE_MAX, 0},
        {"user.3", CF_XATTR_VALUE_MAX, 0},
        {"user.4", CF_XATTR_VALUE_MAX, -E2BIG},
    };
    struct cf_builder *b = new_builder();
    struct cf_node *file = add_mode(b, cf_builder_root(b), "f", S_IFREG);
    char name[300] = "user.";

    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++)
        assert_int_equal(cf_node_set_xattr(b, file, rows[i].name, value, rows[i].len),
                         rows[i].error);
    memset(name + 5, 'n', 251);
    assert_int_equal(cf_node_set_xattr(b, file, name, "", 0), -ERANGE);
    cf_builder_free(b);
}

static void xattrs_are_set_replaced_listed_and_removed(void **state)
{
    static const char *const names[] = {"user.b", "security.x", "user.a", "trusted.z", "user.b"};
    static const char *const sorted[] = {"security.x", "trusted.z", "user.a", "user.b"};
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b);
    struct cf_xattr x = {.next = 0};
    const void *value;
    size_t len, i = 0;

    (void)state;
    cf_node_clear_xattrs(b, root);
    for (size_t k = 0; k < CF_COUNT(names); k++)
        must(cf_node_set_xattr(b, root, names[k], "01234", k));
    for (; cf_node_xattr_list(root, x.next, &x) == 1; i++)
        assert_string_equal(x.name, sorted[i]);
    assert_int_equal(i, CF_COUNT(sorted));
    must(cf_node_xattr_get(root, "user.b", &value, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(value, "0123", 4);
    cf_node_remove_xattr(b, root, "trusted.z");
    cf_node_remove_xattr(b, root, "trusted.none");
    assert_int_equal(cf_node_xattr_get(root, "trusted.z", &value, &len), -ENODATA);
    must(cf_node_xattr_get(root, "user.a", &value, &len));
    cf_builder_free(b);
}

static int note_path(const struct cf_walk *walk, void *context)
{
    assert_int_equal(strlen(walk->path), walk->path_len);
    if (cf_buf_printf(context, walk->first ? "%s\n" : "%s = %s\n", walk->path, walk->first_path))
        return -ENOMEM;
    return strcmp(walk->path, "stop") == 0 ? 77 : 0;
}

static void the_walk_is_in_canonical_order(void **state)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b), *z = add_mode(b, root, "z", S_IFDIR | 0755);
    struct cf_node *d = add_mode(b, root, "d", S_IFDIR | 0755), *file;

    (void)state;
    file = add_inline(b, z, "file", 2);
    must(cf_node_link(b, d, "other", 5, file));
    (void)add_mode(b, add_mode(b, d, "a", S_IFDIR), "x", S_IFIFO);
    (void)add_mode(b, root, "e", S_IFCHR);
    (void)add_mode(b, d, "wh", S_IFCHR);
    (void)add_mode(b, root, "d.x", S_IFDIR);
    (void)add_mode(b, root, "-", S_IFREG);
    (void)add_mode(b, root, "gone", S_IFREG);
    must(cf_node_remove(b, root, "gone", 4));
    must(cf_builder_walk(b, note_path, &text));
    assert_string_equal(text.data,
                        "\ne\n-\nd\nd/wh\nd/a\nd/a/x\nd/other\nd.x\nz\nz/file = d/other\n");
    assert_int_equal(cf_builder_count(b), 10);
    (void)add_mode(b, root, "stop", S_IFREG);
    assert_int_equal(cf_builder_walk(b, note_path, &text), 77);
    cf_builder_free(b);
}

static void link_counts_follow_what_is_removed(void **state)
{
    struct cf_builder *b = new_builder();
    struct cf_node *root = cf_builder_root(b), *d = add_mode(b, root, "d", S_IFDIR | 0755);
    struct cf_node *file = add_inline(b, d, "one", 2);
    struct cf_inode inode;
    int fd;

    (void)state;
    must(cf_node_link(b, root, "two", 3, file));
    must(cf_node_link(b, root, "three", 5, file));
    (void)close(write_builder(b));
    cf_node_inode(file, &inode);
    assert_int_equal(inode.nlink, 3);
    cf_node_inode(root, &inode);
    assert_int_equal(inode.nlink, 3);
    (void)add_mode(b, root, "d", S_IFREG);
    must(cf_node_remove(b, root, "three", 5));
    fd = write_builder(b);
    cf_node_inode(file, &inode);
    assert_int_equal(inode.nlink, 1);
    cf_node_inode(root, &inode);
    assert_int_equal(inode.nlink, 2);
    (void)close(fd);
    cf_builder_free(b);
}

/* ---- damage ---- */

/* Everything that the reader can be asked about a tree. Results do not matter, only that it ends.
 */
static void read_everything(const struct cf_tree *tree, uint64_t nid)
{
    struct cf_dirent entry = {.next = 0};
    struct cf_xattr x = {.next = 0};
    struct cf_content content;
    struct cf_inode inode;
    const char *target;
    uint64_t found;
    size_t len;

    (void)cf_tree_inode(tree, nid, &inode);
    (void)cf_tree_content(tree, nid, &content);
    (void)cf_tree_readlink(tree, nid, &target, &len);
    (void)cf_tree_lookup(tree, nid, "link", 4, &found, NULL);
    while (cf_tree_xattr_list(tree, nid, x.next, &x) == 1)
        ;
    while (cf_tree_readdir(tree, nid, entry.next, &entry) == 1)
        ;
}

static void read_damaged(struct cf_tree *tree, uint64_t nids)
{
    struct cf_builder *b = new_builder();
    uint64_t found;

    for (uint64_t nid = 0; nid < nids; nid++)
        read_everything(tree, nid);
    (void)cf_tree_resolve(tree, "/a/b/../link", true, &found);
    (void)cf_tree_verify(tree, NULL);
    (void)cf_builder_apply(b, tree, false, NULL);
    cf_builder_free(b);
}

/* Writes the right checksum of block 0, as the damage would not be seen otherwise. */
static void mend_checksum(int fd)
{
    unsigned char block[4096], sum[4];
    uint32_t crc = UINT32_MAX;

    assert_int_equal(cf_pread_full(fd, block, sizeof(block), 0), sizeof(block));
    memset(block + 1028, 0, 4);
    for (size_t i = 1024; i < sizeof(block); i++) {
        crc ^= block[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    for (int i = 0; i < 4; i++)
        sum[i] = (unsigned char)(crc >> 8 * i);
    must(cf_pwrite_full(fd, sum, 4, 1028));
}

static void a_damaged_byte_does_no_harm(void **state)
{
    static const size_t which[] = {1, 2, 4, 7, 8, 10};
    uint64_t seed = 7;

    (void)state;
    for (size_t i = 0; i < CF_COUNT(which); i++) {
        int fd = write_sample(&samples[which[i]]);
        off_t size = lseek(fd, 0, SEEK_END);

        for (int round = 0; round < 150; round++) {
            off_t at = round % 2 ? 1024 + next_random(&seed) % 3072 : next_random(&seed) % size;
            unsigned char old, bad = (unsigned char)next_random(&seed);
            struct cf_tree *tree;

            assert_int_equal(cf_pread_full(fd, &old, 1, at), 1);
            must(cf_pwrite_full(fd, &bad, 1, at));
            mend_checksum(fd);
            if (cf_tree_open(fd, &tree, NULL) == 0) {
                read_damaged(tree, 300);
                cf_tree_close(tree);
            }
            must(cf_pwrite_full(fd, &old, 1, at));
        }
        (void)close(fd);
    }
}

static void a_wrong_checksum_is_seen(void **state)
{
    int fd = write_sample(&samples[1]);
    struct cf_tree *tree = NULL;
    struct cf_error err;

    (void)state;
    must(cf_pwrite_full(fd, "\xff", 1, 2000));
    assert_int_equal(cf_tree_open(fd, &tree, &err), -EBADMSG);
    assert_string_equal(err.text, "tree: not a tree, or damaged");
    (void)close(fd);
}

static void a_tree_cut_short_is_seen(void **state)
{
    int fd = write_sample(&samples[3]);
    off_t size = lseek(fd, 0, SEEK_END);
    struct cf_tree *tree = NULL;

    (void)state;
    for (; size > 0; size -= size > 8192 ? size / 3 : 1000) {
        must(ftruncate(fd, size - 1));
        assert_int_equal(cf_tree_open(fd, &tree, NULL), -EBADMSG);
        must(ftruncate(fd, (size - 1) / 4096 * 4096));
        assert_int_equal(cf_tree_open(fd, &tree, NULL), -EBADMSG);
    }
    (void)close(fd);
}

static void verify_names_the_damage(void **state)
{
    /* offset in the inode of the only entry, byte, what is said */
    static const struct {
        off_t offset;
        const char *byte;
        const char *said;
    } rows[] = {
        {44, "\x02", "link count"},
        {5, "\x10", "another type"},
        {0, "\x07", "damaged inode"},
        {2, "\xff", "damaged"},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_builder *b = new_builder();
        struct cf_error err = {0};
        struct cf_tree *tree;
        uint64_t nid;
        int fd;

        (void)add_mode(b, cf_builder_root(b), "f", S_IFREG);
        fd = write_builder(b);
        tree = read_tree(fd);
        must(cf_tree_walk(tree, "f", &nid));
        must(cf_tree_verify(tree, NULL));
        must(cf_pwrite_full(fd, rows[i].byte, 1, (off_t)nid * 32 + rows[i].offset));
        assert_int_equal(cf_tree_verify(tree, &err), -EBADMSG);
        if (!strstr(err.text, rows[i].said))
            fail_msg("row %zu: %s", i, err.text);
        cf_tree_close(tree);
        (void)close(fd);
        cf_builder_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_tree_verifies),
        cmocka_unit_test(the_same_tree_gives_the_same_bytes),
        cmocka_unit_test(applying_a_tree_to_nothing_gives_the_same_bytes),
        cmocka_unit_test(the_id_gives_the_uuid),
        cmocka_unit_test(writing_again_after_a_change_shows_the_change),
        cmocka_unit_test(content_comes_back),
        cmocka_unit_test(lookup_finds_every_name_and_no_other),
        cmocka_unit_test(paths_lead_where_posix_says),
        cmocka_unit_test(overlay_names_are_escaped_and_shown),
        cmocka_unit_test(bad_names_and_inodes_are_refused),
        cmocka_unit_test(bad_xattrs_are_refused),
        cmocka_unit_test(xattrs_are_set_replaced_listed_and_removed),
        cmocka_unit_test(the_walk_is_in_canonical_order),
        cmocka_unit_test(link_counts_follow_what_is_removed),
        cmocka_unit_test(a_damaged_byte_does_no_harm),
        cmocka_unit_test(a_wrong_checksum_is_seen),
        cmocka_unit_test(a_tree_cut_short_is_seen),
        cmocka_unit_test(verify_names_the_damage),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
