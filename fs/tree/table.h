/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash tables in an arena: from 32-bit keys, that need not be unique, to references. Open
 * addressing; entries are only ever added. Tables that became too small are used again.
 */
#ifndef CLOUDFS_TREE_TABLE_H
#define CLOUDFS_TREE_TABLE_H

#include <stdbool.h>

#include "arena.h"

#define TABLE_BITS_MIN 5

struct table {
    uint32_t slots; /* 0: no table */
    uint32_t count;
    uint32_t bits;
};

struct table_pool {
    uint32_t unused[32]; /* lists by bits */
};

/* -ENOMEM, -ENOSPC; the table is then as it was. */
int table_add(struct arena *arena, struct table_pool *pool, struct table *table, uint32_t key,
              uint32_t value);
/* Gives the slots back and empties the table. */
void table_drop(struct arena *arena, struct table_pool *pool, struct table *table);

/* The values of a key one after the other: *at is 0 at first; 0 means no more. */
uint32_t table_find(const struct arena *arena, const struct table *table, uint32_t key,
                    uint32_t *at);

/* SipHash-1-3 (Aumasson, Bernstein), so that nobody can make names that collide. */
uint64_t name_hash(const uint64_t seed[2], const char *name, size_t len);

#endif
