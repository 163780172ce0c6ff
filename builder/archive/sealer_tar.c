/* SPDX-License-Identifier: Apache-2.0 */
#include "sealer_tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/io.h>
#include <cloudfs/tar.h>

enum { READ_SIZE = 256 << 10 };

/* ---- entries of one tar as entries of another ---- */

struct moving {
    struct cf_tar *tar;
    char directory[80]; /* without a slash */
    bool out_of;        /* of the directory; else into it */
    bool wanted;        /* the entry at hand */
    uint64_t at;        /* bytes of its content that were put */
    uint64_t left;      /* bytes that are to come of content that nobody wants */
    cf_sink_fn *sink;
    void *sink_context;
};

static int put(struct moving *moving, const void *data, size_t len, struct cf_error *err)
{
    return len ? moving->sink(moving->sink_context, data, len, err) : 0;
}

static int put_zeros(struct moving *moving, uint64_t len, struct cf_error *err)
{
    static const char zeros[4096];
    int r = 0;
    while (len > 0 && r == 0) {
        const size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        r = put(moving, zeros, n, err);
        len -= n;
    }
    return r;
}

/* The path as it is in the other tar; -ENOENT: it is not of this layer. */
static int move_path(const struct moving *moving, const struct cf_buf *path, struct cf_buf *ret)
{
    const char *from = path->data;
    size_t len = path->len;
    const size_t dir = strlen(moving->directory);
    while (len > 0 && from[len - 1] == '/')
        len--;
    while (len >= 2 && !strncmp(from, "./", 2)) {
        from += 2;
        len -= 2;
    }
    if (len == 1 && *from == '.')
        len = 0;
    if (!moving->out_of) {
        int r = cf_buf_add_str(ret, moving->directory);
        if (r == 0 && len > 0)
            r = cf_buf_add_char(ret, '/');
        return r == 0 ? cf_buf_add(ret, from, len) : r;
    }
    if (len < dir || strncmp(from, moving->directory, dir) != 0 || (len > dir && from[dir] != '/'))
        return -ENOENT;
    return len <= dir + 1 ? cf_buf_add_str(ret, ".")
                          : cf_buf_add(ret, from + dir + 1, len - dir - 1);
}

static int put_entry(struct moving *moving, const struct cf_tar_entry *entry, struct cf_error *err)
{
    struct cf_buf header cf_autobuf = CF_BUF_INIT;
    int r = cf_tar_header_format(entry, &header, err);
    return r == 0 ? put(moving, header.data, header.len, err) : r;
}

/* NAME beside or in path, as an empty file: what a layer says of that is gone. */
static int put_mark(struct moving *moving, const struct cf_tar_entry *entry, const char *before,
                    const char *base, struct cf_error *err)
{
    struct cf_tar_entry mark = {.type = '0', .mtime_sec = entry->mtime_sec, .path = CF_BUF_INIT};
    const char *slash = *base ? memrchr(entry->path.data, '/', entry->path.len) : NULL;
    const size_t parent = !*base ? entry->path.len : slash ? (size_t)(slash - entry->path.data) : 0;
    int r = cf_buf_add(&mark.path, entry->path.data, parent);
    if (r == 0 && parent > 0)
        r = cf_buf_add_char(&mark.path, '/');
    if (r == 0)
        r = cf_buf_add_str(&mark.path, before);
    if (r == 0)
        r = cf_buf_add_str(&mark.path, base);
    r = r < 0 ? cf_fail(err, -ENOMEM, "out of memory") : put_entry(moving, &mark, err);
    cf_buf_done(&mark.path);
    return r;
}

static bool is_opaque(const struct cf_tar_entry *entry)
{
    for (size_t i = 0; i < entry->xattr_count; i++)
        if (!strcmp(entry->xattrs[i].name, "trusted.overlay.opaque") && entry->xattrs[i].len == 1 &&
            !memcmp(entry->xattrs[i].value, "y", 1))
            return true;
    return false;
}

static int put_moved(struct moving *moving, struct cf_tar_entry *moved, struct cf_error *err)
{
    struct cf_tar_xattr *kept cf_autofree = NULL;
    const bool opaque = moving->out_of && moved->type == '5' && is_opaque(moved);
    if (moving->out_of && moved->type == '3' && moved->major == 0 && moved->minor == 0) {
        const char *slash = memrchr(moved->path.data, '/', moved->path.len);
        return put_mark(moving, moved, ".wh.", slash ? slash + 1 : moved->path.data, err);
    }
    if (opaque) {
        kept = calloc(moved->xattr_count, sizeof *kept);
        if (!kept)
            return cf_fail(err, -ENOMEM, "out of memory");
        size_t count = 0;
        for (size_t i = 0; i < moved->xattr_count; i++)
            if (strncmp(moved->xattrs[i].name, "trusted.overlay.", 16) != 0)
                kept[count++] = moved->xattrs[i];
        moved->xattrs = kept;
        moved->xattr_count = count;
    }
    int r = put_entry(moving, moved, err);
    return r == 0 && opaque ? put_mark(moving, moved, ".wh..wh..opq", "", err) : r;
}

static int begin(struct moving *moving, struct cf_error *err)
{
    const struct cf_tar_entry *entry = cf_tar_entry(moving->tar);
    struct cf_buf path cf_autobuf = CF_BUF_INIT, link cf_autobuf = CF_BUF_INIT;
    struct cf_tar_entry moved = *entry;
    int r = move_path(moving, &entry->path, &path);
    moving->at = 0;
    moving->wanted = r != -ENOENT && entry->type != 'V';
    moving->left = moving->wanted || entry->sparse ? 0 : entry->size;
    if (r == 0 && moving->wanted && entry->type == '1') {
        r = move_path(moving, &entry->link, &link);
        moved.link = link;
        if (r == -ENOENT)
            return cf_fail(err, -EINVAL, "entry '%.400s': a hard link out of its layer",
                           entry->path.data);
    }
    if (r == -ENOENT || !moving->wanted)
        return 0;
    if (r < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    moved.path = path;
    moved.sparse = false;
    return put_moved(moving, &moved, err);
}

static int take_event(struct moving *moving, int event, const struct cf_tar_span *span,
                      struct cf_error *err)
{
    const uint64_t size = event == CF_TAR_META ? 0 : cf_tar_entry(moving->tar)->size;
    int r = 0;
    if (event == CF_TAR_ENTRY)
        return begin(moving, err);
    if (event == CF_TAR_DATA && !moving->wanted)
        moving->left -= span->len < moving->left ? span->len : moving->left;
    if (event == CF_TAR_META || !moving->wanted)
        return 0;
    const uint64_t until = event == CF_TAR_DATA ? span->offset : size;
    if (moving->at < until) /* a hole */
        r = put_zeros(moving, until - moving->at, err);
    if (event == CF_TAR_DONE)
        return r == 0 ? put_zeros(moving, cf_tar_padding(size), err) : r;
    moving->at = span->offset + span->len;
    return r == 0 ? put(moving, span->data, span->len, err) : r;
}

/* 0: more is to be fed. */
static int move(struct moving *moving, struct cf_error *err)
{
    for (;;) {
        struct cf_tar_span span;
        const int event = cf_tar_next(moving->tar, &span, err);
        if (event < 0)
            return event;
        if (event == CF_TAR_MORE)
            return 0;
        int r = take_event(moving, event, &span, err);
        if (r < 0)
            return r;
    }
}

static int moving_init(struct moving *moving, const char *directory, struct cf_error *err)
{
    const size_t len = strlen(directory);
    if (len >= sizeof moving->directory || cf_tar_new(&moving->tar) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    memcpy(moving->directory, directory, len + 1);
    return 0;
}

/* ---- out of an archive ---- */

struct cf_sealer_reader {
    struct moving moving;
    int fd;
    off_t at;
    bool over;
    char *window;
    struct cf_buf out;
    size_t out_at;
};

static int gather(void *context, const void *data, size_t len, struct cf_error *err)
{
    return cf_buf_add(context, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

int cf_sealer_reader_new(int fd, const char *directory, struct cf_sealer_reader **ret_reader,
                         struct cf_error *err)
{
    struct cf_sealer_reader *reader cf_cleanup(cf_sealer_reader_free_ptr) =
        calloc(1, sizeof *reader);
    if (!reader)
        return cf_fail(err, -ENOMEM, "out of memory");
    reader->fd = fd;
    reader->window = malloc(READ_SIZE);
    reader->moving = (struct moving){.out_of = true, .sink = gather, .sink_context = &reader->out};
    int r = reader->window ? moving_init(&reader->moving, directory, err)
                           : cf_fail(err, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    *ret_reader = CF_TAKE(reader);
    return 0;
}

void cf_sealer_reader_free(struct cf_sealer_reader *reader)
{
    if (!reader)
        return;
    cf_tar_free(reader->moving.tar);
    cf_buf_done(&reader->out);
    free(reader->window);
    free(reader);
}

/* The next part of the archive, or the end of the layer's tar. */
static int refill(struct cf_sealer_reader *reader, struct cf_error *err)
{
    static const char blank[READ_SIZE];
    if (reader->moving.left > 0) { /* nobody looks at it */
        const size_t len = reader->moving.left < READ_SIZE ? reader->moving.left : READ_SIZE;
        reader->at += (off_t)len;
        cf_tar_feed(reader->moving.tar, blank, len);
        return move(&reader->moving, err);
    }
    const ssize_t n = cf_pread_full(reader->fd, reader->window, READ_SIZE, reader->at);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read the archive");
    if (n == 0) {
        reader->over = true;
        int r = cf_tar_end(reader->moving.tar, true, err);
        return r == 0 ? put_zeros(&reader->moving, 2 * CF_TAR_BLOCK, err) : r;
    }
    reader->at += n;
    cf_tar_feed(reader->moving.tar, reader->window, (size_t)n);
    return move(&reader->moving, err);
}

ssize_t cf_sealer_read(void *context, void *data, size_t len, struct cf_error *err)
{
    struct cf_sealer_reader *reader = context;
    while (reader->out_at == reader->out.len && !reader->over) {
        cf_buf_clear(&reader->out);
        reader->out_at = 0;
        int r = refill(reader, err);
        if (r < 0)
            return r;
    }
    const size_t left = reader->out.len - reader->out_at, n = left < len ? left : len;
    if (n > 0)
        memcpy(data, reader->out.data + reader->out_at, n);
    reader->out_at += n;
    return (ssize_t)n;
}

/* ---- into one ---- */

struct cf_sealer_writer {
    struct moving moving;
};

int cf_sealer_writer_new(const char *directory, cf_sink_fn *sink, void *sink_context,
                         struct cf_sealer_writer **ret_writer, struct cf_error *err)
{
    struct cf_sealer_writer *writer cf_cleanup(cf_sealer_writer_free_ptr) =
        calloc(1, sizeof *writer);
    if (!writer)
        return cf_fail(err, -ENOMEM, "out of memory");
    writer->moving = (struct moving){.sink = sink, .sink_context = sink_context};
    int r = moving_init(&writer->moving, directory, err);
    if (r < 0)
        return r;
    *ret_writer = CF_TAKE(writer);
    return 0;
}

void cf_sealer_writer_free(struct cf_sealer_writer *writer)
{
    if (writer)
        cf_tar_free(writer->moving.tar);
    free(writer);
}

int cf_sealer_write(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct cf_sealer_writer *writer = context;
    cf_tar_feed(writer->moving.tar, data, len);
    return move(&writer->moving, err);
}
