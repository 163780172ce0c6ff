/* SPDX-License-Identifier: Apache-2.0 */
/* chunks/: where objects were cut, kept so that nobody has to find it out again. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "private.h"

enum { LIST_MAX = 64 << 20 };

/* On disk: this, the chunks, and the SHA-256 of both. */
struct head {
    char magic[8];
    uint32_t kind; /* 1: coarse */
    uint32_t count;
};
struct wire_chunk {
    uint64_t offset;
    struct cf_digest digest;
};
_Static_assert(sizeof(struct wire_chunk) == 40, "no padding");

static const char magic[8] = "CFCHUNK1";

static void list_path(const struct cf_digest *object, char ret_path[CF_OBJECT_PATH_SIZE + 8])
{
    memcpy(ret_path, "chunks/", 7);
    cf_object_path(object, ret_path + 7);
}

int cf_object_chunks_get(struct cf_store *store, const struct cf_digest *object, bool coarse,
                         struct cf_object_chunk **ret_chunks, size_t *ret_count)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_OBJECT_PATH_SIZE + 8];
    struct cf_digest sum;
    struct head head;

    list_path(object, path);
    int r = cf_read_file(store->root_fd, path, LIST_MAX, &text);
    if (r < 0)
        return r == -ENOMEM ? r : -ENOENT;
    if (text.len < sizeof head + sizeof sum)
        return -ENOENT;
    memcpy(&head, text.data, sizeof head);
    const size_t count = le32toh(head.count), plain = text.len - sizeof sum;
    if (memcmp(head.magic, magic, sizeof magic) != 0 || le32toh(head.kind) != coarse ||
        plain - sizeof head != count * sizeof(struct wire_chunk))
        return -ENOENT;
    cf_digest_of(text.data, plain, &sum);
    if (memcmp(&sum, text.data + plain, sizeof sum) != 0)
        return -ENOENT;
    struct cf_object_chunk *chunks = calloc(count + 1, sizeof *chunks);
    if (!chunks)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct wire_chunk wire;
        memcpy(&wire, text.data + sizeof head + i * sizeof wire, sizeof wire);
        chunks[i] = (struct cf_object_chunk){le64toh(wire.offset), wire.digest};
    }
    *ret_chunks = chunks;
    *ret_count = count;
    return 0;
}

static int write_list(struct cf_store *store, const char *path, const struct cf_buf *text)
{
    char name[24] = "chunks-";
    int r = 0;

    cf_random_name(name + 7);
    int fd cf_autoclose =
        openat(store->tmp_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0)
        return -errno;
    r = cf_write_full(fd, text->data, text->len);
    if (r == 0 && renameat(store->tmp_fd, name, store->root_fd, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(store->tmp_fd, name, 0);
    return r;
}

/* Not made durable: a list that a power cut spoils is found out by its sum. */
int cf_object_chunks_set(struct cf_store *store, const struct cf_digest *object, bool coarse,
                         const struct cf_object_chunk *chunks, size_t count)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_OBJECT_PATH_SIZE + 8], dir[10];
    struct cf_digest sum;
    struct head head = {.kind = htole32(coarse), .count = htole32((uint32_t)count)};

    list_path(object, path);
    memcpy(dir, path, sizeof dir - 1);
    dir[sizeof dir - 1] = '\0';
    memcpy(head.magic, magic, sizeof magic);
    int r = cf_buf_add(&text, &head, sizeof head);
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct wire_chunk wire = {htole64(chunks[i].offset), chunks[i].digest};
        r = cf_buf_add(&text, &wire, sizeof wire);
    }
    if (r < 0)
        return r;
    cf_digest_of(text.data, text.len, &sum);
    r = cf_buf_add(&text, &sum, sizeof sum);
    if (r == 0)
        r = cf_mkdir_path(store->root_fd, dir, 0700);
    return r == 0 ? write_list(store, path, &text) : r;
}

void cf_object_chunks_drop(struct cf_store *store, const struct cf_digest *object)
{
    char path[CF_OBJECT_PATH_SIZE + 8];

    list_path(object, path);
    (void)unlinkat(store->root_fd, path, 0);
}
