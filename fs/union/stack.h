/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack of plain directories in overlayfs's format as a lower side. Nothing is read before it is
 * asked for: a node is made when a name is looked up, and says where its object lies. Nodes that
 * nobody needs any more go with cf_stack_sweep.
 *
 * Numbers: a node's number comes from the disk: (index of the disk << 32) + st_ino, the disks
 * counted in the order of the layers, where that fits; else a hash of both. So it is the
 * same in each mount of the same stack.
 *
 * Callers hold the union's ns, or a node that keeps theirs alive. What is told of a node does not
 * change, but its listing (under lock).
 */
#ifndef CF_UNION_STACK_H
#define CF_UNION_STACK_H

#include "internal.h"

#define CF_STACK_SLOTS 256 /* cached descriptors, beside one for each layer */

struct cf_layer {
    int fd; /* its root, O_PATH */
    dev_t dev;
    const char *override; /* the xattr that holds owner, mode and type; or NULL */
    bool data_only;       /* no names of its own, only content for absolute redirects */
};

/* A place in a layer: at is NULL (the node's name in the parent's part of that layer), another name
 * there, or a path from the layer's root that begins with '/'. */
struct cf_part {
    uint32_t layer;
    char *at; /* heap */
};

struct cf_listing;

struct cf_lnode {
    struct cf_lnode *next;   /* hash chain; lock */
    struct cf_lnode *parent; /* NULL: the root */
    uint64_t nid;
    dev_t dev; /* of the topmost part's object */
    ino_t ino;
    struct cf_part *parts; /* topmost first; of a file: itself, and behind it a metacopy's data */
    uint32_t part_count;
    uint32_t generation;        /* lock; of the last sweep that found it in use */
    struct cf_part one;         /* what parts points to where there is one */
    struct cf_listing *listing; /* lock; NULL: not read yet */
    uint8_t type;               /* S_IFMT bits >> 12 */
    uint8_t name_len;
    char name[];
};

struct cf_lslot {
    const struct cf_lnode *node;
    uint32_t layer;
    int fd;
    uint32_t pins;
    bool used;
};

struct cf_stack {
    struct cf_layer *layers;
    uint32_t layer_count;
    bool user; /* the marks are user.overlay., not trusted.overlay. */
    struct cf_lnode *root;

    pthread_mutex_t lock; /* guards what follows */
    dev_t *disks;
    size_t disk_count;
    struct cf_lnode **buckets;
    size_t bucket_count, node_count;
    size_t sweep_at; /* with so many nodes a sweep is worth its time */
    uint32_t generation;
    struct cf_lslot slots[CF_STACK_SLOTS];
    unsigned hand;
};

/* ---- stack.c: nodes ---- */

struct cf_lnode *cf_stack_node(struct cf_stack *s, uint64_t nid); /* NULL: not there */
static inline bool cf_lnode_is_dir(const struct cf_lnode *node)
{
    return (mode_t)node->type << 12 == S_IFDIR;
}
/* The number that an object gets if no other has it already. */
uint64_t cf_stack_number(struct cf_stack *s, dev_t dev, ino_t ino);
/* Finds or makes the node of what a lookup has found; takes the parts. */
struct cf_lnode_spec {
    struct cf_lnode *parent;
    const char *name;
    size_t len;
    dev_t dev;
    ino_t ino;
    mode_t mode;
    struct cf_part *parts; /* heap */
    uint32_t part_count;
};
int cf_stack_add(struct cf_stack *s, struct cf_lnode_spec *spec, struct cf_lnode **ret_node);
uint64_t cf_stack_root(const struct cf_stack *s);
bool cf_stack_wants_sweep(struct cf_stack *s);
void cf_parts_free(struct cf_part *parts, uint32_t count);
/* Keeps the nodes for which cf_stack_keep was called since cf_stack_sweep_begin, and those above.
 */
/* The lock is held from begin to end. */
void cf_stack_sweep_begin(struct cf_stack *s);
void cf_stack_keep(struct cf_stack *s, uint64_t nid);
void cf_stack_sweep_end(struct cf_stack *s);

/* ---- stack_fd.c: descriptors, bounded whatever the number of nodes ---- */

struct cf_lplace {
    struct cf_stack *s;
    int fd;
    int slot;                   /* index, -1: close fd, -2: borrowed */
    char name[CF_NAME_MAX + 1]; /* "": the descriptor itself */
};
#define CF_LPLACE_INIT   \
    {                    \
        NULL, -1, -2, "" \
    }
#define cf_autolplace cf_cleanup(cf_lplace_done)
void cf_lplace_done(struct cf_lplace *place);
/* The directory that a node has in a layer, as an O_PATH descriptor. */
int cf_stack_dir(struct cf_stack *s, const struct cf_lnode *node, uint32_t layer,
                 struct cf_lplace *ret_place);
/* Where a part of a node lies. */
int cf_stack_place(struct cf_stack *s, const struct cf_lnode *node, uint32_t part,
                   struct cf_lplace *ret_place);
void cf_stack_drop_slots(struct cf_stack *s, const struct cf_lnode *node); /* lock held */

/* ---- stack_mark.c: the marks of lower layers ---- */

struct cf_lmarks {
    mode_t mode; /* type and bits as users see them */
    bool whiteout, opaque, xwhiteouts, metacopy;
    char *redirect; /* heap or NULL; checked */
};
void cf_lmarks_done(struct cf_lmarks *marks);
/* st is what the disk says, and becomes what users see. */
int cf_lmarks_read(const struct cf_stack *s, uint32_t layer, int fd, const char *name,
                   struct stat *st, struct cf_lmarks *ret_marks);
/* What users see of an object's owner, mode and type. */
void cf_lmarks_override(const struct cf_layer *layer, int fd, const char *name, struct stat *st);
/* Which override_stat a layer's root carries, or NULL. */
const char *cf_lmarks_find_override(int fd);
/* ".wh.NAME" as fuse-overlayfs writes where it cannot make devices: the NAME; else NULL. */
const char *cf_lmarks_hidden_name(const char *name);
/* Whether dirfd/name is such a file: empty and regular. */
bool cf_lmarks_is_hidden_file(int dirfd, const char *name);
/* The name that users see for a stored xattr: NULL for none. buffer: room for it. */
const char *cf_lmarks_xattr_shown(const struct cf_stack *s, const struct cf_layer *layer,
                                  const char *stored, char buffer[256]);
/* The n-th spelling under which a shown xattr may be stored: -ENOENT behind the last. */
int cf_lmarks_xattr_stored(const struct cf_stack *s, const struct cf_layer *layer,
                           const char *shown, unsigned n, char buffer[256]);

/* ---- stack_lookup.c ---- */

int cf_stack_find(struct cf_stack *s, uint64_t dir, const char *name, size_t len,
                  uint64_t *ret_nid);
int cf_stack_walk(struct cf_stack *s, const char *path, uint64_t *ret_nid);

/* ---- stack_list.c: the names of a directory, of all its layers ---- */

void cf_listing_free(struct cf_listing *listing);
/* The parts of a merged directory that have the name, topmost first, from *at on (0: start): false
 * behind the last. hidden: a .wh. file says that the name ends there. */
int cf_stack_listing(struct cf_stack *s, struct cf_lnode *node, struct cf_listing **ret_listing);
bool cf_listing_next(const struct cf_listing *listing, const char *name, size_t len, size_t *at,
                     uint32_t *ret_part, bool *ret_hidden);
int cf_stack_readdir(struct cf_stack *s, uint64_t dir, uint64_t cookie,
                     struct cf_dirent *ret_entry);

/* ---- stack_read.c: what lower.c asks of one object ---- */

int cf_stack_stat(struct cf_stack *s, uint64_t nid, struct stat *ret_stat);
int cf_stack_mode(struct cf_stack *s, uint64_t nid, mode_t *ret_mode);
int cf_stack_path(struct cf_stack *s, uint64_t nid, struct cf_buf *ret_path);
int cf_stack_readlink(struct cf_stack *s, uint64_t nid, char ret_target[CF_SYMLINK_MAX + 1]);
int cf_stack_xattr_names(struct cf_stack *s, uint64_t nid, struct cf_buf *ret_names);
int cf_stack_xattr_value(struct cf_stack *s, uint64_t nid, const char *name,
                         struct cf_buf *ret_value);
int cf_stack_open_content(struct cf_stack *s, uint64_t nid);
int cf_stack_statfs(const struct cf_stack *s, struct statvfs *ret_statfs);

#endif
