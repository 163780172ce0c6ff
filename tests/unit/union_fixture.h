/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A union for tests: a lower tree made from a table, an upper in a temporary directory, and calls
 * by path, each of which looks its names up as a kernel with an empty cache would.
 */
#ifndef UNION_FIXTURE_H
#define UNION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>
#include <cloudfs/union.h>

#define must(expression)                                                             \
    do {                                                                             \
        long must_r_ = (long)(expression);                                           \
        if (must_r_)                                                                 \
            fail_msg("%s: %ld (%s)", #expression, must_r_, strerror((int)-must_r_)); \
    } while (0)
#define MTIME 1500000000

/* One object of the lower. */
struct lower_entry {
    const char *path;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const char *text; /* content, symlink target, or path of the hard link's other name */
    size_t size;      /* regular files: content is text repeated to that size; 0: text itself */
    unsigned major, minor;
    bool link;
};

static const struct lower_entry LOWER[] = {
    {"etc", S_IFDIR | 0755},
    {"etc/daemon.json", S_IFREG | 0644, .text = "{\"debug\": false}\n"},
    {"etc/passwd", S_IFREG | 0600, 7, 8, "root\n"},
    {"etc/empty", S_IFREG | 0644, .text = ""},
    {"etc/link", S_IFLNK | 0777, .text = "daemon.json"},
    {"etc/conf.d", S_IFDIR | 0750, 5, 6},
    {"etc/conf.d/one", S_IFREG | 0644, .text = "one\n"},
    {"etc/conf.d/two", S_IFREG | 0644, .text = "two\n"},
    {"etc/conf.d/deep", S_IFDIR | 0755},
    {"etc/conf.d/deep/er", S_IFDIR | 0755},
    {"etc/conf.d/deep/er/file", S_IFREG | 0644, .text = "deep\n"},
    {"bin", S_IFDIR | 0755},
    {"bin/big", S_IFREG | 0755, .text = "0123456789abcdef", .size = 300000},
    {"bin/suid", S_IFREG | 06755, .text = "suid\n"},
    {"bin/hard1", S_IFREG | 0644, .text = "hardhard", .size = 9000},
    {"bin/hard2", .text = "bin/hard1", .link = true},
    {"lib", S_IFDIR | 0755},
    {"lib/hard3", .text = "bin/hard1", .link = true},
    {"dev", S_IFDIR | 0755},
    {"dev/null", S_IFCHR | 0666, .major = 1, .minor = 3},
    {"dev/disk", S_IFBLK | 0660, 0, 6, .major = 8, .minor = 1},
    {"dev/fifo", S_IFIFO | 0622},
    {"empty", S_IFDIR | 0755},
    {"shared", S_IFDIR | 02775, 0, 50},
    {"sticky", S_IFDIR | 01777},
};

struct ufix {
    char dir[64];
    bool user;
    int objects, upper, work;
    struct cf_tree *tree;
    struct cf_union *u;
    struct cf_caller caller;
};

/* ---- building ---- */

static inline char *content_of(const struct lower_entry *e, size_t *ret_len)
{
    size_t unit = strlen(e->text), len = e->size ? e->size : unit;
    char *data = malloc(len + 1);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = e->text[i % unit];
    data[len] = 0;
    *ret_len = len;
    return data;
}

static inline struct cf_node *builder_path(struct cf_builder *b, const char *path, size_t len)
{
    struct cf_node *node = cf_builder_root(b);
    while (len) {
        size_t n = 0;
        while (n < len && path[n] != '/')
            n++;
        node = cf_node_child(b, node, path, n);
        assert_non_null(node);
        path += n + (n < len);
        len -= n + (n < len);
    }
    return node;
}

static inline void put_object(struct ufix *f, const char *data, size_t len,
                              struct cf_digest *ret_digest)
{
    char hex[CF_DIGEST_HEX_SIZE], path[80], shard[3];
    cf_digest_of(data, len, ret_digest);
    cf_digest_hex(ret_digest, hex);
    snprintf(shard, sizeof(shard), "%.2s", hex);
    snprintf(path, sizeof(path), "%.2s/%s", hex, hex + 2);
    (void)mkdirat(f->objects, shard, 0755);
    int fd = openat(f->objects, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    must(cf_write_full(fd, data, len));
    (void)close(fd);
}

static inline void add_lower(struct ufix *f, struct cf_builder *b, const struct lower_entry *e)
{
    const char *slash = strrchr(e->path, '/');
    struct cf_node *dir = builder_path(b, e->path, slash ? (size_t)(slash - e->path) : 0);
    const char *name = slash ? slash + 1 : e->path;
    if (e->link) {
        must(cf_node_link(b, dir, name, strlen(name), builder_path(b, e->text, strlen(e->text))));
        return;
    }
    struct cf_inode inode = {.mode = e->mode,
                             .uid = e->uid,
                             .gid = e->gid,
                             .rdev_major = e->major,
                             .rdev_minor = e->minor,
                             .mtime_sec = MTIME,
                             .mtime_nsec = 123456789};
    struct cf_node *node = NULL;
    must(cf_node_add(b, dir, name, strlen(name), &inode, &node));
    if (S_ISLNK(e->mode))
        must(cf_node_set_symlink(b, node, e->text, strlen(e->text)));
    if (!S_ISREG(e->mode))
        return;
    must(cf_node_set_xattr(b, node, "user.color", "blue", 4));
    size_t len;
    char *data cf_autofree = content_of(e, &len);
    struct cf_digest digest;
    if (len > CF_INLINE_MAX)
        put_object(f, data, len, &digest);
    must(len > CF_INLINE_MAX ? cf_node_set_object(b, node, &digest, len)
                             : cf_node_set_inline(b, node, data, len));
}

static inline void build_tree(struct ufix *f, const struct lower_entry *entries, size_t count)
{
    struct cf_builder *b = NULL;
    struct cf_digest id;
    int scratch = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(scratch, "tree", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    struct cf_error err = {0};
    assert_true(scratch >= 0 && fd >= 0);
    must(cf_builder_new(scratch, &b, &err));
    struct cf_inode root = {.mode = S_IFDIR | 0755, .mtime_sec = MTIME};
    cf_node_set_inode(cf_builder_root(b), &root);
    for (size_t i = 0; i < count; i++)
        add_lower(f, b, &entries[i]);
    cf_digest_of("t", 1, &id);
    must(cf_builder_write(b, &id, fd, &err));
    must(cf_tree_open(fd, &f->tree, &err));
    cf_builder_free(b);
    (void)close(fd);
    (void)close(scratch);
}

static inline void union_open(struct ufix *f, bool read_only)
{
    struct cf_union_options o = {.lower = f->tree,
                                 .objects_fd = f->objects,
                                 .upper_fd = read_only ? -1 : f->upper,
                                 .work_fd = f->work,
                                 .user_xattrs = f->user};
    struct cf_error err = {0};
    int r = cf_union_open(&o, &f->u, &err);
    if (r)
        fail_msg("cf_union_open: %s", err.text);
}

/* As an unmount and a mount. */
static inline void union_reopen(struct ufix *f)
{
    cf_union_close(f->u);
    union_open(f, false);
}

static inline int make_dir(const char *base, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    if (mkdir(path, 0755) != 0)
        fail_msg("mkdir %s: %s", path, strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline struct ufix *ufix_new(const struct lower_entry *entries, size_t count)
{
    struct ufix *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    /* on a real disk: what the upper needs, a tmpfs may lack */
    snprintf(f->dir, sizeof(f->dir), "/var/tmp/cf-union-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->user = geteuid() != 0;
    f->caller = (struct cf_caller){geteuid(), getegid(), 022};
    f->objects = make_dir(f->dir, "objects");
    f->upper = make_dir(f->dir, "upper");
    f->work = make_dir(f->dir, "work");
    build_tree(f, entries, count);
    union_open(f, false);
    return f;
}

static inline int ufix_setup(void **state)
{
    *state = ufix_new(LOWER, CF_COUNT(LOWER));
    return 0;
}

static inline int ufix_teardown(void **state)
{
    struct ufix *f = *state;
    cf_union_close(f->u);
    cf_tree_close(f->tree);
    (void)close(f->objects);
    (void)close(f->upper);
    (void)close(f->work);
    must(cf_remove_tree(AT_FDCWD, f->dir));
    free(f);
    return 0;
}

/* ---- calls by path ---- */

/* The inode of a path, with one reference for the caller; others are given back. */
static inline int u_walk(struct ufix *f, const char *path, struct cf_entry *ret)
{
    uint64_t ino = CF_ROOT_INO;
    struct cf_entry e = {.ino = CF_ROOT_INO};
    if (!*path)
        must(cf_union_getattr(f->u, ino, &e.attr));
    while (*path) {
        char name[300];
        size_t n = strcspn(path, "/");
        assert_true(n < sizeof(name));
        memcpy(name, path, n);
        name[n] = 0;
        int r = cf_union_lookup(f->u, ino, name, &e);
        cf_union_forget(f->u, ino, ino == CF_ROOT_INO ? 0 : 1);
        if (r)
            return r;
        ino = e.ino;
        path += n + (path[n] == '/');
    }
    *ret = e;
    return 0;
}

static inline void u_forget(struct ufix *f, uint64_t ino)
{
    if (ino != CF_ROOT_INO)
        cf_union_forget(f->u, ino, 1);
}

/* The directory of a path and its last name. */
static inline int u_parent(struct ufix *f, const char *path, uint64_t *ret_dir,
                           const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char dir[4096] = "";
    if (slash) {
        memcpy(dir, path, (size_t)(slash - path));
        dir[slash - path] = 0;
    }
    struct cf_entry e;
    int r = u_walk(f, dir, &e);
    if (!r) {
        *ret_dir = e.ino;
        *ret_name = slash ? slash + 1 : path;
    }
    return r;
}

#define U_AT(path)                          \
    uint64_t dir;                           \
    const char *name;                       \
    int r = u_parent(f, path, &dir, &name); \
    if (r)                                  \
    return r

static inline int u_stat(struct ufix *f, const char *path, struct stat *st)
{
    struct cf_entry e;
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    r = cf_union_getattr(f->u, e.ino, st);
    assert_true(r || st->st_ino == e.attr.st_ino);
    assert_true(r || st->st_mode == e.attr.st_mode);
    assert_true(r || st->st_nlink == e.attr.st_nlink);
    u_forget(f, e.ino);
    return r;
}

static inline int u_create(struct ufix *f, const char *path, mode_t mode, struct cf_file **ret)
{
    U_AT(path);
    struct cf_entry e;
    struct cf_file *file = NULL;
    r = cf_union_create(f->u, dir, name, mode, O_RDWR, &f->caller, &e, &file);
    u_forget(f, dir);
    if (r)
        return r;
    u_forget(f, e.ino);
    if (ret)
        *ret = file;
    else
        cf_file_close(file);
    return 0;
}

static inline int u_mkdir(struct ufix *f, const char *path, mode_t mode)
{
    U_AT(path);
    struct cf_entry e;
    r = cf_union_mkdir(f->u, dir, name, mode, &f->caller, &e);
    u_forget(f, dir);
    if (!r)
        u_forget(f, e.ino);
    return r;
}

static inline int u_mknod(struct ufix *f, const char *path, mode_t mode, dev_t rdev)
{
    U_AT(path);
    struct cf_entry e;
    r = cf_union_mknod(f->u, dir, name, mode, rdev, &f->caller, &e);
    u_forget(f, dir);
    if (!r)
        u_forget(f, e.ino);
    return r;
}

static inline int u_symlink(struct ufix *f, const char *target, const char *path)
{
    U_AT(path);
    struct cf_entry e;
    r = cf_union_symlink(f->u, target, dir, name, &f->caller, &e);
    u_forget(f, dir);
    if (!r)
        u_forget(f, e.ino);
    return r;
}

static inline int u_link(struct ufix *f, const char *from, const char *path)
{
    struct cf_entry e, made;
    int w = u_walk(f, from, &e);
    if (w)
        return w;
    U_AT(path);
    r = cf_union_link(f->u, e.ino, dir, name, &made);
    u_forget(f, dir);
    u_forget(f, e.ino);
    if (!r) {
        assert_int_equal(made.ino, e.ino);
        u_forget(f, made.ino);
    }
    return r;
}

static inline int u_unlink(struct ufix *f, const char *path)
{
    U_AT(path);
    r = cf_union_unlink(f->u, dir, name);
    u_forget(f, dir);
    return r;
}

static inline int u_rmdir(struct ufix *f, const char *path)
{
    U_AT(path);
    r = cf_union_rmdir(f->u, dir, name);
    u_forget(f, dir);
    return r;
}

static inline int u_rename(struct ufix *f, const char *from, const char *path, unsigned flags)
{
    uint64_t old_dir;
    const char *old_name;
    int p = u_parent(f, from, &old_dir, &old_name);
    if (p)
        return p;
    U_AT(path);
    r = cf_union_rename(f->u, old_dir, old_name, dir, name, flags);
    u_forget(f, dir);
    u_forget(f, old_dir);
    return r;
}

static inline int u_open(struct ufix *f, const char *path, int flags, struct cf_file **ret)
{
    struct cf_entry e;
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    r = cf_union_open_file(f->u, e.ino, flags, ret);
    u_forget(f, e.ino);
    return r;
}

static inline int u_setattr(struct ufix *f, const char *path, const struct stat *st, unsigned which)
{
    struct cf_entry e;
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    r = cf_union_setattr(f->u, e.ino, NULL, st, which, NULL);
    u_forget(f, e.ino);
    return r;
}

static inline int u_chmod(struct ufix *f, const char *path, mode_t mode)
{
    struct stat st = {.st_mode = mode};
    return u_setattr(f, path, &st, CF_SET_MODE);
}

static inline int u_chown(struct ufix *f, const char *path, uid_t uid, gid_t gid)
{
    struct stat st = {.st_uid = uid, .st_gid = gid};
    return u_setattr(f, path, &st, CF_SET_UID | CF_SET_GID | CF_SET_KILL_PRIV);
}

static inline int u_truncate(struct ufix *f, const char *path, off_t size)
{
    struct stat st = {.st_size = size};
    return u_setattr(f, path, &st, CF_SET_SIZE);
}

static inline int u_utimens(struct ufix *f, const char *path, int64_t atime, int64_t mtime)
{
    struct stat st = {.st_atim = {atime, 1}, .st_mtim = {mtime, 2}};
    return u_setattr(f, path, &st, CF_SET_ATIME | CF_SET_MTIME);
}

static inline int u_write(struct ufix *f, const char *path, int flags, const char *text,
                          off_t offset)
{
    struct cf_file *file;
    int r = u_open(f, path, flags | O_WRONLY, &file);
    if (r)
        return r;
    struct stat end = {0};
    if (flags & O_APPEND) /* what the kernel would do */
        (void)u_stat(f, path, &end);
    ssize_t n = cf_file_write(file, text, strlen(text), offset + end.st_size, false);
    cf_file_close(file);
    return n < 0 ? (int)n : n == (ssize_t)strlen(text) ? 0 : -EIO;
}

/* A new file with that content, or new content for one that is there. */
static inline int u_put(struct ufix *f, const char *path, const char *text)
{
    int r = u_create(f, path, 0644, NULL);
    return r && r != -EEXIST ? r : u_write(f, path, O_TRUNC, text, 0);
}

static inline int u_read(struct ufix *f, const char *path, struct cf_buf *ret)
{
    struct cf_file *file;
    char data[8192];
    int r = u_open(f, path, O_RDONLY, &file);
    if (r)
        return r;
    ssize_t n;
    off_t at = 0;
    cf_buf_clear(ret);
    while ((n = cf_file_read(file, data, sizeof(data), at)) > 0) {
        must(cf_buf_add(ret, data, (size_t)n));
        at += n;
    }
    cf_file_close(file);
    return (int)n;
}

static inline int u_readlink(struct ufix *f, const char *path, char *target, size_t size)
{
    struct cf_entry e;
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    r = cf_union_readlink(f->u, e.ino, target, size);
    u_forget(f, e.ino);
    return r;
}

static inline ssize_t u_getxattr(struct ufix *f, const char *path, const char *name, void *value,
                                 size_t size)
{
    struct cf_entry e;
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    ssize_t n = cf_union_getxattr(f->u, e.ino, name, value, size);
    u_forget(f, e.ino);
    return n;
}

static inline int u_setxattr(struct ufix *f, const char *path, const char *name, const char *value)
{
    struct cf_entry e;
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    r = cf_union_setxattr(f->u, e.ino, name, value, strlen(value), 0);
    u_forget(f, e.ino);
    return r;
}

/* Names of a directory, one a line, in the order given; lookup also checks each attribute. */
struct listing {
    struct ufix *f;
    struct cf_buf names;
    size_t count, room; /* room: entries that a call takes */
    uint64_t last;
    bool lookup, full;
};

static inline int list_one(void *context, const char *name, uint64_t cookie, unsigned type,
                           const struct cf_entry *entry)
{
    struct listing *l = context;
    if (l->count == l->room) {
        l->full = true;
        return 1;
    }
    l->count++;
    l->last = cookie;
    bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    assert_int_equal(type, (entry->attr.st_mode & S_IFMT) >> 12);
    if (!dots)
        must(cf_buf_printf(&l->names, "%s %llu %u\n", name, (unsigned long long)entry->attr.st_ino,
                           type));
    if (l->lookup && !dots)
        cf_union_forget(l->f->u, entry->ino, 1);
    return 0;
}

static inline int u_list(struct ufix *f, const char *path, bool lookup, size_t room,
                         struct cf_buf *ret)
{
    struct cf_entry e;
    struct cf_dir *dir = NULL;
    struct listing l = {.f = f, .room = room, .lookup = lookup};
    int r = u_walk(f, path, &e);
    if (r)
        return r;
    r = cf_union_open_dir(f->u, e.ino, &dir);
    do {
        l.full = false;
        l.count = 0;
        if (!r)
            r = cf_dir_read(dir, l.last, lookup, list_one, &l);
    } while (!r && l.full);
    cf_dir_close(dir);
    u_forget(f, e.ino);
    cf_buf_done(ret);
    *ret = l.names;
    return r;
}

/* Whether a directory shows a name. */
static inline bool u_lists(struct ufix *f, const char *path, const char *name)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    char line[300];
    must(u_list(f, path, false, 1000, &names));
    snprintf(line, sizeof(line), "\n%s ", name);
    size_t len = strlen(name);
    return names.data &&
           (strstr(names.data, line) || (strncmp(names.data, line + 1, len + 1) == 0));
}

static inline void assert_content(struct ufix *f, const char *path, const char *text)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    int r = u_read(f, path, &buf);
    if (r)
        fail_msg("read %s: %s", path, strerror(-r));
    if (buf.len != strlen(text) || (buf.len && memcmp(buf.data, text, buf.len) != 0))
        fail_msg("%s holds \"%.80s\", not \"%.80s\"", path, buf.data ? buf.data : "", text);
}

static inline void assert_errno(int r, int wanted, const char *what)
{
    if (r != -wanted)
        fail_msg("%s: %s, not %s", what, r < 0 ? strerror(-r) : "success", strerror(wanted));
}

/* ---- running ---- */

/*
 * Runs the tests as root and, in a child process, as an ordinary user; or only as the user that we
 * are.
 */
static inline int run_as_both(int (*run)(const char *name))
{
    if (geteuid() != 0)
        return run("union, ordinary user");
    int failed = run("union, root");
    (void)fflush(stdout);
    (void)fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) || setuid(65534))
            _exit(99);
        int r = run("union, ordinary user");
        (void)fflush(stdout);
        (void)fflush(stderr);
        _exit(r ? 1 : 0);
    }
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return failed || status;
}

#endif
