"""A module run on several devices at a time: on a CPU, on one (source: torch.nn.DataParallel)."""

from flambeau import _C
from flambeau.nn.modules.module import Module


class DataParallel(Module):
    """DataParallel(module, device_ids=None, output_device=None, dim=0): calls the module, whose
    parameters get names that begin with "module."."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module
        self.device_ids = []

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(
    module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None
):
    """Calls the module with the inputs (source: torch.nn.parallel.data_parallel)."""
    inputs = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


def _one(devices):
    """Refuses several devices, and one that is not there."""
    if len(devices) > 1:
        raise NotImplementedError("Flambeau computes on one device, the CPU")
    for device in devices:
        _C.empty([0], device=_C.device(device))


def replicate(network, devices, detach=False):
    """[network]: one copy, itself."""
    _one(devices)
    return [network]


def scatter(inputs, target_gpus, dim=0):
    """[inputs]: one part, the whole."""
    _one(target_gpus)
    return [inputs]


def gather(outputs, target_device, dim=0):
    """The one part's outputs."""
    if len(outputs) != 1:
        raise NotImplementedError("Flambeau computes on one device, the CPU")
    return outputs[0]


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None):
    """Calls each module with its inputs, one after the other."""
    given = kwargs_tup or [{}] * len(modules)
    results = []
    for module, arguments, keywords in zip(modules, inputs, given, strict=True):
        arguments = arguments if isinstance(arguments, (list, tuple)) else (arguments,)
        results.append(module(*arguments, **keywords))
    return results
