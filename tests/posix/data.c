/* SPDX-License-Identifier: Apache-2.0 */
/* Content: read, write, truncate, fallocate, holes, copies. */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "posix.h"

static bool zeros(int fd, off_t from, off_t to)
{
    char buf[4096];
    while (from < to) {
        size_t want = (size_t)(to - from) < sizeof(buf) ? (size_t)(to - from) : sizeof(buf);
        ssize_t n = pread(fd, buf, want, from);
        if (n <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++)
            if (buf[i])
                return false;
        from += n;
    }
    return true;
}

static void read_and_write(void)
{
    char buf[8192];
    int fd = open("file", O_RDWR);
    MUST(fd);
    EQ(read(fd, buf, sizeof(buf)), FILE_SIZE);
    EQ(read(fd, buf, 1), 0);
    EQ(pread(fd, buf, 10, FILE_SIZE - 3), 3);
    EQ(pread(fd, buf, 10, 100000), 0);
    EQ(pwrite(fd, "END", 3, FILE_SIZE - 1), 3);
    EQ(size_of("file"), FILE_SIZE + 2);
    EQ(pwrite(fd, "far", 3, 100000), 3);
    EQ(size_of("file"), 100003);
    TRUE(zeros(fd, FILE_SIZE + 2, 100000));
    EQ(pread(fd, buf, 1, 10), 1);
    EQ(buf[0], pattern(10));
    FAILS(pread(fd, buf, 1, -1), EINVAL);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    EQ(lseek(fd, 0, SEEK_END), 100003);
    EQ(lseek(fd, 5, SEEK_END), 100008);
    EQ(write(fd, "", 0), 0);
    EQ(size_of("file"), 100003);
    struct iovec v[2] = {{(void *)"ab", 2}, {(void *)"cd", 2}};
    EQ(pwritev(fd, v, 2, 0), 4);
    EQ(pread(fd, buf, 5, 0), 5);
    EQ(memcmp(buf, "abcde", 5), 0);
}

static void truncate_sizes(void)
{
    static const off_t sizes[] = {FILE_SIZE, 100, 0, 50, 10000, 4096, FILE_SIZE};
    int fd = open("file", O_RDWR);
    OK(truncate("file", FILE_SIZE - 1000));
    EQ(size_of("file"), FILE_SIZE - 1000);
    TRUE(has_pattern("file", FILE_SIZE - 1000));
    for (size_t i = 0; i < 7; i++) {
        OK(ftruncate(fd, sizes[i]));
        EQ(size_of("file"), sizes[i]);
    }
    TRUE(zeros(fd, 0, FILE_SIZE));
    OK(truncate("small", 5));
    TRUE(holds("small", "small"));
    OK(truncate("h1", 10));
    EQ(size_of("h2"), 10);
    FAILS(truncate("file", -1), EINVAL);
    FAILS(truncate("dir", 0), EISDIR);
    FAILS(truncate("missing", 0), ENOENT);
    FAILS(truncate("fifo", 0), EINVAL);
    OK(truncate("sym", 3));
    EQ(size_of("file"), 3);
}

static void truncate_longer(void)
{
    OK(truncate("small", 8000));
    int fd = open("small", O_RDWR);
    TRUE(zeros(fd, 14, 8000));
    char text[15] = "";
    EQ(pread(fd, text, 14, 0), 14);
    EQ(strcmp(text, "small content\n"), 0);
    OK(truncate("empty", 100));
    EQ(size_of("empty"), 100);
}

static void seek_holes(void)
{
    int fd = open("sparse", O_RDWR);
    MUST(fd);
    off_t data = lseek(fd, 0, SEEK_DATA);
    TRUE(data > 0 && data <= SPARSE_SIZE / 2);
    EQ(lseek(fd, 0, SEEK_HOLE), 0);
    off_t hole = lseek(fd, SPARSE_SIZE / 2, SEEK_HOLE);
    TRUE(hole > SPARSE_SIZE / 2 && hole < SPARSE_SIZE);
    FAILS(lseek(fd, SPARSE_SIZE - 1, SEEK_DATA), ENXIO);
    FAILS(lseek(fd, SPARSE_SIZE, SEEK_HOLE), ENXIO);
    FAILS(lseek(fd, -1, SEEK_DATA), ENXIO);
    int plain = open("file", O_RDONLY);
    EQ(lseek(plain, 0, SEEK_DATA), 0);
    EQ(lseek(plain, 0, SEEK_HOLE), FILE_SIZE);
    EQ(lseek(plain, 100, SEEK_DATA), 100);
}

static void sparse_stays_sparse(void)
{
    int fd = open("sparse", O_RDWR);
    MUST(fd);
    EQ(pwrite(fd, "y", 1, 10), 1);
    OK(fsync(fd));
    TRUE(st_of("sparse").st_blocks * 512 < SPARSE_SIZE / 4);
    TRUE(zeros(fd, 11, SPARSE_SIZE / 2));
    char x = 0;
    EQ(pread(fd, &x, 1, SPARSE_SIZE / 2), 1);
    EQ(x, 'x');
    EQ(size_of("sparse"), SPARSE_SIZE);
}

static void fallocate_modes(void)
{
    int fd = open("file", O_RDWR);
    MUST(fd);
    OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
    EQ(size_of("file"), FILE_SIZE);
    TRUE(has_pattern("file", FILE_SIZE));
    OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 200));
    TRUE(zeros(fd, 100, 300));
    EQ(size_of("file"), FILE_SIZE);
    OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1000, 1000));
    TRUE(zeros(fd, 1000, 2000));
    OK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 5000, 10000));
    EQ(size_of("file"), FILE_SIZE);
    TRUE(zeros(fd, 5000, FILE_SIZE));
    char byte = 0;
    EQ(pread(fd, &byte, 1, 400), 1);
    EQ(byte, pattern(400));
    OK(fallocate(fd, 0, 0, 20000));
    EQ(size_of("file"), 20000);
    OK(posix_fallocate(fd, 0, 30000));
    EQ(size_of("file"), 30000);
}

static void fallocate_errors(void)
{
    int fd = open("file", O_RDWR), fifo = open("fifo", O_RDWR), dir = open("dir", O_RDONLY);
    FAILS(fallocate(fd, 0, -1, 10), EINVAL);
    FAILS(fallocate(fd, 0, 0, 0), EINVAL);
    FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
    FAILS(fallocate(fd, 0, INT64_MAX - 10, 100), EFBIG);
    FAILS(fallocate(fifo, 0, 0, 10), ESPIPE);
    FAILS(fallocate(dir, 0, 0, 10), EBADF);
    TRUE(has_pattern("file", FILE_SIZE));
}

static void fallocate_collapse(void)
{
    int fd = open("file", O_RDWR);
    char byte = 0;
    FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 100, 4096), EINVAL);
    MUST(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
    EQ(size_of("file"), FILE_SIZE - 4096);
    EQ(pread(fd, &byte, 1, 0), 1);
    EQ(byte, pattern(4096));
    OK(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 8192));
    EQ(size_of("file"), FILE_SIZE + 4096);
    TRUE(zeros(fd, 0, 8192));
    EQ(pread(fd, &byte, 1, 8193), 1);
    EQ(byte, pattern(4097));
}

static void copy_range(void)
{
    int in = open("file", O_RDONLY), out = open("out", O_CREAT | O_RDWR, 0644);
    int small = open("small", O_RDWR);
    EQ(copy_file_range(in, NULL, out, NULL, 10000, 0), FILE_SIZE);
    TRUE(has_pattern("out", FILE_SIZE));
    off_t from = 26, to = 0;
    EQ(copy_file_range(in, &from, small, &to, 5, 0), 5);
    TRUE(holds("small", "abcde content\n"));
    EQ(from, 31);
    EQ(copy_file_range(small, NULL, out, NULL, 100, 0), 14);
    FAILS(copy_file_range(in, NULL, in, NULL, 1, 0), EBADF);
    from = 0, to = 10;
    FAILS(copy_file_range(out, &from, out, &to, 100, 0), EINVAL);
    from = 0, to = 5000;
    EQ(copy_file_range(out, &from, out, &to, 100, 0), 100);
    FAILS(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
    int sparse = open("sparse", O_RDONLY), copy = open("copy", O_CREAT | O_WRONLY, 0644);
    off_t done = 0;
    while (done < SPARSE_SIZE) {
        ssize_t n = copy_file_range(sparse, NULL, copy, NULL, SPARSE_SIZE, 0);
        if (n <= 0)
            break;
        done += n;
    }
    EQ(done, SPARSE_SIZE);
    EQ(size_of("copy"), SPARSE_SIZE);
}

static void clone_file(void)
{
    int in = open("file", O_RDONLY), out = open("clone", O_CREAT | O_WRONLY, 0644);
    int r = ioctl(out, FICLONE, in);
    if (r == 0)
        TRUE(has_pattern("clone", FILE_SIZE));
    else
        EQ(errno, EOPNOTSUPP); /* as on ext4 */
}

static void send_and_splice(void)
{
    int fds[2], in = open("file", O_RDONLY), out = open("out", O_CREAT | O_RDWR, 0644);
    EQ(sendfile(out, in, NULL, 4000), 4000);
    OK(pipe2(fds, O_CLOEXEC));
    EQ(splice(in, NULL, fds[1], NULL, 2000, 0), 2000);
    EQ(splice(fds[0], NULL, out, NULL, 2000, 0), 2000);
    TRUE(has_pattern("out", FILE_SIZE));
    OK(posix_fadvise(in, 0, 0, POSIX_FADV_DONTNEED));
    OK(readahead(in, 0, 4096));
}

static void big_file(void)
{
    const off_t far = 5LL << 30;
    char byte = 0;
    int fd = open("big", O_CREAT | O_RDWR, 0644);
    EQ(pwrite(fd, "B", 1, far), 1);
    EQ(size_of("big"), far + 1);
    EQ(pread(fd, &byte, 1, far), 1);
    EQ(byte, 'B');
    OK(fsync(fd));
    TRUE(st_of("big").st_blocks * 512 < 1 << 20);
    EQ(lseek(fd, 1 << 20, SEEK_DATA), far & ~4095LL);
    OK(truncate("big", 6LL << 30));
    EQ(size_of("big"), 6LL << 30);
    OK(truncate("file", 5LL << 30));
    TRUE(has_pattern("file", 0) == 0);
    EQ(size_of("file"), 5LL << 30);
    FAILS(pwrite(fd, "x", 1, 1LL << 50), EFBIG);
    FAILS(ftruncate(fd, 1LL << 50), EFBIG);
}

/* A descriptor from before the copy-up sees what is written afterwards. */
static void reader_sees_later_writes(void)
{
    char text[8] = "";
    int r = open("file", O_RDONLY), w;
    EQ(pread(r, text, 5, 0), 5);
    w = open("file", O_WRONLY);
    EQ(pwrite(w, "later", 5, 0), 5);
    EQ(pread(r, text, 5, 0), 5);
    EQ(strcmp(text, "later"), 0);
    OK(ftruncate(w, 3));
    EQ(pread(r, text, 5, 0), 3);
    EQ(lseek(r, 0, SEEK_END), 3);
    int s = open("small", O_RDONLY); /* content that lies in the tree */
    EQ(pread(s, text, 5, 0), 5);
    w = open("small", O_WRONLY | O_TRUNC);
    EQ(pread(s, text, 5, 0), 0);
    EQ(write(w, "fresh", 5), 5);
    EQ(pread(s, text, 5, 0), 5);
    EQ(strcmp(text, "fresh"), 0);
}

static void direct_sees_cached(void)
{
    char *page, text[8] = "";
    if (posix_memalign((void **)&page, 4096, 4096))
        return;
    int c = open("file", O_RDWR), d = open("file", O_RDWR | O_DIRECT);
    EQ(pread(c, text, 5, 0), 5);
    memset(page, 'D', 4096);
    EQ(pwrite(d, page, 4096, 0), 4096);
    EQ(pread(c, text, 5, 0), 5);
    EQ(strcmp(text, "DDDDD"), 0);
    EQ(pwrite(c, "cached", 6, 0), 6);
    EQ(pread(d, page, 4096, 0), 4096);
    EQ(memcmp(page, "cachedD", 7), 0);
}

static const struct posix_case data_cases[] = {
    CASE(read_and_write, FIX),
    CASE(truncate_sizes, FIX),
    CASE(truncate_longer, FIX),
    CASE(seek_holes, FULL),
    CASE(sparse_stays_sparse, FULL),
    CASE(fallocate_modes, FIX),
    CASE(fallocate_errors, FIX),
    CASE(fallocate_collapse, FIX),
    CASE(copy_range, FULL),
    CASE(clone_file, FIX),
    CASE(send_and_splice, FIX),
    CASE(big_file, FIX),
    CASE(reader_sees_later_writes, FIX),
    CASE(direct_sees_cached, FIX),
};
THEME(data);
