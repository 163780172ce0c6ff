/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI layout, a docker-archive or sealer's as one tar: members in ascending order, mtime 0,
 * owner 0:0. */
#include "save.h"
#include "sealer_tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/tar.h>

#define BUFFER_SIZE (256u << 10)

struct member {
    char path[160];
    const struct saved_layer *layer; /* content: this layer, or data */
    bool is_tree;                    /* the layer's files, below path */
    const char *data;
    size_t len;
    bool is_dir;
};

struct output {
    struct saving *saving;
    const char *path; /* for messages */
    int fd;
    char *buffer;
    size_t held;
    struct member *members;
    size_t member_count;
};

static int flush(struct output *output, struct cf_error *err)
{
    int r = cf_write_full(output->fd, output->buffer, output->held);

    output->held = 0;
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write %s", output->path);
    return 0;
}

static int put(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct output *output = context;
    const char *from = data;

    while (len > 0) {
        if (output->held == 0 && len >= BUFFER_SIZE) {
            int r = cf_write_full(output->fd, from, len);
            return r < 0 ? cf_fail_errno(err, -r, "cannot write %s", output->path) : 0;
        }
        size_t part = BUFFER_SIZE - output->held < len ? BUFFER_SIZE - output->held : len;
        memcpy(output->buffer + output->held, from, part);
        output->held += part;
        from += part;
        len -= part;
        int r = output->held == BUFFER_SIZE ? flush(output, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_tree(struct output *output, const struct member *member, struct cf_error *err)
{
    struct cf_sealer_writer *writer cf_cleanup(cf_sealer_writer_free_ptr) = NULL;
    int r = cf_sealer_writer_new(member->path, put, output, &writer, err);
    return r == 0 ? cf_saving_send(output->saving, member->layer, cf_sealer_write, writer, err) : r;
}

static int put_member(struct output *output, const struct member *member, struct cf_error *err)
{
    static const char zeros[CF_TAR_BLOCK];
    uint64_t size = member->layer ? member->layer->size : member->len;
    struct cf_buf header cf_autobuf = CF_BUF_INIT, path cf_autobuf = CF_BUF_INIT;
    struct cf_tar_entry entry = {
        .type = member->is_dir ? '5' : '0', .mode = member->is_dir ? 0755 : 0644, .size = size};
    if (member->is_tree)
        return put_tree(output, member, err);
    int r = cf_buf_add_str(&path, member->path);

    entry.path = path;
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    r = cf_tar_header_format(&entry, &header, err);
    if (r == 0)
        r = put(output, header.data, header.len, err);
    if (r == 0 && member->layer)
        r = cf_saving_send(output->saving, member->layer, put, output, err);
    else if (r == 0 && member->len > 0)
        r = put(output, member->data, member->len, err);
    return r == 0 ? put(output, zeros, cf_tar_padding(size), err) : r;
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static struct member *add(struct output *output)
{
    struct member *member = &output->members[output->member_count++];
    *member = (struct member){0};
    return member;
}

static void add_data(struct output *output, const char *path, const struct cf_buf *buf)
{
    struct member *member = add(output);
    snprintf(member->path, sizeof(member->path), "%s", path);
    member->data = buf->data;
    member->len = buf->len;
}

static void add_dir(struct output *output, const char *path)
{
    struct member *member = add(output);
    snprintf(member->path, sizeof(member->path), "%s", path);
    member->is_dir = true;
}

static void add_blob(struct output *output, const struct cf_digest *digest,
                     const struct cf_buf *buf, const struct saved_layer *layer)
{
    struct member *member = add(output);
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    snprintf(member->path, sizeof(member->path), "blobs/sha256/%s", hex);
    if (buf) {
        member->data = buf->data;
        member->len = buf->len;
    }
    member->layer = layer;
}

static void list_oci(struct output *output, const struct cf_buf *index, const struct cf_buf *layout)
{
    const struct saving *saving = output->saving;

    add_dir(output, "blobs");
    add_dir(output, "blobs/sha256");
    add_data(output, "index.json", index);
    add_data(output, "oci-layout", layout);
    for (size_t i = 0; i < saving->layer_count; i++)
        add_blob(output, &saving->layers[i].blob, NULL, &saving->layers[i]);
    for (size_t i = 0; i < saving->image_count; i++) {
        const struct saved_image *saved = &saving->images[i];
        add_blob(output, &saved->image->config, &saved->config, NULL);
        add_blob(output, &saved->manifest_digest, &saved->manifest, NULL);
    }
    for (size_t i = 0; i < saving->index_count; i++)
        add_blob(output, &saving->indexes[i].digest, &saving->indexes[i].text, NULL);
}

static void list_docker(struct output *output, const struct cf_buf *manifest)
{
    const struct saving *saving = output->saving;
    char hex[CF_DIGEST_HEX_SIZE], path[CF_DIGEST_HEX_SIZE + 16];

    add_data(output, "manifest.json", manifest);
    for (size_t i = 0; i < saving->layer_count; i++) {
        cf_digest_hex(&saving->layers[i].diff_id, hex);
        add_dir(output, hex);
        snprintf(path, sizeof(path), "%s/layer.tar", hex);
        struct member *member = add(output);
        memcpy(member->path, path, sizeof(path));
        member->layer = &saving->layers[i];
    }
    for (size_t i = 0; i < saving->image_count; i++) {
        cf_digest_hex(&saving->images[i].image->config, hex);
        snprintf(path, sizeof(path), "%s.json", hex);
        add_data(output, path, &saving->images[i].config);
    }
}

/* ret_texts: one for each image, then the index. */
static int list_sealer(struct output *output, struct cf_buf *texts, struct cf_error *err)
{
    const struct saving *saving = output->saving;
    char file[CF_DIGEST_HEX_SIZE + 8];
    int r = cf_saving_sealer_index(saving, &texts[saving->image_count], err);

    for (size_t i = 0; i < saving->image_count && r == 0; i++) {
        r = cf_saving_sealer_image(saving, &saving->images[i], file, &texts[i], err);
        if (r == 0)
            add_data(output, file, &texts[i]);
    }
    if (r < 0)
        return r;
    add_data(output, CF_SEALER_INDEX, &texts[saving->image_count]);
    for (size_t i = 0; i < saving->layer_count; i++) {
        struct member *member = add(output);
        cf_digest_hex(&saving->layers[i].diff_id, member->path);
        member->layer = &saving->layers[i];
        member->is_tree = true;
    }
    return 0;
}

static int write_members(struct output *output, struct cf_error *err)
{
    static const char zeros[2 * CF_TAR_BLOCK];
    int r = 0;

    qsort(output->members, output->member_count, sizeof(*output->members), compare_members);
    for (size_t i = 0; i < output->member_count && r == 0; i++)
        if (i == 0 || strcmp(output->members[i - 1].path, output->members[i].path) != 0)
            r = put_member(output, &output->members[i], err);
    if (r == 0)
        r = put(output, zeros, sizeof(zeros), err);
    return r == 0 ? flush(output, err) : r;
}

static int write_sealer(struct output *output, struct cf_error *err)
{
    const size_t count = output->saving->image_count;
    struct cf_buf *texts cf_autofree = calloc(count + 1, sizeof(*texts));
    int r = texts ? list_sealer(output, texts, err) : cf_fail(err, -ENOMEM, "out of memory");

    if (r == 0)
        r = write_members(output, err);
    for (size_t i = 0; texts && i <= count; i++)
        cf_buf_done(&texts[i]);
    return r;
}

static int write_all(struct output *output, struct cf_error *err)
{
    struct cf_buf first cf_autobuf = CF_BUF_INIT, layout cf_autobuf = CF_BUF_INIT;
    const struct saving *saving = output->saving;
    struct member *members cf_autofree =
        calloc(8 + 2 * (saving->layer_count + saving->image_count) + saving->index_count,
               sizeof(*members));
    char *buffer cf_autofree = malloc(BUFFER_SIZE);
    bool docker = saving->options->format == CF_ARCHIVE_DOCKER;
    int r = members && buffer ? cf_buf_add_str(&layout, CF_OCI_LAYOUT_TEXT) : -ENOMEM;

    output->members = members;
    output->buffer = buffer;
    if (r == 0 && saving->options->format == CF_ARCHIVE_SEALER)
        return write_sealer(output, err);
    if (r == 0)
        r = docker ? cf_saving_docker(saving, &first) : cf_saving_index(saving, NULL, &first);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    if (docker)
        list_docker(output, &first);
    else
        list_oci(output, &first, &layout);
    return write_members(output, err);
}

int cf_saving_write_tar(struct saving *saving, const char *path, struct cf_error *err)
{
    struct output output = {.saving = saving, .path = CF_QUOTE(path), .fd = -1};
    struct cf_buf temporary cf_autobuf = CF_BUF_INIT;
    char random[17];
    struct stat st;

    if (!strcmp(path, "-")) {
        output.path = "standard output";
        output.fd = STDOUT_FILENO;
        return write_all(&output, err);
    }
    /* A pipe or a device is written to, not replaced. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode))
            return cf_fail(err, -EISDIR, "cannot write %s: it is a directory", output.path);
        int device cf_autoclose = open(path, O_WRONLY | O_CLOEXEC);
        if (device < 0)
            return cf_fail_errno(err, errno, "cannot write %s", output.path);
        output.fd = device;
        return write_all(&output, err);
    }
    cf_random_name(random);
    if (cf_buf_printf(&temporary, "%s.%s", path, random) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    int fd cf_autoclose = open(temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot write %s", output.path);
    output.fd = fd;
    int r = write_all(&output, err);
    if (r == 0 && rename(temporary.data, path) < 0)
        r = cf_fail_errno(err, errno, "cannot write %s", output.path);
    if (r < 0)
        (void)unlink(temporary.data);
    return r;
}
