/* SPDX-License-Identifier: Apache-2.0 */
/* What is agreed on with the kernel in INIT: all that kernel, libfuse and privileges offer is used.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/scope.h>

#include "engine.h"

#define MAX_WRITE (1u << 20)
/* The kernel's own choice is 128 KiB: one request at a time is on its way then. */
#define READAHEAD_KIB 4096u
#define INIT_USER_NS 0xEFFFFFFDu /* PROC_USER_INIT_INO */

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
static bool want(struct fuse_conn_info *conn, uint64_t flag)
{
    return fuse_set_feature_flag(conn, flag);
}
#else
static bool want(struct fuse_conn_info *conn, unsigned int flag)
{
    conn->want |= conn->capable & flag;
    return conn->capable & flag;
}
#endif

#ifdef FUSE_CAP_PASSTHROUGH
/* Backing files may only be named with CAP_SYS_ADMIN in the first user namespace. */
static bool is_privileged(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    struct stat st;

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[0].effective & (1u << CAP_SYS_ADMIN)) != 0 &&
           stat("/proc/self/ns/user", &st) == 0 && st.st_ino == INIT_USER_NS;
}
#endif

/* NULL, or why not. */
static const char *start_passthrough(struct cf_engine *engine, struct fuse_conn_info *conn)
{
    if (cf_union_is_read_only(engine->u))
        return "nothing is written here";
#ifdef FUSE_CAP_PASSTHROUGH
    if (!is_privileged())
        return "needs CAP_SYS_ADMIN, outside of a user namespace";
    if (!want(conn, FUSE_CAP_PASSTHROUGH))
        return "the kernel has none (6.9 or later)";
    return cf_passthrough_init(engine) ? NULL : "out of memory";
#else
    (void)conn;
    return "built with a libfuse that has none (3.17 or later)";
#endif
}

/* A request may be answered later, by another thread: the rings of libfuse 3.18 cannot do that. */
static const char *uring_state(void)
{
    return access("/sys/module/fuse/parameters/enable_uring", F_OK) < 0
               ? "the kernel has none (6.14 or later)"
               : "a freeze needs requests that wait, which libfuse's rings cannot set aside";
}

static void set_state(char *ret, size_t size, const char *why_not)
{
    (void)snprintf(ret, size, "%s%s", why_not ? "no: " : "yes", why_not ? why_not : "");
}

void cf_engine_init(struct cf_engine *engine, struct fuse_conn_info *conn)
{
    struct cf_ioctl_transport *t = &engine->transport;

    conn->want = 0; /* none of libfuse's own choices */
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    conn->want_ext = 0;
#endif
    want(conn, FUSE_CAP_ASYNC_READ);
    want(conn, FUSE_CAP_ATOMIC_O_TRUNC);
    want(conn, FUSE_CAP_EXPORT_SUPPORT);
    want(conn, FUSE_CAP_DONT_MASK);
    want(conn, FUSE_CAP_IOCTL_DIR);
    want(conn, FUSE_CAP_ASYNC_DIO);
    want(conn, FUSE_CAP_CACHE_SYMLINKS);
    want(conn, FUSE_CAP_EXPLICIT_INVAL_DATA);
    if (!engine->unchecked && want(conn, FUSE_CAP_POSIX_ACL)) /* the kernel checks, then */
        t->features |= CF_TRANSPORT_POSIX_ACL;
    if (want(conn, FUSE_CAP_READDIRPLUS))
        t->features |= CF_TRANSPORT_READDIRPLUS;
#ifdef FUSE_CAP_NO_OPENDIR_SUPPORT
    if (want(conn, FUSE_CAP_NO_OPENDIR_SUPPORT))
        t->features |= CF_TRANSPORT_NO_OPENDIR;
#endif
    if (want(conn, FUSE_CAP_PARALLEL_DIROPS))
        t->features |= CF_TRANSPORT_PARALLEL_DIROPS;
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
    if (want(conn, FUSE_CAP_HANDLE_KILLPRIV_V2))
        t->features |= CF_TRANSPORT_KILLPRIV;
#endif
    conn->max_write = MAX_WRITE;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    conn->time_gran = 1;
    set_state(t->passthrough, sizeof(t->passthrough), start_passthrough(engine, conn));
    set_state(t->io_uring, sizeof(t->io_uring), uring_state());
    (void)snprintf(t->libfuse, sizeof(t->libfuse), "%s", fuse_pkgversion());
    t->max_write = conn->max_write;
    engine->max_readahead = conn->max_readahead;
}

/* FUSE_ALLOW_IDMAP, Linux 6.12 (include/uapi/linux/fuse.h): bit 40 of the flags. The kernel refuses
 * it where it does not check permissions itself. */
#define ALLOW_IDMAP (1u << (40 - 32))

void cf_engine_amend_init(struct cf_engine *engine, const void *request, void *reply, size_t size)
{
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2 /* else OPEN needs the caller's ids */
    const struct fuse_init_in *in =
        (const void *)((const char *)request + sizeof(struct fuse_in_header));
    struct fuse_init_out *out = (void *)((char *)reply + sizeof(struct fuse_out_header));
    const size_t need = sizeof(struct fuse_out_header) + sizeof(*out);

    if (engine->unchecked || size < need || ((const struct fuse_out_header *)reply)->error ||
        !(in->flags & FUSE_INIT_EXT) || !(in->flags2 & ALLOW_IDMAP))
        return;
    out->flags |= FUSE_INIT_EXT;
    out->flags2 |= ALLOW_IDMAP;
    engine->transport.features |= CF_TRANSPORT_IDMAP;
#else
    (void)engine, (void)request, (void)reply, (void)size;
#endif
}

static bool same_user_ns(pid_t pid)
{
    struct stat own, other;
    char path[48];
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    return stat(path, &other) == 0 && stat("/proc/self/ns/user", &own) == 0 &&
           own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

bool cf_engine_is_capable(fuse_req_t req, unsigned int capability)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    unsigned long long effective = 0;
    char path[48], line[128];

    if (ctx->uid != (uid_t)-1)
        return ctx->uid == 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", ctx->pid);
    FILE *status = ctx->pid > 0 ? fopen(path, "re") : NULL;
    if (!status)
        return false;
    while (fgets(line, sizeof(line), status) && sscanf(line, "CapEff: %llx", &effective) != 1)
        ;
    (void)fclose(status);
    return effective >> capability & 1 && same_user_ns(ctx->pid);
}

/* The kernel does not let INIT ask for more than it offers; root may set it in sysfs. */
void cf_engine_read_far_ahead(struct cf_engine *engine)
{
    struct statx st;
    char path[64], text[16];

    if (geteuid() != 0 || statx(AT_FDCWD, engine->mountpoint,
                                AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, 0, &st))
        return;
    (void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", st.stx_dev_major,
                   st.stx_dev_minor);
    int fd cf_autoclose = open(path, O_WRONLY | O_CLOEXEC);
    int len = snprintf(text, sizeof(text), "%u", READAHEAD_KIB);
    if (fd >= 0 && write(fd, text, (size_t)len) == len)
        engine->max_readahead = READAHEAD_KIB << 10;
}
