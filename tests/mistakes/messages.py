"""What Flambeau says to each program of this folder, in English and Chinese.

Each program is a mistake that beginners make. messages.en.txt and messages.zh.txt hold what it
prints: warnings with their line, and the last part of the traceback. `python -m pytest
tests/mistakes` compares; `python tests/mistakes/messages.py` writes them anew, to be read before
they are committed.
"""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
NAMES = sorted(
    path.stem for path in HERE.glob("*.py") if path.stem not in ("messages", "test_messages")
)


def _child(name, language, pipe):
    os.environ["FLAMBEAU_LANG"] = language
    os.environ.pop("FLAMBEAU_ADVICE", None)
    file = os.fdopen(pipe, "w", encoding="utf-8")
    sys.stdout = sys.stderr = file
    import traceback
    import warnings

    from flambeau.compat import run

    def show(message, category, filename, line, *rest):
        inside = os.path.dirname(filename) == str(HERE)
        where = f"line {line}: " if inside else ""
        file.write(f"{where}{category.__name__}: {message}\n")

    def excepthook(kind, error, trace):
        file.write("".join(traceback.format_exception_only(error)))

    warnings.showwarning = show
    warnings.simplefilter("default")
    sys.excepthook = excepthook
    try:
        run.run_file(str(HERE / f"{name}.py"), [name])
    except SystemExit:
        pass
    file.flush()


def said(name, language):
    """What one program prints, run in a process of its own."""
    import flambeau  # noqa: F401  before the fork, for all

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _child(name, language, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(child, 0)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def expected(language):
    """name -> what the file of that language holds."""
    text = (HERE / f"messages.{language}.txt").read_text(encoding="utf-8")
    parts = [part.split("\n", 1) for part in text.split("=== ")[1:]]
    return {name: body.rstrip("\n") + "\n" for name, body in parts}


def record():
    for language in ("en", "zh"):
        text = "\n".join(f"=== {name}\n{said(name, language)}" for name in NAMES)
        (HERE / f"messages.{language}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    record()
