/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands share: the table of commands, option parsing, output for people and scripts.
 * The only mutable file-scope state of the project's command line is the progress display.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <cloudfs/buf.h>
#include <cloudfs/commit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/json.h>
#include <cloudfs/mount.h>
#include <cloudfs/override.h>
#include <cloudfs/platform.h>
#include <cloudfs/reference.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/store.h>

/* Exit statuses of CLI.md; diff has its own. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command;

/* What the options that every command takes say, and which command runs. */
struct cli {
    bool helper;          /* called as mount(8) calls, not as `cloudfs mount` */
    const char *root;     /* --root; NULL: the default */
    const char *progress; /* auto, tty, plain, json, none */
    bool quiet;
    bool verbose;
    bool json;
    const struct cli_command *command;
};

struct cli_command {
    const char *name;
    const char *arguments; /* as in the usage line */
    const char *summary;   /* one line */
    const char *details;   /* further text of --help, or NULL */
    int (*run)(struct cli *cli, int argc, char **argv);
};
extern const struct cli_command cli_commands[]; /* ends with a NULL name */

/* ---- options ---- */

enum cli_kind { CLI_FLAG, CLI_STRING, CLI_LIST, CLI_TIME };

struct cli_list {
    const char **items;
    const char **names; /* of the option of each: several may share a list, which keeps the order */
    size_t count;
};
struct cli_time {
    bool given;
    int64_t seconds; /* since the epoch */
};

/* One option of a command; target is a bool, const char *, struct cli_list or struct cli_time. */
struct cli_option {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* what --help calls it; NULL for a flag */
    enum cli_kind kind;
    void *target;
    const char *help;
};

/*
 * Parses a command's options (ended by a NULL name) and the common ones, anywhere among the
 * arguments. On success argv[0..*argc-1] are the operands, whose number lies between min and max
 * (max < 0: no limit). Returns -1 to go on, else the exit status to end with: 0 after --help, 2
 * after wrong usage.
 */
int cli_parse(struct cli *cli, const struct cli_option *options, int *argc, char ***argv, int min,
              int max);
void cli_list_done(struct cli_list *list);
/* The common options before the command's name: the index of that name, or -1 - status to end with.
 */
int cli_parse_common(struct cli *cli, int argc, char **argv);

/* What --help prints of the command, or of them all before there is one; the exit status. */
int cli_print_help(struct cli *cli, const struct cli_option *options);

/* `cloudfs commit: what`, then the usage line; returns CLI_USAGE. */
int cli_usage_error(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `cloudfs: what: why` from err; returns CLI_FAILED. */
int cli_failed(const struct cf_error *err);
/* `cloudfs: warning: ...` on stderr unless --quiet. */
void cli_warn(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

int cli_open_store(const struct cli *cli, unsigned flags, struct cf_store **ret_store,
                   struct cf_error *err);

/* What an argument REF | MOUNT means: exactly one of both is set. A path ("/", "." in front) is a
 * mount; else an image of that name or ID, else a mount's id or directory. store may be changed to
 * the mount's own. */
struct cli_subject {
    struct cf_image *image;
    struct cf_mount *mount;
};
int cli_subject_open(const struct cli *cli, struct cf_store **store, const char *text,
                     struct cli_subject *ret_subject, struct cf_error *err);
void cli_subject_done(struct cli_subject *subject);
/* The mount that text (NULL: the current directory) means, and its store. */
int cli_mount_open(const struct cli *cli, const char *text, struct cf_store **ret_store,
                   struct cf_mount **ret_mount, struct cf_error *err);

/* The same, as an image or (heap) the path of a directory: exactly one of both is set. */
int cli_image_or_dir(struct cf_store *store, const char *text, struct cf_image **ret_image,
                     char **ret_dir, struct cf_error *err);
/* The name of a new image on top of the one that text means: as given, else by which it was called.
 */
int cli_new_name(struct cf_store *store, const char *text, const char *given,
                 char ret_name[CF_TAGGED_SIZE], struct cf_error *err);
/* What an argument REF | MOUNT | DIR means: a path ("/", "." in front) is a directory, also a
 * mount's; else an image, else a directory. The rootfs borrows the store. platform: or NULL; an
 * architecture that it does not say becomes the image's. */
int cli_rootfs_open(const struct cli *cli, const char *text, struct cf_store **ret_store,
                    struct cf_rootfs **ret_rootfs, struct cf_platform *platform,
                    struct cf_error *err);

/* The options that describe a new image (commit, import), for cli_parse and then for the library.
 */
struct cli_image_options {
    const char *message, *author, *platform;
    struct cli_time timestamp;
    struct cli_list labels, annotations;
    struct cf_key_value *label_pairs, *annotation_pairs; /* heap */
    char *platform_text;                                 /* heap */
};
#define CLI_IMAGE_OPTIONS(image)                                                           \
    {'m', "message", "TEXT", CLI_STRING, &(image).message, "comment for the history"},     \
        {0, "author", "NAME", CLI_STRING, &(image).author, "author of the image"},         \
        {0,                                                                                \
         "timestamp",                                                                      \
         "TIME",                                                                           \
         CLI_TIME,                                                                         \
         &(image).timestamp,                                                               \
         "date of the image: seconds since the epoch, @SECONDS or 2026-01-31T12:00:00Z"},  \
        {0, "label", "K=V", CLI_LIST, &(image).labels, "label of the image (repeatable)"}, \
    {                                                                                      \
        0, "annotation", "K=V", CLI_LIST, &(image).annotations,                            \
            "annotation of its manifest (repeatable)"                                      \
    }
/* Fills ret_options (borrows from image). Returns -1 to go on, else the exit status. */
int cli_image_options(const struct cli *cli, struct cli_image_options *image,
                      struct cf_image_options *ret_options);
void cli_image_options_done(struct cli_image_options *image);
/* "--platform os/arch,...": -1 to go on, else the exit status. ret_platforms: heap. */
int cli_read_platforms(const struct cli *cli, const char *text, struct cf_platform **ret_platforms,
                       size_t *ret_count);
/* The same, only looked at (NULL: not given); it and --all-platforms exclude each other. */
int cli_check_platforms(const struct cli *cli, const char *text, bool all);

/* Puts what the templates of an image or directory render to in front of the overrides. */
int cli_render(struct cf_store *store, const struct cf_image *image, const char *dir,
               const struct cli_list *env, struct cf_overrides *overrides, struct cf_error *err);

/* ---- output ---- */

void cli_human_size(uint64_t bytes, char ret_text[16]);     /* "1.3 GB": powers of 1000 as podman */
void cli_human_age(const char *rfc3339, char ret_text[40]); /* "3 hours ago"; "" if unknown */
void cli_time_text(int64_t seconds, char ret_text[32]);     /* 2026-01-31 12:00:00, local time */
int64_t cli_parse_rfc3339(const char *text); /* seconds since the epoch; -1 if it is no time */
void cli_mode_text(mode_t mode, char ret_text[11]); /* drwxr-xr-x */
/* A name for a terminal: control characters and invalid UTF-8 escaped; as it is when not on one. */
void cli_put_name(FILE *out, const char *name, size_t len);
/* Prints a document with a final newline; 0, or -errno with err set. */
int cli_put_json(const struct cf_json *json, struct cf_error *err);
/* Rows of columns, padded to their width; cells are copied. */
struct cli_table;
struct cli_table *cli_table_new(const char *const *headers, size_t columns);
int cli_table_add(struct cli_table *table, ...);          /* const char * for each column */
void cli_table_print(struct cli_table *table, FILE *out); /* and frees it; out NULL: only that */
/* What `mount` and `inspect` tell of a mount. */
struct cf_json *cli_mount_json(const struct cf_mount *mount);
/* The kinds and paths of changes, as `commit` and `inspect` tell them. */
struct cf_json *cli_changes_json(const struct cf_changes *changes);
/* Id and Digest; of an index's image Index, its digest, too. */
void cli_set_identity(struct cf_json *json, const struct cf_image *image);
/* What `override` and `kubeadm --apply` tell of what they made: Id, Digest and Changes; a line
 * where there was nothing to do, and the ID. */
void cli_override_json(struct cf_json *json, const struct cf_override_result *result);
void cli_put_override(const struct cli *cli, const struct cf_override_result *result);
/* The ID of an image that was made (of an index: its digest); with --json its manifest's digest and
 * name too. */
int cli_put_image(const struct cli *cli, const struct cf_image *image, const char *name);
/* What a check found, as warnings. */
struct cf_check_result;
void cli_warn_findings(const struct cli *cli, const struct cf_check_result *result);
/* Flushes stdout: CLI_OK, or CLI_FAILED with a line when it could not all be written. */
int cli_finish(int status);

/* ---- progress ---- */

/* Shows work of over a second on stderr as --progress says. The callback may come from any thread.
 */
void cli_progress_start(const struct cli *cli);
void cli_progress(void *context, const char *what, uint64_t done, uint64_t total);
void cli_progress_end(void);

#endif
