"""Key-value stores (source: torch.distributed.Store). Of one process: a dict, whatever the kind."""

from flambeau._hint import hint


class Store:
    """Values are bytes; a text is kept as UTF-8."""

    def __init__(self):
        self._values = {}
        self.timeout = None

    def set(self, key, value):
        self._values[key] = value.encode() if isinstance(value, str) else bytes(value)

    def get(self, key):
        """The value. DistStoreError where there is none: no other process can bring it."""
        if key not in self._values:
            raise RuntimeError(f"wait timeout after 300000ms, keys: /{key}")
        return self._values[key]

    def add(self, key, amount):
        """Adds to a counter, which starts at 0; its new value."""
        total = int(self._values.get(key, b"0")) + amount
        self._values[key] = str(total).encode()
        return total

    def compare_set(self, key, expected_value, desired_value):
        """Sets the value where it is the expected one; the value then."""
        if self._values.get(key, b"") == expected_value.encode():
            self.set(key, desired_value)
        return self._values.get(key, expected_value.encode())

    def check(self, keys):
        return all(key in self._values for key in keys)

    def wait(self, keys, timeout=None):
        for key in keys:
            self.get(key)

    def delete_key(self, key):
        return self._values.pop(key, None) is not None

    def num_keys(self):
        return len(self._values)

    def set_timeout(self, timeout):
        self.timeout = timeout


class HashStore(Store):
    """HashStore()."""


class FileStore(Store):
    """FileStore(file_name, world_size=-1): nothing is written, because nobody else would read."""

    def __init__(self, file_name, world_size=-1):
        super().__init__()
        _only_one(world_size)
        self.path = file_name


class TCPStore(Store):
    """TCPStore(host_name, port, world_size=None, is_master=False, ...): no socket is opened."""

    def __init__(self, host_name, port, world_size=None, is_master=False, timeout=None, **options):
        super().__init__()
        _only_one(1 if world_size is None else world_size)
        self.host, self.port = host_name, port


class PrefixStore(Store):
    """A store whose keys stand in another one with a prefix."""

    def __init__(self, prefix, store):
        super().__init__()
        self._prefix, self.underlying_store = prefix, store

    def set(self, key, value):
        self.underlying_store.set(f"{self._prefix}/{key}", value)

    def get(self, key):
        return self.underlying_store.get(f"{self._prefix}/{key}")

    def add(self, key, amount):
        return self.underlying_store.add(f"{self._prefix}/{key}", amount)

    def check(self, keys):
        return self.underlying_store.check([f"{self._prefix}/{key}" for key in keys])


def _only_one(world_size):
    if world_size is not None and world_size > 1:
        raise NotImplementedError(
            f"torch.distributed: Flambeau runs one process, but world_size is {world_size}"
            + hint(
                "start one process (WORLD_SIZE=1, --nproc_per_node=1).",
                "请只启动一个进程（WORLD_SIZE=1、--nproc_per_node=1）。",
            )
        )
