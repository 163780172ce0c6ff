/* SPDX-License-Identifier: Apache-2.0 */
/* Copying the data of files: clone where the disk can, keep holes. */
#include <cloudfs/io.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/scope.h>

enum { COPY_STEP = 256 * 1024 };

int cf_clone_file(int in_fd, int out_fd)
{
    if (ioctl(out_fd, FICLONE, in_fd) == 0)
        return 0;
    return errno == ENOTTY || errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int copy_by_hand(int in_fd, off_t in, int out_fd, off_t out, size_t len)
{
    char *data cf_autofree = malloc(len < COPY_STEP ? len + 1 : COPY_STEP);
    if (!data)
        return -ENOMEM;
    while (len > 0) {
        ssize_t n = cf_pread_full(in_fd, data, len < COPY_STEP ? len : COPY_STEP, in);
        if (n <= 0)
            return n < 0 ? (int)n : -ENODATA;
        int r = cf_pwrite_full(out_fd, data, (size_t)n, out);
        if (r < 0)
            return r;
        in += n;
        out += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A run without holes. */
static int copy_run(int in_fd, off_t in, int out_fd, off_t out, size_t len)
{
    while (len > 0) {
        ssize_t n = copy_file_range(in_fd, &in, out_fd, &out, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
            return -errno;
        if (n <= 0) /* not between these two files, or the end: read(2) tells which */
            return copy_by_hand(in_fd, in, out_fd, out, len);
        len -= (size_t)n;
    }
    return 0;
}

static int write_zeros(int fd, off_t offset, off_t len)
{
    static const char zeros[16384];
    while (len > 0) {
        size_t n = len < (off_t)sizeof(zeros) ? (size_t)len : sizeof(zeros);
        int r = cf_pwrite_full(fd, zeros, n, offset);
        if (r < 0)
            return r;
        offset += (off_t)n;
        len -= (off_t)n;
    }
    return 0;
}

/* Makes [offset, end) of the destination read as zeros; size is the destination's size before. */
static int make_hole(int fd, off_t offset, off_t end, off_t size)
{
    if (end > size)
        end = size; /* beyond its end there is nothing but hole */
    if (offset >= end)
        return 0;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, end - offset) == 0)
        return 0;
    return write_zeros(fd, offset, end - offset);
}

/* The next run of data in [at, end); both are end when only hole is left. */
static int next_run(int fd, off_t at, off_t end, off_t *ret_data, off_t *ret_hole)
{
    off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        data = end;
    else if (data < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == ESPIPE))
        data = at; /* a filesystem without holes */
    else if (data < 0)
        return -errno;
    if (data >= end) {
        *ret_data = *ret_hole = end;
        return 0;
    }
    off_t hole = lseek(fd, data, SEEK_HOLE);
    *ret_data = data;
    *ret_hole = hole <= data || hole > end ? end : hole;
    return 0;
}

int cf_copy_data(int in_fd, off_t in_offset, int out_fd, off_t out_offset, size_t len)
{
    struct stat in_st, out_st;
    if (in_offset < 0 || out_offset < 0 || len > (size_t)(INT64_MAX - in_offset) ||
        len > (size_t)(INT64_MAX - out_offset))
        return -EINVAL;
    if (len == 0)
        return 0;
    if (fstat(in_fd, &in_st) < 0 || fstat(out_fd, &out_st) < 0)
        return -errno;
    off_t end = in_offset + (off_t)len, shift = out_offset - in_offset;
    if (S_ISREG(in_st.st_mode) && in_st.st_size < end)
        return -ENODATA;

    struct file_clone_range range = {.src_fd = in_fd,
                                     .src_offset = (uint64_t)in_offset,
                                     .src_length = len,
                                     .dest_offset = (uint64_t)out_offset};
    if (ioctl(out_fd, FICLONERANGE, &range) == 0)
        return 0;
    for (off_t at = in_offset; at < end;) {
        off_t data = at, hole = end;
        int r = next_run(in_fd, at, end, &data, &hole);
        if (r == 0)
            r = make_hole(out_fd, at + shift, data + shift, out_st.st_size);
        if (r == 0)
            r = copy_run(in_fd, data, out_fd, data + shift, (size_t)(hole - data));
        if (r < 0)
            return r;
        at = hole;
    }
    /* A hole at the end wrote nothing, and yet belongs to the file. */
    if (fstat(out_fd, &out_st) < 0)
        return -errno;
    if (out_st.st_size < end + shift && ftruncate(out_fd, end + shift) < 0)
        return -errno;
    return 0;
}
