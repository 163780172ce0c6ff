/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way from one thread to another: a ring of memory, taken when first filled. */
#ifndef CF_REGISTRY_RING_H
#define CF_REGISTRY_RING_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cf_ring {
    unsigned char *data;
    size_t size, at, used;
};

static inline void cf_ring_init(struct cf_ring *ring, size_t size)
{
    *ring = (struct cf_ring){.size = size};
}

static inline void cf_ring_done(struct cf_ring *ring)
{
    free(ring->data);
    ring->data = NULL;
}

static inline size_t cf_ring_used(const struct cf_ring *ring)
{
    return ring->used;
}

static inline size_t cf_ring_room(const struct cf_ring *ring)
{
    return ring->size - ring->used;
}

/* len is at most the room; -ENOMEM. */
static inline int cf_ring_put(struct cf_ring *ring, const void *data, size_t len)
{
    if (!ring->data)
        ring->data = malloc(ring->size);
    if (!ring->data)
        return -ENOMEM;
    const size_t end = (ring->at + ring->used) % ring->size;
    const size_t first = len < ring->size - end ? len : ring->size - end;
    memcpy(ring->data + end, data, first);
    memcpy(ring->data, (const unsigned char *)data + first, len - first);
    ring->used += len;
    return 0;
}

/* Up to len bytes; the count. */
static inline size_t cf_ring_get(struct cf_ring *ring, void *data, size_t len)
{
    if (len > ring->used)
        len = ring->used;
    const size_t first = len < ring->size - ring->at ? len : ring->size - ring->at;
    if (len == 0)
        return 0;
    memcpy(data, ring->data + ring->at, first);
    memcpy((unsigned char *)data + first, ring->data, len - first);
    ring->at = (ring->at + len) % ring->size;
    ring->used -= len;
    return len;
}

#endif
