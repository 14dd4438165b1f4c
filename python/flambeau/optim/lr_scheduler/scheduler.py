"""What all schedulers share: the base class, and the groups' rates read and written."""

import warnings
import weakref
from functools import wraps

from flambeau import _C
from flambeau._hint import hint
from flambeau.optim.optimizer import Optimizer, _to_scalar

Tensor = _C.Tensor

EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being "
    "deprecated where possible. Please use `scheduler.step()` to step the "
    "scheduler. During the deprecation, if epoch is different from None, the closed "
    "form is used instead of the new chainable form, where available."
)


def check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def read_groups(optimizer, key):
    """group[key] of each group; tensors are copied."""
    return [
        group[key].clone() if isinstance(group[key], Tensor) else group[key]
        for group in optimizer.param_groups
    ]


def write_group(group, key, value):
    """Sets group[key], in place where it is a tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(_to_scalar(value))
    else:
        group[key] = value


def one_per_group(name, optimizer, value):
    """A list with a value for each group, from a list of that length or one value for all."""
    count = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise ValueError(
                f"{name} must have the same length as optimizer.param_groups. "
                f"{name} has {len(value)} values, param_groups has {count}."
            )
    else:
        value = [value] * count
    return [item.clone() if isinstance(item, Tensor) else item for item in value]


class LRScheduler:
    """Base of schedulers: subclasses define get_lr, the next rate of each group, from last_epoch
    and the groups.

    last_epoch: -1 to start; otherwise the number of the epoch to go on from, with "initial_lr" in
    each group.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when "
                    "resuming scheduler with last_epoch >= 0.\nThis typically happens "
                    "when:\n"
                    "1. You're trying to resume training from a checkpoint but haven't "
                    "properly loaded the optimizer state\n"
                    "2. You're using last_epoch >= 0 for a fresh training run (not "
                    "recommended)"
                )
        self.base_lrs = read_groups(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self):
        """All attributes but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict):
        """Takes over what state_dict gave."""
        self.__dict__.update(state_dict)

    def get_last_lr(self):
        """The rates that the last step set, one a group."""
        return self._last_lr

    def get_lr(self):
        """The next rates, one a group; called by step."""
        raise NotImplementedError

    def step(self, epoch=None):
        """Goes on by one epoch; call it after optimizer.step(). epoch: deprecated, jumps to that
        epoch."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(
                    "Seems like `optimizer.step()` has been overridden after learning "
                    "rate scheduler initialization. Please, make sure to call "
                    "`optimizer.step()` before "
                    "`lr_scheduler.step()`.",
                    UserWarning,
                    stacklevel=2,
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
                    "In PyTorch 1.1.0 and later, you should call them in the opposite "
                    "order: `optimizer.step()` before `lr_scheduler.step()`.  Failure "
                    "to do this will result in PyTorch skipping the first value of the "
                    "learning rate schedule."
                    + hint(
                        "in each epoch optimizer.step() for every batch, and then scheduler.step()",
                        "调用顺序反了：每个 epoch 先对各批调用 optimizer.step()，"
                        "最后调用 scheduler.step()",
                    ),
                    UserWarning,
                    stacklevel=2,
                )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        if epoch is None:
            self.last_epoch += 1
            compute = self.get_lr
        else:
            self.last_epoch = epoch
            compute = getattr(self, "_get_closed_form_lr", self.get_lr)
        self._set_lrs(compute)

    def _set_lrs(self, compute):
        self._get_lr_called_within_step = True
        try:
            values = compute()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            write_group(group, "lr", lr)
        self._last_lr = read_groups(self.optimizer, "lr")

    # What subclasses are written with.

    def _warn_outside_step(self):
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _keep(self):
        return read_groups(self.optimizer, "lr")

    def _times(self, factor):
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _base_times(self, factor):
        return [lr * factor for lr in self.base_lrs]


class _LRScheduler(LRScheduler):
    """The base's old name."""


def _note_steps(optimizer):
    """Makes optimizer.step leave a mark, so that a scheduler can tell whether it was called
    first."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    step = optimizer.step.__func__
    owner = weakref.ref(optimizer)  # no cycle: the wrapper hangs on the optimizer

    @wraps(step)
    def marked(*args, **kwargs):
        self = owner()
        self._opt_called = True
        return step(self, *args, **kwargs)

    marked._wrapped_by_lr_sched = True
    optimizer.step = marked
