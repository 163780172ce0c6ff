/* SPDX-License-Identifier: Apache-2.0 */
/* A store of its own for each test, in a directory that goes away with it. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/image.h>
#include <cloudfs/io.h>
#include <cloudfs/store.h>

struct fixture {
    char dir[64];  /* of the test's files */
    char root[80]; /* of the store */
    struct cf_store *store;
};

#define assert_ok(expr, err)                                        \
    do {                                                            \
        int assert_ok_r = (expr);                                   \
        if (assert_ok_r < 0)                                        \
            fail_msg("%s: %d: %s", #expr, assert_ok_r, (err).text); \
    } while (0)

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct cf_error err = {0};

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "%s/cloudfs-test-XXXXXX",
             getenv("TMPDIR") && strlen(getenv("TMPDIR")) < 32 ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->root, sizeof(f->root), "%s/store", f->dir);
    assert_ok(cf_store_open(f->root, 0, &f->store, &err), err);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    cf_store_close(f->store);
    assert_int_equal(cf_remove_tree(AT_FDCWD, f->dir), 0);
    free(f);
    return 0;
}

/* Closes the store and opens it with other flags. */
static inline void fixture_reopen(struct fixture *f, unsigned flags)
{
    struct cf_error err = {0};

    cf_store_close(f->store);
    f->store = NULL;
    assert_ok(cf_store_open(f->root, flags, &f->store, &err), err);
}

/* Number of files below a directory, all levels. */
static inline size_t fixture_count(int dirfd, const char *path)
{
    size_t count = 0;
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_type == DT_REG)
            count++;
        else if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            count += fixture_count(fd, entry->d_name);
    closedir(dir);
    return count;
}

static inline size_t fixture_files(struct fixture *f, const char *below)
{
    return fixture_count(cf_store_root_fd(f->store), below);
}

/* Puts an image of the given layers' diff IDs; returns its manifest's digest. */
static inline struct cf_digest fixture_image(struct fixture *f, const struct cf_digest *diff_ids,
                                             size_t count, const char *created)
{
    struct cf_buf config cf_autobuf = CF_BUF_INIT, manifest cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_digest digest;
    char text[CF_DIGEST_TEXT_SIZE];

    cf_buf_printf(&config,
                  "{\"created\":\"%s\",\"architecture\":\"amd64\",\"os\":\"linux\","
                  "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
                  created);
    for (size_t i = 0; i < count; i++) {
        cf_digest_text(&diff_ids[i], text);
        cf_buf_printf(&config, "%s\"%s\"", i ? "," : "", text);
    }
    cf_buf_add_str(&config, "]}}");
    assert_ok(cf_blob_put(f->store, config.data, config.len, &digest, &err), err);
    cf_digest_text(&digest, text);
    cf_buf_printf(&manifest,
                  "{\"schemaVersion\":2,\"mediaType\":\"" CF_MEDIA_MANIFEST "\","
                  "\"config\":{\"mediaType\":\"" CF_MEDIA_CONFIG
                  "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
                  text, config.len);
    for (size_t i = 0; i < count; i++) {
        cf_digest_text(&diff_ids[i], text);
        cf_buf_printf(&manifest,
                      "%s{\"mediaType\":\"" CF_MEDIA_LAYER "\",\"digest\":\"%s\",\"size\":%zu}",
                      i ? "," : "", text, 1000 + i);
    }
    cf_buf_add_str(&manifest, "]}");
    assert_ok(cf_blob_put(f->store, manifest.data, manifest.len, &digest, &err), err);
    return digest;
}

#endif
