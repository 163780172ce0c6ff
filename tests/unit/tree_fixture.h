/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of every shape, for the tests of fs/tree: each sample fills a builder. */
#ifndef CLOUDFS_TESTS_TREE_FIXTURE_H
#define CLOUDFS_TESTS_TREE_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <cloudfs/tree.h>

/* On a disk, not on a tmpfs, which EROFS cannot be mounted from. */
#define SCRATCH "/var/tmp"

#define must(expression) assert_int_equal((expression), 0)

static inline struct cf_builder *new_builder(void)
{
    struct cf_builder *builder = NULL;
    int fd = open(SCRATCH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    must(cf_builder_new(fd, &builder, NULL));
    (void)close(fd);
    return builder;
}

static inline int new_file(void)
{
    char path[] = SCRATCH "/cf-tree-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);

    assert_true(fd >= 0);
    (void)unlink(path);
    return fd;
}

static inline void digest_of_number(uint64_t number, struct cf_digest *ret)
{
    cf_digest_of(&number, sizeof(number), ret);
}

static inline struct cf_inode inode_of(mode_t mode)
{
    return (struct cf_inode){.mode = mode, .mtime_sec = 1700000000, .mtime_nsec = 5};
}

static inline struct cf_node *add(struct cf_builder *b, struct cf_node *dir, const char *name,
                                  const struct cf_inode *inode)
{
    struct cf_node *node = NULL;

    must(cf_node_add(b, dir, name, strlen(name), inode, &node));
    return node;
}

static inline struct cf_node *add_mode(struct cf_builder *b, struct cf_node *dir, const char *name,
                                       mode_t mode)
{
    struct cf_inode inode = inode_of(mode);

    return add(b, dir, name, &inode);
}

static inline struct cf_node *add_inline(struct cf_builder *b, struct cf_node *dir,
                                         const char *name, size_t len)
{
    struct cf_node *node = add_mode(b, dir, name, S_IFREG | 0644);
    char data[CF_INLINE_MAX];

    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + (i * 7 + len) % 26);
    must(cf_node_set_inline(b, node, data, len));
    return node;
}

static inline struct cf_node *add_object(struct cf_builder *b, struct cf_node *dir,
                                         const char *name, uint64_t size)
{
    struct cf_node *node = add_mode(b, dir, name, S_IFREG | 0644);
    struct cf_digest digest;

    digest_of_number(size, &digest);
    must(cf_node_set_object(b, node, &digest, size));
    return node;
}

static inline struct cf_node *add_symlink(struct cf_builder *b, struct cf_node *dir,
                                          const char *name, const char *target)
{
    struct cf_node *node = add_mode(b, dir, name, S_IFLNK | 0777);

    must(cf_node_set_symlink(b, node, target, strlen(target)));
    return node;
}

/* ---- samples ---- */

static inline void sample_empty(struct cf_builder *b)
{
    (void)b;
}

static inline void sample_types(struct cf_builder *b)
{
    static const struct {
        const char *name;
        struct cf_inode inode;
    } rows[] = {
        {"dir", {.mode = S_IFDIR | 01777, .uid = 1, .gid = 2}},
        {"file", {.mode = S_IFREG | 04755, .uid = 70000, .gid = 4294967294u}},
        {"fifo", {.mode = S_IFIFO | 0600, .mtime_sec = -1, .mtime_nsec = 999999999}},
        {"socket", {.mode = S_IFSOCK | 0755, .mtime_sec = -5000000000}},
        {"null", {.mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3}},
        {"big", {.mode = S_IFBLK | 0660, .rdev_major = 259, .rdev_minor = 70000}},
        {"most", {.mode = S_IFBLK, .rdev_major = 4095, .rdev_minor = 1048575}},
        {"whiteout", {.mode = S_IFCHR}},
        {"nothing", {.mode = S_IFREG, .mtime_sec = 8589934592}},
    };
    struct cf_node *root = cf_builder_root(b);

    for (size_t i = 0; i < CF_COUNT(rows); i++)
        (void)add(b, root, rows[i].name, &rows[i].inode);
    (void)add_symlink(b, root, "link", "file");
}

/* Names that sort before, between and behind "." and "..". */
static inline void sample_names(struct cf_builder *b)
{
    static const char *const names[] = {
        "\xff\xfe", "!",   "-",  ".a",   "...", "..a",   "+x",       " ", "\n",     "a", "A",
        "a.b",      "a-b", "ab", "\x01", ".-",  ".\x01", "\xc3\xa9", "~", "/0" + 1, "#", "a\x7f",
    };
    struct cf_node *root = cf_builder_root(b), *dir = add_mode(b, root, "d", S_IFDIR | 0755);

    for (size_t i = 0; i < CF_COUNT(names); i++) {
        (void)add_inline(b, root, names[i], i);
        (void)add_mode(b, dir, names[CF_COUNT(names) - 1 - i], S_IFDIR | 0700);
    }
}

/* In no order, so that the directories have to be sorted; common beginnings of many lengths. */
static inline void sample_dirs(struct cf_builder *b)
{
    static const unsigned sizes[] = {0, 1, 2, 8, 9, 300, 5000};
    struct cf_node *root = cf_builder_root(b);
    char name[CF_NAME_MAX + 1];

    for (size_t i = 0; i < CF_COUNT(sizes); i++) {
        struct cf_node *dir;

        (void)snprintf(name, sizeof(name), "dir-%u", sizes[i]);
        dir = add_mode(b, root, name, S_IFDIR | 0755);
        for (unsigned k = 0; k < sizes[i]; k++) {
            unsigned n = k * 2654435761u % 1000003u;

            if (k % 10 == 0)
                (void)snprintf(name, sizeof(name), "common-%s-%07u", "beginning-of-a-name", n);
            else
                (void)snprintf(name, sizeof(name), "%x%.*s", n, (int)(k % 40),
                               "0123456789012345678901234567890123456789");
            (void)add_object(b, dir, name, 5000 + k);
        }
    }
}

static inline void sample_long_names(struct cf_builder *b)
{
    struct cf_node *dir = cf_builder_root(b);
    char name[CF_NAME_MAX + 1] = {0};

    for (int c = 'z'; c >= 'a'; c--) {
        memset(name, c, CF_NAME_MAX);
        (void)add_inline(b, dir, name, 3);
    }
    for (int depth = 0; depth < 40; depth++) {
        memset(name, 'd', CF_NAME_MAX);
        dir = add_mode(b, dir, name, S_IFDIR | 0755);
    }
}

/* Directories whose last block is filled to every size around the inline limit. */
static inline void sample_full_blocks(struct cf_builder *b)
{
    struct cf_node *root = cf_builder_root(b);
    char name[CF_NAME_MAX + 1] = {0};

    for (int fill = 4060; fill <= 4100; fill++) {
        int left = fill - 27;
        struct cf_node *dir;

        (void)snprintf(name, sizeof(name), "fill-%d", fill);
        dir = add_mode(b, root, name, S_IFDIR | 0755);
        for (int i = 0; left > 0; i++) {
            int len = left - 12 > 200 ? 180 : left - 12;

            memset(name, 0, sizeof(name));
            memset(name, 'f', (size_t)len);
            name[0] = (char)('a' + i);
            (void)add_mode(b, dir, name, S_IFIFO | 0644);
            left -= 12 + len;
        }
    }
}

static inline void sample_sizes(struct cf_builder *b)
{
    static const uint64_t objects[] = {1,
                                       2049,
                                       4096,
                                       4097,
                                       5000,
                                       1073741825,
                                       6442450944,
                                       (UINT64_C(1) << 43) + 1,
                                       UINT64_C(1) << 50};
    struct cf_node *root = cf_builder_root(b);
    char name[32], target[CF_SYMLINK_MAX + 1];

    for (size_t len = 0; len <= CF_INLINE_MAX; len += len < 70 || len > 1980 ? 1 : 61) {
        (void)snprintf(name, sizeof(name), "inline-%zu", len);
        (void)add_inline(b, root, name, len);
    }
    for (size_t i = 0; i < CF_COUNT(objects); i++) {
        (void)snprintf(name, sizeof(name), "object-%zu", i);
        (void)add_object(b, root, name, objects[i]);
    }
    for (size_t len = 1; len <= CF_SYMLINK_MAX; len += len < 3990 ? 133 : 1) {
        (void)snprintf(name, sizeof(name), "symlink-%zu", len);
        memset(target, 't', len);
        target[len] = '\0';
        (void)add_symlink(b, root, name, target);
    }
}

static inline void sample_xattrs(struct cf_builder *b)
{
    /* version 2; user::rw-, user:1:r--, group::r--, mask::r--, other::r-- */
    static const unsigned char acl[] = {2,   0,   0,   0,   1,   0,   6,  0,   255, 255, 255,
                                        255, 2,   0,   4,   0,   1,   0,  0,   0,   4,   0,
                                        4,   0,   255, 255, 255, 255, 16, 0,   4,   0,   255,
                                        255, 255, 255, 32,  0,   4,   0,  255, 255, 255, 255};
    /* version 2, effective, cap_net_raw */
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
    static const char *const names[] = {
        "user.a",    "user.b",         "trusted.overlay.overlay.opaque",
        "trusted.x", "security.other", "security.selinux"};
    struct cf_node *root = cf_builder_root(b), *nodes[5];
    char *big = calloc(1, CF_XATTR_VALUE_MAX), name[256] = "user.";

    assert_non_null(big);
    memset(big, 'x', CF_XATTR_VALUE_MAX);
    memset(name + 5, 'n', 250);
    nodes[0] = add_object(b, root, "object", 4097);
    nodes[1] = add_inline(b, root, "inline", 700);
    nodes[2] = add_mode(b, root, "dir", S_IFDIR | 0755);
    nodes[3] = add_mode(b, root, "empty", S_IFREG | 0644);
    nodes[4] = add_mode(b, root, "fifo", S_IFIFO | 0644);
    for (size_t i = 0; i < CF_COUNT(nodes); i++) {
        for (size_t k = 0; k < CF_COUNT(names); k++)
            if (k < 2 ? i < 4 : true)
                must(cf_node_set_xattr(b, nodes[i], names[k], big, k * i));
        must(cf_node_set_xattr(b, nodes[i], "system.posix_acl_access", acl, sizeof(acl)));
    }
    must(cf_node_set_xattr(b, nodes[0], "security.capability", capability, sizeof(capability)));
    must(cf_node_set_xattr(b, nodes[2], "system.posix_acl_default", acl, sizeof(acl)));
    must(cf_node_set_xattr(b, nodes[2], CF_XATTR_OPAQUE, "y", 1));
    must(cf_node_set_xattr(b, nodes[1], name, "value", 5));
    must(cf_node_set_xattr(b, nodes[0], "user.big", big, CF_XATTR_VALUE_MAX));
    must(cf_node_set_xattr(b, nodes[0], "user.big2", big, CF_XATTR_VALUE_MAX));
    must(cf_node_set_xattr(b, nodes[2], "user.big", big, 4000));
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "user.many-%d", i * 7919 % 200);
        must(cf_node_set_xattr(b, nodes[3], name, big, (size_t)i));
    }
    free(big);
}

static inline void sample_links(struct cf_builder *b)
{
    struct cf_node *root = cf_builder_root(b), *z = add_mode(b, root, "z", S_IFDIR | 0755);
    struct cf_node *a = add_mode(b, root, "a", S_IFDIR | 0755);
    struct cf_node *file = add_object(b, z, "first", 9999), *fifo = add_mode(b, a, "p", S_IFIFO);
    char name[16];

    must(cf_node_link(b, a, "second", 6, file));
    must(cf_node_link(b, root, "third", 5, file));
    must(cf_node_link(b, z, "p", 1, fifo));
    must(cf_node_link(b, z, "l", 1, add_symlink(b, a, "l", "target")));
    file = add_inline(b, root, "many", 100);
    for (int i = 0; i < 400; i++) {
        (void)snprintf(name, sizeof(name), "%d", i * 37 % 400);
        must(cf_node_link(b, i % 2 ? a : z, name, strlen(name), file));
    }
}

static inline void sample_deep(struct cf_builder *b)
{
    struct cf_node *dir = cf_builder_root(b);

    for (int i = 0; i < 3000; i++) {
        (void)add_inline(b, dir, "f", (size_t)i % 90);
        dir = add_mode(b, dir, i % 2 ? "deeper" : "down", S_IFDIR | 0755);
    }
}

static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static inline void random_tree(struct cf_builder *b, uint64_t seed)
{
    static const mode_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFLNK,
                                   S_IFREG, S_IFIFO, S_IFCHR, S_IFREG};
    struct cf_node *dirs[64] = {cf_builder_root(b)}, *last = NULL;
    unsigned n = 1;
    char name[80] = {0};

    for (int i = 0; i < 900; i++) {
        struct cf_node *dir = dirs[next_random(&seed) % n], *node;
        struct cf_inode inode =
            inode_of(types[next_random(&seed) % CF_COUNT(types)] | (next_random(&seed) & 07777));

        inode.uid = next_random(&seed) % 3;
        inode.rdev_minor = next_random(&seed) % 4;
        inode.mtime_nsec = next_random(&seed) % 1000000000;
        (void)snprintf(name, sizeof(name), "%.*s%u", (int)(next_random(&seed) % 60),
                       "------------------------------------------------------------",
                       next_random(&seed) % 5000);
        if (last && next_random(&seed) % 16 == 0 && !cf_node_child(b, dir, name, strlen(name))) {
            must(cf_node_link(b, dir, name, strlen(name), last));
            continue;
        }
        if (cf_node_child(b, dir, name, strlen(name)))
            continue;
        node = add(b, dir, name, &inode);
        if (S_ISDIR(inode.mode) && n < CF_COUNT(dirs))
            dirs[n++] = node;
        if (S_ISLNK(inode.mode))
            must(cf_node_set_symlink(b, node, name, strlen(name)));
        if (S_ISREG(inode.mode) && i % 3 == 0)
            must(cf_node_set_inline(b, node, name, strlen(name)));
        if (S_ISREG(inode.mode) && i % 3 == 1)
            must(cf_node_set_object(b, node, &(struct cf_digest){{(uint8_t)i}},
                                    next_random(&seed) + 1));
        if (next_random(&seed) % 8 == 0)
            must(cf_node_set_xattr(b, node, "trusted.t", name, next_random(&seed) % 70));
        if (!S_ISDIR(inode.mode))
            last = node;
    }
}

static inline void sample_random_1(struct cf_builder *b)
{
    random_tree(b, 1);
}

static inline void sample_random_2(struct cf_builder *b)
{
    random_tree(b, 22222);
}

static inline void sample_random_3(struct cf_builder *b)
{
    random_tree(b, 333333333);
}

static const struct sample {
    const char *name;
    void (*fill)(struct cf_builder *builder);
} samples[] = {
    {"an empty root", sample_empty},
    {"every type of inode", sample_types},
    {"names around the dots", sample_names},
    {"directories of 0 to 5000 entries", sample_dirs},
    {"names of 255 bytes", sample_long_names},
    {"directories that fill their block", sample_full_blocks},
    {"every size of content", sample_sizes},
    {"extended attributes", sample_xattrs},
    {"hard links", sample_links},
    {"a path of 3000 directories", sample_deep},
    {"a random tree", sample_random_1},
    {"a second random tree", sample_random_2},
    {"a third random tree", sample_random_3},
};

/* Writes a builder to a new unlinked file. */
static inline int write_builder(struct cf_builder *b)
{
    struct cf_digest id;
    int fd = new_file();

    digest_of_number(42, &id);
    must(cf_builder_write(b, &id, fd, NULL));
    return fd;
}

static inline int write_sample(const struct sample *sample)
{
    struct cf_builder *b = new_builder();
    int fd;

    sample->fill(b);
    fd = write_builder(b);
    cf_builder_free(b);
    return fd;
}

static inline struct cf_tree *read_tree(int fd)
{
    struct cf_tree *tree = NULL;

    must(cf_tree_open(fd, &tree, NULL));
    return tree;
}

#endif
