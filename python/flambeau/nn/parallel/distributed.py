"""A module whose gradients are averaged over processes, of which there is one (source:
torch.nn.parallel.DistributedDataParallel)."""

from contextlib import contextmanager

from flambeau.distributed import distributed_c10d
from flambeau.nn.modules.module import Module


class DistributedDataParallel(Module):
    """DistributedDataParallel(module, ...): calls the module, whose parameters get names that begin
    with "module.". The process group must have been initialised (ValueError), the module must
    have a parameter that asks for a gradient (RuntimeError), and device_ids must be None
    (ValueError), as in PyTorch with a module on the CPU.
    """

    def __init__(
        self,
        module,
        device_ids=None,
        output_device=None,
        dim=0,
        broadcast_buffers=True,
        init_sync=True,
        process_group=None,
        bucket_cap_mb=None,
        find_unused_parameters=False,
        check_reduction=False,
        gradient_as_bucket_view=False,
        static_graph=False,
        delay_all_reduce_named_params=None,
        param_to_hook_all_reduce=None,
        mixed_precision=None,
        device_mesh=None,
        **options,
    ):
        super().__init__()
        if process_group is None:
            process_group = distributed_c10d._get_default_group()
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter "
                "that requires a gradient."
            )
        if device_ids or output_device is not None:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with "
                "single-device/multiple-device GPU modules or CPU modules, but got device_ids "
                f"{device_ids}, output_device {output_device}, and module parameters "
                "{device(type='cpu')}."
            )
        self.module = module
        self.process_group = process_group
        self.device_ids = self.output_device = None
        self.device, self.device_type, self.dim = next(module.parameters()).device, "cpu", dim
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.static_graph = static_graph
        self.require_backward_grad_sync = True
        self.require_forward_param_sync = True

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self):
        """Gradients gather without being averaged: among one process they always do."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(self, divide_by_initial_world_size=True, enable=True, throw_on_early_termination=False):
        """Uneven inputs over processes: nothing to do among one."""
        yield

    def register_comm_hook(self, state, hook):
        """Accepted: no gradient is communicated."""

    def _set_static_graph(self):
        self.static_graph = True
