/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/log.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND(symbol, label, arguments, summary, details) \
    {label, arguments, summary, details, cli_##symbol},

const struct cli_command cli_commands[] = {
#include "commands.def"
    {0},
};

int cli_failed(const struct cf_error *err)
{
    cli_progress_end();
    fflush(stdout);
    fprintf(stderr, "cloudfs: %s\n", err->text[0] ? err->text : strerror(-err->code));
    return CLI_FAILED;
}

void cli_warn(const struct cli *cli, const char *format, ...)
{
    va_list ap;
    if (cli->quiet)
        return;
    fputs("cloudfs: warning: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

int cli_open_store(const struct cli *cli, unsigned flags, struct cf_store **ret_store,
                   struct cf_error *err)
{
    return cf_store_open(cli->root, flags, ret_store, err);
}

int cli_mount_open(const struct cli *cli, const char *text, struct cf_store **ret_store,
                   struct cf_mount **ret_mount, struct cf_error *err)
{
    cf_autofree char *root = NULL;
    char id[CF_MOUNT_ID_SIZE];
    const char *where = text ? text : ".";
    if (cf_mount_store_of(where, &root, id, NULL) == 0 && root[0]) {
        int r = cf_store_open(root, 0, ret_store, err);
        return r < 0 ? r : cf_mount_find(*ret_store, id, ret_mount, err);
    }
    int r = cli_open_store(cli, 0, ret_store, err);
    if (r < 0)
        return r;
    r = cf_mount_find(*ret_store, where, ret_mount, err);
    if (r == -ENOENT && !text)
        return cf_fail(err, r,
                       "the current directory is not in a cloudfs mount: name one "
                       "(`cloudfs mount` lists them)");
    return r;
}

static int subject_mount(const struct cli *cli, struct cf_store **store, const char *text,
                         struct cli_subject *ret_subject, struct cf_error *err)
{
    struct cf_store *own cf_cleanup(cf_store_close_ptr) = NULL;
    int r = cli_mount_open(cli, text, &own, &ret_subject->mount, err);
    if (r < 0)
        return r;
    cf_store_close(*store);
    *store = CF_TAKE(own);
    return 0;
}

int cli_subject_open(const struct cli *cli, struct cf_store **store, const char *text,
                     struct cli_subject *ret_subject, struct cf_error *err)
{
    struct cf_error why = {0};
    *ret_subject = (struct cli_subject){0};
    if (text[0] == '/' || text[0] == '.')
        return subject_mount(cli, store, text, ret_subject, err);
    int r = cf_image_find(*store, text, &ret_subject->image, err);
    if (r != -ENOENT && r != -EINVAL)
        return r;
    return subject_mount(cli, store, text, ret_subject, &why) == 0 ? 0 : r;
}

void cli_subject_done(struct cli_subject *subject)
{
    cf_image_free(subject->image);
    cf_mount_free(subject->mount);
    *subject = (struct cli_subject){0};
}

static void log_to_stderr(void *data, enum cf_log_level level, const char *line)
{
    const struct cli *cli = data;
    if (level <= CF_LOG_WARN ? !cli->quiet : cli->verbose)
        fprintf(stderr, "cloudfs: %s%s\n", level == CF_LOG_WARN ? "warning: " : "", line);
}

static int run_command(struct cli *cli, const char *name, int argc, char **argv)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (!strcmp(c->name, name)) {
            cli->command = c;
            return c->run(cli, argc, argv);
        }
    return cli_usage_error(cli, "there is no command '%s': `cloudfs --help` lists them", name);
}

static bool called_as(const char *argv0, const char *name)
{
    const char *base = strrchr(argv0, '/');
    return !strcmp(base ? base + 1 : argv0, name);
}

static bool is_command(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (!strcmp(c->name, name))
            return true;
    return !strcmp(name, "help");
}

/*
 * What stands for `cloudfs mount`: `cloudfs SRC DIR -o OPTIONS`, as mount(8) has it called for
 * the type fuse.cloudfs where no mount.fuse.cloudfs is installed, and `cloudfs -o OPTIONS DIR`, as
 * container engines call their mount program.
 */
static bool is_mount_call(int argc, char **argv)
{
    if (argc < 3)
        return false;
    if (!strncmp(argv[1], "-o", 2))
        return true;
    if (argv[1][0] == '-' || is_command(argv[1]))
        return false;
    for (int i = 3; i < argc; i++)
        if (!strncmp(argv[i], "-o", 2))
            return true;
    return false;
}

/* mount(8) hands its own -f, which only pretends, on to its helper. */
static bool is_fake(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-o") || !strcmp(argv[i], "-t") || !strcmp(argv[i], "-N"))
            i++;
        else if (argv[i][0] == '-' && argv[i][1] != 'o' && argv[i][1] != 't' && argv[i][1] != '-' &&
                 strchr(argv[i], 'f'))
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct cli cli = {.progress = "auto"};
    signal(SIGPIPE, SIG_IGN);
    cf_log_set(CF_LOG_INFO, log_to_stderr, &cli);
    bool helper = argc > 0 &&
                  (called_as(argv[0], "mount.fuse.cloudfs") || called_as(argv[0], "mount.cloudfs"));
    cli.helper = helper || is_mount_call(argc, argv);
    if (helper && is_fake(argc, argv))
        return CLI_OK;
    if (argc > 0 && called_as(argv[0], "umount.fuse.cloudfs"))
        return run_command(&cli, "umount", argc, argv);
    if (cli.helper)
        return run_command(&cli, "mount", argc, argv);
    if (argc == 2 && !strcmp(argv[1], "--version"))
        return run_command(&cli, "version", 1, argv + 1);
    int at = cli_parse_common(&cli, argc, argv);
    if (at < 0)
        return -1 - at;
    if (at >= argc)
        return cli_usage_error(&cli, "no command given: `cloudfs --help` lists them");
    if (!strcmp(argv[at], "help"))
        return argc > at + 1
                   ? run_command(&cli, argv[at + 1], 2, (char *[]){argv[at + 1], "--help", NULL})
                   : cli_print_help(&cli, NULL);
    return run_command(&cli, strcmp(argv[at], "search") ? argv[at] : "tags", argc - at, argv + at);
}
