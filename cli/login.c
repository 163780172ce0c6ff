/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "registry.h"

#include <cloudfs/io.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_MAX = 64 << 10 };

static int read_stdin(struct cf_buf *ret_password, struct cf_error *err)
{
    int r = cf_read_fd(STDIN_FILENO, PASSWORD_MAX, ret_password);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the password from standard input");
    while (ret_password->len > 0 && strchr("\r\n", ret_password->data[ret_password->len - 1]))
        ret_password->data[--ret_password->len] = '\0';
    return 0;
}

/* Asks on the terminal; secret: without an echo. */
static int ask(const char *question, bool secret, struct cf_buf *ret_text, struct cf_error *err)
{
    struct termios old, quiet;
    char c = 0;
    const bool has_old = tcgetattr(STDIN_FILENO, &old) == 0;
    fprintf(stderr, "%s", question);
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    if (secret && has_old)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    ssize_t n;
    while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n' && ret_text->len < PASSWORD_MAX)
        (void)cf_buf_add_char(ret_text, c);
    if (secret && has_old) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    return ret_text->len > 0 ? 0 : cf_fail(err, -EINVAL, "nothing was typed");
}

/* -1 to go on, else the exit status. */
static int find_secret(const struct cli *cli, bool from_stdin, const char **user,
                       const char *password, struct cf_buf *user_text, struct cf_buf *secret)
{
    struct cf_error err = {0};
    if (from_stdin && password)
        return cli_usage_error(cli, "--password and --password-stdin exclude each other");
    if (from_stdin && !*user)
        return cli_usage_error(cli, "--password-stdin needs -u USER");
    if (!from_stdin && !(password && *user) && !isatty(STDIN_FILENO))
        return cli_usage_error(cli, "-u USER and --password-stdin are needed where there is no "
                                    "terminal to ask on");
    int r = *user ? 0 : ask("Username: ", false, user_text, &err);
    if (r == 0 && !*user)
        *user = user_text->data;
    if (r == 0 && from_stdin)
        r = read_stdin(secret, &err);
    else if (r == 0 && password)
        r = cf_buf_add_str(secret, password);
    else if (r == 0)
        r = ask("Password: ", true, secret, &err);
    if (r == 0 && secret->len == 0)
        r = cf_fail(&err, -EINVAL, "the password is empty");
    return r < 0 ? cli_failed(&err) : -1;
}

int cli_login(struct cli *cli, int argc, char **argv)
{
    const char *user = NULL, *password = NULL;
    bool from_stdin = false;
    struct cli_registry_options own = {0};
    const struct cli_option options[] = {
        {'u', "username", "USER", CLI_STRING, &user, "the account; asked for if not given"},
        {'p', "password", "PASS", CLI_STRING, &password,
         "its password; others see it in the list of processes"},
        {0, "password-stdin", NULL, CLI_FLAG, &from_stdin, "read the password from stdin"},
        CLI_REGISTRY_OPTIONS(own),
        {0},
    };
    struct cf_error err = {0};
    struct cf_registry *registry cf_cleanup(cf_registry_close_ptr) = NULL;
    struct cf_buf user_text cf_autobuf = CF_BUF_INIT, secret cf_autobuf = CF_BUF_INIT;
    char *path cf_autofree = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    if (status < 0)
        status = find_secret(cli, from_stdin, &user, password, &user_text, &secret);
    if (status < 0)
        status = cli_registry_open(cli, &own, &registry);
    if (status >= 0)
        return status;
    int r = cf_registry_login(registry, argv[0], user, secret.data, &path, &err);
    explicit_bzero(secret.data, secret.len);
    if (r < 0)
        return cli_failed(&err);
    if (cli->json) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
        (void)cf_json_set_string(json, "Registry", argv[0]);
        (void)cf_json_set_string(json, "Username", user);
        (void)cf_json_set_string(json, "File", path);
        if (cli_put_json(json, &err) < 0)
            return cli_failed(&err);
    } else if (!cli->quiet) {
        printf("Logged in to %s as %s; kept in %s\n", argv[0], user, path);
    }
    return cli_finish(CLI_OK);
}
