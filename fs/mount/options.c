/* SPDX-License-Identifier: Apache-2.0 */
/* Options in the style of mount(8). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <cloudfs/log.h>

#include "internal.h"

static const struct {
    const char *name;
    unsigned long set, clear;
} flag_options[] = {
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, 0},
    {"strictatime", MS_STRICTATIME, 0},
};

static bool take_flag(const char *word, struct cf_settings *settings)
{
    for (size_t i = 0; i < CF_COUNT(flag_options); i++)
        if (!strcmp(word, flag_options[i].name)) {
            settings->flags |= flag_options[i].set;
            settings->flags &= ~flag_options[i].clear;
            return true;
        }
    return false;
}

static bool take_switch(const char *word, struct cf_settings *settings)
{
    if (!strcmp(word, "allow_other"))
        settings->allow_other = true;
    else if (!strcmp(word, "default_permissions"))
        settings->default_permissions = true;
    else if (!strcmp(word, "nonempty"))
        settings->nonempty = true;
    else if (!strcmp(word, "userxattr"))
        settings->user_xattrs = true;
    else if (!strcmp(word, "xattr_permissions=1") || !strcmp(word, "xattr_permissions=2"))
        settings->user_xattrs = settings->override_owners = true;
    else if (!strcmp(word, "volatile") || !strcmp(word, "fsync=0"))
        settings->no_sync = true;
    else
        return false;
    return true;
}

/* Backslashes before what separates; of lowerdir= only the colons matter, see cf_lower_paths. */
static bool is_escape(const char *text)
{
    return *text == '\\' && text[1] && strchr("\\,:", text[1]);
}

static void unescape(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (is_escape(text))
            text++;
        *out++ = *text;
    }
    *out = '\0';
}

static int take_value(const char *word, struct cf_settings *settings)
{
    const struct {
        const char *name;
        char **value;
    } values[] = {{"fsname=", &settings->fsname},
                  {"upperdir=", &settings->upper},
                  {"workdir=", &settings->work},
                  {"lowerdir=", &settings->lower}};

    for (size_t i = 0; i < CF_COUNT(values); i++) {
        size_t len = strlen(values[i].name);
        if (strncmp(word, values[i].name, len))
            continue;
        free(*values[i].value);
        *values[i].value = strdup(word + len);
        if (!*values[i].value)
            return -ENOMEM;
        if (values[i].value != &settings->lower)
            unescape(*values[i].value);
        return 0;
    }
    return 0;
}

/* SELinux's options are the kernel's own business. */
static int take_context(const char *word, struct cf_settings *settings)
{
    static const char *const names[] = {"context=", "fscontext=", "defcontext=", "rootcontext="};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    for (size_t i = 0; i < CF_COUNT(names); i++) {
        if (strncmp(word, names[i], strlen(names[i])))
            continue;
        const char *before = settings->context, *value = strchr(word, '=') + 1;
        const char *mark = strchr(value, ',') ? "\"" : "";
        int r = cf_buf_printf(&text, "%s%s%.*s%s%s%s", before ? before : "", before ? "," : "",
                              (int)(value - word), word, mark, value, mark);
        if (r < 0)
            return r;
        free(settings->context);
        settings->context = cf_buf_take(&text);
        return settings->context ? 0 : -ENOMEM;
    }
    return 0;
}

static int take_word(const char *word, struct cf_settings *settings, struct cf_error *err)
{
    if (take_flag(word, settings) || take_switch(word, settings))
        return 0;
    if (!strcmp(word, "remount"))
        return cf_fail(err, -ENOTSUP, "a remount is the kernel's business: use mount(8)");
    int r = take_value(word, settings);
    if (r == 0)
        r = take_context(word, settings);
    return r < 0 ? cf_fail_errno(err, -r, "mount options") : 0;
}

/* Copies the word at text with its escapes; returns what follows it. Quotation marks, which enclose
 * commas, go. */
static const char *next_word(const char *text, char *ret_word)
{
    const char *start = text;
    bool quoted = false;
    for (; *text && (quoted || *text != ','); text++) {
        if (*text == '"' && (quoted || (text != start && text[-1] == '='))) {
            quoted = !quoted;
            continue;
        }
        if (*text == '\\' && text[1])
            *ret_word++ = *text++;
        *ret_word++ = *text;
    }
    *ret_word = '\0';
    return *text ? text + 1 : text;
}

static void defaults(bool root, struct cf_settings *settings)
{
    if (root)
        settings->allow_other = settings->default_permissions = true;
    else
        settings->flags |= MS_NOSUID | MS_NODEV; /* fusermount3 insists on both */
}

int cf_settings_parse(const char *text, bool root, struct cf_settings *ret_settings,
                      struct cf_error *err)
{
    struct cf_settings settings = {0};
    int r = 0;

    text = text ? text : "";
    char *word cf_autofree = malloc(strlen(text) + 1);
    if (!word)
        return cf_fail_errno(err, ENOMEM, "mount options");
    defaults(root, &settings);
    while (r == 0 && *text) {
        text = next_word(text, word);
        r = take_word(word, &settings, err);
    }
    if (r < 0) {
        cf_settings_done(&settings);
        return r;
    }
    settings.read_only = settings.flags & MS_RDONLY;
    /* Without the kernel's checks, others would have all that the owner of the mount has. */
    if (settings.allow_other)
        settings.default_permissions = true;
    *ret_settings = settings;
    return 0;
}

void cf_settings_done(struct cf_settings *settings)
{
    free(settings->fsname);
    free(settings->upper);
    free(settings->work);
    free(settings->lower);
    free(settings->context);
    *settings = (struct cf_settings){0};
}

char *cf_mount_option(const char *options, const char *name)
{
    char *found = NULL, *word cf_autofree = malloc(strlen(options) + 1);
    size_t len = strlen(name);

    while (word && *options) {
        options = next_word(options, word);
        if (strncmp(word, name, len) != 0 || (word[len] && word[len] != '='))
            continue;
        free(found);
        found = strdup(word + len + (word[len] == '='));
        if (found)
            unescape(found);
    }
    return found;
}

char *cf_mount_remount_options(const char *options)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_settings none = {0};
    char *word cf_autofree = malloc(strlen(options) + 1);

    if (!word || cf_buf_add_str(&text, "remount") < 0)
        return NULL;
    while (*options) {
        options = next_word(options, word);
        if (take_flag(word, &none) && cf_buf_printf(&text, ",%s", word) < 0)
            return NULL;
    }
    return cf_buf_take(&text);
}

/* ---- lowerdir= ---- */

int cf_lower_paths(const char *text, char ***ret_paths, size_t *ret_lowers, size_t *ret_data)
{
    size_t most = 2, counts[2] = {0, 0};
    bool data = false;

    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':'))
        most++;
    char **paths cf_autofree = malloc(most * sizeof(*paths) + strlen(text) + most);
    if (!paths)
        return -ENOMEM;
    char *out = (char *)(paths + most);
    for (size_t n = 0;; n++) {
        const char *start = paths[n] = out;
        for (; *text && *text != ':'; text++) {
            if (is_escape(text))
                text++;
            *out++ = *text;
        }
        if (out == start)
            return -EINVAL;
        *out++ = '\0';
        paths[n + 1] = NULL;
        counts[data]++;
        if (!*text)
            break;
        bool twice = text[1] == ':';
        if (data && !twice)
            return -EINVAL; /* lower directories come first */
        data = data || twice;
        text += twice ? 2 : 1;
    }
    *ret_lowers = counts[0];
    *ret_data = counts[1];
    *ret_paths = CF_TAKE(paths);
    return 0;
}
