/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three trees: the old base, the image, and the new base. Each path that the image has changed is
 * decided; times alone are no change.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/edit.h>

#include "internal.h"

/* What a tree has at a path. */
struct thing {
    const struct cf_tree *tree;
    bool exists;
    struct cf_inode inode;
};

static int look(const struct cf_tree *tree, const char *path, struct thing *ret_thing)
{
    uint64_t nid = 0;
    int r = cf_tree_walk(tree, path, &nid);

    *ret_thing = (struct thing){.tree = tree};
    if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
        return 0;
    ret_thing->exists = true;
    return r < 0 ? r : cf_tree_inode(tree, nid, &ret_thing->inode);
}

static bool is_dir(const struct thing *thing)
{
    return thing->exists && S_ISDIR(thing->inode.mode);
}

static bool is_file(const struct thing *thing)
{
    return thing->exists && S_ISREG(thing->inode.mode);
}

static bool same_content(const struct thing *a, const struct thing *b)
{
    return a->exists && b->exists && (a->inode.mode & S_IFMT) == (b->inode.mode & S_IFMT) &&
           cf_tree_same_content(a->tree, &a->inode, b->tree, &b->inode);
}

static bool same_owner(const struct thing *a, const struct thing *b)
{
    return a->inode.uid == b->inode.uid && a->inode.gid == b->inode.gid;
}

static bool same_xattrs(const struct thing *a, const struct thing *b)
{
    return cf_tree_same_xattrs(a->tree, a->inode.nid, b->tree, b->inode.nid);
}

static bool same(const struct thing *a, const struct thing *b)
{
    if (!a->exists || !b->exists)
        return a->exists == b->exists;
    return same_content(a, b) && a->inode.mode == b->inode.mode && same_owner(a, b) &&
           same_xattrs(a, b);
}

struct deciding {
    struct rebasing *rebasing;
    const char *path;
    struct thing old, ours, theirs;
    const struct cf_changes *their_changes;
};

static int fail(struct deciding *deciding, int r)
{
    return cf_fail_errno(deciding->rebasing->err, -r, "%s", deciding->path);
}

static int decide(struct deciding *deciding, enum deed deed, struct decision **ret_decision)
{
    struct rebasing *rebasing = deciding->rebasing;
    struct decision *list = reallocarray(rebasing->decisions, rebasing->count + 1, sizeof(*list));

    if (list)
        rebasing->decisions = list;
    char *path = strdup(deciding->path);
    if (!list || !path) {
        free(path);
        return cf_rebase_no_memory(rebasing);
    }
    list[rebasing->count] = (struct decision){.deed = deed, .path = path, .text = CF_BUF_INIT};
    if (ret_decision)
        *ret_decision = &list[rebasing->count];
    rebasing->count++;
    return 0;
}

/* Ours as it is, or nothing where we have nothing. */
static int take_ours(struct deciding *deciding)
{
    return decide(deciding, deciding->ours.exists ? DEED_TAKE : DEED_REMOVE, NULL);
}

/* ---- conflicts ---- */

static int describe(const struct thing *thing, struct cf_buf *ret_text)
{
    const char *target = NULL;
    size_t len = 0;
    mode_t mode = thing->inode.mode;

    if (!thing->exists)
        return cf_buf_add_str(ret_text, "(absent)");
    if (S_ISDIR(mode))
        return cf_buf_printf(ret_text, "(directory, %04o)", (unsigned)mode & 07777);
    if (S_ISLNK(mode)) {
        int r = cf_tree_readlink(thing->tree, thing->inode.nid, &target, &len);
        return r < 0 ? r : cf_buf_printf(ret_text, "(link to %.*s)", (int)len, target);
    }
    return cf_buf_printf(ret_text,
                         S_ISREG(mode) ? "(file, %llu bytes, %04o)" : "(special, %llu, %04o)",
                         (unsigned long long)thing->inode.size, (unsigned)mode & 07777);
}

/* Both have changed it as a whole. */
static int whole_conflict(struct deciding *deciding)
{
    struct cf_buf old cf_autobuf = CF_BUF_INIT, ours cf_autobuf = CF_BUF_INIT;
    struct cf_buf theirs cf_autobuf = CF_BUF_INIT;
    struct rebasing *rebasing = deciding->rebasing;

    if (describe(&deciding->old, &old) < 0 || describe(&deciding->ours, &ours) < 0 ||
        describe(&deciding->theirs, &theirs) < 0)
        return cf_rebase_no_memory(rebasing);
    int r = cf_rebase_conflict(rebasing, deciding->path, NULL, 0, old.data, ours.data, theirs.data);
    return r == 0 && rebasing->options->prefer == CF_REBASE_OURS ? take_ours(deciding) : r;
}

/* ---- contents ---- */

static int read_thing(struct rebasing *rebasing, const struct thing *thing, struct cf_buf *ret_text)
{
    struct cf_content content;

    if (!thing->exists)
        return 0;
    int r = cf_tree_content(thing->tree, thing->inode.nid, &content);
    return r < 0 ? cf_fail_errno(rebasing->err, -r, "cannot read a file")
                 : cf_content_read(rebasing->store, &content, CF_EDIT_MAX, ret_text, rebasing->err);
}

static int tell_lines(const struct cf_text_conflict *conflict, void *context)
{
    struct deciding *deciding = context;
    const struct cf_text *texts[] = {&conflict->base, &conflict->ours, &conflict->theirs};
    char *copies[3] = {NULL, NULL, NULL};
    int r = 0;

    for (size_t i = 0; i < CF_COUNT(texts) && r == 0; i++) {
        copies[i] = strndup(texts[i]->text, texts[i]->len);
        r = copies[i] ? 0 : cf_rebase_no_memory(deciding->rebasing);
    }
    if (r == 0)
        r = cf_rebase_conflict(deciding->rebasing, deciding->path, NULL, conflict->line, copies[0],
                               copies[1], copies[2]);
    for (size_t i = 0; i < CF_COUNT(copies); i++)
        free(copies[i]);
    return r;
}

/* Three texts: 1 where ret_text is what they come to, 0 where these are no texts. */
static int merge_texts(struct deciding *deciding, struct cf_buf *ret_text)
{
    struct rebasing *rebasing = deciding->rebasing;
    const struct thing *things[] = {&deciding->old, &deciding->ours, &deciding->theirs};
    struct cf_buf data[3] = {CF_BUF_INIT, CF_BUF_INIT, CF_BUF_INIT};
    struct cf_text texts[3];
    bool plain = true;
    int r = 0;

    for (size_t i = 0; i < CF_COUNT(things) && r == 0; i++) {
        plain = plain && (!things[i]->exists || things[i]->inode.size <= CF_EDIT_MAX);
        if (plain)
            r = read_thing(rebasing, things[i], &data[i]);
        texts[i] = (struct cf_text){data[i].data ? data[i].data : "", data[i].len};
        plain = plain && !cf_text_is_binary(texts[i].text, texts[i].len);
    }
    bool done = false;
    if (r == 0 && plain && cf_edit_is_name(deciding->path)) {
        r = cf_rebase_settings(rebasing, deciding->path, &texts[0], &texts[1], &texts[2], ret_text);
        done = r == 1;
    }
    if (r == 0 && plain) {
        r = cf_text_merge(&texts[0], &texts[1], &texts[2],
                          rebasing->options->prefer == CF_REBASE_THEIRS, tell_lines, deciding,
                          ret_text);
        done = r >= 0;
    }
    for (size_t i = 0; i < CF_COUNT(data); i++)
        cf_buf_done(&data[i]);
    return r < 0 ? r : done;
}

/* ---- attributes ---- */

/* A number that one side has changed; where both have, false. */
static bool pick(unsigned old, unsigned ours, unsigned theirs, bool has_old, unsigned *ret_value)
{
    *ret_value = ours == theirs || (has_old && theirs == old) ? ours : theirs;
    return ours == theirs || (has_old && (ours == old || theirs == old));
}

static int merge_attributes(struct deciding *deciding, struct decision *decision)
{
    const struct thing *old = &deciding->old, *ours = &deciding->ours, *theirs = &deciding->theirs;
    bool prefer_ours = deciding->rebasing->options->prefer == CF_REBASE_OURS;
    unsigned mode = 0, uid = 0, gid = 0;
    char texts[3][64];
    bool agreed = pick(old->inode.mode & 07777, ours->inode.mode & 07777,
                       theirs->inode.mode & 07777, old->exists, &mode);

    agreed &= pick(old->inode.uid, ours->inode.uid, theirs->inode.uid, old->exists, &uid);
    agreed &= pick(old->inode.gid, ours->inode.gid, theirs->inode.gid, old->exists, &gid);
    decision->inode = theirs->inode;
    decision->inode.mode = (theirs->inode.mode & S_IFMT) | mode;
    decision->inode.uid = uid;
    decision->inode.gid = gid;
    decision->our_xattrs = old->exists && same_xattrs(old, theirs);
    if (agreed)
        return 0;
    const struct thing *things[] = {old, ours, theirs};
    for (size_t i = 0; i < CF_COUNT(things); i++)
        snprintf(texts[i], sizeof(texts[i]), "(mode %04o, owner %u:%u)",
                 (unsigned)things[i]->inode.mode & 07777, things[i]->inode.uid,
                 things[i]->inode.gid);
    if (prefer_ours) {
        decision->inode = ours->inode;
        decision->inode.mtime_sec = theirs->inode.mtime_sec;
    }
    return cf_rebase_conflict(deciding->rebasing, deciding->path, NULL, 0,
                              old->exists ? texts[0] : NULL, texts[1], texts[2]);
}

/* ---- one path ---- */

static bool changed_below(const struct cf_changes *changes, const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < changes->count; i++)
        if (!strncmp(changes->list[i].path, path, len) && changes->list[i].path[len] == '/' &&
            !changes->list[i].meta_only)
            return true;
    return false;
}

/* Both have the same type of thing, and it is no longer what it was in either. */
static int merge_thing(struct deciding *deciding)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct decision *decision = NULL;
    bool same_now = same_content(&deciding->ours, &deciding->theirs);
    bool ours_kept = same_content(&deciding->old, &deciding->ours);
    bool theirs_kept = same_content(&deciding->old, &deciding->theirs);
    int merged = 0;

    if (!same_now && !ours_kept && !theirs_kept) {
        if (!is_file(&deciding->ours) || (deciding->old.exists && !is_file(&deciding->old)))
            return whole_conflict(deciding);
        merged = merge_texts(deciding, &text);
        if (merged <= 0)
            return merged < 0 ? merged : whole_conflict(deciding);
    }
    int r = decide(deciding, DEED_MERGE, &decision);
    if (r < 0)
        return r;
    decision->has_text = merged == 1;
    decision->our_content = !merged && !same_now && theirs_kept;
    decision->text = text;
    text = (struct cf_buf)CF_BUF_INIT;
    deciding->rebasing->result.merged += merged == 1;
    return merge_attributes(deciding, decision);
}

/* Whether the new base has put something else in the place of a directory that the path lies in. */
static int is_blocked(const struct deciding *deciding, bool *ret_blocked)
{
    const struct rebasing *rebasing = deciding->rebasing;
    struct cf_buf dir cf_autobuf = CF_BUF_INIT;
    struct thing old, theirs;
    int r = 0;

    *ret_blocked = false;
    for (const char *slash = strchr(deciding->path, '/'); slash && r == 0 && !*ret_blocked;
         slash = strchr(slash + 1, '/')) {
        cf_buf_clear(&dir);
        r = cf_buf_add(&dir, deciding->path, (size_t)(slash - deciding->path));
        if (r == 0)
            r = look(rebasing->theirs, dir.data, &theirs);
        if (r == 0)
            r = look(rebasing->old, dir.data, &old);
        *ret_blocked = r == 0 && theirs.exists && !is_dir(&theirs) && !same(&old, &theirs);
    }
    return r;
}

static int decide_path(struct deciding *deciding)
{
    bool blocked = false;
    const struct thing *old = &deciding->old, *ours = &deciding->ours, *theirs = &deciding->theirs;
    bool dir_goes = is_dir(old) && !is_dir(ours);

    if (same(old, ours) || same(ours, theirs))
        return 0; /* theirs it is */
    int r = ours->exists ? is_blocked(deciding, &blocked) : 0;
    if (r < 0)
        return fail(deciding, r);
    if (blocked)
        return whole_conflict(deciding);
    if (dir_goes && is_dir(theirs) && changed_below(deciding->their_changes, deciding->path))
        return whole_conflict(deciding);
    if (same(old, theirs))
        return take_ours(deciding);
    if (!ours->exists || !theirs->exists ||
        (ours->inode.mode & S_IFMT) != (theirs->inode.mode & S_IFMT))
        return whole_conflict(deciding);
    return merge_thing(deciding);
}

int cf_rebase_decide(struct rebasing *rebasing)
{
    struct cf_changes ours cf_cleanup(cf_changes_done) = {0};
    struct cf_changes theirs cf_cleanup(cf_changes_done) = {0};
    struct deciding deciding = {.rebasing = rebasing, .their_changes = &theirs};
    int r = cf_tree_changes(rebasing->old, rebasing->ours, &ours, rebasing->err);

    if (r == 0)
        r = cf_tree_changes(rebasing->old, rebasing->theirs, &theirs, rebasing->err);
    for (size_t i = 0; i < ours.count && r == 0; i++) {
        deciding.path = ours.list[i].path;
        r = look(rebasing->old, deciding.path, &deciding.old);
        if (r == 0)
            r = look(rebasing->ours, deciding.path, &deciding.ours);
        if (r == 0)
            r = look(rebasing->theirs, deciding.path, &deciding.theirs);
        if (r < 0)
            return fail(&deciding, r);
        r = decide_path(&deciding);
    }
    return r;
}
