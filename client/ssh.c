/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ssh.h"

#include <string.h>

#include "text.h"
#include "util.h"

#define WORD "-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Parts of a host, in it. */
struct host {
        const char *user, *name, *port, *container;
        size_t n_user, n_name, n_port; /* bytes; the user with its @ */
};

static int split(struct host *ret, const char *host) {
        const char *at = strchr(host, '@'), *rest;
        struct host h = {.user = host, .n_user = at ? (size_t) (at - host) + 1 : 0};

        h.name = host + h.n_user;
        if (*h.name == '[') {
                h.n_name = strcspn(++h.name, "]");
                rest = h.name + h.n_name;
                if (*rest++ != ']')
                        return -EINVAL;
        } else {
                h.n_name = strcspn(h.name, ":/");
                rest = h.name + h.n_name;
        }

        if (*rest == ':') {
                h.port = ++rest;
                h.n_port = strcspn(rest, "/");
                rest += h.n_port;
                if (h.n_port == 0 || strspn(h.port, "0123456789") < h.n_port) {
                        if (*rest)
                                return -EINVAL;
                        h.container = h.port; /* HOST:CONTAINER is how it was written before */
                        h.port = NULL;
                }
        }
        if (*rest == '/')
                h.container = rest + 1;
        else if (*rest)
                return -EINVAL;
        if (h.n_name == 0 ||
            (h.container && (!h.container[0] || h.container[strspn(h.container, WORD)] != '\0')))
                return -EINVAL;

        *ret = h;
        return 0;
}

/* Escaped as the D-Bus specification has it ("Server Addresses"). */
static void add_escaped(struct text *t, const char *s, size_t n) {
        static const char optional[] = WORD "_/\\*";

        for (size_t i = 0; i < n; i++)
                if (strchr(optional, s[i]))
                        text_add_char(t, s[i], 1);
                else
                        text_printf(t, "%%%02x", (unsigned char) s[i]);
}

struct command {
        struct text text;
        int n; /* arguments, without the program */
};

static void begin_argument(struct command *c) {
        text_printf(&c->text, ",argv%d=", ++c->n);
}

static void add_argument(struct command *c, const char *s) {
        begin_argument(c);
        add_escaped(&c->text, s, strlen(s));
}

static void add_option(struct command *c, const char *option) {
        add_argument(c, "-o");
        add_argument(c, option);
}

int ssh_address(char **ret, const char *host, bool unattended) {
        struct command c = {};
        const char *ssh = getenv("SYSTEMD_SSH");
        struct host h;

        int r = split(&h, host);
        if (r < 0)
                return r;
        text_add(&c.text, "unixexec:path=");
        ssh = ssh && ssh[0] ? ssh : "ssh";
        add_escaped(&c.text, ssh, strlen(ssh));
        add_argument(&c, "-xT");
        add_option(&c, "LogLevel=ERROR"); /* the banner is no complaint */
        if (unattended) {
                add_option(&c, "BatchMode=yes");
                add_option(&c, "ConnectTimeout=2");
        }
        if (h.port) {
                add_argument(&c, "-p");
                begin_argument(&c);
                add_escaped(&c.text, h.port, h.n_port);
        }
        add_argument(&c, "--");
        begin_argument(&c);
        add_escaped(&c.text, h.user, h.n_user);
        add_escaped(&c.text, h.name, h.n_name);
        add_argument(&c, "systemd-stdio-bridge");
        if (h.container) {
                begin_argument(&c);
                add_escaped(&c.text, "--machine=", strlen("--machine="));
                add_escaped(&c.text, h.container, strlen(h.container));
        }
        if (c.text.failed) {
                text_clear(&c.text);
                return -ENOMEM;
        }

        *ret = c.text.data;
        return 0;
}
