"""Runs a program as `python` does, with `import torch` meaning Flambeau.

The program gets a fresh __main__ module, its sys.argv and sys.path[0]; an exception that it does
not catch is shown without the frames of what runs it; exit codes, signals and sys.excepthook work
as under python.
"""

import builtins
import os
import sys
from types import ModuleType

from flambeau import compat

USAGE = """\
usage: python -m flambeau FILE [ARGUMENT ...]        run a program
       python -m flambeau -m MODULE [ARGUMENT ...]   run a module as a program
       python -m flambeau -c CODE [ARGUMENT ...]     run a text as a program
       python -m flambeau - [ARGUMENT ...]           run what stands on standard input
       python -m flambeau                            an interactive session
       python -m flambeau --version | --help

The program runs as under python; in it, `import torch` and its submodules mean Flambeau.
"""


def main(argv):
    """Runs what the arguments after `python -m flambeau` say."""
    first = argv[0] if argv else ""
    if first in ("-h", "--help"):
        print(USAGE, end="")
    elif first in ("-V", "--version"):
        from flambeau.version import __version__

        print(f"Flambeau {__version__} (Python {sys.version.split()[0]})")
    elif first in ("-m", "-c") and len(argv) < 2:
        _complain(f"argument expected for the {first} option\n{USAGE}")
    elif first == "-m":
        run_module(argv[1], argv[2:])
    elif first[:2] == "-c":
        code, rest = (first[2:], argv[1:]) if len(first) > 2 else (argv[1], argv[2:])
        run_text(code, "<string>", ["-c", *rest])
    elif first == "-" or (not argv and not _interactive()):
        run_text(sys.stdin.read(), "<stdin>", argv or [""])
    elif not argv:
        interact()
    elif first.startswith("-"):
        _complain(f"unknown option {first}\n{USAGE}")
    else:
        run_file(first, argv)


def _complain(text):
    print(f"python -m flambeau: {text}", end="" if text.endswith("\n") else "\n", file=sys.stderr)
    sys.exit(2)


def _interactive():
    return sys.stdin is not None and sys.stdin.isatty()


def run_file(path, argv):
    """Runs a source file, or a folder or archive with a __main__.py. argv[0] is the path as it was
    given."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        _prepare(argv, os.path.abspath(path))
        _guard(lambda: _run_as_main("__main__", alter_argv=False))
        return
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        _complain(
            f"can't open file '{os.path.abspath(path)}': [Errno {error.errno}] {error.strerror}"
        )
    full = os.path.abspath(path)
    main_module = _prepare(argv, os.path.dirname(os.path.realpath(path)))
    main_module.__file__ = full
    main_module.__cached__ = None
    from importlib.machinery import SourceFileLoader

    main_module.__loader__ = SourceFileLoader("__main__", full)
    _guard(lambda: exec(compile(source, full, "exec", dont_inherit=True), main_module.__dict__))


def run_text(code, name, argv):
    """Runs a text; `name` stands for it in tracebacks."""
    main_module = _prepare(argv, "")
    _guard(lambda: exec(compile(code, name, "exec", dont_inherit=True), main_module.__dict__))


def run_module(name, arguments):
    """Runs a module found on sys.path, as python -m does."""
    _prepare(["-m", *arguments], None)
    _guard(lambda: _run_as_main(name, alter_argv=True))


def interact():
    """An interactive session."""
    import code

    main_module = _prepare([""], "")
    try:
        import readline  # noqa: F401  line editing, where there is one
    except ImportError:
        pass
    code.interact(
        f"Flambeau on Python {sys.version.split()[0]}; `import torch` means Flambeau.",
        local=main_module.__dict__,
        exitmsg="",
    )


def _prepare(argv, folder):
    """Sets sys.argv, sys.path[0] and a fresh __main__, which it returns. folder None leaves
    sys.path, which python -m has set already."""
    compat.install()
    sys.argv[:] = argv
    if folder is not None and not sys.flags.safe_path:
        sys.path[0] = folder
    global _launcher
    _launcher = sys.modules["__main__"]  # its globals must live on
    main_module = sys.modules["__main__"] = ModuleType("__main__")
    main_module.__builtins__ = builtins
    main_module.__annotations__ = {}
    return main_module


def _run_as_main(name, alter_argv):
    """The module `name` as __main__, by the function that python -m itself uses."""
    import runpy

    runpy._run_module_as_main(name, alter_argv)


def _guard(run):
    """Runs the program; shows an exception that it does not catch as python would, and ends the
    process as python would."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:
        _show(error)
        if isinstance(error, KeyboardInterrupt):
            _die_by_interrupt()
        sys.exit(1)


def _show(error):
    """Hands an exception to sys.excepthook without our frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error.__traceback__ = trace
    from flambeau._explain import explain

    explain(error)
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit:
        raise
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, trace)


def _die_by_interrupt():
    """Ends as python ends on Ctrl-C: by the signal, so that a calling shell knows."""
    import signal

    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
