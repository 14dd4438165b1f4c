# Types for editors of torch.backends: switches that are accepted.
from typing import Any

fp32_precision: str
cudnn: Any
cuda: Any
mps: Any
mkl: Any
mkldnn: Any
openmp: Any
nnpack: Any
xnnpack: Any
quantized: Any
opt_einsum: Any
cpu: Any

def disable_global_flags() -> None: ...
