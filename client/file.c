/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

static int write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t done = write(fd, data, n);
                if (done < 0 && errno != EINTR)
                        return -errno;
                if (done > 0) {
                        data += done;
                        n -= (size_t) done;
                }
        }

        return 0;
}

/* Permissions of a file that open() would make. */
static mode_t usual_mode(void) {
        mode_t mask = umask(0);

        umask(mask);
        return 0666 & ~mask;
}

/* What is no regular file cannot be replaced: a device, a pipe. */
static int write_into(const char *path, const char *data, size_t n) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : write_all(fd, data, n);
}

int file_write(const char *path, const void *data, size_t n) {
        _cleanup_free_ char *temporary = NULL, *target = NULL;
        struct stat st;

        if (strcmp(path, "-") == 0)
                return write_all(STDOUT_FILENO, data, n);
        if (stat(path, &st) >= 0 && !S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : write_into(path, data, n);

        target = realpath(path, NULL); /* a symbolic link stays one */
        if (asprintf(&temporary, "%s.XXXXXX", target ? target : path) < 0)
                return -ENOMEM;
        _cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;

        int r = write_all(fd, data, n);
        if (r >= 0 && (fchmod(fd, target ? st.st_mode & 0777 : usual_mode()) < 0 || fsync(fd) < 0 ||
                       rename(temporary, target ? target : path) < 0))
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);
        return r;
}
