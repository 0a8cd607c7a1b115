/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "words.h"

#include <string.h>

#include "text.h"
#include "util.h"

static const char spaces[] = " \t\n";

char **words_free(char **words) {
        for (char **w = words; w && *w; w++)
                free(*w);
        free(words);
        return NULL;
}

/* Takes one word, its quotes removed, from where `*s` points. */
static int take_word(struct text *word, const char **s) {
        char quote = '\0';

        text_add(word, "");
        for (; **s && (quote || !strchr(spaces, **s)); (*s)++) {
                const char c = **s;

                if (c == quote)
                        quote = '\0';
                else if (!quote && (c == '\'' || c == '"'))
                        quote = c;
                else if (c == '\\' && quote != '\'' && (*s)[1]) {
                        (*s)++;
                        text_add_char(word, **s, 1);
                } else
                        text_add_char(word, c, 1);
        }

        return quote ? -EINVAL : word->failed ? -ENOMEM : 0;
}

/* Whether nothing in it ends a word or means something else. */
static bool plain(const char *word) {
        return word[0] && !strpbrk(word, " \t\n'\"\\");
}

void words_join(struct text *t, char **words, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const char *quote = plain(words[i]) ? "" : strchr(words[i], '\'') ? "\"" : "'";

                text_printf(t, "%s%s", i > 0 ? " " : "", quote);
                for (const char *c = words[i]; *c; c++) {
                        if (quote[0] == '"' && (*c == '"' || *c == '\\'))
                                text_add_char(t, '\\', 1);
                        text_add_char(t, *c, 1);
                }
                text_add(t, quote);
        }
}

int words_split(char ***ret, const char *s) {
        char **words = calloc(strlen(s) + 2, sizeof(*words)); /* more than there can be */
        int n = 0, r = words ? 0 : -ENOMEM;

        while (r >= 0 && *(s += strspn(s, spaces))) {
                _cleanup_text_ struct text word = {};

                r = take_word(&word, &s);
                if (r < 0)
                        break;
                words[n] = strdup(text_string(&word));
                if (!words[n++])
                        r = -ENOMEM;
        }
        if (r < 0) {
                words_free(words);
                return r;
        }

        *ret = words;
        return n;
}
