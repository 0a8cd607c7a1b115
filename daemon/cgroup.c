/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "cgroup.h"
#include "util.h"

/* A part of a string, without NUL. */
struct part {
        const char *s;
        size_t n;
};

static bool starts_with(struct part p, const char *prefix) {
        return p.n >= strlen(prefix) && memcmp(p.s, prefix, strlen(prefix)) == 0;
}

static bool ends_with(struct part p, const char *suffix) {
        size_t n = strlen(suffix);

        return p.n >= n && memcmp(p.s + p.n - n, suffix, n) == 0;
}

static bool equals(struct part p, const char *s) {
        return p.n == strlen(s) && memcmp(p.s, s, p.n) == 0;
}

static struct part without(struct part p, const char *prefix, const char *suffix) {
        return (struct part){p.s + strlen(prefix), p.n - strlen(prefix) - strlen(suffix)};
}

/* Takes the first component off a path. Returns false at its end. */
static bool next_component(const char **path, struct part *ret) {
        const char *s = *path + strspn(*path, "/");

        *ret = (struct part){s, strcspn(s, "/")};
        *path = s + ret->n;
        return ret->n > 0;
}

/* Names that could be mistaken for the kernel's own files have a "_" before them: cg_unescape(). */
static struct part unescape(struct part p) {
        return starts_with(p, "_") ? (struct part){p.s + 1, p.n - 1} : p;
}

static bool valid_unit_characters(struct part p) {
        for (size_t i = 0; i < p.n; i++)
                if (!isascii(p.s[i]) || !(isalnum(p.s[i]) || strchr(":-_.\\@", p.s[i])))
                        return false;
        return true;
}

/* unit_name_is_valid(UNIT_NAME_PLAIN|UNIT_NAME_INSTANCE) for a unit of this type. */
static bool is_unit_of_type(struct part p, const char *suffix) {
        if (p.n >= UNIT_NAME_MAX || p.n <= strlen(suffix) || !ends_with(p, suffix) ||
            !valid_unit_characters(p))
                return false;

        /* Neither "@x.service" nor the template "x@.service". */
        const char *at = memchr(p.s, '@', p.n);
        return at != p.s && at != p.s + p.n - strlen(suffix) - 1;
}

static bool is_slice(struct part p) {
        return is_unit_of_type(unescape(p), ".slice");
}

static bool is_unit(struct part p) {
        static const char *const types[] = {".service", ".scope",  ".socket", ".mount",
                                            ".swap",    ".device", ".timer",  ".automount",
                                            ".path",    ".target"};

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (is_unit_of_type(p, types[i]))
                        return true;
        return false;
}

static bool is_hex(struct part p, size_t min, size_t max) {
        for (size_t i = 0; i < p.n; i++)
                if (!isxdigit((unsigned char) p.s[i]) || isupper((unsigned char) p.s[i]))
                        return false;
        return p.n >= min && p.n <= max;
}

static void copy(struct part p, char ret[static UNIT_NAME_MAX]) {
        if (p.n >= UNIT_NAME_MAX)
                return;
        memcpy(ret, p.s, p.n);
        ret[p.n] = 0;
}

/* unit_name_unescape(): \xNN is a byte. "-" is left alone: a machine's name is no path. */
static void copy_unescaped(struct part p, char ret[static UNIT_NAME_MAX]) {
        char text[UNIT_NAME_MAX];
        size_t n = 0;

        if (p.n >= sizeof(text))
                return;

        for (size_t i = 0; i < p.n; i++) {
                unsigned byte = 0;
                if (p.n - i >= 4 && p.s[i] == '\\' && p.s[i + 1] == 'x' &&
                    is_hex((struct part){p.s + i + 2, 2}, 2, 2) &&
                    sscanf(p.s + i + 2, "%2x", &byte) == 1 && byte != 0) {
                        text[n++] = (char) byte;
                        i += 3;
                } else {
                        text[n++] = p.s[i];
                }
        }

        text[n] = 0;
        if (n > 0)
                memcpy(ret, text, n + 1);
}

static void parse_unit(const char *path, struct cgroup_names *ret) {
        struct part p;

        while (next_component(&path, &p) && is_slice(p))
                ;
        p = unescape(p);
        if (!is_unit(p))
                return;
        copy(p, ret->unit);

        if (!starts_with(p, "session-") || !ends_with(p, ".scope") ||
            p.n <= strlen("session-.scope"))
                return;
        p = without(p, "session-", ".scope");
        for (size_t i = 0; i < p.n; i++)
                if (!isalnum((unsigned char) p.s[i]))
                        return;
        copy(p, ret->session);
}

/* How engines name the control groups of containers. */
static const struct {
        const char *prefix;
        const char *suffix;
        bool hex; /* an id of 64 digits; otherwise a name */
} containers[] = {
        {"docker-", ".scope", true},   {"libpod-", ".scope", true},
        {"libpod-", "", true},         {"cri-containerd-", ".scope", true},
        {"crio-", ".scope", true},     {"crio-", "", true},
        {"machine-", ".scope", false}, {"systemd-nspawn@", ".service", false},
        {"lxc.payload.", "", false},
};

/* Engines that nest a group per container, named by its bare id, below one of their own. */
static bool is_engine(struct part p) {
        return equals(p, "docker") || starts_with(p, "kubepods");
}

static bool parse_container_component(struct part p, struct cgroup_names *ret) {
        for (size_t i = 0; i < ELEMENTSOF(containers); i++) {
                if (!starts_with(p, containers[i].prefix) || !ends_with(p, containers[i].suffix) ||
                    p.n <= strlen(containers[i].prefix) + strlen(containers[i].suffix))
                        continue;

                struct part id = without(p, containers[i].prefix, containers[i].suffix);
                if (containers[i].hex && !is_hex(id, 64, 64))
                        continue;
                copy_unescaped(id, ret->container);
                return true;
        }

        return false;
}

static void parse_container(const char *path, struct cgroup_names *ret) {
        struct part p, before = {"", 0};
        bool engine = false;

        for (; next_component(&path, &p); before = p) {
                if (parse_container_component(p, ret))
                        continue;
                if (engine && is_hex(p, 64, 64))
                        copy(p, ret->container);
                else if (equals(before, "lxc"))
                        copy(p, ret->container);
                engine = engine || is_engine(p);
        }
}

void cgroup_parse(const char *path, struct cgroup_names *ret) {
        ret->unit[0] = ret->session[0] = ret->container[0] = 0;
        parse_unit(path, ret);
        parse_container(path, ret);
}

void cgroup_parse_cut(const char *path, struct cgroup_names *ret) {
        cgroup_parse(path, ret);
        ret->unit[0] = ret->session[0] = 0;
}
