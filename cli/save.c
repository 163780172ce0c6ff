/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/archive.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "gzip", "zstd:19": -1 to go on, else the exit status. */
static int parse_compression(const struct cli *cli, const char *text, struct cf_save_options *save)
{
    static const struct {
        const char *name;
        enum cf_compression kind;
        int most;
    } kinds[] = {{"none", CF_PLAIN, 0}, {"gzip", CF_GZIP, 9}, {"zstd", CF_ZSTD, 22}};
    size_t len = strcspn(text, ":");
    for (size_t i = 0; i < CF_COUNT(kinds); i++) {
        if (strlen(kinds[i].name) != len || strncmp(text, kinds[i].name, len))
            continue;
        char *end = NULL;
        long level = text[len] ? strtol(text + len + 1, &end, 10) : 0;
        if (text[len] && (end == text + len + 1 || *end || level < 1 || level > kinds[i].most))
            break;
        save->has_compression = kinds[i].kind != CF_PLAIN;
        save->compression = kinds[i].kind;
        save->level = (int)level;
        return -1;
    }
    return cli_usage_error(cli, "--compression: '%s' is none of none, gzip[:1-9], zstd[:1-22]",
                           text);
}

static int parse_format(const struct cli *cli, const char *text, struct cf_save_options *save)
{
    static const char *const names[] = {[CF_ARCHIVE_OCI] = "oci",
                                        [CF_ARCHIVE_OCI_DIR] = "oci-dir",
                                        [CF_ARCHIVE_DOCKER] = "docker",
                                        [CF_ARCHIVE_SEALER] = "sealer"};
    for (size_t i = 0; i < CF_COUNT(names); i++)
        if (!strcmp(text, names[i])) {
            save->format = (enum cf_archive_format)i;
            return -1;
        }
    return cli_usage_error(cli, "--format: '%s' is none of oci, oci-dir, docker, sealer", text);
}

int cli_save(struct cli *cli, int argc, char **argv)
{
    const char *file = NULL, *format = "oci", *compression = "none";
    struct cf_save_options save = {.progress = cli_progress};
    const struct cli_option options[] = {
        {'o', "output", "FILE", CLI_STRING, &file, "what to write; - is standard output (needed)"},
        {0, "format", "F", CLI_STRING, &format, "oci (default), oci-dir, docker or sealer"},
        {0, "compression", "C", CLI_STRING, &compression,
         "none (default), gzip[:level] or zstd[:level]"},
        {0, "platform", "P,...", CLI_STRING, &save.platform,
         "os/arch[/variant]: of an index only these images"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 1, -1);
    if (status < 0 && !file)
        status = cli_usage_error(cli, "-o FILE is needed: what to write");
    if (status < 0)
        status = parse_format(cli, format, &save);
    if (status < 0)
        status = cli_check_platforms(cli, save.platform, false);
    if (status < 0)
        status = parse_compression(cli, compression, &save);
    if (status >= 0)
        return status;
    if (!strcmp(file, "-") && isatty(STDOUT_FILENO))
        return cli_usage_error(cli, "an archive is not written to a terminal: use -o FILE");
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    cli_progress_start(cli);
    if (cf_save(store, file, (const char *const *)argv, (size_t)argc, &save, &err) < 0)
        return cli_failed(&err);
    return cli_finish(CLI_OK);
}
