/* SPDX-License-Identifier: Apache-2.0 */
/* name_to_handle_at and open_by_handle_at: what an NFS server does. */
#include "posix.h"

struct handle {
    struct file_handle h;
    char bytes[128];
};

static int get_handle(const char *name, struct handle *handle)
{
    int mount_id;
    handle->h.handle_bytes = sizeof(handle->bytes);
    return name_to_handle_at(AT_FDCWD, name, &handle->h, &mount_id, 0);
}

static int by_handle(struct handle *handle, int flags)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open_by_handle_at(here, &handle->h, flags);
    int error = errno;
    (void)close(here);
    errno = error;
    return fd;
}

static void drop_caches(void)
{
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "2", 1);
    (void)close(fd);
    nap();
}

static void handle_opens(void)
{
    static const char *const names[] = {"file", "dir", "fifo", "sym", "."};
    for (int i = 0; i < 5; i++) {
        struct handle handle;
        struct stat st;
        if (OK(get_handle(names[i], &handle)) == -1)
            continue;
        int fd = by_handle(&handle, O_PATH);
        if (OK(fd) == -1)
            continue;
        OK(fstat(fd, &st));
        EQ(st.st_ino, ino_of(names[i]));
        EQ(st.st_mode, st_of(names[i]).st_mode);
    }
}

static void handle_reads(void)
{
    struct handle handle;
    char byte = 0;
    MUST(get_handle("file", &handle));
    int fd = by_handle(&handle, O_RDWR);
    MUST(fd);
    EQ(pread(fd, &byte, 1, 9), 1);
    EQ(byte, pattern(9));
    EQ(pwrite(fd, "H", 1, 9), 1);
    OK(rename("file", "dir/sub/file"));
    fd = by_handle(&handle, O_RDONLY);
    EQ(pread(fd, &byte, 1, 9), 1);
    EQ(byte, 'H');
}

/* When neither the kernel nor the server remembers the inode. */
static void handle_after_forget(void)
{
    struct handle file, dir, deep;
    char byte = 0;
    MUST(get_handle("file", &file));
    MUST(get_handle("dir", &dir));
    MUST(get_handle("dir/sub/c", &deep));
    long long ino = ino_of("file");
    drop_caches();
    int fd = by_handle(&file, O_RDONLY);
    OK(fd);
    EQ(pread(fd, &byte, 1, 9), 1);
    EQ(byte, pattern(9));
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_ino, ino);
    drop_caches();
    fd = by_handle(&dir, O_RDONLY | O_DIRECTORY);
    OK(fd);
    OK(openat(fd, "a", O_RDONLY));
    OK(openat(fd, "../small", O_RDONLY));
    drop_caches();
    fd = by_handle(&deep, O_RDONLY);
    OK(fd);
    EQ(read(fd, &byte, 1), 1);
    EQ(byte, 'c');
}

static void handle_after_copyup(void)
{
    struct handle file, moved, made;
    char byte = 0;
    MUST(get_handle("file", &file));
    MUST(get_handle("small", &moved));
    int fd = open("file", O_WRONLY);
    EQ(pwrite(fd, "C", 1, 0), 1);
    OK(close(fd));
    OK(rename("small", "dir/small"));
    OK(put("dir/made", "m"));
    MUST(get_handle("dir/made", &made));
    drop_caches();
    fd = by_handle(&file, O_RDONLY);
    OK(fd);
    EQ(pread(fd, &byte, 1, 0), 1);
    EQ(byte, 'C');
    fd = by_handle(&moved, O_RDONLY);
    OK(fd);
    EQ(pread(fd, &byte, 1, 0), 1);
    EQ(byte, 's');
    fd = by_handle(&made, O_RDONLY);
    OK(fd);
    EQ(pread(fd, &byte, 1, 0), 1);
    EQ(byte, 'm');
}

static void handle_stale(void)
{
    struct handle file, dir, made;
    MUST(get_handle("file", &file));
    MUST(get_handle("edir", &dir));
    OK(put("made", "m"));
    MUST(get_handle("made", &made));
    OK(unlink("file"));
    OK(rmdir("edir"));
    OK(unlink("made"));
    FAILS(by_handle(&file, O_RDONLY), ESTALE);
    FAILS(by_handle(&dir, O_RDONLY), ESTALE);
    FAILS(by_handle(&made, O_RDONLY), ESTALE);
    OK(put("file", "another"));
    OK(put("made", "another"));
    FAILS(by_handle(&file, O_RDONLY), ESTALE);
    FAILS(by_handle(&made, O_RDONLY), ESTALE);
    drop_caches();
    FAILS(by_handle(&file, O_RDONLY), ESTALE);
    FAILS(by_handle(&made, O_RDONLY), ESTALE);
}

static void handle_errors(void)
{
    struct handle handle = {.h.handle_bytes = 0};
    int mount_id;
    FAILS(name_to_handle_at(AT_FDCWD, "file", &handle.h, &mount_id, 0), EOVERFLOW);
    TRUE(handle.h.handle_bytes > 0);
    FAILS(name_to_handle_at(AT_FDCWD, "missing", &handle.h, &mount_id, 0), ENOENT);
    MUST(get_handle("file", &handle));
    memset(handle.bytes, 0x5a, sizeof(handle.bytes));
    FAILS(by_handle(&handle, O_RDONLY), ESTALE);
}

static void handle_denied(void)
{
    struct handle handle;
    MUST(get_handle("file", &handle));
    FAILS(by_handle(&handle, O_RDONLY), EPERM);
}

static const struct posix_case handle_cases[] = {
    CASE(handle_opens, FIX | ROOT),        CASE(handle_reads, FIX | ROOT),
    CASE(handle_after_forget, FIX | ROOT), CASE(handle_after_copyup, FIX | ROOT),
    CASE(handle_stale, FIX | ROOT),        CASE(handle_errors, FIX | ROOT),
    CASE(handle_denied, FIX | USER),
};
THEME(handle);
