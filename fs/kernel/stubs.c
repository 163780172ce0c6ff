/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/kernel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/tree.h>

/* A directory for the entry, there already or made. */
static int open_dir(struct cf_builder *builder, struct cf_node *parent, const char *name,
                    size_t len, struct cf_node **ret_dir)
{
    const struct cf_inode inode = {.mode = S_IFDIR | 0755};

    *ret_dir = cf_node_child(builder, parent, name, len);
    return *ret_dir ? 0 : cf_node_add(builder, parent, name, len, &inode, ret_dir);
}

static int add_stub(struct cf_builder *builder, struct cf_node *top,
                    const struct cf_kernel_stub *stub)
{
    const struct cf_inode inode = {.mode = S_IFREG | 0644};
    char hex[CF_DIGEST_HEX_SIZE + 1];
    struct cf_node *dir = NULL, *node = NULL;

    cf_digest_hex(&stub->object, hex);
    int r = open_dir(builder, top, hex, 2, &dir);
    if (r < 0 || cf_node_child(builder, dir, hex + 2, 62))
        return r;
    r = cf_node_add(builder, dir, hex + 2, 62, &inode, &node);
    if (r == 0)
        r = cf_node_set_object(builder, node, &stub->object, stub->size);
    if (r < 0)
        return r;
    memcpy(hex + 64, "+", 2); /* its second name */
    return cf_node_link(builder, dir, hex + 2, 63, node);
}

/* Other stubs make another tree, with another UUID: inode numbers mean something in one only. */
static int identify(const struct cf_kernel_stub *stubs, size_t count, struct cf_digest *ret_id)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    int r = cf_hasher_new(&hasher);

    if (r < 0)
        return r;
    cf_hasher_update(hasher, "stubs", 5);
    for (size_t i = 0; i < count; i++)
        cf_hasher_update(hasher, &stubs[i].object, sizeof(stubs[i].object));
    cf_hasher_final(hasher, ret_id);
    return 0;
}

static int compare_stubs(const void *a, const void *b)
{
    const struct cf_kernel_stub *x = a, *y = b;
    return cf_digest_compare(&x->object, &y->object);
}

int cf_kernel_write_stubs(const char *dir, struct cf_kernel_stub *stubs, size_t count,
                          int scratch_fd, int fd, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_node *top = NULL;
    struct cf_digest id;
    int r = cf_builder_new(scratch_fd, &builder, err);

    if (r < 0)
        return r;
    if (count)
        qsort(stubs, count, sizeof(*stubs), compare_stubs);
    r = open_dir(builder, cf_builder_root(builder), dir, strlen(dir), &top);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_stub(builder, top, &stubs[i]);
    if (r == 0)
        r = identify(stubs, count, &id);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot make the tree of stubs");
    return cf_builder_write(builder, &id, fd, err);
}
