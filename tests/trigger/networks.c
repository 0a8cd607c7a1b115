/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that come by netlink: XDP and routes. Each action takes its device away at its end. */

#include <errno.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "netlink.h"
#include "trigger.h"
#include "util.h"

enum { NO_FD = 999 };

/* XDP ------------------------------------------------------------------------------------------ */

static int make_xdp(const char *name) {
        return make_program(name, BPF_PROG_TYPE_XDP, 0, 2 /* XDP_PASS */);
}

/* Sets what a device runs; `expected` is an fd or -1, `program` too. */
static int xdp_set(int program, int expected, uint32_t flags) {
        const struct ifinfomsg info = {.ifi_index = if_nametoindex(device)};
        struct nlattr *nest;
        struct request r;

        request_begin(&r, RTM_SETLINK, 0, &info, sizeof(info));
        nest = request_nest(&r, IFLA_XDP);
        request_add_u32(&r, IFLA_XDP_FD, program);
        request_add_u32(&r, IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE | flags);
        if (expected >= 0)
                request_add_u32(&r, IFLA_XDP_EXPECTED_FD, expected);
        request_nest_end(&r, nest);
        return request_send(&r);
}

static int xdp_attach(const struct arguments *a) {
        _cleanup_close_ int program = make_xdp("trigger_xdp");
        int r = program < 0 ? program : device_make();

        if (r < 0)
                return r;
        r = report_network("xdp-attach", xdp_set(program, -1, 0), program);
        (void) device_remove();
        return r;
}

static int xdp_detach(const struct arguments *a) {
        _cleanup_close_ int program = make_xdp("trigger_xdp");
        int r = program < 0 ? program : device_make();

        if (r >= 0)
                r = xdp_set(program, -1, 0);
        if (r < 0)
                return r;
        r = report_network("xdp-detach", xdp_set(-1, -1, 0), program);
        (void) device_remove();
        return r;
}

static int xdp_replace(const struct arguments *a) {
        _cleanup_close_ int first = make_xdp("trigger_old"), second = make_xdp("trigger_new");
        bool old = strcmp(argument(a, 0, "new"), "old") == 0;
        int r = first < 0 ? first : second < 0 ? second : device_make();

        if (r >= 0)
                r = xdp_set(first, -1, 0);
        if (r < 0)
                return r;
        r = report_network("xdp-replace", xdp_set(second, first, XDP_FLAGS_REPLACE),
                           old ? first : second);
        (void) device_remove();
        return r;
}

static int xdp_busy(const struct arguments *a) {
        _cleanup_close_ int first = make_xdp("trigger_old"), second = make_xdp("trigger_new");
        int r = first < 0 ? first : second < 0 ? second : device_make();

        if (r >= 0)
                r = xdp_set(first, -1, 0);
        if (r < 0)
                return r;
        r = report_network("xdp-busy", xdp_set(second, -1, XDP_FLAGS_UPDATE_IF_NOEXIST), second);
        (void) device_remove();
        return r;
}

static int xdp_bad_fd(const struct arguments *a) {
        int r = device_make();

        if (r < 0)
                return r;
        r = report_network("xdp-bad-fd", xdp_set(NO_FD, -1, 0), -1);
        (void) device_remove();
        return r;
}

static int xdp_denied_child(const struct arguments *a) {
        int r = become_nobody();

        return r < 0 ? r : report_network("xdp-denied", xdp_set(NO_FD, -1, 0), -1);
}

static int xdp_denied(const struct arguments *a) {
        int r = device_make();

        if (r >= 0)
                r = as_child(xdp_denied_child, a);
        (void) device_remove();
        return r;
}

/* Without the wish for an acknowledgement. */
static int xdp_quiet(const struct arguments *a) {
        const struct ifinfomsg info = {};
        _cleanup_close_ int program = make_xdp("trigger_xdp");
        struct nlattr *nest;
        struct request q;
        int r = program < 0 ? program : device_make();

        if (r < 0)
                return r;
        request_begin(&q, RTM_NEWLINK, 0, &info, sizeof(info));
        request_add_text(&q, IFLA_IFNAME, device);
        nest = request_nest(&q, IFLA_XDP);
        request_add_u32(&q, IFLA_XDP_FD, program);
        request_add_u32(&q, IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE);
        request_nest_end(&q, nest);
        q.quiet = true;
        r = report_network("xdp-quiet", request_send(&q), program);
        (void) device_remove();
        return r;
}

static int xdp_device_gone(const struct arguments *a) {
        _cleanup_close_ int program = make_xdp("trigger_xdp");
        int r = program < 0 ? program : device_make();

        if (r >= 0)
                r = xdp_set(program, -1, 0);
        if (r >= 0)
                r = report_network("xdp-device-gone", 0, program);
        return r < 0 ? r : device_remove();
}

/* A link outlives the device that it is attached to, and then does nothing. */
static int xdp_link_gone(const struct arguments *a) {
        _cleanup_close_ int program = make_xdp("trigger_xdp"), link = -1;
        union bpf_attr attr = {};
        int r = program < 0 ? program : device_make();

        if (r < 0)
                return r;
        attr.link_create.prog_fd = program;
        attr.link_create.target_ifindex = if_nametoindex(device);
        attr.link_create.attach_type = BPF_XDP;
        attr.link_create.flags = XDP_FLAGS_SKB_MODE;
        link = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        if (link < 0)
                return link;
        report_begin("xdp-link-gone");
        report_text("errno", "");
        report_text("interface", device);
        report_number("ifindex", if_nametoindex(device));
        r = report_link(link);
        report_end();
        return r < 0 ? r : device_remove();
}

static int xdp_namespace_child(const struct arguments *a) {
        _cleanup_close_ int program = make_xdp("trigger_xdp");
        int r = program < 0 ? program : device_make_apart();

        if (r >= 0)
                r = xdp_set(program, -1, 0);
        return r < 0 ? r : report_network("xdp-namespace-gone", 0, program);
}

static int xdp_namespace_gone(const struct arguments *a) {
        return as_child(xdp_namespace_child, a);
}

/* Routes --------------------------------------------------------------------------------------- */

static int route(uint16_t type, int program) {
        const struct rtmsg info = {
                .rtm_family = AF_INET,
                .rtm_dst_len = 32,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = RTPROT_STATIC,
                .rtm_scope = RT_SCOPE_LINK,
                .rtm_type = RTN_UNICAST,
        };
        const uint16_t encap = LWTUNNEL_ENCAP_BPF;
        struct nlattr *nest, *inner;
        struct request r;

        request_begin(&r, type, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
        request_add(&r, RTA_DST, &(uint8_t[]){192, 0, 2, 1}, 4);
        request_add_u32(&r, RTA_OIF, if_nametoindex(device));
        request_add(&r, RTA_ENCAP_TYPE, &encap, sizeof(encap));
        nest = request_nest(&r, RTA_ENCAP);
        inner = request_nest(&r, LWT_BPF_OUT);
        request_add_u32(&r, LWT_BPF_PROG_FD, program);
        request_add_text(&r, LWT_BPF_PROG_NAME, "trigger");
        request_nest_end(&r, inner);
        request_nest_end(&r, nest);
        return request_send(&r);
}

static int route_attach(const struct arguments *a) {
        bool bad = strcmp(argument(a, 0, "good"), "bad") == 0;
        _cleanup_close_ int program = make_program("trigger_lwt", BPF_PROG_TYPE_LWT_OUT, 0, 0);
        int r = program < 0 ? program : device_make();

        if (r < 0)
                return r;
        r = report_network("route-attach", route(RTM_NEWROUTE, bad ? NO_FD : program),
                           bad ? -1 : program);
        (void) device_remove();
        return r;
}

const struct action network_actions[] = {
        {"xdp-attach", "", xdp_attach, "an XDP program by netlink"},
        {"xdp-detach", "", xdp_detach, "an XDP program, taken away"},
        {"xdp-replace", "new|old", xdp_replace, "an XDP program instead of another one"},
        {"xdp-busy", "", xdp_busy, "an XDP program where there is one already"},
        {"xdp-bad-fd", "", xdp_bad_fd, "an XDP program that is none"},
        {"xdp-denied", "", xdp_denied, "an XDP program without the privilege"},
        {"xdp-quiet", "", xdp_quiet, "an XDP program, no acknowledgement asked for"},
        {"xdp-device-gone", "", xdp_device_gone, "an XDP program whose device goes"},
        {"xdp-link-gone", "", xdp_link_gone, "a link to a device that goes"},
        {"xdp-namespace-gone", "", xdp_namespace_gone, "an XDP program whose namespace goes"},
        {"route-attach", "good|bad", route_attach, "a program of a route, which goes then"},
        {},
};
