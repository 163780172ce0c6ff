/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes what nothing keeps alive. Trees and layers go before the objects that they name, and
 * their removal is durable first, so that whatever cuts this short leaves no layer that lacks an
 * object.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "mark.h"

struct sweep {
    struct cf_store *store;
    const struct cf_marks *marks;
    bool dry_run;
    struct cf_gc_result result;
    const char *fan;     /* the directory of objects being swept: two hex digits */
    uint64_t *fan_count; /* of what goes there; NULL: nobody counts it */
};

static uint64_t file_bytes(int dirfd, const char *name)
{
    struct stat st;

    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

static int remove_file(struct sweep *sweep, int dirfd, const char *name, uint64_t *count)
{
    uint64_t bytes = file_bytes(dirfd, name);

    if (!sweep->dry_run && unlinkat(dirfd, name, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    sweep->result.bytes += bytes;
    if (count)
        (*count)++;
    return 0;
}

/* A tree goes before its checksum: without that it would count as damaged. */
static int sweep_tree(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest digest;
    size_t len = strlen(name);
    bool sum = len > 4 && !strcmp(name + len - 4, ".sum");

    snprintf(hex, sizeof(hex), "%.*s", (int)(sum ? len - 4 : len), name);
    if (cf_digest_parse_hex(hex, &digest) == 0 && cf_digest_set_has(&sweep->marks->trees, &digest))
        return 0;
    if (!sum)
        return remove_file(sweep, dirfd, name, &sweep->result.trees);
    int r = sweep->dry_run ? 0 : remove_file(sweep, dirfd, hex, &sweep->result.trees);
    return r < 0 ? r : remove_file(sweep, dirfd, name, NULL);
}

/* A layer goes to tmp/ by one rename, and is taken apart there. */
static int sweep_layer(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    struct cf_digest digest;
    char moved[32], random[17];

    if (cf_digest_parse_hex(name, &digest) < 0 || cf_digest_set_has(&sweep->marks->layers, &digest))
        return 0;
    uint64_t bytes = cf_disk_usage(dirfd, name, NULL);
    if (!sweep->dry_run) {
        cf_random_name(random);
        snprintf(moved, sizeof(moved), "gone-%s", random);
        if (renameat(dirfd, name, sweep->store->tmp_fd, moved) < 0)
            return -errno;
        int r = cf_remove_tree(sweep->store->tmp_fd, moved);
        if (r < 0)
            return r;
    }
    sweep->result.bytes += bytes;
    sweep->result.layers++;
    return 0;
}

static int sweep_blob(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    struct cf_digest digest;

    if (cf_digest_parse_hex(name, &digest) < 0 || cf_digest_set_has(&sweep->marks->blobs, &digest))
        return 0;
    return remove_file(sweep, dirfd, name, &sweep->result.blobs);
}

static int sweep_object(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest digest;

    if (strlen(name) != CF_DIGEST_HEX_SIZE - 3)
        return 0;
    snprintf(hex, sizeof(hex), "%.2s%.62s", sweep->fan, name);
    if (cf_digest_parse_hex(hex, &digest) < 0 || cf_digest_set_has(&sweep->marks->objects, &digest))
        return 0;
    return remove_file(sweep, dirfd, name, sweep->fan_count);
}

static int sweep_fan(struct sweep *sweep, int dirfd, const char *name, uint64_t *count)
{
    if (!cf_is_hex(name, 2))
        return 0;
    sweep->fan = name;
    sweep->fan_count = count;
    return cf_each_entry(dirfd, name, sweep_object, sweep);
}

static int sweep_objects(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    return sweep_fan(sweep, dirfd, name, &sweep->result.objects);
}

/* A list of chunks goes with its object. */
static int sweep_chunks(int dirfd, const char *name, void *context)
{
    return sweep_fan(context, dirfd, name, NULL);
}

static int sweep_tmp(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    uint64_t bytes = cf_disk_usage(dirfd, name, NULL);

    if (!sweep->dry_run) {
        int r = cf_remove_tree(dirfd, name);
        if (r < 0)
            return r;
    }
    sweep->result.bytes += bytes;
    sweep->result.temporaries += strncmp(name, "lock-", 5) != 0;
    return 0;
}

static int count_entry(int dirfd, const char *name, void *context)
{
    (void)dirfd;
    (void)name;
    ++*(size_t *)context;
    return 0;
}

/* A start of a mount that was cut short has no description yet, and an empty upper. One with
 * something in the upper is someone's work, whatever happened to its description. */
static int sweep_mount(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    char path[300];
    size_t entries = 0;
    struct stat st;

    snprintf(path, sizeof(path), "%s/mount.json", name);
    if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return 0;
    snprintf(path, sizeof(path), "%s/upper", name);
    int r = cf_each_entry(dirfd, path, count_entry, &entries);
    if (entries || (r < 0 && r != -ENOENT))
        return 0;
    return sweep_tmp(dirfd, name, sweep);
}

/* A memo of a layer that is kept stays; so does nothing that cannot be read. */
static int sweep_memo(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest diff_id;
    const char *more = NULL;

    if (cf_read_file(dirfd, name, 4096, &text) == 0 && text.data &&
        cf_memo_parse(text.data, &diff_id, &more) == 0 &&
        cf_digest_set_has(&sweep->marks->layers, &diff_id))
        return 0;
    return remove_file(sweep, dirfd, name, NULL);
}

/* What cf_replace_file left in the root when it was cut short. */
static int sweep_root(int dirfd, const char *name, void *context)
{
    struct sweep *sweep = context;

    if (strncmp(name, ".new-", 5) != 0)
        return 0;
    return remove_file(sweep, dirfd, name, &sweep->result.temporaries);
}

static int sweep_all(struct sweep *sweep, struct cf_error *err)
{
    static const struct {
        const char *dir;
        cf_entry_fn *fn;
        bool settle; /* what went before must be on the disk first */
    } steps[] = {
        {"trees", sweep_tree, false},   {"blobs/sha256", sweep_blob, false},
        {"layers", sweep_layer, false}, {"objects", sweep_objects, true},
        {"mounts", sweep_mount, false}, {"tmp", sweep_tmp, false},
        {"memo", sweep_memo, false},    {"chunks", sweep_chunks, false},
        {".", sweep_root, false},
    };

    for (size_t i = 0; i < CF_COUNT(steps); i++) {
        if (steps[i].settle && !sweep->dry_run && syncfs(sweep->store->root_fd) < 0)
            return cf_fail_errno(err, errno, "cannot write store %s to the disk",
                                 sweep->store->root);
        int r = cf_each_entry(sweep->store->root_fd, steps[i].dir, steps[i].fn, sweep);
        if (r < 0 && r != -ENOENT)
            return cf_fail_errno(err, -r, "cannot clean %s/%s", sweep->store->root, steps[i].dir);
    }
    return 0;
}

int cf_store_gc(struct cf_store *store, bool dry_run, struct cf_gc_result *ret_result,
                struct cf_error *err)
{
    struct cf_marks marks = {0};

    if (!(store->flags & CF_STORE_EXCLUSIVE))
        return cf_fail(err, -EINVAL, "gc needs the exclusive lock of store %s", store->root);
    int r = cf_store_mark(store, &marks, err);
    if (r < 0)
        return cf_fail_in(err, r, "gc removes nothing");
    struct sweep sweep = {.store = store, .marks = &marks, .dry_run = dry_run};
    r = sweep_all(&sweep, err);
    cf_marks_done(&marks);
    if (r < 0)
        return r;
    *ret_result = sweep.result;
    return 0;
}
