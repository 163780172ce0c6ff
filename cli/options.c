/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct cli_option common_options(struct cli *cli, int i)
{
    const struct cli_option all[] = {
        {0, "root", "DIR", CLI_STRING, &cli->root, "the store to use"},
        {'q', "quiet", NULL, CLI_FLAG, &cli->quiet, "print only names or IDs"},
        {'v', "verbose", NULL, CLI_FLAG, &cli->verbose, "say more of what is done"},
        {0, "json", NULL, CLI_FLAG, &cli->json, "print JSON"},
        {0, "progress", "HOW", CLI_STRING, &cli->progress, "auto, tty, plain, json or none"},
        {0},
    };
    return all[i];
}

static void print_usage(const struct cli *cli, FILE *out)
{
    if (cli->command)
        fprintf(out, "usage: cloudfs %s [OPTIONS]%s%s\n", cli->command->name,
                *cli->command->arguments ? " " : "", cli->command->arguments);
    else
        fprintf(out, "usage: cloudfs [--root DIR] [-q | -v] COMMAND [OPTIONS] ARGS\n");
}

static void print_option(const struct cli_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "%c%c%s --%s%s%s", option->letter ? '-' : ' ',
             option->letter ? option->letter : ' ', option->letter ? "," : " ", option->name,
             option->argument ? " " : "", option->argument ? option->argument : "");
    printf("  %-28s %s\n", left, option->help);
}

static void print_commands(void)
{
    printf(
        "\nMounts Kubernetes cluster images as live root filesystems, and makes new images of the\n"
        "edits.\n\nCommands:\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf("  %-10s %s\n", c->name, c->summary);
    printf("\n`cloudfs COMMAND --help` says more of each.\n");
}

int cli_print_help(struct cli *cli, const struct cli_option *options)
{
    print_usage(cli, stdout);
    if (cli->command)
        printf("\n%s\n", cli->command->summary);
    else
        print_commands();
    if (cli->command && cli->command->details)
        printf("\n%s\n", cli->command->details);
    if (options && options[0].name) {
        printf("\nOptions:\n");
        for (const struct cli_option *o = options; o->name; o++)
            print_option(o);
    }
    printf("\nOptions of all commands:\n");
    for (int i = 0; common_options(cli, i).name; i++) {
        struct cli_option option = common_options(cli, i);
        print_option(&option);
    }
    return cli_finish(CLI_OK);
}

int cli_usage_error(const struct cli *cli, const char *format, ...)
{
    va_list ap;
    fprintf(stderr, "cloudfs%s%s: ", cli->command ? " " : "",
            cli->command ? cli->command->name : "");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    print_usage(cli, stderr);
    return CLI_USAGE;
}

static int parse_time(const char *text, struct cli_time *ret_time)
{
    const char *digits = *text == '@' ? text + 1 : text;
    char *end;
    errno = 0;
    long long seconds = strtoll(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || errno)
        seconds = *text == '@' ? -1 : cli_parse_rfc3339(text);
    if (seconds < 0)
        return -EINVAL;
    *ret_time = (struct cli_time){true, seconds};
    return 0;
}

static int list_add(struct cli_list *list, const char *name, const char *item)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    list->items = items;
    const char **names = realloc(list->names, (list->count + 1) * sizeof *names);
    if (!names)
        return -ENOMEM;
    list->names = names;
    list->names[list->count] = name;
    list->items[list->count++] = item;
    return 0;
}

void cli_list_done(struct cli_list *list)
{
    free(list->items);
    free(list->names);
    *list = (struct cli_list){0};
}

static int set_option(const struct cli *cli, const struct cli_option *option, const char *value)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->target = true;
        return 0;
    case CLI_STRING:
        *(const char **)option->target = value;
        return 0;
    case CLI_LIST:
        return list_add(option->target, option->name, value);
    case CLI_TIME:
        if (parse_time(value, option->target) < 0) {
            (void)cli_usage_error(cli,
                                  "--%s: '%s' is not a time (seconds since the epoch, or "
                                  "2026-01-31T12:00:00Z)",
                                  option->name, value);
            return -EINVAL;
        }
        return 0;
    }
    return -EINVAL;
}

static bool find_option(struct cli *cli, const struct cli_option *options, const char *name,
                        size_t len, char letter, struct cli_option *ret_option)
{
    for (const struct cli_option *o = options; o && o->name; o++)
        if (letter ? o->letter == letter : !strncmp(o->name, name, len) && !o->name[len]) {
            *ret_option = *o;
            return true;
        }
    for (int i = 0; common_options(cli, i).name; i++) {
        struct cli_option o = common_options(cli, i);
        if (letter ? o.letter == letter : !strncmp(o.name, name, len) && !o.name[len]) {
            *ret_option = o;
            return true;
        }
    }
    return false;
}

/* A run of arguments, and where in it the parser stands. */
struct cursor {
    struct cli *cli;
    const struct cli_option *options;
    int argc;
    char **argv;
    int at;
};

/* Returns 0, or 1 + the status to end with. */
static int take_long(struct cursor *c, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    struct cli_option option;
    if (len == 4 && !strncmp(text, "help", 4))
        return 1 + cli_print_help(c->cli, c->options);
    if (!find_option(c->cli, c->options, text, len, 0, &option))
        return 1 + cli_usage_error(c->cli, "unknown option --%.*s", (int)len, text);
    if (!option.argument && equals)
        return 1 + cli_usage_error(c->cli, "--%s takes no value", option.name);
    const char *value = equals ? equals + 1 : NULL;
    if (option.argument && !value) {
        if (c->at + 1 >= c->argc)
            return 1 + cli_usage_error(c->cli, "--%s needs %s", option.name, option.argument);
        value = c->argv[++c->at];
    }
    return set_option(c->cli, &option, value) < 0 ? 1 + CLI_USAGE : 0;
}

static int take_short(struct cursor *c, const char *text)
{
    for (; *text; text++) {
        struct cli_option option;
        if (*text == 'h' && !find_option(c->cli, c->options, NULL, 0, 'h', &option))
            return 1 + cli_print_help(c->cli, c->options);
        if (!find_option(c->cli, c->options, NULL, 0, *text, &option))
            return 1 + cli_usage_error(c->cli, "unknown option -%c", *text);
        const char *value = NULL;
        if (option.argument) {
            value = text[1] ? text + 1 : ++c->at < c->argc ? c->argv[c->at] : NULL;
            if (!value)
                return 1 + cli_usage_error(c->cli, "-%c needs %s", *text, option.argument);
        }
        if (set_option(c->cli, &option, value) < 0)
            return 1 + CLI_USAGE;
        if (option.argument)
            break;
    }
    return 0;
}

/* Moves operands to the front; stop_at_operand: ends at the first one. */
static int parse(struct cursor *c, bool stop_at_operand, int *ret_operands)
{
    int operands = 0;
    for (c->at = 0; c->at < c->argc; c->at++) {
        char *text = c->argv[c->at];
        int r = 0;
        if (!strcmp(text, "--")) {
            while (++c->at < c->argc)
                c->argv[operands++] = c->argv[c->at];
            break;
        }
        if (text[0] == '-' && text[1] == '-')
            r = take_long(c, text + 2);
        else if (text[0] == '-' && text[1])
            r = take_short(c, text + 1);
        else if (stop_at_operand)
            break;
        else
            c->argv[operands++] = text;
        if (r)
            return r;
    }
    *ret_operands = operands;
    return 0;
}

static int check_common(struct cli *cli)
{
    static const char *const ways[] = {"auto", "tty", "plain", "json", "none"};
    if (cli->quiet && cli->verbose)
        return cli_usage_error(cli, "--quiet and --verbose exclude each other");
    if (!cli->progress)
        cli->progress = "auto";
    for (size_t i = 0; i < CF_COUNT(ways); i++)
        if (!strcmp(cli->progress, ways[i]))
            return -1;
    return cli_usage_error(cli, "--progress: '%s' is none of auto, tty, plain, json, none",
                           cli->progress);
}

int cli_parse(struct cli *cli, const struct cli_option *options, int *argc, char ***argv, int min,
              int max)
{
    struct cursor c = {cli, options, *argc - 1, *argv + 1, 0};
    int operands;
    int r = parse(&c, false, &operands);
    if (r)
        return r - 1;
    if (operands < min)
        return cli_usage_error(cli, operands ? "arguments are missing" : "an argument is missing");
    if (max >= 0 && operands > max)
        return cli_usage_error(cli, "too many arguments: '%s'", c.argv[max]);
    *argc = operands;
    *argv = c.argv;
    return check_common(cli);
}

int cli_parse_common(struct cli *cli, int argc, char **argv)
{
    struct cursor c = {cli, NULL, argc - 1, argv + 1, 0};
    int operands;
    int r = parse(&c, true, &operands);
    if (r)
        return -r;
    r = check_common(cli);
    return r >= 0 ? -1 - r : c.at + 1;
}

static int make_pairs(const struct cli *cli, const char *what, const struct cli_list *list,
                      struct cf_key_value **ret_pairs)
{
    struct cf_key_value *pairs = calloc(list->count + 1, sizeof *pairs);
    if (!pairs)
        return cli_failed(&(struct cf_error){-ENOMEM, "out of memory"});
    *ret_pairs = pairs;
    for (size_t i = 0; i < list->count; i++) {
        char *equals = strchr(list->items[i], '=');
        if (!equals || equals == list->items[i])
            return cli_usage_error(cli, "--%s: '%s' is not KEY=VALUE", what, list->items[i]);
        *equals = 0; /* the text is our own copy of argv */
        pairs[i] = (struct cf_key_value){list->items[i], equals + 1};
    }
    return -1;
}

int cli_image_options(const struct cli *cli, struct cli_image_options *image,
                      struct cf_image_options *ret_options)
{
    struct cf_error err = {0};
    int r = make_pairs(cli, "label", &image->labels, &image->label_pairs);
    if (r >= 0)
        return r;
    r = make_pairs(cli, "annotation", &image->annotations, &image->annotation_pairs);
    if (r >= 0)
        return r;
    *ret_options = (struct cf_image_options){
        .message = image->message,
        .author = image->author,
        .has_timestamp = image->timestamp.given,
        .timestamp = image->timestamp.seconds,
        .labels = image->label_pairs,
        .label_count = image->labels.count,
        .annotations = image->annotation_pairs,
        .annotation_count = image->annotations.count,
    };
    if (cf_image_options_environment(ret_options, &err) < 0)
        return cli_failed(&err);
    if (!image->platform)
        return -1;
    char *text = image->platform_text = strdup(image->platform);
    char *architecture = text ? strchr(text, '/') : NULL;
    if (!architecture || architecture == text || !architecture[1])
        return cli_usage_error(cli, "--platform: '%s' is not OS/ARCH[/VARIANT]", image->platform);
    *architecture++ = 0;
    char *variant = strchr(architecture, '/');
    if (variant)
        *variant++ = 0;
    ret_options->os = text;
    ret_options->architecture = architecture;
    ret_options->variant = variant;
    return -1;
}

void cli_image_options_done(struct cli_image_options *image)
{
    cli_list_done(&image->labels);
    cli_list_done(&image->annotations);
    free(image->label_pairs);
    free(image->annotation_pairs);
    free(image->platform_text);
}

int cli_read_platforms(const struct cli *cli, const char *text, struct cf_platform **ret_platforms,
                       size_t *ret_count)
{
    struct cf_error err = {0};
    int r = *text ? cf_platforms_parse(text, ret_platforms, ret_count, &err) : -EINVAL;

    if (r == -EINVAL)
        return cli_usage_error(cli, "--platform: '%s' is not OS/ARCH[/VARIANT],...", text);
    return r < 0 ? cli_failed(&err) : -1;
}

int cli_check_platforms(const struct cli *cli, const char *text, bool all)
{
    struct cf_platform *platforms = NULL;
    size_t count = 0;

    if (!text)
        return -1;
    if (all)
        return cli_usage_error(cli, "--platform and --all-platforms exclude each other");
    int status = cli_read_platforms(cli, text, &platforms, &count);
    free(platforms);
    return status;
}

int cli_render(struct cf_store *store, const struct cf_image *image, const char *dir,
               const struct cli_list *env, struct cf_overrides *overrides, struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    int r = 0;

    for (size_t i = 0; i < env->count && r == 0; i++) {
        r = cf_override_env_add(&overrides->env, CF_OVERRIDE_ENV_COMMAND, env->items[i], err);
        if (r < 0)
            r = cf_fail_in(err, r, "--env");
    }
    if (r == 0)
        r = image ? cf_rootfs_open_image(store, image, &rootfs, err)
                  : cf_rootfs_open_dir(dir, &rootfs, err);
    return r < 0 ? r : cf_overrides_render(overrides, rootfs, err);
}
