/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "registry.h"

#include <cloudfs/transfer.h>

#include <stdlib.h>
#include <string.h>

/* "zstd:chunked", "gzip:9": -1 to go on, else the exit status. */
static int parse_form(const struct cli *cli, const char *text, struct cf_push_options *push)
{
    static const struct {
        const char *name;
        enum cf_push_form form;
        int most;
    } forms[] = {{"zstd:chunked", CF_PUSH_CHUNKED, 22},
                 {"zstd", CF_PUSH_ZSTD, 22},
                 {"gzip", CF_PUSH_GZIP, 9}};
    for (size_t i = 0; i < CF_COUNT(forms); i++) {
        const size_t len = strlen(forms[i].name);
        char *end = NULL;
        if (strncmp(text, forms[i].name, len) != 0 || (text[len] && text[len] != ':'))
            continue;
        long level = text[len] ? strtol(text + len + 1, &end, 10) : 0;
        if (text[len] && (end == text + len + 1 || *end || level < 1 || level > forms[i].most))
            continue;
        push->has_form = true;
        push->form = forms[i].form;
        push->level = (int)level;
        return -1;
    }
    return cli_usage_error(cli,
                           "--compression: '%s' is none of zstd:chunked[:1-22], zstd[:1-22], "
                           "gzip[:1-9]",
                           text);
}

static int put_json(const struct cf_pushed *pushed, const char *name, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    char manifest[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(&pushed->manifest, manifest);
    (void)cf_json_set_string(json, "Digest", manifest);
    (void)cf_json_set_string(json, "Name", name);
    (void)cf_json_set_int(json, "BytesSent", (int64_t)pushed->sent);
    (void)cf_json_set_int(json, "BlobsSent", (int64_t)pushed->blobs_sent);
    (void)cf_json_set_int(json, "BlobsMounted", (int64_t)pushed->blobs_mounted);
    (void)cf_json_set_int(json, "BlobsReused", (int64_t)pushed->blobs_reused);
    (void)cf_json_set_int(json, "Requests", (int64_t)pushed->requests);
    return cli_put_json(json, err);
}

int cli_push(struct cli *cli, int argc, char **argv)
{
    struct cli_registry_options own = {0};
    struct cf_push_options push = {.progress = cli_progress};
    const char *compression = NULL;
    const struct cli_option options[] = {
        {0, "compression", "C", CLI_STRING, &compression,
         "zstd:chunked (default), zstd or gzip, [:level]"},
        {0, "platform", "P,...", CLI_STRING, &push.platform,
         "os/arch[/variant]: of an index only these images"},
        CLI_REGISTRY_OPTIONS(own),
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_registry *registry cf_cleanup(cf_registry_close_ptr) = NULL;
    struct cf_pushed pushed = {0};
    char text[CF_DIGEST_TEXT_SIZE];
    int status = cli_parse(cli, options, &argc, &argv, 1, 2);
    if (status < 0)
        status = cli_check_platforms(cli, push.platform, false);
    if (status < 0 && compression)
        status = parse_form(cli, compression, &push);
    if (status < 0)
        status = cli_transfer_open(cli, &own, &store, &registry);
    if (status >= 0)
        return status;
    const char *to = argc > 1 ? argv[1] : argv[0];
    if (cf_push(store, registry, argv[0], to, &push, &pushed, &err) < 0)
        return cli_failed(&err);
    cli_progress_end();
    if (cli->json)
        return put_json(&pushed, to, &err) < 0 ? cli_failed(&err) : cli_finish(CLI_OK);
    cf_digest_text(&pushed.manifest, text);
    puts(text);
    return cli_finish(CLI_OK);
}
