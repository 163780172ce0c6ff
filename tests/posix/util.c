/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases share, and the manifest. */
#include <dirent.h>
#include <fts.h>
#include <sys/xattr.h>
#include <time.h>

#include "posix.h"

struct stat st_of(const char *name)
{
    struct stat st;
    if (lstat(name, &st))
        memset(&st, 0, sizeof(st));
    return st;
}

bool exists(const char *name)
{
    struct stat st;
    return lstat(name, &st) == 0;
}

mode_t mode_of(const char *name)
{
    return st_of(name).st_mode & 07777;
}

long long ino_of(const char *name)
{
    return (long long)st_of(name).st_ino;
}

long nlink_of(const char *name)
{
    return (long)st_of(name).st_nlink;
}

long long size_of(const char *name)
{
    return st_of(name).st_size;
}

long long ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void nap(void)
{
    const struct timespec t = {.tv_nsec = 12 * 1000 * 1000};
    (void)nanosleep(&t, NULL);
}

int put(const char *name, const char *content)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    size_t len = strlen(content);
    ssize_t n = write(fd, content, len);
    int r = close(fd);
    return n == (ssize_t)len ? r : -1;
}

int make_dir(const char *name)
{
    return mkdir(name, 0755) || chmod(name, 0755) ? -1 : 0;
}

bool holds(const char *name, const char *content)
{
    char text[8192];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        (void)close(fd);
    return n == (ssize_t)strlen(content) && memcmp(text, content, (size_t)n) == 0;
}

bool has_pattern(const char *name, size_t size)
{
    char text[8192];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        (void)close(fd);
    for (ssize_t i = 0; i < n; i++)
        if (text[i] != pattern((size_t)i))
            return false;
    return n == (ssize_t)size;
}

int remove_tree(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) == 0)
        return 0;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return -1;
    struct dirent *d;
    while ((d = readdir(dir)))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            (void)remove_tree(fd, d->d_name);
    (void)closedir(dir);
    return unlinkat(dirfd, name, AT_REMOVEDIR);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *names_of(const char *name)
{
    static char text[8192];
    char *names[256];
    size_t count = 0, at = 0;
    DIR *dir = opendir(name);
    struct dirent *d;
    while (dir && (d = readdir(dir)) && count < 256)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            names[count++] = strdup(d->d_name);
    if (dir)
        (void)closedir(dir);
    qsort(names, count, sizeof(names[0]), by_name);
    text[0] = 0;
    for (size_t i = 0; i < count && at < sizeof(text) - 257; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s ", names[i]);
        free(names[i]);
    }
    return text;
}

/* ---- the manifest ---- */

static unsigned long sum_of(const void *data, size_t len)
{
    unsigned long sum = 5381;
    for (size_t i = 0; i < len; i++)
        sum = sum * 33 + ((const unsigned char *)data)[i];
    return sum;
}

static unsigned long content_sum(const char *path)
{
    char buf[65536];
    unsigned long sum = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
        sum = sum * 31 + sum_of(buf, (size_t)n);
    if (fd >= 0)
        (void)close(fd);
    return sum;
}

static unsigned long xattr_sum(const char *path)
{
    char names[65536], value[65536];
    unsigned long sum = 0;
    ssize_t len = llistxattr(path, names, sizeof(names));
    for (char *n = names; len > 0 && n < names + len; n += strlen(n) + 1) {
        ssize_t size = lgetxattr(path, n, value, sizeof(value));
        sum += sum_of(n, strlen(n)) ^ (size > 0 ? sum_of(value, (size_t)size) : 0);
    }
    return sum;
}

static int by_entry(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

int manifest(const char *dir)
{
    char *paths[] = {strdup("."), NULL};
    if (chdir(dir))
        return 1;
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_entry);
    for (FTSENT *e; fts && (e = fts_read(fts));) {
        if (e->fts_info == FTS_DP)
            continue;
        struct stat st;
        if (lstat(e->fts_path, &st)) { /* a listed name that cannot be reached */
            printf("%s: %s\n", e->fts_path, strerrorname_np(errno));
            continue;
        }
        bool is_dir = S_ISDIR(st.st_mode);
        bool read = S_ISREG(st.st_mode) && st.st_size < (1 << 24);
        printf("%s ino=%llu mode=%o own=%u:%u nlink=%lu size=%lld rdev=%llx mtime=%lld ctime=%lld "
               "xattrs=%lx sum=%lx\n",
               e->fts_path, (unsigned long long)st.st_ino, st.st_mode, st.st_uid, st.st_gid,
               is_dir ? 0 : (unsigned long)st.st_nlink, (long long)st.st_size,
               (unsigned long long)st.st_rdev, ns(st.st_mtim), ns(st.st_ctim),
               xattr_sum(e->fts_path), read ? content_sum(e->fts_path) : 0);
    }
    if (fts)
        (void)fts_close(fts);
    free(paths[0]);
    return 0;
}
