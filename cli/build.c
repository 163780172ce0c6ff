/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/build.h>
#include <cloudfs/io.h>
#include <cloudfs/transfer.h>

struct shown {
    const struct cli *cli;
    struct cf_buf kept; /* with --quiet: output of RUN, for when it fails */
};

static void show(void *context, enum cf_build_event event, const char *text, size_t len)
{
    struct shown *shown = context;
    bool quiet = shown->cli->quiet;

    if (event == CF_BUILD_WARNING) {
        cli_warn(shown->cli, "%s", text);
    } else if (event == CF_BUILD_OUTPUT) {
        if (quiet)
            (void)cf_buf_add(&shown->kept, text, len);
        else
            (void)fwrite(text, 1, len, stderr);
    } else if (!quiet) {
        fprintf(stderr, event == CF_BUILD_CACHED ? "--> using the cache%s\n" : "%s\n", text);
    } else {
        cf_buf_clear(&shown->kept);
    }
}

static int read_kubefile(const char *file, const char *context, struct cf_kubefile **ret_kubefile,
                         struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    const char *name = file ? file : "Kubefile";
    int r = file ? cf_buf_add_str(&path, file) : cf_buf_printf(&path, "%s/Kubefile", context);

    if (r < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    r = !strcmp(path.data, "-") ? cf_read_fd(STDIN_FILENO, CF_KUBEFILE_MAX, &text)
                                : cf_read_file(AT_FDCWD, path.data, CF_KUBEFILE_MAX, &text);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read %s", path.data);
    return cf_kubefile_parse(name, text.data ? text.data : "", text.len, ret_kubefile, err);
}

/* "K=V", or "K" with the value of the environment. */
static int read_args(const struct cli *cli, const struct cli_list *list, struct cf_key_value *pairs,
                     char **texts)
{
    for (size_t i = 0; i < list->count; i++) {
        char *equals = NULL;
        texts[i] = strdup(list->items[i]);
        if (!texts[i])
            return cli_failed(&(struct cf_error){-ENOMEM, "out of memory"});
        equals = strchr(texts[i], '=');
        if (equals == texts[i])
            return cli_usage_error(cli, "--build-arg takes NAME=VALUE, not '%s'", list->items[i]);
        const char *value = equals ? equals + 1 : getenv(texts[i]);
        if (equals)
            *equals = '\0';
        pairs[i] = (struct cf_key_value){texts[i], value ? value : ""};
    }
    return -1;
}

/* ---- the base, from a registry ---- */

struct puller {
    struct cli_registry_options *options;
    struct cf_registry *registry; /* opened when it is needed: most builds ask none */
};

static int pull_base(void *context, struct cf_store *store, const char *reference,
                     const char *platform, struct cf_image **ret_image, struct cf_error *err)
{
    struct puller *puller = context;
    const struct cf_pull_options options = {.platform = platform, .progress = cli_progress};
    struct cf_pulled pulled cf_cleanup(cf_pulled_done) = {0};
    int r =
        puller->registry ? 0 : cf_registry_open(&puller->options->registry, &puller->registry, err);

    if (r == 0)
        r = cf_pull(store, puller->registry, reference, &options, &pulled, err);
    if (r == 0)
        *ret_image = CF_TAKE(pulled.image);
    return r;
}

/* ---- what is wanted ---- */

struct wanted {
    struct cli_image_options image;
    struct cf_build_options build;
    struct cf_cache_options images;
    struct cli_registry_options registry;
    struct cli_list args, ignore;
    struct cf_key_value *pairs; /* of args */
    char **texts;
    struct cf_platform *platforms;
    const char *file, *network, *base, *platform, *pull;
    bool offline, no_cache_images;
};

static void wanted_done(struct wanted *wanted)
{
    for (size_t i = 0; wanted->texts && i < wanted->args.count; i++)
        free(wanted->texts[i]);
    free(wanted->texts);
    free(wanted->pairs);
    free(wanted->platforms);
    cli_list_done(&wanted->args);
    cli_list_done(&wanted->ignore);
    cli_image_options_done(&wanted->image);
}

static int read_platforms(const struct cli *cli, struct wanted *wanted)
{
    int status = cli_read_platforms(cli, wanted->platform, &wanted->platforms,
                                    &wanted->build.platform_count);

    wanted->build.platforms = wanted->platforms;
    return status;
}

static int check_words(const struct cli *cli, const struct wanted *wanted)
{
    const struct {
        const char *option, *value, *words[4];
    } rows[] = {{"network", wanted->network, {"none", "host"}},
                {"base", wanted->base, {"true", "false"}},
                {"pull", wanted->pull, {"missing", "always", "never"}}};

    if (!wanted->build.name)
        return cli_usage_error(cli, "-t REF is needed: the name of the new image");
    for (size_t i = 0; i < CF_COUNT(rows); i++) {
        bool good = !rows[i].value;
        for (const char *const *word = rows[i].words; *word && !good; word++)
            good = !strcmp(rows[i].value, *word);
        if (!good)
            return cli_usage_error(cli, "--%s: '%s' is none of %s, %s%s%s", rows[i].option,
                                   rows[i].value, rows[i].words[0], rows[i].words[1],
                                   rows[i].words[2] ? ", " : "",
                                   rows[i].words[2] ? rows[i].words[2] : "");
    }
    return -1;
}

static bool is_word(const char *value, const char *word)
{
    return value && !strcmp(value, word);
}

static int take(struct cli *cli, struct wanted *wanted)
{
    struct cf_build_options *build = &wanted->build;
    int status = check_words(cli, wanted);

    wanted->texts = calloc(wanted->args.count + 1, sizeof(*wanted->texts));
    wanted->pairs = calloc(wanted->args.count + 1, sizeof(*wanted->pairs));
    if (status < 0 && (!wanted->texts || !wanted->pairs))
        status = cli_failed(&(struct cf_error){-ENOMEM, "out of memory"});
    if (status < 0)
        status = read_args(cli, &wanted->args, wanted->pairs, wanted->texts);
    if (status < 0)
        status = cli_image_options(cli, &wanted->image, &build->image);
    if (status < 0 && wanted->platform)
        status = read_platforms(cli, wanted);
    if (status < 0)
        status = cli_registry_options(cli, &wanted->registry);
    build->args = wanted->pairs;
    build->arg_count = wanted->args.count;
    build->network = is_word(wanted->network, "host");
    build->application = is_word(wanted->base, "false");
    build->offline = wanted->offline;
    build->pull_always = is_word(wanted->pull, "always");
    wanted->images.registry = wanted->offline ? NULL : &wanted->registry.registry;
    wanted->images.scan.ignore = wanted->ignore.items;
    wanted->images.scan.ignore_count = wanted->ignore.count;
    build->images = wanted->no_cache_images ? NULL : &wanted->images;
    return status;
}

static int build(struct cli *cli, const char *context, struct wanted *wanted)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_kubefile *kubefile cf_cleanup(cf_kubefile_free_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct shown shown = {.cli = cli, .kept = CF_BUF_INIT};
    struct puller puller = {.options = &wanted->registry};
    struct cf_build_options *options = &wanted->build;

    options->event = show;
    options->event_context = &shown;
    options->progress = cli_progress;
    options->pull = wanted->offline || is_word(wanted->pull, "never") ? NULL : pull_base;
    options->pull_context = &puller;
    int r = read_kubefile(wanted->file, context, &kubefile, &err);
    if (r == 0)
        r = cli_open_store(cli, 0, &store, &err);
    cli_progress_start(cli);
    if (r == 0)
        r = cf_build(store, kubefile, context, options, &image, &err);
    cli_progress_end();
    cf_registry_close(puller.registry);
    if (r < 0 && shown.kept.len)
        (void)fwrite(shown.kept.data, 1, shown.kept.len, stderr);
    cf_buf_done(&shown.kept);
    return r < 0 ? cli_failed(&err) : cli_put_image(cli, image, options->name);
}

int cli_build(struct cli *cli, int argc, char **argv)
{
    struct wanted w cf_cleanup(wanted_done) = {0};
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &w.build.name, "name of the new image (needed)"},
        {'f', "file", "FILE", CLI_STRING, &w.file, "the Kubefile (default: CONTEXT/Kubefile)"},
        {0, "build-arg", "K=V", CLI_LIST, &w.args, "value of an ARG (repeatable)"},
        {0, "platform", "P,...", CLI_STRING, &w.platform,
         "os/arch[/variant] of the image; several make an index"},
        {0, "no-cache", NULL, CLI_FLAG, &w.build.no_cache, "run every instruction again"},
        {0, "network", "MODE", CLI_STRING, &w.network, "of RUN: none (default) or host"},
        {0, "pull", "WHEN", CLI_STRING, &w.pull, "the base: missing (default), always or never"},
        {0, "base", "BOOL", CLI_STRING, &w.base,
         "false: an application image, without the base's layers"},
        {0, "no-cache-images", NULL, CLI_FLAG, &w.no_cache_images,
         "leave out the container images that it refers to"},
        {0, "allow-missing", NULL, CLI_FLAG, &w.images.allow_missing,
         "container images that cannot be had are warnings"},
        {0, "ignore", "PATTERN", CLI_LIST, &w.ignore, "container images to leave out (repeatable)"},
        {0, "domain-prefix", NULL, CLI_FLAG, &w.images.domain_prefix,
         "keep the registry in their names: quay.io/a/b"},
        {0, "strict", NULL, CLI_FLAG, &w.build.strict,
         "make nothing where `check` would find something"},
        {0, "offline", NULL, CLI_FLAG, &w.offline, "ask no network"},
        CLI_REGISTRY_OPTIONS(w.registry),
        CLI_IMAGE_OPTIONS(w.image),
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);

    if (status < 0)
        status = take(cli, &w);
    if (status < 0)
        status = build(cli, argv[0], &w);
    return cli_finish(status);
}
