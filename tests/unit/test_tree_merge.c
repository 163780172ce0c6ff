/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers laid over each other. A tree is written as words:
 *   d/:5  a directory with owner 5    d/? an implicit one    d/+ an opaque one (also d/?+)
 *   f=x   a file with content x       f->g a hard link to g  !f  a whiteout
 * "/" alone is the root. Parents come before what is in them.
 */
#include "tree_fixture.h"

#include <errno.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>

#define LAYERS_MAX 4

static struct cf_node *find_node(struct cf_builder *b, const char *path)
{
    struct cf_node *node = cf_builder_root(b);

    while (node && *path) {
        size_t len = strcspn(path, "/");

        node = cf_node_child(b, node, path, len);
        path += len + (path[len] == '/');
    }
    return node;
}

/* The directory that path is in; *ret_name is the last component. */
static struct cf_node *find_parent(struct cf_builder *b, char *path, const char **ret_name)
{
    char *slash = strrchr(path, '/');
    struct cf_node *dir;

    *ret_name = slash ? slash + 1 : path;
    if (!slash)
        return cf_builder_root(b);
    *slash = '\0';
    dir = find_node(b, path);
    assert_non_null(dir);
    return dir;
}

static void put_dir(struct cf_builder *b, char *path, const char *marks)
{
    struct cf_inode inode = inode_of(S_IFDIR | 0755);
    const char *owner = strchr(marks, ':'), *name;
    struct cf_node *dir, *parent;

    inode.uid = owner ? (uint32_t)atoi(owner + 1) : 0;
    if (*path == '\0') {
        dir = cf_builder_root(b);
        cf_node_set_inode(dir, &inode);
    } else {
        parent = find_parent(b, path, &name);
        dir = add(b, parent, name, &inode);
    }
    must(cf_node_set_xattr(b, dir, "user.owner", marks, strlen(marks)));
    if (strchr(marks, '?'))
        must(cf_node_set_xattr(b, dir, CF_XATTR_IMPLICIT, "y", 1));
    if (strchr(marks, '+'))
        must(cf_node_set_xattr(b, dir, CF_XATTR_OPAQUE, "y", 1));
}

static void put_word(struct cf_builder *b, char *word)
{
    char *arrow = strstr(word, "->"), *equal = strchr(word, '='), *slash = strrchr(word, '/');
    struct cf_node *dir, *node;
    const char *name;

    if (word[0] == '!') {
        dir = find_parent(b, word + 1, &name);
        (void)add(b, dir, name, &(struct cf_inode){.mode = S_IFCHR});
    } else if (arrow) {
        *arrow = '\0';
        node = find_node(b, arrow + 2);
        dir = find_parent(b, word, &name);
        must(cf_node_link(b, dir, name, strlen(name), node));
    } else if (equal) {
        *equal = '\0';
        dir = find_parent(b, word, &name);
        node = add_mode(b, dir, name, S_IFREG | 0644);
        must(cf_node_set_inline(b, node, equal + 1, strlen(equal + 1)));
    } else {
        assert_non_null(slash);
        *slash = '\0';
        put_dir(b, word, slash + 1);
    }
}

static struct cf_tree *tree_of_words(const char *words)
{
    struct cf_builder *b = new_builder();
    char *copy = strdup(words), *save = NULL;
    struct cf_tree *tree;
    int fd;

    assert_non_null(copy);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        put_word(b, word);
    fd = write_builder(b);
    tree = read_tree(fd);
    free(copy);
    (void)close(fd);
    cf_builder_free(b);
    return tree;
}

/* "/?" and no owner is what nobody has set: such a root has no word. */
static int say_dir(const struct cf_walk *walk, const struct cf_inode *inode, struct cf_buf *text)
{
    const void *value;
    size_t len;
    bool implicit = cf_node_xattr_get(walk->node, CF_XATTR_IMPLICIT, &value, &len) == 0;
    bool opaque = cf_node_xattr_get(walk->node, CF_XATTR_OPAQUE, &value, &len) == 0;
    char owner[16] = "";

    if (walk->path_len == 0 && implicit && !opaque)
        return 0;
    if (walk->path_len == 0 && !implicit && !opaque && inode->uid == 0)
        return 0;
    if (inode->uid)
        (void)snprintf(owner, sizeof(owner), ":%u", inode->uid);
    /* xattrs come from where the owner comes from. */
    if (inode->uid) {
        must(cf_node_xattr_get(walk->node, "user.owner", &value, &len));
        assert_non_null(memmem(value, len, owner, strlen(owner)));
    }
    return cf_buf_printf(text, " %s/%s%s%s", walk->path, implicit ? "?" : "", opaque ? "+" : "",
                         owner);
}

static int say(const struct cf_walk *walk, void *context)
{
    struct cf_content content;
    struct cf_inode inode;

    cf_node_inode(walk->node, &inode);
    if (S_ISDIR(inode.mode))
        return say_dir(walk, &inode, context);
    if (cf_inode_is_whiteout(&inode))
        return cf_buf_printf(context, " !%s", walk->path);
    if (!walk->first)
        return cf_buf_printf(context, " %s->%s", walk->path, walk->first_path);
    must(cf_node_content(walk->node, &content));
    return cf_buf_printf(context, " %s=%.*s", walk->path, (int)content.size,
                         (const char *)content.data);
}

static const struct {
    const char *name;
    const char *layers[LAYERS_MAX];
    const char *merged;
    const char *squashed; /* with the marks; NULL: as merged */
} rows[] = {
    {"one layer stays as it is", {"a/:1 a/f=1 b=2"}, " a/:1 a/f=1 b=2", NULL},
    {"a file replaces a file", {"f=1", "f=2"}, " f=2", NULL},
    {"a whiteout removes a file", {"f=1 g=1", "!f"}, " g=1", " !f g=1"},
    {"a whiteout removes a directory with all in it",
     {"a/ a/b/ a/b/f=1 c=1", "!a"},
     " c=1",
     " !a c=1"},
    {"a whiteout of nothing does nothing", {"f=1", "!none"}, " f=1", " !none f=1"},
    {"what was removed comes back alone",
     {"a/ a/old=1", "!a", "a/:3 a/new=2"},
     " a/:3 a/new=2",
     " a/+:3 a/new=2"},
    {"directories merge and the upper one's owner wins",
     {"a/:1 a/x=1 a/y=1", "a/:2 a/y=2 a/z=2"},
     " a/:2 a/x=1 a/y=2 a/z=2",
     NULL},
    {"an implicit directory keeps what is there",
     {"a/:1 a/x=1", "a/? a/y=2"},
     " a/:1 a/x=1 a/y=2",
     NULL},
    {"an implicit directory that nobody has is made",
     {"f=1", "a/? a/b/? a/b/y=2"},
     " a/ a/b/ a/b/y=2 f=1",
     " a/? a/b/? a/b/y=2 f=1"},
    {"an entry of its own ends being implicit", {"a/? a/x=1", "a/:4"}, " a/:4 a/x=1", NULL},
    {"an opaque directory hides what is below",
     {"a/:1 a/x=1 a/b/ a/b/f=1", "a/+:2 a/y=2"},
     " a/:2 a/y=2",
     " a/+:2 a/y=2"},
    {"an opaque implicit directory hides, and keeps the owner",
     {"a/:1 a/x=1", "a/?+ a/y=2"},
     " a/:1 a/y=2",
     " a/+:1 a/y=2"},
    {"an opaque directory stays so below a later layer",
     {"a/+:1 a/x=1", "a/:2 a/y=2"},
     " a/:2 a/x=1 a/y=2",
     " a/+:2 a/x=1 a/y=2"},
    {"a directory replaces a file", {"a=1", "a/:1 a/x=2"}, " a/:1 a/x=2", " a/+:1 a/x=2"},
    {"an implicit directory replaces a file", {"a=1", "a/? a/x=2"}, " a/ a/x=2", " a/+ a/x=2"},
    {"a file replaces a directory", {"a/ a/x=1", "a=2"}, " a=2", NULL},
    {"hard links stay hard links",
     {"f=1 g->f", "z=1 a/ a/b->z"},
     " a/ a/b=1 f=1 g->f z->a/b",
     NULL},
    {"a whiteout takes one name of several", {"f=1 g->f h->f", "!f"}, " g=1 h->g", " !f g=1 h->g"},
    {"a file replaces one name of several", {"f=1 g->f", "g=2"}, " f=1 g=2", NULL},
    {"links of different layers are not the same", {"f=1 g->f", "f=2 h->f"}, " f=2 g=1 h->f", NULL},
    {"the root's owner comes from the last layer that has it",
     {"/:1 f=1", "/:2 g=1", "h=1"},
     " /:2 f=1 g=1 h=1",
     NULL},
    {"an opaque root hides all", {"/:1 f=1", "/+:2 g=1"}, " /:2 g=1", " /+:2 g=1"},
    {"four layers",
     {"a/ a/1=1", "a/? !a/1 a/2=2", "a/? a/1/ a/1/x=3", "a/? !a/2"},
     " a/ a/1/ a/1/x=3",
     " a/ !a/2 a/1/+ a/1/x=3"},
};

static void merge(const char *const layers[LAYERS_MAX], bool keep, struct cf_buf *ret_text)
{
    struct cf_builder *b = new_builder();

    for (size_t i = 0; i < LAYERS_MAX && layers[i]; i++) {
        struct cf_tree *tree = tree_of_words(layers[i]);

        must(cf_tree_verify(tree, NULL));
        must(cf_builder_apply(b, tree, keep, NULL));
        cf_tree_close(tree);
    }
    must(cf_builder_walk(b, say, ret_text));
    cf_builder_free(b);
}

static void layers_merge_as_the_oci_rules_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_buf merged cf_autobuf = CF_BUF_INIT, squashed cf_autobuf = CF_BUF_INIT;
        const char *want = rows[i].squashed ? rows[i].squashed : rows[i].merged;

        merge(rows[i].layers, false, &merged);
        merge(rows[i].layers, true, &squashed);
        if (strcmp(merged.data, rows[i].merged) != 0)
            fail_msg("%s: merged is%s", rows[i].name, merged.data);
        if (strcmp(squashed.data, want) != 0)
            fail_msg("%s: squashed is%s", rows[i].name, squashed.data);
    }
}

/* Squashing all layers but the lowest first makes no difference. */
static void squashed_layers_merge_to_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        struct cf_builder *b = new_builder(), *upper = new_builder();
        struct cf_tree *tree;
        int fd;

        for (size_t k = 1; k < LAYERS_MAX && rows[i].layers[k]; k++) {
            tree = tree_of_words(rows[i].layers[k]);
            must(cf_builder_apply(upper, tree, true, NULL));
            cf_tree_close(tree);
        }
        tree = tree_of_words(rows[i].layers[0]);
        must(cf_builder_apply(b, tree, false, NULL));
        cf_tree_close(tree);
        fd = write_builder(upper);
        tree = read_tree(fd);
        must(cf_builder_apply(b, tree, false, NULL));
        cf_tree_close(tree);
        (void)close(fd);
        must(cf_builder_walk(b, say, &text));
        if (strcmp(text.data, rows[i].merged) != 0)
            fail_msg("%s: squashed first, it is%s", rows[i].name, text.data);
        cf_builder_free(upper);
        cf_builder_free(b);
    }
}

/* Merged trees must be the same bytes, whichever way the same content came about. */
static void a_merged_tree_has_no_memory_of_its_layers(void **state)
{
    static const char *const ways[][LAYERS_MAX] = {
        {"a/:1 a/x=1 b=2 c->b"},
        {"b=9 old=1", "a/:1 a/x=1 b=2 c->b !old"},
        {"a/:3 a/y=1", "a/+:1 a/x=1", "b=2 c->b"},
    };
    struct cf_buf bytes[CF_COUNT(ways)] = {CF_BUF_INIT};

    (void)state;
    for (size_t i = 0; i < CF_COUNT(ways); i++) {
        struct cf_builder *b = new_builder();
        struct cf_node *dir;
        int fd;

        for (size_t k = 0; k < LAYERS_MAX && ways[i][k]; k++) {
            struct cf_tree *tree = tree_of_words(ways[i][k]);

            must(cf_builder_apply(b, tree, false, NULL));
            cf_tree_close(tree);
        }
        dir = find_node(b, "a");
        assert_non_null(dir);
        cf_node_clear_xattrs(b, dir); /* the words of the test */
        fd = write_builder(b);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        must(cf_read_fd(fd, 1 << 20, &bytes[i]));
        assert_int_equal(bytes[i].len, bytes[0].len);
        assert_memory_equal(bytes[i].data, bytes[0].data, bytes[0].len);
        (void)close(fd);
        cf_builder_free(b);
    }
    for (size_t i = 0; i < CF_COUNT(ways); i++)
        cf_buf_done(&bytes[i]);
}

static int count_nodes(const struct cf_walk *walk, void *context)
{
    *(uint64_t *)context += walk->first;
    return 0;
}

/* Large enough for the arena's file, in an order that has to be sorted. */
static void large_trees_use_the_scratch_file(void **state)
{
    struct cf_builder *b = new_builder(), *copy = new_builder();
    struct cf_node *dir = NULL;
    struct cf_tree *tree;
    uint64_t nid, count = 0;
    char name[32];
    int fd;

    (void)state;
    for (unsigned i = 0; i < 60000; i++) {
        if (i % 30000 == 0) {
            (void)snprintf(name, sizeof(name), "dir%u", i);
            dir = add_mode(b, cf_builder_root(b), name, S_IFDIR | 0755);
        }
        (void)snprintf(name, sizeof(name), "%08x", i * 2654435761u);
        (void)add_object(b, dir, name, i + 1);
    }
    fd = write_builder(b);
    tree = read_tree(fd);
    must(cf_tree_verify(tree, NULL));
    assert_int_equal(cf_tree_count(tree), 60003);
    (void)snprintf(name, sizeof(name), "dir30000/%08x", 59999 * 2654435761u);
    must(cf_tree_walk(tree, name, &nid));
    must(cf_builder_apply(copy, tree, false, NULL));
    must(cf_builder_apply(copy, tree, false, NULL));
    must(cf_builder_walk(copy, count_nodes, &count));
    assert_int_equal(count, 60003);
    assert_int_equal(cf_builder_count(copy), 60003);
    cf_tree_close(tree);
    (void)close(fd);
    cf_builder_free(copy);
    cf_builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_merge_as_the_oci_rules_say),
        cmocka_unit_test(squashed_layers_merge_to_the_same),
        cmocka_unit_test(a_merged_tree_has_no_memory_of_its_layers),
        cmocka_unit_test(large_trees_use_the_scratch_file),
    };

    return cmocka_run_group_tests_name("tree_merge", tests, NULL, NULL);
}
