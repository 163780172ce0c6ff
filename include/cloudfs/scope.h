/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope cleanup: an owning local is declared with one of these, initialised, and handed on with
 * a take macro. Destructors accept NULL (or -1).
 */
#ifndef CLOUDFS_SCOPE_H
#define CLOUDFS_SCOPE_H

#include <stddef.h>

/* cf_cleanup(fn): calls fn(&variable) at the end of the scope. */
#define cf_cleanup(fn) __attribute__((cleanup(fn)))

/* Frees with free(); closes a descriptor; closes a DIR. errno is kept. */
#define cf_autofree cf_cleanup(cf_free_ptr)
#define cf_autoclose cf_cleanup(cf_close_fd)
#define cf_autoclosedir cf_cleanup(cf_closedir_ptr)

void cf_free_ptr(void *pointer_to_pointer);
void cf_close_fd(int *fd);
void cf_closedir_ptr(void *pointer_to_dir);

/*
 * CF_DEFINE_CLEANUP(struct cf_tree *, cf_tree_close) defines cf_tree_close_ptr(), for
 * cf_cleanup(cf_tree_close_ptr). Put it in the header of the type.
 */
#define CF_DEFINE_CLEANUP(type, fn)      \
    static inline void fn##_ptr(type *p) \
    {                                    \
        if (*p)                          \
            fn(*p);                      \
    }

/* Hands ownership on: the value of the variable, which is left NULL (or -1). */
#define CF_TAKE(p)                   \
    __extension__({                  \
        __auto_type cf_taken_ = (p); \
        (p) = NULL;                  \
        cf_taken_;                   \
    })
#define CF_TAKE_FD(fd)        \
    __extension__({           \
        int cf_taken_ = (fd); \
        (fd) = -1;            \
        cf_taken_;            \
    })

#define CF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
