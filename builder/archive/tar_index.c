/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the members of a tar are. The tar reader is fed the headers from the file, and for content,
 * which it does not look at, any bytes at all: so a big archive costs a few reads for each member.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/tar.h>

#define WINDOW (32u << 10)
#define MEMBERS_MAX 1000000u
#define LINKS_MAX 8

struct reading {
    int fd;
    const char *what;
    struct tar_index *index;
    size_t room;
    struct cf_tar *tar;
    uint64_t fed;  /* bytes of the file that the reader was given */
    uint64_t base; /* offset of the window in the file */
    uint8_t *window;
    uint64_t left; /* content of the current member that is still to come */
    bool skip;     /* and it may be skipped */
    bool placed;   /* its offset is known */
};

/* Makes path what a lookup will ask for: no "./", no doubled or final slashes. */
static char *clean_name(const char *path, size_t len)
{
    char *name = malloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; name && i < len;) {
        size_t part = 0;
        while (i + part < len && path[i + part] != '/')
            part++;
        if (part > 0 && !(part == 1 && path[i] == '.')) {
            if (n > 0)
                name[n++] = '/';
            memcpy(name + n, path + i, part);
            n += part;
        }
        i += part + 1;
    }
    if (name)
        name[n] = '\0';
    return name;
}

/* What a symlink in the directory of name means, within the archive; NULL: nothing in it. */
static char *join_link(const char *name, const char *target, size_t len)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    const char *slash = strrchr(name, '/');
    size_t at = 0;

    if (len == 0 || target[0] == '/')
        return NULL;
    if (slash && cf_buf_add(&path, name, (size_t)(slash - name)) < 0)
        return NULL;
    while (at < len) {
        size_t part = 0;
        while (at + part < len && target[at + part] != '/')
            part++;
        if (part == 2 && !memcmp(target + at, "..", 2)) {
            const char *last = path.len ? strrchr(path.data, '/') : NULL;
            if (path.len == 0)
                return NULL;
            path.len = last ? (size_t)(last - path.data) : 0;
            path.data[path.len] = '\0';
        } else if (part > 0 && !(part == 1 && target[at] == '.')) {
            if (path.len > 0 && cf_buf_add_char(&path, '/') < 0)
                return NULL;
            if (cf_buf_add(&path, target + at, part) < 0)
                return NULL;
        }
        at += part + 1;
    }
    return cf_buf_take(&path);
}

static int add_member(struct reading *reading, struct cf_error *err)
{
    const struct cf_tar_entry *entry = cf_tar_entry(reading->tar);
    struct tar_index *index = reading->index;

    if (index->count == MEMBERS_MAX)
        return cf_fail(err, -EFBIG, "%s has more than %u members", reading->what, MEMBERS_MAX);
    if (index->count == reading->room) {
        size_t room = reading->room ? reading->room * 2 : 64;
        struct tar_member *grown = realloc(index->members, room * sizeof(*grown));
        if (!grown)
            return cf_fail(err, -ENOMEM, "out of memory");
        index->members = grown;
        reading->room = room;
    }
    struct tar_member *member = &index->members[index->count];
    *member = (struct tar_member){.order = index->count, .size = entry->size};
    member->name = clean_name(entry->path.data, entry->path.len);
    if (!member->name)
        return cf_fail(err, -ENOMEM, "out of memory");
    index->count++;
    /* A sparse member cannot be read at an offset; nobody writes images so. */
    member->is_file = entry->type == '0' && !entry->sparse;
    if (entry->type == '1')
        member->link = clean_name(entry->link.data, entry->link.len);
    else if (entry->type == '2')
        member->link = join_link(member->name, entry->link.data, entry->link.len);
    reading->left = member->is_file ? entry->size : 0;
    reading->skip = member->is_file;
    reading->placed = false;
    return 0;
}

static void take_data(struct reading *reading, const struct cf_tar_span *span)
{
    if (!reading->placed && reading->index->count > 0)
        reading->index->members[reading->index->count - 1].offset =
            reading->base + (uint64_t)(span->data - reading->window);
    reading->placed = true;
    reading->left -= span->len < reading->left ? span->len : reading->left;
}

/* Gives the reader more; returns 0 at the end of the file, 1 else. */
static int feed(struct reading *reading, const uint8_t *blank, uint64_t file_size,
                struct cf_error *err)
{
    if (reading->skip && reading->placed && reading->left > 0) {
        uint64_t len = reading->left < WINDOW ? reading->left : WINDOW;
        if (file_size - reading->fed < len)
            return cf_fail(err, -EINVAL, "%s is cut off: its last member is not whole",
                           reading->what);
        cf_tar_feed(reading->tar, blank, (size_t)len);
        reading->fed += len;
        return 1;
    }
    ssize_t n = cf_pread_full(reading->fd, reading->window, WINDOW, (off_t)reading->fed);
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read %s", reading->what);
    if (n == 0)
        return 0;
    reading->base = reading->fed;
    reading->fed += (uint64_t)n;
    cf_tar_feed(reading->tar, reading->window, (size_t)n);
    return 1;
}

static int read_all(struct reading *reading, uint64_t file_size, struct cf_error *err)
{
    uint8_t *blank cf_autofree = calloc(1, WINDOW);
    struct cf_tar_span span;
    int r = blank ? 1 : cf_fail(err, -ENOMEM, "out of memory");

    while (r > 0) {
        int event = cf_tar_next(reading->tar, &span, err);
        if (event < 0)
            return cf_fail_in(err, event, "%s", reading->what);
        if (event == CF_TAR_MORE)
            r = feed(reading, blank, file_size, err);
        else if (event == CF_TAR_ENTRY)
            r = add_member(reading, err) < 0 ? err ? err->code : -EINVAL : 1;
        else if (event == CF_TAR_DATA)
            take_data(reading, &span);
        else if (event == CF_TAR_DONE)
            reading->skip = false;
    }
    return r;
}

static int compare_members(const void *a, const void *b)
{
    const struct tar_member *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

int cf_tar_index_read(int fd, const char *what, struct tar_index *ret_index, struct cf_error *err)
{
    struct cf_tar *tar cf_cleanup(cf_tar_free_ptr) = NULL;
    uint8_t *window cf_autofree = malloc(WINDOW);
    struct tar_index index = {0};
    struct cf_error own;
    off_t size = lseek(fd, 0, SEEK_END);

    if (size < 0)
        return cf_fail_errno(err, errno, "cannot read %s", what);
    int r = window ? cf_tar_new(&tar) : -ENOMEM;
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    struct reading reading = {
        .fd = fd, .what = what, .index = &index, .tar = tar, .window = window};
    r = read_all(&reading, (uint64_t)size, err ? err : &own);
    if (r == 0) {
        r = cf_tar_end(tar, true, err);
        if (r < 0)
            r = cf_fail_in(err, r, "%s", what);
    }
    if (r < 0) {
        cf_tar_index_done(&index);
        return r;
    }
    if (index.count > 1)
        qsort(index.members, index.count, sizeof(*index.members), compare_members);
    *ret_index = index;
    return 0;
}

void cf_tar_index_done(struct tar_index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        free(index->members[i].name);
        free(index->members[i].link);
    }
    free(index->members);
    *index = (struct tar_index){0};
}

static const struct tar_member *find_exact(const struct tar_index *index, const char *name)
{
    size_t low = 0, high = index->count;

    while (low < high) { /* the last one of that name */
        size_t middle = low + (high - low) / 2;
        if (strcmp(index->members[middle].name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || strcmp(index->members[low - 1].name, name) != 0)
        return NULL;
    return &index->members[low - 1];
}

const struct tar_member *cf_tar_index_find(const struct tar_index *index, const char *name)
{
    for (int i = 0; i < LINKS_MAX && name; i++) {
        const struct tar_member *member = find_exact(index, name);
        if (!member || member->is_file)
            return member;
        name = member->link;
    }
    return NULL;
}
