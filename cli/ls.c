/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/look.h>

#include <string.h>
#include <sys/stat.h>

struct listing {
    const struct cli *cli;
    bool long_form;
    const char *prefix;   /* "" or "REF:PATH: " where several are listed */
    struct cf_json *json; /* with --json */
};

static const char *type_name(mode_t mode)
{
    return S_ISDIR(mode)    ? "dir"
           : S_ISLNK(mode)  ? "symlink"
           : S_ISCHR(mode)  ? "char"
           : S_ISBLK(mode)  ? "block"
           : S_ISFIFO(mode) ? "fifo"
           : S_ISSOCK(mode) ? "socket"
                            : "file";
}

static struct cf_json *listed_json(const struct cf_listed *listed)
{
    const struct cf_inode *inode = &listed->inode;
    char mode[8], digest[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json = cf_json_object();
    snprintf(mode, sizeof mode, "%04o", (unsigned)inode->mode & 07777);
    (void)cf_json_set_string(json, "Path", listed->path);
    (void)cf_json_set_string(json, "Type", type_name(inode->mode));
    (void)cf_json_set_string(json, "Mode", mode);
    (void)cf_json_set_int(json, "Uid", inode->uid);
    (void)cf_json_set_int(json, "Gid", inode->gid);
    (void)cf_json_set_int(json, "Size", S_ISDIR(inode->mode) ? 0 : (int64_t)inode->size);
    (void)cf_json_set_int(json, "Links", inode->nlink);
    (void)cf_json_set_int(json, "Mtime", inode->mtime_sec);
    (void)cf_json_set_int(json, "MtimeNsec", inode->mtime_nsec);
    if (listed->target)
        (void)cf_json_set_string(json, "Target", listed->target);
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
        (void)cf_json_set_int(json, "Major", inode->rdev_major);
        (void)cf_json_set_int(json, "Minor", inode->rdev_minor);
    }
    if (listed->whiteout)
        (void)cf_json_set_bool(json, "Whiteout", true);
    if (listed->opaque)
        (void)cf_json_set_bool(json, "Opaque", true);
    if (S_ISREG(inode->mode) && listed->content.kind == CF_CONTENT_OBJECT) {
        cf_digest_text(&listed->content.digest, digest);
        (void)cf_json_set_string(json, "Digest", digest);
    }
    return json;
}

static void put_long(const struct cf_listed *listed)
{
    const struct cf_inode *inode = &listed->inode;
    char mode[11], when[32], size[32];
    cli_mode_text(inode->mode, mode);
    cli_time_text(inode->mtime_sec, when);
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
        snprintf(size, sizeof size, "%u, %u", inode->rdev_major, inode->rdev_minor);
    else
        snprintf(size, sizeof size, "%llu",
                 S_ISDIR(inode->mode) ? 0ull : (unsigned long long)inode->size);
    printf("%s %3u %5u %5u %12s %s ", mode, inode->nlink, inode->uid, inode->gid, size, when);
}

static int put_listed(const struct cf_listed *listed, void *context)
{
    struct listing *l = context;
    if (l->json)
        return cf_json_append(l->json, listed_json(listed));
    if (l->long_form)
        put_long(listed);
    fputs(l->prefix, stdout);
    cli_put_name(stdout, listed->path, strlen(listed->path));
    if (l->long_form && listed->target) {
        fputs(" -> ", stdout);
        cli_put_name(stdout, listed->target, strlen(listed->target));
    }
    if (l->long_form && listed->opaque)
        fputs(" (opaque)", stdout);
    putchar('\n');
    return 0;
}

int cli_ls(struct cli *cli, int argc, char **argv)
{
    bool recursive = false, itself = false, long_form = false;
    const struct cli_option options[] = {
        {'l', "long", NULL, CLI_FLAG, &long_form, "mode, links, owner, size, time too"},
        {'R', "recursive", NULL, CLI_FLAG, &recursive, "everything below"},
        {'d', "directory", NULL, CLI_FLAG, &itself, "the directory itself, not what is in it"},
        {'a', "all", NULL, CLI_FLAG, &(bool){false}, "accepted: hidden names are always shown"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 1, -1);
    if (status >= 0)
        return status;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cli->json ? cf_json_array() : NULL;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    status = CLI_OK;
    for (int i = 0; i < argc; i++) {
        struct cf_target target = {0};
        struct listing listing = {cli, long_form, "", json};
        err = (struct cf_error){0};
        if (argc > 1 && !cli->json && !itself)
            printf("%s%s:\n", i ? "\n" : "", argv[i]);
        if (cf_target_open(store, argv[i], &target, &err) < 0 ||
            cf_list(store, &target, recursive, itself, put_listed, &listing, &err) < 0)
            status = cli_failed(&err);
        cf_target_done(&target);
    }
    if (cli->json && cli_put_json(json, &err) < 0)
        status = cli_failed(&err);
    return cli_finish(status);
}
