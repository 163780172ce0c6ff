/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to an upper when it is opened: repair after a crash, first use. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"

/* The next entry but "." and ".."; NULL at the end. */
static struct dirent *next_entry(DIR *dir)
{
    struct dirent *d;
    while ((d = readdir(dir)))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            break;
    return d;
}

/*
 * commit was killed between cf_upper_make_stub and taking the content: the file in work/ is the
 * only copy of what a stub promises, and goes to objects/. If it is a stub itself, the
 * exchange had not happened yet, and it is litter.
 */
static int rescue_content(struct cf_union *u, const char *name, const struct cf_digest *digest)
{
    char path[CF_DIGEST_HEX_SIZE + 1];
    struct stat st;
    int r = cf_at_stat(u->work_fd, name, &st);
    if (r)
        return r;
    (void)snprintf(path, sizeof(path), "%.2s/%s", name, name + 2);
    int there = cf_object_open_at(u->objects_fd, digest);
    bool drop = there >= 0 || !S_ISREG(st.st_mode) || cf_upper_is_metacopy(u, u->work_fd, name);
    if (there >= 0)
        (void)close(there);
    if (drop)
        return cf_remove_tree(u->work_fd, name);
    char shard[3] = {name[0], name[1], 0};
    if (mkdirat(u->objects_fd, shard, 0755) && errno != EEXIST)
        return -errno;
    r = cf_at_chmod(u->work_fd, name, 0444);
    if (!r && renameat(u->work_fd, name, u->objects_fd, path))
        r = -errno;
    return r;
}

static int clean_work(struct cf_union *u, struct cf_error *err)
{
    DIR *dir cf_autoclosedir = cf_at_opendir(u->work_fd);
    if (!dir)
        return cf_fail_errno(err, errno, "read the work directory");
    struct dirent *d;
    while ((d = next_entry(dir))) {
        struct cf_digest digest;
        int r = 0;
        if (d->d_name[0] == '#')
            r = cf_remove_tree(u->work_fd, d->d_name);
        else if (u->objects_fd >= 0 && cf_digest_parse_hex(d->d_name, &digest) == 0)
            r = rescue_content(u, d->d_name, &digest);
        if (r)
            return cf_fail_errno(err, -r, "clean %s in the work directory", d->d_name);
    }
    return 0;
}

static int look_at_index(struct cf_union *u, struct cf_error *err)
{
    DIR *dir cf_autoclosedir = cf_at_opendir(u->index_fd);
    if (!dir)
        return cf_fail_errno(err, errno, "read the index in the work directory");
    u->index_used = next_entry(dir) != NULL;
    return 0;
}

/* A fresh upper's root takes over what the image's root has; the disk must have xattrs. */
static int init_root(struct cf_union *u)
{
    struct cf_upper_entry entry;
    int r = cf_upper_read(u->upper_fd, "", u->user, &entry);
    if (r)
        return r;
    bool fresh = !entry.has_origin;
    cf_upper_entry_done(&entry);
    if (!fresh)
        return 0;
    DIR *dir cf_autoclosedir = cf_at_opendir(u->upper_fd);
    if (!dir)
        return -errno;
    bool empty = next_entry(dir) == NULL;
    uint64_t root = cf_lower_root(u);
    struct stat want, made;
    r = cf_lower_stat(u, root, &want);
    if (!r)
        r = cf_at_stat(u->upper_fd, "", &made);
    if (!r && empty)
        r = cf_upper_set_owner(u, u->upper_fd, "", &made, &want, u->user);
    if (!r && empty)
        r = cf_copy_xattrs(u, root, u->upper_fd, "");
    const struct timespec times[2] = {want.st_atim, want.st_mtim};
    if (!r && empty)
        r = cf_at_utimens(u->upper_fd, "", times);
    return r ? r : cf_upper_set_ino(u, u->upper_fd, "", root);
}

int cf_upper_prepare(struct cf_union *u, struct cf_error *err)
{
    int r = clean_work(u, err);
    if (!r)
        r = look_at_index(u, err);
    if (r)
        return r;
    r = init_root(u);
    if (r == -EOPNOTSUPP)
        return cf_fail(err, -ENOTSUP, "the upper directory's disk has no %s extended attributes",
                       u->user ? "user" : "trusted");
    if (r)
        return cf_fail_errno(err, -r, "prepare the upper directory");
    return 0;
}
