/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides applied to files in memory. */
#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/log.h>
#include <cloudfs/look.h>

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

void cf_override_found_done(struct found *found)
{
    cf_buf_done(&found->text);
    *found = (struct found){0};
}

void cf_work_done(struct work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        cf_override_found_done(&work->files[i]->was);
        cf_override_found_done(&work->files[i]->now);
        cf_edit_close(work->files[i]->edit);
        free(work->files[i]->path);
        free(work->files[i]);
    }
    free(work->files);
    *work = (struct work){.place = work->place};
}

static int copy_found(const struct found *from, struct found *to)
{
    to->exists = from->exists;
    to->is_dir = from->is_dir;
    to->inode = from->inode;
    return cf_buf_add(&to->text, from->text.data ? from->text.data : "", from->text.len);
}

/* A path that was removed, or lies in a directory that was. */
static bool is_gone(const struct work *work, const char *path)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct file *file = work->files[i];
        size_t len = strlen(file->path);
        if (!file->now.exists && file->was.exists && !strncmp(path, file->path, len) &&
            path[len] == '/')
            return true;
    }
    return false;
}

static int find_file(struct work *work, const char *path, struct file **ret_file,
                     struct cf_error *err)
{
    for (size_t i = 0; i < work->count; i++)
        if (!strcmp(work->files[i]->path, path)) {
            *ret_file = work->files[i];
            return 0;
        }
    if (is_gone(work, path))
        return cf_fail(err, -EINVAL, "%s lies in a directory that is removed before",
                       CF_QUOTE(path));
    struct file **list = reallocarray(work->files, work->count + 1, sizeof(struct file *));
    struct file *file = calloc(1, sizeof(*file));
    if (list)
        work->files = list;
    if (!list || !file || !(file->path = strdup(path))) {
        free(file);
        return no_memory(err);
    }
    list[work->count++] = file;
    int r = work->place->look(work->place->context, path, &file->was, err);
    if (r == 0 && copy_found(&file->was, &file->now) < 0)
        r = no_memory(err);
    *ret_file = file;
    return r;
}

/* The file that a path means: a link is followed, unless it is the link that goes. */
static int get_file(struct work *work, const struct cf_override *override, struct file **ret_file,
                    struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    int r = cf_work_resolve(work, override->file, override->kind != CF_OVERRIDE_REMOVE, &path, err);

    return r < 0 ? r : find_file(work, path.data, ret_file, err);
}

/* The file's settings: its text, read. */
static int open_edit(struct file *file, bool create, struct cf_error *err)
{
    if (file->now.is_dir)
        return cf_fail(err, -EISDIR, "%s is a directory", file->path);
    if (!file->now.exists && !create)
        return cf_fail(err, -ENOENT, "there is no file %s", file->path);
    if (file->edit)
        return 0;
    return cf_edit_open(file->path, file->now.text.data, file->now.text.len, &file->edit, err);
}

/* The text as the settings are now. */
static int close_edit(struct file *file, struct cf_error *err)
{
    size_t len;
    int r = 0;

    if (!file->edit)
        return 0;
    const char *text = cf_edit_text(file->edit, &len);
    cf_buf_clear(&file->now.text);
    r = cf_buf_add(&file->now.text, text, len);
    cf_edit_close(CF_TAKE(file->edit));
    return r < 0 ? no_memory(err) : 0;
}

static int change_setting(struct file *file, const struct cf_override *override,
                          struct cf_error *err)
{
    int r = open_edit(file, override->kind == CF_OVERRIDE_MERGE, err);

    if (r < 0)
        return r;
    switch (override->kind) {
    case CF_OVERRIDE_APPEND:
        r = cf_edit_append(file->edit, override->path, override->value, err);
        break;
    case CF_OVERRIDE_DELETE:
        r = cf_edit_delete(file->edit, override->path, err);
        break;
    case CF_OVERRIDE_MERGE:
        r = cf_edit_merge(file->edit, override->patch, err);
        break;
    default:
        r = cf_edit_set(file->edit, override->path, override->value, err);
    }
    if (r > 0 && !file->now.exists) {
        file->now.exists = true;
        file->now.inode = (struct cf_inode){.mode = S_IFREG | 0644};
    }
    return r < 0 ? r : 0;
}

static int put_file(struct file *file, const struct cf_override *override, struct cf_error *err)
{
    if (file->now.is_dir)
        return cf_fail(err, -EISDIR, "%s is a directory: name the file in it", file->path);
    if (override->kind == CF_OVERRIDE_REPLACE && !file->now.exists)
        return cf_fail(err, -ENOENT, "there is no file %s to replace (copy makes new ones)",
                       file->path);
    int r = close_edit(file, err);
    if (r < 0)
        return r;
    cf_buf_clear(&file->now.text);
    if (cf_buf_add(&file->now.text, override->data, override->len) < 0)
        return no_memory(err);
    if (!file->now.exists) {
        file->now.exists = true;
        file->now.inode =
            (struct cf_inode){.mode = S_IFREG | (override->has_mode ? override->mode : 0644)};
    }
    return 0;
}

/* What was changed below a directory that goes is of no more use. */
static int remove_file(struct work *work, struct file *file, struct cf_error *err)
{
    size_t len = strlen(file->path);
    int r = close_edit(file, err);

    file->now.exists = false;
    for (size_t i = 0; i < work->count && r == 0; i++) {
        struct file *other = work->files[i];
        if (strncmp(other->path, file->path, len) != 0 || other->path[len] != '/')
            continue;
        r = close_edit(other, err);
        cf_override_found_done(&other->now);
        cf_override_found_done(&other->was); /* goes with the directory */
    }
    return r;
}

static int apply_one(struct work *work, const struct cf_override *override, struct cf_error *err)
{
    struct file *file = NULL;
    int r = get_file(work, override, &file, err);

    if (r < 0)
        return r;
    switch (override->kind) {
    case CF_OVERRIDE_REPLACE:
    case CF_OVERRIDE_COPY:
        return put_file(file, override, err);
    case CF_OVERRIDE_REMOVE:
        return file->now.exists ? remove_file(work, file, err) : 0;
    case CF_OVERRIDE_CHMOD:
        if (!file->now.exists)
            return cf_fail(err, -ENOENT, "there is no %s", file->path);
        file->now.inode.mode = (file->now.inode.mode & S_IFMT) | override->mode;
        return 0;
    default:
        return change_setting(file, override, err);
    }
}

int cf_work_apply(struct work *work, const struct cf_overrides *overrides, struct cf_error *err)
{
    for (size_t i = 0; i < overrides->count; i++) {
        const struct cf_override *override = &overrides->list[i];
        int r = apply_one(work, override, err);
        if (r < 0)
            return override->where ? cf_fail_in(err, r, "%s", override->where) : r;
    }
    for (size_t i = 0; i < work->count; i++) {
        int r = close_edit(work->files[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- what has changed ---- */

static bool same_text(const struct found *a, const struct found *b)
{
    return a->text.len == b->text.len &&
           (!a->text.len || !memcmp(a->text.data, b->text.data, a->text.len));
}

bool cf_file_changed(const struct file *file)
{
    const struct found *was = &file->was, *now = &file->now;

    return was->exists != now->exists ||
           (now->exists && (was->inode.mode != now->inode.mode || !same_text(was, now)));
}

static int by_path(const void *a, const void *b)
{
    const struct file *const *x = a, *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

static int put_change(const struct file *file, struct cf_override_result *result)
{
    const struct found *was = &file->was, *now = &file->now;
    struct cf_change change = {.kind = !was->exists   ? 'A'
                                       : !now->exists ? 'D'
                                                      : 'C',
                               .is_dir = was->is_dir,
                               .size = now->exists ? now->text.len : 0,
                               .meta_only = was->exists && now->exists && same_text(was, now)};
    int r = cf_changes_add(&result->changes, &change, file->path, strlen(file->path));

    if (r == 0 && was->exists && now->exists && was->inode.mode != now->inode.mode)
        r = cf_buf_printf(&result->patch, "Mode of %s changed: %04o -> %04o\n", file->path,
                          (unsigned)was->inode.mode & 07777, (unsigned)now->inode.mode & 07777);
    if (r < 0)
        return r;
    if (was->is_dir || (!now->exists && S_ISLNK(was->inode.mode)))
        return now->exists ? 0 : cf_buf_printf(&result->patch, "Deleted %s\n", file->path);
    if (!same_text(was, now) || was->exists != now->exists)
        r = cf_text_diff(file->path, was->text.data, was->text.len, now->text.data,
                         now->exists ? now->text.len : 0, was->exists, now->exists, &result->patch);
    return r;
}

int cf_work_finish(struct work *work, struct cf_override_result *result, struct cf_error *err)
{
    if (work->count)
        qsort(work->files, work->count, sizeof(struct file *), by_path);
    for (size_t i = 0; i < work->count; i++)
        if (cf_file_changed(work->files[i]) && put_change(work->files[i], result) < 0)
            return no_memory(err);
    return 0;
}
