"""Where a checkpoint lies (source: torch.distributed.checkpoint.filesystem): a folder with one file,
which torch.save wrote."""

import os

from flambeau import serialization

_FILE = "__0_0.distcp"


class FileSystemWriter:
    """Writes a state dict into a folder, which is made. Options that concern many processes or files
    change nothing."""

    def __init__(self, path, single_file_per_rank=True, sync_files=True, thread_count=1, **options):
        self.path = os.fspath(path)

    def write(self, state_dict):
        os.makedirs(self.path, exist_ok=True)
        name = os.path.join(self.path, _FILE)
        serialization.save(state_dict, name + ".part")
        os.replace(name + ".part", name)


class FileSystemReader:
    """Reads what a FileSystemWriter of Flambeau wrote. RuntimeError where PyTorch wrote it."""

    def __init__(self, path, **options):
        self.path = os.fspath(path)

    def read(self):
        if os.path.exists(os.path.join(self.path, ".metadata")):
            raise RuntimeError(
                f"{self.path} holds a distributed checkpoint of PyTorch's, which Flambeau does not "
                "read: turn it into a file with torch.distributed.checkpoint.format_utils first"
            )
        return serialization.load(os.path.join(self.path, _FILE), weights_only=True)
