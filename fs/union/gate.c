/* SPDX-License-Identifier: Apache-2.0 */
/* The gate between changes and a freeze, and the scope locks. */
#include <errno.h>

#include "internal.h"

int cf_change_begin(struct cf_union *u)
{
    if (u->read_only)
        return -EROFS;
    (void)pthread_mutex_lock(&u->gate);
    while (u->frozen)
        (void)pthread_cond_wait(&u->gate_open, &u->gate);
    u->active++;
    (void)pthread_mutex_unlock(&u->gate);
    return 0;
}

void cf_change_end(struct cf_union **u)
{
    if (!*u)
        return;
    (void)pthread_mutex_lock(&(*u)->gate);
    (*u)->active--;
    if ((*u)->active == 0 && (*u)->frozen)
        (void)pthread_cond_broadcast(&(*u)->gate_open);
    (void)pthread_mutex_unlock(&(*u)->gate);
}

int cf_union_freeze(struct cf_union *u)
{
    int r = 0;
    (void)pthread_mutex_lock(&u->gate);
    if (u->frozen) {
        r = -EBUSY;
    } else {
        u->frozen = true; /* keeps new changes out while the running ones end */
        while (u->active)
            (void)pthread_cond_wait(&u->gate_open, &u->gate);
    }
    (void)pthread_mutex_unlock(&u->gate);
    return r;
}

void cf_union_thaw(struct cf_union *u)
{
    (void)pthread_mutex_lock(&u->gate);
    if (u->frozen) {
        u->epoch++;
        u->frozen = false;
        (void)pthread_cond_broadcast(&u->gate_open);
    }
    (void)pthread_mutex_unlock(&u->gate);
}

void cf_ns_unlock(struct cf_union **u)
{
    if (*u)
        (void)pthread_rwlock_unlock(&(*u)->ns);
}

pthread_mutex_t *cf_stripe_lock(struct cf_union *u, const struct cf_vnode *node)
{
    pthread_mutex_t *stripe = &u->stripes[(node->ino ^ (node->ino >> 6)) % CF_STRIPES];
    (void)pthread_mutex_lock(stripe);
    return stripe;
}

void cf_stripe_unlock(pthread_mutex_t **stripe)
{
    if (*stripe)
        (void)pthread_mutex_unlock(*stripe);
}
