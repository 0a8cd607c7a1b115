/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"

#include <string.h>

#include "client.h"
#include "escape.h"
#include "identity.h"

#define NAME      "org.freedesktop.Notifications"
#define PATH      "/org/freedesktop/Notifications"
#define INTERFACE "org.freedesktop.Notifications"

enum {
        CALLS_MAX = 16, /* on their way */
        TOKEN_MAX = 256,
};

#define SHOW_TIMEOUT_USEC UINT64_C(25000000)

/* Reasons of NotificationClosed. */
enum { REASON_EXPIRED = 1, REASON_DISMISSED = 2, REASON_CLOSED = 3 };

struct call {
        struct server *server;
        sd_bus_slot *slot; /* NULL: free */
        server_shown shown;
        void *userdata;
};

struct server {
        sd_bus *bus;
        struct server_events events;
        void *userdata;
        sd_bus_slot *watch, *signals, *question, *information;
        char *owner; /* unique name; NULL: there is none */
        char *name;
        bool ready;
        struct abilities can;
        struct call calls[CALLS_MAX];
        uint32_t token_id; /* the notification that `token` is of */
        char token[TOKEN_MAX];
};

static const struct {
        const char *capability;
        size_t offset;
} capabilities[] = {
        {"body", offsetof(struct abilities, body)},
        {"body-markup", offsetof(struct abilities, markup)},
        {"actions", offsetof(struct abilities, actions)},
};

static void forget(struct server *s) {
        s->question = sd_bus_slot_unref(s->question);
        s->information = sd_bus_slot_unref(s->information);
        for (size_t i = 0; i < CALLS_MAX; i++)
                s->calls[i].slot = sd_bus_slot_unref(s->calls[i].slot);
        free(s->owner);
        free(s->name);
        s->owner = s->name = NULL;
        s->ready = false;
        s->can = (struct abilities){};
        s->token[0] = '\0';
}

static void learn(struct server *s, const char *capability) {
        for (size_t i = 0; i < ELEMENTSOF(capabilities); i++)
                if (strcmp(capabilities[i].capability, capability) == 0)
                        *(bool *) ((char *) &s->can + capabilities[i].offset) = true;
}

static int read_capabilities(struct server *s, sd_bus_message *m) {
        const char *capability;

        int r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &capability)) > 0)
                learn(s, capability);
        return r;
}

static int on_capabilities(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct server *s = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);

        s->question = sd_bus_slot_unref(s->question);
        s->can = (struct abilities){};
        if (error) {
                s->events.absent(error->message ?: error->name, s->userdata);
                return 1;
        }
        if (read_capabilities(s, m) < 0) {
                complain("the notification server does not say what it can do");
                s->can = (struct abilities){};
        }

        if (!s->owner) {
                s->owner = strdup(sd_bus_message_get_sender(m) ?: "");
                if (!s->owner)
                        return 1;
        }
        s->ready = true;
        s->events.ready(s->userdata);
        return 1;
}

static int on_information(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct server *s = userdata;
        const char *name, *vendor, *version;

        s->information = sd_bus_slot_unref(s->information);
        if (!sd_bus_message_is_method_error(m, NULL) &&
            sd_bus_message_read(m, "sss", &name, &vendor, &version) >= 0) {
                free(s->name);
                s->name = escape_terminal(name);
        }
        return 1;
}

static int ask(struct server *s) {
        int r = sd_bus_call_method_async(s->bus, &s->information, NAME, PATH, INTERFACE,
                                         "GetServerInformation", on_information, s, NULL);

        if (r >= 0)
                r = sd_bus_call_method_async(s->bus, &s->question, NAME, PATH, INTERFACE,
                                             "GetCapabilities", on_capabilities, s, NULL);
        return r;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct server *s = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0)
                return 0;
        if (s->owner && strcmp(s->owner, after) == 0)
                return 0;
        /* The one that our own question has started answers it. */
        if (!before[0] && s->question) {
                free(s->owner);
                s->owner = strdup(after);
                return 0;
        }

        bool was_ready = s->ready;
        forget(s);
        if (was_ready)
                s->events.gone(s->userdata);
        if (after[0]) {
                s->owner = strdup(after);
                server_wake(s);
        }
        return 0;
}

void server_wake(struct server *s) {
        if (s->ready || s->question)
                return;

        int r = ask(s);
        if (r < 0)
                s->events.absent(strerror(-r), s->userdata);
}

/* Anybody may send signals of that name: only those of the server count. */
static bool is_of_server(const struct server *s, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        return s->owner && sender && strcmp(s->owner, sender) == 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct server *s = userdata;
        const char *text;
        uint32_t id, reason;

        if (!is_of_server(s, m))
                return 0;
        if (sd_bus_message_is_signal(m, INTERFACE, "NotificationClosed") > 0) {
                if (sd_bus_message_read(m, "uu", &id, &reason) >= 0)
                        s->events.closed(id, reason == REASON_DISMISSED || reason == REASON_CLOSED,
                                         s->userdata);
        } else if (sd_bus_message_is_signal(m, INTERFACE, "ActivationToken") > 0) {
                if (sd_bus_message_read(m, "us", &id, &text) >= 0 && strlen(text) < TOKEN_MAX) {
                        s->token_id = id;
                        strcpy(s->token, text);
                }
        } else if (sd_bus_message_is_signal(m, INTERFACE, "ActionInvoked") > 0) {
                if (sd_bus_message_read(m, "us", &id, &text) >= 0)
                        s->events.pressed(id, text,
                                          s->token[0] && s->token_id == id ? s->token : NULL,
                                          s->userdata);
        }
        return 0;
}

int server_new(struct server **ret, sd_bus *bus, const struct server_events *events,
               void *userdata) {
        _cleanup_(server_freep) struct server *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (struct server){.bus = bus, .events = *events, .userdata = userdata};
        int r = sd_bus_match_signal_async(bus, &s->signals, NULL, PATH, INTERFACE, NULL, on_signal,
                                          NULL, s);
        if (r >= 0)
                r = sd_bus_add_match_async(
                        bus, &s->watch,
                        "type='signal',sender='org.freedesktop.DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" NAME
                        "'",
                        on_owner_changed, NULL, s);
        if (r >= 0)
                r = ask(s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

struct server *server_free(struct server *s) {
        if (!s)
                return NULL;

        forget(s);
        sd_bus_slot_unref(s->watch);
        sd_bus_slot_unref(s->signals);
        free(s);
        return NULL;
}

bool server_ready(const struct server *s) {
        return s->ready;
}

const struct abilities *server_abilities(const struct server *s) {
        return &s->can;
}

const char *server_name(const struct server *s) {
        return s->name;
}

static int on_shown(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct call *c = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        uint32_t id = 0;
        int r = 0;

        c->slot = sd_bus_slot_unref(c->slot);
        if (error)
                r = -sd_bus_error_get_errno(error) ?: -EIO;
        else
                r = sd_bus_message_read(m, "u", &id);
        if (!error && r >= 0 && id == 0) /* the specification has none of that number */
                r = -EBADMSG;
        if (c->shown)
                c->shown(r < 0 ? r : (int64_t) id,
                         error   ? error->message ?: error->name
                         : r < 0 ? strerror(-r)
                                 : NULL,
                         c->userdata);
        return 1;
}

static struct call *free_call(struct server *s) {
        for (size_t i = 0; i < CALLS_MAX; i++)
                if (!s->calls[i].slot)
                        return &s->calls[i];

        return NULL;
}

static int append_buttons(sd_bus_message *m, const struct button *buttons, size_t n) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "ss", buttons[i].action, buttons[i].label);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int server_show(struct server *s, uint32_t replaces, const struct wording *words,
                enum urgency urgency, const struct button *buttons, size_t n_buttons,
                server_shown shown, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        struct call *call = free_call(s);

        if (!call)
                return -EBUSY;

        int r = sd_bus_message_new_method_call(s->bus, &m, NAME, PATH, INTERFACE, "Notify");
        if (r >= 0)
                r = sd_bus_message_append(m, "susss", IDENTITY_NAME, replaces, IDENTITY_ICON,
                                          text_string(&words->title), text_string(&words->body));
        if (r >= 0)
                r = append_buttons(m, buttons, s->can.actions ? n_buttons : 0);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}i", 2, "urgency", "y", (uint8_t) urgency,
                                          "desktop-entry", "s", IDENTITY_DESKTOP, -1);
        if (r >= 0)
                r = sd_bus_call_async(s->bus, &call->slot, m, on_shown, call, SHOW_TIMEOUT_USEC);
        if (r < 0)
                return r;

        call->server = s;
        call->shown = shown;
        call->userdata = userdata;
        return 0;
}

void server_close(struct server *s, uint32_t id) {
        (void) sd_bus_call_method_async(s->bus, NULL, NAME, PATH, INTERFACE, "CloseNotification",
                                        NULL, NULL, "u", id);
}
