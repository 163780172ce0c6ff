/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The builder's memory: a growing area whose resident part stays small whatever its size. It
 * begins in anonymous memory, and goes on in an unlinked temporary file that is mapped shared;
 * now and then the file's pages are dropped from the address space (the page cache keeps them).
 * Things are named by references: their offset in units of 8 bytes; 0 is none. Addresses do not
 * change. Nothing is freed but what a mark is put back over. Fresh memory may hold old bytes.
 */
#ifndef CLOUDFS_TREE_ARENA_H
#define CLOUDFS_TREE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include <cloudfs/tree.h>

#define ARENA_UNIT 8u
#define ARENA_SIZE (UINT64_C(1) << 35)    /* all that 32-bit references reach; aligned to itself */
#define ARENA_PRIVATE (UINT64_C(4) << 20) /* bytes before the file begins */

struct arena {
    uint8_t *base;
    uint64_t used, limit; /* limit: what is backed by memory or by the file */
    uint64_t ready;       /* what was mapped ahead of use */
    int fd;               /* the file, -1 before it is needed */
    int scratch_fd;
    const struct cf_tree *tree; /* dropped as well while set: the tree that is being read */
    uint32_t ticks;
    uint64_t faults;   /* page faults at the last look */
    uint64_t resident; /* file pages of this process just after they were last dropped */
};

int arena_init(struct arena *arena, int scratch_fd);
void arena_done(struct arena *arena);
int arena_alloc(struct arena *arena, size_t size, uint32_t *ret_ref);
/* Call about once for each thing that is touched: bounds the resident pages. */
void arena_tick(struct arena *arena);

/* The thing that a reference names; near is any address in the same arena. NULL for 0. */
static inline void *arena_at(const void *near, uint32_t ref)
{
    uintptr_t base = (uintptr_t)near & ~(uintptr_t)(ARENA_SIZE - 1);

    return ref ? (void *)(base + (uint64_t)ref * ARENA_UNIT) : NULL;
}

static inline uint32_t arena_ref(const void *thing)
{
    return (uint32_t)(((uintptr_t)thing & (ARENA_SIZE - 1)) / ARENA_UNIT);
}

#endif
