"""What Flambeau says to each program of this folder, in English and Chinese.

Each program is a mistake that beginners make. messages.en.txt and messages.zh.txt hold what it
prints: warnings with their line, and the last part of the traceback. `python -m pytest
tests/mistakes` compares; `python tests/mistakes/messages.py` writes them anew, to be read before
they are committed.
"""
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NAMES = sorted(
    path.stem for path in HERE.glob("*.py") if path.stem not in ("messages", "test_messages")
)


_OF_A_VERSION = (  # what some versions of Python add
    r"(?m)\. Did you mean: '.*'\?$| and no __dict__ for setting new attributes$"
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
        text = "".join(traceback.format_exception_only(error))
        file.write(re.sub(_OF_A_VERSION, "", text).replace(f"{HERE}{os.sep}", ""))

    warnings.showwarning = show
    warnings.simplefilter("default")
    sys.excepthook = excepthook
    try:
        run.run_file(str(HERE / f"{name}.py"), [name])
    except SystemExit:
        pass
    file.flush()


def _started(name, language):
    """(process, pipe) of a child that runs a program: what it prints fits into the pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _child(name, language, writing)
        finally:
            os._exit(0)
    os.close(writing)
    return child, reading


def _said(child, reading):
    with os.fdopen(reading, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(child, 0)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _say(language):
    """Writes what all programs print, each in a process of its own, in the files' form."""
    import ast  # noqa: F401  before the forks, for all: what the programs or their errors import
    import inspect  # noqa: F401
    import traceback  # noqa: F401

    import flambeau.optim.lr_scheduler  # noqa: F401
    import flambeau.utils.data  # noqa: F401
    from flambeau._explain import fixes, foreign, kinds, names  # noqa: F401
    from flambeau.compat import run  # noqa: F401
    from flambeau.nn import functional, modules  # noqa: F401

    fixes.explain(Exception())  # compiles the patterns
    running, said = [], []
    for name in NAMES:
        running.append(_started(name, language))
        if len(running) > (os.cpu_count() or 1):
            said.append(_said(*running.pop(0)))
    said += [_said(*pair) for pair in running]
    text = "\n".join(f"=== {name}\n{what}" for name, what in zip(NAMES, said))
    sys.stdout.buffer.write(text.encode())


def said(language):
    """That text, from a process that has imported nothing else."""
    command = [sys.executable, __file__, "--say", language]
    return subprocess.run(command, capture_output=True, check=True, timeout=300).stdout.decode()


def parts(text):
    """name -> what its program prints."""
    sections = [section.split("\n", 1) for section in text.split("=== ")[1:]]
    return {name: body.rstrip("\n") + "\n" for name, body in sections}


def expected(language):
    """What the file of that language holds."""
    return (HERE / f"messages.{language}.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--say"]:
        _say(sys.argv[2])
    else:
        for language in ("en", "zh"):
            (HERE / f"messages.{language}.txt").write_text(said(language), encoding="utf-8")
