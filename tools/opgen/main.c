/* opgen -o FOLDER FILE.ops... NAME=FILE...: compiles the operator table, and embeds texts of kernels;
 * files of one name are one text. Exit status 1 when the table has an error; then nothing is
 * written. */
#include "opgen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The whole file, in the arena; NULL where it cannot be read. */
static const char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return NULL;
    }
    size_t size = 0, room = 1 << 16, n;
    char *text = malloc(room);
    while (text && (n = fread(text + size, 1, room - size, file)) > 0) {
        size += n;
        if (size == room) {
            char *larger = realloc(text, room *= 2);
            if (!larger)
                free(text);
            text = larger;
        }
    }
    const char *whole = text && !ferror(file) ? text_copy(text, size) : NULL;
    fclose(file);
    if (!whole)
        fprintf(stderr, "opgen: %s cannot be read\n", path);
    free(text);
    *length = size;
    return whole;
}

static bool read_table(struct table *table, const char *path)
{
    size_t size;
    const char *text = read_file(path, &size);
    if (text)
        table_parse(table, path, text, size);
    return text != NULL;
}

/* NAME=FILE: adds the file to the text of that name. */
static bool read_text(struct gpu_text **last, const char *argument, const char *equals)
{
    size_t size;
    const char *name = text_copy(argument, (size_t)(equals - argument));
    const char *text = read_file(equals + 1, &size);
    if (!text)
        return false;
    while (*last && strcmp((*last)->name, name) != 0)
        last = &(*last)->next;
    if (*last) {
        (*last)->text = text_format("%s%s", (*last)->text, text);
        return true;
    }
    *last = arena_alloc(sizeof **last);
    **last = (struct gpu_text){name, text, NULL};
    return true;
}

enum {
    HEADER,
    KERNELS,
    TABLE,
    TABLE_HEADER,
    PYTHON,
    PYI,
    DOCS,
    GPU_TEXTS,
    SAMPLES,
    LOOPS,
    PARTS = LOOPS + LOOP_FILES + 1,
    PYI_SPACES = PARTS + TABLE_FILES,
    FILES = PYI_SPACES + SPACES_COUNT - SPACES_OWN
};

static bool make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return true;
    perror(path);
    return false;
}

static bool compile(const struct table *t, const struct gpu_text *texts, const char *folder)
{
    struct out files[FILES] = {
        {.name = "flambeau/ops.h"}, {.name = "ops_kernels.h"}, {.name = "ops_table.c"},
        {.name = "ops_table.h"},    {.name = "ops_python.c"},  {.name = "_C.pyi"},
        {.name = "ops.md"},         {.name = "gpu_texts.c"},   {.name = "ops_samples.json"}};
    for (int i = 0; i < LOOP_FILES; i++)
        files[LOOPS + i].name = text_format("ops_loops_%d.simd.c", i);
    files[LOOPS + LOOP_FILES].name = "ops_loops_complex.c";
    for (int i = 0; i < TABLE_FILES; i++)
        files[PARTS + i].name = text_format("ops_table_%d.c", i);
    for (int i = SPACES_OWN; i < SPACES_COUNT; i++)
        files[PYI_SPACES + i - SPACES_OWN].name = text_format("%s.pyi", SPACES[i].word);
    for (int i = 0; i < FILES; i++)
        files[i].line = 1;

    table_check_gradients(t);
    emit_pointwise_bodies(t);
    emit_grad_loops(t);
    emit_loops(t, files + LOOPS);
    gpu_make(t);
    emit_gpu_texts(&files[GPU_TEXTS], texts);
    struct header *families = emit_header(&files[HEADER], t);
    emit_kernels(&files[KERNELS], t);
    emit_table(&files[TABLE], files + PARTS, &files[TABLE_HEADER], t);
    emit_python(&files[PYTHON], t);
    emit_pyi(&files[PYI], &files[PYI_SPACES], t);
    emit_docs(&files[DOCS], t);
    emit_samples(&files[SAMPLES], t);

    bool good = complaints() == 0;
    good = good && make_folder(folder) && make_folder(text_format("%s/flambeau", folder)) &&
           make_folder(text_format("%s/flambeau/ops", folder));
    for (struct header *h = families; h; h = h->next) {
        if (good && out_write(&h->out, folder) != 0)
            good = false;
        free(h->out.text);
    }
    for (int i = 0; i < FILES; i++) {
        if (good && out_write(&files[i], folder) != 0)
            good = false;
        free(files[i].text);
    }
    return good;
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    struct table table = {0};
    struct gpu_text *texts = NULL;
    bool good = true;
    int count = 0;
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            folder = argv[++i];
        else if (equals)
            good &= read_text(&texts, argv[i], equals);
        else
            count++, good &= read_table(&table, argv[i]);
    }
    if (!folder || !count) {
        fputs("usage: opgen -o FOLDER FILE.ops... NAME=FILE...\n", stderr);
        return 1;
    }
    table_derive(&table);
    table_finish(&table);
    good = good && complaints() == 0 && compile(&table, texts, folder);
    arena_free();
    return good ? 0 : 1;
}
