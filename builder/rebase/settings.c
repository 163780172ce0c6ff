/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three texts of YAML or JSON, setting by setting: the image's changes are made in the new base's
 * text, where that still has what the old base had. Where merging the lines comes to the same
 * settings, these are taken: they have the comments of both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/edit.h>

#include "internal.h"

struct merging {
    struct rebasing *rebasing;
    const char *file;
    struct cf_edit *base, *ours, *theirs;
    struct cf_edit *made; /* theirs, with our changes */
    const struct cf_text *our_text;
    bool unable; /* something cannot be done by settings */
    bool check;  /* second pass: whether all changes are made */
};

/* A path that says the kind of its document, as a file of several documents needs it. */
static int whole_path(const struct merging *merging, const struct cf_edit_change *change,
                      struct cf_buf *ret_path)
{
    const struct cf_edit *edit = change->now ? merging->ours : merging->base;
    const struct cf_edit_node *document = change->now ? change->now : change->was;

    while (document->parent)
        document = document->parent;
    const char *kind = cf_edit_child_text(document, "kind");
    if (kind && cf_edit_count(edit) == 1)
        return !strcmp(change->path, ".") ? cf_buf_add_str(ret_path, kind)
                                          : cf_buf_printf(ret_path, "%s.%s", kind, change->path);
    return cf_buf_add_str(ret_path, change->path);
}

static const struct cf_edit_node *find(const struct cf_edit *edit, const char *path)
{
    const struct cf_edit_node *node = NULL;
    return cf_edit_find(edit, path, &node, NULL) == 0 ? node : NULL;
}

static bool equal(const struct cf_edit_node *a, const struct cf_edit_node *b)
{
    return a && b ? cf_edit_equal(a, b) : a == b;
}

/* A document that only we have: its own text. */
static int add_document(struct merging *merging, const struct cf_edit_node *document)
{
    struct cf_edit *patch cf_cleanup(cf_edit_close_ptr) = NULL;
    size_t end = document->end < merging->our_text->len ? document->end : merging->our_text->len;
    int r = cf_edit_open_value("the document", merging->our_text->text + document->start,
                               end - document->start, &patch, NULL);

    return r < 0 ? r : cf_edit_merge(merging->made, patch, NULL);
}

static int add_item(struct merging *merging, const char *path, const struct cf_edit_node *item)
{
    const char *bracket = strrchr(path, '[');
    char *list cf_autofree = bracket ? strndup(path, (size_t)(bracket - path)) : NULL;

    return list ? cf_edit_append(merging->made, list, item, NULL) : -EINVAL;
}

static int apply(struct merging *merging, const char *path, const struct cf_edit_change *change)
{
    const struct cf_edit_node *now = change->now;
    int r;

    if (!now)
        return cf_edit_delete(merging->made, path, NULL);
    if (!now->parent)
        return change->was ? -ENOTSUP : add_document(merging, now);
    if (!change->was && !now->key)
        return add_item(merging, path, now);
    r = cf_edit_set(merging->made, path, now, NULL);
    if (r != -EINVAL || !find(merging->made, path))
        return r;
    /* Of another kind than before: in its place. */
    r = cf_edit_delete(merging->made, path, NULL);
    return r < 0 ? r : cf_edit_set(merging->made, path, now, NULL);
}

static int put(const struct cf_edit_node *node, struct cf_buf *ret_text)
{
    return node ? cf_edit_put_value(node, false, ret_text) : 0;
}

static int tell(struct merging *merging, const struct cf_edit_change *change, const char *path,
                const struct cf_edit_node *theirs)
{
    struct cf_buf was cf_autobuf = CF_BUF_INIT, now cf_autobuf = CF_BUF_INIT;
    struct cf_buf other cf_autobuf = CF_BUF_INIT;

    int r = put(change->was, &was);

    if (r == 0)
        r = put(change->now, &now);
    if (r == 0)
        r = put(theirs, &other);
    if (r < 0) { /* an alias that means nothing by itself */
        merging->unable = true;
        return r == -ENOMEM ? cf_rebase_no_memory(merging->rebasing) : 0;
    }
    return cf_rebase_conflict(merging->rebasing, merging->file, path,
                              change->now ? change->now->line : 0, was.data, now.data, other.data);
}

/* Items are told apart by names; where they are counted, the other side may count otherwise. */
static bool is_counted(const char *path)
{
    for (const char *at = strchr(path, '['); at; at = strchr(at + 1, '['))
        if (strncmp(at, "[name=", 6) != 0)
            return true;
    return false;
}

static int take_change(const struct cf_edit_change *change, void *context)
{
    struct merging *merging = context;
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    int r = whole_path(merging, change, &path);

    if (r < 0)
        return r;
    if (is_counted(path.data)) {
        merging->unable = true;
        return 0;
    }
    const struct cf_edit_node *theirs = find(merging->theirs, path.data);
    bool agreed = equal(theirs, change->now), free_to = equal(theirs, change->was);
    if (merging->check) {
        merging->unable |=
            (agreed || free_to) && !equal(find(merging->made, path.data), change->now);
        return 0;
    }
    if (agreed)
        return 0;
    if (!free_to) {
        r = tell(merging, change, path.data, theirs);
        if (r < 0 || merging->rebasing->options->prefer != CF_REBASE_OURS)
            return r;
    }
    if (apply(merging, path.data, change) < 0)
        merging->unable = true;
    return 0;
}

static int open_all(struct merging *merging, const struct cf_text *base, const struct cf_text *ours,
                    const struct cf_text *theirs)
{
    int r = cf_edit_open(merging->file, base->text, base->len, &merging->base, NULL);

    if (r == 0)
        r = cf_edit_open(merging->file, ours->text, ours->len, &merging->ours, NULL);
    if (r == 0)
        r = cf_edit_open(merging->file, theirs->text, theirs->len, &merging->theirs, NULL);
    if (r == 0)
        r = cf_edit_open(merging->file, theirs->text, theirs->len, &merging->made, NULL);
    return r;
}

static int any(const struct cf_edit_change *change, void *context)
{
    (void)change;
    *(bool *)context = true;
    return 1;
}

/* Whether a text has the same settings as what was made. */
static bool is_same(struct merging *merging, const struct cf_buf *text)
{
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    bool differs = false;

    return cf_edit_open(merging->file, text->data ? text->data : "", text->len, &edit, NULL) == 0 &&
           cf_edit_compare(merging->made, edit, any, &differs) >= 0 && !differs;
}

static int finish(struct merging *merging, const struct cf_text *base, const struct cf_text *ours,
                  const struct cf_text *theirs, size_t conflicts, struct cf_buf *ret_text)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    size_t len = 0;
    const char *text = cf_edit_text(merging->made, &len);
    int r = conflicts ? 1 : cf_text_merge(base, ours, theirs, false, NULL, NULL, &lines);

    if (r < 0)
        return r;
    if (r == 0 && is_same(merging, &lines))
        return cf_buf_add(ret_text, lines.data ? lines.data : "", lines.len);
    return cf_buf_add(ret_text, text, len);
}

int cf_rebase_settings(struct rebasing *rebasing, const char *path, const struct cf_text *base,
                       const struct cf_text *ours, const struct cf_text *theirs,
                       struct cf_buf *ret_text)
{
    struct merging merging = {.rebasing = rebasing, .file = path, .our_text = ours};
    size_t before = rebasing->result.conflict_count;
    int r = open_all(&merging, base, ours, theirs);

    if (r == 0)
        r = cf_edit_compare(merging.base, merging.ours, take_change, &merging);
    size_t conflicts = rebasing->result.conflict_count - before;
    merging.check = true;
    if (r == 0 && !merging.unable)
        r = cf_edit_compare(merging.base, merging.ours, take_change, &merging);
    if (r == 0 && !merging.unable)
        r = finish(&merging, base, ours, theirs, conflicts, ret_text) < 0
                ? cf_rebase_no_memory(rebasing)
                : 1;
    else if (r != -ENOMEM)
        r = 0;
    if (r == 0)
        cf_rebase_forget(rebasing, before);
    cf_edit_close(merging.base);
    cf_edit_close(merging.ours);
    cf_edit_close(merging.theirs);
    cf_edit_close(merging.made);
    return r;
}
