/* SPDX-License-Identifier: Apache-2.0 */
/* mmap, and what it has in common with read and write. */
#include <signal.h>
#include <sys/mman.h>

#include "posix.h"

static char *map(int fd, size_t len, int prot, int flags)
{
    char *p = mmap(NULL, len, prot, flags, fd, 0);
    if (p == MAP_FAILED) {
        t_fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
        _exit(0);
    }
    return p;
}

static void map_shared(void)
{
    char text[8] = "";
    int fd = open("file", O_RDWR), other = open("file", O_RDWR);
    MUST(fd);
    char *p = map(fd, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
    EQ(p[77], pattern(77));
    memcpy(p, "mapped", 6);
    EQ(pread(other, text, 6, 0), 6);
    EQ(strcmp(text, "mapped"), 0);
    EQ(pwrite(other, "writes", 6, 10), 6);
    EQ(memcmp(p + 10, "writes", 6), 0);
    OK(msync(p, FILE_SIZE, MS_SYNC));
    OK(munmap(p, FILE_SIZE));
    OK(close(fd));
    p = map(other, FILE_SIZE, PROT_READ, MAP_SHARED);
    EQ(memcmp(p, "mapped", 6), 0);
}

/* A write through a map whose descriptor is closed reaches the file. */
static void map_outlives_descriptor(void)
{
    char text[8] = "";
    int fd = open("file", O_RDWR);
    char *p = map(fd, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
    OK(close(fd));
    memcpy(p, "late", 4);
    OK(munmap(p, FILE_SIZE));
    fd = open("file", O_RDONLY);
    EQ(read(fd, text, 4), 4);
    EQ(strcmp(text, "late"), 0);
    EQ(size_of("file"), FILE_SIZE);
}

static void map_private(void)
{
    int fd = open("file", O_RDONLY);
    char *p = map(fd, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    memcpy(p, "mine", 4);
    TRUE(has_pattern("file", FILE_SIZE));
    EQ(memcmp(p, "mine", 4), 0);
    TRUE(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    EQ(errno, EACCES);
    int w = open("file", O_WRONLY);
    TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, w, 0) == MAP_FAILED);
    EQ(errno, EACCES);
}

/* Mapped before it was copied up, by one who only reads. */
static void map_sees_later_writes(void)
{
    int r = open("file", O_RDONLY);
    char *p = map(r, FILE_SIZE, PROT_READ, MAP_SHARED);
    EQ(p[0], pattern(0));
    int w = open("file", O_WRONLY);
    EQ(pwrite(w, "after", 5, 0), 5);
    EQ(memcmp(p, "after", 5), 0);
    OK(close(w));
    EQ(memcmp(p, "after", 5), 0);
    w = open("file", O_RDWR);
    char *q = map(w, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
    memcpy(q, "again", 5);
    EQ(memcmp(p, "again", 5), 0);
}

static void touch_past_end(void)
{
    int fd = open("file", O_RDWR);
    char *p = map(fd, 8192, PROT_READ, MAP_SHARED);
    OK(ftruncate(fd, 100));
    (void)signal(SIGBUS, SIG_DFL);
    _exit(p[5000] ? 1 : 2);
}
static void map_past_end(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        touch_past_end();
    (void)waitpid(pid, &status, 0);
    TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    int fd = open("file", O_RDWR);
    char *p = map(fd, 4096, PROT_READ, MAP_SHARED);
    EQ(p[100], 0);
    EQ(p[99], pattern(99));
}

static void map_truncate(void)
{
    int fd = open("file", O_RDWR);
    char *p = map(fd, 8192, PROT_READ | PROT_WRITE, MAP_SHARED);
    OK(ftruncate(fd, 100));
    p[200] = 'g'; /* behind the end: must not come back */
    OK(ftruncate(fd, 8192));
    EQ(p[200], 0);
    EQ(p[5000], 0);
    EQ(p[99], pattern(99));
}

static void map_unlinked(void)
{
    int fd = open("file", O_RDWR);
    char *p = map(fd, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
    OK(unlink("file"));
    OK(close(fd));
    EQ(p[30], pattern(30));
    p[0] = 'u';
    OK(msync(p, FILE_SIZE, MS_SYNC));
    EQ(p[0], 'u');
}

static void map_between_processes(void)
{
    int fd = open("small", O_RDWR);
    OK(ftruncate(fd, 4096));
    char *p = map(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    pid_t pid = fork();
    if (pid == 0) {
        int mine = open("small", O_RDWR);
        char *q = map(mine, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        q[1000] = 'c';
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
    EQ(p[1000], 'c');
    char byte = 0;
    EQ(pread(fd, &byte, 1, 1000), 1);
    EQ(byte, 'c');
}

static const struct posix_case map_cases[] = {
    CASE(map_shared, FIX),   CASE(map_outlives_descriptor, FIX),
    CASE(map_private, FIX),  CASE(map_sees_later_writes, FIX),
    CASE(map_past_end, FIX), CASE(map_truncate, FIX),
    CASE(map_unlinked, FIX), CASE(map_between_processes, FIX),
};
THEME(map);
