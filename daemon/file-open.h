/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Opens files and directories that somebody else names, without waiting for anybody. */

#include <sys/stat.h>
#include <sys/types.h>

/* Opens a regular file for reading: the absolute path is looked up as process `pid` sees it (0: as
 * we do), without symbolic links. Returns an fd, and what is known of the file in `ret` (the device
 * is that of the whole file system, as mountinfo has it); -EXDEV where it is on a file system that
 * asks somebody else (FUSE, NFS) or that we don't know, -EAGAIN where the kernel would have to ask
 * its file system, another negative errno. */
int file_open(pid_t pid, const char *path, struct statx *ret);

/* Opens a directory on which something is mounted by an absolute path as `pid` (0: we) sees it,
 * without symbolic links, to be looked up from. -EXDEV where it is not on a file system of this
 * type, -EAGAIN where somebody would have to be asked for what is on the way. */
int mount_open(pid_t pid, const char *path, const char *type);
