/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of the mounted filesystem time: file data, without the cost of starting a program.
 * Prints the seconds that the work took. Errors end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1 << 20)
#define BLOCK 4096
#define WRITERS 8
#define READERS 8

static char buffer[CHUNK];
static const char *what;

static long sure(long result)
{
    if (result < 0) {
        fprintf(stderr, "io: %s: %s\n", what, strerror(errno));
        exit(1);
    }
    return result;
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static void read_whole(const char *path)
{
    int fd = (int)sure(open(path, O_RDONLY));
    while (sure(read(fd, buffer, CHUNK)) > 0)
        ;
    (void)close(fd);
}

static void read_random(const char *path, long count)
{
    struct stat st;
    uint64_t state = 88172645463325252u;
    int fd = (int)sure(open(path, O_RDONLY));
    sure(fstat(fd, &st));
    while (count-- > 0)
        sure(pread(fd, buffer, BLOCK,
                   (off_t)(next_random(&state) % (uint64_t)(st.st_size / BLOCK)) * BLOCK));
    (void)close(fd);
}

static void write_whole(const char *path, long size, int synced)
{
    int fd = (int)sure(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    for (long done = 0; done < size; done += CHUNK)
        sure(write(fd, buffer, CHUNK));
    if (synced)
        sure(fdatasync(fd));
    sure(close(fd));
}

static void write_random(const char *path, long count)
{
    struct stat st;
    uint64_t state = 88172645463325252u;
    int fd = (int)sure(open(path, O_WRONLY));
    sure(fstat(fd, &st));
    while (count-- > 0)
        sure(pwrite(fd, buffer, BLOCK,
                    (off_t)(next_random(&state) % (uint64_t)(st.st_size / BLOCK)) * BLOCK));
    sure(close(fd));
}

/* Each makes COUNT files of 16 KB in a directory of its own. */
static void writer(const char *dir, int number, long count)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%d", dir, number);
    sure(mkdir(path, 0755));
    for (long i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%d/%ld", dir, number, i);
        int fd = (int)sure(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
        for (int part = 0; part < 4; part++)
            sure(write(fd, buffer, BLOCK));
        sure(close(fd));
    }
}

/* Each reads every READERS-th file of the list, one path a line, COUNT times over. */
static void reader(const char *list, int number, long count)
{
    char path[4096];
    while (count-- > 0) {
        FILE *f = fopen(list, "r");
        sure(f ? 0 : -1);
        for (int line = 0; fgets(path, sizeof(path), f); line++) {
            path[strcspn(path, "\n")] = 0;
            if (line % READERS == number)
                read_whole(path);
        }
        (void)fclose(f);
    }
}

static void mix(const char *dir, const char *list, long count)
{
    for (int i = 0; i < WRITERS + READERS; i++) {
        if (sure(fork()) > 0)
            continue;
        if (i < WRITERS)
            writer(dir, i, count);
        else
            reader(list, i - WRITERS, 4);
        _exit(0);
    }
    for (int i = 0, status; i < WRITERS + READERS; i++) {
        sure(wait(&status));
        if (status)
            exit(1);
    }
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: io read FILE | randread FILE COUNT | write FILE BYTES | write-sync FILE BYTES |\n"
        "       randwrite FILE COUNT | mix DIR COUNT LIST\n";
    const char *command = argc > 2 ? argv[1] : "";
    long n = argc > 3 ? atol(argv[3]) : 0;
    memset(buffer, 'x', sizeof(buffer));
    what = argc > 2 ? argv[2] : "";
    double start = now();
    if (strcmp(command, "read") == 0) {
        read_whole(argv[2]);
    } else if (strcmp(command, "randread") == 0) {
        read_random(argv[2], n);
    } else if (strcmp(command, "write") == 0 || strcmp(command, "write-sync") == 0) {
        write_whole(argv[2], n, command[5] == '-');
    } else if (strcmp(command, "randwrite") == 0) {
        write_random(argv[2], n);
    } else if (strcmp(command, "mix") == 0 && argc > 4) {
        mix(argv[2], argv[4], n);
    } else {
        fputs(usage, stderr);
        return 2;
    }
    printf("%.6f\n", now() - start);
    return 0;
}
