/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The marks that lower directories carry, in the spellings of the kernel, of fuse-overlayfs and of
 * containers-storage. upper.c has those that we write ourselves.
 *
 *   T.               trusted.overlay., or with user_xattrs user.overlay.
 *   whiteout         character device 0:0; an empty regular file with T.whiteout; an empty
 *                    regular file .wh.NAME
 *   opaque           "y" in trusted.overlay.opaque, user.overlay.opaque, user.fuseoverlayfs.opaque;
 *                    a file .wh..wh..opq in the directory. T.opaque "x": may hold T.whiteout files
 *   T.redirect, T.metacopy   as in the upper
 *   override_stat    of security.fuseoverlayfs., user.containers., user.fuseoverlayfs.: the first
 *                    that the layer's root has holds for the whole layer
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define TRUSTED "trusted.overlay."
#define USER "user.overlay."
#define FUSE_USER "user.fuseoverlayfs."
#define FUSE_SECURITY "security.fuseoverlayfs."
#define CONTAINERS "user.containers.override_"
#define HIDDEN ".wh."
#define HIDDEN_OPAQUE ".wh..wh..opq"
#define REDIRECT_MAX 4095

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

void cf_lmarks_done(struct cf_lmarks *marks)
{
    free(marks->redirect);
    marks->redirect = NULL;
}

/* ---- .wh. files ---- */

const char *cf_lmarks_hidden_name(const char *name)
{
    return starts(name, HIDDEN) && name[strlen(HIDDEN)] ? name + strlen(HIDDEN) : NULL;
}

bool cf_lmarks_is_hidden_file(int dirfd, const char *name)
{
    struct stat st;
    return cf_at_stat(dirfd, name, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

static bool has_hidden_opaque(int fd, const char *name)
{
    char path[CF_NAME_MAX + sizeof("/" HIDDEN_OPAQUE)];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s%s" HIDDEN_OPAQUE, name, *name ? "/" : "");
    return cf_at_stat(fd, path, &st) == 0 && S_ISREG(st.st_mode);
}

/* ---- override_stat ---- */

const char *cf_lmarks_find_override(int fd)
{
    static const char *const names[] = {FUSE_SECURITY "override_stat", CF_OVERRIDE_XATTR,
                                        FUSE_USER "override_stat"};
    for (size_t i = 0; i < CF_COUNT(names); i++)
        if (cf_at_getxattr(fd, "", names[i], NULL, 0) >= 0)
            return names[i];
    return NULL;
}

void cf_lmarks_override(const struct cf_layer *layer, int fd, const char *name, struct stat *st)
{
    char text[128];
    if (!layer->override || (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)))
        return;
    ssize_t n = cf_at_getxattr(fd, name, layer->override, text, sizeof(text) - 1);
    if (n < 0)
        return;
    text[n] = 0;
    (void)cf_upper_parse_override(text, st);
}

/* ---- redirects ---- */

/* A name, or an absolute path of names; none of them "." or "..". */
static bool is_sane_redirect(const char *text)
{
    bool absolute = text[0] == '/';
    for (const char *at = absolute ? text + 1 : text;;) {
        size_t len = strcspn(at, "/");
        bool dots = (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.');
        if (len == 0 || len > CF_NAME_MAX || dots)
            return false;
        if (!at[len])
            return true;
        if (!absolute)
            return false;
        at += len + 1;
    }
}

static int read_redirect(int fd, const char *name, const char *xattr, struct cf_lmarks *marks)
{
    char text[REDIRECT_MAX + 1];
    ssize_t n = cf_at_getxattr(fd, name, xattr, text, REDIRECT_MAX);
    if (n < 0)
        return n == -ENODATA ? 0 : (int)n;
    text[n] = 0;
    if (strlen(text) != (size_t)n || !is_sane_redirect(text))
        return -EINVAL;
    marks->redirect = strdup(text);
    return marks->redirect ? 0 : -ENOMEM;
}

/* ---- one object ---- */

static char opaque_value(int fd, const char *name, const char *xattr)
{
    char value[2];
    return cf_at_getxattr(fd, name, xattr, value, sizeof(value)) == 1 ? value[0] : 0;
}

static int read_mark(const struct cf_stack *s, int fd, const char *name, const char *xattr,
                     const struct stat *st, struct cf_lmarks *marks)
{
    const char *prefix = s->user ? USER : TRUSTED;
    const char *word = xattr + strlen(prefix);
    bool ours = starts(xattr, prefix);
    if (S_ISDIR(st->st_mode) &&
        (strcmp(xattr, TRUSTED "opaque") == 0 || strcmp(xattr, USER "opaque") == 0 ||
         strcmp(xattr, FUSE_USER "opaque") == 0)) {
        char value = opaque_value(fd, name, xattr);
        marks->opaque = marks->opaque || value == 'y';
        marks->xwhiteouts = marks->xwhiteouts || (ours && value == 'x');
    } else if (ours && strcmp(word, "redirect") == 0) {
        return read_redirect(fd, name, xattr, marks);
    } else if (ours && S_ISREG(st->st_mode) && strcmp(word, "metacopy") == 0) {
        marks->metacopy = true;
    } else if (ours && S_ISREG(st->st_mode) && st->st_size == 0 && strcmp(word, "whiteout") == 0) {
        marks->whiteout = true;
    }
    return 0;
}

int cf_lmarks_read(const struct cf_stack *s, uint32_t layer, int fd, const char *name,
                   struct stat *st, struct cf_lmarks *ret_marks)
{
    struct cf_lmarks marks cf_cleanup(cf_lmarks_done) = {.whiteout = cf_upper_is_whiteout(st)};
    bool is_dir = S_ISDIR(st->st_mode);
    if (is_dir || S_ISREG(st->st_mode)) {
        struct cf_buf names cf_autobuf = CF_BUF_INIT;
        int r = cf_at_xattr_names(fd, name, &names);
        for (const char *n = names.data; !r && n && n < names.data + names.len; n += strlen(n) + 1)
            r = read_mark(s, fd, name, n, st, &marks);
        if (r)
            return r;
        cf_lmarks_override(&s->layers[layer], fd, name, st);
    }
    if (is_dir && !marks.opaque)
        marks.opaque = has_hidden_opaque(fd, name);
    marks.mode = st->st_mode;
    *ret_marks = marks;
    marks.redirect = NULL;
    return 0;
}

/* ---- names of xattrs ---- */

const char *cf_lmarks_xattr_shown(const struct cf_stack *s, const struct cf_layer *layer,
                                  const char *stored, char buffer[256])
{
    const char *shown = stored;
    if (starts(stored, FUSE_USER) || starts(stored, FUSE_SECURITY) ||
        strcmp(stored, CF_OVERRIDE_XATTR) == 0)
        return NULL;
    if (layer->override && starts(stored, CONTAINERS))
        return stored + strlen(CONTAINERS);
    if (s->user && starts(stored, USER))
        return cf_upper_xattr_shown(stored, true, buffer, &shown) ? shown : NULL;
    if (starts(stored, TRUSTED))
        return cf_xattr_shown(stored, buffer, &shown) ? shown : NULL;
    return stored;
}

int cf_lmarks_xattr_stored(const struct cf_stack *s, const struct cf_layer *layer,
                           const char *shown, unsigned n, char buffer[256])
{
    int len = -1;
    if (n == 0 && s->user && starts(shown, USER))
        return cf_upper_xattr_stored(shown, true, buffer);
    if (n == 0 && starts(shown, TRUSTED))
        return cf_xattr_stored(shown, buffer);
    if (n == 0)
        len = snprintf(buffer, 256, "%s", shown);
    else if (n == 1 && layer->override)
        len = snprintf(buffer, 256, "%s%s", CONTAINERS, shown);
    return len < 0 ? -ENOENT : len < 256 ? 0 : -ERANGE;
}
