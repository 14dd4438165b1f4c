# Types for editors of torch.autograd.
from typing import Any, Optional, Sequence, Union

from flambeau.autograd import (
    anomaly_mode as anomaly_mode,
    forward_ad as forward_ad,
    function as function,
    functional as functional,
    grad_mode as grad_mode,
    graph as graph,
    profiler as profiler,
)
from flambeau._C import Tensor
from flambeau.autograd.anomaly_mode import (
    detect_anomaly as detect_anomaly,
    set_detect_anomaly as set_detect_anomaly,
)
from flambeau.autograd.function import (
    Function as Function,
    FunctionCtx as FunctionCtx,
    InplaceFunction as InplaceFunction,
    once_differentiable as once_differentiable,
)
from flambeau.autograd.gradcheck import gradcheck as gradcheck, gradgradcheck as gradgradcheck
from flambeau.autograd.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
    set_multithreading_enabled as set_multithreading_enabled,
)

Variable = Tensor
_Tensors = Union[Tensor, Sequence[Tensor]]

def backward(tensors: _Tensors, grad_tensors: Any = ..., retain_graph: Optional[bool] = ..., create_graph: bool = ..., grad_variables: Any = ..., inputs: Any = ...) -> None: ...
def grad(outputs: _Tensors, inputs: Any, grad_outputs: Any = ..., retain_graph: Optional[bool] = ..., create_graph: bool = ..., only_inputs: bool = ..., allow_unused: Optional[bool] = ..., is_grads_batched: bool = ..., materialize_grads: bool = ...) -> Any: ...
