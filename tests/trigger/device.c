/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "netlink.h"
#include "util.h"

enum { NOBODY = 65534 };

const char device[] = "bpfmon0";

int device_remove(void) {
        const struct ifinfomsg info = {.ifi_index = if_nametoindex(device)};
        struct request r;

        request_begin(&r, RTM_DELLINK, 0, &info, sizeof(info));
        return request_send(&r);
}

int device_make_kind(const char *kind) {
        const struct ifinfomsg info = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        struct nlattr *nest;
        struct request r;

        if (if_nametoindex(device))
                (void) device_remove();
        request_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
        request_add_text(&r, IFLA_IFNAME, device);
        nest = request_nest(&r, IFLA_LINKINFO);
        request_add_text(&r, IFLA_INFO_KIND, kind);
        request_nest_end(&r, nest);
        return request_send(&r);
}

int device_make(void) {
        return device_make_kind("dummy");
}

int report_network(const char *action, int ret, int program) {
        int r = 0;

        report_begin(action);
        report_text("errno", ret < 0 ? strerrorname_np(-ret) ?: "?" : "");
        report_text("interface", device);
        report_number("ifindex", if_nametoindex(device));
        if (program >= 0)
                r = report_program(program);
        report_end();
        return r;
}

int as_child(int (*run)(const struct arguments *a), const struct arguments *a) {
        int status;
        pid_t child = fork();

        if (child < 0)
                return -errno;
        if (child == 0)
                _exit(run(a) < 0 ? 1 : 0);
        if (waitpid(child, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBADE;
}

int device_make_apart(void) {
        return unshare(CLONE_NEWNET) < 0 ? -errno : device_make();
}

int become_nobody(void) {
        if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return -errno;
        return 0;
}
