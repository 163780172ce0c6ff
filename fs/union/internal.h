/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of fs/union share: the node table, places, and the locks.
 *
 * Locks, in the order in which they are taken:
 *   gate      (gate.c) changes hold it shared, a freeze keeps them out
 *   stripe    (by inode) content of one file: copying its data up, changing its attributes
 *   ns        the names and what is known of each node: shared to look, exclusive to change
 *   table     hash chains and counts of nodes; never held over a system call that can block long
 *   dirfds    the cache of directory descriptors
 * File data is read and written outside ns.
 */
#ifndef CF_UNION_INTERNAL_H
#define CF_UNION_INTERNAL_H

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>
#include <cloudfs/tree.h>
#include <cloudfs/union.h>

#define CF_ACL_ACCESS "system.posix_acl_access"
#define CF_ACL_DEFAULT "system.posix_acl_default"
#define CF_NID_NONE UINT64_MAX
#define CF_DIRFD_MAX 256
#define CF_STRIPES 64

enum cf_vnode_flag {
    CF_VN_UPPER = 1 << 0,     /* it is in the upper, or in the index */
    CF_VN_INDEXED = 1 << 1,   /* a lower hard link, reached through work/index */
    CF_VN_HEAP_NAME = 1 << 2, /* name is on the heap, else in the tree's mapping */
    CF_VN_DELETED = 1 << 3,   /* has no name any more; extra->fd reaches it if it is upper */
};

/* A further name of a hard-linked upper inode. */
struct cf_alias {
    struct cf_alias *next;
    struct cf_vnode *parent; /* pinned */
    size_t len;
    char name[];
};

struct cf_extra {
    int fd;                   /* of a node without a name, else -1 */
    struct cf_alias *aliases; /* table */
};

/* One cached inode: 80 bytes. */
struct cf_vnode {
    struct cf_vnode *next;   /* hash chain; table */
    struct cf_vnode *parent; /* pinned; NULL for the root and for what has no name; ns */
    const char *name;        /* ns */
    uint64_t ino;            /* key of the table; never changes */
    uint64_t nid;            /* of the merged lower directory, of the lower file; CF_NID_NONE; ns */
    uint64_t refs;           /* references that the union's user holds; table */
    struct cf_extra *extra;  /* NULL in most; ns, its aliases: table */
    uint32_t pins;           /* children, open files, running calls; table */
    _Atomic uint32_t version; /* of where the content lies: changes with each copy-up */
    uint16_t slot;            /* dirfds: 1 + index of its cached descriptor, or 0 */
    uint8_t flags;            /* enum cf_vnode_flag; ns */
    uint8_t name_len;         /* ns */
    uint8_t type;             /* S_IFMT bits >> 12 */
    atomic_bool stale;        /* see cf_file_set_stale */
    atomic_bool plain;        /* born here, and nobody gave it a capability or an ACL */
    atomic_bool fetched;      /* see cf_union_prefetch */
};

struct cf_dirslot {
    struct cf_vnode *node;
    int fd;
    uint32_t pins;
    bool used;   /* since the clock's hand came by */
    uint8_t acl; /* whether the directory has a default ACL: 0 unknown, 1 no, 2 yes */
};

struct cf_union {
    const struct cf_tree *lower;              /* or NULL, and */
    struct cf_stack *stack;                   /* this instead */
    int objects_fd;                           /* borrowed */
    int upper_fd, work_fd, index_fd, lock_fd; /* ours; -1 when read-only */
    bool user;                                /* user.overlay. and override_stat */
    bool read_only;
    bool no_sync;
    bool real_owners; /* with user: as root of a user namespace */
    uid_t uid;        /* of this process */

    cf_union_changed_fn *changed; /* or NULL; see cf_union_set_changed */
    void *changed_context;

    pthread_rwlock_t ns;

    pthread_mutex_t table;
    struct cf_vnode **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    struct cf_vnode *root;

    pthread_mutex_t dirfds;
    struct cf_dirslot slots[CF_DIRFD_MAX];
    unsigned hand;

    pthread_mutex_t gate;
    pthread_cond_t gate_open;
    unsigned active; /* changes that run */
    bool frozen;

    pthread_mutex_t stripes[CF_STRIPES];
    _Atomic uint64_t epoch; /* grows with each thaw */
    _Atomic uint64_t temp_count;
    _Atomic bool index_used; /* work/index may have entries */
};

/* ---- node.c: the table ---- */

int cf_table_init(struct cf_union *u);
void cf_table_done(struct cf_union *u);
/* Hands the lower number of each node that has one to fn. */
void cf_table_each_lower(struct cf_union *u, void (*fn)(struct cf_stack *s, uint64_t nid));
/* The node of that number, pinned, or NULL. */
struct cf_vnode *cf_vnode_get(struct cf_union *u, uint64_t ino);
void cf_vnode_pin(struct cf_union *u, struct cf_vnode *node);
void cf_vnode_put(struct cf_union *u, struct cf_vnode *node);
void cf_vnode_put_ptr(struct cf_vnode **node); /* for cf_autonode */
void cf_vnode_ref(struct cf_union *u, struct cf_vnode *node);
bool cf_vnode_is_busy(struct cf_union *u, struct cf_vnode *node); /* beyond one pin of the caller */
static inline mode_t cf_vnode_type(const struct cf_vnode *node)
{
    return (mode_t)node->type << 12;
}
static inline bool cf_vnode_is_dir(const struct cf_vnode *node)
{
    return cf_vnode_type(node) == S_IFDIR;
}
/* What users see as st_ino. */
uint64_t cf_vnode_shown_ino(const struct cf_union *u, const struct cf_vnode *node);

/* Finds or makes the node of a number with this name; pinned. -EEXIST: the number belongs to
 * another object, *ret_node is that (pinned). */
struct cf_vnode_spec {
    uint64_t ino, nid;
    struct cf_vnode *parent;
    const char *name;
    size_t len;
    bool heap; /* copy the name; else it stays where it is */
    uint8_t flags;
    mode_t mode;
};
int cf_vnode_add(struct cf_union *u, const struct cf_vnode_spec *spec, struct cf_vnode **ret_node);
bool cf_vnode_has_name(struct cf_union *u, struct cf_vnode *node, const struct cf_vnode *parent,
                       const char *name, size_t len);
int cf_vnode_add_alias(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *parent,
                       const char *name, size_t len);
/* Takes a name from a node (the main one is replaced by an alias if there is one). Returns true
 * when no name is left. ns exclusive. */
bool cf_vnode_drop_name(struct cf_union *u, struct cf_vnode *node, const struct cf_vnode *parent,
                        const char *name, size_t len);
/* Gives a node that has no name one; or replaces its main name. ns exclusive. */
int cf_vnode_set_name(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *parent,
                      const char *name, size_t len);
int cf_vnode_extra(struct cf_vnode *node, struct cf_extra **ret_extra);

/* ---- fdcache.c: descriptors of upper directories ---- */

struct cf_dirfd {
    struct cf_union *u;
    int fd;
    int slot; /* index, -1: close fd, -2: borrowed */
};
#define CF_DIRFD_INIT \
    {                 \
        NULL, -1, -2  \
    }
#define cf_autodirfd cf_cleanup(cf_dirfd_put)
void cf_dirfds_init(struct cf_union *u);
void cf_dirfds_done(struct cf_union *u);
/* The upper directory of a node that has one. ns held. */
int cf_dirfd_get(struct cf_union *u, struct cf_vnode *node, struct cf_dirfd *ret_dirfd);
void cf_dirfd_put(struct cf_dirfd *dirfd);
void cf_dirfd_drop(struct cf_union *u, struct cf_vnode *node); /* the node goes */
/* Whether a directory has a default ACL, remembered until cf_dirfd_forget_acl. */
bool cf_dirfd_has_acl(struct cf_dirfd *dirfd);
void cf_dirfd_forget_acl(struct cf_union *u, struct cf_vnode *node);

/* ---- at.c: a place is a directory descriptor and a name; name "": the descriptor itself ---- */

struct cf_place {
    struct cf_dirfd dir;
    int fd;
    char name[CF_NAME_MAX + 1];
};
#define CF_PLACE_INIT         \
    {                         \
        CF_DIRFD_INIT, -1, "" \
    }
#define cf_autoplace cf_cleanup(cf_place_done)
void cf_place_done(struct cf_place *place);
/* Where the upper part of a node is. ns held. */
int cf_vnode_place(struct cf_union *u, struct cf_vnode *node, struct cf_place *ret_place);

int cf_at_stat(int fd, const char *name, struct stat *ret_stat);
int cf_at_open(int fd, const char *name, int flags);
/* A stream of its own on a directory; NULL: errno. */
DIR *cf_at_opendir(int fd);
int cf_at_chmod(int fd, const char *name, mode_t mode);
int cf_at_chown(int fd, const char *name, uid_t uid, gid_t gid);
int cf_at_utimens(int fd, const char *name, const struct timespec times[2]);
int cf_at_link(int fd, const char *name, int new_fd, const char *new_name);
ssize_t cf_at_getxattr(int fd, const char *name, const char *xattr, void *value, size_t size);
ssize_t cf_at_listxattr(int fd, const char *name, char *names, size_t size);
int cf_at_setxattr(int fd, const char *name, const char *xattr, const void *value, size_t size,
                   int flags);
int cf_at_removexattr(int fd, const char *name, const char *xattr);
/* All names, NUL-separated, appended. */
int cf_at_xattr_names(int fd, const char *name, struct cf_buf *ret_names);
/* The whole value, appended. */
int cf_at_xattr_value(int fd, const char *name, const char *xattr, struct cf_buf *ret_value);

/* ---- upper.c: the format of the upper ---- */

bool cf_upper_is_whiteout(const struct stat *st);
/* A file that means nothing to users, in an upper that fuse-overlayfs has made. */
bool cf_upper_is_leftover(const struct cf_union *u, const char *name);
/* A whiteout at a free name. */
int cf_upper_put_whiteout(struct cf_union *u, int fd, const char *name);
/* A whiteout in the place of what is not a directory, atomically. */
int cf_upper_replace_by_whiteout(struct cf_union *u, int fd, const char *name);
int cf_upper_set_opaque(struct cf_union *u, int fd, const char *name);
int cf_upper_clear_opaque(struct cf_union *u, int fd, const char *name);
int cf_upper_set_redirect(struct cf_union *u, int fd, const char *name, const char *path);
int cf_upper_set_metacopy(struct cf_union *u, int fd, const char *name);
int cf_upper_clear_metacopy(struct cf_union *u, int fd, const char *name);
int cf_upper_set_ino(struct cf_union *u, int fd, const char *name, uint64_t ino);
int cf_upper_get_links(struct cf_union *u, int fd, const char *name, uint32_t *ret_links);
int cf_upper_set_links(struct cf_union *u, int fd, const char *name, uint32_t links);
/* While a metacopy is being filled: the mtime that users see. */
int cf_upper_set_mtime(struct cf_union *u, int fd, const char *name, const struct timespec *mtime);
int cf_upper_get_mtime(struct cf_union *u, int fd, const char *name, struct timespec *ret_mtime);
/*
 * The lower inode of a metacopy as overlayfs writes it down: a file handle, here of EROFS. Not
 * where there is one. Without it overlayfs forgets which inode it was when content is copied up.
 */
int cf_upper_set_origin(struct cf_union *u, int fd, const char *name, uint64_t nid);
/* Where content was being written when we were killed: the mtime that counts goes to the disk. */
int cf_upper_settle_mtime(struct cf_union *u, int fd, const char *name,
                          const struct cf_upper_entry *entry);
bool cf_upper_is_metacopy(struct cf_union *u, int fd, const char *name);
/* Whether override_stat is there. */
bool cf_upper_is_overridden(int fd, const char *name);
/* Owner, mode, type and rdev of st from the text of an override_stat; left as they were, and false,
 * when it makes no sense. */
bool cf_upper_parse_override(const char *text, struct stat *st);
/* As users see it: override_stat applied; st_ino, st_nlink of the disk. */
int cf_upper_stat(struct cf_union *u, int fd, const char *name, struct stat *ret_stat);
/*
 * Gives the object owner, mode and type of want, from what it is on the disk (now). always: as a
 * user, write override_stat also where the disk says the same.
 */
int cf_upper_set_owner(struct cf_union *u, int fd, const char *name, const struct stat *now,
                       const struct stat *want, bool always);
/* A file at a name in work/ with owner, mode and xattrs of an upper one, but no content and no
 * mark; T.cloudfs.ino is ino. */
int cf_upper_clone(struct cf_union *u, int fd, const char *name, const char *temp, uint64_t ino);
/* Makes an empty object of that type and rdev (target: of a symlink) at a free name; permission
 * bits and owner are for cf_upper_set_owner. as_file: as an ordinary user a symlink becomes a file
 * that holds its target, which can have xattrs: another owner, the number of what was copied up. */
int cf_upper_make(struct cf_union *u, int fd, const char *name, const struct stat *want,
                  const char *target, bool as_file);
/* The number of an object that has none from elsewhere. */
uint64_t cf_upper_number(int fd, const char *name, const struct stat *st);
/* The stored spelling of a user's xattr name: -EPERM, -ERANGE; -ENODATA for hidden names. */
int cf_upper_xattr_stored(const char *name, bool user, char buffer[256]);
/* Cleans and repairs work/; -EBUSY from its lock. */
int cf_upper_prepare(struct cf_union *u, struct cf_error *err);

/* ---- lower.c: the lower side, an image's tree or a stack of plain directories ---- */

#define CF_LOWER_DIR_SIZE 4096 /* what directories show, so that copy-up does not change it */
uint64_t cf_lower_root(const struct cf_union *u);
int cf_lower_mode(struct cf_union *u, uint64_t nid, mode_t *ret_mode);
bool cf_lower_is_dir(struct cf_union *u, uint64_t nid); /* false on error too */
int cf_lower_stat(struct cf_union *u, uint64_t nid, struct stat *ret_stat);
/* Number of names; 0 on error. */
uint32_t cf_lower_links(struct cf_union *u, uint64_t nid);
/* ret_name (NULL: not wanted): the name where it stays as long as the union, or NULL. */
int cf_lower_find(struct cf_union *u, uint64_t dir, const char *name, size_t len, uint64_t *ret_nid,
                  const char **ret_name);
/* An absolute path of the lower, no symlink followed. */
int cf_lower_walk(struct cf_union *u, const char *path, uint64_t *ret_nid);
/* As cf_tree_readdir; the name lives until ns is given up. */
int cf_lower_readdir(struct cf_union *u, uint64_t dir, uint64_t cookie,
                     struct cf_dirent *ret_entry);
int cf_lower_readlink(struct cf_union *u, uint64_t nid, char ret_target[CF_SYMLINK_MAX + 1]);
/* The shown names, NUL-separated, appended; a value by its shown name, appended. */
int cf_lower_xattr_names(struct cf_union *u, uint64_t nid, struct cf_buf *ret_names);
int cf_lower_xattr_value(struct cf_union *u, uint64_t nid, const char *name,
                         struct cf_buf *ret_value);
/* As getxattr(2). */
ssize_t cf_lower_xattr_get(struct cf_union *u, uint64_t nid, const char *name, void *ret_value,
                           size_t size);
/* Gives back memory that can be had again. No lock held. */
void cf_lower_trim(struct cf_union *u);
int cf_lower_statfs(struct cf_union *u, struct statvfs *ret_statfs);

/* Where the content of a regular file is. */
enum cf_data_kind { CF_DATA_MEMORY, CF_DATA_OBJECT, CF_DATA_FILE };
struct cf_data_source {
    enum cf_data_kind kind;
    uint64_t size;
    const void *data;        /* CF_DATA_MEMORY */
    struct cf_digest digest; /* CF_DATA_OBJECT */
    uint64_t nid;            /* CF_DATA_FILE: of a plain directory's file */
};
int cf_lower_content(struct cf_union *u, uint64_t nid, struct cf_data_source *ret_source);
/* A descriptor for reading; -EIO where it has to be there and is not. */
int cf_lower_open(struct cf_union *u, const struct cf_data_source *source);
/* "/a/b" of a directory of the lower, appended ("" for the root). */
int cf_lower_path(struct cf_union *u, uint64_t dir, struct cf_buf *ret_path);
int cf_object_open_at(int objects_fd, const struct cf_digest *digest);

/* ---- lookup.c ---- */

/* What a name of a directory is. */
struct cf_found {
    bool here;  /* the upper directory has the object itself */
    bool upper; /* ... or the index has */
    bool whiteout;
    bool indexed;
    bool has_lower; /* the lower directory has the name */
    uint64_t lower_nid;
    const char *lower_name;
    uint64_t ino, nid;           /* as in struct cf_vnode */
    struct cf_upper_entry entry; /* when upper */
};
#define cf_autofound cf_cleanup(cf_found_done)
void cf_found_done(struct cf_found *found);
/* 0: there is an object. -ENOENT: none (whiteout and has_lower are set). ns held. */
int cf_find(struct cf_union *u, struct cf_vnode *dir, const char *name, struct cf_found *ret_found);
/* The node of what was found, pinned. */
int cf_found_node(struct cf_union *u, struct cf_vnode *dir, const char *name,
                  struct cf_found *found, struct cf_vnode **ret_node);
/* Gives a node that lives on a descriptor the name that was found for it. ns exclusive. */
int cf_vnode_revive(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *dir,
                    const char *name);
int cf_found_stat(struct cf_union *u, const struct cf_found *found, const struct cf_vnode *node,
                  struct stat *ret_stat);
int cf_name_check(const char *name);

/* ---- acl.c: ACLs in an ordinary user's upper ---- */

bool cf_acl_is_default_there(int fd);
/* mode and access ACL of a newborn, from the default ACL of its directory. */
int cf_acl_inherit(int parent_fd, mode_t *mode, struct cf_buf *ret_access);
/* The newborn gets them, and as a directory the default ACL, too. */
int cf_acl_put(int parent_fd, int fd, const char *name, bool is_dir, const struct cf_buf *access);
/* After a chmod: the access ACL says the same. */
int cf_acl_follow_mode(int fd, const char *name, mode_t mode);
/* Sets the access ACL, and the mode that it stands for. */
int cf_acl_set(struct cf_union *u, int fd, const char *name, const void *value, size_t size);

/* ---- again.c ---- */

/* The node of a number that is in no table, pinned, after a search of everything; or NULL. */
struct cf_vnode *cf_vnode_again(struct cf_union *u, uint64_t ino);

/* ---- attr.c ---- */

int cf_vnode_stat(struct cf_union *u, struct cf_vnode *node, struct stat *ret_stat); /* ns held */
int cf_vnode_entry(struct cf_union *u, struct cf_vnode *node, struct cf_entry *ret_entry);
mode_t cf_mode_without_priv(mode_t mode);
/* Sets the size of a regular file of the upper. Stripe held, ns not. */
int cf_vnode_truncate(struct cf_union *u, struct cf_vnode *node, off_t size);

/* ---- copyup.c ---- */

/* The node itself into the upper, without content. ns exclusive. */
int cf_copy_up(struct cf_union *u, struct cf_vnode *node);
int cf_copy_up_locked(struct cf_union *u, struct cf_vnode *node); /* takes ns itself */
/* The lower object at a name in work/, with everything but content and further names; a regular
 * file as a metacopy, or empty. */
int cf_copy_make(struct cf_union *u, struct cf_vnode *node, const char *temp, bool metacopy);
/* Makes it the node's upper part: under its name, and in the index if it has further lower names.
 */
int cf_copy_settle(struct cf_union *u, struct cf_vnode *node, const char *temp, bool metacopy);
void cf_work_drop(struct cf_union *u, const char *temp);
/*
 * Lets what is in the upper be moved or linked: a merged directory and a metacopy get the
 * absolute path of their lower counterpart. -EXDEV: longer than an xattr. ns exclusive.
 */
int cf_vnode_set_redirect(struct cf_union *u, struct cf_vnode *node);
pthread_mutex_t *cf_stripe_lock(struct cf_union *u, const struct cf_vnode *node);
/* Copies the shown xattrs of the lower object to the upper one. */
int cf_copy_xattrs(struct cf_union *u, uint64_t nid, int fd, const char *name);

/* ---- content.c ---- */

/* Where the content comes from: of a lower file (entry NULL), or of a metacopy. */
int cf_vnode_content(struct cf_union *u, struct cf_vnode *node, const struct cf_upper_entry *entry,
                     struct cf_data_source *ret_source);
/*
 * Puts a regular file with its content into the upper, the content cut off at size (INT64_MAX: all
 * of it). Nothing to do where it is there already. Stripe held, ns not.
 */
int cf_copy_up_data(struct cf_union *u, struct cf_vnode *node, int64_t size);

/* ---- index.c ---- */

void cf_index_name(uint64_t nid, char ret_name[17]);
int cf_index_stat(struct cf_union *u, uint64_t nid, struct stat *ret_stat);
/* One lower name less that is not in the upper; the entry goes with the last name. ns exclusive. */
void cf_index_drop_lower(struct cf_union *u, struct cf_vnode *node);
void cf_index_collect(struct cf_union *u, struct cf_vnode *node);
/* Puts the inode under a lower name that is not yet in the upper. */
int cf_index_materialise(struct cf_union *u, struct cf_vnode *node, int fd, const char *name);

/* ---- xattr.c ---- */

/* A value as getxattr(2) hands it out: size 0 asks for its length; -ERANGE. */
ssize_t cf_xattr_hand_out(const void *value, size_t len, void *ret_value, size_t size);

/* ---- file.c ---- */

/* Takes fd: opened with these flags on the upper file, or -1: found on first use. */
int cf_file_new(struct cf_union *u, struct cf_vnode *node, int flags, int fd,
                struct cf_file **ret_file);

/* ---- remove.c ---- */

/* Name of a temporary file in work/. */
void cf_work_name(struct cf_union *u, char ret_name[24]);
/* Keeps a descriptor of what is about to lose its last name, if somebody still knows it. */
int cf_vnode_hold(struct cf_union *u, struct cf_vnode *node);
/*
 * Removal of the name of found (which becomes what it is after a copy-up that removal needs), in
 * two halves: before and after the name goes from the disk. dir is in the upper. ns exclusive.
 */
int cf_removal_begin(struct cf_union *u, struct cf_vnode *dir, const char *name,
                     struct cf_found *found, struct cf_vnode *node);
void cf_removal_end(struct cf_union *u, struct cf_vnode *dir, const char *name,
                    const struct cf_found *found, struct cf_vnode *node);
/* -ENOTEMPTY, or 0: users see nothing in that directory. ns held. */
int cf_dir_check_empty(struct cf_union *u, struct cf_vnode *node);
/* Removes the whiteouts of an upper directory that users see as empty; it is made opaque first. */
int cf_dir_clear_whiteouts(struct cf_union *u, struct cf_vnode *node);

/* ---- gate.c ---- */

int cf_change_begin(struct cf_union *u); /* -EROFS */
void cf_change_end(struct cf_union **u);
/* CF_CHANGE(u): holds a change until the end of the scope, or returns -EROFS. */
#define CF_CHANGE(u)                                              \
    struct cf_union *cf_change_ cf_cleanup(cf_change_end) = NULL; \
    do {                                                          \
        int cf_change_r_ = cf_change_begin(u);                    \
        if (cf_change_r_)                                         \
            return cf_change_r_;                                  \
        cf_change_ = (u);                                         \
    } while (0)

void cf_ns_unlock(struct cf_union **u);
void cf_stripe_unlock(pthread_mutex_t **stripe);
/* Hold the names until the end of the scope. */
#define CF_NS_SHARED(u)                                     \
    struct cf_union *cf_ns_ cf_cleanup(cf_ns_unlock) = (u); \
    (void)pthread_rwlock_rdlock(&(u)->ns)
#define CF_NS_EXCLUSIVE(u)                                  \
    struct cf_union *cf_ns_ cf_cleanup(cf_ns_unlock) = (u); \
    (void)pthread_rwlock_wrlock(&(u)->ns)
#define CF_STRIPE(u, node)                                                             \
    pthread_mutex_t *cf_stripe_ __attribute__((unused)) cf_cleanup(cf_stripe_unlock) = \
        cf_stripe_lock(u, node)

/* A pinned node for the scope: struct cf_pin pin cf_autopin = {u, node}. */
struct cf_pin {
    struct cf_union *u;
    struct cf_vnode *node;
};
#define cf_autopin cf_cleanup(cf_pin_done)
void cf_pin_done(struct cf_pin *pin);
/* {u, the node of ino or NULL} */
struct cf_pin cf_pin_get(struct cf_union *u, uint64_t ino);

#endif
