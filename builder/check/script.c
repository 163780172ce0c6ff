/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts that will not run as they are, and programs for another machine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "internal.h"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && !strcmp(text + len - n, end);
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return !strncmp(path, dir, len) && path[len] == '/';
}

/* ---- programs ---- */

/* The machines of ELF that Go has names for. Source: elf(5), e_machine; Go's GOARCH. */
static const struct machine {
    const char *name, *other; /* as other tools say it */
    unsigned char number;
    bool big_endian;
    const char *runs; /* what runs its programs too */
} machines[] = {
    {"amd64", "x86_64", 62, false, NULL},        {"386", "i386", 3, false, "amd64"},
    {"arm64", "aarch64", 183, false, NULL},      {"arm", "armhf", 40, false, "arm64"},
    {"ppc64le", "powerpc64le", 21, false, NULL}, {"s390x", "s390", 22, true, NULL},
    {"riscv64", "riscv", 243, false, NULL},
};

bool cf_check_program(struct checking *checking, const unsigned char *head, size_t len)
{
    const char *wanted = checking->architecture;
    const struct machine *machine = NULL;

    if (len < 20 || memcmp(head, "\177ELF", 4) != 0)
        return false;
    bool big = head[5] == 2;
    unsigned type = big ? head[17] : head[16], number = big ? head[19] : head[18];
    for (size_t i = 0; i < CF_COUNT(machines) && !machine; i++)
        if (machines[i].number == number && machines[i].big_endian == big)
            machine = &machines[i];
    /* Executables and libraries; objects of other machines are data. */
    if ((type != 2 && type != 3) || !machine || !wanted || !strcmp(machine->name, wanted) ||
        (machine->runs && !strcmp(machine->runs, wanted)))
        return true;
    /* Those that say so in their name are meant to be there. */
    if (strstr(checking->path, machine->name) || strstr(checking->path, machine->other))
        return true;
    cf_check_found(checking, CF_ERROR, CF_CHECK_PROGRAM, 0, "put the one for this platform here",
                   "a program for %s, in a rootfs for %s", machine->name, wanted);
    return true;
}

/* ---- scripts ---- */

struct search {
    struct checking *checking;
    const char *name; /* of the script */
    bool found;
};

/* Whether a script of the same rootfs reads it, with "." or "source". */
static int find_source(const struct cf_rootfs_entry *entry, void *context)
{
    struct search *search = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    if (search->found || !S_ISREG(entry->mode) || entry->size > CHECK_TEXT_MAX ||
        !strcmp(entry->path, search->checking->path) ||
        cf_rootfs_read(search->checking->whole, entry->path, CHECK_TEXT_MAX, &text, NULL) < 0)
        return 0;
    for (const char *at = text.data; at && *at && !search->found;) {
        const char *end = strchrnul(at, '\n'), *word = at + strspn(at, " \t");
        size_t skip = !strncmp(word, ". ", 2) ? 2 : !strncmp(word, "source ", 7) ? 7 : 0;
        if (skip)
            search->found = memmem(word + skip, (size_t)(end - word) - skip, search->name,
                                   strlen(search->name)) != NULL;
        at = *end ? end + 1 : end;
    }
    return 0;
}

static bool is_sourced(struct checking *checking, const char *name)
{
    struct search search = {checking, name, false};

    if (cf_check_whole(checking))
        (void)cf_rootfs_walk(checking->whole, "scripts", find_source, &search, NULL);
    return search.found;
}

static void check_lines(struct checking *checking, const struct cf_buf *text)
{
    size_t line = 1, first = 0, count = 0, all = 0;

    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] != '\n')
            continue;
        all++;
        if (i > 0 && text->data[i - 1] == '\r') {
            first = count++ ? first : line;
        }
        line++;
    }
    if (!count)
        return;
    bool head = first == 1 && !strncmp(text->data, "#!", 2);
    cf_check_found(checking, head || count * 2 > all ? CF_ERROR : CF_WARNING, CF_CHECK_SCRIPT,
                   first, "end lines as Unix does: sed -i 's/\\r$//'",
                   head
                       ? "the line ends in CR LF: no interpreter is called so"
                       : "the line ends in CR LF, which a shell takes for a part of its last word");
}

static void check_text(struct checking *checking, const struct cf_rootfs_entry *entry,
                       const struct cf_buf *text)
{
    bool has_mark = text->len >= 3 && !memcmp(text->data, "\xef\xbb\xbf", 3);

    /* What lies elsewhere may be read by other scripts. */
    bool is_run = is_below(entry->path, "bin") || is_below(entry->path, "scripts") ||
                  (entry->mode & 0111) != 0;

    if (has_mark)
        cf_check_found(checking, CF_ERROR, CF_CHECK_SCRIPT, 1, "take the three bytes EF BB BF away",
                       "a byte order mark stands before #!");
    else if (text->len && is_run && strncmp(text->data, "#!", 2) != 0 &&
             !is_sourced(checking, entry->name))
        cf_check_found(checking, CF_WARNING, CF_CHECK_SCRIPT, 1,
                       "write #!/bin/bash, or what runs it, into the first line",
                       "a script without #!");
    if (text->len)
        check_lines(checking, text);
}

/* Up to len of its first bytes; 0 for what cannot be read. */
static size_t read_head(struct cf_rootfs *rootfs, const char *path, unsigned char *head, size_t len)
{
    struct cf_rootfs_file file;

    if (cf_rootfs_open_file(rootfs, path, &file, NULL) < 0)
        return 0;
    int fd cf_autoclose = file.fd;
    if (fd >= 0) {
        ssize_t n = cf_pread_full(fd, head, len, 0);
        return n < 0 ? 0 : (size_t)n;
    }
    if (file.size < len)
        len = (size_t)file.size;
    memcpy(head, file.data, len);
    return len;
}

void cf_check_script(struct checking *checking, const struct cf_rootfs_entry *entry)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    unsigned char head[64];
    bool named = ends_with(entry->name, ".sh") || ends_with(entry->name, ".bash");
    bool placed = is_below(entry->path, "bin") || is_below(entry->path, "scripts");

    if (!named && !placed && !(entry->mode & 0111) && !strstr(entry->name, ".so"))
        return;
    size_t len = read_head(checking->files, entry->path, head, sizeof(head));
    if (len < 2 || cf_check_program(checking, head, len) || memchr(head, 0, len))
        return;
    bool marked = !memcmp(head, "#!", 2) || (len > 5 && !memcmp(head, "\xef\xbb\xbf#!", 5));
    if ((!named && !marked) || entry->size > CHECK_TEXT_MAX)
        return;
    if (cf_rootfs_read(checking->files, entry->path, CHECK_TEXT_MAX, &text, NULL) == 0)
        check_text(checking, entry, &text);
}
