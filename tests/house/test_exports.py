"""What the built libraries show to the outside."""
import pytest
from elf import Elf

THE_C_LIBRARY = ("libc.", "libm.", "libpthread.", "ld-linux", "libdl.", "libgcc_s.")


@pytest.fixture(scope="module", params=["libflambeau.so", "extension/_C.abi3.so"])
def library(request, build):
    if not (build / request.param).exists():
        pytest.skip(f"{request.param} was not built")
    return request.param, Elf(build / request.param)


def sanitized(elf):
    return any("san" in name for name in elf.needed())


def test_only_fl_symbols_are_exported(library):
    name, elf = library
    ours = elf.exported()
    assert ours, "nothing is exported"
    if "lib" in name:
        assert {symbol for symbol in ours if not symbol.startswith("fl_")} == set()
    else:
        assert ours == {"PyInit__C"}


def test_only_the_c_library_is_needed(library):
    _, elf = library
    if sanitized(elf):
        pytest.skip("a sanitizer's runtime is needed beside it")
    assert not [n for n in elf.needed() if not n.startswith(THE_C_LIBRARY)]


def test_thread_local_memory_stays_small(library):
    """Variables are of the initial-exec kind: they must fit what the system's loader keeps free
    (1664 bytes in glibc) beside those of other libraries; of which one may be the library itself, under
    the extension of a Python program that opens it too."""
    _, elf = library
    if sanitized(elf):
        pytest.skip("sanitizers add their own")
    assert elf.tls_bytes <= 1664 / 2
