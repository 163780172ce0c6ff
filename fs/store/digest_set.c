/* SPDX-License-Identifier: Apache-2.0 */
/* A set of digests with open addressing: digests are their own hash. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"

static const struct cf_digest zero;

static size_t first_slot(const struct cf_digest_set *set, const struct cf_digest *digest)
{
    uint64_t hash;

    memcpy(&hash, digest->bytes, sizeof(hash));
    return (size_t)hash & (set->room - 1);
}

/* The slot that holds the digest, or the empty one where it belongs. */
static struct cf_digest *find_slot(const struct cf_digest_set *set, const struct cf_digest *digest)
{
    size_t i = first_slot(set, digest);

    while (!cf_digest_equal(&set->slots[i], &zero) && !cf_digest_equal(&set->slots[i], digest))
        i = (i + 1) & (set->room - 1);
    return &set->slots[i];
}

static int grow(struct cf_digest_set *set)
{
    struct cf_digest_set larger = {.count = set->count, .room = set->room ? set->room * 2 : 256};

    larger.slots = calloc(larger.room, sizeof(*larger.slots));
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < set->room; i++)
        if (!cf_digest_equal(&set->slots[i], &zero))
            *find_slot(&larger, &set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
    return 0;
}

int cf_digest_set_add(struct cf_digest_set *set, const struct cf_digest *digest)
{
    if (cf_digest_equal(digest, &zero))
        return 0;
    if (set->count + 1 > set->room / 4 * 3) {
        int r = grow(set);
        if (r < 0)
            return r;
    }
    struct cf_digest *slot = find_slot(set, digest);
    if (cf_digest_equal(slot, digest))
        return 0;
    *slot = *digest;
    set->count++;
    return 1;
}

bool cf_digest_set_has(const struct cf_digest_set *set, const struct cf_digest *digest)
{
    return set->count > 0 && !cf_digest_equal(digest, &zero) &&
           cf_digest_equal(find_slot(set, digest), digest);
}

void cf_digest_set_done(struct cf_digest_set *set)
{
    free(set->slots);
    memset(set, 0, sizeof(*set));
}
