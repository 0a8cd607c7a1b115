/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "util.h"

static int read_port(const char *word, uint16_t *ret) {
        unsigned long port;
        char *end;

        if (*word < '0' || *word > '9')
                return -EINVAL;
        port = strtoul(word, &end, 10);
        if (*end || port < 1 || port > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t) port;
        return 0;
}

static int copy_path(struct service_rule *rule, const char *word) {
        char compiled[SERVICE_PATH_BYTES];

        if (glob_compile(compiled, word) < 0)
                return -EINVAL;
        strcpy(rule->path, word);
        return 0;
}

/* One word behind the name. */
static int read_place(struct service_rule *rule, const char *word) {
        rule->path[0] = 0;
        rule->port = 0;
        if (word[0] != '/' && word[0] != '@' && word[0] != '*')
                return read_port(word, &rule->port);
        return strlen(word) < sizeof(rule->path) ? copy_path(rule, word) : -EINVAL;
}

int service_rules_add(struct service_rules *rules, const char *text) {
        static const char blanks[] = " \t";
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *name, *word;
        size_t n = rules->n;
        int k;

        if (!copy)
                return -ENOMEM;
        name = strtok_r(copy, blanks, &rest);
        if (!name || strlen(name) >= SERVICE_NAME_BYTES || strpbrk(name, "/*?@"))
                return -EINVAL;
        while ((word = strtok_r(NULL, blanks, &rest))) {
                if (n == SERVICE_RULES_MAX)
                        return -E2BIG;
                strcpy(rules->rules[n].name, name);
                k = read_place(&rules->rules[n], word);
                if (k < 0)
                        return k;
                n++;
        }
        if (n == rules->n)
                return -EINVAL;
        rules->n = n;
        return 0;
}

static const char *find_port(const struct service_rule *rules, size_t n, uint16_t port) {
        for (size_t i = 0; i < n; i++)
                if (rules[i].port != 0 && rules[i].port == port)
                        return rules[i].name;
        return NULL;
}

static const char *find_path(const struct service_rule *rules, size_t n, const char *path) {
        char compiled[SERVICE_PATH_BYTES];

        for (size_t i = 0; i < n; i++)
                if (rules[i].path[0] && glob_compile(compiled, rules[i].path) >= 0 &&
                    glob_test(compiled, path, false))
                        return rules[i].name;
        return NULL;
}

const char *service_of_port(const struct service_rules *rules, uint16_t port) {
        return find_port(rules->rules, rules->n, port)
                       ?: find_port(usual_services, n_usual_services, port);
}

const char *service_of_path(const struct service_rules *rules, const char *path) {
        return find_path(rules->rules, rules->n, path)
                       ?: find_path(usual_services, n_usual_services, path);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

size_t service_names(const struct service_rules *rules, const char **ret, size_t max) {
        size_t n = 0, kept = 0;

        for (size_t i = 0; i < rules->n && n < max; i++)
                ret[n++] = rules->rules[i].name;
        for (size_t i = 0; i < n_usual_services && n < max; i++)
                ret[n++] = usual_services[i].name;
        qsort(ret, n, sizeof(*ret), compare_names);
        for (size_t i = 0; i < n; i++)
                if (kept == 0 || strcmp(ret[kept - 1], ret[i]) != 0)
                        ret[kept++] = ret[i];
        return kept;
}
