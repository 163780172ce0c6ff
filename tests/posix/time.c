/* SPDX-License-Identifier: Apache-2.0 */
/* Timestamps. */
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#include "posix.h"

static int set_times(const char *name, long long atime, long long mtime)
{
    const struct timespec times[2] = {{atime / 1000000000, atime % 1000000000},
                                      {mtime / 1000000000, mtime % 1000000000}};
    return utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
}

static void times_nanoseconds(void)
{
    static const char *const names[] = {"file", "dir", "sym", "fifo", "h1"};
    for (int i = 0; i < 5; i++) {
        OK(set_times(names[i], 1234567890123456789, 987654321987654321));
        struct stat st = st_of(names[i]);
        EQ(ns(st.st_atim), 1234567890123456789);
        EQ(ns(st.st_mtim), 987654321987654321);
    }
    EQ(ns(st_of("h2").st_mtim), 987654321987654321);
    TRUE(has_pattern("file", FILE_SIZE));
}

static void times_range(void)
{
    const struct timespec times[2] = {{-1000, 0}, {7000000000, 5}};
    OK(utimensat(AT_FDCWD, "file", times, 0));
    EQ(st_of("file").st_atim.tv_sec, -1000);
    EQ(st_of("file").st_mtim.tv_sec, 7000000000);
    const struct timespec bad[2] = {{1, 1000000000}, {1, 0}};
    FAILS(utimensat(AT_FDCWD, "file", bad, 0), EINVAL);
    FAILS(utimensat(AT_FDCWD, "missing", times, 0), ENOENT);
    FAILS(utimensat(AT_FDCWD, "file", times, 0x1), EINVAL);
}

static void times_now_and_omit(void)
{
    OK(set_times("file", 1000000000, 2000000000));
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    OK(utimensat(AT_FDCWD, "file", times, 0));
    EQ(st_of("file").st_atim.tv_sec, 1);
    TRUE(llabs(st_of("file").st_mtim.tv_sec - time(NULL)) < 100);
    times[0] = (struct timespec){.tv_nsec = UTIME_NOW};
    times[1] = (struct timespec){.tv_sec = 77};
    OK(utimensat(AT_FDCWD, "file", times, 0));
    EQ(st_of("file").st_mtim.tv_sec, 77);
    TRUE(llabs(st_of("file").st_atim.tv_sec - time(NULL)) < 100);
    struct stat before = st_of("file");
    times[0].tv_nsec = times[1].tv_nsec = UTIME_OMIT;
    nap();
    OK(utimensat(AT_FDCWD, "file", times, 0));
    EQ(ns(st_of("file").st_mtim), ns(before.st_mtim));
    EQ(ns(st_of("file").st_ctim), ns(before.st_ctim));
    nap();
    OK(utimensat(AT_FDCWD, "file", NULL, 0));
    TRUE(ns(st_of("file").st_ctim) > ns(before.st_ctim));
}

static void touch_writable(void)
{
    const struct timespec set[2] = {{5, 0}, {6, 0}};
    const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    const struct timespec half[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    OK(utimensat(AT_FDCWD, "theirs", now, 0));
    OK(utimensat(AT_FDCWD, "theirs", NULL, 0));
    FAILS(utimensat(AT_FDCWD, "theirs", set, 0), EPERM);
    FAILS(utimensat(AT_FDCWD, "theirs", half, 0), EPERM);
    FAILS(utimensat(AT_FDCWD, "closed", now, 0), EACCES);
    FAILS(utimensat(AT_FDCWD, "closed", set, 0), EPERM);
    OK(utimensat(AT_FDCWD, "mine", set, 0));
}
static void times_permissions(void)
{
    OK(put("theirs", "x"));
    OK(chmod("theirs", 0666));
    OK(put("closed", "x"));
    OK(put("mine", "x"));
    OK(chown("mine", NOBODY, NOBODY));
    OK(chmod("mine", 0));
    as_user(touch_writable);
}

static void times_of_write(void)
{
    OK(set_times("file", 1000000000, 2000000000));
    struct stat before = st_of("file");
    int fd = open("file", O_RDWR);
    MUST(fd);
    EQ(ns(st_of("file").st_mtim), 2000000000); /* opening changes nothing */
    EQ(pwrite(fd, "x", 1, 0), 1);
    struct stat after = st_of("file");
    TRUE(after.st_mtim.tv_sec > 1000000000);
    TRUE(ns(after.st_ctim) >= ns(before.st_ctim));
    EQ(ns(after.st_atim), 1000000000);
    OK(set_times("file", 1000000000, 2000000000));
    OK(ftruncate(fd, 100));
    TRUE(st_of("file").st_mtim.tv_sec > 1000000000);
    OK(set_times("file", 1000000000, 2000000000));
    OK(fallocate(fd, 0, 0, 20000));
    TRUE(st_of("file").st_mtim.tv_sec > 1000000000);
    OK(close(fd));
}

/* What is written and then dated keeps its date when it is closed, as cp -p and tar count on. */
static void times_set_after_write(void)
{
    const struct timespec times[2] = {{11, 12}, {13, 14}};
    int fd = open("small", O_WRONLY | O_APPEND), made = open("made", O_CREAT | O_WRONLY, 0644);
    EQ(write(fd, "x", 1), 1);
    OK(futimens(fd, times));
    OK(close(fd));
    EQ(ns(st_of("small").st_mtim), 13000000014);
    EQ(write(made, "content", 7), 7);
    OK(futimens(made, times));
    OK(fchmod(made, 0600));
    OK(close(made));
    EQ(ns(st_of("made").st_mtim), 13000000014);
    EQ(ns(st_of("made").st_atim), 11000000012);
}

static void times_kept_through_copyup(void)
{
    struct stat before = st_of("file"), dir = st_of("dir"), a = st_of("dir/a");
    int fd = open("file", O_RDWR);
    MUST(fd);
    struct stat after = st_of("file");
    EQ(ns(after.st_mtim), ns(before.st_mtim));
    EQ(ns(after.st_ctim), ns(before.st_ctim));
    EQ(ns(after.st_atim), ns(before.st_atim));
    OK(open("dir/a", O_WRONLY));
    EQ(ns(st_of("dir/a").st_ctim), ns(a.st_ctim));
    EQ(ns(st_of("dir").st_mtim), ns(dir.st_mtim));
    EQ(ns(st_of("dir").st_ctim), ns(dir.st_ctim));
    OK(chmod("dir/sub/c", 0600));
    EQ(ns(st_of("dir").st_ctim), ns(dir.st_ctim));
}

static void times_relatime(void)
{
    char byte;
    OK(set_times("file", 1000000000, 2000000000)); /* read before it was written */
    int fd = open("file", O_RDONLY);
    EQ(pread(fd, &byte, 1, 0), 1);
    TRUE(st_of("file").st_atim.tv_sec > 1000000000);
    OK(set_times("dir", 1000000000, 2000000000));
    (void)names_of("dir");
    TRUE(st_of("dir").st_atim.tv_sec > 1000000000);
}

static void times_of_mmap(void)
{
    OK(set_times("file", 1000000000, 2000000000));
    int fd = open("file", O_RDWR);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        t_fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
        return;
    }
    p[9] = 'M';
    OK(msync(p, 4096, MS_SYNC));
    TRUE(st_of("file").st_mtim.tv_sec > 1000000000);
}

static void times_of_newborn(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    OK(put("n", "x"));
    OK(mkdir("d", 0755));
    static const char *const names[] = {"n", "d"};
    for (int i = 0; i < 2; i++) {
        struct stat st = st_of(names[i]);
        TRUE(llabs(ns(st.st_atim) - ns(now)) < 100000000000);
        TRUE(llabs(ns(st.st_mtim) - ns(now)) < 100000000000);
        TRUE(llabs(ns(st.st_ctim) - ns(now)) < 100000000000);
    }
    struct stat before = st_of("d");
    nap();
    OK(put("d/x", "x"));
    TRUE(ns(st_of("d").st_mtim) > ns(before.st_mtim));
    EQ(ns(st_of("d").st_mtim), ns(st_of("d").st_ctim));
}

static const struct posix_case time_cases[] = {
    CASE(times_nanoseconds, FIX),
    CASE(times_range, FIX),
    CASE(times_now_and_omit, FIX),
    CASE(times_permissions, ROOT),
    CASE(times_of_write, FIX),
    CASE(times_set_after_write, FIX),
    CASE(times_kept_through_copyup, FIX),
    CASE(times_relatime, FIX),
    CASE(times_of_mmap, FIX),
    CASE(times_of_newborn, ANY),
};
THEME(time);
