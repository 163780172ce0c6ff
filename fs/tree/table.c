/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <string.h>

#include "erofs.h"

struct slot {
    uint32_t key;
    uint32_t value; /* 0: empty */
};

static struct slot *slots_of(const struct arena *arena, const struct table *table)
{
    return arena_at(arena->base, table->slots);
}

/* Where the search for a key begins; keys may be close to each other. */
static uint32_t start_of(const struct table *table, uint32_t key)
{
    return key * 0x9E3779B1u >> (32 - table->bits);
}

uint32_t table_find(const struct arena *arena, const struct table *table, uint32_t key,
                    uint32_t *at)
{
    const struct slot *slots = slots_of(arena, table);
    uint32_t mask = (1u << table->bits) - 1;

    if (!slots)
        return 0;
    for (uint32_t i = start_of(table, key) + *at;; i++) {
        const struct slot *slot = &slots[i & mask];

        ++*at;
        if (slot->value == 0 || slot->key == key)
            return slot->value;
    }
}

static void put(struct arena *arena, struct table *table, uint32_t key, uint32_t value)
{
    struct slot *slots = slots_of(arena, table);
    uint32_t mask = (1u << table->bits) - 1, i = start_of(table, key);

    while (slots[i & mask].value != 0)
        i++;
    slots[i & mask] = (struct slot){key, value};
    table->count++;
}

void table_drop(struct arena *arena, struct table_pool *pool, struct table *table)
{
    if (table->slots) {
        slots_of(arena, table)->value = pool->unused[table->bits];
        pool->unused[table->bits] = table->slots;
    }
    *table = (struct table){0};
}

static int take_slots(struct arena *arena, struct table_pool *pool, struct table *table)
{
    size_t size = sizeof(struct slot) << table->bits;
    int r;

    table->slots = pool->unused[table->bits];
    if (table->slots)
        pool->unused[table->bits] = slots_of(arena, table)->value;
    else if ((r = arena_alloc(arena, size, &table->slots)) < 0)
        return r;
    memset(slots_of(arena, table), 0, size);
    return 0;
}

static int widen(struct arena *arena, struct table_pool *pool, struct table *table)
{
    struct table wide = {.bits = table->slots ? table->bits + 1 : TABLE_BITS_MIN};
    const struct slot *slots = slots_of(arena, table);
    int r;

    if (wide.bits > 31)
        return -ENOMEM;
    if ((r = take_slots(arena, pool, &wide)) < 0)
        return r;
    for (uint64_t i = 0; slots && i < UINT64_C(1) << table->bits; i++) {
        if (slots[i].value)
            put(arena, &wide, slots[i].key, slots[i].value);
        arena_tick(arena);
    }
    table_drop(arena, pool, table);
    *table = wide;
    return 0;
}

int table_add(struct arena *arena, struct table_pool *pool, struct table *table, uint32_t key,
              uint32_t value)
{
    int r;

    if (!table->slots || table->count >= (UINT64_C(3) << table->bits) / 4) {
        if ((r = widen(arena, pool, table)) < 0)
            return r;
    }
    put(arena, table, key, value);
    return 0;
}

static inline uint64_t rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t name_hash(const uint64_t seed[2], const char *name, size_t len)
{
    uint64_t v[4] = {
        seed[0] ^ UINT64_C(0x736f6d6570736575),
        seed[1] ^ UINT64_C(0x646f72616e646f6d),
        seed[0] ^ UINT64_C(0x6c7967656e657261),
        seed[1] ^ UINT64_C(0x7465646279746573),
    };

    for (size_t i = 0; i <= len; i += 8) {
        uint8_t bytes[8] = {0};
        size_t n = len - i < 8 ? len - i : 8;
        uint64_t word;

        memcpy(bytes, name + i, n);
        word = get64(bytes);
        if (n < 8)
            word |= (uint64_t)len << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
