"""Averages of a model's weights over training (source: torch.optim.swa_utils)."""

import math
from copy import deepcopy
from itertools import chain

from flambeau import _C
from flambeau.autograd.grad_mode import no_grad
from flambeau.nn.modules.batchnorm import _BatchNorm
from flambeau.nn.modules.module import Module
from flambeau.optim.lr_scheduler.scheduler import LRScheduler, one_per_group

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_multi_avg_fn(decay=0.999):
    """A function of (averages, parameters, count) that moves each average by 1 - decay towards its
    parameter. ValueError for a decay outside [0, 1]."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list, current_param_list, _):
        for mean, p in zip(ema_param_list, current_param_list, strict=True):
            if mean.is_floating_point():
                mean.lerp_(p, 1 - decay)
            else:
                mean.copy_(mean * decay + p * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn():
    """A function of (averages, parameters, count) that makes each the mean of count + 1."""

    @no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        share = 1 / (num_averaged + 1)
        for mean, p in zip(averaged_param_list, current_param_list, strict=True):
            if mean.is_floating_point():
                mean.lerp_(p, float(share))
            else:
                mean.add_(((p - mean) * share).to(mean.dtype))

    return swa_update


def get_ema_avg_fn(decay=0.999):
    """A function of (average, parameter, count): decay * average + (1 - decay) * parameter."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """A function of (average, parameter, count): the mean of count + 1."""

    @no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages (Izmailov et al., 2018).

    update_parameters(model) takes the model's parameters in: the first time they are copied, then
    averaged by multi_avg_fn(averages, parameters, n_averaged), avg_fn(average, parameter,
    n_averaged), or equally. use_buffers: buffers are averaged too, else copied. AssertionError for
    both functions.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _C.tensor(0, dtype=_C.int64, device=device))
        self.avg_fn, self.multi_avg_fn = avg_fn, multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def _tensors(self, module):
        buffers = module.buffers() if self.use_buffers else ()
        return [t.detach() for t in chain(module.parameters(), buffers)]

    def update_parameters(self, model):
        """Takes a model's parameters into the averages."""
        means, params = self._tensors(self.module), self._tensors(model)
        if self.n_averaged == 0:
            for mean, p in zip(means, params):
                mean.copy_(p)
        elif self.avg_fn is not None:
            for mean, p in zip(means, params):
                mean.copy_(self.avg_fn(mean, p, self.n_averaged))
        else:
            # A function for several tensors gets those of one dtype together.
            average = self.multi_avg_fn or get_swa_multi_avg_fn()
            for dtype in dict.fromkeys(mean.dtype for mean in means):
                chosen = [(mean, p) for mean, p in zip(means, params) if mean.dtype is dtype]
                average([mean for mean, _ in chosen], [p for _, p in chosen], self.n_averaged)
        if not self.use_buffers:
            for own, other in zip(self.module.buffers(), model.buffers()):
                own.detach().copy_(other.detach())
        self.n_averaged += 1


@no_grad()
def update_bn(loader, model, device=None):
    """Computes the running statistics of the model's batch normalisations anew, over a loader's
    batches: tensors, or lists and tuples that begin with one."""
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None
    for batch in loader:
        if isinstance(batch, (list, tuple)):
            batch = batch[0]
        model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Brings the learning rates to swa_lr, a number or one a group, over anneal_epochs steps, by a
    cosine ("cos") or a line ("linear"). ValueError for other strategies and negative epochs."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for group, value in zip(
            optimizer.param_groups, one_per_group("swa_lr", optimizer, swa_lr)
        ):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}"
            )
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step):
        """How much of swa_lr there is after so many steps."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self):
        """The learning rates of the next step."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, last = group["lr"], group["swa_lr"]
            first = last if before == 1 else (lr - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
