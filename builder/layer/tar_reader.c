/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tar.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum state {
    AT_HEADER,     /* collects the block of a header */
    AT_EXTENDED,   /* collects the content of an extended header */
    AT_OLD_SPARSE, /* collects a block of more sparse map of the old GNU form */
    AT_MAP,        /* collects a block of the sparse map in front of the data (PAX 1.0) */
    AT_ENTRY,      /* the entry is known and is to be told */
    AT_DATA,       /* inside its content */
    AT_PADDING,    /* zeros after content */
    AT_TRAILER,    /* behind the final zero blocks */
};

struct cf_tar {
    const uint8_t *in; /* what was fed and is not used yet */
    size_t in_len;
    uint64_t place; /* bytes used so far, for messages */
    enum state state;
    struct cf_tar_block block;
    size_t have; /* bytes of it */
    bool lone_zero;

    char extended_type;
    uint64_t extended_left;
    struct cf_buf extended; /* of 'L' and 'K' while it comes */
    struct cf_buf globals;  /* records of all global headers */
    struct cf_buf records;  /* globals, then the local ones, of the entry to come or at hand */
    bool has_records, has_path, has_link;
    struct cf_buf long_path, long_link;

    struct cf_tar_pax pax;
    struct cf_tar_entry entry;
    bool named;        /* messages may name the entry */
    uint64_t stored;   /* bytes in the archive that are its content, map included */
    size_t piece;      /* index of the one that is being read */
    uint64_t in_piece; /* bytes of it that were read */
    uint64_t padding;

    /* The map of PAX 1.0: decimal numbers, a newline behind each; first their count / 2. */
    uint64_t map_number, map_left;
    bool map_counted, map_digits, map_half;
};

int cf_tar_new(struct cf_tar **ret_tar)
{
    struct cf_tar *tar = calloc(1, sizeof *tar);
    if (!tar)
        return -ENOMEM;
    *ret_tar = tar;
    return 0;
}

void cf_tar_free(struct cf_tar *tar)
{
    if (!tar)
        return;
    cf_buf_done(&tar->extended);
    cf_buf_done(&tar->globals);
    cf_buf_done(&tar->records);
    cf_buf_done(&tar->long_path);
    cf_buf_done(&tar->long_link);
    cf_buf_done(&tar->entry.path);
    cf_buf_done(&tar->entry.link);
    cf_tar_pax_done(&tar->pax);
    free(tar);
}

void cf_tar_feed(struct cf_tar *tar, const void *data, size_t len)
{
    tar->in = data;
    tar->in_len = len;
}

const struct cf_tar_entry *cf_tar_entry(const struct cf_tar *tar)
{
    return &tar->entry;
}

/* Puts the entry's name, or else the place, in front of a line. */
static int in_context(const struct cf_tar *tar, struct cf_error *err, int code)
{
    if (tar->named && tar->entry.path.len > 0)
        return cf_fail_in(err, code, "entry '%.400s'", tar->entry.path.data);
    return cf_fail_in(err, code, "header before byte %" PRIu64, tar->place);
}

static int fail(const struct cf_tar *tar, struct cf_error *err, const char *what)
{
    return in_context(tar, err, cf_fail(err, -EINVAL, "%s", what));
}

static int fail_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* ---- from header block and records to the entry ---- */

static int set_text(struct cf_buf *buf, const char *data, size_t len)
{
    cf_buf_clear(buf);
    return cf_buf_add(buf, data, len);
}

static bool is_ustar(const struct cf_tar_block *block)
{
    return memcmp(block->magic, "ustar\0", 6) == 0;
}

static int block_path(struct cf_tar *tar)
{
    const struct cf_tar_block *block = &tar->block;
    struct cf_buf *path = &tar->entry.path;
    cf_buf_clear(path);
    const bool star = memcmp(block->end + 8, "tar", 4) == 0;
    const size_t room = star ? 131 : sizeof block->prefix;
    const size_t prefix = is_ustar(block) ? strnlen(block->prefix, room) : 0;
    int r = 0;
    if (prefix > 0)
        r = cf_buf_add(path, block->prefix, prefix) < 0 ? -ENOMEM : cf_buf_add_char(path, '/');
    if (r == 0)
        r = cf_buf_add(path, block->name, strnlen(block->name, sizeof block->name));
    return r;
}

static int block_names(struct cf_tar *tar, struct cf_error *err)
{
    struct cf_tar_entry *entry = &tar->entry;
    const struct cf_tar_pax *pax = &tar->pax;
    int r = block_path(tar);
    if (r == 0 && tar->has_path)
        r = set_text(&entry->path, tar->long_path.data, tar->long_path.len);
    if (r == 0 && pax->has_path)
        r = set_text(&entry->path, pax->path, pax->path_len);
    if (r == 0 && pax->has_sparse_name)
        r = set_text(&entry->path, pax->sparse_name, pax->sparse_name_len);
    if (r == 0)
        r = set_text(&entry->link, tar->block.link,
                     strnlen(tar->block.link, sizeof tar->block.link));
    if (r == 0 && tar->has_link)
        r = set_text(&entry->link, tar->long_link.data, tar->long_link.len);
    if (r == 0 && pax->has_link)
        r = set_text(&entry->link, pax->link, pax->link_len);
    if (r < 0)
        return fail_memory(err);
    tar->named = true;
    if (entry->path.len == 0)
        return fail(tar, err, "it has no name");
    if ((tar->has_path && pax->has_path) || (tar->has_link && pax->has_link))
        return fail(tar, err, "it has two names, a GNU one and a PAX one");
    return 0;
}

struct numbers {
    int64_t mode, uid, gid, size, mtime, major, minor;
};

static int block_numbers(const struct cf_tar *tar, struct numbers *ret, struct cf_error *err)
{
    const struct cf_tar_block *block = &tar->block;
    const bool device = block->type == '3' || block->type == '4';
    const struct {
        const char *what, *field;
        size_t width;
        int64_t *number, max;
    } fields[] = {
        {"mode", block->mode, sizeof block->mode, &ret->mode, INT64_MAX},
        {"user ID", block->uid, sizeof block->uid, &ret->uid, UINT32_MAX},
        {"group ID", block->gid, sizeof block->gid, &ret->gid, UINT32_MAX},
        {"size", block->size, sizeof block->size, &ret->size, INT64_MAX},
        {"time", block->mtime, sizeof block->mtime, &ret->mtime, INT64_MAX},
        {"device number", block->major, device ? sizeof block->major : 0, &ret->major, UINT32_MAX},
        {"device number", block->minor, device ? sizeof block->minor : 0, &ret->minor, UINT32_MAX},
    };
    for (size_t i = 0; i < CF_COUNT(fields); i++) {
        *fields[i].number = 0;
        if (fields[i].width == 0)
            continue;
        int r = cf_tar_number(fields[i].field, fields[i].width, fields[i].number);
        const int64_t min = fields[i].number == &ret->mtime ? INT64_MIN : 0;
        if (r == 0 && (*fields[i].number < min || *fields[i].number > fields[i].max))
            r = -ERANGE;
        if (r < 0)
            return in_context(tar, err,
                              cf_fail(err, -EINVAL, "its %s %s", fields[i].what,
                                      r == -ERANGE ? "is out of range" : "is no number"));
    }
    return 0;
}

/* What kind of entry it is, in the letters of struct cf_tar_entry; 0: one that we refuse. */
static char entry_type(const struct cf_tar *tar)
{
    const struct cf_buf *path = &tar->entry.path;
    switch (tar->block.type) {
    case '\0':
    case '0':
    case '7':
        return path->data[path->len - 1] == '/' ? '5' : '0'; /* V7 has no other directories */
    case 'S':
        return '0';
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case 'V':
        return tar->block.type;
    default:
        return 0;
    }
}

static void fill_entry(struct cf_tar *tar, const struct numbers *numbers)
{
    struct cf_tar_entry *entry = &tar->entry;
    const struct cf_tar_pax *pax = &tar->pax;
    entry->mode = (uint32_t)numbers->mode & 07777;
    entry->uid = pax->has_uid ? pax->uid : (uint32_t)numbers->uid;
    entry->gid = pax->has_gid ? pax->gid : (uint32_t)numbers->gid;
    entry->major = pax->has_major ? pax->major : (uint32_t)numbers->major;
    entry->minor = pax->has_minor ? pax->minor : (uint32_t)numbers->minor;
    entry->mtime_sec = pax->has_mtime ? pax->mtime_sec : numbers->mtime;
    entry->mtime_nsec = pax->has_mtime ? pax->mtime_nsec : 0;
    entry->xattrs = pax->xattrs;
    entry->xattr_count = pax->xattr_count;
    entry->sparse = false;
    /* The size of what is no file is the writer's own affair: no data follows, as POSIX says of
     * links and Go's archive/tar, which the container tools use, of all the others. */
    tar->stored = pax->has_size ? pax->size : (uint64_t)numbers->size;
    if (entry->type != '0')
        tar->stored = 0;
    entry->size = tar->stored;
}

/* ---- sparse files ---- */

static int begin_content(struct cf_tar *tar, struct cf_error *err)
{
    int r = 0;
    if (!tar->entry.sparse) {
        tar->pax.piece_count = 0;
        r = cf_tar_piece_add(&tar->pax, 0, tar->stored);
        if (r < 0)
            return fail_memory(err);
    } else {
        r = cf_tar_pieces_check(&tar->pax, tar->entry.size, tar->stored, err);
        if (r < 0)
            return in_context(tar, err, r);
    }
    tar->padding = tar->padding + cf_tar_padding(tar->stored);
    tar->piece = 0;
    tar->in_piece = 0;
    tar->state = AT_ENTRY;
    return 0;
}

/* Pieces of an old GNU map: count times offset and length, 12 bytes each; an empty one ends it. */
static int old_pieces(struct cf_tar *tar, const char *map, size_t count, struct cf_error *err)
{
    for (size_t i = 0; i < count; i++, map += 24) {
        int64_t offset, len;
        if (map[0] == '\0' && map[12] == '\0')
            break;
        if (cf_tar_number(map, 12, &offset) < 0 || cf_tar_number(map + 12, 12, &len) < 0 ||
            offset < 0 || len < 0)
            return fail(tar, err, "its sparse map is no list of numbers");
        int r = cf_tar_piece_add(&tar->pax, (uint64_t)offset, (uint64_t)len);
        if (r == -ENOMEM)
            return fail_memory(err);
        if (r < 0)
            return fail(tar, err, "its sparse map has too many pieces");
    }
    return 0;
}

static int begin_old_sparse(struct cf_tar *tar, struct cf_error *err)
{
    const char *gnu = tar->block.prefix; /* see struct cf_tar_block */
    enum { MAP = 41, MORE = 137, SIZE = 138 };
    int64_t size;
    if (memcmp(tar->block.magic, "ustar  ", 7) != 0)
        return fail(tar, err, "it is sparse, but not of GNU tar");
    if (cf_tar_number(gnu + SIZE, 12, &size) < 0 || size < 0)
        return fail(tar, err, "its size is out of range");
    tar->entry.sparse = true;
    tar->entry.size = (uint64_t)size;
    tar->pax.piece_count = 0;
    int r = old_pieces(tar, gnu + MAP, 4, err);
    if (r < 0)
        return r;
    if (gnu[MORE] == '\0')
        return begin_content(tar, err);
    tar->state = AT_OLD_SPARSE;
    return 0;
}

static int more_old_sparse(struct cf_tar *tar, struct cf_error *err)
{
    const char *bytes = (const char *)&tar->block;
    int r = old_pieces(tar, bytes, 21, err);
    if (r < 0)
        return r;
    return bytes[21 * 24] == '\0' ? begin_content(tar, err) : 0;
}

static int map_number_ends(struct cf_tar *tar, struct cf_error *err)
{
    struct cf_tar_pax *pax = &tar->pax;
    if (!tar->map_digits)
        return fail(tar, err, "its sparse map is no list of numbers");
    if (!tar->map_counted) {
        if (tar->map_number > CF_TAR_PIECES_MAX)
            return fail(tar, err, "its sparse map has too many pieces");
        tar->map_counted = true;
        tar->map_left = tar->map_number;
    } else if (!tar->map_half) {
        if (cf_tar_piece_add(pax, tar->map_number, 0) < 0)
            return fail_memory(err);
        tar->map_half = true;
    } else {
        pax->pieces[pax->piece_count - 1].len = tar->map_number;
        tar->map_half = false;
        tar->map_left--;
    }
    tar->map_number = 0;
    tar->map_digits = false;
    return 0;
}

/* A block of the map in front of the data; the last one is filled up with zeros. */
static int more_map(struct cf_tar *tar, struct cf_error *err)
{
    const char *bytes = (const char *)&tar->block;
    if (tar->stored < CF_TAR_BLOCK)
        return fail(tar, err, "its sparse map is larger than its data");
    tar->stored -= CF_TAR_BLOCK;
    for (size_t i = 0; i < CF_TAR_BLOCK && !(tar->map_counted && tar->map_left == 0); i++) {
        if (bytes[i] == '\n') {
            int r = map_number_ends(tar, err);
            if (r < 0)
                return r;
            continue;
        }
        if (!isdigit((unsigned char)bytes[i]) || tar->map_number > INT64_MAX / 10 - 1)
            return fail(tar, err, "its sparse map is no list of numbers");
        tar->map_number = tar->map_number * 10 + (uint64_t)(bytes[i] - '0');
        tar->map_digits = true;
    }
    if (tar->map_counted && tar->map_left == 0)
        return begin_content(tar, err);
    return 0;
}

/* The PAX forms; also where nothing is sparse. */
static int begin_sparse(struct cf_tar *tar, struct cf_error *err)
{
    const struct cf_tar_pax *pax = &tar->pax;
    const bool in_data = pax->has_sparse_major && pax->sparse_major == 1;
    if (!pax->has_sparse_map && !pax->has_sparse_major && !pax->has_sparse_size)
        return begin_content(tar, err);
    if (tar->entry.type != '0' || !pax->has_sparse_size)
        return fail(tar, err, "it is sparse, but no file of a known size");
    if (pax->has_sparse_major && (pax->sparse_major > 1 || pax->sparse_minor > (in_data ? 0 : 1)))
        return fail(tar, err, "it is sparse in a format that is not known");
    tar->entry.sparse = true;
    tar->entry.size = pax->sparse_size;
    if (!in_data)
        return begin_content(tar, err);
    tar->pax.piece_count = 0;
    tar->map_counted = tar->map_digits = tar->map_half = false;
    tar->map_number = 0;
    tar->state = AT_MAP;
    return 0;
}

/* ---- headers ---- */

static void forget_extended(struct cf_tar *tar)
{
    tar->has_records = tar->has_path = tar->has_link = false;
}

static int begin_entry(struct cf_tar *tar, struct cf_error *err)
{
    cf_tar_pax_clear(&tar->pax);
    if (!tar->has_records && set_text(&tar->records, tar->globals.data, tar->globals.len) < 0)
        return fail_memory(err);
    /* The block's own name, to say where it is if the records are bad. */
    tar->named = block_path(tar) == 0;
    int r = tar->records.len ? cf_tar_pax_parse(&tar->pax, tar->records.data, tar->records.len, err)
                             : 0;
    if (r < 0)
        return in_context(tar, err, r);
    struct numbers numbers;
    r = block_names(tar, err);
    if (r == 0)
        r = block_numbers(tar, &numbers, err);
    if (r < 0)
        return r;
    tar->entry.type = entry_type(tar);
    if (tar->entry.type == 0)
        return in_context(tar, err,
                          cf_fail(err, -EINVAL, "entries of type '%c' are not supported",
                                  isprint((unsigned char)tar->block.type) ? tar->block.type : '?'));
    if ((tar->entry.type == '1' || tar->entry.type == '2') && tar->entry.link.len == 0)
        return fail(tar, err, "it is a link to nothing");
    fill_entry(tar, &numbers);
    forget_extended(tar);
    tar->padding = 0;
    return tar->block.type == 'S' ? begin_old_sparse(tar, err) : begin_sparse(tar, err);
}

static int begin_extended(struct cf_tar *tar, struct cf_error *err)
{
    int64_t size;
    const char type = tar->block.type;
    const bool pax = type == 'x' || type == 'g';
    const int64_t max = pax ? CF_TAR_EXTENDED_MAX : CF_TAR_PATH_MAX + 1;
    if (cf_tar_number(tar->block.size, sizeof tar->block.size, &size) < 0 || size < 0)
        return fail(tar, err, "the size of an extended header is out of range");
    if (size > max)
        return fail(tar, err, pax ? "an extended header is too long" : "a name is too long");
    if (type == 'g' && (uint64_t)size > CF_TAR_GLOBAL_MAX - tar->globals.len)
        return fail(tar, err, "global headers are too long");
    tar->extended_type = type;
    tar->extended_left = (uint64_t)size;
    tar->padding = cf_tar_padding((uint64_t)size);
    if (type == 'x' && !tar->has_records) {
        if (set_text(&tar->records, tar->globals.data, tar->globals.len) < 0)
            return fail_memory(err);
        tar->has_records = true;
    }
    cf_buf_clear(&tar->extended);
    tar->state = AT_EXTENDED;
    return 0;
}

/* Its content is whole: checks it as far as it stands alone, and keeps it. */
static int end_extended(struct cf_tar *tar, struct cf_error *err)
{
    const struct cf_buf *text = &tar->extended;
    int r = 0;
    tar->state = AT_PADDING;
    if (tar->extended_type == 'g') {
        r = cf_buf_add(&tar->globals, text->data, text->len);
    } else if (tar->extended_type == 'x') {
        r = tar->records.len + text->len > CF_TAR_EXTENDED_MAX + CF_TAR_GLOBAL_MAX
                ? -E2BIG
                : cf_buf_add(&tar->records, text->data, text->len);
    } else if (tar->extended_type == 'L') {
        tar->has_path = true;
        r = set_text(&tar->long_path, text->data, text->len ? strnlen(text->data, text->len) : 0);
    } else {
        tar->has_link = true;
        r = set_text(&tar->long_link, text->data, text->len ? strnlen(text->data, text->len) : 0);
    }
    if (r == -E2BIG)
        return fail(tar, err, "an extended header is too long");
    return r < 0 ? fail_memory(err) : 0;
}

static int zero_block(struct cf_tar *tar, struct cf_error *err)
{
    if (tar->has_records || tar->has_path || tar->has_link)
        return fail(tar, err, "the archive ends between an extended header and its entry");
    if (tar->lone_zero)
        tar->state = AT_TRAILER;
    tar->lone_zero = true;
    return 0;
}

static int header(struct cf_tar *tar, struct cf_error *err)
{
    tar->named = false;
    if (cf_tar_block_is_zero(&tar->block))
        return zero_block(tar, err);
    if (tar->lone_zero)
        return fail(tar, err, "a lone zero block lies between entries");
    if (!cf_tar_checksum_ok(&tar->block))
        return fail(tar, err,
                    tar->place == CF_TAR_BLOCK ? "this is no tar archive"
                                               : "its checksum is wrong");
    switch (tar->block.type) {
    case 'x':
    case 'X': /* the same, of Solaris */
        tar->block.type = 'x';
        return begin_extended(tar, err);
    case 'g':
    case 'L':
    case 'K':
        return begin_extended(tar, err);
    default:
        return begin_entry(tar, err);
    }
}

/* ---- the stream ---- */

static void use(struct cf_tar *tar, size_t n, struct cf_tar_span *ret_span)
{
    *ret_span = (struct cf_tar_span){.data = tar->in, .len = n};
    tar->in += n;
    tar->in_len -= n;
    tar->place += n;
}

static size_t at_most(const struct cf_tar *tar, uint64_t n)
{
    return n < tar->in_len ? (size_t)n : tar->in_len;
}

static int block_is_whole(struct cf_tar *tar, struct cf_error *err)
{
    tar->have = 0;
    switch (tar->state) {
    case AT_OLD_SPARSE:
        return more_old_sparse(tar, err);
    case AT_MAP:
        return more_map(tar, err);
    default:
        return header(tar, err);
    }
}

/* Takes what is there of a block, an extended header, padding or the trailer. */
static int take_meta(struct cf_tar *tar, struct cf_tar_span *ret_span, struct cf_error *err)
{
    if (tar->in_len == 0)
        return CF_TAR_MORE;
    const uint8_t *data = tar->in;
    int r = 0;
    if (tar->state == AT_TRAILER) {
        use(tar, tar->in_len, ret_span);
    } else if (tar->state == AT_PADDING) {
        use(tar, at_most(tar, tar->padding), ret_span);
        tar->padding -= ret_span->len;
    } else if (tar->state == AT_EXTENDED) {
        use(tar, at_most(tar, tar->extended_left), ret_span);
        tar->extended_left -= ret_span->len;
        if (cf_buf_add(&tar->extended, data, ret_span->len) < 0)
            r = fail_memory(err);
        else if (tar->extended_left == 0)
            r = end_extended(tar, err);
    } else {
        use(tar, at_most(tar, CF_TAR_BLOCK - tar->have), ret_span);
        memcpy((char *)&tar->block + tar->have, data, ret_span->len);
        tar->have += ret_span->len;
        if (tar->have == CF_TAR_BLOCK)
            r = block_is_whole(tar, err);
    }
    return r < 0 ? r : CF_TAR_META;
}

static int take_data(struct cf_tar *tar, struct cf_tar_span *ret_span)
{
    const struct cf_tar_pax *pax = &tar->pax;
    while (tar->piece < pax->piece_count && tar->in_piece == pax->pieces[tar->piece].len) {
        tar->piece++;
        tar->in_piece = 0;
    }
    if (tar->piece == pax->piece_count) {
        tar->state = AT_PADDING;
        return CF_TAR_DONE;
    }
    if (tar->in_len == 0)
        return CF_TAR_MORE;
    const struct cf_tar_piece *piece = &pax->pieces[tar->piece];
    use(tar, at_most(tar, piece->len - tar->in_piece), ret_span);
    ret_span->offset = piece->offset + tar->in_piece;
    tar->in_piece += ret_span->len;
    return CF_TAR_DATA;
}

int cf_tar_next(struct cf_tar *tar, struct cf_tar_span *ret_span, struct cf_error *err)
{
    if (tar->state == AT_EXTENDED && tar->extended_left == 0) { /* an empty one */
        int r = end_extended(tar, err);
        if (r < 0)
            return r;
    }
    if (tar->state == AT_PADDING && tar->padding == 0)
        tar->state = AT_HEADER;
    switch (tar->state) {
    case AT_ENTRY:
        tar->state = AT_DATA;
        return CF_TAR_ENTRY;
    case AT_DATA:
        return take_data(tar, ret_span);
    default:
        return take_meta(tar, ret_span, err);
    }
}

int cf_tar_end(const struct cf_tar *tar, bool loose, struct cf_error *err)
{
    const bool between = (tar->state == AT_HEADER && tar->have == 0) ||
                         (tar->state == AT_PADDING && tar->padding == 0);
    if (tar->state == AT_TRAILER)
        return 0;
    if (tar->state == AT_EXTENDED || tar->has_records || tar->has_path || tar->has_link)
        return cf_fail(err, -EINVAL, "it is truncated at byte %" PRIu64 ", in an extended header",
                       tar->place);
    if (between && (tar->lone_zero || loose))
        return 0;
    if (tar->named && !between)
        return in_context(tar, err, cf_fail(err, -EINVAL, "the archive is truncated here"));
    return cf_fail(err, -EINVAL, "it is truncated at byte %" PRIu64, tar->place);
}
