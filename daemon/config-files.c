/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "escape.h"
#include "util.h"

enum {
        SHOWN_BYTES = 512,
};

static _printf_(3, 4) void complain_file(const struct config_file_sink *sink, const char *path,
                                         const char *format, ...) {
        char message[SHOWN_BYTES], file[SHOWN_BYTES];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        escape_shortened(path, file, sizeof(file));
        sink->complain(file, 0, message, sink->userdata);
}

static const char *base_name(const char *path) {
        return strrchr(path, '/') + 1;
}

/* Files ---------------------------------------------------------------------------------------- */

static bool is_null_device(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* What stands in place of a file, for people. */
static const char *what_is(mode_t mode) {
        static const struct {
                mode_t type;
                const char *name;
        } types[] = {{S_IFDIR, "a directory"},
                     {S_IFIFO, "a FIFO"},
                     {S_IFSOCK, "a socket"},
                     {S_IFCHR, "a device"},
                     {S_IFBLK, "a device"}};

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (types[i].type == (mode & S_IFMT))
                        return types[i].name;
        return "something else";
}

/* Opens a file without waiting for, or waking, anything. Returns -ENODATA for /dev/null, after
 * complaining another negative errno. */
static int open_file(const struct config_file_sink *sink, const char *path) {
        _cleanup_close_ int handle = open(path, O_PATH | O_CLOEXEC), fd = -1;
        char link[32];
        struct stat st;

        if (handle < 0 || fstat(handle, &st) < 0) {
                complain_file(sink, path, "Cannot be opened: %s", strerror(errno));
                return -EIO;
        }
        if (is_null_device(&st))
                return -ENODATA;
        if (!S_ISREG(st.st_mode)) {
                complain_file(sink, path, "Is %s, not a file", what_is(st.st_mode));
                return -EINVAL;
        }
        snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
        fd = open(link, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                complain_file(sink, path, "Cannot be opened: %s", strerror(errno));
                return -EIO;
        }
        return TAKE_FD(fd);
}

void config_file_read(const struct config_file_sink *sink, const char *path) {
        _cleanup_close_ int fd = open_file(sink, path);
        _cleanup_free_ char *text = NULL;
        char file[SHOWN_BYTES];
        size_t size = 0;
        ssize_t n;

        if (fd < 0)
                return;
        text = malloc(CONFIG_FILE_MAX + 1);
        if (!text) {
                complain_file(sink, path, "Cannot be read: %s", strerror(ENOMEM));
                return;
        }
        while ((n = read(fd, text + size, CONFIG_FILE_MAX + 1 - size)) > 0)
                size += (size_t) n;
        if (n < 0) {
                complain_file(sink, path, "Cannot be read: %s", strerror(errno));
                return;
        }
        if (size > CONFIG_FILE_MAX) {
                complain_file(sink, path, "Is left out: it is larger than %d bytes",
                              CONFIG_FILE_MAX);
                return;
        }
        escape_shortened(path, file, sizeof(file));
        sink->file(file, base_name(path), text, size, sink->userdata);
}

/* Drop-ins ------------------------------------------------------------------------------------- */

struct drop_ins {
        char *paths[CONFIG_DROP_INS_MAX];
        size_t n;
};

static void drop_ins_done(struct drop_ins *all) {
        while (all->n > 0)
                free(all->paths[--all->n]);
}

static bool is_drop_in(const char *name) {
        size_t n = strlen(name);

        return name[0] != '.' && n > strlen(".conf") &&
               strcmp(name + n - strlen(".conf"), ".conf") == 0;
}

static bool has_drop_in(const struct drop_ins *all, const char *name) {
        for (size_t i = 0; i < all->n; i++)
                if (strcmp(base_name(all->paths[i]), name) == 0)
                        return true;
        return false;
}

static void find_drop_ins(const struct config_file_sink *sink, struct drop_ins *all,
                          const char *directory) {
        DIR *dir = opendir(directory);
        const struct dirent *entry;

        if (!dir) {
                if (errno != ENOENT)
                        complain_file(sink, directory, "Cannot be read: %s", strerror(errno));
                return;
        }
        while ((entry = readdir(dir))) {
                if (!is_drop_in(entry->d_name) || has_drop_in(all, entry->d_name))
                        continue;
                if (all->n == CONFIG_DROP_INS_MAX) {
                        complain_file(sink, directory,
                                      "Has more than %d drop-ins; some are left out",
                                      CONFIG_DROP_INS_MAX);
                        break;
                }
                if (asprintf(&all->paths[all->n], "%s/%s", directory, entry->d_name) < 0)
                        break;
                all->n++;
        }
        closedir(dir);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(base_name(*(char *const *) a), base_name(*(char *const *) b));
}

void config_drop_ins_read(const struct config_file_sink *sink, const char *const *directories,
                          const char *name) {
        _cleanup_(drop_ins_done) struct drop_ins all = {};

        for (const char *const *d = directories; *d; d++) {
                _cleanup_free_ char *directory = NULL;

                if (asprintf(&directory, "%s%s%s", *d, name ? "/" : "", name ?: "") < 0)
                        return;
                find_drop_ins(sink, &all, directory);
        }
        qsort(all.paths, all.n, sizeof(*all.paths), compare_names);
        for (size_t i = 0; i < all.n; i++)
                config_file_read(sink, all.paths[i]);
}
