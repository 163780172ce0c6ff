/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of fs/store/ share: the store's descriptors, temporary files, notes of what is
 * not yet durable, and locks by name.
 */
#ifndef CF_STORE_PRIVATE_H
#define CF_STORE_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/store.h>

/* Paths below the root that are noted fit this: the longest is that of a name. */
#define STORE_NOTE_SIZE 400
/* More notes than this are one syncfs(2). */
#define STORE_NOTE_MAX 32

struct cf_store {
    char *root; /* absolute */
    unsigned flags;
    int lock_fd; /* -1 with CF_STORE_NO_LOCK */
    int root_fd; /* O_RDONLY, for syncfs */
    int objects_fd, layers_fd, trees_fd, blobs_fd, names_fd, mounts_fd, tmp_fd;

    pthread_mutex_t sync_mutex; /* one sync at a time; taken before note_mutex */
    int sync_failed; /* sync_mutex: the first failure; nothing is promised durable after it */
    pthread_mutex_t note_mutex;
    size_t note_count;                           /* note_mutex */
    bool note_all;                               /* note_mutex: there were too many for the list */
    bool has_written;                            /* note_mutex: not only found what was there */
    char notes[STORE_NOTE_MAX][STORE_NOTE_SIZE]; /* note_mutex */
};

/*
 * Notes that a file or directory below the root must be made durable by the next sync. format
 * gives its path. What is gone by then is skipped.
 */
void cf_store_note(struct cf_store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Notes a file that was there already, unless it is so old that the kernel has long written it:
 * another process may have made it a moment ago, and not synced yet. */
struct stat;
void cf_store_note_found(struct cf_store *store, const struct stat *st, const char *path);
/* Whether anything was noted through the handle that was not there before. */
bool cf_store_has_written(struct cf_store *store);

/*
 * A file in the making: without a name where the disk can do that, else in tmp/. fd is open for
 * reading and writing.
 */
struct cf_temp {
    int fd;
    char name[32]; /* below tmp/, or "" */
};
#define CF_TEMP_INIT \
    {                \
        -1, ""       \
    }

/* mode: exactly that, whatever the umask. named: it will replace something, or be renamed. */
int cf_temp_open(struct cf_store *store, bool named, mode_t mode, struct cf_temp *ret_temp);
/* Gives the file its name, which must not exist: -EEXIST. Does not close. */
int cf_temp_link(struct cf_store *store, struct cf_temp *temp, int dirfd, const char *path);
/* Renames a named temporary file over dirfd/path. */
int cf_temp_rename(struct cf_store *store, struct cf_temp *temp, int dirfd, const char *path);
/* Closes, and removes what is left in tmp/. Also for a closed or published one. */
void cf_temp_drop(struct cf_store *store, struct cf_temp *temp);

/* Locks tmp/lock-<name> exclusively among processes and threads: returns a descriptor to close,
 * or -errno. Blocks. */
int cf_store_lock_name(struct cf_store *store, const char *name);

/* True for n lower-case hex digits and a NUL. */
bool cf_is_hex(const char *text, size_t n);

/* Calls fn for each directory entry but "." and "..", in no order. fn may remove the entry it is
 * told of. Anything but 0 from fn ends the walk and is returned. */
typedef int cf_entry_fn(int dirfd, const char *name, void *context);
int cf_each_entry(int dirfd, const char *path, cf_entry_fn *fn, void *context);

/* The mounts that mount.json files tell of; see mounts.c. */
struct cf_json;
struct cf_mount_note {
    char id[256];                /* name of the directory */
    bool damaged;                /* mount.json cannot be read */
    struct cf_digest *manifests; /* kept alive by it */
    size_t manifest_count;
    char *upper, *work; /* absolute, or NULL: below mounts/<id>/ */
};
typedef int cf_mount_note_fn(const struct cf_mount_note *note, void *context);
/* Every mounts/<id>; those without a mount.json too (no manifests then). */
int cf_store_each_mount(struct cf_store *store, cf_mount_note_fn *fn, void *context,
                        struct cf_error *err);

/* Names as cf_name_each, but told of rubbish as well: damaged files have manifest NULL, and name
 * is the path below names/. */
int cf_name_scan(struct cf_store *store, cf_name_fn *fn, void *context, struct cf_error *err);
/* cf_name_remove for who holds the lock "names". */
int cf_name_drop(struct cf_store *store, const char *name, struct cf_error *err);
/* Removes names/<path> whatever it is, and the directories that become empty. */
int cf_name_drop_path(struct cf_store *store, const char *path);

/* What the merged tree of these layers is called below trees/. */
void cf_merged_key(const struct cf_digest *diff_ids, size_t count, struct cf_digest *ret_key);
/* Builds trees/<key> anew. The caller holds its lock or the store's exclusive one. */
int cf_merged_build(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                    struct cf_error *err);

/* Digest of a whole file. */
int cf_file_digest(int fd, struct cf_digest *ret_digest);

/* What a memo says: the layer, and where the rest of the line begins. -EBADMSG. */
int cf_memo_parse(const char *text, struct cf_digest *ret_diff_id, const char **ret_more);

#endif
