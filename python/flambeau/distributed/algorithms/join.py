"""Training on uneven inputs (source: torch.distributed.algorithms.join). A process that is alone
waits for nobody: its hooks' ends are run when the block ends."""

from abc import ABC, abstractmethod

import flambeau.distributed as dist


class JoinHook:
    """What an object that takes part does when it has no more input of its own."""

    def main_hook(self):
        """Called again and again while other processes have inputs; never in one process."""

    def post_hook(self, is_last_joiner):
        """Called once when all processes have joined."""


class Joinable(ABC):
    """What can take part in a Join."""

    @abstractmethod
    def __init__(self):
        super().__init__()

    @abstractmethod
    def join_hook(self, **kwargs):
        """Returns the JoinHook of this object."""

    @property
    @abstractmethod
    def join_device(self):
        """The device of the collectives."""

    @property
    @abstractmethod
    def join_process_group(self):
        """The group of the collectives."""


class Join:
    """A block in which processes may have different numbers of inputs. ValueError for no
    joinables."""

    def __init__(self, joinables, enable=True, throw_on_early_termination=False, **kwargs):
        if len(joinables) == 0:
            raise ValueError("The join context manager requires at least one joinable")
        if dist.is_initialized() and dist.get_world_size() > 1:
            raise RuntimeError("Flambeau joins one process")
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        self._enable = enable

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self._enable and kind is None:
            for hook in self._hooks:
                hook.post_hook(True)

    @staticmethod
    def notify_join_context(joinable):
        """Tells the others that this process has an input; None where there are none."""
        return None
