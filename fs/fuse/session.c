/* SPDX-License-Identifier: Apache-2.0 */
/* A session: what is agreed on with the kernel, the workers, and the end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/pipeline.h>
#include <cloudfs/scope.h>

#include "engine.h"

#define THREADS_DEFAULT 4
#define THREADS_MAX 64
/* For INIT: the kernel wants at least 8 KiB of room. */
#define INIT_ROOM (64u << 10)
/* Requests of a worker between two trims: some 10 MiB of a tree, as readdirplus walks it. */
#define TRIM_PERIOD 512u

CF_DEFINE_CLEANUP(struct fuse_session *, fuse_session_destroy)

struct cf_engine *cf_engine_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

struct cf_union *cf_engine_union(fuse_req_t req)
{
    return cf_engine_of(req)->u;
}

struct cf_caller cf_engine_caller(fuse_req_t req)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    return (struct cf_caller){.uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask};
}

struct cf_handle *cf_engine_handle(const struct fuse_file_info *fi)
{
    return (struct cf_handle *)(uintptr_t)fi->fh;
}

void cf_engine_reply(fuse_req_t req, int r)
{
    (void)fuse_reply_err(req, -r);
}

static __thread char *buffer;
static __thread size_t buffer_size;

char *cf_engine_buffer(size_t size)
{
    if (size > buffer_size) {
        free(buffer);
        buffer = malloc(size);
        buffer_size = buffer ? size : 0;
    }
    return buffer;
}

static void drop_buffer(void)
{
    free(buffer);
    buffer = NULL;
    buffer_size = 0;
}

/* Of the request that this thread works on. */
static __thread bool kill_priv;

bool cf_engine_kill_priv(void)
{
    return kill_priv;
}

void cf_engine_note_request(struct cf_engine *engine, const struct fuse_buf *buf)
{
    const struct fuse_in_header *header = buf->mem;
    kill_priv = false;
    if (buf->size >= sizeof(*header) && header->opcode < CF_OPCODES)
        atomic_fetch_add_explicit(&engine->requests[header->opcode], 1, memory_order_relaxed);
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
    const struct fuse_write_in *write_in = (const void *)(header + 1);
    const struct fuse_open_in *open_in = (const void *)(header + 1);
    if (buf->size < sizeof(*header) + sizeof(*open_in))
        return;
    if (header->opcode == FUSE_OPEN)
        kill_priv = open_in->open_flags & FUSE_OPEN_KILL_SUIDGID;
    else if (header->opcode == FUSE_WRITE && buf->size >= sizeof(*header) + sizeof(*write_in))
        kill_priv = write_in->write_flags & FUSE_WRITE_KILL_SUIDGID;
#else
    /* The kernel clears them itself, but when a file is opened and truncated at once. */
    kill_priv = buf->size >= sizeof(*header) && header->opcode == FUSE_OPEN && header->uid != 0;
#endif
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct cf_engine *engine = userdata;
    cf_engine_init(engine, conn);
    engine->initialised = true;
}

/* Also cut short by a signal that nobody blocks: tried again. */
static int receive(struct cf_engine *engine, struct fuse_buf *buf)
{
    int r;
    do
        r = fuse_session_receive_buf(engine->session, buf);
    while (r == -EINTR && !fuse_session_exited(engine->session));
    return r;
}

struct worker {
    struct cf_engine *engine;
    int done_fd; /* an eventfd that counts the workers that have ended */
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct cf_engine *engine = worker->engine;
    struct fuse_buf buf = {0};
    const uint64_t one = 1;
    unsigned int requests = 0;

    while (receive(engine, &buf) > 0) {
        if (++requests % TRIM_PERIOD == 0)
            cf_union_trim(engine->u);
        if (cf_engine_park(engine, &buf))
            continue;
        cf_engine_note_request(engine, &buf);
        fuse_session_process_buf(engine->session, &buf);
    }
    free(buf.mem);
    drop_buffer();
    if (write(worker->done_fd, &one, sizeof(one)) < 0)
        cf_log(CF_LOG_ERROR, "cannot tell that a worker has ended: %s", strerror(errno));
    return NULL;
}

/* What libfuse answers to INIT comes here first: cf_engine_amend_init. */
struct init_talk {
    int device_fd; /* the kernel */
    int libfuse_fd;
    char request[INIT_ROOM];
    char reply[256];
};

static int forward_reply(struct cf_engine *engine, struct init_talk *talk)
{
    ssize_t n = recv(talk->libfuse_fd, talk->reply, sizeof(talk->reply), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (engine->initialised)
        cf_engine_amend_init(engine, talk->request, talk->reply, (size_t)n);
    return write(talk->device_fd, talk->reply, (size_t)n) < 0 ? -errno : 0;
}

/* INIT is answered by this thread alone, before there are others. */
static int answer_init(struct cf_engine *engine, struct init_talk *talk, struct cf_error *err)
{
    int r = 0;

    while (r == 0 && !engine->initialised) {
        ssize_t n = read(talk->device_fd, talk->request, sizeof(talk->request));
        if (n < 0 && errno == EINTR)
            continue;
        struct fuse_buf buf = {.mem = talk->request, .size = n > 0 ? (size_t)n : 0};
        r = n > 0 ? 0 : n < 0 ? -errno : -ENODEV;
        if (r == 0) {
            fuse_session_process_buf(engine->session, &buf);
            r = forward_reply(engine, talk);
        }
    }
    if (r < 0 || fuse_session_exited(engine->session))
        return cf_fail(err, r < 0 ? r : -EPROTO,
                       "the kernel and libfuse do not agree on a protocol");
    return 0;
}

static void end_by_signal(struct cf_engine *engine, int signal_fd, unsigned int *times)
{
    struct signalfd_siginfo info;
    struct cf_error err = {0};

    if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    cf_log(CF_LOG_INFO, "got signal %u: unmounting", info.ssi_signo);
    if ((*times)++) {
        cf_log(CF_LOG_WARN, "second signal: files that are still open are cut off");
        _exit(1);
    }
    if (cf_fuse_unmount(engine->mountpoint, true, &err) < 0)
        cf_log(CF_LOG_ERROR, "%s", err.text);
}

/* Waits for the workers to end, which they do when the kernel lets go of the mount. */
static void wait_for_end(struct cf_engine *engine, int signal_fd, int done_fd, unsigned int workers)
{
    struct pollfd fds[] = {{.fd = done_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    unsigned int signals = 0;
    uint64_t ended = 0, n;

    while (ended < workers) {
        if (poll(fds, CF_COUNT(fds), -1) < 0 && errno != EINTR)
            break;
        if ((fds[1].revents & POLLIN) && ended < workers)
            end_by_signal(engine, signal_fd, &signals);
        if ((fds[0].revents & POLLIN) && read(done_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
            ended += n;
    }
}

static int serve(struct cf_engine *engine, const struct cf_fuse_session *session, int signal_fd,
                 struct cf_error *err)
{
    unsigned int wanted = session->threads ? session->threads : THREADS_DEFAULT, started = 0;
    struct worker workers[THREADS_MAX];
    int done_fd cf_autoclose = eventfd(0, EFD_CLOEXEC);

    int r = 0;
    if (done_fd < 0)
        return cf_fail_errno(err, errno, "cannot make an eventfd");
    while (started < wanted && started < THREADS_MAX) {
        struct worker *w = &workers[started];
        *w = (struct worker){.engine = engine, .done_fd = done_fd};
        r = cf_thread_start(&w->thread, work, w);
        if (r < 0)
            break;
        if (++started == 2 && session->ready) /* two can do anything: see freeze.c */
            session->ready(session->context);
    }
    if (started < 2)
        return cf_fail_errno(err, -r, "cannot start a thread");
    cf_engine_read_far_ahead(engine);
    wait_for_end(engine, signal_fd, done_fd, started);
    for (unsigned int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    return 0;
}

static void log_libfuse(enum fuse_log_level level, const char *format, va_list ap)
{
    char line[CF_LOG_LINE_SIZE];
    if (vsnprintf(line, sizeof(line), format, ap) < 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    cf_log(level <= FUSE_LOG_ERR       ? CF_LOG_ERROR
           : level <= FUSE_LOG_WARNING ? CF_LOG_WARN
           : level <= FUSE_LOG_INFO    ? CF_LOG_INFO
                                       : CF_LOG_DEBUG,
           "libfuse: %s", line);
}

/* Takes fd. */
static int new_session(struct cf_engine *engine, int fd, struct cf_error *err)
{
    struct fuse_lowlevel_ops ops = {.init = op_init};
    char *argv[] = {(char[]){"cloudfs"}, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    char path[32];

    cf_ops_names(&ops);
    cf_ops_inode(&ops);
    cf_ops_file(&ops);
    cf_ops_dir(&ops);
    fuse_set_log_func(log_libfuse);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), engine);
    fuse_opt_free_args(&args);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
    if (session && fuse_session_mount(session, path) == 0) {
        engine->session = session; /* which closes fd */
        return 0;
    }
    (void)close(fd);
    if (session)
        fuse_session_destroy(session);
    return session ? cf_fail(err, -EIO, "libfuse does not take an open /dev/fuse")
                   : cf_fail(err, -ENOMEM, "cannot make a FUSE session");
}

/* The session's descriptor is a socket until INIT is answered, and then device_fd. */
static int begin_session(struct cf_engine *engine, int device_fd, struct cf_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return cf_fail_errno(err, errno, "cannot make a socket");
    int libfuse_fd cf_autoclose = pair[1];
    struct init_talk *talk cf_autofree = calloc(1, sizeof(*talk));
    int r = new_session(engine, pair[0], err);
    if (r == 0 && !talk)
        r = cf_fail_errno(err, ENOMEM, "cannot make a FUSE session");
    if (r < 0)
        return r;
    talk->device_fd = device_fd;
    talk->libfuse_fd = libfuse_fd;
    r = answer_init(engine, talk, err);
    if (r == 0 && dup3(device_fd, fuse_session_fd(engine->session), O_CLOEXEC) < 0)
        r = cf_fail_errno(err, errno, "cannot give /dev/fuse to libfuse");
    return r;
}

/* Only attributes are dropped, so the kernel asks nothing before it returns. */
void cf_engine_drop_attributes(void *engine, uint64_t ino)
{
    struct cf_engine *e = engine;
    (void)fuse_lowlevel_notify_inval_inode(e->session, ino, -1, 0);
}

static int fill_info(struct cf_engine *engine, const struct cf_fuse_session *session,
                     struct cf_error *err)
{
    struct cf_ioctl_info *info = &engine->info;
    if (strlen(session->id) >= sizeof(info->id) || strlen(session->root) >= sizeof(info->root))
        return cf_fail(err, -ENAMETOOLONG, "the path of the store is longer than %zu bytes",
                       sizeof(info->root) - 1);
    info->pid = getpid();
    (void)snprintf(info->id, sizeof(info->id), "%s", session->id);
    (void)snprintf(info->root, sizeof(info->root), "%s", session->root);
    return 0;
}

static int run_session(struct cf_engine *engine, const struct cf_fuse_session *session,
                       struct cf_error *err)
{
    sigset_t ends, before;
    int fd cf_autoclose = session->fd;

    int r = fill_info(engine, session, err);
    if (r < 0)
        return r;
    r = begin_session(engine, fd, err);
    struct fuse_session *owned cf_cleanup(fuse_session_destroy_ptr) = engine->session;
    if (r < 0)
        return r;
    cf_close_fd(&fd); /* libfuse has its own */
    cf_union_set_changed(engine->u, cf_engine_drop_attributes, engine);
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &ends, &before);
    int signal_fd cf_autoclose = signalfd(-1, &ends, SFD_CLOEXEC);
    r = signal_fd < 0 ? cf_fail_errno(err, errno, "cannot make a signalfd")
                      : serve(engine, session, signal_fd, err);
    cf_engine_drop_parked(engine);
    cf_engine_drop_passes(engine);
    cf_passthrough_done(engine);
    cf_union_set_changed(engine->u, NULL, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

int cf_fuse_run(struct cf_union *u, const struct cf_fuse_session *session, struct cf_error *err)
{
    struct cf_engine engine = {
        .u = u, .mountpoint = session->mountpoint, .unchecked = session->unchecked};
    pthread_rwlockattr_t fair;

    engine.parked_end = &engine.parked;
    engine.transport.threads = session->threads ? session->threads : THREADS_DEFAULT;
    (void)pthread_rwlockattr_init(&fair); /* a freezer does not wait for ever */
    (void)pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&engine.opening, &fair);
    (void)pthread_rwlockattr_destroy(&fair);
    (void)pthread_mutex_init(&engine.lock, NULL);
    (void)pthread_mutex_init(&engine.opens, NULL);
    (void)pthread_mutex_init(&engine.passing, NULL);
    (void)pthread_cond_init(&engine.holding_changed, NULL);
    int r = run_session(&engine, session, err);
    (void)pthread_cond_destroy(&engine.holding_changed);
    (void)pthread_mutex_destroy(&engine.passing);
    (void)pthread_mutex_destroy(&engine.opens);
    (void)pthread_mutex_destroy(&engine.lock);
    (void)pthread_rwlock_destroy(&engine.opening);
    return r;
}
