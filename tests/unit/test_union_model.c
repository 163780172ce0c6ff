/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The union against a plain directory: the same random operations on both, the same results, and
 * the same tree after every few hundred, with new mounts, stubs, freezes, files that stay open and
 * references that are kept in between. CLOUDFS_TEST_SEED and CLOUDFS_TEST_STEPS repeat or prolong
 * a run.
 */
#include "union_fixture.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/random.h>

#define OPEN_FILES 6
#define KEPT 64
#define PATH_ROOM 1024

static const struct lower_entry MODEL_LOWER[] = {
    {"etc", S_IFDIR | 0755},
    {"etc/a", S_IFREG | 0644, .text = "aaa\n"},
    {"etc/b", S_IFREG | 0755, .text = "0123456789", .size = 50000},
    {"etc/c", S_IFLNK | 0777, .text = "a"},
    {"etc/d", S_IFDIR | 0755},
    {"etc/d/a", S_IFREG | 0644, .text = "nested\n"},
    {"etc/d/b", S_IFREG | 0644, .text = ""},
    {"etc/d/d", S_IFDIR | 0700},
    {"etc/d/d/a", S_IFREG | 0644, .text = "abc", .size = 9999},
    {"e", S_IFDIR | 0755},
    {"e/a", .text = "etc/b", .link = true},
    {"e/b", .text = "etc/d/a", .link = true},
    {"e/c", .text = "etc/d/a", .link = true},
    {"e/f", S_IFIFO | 0644},
    {"f", S_IFDIR | 0755},
    {"f/d", S_IFDIR | 0755},
    {"f/d/a", S_IFREG | 0644, .text = "x"},
    {"a", S_IFREG | 0644, .text = "top"},
};
static const char *const NAMES[] = {"a", "b", "c", "d", "e", "f", "etc", "new"};

struct model {
    struct ufix *f;
    int ref; /* the plain directory */
    uint64_t random;
    struct {
        struct cf_file *file;
        int fd;
        bool writable;
    } open[OPEN_FILES];
    uint64_t kept[KEPT]; /* inode numbers with a reference, as a kernel's cache holds them */
    unsigned long step;
    char log[200]; /* the operation, for messages */
};

static unsigned pick(struct model *m, unsigned below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 20) % below);
}

__attribute__((format(printf, 2, 3))) static void say(struct model *m, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(m->log, sizeof(m->log), format, ap);
    va_end(ap);
}

/* ---- the plain directory ---- */

static void build_reference(struct model *m)
{
    const struct timespec times[2] = {{MTIME, 0}, {MTIME, 123456789}};
    for (size_t i = 0; i < CF_COUNT(MODEL_LOWER); i++) {
        const struct lower_entry *e = &MODEL_LOWER[i];
        if (e->link) {
            must(linkat(m->ref, e->text, m->ref, e->path, 0));
        } else if (S_ISDIR(e->mode)) {
            must(mkdirat(m->ref, e->path, 0755));
        } else if (S_ISLNK(e->mode)) {
            must(symlinkat(e->text, m->ref, e->path));
        } else if (S_ISFIFO(e->mode)) {
            must(mkfifoat(m->ref, e->path, 0644));
        } else {
            size_t len;
            char *data cf_autofree = content_of(e, &len);
            int fd = openat(m->ref, e->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
            must(cf_write_full(fd, data, len));
            must(fsetxattr(fd, "user.color", "blue", 4, 0));
            (void)close(fd);
        }
        if (!e->link && !S_ISLNK(e->mode))
            must(fchmodat(m->ref, e->path, e->mode & 07777, 0));
    }
    for (size_t i = CF_COUNT(MODEL_LOWER); i > 0; i--)
        must(utimensat(m->ref, MODEL_LOWER[i - 1].path, times, AT_SYMLINK_NOFOLLOW));
    must(futimens(m->ref, times));
}

/* A random entry of a directory of the reference; its type, or 0 if it has none. */
static unsigned random_entry(struct model *m, const char *dir, char name[256])
{
    int fd = openat(m->ref, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(fd);
    struct dirent *e;
    unsigned seen = 0, type = 0;
    assert_non_null(d);
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (pick(m, ++seen) != 0)
            continue;
        snprintf(name, 256, "%s", e->d_name);
        type = e->d_type;
    }
    (void)closedir(d);
    return type;
}

static void random_path(struct model *m, char path[PATH_ROOM])
{
    char name[256];
    path[0] = 0;
    for (unsigned depth = pick(m, 4); depth > 0; depth--) {
        if (random_entry(m, path, name) != DT_DIR || strlen(path) > 600)
            break;
        snprintf(path + strlen(path), PATH_ROOM - strlen(path), "%s/", name);
    }
    if (pick(m, 4) == 0 || random_entry(m, path, name) == 0)
        snprintf(name, sizeof(name), "%s", NAMES[pick(m, CF_COUNT(NAMES))]);
    snprintf(path + strlen(path), PATH_ROOM - strlen(path), "%s", name);
}

/* ---- comparing ---- */

static void list_names(struct model *m, const char *dir, struct cf_buf *ret)
{
    char *names[4096];
    size_t count = 0;
    int fd = openat(m->ref, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(fd);
    struct dirent *e;
    assert_non_null(d);
    while ((e = readdir(d)) && count < CF_COUNT(names))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            names[count++] = strdup(e->d_name);
    (void)closedir(d);
    for (size_t i = 0; i < count; i++) {
        must(cf_buf_printf(ret, "%s\n", names[i]));
        free(names[i]);
    }
}

static void compare_data(struct model *m, const char *path, const struct stat *st)
{
    struct cf_buf a cf_autobuf = CF_BUF_INIT, b cf_autobuf = CF_BUF_INIT;
    char one[256], two[256];
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(m->ref, path, one, sizeof(one) - 1);
        one[n < 0 ? 0 : n] = 0;
        must(u_readlink(m->f, path, two, sizeof(two)));
        assert_string_equal(one, two);
    }
    if (!S_ISREG(st->st_mode))
        return;
    must(cf_read_file(m->ref, path, 1 << 24, &a));
    must(u_read(m->f, path, &b));
    if (a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0))
        fail_msg("step %lu: %s: content differs", m->step, path);
    char full[PATH_ROOM + 128];
    snprintf(full, sizeof(full), "%s/ref/%s", m->f->dir, path);
    ssize_t x = lgetxattr(full, "user.color", one, sizeof(one));
    ssize_t y = u_getxattr(m->f, path, "user.color", two, sizeof(two));
    if ((x < 0 ? -errno : x) != y || (x > 0 && memcmp(one, two, (size_t)x) != 0))
        fail_msg("step %lu: %s: xattrs differ", m->step, path);
}

static void compare_object(struct model *m, const char *path)
{
    struct stat a, b;
    must(fstatat(m->ref, path, &a, AT_SYMLINK_NOFOLLOW));
    int r = u_stat(m->f, path, &b);
    if (r)
        fail_msg("step %lu: stat %s: %s", m->step, path, strerror(-r));
    bool owner = m->f->user || (a.st_uid == b.st_uid && a.st_gid == b.st_gid);
    bool is_dir = S_ISDIR(a.st_mode);
    bool old_a = a.st_mtim.tv_sec <= MTIME, old_b = b.st_mtim.tv_sec <= MTIME;
    if (a.st_mode != b.st_mode || !owner || old_a != old_b ||
        (!is_dir && (a.st_nlink != b.st_nlink || a.st_size != b.st_size)))
        fail_msg("step %lu: %s: mode %o/%o links %lu/%lu size %ld/%ld old %d/%d", m->step, path,
                 a.st_mode, b.st_mode, (unsigned long)a.st_nlink, (unsigned long)b.st_nlink,
                 (long)a.st_size, (long)b.st_size, old_a, old_b);
    compare_data(m, path, &a);
}

static void compare_tree(struct model *m, const char *dir)
{
    struct cf_buf a cf_autobuf = CF_BUF_INIT, b cf_autobuf = CF_BUF_INIT;
    list_names(m, dir, &a);
    must(u_list(m->f, dir, pick(m, 2), 1 + pick(m, 20), &b));
    size_t lines_a = 0, lines_b = 0;
    for (size_t i = 0; i < a.len; i++)
        lines_a += a.data[i] == '\n';
    for (size_t i = 0; i < b.len; i++)
        lines_b += b.data[i] == '\n';
    if (lines_a != lines_b)
        fail_msg("step %lu: %s: lists\n%s\nnot\n%s", m->step, dir, b.data, a.data);
    char *save = NULL;
    for (char *name = lines_a ? strtok_r(a.data, "\n", &save) : NULL; name;
         name = strtok_r(NULL, "\n", &save)) {
        char path[PATH_ROOM];
        struct stat st;
        snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name);
        compare_object(m, path);
        must(fstatat(m->ref, path, &st, AT_SYMLINK_NOFOLLOW));
        if (S_ISDIR(st.st_mode))
            compare_tree(m, path);
    }
}

/* ---- operations ---- */

static int sys(long r)
{
    return r < 0 ? -errno : 0;
}

static int ref_write(struct model *m, const char *path, int flags, const char *text, off_t offset)
{
    int fd = openat(m->ref, path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);
    if (fd < 0)
        return -errno;
    int r = sys(pwrite(fd, text, strlen(text), offset));
    (void)close(fd);
    return r;
}

static bool is_regular(struct model *m, const char *path)
{
    struct stat st;
    return fstatat(m->ref, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static void check(struct model *m, int ref, int ours)
{
    if (ref != ours)
        fail_msg("step %lu: %s: %s, not %s", m->step, m->log, ours ? strerror(-ours) : "success",
                 ref ? strerror(-ref) : "success");
}

static void op_create(struct model *m, const char *path)
{
    struct cf_file *file = NULL;
    int fd = openat(m->ref, path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
    int r = fd < 0 ? -errno : 0;
    say(m, "create %s", path);
    check(m, r, u_create(m->f, path, 0644, &file));
    if (r)
        return;
    assert_int_equal(write(fd, m->log, 10), 10);
    assert_int_equal(cf_file_write(file, m->log, 10, 0, false), 10);
    unsigned i = pick(m, OPEN_FILES);
    if (m->open[i].file) {
        (void)close(fd);
        cf_file_close(file);
        return;
    }
    m->open[i].file = file;
    m->open[i].fd = fd;
    m->open[i].writable = true;
}

static void op_open(struct model *m, const char *path)
{
    unsigned i = pick(m, OPEN_FILES);
    say(m, "open %s", path);
    if (m->open[i].file) {
        (void)close(m->open[i].fd);
        cf_file_close(m->open[i].file);
        m->open[i].file = NULL;
        return;
    }
    if (!is_regular(m, path))
        return;
    m->open[i].writable = pick(m, 2);
    int flags = m->open[i].writable ? O_RDWR : O_RDONLY;
    m->open[i].fd = openat(m->ref, path, flags | O_CLOEXEC);
    must(u_open(m->f, path, flags, &m->open[i].file));
}

static void op_use_open(struct model *m)
{
    char a[64], b[64];
    unsigned i = pick(m, OPEN_FILES);
    off_t at = pick(m, 20000);
    if (!m->open[i].file)
        return;
    say(m, "use open file %u at %ld", i, (long)at);
    if (m->open[i].writable && pick(m, 2)) {
        assert_int_equal(pwrite(m->open[i].fd, m->log, 9, at), 9);
        assert_int_equal(cf_file_write(m->open[i].file, m->log, 9, at, false), 9);
    }
    ssize_t x = pread(m->open[i].fd, a, sizeof(a), at);
    ssize_t y = cf_file_read(m->open[i].file, b, sizeof(b), at);
    if (x != y || (x > 0 && memcmp(a, b, (size_t)x) != 0))
        fail_msg("step %lu: %s: reads differ", m->step, m->log);
}

static void op_write(struct model *m, const char *path)
{
    int flags = pick(m, 3) == 0 ? O_TRUNC : 0;
    off_t at = pick(m, 3000);
    if (!is_regular(m, path))
        return;
    say(m, "write %s at %ld", path, (long)at);
    check(m, ref_write(m, path, flags, m->log, at), u_write(m->f, path, flags, m->log, at));
}

static void op_truncate(struct model *m, const char *path)
{
    static const off_t sizes[] = {0, 1, 100, 5000, 70000};
    off_t size = sizes[pick(m, CF_COUNT(sizes))];
    if (!is_regular(m, path))
        return;
    say(m, "truncate %s to %ld", path, (long)size);
    int fd = openat(m->ref, path, O_WRONLY | O_CLOEXEC);
    check(m, sys(ftruncate(fd, size)), u_truncate(m->f, path, size));
    (void)close(fd);
}

static void op_attr(struct model *m, const char *path)
{
    static const mode_t modes[] = {0644, 0755, 0700, 01777, 0600};
    mode_t mode = modes[pick(m, CF_COUNT(modes))];
    struct stat st;
    if (fstatat(m->ref, path, &st, AT_SYMLINK_NOFOLLOW) || S_ISLNK(st.st_mode))
        return;
    if (S_ISDIR(st.st_mode))
        mode |= 0700;
    say(m, "attributes of %s", path);
    if (pick(m, 2)) {
        check(m, sys(fchmodat(m->ref, path, mode, 0)), u_chmod(m->f, path, mode));
    } else {
        const struct timespec times[2] = {{5, 1}, {6, 2}};
        check(m, sys(utimensat(m->ref, path, times, 0)), u_utimens(m->f, path, 5, 6));
    }
    if (!m->f->user && pick(m, 2))
        check(m, sys(fchownat(m->ref, path, mode, 9, 0)), u_chown(m->f, path, mode, 9));
    if (!S_ISREG(st.st_mode) || pick(m, 2))
        return;
    char full[PATH_ROOM + 128];
    snprintf(full, sizeof(full), "%s/ref/%s", m->f->dir, path);
    must(lsetxattr(full, "user.color", m->log, 20, 0));
    struct cf_entry e = {0};
    must(u_walk(m->f, path, &e));
    must(cf_union_setxattr(m->f->u, e.ino, "user.color", m->log, 20, 0));
    u_forget(m->f, e.ino);
}

static void op_rename(struct model *m, const char *path)
{
    static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
    char to[PATH_ROOM];
    unsigned flag = flags[pick(m, CF_COUNT(flags))];
    random_path(m, to);
    say(m, "rename %.80s to %.80s, flags %u", path, to, flag);
    check(m, sys(renameat2(m->ref, path, m->ref, to, flag)), u_rename(m->f, path, to, flag));
}

/* What commit does to a file in a freeze. */
static void op_stub(struct model *m, const char *path)
{
    struct cf_upper_entry e;
    struct cf_error err = {0};
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    char hex[CF_DIGEST_HEX_SIZE], dir[PATH_ROOM];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = openat(m->f->upper, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *name = slash ? slash + 1 : path;
    if (fd < 0)
        return;
    must(cf_union_freeze(m->f->u));
    int r = cf_upper_read(fd, name, m->f->user, &e);
    bool plain = r == 0 && e.kind == CF_UPPER_OBJECT && S_ISREG(e.attr.st_mode) && !e.metacopy &&
                 e.attr.st_nlink == 1;
    if (r == 0)
        cf_upper_entry_done(&e);
    if (plain) {
        say(m, "stub of %s", path);
        must(cf_read_file(fd, name, 1 << 24, &data));
        put_object(m->f, data.data ? data.data : "", data.len, &digest);
        cf_digest_hex(&digest, hex);
        must(cf_upper_make_stub(fd, name, m->f->work, hex, &digest, m->f->user, &err));
        must(unlinkat(m->f->work, hex, 0));
    }
    cf_union_thaw(m->f->u);
    (void)close(fd);
}

static void op_keep(struct model *m, const char *path)
{
    struct cf_entry e;
    unsigned i = pick(m, KEPT);
    if (m->kept[i])
        cf_union_forget(m->f->u, m->kept[i], 1);
    m->kept[i] = 0;
    if (u_walk(m->f, path, &e) == 0 && e.ino != CF_ROOT_INO)
        m->kept[i] = e.ino;
}

static void op_mount_again(struct model *m)
{
    for (unsigned i = 0; i < OPEN_FILES; i++) {
        if (!m->open[i].file)
            continue;
        (void)close(m->open[i].fd);
        cf_file_close(m->open[i].file);
        m->open[i].file = NULL;
    }
    memset(m->kept, 0, sizeof(m->kept));
    union_reopen(m->f);
}

static void one_step(struct model *m)
{
    char path[PATH_ROOM], to[PATH_ROOM];
    random_path(m, path);
    random_path(m, to);
    switch (pick(m, 20)) {
    case 0:
    case 1:
        op_create(m, path);
        break;
    case 2:
    case 3:
        op_write(m, path);
        break;
    case 4:
        op_truncate(m, path);
        break;
    case 5:
        op_open(m, path);
        break;
    case 6:
    case 7:
        op_use_open(m);
        break;
    case 8:
        say(m, "mkdir %s", path);
        check(m, sys(mkdirat(m->ref, path, 0755)), u_mkdir(m->f, path, 0755));
        break;
    case 9:
        say(m, "rmdir %s", path);
        check(m, sys(unlinkat(m->ref, path, AT_REMOVEDIR)), u_rmdir(m->f, path));
        break;
    case 10:
    case 11:
        say(m, "unlink %s", path);
        check(m, sys(unlinkat(m->ref, path, 0)), u_unlink(m->f, path));
        break;
    case 12:
        say(m, "symlink %s", path);
        check(m, sys(symlinkat(to, m->ref, path)), u_symlink(m->f, to, path));
        break;
    case 13:
        say(m, "link %.80s %.80s", path, to);
        check(m, sys(linkat(m->ref, path, m->ref, to, 0)), u_link(m->f, path, to));
        break;
    case 14:
    case 15:
        op_attr(m, path);
        break;
    case 16:
        op_stub(m, path);
        break;
    case 17:
        op_keep(m, path);
        break;
    default:
        op_rename(m, path);
    }
    m->step++;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void random_operations_do_the_same_as_on_a_plain_directory(void **state)
{
    struct model m = {.f = *state};
    uint64_t seed;
    assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
    m.random = seed = from_environment("CLOUDFS_TEST_SEED", seed | 1);
    unsigned long steps = from_environment("CLOUDFS_TEST_STEPS", 3000);
    print_message("CLOUDFS_TEST_SEED=%llu\n", (unsigned long long)seed);
    m.ref = make_dir(m.f->dir, "ref");
    build_reference(&m);
    while (m.step < steps) {
        one_step(&m);
        if (m.step % 250 == 0 || m.step == steps)
            compare_tree(&m, "");
        if (m.step % 400 == 0)
            op_mount_again(&m);
    }
    op_mount_again(&m);
    compare_tree(&m, "");
    (void)close(m.ref);
}

static int model_setup(void **state)
{
    *state = ufix_new(MODEL_LOWER, CF_COUNT(MODEL_LOWER));
    return 0;
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_operations_do_the_same_as_on_a_plain_directory,
                                        model_setup, ufix_teardown),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)umask(022);
    return run_as_both(run);
}
