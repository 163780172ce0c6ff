/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar format: a reader that is fed bytes and does no IO, and the writer of the canonical form.
 * Reads V7, ustar, PAX, GNU (old and new) and star headers; strict: what two tar programs would
 * read in two ways is an error. One thread at a time.
 *
 *   archive  = { entry } , zero block , zero block , anything
 *   entry    = { extended header } , header block , [ sparse map ] , content , zeros to 512
 *   extended = header block of type 'x', 'g', 'L' or 'K' , its content , zeros to 512
 *
 * Sources: POSIX.1-2017 pax(1), "ustar Interchange Format" and "pax Extended Header"; GNU tar
 * manual, "Tar Internals" (sparse formats, @LongLink, base-256).
 */
#ifndef CLOUDFS_TAR_H
#define CLOUDFS_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

#define CF_TAR_BLOCK 512u
#define CF_TAR_PATH_MAX (1u << 20)     /* bytes of a path or a link's target */
#define CF_TAR_EXTENDED_MAX (4u << 20) /* bytes of one extended header */
#define CF_TAR_GLOBAL_MAX (64u << 10)  /* bytes of all global headers together */
#define CF_TAR_PIECES_MAX (1u << 18)   /* pieces of one sparse file */
#define CF_TAR_XATTRS_MAX 4096u        /* of one entry */

/* A header block as it lies in the archive. */
struct cf_tar_block {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[8]; /* "ustar\0" "00", or "ustar  \0" of GNU tar; else V7 */
    char uname[32];
    char gname[32];
    char major[8];
    char minor[8];
    char
        prefix[155]; /* GNU: atime 12, ctime 12, offset 12, 5, sparse map 4 * 24, more 1, size 12 */
    char end[12];    /* star: "tar\0" in the last four, and the prefix has 131 */
};
_Static_assert(sizeof(struct cf_tar_block) == CF_TAR_BLOCK, "a tar block has 512 bytes");

struct cf_tar_xattr {
    const char *name; /* full name, NUL-terminated */
    const void *value;
    size_t len;
};

/* A run of a sparse file's bytes that the archive holds; what lies between is zeros. */
struct cf_tar_piece {
    uint64_t offset, len;
};

/* One entry, as said by its header block and extended headers together. */
struct cf_tar_entry {
    char type;          /* '0' file, '1' hard link, '2' symlink, '3' char, '4' block device,
                         * '5' directory, '6' fifo, 'V' a volume's label */
    struct cf_buf path; /* as spelled in the archive; no NUL inside, not empty */
    struct cf_buf link; /* target of a hard link or symlink; not empty for those */
    uint32_t mode;      /* 07777 */
    uint32_t uid, gid, major, minor;
    uint64_t size; /* of the file with its holes; 0 for what is no file */
    int64_t mtime_sec;
    uint32_t mtime_nsec;
    bool sparse;
    const struct cf_tar_xattr *xattrs;
    size_t xattr_count;
};

/* ---- reading ---- */

enum cf_tar_event {
    CF_TAR_MORE,  /* feed more */
    CF_TAR_META,  /* bytes of the archive that are not a file's content */
    CF_TAR_ENTRY, /* an entry begins: cf_tar_entry */
    CF_TAR_DATA,  /* content of the entry, in ascending order */
    CF_TAR_DONE,  /* the entry's content is whole */
};

/* Of META and DATA. Each byte fed comes out in exactly one of them, in order. */
struct cf_tar_span {
    const uint8_t *data; /* in what was fed */
    size_t len;
    uint64_t offset; /* DATA: in the file */
};

struct cf_tar;
int cf_tar_new(struct cf_tar **ret_tar); /* -ENOMEM */
void cf_tar_free(struct cf_tar *tar);
CF_DEFINE_CLEANUP(struct cf_tar *, cf_tar_free)

/* Gives the next bytes, borrowed until CF_TAR_MORE is returned; only then feed again. */
void cf_tar_feed(struct cf_tar *tar, const void *data, size_t len);
/* The next event, or -EINVAL with a line that names the entry or the place; -ENOMEM. After a
 * failure only cf_tar_free is allowed. */
int cf_tar_next(struct cf_tar *tar, struct cf_tar_span *ret_span, struct cf_error *err);
/* The entry of the last CF_TAR_ENTRY, until the next. */
const struct cf_tar_entry *cf_tar_entry(const struct cf_tar *tar);
/* To be asked when the input is over: 0, or -EINVAL where it ends too early. An archive without
 * its final zero blocks passes only if loose. */
int cf_tar_end(const struct cf_tar *tar, bool loose, struct cf_error *err);

/* ---- parts of the reader, for its files and tests ---- */

/* A number field: octal with spaces and NULs around it, or base-256. -EINVAL, -ERANGE. */
int cf_tar_number(const char *field, size_t width, int64_t *ret_value);
bool cf_tar_block_is_zero(const struct cf_tar_block *block);
/* Whether the checksum is right, counted with unsigned or (old) signed bytes. */
bool cf_tar_checksum_ok(const struct cf_tar_block *block);

/* What PAX records say; a has_ flag for what was said. */
struct cf_tar_pax {
    bool has_path, has_link, has_size, has_uid, has_gid, has_mtime, has_major, has_minor;
    const char *path, *link; /* in the records */
    size_t path_len, link_len;
    uint64_t size;
    uint32_t uid, gid, major, minor;
    int64_t mtime_sec;
    uint32_t mtime_nsec;
    struct cf_tar_xattr *xattrs; /* heap; names and values in the records */
    size_t xattr_count, xattr_room;
    /* GNU.sparse.* */
    bool has_sparse_major, has_sparse_minor, has_sparse_name, has_sparse_size, has_sparse_map;
    uint64_t sparse_major, sparse_minor, sparse_size;
    const char *sparse_name;
    size_t sparse_name_len;
    struct cf_tar_piece *pieces; /* heap; of formats 0.0 and 0.1 */
    size_t piece_count, piece_room;
    bool half_piece; /* an offset without its length so far */
};
/* Adds what the records say; changes them (names get NULs), and keeps pointers into them. */
int cf_tar_pax_parse(struct cf_tar_pax *pax, char *records, size_t len, struct cf_error *err);
void cf_tar_pax_clear(struct cf_tar_pax *pax); /* forgets all, keeps the memory */
void cf_tar_pax_done(struct cf_tar_pax *pax);
/* Adds a piece; -E2BIG for more than CF_TAR_PIECES_MAX, -ENOMEM. */
int cf_tar_piece_add(struct cf_tar_pax *pax, uint64_t offset, uint64_t len);
/* Whether the pieces ascend within size, and are stored bytes together. */
int cf_tar_pieces_check(const struct cf_tar_pax *pax, uint64_t size, uint64_t stored,
                        struct cf_error *err);

/* ---- writing ---- */

/*
 * Appends the canonical header of an entry (extended header included): ustar with numeric owners
 * and no names; PAX records, sorted, only for what ustar cannot say. A directory's path is given
 * without its trailing slash. -EINVAL for what tar cannot say at all.
 */
int cf_tar_header_format(const struct cf_tar_entry *entry, struct cf_buf *ret_buf,
                         struct cf_error *err);
/* Bytes of zeros that follow content of that size. */
static inline size_t cf_tar_padding(uint64_t size)
{
    return (size_t)(-size & (CF_TAR_BLOCK - 1));
}

#endif
