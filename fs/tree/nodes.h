/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the builder share: the shapes of its things in the arena. All references
 * are arena references. An inode is a node; a name is an entry.
 */
#ifndef CLOUDFS_TREE_NODES_H
#define CLOUDFS_TREE_NODES_H

#include <cloudfs/tree.h>

#include "arena.h"
#include "erofs.h"
#include "table.h"

enum {
    NODE_OBJECT = 1,    /* a regular file: data is a digest */
    NODE_SORTED = 2,    /* a directory: its list of entries is in order */
    NODE_HAS_WHITE = 4, /* a directory: a whiteout was added once */
    NODE_HAS_DIRS = 8,  /* a directory: a directory was added once */
};

struct cf_node {
    uint16_t mode;
    uint8_t flags;
    uint8_t touched; /* written by node_touch() only */
    uint32_t uid, gid;
    uint32_t mtime_nsec;
    int64_t mtime_sec;
    uint32_t nlink;  /* as the scan counted it */
    uint32_t scan;   /* number of the scan that saw it last */
    uint32_t entry;  /* its first name in the canonical order, found by the scan; of a directory
                        its only one, always set */
    uint32_t nid;    /* set by the writer */
    uint32_t xattrs; /* list in ascending order of names */
    uint32_t data;   /* digest, inline content, or a symlink's target with a NUL */
    union {
        uint64_t size; /* regular files and symlinks */
        struct {
            uint32_t major, minor;
        } rdev;
    };
};

/*
 * A directory. Entries are never taken out of list and table; a removed one has no node, and
 * comes to life again when its name is added again.
 */
struct dir {
    struct cf_node node;
    uint32_t first, last, count;
    uint32_t blocks, tail; /* set by the writer: full blocks, bytes in the last one */
    struct table table;    /* of entries by the hash of their names, once there are many */
};

enum {
    ENTRY_DIR = 1,
    ENTRY_WHITE = 2,
};

struct entry {
    uint32_t next;
    uint32_t node; /* 0: removed */
    uint32_t dir;  /* that it is in; 0 for the root's */
    uint8_t len;
    uint8_t flags;
    uint8_t touched; /* written by entry_touch() only */
    char name[];
};

struct xattr {
    uint32_t next;
    uint16_t value_len;
    uint8_t index; /* EROFS's, of the prefix */
    uint8_t name_len;
    char name[]; /* full, with a NUL; then the value */
};

struct cf_builder {
    struct arena arena;
    uint32_t root;
    uint32_t scans;   /* number of the last scan */
    uint64_t count;   /* inodes that it counted */
    uint64_t seed[2]; /* of the hash of names */
    struct table_pool pool;
};

/*
 * Call before an entry or a node that may lie anywhere: a store brings in one page, where a load
 * would map 16 pages around it, most of them for nothing.
 */
static inline void entry_touch(struct entry *entry)
{
    *(volatile uint8_t *)&entry->touched = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* no load goes before it */
}

static inline void node_touch(struct cf_node *node)
{
    *(volatile uint8_t *)&node->touched = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* no load goes before it */
}

static inline const char *xattr_value(const struct xattr *xattr)
{
    return xattr->name + xattr->name_len + 1;
}

static inline const char *xattr_rest(const struct xattr *xattr)
{
    return xattr->name + strlen(erofs_xattr_prefix(xattr->index));
}

/* Bytes of the xattrs in EROFS's form, without the header of the body. */
uint32_t node_xattr_len(const struct cf_node *node);

/* Brings a directory's entries into ascending byte order. -ENOSPC, -ENOMEM. */
int dir_sort(struct cf_builder *builder, struct dir *dir);

/*
 * Sorts all directories, counts inodes and links, and finds each inode's first name in the
 * canonical order.
 */
int builder_scan(struct cf_builder *builder);

/*
 * The entry behind cur (the root's to begin with) in the canonical order, or NULL.
 * *ret_up: 0 when it is in the directory cur, 1 when it is beside it, 2 when beside its parent ...
 */
struct entry *entry_next(const struct entry *cur, unsigned *ret_up);

#endif
