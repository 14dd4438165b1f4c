"""What the built libraries show to the outside, read from their ELF tables."""
import struct

import pytest

SHT_DYNSYM, SHN_UNDEF, PT_TLS, DT_NEEDED, SHT_DYNAMIC = 11, 0, 7, 1, 6
ALLOWED_LIBRARIES = ("libc.", "libm.", "libpthread.", "ld-linux", "libdl.", "libgcc_s.", "linux-vdso")


class Elf:
    """The dynamic symbols, needed libraries and thread-local bytes of a 64-bit little-endian ELF file."""

    def __init__(self, path):
        self.data = data = path.read_bytes()
        assert data[:6] == b"\x7fELF\x02\x01", f"{path} is not 64-bit little-endian ELF"
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + i * shentsize) for i in range(shnum)]
        segments = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize) for i in range(phnum)]
        self.tls_bytes = sum(s[6] for s in segments if s[0] == PT_TLS)

    def _text(self, table, offset):
        start = self.sections[table][4] + offset
        return self.data[start:self.data.index(b"\0", start)].decode()

    def _rows(self, kind, layout):
        for section in self.sections:
            if section[1] == kind:
                for at in range(section[4], section[4] + section[5], struct.calcsize(layout)):
                    yield section[6], struct.unpack_from(layout, self.data, at)

    def exported(self):
        return {self._text(strings, name) for strings, (name, info, _, index, _, _) in self._rows(SHT_DYNSYM, "<IBBHQQ")
                if index != SHN_UNDEF and info >> 4 in (1, 2)}

    def needed(self):
        return [self._text(strings, value) for strings, (tag, value) in self._rows(SHT_DYNAMIC, "<QQ") if tag == DT_NEEDED]


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
    strangers = {s for s in ours if not (s.startswith("fl_") if "lib" in name else s == "PyInit__C")}
    assert not strangers


def test_only_the_c_library_is_needed(library):
    _, elf = library
    if sanitized(elf):
        pytest.skip("a sanitizer's runtime is needed beside it")
    assert not [n for n in elf.needed() if not n.startswith(ALLOWED_LIBRARIES)]


def test_thread_local_memory_stays_small(library):
    """Variables are of the initial-exec kind: they must fit what the system's loader keeps free (1664 bytes in
    glibc) beside those of other libraries."""
    _, elf = library
    if sanitized(elf):
        pytest.skip("sanitizers add their own")
    assert elf.tls_bytes <= 1024
