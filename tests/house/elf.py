"""Reads what a shared library shows to the outside from its ELF tables."""
import struct

SHT_DYNAMIC, SHT_DYNSYM, SHN_UNDEF, PT_TLS, DT_NEEDED = 6, 11, 0, 7, 1
GLOBAL, WEAK = 1, 2


class Elf:
    """Symbols, needed libraries and thread-local bytes of a 64-bit little-endian ELF file."""

    def __init__(self, path):
        self.data = data = path.read_bytes()
        assert data[:6] == b"\x7fELF\x02\x01", f"{path} is not 64-bit little-endian ELF"
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phsize, phcount, shsize, shcount = struct.unpack_from("<HHHH", data, 54)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + i * shsize)
                         for i in range(shcount)]
        segments = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * phsize)
                    for i in range(phcount)]
        self.tls_bytes = sum(segment[6] for segment in segments if segment[0] == PT_TLS)

    def _text(self, table, offset):
        start = self.sections[table][4] + offset
        return self.data[start:self.data.index(b"\0", start)].decode()

    def _rows(self, kind, layout):
        """The rows of every section of that kind, each with the index of its string table."""
        for section in self.sections:
            if section[1] == kind:
                for at in range(section[4], section[4] + section[5], struct.calcsize(layout)):
                    yield section[6], *struct.unpack_from(layout, self.data, at)

    def exported(self):
        """The names of the symbols that others can link with."""
        return {self._text(strings, name)
                for strings, name, info, _, index, _, _ in self._rows(SHT_DYNSYM, "<IBBHQQ")
                if index != SHN_UNDEF and info >> 4 in (GLOBAL, WEAK)}

    def needed(self):
        """The file names of the libraries that it needs."""
        return [self._text(strings, value)
                for strings, tag, value in self._rows(SHT_DYNAMIC, "<QQ") if tag == DT_NEEDED]
