"""Optimizers of parameters that other processes share (source: torch.distributed.optim): there are
no other processes."""

from flambeau.optim.optimizer import Optimizer


class DistributedOptimizer:
    """Never an instance: NotImplementedError."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError(
            "Flambeau has no torch.distributed.optim.DistributedOptimizer: it runs one process (world size 1)"
        )


class ZeroRedundancyOptimizer(Optimizer):
    """optimizer_class(params, **defaults), of whose state each process keeps a part: here the only
    one keeps all of it. `optim` is that optimizer, whose groups and state these are."""

    def __init__(self, params, optimizer_class, process_group=None,
                 parameters_as_bucket_view=False, overlap_with_ddp=False, **defaults):
        self.optim = optimizer_class(params, **defaults)
        super().__init__(self.optim.param_groups, self.optim.defaults)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def step(self, closure=None, **options):
        return self.optim.step(closure=closure, **options)

    def add_param_group(self, param_group):
        if not any(group is param_group for group in self.optim.param_groups):
            self.optim.add_param_group(param_group)

    def consolidate_state_dict(self, to=0):
        """Nothing to bring together."""

    def state_dict(self):
        return self.optim.state_dict()

    def load_state_dict(self, state_dict):
        self.optim.load_state_dict(state_dict)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def join_hook(self, **options):
        """Nothing to wait for."""
