/* SPDX-License-Identifier: Apache-2.0 */
/* docker-credential-NAME as a child: what it is told and what it says go through pipes. */
#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/scope.h>

enum { ANSWER_MAX = 1 << 20 };

static bool is_name(const char *name)
{
    return *name && strlen(name) < 200 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789._-")] == '\0';
}

static int start(const char *program, const char *action, int in, int out, pid_t *ret_pid)
{
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)action, NULL}; /* only read */
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawnp(ret_pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int talk(const char *program, const char *action, const char *input,
                struct cf_buf *ret_output, int *ret_status)
{
    int in[2], out[2];
    pid_t pid;
    if (pipe2(in, O_CLOEXEC) < 0)
        return -errno;
    int in_read cf_autoclose = in[0], in_write cf_autoclose = in[1];
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    int out_read cf_autoclose = out[0], out_write cf_autoclose = out[1];
    int r = start(program, action, in_read, out_write, &pid);
    if (r < 0)
        return r;
    cf_close_fd(&in_read);
    cf_close_fd(&out_write);
    in_read = out_write = -1;
    (void)cf_write_full(in_write, input, strlen(input)); /* less than a pipe holds */
    cf_close_fd(&in_write);
    in_write = -1;
    r = cf_read_fd(out_read, ANSWER_MAX, ret_output);
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return r;
}

int cf_credential_helper(const char *name, const char *action, const char *input,
                         struct cf_buf *ret_output, struct cf_error *err)
{
    char program[256];
    int status = 0;
    if (!is_name(name))
        return cf_fail(err, -EINVAL, "%s is no name of a credential helper", CF_QUOTE(name));
    (void)snprintf(program, sizeof program, "docker-credential-%s", name);
    int r = talk(program, action, input, ret_output, &status);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot run the credential helper %s", program);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (ret_output->data && strstr(ret_output->data, "credentials not found"))
        return -ENOENT;
    return cf_fail(err, -EACCES, "the credential helper %s failed", program);
}
