/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text and one below it, with a byte 0xff between: completed or refused, and what was there is
 * still there. Its documents are judged as kubeadm's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/kubeadm.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static int look(const struct cf_kubeadm_finding *finding, void *context)
{
    (void)context;
    must(finding->what != CF_KUBEADM_KNOWN && finding->text[0] && finding->node->line);
    return 0;
}

/* Of a key that comes twice, the first counts: such texts do not compare. */
static bool has_twins(const struct cf_edit_node *node)
{
    for (const struct cf_edit_node *n = node->first; n; n = n->next) {
        for (const struct cf_edit_node *other = n->next; other && n->key; other = other->next)
            if (cf_edit_equal(n->key, other->key))
                return true;
        if (has_twins(n))
            return true;
    }
    return false;
}

/* Nothing that was set differs. */
static int compare(const struct cf_edit_change *change, void *context)
{
    (void)context;
    must(!change->was ||
         (change->was->kind == CF_EDIT_SCALAR && change->was->type == CF_YAML_NULL) ||
         cf_edit_is_pairs(change->was));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *cut = len ? memchr(data, 0xff, len) : NULL;
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *was cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *below cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_error err = {0};

    if (!cut || len > 4096 || cf_edit_open("f", data, (size_t)(cut - data), &edit, &err) < 0 ||
        cf_edit_open_value("b", cut + 1, (size_t)(data + len - cut) - 1, &below, &err) < 0)
        return 0;
    must(cf_edit_open("f", data, (size_t)(cut - data), &was, &err) == 0);
    for (size_t i = 0; i < cf_edit_count(edit); i++)
        must(cf_kubeadm_check(edit, cf_edit_document(edit, i), (unsigned)len % 40, look, NULL) ==
             0);
    int r = cf_edit_complete(edit, below, &err);
    must(r >= 0 || (err.text[0] && !strchr(err.text, '\n')));
    if (r >= 0 && cf_edit_count(was) == 1 && !has_twins(cf_edit_document(was, 0)))
        must(cf_edit_compare(was, edit, compare, NULL) == 0);
    return 0;
}
