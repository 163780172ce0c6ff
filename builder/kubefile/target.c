/* SPDX-License-Identifier: Apache-2.0 */
/* Where COPY puts things: docs/man/Kubefile.5 has the rule as a table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

enum { LINKS_MAX = 40 };

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static size_t component(const char *path)
{
    return strcspn(path, "/");
}

/* "./a//b/./c/" -> "a/b/c" appended; -EINVAL for "..". */
static int normalise(const char *text, struct cf_buf *out, struct cf_error *err)
{
    for (const char *p = text; *p;) {
        size_t len = component(p);
        if (len == 2 && !strncmp(p, "..", 2))
            return cf_fail(err, -EINVAL, "destination '%s' must not contain '..'", text);
        if (len && !(len == 1 && *p == '.')) {
            if ((out->len && cf_buf_add_char(out, '/') < 0) || cf_buf_add(out, p, len) < 0)
                return no_memory(err);
        }
        p += len + (p[len] == '/');
    }
    return 0;
}

/* The way through the tree, links followed. */
struct way {
    const struct cf_tree *tree;
    struct cf_buf done; /* the path so far: real directories, or what the tree does not have */
    struct cf_buf todo;
    uint64_t nid; /* of done, where the tree has it */
    bool known;
    unsigned links;
};

static int take_link(struct way *way, uint64_t nid, const char *rest, struct cf_error *err)
{
    struct cf_buf next cf_autobuf = CF_BUF_INIT;
    const char *target = NULL;
    size_t len = 0;

    if (++way->links > LINKS_MAX)
        return cf_fail(err, -ELOOP, "too many symlinks in a row");
    int r = cf_tree_readlink(way->tree, nid, &target, &len);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read a symlink of the rootfs");
    if (cf_buf_add(&next, target, len) < 0 || cf_buf_add_char(&next, '/') < 0 ||
        cf_buf_add_str(&next, rest) < 0)
        return no_memory(err);
    if (*target == '/') {
        cf_buf_clear(&way->done);
        way->nid = cf_tree_root(way->tree);
    }
    cf_buf_done(&way->todo);
    way->todo = next;
    next = (struct cf_buf)CF_BUF_INIT;
    return 0;
}

/* One level up: links may say so. */
static int go_up(struct way *way, struct cf_error *err)
{
    char *slash = way->done.len ? strrchr(way->done.data, '/') : NULL;

    if (!way->known)
        return cf_fail(err, -EINVAL, "a symlink leads through what is not there");
    if (cf_tree_parent(way->tree, way->nid, &way->nid) < 0)
        return cf_fail(err, -EBADMSG, "the tree of the rootfs is damaged");
    way->done.len = slash ? (size_t)(slash - way->done.data) : 0;
    if (way->done.data)
        way->done.data[way->done.len] = '\0';
    return 0;
}

static int append(struct way *way, const char *name, size_t len, struct cf_error *err)
{
    if ((way->done.len && cf_buf_add_char(&way->done, '/') < 0) ||
        cf_buf_add(&way->done, name, len) < 0)
        return no_memory(err);
    return 0;
}

/* The next component: 1 where the todo list was changed by a link. */
static int step(struct way *way, const char *name, size_t len, const char *rest,
                struct cf_error *err)
{
    struct cf_inode inode;
    uint64_t nid = 0;

    if (len == 0 || (len == 1 && *name == '.'))
        return 0;
    if (len == 2 && !strncmp(name, "..", 2))
        return go_up(way, err);
    int r = way->known ? cf_tree_lookup(way->tree, way->nid, name, len, &nid, NULL) : -ENOENT;
    if (r == -ENOENT) {
        way->known = false;
        return append(way, name, len, err);
    }
    if (r == 0)
        r = cf_tree_inode(way->tree, nid, &inode);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot look up '%.*s' in the rootfs", (int)len, name);
    if (S_ISLNK(inode.mode)) {
        r = take_link(way, nid, rest, err);
        return r < 0 ? r : 1;
    }
    if (!S_ISDIR(inode.mode))
        return cf_fail(err, -ENOTDIR, "'%s%s%.*s' is not a directory in the rootfs",
                       way->done.len ? way->done.data : "", way->done.len ? "/" : "", (int)len,
                       name);
    way->nid = nid;
    return append(way, name, len, err);
}

/* path through the tree's links; *ret_exists: all of it is there as a directory. */
static int follow(const struct cf_tree *tree, const char *path, struct cf_buf *ret_path,
                  bool *ret_exists, struct cf_error *err)
{
    struct way way = {.tree = tree, .known = tree != NULL};
    int r = cf_buf_add_str(&way.todo, path) < 0 ? no_memory(err) : 0;
    size_t at = 0;

    way.nid = tree ? cf_tree_root(tree) : 0;
    while (r == 0 && at < way.todo.len) {
        const char *name = way.todo.data + at;
        size_t len = component(name);
        const char *rest = name[len] ? name + len + 1 : name + len;
        size_t next = (size_t)(rest - way.todo.data);
        r = step(&way, name, len, rest, err);
        at = r == 1 ? 0 : next;
        r = r == 1 ? 0 : r;
    }
    if (r == 0 && cf_buf_add_str(ret_path, way.done.len ? way.done.data : "") < 0)
        r = no_memory(err);
    if (r == 0)
        *ret_exists = way.known;
    cf_buf_done(&way.todo);
    cf_buf_done(&way.done);
    return r;
}

static bool is_own_directory(const char *path)
{
    static const char *const names[] = {"bin",    "cri",       "etc",     "images",  "registry",
                                        "charts", "manifests", "plugins", "scripts", "statics"};
    for (size_t i = 0; i < CF_COUNT(names); i++)
        if (!strcmp(path, names[i]))
            return true;
    return false;
}

/* Whether path is a directory of the tree, by whatever links. */
static bool is_dir(const struct cf_tree *tree, const char *path)
{
    struct cf_inode inode;
    uint64_t nid = 0;
    return tree && cf_tree_resolve(tree, path, true, &nid) == 0 &&
           cf_tree_inode(tree, nid, &inode) == 0 && S_ISDIR(inode.mode);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Cuts the last component off path, which has one; the rest of the path is the directory. */
static char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    path[slash ? (size_t)(slash - path) : 0] = '\0';
    return name;
}

int cf_destination_find(const struct cf_tree *tree, const char *text, bool one_file,
                        const char *source, bool docker, struct cf_destination *ret_destination,
                        struct cf_error *err)
{
    struct cf_destination destination cf_cleanup(cf_destination_done) = {0};
    struct cf_buf path cf_autobuf = CF_BUF_INIT, real cf_autobuf = CF_BUF_INIT;
    size_t len = strlen(text);
    bool slash = len && text[len - 1] == '/', exists = false;
    int r = normalise(text, &path, err);

    if (r < 0)
        return r;
    if (cf_buf_reserve(&path, 1) < 0)
        return no_memory(err);
    path.data[path.len] = '\0';
    bool is_directory =
        slash || !path.len || is_dir(tree, path.data) || (!docker && is_own_directory(path.data));
    /* A thing that is copied to its own name takes that place: sealer's rule, and cp's. */
    bool same = !docker && path.len && source && !strcmp(base_name(path.data), source) &&
                (!one_file || !slash);
    if (path.len && (same || (one_file && !is_directory))) {
        destination.name = cut_last(path.data);
        if (!destination.name)
            return no_memory(err);
    }
    r = follow(tree, path.data, &real, &exists, err);
    if (r < 0)
        return r;
    destination.dir = real.len ? cf_buf_take(&real) : strdup("");
    if (!destination.dir)
        return no_memory(err);
    *ret_destination = destination;
    destination = (struct cf_destination){0};
    return 0;
}

void cf_destination_done(struct cf_destination *destination)
{
    free(destination->dir);
    free(destination->name);
    *destination = (struct cf_destination){0};
}

static int add_made(struct cf_node *node, struct cf_node ***made, size_t *made_count)
{
    struct cf_node **list = reallocarray(*made, *made_count + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    list[(*made_count)++] = node;
    *made = list;
    return 0;
}

int cf_destination_node(struct cf_builder *builder, const struct cf_tree *tree, const char *path,
                        struct cf_node **ret_node, struct cf_node ***made, size_t *made_count,
                        struct cf_error *err)
{
    struct cf_node *node = cf_builder_root(builder);
    struct cf_inode inode = {.mode = S_IFDIR | 0755};
    uint64_t nid = tree ? cf_tree_root(tree) : 0;
    bool there = tree != NULL;

    while (*path) {
        size_t len = component(path);
        struct cf_node *child = cf_node_child(builder, node, path, len);
        there = there && cf_tree_lookup(tree, nid, path, len, &nid, NULL) == 0;
        if (!child) {
            int r = cf_node_add(builder, node, path, len, &inode, &child);
            if (r == 0)
                r = there ? cf_node_set_xattr(builder, child, CF_XATTR_IMPLICIT, "y", 1)
                          : add_made(child, made, made_count);
            if (r < 0)
                return cf_fail_errno(err, -r, "cannot make directory '%.*s'", (int)len, path);
        }
        node = child;
        path += len + (path[len] == '/');
    }
    *ret_node = node;
    return 0;
}
