/* SPDX-License-Identifier: Apache-2.0 */
/* How much disk the parts of a store take. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "mark.h"

struct usage {
    uint64_t bytes;
    uint64_t *count;
};

static int add_usage(int dirfd, const char *name, void *context)
{
    struct usage *usage = context;

    usage->bytes += cf_disk_usage(dirfd, name, usage->count);
    return 0;
}

/* Directories nest at most as deep as cf_each_entry gets descriptors; what lies below that is not
 * counted. */
uint64_t cf_disk_usage(int dirfd, const char *name, uint64_t *count)
{
    struct usage usage = {0, count};
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        (void)cf_each_entry(dirfd, name, add_usage, &usage);
    else if (count && S_ISREG(st.st_mode))
        (*count)++;
    return usage.bytes + (uint64_t)st.st_blocks * 512;
}

static int count_entry(int dirfd, const char *name, void *context)
{
    struct cf_digest digest;
    struct stat st;
    uint64_t *count = context;

    /* trees/<hex>.sum is part of trees/<hex>; a mount's name is no digest. */
    if (cf_digest_parse_hex(name, &digest) == 0 ||
        (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
        (*count)++;
    return 0;
}

int cf_store_df(struct cf_store *store, struct cf_df *ret_df, struct cf_error *err)
{
    struct cf_df df = {0};
    const struct {
        const char *dir;
        uint64_t *bytes, *count;
    } parts[] = {
        {"layers", &df.layers_bytes, &df.layers},
        {"trees", &df.trees_bytes, &df.trees},
        {"blobs/sha256", &df.blobs_bytes, &df.blobs},
        {"mounts", &df.mounts_bytes, &df.mounts},
    };

    df.objects_bytes = cf_disk_usage(store->root_fd, "objects", &df.objects);
    df.tmp_bytes = cf_disk_usage(store->root_fd, "tmp", NULL);
    for (size_t i = 0; i < CF_COUNT(parts); i++) {
        *parts[i].bytes = cf_disk_usage(store->root_fd, parts[i].dir, NULL);
        int r = cf_each_entry(store->root_fd, parts[i].dir, count_entry, parts[i].count);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot read %s/%s", store->root, parts[i].dir);
    }
    *ret_df = df;
    return 0;
}
