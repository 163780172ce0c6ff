/* SPDX-License-Identifier: Apache-2.0 */
#include "memo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/store.h>

#include "harvest.h"

/* Deeper directories are left to the walk: each level holds a descriptor. */
#define DEPTH_MAX 100
/* About 500 bytes each; what is more is left to the walk. */
#define ENTRIES_MAX 100000
/* Before Linux 6.13 ext4's clock moves on every few milliseconds only: two changes can share a
 * ctime. */
#define SETTLED_NS 50000000
/* So many large files are made durable one by one; for more, the disk is. */
#define FEW_FILES 8

struct filling {
    struct memo *memo;
    struct delta *delta;
    size_t large;
};

/* ---- the table ---- */

static struct delta_entry **find_slot(struct delta_entry **slots, size_t room, ino_t ino)
{
    size_t at = (size_t)((uint64_t)ino * 11400714819323198485u >> 16) & (room - 1);

    while (slots[at] && slots[at]->upper.attr.st_ino != ino)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static int grow(struct memo *memo)
{
    size_t room = memo->room ? memo->room * 2 : 256;
    struct delta_entry **slots = calloc(room, sizeof(struct delta_entry *));

    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < memo->room; i++)
        if (memo->slots[i])
            *find_slot(slots, room, memo->slots[i]->upper.attr.st_ino) = memo->slots[i];
    free(memo->slots);
    memo->slots = slots;
    memo->room = room;
    return 0;
}

static void entry_free(struct delta_entry *entry)
{
    if (entry)
        cf_delta_entry_done(entry);
    free(entry);
}

/* Takes over what the entry holds. */
static int add(struct memo *memo, struct delta_entry *entry)
{
    if (memo->count >= ENTRIES_MAX)
        return 0;
    if (memo->count * 2 >= memo->room && grow(memo) < 0)
        return -ENOMEM;
    struct delta_entry *kept = malloc(sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    struct delta_entry **slot = find_slot(memo->slots, memo->room, entry->upper.attr.st_ino);
    memo->count += !*slot;
    entry_free(*slot);
    *slot = kept;
    *kept = *entry;
    kept->fd = -1;
    kept->name = NULL;
    *entry = (struct delta_entry){.nid = DELTA_NONE};
    return 0;
}

void cf_memo_done(struct memo *memo)
{
    for (size_t i = 0; i < memo->room; i++)
        entry_free(memo->slots[i]);
    free(memo->slots);
    *memo = (struct memo){0};
}

static bool same_moment(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int copy_buf(struct cf_buf *to, const struct cf_buf *from)
{
    *to = (struct cf_buf)CF_BUF_INIT;
    if (from->len == 0)
        return 0;
    int r = cf_buf_reserve(to, from->len + 1); /* a symlink's target has its NUL behind it */
    return r == 0 ? cf_buf_add(to, from->data, from->len) : r;
}

int cf_memo_recall(const struct memo *memo, int fd, const char *name, struct delta_entry *entry)
{
    struct stat st;

    if (!memo->room ||
        fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH)) < 0)
        return 0;
    const struct delta_entry *known = *find_slot(memo->slots, memo->room, st.st_ino);
    if (!known || !same_moment(&st, &known->upper.attr))
        return 0;
    uint64_t nid = entry->nid;
    *entry = *known;
    entry->nid = nid;
    entry->upper.redirect = known->upper.redirect ? strdup(known->upper.redirect) : NULL;
    int r = copy_buf(&entry->xattrs, &known->xattrs);
    if (copy_buf(&entry->target, &known->target) < 0 || copy_buf(&entry->data, &known->data) < 0)
        r = -ENOMEM;
    if (r == 0 && entry->target.len)
        entry->target.data[entry->target.len] = '\0';
    return r < 0 || (known->upper.redirect && !entry->upper.redirect) ? -ENOMEM : 1;
}

/* ---- filling it ---- */

static bool is_settled(const struct stat *st)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = (int64_t)(now.tv_sec - st->st_ctim.tv_sec) * 1000000000 +
                  (now.tv_nsec - st->st_ctim.tv_nsec);
    return age > SETTLED_NS;
}

static int keep_small(struct filling *filling, int fd, struct delta_entry *entry)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    int r = cf_read_fd(fd, CF_HARVEST_MOVE_MIN, &data);

    if (r == 0 && data.len != entry->inode.size)
        r = -EBUSY;
    if (r == 0)
        r = cf_object_put(filling->delta->store, data.data, data.len, &entry->digest, NULL);
    entry->has_digest = r == 0;
    return r;
}

static int hash_large(struct filling *filling, int fd, struct delta_entry *entry)
{
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    int r = cf_harvest_hash(fd, &entry->digest);

    if (r == 0 && ++filling->large <= FEW_FILES && fdatasync(fd) < 0)
        r = -errno;
    entry->hashed = r == 0;
    return r;
}

/* Content of the upper itself is only known while nobody has it open for writing: a page of a
 * mapping may change without a sign. */
static int keep_content(struct filling *filling, int dir, const char *name,
                        struct delta_entry *entry)
{
    struct stat st;
    int fd cf_autoclose = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (!cf_harvest_lease(fd))
        return entry->inode.size > CF_INLINE_MAX ? 0 : -EBUSY;
    int r = 0;
    if (entry->inode.size >= CF_HARVEST_MOVE_MIN)
        r = hash_large(filling, fd, entry);
    else if (entry->inode.size > CF_INLINE_MAX)
        r = keep_small(filling, fd, entry);
    if (r == 0 && (fstat(fd, &st) < 0 || !same_moment(&st, &entry->upper.attr)))
        r = -EBUSY;
    return r;
}

/* What is here now; 1: a directory. */
static int note(struct filling *filling, int fd, const char *name)
{
    struct delta_entry entry cf_cleanup(cf_delta_entry_done) = {.nid = DELTA_NONE};

    if (cf_delta_read_upper(filling->delta, fd, name, DELTA_NONE, name, &entry, NULL) != 1)
        return 0;
    mode_t type = entry.upper.attr.st_mode & S_IFMT;
    bool content = type == S_IFREG && !entry.upper.metacopy;
    if (!is_settled(&entry.upper.attr) || (entry.upper.metacopy && !entry.upper.stub) ||
        (content && keep_content(filling, fd, name, &entry) < 0))
        return type == S_IFDIR;
    return add(filling->memo, &entry) < 0 ? -ENOMEM : type == S_IFDIR;
}

/* Takes dir over. */
static int note_directory(struct filling *filling, int fd, unsigned int depth)
{
    DIR *dir cf_autoclosedir = fdopendir(fd);
    struct dirent *e;
    int r = 0;

    if (!dir) {
        (void)close(fd);
        return 0;
    }
    while (r >= 0 && (e = readdir(dir))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || e->d_type == DT_SOCK)
            continue;
        r = note(filling, dirfd(dir), e->d_name);
        if (r <= 0 || depth >= DEPTH_MAX)
            continue;
        int below = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = below < 0 ? 0 : note_directory(filling, below, depth + 1);
    }
    return r < 0 ? r : 0;
}

int cf_memo_fill(struct memo *memo, struct delta *delta, struct cf_error *err)
{
    struct filling filling = {.memo = memo, .delta = delta};
    int fd = openat(delta->upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? 0 : note_directory(&filling, fd, 0);

    if (r == 0 && filling.large > FEW_FILES)
        (void)syncfs(delta->upper_fd); /* so that it is done when it counts */
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}
