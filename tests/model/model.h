/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same random operations on a mount and on a plain directory that began as its equal; what they
 * return, and what is there afterwards, must be the same. Side 0 is the plain directory, 1 the
 * mount.
 */
#ifndef CLOUDFS_TEST_MODEL_H
#define CLOUDFS_TEST_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define PATH_ROOM 2048
#define FILES 8
#define LISTINGS 3
#define DIRECTORIES 4
#define TOUCHED 4096
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct listing {  /* a directory that is read in pieces, on the mount only */
    int fd;       /* -1: free */
    int plain;    /* the same directory on the other side */
    char *before; /* names, one a line, when it was opened */
    char *seen;
    unsigned long since; /* operation */
};

struct model {
    const char *path[2];
    int root[2];
    bool user; /* not root: no owners, no devices */
    uint64_t random, seed;
    unsigned long number; /* of the operation */
    char op[3 * PATH_ROOM];
    long result[2];
    int error[2];
    struct {
        int fd[2]; /* -1: free */
        int flags;
    } file[FILES];
    int directory[DIRECTORIES][2];
    struct listing listing[LISTINGS];
    struct { /* names that operations were about; for what listings may leave out */
        unsigned long when;
        char name[256];
    } touched[TOUCHED];
    unsigned touched_count;
    time_t start; /* later times are those of operations */
    bool exact;   /* compare: the times of both sides are one clock's */
    bool adopt;   /* compare: directories of the plain side get the mount's mtimes */
    bool log;
};

unsigned pick(struct model *m, unsigned below);
__attribute__((format(printf, 2, 3))) void say(struct model *m, const char *format, ...);
/* Tells seed, number and operation, and what is wrong, and ends the program. */
__attribute__((format(printf, 2, 3), noreturn)) void wrong(struct model *m, const char *format,
                                                           ...);
/* Compares what both sides returned. */
void check(struct model *m);

/* Does CALL for s = 0 and 1, and compares results and errors. */
#define BOTH(m, call)                                       \
    do {                                                    \
        for (int s = 0; s < 2; s++) {                       \
            (m)->result[s] = (long)(call);                  \
            (m)->error[s] = (m)->result[s] < 0 ? errno : 0; \
        }                                                   \
        check(m);                                           \
    } while (0)

/* A path of something that is there, or that may be; never empty. */
void random_path(struct model *m, char path[PATH_ROOM]);
void touch(struct model *m, const char *path);
/* Names of a directory, one a line, sorted; NULL: it cannot be read. The caller frees it. */
char *list_names(int fd);

/* What is at a path on both sides, its data and xattrs too when WHOLE. */
void compare_path(struct model *m, const char *path, bool whole);
void compare_stat(struct model *m, const char *what, const struct stat st[2]);
/* Everything, link groups included. */
void compare_trees(struct model *m);
bool inodes_load(const char *file);
void inodes_save(const char *file);

/* One operation of each kind. */
void op_file(struct model *m);
void op_name(struct model *m);
void op_attribute(struct model *m);
void op_listing(struct model *m);
void close_all(struct model *m);
void make_tree(struct model *m, const char *path);

#endif
