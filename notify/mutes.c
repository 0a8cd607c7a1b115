/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mutes.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "files.h"
#include "text.h"

struct mutes {
        char *file;
        struct stat seen; /* of the file that was read; zeroed: there was none */
        bool looked;
        int error;     /* why it could not be used, as it is now */
        char *content; /* the file as it is, NUL-terminated */
        char *lines;   /* a copy that `programs` points into */
        const char *programs[MUTES_MAX];
        size_t n;
};

static const char heading[] =
        "# Programs whose alerts bpfmon-notify does not show, one a line: the path of an executable,\n"
        "# or USER:NAME where the path is not told. See bpfmon-notify(1).\n";

static int default_file(char **ret) {
        const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        int n;

        /* A relative path is to be ignored (XDG Base Directory Specification). */
        if (config && config[0] == '/')
                n = asprintf(ret, "%s/bpfmon/mutes", config);
        else if (home && home[0] == '/')
                n = asprintf(ret, "%s/.config/bpfmon/mutes", home);
        else
                return -ENXIO;
        return n < 0 ? -ENOMEM : 0;
}

int mutes_new(struct mutes **ret, const char *file) {
        _cleanup_(mutes_freep) struct mutes *m = calloc(1, sizeof(*m));
        int r = 0;

        if (!m)
                return -ENOMEM;
        if (file) {
                m->file = strdup(file);
                if (!m->file)
                        return -ENOMEM;
        } else {
                r = default_file(&m->file);
        }
        if (r < 0) {
                m->file = NULL;
                return r;
        }

        *ret = TAKE_PTR(m);
        return 0;
}

struct mutes *mutes_free(struct mutes *m) {
        if (!m)
                return NULL;

        free(m->file);
        free(m->content);
        free(m->lines);
        free(m);
        return NULL;
}

const char *mutes_file(const struct mutes *m) {
        return m->file;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Ends a line where its text does, and returns where that begins. */
static char *trim(char *line) {
        size_t n;

        line += strspn(line, " \t");
        n = strlen(line);
        while (n > 0 && strchr(" \t\r", line[n - 1]))
                line[--n] = '\0';
        return line;
}

/* Takes content (ownership moves here in any case) as what the file has. */
static int take(struct mutes *m, char *content) {
        _cleanup_free_ char *text = content;
        _cleanup_free_ char *lines = strdup(content);
        char *rest = lines, *line;
        const char *programs[MUTES_MAX];
        size_t n = 0;

        if (!lines)
                return -ENOMEM;
        while ((line = strsep(&rest, "\n"))) {
                line = trim(line);
                if (!line[0] || line[0] == '#')
                        continue;
                if (n == MUTES_MAX)
                        return -EFBIG;
                programs[n++] = line;
        }

        qsort(programs, n, sizeof(programs[0]), compare);
        memcpy(m->programs, programs, n * sizeof(programs[0]));
        m->n = n;
        free(m->content);
        free(m->lines);
        m->content = TAKE_PTR(text);
        m->lines = TAKE_PTR(lines);
        return 0;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int mutes_refresh(struct mutes *m) {
        _cleanup_free_ char *content = NULL;
        struct stat now = {};

        if (stat(m->file, &now) < 0) {
                if (errno != ENOENT && errno != ENOTDIR)
                        return -errno;
                now = (struct stat){};
        }
        if (m->looked && same_file(&now, &m->seen))
                return 0;

        int r = 0;
        if (now.st_ino != 0)
                r = files_read(m->file, MUTES_FILE_MAX, &content);
        else if (!(content = strdup("")))
                r = -ENOMEM;
        if (r >= 0)
                r = take(m, TAKE_PTR(content));

        /* Noted even where it can't be used: it is complained of once, and left alone. */
        m->looked = true;
        m->seen = now;
        m->error = r;
        return r;
}

bool mutes_has(const struct mutes *m, const char *program) {
        return program && bsearch(&program, m->programs, m->n, sizeof(m->programs[0]), compare);
}

const char *const *mutes_list(const struct mutes *m, size_t *ret_n) {
        *ret_n = m->n;
        return m->programs;
}

/* Whether it comes out of the file as it went in. */
static bool is_line(const char *program) {
        size_t n = strlen(program);

        return n > 0 && program[0] != '#' && !strchr(program, '\n') && !strchr(" \t", program[0]) &&
               !strchr(" \t\r", program[n - 1]);
}

/* A file that could not be understood is not replaced by what was understood before. */
static int refresh_for_change(struct mutes *m) {
        int r = mutes_refresh(m);

        return r < 0 ? r : m->error;
}

static int replace(struct mutes *m, const struct text *t) {
        int r;

        if (t->failed)
                return -ENOMEM;
        if (t->n > MUTES_FILE_MAX)
                return -EFBIG;
        r = files_make_parents(m->file);
        if (r >= 0)
                r = file_write(m->file, text_string(t), t->n);
        if (r >= 0)
                r = mutes_refresh(m);
        return r < 0 ? r : 1;
}

int mutes_add(struct mutes *m, const char *program) {
        _cleanup_text_ struct text t = {};

        if (!is_line(program))
                return -EINVAL;
        int r = refresh_for_change(m);
        if (r < 0)
                return r;
        if (mutes_has(m, program))
                return 0;
        if (m->n == MUTES_MAX)
                return -EFBIG;

        text_add(&t, m->content[0] ? m->content : heading);
        if (t.n > 0 && t.data[t.n - 1] != '\n')
                text_add(&t, "\n");
        text_add(&t, program);
        text_add(&t, "\n");
        return replace(m, &t);
}

int mutes_remove(struct mutes *m, const char *program) {
        _cleanup_text_ struct text t = {};
        _cleanup_free_ char *copy = NULL;
        char *rest, *line;

        int r = refresh_for_change(m);
        if (r < 0)
                return r;
        if (!mutes_has(m, program))
                return 0;

        rest = copy = strdup(m->content);
        if (!copy)
                return -ENOMEM;
        while ((line = strsep(&rest, "\n"))) {
                _cleanup_free_ char *bare = strdup(line);

                if (!bare)
                        return -ENOMEM;
                if (strcmp(trim(bare), program) == 0 || (!rest && !line[0]))
                        continue;
                text_add(&t, line);
                text_add(&t, "\n");
        }
        return replace(m, &t);
}
