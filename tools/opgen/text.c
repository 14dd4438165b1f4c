/* Memory, strings, output files and complaints.
 *
 * The arena is a chain of blocks freed together at the end: a compiler of tables needs nothing
 * finer.
 */
#include "opgen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char data[];
};
static struct block *blocks;
static int complaint_count;

static void *must(void *p)
{
    if (!p) {
        fputs("opgen: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *arena_alloc(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (!blocks || blocks->size - blocks->used < size) {
        size_t room = size > 65536 ? size : 65536;
        struct block *b = must(calloc(1, sizeof *b + room));
        b->next = blocks, b->size = room;
        blocks = b;
    }
    void *p = blocks->data + blocks->used;
    blocks->used += size;
    return p;
}

void arena_free(void)
{
    while (blocks) {
        struct block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

char *text_copy(const char *s, size_t n)
{
    char *copy = arena_alloc(n + 1);
    if (n)
        memcpy(copy, s, n);
    return copy;
}

static char *format_list(const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *s = arena_alloc((size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, format, list);
    return s;
}

char *text_format(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *s = format_list(format, list);
    va_end(list);
    return s;
}

bool text_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* FNV-1a (Fowler, Noll and Vo), 32 bits. */
unsigned text_hash(const char *s)
{
    unsigned hash = 2166136261u;
    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 16777619u;
    return hash;
}

char *text_substitute(const char *s, const char *from, const char *to)
{
    char *done = text_copy("", 0);
    for (const char *at; (at = strstr(s, from)); s = at + strlen(from))
        done = text_format("%s%.*s%s", done, (int)(at - s), s, to);
    return text_format("%s%s", done, s);
}

char *text_replace(const char *s, char from, char to)
{
    char *copy = text_copy(s, strlen(s));
    for (char *c = copy; *c; c++)
        if (*c == from)
            *c = to;
    return copy;
}

char *text_quote(const char *s)
{
    char *quoted = arena_alloc(4 * strlen(s) + 1), *to = quoted;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '\n')
            *to++ = '\\', *to++ = 'n';
        else if (c == '"' || c == '\\')
            *to++ = '\\', *to++ = (char)c;
        else if (c == '?') /* no trigraphs */
            *to++ = '\\', *to++ = '?';
        else if (c < 32)
            to += sprintf(to, "\\%03o", c);
        else
            *to++ = (char)c;
    }
    return quoted;
}

void emit_text(struct out *o, const char *s)
{
    size_t n = strlen(s);
    if (o->room - o->size < n + 1) {
        o->room = 2 * (o->size + n) + 4096;
        o->text = must(realloc(o->text, o->room));
    }
    memcpy(o->text + o->size, s, n + 1);
    o->size += n;
    for (; *s; s++)
        o->line += *s == '\n';
}

void emit(struct out *o, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    emit_text(o, format_list(format, list));
    va_end(list);
}

void text_release(struct out *o)
{
    free(o->text);
    *o = (struct out){.name = o->name};
}

static bool has_content(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    bool same = true;
    char buffer[4096];
    size_t at = 0, n;
    while (same && (n = fread(buffer, 1, sizeof buffer, file)) > 0) {
        same = n <= size - at && memcmp(buffer, text + at, n) == 0;
        at += n;
    }
    fclose(file);
    return same && at == size;
}

int out_write(const struct out *o, const char *folder)
{
    const char *path = text_format("%s/%s", folder, o->name);
    if (has_content(path, o->text ? o->text : "", o->size))
        return 0;
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(o->text ? o->text : "", 1, o->size, file) == o->size;
    if (file)
        good &= fclose(file) == 0;
    if (!good) {
        perror(path);
        return -1;
    }
    return 0;
}

void complain(struct place place, const char *format, ...)
{
    enum { ENOUGH = 20 };
    if (complaint_count++ == ENOUGH)
        fputs("opgen: more errors are not shown\n", stderr);
    if (complaint_count > ENOUGH)
        return;
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s:%d:%d: %s\n", place.file, place.line, place.column,
            format_list(format, list));
    va_end(list);
}

int complaints(void)
{
    return complaint_count;
}
