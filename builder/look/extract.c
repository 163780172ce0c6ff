/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a part of an image to a directory. Every thing is made beside its place and renamed to
 * it; directories are entered by descriptor, never through a symlink, and left through "..", which
 * must be the directory that was left. So nothing is written outside, whatever is there already.
 */
#include <cloudfs/look.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "extract.h"

struct level {
    struct cf_inode inode; /* of the directory */
    uint64_t cookie;
    size_t path_len;
    bool keep; /* the directory's own metadata is not ours to set */
    dev_t dev; /* of the directory on disk */
    ino_t ino;
};

struct walk {
    struct extraction *extraction;
    struct level *levels;
    size_t count, room;
};

static int push(struct walk *walk, const struct cf_inode *inode, bool keep, struct cf_error *err)
{
    struct extraction *extraction = walk->extraction;
    struct stat st;

    if (walk->count == walk->room) {
        size_t room = walk->room ? walk->room * 2 : 16;
        struct level *grown = realloc(walk->levels, room * sizeof(*grown));
        if (!grown)
            return cf_fail(err, -ENOMEM, "out of memory");
        walk->levels = grown;
        walk->room = room;
    }
    if (fstat(extraction->dir_fd, &st) < 0)
        return cf_fail_errno(err, errno, "cannot read %s", CF_QUOTE(extraction->dest));
    walk->levels[walk->count++] = (struct level){.inode = *inode,
                                                 .path_len = extraction->path.len,
                                                 .keep = keep,
                                                 .dev = st.st_dev,
                                                 .ino = st.st_ino};
    return 0;
}

/* Makes or finds directory name of the current one, and enters it. */
static int enter(struct walk *walk, const struct cf_inode *inode, const char *name,
                 struct cf_error *err)
{
    struct extraction *extraction = walk->extraction;
    struct stat st;
    int dir_fd = extraction->dir_fd;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
        unlinkat(dir_fd, name, 0) < 0)
        return cf_fail_errno(err, errno, "cannot replace %s", CF_QUOTE(extraction->path.data));
    if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return cf_fail_errno(err, errno, "cannot make %s", CF_QUOTE(extraction->path.data));
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(extraction->path.data));
    close(dir_fd);
    extraction->dir_fd = fd;
    return push(walk, inode, false, err);
}

/* The directory above, if it still is. */
static int open_above(struct walk *walk, struct cf_error *err)
{
    struct extraction *extraction = walk->extraction;
    const struct level *above = &walk->levels[walk->count - 1];
    struct stat st;
    int fd cf_autoclose = openat(extraction->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != above->dev || st.st_ino != above->ino)
        return cf_fail(err, -ESTALE, "%s was moved while it was written",
                       CF_QUOTE(extraction->dest));
    return CF_TAKE_FD(fd);
}

/* The topmost directory is whole: its metadata, and back to the one above (which is opened first:
 * afterwards the mode may be in the way). */
static int leave(struct walk *walk, struct cf_error *err)
{
    struct extraction *extraction = walk->extraction;
    const struct level *level = &walk->levels[--walk->count];
    int r = 0;
    int above_fd cf_autoclose = walk->count > 0 ? open_above(walk, err) : -1;

    if (walk->count > 0 && above_fd < 0)
        return above_fd;
    extraction->path.len = level->path_len;
    if (extraction->path.data)
        extraction->path.data[level->path_len] = '\0';
    if (!level->keep)
        r = cf_extract_metadata(extraction, extraction->dir_fd, &level->inode, err);
    if (r == 0 && above_fd >= 0) {
        close(extraction->dir_fd);
        extraction->dir_fd = CF_TAKE_FD(above_fd);
    }
    return r;
}

/* The next entry of the topmost directory. */
static int step(struct walk *walk, struct cf_error *err)
{
    struct extraction *extraction = walk->extraction;
    struct level *level = &walk->levels[walk->count - 1];
    struct cf_dirent entry;
    struct cf_inode inode;
    char name[CF_NAME_MAX + 1];
    int r = cf_tree_readdir(extraction->tree, level->inode.nid, level->cookie, &entry);

    if (r == 0)
        return leave(walk, err);
    if (r > 0)
        r = cf_tree_inode(extraction->tree, entry.nid, &inode);
    if (r == 0 && entry.name_len > CF_NAME_MAX)
        r = -EBADMSG;
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the image's tree");
    memcpy(name, entry.name, entry.name_len);
    name[entry.name_len] = '\0';
    level->cookie = entry.next;
    extraction->path.len = level->path_len;
    if ((level->path_len && cf_buf_add_char(&extraction->path, '/') < 0) ||
        cf_buf_add(&extraction->path, name, entry.name_len) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (S_ISDIR(inode.mode))
        return enter(walk, &inode, name, err);
    return cf_extract_one(extraction, &inode, name, err);
}

static int extract_dir(struct extraction *extraction, const struct cf_inode *inode, bool made,
                       struct cf_error *err)
{
    struct walk walk = {.extraction = extraction};
    int r = push(&walk, inode, !made, err);

    while (r == 0 && walk.count > 0)
        r = step(&walk, err);
    free(walk.levels);
    return r;
}

/* The last name of a path; "" for the root. */
static const char *last_name(const char *path, char buffer[CF_NAME_MAX + 1])
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(buffer, CF_NAME_MAX + 1, "%.*s", (int)(len - start), path + start);
    return buffer;
}

int cf_extract(struct cf_store *store, const struct cf_target *target, const char *dest,
               uint64_t *ret_skipped, struct cf_error *err)
{
    struct extraction extraction cf_cleanup(cf_extraction_done) = {.store = store,
                                                                   .tree = target->tree,
                                                                   .dest = dest,
                                                                   .path = CF_BUF_INIT,
                                                                   .dir_fd = -1,
                                                                   .root_fd = -1,
                                                                   .is_root = geteuid() == 0,
                                                                   .is_layer = !target->image};
    char name[CF_NAME_MAX + 1];
    struct cf_inode inode;
    int r = cf_target_find(target, false, &inode, err);

    if (r < 0)
        return r;
    bool made = mkdir(dest, S_ISDIR(inode.mode) ? 0700 : 0777) == 0;
    if (!made && errno != EEXIST)
        return cf_fail_errno(err, errno, "cannot make %s", CF_QUOTE(dest));
    extraction.root_fd = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    extraction.dir_fd = extraction.root_fd < 0 ? -1 : fcntl(extraction.root_fd, F_DUPFD_CLOEXEC, 3);
    if (extraction.dir_fd < 0)
        return cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(dest));
    if (S_ISDIR(inode.mode)) {
        r = extract_dir(&extraction, &inode, made, err);
    } else {
        r = cf_buf_add_str(&extraction.path, last_name(target->path, name));
        r = r < 0 ? cf_fail(err, r, "out of memory")
                  : cf_extract_one(&extraction, &inode, name, err);
    }
    if (r == 0 && ret_skipped)
        *ret_skipped = extraction.skipped;
    return r;
}
