/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that make, move, link and remove names, and that list them. */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void rename_op(struct model *m, const char *from)
{
    static const unsigned flags[] = {
        0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE};
    unsigned flag = flags[pick(m, COUNT(flags))];
    char to[PATH_ROOM];
    random_path(m, to);
    say(m, "rename '%s' to '%s', flags %u", from, to, flag);
    touch(m, from);
    touch(m, to);
    BOTH(m, renameat2(m->root[s], from, m->root[s], to, flag));
    compare_path(m, from, false);
    compare_path(m, to, false);
}

static void link_op(struct model *m, const char *from)
{
    int flags = pick(m, 3) ? 0 : AT_SYMLINK_FOLLOW;
    char to[PATH_ROOM];
    random_path(m, to);
    struct stat st; /* protected_hardlinks asks for the owner of what is not plain */
    if (m->user && (fstatat(m->root[0], from, &st, flags ? 0 : AT_SYMLINK_NOFOLLOW) ||
                    !S_ISREG(st.st_mode) || (st.st_mode & 06000)))
        return;
    say(m, "link '%s' to '%s', flags %d", from, to, flags);
    touch(m, to);
    BOTH(m, linkat(m->root[s], from, m->root[s], to, flags));
    compare_path(m, from, false);
    compare_path(m, to, false);
}

static void mknod_op(struct model *m, const char *path)
{
    static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFREG, S_IFCHR, S_IFBLK};
    mode_t mode = types[pick(m, m->user ? 3 : COUNT(types))] | 0666;
    if (S_ISSOCK(mode) && m->seed % 4) /* images do not hold them: no commits then */
        mode = S_IFREG | 0666;
    dev_t dev = S_ISCHR(mode) || S_ISBLK(mode) ? makedev(1 + pick(m, 3), pick(m, 700)) : 0;
    say(m, "mknod '%s' %o", path, mode);
    touch(m, path);
    BOTH(m, mknodat(m->root[s], path, mode, dev));
    compare_path(m, path, false);
}

static void symlink_op(struct model *m, const char *path)
{
    static const char *const targets[] = {"a", "b", "etc/a", "e/c", "c", "d", "nowhere", "a/b/c"};
    const char *target = targets[pick(m, COUNT(targets))];
    say(m, "symlink '%s' to '%s'", path, target);
    touch(m, path);
    BOTH(m, symlinkat(target, m->root[s], path));
    compare_path(m, path, false);
}

static void tmpfile_op(struct model *m, const char *path)
{
    char dir[PATH_ROOM], name[64];
    const char *slash = strrchr(path, '/');
    int fd[2];
    (void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    say(m, "tmpfile in '%s' for '%s'", dir, path);
    for (int s = 0; s < 2; s++) {
        fd[s] = openat(m->root[s], dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
        m->result[s] = fd[s] < 0 ? -1 : 0;
        m->error[s] = fd[s] < 0 ? errno : 0;
    }
    if (fd[0] >= 0 && m->error[1] == EOPNOTSUPP) { /* libfuse knows it from 3.17 on */
        (void)close(fd[0]);
        return;
    }
    check(m);
    if (fd[0] < 0)
        return;
    BOTH(m, pwrite(fd[s], "temporary", 9, pick(m, 1) * 100));
    touch(m, path);
    if (geteuid() == 0 && !m->user) {
        BOTH(m, linkat(fd[s], "", m->root[s], path, AT_EMPTY_PATH));
    } else if (m->user) {
        for (int s = 0; s < 2; s++) {
            (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd[s]);
            m->result[s] = linkat(AT_FDCWD, name, m->root[s], path, AT_SYMLINK_FOLLOW);
            m->error[s] = m->result[s] ? errno : 0;
        }
        check(m);
    }
    struct stat st[2];
    for (int s = 0; s < 2; s++)
        if (fstat(fd[s], &st[s]))
            wrong(m, "fstat: %s", strerror(errno));
    compare_stat(m, "the temporary file", st);
    (void)close(fd[0]);
    (void)close(fd[1]);
    compare_path(m, path, false);
}

static int remove_all(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *names = list_names(fd), *save = NULL;
    int r = 0;
    for (char *n = names ? strtok_r(names, "\n", &save) : NULL; n; n = strtok_r(NULL, "\n", &save))
        if (unlinkat(fd, n, 0) && (errno != EISDIR || (r = remove_all(fd, n)) < 0))
            break;
    free(names);
    (void)close(fd);
    return unlinkat(dir, name, AT_REMOVEDIR) ? -errno : 0;
}

/* Big directories, and their end. */
static void crowd_op(struct model *m, const char *path)
{
    char name[PATH_ROOM + 32];
    unsigned count = 20 + pick(m, 150), i;
    say(m, "mkdir '%s' and %u files in it", path, count);
    touch(m, path);
    BOTH(m, mkdirat(m->root[s], path, 0777));
    for (i = 0; i < count && !m->result[0]; i++) {
        (void)snprintf(name, sizeof(name), "%s/%u", path, i);
        touch(m, name);
        BOTH(m, mknodat(m->root[s], name, S_IFREG | 0644, 0));
    }
}

static void remove_op(struct model *m, const char *path)
{
    say(m, "rm -r '%s'", path);
    touch(m, path);
    for (int s = 0; s < 2; s++) {
        m->result[s] = remove_all(m->root[s], path);
        m->error[s] = 0;
    }
    check(m);
    compare_path(m, path, false);
}

/* A directory that stays open, and what is done in it, wherever it is by then. */
static void directory_op(struct model *m, const char *path)
{
    int *fd = m->directory[pick(m, DIRECTORIES)];
    char name[8];
    if (fd[0] < 0) {
        say(m, "open directory '%s'", path);
        for (int s = 0; s < 2; s++) {
            fd[s] = openat(m->root[s], path,
                           (pick(m, 1) ? O_PATH : O_RDONLY) | O_DIRECTORY | O_CLOEXEC);
            m->result[s] = fd[s] < 0 ? -1 : 0;
            m->error[s] = fd[s] < 0 ? errno : 0;
        }
        check(m);
        return;
    }
    (void)snprintf(name, sizeof(name), "%c", 'a' + (int)pick(m, 6));
    unsigned what = pick(m, 7);
    say(m, "in an open directory: %u of '%s'", what, name);
    touch(m, name);
    switch (what) {
    case 0:
        BOTH(m, mkdirat(fd[s], name, 0755));
        break;
    case 1:
        BOTH(m, mknodat(fd[s], name, S_IFREG | 0644, 0));
        break;
    case 2:
        BOTH(m, unlinkat(fd[s], name, 0));
        break;
    case 3:
        BOTH(m, unlinkat(fd[s], name, AT_REMOVEDIR));
        break;
    case 4:
        touch(m, "moved");
        BOTH(m, renameat(fd[s], name, fd[s], "moved"));
        break;
    case 5:
        BOTH(m, fsync(fd[s]));
        break;
    default:
        (void)close(fd[0]);
        (void)close(fd[1]);
        fd[0] = -1;
    }
}

void op_name(struct model *m)
{
    char path[PATH_ROOM];
    random_path(m, path);
    unsigned what = pick(m, 40);
    if (what < 10) {
        rename_op(m, path);
    } else if (what < 15) {
        link_op(m, path);
    } else if (what < 18) {
        symlink_op(m, path);
    } else if (what < 21) {
        mknod_op(m, path);
    } else if (what < 22) {
        tmpfile_op(m, path);
    } else if (what < 26) {
        directory_op(m, path);
    } else if (what < 27) {
        crowd_op(m, path);
    } else if (what < 28) {
        remove_op(m, path);
    } else if (what < 32) {
        say(m, "mkdir '%s'", path);
        touch(m, path);
        BOTH(m, mkdirat(m->root[s], path, pick(m, 1) ? 0755 : 0777));
        compare_path(m, path, false);
    } else if (what < 36) {
        say(m, "unlink '%s'", path);
        touch(m, path);
        BOTH(m, unlinkat(m->root[s], path, 0));
        compare_path(m, path, false);
    } else {
        say(m, "rmdir '%s'", path);
        touch(m, path);
        BOTH(m, unlinkat(m->root[s], path, AT_REMOVEDIR));
        compare_path(m, path, false);
    }
}

/* ---- listings ---- */

static bool has_line(const char *lines, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = lines; (p = strstr(p, name)); p++)
        if ((p == lines || p[-1] == '\n') && p[len] == '\n')
            return true;
    return false;
}

static bool was_touched(const struct model *m, const char *name, unsigned long since)
{
    for (unsigned i = 0; i < TOUCHED && i < m->touched_count; i++)
        if (m->touched[i].when >= since && strcmp(m->touched[i].name, name) == 0)
            return true;
    return m->number - since > TOUCHED / 300;
}

/* Each name that was there all the time was seen once, and none that never was. */
static void end_listing(struct model *m, struct listing *l)
{
    char *now = list_names(l->plain), *save = NULL;
    for (char *name = strtok_r(l->before, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
        char line[260];
        (void)snprintf(line, sizeof(line), "%s\n", name);
        if (now && has_line(now, name) && !has_line(l->seen, name) &&
            !was_touched(m, name, l->since))
            wrong(m, "read in pieces since %lu: %s was not seen, though it was there all the time",
                  l->since, name);
    }
    free(now);
    free(l->before);
    free(l->seen);
    (void)close(l->fd);
    (void)close(l->plain);
    l->fd = -1;
}

static void begin_listing(struct model *m, struct listing *l, const char *path)
{
    say(m, "list '%s' in pieces", path);
    l->plain = openat(m->root[0], path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    l->fd = openat(m->root[1], path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    m->result[0] = l->plain < 0 ? -1 : 0;
    m->result[1] = l->fd < 0 ? -1 : 0;
    m->error[0] = m->error[1] = 0;
    check(m);
    if (l->fd < 0)
        return;
    l->before = list_names(l->plain);
    l->seen = strdup("");
    l->since = m->number;
    if (!l->before) { /* it may be read, but not entered */
        l->before = strdup("");
        end_listing(m, l);
    }
}

static void continue_listing(struct model *m, struct listing *l)
{
    char data[600];
    say(m, "go on with a listing of %lu", l->since);
    long n = syscall(SYS_getdents64, l->fd, data, sizeof(data));
    if (n < 0 && errno != ENOENT)
        wrong(m, "getdents: %s", strerror(errno));
    if (n <= 0) {
        end_listing(m, l);
        return;
    }
    size_t len = strlen(l->seen);
    l->seen = realloc(l->seen, len + (size_t)n + 1);
    for (long at = 0; at < n;) {
        const struct dirent64 *e = (const void *)(data + at);
        at += e->d_reclen;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (has_line(l->seen, e->d_name) && !was_touched(m, e->d_name, l->since))
            wrong(m, "read in pieces since %lu: %s was seen twice", l->since, e->d_name);
        if (!has_line(l->before, e->d_name) && !was_touched(m, e->d_name, l->since))
            wrong(m, "read in pieces since %lu: %s is not there", l->since, e->d_name);
        len += (size_t)sprintf(l->seen + len, "%s\n", e->d_name);
    }
}

/* All of a directory, and what each name leads to. */
static void list_op(struct model *m, const char *path)
{
    char *names[2];
    int fd[2];
    say(m, "list '%s'", path);
    for (int s = 0; s < 2; s++) {
        fd[s] = openat(m->root[s], path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        m->result[s] = fd[s] < 0 ? -1 : 0;
        m->error[s] = fd[s] < 0 ? errno : 0;
        names[s] = fd[s] < 0 ? NULL : list_names(fd[s]);
    }
    check(m);
    if (!names[0] != !names[1] || (names[0] && strcmp(names[0], names[1]) != 0))
        wrong(m, "it is\n%snot\n%s", names[1] ? names[1] : "unreadable",
              names[0] ? names[0] : "unreadable");
    char *save = NULL;
    struct stat st[2];
    for (char *name = names[0] ? strtok_r(names[0], "\n", &save) : NULL; name;
         name = strtok_r(NULL, "\n", &save)) {
        BOTH(m, fstatat(fd[s], name, &st[s], AT_SYMLINK_NOFOLLOW));
        if (m->result[0] == 0)
            compare_stat(m, name, st);
    }
    for (int s = 0; s < 2; s++) {
        free(names[s]);
        if (fd[s] >= 0)
            (void)close(fd[s]);
    }
}

void op_listing(struct model *m)
{
    struct listing *l = &m->listing[pick(m, LISTINGS)];
    char path[PATH_ROOM];
    random_path(m, path);
    if (pick(m, 3) == 0)
        (void)snprintf(path, sizeof(path), ".");
    else if (pick(m, 2) && strrchr(path, '/'))
        *strrchr(path, '/') = 0;
    if (pick(m, 2))
        list_op(m, path);
    else if (l->fd < 0)
        begin_listing(m, l, path);
    else
        continue_listing(m, l);
}

void close_all(struct model *m)
{
    for (int i = 0; i < LISTINGS; i++)
        while (m->listing[i].fd >= 0)
            continue_listing(m, &m->listing[i]);
    for (int i = 0; i < DIRECTORIES; i++)
        for (int s = 0; s < 2 && m->directory[i][0] >= 0; s++)
            (void)close(m->directory[i][s]);
    for (int i = 0; i < FILES; i++)
        for (int s = 0; s < 2 && m->file[i].fd[0] >= 0; s++)
            (void)close(m->file[i].fd[s]);
}

/* ---- what both sides begin with ---- */

static void make_file(struct model *m, int dir, const char *name, size_t size)
{
    static char block[4096];
    int fd = openat(dir, name, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return; /* the name is taken */
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)('a' + pick(m, 26));
    for (size_t done = 0, n; done < size; done += n) {
        n = size - done < sizeof(block) ? size - done : sizeof(block);
        if (write(fd, block, n) != (ssize_t)n)
            wrong(m, "write: %s", strerror(errno));
    }
    (void)fchmod(fd, pick(m, 4) ? 0644 : 04755);
    (void)close(fd);
}

static void fill(struct model *m, int dir, unsigned depth)
{
    static const size_t sizes[] = {0, 1, 100, 2000, 2100, 5000, 40000, 200000};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "etc", "g"};
    const struct timespec times[2] = {{1600000000, 0},
                                      {1600000000 + pick(m, 1000), pick(m, 999999999)}};
    for (unsigned i = 0; i < COUNT(names); i++) {
        const char *name = names[i];
        unsigned what = pick(m, 12);
        if (what < 5) {
            make_file(m, dir, name, sizes[pick(m, COUNT(sizes))]);
        } else if (what < 6) {
            (void)symlinkat(names[pick(m, COUNT(names))], dir, name);
        } else if (what < 7 && i) {
            (void)linkat(dir, names[pick(m, i)], dir, name, 0); /* not of a directory */
        } else if (what < 8) {
            (void)mknodat(dir, name, S_IFIFO | 0644, 0);
        } else if (depth && mkdirat(dir, name, 0755) == 0) {
            int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            fill(m, fd, depth - 1);
            static const mode_t modes[] = {0755, 0755, 0777, 01777, 02775};
            (void)fchmod(fd, modes[pick(m, m->user ? 3 : COUNT(modes))]);
            if (!m->user && pick(m, 3) == 0)
                (void)fchown(fd, 1000, 1000);
            (void)futimens(fd, times);
            (void)close(fd);
        }
        if (!m->user && pick(m, 5) == 0)
            (void)fchownat(dir, name, 1000, 1000, AT_SYMLINK_NOFOLLOW);
        (void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
    }
}

void make_tree(struct model *m, const char *path)
{
    const struct timespec times[2] = {{1600000000, 0}, {1600000000, 5}};
    (void)umask(0);
    (void)mkdir(path, 0755);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        wrong(m, "%s: %s", path, strerror(errno));
    fill(m, fd, 3);
    (void)futimens(fd, times);
    (void)close(fd);
}
