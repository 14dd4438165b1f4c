"""Records of a file that torch.save wrote (source: torch.PyTorchFileReader)."""

import zipfile

from flambeau import _C


class PyTorchFileReader:
    """Reads the records of a file or of an open one by name. RuntimeError for a name that is missing."""

    def __init__(self, name_or_buffer):
        self._archive = zipfile.ZipFile(name_or_buffer)
        names = self._archive.namelist()
        self._folder = names[0].split("/")[0] + "/" if names else ""

    def get_all_records(self):
        return [n[len(self._folder):] for n in self._archive.namelist()]

    def has_record(self, name):
        return self._folder + name in self._archive.namelist()

    def get_record(self, name):
        """The bytes of a record."""
        if not self.has_record(name):
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        return self._archive.read(self._folder + name)

    def get_storage_from_record(self, name, numel, dtype):
        """A record as a tensor of so many elements."""
        data = bytearray(self.get_record(name))
        return _C.frombuffer(data, dtype=dtype, count=numel) if numel else _C.empty(0, dtype=dtype)
