/* SPDX-License-Identifier: Apache-2.0 */
/* Differences and blame of single settings of YAML and JSON files. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/edit.h>
#include <cloudfs/log.h>

struct telling {
    const char *file;
    cf_setting_fn *fn;
    void *context;
};

static int tell(const struct cf_edit_change *change, void *context)
{
    const struct telling *telling = context;
    struct cf_buf was cf_autobuf = CF_BUF_INIT, now cf_autobuf = CF_BUF_INIT;
    int r = change->was ? cf_edit_put_value(change->was, false, &was) : 0;

    if (r == 0 && change->now)
        r = cf_edit_put_value(change->now, false, &now);
    if (r < 0)
        return r;
    const struct cf_setting setting = {telling->file, change->path, change->was ? was.data : NULL,
                                       change->now ? now.data : NULL};
    return telling->fn(&setting, telling->context);
}

int cf_settings_compare(const char *file, const struct cf_buf *was, const struct cf_buf *now,
                        cf_setting_fn *fn, void *context, struct cf_error *err)
{
    struct cf_edit *a cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *b cf_cleanup(cf_edit_close_ptr) = NULL;
    struct telling telling = {file, fn, context};

    if (!cf_edit_is_name(file) ||
        cf_edit_open(file, was->data ? was->data : "", was->len, &a, NULL) < 0 ||
        cf_edit_open(file, now->data ? now->data : "", now->len, &b, NULL) < 0)
        return 0;
    int r = cf_edit_compare(a, b, tell, &telling);
    return r < 0 ? cf_fail_errno(err, -r, "%s", file) : 1;
}

/* ---- blame ---- */

/* The setting as the layer's own file has it; ret_value stays empty where it is not there, or the
 * file cannot be read. */
static int value_in_layer(struct cf_store *store, const struct cf_digest *diff_id, const char *file,
                          const char *path, struct cf_buf *ret_value, struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    const struct cf_edit_node *node = NULL;
    struct cf_content content;
    uint64_t nid = 0;
    int r = cf_layer_tree(store, diff_id, &tree, err);

    if (r < 0)
        return r;
    if (cf_tree_walk(tree, file, &nid) < 0 || cf_tree_content(tree, nid, &content) < 0)
        return 0;
    r = cf_content_read(store, &content, CF_EDIT_MAX, &text, err);
    if (r < 0)
        return r;
    if (cf_edit_open(file, text.data ? text.data : "", text.len, &edit, NULL) < 0 ||
        cf_edit_find(edit, path, &node, NULL) < 0)
        return 0;
    r = cf_edit_put_value(node, false, ret_value);
    return r < 0 ? cf_fail_errno(err, -r, "%s", file) : 0;
}

static void drop_step(struct cf_blame *blame, size_t index)
{
    struct cf_blame_step *step = &blame->steps[index];

    free(step->created_by);
    free(step->created);
    free(step->author);
    memmove(step, step + 1, (blame->count - index - 1) * sizeof(*step));
    blame->count--;
}

int cf_blame_setting(struct cf_store *store, const struct cf_image *image, const char *file,
                     const char *path, struct cf_blame *ret_blame, struct cf_error *err)
{
    struct cf_blame blame = {0};
    struct cf_buf last cf_autobuf = CF_BUF_INIT;
    int r = cf_blame(store, image, file, &blame, err);

    for (size_t i = blame.count; r == 0 && i-- > 0;) { /* the bottom one first */
        struct cf_blame_step *step = &blame.steps[i];
        struct cf_buf value cf_autobuf = CF_BUF_INIT;
        if (step->kind == 'A' || step->kind == 'C')
            r = value_in_layer(store, &step->diff_id, file, path, &value, err);
        bool was = last.len > 0, is = value.len > 0;
        if (r == 0 && was == is && (!is || !strcmp(last.data, value.data))) {
            drop_step(&blame, i);
            continue;
        }
        step->kind = !was ? 'A' : is ? 'C' : 'D';
        step->value = is ? strdup(value.data) : NULL;
        blame.present = is;
        cf_buf_done(&last);
        last = value;
        value = (struct cf_buf)CF_BUF_INIT;
        if (is && !step->value)
            r = cf_fail(err, -ENOMEM, "out of memory");
    }
    if (r < 0)
        cf_blame_done(&blame);
    else
        *ret_blame = blame;
    return r;
}
