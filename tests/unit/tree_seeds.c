/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of fuzz_tree: small trees with one of everything. Not built by make; to write
 * them again after a change of the format:
 *   cc -D_GNU_SOURCE -Iinclude -o build/tree_seeds tests/unit/tree_seeds.c build/libcloudfs.a \
 *      -lcrypto -lcmocka -pthread && build/tree_seeds tests/fuzz/corpus/tree
 */
#include "tree_fixture.h"

static void seed_small(struct cf_builder *b)
{
    struct cf_node *root = cf_builder_root(b), *a = add_mode(b, root, "a", S_IFDIR | 0755);
    struct cf_node *file = add_object(b, a, "first", 5000);

    must(cf_node_link(b, root, "second", 6, file));
    must(cf_node_set_xattr(b, file, "user.x", "value", 5));
    must(cf_node_set_xattr(b, a, CF_XATTR_OPAQUE, "y", 1));
    (void)add_symlink(b, root, "link", "a/first");
    (void)add_inline(b, add_mode(b, a, "b", S_IFDIR | 0700), "c", 30);
    (void)add_mode(b, a, "white", S_IFCHR);
}

/* Two blocks of names, a symlink too long for a tail. */
static void seed_blocks(struct cf_builder *b)
{
    struct cf_node *dir = add_mode(b, cf_builder_root(b), "many", S_IFDIR | 0755);
    char text[CF_SYMLINK_MAX + 1] = "";

    for (int i = 0; i < 30; i++) {
        (void)snprintf(text, sizeof(text), "%02d-%0190d", i, 0);
        (void)add_mode(b, dir, text, S_IFIFO);
    }
    memset(text, 't', CF_SYMLINK_MAX);
    (void)add_symlink(b, dir, "long", text);
}

int main(int argc, char **argv)
{
    static const struct sample seeds[] = {
        {"empty", sample_empty},
        {"types", sample_types},
        {"small", seed_small},
        {"blocks", seed_blocks},
    };

    for (size_t i = 0; argc == 2 && i < CF_COUNT(seeds); i++) {
        struct cf_builder *b = new_builder();
        char path[4096];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", argv[1], seeds[i].name);
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        seeds[i].fill(b);
        must(cf_builder_write(b, &(struct cf_digest){{1}}, fd, NULL));
        (void)close(fd);
        cf_builder_free(b);
    }
    return argc == 2 ? 0 : 2;
}
