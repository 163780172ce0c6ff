/* SPDX-License-Identifier: Apache-2.0 */
/* The archives in images/. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/archive.h>
#include <cloudfs/log.h>

#include "state.h"

struct archives {
    struct cf_store *store;
    struct cf_rootfs *rootfs;
    struct findings *findings;
    struct cf_error *err;
};

/* docker-archives and OCI archives, as a plain tar or compressed. */
static bool is_archive(const char *name)
{
    static const char *const suffixes[] = {".tar", ".tar.gz", ".tgz", ".tar.zst"};
    size_t len = strlen(name);

    for (size_t i = 0; i < CF_COUNT(suffixes); i++)
        if (len > strlen(suffixes[i]) && !strcmp(name + len - strlen(suffixes[i]), suffixes[i]))
            return true;
    return false;
}

static int add_name(const char *name, const struct cf_digest *manifest, void *context)
{
    struct archives *archives = context;
    struct cf_reference reference;

    (void)manifest;
    if (cf_reference_parse(name, &reference, NULL) < 0)
        return 0;
    return cf_findings_add(archives->findings, &reference, 0, CF_SCAN_TAR);
}

static int visit(const struct cf_rootfs_entry *entry, void *context)
{
    struct archives *archives = context;
    struct cf_archive *archive cf_cleanup(cf_archive_close_ptr) = NULL;
    struct cf_rootfs_file file;
    struct cf_error own = {0};
    int r;

    /* The registry's own image serves the others, and is loaded by the scripts. */
    if (S_ISDIR(entry->mode) || !is_archive(entry->name) || !strcmp(entry->name, "registry.tar"))
        return 0;
    if (cf_findings_file(archives->findings, entry->path) < 0)
        return cf_fail(archives->err, -ENOMEM, "out of memory");
    r = cf_rootfs_open_file(archives->rootfs, entry->path, &file, &own);
    if (r == 0 && file.fd < 0)
        r = cf_fail(&own, -EINVAL, "is no archive of images");
    if (r == 0) {
        r = cf_archive_open(archives->store, file.fd, entry->path, &archive, &own);
        close(file.fd);
        if (r == 0 && cf_archive_names(archive, add_name, archives) < 0)
            return cf_fail(archives->err, -ENOMEM, "out of memory");
    }
    if (r < 0) { /* the place is told by itself */
        const char *quoted = CF_QUOTE(entry->path);
        size_t skip = !strncmp(own.text, quoted, strlen(quoted)) ? strlen(quoted) : 0;
        skip += strspn(own.text + skip, ": ");
        r = cf_findings_warn(archives->findings, 0, "%s", own.text + skip);
    }
    return r < 0 ? cf_fail(archives->err, -ENOMEM, "out of memory") : 0;
}

int cf_scan_archives(struct cf_store *store, struct cf_rootfs *rootfs, struct findings *findings,
                     struct cf_error *err)
{
    struct archives archives = {store, rootfs, findings, err};

    return cf_rootfs_walk(rootfs, "images", visit, &archives, err);
}
