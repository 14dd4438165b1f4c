"""Loads files that differ in a few bytes from sound ones, under sanitizers.

    python tests/fuzz/files.py [--seconds 60] [--seed 0] [--files N]

The sound ones are PyTorch's in tests/data and those of save() in each format; of an archive the
pickle alone may change, so that the machine that reads it sees it. Every file loads, or raises what
load() documents, through a file object, a path and a mapped path; anything else is printed with the
file's number in the seed, and fails. So does what a file would have run: none may end the process,
write a file or start a program.
"""

import argparse
import io
import os
import pickle
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import flambeau as torch

DATA = Path(__file__).resolve().parents[1] / "data"
ALLOWED = (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, MemoryError)
CODES = b"().}]tRQbNKXhqceasuJG0122\x85\x86\x87\x88\x89\x8a\x8c\x8f\x90\x93\x94\x00\xff\x7f\x80"
PIECES = [
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"cposix\nsystem\n(X\x04\x00\x00\x00trueptR.", b"h\x00",
    b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b"J\xff\xff\xff\xff", b"}", b"](", b"e", b"\x85R",
    b'"shape":[', b"99999999999999999999", b'"data_offsets":[0,8]', b"PK\x01\x02", b"PK\x05\x06",
]  # fmt: skip
EVENTS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "os.remove",
          "os.rename", "socket.connect", "exec", "compile", "import")  # fmt: skip


class Ran(BaseException):
    """A file ran something."""


def watch():
    """From now on an audited event that a file may not cause raises Ran while `busy` is set."""

    def hook(event, arguments):
        if busy and event in EVENTS:
            raise Ran(f"{event} {arguments}")

    busy = []
    sys.addaudithook(hook)
    return busy


def sound():
    """Named contents of sound files."""
    found = {path.name: path.read_bytes() for path in sorted(DATA.glob("*.pt"))}
    state = {"w": torch.ones(3), "n.b": torch.zeros(2, 2).bool(), "h": torch.ones(2).bfloat16()}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.safetensors")
        torch.save(state, path)
        found["x.safetensors"] = Path(path).read_bytes()
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save({"s": state, "n": [1, 2.5, (None, "x")]}, file,
                   _use_new_zipfile_serialization=zipped)  # fmt: skip
        found[f"own {'new' if zipped else 'old'}"] = file.getvalue()
    return found


def change(content, draw):
    """A few bytes changed, taken away, doubled or put between."""
    content = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at, kind = draw.randrange(len(content)), draw.random()
        if kind < 0.5:
            content[at] = draw.choice(CODES) if draw.random() < 0.5 else draw.randrange(256)
        elif kind < 0.65:
            del content[at : at + draw.randint(1, 8)]
            content = content or bytearray(1)
        elif kind < 0.8:
            content[at:at] = content[at : at + draw.randint(1, 40)]
        elif kind < 0.95:
            content[at:at] = draw.choice(PIECES)
        else:
            del content[at + 1 :]
    return bytes(content)


def changed(content, draw):
    """A file changed anywhere, or in its pickle alone."""
    if content[:4] != b"PK\3\4" or draw.random() < 0.3:
        return change(content, draw)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, change(part, draw) if name.endswith("data.pkl") else part)
    return file.getvalue()


def load(content, way, path):
    if way == "object":
        return torch.load(io.BytesIO(content))
    with open(path, "wb") as file:
        file.write(content)
    return torch.load(path, mmap=way == "mapped" and content[:4] == b"PK\3\4")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=1 << 62)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sources, outcomes, wrong = list(sound().values()), Counter(), 0
    for content in sources:  # what loading imports, it imports now
        for way in ("object", "path", "mapped"):
            with tempfile.NamedTemporaryFile() as file:
                try:
                    load(content, way, file.name)
                except ALLOWED:
                    pass
    busy, end, number = watch(), time.monotonic() + arguments.seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x")
        while number < arguments.files and time.monotonic() < end:
            draw = random.Random(f"{arguments.seed} {number}")
            content, way = changed(draw.choice(sources), draw), draw.choice(
                ("object", "object", "path", "mapped"))  # fmt: skip
            try:
                busy.append(1)
                load(content, way, path)
                outcomes["loaded"] += 1
            except ALLOWED as error:
                outcomes[type(error).__name__] += 1
            except BaseException as error:
                wrong += 1
                print(f"file {number}, {way}: {type(error).__name__}: {error}", flush=True)
                if isinstance(error, KeyboardInterrupt):
                    break
            finally:
                busy.clear()
            number += 1
        if os.listdir(folder) not in ([], ["x"]):
            wrong += 1
            print("a file was written beside:", os.listdir(folder))
    print(f"{number} files: {dict(outcomes)}; {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
