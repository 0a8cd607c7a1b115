/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-screen.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <inttypes.h>
#include <json.h>
#include <langinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "escape.h"
#include "text.h"
#include "top-terminal.h"
#include "value.h"

enum {
        HEADER_LINES = 3, /* totals, state, headings */
        FOOTER_LINES = 1,
        SPARK_MIN = 8,
        UTF8_MAX = 4, /* bytes of a character */
};

enum colour_pair { PAIR_SPARK = 1, PAIR_ALARM, PAIR_NOTE };

/* What a crash needs, as a signal handler may have it. */
static struct {
        bool open, colour, utf8;
        SCREEN *screen;
        struct termios before;
        char reset[256];
        size_t n_reset;
} state;

static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

/* Gives the terminal back and dies of the same signal. */
static void on_crash(int number) {
        (void) !write(STDOUT_FILENO, state.reset, state.n_reset);
        (void) tcsetattr(STDOUT_FILENO, TCSANOW, &state.before);
        signal(number, SIG_DFL);
        raise(number);
}

static void remember(const char *capability) {
        const char *s = tigetstr(capability);
        size_t n = s && s != (char *) -1 ? strlen(s) : 0;

        if (n == 0 || state.n_reset + n > sizeof(state.reset))
                return;
        memcpy(state.reset + state.n_reset, s, n);
        state.n_reset += n;
}

static void prepare_for_crash(void) {
        static const char *const capabilities[] = {"sgr0", "rmkx", "cnorm", "rmcup"};

        state.n_reset = 0;
        for (size_t i = 0; i < ELEMENTSOF(capabilities); i++)
                remember((char *) capabilities[i]);
        for (size_t i = 0; i < ELEMENTSOF(crashes); i++)
                signal(crashes[i], on_crash);
}

int screen_open(bool colour) {
        struct winsize size;

        if (!isatty(STDIN_FILENO) || tcgetattr(STDOUT_FILENO, &state.before) < 0)
                return -ENOTTY;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0 &&
            (size.ws_col < SCREEN_COLUMNS_MIN || size.ws_row < SCREEN_LINES_MIN))
                return -ENOSPC;
        if (!terminal_is_known())
                return -ENOENT;
        state.screen = newterm(NULL, stdout, stdin);
        if (!state.screen)
                return -ENOENT;

        state.open = true;
        state.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        prepare_for_crash();
        cbreak();
        noecho();
        nonl();
        keypad(stdscr, TRUE);
        nodelay(stdscr, TRUE);
        set_escdelay(50);
        curs_set(0);
        state.colour = colour && has_colors();
        if (state.colour) {
                start_color();
                use_default_colors();
                init_pair(PAIR_SPARK, COLOR_GREEN, -1);
                init_pair(PAIR_ALARM, COLOR_RED, -1);
                init_pair(PAIR_NOTE, COLOR_YELLOW, -1);
        }
        return 0;
}

void screen_close(void) {
        if (!state.open)
                return;

        endwin();
        delscreen(state.screen);
        state.open = false;
        for (size_t i = 0; i < ELEMENTSOF(crashes); i++)
                signal(crashes[i], SIG_DFL);
}

void screen_resize(void) {
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_row > 0 && size.ws_col > 0)
                resizeterm(size.ws_row, size.ws_col);
        clearok(stdscr, TRUE);
}

size_t screen_rows(void) {
        return LINES > HEADER_LINES + FOOTER_LINES ? (size_t) (LINES - HEADER_LINES - FOOTER_LINES)
                                                   : 1;
}

int screen_key(void) {
        return getch();
}

static attr_t pair(enum colour_pair p) {
        return state.colour ? (attr_t) COLOR_PAIR(p) : A_NORMAL;
}

/* A line, cut to the screen. */
/* Where the locale is not UTF-8, ncurses would show what is not ASCII as bytes, or as nothing. */
static void put_text(const char *s) {
        static const struct { const char *character, *instead; } known[] = {{"µ", "u"}, {"…", "~"}};

        if (state.utf8) {
                addstr(s);
                return;
        }
        while (*s) {
                const size_t n = MAX(utf8_sequence(s, strlen(s)), (size_t) 1);
                char character[UTF8_MAX + 1] = {};
                const char *instead = NULL;

                memcpy(character, s, n);
                for (size_t i = 0; i < ELEMENTSOF(known); i++)
                        if (strcmp(character, known[i].character) == 0)
                                instead = known[i].instead;
                if (instead || n == 1)
                        addstr(instead ?: character);
                else
                        for (size_t i = text_width(character); i > 0; i--)
                                addch('?');
                s += n;
        }
}

static void put_line(int line, const char *s, attr_t attributes) {
        _cleanup_text_ struct text cut = {};

        size_t width = text_add_fitted(&cut, s, (size_t) COLS);
        attron(attributes);
        move(line, 0);
        put_text(text_string(&cut));
        if (attributes & A_REVERSE)
                for (; width < (size_t) COLS; width++)
                        addch(' ');
        attroff(attributes);
}

/* Columns ------------------------------------------------------------------------------------- */

static void add_id(struct text *t, const struct top_program *p) {
        text_printf(t, "%" PRIu32, p->id);
}

static void add_name(struct text *t, const struct top_program *p) {
        row_add(t, p->row, "<{prog.name}|->");
}

static void add_type(struct text *t, const struct top_program *p) {
        row_add(t, p->row, "<{prog.type}>");
}

static void add_cpu(struct text *t, const struct top_program *p) {
        const double percent = (double) p->time_rate / 1e7;

        if (!p->measured)
                text_add(t, "-");
        else
                text_printf(t, percent < 9.995 ? "%.2f" : "%.1f", percent);
}

static void add_runs(struct text *t, const struct top_program *p) {
        if (p->measured)
                text_printf(t, "%" PRIu64, p->run_rate);
        else
                text_add(t, "-");
}

static void add_average(struct text *t, const struct top_program *p) {
        if (p->average > 0)
                text_add_duration(t, p->average);
        else
                text_add(t, "-");
}

static void add_memory(struct text *t, const struct top_program *p) {
        text_add_size(t, p->memory);
}

static void add_who(struct text *t, const struct top_program *p) {
        row_add(t, p->row, "<{loaded_by.name}|-><[{loaded_by.pid}]>< {loaded_by.unit}>");
}

/* In their order on the screen; those that do not fit a narrow one are left out. */
static const struct column {
        const char *name;
        int width;
        bool right;
        int least;        /* columns of a screen that has it */
        enum top_key key; /* _TOP_KEY_MAX: none sorts by it */
        void (*add)(struct text *t, const struct top_program *p);
} columns[] = {
        {"ID", 7, true, 0, TOP_ID, add_id},
        {"NAME", 16, false, 0, TOP_NAME, add_name},
        {"TYPE", 14, false, 100, _TOP_KEY_MAX, add_type},
        {"CPU %", 6, true, 0, TOP_CPU, add_cpu},
        {"RUNS/S", 9, true, 56, TOP_RUNS, add_runs},
        {"AVERAGE", 8, true, 64, TOP_TIME, add_average},
        {"MEMORY", 8, true, 72, TOP_MEMORY, add_memory},
        {"BROUGHT BY", 26, false, 132, _TOP_KEY_MAX, add_who},
};

const char *screen_key_name(enum top_key key) {
        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                if (columns[i].key == key)
                        return columns[i].name;

        return "";
}

static void add_cell(struct text *line, const struct column *c, const char *s) {
        size_t width = text_width(s), room = (size_t) c->width;
        size_t padding = width < room ? room - width : 0;

        text_add_char(line, ' ', c->right ? padding : 0);
        text_add_fitted(line, s, room);
        text_add_char(line, ' ', (c->right ? 0 : padding) + 1);
}

/* What the columns leave of the screen. */
static size_t spark_columns(void) {
        int left = COLS;

        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                if (COLS >= columns[i].least)
                        left -= columns[i].width + 1;

        return left >= SPARK_MIN ? MIN((size_t) left, (size_t) TOP_HISTORY) : 0;
}

/* The last minute, as high as it was against the most of it. */
static void put_spark(const struct top_model *m, const struct top_program *p, size_t n) {
        static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        static const char letters[] = " ..::||##";
        uint64_t history[TOP_HISTORY], most = 1;

        top_model_history(m, p, history, n);
        for (size_t i = 0; i < n; i++)
                most = MAX(most, history[i]);
        for (size_t i = 0; i < n; i++) {
                size_t height = history[i] == 0 ? 0 : 1 + (size_t) (history[i] * 7 / most);
                if (state.utf8)
                        addstr(blocks[height]);
                else
                        addch((chtype) letters[height]);
        }
}

/* The screen ---------------------------------------------------------------------------------- */

static void draw_totals(struct top_view *v, struct top_model *m, size_t shown) {
        const struct top_totals totals = top_model_totals(m);
        _cleanup_text_ struct text line = {};
        time_t now = time(NULL);
        struct tm tm;

        localtime_r(&now, &tm);
        text_printf(&line, "%02d:%02d:%02d  ", tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (v->place) {
                text_add_escaped(&line, v->place);
                text_add(&line, "  ");
        }
        text_printf(&line, "%zu program%s", totals.programs, totals.programs == 1 ? "" : "s");
        if (shown < totals.programs)
                text_printf(&line, ", %zu shown", shown);
        text_printf(&line, ", %zu ran, %.2f %% of a processor, ", totals.running,
                    (double) totals.time_rate / 1e7);
        text_add_size(&line, totals.memory);
        put_line(0, text_string(&line), A_BOLD);
}

/* What is typed, its end where it is wider than the screen. */
static void add_typed(struct text *line, const char *filter) {
        static const char before[] = "Filter: ";
        const size_t room = (size_t) COLS - sizeof(before);
        _cleanup_text_ struct text shown = {};

        text_add_escaped(&shown, filter);
        const char *s = text_string(&shown);
        bool cut = shown.n > UTF8_MAX * room;
        s += cut ? shown.n - UTF8_MAX * room : 0;
        while (((unsigned char) *s & 0xc0) == 0x80 || (*s && text_width(s) + cut > room)) {
                cut = true;
                s++;
        }
        text_printf(line, "%s%s%s_", before, cut ? "…" : "", s);
}

static void draw_state(const struct top_view *v) {
        _cleanup_text_ struct text line = {};
        attr_t attributes = A_NORMAL;

        if (v->typing) {
                add_typed(&line, v->filter);
        } else if (v->message) {
                text_add_escaped(&line, v->message);
                attributes = pair(PAIR_ALARM) | A_BOLD;
        } else {
                text_printf(&line, "%sby %s%s", v->paused ? "PAUSED, " : "",
                            screen_key_name(v->key), v->reverse ? ", backwards" : "");
                if (v->filter[0]) {
                        text_add(&line, ", only ");
                        text_add_escaped(&line, v->filter);
                }
                attributes = v->paused ? pair(PAIR_NOTE) : A_NORMAL;
        }
        put_line(1, text_string(&line), attributes);
}

static void draw_headings(void) {
        _cleanup_text_ struct text line = {};
        const size_t spark = spark_columns();

        for (size_t i = 0; i < ELEMENTSOF(columns); i++) {
                if (COLS < columns[i].least)
                        continue;
                if (columns[i].least == 132 && spark > 0) /* the last one stands behind it */
                        continue;
                add_cell(&line, &columns[i], columns[i].name);
        }
        if (spark > 0) {
                const struct column last_minute = {"LAST MINUTE", (int) spark};
                add_cell(&line, &last_minute, last_minute.name);
        }
        if (COLS >= columns[ELEMENTSOF(columns) - 1].least && spark > 0)
                add_cell(&line, &columns[ELEMENTSOF(columns) - 1],
                         columns[ELEMENTSOF(columns) - 1].name);
        while (line.n > 0 && line.data[line.n - 1] == ' ')
                line.data[--line.n] = '\0';
        put_line(2, text_string(&line), A_REVERSE);
}

static void draw_program(const struct top_view *v, const struct top_model *m,
                         const struct top_program *p, int line) {
        const size_t spark = spark_columns(), last = ELEMENTSOF(columns) - 1;
        const attr_t marked = p->id == v->selected ? A_REVERSE : A_NORMAL;
        _cleanup_text_ struct text cells = {};

        for (size_t i = 0; i <= last; i++) {
                _cleanup_text_ struct text cell = {};
                if (COLS < columns[i].least || (i == last && spark > 0))
                        continue;
                columns[i].add(&cell, p);
                add_cell(&cells, &columns[i], text_string(&cell));
        }
        put_line(line, text_string(&cells), marked | (p->run_rate > 0 ? A_BOLD : A_NORMAL));
        if (spark == 0)
                return;

        attron(pair(PAIR_SPARK) | marked);
        move(line, (int) MIN(text_width(text_string(&cells)), (size_t) COLS - 1));
        put_spark(m, p, spark);
        attroff(pair(PAIR_SPARK) | marked);
        if (COLS >= columns[last].least) {
                _cleanup_text_ struct text cell = {}, padded = {};
                columns[last].add(&cell, p);
                add_cell(&padded, &columns[last], text_string(&cell));
                attron(marked);
                addch(' ');
                put_text(text_string(&padded));
                attroff(marked);
        }
}

/* Scrolls so that the marked program is on the screen. */
static void keep_selected(struct top_view *v, const struct top_program *const *programs, size_t n) {
        const size_t rows = screen_rows();
        size_t at = 0;

        while (at < n && programs[at]->id != v->selected)
                at++;
        if (at == n) { /* gone: the mark goes to what is in its place */
                at = n > 0 ? MIN(v->top, n - 1) : 0;
                v->selected = n > 0 ? programs[at]->id : 0;
        }
        if (at < v->top)
                v->top = at;
        if (at >= v->top + rows)
                v->top = at - rows + 1;
        if (v->top + rows > n)
                v->top = n > rows ? n - rows : 0;
}

static void draw_details(struct top_view *v) {
        const size_t rows = (size_t) MAX(LINES - 1, 1);
        const char *s = v->details;
        size_t lines = 0;

        for (const char *c = s; *c; c++)
                lines += *c == '\n';
        if (v->details_top + rows > lines)
                v->details_top = lines > rows ? lines - rows : 0;
        for (size_t i = 0; i < v->details_top; i++)
                s = strchr(s, '\n') + 1;
        for (size_t i = 0; i < rows && *s; i++) {
                const char *end = strchrnul(s, '\n');
                _cleanup_free_ char *line = strndup(s, (size_t) (end - s));
                if (line)
                        put_line((int) i, line, A_NORMAL);
                s = *end ? end + 1 : end;
        }
        put_line(LINES - 1, "Esc back  Up Down scroll  q quit", A_REVERSE);
}

static void draw_footer(const struct top_view *v) {
        _cleanup_text_ struct text line = {};

        if (v->typing && v->message)
                text_add_escaped(&line, v->message);
        else if (v->typing)
                text_add(&line, "Enter uses it, Esc leaves it as it was");
        else
                text_add(&line, "q quit  Enter details  s sort  r reverse  / filter  p pause  "
                                "Up Down select");
        put_line(LINES - 1, text_string(&line), A_REVERSE);
}

void screen_draw(struct top_view *v, struct top_model *m) {
        size_t n;
        const struct top_program *const *programs = top_model_view(m, &n);

        erase();
        if (COLS < SCREEN_COLUMNS_MIN || LINES < SCREEN_LINES_MIN) {
                put_line(0, "Terminal too small", A_NORMAL);
        } else if (v->details) {
                draw_details(v);
        } else {
                keep_selected(v, programs, n);
                draw_totals(v, m, n);
                draw_state(v);
                draw_headings();
                for (size_t i = 0; i < screen_rows() && v->top + i < n; i++)
                        draw_program(v, m, programs[v->top + i], HEADER_LINES + (int) i);
                draw_footer(v);
        }
        refresh();
}
