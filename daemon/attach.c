/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attach.h"

#include <bpf/bpf.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "hooks.h"
#include "util.h"

#define KPROBE_DIR "/sys/bus/event_source/devices/kprobe"

bool attach_exists(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0;
}

const char *attach_events_dir(void) {
        static const char *const dirs[] = {"/sys/kernel/tracing/events",
                                           "/sys/kernel/debug/tracing/events"};

        for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
                if (attach_exists(dirs[i]))
                        return dirs[i];
        return NULL;
}

/* Reads a number that follows `format` in a file of the kernel's. */
static int read_number(const char *path, const char *format, unsigned *ret) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");

        if (!f)
                return -errno;
        return fscanf(f, format, ret) == 1 ? 0 : -EBADMSG;
}

static int open_event(struct perf_event_attr *attr) {
        long fd;

        attr->size = sizeof(*attr);
        fd = syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
        return fd < 0 ? -errno : (int) fd;
}

static int open_kprobe(const char *function, bool returns) {
        struct perf_event_attr attr = {.config1 = (uintptr_t) function};
        unsigned type, bit = 0;
        int k = read_number(KPROBE_DIR "/type", "%u", &type);

        if (k >= 0 && returns)
                k = read_number(KPROBE_DIR "/format/retprobe", "config:%u", &bit);
        if (k < 0)
                return k;
        attr.type = type;
        attr.config = returns ? UINT64_C(1) << (bit & 63) : 0;
        return open_event(&attr);
}

/* `name`: group:event. */
static int open_tracepoint(const char *name) {
        struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT};
        const char *dir = attach_events_dir(), *colon = strchr(name, ':');
        char path[PATH_MAX];
        unsigned id;
        int k;

        if (!dir || !colon)
                return -ENOENT;
        snprintf(path, sizeof(path), "%s/%.*s/%s/id", dir, (int) (colon - name), name, colon + 1);
        k = read_number(path, "%u", &id);
        if (k < 0)
                return k;
        attr.config = id;
        return open_event(&attr);
}

/* The link holds the event; where there are no such links, the event holds the program. */
static int attach_event(int event, int prog_fd) {
        _cleanup_close_ int event_fd = event, link_fd = -1;

        link_fd = bpf_link_create(prog_fd, event_fd, BPF_PERF_EVENT, NULL);
        if (link_fd < 0 && ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, prog_fd) < 0)
                return -errno;
        if (ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
                return -errno;
        return link_fd >= 0 ? TAKE_FD(link_fd) : TAKE_FD(event_fd);
}

int attach_program(enum hook hook, int prog_fd) {
        const char *name = hook_name(hook), *function = hook_function(hook);
        int fd;

        if (prog_fd < 0)
                return -EINVAL; /* the kernel has refused it */
        if (strncmp(name, "raw_tracepoint:", 15) == 0) {
                fd = bpf_raw_tracepoint_open(function, prog_fd);
                return fd < 0 ? -errno : fd;
        }
        fd = hook_is_kprobe(hook) ? open_kprobe(function, strncmp(name, "kretprobe:", 10) == 0)
                                  : open_tracepoint(function);
        return fd < 0 ? fd : attach_event(fd, prog_fd);
}
