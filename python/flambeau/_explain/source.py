"""The program's source and variables, read where an error has left them."""

import ast
import linecache
import os

from flambeau._hint import hint

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_PYTHON = os.path.dirname(os.__file__) + os.sep
_SITE = tuple(os.sep + name + os.sep for name in ("site-packages", "dist-packages"))

NOTHING = object()  # the value of what cannot be read


def is_of_program(frame):
    """Whether a frame runs the program, and no library."""
    file = frame.f_code.co_filename
    if file.startswith(_OURS) or file.startswith("<frozen"):
        return False
    return not file.startswith(_PYTHON) or any(part in file for part in _SITE)


def program_frame(frame):
    """The innermost frame of the program, from this one outwards; None."""
    while frame and not is_of_program(frame):
        frame = frame.f_back
    return frame


def program_place(error):
    """(frame, line) of the program that an exception passed last; None."""
    place, trace = None, error.__traceback__
    while trace:
        if is_of_program(trace.tb_frame):
            place = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    return place


def innermost(error):
    """The frame that an exception was raised in."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame


def file_of(frame):
    """The name of its file, without folders."""
    return os.path.basename(frame.f_code.co_filename)


def line_of(frame, number):
    """A line of its file, without indentation."""
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()


def tree_of(frame):
    """The syntax tree of its file."""
    return ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))


def nodes_at(frame, line, kind):
    """The nodes of a kind in the statement of that line, those of one line first."""
    nodes = [
        node
        for node in ast.walk(tree_of(frame))
        if isinstance(node, kind) and node.lineno <= line <= node.end_lineno
    ]
    return sorted(nodes, key=lambda node: node.end_lineno - node.lineno)


def value_of(node, frame):
    """The value of a name, or of a chain of attributes of one; else NOTHING. Nothing is called."""
    if isinstance(node, ast.Name):
        found = frame.f_locals.get(node.id, NOTHING)
        return frame.f_globals.get(node.id, NOTHING) if found is NOTHING else found
    if isinstance(node, ast.Attribute):
        owner = value_of(node.value, frame)
        return NOTHING if owner is NOTHING else getattr(owner, node.attr, NOTHING)
    return NOTHING


def name_of_call(node):
    """The last name of what is called: "tensor" of torch.tensor(x)."""
    function = node.func
    return getattr(function, "attr", None) or getattr(function, "id", None)


def note(error, english, chinese):
    """Adds a hint as a note."""
    error.add_note(hint(english, chinese).lstrip("\n"))
