/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Whether /dev/fuse can be used, and why not. */
static const char *fuse_state(void)
{
    int fd cf_autoclose = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return "yes";
    return errno == ENOENT                     ? "no: /dev/fuse is missing (modprobe fuse)"
           : errno == EACCES || errno == EPERM ? "no: /dev/fuse may not be opened"
                                               : strerror(errno);
}

static const char *disk_type(int fd)
{
    static const struct {
        long magic;
        const char *name;
    } types[] = {{0xef53, "ext4"},      {0x58465342, "xfs"},       {0x9123683e, "btrfs"},
                 {0x01021994, "tmpfs"}, {0x794c7630, "overlayfs"}, {0x65735546, "fuse"},
                 {0xf2f52010, "f2fs"},  {0x2fc12fc1, "zfs"},       {0x6969, "nfs"}};
    struct statfs st;
    if (fstatfs(fd, &st) < 0)
        return "unknown";
    for (size_t i = 0; i < CF_COUNT(types); i++)
        if ((long)st.f_type == types[i].magic)
            return types[i].name;
    return "other";
}

int cli_info(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct utsname host;
    int status = cli_parse(cli, NULL, &argc, &argv, 0, 0);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    (void)uname(&host);
    const struct {
        const char *key, *value;
    } facts[] = {
        {"Version", CF_VERSION},
        {"Root", cf_store_root(store)},
        {"Disk", disk_type(cf_store_root_fd(store))},
        {"Kernel", host.release},
        {"Machine", host.machine},
        {"User", geteuid() ? "ordinary (user.overlay xattrs)" : "root (trusted.overlay xattrs)"},
        {"Fuse", fuse_state()},
    };
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    for (size_t i = 0; i < CF_COUNT(facts); i++) {
        (void)cf_json_set_string(json, facts[i].key, facts[i].value);
        if (!cli->json)
            printf("%-8s  %s\n", facts[i].key, facts[i].value);
    }
    status = cli->json && cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK;
    return cli_finish(status);
}
