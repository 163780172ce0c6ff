/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/scope.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cf_free_ptr(void *pointer_to_pointer)
{
    void *p;
    int saved = errno;
    memcpy(&p, pointer_to_pointer, sizeof(p));
    free(p);
    errno = saved;
}

void cf_close_fd(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1; /* so that closing early and a cleanup at the end go together */
    errno = saved;
}

void cf_closedir_ptr(void *pointer_to_dir)
{
    DIR *dir;
    int saved = errno;
    memcpy(&dir, pointer_to_dir, sizeof(dir));
    if (dir)
        (void)closedir(dir);
    errno = saved;
}
