/* What of math.h a kernel needs.
 *
 * A compiler takes a second for all of math.h, whatever becomes of it, and a few milliseconds for a
 * kernel's own part. So the text is cut into its functions and tables once, and a kernel gets those
 * that it names, and what these name in turn, in the order of the file.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "device/gpu.h"

enum { MOST_PIECES = 600 };

/* A function, a table, or a line of the preprocessor, which has no name and is always there. */
struct piece {
    const char *text, *name;
    size_t length, name_length;
};

static struct piece pieces[MOST_PIECES];
static int piece_count;
static bool too_many;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The next word at or behind `at`, before `end`; its length in *length. NULL: there is none. */
static const char *next_word(const char *at, const char *end, size_t *length)
{
    while (at < end && !is_letter(*at))
        at++;
    const char *word = at;
    while (at < end && is_letter(*at))
        at++;
    *length = (size_t)(at - word);
    return *length ? word : NULL;
}

static bool is_word(const char *word, size_t length, const char *text)
{
    return strlen(text) == length && memcmp(word, text, length) == 0;
}

/* What stands in front of a name where it is declared. */
static bool comes_before(const char *word, size_t length)
{
    static const char *const WORDS[] = {
        "M_INLINE",      "M_TABLE", "static",   "inline",   "const",    "__attribute__", "noinline",
        "always_inline", "unused",  "bool",     "int",      "float",    "double",        "int32_t",
        "int64_t",       "void",    "uint16_t", "uint32_t", "uint64_t", "unsigned"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (is_word(word, length, WORDS[i]))
            return true;
    return false;
}

static const char *end_of_line(const char *at)
{
    return at + strcspn(at, "\n") + 1;
}

/* The end of the piece at `at`: of a line of the preprocessor with what continues it; of a table
 * behind its last brace; of a function behind the line that is its last brace. */
static const char *end_of_piece(const char *at)
{
    static const char TABLE[] = "static M_TABLE";
    const bool table = strncmp(at, TABLE, sizeof TABLE - 1) == 0;
    const char *line = at, *end = end_of_line(at);
    if (*at == '#') {
        while (end[-2] == '\\')
            end = end_of_line(end);
        return end;
    }
    while (*end && !(table ? end[-3] == '}' && end[-2] == ';' : *line == '}'))
        line = end, end = end_of_line(end);
    return end;
}

static void cut(void)
{
    for (const char *at = gpu_text_math; *at;) {
        if ((too_many = piece_count == MOST_PIECES))
            return;
        const char *end = end_of_piece(at), *word = at;
        struct piece *p = &pieces[piece_count++];
        *p = (struct piece){.text = at, .length = (size_t)(end - at)};
        size_t length = 0;
        while (*at != '#' && (word = next_word(word, end, &length)) && comes_before(word, length))
            word += length;
        if (*at != '#')
            p->name = word, p->name_length = length;
        at = end;
    }
}

/* Marks the piece of a name that stands in a text; with the ending too. */
static void mark(const char *word, size_t length, const char *ending, bool *needed)
{
    assert(length > 0 && piece_count <= MOST_PIECES);
    size_t more = strlen(ending);
    for (int i = 0; i < piece_count; i++) {
        const struct piece *p = &pieces[i];
        bool starts = p->name && p->name_length >= length && !memcmp(p->name, word, length);
        if (starts && (p->name_length == length || (more && p->name_length == length + more &&
                                                    memcmp(p->name + length, ending, more) == 0)))
            needed[i] = true;
    }
}

static void mark_all(const char *text, const char *end, const char *ending, bool *needed)
{
    size_t length;
    for (const char *w = text; (w = next_word(w, end, &length)); w += length)
        mark(w, length, ending, needed);
}

char *gpu_math_for(int count, const char *const *texts, enum compute compute)
{
    assert(count > 0);
    static const char *const ENDINGS[] = {[COMPUTE_F32] = "_f32",
                                          [COMPUTE_F64] = "_f64",
                                          [COMPUTE_I32] = "_i32",
                                          [COMPUTE_I64] = "_i64",
                                          [COMPUTE_BOOL] = "_i32"};
    bool needed[MOST_PIECES] = {false}, followed[MOST_PIECES] = {false};
    const char *ending = ENDINGS[compute];
    bool whole = compute != COMPUTE_F32 && compute != COMPUTE_F64;
    pthread_once(&once, cut);
    if (too_many)
        return error_null(FL_RUNTIME_ERROR, "math.h has more than %d pieces: raise MOST_PIECES",
                          MOST_PIECES);
    for (int t = 0; t < count; t++)
        if (texts[t] != gpu_text_math && texts[t] != gpu_text_primitives)
            mark_all(texts[t], texts[t] + strlen(texts[t]), ending, needed);
    for (int i = 0; i < piece_count; i++) { /* integers have other names there, and are few */
        const struct piece *p = &pieces[i];
        if (whole && p->name && p->name_length > 4 &&
            memcmp(p->name + p->name_length - 4, ending, 4) == 0)
            needed[i] = true;
    }
    size_t bytes = 1;
    for (bool more = true; more;) {
        more = false;
        for (int i = piece_count - 1; i >= 0; i--)
            if (needed[i] && !followed[i]) {
                followed[i] = more = true;
                mark_all(pieces[i].text, pieces[i].text + pieces[i].length, "", needed);
            }
    }
    for (int i = 0; i < piece_count; i++)
        bytes += pieces[i].length;
    char *text = malloc(bytes), *to = text;
    if (!text) {
        error_set(FL_OUT_OF_MEMORY, "out of memory for the text of a kernel");
        return NULL;
    }
    for (int i = 0; i < piece_count; i++)
        if (!pieces[i].name || needed[i]) {
            memcpy(to, pieces[i].text, pieces[i].length);
            to += pieces[i].length;
        }
    *to = 0;
    return text;
}
