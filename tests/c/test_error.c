/* Errors: layout, hints in two languages, long texts, saving and restoring. */
#include "check.h"

#include "core/error.h"

int main(void)
{
    setenv("FLAMBEAU_LANG", "en", 1);
    CHECK(fl_error() == FL_OK);
    CHECK_TEXT(fl_error_message(), "");

    CHECK(error_set(FL_VALUE_ERROR, "first line, %d", 3) == -1);
    CHECK(error_hint("do this", "这样做") == -1);
    error_context("In operator %s", "在 %s 中", "add");
    CHECK(fl_error() == FL_VALUE_ERROR);
    CHECK_TEXT(fl_error_message(), "first line, 3\nIn operator add\nhint: do this");

    setenv("FLAMBEAU_LANG", "zh_CN.UTF-8", 1);
    error_set(FL_INDEX_ERROR, "other");
    error_context("In operator %s", "在 %s 中", "add");
    error_hint("do this", "这样做");
    CHECK_TEXT(fl_error_message(), "other\n在 add 中\n提示：这样做");

    /* A message may quote the one before it. */
    error_set(FL_RUNTIME_ERROR, "again: %s", fl_error_message());
    CHECK_TEXT(fl_error_message(), "again: other\n在 add 中\n提示：这样做");

    struct error_state *saved = error_save();
    CHECK(fl_error() == FL_OK);
    error_set(FL_IO_ERROR, "in between");
    error_restore(saved);
    CHECK(fl_error() == FL_RUNTIME_ERROR);
    error_restore(NULL);
    CHECK(fl_error() == FL_RUNTIME_ERROR);

    /* Longer than the record: cut at a whole character. */
    char text[9001];
    for (int i = 0; i < 3000; i++)
        memcpy(text + 3 * i, "火", 3);
    text[9000] = '\0';
    CHECK(error_null(FL_RUNTIME_ERROR, "%s", text) == NULL);
    error_context("%s", "%s", text);
    error_hint("%s", "%s", text);
    size_t length = strlen(fl_error_message());
    CHECK(length > 6000 && length < 8000);
    CHECK(memcmp(fl_error_message() + length - 3, "火", 3) == 0);

    fl_error_clear();
    CHECK(fl_error() == FL_OK);
    CHECK_TEXT(fl_error_message(), "");
    return check_result();
}
