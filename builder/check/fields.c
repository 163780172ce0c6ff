/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a document against a table of those that its reader knows, and the types of their values.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define FIELDS_MAX 256

static bool is_scalar(const struct cf_edit_node *node)
{
    return node->kind == CF_EDIT_SCALAR;
}

/* What is wrong with the items of a list, or the values of a map. */
static const char *wrong_items(const struct cf_edit_node *node, enum cf_edit_kind kind,
                               bool strings, const char *what)
{
    if (node->kind != kind)
        return what;
    for (const struct cf_edit_node *n = node->first; n; n = n->next)
        if (!is_scalar(n) || (strings && n->type != CF_YAML_STRING))
            return what;
    return NULL;
}

/* What a value has to be and is not; NULL: it is right. */
static const char *wrong_type(const struct cf_edit_node *node, enum field_type type)
{
    if (is_scalar(node) && node->type == CF_YAML_NULL)
        return NULL;
    switch (type) {
    case FIELD_BOOL:
        return is_scalar(node) && node->type == CF_YAML_BOOL ? NULL : "true or false";
    case FIELD_INT:
        return is_scalar(node) && node->type == CF_YAML_INT ? NULL : "a whole number";
    case FIELD_STRING:
        return is_scalar(node) && node->type == CF_YAML_STRING ? NULL : "a string";
    case FIELD_TEXT:
        return is_scalar(node) ? NULL : "a single value";
    case FIELD_SIZE:
        return is_scalar(node) && (node->type == CF_YAML_STRING || node->type == CF_YAML_INT)
                   ? NULL
                   : "a size: a number of bytes, or \"64M\"";
    case FIELD_TEXTS:
        return wrong_items(node, CF_EDIT_LIST, false, "a list of single values");
    case FIELD_STRINGS:
        return wrong_items(node, CF_EDIT_LIST, true, "a list of strings");
    case FIELD_STRING_MAP:
        return wrong_items(node, CF_EDIT_MAP, true,
                           "a map whose values are all strings, in quotes");
    case FIELD_LIST:
        return node->kind == CF_EDIT_LIST ? NULL : "a list";
    case FIELD_MAP:
        return node->kind == CF_EDIT_MAP ? NULL : "a map";
    default:
        return NULL;
    }
}

/* Where the first wrong item stands. */
static size_t wrong_line(const struct cf_edit_node *node, enum field_type type)
{
    bool strings = type == FIELD_STRINGS || type == FIELD_STRING_MAP;

    if (strings)
        for (const struct cf_edit_node *n = node->first; n; n = n->next)
            if (!is_scalar(n) || n->type != CF_YAML_STRING)
                return n->line;
    return node->line;
}

static void tell_unknown(struct checking *checking, const struct cf_edit_node *key,
                         const struct field *table, const struct reader *reader)
{
    const char *words[FIELDS_MAX];
    char mend[128];
    size_t count = 0;

    for (; table[count].name && count < FIELDS_MAX; count++)
        words[count] = table[count].name;
    const char *near = cf_check_near(key->value, words, count);
    if (near)
        snprintf(mend, sizeof(mend), "\"%s\" may be meant", near);
    cf_check_found(checking, near ? reader->unknown : CF_WARNING, reader->rule, key->line,
                   near ? mend : reader->consequence, "%s knows no key \"%s\"", reader->name,
                   key->value);
}

static void check_field(struct checking *checking, const struct cf_edit_node *node,
                        const struct field *field, const struct reader *reader)
{
    const char *wanted = wrong_type(node, field->type);

    if (wanted) {
        cf_check_found(checking, CF_ERROR, reader->rule, wrong_line(node, field->type), NULL,
                       "\"%s\" has to be %s", field->name, wanted);
        return;
    }
    if (field->below && node->kind == CF_EDIT_MAP)
        cf_check_fields(checking, node, field->below, reader);
    for (const struct cf_edit_node *n = node->first;
         n && field->below && node->kind == CF_EDIT_LIST; n = n->next) {
        if (n->kind == CF_EDIT_MAP)
            cf_check_fields(checking, n, field->below, reader);
        else
            cf_check_found(checking, CF_ERROR, reader->rule, n->line, NULL,
                           "each item of \"%s\" has to be a map", field->name);
    }
}

void cf_check_fields(struct checking *checking, const struct cf_edit_node *map,
                     const struct field *table, const struct reader *reader)
{
    for (const struct cf_edit_node *n = map->first; n; n = n->next) {
        const struct field *field = table;
        if (n->key->kind != CF_EDIT_SCALAR || !strcmp(n->key->value, "<<"))
            continue;
        while (field->name && strcmp(field->name, n->key->value) != 0)
            field++;
        if (field->name)
            check_field(checking, n, field, reader);
        else
            tell_unknown(checking, n->key, table, reader);
    }
}
