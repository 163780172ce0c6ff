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
    else
        return false;
    return true;
}

static int take_value(const char *word, struct cf_settings *settings)
{
    const struct {
        const char *name;
        char **value;
    } values[] = {{"fsname=", &settings->fsname},
                  {"upperdir=", &settings->upper},
                  {"workdir=", &settings->work}};

    for (size_t i = 0; i < CF_COUNT(values); i++) {
        size_t len = strlen(values[i].name);
        if (strncmp(word, values[i].name, len))
            continue;
        free(*values[i].value);
        *values[i].value = strdup(word + len);
        return *values[i].value ? 0 : -ENOMEM;
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
        const char *before = settings->context;
        int r = cf_buf_printf(&text, "%s%s%s", before ? before : "", before ? "," : "", word);
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
    if (!strncmp(word, "lowerdir=", 9))
        return cf_fail(err, -ENOTSUP, "option lowerdir= is not supported: name an image");
    if (!strcmp(word, "remount"))
        return cf_fail(err, -ENOTSUP,
                       "a cloudfs mount cannot be remounted: umount it, and mount --resume");
    int r = take_value(word, settings);
    if (r == 0)
        r = take_context(word, settings);
    return r < 0 ? cf_fail_errno(err, -r, "mount options") : 0;
}

/* Copies the word at text without its escapes; returns what follows it. */
static const char *next_word(const char *text, char *ret_word)
{
    for (; *text && *text != ','; text++) {
        if (*text == '\\' && (text[1] == ',' || text[1] == '\\'))
            text++;
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
    free(settings->context);
    *settings = (struct cf_settings){0};
}
