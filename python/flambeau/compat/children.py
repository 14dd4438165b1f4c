"""`import torch` in the processes that multiprocessing starts afresh (spawn, forkserver): these run
the program's file before anything of ours. The first thing that they unpickle is told to install
the names."""


class _Name(str):
    """A process's name, which installs the names of torch where it arrives."""

    def __reduce__(self):
        return _arrive, (str(self),)


def _arrive(name):
    from flambeau import compat

    compat.install()
    return name


def teach(spawn):
    """Makes the module multiprocessing.spawn tell its processes."""
    original = spawn.get_preparation_data

    def get_preparation_data(name):
        from flambeau import compat

        data = original(name)
        if compat.installed():
            data["name"] = _Name(name)
        return data

    if original.__module__ == "multiprocessing.spawn":
        spawn.get_preparation_data = get_preparation_data
