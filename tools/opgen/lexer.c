/* Characters to tokens: names, numbers, strings, signs. A "#" runs to the end of the line; newlines
 * are blanks here, since table.c has already cut a file into the texts of its keys. */
#include "opgen.h"

#include <ctype.h>
#include <string.h>

static const char *const LONG_SIGNS[] = {"->", "==", "!=", "<=", ">=", "&&", "||", "<<", ">>"};
static const char SIGNS[] = "()[]{}+-*/%!~<>=&|^?:,.;";

void lexer_open(struct lexer *l, const struct stretch *s)
{
    *l = (struct lexer){.file = s->file,
                        .text = s->text,
                        .at = s->at,
                        .end = s->end,
                        .line = s->line,
                        .line_start = s->line_start};
    lexer_next(l);
}

void lexer_expect_end(struct lexer *l, const char *what)
{
    if (l->token.kind != TOKEN_END)
        complain(l->token.place, "found %s after %s", token_text(&l->token), what);
}

static void skip_blanks(struct lexer *l)
{
    for (; l->at < l->end; l->at++) {
        char c = l->text[l->at];
        if (c == '#') {
            while (l->at + 1 < l->end && l->text[l->at + 1] != '\n')
                l->at++;
        } else if (c == '\n') {
            l->line++;
            l->line_start = l->at + 1;
        } else if (!isspace((unsigned char)c)) {
            return;
        }
    }
}

static size_t number_length(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && isdigit((unsigned char)s[i]))
        i++;
    if (i < n && s[i] == '.') {
        i++;
        while (i < n && isdigit((unsigned char)s[i]))
            i++;
    }
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        size_t j = i + 1;
        if (j < n && (s[j] == '+' || s[j] == '-'))
            j++;
        if (j < n && isdigit((unsigned char)s[j])) {
            while (j < n && isdigit((unsigned char)s[j]))
                j++;
            i = j;
        }
    }
    return i;
}

static size_t sign_length(const char *s, size_t n)
{
    for (size_t k = 0; n >= 2 && k < sizeof LONG_SIGNS / sizeof *LONG_SIGNS; k++)
        if (memcmp(s, LONG_SIGNS[k], 2) == 0)
            return 2;
    return *s && strchr(SIGNS, *s) ? 1 : 0;
}

void lexer_next(struct lexer *l)
{
    skip_blanks(l);
    struct token *t = &l->token;
    t->place = (struct place){l->file, l->line, (int)(l->at - l->line_start) + 1};
    t->kind = TOKEN_END, t->text = "";
    if (l->at >= l->end)
        return;
    const char *s = l->text + l->at;
    size_t n = l->end - l->at, used = 0, skip = 0;
    unsigned char c = (unsigned char)*s;
    if (isalpha(c) || c == '_') {
        t->kind = TOKEN_NAME;
        while (used < n && (isalnum((unsigned char)s[used]) || s[used] == '_'))
            used++;
    } else if (isdigit(c) || (c == '.' && n > 1 && isdigit((unsigned char)s[1]))) {
        t->kind = TOKEN_NUMBER;
        used = number_length(s, n);
    } else if (c == '\'' || c == '"') {
        size_t end = 1;
        while (end < n && s[end] != *s && s[end] != '\n')
            end++;
        if (end < n && s[end] == *s) {
            t->kind = TOKEN_STRING;
            s++, skip = 2, used = end - 1;
        } else {
            complain(t->place, "a string without its closing quote");
            l->at += end;
            lexer_next(l);
            return;
        }
    } else {
        t->kind = TOKEN_SIGN;
        used = sign_length(s, n);
        if (!used) {
            complain(t->place,
                     isprint(c) ? "'%c' has no meaning here"
                                : "a byte (%d) that has no meaning here",
                     c);
            l->at = l->end; /* the rest of this text would only repeat it */
            t->kind = TOKEN_END;
            return;
        }
    }
    t->text = text_copy(s, used);
    l->at += used + skip;
}

bool lexer_is(const struct lexer *l, const char *sign)
{
    return (l->token.kind == TOKEN_SIGN || l->token.kind == TOKEN_NAME) &&
           strcmp(l->token.text, sign) == 0;
}

bool lexer_accept(struct lexer *l, const char *sign)
{
    if (!lexer_is(l, sign))
        return false;
    lexer_next(l);
    return true;
}

bool lexer_expect(struct lexer *l, const char *sign, const char *where)
{
    if (lexer_accept(l, sign))
        return true;
    complain(l->token.place, "found %s, expected '%s' %s", token_text(&l->token), sign, where);
    return false;
}

const char *token_text(const struct token *t)
{
    return t->kind == TOKEN_END ? "the end" : text_format("'%s'", t->text);
}
