/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ssh.h"

#include <stdlib.h>

#include "tap-main.h"
#include "util.h"

#define BEGIN  "unixexec:path=ssh,argv1=-xT,argv2=-o,argv3=LogLevel%3dERROR"
#define BRIDGE "=systemd-stdio-bridge"

/* The forms that systemctl(1) describes at --host=. */
static const struct {
        const char *host, *address; /* NULL: -EINVAL */
} hosts[] = {
        {"web1", BEGIN ",argv4=--,argv5=web1,argv6" BRIDGE},
        {"root@web1", BEGIN ",argv4=--,argv5=root%40web1,argv6" BRIDGE},
        {"root@web1:2222", BEGIN ",argv4=-p,argv5=2222,argv6=--,argv7=root%40web1,argv8" BRIDGE},
        {"web1/box", BEGIN ",argv4=--,argv5=web1,argv6" BRIDGE ",argv7=--machine%3dbox"},
        {"web1:box", BEGIN ",argv4=--,argv5=web1,argv6" BRIDGE ",argv7=--machine%3dbox"},
        {"web1:22/box",
         BEGIN ",argv4=-p,argv5=22,argv6=--,argv7=web1,argv8" BRIDGE ",argv9=--machine%3dbox"},
        {"[fe80::1]", BEGIN ",argv4=--,argv5=fe80%3a%3a1,argv6" BRIDGE},
        {"a@[::1]:22", BEGIN ",argv4=-p,argv5=22,argv6=--,argv7=a%40%3a%3a1,argv8" BRIDGE},
        {"x,argv9=y;unix:path=z", NULL},
        {"x,argv9=y", BEGIN ",argv4=--,argv5=x%2cargv9%3dy,argv6" BRIDGE},
        {"[::1", NULL},
        {"[::1]x", NULL},
        {"root@", NULL},
        {"web1:", NULL},
        {"web1/", NULL},
        {"web1:a/b", NULL},
};

START_TEST(addresses) {
        _cleanup_free_ char *address = NULL;
        int r = ssh_address(&address, hosts[_i].host, false);

        ck_assert_int_eq(r, hosts[_i].address ? 0 : -EINVAL);
        ck_assert_pstr_eq(address, hosts[_i].address);
}
END_TEST

START_TEST(unattended) {
        _cleanup_free_ char *address = NULL;

        ck_assert_int_eq(ssh_address(&address, "web1", true), 0);
        ck_assert_str_eq(address,
                         BEGIN ",argv4=-o,argv5=BatchMode%3dyes,argv6=-o,"
                               "argv7=ConnectTimeout%3d2,argv8=--,argv9=web1,argv10" BRIDGE);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-ssh");
        TCase *c = tcase_create("ssh");

        unsetenv("SYSTEMD_SSH");
        tcase_add_loop_test(c, addresses, 0, ELEMENTSOF(hosts));
        tcase_add_test(c, unattended);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
