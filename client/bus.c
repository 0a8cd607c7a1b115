/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "agent.h"
#include "bus.h"
#include "client.h"
#include "ending.h"
#include "errors.h"
#include "event.h"
#include "progress.h"

#define BUS_NAME      "org.freedesktop.DBus"
#define BUS_PATH      "/org/freedesktop/DBus"
#define BUS_INTERFACE "org.freedesktop.DBus"

/* What an error means to a person: `before` and, where there is an `after`, what the error says and
 * `after`. */
static const struct advice {
        const char *name;
        int status;
        const char *before, *after;
        const char *begins; /* so does what the error says; NULL: whatever that is */
} advice[] = {
        {SD_BUS_ERROR_SERVICE_UNKNOWN, EXIT_FAILURE,
         "bpfmond is not running: systemctl start bpfmond"},
        {SD_BUS_ERROR_NAME_HAS_NO_OWNER, EXIT_FAILURE,
         "bpfmond is not running: systemctl start bpfmond"},
        {SD_BUS_ERROR_ACCESS_DENIED, EXIT_NOT_AUTHORIZED, "not authorized: ", "; try sudo"},
        {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EXIT_NOT_AUTHORIZED,
         "not authorized: ", "; try sudo"},
        {SD_BUS_ERROR_NO_REPLY, EXIT_FAILURE,
         "bpfmond did not answer: ", "; see systemctl status bpfmond"},
        {SD_BUS_ERROR_TIMEOUT, EXIT_FAILURE, "bpfmond: ", "", "What is in the kernel"},
        {SD_BUS_ERROR_TIMEOUT, EXIT_FAILURE,
         "bpfmond did not answer: ", "; see systemctl status bpfmond"},
        {SD_BUS_ERROR_UNKNOWN_METHOD, EXIT_FAILURE,
         "bpfmond is of another version: ", "; restart it: systemctl restart bpfmond"},
        {SD_BUS_ERROR_UNKNOWN_PROPERTY, EXIT_FAILURE,
         "bpfmond is of another version: ", "; restart it: systemctl restart bpfmond"},
        {SD_BUS_ERROR_DISCONNECTED, EXIT_FAILURE, "the system bus went away"},
        {BPFMON_ERROR_INVALID_MATCH, EXIT_USAGE, "", ""},
        /* What we ask for is in our own tables. */
        {BPFMON_ERROR_INVALID_OPTION, EXIT_FAILURE, "bpfmond is of another version: ",
         "; restart it: systemctl restart bpfmond", "Unknown field"},
        {BPFMON_ERROR_INVALID_OPTION, EXIT_FAILURE, "bpfmond is of another version: ",
         "; restart it: systemctl restart bpfmond", "Unknown option"},
        {BPFMON_ERROR_INVALID_OPTION, EXIT_USAGE, "", ""},
        {BPFMON_ERROR_LIMIT_EXCEEDED, EXIT_FAILURE, "", ""},
        {BPFMON_ERROR_NO_HISTORY, EXIT_FAILURE, "", ""},
};

/* How the buses begin when their policy refuses a message; what follows is for their developers. */
static const char *const refusals[] = {
        "Rejected send message",                 /* dbus-daemon */
        "Sender is not authorized to send mess", /* dbus-broker */
};

static const struct advice *find_advice(const char *name, const char *message) {
        for (size_t i = 0; i < ELEMENTSOF(advice); i++) {
                const char *begins = advice[i].begins ?: "";
                if (strcmp(advice[i].name, name) == 0 &&
                    strncmp(message, begins, strlen(begins)) == 0)
                        return &advice[i];
        }

        return NULL;
}

static const char *plain_words(const char *message) {
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                if (strncmp(message, refusals[i], strlen(refusals[i])) == 0)
                        return "the policy of the bus refuses it";

        return message;
}

/* Length of a sentence without its full stop. */
static int without_stop(const char *s) {
        size_t n = strnlen(s, 4096);

        while (n > 0 && (s[n - 1] == '.' || s[n - 1] == '\n'))
                n--;

        return (int) n;
}

int bus_complain(const sd_bus_error *error, int r) {
        if (r == -EINTR && ending_came())
                return EXIT_ENDED;
        if (!error || !error->name) {
                if (r == -ENOTCONN || r == -ECONNRESET)
                        complain("the system bus went away");
                else
                        complain("talking to bpfmond failed: %s", strerror(-r));
                return EXIT_FAILURE;
        }

        const bool says = error->message && error->message[0];
        const char *message = says ? plain_words(error->message) : error->name;
        const struct advice *a = find_advice(error->name, message);
        const char letter = sentence_letter(message);
        if (!a) {
                complain("bpfmond: %c%s", letter, message + (letter != 0));
                return EXIT_FAILURE;
        }

        if (a->after)
                complain("%s%c%.*s%s", a->before, letter, MAX(without_stop(message) - 1, 0),
                         message + (letter != 0),
                         a->status == EXIT_NOT_AUTHORIZED && complains_about() ? "; try it as root"
                                                                               : a->after);
        else
                complain("%s", a->before);
        return a->status;
}

bool bus_error_no_daemon(const sd_bus_error *error) {
        return sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                      SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_NO_REPLY) > 0;
}

bool bus_error_no_answer(const sd_bus_error *error, int r) {
        return r == -EINTR || r == -ENOTCONN || r == -ECONNRESET || r == -ETIMEDOUT ||
               bus_error_no_daemon(error) ||
               sd_bus_error_has_names(error, SD_BUS_ERROR_TIMEOUT, SD_BUS_ERROR_DISCONNECTED) > 0;
}

bool bus_message_disconnected(sd_bus_message *m) {
        return sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected") > 0;
}

int bus_find_daemon(sd_bus *bus, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *owner;

        int r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE, "GetNameOwner", &error,
                                   &reply, "s", BPFMON_BUS_NAME);
        if (r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                sd_bus_error_free(&error);
                r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE, "StartServiceByName",
                                       &error, NULL, "su", BPFMON_BUS_NAME, UINT32_C(0));
                if (r >= 0)
                        r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE,
                                               "GetNameOwner", &error, &reply, "s",
                                               BPFMON_BUS_NAME);
        }
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &owner);
        if (r < 0)
                return bus_complain(&error, r);

        char *copy = strdup(owner);
        if (!copy)
                return bus_complain(NULL, -ENOMEM);

        *ret = copy;
        return EXIT_SUCCESS;
}

/* The option fields, where not all are wanted. */
static int append_fields(sd_bus_message *m, const struct field_set *only) {
        if (!only)
                return 0;

        int r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "fields");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (int f = 0; f < _FIELD_MAX && r >= 0; f++)
                if (field_set_has(only, (enum field) f))
                        r = sd_bus_message_append(m, "s", field_info((enum field) f)->name);
        for (int i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_options(sd_bus_message *m, const struct bus_options *more, const char *scope) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = append_fields(m, more->only);
        if (r >= 0 && scope)
                r = sd_bus_message_append(m, "{sv}", "scope", "s", scope);
        if (r >= 0 && more->append)
                r = more->append(m, more->userdata);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_arguments(sd_bus_message *m, char **matches, size_t n,
                            const struct bus_options *more, const char *scope) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "s", matches[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = append_options(m, more, scope);

        return r < 0 ? r : 0;
}

static int append_interval(sd_bus_message *m, const void *userdata) {
        const uint64_t *interval = userdata;

        return *interval > 0 ? sd_bus_message_append(m, "{sv}", "interval", "t", *interval) : 0;
}

int bus_append_matches(sd_bus_message *m, char **matches, size_t n, const struct field_set *only,
                       const char *scope, uint64_t every) {
        const struct bus_options more = {
                .only = only,
                .append = append_interval,
                .userdata = &every,
        };

        return append_arguments(m, matches, n, &more, scope);
}

bool bus_error_wants_password(const sd_bus_error *error, const struct options *options) {
        return options->ask_password &&
               sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
}

/* A method of the manager, with its arguments. */
struct call {
        const char *method;
        bool takes_matches; /* otherwise what more.append adds */
        char **matches;
        size_t n;
        const struct options *options;
        struct bus_options more;
};

static int try_call(sd_bus *bus, const struct call *c, const char *scope, bool interactive,
                    sd_bus_error *error, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        int r = sd_bus_message_new_method_call(bus, &m, BPFMON_BUS_NAME, BPFMON_OBJECT_PATH,
                                               BPFMON_MANAGER_INTERFACE, c->method);
        if (r >= 0 && c->takes_matches)
                r = append_arguments(m, c->matches, c->n, &c->more, scope);
        else if (r >= 0 && c->more.append)
                r = c->more.append(m, c->more.userdata);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, interactive);
        if (r >= 0)
                r = sd_bus_call(bus, m, interactive ? BUS_PASSWORD_USEC : 0, error, ret);

        return r;
}

int bus_new_call(sd_bus *bus, sd_bus_message **ret, const char *method, char **matches, size_t n,
                 const struct options *options, const struct bus_options *more) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        int r = sd_bus_message_new_method_call(bus, &m, BPFMON_BUS_NAME, BPFMON_OBJECT_PATH,
                                               BPFMON_MANAGER_INTERFACE, method);
        if (r >= 0)
                r = append_arguments(m, matches, n, more, options->scope);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

/* Without a password. */
static int ask(sd_bus *bus, const struct call *c, const char *scope, sd_bus_error *error,
               sd_bus_message **ret) {
        bool ours = progress_begin("Waiting for bpfmond");
        int r = try_call(bus, c, scope, false, error, ret);

        if (ours || r < 0) /* what is said next is no part of it */
                progress_end();
        return r;
}

/* Only who needs a password gets an agent that asks for it. */
static int make_call(sd_bus *bus, const struct call *c, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = ask(bus, c, c->options->scope, &error, ret);

        if (r < 0 && bus_error_wants_password(&error, c->options)) {
                pid_t agent = agent_start();

                sd_bus_error_free(&error);
                r = try_call(bus, c, c->options->scope, true, &error, ret);
                agent_stop(agent);
        }

        if (r < 0 && c->more.limited &&
            sd_bus_error_has_name(&error, BPFMON_ERROR_LIMIT_EXCEEDED)) {
                *c->more.limited = true;
                return EXIT_FAILURE;
        }
        if (r < 0 && c->more.unread && sd_bus_error_has_name(&error, SD_BUS_ERROR_TIMEOUT)) {
                *c->more.unread = true;
                return EXIT_FAILURE;
        }
        if (r < 0 && c->more.gone && bus_error_no_daemon(&error)) {
                *c->more.gone = true;
                return EXIT_FAILURE;
        }
        return r < 0 ? bus_complain(&error, r) : EXIT_SUCCESS;
}

int bus_call_arguments(sd_bus *bus, const char *method,
                       int (*append)(sd_bus_message *m, const void *userdata), const void *userdata,
                       const struct options *options, sd_bus_message **ret) {
        struct call c = {
                .method = method,
                .options = options,
                .more = {.append = append, .userdata = userdata},
        };

        return make_call(bus, &c, ret);
}

int bus_call(sd_bus *bus, const char *method, const struct options *options, sd_bus_message **ret) {
        struct call c = {.method = method, .options = options};

        return make_call(bus, &c, ret);
}

int bus_call_matches(sd_bus *bus, const char *method, char **matches, size_t n,
                     const struct options *options, sd_bus_message **ret) {
        struct call c = {method, true, matches, n, options};

        return make_call(bus, &c, ret);
}

int bus_ask(sd_bus *bus, const char *method, char **matches, size_t n, const char *scope,
            sd_bus_error *error, sd_bus_message **ret) {
        struct call c = {.method = method, .takes_matches = matches, .matches = matches, .n = n};

        return ask(bus, &c, scope, error, ret);
}

int bus_call_options(sd_bus *bus, const char *method, char **matches, size_t n,
                     const struct options *options, const struct bus_options *more,
                     sd_bus_message **ret) {
        struct call c = {method, true, matches, n, options, *more};

        return make_call(bus, &c, ret);
}
