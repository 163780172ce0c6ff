/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects whose content comes in pieces. Up to BUFFER_SIZE bytes are kept, so that a small object
 * which the store has already costs no write; what is larger goes to a temporary file as it comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/store.h>

#include "object.h"

#define BUFFER_SIZE (1u << 20)
#define FIRST_ROOM (64u << 10)
/* Write-back is started every so many bytes, and of the rest at the end of a file, so that the sync
 * at the end of all is short. */
#define WRITE_BACK_STEP (8u << 20)

struct cf_object_writer {
    struct cf_store *store;
    struct cf_hasher *hasher;
    struct cf_temp temp; /* fd -1 while everything fits the buffer */
    uint64_t size_hint;
    uint64_t size;     /* bytes added */
    uint64_t flushed;  /* of them in the file */
    uint64_t started;  /* of them handed to the disk */
    uint64_t reserved; /* bytes of disk taken in advance */
    char *buffer;
    size_t len, room;
    int failed; /* the first failure: what is in the file is not all, and is never published */
};

int cf_object_writer_new(struct cf_store *store, uint64_t size_hint,
                         struct cf_object_writer **ret_writer, struct cf_error *err)
{
    struct cf_object_writer *writer = calloc(1, sizeof(*writer));
    if (writer) {
        writer->store = store;
        writer->size_hint = size_hint;
        writer->temp = (struct cf_temp)CF_TEMP_INIT;
    }
    if (!writer || cf_hasher_new(&writer->hasher) < 0) {
        free(writer);
        return cf_fail_errno(err, ENOMEM, "write an object");
    }
    *ret_writer = writer;
    return 0;
}

static void reset(struct cf_object_writer *writer)
{
    cf_temp_drop(writer->store, &writer->temp);
    writer->size = writer->flushed = writer->started = writer->reserved = 0;
    writer->len = 0;
    writer->size_hint = 0;
    writer->failed = 0;
}

void cf_object_writer_free(struct cf_object_writer *writer)
{
    if (!writer)
        return;
    reset(writer);
    cf_hasher_free(writer->hasher);
    free(writer->buffer);
    free(writer);
}

static int fail(struct cf_object_writer *writer, int code, struct cf_error *err)
{
    return cf_fail_errno(
        err, -code, "cannot write an object of %llu bytes to store %s",
        (unsigned long long)(writer->size_hint > writer->size ? writer->size_hint : writer->size),
        writer->store->root);
}

/* Takes the disk space in advance where the disk can, so that a full one is told of early. */
static int start_file(struct cf_object_writer *writer)
{
    int r = cf_temp_open(writer->store, false, 0444, &writer->temp);
    if (r < 0 || writer->size_hint <= BUFFER_SIZE)
        return r;
    if (fallocate(writer->temp.fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)writer->size_hint) == 0) {
        writer->reserved = writer->size_hint;
        return 0;
    }
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -errno : 0;
}

static void start_write_back(struct cf_object_writer *writer)
{
    if (writer->flushed > writer->started)
        (void)sync_file_range(writer->temp.fd, (off_t)writer->started,
                              (off_t)(writer->flushed - writer->started), SYNC_FILE_RANGE_WRITE);
    writer->started = writer->flushed;
}

static int write_out(struct cf_object_writer *writer, const void *data, size_t len)
{
    int r = writer->temp.fd < 0 ? start_file(writer) : 0;
    if (r == 0)
        r = cf_write_full(writer->temp.fd, data, len);
    if (r < 0)
        return r;
    writer->flushed += len;
    if (writer->flushed - writer->started >= WRITE_BACK_STEP)
        start_write_back(writer);
    return 0;
}

static int grow(struct cf_object_writer *writer, size_t need)
{
    size_t room = writer->room ? writer->room : FIRST_ROOM;

    if (need <= writer->room)
        return 0;
    while (room < need)
        room *= 2;
    char *buffer = realloc(writer->buffer, room);
    if (!buffer)
        return -ENOMEM;
    writer->buffer = buffer;
    writer->room = room;
    return 0;
}

static int add(struct cf_object_writer *writer, const char *data, size_t len)
{
    while (len > 0) {
        size_t n = BUFFER_SIZE - writer->len;
        if (writer->len == 0 && len >= FIRST_ROOM && writer->temp.fd >= 0) {
            n = len;
            int r = write_out(writer, data, n);
            if (r < 0)
                return r;
        } else {
            n = n < len ? n : len;
            int r = grow(writer, writer->len + n);
            if (r < 0)
                return r;
            memcpy(writer->buffer + writer->len, data, n);
            writer->len += n;
        }
        data += n;
        len -= n;
        if (writer->len < BUFFER_SIZE || len == 0)
            continue;
        int r = write_out(writer, writer->buffer, writer->len);
        if (r < 0)
            return r;
        writer->len = 0;
    }
    return 0;
}

int cf_object_writer_add(struct cf_object_writer *writer, const void *data, size_t len,
                         struct cf_error *err)
{
    cf_hasher_update(writer->hasher, data, len);
    writer->size += len;
    if (writer->failed == 0)
        writer->failed = add(writer, data, len);
    return writer->failed < 0 ? fail(writer, writer->failed, err) : 0;
}

static int finish(struct cf_object_writer *writer, const struct cf_digest *digest)
{
    if (writer->failed < 0)
        return writer->failed;
    if (writer->temp.fd < 0)
        return cf_object_store(writer->store, writer->len ? writer->buffer : "", writer->len,
                               digest);
    int r = writer->len ? write_out(writer, writer->buffer, writer->len) : 0;
    if (r < 0)
        return r;
    if (writer->reserved > writer->size && ftruncate(writer->temp.fd, (off_t)writer->size) < 0)
        return -errno;
    start_write_back(writer);
    return cf_object_publish(writer->store, &writer->temp, digest, writer->size);
}

int cf_object_writer_finish(struct cf_object_writer *writer, struct cf_digest *ret_digest,
                            uint64_t *ret_size, struct cf_error *err)
{
    struct cf_digest digest;
    uint64_t size = writer->size;

    cf_hasher_final(writer->hasher, &digest);
    int r = finish(writer, &digest);
    if (r < 0)
        r = fail(writer, r, err);
    reset(writer);
    if (r < 0)
        return r;
    *ret_digest = digest;
    *ret_size = size;
    return 0;
}
