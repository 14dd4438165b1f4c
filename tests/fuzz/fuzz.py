"""Runs random programs, under sanitizers or beside PyTorch.

    python tests/fuzz/fuzz.py [--seconds 60] [--seed 0] [--against torch] [--calls N] [--log FILE]
    python tests/fuzz/fuzz.py FILE [--against torch]

A worker process runs program after program, each drawn from a seed of its own (programs.py), and
writes each line down before it runs it. When it ends by a signal or a sanitizer's report, or stands
still, the program is shrunk, printed, and a new worker goes on behind it. Against PyTorch each line
runs in both libraries, until the first in which they differ; differences are counted by operator and
kind, and explained.txt says which are known, and why. Fails on a crash, and on a silent difference
without an explanation; a crash of PyTorch's own is told and left out. FILE: a program to run again.
"""

import argparse
import copy
import gc
import importlib
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
STILL = 40  # seconds without a new line
START = 600  # until the first: sanitizers on a busy machine take minutes to import
LIMIT = 256 << 20
LINES = 10


class Library:
    """A library that runs lines."""

    def __init__(self, name):
        from fill import Worst, maker

        self.torch = importlib.import_module(name)
        for part in ("nn.functional", "special", "linalg"):
            importlib.import_module(f"{name}.{part}")
        self.given = {"torch": self.torch, "make": maker(self.torch), "Worst": Worst,
                      "copy": copy, "pickle": pickle, "__builtins__": __builtins__}
        self.start()

    def start(self):
        self.names = dict(self.given)
        if hasattr(self.torch._C, "_set_memory_limit"):
            self.torch._C._memory_fail_nth(-1)
            self.torch._C._set_memory_limit(LIMIT)
        self.torch.manual_seed(0)
        self.torch.set_num_threads(1)

    def knows(self, dotted):
        value = self.torch
        for part in dotted.split(".")[1:]:
            value = getattr(value, part, None)
        return value is not None

    def run(self, name, code):
        """The line's value, and its first tensor is given the name; or the error."""
        from outcomes import Error

        try:
            value = eval(code, self.names)
        except SystemError as error:  # an exception that was set and not raised, or the reverse
            print("Fatal:", repr(error), file=sys.stderr, flush=True)
            os.abort()
        except Exception as error:
            return Error(error)
        kept = value
        while isinstance(kept, (list, tuple)) and kept:
            kept = kept[0]
        if isinstance(kept, self.torch.Tensor):
            self.names[name] = kept
        return value

    def describe(self, value):
        from outcomes import Error, described

        if isinstance(value, Error):
            return value
        try:
            return described(value, self.torch.Tensor)
        except Exception as error:
            return Error(error)


class Programs:
    """Runs a worker's programs."""

    def __init__(self, against):
        warnings.simplefilter("ignore")
        os.environ.setdefault("FLAMBEAU_LANG", "en")
        self.ours = Library("flambeau")
        self.theirs = Library(against) if against else None
        if against:
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    def run(self, lines, note=lambda line: None):
        """Runs lines until one in which the libraries differ: (line, kind, theirs, ours)."""
        for library in filter(None, (self.theirs, self.ours)):
            library.start()
        for name, expression in lines:
            note(f"{name} = {expression}\n")
            try:
                code = compile(expression, "program", "eval")
            except (SyntaxError, ValueError):
                continue
            yield from self.step(name, expression, code)

    def step(self, name, expression, code):
        theirs = self.theirs and self.theirs.describe(self.theirs.run(name, code))
        value = self.ours.run(name, code)
        yield name, expression, theirs, value

    def differ(self, name, expression, theirs, value):
        from outcomes import difference

        ours = self.ours.describe(value)
        kind = difference(theirs, ours)
        if kind:
            return operator_of(expression), kind, repr(theirs), repr(ours)
        return self.differ_elsewhere(operator_of(expression))

    def differ_elsewhere(self, operator):
        """The difference of other tensors, which the line wrote."""
        from outcomes import difference

        for name in self.ours.names:
            if name[0] == "v" and name in self.theirs.names:
                theirs = self.theirs.describe(self.theirs.names[name])
                ours = self.ours.describe(self.ours.names[name])
                kind = difference(theirs, ours)
                if kind:
                    return operator, f"later: {kind}", f"{name}: {theirs!r}", f"{name}: {ours!r}"
        return None

    def first_difference(self, lines):
        for outcome in self.run(lines):
            found = self.theirs and self.differ(*outcome)
            if found and not refused_by_both(found[1]):
                return found
            if self.theirs and self.astray(outcome[2]):
                return None
        return None

    def astray(self, theirs):
        """Whether an error left PyTorch's tensors changed, as a destination that it had resized:
        nothing behind it can be compared."""
        from outcomes import Error

        return isinstance(theirs, Error) and self.differ_elsewhere("")


def refused_by_both(kind):
    return kind == "message" or " is " in kind


def operator_of(expression):
    found = re.match(r"(?:torch\.(?:_C\.)?)?(?:v\d+\.)?([A-Za-z_.0-9]+)\(", expression)
    return found[1].split(".")[-1] if found else expression.split()[-1]


def work(arguments):
    """A worker: programs of the seeds from --seed on, written to the file --trace."""
    from outcomes import SILENT
    from programs import Writer

    programs = Programs(arguments.against)
    known = programs.theirs.knows if programs.theirs else lambda name: True
    writer = Writer(lambda name: programs.ours.knows(name) and known(name), bool(arguments.against))
    trace = open(arguments.trace, "w")
    seed, end, calls, seen = arguments.seed, time.time() + arguments.seconds, 0, Counter()
    while time.time() < end and (not arguments.calls or calls < arguments.calls):
        writer.start(seed)
        trace.seek(0)
        trace.truncate()
        trace.write(f"# seed {seed} calls {calls}\n")
        lines = []

        def drawn():
            while len(lines) < LINES:
                lines.append(writer.line())
                yield lines[-1]

        def note(line):
            trace.write(line)
            trace.flush()

        for name, expression, theirs, value in programs.run(drawn(), note):
            calls += not expression.startswith("make(")
            found = programs.theirs and programs.differ(name, expression, theirs, value)
            if isinstance(found, tuple) and found[1].startswith("later") and \
                    programs.astray(theirs):
                break
            if found:
                seen[found[:2]] += 1
                silent = found[1].split()[0].strip(":") in SILENT
                if silent or seen[found[:2]] <= 3:
                    fewer = lines if refused_by_both(found[1]) else shrunk(
                        lines, lambda fewer: (programs.first_difference(fewer) or "  ")[:2]
                        == found[:2])
                    print(json.dumps([*found, seed, fewer]), flush=True)
                else:
                    print(json.dumps([*found[:2], "", "", seed, []]), flush=True)
                if not refused_by_both(found[1]):
                    break
            if programs.theirs and programs.astray(theirs):
                break
            if name in programs.ours.names:
                writer.made(name, programs.ours.names[name])
        seed += 1
        if seed % 50 == 0:
            for library in filter(None, (programs.ours, programs.theirs)):
                library.names = {}
            gc.collect()
    print(json.dumps(["end", seed, calls]), flush=True)


def shrunk(lines, fails):
    """The lines without those that the failure does not need."""
    lines, i = list(lines), 0
    while i < len(lines):
        fewer = lines[:i] + lines[i + 1:]
        if fails(fewer):
            lines = fewer
        else:
            i += 1
    return lines


def parsed(text):
    return [tuple(line.split(" = ", 1)) for line in text.splitlines()
            if " = " in line and line[0] != "#"]


def report_of(text):
    """A sanitizer's report, or the assertion, in the lines that tell most; and what names it."""
    lines = [line for line in text.splitlines() if re.search(
        r"runtime error|ERROR: Addr|Assert|SUMMARY|^ *#\d+ .*/src/|Fatal|WARNING: Thread", line)]
    frames = re.findall(r"in (\w+) \S*/src/(\S+:\d+)", text)
    return lines[:14], " ".join(map(str, frames[:2])) or (lines[0] if lines else text[-300:])


def replayed(lines, against):
    """Runs a program in a process of its own: its status, and what it printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".program") as file:
        file.write("".join(f"{name} = {expression}\n" for name, expression in lines))
        file.flush()
        command = [sys.executable, __file__, file.name] + (["--against", against] if against else [])
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=STILL)
        except subprocess.TimeoutExpired:
            return -signal.SIGALRM, "no answer"
        return done.returncode, done.stdout + done.stderr


def watch(worker, trace):
    """Waits for a worker; kills one that stands still. Its status."""
    while True:
        try:
            return worker.wait(5)
        except subprocess.TimeoutExpired:
            seen = os.stat(trace)
            if time.time() - seen.st_mtime > (STILL if seen.st_size else START):
                worker.kill()
                worker.wait()
                return -signal.SIGALRM


def explanations():
    """Patterns of what is known: of operators, of kinds, and of programs, shrunk."""
    rows = []
    for line in (HERE / "explained.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and line[0] != "#":
            head, _, program = line.partition(" :: ")
            operator, kind = head.split(None, 1)
            rows.append((re.compile(operator + "$"), re.compile(kind.strip() + "$"),
                         re.compile(program.strip())))
    return rows


def explained(known, operator, kind, lines):
    program = "; ".join(f"{name} = {expression}" for name, expression in lines)
    return any(o.match(operator) and k.match(kind) and p.search(program) for o, k, p in known)


def drive(arguments):
    """Runs workers until the time is over; the number of failures."""
    end, seed, calls, crashes = time.time() + arguments.seconds, arguments.seed, 0, {}
    groups = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        trace, output, errors = (os.path.join(folder, n) for n in ("trace", "output", "errors"))
        while time.time() < end - 1 and (not arguments.calls or calls < arguments.calls):
            command = [sys.executable, __file__, "--trace", trace, "--seed", str(seed),
                       "--seconds", str(end - time.time())]
            command += ["--against", arguments.against] if arguments.against else []
            command += ["--calls", str(arguments.calls - calls)] if arguments.calls else []
            Path(trace).write_text("")
            with open(output, "w") as out, open(errors, "w") as err:
                status = watch(subprocess.Popen(command, stdout=out, stderr=err), trace)
            for line in Path(output).read_text(errors="replace").splitlines():
                if not line.startswith("["):
                    continue  # printed by what a program called
                row = json.loads(line)
                if row[0] == "end":
                    seed, calls = row[1], calls + row[2]
                else:
                    groups[tuple(row[:2])].append(row[2:])
            if status:
                text = Path(trace).read_text()
                at = re.match(r"# seed (\d+) calls (\d+)", text)
                if not at:
                    sys.exit(Path(errors).read_text()[-3000:])
                seed, calls = int(at[1]) + 1, calls + int(at[2])
                crashed(arguments, text, status, Path(errors).read_text(), crashes)
    print(f"{seed - arguments.seed} programs from seed {arguments.seed}, {calls} calls, "
          f"{sum(crashes.values())} crashes of {len(crashes)} kinds")
    return len(crashes) + (tell(arguments, groups) if arguments.against else 0)


def crashed(arguments, text, status, errors, crashes):
    lines, name = report_of(errors)
    if status == -signal.SIGALRM:
        name = "no answer: " + operator_of(parsed(text)[-1][1])
    program = parsed(text)
    if arguments.against and replayed(program, None)[0] == 0:
        print(f"{arguments.against} itself fails here, with status {status}: {program[-1][1]}",
              flush=True)
        return
    crashes[name] = crashes.get(name, 0) + 1
    if crashes[name] > 1:
        return
    if status == -signal.SIGALRM:
        pass  # to shrink it would take hours
    elif replayed(program, arguments.against)[0] == 0:
        lines.append("(not again when run alone)")
    else:
        program = shrunk(program, lambda fewer: replayed(fewer, arguments.against)[0] not in (0, 1))
    print(f"==== status {status}: {name}", *lines, text.splitlines()[0], sep="\n")
    print(*(f"{name} = {expression}" for name, expression in program), sep="\n", flush=True)


def tell(arguments, groups):
    """Prints the groups of differences; the number of silent ones without an explanation."""
    from outcomes import SILENT

    known, marked, counts = explanations(), defaultdict(list), Counter()
    for (operator, kind), rows in groups.items():
        for row in rows:
            mark = ("explained" if explained(known, operator, kind, row[3]) else
                    "SILENT" if kind.split()[0].strip(":") in SILENT else "loud")
            marked[operator, kind, mark].append(row)
            counts[mark] += 1
    log = open(arguments.log, "w") if arguments.log else None
    for (operator, kind, mark), rows in sorted(marked.items(), key=lambda item: -len(item[1])):
        for file in filter(None, (log, sys.stdout if mark == "SILENT" else None)):
            print(f"{len(rows)} {operator} {kind} [{mark}]", file=file)
            for theirs, ours, seed, lines in rows[:3 if file is log else 1]:
                print(f"  seed {seed}", *(f"    {n} = {e}" for n, e in lines),
                      f"  {arguments.against}: {theirs}", f"  flambeau: {ours}", sep="\n", file=file)
    bad = sum(mark == "SILENT" for _, _, mark in marked)
    print(f"{sum(counts.values())} differences in {len(groups)} groups, {counts['explained']} "
          f"explained; {bad} silent groups are not")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--against")
    parser.add_argument("--log")
    parser.add_argument("--trace", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trace:
        work(arguments)
    elif arguments.file:
        found = Programs(arguments.against).first_difference(
            parsed(Path(arguments.file).read_text()))
        print(*(found or ["no difference, no crash"]), sep="\n")
    else:
        sys.exit(1 if drive(arguments) else 0)


if __name__ == "__main__":
    main()
