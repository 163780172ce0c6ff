/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: objects, layers, merged trees, blobs, names and mounts on disk, and their locks.
 * docs/format.md describes every file. One store may be used by many processes; a struct cf_store
 * may be used by many threads at once.
 *
 * Crash order, for all writers: content is written to tmp/ or objects/ first, cf_store_sync()
 * makes it durable, and only then is anything published that refers to it (layer, then blobs, then
 * name). Whatever a crash leaves in tmp/ is removed by gc.
 */
#ifndef CLOUDFS_STORE_H
#define CLOUDFS_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>
#include <cloudfs/tree.h>

struct cf_store;

/*
 * Opens the store at root, made if absent (0700). NULL: CLOUDFS_ROOT, else /var/lib/cloudfs for
 * root, else $XDG_DATA_HOME/cloudfs or ~/.local/share/cloudfs. Takes the shared lock, which gc
 * excludes, until closed. -ENOTSUP: a store of a newer format. CF_STORE_EXCLUSIVE takes the
 * exclusive lock instead (-EBUSY with CF_STORE_NOWAIT). CF_STORE_NO_LOCK: none, for daemons
 * whose mount is a root of gc by itself.
 */
#define CF_STORE_EXCLUSIVE 1u
#define CF_STORE_NOWAIT 2u
#define CF_STORE_NO_LOCK 4u
int cf_store_open(const char *root, unsigned flags, struct cf_store **ret_store,
                  struct cf_error *err);
void cf_store_close(struct cf_store *store);
CF_DEFINE_CLEANUP(struct cf_store *, cf_store_close)
/* Gives up the lock and goes on, as if opened with CF_STORE_NO_LOCK: for a mount that is served by
 * the caller's own process, and is a root of gc by itself. No other thread may use the store
 * meanwhile. */
void cf_store_unlock(struct cf_store *store);

const char *cf_store_root(const struct cf_store *store); /* absolute path */
int cf_store_root_fd(const struct cf_store *store);
int cf_store_objects_fd(const struct cf_store *store);
int cf_store_tmp_fd(const struct cf_store *store);
int cf_store_mounts_fd(const struct cf_store *store);

/*
 * Makes all that was written through this handle so far durable: fsync of the few files noted, or
 * one syncfs(2). After a failure every later sync of the handle fails too, since the kernel forgets
 * what it could not write. Publishing a layer and setting a name sync by themselves.
 */
int cf_store_sync(struct cf_store *store, struct cf_error *err);

/* ---- objects: content of one regular file, named by its SHA-256, never changed ---- */

/* Path below objects/: "ab/cdef..." */
#define CF_OBJECT_PATH_SIZE 66
void cf_object_path(const struct cf_digest *digest, char ret_path[CF_OBJECT_PATH_SIZE]);

/*
 * Content as it comes. Nothing is visible before finish, which drops the new copy if the object is
 * there already. Big content is written as it arrives (write-back started early); content up to
 * 1 MiB is hashed first and written only if new. size_hint (of the first object; 0: unknown) takes
 * the disk space at once, so that -ENOSPC comes early. Memory: 1 MiB at most. One thread at a time.
 * After a failed add, finish fails too.
 */
struct cf_object_writer;
int cf_object_writer_new(struct cf_store *store, uint64_t size_hint,
                         struct cf_object_writer **ret_writer, struct cf_error *err);
void cf_object_writer_free(struct cf_object_writer *writer); /* drops what was not finished */
CF_DEFINE_CLEANUP(struct cf_object_writer *, cf_object_writer_free)
int cf_object_writer_add(struct cf_object_writer *writer, const void *data, size_t len,
                         struct cf_error *err);
/* Publishes (not yet durable: cf_store_sync); the writer is ready for the next object. */
int cf_object_writer_finish(struct cf_object_writer *writer, struct cf_digest *ret_digest,
                            uint64_t *ret_size, struct cf_error *err);

/* Puts whole content at hand. An object that is there with the wrong size is replaced. */
int cf_object_put(struct cf_store *store, const void *data, size_t len,
                  struct cf_digest *ret_digest, struct cf_error *err);
/* Gives a node that is a regular file the content at hand: in the tree itself up to CF_INLINE_MAX
 * bytes, else as an object. */
int cf_object_put_node(struct cf_store *store, struct cf_builder *builder, struct cf_node *node,
                       const struct cf_buf *content, struct cf_error *err);
/* Publishes a file of the store's own disk whose digest the caller has worked out: renames
 * dirfd/name into objects/ (mode 0444), or removes it if the object is there. -EXDEV elsewhere,
 * -EINVAL for what is no regular file, or has further hard links. */
int cf_object_take(struct cf_store *store, int dirfd, const char *name,
                   const struct cf_digest *digest, struct cf_error *err);
/* Opened read-only (O_CLOEXEC): -ENOENT. */
int cf_object_open(struct cf_store *store, const struct cf_digest *digest);
bool cf_object_exists(struct cf_store *store, const struct cf_digest *digest);
/* The content of a file of a tree to buffer / the object's descriptor: whole content appended. */
int cf_content_read(struct cf_store *store, const struct cf_content *content, uint64_t max,
                    struct cf_buf *ret_buf, struct cf_error *err);

/* ---- chunks/: where an object was cut by its content ---- */

/* What nobody has kept is worked out again: losing a list costs only time. Holes are
 * not in it. coarse: see cf_chunker. */
struct cf_object_chunk {
    uint64_t offset;
    struct cf_digest digest;
};
/* -ENOENT: there is none, or none that is good. Heap array. */
int cf_object_chunks_get(struct cf_store *store, const struct cf_digest *object, bool coarse,
                         struct cf_object_chunk **ret_chunks, size_t *ret_count);
int cf_object_chunks_set(struct cf_store *store, const struct cf_digest *object, bool coarse,
                         const struct cf_object_chunk *chunks, size_t count);
void cf_object_chunks_drop(struct cf_store *store, const struct cf_digest *object);

/* ---- blobs: manifests, indexes, configs, byte for byte ---- */

#define CF_BLOB_MAX (4u << 20)
/* -EFBIG above CF_BLOB_MAX. A damaged one that is there is replaced. */
int cf_blob_put(struct cf_store *store, const void *data, size_t len, struct cf_digest *ret_digest,
                struct cf_error *err);
/* Verified on read: -ENOENT, -EBADMSG. */
int cf_blob_get(struct cf_store *store, const struct cf_digest *digest, struct cf_buf *ret_buf,
                struct cf_error *err);
bool cf_blob_exists(struct cf_store *store, const struct cf_digest *digest);

/* ---- layers: layers/<diff-id>/{tree,recipe,blobs.json} ---- */

/*
 * A layer in the making: a directory in tmp/. The writer puts `tree`, `recipe` (empty for a
 * canonical layer, else its beginning is as docs/format.md says, so that the store can find the
 * objects in it) and `blobs.json` into fd, and publishes. Publishing adds the checksums of tree and
 * recipe to blobs.json, makes these and all that was written through the handle durable, and
 * renames. A layer that another process published meanwhile wins, which is no error. After a
 * successful publish the draft is done.
 */
struct cf_layer_draft {
    char name[32]; /* below tmp/ */
    int fd;
};
int cf_layer_draft_new(struct cf_store *store, struct cf_layer_draft *ret_draft,
                       struct cf_error *err);
int cf_layer_draft_publish(struct cf_store *store, struct cf_layer_draft *draft,
                           const struct cf_digest *diff_id, struct cf_error *err);
void cf_layer_draft_drop(struct cf_store *store, struct cf_layer_draft *draft); /* also when done */

/* False also for a layer that fsck has marked because objects of it are lost: publishing it again
 * heals it. */
bool cf_layer_exists(struct cf_store *store, const struct cf_digest *diff_id);
/* The directory layers/<hex>, O_PATH|O_DIRECTORY|O_CLOEXEC: -ENOENT. */
int cf_layer_open(struct cf_store *store, const struct cf_digest *diff_id, struct cf_error *err);
int cf_layer_tree(struct cf_store *store, const struct cf_digest *diff_id,
                  struct cf_tree **ret_tree, struct cf_error *err);
/* Serialises work on one layer among processes and threads: blocks until nobody else holds it;
 * returns a descriptor to close. Look again whether the layer exists afterwards. */
int cf_layer_lock(struct cf_store *store, const struct cf_digest *diff_id, struct cf_error *err);

/* blobs.json: the forms of a layer that are known; the plain tar (digest = diff ID) first. */
struct cf_layer_form {
    struct cf_digest digest;
    uint64_t size; /* bytes of that form */
    char media_type[96];
    char notes[1024]; /* a JSON object of what its makers want to know later; "" for nothing */
};
int cf_layer_forms_write(int layer_fd, const struct cf_layer_form *forms, size_t count,
                         struct cf_error *err);
/* Heap array that the caller frees. */
int cf_layer_forms_read(struct cf_store *store, const struct cf_digest *diff_id,
                        struct cf_layer_form **ret_forms, size_t *ret_count, struct cf_error *err);
/* Adds a form (replacing one of the same digest), durably. */
int cf_layer_form_add(struct cf_store *store, const struct cf_digest *diff_id,
                      const struct cf_layer_form *form, struct cf_error *err);
/* Which layer has a form of that digest: linear in the number of layers. -ENOENT. */
int cf_layer_by_form(struct cf_store *store, const struct cf_digest *digest,
                     struct cf_digest *ret_diff_id);

/* ---- memos: memo/<key>, which layer some work gave ---- */

/*
 * A key is a digest of all that the work depends on. more: one line of the caller's own, up to
 * 4,000 bytes. A memo whose layer is gone is as if it were not there, and gc removes it. Losing one
 * only means to do the work again.
 */
int cf_memo_set(struct cf_store *store, const struct cf_digest *key,
                const struct cf_digest *diff_id, const char *more, struct cf_error *err);
/* -ENOENT. The line is appended to ret_more. */
int cf_memo_get(struct cf_store *store, const struct cf_digest *key, struct cf_digest *ret_diff_id,
                struct cf_buf *ret_more);

/* ---- merged trees: trees/<chain-id> ---- */

/*
 * The merged tree of a stack of layers (bottom first), made if it is not there yet. Opens the
 * tree and, if ret_fd is not NULL, hands out a read-only descriptor of its file.
 */
int cf_store_merged_tree(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                         struct cf_tree **ret_tree, int *ret_fd, struct cf_error *err);
/* Chain ID of the first count layers (OCI image-spec config.md "Layer ChainID"); count >= 1. */
void cf_chain_id(const struct cf_digest *diff_ids, size_t count, struct cf_digest *ret_chain);

/* ---- names ---- */

/*
 * name:tag -> manifest digest. Names are valid references with a tag (reference.h), else -EINVAL.
 * Setting one is the last step of making an image: the manifest and its config must be there
 * (-ENOENT); what was written through the handle is made durable first, then the name. A name
 * that has said so for a minute, with nothing written since the store was opened, costs no sync.
 */
int cf_name_set(struct cf_store *store, const char *name, const struct cf_digest *manifest,
                struct cf_error *err);
/* -ENOENT; -EBADMSG for a name file that is damaged. */
int cf_name_get(struct cf_store *store, const char *name, struct cf_digest *ret_manifest);
int cf_name_remove(struct cf_store *store, const char *name, struct cf_error *err);
/* Ascending order, damaged ones passed over; fn returns 0 to go on. */
typedef int cf_name_fn(const char *name, const struct cf_digest *manifest, void *context);
int cf_name_each(struct cf_store *store, cf_name_fn *fn, void *context, struct cf_error *err);

/* ---- gc, fsck, df ---- */

struct cf_gc_result {
    uint64_t objects, layers, trees, blobs, temporaries; /* removed */
    uint64_t bytes;                                      /* of disk given back */
};
/*
 * Removes what no name, mount (its image, those in "keeps" of its mount.json, its upper's stubs)
 * and no manifest kept by them refers to, and all of tmp/. The store must be open with
 * CF_STORE_EXCLUSIVE. dry_run: only counts. -EBADMSG, and nothing is removed, while damage hides
 * what is needed.
 */
int cf_store_gc(struct cf_store *store, bool dry_run, struct cf_gc_result *ret_result,
                struct cf_error *err);

struct cf_fsck_result {
    uint64_t objects, layers, trees, blobs, names, mounts; /* looked at */
    uint64_t damaged, missing, repaired;
};
typedef void cf_fsck_fn(const char *problem, void *context); /* one line each */
/*
 * Verifies every blob, layer, tree and reference, and (deep) the content of every object. repair
 * (needs CF_STORE_EXCLUSIVE) moves damaged files aside to tmp/, rebuilds merged trees, removes
 * names whose image is lost, and marks layers that lack objects, so that loading them again heals
 * them. A mount's upper is never touched. Returns 0 for clean (or repaired), -EBADMSG when problems
 * remain.
 */
int cf_store_fsck(struct cf_store *store, bool deep, bool repair, cf_fsck_fn *fn, void *context,
                  struct cf_fsck_result *ret_result, struct cf_error *err);

struct cf_df {
    uint64_t objects, objects_bytes, layers, layers_bytes, trees, trees_bytes, blobs, blobs_bytes;
    uint64_t mounts, mounts_bytes, tmp_bytes; /* bytes of disk (st_blocks) */
};
int cf_store_df(struct cf_store *store, struct cf_df *ret_df, struct cf_error *err);

#endif
