/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static char *pattern(size_t len, unsigned seed)
{
    char *data = malloc(len + 1);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        data[i] = (char)(seed >> 16);
    }
    return data;
}

static void assert_object(struct fixture *f, const struct cf_digest *digest, const char *data,
                          size_t len)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct stat st;

    int fd = cf_object_open(f->store, digest);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, len);
    assert_int_equal(st.st_mode & 07777, 0444);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(cf_read_fd(fd, len, &buf), 0);
    assert_int_equal(buf.len, len);
    if (len)
        assert_memory_equal(buf.data, data, len);
    close(fd);
}

/* ---- opening ---- */

static void a_new_store_is_private_and_says_its_format(void **state)
{
    struct fixture *f = *state;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct stat st;

    assert_int_equal(stat(f->root, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(cf_read_file(cf_store_root_fd(f->store), "format", 100, &text), 0);
    assert_string_equal(text.data, "cloudfs 1\n");
    assert_string_equal(cf_store_root(f->store), f->root);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    int fd = open(dir, O_PATH | O_DIRECTORY);

    assert_true(fd >= 0);
    (void)unlinkat(fd, name, 0);
    assert_int_equal(cf_replace_file(fd, name, text, strlen(text), 0600), 0);
    close(fd);
}

static void a_store_of_a_newer_or_unreadable_format_is_refused(void **state)
{
    static const struct {
        const char *text;
        int expected;
    } cases[] = {
        {"cloudfs 2\n", -ENOTSUP},
        {"cloudfs 999999\n", -ENOTSUP},
        {"cloudfs 0\n", -EBADMSG},
        {"cloudfs\n", -EBADMSG},
        {"", -EBADMSG},
        {"cloudfs 1", -EBADMSG},
        {"cloudfs 1\n", 0},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_store *other = NULL;
        struct cf_error err = {0};
        write_text(f->root, "format", cases[i].text);
        assert_int_equal(cf_store_open(f->root, 0, &other, &err), cases[i].expected);
        assert_int_equal(err.code, cases[i].expected);
        cf_store_close(other);
    }
}

static void a_directory_with_other_files_is_not_made_a_store(void **state)
{
    struct fixture *f = *state;
    struct cf_store *other = NULL;
    struct cf_error err = {0};
    char dir[128];

    snprintf(dir, sizeof(dir), "%s/mine", f->dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    write_text(dir, "letter.txt", "dear");
    assert_int_equal(cf_store_open(dir, 0, &other, &err), -EINVAL);
    assert_non_null(strstr(err.text, "is no cloudfs store"));
    assert_int_equal(cf_store_open("", 0, &other, &err), -EINVAL);
}

static void a_store_whose_making_was_cut_short_is_made_again(void **state)
{
    struct fixture *f = *state;
    char dir[128], sub[160];

    snprintf(dir, sizeof(dir), "%s/cut", f->dir);
    snprintf(sub, sizeof(sub), "%s/objects", dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_text(dir, ".new-0123456789abcdef", "cloud");
    struct cf_store *other = NULL;
    struct cf_error err = {0};
    assert_ok(cf_store_open(dir, 0, &other, &err), err);
    struct cf_digest digest;
    assert_ok(cf_object_put(other, "x", 1, &digest, &err), err);
    cf_store_close(other);
}

static void exclusive_and_shared_locks_exclude_each_other(void **state)
{
    static const struct {
        unsigned first, second;
        int expected;
    } cases[] = {
        {0, 0, 0},
        {0, CF_STORE_EXCLUSIVE, -EBUSY},
        {CF_STORE_EXCLUSIVE, 0, -EBUSY},
        {CF_STORE_EXCLUSIVE, CF_STORE_EXCLUSIVE, -EBUSY},
        {CF_STORE_EXCLUSIVE, CF_STORE_NO_LOCK, 0},
        {CF_STORE_NO_LOCK, CF_STORE_EXCLUSIVE, 0},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_store *other = NULL;
        struct cf_error err = {0};
        fixture_reopen(f, cases[i].first);
        int r = cf_store_open(f->root, cases[i].second | CF_STORE_NOWAIT, &other, &err);
        assert_int_equal(r, cases[i].expected);
        cf_store_close(other);
    }
}

/* ---- objects ---- */

static const size_t sizes[] = {0, 1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (9 << 20) + 77};

static void written_objects_are_read_back_whatever_their_size_and_pieces(void **state)
{
    static const size_t pieces[] = {1000, 65536, 1 << 20, 3 << 20, 100 << 20};
    struct fixture *f = *state;
    struct cf_object_writer *writer = NULL;
    struct cf_error err = {0};

    for (size_t i = 0; i < CF_COUNT(sizes); i++)
        for (size_t k = 0; k < CF_COUNT(pieces); k++) {
            char *data = pattern(sizes[i], (unsigned)(i * 100 + k));
            struct cf_digest digest, expected;
            uint64_t size = 0;
            assert_ok(cf_object_writer_new(f->store, k % 2 ? sizes[i] : 0, &writer, &err), err);
            for (size_t at = 0; at < sizes[i]; at += pieces[k]) {
                size_t n = sizes[i] - at < pieces[k] ? sizes[i] - at : pieces[k];
                assert_ok(cf_object_writer_add(writer, data + at, n, &err), err);
            }
            assert_ok(cf_object_writer_finish(writer, &digest, &size, &err), err);
            cf_digest_of(data, sizes[i], &expected);
            assert_true(cf_digest_equal(&digest, &expected));
            assert_int_equal(size, sizes[i]);
            assert_object(f, &digest, data, sizes[i]);
            cf_object_writer_free(writer);
            free(data);
        }
    assert_int_equal(fixture_files(f, "tmp"), 0);
}

static void a_size_hint_that_was_too_large_leaves_no_reserved_space(void **state)
{
    struct fixture *f = *state;
    struct cf_object_writer *writer = NULL;
    struct cf_error err = {0};
    struct cf_digest digest;
    struct stat st;
    uint64_t size;
    char *data = pattern(2 << 20, 7);

    assert_ok(cf_object_writer_new(f->store, 64 << 20, &writer, &err), err);
    assert_ok(cf_object_writer_add(writer, data, 2 << 20, &err), err);
    assert_ok(cf_object_writer_finish(writer, &digest, &size, &err), err);
    cf_object_writer_free(writer);
    int fd = cf_object_open(f->store, &digest);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 2 << 20);
    assert_true(st.st_blocks * 512 < 4 << 20);
    close(fd);
    free(data);
}

static void one_writer_serves_object_after_object(void **state)
{
    struct fixture *f = *state;
    struct cf_object_writer *writer = NULL;
    struct cf_error err = {0};

    assert_ok(cf_object_writer_new(f->store, 0, &writer, &err), err);
    for (unsigned i = 0; i < 6; i++) {
        size_t len = i % 2 ? 3 << 20 : 10;
        char *data = pattern(len, i);
        struct cf_digest digest;
        uint64_t size;
        assert_ok(cf_object_writer_add(writer, data, len, &err), err);
        assert_ok(cf_object_writer_finish(writer, &digest, &size, &err), err);
        assert_object(f, &digest, data, len);
        free(data);
    }
    cf_object_writer_free(writer);
}

static void an_unfinished_object_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct cf_object_writer *writer = NULL;
    struct cf_error err = {0};
    char *data = pattern(5 << 20, 3);

    assert_ok(cf_object_writer_new(f->store, 0, &writer, &err), err);
    assert_ok(cf_object_writer_add(writer, data, 5 << 20, &err), err);
    cf_object_writer_free(writer);
    assert_int_equal(fixture_files(f, "objects"), 0);
    assert_int_equal(fixture_files(f, "tmp"), 0);
    free(data);
}

static ino_t object_ino(struct fixture *f, const struct cf_digest *digest)
{
    struct stat st;
    int fd = cf_object_open(f->store, digest);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    return st.st_ino;
}

static void the_same_content_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct cf_error err = {0};

    for (size_t i = 0; i < CF_COUNT(sizes); i++) {
        struct cf_object_writer *writer = NULL;
        struct cf_digest first, second, third;
        uint64_t size;
        char *data = pattern(sizes[i], 42);
        assert_ok(cf_object_put(f->store, data, sizes[i], &first, &err), err);
        ino_t ino = object_ino(f, &first);
        assert_ok(cf_object_put(f->store, data, sizes[i], &second, &err), err);
        assert_ok(cf_object_writer_new(f->store, 0, &writer, &err), err);
        assert_ok(cf_object_writer_add(writer, data, sizes[i], &err), err);
        assert_ok(cf_object_writer_finish(writer, &third, &size, &err), err);
        cf_object_writer_free(writer);
        assert_true(cf_digest_equal(&first, &second) && cf_digest_equal(&first, &third));
        assert_int_equal(object_ino(f, &first), ino);
        free(data);
    }
    assert_int_equal(fixture_files(f, "objects"), CF_COUNT(sizes));
}

static void an_object_of_the_wrong_size_is_healed_by_putting_it_again(void **state)
{
    static const size_t lens[] = {5000, 3 << 20};
    struct fixture *f = *state;
    struct cf_error err = {0};

    for (size_t i = 0; i < CF_COUNT(lens); i++) {
        char *data = pattern(lens[i], 9);
        char path[CF_OBJECT_PATH_SIZE];
        struct cf_object_writer *writer = NULL;
        struct cf_digest digest;
        uint64_t size;
        assert_ok(cf_object_put(f->store, data, lens[i], &digest, &err), err);
        cf_object_path(&digest, path);
        assert_int_equal(unlinkat(cf_store_objects_fd(f->store), path, 0), 0);
        int fd = openat(cf_store_objects_fd(f->store), path, O_CREAT | O_WRONLY, 0444);
        assert_true(fd >= 0);
        close(fd);
        assert_ok(cf_object_writer_new(f->store, 0, &writer, &err), err);
        assert_ok(cf_object_writer_add(writer, data, lens[i], &err), err);
        assert_ok(cf_object_writer_finish(writer, &digest, &size, &err), err);
        cf_object_writer_free(writer);
        assert_object(f, &digest, data, lens[i]);
        free(data);
    }
}

static void a_finished_file_is_taken_in_by_renaming_it(void **state)
{
    struct fixture *f = *state;
    struct cf_error err = {0};
    struct cf_digest digest;
    struct stat before;
    int dir = open(f->root, O_PATH | O_DIRECTORY);

    for (int again = 0; again < 2; again++) {
        assert_int_equal(cf_replace_file(cf_store_tmp_fd(f->store), "file", "content", 7, 0600), 0);
        assert_int_equal(fstatat(cf_store_tmp_fd(f->store), "file", &before, 0), 0);
        cf_digest_of("content", 7, &digest);
        assert_ok(cf_object_take(f->store, cf_store_tmp_fd(f->store), "file", &digest, &err), err);
        assert_object(f, &digest, "content", 7);
        if (!again)
            assert_int_equal(object_ino(f, &digest), before.st_ino);
        assert_int_equal(fixture_files(f, "tmp"), 0);
    }
    assert_int_equal(cf_object_take(f->store, cf_store_tmp_fd(f->store), "none", &digest, &err),
                     -ENOENT);
    assert_int_equal(cf_replace_file(cf_store_tmp_fd(f->store), "a", "linked", 6, 0600), 0);
    assert_int_equal(linkat(cf_store_tmp_fd(f->store), "a", dir, "b", 0), 0);
    cf_digest_of("linked", 6, &digest);
    assert_int_equal(cf_object_take(f->store, cf_store_tmp_fd(f->store), "a", &digest, &err),
                     -EINVAL);
    assert_false(cf_object_exists(f->store, &digest));
    close(dir);
}

static void content_is_read_from_the_tree_or_the_object_and_checked(void **state)
{
    struct fixture *f = *state;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_content content = {CF_CONTENT_INLINE, 5, "hello", {{0}}};

    assert_int_equal(cf_content_read(f->store, &content, 5, &buf, &err), 0);
    assert_string_equal(buf.data, "hello");
    assert_int_equal(cf_content_read(f->store, &content, 4, &buf, &err), -EFBIG);
    content = (struct cf_content){.kind = CF_CONTENT_OBJECT, .size = 5};
    assert_ok(cf_object_put(f->store, "world", 5, &content.digest, &err), err);
    assert_int_equal(cf_content_read(f->store, &content, 100, &buf, &err), 0);
    assert_string_equal(buf.data, "helloworld");
    content.size = 6;
    assert_int_equal(cf_content_read(f->store, &content, 100, &buf, &err), -EBADMSG);
    memset(&content.digest, 7, sizeof(content.digest));
    assert_int_equal(cf_content_read(f->store, &content, 100, &buf, &err), -ENOENT);
    assert_string_equal(buf.data, "helloworld");
}

struct job {
    struct fixture *f;
    unsigned seed;
    int result;
};

static void *put_many(void *context)
{
    struct job *job = context;
    struct cf_error err;

    for (unsigned i = 0; i < 50 && job->result == 0; i++) {
        char *data = pattern(3000, i); /* the same contents in every thread */
        struct cf_digest digest;
        job->result = cf_object_put(job->f->store, data, 3000, &digest, &err);
        if (job->result == 0 && i % 10 == job->seed)
            job->result = cf_store_sync(job->f->store, &err);
        free(data);
    }
    return NULL;
}

static void threads_may_put_the_same_objects_at_once(void **state)
{
    struct job jobs[4];
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = (struct job){*state, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].result, 0);
    }
    assert_int_equal(fixture_files(*state, "objects"), 50);
    assert_int_equal(fixture_files(*state, "tmp"), 0);
}

/* In a child with a mount namespace of its own: 0 passed, 77 not possible here, else failed. */
static int on_a_full_disk(const char *dir)
{
    struct cf_store *store = NULL;
    struct cf_object_writer *writer = NULL;
    struct cf_error err = {0};
    struct cf_digest digest;
    static char data[1 << 20];
    struct stat st;
    uint64_t size;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0)
        return 77;
    if (cf_store_open(dir, 0, &store, &err) < 0 ||
        cf_object_writer_new(store, 100 << 20, &writer, &err) < 0)
        return 1;
    int r = 0;
    for (int i = 0; i < 8 && r == 0; i++)
        r = cf_object_writer_add(writer, data, sizeof(data), &err);
    /* The hint tells of it with the first byte that is written. */
    if (r != -ENOSPC || !strstr(err.text, "104857600 bytes") || !strstr(err.text, "No space left"))
        return 2;
    cf_object_writer_free(writer);
    if (cf_object_writer_new(store, 0, &writer, &err) < 0)
        return 3;
    for (r = 0; r == 0;)
        r = cf_object_writer_add(writer, data, sizeof(data), &err);
    if (r != -ENOSPC || cf_object_writer_finish(writer, &digest, &size, &err) != -ENOSPC)
        return 4;
    cf_object_writer_free(writer);
    /* All space is free again, and a smaller object fits. */
    if (cf_object_put(store, data, sizeof(data), &digest, &err) < 0 ||
        fstatat(cf_store_tmp_fd(store), ".", &st, 0) < 0)
        return 5;
    cf_store_close(store);
    return 0;
}

static void a_full_disk_is_told_and_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    char dir[128];
    int status;

    snprintf(dir, sizeof(dir), "%s/full", f->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(on_a_full_disk(dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- blobs ---- */

static void blobs_are_kept_byte_for_byte_and_verified_when_read(void **state)
{
    struct fixture *f = *state;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_digest digest;
    char path[160], hex[CF_DIGEST_HEX_SIZE];

    assert_ok(cf_blob_put(f->store, "{ \"a\":1 }\n", 10, &digest, &err), err);
    assert_ok(cf_blob_get(f->store, &digest, &buf, &err), err);
    assert_string_equal(buf.data, "{ \"a\":1 }\n");
    cf_digest_hex(&digest, hex);
    snprintf(path, sizeof(path), "%s/blobs/sha256", f->root);
    write_text(path, hex, "{ \"a\":2 }\n");
    assert_int_equal(cf_blob_get(f->store, &digest, &buf, &err), -EBADMSG);
    assert_ok(cf_blob_put(f->store, "{ \"a\":1 }\n", 10, &digest, &err), err);
    cf_buf_clear(&buf);
    assert_ok(cf_blob_get(f->store, &digest, &buf, &err), err);
    assert_true(cf_blob_exists(f->store, &digest));
    memset(&digest, 1, sizeof(digest));
    assert_false(cf_blob_exists(f->store, &digest));
    assert_int_equal(cf_blob_get(f->store, &digest, &buf, &err), -ENOENT);
    char *large = calloc(1, CF_BLOB_MAX + 1);
    assert_int_equal(cf_blob_put(f->store, large, CF_BLOB_MAX + 1, &digest, &err), -EFBIG);
    free(large);
}

/* ---- names ---- */

static int join_names(const char *name, const struct cf_digest *manifest, void *context)
{
    (void)manifest;
    return cf_buf_printf(context, "%s ", name);
}

static void names_are_set_changed_listed_in_order_and_removed(void **state)
{
    static const char *const names[] = {"a:b",           "a/b:c",       "a:a",
                                        "z.io:99/x/y:1", "Host.io/a:b", "a/b/c/d/e:f"};
    struct fixture *f = *state;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_digest one = fixture_image(f, NULL, 0, "2024-01-01T00:00:00Z");
    struct cf_digest two = fixture_image(f, NULL, 0, "2024-01-02T00:00:00Z");
    struct cf_digest found;

    for (size_t i = 0; i < CF_COUNT(names); i++)
        assert_ok(cf_name_set(f->store, names[i], &one, &err), err);
    assert_ok(cf_name_set(f->store, "a:b", &two, &err), err);
    assert_int_equal(cf_name_get(f->store, "a:b", &found), 0);
    assert_true(cf_digest_equal(&found, &two));
    assert_int_equal(cf_name_get(f->store, "a:a", &found), 0);
    assert_true(cf_digest_equal(&found, &one));
    assert_int_equal(cf_name_each(f->store, join_names, &buf, &err), 0);
    assert_string_equal(buf.data, "Host.io/a:b a/b/c/d/e:f a/b:c a:a a:b z.io:99/x/y:1 ");
    for (size_t i = 0; i < CF_COUNT(names); i++) {
        assert_ok(cf_name_remove(f->store, names[i], &err), err);
        assert_int_equal(cf_name_get(f->store, names[i], &found), -ENOENT);
        assert_int_equal(cf_name_remove(f->store, names[i], &err), -ENOENT);
    }
    cf_buf_clear(&buf);
    assert_int_equal(cf_name_each(f->store, join_names, &buf, &err), 0);
    assert_int_equal(buf.len, 0);
    /* Directories of removed names are gone too. */
    assert_int_equal(unlinkat(cf_store_root_fd(f->store), "names", AT_REMOVEDIR), 0);
    assert_int_equal(mkdirat(cf_store_root_fd(f->store), "names", 0700), 0);
}

static void a_name_needs_a_tag_and_an_image_that_is_there(void **state)
{
    static const char *const bad[] = {"a",   "",       "../x:y",  "a:b@sha256:x",
                                      "A:b", "a/@b:c", "a:b/../c"};
    struct fixture *f = *state;
    struct cf_error err = {0};
    struct cf_digest image = fixture_image(f, NULL, 0, "2024-01-01T00:00:00Z");
    struct cf_digest none = {{1}};
    struct cf_digest found;

    for (size_t i = 0; i < CF_COUNT(bad); i++) {
        assert_int_equal(cf_name_set(f->store, bad[i], &image, &err), -EINVAL);
        assert_int_equal(cf_name_get(f->store, bad[i], &found), -EINVAL);
        assert_int_equal(cf_name_remove(f->store, bad[i], &err), -EINVAL);
    }
    assert_int_equal(cf_name_set(f->store, "a:b", &none, &err), -ENOENT);
    assert_int_equal(cf_name_get(f->store, "a:b", &found), -ENOENT);
}

static void rubbish_among_the_names_does_not_hide_the_others(void **state)
{
    static const char *const rubbish[] = {"", "sha256:12\n", "hello", NULL};
    struct fixture *f = *state;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    struct cf_digest image = fixture_image(f, NULL, 0, "2024-01-01T00:00:00Z"), found;
    char dir[128];

    assert_ok(cf_name_set(f->store, "good:one", &image, &err), err);
    snprintf(dir, sizeof(dir), "%s/names", f->root);
    write_text(dir, "stray", "x");
    snprintf(dir, sizeof(dir), "%s/names/good", f->root);
    for (size_t i = 0; rubbish[i]; i++) {
        write_text(dir, "@bad", rubbish[i]);
        cf_buf_clear(&buf);
        assert_int_equal(cf_name_get(f->store, "good:bad", &found), -EBADMSG);
        assert_int_equal(cf_name_each(f->store, join_names, &buf, &err), 0);
        assert_string_equal(buf.data, "good:one ");
    }
}

static void a_sync_succeeds_for_few_and_for_many_files(void **state)
{
    static const unsigned counts[] = {0, 1, 2, 20, 100};
    struct fixture *f = *state;
    struct cf_error err = {0};

    for (size_t i = 0; i < CF_COUNT(counts); i++) {
        for (unsigned k = 0; k < counts[i]; k++) {
            unsigned number[2] = {(unsigned)i, k};
            struct cf_digest digest;
            assert_ok(cf_object_put(f->store, number, sizeof(number), &digest, &err), err);
        }
        assert_ok(cf_store_sync(f->store, &err), err);
    }
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_store_is_private_and_says_its_format),
        T(a_store_of_a_newer_or_unreadable_format_is_refused),
        T(a_directory_with_other_files_is_not_made_a_store),
        T(a_store_whose_making_was_cut_short_is_made_again),
        T(exclusive_and_shared_locks_exclude_each_other),
        T(written_objects_are_read_back_whatever_their_size_and_pieces),
        T(a_size_hint_that_was_too_large_leaves_no_reserved_space),
        T(one_writer_serves_object_after_object),
        T(an_unfinished_object_leaves_nothing_behind),
        T(the_same_content_is_stored_once),
        T(an_object_of_the_wrong_size_is_healed_by_putting_it_again),
        T(a_finished_file_is_taken_in_by_renaming_it),
        T(content_is_read_from_the_tree_or_the_object_and_checked),
        T(a_full_disk_is_told_and_leaves_nothing_behind),
        T(threads_may_put_the_same_objects_at_once),
        T(blobs_are_kept_byte_for_byte_and_verified_when_read),
        T(names_are_set_changed_listed_in_order_and_removed),
        T(a_name_needs_a_tag_and_an_image_that_is_there),
        T(rubbish_among_the_names_does_not_hide_the_others),
        T(a_sync_succeeds_for_few_and_for_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
