/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "erofs.h"

#define STEP_MIN (UINT64_C(1) << 20)
#define STEP_MAX (UINT64_C(64) << 20)
#define READY_MIN (UINT64_C(32) << 10)
#define READY_MAX (UINT64_C(512) << 10)
#define TICKS 32u   /* ticks between two looks at the page faults */
#define FAULTS 256u /* page faults between two looks at the resident pages */
#define RESIDENT_MAX ((UINT64_C(12) << 20) / 4096) /* pages */

/* Reserves the address range at a multiple of its size, so that arena_at() needs no base. */
static int reserve(struct arena *arena)
{
    uint8_t *range =
        mmap(NULL, 2 * ARENA_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t before;

    if (range == MAP_FAILED)
        return -errno;
    before = align_up((uintptr_t)range, ARENA_SIZE) - (uintptr_t)range;
    if (before > 0)
        (void)munmap(range, before);
    if (before < ARENA_SIZE)
        (void)munmap(range + before + ARENA_SIZE, ARENA_SIZE - before);
    arena->base = range + before;
    return 0;
}

int arena_init(struct arena *arena, int scratch_fd)
{
    int r;

    *arena = (struct arena){.used = ARENA_UNIT, .limit = ARENA_PRIVATE, .fd = -1};
    arena->scratch_fd = fcntl(scratch_fd, F_DUPFD_CLOEXEC, 0);
    if (arena->scratch_fd < 0)
        return -errno;
    if ((r = reserve(arena)) < 0)
        return r;
    if (mprotect(arena->base, ARENA_PRIVATE, PROT_READ | PROT_WRITE) < 0)
        return -errno;
    /* A huge page would cost more time to clear than a small tree to build. */
    (void)madvise(arena->base, ARENA_PRIVATE, MADV_NOHUGEPAGE);
    return 0;
}

void arena_done(struct arena *arena)
{
    if (arena->base)
        (void)munmap(arena->base, ARENA_SIZE);
    if (arena->fd >= 0)
        (void)close(arena->fd);
    if (arena->scratch_fd >= 0)
        (void)close(arena->scratch_fd);
}

static int open_file(struct arena *arena)
{
    char name[17 + 5] = "tree-";
    int fd = openat(arena->scratch_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        cf_random_name(name + 5);
        fd = openat(arena->scratch_fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            (void)unlinkat(arena->scratch_fd, name, 0);
    }
    if (fd < 0)
        return -errno;
    if (mmap(arena->base + ARENA_PRIVATE, ARENA_SIZE - ARENA_PRIVATE, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    /* One fault must not map 2 MiB. */
    (void)madvise(arena->base + ARENA_PRIVATE, ARENA_SIZE - ARENA_PRIVATE, MADV_NOHUGEPAGE);
    arena->fd = fd;
    return 0;
}

static int write_zeros(int fd, uint64_t offset, uint64_t len)
{
    static const uint8_t zeros[1 << 16];
    int r = 0;

    for (uint64_t done = 0; r == 0 && done < len; done += sizeof(zeros))
        r = cf_pwrite_full(fd, zeros, sizeof(zeros), (off_t)(offset + done));
    return r;
}

/* Room is taken from the disk before it is touched: a full disk must be an error, not SIGBUS. */
static int take_room(int fd, uint64_t offset, uint64_t len)
{
    int r;

    do
        r = fallocate(fd, 0, (off_t)offset, (off_t)len) < 0 ? -errno : 0;
    while (r == -EINTR);
    return r == -EOPNOTSUPP || r == -ENOSYS ? write_zeros(fd, offset, len) : r;
}

static int grow(struct arena *arena, uint64_t need)
{
    uint64_t step = arena->used / 8, limit;
    int r = arena->fd < 0 ? open_file(arena) : 0;

    if (r < 0)
        return r;
    step = step < STEP_MIN ? STEP_MIN : step > STEP_MAX ? STEP_MAX : step;
    limit = align_up(need + step, STEP_MIN);
    if (limit > ARENA_SIZE)
        return -ENOMEM;
    r = take_room(arena->fd, arena->limit - ARENA_PRIVATE, limit - arena->limit);
    if (r == 0)
        arena->limit = limit;
    return r;
}

/* Linux 5.14; older headers lack it, and an older kernel refuses it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Pages are mapped many at a time: a fault for each costs 0.5 us on good days, and 17 us in some
 * virtual machines, where this takes 1 us. */
static void make_ready(struct arena *arena, uint64_t end)
{
    uint64_t step = arena->ready, ready;

    step = step < READY_MIN ? READY_MIN : step > READY_MAX ? READY_MAX : step;
    ready = align_up(end, READY_MIN) + step - READY_MIN;
    if (ready > arena->limit)
        ready = arena->limit;
    (void)madvise(arena->base + arena->ready, ready - arena->ready, MADV_POPULATE_WRITE);
    arena->ready = ready;
}

int arena_alloc(struct arena *arena, size_t size, uint32_t *ret_ref)
{
    uint64_t end;
    int r;

    if (size > ARENA_SIZE / 2)
        return -ENOMEM;
    end = arena->used + align_up(size, ARENA_UNIT);
    if (end > arena->limit && (r = grow(arena, end)) < 0)
        return r;
    if (end > arena->ready)
        make_ready(arena, end);
    *ret_ref = (uint32_t)(arena->used / ARENA_UNIT);
    arena->used = end;
    return 0;
}

static uint64_t count_faults(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/* The file pages of this process that are resident; all there could be, where /proc is absent. */
static uint64_t count_resident(void)
{
    int fd cf_autoclose = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128];
    unsigned long pages;
    ssize_t n;

    if (fd < 0)
        return UINT64_MAX;
    n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return UINT64_MAX;
    text[n] = '\0';
    return sscanf(text, "%*u %*u %lu", &pages) == 1 ? pages : UINT64_MAX;
}

/*
 * A page fault maps up to 16 pages, so faults alone do not tell what is resident; statm does,
 * but costs more than a fault. So it is read after some faults only.
 */
void arena_tick(struct arena *arena)
{
    uint64_t now;

    if (++arena->ticks % TICKS != 0 || (arena->fd < 0 && !arena->tree))
        return;
    now = count_faults();
    if (now - arena->faults < FAULTS)
        return;
    arena->faults = now;
    now = count_resident();
    if (now < arena->resident)
        arena->resident = now;
    if (now != UINT64_MAX && now - arena->resident < RESIDENT_MAX)
        return;
    if (arena->fd >= 0)
        (void)madvise(arena->base + ARENA_PRIVATE, arena->limit - ARENA_PRIVATE, MADV_DONTNEED);
    if (arena->tree)
        cf_tree_trim(arena->tree);
    arena->resident = count_resident();
}
