/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/rebase.h>

#include <errno.h>
#include <string.h>

static int put_json(const struct cf_rebase_result *result, const char *name, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *list = cf_json_array();
    char text[CF_DIGEST_TEXT_SIZE];

    if (result->image) {
        cf_digest_text(&result->image->config, text);
        (void)cf_json_set_string(json, "Id", text);
        cf_digest_text(&result->image->manifest, text);
        (void)cf_json_set_string(json, "Digest", text);
        (void)cf_json_set_string(json, "Name", name);
    }
    (void)cf_json_set_string(json, "Base", result->base);
    (void)cf_json_set_int(json, "KeptLayers", (int64_t)result->kept);
    (void)cf_json_set_int(json, "MergedFiles", (int64_t)result->merged);
    (void)cf_json_set_bool(json, "Adapted", result->adapted);
    for (size_t i = 0; i < result->conflict_count; i++) {
        const struct cf_rebase_conflict *conflict = &result->conflicts[i];
        struct cf_json *item = cf_json_object();
        (void)cf_json_set_string(item, "File", conflict->file);
        if (conflict->setting)
            (void)cf_json_set_string(item, "Setting", conflict->setting);
        if (conflict->line)
            (void)cf_json_set_int(item, "Line", (int64_t)conflict->line);
        (void)cf_json_set_string(item, "Base", conflict->base);
        (void)cf_json_set_string(item, "Ours", conflict->ours);
        (void)cf_json_set_string(item, "Theirs", conflict->theirs);
        (void)cf_json_append(list, item);
    }
    (void)cf_json_set(json, "Conflicts", list);
    return cli_put_json(json, err);
}

/* "  ours:   value", or the lines below it. */
static void put_side(FILE *out, const char *label, const char *text)
{
    const char *end = strchr(text, '\n');

    fprintf(out, "  %-7s", label);
    if (!*text)
        fputs(" (nothing)\n", out);
    if (end && !end[1]) { /* one line */
        putc(' ', out);
        cli_put_name(out, text, (size_t)(end - text));
        putc('\n', out);
        return;
    }
    for (const char *at = text; *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, '\n');
        fputs(at == text ? " " : "          ", out);
        cli_put_name(out, at, (size_t)(end - at));
        putc('\n', out);
    }
}

static void put_conflicts(FILE *out, const struct cf_rebase_result *result)
{
    for (size_t i = 0; i < result->conflict_count; i++) {
        const struct cf_rebase_conflict *conflict = &result->conflicts[i];
        const char *file = *conflict->file ? conflict->file : "(configuration)";
        cli_put_name(out, file, strlen(file));
        if (conflict->setting)
            fprintf(out, " %s", conflict->setting);
        else if (conflict->line)
            fprintf(out, ":%zu", conflict->line);
        putc('\n', out);
        put_side(out, "base:", conflict->base);
        put_side(out, "ours:", conflict->ours);
        put_side(out, "theirs:", conflict->theirs);
    }
}

static int put_result(const struct cli *cli, const struct cf_rebase_result *result,
                      const char *name)
{
    struct cf_error err = {0};
    bool plain = !cli->json, ended = !result->image;

    if (cli->json && put_json(result, name, &err) < 0)
        return cli_failed(&err);
    if (plain && ended)
        put_conflicts(stdout, result);
    else if (plain && !cli->quiet)
        put_conflicts(stderr, result);
    if (ended) {
        (void)cf_fail(&err, -EEXIST, "%zu conflict%s, nothing is made: --ours or --theirs decides",
                      result->conflict_count, result->conflict_count == 1 ? "" : "s");
        return cli_failed(&err);
    }
    if (plain && !cli->quiet)
        fprintf(stderr, "cloudfs: from %s: %zu layer%s kept, %zu file%s merged%s\n", result->base,
                result->kept, result->kept == 1 ? "" : "s", result->merged,
                result->merged == 1 ? "" : "s", result->adapted ? ", one layer added" : "");
    return plain ? cli_put_image(cli, result->image, name) : CLI_OK;
}

static int rebase(const struct cli *cli, const char *reference,
                  const struct cf_rebase_options *options)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_rebase_result result cf_cleanup(cf_rebase_result_done) = {0};
    struct cf_error err = {0};
    int r = cli_open_store(cli, 0, &store, &err);

    if (r == 0)
        r = cf_rebase(store, reference, options, &result, &err);
    return r < 0 ? cli_failed(&err) : put_result(cli, &result, options->name);
}

int cli_rebase(struct cli *cli, int argc, char **argv)
{
    struct cli_image_options image = {0};
    struct cf_rebase_options wanted = {0};
    bool ours = false, theirs = false;
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &wanted.name, "name of the new image (needed)"},
        {0, "onto", "REF", CLI_STRING, &wanted.onto, "the new base (needed)"},
        {0, "base", "REF", CLI_STRING, &wanted.base, "the old base, where it cannot be worked out"},
        {0, "ours", NULL, CLI_FLAG, &ours, "where both have changed a thing, take the image's"},
        {0, "theirs", NULL, CLI_FLAG, &theirs,
         "where both have changed a thing, take the new base's"},
        CLI_IMAGE_OPTIONS(image),
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);

    if (status < 0 && (!wanted.name || !wanted.onto))
        status = cli_usage_error(cli, wanted.name ? "--onto REF is needed: the new base"
                                                  : "-t REF is needed: the name of the new image");
    if (status < 0 && ours && theirs)
        status = cli_usage_error(cli, "--ours and --theirs do not go together");
    if (status < 0)
        status = cli_image_options(cli, &image, &wanted.image);
    wanted.prefer = ours ? CF_REBASE_OURS : theirs ? CF_REBASE_THEIRS : CF_REBASE_NEITHER;
    if (status < 0)
        status = rebase(cli, argv[0], &wanted);
    cli_image_options_done(&image);
    return cli_finish(status);
}
