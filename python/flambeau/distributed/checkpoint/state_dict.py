"""The state of models and optimizers, whole, as one process has it (source:
torch.distributed.checkpoint.state_dict)."""

from dataclasses import dataclass


@dataclass
class StateDictOptions:
    """What is wanted of a state dict. One process always has it whole; strict is heeded when it is
    loaded, cpu_offload moves nothing."""

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False
    dsd_fqn_modifiers: str = "_fqn_modifiers"


def get_model_state_dict(model, *, submodules=None, options=None):
    """model.state_dict(), without frozen parameters where options say so."""
    state = model.state_dict()
    if options is not None and options.ignore_frozen_params:
        for name, p in model.named_parameters():
            if not p.requires_grad:
                state.pop(name, None)
    return state


def set_model_state_dict(model, model_state_dict, *, options=None):
    """Loads a model's state."""
    strict = options is None or options.strict
    return model.load_state_dict(model_state_dict, strict=strict)


def _names(model, optimizer):
    """The name of each of the optimizer's parameters, by its number in the state dict."""
    known = {id(p): name for name, p in model.named_parameters()}
    return [known[id(p)] for group in optimizer.param_groups for p in group["params"]]


def get_optimizer_state_dict(model, optimizers, *, submodules=None, options=None):
    """optimizer.state_dict() with the parameters' names in place of their numbers. ValueError for
    several optimizers."""
    optimizer = _only(optimizers)
    names, state = _names(model, optimizer), optimizer.state_dict()
    state["state"] = {names[i]: value for i, value in state["state"].items()}
    for group in state["param_groups"]:
        group["params"] = [names[i] for i in group["params"]]
    return state


def set_optimizer_state_dict(model, optimizers, optim_state_dict, *, options=None):
    """Loads what get_optimizer_state_dict gave."""
    optimizer = _only(optimizers)
    numbers = {name: i for i, name in enumerate(_names(model, optimizer))}
    optimizer.load_state_dict({
        **optim_state_dict,
        "state": {numbers[name]: value for name, value in optim_state_dict["state"].items()},
        "param_groups": [
            {**group, "params": [numbers[name] for name in group["params"]]}
            for group in optim_state_dict["param_groups"]
        ],
    })


def get_state_dict(model, optimizers, *, submodules=None, options=None):
    """(the model's state, the optimizer's)."""
    return (get_model_state_dict(model, options=options),
            get_optimizer_state_dict(model, optimizers, options=options))


def set_state_dict(model, optimizers, *, model_state_dict, optim_state_dict, options=None):
    """Loads both."""
    if optim_state_dict:
        set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return set_model_state_dict(model, model_state_dict, options=options)


def _only(optimizers):
    if isinstance(optimizers, (list, tuple)):
        if len(optimizers) != 1:
            raise ValueError("one optimizer at a time has a state dict by names")
        return optimizers[0]
    return optimizers
