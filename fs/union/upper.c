/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of the upper: the one file that spells whiteouts, opaque directories, redirects,
 * metacopies, override_stat, and what cloudfs adds to them. docs/format.md, "The upper".
 *
 *   T.            trusted.overlay.   (ordinary user: user.overlay.)
 *   whiteout      character device 0:0
 *   T.opaque      "y" on a directory: nothing of the lower shows
 *   T.redirect    the lower counterpart: a name in the same directory, or an absolute lower path
 *   T.metacopy    empty: the file has metadata only
 *   T.cloudfs.ino, .object, .nlink   persistent number; content of a stub; lower names outside
 *   T.cloudfs.kernel  of the root: settled, and where its stubs lead to
 *   T.cloudfs.mtime   of a metacopy with several names, while its content is being copied
 *   user.containers.override_stat    uid:gid:0mode:type, ordinary user only
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "internal.h"

#define OPAQUE "opaque"
#define REDIRECT "redirect"
#define METACOPY "metacopy"
#define ORIGIN "origin"
#define INO "cloudfs.ino"
#define OBJECT "cloudfs.object"
#define LINKS "cloudfs.nlink"
#define MTIME "cloudfs.mtime"
#define SETTLED "cloudfs.kernel"

#define PREFIX_ROOT "trusted.overlay."
#define PREFIX_USER "user.overlay."
#define OVERRIDE "user.containers.override_"
#define FUSE_OPAQUE "user.fuseoverlayfs.opaque" /* of an upper that is taken over */
#define SHARED_WHITEOUT "whiteout"              /* in work/ */

#define REDIRECT_SIZE 4096

typedef char xattr_name[256];

static const char *own_name(bool user, const char *suffix, xattr_name buffer)
{
    (void)snprintf(buffer, sizeof(xattr_name), "%s%s", user ? PREFIX_USER : PREFIX_ROOT, suffix);
    return buffer;
}

static int set_own(bool user, int fd, const char *name, const char *suffix, const void *value,
                   size_t size)
{
    xattr_name buffer;
    return cf_at_setxattr(fd, name, own_name(user, suffix, buffer), value, size, 0);
}

static ssize_t get_own(bool user, int fd, const char *name, const char *suffix, void *value,
                       size_t size)
{
    xattr_name buffer;
    return cf_at_getxattr(fd, name, own_name(user, suffix, buffer), value, size);
}

static int remove_own(bool user, int fd, const char *name, const char *suffix)
{
    xattr_name buffer;
    int r = cf_at_removexattr(fd, name, own_name(user, suffix, buffer));
    return r == -ENODATA ? 0 : r;
}

/* ---- whiteouts ---- */

bool cf_upper_is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* fuse-overlayfs puts it into each new directory, and an xattr that says the same. */
bool cf_upper_is_leftover(const struct cf_union *u, const char *name)
{
    return u->stack && strcmp(name, ".wh..wh..opq") == 0;
}

/* Whiteouts are links of one inode, which costs less than an inode each. */
int cf_upper_put_whiteout(struct cf_union *u, int fd, const char *name)
{
    if (linkat(u->work_fd, SHARED_WHITEOUT, fd, name, 0) == 0)
        return 0;
    if (errno == EMLINK) /* the next one begins anew */
        (void)unlinkat(u->work_fd, SHARED_WHITEOUT, 0);
    else if (errno != ENOENT)
        return -errno;
    if (mknodat(u->work_fd, SHARED_WHITEOUT, S_IFCHR, makedev(0, 0)) == 0 &&
        linkat(u->work_fd, SHARED_WHITEOUT, fd, name, 0) == 0)
        return 0;
    return mknodat(fd, name, S_IFCHR, makedev(0, 0)) ? -errno : 0;
}

int cf_upper_replace_by_whiteout(struct cf_union *u, int fd, const char *name)
{
    char temp[24];
    cf_work_name(u, temp);
    int r = cf_upper_put_whiteout(u, u->work_fd, temp);
    if (r)
        return r;
    if (renameat(u->work_fd, temp, fd, name) == 0)
        return 0;
    r = -errno;
    (void)unlinkat(u->work_fd, temp, 0);
    return r;
}

/* ---- marks ---- */

int cf_upper_set_opaque(struct cf_union *u, int fd, const char *name)
{
    return set_own(u->user, fd, name, OPAQUE, "y", 1);
}

int cf_upper_clear_opaque(struct cf_union *u, int fd, const char *name)
{
    return remove_own(u->user, fd, name, OPAQUE);
}

int cf_upper_set_redirect(struct cf_union *u, int fd, const char *name, const char *path)
{
    return set_own(u->user, fd, name, REDIRECT, path, strlen(path));
}

int cf_upper_set_metacopy(struct cf_union *u, int fd, const char *name)
{
    return set_own(u->user, fd, name, METACOPY, "", 0);
}

int cf_upper_set_mtime(struct cf_union *u, int fd, const char *name, const struct timespec *mtime)
{
    char text[48];
    int n = snprintf(text, sizeof(text), "%lld.%09ld", (long long)mtime->tv_sec, mtime->tv_nsec);
    return set_own(u->user, fd, name, MTIME, text, (size_t)n);
}

static int get_mtime(bool user, int fd, const char *name, struct timespec *ret_mtime)
{
    char text[48];
    ssize_t n = get_own(user, fd, name, MTIME, text, sizeof(text) - 1);
    long long sec;
    long nsec;
    if (n < 0)
        return (int)n;
    text[n] = 0;
    if (sscanf(text, "%lld.%ld", &sec, &nsec) != 2 || nsec < 0 || nsec > 999999999)
        return -EINVAL;
    *ret_mtime = (struct timespec){.tv_sec = (time_t)sec, .tv_nsec = nsec};
    return 0;
}

int cf_upper_get_mtime(struct cf_union *u, int fd, const char *name, struct timespec *ret_mtime)
{
    return get_mtime(u->user, fd, name, ret_mtime);
}

int cf_upper_settle_mtime(struct cf_union *u, int fd, const char *name,
                          const struct cf_upper_entry *entry)
{
    struct timespec mtime;
    if (entry->attr.st_nlink < 2 || get_mtime(u->user, fd, name, &mtime))
        return 0;
    const struct timespec times[2] = {entry->attr.st_atim, mtime};
    int r = cf_at_utimens(fd, name, times);
    return r ? r : remove_own(u->user, fd, name, MTIME);
}

/* metacopy first: without it the others mean nothing. */
int cf_upper_clear_metacopy(struct cf_union *u, int fd, const char *name)
{
    int r = remove_own(u->user, fd, name, METACOPY);
    if (!r)
        r = remove_own(u->user, fd, name, MTIME);
    return r ? r : remove_own(u->user, fd, name, OBJECT);
}

bool cf_upper_is_metacopy(struct cf_union *u, int fd, const char *name)
{
    return get_own(u->user, fd, name, METACOPY, NULL, 0) >= 0;
}

static int set_ino(bool user, int fd, const char *name, uint64_t ino)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(ino >> (8 * i));
    return set_own(user, fd, name, INO, bytes, sizeof(bytes));
}

int cf_upper_set_ino(struct cf_union *u, int fd, const char *name, uint64_t ino)
{
    return set_ino(u->user, fd, name, ino);
}

static int get_number(bool user, int fd, const char *name, const char *suffix, uint64_t *ret)
{
    char text[24];
    ssize_t n = get_own(user, fd, name, suffix, text, sizeof(text) - 1);
    if (n < 0)
        return (int)n;
    text[n] = 0;
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno || end == text || *end ? -EINVAL : 0;
}

int cf_upper_get_links(struct cf_union *u, int fd, const char *name, uint32_t *ret_links)
{
    uint64_t links;
    int r = get_number(u->user, fd, name, LINKS, &links);
    if (!r)
        *ret_links = (uint32_t)links;
    return r;
}

int cf_upper_set_links(struct cf_union *u, int fd, const char *name, uint32_t links)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%" PRIu32, links);
    return set_own(u->user, fd, name, LINKS, text, (size_t)n);
}

/* ---- settled for the kernel ---- */

/* struct ovl_fb of the kernel (fs/overlayfs/overlayfs.h), with a handle of type FILEID_INO64_GEN:
 * upper and lower half of the number, generation 0. Numbers are little-endian. */
int cf_upper_set_origin(struct cf_union *u, int fd, const char *name, uint64_t nid)
{
    uint8_t handle[33] = {0, 0xfb, sizeof(handle), 0, 0x81};
    const unsigned order = 1; /* flags: the machine's byte order */
    if (!*(const uint8_t *)&order)
        handle[3] = 1;
    const uint32_t fid[3] = {(uint32_t)(nid >> 32), (uint32_t)nid, 0};
    memcpy(handle + 5, cf_tree_uuid(u->lower), 16);
    memcpy(handle + 21, fid, sizeof(fid));
    xattr_name buffer;
    int r = cf_at_setxattr(fd, name, own_name(u->user, ORIGIN, buffer), handle, sizeof(handle),
                           XATTR_CREATE);
    return r == -EEXIST ? 0 : r;
}

int cf_upper_settled(int upper_fd, char ret_stubs_dir[CF_STUBS_DIR_SIZE])
{
    ssize_t n = get_own(false, upper_fd, "", SETTLED, ret_stubs_dir, CF_STUBS_DIR_SIZE - 1);
    if (n < 0)
        return (int)n;
    ret_stubs_dir[n] = 0;
    return 0;
}

int cf_upper_set_settled(int upper_fd, const char *stubs_dir)
{
    return set_own(false, upper_fd, "", SETTLED, stubs_dir, strlen(stubs_dir));
}

int cf_upper_unsettle(int upper_fd)
{
    return remove_own(false, upper_fd, "", SETTLED);
}

/* ---- override_stat ---- */

static const struct {
    const char *word;
    mode_t type;
} TYPES[] = {
    {"file", S_IFREG},    {"dir", S_IFDIR},   {"symlink", S_IFLNK}, {"pipe", S_IFIFO},
    {"socket", S_IFSOCK}, {"block", S_IFBLK}, {"char", S_IFCHR},
};

static bool parse_type(const char *text, struct stat *st)
{
    for (size_t i = 0; i < CF_COUNT(TYPES); i++) {
        size_t len = strlen(TYPES[i].word);
        if (strncmp(text, TYPES[i].word, len) != 0 || (text[len] && text[len] != '-'))
            continue;
        st->st_mode = (st->st_mode & 07777) | TYPES[i].type;
        if (TYPES[i].type != S_IFBLK && TYPES[i].type != S_IFCHR)
            return true;
        unsigned major, minor;
        if (sscanf(text + len, "-%u-%u", &major, &minor) != 2)
            return false;
        st->st_rdev = makedev(major, minor);
        return true;
    }
    return false;
}

bool cf_upper_parse_override(const char *text, struct stat *st)
{
    unsigned uid, gid, mode;
    int at = 0;
    if (sscanf(text, "%u:%u:%o%n", &uid, &gid, &mode, &at) != 3)
        return false;
    struct stat result = *st;
    result.st_uid = uid;
    result.st_gid = gid;
    result.st_mode = (st->st_mode & S_IFMT) | (mode & 07777);
    if (text[at] == ':' && !parse_type(text + at + 1, &result))
        return false;
    if (S_ISDIR(result.st_mode) != S_ISDIR(st->st_mode))
        return false;
    *st = result;
    return true;
}

static bool read_override(int fd, const char *name, struct stat *st)
{
    char text[128];
    ssize_t n = cf_at_getxattr(fd, name, CF_OVERRIDE_XATTR, text, sizeof(text) - 1);
    if (n < 0)
        return false;
    text[n] = 0;
    return cf_upper_parse_override(text, st);
}

bool cf_upper_is_overridden(int fd, const char *name)
{
    return cf_at_getxattr(fd, name, CF_OVERRIDE_XATTR, NULL, 0) >= 0;
}

static int write_override(int fd, const char *name, const struct stat *st)
{
    char text[128];
    const char *word = "file";
    for (size_t i = 0; i < CF_COUNT(TYPES); i++)
        if (TYPES[i].type == (st->st_mode & S_IFMT))
            word = TYPES[i].word;
    int n = snprintf(text, sizeof(text), "%u:%u:%05o:%s", st->st_uid, st->st_gid,
                     st->st_mode & 07777, word);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        n += snprintf(text + n, sizeof(text) - (size_t)n, "-%u-%u", major(st->st_rdev),
                      minor(st->st_rdev));
    return cf_at_setxattr(fd, name, CF_OVERRIDE_XATTR, text, (size_t)n, 0);
}

int cf_upper_stat(struct cf_union *u, int fd, const char *name, struct stat *ret_stat)
{
    int r = cf_at_stat(fd, name, ret_stat);
    if (!r && u->user && (S_ISREG(ret_stat->st_mode) || S_ISDIR(ret_stat->st_mode)))
        (void)read_override(fd, name, ret_stat);
    return r;
}

/* Real bits of an ordinary user's upper: the daemon must always get in. */
static mode_t user_mode(mode_t type, mode_t mode)
{
    return (mode & 0777) | (S_ISDIR(type) ? 0700 : 0600);
}

static int set_owner_as_user(int fd, const char *name, const struct stat *now,
                             const struct stat *want, bool always)
{
    bool same_owner = now->st_uid == want->st_uid && now->st_gid == want->st_gid;
    if (S_ISLNK(now->st_mode))
        return same_owner ? 0 : -EPERM;
    mode_t real = user_mode(now->st_mode, want->st_mode);
    if (real != (now->st_mode & 07777)) {
        int r = cf_at_chmod(fd, name, real);
        if (r)
            return r;
    }
    if (!always && same_owner && want->st_mode == ((now->st_mode & S_IFMT) | real))
        return 0;
    return write_override(fd, name, want);
}

static int set_real_owner(int fd, const char *name, const struct stat *now, const struct stat *want)
{
    mode_t mode = now->st_mode;
    if (now->st_uid != want->st_uid || now->st_gid != want->st_gid) {
        int r = cf_at_chown(fd, name, want->st_uid, want->st_gid);
        if (r)
            return r;
        if (!S_ISDIR(mode))
            mode &= (mode_t) ~(S_ISUID | S_ISGID); /* the kernel may have taken them */
    }
    if (S_ISLNK(mode) || (mode & 07777) == (want->st_mode & 07777))
        return 0;
    return cf_at_chmod(fd, name, want->st_mode & 07777);
}

int cf_upper_set_owner(struct cf_union *u, int fd, const char *name, const struct stat *now,
                       const struct stat *want, bool always)
{
    if (!u->user)
        return set_real_owner(fd, name, now, want);
    bool real = u->real_owners && (now->st_mode & S_IFMT) == (want->st_mode & S_IFMT) &&
                set_real_owner(fd, name, now, want) == 0;
    if (!real)
        return set_owner_as_user(fd, name, now, want, always);
    int r = S_ISLNK(now->st_mode) ? 0 : cf_at_removexattr(fd, name, CF_OVERRIDE_XATTR);
    return r == -ENODATA || r == -EOPNOTSUPP ? 0 : r;
}

static int make_file(int fd, const char *name, mode_t mode, const char *content)
{
    int out cf_autoclose = openat(fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    if (out < 0)
        return -errno;
    return content ? cf_write_full(out, content, strlen(content)) : 0;
}

int cf_upper_make(struct cf_union *u, int fd, const char *name, const struct stat *want,
                  const char *target, bool as_file)
{
    mode_t type = want->st_mode & S_IFMT, mode = want->st_mode & 07777;
    if (u->user)
        mode = user_mode(type, mode);
    if (type == S_IFDIR)
        return mkdirat(fd, name, mode) ? -errno : 0;
    if (type == S_IFREG)
        return make_file(fd, name, mode, NULL);
    bool foreign = want->st_uid != u->uid || want->st_gid != getegid();
    if (type == S_IFLNK && !(u->user && (foreign || as_file)))
        return symlinkat(target, fd, name) ? -errno : 0;
    if (u->user)
        return make_file(fd, name, 0600, target);
    return mknodat(fd, name, type | mode, want->st_rdev) ? -errno : 0;
}

ssize_t cf_upper_link_target(int dirfd, const char *name, bool user_xattrs, char *ret_target,
                             size_t size)
{
    ssize_t n = readlinkat(dirfd, name, ret_target, size);
    if (n >= 0 || errno != EINVAL || !user_xattrs)
        return n >= 0 ? n : -errno;
    int in cf_autoclose = cf_at_open(dirfd, name, O_RDONLY);
    return in < 0 ? in : cf_pread_full(in, ret_target, size, 0);
}

/* ---- reading an entry ---- */

static int read_redirect(bool user, int fd, const char *name, struct cf_upper_entry *entry)
{
    char text[REDIRECT_SIZE];
    ssize_t n = get_own(user, fd, name, REDIRECT, text, sizeof(text) - 1);
    if (n <= 0)
        return n == 0 ? -EINVAL : (int)n;
    text[n] = 0;
    entry->redirect = strdup(text);
    return entry->redirect ? 0 : -ENOMEM;
}

static int read_mark(bool user, int fd, const char *name, const char *suffix,
                     struct cf_upper_entry *entry)
{
    if (strcmp(suffix, OPAQUE) == 0) {
        char value[2];
        ssize_t n = get_own(user, fd, name, OPAQUE, value, sizeof(value));
        entry->opaque = n == 1 && value[0] == 'y' && S_ISDIR(entry->attr.st_mode);
    } else if (strcmp(suffix, REDIRECT) == 0) {
        return read_redirect(user, fd, name, entry);
    } else if (strcmp(suffix, METACOPY) == 0) {
        entry->metacopy = S_ISREG(entry->attr.st_mode);
    } else if (strcmp(suffix, OBJECT) == 0) {
        char hex[CF_DIGEST_HEX_SIZE];
        ssize_t n = get_own(user, fd, name, OBJECT, hex, sizeof(hex) - 1);
        hex[n > 0 ? n : 0] = 0;
        entry->stub = cf_digest_parse_hex(hex, &entry->object) == 0;
    } else if (strcmp(suffix, INO) == 0) {
        uint8_t bytes[8];
        entry->has_origin = get_own(user, fd, name, INO, bytes, sizeof(bytes)) == sizeof(bytes);
        uint64_t ino = 0;
        for (int i = 7; i >= 0 && entry->has_origin; i--)
            ino = ino << 8 | bytes[i];
        if (entry->has_origin)
            entry->ino = ino;
    } else if (strcmp(suffix, LINKS) == 0) {
        uint64_t links;
        if (get_number(user, fd, name, LINKS, &links) == 0)
            entry->links = (int64_t)links;
    }
    return 0;
}

/*
 * Disks use inode numbers again; the handle that they give NFS servers tells one use from the next.
 * So the number has a few bits of that above those of st_ino: a new file is never taken for the one
 * before.
 */
#define NUMBER_BITS 40
#define HANDLE_BITS 19

static uint64_t handle_bits(int fd, const char *name)
{
    struct {
        struct file_handle h;
        unsigned char bytes[MAX_HANDLE_SZ];
    } handle = {.h = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount_id;
    if (name_to_handle_at(fd, name, &handle.h, &mount_id, *name ? 0 : AT_EMPTY_PATH))
        return 0;
    uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a, folded */
    for (unsigned i = 0; i < handle.h.handle_bytes; i++)
        h = (h ^ handle.bytes[i]) * 0x100000001b3ull;
    return (h ^ h >> 20 ^ h >> 40) & ((1u << HANDLE_BITS) - 1);
}

uint64_t cf_upper_number(int fd, const char *name, const struct stat *st)
{
    uint64_t high = st->st_ino >> NUMBER_BITS ? 0 : handle_bits(fd, name) << (NUMBER_BITS + 1);
    return CF_INO_UPPER + st->st_ino + high;
}

int cf_upper_read(int dirfd, const char *name, bool user_xattrs, struct cf_upper_entry *ret_entry)
{
    struct cf_upper_entry entry = {.kind = CF_UPPER_OBJECT, .links = -1};
    int r = cf_at_stat(dirfd, name, &entry.attr);
    if (r)
        return r;
    if (cf_upper_is_whiteout(&entry.attr))
        entry.kind = CF_UPPER_WHITEOUT;
    if (entry.kind == CF_UPPER_OBJECT)
        entry.ino = cf_upper_number(dirfd, name, &entry.attr);
    bool special = !S_ISREG(entry.attr.st_mode) && !S_ISDIR(entry.attr.st_mode);
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    if (entry.kind == CF_UPPER_OBJECT && !(special && user_xattrs))
        r = cf_at_xattr_names(dirfd, name, &names);
    const char *prefix = user_xattrs ? PREFIX_USER : PREFIX_ROOT;
    for (const char *n = names.data; !r && n && n < names.data + names.len; n += strlen(n) + 1) {
        if (strncmp(n, prefix, strlen(prefix)) == 0)
            r = read_mark(user_xattrs, dirfd, name, n + strlen(prefix), &entry);
        else if (strcmp(n, FUSE_OPAQUE) == 0)
            entry.opaque = S_ISDIR(entry.attr.st_mode);
        else if (user_xattrs && strcmp(n, CF_OVERRIDE_XATTR) == 0)
            entry.overridden = read_override(dirfd, name, &entry.attr);
    }
    entry.stub = entry.stub && entry.metacopy;
    if (!r && entry.metacopy && entry.attr.st_nlink > 1)
        (void)get_mtime(user_xattrs, dirfd, name, &entry.attr.st_mtim);
    if (r)
        cf_upper_entry_done(&entry);
    else
        *ret_entry = entry;
    return r;
}

void cf_upper_entry_done(struct cf_upper_entry *entry)
{
    free(entry->redirect);
    entry->redirect = NULL;
}

/* ---- names of xattrs ---- */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

int cf_upper_xattr_stored(const char *name, bool user, char buffer[256])
{
    if (!user)
        return cf_xattr_stored(name, buffer);
    int n;
    if (starts(name, OVERRIDE))
        return -EPERM;
    if (starts(name, PREFIX_USER))
        n = snprintf(buffer, 256, PREFIX_USER "overlay.%s", name + strlen(PREFIX_USER));
    else
        n = snprintf(buffer, 256, "%s%s", starts(name, "user.") ? "" : OVERRIDE, name);
    return n < 256 ? 0 : -ERANGE;
}

bool cf_upper_xattr_shown(const char *name, bool user_xattrs, char buffer[256],
                          const char **ret_shown)
{
    if (!user_xattrs)
        return cf_xattr_shown(name, buffer, ret_shown);
    if (strcmp(name, CF_OVERRIDE_XATTR) == 0 || !starts(name, "user."))
        return false;
    if (starts(name, PREFIX_USER "overlay.")) {
        (void)snprintf(buffer, 256, "%s", PREFIX_USER);
        (void)strncat(buffer, name + strlen(PREFIX_USER "overlay."), 255 - strlen(PREFIX_USER));
        *ret_shown = buffer;
        return true;
    }
    *ret_shown = starts(name, OVERRIDE) ? name + strlen(OVERRIDE) : name;
    return !starts(name, PREFIX_USER);
}

/* ---- stubs ---- */

/* All but the marks of a metacopy. */
static int copy_raw_xattrs(int dirfd, const char *name, int out, bool user)
{
    xattr_name metacopy, object, redirect;
    (void)own_name(user, METACOPY, metacopy);
    (void)own_name(user, OBJECT, object);
    (void)own_name(user, REDIRECT, redirect);
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    int r = cf_at_xattr_names(dirfd, name, &names);
    for (const char *n = names.data; !r && n && n < names.data + names.len; n += strlen(n) + 1) {
        if (user && !starts(n, "user."))
            continue;
        if (strcmp(n, metacopy) == 0 || strcmp(n, object) == 0 || strcmp(n, redirect) == 0)
            continue;
        struct cf_buf value cf_autobuf = CF_BUF_INIT;
        r = cf_at_xattr_value(dirfd, name, n, &value);
        if (!r)
            r = cf_at_setxattr(out, "", n, value.data, value.len, 0);
    }
    return r;
}

/* Owner, mode and xattrs of dirfd/name to out, as the disk has them, and the number. */
static int copy_metadata(int dirfd, const char *name, const struct stat *st, int out, uint64_t ino,
                         bool user)
{
    int r = geteuid() == 0 ? cf_at_chown(out, "", st->st_uid, st->st_gid) : 0;
    if (!r)
        r = fchmod(out, st->st_mode & 07777) ? -errno : 0;
    if (!r)
        r = copy_raw_xattrs(dirfd, name, out, user);
    return r ? r : set_ino(user, out, "", ino);
}

int cf_upper_clone(struct cf_union *u, int fd, const char *name, const char *temp, uint64_t ino)
{
    struct stat st;
    int r = cf_at_stat(fd, name, &st);
    if (r)
        return r;
    int out cf_autoclose = openat(u->work_fd, temp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    return out < 0 ? -errno : copy_metadata(fd, name, &st, out, ino, u->user);
}

static int fill_stub(int dirfd, const char *name, const struct stat *st, uint64_t ino, int out,
                     const struct cf_digest *digest, bool user)
{
    if (ftruncate(out, st->st_size))
        return -errno;
    char hex[CF_DIGEST_HEX_SIZE];
    cf_digest_hex(digest, hex);
    int r = copy_metadata(dirfd, name, st, out, ino, user);
    if (!r)
        r = set_own(user, out, "", OBJECT, hex, 64);
    if (!r)
        r = set_own(user, out, "", METACOPY, "", 0);
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    return r ? r : cf_at_utimens(out, "", times);
}

int cf_upper_make_stub(int dirfd, const char *name, int work_fd, const char *moved_name,
                       const struct cf_digest *digest, bool user_xattrs, struct cf_error *err)
{
    struct cf_upper_entry entry;
    int r = cf_upper_read(dirfd, name, user_xattrs, &entry);
    if (r)
        return cf_fail_errno(err, -r, "read %s", name);
    uint64_t ino = entry.ino;
    bool plain = entry.kind == CF_UPPER_OBJECT && S_ISREG(entry.attr.st_mode) && !entry.metacopy;
    cf_upper_entry_done(&entry);
    struct stat st, dir;
    r = cf_at_stat(dirfd, name, &st);
    if (!r)
        r = cf_at_stat(dirfd, "", &dir);
    if (r)
        return cf_fail_errno(err, -r, "stat %s", name);
    if (!plain)
        return cf_fail(err, -EINVAL, "%s: not a regular file with content", name);
    if (st.st_nlink > 1)
        return cf_fail(err, -EMLINK, "%s: has hard links", name);
    /* Made under a name that is litter, and given moved_name when it is whole: what a crash leaves
     * under moved_name is then either a stub by all its marks, or the content. */
    char litter[CF_DIGEST_HEX_SIZE + 1];
    (void)snprintf(litter, sizeof(litter), "#%.64s", moved_name);
    (void)unlinkat(work_fd, litter, 0);
    int out cf_autoclose = openat(work_fd, litter, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (out < 0)
        return cf_fail_errno(err, errno, "create %s in the work directory", moved_name);
    r = fill_stub(dirfd, name, &st, ino, out, digest, user_xattrs);
    if (!r && renameat2(work_fd, litter, work_fd, moved_name, RENAME_NOREPLACE))
        r = -errno;
    if (r) {
        (void)unlinkat(work_fd, litter, 0);
        return cf_fail_errno(err, -r, "make a stub of %s", name);
    }
    if (renameat2(work_fd, moved_name, dirfd, name, RENAME_EXCHANGE))
        r = -errno;
    if (r) {
        (void)unlinkat(work_fd, moved_name, 0);
        return cf_fail_errno(err, -r, "make a stub of %s", name);
    }
    const struct timespec times[2] = {dir.st_atim, dir.st_mtim};
    (void)cf_at_utimens(dirfd, "", times);
    return 0;
}
