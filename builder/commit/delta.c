/* SPDX-License-Identifier: Apache-2.0 */
#include "delta.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

/* A directory below the one at hand that is still to be walked. */
struct pending {
    struct pending *next;
    bool upper; /* the upper has it */
    struct delta_entry entry;
    uint64_t lower, source;
    char name[];
};

/*
 * One directory of the walk. lower: the image's directory at this path, which the result is
 * compared with. source: the image's directory whose names show through here: the same one,
 * another's (redirect), or none (a new or opaque directory).
 */
struct delta_frame {
    struct delta_entry entry; /* of the directory itself */
    char *name;
    bool upper;
    uint64_t lower, source;
    struct cf_node *node; /* once it is in the builder */
    struct pending *pending;
    size_t path_len; /* of delta->path, up to and with this directory */
    dev_t dev;
    ino_t ino;
};

struct delta_group {
    uint64_t key; /* inode number in the upper, or nid with the topmost bit set; 0: free */
    struct cf_node *node;
    uint64_t equal_nid; /* of the image's inode that the names left out so far equal */
    bool equal, made, torn;
};
#define LOWER_KEY (1ull << 63)

static struct delta_frame *top(struct delta *delta)
{
    return &delta->frames[delta->frame_count - 1];
}

static int set_path(struct delta *delta, size_t dir_len, const char *name)
{
    delta->path.len = dir_len;
    int r = dir_len ? cf_buf_add_char(&delta->path, '/') : 0;
    return r == 0 ? cf_buf_add_str(&delta->path, name) : r;
}

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static int add_change(struct delta *delta, char kind, const struct cf_inode *inode, bool meta_only,
                      struct cf_error *err)
{
    struct cf_change change = {.kind = kind,
                               .meta_only = meta_only,
                               .is_dir = S_ISDIR(inode->mode),
                               .size = S_ISREG(inode->mode) ? inode->size : 0};
    const char *path = delta->path.len ? delta->path.data : ".";

    return cf_changes_add(&delta->changes, &change, path, strlen(path)) < 0 ? no_memory(err) : 0;
}

/* ---- directories in the builder ---- */

/* The builder's node of a frame, with those of all directories above it. */
static int ensure(struct delta *delta, size_t frame, struct cf_node **ret_node,
                  struct cf_error *err)
{
    size_t first = frame;

    while (first > 0 && !delta->frames[first].node && !delta->frames[first - 1].node)
        first--;
    for (size_t i = first; i <= frame && !delta->only_changes; i++) {
        struct delta_frame *at = &delta->frames[i];
        if (at->node)
            continue;
        int r = cf_delta_make_node(delta, i ? delta->frames[i - 1].node : NULL, at->name,
                                   &at->entry, &at->node, err);
        if (r < 0)
            return r;
    }
    *ret_node = delta->frames[frame].node;
    return 0;
}

/* ---- names of one inode ---- */

static struct delta_group *find_group(struct delta_group *groups, size_t room, uint64_t key)
{
    size_t at = (size_t)(key * 11400714819323198485u >> 16) & (room - 1);

    while (groups[at].key && groups[at].key != key)
        at = (at + 1) & (room - 1);
    return &groups[at];
}

static struct delta_group *group_of(struct delta *delta, uint64_t key)
{
    if (delta->group_count * 2 >= delta->group_room) {
        size_t room = delta->group_room ? delta->group_room * 2 : 16;
        struct delta_group *grown = calloc(room, sizeof(*grown));
        if (!grown)
            return NULL;
        for (size_t i = 0; i < delta->group_room; i++)
            if (delta->groups[i].key)
                *find_group(grown, room, delta->groups[i].key) = delta->groups[i];
        free(delta->groups);
        delta->groups = grown;
        delta->group_room = room;
    }
    struct delta_group *group = find_group(delta->groups, delta->group_room, key);
    delta->group_count += !group->key;
    group->key = key;
    return group;
}

/* The key of what may have several names; 0 for one name. */
static uint64_t link_key(const struct delta_entry *entry)
{
    if (entry->fd < 0)
        return entry->inode.nlink > 1 ? entry->nid | LOWER_KEY : 0;
    return entry->indexed || entry->upper.attr.st_nlink > 1 ? entry->upper.attr.st_ino : 0;
}

/*
 * A name that equals the image's is left out if all names of its inode are, and mean one inode of
 * the image; else the walk is done again with all of them. True: leave it out.
 */
static bool may_leave_out(struct delta *delta, struct delta_group *group, uint64_t nid)
{
    if (!group)
        return true;
    if (cf_nid_set_has(&delta->whole, group->key))
        return false;
    if (group->equal && group->equal_nid != nid)
        group->torn = true;
    group->equal = true;
    group->equal_nid = nid;
    return true;
}

/* ---- what is no directory ---- */

static int add_file(struct delta *delta, struct cf_node *node, const struct delta_entry *entry,
                    const char *name, uint64_t lower, bool told, struct cf_error *err)
{
    struct cf_content content;
    const struct stat *st = &entry->upper.attr;

    if (delta->file_count == delta->file_room) {
        size_t room = delta->file_room ? delta->file_room * 2 : 64;
        struct delta_file *grown = realloc(delta->files, room * sizeof(*grown));
        if (!grown)
            return no_memory(err);
        delta->files = grown;
        delta->file_room = room;
    }
    struct delta_file *file = &delta->files[delta->file_count];
    *file = (struct delta_file){.node = node,
                                .path = delta->paths.len,
                                .indexed = entry->indexed,
                                .linked = st->st_nlink > 1,
                                .change = told ? delta->changes.count - 1 : SIZE_MAX,
                                .hashed = entry->hashed,
                                .digest = entry->digest,
                                .size = entry->inode.size,
                                .dev = st->st_dev,
                                .ino = st->st_ino,
                                .ctime = st->st_ctim};
    const char *path = entry->indexed ? name : delta->path.data;
    if (cf_buf_add(&delta->paths, path, strlen(path) + 1) < 0)
        return no_memory(err);
    delta->file_count++;
    if (lower != DELTA_NONE && cf_tree_content(delta->tree, lower, &content) == 0 &&
        content.kind == CF_CONTENT_OBJECT && content.size == file->size) {
        file->has_lower = true;
        file->lower = content.digest;
    }
    return 0;
}

static int ship(struct delta *delta, const char *name, const struct delta_entry *entry,
                uint64_t lower, struct delta_group *group, bool told, struct cf_error *err)
{
    struct cf_node *dir = NULL, *node = NULL;
    int r = ensure(delta, delta->frame_count - 1, &dir, err);

    if (r < 0 || delta->only_changes)
        return r;
    if (group && group->node) {
        r = cf_node_link(delta->builder, dir, name, strlen(name), group->node);
        return r < 0 ? cf_fail_errno(err, -r, "cannot keep %s", CF_QUOTE(name)) : 0;
    }
    r = cf_delta_make_node(delta, dir, name, entry, &node, err);
    if (r == 0 && group)
        group->node = node;
    if (r == 0 && S_ISREG(entry->inode.mode) && entry->inode.size > CF_INLINE_MAX &&
        !entry->has_digest)
        r = add_file(delta, node, entry, entry->indexed ? entry->name : name, lower, told, err);
    return r;
}

static int put_whiteout(struct delta *delta, const char *name, uint64_t lower, struct cf_error *err)
{
    const struct cf_inode whiteout = {.mode = S_IFCHR, .nlink = 1};
    struct cf_inode inode;
    struct cf_node *dir = NULL, *node = NULL;
    int r = cf_tree_inode(delta->tree, lower, &inode);

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the tree of the mount's image");
    r = add_change(delta, 'D', &inode, false, err);
    if (r == 0)
        r = ensure(delta, delta->frame_count - 1, &dir, err);
    if (r < 0 || delta->only_changes)
        return r;
    r = cf_node_add(delta->builder, dir, name, strlen(name), &whiteout, &node);
    return r < 0 ? cf_fail_errno(err, -r, "cannot keep %s", CF_QUOTE(name)) : 0;
}

static int queue_dir(struct delta *delta, const char *name, struct delta_entry *entry, bool upper,
                     uint64_t lower, uint64_t source, struct cf_error *err)
{
    struct pending *pending = calloc(1, sizeof(*pending) + strlen(name) + 1);

    if (!pending)
        return no_memory(err);
    memcpy(pending->name, name, strlen(name) + 1);
    pending->entry = *entry;
    *entry = (struct delta_entry){0};
    pending->upper = upper;
    pending->lower = lower;
    pending->source = source;
    pending->next = top(delta)->pending;
    top(delta)->pending = pending;
    return 0;
}

/* One thing that is shown under name; lower: what the image has there, or DELTA_NONE. */
static int place(struct delta *delta, const char *name, struct delta_entry *entry, uint64_t lower,
                 struct cf_error *err)
{
    bool same = false;
    int content = 0;
    uint64_t key = S_ISDIR(entry->inode.mode) ? 0 : link_key(entry);
    struct delta_group *group = key ? group_of(delta, key) : NULL;
    int r = key && !group ? no_memory(err) : 0;

    if (r == 0 && lower != DELTA_NONE)
        r = cf_delta_compare(delta, entry, lower, &same, &content, err);
    if (r < 0 || (same && may_leave_out(delta, group, lower)))
        return r;
    if (group)
        group->made = true;
    /* An equal one that its fellows need is no change to tell of. */
    if (!same)
        r = add_change(delta, lower == DELTA_NONE ? 'A' : 'C', &entry->inode, content == 1, err);
    if (r == 0 && !S_ISDIR(entry->inode.mode))
        r = ship(delta, name, entry, lower, group, !same, err);
    return r;
}

/* The same of a directory, which is queued to be walked. */
static int place_dir(struct delta *delta, const char *name, struct delta_entry *entry, bool upper,
                     uint64_t lower, uint64_t source, struct cf_error *err)
{
    struct cf_inode inode;
    size_t before = delta->changes.count;
    int r = place(delta, name, entry, lower, err);

    if (r == 0 && lower != DELTA_NONE) {
        r = cf_tree_inode(delta->tree, lower, &inode);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot read the tree of the mount's image");
        if (!S_ISDIR(inode.mode))
            lower = DELTA_NONE; /* the image has something else there, which this replaces */
    }
    if (r == 0 && delta->changes.count > before) {
        /* Shipped for itself, even if nothing below it is. */
        struct cf_node *dir = NULL, *node = NULL;
        r = ensure(delta, delta->frame_count - 1, &dir, err);
        if (r == 0 && !delta->only_changes)
            r = cf_delta_make_node(delta, dir, name, entry, &node, err);
    }
    return r < 0 ? r : queue_dir(delta, name, entry, upper, lower, source, err);
}

/* ---- names of a directory ---- */

static uint64_t lookup(const struct delta *delta, uint64_t dir, const char *name)
{
    uint64_t nid = 0;
    return dir != DELTA_NONE &&
                   cf_tree_lookup(delta->tree, dir, name, strlen(name), &nid, NULL) == 0
               ? nid
               : DELTA_NONE;
}

static bool is_dir(const struct delta *delta, uint64_t nid)
{
    struct cf_inode inode;
    return nid != DELTA_NONE && cf_tree_inode(delta->tree, nid, &inode) == 0 && S_ISDIR(inode.mode);
}

/* The image's directory that shows through an upper one; -EINVAL for a redirect that is none. */
static int find_source(struct delta *delta, const char *name, const struct delta_entry *entry,
                       uint64_t *ret_source)
{
    const char *redirect = entry->upper.redirect;
    uint64_t nid = DELTA_NONE;
    int r = 0;

    if (!entry->upper.opaque && redirect && *redirect == '/')
        r = cf_tree_walk(delta->tree, redirect, &nid);
    else if (!entry->upper.opaque)
        nid = lookup(delta, top(delta)->source, redirect ? redirect : name);
    /* As overlayfs has it: a redirect to nothing is a directory of its own. */
    if (r < 0 && r != -ENOENT && r != -ENOTDIR)
        return r;
    *ret_source = r == 0 && is_dir(delta, nid) ? nid : DELTA_NONE;
    return 0;
}

static int check_name(const struct delta *delta, const char *name, struct cf_error *err)
{
    if (strncmp(name, ".wh.", 4) != 0)
        return 0;
    return cf_fail(err, -EINVAL,
                   "%s: names that begin with .wh. mean something else in layers: rename it",
                   CF_QUOTE(delta->path.data));
}

/* A name that the upper directory has. */
static int visit_upper(struct delta *delta, const char *name, struct cf_error *err)
{
    struct delta_entry entry cf_cleanup(cf_delta_entry_done) = {.nid = DELTA_NONE};
    struct delta_frame *frame = top(delta);
    uint64_t lower = lookup(delta, frame->lower, name), source = DELTA_NONE;

    if (set_path(delta, frame->path_len, name) < 0)
        return no_memory(err);
    int r = cf_delta_read_upper(delta, delta->dir_fd, name, frame->source, name, &entry, err);
    if (r == 0) /* nothing to ship: then what the image has is gone */
        return lower != DELTA_NONE ? put_whiteout(delta, name, lower, err) : 0;
    if (r > 0)
        r = check_name(delta, name, err);
    if (r < 0)
        return r;
    if (!S_ISDIR(entry.inode.mode))
        return place(delta, name, &entry, lower, err);
    r = find_source(delta, name, &entry, &source);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot follow the redirect of %s",
                             CF_QUOTE(delta->path.data));
    return place_dir(delta, name, &entry, true, lower, source, err);
}

/* Reads what the index has for a lower hard link. 1: it does. */
static int read_indexed(struct delta *delta, uint64_t nid, char name[17], struct delta_entry *entry,
                        struct cf_error *err)
{
    if (!cf_nid_set_has(&delta->indexed, nid))
        return 0;
    snprintf(name, 17, "%016llx", (unsigned long long)nid);
    entry->nid = nid;
    int r = cf_delta_read_upper(delta, delta->index_fd, name, DELTA_NONE, name, entry, err);
    entry->indexed = true;
    return r;
}

/* A name of the image that shows through, and that the upper directory has not. */
static int visit_source(struct delta *delta, const char *name, uint64_t nid, struct cf_error *err)
{
    struct delta_entry entry cf_cleanup(cf_delta_entry_done) = {.nid = DELTA_NONE};
    struct delta_frame *frame = top(delta);
    uint64_t lower = lookup(delta, frame->lower, name);
    char indexed[17];

    if (set_path(delta, frame->path_len, name) < 0)
        return no_memory(err);
    int r = read_indexed(delta, nid, indexed, &entry, err);
    if (r == 0) {
        cf_delta_entry_done(&entry);
        entry = (struct delta_entry){.nid = DELTA_NONE};
        r = cf_delta_read_lower(delta, nid, &entry, err);
    }
    if (r < 0)
        return r;
    if (!S_ISDIR(entry.inode.mode))
        return place(delta, name, &entry, lower, err);
    return place_dir(delta, name, &entry, false, lower, nid, err);
}

/* Whether the upper directory at hand has the name. */
static bool in_upper(const struct delta *delta, const char *name)
{
    struct stat st;
    return top((struct delta *)delta)->upper &&
           fstatat(delta->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The next name of one of the image's directories, as a string: 1; 0 at the end. */
static int next_lower(const struct delta *delta, uint64_t dir, uint64_t *cookie,
                      struct cf_dirent *entry, char name[CF_NAME_MAX + 1])
{
    int r = cf_tree_readdir(delta->tree, dir, *cookie, entry);

    if (r <= 0)
        return r;
    if (entry->name_len > CF_NAME_MAX)
        return -EBADMSG;
    memcpy(name, entry->name, entry->name_len);
    name[entry->name_len] = '\0';
    *cookie = entry->next;
    return 1;
}

/* Whether a name of a directory that the image has at the very same place can matter. */
static bool can_matter(const struct delta *delta, const struct cf_dirent *entry)
{
    return cf_nid_set_has(&delta->indexed, entry->nid) || cf_nid_set_has(&delta->visit, entry->nid);
}

static int visit_sources(struct delta *delta, struct cf_error *err)
{
    uint64_t source = top(delta)->source, cookie = 0;
    bool same = source == top(delta)->lower;
    char name[CF_NAME_MAX + 1];
    struct cf_dirent entry;
    int r = 1;

    if (source == DELTA_NONE || (same && !cf_nid_set_has(&delta->visit, source)))
        return 0;
    while (r > 0 && (r = next_lower(delta, source, &cookie, &entry, name)) > 0) {
        if ((same && !can_matter(delta, &entry)) || in_upper(delta, name))
            continue;
        r = visit_source(delta, name, entry.nid, err);
        if (r < 0)
            return r;
        r = 1;
    }
    return r < 0 ? cf_fail_errno(err, -r, "cannot read the tree of the mount's image") : 0;
}

/* Names that the image has here, and that neither the upper nor the source show. */
static int visit_losses(struct delta *delta, struct cf_error *err)
{
    uint64_t lower = top(delta)->lower, source = top(delta)->source, cookie = 0;
    char name[CF_NAME_MAX + 1];
    struct cf_dirent entry;
    int r = 1;

    if (lower == DELTA_NONE || lower == source)
        return 0;
    while (r > 0 && (r = next_lower(delta, lower, &cookie, &entry, name)) > 0) {
        if (in_upper(delta, name) || lookup(delta, source, name) != DELTA_NONE)
            continue;
        if (set_path(delta, top(delta)->path_len, name) < 0)
            return no_memory(err);
        r = put_whiteout(delta, name, entry.nid, err);
        if (r < 0)
            return r;
        r = 1;
    }
    return r < 0 ? cf_fail_errno(err, -r, "cannot read the tree of the mount's image") : 0;
}

static int visit_uppers(struct delta *delta, struct cf_error *err)
{
    int fd = openat(delta->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int r = 0;

    if (!dir) {
        r = cf_fail_errno(err, errno, "cannot read the upper directory");
        if (fd >= 0)
            close(fd);
        return r;
    }
    errno = 0;
    while (r == 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = visit_upper(delta, entry->d_name, err);
        errno = 0;
    }
    return r == 0 && errno ? cf_fail_errno(err, errno, "cannot read the upper directory") : r;
}

/* ---- the walk ---- */

static void frame_done(struct delta_frame *frame)
{
    while (frame->pending) {
        struct pending *next = frame->pending->next;
        cf_delta_entry_done(&frame->pending->entry);
        free(frame->pending);
        frame->pending = next;
    }
    cf_delta_entry_done(&frame->entry);
    free(frame->name);
}

static int push(struct delta *delta, struct delta_frame *frame, struct cf_error *err)
{
    struct stat st;

    if (delta->frame_count == delta->frame_room) {
        size_t room = delta->frame_room ? delta->frame_room * 2 : 16;
        struct delta_frame *grown = realloc(delta->frames, room * sizeof(*grown));
        if (!grown)
            return no_memory(err);
        delta->frames = grown;
        delta->frame_room = room;
    }
    if (frame->upper) {
        if (fstat(delta->dir_fd, &st) < 0)
            return cf_fail_errno(err, errno, "cannot read the upper directory");
        frame->dev = st.st_dev;
        frame->ino = st.st_ino;
    }
    delta->frames[delta->frame_count++] = *frame;
    *frame = (struct delta_frame){0};
    int r = top(delta)->upper ? visit_uppers(delta, err) : 0;
    if (r == 0)
        r = visit_sources(delta, err);
    return r == 0 ? visit_losses(delta, err) : r;
}

static int enter(struct delta *delta, struct cf_error *err)
{
    struct pending *pending = top(delta)->pending;
    size_t above = top(delta)->path_len;
    struct delta_frame frame = {
        .upper = pending->upper, .lower = pending->lower, .source = pending->source};
    int r = 0;

    top(delta)->pending = pending->next;
    frame.name = strdup(pending->name);
    frame.entry = pending->entry;
    if (!frame.name || set_path(delta, above, pending->name) < 0)
        r = no_memory(err);
    frame.path_len = delta->path.len;
    /* A directory that was shipped for itself has its node already. */
    if (r == 0 && !delta->only_changes && top(delta)->node)
        frame.node =
            cf_node_child(delta->builder, top(delta)->node, frame.name, strlen(frame.name));
    if (r == 0 && frame.upper) {
        int fd = openat(delta->dir_fd, frame.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            r = cf_fail_errno(err, errno, "cannot open %s of the upper directory",
                              CF_QUOTE(delta->path.data));
        else {
            close(delta->dir_fd);
            delta->dir_fd = fd;
        }
    }
    free(pending);
    if (r == 0)
        r = push(delta, &frame, err);
    frame_done(&frame);
    return r;
}

static int leave(struct delta *delta, struct cf_error *err)
{
    struct delta_frame *frame = top(delta);
    bool upper = frame->upper;
    struct stat st;

    frame_done(frame);
    delta->frame_count--;
    if (delta->frame_count == 0 || !upper)
        return 0;
    int fd cf_autoclose = openat(delta->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != top(delta)->dev ||
        st.st_ino != top(delta)->ino)
        return cf_fail(err, -ESTALE, "the upper directory was changed while it was read");
    close(delta->dir_fd);
    delta->dir_fd = CF_TAKE_FD(fd);
    return 0;
}

static int walk_once(struct delta *delta, struct cf_error *err)
{
    uint64_t root = cf_tree_root(delta->tree);
    struct delta_frame frame = {.upper = true, .lower = root, .source = root};
    size_t before = delta->changes.count;

    frame.entry.nid = DELTA_NONE;
    delta->dir_fd = openat(delta->upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (delta->dir_fd < 0)
        return cf_fail_errno(err, errno, "cannot read the upper directory");
    int r = cf_delta_read_upper(delta, delta->upper_fd, "", root, ".", &frame.entry, err);
    frame.name = strdup("");
    if (r >= 0)
        r = frame.name ? place(delta, "", &frame.entry, root, err) : no_memory(err);
    if (r == 0 && delta->changes.count > before && !delta->only_changes)
        r = cf_delta_make_node(delta, NULL, "", &frame.entry, &frame.node, err);
    if (r == 0)
        r = push(delta, &frame, err);
    frame_done(&frame);
    while (r == 0 && delta->frame_count > 0)
        r = top(delta)->pending ? enter(delta, err) : leave(delta, err);
    return r;
}

/* ---- hard links of the image that were copied up ---- */

/* Which nids work/index has: those whose names are still partly the image's. */
static int read_index(struct delta *delta, struct cf_error *err)
{
    struct dirent *entry;

    if (delta->work_fd < 0)
        return 0;
    delta->index_fd = openat(delta->work_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (delta->index_fd < 0)
        return errno == ENOENT ? 0 : cf_fail_errno(err, errno, "cannot read work/index");
    int fd = openat(delta->index_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = cf_fail_errno(err, errno, "cannot read work/index");
        if (fd >= 0)
            close(fd);
        return r;
    }
    while ((entry = readdir(dir))) {
        char *end = NULL;
        unsigned long long nid = strtoull(entry->d_name, &end, 16);
        if (strlen(entry->d_name) == 16 && !*end &&
            cf_nid_set_add(&delta->indexed, (uint64_t)nid) < 0)
            return no_memory(err);
    }
    return 0;
}

/* Where in the image the names of those inodes are: the one step that reads all of its tree. */
static int find_indexed(struct delta *delta, struct cf_error *err)
{
    int r = cf_tree_find_names(delta->tree, &delta->indexed, &delta->visit);

    return r < 0 ? cf_fail_errno(err, -r, "cannot read the tree of the mount's image") : 0;
}

/* ---- all of it ---- */

/* Notes the inodes of which some names were shipped and others left out. 1: there are some. */
static int note_torn(struct delta *delta, struct cf_error *err)
{
    int found = 0;

    for (size_t i = 0; i < delta->group_room; i++) {
        const struct delta_group *group = &delta->groups[i];
        if (!group->key || !group->equal || !(group->made || group->torn))
            continue;
        if (cf_nid_set_add(&delta->whole, group->key) < 0)
            return no_memory(err);
        found = 1;
    }
    return found;
}

static void forget_walk(struct delta *delta)
{
    while (delta->frame_count > 0)
        frame_done(&delta->frames[--delta->frame_count]);
    if (delta->dir_fd >= 0)
        close(delta->dir_fd);
    delta->dir_fd = -1;
    free(delta->groups);
    delta->groups = NULL;
    delta->group_count = delta->group_room = 0;
    delta->path.len = 0;
}

static int start_again(struct delta *delta, struct cf_error *err)
{
    forget_walk(delta);
    cf_changes_done(&delta->changes);
    cf_buf_clear(&delta->paths);
    delta->file_count = 0;
    cf_builder_free(delta->builder);
    delta->builder = NULL;
    return delta->only_changes
               ? 0
               : cf_builder_new(cf_store_tmp_fd(delta->store), &delta->builder, err);
}

int cf_delta_walk(struct delta *delta, struct cf_error *err)
{
    int again = 1;

    delta->dir_fd = delta->index_fd = -1;
    int r = read_index(delta, err);
    if (r == 0)
        r = find_indexed(delta, err);
    while (r == 0 && again > 0) {
        r = start_again(delta, err);
        if (r == 0)
            r = walk_once(delta, err);
        if (r == 0)
            r = again = note_torn(delta, err);
        if (r > 0)
            r = 0;
    }
    forget_walk(delta);
    return r;
}

void cf_delta_done(struct delta *delta)
{
    forget_walk(delta);
    cf_builder_free(delta->builder);
    cf_changes_done(&delta->changes);
    free(delta->files);
    free(delta->frames);
    cf_buf_done(&delta->paths);
    cf_buf_done(&delta->path);
    cf_nid_set_done(&delta->indexed);
    cf_nid_set_done(&delta->visit);
    cf_nid_set_done(&delta->whole);
    if (delta->index_fd >= 0)
        close(delta->index_fd);
}
