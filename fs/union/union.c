/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a union. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "internal.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define INDEX "index"

void cf_union_close(struct cf_union *u)
{
    if (!u)
        return;
    cf_dirfds_done(u);
    cf_table_done(u);
    const int fds[] = {u->index_fd, u->upper_fd, u->work_fd, u->lock_fd};
    for (size_t i = 0; i < CF_COUNT(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    (void)pthread_rwlock_destroy(&u->ns);
    (void)pthread_mutex_destroy(&u->table);
    (void)pthread_mutex_destroy(&u->dirfds);
    (void)pthread_mutex_destroy(&u->gate);
    (void)pthread_cond_destroy(&u->gate_open);
    for (size_t i = 0; i < CF_STRIPES; i++)
        (void)pthread_mutex_destroy(&u->stripes[i]);
    free(u);
}

bool cf_union_is_read_only(const struct cf_union *u)
{
    return u->read_only;
}

void cf_union_trim(struct cf_union *u)
{
    cf_lower_trim(u);
}

static void init_locks(struct cf_union *u)
{
    pthread_rwlockattr_t attr;
    (void)pthread_rwlockattr_init(&attr);
    /* changes must not starve behind an endless flow of lookups */
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&u->ns, &attr);
    (void)pthread_rwlockattr_destroy(&attr);
    (void)pthread_mutex_init(&u->table, NULL);
    (void)pthread_mutex_init(&u->dirfds, NULL);
    (void)pthread_mutex_init(&u->gate, NULL);
    (void)pthread_cond_init(&u->gate_open, NULL);
    for (size_t i = 0; i < CF_STRIPES; i++)
        (void)pthread_mutex_init(&u->stripes[i], NULL);
}

#define PATIENCE_STEP_MS 10

static int lock_upper(struct cf_union *u, unsigned patience, struct cf_error *err)
{
    u->lock_fd = openat(u->work_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (u->lock_fd < 0)
        return cf_fail_errno(err, errno, "open the lock in the work directory");
    int r;
    for (unsigned waited = 0;; waited += PATIENCE_STEP_MS) {
        r = flock(u->lock_fd, LOCK_EX | LOCK_NB) ? errno : 0;
        if (r != EWOULDBLOCK || waited >= patience)
            break;
        (void)usleep(PATIENCE_STEP_MS * 1000);
    }
    if (r == EWOULDBLOCK)
        return cf_fail(err, -EBUSY, "the upper directory is in use by another mount");
    return r ? cf_fail_errno(err, r, "lock the work directory") : 0;
}

static int open_directories(struct cf_union *u, const struct cf_union_options *options,
                            struct cf_error *err)
{
    u->upper_fd = openat(options->upper_fd, ".", OPEN_DIR);
    if (u->upper_fd < 0)
        return cf_fail_errno(err, errno, "open the upper directory");
    u->work_fd = openat(options->work_fd, ".", OPEN_DIR);
    if (u->work_fd < 0)
        return cf_fail_errno(err, errno, "open the work directory");
    int r = lock_upper(u, options->patience, err);
    if (r)
        return r;
    if (mkdirat(u->work_fd, INDEX, 0700) && errno != EEXIST)
        return cf_fail_errno(err, errno, "make the index in the work directory");
    u->index_fd = openat(u->work_fd, INDEX, OPEN_DIR | O_NOFOLLOW);
    if (u->index_fd < 0)
        return cf_fail_errno(err, errno, "open the index in the work directory");
    r = u->user ? 0 : cf_upper_unsettle(u->upper_fd);
    if (r && r != -EOPNOTSUPP && r != -EPERM)
        return cf_fail_errno(err, -r, "prepare the upper directory");
    return cf_upper_prepare(u, err);
}

int cf_union_open(const struct cf_union_options *options, struct cf_union **ret_union,
                  struct cf_error *err)
{
    struct cf_union *u cf_cleanup(cf_union_close_ptr) = calloc(1, sizeof(*u));
    if (!u)
        return cf_fail(err, -ENOMEM, "out of memory");
    u->lower = options->lower;
    u->stack = options->stack;
    u->no_sync = options->no_sync;
    u->objects_fd = options->objects_fd;
    u->upper_fd = u->work_fd = u->index_fd = u->lock_fd = -1;
    u->user = options->user_xattrs;
    u->read_only = options->upper_fd < 0;
    u->uid = geteuid();
    u->real_owners = options->real_owners && u->uid == 0;
    init_locks(u);
    cf_dirfds_init(u);
    int r = cf_table_init(u);
    if (r)
        return cf_fail(err, r, "out of memory");
    if (!u->read_only)
        r = open_directories(u, options, err);
    if (!r)
        *ret_union = CF_TAKE(u);
    return r;
}

int cf_union_statfs(struct cf_union *u, struct statvfs *ret_statfs)
{
    if (u->read_only) {
        int r = cf_lower_statfs(u, ret_statfs);
        if (r)
            return r;
    } else if (fstatvfs(u->upper_fd, ret_statfs)) {
        return -errno;
    }
    ret_statfs->f_namemax = CF_NAME_MAX;
    return 0;
}
