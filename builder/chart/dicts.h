/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CF_DICTS_H
#define CF_DICTS_H

#include "value.h"

/*
 * Sprig's merge, by the rules of mergo: what dst lacks, or has only empty (false, 0, "" ...), comes
 * from src; maps are merged, lists are not. overwrite: what src has wins, but a map never replaces
 * something that is no map and not empty.
 */
void cf_dict_merge(struct cf_run *run, struct cf_dict *dst, const struct cf_dict *src,
                   bool overwrite);

#endif
