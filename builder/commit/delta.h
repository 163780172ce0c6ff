/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an upper changes: a walk of the upper that compares what a mount shows with what its image
 * has at the same path, and puts the difference into a builder. Not public.
 *
 * The difference depends on the image and on what is shown, never on how it came about: a
 * directory that was removed and made again is compared name by name (whiteouts, no opaque marks),
 * a renamed one is new at its new place, and what equals the image's is left out.
 */
#ifndef CF_COMMIT_DELTA_H
#define CF_COMMIT_DELTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/commit.h>
#include <cloudfs/nid_set.h>
#include <cloudfs/tree.h>
#include <cloudfs/union.h>

struct memo; /* memo.h */

/* A regular file of the upper whose content is still to be read (it is larger than CF_INLINE_MAX).
 */
struct delta_file {
    struct cf_node *node;
    size_t path;             /* offset in delta->paths; below the upper, or in work/index */
    bool indexed;            /* it is work/index/<path> */
    bool linked;             /* has other names, so it must not be moved */
    bool has_lower;          /* the image has a file there, with an object of that size */
    bool hashed;             /* digest is known, and the content is on the disk */
    bool stored;             /* its object is in the store */
    struct cf_digest lower;  /* of that */
    struct cf_digest digest; /* once it was read */
    size_t change;           /* its place in delta->changes until sorted; SIZE_MAX: none */
    uint64_t size;
    dev_t dev;
    ino_t ino;
    struct timespec ctime; /* as it was when it was found */
};

struct delta_group; /* the names of one inode */
struct delta_frame;

struct delta {
    /* Set by the caller. */
    struct cf_store *store;
    const struct cf_tree *tree; /* of the image */
    int upper_fd, work_fd;
    bool user;         /* format of the upper */
    bool only_changes; /* the list of changes, no builder */
    bool has_clamp;
    int64_t clamp_sec;
    const struct memo *memo; /* what is known from before; or NULL */

    /* Made by the walk; freed by cf_delta_done. */
    struct cf_builder *builder;
    struct cf_changes changes;
    struct delta_file *files; /* in the order of the walk */
    size_t file_count, file_room;
    struct cf_buf paths; /* NUL-terminated, of the files */

    /* Of the walk itself. */
    struct delta_frame *frames;
    size_t frame_count, frame_room;
    int dir_fd; /* of the topmost frame that has an upper directory */
    struct cf_buf path;
    struct delta_group *groups;
    size_t group_count, group_room;
    struct cf_nid_set indexed; /* lower hard links whose inode is in work/index */
    struct cf_nid_set visit;   /* image directories that have names of them below */
    struct cf_nid_set whole;   /* inodes of which every name is to be shipped */
    int index_fd;
};

/* Walks. The upper must not change meanwhile. */
int cf_delta_walk(struct delta *delta, struct cf_error *err);
void cf_delta_done(struct delta *delta);

/* ---- delta_entry.c: one thing that the mount shows ---- */

#define DELTA_NONE UINT64_MAX /* no nid */

struct delta_entry {
    int fd;           /* directory and name where it lies in the upper; fd -1: it is the image's */
    const char *name; /* "" for fd itself */
    bool indexed;
    struct cf_upper_entry upper;
    uint64_t nid;          /* the image's inode that is shown, or that gives a metacopy's content */
    struct cf_inode inode; /* as it will be shipped, but for clamping */
    struct cf_buf xattrs;  /* packed, stored spellings, ascending */
    struct cf_buf target;  /* of a symlink */
    struct cf_buf data;    /* content of up to CF_INLINE_MAX bytes */
    bool has_digest;       /* of larger content that is in the store */
    bool hashed;           /* of larger content that is only in the upper */
    struct cf_digest digest;
};
void cf_delta_entry_done(struct delta_entry *entry);
/*
 * Reads what is at fd/name: 1; 0: nothing of the kind that layers hold (a whiteout, a socket; with
 * a warning for that). source: the image's directory that a metacopy's content is looked for in.
 */
int cf_delta_read_upper(struct delta *delta, int fd, const char *name, uint64_t source,
                        const char *shown_name, struct delta_entry *ret_entry,
                        struct cf_error *err);
int cf_delta_read_lower(struct delta *delta, uint64_t nid, struct delta_entry *ret_entry,
                        struct cf_error *err);
/* Whether the entry equals the image's nid. content: 1 equal, 0 not, -1 not looked at (it would
 * have to be read, and the metadata differs anyhow). */
int cf_delta_compare(struct delta *delta, const struct delta_entry *entry, uint64_t nid,
                     bool *ret_same, int *ret_content, struct cf_error *err);
/* Makes the node under name, with all but content that is still to be read. */
int cf_delta_make_node(struct delta *delta, struct cf_node *dir, const char *name,
                       const struct delta_entry *entry, struct cf_node **ret_node,
                       struct cf_error *err);
/* Sets metadata and xattrs of a node that is there (the root). */
int cf_delta_dress_node(struct delta *delta, struct cf_node *node, const struct delta_entry *entry,
                        struct cf_error *err);

#endif
