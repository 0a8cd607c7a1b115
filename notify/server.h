/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The desktop's notification server: org.freedesktop.Notifications on the session bus, as the
 * Desktop Notifications Specification 1.2 has it. It may come, go and be replaced at any time. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "alert.h"
#include "wording.h"

struct server_events {
        /* There is a server, and what it can do is known. */
        void (*ready)(void *userdata);
        /* It went away, and its notifications with it. */
        void (*gone)(void *userdata);
        /* There is none, nor one that could be started; why, in words. */
        void (*absent)(const char *error, void *userdata);
        /* One is not on the desktop any more. `seen`: somebody closed it, it did not go by itself.
         */
        void (*closed)(uint32_t id, bool seen, void *userdata);
        /* A button was pressed. `token`: for the window that opens then, or NULL. */
        void (*pressed)(uint32_t id, const char *action, const char *token, void *userdata);
};

/* A button: how it is known and what is on it. "default" is a click on the notification. */
struct button {
        const char *action, *label;
};

/* Called with the number of a notification, or a negative errno and in words why there is none. */
typedef void (*server_shown)(int64_t id, const char *error, void *userdata);

struct server;

/* `bus` is borrowed; server_free() before it goes. Asks what the server can do, which starts one
 * where the session has one to start. Returns 0 or a negative errno. */
int server_new(struct server **ret, sd_bus *bus, const struct server_events *events,
               void *userdata);
struct server *server_free(struct server *s);

/* Whether it can be asked to show something. */
bool server_ready(const struct server *s);

/* Starts one that is not there, where the session has one to start. What becomes of it is told. */
void server_wake(struct server *s);

/* What it can do. */
const struct abilities *server_abilities(const struct server *s);

/* What it calls itself, printable; NULL where it did not say. */
const char *server_name(const struct server *s);

/* Shows something, in place of the notification `replaces` (0: beside the others). Buttons are left
 * out where the server has none. `shown` (may be NULL) is called later, unless the server or the
 * bus goes away. Returns 0 or a negative errno. */
int server_show(struct server *s, uint32_t replaces, const struct wording *words,
                enum urgency urgency, const struct button *buttons, size_t n_buttons,
                server_shown shown, void *userdata);

/* Takes one from the desktop. */
void server_close(struct server *s, uint32_t id);

DEFINE_CLEANUP(struct server *, server_free);
