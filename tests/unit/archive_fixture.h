/* SPDX-License-Identifier: Apache-2.0 */
/* Images made of tars made by hand, and files of archives, for the tests of builder/. */
#ifndef ARCHIVE_FIXTURE_H
#define ARCHIVE_FIXTURE_H

#include "layer_fixture.h"

#include <cloudfs/archive.h>
#include <cloudfs/commit.h>
#include <cloudfs/look.h>

/* The reference images of other tools: CLOUDFS_SHARED/golden, else ../shared/golden; NULL. */
static inline const char *golden_dir(void)
{
    static char path[512];
    const char *shared = getenv("CLOUDFS_SHARED");

    snprintf(path, sizeof(path), "%s/golden", shared ? shared : "../shared");
    if (access(path, R_OK) == 0)
        return path;
    return NULL;
}

/* A second store beside the first. */
static inline struct cf_store *other_store(struct fixture *f, const char *name)
{
    struct cf_store *store = NULL;
    struct cf_error err = {0};
    char root[128];

    snprintf(root, sizeof(root), "%s/%s", f->dir, name);
    assert_ok(cf_store_open(root, 0, &store, &err), err);
    return store;
}

static inline char *in_dir(struct fixture *f, const char *name, char ret_path[160])
{
    snprintf(ret_path, 160, "%s/%s", f->dir, name);
    return ret_path;
}

static inline void put_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(cf_write_full(fd, data, len), 0);
    close(fd);
}

static inline void must_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void must_run(const char *format, ...)
{
    char command[2048];
    va_list ap;

    va_start(ap, format);
    vsnprintf(command, sizeof(command), format, ap);
    va_end(ap);
    if (system(command) != 0)
        fail_msg("this failed: %s", command);
}

/* Imports a tar into store under name. */
static inline struct cf_image *import_tar(struct fixture *f, struct cf_store *store,
                                          const struct cf_buf *tar, const char *name,
                                          const char *base)
{
    struct cf_import_options options = {.name = name, .base = base};
    struct cf_image *image = NULL;
    struct cf_error err = {0};
    char path[160];

    put_file(in_dir(f, "import.tar", path), tar->data, tar->len);
    assert_ok(cf_import(store, path, &options, &image, &err), err);
    return image;
}

/* demo:v1: etc/daemon.json, etc/big (5000 bytes), bin/a with a hard link bin/b, link ->
 * etc/daemon.json. */
static inline struct cf_image *demo_image(struct fixture *f, struct cf_store *store)
{
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;
    static char big[5000];

    memset(big, 'b', sizeof(big));
    tar_entry(&tar, '5', "etc", "", NULL, 0);
    tar_file(&tar, "etc/daemon.json", "{}\n");
    tar_entry(&tar, '0', "etc/big", "", big, sizeof(big));
    tar_entry(&tar, '5', "bin", "", NULL, 0);
    tar_file(&tar, "bin/a", "#!/bin/sh\n");
    tar_entry(&tar, '1', "bin/b", "bin/a", NULL, 0);
    tar_entry(&tar, '2', "link", "etc/daemon.json", NULL, 0);
    tar_entry(&tar, '2', "lib", "bin", NULL, 0);
    tar_end(&tar);
    return import_tar(f, store, &tar, "demo:v1", NULL);
}

/* demo:v2 on top of it: daemon.json changed, etc/big gone, bin opaque with bin/new. */
static inline struct cf_image *demo_image_2(struct fixture *f, struct cf_store *store)
{
    struct cf_buf tar cf_autobuf = CF_BUF_INIT;

    tar_file(&tar, "etc/daemon.json", "{\"a\": 1}\n");
    tar_file(&tar, "etc/.wh.big", "");
    tar_entry(&tar, '5', "bin", "", NULL, 0);
    tar_file(&tar, "bin/.wh..wh..opq", "");
    tar_file(&tar, "bin/new", "new\n");
    tar_end(&tar);
    return import_tar(f, store, &tar, "demo:v2", "demo:v1");
}

#endif
