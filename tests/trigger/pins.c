/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pins: made, renamed, opened and removed, and what goes with them. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lives.h"
#include "util.h"

#define BPFFS "/sys/fs/bpf"

static int open_pin(const char *path) {
        union bpf_attr attr = {};

        attr.pathname = (uintptr_t) path;
        return bpf_call(BPF_OBJ_GET, &attr, sizeof(attr));
}

/* Whether the kernel lets go of what was pinned in the name of who removes the pin: not before the
 * file is destroyed by that call itself, and no more by RCU. */
static bool unlink_frees(void) {
        struct utsname name;
        int major, minor;

        return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
               (major > 5 || (major == 5 && minor >= 15));
}

/* `later`: skips kernels where it goes in the name of who removes the pin, else all others. */
static int life_unpinned(const struct arguments *a) {
        const char *path = BPFFS "/life_unpinned";
        const struct life_kind *kind = life_kind(a);
        bool later = strcmp(argument(a, 1, ""), "later") == 0;
        int fd, r;

        if (!kind)
                return -EINVAL;
        if (unlink_frees() == later)
                return report_skip("life-unpinned", "this kernel frees in another way");
        fd = kind->make("life_unpinned");
        r = fd < 0 ? fd : life_pin(fd, path);
        if (r < 0)
                return r;
        r = report_life("life-unpinned", kind, fd, getpid(), path);
        close(fd);
        return unlink(path) < 0 ? -errno : r;
}

/* Loaded and pinned by one process, opened from the pin and attached by another one. */
static int life_reopened(const struct arguments *a) {
        const char *path = BPFFS "/life_reopened";
        pid_t child = fork();
        int status, fd, link;

        if (child < 0)
                return -errno;
        if (child == 0) {
                fd = life_kinds[LIFE_PROGRAM].make("life_reopened");
                _exit(fd < 0 || life_pin(fd, path) < 0);
        }
        if (waitpid(child, &status, 0) != child || status != 0)
                return -ECHILD;
        fd = open_pin(path);
        if (unlink(path) < 0)
                return -errno;
        if (fd < 0)
                return fd;
        link = open_raw_tracepoint(fd);
        report_begin("life-reopened");
        report_call("RAW_TRACEPOINT_OPEN", link);
        report_number("loader", child);
        if (link >= 0)
                report_link(link);
        report_end();
        return link;
}

/* By a path that is none from the root. The pin is gone at the end. */
static int life_pin_relative(const struct arguments *a) {
        int fd = life_kinds[LIFE_MAP].make("life_relative"), r;
        long ret;

        if (fd < 0)
                return fd;
        if (chdir(BPFFS) < 0 || mkdir("life_folder", 0700) < 0)
                return -errno;
        ret = life_pin(fd, "life_folder/../life_folder/pin");
        report_begin("life-pin-relative");
        report_call("OBJ_PIN", ret);
        report_number("loader", getpid());
        report_text("path", BPFFS "/life_folder/pin");
        r = report_map(fd);
        report_end();
        return unlink("life_folder/pin") < 0 || rmdir("life_folder") < 0 ? -errno : r;
}

static int report_pin_failure(const char *action, const char *path) {
        int fd = life_kinds[LIFE_MAP].make("life_unlucky");
        long ret;

        if (fd < 0)
                return fd;
        ret = life_pin(fd, path);
        report_begin(action);
        report_call("OBJ_PIN", ret);
        report_text("path", path);
        report_number("loader", getpid());
        report_map(fd);
        report_end();
        return ret < 0 ? 0 : -EBADE;
}

static int life_pin_taken(const struct arguments *a) {
        const char *path = BPFFS "/life_taken";
        int r;

        if (mkdir(path, 0700) < 0)
                return -errno;
        r = report_pin_failure("life-pin-taken", path);
        return rmdir(path) < 0 ? -errno : r;
}

/* Only the BPF file system takes pins. */
static int life_pin_elsewhere(const struct arguments *a) {
        return report_pin_failure("life-pin-elsewhere", "/tmp/life_pin");
}

/* What is pinned is held besides: only the pin goes. */
static int life_unpin(const struct arguments *a) {
        const char *path = BPFFS "/life_unpin";
        const struct life_kind *kind = life_kind(a);
        int fd, r;

        if (!kind)
                return -EINVAL;
        fd = kind->make("life_unpin");
        r = fd < 0 ? fd : life_pin(fd, path);
        if (r < 0)
                return r;
        if (unlink(path) < 0)
                return -errno;
        return report_life("life-unpin", kind, fd, getpid(), path);
}

/* One pin takes the place of another one. */
static int life_rename(const struct arguments *a) {
        const char *from = BPFFS "/life_from", *to = BPFFS "/life_to";
        int moved = life_kinds[LIFE_PROGRAM].make("life_moved"),
            replaced = life_kinds[LIFE_MAP].make("life_replaced"), r;

        if (moved < 0 || replaced < 0)
                return MIN(moved, replaced);
        r = life_pin(moved, from);
        if (r >= 0)
                r = life_pin(replaced, to);
        if (r < 0)
                return r;
        if (rename(from, to) < 0)
                return -errno;
        report_begin("life-rename");
        report_number("id", object_id(moved));
        report_number("replaced", object_id(replaced));
        report_number("loader", getpid());
        report_text("from", from);
        report_text("to", to);
        report_end();
        return unlink(to) < 0 ? -errno : 0;
}

/* A second name for a pin. Both go. */
static int life_link(const struct arguments *a) {
        const char *from = BPFFS "/life_name", *to = BPFFS "/life_name_too";
        const struct life_kind *kind = life_kind(a);
        int fd, r;

        if (!kind)
                return -EINVAL;
        fd = kind->make("life_link");
        r = fd < 0 ? fd : life_pin(fd, from);
        if (r < 0)
                return r;
        if (link(from, to) < 0)
                return -errno;
        r = report_life("life-link", kind, fd, getpid(), to);
        return unlink(from) < 0 || unlink(to) < 0 ? -errno : r;
}

/* Before and after ----------------------------------------------------------------------------- */

/* For who starts later to find. */
static int life_leave(const struct arguments *a) {
        int fd = life_kinds[LIFE_PROGRAM].make("life_left");

        return fd < 0 ? fd : life_pin(fd, argument(a, 0, ""));
}

/* The end of what the above left. */
static int life_found(const struct arguments *a) {
        const char *path = argument(a, 0, "");
        int fd = open_pin(path), r;

        if (fd < 0)
                return fd;
        if (unlink(path) < 0)
                return -errno;
        sleep(1); /* older kernels let go of the pin when RCU has come round */
        r = report_life("life-found", &life_kinds[LIFE_PROGRAM], fd, 0, NULL);
        close(fd);
        return r;
}

const struct action pin_actions[] = {
        {"life-unpinned", "KIND [later]", life_unpinned, "makes it; the end of its pin is its end"},
        {"life-reopened", "", life_reopened, "attaches what another process loaded and pinned"},
        {"life-pin-relative", "", life_pin_relative, "pins a map by a relative path"},
        {"life-pin-taken", "", life_pin_taken, "cannot pin a map: there is something"},
        {"life-pin-elsewhere", "", life_pin_elsewhere, "cannot pin a map: not a place for it"},
        {"life-unpin", "KIND", life_unpin, "pins and unpins it"},
        {"life-rename", "", life_rename, "renames a pin, which replaces another one"},
        {"life-link", "KIND", life_link, "gives a pin a second name"},
        {"life-leave", "PATH", life_leave, "leaves a program pinned"},
        {"life-found", "PATH", life_found, "unpins what is pinned, the last that held it"},
        {},
};
