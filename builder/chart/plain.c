/* SPDX-License-Identifier: Apache-2.0 */
/* The types of plain scalars for everybody else. */
#include <cloudfs/yaml.h>

#include <string.h>

#include "document.h"

void cf_yaml_resolve(const char *value, size_t len, struct cf_yaml_plain *ret_plain)
{
    struct cf_val val;
    struct cf_yaml_plain plain = {0};

    switch (cf_tag_resolve(value, len, &val)) {
    case CF_TAG_NULL:
        plain.type = CF_YAML_NULL;
        break;
    case CF_TAG_BOOL:
        plain.type = CF_YAML_BOOL;
        plain.truth = val.b;
        break;
    case CF_TAG_INT:
        plain.type = CF_YAML_INT;
        plain.has_whole = val.kind == CF_INT;
        plain.whole = plain.has_whole ? val.i : 0;
        plain.number = plain.has_whole ? (double)val.i : val.f;
        break;
    case CF_TAG_FLOAT:
        plain.type = CF_YAML_FLOAT;
        plain.number = val.f;
        break;
    case CF_TAG_TIMESTAMP:
        plain.doubtful = true;
        break;
    case CF_TAG_STR: /* "<<" merges, as a key */
        plain.doubtful = len == 2 && !memcmp(value, "<<", 2);
        break;
    }
    *ret_plain = plain;
}
