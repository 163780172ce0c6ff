/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each change of the union is killed, and made to fail, at each of its system calls that change
 * something. Afterwards a new union on the same upper shows the tree as it was before or as it is
 * after, and the change can be made again. Every fourth call, or all with CLOUDFS_TEST_ALL=1.
 */
#include "union_fixture.h"

#include <linux/fs.h>

#include "fault.h"

/* ---- the changes ---- */

static int none(struct ufix *f)
{
    (void)f;
    return 0;
}

static int write_object(struct ufix *f)
{
    return u_write(f, "bin/big", 0, "XYZ", 5);
}

static int write_small(struct ufix *f)
{
    return u_write(f, "etc/conf.d/one", O_APPEND, "more", 0);
}

static int write_link(struct ufix *f)
{
    return u_write(f, "bin/hard2", 0, "XYZ", 5);
}

static int chmod_object(struct ufix *f)
{
    return u_chmod(f, "bin/big", 0711);
}

static int chmod_deep(struct ufix *f)
{
    return u_chmod(f, "etc/conf.d/deep/er/file", 0600);
}

static int chmod_link(struct ufix *f)
{
    return u_chmod(f, "bin/hard2", 0600);
}

static int truncate_object(struct ufix *f)
{
    return u_truncate(f, "bin/big", 0);
}

static int shorten_object(struct ufix *f)
{
    return u_truncate(f, "bin/big", 1000);
}

static int unlink_lower(struct ufix *f)
{
    return u_unlink(f, "etc/conf.d/one");
}

static int unlink_link(struct ufix *f)
{
    return u_unlink(f, "bin/hard2");
}

static int chmod_one(struct ufix *f)
{
    return u_chmod(f, "etc/conf.d/one", 0600);
}

static int empty_dir(struct ufix *f)
{
    int r = u_unlink(f, "etc/conf.d/deep/er/file");
    return r ? r : u_mkdir(f, "fresh", 0755);
}

static int rmdir_merged(struct ufix *f)
{
    return u_rmdir(f, "etc/conf.d/deep/er");
}

static int rmdir_lower(struct ufix *f)
{
    return u_rmdir(f, "empty");
}

static int rename_dir(struct ufix *f)
{
    return u_rename(f, "etc/conf.d", "lib/conf", 0);
}

static int rename_over_merged(struct ufix *f)
{
    return u_rename(f, "fresh", "etc/conf.d/deep/er", 0);
}

static int rename_over_whiteout(struct ufix *f)
{
    return u_rename(f, "dev", "etc/conf.d/one", 0);
}

static int rename_over_file(struct ufix *f)
{
    return u_rename(f, "etc/passwd", "bin/big", 0);
}

static int rename_link(struct ufix *f)
{
    return u_rename(f, "bin/hard1", "bin/moved", 0);
}

static int exchange(struct ufix *f)
{
    return u_rename(f, "etc/conf.d", "bin/big", RENAME_EXCHANGE);
}

static int create_file(struct ufix *f)
{
    return u_mknod(f, "etc/conf.d/one", S_IFREG | 0644, 0);
}

static int create_new(struct ufix *f)
{
    return u_mknod(f, "etc/conf.d/new", S_IFREG | 0644, 0);
}

static int make_directory(struct ufix *f)
{
    return u_mkdir(f, "etc/conf.d/one", 0755);
}

static int make_symlink(struct ufix *f)
{
    return u_symlink(f, "there", "etc/conf.d/one");
}

static int link_lower(struct ufix *f)
{
    return u_link(f, "etc/passwd", "etc/conf.d/one");
}

static int chown_symlink(struct ufix *f)
{
    return u_chown(f, "etc/link", 5, 5);
}

static const struct change {
    const char *name;
    int (*before)(struct ufix *f);
    int (*change)(struct ufix *f);
} CHANGES[] = {
    {"write an object", none, write_object},
    {"write a metacopy", chmod_object, write_object},
    {"write a small file", none, write_small},
    {"write a hard link", none, write_link},
    {"write a metacopied hard link", chmod_link, write_link},
    {"chmod", none, chmod_deep},
    {"chmod of a hard link", none, chmod_link},
    {"truncate", none, truncate_object},
    {"truncate a metacopy", chmod_object, truncate_object},
    {"shorten", none, shorten_object},
    {"shorten a metacopy", chmod_object, shorten_object},
    {"unlink", none, unlink_lower},
    {"unlink a copy", chmod_one, unlink_lower},
    {"unlink a hard link", none, unlink_link},
    {"unlink a copied hard link", write_link, unlink_link},
    {"rmdir of a merged directory", empty_dir, rmdir_merged},
    {"rmdir", none, rmdir_lower},
    {"rename a directory", none, rename_dir},
    {"rename over a merged directory", empty_dir, rename_over_merged},
    {"rename a directory over a whiteout", unlink_lower, rename_over_whiteout},
    {"rename over a file", none, rename_over_file},
    {"rename a hard link", none, rename_link},
    {"exchange", none, exchange},
    {"create", none, create_new},
    {"create over a whiteout", unlink_lower, create_file},
    {"mkdir over a whiteout", unlink_lower, make_directory},
    {"symlink over a whiteout", unlink_lower, make_symlink},
    {"link over a whiteout", unlink_lower, link_lower},
    {"chown of a symlink", none, chown_symlink},
};

/* ---- what users see, as text ---- */

static void describe(struct ufix *f, const char *path, struct cf_buf *out)
{
    struct stat st;
    must(u_stat(f, path, &st));
    bool linked = strstr(path, "hard") || strstr(path, "moved");
    must(cf_buf_printf(out, "%s %o %u:%u", path, st.st_mode, st.st_uid, st.st_gid));
    if (st.st_ino < CF_INO_UPPER)
        must(cf_buf_printf(out, " ino %llu", (unsigned long long)st.st_ino));
    if (S_ISDIR(st.st_mode)) {
        must(cf_buf_add_char(out, '\n'));
        return;
    }
    /* a crash may leave the count of a lower hard link too large, never too small */
    must(cf_buf_printf(out, " size %ld old %d", (long)st.st_size, st.st_mtim.tv_sec == MTIME));
    if (!linked)
        must(cf_buf_printf(out, " links %lu", (unsigned long)st.st_nlink));
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    char hex[CF_DIGEST_HEX_SIZE] = "", target[100] = "";
    if (S_ISREG(st.st_mode)) {
        must(u_read(f, path, &data));
        cf_digest_of(data.data ? data.data : "", data.len, &digest);
        cf_digest_hex(&digest, hex);
    }
    if (S_ISLNK(st.st_mode))
        must(u_readlink(f, path, target, sizeof(target)));
    must(cf_buf_printf(out, " %s%s\n", hex, target));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void describe_tree(struct ufix *f, const char *dir, struct cf_buf *out)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    char *lines[256];
    size_t count = 0;
    must(u_list(f, dir, false, 100, &names));
    char *save = NULL;
    for (char *line = names.len ? strtok_r(names.data, "\n", &save) : NULL;
         line && count < CF_COUNT(lines); line = strtok_r(NULL, "\n", &save))
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), by_text);
    for (size_t i = 0; i < count; i++) {
        char path[600];
        struct stat st;
        snprintf(path, sizeof(path), "%s%s%.*s", dir, *dir ? "/" : "", (int)strcspn(lines[i], " "),
                 lines[i]);
        describe(f, path, out);
        must(u_stat(f, path, &st));
        if (S_ISDIR(st.st_mode))
            describe_tree(f, path, out);
    }
}

/* ---- faults ---- */

struct trial {
    struct ufix *f;
    const struct change *change;
};

/* In the child. 1: it failed, as it may. */
static int do_change(void *context)
{
    struct trial *t = context;
    struct cf_union_options o = {t->f->tree, t->f->objects, t->f->upper, t->f->work, t->f->user, 0};
    struct cf_error err = {0};
    if (cf_union_open(&o, &t->f->u, &err))
        return err.text[0] ? 1 : 2;
    int r = t->change->change(t->f);
    cf_union_close(t->f->u);
    return r ? 1 : 0;
}

/* A fresh upper below the same tree, and what comes before the change. */
static void prepare(struct ufix *f, const struct change *change)
{
    int base = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cf_union_close(f->u);
    (void)close(f->upper);
    (void)close(f->work);
    must(cf_remove_tree(base, "upper"));
    must(cf_remove_tree(base, "work"));
    (void)close(base);
    f->upper = make_dir(f->dir, "upper");
    f->work = make_dir(f->dir, "work");
    union_open(f, false);
    must(change->before(f));
}

static bool same(const struct cf_buf *a, const struct cf_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Returns whether there was an at-th call. */
static bool try_fault(struct ufix *f, const struct change *change, enum fault_kind kind,
                      unsigned at, const struct cf_buf *old, const struct cf_buf *new)
{
    prepare(f, change);
    struct trial trial = {f, change};
    struct cf_buf now cf_autobuf = CF_BUF_INIT;
    unsigned seen = 0;
    cf_union_close(f->u);
    int r = fault_run(do_change, &trial, kind, -ENOSPC, at, &seen);
    union_open(f, false);
    describe_tree(f, "", &now);
    if (r == FAULT_BROKEN || r == 2)
        fail_msg("%s, call %u: the child broke (%d)", change->name, at, r);
    if (!same(&now, old) && !same(&now, new))
        fail_msg("%s, call %u, %s: neither old nor new:\n%s", change->name, at,
                 kind == FAULT_KILL ? "killed" : "failed", now.data);
    if (r == 0 && !same(&now, new))
        fail_msg("%s, call %u: said to be done, but is not", change->name, at);
    if (same(&now, old) && !same(old, new)) {
        must(change->change(f));
        cf_buf_clear(&now);
        describe_tree(f, "", &now);
        if (!same(&now, new))
            fail_msg("%s, call %u: the second try is not the same:\n%s", change->name, at,
                     now.data);
    }
    return seen >= at;
}

static void try_all(struct ufix *f, enum fault_kind kind)
{
    if (!fault_possible())
        skip();
    for (size_t i = 0; i < CF_COUNT(CHANGES); i++) {
        struct cf_buf old cf_autobuf = CF_BUF_INIT, new cf_autobuf = CF_BUF_INIT;
        prepare(f, &CHANGES[i]);
        describe_tree(f, "", &old);
        must(CHANGES[i].change(f));
        union_reopen(f);
        describe_tree(f, "", &new);
        unsigned step = getenv("CLOUDFS_TEST_ALL") ? 1 : 4;
        unsigned at = 1 + (unsigned)getpid() % step;
        while (try_fault(f, &CHANGES[i], kind, at, &old, &new))
            at += step;
    }
}

static void a_kill_at_any_point_leaves_the_old_tree_or_the_new(void **state)
{
    try_all(*state, FAULT_KILL);
}

static void a_full_disk_at_any_point_leaves_the_old_tree_or_the_new(void **state)
{
    try_all(*state, FAULT_FAIL);
}

static int run(const char *name)
{
#define T(test) cmocka_unit_test_setup_teardown(test, ufix_setup, ufix_teardown)
    const struct CMUnitTest tests[] = {
        T(a_kill_at_any_point_leaves_the_old_tree_or_the_new),
        T(a_full_disk_at_any_point_leaves_the_old_tree_or_the_new),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return run_as_both(run);
}
