"""The ABI as text, a line a fact: what programs that were compiled before rely on.

    python tests/house/abi.py BUILD >tests/house/abi.txt       records it

Functions of the public headers with their types, values of enums, sizes and offsets of structs (as a
compiler says them), and the operators' signatures. Inline functions are not part of it: they are
compiled into the program.
"""
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
HEADERS = ("base.h", "device.h", "io.h", "nn.h")


def header_text(root):
    text = "".join((root / "include/flambeau" / name).read_text() for name in HEADERS)
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    return re.sub(r"#ifdef __cplusplus.*?#endif|#else.*?#endif", "", text, flags=re.DOTALL)


def functions(text):
    for declaration in re.findall(r"\bFL_API\b([^;{]*\([^;{]*\))\s*;", text):
        yield "function " + re.sub(r"\s+", " ", declaration).strip()


def measured(text, root):
    """Enums and structs, by a program that prints them."""
    lines = []
    for body in re.findall(r"typedef enum \w+ \{(.*?)\}", text, re.DOTALL):
        for name in re.findall(r"\b(FL_\w+)\b\s*(?:=[^,]*)?(?:,|$)", body.strip()):
            if not name.endswith(("_COUNT", "_KINDS")):           # these grow
                lines.append(f'printf("enum {name} = %lld\\n", (long long){name});')
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, re.DOTALL):
        lines.append(f'printf("struct {name}: %zu bytes\\n", sizeof({name}));')
        flat = re.sub(r"union \{.*?\} (\w+);", r"int \1;", body, flags=re.DOTALL)
        for declaration in flat.split(";"):
            for field in re.findall(r"(\w+)\s*(?:\[\w+\])?\s*(?:,|$)", declaration.strip()):
                lines.append(f'printf("struct {name}.{field}: at %zu, %zu bytes\\n", '
                             f"offsetof({name}, {field}), sizeof((({name} *)0)->{field}));")
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "abi.c"), Path(folder, "abi")
        source.write_text('#include <stdio.h>\n#include "flambeau/base.h"\n#include "flambeau/device.h"\n#include "flambeau/io.h"\n#include "flambeau/nn.h"\n'
                          "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
        subprocess.run([*CC.split(), f"-I{root}/include", "-o", program, source], check=True)
        yield from subprocess.run([program], check=True, capture_output=True,
                                  text=True).stdout.splitlines()


def operators(build):
    """Read in a process of its own: the extension and the library, each with thread-local memory of
    its own, need more of it than a process has left for libraries that it opens later."""
    yield from subprocess.run([sys.executable, __file__, "--operators", str(build)], check=True,
                              capture_output=True, text=True).stdout.splitlines()


def operators_here(build):
    library = ctypes.CDLL(str(build / "libflambeau.so"))
    for function in ("fl_op_at", "fl_op_name", "fl_op_signature"):
        getattr(library, function).restype = ctypes.c_void_p
    for i in range(library.fl_op_count()):
        op = ctypes.c_void_p(library.fl_op_at(i))
        if op:
            name = ctypes.string_at(library.fl_op_name(op)).decode()
            signature = ctypes.string_at(library.fl_op_signature(op)).decode()
            yield f"operator {name} of {signature}"


def lines(root, build):
    text = header_text(root)
    return sorted([*functions(text), *measured(text, root), *operators(build)])


if __name__ == "__main__" and sys.argv[1] == "--operators":
    print("\n".join(operators_here(Path(sys.argv[2]))))
elif __name__ == "__main__":
    print("\n".join(lines(Path(__file__).resolve().parents[2], Path(sys.argv[1]).resolve())))
