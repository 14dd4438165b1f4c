"""Settings of PyTorch's code generator: any may be set (source: torch._inductor.config)."""

from types import SimpleNamespace

debug = False
coordinate_descent_tuning = False
coordinate_descent_check_all_directions = False
epilogue_fusion = True
fx_graph_cache = True
max_autotune = False
pattern_matcher = True
triton = SimpleNamespace(unique_kernel_names=False, cudagraphs=False)
cpp = SimpleNamespace(threads=-1, simdlen=None)
