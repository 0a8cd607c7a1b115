/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "util.h"

/* Ports as IANA has them, or as their makers chose them; paths as they are by default, or as Debian
 * and Fedora have them. */
static const struct service_rule usual[] = {
        {"postgresql", "*/.s.PGSQL.*", 0},
        {"postgresql", "", 5432},
        {"pgbouncer", "", 6432},
        {"mysql", "*/mysqld*.sock", 0},
        {"mysql", "*/mysql*.sock", 0},
        {"mysql", "*/mariadb*.sock", 0},
        {"mysql", "", 3306},
        {"mysql", "", 33060},
        {"redis", "*/redis*.sock", 0},
        {"redis", "*/valkey*.sock", 0},
        {"redis", "", 6379},
        {"mongodb", "*/mongodb-*.sock", 0},
        {"mongodb", "", 27017},
        {"memcached", "*/memcached*.sock", 0},
        {"memcached", "", 11211},
        {"cassandra", "", 9042},
        {"clickhouse", "", 9000},
        {"clickhouse", "", 8123},
        {"couchdb", "", 5984},
        {"elasticsearch", "", 9200},
        {"elasticsearch", "", 9300},
        {"etcd", "", 2379},
        {"etcd", "", 2380},
        {"firebird", "", 3050},
        {"influxdb", "", 8086},
        {"kafka", "", 9092},
        {"mssql", "", 1433},
        {"neo4j", "", 7687},
        {"oracle", "", 1521},
        {"rabbitmq", "", 5672},
        {"zookeeper", "", 2181},
        {"amqps", "", 5671},
        {"docker", "*/docker.sock", 0},
        {"containerd", "*/containerd.sock", 0},
        {"dbus", "*/dbus/system_bus_socket", 0},
        {"dns", "", 53},
        {"http", "", 80},
        {"https", "", 443},
        {"imap", "", 143},
        {"imaps", "", 993},
        {"ldap", "", 389},
        {"ldaps", "", 636},
        {"nfs", "", 2049},
        {"smtp", "", 25},
        {"submission", "", 587},
        {"ssh", "", 22},
};

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
        return find_port(rules->rules, rules->n, port) ?: find_port(usual, ELEMENTSOF(usual), port);
}

const char *service_of_path(const struct service_rules *rules, const char *path) {
        return find_path(rules->rules, rules->n, path) ?: find_path(usual, ELEMENTSOF(usual), path);
}
