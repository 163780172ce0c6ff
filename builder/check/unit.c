/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd units: the programs that they start must come with the rootfs, or be the system's own.
 * Source: systemd.service(5), "Command lines".
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

/* What any system has, as far as units of a cluster use it. */
static const char *const system_programs[] = {
    "arptables",
    "awk",
    "basename",
    "bash",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "curl",
    "cut",
    "date",
    "dash",
    "dirname",
    "ebtables",
    "echo",
    "env",
    "false",
    "find",
    "firewall-cmd",
    "grep",
    "head",
    "hostname",
    "hostnamectl",
    "id",
    "install",
    "ip",
    "ip6tables",
    "ip6tables-restore",
    "iptables",
    "iptables-restore",
    "ipset",
    "ipvsadm",
    "journalctl",
    "kill",
    "killall",
    "ln",
    "logger",
    "losetup",
    "ls",
    "lsmod",
    "mkdir",
    "mkfs.ext4",
    "mkfs.xfs",
    "mknod",
    "modprobe",
    "mount",
    "mv",
    "nft",
    "nsenter",
    "perl",
    "pgrep",
    "pidof",
    "pkill",
    "printf",
    "python",
    "python3",
    "readlink",
    "rm",
    "rmdir",
    "rmmod",
    "sed",
    "setenforce",
    "sh",
    "sleep",
    "stat",
    "su",
    "sudo",
    "swapoff",
    "swapon",
    "sysctl",
    "systemctl",
    "systemd-notify",
    "systemd-tmpfiles",
    "tail",
    "tar",
    "tc",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "udevadm",
    "umount",
    "uname",
    "update-alternatives",
    "wget",
    "xargs",
    "zsh",
};
/* What comes in the archives of cri/. */
static const char *const runtime_programs[] = {
    "containerd", "docker", "runc", "ctr", "cri-", "crio", "conmon", "crun", "nerdctl", "buildkit"};

static bool is_system(const char *name)
{
    for (size_t i = 0; i < CF_COUNT(system_programs); i++)
        if (!strcmp(name, system_programs[i]))
            return true;
    return false;
}

static int find_archive(const struct cf_rootfs_entry *entry, void *context)
{
    if (S_ISREG(entry->mode) && (strstr(entry->name, ".tar") || strstr(entry->name, ".tgz")))
        *(bool *)context = true;
    return 0;
}

static bool is_in_archive(struct cf_rootfs *whole, const char *name)
{
    bool has = false;

    for (size_t i = 0; i < CF_COUNT(runtime_programs) && !has; i++)
        if (!strncmp(name, runtime_programs[i], strlen(runtime_programs[i])))
            (void)cf_rootfs_walk(whole, "cri", find_archive, &has, NULL);
    return has;
}

static bool is_there(struct checking *checking, const char *path, const char *name)
{
    static const char *const dirs[] = {"bin", "scripts", "cri", "opt", "etc", "plugins"};
    struct cf_rootfs *whole = cf_check_whole(checking);
    mode_t mode = 0;
    bool found = !whole || cf_rootfs_look(whole, path + strspn(path, "/"), &mode, NULL) == 0;

    for (size_t i = 0; i < CF_COUNT(dirs) && !found; i++) {
        struct cf_buf at cf_autobuf = CF_BUF_INIT;
        if (cf_buf_printf(&at, "%s/%s", dirs[i], name) < 0)
            return true;
        found = cf_rootfs_look(whole, at.data, &mode, NULL) == 0;
    }
    return found || is_in_archive(whole, name);
}

/* "ExecStart=-/usr/bin/kubelet --config=...": the program. */
static void check_command(struct checking *checking, const char *line, size_t len, size_t number)
{
    size_t skip = strspn(line, " \t");

    skip += strspn(line + skip, "-@:+!|");
    if (skip >= len || line[skip] != '/')
        return; /* found by the system's PATH, or none at all */
    size_t end = skip + strcspn(line + skip, " \t\r\n");
    char *path cf_autofree = strndup(line + skip, (end < len ? end : len) - skip);
    const char *name = path ? strrchr(path, '/') + 1 : "";
    if (!path || !*name || strpbrk(path, "$%{\"'") || is_system(name) ||
        is_there(checking, path, name))
        return;
    cf_check_found(checking, CF_WARNING, CF_CHECK_UNIT, number,
                   "put it into bin/, or take the line away",
                   "the unit starts %s, which is not in the rootfs", path);
}

void cf_check_unit(struct checking *checking, const struct cf_buf *text)
{
    static const char *const keys[] = {"ExecStart=", "ExecStartPre=", "ExecStartPost="};
    size_t number = 1;

    for (const char *at = text->data; at && *at; number++) {
        const char *end = strchrnul(at, '\n');
        for (size_t i = 0; i < CF_COUNT(keys); i++)
            if (!strncmp(at, keys[i], strlen(keys[i]))) {
                const char *value = at + strlen(keys[i]);
                check_command(checking, value, (size_t)(end - value), number);
            }
        at = *end ? end + 1 : end;
    }
}
