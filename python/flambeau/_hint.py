"""The last line of an error message, which names the fix: in English or Chinese, as the C library
chooses."""

import os


def hint(english, chinese):
    """The hint's line, to be put behind a message: Chinese where FLAMBEAU_LANG, else the locale,
    begins with zh."""
    for name in ("FLAMBEAU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return f"\n提示：{chinese}" if value.startswith("zh") else f"\nhint: {english}"
    return f"\nhint: {english}"
