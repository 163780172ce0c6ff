/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copy-up of content. A whole new file is made in work/, made durable, and renamed over what was
 * there: nothing (a lower file), or a metacopy. Only an inode with several names is filled where it
 * is, and counts as a metacopy until it is whole. So at any time it is the old content or the new.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

int cf_vnode_content(struct cf_union *u, struct cf_vnode *node, const struct cf_upper_entry *entry,
                     struct cf_data_source *ret_source)
{
    if (entry && entry->stub) {
        *ret_source = (struct cf_data_source){
            .kind = CF_DATA_OBJECT, .size = (uint64_t)entry->attr.st_size, .digest = entry->object};
        return 0;
    }
    if (node->nid == CF_NID_NONE)
        return -EIO;
    int r = cf_lower_content(u, node->nid, ret_source);
    if (!r && entry && (uint64_t)entry->attr.st_size < ret_source->size)
        ret_source->size = (uint64_t)entry->attr.st_size;
    return r;
}

static int copy_content(struct cf_union *u, const struct cf_data_source *content, int out,
                        int64_t size)
{
    size_t len = (uint64_t)size < content->size ? (size_t)size : (size_t)content->size;
    if (len == 0)
        return 0;
    int r;
    if (content->kind == CF_DATA_MEMORY) {
        r = cf_pwrite_full(out, content->data, len, 0);
    } else {
        int in cf_autoclose = cf_lower_open(u, content);
        if (in < 0)
            return in;
        r = cf_copy_data(in, 0, out, 0, len);
    }
    if (!r && !u->no_sync &&
        fdatasync(out)) /* before it takes the place of content that is durable */
        r = -errno;
    return r;
}

/* What is known of a file before its content is copied. */
struct job {
    struct cf_union *u;
    struct cf_vnode *node;
    int64_t size;                /* at most so much is wanted */
    bool lower;                  /* not in the upper yet */
    bool shared;                 /* several names, or none: to be filled where it is */
    struct cf_upper_entry entry; /* of a metacopy */
    struct stat disk;            /* the same as the disk says it */
    struct cf_data_source content;
};

static void job_done(struct job *job)
{
    cf_upper_entry_done(&job->entry);
}

/* 1: there is something to copy; 0: the content is in the upper already. */
static int look(struct job *job)
{
    struct cf_union *u = job->u;
    struct cf_vnode *node = job->node;
    CF_NS_SHARED(u);
    job->lower = !(node->flags & CF_VN_UPPER);
    job->shared = node->flags & (CF_VN_DELETED | CF_VN_INDEXED);
    if (job->lower) {
        int r = cf_vnode_content(u, node, NULL, &job->content);
        return r ? r : 1;
    }
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    int r = cf_vnode_place(u, node, &place);
    if (!r)
        r = cf_at_stat(place.fd, place.name, &job->disk);
    if (!r)
        r = cf_upper_read(place.fd, place.name, u->user, &job->entry);
    if (r || !job->entry.metacopy)
        return r;
    job->shared = job->shared || job->disk.st_nlink > 1;
    r = cf_vnode_content(u, node, &job->entry, &job->content);
    return r ? r : 1;
}

/* ---- a new file in work/ ---- */

/* A file that is cut off has a new mtime, at the same moment. */
static bool is_cut(const struct job *job)
{
    return job->size >= 0 && (uint64_t)job->size < job->content.size;
}

static int write_temp(struct job *job, const char *temp, const struct stat *st)
{
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (is_cut(job))
        times[1].tv_nsec = UTIME_NOW;
    int out cf_autoclose = cf_at_open(job->u->work_fd, temp, O_WRONLY);
    if (out < 0)
        return out;
    int r = copy_content(job->u, &job->content, out, job->size);
    return r ? r : cf_at_utimens(out, "", times);
}

static int make_temp(struct job *job, const char *temp)
{
    struct cf_union *u = job->u;
    struct stat st;
    if (job->lower) {
        int r = cf_lower_stat(u, job->node->nid, &st);
        if (!r)
            r = cf_copy_make(u, job->node, temp, false);
        return r ? r : write_temp(job, temp, &st);
    }
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    {
        CF_NS_SHARED(u);
        int r = cf_vnode_place(u, job->node, &place);
        if (!r)
            r = cf_upper_clone(u, place.fd, place.name, temp, job->node->ino);
        if (r)
            return r;
    }
    return write_temp(job, temp, &job->entry.attr);
}

/* Whether the file is still what it was when look saw it. ns held. */
static bool is_unchanged(struct job *job)
{
    if (job->lower)
        return !(job->node->flags & (CF_VN_UPPER | CF_VN_DELETED));
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    struct stat st;
    return !(job->node->flags & CF_VN_DELETED) && cf_vnode_place(job->u, job->node, &place) == 0 &&
           cf_at_stat(place.fd, place.name, &st) == 0 && st.st_ino == job->disk.st_ino &&
           st.st_nlink == 1;
}

/* 1: names changed meanwhile, look again. */
static int publish(struct job *job, const char *temp)
{
    CF_NS_EXCLUSIVE(job->u);
    if (!is_unchanged(job))
        return 1;
    int r = job->lower ? cf_copy_up(job->u, job->node->parent) : 0;
    return r ? r : cf_copy_settle(job->u, job->node, temp, false);
}

static int replace(struct job *job)
{
    char temp[24];
    cf_work_name(job->u, temp);
    int r = make_temp(job, temp);
    if (!r)
        r = publish(job, temp);
    if (r)
        cf_work_drop(job->u, temp);
    return r;
}

/* ---- an inode that has to stay ---- */

static int fill(struct job *job)
{
    struct cf_union *u = job->u;
    if (job->lower) {
        int r = cf_copy_up_locked(u, job->node);
        return r ? r : 1;
    }
    int out cf_autoclose = -1;
    {
        CF_NS_SHARED(u);
        struct cf_place place cf_autoplace = CF_PLACE_INIT;
        int r = cf_vnode_place(u, job->node, &place);
        if (r)
            return r;
        out = cf_at_open(place.fd, place.name, O_WRONLY);
        if (out < 0)
            return out;
    }
    struct timespec times[2] = {job->disk.st_atim, job->entry.attr.st_mtim};
    bool cut = is_cut(job);
    int r = cut ? 0 : cf_upper_set_mtime(u, out, "", &times[1]); /* should we be killed meanwhile */
    if (cut)
        times[1].tv_nsec = UTIME_NOW;
    if (cut && ftruncate(out, job->size)) /* a cut-off metacopy is cut-off content */
        r = -errno;
    if (!r)
        r = copy_content(u, &job->content, out, job->size);
    if (!r)
        r = cf_at_utimens(out, "", times);
    if (!r)
        r = cf_upper_clear_metacopy(u, out, "");
    if (!r)
        job->node->version++;
    return r;
}

int cf_copy_up_data(struct cf_union *u, struct cf_vnode *node, int64_t size)
{
    for (;;) {
        struct job job cf_cleanup(job_done) = {.u = u, .node = node, .size = size};
        int r = look(&job);
        if (r <= 0)
            return r;
        r = job.shared ? fill(&job) : replace(&job);
        if (r <= 0)
            return r;
    }
}
