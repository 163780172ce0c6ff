/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of overrides, from the words of a command line. */
#include "list.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static void done(struct cf_override *override)
{
    free(override->file);
    free(override->path);
    free(override->data);
    free(override->where);
}

void cf_overrides_done(struct cf_overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++)
        done(&overrides->list[i]);
    for (size_t i = 0; i < overrides->text_count; i++)
        cf_edit_close(overrides->texts[i]);
    free(overrides->list);
    free(overrides->texts);
    cf_override_env_done(&overrides->env);
    *overrides = (struct cf_overrides){0};
}

int cf_overrides_keep(struct cf_overrides *overrides, struct cf_edit *text, struct cf_error *err)
{
    struct cf_edit **texts =
        reallocarray(overrides->texts, overrides->text_count + 1, sizeof(*texts));

    if (!texts) {
        cf_edit_close(text);
        return no_memory(err);
    }
    overrides->texts = texts;
    texts[overrides->text_count++] = text;
    return 0;
}

/* A path of the rootfs: no "..", no slash at its ends. */
static int take_file(const char *text, size_t len, char **ret_file, struct cf_error *err)
{
    struct cf_buf file cf_autobuf = CF_BUF_INIT;
    const char *end = text + len;
    int r = 0;

    for (const char *at = text; at < end && r == 0;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t part = slash ? (size_t)(slash - at) : (size_t)(end - at);
        if (part == 2 && !memcmp(at, "..", 2))
            return cf_fail(err, -EINVAL, "'%.*s' leads out of the rootfs", (int)len, text);
        if (part && !(part == 1 && *at == '.')) {
            if (file.len)
                r = cf_buf_add_char(&file, '/');
            if (r == 0)
                r = cf_buf_add(&file, at, part);
        }
        at += part + (slash != NULL);
    }
    if (r < 0)
        return no_memory(err);
    if (!file.len)
        return cf_fail(err, -EINVAL, "the name of a file is missing");
    *ret_file = cf_buf_take(&file);
    return *ret_file ? 0 : no_memory(err);
}

int cf_overrides_new(struct cf_overrides *overrides, enum cf_override_kind kind, const char *file,
                     size_t file_len, const char *where, struct cf_override **ret_override,
                     struct cf_error *err)
{
    struct cf_override *list = reallocarray(overrides->list, overrides->count + 1, sizeof(*list));
    struct cf_override override = {.kind = kind};

    if (!list)
        return no_memory(err);
    overrides->list = list;
    int r = take_file(file, file_len, &override.file, err);
    if (r < 0)
        return r;
    if (where && !(override.where = strdup(where))) {
        done(&override);
        return no_memory(err);
    }
    list[overrides->count++] = override;
    *ret_override = &list[overrides->count - 1];
    return 0;
}

static int read_source(const char *source, struct cf_override *override, struct cf_error *err)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct stat st;
    int fd cf_autoclose = open(source, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "%s", CF_QUOTE(source));
    int r = cf_read_fd(fd, CF_OVERRIDE_FILE_MAX, &data);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(source));
    override->len = data.len;
    override->has_mode = true;
    override->mode = st.st_mode & 0777;
    override->data = data.len ? cf_buf_take(&data) : strdup("");
    return override->data ? 0 : no_memory(err);
}

static int copy_dir(struct cf_overrides *overrides, const char *file, const char *source,
                    const char *where, unsigned depth, struct cf_error *err);

int cf_overrides_copy(struct cf_overrides *overrides, enum cf_override_kind kind, const char *file,
                      const char *source, const char *where, unsigned depth, struct cf_error *err)
{
    struct cf_override *override = NULL;
    struct stat st;

    if ((depth ? lstat : stat)(source, &st) < 0)
        return cf_fail_errno(err, errno, "%s", CF_QUOTE(source));
    if (S_ISDIR(st.st_mode) && kind == CF_OVERRIDE_COPY)
        return copy_dir(overrides, file, source, where, depth, err);
    if (!S_ISREG(st.st_mode))
        return cf_fail(err, -EINVAL, "%s is no regular file", CF_QUOTE(source));
    int r = cf_overrides_new(overrides, kind, file, strlen(file), where, &override, err);
    return r < 0 ? r : read_source(source, override, err);
}

static int skip_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int copy_dir(struct cf_overrides *overrides, const char *file, const char *source,
                    const char *where, unsigned depth, struct cf_error *err)
{
    struct dirent **names = NULL;
    int count = depth > 100 ? -1 : scandir(source, &names, skip_dots, alphasort), r = 0;

    if (count < 0)
        return cf_fail_errno(err, depth > 100 ? ELOOP : errno, "%s", CF_QUOTE(source));
    for (int i = 0; i < count; i++) {
        struct cf_buf to cf_autobuf = CF_BUF_INIT, from cf_autobuf = CF_BUF_INIT;
        if (r == 0 && (cf_buf_printf(&to, "%s/%s", file, names[i]->d_name) < 0 ||
                       cf_buf_printf(&from, "%s/%s", source, names[i]->d_name) < 0))
            r = no_memory(err);
        if (r == 0)
            r = cf_overrides_copy(overrides, CF_OVERRIDE_COPY, to.data, from.data, where, depth + 1,
                                  err);
        free(names[i]);
    }
    free(names);
    return r;
}

int cf_overrides_patch(struct cf_overrides *overrides, const char *file, const char *name,
                       const void *data, size_t len, const char *where, struct cf_error *err)
{
    struct cf_override *override = NULL;
    struct cf_edit *patch = NULL;
    int r = cf_edit_open_value(name, data, len, &patch, err);

    if (r == 0)
        r = cf_overrides_keep(overrides, patch, err);
    if (r == 0)
        r = cf_overrides_new(overrides, CF_OVERRIDE_MERGE, file, strlen(file), where, &override,
                             err);
    if (r == 0)
        override->patch = patch;
    return r;
}

int cf_overrides_patch_file(struct cf_overrides *overrides, const char *file, const char *source,
                            const char *where, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_read_file(AT_FDCWD, source, CF_EDIT_MAX, &text);

    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(source));
    return cf_overrides_patch(overrides, file, source, text.data, text.len, where, err);
}

/* FILE:PATH=VALUE, FILE:PATH */
static int add_setting(struct cf_overrides *overrides, enum cf_override_kind kind, const char *text,
                       struct cf_error *err)
{
    const char *colon = strchr(text, ':');
    const char *equal = colon && kind != CF_OVERRIDE_DELETE ? cf_edit_split(colon + 1) : NULL;
    struct cf_override *override = NULL;
    struct cf_edit *value = NULL;

    if (!colon || colon == text || !colon[1] || (kind != CF_OVERRIDE_DELETE && !equal))
        return cf_fail(err, -EINVAL, "%s is not FILE:PATH%s", CF_QUOTE(text),
                       kind == CF_OVERRIDE_DELETE ? "" : "=VALUE");
    int r = cf_overrides_new(overrides, kind, text, (size_t)(colon - text), NULL, &override, err);
    if (r < 0)
        return r;
    override->path = equal ? strndup(colon + 1, (size_t)(equal - colon) - 1) : strdup(colon + 1);
    if (!override->path)
        return no_memory(err);
    if (!equal)
        return 0;
    r = cf_edit_open_argument(equal + 1, kind == CF_OVERRIDE_SET_STRING, &value, err);
    if (r == 0)
        r = cf_overrides_keep(overrides, value, err);
    if (r == 0)
        override->value = cf_edit_document(value, 0);
    return r;
}

int cf_overrides_mode(struct cf_overrides *overrides, const char *file, const char *mode,
                      const char *where, struct cf_error *err)
{
    struct cf_override *override = NULL;

    if (!*mode || strlen(mode) > 5 || strspn(mode, "01234567") != strlen(mode) ||
        strtoul(mode, NULL, 8) > 07777)
        return cf_fail(err, -EINVAL, "%s is no mode: octal digits, 0644", CF_QUOTE(mode));
    int r =
        cf_overrides_new(overrides, CF_OVERRIDE_CHMOD, file, strlen(file), where, &override, err);
    if (r == 0)
        override->mode = (mode_t)strtoul(mode, NULL, 8);
    return r;
}

/* FILE=SOMETHING */
static int add_file(struct cf_overrides *overrides, enum cf_override_kind kind, const char *text,
                    struct cf_error *err)
{
    const char *equal = strchr(text, '=');
    char *file cf_autofree = equal ? strndup(text, (size_t)(equal - text)) : NULL;

    if (!equal || equal == text || !equal[1])
        return cf_fail(err, -EINVAL, "%s is not FILE=%s", CF_QUOTE(text),
                       kind == CF_OVERRIDE_MERGE   ? "PATCHFILE"
                       : kind == CF_OVERRIDE_CHMOD ? "MODE"
                                                   : "SOURCE");
    if (!file)
        return no_memory(err);
    if (kind == CF_OVERRIDE_CHMOD)
        return cf_overrides_mode(overrides, file, equal + 1, NULL, err);
    if (kind == CF_OVERRIDE_MERGE)
        return cf_overrides_patch_file(overrides, file, equal + 1, NULL, err);
    return cf_overrides_copy(overrides, kind, file, equal + 1, NULL, 0, err);
}

int cf_overrides_add(struct cf_overrides *overrides, enum cf_override_kind kind, const char *text,
                     struct cf_error *err)
{
    struct cf_override *override = NULL;

    switch (kind) {
    case CF_OVERRIDE_SET:
    case CF_OVERRIDE_SET_STRING:
    case CF_OVERRIDE_APPEND:
    case CF_OVERRIDE_DELETE:
        return add_setting(overrides, kind, text, err);
    case CF_OVERRIDE_REMOVE:
        return cf_overrides_new(overrides, kind, text, strlen(text), NULL, &override, err);
    default:
        return add_file(overrides, kind, text, err);
    }
}
