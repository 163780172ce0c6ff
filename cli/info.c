/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

static void put(const struct cli *cli, struct cf_json *json, const char *key, const char *value)
{
    (void)cf_json_set_string(json, key, value);
    if (!cli->json)
        printf("%-11s  %s\n", key, value);
}

static void put_number(const struct cli *cli, struct cf_json *json, const char *key, uint64_t value)
{
    (void)cf_json_set_int(json, key, (int64_t)value);
    if (!cli->json)
        printf("%-11s  %" PRIu64 "\n", key, value);
}

static void put_features(const struct cli *cli, struct cf_json *json, uint32_t features)
{
    static const struct {
        uint32_t bit;
        const char *key;
    } names[] = {{CF_TRANSPORT_READDIRPLUS, "Readdirplus"},
                 {CF_TRANSPORT_KILLPRIV, "Killpriv"},
                 {CF_TRANSPORT_PARALLEL_DIROPS, "Paralleldir"},
                 {CF_TRANSPORT_NO_OPENDIR, "Noopendir"},
                 {CF_TRANSPORT_IDMAP, "Idmap"},
                 {CF_TRANSPORT_POSIX_ACL, "Acl"},
                 {CF_TRANSPORT_WRITEBACK, "Writeback"}};
    for (size_t i = 0; i < CF_COUNT(names); i++)
        put(cli, json, names[i].key, features & names[i].bit ? "yes" : "no");
}

/* Only with --json: for tests and the curious. */
static void put_requests(struct cf_json *json, const struct cf_ioctl_transport *transport)
{
    struct cf_json *requests = cf_json_object();
    for (unsigned int i = 0; i < CF_OPCODES; i++)
        if (transport->requests[i] && cf_transport_request_name(i))
            (void)cf_json_set_int(requests, cf_transport_request_name(i),
                                  (int64_t)transport->requests[i]);
    (void)cf_json_set(json, "Requests", requests);
}

static int put_mount(struct cli *cli, const char *text, struct cf_json *json, struct cf_error *err)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_ioctl_transport t = {0};
    int r = cli_mount_open(cli, text, &store, &mount, err);
    if (r == 0)
        r = cf_mount_transport(mount, &t, err);
    if (r < 0)
        return r;
    put(cli, json, "Mount", mount->id);
    put(cli, json, "Libfuse", t.libfuse);
    put(cli, json, "Passthrough", t.passthrough);
    put(cli, json, "Io_uring", t.io_uring);
    put_features(cli, json, t.features);
    put_number(cli, json, "Threads", t.threads);
    put_number(cli, json, "Readahead", t.max_readahead);
    put_number(cli, json, "Maxwrite", t.max_write);
    put_requests(json, &t);
    return 0;
}

static int put_machine(struct cli *cli, struct cf_json *json, struct cf_error *err)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct utsname host;
    int r = cli_open_store(cli, 0, &store, err);
    if (r < 0)
        return r;
    (void)uname(&host);
    put(cli, json, "Version", CF_VERSION);
    put(cli, json, "Root", cf_store_root(store));
    put(cli, json, "Disk", disk_type(cf_store_root_fd(store)));
    put(cli, json, "Kernel", host.release);
    put(cli, json, "Machine", host.machine);
    put(cli, json, "User",
        geteuid() ? "ordinary (user.overlay xattrs)" : "root (trusted.overlay xattrs)");
    put(cli, json, "Fuse", fuse_state());
    return 0;
}

int cli_info(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    int status = cli_parse(cli, NULL, &argc, &argv, 0, 1);
    if (status >= 0)
        return status;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    if ((argc ? put_mount(cli, argv[0], json, &err) : put_machine(cli, json, &err)) < 0)
        return cli_failed(&err);
    status = cli->json && cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK;
    return cli_finish(status);
}
