/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"
#include "tap-main.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define I2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static const struct {
        const char *path, *unit, *session, *container;
} rows[] = {
        /* systemd */
        {"/system.slice/cron.service", "cron.service", "", ""},
        {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "", ""},
        {"/system.slice/cron.service/sub/group", "cron.service", "", ""},
        {"/init.scope", "init.scope", "", ""},
        {"/system.slice/dbus.socket", "dbus.socket", "", ""},
        {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "3", ""},
        {"/user.slice/user-1000.slice/session-c12.scope", "session-c12.scope", "c12", ""},
        {"/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.service",
         "user@1000.service", "", ""},
        {"/system.slice/_cpu.service", "cpu.service", "", ""},
        {"/_odd.slice/x.service", "x.service", "", ""},
        {"/system.slice", "", "", ""},
        {"/", "", "", ""},
        {"", "", "", ""},
        {"/custom/cron.service", "", "", ""},
        {"/system.slice/custom/cron.service", "", "", ""},

        /* Almost a unit */
        {"/system.slice/.service", "", "", ""},
        {"/system.slice/x@.service", "", "", ""},
        {"/system.slice/@x.service", "", "", ""},
        {"/system.slice/x y.service", "", "", ""},
        {"/system.slice/x\033[2J.service", "", "", ""},
        {"/system.slice/\xff\xfe.service", "", "", ""},
        {"/system.slice/x.service.d", "", "", ""},
        {"/system.slice/session-.scope", "session-.scope", "", ""},
        {"/system.slice/session-a-b.scope", "session-a-b.scope", "", ""},
        {"//system.slice///cron.service//", "cron.service", "", ""},
        {"system.slice/cron.service", "cron.service", "", ""},
        {"/..//../system.slice/cron.service", "", "", ""},

        /* Containers */
        {"/system.slice/docker-" ID ".scope", "docker-" ID ".scope", "", ID},
        {"/docker/" ID, "", "", ID},
        {"/docker/" ID "/init", "", "", ID},
        {"/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", "", ID},
        {"/libpod_parent/libpod-" ID, "", "", ID},
        {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
         "user@1000.service", "", ID},
        {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
         "cri-containerd-" ID ".scope",
         "cri-containerd-" ID ".scope", "", ID},
        {"/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", "crio-" ID ".scope", "", ID},
        {"/kubepods/besteffort/pod0a1b/" ID, "", "", ID},
        {"/machine.slice/machine-web\\x2d1.scope", "machine-web\\x2d1.scope", "", "web-1"},
        {"/machine.slice/systemd-nspawn@deb.service/payload", "systemd-nspawn@deb.service", "",
         "deb"},
        {"/lxc.payload.alpine/init.scope", "", "", "alpine"},
        {"/lxc/alpine/sub", "", "", "alpine"},
        /* The innermost is where the process is. */
        {"/system.slice/docker-" ID ".scope/kubelet.slice/cri-containerd-" I2 ".scope",
         "docker-" ID ".scope", "", I2},

        /* Almost a container */
        {"/system.slice/docker-0123.scope", "docker-0123.scope", "", ""},
        {"/system.slice/docker-" ID "0.scope", "docker-" ID "0.scope", "", ""},
        {"/system.slice/docker.service", "docker.service", "", ""},
        {"/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", "", ""},
        {"/system.slice/" ID, "", "", ""},
        {"/machine.slice/machine-.scope", "machine-.scope", "", ""},
        {"/lxc.monitor.alpine", "", "", ""},
        {"/lxc", "", "", ""},
        {"/machine.slice/machine-a\\x00b.scope", "machine-a\\x00b.scope", "", "a\\x00b"},
        {"/machine.slice/machine-a\\x.scope", "machine-a\\x.scope", "", "a\\x"},
};

START_TEST(path) {
        struct cgroup_names n;

        memset(&n, 'x', sizeof(n)); /* what was there before does not show through */
        cgroup_parse(rows[_i].path, &n);
        ck_assert_msg(strcmp(n.unit, rows[_i].unit) == 0, "%s: unit \"%s\"", rows[_i].path, n.unit);
        ck_assert_msg(strcmp(n.session, rows[_i].session) == 0, "%s: session \"%s\"", rows[_i].path,
                      n.session);
        ck_assert_msg(strcmp(n.container, rows[_i].container) == 0, "%s: container \"%s\"",
                      rows[_i].path, n.container);
}
END_TEST

START_TEST(cut_path) {
        struct cgroup_names n;

        /* The unit is a user's own, inside of user@1000.service: which one cannot be seen. */
        cgroup_parse_cut("…/app.slice/libpod-" ID ".scope", &n);
        ck_assert_str_eq(n.unit, "");
        ck_assert_str_eq(n.container, ID);
}
END_TEST

START_TEST(long_names) {
        struct cgroup_names n;
        char text[1024];

        for (int length = 200; length < 600; length++) {
                snprintf(text, sizeof(text), "/system.slice/machine-%.*d.scope", length, 0);
                cgroup_parse(text, &n);
                ck_assert_int_eq(strlen(n.unit) > 0, strlen(text) - strlen("/system.slice/") < 256);
                snprintf(text, sizeof(text), "/lxc/%.*d", length, 0);
                cgroup_parse(text, &n);
                ck_assert_uint_eq(strlen(n.container), length < 256 ? length : 0);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("cgroup");
        TCase *c = tcase_create("cgroup");

        tcase_add_loop_test(c, path, 0, (int) ELEMENTSOF(rows));
        tcase_add_test(c, cut_path);
        tcase_add_test(c, long_names);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
