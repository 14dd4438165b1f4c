"""The last line of an error message, which names the fix: in English or Chinese, as the C library
chooses."""

import os


def speaks_chinese():
    """Whether FLAMBEAU_LANG, else the locale, begins with zh."""
    for name in ("FLAMBEAU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return value.startswith("zh")
    return False


def noted(error, english, chinese):
    """The error, with a hint as a note: its text stays PyTorch's."""
    error.add_note(hint(english, chinese)[1:])
    return error


def hint(english, chinese):
    """The hint's line, to be put behind a message."""
    return f"\n提示：{chinese}" if speaks_chinese() else f"\nhint: {english}"
