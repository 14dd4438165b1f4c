"""The base of all optimizers: groups of parameters, their state, hooks, saving and loading (source:
torch.optim.Optimizer).

A group is a dict of options with its "params"; `state` maps a parameter to the dict of what the
optimizer remembers of it. Both have PyTorch's layout and may be read and changed between steps:
step() reads them anew each time.
"""

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from copy import deepcopy
from functools import wraps
from itertools import chain

from flambeau import _C
from flambeau._hint import noted, speaks_chinese
from flambeau.autograd.grad_mode import enable_grad
from flambeau.utils.hooks import RemovableHandle

Tensor = _C.Tensor
ParamsT = Iterable  # for annotations: of tensors, or of dicts with "params"

_global_optimizer_pre_hooks = OrderedDict()
_global_optimizer_post_hooks = OrderedDict()


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()  # the default of an option that every group must give


def register_optimizer_step_pre_hook(hook):
    """hook(optimizer, args, kwargs) runs before the step of every optimizer (source:
    torch.optim.optimizer.register_optimizer_step_pre_hook)."""
    handle = RemovableHandle(_global_optimizer_pre_hooks)
    _global_optimizer_pre_hooks[handle.id] = hook
    return handle


def register_optimizer_step_post_hook(hook):
    """hook(optimizer, args, kwargs) runs after the step of every optimizer (source:
    torch.optim.optimizer.register_optimizer_step_post_hook)."""
    handle = RemovableHandle(_global_optimizer_post_hooks)
    _global_optimizer_post_hooks[handle.id] = hook
    return handle


def _use_grad_for_differentiable(step):
    """Makes a step run unrecorded unless the optimizer was made with differentiable=True."""

    @wraps(step)
    def wrapper(self, *args, **kwargs):
        before = _C._is_grad_enabled()
        _C._set_grad_enabled(bool(self.defaults.get("differentiable")))
        try:
            return step(self, *args, **kwargs)
        finally:
            _C._set_grad_enabled(before)

    return wrapper


def _to_scalar(x):
    """A 1-element tensor of any rank as one without dims; a number as it is."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() != 0 else x


_step_began = False  # any optimizer's; advice on a missing step asks


def _hooked(step):
    """step with the optimizer's hooks around it; without hooks one test."""

    @wraps(step)
    def wrapper(self, *args, **kwargs):
        global _step_began
        if not _step_began:
            _step_began = True
            _C._step_begins()
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
        ):
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in chain(
            list(_global_optimizer_pre_hooks.values()),
            list(self._optimizer_step_pre_hooks.values()),
        ):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, "
                        f"new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in chain(
            list(self._optimizer_step_post_hooks.values()),
            list(_global_optimizer_post_hooks.values()),
        ):
            hook(self, args, kwargs)
        return result

    wrapper.hooked = True
    return wrapper


_HOOK_TABLES = tuple(
    f"_optimizer_{event}_{side}_hooks"
    for event in ("step", "state_dict", "load_state_dict")
    for side in ("pre", "post")
)


def _rate(name):
    """An attribute that an optimizer of the library has not, like any other of that name: setting it
    is advised on, for the rate is in param_groups."""

    def get(self):
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self
            ) from None

    def put(self, value):
        self.__dict__[name] = value
        if type(self).__module__.startswith(("flambeau.optim.", "torch.optim.")):
            _advise_of_rate(name)

    def remove(self):
        get(self)
        del self.__dict__[name]

    return property(get, put, remove)


def _advise_of_rate(name):
    from flambeau import _advice

    _advice.warn(
        "rate_as_attribute",
        f"给优化器设置了属性 {name}：没有代码会读取它，学习率没有改变。\n"
        "提示：for group in optimizer.param_groups: group['lr'] = value；"
        "或用 torch.optim.lr_scheduler 里的调度器。"
        if speaks_chinese()
        else f"The attribute {name} of an optimizer is set: nothing reads it, and the learning rate stays "
        "as it is.\n"
        "hint: for group in optimizer.param_groups: group['lr'] = value, or a scheduler of "
        "torch.optim.lr_scheduler.",
    )


class Optimizer:
    """Base of optimizers: subclasses define step(closure=None).

    params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own;
    defaults: the options of groups that do not give them. TypeError for what is not a tensor,
    ValueError for an empty list, a tensor that is not a leaf, or a parameter in two groups.
    """

    def __init__(self, params: Iterable, defaults):
        self.defaults = defaults
        for table in _HOOK_TABLES:
            setattr(self, table, OrderedDict())
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of "
                f"Tensors or dicts, but got {params.type()}"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        try:
            groups = list(params)
        except TypeError as error:
            raise _explained(error, params)
        if not groups:
            raise _empty_list()
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    lr = _rate("lr")
    learning_rate = _rate("learning_rate")

    def _patch_step_function(self):
        kind = type(self)
        if not getattr(kind.step, "hooked", False):
            kind.step = _hooked(kind.step)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        for table in _HOOK_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # ---- hooks ----

    def _register(self, table, hook, prepend=False):
        hooks = getattr(self, table)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook):
        """hook(optimizer, args, kwargs) runs before step and may return new (args, kwargs)."""
        return self._register("_optimizer_step_pre_hooks", hook)

    def register_step_post_hook(self, hook):
        """hook(optimizer, args, kwargs) runs after step."""
        return self._register("_optimizer_step_post_hooks", hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """hook(optimizer) runs before state_dict."""
        return self._register("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """hook(optimizer, state_dict) may change or replace the result of state_dict."""
        return self._register("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """hook(optimizer, state_dict) may change or replace what load_state_dict reads."""
        return self._register("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """hook(optimizer) runs after load_state_dict."""
        return self._register("_optimizer_load_state_dict_post_hooks", hook, prepend)

    # ---- saving and loading ----

    def state_dict(self):
        """{"state": {number of the parameter: its state}, "param_groups": groups with numbers for
        parameters}; the tensors are the optimizer's own (source:
        torch.optim.Optimizer.state_dict)."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers = {}
        for i, p in enumerate(chain.from_iterable(group["params"] for group in self.param_groups)):
            numbers.setdefault(id(p), i)
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict):
        """Takes over what state_dict gave: tensors in the dtype of their parameters, options from
        the dict (source: torch.optim.Optimizer.load_state_dict). ValueError when the groups do not
        fit."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        saved = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(
            len(group["params"]) != len(new["params"])
            for group, new in zip(self.param_groups, saved)
        ):
            raise ValueError(
                "loaded state dict contains a parameter group "
                "that doesn't match the size of optimizer's group"
            )
        params, fused = {}, {}
        for group, new in zip(self.param_groups, saved):
            for number, p in zip(new["params"], group["params"]):
                params[number] = p
                fused[number] = new.get("fused") or new.get("capturable")
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = _adapted(value, params[key], fused[key])
            else:
                state[key] = value
        for group, new in zip(self.param_groups, saved):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ---- training ----

    def zero_grad(self, set_to_none=True):
        """Drops the gradients of all parameters, or fills them with zeros (source:
        torch.optim.Optimizer.zero_grad)."""
        if set_to_none:
            _C._zero_grad(self.param_groups)
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    if p.grad.grad_fn is not None:
                        p.grad.detach_()
                    else:
                        p.grad.requires_grad_(False)
                    p.grad.zero_()

    def step(self, closure=None):
        """Updates the parameters from their gradients. closure: computes the loss anew and returns
        it."""
        raise NotImplementedError

    def add_param_group(self, param_group):
        """Adds a dict of "params" and options, checked as at construction (source:
        torch.optim.Optimizer.add_param_group)."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, Tensor):
            given = [given]
        elif isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, "
                "but the ordering of tensors in sets will change between runs. Please "
                "use a list instead."
            )
        given = list(given)
        names = [item[0] for item in given if isinstance(item, tuple)]
        params = param_group["params"] = [
            item[1] if isinstance(item, tuple) else item for item in given
        ]
        if names:
            if len(names) != len(params):
                raise ValueError(
                    "all optimizer params should be with/without names. Some param "
                    "names are missing"
                )
            param_group["param_names"] = names
        for p in params:
            self._check_param(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
            param_group.setdefault(name, default)
        ids = {id(p) for p in params}
        if len(ids) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in "
                "future, this will cause an error; see "
                "github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                which = "with names" if "param_names" in param_group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {which} to the optimizer"
                )
            if not ids.isdisjoint(id(p) for p in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def _check_param(self, p):
        if not isinstance(p, Tensor):
            kind = type(p)
            name = (
                kind.__qualname__
                if kind.__module__ == "builtins"
                else f"{kind.__module__}.{kind.__qualname__}"
            )
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {name}")
        if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")


def _explained(error, params):
    """A TypeError for what is no iterable of parameters, with the fix."""
    if callable(params) and hasattr(params, "__self__"):
        return noted(
            error,
            "this is the method and not its result: model.parameters(), with brackets.",
            "传入的是方法本身而不是它的结果：请加括号，model.parameters()。",
        )
    if hasattr(params, "parameters"):
        return noted(
            error,
            "this is the model: give its parameters, model.parameters().",
            "传入的是模型：请传入它的参数，model.parameters()。",
        )
    return error


def _empty_list():
    return noted(
        ValueError("optimizer got an empty parameter list"),
        "the model has no registered parameters, or a generator was used up before: keep layers "
        "as attributes or in nn.ModuleList (a Python list does not register them), and call "
        "model.parameters() anew for each use.",
        "模型没有注册任何参数，或生成器已经用完：请把层设为属性或放进 nn.ModuleList"
        "（Python 列表不会注册其中的层），每次使用都重新调用 model.parameters()。",
    )


def _adapted(value, p, fused, key=None):
    """A loaded state for parameter p: its tensors as p's dtype and device, except "step", which
    stays as it is."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.to(dtype=_C.float32, device=p.device) if fused else value
        if p.is_floating_point():
            return value.to(dtype=p.dtype, device=p.device)
        return value.to(device=p.device)
    if isinstance(value, dict):
        return {name: _adapted(item, p, fused, name) for name, item in value.items()}
    if isinstance(value, (str, bytes)):
        return value
    if hasattr(value, "__iter__"):
        return type(value)(_adapted(item, p, fused) for item in value)
    return value


class BuiltinOptimizer(Optimizer):
    """What Flambeau's own optimizers share: _step_group(group) updates a group.

    _later_options: options that PyTorch added with time, and what they are in states saved before.
    """

    _later_options = {}
    _takes_sparse = False

    def _check_sparse(self, g):
        if g is not None and g.is_sparse and not self._takes_sparse:
            hint = ", please consider SparseAdam instead" if self._name_in_errors == "Adam" else ""
            raise RuntimeError(f"{self._name_in_errors} does not support sparse gradients{hint}")

    @property
    def _name_in_errors(self):
        name = type(self).__name__
        return "Adam" if name == "AdamW" else name

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._later_options.items():
                group.setdefault(name, value)
            for p in group["params"]:
                known = self.state.get(p)
                if known and "step" in known and not isinstance(known["step"], Tensor):
                    known["step"] = _C.tensor(float(known["step"]), dtype=step_dtype())

    def _check_fused(self):
        if self.defaults["fused"]:
            if self.defaults["differentiable"]:
                raise RuntimeError("`fused` does not support `differentiable`")
            if self.defaults["foreach"]:
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def step(self, closure=None):
        """Updates every parameter that has a gradient. Returns what closure() returns, None without
        one."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        _C._watch_step(self.param_groups)
        return loss


class GroupOptimizer(BuiltinOptimizer):
    """What optimizers share whose step of a whole group is one C call.

    _step_in_c(group, state): that call; False where it cannot take the group, which then goes
    through _step_by_operators(group).
    """

    def _step_group(self, group):
        if not self._step_in_c(group, self.state):
            for p in group["params"]:
                self._check_sparse(p.grad)
            self._step_by_operators(group)


def refuse_options(lr, weight_decay=0, betas=None, eps=0, **others):
    """ValueError, in PyTorch's words, for options out of range."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")
    if not 0.0 <= eps:
        raise ValueError(f"Invalid epsilon value: {eps}")
    for i, beta in enumerate(betas or ()):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    for name, value in {"weight_decay": weight_decay, **others}.items():
        if not 0.0 <= value:
            raise ValueError(f"Invalid {name} value: {value}")


class EachOptimizer(BuiltinOptimizer):
    """What optimizers share that update one parameter after another, by operators.

    _start(p, group): the state of a parameter at its first step, beside "step"; _update(p, g,
    state, group): the update. g has been turned for `maximize`, and has weight_decay * p added
    unless the group's decoupled_weight_decay is True: then p has been shrunk. _decays False: _update
    sees to that itself.
    """

    _decays = True

    _later_options = {
        "foreach": None, "maximize": False, "differentiable": False, "capturable": False
    }

    @_use_grad_for_differentiable
    def _step_group(self, group):
        for p in group["params"]:
            if p.grad is not None:
                self._step_one(p, group)

    def _step_one(self, p, group):
        g, state = p.grad, self.state[p]
        if g.is_sparse:
            self._check_sparse(g)
        decay = group.get("weight_decay", 0) if self._decays else 0
        if not state:
            state["step"] = _C.zeros((), dtype=step_dtype())
            state.update(self._start(p, group))
        state["step"] += 1
        if group["maximize"]:
            g = -g
        if decay != 0 and group.get("decoupled_weight_decay"):
            p.mul_(1 - _to_scalar(group["lr"]) * decay)
        elif decay != 0:
            g = g.add(p, alpha=decay)
        if p.is_complex():
            p, g, state = as_real(p), as_real(g), {k: as_real(v) for k, v in state.items()}
        self._update(p, g, state, group)


def as_real(t):
    """A complex tensor as a view of its real and imaginary parts, which optimizers update as
    independent numbers; a real tensor as it is."""
    return _C.view_as_real(t) if t.is_complex() else t


def step_dtype():
    """The dtype of the tensor that counts steps."""
    return _C.float64 if _C.get_default_dtype() == _C.float64 else _C.float32
