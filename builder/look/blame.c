/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/log.h>

#include "find.h"

/* What one layer says of a path. */
enum word {
    SAYS_NOTHING,
    SAYS_THERE,
    SAYS_IMPLIED, /* a directory that the layer's tar has no entry for */
    SAYS_GONE,    /* a whiteout of the path itself */
    SAYS_HIDDEN,  /* something above it hides what lower layers have */
};

/* One step down. Returns 1 to go on below, 0 when *word is final, or an error. */
static int descend(const struct cf_tree *tree, uint64_t *dir, const char *name, size_t len,
                   bool last, enum word *word)
{
    struct cf_inode inode;
    uint64_t nid = 0;
    int r = cf_tree_lookup(tree, *dir, name, len, &nid, NULL);

    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = cf_tree_inode(tree, nid, &inode);
    if (r < 0)
        return r;
    if (last) {
        *word = cf_inode_is_whiteout(&inode)                            ? SAYS_GONE
                : S_ISDIR(inode.mode) && cf_tree_is_implicit(tree, nid) ? SAYS_IMPLIED
                                                                        : SAYS_THERE;
        return 0;
    }
    if (!S_ISDIR(inode.mode)) {
        *word = SAYS_HIDDEN;
        return 0;
    }
    if (cf_tree_is_opaque(tree, nid))
        *word = SAYS_HIDDEN; /* unless the layer itself has the path below */
    *dir = nid;
    return 1;
}

static int ask_layer(const struct cf_tree *tree, const char *path, enum word *ret_word)
{
    uint64_t dir = cf_tree_root(tree);
    int r = 1;

    *ret_word = cf_tree_is_opaque(tree, dir) ? SAYS_HIDDEN : SAYS_NOTHING;
    path += strspn(path, "/");
    if (!*path)
        *ret_word = cf_tree_is_implicit(tree, dir) ? SAYS_IMPLIED : SAYS_THERE;
    while (*path && r > 0) {
        size_t len = strcspn(path, "/");
        const char *next = path + len + strspn(path + len, "/");
        if (!(len == 1 && path[0] == '.'))
            r = descend(tree, &dir, path, len, !*next, ret_word);
        path = next;
    }
    return r < 0 ? r : 0;
}

/* Copies a text of the history; NULL stays NULL. */
static int copy_text(const struct cf_json *entry, const char *key, char **ret_text)
{
    const char *text = cf_json_get_string(entry, key);

    *ret_text = text ? strdup(text) : NULL;
    return text && !*ret_text ? -ENOMEM : 0;
}

static int add_step(struct cf_blame *blame, const struct cf_image *image, size_t layer, char kind)
{
    const struct cf_json *entry = cf_history_of_layer(image, layer);
    struct cf_blame_step *step = &blame->steps[blame->count++];

    *step = (struct cf_blame_step){.layer = layer, .kind = kind, .diff_id = image->diff_ids[layer]};
    int r = copy_text(entry, "created_by", &step->created_by);
    if (r == 0)
        r = copy_text(entry, "created", &step->created);
    if (r == 0)
        r = copy_text(entry, "author", &step->author);
    return r;
}

/* What the layer does to the path, given whether the layers below have it; 0: nothing. */
static char kind_of(enum word word, bool present)
{
    switch (word) {
    case SAYS_THERE:
        return present ? 'C' : 'A';
    case SAYS_IMPLIED:
        return present ? 0 : 'A';
    case SAYS_GONE:
        return present ? 'D' : 0;
    case SAYS_HIDDEN:
        return present ? 'O' : 0;
    case SAYS_NOTHING:
        break;
    }
    return 0;
}

void cf_blame_done(struct cf_blame *blame)
{
    for (size_t i = 0; i < blame->count; i++) {
        free(blame->steps[i].created_by);
        free(blame->steps[i].created);
        free(blame->steps[i].author);
        free(blame->steps[i].value);
    }
    free(blame->steps);
    *blame = (struct cf_blame){0};
}

static int blame_layer(struct cf_store *store, const struct cf_image *image, size_t layer,
                       const char *path, struct cf_blame *blame, struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];
    enum word word = SAYS_NOTHING;
    int r = cf_layer_tree(store, &image->diff_ids[layer], &tree, err);

    if (r < 0)
        return r;
    r = ask_layer(tree, path, &word);
    cf_digest_text(&image->diff_ids[layer], text);
    if (r < 0)
        return cf_fail_errno(err, -r, "layer %s: %s", text, CF_QUOTE(path));
    char kind = kind_of(word, blame->present);
    if (!kind)
        return 0;
    blame->present = kind == 'A' || kind == 'C';
    r = add_step(blame, image, layer, kind);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}

int cf_blame(struct cf_store *store, const struct cf_image *image, const char *path,
             struct cf_blame *ret_blame, struct cf_error *err)
{
    struct cf_blame blame = {.steps = calloc(image->layer_count + 1, sizeof(*blame.steps))};
    int r = blame.steps ? 0 : cf_fail(err, -ENOMEM, "out of memory");

    for (size_t i = 0; i < image->layer_count && r == 0; i++)
        r = blame_layer(store, image, i, path, &blame, err);
    if (r < 0) {
        cf_blame_done(&blame);
        return r;
    }
    for (size_t i = 0; i < blame.count / 2; i++) { /* top first */
        struct cf_blame_step step = blame.steps[i];
        blame.steps[i] = blame.steps[blame.count - 1 - i];
        blame.steps[blame.count - 1 - i] = step;
    }
    *ret_blame = blame;
    return 0;
}
