/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/decoder.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>

struct source {
    char *name; /* quoted path */
    int fd;     /* of the directory, or of the tar (the spooled one) */
    bool is_dir;
    struct tar_index index;
};

const char *cf_source_name(const struct source *source)
{
    return source->name;
}

int cf_source_tar_fd(const struct source *source)
{
    return source->is_dir ? -1 : source->fd;
}

void cf_source_close(struct source *source)
{
    if (!source)
        return;
    if (source->fd >= 0)
        close(source->fd);
    cf_tar_index_done(&source->index);
    free(source->name);
    free(source);
}

int cf_source_named(const char *name, struct source **ret_source, struct cf_error *err)
{
    struct source *source = calloc(1, sizeof(*source));

    if (source)
        source->name = strdup(name);
    if (!source || !source->name) {
        free(source);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    source->fd = -1;
    *ret_source = source;
    return 0;
}

int cf_spool_open(struct cf_store *store, struct cf_error *err)
{
    char name[17];
    int fd = openat(cf_store_tmp_fd(store), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    cf_random_name(name);
    fd = openat(cf_store_tmp_fd(store), name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot make a temporary file in store %s",
                             cf_store_root(store));
    (void)unlinkat(cf_store_tmp_fd(store), name, 0);
    return fd;
}

struct spooling {
    struct source *source;
    int in_fd;
    uint8_t *window;
    size_t held; /* bytes in window that were read to see what they are */
    uint64_t done, total;
    cf_progress_fn *progress;
    void *progress_context;
};

#define WINDOW (256u << 10)

/* The next bytes of the file as it is. */
static int spool_input(void *context, const void **ret_data, size_t *ret_len, struct cf_error *err)
{
    struct spooling *spooling = context;
    ssize_t n = (ssize_t)spooling->held;

    spooling->held = 0;
    if (n == 0)
        n = cf_read_full(spooling->in_fd, spooling->window, WINDOW);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read %s", spooling->source->name);
    spooling->done += (uint64_t)n;
    if (spooling->progress)
        spooling->progress(spooling->progress_context, "reading", spooling->done, spooling->total);
    *ret_data = spooling->window;
    *ret_len = (size_t)n;
    return n > 0;
}

static int spool_write(struct spooling *spooling, int out_fd, const void *data, size_t len,
                       struct cf_error *err)
{
    int r = cf_write_full(out_fd, data, len);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot keep %s in the store's tmp/", spooling->source->name);
    return 0;
}

static int spool_plain(struct spooling *spooling, int out_fd, struct cf_error *err)
{
    const void *data = NULL;
    size_t len = 0;
    int r;

    while ((r = spool_input(spooling, &data, &len, err)) > 0) {
        r = spool_write(spooling, out_fd, data, len, err);
        if (r < 0)
            return r;
    }
    return r;
}

static int spool_unpacked(struct spooling *spooling, enum cf_compression kind, int out_fd,
                          struct cf_error *err)
{
    struct cf_decoder *decoder cf_cleanup(cf_decoder_free_ptr) = NULL;
    uint8_t *buffer cf_autofree = malloc(WINDOW);
    ssize_t n = 0;
    int r = buffer ? cf_decoder_new(kind, spool_input, spooling, &decoder, err)
                   : cf_fail(err, -ENOMEM, "out of memory");

    while (r == 0 && (n = cf_decoder_read(decoder, buffer, WINDOW, err)) > 0)
        r = spool_write(spooling, out_fd, buffer, (size_t)n, err);
    if (r == 0 && n < 0)
        r = cf_fail_in(err, (int)n, "%s", spooling->source->name);
    return r;
}

/* Copies in_fd, unpacked if it is compressed, to a file that pread works on. */
static int spool(struct cf_store *store, struct spooling *spooling, struct cf_error *err)
{
    int out_fd cf_autoclose = cf_spool_open(store, err);
    uint8_t *window cf_autofree = malloc(WINDOW);

    if (out_fd < 0)
        return out_fd;
    if (!window)
        return cf_fail(err, -ENOMEM, "out of memory");
    spooling->window = window;
    ssize_t n = cf_read_full(spooling->in_fd, window, WINDOW);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read %s", spooling->source->name);
    if (n == 0)
        return cf_fail(err, -EINVAL, "%s is empty", spooling->source->name);
    spooling->held = (size_t)n;
    enum cf_compression kind = cf_compression_detect(window, (size_t)n);
    int r = kind == CF_PLAIN ? spool_plain(spooling, out_fd, err)
                             : spool_unpacked(spooling, kind, out_fd, err);
    return r < 0 ? r : CF_TAKE_FD(out_fd);
}

/* Whether the file begins as a compressed one does. */
static int is_compressed(int fd, const char *name, bool *ret_compressed, struct cf_error *err)
{
    uint8_t magic[16];
    ssize_t n = cf_pread_full(fd, magic, sizeof(magic), 0);

    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read %s", name);
    if (n == 0)
        return cf_fail(err, -EINVAL, "%s is empty", name);
    *ret_compressed = cf_compression_detect(magic, (size_t)n) != CF_PLAIN;
    return 0;
}

static int open_tar(struct cf_store *store, struct source *source, int fd, const struct stat *st,
                    struct spooling *spooling, struct cf_error *err)
{
    bool compressed = false;
    int r = S_ISREG(st->st_mode) ? is_compressed(fd, source->name, &compressed, err) : 0;

    if (r < 0)
        return r;
    if (S_ISREG(st->st_mode) && !compressed) {
        source->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (source->fd < 0)
            return cf_fail_errno(err, errno, "cannot read %s", source->name);
    } else {
        spooling->in_fd = fd;
        spooling->total = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
        source->fd = spool(store, spooling, err);
        if (source->fd < 0)
            return source->fd;
    }
    return cf_tar_index_read(source->fd, source->name, &source->index, err);
}

/* A source of that name, of what is open behind fd. */
static int open_source(struct cf_store *store, int fd, const char *name, bool may_be_dir,
                       struct spooling *spooling, struct source **ret_source, struct cf_error *err)
{
    struct stat st;
    struct source *source cf_cleanup(cf_source_close_ptr) = calloc(1, sizeof(*source));

    if (!source)
        return cf_fail(err, -ENOMEM, "out of memory");
    source->fd = -1;
    source->name = strdup(name);
    if (!source->name)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "cannot open %s", source->name);
    source->is_dir = may_be_dir && S_ISDIR(st.st_mode);
    spooling->source = source;
    int r = 0;
    if (!source->is_dir)
        r = open_tar(store, source, fd, &st, spooling, err);
    else if ((source->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
        r = cf_fail_errno(err, errno, "cannot read %s", source->name);
    if (r < 0)
        return r;
    *ret_source = CF_TAKE(source);
    return 0;
}

int cf_source_open(struct cf_store *store, const char *path, cf_progress_fn *progress,
                   void *progress_context, struct source **ret_source, struct cf_error *err)
{
    bool is_stdin = !strcmp(path, "-");
    const char *name = is_stdin ? "standard input" : CF_QUOTE(path);
    struct spooling spooling = {.progress = progress, .progress_context = progress_context};
    int fd cf_autoclose =
        is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot open %s", name);
    return open_source(store, fd, name, true, &spooling, ret_source, err);
}

int cf_source_open_fd(struct cf_store *store, int fd, const char *path, struct source **ret_source,
                      struct cf_error *err)
{
    struct spooling spooling = {0};

    return open_source(store, fd, CF_QUOTE(path), false, &spooling, ret_source, err);
}

static int dir_member(struct source *source, const char *name, struct source_member *ret_member,
                      struct cf_error *err)
{
    struct stat st;
    int fd cf_autoclose = cf_open_beneath(source->fd, name, O_RDONLY | O_NONBLOCK, 0);

    if (fd == -ENOENT || fd == -ENOTDIR)
        return -ENOENT;
    if (fd < 0)
        return cf_fail_errno(err, -fd, "cannot open %s of %s", CF_QUOTE(name), source->name);
    if (fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "cannot read %s of %s", CF_QUOTE(name), source->name);
    if (!S_ISREG(st.st_mode))
        return cf_fail(err, -EINVAL, "%s of %s is not a regular file", CF_QUOTE(name),
                       source->name);
    *ret_member = (struct source_member){.size = (uint64_t)st.st_size, .fd = CF_TAKE_FD(fd)};
    return 0;
}

int cf_source_member(struct source *source, const char *name, struct source_member *ret_member,
                     struct cf_error *err)
{
    if (source->is_dir)
        return dir_member(source, name, ret_member, err);
    const struct tar_member *member = cf_tar_index_find(&source->index, name);
    if (!member)
        return -ENOENT;
    int fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot read %s", source->name);
    *ret_member = (struct source_member){.fd = fd, .offset = member->offset, .size = member->size};
    return 0;
}

bool cf_source_has(struct source *source, const char *name)
{
    struct source_member member = {.fd = -1};

    if (cf_source_member(source, name, &member, NULL) < 0)
        return false;
    close(member.fd);
    return true;
}

int cf_source_read(struct source *source, const char *name, size_t max, struct cf_buf *ret_buf,
                   struct cf_error *err)
{
    struct source_member member = {.fd = -1};
    int r = cf_source_member(source, name, &member, err);
    int fd cf_autoclose = member.fd;

    if (r < 0)
        return r;
    if (member.size > max)
        return cf_fail(err, -EFBIG, "%s of %s has %llu bytes: the limit is %zu", CF_QUOTE(name),
                       source->name, (unsigned long long)member.size, max);
    r = cf_buf_reserve(ret_buf, (size_t)member.size + 1);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    ssize_t n =
        cf_pread_full(fd, ret_buf->data + ret_buf->len, (size_t)member.size, (off_t)member.offset);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read %s of %s", CF_QUOTE(name), source->name);
    if ((uint64_t)n < member.size)
        return cf_fail(err, -EINVAL, "%s of %s is cut off", CF_QUOTE(name), source->name);
    ret_buf->len += (size_t)n;
    ret_buf->data[ret_buf->len] = '\0';
    return 0;
}
